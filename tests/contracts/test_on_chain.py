"""The bridge, the vault and the locker as Python meets them: hashes, permits, simulation, reasons."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import decode, encode
from eth_account.messages import encode_typed_data
from eth_account.signers.local import LocalAccount
from hexbytes import HexBytes
from web3 import Web3
from web3.exceptions import ContractLogicError

from settlement.artifacts import ours
from settlement.infrastructure import read
from settlement.tokenization import set_wallet_frozen
from tests.settlement.local_chain import anvil, key, keys
from tests.settlement.market import CASH_USDC_MICROS, TOKENS, Market, open_market

BATCH = "(address[],(uint16,address,address,uint128)[],(address,int128)[])"
PERMIT_DEADLINE_S = 4_000_000_000


@pytest.fixture
async def market(tmp_path: Path) -> AsyncIterator[Market]:
    async with anvil() as chain:
        yield await open_market(chain, tmp_path, 3)


def _batch(market: Market, seller: LocalAccount, buyer: LocalAccount, qty: int, notional: int) -> tuple[Any, ...]:
    cash = [(buyer.address, -notional), (seller.address, notional)]
    return ([market.suite.token], [(0, seller.address, buyer.address, qty)], cash)


def _fill(market: Market, seller: LocalAccount, buyer: LocalAccount, qty: int, notional: int) -> tuple[Any, ...]:
    cash = [(buyer.address, -notional), (seller.address, notional)]
    return (market.suite.token, seller.address, buyer.address, qty, cash)


async def _simulate(market: Market, fills: list[tuple[Any, ...]], gas: int = 2**40) -> list[tuple[bool, bytes]]:
    simulator = ours("BridgeSimulator")
    data = simulator.call_data("simulate", [market.infra.vault, market.infra.locker, fills])
    call = {"to": market.infra.bridge, "data": HexBytes(data), "gas": gas}
    override = {market.infra.bridge: {"code": "0x" + simulator.runtime_code.hex()}}
    answer = await market.platform.chain.eth.call(call, "latest", override)  # type: ignore[arg-type]
    (results,) = decode(["(bool,bytes)[]"], answer)
    return list(results)


async def test_the_event_has_the_hash_of_the_encoded_batch(market: Market) -> None:
    alice, bob, _ = market.investors
    batch = _batch(market, alice, bob, 5, 100)
    receipt = await market.send(keys().operator, "SettlementBridge", "settle", 0, 9, 44, b"\x07" * 32, batch)
    seq, journal_hash, batch_hash = decode(["uint64", "bytes32", "bytes32"], receipt.logs[-1]["data"])
    assert (seq, journal_hash) == (44, b"\x07" * 32)
    assert batch_hash == Web3.keccak(encode([BATCH], [batch]))
    assert [int.from_bytes(topic) for topic in receipt.logs[-1]["topics"][1:]] == [0, 9]
    vault = ours("CashVault")
    assert (await read(market.platform.chain, vault, market.infra.vault, "accountOf", bob.address))[0] == (
        CASH_USDC_MICROS - 100
    )


async def test_a_permit_signed_by_an_independent_library_deposits(market: Market) -> None:
    alice = market.investors[0]
    usdc, chain = ours("MockUSDC"), market.platform.chain
    await market.platform.sender.send(market.infra.usdc, usdc.call_data("mint", [alice.address, 70]))
    message = {
        "owner": alice.address,
        "spender": market.infra.vault,
        "value": 70,
        "nonce": await read(chain, usdc, market.infra.usdc, "nonces", alice.address),
        "deadline": PERMIT_DEADLINE_S,
    }
    domain = {
        "name": "USD Coin (local)",
        "version": "1",
        "chainId": await chain.eth.chain_id,
        "verifyingContract": market.infra.usdc,
    }
    fields = [("owner", "address"), ("spender", "address"), ("value", "uint256"), ("nonce", "uint256")]
    types = {"Permit": [{"name": name, "type": kind} for name, kind in [*fields, ("deadline", "uint256")]]}
    signed = alice.sign_message(encode_typed_data(domain, types, message))
    r, s = signed.r.to_bytes(32), signed.s.to_bytes(32)
    await market.send(alice, "CashVault", "depositWithPermit", 70, PERMIT_DEADLINE_S, signed.v, r, s)
    slot = await read(chain, ours("CashVault"), market.infra.vault, "accountOf", alice.address)
    assert slot[0] == CASH_USDC_MICROS + 70


async def test_a_simulation_names_every_fill_that_would_fail_and_changes_nothing(market: Market) -> None:
    alice, bob, carol = market.investors
    await set_wallet_frozen(market.platform, market.suite, carol.address, True)
    fills = [
        _fill(market, alice, bob, TOKENS, 1),
        _fill(market, alice, bob, 1, 1),  # alice has sold everything
        _fill(market, bob, alice, 2 * TOKENS, 1),  # bob can: he just bought
        _fill(market, alice, carol, 1, 1),
        _fill(market, alice, bob, 1, 2 * CASH_USDC_MICROS),
    ]
    results = await _simulate(market, fills)
    errors = ours("TokenLocker").error_selectors() | ours("CashVault").error_selectors()
    assert [ok for ok, _ in results] == [True, False, True, False, False]
    names = [errors[reason[:4]]["name"] if reason else None for _, reason in results]
    assert names == [None, "LegLockTooSmall", None, "LegWalletFrozen", "Overdrawn"]
    lock = await read(
        market.platform.chain, ours("TokenLocker"), market.infra.locker, "lockOf", market.suite.token, alice.address
    )
    assert lock[0] == TOKENS


async def test_a_simulation_of_hundreds_of_fills_is_one_call(market: Market) -> None:
    alice, bob, _ = market.investors
    fills = [_fill(market, *((alice, bob) if i % 2 else (bob, alice)), 1 + i, 1) for i in range(300)]
    assert all(ok for ok, _ in await _simulate(market, fills))


async def test_nobody_can_simulate_on_the_deployed_bridge(market: Market) -> None:
    data = ours("BridgeSimulator").call_data("simulate", [market.infra.vault, market.infra.locker, []])
    with pytest.raises(ContractLogicError):
        await market.platform.chain.eth.call({"to": market.infra.bridge, "data": HexBytes(data)})
    with pytest.raises(ContractLogicError):
        await market.send(key("stranger"), "CashVault", "applyDeltas", [])
