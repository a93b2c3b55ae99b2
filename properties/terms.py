"""The terms of a property: the words its manager gives, and the integers that the engine and the chain are given."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec

from api.amounts import text, units, usdc, usdc_micros

Regime = Literal["REG_D_506C", "REG_S", "OPEN"]
Countries = Mapping[str, frozenset[str]]  # ISO 3166 alpha-2 codes in which a property of a regime may be offered

SUPPLY_TOKENS_MAX: Final = 10**12
LOT_DECIMALS_MAX: Final = 12
INT64_MAX: Final = 2**63 - 1
NOTIONAL_USDC_MICROS_MAX: Final = 2**62  # of the dearest order that the limits allow, as the engine has it
BPS: Final = 10_000
FEE_BPS_MAX: Final = 1_000
_SYMBOL: Final = re.compile(r"[A-Z][A-Z0-9]{1,11}", re.ASCII)


class TermsError(Exception):
    """Terms that cannot be: which of them, and a sentence for their manager."""

    def __init__(self, term: str, detail: str) -> None:
        super().__init__(detail)
        self.term = term


class TermsWords(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The terms as they are given and shown; amounts are decimal strings, of whole tokens and of USDC.

    address            of the building
    supply_tokens      whole tokens
    lot_decimals       the smallest quantity that is traded is 10^-this of a token
    allowed_countries  ISO 3166 alpha-2; null: every country in which the regime allows it
    holder_cap         how many may hold it, its issuer included; 0: any number
    ownership_cap_bps  of the supply, for each owner; 0: none
    tick_usdc          the smallest step of a token's price
    order_max_tokens   null: the supply
    """

    name: str
    symbol: str
    address: str
    valuation_usdc: str
    supply_tokens: str
    token_decimals: int = 18
    lot_decimals: int = 2
    regime: Regime = "OPEN"
    allowed_countries: list[str] | None = None
    holder_cap: int = 0
    ownership_cap_bps: int = 0
    lock_up_days: int = 0
    tick_usdc: str = "0.01"
    price_max_usdc: str = "100000"
    order_max_tokens: str | None = None
    order_min_usdc: str = "0"
    maker_fee_bps: int = 5
    taker_fee_bps: int = 10


@dataclass(frozen=True, slots=True)
class Terms:
    """The same as integers; the fields are columns of `properties`."""

    name: str
    symbol: str
    address: str
    valuation_usdc_micros: int
    supply_tokens: int
    token_decimals: int
    lot_decimals: int
    regime: Regime
    allowed_countries: tuple[str, ...] | None
    holder_cap: int
    ownership_cap_bps: int
    lock_up_days: int
    tick_value_usdc_micros: int
    price_ticks_max: int
    qty_lots_max: int
    notional_usdc_micros_min: int
    maker_fee_bps: int
    taker_fee_bps: int

    @property
    def supply_base_units(self) -> int:
        supply: int = self.supply_tokens * 10**self.token_decimals
        return supply

    @property
    def supply_lots(self) -> int:
        supply: int = self.supply_tokens * 10**self.lot_decimals
        return supply

    @property
    def tick_usdc_micros(self) -> int:
        """Of one token."""
        tick: int = self.tick_value_usdc_micros * 10**self.lot_decimals
        return tick


