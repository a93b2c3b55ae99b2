"""Buying in the first sale: what stands in the buyer's way, one clear reason at a time, and then a row and a job."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg

from api.actor import Actor
from api.addresses import address_bytes
from api.amounts import text, usdc
from api.clock import Clock, utc_now
from api.doors import Audit, Enqueue
from api.problem import Problem, not_found
from api.route import Call
from persistence.database import Connection, Pool
from settlement import sale_contract
from settlement import sale_rows as rows
from settlement.calls import Revert, decode_revert
from settlement.sale import whole_lots
from settlement.sale_answers import PAGE_MOST, BuyBody, PurchaseAnswer, purchase_answer
from settlement.sale_contract import SIGNATURE_BYTES, SaleContract
from settlement.sale_doors import OwnsWallet, RequireEligible, SaleProperties
from settlement.sale_rows import Sale, SaleState
from settlement.trades import Wallet

PURCHASE_JOB: Final = "purchase"
SEEN_JOB: Final = "purchase_seen"  # of one that the contract made and nobody asked us for
TIME_TO_SIGN: Final = timedelta(minutes=15)
DEADLINE_MOST: Final = timedelta(hours=1)  # so long a purchase that cannot be made stays open, and its tokens taken
NONCE_BITS: Final = 128  # of one that we make
SIGNATURE_BYTES_MOST: Final = 2_048  # of a contract wallet
_HEX: Final = re.compile(r"0x(?:[0-9a-fA-F]{2})+", re.ASCII)
_NUMBER: Final = re.compile(r"[0-9]{1,78}", re.ASCII)
_TAKES_SIGNATURE_AGAIN: Final = "Ask again without a signature, and sign what you get."


@dataclass(frozen=True, slots=True)
class PurchaseDoors:
    """What buying needs of others."""

    pool: Pool
    properties: SaleProperties
    owns_wallet: OwnsWallet
    require_eligible: RequireEligible
    audit: Audit
    enqueue: Enqueue


class Purchases:
    """The handlers of a buyer, each of one call."""

    def __init__(self, doors: PurchaseDoors, contract: SaleContract, clock: Clock = utc_now) -> None:
        self._doors = doors
        self._pool = doors.pool
        self._contract = contract
        self._clock = clock

    async def buy(self, call: Call[BuyBody]) -> PurchaseAnswer:
        """The same purchase again is answered with what became of it."""
        actor, body = call.signed_in, call.body
        wallet = _wallet(body.wallet)
        if (known := await self._known(actor, wallet, body)) is not None:
            return known
        sale = await self._sale(body)
        qty_base_units = whole_lots(body.qty, sale.token_decimals, sale.lot_base_units)
        async with self._pool.acquire() as connection:
            if not await self._doors.owns_wallet(connection, actor.user_id, wallet):
                raise Problem(403, "WALLET_NOT_LINKED", "Link this wallet to your account first: POST /wallets.")
            await self._doors.require_eligible(connection, actor.user_id, wallet, sale.instrument, qty_base_units)
        await self._require_room(self._pool, sale, wallet, qty_base_units)
        if not await self._contract.may_move(sale.token, sale.issuer_wallet, wallet, qty_base_units):
            detail = (
                "The token's rules refuse it: its holders, its countries or your share of it have reached their limit."
            )
            raise Problem(403, "TRANSFER_REFUSED", detail)
        signed = self._to_sign(body, sale, wallet, qty_base_units)
        await self._require_cash(body, signed)
        if body.signature is None:
            raise Problem(
                409,
                "SIGNATURE_MISSING",
                f"Sign this with your wallet: {body.qty} tokens for {usdc(signed.usdc_micros_max)} USDC.",
                typed_data=await self._contract.purchase_to_sign(signed),
                **_again(signed),
            )
        return await self._accept(actor, sale, signed, body.signature, body.permit)

    async def browse(self, call: Call[None]) -> list[PurchaseAnswer]:
        if not 1 <= call.query.limit <= PAGE_MOST:
            raise Problem(400, "LIMIT_OUT_OF_RANGE", f"limit must be from 1 to {PAGE_MOST}.")
        found = await rows.purchases_of(self._pool, call.signed_in.user_id, call.query.before, call.query.limit)
        return [purchase_answer(purchase, sale) for purchase, sale in found]

    async def get(self, call: Call[None]) -> PurchaseAnswer:
        found = await rows.purchase(self._pool, call.uuid("purchase_id"))
        if found is None or found.user_id != call.signed_in.user_id:
            raise not_found("purchase")
        return purchase_answer(found, await rows.sale(self._pool, found.sale_id))

    async def _known(self, actor: Actor, wallet: Wallet, body: BuyBody) -> PurchaseAnswer | None:
        """What became of a purchase that was asked for before; somebody may have lost the answer."""
        nonce = None if body.nonce is None else _nonce(body.nonce)
        found = None if nonce is None else await rows.purchase_of_nonce(self._pool, wallet, nonce)
        if found is None:
            return None
        sale = await rows.sale(self._pool, found.sale_id)
        asked = (actor.user_id, body.property_id)
        if asked != (found.user_id, sale.property_id) or found.qty_base_units != whole_lots(
            body.qty, sale.token_decimals, sale.lot_base_units
        ):
            raise Problem(409, "NONCE_USED", f"This wallet has used this nonce. {_TAKES_SIGNATURE_AGAIN}")
        return purchase_answer(found, sale)

    async def _sale(self, body: BuyBody) -> Sale:
        """The property's sale, if one can buy in it now."""
        async with self._pool.acquire() as connection:
            of = await self._doors.properties(connection, body.property_id)
        if of is None:
            raise not_found("property")
        sale = await rows.last_sale(self._pool, body.property_id)
        if of.state != "TOKENIZED" or sale is None or sale.state is not SaleState.OPEN:
            raise Problem(409, "SALE_NOT_OPEN", f"There is no open sale of {of.name}.")
        now = self._clock()
        if now < sale.opens_at:
            detail = f"The sale of {of.name} has not begun."
            raise Problem(409, "SALE_NOT_OPEN", detail, opens_at=sale.opens_at.isoformat())
        if now >= sale.closes_at:
            raise Problem(409, "SALE_NOT_OPEN", f"The sale of {of.name} is over.")
        return sale

    async def _require_room(
        self, connection: Connection | Pool, sale: Sale, wallet: Wallet, qty_base_units: int
    ) -> None:
        """Within the sale's cap and the buyer's, purchases that are on their way counted."""
        standing = await self._contract.standing(sale.token)
        relayed = await rows.relayed_base_units(connection, sale.sale_id)
        left = max(0, sale.qty_max_base_units - standing.sold_base_units - relayed)
        if qty_base_units > left:
            tokens = text(left, sale.token_decimals)
            raise Problem(409, "SALE_CAP_REACHED", f"Only {tokens} tokens are left in this sale.", left=tokens)
        bought = await self._contract.bought(sale.token, wallet)
        mine = await rows.relayed_base_units(connection, sale.sale_id, wallet)
        left = max(0, sale.per_buyer_max_base_units - bought - mine)
        if qty_base_units > left:
            tokens = text(left, sale.token_decimals)
            raise Problem(409, "BUYER_CAP_REACHED", f"In this sale this wallet can buy {tokens} more.", left=tokens)

    def _to_sign(self, body: BuyBody, sale: Sale, wallet: Wallet, qty_base_units: int) -> sale_contract.Purchase:
        now = self._clock()
        if body.signature is not None and (body.nonce is None or body.deadline is None):
            raise Problem(400, "SIGNATURE_INCOMPLETE", "Send the nonce and the deadline that were signed, too.")
        nonce = secrets.randbits(NONCE_BITS) if body.nonce is None else _nonce(body.nonce)
        deadline = now + TIME_TO_SIGN if body.deadline is None else body.deadline
        if deadline.tzinfo is None or (body.deadline is not None and deadline.microsecond):
            raise Problem(400, "TIME_MALFORMED", "Give the deadline as whole seconds with its zone.")
        if deadline <= now:
            raise Problem(409, "DEADLINE_PASSED", f"The deadline is over. {_TAKES_SIGNATURE_AGAIN}")
        if deadline > now + DEADLINE_MOST:
            minutes = DEADLINE_MOST // timedelta(minutes=1)
            raise Problem(400, "DEADLINE_TOO_FAR", f"The deadline must be within {minutes} minutes.")
        cost_usdc_micros = sale.cost_usdc_micros(qty_base_units)
        return sale_contract.Purchase(
            wallet, sale.token, qty_base_units, cost_usdc_micros, nonce, int(deadline.timestamp())
        )

    async def _require_cash(self, body: BuyBody, signed: sale_contract.Purchase) -> None:
        balance, allowed = await self._contract.cash(signed.buyer)
        cost = signed.usdc_micros_max
        if balance < cost:
            raise Problem(
                409,
                "USDC_MISSING",
                f"This costs {usdc(cost)} USDC; the wallet has {usdc(balance)}.",
                needed=usdc(cost),
                balance=usdc(balance),
            )
        if allowed < cost and body.permit is None:
            raise Problem(
                409,
                "USDC_APPROVAL_MISSING",
                f"Sign this transaction with your wallet: it lets the sale take {usdc(cost)} USDC; so far it may take"
                f" {usdc(allowed)}. Or sign the permit, and send its signature with the purchase.",
                transaction=self._contract.approve_usdc(cost).to_json(),
                permit=await self._contract.permit_to_sign(signed),
                **_again(signed),
            )

    async def _accept(
        self, actor: Actor, sale: Sale, signed: sale_contract.Purchase, signature_text: str, permit_text: str | None
    ) -> PurchaseAnswer:
        """The contract would take it now: keep it, and have it brought there until its deadline."""
        signature = _signature(signature_text, SIGNATURE_BYTES_MOST)
        permit = None if permit_text is None else _signature(permit_text, SIGNATURE_BYTES, exactly=True)
        refusal = await self._contract.refusal(self._contract.buy_data(signed, signature, permit))
        if refusal is not None:
            raise as_problem(refusal)
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                locked = await rows.sale(connection, sale.sale_id, lock=True)
                if locked.state is not SaleState.OPEN:
                    raise Problem(409, "SALE_NOT_OPEN", "The sale has just been closed.")
                await self._require_room(connection, locked, signed.buyer, signed.qty_base_units)
                made = await rows.put_purchase(connection, locked, actor.user_id, signed, signature, permit)
                await self._doors.enqueue(connection, PURCHASE_JOB, str(made.purchase_id))
                details = {"purchase_id": str(made.purchase_id), "sale_id": str(sale.sale_id)}
                await self._doors.audit(
                    connection, actor.name, "purchase", instrument=sale.instrument, address=made.wallet, details=details
                )
        except asyncpg.UniqueViolationError:  # asked twice at once, or in another sale
            raise Problem(409, "NONCE_USED", f"This wallet has used this nonce. {_TAKES_SIGNATURE_AGAIN}") from None
        return purchase_answer(made, locked)


