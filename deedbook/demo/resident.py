"""The demo market of `deedbook run`, a process of its own: set up once, then a maker that keeps both books quoted."""

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic_ns
from typing import Final

import msgspec
from eth_account import Account
from eth_account.signers.local import LocalAccount

from deedbook.demo.client import TradingSession
from deedbook.demo.client_messages import HmacKey
from deedbook.demo.market import LOTS_A_TOKEN, PROPERTIES, USDC_MICROS, MarketBuilder, Person
from deedbook.demo.pacer import Pacer
from deedbook.demo.socket import SessionError
from deedbook.demo.trader import NS, FairPrice, Plan
from deedbook.demo.traders import MarketMaker
from deedbook.process import announce_ready
from deedbook.running import Running, running
from deedbook.settings import Settings
from gateway.keys import KeyStore
from persistence.whole_file import write_whole

SEED: Final = 7
ACTIONS_PER_S: Final = 12.0
RECONNECT_S: Final = 1.0
FOREVER_NS: Final = 2**62
PEOPLE: Final = (
    Person("maker", "US", 20_000_000 * USDC_MICROS, {each.number: 50_000 * LOTS_A_TOKEN for each in PROPERTIES}),
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
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with running(settings.data_dir) as market:
        accounts = await _opened(market)
    announce_ready()
    maker = next(each for each in accounts if each.name == "maker")
    while not stopping.is_set():
        try:
            await _quote(settings, maker, stopping)
        except (SessionError, OSError, TimeoutError) as error:
            logging.getLogger("demo").info("the maker waits: %s", error)
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), RECONNECT_S)


async def _opened(market: Running) -> list[Trading]:
    """Set the market up, or find it: the keys are on disk before they are used."""
    path = _path(market.layout.root)
    if not path.exists():
        _write(path, [Trading(person.name, Account.create().key.hex()) for person in PEOPLE])
    accounts = _read(path)
    if all(each.api_key for each in accounts):
        return accounts
    deployment = await market.deployment(_notice)
    builder = MarketBuilder(market.layout, deployment, market.pool, market.submit, _notice)
    suites = await builder.open_properties(PROPERTIES)
    wallet_keys: list[LocalAccount] = [Account.from_key(each.wallet_key) for each in accounts]
    investors = await builder.add_investors(PEOPLE, wallet_keys, suites)
    store: KeyStore = market.keys
    keys = [store.create_hmac(investor.account) for investor in investors]
    accounts = [
        msgspec.structs.replace(each, api_key=key.key, api_secret=key.secret.decode())
        for each, key in zip(accounts, keys, strict=True)
    ]
    _write(path, accounts)
    return accounts


async def _quote(settings: Settings, maker: Trading, stopping: asyncio.Event) -> None:
    """Keep ladders in every book until told to stop, or until the session is lost."""
    url = f"ws://127.0.0.1:{settings.websocket_port}/ws-api/v3"
    credentials = HmacKey(maker.api_key, maker.api_secret.encode())
    session = await TradingSession.open(url, credentials, f"maker-{time.time_ns() // NS:x}")
    now_ns = monotonic_ns()
    prices = {each.symbol: each.price_ticks for each in PROPERTIES}
    fair = {
        instrument: FairPrice(SEED + number, prices[instrument.symbol], now_ns)
        for number, instrument in enumerate(session.instruments.values())
    }
    with Pacer() as pacer:
        trader = MarketMaker(session, fair, pacer, Plan(SEED, ACTIONS_PER_S, now_ns, FOREVER_NS))
        for instrument in fair:  # what an earlier run left there
            session.cancel_all(instrument)
        await session.drain()
        run = asyncio.create_task(trader.run())
        wish = asyncio.create_task(stopping.wait())
        await asyncio.wait((run, wish), return_when=asyncio.FIRST_COMPLETED)
        trader.stop()
        wish.cancel()
        try:
            await run
        finally:
            await session.close()


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
