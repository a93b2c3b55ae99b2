"""The state that every kind of command works on, and the few steps that several of them share."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heapify, heappush
from operator import attrgetter
from struct import Struct
from typing import TYPE_CHECKING, Any, Final

from engine import lists
from engine.accounts import Account, Balance, Exposure, HolderCount, Seat
from engine.book import BUY, BookSide, Order
from engine.stops import Stops
from engine.types import USDC, EventKind, Phase, Reason, SetInstrument, Side
from engine.wire import EVENT

if TYPE_CHECKING:
    from engine.limits import Limits

ZERO_ID: Final = bytes(36)
BALANCE: Final = int(EventKind.BALANCE)
CLOSED: Final = int(EventKind.CLOSED)
REPLENISHED: Final = int(EventKind.REPLENISHED)
REJECTED: Final = int(EventKind.REJECTED)
APPLIED: Final = int(EventKind.APPLIED)
PHASE_CHANGED: Final = int(EventKind.PHASE_CHANGED)
DUE_ORDER, DUE_PERMISSION, DUE_PHASE, DUE_INDICATIVE = range(4)  # what is due at one time, in this order
INDICATIVE_DELAY_NS: Final = 100 * 10**6  # from a change of a call's book until it is told what it comes to
CALLS: Final = frozenset({Phase.OPENING_CALL, Phase.VOLATILITY_CALL, Phase.CLOSING_CALL, Phase.PERIODIC_CALL})
COLLECTING: Final = CALLS | {Phase.PRE_OPEN}  # orders rest, also across one another
TRADING: Final = frozenset({Phase.CONTINUOUS, Phase.LIMIT_ONLY})
HALT: Final = int(Phase.HALT)
CONTINUOUS: Final = int(Phase.CONTINUOUS)
BALANCE_RECORD: Final = Struct("<QBxHI8q8x")  # wire.EVENT with the slots that a Balance leaves zero
assert BALANCE_RECORD.size == EVENT.size
DUE_FORGOTTEN_MAX: Final = 1_000  # entries of the due heap that may stand for nothing, beside half of it
_by_key: Final = attrgetter("key")


class Instrument:
    """A listed instrument: its terms, fees, phase and book."""

    __slots__ = (
        "asks",
        "bids",
        "dynamic_bps",
        "fees",
        "holders",
        "indicative_due_ns",
        "last_price_ticks",
        "maker_fee_bps",
        "number",
        "period_ns",
        "phase",
        "phase_ends_ns",
        "phase_then",
        "reference_ticks",
        "static_bps",
        "stops",
        "taker_fee_bps",
        "terms",
        "update_id",
        "volatility_call_ns",
    )

    def __init__(self, terms: SetInstrument, fees: Balance) -> None:
        self.number = terms.instrument
        self.terms = terms
        self.fees = fees  # the fee account's cash
        self.maker_fee_bps = self.taker_fee_bps = 0
        self.phase = CONTINUOUS
        self.phase_ends_ns = 0  # 0: by a command
        self.phase_then = CONTINUOUS
        self.indicative_due_ns = 0  # 0: nothing to tell
        self.period_ns = 0
        self.reference_ticks = 0  # 0: none
        self.static_bps = self.dynamic_bps = self.volatility_call_ns = 0
        self.update_id = 0
        self.last_price_ticks = 0
        self.holders = HolderCount()
        self.bids = BookSide(Side.BUY)
        self.asks = BookSide(Side.SELL)
        self.stops = Stops()

    @property
    def market_price_ticks(self) -> int:
        """The last trade's, or where there was none the reference; 0: neither."""
        return self.last_price_ticks or self.reference_ticks

    def is_crossed(self) -> bool:
        return self.asks.best != 0 and self.bids.reaches(self.asks.best)


def pending(instrument: Instrument) -> Iterator[tuple[int, int, int, int]]:
    """What of an instrument is due by time, as entries of the heap."""
    for when_ns, what in (
        (instrument.phase_ends_ns, DUE_PHASE),
        (instrument.indicative_due_ns, DUE_INDICATIVE),
    ):
        if when_ns:
            yield when_ns, what, instrument.number, 0


class Composition:
    """One batch on its way: its range, and the trades that each of its attempts leaves out, by payload hash."""

    __slots__ = ("attempt", "ejected_by_hash", "trade_after", "trade_last")

    def __init__(self, trade_after: int, trade_last: int) -> None:
        self.trade_after = trade_after
        self.trade_last = trade_last
        self.attempt = 0
        self.ejected_by_hash: dict[bytes, dict[int, int]] = {}  # in order of attempt


# buyer, seller, qty_lots, notional, buyer fee, seller fee (USDC micros), resale
UnsettledTrade = tuple[Seat, Seat, int, int, int, int, int]


