"""Which rows of an account's past are asked for, and which of those that are known these are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Final, TypeVar

from gateway.errors import ApiError
from gateway.history import History, HistoryAwayError, Range
from gateway.markets import Markets
from gateway.orders import Orders
from gateway.public import bounded
from gateway.reports import Reports
from gateway.times import MS, time_end_ns, time_ns

ROWS_DEFAULT: Final = 500
ROWS_MAX: Final = 1_000
DAY_NS: Final = 24 * 3600 * 10**9
Row = TypeVar("Row")


def asked_range(
    limit: int | None, from_id: int | None, order_id: int | None, start: int | None, end: int | None
) -> Range:
    start_ns = None if start is None else time_ns("startTime", start)
    end_ns = None if end is None else time_end_ns("endTime", end)
    if start_ns is not None and end_ns is not None and not 0 <= end_ns - start_ns < DAY_NS + MS:
        raise ApiError(-1127, "More than 24 hours between startTime and endTime.")
    return Range(bounded(limit, ROWS_DEFAULT, ROWS_MAX), from_id, order_id, start_ns, end_ns)


def within(time_ns: int, rows: Range) -> bool:
    return (rows.start_time_ns or 0) <= time_ns and (rows.end_time_ns is None or time_ns <= rows.end_time_ns)


def cut(chosen: Iterable[Row], rows: Range) -> Iterable[Row]:
    """The oldest from a start, or else the newest."""
    return list(chosen)[-rows.limit :] if newest(rows) else islice(chosen, rows.limit)


def newest(rows: Range) -> bool:
    """Whether the newest are asked for: then memory has what matters most, also while the database is away."""
    return rows.from_id is None and rows.start_time_ns is None


def json_list(texts: Iterable[str]) -> str:
    return f"[{','.join(texts)}]"


class Queries:
    """What an account's questions are answered from; `reports` by the unit of their times."""

    def __init__(
        self, markets: Markets, orders: Orders, reports: Mapping[int, Reports], history: History | None
    ) -> None:
        self._markets = markets
        self._orders = orders
        self._reports = reports
        self._history = history

    async def _need_seq(self, history: History, seq: int) -> None:
        """HistoryAwayError where the database does not yet have all that memory let go."""
        projected = self._orders.projected
        if seq > projected.seq:
            projected.seq = await history.projected_seq()
        if seq > projected.seq:
            raise HistoryAwayError("orders that are not in memory any more are not in the database yet")
