"""The exchange's words: units, commands, events, and reasons in their order of precedence.

Every command and event is a frozen record of integers and short byte strings. `wire` gives each its fixed-width form;
the engine itself works on those, so what stands here is what tests, tools and the slower rooms read and write.
Prices are ticks, quantities lots, cash USDC micros, times nanoseconds since 1970 UTC; instrument 0 means USDC where
an asset is meant and the whole venue where a scope is meant.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import NewType

PriceTicks = NewType("PriceTicks", int)
QtyLots = NewType("QtyLots", int)
UsdcMicros = NewType("UsdcMicros", int)

USDC = 0  # the asset number of cash; tokens have their instrument's number
VENUE = 0  # the scope of a command that is meant for every instrument
BASIS_POINTS = 10_000
INT64_MAX = 2**63 - 1
CLIENT_ORDER_ID_BYTES = 36
CLIENT_ORDER_ID_KEPT_NS = 24 * 3600 * 10**9  # how long a closed order's client id stays refused
CLIENT_ORDER_ID_KEPT_MAX = 10_000  # closed ids kept by account; the oldest goes first
EX_DATES_KEPT_MAX = 1_000  # by which a dividend's second ex-date is refused; the oldest goes first
ICEBERG_PARTS_MAX = 100  # in which an iceberg may be shown, one after the other


class Side(IntEnum):
    BUY = 0
    SELL = 1


class OrderType(IntEnum):
    LIMIT = 1
    MARKET = 2  # an IOC with a collar; by lots, or by USDC with `quote_usdc_micros`
    LIMIT_MAKER = 3  # post-only: refused where it would take
    STOP_LOSS = 4  # waits until the price has risen (buy) or fallen (sell) that far, then an IOC within the collar
    STOP_LOSS_LIMIT = 5  # likewise, then a limit order
    TAKE_PROFIT = 6  # waits until the price has fallen (buy) or risen (sell) that far
    TAKE_PROFIT_LIMIT = 7


class TimeInForce(IntEnum):
    GTC = 1
    IOC = 2
    FOK = 3
    GTD = 4
    DAY = 5  # until the command that ends the day


class SelfTrade(IntEnum):
    """What happens when an order meets a resting one of the same owner."""

    NONE = 0
    EXPIRE_TAKER = 1
    EXPIRE_MAKER = 2
    EXPIRE_BOTH = 3
    DECREMENT = 4  # both get smaller by what they would have traded


class ListKind(IntEnum):
    """Orders that belong together; a list's legs are numbered from 1."""

    OCO = 1  # one cancels the other: 1 and 2
    OTO = 2  # one triggers the other: 1 works, 2 is pending until it is filled
    OTOCO = 3  # 1 works; 2 and 3 are pending, and then an OCO


class Phase(IntEnum):
    """What an instrument does; the venue is CONTINUOUS, CANCEL_ONLY or in HALT."""

    CONTINUOUS = 0
    CANCEL_ONLY = 1  # cancels and reductions only
    HALT = 2  # nothing from traders; what rests stays
    PRE_OPEN = 3  # orders rest, nothing trades
    OPENING_CALL = 4  # orders rest until the uncross at the call's end
    VOLATILITY_CALL = 5
    CLOSING_CALL = 6
    PERIODIC_CALL = 7  # uncrossed at each multiple of the period, and goes on
    LIMIT_ONLY = 8  # continuous without market orders


class TradeFlag(IntFlag):
    MAKER_FILLED = 1  # the maker order is done and has left the book
    IN_AUCTION = 2  # both rested, the younger one is the taker; at the auction's price, both at their maker rate
    TAKER_FILLED = 4  # only in an auction: the taker order has left the book


class CommandKind(IntEnum):
    PLACE = 1
    CANCEL = 2
    AMEND = 3
    REPLACE = 4
    CANCEL_ALL = 5
    LIST_LEG = 6
    PLACE_LIST = 7
    OPEN_ACCOUNT = 16
    SET_PERMISSION = 17
    SET_INSTRUMENT = 18
    SET_FEES = 19
    SET_PHASE = 20
    SET_BANDS = 21
    SET_AUCTIONS = 22
    KILL_SWITCH = 24
    SET_LIMITS = 25
    MIGRATE_WALLET = 26
    EX_DATE = 28
    LEVEL_CHANGED = 32
    POSITION_CHANGED = 33
    ADJUST = 34
    EJECT_TRADE = 40
    COMPOSE_BATCH = 41
    BATCH_FINAL = 42
    CLOCK = 63


