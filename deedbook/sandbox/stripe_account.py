"""A Stripe account as far as rent needs it: objects, balance and events, in memory and without a network.

Objects are JSON as the API answers it, with references as ids; `expanded` puts the objects in their place.
"""

from __future__ import annotations

import copy
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

Object = dict[str, Any]
SESSION_LASTS_S: Final = 24 * 3600
DISPUTE_FEE_CENTS: Final = 1_500
BANK_FEE_CENTS_MAX: Final = 500


class StripeError(Exception):
    """What the API answers with an error: HTTP's status, Stripe's type, and a sentence."""

    def __init__(self, status: int, message: str, kind: str = "invalid_request_error") -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind


def card_fee_cents(amount_cents: int) -> int:
    """2.9 % + 30 cents, half a cent up."""
    return (amount_cents * 29 + 500) // 1_000 + 30


def bank_fee_cents(amount_cents: int) -> int:
    """0.8 %, at most 5 dollars."""
    return min((amount_cents * 8 + 500) // 1_000, BANK_FEE_CENTS_MAX)


class StripeAccount:
    """State and its changes. `on_event` is told each event; `objects` can be written to a file and read again.

    page_url  where a person pays a session; the session's id is put at its end
    """

    def __init__(
        self,
        page_url: str,
        *,
        clock_s: Callable[[], float] = time.time,
        on_event: Callable[[Object], None] = lambda event: None,
        objects: Mapping[str, Object] | None = None,
    ) -> None:
        self._page_url = page_url
        self._clock_s = clock_s
        self._on_event = on_event
        self.objects: dict[str, Object] = dict(objects or {})

    # What the API does.

    def create_session(self, given: Mapping[str, Any]) -> Object:
        amount_cents = _amount_of(given)
        if given.get("mode") != "payment" or not given.get("success_url"):
            raise StripeError(400, "A session needs mode=payment and a success_url.")
        return self._add(
            "cs",
            "checkout.session",
            status="open",
            payment_status="unpaid",
            mode="payment",
            amount_total=amount_cents,
            amount_subtotal=amount_cents,
            currency="usd",
            metadata=dict(given.get("metadata", {})),
            intent_metadata=dict(given.get("payment_intent_data", {}).get("metadata", {})),
            client_reference_id=given.get("client_reference_id"),
            payment_intent=None,
            success_url=given["success_url"],
            cancel_url=given.get("cancel_url"),
            expires_at=self._now() + SESSION_LASTS_S,
        )

    def get(self, object_id: str, kind: str) -> Object:
        found = self.objects.get(object_id)
        if found is None or found["object"] != kind:
            raise StripeError(404, f"No such {kind}: '{object_id}'")
        if kind == "checkout.session":
            self._expire_if_due(found)
        return found

    def listed(self, kind: str, **where: str) -> list[Object]:
        """The newest first."""
        found = [each for each in self.objects.values() if each["object"] == kind]
        found = [each for each in found if all(each.get(name) == value for name, value in where.items())]
        return found[::-1]

    def expire(self, session_id: str) -> Object:
        session = self.get(session_id, "checkout.session")
        if session["status"] != "open":
            raise StripeError(400, f"Only open sessions expire; this one is {session['status']}.")
        session.update(status="expired", url=None)
        self._emit("checkout.session.expired", session)
        return session

    def refund(self, charge_id: str, amount_cents: int | None = None) -> Object:
        """Part of a charge, or what is left of it."""
        charge = self._charge(charge_id)
        left_cents = charge["amount"] - charge["amount_refunded"]
        amount_cents = left_cents if amount_cents is None else amount_cents
        if charge["status"] != "succeeded" or not 0 < amount_cents <= left_cents:
            raise StripeError(400, f"Of {charge_id} {left_cents} cents can be refunded, not {amount_cents}.")
        refund = self._add(
            "re",
            "refund",
            amount=amount_cents,
            charge=charge_id,
            payment_intent=charge["payment_intent"],
            currency="usd",
            status="succeeded",
            failure_balance_transaction=None,
            metadata={},
        )
        refund["balance_transaction"] = self._move("refund", -amount_cents, 0, refund["id"])
        charge["amount_refunded"] += amount_cents
        charge["refunded"] = charge["amount_refunded"] == charge["amount"]
        self._emit("charge.refunded", charge)
        self._emit("refund.created", refund)
        return refund

    # What a tenant does.

    def pay(self, session_id: str) -> Object:
        """By card: paid at once."""
        session = self._payable(session_id)
        intent = self._intent(session)
        charge = self._add_charge(intent, "card", "ch")
        self._succeed(intent, charge, "charge", card_fee_cents(charge["amount"]))
        session.update(status="complete", payment_status="paid", url=None)
        self._emit("charge.succeeded", charge)
        self._emit("payment_intent.succeeded", intent)
        self._emit("checkout.session.completed", session)
        self._emit("charge.updated", charge)
        return charge

    def decline(self, session_id: str) -> Object:
        """The card is refused; the session stays open."""
        session = self._payable(session_id)
        intent = self._intent(session)
        charge = self._add_charge(intent, "card", "ch")
        charge.update(status="failed", failure_code="card_declined")
        intent.update(status="requires_payment_method", latest_charge=charge["id"])
        self._emit("charge.failed", charge)
        self._emit("payment_intent.payment_failed", intent)
        return charge

    def pay_by_bank(self, session_id: str) -> Object:
        """Completed, but unpaid until `settle_bank`."""
        session = self._payable(session_id)
        intent = self._intent(session)
        charge = self._add_charge(intent, "us_bank_account", "py")
        intent.update(status="processing", latest_charge=charge["id"])
        session.update(status="complete", url=None)
        self._emit("charge.pending", charge)
        self._emit("checkout.session.completed", session)
        return charge

    def settle_bank(self, session_id: str, *, succeeds: bool) -> Object:
        session = self.get(session_id, "checkout.session")
        intent = self.objects.get(session["payment_intent"] or "", {})
        if intent.get("status") != "processing":
            raise StripeError(400, "This session waits for no bank.")
        charge = self.objects[intent["latest_charge"]]
        if succeeds:
            self._succeed(intent, charge, "payment", bank_fee_cents(charge["amount"]))
            session["payment_status"] = "paid"
            self._emit("checkout.session.async_payment_succeeded", session)
            self._emit("charge.succeeded", charge)
            return charge
        charge.update(status="failed", failure_code="insufficient_funds")
        intent["status"] = "requires_payment_method"
        self._emit("checkout.session.async_payment_failed", session)
        self._emit("charge.failed", charge)
        return charge

    # What banks do.

    def fail_refund(self, refund_id: str) -> Object:
        """The tenant's bank does not take it: the money is back on the balance."""
        refund = self.get(refund_id, "refund")
        if refund["status"] != "succeeded":
            raise StripeError(400, f"The refund is {refund['status']}.")
        charge = self._charge(refund["charge"])
        refund["status"] = "failed"
        refund["failure_balance_transaction"] = self._move("refund_failure", refund["amount"], 0, refund_id)
        charge["amount_refunded"] -= refund["amount"]
        charge["refunded"] = False
        self._emit("refund.failed", refund)
        self._emit("charge.refund.updated", refund)
        return refund

    def dispute(self, charge_id: str, amount_cents: int | None = None) -> Object:
        """One a charge; the amount and a fee are withdrawn at once."""
        charge = self._charge(charge_id)
        amount_cents = charge["amount"] if amount_cents is None else amount_cents
        if charge["status"] != "succeeded" or charge["disputed"] or not 0 < amount_cents <= charge["amount"]:
            raise StripeError(400, f"{charge_id} cannot be disputed for {amount_cents} cents.")
        dispute = self._add(
            "dp",
            "dispute",
            amount=amount_cents,
            charge=charge_id,
            payment_intent=charge["payment_intent"],
            currency="usd",
            status="needs_response",
            reason="general",
            metadata={},
            balance_transactions=[],
        )
        moved = self._move("adjustment", -amount_cents, DISPUTE_FEE_CENTS, dispute["id"], "dispute")
        dispute["balance_transactions"].append(moved)
        charge["disputed"] = True
        self._emit("charge.dispute.created", dispute)
        self._emit("charge.dispute.funds_withdrawn", dispute)
        return dispute

    def close_dispute(self, dispute_id: str, *, won: bool) -> Object:
        dispute = self.get(dispute_id, "dispute")
        if dispute["status"] in ("won", "lost"):
            raise StripeError(400, f"The dispute is {dispute['status']}.")
        dispute["status"] = "won" if won else "lost"
        if won:
            moved = self._move("adjustment", dispute["amount"], 0, dispute_id, "dispute_reversal")
            dispute["balance_transactions"].append(moved)
            self._emit("charge.dispute.funds_reinstated", dispute)
        self._emit("charge.dispute.closed", dispute)
        return dispute

    def payout(self) -> Object:
        """All of the balance leaves for the bank."""
        held = self._unpaid()
        amount_cents = sum(each["net"] for each in held)
        if amount_cents <= 0:
            raise StripeError(400, f"The balance is {amount_cents} cents: nothing to pay out.", "balance_insufficient")
        payout = self._add(
            "po",
            "payout",
            amount=amount_cents,
            currency="usd",
            status="paid",
            automatic=True,
            arrival_date=self._now(),
            method="standard",
            type="bank_account",
            reconciliation_status="completed",
            failure_balance_transaction=None,
            trace_id={"status": "supported", "value": secrets.token_hex(8).upper()},
            metadata={},
        )
        payout["balance_transaction"] = self._move("payout", -amount_cents, 0, payout["id"])
        for movement in [*held, self.objects[payout["balance_transaction"]]]:
            movement["payout"] = payout["id"]
        self._emit("payout.created", payout)
        self._emit("payout.paid", payout)
        return payout

    def fail_payout(self, payout_id: str) -> Object:
        """The bank gives it back; the next payout holds it."""
        payout = self.get(payout_id, "payout")
        if payout["status"] != "paid":
            raise StripeError(400, f"The payout is {payout['status']}.")
        payout["status"] = "failed"
        payout["failure_balance_transaction"] = self._move("payout_failure", payout["amount"], 0, payout_id)
        self._emit("payout.failed", payout)
        return payout

    def balance_cents(self) -> int:
        return sum(each["net"] for each in self.listed("balance_transaction"))

    def expanded(self, given: Object, paths: Iterable[str]) -> Object:
        """A copy with the objects in place of their ids, along paths such as "latest_charge.source"."""
        answer = copy.deepcopy(given)
        answer.pop("intent_metadata", None)
        if answer["object"] == "dispute":
            answer["balance_transactions"] = [
                copy.deepcopy(self.objects[each]) for each in answer["balance_transactions"]
            ]
        for path in paths:
            name, _, rest = path.partition(".")
            if (reference := answer.get(name)) is None:
                continue
            inner = self.objects[reference] if isinstance(reference, str) else reference
            answer[name] = self.expanded(inner, [rest] if rest else [])
        return answer

    # Parts of the above.

    def _now(self) -> int:
        return int(self._clock_s())

    def _add(self, prefix: str, kind: str, **members: Any) -> Object:
        object_id = f"{prefix}_{'test_' if prefix == 'cs' else ''}{secrets.token_hex(12)}"
        made = {"id": object_id, "object": kind, "created": self._now(), "livemode": False, **members}
        if prefix == "cs":
            made["url"] = self._page_url + object_id
        self.objects[object_id] = made
        return made

    def _move(self, kind: str, amount_cents: int, fee_cents: int, source: str, category: str | None = None) -> str:
        category = category or {"payment": "charge"}.get(kind, kind)
        moved = self._add(
            "txn",
            "balance_transaction",
            type=kind,
            reporting_category=category,
            amount=amount_cents,
            fee=fee_cents,
            net=amount_cents - fee_cents,
            currency="usd",
            source=source,
            status="available",
            available_on=self._now(),
            exchange_rate=None,
            fee_details=[],
            payout=None,
        )
        return str(moved["id"])

    def _unpaid(self) -> list[Object]:
        return [each for each in self.listed("balance_transaction") if each["payout"] is None]

    def _charge(self, charge_id: str) -> Object:
        return self.get(charge_id, "charge")

    def _payable(self, session_id: str) -> Object:
        session = self.get(session_id, "checkout.session")
        if session["status"] != "open":
            raise StripeError(400, f"This session is {session['status']}.")
        return session

    def _intent(self, session: Object) -> Object:
        if session["payment_intent"] is not None:
            return self.objects[session["payment_intent"]]
        intent = self._add(
            "pi",
            "payment_intent",
            amount=session["amount_total"],
            currency="usd",
            status="requires_payment_method",
            latest_charge=None,
            metadata=session["intent_metadata"],
        )
        session["payment_intent"] = intent["id"]
        return intent

    def _add_charge(self, intent: Object, method: str, prefix: str) -> Object:
        return self._add(
            prefix,
            "charge",
            amount=intent["amount"],
            amount_captured=intent["amount"],
            amount_refunded=0,
            currency="usd",
            status="pending",
            paid=False,
            captured=True,
            refunded=False,
            disputed=False,
            payment_intent=intent["id"],
            balance_transaction=None,
            metadata=dict(intent["metadata"]),
            payment_method_details={"type": method},
            failure_code=None,
        )

    def _succeed(self, intent: Object, charge: Object, kind: str, fee_cents: int) -> None:
        charge.update(status="succeeded", paid=True)
        charge["balance_transaction"] = self._move(kind, charge["amount"], fee_cents, charge["id"])
        intent.update(status="succeeded", latest_charge=charge["id"])

    def _expire_if_due(self, session: Object) -> None:
        if session["status"] == "open" and self._now() >= session["expires_at"]:
            session.update(status="expired", url=None)
            self._emit("checkout.session.expired", session)

    def _emit(self, kind: str, about: Object) -> None:
        event = self._add(
            "evt",
            "event",
            type=kind,
            api_version="2026-10-28.endive",
            data={"object": self.expanded(about, [])},
            pending_webhooks=1,
            request={"id": None, "idempotency_key": None},
        )
        self._on_event(event)


def _amount_of(given: Mapping[str, Any]) -> int:
    """Of the line items, which all have prices of their own in dollars."""
    amount_cents = 0
    items = given.get("line_items")
    for item in items.values() if isinstance(items, Mapping) else ():
        price = item.get("price_data", {})
        try:
            cents, quantity = int(price["unit_amount"]), int(item["quantity"])
        except (KeyError, ValueError):
            raise StripeError(400, "A line item needs a quantity and a price_data[unit_amount].") from None
        if price.get("currency") != "usd" or cents < 0 or quantity < 1:
            raise StripeError(400, "A line item is in usd, with a quantity of at least one.")
        amount_cents += cents * quantity
    if amount_cents < 50:
        raise StripeError(400, "A session takes at least 50 cents.")
    return amount_cents
