"""Settlement's books made again where rows are gone: compositions from the journal, transactions from the chain."""

from __future__ import annotations

from typing import Any, Final

from persistence.database import Connection
from settlement.chain import Chain, Fees
from settlement.chain_events import BATCH_SETTLED
from settlement.composition import compose, fills_of
from settlement.journal_fold import Composed
from settlement.records import Attempt, BatchRow, Records, SignedTransaction
from settlement.simulation import Addresses, Verdict
from settlement.trades import Ejected, Trade

_WORD_BYTES: Final = 32


async def restore_attempt(connection: Connection, composed: Composed) -> None:
    """Write down a composition that only the journal has. Netting is a function: the payload has the same hash."""
    batch, records = composed.batch, Records(connection)
    trades = await records.trades_between(batch.trade_after, batch.trade_last)
    ejected = tuple(Ejected(trade_id, reason) for trade_id, reason in sorted(composed.ejected.items()))
    settling = [trade for trade in trades if trade.trade_id not in composed.ejected]
    instruments = await records.instruments()
    accounts = {account for trade in trades for account in (trade.buyer_account, trade.seller_account)}
    accounts |= {each.fee_account for each in instruments.values()}
    wallets = await records.wallets(accounts, composed.seq)
    fills = tuple(fills_of(settling, instruments, wallets))
    made = compose(trades, Verdict(0, fills, ejected), batch.trade_after)
    assert made.payload_hash == batch.payload_hash, f"batch {batch.batch_id} does not net to what the journal says"
    row = _batch_row(composed, trades[-1])
    attempt = Attempt(
        batch_id=batch.batch_id,
        attempt=batch.attempt,
        call_data=made.call_data,
        payload_hash=made.payload_hash,
        gas_estimated=0,
        fills=made.fills,
        legs=made.legs,
        ejected=ejected,
    )
    await records.insert_attempt(connection, row, attempt)


def _batch_row(composed: Composed, last: Trade) -> BatchRow:
    batch = composed.batch
    return BatchRow(
        batch.batch_id, batch.trade_after, batch.trade_last, last.frame_seq, last.frame_hash, state="PREPARED"
    )


async def adopt_settled(
    chain: Chain, records: Records, addresses: Addresses, sender: bytes, purpose: str, batch: BatchRow
) -> bool:
    """Write down the transaction that settled a batch and that our rows do not have; False if the chain has none.

    Raises ChainUnavailable, ChainRefused.
    """
    topics = [BATCH_SETTLED, *(each.to_bytes(_WORD_BYTES, "big") for each in (batch.trade_after, batch.trade_last))]
    found = await chain.find_logs(addresses.bridge, topics)
    if not found:
        return False
    log = found[-1]
    payload_hash = log.data[2 * _WORD_BYTES : 3 * _WORD_BYTES]
    attempts = [each for each in await records.attempts(batch.batch_id) if each.payload_hash == payload_hash]
    assert attempts, f"the bridge settled batch {batch.batch_id} with a payload that was never composed"
    fields: Any = await chain.request("eth_getTransactionByHash", ["0x" + log.transaction.hex()])
    raw: Any = await chain.request("eth_getRawTransactionByHash", ["0x" + log.transaction.hex()])
    await records.record_transaction(
        SignedTransaction(
            transaction=log.transaction,
            purpose=purpose,
            attempt=attempts[-1].attempt,
            sender=sender,
            nonce=int(fields["nonce"], 16),
            gas_limit=int(fields["gas"], 16),
            fees=Fees(int(fields["maxFeePerGas"], 16), int(fields["maxPriorityFeePerGas"], 16)),
            raw=bytes.fromhex(raw.removeprefix("0x")),
        )
    )
    return True