class EventKind(IntEnum):
    REJECTED = 1
    ACCEPTED = 2
    TRADE = 3
    CLOSED = 4
    AMENDED = 5
    TRIGGERED = 6
    PREVENTED = 7
    REPLENISHED = 8
    REPRICED = 9
    LISTED = 10
    PENDING = 11
    LIST_DONE = 12
    BALANCE = 16
    ACCOUNT_OPENED = 17
    APPLIED = 18
    PERMISSION_ENDED = 19
    PHASE_CHANGED = 20
    INDICATIVE = 21
    AUCTION = 22
    WENT_EX = 23
    WALLET_MIGRATED = 24
    KILL_SWITCHED = 25
    WITHDRAWAL_READY = 32
    PARKED = 33
    CREDITING_STOPPED = 34
    TRADE_SETTLED = 40


class Reason(IntEnum):
    """Why a command was refused, an order closed or a trade failed.

    Refusals are listed by precedence, also where a number is out of line: where several apply, the first is the answer.
    """

    NONE = 0
    # refusals of any command
    UNKNOWN_INSTRUMENT = 1
    UNKNOWN_ACCOUNT = 2
    # refusals of an order, in the order in which they are checked
    LIST_MALFORMED = 30  # legs that make no list of its kind; also an amend of a leg
    LIST_PRICES = 31  # of a pair: the profit, the last trade and the loss are not in this order
    ORDER_MALFORMED = 3  # a combination of type, time in force, price and quantity that has no meaning
    QTY_NOT_POSITIVE = 4
    QTY_TOO_LARGE = 5
    PRICE_NOT_POSITIVE = 6
    PRICE_TOO_HIGH = 7
    EXPIRE_TIME_PASSED = 8
    NOTIONAL_TOO_SMALL = 9
    DISPLAY_OUT_OF_RANGE = 29  # not less than the quantity, or so little that it has too many parts
    CLIENT_ORDER_ID_IN_USE = 10
    ORDER_NOT_FOUND = 11  # cancel, amend and the cancel half of replace
    QTY_NOT_REDUCED = 12  # amend keeps priority only for less
    INSTRUMENT_HALTED = 13
    CANCEL_ONLY = 14
    TYPE_NOT_IN_PHASE = 23  # a call takes limit orders that may rest, LIMIT_ONLY no market orders
    KILLED = 25  # a kill switch is on: out of line, as it came later
    NOT_PERMITTED = 15
    LOCKED_UP = 16
    PRICE_OUTSIDE_BAND = 24  # the static band around the reference
    POST_ONLY_WOULD_TAKE = 17
    STOP_WOULD_TRIGGER = 28  # the last trade's price has reached it already
    TOO_MANY_ORDERS = 18
    ORDER_LIMIT = 26  # one order's notional, as set for the account or the instrument
    POSITION_LIMIT = 27
    OWNERSHIP_CAP = 19
    HOLDER_CAP = 20
    INSUFFICIENT_CASH = 21
    INSUFFICIENT_TOKENS = 22
    # refusals of the other commands
    ACCOUNT_EXISTS = 32  # a wallet is linked once
    INSTRUMENT_CHANGED = 33  # tick value, symbol and token of a listed instrument stand
    VALUE_OUT_OF_RANGE = 34
    CHAIN_POSITION_PASSED = 35  # seen before: ignored
    LEVEL_MISMATCH = 36  # the chain's level is not ours plus the change: crediting stops here
    CREDITING_HALTED = 37  # crediting stopped at an earlier position
    BATCH_OUT_OF_ORDER = 38
    BATCH_UNKNOWN = 39
    EJECTED_MISMATCH = 40
    EX_DATE_DONE = 41  # the dividend had its own already
    # why an order closed before it was filled
    CANCELLED = 64  # by its trader
    CANCELLED_REPLACED = 65
    EXPIRED = 66  # GTD, DAY
    IOC_REMAINDER = 67
    FOK_UNFILLED = 68
    NO_LIQUIDITY = 69  # a market order that met nothing within its collar
    SELF_TRADE = 70
    PERMISSION_LOST = 71
    KILL_SWITCH = 76  # of the account, the instrument or the venue
    COVER_LOST = 72  # a withdrawal, a failed trade or the issuer took what the order was held against
    BAND_REACHED = 73  # it would have traded through the dynamic band, and does not rest
    EX_DATE = 77  # less the dividend its price would be below one tick
    LIST_LEG_DONE = 74  # the other one of the pair traded or was triggered
    LIST_ENDED = 75  # of a pending leg: the working one ended unfilled, or this one may only rest and would take
    # why a trade failed on chain
    SELLER_NOT_VERIFIED = 96
    BUYER_NOT_VERIFIED = 97
    SELLER_FROZEN = 98
    BUYER_FROZEN = 99
    TOKEN_PAUSED = 100
    LOCK_TOO_SMALL = 101
    CASH_TOO_SMALL = 102
    COMPLIANCE_REFUSED = 103
    UPSTREAM_FAILED = 104  # it rests on a trade that failed
    CHAIN_REFUSED = 105  # any other revert; settlement keeps its data


