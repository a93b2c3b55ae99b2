"""Requests on the ws-api: `{"id", "method", "params"}`, decoded in one pass by method."""

from __future__ import annotations

from typing import Any, Final, Union

import msgspec

from gateway import errors
from gateway import messages as m
from gateway.errors import ApiError
from gateway.methods import METHODS

NULL: Final = msgspec.Raw(b"null")
REQUEST_ID_BYTES_MAX: Final = 256


class Request(msgspec.Struct, tag_field="method", forbid_unknown_fields=True, kw_only=True, gc=False):
    id: msgspec.Raw = NULL  # echoed as it came


def _request(name: str, params: type[m.Params]) -> type[msgspec.Struct]:
    """The struct of one method; `params` may be left out where nothing in it is needed."""
    try:
        field: tuple[Any, ...] = ("params", params, params())
    except TypeError:
        field = ("params", params)
    return msgspec.defstruct(
        name, [field], bases=(Request,), tag=name, forbid_unknown_fields=True, kw_only=True, gc=False
    )


SESSION_PARAMS: Final[dict[str, type[m.Params]]] = {  # of the methods that only a session has
    "session.logon": m.Signed,
    "session.status": m.Params,
    "session.logout": m.Params,
    "session.subscriptions": m.Params,
    "session.cancelOnDisconnect": m.CancelOnDisconnect,
    "userDataStream.subscribe": m.Subscribe,
    "userDataStream.subscribe.signature": m.SubscribeSigned,
    "userDataStream.unsubscribe": m.Unsubscribe,
}
REQUESTS: Final = {
    name: _request(name, params)
    for name, params in ({method.name: method.params for method in METHODS if method.name} | SESSION_PARAMS).items()
}


class Envelope(msgspec.Struct, gc=False):
    """What can be told of a request that fits no method: whom to answer, and what was asked."""

    id: msgspec.Raw = NULL
    method: str = ""
    params: msgspec.Raw = msgspec.Raw(b"")


_ANY: Any = Union[tuple(REQUESTS.values())]  # noqa: UP007 - made of a tuple
DECODER: Final = msgspec.json.Decoder(_ANY)
LAX_DECODER: Final = msgspec.json.Decoder(_ANY, strict=False)  # some clients send whole numbers as strings
ENVELOPE: Final = msgspec.json.Decoder(Envelope)


def id_text(raw: msgspec.Raw) -> str:
    """A request's id as JSON text to echo: a string, a whole number or null."""
    text = bytes(raw)
    if len(text) > REQUEST_ID_BYTES_MAX or not m.is_request_id(text):
        raise errors.mandatory("id")
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise not_json() from None


def without_version(envelope: Envelope, method: str) -> Any:
    """`v3/order.place` is `order.place`."""
    params = bytes(envelope.params) or b"{}"
    try:
        return DECODER.decode(b'{"method":"%s","id":%s,"params":%s}' % (method.encode(), bytes(envelope.id), params))
    except msgspec.ValidationError as error:
        raise m.misfit(str(error)) from None
    except (ValueError, RecursionError):
        raise not_json() from None


def not_json() -> ApiError:
    return ApiError(errors.INVALID_JSON, "Invalid JSON Request")


def unknown_method() -> ApiError:
    return ApiError(errors.UNSUPPORTED_OPERATION, "This operation is not supported: the method is unknown.")
