"""The table of roles and routes, cell by cell; and behind HTTP for the routes of this room."""

from __future__ import annotations

import re
from uuid import UUID

import pytest

from api.actor import Actor, Role
from compliance.roles import (
    OPEN,
    ROUTE_ROLES,
    SIGNED_IN,
    WITH_SECOND_FACTOR,
    Everybody,
    allowed,
    needs_second_factor,
    refusal,
    roles_of,
)
from persistence.database import Pool
from tests.compliance.house import open_house

# Who may call what, written a second time and by letter: `-` nobody signed in, Investor, property Manager, Tenant,
# Compliance officer, Admin, settlement Operator; a dot where the answer is no.
LETTERS = "-IMTCAO"
MATRIX = {
    "POST /auth/register": "-IMTCAO",
    "POST /auth/verify": "-IMTCAO",
    "POST /auth/login": "-IMTCAO",
    "POST /auth/password/forgot": "-IMTCAO",
    "POST /auth/password/reset": "-IMTCAO",
    "POST /auth/logout": ".IMTCAO",
    "GET /auth/session": ".IMTCAO",
    "POST /auth/totp": ".IMTCAO",
    "POST /auth/totp/confirm": ".IMTCAO",
    "GET /users": "....CA.",
    "PUT /users/{user_id}/roles": ".....A.",
    "POST /wallets/challenge": ".IMTCAO",
    "POST /wallets": ".IMTCAO",
    "GET /wallets": ".IMTCAO",
    "GET /approvals": "....CAO",
    "GET /approvals/{approval_id}": "....CAO",
    "POST /approvals/{approval_id}/approve": "....CAO",
    "POST /approvals/{approval_id}/reject": "....CAO",
    "GET /audit": "....CA.",
}
ROLE_OF = dict(zip(LETTERS[1:], Role, strict=True))


def test_letters_stand_for_the_roles() -> None:
    assert {letter: role[0] for letter, role in ROLE_OF.items()} == dict(zip("IMTCAO", "IPTCAS", strict=True))


@pytest.mark.parametrize(("route", "cells"), MATRIX.items())
def test_each_cell_of_this_rooms_routes(route: str, cells: str) -> None:
    method, path = route.split()
    for letter, cell in zip(LETTERS, cells, strict=True):
        roles = None if letter == "-" else frozenset({ROLE_OF[letter]})
        assert allowed(method, path, roles) == (cell != "."), letter


@pytest.mark.parametrize("route", ROUTE_ROLES)
def test_every_row_is_well_formed(route: tuple[str, str]) -> None:
    who = ROUTE_ROLES[route]
    assert who  # a route that nobody may call is no route
    assert re.fullmatch(
        r"(GET|POST|PUT|PATCH|DELETE) (/[a-z0-9.-]+|/{(?:[a-z_]+_id|kind|key|symbol)})+", " ".join(route)
    )
    shown = roles_of(*route)
    assert (shown is None, shown == []) == (who is OPEN, who is SIGNED_IN)


@pytest.mark.parametrize("route", ROUTE_ROLES)
def test_a_role_that_counts_with_a_second_factor_does_not_without(route: tuple[str, str]) -> None:
    who = ROUTE_ROLES[route]
    for role in Role:
        for has_second_factor in (True, False):
            roles = frozenset({Role.INVESTOR, role})
            problem = refusal(*route, Actor(UUID(int=1), 1, roles, UUID(int=2), has_second_factor))
            if isinstance(who, Everybody) or Role.INVESTOR in who:
                assert problem is None
            elif role not in who:
                assert problem is not None
                assert (problem.status, problem.reason) == (403, "ROLE_MISSING")
            elif role in WITH_SECOND_FACTOR and not has_second_factor:
                assert problem is not None
                assert (problem.status, problem.reason) == (403, "SECOND_FACTOR_REQUIRED")
                assert needs_second_factor(*route, roles)
            else:
                assert problem is None


@pytest.mark.parametrize("route", ROUTE_ROLES)
def test_who_is_not_signed_in_gets_what_is_open(route: tuple[str, str]) -> None:
    problem = refusal(*route, None)
    assert (problem is None) == (ROUTE_ROLES[route] is OPEN)
    assert problem is None or (problem.status, problem.reason) == (401, "NOT_SIGNED_IN")


def test_a_route_without_a_row_is_a_mistake_of_ours() -> None:
    with pytest.raises(KeyError):
        refusal("GET", "/nothing", None)


async def test_each_cell_behind_http(pool: Pool) -> None:
    async with open_house(pool) as house:
        tokens: dict[str, str | None] = {"-": None}
        for letter, role in ROLE_OF.items():
            _, tokens[letter] = await house.staff(role.lower(), *({role} - {Role.INVESTOR}))
        for route, cells in MATRIX.items():
            if route == "POST /auth/logout":
                continue  # its callers are needed
            method, path = route.split()
            for letter, cell in zip(LETTERS, cells, strict=True):
                place = re.sub(r"{\w+}", "0198c000-0000-7000-8000-000000000000", path)
                answer = await house.call(method, place, None if method == "GET" else {}, token=tokens[letter])
                refused = answer.status in (401, 403)
                assert refused == (cell == "."), (route, letter, answer)
