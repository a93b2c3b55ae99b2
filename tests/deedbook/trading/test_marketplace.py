from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
from eth_abi.abi import decode

from api.amounts import usdc_micros
from compliance.lock_ups import lock_up
from compliance.permissions import compile_permissions
from compliance.registry import create_user, facts, link_wallet, set_kyc
from compliance.rules import KycStatus, Permission, Withheld
from deedbook.trading.order_refusals import PERMISSION_COMES, REFUSALS, not_permitted
from engine import types as t
from engine.types import Reason
from persistence.database import Pool
from persistence.feed import CommandsRefused, FeedLost
from persistence.sequencer import Refusal
from settlement.calls import selector
from tests.deedbook.trading.marketplace_world import LOCKER, USDC, VAULT, MarketWorld, market_world
from tests.fixtures.market import START_NS
from tests.fixtures.postgres import empty_database, pool, postgres
from tests.fixtures.registered import ACTOR, address_of

__all__ = ["empty_database", "pool", "postgres"]


@pytest.fixture
async def world(pool: Pool, tmp_path: Path) -> AsyncIterator[MarketWorld]:
    async with market_world(pool, tmp_path) as made:
        yield made


async def test_an_order_rests_trades_and_settles_as_the_web_sees_it(world: MarketWorld) -> None:
    await world.fund("alice", cash_micros=1_000_000_000)
    await world.fund("bob", lots=5_000)
    resting = await world.order("bob", side="SELL", price="10", qty="3", client_order_id="b-1")
    assert (resting["status"], resting["open_qty"], resting["symbol"]) == ("NEW", "3.00", "OAK2USDC")
    taken = await world.order("alice", side="BUY", price="11", qty="2.5")
    assert (taken["status"], taken["executed_qty"], taken["executed_usdc"]) == ("FILLED", "2.50", "25")
    assert [(each["qty"], each["price"], each["settlement"]) for each in taken["trades"]] == [("2.50", "10", "MATCHED")]
    one = await world.call("bob", "GET", f"/marketplace/orders/{resting['order_id']}")
    assert (one["status"], one["open_qty"], one["trades"][0]["role"], one["trades"][0]["side"]) == (
        "PARTIALLY_FILLED",
        "0.50",
        "MAKER",
        "SELL",
    )
    cancelled = await world.call("bob", "DELETE", f"/marketplace/orders/{resting['order_id']}")
    assert (cancelled["status"], cancelled["executed_qty"], cancelled["reason"]) == ("CANCELED", "2.50", "CANCELLED")
    again = await world.call("bob", "DELETE", f"/marketplace/orders/{resting['order_id']}", status=409)
    assert again["reason"] == "ORDER_NOT_FOUND"
    _settle(world)
    await world.follow()
    trades = await world.call("alice", "GET", "/marketplace/trades")
    assert [(e["settlement"], e["usdc"], e["side"], bool(e["transaction"])) for e in trades] == [
        ("FINAL", "25", "BUY", True)
    ]


def _settle(world: MarketWorld) -> None:
    state = world.market.exchange.state()
    world.market.send(t.ComposeBatch(1, 1, state.last_final_trade_id, state.last_trade_id, 0, bytes(32)))
    world.market.send(t.BatchFinal(1, *world.market.chain_position(), bytes(32), b"\x07" * 32))


async def test_nobody_sees_or_cancels_anothers_order_or_trade(world: MarketWorld) -> None:
    await world.fund("alice", cash_micros=1_000_000_000)
    await world.fund("bob", lots=5_000)
    alices = await world.order("alice", price="9", qty="1", client_order_id="secret-1")
    bobs = await world.order("bob", side="SELL", price="10", qty="1")
    for name, other in (("bob", alices), ("alice", bobs)):
        path = f"/marketplace/orders/{other['order_id']}"
        assert (await world.call(name, "GET", path, status=404))["reason"] == "NOT_FOUND"
        assert (await world.call(name, "DELETE", path, status=404))["reason"] == "NOT_FOUND"
        listed = await world.call(name, "GET", "/marketplace/orders")
        assert other["order_id"] not in [each["order_id"] for each in listed]
        assert await world.call(name, "GET", "/marketplace/trades") == []
        used = address_of("alice" if name == "bob" else "bob").hex()
        refused = await world.order(name, status=404, wallet=f"0x{used}")
        assert refused["reason"] == "NOT_FOUND"
    still = await world.call("alice", "GET", f"/marketplace/orders/{alices['order_id']}")
    assert still["status"] == "NEW"
    assert await world.call("alice", "GET", "/marketplace/orders?open=true") == [
        {**still, "trades": []},
    ]
    assert "secret-1" not in str(await world.call("bob", "GET", "/marketplace/orders"))


