"""Who may call which route: the one table of roles and routes. Every route has exactly one row."""

from __future__ import annotations

from enum import Enum
from types import MappingProxyType
from typing import Final

from api.actor import Actor, Role
from api.problem import Problem


class Everybody(Enum):
    """Who needs no role of their own."""

    OPEN = "nobody has to sign in; what a route checks itself (a webhook's signature, a token from a mail) it checks"
    SIGNED_IN = "whoever is signed in, for what is their own"


OPEN: Final = Everybody.OPEN
SIGNED_IN: Final = Everybody.SIGNED_IN
Who = frozenset[Role] | Everybody

WITH_SECOND_FACTOR: Final = frozenset(
    {Role.ADMIN, Role.COMPLIANCE_OFFICER, Role.SETTLEMENT_OPERATOR, Role.PROPERTY_MANAGER}
)
_ADMIN: Final = frozenset({Role.ADMIN})
_COMPLIANCE: Final = frozenset({Role.ADMIN, Role.COMPLIANCE_OFFICER})
_OFFICER: Final = frozenset({Role.COMPLIANCE_OFFICER})
_OPERATION: Final = frozenset({Role.ADMIN, Role.SETTLEMENT_OPERATOR})
_MANAGER: Final = frozenset({Role.PROPERTY_MANAGER})
_PROPERTY: Final = frozenset({Role.PROPERTY_MANAGER, Role.ADMIN})
_RENT: Final = frozenset({Role.PROPERTY_MANAGER, Role.TENANT})
_INVESTOR: Final = frozenset({Role.INVESTOR})
_APPROVERS: Final = frozenset({Role.ADMIN, Role.COMPLIANCE_OFFICER, Role.SETTLEMENT_OPERATOR})

_ACCOUNTS: Final[dict[tuple[str, str], Who]] = {
    ("POST", "/auth/register"): OPEN,
    ("POST", "/auth/verify"): OPEN,
    ("POST", "/auth/login"): OPEN,
    ("POST", "/auth/password/forgot"): OPEN,
    ("POST", "/auth/password/reset"): OPEN,
    ("POST", "/auth/logout"): SIGNED_IN,
    ("GET", "/auth/session"): SIGNED_IN,
    ("POST", "/auth/totp"): SIGNED_IN,
    ("POST", "/auth/totp/confirm"): SIGNED_IN,
    ("GET", "/users"): _COMPLIANCE,
    ("PUT", "/users/{user_id}/roles"): _ADMIN,
    ("POST", "/wallets/challenge"): SIGNED_IN,
    ("POST", "/wallets"): SIGNED_IN,
    ("GET", "/wallets"): SIGNED_IN,
    ("GET", "/approvals"): _APPROVERS,
    ("GET", "/approvals/{approval_id}"): _APPROVERS,
    ("POST", "/approvals/{approval_id}/approve"): _APPROVERS,
    ("POST", "/approvals/{approval_id}/reject"): _APPROVERS,
    ("GET", "/audit"): _COMPLIANCE,
}

_KYC: Final[dict[tuple[str, str], Who]] = {
    ("POST", "/kyc/initiate"): SIGNED_IN,
    ("GET", "/kyc/status"): SIGNED_IN,
    ("GET", "/kyc/applicants"): _COMPLIANCE,
    ("POST", "/webhooks/sumsub"): OPEN,
    ("POST", "/accreditation/documents"): SIGNED_IN,
    ("POST", "/accreditation"): SIGNED_IN,
    ("GET", "/accreditation/reviews"): _OFFICER,
    ("POST", "/accreditation/reviews/{review_id}/approve"): _OFFICER,
    ("POST", "/accreditation/reviews/{review_id}/reject"): _OFFICER,
    ("GET", "/notifications"): SIGNED_IN,
    ("GET", "/notifications/stream"): SIGNED_IN,
    ("POST", "/notifications/{notification_id}/read"): SIGNED_IN,
}

