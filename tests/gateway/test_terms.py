"""What clients ask about rates, counts and coins, and on starting."""

from __future__ import annotations

from tests.gateway.venue import ALICE, OTHER_SYMBOL, SYMBOL, Venue

ORDER = {"symbol": SYMBOL, "side": "SELL", "type": "LIMIT", "timeInForce": "GTC", "price": "100", "quantity": "1"}


async def test_commission_rates_are_the_instruments(venue: Venue) -> None:
    alice = await venue.trader(ALICE)
    rates = (await alice.do("account.commission", symbol=SYMBOL))["result"]
    assert rates["standardCommission"] == {"maker": "0.0010", "taker": "0.0020", "buyer": "0.0000", "seller": "0.0000"}
    assert rates["discount"]["enabledForAccount"] is False
    assert (await alice.do("account.commission", symbol="NOSUCH"))["error"]["code"] == -1121
    tested = (await alice.do("order.test", **ORDER, computeCommissionRates=True))["result"]
    assert tested["standardCommissionForOrder"] == {"maker": "0.0010", "taker": "0.0020"}
    assert (await alice.do("order.test", **ORDER))["result"] == {}
    _, fees, _ = await venue.rest("GET", "/sapi/v1/asset/tradeFee", ALICE)
    assert [(fee["symbol"], fee["takerCommission"]) for fee in fees] == [(SYMBOL, "0.0020"), (OTHER_SYMBOL, "0.0020")]
    assert len((await venue.rest("GET", "/sapi/v1/asset/tradeFee", ALICE, symbol=SYMBOL))[1]) == 1


async def test_order_counts_are_the_accounts(venue: Venue) -> None:
    alice = await venue.trader(ALICE)
    await alice.limit("SELL", "1", "100")
    counts = (await alice.do("account.rateLimits.orders"))["result"]
    assert [(row["interval"], row["count"]) for row in counts] == [("SECOND", 1), ("DAY", 1)]
    _, same, _ = await venue.rest("GET", "/api/v3/rateLimit/order", ALICE)
    assert [row["count"] for row in same] == [1, 1]


async def test_coins_are_the_assets_with_what_is_free_and_locked(venue: Venue) -> None:
    alice = await venue.trader(ALICE)
    await alice.limit("SELL", "1.5", "100")
    _, coins, _ = await venue.rest("GET", "/sapi/v1/capital/config/getall", ALICE)
    named = {coin["coin"]: coin for coin in coins}
    assert set(named) == {"USDC", "OAK12", "ELM7"}
    assert (named["OAK12"]["free"], named["OAK12"]["locked"]) == ("9998.50", "1.50")
    assert named["USDC"]["networkList"][0]["withdrawEnable"] is False
