from __future__ import annotations

import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.keys import PERMISSIONS, KeyStore
from persistence.database import Pool
from tests.deedbook.trading.marketplace_world import PASSWORD, MarketWorld, market_world
from tests.fixtures.postgres import empty_database, pool, postgres
from tests.fixtures.registered import address_of

__all__ = ["empty_database", "pool", "postgres"]

HMAC_KEY: dict[str, Any] = {"kind": "HMAC", "permissions": ["READ", "TRADE"], "password": PASSWORD}


@pytest.fixture
async def world(pool: Pool, tmp_path: Path) -> AsyncIterator[MarketWorld]:
    async with market_world(pool, tmp_path) as made:
        yield made


async def test_a_secret_is_shown_once_and_the_gateway_reads_the_key(world: MarketWorld, tmp_path: Path) -> None:
    made = await world.call("alice", "POST", "/api-keys", HMAC_KEY | {"ips": ["203.0.113.7"]}, status=201)
    path = tmp_path / "api-keys.jsonl"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    stored = KeyStore(path).find(made["key"])
    assert stored is not None
    assert (stored.secret.decode(), stored.account) == (made["secret"], await world.account("alice"))
    assert (stored.permissions, stored.ips) == (PERMISSIONS, frozenset({"203.0.113.7"}))
    listed = await world.call("alice", "GET", "/api-keys")
    assert [set(each) for each in listed] == [{"key", "kind", "permissions", "ips", "wallet"}]
    assert made["secret"] not in str(listed)
    assert listed[0]["wallet"] == f"0x{address_of('alice').hex()}"
    audit = await world.pool.fetch("SELECT action, details FROM audit_log WHERE action LIKE 'API key%'")
    assert [row["action"] for row in audit] == ["API key made"]
    assert made["secret"] not in str(audit[0]["details"])
    assert made["key"] not in str(audit[0]["details"])


@pytest.mark.parametrize("form", ["pem", "hex"])
async def test_an_ed25519_key_has_no_secret_here(world: MarketWorld, form: str) -> None:
    public = Ed25519PrivateKey.generate().public_key()
    raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    body = {"kind": "ED25519", "permissions": ["TRADE"], "password": PASSWORD}
    body["public_key"] = pem if form == "pem" else raw.hex()
    made = await world.call("alice", "POST", "/api-keys", body, status=201)
    assert made["secret"] is None
    stored = world.keys.find(made["key"])
    assert stored is not None
    assert (stored.secret, stored.permissions) == (raw, frozenset({"TRADE"}))


async def test_a_session_alone_makes_no_key(world: MarketWorld) -> None:
    bare = {name: value for name, value in HMAC_KEY.items() if name != "password"}
    assert (await world.call("alice", "POST", "/api-keys", bare, status=403))["reason"] == "PROOF_NEEDED"
    wrong = bare | {"password": "not the password"}
    for _ in range(5):
        assert (await world.call("alice", "POST", "/api-keys", wrong, status=401))["reason"] == "PASSWORD_WRONG"
    late = await world.call("alice", "POST", "/api-keys", HMAC_KEY, status=429)
    assert late["reason"] == "TOO_MANY_ATTEMPTS"
    assert await world.call("alice", "GET", "/api-keys") == []
    world.second_factor.add("alice")
    await world.call("alice", "POST", "/api-keys", bare, status=201)


async def test_a_key_is_its_makers_alone(world: MarketWorld) -> None:
    made = await world.call("alice", "POST", "/api-keys", HMAC_KEY, status=201)
    assert await world.call("bob", "GET", "/api-keys") == []
    assert (await world.call("bob", "DELETE", f"/api-keys/{made['key']}", status=404))["reason"] == "NOT_FOUND"
    others = HMAC_KEY | {"wallet": f"0x{address_of('alice').hex()}"}
    assert (await world.call("bob", "POST", "/api-keys", others, status=404))["reason"] == "NOT_FOUND"
    assert world.keys.find(made["key"]) is not None
    await world.call("alice", "DELETE", f"/api-keys/{made['key']}", status=204)
    await world.call("alice", "DELETE", f"/api-keys/{made['key']}", status=404)
    world.keys.reload()
    assert world.keys.find(made["key"]) is None


@pytest.mark.parametrize(
    ("members", "status", "reason"),
    [
        ({"permissions": ["WITHDRAW"]}, 400, "BODY_MALFORMED"),
        ({"permissions": []}, 400, "BODY_MALFORMED"),
        ({"account": 1}, 400, "BODY_MALFORMED"),
        ({"secret": "mine"}, 400, "BODY_MALFORMED"),
        ({"ips": ["everywhere"]}, 422, "NOT_AN_ADDRESS"),
        ({"ips": ["10.0.0.0/8"]}, 422, "NOT_AN_ADDRESS"),
        ({"ips": ["1.1.1.1"] * 31}, 400, "BODY_MALFORMED"),
        ({"public_key": "00" * 32}, 422, "PUBLIC_KEY_NEEDLESS"),
        ({"kind": "ED25519"}, 422, "PUBLIC_KEY_NEEDED"),
        ({"kind": "ED25519", "public_key": "00" * 31}, 422, "PUBLIC_KEY_NEEDED"),
        ({"kind": "ED25519", "public_key": "-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----"}, 422, None),
    ],
)
async def test_what_cannot_be_a_key_is_refused(
    world: MarketWorld, members: dict[str, Any], status: int, reason: str | None
) -> None:
    refused = await world.call("alice", "POST", "/api-keys", HMAC_KEY | members, status=status)
    assert reason in (None, refused["reason"])
    assert world.keys.all() == ()


async def test_no_key_stays_whose_audit_row_could_not_be_written(world: MarketWorld) -> None:
    await world.pool.execute(
        "ALTER TABLE audit_log ADD CONSTRAINT no_keys CHECK (action NOT LIKE 'API key%') NOT VALID"
    )
    await world.call("alice", "POST", "/api-keys", HMAC_KEY, status=500)
    assert world.keys.all() == ()
    with pytest.raises(asyncpg.CheckViolationError):
        await world.pool.execute("INSERT INTO audit_log (actor, action, details) VALUES ('a', 'API key made', '{}')")
