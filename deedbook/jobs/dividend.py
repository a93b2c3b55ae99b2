"""Dividends, over the rooms: holders of record, their shares, two approvals, payment."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from api.actor import Actor
from api.doors import Decide
from api.problem import Problem
from deedbook.jobs.payout import SOON_S, collected, pay, payout_of, plan_of
from engine.types import Clock, Command, ExDate, Reason
from payments.allocation import (
    DIVIDEND_CHUNK_HOLDERS,
    Allocation,
    NobodyHolds,
    approval_payload,
    dividend_chunks,
    heads,
    split_with_dust,
)
from persistence.commands import Submit
from persistence.database import Connection, Pool
from persistence.jobs import Job, JobWaits
from settlement import dividends, payout_rows
from settlement.dividends import Dividends, Terms
from settlement.payout_events import PayoutEvents
from settlement.payout_rows import Payout
from settlement.payouts import PayoutContract
from settlement.record_date import HoldersOfRecord, RecordDates, RecordOpen
from settlement.trades import Wallet

ActorOf = Callable[[Connection, UUID], Awaitable[Actor]]


class DividendJobs:
    """The handlers of "dividend_prepare" and "dividend".

    actor_of  who proposed it, with the roles that the person has now
    """

    def __init__(
        self,
        pool: Pool,
        submit: Submit,
        dates: RecordDates,
        acts: Dividends,
        decide: Decide,
        actor_of: ActorOf,
        contract: PayoutContract,
        events: PayoutEvents,
        chunk_holders: int = DIVIDEND_CHUNK_HOLDERS,
    ) -> None:
        self._pool = pool
        self._submit = submit
        self._dates = dates
        self._acts = acts
        self._decide = decide
        self._actor_of = actor_of
        self._contract = contract
        self._events = events
        self._chunk_holders = chunk_holders

    async def prepare(self, job: Job) -> None:
        """Fix the record date, split the pool, and put the exact list up for approval."""
        found = await payout_of(self._pool, job)
        if found.state != "PREPARING":
            return
        terms = await dividends.terms(self._pool, found.payout_id)
        record = await self._record(found, terms)
        entries = list(record.entries)
        if not terms.includes_unsold:
            entries = [entry for entry in entries if entry[0] != record.issuer_wallet]
        try:
            split = split_with_dust(found.pool_usdc_micros, entries)
        except NobodyHolds:
            return await self._fail(found, "Nobody held the token at the record date.")
        if not split.lines:
            return await self._fail(found, "No holder's share is as much as one micro.")
        try:
            await self._propose(found, terms, record, split)
        except Problem as problem:  # who asked for it may not propose it any more
            await self._fail(found, problem.detail)

    async def pay(self, job: Job) -> None:
        """Pay what two people approved, and book it once it is FINAL."""
        found = await payout_of(self._pool, job)
        if found.state in ("APPROVED", "DECLARED"):
            await pay(job, self._contract, await plan_of(self._pool, found))
            await collected(self._events, found)

    async def _record(self, found: Payout, terms: Terms) -> HoldersOfRecord:
        seq = terms.record_seq
        if seq is None:
            await dividends.fix_seq(self._pool, found.payout_id, await self._went_ex(found, terms.includes_unsold))
            seq = (await dividends.terms(self._pool, found.payout_id)).record_seq
            assert seq is not None
        try:
            return await self._dates.fix(found.instrument, seq, Wallet(found.issuer_wallet))
        except RecordOpen as waits:
            raise JobWaits(SOON_S, str(waits)) from waits

    async def _went_ex(self, found: Payout, includes_unsold: bool) -> int:
        """The seq from which on a buyer does not get it: the present, and asked again the same."""
        issuer = None if includes_unsold else Wallet(found.issuer_wallet)
        micros = await self._dates.dividend_of_lot(found.instrument, found.pool_usdc_micros, issuer)
        command: Command = ExDate(found.instrument, micros, found.payout_id.bytes) if micros else Clock()
        (answer,) = await self._submit([command])
        refused = answer.rejection()
        if refused is None:
            return answer.seq
        assert refused.reason == Reason.EX_DATE_DONE, refused
        return refused.order_id

    async def _fail(self, found: Payout, failure: str) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            locked = await payout_rows.payout(connection, found.payout_id, lock=True)
            if locked is not None and locked.state == "PREPARING":
                await self._acts.failed(connection, locked, failure)

    async def _propose(self, found: Payout, terms: Terms, record: HoldersOfRecord, split: Allocation) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            locked = await payout_rows.payout(connection, found.payout_id, lock=True)
            if locked is None or locked.state != "PREPARING":
                return
            charges = await payout_rows.charges(connection, found.payout_id)
            head = heads(dividend_chunks(split.lines, self._chunk_holders))[0]
            payload = approval_payload(_terms(found, terms, record, charges), split, head)
            await dividends.fix_block(connection, found.payout_id, record.record_block, record.unsold_issuer_base_units)
            await payout_rows.prepared(
                connection,
                found.payout_id,
                [(line.wallet, line.base_units, line.usdc_micros) for line in split.lines],
                split.dust_usdc_micros,
                self._chunk_holders,
                head,
                payload,
            )
            actor = await self._actor_of(connection, found.proposed_by)
            await self._decide(connection, "DIVIDEND", str(found.payout_id), payload, actor)


def _terms(found: Payout, terms: Terms, record: HoldersOfRecord, charges: list[tuple[str, int]]) -> dict[str, Any]:
    return {
        "dividend_id": str(found.payout_id),
        "property_id": str(found.property_id),
        "token": f"0x{found.token.hex()}",
        "record_seq": record.record_seq,
        "record_block": record.record_block,
        "unsold_base_units": str(record.unsold_issuer_base_units),
        "includes_unsold": terms.includes_unsold,
        "charges": [{"charge": charge, "usdc_micros": micros} for charge, micros in charges],
    }
