"""A whole machine without a demo market, and people who call its office over HTTP."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from aiohttp import ClientSession, ClientTimeout
from argon2 import PasswordHasher

from api.actor import Role
from compliance.registry import facts, insert_user
from compliance.sessions import Sessions
from deedbook.embedded.postgres_place import cluster_home
from deedbook.machine import running_settings
from deedbook.settings import Settings
from persistence.database import Pool, connect

STOPPED_WITHIN_S: Final = 60
TIMEOUT: Final = ClientTimeout(total=60)
PASSWORD: Final = "a long enough passphrase"
PASSWORD_HASH: Final = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
NOBODYS_ID: Final = "0198c000-0000-7000-8000-000000000000"


class RunningOffice:
    """`deedbook run`, ready; its data directory and what it said."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        environment = os.environ | {"DEEDBOOK_WEBSOCKET_PORT": "0", "DEEDBOOK_REST_PORT": "0"}
        command = [sys.executable, "-m", "deedbook.cli", "run", "--data", str(directory), "--port", "0", "--no-demo"]
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
        )
        self.said: list[str] = []
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.said.append(line.rstrip())
            if line.startswith("Ready:"):
                return
        raise AssertionError("it ended before it was ready:\n" + "\n".join(self.said))

    def close(self) -> None:
        """Stop it, and remove what it kept outside the directory."""
        self._process.send_signal(signal.SIGINT)
        assert self._process.stdout is not None
        self.said += self._process.stdout.read().splitlines()
        self._process.stdout.close()
        status = self._process.wait(STOPPED_WITHIN_S)
        shutil.rmtree(cluster_home(self.directory))
        assert status == 0, self.said

    @property
    def settings(self) -> Settings:
        return running_settings(self.directory)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.settings.port}"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    content_type: str
    json: Any
    text: str
    headers: Mapping[str, str] = field(repr=False)

    @property
    def reason(self) -> str:
        return str(self.json["reason"]) if self.content_type == "application/problem+json" else ""


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody with a session; no token: nobody."""

    token: str | None = None
    user_id: UUID = field(default_factory=lambda: UUID(int=0))
    email: str = ""


NOBODY: Final = Caller()


class Front:
    """The office over HTTP, and the database behind it for what tests begin with."""

    def __init__(self, office: RunningOffice, pool: Pool, http: ClientSession) -> None:
        self.office = office
        self.pool = pool
        self._http = http
        self._url = office.url

    async def call(self, caller: Caller, method: str, path: str, body: Any = None, **options: Any) -> Answer:
        """Waits, as it is told to, where this address has called too often."""
        headers = {} if caller.token is None else {"Authorization": f"Bearer {caller.token}"}
        given: dict[str, Any] = {"headers": headers} | options
        if body is not None:
            given["json"] = body
        while True:
            async with self._http.request(method, self._url + path, **given) as response:
                text = await response.text(errors="replace")
                is_json = response.content_type.endswith("json") and text
                json = await response.json(content_type=None) if is_json else None
                answer = Answer(response.status, response.content_type, json, text, response.headers)
            if answer.reason != "TOO_MANY_CALLS":
                return answer
            await asyncio.sleep(answer.json["retry_after_s"])

    async def good(self, caller: Caller, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """What a call that must succeed answers."""
        answer = await self.call(caller, method, path, body, **options)
        assert answer.status < 300, (method, path, answer)
        return answer.json

    @asynccontextmanager
    async def stream(self, caller: Caller) -> AsyncIterator[Callable[[], Awaitable[str]]]:
        """The caller's notifications from now on; a call waits for the next one."""
        headers = {"Authorization": f"Bearer {caller.token}"}
        async with self._http.get(f"{self._url}/notifications/stream", headers=headers) as response:

            async def following(prefix: str) -> str:
                while not (line := (await response.content.readline()).decode()).startswith(prefix):
                    assert line, "the stream ended"
                return line

            await following("retry:")  # it is being listened to
            yield partial(following, "data:")

    async def person(self, *roles: Role, has_second_factor: bool = False) -> Caller:
        """With exactly these roles, signed in: of whom only an admin's acts could make one over HTTP."""
        email = f"{secrets.token_hex(8)}@example.com"
        async with facts(self.pool) as connection:
            user_id = await insert_user(connection, email, actor="test")
            await connection.execute(
                "INSERT INTO credentials (user_id, password_hash, email_verified_at, changed_at)"
                " VALUES ($1, $2, now(), now())",
                user_id,
                PASSWORD_HASH,
            )
            await connection.executemany(
                "INSERT INTO user_roles (user_id, role) VALUES ($1, $2)", [(user_id, str(role)) for role in roles]
            )
        return await self.signed_in(Caller(None, user_id, email), has_second_factor=has_second_factor)

    async def signed_in(self, caller: Caller, *, has_second_factor: bool = False) -> Caller:
        """Another session of the same person."""
        async with self.pool.acquire() as connection, connection.transaction():
            opened = await Sessions(self.pool).open(connection, caller.user_id, has_second_factor=has_second_factor)
        return Caller(opened.token, caller.user_id, caller.email)

    async def forget_attempts(self) -> None:
        """Whom throttles hold back, for other tests tried often."""
        await self.pool.execute("DELETE FROM throttles")


@asynccontextmanager
async def front_of(office: RunningOffice) -> AsyncIterator[Front]:
    url = office.settings.database_url
    assert url is not None
    pool = await connect(url)
    try:
        async with ClientSession(timeout=TIMEOUT) as http:
            yield Front(office, pool, http)
    finally:
        await pool.close()
