"""Instruments: what they are, who may trade them, and the terms that the engine is given."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final

from compliance.audit import record
from compliance.countries import COUNTRY_NUMERIC
from compliance.registry import FactError, facts, queue, require_instrument
from compliance.rules import Regime
from engine import types as t
from persistence.commands import Submit
from persistence.database import Connection, Pool


@dataclass(frozen=True, slots=True)
class Instrument:
    """An instrument as its issuer and the platform define it.

    token               20 bytes, None until it is deployed
    lot_decimals        one lot is 10^-lot_decimals of a token, so 10^(token_decimals - lot_decimals) base units
    allowed_countries   ISO 3166 alpha-2; None: every country
    holder_cap, ownership_cap_lots   0: none
    issuer_wallet       what leaves it is locked up for `lock_up_days` by the token's contracts; None: there is none
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
    issuer_wallet: bytes | None = None
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


class EngineRefusedError(FactError):
    """The engine does not take the terms; `reason` is its own."""

    def __init__(self, text: str, reason: t.Reason) -> None:
        super().__init__(text)
        self.reason = reason


COLUMNS: Final = tuple(column.name for column in fields(Instrument))


_KEPT_ONCE_DEPLOYED: Final = ("symbol", "token")
_KEPT_ONCE_LISTED: Final = (
    *_KEPT_ONCE_DEPLOYED,
    "tick_value_usdc_micros",
    "fee_account",
    "token_decimals",
    "lot_decimals",
)


async def set_instrument(pool: Pool, instrument: Instrument, *, actor: str) -> None:
    """Add an instrument or change it; the engine hears of it with `list_instrument`.

    Raises FactError for what cannot be one, and for a change of what the engine has been told and keeps.
    """
    async with facts(pool) as connection:
        await _put(connection, instrument, actor)


async def add_instrument(connection: Connection, instrument: Instrument, *, actor: str, above: int = 0) -> int:
    """Add an instrument under the next number that nobody has, and that is above `above`; inside `facts`.

    The engine takes numbers without gaps: it lists this one once it has listed those below. Raises FactError.
    """
    if await connection.fetchval("SELECT true FROM instruments WHERE symbol = $1", instrument.symbol):
        raise FactError(f"another instrument has the symbol {instrument.symbol}")
    highest: int = await connection.fetchval("SELECT coalesce(max(instrument), 0) FROM instruments")
    number = max(highest, above) + 1
    await _put(connection, replace(instrument, instrument=number), actor)
    return number


async def withdraw_instrument(connection: Connection, number: int, *, actor: str) -> None:
    """Take back one that the engine does not know, as the engine has another under its number; inside `facts`."""
    await connection.execute("DELETE FROM permission_queue WHERE instrument = $1", number)
    done = await connection.execute("DELETE FROM instruments WHERE instrument = $1 AND listed_seq IS NULL", number)
    if done != "DELETE 1":
        raise FactError(f"instrument {number} is listed, or is none")
    await record(connection, actor, "instrument withdrawn", instrument=number)


async def _put(connection: Connection, instrument: Instrument, actor: str) -> None:
    _require_meaning(instrument)
    values = asdict(instrument) | {"regime": str(instrument.regime)}
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

    Raises FactError if its token is not deployed, EngineRefusedError with the engine's reason.
    """
    instrument = await instrument_by_number(pool, number)
    if instrument.token is None:
        raise FactError(f"{instrument.symbol} has no token yet: deploy it first")
    answers = await submit(terms(instrument))
    for answer in answers:
        if (rejected := answer.rejection()) is not None:
            reason = t.Reason(rejected.reason)
            raise EngineRefusedError(f"the engine refused the terms of {instrument.symbol}: {reason.name}", reason)
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
    return value


def _require_meaning(instrument: Instrument) -> None:
    unknown = [code for code in instrument.allowed_countries or () if code not in COUNTRY_NUMERIC]
    if unknown:
        raise FactError(f"{unknown[0]!r} is not a country of ISO 3166 (two capital letters)")
    if instrument.allowed_countries == ():
        raise FactError("no country is allowed: give at least one, or None for every country")
    if not 0 <= instrument.lot_decimals <= instrument.token_decimals <= 18:
        raise FactError("a lot cannot be finer than the token's smallest unit")


async def _require_kept(connection: Connection, instrument: Instrument) -> None:
    """A number with a token is that token's. The engine keeps what open orders and the chain rest on; so do we, with
    the size of a lot."""
    row = await connection.fetchrow(
        f"SELECT listed_seq, {', '.join(_KEPT_ONCE_LISTED)} FROM instruments"  # noqa: S608
        " WHERE instrument = $1 AND token IS NOT NULL",
        instrument.instrument,
    )
    if row is None:
        return
    is_listed = row["listed_seq"] is not None
    for name in _KEPT_ONCE_LISTED if is_listed else _KEPT_ONCE_DEPLOYED:
        if getattr(instrument, name) != row[name]:
            raise FactError(f"{name} of {'a listed instrument' if is_listed else 'a deployed token'} cannot change")
