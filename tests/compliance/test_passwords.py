"""Passwords: argon2id, the same work for anybody, a bounded number at once."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError

from api.problem import Problem
from compliance.passwords import Passwords
from tests.compliance.house import PASSWORD, WEAK


async def test_a_password_matches_its_own_hash_only() -> None:
    passwords = Passwords(WEAK)
    hashed = await passwords.hash(PASSWORD)
    assert hashed.startswith("$argon2id$")
    assert PASSWORD not in hashed
    assert await passwords.matches(hashed, PASSWORD)
    assert not await passwords.matches(hashed, PASSWORD + " ")
    assert not await passwords.matches(None, PASSWORD)


async def test_letters_are_the_same_however_they_are_composed() -> None:
    passwords = Passwords(WEAK)
    assert await passwords.matches(await passwords.hash("caf\u00e9 au lait ole"), "cafe\u0301 au lait ole")


async def test_the_strength_is_what_the_library_recommends() -> None:
    hashed = await Passwords().hash(PASSWORD)
    assert "$m=65536,t=3,p=4$" in hashed


class Counting(PasswordHasher):
    """Counts how much work is asked for, and holds it until it may go on."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.verified: list[Any] = []
        self.at_once = self.at_once_max = 0
        self.may_go_on = threading.Event()

    def verify(self, hash: str | bytes, password: str | bytes) -> Any:
        self.at_once += 1
        self.at_once_max = max(self.at_once_max, self.at_once)
        self.may_go_on.wait(30)
        self.verified.append(hash)
        self.at_once -= 1
        return super().verify(hash, password)


async def test_an_unknown_address_costs_the_same_work() -> None:
    hasher = Counting()
    hasher.may_go_on.set()
    passwords = Passwords(hasher)
    hashed = await passwords.hash(PASSWORD)
    await passwords.matches(hashed, "wrong")
    await passwords.matches(None, "wrong")
    known, unknown = hasher.verified
    assert known.split("$")[:4] == unknown.split("$")[:4]  # the same parameters, so the same work


async def test_a_crowd_is_worked_off_two_at_once_and_the_rest_is_told_to_come_again() -> None:
    hasher = Counting()
    passwords = Passwords(hasher, at_once=2, waiting_max=3)
    tasks = [asyncio.create_task(passwords.matches(None, PASSWORD)) for _ in range(8)]
    refused, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    hasher.may_go_on.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    problems = [result for result in results if isinstance(result, Problem)]
    assert (len(refused), len(problems), problems[0].reason) == (3, 3, "BUSY")
    assert results.count(False) == 5
    assert hasher.at_once_max == 2


async def test_a_hash_that_is_none_is_no_match_but_our_mistake() -> None:
    with pytest.raises(InvalidHashError):
        await Passwords(WEAK).matches("not a hash", PASSWORD)
