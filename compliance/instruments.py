"""Instruments: what they are, who may trade them, and the terms that the engine is given."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Final

from compliance.audit import record
from compliance.countries import COUNTRY_NUMERIC
from compliance.registry import FactError, facts, queue, require_instrument
from compliance.rules import Regime
from engine import types as t
from persistence.commands import Submit
from persistence.database import Pool


@dataclass(frozen=True, slots=True)
class Instrument:
    """An instrument as its issuer and the platform define it.

    token               20 bytes, None until it is deployed
    lot_decimals        one lot is 10^-lot_decimals of a token, so 10^(token_decimals - lot_decimals) base units
    allowed_countries   ISO 3166 alpha-2; None: every country
    holder_cap, ownership_cap_lots   0: none
    """

    instrument: int
    symbol: str
    name: str
    token_decimals: int
    lot_decimals: int
    regime: Regime
    fee_account: int
    tick_value_usdc_micros: int
    price_ticks_max: int
    qty_lots_max: int
    token: bytes | None = None
    allowed_countries: tuple[str, ...] | None = None
    holder_cap: int = 0
    ownership_cap_lots: int = 0
    lock_up_days: int = 0
    lock_up_starts_at: datetime | None = None
    notional_usdc_micros_min: int = 0
    market_collar_bps: int = 1_000
    open_orders_max: int = 200
    maker_fee_bps: int = 0
    taker_fee_bps: int = 0
    resale: bool = True

    @property
    def lot_base_units(self) -> int:
        base_units: int = 10 ** (self.token_decimals - self.lot_decimals)
        return base_units


COLUMNS: Final = tuple(column.name for column in fields(Instrument))


async def set_instrument(pool: Pool, instrument: Instrument, *, actor: str) -> None:
    """Add an instrument or change it; the engine hears of it with `list_instrument`.

    Raises FactError for what cannot be one, and for a change of what the engine has been told and keeps.
    """
    _require_meaning(instrument)
    values = asdict(instrument) | {"regime": str(instrument.regime)}
    async with facts(pool) as connection:
        await _require_kept(connection, instrument)
        places = ", ".join(f"${place}" for place in range(1, len(COLUMNS) + 1))
        updates = ", ".join(f"{column} = excluded.{column}" for column in COLUMNS[1:])
        await connection.execute(
            f"INSERT INTO instruments ({', '.join(COLUMNS)}) VALUES ({places})"  # noqa: S608
            f" ON CONFLICT (instrument) DO UPDATE SET {updates}",
            *(values[column] for column in COLUMNS),
        )
        await queue(connection, instrument=instrument.instrument)
        details = {name: _readable(value) for name, value in values.items()}
        await record(connection, actor, "instrument set", instrument=instrument.instrument, details=details)


async def instrument_by_number(pool: Pool, number: int) -> Instrument:
    """Raises FactError if there is none."""
    row = await pool.fetchrow(f"SELECT {', '.join(COLUMNS)} FROM instruments WHERE instrument = $1", number)  # noqa: S608
    if row is None:
        raise FactError(f"there is no instrument {number}")
    return _from_row(row)


async def instruments(pool: Pool) -> list[Instrument]:
    """All, by number."""
    rows = await pool.fetch(f"SELECT {', '.join(COLUMNS)} FROM instruments ORDER BY instrument")  # noqa: S608
    return [_from_row(row) for row in rows]


def terms(instrument: Instrument) -> tuple[t.SetInstrument, t.SetFees]:
    """What the engine is told; the token must be deployed."""
    assert instrument.token is not None
    return (
        t.SetInstrument(
            instrument=instrument.instrument,
            fee_account=instrument.fee_account,
            tick_value_usdc_micros=instrument.tick_value_usdc_micros,
            price_ticks_max=instrument.price_ticks_max,
            qty_lots_max=instrument.qty_lots_max,
            notional_usdc_micros_min=instrument.notional_usdc_micros_min,
            market_collar_bps=instrument.market_collar_bps,
            open_orders_max=instrument.open_orders_max,
            ownership_cap_lots=instrument.ownership_cap_lots,
            holder_cap=instrument.holder_cap,
            resale=int(instrument.resale),
            symbol=instrument.symbol.encode("ascii"),
            token=instrument.token,
            lot_decimals=instrument.lot_decimals,
        ),
        t.SetFees(instrument.instrument, instrument.maker_fee_bps, instrument.taker_fee_bps),
    )


async def list_instrument(pool: Pool, submit: Submit, number: int, *, actor: str) -> None:
    """Give the engine the instrument's terms and fees, as they stand; doing it again is harmless.

    Raises FactError if its token is not deployed, or with the engine's reason.
    """
    instrument = await instrument_by_number(pool, number)
    if instrument.token is None:
        raise FactError(f"{instrument.symbol} has no token yet: deploy it first")
    answers = await submit(terms(instrument))
    for answer in answers:
        if (rejected := answer.rejection()) is not None:
            raise FactError(f"the engine refused the terms of {instrument.symbol}: {t.Reason(rejected.reason).name}")
    async with facts(pool) as connection:
        await require_instrument(connection, number)
        await connection.execute(
            "UPDATE instruments SET listed_seq = $2 WHERE instrument = $1", number, answers[-1].seq
        )
        await queue(connection, instrument=number)
        await record(connection, actor, "instrument listed", instrument=number, details={"seq": answers[-1].seq})


def cap_lots(supply_lots: int, bps: int) -> int:
    """An ownership cap in lots from one in basis points of the supply, floored."""
    return supply_lots * bps // t.BASIS_POINTS


def _from_row(row: Any) -> Instrument:
    values = dict(row) | {"regime": Regime(row["regime"])}
    countries = row["allowed_countries"]
    return Instrument(**(values | {"allowed_countries": None if countries is None else tuple(countries)}))


def _readable(value: object) -> object:
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    return value.isoformat() if isinstance(value, datetime) else value


def _require_meaning(instrument: Instrument) -> None:
    unknown = [code for code in instrument.allowed_countries or () if code not in COUNTRY_NUMERIC]
    if unknown:
        raise FactError(f"{unknown[0]!r} is not a country of ISO 3166 (two capital letters)")
    if instrument.allowed_countries == ():
        raise FactError("no country is allowed: give at least one, or None for every country")
    if instrument.lock_up_days and instrument.lock_up_starts_at is None:
        raise FactError("a lock-up needs the time from which it runs")
    if not 0 <= instrument.lot_decimals <= instrument.token_decimals <= 18:
        raise FactError("a lot cannot be finer than the token's smallest unit")


async def _require_kept(connection: Any, instrument: Instrument) -> None:
    """The engine keeps what open orders and the chain rest on; so do we, with the size of a lot."""
    row = await connection.fetchrow(
        "SELECT symbol, token, tick_value_usdc_micros, fee_account, token_decimals, lot_decimals FROM instruments"
        " WHERE instrument = $1 AND listed_seq IS NOT NULL",
        instrument.instrument,
    )
    for name, value in () if row is None else row.items():
        if getattr(instrument, name) != value:
            raise FactError(f"{name} of a listed instrument cannot change")
