"""A database of a market's past, in memory: it has the trades up to `projected_id`, and may be away."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from gateway.candles import Candle, by_second, joined
from gateway.history import HistoryAwayError, PastList, PastTrade, Range
from gateway.orders import Fill
from gateway.times import NS


class StoredPast:
    def __init__(self, fills: Sequence[Fill] = ()) -> None:
        self.fills = list(fills)
        self.projected_id = fills[-1].trade_id if fills else 0
        self.projected_to_seq = 2**62
        self.is_away = False
        self.asked = 0
        self.lists: list[PastList] = []

    async def last_trade_id(self) -> int:
        self._ask()
        return self.projected_id

    async def projected_seq(self) -> int:
        self._ask()
        return self.projected_to_seq

    async def first_trade_s(self, instrument: int) -> int | None:
        fills = self._of(instrument)
        return fills[0].time_ns // NS if fills else None

    async def market_trades(self, instrument: int, rows: Range) -> tuple[Sequence[PastTrade], int]:
        oldest_first = rows.from_id is not None or rows.start_time_ns is not None
        chosen = [
            past_trade(fill)
            for fill in self._of(instrument)
            if fill.trade_id >= (rows.from_id or 0)
            and (rows.start_time_ns or 0) <= fill.time_ns <= (rows.end_time_ns or 2**63)
        ]
        return chosen[: rows.limit] if oldest_first else chosen[-rows.limit :], self.projected_id

    async def candles(
        self, instrument: int, width_s: int, bounds_s: Sequence[int]
    ) -> tuple[Sequence[Candle], Candle | None, int]:
        fills = self._of(instrument)
        found = [
            joined(by_second(fill for fill in fills if start <= fill.time_ns // NS < end), start)
            for start, end in pairwise(bounds_s)
        ]
        earlier = [fill for fill in fills if fill.time_ns // NS < bounds_s[0]]
        before_s = earlier[-1].time_ns // NS // width_s * width_s if earlier else 0
        before = joined(by_second(fill for fill in earlier if fill.time_ns // NS >= before_s), before_s)
        return [candle for candle in found if candle is not None], before, self.projected_id

    async def order_list(self, account: int, list_id: int | None, client_order_id: str | None) -> PastList | None:
        found = [each for each in await self.order_lists(account, Range(1)) if list_id in (None, each.list_id)]
        return next((each for each in found if client_order_id in (None, each.client_order_id)), None)

    async def order_lists(self, account: int, rows: Range) -> Sequence[PastList]:
        self._ask()
        return [each for each in self.lists if each.account == account]

    def _of(self, instrument: int) -> list[Fill]:
        self._ask()
        return [fill for fill in self.fills if fill.market.number == instrument and fill.trade_id <= self.projected_id]

    def _ask(self) -> None:
        self.asked += 1
        if self.is_away:
            raise HistoryAwayError("it is away")


def past_trade(fill: Fill) -> PastTrade:
    return PastTrade(
        fill.trade_id,
        fill.market.number,
        fill.taker_account,
        fill.maker_account,
        fill.taker_order_id,
        fill.maker_order_id,
        fill.taker_side,
        fill.price_ticks,
        fill.qty_lots,
        fill.taker_fee_usdc_micros,
        fill.maker_fee_usdc_micros,
        fill.time_ns,
        fill.settlement,
        fill.reason,
        fill.transaction,
    )
