"""The seeded flow as what clients of the order API send: JSON requests, dealt out to the accounts they come from.

Each connection is one account and sends its own requests in order. Between connections the order is the exchange's
choice, so that a few cancels come too late and a few orders meet others than in the flow; both are counted.
"""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple

from bench.flow import Flow
from engine import types as t
from engine.exchange import Exchange
from engine.types import CommandKind, OrderType, Side
from engine.wire import COMMAND, COMMAND_SIZE, EVENT

SYMBOL: Final = "FLOW1USDC"  # of the first instrument; the others have their numbers
BATCH_COMMANDS: Final = 256
ACCOUNT_FIRST: Final = 2  # of the flow's traders
PRICE_DECIMALS: Final = 5  # one tick is 10 USDC micros for a token
FIELDS: Final = (2, 3, 4, 5, 6, 9, 11, 12, 15, 18, 19)  # the slots of a command that a request decides
TEXT_BYTES: Final = 36  # of the slots 18 and 19
Fields = tuple[int | bytes, ...]


class Requests(NamedTuple):
    """`setup` is for the feed; `senders` are the connections of the flow's requests, in the flow's order.

    Each connection has its requests' JSON texts (request i has the id i) and the slots FIELDS of the commands that
    they must become.
    """

    setup: bytes
    senders: list[int]
    texts: list[list[bytes]]
    fields: list[list[Fields]]
    kinds: dict[str, int]

    def digest(self) -> str:
        """Of all that is sent: two runs with the same digest had the same work."""
        digest = hashlib.sha256(self.setup)
        for texts in self.texts:
            digest.update(b"\n".join(texts))
        return digest.hexdigest()


def requests(
    seed: int, resting: int, connections: int, count: int, response: str = "FULL", instruments: int = 1
) -> Requests:
    """`count` requests of `connections` accounts, around about `resting` orders; `response` is ACK or FULL."""
    flow = Flow(seed, resting, connections + ACCOUNT_FIRST - 1, instruments)
    setup = flow.setup()
    engine = Exchange()
    engine.apply(setup)
    orders_before = len(engine.state().orders)
    made = Requests(setup, [], [[] for _ in range(connections)], [[] for _ in range(connections)], flow.kinds)
    for batch in flow.batches(count, BATCH_COMMANDS):
        order_ids = {row[0]: row[5] for row in EVENT.iter_unpack(engine.apply(batch)) if row[1] == t.EventKind.ACCEPTED}
        for row in COMMAND.iter_unpack(batch):
            sender = row[9] - ACCOUNT_FIRST
            texts = made.texts[sender]
            if row[2] == CommandKind.PLACE:
                order_id = order_ids.get(row[0])
                client_id = f"o{order_id}" if order_id else f"r{row[0]}"
                text, fields = _place(row, client_id, response)
            else:
                text, fields = _cancel(row, "" if row[15] <= orders_before else f"o{row[15]}")
            made.senders.append(sender)
            texts.append(b'{"id":%d,%s}' % (len(texts), text.encode()))
            made.fields[sender].append(fields)
    return made


def fields_of(row: Fields) -> Fields:
    """The slots FIELDS of a command's row."""
    return tuple(row[slot] for slot in FIELDS)


def _place(row: tuple[int, ...], client_id: str, response: str) -> tuple[str, Fields]:
    side, ticks, lots = Side(row[3]).name, row[11], row[12]
    if row[4] == OrderType.MARKET:
        terms = '"type":"MARKET"'
    else:
        whole, fraction = divmod(ticks, 10**PRICE_DECIMALS)
        terms = f'"type":"LIMIT","timeInForce":"GTC","price":"{whole}.{fraction:0{PRICE_DECIMALS}d}"'
    params = f'"symbol":"FLOW{row[6]}USDC","side":"{side}",{terms},"quantity":"{lots}","newClientOrderId":"{client_id}"'
    params += f',"newOrderRespType":"{response}"'
    return f'"method":"order.place","params":{{{params}}}', _fields(row, 0, client_id, "")


def _cancel(row: tuple[int, ...], client_id: str) -> tuple[str, Fields]:
    """By the flow's order number where that is the exchange's too (of the orders of the setup), or by the client id."""
    name = f'"origClientOrderId":"{client_id}"' if client_id else f'"orderId":{row[15]}'
    fields = _fields(row, 0 if client_id else row[15], "", client_id)
    return f'"method":"order.cancel","params":{{"symbol":"FLOW{row[6]}USDC",{name}}}', fields


def _fields(row: tuple[int, ...], order_id: int, client_id: str, cancel_client_id: str) -> Fields:
    texts = (text.encode().ljust(TEXT_BYTES, b"\0") for text in (client_id, cancel_client_id))
    return (*row[2:7], row[9], row[11], row[12], order_id, *texts)


def records(batch: bytes) -> list[bytes]:
    """A batch's records."""
    return [batch[at : at + COMMAND_SIZE] for at in range(0, len(batch), COMMAND_SIZE)]
