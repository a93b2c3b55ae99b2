"""A lost wallet, from the token's own recovery to a withdrawal with the new one, on real contracts."""

from __future__ import annotations

from eth_abi.abi import encode
from web3 import Web3

from engine import types as t
from settlement.artifacts import onchainid, ours, trex
from settlement.calls import balance_of_data, words
from settlement.identities import identity_of
from settlement.infrastructure import Delays
from settlement.trades import Wallet
from tests.settlement.local_chain import key, rich
from tests.settlement.test_releases import releases_of, step_until
from tests.settlement.world import CASH_USDC_MICROS, OAK, TOKENS, World, account_of, investor, raw_address

ALICE, BOB, CAROL = 0, 1, 2
PRICE_TICKS = 100
MANAGEMENT_KEY, ECDSA = 1, 1


async def test_a_recovered_wallet_keeps_its_place_settles_and_is_paid_out(world: World) -> None:
    lost, fresh = investor(ALICE), key("alice's new wallet")
    await rich(world.platform.chain, fresh.address)
    unsettled = await world.trade(buyer=BOB, seller=ALICE, qty_lots=5, price_ticks=PRICE_TICKS)
    limit, gtc = t.OrderType.LIMIT, t.TimeInForce.GTC
    for seller in (ALICE, BOB):
        await world.feed.send(t.Place(account_of(seller), OAK, t.Side.SELL, limit, gtc, PRICE_TICKS, 7))

    await recover_tokens(world, lost.address, fresh.address)
    await world.listen()
    bought = await world.feed.send(t.Place(account_of(CAROL), OAK, t.Side.BUY, limit, gtc, PRICE_TICKS, 7))
    (trade,) = [event for event in bought if isinstance(event, t.Trade)]
    assert trade.maker_account == account_of(ALICE), "its order is still the first"
    await world.caught_up()
    await world.mine_batches()
    await world.listen()
    assert world.settled() == {unsettled: t.Reason.NONE, trade.trade_id: t.Reason.NONE}
    assert await balance_of(world, world.token, fresh.address) == TOKENS - 12
    assert await balance_of(world, world.token, lost.address) == 0
    assert await world.mismatches() == []

    await carry_cash_over(world, lost.address, fresh.address)
    await world.listen()
    assert await world.mismatches() == []
    cash = world.engine_balance(ALICE, t.USDC)
    assert cash.level > CASH_USDC_MICROS, "with what its tokens brought"
    await world.act(fresh, "CashVault", "requestWithdraw", cash.level)
    await world.listen()
    releases = releases_of(world)
    await step_until(world, releases, ["FINAL"])
    await world.listen()
    assert await balance_of(world, raw_address(world.deployed.infra.usdc), fresh.address) == cash.level
    assert world.engine_balance(ALICE, t.USDC).level == 0
    assert await world.mismatches() == []


async def recover_tokens(world: World, lost: str, fresh: str) -> None:
    """As an issuer does: the new wallet is a key of the holder's identity, then the token and the locker follow."""
    sender, infra, suite = world.platform.sender, world.deployed.infra, world.deployed.suite
    identity = await identity_of(world.platform, infra, Web3.to_checksum_address(lost))
    assert identity is not None
    fresh_key = Web3.keccak(encode(["address"], [fresh]))
    add_key = onchainid("Identity.sol/Identity").call_data("addKey", [fresh_key, MANAGEMENT_KEY, ECDSA])
    await sender.send(identity, add_key)
    await sender.send(suite.token, trex("token/Token.sol/Token").call_data("recoveryAddress", [lost, fresh, identity]))
    migrate = ours("TokenLocker").call_data("migrate", [suite.token, lost, fresh])
    await world.platform.owner.send(infra.locker, migrate)


async def carry_cash_over(world: World, lost: str, fresh: str) -> None:
    owner, vault = world.platform.owner, world.deployed.infra.vault
    await owner.send(vault, ours("CashVault").call_data("queueMigration", [lost, fresh]))
    await world.rpc("evm_increaseTime", Delays().change_s)
    await world.mine()
    await owner.send(vault, ours("CashVault").call_data("migrate", [lost]))


async def balance_of(world: World, token: bytes, holder: str) -> int:
    (balance,) = words(await world.chain.call(token, balance_of_data(Wallet(raw_address(holder)))))
    return balance
