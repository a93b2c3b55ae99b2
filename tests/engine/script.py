"""A market in lines of text: `command => event, event`. The examples of docs/rules.md are written in it.

The market of `check`: instrument 1, one tick on one lot is one USDC micro, no fees, no caps, collar 10%; accounts 1
(for the fees), 2, 3, 4 and 5 of owners 1, 2, 3, 4 and 4; each of 2 to 5 may buy and sell and has 10,000 USDC micros
and 100 lots; the time is 1,000. Balances are not told as events here but asked for: `funds 2 usdc => free 9950 held 50`
(figures that are zero are left out). A line that ends in a comma goes on in the next.

    buy|sell ACCOUNT QTY|usdc MICROS @ PRICE|market [ioc|fok|post|day|gtd T] [stop|take PRICE] [show QTY] [id X]
        [stp taker|maker|both|decrement] [in I]
    oco|oto|otoco ACCOUNT buy|sell QTY @ PRICE ... / buy|sell ... [/ buy|sell ...] [/ id X]
    cancel ACCOUNT ORDER|id X [in I]         cancel-all ACCOUNT [in I]
    cancel-list ACCOUNT LIST|id X [in I]
    amend ACCOUNT ORDER|id X to QTY [in I]   replace ACCOUNT ORDER|id X by buy 1 @ 5 ... [anyway]
    permit ACCOUNT both|buy|sell|none [until T] [from T] [in I]
    terms NAME VALUE ... [in I]              fees MAKER TAKER [in I]
    phase PHASE [until T [then PHASE]] [ends-day] [in I]                  period NS [in I]
    bands REFERENCE STATIC DYNAMIC CALL [in I]
    ex MICROS dividend NUMBER [in I]
    kill|release [account A] [in I]          limit [account A] [order N] [position N] [orders N] [in I]
    open OWNER WALLET                        at T
    level WALLET usdc|lots DELTA to LEVEL [requested R] [block B] [in I]
    position WALLET DELTA to LEVEL [block B] [in I]
    migrate LOST FRESH LOTS to LEVEL [gained G] [requested R] [block B] [in I]
    adjust ACCOUNT usdc|lots LEVEL [requested R] [position P] [in I]
    eject BATCH ATTEMPT TRADE REASON         compose BATCH ATTEMPT AFTER LAST [ejected N] [hash X]
    final BATCH [hash X] [block B]
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from engine import types as t
from engine.types import ListKind, OrderType, Phase, Reason, SelfTrade, Side, TimeInForce, TradeFlag
from tests.engine.market import Pair

START_NS = 1_000
CASH_USDC_MICROS = 10_000
TOKENS_LOTS = 100
OWNERS = (1, 2, 3, 4, 4)
TIMES = {"ioc": TimeInForce.IOC, "fok": TimeInForce.FOK, "gtd": TimeInForce.GTD, "day": TimeInForce.DAY}
SELF_TRADES = {
    "taker": SelfTrade.EXPIRE_TAKER,
    "maker": SelfTrade.EXPIRE_MAKER,
    "both": SelfTrade.EXPIRE_BOTH,
    "decrement": SelfTrade.DECREMENT,
}
TRADE_WORDS = {TradeFlag.MAKER_FILLED: " filled", TradeFlag.IN_AUCTION: " called", TradeFlag.TAKER_FILLED: " done"}
FIGURES = ("free", "held", "owed_in", "owed_out", "requested", "level", "advanced", "position_lots")


def wallet(number: int) -> bytes:
    return bytes([number]) * 20


def terms(instrument: int = 1, **changes: int) -> t.SetInstrument:
    values: dict[str, int] = {
        "tick_value_usdc_micros": 1,
        "price_ticks_max": 1_000,
        "qty_lots_max": 1_000,
        "notional_usdc_micros_min": 1,
        "market_collar_bps": 1_000,
        "open_orders_max": 10,
    }
    names = {"symbol": b"OAK%dUSDC" % instrument, "token": bytes([instrument]) * 20}
    return t.SetInstrument(instrument=instrument, fee_account=1, **(values | changes), **names)  # type: ignore[arg-type]


class Market:
    """A `Pair` (so that the oracle reads every example too), and the words for it."""

    def __init__(self) -> None:
        self.pair = Pair()
        self.block = 0
        self._terms = {1: terms(1)}
        self.pair.time_ns = START_NS
        for number, owner in enumerate(OWNERS, 1):
            self.pair.apply(t.OpenAccount(owner, wallet(number)))
        self.pair.apply(self._terms[1])
        for account in range(2, len(OWNERS) + 1):
            self.pair.apply(t.SetPermission(account, 1, 1, 1, t.INT64_MAX))
            self.run(f"level {account} usdc {CASH_USDC_MICROS} to {CASH_USDC_MICROS}")
            self.run(f"position {account} {TOKENS_LOTS} to {TOKENS_LOTS}")
            self.run(f"level {account} lots {TOKENS_LOTS} to {TOKENS_LOTS}")

    def run(self, line: str) -> list[str]:
        """Carry out one line; what happened, in words, without the balances."""
        name, *words = line.split()
        if name == "funds":
            return [self._funds(int(words[0]), words[1:])]
        if name == "at":
            self.pair.time_ns = int(words[0])
            command: t.Command = t.Clock()
        else:
            readers: dict[str, Callable[[list[str]], t.Command]] = {
                "buy": lambda words: self._place(Side.BUY, words),
                "sell": lambda words: self._place(Side.SELL, words),
                "cancel": self._cancel,
                "amend": self._amend,
                "replace": self._replace,
                "cancel-list": lambda words: replace(self._cancel(words), is_list=1),
                "oco": lambda words: self._list(ListKind.OCO, words),
                "oto": lambda words: self._list(ListKind.OTO, words),
                "otoco": lambda words: self._list(ListKind.OTOCO, words),
                "cancel-all": lambda words: t.CancelAll(int(words[0]), number(words, "in", t.VENUE)),
                "permit": permission,
                "terms": self._change_terms,
                "fees": lambda words: t.SetFees(number(words, "in", 1), int(words[0]), int(words[1])),
                "phase": phase,
                "bands": lambda words: t.SetBands(number(words, "in", 1), *map(int, words[:4])),
                "period": lambda words: t.SetAuctions(number(words, "in", 1), int(words[0])),
                "ex": ex_date,
                "kill": lambda words: t.KillSwitch(number(words, "account", 0), number(words, "in", 0), 1),
                "release": lambda words: t.KillSwitch(number(words, "account", 0), number(words, "in", 0), 0),
                "limit": limits,
                "open": lambda words: t.OpenAccount(int(words[0]), wallet(int(words[1]))),
                "level": self._level,
                "position": self._position,
                "migrate": self._migrate,
                "adjust": self._adjust,
                "eject": eject,
                "compose": compose,
                "final": self._final,
            }
            command = readers[name](words)
        return [told(event) for event in self.pair.apply(command) if not isinstance(event, t.Balance)]

    def _funds(self, account: int, words: list[str]) -> str:
        asset = t.USDC if words[0] == "usdc" else number(words, "in", 1)
        balance = next(
            (each for each in self.pair.engine.state().balances if (each.account, each.instrument) == (account, asset)),
            t.Balance(account, asset, *[0] * 8),
        )
        hidden = {"level", "position_lots"} if "all" not in words else set[str]()
        figures = [(name, getattr(balance, name)) for name in FIGURES if name not in hidden]
        return " ".join(f"{name} {value}" for name, value in figures if value) or "nothing"

    def _place(self, side: Side, words: list[str]) -> t.Place:
        by_quote = words[1] == "usdc"
        price, stop = number(words, "@", 0), number(words, "stop", 0) or number(words, "take", 0)
        tif = next((TIMES[word] for word in words if word in TIMES), TimeInForce.GTC)
        order_type = OrderType.LIMIT_MAKER if "post" in words else OrderType.LIMIT
        if "market" in words:
            order_type, tif = OrderType.MARKET, TimeInForce.IOC
        if stop:
            wanted = ("STOP_LOSS" if "stop" in words else "TAKE_PROFIT") + ("" if "market" in words else "_LIMIT")
            order_type = OrderType[wanted]
        return t.Place(
            account=int(words[0]),
            instrument=number(words, "in", 1),
            side=side,
            order_type=order_type,
            time_in_force=tif,
            price_ticks=price,
            qty_lots=0 if by_quote else int(words[1]),
            quote_usdc_micros=int(words[2]) if by_quote else 0,
            expire_time_ns=number(words, "gtd", 0),
            self_trade=SELF_TRADES[words[words.index("stp") + 1]] if "stp" in words else SelfTrade.NONE,
            client_order_id=name_in(words),
            stop_ticks=stop,
            display_lots=number(words, "show", 0),
        )

    def _list(self, kind: ListKind, words: list[str]) -> t.PlaceList:
        """The legs go before it."""
        *legs, last = "\n".join(words[1:]).split("\n/\n")
        named = last.split("\n")
        if named[0] != "id":
            legs, named = [*legs, last], []
        for leg, text in enumerate(legs, 1):
            side, *rest = text.split("\n")
            order = self._place(Side.BUY if side == "buy" else Side.SELL, [words[0], *rest])
            values = {name: getattr(order, name) for name in t.Place.__dataclass_fields__}
            assert self.pair.apply(t.ListLeg(**values, leg=leg)) == [t.Applied(order.account, order.instrument)]
        return t.PlaceList(int(words[0]), order.instrument, kind, name_in(named))

    def _cancel(self, words: list[str]) -> t.Cancel:
        return t.Cancel(int(words[0]), number(words, "in", 1), *which(words[1:]))

    def _amend(self, words: list[str]) -> t.Amend:
        return t.Amend(int(words[0]), number(words, "in", 1), number(words, "to", 0), *which(words[1:]))

    def _replace(self, words: list[str]) -> t.Replace:
        at = words.index("by")
        new = self._place(Side.BUY if words[at + 1] == "buy" else Side.SELL, [words[0], *words[at + 2 :]])
        return t.Replace(
            *(new.account, new.instrument, new.side, new.order_type, new.time_in_force, new.price_ticks, new.qty_lots),
            *(new.quote_usdc_micros, new.expire_time_ns, new.self_trade, new.client_order_id, new.stop_ticks),
            *(new.display_lots, *which(words[1:at]), int("anyway" in words)),
        )

    def _change_terms(self, words: list[str]) -> t.SetInstrument:
        changes = {words[i]: int(words[i + 1]) for i in range(0, len(words), 2)}
        instrument = changes.pop("in", 1)
        before = self._terms.get(instrument, terms(instrument))
        values = {name: getattr(before, name) for name in t.SetInstrument.__dataclass_fields__}
        self._terms[instrument] = changed = t.SetInstrument(**(values | changes))
        return changed

    def _next_block(self, words: list[str]) -> tuple[int, int]:
        self.block = max(self.block + 1, number(words, "block", 0))
        return number(words, "block", self.block), 0

    def _level(self, words: list[str]) -> t.LevelChanged:
        asset = t.USDC if words[1] == "usdc" else number(words, "in", 1)
        numbers = (int(words[2]), number(words, "to", 0), number(words, "requested", 0))
        where = self._next_block(words)
        return t.LevelChanged(asset, *numbers, *where, t.LevelCause.DEPOSIT, wallet(int(words[0])), bytes(32))

    def _position(self, words: list[str]) -> t.PositionChanged:
        numbers = (int(words[1]), number(words, "to", 0))
        return t.PositionChanged(number(words, "in", 1), *numbers, *self._next_block(words), wallet(int(words[0])))

    def _migrate(self, words: list[str]) -> t.MigrateWallet:
        moved = int(words[2])
        numbers = (moved, number(words, "gained", moved), number(words, "to", 0), number(words, "requested", 0))
        wallets = (wallet(int(words[0])), wallet(int(words[1])))
        return t.MigrateWallet(number(words, "in", 1), *numbers, *self._next_block(words), *wallets)

    def _adjust(self, words: list[str]) -> t.Adjust:
        asset = t.USDC if words[1] == "usdc" else number(words, "in", 1)
        level = int(words[2])
        position = number(words, "position", 0 if asset == t.USDC else level)
        return t.Adjust(int(words[0]), asset, level, number(words, "requested", 0), position, *self._next_block(words))

    def _final(self, words: list[str]) -> t.BatchFinal:
        return t.BatchFinal(int(words[0]), *self._next_block(words), hash_in(words), bytes(32))


def check(script: str, market: Market | None = None) -> Market:
    """Carry out the lines of a script in a fresh market and compare what happened; returns the market."""
    market = market or Market()
    lines = [line.split("#")[0].strip() for line in script.splitlines()]
    for line in "\n".join(filter(None, lines)).replace(",\n", ", ").splitlines():
        command, _, expected = line.partition("=>")
        happened = ", ".join(market.run(command)) or "nothing"
        assert happened == " ".join(expected.split()), f"{line}\n  happened: {happened}"
    return market


def number(words: list[str], name: str, otherwise: int) -> int:
    return int(words[words.index(name) + 1]) if name in words else otherwise


def name_in(words: list[str]) -> bytes:
    return words[words.index("id") + 1].encode() if "id" in words else b""


def hash_in(words: list[str]) -> bytes:
    return (words[words.index("hash") + 1].encode() if "hash" in words else b"h").ljust(32, b"\0")


def which(words: list[str]) -> tuple[int, bytes]:
    """An order by its number, or by its client id."""
    return (0, words[1].encode()) if words[0] == "id" else (int(words[0]), b"")


def phase(words: list[str]) -> t.SetPhase:
    then = Phase[words[words.index("then") + 1].upper()] if "then" in words else Phase.CONTINUOUS
    ends_day = int("ends-day" in words)
    return t.SetPhase(number(words, "in", 1), Phase[words[0].upper()], number(words, "until", 0), then, ends_day)


def permission(words: list[str]) -> t.SetPermission:
    may_buy, may_sell = int(words[1] in ("both", "buy")), int(words[1] in ("both", "sell"))
    until, locked = number(words, "until", t.INT64_MAX), number(words, "locked", 0)
    return t.SetPermission(int(words[0]), number(words, "in", 1), may_buy, may_sell, until, locked)


def limits(words: list[str]) -> t.SetLimits:
    numbers = (number(words, name, 0) for name in ("order", "position", "orders"))
    return t.SetLimits(number(words, "account", 0), number(words, "in", 1), *numbers)


def ex_date(words: list[str]) -> t.ExDate:
    return t.ExDate(number(words, "in", 1), int(words[0]), number(words, "dividend", 0).to_bytes(16))


def eject(words: list[str]) -> t.EjectTrade:
    batch_id, attempt, trade_id = map(int, words[:3])
    return t.EjectTrade(batch_id, attempt, trade_id, Reason[words[3].upper()])


def compose(words: list[str]) -> t.ComposeBatch:
    batch_id, attempt, after, last = map(int, words[:4])
    return t.ComposeBatch(batch_id, attempt, after, last, number(words, "ejected", 0), hash_in(words))


def told(event: t.Event) -> str:
    """An event in words; figures that are zero are left out."""
    match event:
        case t.Rejected():
            return f"refused {Reason(event.reason).name.lower()}" + (f" {event.order_id}" if event.order_id else "")
        case t.Accepted():
            rests = f" rests {event.open_lots} held {event.held}" if event.open_lots else ""
            waits = f" waits held {event.held}" if event.held and not event.open_lots else ""
            return f"accepted {event.order_id}{rests}{waits}"
        case t.Triggered():
            rests = f" rests {event.open_lots} held {event.held}" if event.open_lots else ""
            return f"triggered {event.order_id}{rests}"
        case t.Trade():
            fees = (event.maker_fee_usdc_micros, event.taker_fee_usdc_micros)
            ends = " fees {} {}".format(*fees) if any(fees) else ""
            ends += "".join(word for flag, word in TRADE_WORDS.items() if event.flags & flag)
            return (
                f"trade {event.maker_order_id} by {event.taker_order_id} {event.qty_lots} @ {event.price_ticks}{ends}"
            )
        case t.Closed():
            return f"closed {event.order_id} {Reason(event.reason).name.lower()} {event.unfilled_lots}"
        case t.Prevented():
            rests = "" if event.maker_closes else f" rests {event.maker_open_lots} of {event.maker_qty_lots}"
            return (
                f"prevented {event.maker_order_id} by {event.taker_order_id} {event.prevented_lots}"
                f" @ {event.price_ticks}{rests}"
            )
        case t.Replenished():
            return f"replenished {event.order_id} shows {event.shown_lots}"
        case t.Listed():
            return f"listed {event.list_id} {ListKind(event.list_kind).name.lower()}"
        case t.Pending():
            return f"pending {event.order_id}"
        case t.ListDone():
            return f"list {event.list_id} done"
        case t.Amended():
            return f"amended {event.order_id} to {event.qty_lots} rests {event.open_lots}"
        case t.Repriced():
            stop = f" stop {event.stop_ticks}" if event.stop_ticks else ""
            return f"repriced {event.order_id} {event.open_lots} @ {event.price_ticks}{stop}"
        case t.WentEx():
            return f"ex {event.lowered_ticks} last {event.last_price_ticks} reference {event.reference_ticks}"
        case t.AccountOpened():
            return f"account {event.account}"
        case t.Applied():
            return "applied"
        case t.PermissionEnded():
            return f"permission {event.account} ended"
        case t.PhaseChanged():
            until = f" until {event.until_ns}" if event.until_ns else ""
            return f"phase {Phase(event.phase).name.lower()} in {event.instrument}{until}"
        case t.Auction() | t.Indicative():
            name, left = type(event).__name__.lower(), event.imbalance_lots
            what = f"{event.volume_lots} @ {event.price_ticks} left {left}" if event.volume_lots else "nothing"
            return f"{name} {what}"
        case t.KillSwitched():
            return f"kill switch {'on' if event.on else 'off'}"
        case t.WalletMigrated():
            asset = "lots" if event.instrument else "usdc"
            return f"wallet of {event.account} {asset} {'stays' if event.stays else 'migrated'}"
        case t.WithdrawalReady():
            return f"ready {event.account} {'lots' if event.instrument else 'usdc'} {event.amount}"
        case t.Parked():
            return f"parked {event.level}" + (f" requested {event.requested}" if event.requested else "")
        case t.CreditingStopped():
            return f"crediting stopped, expected {event.expected_level} got {event.level}"
        case t.TradeSettled():
            failed = f"failed {event.trade_id} {Reason(event.reason).name.lower()}"
            return failed if event.reason else f"settled {event.trade_id}"
        case t.Balance():
            raise AssertionError("balances are asked for")
