"""`deedbook run` as a newcomer meets it: it says how to trade, stops cleanly, goes on after a stop and after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self
from urllib.request import urlopen

import msgspec
import pytest

from deedbook.demo.resident import Trading
from deedbook.machine import running_settings

ccxt = pytest.importorskip("ccxt", reason="ccxt is not installed; make test-all installs it")
pytestmark = pytest.mark.slow
CLI = (sys.executable, "-m", "deedbook.cli")
READY_WITHIN_S = 180
STOPPED_WITHIN_S = 60


class Machine:
    """`deedbook run` as it is written, on the folder `data` of where it is called."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        environment = os.environ | {"DEEDBOOK_WEBSOCKET_PORT": "0", "DEEDBOOK_REST_PORT": "0"}
        environment.pop("PYTHONUNBUFFERED", None)  # what it says comes at once without that
        self.process = subprocess.Popen(
            [*CLI, "run", "--port", "0"],
            cwd=directory.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
        )
        self.said: list[str] = []
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line.rstrip())
            if line.startswith("Ready:"):
                return
        raise AssertionError("it ended before it was ready:\n" + "\n".join(self.said))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Whatever a test did, nothing runs on."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(STOPPED_WITHIN_S)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        assert self.process.stdout is not None
        self.said += self.process.stdout.read().splitlines()
        return self.process.wait(STOPPED_WITHIN_S)

    def kill_everything(self) -> None:
        """SIGKILL to the supervisor and to all that it started, as a power cut would."""
        pids = [self.process.pid, *children_of(self.directory)]
        for pid in pids:
            with suppress(ProcessLookupError):  # it may have ended with its parent
                os.kill(pid, signal.SIGKILL)
        self.process.wait(STOPPED_WITHIN_S)

    def exchange(self) -> Any:
        settings = running_settings(self.directory)
        accounts = msgspec.json.decode((self.directory / "demo-market.json").read_bytes(), type=list[Trading])
        trader = next(each for each in accounts if each.name == "trader")
        rest = f"http://127.0.0.1:{settings.rest_port}/api"
        urls = {"public": f"{rest}/v3", "private": f"{rest}/v3", "v1": f"{rest}/v1"}
        options = {
            "defaultType": "spot",
            "fetchMarkets": {"types": ["spot"]},
            "fetchMargins": False,
            "fetchCurrencies": False,
        }
        return ccxt.binance(
            {"apiKey": trader.api_key, "secret": trader.api_secret, "urls": {"api": urls}, "options": options}
        )


