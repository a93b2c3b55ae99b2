"""Attempts are counted by account and by network, in windows."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from compliance.throttles import Throttle, forget, give_back, network_of, take
from persistence.database import Pool

THREE = Throttle("three", 3, timedelta(minutes=1))
NOW = datetime(2030, 1, 1, tzinfo=UTC)


async def test_a_window_takes_so_many_and_then_tells_how_long_to_wait(pool: Pool) -> None:
    waits_s = [await take(pool, THREE, "ann", NOW + timedelta(seconds=each)) for each in range(5)]
    assert waits_s == [0, 0, 0, 57, 56]
    assert await take(pool, THREE, "bob", NOW) == 0
    assert await take(pool, Throttle("other", 3, timedelta(minutes=1)), "ann", NOW) == 0
    assert await take(pool, THREE, "ann", NOW + timedelta(seconds=59.5)) == 1
    assert await take(pool, THREE, "ann", NOW + timedelta(minutes=1)) == 0


async def test_of_many_at_once_only_so_many_pass(pool: Pool) -> None:
    waits_s = await asyncio.gather(*(take(pool, THREE, "ann", NOW) for _ in range(50)))
    assert waits_s.count(0) == 3


async def test_what_is_given_back_or_forgotten_does_not_count(pool: Pool) -> None:
    for _ in range(10):
        assert await take(pool, THREE, "ann", NOW) == 0
        await give_back(pool, THREE, "ann")
    assert [await take(pool, THREE, "ann", NOW) for _ in range(4)] == [0, 0, 0, 60]
    await forget(pool, THREE, "ann")
    assert await take(pool, THREE, "ann", NOW) == 0


@pytest.mark.parametrize(
    ("ip", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("", ""),
    ],
)
def test_a_network_is_what_one_customer_has(ip: str, network: str) -> None:
    assert network_of(ip) == network
