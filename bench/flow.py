"""A seeded order flow: what the engine's experiments are fed with.

About 55% limit orders (17% of them cross), 40% cancels of live orders and 5% market orders around a random walk, with
about `resting` orders in the books; sizes and distances are made up. Which orders are live is read from the events of
the Python engine that runs along, so nearly every cancel finds its order, and what another engine must answer is known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Final

from bench.tally import Tally
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
PRICE_TICKS_MAX: Final = 10**6
START_TICKS: Final = 10_000
CROSSING_SHARE: Final = 0.17
LIMIT_SHARE: Final = 0.55
MARKET_SHARE: Final = 0.05
AWAY_TICKS: Final = 10.0  # from the middle, on average
TRADERS: Final = 10  # of one instrument, where there are several


class Flow:
    """The commands of one seed. `kinds` counts what was made (limit, crossing, cancel, market), `tally` the answers."""

    def __init__(
        self, seed: int, resting: int, accounts: int = 200, instruments: int = 1, away_ticks: float = AWAY_TICKS
    ) -> None:
        self.kinds: Counter[str] = Counter()
        self.tally = Tally()
        self._random = Random(seed)
        self._resting = resting
        self._accounts = accounts
        self._away_ticks = away_ticks
        self._mids_ticks = [max(START_TICKS, int(20 * away_ticks))] * (instruments + 1)
        self._engine = Exchange()
        self._time_ns = START_NS
        self._live: list[tuple[int, int, int]] = []  # (order_id, account, instrument); done ones are dropped when drawn
        self._open: set[int] = set()

    def setup(self) -> bytes:
        """Open and fund the accounts, list the instruments, fill the books; one batch, to be applied first."""
        accounts, instruments = range(1, self._accounts + 1), range(1, len(self._mids_ticks))
        commands: list[t.Command] = [t.OpenAccount(owner=each, wallet=each.to_bytes(20, "big")) for each in accounts]
        for number in instruments:
            commands += [_terms(number), t.SetFees(number, maker_fee_bps=2, taker_fee_bps=5)]
        places: dict[int, list[int]] = {account: [] for account in accounts}
        for number in instruments:
            for account in (1, *self._traders(number)):
                places[account].append(number)
        for account in accounts:
            commands += _funds(account, places[account])
        commands += [self._limit(crossing=False) for _ in range(self._resting)]
        self.kinds.clear()  # they count the flow, not the setup
        batch = self._sequenced(commands)
        self.tally = Tally()
        return batch

    def batches(self, commands: int, batch: int) -> Iterator[bytes]:
        """Stamped batches of at most `batch` commands, `commands` in all."""
        for done in range(0, commands, batch):
            yield self._sequenced([self._next() for _ in range(min(batch, commands - done))])

    def _traders(self, instrument: int) -> list[int]:
        """The accounts that may trade in it."""
        others = self._accounts - 1
        if len(self._mids_ticks) == 2:
            return list(range(2, self._accounts + 1))
        return [2 + (instrument * TRADERS + each) % others for each in range(min(TRADERS, others))]

    def _where(self) -> tuple[int, int]:
        """An account and an instrument that it may trade in."""
        random = self._random
        if len(self._mids_ticks) == 2:
            return random.randint(2, self._accounts), INSTRUMENT
        instrument = random.randrange(1, len(self._mids_ticks))
        return random.choice(self._traders(instrument)), instrument

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
        account, instrument = self._where()
        if random.random() < 0.02:
            mid_ticks = self._mids_ticks[instrument] + random.choice((-1, 1))
            self._mids_ticks[instrument] = max(1_000, min(PRICE_TICKS_MAX // 2, mid_ticks))
        side = random.choice((Side.BUY, Side.SELL))
        away_ticks = -random.randint(1, 3) if crossing else 1 + int(random.expovariate(1 / self._away_ticks))
        mid_ticks = self._mids_ticks[instrument]
        price_ticks = mid_ticks - away_ticks if side is Side.BUY else mid_ticks + away_ticks
        qty_lots = random.randint(1, 20 if crossing else 100)
        return t.Place(account, instrument, side, OrderType.LIMIT, TimeInForce.GTC, max(1, price_ticks), qty_lots)

    def _market(self) -> t.Place:
        random = self._random
        self.kinds["market"] += 1
        account, instrument = self._where()
        side = random.choice((Side.BUY, Side.SELL))
        return t.Place(account, instrument, side, OrderType.MARKET, TimeInForce.IOC, 0, random.randint(1, 20))

    def _cancel(self) -> t.Cancel:
        self.kinds["cancel"] += 1
        live = self._live
        while True:
            at = self._random.randrange(len(live))
            live[at], live[-1] = live[-1], live[at]
            order_id, account, instrument = live.pop()
            if order_id in self._open or not live:
                self._open.discard(order_id)
                return t.Cancel(account, instrument, order_id)

    def _sequenced(self, commands: list[t.Command]) -> bytes:
        self._time_ns += STEP_NS
        records = [encode_command(command) for command in commands]
        batch = bytes(stamped(records, self._engine.seq + 1, self._time_ns))
        events = self._engine.apply(batch)
        self.tally.take(events)
        for row in EVENT.iter_unpack(events):
            kind = row[1]
            if kind == t.EventKind.ACCEPTED and row[9]:
                self._live.append((row[5], row[4], row[3]))
                self._open.add(row[5])
            elif kind == t.EventKind.CLOSED:
                self._open.discard(row[5])
            elif kind == t.EventKind.TRADE and row[15]:
                self._open.discard(row[6])
        return batch


def _terms(instrument: int) -> t.SetInstrument:
    return t.SetInstrument(
        instrument=instrument,
        fee_account=FEE_ACCOUNT,
        tick_value_usdc_micros=10,
        price_ticks_max=PRICE_TICKS_MAX,
        qty_lots_max=10**8,
        notional_usdc_micros_min=1,
        market_collar_bps=500,
        open_orders_max=10**6,
        resale=1,
        symbol=b"FLOW%dUSDC" % instrument,
        token=bytes(20),
    )


def _funds(account: int, instruments: list[int]) -> list[t.Command]:
    """Cash, and for each instrument a permission, tokens and a lock of them all."""
    wallet, deposit = account.to_bytes(20, "big"), t.LevelCause.DEPOSIT
    cash = t.LevelChanged(t.USDC, CASH_USDC_MICROS, CASH_USDC_MICROS, 0, account, 1, deposit, wallet)
    commands: list[t.Command] = [cash]
    for log_index, number in enumerate(instruments, 1):
        commands += [
            t.SetPermission(account, number, 1, 1, valid_until_ns=t.INT64_MAX),
            t.PositionChanged(number, TOKENS_LOTS, TOKENS_LOTS, account, 2 * log_index, wallet),
            t.LevelChanged(number, TOKENS_LOTS, TOKENS_LOTS, 0, account, 2 * log_index + 1, deposit, wallet),
        ]
    return commands
