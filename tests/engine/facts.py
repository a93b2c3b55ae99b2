"""What the oracle remembers: lists of things that happened, and every figure recomputed from them on each question.

Nothing here is kept up to date. A balance is summed from the last chain level, the open orders and the unsettled fills;
an exposure from balances; a book is the list of orders, sorted. Slow on purpose, so that it can be read as the rule.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, field

from engine import types as t


@dataclass(slots=True)
class Order:
    order_id: int
    terms: t.Place
    limit_ticks: int
    qty_lots: int
    maker_fee_bps: int
    taker_fee_bps: int
    time_ns: int
    rank: int  # among those at one price: its number, or one that it got when it was triggered or showed more
    executed_lots: int = 0
    executed_usdc_micros: int = 0
    prevented_usdc_micros: int = 0
    shown_lots: int = 0  # by an iceberg that rests
    closed_ns: int | None = None
    closed_rank: int = 0  # the how many-th order of the market to close
    triggered: bool = False
    list_id: int = 0  # 0: it is no leg
    pending: bool = False  # a leg whose list's working one is not filled

    @property
    def open_lots(self) -> int:
        return self.qty_lots - self.executed_lots

    @property
    def hidden_lots(self) -> int:
        return self.open_lots - self.shown_lots if self.terms.display_lots else 0

    @property
    def fee_bps(self) -> int:
        return max(self.maker_fee_bps, self.taker_fee_bps)

    @property
    def waits(self) -> bool:
        """A stop that was not triggered."""
        return self.terms.stop_ticks != 0 and not self.triggered


@dataclass(slots=True)
class OrderList:
    list_id: int
    terms: t.PlaceList
    legs: list[Order]
    time_ns: int
    closed_ns: int | None = None
    closed_rank: int = 0

    @property
    def pending(self) -> list[Order]:
        return [leg for leg in self.legs if leg.pending and leg.closed_ns is None]

    @property
    def pair(self) -> list[Order]:
        """Of a list that has one: the two legs of which only one can trade."""
        return [] if self.terms.list_kind == t.ListKind.OTO else self.legs[-2:]


@dataclass(slots=True)
class Fill:
    trade_id: int
    instrument: int
    buyer: int
    seller: int
    fee_account: int
    qty_lots: int
    notional_usdc_micros: int
    buyer_fee_usdc_micros: int
    seller_fee_usdc_micros: int
    resale: bool
    done: bool = False  # FINAL or FAILED

    def owed_out(self, account: int, asset: int) -> int:
        lots = self.qty_lots if (account, asset) == (self.seller, self.instrument) else 0
        paid = self.notional_usdc_micros + self.buyer_fee_usdc_micros if (account, asset) == (self.buyer, t.USDC) else 0
        return lots + paid

    def brought(self, account: int, asset: int) -> int:
        """What the two sides get; with resale it is usable at once."""
        lots = self.qty_lots if (account, asset) == (self.buyer, self.instrument) else 0
        got = self.notional_usdc_micros - self.seller_fee_usdc_micros
        return lots + (got if (account, asset) == (self.seller, t.USDC) else 0)

    def fees(self, account: int, asset: int) -> int:
        mine = (account, asset) == (self.fee_account, t.USDC)
        return self.buyer_fee_usdc_micros + self.seller_fee_usdc_micros if mine else 0


@dataclass(slots=True)
class Slot:
    """What the chain says of a wallet's asset: vault slot or lock, the request on it, and the token balance."""

    level: int = 0
    requested: int = 0
    position_lots: int = 0


@dataclass(slots=True)
class Listing:
    terms: t.SetInstrument
    maker_fee_bps: int = 0
    taker_fee_bps: int = 0
    phase: int = t.Phase.CONTINUOUS
    book_changes: int = 0
    last_price_ticks: int = 0
    phase_ends_ns: int = 0
    phase_then: int = t.Phase.CONTINUOUS
    indicative_due_ns: int = 0
    period_ns: int = 0
    reference_ticks: int = 0
    static_bps: int = 0
    dynamic_bps: int = 0
    volatility_call_ns: int = 0

    @property
    def market_price_ticks(self) -> int:
        return self.last_price_ticks if self.last_price_ticks else self.reference_ticks


