"""How the market's controls stand, as the journal says it."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any, Final

import msgspec

from api.amounts import text, usdc
from compliance.instruments import Instrument, instruments
from deedbook.market_controls.guards import price_step_usdc_micros
from deedbook.market_controls.instructions import NS
from engine.types import VENUE, Phase
from persistence.database import Pool

_RULES: Final = """
    SELECT l.*, coalesce(p.phase, 0) AS phase, coalesce(p.ends_ns, 0) AS ends_ns
    FROM listings AS l LEFT JOIN phases AS p USING (instrument) ORDER BY instrument
"""
_OPEN: Final = """
    SELECT count(*) AS orders, count(DISTINCT account) AS accounts FROM orders
    WHERE open_lots > 0 AND ($1::bigint IS NULL OR account = $1) AND ($2::int IS NULL OR instrument = $2)
"""


class ScheduleView(msgspec.Struct, frozen=True):
    """Local times in the zone. `due_at`: when the phase is set next; null while somebody has the instrument in hand."""

    zone: str
    weekdays: list[int]
    holidays: list[date]
    pre_open: time
    opening_call: time
    continuous: time
    closing_call: time
    close: time
    trading: str
    due_at: datetime | None


class ControlView(msgspec.Struct, frozen=True):
    """One instrument. `phase_ends_at`: null where a command ends it; bands of 0 and a period of 0 are off."""

    instrument: int
    symbol: str
    name: str
    phase: str
    phase_ends_at: datetime | None
    period_s: int
    reference_usdc: str | None
    static_bps: int
    dynamic_bps: int
    call_s: int
    schedule: ScheduleView | None


class SwitchView(msgspec.Struct, frozen=True):
    """A kill switch that is on; null: every account, every instrument."""

    account: int | None
    instrument: int | None
    since: datetime


class LimitsView(msgspec.Struct, frozen=True):
    """Of one account, or of all that have none of their own; null: no limit."""

    account: int | None
    instrument: int
    order_usdc: str | None
    position_tokens: str | None
    open_orders: int | None


class ControlsView(msgspec.Struct, frozen=True):
    venue_phase: str
    instruments: list[ControlView]
    kill_switches: list[SwitchView]
    limits: list[LimitsView]


class OpenOrdersView(msgspec.Struct, frozen=True):
    orders: int
    accounts: int


class Controls:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def standing(self) -> ControlsView:
        known = {each.instrument: each for each in await instruments(self._pool)}
        rules = await self._pool.fetch(_RULES)
        schedules = {row["instrument"]: row for row in await self._pool.fetch("SELECT * FROM schedules")}
        switches = await self._pool.fetch("SELECT * FROM kill_switches ORDER BY account, instrument")
        limits = await self._pool.fetch("SELECT * FROM order_limits ORDER BY instrument, account")
        venue = await self._pool.fetchval("SELECT phase FROM phases WHERE instrument = $1", VENUE)
        return ControlsView(
            venue_phase=Phase(venue or 0).name,
            instruments=[
                _control(row, known[row["instrument"]], schedules.get(row["instrument"]))
                for row in rules
                if row["instrument"] in known
            ],
            kill_switches=[
                SwitchView(row["account"] or None, row["instrument"] or None, at(row["since_ns"])) for row in switches
            ],
            limits=[_limits(row, known[row["instrument"]]) for row in limits if row["instrument"] in known],
        )

    async def open_orders(self, account: int | None, number: int | None) -> OpenOrdersView:
        """What a kill switch of this scope would close."""
        row = await self._pool.fetchrow(_OPEN, account, number)
        assert row is not None
        return OpenOrdersView(row["orders"], row["accounts"])


def _control(row: Any, instrument: Instrument, schedule: Any) -> ControlView:
    reference_micros = row["reference_ticks"] * price_step_usdc_micros(instrument)
    return ControlView(
        instrument=instrument.instrument,
        symbol=instrument.symbol,
        name=instrument.name,
        phase=Phase(row["phase"]).name,
        phase_ends_at=at(row["ends_ns"]) if row["ends_ns"] else None,
        period_s=row["period_ns"] // NS,
        reference_usdc=usdc(reference_micros) if reference_micros else None,
        static_bps=row["static_bps"],
        dynamic_bps=row["dynamic_bps"],
        call_s=row["volatility_call_ns"] // NS,
        schedule=None if schedule is None else _schedule(schedule),
    )


def _schedule(row: Any) -> ScheduleView:
    values = dict(row) | {"trading": Phase(row["trading"]).name}
    return ScheduleView(**{name: values[name] for name in ScheduleView.__struct_fields__})


def _limits(row: Any, instrument: Instrument) -> LimitsView:
    order_micros, position_lots = row["notional_usdc_micros_max"], row["position_lots_max"]
    return LimitsView(
        account=row["account"] or None,
        instrument=instrument.instrument,
        order_usdc=usdc(order_micros) if order_micros else None,
        position_tokens=text(position_lots, instrument.lot_decimals) if position_lots else None,
        open_orders=row["open_orders_max"] or None,
    )


def at(time_ns: int) -> datetime:
    return datetime.fromtimestamp(time_ns / NS, UTC)
