"""Withdrawals and unlocks: asked for on chain, set aside by the engine, released once."""

from __future__ import annotations

import pytest

from engine import types as t
from settlement.artifacts import ours
from settlement.outbox import Outbox
from settlement.releases import Releases
from tests.settlement.local_chain import keys
from tests.settlement.world import CASH_USDC_MICROS, OAK, TOKENS, KeySigner, World, investor, raw_address, until


def releases_of(world: World) -> Releases:
    signer = KeySigner(keys().releaser)
    outbox = Outbox(world.chain, world.records, signer, raw_address(keys().releaser.address), 31337)
    return Releases(world.chain, world.records, outbox, world.addresses)


async def release_states(world: World) -> list[str]:
    return [row["state"] for row in await world.pool.fetch("SELECT state FROM settlement_releases ORDER BY release_id")]


async def step_until(world: World, releases: Releases, states: list[str]) -> None:
    """A node mines soon, not at once."""

    async def reached() -> bool:
        await releases.step()
        return await release_states(world) == states

    await until(reached, f"releases {states}")


async def test_cash_and_tokens_are_paid_out_once(world: World) -> None:
    await world.act(investor(0), "CashVault", "requestWithdraw", 400)
    await world.act(investor(1), "TokenLocker", "requestUnlock", world.deployed.suite.token, 30)
    await world.listen()
    releases = releases_of(world)
    await step_until(world, releases, ["FINAL", "FINAL"])
    await world.listen()
    assert world.engine_balance(0, t.USDC).level == CASH_USDC_MICROS - 400
    assert world.engine_balance(0, t.USDC).requested == 0
    assert world.engine_balance(1, OAK).level == TOKENS - 30
    assert world.engine_balance(1, OAK).position_lots == TOKENS
    assert await world.mismatches() == []


async def test_a_release_that_comes_late_pays_no_request_that_the_engine_does_not_know(world: World) -> None:
    """Cancelled, and asked for anew, before the release of the first request is mined: nothing is set aside for it."""
    alice = investor(0)
    await world.act(alice, "CashVault", "requestWithdraw", 400)
    await world.act(alice, "TokenLocker", "requestUnlock", world.deployed.suite.token, 30)
    await world.listen()
    releases = releases_of(world)
    await world.rpc("evm_setAutomine", False)
    await step_until(world, releases, ["SUBMITTED", "SUBMITTED"])
    pending = {each["to"] for each in (await world.rpc("eth_getBlockByNumber", "pending", True))["transactions"]}
    assert pending == {world.deployed.infra.vault.lower(), world.deployed.infra.locker.lower()}
    stuck = [row["raw"] for row in await world.pool.fetch("SELECT raw FROM settlement_transactions ORDER BY nonce")]
    await world.rpc("anvil_dropAllTransactions")
    await world.rpc("evm_setAutomine", True)
    for cancel, ask, *arguments in (
        ("cancelWithdraw", "requestWithdraw"),
        ("cancelUnlock", "requestUnlock", world.deployed.suite.token),
    ):
        contract = "CashVault" if not arguments else "TokenLocker"
        await world.act(alice, contract, cancel, *arguments)
        await world.act(alice, contract, ask, *arguments, 400 if not arguments else 30)
    for raw in stuck:
        await world.rpc("eth_sendRawTransaction", "0x" + raw.hex())
    await step_until(world, releases, ["DROPPED", "DROPPED"])
    dropped = await world.pool.fetch("SELECT detail FROM settlement_releases")
    assert [row["detail"] for row in dropped] == ["it was mined and reverted"] * 2
    await world.listen()
    await step_until(world, releases, ["DROPPED", "DROPPED", "FINAL", "FINAL"])
    await world.listen()
    assert world.engine_balance(0, t.USDC).level == CASH_USDC_MICROS - 400
    assert world.engine_balance(0, OAK).level == TOKENS - 30
    assert await world.mismatches() == []


async def test_what_is_owed_out_is_not_released_before_it_is_settled(world: World) -> None:
    await world.trade(buyer=0, seller=1, qty_lots=10)
    await world.act(investor(0), "CashVault", "requestWithdraw", CASH_USDC_MICROS)
    await world.listen()
    releases = releases_of(world)
    await releases.step()
    assert await release_states(world) == []
    await world.mine_batches()
    await world.listen()
    await step_until(world, releases, ["FINAL"])
    await world.listen()
    assert world.engine_balance(0, t.USDC).level == 0
    assert await world.mismatches() == []


async def test_a_request_that_was_cancelled_meanwhile_is_dropped(world: World) -> None:
    await world.act(investor(0), "CashVault", "requestWithdraw", 400)
    await world.listen()
    await world.act(investor(0), "CashVault", "cancelWithdraw")
    await releases_of(world).step()
    assert await release_states(world) == ["DROPPED"]
    await world.listen()
    assert world.engine_balance(0, t.USDC).requested == 0


async def test_a_blacklisted_wallet_waits_and_does_not_hold_up_the_others(world: World) -> None:
    usdc = ours("MockUSDC")
    sender, address = world.platform.sender, world.deployed.infra.usdc
    await sender.send(address, usdc.call_data("setBlacklisted", [investor(0).address, True]))
    await world.act(investor(0), "CashVault", "requestWithdraw", 400)
    await world.act(investor(1), "CashVault", "requestWithdraw", 500)
    await world.listen()
    releases = releases_of(world)
    await step_until(world, releases, ["READY", "FINAL"])
    await sender.send(address, usdc.call_data("setBlacklisted", [investor(0).address, False]))
    await step_until(world, releases, ["FINAL", "FINAL"])


@pytest.mark.parametrize("step", ["record_transaction", "send", "mark_release"])
async def test_a_kill_at_any_step_pays_once(world: World, step: str) -> None:
    await world.act(investor(0), "CashVault", "requestWithdraw", 400)
    await world.listen()
    releases = releases_of(world)
    owner = world.chain if step == "send" else world.records

    async def die(*_: object, **__: object) -> None:
        raise RuntimeError("killed")

    setattr(owner, step, die)
    with pytest.raises(RuntimeError):
        await releases.step()
    vars(owner).pop(step)
    world.renew()
    releases = releases_of(world)
    await step_until(world, releases, ["FINAL"])
    await world.listen()
    assert world.engine_balance(0, t.USDC).level == CASH_USDC_MICROS - 400
    assert await world.mismatches() == []
