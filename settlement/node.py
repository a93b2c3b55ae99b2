"""A node as web3 asks it, by a session of our own: a call that is cut off holds nothing that others wait for."""

from __future__ import annotations

from typing import Any, Final

import aiohttp
from web3 import AsyncWeb3
from web3.providers.async_base import AsyncJSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

ANSWER_S_MAX: Final = 30.0
_HEADERS: Final = {"Content-Type": "application/json"}


class NodeProvider(AsyncJSONBaseProvider):
    """JSON-RPC over HTTP, for one event loop.

    web3's own provider takes a lock of the whole process for each call, in a thread; a task that is cancelled while it
    waits for the lock never gives it back, and every later call of the process waits for ever (seen with web3 8.0).
    """

    def __init__(self, rpc_url: str) -> None:
        super().__init__()
        self.endpoint_uri = rpc_url
        self._session: aiohttp.ClientSession | None = None

    async def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """Raises aiohttp.ClientError and TimeoutError where no answer comes."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(force_close=True),  # a node that was started again knows no connection
                timeout=aiohttp.ClientTimeout(total=ANSWER_S_MAX),
                raise_for_status=True,
            )
        asked = self.encode_rpc_request(method, params)
        async with self._session.post(self.endpoint_uri, data=asked, headers=_HEADERS) as response:
            return self.decode_rpc_response(await response.read())

    async def disconnect(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


def node(rpc_url: str) -> AsyncWeb3[Any]:
    """The node at this URL; `provider.disconnect()` closes its session."""
    return AsyncWeb3(NodeProvider(rpc_url))
