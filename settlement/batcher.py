"""Durable trades to settled batches: simulate, eject, net, compose, sign, send, watch, replace."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from settlement.announcement import Submit, announcement, refusal
from settlement.calls import LAST_TRADE, words
from settlement.chain import Chain, ChainMoved, ChainRefused, ChainUnavailable
from settlement.composition import BatchStuck, Composition, compose, fills_of, fitting, gas_limit
from settlement.outbox import Call, Outbox, Progress, Standing
from settlement.records import Attempt, BatchRow, Records, SignedTransaction
from settlement.restoration import adopt_settled
from settlement.signer_client import SignerUnavailable
from settlement.signing import SigningRefused
from settlement.simulation import Addresses, SettlementMisconfigured, Verdict, revert_of_call, simulate
from settlement.trades import Ejected, Fill, Trade

_log: Final = logging.getLogger(__name__)


WaitFor = Callable[[int], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """What a trader can know of a batch before it is FINAL. `state` is SUBMITTED (again after a reorg) or MINED."""

    batch_id: int
    state: str
    trade_after: int
    trade_last: int
    ejected: tuple[Ejected, ...]
    transaction: bytes
    block: int  # 0 while SUBMITTED


OnProgress = Callable[[BatchProgress], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class BatcherTerms:
    """
    batches_unfinal_max  how many may wait to be FINAL before trades wait instead
    replace_after_s      how long a transaction may wait before its fee is raised
    simulation_gas_max   what the node lets one eth_call use
    """

    interval_s: float = 1.0
    trades_max: int = 400
    batches_unfinal_max: int = 8
    replace_after_s: float = 45.0
    simulation_gas_max: int = 50_000_000


class Batcher:
    """
    submit       commands into the exchange; returns when they are durable
    wait_for     until the records hold everything up to a seq
    on_progress  hears of each change of a batch's state; told again after a crash
    """

    def __init__(
        self,
        chain: Chain,
        records: Records,
        outbox: Outbox,
        addresses: Addresses,
        submit: Submit,
        wait_for: WaitFor,
        on_progress: OnProgress,
        terms: BatcherTerms,
    ) -> None:
        self._chain = chain
        self._records = records
        self._outbox = outbox
        self._addresses = addresses
        self._submit = submit
        self._wait_for = wait_for
        self._on_progress = on_progress
        self._terms = terms
        self._simulated_block = (0, 0)  # batch, and the block on which its present attempt was last seen to settle

    async def step(self) -> bool:
        """Bring every open batch as far as it goes, and start the next one if there is room. True: there is more to do.

        Whatever stops it leaves the records such that the next step goes on from there.
        Raises ChainUnavailable, ChainRefused, ChainMoved, SignerUnavailable, SigningRefused, BatchStuck,
        SettlementMisconfigured.
        """
        await self._read_late_receipts()
        batches = await self._records.open_batches()
        unmined = 0
        for batch in batches:
            if not await self._advance(batch, is_first=unmined == 0):
                unmined += 1
        if unmined == 0 and len(batches) < self._terms.batches_unfinal_max:
            return await self._start_next()
        return unmined > 0

    async def _read_late_receipts(self) -> None:
        """The listener can hear of a batch as FINAL before a step has seen it mined."""
        for batch_id, transaction in await self._records.final_without_gas():
            if (receipt := await self._chain.receipt(transaction)) is not None:
                await self._records.set_gas(batch_id, receipt.gas_used)

    # -- a batch on its way

    async def _advance(self, batch: BatchRow, is_first: bool) -> bool:
        """True once it is mined. Only the first unmined batch is simulated: the others wait for its result."""
        attempt = await self._composed_attempt(batch)
        if batch.state == "PREPARED":
            batch = replace(batch, state="COMPOSED")
        progress = await self._outbox.look(_purpose(batch))
        if progress.standing is Standing.MINED:
            await self._mined(batch, progress)
            return True
        if batch.state == "MINED":  # a reorg took its block
            await self._submitted(batch, attempt, progress.signed[-1])
        if progress.standing is Standing.WAITING:
            await self._keep_waiting(batch, attempt, progress, is_first)
        elif is_first:
            if progress.standing is Standing.NONE and await self._last_trade(None) >= batch.trade_last:
                await self._adopt(batch)  # our rows were lost and made again from the journal
            else:
                await self._push(batch, attempt, None)
        return False

    async def _adopt(self, batch: BatchRow) -> None:
        sender, purpose = self._outbox.sender, _purpose(batch)
        if not await adopt_settled(self._chain, self._records, self._addresses, sender, purpose, batch):
            raise BatchStuck(f"the bridge is beyond batch {batch.batch_id}, and no transaction settled its range")

    async def _keep_waiting(self, batch: BatchRow, attempt: Attempt, progress: Progress, is_first: bool) -> None:
        nonce_last = max(each.nonce for each in progress.signed)
        newest = [each for each in progress.signed if each.nonce == nonce_last][-1]
        if batch.state == "COMPOSED":  # killed between signing and saying so
            await self._submitted(batch, attempt, newest)
        if newest.attempt < attempt.attempt or newest.age_s > self._terms.replace_after_s:
            await self._push(batch, attempt, newest)
            return
        await self._outbox.again(newest)
        if is_first and (failing := await self._failing(batch, attempt)):
            await self._push(batch, await self._reattempt(batch, attempt, failing), newest)

    async def _push(self, batch: BatchRow, attempt: Attempt, replacing: SignedTransaction | None) -> None:
        """Send an attempt, or a further one if it would not settle any more."""
        last_trade = await self._last_trade(None)
        if last_trade != batch.trade_after:
            raise BatchStuck(f"batch {batch.batch_id} follows trade {batch.trade_after}, the bridge is at {last_trade}")
        if failing := await self._failing(batch, attempt):
            attempt = await self._reattempt(batch, attempt, failing)
        gas, revert = await revert_of_call(self._chain, self._outbox.sender, self._addresses.bridge, attempt.call_data)
        if revert is not None:
            raise BatchStuck(f"the bridge does not take batch {batch.batch_id}: {revert}")
        call = Call(_purpose(batch), attempt.attempt, self._addresses.bridge, attempt.call_data, gas_limit(gas))
        signed = await self._outbox.send(call, replacing)
        await self._submitted(batch, attempt, signed)

    async def _failing(self, batch: BatchRow, attempt: Attempt) -> tuple[Ejected, ...]:
        """Trades of an attempt that would not settle now, asked once a block."""
        head = await self._chain.head()
        if self._simulated_block == (batch.batch_id, head.number):
            return ()
        trades = await self._records.trades_between(batch.trade_after, batch.trade_last)
        left_out = {each.trade_id for each in attempt.ejected}
        fills = await self._fills([trade for trade in trades if trade.trade_id not in left_out])
        failed = await self._fills([trade for trade in trades if trade.trade_id in left_out])
        before = [*await self._failed_before(batch.trade_after), *failed]
        verdict = await self._simulate(fills, head.number, before)
        if not verdict.ejected:
            self._simulated_block = (batch.batch_id, head.number)
        return verdict.ejected

    async def _reattempt(self, batch: BatchRow, attempt: Attempt, failing: Sequence[Ejected]) -> Attempt:
        """Compose the same range with more left out, and tell the journal before anyone else."""
        trades = await self._records.trades_between(batch.trade_after, batch.trade_last)
        ejected = tuple(sorted((*attempt.ejected, *failing), key=lambda each: each.trade_id))
        left_out = {each.trade_id for each in ejected}
        fills = await self._fills([trade for trade in trades if trade.trade_id not in left_out])
        composition = compose(trades, Verdict(0, tuple(fills), ejected), batch.trade_after)
        further = _attempt(batch.batch_id, attempt.attempt + 1, composition)
        await self._records.prepare(batch, further)
        await self._announce(batch, further)
        return further

    async def _composed_attempt(self, batch: BatchRow) -> Attempt:
        """The newest attempt, after the journal has it: a kill may have come between writing it down and telling."""
        attempt = (await self._records.attempts(batch.batch_id))[-1]
        if attempt.composed_seq is None:
            await self._announce(batch, attempt)
        return attempt

    async def _announce(self, batch: BatchRow, attempt: Attempt) -> None:
        answers = await self._submit(announcement(batch, attempt))
        if (reason := refusal(answers)) is not None:
            await self._records.forget_attempt(batch.batch_id, attempt.attempt)
            raise BatchStuck(f"the exchange refused batch {batch.batch_id}, attempt {attempt.attempt}: {reason.name}")
        await self._wait_for(answers[-1].seq)

    async def _mined(self, batch: BatchRow, progress: Progress) -> None:
        assert progress.receipt is not None
        assert progress.mined is not None
        receipt, attempt_number = progress.receipt, progress.mined.attempt
        if (batch.state, batch.mined_block_hash) == ("MINED", receipt.block_hash):
            return
        await self._records.mark_mined(
            batch.batch_id,
            attempt_number,
            receipt.block,
            receipt.block_hash,
            receipt.transaction,
            receipt.gas_used,
        )
        attempt = next(each for each in await self._records.attempts(batch.batch_id) if each.attempt == attempt_number)
        await self._tell(batch, "MINED", attempt, receipt.transaction, receipt.block)

    async def _submitted(self, batch: BatchRow, attempt: Attempt, signed: SignedTransaction) -> None:
        await self._records.mark_submitted(batch.batch_id)
        await self._tell(batch, "SUBMITTED", attempt, signed.transaction, 0)

    async def _tell(self, batch: BatchRow, state: str, attempt: Attempt, transaction: bytes, block: int) -> None:
        _log.info("batch %d attempt %d %s, block %d", batch.batch_id, attempt.attempt, state, block)
        told = BatchProgress(
            batch.batch_id, state, batch.trade_after, batch.trade_last, attempt.ejected, transaction, block
        )
        await self._on_progress(told)

    # -- the next batch

    async def _start_next(self) -> bool:
        last = await self._records.last_batch()
        batch_id, trade_after = (1, 0) if last is None else (last.batch_id + 1, last.trade_last)
        trades = await self._records.unbatched_trades(trade_after, self._terms.trades_max)
        if not trades:
            return False
        head = await self._chain.head()
        last_trade = await self._last_trade(head.number)
        if last_trade != trade_after:
            raise BatchStuck(f"the next batch follows trade {trade_after}, the bridge is at {last_trade}")
        fills = await self._fills(trades)
        verdict = await self._simulate(fills, head.number, await self._failed_before(trade_after))
        trades = trades[: verdict.count]
        composition = await fitting(self._chain, self._addresses, self._outbox.sender, trades, verdict, trade_after)
        batch = BatchRow(
            batch_id,
            trade_after,
            composition.trade_last,
            composition.journal_seq,
            composition.journal_hash,
            "PREPARED",
        )
        attempt = _attempt(batch_id, 1, composition)
        await self._records.prepare(batch, attempt)
        await self._announce(batch, attempt)
        self._simulated_block = (batch_id, head.number)
        await self._push(replace(batch, state="COMPOSED"), attempt, None)
        return True

    # -- what several of the above share

    async def _simulate(self, fills: Sequence[Fill], block: int, failed_before: Sequence[Fill]) -> Verdict:
        gas_max = self._terms.simulation_gas_max
        return await simulate(self._chain, self._addresses, fills, block, failed_before, gas_max)

    async def _fills(self, trades: Sequence[Trade]) -> list[Fill]:
        instruments = await self._records.instruments()
        accounts = {account for trade in trades for account in (trade.buyer_account, trade.seller_account)}
        wallets = await self._records.wallets(accounts | {each.fee_account for each in instruments.values()})
        return fills_of(trades, instruments, wallets)

    async def _failed_before(self, trade_after: int) -> list[Fill]:
        return await self._fills([trade for trade, _ in await self._records.failed_before(trade_after)])

    async def _last_trade(self, block: int | None) -> int:
        return words(await self._chain.call(self._addresses.bridge, LAST_TRADE, block))[0]


# What a step may raise and the next one may find gone.
WAITED_OUT: Final = (
    *(ChainUnavailable, ChainRefused, ChainMoved, SignerUnavailable, SigningRefused, BatchStuck),
    SettlementMisconfigured,
)


def _purpose(batch: BatchRow) -> str:
    return f"batch/{batch.batch_id}"


def _attempt(batch_id: int, attempt: int, composition: Composition) -> Attempt:
    return Attempt(
        batch_id=batch_id,
        attempt=attempt,
        call_data=composition.call_data,
        payload_hash=composition.payload_hash,
        gas_estimated=composition.gas_estimated,
        fills=composition.fills,
        legs=composition.legs,
        ejected=composition.ejected,
    )
