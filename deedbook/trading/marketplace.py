"""The web's way into the exchange: orders of signed-in users, through the same sequencer as the trading API's.

Decimals become ticks, lots and micros here, exactly or not at all. The answer to an order comes from the command's own
durable events; every look afterwards waits until the tables have passed the last seq that its user was answered with.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID, uuid4

from api.problem import Problem, not_found
from compliance.permissions import permission_of
from deedbook.trading.acknowledged import Acknowledged
from deedbook.trading.cover import Cover
from deedbook.trading.funds import Funds
from deedbook.trading.order_refusals import not_permitted, not_taken, outcome_unknown, refused
from deedbook.trading.seats import Listing, Seats
from engine import types as t
from engine.types import Reason
from gateway.commands import SELF_TRADE_DEFAULT, SIDES, TIMES_IN_FORCE, TYPES
from gateway.decimals import DecimalError, OffGridError, TooLargeError, TooPreciseError, Units
from gateway.markets import Markets
from persistence import history
from persistence.commands import Answer, Submit
from persistence.database import Pool
from persistence.feed import CommandsRefused, FeedLost
from persistence.fold import OrderRow
from persistence.history import PastTrade

CLIENT_ORDER_ID: Final = r"^[a-zA-Z0-9\-_.:/]{1,36}$"
PAGE_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Wish:
    """An order as its sender words it: decimals as text, None for what is not given."""

    symbol: str
    side: str
    type: str
    time_in_force: str | None
    price: str | None
    qty: str | None
    quote_qty: str | None
    client_order_id: str | None
    expires_ns: int | None
    wallet: str | None


@dataclass(frozen=True, slots=True)
class Placed:
    """An order and where it reads; `trades` are those of its own command."""

    order: OrderRow
    listing: Listing
    wallet: bytes
    trades: tuple[t.Trade, ...] = ()


class Marketplace:
    """Raises Problem for all that a user can do something about."""

    def __init__(
        self,
        pool: Pool,
        submit: Submit,
        seats: Seats,
        funds: Funds,
        acknowledged: Acknowledged,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._clock_ns = clock_ns
        self._pool = pool
        self._submit = submit
        self._seats = seats
        self._cover = Cover(pool, funds, acknowledged)
        self._acknowledged = acknowledged
        self._usdc: Final = Markets().usdc_micros

    async def place(self, user_id: UUID, wish: Wish) -> Placed:
        """The order as its own command left it. A client_order_id that was taken before is refused, and named."""
        account, wallet = await self._seats.chosen(user_id, wish.wallet)
        listing = await self._seats.listing(wish.symbol)
        command = self._command(account, listing, wish)
        answer = await self._answer(command, command.client_order_id.decode())
        rejected = answer.rejection()
        if rejected is not None:
            raise await self._refusal(rejected, command, listing, wallet)
        return _placed(answer, command, listing, wallet)

    async def cancel(self, user_id: UUID, order_id: int) -> Placed:
        """The order as it is after it was cancelled."""
        found = await self.order(user_id, order_id)
        order = found.order
        answer = await self._answer(t.Cancel(order.account, order.instrument, order_id), "")
        rejected = answer.rejection()
        if rejected is not None:
            raise refused(rejected.reason, order_id=order_id)
        closed = next(e for e in answer.events if isinstance(e, t.Closed) and e.order_id == order_id)
        ended = replace(
            order,
            open_lots=0,
            executed_lots=closed.executed_lots,
            executed_usdc_micros=closed.executed_usdc_micros,
            close_reason=closed.reason,
            changed_seq=answer.seq,
            changed_ns=answer.time_ns,
        )
        return replace(found, order=ended)

    async def order(self, user_id: UUID, order_id: int) -> Placed:
        """One of the user's own; anybody else's is not there."""
        accounts = await self._seats.accounts(user_id)
        await self._acknowledged.seen(accounts)
        for account, wallet in accounts.items():
            row = await history.order_by_id(self._pool, account, order_id)
            if row is not None:
                return Placed(row, (await self._seats.listings())[row.instrument], wallet)
        raise not_found("order of yours")

    async def orders(
        self, user_id: UUID, symbol: str | None, is_open: bool | None, before: int | None, limit: int
    ) -> list[Placed]:
        """The newest first."""
        accounts = await self._seats.accounts(user_id)
        instrument = None if symbol is None else (await self._seats.listing(symbol)).market.number
        await self._acknowledged.seen(accounts)
        rows = await history.latest_orders(
            self._pool,
            list(accounts),
            instrument=instrument,
            is_open=is_open,
            before_order_id=before,
            limit=min(limit, PAGE_MAX),
        )
        listings = await self._seats.listings()
        return [Placed(row, listings[row.instrument], accounts[row.account]) for row in rows]

    async def trades(
        self, user_id: UUID, symbol: str | None, before: int | None, limit: int
    ) -> tuple[list[PastTrade], dict[int, bytes], dict[int, Listing]]:
        """The user's trades, the newest first, with the user's accounts and all listings."""
        accounts = await self._seats.accounts(user_id)
        instrument = None if symbol is None else (await self._seats.listing(symbol)).market.number
        await self._acknowledged.seen(accounts)
        found = await history.latest_trades(
            self._pool, list(accounts), instrument=instrument, before_trade_id=before, limit=min(limit, PAGE_MAX)
        )
        return found, accounts, await self._seats.listings()

    async def trades_of(self, placed: Placed) -> list[PastTrade]:
        """Of one order, oldest first."""
        order = placed.order
        return await history.trades_of(self._pool, order.account, order.instrument, order_id=order.order_id)

    def _command(self, account: int, listing: Listing, wish: Wish) -> t.Place:
        is_market = wish.type == t.OrderType.MARKET.name
        if is_market and (wish.price is not None or (wish.qty is None) == (wish.quote_qty is None)):
            raise Problem(422, "ORDER_MALFORMED", "A market order has no price, and either qty or quote_qty.")
        if not is_market and (wish.price is None or wish.qty is None or wish.quote_qty is not None):
            raise Problem(422, "ORDER_MALFORMED", "This order needs a price and a qty, and no quote_qty.")
        in_force = wish.time_in_force or (t.TimeInForce.IOC if is_market else t.TimeInForce.GTC).name
        if (in_force == t.TimeInForce.GTD.name) != (wish.expires_ns is not None):
            raise Problem(422, "ORDER_MALFORMED", "A GTD order, and only that, has a time at which it expires.")
        market = listing.market
        quote_micros = _exact(self._usdc, wish.quote_qty, "quote_qty")
        if wish.quote_qty is not None and quote_micros == 0:
            raise refused(Reason.QTY_NOT_POSITIVE)
        return t.Place(
            account=account,
            instrument=market.number,
            side=SIDES[wish.side],
            order_type=TYPES[wish.type],
            time_in_force=TIMES_IN_FORCE[in_force],
            price_ticks=_exact(market.price_ticks, wish.price, "price"),
            qty_lots=_exact(market.qty_lots, wish.qty, "qty"),
            quote_usdc_micros=quote_micros,
            expire_time_ns=wish.expires_ns or 0,
            self_trade=SELF_TRADE_DEFAULT,
            client_order_id=(wish.client_order_id or f"web-{uuid4().hex}").encode(),
        )

    async def _answer(self, command: t.Place | t.Cancel, client_order_id: str) -> Answer:
        try:
            (answer,) = await self._submit([command])
        except CommandsRefused as error:
            raise not_taken(error.refusal.name) from None
        except FeedLost:
            raise outcome_unknown(client_order_id) from None
        self._acknowledged.note(command.account, answer.seq)
        return answer

    async def _refusal(self, rejected: t.Rejected, command: t.Place, listing: Listing, wallet: bytes) -> Problem:
        match rejected.reason:
            case Reason.NOT_PERMITTED | Reason.LOCKED_UP:
                permission = await permission_of(self._pool, wallet, command.instrument, self._clock_ns())
                if rejected.reason == Reason.LOCKED_UP and permission.may_sell and permission.locked_lots:
                    return await self._cover.locked_up(command, listing, wallet, permission)
                return not_permitted(permission, command.side)
            case Reason.CLIENT_ORDER_ID_IN_USE:
                return refused(rejected.reason, order_id=rejected.order_id)
            case Reason.INSUFFICIENT_CASH:
                return await self._cover.missing_cash(command, listing, wallet)
            case Reason.INSUFFICIENT_TOKENS:
                return await self._cover.missing_tokens(command, listing, wallet)
            case _:
                return refused(rejected.reason)


def _exact(table: Units, value: str | None, name: str) -> int:
    """A decimal as whole ticks, lots or micros; 0 where none is given."""
    if value is None:
        return 0
    try:
        return table[value]
    except TooPreciseError:
        raise Problem(422, "TOO_PRECISE", f"{name} may have {table.decimals} digits after the point.") from None
    except OffGridError as error:
        raise Problem(422, "OFF_GRID", f"{name} is {error}: choose the next step.") from None
    except TooLargeError:
        raise Problem(422, "TOO_LARGE", f"{name} is too large.") from None
    except DecimalError:
        raise Problem(422, "NOT_A_DECIMAL", f"{name} is not a decimal number such as 12.50.") from None


def _placed(answer: Answer, command: t.Place, listing: Listing, wallet: bytes) -> Placed:
    """The row that the projector will write, from the same events."""
    accepted = next(e for e in answer.events if isinstance(e, t.Accepted))
    trades = tuple(e for e in answer.events if isinstance(e, t.Trade) and e.taker_order_id == accepted.order_id)
    closed = next((e for e in answer.events if isinstance(e, t.Closed) and e.order_id == accepted.order_id), None)
    order = OrderRow(
        order_id=accepted.order_id,
        accepted_seq=answer.seq,
        accepted_ns=answer.time_ns,
        account=command.account,
        instrument=command.instrument,
        side=accepted.side,
        order_type=command.order_type,
        time_in_force=command.time_in_force,
        self_trade=command.self_trade,
        price_ticks=accepted.price_ticks,
        qty_lots=accepted.qty_lots,
        quote_usdc_micros=command.quote_usdc_micros,
        expire_ns=command.expire_time_ns,
        client_order_id=command.client_order_id,
        open_lots=accepted.open_lots,
        executed_lots=accepted.executed_lots,
        executed_usdc_micros=accepted.executed_usdc_micros,
        close_reason=0 if closed is None else closed.reason,
        changed_seq=answer.seq,
        changed_ns=answer.time_ns,
        stop_ticks=0,
        display_lots=0,
    )
    return Placed(order, listing, wallet, trades)
