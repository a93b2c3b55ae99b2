"""Reading order flow: what is right is read exactly, what is wrong is named by its line."""

from __future__ import annotations

import gzip
import json
import os
from collections import Counter
from pathlib import Path

import pytest

from deedbook.demo.flow import FlowError, FlowOrder, Op, read_flow
from deedbook.demo.flow_book import FlowBook
from deedbook.demo.flow_synthetic import synthetic_flow

ROOT = Path(__file__).resolve().parents[3]
HEADER = "ts_ns,op,order_id,side,price_ticks,qty_lots\n"
GOOD = "5,place,1,B,100,10\n5,place,2,S,101,7\n6,reduce,1,B,100,4\n7,take,9,S,100,2\n8,cancel,1,B,100,4\n"


def packed(path: Path, text: str) -> Path:
    path.write_bytes(gzip.compress(text.encode()))
    return path


def test_a_small_file_is_read_exactly(tmp_path: Path) -> None:
    rows = read_flow(packed(tmp_path / "flow.csv.gz", HEADER + GOOD))
    assert rows == [
        FlowOrder(5, Op.PLACE, 1, True, 100, 10),
        FlowOrder(5, Op.PLACE, 2, False, 101, 7),
        FlowOrder(6, Op.REDUCE, 1, True, 100, 4),
        FlowOrder(7, Op.TAKE, 9, False, 100, 2),
        FlowOrder(8, Op.CANCEL, 1, True, 100, 4),
    ]
    assert read_flow(tmp_path / "flow.csv.gz", rows_max=2) == rows[:2]
    assert read_flow(packed(tmp_path / "none.csv.gz", HEADER)) == []


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "Line 1: the header must be"),
        ("ts_ns,op,order_id,side,price_ticks\n", "Line 1: the header must be"),
        (HEADER + "5,place,1,B,100\n", "Line 2: 5 fields instead of 6"),
        (HEADER + GOOD + "\n", "Line 7: 0 fields instead of 6"),
        (HEADER + GOOD + "9,plcae,3,B,100,1\n", "Line 7: unknown op 'plcae'; it must be place, reduce, cancel, take"),
        (HEADER + GOOD + "9,PLACE,3,B,100,1\n", "Line 7: unknown op 'PLACE'"),
        (HEADER + "5,place,1,b,100,1\n", "Line 2: unknown side 'b'"),
        (HEADER + "-5,place,1,B,100,1\n", "Line 2: ts_ns must be a whole number from 0 to 9007199254740992, not '-5'"),
        (HEADER + "5,place,0,B,100,1\n", "Line 2: order_id must be a whole number from 1"),
        (HEADER + "5,place,1,B,0,1\n", "Line 2: price_ticks must be"),
        (HEADER + "5,place,1,B,1e3,1\n", "Line 2: price_ticks must be"),
        (HEADER + "5,place,1,B,1.5,1\n", "Line 2: price_ticks must be"),
        (HEADER + "5,place,1,B,007,1\n", "Line 2: price_ticks must be"),
        (HEADER + "5,place,1,B,100,1000000001\n", "Line 2: qty_lots must be"),
        (HEADER + "5,place,1,B,100, 1\n", "Line 2: qty_lots must be"),
        (HEADER + "5,place,1,B,100,99999999999999999999\n", "Line 2: qty_lots must be"),
        (HEADER + '5,place,1,B,100,"1"\n', "Line 2: qty_lots must be"),
        (HEADER + GOOD + "7,place,3,B,100,1\n", "Line 7: ts_ns goes back from 8 to 7"),
        (HEADER + GOOD + "9,place,1,B,100,1\n", "Line 7: order_id 1 is used a second time"),
        (HEADER + GOOD + "9,take,9,B,100,1\n", "Line 7: order_id 9 is used a second time"),
        (HEADER + GOOD + "9,place,9,B,100,1\n", "Line 7: order_id 9 is used a second time"),
        (HEADER + GOOD + "9,cancel,3,B,100,1\n", "Line 7: cancel of order 3, which was not placed so"),
        (HEADER + GOOD + "9,cancel,2,B,101,1\n", "Line 7: cancel of order 2, which was not placed so"),
        (HEADER + GOOD + "9,reduce,2,S,102,1\n", "Line 7: reduce of order 2, which was not placed so"),
        (HEADER + "9" * 300 + "\n", "Line 2: longer than 200 characters"),
        (HEADER + "5,place,1,B,100,\u0661\n", "holds characters other than ASCII"),
    ],
)
def test_what_is_wrong_is_named_by_its_line(tmp_path: Path, text: str, error: str) -> None:
    with pytest.raises(FlowError, match=error):
        read_flow(packed(tmp_path / "flow.csv.gz", text))