class Venue:
    def __init__(self) -> None:
        self.seq = 0
        self.time_ns = 0
        self.phase = CONTINUOUS
        self.instruments: list[Instrument] = [None]  # type: ignore[list-item]  # by number; 0 is the venue
        self.accounts: list[Account] = [None]  # type: ignore[list-item]  # by number; 0 is nobody
        self.wallets: dict[bytes, int] = {}  # the accounts', and those that they had before
        self.parked: dict[tuple[bytes, int], tuple[int, int, int]] = {}  # (wallet, asset): level, asked, position
        self.exposures: dict[tuple[int, int], Exposure] = {}  # by owner and instrument
        self.killed: set[tuple[int, int]] = set()  # account and instrument of each kill switch that is on
        self.limits: dict[tuple[int, int], Limits] = {}  # by account (0: of all) and instrument
        self.orders: dict[int, Order] = {}  # by rank
        self.lists: dict[int, lists.OrderList] = {}  # by list id
        self.filled_lists: list[lists.OrderList] = []  # whose pending legs are to be placed before the command ends
        self.staged: dict[
            tuple[int, int], tuple[Any, ...]
        ] = {}  # account and leg: the row that waits for its PlaceList
        self.ex_dates: dict[bytes, int] = {}  # the latest dividends that had theirs, and at which seq
        self.stirred: set[int] = set()  # instruments of which stops may be due
        # heap of (when, DUE_ORDER, order id, 0), (when, DUE_PERMISSION, account, instrument), and of (when, what,
        # instrument, 0) for the other two
        self.due: list[tuple[int, int, int, int]] = []
        self._due_forgotten = 0
        self.last_order_id = 0
        self.last_trade_id = 0
        self.last_prevented_id = 0
        self.unsettled: dict[int, UnsettledTrade] = {}
        self.ejecting: tuple[int, int, dict[int, int]] = (0, 0, {})  # batch, attempt, reason by trade
        self.compositions: dict[int, Composition] = {}
        self.last_composed_batch_id = self.last_composed_trade_id = 0
        self.last_final_batch_id = self.last_final_trade_id = 0
        self.chain_block = self.chain_log_index = 0
        self.crediting_stopped = 0
        self.events: list[bytes] = []  # of the commands at hand
        self.touched: list[Balance] = []  # told at the end of the command at hand

    # -- answers

    def emit(
        self,
        kind: int,
        reason: int = 0,
        instrument: int = 0,
        account: int = 0,
        a: int = 0,
        b: int = 0,
        c: int = 0,
        d: int = 0,
        e: int = 0,
        f: int = 0,
        g: int = 0,
        h: int = 0,
        peer: int = 0,
        side: int = 0,
        flags: int = 0,
    ) -> None:
        self.events.append(
            EVENT.pack(self.seq, kind, reason, instrument, account, a, b, c, d, e, f, g, h, peer, side, flags, 0)
        )

    def reject(self, reason: int, instrument: int = 0, account: int = 0, order_id: int = 0) -> None:
        self.events.append(
            EVENT.pack(self.seq, REJECTED, reason, instrument, account, order_id, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        )

    def applied(self, account: int, instrument: int) -> None:
        self.emit(APPLIED, instrument=instrument, account=account)

    def touch(self, balance: Balance) -> None:
        """Its numbers change in this command: they are told at its end."""
        if balance.touched_seq != self.seq:
            balance.touched_seq = self.seq
            self.touched.append(balance)

    def tell_balances(self) -> None:
        touched = self.touched
        if len(touched) > 1:
            touched.sort(key=_by_key)
        events, seq, pack = self.events, self.seq, BALANCE_RECORD.pack
        for b in touched:
            free, held, owed_out, requested, level, advanced = (
                b.free,
                b.held,
                b.owed_out,
                b.requested,
                b.level,
                b.advanced,
            )
            assert level + advanced == free + held + requested + owed_out
            events.append(
                pack(
                    seq,
                    BALANCE,
                    b.instrument,
                    b.account,
                    free,
                    held,
                    b.owed_in,
                    owed_out,
                    requested,
                    level,
                    advanced,
                    b.position_lots,
                )
            )
        touched.clear()

    # -- finding

    def instrument(self, number: int) -> Instrument | None:
        return self.instruments[number] if 0 < number < len(self.instruments) else None

    def account(self, number: int) -> Account | None:
        return self.accounts[number] if 0 < number < len(self.accounts) else None

    def account_at(self, wallet: bytes, asset: int) -> Account | None:
        """Whose this wallet is, as far as the asset goes."""
        account = self.account(self.wallets.get(wallet, 0))
        return account if account is not None and account.wallet_of(asset) == wallet else None

    def balance(self, account: Account, asset: int) -> Balance:
        balance = account.balances.get(asset)
        if balance is None:
            exposure = None if asset == USDC else self.exposure(account.owner, asset)
            account.balances[asset] = balance = Balance(account.number, asset, exposure)
        return balance

    def exposure(self, owner: int, instrument: int) -> Exposure:
        exposure = self.exposures.get((owner, instrument))
        if exposure is None:
            exposure = Exposure(self.instruments[instrument].holders)
            self.exposures[owner, instrument] = exposure
        return exposure

    def seat(self, account: Account, instrument: Instrument) -> Seat:
        seat = account.seats.get(instrument.number)
        if seat is None:
            cash, tokens = self.balance(account, USDC), self.balance(account, instrument.number)
            account.seats[instrument.number] = seat = Seat(account, instrument, cash, tokens)
            seat.exposure.seats.append(seat)
        return seat

    # -- orders in and out of the book

    def rest(self, order: Order, hold: int) -> None:
        """Put an order's open lots into the book, or a stop to where it waits, and hold so much for them."""
        seat = order.seat
        instrument = seat.instrument
        order_id = order.order_id
        balance = seat.cash if order.side == BUY else seat.tokens
        if order.waits:
            instrument.stops.add(order)
        else:
            (instrument.bids if order.side == BUY else instrument.asks).add(order)
            if order.display_lots:
                order.hidden_lots = max(0, order.open_lots - order.display_lots)
            instrument.update_id += 1
            if instrument.phase > HALT:
                self.indicate(instrument)
        if balance.touched_seq != self.seq:
            balance.touched_seq = self.seq
            self.touched.append(balance)
        balance.free -= hold
        balance.held += hold
        self.orders[order_id] = order
        seat.account.orders[order_id] = order
        seat.open_orders += 1
        if order.expire_time_ns:
            heappush(self.due, (order.expire_time_ns, DUE_ORDER, order_id, 0))

    def unrest(self, order: Order) -> None:
        """Take an order out of the book, filled or not; what it held is freed by the caller."""
        self.take_out(order)
        if order.client_order_id != ZERO_ID:
            order.seat.account.keep_closed_id(order.client_order_id, order.order_id, self.time_ns)

    def take_out(self, order: Order) -> None:
        """The same for an order that goes on."""
        seat = order.seat
        instrument = seat.instrument
        if order.waits:
            instrument.stops.remove(order)
        else:
            (instrument.bids if order.side == BUY else instrument.asks).remove(order)
        order_id = order.order_id
        del self.orders[order_id]
        del seat.account.orders[order_id]
        seat.open_orders -= 1
        if order.expire_time_ns:
            self.forget_due()

    def replenish(self, order: Order) -> None:
        """An iceberg that shows nothing shows more: behind others at its price, and the youngest of its account."""
        if order.open_lots > order.hidden_lots:
            return
        instrument = order.seat.instrument
        (instrument.bids if order.side == BUY else instrument.asks).move_back(order)
        order_id = order.order_id
        for orders in (self.orders, order.seat.account.orders):
            orders[order_id] = orders.pop(order_id)
        order.hidden_lots = max(0, order.open_lots - order.display_lots)
        self.last_order_id = order.rank = self.last_order_id + 1
        instrument.update_id += 1
        self.emit(
            REPLENISHED,
            0,
            instrument.number,
            order.seat.account.number,
            order_id,
            order.price_ticks,
            order.rank,
            order.open_lots - order.hidden_lots,
            0,
            instrument.update_id,
            side=order.side,
        )

    def reduce(self, order: Order, lots: int, hidden_lots: int = 0) -> None:
        """Less quantity, same place in the queue; some is left open. What it held for that is free again.

        hidden_lots  so many of the lots are not shown: where all are not, the book looks the same.
        """
        seat = order.seat
        instrument = seat.instrument
        freed = order.hold_for(order.open_lots) - order.hold_for(order.open_lots - lots)
        order.qty_lots -= lots
        order.open_lots -= lots
        balance = seat.tokens
        if order.side == BUY:
            balance = seat.cash
            seat.exposure.add(-lots)
        self.touch(balance)
        balance.held -= freed
        balance.free += freed
        if not order.waits:
            (instrument.bids if order.side == BUY else instrument.asks).reduce(order.price_ticks, lots)
            order.hidden_lots -= hidden_lots
            if lots > hidden_lots:
                instrument.update_id += 1
            if instrument.phase > HALT:
                self.indicate(instrument)

    def free_hold(self, order: Order) -> None:
        """What a resting or waiting order holds and counts is free again."""
        seat = order.seat
        lots = order.open_lots
        held = order.hold_for(lots)
        if order.side == BUY:
            balance = seat.cash
            seat.exposure.add(-lots)
        else:
            balance = seat.tokens
        self.touch(balance)
        balance.held -= held
        balance.free += held

    def hand_over(self, order: Order, partner: Order) -> None:
        """What both needed is held; from now on only what the partner needs."""
        freed = max(0, order.hold_for(order.open_lots) - partner.hold_for(partner.open_lots))
        balance = order.seat.cash if order.side == BUY else order.seat.tokens
        self.touch(balance)
        balance.held -= freed
        balance.free += freed

    def close(self, order: Order, reason: int) -> None:
        """An order that is open ends, and of a list others with it."""
        if order.list_id:
            lists.close_leg(self, order, reason)
        else:
            self.close_one(order, reason, None)

    def close_all(self, orders: list[Order], reason: int) -> None:
        """In this order, as far as they are open still: one of a list takes others along."""
        for order in orders:
            if order.order_id in self.orders:
                self.close(order, reason)

    def close_one(self, order: Order, reason: int, partner: Order | None) -> None:
        """Take it out of the book, or a stop from where it waits; free what it held, or what its partner needs less."""
        instrument = order.seat.instrument
        if partner is None:
            self.free_hold(order)
        else:
            self.hand_over(order, partner)
        self.unrest(order)
        rested = not order.waits
        if rested:
            instrument.update_id += 1
            if instrument.phase > HALT:
                self.indicate(instrument)
        self.tell_closed(order, reason, rested)

    def tell_closed(self, order: Order, reason: int, rested: int) -> None:
        seat, lots = order.seat, order.open_lots
        self.events.append(
            EVENT.pack(
                self.seq,
                CLOSED,
                reason,
                seat.instrument.number,
                seat.account.number,
                order.order_id,
                lots,
                order.qty_lots - lots,
                order.executed_usdc_micros,
                order.price_ticks,
                seat.instrument.update_id if rested else 0,
                0,
                0,
                0,
                order.side,
                rested,
                0,
            )
        )

    # -- phases

    def enter(self, instrument: Instrument, phase: int, ends_ns: int, then: int) -> None:
        """`ends_ns`: when it ends by itself, 0: by a command. A call begins, or begins anew."""
        for pending_ns in (instrument.phase_ends_ns, instrument.indicative_due_ns):
            if pending_ns:
                self.forget_due()
        instrument.phase = phase
        instrument.phase_ends_ns, instrument.phase_then = ends_ns, then
        instrument.indicative_due_ns = 0
        self.stir(instrument)
        if ends_ns:
            heappush(self.due, (ends_ns, DUE_PHASE, instrument.number, 0))
        self.indicate(instrument)
        self.emit(PHASE_CHANGED, instrument=instrument.number, a=ends_ns, flags=phase)

    def is_trading(self, instrument: Instrument) -> bool:
        """Whether orders trade as they come."""
        return instrument.phase in TRADING and self.phase == CONTINUOUS

    def stir(self, instrument: Instrument) -> None:
        """Its stops may be due: the last trade's price is another one, or it may trade again."""
        if instrument.stops:
            self.stirred.add(instrument.number)

    def indicate(self, instrument: Instrument) -> None:
        """The book of a call has changed: what it comes to is told soon, unless that is to happen already."""
        if instrument.phase in CALLS and not instrument.indicative_due_ns:
            instrument.indicative_due_ns = due_ns = self.time_ns + INDICATIVE_DELAY_NS
            heappush(self.due, (due_ns, DUE_INDICATIVE, instrument.number, 0))

    # -- what is due

    def forget_due(self) -> None:
        """An entry of the due heap stands for nothing any more; make the heap anew before most of it does."""
        self._due_forgotten += 1
        if self._due_forgotten <= DUE_FORGOTTEN_MAX + len(self.due) // 2:
            return
        self._due_forgotten = 0
        self.due[:] = [(o.expire_time_ns, DUE_ORDER, o.order_id, 0) for o in self.orders.values() if o.expire_time_ns]
        for account in self.accounts[1:]:
            for seat in account.seats.values():
                permission = seat.permission
                if permission is not None and not permission.ended:
                    entry = (permission.valid_until_ns, DUE_PERMISSION, account.number, seat.instrument.number)
                    self.due.append(entry)
        for instrument in self.instruments[1:]:
            self.due += pending(instrument)
        heapify(self.due)

    def close_unpermitted(self, seat: Seat) -> None:
        """Close the resting orders that the seat's permission no longer covers, oldest first."""
        permission = seat.permission
        assert permission is not None
        ended = permission.valid_until_ns <= self.time_ns
        buys = permission.may_buy and not ended
        sells = permission.may_sell and not ended
        lost = [o for o in seat.account.orders.values() if o.seat is seat and not (buys if o.side == BUY else sells)]
        self.close_all(lost, Reason.PERMISSION_LOST)
