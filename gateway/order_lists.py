"""Orders that were placed together, and of which one decides about the others (OCO, OTO, OTOCO)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from engine.types import ListKind
from gateway.markets import Market

Row = tuple[Any, ...]  # a command, in the order of wire.COMMAND_SLOTS
# OTOCO is an OTO to the outside: one order triggers the others.
CONTINGENCIES: Final[dict[int, str]] = {ListKind.OCO: "OCO", ListKind.OTO: "OTO", ListKind.OTOCO: "OTO"}


class Member(NamedTuple):
    """An order of a list, as the list names it."""

    order_id: int
    client_order_id: str


class OrderList(msgspec.Struct, gc=False, eq=False):
    list_id: int
    account: int
    market: Market
    kind: int
    client_order_id: str  # the list's own
    members: tuple[Member, ...]
    time_ns: int
    update_time_ns: int
    closed_seq: int = 0  # of the command that ended it
    legs: int = 0  # that it has; after a restart the names of those that were done are missing in `members`

    @property
    def is_open(self) -> bool:
        return self.closed_seq == 0


def placed(row: Row, list_id: int, market: Market, legs: Mapping[int, Row]) -> OrderList:
    """Of the commands that told of it and of its legs."""
    members = tuple(Member(order_id, _text(leg)) for order_id, leg in legs.items())
    return OrderList(list_id, row[9], market, row[8], _text(row), members, row[1], row[1], legs=len(legs))


def _text(row: Row) -> str:
    client_order_id: bytes = row[18]
    return client_order_id.rstrip(b"\0").decode("ascii")


class AccountLists:
    """One account's, oldest first; those that are done as long as its orders are kept."""

    __slots__ = ("by_client_id", "closed", "open")

    def __init__(self) -> None:
        self.open: dict[int, OrderList] = {}
        self.closed: dict[int, OrderList] = {}
        self.by_client_id: dict[str, OrderList] = {}  # the newest that had the id

    def find(self, list_id: int | None, client_order_id: str | None) -> OrderList | None:
        """By its number or, where that is not asked for, by its own client id."""
        if list_id is not None:
            return self.open.get(list_id) or self.closed.get(list_id)
        return self.by_client_id.get(client_order_id) if client_order_id is not None else None

    def add(self, order_list: OrderList) -> None:
        self.open[order_list.list_id] = order_list
        self.by_client_id[order_list.client_order_id] = order_list

    def close(self, list_id: int, seq: int, time_ns: int) -> OrderList:
        done = self.closed[list_id] = self.open.pop(list_id)
        done.closed_seq, done.update_time_ns = seq, time_ns
        return done

    def forget(self, seq: int) -> None:
        """Let go of those that were done at that seq."""
        for list_id, order_list in list(self.closed.items()):
            if order_list.closed_seq > seq:
                break
            del self.closed[list_id]
            if self.by_client_id.get(order_list.client_order_id) is order_list:
                del self.by_client_id[order_list.client_order_id]
