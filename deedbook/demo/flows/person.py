"""A person of the demo: an address, a session, a wallet, and what they do to become somebody on the platform."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

import pyotp

from deedbook.demo.flows.outside import Outside
from deedbook.demo.flows.purse import Purse
from deedbook.demo.flows.visitor import Visitor
from deedbook.demo.waiting import until

PASSWORD: Final = "a long enough passphrase"  # noqa: S105 - of people who live as long as the demo


class Person:
    """`visitor` is signed in once `enlist` is done."""

    def __init__(self, name: str, visitor: Visitor, purse: Purse, outside: Outside) -> None:
        self.name = name
        self.email = f"{name}@demo.example"
        self.visitor = visitor
        self.purse = purse
        self._outside = outside
        self.user_id = UUID(int=0)

    @property
    def wallet(self) -> bytes:
        return bytes.fromhex(self.purse.address[2:])

    async def enlist(self) -> None:
        """Register, open the link in the mail, sign in."""
        await self.visitor.post("/auth/register", {"email": self.email, "password": PASSWORD})
        await self.visitor.post("/auth/verify", {"token": await self._outside.mailed_token(self.email)})
        signed_in = await self.visitor.post("/auth/login", {"email": self.email, "password": PASSWORD})
        self.visitor.token, self.user_id = signed_in["token"], UUID(signed_in["user_id"])

    async def enrol_second_factor(self) -> None:
        begun = await self.visitor.post("/auth/totp", {"password": PASSWORD})
        code = pyotp.parse_uri(begun["otpauth_uri"])
        assert isinstance(code, pyotp.TOTP)
        await self.visitor.post("/auth/totp/confirm", {"code": code.now()})

    async def link_wallet(self) -> None:
        challenge = await self.visitor.post("/wallets/challenge", {"address": self.purse.address})
        signature = self.purse.sign_text(challenge["message"])
        await self.visitor.post("/wallets", {"message": challenge["message"], "signature": signature})

    async def prove_identity(self, country: str) -> None:
        """At the identity provider; returns when the wallet's identity is on chain. `country` alpha-3."""
        applicant = (await self.visitor.post("/kyc/initiate", {}))["applicant_id"]
        await self._outside.play_applicant(applicant, "submit", country)
        await self._outside.play_applicant(applicant, "approve")

        async def registered() -> bool:
            status = await self.visitor.get("/kyc/status")
            return status["kyc"] == "APPROVED" and all(each["is_registered"] for each in status["wallets"])

        await until(registered, f"the identity of {self.name} on chain")

    async def sign_all(self, transactions: list[dict[str, Any]]) -> None:
        """What a refusal or a route asked to be signed, in its order."""
        for transaction in transactions:
            await self.purse.send(transaction)

    async def notices(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await self.visitor.get("/notifications")
        return found

    async def noticed(self, kind: str) -> dict[str, Any]:
        """The person's newest notice of a kind, once there is one."""

        async def find() -> dict[str, Any] | None:
            return next((each for each in reversed(await self.notices()) if each["kind"] == kind), None)

        return await until(find, f"{self.name} is told {kind}")
