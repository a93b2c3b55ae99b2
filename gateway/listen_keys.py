"""Listen keys: how older clients reach their user data stream, as an address that is hard to guess.

A key is made for an API key that may READ, is worth an hour from when it was last asked for, and nothing but listening.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable
from typing import Final

import msgspec

from gateway import errors
from gateway.errors import ApiError
from gateway.keys import Key

KEY_CHARS: Final = 60
LIFE_NS: Final = 3_600 * 10**9
KEYS_MAX: Final = 100_000  # then the ones that are oldest go
_ALPHABET: Final = string.ascii_letters + string.digits


class _Made(msgspec.Struct):
    api_key: str
    listen_key: str
    ends_ns: int  # 0: it was stopped


_NOTE: Final = msgspec.json.Decoder(_Made)


def _nobody(note: bytes) -> None:
    """There is one gateway."""


class ListenKeys:
    """`tell` takes a note for all gateways, this one too; each hands what comes to `heard`."""

    def __init__(self, clock: Callable[[], int], tell: Callable[[bytes], None] = _nobody) -> None:
        self._clock = clock
        self._tell = tell
        self._by_api_key: dict[str, _Made] = {}
        self._api_keys: dict[str, str] = {}

    def start(self, key: Key) -> str:
        """The API key's listen key, worth another hour; a new one where it has none."""
        made = self._live(key.key)
        if made is None:
            listen_key = "".join(secrets.choice(_ALPHABET) for _ in range(KEY_CHARS))
            made = _Made(key.key, listen_key, 0)
            self._keep(made)
        self._prolong(made)
        return f'{{"listenKey":"{made.listen_key}"}}'

    def keep(self, key: Key, listen_key: str) -> str:
        self._prolong(self._own(key, listen_key))
        return "{}"

    def stop(self, key: Key, listen_key: str) -> str:
        made = self._own(key, listen_key)
        self._forget(key.key)
        made.ends_ns = 0
        self._tell(msgspec.json.encode(made))
        return "{}"

    def heard(self, note: bytes) -> None:
        """What a gateway made, prolonged or stopped: the last note counts; an empty one asks for all that is here."""
        if not note:
            for made in list(self._by_api_key.values()):
                self._tell(msgspec.json.encode(made))
            return
        made = _NOTE.decode(note)
        if made.api_key in self._by_api_key:
            self._forget(made.api_key)
        if made.ends_ns > self._clock():
            self._keep(made)

    def _keep(self, made: _Made) -> None:
        if len(self._by_api_key) >= KEYS_MAX:
            self._forget(next(iter(self._by_api_key)))
        self._by_api_key[made.api_key] = made
        self._api_keys[made.listen_key] = made.api_key

    def _prolong(self, made: _Made) -> None:
        made.ends_ns = self._clock() + LIFE_NS
        self._tell(msgspec.json.encode(made))

    def api_key(self, listen_key: str) -> str | None:
        """Whose it is, while it is worth anything."""
        api_key = self._api_keys.get(listen_key)
        return api_key if api_key is not None and self._live(api_key) is not None else None

    def _own(self, key: Key, listen_key: str) -> _Made:
        made = self._live(key.key)
        if made is None or not secrets.compare_digest(made.listen_key.encode(), listen_key.encode()):
            raise ApiError(errors.INVALID_LISTEN_KEY, "This listenKey does not exist.")
        return made

    def _live(self, api_key: str) -> _Made | None:
        made = self._by_api_key.get(api_key)
        if made is not None and made.ends_ns <= self._clock():
            self._forget(api_key)
            return None
        return made

    def _forget(self, api_key: str) -> None:
        del self._api_keys[self._by_api_key.pop(api_key).listen_key]
