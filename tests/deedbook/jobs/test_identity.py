"""Identities on a real anvil and a real database: grant, lapse and renewal, killed at every step."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from eth_utils.address import to_canonical_address
from web3 import AsyncWeb3

from compliance.identities import GRANT_JOB, REVOKE_JOB, GrantState, grant, job_key
from compliance.lost_wallets import CASH_ACCOUNT_JOB
from compliance.permissions import compile_permissions
from compliance.registry import create_user, link_wallet, set_country, set_kyc
from compliance.rules import KycStatus
from deedbook.chain.chain_effects import ChainEffects
from deedbook.chain.chain_processor import Effects
from deedbook.jobs.identity import IdentityJobs
from deedbook.outages import waiting_out
from persistence.database import Pool
from persistence.jobs import Job, JobWaits, Worker
from persistence.projections import Projector
from settlement import identities
from settlement.artifacts import ours
from settlement.calls import topic
from settlement.chain import ChainUnavailable
from settlement.identities import revoke_claim
from settlement.infrastructure import Delays, Infrastructure, deploy_infrastructure, read
from settlement.node import node
from settlement.steps import FileSteps, Sender, StepStore
from settlement.tokenization import (
    Platform,
    PropertyTerms,
    TokenSuite,
    deploy_property_token,
    is_verified,
)
from settlement.watched import ChainEvent
from tests.fixtures.answers import Door
from tests.fixtures.market import START_NS, Market
from tests.fixtures.registered import ACTOR, open_market
from tests.settlement.killing import Killed, KillingSender, KillingSteps
from tests.settlement.local_chain import anvil, free_port, key, keys, platform_on

ANN = key("ann")
WALLET = to_canonical_address(ANN.address)
NEXT_YEAR = datetime.now(UTC) + timedelta(days=365)
CONFIRMATIONS = 2
MOMENTS = ["before the step is stored", "before it is sent", "after it is sent"]


class World:
    """One investor between the facts, the engine and the chain; every run of a job has fresh objects."""

    def __init__(self, pool: Pool, chain: AsyncWeb3[Any], platform: Platform, infra: Infrastructure) -> None:
        self.pool, self.chain, self.platform, self.infra = pool, chain, platform, infra
        self.door = Door(Market())
        self.user_id = UUID(int=0)
        self.suite: TokenSuite
        self.told: list[str] = []
        self.kills = 0
        self.steps: StepStore
        self.sender_kind: type[Sender] = Sender

    async def add_ann(self) -> None:
        self.user_id = await create_user(self.pool, "ann@example.com", actor=ACTOR)
        await link_wallet(self.pool, self.user_id, WALLET, actor=ACTOR)
        await set_country(self.pool, self.user_id, "DE", actor=ACTOR)

    async def set_kyc(self, status: KycStatus) -> None:
        expires_at = NEXT_YEAR if status is KycStatus.APPROVED else None
        await set_kyc(self.pool, self.user_id, status, expires_at, actor=ACTOR)

    async def tell_engine(self) -> None:
        await compile_permissions(self.pool, self.door.submit, START_NS)
        projector = await Projector.open(self.pool)
        await projector.apply([each for each in self.door.market.frames if each.first_seq > projector.seq])

    async def final_block(self) -> int:
        return max(0, await self.chain.eth.block_number - CONFIRMATIONS)

    async def notify(
        self, connection: Any, user_id: UUID, kind: str, text: str, data: Mapping[str, Any] | None = None
    ) -> None:
        self.told.append(kind)

    def jobs(self) -> IdentityJobs:
        """As a new process would make them."""
        sender = self.sender_kind(self.chain, self.platform.sender.account, self.steps)
        platform = Platform(sender, self.platform.owner, self.platform.claim_signer)
        return IdentityJobs(self.pool, platform, self.infra, self.final_block, self.notify)

    async def once(self, kind: str, number: int) -> None:
        await self.jobs().handlers()[kind](Job(kind, job_key(WALLET, number), {}, 1, _show))

    async def finish(self, kind: str, number: int) -> None:
        """Until the job has nothing more to do; the chain goes on and the process dies meanwhile."""
        while True:
            try:
                await self.once(kind, number)
                break
            except Killed:
                self.kills += 1
            except JobWaits as waits:
                if "final" not in str(waits):
                    raise
                await self.chain.provider.make_request("evm_mine", [])
        await self.pool.execute(
            "UPDATE jobs SET state = 'DONE' WHERE (kind, key) = ($1, $2)", kind, job_key(WALLET, number)
        )

    async def sent(self) -> int:
        return int(await self.chain.eth.get_transaction_count(self.platform.sender.address))

    async def state(self, number: int) -> GrantState | None:
        found = await grant(self.pool, WALLET, number)
        return None if found is None else found.state

    async def is_permitted(self) -> bool:
        await self.tell_engine()
        return any(each.may_sell for each in self.door.permissions().values())

    async def verified(self) -> bool:
        return await is_verified(self.platform, self.suite, ANN.address)


async def _show(step: str, done: int, of: int) -> None: ...


@pytest.fixture
async def world(pool: Pool, tmp_path: Path) -> AsyncIterator[World]:
    async with anvil() as chain:
        platform = await platform_on(chain, FileSteps(tmp_path / "deploy.json"))
        infra = await deploy_infrastructure(platform, keys().roles(), Delays())
        made = World(pool, chain, platform, infra)
        made.steps = FileSteps(tmp_path / "steps.json")
        made.suite = await deploy_property_token(platform, infra, PropertyTerms("OAK12", "12 Oak Street", "OAK12"))
        await open_market(pool, made.door)
        await made.add_ann()
        yield made


async def enqueued(pool: Pool) -> set[tuple[str, str]]:
    return {(row["kind"], row["key"]) for row in await pool.fetch("SELECT kind, key FROM jobs")}


@pytest.mark.parametrize("moment", MOMENTS)
async def test_killed_at_every_step_each_effect_is_there_once(moment: str, world: World, tmp_path: Path) -> None:
    if moment == "after it is sent":
        KillingSender.died.clear()
        world.sender_kind = KillingSender
    else:
        world.steps = KillingSteps(FileSteps(tmp_path / "steps.json"), set(), moment == "before it is sent")
    before = await world.sent()
    await world.set_kyc(KycStatus.APPROVED)
    await world.finish(GRANT_JOB, 1)
    assert await world.sent() - before == 4  # cash account, identity, claim, storage
    assert (await world.state(1), await world.verified(), await world.is_permitted()) == (
        GrantState.GRANTED,
        True,
        True,
    )
    await world.set_kyc(KycStatus.REJECTED)
    assert not await world.is_permitted()
    assert await world.verified(), "the chain follows only once the account's trades are final"
    await world.finish(REVOKE_JOB, 1)
    assert (await world.state(1), await world.verified()) == (GrantState.REVOKED, False)
    await world.set_kyc(KycStatus.APPROVED)
    await world.finish(GRANT_JOB, 2)
    assert (await world.state(2), await world.verified(), await world.is_permitted()) == (
        GrantState.GRANTED,
        True,
        True,
    )
    assert await world.sent() - before == 4 + 1 + 1  # revocation, the new grant's claim
    assert world.kills == 6
    assert world.told == ["IDENTITY_REGISTERED"] * 2
    key_1, key_2 = job_key(WALLET, 1), job_key(WALLET, 2)
    assert await enqueued(world.pool) == {(GRANT_JOB, key_1), (REVOKE_JOB, key_1), (GRANT_JOB, key_2)}


async def test_the_facts_wait_for_the_chain_to_be_final(world: World) -> None:
    await world.set_kyc(KycStatus.APPROVED)
    for _ in range(CONFIRMATIONS):
        with pytest.raises(JobWaits, match="not final yet"):
            await world.once(GRANT_JOB, 1)
        assert not await world.is_permitted()
        await world.chain.provider.make_request("evm_mine", [])
    await world.once(GRANT_JOB, 1)
    assert await world.is_permitted()


async def test_a_claim_is_revoked_after_the_engine_knows_and_the_trades_are_final(world: World) -> None:
    await world.set_kyc(KycStatus.APPROVED)
    await world.finish(GRANT_JOB, 1)
    assert await world.is_permitted()
    account = await world.pool.fetchval("SELECT account FROM wallets WHERE address = $1", WALLET)
    await world.pool.execute(
        "INSERT INTO trades SELECT 1, seq, 0, 1, 1, $1, 99, 2, 1, 1, 1, 1, 0, 0 FROM journal_cursors", account
    )
    await world.set_kyc(KycStatus.PENDING)
    with pytest.raises(JobWaits, match="engine has not been told"):
        await world.once(REVOKE_JOB, 1)
    assert not await world.is_permitted()
    with pytest.raises(JobWaits, match="trades of the account are not final"):
        await world.once(REVOKE_JOB, 1)
    assert await world.verified()
    await world.pool.execute("INSERT INTO trade_settlements VALUES (1, 1, 0, 1, 0, 1, $1)", bytes(32))
    await world.finish(REVOKE_JOB, 1)
    assert not await world.verified()


async def test_a_claim_that_somebody_else_revokes_takes_the_permission(world: World) -> None:
    await world.set_kyc(KycStatus.APPROVED)
    await world.finish(GRANT_JOB, 1)
    assert await world.is_permitted()
    await revoke_claim(world.platform, world.infra, ANN.address)
    wanted: Any = {"address": world.infra.claim_issuer, "topics": ["0x" + topic("ClaimRevoked(bytes)").hex()]}
    (log,) = await world.chain.eth.get_logs(wanted)
    place = (log["blockNumber"], bytes(log["blockHash"]), log["logIndex"], bytes(log["transactionHash"]))
    data = {"signature": log["topics"][1].to_0x_hex()}
    event = ChainEvent(*place, to_canonical_address(world.infra.claim_issuer), "Claims.ClaimRevoked", data)
    effects = Effects()
    ChainEffects(world.door.submit, world.notify).register(effects)
    for _ in range(2):
        async with world.pool.acquire() as connection, connection.transaction():
            await effects(connection, event)
    assert await world.state(1) is GrantState.LAPSING
    assert not await world.is_permitted()
    assert world.told == ["IDENTITY_REGISTERED", "IDENTITY_REVOKED"]
    await world.finish(REVOKE_JOB, 1)
    assert await world.state(1) is GrantState.REVOKED


async def test_a_grant_that_lapses_on_its_way_leaves_no_valid_claim(world: World) -> None:
    await world.set_kyc(KycStatus.APPROVED)
    with pytest.raises(JobWaits, match="not final yet"):
        await world.once(GRANT_JOB, 1)  # all of it is on chain, and not final
    await world.set_kyc(KycStatus.REJECTED)
    await world.tell_engine()
    with pytest.raises(JobWaits, match="just being stopped"):
        await world.once(REVOKE_JOB, 1)
    await world.finish(GRANT_JOB, 1)
    await world.finish(REVOKE_JOB, 1)
    assert (await world.state(1), await world.verified(), world.told) == (GrantState.REVOKED, False, [])


async def test_a_chain_that_refuses_the_connection_is_waited_for(world: World) -> None:
    """That error is an OSError, as many of the database's are."""
    nobody = node(f"http://127.0.0.1:{free_port()}")
    platform = await platform_on(world.chain, world.steps)
    sender = Sender(nobody, platform.sender.account, world.steps)
    away = IdentityJobs(
        world.pool, Platform(sender, sender, platform.claim_signer), world.infra, world.final_block, world.notify
    )
    await world.set_kyc(KycStatus.APPROVED)
    with pytest.raises(JobWaits, match="chain is away"):
        await waiting_out(away.grant)(Job(GRANT_JOB, job_key(WALLET, 1), {}, 1, _show))
    await nobody.provider.disconnect()


