"""Tokenization on a real anvil, with the real T-REX suite."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from web3 import AsyncWeb3
from web3.exceptions import ContractLogicError

from settlement.artifacts import Artifact, ours, trex
from settlement.infrastructure import OtherVersionError, read, require_this_version
from settlement.steps import FileSteps, Sender, StepFailedError, StepStore
from settlement.tokenization import (
    ChainLostError,
    Delays,
    Infrastructure,
    InvestorTerms,
    Platform,
    PropertyTerms,
    TokenSuite,
    allow_countries,
    deploy_infrastructure,
    deploy_property_token,
    identity_of,
    is_verified,
    mint,
    register_investor,
    revoke_claim,
    set_wallet_frozen,
    unpause,
)
from tests.settlement.killing import Killed, KillingSender, KillingSteps
from tests.settlement.local_chain import anvil, file_steps, key, keys, platform_on, rich

GERMANY, FRANCE = 276, 250
OAK = PropertyTerms("OAK12", "12 Oak Street", "OAK12")
ELM = PropertyTerms("ELM7", "7 Elm Street", "ELM7", countries=(GERMANY,))
TOKEN = "token/Token.sol/Token"
REGISTRY = "registry/implementation/IdentityRegistry.sol/IdentityRegistry"


@pytest.fixture
async def chain() -> AsyncIterator[AsyncWeb3[Any]]:
    async with anvil() as running:
        yield running


@pytest.fixture
async def platform(chain: AsyncWeb3[Any], tmp_path: Path) -> Platform:
    return await platform_on(chain, file_steps(tmp_path))


async def _token(platform: Platform, suite: TokenSuite, function: str, *arguments: Any) -> Any:
    return await read(platform.chain, trex(TOKEN), suite.token, function, *arguments)


async def _lots(platform: Platform, infra: Infrastructure, suite: TokenSuite, wallet: str) -> Any:
    """Amount and date of each lot that is locked up, in base units and seconds."""
    return await read(platform.chain, ours("LockUpModule"), infra.lock_up_module, "lotsOf", suite.compliance, wallet)


async def _deploy_all(platform: Platform) -> tuple[Infrastructure, TokenSuite]:
    infra = await deploy_infrastructure(platform, keys().roles(), Delays())
    suite = await deploy_property_token(platform, infra, OAK)
    return infra, suite


async def test_every_role_has_its_own_holder(platform: Platform) -> None:
    infra = await deploy_infrastructure(platform, keys().roles(), Delays())
    expected = {
        ("CashVault", infra.vault, b"owner"): platform.owner.address,
        ("CashVault", infra.vault, b"bridge"): infra.bridge,
        ("CashVault", infra.vault, b"releaser"): keys().releaser.address,
        ("TokenLocker", infra.locker, b"owner"): platform.owner.address,
        ("TokenLocker", infra.locker, b"bridge"): infra.bridge,
        ("TokenLocker", infra.locker, b"releaser"): keys().releaser.address,
        ("TokenLocker", infra.locker, b"issuer"): keys().issuer.address,
        ("SettlementBridge", infra.bridge, b"owner"): platform.owner.address,
        ("SettlementBridge", infra.bridge, b"operator"): keys().operator.address,
        ("SettlementBridge", infra.bridge, b"guardian"): keys().guardian.address,
        ("DividendDistributor", infra.dividends, b"owner"): platform.owner.address,
        ("DividendDistributor", infra.dividends, b"payer"): keys().treasury.address,
        ("ExitRedemption", infra.redemption, b"owner"): platform.owner.address,
        ("ExitRedemption", infra.redemption, b"payer"): keys().treasury.address,
        ("PrimarySale", infra.sale, b"owner"): platform.owner.address,
        ("PrimarySale", infra.sale, b"operator"): platform.sender.address,
    }
    for (name, address, role), holder in expected.items():
        assert await read(platform.chain, ours(name), address, "holderOf", role.ljust(32, b"\0")) == holder
    assert (await read(platform.chain, ours("CashVault"), infra.vault, "accountOf", keys().fee_account.address))[3]
    assert await read(platform.chain, ours("SettlementBridge"), infra.bridge, "vault") == infra.vault
    assert await read(platform.chain, ours("SettlementBridge"), infra.bridge, "locker") == infra.locker
    for name, address in (("DividendDistributor", infra.dividends), ("PrimarySale", infra.sale)):
        assert await read(platform.chain, ours(name), address, "usdc") == infra.usdc


async def test_the_locker_is_agent_of_the_token_and_of_nothing_else(platform: Platform) -> None:
    infra, suite = await _deploy_all(platform)
    assert await _token(platform, suite, "isAgent", infra.locker)
    assert not await _token(platform, suite, "isAgent", infra.bridge)
    assert not await _token(platform, suite, "isAgent", infra.redemption)  # only at its exit
    for ours_address in (infra.locker, infra.bridge, infra.vault):
        assert not await read(platform.chain, trex(REGISTRY), suite.registry, "isAgent", ours_address)


async def test_an_investor_of_one_property_is_verified_for_all(platform: Platform) -> None:
    infra, oak = await _deploy_all(platform)
    elm = await deploy_property_token(platform, infra, ELM)
    wallet = key("investor").address
    assert not await is_verified(platform, oak, wallet)
    identity = await register_investor(platform, infra, InvestorTerms(wallet, GERMANY))
    assert await identity_of(platform, infra, wallet) == identity
    assert await is_verified(platform, oak, wallet)
    assert await is_verified(platform, elm, wallet)
    sent = await platform.chain.eth.get_transaction_count(platform.sender.address)
    assert await register_investor(platform, infra, InvestorTerms(wallet, GERMANY)) == identity
    assert await platform.chain.eth.get_transaction_count(platform.sender.address) == sent


async def test_a_revoked_claim_is_invalid_until_a_new_grant(platform: Platform) -> None:
    infra, suite = await _deploy_all(platform)
    wallet = key("investor").address
    await register_investor(platform, infra, InvestorTerms(wallet, GERMANY))
    await revoke_claim(platform, infra, wallet)
    await revoke_claim(platform, infra, wallet)
    assert not await is_verified(platform, suite, wallet)
    await register_investor(platform, infra, InvestorTerms(wallet, GERMANY))  # the revoked one again: no way back
    assert not await is_verified(platform, suite, wallet)
    await register_investor(platform, infra, InvestorTerms(wallet, GERMANY, grant=2))
    assert await is_verified(platform, suite, wallet)


async def test_only_residents_of_allowed_countries_receive(platform: Platform) -> None:
    infra = await deploy_infrastructure(platform, keys().roles(), Delays())
    elm = await deploy_property_token(platform, infra, ELM)
    inside, outside = key("inside").address, key("outside").address
    await register_investor(platform, infra, InvestorTerms(inside, GERMANY))
    await register_investor(platform, infra, InvestorTerms(outside, FRANCE))
    await mint(platform, elm, inside, 5, "first")
    with pytest.raises(ContractLogicError, match="Compliance not followed"):
        await mint(platform, elm, outside, 5, "second")
    await allow_countries(platform, infra, elm, [FRANCE])
    await mint(platform, elm, outside, 5, "second")
    assert await _token(platform, elm, "balanceOf", outside) == 5


async def test_a_cap_and_a_lock_up_are_set_as_the_terms_say(platform: Platform) -> None:
    infra = await deploy_infrastructure(platform, keys().roles(), Delays())
    terms = PropertyTerms("ASH9", "9 Ash Street", "ASH9", countries=(GERMANY,), holder_cap=1, lock_up_s=3600)
    ash = await deploy_property_token(platform, infra, terms)
    first, second = key("first").address, key("second").address
    for wallet in (first, second):
        await register_investor(platform, infra, InvestorTerms(wallet, GERMANY))
    await mint(platform, ash, first, 5, "first")
    with pytest.raises(ContractLogicError, match="Compliance not followed"):
        await mint(platform, ash, second, 5, "second")
    cap = await read(platform.chain, ours("HolderCapModule"), infra.holder_cap_module, "holdersOf", ash.compliance)
    assert list(cap) == [1, 1]
    ((amount, released_at_s),) = await _lots(platform, infra, ash, first)
    now_s = (await platform.chain.eth.get_block("latest"))["timestamp"]
    assert amount == 5
    assert now_s < released_at_s <= now_s + 3600


async def test_an_issuer_is_not_locked_up_and_its_buyer_is(platform: Platform, tmp_path: Path) -> None:
    infra = await deploy_infrastructure(platform, keys().roles(), Delays())
    issuer, buyer = key("manager"), key("buyer").address
    ash = await deploy_property_token(
        platform, infra, PropertyTerms("ASH9", "9 Ash Street", "ASH9", lock_up_s=3600, issuer=issuer.address)
    )
    for wallet in (issuer.address, buyer):
        await register_investor(platform, infra, InvestorTerms(wallet, GERMANY))
    await mint(platform, ash, issuer.address, 5, "supply")
    await unpause(platform, ash)
    await rich(platform.chain, issuer.address)
    token = trex(TOKEN)
    await Sender(platform.chain, issuer, file_steps(tmp_path)).send(ash.token, token.call_data("transfer", [buyer, 2]))
    assert await _lots(platform, infra, ash, issuer.address) == []
    ((amount, released_at_s),) = await _lots(platform, infra, ash, buyer)
    now_s = (await platform.chain.eth.get_block("latest"))["timestamp"]
    assert amount == 2
    assert now_s < released_at_s <= now_s + 3600


async def test_a_mint_of_one_name_happens_once(platform: Platform) -> None:
    infra, suite = await _deploy_all(platform)
    wallet = key("investor").address
    await register_investor(platform, infra, InvestorTerms(wallet, GERMANY))
    await mint(platform, suite, wallet, 7, "first sale")
    await mint(platform, suite, wallet, 7, "first sale")
    assert await _token(platform, suite, "balanceOf", wallet) == 7


async def test_flags_are_set_to_what_is_asked(platform: Platform) -> None:
    infra, suite = await _deploy_all(platform)
    wallet = key("investor").address
    assert await _token(platform, suite, "paused")
    await unpause(platform, suite)
    await unpause(platform, suite)
    assert not await _token(platform, suite, "paused")
    for frozen in (True, True, False):
        await set_wallet_frozen(platform, suite, wallet, frozen)
        assert await _token(platform, suite, "isFrozen", wallet) == frozen
    assert await read(platform.chain, ours("TokenLocker"), infra.locker, "isListed", suite.token)


async def _deploy_and_sell(platform: Platform) -> tuple[Infrastructure, TokenSuite]:
    infra, suite = await _deploy_all(platform)
    wallet = key("investor").address
    await register_investor(platform, infra, InvestorTerms(wallet, GERMANY))
    await mint(platform, suite, wallet, 7, "first sale")
    return infra, suite


async def _until_done(chain: AsyncWeb3[Any], steps: StepStore, kind: type[Sender], kills: list[int]) -> Any:
    """Run with fresh objects after each kill, as a new process would."""
    while True:
        base = await platform_on(chain, steps)
        sender, owner = kind(chain, base.sender.account, steps), kind(chain, base.owner.account, steps)
        try:
            return await _deploy_and_sell(Platform(sender, owner, base.claim_signer))
        except Killed:
            kills[0] += 1


@pytest.mark.parametrize("moment", ["before the step is stored", "before it is sent", "after it is sent"])
async def test_killed_at_every_step_it_deploys_once(moment: str, tmp_path: Path) -> None:
    async with anvil() as chain:
        plain = await platform_on(chain, FileSteps(tmp_path / "plain.json"))
        expected = await _deploy_and_sell(plain)
        counts = [await chain.eth.get_transaction_count(key(name).address) for name in ("deployer", "owner")]
    async with anvil() as chain:
        kills = [0]
        path = tmp_path / "killed.json"
        if moment == "after it is sent":
            KillingSender.died.clear()
            result = await _until_done(chain, FileSteps(path), KillingSender, kills)
        else:
            died: set[str] = set()
            after = moment == "before it is sent"
            result = await _until_done(chain, KillingSteps(FileSteps(path), died, after), Sender, kills)
        assert result == expected
        assert kills[0] == sum(counts)  # it did die at every step
        again = [await chain.eth.get_transaction_count(key(name).address) for name in ("deployer", "owner")]
        assert again == counts
        assert await read(chain, trex(TOKEN), result[1].token, "balanceOf", key("investor").address) == 7


async def test_a_chain_that_lost_its_blocks_is_noticed(chain: AsyncWeb3[Any], tmp_path: Path) -> None:
    platform = await platform_on(chain, file_steps(tmp_path))
    infra = await deploy_infrastructure(platform, keys().roles(), Delays())
    await chain.provider.make_request("anvil_setCode", [infra.vault, "0x"])
    with pytest.raises(ChainLostError, match="CashVault"):
        await deploy_infrastructure(platform, keys().roles(), Delays())


async def test_contracts_of_another_version_are_noticed(chain: AsyncWeb3[Any], tmp_path: Path) -> None:
    platform = await platform_on(chain, file_steps(tmp_path))
    infra = await deploy_infrastructure(platform, keys().roles(), Delays())
    await require_this_version(chain, infra)
    vault = bytes(await chain.eth.get_code(infra.vault))
    for other in (vault + b"\0", bytes([vault[0] ^ 1]) + vault[1:]):
        await chain.provider.make_request("anvil_setCode", [infra.vault, "0x" + other.hex()])
        with pytest.raises(OtherVersionError, match=r"another version's: CashVault\.$"):
            await require_this_version(chain, infra)


async def test_a_chain_that_was_set_back_gets_the_same_transactions_again(
    chain: AsyncWeb3[Any], tmp_path: Path
) -> None:
    platform = await platform_on(chain, file_steps(tmp_path))
    start = (await chain.provider.make_request("evm_snapshot", []))["result"]
    infra, suite = await _deploy_all(platform)
    assert (await chain.provider.make_request("evm_revert", [start]))["result"]
    assert not await chain.eth.get_code(infra.bridge)
    assert await _deploy_all(await platform_on(chain, file_steps(tmp_path))) == (infra, suite)
    assert await chain.eth.get_code(infra.bridge)


async def test_a_given_usdc_is_used(platform: Platform) -> None:
    usdc = ours("MockUSDC")
    made = await platform.sender.once("real usdc", None, usdc.creation_data([key("circle").address]))
    assert made.created is not None
    infra = await deploy_infrastructure(platform, keys().roles(), Delays(), usdc=made.created)
    assert infra.usdc == made.created == await read(platform.chain, ours("CashVault"), infra.vault, "usdc")


async def test_steps_are_there_after_a_restart(tmp_path: Path) -> None:
    await FileSteps(tmp_path / "steps.json").put("a", b"\x01\x02")
    steps = FileSteps(tmp_path / "steps.json")
    assert await steps.get("a") == b"\x01\x02"
    assert await steps.get("b") is None


async def test_a_step_that_reverts_says_so_and_may_be_tried_again(platform: Platform) -> None:
    infra = await deploy_infrastructure(platform, keys().roles(), Delays())
    usdc: Artifact = ours("MockUSDC")
    stranger = key("stranger").address
    pay = usdc.call_data("transfer", [stranger, 5])
    with pytest.raises(ContractLogicError):
        await platform.sender.once("pay", infra.usdc, pay)
    await platform.sender.once("mint", infra.usdc, usdc.call_data("mint", [platform.sender.address, 5]))
    await platform.sender.once("pay", infra.usdc, pay)
    await platform.sender.once("pay", infra.usdc, pay)
    assert await read(platform.chain, usdc, infra.usdc, "balanceOf", stranger) == 5


async def test_a_transaction_that_reverts_when_mined_is_an_error(platform: Platform) -> None:
    """The estimate passed, but a transaction that was mined before took what it needed."""
    infra = await deploy_infrastructure(platform, keys().roles(), Delays())
    usdc = ours("MockUSDC")
    await platform.sender.once("mint", infra.usdc, usdc.call_data("mint", [platform.sender.address, 5]))
    pay = usdc.call_data("transfer", [key("stranger").address, 5])
    await platform.chain.provider.make_request("evm_setAutomine", [False])
    mined = await platform.chain.eth.get_transaction_count(platform.sender.address)
    pays = [asyncio.ensure_future(platform.sender.once(f"pay {i}", infra.usdc, pay)) for i in range(2)]
    deadline = time.monotonic() + 20
    while True:
        if await platform.chain.eth.get_transaction_count(platform.sender.address, "pending") == mined + 2:
            break
        assert time.monotonic() < deadline, "not sent"
        await asyncio.sleep(0.02)
    await platform.chain.provider.make_request("evm_mine", [])
    results = await asyncio.gather(*pays, return_exceptions=True)
    failures = [result for result in results if isinstance(result, BaseException)]
    assert len(failures) == 1
    assert isinstance(failures[0], StepFailedError)
    assert "reverted" in str(failures[0])
    assert await read(platform.chain, usdc, infra.usdc, "balanceOf", key("stranger").address) == 5
