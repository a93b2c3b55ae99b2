"""The demo market of `deedbook run`, a process of its own: set up once, then a maker quotes and a taker trades."""

import asyncio
import logging
import os
import secrets
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from time import monotonic_ns
from typing import Final

import msgspec
from eth_account import Account
from eth_account.signers.local import LocalAccount

from deedbook.demo.client import TradingSession
from deedbook.demo.client_messages import HmacKey
from deedbook.demo.houses import add_house, houseless
from deedbook.demo.instrument import Instrument
from deedbook.demo.market import LOTS_A_TOKEN, PROPERTIES, USDC_MICROS, MarketBuilder, Person
from deedbook.demo.pacer import Pacer
from deedbook.demo.socket import SessionError
from deedbook.demo.trader import NS, FairPrice, Plan, run_traders
from deedbook.demo.traders import MarketMaker, Taker
from deedbook.process import announce_ready, stop_signals
from deedbook.running import Running, running
from deedbook.settings import Settings
from gateway.keys import KeyStore
from persistence.document_store import document_store
from persistence.documents import Documents
from persistence.whole_file import write_whole
from settlement.artifacts import trex
from settlement.infrastructure import read

SEED: Final = 7
MAKER_ACTIONS_PER_S: Final = 12.0
TAKER_ACTIONS_PER_S: Final = 0.4
OPENING_ACTIONS: Final = 300  # at random places of the ladders: next to none stays empty
RECONNECT_S: Final = 1.0
FOREVER_NS: Final = 2**62
PEOPLE: Final = (
    Person("maker", "US", 20_000_000 * USDC_MICROS, {each.number: 50_000 * LOTS_A_TOKEN for each in PROPERTIES}),
    Person("taker", "DE", 5_000_000 * USDC_MICROS, {each.number: 10_000 * LOTS_A_TOKEN for each in PROPERTIES}),
    Person("trader", "US", 1_000_000 * USDC_MICROS, {each.number: 1_000 * LOTS_A_TOKEN for each in PROPERTIES}),
)
SCRIPT: Final = """\
import ccxt                                     # pip install ccxt
exchange = ccxt.binance({{
    'apiKey': '{key}',
    'secret': '{secret}',
    'urls': {{'api': {{'public': '{rest}/api/v3', 'private': '{rest}/api/v3', 'v1': '{rest}/api/v1'}}}},
    'options': {{'defaultType': 'spot', 'fetchMarkets': {{'types': ['spot']}}, 'fetchMargins': False,
                'fetchCurrencies': False}},
}})
print(exchange.create_order('OAK12/USDC', 'market', 'buy', 3))
print(exchange.fetch_balance()['total'])
"""


class Trading(msgspec.Struct, frozen=True):
    """One demo account: its wallet's key on the local chain, and its key of the trading API."""

    name: str
    wallet_key: str
    api_key: str = ""
    api_secret: str = ""


def main() -> int:
    """Run until SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    asyncio.run(_serve(Settings.read(os.environ)))
    return 0


def show(settings: Settings, say: Callable[[str], None]) -> None:
    """What a newcomer needs to trade at once: key, secret and a script. They open this machine's demo only."""
    trader = next(each for each in _read(_path(settings.data_dir)) if each.name == "trader")
    rest = f"http://127.0.0.1:{settings.rest_port}"
    say("")
    say(f"Demo trader  key    {trader.api_key}")
    say(f"             secret {trader.api_secret}")
    say(f"Sockets      ws://127.0.0.1:{settings.websocket_port}/ws-api/v3 and /stream")
    say("Trade at once with ccxt:")
    say("")
    say(SCRIPT.format(key=trader.api_key, secret=trader.api_secret, rest=rest))


async def _serve(settings: Settings) -> None:
    stopping = stop_signals()
    async with running(settings.data_dir) as market:
        accounts = await _opened(market)
    maker, taker = (next(each for each in accounts if each.name == name) for name in ("maker", "taker"))
    while not stopping.is_set():
        try:
            await _trade(settings, maker, taker, stopping)
        except (SessionError, OSError, TimeoutError) as error:
            logging.getLogger("demo").info("maker and taker wait: %s", error)
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), RECONNECT_S)


async def _opened(market: Running) -> list[Trading]:
    """Set the market up, or find it: the keys are on disk before they are used."""
    path = _path(market.layout.root)
    if not path.exists():
        _write(path, [Trading(person.name, Account.create().key.hex()) for person in PEOPLE])
    accounts = _read(path)
    if not all(each.api_key for each in accounts):
        accounts = await _set_up(market, accounts)
        _write(path, accounts)
    await _house(market, next(each for each in accounts if each.name == "maker"))
    return accounts


