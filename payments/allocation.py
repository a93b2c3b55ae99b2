"""How a pool of USDC is split by holding, and the list of payments that two people approve. Pure: integers only.

The words and their chain of hashes are those of contracts/src/ChunkedPayout.sol.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from eth_abi.abi import encode
from eth_utils.crypto import keccak

# What one transaction of 16,777,216 gas does surely, with a third to spare for a dearer USDC than the local one: for
# wallets that have none yet a dividend takes 31,500 gas, an exit 94,000 with one lot of a lock-up (locked tokens, three
# compliance modules), and 280,000 with as many as a wallet may have.
DIVIDEND_CHUNK_HOLDERS: Final = 300
EXIT_CHUNK_HOLDERS: Final = 40
END: Final = bytes(32)  # the hash after the last chunk
_ADDRESS_BITS: Final = 160

Entry = tuple[bytes, int]  # a wallet of 20 bytes, and its holding in base units >= 1
Words = tuple[int, ...]  # of one chunk, as the contract takes them


class NobodyHolds(ValueError):  # noqa: N818 - what the user is told
    """There is nobody to pay."""


@dataclass(frozen=True, slots=True)
class Line:
    """What one wallet gets for its holding, and why."""

    wallet: bytes
    base_units: int
    usdc_micros: int


@dataclass(frozen=True, slots=True)
class Allocation:
    """`lines` are sorted by wallet; what they pay and the dust make exactly the pool."""

    pool_usdc_micros: int
    dust_usdc_micros: int
    lines: tuple[Line, ...]

    def __post_init__(self) -> None:
        assert self.total_usdc_micros + self.dust_usdc_micros == self.pool_usdc_micros
        assert all(one.wallet < other.wallet for one, other in zip(self.lines, self.lines[1:], strict=False))

    @property
    def total_usdc_micros(self) -> int:
        return sum(line.usdc_micros for line in self.lines)


def split_with_dust(pool_usdc_micros: int, entries: Iterable[Entry]) -> Allocation:
    """Each holder's share floored to the micro; what flooring leaves is dust, less than one micro a holder. Who would
    get nothing has no line.

    Raises NobodyHolds.
    """
    lines = tuple(line for line in _floored(pool_usdc_micros, entries) if line.usdc_micros)
    return Allocation(pool_usdc_micros, pool_usdc_micros - sum(line.usdc_micros for line in lines), lines)


def split_whole(pool_usdc_micros: int, entries: Iterable[Entry]) -> Allocation:
    """The whole pool: floored shares, then one micro each, by the largest remainder first, where remainders are equal
    by the larger holding, then by the lower wallet: anybody can do it again. No dust. Who gets nothing has a line too,
    as their tokens are burned like all others. Raises NobodyHolds.
    """
    floored = _floored(pool_usdc_micros, entries)
    whole = sum(line.base_units for line in floored)
    left = pool_usdc_micros - sum(line.usdc_micros for line in floored)
    ranked = sorted(
        floored,
        key=lambda line: (-(pool_usdc_micros * line.base_units % whole), -line.base_units, line.wallet),
    )
    lucky = {line.wallet for line in ranked[:left]}
    lines = tuple(Line(line.wallet, line.base_units, line.usdc_micros + (line.wallet in lucky)) for line in floored)
    return Allocation(pool_usdc_micros, 0, lines)


def dividend_chunks(lines: Sequence[Line], holders: int = DIVIDEND_CHUNK_HOLDERS) -> tuple[Words, ...]:
    """The lines in order, one word each: micros << 160 | wallet."""
    return tuple(tuple(map(_payment_word, chunk)) for chunk in chunked(lines, holders))


def exit_chunks(lines: Sequence[Line], holders: int = EXIT_CHUNK_HOLDERS) -> tuple[Words, ...]:
    """The lines in order, two words each: micros << 160 | wallet, then the base units to burn."""
    return tuple(
        tuple(word for line in chunk for word in (_payment_word(line), line.base_units))
        for chunk in chunked(lines, holders)
    )


def chunked(lines: Sequence[Line], holders: int) -> tuple[tuple[Line, ...], ...]:
    """The lines in order, at most `holders` a chunk."""
    assert holders >= 1
    return tuple(tuple(lines[start : start + holders]) for start in range(0, len(lines), holders))


def heads(chunks: Sequence[Words]) -> tuple[bytes, ...]:
    """The reverse hash chain h_0 .. h_n: h_n is END, h_i = keccak256(abi.encode(words_i, h_(i+1))). h_0 names all."""
    found = [END]
    for words in reversed(chunks):
        found.append(keccak(encode(["uint256[]", "bytes32"], [words, found[-1]])))
    return tuple(reversed(found))


def list_hash(lines: Iterable[Line]) -> bytes:
    """sha256 of the whole list as text, one `0xwallet,base units,micros` a line, so that a person can check a file."""
    rows = (f"0x{line.wallet.hex()},{line.base_units},{line.usdc_micros}\n" for line in lines)
    return sha256("".join(rows).encode()).digest()


def approval_payload(terms: Mapping[str, Any], allocation: Allocation, head: bytes) -> dict[str, Any]:
    """What two people approve, as JSON: what it pays, and the hashes that stand for every line.

    terms  which payout it is, and what its numbers come from: token, record date or snapshot, charges
    head   h_0 of its chunks
    """
    return {
        **terms,
        "pool_usdc_micros": allocation.pool_usdc_micros,
        "dust_usdc_micros": allocation.dust_usdc_micros,
        "holders": len(allocation.lines),
        "head": f"0x{head.hex()}",
        "list_sha256": list_hash(allocation.lines).hex(),
    }


def _floored(pool_usdc_micros: int, entries: Iterable[Entry]) -> list[Line]:
    assert pool_usdc_micros >= 0
    holders = sorted(entries)
    assert all(units >= 1 for _, units in holders)
    whole = sum(units for _, units in holders)
    if not whole:
        raise NobodyHolds("nobody holds this token")
    return [Line(wallet, units, pool_usdc_micros * units // whole) for wallet, units in holders]


def _payment_word(line: Line) -> int:
    return line.usdc_micros << _ADDRESS_BITS | int.from_bytes(line.wallet, "big")
