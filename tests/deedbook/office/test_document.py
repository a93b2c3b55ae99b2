"""GET /openapi.json, held against the running office: schemathesis calls every operation with what the document allows
and with what it does not, and every answer must be one of those that the document describes."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.actor import Role
from compliance.audit import verify_chain
from tests.deedbook.office.house import a_house
from tests.deedbook.office.opened import NOBODY, Caller, Front

SEED_FAST: Final = 1
EXAMPLES_FAST, EXAMPLES_SLOW = 2, 10
CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
ENDS_SESSION: Final = ("POST", "/auth/logout")
STREAM: Final = ("GET", "/notifications/stream")  # it does not end; test_owners reads it
WITHIN_S: Final = 30


@dataclass
class Run:
    """One caller's calls. `token` makes a session, again where a call has ended it."""

    url: str
    token: Callable[[], str | None]
    given_seed: int
    examples: int
    ids: Mapping[str, list[str]]

    def play(self, document: Mapping[str, Any]) -> list[str]:
        """Every operation; what went wrong, in words."""
        print(f"seed {self.given_seed}")
        schema = schemathesis.openapi.from_dict(dict(document))
        found: list[str] = []
        with requests.Session() as session:
            for result in schema.get_all_operations():
                assert isinstance(result, Ok), result
                operation = result.ok()
                if (operation.method.upper(), operation.path) != STREAM:
                    found += self._operation(session, operation)
        return found

    def _operation(self, session: requests.Session, operation: Any) -> list[str]:
        found: list[str] = []
        token = self.token()
        modes = st.sampled_from([GenerationMode.POSITIVE, GenerationMode.NEGATIVE])

        @seed(self.given_seed)
        @settings(
            max_examples=self.examples, deadline=None, database=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck), print_blob=False,
        )  # fmt: skip
        @given(data=st.data())
        def run(data: st.DataObject) -> None:
            nonlocal token
            case = data.draw(operation.as_strategy(generation_mode=data.draw(modes)))
            self._use_known_ids(case, data)
            headers = {} if token is None else {"Authorization": f"Bearer {token}"}
            response = self._call(case, session, headers)
            if (operation.method.upper(), operation.path) == ENDS_SESSION:
                token = self.token()
            try:
                case.validate_response(response, checks=CHECKS)
            except (FailureGroup, Failure) as failure:
                found.append(f"{operation.label}: {_words(failure)}")

        run()
        return sorted(set(found))

    def _call(self, case: Any, session: requests.Session, headers: dict[str, str]) -> Any:
        """Waits, as it is told to, where this address has called too often."""
        while True:
            response = case.call(base_url=self.url, session=session, headers=headers, timeout=WITHIN_S)
            if response.status_code != 429 or b"TOO_MANY_CALLS" not in response.content:
                return response
            time.sleep(int(response.headers["retry-after"][0]))

    def _use_known_ids(self, case: Any, data: st.DataObject) -> None:
        """Half of the calls name what is there."""
        for name in case.path_parameters or {}:
            if self.ids.get(name) and data.draw(st.booleans()):
                case.path_parameters[name] = data.draw(st.sampled_from(self.ids[name]))


def _words(failure: Any) -> str:
    group = getattr(failure, "exceptions", [failure])
    return "; ".join(f"{each.title}: {each.message}"[:1_500] for each in group)


CALLERS: Final = {
    "nobody": ((), False),
    "investor": ((Role.INVESTOR,), False),
    "admin": ((Role.INVESTOR, Role.ADMIN), True),
    "everything": (tuple(Role), True),
}


@pytest.mark.parametrize("name", CALLERS)
async def test_answers_are_those_of_the_document(front: Front, name: str) -> None:
    await _play(front, name, SEED_FAST, EXAMPLES_FAST)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", CALLERS)
async def test_answers_are_those_of_the_document_at_length(front: Front, name: str) -> None:
    given_seed = int(os.environ.get("DEEDBOOK_DOCUMENT_SEED") or secrets.randbelow(2**32))
    await _play(front, name, given_seed, EXAMPLES_SLOW)


async def _play(front: Front, name: str, given_seed: int, examples: int) -> None:
    roles, has_second_factor = CALLERS[name]
    caller = await front.person(*roles, has_second_factor=has_second_factor) if roles else NOBODY
    loop = asyncio.get_running_loop()

    def token() -> str | None:
        """A session of its own for each operation: one that ends it does not spoil the next."""
        if not roles:
            return None
        signed_in = front.signed_in(caller, has_second_factor=has_second_factor)
        return asyncio.run_coroutine_threadsafe(signed_in, loop).result().token

    document = await front.good(NOBODY, "GET", "/openapi.json")
    run = Run(front.office.url, token, given_seed, examples, await _known_ids(front, caller))
    try:
        found = await asyncio.to_thread(run.play, document)
    finally:
        await front.forget_attempts()
    assert not found, "\n".join(found)
    assert await verify_chain(front.pool) is None


async def _known_ids(front: Front, caller: Caller) -> dict[str, list[str]]:
    """By name in a path: of the caller's own where they have a part in it."""
    tenant = await front.person(Role.TENANT) if caller is NOBODY else caller
    house = await a_house(front, tenant)
    notices = await front.good(tenant, "GET", "/notifications")
    return {
        "property_id": [house.property_id],
        "lease_id": [house.lease_id],
        "document_id": [house.link.removeprefix("/documents/").split("?")[0]],
        "notification_id": [each["notification_id"] for each in notices],
        "user_id": [str(house.manager.user_id)],
    }
