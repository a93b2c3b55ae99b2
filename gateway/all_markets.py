"""The streams of all markets at once: each second an array of those that changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from gateway.channels import Payload, Spread, StreamMessage, Subscriber, at_once
from gateway.intervals import DAY_S
from gateway.market_data import MarketFeed
from gateway.statistics import WINDOWS_S

TICKS: Final = 10
SPEED: Final = "@1000ms"  # some clients say it
Feeds = Mapping[int, MarketFeed]
Version = Callable[[MarketFeed, int], object]
OnePayload = Callable[[MarketFeed, int], Payload]


class ArrayStream:
    """`version` and `payload` are asked of each market's feed."""

    ticks: Final = TICKS

    def __init__(
        self,
        name: str,
        feeds: Feeds,
        version: Version,
        payload: OnePayload,
        spread: Spread,
    ) -> None:
        self.name = name
        self._spread = spread
        self._feeds = feeds
        self._version = version
        self._payload = payload
        self._round = 0
        self._changed: dict[MarketFeed, tuple[object, int]] = {}  # the version, and the round in which it came
        self._seen: dict[Subscriber, int] = {}  # the last round that each was told

    @property
    def is_used(self) -> bool:
        return bool(self._seen)

    def subscribe(self, subscriber: Subscriber) -> None:
        self._seen[subscriber] = -1

    def unsubscribe(self, subscriber: Subscriber) -> None:
        self._seen.pop(subscriber, None)

    def publish(self, time_ns: int) -> None:
        self._round += 1
        for feed in self._feeds.values():
            version = self._version(feed, time_ns)
            if version is not None and self._changed.get(feed, (None, 0))[0] != version:
                self._changed[feed] = (version, self._round)
        ready: dict[int, list[Subscriber]] = {}  # by what was seen before
        for subscriber, seen in self._seen.items():
            if not subscriber.paused:
                ready.setdefault(seen, []).append(subscriber)
        for seen, subscribers in ready.items():
            self._seen.update(dict.fromkeys(subscribers, self._round))
            message = self._message(seen, time_ns)
            if message is not None:
                self._spread(message, subscribers)

    def _message(self, seen: int, time_ns: int) -> StreamMessage | None:
        """Of the markets that changed after that round."""
        payloads = [self._payload(feed, time_ns) for feed, (_, changed) in self._changed.items() if changed > seen]
        if not payloads:
            return None
        return StreamMessage(self.name, lambda unit_ns: f"[{','.join([payload(unit_ns) for payload in payloads])}]")


class AllMarkets:
    """Finds, makes and feeds them."""

    def __init__(self, feeds: Feeds, spread: Spread = at_once) -> None:
        self._feeds = feeds
        self._spread = spread
        self._kinds: dict[str, tuple[Version, OnePayload]] = {
            "!miniTicker@arr": (lambda feed, now: feed.rolling_version(DAY_S, now), MarketFeed.mini_payload),
            "!ticker@arr": (MarketFeed.ticker_version, MarketFeed.ticker_payload),
        }
        for window, seconds in WINDOWS_S.items():
            self._kinds[f"!ticker_{window}@arr"] = (
                partial(_rolling_version, seconds),
                partial(_rolling_payload, window),
            )
        self._channels: dict[str, ArrayStream] = {}

    def has(self, name: str) -> bool:
        return name.removesuffix(SPEED) in self._kinds

    def subscribe(self, name: str, subscriber: Subscriber) -> None:
        if name not in self._channels:
            self._channels[name] = ArrayStream(name, self._feeds, *self._kinds[name.removesuffix(SPEED)], self._spread)
        self._channels[name].subscribe(subscriber)

    def unsubscribe(self, name: str, subscriber: Subscriber) -> None:
        channel = self._channels[name]
        channel.unsubscribe(subscriber)
        if not channel.is_used:
            del self._channels[name]

    def tick(self, number: int, time_ns: int) -> None:
        for channel in list(self._channels.values()):
            if number % channel.ticks == 0:
                channel.publish(time_ns)


def _rolling_version(seconds: int, feed: MarketFeed, time_ns: int) -> object:
    return feed.rolling_version(seconds, time_ns)


def _rolling_payload(window: str, feed: MarketFeed, time_ns: int) -> Payload:
    return feed.rolling_payload(window, time_ns)
