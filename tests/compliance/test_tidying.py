"""Tidying removes what has ended and nothing that still counts."""

from __future__ import annotations

from datetime import timedelta

from compliance.tidying import SESSIONS_KEPT, tidy
from persistence.database import Pool
from tests.compliance.house import House, open_house

ADDRESS = "0x" + "1" * 40


async def rows(house: House) -> dict[str, int]:
    tables = ("sessions", "mail_tokens", "wallet_challenges", "throttles")
    return {table: await house.pool.fetchval(f"SELECT count(*) FROM {table}") for table in tables}


async def test_what_has_ended_goes_and_what_counts_stays(pool: Pool) -> None:
    async with open_house(pool) as house:
        await house.register("ann")
        token = await house.sign_in("ann")
        await house.post("/auth/password/forgot", {"email": "ann@example.com"})
        await house.post("/wallets/challenge", {"address": ADDRESS}, token=token)
        full = await rows(house)
        assert all(full.values())
        assert await tidy(pool, house.now) == 0
        assert await rows(house) == full
        await tidy(pool, house.now + timedelta(hours=1))
        assert await rows(house) == {"sessions": 1, "mail_tokens": 0, "wallet_challenges": 0, "throttles": 0}
        assert (await house.get("/auth/session", token=token)).status == 200
        assert await tidy(pool, house.now + timedelta(hours=12) + SESSIONS_KEPT) == 1
