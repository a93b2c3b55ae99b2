"""Seeded random commands in a market so small that everything meets everything.

Six wallets of four owners, two instruments, prices to 12 ticks, quantities to 9 lots. The generator looks at the oracle
to know what stands, so that most commands make sense; one in twenty is hostile. It plays the chain as the contracts
are: a position covers its lock, and a batch that would overdraw a level is never mined.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from hashlib import sha256
from random import Random
from typing import TypeVar

from engine import types as t
from engine.types import OrderType, Phase, Reason, SelfTrade, Side, TimeInForce
from tests.engine.facts import Order, Slot
from tests.engine.list_maker import HOSTILE, legs_of, spoiled
from tests.engine.oracle import Oracle
from tests.engine.oracle_closing import INDICATIVE_DELAY_NS
from tests.engine.oracle_orders import RESTING
from tests.engine.oracle_terms import ICEBERGS

Changed = TypeVar("Changed", bound=t.Command)
OWNERS = (1, 2, 2, 3, 3, 4)  # account 1 takes the fees
WALLETS = tuple(bytes([number]) * 20 for number in range(1, len(OWNERS) + 3))  # two are linked late or never
NEW_WALLETS = tuple(bytes([number]) * 20 for number in range(101, 106))  # that lost ones are recovered to
CLIENT_IDS = (*(b"",) * 25, b"a", b"b", b"c", b"d" * t.CLIENT_ORDER_ID_BYTES, *(b"%d" % i for i in range(20)))


def terms(instrument: int, random: Random) -> t.SetInstrument:
    return t.SetInstrument(
        instrument=instrument,
        fee_account=1,
        tick_value_usdc_micros=3,
        price_ticks_max=random.choices((12, 9), (95, 5))[0],
        qty_lots_max=random.choices((9, 7), (95, 5))[0],
        notional_usdc_micros_min=random.choice((0, 3, 7)),
        market_collar_bps=random.choice((0, 2_000, 5_000, 9_999)),
        open_orders_max=random.choice((3, 8, 8)),
        ownership_cap_lots=random.choices((0, 50, 80), (80, 10, 10))[0],
        holder_cap=random.choices((0, 3, 4), (60, 20, 20))[0],
        resale=random.choice((0, 1, 1)),
        symbol=b"TEST%dUSDC" % instrument,
        token=bytes([instrument]) * 20,
    )


class Generator:
    """`setup` first, then `command` again and again; both look at the oracle as it stands."""

    def __init__(self, seed: int, oracle: Oracle) -> None:
        self.random = Random(seed)
        self.oracle = oracle
        self._coming: list[Callable[[], t.Command]] = []  # what the chain says next, the last one first
        self._kinds: dict[Callable[[], t.Command], int] = {
            self.place: 60,
            self.cancel: 8,
            self.amend: 6,
            self.replace: 6,
            self.cancel_all: 1,
            self.order_list: 6,
            self.permission: 5,
            self.instrument: 2,
            self.fees: 1,
            self.phase: 4,
            self.auctions: 1,
            self.bands: 2,
            self.account: 1,
            self.kill_switch: 1,
            self.limits: 1,
            self.ex_date: 1,
            self.level: 8,
            self.position: 2,
            self.recovery: 1,
            self.adjust: 1,
            self.batch: 10,
            t.Clock: 1,
        }

    def time_step_ns(self) -> int:
        day = t.CLIENT_ORDER_ID_KEPT_NS
        return self.random.choices((0, 1, 5, INDICATIVE_DELAY_NS, day), (30, 60, 10, 1, 0.05))[0]

    def setup(self) -> Iterator[t.Command]:
        random = self.random
        for owner, wallet in zip(OWNERS, WALLETS, strict=False):
            yield t.OpenAccount(owner, wallet)
        for instrument in (1, 2):
            yield terms(instrument, random)
            yield t.SetFees(instrument, random.choice((0, 10, 333)), random.choice((0, 25, 1_000)))
            for account in range(1, len(OWNERS) + 1):
                yield t.SetPermission(account, instrument, 1, 1, t.INT64_MAX)
        for wallet in WALLETS[1:]:
            for asset in (t.USDC, 1, 2):
                amount = random.randint(0, 60) if asset else random.randint(0, 5_000)
                if asset:
                    yield t.PositionChanged(asset, amount, amount, *self._next_position(), wallet)
                yield self._level_to(wallet, asset, amount, 0, t.LevelCause.DEPOSIT)

    def command(self) -> t.Command:
        if self._coming:
            return self._coming.pop()()
        if self.oracle.crediting_stopped and self.random.random() < 0.1:
            return self.adjust()
        phases = [self.oracle.venue_phase, *(each.phase for each in self.oracle.listings)]
        standing = [i for i, phase in enumerate(phases) if phase in (Phase.CANCEL_ONLY, Phase.HALT, Phase.PRE_OPEN)]
        if standing and self.random.random() < 0.15:
            return t.SetPhase(self.random.choice(standing), Phase.CONTINUOUS)
        if self.oracle.killed and self.random.random() < 0.15:
            return t.KillSwitch(*self.random.choice(sorted(self.oracle.killed)), 0)
        made = self.random.choices(tuple(self._kinds), tuple(self._kinds.values()))[0]()
        return self._hostile(made) if self.random.random() < 0.05 else made

    def _hostile(self, command: t.Command) -> t.Command:
        """One number of a trader's or an operator's command is something that nobody expects."""
        named = {
            t.Place: ("price_ticks", "qty_lots", "quote_usdc_micros", "expire_time_ns", "stop_ticks", "display_lots"),
            t.Cancel: ("order_id",),
            t.Amend: ("qty_lots", "order_id"),
            t.Replace: ("price_ticks", "qty_lots", "cancel_order_id", "expire_time_ns", "stop_ticks", "display_lots"),
            t.SetPermission: ("valid_until_ns", "locked_lots"),
            t.SetPhase: ("until_ns",),
            t.SetAuctions: ("period_ns",),
            t.SetBands: ("reference_ticks", "static_bps", "dynamic_bps", "volatility_call_ns"),
            t.SetFees: ("maker_fee_bps", "taker_fee_bps"),
            t.Adjust: ("level", "requested", "position_lots", "block"),
            t.ExDate: ("usdc_micros_per_lot",),
            t.SetLimits: ("notional_usdc_micros_max", "position_lots_max", "open_orders_max"),
            t.MigrateWallet: ("moved_lots", "gained_lots", "level", "requested"),
            t.ComposeBatch: ("batch_id", "attempt", "trade_after", "trade_last", "ejected_count"),
            t.BatchFinal: ("batch_id", "block"),
            t.EjectTrade: ("batch_id", "attempt", "trade_id"),
            t.SetInstrument: (
                *("tick_value_usdc_micros", "price_ticks_max", "qty_lots_max", "notional_usdc_micros_min"),
                *("market_collar_bps", "open_orders_max", "ownership_cap_lots"),
            ),
        }.get(type(command))
        if named is None or (isinstance(command, t.Adjust) and self.oracle.crediting_stopped):
            return command
        changed = with_changes(command, {self.random.choice(named): self.random.choice(HOSTILE)})
        if isinstance(changed, t.Adjust | t.BatchFinal) and is_harmful(changed):
            return command
        if self.random.random() < 0.3 and isinstance(changed, t.Place | t.Replace):
            small = {"side": 2, "order_type": 8, "time_in_force": 6, "self_trade": 5}
            name = self.random.choice(sorted(small))
            changed = with_changes(changed, {name: self.random.choice((0, small[name], 255))})
        return changed

    # -- traders

    def _account(self) -> int:
        return self.random.choices((self.random.randint(2, len(OWNERS)), 1, 0, 99), (96, 2, 1, 1))[0]

    def _instrument(self) -> int:
        return self.random.choices((1, 2, 0, 9), (80, 18, 1, 1))[0]

    def place(self) -> t.Place:
        random = self.random
        order_type = random.choices(list(OrderType), (64, 12, 8, 4, 5, 3, 4))[0]
        time_in_force = random.choices(list(TimeInForce), (60, 10, 6, 14, 10))[0]
        names_no_limit = order_type in (OrderType.MARKET, OrderType.STOP_LOSS, OrderType.TAKE_PROFIT)
        if names_no_limit and random.random() < 0.97:
            time_in_force = TimeInForce.IOC
        is_market, by_quote = order_type == OrderType.MARKET, random.random() < 0.5
        price_ticks = random.choices((random.randint(5, 9), random.randint(0, 13)), (80, 20))[0]
        may_hide = order_type in ICEBERGS and time_in_force in RESTING and random.random() < 0.3
        return t.Place(
            account=self._account(),
            instrument=self._instrument(),
            side=random.choice(list(Side)),
            order_type=order_type,
            time_in_force=time_in_force,
            price_ticks=0 if names_no_limit else price_ticks,
            qty_lots=0 if is_market and by_quote else random.randint(1, 9),
            quote_usdc_micros=random.randint(1, 400) if is_market and by_quote else 0,
            expire_time_ns=self.oracle.time_ns + random.randint(0, 40) if time_in_force == TimeInForce.GTD else 0,
            self_trade=random.choices(list(SelfTrade), (50, 10, 10, 10, 20))[0],
            client_order_id=random.choice(CLIENT_IDS),
            stop_ticks=random.randint(0, 13) if order_type >= OrderType.STOP_LOSS else 0,
            display_lots=random.randint(1, 4) if may_hide else 0,
        )

    def _target(self) -> tuple[int, int, int, bytes, Order | None]:
        """Account, instrument, order id, client id: mostly of an open order, sometimes of none."""
        resting = self.oracle.open_orders()
        if not resting or self.random.random() < 0.1:
            order_id = self.random.randint(0, self.oracle.last_order_id + 1)
            return self._account(), self._instrument(), order_id, self.random.choice(CLIENT_IDS), None
        order = self.random.choice(resting)
        name = order.terms.client_order_id
        by_name = name and self.random.random() < 0.4
        return order.terms.account, order.terms.instrument, 0 if by_name else order.order_id, name, order

    def cancel(self) -> t.Cancel:
        lists, random = self.oracle.open_lists(), self.random
        if lists and random.random() < 0.3:
            each = random.choice(lists)
            by_name = each.terms.list_client_order_id and random.random() < 0.4
            ids = (0 if by_name else each.list_id + random.choice((0, 0, 1, 2)), each.terms.list_client_order_id)
            return t.Cancel(each.terms.account, each.terms.instrument, *ids, random.choice((0, 1)))
        account, instrument, order_id, name, _ = self._target()
        return t.Cancel(account, instrument, order_id, name, random.choices((0, 1), (95, 5))[0])

    def order_list(self) -> t.ListLeg:
        """The first leg; the others and the list come next. One in ten has something wrong."""
        random = self.random
        kind = random.choice((*t.ListKind, t.ListKind.OCO))
        account, instrument = self._account(), self._instrument()
        legs = legs_of(kind, random)
        said = list(range(1, len(legs) + 1))
        whole = t.PlaceList(account, instrument, kind, random.choice((b"", b"", *CLIENT_IDS)))
        if random.random() < 0.1:
            at = random.randrange(len(legs))
            match random.randrange(6):
                case 0:
                    said[at] = random.choice((0, 1, 2, 4))
                case 1:
                    whole = with_changes(whole, {"list_kind": random.choice((0, 1, 2, 3, 4))})
                case 2:
                    whole = with_changes(whole, {"instrument": 3 - instrument if instrument in (1, 2) else 1})
                case _:
                    legs[at] = spoiled(legs[at], random)
        where: dict[str, int | bytes] = {"account": account, "instrument": instrument}
        commands: list[t.Command] = [
            with_changes(leg, where | {"leg": number, "client_order_id": random.choice(CLIENT_IDS)})
            for leg, number in zip(legs, said, strict=True)
        ]
        self._coming += [lambda command=command: command for command in reversed([*commands[1:], whole])]  # type: ignore[misc]
        first = commands[0]
        assert isinstance(first, t.ListLeg)
        return first

    def amend(self) -> t.Amend:
        account, instrument, order_id, name, order = self._target()
        qty_lots = self.random.randint(0, order.qty_lots if order else 5)
        return t.Amend(account, instrument, qty_lots, order_id, name)

    def replace(self) -> t.Replace:
        account, instrument, order_id, name, _ = self._target()
        new = self.place()
        return t.Replace(
            *(account, instrument, new.side, new.order_type, new.time_in_force, new.price_ticks, new.qty_lots),
            *(new.quote_usdc_micros, new.expire_time_ns, new.self_trade, new.client_order_id, new.stop_ticks),
            *(new.display_lots, order_id, name, self.random.choice((0, 0, 1))),
        )

    def cancel_all(self) -> t.CancelAll:
        return t.CancelAll(self._account(), self.random.choice((t.VENUE, self._instrument())))

    # -- operators

    def permission(self) -> t.SetPermission:
        random, now = self.random, self.oracle.time_ns
        may_buy, may_sell = random.choices(((1, 1), (0, 0), (0, 1), (1, 0), (1, 2)), (88, 2, 5, 5, 1))[0]
        until = random.choices((t.INT64_MAX, now + random.randint(0, 60), 0), (85, 12, 3))[0]
        locked = random.choices((0, random.randint(0, 60)), (60, 40))[0]
        where = (self._account(), self._instrument())
        return t.SetPermission(*where, may_buy, may_sell, until, locked, random.randint(0, 3), random.randbytes(32))

    def instrument(self) -> t.SetInstrument:
        made = terms(self.random.choice((1, 1, 2)), self.random)
        changes: tuple[dict[str, int | bytes], ...] = (
            {"instrument": 0},
            {"instrument": 9, "fee_account": 77},
            {"instrument": 3, "fee_account": 77},
            {"fee_account": 0},
            {"fee_account": 2},
            {"symbol": b"OTHER"},
            {"symbol": b"SEVENTEENLETTERSX", "instrument": 3},
            {"symbol": b"NO SPACE", "instrument": 3},
            {"symbol": b"TEST2USDC", "instrument": 3},
            {"token": bytes(20)},
            {"lot_decimals": 1},
            {"lot_decimals": 13, "instrument": 3},
            {"resale": 2},
            {"tick_value_usdc_micros": 4},
        )
        return made if self.random.random() < 0.8 else with_changes(made, self.random.choice(changes))

    def fees(self) -> t.SetFees:
        bps = (0, 1, 333, 1_000, 1_001)
        return t.SetFees(self._instrument(), self.random.choice(bps), self.random.choice(bps))

    def phase(self) -> t.SetPhase:
        scope = self.random.choices((t.VENUE, 1, 2, 9), (30, 40, 20, 5))[0]
        if scope == t.VENUE and self.random.random() < 0.8:
            return t.SetPhase(scope, self.random.choices((0, 1, 2), (80, 12, 8))[0], ends_day=self._day_end())
        phase = self.random.choices((*Phase, 9), (40, 4, 3, 4, 12, 8, 8, 10, 5, 1))[0]
        if self.random.random() < 0.6:
            return t.SetPhase(scope, phase, ends_day=self._day_end())
        until = self.oracle.time_ns + self.random.randint(0, 80)
        return t.SetPhase(scope, phase, until, self.random.choice((0, 0, *Phase, 9)), self._day_end())

    def _day_end(self) -> int:
        return self.random.choices((0, 1, 2), (70, 28, 2))[0]

    def bands(self) -> t.SetBands:
        random = self.random
        static, dynamic = random.choice((0, 0, 3_000, 6_000)), random.choice((0, 0, 1_500, 3_000))
        return t.SetBands(self._instrument(), random.choice((0, 0, 6, 7, 8)), static, dynamic, random.randint(0, 40))

    def auctions(self) -> t.SetAuctions:
        return t.SetAuctions(self._instrument(), self.random.choice((0, 30, 60)))

    def kill_switch(self) -> t.KillSwitch:
        account = self.random.choice((0, self._account()))
        on = self.random.choices((0, 1, 2), (20, 75, 5))[0]
        return t.KillSwitch(account, self.random.choice((t.VENUE, self._instrument())), on)

    def limits(self) -> t.SetLimits:
        random, account = self.random, self.random.choice((0, self._account()))
        numbers = (random.choice((0, 0, 100, 200)), random.choice((0, 0, 30, 60)), random.choice((0, 0, 2, 5)))
        return t.SetLimits(account, random.choice((self._instrument(), 1)), *numbers)

    def ex_date(self) -> t.ExDate:
        """Of a tick or two, of three micros each; now and then one that was before."""
        known = len(self.oracle.ex_dates)
        number = self.random.randint(0, known) if self.random.random() < 0.2 else known
        return t.ExDate(self._instrument(), self.random.randint(1, 7), number.to_bytes(16))

    def account(self) -> t.OpenAccount:
        wallet = self.random.choice(WALLETS + NEW_WALLETS[:1] if self.random.random() < 0.3 else WALLETS[:3])
        return t.OpenAccount(self.random.choice(OWNERS), wallet)

    # -- the chain

    def _next_position(self) -> tuple[int, int]:
        block, log_index = self.oracle.chain_position
        return (block, log_index + 1) if self.random.random() < 0.5 else (block + 1, 0)

    def _slot(self, wallet: bytes, asset: int) -> Slot:
        return self.oracle.slots.get((wallet, asset), Slot())

    def _level_to(self, wallet: bytes, asset: int, level: int, requested: int, cause: int) -> t.LevelChanged:
        delta = level - self._slot(wallet, asset).level
        return t.LevelChanged(asset, delta, level, requested, *self._next_position(), cause, wallet, bytes(32))

    def level(self) -> t.Command:
        random = self.random
        wallet, asset = random.choice(WALLETS[1:]), random.choice((t.USDC, 1, 2))
        slot = self._slot(wallet, asset)
        if slot.level < 0:
            return t.Clock()
        draw = random.random()
        if draw < 0.03:
            return t.LevelChanged(asset, 1, slot.level + 2, 0, *self._next_position(), 1, wallet)
        if draw < 0.06:
            return t.LevelChanged(random.choice((asset, 9)), 0, slot.level, 0, 0, 0, 1, wallet)
        if draw < 0.35:
            requested = random.randint(0, slot.level)
            return self._level_to(wallet, asset, slot.level, requested, t.LevelCause.WITHDRAW_REQUESTED)
        if draw < 0.6 and slot.requested:
            return self._level_to(wallet, asset, slot.level - slot.requested, 0, t.LevelCause.WITHDRAWN)
        if draw < 0.7:
            level = random.randint(0, slot.level)
            return self._level_to(wallet, asset, level, min(level, slot.requested), t.LevelCause.ISSUER)
        top = slot.level + 300 if asset == t.USDC else slot.position_lots
        level = random.randint(slot.level, max(slot.level, top))
        return self._level_to(wallet, asset, level, slot.requested, t.LevelCause.DEPOSIT)

    def position(self) -> t.Command:
        random = self.random
        wallet, asset = random.choice(WALLETS[1:]), random.choice((1, 2))
        slot = self._slot(wallet, asset)
        if random.random() < 0.05:
            asset, wrong = random.choice(((t.USDC, 0), (9, 0), (asset, 1)))
            return t.PositionChanged(asset, 3, slot.position_lots + 3 + wrong, *self._next_position(), wallet)
        lots = max(0, slot.level) + random.randint(0, 10)
        return t.PositionChanged(asset, lots - slot.position_lots, lots, *self._next_position(), wallet)

    def recovery(self) -> t.Command:
        """A lost wallet's tokens go to another one, mostly to one that nobody has; then its lock does."""
        random, asset = self.random, random_asset(self.random)
        lost, fresh = random.choice(WALLETS[1:]), random.choice(WALLETS[1:] if random.random() < 0.3 else NEW_WALLETS)
        if self._slot(lost, asset).level < 0:
            return t.Clock()
        if asset in (1, 2) and lost != fresh:
            self._coming += [lambda: self._lock_moved(asset, lost, fresh), lambda: self._sent(asset, lost, fresh)]
            lots = self._slot(lost, asset).position_lots
            return t.PositionChanged(
                asset, lots, self._slot(fresh, asset).position_lots + lots, *self._next_position(), fresh
            )
        return self._lock_moved(asset, lost, fresh)

    def _lock_moved(self, asset: int, lost: bytes, fresh: bytes) -> t.MigrateWallet:
        slot, into = self._slot(lost, asset), self._slot(fresh, asset)
        numbers = (slot.level, slot.level, into.level + slot.level, into.requested)
        return t.MigrateWallet(asset, *numbers, *self._next_position(), lost, fresh)

    def _sent(self, asset: int, lost: bytes, fresh: bytes) -> t.PositionChanged:
        lots = self._slot(lost, asset).position_lots
        return t.PositionChanged(asset, -lots, 0, *self._next_position(), lost)

    def adjust(self) -> t.Adjust:
        random, account, asset = self.random, self._account(), random_asset(self.random)
        level = random.randint(0, 900) if asset == t.USDC else random.randint(0, 20)
        position = 0 if asset == t.USDC else level + random.randint(0, 5)
        block, log_index = self._next_position()
        return t.Adjust(account, asset, level, random.choice((0, level // 2, level)), position, block, log_index)

    def batch(self) -> t.Command:
        """The next of: eject a trade, compose a batch or compose it again, have one mined."""
        random, oracle = self.random, self.oracle
        waiting = self._waiting()
        if waiting and random.random() < 0.5:
            return self._final(waiting[0])
        again = waiting and random.random() < 0.3
        if again:
            last = waiting[-1]
            batch_id, after, until = last.batch_id, last.trade_after, last.trade_last
            attempt = min(last.attempt + 1, t.INT64_MAX)
        else:
            batch_id, attempt = max((each.batch_id for each, _ in oracle.compositions), default=0) + 1, 1
            after = max((each.trade_last for each, _ in oracle.compositions), default=0)
            until = random.randint(after, len(oracle.fills))
        ejected = self._to_eject(after, until, batch_id)
        done = oracle.ejected_for(batch_id, attempt)
        if missing := sorted(set(ejected) - set(done)):
            return t.EjectTrade(batch_id, attempt, missing[0], ejected[missing[0]])
        digest = sha256(repr((batch_id, attempt, after, until, sorted(done))).encode()).digest()
        return t.ComposeBatch(batch_id, attempt, after, until, len(done), digest)

    def _waiting(self) -> list[t.ComposeBatch]:
        """The last composition of each batch that is not FINAL, by batch."""
        last = {each.batch_id: each for each, _ in self.oracle.compositions}
        return [last[batch_id] for batch_id in sorted(last) if batch_id > self.oracle.last_final_batch_id]

    def _ejected(self, composed: t.ComposeBatch) -> dict[int, int]:
        return next(trades for each, trades in reversed(self.oracle.compositions) if each is composed)

    def _to_eject(self, after: int, until: int, batch_id: int) -> dict[int, int]:
        """What an earlier attempt left out, now and then one more, and whatever then cannot settle."""
        composed = [each for each in self._waiting() if each.batch_id == batch_id]
        before = self._ejected(composed[-1]) if composed else {}
        chosen = dict(before) | self.oracle.ejected_for(batch_id, composed[-1].attempt + 1 if composed else 1)
        if until > after and self.random.random() < 0.2:
            chosen.setdefault(self.random.randint(after + 1, until), Reason.BUYER_FROZEN)
        earlier = {
            trade: reason
            for each in self._waiting()
            if each.batch_id < batch_id
            for trade, reason in self._ejected(each).items()
        }
        failing = self._failing(until, chosen | earlier)
        return chosen | {trade: Reason.UPSTREAM_FAILED for trade in failing if after < trade <= until}

    def _failing(self, until: int, ejected: dict[int, int]) -> list[int]:
        """The trades that would overdraw a level on chain, in trade order, as the batcher's simulation finds them."""
        levels = Counter({key: slot.level for key, slot in self.oracle.slots.items()})
        failing = []
        for fill in self.oracle.fills:
            if fill.done or fill.trade_id > until or fill.trade_id in ejected:
                continue
            seller = (self.oracle.wallet_of(fill.seller, fill.instrument), fill.instrument)
            buyer = (self.oracle.wallet_of(fill.buyer, t.USDC), t.USDC)
            pays = fill.owed_out(fill.buyer, t.USDC)
            if levels[seller] < fill.qty_lots or levels[buyer] < pays:
                failing.append(fill.trade_id)
                continue
            for account, asset in self.oracle.moved_by([fill]):
                gets = fill.brought(account, asset) + fill.fees(account, asset) - fill.owed_out(account, asset)
                levels[self.oracle.wallet_of(account, asset), asset] += gets
        return failing

    def _final(self, composed: t.ComposeBatch) -> t.Command:
        where = self._next_position()
        if self.random.random() < 0.05:
            return t.BatchFinal(composed.batch_id, *where, bytes(32), bytes(32))
        if self._failing(composed.trade_last, self._ejected(composed)):
            return t.Clock()
        return t.BatchFinal(composed.batch_id, *where, composed.payload_hash, bytes(32))


def with_changes(command: Changed, changes: Mapping[str, int | bytes]) -> Changed:
    values = {field.name: getattr(command, field.name) for field in fields(command)}
    return type(command)(**values | dict(changes))


def random_asset(random: Random) -> int:
    return random.choices((t.USDC, 1, 2, 9), (40, 40, 18, 2))[0]


def is_harmful(command: t.Adjust | t.BatchFinal) -> bool:
    """Values that the engine would take, and that leave no room to go on: numbers near the end of their range."""
    numbers = (
        (command.block,) if isinstance(command, t.BatchFinal) else (command.level, command.position_lots, command.block)
    )
    return max(numbers) > 10_000 or (isinstance(command, t.Adjust) and command.level > command.position_lots > -1)
