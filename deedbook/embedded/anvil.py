"""A real local chain: anvil from its npm package, with a state that survives restarts."""

import asyncio
import json
import os
import shutil
import signal
from contextlib import suppress
from pathlib import Path

import aiohttp

from deedbook.embedded.child import BEHIND_THE_MARKET, Child, ServerError, free_port, log_tail

CHAIN_ID = 31_337
READY_WITHIN_S = 60
STOP_WITHIN_S = 20
COPY_EVERY_S = 2.0
STATES_KEPT = 64  # recent blocks whose state can be asked; each is half a megabyte in every save
BINARY = Path(__file__).resolve().parents[2] / "node_modules" / ".bin" / "anvil"


class Anvil:
    """An anvil on 127.0.0.1; `url` holds from the start, over restarts too.

    data_dir      gets `chain/state.json`, its last whole copy, and `logs/anvil.log`.
    block_time_s  a block at least that often, so that what is mined becomes FINAL; None: only one for each transaction.
    arguments     more switches for anvil, as they are.

    anvil writes its state in place every second, so a kill may tear the file; then the last whole copy is used. Blocks
    that were not saved are lost: the exchange compares the chain with its journal at every start.
    """

    name = "anvil"

    def __init__(
        self, data_dir: Path, port: int = 0, *, block_time_s: float | None = None, arguments: tuple[str, ...] = ()
    ) -> None:
        self._directory = data_dir.resolve() / "chain"
        self._log_path = data_dir.resolve() / "logs" / "anvil.log"
        self._port = port or free_port()
        self._block_time_s = block_time_s
        self._arguments = arguments
        self._child: Child | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.state_path = self._directory / "state.json"
        self.url = f"http://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        assert self._child is not None
        return self._child.pid

    async def start(self) -> None:
        """Return when it answers `eth_chainId`. Raises ServerError."""
        assert self._child is None
        if not BINARY.exists():
            raise ServerError("anvil is not installed; run make setup, or set CHAIN_RPC_URL")
        self._directory.mkdir(parents=True, exist_ok=True)
        self._log_path.parent.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(mend_state, self.state_path)
        with self._log_path.open("ab") as log:
            self._child = await Child.start(
                self.name,
                self._command(),
                output=log,
                death_signal=signal.SIGINT,
                directory=self._directory,
                niceness=BEHIND_THE_MARKET,
            )
        try:
            await self._child.until_ready(self._answers, READY_WITHIN_S)
        except (TimeoutError, ServerError) as error:
            await self.stop()
            raise ServerError(f"anvil did not start: {log_tail(self._log_path)}") from error
        except BaseException:
            await self.stop()
            raise
        self._tasks = [asyncio.create_task(self._copy_state())]
        if self._block_time_s is not None:
            self._tasks.append(asyncio.create_task(self._mine(self._block_time_s)))

    async def stop(self) -> None:
        """Let it save its state and end."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        if self._child is not None:
            await self._child.stop((signal.SIGINT, STOP_WITHIN_S))
            self._child = None

    async def wait(self) -> int:
        """Its exit code once it has ended."""
        assert self._child is not None
        return await self._child.wait()

    async def __aenter__(self) -> "Anvil":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def _command(self) -> list[str]:
        command = [str(BINARY), "--host", "127.0.0.1", "--port", str(self._port), "--chain-id", str(CHAIN_ID)]
        command += ["--quiet"]  # a line for each request would fill the disk; errors are told all the same
        command += ["--hardfork", "osaka", "--enable-tx-gas-limit", "--preserve-historical-states"]
        command += ["--prune-history", str(STATES_KEPT)]
        command += ["--state", str(self.state_path), "--state-interval", "1", *self._arguments]
        return command

    async def _answers(self) -> bool:
        async with self._client() as client:
            try:
                return int((await self._ask(client, "eth_chainId"))["result"], 16) == CHAIN_ID
            except (aiohttp.ClientError, OSError, TimeoutError, KeyError):
                return False

    async def _mine(self, block_time_s: float) -> None:
        """anvil's own interval keeps the state of every block, whatever it is told to forget; asked to, it forgets."""
        async with self._client() as client:
            while True:
                await asyncio.sleep(block_time_s)
                with suppress(aiohttp.ClientError, OSError, TimeoutError):  # it is busy, or ending
                    await self._ask(client, "evm_mine")

    def _client(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5))

    async def _ask(self, client: aiohttp.ClientSession, method: str) -> dict[str, str]:
        question = {"jsonrpc": "2.0", "id": 1, "method": method, "params": []}
        async with client.post(self.url, json=question) as response:
            answer: dict[str, str] = await response.json()
            return answer

    async def _copy_state(self) -> None:
        copied_ns = 0
        while True:
            await asyncio.sleep(COPY_EVERY_S)
            copied_ns = await asyncio.to_thread(copy_whole_state, self.state_path, copied_ns)


def copy_whole_state(state_path: Path, copied_ns: int) -> int:
    """Copy the state aside when it changed since `copied_ns` and is whole; the modification time of the last copy."""
    with suppress(FileNotFoundError):
        before = state_path.stat()
        if before.st_mtime_ns == copied_ns:
            return copied_ns
        partial = state_path.with_suffix(".partial")
        shutil.copyfile(state_path, partial)
        after = state_path.stat()
        if (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, after.st_size) and _ends_whole(partial):
            os.replace(partial, _whole(state_path))
            return after.st_mtime_ns
    return copied_ns


def mend_state(state_path: Path) -> None:
    """Put the last whole copy in the place of a state that a kill tore. Raises ServerError if there is none."""
    if not state_path.exists() or _is_json(state_path):
        return
    if not _whole(state_path).exists():
        raise ServerError(
            f"the local chain's state {state_path} is torn and has no whole copy; delete it to start anew"
        )
    shutil.copyfile(_whole(state_path), state_path)


def _whole(state_path: Path) -> Path:
    return state_path.with_suffix(".whole.json")


def _ends_whole(path: Path) -> bool:
    """Cheap, for a file that nobody wrote while it was copied: anvil truncates first and writes the last brace last."""
    with path.open("rb") as state:
        state.seek(max(0, path.stat().st_size - 16))
        return state.read().rstrip().endswith(b"}")


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_bytes())
    except ValueError:
        return False
    return True
