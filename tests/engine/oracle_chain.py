"""What the chain says, in its plainest form: levels, positions, batches; and every hold stays covered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple

from engine import types as t
from engine.types import Phase, Reason, Side
from tests.engine.facts import Fill, Slot
from tests.engine.oracle_changes import ChangeRules


class ChainRules(ChangeRules):
    def carry_out_chain(self, command: t.Command) -> None:
        match command:
            case t.LevelChanged():
                self.level_changed(command)
            case t.PositionChanged():
                self.position_changed(command)
            case t.MigrateWallet():
                self.migrate_wallet(command)
            case t.Adjust():
                self.adjust(command)
            case t.EjectTrade():
                self.eject_trade(command)
            case t.ComposeBatch():
                self.compose_batch(command)
            case t.BatchFinal():
                self.batch_final(command)
            case _:
                raise AssertionError(command)

    # -- levels and positions

    def chain_refusal(self, asset: int, block: int, log_index: int) -> Reason:
        if asset != t.USDC and self.listing(asset) is None:
            return Reason.UNKNOWN_INSTRUMENT
        if (block, log_index) <= self.chain_position:
            return Reason.CHAIN_POSITION_PASSED
        return Reason.CREDITING_HALTED if self.crediting_stopped else Reason.NONE

    def stop_crediting(
        self, account: int, command: t.LevelChanged | t.PositionChanged | t.MigrateWallet, expected: int, level: int
    ) -> None:
        asset = command.instrument
        self.crediting_stopped = True
        self.reject(account, asset, Reason.LEVEL_MISMATCH)
        where = (command.block, command.log_index)
        expected = min(max(expected, -(2**63) + 1), 2**63 - 1)
        self.events.append(t.CreditingStopped(account, asset, *where, expected, level))
        if self.venue_phase == Phase.CONTINUOUS:
            self.venue_phase = Phase.CANCEL_ONLY
            self.events.append(t.PhaseChanged(t.VENUE, Phase.CANCEL_ONLY))

    def level_changed(self, command: t.LevelChanged) -> None:
        asset = command.instrument
        if (reason := self.chain_refusal(asset, command.block, command.log_index)) is not Reason.NONE:
            self.reject(0, asset, reason)
            return
        slot = self.slots.setdefault((command.wallet, asset), Slot())
        is_odd = not (0 <= command.level <= 2**62 and 0 <= command.requested <= 2**62)
        if slot.level + command.delta != command.level or is_odd:
            account = self.account_at(command.wallet, asset)
            self.stop_crediting(account, command, slot.level + command.delta, command.level)
            return
        slot.level, slot.requested = command.level, command.requested
        self.chain_position = (command.block, command.log_index)
        if account := self.account_at(command.wallet, asset):
            self.credit(account, asset)
        else:
            self.events.append(t.Parked(asset, command.level, command.requested))

    def position_changed(self, command: t.PositionChanged) -> None:
        asset = command.instrument
        reason = self.chain_refusal(asset, command.block, command.log_index)
        if asset == t.USDC:
            reason = Reason.UNKNOWN_INSTRUMENT
        if reason is not Reason.NONE:
            self.reject(0, asset, reason)
            return
        slot = self.slots.setdefault((command.wallet, asset), Slot())
        is_odd = not 0 <= command.level_lots <= 2**62
        if slot.position_lots + command.delta_lots != command.level_lots or is_odd:
            account = self.account_at(command.wallet, asset)
            self.stop_crediting(account, command, slot.position_lots + command.delta_lots, command.level_lots)
            return
        slot.position_lots = command.level_lots
        self.chain_position = (command.block, command.log_index)
        if account := self.account_at(command.wallet, asset):
            self.touched.add((account, asset))
        else:
            self.events.append(t.Applied(0, asset))

    def migrate_wallet(self, command: t.MigrateWallet) -> None:
        asset = command.instrument
        reason = self.chain_refusal(asset, command.block, command.log_index)
        if reason is Reason.NONE and command.lost == command.fresh:
            reason = Reason.VALUE_OUT_OF_RANGE
        if reason is not Reason.NONE:
            self.reject(0, asset, reason)
            return
        lost, fresh = (self.slots.setdefault((wallet, asset), Slot()) for wallet in (command.lost, command.fresh))
        giver = self.account_at(command.lost, asset)
        is_odd = not (0 <= command.level <= 2**62 and 0 <= command.requested <= 2**62)
        if lost.level != command.moved_lots:
            self.stop_crediting(giver, command, lost.level - command.moved_lots, 0)
        elif fresh.level + command.gained_lots != command.level or is_odd:
            self.stop_crediting(giver, command, fresh.level + command.gained_lots, command.level)
        else:
            self.chain_position = (command.block, command.log_index)
            lost.level, lost.requested = 0, 0
            fresh.level, fresh.requested = command.level, command.requested
            if giver and self.linked_to(command.fresh) in (0, giver):
                self.carry_over(giver, command)
                return
            for wallet, slot in ((command.lost, lost), (command.fresh, fresh)):
                if account := self.account_at(wallet, asset):
                    self.credit(account, asset)
                else:
                    self.events.append(t.Parked(asset, slot.level, slot.requested))

    def carry_over(self, account: int, command: t.MigrateWallet) -> None:
        """The account's wallet is the new one, but for the other assets of which it has something somewhere else."""
        wallets = {asset: self.wallet_of(account, asset) for asset in range(len(self.listings) + 1)}
        left = {asset: wallet for asset, wallet in wallets.items() if self.has_any(account, asset)}
        before = self.wallet(account)
        self.earlier_wallets[before] = account
        self.new_wallets[account] = command.fresh
        for asset, wallet in wallets.items():
            self.left_behind.pop((account, asset), None)
            if asset != command.instrument and asset in left and wallet != command.fresh:
                self.left_behind[account, asset] = wallet
        self.events.append(t.WalletMigrated(account, command.instrument, 0))
        for asset in sorted(asset for each, asset in self.left_behind if each == account):
            self.events.append(t.WalletMigrated(account, asset, 1))
        self.credit(account, command.instrument)
        for asset, wallet in wallets.items():
            came = wallet != command.fresh and self.wallet_of(account, asset) == command.fresh
            if came and asset != command.instrument and (command.fresh, asset) in self.slots:
                self.credit(account, asset)

    def has_any(self, account: int, asset: int) -> bool:
        """Of an asset that is left behind an account has something as long as that is not said to have moved."""
        figures = (*astuple(self.slot(account, asset)), *astuple(self.balance(account, asset))[2:])
        return (account, asset) in self.left_behind or any(figures)

    def adjust(self, command: t.Adjust) -> None:
        where = (command.account, command.instrument)
        numbers = (command.level, command.requested, command.position_lots, command.block, command.log_index)
        is_cash = command.instrument == t.USDC
        is_odd = command.position_lots != 0 if is_cash else command.position_lots < command.level
        if not is_cash and self.listing(command.instrument) is None:
            self.reject(*where, Reason.UNKNOWN_INSTRUMENT)
        elif not self.is_account(command.account):
            self.reject(*where, Reason.UNKNOWN_ACCOUNT)
        elif min(numbers) < 0 or max(numbers[:3]) > 2**62 or command.requested > command.level or is_odd:
            self.reject(*where, Reason.VALUE_OUT_OF_RANGE)
        else:
            slot = self.slot(*where)
            slot.level, slot.requested, slot.position_lots = numbers[:3]
            self.crediting_stopped = False
            self.chain_position = (command.block, command.log_index)
            self.credit(*where)
            self.events.append(t.Applied(*where))

    def credit(self, account: int, asset: int) -> None:
        """What the chain says of this asset counts from now on: set aside what is asked for, cover what is held."""
        self.touched.add((account, asset))
        self.cover(account, asset)

    def cover(self, account: int, asset: int) -> None:
        before = self.set_aside.get((account, asset), 0)
        slot, owed_out = self.slot(account, asset), self.balance(account, asset).owed_out
        locked_lots = self.locked_lots(account, asset)
        kept = owed_out + locked_lots if owed_out else 0
        self.set_aside[account, asset] = aside = min(slot.requested, max(0, slot.level - kept))
        if aside != before:
            self.touched.add((account, asset))
        for order in reversed(self.open_orders(account)):
            pays_with = t.USDC if order.terms.side == Side.BUY else order.terms.instrument
            if self.balance(account, asset).free < locked_lots and pays_with == asset:
                self.close_all([order], Reason.COVER_LOST)
        ready = aside if aside == slot.requested else 0
        if ready and self.announced.get((account, asset)) != ready:
            self.events.append(t.WithdrawalReady(account, asset, ready))
        self.announced[account, asset] = ready

    # -- batches

    def unsettled(self, trade_id: int) -> Fill | None:
        return next((fill for fill in self.fills if fill.trade_id == trade_id and not fill.done), None)

    def eject_trade(self, command: t.EjectTrade) -> None:
        fill = self.unsettled(command.trade_id)
        if not Reason.SELLER_NOT_VERIFIED <= command.reason <= Reason.CHAIN_REFUSED:
            self.reject(0, 0, Reason.VALUE_OUT_OF_RANGE)
        elif fill is None:
            self.reject(0, 0, Reason.BATCH_OUT_OF_ORDER)
        else:
            self.ejections.append(command)
            self.events.append(t.Applied(0, fill.instrument))

    def ejected_for(self, batch_id: int, attempt: int) -> dict[int, int]:
        """The reasons by trade of the ejections that stand last, if they are for this attempt."""
        ejected: dict[int, int] = {}
        for each in reversed(self.ejections):
            if (each.batch_id, each.attempt) != (batch_id, attempt):
                break
            ejected.setdefault(each.trade_id, each.reason)
        return ejected

    def compose_batch(self, command: t.ComposeBatch) -> None:
        ejected = self.ejected_for(command.batch_id, command.attempt)
        self.ejections = []
        waiting = [
            (each, trades)
            for each, trades in self.compositions
            if each.batch_id == command.batch_id > self.last_final_batch_id
        ]
        if waiting:
            earlier, before = waiting[-1]
            in_order = range_of(command) == range_of(earlier) and command.attempt >= earlier.attempt
        else:
            before = {}
            last_id = max((each.batch_id for each, _ in self.compositions), default=0)
            last_trade_id = max((each.trade_last for each, _ in self.compositions), default=0)
            follows = (command.batch_id, command.trade_after) == (last_id + 1, last_trade_id)
            ends_well = command.trade_after <= command.trade_last <= len(self.fills)
            in_order = follows and ends_well and command.attempt >= 1
        in_range = all(command.trade_after < trade_id <= command.trade_last for trade_id in ejected)
        if not in_order:
            self.reject(0, 0, Reason.BATCH_OUT_OF_ORDER)
        elif len(ejected) != command.ejected_count or not in_range or not set(before) <= set(ejected):
            self.reject(0, 0, Reason.EJECTED_MISMATCH)
        else:
            self.compositions.append((command, ejected))
            self.events.append(t.Applied(0, t.VENUE))

    def batch_final(self, command: t.BatchFinal) -> None:
        if (reason := self.chain_refusal(t.USDC, command.block, command.log_index)) is not Reason.NONE:
            self.reject(0, 0, reason)
            return
        mined = [
            (composed, ejected)
            for composed, ejected in self.compositions
            if (composed.batch_id, composed.payload_hash) == (command.batch_id, command.payload_hash)
        ]
        if not mined or command.batch_id != self.last_final_batch_id + 1:
            self.reject(0, 0, Reason.BATCH_UNKNOWN)
            return
        composed, ejected = mined[-1]
        settled = [fill for fill in self.fills if composed.trade_after < fill.trade_id <= composed.trade_last]
        for fill in settled:
            self.end_fill(fill, command, ejected.get(fill.trade_id, Reason.NONE), fill.trade_id in ejected)
        self.last_final_batch_id = command.batch_id
        self.chain_position = (command.block, command.log_index)
        for account, asset in self.moved_by(settled):
            slot = self.slot(account, asset)
            slot.requested = min(slot.requested, max(0, slot.level))
            self.credit(account, asset)
        self.events.append(t.Applied(0, t.VENUE))

    def moved_by(self, fills: Sequence[Fill]) -> list[tuple[int, int]]:
        sides = {(account, fill.instrument) for fill in fills for account in (fill.buyer, fill.seller)}
        cash = {(account, t.USDC) for fill in fills for account in (fill.buyer, fill.seller, fill.fee_account)}
        return sorted(sides | cash)

    def end_fill(self, fill: Fill, command: t.BatchFinal, reason: int, failed: bool) -> None:
        fill.done = True
        who = (fill.buyer, fill.seller, fill.instrument, reason, fill.trade_id, command.batch_id)
        money = (fill.notional_usdc_micros, fill.buyer_fee_usdc_micros, fill.seller_fee_usdc_micros)
        self.events.append(t.TradeSettled(*who, fill.qty_lots, *money, command.block))
        if failed:
            return
        for account, asset in self.moved_by([fill]):
            change = fill.brought(account, asset) + fill.fees(account, asset) - fill.owed_out(account, asset)
            slot = self.slot(account, asset)
            slot.level += change
            slot.position_lots += change if asset != t.USDC else 0


def range_of(composed: t.ComposeBatch) -> tuple[int, int]:
    return composed.trade_after, composed.trade_last
