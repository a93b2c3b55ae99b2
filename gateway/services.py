"""What every session works with, in one place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.all_markets import AllMarkets
from gateway.auth import Authenticator
from gateway.cancels import Cancels, Countdowns
from gateway.desk import Desk
from gateway.limits import Limits
from gateway.list_queries import ListQueries
from gateway.listen_keys import ListenKeys
from gateway.market_queries import MarketQueries
from gateway.markets import Markets
from gateway.plain import PlainRequests
from gateway.private import PrivateQueries
from gateway.public import PublicQueries
from gateway.publisher import Publisher
from gateway.terms import Terms
from gateway.users import UserStreams

CatchUp = Callable[[], Awaitable[None]]  # until all is told here that was told anywhere before


@dataclass(frozen=True, slots=True)
class Services:
    markets: Markets
    limits: Limits
    authenticator: Authenticator
    desk: Desk
    plain: PlainRequests | None
    public: PublicQueries
    market: MarketQueries
    all_markets: AllMarkets
    private: PrivateQueries
    lists: ListQueries
    terms: Terms
    publisher: Publisher
    cancels: Cancels
    countdowns: Countdowns
    users: UserStreams
    listen_keys: ListenKeys
    catch_up: CatchUp | None
    clock: Callable[[], int]  # wall time in nanoseconds since 1970 UTC