async def _set_up(market: Running, accounts: list[Trading]) -> list[Trading]:
    """The same accounts with their keys of the trading API, which are made last."""
    builder = await _builder(market)
    suites = await builder.open_properties(PROPERTIES)
    wallet_keys: list[LocalAccount] = [Account.from_key(each.wallet_key) for each in accounts]
    investors = await builder.add_investors(PEOPLE, wallet_keys, suites)
    store: KeyStore = market.keys
    keys = [store.create_hmac(investor.account) for investor in investors]
    return [
        msgspec.structs.replace(each, api_key=key.key, api_secret=key.secret.decode())
        for each, key in zip(accounts, keys, strict=True)
    ]


async def _house(market: Running, issuer: Trading) -> None:
    """Give each instrument its house; the chain is asked only where one is missing."""
    wallet = bytes.fromhex(Account.from_key(issuer.wallet_key).address[2:])
    assert market.settings.documents_url is not None
    store = document_store(market.settings.documents_url)
    documents = Documents(market.pool, store, secrets.token_bytes(32), time.time)  # kept here, linked to elsewhere
    for each in await houseless(market.pool, PROPERTIES):
        suite = await (await _builder(market)).contracts(each)
        chain, token = (await market.deployment(_notice)).chain, trex("token/Token.sol/Token")
        supply_base_units = await read(chain, token, suite.token, "totalSupply")
        await add_house(market.pool, documents, each, suite, supply_base_units, wallet)


async def _builder(market: Running) -> MarketBuilder:
    deployment = await market.deployment(_notice)
    return MarketBuilder(market.layout, deployment, market.pool, market.submit, _notice)


async def _trade(settings: Settings, maker: Trading, taker: Trading, stopping: asyncio.Event) -> None:
    """Ladders in every book, and a trade now and then, until told to stop or until a session is lost."""
    async with AsyncExitStack() as stack:
        sessions = []
        for each in (maker, taker):
            url = f"ws://127.0.0.1:{settings.websocket_port}/ws-api/v3"
            credentials = HmacKey(each.api_key, each.api_secret.encode())
            session = await TradingSession.open(url, credentials, f"{each.name}-{time.time_ns() // NS:x}")
            stack.push_async_callback(session.close)
            sessions.append(session)
        pacer = stack.enter_context(Pacer())
        now_ns = monotonic_ns()
        quoting = MarketMaker(
            sessions[0], _fair_prices(sessions[0], now_ns), pacer, Plan(SEED, MAKER_ACTIONS_PER_S, now_ns, FOREVER_NS)
        )
        taking = Taker(
            sessions[1],
            _fair_prices(sessions[1], now_ns),
            pacer,
            Plan(SEED + 1, TAKER_ACTIONS_PER_S, now_ns, FOREVER_NS),
        )
        for instrument in sessions[0].instruments.values():  # what an earlier run left there
            sessions[0].cancel_all(instrument)
        await sessions[0].drain()
        for _ in range(OPENING_ACTIONS):
            quoting.act(now_ns)
        await sessions[0].drain()
        announce_ready()  # a newcomer's first order meets somebody
        run = asyncio.create_task(run_traders([quoting, taking]))
        wish = asyncio.create_task(stopping.wait())
        await asyncio.wait((run, wish), return_when=asyncio.FIRST_COMPLETED)
        wish.cancel()
        run.cancel()
        with suppress(asyncio.CancelledError):
            await run
        if not stopping.is_set():
            raise SessionError("a session was lost")


def _fair_prices(session: TradingSession, now_ns: int) -> dict[Instrument, FairPrice]:
    start_ticks = {each.symbol: each.price_ticks for each in PROPERTIES}
    return {
        instrument: FairPrice(SEED + number, start_ticks[instrument.symbol], now_ns)
        for number, instrument in enumerate(session.instruments.values())
        if instrument.symbol in start_ticks
    }


def _path(data_dir: Path) -> Path:
    return data_dir / "demo-market.json"


def _read(path: Path) -> list[Trading]:
    return msgspec.json.decode(path.read_bytes(), type=list[Trading])


def _write(path: Path, accounts: list[Trading]) -> None:
    write_whole(path, msgspec.json.encode(accounts))


def _notice(text: str) -> None:
    print(f"notice: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
