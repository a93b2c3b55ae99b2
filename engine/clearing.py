"""What the chain says: levels and positions changed, batches composed and final; and keeping every hold covered."""

from __future__ import annotations

from typing import Any, Final

from engine.accounts import Account, Balance
from engine.book import BUY
from engine.types import INT64_MAX, USDC, VENUE, EventKind, Phase, Reason
from engine.venue import Composition, UnsettledTrade, Venue

Row = tuple[Any, ...]

PARKED: Final = int(EventKind.PARKED)
CREDITING_STOPPED: Final = int(EventKind.CREDITING_STOPPED)
WITHDRAWAL_READY: Final = int(EventKind.WITHDRAWAL_READY)
TRADE_SETTLED: Final = int(EventKind.TRADE_SETTLED)
PHASE_CHANGED: Final = int(EventKind.PHASE_CHANGED)
LEVEL_MAX: Final = 2**62  # of a slot, a lock or a position: what trades bring fits beside it
FAILED_FIRST: Final = int(Reason.SELLER_NOT_VERIFIED)
FAILED_LAST: Final = int(Reason.CHAIN_REFUSED)


class Clearing:
    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    # -- levels and positions

    def level_changed(self, row: Row) -> None:
        """A vault slot or a lock moved: credit or debit, then set aside what is asked for and cover what is held."""
        venue = self._venue
        asset, delta, level, asked, block, log_index = row[6], *row[11:16]
        wallet = row[18][:20]
        if not self.next_position(asset, asset == USDC, block, log_index):
            return
        account = venue.account_at(wallet, asset)
        if account is None:
            parked_level, _, position_lots = venue.parked.get((wallet, asset), (0, 0, 0))
            expected = parked_level + delta
            if expected != level or not can_be(level, asked):
                return self.stop_crediting(0, asset, block, log_index, expected, level)
            venue.parked[wallet, asset] = (level, asked, position_lots)
            venue.emit(PARKED, instrument=asset, a=level, b=asked)
        else:
            balance = venue.balance(account, asset)
            expected = balance.level + delta
            if expected != level or not can_be(level, asked):
                return self.stop_crediting(account.number, asset, block, log_index, expected, level)
            self.set_level(balance, level, asked)
        venue.chain_block, venue.chain_log_index = block, log_index

    def position_changed(self, row: Row) -> None:
        venue = self._venue
        instrument, delta_lots, level_lots, block, log_index = row[6], row[11], row[12], row[14], row[15]
        wallet = row[18][:20]
        if not self.next_position(instrument, False, block, log_index):
            return
        account = venue.account_at(wallet, instrument)
        if account is None:
            level, asked, position_lots = venue.parked.get((wallet, instrument), (0, 0, 0))
            expected = position_lots + delta_lots
            if expected != level_lots or not can_be(level_lots, 0):
                return self.stop_crediting(0, instrument, block, log_index, expected, level_lots)
            venue.parked[wallet, instrument] = (level, asked, level_lots)
            venue.applied(0, instrument)
        else:
            balance = venue.balance(account, instrument)
            expected = balance.position_lots + delta_lots
            if expected != level_lots or not can_be(level_lots, 0):
                return self.stop_crediting(account.number, instrument, block, log_index, expected, level_lots)
            self.set_position(balance, level_lots)
        venue.chain_block, venue.chain_log_index = block, log_index

    def next_position(self, asset: int, is_cash: bool, block: int, log_index: int) -> bool:
        venue = self._venue
        if not is_cash and venue.instrument(asset) is None:
            venue.reject(Reason.UNKNOWN_INSTRUMENT, asset)
        elif (block, log_index) <= (venue.chain_block, venue.chain_log_index):
            venue.reject(Reason.CHAIN_POSITION_PASSED, asset)
        elif venue.crediting_stopped:
            venue.reject(Reason.CREDITING_HALTED, asset)
        else:
            return True
        return False

    def stop_crediting(
        self, account: int, asset: int, block: int, log_index: int, expected_level: int, level: int
    ) -> None:
        """The chain and we disagree: credit nothing more, and let traders only take orders out."""
        venue = self._venue
        expected_level = max(-INT64_MAX, min(INT64_MAX, expected_level))
        venue.crediting_stopped = 1
        venue.reject(Reason.LEVEL_MISMATCH, asset, account)
        venue.emit(CREDITING_STOPPED, 0, asset, account, block, log_index, expected_level, level)
        if venue.phase == Phase.CONTINUOUS:
            venue.phase = Phase.CANCEL_ONLY
            venue.emit(PHASE_CHANGED, instrument=VENUE, flags=Phase.CANCEL_ONLY)

    def set_level(self, balance: Balance, level: int, asked: int) -> None:
        self._venue.touch(balance)
        balance.free += level - balance.level
        balance.level = level
        balance.asked = asked
        self.cover(balance)

    def set_position(self, balance: Balance, position_lots: int) -> None:
        self._venue.touch(balance)
        assert balance.exposure is not None
        balance.exposure.add(position_lots - balance.position_lots)
        balance.position_lots = position_lots

    def cover(self, balance: Balance) -> None:
        """Set aside what is asked for and not owed; then close the youngest orders until what is held is there.

        Tokens that are locked up cover no order. While some are owed they are not set aside either: outside the locker
        others could be sent away in their place. Free stays negative only while trades that rest on a failed one wait
        to fail too.
        """
        venue = self._venue
        account = venue.accounts[balance.account]
        locked = _locked_lots(account, balance.instrument)
        owed_out = balance.owed_out + locked if balance.owed_out else 0
        requested = min(balance.asked, max(0, balance.level - owed_out))
        if requested != balance.requested:
            venue.touch(balance)
            balance.free += balance.requested - requested
            balance.requested = requested
        if balance.free < locked:
            for order in reversed(list(account.orders.values())):
                if balance.free >= locked:
                    break
                if balance is (order.seat.cash if order.side == BUY else order.seat.tokens):
                    venue.close_all([order], Reason.COVER_LOST)
        if requested and requested == balance.asked:
            if requested != balance.announced:
                venue.emit(WITHDRAWAL_READY, instrument=balance.instrument, account=balance.account, a=requested)
                balance.announced = requested
        else:
            balance.announced = 0

    def adopt_parked(self, account: Account) -> None:
        """A wallet became the account's: what came before that is credited now."""
        venue = self._venue
        for asset in range(len(venue.instruments)):
            parked = venue.parked.pop((account.wallet_of(asset), asset), None)
            if parked is not None:
                level, asked, position_lots = parked
                balance = venue.balance(account, asset)
                self.set_level(balance, level, asked)
                if position_lots:
                    self.set_position(balance, position_lots)

    def adjust(self, row: Row) -> None:
        venue = self._venue
        asset, account_number = row[6], row[9]
        position_lots, level, asked, block, log_index = row[11], row[12], row[13], row[14], row[15]
        if asset != USDC and venue.instrument(asset) is None:
            return venue.reject(Reason.UNKNOWN_INSTRUMENT, asset, account_number)
        account = venue.account(account_number)
        if account is None:
            return venue.reject(Reason.UNKNOWN_ACCOUNT, asset, account_number)
        position_fits = position_lots == 0 if asset == USDC else position_lots >= level
        in_range = can_be(level, asked) and can_be(position_lots, 0) and min(block, log_index) >= 0
        if not in_range or asked > level or not position_fits:
            return venue.reject(Reason.VALUE_OUT_OF_RANGE, asset, account_number)
        balance = venue.balance(account, asset)
        self.set_level(balance, level, asked)
        if asset != USDC:
            self.set_position(balance, position_lots)
        venue.chain_block, venue.chain_log_index = block, log_index
        venue.crediting_stopped = 0
        venue.applied(account_number, asset)

    # -- batches

    def eject_trade(self, row: Row) -> None:
        venue = self._venue
        batch_id, attempt, trade_id, reason = row[11], row[12], row[13], row[8]
        if not FAILED_FIRST <= reason <= FAILED_LAST:  # 0 would tell a failed trade as settled
            return venue.reject(Reason.VALUE_OUT_OF_RANGE)
        if trade_id not in venue.unsettled:
            return venue.reject(Reason.BATCH_OUT_OF_ORDER)
        if venue.ejecting[:2] != (batch_id, attempt):
            venue.ejecting = (batch_id, attempt, {})
        venue.ejecting[2][trade_id] = reason
        venue.applied(0, venue.unsettled[trade_id][0].instrument.number)

    def compose_batch(self, row: Row) -> None:
        venue = self._venue
        batch_id, attempt, trade_after, trade_last, ejected_count = row[11:16]
        payload_hash = row[18][:32]
        ejected = venue.ejecting[2] if venue.ejecting[:2] == (batch_id, attempt) else {}
        venue.ejecting = (0, 0, {})
        composition = venue.compositions.get(batch_id)
        if composition is None:
            if (batch_id, trade_after) != (venue.last_composed_batch_id + 1, venue.last_composed_trade_id):
                return venue.reject(Reason.BATCH_OUT_OF_ORDER)
            if not trade_after <= trade_last <= venue.last_trade_id or attempt < 1:
                return venue.reject(Reason.BATCH_OUT_OF_ORDER)
            composition = Composition(trade_after, trade_last)
        elif (trade_after, trade_last) != (composition.trade_after, composition.trade_last) or (
            attempt < composition.attempt
        ):
            return venue.reject(Reason.BATCH_OUT_OF_ORDER)
        earlier = next(reversed(composition.ejected_by_hash.values())) if composition.ejected_by_hash else {}
        if (
            len(ejected) != ejected_count
            or not all(trade_after < trade_id <= trade_last for trade_id in ejected)
            or not earlier.keys() <= ejected.keys()
        ):
            return venue.reject(Reason.EJECTED_MISMATCH)
        composition.attempt = attempt
        composition.ejected_by_hash.pop(payload_hash, None)
        composition.ejected_by_hash[payload_hash] = ejected
        if batch_id not in venue.compositions:
            venue.compositions[batch_id] = composition
            venue.last_composed_batch_id, venue.last_composed_trade_id = batch_id, trade_last
        venue.applied(0, VENUE)

    def batch_final(self, row: Row) -> None:
        venue = self._venue
        batch_id, block, log_index, payload_hash = row[11], row[14], row[15], row[18][:32]
        if not self.next_position(VENUE, True, block, log_index):
            return
        composition = venue.compositions.get(batch_id)
        if (
            composition is None
            or batch_id != venue.last_final_batch_id + 1
            or payload_hash not in composition.ejected_by_hash
        ):
            return venue.reject(Reason.BATCH_UNKNOWN)
        ejected = composition.ejected_by_hash[payload_hash]
        moved: dict[int, Balance] = {}
        for trade_id in range(composition.trade_after + 1, composition.trade_last + 1):
            trade = venue.unsettled.pop(trade_id)
            reason = ejected.get(trade_id, 0)
            for balance in _fail(trade) if trade_id in ejected else _settle(trade):
                venue.touch(balance)
                moved[balance.key] = balance
            buyer, seller, lots, notional, buyer_fee, seller_fee, _ = trade
            venue.emit(
                TRADE_SETTLED,
                reason,
                buyer.instrument.number,
                buyer.account.number,
                trade_id,
                batch_id,
                lots,
                notional,
                buyer_fee,
                seller_fee,
                block,
                peer=seller.account.number,
            )
        del venue.compositions[batch_id]
        venue.last_final_batch_id, venue.last_final_trade_id = batch_id, composition.trade_last
        venue.chain_block, venue.chain_log_index = block, log_index
        for key in sorted(moved):
            balance = moved[key]
            balance.asked = min(balance.asked, max(0, balance.level))  # as the vault and the locker lower it
            self.cover(balance)
        venue.applied(0, VENUE)


