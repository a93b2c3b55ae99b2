"""Decimal strings to integers and back, exactly."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.types import INT64_MAX
from gateway.decimals import (
    TEXTS_KEPT,
    DecimalError,
    OffGridError,
    Texts,
    TooLargeError,
    TooPreciseError,
    Units,
    format_units,
    parse_units,
)


@given(units=st.integers(0, INT64_MAX), decimals=st.integers(0, 12))
def test_what_is_written_reads_back(units: int, decimals: int) -> None:
    text = format_units(units, decimals)
    assert Decimal(text) == Decimal(units).scaleb(-decimals)
    if len(text.replace(".", "")) <= 20:
        assert parse_units(text, decimals) == units


@given(text=st.from_regex(r"\A[0-9]{1,10}(\.[0-9]{1,10})?\Z"), decimals=st.integers(0, 8))
def test_the_value_is_exact_or_refused(text: str, decimals: int) -> None:
    exact = Decimal(text).scaleb(decimals)
    if exact == exact.to_integral_value():
        assert parse_units(text, decimals) == exact
    else:
        with pytest.raises(TooPreciseError):
            parse_units(text, decimals)


BAD = [
    "", " ", "1 ", " 1", "+1", "-1", "-0", "1.", ".5", "1..2", "1.2.3", "1e5", "1E5", "1e400", "NaN", "nan", "Infinity",
    "0x10", "1_000", "1,5", "\u0661", "\uff11", "1\u0660", "\u00b2", "1\n", "\t1", "1\0", "123456789012345678901",
    "1.12345678901234567890", "0.00000000000000000000001", "--1", "true", "null", "½",
]  # fmt: skip


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_decimal_is_refused(text: str) -> None:
    with pytest.raises(DecimalError):
        parse_units(text, 8)


@given(st.text())
def test_any_text_is_a_decimal_of_ascii_digits_or_refused(text: str) -> None:
    try:
        parse_units(text, 6)
    except DecimalError:
        return
    assert set(text) <= set("0123456789.")
    assert len(text) <= 21


def test_more_than_64_bits_is_refused() -> None:
    assert parse_units(str(INT64_MAX), 0) == INT64_MAX
    with pytest.raises(TooLargeError):
        parse_units(str(INT64_MAX + 1), 0)
    with pytest.raises(TooLargeError):
        parse_units("99999999999999999999", 0)


@given(ticks=st.integers(0, 10**9), step=st.sampled_from([1, 5, 25, 10, 125]))
def test_a_price_on_the_grid_goes_in_and_out(ticks: int, step: int) -> None:
    texts, units = Texts(4, step), Units(4, step)
    assert units[texts[ticks]] == ticks
    assert units[texts[ticks]] == ticks  # remembered


@given(ticks=st.integers(0, 10**9), off=st.integers(1, 24))
def test_a_price_between_two_ticks_is_refused(ticks: int, off: int) -> None:
    with pytest.raises(OffGridError):
        Units(4, 25)[format_units(ticks * 25 + off, 4)]


def test_the_tables_are_bounded() -> None:
    texts, units = Texts(2), Units(2)
    for count in range(TEXTS_KEPT + 10):
        assert texts[count] == format_units(count, 2)
        assert units[format_units(count, 2)] == count
    assert len(texts) <= TEXTS_KEPT
    assert len(units) <= TEXTS_KEPT


def test_a_negative_change_is_written_with_its_sign() -> None:
    assert format_units(-5, 2) == "-0.05"
    assert Texts(6)[-1_500_000] == "-1.500000"
