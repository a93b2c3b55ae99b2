"""From fills that settle to a batch that fits one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from settlement.calls import OURS, payload_hash, settle_data
from settlement.chain import TRANSACTION_GAS_MAX, Chain
from settlement.netting import fill_of, net
from settlement.simulation import Addresses, Verdict, revert_of_call
from settlement.trades import Ejected, Fill, Instrument, Trade, Wallets

GAS_TARGET: Final = 12_500_000  # what a first attempt may need, so that one with more ejected fits as well
GAS_LIMIT_FACTOR: Final = (6, 5)  # the state may have changed a little when it is mined
CALL_DATA_BYTES_MAX: Final = 120_000  # nodes refuse transactions over 128 KiB


class BatchStuck(Exception):  # noqa: N818
    """A batch whose range stands cannot be sent as it is; the text says why. It is tried again as the chain changes."""


@dataclass(frozen=True, slots=True)
class Composition:
    """The call that settles trades (trade_after, trade_last] less the ejected."""

    trade_after: int
    trade_last: int
    journal_seq: int
    journal_hash: bytes
    call_data: bytes
    payload_hash: bytes
    gas_estimated: int
    fills: int
    legs: int
    ejected: tuple[Ejected, ...]


def gas_limit(gas_estimated: int) -> int:
    return min(TRANSACTION_GAS_MAX, gas_estimated * GAS_LIMIT_FACTOR[0] // GAS_LIMIT_FACTOR[1])


def fills_of(trades: Sequence[Trade], instruments: Mapping[int, Instrument], wallets: Wallets) -> list[Fill]:
    return [fill_of(trade, instruments[trade.instrument], wallets) for trade in trades]


def compose(trades: Sequence[Trade], verdict: Verdict, trade_after: int) -> Composition:
    """Net what settles of `trades`, which follow `trade_after` without a gap; the gas is not known yet (0)."""
    last = trades[-1]
    assert [trade.trade_id for trade in trades] == list(range(trade_after + 1, last.trade_id + 1))
    settling = [fill for fill in verdict.settling if fill.trade_id <= last.trade_id]
    ejected = tuple(each for each in verdict.ejected if each.trade_id <= last.trade_id)
    assert len(settling) + len(ejected) == len(trades)
    batch = net(settling)
    data = settle_data(trade_after, last.trade_id, last.frame_seq, last.frame_hash, batch)
    return Composition(
        trade_after=trade_after,
        trade_last=last.trade_id,
        journal_seq=last.frame_seq,
        journal_hash=last.frame_hash,
        call_data=data,
        payload_hash=payload_hash(batch),
        gas_estimated=0,
        fills=len(settling),
        legs=len(batch.legs),
        ejected=ejected,
    )


async def fitting(
    chain: Chain, addresses: Addresses, operator: bytes, trades: Sequence[Trade], verdict: Verdict, trade_after: int
) -> Composition:
    """The longest prefix, found by halving, whose batch settles now within the gas target.

    Each fill settles by itself, so a prefix of one does too; a longer one may not, where a compliance module minds the
    order of netted legs. Raises BatchStuck, ChainUnavailable.
    """
    count = len(trades)
    while True:
        composition = compose(trades[:count], verdict, trade_after)
        gas, revert = 0, None
        if len(composition.call_data) <= CALL_DATA_BYTES_MAX:
            gas, revert = await revert_of_call(chain, operator, addresses.bridge, composition.call_data)
            if revert is None and gas <= (TRANSACTION_GAS_MAX if count == 1 else GAS_TARGET):
                return replace(composition, gas_estimated=gas)
        if revert is not None and (count == 1 or revert.name in OURS):
            raise BatchStuck(f"the bridge does not take the batch: {revert}")
        assert count > 1, "one fill does not fit a transaction"
        count = (count + 1) // 2
