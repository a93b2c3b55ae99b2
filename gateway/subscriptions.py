"""One session's subscriptions to user data streams: at most one an account, each ended when its key is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from gateway import errors
from gateway import messages as m
from gateway.errors import ApiError
from gateway.keys import Key
from gateway.users import Listener, UserStream, UserStreams

OPEN_MAX: Final = 1_000
MADE_MAX: Final = 65_535  # over a session's life
MAXIMUM_SUBSCRIPTION_IDS: Final = -2042


@dataclass(frozen=True, slots=True)
class Subscription:
    api_key: str
    account: int
    by_logon: bool  # ends with the session's log-on


class Subscriptions:
    def __init__(self, users: UserStreams, listener: Listener) -> None:
        self._users = users
        self._listener = listener
        self._open: dict[int, Subscription] = {}
        self._made = 0

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[tuple[int, Subscription]]:
        return iter(list(self._open.items()))

    def begin(
        self, key: Key, asked: m.Subscribe | m.SubscribeSigned, *, by_logon: bool
    ) -> tuple[int, UserStream, Sequence[str]]:
        """The new subscription's id, its stream, and the events that it missed where it names the last it had."""
        if any(subscription.account == key.account for subscription in self._open.values()):
            raise ApiError(errors.SUBSCRIPTION_ACTIVE, "User Data Stream subscription already active.")
        if len(self._open) >= OPEN_MAX or self._made >= MADE_MAX:
            raise ApiError(MAXIMUM_SUBSCRIPTION_IDS, "Maximum subscription ID reached for this connection.")
        missed: Sequence[str] = ()
        if asked.from_seq is not None:
            missed = self._users.of(key.account).since(asked.stream_id or "", asked.from_seq, self._listener.unit_ns)
        subscription_id = self._made
        self._made += 1
        self._open[subscription_id] = Subscription(key.key, key.account, by_logon)
        return subscription_id, self._users.subscribe(key.account, self._listener, subscription_id), missed

    def chosen(self, subscription_id: int | None) -> list[int]:
        """The one that was named, or all."""
        if subscription_id is None:
            return list(self._open)
        if subscription_id not in self._open:
            raise ApiError(errors.SUBSCRIPTION_INACTIVE, "User Data Stream subscription not active.")
        return [subscription_id]

    def end(self, subscription_id: int, now_ns: int) -> None:
        """End it and say so on it."""
        self._forget(subscription_id)
        time = now_ns // self._listener.unit_ns
        self._listener.send_event(subscription_id, 0, f'{{"e":"eventStreamTerminated","E":{time}}}')

    def forget_all(self) -> None:
        """The connection is gone."""
        for subscription_id in list(self._open):
            self._forget(subscription_id)

    def _forget(self, subscription_id: int) -> None:
        account = self._open.pop(subscription_id).account
        self._users.unsubscribe(account, self._listener, subscription_id)