def _locked_lots(account: Account, asset: int) -> int:
    seat = account.seats.get(asset)
    return 0 if seat is None or seat.permission is None else seat.permission.locked_lots


def can_be(level: int, asked: int) -> bool:
    """Whether a chain may say so; larger numbers, or negative ones, would leave the records or break a hold."""
    return 0 <= level <= LEVEL_MAX and 0 <= asked <= LEVEL_MAX


def _settle(trade: UnsettledTrade) -> tuple[Balance, ...]:
    """The trade stands on chain: what was owed is paid. Returns the balances that moved."""
    buyer, seller, lots, notional, buyer_fee, seller_fee, resale = trade
    fees = buyer.instrument.fees
    _pay(buyer.cash, notional + buyer_fee)
    _pay(seller.tokens, lots)
    _receive(buyer.tokens, lots, resale)
    _receive(seller.cash, notional - seller_fee, resale)
    _receive(fees, buyer_fee + seller_fee, 0)
    buyer.tokens.position_lots += lots  # its exposure counted them as owed in
    seller.tokens.position_lots -= lots
    seller.exposure.add(-lots)
    return buyer.cash, buyer.tokens, seller.cash, seller.tokens, fees


def _fail(trade: UnsettledTrade) -> tuple[Balance, ...]:
    """The trade never happens: each side has back what it gave. Returns the balances that moved."""
    buyer, seller, lots, notional, buyer_fee, seller_fee, resale = trade
    fees = buyer.instrument.fees
    _get_back(buyer.cash, notional + buyer_fee)
    _get_back(seller.tokens, lots)
    _forgo(buyer.tokens, lots, resale)
    _forgo(seller.cash, notional - seller_fee, resale)
    _forgo(fees, buyer_fee + seller_fee, 0)
    buyer.exposure.add(-lots)
    return buyer.cash, buyer.tokens, seller.cash, seller.tokens, fees


def _pay(balance: Balance, amount: int) -> None:
    balance.owed_out -= amount
    balance.level -= amount


def _receive(balance: Balance, amount: int, resale: int) -> None:
    balance.owed_in -= amount
    balance.level += amount
    if resale:
        balance.advanced -= amount
    else:
        balance.free += amount


def _get_back(balance: Balance, amount: int) -> None:
    balance.owed_out -= amount
    balance.free += amount


def _forgo(balance: Balance, amount: int, resale: int) -> None:
    balance.owed_in -= amount
    if resale:
        balance.advanced -= amount
        balance.free -= amount