def terms_of(words: TermsWords, countries: Countries) -> Terms:
    """Raises TermsError for the first of the terms that cannot be."""
    token_decimals = _within("token_decimals", words.token_decimals, 0, 18)
    lot_decimals = _within("lot_decimals", words.lot_decimals, 0, min(LOT_DECIMALS_MAX, token_decimals))
    supply_tokens = _amount("supply_tokens", words.supply_tokens, lambda given: units(given, 0))
    _within("supply_tokens", supply_tokens, 1, min(SUPPLY_TOKENS_MAX, INT64_MAX // 10**lot_decimals))
    tick_usdc_micros = _amount("tick_usdc", words.tick_usdc, usdc_micros)
    tick_value_usdc_micros, rest = divmod(tick_usdc_micros, 10**lot_decimals)
    if rest or tick_value_usdc_micros < 1:
        raise TermsError("tick_usdc", "A tick on the smallest quantity must be a whole number of millionths of a USDC.")
    price_max_usdc_micros = _amount("price_max_usdc", words.price_max_usdc, usdc_micros)
    price_ticks_max, rest = divmod(price_max_usdc_micros, tick_usdc_micros)
    if rest or price_ticks_max < 1:
        raise TermsError("price_max_usdc", "The highest price must be a multiple of the tick.")
    order_max = words.supply_tokens if words.order_max_tokens is None else words.order_max_tokens
    qty_lots_max = _amount("order_max_tokens", order_max, lambda given: units(given, lot_decimals))
    _within("order_max_tokens", qty_lots_max, 1, supply_tokens * 10**lot_decimals)
    if price_ticks_max * qty_lots_max * tick_value_usdc_micros > NOTIONAL_USDC_MICROS_MAX:
        raise TermsError("price_max_usdc", "The largest order at the highest price is worth more than can be counted.")
    return Terms(
        name=_line("name", words.name, 100),
        symbol=_symbol(words.symbol),
        address=_line("address", words.address, 300),
        valuation_usdc_micros=_micros("valuation_usdc", words.valuation_usdc, 1),
        supply_tokens=supply_tokens,
        token_decimals=token_decimals,
        lot_decimals=lot_decimals,
        regime=words.regime,
        allowed_countries=_allowed(words.allowed_countries, words.regime, countries),
        holder_cap=_holder_cap(words.holder_cap),
        ownership_cap_bps=_within("ownership_cap_bps", words.ownership_cap_bps, 0, BPS),
        lock_up_days=_within("lock_up_days", words.lock_up_days, 0, 36_500),
        tick_value_usdc_micros=tick_value_usdc_micros,
        price_ticks_max=price_ticks_max,
        qty_lots_max=qty_lots_max,
        notional_usdc_micros_min=_micros("order_min_usdc", words.order_min_usdc, 0),
        maker_fee_bps=_within("maker_fee_bps", words.maker_fee_bps, 0, FEE_BPS_MAX),
        taker_fee_bps=_within("taker_fee_bps", words.taker_fee_bps, 0, FEE_BPS_MAX),
    )


def words_of(terms: Terms) -> TermsWords:
    """The inverse, with nothing left to a default."""
    return TermsWords(
        name=terms.name,
        symbol=terms.symbol,
        address=terms.address,
        valuation_usdc=usdc(terms.valuation_usdc_micros),
        supply_tokens=str(terms.supply_tokens),
        token_decimals=terms.token_decimals,
        lot_decimals=terms.lot_decimals,
        regime=terms.regime,
        allowed_countries=None if terms.allowed_countries is None else list(terms.allowed_countries),
        holder_cap=terms.holder_cap,
        ownership_cap_bps=terms.ownership_cap_bps,
        lock_up_days=terms.lock_up_days,
        tick_usdc=usdc(terms.tick_usdc_micros),
        price_max_usdc=usdc(terms.price_ticks_max * terms.tick_usdc_micros),
        order_max_tokens=text(terms.qty_lots_max, terms.lot_decimals),
        order_min_usdc=usdc(terms.notional_usdc_micros_min),
        maker_fee_bps=terms.maker_fee_bps,
        taker_fee_bps=terms.taker_fee_bps,
    )


def changed(words: TermsWords, changes: Mapping[str, Any]) -> TermsWords:
    """The words with some of them replaced."""
    return msgspec.structs.replace(words, **changes)


def _amount(term: str, given: str, read: Callable[[str], int]) -> int:
    try:
        return read(given)
    except ValueError as error:
        raise TermsError(term, f"{term}: {error}.") from None


def _micros(term: str, given: str, least: int) -> int:
    return _within(term, _amount(term, given, usdc_micros), least, INT64_MAX)


def _within(term: str, value: int, least: int, most: int) -> int:
    if not least <= value <= most:
        raise TermsError(term, f"{term} must be from {least} to {most}.")
    return value


def _line(term: str, given: str, length_max: int) -> str:
    line = given.strip()
    if not line or not line.isprintable() or len(line) > length_max:
        raise TermsError(term, f"{term} must have 1 to {length_max} printable letters.")
    return line


def _symbol(given: str) -> str:
    if not _SYMBOL.fullmatch(given) or given.endswith("USDC"):
        raise TermsError(
            "symbol", "symbol must be 2 to 12 capital letters and digits, such as OAK12, and not end with USDC."
        )
    return given


def _holder_cap(given: int) -> int:
    if given == 1:
        raise TermsError("holder_cap", "holder_cap counts the issuer too: give 0 for none, or at least 2.")
    return _within("holder_cap", given, 0, 2**32 - 1)


def _allowed(given: list[str] | None, regime: Regime, countries: Countries) -> tuple[str, ...] | None:
    if given is None:
        return None
    for code in given:
        if code not in countries[regime]:
            raise TermsError(
                "allowed_countries", f"{code[:8]!r} is no country (ISO 3166, two letters) in which {regime} allows it."
            )
    if not given:
        raise TermsError("allowed_countries", "allowed_countries needs at least one, or null for every country.")
    return tuple(sorted(set(given)))
