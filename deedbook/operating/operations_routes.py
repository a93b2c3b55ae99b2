"""Routes of those who operate the market: what failed, what is tried again, and freezes and fees."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec

from api.actor import Actor
from api.addresses import Address
from api.doors import Audit, Decide, Decision
from api.problem import Problem, not_found
from api.route import Call, Route
from deedbook.operating.dead_letters import DeadLetterMissing, DeadLetters
from deedbook.operating.operations import Operations
from persistence.database import Pool
from persistence.jobs import JobNotFailedError, JobState, jobs, retry

JOBS_MAX: Final = 200
FEE_BPS_MAX: Final = 1_000
InstrumentNumber = Annotated[int, msgspec.Meta(ge=1, le=65_535)]
Bps = Annotated[int, msgspec.Meta(ge=0, le=FEE_BPS_MAX)]


class DeadLetterAnswer(msgspec.Struct, frozen=True):
    """Something that could not be handled, until it is tried again."""

    message_id: str
    name: str
    error: str
    at: datetime


class JobsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    state: Literal["QUEUED", "RUNNING", "DONE", "FAILED"] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=JOBS_MAX)] = JOBS_MAX


class JobAnswer(msgspec.Struct, frozen=True):
    """A job and how far it is; `reason` says why it waits or has failed."""

    kind: str
    key: str
    state: Literal["QUEUED", "RUNNING", "DONE", "FAILED"]
    attempt: int
    step: str
    steps_done: int
    steps_of: int
    reason: str
    run_at: datetime
    enqueued_at: datetime
    changed_at: datetime


class FreezeBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    wallet: Address
    instrument: InstrumentNumber
    is_frozen: bool


class FeesBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Basis points of a trade's value."""

    instrument: InstrumentNumber
    maker_fee_bps: Bps
    taker_fee_bps: Bps


def routes(pool: Pool, operations: Operations, letters: DeadLetters, decide: Decide, audit: Audit) -> list[Route]:
    handlers = _Handlers(pool, operations, letters, decide, audit)
    return [
        Route(
            method="GET",
            path="/operations/dead-letters",
            handler=handlers.dead_letters,
            answer=list[DeadLetterAnswer],
            summary="What could not be handled and waits for an operator.",
        ),
        Route(
            method="POST",
            path="/operations/dead-letters/{message_id}/retry",
            handler=handlers.retry_letter,
            summary="Have a dead letter handled again.",
        ),
        Route(
            method="GET",
            path="/operations/jobs",
            handler=handlers.jobs,
            query=JobsQuery,
            answer=list[JobAnswer],
            summary="The newest jobs, of one state or of all.",
        ),
        Route(
            method="POST",
            path="/operations/jobs/{kind}/{key}/retry",
            handler=handlers.retry_job,
            summary="Give a failed job another round of attempts.",
        ),
        Route(
            method="POST",
            path="/operations/freezes",
            handler=handlers.freeze,
            body=FreezeBody,
            answer=Decision,
            summary="Freeze a wallet in an instrument, or free it; two people decide.",
        ),
        Route(
            method="POST",
            path="/operations/fees",
            handler=handlers.fees,
            body=FeesBody,
            answer=Decision,
            summary="Set an instrument's trading fees; two people decide.",
        ),
    ]


class _Handlers:
    def __init__(self, pool: Pool, operations: Operations, letters: DeadLetters, decide: Decide, audit: Audit) -> None:
        self._pool = pool
        self._operations = operations
        self._letters = letters
        self._decide = decide
        self._audit = audit

    async def dead_letters(self, _call: Call[None]) -> list[DeadLetterAnswer]:
        return [
            DeadLetterAnswer(each.message_id, each.name, each.error, each.at) for each in await self._letters.list()
        ]

    async def retry_letter(self, call: Call[None]) -> None:
        message_id = call.path["message_id"]
        try:
            await self._letters.retry(message_id)
        except DeadLetterMissing:
            raise not_found("dead letter") from None
        await self._audited(call.signed_in, "dead letter tried again", {"message_id": message_id})

    async def jobs(self, call: Call[None]) -> list[JobAnswer]:
        query: JobsQuery = call.query
        state = None if query.state is None else JobState(query.state)
        return [
            msgspec.convert({name: getattr(row, name) for name in JobAnswer.__struct_fields__}, JobAnswer)
            for row in await jobs(self._pool, state, query.limit)
        ]

    async def retry_job(self, call: Call[None]) -> None:
        kind, key = call.path["kind"], call.path["key"]
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                await retry(connection, kind, key)
                await self._audit(
                    connection, call.signed_in.name, "job tried again", details={"kind": kind, "key": key}
                )
        except JobNotFailedError:
            raise Problem(409, "JOB_NOT_FAILED", "Only a job that failed can be tried again.") from None

    async def freeze(self, call: Call[FreezeBody]) -> Decision:
        wallet, body = bytes.fromhex(call.body.wallet[2:]), call.body
        return await self._operations.freeze(self._decide, wallet, body.instrument, body.is_frozen, call.signed_in)

    async def fees(self, call: Call[FeesBody]) -> Decision:
        body = call.body
        rates = (body.maker_fee_bps, body.taker_fee_bps)
        return await self._operations.fees(self._decide, body.instrument, *rates, call.signed_in)

    async def _audited(self, actor: Actor, action: str, details: dict[str, str]) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await self._audit(connection, actor.name, action, details=details)
