"""Decimal strings to integers and back, exactly: the only place where an outside number becomes an inside one.

A decimal is what the order API takes: ASCII digits with at most one point between them, at most 20 digits. No sign, no
exponent, no spaces, no NaN; a number off the grid is refused, never rounded.
"""

from __future__ import annotations

import re
from typing import Final

from engine.types import INT64_MAX

DIGITS_MAX: Final = 20
TEXTS_KEPT: Final = 20_000  # by table; then it starts afresh, so that a stranger's numbers cannot fill the memory
_DECIMAL: Final = re.compile(r"([0-9]{1,20})(?:\.([0-9]{1,20}))?").fullmatch


class DecimalError(ValueError):
    """The text is no decimal of ours."""


class TooPreciseError(DecimalError):
    """A decimal with more digits after the point than the quantity has."""


class OffGridError(DecimalError):
    """A decimal between two steps."""


class TooLargeError(DecimalError):
    """A decimal beyond what a 64-bit integer of its unit holds."""


def parse_units(text: str, decimals: int) -> int:
    """The whole number of units of 10**-decimals in the text; DecimalError where there is none."""
    match = _DECIMAL(text)
    if match is None:
        raise DecimalError("not a decimal")
    whole, fraction = match[1], match[2] or ""
    if len(whole) + len(fraction) > DIGITS_MAX:
        raise DecimalError("more than 20 digits")
    fraction = fraction.rstrip("0")
    if len(fraction) > decimals:
        raise TooPreciseError(f"more than {decimals} digits after the point")
    units = int(whole + fraction.ljust(decimals, "0"))
    if units > INT64_MAX:
        raise TooLargeError("too large")
    return units


def format_units(units: int, decimals: int) -> str:
    """Units of 10**-decimals as a decimal string with all its digits."""
    if decimals == 0:
        return str(units)
    sign = "-" if units < 0 else ""
    digits = str(abs(units)).rjust(decimals + 1, "0")
    return f"{sign}{digits[:-decimals]}.{digits[-decimals:]}"


class Texts(dict[int, str]):
    """Multiples of a step as decimal strings, remembered: `texts[n]` is n * step units of 10**-decimals."""

    def __init__(self, decimals: int, step_units: int = 1) -> None:
        super().__init__()
        self.decimals = decimals
        self.step_units = step_units
        self._scale = 10**decimals
        self._form = f"%d.%0{decimals}d"

    def __missing__(self, count: int) -> str:
        if len(self) >= TEXTS_KEPT:
            self.clear()
        units = count * self.step_units
        if units < 0 or not self.decimals:
            text = format_units(units, self.decimals)
        else:
            text = self._form % divmod(units, self._scale)
        self[count] = text
        return text


class Units(dict[str, int]):
    """The reverse: the number of steps in a decimal string, remembered; DecimalError where there is none."""

    def __init__(self, decimals: int, step_units: int = 1) -> None:
        super().__init__()
        self.decimals = decimals
        self.step_units = step_units

    def __missing__(self, text: str) -> int:
        count, rest = divmod(parse_units(text, self.decimals), self.step_units)
        if rest:
            raise OffGridError(f"not a multiple of {format_units(self.step_units, self.decimals)}")
        if len(self) >= TEXTS_KEPT:
            self.clear()
        self[text] = count
        return count
