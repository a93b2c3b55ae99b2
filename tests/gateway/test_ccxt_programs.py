"""ccxt's own test programs, which its package ships, for everything that its `has` declares of Binance."""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest

pytest.importorskip("ccxt", reason="ccxt is not installed; make test-all installs it")
import ccxt.pro

from engine import types as t
from engine.wire import encode_command
from tests.gateway.test_book_followers import Market, trade
from tests.gateway.test_clients import UNIFIED, settings
from tests.gateway.venue import ALICE, BOB, CAROL, Venue

pytestmark = pytest.mark.slow
ROOT: Final = Path(ccxt.__file__).parent
PROGRAMS: Final = {
    path.stem.removeprefix("test_"): path
    for folder in ("test/exchange/async", "pro/test/Exchange")
    for path in sorted((ROOT / folder).glob("test_*.py"))
}
DERIVATIVES = "about futures, swaps and options, which are not traded here"
MARGIN = "about margin and loans, which are not given here"
WALLET = "about Binance's wallet; deposits and withdrawals go through the vault and the pages"
NOT_DECLARED = "ccxt says of Binance itself that it has no such thing"
SKIPPED: Final = {
    "fetch_borrow_interest": MARGIN,
    "fetch_margin_mode": MARGIN,
    "fetch_margin_modes": MARGIN,
    "fetch_funding_rate_history": DERIVATIVES,
    "fetch_ledger": DERIVATIVES,
    "fetch_ledger_entry": DERIVATIVES,
    "fetch_leverage_tiers": DERIVATIVES,
    "fetch_market_leverage_tiers": DERIVATIVES,
    "fetch_my_liquidations": DERIVATIVES,
    "fetch_open_interest_history": DERIVATIVES,
    "fetch_positions": DERIVATIVES,
    "watch_liquidations": DERIVATIVES,
    "watch_liquidations_for_symbols": DERIVATIVES,
    "watch_positions": DERIVATIVES,
    "fetch_deposit_withdrawals": WALLET,
    "fetch_deposits": WALLET,
    "fetch_withdrawals": WALLET,
    "fetch_transfers": WALLET,
    "fetch_transaction_fees": WALLET,
    "fetch_currencies": WALLET,
    "fetch_accounts": NOT_DECLARED,
    "fetch_liquidations": NOT_DECLARED,
    "fetch_order_books": NOT_DECLARED,
    "sign_in": NOT_DECLARED,
    "un_watch_positions": NOT_DECLARED,
    "watch_position": NOT_DECLARED,
    "proxies": "about reaching an exchange through a proxy on the internet",
    "fetch_status": "asks Binance's wallet (/sapi/v1/system/status) for its maintenance",
    "create_order": "fails in Python before it asks anything: it takes the exchange for a dictionary",
    "fetch_markets": "wants an object where ccxt's own method gives a list; ccxt does not run it either",
}
# What a program is told not to look at.
PROPERTIES: Final = {
    name: dict.fromkeys(("timestamp", "datetime"), "Binance's snapshots of a book have no time")
    for name in ("fetch_order_book", "fetch_l2_order_book", "watch_order_book", "watch_order_book_for_symbols")
}


def test_every_program_runs_or_has_a_reason_why_not() -> None:
    assert SKIPPED.keys() <= PROGRAMS.keys()
    has = {name.lower(): value for name, value in ccxt.pro.binance().has.items()}
    undeclared = {name for name in PROGRAMS if has.get(name.replace("_", "")) in (None, False)}
    without_switch = {"after_construct", "features", "load_markets", "proxies", "fetch_deposit_withdrawals"}
    assert {name for name, reason in SKIPPED.items() if reason == NOT_DECLARED} == undeclared - without_switch
    assert len(PROGRAMS) - len(SKIPPED) >= 27


@pytest.fixture
async def exchange(venue: Venue) -> AsyncIterator[Any]:
    """Alice's, in a market that trades."""
    over = asyncio.Event()
    trading = asyncio.gather(
        trade(Market(venue, 3, (BOB, CAROL)), over, commands_per_s=60),
        buy(venue, over),
    )
    client = ccxt.pro.binance(settings(venue, ALICE))
    client.has |= dict.fromkeys(("swap", "future", "option"), False)
    try:
        await client.load_markets()
        yield client
    finally:
        over.set()
        await trading
        await client.close()


async def buy(venue: Venue, until: asyncio.Event) -> None:
    """Alice's own trades, one at a time, once there is somebody to buy from."""
    feed = venue.gateway._publisher.feeds[1]
    while len(feed.book.asks.lots) < 5:
        await asyncio.sleep(0.05)
    number = 0
    while not until.is_set():
        number += 1
        client_id = b"buy-%d" % number
        order = t.Place(ALICE, 1, t.Side.BUY, t.OrderType.MARKET, t.TimeInForce.IOC, 0, 1, client_order_id=client_id)
        venue.sequencer.submit(encode_command(order), None)
        await asyncio.sleep(0.3)


def program(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"ccxt_program_{name}", PROGRAMS[name])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, f"test_{name}")


async def run(name: str, exchange: Any) -> str:
    """An empty text, or what went wrong."""
    test = program(name)
    known = {"symbol": UNIFIED, "symbols": [UNIFIED], "code": "USDC"}
    arguments = [known[parameter] for parameter in list(inspect.signature(test).parameters)[2:]]
    try:
        outcome = test(exchange, PROPERTIES.get(name, {}), *arguments)
        if inspect.isawaitable(outcome):
            async with asyncio.timeout(100):
                await outcome
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:500]
    return ""


@pytest.mark.timeout(300)
async def test_they_find_nothing_wrong(exchange: Any) -> None:
    await asyncio.sleep(2)
    names = [name for name in PROGRAMS if name not in SKIPPED]
    asking = [name for name in names if not name.startswith("watch_")]
    outcomes = {name: await run(name, exchange) for name in asking}
    watching = [name for name in names if name.startswith("watch_")]
    outcomes |= zip(watching, await asyncio.gather(*(run(name, exchange) for name in watching)), strict=True)
    wrong = [f"{name}: {outcome}" for name, outcome in outcomes.items() if outcome]
    assert not wrong, "\n".join(wrong)