class LevelCause(IntEnum):
    """What on chain changed a level; told to the trader, not used by the engine."""

    DEPOSIT = 1
    WITHDRAW_REQUESTED = 2
    WITHDRAW_CANCELLED = 3
    WITHDRAWN = 4
    ISSUER = 5  # a forced transfer, burn or freeze lowered a lock
    MIGRATED = 6


def phase_in_force(venue_phase: int, instrument_phase: int) -> int:
    """The stricter of the two: a halt, else cancel-only, else the instrument's."""
    if Phase.HALT in (venue_phase, instrument_phase):
        return Phase.HALT
    return Phase.CANCEL_ONLY if venue_phase == Phase.CANCEL_ONLY else instrument_phase


# -- commands: what traders, compliance, settlement and operators ask for; seq and time come from the sequencer


@dataclass(frozen=True, slots=True)
class Place:
    account: int
    instrument: int
    side: int
    order_type: int
    time_in_force: int
    price_ticks: int  # 0 for MARKET
    qty_lots: int  # 0 for MARKET by quote
    quote_usdc_micros: int = 0  # MARKET by quote: spend (buy) or raise (sell) at most this, before fees
    expire_time_ns: int = 0  # GTD only
    self_trade: int = SelfTrade.NONE
    client_order_id: bytes = b""
    stop_ticks: int = 0  # of the types that wait: the last trade's price at which they are triggered
    display_lots: int = 0  # an iceberg: the most of it that is shown at a time


@dataclass(frozen=True, slots=True)
class Cancel:
    account: int
    instrument: int
    order_id: int = 0  # 0: by client id
    client_order_id: bytes = b""
    is_list: int = 0  # 1: the ids are a list's, and all of it closes


@dataclass(frozen=True, slots=True)
class Amend:
    account: int
    instrument: int
    qty_lots: int  # the order's new total quantity, what was executed included
    order_id: int = 0
    client_order_id: bytes = b""


@dataclass(frozen=True, slots=True)
class Replace:
    """Cancel one order and place another as one step; the cancelled order's hold is free for the new one.

    If the cancel fails, the new order is placed only with `place_anyway`; if the new one is refused, the cancel stands.
    """

    account: int
    instrument: int
    side: int
    order_type: int
    time_in_force: int
    price_ticks: int
    qty_lots: int
    quote_usdc_micros: int = 0
    expire_time_ns: int = 0
    self_trade: int = SelfTrade.NONE
    client_order_id: bytes = b""
    stop_ticks: int = 0
    display_lots: int = 0
    cancel_order_id: int = 0
    cancel_client_order_id: bytes = b""
    place_anyway: int = 0


@dataclass(frozen=True, slots=True)
class CancelAll:
    account: int
    instrument: int = VENUE


@dataclass(frozen=True, slots=True)
class ListLeg:
    """One leg of the account's next list, kept until its PlaceList; said again it takes the earlier one's place."""

    account: int
    instrument: int
    side: int
    order_type: int
    time_in_force: int
    price_ticks: int
    qty_lots: int
    quote_usdc_micros: int = 0
    expire_time_ns: int = 0
    self_trade: int = SelfTrade.NONE
    client_order_id: bytes = b""
    stop_ticks: int = 0
    display_lots: int = 0
    leg: int = 0  # 1 to 3


@dataclass(frozen=True, slots=True)
class PlaceList:
    """The legs that wait for it become orders as one, or none does; taken or refused, they wait no more."""

    account: int
    instrument: int
    list_kind: int
    list_client_order_id: bytes = b""  # of the same row as the account's client order ids


