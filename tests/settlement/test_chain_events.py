"""What logs mean to the engine: lots, causes, positions."""

from __future__ import annotations

from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from engine import types as t
from engine.types import LevelCause
from settlement.chain import Log
from settlement.chain_events import (
    BATCH_SETTLED,
    CASH_CHANGED,
    CASH_MIGRATED,
    LOCK_CHANGED,
    NOBODY,
    TRANSFER,
    Meaning,
    Reader,
    Settled,
    chain_log_index,
    engine_log_index,
)
from settlement.simulation import Addresses
from settlement.trades import Instrument, Token, Wallet

BRIDGE, VAULT, LOCKER = b"\x01" * 20, b"\x02" * 20, b"\x03" * 20
TOKEN, LOT = Token(b"\x11" * 20), 1_000
ALICE, BOB, CAROL = Wallet(b"\xaa" * 20), Wallet(b"\xbb" * 20), Wallet(b"\xcc" * 20)
READER = Reader(Addresses(BRIDGE, VAULT, LOCKER), {1: Instrument(1, TOKEN, 1, 10_000, LOT)})


def word(value: bytes | int) -> bytes:
    return value.rjust(32, b"\0") if isinstance(value, bytes) else value.to_bytes(32, "big")


def log(address: bytes, topics: list[bytes], data: bytes = b"", index: int = 0, transaction: int = 1) -> Log:
    return Log(address, tuple(topics), data, 7, b"\x07" * 32, index, word(transaction))


def transfer(sender: Wallet, receiver: Wallet, qty: int, index: int = 0, transaction: int = 1) -> Log:
    return log(TOKEN, [TRANSFER, word(sender), word(receiver)], word(qty), index, transaction)


def lock_changed(delta: int, locked: int, requested: int, token: bytes = TOKEN) -> Log:
    data = encode(["int256", "uint256", "uint256"], [delta, locked, requested])
    return log(LOCKER, [LOCK_CHANGED, word(token), word(ALICE)], data)


def cash_changed(delta: int, balance: int, requested: int) -> Log:
    return log(
        VAULT, [CASH_CHANGED, word(ALICE)], encode(["int256", "uint256", "uint256"], [delta, balance, requested])
    )


def read(*logs: Log, balances: dict[tuple[Token, Wallet], int] | None = None) -> list[Meaning]:
    return list(READER.read(logs, balances or {}))


def test_cash_is_micros_as_they_are_with_what_caused_it() -> None:
    causes = {
        (5, 105, 0): LevelCause.DEPOSIT,
        (-5, 95, 0): LevelCause.WITHDRAWN,
        (0, 100, 40): LevelCause.WITHDRAW_REQUESTED,
        (0, 100, 0): LevelCause.WITHDRAW_CANCELLED,
    }
    for (delta, balance, requested), cause in causes.items():
        (level,) = read(cash_changed(delta, balance, requested))
        assert level == t.LevelChanged(t.USDC, delta, balance, requested, 7, 0, cause, ALICE, word(1))


