"""The payouts and the sale as Python meets them: hashes of chunks, what a buyer signs, and what they cost.

Gas is the whole transaction's, as receipts say it, by the holders in it. After a change that is meant to change it:
`DEEDBOOK_WRITE_GAS=1 pytest tests/contracts/test_payouts_on_chain.py`.
"""

import json
import os
import random
from pathlib import Path

from eth_abi.abi import encode
from eth_account.messages import encode_typed_data
from eth_utils.address import to_canonical_address
from web3 import Web3

from settlement.artifacts import ROOT, ours, trex
from settlement.chain import Chain
from settlement.infrastructure import read
from settlement.sale_contract import PURCHASE_FIELDS, Purchase, SaleContract
from settlement.steps import Sender
from settlement.tokenization import PropertyTerms
from settlement.trades import Token, Wallet
from tests.settlement.local_chain import anvil, file_steps, key, keys, rich
from tests.settlement.market import GERMANY, OAK, TOKENS, Market, open_market

SNAPSHOT = ROOT / "contracts" / "gas-flows.json"
DIVIDEND_GAS_PER_HOLDER_MAX = 18_000  # of 400 holders who have USDC
RULED = PropertyTerms("ELM7", "7 Elm Street", "ELM7", countries=(GERMANY,), holder_cap=99, lock_up_s=3600)
INVESTORS = 20
LOTS_MAX = 32
PRICE_USDC_MICROS = 10_500_000
FAR_S = 4_000_000_000


def _holder(number: int) -> str:
    return Web3.to_checksum_address(Web3.keccak(text=f"holder {number}")[:20])


def _word(holder: str, usdc_micros: int) -> int:
    return usdc_micros << 160 | int(holder, 16)


def _heads(chunks: list[list[int]]) -> list[bytes]:
    """The hash that opens each chunk, and zero after the last."""
    heads = [bytes(32)]
    for words in reversed(chunks):
        heads.insert(0, bytes(Web3.keccak(encode(["uint256[]", "bytes32"], [words, heads[0]]))))
    return heads


async def _pay(market: Market, name: str, payout: str, chunks: list[list[int]], total: int) -> list[int]:
    """Declare and pay; returns each chunk's gas."""
    address = market.infra.dividends if name == "DividendDistributor" else market.infra.redemption
    treasury, usdc, contract = market.sender(keys().treasury), ours("MockUSDC"), ours(name)
    await rich(market.platform.chain, treasury.address)
    await market.platform.sender.send(market.infra.usdc, usdc.call_data("mint", [treasury.address, total]))
    await treasury.send(market.infra.usdc, usdc.call_data("approve", [address, total]))
    heads, payout_id = _heads(chunks), payout.encode().ljust(32, b"\0")
    await treasury.send(address, contract.call_data("declare", [payout_id, market.suite.token, total, heads[0]]))
    gas = []
    for words, following in zip(chunks, heads[1:], strict=True):
        receipt = await treasury.send(address, contract.call_data("pay", [payout_id, words, following]))
        gas.append(receipt.gas_used)
    standing = await read(market.platform.chain, contract, address, "payoutOf", payout_id)
    assert list(standing[2:]) == [bytes(32), total, 0]  # nothing left, all paid, none owed
    return gas


async def _dividends(market: Market) -> dict[str, int]:
    measured = {}
    for count in (1, 100, 400):
        words = [_word(_holder(count * 1_000 + number), 1_000_000 + number) for number in range(count)]
        total = sum(word >> 160 for word in words)
        for kind in ("new to USDC", "with USDC"):
            (gas,) = await _pay(market, "DividendDistributor", f"{count} {kind}", [words], total)
            measured[f"dividend, {count} holders {kind}"] = gas // count
    return measured


