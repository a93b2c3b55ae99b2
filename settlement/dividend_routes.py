"""The routes of dividends, and of what payouts owe."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final
from uuid import UUID

from api.actor import Actor, Role
from api.amounts import usdc, usdc_micros
from api.problem import Problem, not_found
from api.route import Call, Route
from engine.types import INT64_MAX
from persistence.database import Connection, Pool
from settlement import dividends, payout_rows
from settlement.dividends import Asked, Dividends
from settlement.payout_answers import (
    PAGE_MOST,
    Claim,
    ClaimTransaction,
    DividendBody,
    DividendQuery,
    DividendView,
    OwedView,
    address,
    dividend_view,
)
from settlement.payout_doors import People, Properties
from settlement.payout_rows import DIVIDEND, SEEN_BY_HOLDERS, Line, Payout

ClaimData = Callable[[str, UUID, bytes], tuple[str, bytes]]  # kind, payout, wallet: the contract, and what to call
_PERIOD: Final = re.compile(r"[0-9]{4}-(?:0[1-9]|1[0-2])", re.ASCII)
_STAFF: Final = frozenset({Role.ADMIN, Role.SETTLEMENT_OPERATOR})


class DividendDesk:
    """The handlers, each of one call."""

    def __init__(
        self, pool: Pool, acts: Dividends, properties: Properties, people: People, claim_data: ClaimData
    ) -> None:
        self._pool = pool
        self._acts = acts
        self._properties = properties
        self._people = people
        self._claim_data = claim_data

    async def propose(self, call: Call[DividendBody]) -> DividendView:
        body = call.body
        if (body.usdc is None) == (body.period is None):
            raise Problem(422, "AMOUNT_OR_PERIOD", "Give either usdc or period.")
        if body.period is not None and not _PERIOD.fullmatch(body.period):
            raise Problem(422, "PERIOD_MALFORMED", 'period must be a month such as "2026-11".')
        micros = None if body.usdc is None else amount_of(body.usdc, "usdc", at_least=1)
        seq = None if body.record == "now" else int(body.record)
        if seq is not None and not 1 <= seq <= INT64_MAX:
            raise Problem(422, "RECORD_OUT_OF_RANGE", 'record must be "now" or a seq of the journal, from 1 on.')
        asked = Asked(body.property_id, micros, body.period, seq, body.include_unsold)
        payout_id = await self._acts.propose(asked, call.signed_in)
        async with self._pool.acquire() as connection:
            return await self._view(connection, await self._dividend(connection, payout_id), True, ())

    async def browse(self, call: Call[None]) -> list[DividendView]:
        query: DividendQuery = call.query
        if not 1 <= query.limit <= PAGE_MOST:
            raise Problem(400, "LIMIT_OUT_OF_RANGE", f"limit must be from 1 to {PAGE_MOST}.")
        actor = call.signed_in
        async with self._pool.acquire() as connection:
            if is_staff(actor):
                found = await payout_rows.payouts(connection, DIVIDEND, query.property_id, query.limit)
                return [await self._view(connection, each, True, ()) for each in found]
            wallets = await self._people.wallets_of_user(connection, actor.user_id)
            found = await payout_rows.payouts_to(connection, DIVIDEND, wallets, query.property_id, query.limit)
            return [
                await self._view(
                    connection, each, False, await payout_rows.lines_of(connection, each.payout_id, wallets)
                )
                for each in found
            ]

    async def get(self, call: Call[None]) -> DividendView:
        actor = call.signed_in
        async with self._pool.acquire() as connection:
            found = await self._dividend(connection, call.uuid("dividend_id"))
            if is_staff(actor):
                lines = await payout_rows.lines(connection, found.payout_id)
                return await self._view(connection, found, True, lines)
            lines = await own_lines(connection, found, self._people, actor)
            if not lines:
                raise not_found("dividend")
            return await self._view(connection, found, False, lines)

    async def cancel(self, call: Call[None]) -> DividendView:
        payout_id = call.uuid("dividend_id")
        await self._acts.cancel(payout_id, call.signed_in)
        async with self._pool.acquire() as connection:
            return await self._view(connection, await self._dividend(connection, payout_id), True, ())

    async def owed(self, call: Call[None]) -> list[OwedView]:
        async with self._pool.acquire() as connection:
            wallets = await self._people.wallets_of_user(connection, call.signed_in.user_id)
            found = await payout_rows.owed_to(connection, wallets)
        return [
            OwedView(
                payout.payout_id,
                "DIVIDEND" if payout.kind == DIVIDEND else "EXIT",
                payout.property_id,
                address(line.owed_to or line.wallet),
                usdc(line.usdc_micros),
            )
            for payout, line in found
        ]

    async def claim(self, call: Call[None]) -> Claim:
        async with self._pool.acquire() as connection:
            found = await self._dividend(connection, call.uuid("dividend_id"))
            return await claim_of(connection, "dividend", [found], self._people, call.signed_in, self._claim_data)

    async def _dividend(self, connection: Connection, payout_id: UUID) -> Payout:
        found = await payout_rows.payout(connection, payout_id)
        if found is None or found.kind != DIVIDEND:
            raise not_found("dividend")
        return found

    async def _view(
        self, connection: Connection, found: Payout, sees_charges: bool, lines: Sequence[Line]
    ) -> DividendView:
        facts = await self._properties.facts(connection, found.property_id)
        assert facts is not None
        charges = await payout_rows.charges(connection, found.payout_id) if sees_charges else []
        terms = await dividends.terms(connection, found.payout_id)
        sums = await payout_rows.sums(connection, found.payout_id)
        issuer_line = await payout_rows.line_of(connection, found.payout_id, found.issuer_wallet)
        return dividend_view(found, terms, sums, facts.token_decimals, issuer_line, charges, lines)


def routes(pool: Pool, acts: Dividends, properties: Properties, people: People, claim_data: ClaimData) -> list[Route]:
    """All of them; who may call which stands in the role table."""
    desk = DividendDesk(pool, acts, properties, people, claim_data)
    one = "/dividends/{dividend_id}"
    return [
        Route(
            method="POST",
            path="/dividends",
            handler=desk.propose,
            body=DividendBody,
            answer=DividendView,
            status=202,
            summary="Propose a dividend: its money is set aside, its list prepared, and then two people decide.",
        ),
        Route(
            method="GET",
            path="/dividends",
            handler=desk.browse,
            query=DividendQuery,
            answer=list[DividendView],
            summary="Dividends, the newest first: to admins all, to investors those that they have a line in.",
        ),
        Route(
            method="GET",
            path="/dividends/owed",
            handler=desk.owed,
            answer=list[OwedView],
            summary="What dividends and exits could not send to the caller's wallets.",
        ),
        Route(
            method="GET",
            path=one,
            handler=desk.get,
            answer=DividendView,
            summary="One statement: to admins with every line, to an investor with their own.",
        ),
        Route(
            method="POST",
            path=f"{one}/cancel",
            handler=desk.cancel,
            answer=DividendView,
            summary="Take a proposal back before two people have approved it.",
        ),
        Route(
            method="POST",
            path=f"{one}/claim",
            handler=desk.claim,
            answer=Claim,
            summary="The calls to sign that send the caller's wallets what is owed to them.",
        ),
    ]


def is_staff(actor: Actor) -> bool:
    """Who sees every line."""
    return not actor.roles.isdisjoint(_STAFF)


def amount_of(given: str, name: str, *, at_least: int) -> int:
    """USDC micros. Raises Problem 422."""
    try:
        micros = usdc_micros(given)
    except ValueError as error:
        raise Problem(422, "AMOUNT_MALFORMED", f"{name}: {error}.") from None
    if not at_least <= micros <= INT64_MAX:
        raise Problem(422, "AMOUNT_OUT_OF_RANGE", f"{name} must be from {usdc(at_least)} to {usdc(INT64_MAX)}.")
    return micros


async def own_lines(connection: Connection, found: Payout, people: People, actor: Actor) -> list[Line]:
    """The actor's own, once two people have approved the payout."""
    if found.state not in SEEN_BY_HOLDERS:
        return []
    wallets = await people.wallets_of_user(connection, actor.user_id)
    return await payout_rows.lines_of(connection, found.payout_id, wallets)


async def claim_of(
    connection: Connection,
    what: str,
    payouts: Sequence[Payout],
    people: People,
    actor: Actor,
    claim_data: ClaimData,
) -> Claim:
    """Raises Problem 404 for who has no line, 409 where nothing is owed."""
    lines = {each.payout_id: await own_lines(connection, each, people, actor) for each in payouts}
    if not any(lines.values()):
        raise not_found(what)
    transactions = []
    for payout in payouts:
        owed: Counter[bytes] = Counter()
        for line in lines[payout.payout_id]:
            if line.state == "OWED" and line.owed_to is not None:
                owed[line.owed_to] += line.usdc_micros
        for wallet, micros in sorted(owed.items()):
            to, data = claim_data(payout.kind, payout.payout_id, wallet)
            transactions.append(ClaimTransaction(address(wallet), usdc(micros), to, f"0x{data.hex()}", "0"))
    if not transactions:
        raise Problem(409, "NOTHING_OWED", "Nothing of it is owed to your wallets.")
    return Claim(transactions)
