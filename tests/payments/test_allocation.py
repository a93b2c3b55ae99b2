"""The split of a pool, and the list that two people approve."""

from fractions import Fraction
from hashlib import sha256

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from payments.allocation import (
    END,
    Allocation,
    Entry,
    Line,
    NobodyHolds,
    approval_payload,
    dividend_chunks,
    exit_chunks,
    heads,
    list_hash,
    split_whole,
    split_with_dust,
)

A, B, C = (bytes([number]) * 20 for number in (1, 2, 3))
WALLETS = st.binary(min_size=20, max_size=20)
ENTRIES = st.dictionaries(WALLETS, st.integers(1, 10**24), min_size=1, max_size=30).map(lambda held: list(held.items()))
POOLS = st.integers(0, 10**15)


def test_shares_are_floored_and_the_dust_is_named() -> None:
    split = split_with_dust(100, [(C, 1), (A, 1), (B, 1)])
    assert split == Allocation(100, 1, (Line(A, 1, 33), Line(B, 1, 33), Line(C, 1, 33)))


def test_who_would_get_nothing_is_not_paid() -> None:
    split = split_with_dust(10, [(A, 1), (B, 999)])
    assert split.lines == (Line(B, 999, 9),)
    assert split.dust_usdc_micros == 1


def test_the_remainder_goes_to_the_largest_remainders_then_holdings_then_wallets() -> None:
    assert split_whole(100, [(A, 1), (B, 1), (C, 1)]).lines == (Line(A, 1, 34), Line(B, 1, 33), Line(C, 1, 33))
    assert split_whole(10, [(A, 1), (B, 2), (C, 3)]).lines == (Line(A, 1, 2), Line(B, 2, 3), Line(C, 3, 5))


@pytest.mark.parametrize("split", [split_with_dust, split_whole])
def test_nobody_to_pay_is_an_error(split: object) -> None:
    with pytest.raises(NobodyHolds):
        split(100, [])  # type: ignore[operator]


@given(POOLS, ENTRIES)
def test_what_is_paid_and_the_dust_make_the_pool(pool: int, entries: list[Entry]) -> None:
    split = split_with_dust(pool, entries)
    assert sum(line.usdc_micros for line in split.lines) + split.dust_usdc_micros == pool
    assert 0 <= split.dust_usdc_micros < len(entries)
    whole = sum(units for _, units in entries)
    paid = {line.wallet: line.usdc_micros for line in split.lines}
    for wallet, units in entries:
        exact = Fraction(pool * units, whole)
        assert exact - 1 < paid.get(wallet, 0) <= exact


@given(POOLS, ENTRIES)
def test_an_exit_pays_the_pool_whole_and_nobody_a_micro_too_few(pool: int, entries: list[Entry]) -> None:
    split = split_whole(pool, entries)
    assert sum(line.usdc_micros for line in split.lines) == pool
    assert split.dust_usdc_micros == 0
    whole = sum(units for _, units in entries)
    paid = {line.wallet: line.usdc_micros for line in split.lines}
    assert all(abs(paid.get(wallet, 0) - Fraction(pool * units, whole)) < 1 for wallet, units in entries)


@given(POOLS, ENTRIES)
def test_the_order_of_the_entries_changes_nothing(pool: int, entries: list[Entry]) -> None:
    assert split_whole(pool, entries) == split_whole(pool, reversed(entries))
    assert split_with_dust(pool, entries) == split_with_dust(pool, reversed(entries))


@given(st.lists(st.tuples(WALLETS, st.integers(0, 2**96 - 1)), max_size=20), st.integers(1, 7))
def test_every_chunk_is_bound_to_those_after_it(payments: list[tuple[bytes, int]], size: int) -> None:
    lines = [Line(wallet, 7, micros) for wallet, micros in payments]
    chunks = dividend_chunks(lines, size)
    words = [word for chunk in chunks for word in chunk]
    assert [(word.to_bytes(32, "big")[12:], word >> 160) for word in words] == payments
    assert all(0 < len(chunk) <= size for chunk in chunks)
    chain = heads(chunks)
    assert chain[-1] == END
    for chunk, head, following in zip(chunks, chain[:-1], chain[1:], strict=True):
        assert head == keccak(encode(["uint256[]", "bytes32"], [chunk, following]))


def test_a_chunk_of_an_exit_says_what_to_burn() -> None:
    lines = [Line(A, 5, 3), Line(B, 6, 0), Line(C, 7, 9)]
    a, b, c = (int.from_bytes(wallet, "big") for wallet in (A, B, C))
    assert exit_chunks(lines, 2) == ((3 << 160 | a, 5, b, 6), (9 << 160 | c, 7))


def test_who_gets_nothing_of_an_exit_is_burned_too() -> None:
    assert split_whole(1, [(A, 1), (B, 99)]).lines == (Line(A, 1, 0), Line(B, 99, 1))


def test_the_payload_names_the_whole_list() -> None:
    split = split_with_dust(100, [(A, 1), (B, 2)])
    head = heads(dividend_chunks(split.lines))[0]
    payload = approval_payload({"dividend_id": "d", "record_seq": 7}, split, head)
    text = f"0x{A.hex()},1,33\n0x{B.hex()},2,66\n"
    assert payload == {
        "dividend_id": "d",
        "record_seq": 7,
        "pool_usdc_micros": 100,
        "dust_usdc_micros": 1,
        "holders": 2,
        "head": f"0x{head.hex()}",
        "list_sha256": sha256(text.encode()).hexdigest(),
    }
    other = Allocation(100, 1, (Line(A, 1, 34), Line(B, 2, 65)))
    assert list_hash(other.lines) != list_hash(split.lines)
    assert heads(dividend_chunks(other.lines))[0] != head
