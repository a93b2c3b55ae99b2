"""Which account plays which row of order flow, and the funds that each must bring."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from deedbook.demo.flow import FlowOrder, Op
from deedbook.demo.flow_book import Fill, FlowBook

BPS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Cast:
    """`makers` accounts place, chosen by order id; `takers` other accounts take, so that nobody meets himself."""

    makers: int
    takers: int

    def __len__(self) -> int:
        return self.makers + self.takers

    def account_of(self, row: FlowOrder) -> int:
        """Its index; the makers come first. A REDUCE or CANCEL falls to whom its order belongs to."""
        return self.makers + row.order_id % self.takers if row.op is Op.TAKE else row.order_id % self.makers


@dataclass(frozen=True, slots=True)
class Needs:
    """What an account must have free before the first row, so that no order of its is refused for lack of it."""

    cash_usdc_micros: int
    tokens_lots: int


def needs(rows: Iterable[FlowOrder], cast: Cast, tick_value_usdc_micros: int, fee_bps: int) -> list[Needs]:
    """By index of the account, an upper bound: what fills bring is not counted, as without resale it cannot be used.

    fee_bps  the higher of the maker's and the taker's rate.
    """
    ledger = _Ledger(cast, tick_value_usdc_micros, fee_bps)
    for row in rows:
        ledger.play(row)
    return ledger.needs()


class _Purse:
    """What one account puts up on one side: lots to sell, or cash in micros times BPS, exact with the fee."""

    __slots__ = ("held", "most", "orders", "spent")

    def __init__(self) -> None:
        self.held = self.spent = self.most = self.orders = 0

    def hold(self, amount: int) -> None:
        self.orders += 1
        self.held += amount
        self.most = max(self.most, self.held + self.spent)

    def spend(self, held: int, paid: int) -> None:
        self.held -= held
        self.spent += paid


class _Ledger:
    def __init__(self, cast: Cast, tick_value_usdc_micros: int, fee_bps: int) -> None:
        self._cast = cast
        self._lot_tick_amount = tick_value_usdc_micros * (BPS + fee_bps)
        self._book = FlowBook()
        self._owners: dict[int, int] = {}
        self._purses = tuple(tuple(_Purse() for _ in range(len(cast))) for _side in range(2))  # sells, then buys

    def play(self, row: FlowOrder) -> None:
        account = self._cast.account_of(row)
        purse = self._purses[row.is_buy][account]
        if row.op is Op.PLACE:
            self._owners[row.order_id] = account
            purse.hold(self._amount(row.is_buy, row.price_ticks, row.qty_lots))
            self._book.apply(row)
        elif row.op is Op.TAKE:
            limit_amount = self._amount(row.is_buy, row.price_ticks, row.qty_lots)
            purse.hold(limit_amount)
            fills = self._book.apply(row)
            for fill in fills:
                self._fill(row, fill)
            purse.spend(limit_amount, sum(self._amount(row.is_buy, fill.price_ticks, fill.qty_lots) for fill in fills))
        else:
            before_lots = self._open_lots(row)
            self._book.apply(row)
            purse.spend(self._amount(row.is_buy, row.price_ticks, before_lots - self._open_lots(row)), 0)

    def needs(self) -> list[Needs]:
        """The engine rounds each hold up to a whole micro: one more for every order."""
        sells, buys = self._purses
        cash = [-(-purse.most // BPS) + purse.orders for purse in buys]
        return [Needs(micros, purse.most) for micros, purse in zip(cash, sells, strict=True)]

    def _fill(self, row: FlowOrder, fill: Fill) -> None:
        """The maker's side of it."""
        amount = self._amount(not row.is_buy, fill.price_ticks, fill.qty_lots)
        self._purses[not row.is_buy][self._owners[fill.maker_order_id]].spend(amount, amount)

    def _open_lots(self, row: FlowOrder) -> int:
        order = self._book.orders.get(row.order_id)
        return 0 if order is None else order.open_lots

    def _amount(self, is_buy: bool, price_ticks: int, lots: int) -> int:
        return price_ticks * lots * self._lot_tick_amount if is_buy else lots
