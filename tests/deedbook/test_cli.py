"""Words that are wrong get one sentence and exit status 1, never a traceback, and leave nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from deedbook.cli import main
from engine.exchange import Exchange
from engine.types import Clock
from engine.wire import encode_command, stamped
from persistence.journal import JournalWriter

KEY_HEX = "11" * 32


def said(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line."""
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize(
    "words",
    [
        ["--account", "0"],
        ["--account", "-1"],
        ["--account", str(2**32)],
        ["--account", "1", "--ed25519", "zz" * 32],
        ["--account", "1", "--ed25519", "11"],
        ["--account", "1", "--ed25519", f" {KEY_HEX[1:]}"],
        ["--account", "1", "--ip", "garbage"],
        ["--account", "1", "--ip", "2001:DB8::1"],
    ],
)
def test_a_key_that_could_open_nothing_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert main(["keys", "--data", str(tmp_path), "create", *words]) == 1
    assert said(capsys).startswith("deedbook: ")
    assert list(tmp_path.iterdir()) == []


def test_a_good_key_is_made(tmp_path: Path) -> None:
    words = ["create", "--account", "1", "--ed25519", KEY_HEX, "--ip", "127.0.0.1", "--ip", "2001:db8::1"]
    assert main(["keys", "--data", str(tmp_path), *words]) == 0


@pytest.mark.parametrize(
    "words", [["replay", "{}"], ["verify", "{}"], ["keys", "--data", "{}", "list"], ["run", "--data", "{}"]]
)
@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_file_where_a_directory_should_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], name: str
) -> None:
    (tmp_path / "file").touch()
    assert main([word.format(tmp_path / name) for word in words]) == 1
    assert said(capsys).startswith("deedbook: ")


def test_verifying_a_journal_alone_makes_no_database(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    writer = JournalWriter.open(tmp_path / "journal", 64 * 1024)
    commands = bytes(stamped([encode_command(Clock())], 1, 1))
    writer.append(1, commands, Exchange().apply(commands))
    writer.close()
    assert main(["verify", str(tmp_path)]) == 1
    assert f"there is no database in {tmp_path}" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["journal"]


@pytest.mark.parametrize("words", [["nosuch"], ["closing-call", "--then", "nosuch"]])
def test_a_phase_that_does_not_exist(tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert main(["ops", "--data", str(tmp_path), "phase", "OAK12USDC", *words]) == 1
    assert said(capsys).startswith("deedbook: There is no phase nosuch; there are continuous, ")
