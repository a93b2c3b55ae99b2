"""What the routes of accounts and authority take and answer, as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from api.actor import Role
from api.addresses import Address
from api.answers import DecisionAnswer

PAGE_MAX: Final = 100
_NO_ZERO: Final = r"^[^\x00]*$"  # the database keeps no text with one
Text = Annotated[str, Meta(min_length=1, max_length=1_000, pattern=_NO_ZERO)]
Email = Annotated[str, Meta(min_length=3, max_length=254, pattern=_NO_ZERO)]
Password = Annotated[str, Meta(min_length=1, max_length=1_024)]  # what may be chosen is shorter, and refused in words
Token = Annotated[str, Meta(min_length=1, max_length=64)]
Code = Annotated[str, Meta(min_length=6, max_length=32)]
Signature = Annotated[str, Meta(pattern="^0x[0-9a-fA-F]{130}$", max_length=132, description="r, s, v")]
Hash = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", max_length=64, description="sha256")]
Count = Annotated[int, Meta(ge=1, le=PAGE_MAX)]
Row = Annotated[int, Meta(ge=1, le=2**63 - 1)]
State = Literal["PROPOSED", "APPROVED", "REJECTED", "EXPIRED"]


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What comes from outside: a field too many is a mistake, not to be ignored."""


class Registration(Strict, frozen=True):
    email: Email
    password: Password


class Verification(Strict, frozen=True):
    token: Token


class Login(Strict, frozen=True):
    """`totp`: the code of the second factor, or a recovery code, for who has enrolled one."""

    email: Email
    password: Password
    totp: Code | None = None


class Forgotten(Strict, frozen=True):
    email: Email


class Reset(Strict, frozen=True):
    token: Token
    password: Password


class SecondFactorBegin(Strict, frozen=True):
    password: Password


class SecondFactorConfirm(Strict, frozen=True):
    code: Code


class LoggedIn(msgspec.Struct, frozen=True):
    """`token` goes into `Authorization: Bearer`; a browser has it as a cookie."""

    token: str
    user_id: UUID
    roles: list[Role]
    has_second_factor: bool
    expires_at: datetime


class SessionNow(msgspec.Struct, frozen=True):
    user_id: UUID
    email: str
    roles: list[Role]
    has_second_factor: bool
    expires_at: datetime


class SecondFactorSecret(msgspec.Struct, frozen=True):
    otpauth_uri: str


class RecoveryCodes(msgspec.Struct, frozen=True):
    recovery_codes: list[str]


class UsersQuery(Strict, frozen=True):
    after: UUID | None = None
    limit: Count = PAGE_MAX


class User(msgspec.Struct, frozen=True):
    user_id: UUID
    email: str
    is_verified: bool
    has_second_factor: bool
    roles: list[Role]
    created_at: datetime


class Roles(Strict, frozen=True):
    roles: Annotated[list[Role], Meta(max_length=len(Role))]


class Appointment(msgspec.Struct, frozen=True):
    """The roles that the person has now; `decision`: what another admin has to approve before that changes."""

    roles: list[Role]
    decision: DecisionAnswer | None


class WalletAddress(Strict, frozen=True):
    address: Address


class WalletChallenge(msgspec.Struct, frozen=True):
    """`message` is to be signed as it is (personal_sign)."""

    message: str
    expires_at: datetime


class SignedChallenge(Strict, frozen=True):
    message: Text
    signature: Signature


class LinkedWallet(msgspec.Struct, frozen=True):
    address: str
    account: int | None
    linked_at: datetime


class ApprovalsQuery(Strict, frozen=True):
    state: State | None = None
    before: UUID | None = None
    limit: Count = PAGE_MAX


class Approve(Strict, frozen=True):
    payload_hash: Hash


class Reject(Strict, frozen=True):
    reason: Text


class ApprovalShown(msgspec.Struct, frozen=True):
    """`payload_json` is the canonical text whose sha256 is `payload_hash`; `payload` is the same, read."""

    approval_id: UUID
    kind: str
    subject: str
    payload: dict[str, Any]
    payload_json: str
    payload_hash: str
    state: str
    proposed_by: UUID
    proposed_at: datetime
    expires_at: datetime
    decided_by: UUID | None
    decided_at: datetime | None
    reason: str | None


class AuditQuery(Strict, frozen=True):
    user_id: UUID | None = None
    before: Row | None = None
    limit: Count = PAGE_MAX


class AuditEntry(msgspec.Struct, frozen=True):
    entry_id: int
    at: datetime
    actor: str
    action: str
    user_id: UUID | None
    address: str | None
    instrument: int | None
    details: dict[str, Any]
    hash: str
