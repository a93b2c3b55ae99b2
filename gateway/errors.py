"""What a client is told when it cannot have what it asked for: Binance's codes, with our reason in the text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from engine.types import Reason

UNKNOWN: Final = -1000
DISCONNECTED: Final = -1001
TOO_MANY_REQUESTS: Final = -1003
TIMEOUT: Final = -1007
SERVER_BUSY: Final = -1008
INVALID_MESSAGE: Final = -1013
TOO_MANY_ORDERS: Final = -1015
SHUTTING_DOWN: Final = -1016
UNSUPPORTED_OPERATION: Final = -1020
INVALID_TIMESTAMP: Final = -1021
INVALID_SIGNATURE: Final = -1022
TOO_MANY_CONNECTIONS: Final = -1034
ILLEGAL_CHARS: Final = -1100
TOO_MANY_PARAMETERS: Final = -1101
MANDATORY_PARAM: Final = -1102
UNREAD_PARAMETERS: Final = -1104
PARAM_NOT_REQUIRED: Final = -1106
BAD_PRECISION: Final = -1111
INVALID_TIF: Final = -1115
INVALID_ORDER_TYPE: Final = -1116
INVALID_SIDE: Final = -1117
BAD_INTERVAL: Final = -1120
BAD_SYMBOL: Final = -1121
INVALID_LISTEN_KEY: Final = -1125
PARAMS_BAD_COMBINATION: Final = -1128
INVALID_PARAMETER: Final = -1130
INVALID_JSON: Final = -1135
INVALID_CANCEL_RESTRICTIONS: Final = -1145
OCO_ORDER_TYPE_REJECTED: Final = -1158
BOTH_OCO_ORDERS_CANNOT_BE_LIMIT: Final = -1168
OCO_LIMIT_SIDE: Final = {"BUY": -1165, "SELL": -1166}
INVALID_TIME_UNIT: Final = -1194
OCO_STOP_LOSS_SIDE: Final = {"BUY": -1196, "SELL": -1197}
OCO_TAKE_PROFIT_SIDE: Final = {"BUY": -1198, "SELL": -1199}
STATUS_MISMATCH: Final = -1220
NEW_ORDER_REJECTED: Final = -2010
CANCEL_REJECTED: Final = -2011
NO_SUCH_ORDER: Final = -2013
BAD_API_KEY: Final = -2014
REJECTED_API_KEY: Final = -2015
NO_SUCH_LIST: Final = -2018
CANCEL_REPLACE_PARTLY_FAILED: Final = -2021
CANCEL_REPLACE_FAILED: Final = -2022
SUBSCRIPTION_ACTIVE: Final = -2035
SUBSCRIPTION_INACTIVE: Final = -2036
AMEND_REJECTED: Final = -2038
CLIENT_ORDER_ID_INVALID: Final = -2039
NO_REFERENCE_PRICE: Final = -2043
EVENTS_GONE: Final = -9001  # ours

BANNED: Final = 418  # a status, not a code


class ApiError(Exception):
    """An error reply: HTTP status, code, text, and data as JSON where there is some."""

    def __init__(self, code: int, msg: str, status: int = 400, data: str = "") -> None:
        super().__init__(msg)
        self.code = code
        self.msg = msg
        self.status = status
        self.data = data
        self.retry_after_s = 0  # when to come back, where that is all that is wrong


def mandatory(name: str) -> ApiError:
    return ApiError(MANDATORY_PARAM, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def unread(name: str) -> ApiError:
    return ApiError(UNREAD_PARAMETERS, f"Not all sent parameters were read; parameter '{name}' is unknown here.")


def away() -> ApiError:
    """What only the database has is asked for, and it does not answer."""
    text = "Internal error; unable to process your request. Please try again: older data cannot be read right now."
    return ApiError(DISCONNECTED, text, 503)


def outcome_unknown() -> ApiError:
    """A command was sent, and nobody knows whether it was taken: it may still become durable, or be so already."""
    text = "Timeout waiting for response from backend server. Send status unknown; execution status unknown."
    return ApiError(TIMEOUT, text, 504)


def not_permitted() -> ApiError:
    return ApiError(REJECTED_API_KEY, "Invalid API-key, IP, or permissions for action.", 401)


@dataclass(frozen=True, slots=True)
class Text:
    code: int
    msg: str


# The engine's refusals as a client of the order API knows them; the reason's name is added to each.
_TEXTS: Final = {
    Reason.UNKNOWN_INSTRUMENT: Text(BAD_SYMBOL, "Invalid symbol."),
    Reason.UNKNOWN_ACCOUNT: Text(REJECTED_API_KEY, "Invalid API-key, IP, or permissions for action."),
    Reason.LIST_MALFORMED: Text(NEW_ORDER_REJECTED, "Unsupported order combination"),
    Reason.LIST_PRICES: Text(NEW_ORDER_REJECTED, "The relationship of the prices for the orders is not correct."),
    Reason.ORDER_MALFORMED: Text(NEW_ORDER_REJECTED, "Unsupported order combination"),
    Reason.QTY_NOT_POSITIVE: Text(INVALID_MESSAGE, "Filter failure: LOT_SIZE"),
    Reason.QTY_TOO_LARGE: Text(INVALID_MESSAGE, "Filter failure: LOT_SIZE"),
    Reason.PRICE_NOT_POSITIVE: Text(INVALID_MESSAGE, "Filter failure: PRICE_FILTER"),
    Reason.PRICE_TOO_HIGH: Text(INVALID_MESSAGE, "Filter failure: PRICE_FILTER"),
    Reason.EXPIRE_TIME_PASSED: Text(INVALID_MESSAGE, "goodTillDate has passed."),
    Reason.NOTIONAL_TOO_SMALL: Text(INVALID_MESSAGE, "Filter failure: NOTIONAL"),
    Reason.DISPLAY_OUT_OF_RANGE: Text(INVALID_MESSAGE, "Filter failure: ICEBERG_PARTS"),
    Reason.CLIENT_ORDER_ID_IN_USE: Text(NEW_ORDER_REJECTED, "Duplicate order sent."),
    Reason.ORDER_NOT_FOUND: Text(CANCEL_REJECTED, "Unknown order sent."),
    Reason.QTY_NOT_REDUCED: Text(AMEND_REJECTED, "Order amend (quantity increase) is not supported."),
    Reason.INSTRUMENT_HALTED: Text(NEW_ORDER_REJECTED, "Market is closed."),
    Reason.CANCEL_ONLY: Text(NEW_ORDER_REJECTED, "Market is closed."),
    Reason.TYPE_NOT_IN_PHASE: Text(NEW_ORDER_REJECTED, "This order type is not possible in this trading phase."),
    Reason.PRICE_OUTSIDE_BAND: Text(INVALID_MESSAGE, "Filter failure: PERCENT_PRICE_BY_SIDE"),
    Reason.KILLED: Text(NEW_ORDER_REJECTED, "This action is disabled on this account."),
    Reason.NOT_PERMITTED: Text(NEW_ORDER_REJECTED, "This symbol is not permitted for this account."),
    Reason.LOCKED_UP: Text(NEW_ORDER_REJECTED, "This symbol is restricted for this account."),
    Reason.POST_ONLY_WOULD_TAKE: Text(NEW_ORDER_REJECTED, "Order would immediately match and take."),
    Reason.STOP_WOULD_TRIGGER: Text(NEW_ORDER_REJECTED, "Order would trigger immediately."),
    Reason.TOO_MANY_ORDERS: Text(INVALID_MESSAGE, "Filter failure: MAX_NUM_ORDERS"),
    Reason.ORDER_LIMIT: Text(INVALID_MESSAGE, "Filter failure: NOTIONAL"),
    Reason.POSITION_LIMIT: Text(INVALID_MESSAGE, "Filter failure: MAX_POSITION"),
    Reason.OWNERSHIP_CAP: Text(INVALID_MESSAGE, "Filter failure: MAX_POSITION"),
    Reason.HOLDER_CAP: Text(NEW_ORDER_REJECTED, "This symbol is restricted for this account."),
    Reason.INSUFFICIENT_CASH: Text(NEW_ORDER_REJECTED, "Account has insufficient balance for requested action."),
    Reason.INSUFFICIENT_TOKENS: Text(NEW_ORDER_REJECTED, "Account has insufficient balance for requested action."),
}


def refused(reason: int, first_order_id: int = 0) -> ApiError:
    """The engine's refusal as an error reply; `first_order_id` is the order that has the client id already."""
    name = Reason(reason).name
    text = _TEXTS.get(Reason(reason), Text(NEW_ORDER_REJECTED, "Request rejected."))
    order = f',"orderId":{first_order_id}' if first_order_id else ""
    # Clients tell these errors apart by their exact text, so our reason goes to `data`, not into `msg`.
    return ApiError(text.code, text.msg, 400, f'{{"reason":"{name}"{order}}}')


def not_taken(refusal: str) -> ApiError:
    """The sequencer did not take the command (nothing was done): OVERLOADED, DISK_FULL, STOPPING or AWAY."""
    if refusal == "STOPPING":
        return ApiError(SHUTTING_DOWN, "This service is shutting down; the request was not executed.", 503)
    return ApiError(SERVER_BUSY, f"Server is currently overloaded ({refusal}); the request was not executed.", 503)