@dataclass(frozen=True, slots=True)
class OpenAccount:
    """The engine makes the account number and answers with it."""

    owner: int
    wallet: bytes  # 20 bytes


@dataclass(frozen=True, slots=True)
class SetPermission:
    account: int
    instrument: int
    may_buy: int
    may_sell: int
    valid_until_ns: int
    locked_lots: int = 0  # lock-up: so many of its tokens may not be sold
    rules_version: int = 0
    facts_hash: bytes = b""  # 32 bytes: sha256 of the facts the permission was compiled from


@dataclass(frozen=True, slots=True)
class SetInstrument:
    """List an instrument (`instrument` is the next free number) or change the limits of a listed one."""

    instrument: int
    fee_account: int
    tick_value_usdc_micros: int
    price_ticks_max: int
    qty_lots_max: int
    notional_usdc_micros_min: int
    market_collar_bps: int
    open_orders_max: int  # by account
    ownership_cap_lots: int = 0  # 0: none
    holder_cap: int = 0  # 0: none
    resale: int = 0
    symbol: bytes = b""  # 1 to 16 ASCII letters and digits, no other instrument's
    token: bytes = b""  # 20 bytes
    lot_decimals: int = 0  # one lot is 10**-lot_decimals tokens; 0 to 12. The engine counts lots only


@dataclass(frozen=True, slots=True)
class SetFees:
    """Resting orders keep the rates they were accepted with."""

    instrument: int
    maker_fee_bps: int
    taker_fee_bps: int


@dataclass(frozen=True, slots=True)
class SetPhase:
    """Into a phase that trades an instrument goes through an uncross; a call may end by itself, with one."""

    instrument: int  # VENUE for all; the stricter of the venue's and the instrument's phase counts
    phase: int
    until_ns: int = 0  # of an opening, volatility or closing call: when it ends; 0: by a further command
    then: int = 0  # the phase after that
    ends_day: int = 0  # 1: DAY orders close, after the uncross


@dataclass(frozen=True, slots=True)
class SetBands:
    """How far prices may go, in basis points: limits from a reference, trades from the last one. 0: no band."""

    instrument: int
    reference_ticks: int  # of the static band, until an auction has another price; 0: as it stands
    static_bps: int
    dynamic_bps: int
    volatility_call_ns: int  # how long the call is that the dynamic band starts; more than 0 where there is such a band


@dataclass(frozen=True, slots=True)
class SetAuctions:
    """How long an instrument's calls are that nobody times."""

    instrument: int
    period_ns: int  # PERIODIC_CALL uncrosses at each multiple since 1970 UTC; 0: never by itself


@dataclass(frozen=True, slots=True)
class KillSwitch:
    """On: the open orders in its scope close, new ones are refused until it is off. Each scope is its own switch."""

    account: int  # 0: every account
    instrument: int  # VENUE: every instrument
    on: int


@dataclass(frozen=True, slots=True)
class SetLimits:
    """What one account may do in an instrument; 0: the instrument's limit, and where that has none, no limit."""

    account: int  # 0: of every account that has none of its own
    instrument: int
    notional_usdc_micros_max: int  # of one order
    position_lots_max: int  # what it has, is owed and has asked to buy
    open_orders_max: int  # 0: as the instrument's terms say


@dataclass(frozen=True, slots=True)
class ExDate:
    """Who buys from here on does not get the dividend: orders that a price without it would reach are lowered by it."""

    instrument: int
    usdc_micros_per_lot: int
    dividend: bytes  # 16 bytes, its own: said again it is refused


@dataclass(frozen=True, slots=True)
class LevelChanged:
    """A confirmed chain event on a vault slot (instrument USDC, micros) or a lock (lots): change and result."""

    instrument: int
    delta: int
    level: int
    requested: int
    block: int
    log_index: int
    cause: int
    wallet: bytes
    transaction: bytes = b""


@dataclass(frozen=True, slots=True)
class PositionChanged:
    """A confirmed Transfer of the token outside settlement: the wallet's balance in lots, for the caps by owner."""

    instrument: int
    delta_lots: int
    level_lots: int
    block: int
    log_index: int
    wallet: bytes


