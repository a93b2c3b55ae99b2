"""The C++ core against the Python engine: the same bytes out for the same bytes in, and the same state."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter, deque
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Protocol

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import types as t
from engine.core_exchange import CoreExchange
from engine.engines import CORE, PYTHON, EngineMissing, core_is_built, engine_class
from engine.exchange import Exchange
from engine.types import CommandKind
from engine.wire import COMMAND, COMMAND_SIZE, COMMAND_SLOTS, EVENT, STAMP, decode_commands, encode_command
from tests.engine.quick import HOSTILE, QuickGenerator

ROOT = Path(__file__).resolve().parents[2]
COMMANDS_TORTURE = 10_000_000
COMMANDS_A_MARKET = 20_000
AT_ONCE = 16
SANITIZED = ("-std=c++20", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined")
FUZZ_RUNS = 3_000
IDS_BATCHES = 1_000
FOREVER_NS = 2**62


class Applies(Protocol):
    def apply(self, commands: bytes, /) -> bytes: ...


Pair = tuple[Applies, Applies]


def both() -> Pair:
    return Exchange(), CoreExchange()


def answers(engine: Applies, commands: bytes) -> bytes | None:
    """None where the engine gives up: both must, on the same command."""
    try:
        return engine.apply(commands)
    except Exception:
        return None


def differ(commands: Sequence[bytes], engines: Callable[[], Pair]) -> bool:
    """Whether two new engines answer anything differently; the commands are stamped anew."""
    one, other = engines()
    for seq, record in enumerate(commands, 1):
        stamped = STAMP.pack(seq, STAMP.unpack_from(record)[1]) + record[STAMP.size :]
        first, second = answers(one, stamped), answers(other, stamped)
        if first != second:
            return True
        if first is None:
            return False
    return False


def shrunk(commands: list[bytes], engines: Callable[[], Pair]) -> list[bytes]:
    """The commands without what the difference does not need: halves first, then single ones."""
    size = len(commands) // 2
    while size:
        at = 0
        while at < len(commands):
            fewer = commands[:at] + commands[at + size :]
            if differ(fewer, engines):
                commands = fewer
            else:
                at += size
        size //= 2
    return commands


def complaint(seed: int, commands: list[bytes], engines: Callable[[], Pair]) -> str:
    listed = [str(command) for _, _, command in decode_commands(b"".join(shrunk(commands, engines)))]
    return "\n".join([f"seed {seed}: the engines differ on", *listed])


def records(batch: bytes) -> list[bytes]:
    return [batch[at : at + COMMAND_SIZE] for at in range(0, len(batch), COMMAND_SIZE)]


def play(seed: int, commands: int) -> int:
    """One market through both engines; the core goes on from a snapshot of the Python engine now and then.

    A market ends early where both engines give up, as their state means nothing from there. Returns the commands that
    both answered.
    """
    python, core = Exchange(), CoreExchange()
    generator = QuickGenerator(seed, python)
    batch, history = generator.setup(), list[bytes]()
    for number in range(commands // AT_ONCE):
        history += records(batch)
        first = answers(python, batch)
        if first != answers(core, batch):
            pytest.fail(complaint(seed, history, both))
        if first is None:
            return number * AT_ONCE
        if number % 200 == 0:
            assert python.snapshot() == core.snapshot(), f"seed {seed}"
            core = CoreExchange.restore(python.snapshot())
        batch = generator.records(AT_ONCE)
    assert python.state_hash() == core.state_hash(), f"seed {seed}"
    assert python.state() == core.state(), f"seed {seed}"
    return len(history)


def test_the_core_is_built_where_there_is_a_compiler() -> None:
    assert core_is_built()
    assert engine_class() is engine_class(CORE) is CoreExchange
    assert engine_class(PYTHON) is Exchange


def test_without_the_core_the_python_engine_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.engines.core_is_built", lambda: False)
    assert engine_class() is Exchange
    with pytest.raises(EngineMissing, match="C\\+\\+ compiler"):
        engine_class(CORE)


@pytest.mark.parametrize("seed", [*range(10), 1005])  # 1005: a position below zero, which a snapshot has to keep
def test_random_markets_agree_with_the_python_engine(seed: int) -> None:
    assert play(seed, COMMANDS_A_MARKET) >= COMMANDS_A_MARKET


def test_a_market_that_both_engines_give_up_on_ends_there(monkeypatch: pytest.MonkeyPatch) -> None:
    records = QuickGenerator.records

    def broken_later(generator: QuickGenerator, count: int) -> bytes:
        return generator._pack(99) if generator._seq > 700 else records(generator, count)

    monkeypatch.setattr(QuickGenerator, "records", broken_later)
    assert 600 < play(0, COMMANDS_A_MARKET) < 720


@pytest.mark.torture
@pytest.mark.timeout(1800)
def test_ten_million_random_commands_agree() -> None:
    seed, answered = 1_000, 0
    while answered < COMMANDS_TORTURE:
        answered += play(seed, COMMANDS_A_MARKET)
        seed += 1


SMALL = st.integers(0, 3)
NUMBER = st.one_of(st.integers(-2, 40), st.sampled_from(HOSTILE))


@st.composite
def any_command(draw: st.DrawFn) -> bytes:
    """Any values in any slots, of a kind that exists, at seq 0."""
    values: list[int | bytes] = []
    for name, code in COMMAND_SLOTS[2:]:
        if name == "kind":
            values.append(draw(st.sampled_from(list(CommandKind))))
        elif code.endswith("s"):
            values.append(draw(st.sampled_from((b"", b"a", b"b", b"TEST1", bytes([1]) * 20, b"\xff" * 36))))
        else:
            values.append(draw(NUMBER if code == "q" else SMALL))
    return COMMAND.pack(0, 0, *values)


@settings(max_examples=150)
@given(st.integers(0, 50), st.lists(any_command(), max_size=25))
def test_hostile_commands_agree(seed: int, hostile: list[bytes]) -> None:
    python = Exchange()
    generator = QuickGenerator(seed, python)
    batches = [generator.setup()]
    python.apply(batches[0])
    for _ in range(10):
        batches.append(generator.records(AT_ONCE))
        python.apply(batches[-1])
    time_ns = python.time_ns
    commands = [record for batch in batches for record in records(batch)]
    commands += [STAMP.pack(0, time_ns) + record[STAMP.size :] for record in hostile]
    assert not differ(commands, both), complaint(seed, commands, both)


def test_a_difference_is_told_with_the_fewest_commands() -> None:
    class Liar:
        """Answers the third cancel with nothing."""

        def __init__(self) -> None:
            self.core, self.cancels = CoreExchange(), 0

        def apply(self, commands: bytes, /) -> bytes:
            self.cancels += commands[16] == CommandKind.CANCEL
            return b"" if self.cancels == 3 else self.core.apply(commands)

    python = Exchange()
    generator = QuickGenerator(5, python)
    history = records(generator.setup())
    python.apply(b"".join(history))
    for _ in range(20):
        batch = generator.records(AT_ONCE)
        python.apply(batch)
        history += records(batch)
    told = complaint(5, history, lambda: (Exchange(), Liar()))
    assert told.count("\n") == 3
    assert told.count("Cancel(") == 3


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (COMMAND.pack(2, 0, CommandKind.CLOCK, *COMMAND.unpack(bytes(COMMAND_SIZE))[3:]), "gap"),
        (COMMAND.pack(1, -1, CommandKind.CLOCK, *COMMAND.unpack(bytes(COMMAND_SIZE))[3:]), "time runs back"),
        (COMMAND.pack(1, 0, 99, *COMMAND.unpack(bytes(COMMAND_SIZE))[3:]), "unknown kind"),
        (bytes(COMMAND_SIZE - 1), "whole number"),
    ],
)
def test_a_broken_rule_of_ours_fails_an_assert(command: bytes, reason: str) -> None:
    with pytest.raises(AssertionError, match=reason):
        CoreExchange().apply(command)


def test_what_is_no_snapshot_is_refused() -> None:
    python = Exchange()
    generator = QuickGenerator(3, python)
    python.apply(generator.setup())
    for _ in range(40):
        python.apply(generator.records(AT_ONCE))
    image = python.snapshot()
    for cut in range(0, len(image), 97):
        with pytest.raises(ValueError, match="snapshot"):
            CoreExchange.restore(image[:cut])
    with pytest.raises(ValueError, match="longer"):
        CoreExchange.restore(image + b"\0")
    with pytest.raises(ValueError, match=r"memory|snapshot"):
        CoreExchange.restore(image[:8] + b"\xff" * 64 + image[72:])
    assert CoreExchange.restore(image).snapshot() == image


def test_client_order_ids_are_known_while_their_table_grows() -> None:
    """Ids come and are forgotten a day later, ever more of them a day, and come again as soon as they are forgotten: so
    they are looked for, added and removed on both sides of a move.
    """
    random, python, core = Random(1), Exchange(), CoreExchange()
    owner, cash = b"w" * 20, 10**15
    setup: list[t.Command] = [
        t.OpenAccount(1, owner),
        t.SetInstrument(1, 1, 1, 10, 10, 1, 100, 10**6, symbol=b"TEST1", token=owner),
        t.SetPermission(1, 1, 1, 1, FOREVER_NS),
        t.LevelChanged(t.USDC, cash, cash, 0, 1, 1, t.LevelCause.DEPOSIT, owner),
    ]
    time_ns, made, kept, reasons = 0, 0, deque[tuple[int, int]](), Counter[int]()

    def command() -> t.Command:
        nonlocal made
        chance = random.random()
        if chance < 0.2:
            return t.Cancel(1, 1, 0, b"%d" % random.randint(0, made))
        if kept and kept[0][0] <= time_ns:
            _, number = kept.popleft()
        elif chance < 0.9:
            made, number = made + 1, made
        else:
            number = random.randint(0, made)
        kept.append((time_ns + t.CLIENT_ORDER_ID_KEPT_NS, number))
        tif = t.TimeInForce.GTC if chance < 0.3 else t.TimeInForce.IOC
        return t.Place(1, 1, t.Side.BUY, t.OrderType.LIMIT, tif, 1, 1, client_order_id=b"%d" % number)

    for number in range(IDS_BATCHES):
        commands = [command() for _ in range(AT_ONCE)] if number else setup
        batch = b"".join(encode_command(each, python.seq + 1 + at, time_ns) for at, each in enumerate(commands))
        events = python.apply(batch)
        assert events == core.apply(batch)
        reasons.update(row[2] for row in EVENT.iter_unpack(events) if row[1] == t.EventKind.REJECTED)
        time_ns += random.randrange(2 * t.CLIENT_ORDER_ID_KEPT_NS // (10 + number // 5))
    assert min(reasons[t.Reason.CLIENT_ORDER_ID_IN_USE], reasons[t.Reason.ORDER_NOT_FOUND]) > 100
    assert CoreExchange.restore(python.snapshot()).snapshot() == core.snapshot() == python.snapshot()


def test_when_something_is_due_next_is_told() -> None:
    python, core = both()
    generator = QuickGenerator(1, Exchange())
    setup = generator.setup()
    for engine in (python, core):
        engine.apply(setup)
    assert isinstance(core, CoreExchange)
    assert isinstance(python, Exchange)
    assert core.next_due_ns == python.next_due_ns == 2**63 - 1
    assert (core.seq, core.time_ns) == (python.seq, python.time_ns)


@pytest.mark.timeout(600)  # the compiler alone takes a minute on a busy machine
def test_any_bytes_leave_the_core_standing(tmp_path: Path) -> None:
    """Built with the address and undefined-behaviour sanitizers, which end the process at the first finding."""
    compiler = shutil.which("g++") or shutil.which("c++")
    assert compiler is not None
    fuzz = tmp_path / "fuzz"
    source = ROOT / "engine" / "core" / "fuzz.cpp"
    subprocess.run([compiler, *SANITIZED, "-fno-sanitize-recover=all", source, "-o", fuzz], check=True)
    done = subprocess.run([fuzz, "1", str(FUZZ_RUNS)], capture_output=True, text=True, timeout=400)
    assert (done.returncode, done.stdout) == (0, f"{FUZZ_RUNS} runs\n"), done.stderr[-3_000:]
