"""Who holds what: accounts with their balances and permissions, and what an owner's accounts add up to."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from engine.types import CLIENT_ORDER_ID_KEPT_MAX, CLIENT_ORDER_ID_KEPT_NS

if TYPE_CHECKING:
    from engine.book import Order
    from engine.venue import Instrument


class Exposure:
    """An owner's lots in one instrument: positions, what is owed in, and open buys. The caps count these."""

    __slots__ = ("holders", "lots", "seats")

    def __init__(self, holders: HolderCount) -> None:
        self.lots = 0
        self.holders = holders
        self.seats: list[Seat] = []  # of the owner's accounts, in this instrument

    def add(self, lots: int) -> None:
        before = self.lots
        self.lots = before + lots
        assert self.lots >= 0
        if before == 0:
            if lots:
                self.holders.count += 1
        elif self.lots == 0:
            self.holders.count -= 1


class HolderCount:
    """How many owners have an exposure in one instrument."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


class Balance:
    """One account's asset, in USDC micros or lots: level + advanced = free + held + requested + owed_out.

    level      the chain's, as of the last FINAL point
    asked      what the chain says the account asked to take out; `requested` is the part of it set aside
    announced  the last amount told to the releaser
    """

    __slots__ = (
        "account",
        "advanced",
        "announced",
        "asked",
        "exposure",
        "free",
        "held",
        "instrument",
        "key",
        "level",
        "owed_in",
        "owed_out",
        "position_lots",
        "requested",
        "touched_seq",
    )

    def __init__(self, account: int, instrument: int, exposure: Exposure | None) -> None:
        self.account = account
        self.instrument = instrument
        self.key = account << 16 | instrument
        self.exposure = exposure
        self.free = self.held = self.owed_in = self.owed_out = self.requested = 0
        self.level = self.advanced = self.position_lots = self.asked = self.announced = 0
        self.touched_seq = 0

    def is_empty(self) -> bool:
        """Nothing was ever there, or nothing is left: such a balance is no part of the state."""
        return not (
            self.free
            or self.held
            or self.owed_in
            or self.owed_out
            or self.requested
            or self.level
            or self.advanced
            or self.position_lots
            or self.asked
            or self.announced
        )


class Permission:
    """What an account may do in an instrument, until when, and from which rules and facts that follows."""

    __slots__ = ("ended", "facts_hash", "locked_lots", "may_buy", "may_sell", "rules_version", "valid_until_ns")

    def __init__(
        self, may_buy: int, may_sell: int, valid_until_ns: int, locked_lots: int, rules_version: int, facts_hash: bytes
    ) -> None:
        self.may_buy = may_buy
        self.may_sell = may_sell
        self.valid_until_ns = valid_until_ns
        self.locked_lots = locked_lots
        self.rules_version = rules_version
        self.facts_hash = facts_hash
        self.ended = False


class Seat:
    """An account's place in one instrument: all that its orders there need, found once."""

    __slots__ = ("account", "cash", "exposure", "instrument", "open_orders", "permission", "tokens")

    def __init__(self, account: Account, instrument: Instrument, cash: Balance, tokens: Balance) -> None:
        assert tokens.exposure is not None
        self.account = account
        self.instrument = instrument
        self.cash = cash
        self.tokens = tokens
        self.exposure = tokens.exposure
        self.permission: Permission | None = None
        self.open_orders = 0


class Account:
    """One linked wallet, or the one that took its place.

    Client ids stay known for a day after their order closed, so that a retry is harmless.
    """

    __slots__ = (
        "balances",
        "client_order_ids",
        "closed_ids",
        "left_behind",
        "number",
        "orders",
        "owner",
        "seats",
        "wallet",
    )

    def __init__(self, number: int, owner: int, wallet: bytes) -> None:
        self.number = number
        self.owner = owner
        self.wallet = wallet
        self.left_behind: dict[int, bytes] = {}  # assets that are still at an earlier wallet
        self.balances: dict[int, Balance] = {}
        self.seats: dict[int, Seat] = {}
        self.orders: dict[int, Order] = {}  # open, oldest first
        self.client_order_ids: dict[bytes, int] = {}  # of open and of lately closed orders
        self.closed_ids: deque[tuple[int, bytes, int]] = deque()  # (closed at, client id, order id)

    def wallet_of(self, asset: int) -> bytes:
        return self.left_behind.get(asset, self.wallet)

    def order_id_of(self, client_order_id: bytes, time_ns: int) -> int:
        """The order that has or lately had this client id, or 0."""
        closed = self.closed_ids
        while closed and closed[0][0] + CLIENT_ORDER_ID_KEPT_NS <= time_ns:
            del self.client_order_ids[closed.popleft()[1]]
        return self.client_order_ids.get(client_order_id, 0)

    def keep_closed_id(self, client_order_id: bytes, order_id: int, time_ns: int) -> None:
        self.closed_ids.append((time_ns, client_order_id, order_id))
        if len(self.closed_ids) > CLIENT_ORDER_ID_KEPT_MAX:
            del self.client_order_ids[self.closed_ids.popleft()[1]]