_PROPERTIES: Final[dict[tuple[str, str], Who]] = {
    ("POST", "/properties"): _MANAGER,
    ("PATCH", "/properties/{property_id}"): _MANAGER,
    ("POST", "/properties/{property_id}/documents"): _MANAGER,
    ("POST", "/properties/{property_id}/submit"): _MANAGER,
    ("GET", "/properties"): OPEN,
    ("GET", "/properties/{property_id}"): OPEN,
    ("GET", "/properties/{property_id}/documents"): SIGNED_IN,
    ("GET", "/properties/{property_id}/progress"): _PROPERTY,
    ("GET", "/documents/{document_id}"): OPEN,
    ("POST", "/properties/{property_id}/approve"): _ADMIN,
    ("POST", "/properties/{property_id}/reject"): _ADMIN,
    ("POST", "/tokens/mint/{property_id}"): _ADMIN,
    ("POST", "/properties/{property_id}/liquidate"): _ADMIN,
    ("GET", "/properties/{property_id}/liquidation"): SIGNED_IN,
    ("POST", "/properties/{property_id}/exit"): _ADMIN,
    ("GET", "/properties/{property_id}/exit"): SIGNED_IN,
    ("POST", "/properties/{property_id}/exit/claim"): _INVESTOR,
    ("POST", "/tokens/burn/{property_id}"): _ADMIN,
}

_MONEY: Final[dict[tuple[str, str], Who]] = {
    ("POST", "/properties/{property_id}/leases"): _MANAGER,
    ("GET", "/properties/{property_id}/leases"): _PROPERTY,
    ("GET", "/leases"): SIGNED_IN,
    ("POST", "/leases/{lease_id}/end"): _MANAGER,
    ("POST", "/rent/links"): _RENT,
    ("GET", "/rent/payments"): SIGNED_IN,
    ("POST", "/webhooks/stripe"): OPEN,
    ("POST", "/webhooks/circle"): OPEN,
    ("GET", "/treasury"): _OPERATION,
    ("POST", "/treasury/matches"): _OPERATION,
    ("POST", "/properties/{property_id}/expenses"): _MANAGER,
    ("GET", "/properties/{property_id}/expenses"): _PROPERTY,
    ("GET", "/properties/{property_id}/income-statement"): _PROPERTY,
    ("GET", "/properties/{property_id}/rent-terms"): _PROPERTY,
    ("PUT", "/properties/{property_id}/rent-terms"): _ADMIN,
    ("GET", "/properties/{property_id}/manager-payments"): _PROPERTY,
    ("POST", "/properties/{property_id}/manager-payments"): _ADMIN,
    ("POST", "/dividends"): _ADMIN,
    ("GET", "/dividends"): SIGNED_IN,
    ("GET", "/dividends/owed"): SIGNED_IN,
    ("GET", "/dividends/{dividend_id}"): SIGNED_IN,
    ("POST", "/dividends/{dividend_id}/cancel"): _ADMIN,
    ("POST", "/dividends/{dividend_id}/claim"): _INVESTOR,
}

_MARKET: Final[dict[tuple[str, str], Who]] = {
    ("POST", "/properties/{property_id}/sale"): _MANAGER,
    ("GET", "/properties/{property_id}/sale"): SIGNED_IN,
    ("POST", "/properties/{property_id}/sale/close"): _MANAGER,
    ("GET", "/markets"): OPEN,
    ("GET", "/markets/{symbol}/permission"): SIGNED_IN,
    ("POST", "/marketplace/buy"): _INVESTOR,
    ("GET", "/marketplace/purchases"): _INVESTOR,
    ("GET", "/marketplace/purchases/{purchase_id}"): _INVESTOR,
    ("POST", "/marketplace/orders"): _INVESTOR,
    ("GET", "/marketplace/orders"): _INVESTOR,
    ("GET", "/marketplace/orders/{order_id}"): _INVESTOR,
    ("DELETE", "/marketplace/orders/{order_id}"): _INVESTOR,
    ("GET", "/marketplace/trades"): _INVESTOR,
    ("GET", "/portfolio"): SIGNED_IN,
    ("GET", "/funds/deposit"): _INVESTOR,
    ("GET", "/funds/withdraw"): SIGNED_IN,
    ("POST", "/api-keys"): _INVESTOR,
    ("GET", "/api-keys"): SIGNED_IN,
    ("DELETE", "/api-keys/{key_id}"): SIGNED_IN,
}

