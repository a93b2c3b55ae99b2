"""What keeps the market in order: freezes, trading fees and halts. One person may halt; the rest takes two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from eth_typing import ChecksumAddress
from web3 import Web3

from api.actor import Actor
from api.addresses import unhex
from api.doors import Audit, Decide, Decision, Enqueue, Executor, Notify
from api.problem import Problem, not_found
from compliance.instruments import Instrument, instrument_by_number, list_instrument, set_instrument
from compliance.registry import FactError, lock_facts, put_wallet_frozen
from deedbook.chain_effects import is_paused, tell_order_holders
from deedbook.jobs.identity import FinalBlock
from engine import types as t
from persistence.commands import Submit
from persistence.database import Connection, Pool
from persistence.jobs import Handler, Job, JobFailed, JobWaits
from settlement.artifacts import trex
from settlement.infrastructure import Platform, call_once

FREEZE: Final = "FREEZE"
FEE: Final = "FEE"
HALT_LIFT: Final = "HALT_LIFT"
FREEZE_JOB: Final = "freeze"
FEES_JOB: Final = "fees"
HALT_LIFT_JOB: Final = "halt-lift"
FINAL_S: Final = 1.0  # until a block more is FINAL


class Operations:
    """Executors and jobs; `final_block`: the highest block that counts as FINAL."""

    def __init__(
        self,
        pool: Pool,
        submit: Submit,
        platform: Platform,
        final_block: FinalBlock,
        audit: Audit,
        notify: Notify,
        enqueue: Enqueue,
    ) -> None:
        self._pool = pool
        self._submit = submit
        self._platform = platform
        self._final_block = final_block
        self._audit = audit
        self._notify = notify
        self._enqueue = enqueue

    @property
    def executors(self) -> Mapping[str, Executor]:
        return {FREEZE: self._freeze_decided, FEE: self._fees_decided, HALT_LIFT: self._lift_decided}

    def handlers(self) -> Mapping[str, Handler]:
        return {FREEZE_JOB: self._freeze, FEES_JOB: self._set_fees, HALT_LIFT_JOB: self._lift}

    # -- what people ask for; each raises Problem

    async def freeze(self, decide: Decide, wallet: bytes, number: int, is_frozen: bool, actor: Actor) -> Decision:
        """Two people freeze a wallet in an instrument, or free it."""
        instrument = await self._instrument(number)
        if instrument.token is None:
            raise Problem(409, "NO_TOKEN", f"{instrument.symbol} has no token yet: there is nothing to freeze.")
        payload = {"wallet": f"0x{wallet.hex()}", "instrument": number, "is_frozen": is_frozen}
        async with self._pool.acquire() as connection, connection.transaction():
            return await decide(connection, FREEZE, f"0x{wallet.hex()}/{number}", payload, actor)

    async def fees(self, decide: Decide, number: int, maker_bps: int, taker_bps: int, actor: Actor) -> Decision:
        """Two people change an instrument's trading fees; open orders keep the rates that they were accepted with."""
        await self._instrument(number)
        payload = {"instrument": number, "maker_fee_bps": maker_bps, "taker_fee_bps": taker_bps}
        async with self._pool.acquire() as connection, connection.transaction():
            return await decide(connection, FEE, f"instrument {number}", payload, actor)

    async def halt(self, number: int | None, reason: str, actor: Actor) -> None:
        """One person halts an instrument, or the whole venue, at once."""
        symbol = "the whole venue" if number is None else (await self._instrument(number)).symbol
        await self._set_phase(t.VENUE if number is None else number, t.Phase.HALT)
        async with self._pool.acquire() as connection, connection.transaction():
            await self._audit(connection, actor.name, "trading halted", instrument=number, details={"reason": reason})
            text = f"Trading of {symbol} is halted. Your open orders wait."
            await tell_order_holders(connection, self._notify, number, "TRADING_HALTED", text)

    async def lift(self, decide: Decide, number: int | None, actor: Actor) -> Decision:
        """Two people let trading go on."""
        if number is not None:
            await self._instrument(number)
        async with self._pool.acquire() as connection, connection.transaction():
            if (hindrance := await self._hindrance(connection, number)) is not None:
                raise Problem(409, "STAYS_HALTED", hindrance)
            subject = "venue" if number is None else f"instrument {number}"
            return await decide(connection, HALT_LIFT, subject, {"instrument": number}, actor)

    # -- what two people decided

    async def _freeze_decided(
        self, connection: Connection, approval_id: UUID, payload: Mapping[str, Any], actor: Actor, /
    ) -> None:
        """A freeze holds in the exchange at once, and on chain soon; a thaw comes from the chain."""
        if payload["is_frozen"]:
            wallet = unhex(payload["wallet"])
            await lock_facts(connection)
            await put_wallet_frozen(
                connection, wallet, payload["instrument"], is_frozen=True, block=0, actor=actor.name
            )
        await self._enqueue(connection, FREEZE_JOB, str(approval_id), payload)

    async def _fees_decided(
        self, connection: Connection, approval_id: UUID, payload: Mapping[str, Any], actor: Actor, /
    ) -> None:
        await self._enqueue(connection, FEES_JOB, str(approval_id), {**payload, "actor": actor.name})

    async def _lift_decided(
        self, connection: Connection, approval_id: UUID, payload: Mapping[str, Any], actor: Actor, /
    ) -> None:
        await self._enqueue(connection, HALT_LIFT_JOB, str(approval_id), {**payload, "actor": actor.name})

    # -- jobs

    async def _freeze(self, job: Job) -> None:
        instrument = await instrument_by_number(self._pool, job.payload["instrument"])
        assert instrument.token is not None
        wallet: ChecksumAddress = Web3.to_checksum_address(job.payload["wallet"])
        token = Web3.to_checksum_address(instrument.token)
        step, artifact = f"freeze {job.key}", trex("token/Token.sol/Token")
        arguments = (wallet, job.payload["is_frozen"])
        receipt = await call_once(self._platform.sender, step, artifact, token, "setAddressFrozen", *arguments)
        if receipt.block_number > await self._final_block():
            raise JobWaits(FINAL_S, "it is on the chain and not final yet")

    async def _set_fees(self, job: Job) -> None:
        number, actor = job.payload["instrument"], job.payload["actor"]
        instrument = await instrument_by_number(self._pool, number)
        maker_bps, taker_bps = job.payload["maker_fee_bps"], job.payload["taker_fee_bps"]
        changed = replace(instrument, maker_fee_bps=maker_bps, taker_fee_bps=taker_bps)
        try:
            await set_instrument(self._pool, changed, actor=actor)
            await list_instrument(self._pool, self._submit, number, actor=actor)
        except FactError as error:
            raise JobFailed(str(error)) from None

    async def _lift(self, job: Job) -> None:
        number = job.payload["instrument"]
        async with self._pool.acquire() as connection:
            hindrance = await self._hindrance(connection, number)
        if hindrance is not None:
            raise JobFailed(hindrance)
        await self._set_phase(t.VENUE if number is None else number, t.Phase.CONTINUOUS)
        async with self._pool.acquire() as connection, connection.transaction():
            await self._audit(connection, job.payload["actor"], "halt lifted", instrument=number)
            text = "Trading goes on: the halt was lifted."
            await tell_order_holders(connection, self._notify, number, "HALT_LIFTED", text)

    async def _hindrance(self, connection: Connection, number: int | None) -> str | None:
        """Why a halt must stay: the token is paused, or its property is being sold or is gone."""
        if number is None:
            return None
        row = await connection.fetchrow("SELECT symbol, token FROM instruments WHERE instrument = $1", number)
        if row["token"] is not None and await is_paused(connection, row["token"]):
            return f"The token of {row['symbol']} is paused on chain: unpause it first."
        state = await connection.fetchval("SELECT state FROM properties WHERE instrument = $1", number)
        if state in ("LIQUIDATING", "CLOSED"):
            return f"The property of {row['symbol']} is {state}: it is not traded any more."
        return None

    async def _set_phase(self, number: int, phase: t.Phase) -> None:
        (answer,) = await self._submit([t.SetPhase(number, phase)])
        if (rejected := answer.rejection()) is not None:
            reason = t.Reason(rejected.reason).name
            raise Problem(409, reason, "The exchange does not take it; its reason is given.")

    async def _instrument(self, number: int) -> Instrument:
        try:
            return await instrument_by_number(self._pool, number)
        except FactError:
            raise not_found("instrument") from None