@dataclass
class Facts:
    seq: int = 0
    time_ns: int = 0
    venue_phase: int = t.Phase.CONTINUOUS
    listings: list[Listing] = field(default_factory=list)
    accounts: list[t.OpenAccount] = field(default_factory=list)
    new_wallets: dict[int, bytes] = field(default_factory=dict)  # of accounts whose first one was lost
    left_behind: dict[tuple[int, int], bytes] = field(default_factory=dict)  # account and asset: still at this wallet
    earlier_wallets: dict[bytes, int] = field(default_factory=dict)  # that an account had, and has no more
    permissions: list[t.SetPermission] = field(default_factory=list)
    killed: set[tuple[int, int]] = field(default_factory=set)  # account and instrument, 0: all
    limits: dict[tuple[int, int], t.SetLimits] = field(default_factory=dict)
    ex_dates: list[tuple[int, bytes]] = field(default_factory=list)  # seq and dividend
    orders: list[Order] = field(default_factory=list)
    lists: list[OrderList] = field(default_factory=list)
    staged: dict[tuple[int, int], t.ListLeg] = field(default_factory=dict)  # account and leg
    filled_lists: list[OrderList] = field(default_factory=list)  # whose pending legs come before the command ends
    last_order_id: int = 0  # also of those that stops were triggered with
    closings: int = 0
    preventions: int = 0
    fills: list[Fill] = field(default_factory=list)
    slots: dict[tuple[bytes, int], Slot] = field(default_factory=dict)  # by wallet and asset, linked or not
    set_aside: dict[tuple[int, int], int] = field(default_factory=dict)  # of what is requested, by account and asset
    announced: dict[tuple[int, int], int] = field(default_factory=dict)  # what the releaser was last told, likewise
    chain_position: tuple[int, int] = (0, 0)
    crediting_stopped: bool = False
    ejections: list[t.EjectTrade] = field(default_factory=list)  # since the last composition
    compositions: list[tuple[t.ComposeBatch, dict[int, int]]] = field(default_factory=list)  # with reasons by trade
    last_final_batch_id: int = 0
    ended: set[tuple[int, int]] = field(default_factory=set)  # permissions that were told to have ended, or began so
    events: list[t.Event] = field(default_factory=list)  # of the command in hand
    touched: set[tuple[int, int]] = field(default_factory=set)  # accounts' assets whose balance it reports

    def listing(self, instrument: int) -> Listing | None:
        return next((each for each in self.listings if each.terms.instrument == instrument), None)

    def is_account(self, account: int) -> bool:
        return 1 <= account <= len(self.accounts)

    def owner(self, account: int) -> int:
        return self.accounts[account - 1].owner

    def wallet(self, account: int) -> bytes:
        return self.new_wallets.get(account, self.accounts[account - 1].wallet)

    def wallet_of(self, account: int, asset: int) -> bytes:
        return self.left_behind.get((account, asset), self.wallet(account))

    def linked_to(self, wallet: bytes) -> int:
        """The account that has or had this wallet; 0 for none."""
        now = [account for account in range(1, len(self.accounts) + 1) if self.wallet(account) == wallet]
        return now[0] if now else self.earlier_wallets.get(wallet, 0)

    def account_at(self, wallet: bytes, asset: int) -> int:
        """Whose wallet it is as far as the asset goes; 0 for nobody's."""
        account = self.linked_to(wallet)
        return account if account and self.wallet_of(account, asset) == wallet else 0

    def slot(self, account: int, asset: int) -> Slot:
        return self.slots.setdefault((self.wallet_of(account, asset), asset), Slot())

    def open_orders(self, account: int | None = None, instrument: int | None = None) -> list[Order]:
        """Those that rest or wait, the oldest first; a triggered stop is as old as that."""
        return [
            order
            for order in sorted(self.orders, key=lambda order: order.rank)
            if order.closed_ns is None
            and not order.pending
            and account in (None, order.terms.account)
            and instrument in (None, order.terms.instrument)
        ]

    def list_of(self, order: Order) -> OrderList:
        return next(each for each in self.lists if each.list_id == order.list_id)

    def open_lists(self) -> list[OrderList]:
        return [each for each in self.lists if each.closed_ns is None]

    def partner(self, order: Order) -> Order | None:
        """The other one of a pair of which both are open."""
        pair = self.list_of(order).pair if order.list_id else []
        is_whole = order in pair and all(leg.closed_ns is None and not leg.pending for leg in pair)
        return next(leg for leg in pair if leg is not order) if is_whole else None

    def is_counted(self, order: Order) -> bool:
        """Of a pair only one counts, as only one can trade."""
        partner = self.partner(order)
        return partner is None or partner.order_id > order.order_id

    def book(self, instrument: int, side: int) -> list[Order]:
        """The best first: by price, then by time of acceptance or triggering (a reduced order keeps its place)."""
        sign = -1 if side == t.Side.BUY else 1
        resting = [
            each for each in self.open_orders(instrument=instrument) if each.terms.side == side and not each.waits
        ]
        return sorted(resting, key=lambda order: (sign * order.limit_ticks, order.rank))

    def notional(self, instrument: int, price_ticks: int, qty_lots: int) -> int:
        listing = self.listing(instrument)
        assert listing is not None
        return price_ticks * qty_lots * listing.terms.tick_value_usdc_micros

    def hold(self, instrument: int, side: int, price_ticks: int, qty_lots: int, fee_bps: int) -> int:
        if side == t.Side.SELL:
            return qty_lots
        return with_fee(self.notional(instrument, price_ticks, qty_lots), fee_bps)

    def held_by(self, order: Order) -> int:
        terms = order.terms
        return self.hold(terms.instrument, terms.side, order.limit_ticks, order.open_lots, order.fee_bps)

    def held_with_partner(self, order: Order) -> int:
        """For a pair the larger need of both, once."""
        partner = self.partner(order)
        if partner is None:
            return self.held_by(order)
        return max(self.held_by(order), self.held_by(partner)) if self.is_counted(order) else 0

    def balance(self, account: int, asset: int) -> t.Balance:
        slot = self.slot(account, asset)
        held = sum(
            self.held_with_partner(order)
            for order in self.open_orders(account)
            if asset == (t.USDC if order.terms.side == t.Side.BUY else order.terms.instrument)
        )
        waiting = [fill for fill in self.fills if not fill.done]
        owed_out = sum(fill.owed_out(account, asset) for fill in waiting)
        advanced = sum(fill.brought(account, asset) for fill in waiting if fill.resale)
        owed_in = sum(fill.brought(account, asset) + fill.fees(account, asset) for fill in waiting)
        requested = self.set_aside.get((account, asset), 0)
        free = slot.level + advanced - held - requested - owed_out
        position = slot.position_lots if asset != t.USDC else 0
        return t.Balance(account, asset, free, held, owed_in, owed_out, requested, slot.level, advanced, position)

    def exposure(self, owner: int, instrument: int) -> int:
        """What the owner holds, is owed and has asked to buy, over all of their accounts."""
        mine = [account for account in range(1, len(self.accounts) + 1) if self.owner(account) == owner]
        balances = [self.balance(account, instrument) for account in mine]
        buying = [order for account in mine for order in self.open_orders(account, instrument)]
        return sum(balance.position_lots + balance.owed_in for balance in balances) + sum(
            order.open_lots for order in buying if order.terms.side == t.Side.BUY and self.is_counted(order)
        )

    def holders(self, instrument: int) -> int:
        return sum(self.exposure(owner, instrument) > 0 for owner in {each.owner for each in self.accounts})

    def phase(self, instrument: int) -> int:
        listing = self.listing(instrument)
        assert listing is not None
        for phase in (t.Phase.HALT, t.Phase.CANCEL_ONLY):
            if phase in (self.venue_phase, listing.phase):
                return phase
        return listing.phase

    def permission(self, account: int, instrument: int) -> t.SetPermission | None:
        where = (account, instrument)
        return next((each for each in self.permissions if (each.account, each.instrument) == where), None)

    def is_permitted(self, account: int, instrument: int, side: int) -> bool:
        permission = self.permission(account, instrument)
        if permission is None or permission.valid_until_ns <= self.time_ns:
            return False
        return bool(permission.may_buy if side == t.Side.BUY else permission.may_sell)

    def locked_lots(self, account: int, asset: int) -> int:
        permission = self.permission(account, asset)
        return 0 if permission is None else permission.locked_lots

    def limit(self, account: int, instrument: int, name: str) -> int:
        """The account's own limit, else the instrument's; 0: none."""
        found = [self.limits.get(where) for where in ((account, instrument), (0, instrument))]
        return next((value for each in found if each is not None and (value := getattr(each, name))), 0)

    def first_with_client_id(self, account: int, client_order_id: bytes) -> int:
        """The order or list for whose sake the id is refused: open, or closed within a day and not long forgotten."""
        if not client_order_id:
            return 0
        ids: list[tuple[int, int, bytes, Order | OrderList]] = [
            (each.order_id, each.terms.account, each.terms.client_order_id, each) for each in self.orders
        ]
        lists: list[tuple[int, int, bytes, Order | OrderList]] = [
            (each.list_id, each.terms.account, each.terms.list_client_order_id, each) for each in self.lists
        ]
        named = [(number, name, each) for number, whose, name, each in (*ids, *lists) if whose == account and name]
        closed = sorted((item for item in named if item[2].closed_ns is not None), key=lambda item: item[2].closed_rank)
        kept = [item for item in named if item[2].closed_ns is None] + closed[-t.CLIENT_ORDER_ID_KEPT_MAX :]
        for number, name, each in kept:
            is_recent = each.closed_ns is None or each.closed_ns + t.CLIENT_ORDER_ID_KEPT_NS > self.time_ns
            if name == client_order_id and is_recent:
                return number
        return 0


