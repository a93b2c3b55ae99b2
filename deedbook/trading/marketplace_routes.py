"""The routes of the web's way into the exchange: orders, trades, holdings, and what to sign to move funds."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Literal
from uuid import UUID

import msgspec

from api.amounts import units, usdc, usdc_micros
from api.problem import Problem, not_found
from api.route import Call, Route
from compliance.lock_ups import LockUp, locked_up
from deedbook.trading.acknowledged import Acknowledged
from deedbook.trading.funds import Funds, TokenOf, ToSign
from deedbook.trading.marketplace import CLIENT_ORDER_ID, PAGE_MAX, Marketplace, Wish
from deedbook.trading.marketplace_views import (
    HoldingAnswer,
    LockUpAnswer,
    OrderAnswer,
    TradeAnswer,
    TransactionAnswer,
    WalletAnswer,
    holding_answer,
    order_answer,
    own_trades,
    trade_answer,
    transaction_answers,
)
from deedbook.trading.seats import Listing, Seat, Seats
from engine import types as t
from persistence.database import Pool
from settlement.chain import ChainRefused, ChainUnavailable

Id = Annotated[int, msgspec.Meta(ge=1, le=t.INT64_MAX)]
Limit = Annotated[int, msgspec.Meta(ge=1, le=PAGE_MAX)]
Text = Annotated[str, msgspec.Meta(max_length=64)]
ClientOrderId = Annotated[str, msgspec.Meta(pattern=CLIENT_ORDER_ID)]
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ORDER_ID: Final = re.compile(r"[1-9][0-9]{0,18}", re.ASCII).fullmatch


class NewOrder(msgspec.Struct, forbid_unknown_fields=True):
    """Price in USDC for a token, qty in tokens, quote_qty in USDC, all decimal text. `wallet` if there are several."""

    symbol: Text
    side: Literal["BUY", "SELL"]
    type: Literal["LIMIT", "MARKET", "LIMIT_MAKER"] = "LIMIT"
    time_in_force: Literal["GTC", "IOC", "FOK", "GTD", "DAY"] | None = None
    price: Text | None = None
    qty: Text | None = None
    quote_qty: Text | None = None
    client_order_id: ClientOrderId | None = None
    expires_at: datetime | None = None
    wallet: Text | None = None


class OrdersQuery(msgspec.Struct, forbid_unknown_fields=True):
    """`open`: only those that rest, or only those that are done; `before`: an order_id."""

    symbol: Text | None = None
    open: bool | None = None
    before: Id | None = None
    limit: Limit = 100


class TradesQuery(msgspec.Struct, forbid_unknown_fields=True):
    """`before`: a trade_id."""

    symbol: Text | None = None
    before: Id | None = None
    limit: Limit = 100


class FundsQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Either `usdc`, or `symbol` and `qty` in tokens."""

    usdc: Text | None = None
    symbol: Text | None = None
    qty: Text | None = None
    wallet: Text | None = None


