"""An address is 0x and forty hex digits, and nothing else is."""

from __future__ import annotations

import pytest

from api.addresses import address_bytes, unhex

GOOD = "0x" + "aB" * 20


def test_an_address_is_its_twenty_bytes_whatever_the_case() -> None:
    assert address_bytes(GOOD) == address_bytes(GOOD.lower()) == b"\xab" * 20


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0x",
        GOOD[2:],
        GOOD[:-1],
        GOOD + "0",
        GOOD + "\n",
        " " + GOOD,
        "0X" + GOOD[2:],
        "0x" + "٣" * 40,
        "0x" + "g" * 40,
    ],
)
def test_what_is_no_address_is_none(text: str) -> None:
    assert address_bytes(text) is None


def test_bytes_are_read_with_and_without_their_mark() -> None:
    assert unhex("0x00ff") == unhex("00ff") == b"\x00\xff"
    with pytest.raises(ValueError, match="non-hexadecimal"):
        unhex("0x0g")