def with_fee(usdc_micros: int, fee_bps: int) -> int:
    """With the fee on top, ceiled."""
    return usdc_micros + -(-usdc_micros * fee_bps // t.BASIS_POINTS)


def market_state(facts: Facts) -> t.MarketState:
    """The same as `Exchange.state()`, without the balances where nothing ever was."""
    accounts = range(1, len(facts.accounts) + 1)
    block, log_index = facts.chain_position
    composed = [each.trade_last for each, _ in facts.compositions]
    final = [each.trade_last for each, _ in facts.compositions if each.batch_id <= facts.last_final_batch_id]
    return t.MarketState(
        seq=facts.seq,
        time_ns=facts.time_ns,
        venue_phase=facts.venue_phase,
        crediting_stopped=int(facts.crediting_stopped),
        last_order_id=facts.last_order_id,
        last_trade_id=len(facts.fills),
        last_prevented_id=facts.preventions,
        last_composed_trade_id=max(composed, default=0),
        last_final_trade_id=max(final, default=0),
        last_final_batch_id=facts.last_final_batch_id,
        chain_block=block,
        chain_log_index=log_index,
        instruments=tuple(
            t.InstrumentState(
                *(each.terms, each.maker_fee_bps, each.taker_fee_bps),
                *(each.phase, each.book_changes, each.last_price_ticks),
                *(each.phase_ends_ns, each.phase_then, each.indicative_due_ns, each.period_ns, each.reference_ticks),
                *(each.static_bps, each.dynamic_bps, each.volatility_call_ns),
            )
            for each in facts.listings
        ),
        accounts=tuple(account_state(facts, i) for i in accounts),
        permissions=tuple(sorted(facts.permissions, key=lambda each: (each.account, each.instrument))),
        balances=tuple(
            balance
            for account in accounts
            for asset in range(len(facts.listings) + 1)
            if any(astuple(balance := facts.balance(account, asset))[2:])
        ),
        orders=tuple(open_order(order) for order in facts.open_orders())
        + tuple(open_order(order) for each in facts.open_lists() for order in each.pending),
        killed=tuple(sorted(facts.killed)),
        limits=tuple(facts.limits[where] for where in sorted(facts.limits)),
        lists=tuple(open_list(each) for each in facts.open_lists()),
    )


def account_state(facts: Facts, account: int) -> t.AccountState:
    left = sorted((asset, wallet) for (whose, asset), wallet in facts.left_behind.items() if whose == account)
    return t.AccountState(account, facts.owner(account), facts.wallet(account), tuple(left))


def open_order(order: Order) -> t.OpenOrder:
    terms = order.terms
    return t.OpenOrder(
        *(order.order_id, terms.account, terms.instrument, terms.side, terms.order_type, terms.time_in_force),
        *(order.limit_ticks, order.qty_lots, order.open_lots, order.executed_usdc_micros, terms.expire_time_ns),
        *(terms.self_trade, order.time_ns, terms.client_order_id),
        *(order.order_id if order.waits or order.pending else order.rank, terms.stop_ticks),
        *(terms.display_lots, 0 if order.pending else order.hidden_lots, order.list_id, int(order.pending)),
    )


def open_list(each: OrderList) -> t.OpenList:
    terms = each.terms
    where = (each.list_id, terms.account, terms.instrument, terms.list_kind, len(each.legs))
    return t.OpenList(*where, terms.list_client_order_id, each.time_ns)