@given(st.integers(0, 10**9), st.lists(st.integers(-(10**6), 10**6), max_size=20))
def test_locks_in_lots_always_add_up_whatever_dust_there_is(locked: int, deltas: list[int]) -> None:
    level = locked // LOT
    for delta in deltas:
        delta = max(delta, -locked)
        locked += delta
        (change,) = read(lock_changed(delta, locked, locked // 3))
        assert isinstance(change, t.LevelChanged)
        level += change.delta
        assert change.level == level == locked // LOT
        assert change.requested <= change.level


def test_a_lock_of_a_token_that_is_not_listed_is_nothing_to_us() -> None:
    assert read(lock_changed(5, 5, 0, token=b"\x99" * 20)) == []


def test_a_transfer_is_two_positions_in_order() -> None:
    moved = transfer(ALICE, BOB, 2_500, index=4)
    # Before it Alice had 10,000 base units and Bob 600: 2,500 move.
    changes = read(moved, balances={(TOKEN, ALICE): 7_500, (TOKEN, BOB): 3_100})
    assert changes == [
        t.PositionChanged(1, -3, 7, 7, engine_log_index(4, 0), ALICE),
        t.PositionChanged(1, 3, 3, 7, engine_log_index(4, 1), BOB),
    ]


def test_mints_and_burns_have_one_end() -> None:
    assert READER.parties([transfer(NOBODY, ALICE, 5_000)]) == {(TOKEN, ALICE)}
    (minted,) = read(transfer(NOBODY, ALICE, 5_000), balances={(TOKEN, ALICE): 5_000})
    assert minted == t.PositionChanged(1, 5, 5, 7, engine_log_index(0, 1), ALICE)
    (burned,) = read(transfer(ALICE, NOBODY, 5_000), balances={(TOKEN, ALICE): 0})
    assert burned == t.PositionChanged(1, -5, 0, 7, engine_log_index(0, 0), ALICE)


def settlement(index: int, transaction: int) -> Log:
    data = word(50) + b"\x05" * 32 + b"\x06" * 32
    return log(BRIDGE, [BATCH_SETTLED, word(3), word(9)], data, index, transaction)


def test_a_settlement_stands_for_all_logs_of_its_transaction() -> None:
    logs = [transfer(ALICE, BOB, 1_000, 0, 2), transfer(BOB, CAROL, 4_000, 1, 2), settlement(2, 2)]
    assert READER.parties(logs) == set()
    assert read(*logs) == [Settled(3, 9, 50, b"\x05" * 32, b"\x06" * 32, 7, engine_log_index(2), word(2))]


def test_what_a_settlement_moved_counts_for_the_positions_after_it() -> None:
    logs = [transfer(ALICE, BOB, 1_000, 0, 2), settlement(1, 2), transfer(ALICE, CAROL, 500, 2, 3)]
    assert READER.parties(logs) == {(TOKEN, ALICE), (TOKEN, CAROL)}
    found = read(*logs, balances={(TOKEN, ALICE): 8_500, (TOKEN, CAROL): 1_000})
    assert found[1:] == [
        t.PositionChanged(1, -1, 8, 7, engine_log_index(2, 0), ALICE),  # 9,000 after the settlement, 8,500 now
        t.PositionChanged(1, 1, 1, 7, engine_log_index(2, 1), CAROL),
    ]


@given(st.integers(0, 10_000), st.integers(0, 1))
def test_positions_of_logs_keep_their_order_and_come_back(log_index: int, part: int) -> None:
    assert chain_log_index(engine_log_index(log_index, part)) == log_index
    assert engine_log_index(log_index, 1) < engine_log_index(log_index + 1, 0)


def test_events_of_other_contracts_are_not_believed() -> None:
    forged = log(CAROL, [BATCH_SETTLED, word(3), word(9)], word(50) + bytes(64))
    faked = log(CAROL, [CASH_CHANGED, word(ALICE)], encode(["int256", "uint256", "uint256"], [5, 5, 0]))
    assert read(forged, faked) == []


def moved(holder: Wallet, delta: int, locked: int, requested: int, index: int, transaction: int = 1) -> Log:
    data = encode(["int256", "uint256", "uint256"], [delta, locked, requested])
    return log(LOCKER, [LOCK_CHANGED, word(TOKEN), word(holder)], data, index, transaction)


def test_a_lock_that_is_carried_over_is_one_command() -> None:
    logs = [moved(ALICE, -5_500, 0, 0, index=3), moved(BOB, 5_500, 6_200, 1_000, index=4)]
    empty = {(TOKEN, ALICE): 0}
    assert READER.parties(logs) == {(TOKEN, ALICE)}
    assert read(*logs, balances=empty) == [
        t.MigrateWallet(1, 5, 6, 6, 1, 7, engine_log_index(4), ALICE, BOB)  # 0.7 lots and 5.5 are 6.2
    ]
    nothing = [moved(ALICE, 0, 0, 0, index=3), moved(BOB, 0, 0, 0, index=4)]
    assert [type(each) for each in read(*nothing, balances=empty)] == [t.MigrateWallet]


def test_cash_that_is_carried_over_is_one_command() -> None:
    data = encode(["uint256", "uint256", "uint256"], [70, 100, 40])
    topics = [CASH_MIGRATED, word(ALICE), word(BOB)]
    assert read(log(VAULT, topics, data, 3)) == [
        t.MigrateWallet(t.USDC, 70, 70, 100, 40, 7, engine_log_index(3), ALICE, BOB)
    ]
    assert read(log(CAROL, topics, data, 3)) == []


def test_two_locks_that_change_are_two_commands_where_nothing_was_carried_over() -> None:
    gone, here = moved(ALICE, -5_000, 0, 0, index=3), moved(BOB, 5_000, 5_000, 0, index=4)
    levels = [t.LevelChanged, t.LevelChanged]
    assert [type(each) for each in read(gone, here, balances={(TOKEN, ALICE): 1})] == levels  # it was not emptied
    for other in (
        moved(BOB, 5_000, 5_000, 0, index=5),
        moved(BOB, 5_000, 5_000, 0, index=4, transaction=2),
        moved(BOB, 4_000, 4_000, 0, index=4),
        moved(ALICE, 5_000, 5_000, 0, index=4),
    ):
        assert [type(each) for each in read(gone, other, balances={(TOKEN, ALICE): 0})] == levels
