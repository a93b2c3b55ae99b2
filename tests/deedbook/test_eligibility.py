"""The check of resting orders against permissions: silent on what the engine did, loud on one changed number."""

from __future__ import annotations

from dataclasses import replace

from deedbook.eligibility import Eligibility
from engine import types as t
from engine.types import OrderType, Side, TimeInForce
from engine.wire import COMMAND, decode_commands, encode_command
from persistence.frame import DurableFrame
from tests.fixtures.market import FOREVER_NS, Market, Traffic

SELLER, LOTS = 2, 10_000


def violations(frames: list[DurableFrame]) -> list[str]:
    told = Eligibility()
    for frame in frames:
        told.frame(frame)
    return told.violations


def test_what_the_engine_did_is_within_every_permission() -> None:
    market = Market().open()
    market.send(t.SetPermission(SELLER, 1, 1, 1, FOREVER_NS, locked_lots=LOTS - 40))
    Traffic(market, seed=7).run(200)
    market.send(t.SetPermission(SELLER, 1, 1, 1, FOREVER_NS, locked_lots=LOTS))
    assert violations(list(market.frames)) == []


def test_a_sell_of_what_is_locked_up_is_named() -> None:
    market = Market().open()
    market.send(t.SetPermission(SELLER, 1, 1, 1, FOREVER_NS, locked_lots=LOTS - 40))
    permitted = len(market.frames) - 1
    market.send(t.Place(SELLER, 1, Side.SELL, OrderType.LIMIT, TimeInForce.GTC, 500, 40))
    assert violations(list(market.frames)) == []
    frame = market.frames[permitted]
    ((seq, time_ns, command),) = decode_commands(frame.commands)
    assert isinstance(command, t.SetPermission)
    forged = encode_command(replace(command, locked_lots=LOTS - 39), seq, time_ns)
    assert len(forged) == COMMAND.size
    market.frames[permitted] = replace(frame, commands=forged)
    (named,) = violations(list(market.frames))
    assert "rests without permission" in named
