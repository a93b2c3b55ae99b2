"""Who listens to which account's user data stream."""

from __future__ import annotations

from typing import Final, Protocol


class Listener(Protocol):
    """A session that holds subscriptions."""

    def send_event(self, subscription_id: int, event: str) -> None: ...


class UserStreams:
    def __init__(self) -> None:
        self.listeners: Final[dict[int, dict[tuple[Listener, int], None]]] = {}  # by account; none without a listener

    def subscribe(self, account: int, listener: Listener, subscription_id: int) -> None:
        self.listeners.setdefault(account, {})[listener, subscription_id] = None

    def unsubscribe(self, account: int, listener: Listener, subscription_id: int) -> None:
        listeners = self.listeners.get(account)
        if listeners is None:
            return
        listeners.pop((listener, subscription_id), None)
        if not listeners:
            del self.listeners[account]

    def emit(self, account: int, event: str) -> None:
        """Send an event (JSON text) to every subscription of the account."""
        for listener, subscription_id in list(self.listeners.get(account, ())):
            listener.send_event(subscription_id, event)
