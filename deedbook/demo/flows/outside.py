"""The world outside the platform, as a person plays it on the sandboxes' pages: post, identity provider, banks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from aiohttp import ClientSession

from deedbook.demo.flows.visitor import TIMEOUT
from deedbook.demo.waiting import until

_TOKEN: Final = re.compile(r"https?://\S+#(\S+)")


class Outside:
    """Plays on the sandboxes of a running machine; their addresses stand in its data directory."""

    def __init__(self, session: ClientSession, urls: Mapping[str, str]) -> None:
        self._session = session
        self._urls = urls

    @classmethod
    def of(cls, session: ClientSession, sandboxes: Path) -> Outside:
        return cls(session, msgspec.json.decode(sandboxes.read_bytes(), type=dict[str, str]))

    async def mailed_token(self, email: str) -> str:
        """The one-time token of the last mail to an address that has one."""

        async def find() -> str | None:
            mails = await self._get("mail-sandbox", "/sandbox/mails", to=email)
            return next((found[1] for mail in reversed(mails) if (found := _TOKEN.search(mail["text"]))), None)

        return await until(find, "the mail with the token")

    async def play_applicant(self, applicant_id: str, play: str, country: str = "") -> None:
        """At the identity provider: submit, approve, reject, retry; `country` alpha-3."""
        body = {"country": country} if country else {}
        await self._post("sumsub-sandbox", f"/sandbox/applicants/{applicant_id}/{play}", body)

    async def pay(self, checkout_url: str) -> str:
        """At Stripe's page, by card; the charge's id."""
        session_id = checkout_url.rsplit("/", 1)[1].split("?")[0].split("#")[0]
        await self._post("stripe-sandbox", f"/sandbox/sessions/{session_id}/pay", {})
        return session_id

    async def refund(self, charge_id: str, cents: int) -> None:
        await self._post("stripe-sandbox", f"/sandbox/charges/{charge_id}/refund", {"amount": cents})

    async def stripe_pays_out(self) -> Mapping[str, Any]:
        """Stripe sends all that it holds to the bank; the payout."""
        payout: Mapping[str, Any] = await self._post("stripe-sandbox", "/sandbox/payout", {})
        return payout

    async def bank_wires(self, usd: str, reference: str, api_key: str) -> None:
        """The bank sends dollars on to Circle."""
        body = {"amount": {"amount": usd, "currency": "USD"}, "trackingRef": reference}
        headers = {"Authorization": f"Bearer {api_key}"}
        await self._post("circle-sandbox", "/v1/mocks/payments/wire", body, headers)

    async def _get(self, name: str, path: str, **query: str) -> Any:
        async with self._session.get(self._urls[name] + path, params=query, timeout=TIMEOUT) as response:
            response.raise_for_status()
            return await response.json()

    async def _post(
        self, name: str, path: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> Any:
        async with self._session.post(self._urls[name] + path, json=body, headers=headers, timeout=TIMEOUT) as response:
            response.raise_for_status()
            return await response.json()
