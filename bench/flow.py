"""A seeded order flow of one instrument: what the engine's experiments are fed with.

About 55% limit orders (17% of them cross), 40% cancels of live orders and 5% market orders around a random walk, with
about `resting` orders in the book; sizes and distances are made up. Which orders are live is read from the events of an
engine that runs along, so nearly every cancel finds its order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Final

from engine import types as t
from engine.exchange import Exchange
from engine.types import OrderType, Side, TimeInForce
from engine.wire import EVENT, encode_command, stamped

INSTRUMENT: Final = 1
FEE_ACCOUNT: Final = 1
START_NS: Final = 1_700_000_000_000_000_000
STEP_NS: Final = 100_000  # between two batches
CASH_USDC_MICROS: Final = 10**17
TOKENS_LOTS: Final = 10**12
START_TICKS: Final = 10_000
CROSSING_SHARE: Final = 0.17
LIMIT_SHARE: Final = 0.55
MARKET_SHARE: Final = 0.05


class Flow:
    """The commands of one seed. `kinds` counts what was made: limit, crossing, cancel, market."""

    def __init__(self, seed: int, resting: int, accounts: int = 200) -> None:
        self.kinds: Counter[str] = Counter()
        self._random = Random(seed)
        self._resting = resting
        self._accounts = accounts
        self._mid_ticks = START_TICKS
        self._engine = Exchange()
        self._time_ns = START_NS
        self._live: list[tuple[int, int]] = []  # (order_id, account); done ones are dropped when they are drawn
        self._open: set[int] = set()

    def setup(self) -> bytes:
        """Open and fund the accounts, list the instrument, fill the book; one batch, to be applied first."""
        commands: list[t.Command] = [
            t.OpenAccount(owner=number, wallet=number.to_bytes(20, "big")) for number in range(1, self._accounts + 1)
        ]
        commands.append(
            t.SetInstrument(
                instrument=INSTRUMENT,
                fee_account=FEE_ACCOUNT,
                tick_value_usdc_micros=10,
                price_ticks_max=10**6,
                qty_lots_max=10**6,
                notional_usdc_micros_min=1,
                market_collar_bps=500,
                open_orders_max=10**6,
                resale=1,
                symbol=b"FLOW1USDC",
                token=bytes(20),
            )
        )
        commands.append(t.SetFees(INSTRUMENT, maker_fee_bps=2, taker_fee_bps=5))
        for number in range(1, self._accounts + 1):
            commands.append(t.SetPermission(number, INSTRUMENT, 1, 1, valid_until_ns=t.INT64_MAX))
            commands += self._funds(number)
        commands += [self._limit(crossing=False) for _ in range(self._resting)]
        self.kinds.clear()  # they count the flow, not the setup
        return self._sequenced(commands)

    def batches(self, commands: int, batch: int) -> Iterator[bytes]:
        """Stamped batches of at most `batch` commands, `commands` in all."""
        for done in range(0, commands, batch):
            yield self._sequenced([self._next() for _ in range(min(batch, commands - done))])

    def _funds(self, number: int) -> list[t.Command]:
        wallet = number.to_bytes(20, "big")
        deposit, lock = t.LevelCause.DEPOSIT, t.LevelCause.DEPOSIT
        return [
            t.LevelChanged(t.USDC, CASH_USDC_MICROS, CASH_USDC_MICROS, 0, number, 1, deposit, wallet),
            t.PositionChanged(INSTRUMENT, TOKENS_LOTS, TOKENS_LOTS, number, 2, wallet),
            t.LevelChanged(INSTRUMENT, TOKENS_LOTS, TOKENS_LOTS, 0, number, 3, lock, wallet),
        ]

    def _next(self) -> t.Command:
        draw = self._random.random()
        if draw < MARKET_SHARE:
            return self._market()
        if draw < MARKET_SHARE + LIMIT_SHARE:
            return self._limit(crossing=self._random.random() < CROSSING_SHARE)
        # Takers eat more than makers bring now and then; below the target a limit order takes a cancel's place.
        return self._cancel() if len(self._open) >= self._resting and self._live else self._limit(crossing=False)

    def _limit(self, crossing: bool) -> t.Place:
        random = self._random
        self.kinds["crossing" if crossing else "limit"] += 1
        if random.random() < 0.02:
            self._mid_ticks = max(1_000, min(100_000, self._mid_ticks + random.choice((-1, 1))))
        side = random.choice((Side.BUY, Side.SELL))
        away_ticks = -random.randint(1, 3) if crossing else 1 + int(random.expovariate(0.1))
        price_ticks = self._mid_ticks - away_ticks if side is Side.BUY else self._mid_ticks + away_ticks
        qty_lots = random.randint(1, 20 if crossing else 100)
        account = random.randint(2, self._accounts)
        return t.Place(account, INSTRUMENT, side, OrderType.LIMIT, TimeInForce.GTC, max(1, price_ticks), qty_lots)

    def _market(self) -> t.Place:
        random = self._random
        self.kinds["market"] += 1
        side, account = random.choice((Side.BUY, Side.SELL)), random.randint(2, self._accounts)
        return t.Place(account, INSTRUMENT, side, OrderType.MARKET, TimeInForce.IOC, 0, random.randint(1, 20))

    def _cancel(self) -> t.Cancel:
        self.kinds["cancel"] += 1
        live = self._live
        while True:
            at = self._random.randrange(len(live))
            live[at], live[-1] = live[-1], live[at]
            order_id, account = live.pop()
            if order_id in self._open or not live:
                self._open.discard(order_id)
                return t.Cancel(account, INSTRUMENT, order_id)

    def _sequenced(self, commands: list[t.Command]) -> bytes:
        self._time_ns += STEP_NS
        records = [encode_command(command) for command in commands]
        batch = bytes(stamped(records, self._engine.seq + 1, self._time_ns))
        for row in EVENT.iter_unpack(self._engine.apply(batch)):
            kind = row[1]
            if kind == t.EventKind.ACCEPTED and row[9]:
                self._live.append((row[5], row[4]))
                self._open.add(row[5])
            elif kind == t.EventKind.CLOSED:
                self._open.discard(row[5])
            elif kind == t.EventKind.TRADE and row[15]:
                self._open.discard(row[6])
        return batch