def test_a_file_that_is_cut_or_not_packed_is_named(tmp_path: Path) -> None:
    path = packed(tmp_path / "flow.csv.gz", HEADER + GOOD)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(FlowError, match=r"flow.csv.gz is no whole gzip file"):
        read_flow(path)
    path.write_text(HEADER + GOOD)
    with pytest.raises(FlowError, match=r"flow.csv.gz is no whole gzip file"):
        read_flow(path)


def as_text(rows: list[FlowOrder]) -> str:
    return "".join(
        f"{row.ts_ns},{row.op.value},{row.order_id},{'B' if row.is_buy else 'S'},{row.price_ticks},{row.qty_lots}\n"
        for row in rows
    )


def replay(rows: list[FlowOrder]) -> Counter[str]:
    """What the rows do to a book, in the words of the recording's own check."""
    book, counts = FlowBook(), Counter[str]()
    for row in rows:
        if row.op is Op.PLACE:
            counts["places_that_would_cross"] += book.would_cross(row)
        elif row.op is not Op.TAKE:
            order = book.orders.get(row.order_id)
            counts["reduce_or_cancel_of_unknown_order"] += order is None
            if order is not None and row.op is Op.CANCEL:
                counts["cancel_qty_differs_from_remaining"] += order.open_lots != row.qty_lots
            if order is not None and row.op is Op.REDUCE:
                counts["reduce_not_smaller_than_remaining"] += order.open_lots <= row.qty_lots
        filled_lots = sum(fill.qty_lots for fill in book.apply(row))
        if row.op is Op.TAKE:
            counts["takes_filled_fully_within_price"] += filled_lots == row.qty_lots
            counts["unfilled_take_lots"] += row.qty_lots - filled_lots
            counts["total_take_lots"] += row.qty_lots
        counts["max_resting_orders"] = max(counts["max_resting_orders"], len(book.orders))
    counts["resting_orders_at_end"] = len(book.orders)
    return counts


def test_made_up_flow_is_what_a_recording_is_and_survives_the_file(tmp_path: Path) -> None:
    rows = synthetic_flow(seed=3, events=3_000)
    assert rows == synthetic_flow(seed=3, events=3_000)
    assert rows[:500] == synthetic_flow(seed=3, events=500)
    assert rows != synthetic_flow(seed=4, events=3_000)
    assert read_flow(packed(tmp_path / "flow.csv.gz", HEADER + as_text(rows))) == rows
    assert {row.op for row in rows} == set(Op)
    counts = replay(rows)
    wrong = ("places_that_would_cross", "reduce_or_cancel_of_unknown_order", "unfilled_take_lots")
    assert [counts[name] for name in wrong] == [0, 0, 0]
    assert counts["cancel_qty_differs_from_remaining"] == counts["reduce_not_smaller_than_remaining"] == 0
    assert counts["takes_filled_fully_within_price"] > 100


def recordings() -> list[Path]:
    named = os.environ.get("DEEDBOOK_FLOW")
    return [Path(named)] if named else sorted((ROOT / "../shared/data").glob("*.csv.gz"))


def test_a_recording_does_to_a_book_what_its_description_says() -> None:
    found = [path for path in recordings() if path.with_suffix("").with_suffix(".json").is_file()]
    if not found:
        pytest.skip("no recorded order flow with a description in ../shared/data or DEEDBOOK_FLOW")
    for path in found:
        described = json.loads(path.with_suffix("").with_suffix(".json").read_text())
        rows = read_flow(path)
        ops = Counter(row.op.value for row in rows)
        assert ops | {"events": len(rows)} == {name: described["counts"][name] for name in (*ops, "events")}
        counts = replay(rows)
        assert {name: described["replay_check"][name] for name in counts} == counts
