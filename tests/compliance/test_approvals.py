"""Four eyes: two different people, one payload to the byte, carried out once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from api.actor import Actor, Role
from api.doors import Decision
from api.problem import Problem
from compliance.approvals import MAY_DECIDE, canonical
from persistence.database import Connection, Pool
from tests.compliance.house import House, open_house

PAYLOAD = {"property_id": "0198", "supply": "1000", "modules": ["country", "cap"], "cap": 100, "resale": True}


@pytest.fixture
async def house(pool: Pool) -> AsyncIterator[House]:
    async with open_house(pool) as opened:
        yield opened


async def decide(
    house: House, token: str, subject: str = "oak", payload: Mapping[str, Any] = PAYLOAD, kind: str = "MINT"
) -> Decision:
    actor = await house.actor(token)
    async with house.pool.acquire() as connection, connection.transaction():
        return await house.approvals.decide(connection, kind, subject, payload, actor)


async def test_the_second_person_with_the_same_payload_carries_it_out(house: House) -> None:
    (ada, first), (ben, second) = await house.staff("ada", Role.ADMIN), await house.staff("ben", Role.ADMIN)
    proposed = await decide(house, first)
    assert (proposed.state, proposed.proposed_by) == ("PROPOSED", ada)
    assert await decide(house, first) == proposed  # once more is nothing more
    assert house.executed == []
    approved = await decide(house, second, payload=dict(reversed(PAYLOAD.items())))
    assert (approved.state, approved.approval_id) == ("APPROVED", proposed.approval_id)
    (executed,) = house.executed
    assert (executed.approval_id, executed.payload, executed.actor.user_id) == (proposed.approval_id, PAYLOAD, ben)
    log = await house.pool.fetch("SELECT actor, action FROM audit_log WHERE action LIKE 'approval %' ORDER BY entry_id")
    assert [tuple(row) for row in log] == [
        (f"user:{ada}", "approval proposed"),
        (f"user:{ben}", "approval approved"),
    ]


async def test_by_route_the_hash_names_what_is_approved(house: House) -> None:
    (_, first), (ben, second) = await house.staff("ada", Role.ADMIN), await house.staff("ben", Role.ADMIN)
    approval_id = (await decide(house, first)).approval_id
    path = f"/approvals/{approval_id}"
    shown = (await house.get(path, token=second)).json
    assert shown["payload"] == PAYLOAD
    assert sha256(shown["payload_json"].encode()).hexdigest() == shown["payload_hash"]
    body = {"payload_hash": shown["payload_hash"]}
    assert (await house.post(f"{path}/approve", body, token=first)).reason == "OWN_PROPOSAL"
    assert (await house.post(f"{path}/approve", {"payload_hash": "0" * 64}, token=second)).reason == "PAYLOAD_CHANGED"
    assert (await house.post(f"{path}/approve", body | {"state": "APPROVED"}, token=second)).reason == "BODY_MALFORMED"
    assert house.executed == []
    approved = await house.post(f"{path}/approve", body, token=second)
    assert (approved.status, approved.json["state"], approved.json["decided_by"]) == (200, "APPROVED", str(ben))
    again = await house.post(f"{path}/approve", body, token=second)
    assert (again.status, again.reason, again.json["state"]) == (409, "ALREADY_DECIDED", "APPROVED")
    assert len(house.executed) == 1


async def test_a_rejected_proposal_is_over_and_makes_room(house: House) -> None:
    (_, first), (_, second) = await house.staff("ada", Role.ADMIN), await house.staff("ben", Role.ADMIN)
    proposed = await decide(house, first)
    with pytest.raises(Problem, match="OTHER_PROPOSAL") as other:
        await decide(house, second, payload={"supply": "1001"})
    assert other.value.extra == {"approval_id": str(proposed.approval_id), "payload_hash": proposed.payload_hash}
    path = f"/approvals/{proposed.approval_id}"
    rejected = await house.post(f"{path}/reject", {"reason": "The supply is wrong."}, token=second)
    assert (rejected.json["state"], rejected.json["reason"]) == ("REJECTED", "The supply is wrong.")
    assert (await house.post(f"{path}/approve", {"payload_hash": proposed.payload_hash}, token=second)).status == 409
    renewed = await decide(house, second, payload={"supply": "1001"})
    assert renewed.state == "PROPOSED"
    withdrawn = await house.post(f"/approvals/{renewed.approval_id}/reject", {"reason": "Mine."}, token=second)
    assert withdrawn.json["state"] == "REJECTED"
    assert house.executed == []


async def test_a_proposal_expires(house: House) -> None:
    (_, first), (ben, _) = await house.staff("ada", Role.ADMIN), await house.staff("ben", Role.ADMIN)
    proposed = await decide(house, first)
    await house.pass_time(days=7)
    late = Actor(ben, 2, frozenset({Role.ADMIN}), uuid4(), has_second_factor=True)
    assert (await house.approvals.approval(proposed.approval_id, late)).state == "EXPIRED"
    assert [each.state for each in await house.approvals.approvals(late, "EXPIRED", None, 10)] == ["EXPIRED"]
    assert await house.approvals.approvals(late, "PROPOSED", None, 10) == []
    with pytest.raises(Problem, match="ALREADY_DECIDED"):
        await house.approvals.approve(proposed.approval_id, proposed.payload_hash, late)
    async with house.pool.acquire() as connection, connection.transaction():
        renewed = await house.approvals.decide(connection, "MINT", "oak", PAYLOAD, late)
    assert (renewed.state, renewed.proposed_by) == ("PROPOSED", ben)
    assert renewed.approval_id != proposed.approval_id
    assert house.executed == []


async def test_two_approvals_at_once_carry_out_once(house: House) -> None:
    staff = [await house.staff(name, Role.ADMIN) for name in ("ada", "ben", "cat", "dan")]
    proposed = await decide(house, staff[0][1])
    path, body = f"/approvals/{proposed.approval_id}/approve", {"payload_hash": proposed.payload_hash}
    answers = await asyncio.gather(*(house.post(path, body, token=token) for _, token in staff[1:] * 3))
    assert sorted(answer.status for answer in answers) == [200] + [409] * 8
    assert len(house.executed) == 1


async def test_approved_and_rejected_at_once_is_one_of_them(house: House) -> None:
    (_, first), (_, second), (_, third) = [await house.staff(each, Role.ADMIN) for each in ("ada", "ben", "cat")]
    for subject in map(str, range(8)):
        proposed = await decide(house, first, subject)
        path = f"/approvals/{proposed.approval_id}"
        before = len(house.executed)
        approved, rejected = await asyncio.gather(
            house.post(f"{path}/approve", {"payload_hash": proposed.payload_hash}, token=second),
            house.post(f"{path}/reject", {"reason": "No."}, token=third),
        )
        assert sorted((approved.status, rejected.status)) == [200, 409]
        assert len(house.executed) - before == (1 if approved.status == 200 else 0)


async def test_two_who_decide_at_once_are_a_proposer_and_an_approver(house: House) -> None:
    (ada, first), (ben, second) = await house.staff("ada", Role.ADMIN), await house.staff("ben", Role.ADMIN)
    for subject in map(str, range(8)):
        decisions = await asyncio.gather(*(decide(house, token, subject) for token in (first, second)))
        assert sorted(each.state for each in decisions) == ["APPROVED", "PROPOSED"]
        assert len({each.approval_id for each in decisions}) == 1
    assert len(house.executed) == 8
    deciders = {(row["proposed_by"], row["decided_by"]) for row in await house.pool.fetch("SELECT * FROM approvals")}
    assert deciders <= {(ada, ben), (ben, ada)}


async def test_what_fails_to_be_carried_out_is_not_approved(pool: Pool) -> None:
    async def refuse(connection: Connection, approval_id: UUID, payload: Mapping[str, Any], actor: Actor) -> None:
        await connection.execute("CREATE TABLE half_done ()")
        raise Problem(409, "NOT_NOW", "The property is not approved.")

    async with open_house(pool, {"MINT": refuse}) as house:
        (_, first), (_, second) = await house.staff("ada", Role.ADMIN), await house.staff("ben", Role.ADMIN)
        proposed = await decide(house, first)
        path, body = f"/approvals/{proposed.approval_id}", {"payload_hash": proposed.payload_hash}
        assert (await house.post(f"{path}/approve", body, token=second)).reason == "NOT_NOW"
        assert (await house.get(path, token=second)).json["state"] == "PROPOSED"
        assert await pool.fetchval("SELECT to_regclass('half_done')") is None
        assert await pool.fetchval("SELECT count(*) FROM audit_log WHERE action = 'approval approved'") == 0


@pytest.mark.parametrize("kind", MAY_DECIDE)
async def test_each_kind_is_for_its_roles_with_a_second_factor(house: House, kind: str) -> None:
    for role in Role:
        user_id = await house.register(role.lower())
        for has_second_factor in (True, False):
            actor = Actor(user_id, 1, frozenset({role}), uuid4(), has_second_factor)
            refused = None
            async with house.pool.acquire() as connection, connection.transaction():
                try:
                    await house.approvals.decide(connection, kind, role, PAYLOAD, actor)
                except Problem as problem:
                    refused = problem.status
            assert refused == (None if role in MAY_DECIDE[kind] and has_second_factor else 403)
    assert MAY_DECIDE[kind] >= {Role.ADMIN}
    assert Role.INVESTOR not in MAY_DECIDE[kind]


async def test_what_is_not_ones_own_to_decide_is_not_there(house: House) -> None:
    _, admin = await house.staff("ada", Role.ADMIN)
    _, officer = await house.staff("cora", Role.COMPLIANCE_OFFICER)
    mint, freeze = await decide(house, admin), await decide(house, admin, kind="FREEZE")
    listed = (await house.get("/approvals", token=officer)).json
    assert [each["approval_id"] for each in listed] == [str(freeze.approval_id)]
    path, body = f"/approvals/{mint.approval_id}", {"payload_hash": mint.payload_hash}
    assert (await house.get(path, token=officer)).status == 404
    assert (await house.post(f"{path}/approve", body, token=officer)).status == 404
    assert (await house.post(f"{path}/reject", {"reason": "No."}, token=officer)).status == 404
    assert (await house.get("/approvals/none", token=admin)).status == 404


async def test_pages_go_back_in_time(house: House) -> None:
    _, admin = await house.staff("ada", Role.ADMIN)
    made = [str((await decide(house, admin, str(each))).approval_id) for each in range(5)]
    first = (await house.get("/approvals?limit=2&state=PROPOSED", token=admin)).json
    rest = (await house.get(f"/approvals?before={first[-1]['approval_id']}", token=admin)).json
    assert [each["approval_id"] for each in first + rest] == made[::-1]
    for query in ("limit=0", "limit=101", "state=OPEN", "before=1", "unknown=1"):
        assert (await house.get(f"/approvals?{query}", token=admin)).reason == "QUERY_MALFORMED"


async def test_the_database_holds_the_rules_too(house: House) -> None:
    (ada, first), (ben, _) = await house.staff("ada", Role.ADMIN), await house.staff("ben", Role.ADMIN)
    await decide(house, first)
    with pytest.raises(asyncpg.CheckViolationError):
        await house.pool.execute(
            "UPDATE approvals SET state = 'APPROVED', decided_by = $1, decided_at = $2", ada, house.now
        )
    for change in ("payload = '{}'", "proposed_by = decided_by", "kind = 'BURN'", "payload_hash = sha256('')"):
        with pytest.raises((asyncpg.CheckViolationError, asyncpg.RaiseError, asyncpg.NotNullViolationError)):
            await house.pool.execute(f"UPDATE approvals SET {change}")
    await house.pool.execute(
        "UPDATE approvals SET state = 'REJECTED', decided_by = $1, decided_at = $2, reason = 'No.'", ben, house.now
    )
    with pytest.raises(asyncpg.RaiseError, match="is decided"):
        await house.pool.execute("UPDATE approvals SET reason = 'Yes.'")
    with pytest.raises(asyncpg.RaiseError, match="never changed"):
        await house.pool.execute("DELETE FROM approvals")


def test_one_payload_has_one_text() -> None:
    assert (
        canonical({"b": [1, None, True], "a": {"d": "\u00e4", "c": ""}})
        == '{"a":{"c":"","d":"\u00e4"},"b":[1,null,true]}'
    )
    for payload in ({"a": 1.0}, {"a": float("nan")}, {"a": b""}, {1: "a"}, {"a": [{"b": 0.5}]}, {"a": {1, 2}}):
        with pytest.raises(AssertionError):
            canonical(payload)  # type: ignore[arg-type]
