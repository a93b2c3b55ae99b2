"""What two people decide beside the market's controls: freezes and trading fees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from eth_typing import ChecksumAddress
from web3 import Web3

from api.actor import Actor
from api.addresses import unhex
from api.doors import Decide, Decision, Enqueue, Executor
from api.problem import Problem
from compliance.instruments import instrument_by_number, list_instrument, set_instrument
from compliance.registry import FactError, lock_facts, put_wallet_frozen
from deedbook.jobs.identity import FinalBlock
from deedbook.market_controls.instructions import instrument_of
from persistence.commands import Submit
from persistence.database import Connection, Pool
from persistence.jobs import Handler, Job, JobFailed, JobWaits
from settlement.artifacts import trex
from settlement.infrastructure import Platform, call_once

FREEZE: Final = "FREEZE"
FEE: Final = "FEE"
FREEZE_JOB: Final = "freeze"
FEES_JOB: Final = "fees"
FINAL_S: Final = 1.0  # until a block more is FINAL


class Operations:
    """Executors and jobs; `final_block`: the highest block that counts as FINAL."""

    def __init__(
        self,
        pool: Pool,
        submit: Submit,
        platform: Platform,
        final_block: FinalBlock,
        enqueue: Enqueue,
    ) -> None:
        self._pool = pool
        self._submit = submit
        self._platform = platform
        self._final_block = final_block
        self._enqueue = enqueue

    @property
    def executors(self) -> Mapping[str, Executor]:
        return {FREEZE: self._freeze_decided, FEE: self._fees_decided}

    def handlers(self) -> Mapping[str, Handler]:
        return {FREEZE_JOB: self._freeze, FEES_JOB: self._set_fees}

    # -- what people ask for; each raises Problem

    async def freeze(self, decide: Decide, wallet: bytes, number: int, is_frozen: bool, actor: Actor) -> Decision:
        """Two people freeze a wallet in an instrument, or free it."""
        instrument = await instrument_of(self._pool, number)
        if instrument.token is None:
            raise Problem(409, "NO_TOKEN", f"{instrument.symbol} has no token yet: there is nothing to freeze.")
        payload = {"wallet": f"0x{wallet.hex()}", "instrument": number, "is_frozen": is_frozen}
        async with self._pool.acquire() as connection, connection.transaction():
            return await decide(connection, FREEZE, f"0x{wallet.hex()}/{number}", payload, actor)

    async def fees(self, decide: Decide, number: int, maker_bps: int, taker_bps: int, actor: Actor) -> Decision:
        """Two people change an instrument's trading fees; open orders keep the rates that they were accepted with."""
        await instrument_of(self._pool, number)
        payload = {"instrument": number, "maker_fee_bps": maker_bps, "taker_fee_bps": taker_bps}
        async with self._pool.acquire() as connection, connection.transaction():
            return await decide(connection, FEE, f"instrument {number}", payload, actor)

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
