"""A session ends when it is idle, old, revoked or one too many, and then at once."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from compliance.sessions import SESSIONS_MAX
from persistence.database import Pool
from tests.compliance.house import House, open_house


@pytest.fixture
async def house(pool: Pool) -> AsyncIterator[House]:
    async with open_house(pool) as opened:
        yield opened


async def status(house: House, token: str) -> int:
    return (await house.get("/auth/session", token=token)).status


async def test_an_idle_session_ends(house: House) -> None:
    await house.register("ann")
    token = await house.sign_in("ann")
    for _ in range(3):
        await house.pass_time(minutes=59)
        assert await status(house, token) == 200
    await house.pass_time(minutes=60)
    assert await status(house, token) == 401


async def test_a_session_in_use_ends_too(house: House) -> None:
    await house.register("ann")
    token = await house.sign_in("ann")
    for _ in range(23):
        await house.pass_time(minutes=30)
        assert await status(house, token) == 200
    await house.pass_time(minutes=30)
    assert await status(house, token) == 401


async def test_of_too_many_sessions_the_oldest_ends(house: House) -> None:
    await house.register("ann")
    tokens = [await house.sign_in("ann") for _ in range(SESSIONS_MAX + 1)]
    assert await status(house, tokens[0]) == 401
    assert [await status(house, token) for token in tokens[1:]] == [200] * SESSIONS_MAX


async def test_a_revoked_session_is_refused_with_the_next_call(house: House) -> None:
    ann = await house.register("ann")
    token, other = await house.sign_in("ann"), await house.sign_in("ann")
    actor = await house.actor(token)
    await house.sessions.revoke(house.pool, actor.session_id)
    assert (await status(house, token), await status(house, other)) == (401, 200)
    await house.sessions.revoke_all(house.pool, ann)
    assert await status(house, other) == 401


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer " + "x" * 43},
        {"Authorization": "Bearer " + "x" * 5_000},
        {"Authorization": "Basic YTpi"},
        {"Cookie": "session="},
        {"Cookie": "session=\u00e4"},
    ],
)
async def test_what_is_no_session_is_nobody(house: House, headers: dict[str, str]) -> None:
    answer = await house.call("GET", "/auth/session", headers=headers)
    assert (answer.status, answer.reason) == (401, "NOT_SIGNED_IN")


async def test_a_bad_token_is_not_mended_by_a_good_cookie(house: House) -> None:
    await house.register("ann")
    token = await house.sign_in("ann")
    headers = {"Cookie": f"session={token}", "Authorization": "Bearer wrong"}
    assert (await house.call("GET", "/auth/session", headers=headers)).status == 401


async def test_a_page_of_another_site_acts_in_nobodys_name(house: House) -> None:
    await house.register("ann")
    headers = {"Cookie": f"session={await house.sign_in('ann')}", "Origin": "https://elsewhere.example"}
    assert (await house.call("POST", "/auth/logout", headers=headers)).reason == "OTHER_ORIGIN"
