"""Logs of many blocks, asked for in ranges that a node answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from settlement.chain import Chain, Log

BLOCKS_AT_ONCE: Final = 10_000


async def find_in_ranges(chain: Chain, address: bytes, topics: Sequence[bytes], first: int, last: int) -> list[Log]:
    """`Chain.find_logs` of blocks `first` .. `last`, in order. Raises ChainUnavailable, ChainRefused."""
    found: list[Log] = []
    for start in range(first, last + 1, BLOCKS_AT_ONCE):
        found += await chain.find_logs(address, topics, start, min(start + BLOCKS_AT_ONCE - 1, last))
    return found