async def _exit(market: Market) -> dict[str, int]:
    """Of holders with one lot, and of the last two, who have as many lots as a wallet may have."""
    full = [investor.address for investor in market.investors[-2:]]
    for _ in range(LOTS_MAX - 1):
        await market.platform.chain.provider.make_request("evm_increaseTime", [1])
        for wallet in full:
            mint = trex("token/Token.sol/Token").call_data("mint", [wallet, 1])
            await market.platform.sender.send(market.suite.token, mint)
    await market.platform.sender.send(
        market.suite.token, trex("token/Token.sol/Token").call_data("addAgent", [market.infra.redemption])
    )
    usdc = ours("MockUSDC")
    words = []
    for number, investor in enumerate(market.investors):
        await market.platform.sender.send(market.infra.usdc, usdc.call_data("mint", [investor.address, 1]))
        words += [_word(investor.address, 1_000_000 + number), TOKENS + number // (INVESTORS - 2) * (LOTS_MAX - 1)]
    chunks = [words[:INVESTORS], words[INVESTORS:-4], words[-4:]]  # two words a holder
    gas = await _pay(market, "ExitRedemption", "exit", chunks, sum(word >> 160 for word in words[::2]))
    return {
        f"{INVESTORS // 2} holders with USDC": 2 * gas[0] // INVESTORS,
        f"2 holders with {LOTS_MAX} lots": gas[2] // 2,
    }


async def _sale(market: Market) -> dict[str, int]:
    """The first and the second purchase of a buyer, from an issuer who has all the tokens unlocked."""
    issuer, buyer, platform = market.investors[0], market.investors[1], market.platform
    sale, usdc, token = ours("PrimarySale"), ours("MockUSDC"), trex("token/Token.sol/Token")
    await platform.sender.send(market.suite.token, token.call_data("mint", [issuer.address, 100]))
    await market.sender(issuer).send(market.suite.token, usdc.call_data("approve", [market.infra.sale, 100]))
    await platform.sender.send(market.infra.usdc, usdc.call_data("mint", [buyer.address, 10**9]))
    await market.sender(buyer).send(market.infra.usdc, usdc.call_data("approve", [market.infra.sale, 10**9]))
    terms = (issuer.address, PRICE_USDC_MICROS, 1, 100, 100, 0, FAR_S)
    await platform.sender.send(market.infra.sale, sale.call_data("open", [market.suite.token, terms]))
    chain = Chain(str(platform.chain.provider.endpoint_uri), 0)
    contract = SaleContract(
        chain, *(Wallet(to_canonical_address(each)) for each in (market.infra.sale, market.infra.usdc))
    )
    measured = {}
    for nonce, name in enumerate(("first purchase", "second purchase")):
        wallet, of = Wallet(to_canonical_address(buyer.address)), Token(to_canonical_address(market.suite.token))
        purchase = Purchase(wallet, of, 10, 10 * PRICE_USDC_MICROS, nonce, FAR_S)
        signed = buyer.sign_message(encode_typed_data(full_message=await contract.purchase_to_sign(purchase)))
        data = contract.buy_data(purchase, bytes(signed.signature), None)
        measured[name] = (await platform.sender.send(market.infra.sale, data)).gas_used
    await chain.close()
    return measured


async def test_gas_of_the_flows_is_what_the_snapshot_says(tmp_path: Path) -> None:
    measured: dict[str, int] = {}
    for name, terms in (("no modules", OAK), ("country, cap, lock-up", RULED)):
        directory = tmp_path / terms.salt
        directory.mkdir()
        async with anvil() as chain:
            market = await open_market(chain, directory, INVESTORS, terms)
            if terms is OAK:
                measured |= await _dividends(market)
                measured |= await _sale(market)
                continue
            measured |= {f"exit, {holders}; {name}": gas for holders, gas in (await _exit(market)).items()}
    if os.environ.get("DEEDBOOK_WRITE_GAS"):
        SNAPSHOT.write_text(json.dumps(measured, indent=1) + "\n")
    assert measured == json.loads(SNAPSHOT.read_bytes())
    assert measured["dividend, 400 holders with USDC"] <= DIVIDEND_GAS_PER_HOLDER_MAX


async def test_what_a_buyer_signs_is_hashed_as_an_independent_library_hashes_it(tmp_path: Path) -> None:
    rng = random.Random(712)
    async with anvil() as web3:
        owner = key("owner")
        await rich(web3, owner.address)
        sender = Sender(web3, owner, file_steps(tmp_path))
        made = await sender.once("sale", None, ours("PrimarySale").creation_data([owner.address, owner.address, 1]))
        assert made.created is not None
        chain = Chain(str(web3.provider.endpoint_uri), 0)
        contract = SaleContract(chain, Wallet(to_canonical_address(made.created)), Wallet(bytes(20)))
        fields = ",".join(f"{kind} {name}" for name, kind in PURCHASE_FIELDS)
        typehash = await read(web3, ours("PrimarySale"), made.created, "PURCHASE_TYPEHASH")
        assert typehash == Web3.keccak(text=f"Purchase({fields})")
        for _ in range(50):
            numbers = [rng.getrandbits(rng.choice((1, 8, 64, 128, 256))) for _ in range(4)]
            purchase = Purchase(Wallet(rng.randbytes(20)), Token(rng.randbytes(20)), *numbers)
            message = encode_typed_data(full_message=await contract.purchase_to_sign(purchase))
            digest = Web3.keccak(b"\x19" + message.version + message.header + message.body)
            assert await read(web3, ours("PrimarySale"), made.created, "digestOf", purchase.values()) == digest
        await chain.close()