async def test_a_chain_that_is_away_is_waited_for(world: World) -> None:
    await world.set_kyc(KycStatus.APPROVED)

    async def final_block() -> int:
        raise ChainUnavailable("eth_blockNumber: refused")

    away = IdentityJobs(world.pool, world.platform, world.infra, final_block, world.notify)
    with pytest.raises(JobWaits, match="chain is away"):
        await waiting_out(away.grant)(Job(GRANT_JOB, job_key(WALLET, 1), {}, 1, _show))
    assert not await world.is_permitted()
    await world.finish(GRANT_JOB, 1)
    assert await world.verified()


async def test_another_country_is_a_new_grant(world: World) -> None:
    await world.set_kyc(KycStatus.APPROVED)
    await world.finish(GRANT_JOB, 1)
    assert await world.is_permitted()
    await set_country(world.pool, world.user_id, "FR", actor=ACTOR)
    assert not await world.is_permitted()
    with pytest.raises(JobWaits, match="being revoked"):
        await world.once(GRANT_JOB, 2)
    await world.finish(REVOKE_JOB, 1)
    await world.finish(GRANT_JOB, 2)
    registry = world.suite.registry
    abi = [
        {
            "type": "function",
            "name": "investorCountry",
            "stateMutability": "view",
            "inputs": [{"name": "wallet", "type": "address"}],
            "outputs": [{"name": "", "type": "uint16"}],
        }
    ]
    contract = world.chain.eth.contract(address=registry, abi=abi)
    assert await contract.functions.investorCountry(ANN.address).call() == 250
    assert await world.is_permitted()


