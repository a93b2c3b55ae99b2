"""Signing up and in, as a client does it: nothing tells who is known, and nothing works twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from compliance.accounts import SIGN_IN_BY_ACCOUNT, SIGN_IN_BY_NETWORK
from compliance.passwords import Passwords
from compliance.registry import create_user
from persistence.database import Pool
from tests.compliance.house import PASSWORD, WEAK, House, open_house

OTHER_PASSWORD = "a stapled battery horse"


@pytest.fixture
async def house(pool: Pool) -> AsyncIterator[House]:
    async with open_house(pool) as opened:
        yield opened


async def test_from_registration_to_a_session_and_out(house: House) -> None:
    user_id = await house.register("ann")
    assert [mailed.kind for mailed in house.mails] == ["verify_email"]
    answer = await house.login("ANN")
    assert answer.status == 200
    assert answer.json["user_id"] == str(user_id)
    assert answer.json["roles"] == ["INVESTOR"]
    assert answer.json["expires_at"] == "2030-01-01T12:00:00Z"
    cookie = answer.cookies["session"]
    assert (cookie.value, cookie["httponly"], cookie["secure"]) == (answer.json["token"], True, True)
    assert (cookie["samesite"], cookie["path"], cookie["max-age"]) == ("Strict", "/", "43200")
    token = answer.json["token"]
    who = await house.get("/auth/session", token=token)
    assert (who.json["email"], who.json["has_second_factor"]) == ("ann@example.com", False)
    assert (await house.call("GET", "/auth/session", headers={"Cookie": f"session={token}"})).json == who.json
    assert (await house.post("/auth/logout", token=token)).status == 204
    assert (await house.get("/auth/session", token=token)).status == 401


async def test_nothing_secret_is_in_the_database(house: House) -> None:
    await house.register("ann")
    token = await house.sign_in("ann")
    totp, codes = await house.enrol(token)
    secrets = [PASSWORD, token, house.mails[0].data["token"], totp.secret, *codes]
    for table in ("credentials", "mail_tokens", "sessions", "totp", "recovery_codes", "audit_log", "throttles"):
        rows = str([tuple(row) for row in await house.pool.fetch(f"SELECT * FROM {table}")])
        assert not [secret for secret in secrets if secret in rows], table
    assert "example.com" not in str(await house.pool.fetch("SELECT * FROM audit_log"))


async def test_registering_answers_the_same_whoever_is_known(house: House) -> None:
    await house.register("ann")
    again = await house.post("/auth/register", {"email": "Ann@Example.com", "password": OTHER_PASSWORD})
    new = await house.post("/auth/register", {"email": "bob@example.com", "password": OTHER_PASSWORD})
    assert (again.status, again.json) == (new.status, new.json) == (202, None)
    assert [mailed.kind for mailed in house.mails] == ["verify_email", "reset_password", "verify_email"]
    assert (await house.login("ann", password=OTHER_PASSWORD)).reason == "SIGN_IN_REFUSED"
    assert (await house.login("ann")).status == 200


async def test_the_mail_sets_the_password_that_was_chosen_with_it(house: House) -> None:
    """So that who registers somebody else's address first does not choose that person's password."""
    for password in (OTHER_PASSWORD, PASSWORD):
        await house.post("/auth/register", {"email": "ann@example.com", "password": password})
    others, own = house.mails
    assert (await house.login("ann")).reason == "SIGN_IN_REFUSED"
    assert (await house.post("/auth/verify", {"token": own.data["token"]})).status == 204
    assert (await house.post("/auth/verify", {"token": others.data["token"]})).reason == "TOKEN_INVALID"
    assert (await house.login("ann")).status == 200
    assert (await house.login("ann", password=OTHER_PASSWORD)).status == 401
    assert await house.pool.fetchval("SELECT count(*) FROM users") == 1


async def test_an_unverified_person_cannot_sign_in_and_is_told_what_a_stranger_is(house: House) -> None:
    await house.post("/auth/register", {"email": "ann@example.com", "password": PASSWORD})
    unverified, unknown = await house.login("ann"), await house.login("bob")
    assert (unverified.status, unverified.json) == (unknown.status, unknown.json)
    assert unverified.reason == "SIGN_IN_REFUSED"


async def test_a_token_from_a_mail_works_once_and_not_for_long(house: House) -> None:
    await house.post("/auth/register", {"email": "ann@example.com", "password": PASSWORD})
    token = house.mails[0].data["token"]
    assert (await house.post("/auth/password/reset", {"token": token, "password": PASSWORD})).status == 400
    answers = await asyncio.gather(*(house.post("/auth/verify", {"token": token}) for _ in range(5)))
    assert sorted(answer.status for answer in answers) == [204, 400, 400, 400, 400]
    await house.post("/auth/register", {"email": "bob@example.com", "password": PASSWORD})
    await house.pass_time(hours=24)
    assert (await house.post("/auth/verify", {"token": house.mails[-1].data["token"]})).reason == "TOKEN_INVALID"


async def test_a_reset_password_ends_all_sessions(house: House) -> None:
    await house.register("ann")
    tokens = [await house.sign_in("ann") for _ in range(3)]
    for email in ("ann@example.com", "nobody@example.com"):
        answer = await house.post("/auth/password/forgot", {"email": email})
        assert (answer.status, answer.json) == (202, None)
    assert [mailed.kind for mailed in house.mails] == ["verify_email", "reset_password"]
    body = {"token": house.mails[-1].data["token"], "password": OTHER_PASSWORD}
    assert (await house.post("/auth/password/reset", body | {"password": "too short"})).reason == "PASSWORD_LENGTH"
    assert (await house.post("/auth/password/reset", body)).status == 204
    assert (await house.post("/auth/password/reset", body)).reason == "TOKEN_INVALID"
    assert [(await house.get("/auth/session", token=token)).status for token in tokens] == [401, 401, 401]
    assert (await house.login("ann")).status == 401
    assert (await house.login("ann", password=OTHER_PASSWORD)).status == 200


async def test_who_was_made_by_an_operator_sets_a_password_by_mail(house: House) -> None:
    await create_user(house.pool, "ann@example.com", actor="operator")
    await house.post("/auth/password/forgot", {"email": "ann@example.com"})
    body = {"token": house.mails[-1].data["token"], "password": PASSWORD}
    assert (await house.post("/auth/password/reset", body)).status == 204
    assert (await house.login("ann")).json["roles"] == ["INVESTOR"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"email": "ann", "password": PASSWORD}, "EMAIL_MALFORMED"),
        ({"email": "ann@example.com\n", "password": PASSWORD}, "EMAIL_MALFORMED"),
        ({"email": "ann@ex\u00e4mple.com", "password": PASSWORD}, "EMAIL_MALFORMED"),
        ({"email": "ann@b", "password": PASSWORD}, "EMAIL_MALFORMED"),
        ({"email": "ann\0@example.com", "password": PASSWORD}, "BODY_MALFORMED"),
        ({"email": "ann@example.com", "password": "eleven char"}, "PASSWORD_LENGTH"),
        ({"email": "ann@example.com", "password": "x" * 12}, "PASSWORD_SIMPLE"),
        ({"email": "ann@example.com", "password": "abcdefgh" * 16 + "x"}, "PASSWORD_LENGTH"),
        ({"email": "ann@example.com"}, "BODY_MALFORMED"),
        ({"email": "ann@example.com", "password": PASSWORD, "roles": ["ADMIN"]}, "BODY_MALFORMED"),
        ({"email": "ann@example.com", "password": PASSWORD, "is_verified": True}, "BODY_MALFORMED"),
    ],
)
async def test_what_is_no_registration_is_refused(house: House, body: dict[str, Any], reason: str) -> None:
    answer = await house.post("/auth/register", body)
    assert (answer.status, answer.reason) == (400, reason)
    assert house.mails == []
    assert await house.pool.fetchval("SELECT count(*) FROM users") == 0


async def test_guessing_a_password_stops_at_the_limit_even_all_at_once(house: House) -> None:
    await house.register("ann")
    guesses = await asyncio.gather(*(house.login("ann", password=f"guess {each:020}") for each in range(40)))
    statuses = [answer.status for answer in guesses]
    assert statuses.count(401) == SIGN_IN_BY_ACCOUNT.attempts_max
    assert statuses.count(429) == 40 - SIGN_IN_BY_ACCOUNT.attempts_max
    refused = await house.login("ann")
    assert (refused.status, refused.reason, refused.headers["Retry-After"]) == (429, "TOO_MANY_ATTEMPTS", "900")
    await house.pass_time(minutes=15)
    assert (await house.login("ann")).status == 200


async def test_one_network_cannot_guess_at_many_accounts(house: House) -> None:
    await house.register("ann")
    for each in range(SIGN_IN_BY_NETWORK.attempts_max):
        assert (await house.login(f"person{each}")).status == 401
    assert (await house.login("ann")).status == 429
    await house.pass_time(minutes=15)
    assert (await house.login("ann")).status == 200


async def test_a_right_password_is_no_attempt_and_a_reset_frees_the_account(house: House) -> None:
    await house.register("ann")
    for _ in range(SIGN_IN_BY_NETWORK.attempts_max + 5):
        assert (await house.login("ann")).status == 200
    for _ in range(SIGN_IN_BY_ACCOUNT.attempts_max):
        await house.login("ann", password=OTHER_PASSWORD)
    assert (await house.login("ann")).status == 429
    await house.post("/auth/password/forgot", {"email": "ann@example.com"})
    await house.post("/auth/password/reset", {"token": house.mails[-1].data["token"], "password": PASSWORD})
    assert (await house.login("ann")).status == 200


async def test_a_mail_box_is_not_flooded(house: House) -> None:
    await house.register("ann")
    for _ in range(20):
        assert (await house.post("/auth/password/forgot", {"email": "ann@example.com"})).status == 202
    assert len(house.mails) == 5
    await house.pass_time(hours=1)
    await house.post("/auth/password/forgot", {"email": "ann@example.com"})
    assert len(house.mails) == 6


async def test_fields_too_many_are_refused(house: House) -> None:
    await house.register("ann")
    body = {"email": "ann@example.com", "password": PASSWORD, "has_second_factor": True}
    assert (await house.post("/auth/login", body)).reason == "BODY_MALFORMED"


async def test_who_is_turned_away_from_a_crowd_has_not_tried(pool: Pool) -> None:
    async with open_house(pool, passwords=Passwords(WEAK, at_once=0, waiting_max=0)) as house:
        answers = [await house.login("ann") for _ in range(SIGN_IN_BY_ACCOUNT.attempts_max + 1)]
        assert {(answer.status, answer.reason) for answer in answers} == {(503, "BUSY")}
