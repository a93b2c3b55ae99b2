"""The exchange process: what it does with a command that broke its engine."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deedbook.exchange import halt_poisoned
from engine import types as t
from engine.exchange import Exchange
from engine.wire import encode_command
from persistence.journal import JournalWriter
from persistence.sequencer import Sequencer


@pytest.fixture
async def sequencer(tmp_path: Path) -> AsyncIterator[Sequencer]:
    def fatal(error: BaseException) -> None:
        raise error

    writer = JournalWriter.open(tmp_path / "journal", 64 * 1024)
    sequencer = Sequencer(Exchange(), writer, time.time_ns, fatal, tmp_path / "poison")
    yield sequencer
    await sequencer.stop()
    writer.close()


async def test_instruments_of_kept_commands_are_halted_before_the_files_are_put_aside(
    tmp_path: Path, sequencer: Sequencer, capsys: pytest.CaptureFixture[str]
) -> None:
    poison = tmp_path / "poison"
    poison.mkdir()
    terms = t.SetInstrument(1, 1, 1, 100, 100, 0, 0, 10, symbol=b"OAKUSDC", token=bytes(20))
    sequencer.submit_together([encode_command(t.OpenAccount(1, bytes(20))), encode_command(terms)], None)
    (poison / "00000000000000000007.command").write_bytes(encode_command(t.CancelAll(1, 1)))
    (poison / "00000000000000000009.command").write_bytes(b"\xff" * 160)
    (poison / "00000000000000000003.halted").write_bytes(encode_command(t.CancelAll(1, 1)))
    files_when_durable: list[list[str]] = []
    sequencer.subscribers.append(lambda _: files_when_durable.append([path.suffix for path in poison.iterdir()]))
    engine = sequencer._engine
    assert isinstance(engine, Exchange)
    await halt_poisoned(sequencer, poison)
    assert all(suffixes.count(".command") == 2 for suffixes in files_when_durable)
    assert [path.suffix for path in poison.iterdir()] == [".halted"] * 3
    state = engine.state()
    assert (state.instruments[0].phase, state.venue_phase) == (t.Phase.HALT, t.Phase.HALT)
    said = capsys.readouterr().out
    assert "instrument 1 is halted" in said
    assert "the venue is halted" in said


async def test_nothing_kept_is_nothing_to_do(tmp_path: Path, sequencer: Sequencer) -> None:
    await halt_poisoned(sequencer, tmp_path / "poison")
    assert sequencer.durable_seq == 0
