"""The applicants of the Sumsub sandbox and what is told about them, in one file that survives a restart."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from persistence.whole_file import write_whole

RESENDS_S: Final = (0, 300, 3_600, 18_000, 64_800)  # of the real one: at once, then after 5 min, 1 h, 5 h, 18 h
Algorithm = Literal["HMAC_SHA1_HEX", "HMAC_SHA256_HEX", "HMAC_SHA512_HEX"]
Mode = Literal["normal", "duplicate", "reorder", "hold"]
NEVER_S: Final = 1e15
ALPHABET: Final = "0123456789abcdef"


class Refusal(Exception):  # noqa: N818
    """An answer as Sumsub words it."""

    def __init__(self, status: int, description: str) -> None:
        super().__init__(description)
        self.status = status


class Applicant(msgspec.Struct):
    """`country`: of residence, ISO 3166 alpha-3; "" while the applicant has not said it."""

    id: str
    external_user_id: str
    level: str
    created_at: str
    country: str = ""
    review_status: str = "init"
    result: dict[str, Any] = {}


class Event(msgspec.Struct):
    """One webhook: its body never changes. It is due (again) at `due_s`, until it has arrived."""

    payload: str
    algorithm: Algorithm
    due_s: float
    attempts: int = 0
    arrived: bool = False


class State(msgspec.Struct):
    applicants: dict[str, Applicant] = {}
    events: list[Event] = []
    last_ms: int = 0
    mode: Mode = "normal"
    delay_s: float = 0
    algorithm: Algorithm = "HMAC_SHA256_HEX"


class Applicants:
    """resend_scale  by which the real times between resends are multiplied."""

    def __init__(self, path: Path, resend_scale: float) -> None:
        self._path = path
        self._resend_scale = resend_scale
        self.state = msgspec.json.decode(path.read_bytes(), type=State) if path.exists() else State()

    def save(self) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(self._path, msgspec.json.encode(self.state))

    def find(self, name: str) -> Applicant:
        """By its id, or by `-;externalUserId=` and ours. Raises Refusal 404."""
        external = name.removeprefix("-;externalUserId=")
        found = self.state.applicants.get(name) or next(
            (each for each in self.state.applicants.values() if each.external_user_id == external), None
        )
        if found is None:
            raise Refusal(404, "Applicant not found")
        return found

    def create(self, external_user_id: str, level: str) -> Applicant:
        """Raises Refusal 409 for one that exists, and 400."""
        if not external_user_id or not level:
            raise Refusal(400, "externalUserId and levelName are needed")
        for each in self.state.applicants.values():
            if each.external_user_id == external_user_id:
                text = f"Applicant with external user id '{external_user_id}' already exists: {each.id}"
                raise Refusal(409, text)
        applicant_id = "".join(secrets.choice(ALPHABET) for _ in range(24))
        now = datetime.now(UTC)
        made = Applicant(applicant_id, external_user_id, level, f"{now:%Y-%m-%d %H:%M:%S}")
        self.state.applicants[made.id] = made
        self.tell(made, "applicantCreated")
        return made

    def tell(self, applicant: Applicant, kind: str) -> None:
        """Queue a webhook and keep everything."""
        now_s = datetime.now(UTC).timestamp()
        self.state.last_ms = max(int(now_s * 1000), self.state.last_ms + 1)
        created = datetime.fromtimestamp(self.state.last_ms / 1000, UTC)
        body = {
            "applicantId": applicant.id,
            "inspectionId": applicant.id[::-1],
            "applicantType": "individual",
            "correlationId": secrets.token_hex(16),
            "levelName": applicant.level,
            "sandboxMode": True,
            "externalUserId": applicant.external_user_id,
            "type": kind,
            "reviewStatus": applicant.review_status,
            "createdAt": f"{created:%Y-%m-%d %H:%M:%S}+0000",
            "createdAtMs": f"{created:%Y-%m-%d %H:%M:%S}.{self.state.last_ms % 1000:03}",
            "clientId": "deedbook-sandbox",
        }
        if applicant.result and kind == "applicantReviewed":
            body["reviewResult"] = applicant.result
        due_s = now_s + self.state.delay_s
        self.state.events.append(Event(msgspec.json.encode(body).decode(), self.state.algorithm, due_s))
        self.save()

    def review(self, applicant: Applicant, result: dict[str, Any]) -> None:
        applicant.review_status, applicant.result = "completed", result
        self.tell(applicant, "applicantReviewed")

    def move(self, applicant: Applicant, status: str, kind: str) -> None:
        """To what is no result; an earlier result counts no more."""
        applicant.review_status, applicant.result = status, {}
        self.tell(applicant, kind)

    def delete(self, applicant: Applicant) -> None:
        self.move(applicant, "init", "applicantDeleted")
        del self.state.applicants[applicant.id]
        self.save()

    def due(self, now_s: float) -> list[Event]:
        """What is to be sent now, in the order of the mode."""
        if self.state.mode == "hold":
            return []
        waiting = [each for each in self.state.events if not each.arrived and each.due_s <= now_s]
        return waiting[::-1] if self.state.mode == "reorder" else waiting

    def sent(self, event: Event, arrived: bool, now_s: float) -> None:
        event.attempts += 1
        event.arrived = event.arrived or arrived
        if not event.arrived:
            left = event.attempts < len(RESENDS_S)
            event.due_s = now_s + RESENDS_S[event.attempts] * self._resend_scale if left else NEVER_S

    def redeliver(self) -> int:
        """Everything once more, from the start of the schedule."""
        for event in self.state.events:
            event.arrived, event.attempts, event.due_s = False, 0, 0
        self.save()
        return len(self.state.events)
