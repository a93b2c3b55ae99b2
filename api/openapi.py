"""The OpenAPI 3.1 document of the routes, made from the routes themselves."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from api.problem import CONTENT_TYPE
from api.route import Kind, Route

VERSION: Final = "3.1.0"
REF_TEMPLATE: Final = "#/components/schemas/{name}"
Roles = Callable[[str, str], Sequence[str] | None]  # of a method and path; None: open to everybody


class ProblemDetails(msgspec.Struct):
    """RFC 9457, with one `reason` that a program can act on; further members depend on the reason."""

    type: str
    title: str
    status: int
    reason: str
    detail: str


def document(routes: Sequence[Route], roles: Roles, *, title: str, version: str) -> dict[str, Any]:
    """The whole document; `roles` says who may call a route."""
    types = [given for route in routes for given in (route.body, route.query, route.answer) if given is not None]
    schemas, components = msgspec.json.schema_components([*types, ProblemDetails], ref_template=REF_TEMPLATE)
    schema_of = {_key(given): schema for given, schema in zip(types, schemas, strict=False)}
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        operation = _operation(route, schema_of, components, roles(route.method, route.path))
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    return {
        "openapi": VERSION,
        "info": {"title": title, "version": version},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "session": {"type": "apiKey", "in": "cookie", "name": "session"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _operation(
    route: Route, schema_of: dict[str, Any], components: dict[str, Any], roles: Sequence[str] | None
) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _operation_id(route),
        "summary": route.summary,
        "parameters": [*_path_parameters(route), *_query_parameters(route, schema_of, components)],
        "responses": {str(route.status_of_success): _success(route, schema_of), "4XX": _failure(), "5XX": _failure()},
        "security": [] if roles is None else [{"session": []}, {"bearer": []}],
    }
    if roles:
        operation["x-roles"] = list(roles)
    if route.body is not None:
        operation["requestBody"] = _content("application/json", schema_of[_key(route.body)]) | {"required": True}
    elif route.kind is Kind.WEBHOOK:
        operation["requestBody"] = _content("application/json", {}) | {"required": True}
    elif route.kind is Kind.UPLOAD:
        operation["requestBody"] = _content("application/octet-stream", {}) | {"required": True}
    return operation


def _operation_id(route: Route) -> str:
    words = re.sub(r"[{}]", "", route.path).replace("-", "_").replace(".", "_").strip("/").split("/")
    return "_".join([route.method.lower(), *words])


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    names = re.findall(r"{(\w+)}", route.path)
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _query_parameters(route: Route, schema_of: dict[str, Any], components: dict[str, Any]) -> list[dict[str, Any]]:
    if route.query is None:
        return []
    schema = schema_of[_key(route.query)]
    schema = components[schema["$ref"].rsplit("/", 1)[1]] if "$ref" in schema else schema
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": part}
        for name, part in schema["properties"].items()
    ]


def _success(route: Route, schema_of: dict[str, Any]) -> dict[str, Any]:
    if route.answer is not None:
        return {"description": "Done."} | _content("application/json", schema_of[_key(route.answer)])
    if route.kind is Kind.DOWNLOAD:
        return {"description": "The file."} | _content("*/*", {})
    if route.kind is Kind.STREAM:
        return {"description": "Server-sent events."} | _content("text/event-stream", {})
    return {"description": "Done."}


def _failure() -> dict[str, Any]:
    schema = {"$ref": REF_TEMPLATE.format(name=ProblemDetails.__name__)}
    return {"description": "Not done; `reason` says why."} | _content(CONTENT_TYPE, schema)


def _content(content_type: str, schema: Any) -> dict[str, Any]:
    return {"content": {content_type: {"schema": schema}}}


def _key(given: Any) -> str:
    return repr(given)