def children_of(directory: Path) -> list[int]:
    """Processes that run on the data directory, as /proc tells: by their environment or their arguments."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            words = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
        except (FileNotFoundError, PermissionError, ProcessLookupError):
            continue
        if str(directory).encode() in words and (entry / "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z":
            found.append(int(entry.name))
    return found


def until(condition: Callable[[], Any], within_s: float = 60) -> Any:
    deadline = time.monotonic() + within_s
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.2)  # a poll, not a wait for a fixed time
    return value


def settled_trade(exchange: Any) -> dict[str, Any]:
    """Buy at market, and wait until the trade is FINAL on chain."""
    order = exchange.create_order("OAK12/USDC", "market", "buy", 1)
    assert order["status"] == "closed"
    assert order["filled"] == 1

    def final() -> Any:
        trades = exchange.fetch_my_trades("OAK12/USDC")
        mine = [trade for trade in trades if trade["order"] == order["id"]]
        assert mine
        return all(trade["info"]["settlement"] == "FINAL" for trade in mine) and mine

    trades: list[dict[str, Any]] = until(final)
    return trades[0]


def houses(directory: Path) -> dict[str, Any]:
    """The public properties by their market, each joined to it on the page of markets."""
    url = running_settings(directory).public_url
    with urlopen(f"{url}/properties") as properties, urlopen(f"{url}/markets") as markets:  # noqa: S310 - our machine's
        found = {each["market"]: each for each in msgspec.json.decode(properties.read())["properties"]}
        joined = {each["symbol"]: each["property"] for each in msgspec.json.decode(markets.read())}
    assert {symbol: each["property_id"] for symbol, each in found.items()} == {
        symbol: each["property_id"] for symbol, each in joined.items()
    }
    return found


def test_it_trades_stops_and_goes_on(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    with Machine(directory) as machine:
        assert any("key" in line and "Demo trader" in line for line in machine.said)
        exchange = machine.exchange()
        standing = houses(directory)
        assert {symbol: each["state"] for symbol, each in standing.items()} == dict.fromkeys(
            ("OAK12USDC", "ELM7USDC"), "TOKENIZED"
        )
        first = settled_trade(exchange)
        balance = exchange.fetch_balance()["OAK12"]["total"]
        assert machine.stop() == 0, machine.said
    until(lambda: not children_of(directory), 20)
    with Machine(directory) as machine:
        exchange = machine.exchange()
        assert houses(directory) == standing
        assert exchange.fetch_balance()["OAK12"]["total"] == balance
        assert first["id"] in [trade["id"] for trade in exchange.fetch_my_trades("OAK12/USDC")]
        second = settled_trade(exchange)
        assert int(second["id"]) > int(first["id"])
        assert machine.stop() == 0
    until(lambda: not children_of(directory), 20)


def deedbook(directory: Path, *words: str) -> tuple[int, str]:
    group, *rest = words
    command = [*CLI, group, "--data", str(directory), *rest]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


def test_an_operator_pauses_reconciles_and_manages_keys_and_people(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    with Machine(directory) as machine:
        exchange = machine.exchange()
        trade = settled_trade(exchange)
        assert deedbook(directory, "ops", "pause", "OAK12USDC")[0] == 0
        with pytest.raises(ccxt.MarketClosed):
            exchange.create_order("OAK12/USDC", "market", "buy", 1)
        assert exchange.create_order("ELM7/USDC", "market", "buy", 1)["filled"] == 1
        assert deedbook(directory, "ops", "pause", "--cancel-only")[0] == 0
        with pytest.raises(ccxt.MarketClosed):
            exchange.create_order("ELM7/USDC", "market", "buy", 1)
        assert deedbook(directory, "ops", "resume")[0] == deedbook(directory, "ops", "resume", "OAK12USDC")[0] == 0
        assert int(settled_trade(exchange)["id"]) > int(trade["id"])
        assert "no instrument NONE" in deedbook(directory, "ops", "pause", "NONE")[1]
        assert deedbook(directory, "ops", "transactions")[0] == 0
        assert deedbook(directory, "ops", "transactions", "--send-again")[0] == 0
        newest = "4"  # the demo trader, who rests now
        text = until(lambda: (found := deedbook(directory, "ops", "reconcile", newest))[0] == 0 and found[1])
        assert text.count("chain") == 3  # USDC and both tokens
        assert deedbook(directory, "ops", "rotate", "operator")[0] == 0
        status, text = deedbook(directory, "ops", "rotate", "operator", "--execute")
        assert status == 1
        assert "does not allow the change before" in text
        _check_keys(directory, exchange)
        _check_people(directory)
        assert machine.stop() == 0


def _check_keys(directory: Path, exchange: Any) -> None:
    status, text = deedbook(directory, "keys", "create", "--account", "2", "--read-only")
    assert status == 0
    key = text.split()[1]
    assert key in deedbook(directory, "keys", "list")[1]
    assert deedbook(directory, "keys", "revoke", key)[0] == 0
    assert key not in deedbook(directory, "keys", "list")[1]
    assert deedbook(directory, "keys", "revoke", exchange.apiKey)[0] == 0

    def refused() -> bool:
        try:
            exchange.fetch_balance()
        except ccxt.BaseError as error:
            return "-2015" in str(error)
        return False

    until(refused)


def _check_people(directory: Path) -> None:
    wallet = "0x" + "12" * 20
    for words in (
        ("add", "a@b.invalid"),
        ("wallet", "a@b.invalid", wallet),
        ("country", "a@b.invalid", "DE"),
        ("kyc", "a@b.invalid", "approved", "--until", "2099-01-01"),
    ):
        status, text = deedbook(directory, "people", *words)
        assert status == 0, text
    until(lambda: "may buy and sell" in deedbook(directory, "people", "show", wallet, "OAK12USDC")[1])


def test_after_a_kill_it_goes_on_or_says_that_the_chain_lost_blocks(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    with Machine(directory) as machine:
        settled_trade(machine.exchange())
        machine.kill_everything()
    until(lambda: not children_of(directory), 20)
    with Machine(directory) as machine:
        exchange = machine.exchange()
        said = (directory / "logs" / "settlement.log").read_text()
        if "lost blocks" in said:
            with pytest.raises(ccxt.MarketClosed):
                exchange.create_order("OAK12/USDC", "market", "buy", 1)
        else:
            settled_trade(exchange)
        assert machine.stop() == 0
    until(lambda: not children_of(directory), 20)
