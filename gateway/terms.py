"""What an account trades on: commission rates, order counts, and the coins that clients ask for when they start."""

from __future__ import annotations

from typing import Final

from gateway import messages as m
from gateway.balances import Balances, free_and_locked
from gateway.filters import symbol_filters
from gateway.keys import TRADE, Key
from gateway.limits import Limits
from gateway.markets import QUOTE, Market, Markets

_NO_RATES: Final = '{"maker":"0.0000","taker":"0.0000","buyer":"0.0000","seller":"0.0000"}'
_NO_SIDES: Final = '{"maker":"0.0000","taker":"0.0000"}'
_NO_DISCOUNT: Final = (
    f'{{"enabledForAccount":false,"enabledForSymbol":false,"discountAsset":"{QUOTE}","discount":"0.0000"}}'
)
NETWORK: Final = "ETH"


class Terms:
    """Each answer is JSON text."""

    def __init__(self, markets: Markets, balances: Balances, limits: Limits) -> None:
        self._markets = markets
        self._balances = balances
        self._limits = limits

    def account(self, key: Key, params: m.AccountStatus, unit_ns: int) -> str:
        balances, markets = self._balances.of(key.account), self._markets
        rows = []
        for asset, (name, amounts) in markets.assets.items():
            free, locked = free_and_locked(balances.get(asset))
            if free or locked or not params.omit_zero_balances:
                rows.append(f'{{"asset":"{name}","free":"{amounts[free]}","locked":"{amounts[locked]}"}}')
        maker = max((market.maker_fee_bps for market in markets), default=0)
        taker = max((market.taker_fee_bps for market in markets), default=0)
        return (
            f'{{"makerCommission":{maker},"takerCommission":{taker},"buyerCommission":0,"sellerCommission":0,'
            f'"commissionRates":{{"maker":"{_rate(maker)}","taker":"{_rate(taker)}","buyer":"0.0000","seller":"0.0000"}},'
            f'"canTrade":{"true" if TRADE in key.permissions else "false"},"canWithdraw":false,"canDeposit":false,'
            f'"brokered":false,"requireSelfTradePrevention":false,"preventSor":true,'
            f'"updateTime":{self._balances.update_time_ns(key.account) // unit_ns},"accountType":"SPOT",'
            f'"balances":[{",".join(rows)}],"permissions":["SPOT"],"uid":{key.account}}}'
        )

    def commission(self, params: m.SymbolSigned) -> str:
        market = self._markets.of(params.symbol)
        maker, taker = _rate(market.maker_fee_bps), _rate(market.taker_fee_bps)
        return (
            f'{{"symbol":"{market.symbol}","standardCommission":{{"maker":"{maker}","taker":"{taker}","buyer":"0.0000",'
            f'"seller":"0.0000"}},"specialCommission":{_NO_RATES},"taxCommission":{_NO_RATES},"discount":{_NO_DISCOUNT}}}'
        )

    def filters(self, account: int, params: m.SymbolSigned) -> str:
        """No filter of ours is of the whole exchange or of an asset."""
        filters = symbol_filters(self._markets.of(params.symbol), account)
        return f'{{"exchangeFilters":[],"symbolFilters":[{filters}],"assetFilters":[]}}'

    def order_commission(self, symbol: str) -> str:
        """The rates of an order that is only tested."""
        market = self._markets.of(symbol)
        maker, taker = _rate(market.maker_fee_bps), _rate(market.taker_fee_bps)
        return (
            f'{{"standardCommissionForOrder":{{"maker":"{maker}","taker":"{taker}"}},'
            f'"specialCommissionForOrder":{_NO_SIDES},"taxCommissionForOrder":{_NO_SIDES},"discount":{_NO_DISCOUNT}}}'
        )

    def trade_fees(self, params: m.OpenOrders) -> str:
        markets = self._markets if params.symbol is None else (self._markets.of(params.symbol),)
        return f"[{','.join([_trade_fee(market) for market in markets])}]"

    def order_counts(self, account: int, now_ns: int) -> str:
        limits = self._limits
        short, day = limits.orders_10s.count(account, now_ns), limits.orders_day.count(account, now_ns)
        return f"[{limits.orders_json(short, day)}]"

    def coins(self, account: int) -> str:
        """Every asset as a wallet sees it; deposits and withdrawals go through the vault, not through this API."""
        balances = self._balances.of(account)
        rows = []
        for asset, (name, amounts) in self._markets.assets.items():
            free, locked = free_and_locked(balances.get(asset))
            step, zero = amounts[1], amounts[0]
            rows.append(
                f'{{"coin":"{name}","name":"{name}","depositAllEnable":false,"withdrawAllEnable":false,'
                f'"free":"{amounts[free]}","locked":"{amounts[locked]}","freeze":"{zero}","withdrawing":"{zero}",'
                f'"ipoing":"{zero}","ipoable":"{zero}","storage":"{zero}","isLegalMoney":false,"trading":true,'
                f'"networkList":[{{"network":"{NETWORK}","coin":"{name}","name":"{NETWORK}","isDefault":true,'
                f'"depositEnable":false,"withdrawEnable":false,"withdrawFee":"0","withdrawMin":"{step}",'
                f'"withdrawMax":"{zero}","withdrawIntegerMultiple":"{step}","minConfirm":1,"unLockConfirm":0}}]}}'
            )
        return f"[{','.join(rows)}]"


def _trade_fee(market: Market) -> str:
    return (
        f'{{"symbol":"{market.symbol}","makerCommission":"{_rate(market.maker_fee_bps)}",'
        f'"takerCommission":"{_rate(market.taker_fee_bps)}"}}'
    )


def _rate(bps: int) -> str:
    return f"{bps // 10_000}.{bps % 10_000:04d}"
