"""Websocket frames as a server sends them: whole and unmasked. Source: RFC 6455."""

from __future__ import annotations

from typing import Final


def _header(length: int) -> bytes:
    if length < 126:
        return bytes((0x81, length))
    if length < 65_536:
        return b"\x81\x7e" + length.to_bytes(2, "big")
    return b"\x81\x7f" + length.to_bytes(8, "big")


HEADERS_KEPT: Final = 2_048
_HEADERS: Final = tuple(map(_header, range(HEADERS_KEPT)))  # of the usual lengths


def text_frame(payload: bytes) -> bytes:
    """A whole unmasked text frame."""
    length = len(payload)
    return (_HEADERS[length] if length < HEADERS_KEPT else _header(length)) + payload
