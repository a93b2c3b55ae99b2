"""What the exchange counts of itself, from its frames."""

from __future__ import annotations

import re

from deedbook.measures import Measures
from engine.types import EventKind
from persistence.sequencer import Durable
from tests.fixtures.market import Market, Traffic


def value(text: str, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    assert found, name
    return float(found[1])


def test_frames_are_counted_and_the_wait_for_the_disk_measured() -> None:
    market = Market().open()
    Traffic(market, seed=1).run(frames=60)
    now_ns = market.time_ns
    measures = Measures(lambda: now_ns + 2_500_000)
    trades = 0
    for frame in market.frames:
        measures.on_durable(Durable(frame.first_seq, frame.commands, frame.events, [], frame.hash))
        trades += sum(frame.events[at] == EventKind.TRADE for at in range(8, len(frame.events), 88))
    text = measures.text()
    assert trades > 0
    assert value(text, "deedbook_trades_total") == trades
    assert value(text, "deedbook_commands_total") == value(text, "deedbook_journal_seq") == market.exchange.seq
    assert value(text, "deedbook_durable_seconds_count") == len(market.frames)
    assert value(text, 'deedbook_durable_seconds_bucket{le="0.002"}') == 0
    assert value(text, 'deedbook_durable_seconds_bucket{le="0.003"}') >= 1


def test_a_clock_that_went_back_is_no_wait() -> None:
    market = Market().open()
    measures = Measures(lambda: market.time_ns - 10**9)
    frame = market.frames[-1]
    measures.on_durable(Durable(frame.first_seq, frame.commands, frame.events, [], frame.hash))
    assert value(measures.text(), 'deedbook_durable_seconds_bucket{le="0.0001"}') == 1
