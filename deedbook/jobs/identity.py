"""Identities between the facts and the chain: a grant goes on chain first, a lapse is in the engine first.

A wallet that takes a lost one's place has its identity already, and is given a cash account.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from web3 import Web3

from api.doors import Notify
from compliance import identities
from compliance.audit import record
from compliance.identities import Grant, GrantState
from compliance.lost_wallets import CASH_ACCOUNT_JOB
from compliance.registry import facts, put_identity_registered
from persistence import jobs
from persistence.database import Pool
from persistence.jobs import Handler, Job, JobFailed, JobState, JobWaits
from persistence.unsettled import is_settled
from settlement.identities import (
    InvestorTerms,
    claim_hash,
    grant_is_revoked,
    grant_stands,
    open_cash_account,
    register_investor,
    revoke_grant,
)
from settlement.infrastructure import Infrastructure, Platform

ACTOR: Final = "identity job"
POLL_S: Final = 1.0
FinalBlock = Callable[[], Awaitable[int]]  # the highest block that counts as FINAL


class IdentityJobs:
    """The jobs `identity` and `identity_revoke`, whose keys are `identities.job_key`'s, and `cash_account`.

    final_block  settlement.chain.Chain.final_block
    """

    def __init__(
        self, pool: Pool, platform: Platform, infra: Infrastructure, final_block: FinalBlock, notify: Notify
    ) -> None:
        self._pool = pool
        self._platform = platform
        self._infra = infra
        self._final_block = final_block
        self._notify = notify

    def handlers(self) -> dict[str, Handler]:
        return {
            identities.GRANT_JOB: self.grant,
            identities.REVOKE_JOB: self.revoke,
            CASH_ACCOUNT_JOB: self.open_cash_account,
        }

    async def grant(self, job: Job) -> None:
        """Register the wallet on chain, wait until that is FINAL, then let the facts say so.

        A grant that lapses meanwhile stops here; what of it is on chain already, its revocation takes away.
        """
        wanted = await self._named(job)
        if wanted.state is not GrantState.WANTED:
            return
        if wanted.is_preceded:
            raise JobWaits(POLL_S, "the wallet's last grant is being revoked")
        await job.show("registering the identity", 0, 2)
        terms = terms_of(wanted)
        await register_investor(self._platform, self._infra, terms)
        await job.show("waiting until it is final", 1, 2)
        block = await self._final_block()
        if not await grant_stands(self._platform, self._infra, terms, block):
            raise JobWaits(POLL_S, "the registration is not final yet")
        claim = await claim_hash(self._platform, self._infra, terms.wallet, terms.grant)
        if await self._record_granted(wanted, block, claim):
            await job.show("registered", 2, 2)

    async def open_cash_account(self, job: Job) -> None:
        """Of the wallet that the job's key names."""
        await open_cash_account(self._platform, self._infra, Web3.to_checksum_address(f"0x{job.key}"))

    async def revoke(self, job: Job) -> None:
        """Once the engine knows and the account's trades are FINAL, revoke the grant's claim on chain."""
        lapsing = await self._named(job)
        if lapsing.state is not GrantState.LAPSING:
            return
        await job.show("waiting for the engine and for unsettled trades", 0, 2)
        await self._require_quiet(job, lapsing)
        await job.show("revoking the claim", 1, 2)
        wallet = Web3.to_checksum_address(lapsing.address)
        await revoke_grant(self._platform, self._infra, wallet, lapsing.number)
        block = await self._final_block()
        if not await grant_is_revoked(self._platform, self._infra, wallet, lapsing.number, block):
            raise JobWaits(POLL_S, "the revocation is not final yet")
        async with facts(self._pool) as connection:
            if await identities.move(connection, lapsing, GrantState.REVOKED, block):
                details = {"grant": lapsing.number, "block": block}
                await record(connection, ACTOR, "identity revoked", address=lapsing.address, details=details)
        await job.show("revoked", 2, 2)

    async def _record_granted(self, granted: Grant, block: int, claim: bytes) -> bool:
        """What stands on chain at the FINAL `block` becomes a fact. False if the grant has lapsed meanwhile."""
        async with facts(self._pool) as connection:
            if not await identities.granted(connection, granted, block, claim):
                return False
            await put_identity_registered(connection, granted.address, is_registered=True, block=block, actor=ACTOR)
            text = "Your wallet is registered on chain: you can hold and trade property tokens with it."
            data = {"wallet": f"0x{granted.address.hex()}"}
            await self._notify(connection, granted.user_id, "IDENTITY_REGISTERED", text, data)
        return True

    async def _require_quiet(self, job: Job, lapsing: Grant) -> None:
        grant_job = await jobs.job(self._pool, identities.GRANT_JOB, job.key)
        if grant_job is not None and grant_job.state in (JobState.QUEUED, JobState.RUNNING):
            raise JobWaits(POLL_S, "its registration is just being stopped")
        if await identities.engine_waits(self._pool, lapsing.address):
            raise JobWaits(POLL_S, "the engine has not been told yet")
        if lapsing.account is not None:
            seq = await identities.told_seq(self._pool, lapsing.account)
            if not await is_settled(self._pool, lapsing.account, seq):
                raise JobWaits(POLL_S, "trades of the account are not final yet")

    async def _named(self, job: Job) -> Grant:
        address, number = identities.grant_of(job.key)
        found = await identities.grant(self._pool, address, number)
        if found is None:
            raise JobFailed("there is no such grant")
        return found


def terms_of(grant: Grant) -> InvestorTerms:
    return InvestorTerms(Web3.to_checksum_address(grant.address), grant.country, grant.number)
