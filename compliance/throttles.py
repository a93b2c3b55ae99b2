"""Attempts counted in the database, so that they count in every process and after a restart.

An attempt is counted before it is looked at: a thousand at once are no more than the number allowed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from api.problem import Problem
from persistence.database import Connection, Pool

IPV6_PREFIX: Final = 64  # what one customer of a network has


@dataclass(frozen=True, slots=True)
class Throttle:
    """At most `attempts_max` in a window that begins with the first."""

    scope: str
    attempts_max: int
    window: timedelta


async def take(connection: Connection | Pool, throttle: Throttle, key: str, now: datetime) -> int:
    """Count one attempt; 0, or the seconds until the window ends if it was one too many."""
    row = await connection.fetchrow(
        "INSERT INTO throttles AS t (scope, key_hash, attempts, ends_at) VALUES ($1, $2, 1, $3)"
        " ON CONFLICT (scope, key_hash) DO UPDATE SET"
        " attempts = CASE WHEN t.ends_at <= $4 THEN 1 ELSE least(t.attempts + 1, $5) END,"
        " ends_at = CASE WHEN t.ends_at <= $4 THEN excluded.ends_at ELSE t.ends_at END"
        " RETURNING attempts, ends_at",
        throttle.scope,
        _hashed(key),
        now + throttle.window,
        now,
        throttle.attempts_max + 1,
    )
    left_s = math.ceil((row["ends_at"] - now).total_seconds())
    return left_s if row["attempts"] > throttle.attempts_max else 0


async def require(connection: Connection | Pool, throttle: Throttle, key: str, now: datetime) -> None:
    """`take`, and Problem 429 if it was one too many."""
    wait_s = await take(connection, throttle, key, now)
    if wait_s > 0:
        detail = f"That was tried too often; wait {wait_s} s and try again."
        raise Problem(429, "TOO_MANY_ATTEMPTS", detail, retry_after_s=wait_s)


async def give_back(connection: Connection | Pool, throttle: Throttle, key: str) -> None:
    """The attempt was a right one."""
    await connection.execute(
        "UPDATE throttles SET attempts = greatest(attempts - 1, 0) WHERE scope = $1 AND key_hash = $2",
        throttle.scope,
        _hashed(key),
    )


async def forget(connection: Connection | Pool, throttle: Throttle, key: str) -> None:
    await connection.execute("DELETE FROM throttles WHERE scope = $1 AND key_hash = $2", throttle.scope, _hashed(key))


def network_of(ip: str) -> str:
    """What attempts are counted by: an IPv4 address, or the network of an IPv6 one."""
    try:
        address = ip_address(ip)
    except ValueError:
        return ip
    if not isinstance(address, IPv6Address):
        return ip
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ip_network((int(address), IPV6_PREFIX), strict=False))


def _hashed(key: str) -> bytes:
    return sha256(key.encode()).digest()