async def test_signed_out_or_unknown_is_refused(world: MarketWorld) -> None:
    for method, path in (
        ("POST", "/marketplace/orders"),
        ("GET", "/marketplace/orders"),
        ("GET", "/marketplace/orders/1"),
        ("DELETE", "/marketplace/orders/1"),
        ("GET", "/marketplace/trades"),
        ("GET", "/portfolio"),
        ("GET", "/funds/deposit"),
        ("GET", "/funds/withdraw"),
        ("POST", "/api-keys"),
        ("GET", "/api-keys"),
        ("DELETE", "/api-keys/x"),
    ):
        await world.call("nobody", method, path, {} if method == "POST" else None, status=401)


async def test_an_order_is_there_at_the_very_next_look_though_the_tables_lag(world: MarketWorld) -> None:
    await world.fund("alice", cash_micros=1_000_000_000)
    world.projects = False
    placed = await world.order("alice")
    looking = asyncio.create_task(world.call("alice", "GET", "/marketplace/orders"))
    one = asyncio.create_task(world.call("alice", "GET", f"/marketplace/orders/{placed['order_id']}"))
    done, _ = await asyncio.wait({looking, one}, timeout=0.2)
    assert done == set(), "it answered from tables that do not have the order"
    await world.follow()
    assert [each["order_id"] for each in await looking] == [placed["order_id"]]
    assert (await one)["status"] == "NEW"


