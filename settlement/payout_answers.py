"""What the routes of dividends and exits take and give. Money and quantities are decimal strings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

import msgspec
from web3 import Web3

from api.amounts import text, usdc
from api.doors import Decision
from settlement.dividends import Terms
from settlement.exits import Liquidation, Sale
from settlement.payout_rows import Line, Payout

PAGE_MOST: Final = 100
Sums = Mapping[str, tuple[int, int]]  # by state of the line: how many, USDC micros


class DividendBody(msgspec.Struct, forbid_unknown_fields=True):
    """Either an amount, or the period (such as "2026-11") of an income statement whose net is paid out.

    record          "now", or the journal's seq at which holders are counted
    include_unsold  whether the issuer's unsold tokens get a share like all others
    """

    property_id: UUID
    usdc: str | None = None
    period: str | None = None
    record: Literal["now"] | int = "now"
    include_unsold: bool = True


class DividendQuery(msgspec.Struct, forbid_unknown_fields=True):
    property_id: UUID | None = None
    limit: int = 50


class SaleBody(msgspec.Struct, forbid_unknown_fields=True):
    """What the property was sold for, and what the sale cost."""

    sale_price_usdc: str
    costs_usdc: str = "0"


class ChargeView(msgspec.Struct):
    charge: str
    usdc: str


class LineView(msgspec.Struct):
    """DUE; PAID; OWED: kept by the contract for `owed_to` to claim; CLAIMED; RETURNED: it was stopped before."""

    wallet: str
    tokens: str
    usdc: str
    state: str
    owed_to: str | None
    transaction: str | None


class DividendView(msgspec.Struct):
    """A statement. What is null is not known yet; `charges` are for admins, and investors see their own lines only.

    unsold_tokens, unsold_usdc   the issuer's tokens that are not sold, and what they get
    """

    dividend_id: UUID
    property_id: UUID
    state: str
    pool_usdc: str
    dust_usdc: str | None
    period: str | None
    record_seq: int | None
    record_block: int | None
    includes_unsold: bool
    unsold_tokens: str | None
    unsold_usdc: str | None
    holders: int | None
    head: str | None
    list_sha256: str | None
    paid_usdc: str
    owed_usdc: str
    claimed_usdc: str
    failure: str
    created_at: datetime
    charges: list[ChargeView]
    lines: list[LineView]


class ExitView(msgspec.Struct):
    """A statement of a sale: whole pool to all holders; `usdc_per_token` is floored to the micro.

    remainder_usdc  what the property had left beside the price: income not distributed, and its reserve
    """

    exit_id: UUID
    property_id: UUID
    state: str
    sale_price_usdc: str
    costs_usdc: str
    remainder_usdc: str
    pool_usdc: str
    usdc_per_token: str | None
    supply_tokens: str | None
    unsold_tokens: str | None
    unsold_usdc: str | None
    snapshot_block: int | None
    holders: int | None
    head: str | None
    list_sha256: str | None
    paid_usdc: str
    owed_usdc: str
    claimed_usdc: str
    failure: str
    created_at: datetime
    lines: list[LineView]


class LiquidationView(msgspec.Struct):
    """HALTING: orders are being cancelled; SETTLING: `waits_for` is not settled; STILL: a sale can be stated."""

    property_id: UUID
    state: Literal["HALTING", "SETTLING", "STILL"]
    waits_for: str


class BurnDecision(msgspec.Struct):
    """PROPOSED until another admin approves the same payload."""

    exit_id: UUID
    approval_id: UUID
    state: str
    payload_hash: str
    expires_at: datetime


class OwedView(msgspec.Struct):
    """What a payout owes to one of the caller's wallets."""

    payout_id: UUID
    kind: Literal["DIVIDEND", "EXIT"]
    property_id: UUID
    wallet: str
    usdc: str


class ClaimTransaction(msgspec.Struct):
    """To sign and send, by whichever wallet: the USDC goes to `wallet`."""

    wallet: str
    usdc: str
    to: str
    data: str
    value: str


class Claim(msgspec.Struct):
    transactions: list[ClaimTransaction]


