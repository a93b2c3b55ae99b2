"""Seeded random commands made fast: most make sense, many do not, and the Python engine itself says what stands.

The market is so small that everything meets everything: six wallets of four owners, two instruments, twelve prices.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from engine.exchange import Exchange
from engine.types import USDC, CommandKind, Phase, Reason
from engine.venue import INDICATIVE_DELAY_NS
from engine.wire import COMMAND

OWNERS = (1, 2, 2, 3, 3, 4)
WALLETS = tuple(bytes([number]) * 20 for number in range(1, len(OWNERS) + 3))  # two are linked late or never
NEW_WALLETS = tuple(bytes([number]) * 20 for number in range(101, 106))  # that lost ones are recovered to
IDS = (*(b"",) * 20, *(b"%d" % number for number in range(12)), b"x" * 36)
HOSTILE = (-(2**63), -1, 0, 1, 9_999, 2**62, 2**62 + 1, 2**63 - 1)
STANDING = (Phase.CANCEL_ONLY, Phase.HALT, Phase.PRE_OPEN)
DAY_NS = 24 * 3600 * 10**9


class QuickGenerator:
    """`records(n)` are the next n commands, stamped; `engine` is looked at, and must have applied the earlier ones."""

    def __init__(self, seed: int, engine: Exchange) -> None:
        self._random = random = Random(seed)
        self._venue = engine._venue
        self._seq = self._time_ns = 0
        self._level_log = 0
        kinds: dict[Callable[[], bytes], int] = {
            self._place: 50,
            self._cancel: 10,
            self._amend: 5,
            self._replace: 6,
            self._cancel_all: 1,
            self._list: 9,
            self._open_account: 1,
            self._permission: 5,
            self._instrument: 1,
            self._fees: 1,
            self._phase: 3,
            self._auctions: 1,
            self._bands: 1,
            self._kill_switch: 1,
            self._limits: 1,
            self._ex_date: 1,
            self._level: 7,
            self._position: 3,
            self._recovery: 1,
            self._adjust: 1,
            self._eject: 4,
            self._compose: 5,
            self._final: 6,
            self._clock: 1,
        }
        self._kinds = random.choices(list(kinds), list(kinds.values()), k=4_096)

    def setup(self) -> bytes:
        records = [self._account(owner, wallet) for owner, wallet in zip(OWNERS, WALLETS, strict=False)]
        records += [self._terms(number) for number in (1, 2)]
        for number in (1, 2):
            records.append(self._pack(CommandKind.SET_FEES, instrument=number, a=10, b=25))
            records += [self._permit(account, number, 1, 1, 2**63 - 1, 0) for account in range(1, len(OWNERS) + 1)]
        return b"".join(records)

    def records(self, count: int) -> bytes:
        return b"".join([self._one() for _ in range(count)])

    def _one(self) -> bytes:
        """What stands still goes on before long, or nothing would trade."""
        venue, chance = self._venue, self._random.random()
        if venue.crediting_stopped and chance < 0.1:
            return self._adjust()
        if venue.killed and 0.1 < chance < 0.2:
            return self._kill_switch()
        if 0.2 < chance < 0.3 and (venue.phase or any(each.phase in STANDING for each in venue.instruments[1:])):
            return self._phase()
        return self._random.choice(self._kinds)()

    # -- one record

    def _pack(
        self,
        kind: int,
        *,
        side: int = 0,
        order_type: int = 0,
        tif: int = 0,
        instrument: int = 0,
        self_trade: int = 0,
        flags: int = 0,
        account: int = 0,
        count: int = 0,
        a: int = 0,
        b: int = 0,
        c: int = 0,
        d: int = 0,
        e: int = 0,
        f: int = 0,
        g: int = 0,
        text: bytes = b"",
        text2: bytes = b"",
    ) -> bytes:
        self._seq += 1
        if self._random.random() < 0.4:
            self._time_ns += self._random.choices((DAY_NS, INDICATIVE_DELAY_NS, 1, 2, 3), (1, 10, 330, 330, 330))[0]
        slots = (side, order_type, tif, instrument, self_trade, flags, account, count, a, b, c, d, e, f, g, text, text2)
        return COMMAND.pack(self._seq, self._time_ns, kind, *slots)

    def _number(self, low: int, high: int) -> int:
        """One in fifty is a number that nobody expects."""
        random = self._random
        return random.choice(HOSTILE) if random.random() < 0.02 else random.randint(low, high)

    def _who(self) -> int:
        return self._random.choices((self._random.randint(1, len(self._venue.accounts) - 1), 0, 99), (97, 1, 2))[0]

    def _where(self) -> int:
        return self._random.choices((1, 2, 0, 9), (80, 18, 1, 1))[0]

    def _order_id(self) -> int:
        return self._number(max(0, self._venue.last_order_id - 40), self._venue.last_order_id + 1)

    # -- traders

    def _order(self, kind: int, e: int, flags: int, text2: bytes) -> bytes:
        random = self._random
        order_type = random.choices((1, 2, 3, 4, 5, 6, 7, 0, 8), (64, 12, 8, 4, 4, 3, 3, 1, 1))[0]
        names_no_limit = order_type in (2, 4, 6)
        tif = 2 if names_no_limit else random.choices((1, 2, 3, 4, 5, 0, 6), (55, 10, 8, 15, 10, 1, 1))[0]
        by_quote = order_type == 2 and random.random() < 0.4
        return self._pack(
            kind,
            side=random.choices((0, 1, 2), (49, 50, 1))[0],
            order_type=order_type,
            tif=tif,
            instrument=self._where(),
            self_trade=random.choices((0, 1, 2, 3, 4, 5), (50, 10, 10, 10, 19, 1))[0],
            flags=flags,
            account=self._who(),
            a=0 if names_no_limit else self._number(0, 13),
            b=0 if by_quote else self._number(0, 9),
            c=self._number(1, 300) if by_quote else 0,
            d=self._time_ns + self._number(-1, 30) % 2**40 if tif == 4 else 0,
            e=e,
            f=self._number(1, 13) if 4 <= order_type <= 7 else random.choices((0, 1), (99, 1))[0],
            g=random.choices((0, self._number(1, 4)), (3, 1) if order_type in (1, 3) and tif in (1, 4, 5) else (99, 1))[
                0
            ],
            text=random.choice(IDS),
            text2=text2,
        )

    def _place(self) -> bytes:
        return self._order(CommandKind.PLACE, 0, 0, b"")

    def _replace(self) -> bytes:
        by_id = self._random.random() < 0.6
        text2 = b"" if by_id else self._random.choice(IDS)
        return self._order(CommandKind.REPLACE, self._order_id() if by_id else 0, self._random.randint(0, 1), text2)

    def _list(self) -> bytes:
        """Its legs and then the list; at times a leg less or more, or of somebody else's, or what makes no list."""
        random = self._random
        kind = random.choices((1, 2, 3, 0, 4), (40, 25, 33, 1, 1))[0]
        account, number, side = self._who(), self._where(), random.randint(0, 1)
        legs: list[dict[str, Any]] = []
        if kind != 1:
            a, b, order_type = self._number(4, 9), self._number(1, 5), random.choices((1, 3, 4), (80, 19, 1))[0]
            tif = 1 if order_type == 3 else random.choices((1, 2, 3, 5), (84, 7, 8, 1))[0]
            hides = order_type == 1 and tif == 1 and random.random() < 0.2
            legs.append({"side": side, "order_type": order_type, "tif": tif, "a": a, "b": b, "g": 1 if hides else 0})
            side = 1 - side if random.random() < 0.8 else side
        if kind == 2:
            order_type = random.choices((1, 2, 3, 4, 5, 6, 7), (30, 20, 10, 10, 10, 10, 10))[0]
            names_no_limit = order_type in (2, 4, 6)
            tif = 2 if names_no_limit else 1 if order_type == 3 else random.choices((1, 2, 3), (80, 10, 10))[0]
            a, f = 0 if names_no_limit else self._number(1, 12), self._number(1, 12) if order_type > 3 else 0
            legs.append({"side": side, "order_type": order_type, "tif": tif, "a": a, "b": self._number(1, 5), "f": f})
        else:
            legs += self._pair(side)
        ids = [random.choice(IDS) for _ in range(4)]
        records = []
        for leg, slots in enumerate(legs, 1):
            said = leg if random.random() < 0.98 else random.randint(0, 4)
            mode = random.choices((0, 1, 2, 3, 4), (60, 10, 10, 10, 10))[0]
            where: dict[str, Any] = {
                "account": account if random.random() < 0.99 else self._who(),
                "instrument": number,
            }
            leg_slots = slots | where | {"flags": said, "self_trade": mode, "text": ids[leg]}
            records.append(self._pack(CommandKind.LIST_LEG, **leg_slots))
        if random.random() < 0.02:
            return b"".join(records)
        text = random.choice((ids[0], b"", b""))
        whole: dict[str, Any] = {"account": account, "instrument": number, "flags": kind, "text": text}
        return b"".join(records) + self._pack(CommandKind.PLACE_LIST, **whole)

    def _pair(self, side: int) -> list[dict[str, Any]]:
        """One that takes a profit and one that stops a loss, mostly on either side of the last price."""
        random, number = self._random, self._number
        qty, low, high = number(1, 5), number(1, 6), number(6, 12)
        profit_at, loss_at = (low, high) if side == 0 else (high, low)
        profit, loss = random.choice((3, 3, 6, 7)), random.choice((4, 5))
        legs: list[dict[str, Any]] = []
        for order_type, price in ((profit, profit_at), (loss, loss_at)):
            names_no_limit = order_type in (4, 6)
            tif = 2 if names_no_limit else 1 if order_type == 3 else random.choices((1, 2, 3, 4), (85, 7, 7, 1))[0]
            limit = 0 if names_no_limit else price if order_type == 3 else number(1, 12)
            stop = 0 if order_type == 3 else price
            b = qty if random.random() < 0.98 else qty + 1
            legs.append({"side": side, "order_type": order_type, "tif": tif, "a": limit, "b": b % 2**63, "f": stop})
        if random.random() < 0.5:
            legs.reverse()
        return legs

    def _find(self, kind: int, b: int = 0, *, is_list: int = 0) -> bytes:
        by_id = self._random.random() < 0.7
        text2 = b"" if by_id else self._random.choice(IDS)
        order_id, account, instrument = self._order_id() if by_id else 0, self._who(), self._where()
        order = self._venue.orders.get(order_id)
        if order is None and self._venue.lists and self._random.random() < 0.5:
            order_list = self._random.choice(list(self._venue.lists.values()))
            legs = [
                *order_list.pending,
                *([self._venue.orders[i]] if (i := order_list.list_id) in self._venue.orders else []),
            ]
            order = self._random.choice(legs) if legs else None
            order_id = order_list.list_id if is_list or order is None else order.order_id
        if order is not None and self._random.random() < 0.8:
            account, instrument = order.seat.account.number, order.seat.instrument.number
        slots: dict[str, Any] = {"account": account, "instrument": instrument, "b": b, "e": order_id, "text2": text2}
        return self._pack(kind, **slots, flags=is_list)

    def _cancel(self) -> bytes:
        return self._find(CommandKind.CANCEL, is_list=int(self._random.random() < 0.15))

    def _amend(self) -> bytes:
        return self._find(CommandKind.AMEND, self._number(0, 8))

    def _cancel_all(self) -> bytes:
        return self._pack(CommandKind.CANCEL_ALL, account=self._who(), instrument=self._where())

    # -- operators

    def _account(self, owner: int, wallet: bytes) -> bytes:
        return self._pack(CommandKind.OPEN_ACCOUNT, count=owner, text=wallet)

    def _open_account(self) -> bytes:
        return self._account(self._random.randint(0, 5), self._random.choice(WALLETS))

    def _permit(self, account: int, number: int, buy: int, sell: int, until_ns: int, locked_lots: int) -> bytes:
        slots: dict[str, Any] = {
            "account": account,
            "instrument": number,
            "side": buy,
            "flags": sell,
            "a": until_ns,
            "d": locked_lots,
        }
        return self._pack(CommandKind.SET_PERMISSION, **slots, c=7, text=bytes(range(32)))

    def _permission(self) -> bytes:
        random = self._random
        ends = (2**63 - 1, self._time_ns + random.randint(-1, 40), self._number(0, 1))
        until = random.choices(ends, (90, 8, 2))[0]
        locked = random.choice((0, 0, 0, random.randint(0, 20), self._number(0, 60)))
        buy, sell = random.choices((0, 1, 2), (5, 94, 1), k=2)
        return self._permit(self._who(), self._where(), buy, sell, max(until, -1), max(locked, -1))

    def _terms(self, number: int) -> bytes:
        random = self._random
        return self._pack(
            CommandKind.SET_INSTRUMENT,
            instrument=number,
            account=1,
            side=random.choices((0, 13), (99, 1))[0],
            flags=random.choice((0, 1, 1)),
            count=random.choices((0, 3, 4), (80, 10, 10))[0],
            a=3,
            b=random.choices((12, 9), (95, 5))[0],
            c=9,
            d=random.choice((0, 3, 7)),
            e=random.choice((0, 2_000, 9_999)),
            f=random.choice((3, 8, 8)),
            g=random.choices((0, 50), (80, 20))[0],
            text=b"TEST%d" % min(number, 9),
            text2=bytes([number % 256]) * 20,
        )

    def _instrument(self) -> bytes:
        return self._terms(self._random.choices((1, 2, 3, 0, 9), (45, 45, 2, 4, 4))[0])

    def _fees(self) -> bytes:
        rates: dict[str, Any] = {"a": self._number(0, 100), "b": self._number(0, 1_000)}
        return self._pack(CommandKind.SET_FEES, instrument=self._where(), **rates)

    def _phase(self) -> bytes:
        random = self._random
        stopped = [each.number for each in self._venue.instruments[1:] if each.phase in STANDING]
        if stopped or self._venue.phase:
            return self._pack(CommandKind.SET_PHASE, instrument=0 if self._venue.phase else stopped[0])
        phase = random.choices((*Phase, 9), (40, 4, 3, 6, 12, 8, 8, 8, 6, 1))[0]
        timed = random.random() < 0.5
        until: dict[str, Any] = {"a": self._time_ns + self._number(0, 60) % 2**40} if timed else {}
        then = random.choice((0, 0, 0, *Phase, 9)) if timed else 0
        ends_day = random.choices((0, 1, 2), (70, 28, 2))[0]
        return self._pack(
            CommandKind.SET_PHASE, side=then, instrument=self._where(), flags=phase, count=ends_day, **until
        )

    def _bands(self) -> bytes:
        random = self._random
        slots: dict[str, Any] = {
            "a": random.choice((0, 0, 6, self._number(0, 13))),
            "b": random.choice((0, 0, 3_000, self._number(0, 10_000))),
            "c": random.choice((0, 1_500, 3_000, self._number(0, 10_000))),
            "d": self._number(0, 40),
        }
        return self._pack(CommandKind.SET_BANDS, instrument=self._where(), **slots)

    def _auctions(self) -> bytes:
        return self._pack(
            CommandKind.SET_AUCTIONS, instrument=self._where(), a=self._random.choice((0, 30, self._number(0, 60)))
        )

    def _kill_switch(self) -> bytes:
        killed, random = sorted(self._venue.killed), self._random
        if killed and random.random() < 0.9:
            account, number = random.choice(killed)
            return self._pack(CommandKind.KILL_SWITCH, account=account, instrument=number)
        account, number = random.choice((0, self._who())), random.choice((0, self._where()))
        on = random.choices((0, 1, 2), (20, 75, 5))[0]
        return self._pack(CommandKind.KILL_SWITCH, account=account, instrument=number, flags=on)

    def _limits(self) -> bytes:
        random = self._random
        slots: dict[str, Any] = {"a": random.choice((0, 0, self._number(50, 300)))}
        slots |= {"b": random.choice((0, 0, self._number(10, 60))), "c": random.choice((0, 0, self._number(1, 6)))}
        account = random.choice((0, self._who()))
        return self._pack(CommandKind.SET_LIMITS, account=account, instrument=self._where(), **slots)

    def _ex_date(self) -> bytes:
        known = len(self._venue.ex_dates)
        number = self._random.randint(0, known) if self._random.random() < 0.2 else known
        return self._pack(CommandKind.EX_DATE, instrument=self._where(), a=self._number(1, 7), text=number.to_bytes(16))

    # -- the chain

    def _next_position(self) -> dict[str, Any]:
        return {"d": 0, "e": 0} if self._random.random() < 0.01 else self._beyond()

    def _beyond(self) -> dict[str, Any]:
        self._level_log += 1
        return {"d": max(self._venue.chain_block, 0) + 1, "e": self._level_log}

    def _slot(self, wallet: bytes, asset: int) -> tuple[int, int, int, int]:
        """Level, asked, position and what may not leave: a chain as it is never goes below what is owed."""
        account = self._venue.account_at(wallet, asset)
        if account is None:
            return (*self._venue.parked.get((wallet, asset), (0, 0, 0)), 0)
        balance = account.balances.get(asset)
        if balance is None:
            return 0, 0, 0, 0
        return balance.level, balance.asked, balance.position_lots, balance.owed_out

    def _level(self) -> bytes:
        random = self._random
        wallet, asset = random.choice(WALLETS + NEW_WALLETS[:2]), random.choice((USDC, USDC, 1, 2))
        level, _, position, owed_out = self._slot(wallet, asset)
        most = 6_000 if asset == USDC else position  # a lock is a part of what the wallet has
        target = random.randint(min(owed_out, most), max(owed_out, most))
        asked = random.choice((0, 0, random.randint(0, max(0, target - owed_out))))
        lie = random.choices((0, 1), (998, 2))[0]
        slots: dict[str, Any] = {"instrument": asset, "a": target - level + lie, "b": target, "c": asked}
        return self._pack(CommandKind.LEVEL_CHANGED, **slots, **self._next_position(), text=wallet)

    def _position(self) -> bytes:
        random = self._random
        wallet, number = random.choice(WALLETS + NEW_WALLETS[:2]), random.choice((1, 2))
        position = self._slot(wallet, number)[2]
        target = max(position, random.randint(0, 60))
        slots: dict[str, Any] = {"instrument": number, "a": target - position, "b": target}
        return self._pack(CommandKind.POSITION_CHANGED, **slots, **self._next_position(), text=wallet)

    def _recovery(self) -> bytes:
        """Three commands: tokens arrive at a new wallet, the lock follows, the lost one has none; or a lie alone."""
        random = self._random
        lost, fresh = random.choice(WALLETS), random.choice(WALLETS + NEW_WALLETS * 4)
        asset = random.choices((1, 2, USDC), (49, 49, 2))[0]
        lock, _, position, owed_out = self._slot(lost, asset)
        account = self._venue.account_at(lost, asset)
        balance = account.balances.get(asset) if account is not None else None
        offers = balance is not None and balance.held > 0  # and sells before the recovery, where a call ends now
        may_owe = owed_out > 0 or offers or self._seq != self._venue.seq  # a sale may be among the commands just made
        if may_owe and self._venue.wallets.get(fresh, 0) not in (0, self._venue.wallets.get(lost)):
            fresh = bytes([random.randint(106, 255)]) * 20  # a chain would not settle without the tokens
        into, asked, position_there, _ = self._slot(fresh, asset)
        slots: dict[str, Any] = {"instrument": asset, "a": lock, "b": into + lock, "c": asked, "f": lock}
        if random.random() < 0.03:
            slots["f"] += 1
            return self._pack(CommandKind.MIGRATE_WALLET, **slots, **self._next_position(), text=lost, text2=fresh)
        if not asset or lost == fresh:
            return self._pack(CommandKind.MIGRATE_WALLET, **slots, **self._beyond(), text=lost, text2=fresh)
        arrived: dict[str, Any] = {"instrument": asset, "a": position, "b": position_there + position}
        records = [self._pack(CommandKind.POSITION_CHANGED, **arrived, **self._beyond(), text=fresh)]
        records.append(self._pack(CommandKind.MIGRATE_WALLET, **slots, **self._beyond(), text=lost, text2=fresh))
        left: dict[str, Any] = {"instrument": asset, "a": -position}
        records.append(self._pack(CommandKind.POSITION_CHANGED, **left, **self._beyond(), text=lost))
        return b"".join(records)

    def _adjust(self) -> bytes:
        account = self._random.randint(1, len(self._venue.accounts) - 1)
        asset = self._random.choice((USDC, 1, 2))
        balance = self._venue.accounts[account].balances.get(asset)
        level, position = (0, 0) if balance is None else (max(0, balance.level), balance.position_lots)
        where: dict[str, Any] = {"d": max(self._venue.chain_block, 0), "e": max(self._venue.chain_log_index, 0)}
        slots: dict[str, Any] = {
            "account": account,
            "instrument": asset,
            "a": position if asset else 0,
            "b": level,
            "c": 0,
        }
        return self._pack(CommandKind.ADJUST, **slots, **where)

    # -- batches

    def _attempt(self) -> tuple[int, int]:
        """The last batch again, or the next one."""
        venue = self._venue
        again = venue.last_composed_batch_id in venue.compositions and self._random.random() < 0.4
        batch_id = venue.last_composed_batch_id + (not again)
        attempt = venue.compositions[batch_id].attempt if again else 1
        return batch_id, attempt + (self._random.random() < 0.3 and again)

    def _eject(self) -> bytes:
        venue, random = self._venue, self._random
        batch_id, attempt = self._attempt()
        trade_id = random.randint(venue.last_final_trade_id, venue.last_trade_id + 1)
        reason = random.choice((Reason.SELLER_FROZEN, Reason.UPSTREAM_FAILED, Reason.CHAIN_REFUSED, 0, 200))
        return self._pack(CommandKind.EJECT_TRADE, a=batch_id, b=attempt, c=trade_id, flags=reason)

    def _compose(self) -> bytes:
        venue, random = self._venue, self._random
        batch_id, attempt = self._attempt()
        composition = venue.compositions.get(batch_id)
        after, last = venue.last_composed_trade_id, min(venue.last_trade_id, venue.last_composed_trade_id + 8)
        if composition is not None:
            after, last = composition.trade_after, composition.trade_last
        ejecting = venue.ejecting
        if ejecting[2] and random.random() < 0.8:
            batch_id, attempt = ejecting[:2]
        count = len(ejecting[2]) if ejecting[:2] == (batch_id, attempt) else 0
        slots: dict[str, Any] = {
            "a": batch_id,
            "b": attempt,
            "c": self._number(after, after),
            "d": last,
            "e": self._number(count, count),
        }
        return self._pack(CommandKind.COMPOSE_BATCH, **slots, text=bytes([random.randint(1, 4)]) * 32)

    def _final(self) -> bytes:
        venue = self._venue
        batch_id = venue.last_final_batch_id + 1
        composition = venue.compositions.get(batch_id)
        hashes = list(composition.ejected_by_hash) if composition is not None else [bytes(32)]
        slots: dict[str, Any] = {"a": self._number(batch_id, batch_id), "text": self._random.choice(hashes)}
        return self._pack(CommandKind.BATCH_FINAL, **slots, **self._next_position())

    def _clock(self) -> bytes:
        return self._pack(CommandKind.CLOCK)