async def test_tables_that_lag_too_long_give_no_answer_rather_than_a_wrong_one(
    world: MarketWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.fund("alice", cash_micros=1_000_000_000)
    world.projects = False
    await world.order("alice")
    monkeypatch.setattr(world.acknowledged, "_wait_s", 0.05)
    assert (await world.call("alice", "GET", "/marketplace/orders", status=503))["reason"] == "CATCHING_UP"
    assert await world.call("bob", "GET", "/marketplace/orders") == []


async def test_too_little_cash_names_the_amount_and_what_to_sign(world: MarketWorld) -> None:
    await world.fund("alice", cash_micros=4_000_000)
    world.chain.values = {(USDC, "balanceOf(address)"): 50_000_000, (USDC, "allowance(address,address)"): 0}
    refused = await world.order("alice", status=402, price="10", qty="1")
    assert (refused["reason"], refused["missing"], refused["free"]) == ("INSUFFICIENT_CASH", "6", "4")
    approve, deposit = refused["transactions"]
    assert (approve["to"].lower(), deposit["to"].lower()) == (f"0x{USDC.hex()}", f"0x{VAULT.hex()}")
    assert _call(approve, "approve(address,uint256)", ["address", "uint256"]) == (f"0x{VAULT.hex()}", 6_000_000)
    assert _call(deposit, "deposit(uint256)", ["uint256"]) == (6_000_000,)
    world.chain.values[USDC, "allowance(address,address)"] = 6_000_000
    (only,) = (await world.order("alice", status=402, price="10", qty="1"))["transactions"]
    assert only == deposit
    world.chain.values[USDC, "balanceOf(address)"] = 1_000_000
    poor = await world.order("alice", status=402, price="10", qty="1")
    assert "your wallet has 1" in poor["detail"]
    world.chain.is_away = True
    assert len((await world.order("alice", status=402, price="10", qty="1"))["transactions"]) == 2
    await world.fund("alice", cash_micros=10_000_000)


async def test_what_is_named_missing_is_exactly_enough(world: MarketWorld) -> None:
    """With fees, at a limit, for a market order by quantity and by amount."""
    await world.pool.execute("UPDATE instruments SET maker_fee_bps = 7, taker_fee_bps = 13 WHERE instrument = 2")
    world.market.send(t.SetFees(2, 7, 13))
    await world.fund("bob", lots=5_000)
    await world.order("bob", side="SELL", price="17", qty="20")
    await world.fund("alice", cash_micros=1)
    level_micros = 1
    for order in (
        {"price": "16", "qty": "3.33"},
        {"type": "MARKET", "price": None, "qty": "1.01"},
        {"type": "MARKET", "price": None, "qty": None, "quote_qty": "123.45"},
    ):
        free = await world.pool.fetchval(
            "SELECT free FROM balances WHERE account = $1 AND instrument = 0", await world.account("alice")
        )
        refused = await world.order("alice", status=402, **order)
        missing_micros = usdc_micros(refused["missing"])
        assert missing_micros > 0, free
        for more, status in ((missing_micros - 1, 402), (1, 201)):
            level_micros += more
            block, log_index = world.market.chain_position()
            change = t.LevelChanged(
                t.USDC, more, level_micros, 0, block, log_index, t.LevelCause.DEPOSIT, address_of("alice")
            )
            world.market.send(change)
            await world.follow()
            placed = await world.order("alice", status=status, **order)
        if placed["status"] == "NEW":
            await world.call("alice", "DELETE", f"/marketplace/orders/{placed['order_id']}")
            level_after = await world.pool.fetchval(
                "SELECT level FROM balances WHERE account = $1 AND instrument = 0", await world.account("alice")
            )
            assert level_after == level_micros
            await _spend_all(world, level_micros)
            level_micros = 1


async def _spend_all(world: MarketWorld, level_micros: int) -> None:
    """Back to one micro, as a withdrawal leaves it."""
    block, log_index = world.market.chain_position()
    wallet = address_of("alice")
    world.market.send(t.LevelChanged(t.USDC, 1 - level_micros, 1, 0, block, log_index, t.LevelCause.WITHDRAWN, wallet))
    await world.follow()


async def test_too_few_tokens_names_the_amount_and_what_to_sign(world: MarketWorld) -> None:
    await world.fund("bob", lots=50)
    token = b"\x02" * 20
    world.chain.values = {(token, "balanceOf(address)"): 10 * 10**18, (token, "getFrozenTokens(address)"): 5 * 10**17}
    refused = await world.order("bob", status=402, side="SELL", qty="2")
    assert (refused["reason"], refused["missing"], refused["free"]) == ("INSUFFICIENT_TOKENS", "1.5", "0.5")
    (lock,) = refused["transactions"]
    assert lock["to"].lower() == f"0x{LOCKER.hex()}"
    assert _call(lock, "lock(address,uint256)", ["address", "uint256"]) == (f"0x{token.hex()}", 15 * 10**17)
    world.chain.values[token, "balanceOf(address)"] = 10**18
    assert "your wallet has 0.5 to lock" in (await world.order("bob", status=402, side="SELL", qty="2"))["detail"]


async def test_too_much_locked_up_says_what_can_be_sold_and_when_more(world: MarketWorld) -> None:
    async with facts(world.pool) as connection:
        for tokens, year in ((0.25, 2098), (0.05, 2099)):
            until = datetime(year, 1, 2, 3, 4, tzinfo=UTC)
            await lock_up(connection, address_of("bob"), 2, int(tokens * 10**18), until, actor=ACTOR)
    await compile_permissions(world.pool, world.submit, START_NS)
    await world.fund("bob", lots=50)
    token = b"\x02" * 20
    world.chain.values = {(token, "balanceOf(address)"): 5 * 10**17, (token, "getFrozenTokens(address)"): 5 * 10**17}
    refused = await world.order("bob", status=403, side="SELL", qty="0.5")
    assert (refused["reason"], refused["free"], refused["locked"]) == ("LOCKED_UP", "0.2", "0.3")
    assert (refused["next_release_at"], refused["transactions"]) == ("2098-01-02T03:05:00Z", [])
    assert "You can sell 0.2" in refused["detail"]
    world.chain.values[token, "balanceOf(address)"] = 10**18
    refused = await world.order("bob", status=403, side="SELL", qty="0.5")
    (lock,) = refused["transactions"]
    assert _call(lock, "lock(address,uint256)", ["address", "uint256"]) == (f"0x{token.hex()}", 3 * 10**17)
    assert "Lock 0.3 more for the exchange first" in refused["detail"]
    world.chain.is_away = True
    assert (await world.order("bob", status=403, side="SELL", qty="0.5"))["transactions"] == []
    assert (await world.order("bob", side="SELL", qty="0.2"))["status"] == "NEW"
    (bob,) = await world.call("bob", "GET", "/portfolio")
    assert bob["locked_up"] == [
        {"symbol": "OAK2USDC", "qty": "0.25", "released_at": "2098-01-02T03:04:00Z"},
        {"symbol": "OAK2USDC", "qty": "0.05", "released_at": "2099-01-02T03:04:00Z"},
    ]
    may = await world.call("bob", "GET", "/markets/OAK2USDC/permission")
    assert (may["may_sell"], may["locked"], may["next_release_at"]) == (True, "0.3", "2098-01-02T03:05:00Z")


def _call(transaction: dict[str, str], signature: str, types: list[str]) -> tuple[Any, ...]:
    data = bytes.fromhex(transaction["data"][2:])
    assert data[:4] == selector(signature)
    assert transaction["value"] == "0x0"
    return decode(types, data[4:])


async def test_a_lapsed_kyc_is_named_with_what_to_do(world: MarketWorld) -> None:
    await set_kyc(world.pool, world.users["alice"], KycStatus.REJECTED, None, actor=ACTOR)
    await compile_permissions(world.pool, world.submit, START_NS)
    refused = await world.order("alice", status=403)
    assert refused["reason"] == "NOT_PERMITTED"
    assert refused["reasons"] == [
        {"reason": "KYC_REJECTED", "detail": "Your identity could not be verified: contact support."}
    ]


@pytest.mark.parametrize(
    ("members", "status", "reason"),
    [
        ({"price": "10.5"}, 422, "TOO_PRECISE"),
        ({"qty": "1.001"}, 422, "TOO_PRECISE"),
        ({"price": "1e1"}, 422, "NOT_A_DECIMAL"),
        ({"price": "-1"}, 422, "NOT_A_DECIMAL"),
        ({"price": "٣"}, 422, "NOT_A_DECIMAL"),
        ({"qty": "NaN"}, 422, "NOT_A_DECIMAL"),
        ({"qty": "99999999999999999999"}, 422, "TOO_LARGE"),
        ({"qty": "0"}, 422, "QTY_NOT_POSITIVE"),
        ({"price": "0"}, 422, "PRICE_NOT_POSITIVE"),
        ({"qty": "101"}, 422, "QTY_TOO_LARGE"),
        ({"price": "10001"}, 422, "PRICE_TOO_HIGH"),
        ({"price": None}, 422, "ORDER_MALFORMED"),
        ({"type": "MARKET"}, 422, "ORDER_MALFORMED"),
        ({"type": "MARKET", "price": None, "quote_qty": "5"}, 422, "ORDER_MALFORMED"),
        ({"type": "MARKET", "price": None, "time_in_force": "GTC"}, 422, "ORDER_MALFORMED"),
        ({"type": "MARKET", "price": None, "qty": None, "quote_qty": "0"}, 422, "QTY_NOT_POSITIVE"),
        ({"time_in_force": "GTD"}, 422, "ORDER_MALFORMED"),
        ({"time_in_force": "GTD", "expires_at": "2020-01-01T00:00:00Z"}, 422, "EXPIRE_TIME_PASSED"),
        ({"time_in_force": "GTD", "expires_at": "2030-01-01T00:00:00"}, 422, "TIME_ZONE_MISSING"),
        ({"time_in_force": "GTD", "expires_at": "9999-01-01T00:00:00Z"}, 422, "EXPIRE_TIME_PASSED"),
        ({"symbol": "PINE9USDC"}, 404, "NOT_FOUND"),
        ({"client_order_id": "a b"}, 400, "BODY_MALFORMED"),
        ({"fee_bps": 0}, 400, "BODY_MALFORMED"),
        ({"account": 1}, 400, "BODY_MALFORMED"),
        ({"wallet": "0x12"}, 404, "NOT_FOUND"),
    ],
)
async def test_what_cannot_be_an_order_is_told_in_words(
    world: MarketWorld, members: dict[str, Any], status: int, reason: str
) -> None:
    await world.fund("alice", cash_micros=10**12)
    seq = world.market.exchange.seq
    refused = await world.order("alice", status=status, **members)
    assert refused["reason"] == reason
    assert refused["detail"].endswith(".")
    assert (await world.call("alice", "GET", "/marketplace/orders")) == []
    assert world.market.exchange.seq - seq <= 1


async def test_a_client_order_id_is_taken_once_and_the_first_is_named(world: MarketWorld) -> None:
    await world.fund("alice", cash_micros=10**9)
    first = await world.order("alice", client_order_id="mine-1")
    again = await world.order("alice", status=409, client_order_id="mine-1")
    assert (again["reason"], again["order_id"]) == ("CLIENT_ORDER_ID_IN_USE", first["order_id"])


async def test_an_exchange_that_goes_away_leaves_an_id_to_ask_again_with(
    world: MarketWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.fund("alice", cash_micros=10**9)
    real = world.door.submit

    async def lost(commands: Any) -> Any:
        await real(commands)
        raise FeedLost("the exchange went away before it answered")

    monkeypatch.setattr(world.door, "submit", lost)
    unknown = await world.order("alice", status=503)
    assert unknown["reason"] == "OUTCOME_UNKNOWN"
    monkeypatch.setattr(world.door, "submit", real)
    again = await world.order("alice", status=409, client_order_id=unknown["client_order_id"])
    assert again["reason"] == "CLIENT_ORDER_ID_IN_USE"

    async def refuses(_commands: Any) -> Any:
        raise CommandsRefused(Refusal.OVERLOADED)

    monkeypatch.setattr(world.door, "submit", refuses)
    assert (await world.order("alice", status=503))["reason"] == "EXCHANGE_OVERLOADED"


async def test_a_portfolio_says_what_is_free_held_owed_and_outside(world: MarketWorld) -> None:
    await world.fund("alice", cash_micros=100_000_000)
    await world.fund("bob", lots=300)
    await world.order("bob", side="SELL", price="10", qty="2")
    await world.order("alice", price="10", qty="1")
    await world.order("alice", price="5", qty="3")
    world.chain.values = {(USDC, "balanceOf(address)"): 7_000_000, (b"\x02" * 20, "balanceOf(address)"): 10**18}
    (alice,) = await world.call("alice", "GET", "/portfolio")
    assert alice["cash"] == {
        "symbol": "USDC",
        "free": "75",
        "held": "15",
        "owed_in": "0",
        "owed_out": "10",
        "requested": "0",
        "outside": "7",
    }
    (bought,) = alice["tokens"]
    assert (bought["symbol"], bought["free"], bought["owed_in"]) == ("OAK2USDC", "1", "1")
    (bob,) = await world.call("bob", "GET", "/portfolio")
    assert (bob["tokens"][0]["free"], bob["tokens"][0]["held"], bob["tokens"][0]["owed_out"]) == ("1", "1", "1")
    assert bob["tokens"][0]["outside"] == "1"
    world.chain.is_away = True
    (alice,) = await world.call("alice", "GET", "/portfolio")
    assert alice["cash"]["outside"] is None


async def test_funds_are_moved_by_what_the_owner_signs(world: MarketWorld) -> None:
    steps = await world.call("alice", "GET", "/funds/deposit?usdc=12.5")
    assert _call(steps[1], "deposit(uint256)", ["uint256"]) == (12_500_000,)
    (step,) = await world.call("alice", "GET", "/funds/withdraw?usdc=0.000001")
    assert _call(step, "requestWithdraw(uint256)", ["uint256"]) == (1,)
    (step,) = await world.call("alice", "GET", "/funds/deposit?symbol=OAK2USDC&qty=1.25")
    assert _call(step, "lock(address,uint256)", ["address", "uint256"])[1] == 125 * 10**16
    (step,) = await world.call("alice", "GET", "/funds/withdraw?symbol=OAK2USDC&qty=0.01")
    assert _call(step, "requestUnlock(address,uint256)", ["address", "uint256"])[1] == 10**16
    for query in ("", "?usdc=0", "?usdc=x", "?usdc=1&qty=1", "?qty=1", "?symbol=OAK2USDC&qty=0.001", "?usdc=1e5"):
        await world.call("alice", "GET", f"/funds/deposit{query}", status=422)


async def test_an_answer_is_what_the_tables_say_a_moment_later(world: MarketWorld) -> None:
    """Orders of every kind, seeded: what the command's events gave is the row that the projector wrote."""
    random = Random(7)
    await world.pool.execute("UPDATE instruments SET maker_fee_bps = 7, taker_fee_bps = 13 WHERE instrument = 2")
    world.market.send(t.SetFees(2, 7, 13))
    for name in ("alice", "bob"):
        await world.fund(name, cash_micros=10**11, lots=10**6)
    kinds: Counter[str] = Counter()
    for _ in range(150):
        name, side = random.choice(("alice", "bob")), random.choice(("BUY", "SELL"))
        members: dict[str, Any] = {
            "side": side,
            "price": str(random.randint(8, 12)),
            "qty": f"{random.random() * 3:.2f}",
        }
        match random.choice(("LIMIT", "LIMIT", "LIMIT", "MARKET", "QUOTE", "LIMIT_MAKER", "IOC", "FOK", "GTD", "DAY")):
            case "MARKET":
                members |= {"type": "MARKET", "price": None}
            case "QUOTE":
                members |= {"type": "MARKET", "price": None, "qty": None, "quote_qty": f"{random.random() * 30:.6f}"}
            case "GTD":
                members |= {"time_in_force": "GTD", "expires_at": "2100-01-01T00:00:00Z"}
            case "LIMIT_MAKER":
                members["type"] = "LIMIT_MAKER"
            case "IOC" | "FOK" | "DAY" as in_force:
                members["time_in_force"] = in_force
        body = {"symbol": "OAK2USDC"} | {key: value for key, value in members.items() if value is not None}
        async with world.http.post("/marketplace/orders", json=body, headers={"X-User": name}) as response:
            answer = await response.json()
        if response.status != 201:
            assert answer["reason"] in ("POST_ONLY_WOULD_TAKE", "QTY_NOT_POSITIVE"), answer
            continue
        one = await world.call(name, "GET", f"/marketplace/orders/{answer['order_id']}")
        assert one == answer
        kinds[answer["status"]] += 1
    assert set(kinds) >= {"NEW", "PARTIALLY_FILLED", "FILLED", "EXPIRED"}, kinds


async def test_of_several_wallets_one_must_be_named(world: MarketWorld) -> None:
    await link_wallet(world.pool, world.users["alice"], address_of("second"), actor=ACTOR)
    assert (await world.order("alice", status=409))["reason"] == "WALLET_NEEDED"
    second = f"0x{address_of('second').hex()}"
    assert (await world.order("alice", status=409, wallet=second))["reason"] == "ACCOUNT_OPENING"
    await world.fund("alice", cash_micros=10**9)
    first = f"0x{address_of('alice').hex()}".upper().replace("0X", "0x")
    assert (await world.order("alice", wallet=first))["wallet"] == first.lower()
    portfolio = await world.call("alice", "GET", "/portfolio")
    assert [each["is_open"] for each in portfolio] == [True, False]


async def test_without_a_wallet_nothing_is_placed(world: MarketWorld) -> None:
    world.users["carol"] = await create_user(world.pool, "carol@example.com", actor=ACTOR)
    assert (await world.order("carol", status=409))["reason"] == "WALLET_MISSING"
    assert await world.call("carol", "GET", "/marketplace/orders") == []
    assert await world.call("carol", "GET", "/portfolio") == []


def test_of_what_is_missing_that_comes_first_which_one_can_do_something_about() -> None:
    withheld = (Withheld.IDENTITY_NOT_REGISTERED, Withheld.KYC_MISSING, Withheld.COUNTRY_MISSING)
    problem = not_permitted(Permission(False, False, 0, 0, 0, withheld), t.Side.BUY)
    assert problem.detail == Withheld.KYC_MISSING.value
    assert [each["reason"] for each in problem.extra["reasons"]] == [
        "KYC_MISSING",
        "COUNTRY_MISSING",
        "IDENTITY_NOT_REGISTERED",
    ]
    comes = not_permitted(Permission(True, True, 2**62, 0, 0, ()), t.Side.BUY)
    assert comes.detail == PERMISSION_COMES


def test_every_refusal_of_the_engine_that_an_order_can_meet_has_a_sentence() -> None:
    of_orders = {reason for reason in Reason if 0 < reason < Reason.ACCOUNT_EXISTS}
    assert set(REFUSALS) == of_orders
    assert all(sentence.detail.endswith(".") and 400 <= sentence.status < 500 for sentence in REFUSALS.values())
