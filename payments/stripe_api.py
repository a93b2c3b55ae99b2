"""Stripe, by its own SDK: the same code asks the real one and a sandbox, told apart by URL and key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import stripe

from payments.stripe_objects import (
    Charge,
    Json,
    Payout,
    Session,
    SessionOrder,
    charge_from,
    id_of,
    payout_from,
    session_from,
)

TIMEOUT_S: Final = 20
RETRIES: Final = 3  # the SDK's own, with back-off, each with the same idempotency key
PAGE: Final = 100
_PAID: Final = "{CHECKOUT_SESSION_ID}"  # Stripe puts the session's id here


class Stripe:
    """`StripeApi` on one account. `close` ends its connections."""

    def __init__(self, key: str, url: str | None = None) -> None:
        self._http = stripe.AIOHTTPClient(timeout=TIMEOUT_S)
        self._client = stripe.StripeClient(
            key,
            base_addresses={"api": url.rstrip("/")} if url else {},
            http_client=self._http,
            max_network_retries=RETRIES,
        )

    async def close(self) -> None:
        await self._http.close_async()  # type: ignore[no-untyped-call]

    async def create_session(self, order: SessionOrder) -> Session:
        metadata = {
            "lease": str(order.lease_id),
            "period": order.period,
            "property": str(order.property_id),
            "rent": str(order.rent_id),
        }
        item: Any = {
            "quantity": 1,
            "price_data": {
                "currency": "usd",
                "unit_amount": order.amount_cents,
                "product_data": {"name": order.title},
            },
        }
        created = await self._client.v1.checkout.sessions.create_async(
            {
                "mode": "payment",
                "line_items": [item],
                "metadata": metadata,
                "payment_intent_data": {"metadata": metadata},
                "client_reference_id": str(order.rent_id),
                "success_url": f"{order.return_url}?session={_PAID}",
                "cancel_url": order.return_url,
                "expand": ["payment_intent"],
            },
            {"idempotency_key": order.idempotency_key},
        )
        return session_from(_plain(created))

    async def session(self, session_id: str) -> Session:
        found = await self._client.v1.checkout.sessions.retrieve_async(session_id, {"expand": ["payment_intent"]})
        return session_from(_plain(found))

    async def session_of_charge(self, charge_id: str) -> str | None:
        charge = await self._client.v1.charges.retrieve_async(charge_id)
        intent = id_of(charge.payment_intent)
        if not intent:
            return None
        found = await self._client.v1.checkout.sessions.list_async({"payment_intent": intent, "limit": 1})
        return found.data[0].id if found.data else None

    async def charges(self, payment_intent: str) -> Sequence[Charge]:
        listed = await self._client.v1.charges.list_async(
            {"payment_intent": payment_intent, "limit": PAGE, "expand": ["data.balance_transaction"]}
        )
        return [await self._charge(_plain(each)) async for each in listed.auto_paging_iter()]

    async def payout(self, payout_id: str) -> Payout:
        found = await self._client.v1.payouts.retrieve_async(payout_id)
        movements = await self._client.v1.balance_transactions.list_async(
            {"payout": payout_id, "limit": PAGE, "expand": ["data.source"]}
        )
        return payout_from(_plain(found), [_plain(each) async for each in movements.auto_paging_iter()])

    async def _charge(self, given: Json) -> Charge:
        refunds = await self._client.v1.refunds.list_async(
            {
                "charge": given["id"],
                "limit": PAGE,
                "expand": ["data.balance_transaction", "data.failure_balance_transaction"],
            }
        )
        disputes = await self._client.v1.disputes.list_async({"charge": given["id"], "limit": PAGE})
        return charge_from(
            given,
            [_plain(each) async for each in refunds.auto_paging_iter()],
            [_plain(each) async for each in disputes.auto_paging_iter()],
        )


def _plain(given: stripe.StripeObject) -> Json:
    plain: Json = given.to_dict()
    return plain
