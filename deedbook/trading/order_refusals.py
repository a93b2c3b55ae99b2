"""Why the exchange did not take an order, in sentences that its trader can act on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from api.problem import Problem
from compliance.rules import Permission, Withheld
from engine.types import Reason, Side


class Sentence(NamedTuple):
    status: int
    detail: str


# Every reason for which the engine refuses what this API sends; a test holds it against the engine's own list.
REFUSALS: Final[dict[Reason, Sentence]] = {
    Reason.UNKNOWN_INSTRUMENT: Sentence(404, "This property is not listed on the exchange."),
    Reason.UNKNOWN_ACCOUNT: Sentence(409, "The exchange does not know this wallet yet: wait some seconds, try again."),
    Reason.LIST_MALFORMED: Sentence(
        422, "These orders do not make a list of that kind, or one of a list cannot change."
    ),
    Reason.LIST_PRICES: Sentence(
        422,
        "The price to take a profit at and the one to stop a loss at must stand on either side of the last trade's.",
    ),
    Reason.ORDER_MALFORMED: Sentence(
        422, "Type, time in force, price and quantity do not go together: a market order has no price and is IOC."
    ),
    Reason.QTY_NOT_POSITIVE: Sentence(422, "The quantity must be more than nothing."),
    Reason.QTY_TOO_LARGE: Sentence(422, "This is more than one order may have: send several."),
    Reason.PRICE_NOT_POSITIVE: Sentence(422, "The price must be more than nothing."),
    Reason.PRICE_TOO_HIGH: Sentence(422, "The price is above the highest that this property may have."),
    Reason.EXPIRE_TIME_PASSED: Sentence(422, "The time at which the order expires has passed: choose a later one."),
    Reason.NOTIONAL_TOO_SMALL: Sentence(422, "The order is worth less than the smallest that is taken."),
    Reason.DISPLAY_OUT_OF_RANGE: Sentence(
        422, "The quantity to show must be smaller than the order's, and make at most 100 parts of it."
    ),
    Reason.CLIENT_ORDER_ID_IN_USE: Sentence(
        409, "An order with this client_order_id was taken before: it is named here, and no second one was made."
    ),
    Reason.ORDER_NOT_FOUND: Sentence(409, "The order is done: it was filled, cancelled or expired before."),
    Reason.QTY_NOT_REDUCED: Sentence(422, "An order can only be made smaller."),
    Reason.INSTRUMENT_HALTED: Sentence(409, "Trading in this property is halted: try again when it goes on."),
    Reason.CANCEL_ONLY: Sentence(409, "Orders can only be cancelled at this moment: try again when trading goes on."),
    Reason.TYPE_NOT_IN_PHASE: Sentence(
        409,
        "Trading is in a phase that does not take such orders: a limit order that may rest (GTC, GTD, DAY) is taken.",
    ),
    Reason.KILLED: Sentence(403, "Trading is switched off here by the exchange: ask its support."),
    Reason.NOT_PERMITTED: Sentence(403, "You may not do this with this property; `reasons` says what is missing."),
    Reason.LOCKED_UP: Sentence(403, "Too much of what you hold of this property is locked up for this order."),
    Reason.PRICE_OUTSIDE_BAND: Sentence(422, "The price is outside the band around this property's reference price."),
    Reason.POST_ONLY_WOULD_TAKE: Sentence(
        409, "The order would trade at once, and you asked that it only rests: choose another price or type."
    ),
    Reason.STOP_WOULD_TRIGGER: Sentence(409, "The last trade has reached this stop price already: choose another one."),
    Reason.TOO_MANY_ORDERS: Sentence(409, "You have as many open orders here as one may have: cancel one first."),
    Reason.ORDER_LIMIT: Sentence(422, "The order is worth more than one order may be: send several."),
    Reason.POSITION_LIMIT: Sentence(403, "This is more of this property than your account may come to: buy less."),
    Reason.OWNERSHIP_CAP: Sentence(403, "One person may own only so much of this property: buy less."),
    Reason.HOLDER_CAP: Sentence(403, "This property has as many holders as it may have: somebody must leave first."),
    Reason.INSUFFICIENT_CASH: Sentence(402, "There is too little USDC on the exchange for this order."),
    Reason.INSUFFICIENT_TOKENS: Sentence(402, "Too few of your tokens are locked for the exchange for this order."),
}
PERMISSION_COMES: Final = "What you may do is being brought to the exchange: try again in some seconds."


def refused(reason: int, **extra: Any) -> Problem:
    """The engine's refusal of an order or of a cancellation; `extra` are members beside the sentence."""
    named = Reason(reason)
    sentence = REFUSALS[named]
    return Problem(sentence.status, named.name, sentence.detail, **extra)


def not_permitted(permission: Permission, side: int) -> Problem:
    """NOT_PERMITTED with what compliance withholds from this side; what one can do something about comes first."""
    lacks = not (permission.may_buy if side == Side.BUY else permission.may_sell)
    withheld: Sequence[Withheld] = permission.withheld if lacks else ()
    withheld = sorted(withheld, key=lambda each: each is Withheld.IDENTITY_NOT_REGISTERED)  # it follows by itself
    if not withheld:
        return Problem(403, Reason.NOT_PERMITTED.name, PERMISSION_COMES, reasons=[])
    reasons = [{"reason": each.name, "detail": each.value} for each in withheld]
    return Problem(403, Reason.NOT_PERMITTED.name, withheld[0].value, reasons=reasons)


def not_taken(refusal: str) -> Problem:
    """The exchange is OVERLOADED, its DISK_FULL, or it is STOPPING: nothing was done."""
    return Problem(503, f"EXCHANGE_{refusal}", "The exchange takes no orders at this moment; nothing was done. Retry.")


def outcome_unknown(client_order_id: str) -> Problem:
    """The exchange went away before it answered."""
    detail = (
        "The exchange went away before it answered: send the same order with this client_order_id again, and it is"
        " taken once, or look among your orders."
    )
    return Problem(503, "OUTCOME_UNKNOWN", detail, client_order_id=client_order_id)
