"""What a fill costs on the real token, as receipts say it; compared with a committed file.

The figure is the whole transaction's gas (intrinsic, call data, execution) by the fills in it: one property, 20
counterparties, every check, auto-lock, fees to the fee account on every fill; without compliance modules, and with
three of them (country, holder cap, lock-up).
After a change that is meant to change it: `DEEDBOOK_WRITE_GAS=1 pytest tests/settlement/test_settle_gas.py`.
"""

import json
import os
import random
from pathlib import Path

from eth_account.signers.local import LocalAccount
from web3 import Web3

from settlement.artifacts import ROOT
from settlement.calls import payload_hash, settle_data
from settlement.netting import net
from settlement.tokenization import PropertyTerms
from settlement.trades import Fill, Token, Wallet
from tests.settlement.local_chain import anvil, keys
from tests.settlement.market import GERMANY, OAK, Market, open_market

SNAPSHOT = ROOT / "contracts" / "gas.json"
COUNTERPARTIES = 20
GAS_PER_FILL_MAX = 17_000  # at 200 fills, without modules
LOCK_UP_S = 3600
RULED = PropertyTerms("ELM7", "7 Elm Street", "ELM7", countries=(GERMANY,), holder_cap=99, lock_up_s=LOCK_UP_S)


def _wallet(account: LocalAccount) -> Wallet:
    return Wallet(bytes.fromhex(account.address[2:]))


def _fills(market: Market, first: int, count: int, rng: random.Random) -> list[Fill]:
    token = Token(bytes.fromhex(market.suite.token[2:]))
    fees = _wallet(keys().fee_account)
    fills = []
    for trade_id in range(first, first + count):
        seller, buyer = rng.sample(market.investors, 2)
        qty, price_usdc_micros = rng.randint(1, 40), rng.randint(40_000_000, 60_000_000)
        notional = qty * price_usdc_micros
        fee = notional // 1000
        cash = (
            (_wallet(buyer), -notional - fee),
            (_wallet(seller), notional - fee),
            (fees, 2 * fee),
        )
        fills.append(Fill(trade_id, token, _wallet(seller), _wallet(buyer), qty, cash))
    return fills


async def _gas_by_fills(directory: Path, terms: PropertyTerms) -> dict[str, int]:
    measured: dict[str, int] = {}
    rng = random.Random(20)
    async with anvil() as chain:
        market = await open_market(chain, directory, COUNTERPARTIES, terms)
        await chain.provider.make_request("evm_increaseTime", [LOCK_UP_S])
        await chain.provider.make_request("evm_mine", [])
        operator = market.sender(keys().operator)
        last = 0
        for count in (1, 10, 50, 200):
            batch = net(_fills(market, last + 1, count, rng))
            data = settle_data(last, last + count, last + count, bytes(Web3.keccak(text=str(last))), batch)
            receipt = await operator.send(market.infra.bridge, data)
            assert bytes(receipt.logs[-1]["data"])[-32:] == payload_hash(batch)
            measured[str(count)] = receipt.gas_used // count
            last += count
    return measured


async def test_gas_of_a_fill_is_what_the_snapshot_says(tmp_path: Path) -> None:
    measured = {}
    for name, terms in (("no modules", OAK), ("country, cap, lock-up", RULED)):
        directory = tmp_path / terms.salt
        directory.mkdir()
        measured[name] = await _gas_by_fills(directory, terms)
    if os.environ.get("DEEDBOOK_WRITE_GAS"):
        SNAPSHOT.write_text(json.dumps(measured, indent=1) + "\n")
    assert measured == json.loads(SNAPSHOT.read_bytes())
    assert measured["no modules"]["200"] <= GAS_PER_FILL_MAX
