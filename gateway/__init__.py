"""The trading API in the format of Binance Spot v3: decode, authenticate, limit, submit, encode.

`Gateway` is the whole of it; `KeyStore` holds who may ask; `History` is what it wants to be able to ask the database.
"""

from gateway.api import Gateway
from gateway.history import History, PastOrder, PastTrade, Range
from gateway.keys import READ, TRADE, KeyStore
from gateway.limits import LimitSettings

__all__ = ["READ", "TRADE", "Gateway", "History", "KeyStore", "LimitSettings", "PastOrder", "PastTrade", "Range"]
