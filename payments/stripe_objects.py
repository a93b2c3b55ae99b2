"""What Stripe says, as values: read from its JSON once, in cents, and refused if it is not in dollars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, Protocol
from uuid import UUID

Json = Mapping[str, Any]


class StripeMismatchError(Exception):
    """Stripe says something that cannot be booked; the text says what, for an operator."""


class MovementKind(StrEnum):
    """What moved Stripe's balance."""

    CHARGE = "CHARGE"
    REFUND = "REFUND"  # and one that failed, with the other sign
    DISPUTE = "DISPUTE"  # withdrawn, or reinstated with the other sign
    PAYOUT = "PAYOUT"
    PAYOUT_FAILURE = "PAYOUT_FAILURE"
    OTHER = "OTHER"  # the account's own fees and corrections


_KINDS: Final = {
    "charge": MovementKind.CHARGE,
    "payment": MovementKind.CHARGE,
    "refund": MovementKind.REFUND,
    "payment_refund": MovementKind.REFUND,
    "refund_failure": MovementKind.REFUND,
    "payment_failure_refund": MovementKind.REFUND,
    "payout": MovementKind.PAYOUT,
    "payout_failure": MovementKind.PAYOUT_FAILURE,
}
_DISPUTE_CATEGORIES: Final = ("dispute", "dispute_reversal")


@dataclass(frozen=True, slots=True)
class Movement:
    """One of Stripe's balance transactions: the balance changed by `amount_cents` less `fee_cents`.

    source  the id of the charge, refund, dispute or payout; charge: of which charge it is, "" for none
    """

    movement_id: str
    kind: MovementKind
    source: str
    charge: str
    amount_cents: int
    fee_cents: int
    at: datetime

    @property
    def net_cents(self) -> int:
        return self.amount_cents - self.fee_cents


@dataclass(frozen=True, slots=True)
class Dispute:
    """`status` is Stripe's word: warning_needs_response, ..., needs_response, under_review, won, lost."""

    dispute_id: str
    status: str


@dataclass(frozen=True, slots=True)
class Charge:
    """A charge with all that has moved for it, oldest first."""

    charge_id: str
    succeeded: bool
    amount_cents: int
    at: datetime
    movements: tuple[Movement, ...]
    disputes: tuple[Dispute, ...]


class SessionState(StrEnum):
    """What has become of a checkout session. Only PAID means that the rent is paid."""

    OPEN = "OPEN"
    PROCESSING = "PROCESSING"  # completed by a method that takes days
    PAID = "PAID"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"


@dataclass(frozen=True, slots=True)
class Session:
    """A Checkout Session; `payment_intent` is "" until somebody begins to pay."""

    session_id: str
    state: SessionState
    url: str
    expires_at: datetime
    amount_cents: int
    payment_intent: str


@dataclass(frozen=True, slots=True)
class Payout:
    """A payout with the movements that it holds, itself left out; they sum to its amount."""

    payout_id: str
    reference: str
    status: str
    amount_cents: int
    arrives_at: datetime
    movements: tuple[Movement, ...]


@dataclass(frozen=True, slots=True)
class SessionOrder:
    """What a session is made of. One `idempotency_key` makes one session, whoever asks again."""

    rent_id: UUID
    lease_id: UUID
    property_id: UUID
    period: str
    amount_cents: int
    title: str
    return_url: str
    idempotency_key: str


class StripeApi(Protocol):
    """What we ask Stripe. Raises stripe.StripeError, and StripeMismatchError for what cannot be booked."""

    async def create_session(self, order: SessionOrder) -> Session: ...

    async def session(self, session_id: str) -> Session: ...

    async def session_of_charge(self, charge_id: str) -> str | None:
        """The id of the session that a charge was paid in, None if it was paid otherwise."""
        ...

    async def charges(self, payment_intent: str) -> Sequence[Charge]: ...

    async def payout(self, payout_id: str) -> Payout: ...


