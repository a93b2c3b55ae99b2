"""What settlement reads out of durable frames. Pure: frames in, rows out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from engine import types as t
from engine.types import CommandKind, EventKind, Reason
from engine.wire import COMMAND_DTYPE, COMMAND_SIZE, EVENT_DTYPE, decode_commands, decode_events
from persistence.frame import DurableFrame
from settlement.trades import ANY_ASSET, Token, Trade, Wallet

_EVENT_KINDS: Final = np.array(
    [
        *(EventKind.TRADE, EventKind.ACCOUNT_OPENED, EventKind.WALLET_MIGRATED),
        *(EventKind.WITHDRAWAL_READY, EventKind.TRADE_SETTLED),
    ]
)
_COMMAND_KINDS: Final = np.array(
    [
        *(CommandKind.SET_INSTRUMENT, CommandKind.LEVEL_CHANGED, CommandKind.POSITION_CHANGED, CommandKind.ADJUST),
        *(CommandKind.MIGRATE_WALLET, CommandKind.EJECT_TRADE, CommandKind.COMPOSE_BATCH, CommandKind.BATCH_FINAL),
    ]
)


_CHAIN_COMMANDS: Final = np.array(
    [
        *(CommandKind.LEVEL_CHANGED, CommandKind.POSITION_CHANGED, CommandKind.MIGRATE_WALLET),
        *(CommandKind.ADJUST, CommandKind.BATCH_FINAL),
    ]
)


def chain_commands(frame: DurableFrame) -> np.ndarray[Any, Any]:
    """The frame's commands by which the engine heard of the chain, each with its block in slot d."""
    commands = np.frombuffer(frame.commands, COMMAND_DTYPE)
    events = np.frombuffer(frame.events, EVENT_DTYPE)
    refused = events["seq"][events["kind"] == EventKind.REJECTED]
    return commands[np.isin(commands["kind"], _CHAIN_COMMANDS) & ~np.isin(commands["seq"], refused)]


def last_seq(frame: DurableFrame) -> int:
    return frame.first_seq + len(frame.commands) // COMMAND_SIZE - 1


@dataclass(frozen=True, slots=True)
class Listing:
    instrument: int
    token: Token
    fee_account: int
    tick_value_usdc_micros: int


@dataclass(frozen=True, slots=True)
class WalletChange:
    """An account's wallet from `seq` on; or, without one, that an asset stays where it was before."""

    account: int
    instrument: int  # ANY_ASSET with a wallet
    seq: int
    wallet: Wallet | None


@dataclass(frozen=True, slots=True)
class Ready:
    """The engine set aside all of what an account asked for: micros, or lots of the instrument; and the last block that
    it knew of."""

    seq: int
    account: int
    instrument: int
    amount: int
    known_block: int


@dataclass(frozen=True, slots=True)
class Composed:
    """A composition that the engine took, with the trades that it leaves out and why."""

    seq: int
    batch: t.ComposeBatch
    ejected: dict[int, int]


@dataclass(slots=True)
class Changes:
    """What some frames mean for settlement, in journal order."""

    wallets: list[WalletChange] = field(default_factory=list)
    listings: list[Listing] = field(default_factory=list)
    trades: list[tuple[Trade, int]] = field(default_factory=list)  # with time_ns
    ready: list[Ready] = field(default_factory=list)
    composed: list[Composed] = field(default_factory=list)
    final_batches: list[t.BatchFinal] = field(default_factory=list)
    settled_trades: list[int] = field(default_factory=list)
    failed_trades: list[tuple[int, int]] = field(default_factory=list)  # with the seq of its BatchFinal
    chain_position: tuple[int, int] | None = None


