"""Roles are given by an admin, on the record, to verified people; there is always an admin."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from api.actor import Role
from compliance.appointments import DECIDING, appoint_first_admin
from compliance.registry import FactError, create_user
from persistence.database import Pool
from tests.compliance.house import House, open_house


@pytest.fixture
async def house(pool: Pool) -> AsyncIterator[House]:
    async with open_house(pool) as opened:
        yield opened


async def test_the_first_admin_is_appointed_once_from_outside(house: House) -> None:
    with pytest.raises(FactError, match="nobody is registered"):
        await appoint_first_admin(house.pool, "ada@example.com", actor="operator")
    await create_user(house.pool, "ada@example.com", actor="operator")
    with pytest.raises(FactError, match="is not verified yet"):
        await appoint_first_admin(house.pool, "ada@example.com", actor="operator")
    names = ["ben", "cat", "dan"]
    for name in names:
        await house.register(name)
    results = await asyncio.gather(
        *(appoint_first_admin(house.pool, f"{name}@example.com", actor="operator") for name in names),
        return_exceptions=True,
    )
    assert sum(isinstance(result, FactError) for result in results) == 2
    assert await house.pool.fetchval("SELECT count(*) FROM user_roles WHERE role = 'ADMIN'") == 1


async def test_an_admin_gives_and_takes_roles_and_it_counts_at_once(house: House) -> None:
    ada, admin = await house.admin()
    ann = await house.register("ann")
    token = await house.sign_in("ann")
    path = f"/users/{ann}/roles"
    assert (await house.get("/users", token=token)).reason == "ROLE_MISSING"
    given = await house.call("PUT", path, {"roles": ["COMPLIANCE_OFFICER", "TENANT"]}, token=admin)
    roles = ["COMPLIANCE_OFFICER", "INVESTOR", "TENANT"]
    assert (given.status, given.json) == (200, {"roles": roles, "decision": None})
    assert (await house.get("/users", token=token)).reason == "SECOND_FACTOR_REQUIRED"
    await house.enrol(token)
    assert (await house.get("/users", token=token)).status == 200
    taken = await house.call("PUT", path, {"roles": []}, token=admin)
    assert taken.json == {"roles": ["INVESTOR"], "decision": None}
    assert (await house.get("/users", token=token)).reason == "ROLE_MISSING"
    log = await house.pool.fetch("SELECT actor, user_id FROM audit_log WHERE action = 'roles set'")
    assert [tuple(row) for row in log] == [(f"user:{ada}", ann)] * 2


async def test_nobody_gives_a_role_to_themselves(house: House) -> None:
    ann = await house.register("ann")
    token = await house.sign_in("ann")
    for roles in (["ADMIN"], ["PROPERTY_MANAGER"]):
        assert (await house.call("PUT", f"/users/{ann}/roles", {"roles": roles}, token=token)).status == 403
    officer, token = await house.staff("cora", Role.COMPLIANCE_OFFICER)
    assert (await house.call("PUT", f"/users/{officer}/roles", {"roles": ["ADMIN"]}, token=token)).status == 403


async def test_the_last_admin_stays(house: House) -> None:
    ada, first = await house.admin()
    gone = await house.call("PUT", f"/users/{ada}/roles", {"roles": []}, token=first)
    assert (gone.status, gone.reason) == (409, "LAST_ADMIN")


@pytest.mark.parametrize("role", sorted(DECIDING))
async def test_of_two_admins_none_appoints_alone_who_decides_with_them(house: House, role: Role) -> None:
    _, first = await house.admin()
    _, second = await house.staff("ben", Role.ADMIN)
    path = f"/users/{await house.register('puppet')}/roles"
    for _ in range(2):
        asked = await house.call("PUT", path, {"roles": [role]}, token=first)
        assert (asked.status, asked.json["roles"]) == (200, ["INVESTOR"])
        assert asked.json["decision"]["state"] == "PROPOSED"
    other = await house.call("PUT", path, {"roles": [role, "TENANT"]}, token=second)
    assert (other.status, other.reason) == (409, "OTHER_PROPOSAL")
    given = await house.call("PUT", path, {"roles": [role]}, token=second)
    assert given.json["roles"] == sorted([role, "INVESTOR"])
    assert given.json["decision"]["state"] == "APPROVED"
    alone = await house.call("PUT", f"/users/{await house.register('tom')}/roles", {"roles": ["TENANT"]}, token=first)
    assert alone.json == {"roles": ["INVESTOR", "TENANT"], "decision": None}


async def test_of_two_admins_none_dismisses_the_other_and_both_dismiss_a_third(house: House) -> None:
    ada, first = await house.admin()
    ben, second = await house.staff("ben", Role.ADMIN)
    for user_id, token in ((ben, first), (ada, second)):
        asked = await house.call("PUT", f"/users/{user_id}/roles", {"roles": []}, token=token)
        assert asked.json["decision"]["state"] == "PROPOSED"
    assert await house.pool.fetchval("SELECT count(*) FROM user_roles WHERE role = 'ADMIN'") == 2
    cat, _ = await house.staff("cat", Role.ADMIN)
    for token in (first, second):
        gone = await house.call("PUT", f"/users/{cat}/roles", {"roles": []}, token=token)
    assert gone.json["roles"] == ["INVESTOR"]


async def test_roles_that_have_changed_since_are_proposed_again(house: House) -> None:
    _, first = await house.admin()
    _, second = await house.staff("ben", Role.ADMIN)
    ann = await house.register("ann")
    asked = (await house.call("PUT", f"/users/{ann}/roles", {"roles": ["ADMIN"]}, token=first)).json["decision"]
    await house.call("PUT", f"/users/{ann}/roles", {"roles": ["TENANT"]}, token=first)
    body = {"payload_hash": asked["payload_hash"]}
    late = await house.post(f"/approvals/{asked['approval_id']}/approve", body, token=second)
    assert (late.status, late.reason) == (409, "ROLES_CHANGED")
    assert await house.pool.fetchval("SELECT count(*) FROM user_roles WHERE role = 'ADMIN'") == 2


async def test_what_cannot_have_roles_is_refused(house: House) -> None:
    _, admin = await house.admin()
    unverified = await create_user(house.pool, "ann@example.com", actor="operator")
    for user_id, roles, status in (
        (unverified, ["TENANT"], 409),
        (uuid4(), ["TENANT"], 404),
        ("me", ["TENANT"], 404),
        (unverified, ["KING"], 400),
        (unverified, "ADMIN", 400),
    ):
        answer = await house.call("PUT", f"/users/{user_id}/roles", {"roles": roles}, token=admin)
        assert answer.status == status


async def test_who_may_not_propose_any_more_has_nothing_proposed(house: House) -> None:
    _, admin = await house.admin()
    ben, token = await house.staff("ben", Role.ADMIN)
    actor = await house.actor(token)
    async with house.pool.acquire() as connection, connection.transaction():
        mint = await house.approvals.decide(connection, "MINT", "oak", {}, actor)
        freeze = await house.approvals.decide(connection, "FREEZE", "oak", {}, actor)
    _, third = await house.staff("cat", Role.ADMIN)
    for each in (admin, third):
        set_by = await house.call("PUT", f"/users/{ben}/roles", {"roles": ["COMPLIANCE_OFFICER"]}, token=each)
    states = {each["approval_id"]: each["state"] for each in (await house.get("/approvals", token=admin)).json}
    del states[set_by.json["decision"]["approval_id"]]
    assert states == {str(mint.approval_id): "REJECTED", str(freeze.approval_id): "PROPOSED"}


async def test_people_are_listed_in_pages(house: House) -> None:
    ada, admin = await house.admin()
    others = [await create_user(house.pool, f"{each}@example.com", actor="operator") for each in range(3)]
    first = (await house.get("/users?limit=2", token=admin)).json
    rest = (await house.get(f"/users?after={first[-1]['user_id']}", token=admin)).json
    assert [each["user_id"] for each in first + rest] == [str(ada), *map(str, others)]
    assert {key: first[0][key] for key in ("email", "is_verified", "has_second_factor", "roles")} == {
        "email": "ada@example.com",
        "is_verified": True,
        "has_second_factor": True,
        "roles": ["ADMIN", "INVESTOR"],
    }
    assert (first[1]["is_verified"], first[1]["roles"]) == (False, [])