def time_of(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def id_of(reference: Any) -> str:
    """The id in a reference that may be expanded; "" for none."""
    if reference is None:
        return ""
    return str(reference if isinstance(reference, str) else reference["id"])


def session_from(given: Json) -> Session:
    """`given` has its payment_intent expanded."""
    _require_dollars(given)
    intent = given["payment_intent"]
    intent_status = "" if intent is None or isinstance(intent, str) else str(intent["status"])
    return Session(
        session_id=str(given["id"]),
        state=_session_state(str(given["status"]), str(given["payment_status"]), intent_status),
        url=str(given["url"] or ""),
        expires_at=time_of(given["expires_at"]),
        amount_cents=int(given["amount_total"]),
        payment_intent=id_of(intent),
    )


def _session_state(status: str, payment_status: str, intent_status: str) -> SessionState:
    if status == "expired":
        return SessionState.EXPIRED
    if status == "open":
        return SessionState.OPEN
    if payment_status == "paid":
        return SessionState.PAID
    return SessionState.FAILED if intent_status in ("requires_payment_method", "canceled") else SessionState.PROCESSING


def movement_from(given: Json, charge: str) -> Movement:
    _require_dollars(given)
    kind = _KINDS.get(given["type"], MovementKind.OTHER)
    if given["reporting_category"] in _DISPUTE_CATEGORIES:
        kind = MovementKind.DISPUTE
    source = id_of(given["source"]) or str(given["id"])
    amount_cents, fee_cents = int(given["amount"]), int(given["fee"])
    if int(given["net"]) != amount_cents - fee_cents:
        raise StripeMismatchError(
            f"balance transaction {given['id']} nets {given['net']}, not {amount_cents - fee_cents}"
        )
    return Movement(str(given["id"]), kind, source, charge, amount_cents, fee_cents, time_of(given["created"]))


def payout_movement_from(given: Json) -> Movement:
    """`given` has its source expanded: a refund and a dispute name their charge there."""
    source = given["source"]
    charge = ""
    if source is not None and not isinstance(source, str):
        charge = id_of(source.get("charge")) or (str(source["id"]) if source["object"] == "charge" else "")
    return movement_from(given, charge)


def charge_from(given: Json, refunds: Sequence[Json], disputes: Sequence[Json]) -> Charge:
    """The balance transactions of the charge and of the refunds are expanded."""
    _require_dollars(given)
    charge_id = str(given["id"])
    found = [given["balance_transaction"]]
    for refund in refunds:
        found += [refund["balance_transaction"], refund.get("failure_balance_transaction")]
    for dispute in disputes:
        found += dispute["balance_transactions"]
    movements = [movement_from(each, charge_id) for each in found if each is not None]
    return Charge(
        charge_id=charge_id,
        succeeded=given["status"] == "succeeded",
        amount_cents=int(given["amount"]),
        at=time_of(given["created"]),
        movements=tuple(
            sorted(movements, key=lambda each: (each.at, each.kind != MovementKind.CHARGE, each.movement_id))
        ),
        disputes=tuple(Dispute(str(each["id"]), str(each["status"])) for each in disputes),
    )


def payout_from(given: Json, movements: Sequence[Json]) -> Payout:
    """`reference` is the bank's trace where Stripe has one, else the payout's id."""
    _require_dollars(given)
    trace = given.get("trace_id") or {}
    reference = trace.get("value") if trace.get("status") == "supported" else None
    held = [payout_movement_from(each) for each in movements]
    return Payout(
        payout_id=str(given["id"]),
        reference=str(reference or given["id"]),
        status=str(given["status"]),
        amount_cents=int(given["amount"]),
        arrives_at=time_of(given["arrival_date"]),
        movements=tuple(each for each in held if each.kind != MovementKind.PAYOUT),
    )


def _require_dollars(given: Json) -> None:
    if given["currency"] != "usd":
        raise StripeMismatchError(f"{given['object']} {given['id']} is in {given['currency']}, not in usd")
