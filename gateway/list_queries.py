"""What an account may ask about its order lists."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from gateway import errors
from gateway.errors import ApiError
from gateway.history import HistoryAwayError, PastList
from gateway.list_messages import AllLists, FindList
from gateway.order_lists import OrderList
from gateway.rows import Queries, asked_range, cut, json_list, newest, within


class ListQueries(Queries):
    """Each answer is JSON text; ApiError where there is none."""

    async def one(self, account: int, params: FindList, unit_ns: int) -> str:
        """By its client id, or else by its number."""
        list_id, client_id = params.order_list_id, params.orig_client_order_id
        if client_id is not None:
            list_id = None
        elif list_id is None:
            text = "Combination of optional parameters invalid. Recommendation: 'orderListId' should also be sent."
            raise ApiError(errors.PARAMS_BAD_COMBINATION, text)
        found = self._orders.of(account).lists.find(list_id, client_id) or await self._past(account, list_id, client_id)
        if found is None:
            raise ApiError(errors.NO_SUCH_LIST, "Order list does not exist.")
        return self._reports[unit_ns].order_list(await self._whole(found))

    async def open(self, account: int, unit_ns: int) -> str:
        return await self._told(list(self._orders.of(account).lists.open.values()), unit_ns)

    async def all(self, account: int, params: AllLists, unit_ns: int) -> str:
        """Those from a number on, or that changed in a time, oldest first."""
        if params.from_id is not None and (params.start_time is not None or params.end_time is not None):
            raise ApiError(errors.PARAMS_BAD_COMBINATION, "Combination of optional parameters invalid.")
        rows = asked_range(params.limit, params.from_id, None, params.start_time, params.end_time)
        orders = self._orders.of(account)
        known = dict(orders.lists.closed | orders.lists.open)
        if self._history is not None and orders.forgotten_seq >= 0:
            try:
                await self._need_seq(self._history, orders.forgotten_seq)
                for past in await self._history.order_lists(account, rows):
                    known.setdefault(past.list_id, self._from_past(past))
            except HistoryAwayError:
                if not newest(rows):
                    raise errors.away() from None
        chosen = (
            each
            for list_id, each in sorted(known.items())
            if list_id >= (rows.from_id or 0) and within(each.update_time_ns, rows)
        )
        return await self._told(list(cut(chosen, rows)), unit_ns)

    async def _told(self, lists: Sequence[OrderList], unit_ns: int) -> str:
        reports = self._reports[unit_ns]
        return json_list([reports.order_list(await self._whole(each)) for each in lists])

    async def _past(self, account: int, list_id: int | None, client_id: str | None) -> OrderList | None:
        forgotten_seq = self._orders.of(account).forgotten_seq
        if self._history is None or forgotten_seq < 0:
            return None
        try:
            await self._need_seq(self._history, forgotten_seq)
            past = await self._history.order_list(account, list_id, client_id)
        except HistoryAwayError:
            raise errors.away() from None
        return None if past is None else self._from_past(past)

    async def _whole(self, order_list: OrderList) -> OrderList:
        """With the names of its orders that were done before a restart, as soon as the database tells them."""
        if len(order_list.members) < order_list.legs and self._history is not None:
            with suppress(HistoryAwayError):
                past = await self._history.order_list(order_list.account, order_list.list_id, None)
                if past is not None:
                    order_list.members = past.members
        return order_list

    def _from_past(self, past: PastList) -> OrderList:
        return past.order_list(self._markets.by_number[past.instrument])