@dataclass(frozen=True, slots=True)
class MigrateWallet:
    """A confirmed carrying over of a lost wallet's lock to a new wallet: the account that it counts for goes along.

    Its number, orders, holds and unsettled trades stay. What it has of other assets stays at the lost wallet until that
    is carried over too; the assets of which it has nothing are the new wallet's from now on. A new wallet that is
    another account's gets the lock, and nothing else.
    """

    instrument: int
    moved_lots: int  # the whole lock of the lost wallet
    gained_lots: int  # by the new one's lock: the same, but for parts of a lot
    level: int  # of the new wallet's lock, after
    requested: int
    block: int
    log_index: int
    lost: bytes
    fresh: bytes


@dataclass(frozen=True, slots=True)
class Adjust:
    """An operator sets an account's levels to the chain's after a reorg below FINAL, and crediting goes on."""

    account: int
    instrument: int
    level: int
    requested: int
    position_lots: int
    block: int
    log_index: int


@dataclass(frozen=True, slots=True)
class EjectTrade:
    """One trade that the composition `attempt` of a batch leaves out; stands before its ComposeBatch."""

    batch_id: int
    attempt: int
    trade_id: int
    reason: int


@dataclass(frozen=True, slots=True)
class ComposeBatch:
    """Trades (trade_after, trade_last] less the ejected, under the hash that the bridge will emit.

    A further attempt at the same batch keeps its range and may only eject more.
    """

    batch_id: int
    attempt: int
    trade_after: int
    trade_last: int
    ejected_count: int
    payload_hash: bytes


@dataclass(frozen=True, slots=True)
class BatchFinal:
    batch_id: int
    block: int
    log_index: int
    payload_hash: bytes  # says which composition was mined
    transaction: bytes


@dataclass(frozen=True, slots=True)
class Clock:
    """Nothing but time: expires what is due."""


Command = (
    Place
    | Cancel
    | Amend
    | Replace
    | CancelAll
    | ListLeg
    | PlaceList
    | OpenAccount
    | SetPermission
    | SetInstrument
    | SetFees
    | SetPhase
    | SetBands
    | SetAuctions
    | KillSwitch
    | SetLimits
    | ExDate
    | LevelChanged
    | PositionChanged
    | MigrateWallet
    | Adjust
    | EjectTrade
    | ComposeBatch
    | BatchFinal
    | Clock
)


# -- events: the whole answer to a command, in the order in which they happened


@dataclass(frozen=True, slots=True)
class Rejected:
    account: int
    instrument: int
    reason: int
    order_id: int = 0  # CLIENT_ORDER_ID_IN_USE: the first order that had the id; EX_DATE_DONE: the seq that did it


@dataclass(frozen=True, slots=True)
class Accepted:
    """The order as it stood at the end of its command; its trades follow, and its Closed where nothing rests.

    A stop waits: nothing of it is in the book, and it holds for all of it. An iceberg shows `display_lots` at most.
    """

    account: int
    instrument: int
    side: int
    order_id: int
    price_ticks: int  # the limit; for MARKET, STOP_LOSS and TAKE_PROFIT the collar
    qty_lots: int  # for MARKET by quote: what was executed
    executed_lots: int
    open_lots: int  # rests in the book from now on
    update_id: int  # the book's, where open_lots > 0
    held: int  # micros (buy) or lots (sell) held for open_lots
    executed_usdc_micros: int


@dataclass(frozen=True, slots=True)
class Triggered:
    """A stop or a pending leg comes to the market, and this is how it stood after that, as Accepted tells of others."""

    account: int
    instrument: int
    side: int
    order_id: int
    price_ticks: int
    rank: int  # in the queue it has the place of an order with this number; no other order gets it
    executed_lots: int
    open_lots: int
    update_id: int
    held: int
    executed_usdc_micros: int


@dataclass(frozen=True, slots=True)
class Listed:
    """A list is open; its legs have the order ids from `list_id` on. They are told next: pending ones first."""

    account: int
    instrument: int
    list_kind: int
    list_id: int
    legs: int


@dataclass(frozen=True, slots=True)
class Pending:
    """A leg that comes once its list's working leg is filled: to the market with Triggered, to wait with Accepted."""

    account: int
    instrument: int
    side: int
    order_id: int
    list_id: int
    leg: int
    price_ticks: int
    qty_lots: int
    stop_ticks: int


@dataclass(frozen=True, slots=True)
class ListDone:
    """None of its legs is open or pending any more."""

    account: int
    instrument: int
    list_id: int


