"""A property's first sale, opened and closed by its manager: a row and a job, once the contract could carry it out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from api.amounts import text, units, usdc_micros
from api.clock import Clock, utc_now
from api.doors import Audit, Enqueue
from api.problem import Problem, not_found
from api.route import Call
from persistence.database import Connection, Pool
from settlement import sale_rows as rows
from settlement.sale_answers import SaleAnswer, SaleBody, sale_answer
from settlement.sale_contract import SaleContract
from settlement.sale_doors import SaleProperties, SaleProperty
from settlement.sale_rows import Sale, SaleState
from settlement.trades import Token, Wallet

OPEN_JOB: Final = "sale_open"
CLOSE_JOB: Final = "sale_close"
LONGEST: Final = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class _Tokenized:
    """A property that has what a sale needs."""

    of: SaleProperty
    instrument: int
    token: Token
    issuer: Wallet


class Sales:
    """The handlers of a property's sale, each of one call."""

    def __init__(
        self,
        pool: Pool,
        contract: SaleContract,
        properties: SaleProperties,
        audit: Audit,
        enqueue: Enqueue,
        clock: Clock = utc_now,
    ) -> None:
        self._pool = pool
        self._contract = contract
        self._properties = properties
        self._audit = audit
        self._enqueue = enqueue
        self._clock = clock

    async def open(self, call: Call[SaleBody]) -> SaleAnswer:
        actor = call.signed_in
        async with self._pool.acquire() as connection:
            found = await self._managed(connection, call.uuid("property_id"), actor.user_id)
        terms = self._terms(found, call.body)
        await self._require_issuer(found, terms["qty_max_base_units"])
        async with self._pool.acquire() as connection, connection.transaction():
            await self._make_room(connection, found.of.property_id)
            made = await rows.put_sale(connection, **terms)
            await self._enqueue(connection, OPEN_JOB, str(made.sale_id))
            details = {"sale_id": str(made.sale_id), "property_id": str(made.property_id)}
            await self._audit(connection, actor.name, "sale opened", instrument=made.instrument, details=details)
        return sale_answer(made, self._contract.address, 0, 0)

    async def close(self, call: Call[None]) -> SaleAnswer:
        actor = call.signed_in
        async with self._pool.acquire() as connection, connection.transaction():
            found = await self._managed(connection, call.uuid("property_id"), actor.user_id, states=("LIQUIDATING",))
            closing = await close_sale(connection, found.of.property_id, self._enqueue)
            if closing is None:
                raise Problem(409, "SALE_NOT_OPEN", "The property has no open sale.")
            details = {"sale_id": str(closing.sale_id), "property_id": str(closing.property_id)}
            await self._audit(connection, actor.name, "sale closed", instrument=closing.instrument, details=details)
        return await self._answer(closing)

    async def get(self, call: Call[None]) -> SaleAnswer:
        found = await rows.last_sale(self._pool, call.uuid("property_id"))
        if found is None:
            raise not_found("sale")
        return await self._answer(found)

    async def _answer(self, found: Sale) -> SaleAnswer:
        """With what the contract says has been sold; of a sale before its last one that is not kept there any more."""
        standing = await self._contract.standing(found.token)
        sold = standing.sold_base_units if standing.number == found.number else 0
        relayed = await rows.relayed_base_units(self._pool, found.sale_id)
        return sale_answer(found, self._contract.address, sold, relayed)

    async def _managed(
        self, connection: Connection, property_id: UUID, user_id: UUID, states: tuple[str, ...] = ()
    ) -> _Tokenized:
        found = await self._properties(connection, property_id)
        if found is None or found.manager_id != user_id:
            raise not_found("property")
        if found.state not in ("TOKENIZED", *states):
            detail = f"The property is {found.state}; its sale can be opened once it is TOKENIZED."
            raise Problem(409, "PROPERTY_NOT_TOKENIZED", detail)
        assert found.instrument is not None, "a tokenized property has a number, a token and an issuer"
        assert found.token is not None
        assert found.issuer_wallet is not None
        return _Tokenized(found, found.instrument, Token(found.token), Wallet(found.issuer_wallet))

    def _terms(self, found: _Tokenized, body: SaleBody) -> dict[str, object]:
        """The row's columns. Raises Problem 400 for terms that mean nothing or do not come out even."""
        of = found.of
        lot_base_units = 10 ** (of.token_decimals - of.lot_decimals)
        price_usdc_micros, rest = divmod(_usdc(body.price), 10**of.lot_decimals)
        if rest or price_usdc_micros == 0:
            detail = (
                f"One lot is {text(lot_base_units, of.token_decimals)} tokens: its price must be whole micros of USDC."
            )
            raise Problem(400, "PRICE_NOT_WHOLE_MICROS", detail)
        opens_at, closes_at = (_seconds(each) for each in (body.opens_at, body.closes_at))
        if not (opens_at < closes_at and self._clock() < closes_at <= opens_at + LONGEST):
            detail = f"A sale closes after it opens, in the future, and lasts {LONGEST.days} days at most."
            raise Problem(400, "WINDOW_WRONG", detail)
        return {
            "property_id": of.property_id,
            "instrument": found.instrument,
            "token": found.token,
            "token_decimals": of.token_decimals,
            "issuer_wallet": found.issuer,
            "issuer_id": of.manager_id,
            "price_usdc_micros": price_usdc_micros,
            "lot_base_units": lot_base_units,
            "qty_max_base_units": whole_lots(body.qty_max, of.token_decimals, lot_base_units),
            "per_buyer_max_base_units": whole_lots(body.per_buyer_max, of.token_decimals, lot_base_units),
            "opens_at": opens_at,
            "closes_at": closes_at,
        }

    async def _require_issuer(self, found: _Tokenized, qty_base_units: object) -> None:
        """The issuer may sell, has what it offers, and has let the contract take it."""
        assert isinstance(qty_base_units, int)
        if not await self._contract.is_verified(found.token, found.issuer):
            raise Problem(409, "ISSUER_NOT_VERIFIED", "The issuer's wallet is not registered with the token any more.")
        has, allowed = await self._contract.unsold(found.token, found.issuer)
        decimals = found.of.token_decimals
        if has < qty_base_units:
            detail = f"The issuer's wallet has {text(has, decimals)} tokens that can be sold."
            raise Problem(409, "ISSUER_TOKENS_MISSING", detail)
        if allowed < qty_base_units:
            approval = self._contract.approve_tokens(found.token, qty_base_units)
            raise Problem(
                409,
                "ISSUER_APPROVAL_MISSING",
                "Sign this transaction with the issuer's wallet: it lets the sale take"
                f" {text(qty_base_units, decimals)} tokens; so far it may take {text(allowed, decimals)}.",
                transaction=approval.to_json(),
            )

    async def _make_room(self, connection: Connection, property_id: UUID) -> None:
        """A sale whose time is over gives way; one that is not does not."""
        last = await rows.last_sale(connection, property_id, lock=True)
        if last is None or last.state in (SaleState.CLOSED, SaleState.CLOSING):
            return
        if last.state is SaleState.OPENING or self._clock() < last.closes_at:
            raise Problem(409, "SALE_STANDS", "The property has a sale already: close it first.")
        await close_sale(connection, property_id, self._enqueue)


