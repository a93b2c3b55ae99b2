"""Gateway processes in front of the exchange: with one or several the same market, over the hard end of any of them."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deedbook.gateways import Follower, Listener, market
from tests.gateway.venue import ALICE, BOB, DEADLINE_S, SYMBOL, market_commands


async def filled(trader: Listener, count: int) -> set[int]:
    """The ids of its next trades."""
    return {(await trader.until(is_trade))["event"]["t"] for _ in range(count)}


def is_trade(message: dict[str, dict[str, object]]) -> bool:
    return message.get("event", {}).get("x") == "TRADE"


@pytest.mark.slow
@pytest.mark.parametrize("gateways", [1, 2])
async def test_all_gateways_show_one_market_over_hard_ends(tmp_path: Path, gateways: int) -> None:
    async with market(tmp_path, gateways) as running:
        makers, takers = await running.one_at_each(ALICE), await running.one_at_each(BOB)
        followers = [await Follower.start(running) for _ in range(4 * gateways)]
        for number, maker in enumerate(makers):
            assert (await maker.limit("SELL", "5", str(100 + number), newClientOrderId=f"a{number}"))["status"] == 200
        trades = set()
        for number, taker in enumerate(takers):
            answer = await taker.limit("BUY", "2", "101", newClientOrderId=f"b{number}")
            trades |= {fill["tradeId"] for fill in answer["result"]["fills"]}
        for listener in (*makers, *takers):  # wherever it listens, it hears of every fill of its account
            assert await filled(listener, len(trades)) == trades
        for follower in followers:
            await follower.until(running.levels())

        await running.kill("gateway-1")
        closed = [trader for trader in (*makers, *takers) if await is_closed(trader)]
        assert len(closed) == 2
        for number, taker in enumerate(trader for trader in takers if trader not in closed):
            assert (await taker.limit("BUY", "1", "101", newClientOrderId=f"c{number}"))["status"] == 200
        await running.processes["gateway-1"].start()
        taker, *_ = await running.one_at_each(BOB)
        assert (await taker.limit("BUY", "1", "90", newClientOrderId="d"))["status"] == 200

        await running.kill("exchange")
        await asyncio.wait_for(taker.until_closed(), DEADLINE_S)
        await running.processes["exchange"].start()
        for number, taker in enumerate(await running.one_at_each(BOB)):
            assert (await taker.limit("BUY", "1", "91", newClientOrderId=f"e{number}"))["status"] == 200
        for follower in [await Follower.start(running) for _ in range(4 * gateways)]:
            await follower.until(running.levels())
        assert set(running.placed().values()) == {1}


async def is_closed(trader: Listener) -> bool:
    """Whether its gateway is gone; one that lives answers."""
    try:
        await trader.ask("ping")
    except (AssertionError, ConnectionError):
        return True
    return False


@pytest.mark.slow
async def test_an_order_under_way_when_the_exchange_dies_is_answered_by_what_became_of_it_or_as_unknown(
    tmp_path: Path,
) -> None:
    async with market(tmp_path, 2) as running:
        traders = await running.one_at_each(ALICE)
        for number in range(400):
            trader = traders[number % 2]
            order = {"symbol": SYMBOL, "side": "SELL", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1"}
            params = trader.signed(**order, price=str(100 + number), newClientOrderId=f"o{number}")
            await trader.socket.send_json({"id": f"o{number}", "method": "order.place", "params": params})
        await traders[0].until(lambda message: message.get("id") == "o0")
        await running.kill("exchange")
        answers: dict[str, int] = {}
        for trader in traders:
            messages = [*trader.unread, *await asyncio.wait_for(trader.until_closed(), DEADLINE_S)]
            answers |= {message["id"]: message["status"] for message in messages if "id" in message}
        await running.processes["exchange"].start()
        placed = running.placed()
        assert set(answers.values()) <= {200, 503, 504}
        for client_order_id, status in answers.items():
            if status != 504:
                assert placed[client_order_id] == (status == 200)
        assert {"o0"} | set(placed) <= {"o0"} | set(answers) | {f"o{number}" for number in range(400)}


async def test_what_counts_by_account_counts_at_all_gateways(tmp_path: Path) -> None:
    async with market(tmp_path, 2) as running:
        here, there = await running.one_at_each(ALICE)
        assert (await here.limit("SELL", "1", "100"))["status"] == 200
        assert (await there.until(lambda message: message.get("event", {}).get("x") == "NEW"))["event"]["q"] == "1.00"
        counts = (await there.do("account.rateLimits.orders"))["result"]
        assert [each["count"] for each in counts] == [1, 1]
        limit = (await there.ask("exchangeInfo"))["result"]["rateLimits"][0]
        assert (limit["rateLimitType"], limit["limit"]) == ("REQUEST_WEIGHT", 300_000)

        await here.do("openOrders.cancelAllAfter", countdownTime=60_000)
        await there.do("openOrders.cancelAllAfter", countdownTime=1)
        assert (await here.until(lambda message: message.get("event", {}).get("x") == "CANCELED"))["event"]["i"] == 1


@pytest.mark.slow
async def test_a_gateway_takes_with_it_the_orders_that_end_with_their_sessions(tmp_path: Path) -> None:
    async with market(tmp_path, 2) as running:
        here, there = await running.one_at_each(ALICE)
        await here.limit("SELL", "1", "100")
        await here.do("session.cancelOnDisconnect", enabled=True)
        await here.limit("SELL", "1", "101")
        await here.limit("SELL", "1", "102")
        await there.until(lambda message: message.get("event", {}).get("i") == 3)
        for name in ("gateway-1", "gateway-2"):
            await running.kill(name)
            if await is_closed(here):
                break
            await running.processes[name].start()
            there = await running.trader(ALICE)
        async with asyncio.timeout(DEADLINE_S):
            while sorted(running.levels()["asks"]) != [10_000]:
                await asyncio.sleep(0.05)


@pytest.mark.slow
async def test_a_listen_key_is_good_at_every_gateway(tmp_path: Path) -> None:
    async with market(tmp_path, 2) as running:
        headers = {"X-MBX-APIKEY": running.keys[ALICE].key}
        async with running.http.post(f"{running.rest_url}/userDataStream", headers=headers) as response:
            listen_key = (await response.json())["listenKey"]
        sockets = [await running.connect(f"/ws/{listen_key}") for _ in range(8)]
        trader = await running.trader(ALICE)
        await trader.limit("SELL", "1", "100")
        for socket in sockets:
            async with asyncio.timeout(DEADLINE_S):
                assert (await socket.receive_json())["e"] == "executionReport"


@pytest.mark.slow
async def test_before_a_stop_clients_are_told_and_what_was_taken_is_answered(tmp_path: Path) -> None:
    async with market(tmp_path, 1) as running:
        trader = await running.trader(ALICE)
        await trader.do("session.cancelOnDisconnect", enabled=True)
        await trader.limit("SELL", "1", "100")
        stopping = asyncio.create_task(running.processes["gateway-1"].stop())
        messages = await asyncio.wait_for(trader.until_closed(), DEADLINE_S)
        await stopping
        assert [message["event"]["e"] for message in messages if "event" in message][-1] == "serverShutdown"
        await running.processes["gateway-1"].start()
        assert running.levels()["asks"] == {10_000: 100}  # a stop of ours is no end of the session's


@pytest.mark.slow
async def test_metrics_are_the_exchanges_own(tmp_path: Path) -> None:
    async with market(tmp_path, 1) as running:
        async with running.http.get(f"http://127.0.0.1:{running.settings.rest_port}/metrics") as response:
            text = await response.text()
        seq = next(line for line in text.splitlines() if line.startswith("deedbook_journal_seq"))
        assert float(seq.split()[1]) == len(list(market_commands()))


@pytest.mark.slow
def test_a_market_of_real_clients_adds_up_behind_gateways() -> None:
    words = [sys.executable, "-m", "deedbook.cli", "demo", "--seconds", "6", "--gateways", "2", "--json"]
    played = subprocess.run(words, stdout=subprocess.PIPE, check=True)
    assert json.loads(played.stdout)["orders"] > 0