class Fold:
    """Reads frames in order; keeps only the tick values, the ejections whose ComposeBatch has not come yet, and the
    last block that the engine knows of."""

    def __init__(self, tick_values: dict[int, int], known_block: int) -> None:
        self._tick_values = tick_values
        self._known_block = known_block
        self._ejecting: tuple[int, int, dict[int, int]] = (0, 0, {})
        self._changes = Changes()

    def take(self) -> Changes:
        changes, self._changes = self._changes, Changes()
        return changes

    def apply(self, frame: DurableFrame) -> None:
        commands = np.frombuffer(frame.commands, COMMAND_DTYPE)
        events = np.frombuffer(frame.events, EVENT_DTYPE)
        rejected = {int(seq) for seq in events["seq"][events["kind"] == EventKind.REJECTED]}
        told = events[np.isin(events["kind"], _EVENT_KINDS)]
        asked = commands[np.isin(commands["kind"], _COMMAND_KINDS)]
        # By seq, a command before its events; both are in order already.
        mine = [(seq, 0, command) for seq, _, command in decode_commands(asked.tobytes()) if seq not in rejected]
        theirs = [(seq, 1, event) for seq, event in decode_events(told.tobytes())]
        for seq, is_event, record in sorted([*mine, *theirs], key=lambda item: item[:2]):
            if is_event:
                self._read_event(frame, commands, seq, record)
            else:
                self._read_command(seq, record)

    def _read_command(self, seq: int, command: object) -> None:
        changes = self._changes
        match command:
            case t.SetInstrument():
                token, tick_value = Token(command.token), command.tick_value_usdc_micros
                self._tick_values[command.instrument] = tick_value
                changes.listings.append(Listing(command.instrument, token, command.fee_account, tick_value))
            case t.EjectTrade():
                key = (command.batch_id, command.attempt)
                if self._ejecting[:2] != key:
                    self._ejecting = (*key, {})
                self._ejecting[2][command.trade_id] = command.reason
            case t.ComposeBatch():
                ejected = self._ejecting[2] if self._ejecting[:2] == (command.batch_id, command.attempt) else {}
                self._ejecting = (0, 0, {})
                changes.composed.append(Composed(seq, command, ejected))
            case t.BatchFinal():
                changes.final_batches.append(command)
                self._moved_to(command.block, command.log_index)
            case t.LevelChanged() | t.PositionChanged() | t.MigrateWallet() | t.Adjust():
                self._moved_to(command.block, command.log_index)

    def _moved_to(self, block: int, log_index: int) -> None:
        self._changes.chain_position = (block, log_index)
        self._known_block = block

    def _read_event(self, frame: DurableFrame, commands: Any, seq: int, event: object) -> None:
        changes, at = self._changes, seq - frame.first_seq
        match event:
            case t.Trade():
                changes.trades.append((self._trade(frame, seq, event), int(commands["time_ns"][at])))
            case t.AccountOpened():
                wallet = Wallet(bytes(commands["text"][at])[:20])
                changes.wallets.append(WalletChange(event.account, ANY_ASSET, seq, wallet))
            case t.WalletMigrated(stays=1):
                changes.wallets.append(WalletChange(event.account, event.instrument, seq, None))
            case t.WalletMigrated():
                wallet = Wallet(bytes(commands["text2"][at])[:20])
                changes.wallets.append(WalletChange(event.account, ANY_ASSET, seq, wallet))
            case t.WithdrawalReady():
                changes.ready.append(Ready(seq, event.account, event.instrument, event.amount, self._known_block))
            case t.TradeSettled() if event.reason == Reason.NONE:
                changes.settled_trades.append(event.trade_id)
            case t.TradeSettled():
                changes.failed_trades.append((event.trade_id, seq))

    def _trade(self, frame: DurableFrame, seq: int, event: t.Trade) -> Trade:
        notional = event.price_ticks * event.qty_lots * self._tick_values[event.instrument]
        taker, maker = (event.account, event.taker_fee_usdc_micros), (event.maker_account, event.maker_fee_usdc_micros)
        (buyer, buyer_fee), (seller, seller_fee) = (taker, maker) if event.taker_side == t.Side.BUY else (maker, taker)
        return Trade(
            trade_id=event.trade_id,
            instrument=event.instrument,
            buyer_account=buyer,
            seller_account=seller,
            qty_lots=event.qty_lots,
            notional_usdc_micros=notional,
            buyer_fee_usdc_micros=buyer_fee,
            seller_fee_usdc_micros=seller_fee,
            seq=seq,
            frame_seq=last_seq(frame),
            frame_hash=frame.hash,
        )