def routes(pool: Pool, marketplace: Marketplace, seats: Seats, funds: Funds, acknowledged: Acknowledged) -> list[Route]:
    """For the mount; the roles are those of compliance.roles."""
    holdings = Holdings(pool, seats, funds, acknowledged)

    async def place(call: Call[NewOrder]) -> OrderAnswer:
        placed = await marketplace.place(call.signed_in.user_id, _wish(call.body))
        return order_answer(placed, own_trades(placed))

    async def listed(call: Call[None]) -> list[OrderAnswer]:
        query: OrdersQuery = call.query
        found = await marketplace.orders(call.signed_in.user_id, query.symbol, query.open, query.before, query.limit)
        return [order_answer(placed, []) for placed in found]

    async def one(call: Call[None]) -> OrderAnswer:
        placed = await marketplace.order(call.signed_in.user_id, _order_id(call))
        trades = await marketplace.trades_of(placed)
        own = [
            trade_answer(each, placed.listing, is_taker=each.taker_order_id == placed.order.order_id) for each in trades
        ]
        return order_answer(placed, own)

    async def cancel(call: Call[None]) -> OrderAnswer:
        return order_answer(await marketplace.cancel(call.signed_in.user_id, _order_id(call)), [])

    async def trades(call: Call[None]) -> list[TradeAnswer]:
        query: TradesQuery = call.query
        found, accounts, listings = await marketplace.trades(
            call.signed_in.user_id, query.symbol, query.before, query.limit
        )
        return [trade_answer(e, listings[e.instrument], is_taker=e.taker_account in accounts) for e in found]

    async def portfolio(call: Call[None]) -> list[WalletAnswer]:
        return await holdings.of(call.signed_in.user_id)

    async def deposit(call: Call[None]) -> list[TransactionAnswer]:
        return await holdings.to_sign(call.signed_in.user_id, call.query, holdings.deposit, funds.lock)

    async def withdraw(call: Call[None]) -> list[TransactionAnswer]:
        async def request(_wallet: bytes, micros: int) -> list[ToSign]:
            return funds.request_withdraw(micros)

        return await holdings.to_sign(call.signed_in.user_id, call.query, request, funds.request_unlock)

    orders, order = "/marketplace/orders", "/marketplace/orders/{order_id}"
    listing, steps = list[OrderAnswer], list[TransactionAnswer]
    # fmt: off
    return [
        Route(method="POST", path=orders, handler=place, body=NewOrder, answer=OrderAnswer, status=201,
              summary="Place an order; the answer is what became of it, durably."),
        Route(method="GET", path=orders, handler=listed, query=OrdersQuery, answer=listing,
              summary="Your orders, the newest first."),
        Route(method="GET", path=order, handler=one, answer=OrderAnswer,
              summary="One of your orders, with its trades."),
        Route(method="DELETE", path=order, handler=cancel, answer=OrderAnswer,
              summary="Cancel one of your orders; the answer is how it ended."),
        Route(method="GET", path="/marketplace/trades", handler=trades, query=TradesQuery, answer=list[TradeAnswer],
              summary="Your trades, the newest first, with their way to the chain."),
        Route(method="GET", path="/portfolio", handler=portfolio, answer=list[WalletAnswer],
              summary="What each of your wallets has on the exchange and outside it."),
        Route(method="GET", path="/funds/deposit", handler=deposit, query=FundsQuery, answer=steps,
              summary="What to sign to bring USDC or tokens to the exchange."),
        Route(method="GET", path="/funds/withdraw", handler=withdraw, query=FundsQuery, answer=steps,
              summary="What to sign to ask for USDC or tokens back."),
    ]
    # fmt: on