@dataclass(frozen=True, slots=True)
class Trade:
    account: int  # the taker's
    maker_account: int
    instrument: int
    taker_side: int
    trade_id: int
    maker_order_id: int
    taker_order_id: int
    price_ticks: int
    qty_lots: int
    update_id: int
    maker_fee_usdc_micros: int
    taker_fee_usdc_micros: int
    flags: int  # TradeFlag


@dataclass(frozen=True, slots=True)
class Closed:
    """An order ended with something unfilled (a filled one ends with its last Trade)."""

    account: int
    instrument: int
    side: int
    reason: int
    order_id: int
    unfilled_lots: int
    executed_lots: int
    executed_usdc_micros: int
    price_ticks: int
    update_id: int
    rested: int  # 1: it left the book; 0: it was not in it


@dataclass(frozen=True, slots=True)
class Amended:
    account: int
    instrument: int
    side: int
    order_id: int
    qty_lots: int
    open_lots: int
    removed_lots: int
    price_ticks: int
    update_id: int  # 0: the book shows the same: a stop that waits, or only what an iceberg hides


@dataclass(frozen=True, slots=True)
class Repriced:
    """A dividend's ex-date has lowered an open order; its place among the others is the same."""

    account: int
    instrument: int
    side: int
    order_id: int
    price_ticks: int  # from now on
    stop_ticks: int  # 0: it is no stop
    open_lots: int
    lowered_ticks: int
    update_id: int  # 0: a stop that waits, and is in no book


@dataclass(frozen=True, slots=True)
class Prevented:
    """Two orders of one owner would have traded: each is smaller by that instead (SelfTrade.DECREMENT).

    A maker of which nothing would be left stays as it was, and closes with the next event.
    """

    account: int  # the taker's
    maker_account: int
    instrument: int
    taker_side: int
    prevented_id: int
    maker_order_id: int
    taker_order_id: int
    price_ticks: int  # the maker's
    prevented_lots: int
    update_id: int  # 0 where the maker closes
    maker_qty_lots: int
    maker_open_lots: int
    maker_closes: int


@dataclass(frozen=True, slots=True)
class Replenished:
    """What an iceberg showed is used up: it shows more of itself, at the back of its price level."""

    account: int
    instrument: int
    side: int
    order_id: int
    price_ticks: int
    rank: int  # its place in the queue from now on; no other order gets it
    shown_lots: int
    update_id: int


@dataclass(frozen=True, slots=True)
class Balance:
    """An account's asset after the command (micros or lots): level + advanced = free + held + requested + owed_out."""

    account: int
    instrument: int
    free: int  # negative only while trades that rest on a failed one wait to fail too
    held: int
    owed_in: int
    owed_out: int
    requested: int
    level: int  # the chain's at the last FINAL point: vault slot or lock
    advanced: int  # the part of owed_in that is usable already (resale)
    position_lots: int  # the wallet's token balance; 0 for cash


@dataclass(frozen=True, slots=True)
class AccountOpened:
    account: int
    owner: int


@dataclass(frozen=True, slots=True)
class Applied:
    """The command did what it says; nothing else to tell."""

    account: int
    instrument: int


@dataclass(frozen=True, slots=True)
class PermissionEnded:
    account: int
    instrument: int


@dataclass(frozen=True, slots=True)
class PhaseChanged:
    instrument: int
    phase: int
    until_ns: int = 0  # when it ends by itself, or the next uncross of a periodic call; 0: by a command


@dataclass(frozen=True, slots=True)
class Indicative:
    """What the call would end with now; told a tenth of a second after its book changed. Zeros: nothing would trade."""

    instrument: int
    price_ticks: int
    volume_lots: int
    imbalance_lots: int  # of those that would trade at the price, buys less sells
    phase: int
    until_ns: int


@dataclass(frozen=True, slots=True)
class Auction:
    """An uncross; its trades follow. Zeros: nothing traded."""

    instrument: int
    price_ticks: int
    volume_lots: int
    imbalance_lots: int  # what is left at the price, buys less sells
    phase: int  # that it ended


@dataclass(frozen=True, slots=True)
class WentEx:
    """An instrument's price is without a dividend from here on: what is lowered, and the prices it leaves; 0: none."""

    instrument: int
    lowered_ticks: int
    last_price_ticks: int
    reference_ticks: int


@dataclass(frozen=True, slots=True)
class KillSwitched:
    account: int
    instrument: int
    on: int


