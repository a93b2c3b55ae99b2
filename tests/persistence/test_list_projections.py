"""Order lists in the tables, from the engine's events by hand."""

from __future__ import annotations

from collections.abc import Sequence

from engine import types as t
from engine.types import Reason
from engine.wire import encode_command, encode_event, stamped
from persistence.comparison import compare
from persistence.database import Pool
from persistence.history import legs_of, list_by_client_id, list_by_id, lists_of, order_by_id
from persistence.projections import Projector
from tests.fixtures.market import DurableFrame, Market

TRADER, SELLER = 2, 3
Happened = tuple[t.Command, Sequence[t.Event]]


def frame(before: DurableFrame, *happened: Happened) -> DurableFrame:
    first_seq = before.first_seq + len(before.commands) // 160
    commands = stamped([encode_command(command) for command, _ in happened], first_seq, 1_000 * first_seq)
    events = b"".join(
        encode_event(event, seq) for seq, (_, events) in enumerate(happened, first_seq) for event in events
    )
    return DurableFrame(first_seq, bytes(commands), events, bytes(32))


def leg(number: int, side: int, order_type: int, price: int, stop: int = 0) -> Happened:
    time_in_force = t.TimeInForce.IOC if order_type == t.OrderType.STOP_LOSS else t.TimeInForce.GTC
    told = t.ListLeg(
        *(TRADER, 1, side, order_type, time_in_force, price, 5),
        client_order_id=b"leg-%d" % number,
        stop_ticks=stop,
        leg=number,
    )
    return told, [t.Applied(TRADER, 1)]


def placed(first: int) -> list[Happened]:
    """A buy that waits to be filled, then a limit sell and a stop of what was bought."""
    events: list[t.Event] = [
        t.Listed(TRADER, 1, t.ListKind.OTOCO, first, 3),
        t.Pending(TRADER, 1, t.Side.SELL, first + 1, first, 2, 60, 5, 0),
        t.Pending(TRADER, 1, t.Side.SELL, first + 2, first, 3, 0, 5, 40),
        t.Accepted(TRADER, 1, t.Side.BUY, first, 50, 5, 0, 5, 1, 5, 0),
    ]
    return [
        leg(1, t.Side.BUY, t.OrderType.LIMIT, 50),
        leg(2, t.Side.SELL, t.OrderType.LIMIT_MAKER, 60),
        leg(3, t.Side.SELL, t.OrderType.STOP_LOSS, 0, 40),
        (t.PlaceList(TRADER, 1, t.ListKind.OTOCO, b"three"), events),
    ]


def filled(first: int) -> Happened:
    sold = t.Place(SELLER, 1, t.Side.SELL, t.OrderType.LIMIT, t.TimeInForce.GTC, 50, 5)
    events: list[t.Event] = [
        t.Accepted(SELLER, 1, t.Side.SELL, first + 3, 50, 5, 5, 0, 0, 0, 250),
        t.Trade(SELLER, TRADER, 1, t.Side.SELL, 1, first, first + 3, 50, 5, 2, 0, 0, t.TradeFlag.MAKER_FILLED),
        t.Triggered(TRADER, 1, t.Side.SELL, first + 1, 60, first + 4, 0, 5, 3, 5, 0),
        t.Accepted(TRADER, 1, t.Side.SELL, first + 2, 38, 5, 0, 0, 0, 5, 0),
    ]
    return sold, events


def triggered(first: int) -> Happened:
    """The price falls, the stop sells what it can, and the list is done."""
    events: list[t.Event] = [
        t.Closed(TRADER, 1, t.Side.SELL, Reason.LIST_LEG_DONE, first + 1, 5, 0, 0, 60, 4, 1),
        t.Triggered(TRADER, 1, t.Side.SELL, first + 2, 38, first + 5, 0, 0, 0, 0, 0),
        t.Closed(TRADER, 1, t.Side.SELL, Reason.NO_LIQUIDITY, first + 2, 5, 0, 0, 38, 0, 0),
        t.ListDone(TRADER, 1, first),
    ]
    return t.Clock(), events


async def states(pool: Pool, first: int) -> list[tuple[str, bool]]:
    rows = await pool.fetch("SELECT status, is_pending FROM orders WHERE list_id = $1 ORDER BY order_id", first)
    return [tuple(row) for row in rows]


async def test_a_list_and_its_legs_are_rows_from_the_first_event_to_the_last(pool: Pool) -> None:
    market = Market().open()
    first = market.exchange.state().last_order_id + 1
    frames = list(market.frames)
    seen = []
    for happened in (placed(first), [filled(first)], [triggered(first)]):
        frames.append(frame(frames[-1], *happened))
        await (await Projector.open(pool)).apply(frames)
        seen.append((await states(pool, first), (await lists_of(pool, TRADER))[0].done_seq))
    done_seq = frames[-1].first_seq
    assert seen == [
        ([("OPEN", False), ("OPEN", True), ("OPEN", True)], 0),
        ([("FILLED", False), ("OPEN", False), ("OPEN", False)], 0),
        ([("FILLED", False), ("CLOSED", False), ("CLOSED", False)], done_seq),
    ]
    stop = await order_by_id(pool, TRADER, first + 2)
    assert stop is not None
    assert (stop.order_type, stop.stop_ticks, stop.price_ticks, stop.list_id) == (t.OrderType.STOP_LOSS, 40, 38, first)
    assert (await compare(pool, frames)).differences == []


async def test_a_list_is_found_by_its_number_by_its_id_and_by_the_time_of_its_last_change(pool: Pool) -> None:
    market = Market().open()
    first = market.exchange.state().last_order_id + 1
    frames = [*market.frames, frame(market.frames[-1], *placed(first), filled(first), triggered(first))]
    await (await Projector.open(pool)).apply(frames)
    found = await list_by_id(pool, TRADER, first)
    assert found is not None
    assert (found.list_kind, found.legs, found.list_client_order_id) == (t.ListKind.OTOCO, 3, b"three")
    assert await list_by_client_id(pool, TRADER, b"three") == found
    assert await list_by_id(pool, SELLER, first) is await list_by_client_id(pool, TRADER, b"") is None
    assert found.done_seq == found.listed_seq + 2
    assert await lists_of(pool, TRADER, from_list_id=first, start_ns=found.done_ns) == [found]
    assert await lists_of(pool, TRADER, end_ns=found.done_ns - 1) == []
    assert await lists_of(pool, TRADER, from_list_id=first + 1) == []
    legs = [(first, b"leg-1"), (first + 1, b"leg-2"), (first + 2, b"leg-3")]
    assert await legs_of(pool, [found]) == {first: legs}
    assert (await compare(pool, frames)).differences == []
