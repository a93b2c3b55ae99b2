"""The routes of a property's end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from api.doors import Decide
from api.problem import Problem, not_found
from api.route import Call, Route
from persistence.database import Connection, Pool
from settlement import exits, payout_rows
from settlement.dividend_routes import ClaimData, amount_of, claim_of, is_staff, own_lines
from settlement.exits import Exits
from settlement.payout_answers import (
    BurnDecision,
    Claim,
    ExitView,
    LiquidationView,
    SaleBody,
    burn_decision,
    exit_view,
    liquidation_view,
)
from settlement.payout_doors import People, Properties
from settlement.payout_rows import EXIT, Line, Payout

BURN: Final = "BURN"  # the kind that two people decide
EXITS_MOST: Final = 100  # of one property: each but the last was called off or stopped


class ExitDesk:
    """The handlers, each of one call."""

    def __init__(
        self,
        pool: Pool,
        acts: Exits,
        properties: Properties,
        people: People,
        decide: Decide,
        claim_data: ClaimData,
    ) -> None:
        self._pool = pool
        self._acts = acts
        self._properties = properties
        self._people = people
        self._decide = decide
        self._claim_data = claim_data

    async def liquidate(self, call: Call[None]) -> LiquidationView:
        await self._acts.liquidate(call.uuid("property_id"), call.signed_in)
        return await self.liquidation(call)

    async def liquidation(self, call: Call[None]) -> LiquidationView:
        async with self._pool.acquire() as connection:
            going = await exits.liquidation(connection, call.uuid("property_id"))
            if going is None:
                raise not_found("liquidation")
            waits_for = "open orders are being cancelled"
            if going.halt_seq is not None:
                waits_for = await exits.open_trades(connection, going.instrument, going.halt_seq) or ""
        return liquidation_view(going, waits_for)

    async def state_sale(self, call: Call[SaleBody]) -> ExitView:
        price = amount_of(call.body.sale_price_usdc, "sale_price_usdc", at_least=1)
        costs = amount_of(call.body.costs_usdc, "costs_usdc", at_least=0)
        await self._acts.state_sale(call.uuid("property_id"), price, costs, call.signed_in)
        async with self._pool.acquire() as connection:
            return await self._view(connection, await self._exit(connection, call), ())

    async def get(self, call: Call[None]) -> ExitView:
        actor = call.signed_in
        async with self._pool.acquire() as connection:
            found = await self._exit(connection, call)
            if is_staff(actor):
                return await self._view(connection, found, await payout_rows.lines(connection, found.payout_id))
            lines = await own_lines(connection, found, self._people, actor)
            if not lines:
                raise not_found("exit")
            return await self._view(connection, found, lines)

    async def burn(self, call: Call[None]) -> BurnDecision:
        async with self._pool.acquire() as connection, connection.transaction():
            found = await self._exit(connection, call)
            if found.state == "PREPARING":
                raise Problem(409, "NOT_PREPARED", "The statement is still being prepared: try again in a moment.")
            if found.state != "PREPARED":
                raise Problem(409, "DECIDED_ALREADY", f"The exit of this property is {found.state} already.")
            assert found.payload is not None
            decision = await self._decide(connection, BURN, str(found.payout_id), found.payload, call.signed_in)
        return burn_decision(found.payout_id, decision)

    async def claim(self, call: Call[None]) -> Claim:
        async with self._pool.acquire() as connection:
            found = await payout_rows.payouts(connection, EXIT, call.uuid("property_id"), EXITS_MOST)
            return await claim_of(connection, "exit", found, self._people, call.signed_in, self._claim_data)

    async def _exit(self, connection: Connection, call: Call[Any]) -> Payout:
        """The newest one: it took the place of those before it."""
        found = await payout_rows.payouts(connection, EXIT, call.uuid("property_id"), 1)
        if not found:
            raise not_found("exit")
        return found[0]

    async def _view(self, connection: Connection, found: Payout, lines: Sequence[Line]) -> ExitView:
        facts = await self._properties.facts(connection, found.property_id)
        assert facts is not None
        sale = await exits.sale(connection, found.payout_id)
        sums = await payout_rows.sums(connection, found.payout_id)
        issuer_line = await payout_rows.line_of(connection, found.payout_id, found.issuer_wallet)
        return exit_view(found, sale, sums, facts.token_decimals, issuer_line, lines)


def routes(
    pool: Pool, acts: Exits, properties: Properties, people: People, decide: Decide, claim_data: ClaimData
) -> list[Route]:
    """All of them; who may call which stands in the role table."""
    desk = ExitDesk(pool, acts, properties, people, decide, claim_data)
    one = "/properties/{property_id}"
    return [
        Route(
            method="POST",
            path=f"{one}/liquidate",
            handler=desk.liquidate,
            answer=LiquidationView,
            status=202,
            summary="End the trading of a property for good: orders are cancelled, trades settled, its token stilled.",
        ),
        Route(
            method="GET",
            path=f"{one}/liquidation",
            handler=desk.liquidation,
            answer=LiquidationView,
            summary="How far the liquidation is.",
        ),
        Route(
            method="POST",
            path=f"{one}/exit",
            handler=desk.state_sale,
            body=SaleBody,
            answer=ExitView,
            status=202,
            summary="State the sale; a new statement replaces one that nobody has approved yet.",
        ),
        Route(
            method="GET",
            path=f"{one}/exit",
            handler=desk.get,
            answer=ExitView,
            summary="The statement: to admins with every line, to an investor with their own.",
        ),
        Route(
            method="POST",
            path="/tokens/burn/{property_id}",
            handler=desk.burn,
            answer=BurnDecision,
            summary="Propose to burn all tokens and pay for them as stated, or approve what another admin proposed.",
        ),
        Route(
            method="POST",
            path=f"{one}/exit/claim",
            handler=desk.claim,
            answer=Claim,
            summary="The calls to sign that send the caller's wallets what is owed to them.",
        ),
    ]