async def test_a_worker_carries_a_person_from_approval_to_the_chain_and_back(world: World) -> None:
    """As the machine does it: jobs by the worker, blocks and permissions by themselves."""

    async def live() -> None:
        while True:
            await world.chain.provider.make_request("evm_mine", [])
            await world.tell_engine()
            await asyncio.sleep(0.05)

    worker = Worker(world.pool, world.jobs().handlers(), poll_s=0.05)
    running = [asyncio.create_task(worker.run()), asyncio.create_task(live())]
    try:
        async with asyncio.timeout(60):
            for number, status in ((1, KycStatus.APPROVED), (1, KycStatus.REJECTED), (2, KycStatus.APPROVED)):
                await world.set_kyc(status)
                wanted = GrantState.GRANTED if status is KycStatus.APPROVED else GrantState.REVOKED
                while await world.state(number) is not wanted:
                    assert not any(task.done() for task in running)
                    await asyncio.sleep(0.05)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    assert await world.verified()
    failed = await world.pool.fetch("SELECT kind, key, reason FROM jobs WHERE state <> 'DONE'")
    assert [tuple(row) for row in failed if row["kind"] != GRANT_JOB] == []


async def test_a_wallet_that_takes_a_lost_one_s_place_can_be_paid(world: World) -> None:
    fresh = key("ann's new")
    job = Job(CASH_ACCOUNT_JOB, to_canonical_address(fresh.address).hex(), {}, 1, _show)
    for _ in range(2):
        await world.jobs().handlers()[CASH_ACCOUNT_JOB](job)
        account = await read(world.platform.chain, ours("CashVault"), world.infra.vault, "accountOf", fresh.address)
        assert account == [0, 0, 0, True]


async def test_a_claim_that_another_process_has_just_revoked_is_revoked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.set_kyc(KycStatus.APPROVED)
    await world.finish(GRANT_JOB, 1)
    await revoke_claim(world.platform, world.infra, ANN.address)
    is_revoked, looks = identities._is_revoked, 0

    async def seen_late(*of: Any) -> bool:
        nonlocal looks
        looks += 1
        return looks > 1 and await is_revoked(*of)

    monkeypatch.setattr(identities, "_is_revoked", seen_late)
    slower = Platform(
        Sender(world.chain, world.platform.sender.account, world.steps),
        world.platform.owner,
        world.platform.claim_signer,
    )
    await revoke_claim(slower, world.infra, ANN.address)
    assert looks == 2
