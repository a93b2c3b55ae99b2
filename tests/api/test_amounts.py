import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import amounts


@given(st.integers(0, 10**40), st.integers(0, 18))
def test_what_is_written_is_read_again(amount: int, decimals: int) -> None:
    assert amounts.units(amounts.text(amount, decimals), decimals) == amount


@given(st.integers(-(10**12), 10**12))
def test_dollars_have_two_decimals(amount_cents: int) -> None:
    written = amounts.usd(amount_cents)
    whole, fraction = written.lstrip("-").split(".")
    assert len(fraction) == 2
    assert int(whole) * 100 + int(fraction) == abs(amount_cents)
    assert written.startswith("-") == (amount_cents < 0)


@pytest.mark.parametrize(
    ("text", "decimals", "amount"),
    [("12.5", 6, 12_500_000), ("0", 6, 0), ("007", 0, 7), ("1.50", 1, 15), ("1.000", 0, 1), ("0.000001", 6, 1)],
)
def test_decimals_are_exact(text: str, decimals: int, amount: int) -> None:
    assert amounts.units(text, decimals) == amount


@pytest.mark.parametrize(
    "text",
    ["", "-1", "+1", "1e3", "1.", ".5", "NaN", "Infinity", "1,5", " 1", "1 ", "0x10", "1_000", "\u0661", "9" * 61],
)
def test_what_is_no_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="decimal number"):
        amounts.units(text, 6)


def test_what_is_finer_than_the_unit_is_refused_and_never_rounded() -> None:
    with pytest.raises(ValueError, match="more than 6 decimals"):
        amounts.usdc_micros("0.0000001")
