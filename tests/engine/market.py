"""The engine and the oracle side by side, and what must hold of the market after every command."""

from __future__ import annotations

from collections import Counter
from dataclasses import astuple, replace

from engine import types as t
from engine.exchange import Exchange
from engine.types import Phase, Side
from engine.wire import decode_commands, decode_events, encode_command
from tests.engine.facts import market_state
from tests.engine.oracle import Oracle


class Pair:
    """Gives each command to both and compares; `commands` and `events` are the records so far."""

    def __init__(self) -> None:
        self.engine, self.oracle = Exchange(), Oracle()
        self.time_ns = 0
        self.commands: list[bytes] = []
        self.events: list[bytes] = []
        self._levels: Counter[int] = Counter()

    def apply(self, command: t.Command) -> list[t.Event]:
        seq = self.engine.seq + 1
        record = encode_command(command, seq, self.time_ns)
        answer = self.engine.apply(record)
        self.commands.append(record)
        self.events.append(answer)
        events = [event for _, event in decode_events(answer)]
        assert {event_seq for event_seq, _ in decode_events(answer)} <= {seq}
        ((_, _, as_sent),) = decode_commands(record)  # hashes and addresses at their full length
        expected = self.oracle.apply(seq, self.time_ns, as_sent)
        assert events == expected, difference(seq, self.time_ns, command, events, expected)
        self.check(command)
        return events

    def check_state(self) -> None:
        """What the engine shows of itself is what the oracle knows; costs as much as many commands."""
        state = self.engine.state()
        used = tuple(balance for balance in state.balances if any(astuple(balance)[2:]))
        assert replace(state, balances=used) == market_state(self.oracle)

    def check(self, command: t.Command) -> None:
        state = self.engine.state()
        check_market(state)
        levels: Counter[int] = Counter()
        for balance in state.balances:
            levels[balance.instrument] += balance.level
        credits_levels = isinstance(command, t.LevelChanged | t.Adjust | t.OpenAccount | t.MigrateWallet)
        assert credits_levels or levels == self._levels, "levels appeared or went without the chain's word"
        self._levels = levels


def difference(seq: int, time_ns: int, command: t.Command, events: list[t.Event], expected: list[t.Event]) -> str:
    lines = [f"seq {seq} at {time_ns}: {command}"]
    for i in range(max(len(events), len(expected))):
        engine = events[i] if i < len(events) else None
        oracle = expected[i] if i < len(expected) else None
        lines += [f"  both   {engine}"] if engine == oracle else [f"  engine {engine}", f"  oracle {oracle}"]
    return "\n".join(lines)


def check_market(state: t.MarketState) -> None:
    """What holds in every state: the identity, what is owed, eligibility and the books."""
    owed: Counter[int] = Counter()
    for balance in state.balances:
        assert balance.level + balance.advanced == sum(
            (balance.free, balance.held, balance.requested, balance.owed_out)
        ), balance
        assert min(balance.held, balance.owed_in, balance.owed_out, balance.requested, balance.advanced) >= 0, balance
        owed[balance.instrument] += balance.owed_in - balance.owed_out
    assert not any(owed.values()), f"more is owed to some than by others: {owed}"
    frees = {(each.account, each.instrument): each.free for each in state.balances}
    permissions = {(each.account, each.instrument): each for each in state.permissions}
    bids: dict[int, int] = {}
    asks: dict[int, int] = {}
    for order in state.orders:
        assert 0 < order.open_lots <= order.qty_lots, order
        assert 0 <= order.hidden_lots < order.open_lots, order
        assert order.hidden_lots == 0 or order.open_lots - order.hidden_lots <= order.display_lots, order
        assert order.time_in_force != t.TimeInForce.GTD or order.expire_time_ns > state.time_ns, order
        if order.pending:
            continue  # it is judged again when it is placed
        permission = permissions[order.account, order.instrument]
        allowed = permission.may_buy if order.side == Side.BUY else permission.may_sell
        assert allowed, (order, permission)
        assert permission.valid_until_ns > state.time_ns, (order, permission)
        if order.side == Side.SELL:
            assert permission.locked_lots <= frees[order.account, order.instrument], (order, permission)
        if order.stop_ticks and order.rank == order.order_id:
            continue  # it waits
        if order.side == Side.BUY:
            bids[order.instrument] = max(order.price_ticks, bids.get(order.instrument, 0))
        else:
            asks[order.instrument] = min(order.price_ticks, asks.get(order.instrument, order.price_ticks))
    trading = [i + 1 for i, each in enumerate(state.instruments) if each.phase in (Phase.CONTINUOUS, Phase.LIMIT_ONLY)]
    for instrument in bids.keys() & asks.keys() & set(trading):
        assert bids[instrument] < asks[instrument], f"book {instrument} is crossed"
