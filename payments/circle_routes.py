"""Circle's webhook, and what an operator sees and does of the money between Stripe and the treasury."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from msgspec import to_builtins

from api.amounts import usd, usd_cents, usdc
from api.doors import Audit
from api.problem import Problem
from api.route import Call, Kind, Route
from payments.circle import Circle, CircleAway, CircleRefused
from payments.circle_webhooks import Webhook
from payments.conversion import MICROS_PER_CENT, Books, Conversion, MatchError
from payments.sns import NotSigned
from payments.treasury import ChainBalance, Treasury, treasury
from persistence.database import Pool


class ConversionView(msgspec.Struct):
    """One payout's way to the treasury: WAITING, CREDITED or RECEIVED; `usd` as it left, less what the bank kept."""

    reference: str
    usd: str
    bank_kept_usd: str
    state: str
    deposit_id: str | None
    transaction: str | None
    started_at: datetime
    changed_at: datetime


class WireView(msgspec.Struct):
    """A wire at Circle that pays for no payout; `trouble` says why."""

    deposit_id: str
    usd: str
    fee_usd: str
    status: str
    references: list[str]
    trouble: str
    created_at: datetime


class TreasuryView(msgspec.Struct):
    """USDC by ledger account, at Circle and on the chain; null while those are away.

    differences  sentences; none where all agree
    """

    ledger: dict[str, str]
    circle_available: str | None
    circle_unsettled: str | None
    chain: str | None
    conversions: list[ConversionView]
    wires: list[WireView]
    differences: list[str]


class Match(msgspec.Struct, forbid_unknown_fields=True):
    """Which payout a wire pays for, and what a bank kept of it on its way."""

    deposit_id: str
    reference: str
    bank_kept_usd: str = "0"


def routes(
    pool: Pool,
    webhook: Webhook,
    conversion: Conversion,
    circle: Circle,
    books: Books,
    chain_balance: ChainBalance,
    audit: Audit,
) -> list[Route]:
    """For the mount; the roles are those of compliance.roles."""

    async def taken(call: Call[None]) -> None:
        try:
            await webhook.take(call.headers, call.raw)
        except NotSigned as error:
            raise Problem(401, "NOT_SIGNED", f"This is not signed by Circle: {error}.") from None
        except (CircleAway, CircleRefused, OSError):
            raise Problem(503, "AWAY", "Its signature cannot be checked now; send it again.") from None

    async def shown(_call: Call[None]) -> TreasuryView:
        return _view(await treasury(pool, circle, books, chain_balance))

    async def matched(call: Call[Match]) -> None:
        match = call.body
        try:
            short_cents = usd_cents(match.bank_kept_usd)
        except ValueError as error:
            raise Problem(400, "NOT_DOLLARS", f"bank_kept_usd: {error}.") from None
        try:
            async with pool.acquire() as connection, connection.transaction():
                await conversion.match(connection, match.deposit_id, match.reference, short_cents)
                details: dict[str, Any] = to_builtins(match)
                await audit(connection, call.signed_in.name, "wire matched", details=details)
        except MatchError as error:
            raise Problem(409, "NO_MATCH", str(error)) from None

    return [
        Route(
            method="POST",
            path="/webhooks/circle",
            handler=taken,
            kind=Kind.WEBHOOK,
            summary="Circle tells us of wires and transfers.",
        ),
        Route(
            method="GET",
            path="/treasury",
            handler=shown,
            answer=TreasuryView,
            summary="What is where between Stripe and the treasury, and what does not fit.",
        ),
        Route(
            method="POST",
            path="/treasury/matches",
            handler=matched,
            body=Match,
            summary="Say which payout a wire without its reference pays for; both amounts must be equal.",
        ),
    ]


def _view(found: Treasury) -> TreasuryView:
    circle = found.circle
    return TreasuryView(
        ledger={name: usdc(micros) for name, micros in found.ledger.items()},
        circle_available=None if circle is None else usdc(circle.available_cents * MICROS_PER_CENT),
        circle_unsettled=None if circle is None else usdc(circle.unsettled_cents * MICROS_PER_CENT),
        chain=None if found.chain_usdc_micros is None else usdc(found.chain_usdc_micros),
        conversions=[
            ConversionView(
                row.reference,
                usd(row.amount_cents),
                usd(row.short_cents),
                row.state,
                row.deposit_id,
                None if row.transaction_hash is None else f"0x{row.transaction_hash.hex()}",
                row.started_at,
                row.changed_at,
            )
            for row in found.conversions
        ],
        wires=[
            WireView(
                wire.deposit.deposit_id,
                usd(wire.deposit.amount_cents),
                usd(wire.deposit.fee_cents),
                wire.deposit.status,
                wire.deposit.wire_references,
                wire.trouble,
                wire.deposit.created_at,
            )
            for wire in found.wires
        ],
        differences=list(found.differences),
    )
