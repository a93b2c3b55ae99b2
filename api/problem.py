"""A user's mistake, or what stands in the user's way, as RFC 9457 problem details with one reason."""

from typing import Any, Final

import msgspec

CONTENT_TYPE: Final = "application/problem+json"


class Problem(Exception):  # noqa: N818 - the RFC's word
    """Raised by a handler, answered as it is.

    status  HTTP's, 400 to 599
    reason  one word in capitals that a program can act on
    detail  one sentence that its reader can act on; no secret, nobody else's data
    extra   further JSON members, such as the `transaction` that is to be signed
    """

    def __init__(self, status: int, reason: str, detail: str, **extra: Any) -> None:
        assert 400 <= status <= 599
        assert not extra.keys() & {"type", "title", "status", "reason", "detail"}
        super().__init__(f"{reason}: {detail}")
        self.status = status
        self.reason = reason
        self.detail = detail
        self.extra = extra

    def to_json(self) -> bytes:
        title = self.reason.replace("_", " ").capitalize()
        members = {"type": "about:blank", "title": title, "status": self.status, "reason": self.reason}
        return msgspec.json.encode(members | {"detail": self.detail} | self.extra)


def not_found(what: str) -> Problem:
    """Also for what exists and is not the caller's to see."""
    return Problem(404, "NOT_FOUND", f"There is no such {what}.")
