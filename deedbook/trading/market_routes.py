"""What the markets' pages know beside the trading API: names, rates, what was paid out, and what one may do."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from api.amounts import text, usdc
from api.route import Call, Route
from compliance.permissions import permission_of
from deedbook.trading.seats import Listing, Seats
from persistence.database import Pool

# Dividends of the last twelve months that were declared, and the supply that they were for.
_PROPERTIES: Final = """
    SELECT p.instrument, p.property_id, p.address, p.supply_tokens, p.valuation_usdc_micros,
        (SELECT coalesce(sum(d.pool_usdc_micros - d.dust_usdc_micros), 0)::bigint FROM payouts AS d
            WHERE d.property_id = p.property_id AND d.kind = 'DIVIDEND' AND d.state IN ('DECLARED', 'PAID')
            AND d.created_at > now() - interval '12 months') AS paid
    FROM properties AS p WHERE p.instrument = ANY($1::int[])
"""


class PropertyFacts(msgspec.Struct):
    """`dividends_usdc`: paid in twelve months for the whole supply."""

    property_id: UUID
    address: str
    supply_tokens: str
    valuation_usdc: str
    dividends_usdc: str


class MarketAnswer(msgspec.Struct):
    """A listed property; an order's cash is held by `hold_fee_bps`. `property` is None where it has no page."""

    symbol: str
    base: str
    name: str
    regime: str
    token: str
    tick_value_usdc: str
    maker_fee_bps: int
    taker_fee_bps: int
    hold_fee_bps: int
    market_collar_bps: int
    lock_up_days: int
    property: PropertyFacts | None


class Lack(msgspec.Struct):
    reason: str
    detail: str


class PermissionAnswer(msgspec.Struct):
    """What the facts give the wallet in this market now, and what they withhold.

    `locked`: so many of its tokens cannot be sold; `next_release_at`: when there are fewer of them.
    """

    wallet: str
    may_buy: bool
    may_sell: bool
    locked: str
    next_release_at: datetime | None
    withheld: list[Lack]


class PermissionQuery(msgspec.Struct, forbid_unknown_fields=True):
    """`wallet` if there are several."""

    wallet: str | None = None


def routes(pool: Pool, seats: Seats, clock_ns: Callable[[], int] = time.time_ns) -> list[Route]:
    async def markets(_call: Call[None]) -> list[MarketAnswer]:
        listings = await seats.listings()
        rows = await pool.fetch(_PROPERTIES, list(listings))
        properties = {row["instrument"]: _property(row) for row in rows}
        return [_market(listing, properties.get(number)) for number, listing in listings.items()]

    async def permission(call: Call[None]) -> PermissionAnswer:
        listing = await seats.listing(call.path["symbol"])
        _, wallet = await seats.chosen(call.signed_in.user_id, call.query.wallet)
        found = await permission_of(pool, wallet, listing.market.number, clock_ns())
        release = datetime.fromtimestamp(found.next_release_ns // 10**9, UTC) if found.next_release_ns else None
        locked = listing.token.text(found.locked_lots * listing.token.lot_base_units)
        lacks = [Lack(each.name, each.value) for each in found.withheld]
        return PermissionAnswer(f"0x{wallet.hex()}", found.may_buy, found.may_sell, locked, release, lacks)

    # fmt: off
    return [
        Route(method="GET", path="/markets", handler=markets, answer=list[MarketAnswer],
              summary="Every listed property, with its rates and what it paid in twelve months."),
        Route(method="GET", path="/markets/{symbol}/permission", handler=permission, query=PermissionQuery,
              answer=PermissionAnswer, summary="What your wallet may do in a market, and why not more."),
    ]
    # fmt: on


def _market(listing: Listing, property_facts: PropertyFacts | None) -> MarketAnswer:
    instrument, market = listing.instrument, listing.market
    assert instrument.token is not None
    return MarketAnswer(
        symbol=market.symbol,
        base=market.base,
        name=instrument.name,
        regime=str(instrument.regime),
        token=f"0x{instrument.token.hex()}",
        tick_value_usdc=usdc(instrument.tick_value_usdc_micros),
        maker_fee_bps=instrument.maker_fee_bps,
        taker_fee_bps=instrument.taker_fee_bps,
        hold_fee_bps=listing.fee_bps,
        market_collar_bps=instrument.market_collar_bps,
        lock_up_days=instrument.lock_up_days,
        property=property_facts,
    )


def _property(row: Any) -> PropertyFacts:
    return PropertyFacts(
        property_id=row["property_id"],
        address=row["address"],
        supply_tokens=text(row["supply_tokens"], 0),
        valuation_usdc=usdc(row["valuation_usdc_micros"]),
        dividends_usdc=usdc(row["paid"]),
    )
