"""Commands and events as fixed-width little-endian records: the one definition (docs/wire.md is checked against it).

All commands share one layout of 160 bytes and all events one of 88, so that a batch is a plain array: it is journalled,
sent between processes and handed to the engine as it is. A kind names the slots it uses; the others are zero.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from struct import Struct
from typing import Final

import numpy as np

from engine import types as t
from engine.types import CommandKind, EventKind

COMMAND_SLOTS: Final = (
    ("seq", "Q"),
    ("time_ns", "q"),
    ("kind", "B"),
    ("side", "B"),
    ("order_type", "B"),
    ("time_in_force", "B"),
    ("instrument", "H"),
    ("self_trade", "B"),
    ("flags", "B"),
    ("account", "I"),
    ("count", "I"),
    ("a", "q"),
    ("b", "q"),
    ("c", "q"),
    ("d", "q"),
    ("e", "q"),
    ("f", "q"),
    ("g", "q"),
    ("text", "36s"),
    ("text2", "36s"),
)
EVENT_SLOTS: Final = (
    ("seq", "Q"),
    ("kind", "B"),
    ("reason", "B"),
    ("instrument", "H"),
    ("account", "I"),
    ("a", "q"),
    ("b", "q"),
    ("c", "q"),
    ("d", "q"),
    ("e", "q"),
    ("f", "q"),
    ("g", "q"),
    ("h", "q"),
    ("peer", "I"),
    ("side", "B"),
    ("flags", "B"),
    ("zero", "H"),
)
COMMAND: Final = Struct("<" + "".join(code for _, code in COMMAND_SLOTS))
EVENT: Final = Struct("<" + "".join(code for _, code in EVENT_SLOTS))
COMMAND_SIZE: Final = COMMAND.size
EVENT_SIZE: Final = EVENT.size
assert (COMMAND_SIZE, EVENT_SIZE) == (160, 88)
STAMP: Final = Struct("<Qq")  # the sequencer's part of a command: seq and time_ns

_NUMPY: Final = {"Q": "<u8", "q": "<i8", "B": "u1", "H": "<u2", "I": "<u4", "36s": "V36"}
COMMAND_DTYPE: Final = np.dtype([(name, _NUMPY[code]) for name, code in COMMAND_SLOTS])
EVENT_DTYPE: Final = np.dtype([(name, _NUMPY[code]) for name, code in EVENT_SLOTS])

# For each record: its kind, and its fields in the order of the dataclass with the slot each stands in.
_ORDER: Final = {"account": "account", "instrument": "instrument", "side": "side", "order_type": "order_type"} | {
    "time_in_force": "time_in_force",
    "price_ticks": "a",
    "qty_lots": "b",
    "quote_usdc_micros": "c",
    "expire_time_ns": "d",
    "self_trade": "self_trade",
    "client_order_id": "text",
    "stop_ticks": "f",
    "display_lots": "g",
}
_FIND: Final = {"account": "account", "instrument": "instrument"}
COMMANDS: Final[dict[type, tuple[CommandKind, dict[str, str]]]] = {
    t.Place: (CommandKind.PLACE, _ORDER),
    t.Cancel: (CommandKind.CANCEL, _FIND | {"order_id": "e", "client_order_id": "text2", "is_list": "flags"}),
    t.Amend: (CommandKind.AMEND, _FIND | {"qty_lots": "b", "order_id": "e", "client_order_id": "text2"}),
    t.Replace: (
        CommandKind.REPLACE,
        _ORDER | {"cancel_order_id": "e", "cancel_client_order_id": "text2", "place_anyway": "flags"},
    ),
    t.CancelAll: (CommandKind.CANCEL_ALL, _FIND),
    t.ListLeg: (CommandKind.LIST_LEG, _ORDER | {"leg": "flags"}),
    t.PlaceList: (CommandKind.PLACE_LIST, _FIND | {"list_kind": "flags", "list_client_order_id": "text"}),
    t.OpenAccount: (CommandKind.OPEN_ACCOUNT, {"owner": "count", "wallet": "text"}),
    t.SetPermission: (
        CommandKind.SET_PERMISSION,
        _FIND
        | {"may_buy": "side", "may_sell": "flags", "valid_until_ns": "a", "locked_lots": "d", "rules_version": "c"}
        | {"facts_hash": "text"},
    ),
    t.SetInstrument: (
        CommandKind.SET_INSTRUMENT,
        {"instrument": "instrument", "fee_account": "account", "tick_value_usdc_micros": "a", "price_ticks_max": "b"}
        | {"qty_lots_max": "c", "notional_usdc_micros_min": "d", "market_collar_bps": "e", "open_orders_max": "f"}
        | {"ownership_cap_lots": "g", "holder_cap": "count", "resale": "flags", "symbol": "text", "token": "text2"}
        | {"lot_decimals": "side"},
    ),
    t.SetFees: (CommandKind.SET_FEES, {"instrument": "instrument", "maker_fee_bps": "a", "taker_fee_bps": "b"}),
    t.SetPhase: (
        CommandKind.SET_PHASE,
        {"instrument": "instrument", "phase": "flags", "until_ns": "a", "then": "side", "ends_day": "count"},
    ),
    t.SetBands: (
        CommandKind.SET_BANDS,
        {"instrument": "instrument", "reference_ticks": "a", "static_bps": "b", "dynamic_bps": "c"}
        | {"volatility_call_ns": "d"},
    ),
    t.SetAuctions: (CommandKind.SET_AUCTIONS, {"instrument": "instrument", "period_ns": "a"}),
    t.KillSwitch: (CommandKind.KILL_SWITCH, _FIND | {"on": "flags"}),
    t.SetLimits: (
        CommandKind.SET_LIMITS,
        _FIND | {"notional_usdc_micros_max": "a", "position_lots_max": "b", "open_orders_max": "c"},
    ),
    t.ExDate: (
        CommandKind.EX_DATE,
        {"instrument": "instrument", "usdc_micros_per_lot": "a", "dividend": "text"},
    ),
    t.LevelChanged: (
        CommandKind.LEVEL_CHANGED,
        {"instrument": "instrument", "delta": "a", "level": "b", "requested": "c", "block": "d", "log_index": "e"}
        | {"cause": "flags", "wallet": "text", "transaction": "text2"},
    ),
    t.PositionChanged: (
        CommandKind.POSITION_CHANGED,
        {"instrument": "instrument", "delta_lots": "a", "level_lots": "b", "block": "d", "log_index": "e"}
        | {"wallet": "text"},
    ),
    t.MigrateWallet: (
        CommandKind.MIGRATE_WALLET,
        {"instrument": "instrument", "moved_lots": "a", "gained_lots": "f", "level": "b", "requested": "c"}
        | {"block": "d", "log_index": "e", "lost": "text", "fresh": "text2"},
    ),
    t.Adjust: (
        CommandKind.ADJUST,
        _FIND | {"level": "b", "requested": "c", "position_lots": "a", "block": "d", "log_index": "e"},
    ),
    t.EjectTrade: (
        CommandKind.EJECT_TRADE,
        {"batch_id": "a", "attempt": "b", "trade_id": "c", "reason": "flags"},
    ),
    t.ComposeBatch: (
        CommandKind.COMPOSE_BATCH,
        {"batch_id": "a", "attempt": "b", "trade_after": "c", "trade_last": "d", "ejected_count": "e"}
        | {"payload_hash": "text"},
    ),
    t.BatchFinal: (
        CommandKind.BATCH_FINAL,
        {"batch_id": "a", "block": "d", "log_index": "e", "payload_hash": "text", "transaction": "text2"},
    ),
    t.Clock: (CommandKind.CLOCK, {}),
}
_WHERE: Final = {"account": "account", "instrument": "instrument"}
_CROSSING: Final = {"instrument": "instrument", "price_ticks": "a", "volume_lots": "b", "imbalance_lots": "c"} | {
    "phase": "flags"
}
EVENTS: Final[dict[type, tuple[EventKind, dict[str, str]]]] = {
    t.Rejected: (EventKind.REJECTED, _WHERE | {"reason": "reason", "order_id": "a"}),
    t.Accepted: (
        EventKind.ACCEPTED,
        _WHERE
        | {"side": "side", "order_id": "a", "price_ticks": "b", "qty_lots": "c", "executed_lots": "d"}
        | {"open_lots": "e", "update_id": "f", "held": "g", "executed_usdc_micros": "h"},
    ),
    t.Triggered: (
        EventKind.TRIGGERED,
        _WHERE
        | {"side": "side", "order_id": "a", "price_ticks": "b", "rank": "c", "executed_lots": "d"}
        | {"open_lots": "e", "update_id": "f", "held": "g", "executed_usdc_micros": "h"},
    ),
    t.Listed: (EventKind.LISTED, _WHERE | {"list_kind": "flags", "list_id": "a", "legs": "b"}),
    t.Pending: (
        EventKind.PENDING,
        _WHERE
        | {"side": "side", "order_id": "a", "list_id": "b", "leg": "flags", "price_ticks": "c", "qty_lots": "d"}
        | {"stop_ticks": "e"},
    ),
    t.ListDone: (EventKind.LIST_DONE, _WHERE | {"list_id": "a"}),
    t.Trade: (
        EventKind.TRADE,
        {"account": "account", "maker_account": "peer", "instrument": "instrument", "taker_side": "side"}
        | {"trade_id": "a", "maker_order_id": "b", "taker_order_id": "c", "price_ticks": "d", "qty_lots": "e"}
        | {"update_id": "f", "maker_fee_usdc_micros": "g", "taker_fee_usdc_micros": "h", "flags": "flags"},
    ),
    t.Closed: (
        EventKind.CLOSED,
        _WHERE
        | {"side": "side", "reason": "reason", "order_id": "a", "unfilled_lots": "b", "executed_lots": "c"}
        | {"executed_usdc_micros": "d", "price_ticks": "e", "update_id": "f", "rested": "flags"},
    ),
    t.Amended: (
        EventKind.AMENDED,
        _WHERE
        | {"side": "side", "order_id": "a", "qty_lots": "b", "open_lots": "c", "removed_lots": "d"}
        | {"price_ticks": "e", "update_id": "f"},
    ),
    t.Repriced: (
        EventKind.REPRICED,
        _WHERE
        | {"side": "side", "order_id": "a", "price_ticks": "b", "stop_ticks": "c", "open_lots": "d"}
        | {"lowered_ticks": "e", "update_id": "f"},
    ),
    t.Prevented: (
        EventKind.PREVENTED,
        {"account": "account", "maker_account": "peer", "instrument": "instrument", "taker_side": "side"}
        | {"prevented_id": "a", "maker_order_id": "b", "taker_order_id": "c", "price_ticks": "d"}
        | {"prevented_lots": "e", "update_id": "f", "maker_qty_lots": "g", "maker_open_lots": "h"}
        | {"maker_closes": "flags"},
    ),
    t.Replenished: (
        EventKind.REPLENISHED,
        _WHERE
        | {"side": "side", "order_id": "a", "price_ticks": "b", "rank": "c", "shown_lots": "d", "update_id": "f"},
    ),
    t.Balance: (
        EventKind.BALANCE,
        _WHERE
        | {"free": "a", "held": "b", "owed_in": "c", "owed_out": "d", "requested": "e", "level": "f"}
        | {"advanced": "g", "position_lots": "h"},
    ),
    t.AccountOpened: (EventKind.ACCOUNT_OPENED, {"account": "account", "owner": "peer"}),
    t.Applied: (EventKind.APPLIED, _WHERE),
    t.PermissionEnded: (EventKind.PERMISSION_ENDED, _WHERE),
    t.PhaseChanged: (EventKind.PHASE_CHANGED, {"instrument": "instrument", "phase": "flags", "until_ns": "a"}),
    t.Indicative: (EventKind.INDICATIVE, _CROSSING | {"until_ns": "d"}),
    t.Auction: (EventKind.AUCTION, _CROSSING),
    t.WentEx: (
        EventKind.WENT_EX,
        {"instrument": "instrument", "lowered_ticks": "a", "last_price_ticks": "b", "reference_ticks": "c"},
    ),
    t.KillSwitched: (EventKind.KILL_SWITCHED, _WHERE | {"on": "flags"}),
    t.WalletMigrated: (EventKind.WALLET_MIGRATED, _WHERE | {"stays": "flags"}),
    t.WithdrawalReady: (EventKind.WITHDRAWAL_READY, _WHERE | {"amount": "a"}),
    t.Parked: (EventKind.PARKED, {"instrument": "instrument", "level": "a", "requested": "b"}),
    t.CreditingStopped: (
        EventKind.CREDITING_STOPPED,
        _WHERE | {"block": "a", "log_index": "b", "expected_level": "c", "level": "d"},
    ),
    t.TradeSettled: (
        EventKind.TRADE_SETTLED,
        {"buyer_account": "account", "seller_account": "peer", "instrument": "instrument", "reason": "reason"}
        | {"trade_id": "a", "batch_id": "b", "qty_lots": "c", "notional_usdc_micros": "d"}
        | {"buyer_fee_usdc_micros": "e", "seller_fee_usdc_micros": "f", "block": "g"},
    ),
}

_COMMAND_INDEX: Final = {name: i for i, (name, _) in enumerate(COMMAND_SLOTS)}
_EVENT_INDEX: Final = {name: i for i, (name, _) in enumerate(EVENT_SLOTS)}
_COMMAND_ZERO: Final = tuple(b"" if code.endswith("s") else 0 for _, code in COMMAND_SLOTS)
_EVENT_ZERO: Final = tuple(0 for _ in EVENT_SLOTS)
_COMMAND_TYPES: Final = {int(kind): (cls, slots) for cls, (kind, slots) in COMMANDS.items()}
_EVENT_TYPES: Final = {int(kind): (cls, slots) for cls, (kind, slots) in EVENTS.items()}
_BYTES_LENGTH: Final = {
    "wallet": 20,
    "lost": 20,
    "fresh": 20,
    "token": 20,
    "facts_hash": 32,
    "payload_hash": 32,
    "transaction": 32,
    "dividend": 16,
}


def encode_command(command: t.Command, seq: int = 0, time_ns: int = 0) -> bytes:
    """One command as its 160 bytes. Raises struct.error where a value does not fit its slot."""
    kind, slots = COMMANDS[type(command)]
    row: list[int | bytes] = list(_COMMAND_ZERO)
    row[0], row[1], row[2] = seq, time_ns, kind
    for field, slot in slots.items():
        value = getattr(command, field)
        assert not isinstance(value, bytes) or len(value) <= 36, f"{field} is longer than its slot"
        row[_COMMAND_INDEX[slot]] = value
    return COMMAND.pack(*row)


def decode_commands(records: bytes | memoryview) -> Iterator[tuple[int, int, t.Command]]:
    """The (seq, time_ns, command) of each record; ValueError for a kind that is not ours."""
    for row in COMMAND.iter_unpack(records):
        if row[2] not in _COMMAND_TYPES:
            raise ValueError(f"command kind {row[2]} is unknown")
        cls, slots = _COMMAND_TYPES[row[2]]
        values = {field: _trimmed(field, row[_COMMAND_INDEX[slot]]) for field, slot in slots.items()}
        yield row[0], row[1], cls(**values)


def encode_event(event: t.Event, seq: int) -> bytes:
    kind, slots = EVENTS[type(event)]
    row = list(_EVENT_ZERO)
    row[0], row[1] = seq, kind
    for field, slot in slots.items():
        row[_EVENT_INDEX[slot]] = getattr(event, field)
    return EVENT.pack(*row)


def decode_events(records: bytes | memoryview) -> Iterator[tuple[int, t.Event]]:
    """The (seq, event) of each record; ValueError for a kind that is not ours."""
    for row in EVENT.iter_unpack(records):
        if row[1] not in _EVENT_TYPES:
            raise ValueError(f"event kind {row[1]} is unknown")
        cls, slots = _EVENT_TYPES[row[1]]
        yield row[0], cls(**{field: row[_EVENT_INDEX[slot]] for field, slot in slots.items()})


def stamped(commands: Sequence[bytes], first_seq: int, time_ns: int) -> bytearray:
    """Join records and write consecutive seqs and one time into them, as the sequencer does."""
    batch = bytearray(b"".join(commands))
    for i in range(len(commands)):
        STAMP.pack_into(batch, i * COMMAND_SIZE, first_seq + i, time_ns)
    return batch


def _trimmed(field: str, value: int | bytes) -> int | bytes:
    if isinstance(value, int):
        return value
    length = _BYTES_LENGTH.get(field)
    return value.rstrip(b"\0") if length is None else value[:length]
