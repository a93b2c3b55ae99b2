"""What the routes of the first sale take and give. Amounts are decimal strings: tokens, and USDC."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from api.amounts import text, usdc
from settlement.sale_contract import checksum
from settlement.sale_rows import Purchase, Sale

PAGE_LIMIT = 50
PAGE_MOST = 200


class SaleBody(msgspec.Struct, forbid_unknown_fields=True):
    """`price` is USDC for one token; quantities are tokens; times are whole seconds."""

    price: str
    qty_max: str
    per_buyer_max: str
    opens_at: datetime
    closes_at: datetime


class BuyBody(msgspec.Struct, forbid_unknown_fields=True):
    """Without a signature the answer is the problem SIGNATURE_MISSING, with what to sign; then the same again with the
    `nonce` and the `deadline` from there, the signature, and a permit where the USDC was not approved."""

    property_id: UUID
    wallet: str
    qty: str
    nonce: str | None = None
    deadline: datetime | None = None
    signature: str | None = None
    permit: str | None = None


class PurchasesQuery(msgspec.Struct, forbid_unknown_fields=True):
    """The newest first; `before` is the last `purchase_id` of the page before."""

    before: UUID | None = None
    limit: int = PAGE_LIMIT


class SaleAnswer(msgspec.Struct):
    """`qty_sold` and `qty_left` are what the contract says, less what is on its way to it."""

    sale_id: UUID
    property_id: UUID
    state: str
    price: str
    lot: str
    qty_max: str
    qty_sold: str
    qty_left: str
    per_buyer_max: str
    opens_at: datetime
    closes_at: datetime
    issuer_wallet: str
    token: str
    contract: str
    failure: str


class PurchaseAnswer(msgspec.Struct):
    """A receipt once it is FINAL. `reason` says why it is not made so far, or never will be."""

    purchase_id: UUID
    property_id: UUID
    sale_id: UUID
    state: str
    wallet: str
    qty: str
    price: str
    usdc: str
    nonce: str
    deadline: datetime
    reason: str
    transaction: str | None
    block: int | None
    bought_at: datetime | None
    created_at: datetime


def sale_answer(sale: Sale, contract: bytes, sold_base_units: int, relayed_base_units: int) -> SaleAnswer:
    def tokens(base_units: int) -> str:
        return text(base_units, sale.token_decimals)

    return SaleAnswer(
        sale_id=sale.sale_id,
        property_id=sale.property_id,
        state=sale.state,
        price=price_text(sale),
        lot=tokens(sale.lot_base_units),
        qty_max=tokens(sale.qty_max_base_units),
        qty_sold=tokens(sold_base_units),
        qty_left=tokens(max(0, sale.qty_max_base_units - sold_base_units - relayed_base_units)),
        per_buyer_max=tokens(sale.per_buyer_max_base_units),
        opens_at=sale.opens_at,
        closes_at=sale.closes_at,
        issuer_wallet=checksum(sale.issuer_wallet),
        token=checksum(sale.token),
        contract=checksum(contract),
        failure=sale.failure,
    )


def purchase_answer(purchase: Purchase, sale: Sale) -> PurchaseAnswer:
    return PurchaseAnswer(
        purchase_id=purchase.purchase_id,
        property_id=sale.property_id,
        sale_id=sale.sale_id,
        state=purchase.state,
        wallet=checksum(purchase.wallet),
        qty=text(purchase.qty_base_units, sale.token_decimals),
        price=price_text(sale),
        usdc=usdc(purchase.usdc_micros),
        nonce=str(purchase.nonce),
        deadline=purchase.deadline,
        reason=purchase.reason,
        transaction=None if purchase.transaction is None else f"0x{purchase.transaction.hex()}",
        block=purchase.block,
        bought_at=purchase.bought_at,
        created_at=purchase.created_at,
    )


def price_text(sale: Sale) -> str:
    """USDC for one token: exact, for the price of a lot was made from it."""
    price_usdc_micros, rest = divmod(sale.price_usdc_micros * 10**sale.token_decimals, sale.lot_base_units)
    assert rest == 0
    return usdc(price_usdc_micros)
