"""The engine and the oracle give the same events, whatever comes; and only the commands decide what they are."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from engine import types as t
from engine.exchange import Exchange
from engine.types import EventKind, Reason, Side
from engine.wire import EVENT
from tests.engine.generator import Generator
from tests.engine.market import Pair
from tests.engine.oracle_closing import INDICATIVE_DELAY_NS

SEEDS = 200
SEEDS_AT_ONCE = 20
COMMANDS = 500
ROOT = Path(__file__).parents[2]


def played(seed: int, commands: int = COMMANDS) -> Pair:
    """A market after that many random commands, each compared and checked."""
    pair = Pair()
    generator = Generator(seed, pair.oracle)
    for command in generator.setup():
        pair.apply(command)
    for _ in range(commands):
        pair.time_ns += generator.time_step_ns()
        pair.apply(generator.command())
    pair.check_state()
    return pair


@cache
def recorded(seed: int) -> tuple[tuple[bytes, ...], tuple[bytes, ...], bytes]:
    """Commands, their events, and the final state hash."""
    pair = played(seed)
    return tuple(pair.commands), tuple(pair.events), pair.engine.state_hash()


@pytest.mark.parametrize("first_seed", range(0, SEEDS, SEEDS_AT_ONCE))
def test_random_markets_agree(first_seed: int) -> None:
    for seed in range(first_seed, first_seed + SEEDS_AT_ONCE):
        try:
            played(seed)
        except Exception as error:
            error.add_note(f"again: played({seed})")
            raise


def test_the_random_markets_reach_every_event_and_every_reason() -> None:
    """A generator that no longer gets somewhere tests nothing there."""
    kinds: Counter[int] = Counter()
    reasons: Counter[int] = Counter()
    for seed in range(SEEDS_AT_ONCE):
        for events in recorded(seed)[1]:
            for row in EVENT.iter_unpack(events):
                kinds[row[1]] += 1
                reasons[row[2]] += 1
    assert set(kinds) == set(EventKind)
    on_chain = {reason for reason in Reason if reason >= Reason.SELLER_NOT_VERIFIED}
    assert set(Reason) - on_chain <= set(reasons)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("size", [2, 7, 10_000])
def test_how_commands_are_batched_does_not_matter(seed: int, size: int) -> None:
    commands, events, state_hash = recorded(seed)
    engine = Exchange()
    answers = [engine.apply(b"".join(commands[at : at + size])) for at in range(0, len(commands), size)]
    assert b"".join(answers) == b"".join(events)
    assert engine.state_hash() == state_hash


def test_any_buffer_of_records_will_do() -> None:
    commands, events, _ = recorded(1)
    joined = b"".join(commands)
    assert Exchange().apply(bytearray(joined)) == Exchange().apply(memoryview(joined)) == b"".join(events)
    assert Exchange().apply(b"") == b""


@pytest.mark.parametrize("seed", range(4, 10))
def test_a_restored_engine_goes_on_where_the_other_stopped(seed: int) -> None:
    commands, events, state_hash = recorded(seed)
    random = Random(seed)
    engine = Exchange()
    for at, command in enumerate(commands):
        if random.random() < 0.1:
            image = engine.snapshot()
            engine = Exchange.restore(image)
            assert engine.snapshot() == image
        assert engine.apply(command) == events[at], f"seq {at + 1}"
    assert engine.state_hash() == state_hash


def test_the_state_hash_tells_every_two_states_apart() -> None:
    commands, _, _ = recorded(11)
    engine, hashes = Exchange(), []
    for command in commands:
        engine.apply(command)
        hashes.append(engine.state_hash())
    assert len(set(hashes)) == len(commands)  # seq alone differs; and the same again gives the same
    again = Exchange()
    again.apply(b"".join(commands))
    assert again.state_hash() == hashes[-1]


@pytest.mark.parametrize("hash_seed", ["0", "1", "4242"])
def test_the_hash_seed_of_the_interpreter_does_not_matter(hash_seed: str, tmp_path: Path) -> None:
    commands, events, state_hash = recorded(12)
    (tmp_path / "commands").write_bytes(b"".join(commands))
    program = (
        "import hashlib, pathlib, sys\n"
        "from engine.exchange import Exchange\n"
        "engine = Exchange()\n"
        "events = engine.apply(pathlib.Path(sys.argv[1]).read_bytes())\n"
        "print(hashlib.sha256(events).hexdigest(), engine.state_hash().hex())\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "commands")],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.split() == [hashlib.sha256(b"".join(events)).hexdigest(), state_hash.hex()]


ACCOUNTS = st.integers(0, 5)
INSTRUMENTS = st.sampled_from([1, 1, 1, 1, 2, 0])
PRICES = st.integers(0, 6)
QTYS = st.integers(0, 5)
CLIENT_IDS = st.sampled_from([b"", b"", b"a", b"b"])
ORDER_IDS = st.integers(0, 12)
WALLETS = [bytes([number]) * 20 for number in range(1, 5)]
ANY_INT64 = st.integers(-(2**63), 2**63 - 1)
ORDERS = st.builds(
    t.Place,
    account=ACCOUNTS,
    instrument=INSTRUMENTS,
    side=st.sampled_from(Side),
    order_type=st.sampled_from([1, 1, 1, 2, 3, 4, 5, 6, 7]),
    time_in_force=st.sampled_from([1, 1, 2, 3, 4]),
    price_ticks=PRICES,
    qty_lots=QTYS,
    quote_usdc_micros=st.sampled_from([0, 0, 0, 5, 20]),
    expire_time_ns=st.sampled_from([0, 0, 0, 5, 50]),
    self_trade=st.integers(0, 3),
    client_order_id=CLIENT_IDS,
    stop_ticks=st.sampled_from([0, 2, 3, 4]),
    display_lots=st.sampled_from([0, 0, 1, 2]),
).map(
    lambda order: (
        replace(order, display_lots=0) if order.order_type >= t.OrderType.STOP_LOSS else replace(order, stop_ticks=0)
    )
)
ANY_ORDERS = st.builds(
    t.Place,
    account=st.integers(0, 2**32 - 1) | ACCOUNTS,
    instrument=st.integers(0, 2**16 - 1) | INSTRUMENTS,
    side=st.integers(0, 255),
    order_type=st.integers(0, 255) | st.integers(1, 7),
    time_in_force=st.integers(0, 255) | st.integers(1, 4),
    price_ticks=ANY_INT64,
    qty_lots=ANY_INT64,
    quote_usdc_micros=ANY_INT64,
    expire_time_ns=ANY_INT64,
    self_trade=st.integers(0, 255),
    client_order_id=st.binary(max_size=36),
    stop_ticks=ANY_INT64,
    display_lots=ANY_INT64 | st.just(0),
)


class EngineAgreesWithOracle(RuleBasedStateMachine):
    """The same as the seeded markets, for hypothesis to shrink: a failure here is a short story."""

    @initialize(fees=st.sampled_from([(0, 0), (10, 30), (1_000, 0)]), resale=st.integers(0, 1), cap=st.integers(0, 9))
    def open_market(self, fees: tuple[int, int], resale: int, cap: int) -> None:
        self.pair = Pair()
        for owner, wallet in zip((1, 2, 2, 3), WALLETS, strict=True):
            self.pair.apply(t.OpenAccount(owner, wallet))
        for number in (1, 2):
            symbol, token = b"TEST%d" % number, bytes([number]) * 20
            listed = t.SetInstrument(number, 1, 1, 6, 5, 1, 5_000, 3, cap, 2, resale, symbol, token)
            self.pair.apply(listed)
        self.pair.apply(t.SetFees(1, *fees))
        for account in (2, 3, 4):
            self.pair.apply(t.SetPermission(account, 1, 1, 1, 100))
            self.position(account, 1, 10)
            self.level(account, 1, 10, 0)
            self.level(account, t.USDC, 60, 0)

    @invariant()
    def state_is_known(self) -> None:
        if hasattr(self, "pair"):
            self.pair.check_state()

    @rule(order=ORDERS)
    def place(self, order: t.Place) -> None:
        self.pair.apply(order)

    @rule(order=ANY_ORDERS)
    def place_anything(self, order: t.Place) -> None:
        self.pair.apply(order)

    @rule(account=ACCOUNTS, order_id=ORDER_IDS, name=CLIENT_IDS)
    def cancel(self, account: int, order_id: int, name: bytes) -> None:
        self.pair.apply(t.Cancel(account, 1, order_id, name))

    @rule(account=ACCOUNTS, order_id=ORDER_IDS, name=CLIENT_IDS, qty=QTYS)
    def amend(self, account: int, order_id: int, name: bytes, qty: int) -> None:
        self.pair.apply(t.Amend(account, 1, qty, order_id, name))

    @rule(order=ORDERS, order_id=ORDER_IDS, anyway=st.integers(0, 1))
    def replace(self, order: t.Place, order_id: int, anyway: int) -> None:
        new = (order.account, order.instrument, order.side, order.order_type, order.time_in_force, order.price_ticks)
        rest = (order.qty_lots, order.quote_usdc_micros, order.expire_time_ns, order.self_trade, order.client_order_id)
        self.pair.apply(t.Replace(*new, *rest, order.stop_ticks, order.display_lots, order_id, b"", anyway))

    @rule(account=ACCOUNTS, scope=st.integers(0, 3))
    def cancel_all(self, account: int, scope: int) -> None:
        self.pair.apply(t.CancelAll(account, scope))

    @rule(
        account=ACCOUNTS,
        sides=st.tuples(st.integers(0, 2), st.integers(0, 1)),
        until=st.integers(0, 60),
        since=st.integers(0, 20),
    )
    def permit(self, account: int, sides: tuple[int, int], until: int, since: int) -> None:
        self.pair.apply(t.SetPermission(account, 1, *sides, until, since))

    @rule(
        scope=st.integers(0, 3),
        phase=st.integers(0, 9),
        until=st.integers(0, 60),
        then=st.sampled_from([0, 0, 1, 7, 8]),
    )
    def phase(self, scope: int, phase: int, until: int, then: int) -> None:
        self.pair.apply(t.SetPhase(scope, phase, until, then if until else 0))

    @rule(period=st.sampled_from([0, 7, 20]))
    def auctions(self, period: int) -> None:
        self.pair.apply(t.SetAuctions(1, period))

    @rule(reference=st.integers(0, 7), static=st.sampled_from([0, 2_000, 5_000]), dynamic=st.sampled_from([0, 2_000]))
    def bands(self, reference: int, static: int, dynamic: int) -> None:
        self.pair.apply(t.SetBands(1, reference, static, dynamic, 20))

    @rule()
    def wait_for_the_indicative(self) -> None:
        self.pair.time_ns += INDICATIVE_DELAY_NS
        self.pair.apply(t.Clock())

    @rule(steps=st.integers(1, 10))
    def wait(self, steps: int) -> None:
        self.pair.time_ns += steps
        self.pair.apply(t.Clock())

    @rule(account=st.integers(2, 5), asset=st.integers(0, 1), level=st.integers(0, 10), requested=st.integers(0, 10))
    def level(self, account: int, asset: int, level: int, requested: int) -> None:
        wallet = bytes([account]) * 20
        slot = self.pair.oracle.slots.get((wallet, asset))
        delta = level - (slot.level if slot else 0)
        where = (self.pair.oracle.chain_position[0] + 1, 0)
        self.pair.apply(
            t.LevelChanged(asset, delta, level, min(level, requested), *where, t.LevelCause.DEPOSIT, wallet)
        )

    @rule(account=st.integers(2, 5), instrument=st.just(1), lots=st.integers(10, 12))
    def position(self, account: int, instrument: int, lots: int) -> None:
        wallet = bytes([account]) * 20
        slot = self.pair.oracle.slots.get((wallet, instrument))
        delta = lots - (slot.position_lots if slot else 0)
        where = (self.pair.oracle.chain_position[0] + 1, 0)
        self.pair.apply(t.PositionChanged(instrument, delta, lots, *where, wallet))

    @rule()
    def link_late(self) -> None:
        self.pair.apply(t.OpenAccount(4, bytes([5]) * 20))

    @rule()
    def restore(self) -> None:
        image = self.pair.engine.snapshot()
        self.pair.engine = Exchange.restore(image)
        assert self.pair.engine.snapshot() == image


# A story has 40 commands, each checked twice: 40 stories in the suite, and as many more as the profile asks for.
EngineAgreesWithOracle.TestCase.settings = settings(
    max_examples=settings().max_examples * 2 // 5, stateful_step_count=40
)
TestEngineAgreesWithOracle = EngineAgreesWithOracle.TestCase
