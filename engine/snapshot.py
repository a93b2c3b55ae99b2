"""The engine's state as bytes: sections of fixed-width rows in one order, so that equal states give equal bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import astuple, fields
from heapq import heapify, heappush
from struct import Struct, error
from typing import Any, Final

from engine.accounts import Account, Balance, Permission
from engine.book import BUY, Order
from engine.limits import Limits
from engine.lists import LEGS, OrderList, partner_of
from engine.types import (
    USDC,
    AccountState,
    InstrumentState,
    MarketState,
    OpenList,
    OpenOrder,
    SetInstrument,
    SetLimits,
    SetPermission,
)
from engine.types import Balance as BalanceEvent
from engine.venue import DUE_PERMISSION, ZERO_ID, Composition, Instrument, Venue, pending

MAGIC: Final = b"DEEDSNP9"
HEAD: Final = (
    "seq",
    "time_ns",
    "phase",
    "last_order_id",
    "last_trade_id",
    "last_prevented_id",
    "last_composed_batch_id",
    "last_composed_trade_id",
    "last_final_batch_id",
    "last_final_trade_id",
    "chain_block",
    "chain_log_index",
    "crediting_stopped",
)
BALANCE_FIELDS: Final = (
    *("account", "instrument", "free", "held", "owed_in", "owed_out", "requested", "level", "advanced"),
    *("position_lots", "asked", "announced"),
)
INSTRUMENT_FIELDS: Final = (
    *("maker_fee_bps", "taker_fee_bps", "phase", "update_id", "last_price_ticks"),
    *("phase_ends_ns", "phase_then", "indicative_due_ns", "period_ns"),
    *("reference_ticks", "static_bps", "dynamic_bps", "volatility_call_ns"),
)
COUNT: Final = Struct("<Q")
SECTIONS: Final = {
    "head": Struct(f"<{len(HEAD)}q"),
    "instruments": Struct(f"<11q16s20sq{len(INSTRUMENT_FIELDS)}q"),  # terms in their order, then the fields
    "accounts": Struct("<2q20s"),
    "earlier_wallets": Struct("<20sq"),  # with their accounts
    "left_behind": Struct("<2q20s"),  # account, asset, the earlier wallet where it still is
    "killed": Struct("<2q"),
    "limits": Struct("<5q"),  # account, instrument; of one order, of the position, of open orders
    "permissions": Struct("<7q?32s"),
    "balances": Struct(f"<{len(BALANCE_FIELDS)}q"),
    "lists": Struct("<5q36s"),
    "orders": Struct("<22q36s"),  # by rank
    "pending": Struct("<22q36s"),  # of lists: legs that are not placed yet
    "staged": Struct("<13q36s"),  # account and leg, then the slots of the command
    "closed_ids": Struct("<3q36s"),  # account, when, order id, client id: oldest first by account
    "parked": Struct("<20s4q"),
    "unsettled": Struct("<9q"),
    "ejecting": Struct("<4q"),
    "compositions": Struct("<5q32s"),  # batch, range, attempt, place of this hash among the attempts, hash
    "ejected": Struct("<4q"),  # batch, place, trade, reason
    "ex_dates": Struct("<q16s"),  # seq, dividend
}


def encode(venue: Venue) -> bytes:
    parts = [MAGIC]
    for name, rows in _rows(venue).items():
        packed = [SECTIONS[name].pack(*row) for row in rows]
        parts += [COUNT.pack(len(packed)), *packed]
    return b"".join(parts)


def decode(image: bytes) -> Venue:
    """Raises ValueError where the bytes are not a whole snapshot of this version."""
    if image[: len(MAGIC)] != MAGIC:
        raise ValueError("this is no snapshot of this version")
    offset = len(MAGIC)
    sections: dict[str, list[tuple[Any, ...]]] = {}
    try:
        for name, row in SECTIONS.items():
            (count,) = COUNT.unpack_from(image, offset)
            end = offset + COUNT.size + count * row.size
            sections[name] = list(row.iter_unpack(image[offset + COUNT.size : end]))
            if len(sections[name]) != count:
                raise ValueError("the snapshot is cut short")
            offset = end
    except error as cause:
        raise ValueError("the snapshot is cut short") from cause
    if offset != len(image):
        raise ValueError("the snapshot is longer than its rows")
    return _restored(sections)


def market_state(venue: Venue) -> MarketState:
    return MarketState(
        seq=venue.seq,
        time_ns=venue.time_ns,
        venue_phase=venue.phase,
        crediting_stopped=venue.crediting_stopped,
        last_order_id=venue.last_order_id,
        last_trade_id=venue.last_trade_id,
        last_prevented_id=venue.last_prevented_id,
        last_composed_trade_id=venue.last_composed_trade_id,
        last_final_trade_id=venue.last_final_trade_id,
        last_final_batch_id=venue.last_final_batch_id,
        chain_block=venue.chain_block,
        chain_log_index=venue.chain_log_index,
        instruments=tuple(
            InstrumentState(i.terms, *(getattr(i, name) for name in INSTRUMENT_FIELDS)) for i in venue.instruments[1:]
        ),
        accounts=tuple(
            AccountState(a.number, a.owner, a.wallet, tuple(sorted(a.left_behind.items()))) for a in venue.accounts[1:]
        ),
        permissions=tuple(
            SetPermission(
                a.number, n, p.may_buy, p.may_sell, p.valid_until_ns, p.locked_lots, p.rules_version, p.facts_hash
            )
            for a, n, p in _permissions(venue)
        ),
        balances=tuple(
            BalanceEvent(*(getattr(balance, field.name) for field in fields(BalanceEvent)))
            for balance in _balances(venue)
        ),
        orders=tuple(_open_order(order) for order in venue.orders.values())
        + tuple(_open_order(order) for each in venue.lists.values() for order in each.pending),
        killed=tuple(sorted(venue.killed)),
        limits=tuple(SetLimits(*where, *venue.limits[where]) for where in sorted(venue.limits)),
        lists=tuple(
            OpenList(
                list_id=each.list_id,
                account=each.seat.account.number,
                instrument=each.seat.instrument.number,
                list_kind=each.kind,
                legs=LEGS[each.kind],
                list_client_order_id=each.client_order_id.rstrip(b"\0"),
                time_ns=each.time_ns,
            )
            for each in venue.lists.values()
        ),
    )


def _open_order(o: Order) -> OpenOrder:
    return OpenOrder(
        order_id=o.order_id,
        account=o.seat.account.number,
        instrument=o.seat.instrument.number,
        side=o.side,
        order_type=o.order_type,
        time_in_force=o.time_in_force,
        price_ticks=o.price_ticks,
        qty_lots=o.qty_lots,
        open_lots=o.open_lots,
        executed_usdc_micros=o.executed_usdc_micros,
        expire_time_ns=o.expire_time_ns,
        self_trade=o.self_trade,
        time_ns=o.time_ns,
        client_order_id=o.client_order_id.rstrip(b"\0"),
        rank=o.order_id if o.waits else o.rank or o.order_id,
        stop_ticks=o.stop_ticks,
        display_lots=o.display_lots,
        hidden_lots=o.hidden_lots,
        list_id=o.list_id,
        pending=int(o.rank == 0),
    )


def _permissions(venue: Venue) -> Iterator[tuple[Account, int, Permission]]:
    for account in venue.accounts[1:]:
        for number in sorted(account.seats):
            permission = account.seats[number].permission
            if permission is not None:
                yield account, number, permission


def _balances(venue: Venue) -> Iterator[Balance]:
    for account in venue.accounts[1:]:
        for asset in sorted(account.balances):
            if not account.balances[asset].is_empty():
                yield account.balances[asset]


def _rows(venue: Venue) -> dict[str, Iterable[tuple[Any, ...]]]:
    batch_id, attempt, ejecting = venue.ejecting
    compositions = sorted(venue.compositions.items())
    return {
        "head": [tuple(getattr(venue, name) for name in HEAD)],
        "instruments": [
            (*astuple(i.terms), *(getattr(i, name) for name in INSTRUMENT_FIELDS)) for i in venue.instruments[1:]
        ],
        "accounts": [(a.number, a.owner, a.wallet) for a in venue.accounts[1:]],
        "earlier_wallets": sorted(each for each in venue.wallets.items() if venue.accounts[each[1]].wallet != each[0]),
        "left_behind": [(a.number, *each) for a in venue.accounts[1:] for each in sorted(a.left_behind.items())],
        "killed": sorted(venue.killed),
        "limits": [(*where, *venue.limits[where]) for where in sorted(venue.limits)],
        "permissions": [
            (
                *(a.number, n, p.may_buy, p.may_sell, p.valid_until_ns, p.locked_lots, p.rules_version),
                *(p.ended, p.facts_hash),
            )
            for a, n, p in _permissions(venue)
        ],
        "balances": [tuple(getattr(b, name) for name in BALANCE_FIELDS) for b in _balances(venue)],
        "lists": [
            (
                *(each.list_id, each.seat.account.number, each.seat.instrument.number, each.kind, each.time_ns),
                each.client_order_id,
            )
            for each in venue.lists.values()
        ],
        "orders": [_order_row(order) for order in venue.orders.values()],
        "pending": [_order_row(order) for each in venue.lists.values() for order in each.pending],
        "staged": [
            (*where, *row[3:8], *row[11:15], *row[16:19]) for where, row in sorted(venue.staged.items())
        ],  # without what of a command's slots no leg uses
        "closed_ids": [
            (a.number, when_ns, order_id, client_id)
            for a in venue.accounts[1:]
            for when_ns, client_id, order_id in a.closed_ids
        ],
        "parked": [(wallet, asset, *parked) for (wallet, asset), parked in sorted(venue.parked.items())],
        "unsettled": [
            (trade_id, buyer.instrument.number, buyer.account.number, seller.account.number, *amounts)
            for trade_id, (buyer, seller, *amounts) in venue.unsettled.items()
        ],
        "ejecting": [(batch_id, attempt, *ejected) for ejected in sorted(ejecting.items())],
        "compositions": [
            (number, c.trade_after, c.trade_last, c.attempt, place, payload_hash)
            for number, c in compositions
            for place, payload_hash in enumerate(c.ejected_by_hash)
        ],
        "ejected": [
            (number, place, *ejected)
            for number, c in compositions
            for place, by_trade in enumerate(c.ejected_by_hash.values())
            for ejected in sorted(by_trade.items())
        ],
        "ex_dates": [(seq, dividend) for dividend, seq in venue.ex_dates.items()],
    }


def _order_row(o: Order) -> tuple[Any, ...]:
    return (
        *(o.order_id, o.seat.account.number, o.seat.instrument.number, o.side),
        *(o.order_type, o.time_in_force, o.self_trade),
        *(o.price_ticks, o.qty_lots, o.open_lots, o.executed_usdc_micros, o.expire_time_ns, o.time_ns),
        *(o.usdc_micros_per_lot, o.maker_fee_bps, o.hold_fee_bps, o.rank, o.stop_ticks, o.display_lots, o.hidden_lots),
        *(o.waits, o.list_id, o.client_order_id),
    )


def _restored(sections: dict[str, list[tuple[Any, ...]]]) -> Venue:
    venue = Venue()
    for number, owner, wallet in sections["accounts"]:
        venue.accounts.append(Account(number, owner, wallet))
        venue.wallets[wallet] = number
    venue.wallets |= dict(sections["earlier_wallets"])
    for number, asset, wallet in sections["left_behind"]:
        venue.accounts[number].left_behind[asset] = wallet
    for row in sections["instruments"]:
        *numbers, symbol, token, lot_decimals = row[: -len(INSTRUMENT_FIELDS)]
        terms = SetInstrument(*(*numbers, symbol.rstrip(b"\0"), token, lot_decimals))
        instrument = Instrument(terms, venue.balance(venue.accounts[terms.fee_account], USDC))
        venue.instruments.append(instrument)
    venue.killed = set(sections["killed"])
    venue.limits = {(row[0], row[1]): Limits(*row[2:]) for row in sections["limits"]}
    _restore_accounts(venue, sections)
    for list_id, account, number, kind, time_ns, client_id in sections["lists"]:
        seat = venue.seat(venue.accounts[account], venue.instruments[number])
        venue.lists[list_id] = OrderList(list_id, seat, kind, client_id, time_ns, [], 0)
        if client_id != ZERO_ID:
            seat.account.client_order_ids[client_id] = list_id
    for row in sections["orders"]:
        _restore_order(venue, row)
    for row in sections["pending"]:
        order = _restored_order(venue, row)
        order.seat.open_orders += 1
        venue.lists[order.list_id].pending.append(order)
    for account, leg, *slots in sections["staged"]:
        venue.staged[account, leg] = (0, 0, 0, *slots[:5], leg, account, 0, *slots[5:9], 0, *slots[9:], ZERO_ID)
    _restore_below_zero(venue)
    for number, when_ns, order_id, client_id in sections["closed_ids"]:
        account = venue.accounts[number]
        account.closed_ids.append((when_ns, client_id, order_id))
        account.client_order_ids[client_id] = order_id
    venue.parked = {(wallet, asset): (level, asked, lots) for wallet, asset, level, asked, lots in sections["parked"]}
    for trade_id, number, buyer, seller, *amounts in sections["unsettled"]:
        instrument = venue.instruments[number]
        seats = (venue.seat(venue.accounts[account], instrument) for account in (buyer, seller))
        venue.unsettled[trade_id] = (*seats, *amounts)
    _restore_batches(venue, sections)
    venue.ex_dates = {dividend: seq for seq, dividend in sections["ex_dates"]}
    for instrument, row in zip(venue.instruments[1:], sections["instruments"], strict=True):
        for name, value in zip(INSTRUMENT_FIELDS, row[-len(INSTRUMENT_FIELDS) :], strict=True):
            setattr(instrument, name, value)
        venue.due += pending(instrument)
    heapify(venue.due)
    for name, value in zip(HEAD, sections["head"][0], strict=True):
        setattr(venue, name, value)
    return venue


def _restore_accounts(venue: Venue, sections: dict[str, list[tuple[Any, ...]]]) -> None:
    for number, instrument, *numbers, ended, facts_hash in sections["permissions"]:
        may_buy, may_sell, valid_until_ns, locked_lots, rules_version = numbers
        permission = Permission(may_buy, may_sell, valid_until_ns, locked_lots, rules_version, facts_hash)
        permission.ended = ended
        venue.seat(venue.accounts[number], venue.instruments[instrument]).permission = permission
        if not ended:
            heappush(venue.due, (valid_until_ns, DUE_PERMISSION, number, instrument))
    for row in sections["balances"]:
        balance = venue.balance(venue.accounts[row[0]], row[1])
        for name, value in zip(BALANCE_FIELDS, row, strict=True):
            setattr(balance, name, value)
        if balance.exposure is not None and (lots := balance.position_lots + balance.owed_in) >= 0:
            balance.exposure.add(lots)


def _restore_below_zero(venue: Venue) -> None:
    """A chain that settled more than a position had left it there; what its owner has otherwise makes up for it."""
    for account in venue.accounts[1:]:
        for balance in account.balances.values():
            lots = balance.position_lots + balance.owed_in
            if balance.exposure is not None and lots < 0:
                balance.exposure.add(lots)


def _restored_order(venue: Venue, row: tuple[Any, ...]) -> Order:
    order_id, number, instrument_number, side, order_type, time_in_force, self_trade, *rest = row
    price_ticks, qty_lots, open_lots, executed, expire_ns, time_ns, per_lot, maker_bps, hold_bps, *rest = rest
    rank, stop_ticks, display_lots, hidden_lots, waits, list_id, client_id = rest
    seat = venue.seat(venue.accounts[number], venue.instruments[instrument_number])
    order = Order(
        *(order_id, seat, side, order_type, time_in_force, self_trade, price_ticks, qty_lots, open_lots),
        *(expire_ns, time_ns, per_lot, maker_bps, hold_bps, client_id, rank, stop_ticks, bool(waits), executed),
        *(display_lots, hidden_lots, list_id),
    )
    if client_id != ZERO_ID:
        seat.account.client_order_ids[client_id] = order_id
    if list_id:
        venue.lists[list_id].legs_left += 1
    return order


def _restore_order(venue: Venue, row: tuple[Any, ...]) -> None:
    order = _restored_order(venue, row)
    hidden_lots = order.hidden_lots
    if order.side == BUY and partner_of(venue, order) is None:
        order.seat.exposure.add(order.open_lots)
    venue.rest(order, 0)  # its hold stands already; tells nothing: at seq 0 every balance counts as told
    order.hidden_lots = hidden_lots


def _restore_batches(venue: Venue, sections: dict[str, list[tuple[Any, ...]]]) -> None:
    if sections["ejecting"]:
        batch_id, attempt = sections["ejecting"][0][:2]
        venue.ejecting = (batch_id, attempt, {row[2]: row[3] for row in sections["ejecting"]})
    for batch_id, trade_after, trade_last, attempt, place, payload_hash in sections["compositions"]:
        composition = venue.compositions.setdefault(batch_id, Composition(trade_after, trade_last))
        composition.attempt = attempt
        composition.ejected_by_hash[payload_hash] = {
            row[2]: row[3] for row in sections["ejected"] if row[:2] == (batch_id, place)
        }
