"""Lots of a lock-up as a listener meets them: the events, folded, are what `lotsOf` says."""

import random
from collections import Counter
from pathlib import Path

from eth_abi.abi import encode
from web3 import Web3

from settlement.artifacts import onchainid, ours, trex
from settlement.identities import identity_of
from settlement.infrastructure import read
from settlement.tokenization import PropertyTerms
from tests.settlement.local_chain import anvil, key
from tests.settlement.market import TOKENS, Market, open_market

LOCK_UP_S = 3600
MAPLE = PropertyTerms("MAPLE3", "3 Maple Street", "MAPLE3", lock_up_s=LOCK_UP_S)
LOTS_MAX = 32
MANAGEMENT_KEY, ECDSA = 1, 1


async def _act(market: Market, function: str, *arguments: object) -> None:
    """A call of the token by its agent."""
    data = trex("token/Token.sol/Token").call_data(function, arguments)
    await market.platform.sender.send(market.suite.token, data)


async def _pass_time(market: Market, seconds: int) -> None:
    await market.platform.chain.provider.make_request("evm_increaseTime", [seconds])


async def _lots(market: Market, wallet: str) -> list[tuple[int, int]]:
    lots = await read(
        market.platform.chain,
        ours("LockUpModule"),
        market.infra.lock_up_module,
        "lotsOf",
        market.suite.compliance,
        wallet,
    )
    return [tuple(lot) for lot in lots]


async def _folded(market: Market) -> dict[str, list[tuple[int, int]]]:
    """The lots of each wallet that ever had one, from events and the last block's time alone."""
    chain, sums = market.platform.chain, Counter[tuple[str, int]]()
    module = chain.eth.contract(address=market.infra.lock_up_module, abi=list(ours("LockUpModule").abi))
    for name, sign in (("LotLockedUp", 1), ("LotTaken", -1)):
        for log in await module.events[name]().get_logs(from_block=0):
            assert log["args"]["compliance"] == market.suite.compliance
            sums[log["args"]["wallet"], log["args"]["releasedAt"]] += sign * log["args"]["amount"]
    assert min(sums.values()) >= 0
    now_s = (await chain.eth.get_block("latest"))["timestamp"]
    wallets: dict[str, list[tuple[int, int]]] = {wallet: [] for wallet, _ in sums}
    for (wallet, released_at_s), amount in sorted(sums.items()):
        if amount and released_at_s > now_s:
            wallets[wallet].append((amount, released_at_s))
    return wallets


async def _check(market: Market) -> dict[str, list[tuple[int, int]]]:
    folded = await _folded(market)
    for wallet, lots in folded.items():
        assert await _lots(market, wallet) == lots
    return folded


async def test_events_folded_are_the_lots_through_sales_time_force_and_recovery(tmp_path: Path) -> None:
    rng = random.Random(32)
    async with anvil() as chain:
        market = await open_market(chain, tmp_path, 3, MAPLE)
        wallets = [investor.address for investor in market.investors]
        assert {sum(amount for amount, _ in lots) for lots in (await _check(market)).values()} == {TOKENS}
        for _ in range(40):
            one, other = rng.sample(wallets, 2)
            amount = rng.randint(1, TOKENS // 4)
            act = rng.choice(("mint", "mint", "forcedTransfer", "burn", "time"))
            if act == "time":
                await _pass_time(market, rng.randint(1, LOCK_UP_S // 2))
            elif act == "forcedTransfer":
                await _act(market, act, one, other, amount)
            else:
                await _act(market, act, one, amount)
            await _check(market)

        await _pass_time(market, LOCK_UP_S)
        for number in range(LOTS_MAX + 3):
            await _pass_time(market, 1)
            await _act(market, "mint", wallets[0], number + 1)
        full = (await _check(market))[wallets[0]]
        assert len(full) == LOTS_MAX

        lost, fresh = wallets[0], key("a new wallet").address
        identity = await identity_of(market.platform, market.infra, market.investors[0].address)
        assert identity is not None
        fresh_key = Web3.keccak(encode(["address"], [fresh]))
        add_key = onchainid("Identity.sol/Identity").call_data("addKey", [fresh_key, MANAGEMENT_KEY, ECDSA])
        await market.platform.sender.send(identity, add_key)
        await _act(market, "recoveryAddress", lost, fresh, identity)
        folded = await _check(market)
        assert folded[lost] == []
        assert folded[fresh] == full