def dividend_view(
    found: Payout,
    terms: Terms,
    sums: Sums,
    token_decimals: int,
    issuer_line: Line | None,
    charges: Iterable[tuple[str, int]],
    lines: Iterable[Line],
) -> DividendView:
    unsold = terms.unsold_base_units
    return DividendView(
        dividend_id=found.payout_id,
        property_id=found.property_id,
        state=found.state,
        pool_usdc=usdc(found.pool_usdc_micros),
        dust_usdc=None if found.dust_usdc_micros is None else usdc(found.dust_usdc_micros),
        period=terms.period,
        record_seq=terms.record_seq,
        record_block=terms.record_block,
        includes_unsold=terms.includes_unsold,
        unsold_tokens=None if unsold is None else text(unsold, token_decimals),
        unsold_usdc=_unsold_usdc(found, issuer_line),
        holders=_holders(found, sums),
        head=None if found.head is None else f"0x{found.head.hex()}",
        list_sha256=None if found.payload is None else found.payload["list_sha256"],
        paid_usdc=_sum(sums, "PAID"),
        owed_usdc=_sum(sums, "OWED"),
        claimed_usdc=_sum(sums, "CLAIMED"),
        failure=found.failure,
        created_at=found.created_at,
        charges=[ChargeView(charge, usdc(micros)) for charge, micros in charges],
        lines=[line_view(line, token_decimals) for line in lines],
    )


def exit_view(
    found: Payout, sale: Sale, sums: Sums, token_decimals: int, issuer_line: Line | None, lines: Iterable[Line]
) -> ExitView:
    supply, payload = sale.supply_base_units, found.payload
    per_token = None if supply is None else found.pool_usdc_micros * 10**token_decimals // supply
    return ExitView(
        exit_id=found.payout_id,
        property_id=found.property_id,
        state=found.state,
        sale_price_usdc=usdc(sale.sale_price_usdc_micros),
        costs_usdc=usdc(sale.costs_usdc_micros),
        remainder_usdc=usdc(sale.remainder_usdc_micros),
        pool_usdc=usdc(found.pool_usdc_micros),
        usdc_per_token=None if per_token is None else usdc(per_token),
        supply_tokens=None if supply is None else text(supply, token_decimals),
        unsold_tokens=None if payload is None else text(int(payload["unsold_base_units"]), token_decimals),
        unsold_usdc=_unsold_usdc(found, issuer_line),
        snapshot_block=sale.snapshot_block,
        holders=_holders(found, sums),
        head=None if found.head is None else f"0x{found.head.hex()}",
        list_sha256=None if payload is None else payload["list_sha256"],
        paid_usdc=_sum(sums, "PAID"),
        owed_usdc=_sum(sums, "OWED"),
        claimed_usdc=_sum(sums, "CLAIMED"),
        failure=found.failure,
        created_at=found.created_at,
        lines=[line_view(line, token_decimals) for line in lines],
    )


def line_view(line: Line, token_decimals: int) -> LineView:
    return LineView(
        wallet=address(line.wallet),
        tokens=text(line.base_units, token_decimals),
        usdc=usdc(line.usdc_micros),
        state=line.state,
        owed_to=None if line.owed_to is None else address(line.owed_to),
        transaction=None if line.transaction is None else f"0x{line.transaction.hex()}",
    )


def liquidation_view(going: Liquidation, waits_for: str) -> LiquidationView:
    state: Literal["HALTING", "SETTLING", "STILL"] = "HALTING"
    if going.still_block is not None:
        state = "STILL"
    elif going.halt_seq is not None:
        state = "SETTLING"
    return LiquidationView(going.property_id, state, waits_for)


def burn_decision(exit_id: UUID, decision: Decision) -> BurnDecision:
    return BurnDecision(exit_id, decision.approval_id, decision.state, decision.payload_hash, decision.expires_at)


def address(wallet: bytes) -> str:
    return str(Web3.to_checksum_address(wallet))


def _holders(found: Payout, sums: Sums) -> int | None:
    return None if found.head is None else sum(count for count, _ in sums.values())


def _unsold_usdc(found: Payout, issuer_line: Line | None) -> str | None:
    if found.head is None:
        return None
    return usdc(0 if issuer_line is None else issuer_line.usdc_micros)


def _sum(sums: Sums, state: str) -> str:
    return usdc(sums.get(state, (0, 0))[1])
