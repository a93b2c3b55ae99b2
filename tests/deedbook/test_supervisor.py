"""The supervisor with small real children: order, readiness, restarts, and nothing left behind."""

import asyncio
import errno
import os
import signal
import sys
import textwrap
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path

import pytest

from deedbook.embedded.child import ServerError
from deedbook.log_pipe import LINE_BYTES_MOST, LogPipe
from deedbook.process import Process
from deedbook.supervisor import Supervisor
from tests.deedbook.running import is_running, until

ROOT = Path(__file__).resolve().parents[2]
READY = "from deedbook.process import announce_ready\nimport signal, sys, os, time, pathlib\n"
SERVES = READY + "announce_ready('here')\nsignal.pause()\n"
DEAF = READY + "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nannounce_ready()\nwhile True: signal.pause()\n"


class Scene:
    """A supervisor with children that run `programs`, and all that it said."""

    def __init__(self, directory: Path, **programs: str) -> None:
        self.said: list[str] = []
        self.directory = directory
        self.processes = {name: self.process(name, program) for name, program in programs.items()}

    def process(self, name: str, program: str, ready_within_s: float = 30, stop_within_s: float = 0.3) -> Process:
        return Process(
            name,
            [sys.executable, "-c", program, str(self.directory)],
            environment=lambda: os.environ | {"PYTHONPATH": str(ROOT)},
            log_directory=self.directory / "logs",
            say=self.said.append,
            ready_within_s=ready_within_s,
            stop_within_s=stop_within_s,
        )

    def supervisor(
        self,
        before_restart: Callable[[str, int], Awaitable[None]] | None = None,
        vital: Collection[str] | None = None,
    ) -> Supervisor:
        return Supervisor(
            list(self.processes.values()),
            before_restart=before_restart,
            vital=vital,
            say=self.said.append,
            restarts_most=2,
            pause_first_s=0.01,
        )


async def test_each_service_is_ready_before_the_next_starts_and_they_stop_in_reverse(tmp_path: Path) -> None:
    program = READY + textwrap.dedent("""
        journal = open(sys.argv[1] + "/order", "a", buffering=1)
        def stop(*_):
            journal.write("{0} stops\\n")
            sys.exit(0)
        signal.signal(signal.SIGTERM, stop)
        journal.write("{0} ready\\n")
        announce_ready("{0} is here")
        while True: signal.pause()
    """)
    scene = Scene(tmp_path, one=program.replace("{0}", "one"), two=program.replace("{0}", "two"))
    for process in scene.processes.values():
        process._stop_within_s = 30
    supervisor = scene.supervisor()
    details: list[str] = []

    async def ready() -> None:
        details.extend(process.detail for process in scene.processes.values())
        supervisor.request_stop()

    assert await supervisor.run(ready) == 0
    assert details == ["one is here", "two is here"]
    assert (tmp_path / "order").read_text().split("\n") == ["one ready", "two ready", "two stops", "one stops", ""]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_stops_everything_even_a_child_that_ignores_it(tmp_path: Path, number: signal.Signals) -> None:
    scene = Scene(tmp_path, deaf=DEAF, serves=SERVES)
    pids: list[int] = []

    async def ready() -> None:
        pids.extend(process.pid for process in scene.processes.values())
        os.kill(os.getpid(), number)

    assert await scene.supervisor().run(ready) == 0
    assert len(pids) == 2
    assert not any(is_running(pid) for pid in pids)


async def test_a_crashed_child_is_started_again_after_the_hook(tmp_path: Path) -> None:
    scene = Scene(tmp_path, serves=SERVES)
    child = scene.processes["serves"]
    ended: list[tuple[str, int]] = []

    async def before_restart(name: str, code: int) -> None:
        ended.append((name, code))

    supervisor = scene.supervisor(before_restart)

    async def ready() -> None:
        first = child.pid
        os.kill(first, signal.SIGKILL)
        await until(lambda: "serves is ready again." in scene.said)
        assert child.pid != first
        supervisor.request_stop()

    assert await supervisor.run(ready) == 0
    assert ended == [("serves", -signal.SIGKILL)]
    assert "serves ended by itself (killed by SIGKILL); starting it again." in scene.said


async def test_a_child_that_the_disk_does_not_let_start_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(tmp_path, serves=SERVES)
    child = scene.processes["serves"]
    supervisor = scene.supervisor()
    start = child.start

    async def start_on_a_full_disk() -> None:
        monkeypatch.setattr(child, "start", start)
        raise OSError(errno.ENOSPC, "No space left on device")

    async def ready() -> None:
        monkeypatch.setattr(child, "start", start_on_a_full_disk)
        os.kill(child.pid, signal.SIGKILL)
        await until(lambda: "serves is ready again." in scene.said)
        supervisor.request_stop()

    assert await supervisor.run(ready) == 0
    assert "serves did not start: [Errno 28] No space left on device" in scene.said


