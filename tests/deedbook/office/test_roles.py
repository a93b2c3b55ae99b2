"""The table of roles and routes, cell by cell, as the running office keeps to it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from api.actor import Role
from compliance.roles import OPEN, ROUTE_ROLES, SIGNED_IN, WITH_SECOND_FACTOR, Everybody, roles_of
from tests.deedbook.office.opened import NOBODY, NOBODYS_ID, Answer, Front

METHODS = {"get", "post", "put", "patch", "delete"}
LOGOUT = ("POST", "/auth/logout")
STREAM = ("GET", "/notifications/stream")
UNSIGNED = ("SIGNATURE_WRONG", "NOT_SIGNED")
NOT_SIGNED_IN = (401, "NOT_SIGNED_IN")
ROLE_MISSING = (403, "ROLE_MISSING")
SECOND_FACTOR = (403, "SECOND_FACTOR_REQUIRED")


async def probe(front: Front, caller: Any, route: tuple[str, str]) -> Answer:
    """One call that does nothing where it is let in: of ids that nobody has, and with an empty body."""
    method, path = route
    place = re.sub(r"{\w+}", NOBODYS_ID, path)
    return await front.call(caller, method, place, None if method == "GET" else {})


def expected(route: tuple[str, str], role: Role, *, has_second_factor: bool) -> tuple[int, str] | None:
    """What the table says of who has this role alone; None: let in."""
    who = ROUTE_ROLES[route]
    if isinstance(who, Everybody):
        return None
    if role not in who:
        return ROLE_MISSING
    return SECOND_FACTOR if role in WITH_SECOND_FACTOR and not has_second_factor else None


def outcome(answer: Answer) -> tuple[int, str] | None:
    """None: let in. A webhook refuses what is not signed, whoever brings it."""
    is_let_in = answer.status not in (401, 403) or answer.reason in UNSIGNED
    return None if is_let_in else (answer.status, answer.reason)


@pytest.mark.parametrize("has_second_factor", [True, False])
@pytest.mark.parametrize("role", Role)
async def test_each_role_alone_gets_what_the_table_says(front: Front, role: Role, has_second_factor: bool) -> None:
    caller = await front.person(role, has_second_factor=has_second_factor)
    differ = []
    for route in ROUTE_ROLES.keys() - {STREAM}:
        answer = await probe(front, caller, route)
        wanted = expected(route, role, has_second_factor=has_second_factor)
        assert answer.status < 500, (route, answer)
        if outcome(answer) != wanted:
            differ.append((route, wanted, answer.status, answer.reason))
        if route == LOGOUT:
            caller = await front.signed_in(caller, has_second_factor=has_second_factor)
    assert not differ


async def test_nobody_gets_what_is_open(front: Front) -> None:
    for route, who in ROUTE_ROLES.items():
        answer = await probe(front, NOBODY, route)
        if who is OPEN:
            assert outcome(answer) is None, (route, answer)
        else:
            assert (answer.status, answer.reason) == NOT_SIGNED_IN, (route, answer)


async def test_a_spent_session_is_nobody(front: Front) -> None:
    caller = await front.person(Role.INVESTOR)
    await front.good(caller, *LOGOUT)
    for route, who in ROUTE_ROLES.items():
        if who is not OPEN:
            assert (await probe(front, caller, route)).reason == "NOT_SIGNED_IN"


async def test_the_document_is_the_table(front: Front) -> None:
    """Its operations, and who may call each, as the table has them: both ways."""
    document = await front.good(NOBODY, "GET", "/openapi.json")
    assert document["openapi"].startswith("3.1")
    shown = {
        (method.upper(), path): operation
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    assert shown.keys() == ROUTE_ROLES.keys()
    for route, operation in shown.items():
        roles = roles_of(*route)
        assert (operation["security"] == []) == (ROUTE_ROLES[route] is OPEN)
        assert operation.get("x-roles", []) == (roles or [])
        assert bool(operation["security"]) == (ROUTE_ROLES[route] is SIGNED_IN or bool(roles))


async def test_what_is_no_route_is_not_there(front: Front) -> None:
    """A method that a path does not have, and paths that no table has."""
    paths = {path for _, path in ROUTE_ROLES}
    for path in paths:
        place = re.sub(r"{\w+}", NOBODYS_ID, path)
        for method in ("PUT", "PATCH", "DELETE", "POST"):
            if not any(_reaches(method, place, route) for route in ROUTE_ROLES):
                assert (await front.call(NOBODY, method, place)).status in (404, 405), (method, path)


def _reaches(method: str, place: str, route: tuple[str, str]) -> bool:
    pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(route[1]))
    return method == route[0] and re.fullmatch(pattern, place) is not None