def as_problem(refusal: Revert) -> Problem:
    """The contract's refusal in words for the buyer."""
    if refusal.name == "CashCallFailed":
        inner = decode_revert(bytes(refusal.values[0]))
        return Problem(409, "USDC_REFUSED", f"The USDC cannot be taken from this wallet: {inner.name}.")
    reason, detail = _REFUSALS.get(refusal.name, ("PURCHASE_REFUSED", f"The chain refuses the purchase: {refusal}."))
    return Problem(409, reason, detail)


_REFUSALS: Final = {
    "PurchaseNotSigned": ("SIGNATURE_WRONG", f"This is not the wallet's signature. {_TAKES_SIGNATURE_AGAIN}"),
    "PurchaseExpired": ("DEADLINE_PASSED", f"The deadline is over. {_TAKES_SIGNATURE_AGAIN}"),
    "NonceUsed": ("NONCE_USED", f"This wallet has used this nonce. {_TAKES_SIGNATURE_AGAIN}"),
    "SaleNotOpen": ("SALE_NOT_OPEN", "The sale is closed."),
    "BeforeOpening": ("SALE_NOT_OPEN", "The sale has not begun."),
    "AfterClosing": ("SALE_NOT_OPEN", "The sale is over."),
    "MoreThanLeft": ("SALE_CAP_REACHED", "So much is not left in this sale."),
    "MoreThanAllowed": ("BUYER_CAP_REACHED", "So much one wallet cannot buy in this sale."),
    "SellerNotVerified": ("ISSUER_NOT_VERIFIED", "The issuer may not sell at present: ask support."),
    "BuyerIsIssuer": ("BUYER_IS_ISSUER", "The issuer's own wallet cannot buy."),
}


def _again(signed: sale_contract.Purchase) -> dict[str, Any]:
    """What the buyer sends along with the signature."""
    deadline = datetime.fromtimestamp(signed.deadline_s, UTC)
    return {"nonce": str(signed.nonce), "deadline": deadline.isoformat()}


def _wallet(address: str) -> Wallet:
    wallet = address_bytes(address)
    if wallet is None:
        raise Problem(400, "ADDRESS_MALFORMED", "Give the wallet's address as 0x and 40 hex digits.")
    return Wallet(wallet)


def _nonce(number: str) -> int:
    if not _NUMBER.fullmatch(number) or int(number) >= 2**256:
        raise Problem(400, "NONCE_MALFORMED", "A nonce is a whole number below 2^256.")
    return int(number)


def _signature(signature: str, bytes_most: int, *, exactly: bool = False) -> bytes:
    given = bytes.fromhex(signature[2:]) if _HEX.fullmatch(signature) else b""
    if not given or len(given) > bytes_most or (exactly and len(given) != bytes_most):
        raise Problem(400, "SIGNATURE_MALFORMED", "Give signatures as 0x and hex digits: r, s and v, 65 bytes in all.")
    return given