async def test_a_child_that_keeps_ending_makes_the_exit_code_one_and_stops_the_others(tmp_path: Path) -> None:
    scene = Scene(tmp_path, serves=SERVES, ends=READY + "announce_ready()\nsys.exit(3)\n")
    pids: list[int] = []

    async def ready() -> None:
        pids.append(scene.processes["serves"].pid)

    assert await scene.supervisor().run(ready) == 1
    assert scene.said.count("ends ended by itself (exit code 3); starting it again.") == 3
    assert scene.said[-1] == "ends ended 3 times within 60 s; giving up."
    assert not is_running(pids[0])


async def test_a_child_that_is_not_vital_keeps_ending_and_the_others_go_on(tmp_path: Path) -> None:
    scene = Scene(tmp_path, serves=SERVES, ends=READY + "announce_ready()\nsys.exit(3)\n")
    supervisor = scene.supervisor(vital={"serves"})
    restarted = "ends ended by itself (exit code 3); starting it again."

    async def ready() -> None:
        pid = scene.processes["serves"].pid
        await until(lambda: scene.said.count(restarted) > 4)
        assert is_running(pid)
        supervisor.request_stop()

    assert await supervisor.run(ready) == 0


async def test_a_child_that_does_not_start_is_said_and_stops_the_others(tmp_path: Path) -> None:
    scene = Scene(tmp_path, serves=SERVES, broken="raise SystemExit(4)")
    assert await scene.supervisor().run() == 1
    assert scene.said == [f"broken ended before it was ready; see {tmp_path}/logs/broken.log"]


async def test_a_child_that_never_says_that_it_is_ready_is_stopped(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    silent = scene.process("silent", f"open({str(tmp_path / 'up')!r}, 'w')\nimport signal\nsignal.pause()", 0.5)
    with pytest.raises(ServerError, match=r"silent was not ready within 0\.5 s"):
        await silent.start()
    await silent.stop()


async def test_a_signal_while_starting_leaves_nothing(tmp_path: Path) -> None:
    slow = "import os, sys, signal\nprint('notice: pid', os.getpid(), flush=True)\nsignal.pause()\n"
    scene = Scene(tmp_path, serves=SERVES, slow=slow)
    supervisor = scene.supervisor()
    run = asyncio.create_task(supervisor.run())
    await until(lambda: any(line.startswith("[slow] pid ") for line in scene.said))
    supervisor.request_stop()
    assert await run == 0
    assert not is_running(int(scene.said[0].split()[-1]))


async def test_what_a_child_started_ends_with_it(tmp_path: Path) -> None:
    program = READY + textwrap.dedent("""
        import subprocess
        grandchild = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
        announce_ready(str(grandchild.pid))
        signal.pause()
    """)
    process = Scene(tmp_path).process("parent", program)
    await process.start()
    grandchild = int(process.detail)
    assert is_running(grandchild)
    await process.stop()
    await until(lambda: not is_running(grandchild))


async def test_children_end_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    program = textwrap.dedent(f"""
        import asyncio, os, sys
        from pathlib import Path
        from deedbook.process import Process
        from deedbook.supervisor import Supervisor
        child = Process("deaf", [sys.executable, "-c", {DEAF!r}], environment=lambda: dict(os.environ),
                        log_directory=Path(sys.argv[1]))
        async def ready():
            print(child.pid, flush=True)
        asyncio.run(Supervisor([child]).run(ready))
    """)
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, str(tmp_path)),
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert parent.stdout is not None
    pid = int(await parent.stdout.readline())
    assert is_running(pid)
    parent.kill()
    await parent.wait()
    await until(lambda: not is_running(pid))


async def test_lines_go_to_the_log_and_the_important_ones_to_the_terminal(tmp_path: Path) -> None:
    said: list[str] = []
    stream = asyncio.StreamReader()
    stream.feed_data(b'quiet\n{"level": "warning", "event": "late"}\nnotice: open http://127.0.0.1\nlast ')
    stream.feed_data(b"words")
    stream.feed_eof()
    await LogPipe("exchange", tmp_path, said.append).run(stream)
    assert (tmp_path / "exchange.log").read_bytes().split(b"\n")[0] == b"quiet"
    assert (tmp_path / "exchange.log").read_bytes().endswith(b"\nlast words\n")
    assert said == ['[exchange] {"level": "warning", "event": "late"}', "[exchange] open http://127.0.0.1"]


async def test_an_endless_line_is_cut_and_a_log_that_cannot_be_written_does_not_stop_the_reading(
    tmp_path: Path,
) -> None:
    said: list[str] = []
    endless, blocked = asyncio.StreamReader(), asyncio.StreamReader()
    endless.feed_data(b"x" * (LINE_BYTES_MOST * 2 + 1))
    endless.feed_eof()
    await LogPipe("endless", tmp_path, said.append).run(endless)
    lines = (tmp_path / "endless.log").read_bytes().split(b"\n")
    assert [len(line) for line in lines] == [LINE_BYTES_MOST, LINE_BYTES_MOST, 1, 0]
    (tmp_path / "blocked.log").mkdir()
    blocked.feed_data(b"one\nerror two\n")
    blocked.feed_eof()
    await LogPipe("blocked", tmp_path, said.append).run(blocked)
    assert "its log cannot be written" in said[0]
    assert said[1:] == ["[blocked] error two"]