@dataclass(frozen=True, slots=True)
class WalletMigrated:
    """The command's new wallet is the account's; for each asset that stays where it was, one more with `stays`."""

    account: int
    instrument: int
    stays: int


@dataclass(frozen=True, slots=True)
class WithdrawalReady:
    """All of what the account asked for is set aside: the releaser may sign exactly this amount (micros or lots)."""

    account: int
    instrument: int
    amount: int


@dataclass(frozen=True, slots=True)
class Parked:
    """A level of a wallet that is not linked yet; credited when it is."""

    instrument: int
    level: int
    requested: int


@dataclass(frozen=True, slots=True)
class CreditingStopped:
    account: int
    instrument: int
    block: int
    log_index: int
    expected_level: int
    level: int


@dataclass(frozen=True, slots=True)
class TradeSettled:
    buyer_account: int
    seller_account: int
    instrument: int
    reason: int  # NONE: FINAL; else FAILED, and why
    trade_id: int
    batch_id: int
    qty_lots: int
    notional_usdc_micros: int
    buyer_fee_usdc_micros: int
    seller_fee_usdc_micros: int
    block: int


Event = (
    Rejected
    | Accepted
    | Triggered
    | Listed
    | Pending
    | ListDone
    | Trade
    | Closed
    | Amended
    | Repriced
    | Prevented
    | Replenished
    | Balance
    | AccountOpened
    | Applied
    | PermissionEnded
    | PhaseChanged
    | Indicative
    | Auction
    | WentEx
    | KillSwitched
    | WalletMigrated
    | WithdrawalReady
    | Parked
    | CreditingStopped
    | TradeSettled
)


# -- the state as readers see it: what a gateway starts from after recovery, before the events that follow


@dataclass(frozen=True, slots=True)
class OpenOrder:
    order_id: int
    account: int
    instrument: int
    side: int
    order_type: int
    time_in_force: int
    price_ticks: int
    qty_lots: int
    open_lots: int
    executed_usdc_micros: int
    expire_time_ns: int
    self_trade: int
    time_ns: int  # when it was accepted
    client_order_id: bytes
    rank: int  # its place in the queue: its number, or the one that it was triggered or replenished with
    stop_ticks: int = 0  # it waits for this price while its rank is its number
    display_lots: int = 0  # 0: it is no iceberg
    hidden_lots: int = 0  # of the open ones
    list_id: int = 0  # 0: it is no leg
    pending: int = 0  # 1: its list's working leg is not filled, and it holds nothing


@dataclass(frozen=True, slots=True)
class OpenList:
    list_id: int
    account: int
    instrument: int
    list_kind: int
    legs: int
    list_client_order_id: bytes
    time_ns: int  # when it was accepted


@dataclass(frozen=True, slots=True)
class InstrumentState:
    terms: SetInstrument
    maker_fee_bps: int
    taker_fee_bps: int
    phase: int
    update_id: int
    last_price_ticks: int  # 0: never traded
    phase_ends_ns: int = 0  # 0: by a command
    phase_then: int = Phase.CONTINUOUS
    indicative_due_ns: int = 0  # 0: what a call would end with has been told
    period_ns: int = 0
    reference_ticks: int = 0  # 0: none
    static_bps: int = 0
    dynamic_bps: int = 0
    volatility_call_ns: int = 0


@dataclass(frozen=True, slots=True)
class AccountState:
    account: int
    owner: int
    wallet: bytes
    left_behind: tuple[tuple[int, bytes], ...] = ()  # assets that are still at an earlier wallet


@dataclass(frozen=True, slots=True)
class MarketState:
    """All of the engine's state that others read, at `seq`: orders by rank, then pending ones; the rest by number."""

    seq: int
    time_ns: int
    venue_phase: int
    crediting_stopped: int
    last_order_id: int
    last_trade_id: int
    last_prevented_id: int
    last_composed_trade_id: int
    last_final_trade_id: int
    last_final_batch_id: int
    chain_block: int
    chain_log_index: int
    instruments: tuple[InstrumentState, ...]
    accounts: tuple[AccountState, ...]
    permissions: tuple[SetPermission, ...]
    balances: tuple[Balance, ...]
    orders: tuple[OpenOrder, ...]
    killed: tuple[tuple[int, int], ...] = ()  # account and instrument of each switch that is on
    limits: tuple[SetLimits, ...] = ()
    lists: tuple[OpenList, ...] = ()