async def close_sale(connection: Connection, property_id: UUID, enqueue: Enqueue) -> Sale | None:
    """Ask for the end of a property's open sale, in the caller's transaction; None if it has none. An exit asks too."""
    found = await rows.last_sale(connection, property_id, lock=True)
    if found is None or not await rows.move_sale(connection, found.sale_id, SaleState.OPEN, SaleState.CLOSING):
        return None
    await enqueue(connection, CLOSE_JOB, str(found.sale_id))
    return await rows.sale(connection, found.sale_id)


def whole_lots(tokens: str, token_decimals: int, lot_base_units: int) -> int:
    """Base units. Raises Problem 400 for what is no number of lots, or none."""
    try:
        qty_base_units = units(tokens, token_decimals)
    except ValueError as error:
        raise Problem(400, "QTY_MALFORMED", f"{error}.") from None
    if qty_base_units == 0 or qty_base_units % lot_base_units:
        lot = text(lot_base_units, token_decimals)
        raise Problem(400, "QTY_NOT_WHOLE_LOTS", f"Only multiples of {lot} tokens are sold.", lot=lot)
    return qty_base_units


def _usdc(amount: str) -> int:
    try:
        return usdc_micros(amount)
    except ValueError as error:
        raise Problem(400, "PRICE_MALFORMED", f"{error}.") from None


def _seconds(time: datetime) -> datetime:
    if time.tzinfo is None or time.microsecond:
        raise Problem(
            400, "TIME_MALFORMED", "Give times as whole seconds with their zone, such as 2030-01-31T12:00:00Z."
        )
    return time.astimezone(UTC)
