"""The routes of the first sale."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from api.problem import Problem
from api.route import Call, Route
from settlement.chain import ChainRefused, ChainUnavailable
from settlement.purchase import Purchases
from settlement.sale import Sales
from settlement.sale_answers import BuyBody, PurchaseAnswer, PurchasesQuery, SaleAnswer, SaleBody


def routes(sales: Sales, purchases: Purchases) -> list[Route]:
    """All of them; who may call which stands in the role table."""
    of_property = "/properties/{property_id}/sale"
    return [
        Route(
            method="POST",
            path=of_property,
            handler=_on_chain(sales.open),
            body=SaleBody,
            answer=SaleAnswer,
            status=202,
            summary="Open the first sale; without the issuer's approval the answer holds the transaction to sign.",
        ),
        Route(
            method="GET",
            path=of_property,
            handler=_on_chain(sales.get),
            answer=SaleAnswer,
            summary="The property's sale, and what is left in it.",
        ),
        Route(
            method="POST",
            path=f"{of_property}/close",
            handler=_on_chain(sales.close),
            answer=SaleAnswer,
            status=202,
            summary="End the sale before its time.",
        ),
        Route(
            method="POST",
            path="/marketplace/buy",
            handler=_on_chain(purchases.buy),
            body=BuyBody,
            answer=PurchaseAnswer,
            status=202,
            summary="Buy in the first sale; what is missing is named, with what to sign.",
        ),
        Route(
            method="GET",
            path="/marketplace/purchases",
            handler=purchases.browse,
            query=PurchasesQuery,
            answer=list[PurchaseAnswer],
            summary="What the caller bought in first sales.",
        ),
        Route(
            method="GET",
            path="/marketplace/purchases/{purchase_id}",
            handler=purchases.get,
            answer=PurchaseAnswer,
            summary="One purchase, with its receipt.",
        ),
    ]


def _on_chain(handler: Callable[[Call[Any]], Awaitable[Any]]) -> Callable[[Call[Any]], Awaitable[Any]]:
    """A chain that does not answer is the caller's to wait for."""

    async def handle(call: Call[Any]) -> Any:
        try:
            return await handler(call)
        except (ChainUnavailable, ChainRefused):
            raise Problem(503, "CHAIN_AWAY", "The chain does not answer; try again in a moment.") from None

    return handle
