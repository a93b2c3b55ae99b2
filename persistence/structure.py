"""What operators set, folded from the journal: phases, bands, periods, kill switches, limits.

Pure. The rows' fields are the columns of the tables in migrations/105_market_structure.sql.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from engine.types import CommandKind, EventKind

PHASE_CHANGED: Final = int(EventKind.PHASE_CHANGED)
AUCTION: Final = int(EventKind.AUCTION)
WENT_EX: Final = int(EventKind.WENT_EX)
KILL_SWITCHED: Final = int(EventKind.KILL_SWITCHED)
TOLD: Final = frozenset({PHASE_CHANGED, AUCTION, WENT_EX, KILL_SWITCHED})


class PhaseRow(NamedTuple):
    instrument: int
    phase: int
    ends_ns: int
    changed_ns: int


class LimitsRow(NamedTuple):
    account: int
    instrument: int
    notional_usdc_micros_max: int
    position_lots_max: int
    open_orders_max: int


@dataclass(slots=True)
class TradingRules:
    """Of one instrument; None: as it stands."""

    reference_ticks: int | None = None
    static_bps: int | None = None
    dynamic_bps: int | None = None
    volatility_call_ns: int | None = None
    period_ns: int | None = None


Scope = tuple[int, int]  # account and instrument; 0: every one


@dataclass(slots=True)
class Structure:
    """What became different. `switched`: since when a switch is on, None where it is off now."""

    phases: dict[int, PhaseRow] = field(default_factory=dict)
    rules: dict[int, TradingRules] = field(default_factory=dict)
    switched: dict[Scope, int | None] = field(default_factory=dict)
    limits: dict[Scope, LimitsRow] = field(default_factory=dict)

    def take_event(self, event: tuple[Any, ...], time_ns: int) -> None:
        """One of TOLD, as wire's EVENT unpacks it."""
        kind, instrument, account, flags = event[1], event[3], event[4], event[15]
        if kind == PHASE_CHANGED:
            self.phases[instrument] = PhaseRow(instrument, flags, event[5], time_ns)
        elif kind == KILL_SWITCHED:
            self.switched[account, instrument] = time_ns if flags else None
        elif kind == WENT_EX:
            self._rules(instrument).reference_ticks = event[7]
        elif event[5]:  # an auction's price is the reference from now on
            self._rules(instrument).reference_ticks = event[5]

    def take_command(self, command: tuple[Any, ...]) -> None:
        """One that was applied, as wire's COMMAND unpacks it; of others nothing is kept."""
        kind, instrument, account = command[2], command[6], command[9]
        a, b, c, d = command[11:15]
        if kind == CommandKind.SET_BANDS:
            rules = self._rules(instrument)
            rules.reference_ticks = a or rules.reference_ticks
            rules.static_bps, rules.dynamic_bps, rules.volatility_call_ns = b, c, d
        elif kind == CommandKind.SET_AUCTIONS:
            self._rules(instrument).period_ns = a
        elif kind == CommandKind.SET_LIMITS:
            self.limits[account, instrument] = LimitsRow(account, instrument, a, b, c)

    def _rules(self, instrument: int) -> TradingRules:
        return self.rules.setdefault(instrument, TradingRules())
