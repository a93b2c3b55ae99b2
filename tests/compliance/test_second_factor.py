"""The second factor, as a client meets it: each code once, nothing without it once it is enrolled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest
from cryptography.exceptions import InvalidTag

from compliance.accounts import PROOF_BY_ACCOUNT, SIGN_IN_BY_ACCOUNT
from compliance.totp import KEY_BYTES, SecondFactor
from persistence.database import Pool
from tests.compliance.house import PASSWORD, TOTP_KEY, House, open_house


@pytest.fixture
async def house(pool: Pool) -> AsyncIterator[House]:
    async with open_house(pool) as opened:
        yield opened


async def test_who_enrols_has_it_at_once_and_other_sessions_end(house: House) -> None:
    await house.register("ann")
    other, token = await house.sign_in("ann"), await house.sign_in("ann")
    await house.enrol(token)
    assert (await house.get("/auth/session", token=token)).json["has_second_factor"] is True
    assert (await house.get("/auth/session", token=other)).status == 401


async def test_an_enrolled_person_signs_in_with_a_code_that_is_taken_once(house: House) -> None:
    await house.register("ann")
    totp, _ = await house.enrol(await house.sign_in("ann"))
    assert (await house.login("ann")).reason == "TOTP_REQUIRED"
    assert (await house.login("ann", totp="000000")).reason == "TOTP_WRONG"
    assert (await house.login("ann", totp=totp.at(house.now))).reason == "TOTP_WRONG"  # taken at enrolment
    await house.pass_time(seconds=30)
    code = totp.at(house.now)
    answers = await asyncio.gather(*(house.login("ann", totp=code) for _ in range(5)))
    assert sorted(answer.status for answer in answers) == [200, 401, 401, 401, 401]
    assert [answer.json["has_second_factor"] for answer in answers if answer.status == 200] == [True]
    await house.pass_time(seconds=90)
    assert (await house.login("ann", totp=totp.at(house.now - timedelta(seconds=60)))).reason == "TOTP_WRONG"
    assert (await house.login("ann", totp=totp.at(house.now + timedelta(seconds=30)))).status == 200
    assert (await house.login("ann", totp=totp.at(house.now))).reason == "TOTP_WRONG"  # older than the last one taken


async def test_guessing_a_code_stops(house: House) -> None:
    await house.register("ann")
    totp, _ = await house.enrol(await house.sign_in("ann"))
    await house.pass_time(minutes=5)
    for _ in range(SIGN_IN_BY_ACCOUNT.attempts_max):
        assert (await house.login("ann", totp="000000")).status == 401
    assert (await house.login("ann", totp=totp.at(house.now))).status == 429


async def test_a_recovery_code_stands_in_once(house: House) -> None:
    await house.register("ann")
    _, codes = await house.enrol(await house.sign_in("ann"))
    assert len(set(codes)) == 10
    assert (await house.login("ann", totp=codes[0].lower())).status == 200
    assert (await house.login("ann", totp=codes[0])).reason == "TOTP_WRONG"
    replaced, _ = await house.enrol((await house.login("ann", totp=codes[1])).json["token"])
    assert (await house.login("ann", totp=codes[2])).reason == "TOTP_WRONG"  # new ones were given
    await house.pass_time(minutes=1)
    assert (await house.login("ann", totp=replaced.at(house.now))).status == 200


async def test_a_stolen_session_enrols_and_replaces_nothing(house: House) -> None:
    await house.register("ann")
    token = await house.sign_in("ann")
    assert (await house.post("/auth/totp", {"password": "not the password"}, token=token)).reason == "PASSWORD_WRONG"
    assert (await house.post("/auth/totp/confirm", {"code": "000000"}, token=token)).reason == "TOTP_WRONG"
    await house.pool.execute("DELETE FROM throttles")
    for _ in range(PROOF_BY_ACCOUNT.attempts_max):
        assert (await house.post("/auth/totp", {"password": "not the password"}, token=token)).status == 401
    assert (await house.post("/auth/totp", {"password": PASSWORD}, token=token)).status == 429
    await house.pass_time(minutes=15)
    await house.enrol(token)
    await house.pool.execute("UPDATE sessions SET has_second_factor = false")
    begun = await house.post("/auth/totp", {"password": PASSWORD}, token=token)
    assert (begun.status, begun.reason) == (403, "SECOND_FACTOR_REQUIRED")


async def test_a_second_factor_that_is_not_confirmed_asks_for_nothing(house: House) -> None:
    await house.register("ann")
    token = await house.sign_in("ann")
    assert (await house.post("/auth/totp", {"password": PASSWORD}, token=token)).status == 200
    assert (await house.login("ann")).status == 200


async def test_a_sealed_secret_opens_for_its_person_and_key_only(house: House) -> None:
    user_id = await house.register("ann")
    totp, _ = await house.enrol(await house.sign_in("ann"))
    sealed = await house.pool.fetchval("SELECT sealed_secret FROM totp")
    assert SecondFactor(TOTP_KEY)._opened(user_id, sealed) == totp.secret
    for key, owner in ((bytes(KEY_BYTES), user_id), (TOTP_KEY, uuid4())):
        with pytest.raises(InvalidTag):
            SecondFactor(key)._opened(owner, sealed)
