"""Money and quantities in JSON are decimal strings, and integers inside: converted exactly, in one place."""

import re
from typing import Final

USDC_DECIMALS: Final = 6
USD_DECIMALS: Final = 2
DIGITS_MAX: Final = 60
_NUMBER: Final = re.compile(r"([0-9]{1,60})(?:\.([0-9]{1,60}))?", re.ASCII)


def units(text: str, decimals: int) -> int:
    """ "12.5" with 6 decimals is 12_500_000. Raises ValueError for what is no plain decimal, or finer than that."""
    match = _NUMBER.fullmatch(text)
    if match is None or len(text) > DIGITS_MAX:
        raise ValueError(f"{text[:DIGITS_MAX]!r} is not a decimal number such as 12.50")
    whole, fraction = match[1], (match[2] or "").rstrip("0")
    if len(fraction) > decimals:
        raise ValueError(f"{text} has more than {decimals} decimals")
    return int(whole + fraction.ljust(decimals, "0"))


def text(amount: int, decimals: int) -> str:
    """The inverse, without trailing zeros."""
    sign, digits = ("-" if amount < 0 else ""), str(abs(amount)).rjust(decimals + 1, "0")
    whole, fraction = digits[: len(digits) - decimals], digits[len(digits) - decimals :].rstrip("0")
    return f"{sign}{whole}{'.' if fraction else ''}{fraction}"


def usdc_micros(amount: str) -> int:
    """Raises ValueError as `units`."""
    return units(amount, USDC_DECIMALS)


def usdc(amount_micros: int) -> str:
    return text(amount_micros, USDC_DECIMALS)


def usd_cents(amount: str) -> int:
    """Raises ValueError as `units`."""
    return units(amount, USD_DECIMALS)


def usd(amount_cents: int) -> str:
    """Always with two decimals, as dollars are written."""
    sign, digits = ("-" if amount_cents < 0 else ""), str(abs(amount_cents)).rjust(USD_DECIMALS + 1, "0")
    return f"{sign}{digits[:-USD_DECIMALS]}.{digits[-USD_DECIMALS:]}"
