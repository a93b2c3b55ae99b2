"""What an instrument does when: phases set by command and ended by time, calls with their uncross."""

from __future__ import annotations

from typing import Any, Final

from engine import auction
from engine.admission import DAY
from engine.types import VENUE, Phase, Reason, phase_in_force
from engine.venue import CALLS, COLLECTING, CONTINUOUS, PHASE_CHANGED, TRADING, Instrument, Venue

Row = tuple[Any, ...]

PERIOD_NS_MAX: Final = 24 * 3600 * 10**9
TIMED: Final = CALLS - {Phase.PERIODIC_CALL}  # calls whose end a command may name


class Phases:
    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    def set_phase(self, row: Row) -> None:
        venue = self._venue
        then, number, phase, ends_day, until_ns = row[3], row[6], row[8], row[10], row[11]
        instrument = venue.instrument(number)
        if number != VENUE and instrument is None:
            return venue.reject(Reason.UNKNOWN_INSTRUMENT, number)
        if ends_day > 1 or not self._can_be(number, phase, until_ns, then):
            return venue.reject(Reason.VALUE_OUT_OF_RANGE, number)
        if instrument is None:
            self._set_venue(phase)
            return self._end_day(None) if ends_day else None
        if phase in TRADING:
            if instrument.is_crossed() and venue.phase != CONTINUOUS:
                stands = phase_in_force(venue.phase, CONTINUOUS) == Phase.HALT
                return venue.reject(Reason.INSTRUMENT_HALTED if stands else Reason.CANCEL_ONLY, number)
            if instrument.is_crossed() or instrument.phase in COLLECTING:
                auction.uncross(venue, instrument)
        self._enter(instrument, phase, until_ns, then)
        if ends_day:
            self._end_day(instrument)

    def _end_day(self, instrument: Instrument | None) -> None:
        """DAY orders close, the oldest first; None: in every instrument."""
        venue = self._venue
        orders = [o for o in venue.orders.values() if o.time_in_force == DAY]
        venue.close_all([o for o in orders if instrument in (None, o.seat.instrument)], Reason.EXPIRED)

    def _can_be(self, number: int, phase: int, until_ns: int, then: int) -> bool:
        if number == VENUE:
            return phase <= Phase.HALT and until_ns == 0 and then == 0
        if max(phase, then) > Phase.LIMIT_ONLY or then in TIMED:
            return False
        if phase in TIMED and until_ns:
            return until_ns > self._venue.time_ns
        return until_ns == 0 and then == 0

    def _set_venue(self, phase: int) -> None:
        """Calls whose time came while the venue stood end now."""
        venue = self._venue
        venue.phase = phase
        venue.emit(PHASE_CHANGED, instrument=VENUE, flags=phase)
        for instrument in venue.instruments[1:]:
            venue.stir(instrument)
            self.end(instrument.number, instrument.phase_ends_ns)

    def _enter(self, instrument: Instrument, phase: int, ends_ns: int, then: int) -> None:
        period_ns = instrument.period_ns
        if phase == Phase.PERIODIC_CALL and period_ns:
            ends_ns, then = (self._venue.time_ns // period_ns + 1) * period_ns, phase
        self._venue.enter(instrument, phase, ends_ns, then)

    def end(self, number: int, due_ns: int) -> None:
        """A phase's time has come, unless it was set anew since; while the venue stands nothing trades, so it waits."""
        venue = self._venue
        instrument = venue.instruments[number]
        if 0 < due_ns == instrument.phase_ends_ns <= venue.time_ns and venue.phase == CONTINUOUS:
            auction.uncross(venue, instrument)
            self._enter(instrument, instrument.phase_then, 0, CONTINUOUS)

    def tell_indicative(self, number: int, due_ns: int) -> None:
        instrument = self._venue.instruments[number]
        if instrument.indicative_due_ns == due_ns:
            instrument.indicative_due_ns = 0
            auction.tell_indicative(self._venue, instrument)

    def set_auctions(self, row: Row) -> None:
        """A new period counts from the next uncross on."""
        venue = self._venue
        number, period_ns = row[6], row[11]
        instrument = venue.instrument(number)
        if instrument is None:
            return venue.reject(Reason.UNKNOWN_INSTRUMENT, number)
        if not 0 <= period_ns <= PERIOD_NS_MAX:
            return venue.reject(Reason.VALUE_OUT_OF_RANGE, number)
        instrument.period_ns = period_ns
        venue.applied(0, number)