_DOCUMENT: Final[dict[tuple[str, str], Who]] = {("GET", "/openapi.json"): OPEN}

_OPERATORS: Final[dict[tuple[str, str], Who]] = {
    ("GET", "/operations/dead-letters"): _OPERATION,
    ("POST", "/operations/dead-letters/{message_id}/retry"): _OPERATION,
    ("GET", "/operations/jobs"): _OPERATION,
    ("POST", "/operations/jobs/{kind}/{key}/retry"): _OPERATION,
    ("POST", "/operations/freezes"): _COMPLIANCE,
    ("POST", "/operations/fees"): _ADMIN,
    ("POST", "/operations/halts"): _OPERATION,
    ("POST", "/operations/halts/lift"): _OPERATION,
    ("POST", "/operations/phases"): _OPERATION,
    ("POST", "/operations/periods"): _OPERATION,
    ("POST", "/operations/bands"): _OPERATION,
    ("POST", "/operations/kill-switches"): _APPROVERS,
    ("POST", "/operations/kill-switches/release"): _OPERATION,
    ("POST", "/operations/limits"): _OPERATION,
    ("PUT", "/operations/schedules/{instrument_id}"): _ADMIN,
    ("DELETE", "/operations/schedules/{instrument_id}"): _ADMIN,
    ("POST", "/operations/schedules/{instrument_id}/resume"): _OPERATION,
    ("GET", "/operations/controls"): _APPROVERS,
    ("GET", "/operations/open-orders"): _APPROVERS,
    ("GET", "/operations/instruments"): _APPROVERS,
    ("GET", "/operations/settlement"): _OPERATION,
    ("GET", "/operations/batches"): _OPERATION,
    ("GET", "/operations/failed-trades"): _OPERATION,
    ("GET", "/operations/reserves"): _OPERATION,
    ("GET", "/metrics"): _OPERATION,
}

ROUTE_ROLES: Final = MappingProxyType(
    {**_ACCOUNTS, **_KYC, **_PROPERTIES, **_MONEY, **_MARKET, **_OPERATORS, **_DOCUMENT}
)


def allowed(method: str, path: str, roles: frozenset[Role] | None) -> bool:
    """Whether who has `roles` (None: is not signed in) may call it. Raises KeyError for a route without a row."""
    who = ROUTE_ROLES[method, path]
    if isinstance(who, Everybody):
        return who is OPEN or roles is not None
    return roles is not None and not roles.isdisjoint(who)


def needs_second_factor(method: str, path: str, roles: frozenset[Role]) -> bool:
    """Whether the route is open to its caller only by roles that count with a second factor."""
    who = ROUTE_ROLES[method, path]
    return not isinstance(who, Everybody) and (roles & who) <= WITH_SECOND_FACTOR


def refusal(method: str, path: str, actor: Actor | None) -> Problem | None:
    """Why the route is not for this caller; None if it is."""
    roles = None if actor is None else actor.roles
    if not allowed(method, path, roles):
        if actor is None:
            return Problem(401, "NOT_SIGNED_IN", "Sign in first: POST /auth/login.")
        return Problem(403, "ROLE_MISSING", "This takes a role that you do not have.", roles=roles_of(method, path))
    if actor is not None and not actor.has_second_factor and needs_second_factor(method, path, actor.roles):
        detail = "This takes a second factor: POST /auth/totp to enrol one, or sign in with it."
        return Problem(403, "SECOND_FACTOR_REQUIRED", detail)
    return None


def roles_of(method: str, path: str) -> list[str] | None:
    """Their names, for people: None for a route that is open, empty for whoever is signed in."""
    who = ROUTE_ROLES[method, path]
    if isinstance(who, Everybody):
        return None if who is OPEN else []
    return sorted(who)