class Holdings:
    """What somebody has, and the transactions that move it."""

    def __init__(self, pool: Pool, seats: Seats, funds: Funds, acknowledged: Acknowledged) -> None:
        self._pool = pool
        self._seats = seats
        self._funds = funds
        self._acknowledged = acknowledged

    async def of(self, user_id: UUID) -> list[WalletAnswer]:
        seats = await self._seats.of(user_id)
        accounts = [seat.account for seat in seats if seat.account is not None]
        await self._acknowledged.seen(accounts)
        rows = await self._pool.fetch(
            "SELECT account, instrument, free, held, owed_in, owed_out, requested, level, position_lots FROM balances"
            " WHERE account = ANY($1) ORDER BY instrument",
            accounts,
        )
        listings = await self._seats.listings()
        locked = [
            each
            for each in await locked_up(self._pool, [seat.wallet for seat in seats], datetime.now(UTC))
            if each.instrument in listings
        ]
        return [
            await self._wallet(
                seat,
                [row for row in rows if row["account"] == seat.account],
                [each for each in locked if each.address == seat.wallet],
                listings,
            )
            for seat in seats
        ]

    async def _wallet(
        self, seat: Seat, rows: list[dict[str, int]], locked: list[LockUp], listings: dict[int, Listing]
    ) -> WalletAnswer:
        cash = next((row for row in rows if row["instrument"] == t.USDC), None)
        try:
            outside = usdc(await self._funds.usdc_outside(seat.wallet))
        except (ChainUnavailable, ChainRefused):
            outside = None
        tokens = [
            await self._token(seat.wallet, row, listings[row["instrument"]])
            for row in rows
            if row["instrument"] != t.USDC and any(row[name] for name in ("free", "level", "owed_in", "position_lots"))
        ]
        return WalletAnswer(
            wallet=f"0x{seat.wallet.hex()}",
            is_open=seat.account is not None,
            cash=holding_answer("USDC", cash, 1, usdc, outside),
            tokens=tokens,
            locked_up=[_lock_up(each, listings[each.instrument].token) for each in locked],
        )

    async def _token(self, wallet: bytes, row: dict[str, int], listing: Listing) -> HoldingAnswer:
        token = listing.token
        try:
            outside = token.text(await self._funds.tokens_outside(wallet, token.address))
        except (ChainUnavailable, ChainRefused):
            outside = None
        return holding_answer(token.symbol, row, token.lot_base_units, token.text, outside)

    async def deposit(self, wallet: bytes, usdc_amount_micros: int) -> list[ToSign]:
        """With an approval where the wallet has not given one yet."""
        try:
            allowed = await self._funds.usdc_allowed(wallet)
        except (ChainUnavailable, ChainRefused):
            allowed = 0
        return self._funds.deposit(usdc_amount_micros, allowed)

    async def to_sign(
        self,
        user_id: UUID,
        query: FundsQuery,
        of_cash: Callable[[bytes, int], Awaitable[list[ToSign]]],
        of_tokens: Callable[[TokenOf, int], list[ToSign]],
    ) -> list[TransactionAnswer]:
        _, wallet = await self._seats.chosen(user_id, query.wallet)
        if query.usdc is not None and query.symbol is None and query.qty is None:
            amount_micros = _positive(query.usdc, usdc_micros, "usdc")
            return transaction_answers(await of_cash(wallet, amount_micros))
        if query.symbol is None or query.qty is None or query.usdc is not None:
            raise Problem(422, "AMOUNT_NEEDED", "Say how much: usdc, or symbol and qty.")
        listing = await self._seats.listing(query.symbol)
        decimals = listing.instrument.lot_decimals  # the exchange counts whole lots only
        lots = _positive(query.qty, lambda text: units(text, decimals), "qty")
        return transaction_answers(of_tokens(listing.token, lots * listing.token.lot_base_units))


def _wish(body: NewOrder) -> Wish:
    expires = body.expires_at
    if expires is not None and expires.tzinfo is None:
        raise Problem(422, "TIME_ZONE_MISSING", "expires_at needs its time zone, such as 2026-01-31T17:00:00Z.")
    if expires is not None and not 0 < _ns(expires) <= t.INT64_MAX:
        raise Problem(422, "EXPIRE_TIME_PASSED", "expires_at must be a day to come, and one before the year 2262.")
    return Wish(
        symbol=body.symbol,
        side=body.side,
        type=body.type,
        time_in_force=body.time_in_force,
        price=body.price,
        qty=body.qty,
        quote_qty=body.quote_qty,
        client_order_id=body.client_order_id,
        expires_ns=None if expires is None else _ns(expires),
        wallet=body.wallet,
    )


def _ns(time: datetime) -> int:
    return (time - _EPOCH) // timedelta(microseconds=1) * 1_000


def _order_id(call: Call[None]) -> int:
    text = call.path["order_id"]
    if _ORDER_ID(text) is None or int(text) > t.INT64_MAX:
        raise not_found("order of yours")
    return int(text)


def _positive(text: str, parse: Callable[[str], int], name: str) -> int:
    try:
        amount = parse(text)
    except ValueError as error:
        raise Problem(422, "NOT_AN_AMOUNT", f"{name}: {error}.") from None
    if not 0 < amount <= t.INT64_MAX:
        raise Problem(422, "NOT_AN_AMOUNT", f"{name} must be more than nothing, and not that much.")
    return amount


def _lock_up(of: LockUp, token: TokenOf) -> LockUpAnswer:
    return LockUpAnswer(token.symbol, token.text(of.base_units), of.released_at)
