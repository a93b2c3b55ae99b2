"""Somebody at a browser: calls routes with a session of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import ClientSession, ClientTimeout

TIMEOUT: Final = ClientTimeout(total=30)


class Refused(Exception):  # noqa: N818 - what the platform said
    """A problem document."""

    def __init__(self, call: str, problem: Mapping[str, Any]) -> None:
        super().__init__(f"{call}: {problem.get('status')} {problem.get('reason')}: {problem.get('detail')}")
        self.problem = problem

    @property
    def reason(self) -> str:
        return str(self.problem["reason"])

    def expect(self, *reasons: str) -> None:
        """Goes on where the reason is one of these; anything else is raised again."""
        if self.reason not in reasons:
            raise self


class Visitor:
    """Calls as one person; signed in once `token` is set; `close` at the end."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url.rstrip("/")
        self._session = ClientSession(timeout=TIMEOUT)
        self.token: str | None = None

    async def close(self) -> None:
        await self._session.close()

    async def get(self, path: str, **query: str) -> Any:
        return await self.call("GET", path, query=query)

    async def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        return await self.call("POST", path, body)

    async def call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, query: Mapping[str, str] | None = None
    ) -> Any:
        """The decoded answer, None for none. Raises Refused."""
        headers = {} if self.token is None else {"Authorization": f"Bearer {self.token}"}
        url = self._base_url + path
        async with self._session.request(method, url, json=body, params=query or {}, headers=headers) as response:
            return await _answer(f"{method} {path}", response)

    async def upload(self, path: str, content: bytes, **query: str) -> Any:
        """Send a file as the body. Raises Refused."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/octet-stream"}
        async with self._session.post(self._base_url + path, data=content, params=query, headers=headers) as response:
            return await _answer(f"POST {path}", response)


async def _answer(call: str, response: Any) -> Any:
    if response.status >= 400:
        if response.content_type == "application/problem+json":
            raise Refused(call, await response.json(content_type=None))
        raise AssertionError(f"{call} answered {response.status} {response.content_type}")
    return await response.json() if response.content_length else None
