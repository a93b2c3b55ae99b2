"""A route as a value, and one call of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

import msgspec
from aiohttp import web

from api.actor import Actor
from api.problem import Problem, not_found

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
Body = TypeVar("Body")


class Kind(Enum):
    """How the body and the answer travel."""

    JSON = "JSON"
    WEBHOOK = "WEBHOOK"  # the handler checks the raw body's signature before it reads it
    UPLOAD = "UPLOAD"  # the handler reads `request.content` to its own cap; the body is the file itself
    DOWNLOAD = "DOWNLOAD"  # the handler answers with a file of its own
    STREAM = "STREAM"  # the handler answers with server-sent events


@dataclass(frozen=True, slots=True)
class Call(Generic[Body]):
    """One call: `body` and `query` are decoded and of the route's types, `raw` is the body of a WEBHOOK."""

    request: web.Request
    actor: Actor | None
    body: Body
    query: Any
    raw: bytes

    @property
    def signed_in(self) -> Actor:
        """Raises Problem 401 on an open route that nobody signed in for."""
        if self.actor is None:
            raise Problem(401, "NOT_SIGNED_IN", "Sign in first: POST /auth/login.")
        return self.actor

    @property
    def path(self) -> Mapping[str, str]:
        return self.request.match_info

    @property
    def headers(self) -> Mapping[str, str]:
        return self.request.headers

    @property
    def ip(self) -> str:
        return self.request.remote or ""

    def uuid(self, name: str) -> UUID:
        """A path member. Raises Problem 404 where it is no UUID: then nothing has that id."""
        try:
            return UUID(self.request.match_info[name])
        except ValueError:
            raise not_found(name.removesuffix("_id").replace("_", " ")) from None


Handler = Callable[[Call[Any]], Awaitable[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Who may call it stands in the role table, not here.

    path     such as "/properties/{property_id}"
    body     a msgspec.Struct that forbids unknown fields; None: no JSON body
    query    the same, for the query string
    answer   a Struct or a list of one; None with status 204
    summary  one sentence for the document
    """

    method: str
    path: str
    handler: Handler
    summary: str
    body: Any = None
    query: Any = None
    answer: Any = None
    status: int = 200
    kind: Kind = Kind.JSON

    def __post_init__(self) -> None:
        assert self.method in METHODS, self.method
        assert self.path.startswith("/"), self.path
        for given in (self.body, self.query):
            assert given is None or _is_strict(given), f"{self.path}: {given} must forbid unknown fields"
        assert self.kind is Kind.JSON or self.body is None, f"{self.path}: only JSON has a decoded body"

    @property
    def status_of_success(self) -> int:
        return (
            204 if self.answer is None and self.kind in (Kind.JSON, Kind.UPLOAD) and self.status == 200 else self.status
        )


def _is_strict(struct: Any) -> bool:
    return issubclass(struct, msgspec.Struct) and struct.__struct_config__.forbid_unknown_fields
