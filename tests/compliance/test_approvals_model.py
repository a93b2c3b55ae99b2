"""Any course of proposing, approving, rejecting and waiting agrees with four eyes in their plainest form."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from api.actor import Actor, Role
from api.problem import Problem
from compliance.approvals import LIFETIME, canonical
from persistence.database import Pool
from tests.compliance.house import House, open_house

# Of the people, 0 to 2 are admins, 3 is an admin without a second factor, 4 an investor with one.
MAY = (0, 1, 2)
PEOPLE = st.integers(0, 4)
PAYLOADS = st.integers(0, 1)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("decide"), PEOPLE, PAYLOADS),
        st.tuples(st.just("approve"), PEOPLE, PAYLOADS),
        st.tuples(st.just("reject"), PEOPLE, PAYLOADS),
        st.tuples(st.just("wait"), st.integers(1, 8), PAYLOADS),
    ),
    max_size=12,
)


@dataclass
class Plain:
    """Says what each step answers: a state, or the reason of a refusal."""

    now: datetime
    payload: int = -1
    proposer: int = -1
    ends: datetime | None = None  # of what is or was proposed last
    state: str = ""
    executed: list[int] = field(default_factory=list)

    @property
    def shown(self) -> str:
        is_over = self.state == "PROPOSED" and self.ends is not None and self.ends <= self.now
        return "EXPIRED" if is_over else self.state

    def decide(self, person: int, payload: int) -> str:
        if person not in MAY:
            return "ROLE_MISSING" if person == 4 else "SECOND_FACTOR_REQUIRED"
        if self.shown != "PROPOSED":
            self.payload, self.proposer, self.ends, self.state = payload, person, self.now + LIFETIME, "PROPOSED"
        elif payload != self.payload:
            return "OTHER_PROPOSAL"
        elif person != self.proposer:
            self._approve()
        return self.state

    def approve(self, person: int, payload: int) -> str:
        if (refused := self._refusal(person)) is not None:
            return refused
        if payload != self.payload:
            return "PAYLOAD_CHANGED"
        if person == self.proposer:
            return "OWN_PROPOSAL"
        self._approve()
        return self.state

    def reject(self, person: int, payload: int) -> str:
        if (refused := self._refusal(person)) is not None:
            return refused
        self.state = "REJECTED"
        return self.state

    def _refusal(self, person: int) -> str | None:
        if not self.state or person == 4:
            return "NOT_FOUND"
        if person not in MAY:
            return "SECOND_FACTOR_REQUIRED"
        return None if self.shown == "PROPOSED" else "ALREADY_DECIDED"

    def _approve(self) -> None:
        self.state = "APPROVED"
        self.executed.append(self.payload)


@dataclass
class Real:
    house: House
    people: list[Actor]
    subject: str
    approval_id: UUID = field(default_factory=uuid4)

    async def decide(self, person: int, payload: int) -> str:
        async with self.house.pool.acquire() as connection, connection.transaction():
            decision = await self.house.approvals.decide(
                connection, "MINT", self.subject, _payload(payload), self.people[person]
            )
        self.approval_id = decision.approval_id
        return decision.state

    async def approve(self, person: int, payload: int) -> str:
        payload_hash = sha256(canonical(_payload(payload)).encode()).hexdigest()
        return (await self.house.approvals.approve(self.approval_id, payload_hash, self.people[person])).state

    async def reject(self, person: int, payload: int) -> str:
        return (await self.house.approvals.reject(self.approval_id, "No.", self.people[person])).state


def _payload(number: int) -> dict[str, Any]:
    return {"supply": str(number)}


@pytest.fixture
async def house(pool: Pool) -> AsyncIterator[House]:
    async with open_house(pool) as opened:
        yield opened


@pytest.fixture
async def people(house: House) -> list[Actor]:
    user_ids = [await house.register(f"person{number}") for number in range(5)]
    roles = [frozenset({Role.ADMIN})] * 4 + [frozenset({Role.INVESTOR})]
    return [
        Actor(user_id, number + 1, roles[number], uuid4(), has_second_factor=number != 3)
        for number, user_id in enumerate(user_ids)
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # each course has a subject of its own
@example([("decide", 0, 0), ("wait", 7, 0), ("decide", 1, 0), ("approve", 0, 0)])
@example([("decide", 0, 0), ("reject", 0, 0), ("approve", 1, 0), ("decide", 1, 1), ("decide", 0, 1)])
@given(STEPS)
async def test_any_course_of_steps_agrees_with_the_plain_rules(
    house: House, people: list[Actor], course: list[tuple[str, int, int]]
) -> None:
    plain, real = Plain(house.now), Real(house, people, str(uuid4()))
    executed_before = len(house.executed)
    for step, number, payload in course:
        if step == "wait":
            await house.pass_time(days=number)
            plain.now = house.now
            continue
        expected = getattr(plain, step)(number, payload)
        try:
            answered = await getattr(real, step)(number, payload)
        except Problem as problem:
            answered = problem.reason
        assert answered == expected, course
    executed = [each.payload for each in house.executed[executed_before:]]
    assert executed == [_payload(each) for each in plain.executed], course
    if plain.state:
        assert (await house.approvals.approval(real.approval_id, people[0])).state == plain.shown, course
