"""Addresses and other bytes as JSON has them: 0x and hex digits."""

from __future__ import annotations

import re
from typing import Annotated, Final

from msgspec import Meta

ADDRESS_BYTES: Final = 20
Address = Annotated[str, Meta(pattern="^0x[0-9a-fA-F]{40}$", max_length=42, description="of a wallet")]
_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}", re.ASCII)


def address_bytes(text: str) -> bytes | None:
    """The 20 bytes of what a person wrote; None if that is no address."""
    return bytes.fromhex(text[2:]) if _ADDRESS.fullmatch(text) else None


def unhex(text: str) -> bytes:
    """Of what a program wrote. Raises ValueError for what is not hex digits, with 0x or without."""
    return bytes.fromhex(text.removeprefix("0x"))
