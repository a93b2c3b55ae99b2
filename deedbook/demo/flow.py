"""Recorded order flow: its rows, the file that holds them (docs/flow.md), and rows made up where there is no file."""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Final, NamedTuple, TextIO

COLUMNS: Final = ("ts_ns", "op", "order_id", "side", "price_ticks", "qty_lots")
ROWS_MAX: Final = 20_000_000
LINE_CHARS_MAX: Final = 200
NUMBER_MAX: Final = 2**53  # of an id or a time; what every reader of CSV holds exactly
PRICE_TICKS_MAX: Final = 10**9
QTY_LOTS_MAX: Final = 10**9
_WHOLE: Final = re.compile(r"0|[1-9][0-9]{0,15}").fullmatch


class Op(Enum):
    PLACE = "place"  # an order that rests
    REDUCE = "reduce"  # it gets smaller and keeps its place in the queue
    CANCEL = "cancel"  # it leaves, whole
    TAKE = "take"  # an order that trades at once with what rests, at its price or better


class FlowOrder(NamedTuple):
    """One row. `order_id` is a new one for PLACE and TAKE, a resting order's for REDUCE and CANCEL.

    is_buy       the order's own side; of a TAKE, the aggressor's.
    price_ticks  of a TAKE, its limit.
    qty_lots     PLACE and TAKE: the size; REDUCE: by how much; CANCEL: all that was left.
    """

    ts_ns: int
    op: Op
    order_id: int
    is_buy: bool
    price_ticks: int
    qty_lots: int


class FlowError(ValueError):
    """The file is no order flow; one sentence that names the line."""


def read_flow(path: Path, rows_max: int = ROWS_MAX) -> list[FlowOrder]:
    """The first `rows_max` rows of a gzip CSV file. FlowError for what is wrong in them, OSError for the file."""
    try:
        with gzip.open(path, "rt", encoding="ascii", newline="") as file:
            return list(_rows(file, rows_max))
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise FlowError(f"{path.name} is no whole gzip file: {error}.") from None
    except UnicodeDecodeError:
        raise FlowError(f"{path.name} holds characters other than ASCII.") from None


def _rows(file: TextIO, rows_max: int) -> Iterator[FlowOrder]:
    lines = csv.reader(_bounded(file), quoting=csv.QUOTE_NONE)
    header = next(lines, None)
    if header != list(COLUMNS):
        raise FlowError(f"Line 1: the header must be {','.join(COLUMNS)}.")
    resting: dict[int, tuple[bool, int]] = {}  # side and price by the id of every order placed
    taken: set[int] = set()
    last_ns = 0
    for line, fields in enumerate(lines, 2):
        if line - 2 >= rows_max:
            return
        row = _row(line, fields)
        if row.ts_ns < last_ns:
            raise FlowError(f"Line {line}: ts_ns goes back from {last_ns} to {row.ts_ns}.")
        last_ns = row.ts_ns
        _check_order(line, row, resting, taken)
        yield row


def _bounded(file: TextIO) -> Iterator[str]:
    """Lines of a bounded length, so that a file without line ends cannot fill the memory."""
    number = 0
    while line := file.readline(LINE_CHARS_MAX):
        number += 1
        if len(line) == LINE_CHARS_MAX and not line.endswith("\n"):
            raise FlowError(f"Line {number}: longer than {LINE_CHARS_MAX} characters.")
        yield line


def _row(line: int, fields: list[str]) -> FlowOrder:
    if len(fields) != len(COLUMNS):
        raise FlowError(f"Line {line}: {len(fields)} fields instead of {len(COLUMNS)}.")
    ts_ns, op, order_id, side, price_ticks, qty_lots = fields
    if op not in _OPS:
        raise FlowError(f"Line {line}: unknown op {op!r}; it must be {', '.join(_OPS)}.")
    if side not in ("B", "S"):
        raise FlowError(f"Line {line}: unknown side {side!r}; it must be B or S.")
    return FlowOrder(
        _whole(line, "ts_ns", ts_ns, 0, NUMBER_MAX),
        _OPS[op],
        _whole(line, "order_id", order_id, 1, NUMBER_MAX),
        side == "B",
        _whole(line, "price_ticks", price_ticks, 1, PRICE_TICKS_MAX),
        _whole(line, "qty_lots", qty_lots, 1, QTY_LOTS_MAX),
    )


def _whole(line: int, name: str, text: str, least: int, most: int) -> int:
    if not _WHOLE(text) or not least <= int(text) <= most:
        raise FlowError(f"Line {line}: {name} must be a whole number from {least} to {most}, not {text[:40]!r}.")
    return int(text)


def _check_order(line: int, row: FlowOrder, resting: dict[int, tuple[bool, int]], taken: set[int]) -> None:
    """That a new id is new, and that what is changed was placed, on that side and at that price."""
    if row.op in (Op.PLACE, Op.TAKE):
        if row.order_id in resting or row.order_id in taken:
            raise FlowError(f"Line {line}: order_id {row.order_id} is used a second time.")
        if row.op is Op.TAKE:
            taken.add(row.order_id)
        else:
            resting[row.order_id] = (row.is_buy, row.price_ticks)
    elif resting.get(row.order_id) != (row.is_buy, row.price_ticks):
        raise FlowError(f"Line {line}: {row.op.value} of order {row.order_id}, which was not placed so.")


_OPS: Final = {op.value: op for op in Op}
