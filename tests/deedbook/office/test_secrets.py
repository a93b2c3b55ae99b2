"""Nothing that is secret or somebody's own stands in a log, and everything that was done stands in the audit log."""

from __future__ import annotations

import asyncio
import secrets
from http.cookies import SimpleCookie
from typing import Any, Final, cast

import msgspec
from aiohttp import ClientSession
from eth_account import Account

from api.actor import Role
from compliance.audit import verify_chain
from deedbook.demo.flows.outside import Outside
from deedbook.demo.flows.person import PASSWORD, Person
from deedbook.demo.flows.purse import Purse
from deedbook.demo.flows.visitor import Visitor
from deedbook.demo.waiting import until
from deedbook.layout import Layout
from tests.deedbook.office.opened import NOBODY, Caller, Front

COUNTRY: Final = "DEU"


class Overheard(Visitor):
    """Keeps every secret that an answer or a body brings."""

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.secrets: set[str] = set()

    async def call(self, method: str, path: str, body: Any = None, query: Any = None) -> Any:
        answer = await super().call(method, path, body, query)
        for member in (body, answer):
            for name, value in member.items() if isinstance(member, dict) else ():
                if name in ("token", "otpauth_uri", "secret", "password", "email", "signature"):
                    self.secrets.add(value)
                if name == "recovery_codes":
                    self.secrets.update(value)
        return answer


async def signed_up(front: Front, http: ClientSession) -> tuple[Overheard, Person]:
    """From the mail to an account on the exchange, with a second factor, and with a key for the trading API."""
    visitor = Overheard(front.office.url)
    outside = Outside.of(http, Layout(front.office.directory).sandboxes)
    person = Person(secrets.token_hex(8), visitor, Purse(cast(Any, None), Account.create()), outside)
    await person.enlist()
    await person.link_wallet()
    await person.prove_identity(COUNTRY)

    async def opened() -> bool:
        (wallet,) = await visitor.get("/wallets")
        return wallet["account"] is not None

    await until(opened, "the wallet's account")
    await visitor.post("/api-keys", {"kind": "HMAC", "permissions": ["READ"], "password": PASSWORD})
    await person.enrol_second_factor()
    return visitor, person


async def test_logs_hold_nothing_of_anybody_and_keys_are_their_owners(front: Front) -> None:
    async with ClientSession() as http:
        visitor, person = await signed_up(front, http)
        me = Caller(visitor.token, person.user_id)
        wrong = {"email": person.email, "password": "another wrong passphrase"}
        assert (await front.call(NOBODY, "POST", "/auth/login", wrong)).status == 401
        twice = {"email": person.email, "password": PASSWORD}
        newcomer = {"email": f"{secrets.token_hex(8)}@example.com", "password": PASSWORD}
        await asyncio.gather(*(front.good(NOBODY, "POST", "/auth/register", each) for each in [newcomer] * 3 + [twice]))
        (key,) = await front.good(me, "GET", "/api-keys")
        other = await front.person(Role.INVESTOR)
        assert await front.good(other, "GET", "/api-keys") == []
        assert (await front.call(other, "DELETE", f"/api-keys/{key['key']}")).status == 404
        await front.good(me, "DELETE", f"/api-keys/{key['key']}")
        await visitor.close()
    told = {wrong["password"], newcomer["email"], person.email} | visitor.secrets
    assert len(told) > 8
    kept = msgspec.json.decode(Layout(front.office.directory).credentials.read_bytes(), type=dict[str, str])
    urls = [front.office.settings.database_url, front.office.settings.redis_url, front.office.settings.smtp_url]
    passwords = {url.split("@")[0].rsplit(":", 1)[1] for url in urls if url}
    _assert_absent(front, told | set(kept.values()) | passwords)
    assert not await _rows_that_name(front, told)
    assert await verify_chain(front.pool) is None


def _assert_absent(front: Front, words: set[str]) -> None:
    logs = {path.name: path.read_text(errors="replace") for path in Layout(front.office.directory).logs.glob("*.log")}
    assert logs["backoffice.log"] is not None
    logs["what the machine said"] = "\n".join(front.office.said)
    found = [(name, word) for name, text in logs.items() for word in words if word in text]
    assert not found


async def _rows_that_name(front: Front, words: set[str]) -> list[str]:
    """Of the tables that outlive a person: by ids only."""
    found = []
    for table in ("audit_log", "jobs", "notifications", "approvals"):
        text = await front.pool.fetchval(f"SELECT coalesce(string_agg(t::text, ' '), '') FROM {table} AS t")
        found += [table for word in words if word in text]
    return found


async def test_a_session_travels_in_a_cookie_that_no_script_reads(front: Front) -> None:
    person = await front.person(Role.INVESTOR)
    async with ClientSession() as http:
        body = {"email": person.email, "password": "a long enough passphrase"}
        async with http.post(f"{front.office.url}/auth/login", json=body) as response:
            assert response.status == 200
            cookie = SimpleCookie(response.headers["Set-Cookie"])["session"]
            token = (await response.json())["token"]
        assert cookie["httponly"]
        assert cookie["samesite"] == "Strict"
        assert cookie["path"] == "/"
        elsewhere = {"Origin": "https://elsewhere.invalid", "Cookie": f"session={token}"}
        async with http.post(f"{front.office.url}/auth/logout", headers=elsewhere) as response:
            assert response.status == 403
        async with http.get(f"{front.office.url}/auth/session", headers={"Cookie": f"session={token}"}) as response:
            assert response.status == 200
