"""The trading API as one object: it takes durable frames in, hands records to the sequencer, and serves two ports."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Final
from urllib.parse import parse_qs, unquote

from aiohttp import web
from picows import (
    WSAutoPingStrategy,
    WSCloseCode,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_create_server,
)

from engine.types import MarketState
from engine.wire import COMMAND, COMMAND_SIZE
from gateway.all_markets import AllMarkets
from gateway.answers import LIST_LEG, PLACE, REPLACE, Asked
from gateway.archive import Archive
from gateway.auth import Authenticator
from gateway.balances import Balances
from gateway.cancels import Cancels, Countdowns, Disown, StartTimer, Timers, Unattended
from gateway.connection import MESSAGE_BYTES_MAX, Connection
from gateway.cork import Cork
from gateway.desk import Desk, Refusal, Submit, SubmitTogether
from gateway.errors import ApiError, not_taken, outcome_unknown
from gateway.history import History
from gateway.keys import KeyStore
from gateway.limits import Limits, LimitSettings
from gateway.list_queries import ListQueries
from gateway.listen_keys import ListenKeys
from gateway.listen_session import ListenSession
from gateway.market_queries import MarketQueries
from gateway.markets import Markets
from gateway.orders import Orders
from gateway.plain import PlainRequests, plain_codec
from gateway.private import PrivateQueries
from gateway.public import PublicQueries
from gateway.publisher import Durable, Publisher
from gateway.rest import Rest
from gateway.services import CatchUp, Services
from gateway.session import ApiSession
from gateway.streams import StreamSession, stream_exists
from gateway.terms import Terms
from gateway.times import time_unit_ns
from gateway.users import UserStreams

TICK_S: Final = 0.1  # of @depth@100ms; ten of them make the tick of @depth
PING_S: Final = 30.0  # picows wants the answer within the same time
PONG_S: Final = 30.0
STOP_S: Final = 2.0  # for goodbyes


class Gateway:
    """Construct, `restore`, `start`; then `on_durable` once for each durable frame, in order, from the event loop.

    submit   the sequencer's: takes an unstamped record and its origin, returns a refusal or None; and the same for
             several records with nothing between them
    history  older orders and trades than are kept here; None: there are none to ask for
    clock    wall time in nanoseconds since 1970 UTC
    measures what GET /metrics answers; None: there is no such route
    timers   who keeps the dead-man's timers; None: this gateway, alone
    tell     takes a note for all gateways, this one too; each hands what comes to `on_note`
    disown   who would cancel a session's orders where this gateway could not; None: nobody
    catch_up awaited before a private question by REST, whose last request may have gone elsewhere; None: never
    """

    def __init__(
        self,
        submit: Submit,
        submit_together: SubmitTogether,
        history: History | None,
        key_store: KeyStore,
        clock: Callable[[], int] = time.time_ns,
        limits: LimitSettings | None = None,
        measures: Callable[[], Awaitable[str]] | None = None,
        timers: StartTimer | None = None,
        tell: Callable[[bytes], None] | None = None,
        disown: Disown | None = None,
        catch_up: CatchUp | None = None,
    ) -> None:
        self._clock = clock
        self._measures = measures
        codec = plain_codec()
        self._markets = markets = Markets(codec)
        self._orders = orders = Orders(has_history=history is not None)
        self._balances = balances = Balances()
        users = UserStreams(clock)
        self._cork = cork = Cork()
        self._publisher = publisher = Publisher(markets, orders, balances, users, cork.spread)
        counted = Limits(limits or LimitSettings())
        self._limits = counted
        self._history = history
        self._archive = Archive(publisher.feeds, history, clock, orders.projected)
        public = PublicQueries(markets, publisher, counted)
        self._cancels = cancels = Cancels(submit, disown) if disown is not None else Cancels(submit)
        self._timers = Timers(cancels)
        authenticator, desk = Authenticator(key_store), Desk(markets, orders, counted, submit, submit_together)
        self._services = Services(
            markets,
            counted,
            authenticator,
            desk,
            PlainRequests(codec, authenticator, counted, desk) if codec is not None else None,
            public,
            MarketQueries(public, self._archive, publisher.reports),
            AllMarkets(publisher.feeds, cork.spread),
            PrivateQueries(markets, orders, publisher.reports, history),
            ListQueries(markets, orders, publisher.reports, history),
            Terms(markets, balances, counted),
            publisher,
            cancels,
            Countdowns(markets, timers or self._timers.start, clock),
            users,
            ListenKeys(clock, tell) if tell is not None else ListenKeys(clock),
            catch_up,
            clock,
        )
        self._connections: set[Connection] = set()
        self._all_closed = asyncio.Event()
        self._all_closed.set()
        self._server: asyncio.Server | None = None
        self._runner: web.AppRunner | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._archiving: asyncio.Task[None] | None = None
        self._ticks = 0
        self._place = ("", 0, 0, False)
        self.ws_port = 0
        self.rest_port = 0

    # -- the exchange's side

    def restore(self, state: MarketState) -> None:
        """Start from the engine's state; call it before `start`, and before the first `on_durable`."""
        markets, feeds = self._markets, self._publisher.feeds
        assert not feeds, "the gateway is restored once"
        markets.venue_phase = state.venue_phase
        for listed in state.instruments:
            market = markets.list(listed.terms)
            market.maker_fee_bps, market.taker_fee_bps = listed.maker_fee_bps, listed.taker_fee_bps
            market.phase, market.last_price_ticks = listed.phase, listed.last_price_ticks
            market.reference_ticks, market.static_bps = listed.reference_ticks, listed.static_bps
            complete_after_id = state.last_trade_id if self._history else 0
            self._publisher.open_feed(market, listed.update_id, complete_after_id, listed.phase_ends_ns)
        for limits in state.limits:
            markets.by_number[limits.instrument].limits[limits.account] = limits
        for order in state.orders:
            if not order.pending and (order.stop_ticks == 0 or order.rank != order.order_id):
                shown_lots = order.open_lots - order.hidden_lots
                feeds[order.instrument].level(order.rank, order.side, order.price_ticks, shown_lots, 0)
        self._balances.restore(state)
        self._orders.restore(state, markets)

    def on_durable(self, durable: Durable) -> None:
        self._publisher.publish(durable)
        self._cork.flush()

    def on_settling(self, trade_ids: range, left_out: frozenset[int], state: str, transaction: str) -> None:
        """A batch with these trades, less those left out, is SUBMITTED or MINED; `transaction` as 0x and hex."""
        self._publisher.settling(trade_ids, left_out, state, transaction, self._clock())
        self._cork.flush()

    def count_others(self, durable: Durable) -> None:
        """A frame's orders that came in elsewhere: an account's limits count wherever it asks."""
        for index, origin in enumerate(durable.origins):
            if origin is None:
                row = COMMAND.unpack_from(durable.commands, index * COMMAND_SIZE)
                if row[2] in (PLACE, REPLACE, LIST_LEG):
                    self._limits.heard_order(row[9], row[1])

    def on_refused(self, origin: object, refusal: Refusal) -> None:
        """A command that `submit` had taken was not sequenced; nothing was done."""
        if isinstance(origin, Asked):
            origin.sink.fail(origin, not_taken(refusal.name))
        elif isinstance(origin, Unattended):
            self._cancels.send_later(origin.record)

    def on_lost(self, origins: Sequence[object]) -> None:
        """Commands that `submit` had taken, and nobody knows whether they were sequenced."""
        for origin in origins:
            if isinstance(origin, Asked):
                origin.sink.fail(origin, outcome_unknown())
            elif isinstance(origin, Unattended):
                self._cancels.send_later(origin.record)
        self._cork.flush()

    def on_note(self, note: bytes) -> None:
        self._services.listen_keys.heard(note)

    # -- the clients' side

    async def start(self, host: str, ws_port: int, rest_port: int, *, shares_ports: bool = False) -> None:
        """Listen; port 0 takes a free one (see `ws_port`, `rest_port`). Others may listen on shared ports, too."""
        self._place = (host, ws_port, rest_port, shares_ports)
        await self.resume()
        self._timer = asyncio.get_running_loop().call_later(TICK_S, self._tick)
        self._archiving = asyncio.create_task(self._archive.run())

    async def resume(self) -> None:
        """Listen, at the start and after a `pause`."""
        host, ws_port, rest_port, shares_ports = self._place
        self._server = await ws_create_server(
            self._accept,
            host,
            ws_port,
            reuse_port=shares_ports or None,
            max_frame_size=MESSAGE_BYTES_MAX,
            enable_auto_ping=True,
            auto_ping_idle_timeout=PING_S,
            auto_ping_reply_timeout=PONG_S,
            auto_ping_strategy=WSAutoPingStrategy.PING_PERIODICALLY,
            logger_name="gateway",
        )
        app = Rest(self._services).app
        if self._measures is not None:
            app.router.add_get("/metrics", self._measured)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=STOP_S)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, rest_port, reuse_port=shares_ports or None)
        await site.start()
        self.ws_port = self._server.sockets[0].getsockname()[1]
        self.rest_port = self._runner.addresses[0][1]

    def announce_stop(self) -> None:
        """Tell every client that the server is about to shut down, before anything is refused for it."""
        now = self._clock()
        for connection in list(self._connections):
            connection.say_shutdown(f'{{"e":"serverShutdown","E":{now // connection.unit_ns}}}')
        self._cork.flush()

    async def _measured(self, _request: web.Request) -> web.Response:
        assert self._measures is not None
        return web.Response(text=await self._measures(), headers={"Cache-Control": "no-store"})

    async def stop(self) -> None:
        """Say that the service restarts, and close everything; who does not read is cut off after a moment."""
        if self._timer is not None:
            self._timer.cancel()
        if self._archiving is not None:
            self._archiving.cancel()
            await asyncio.gather(self._archiving, return_exceptions=True)
        self._timers.stop()
        await self.pause("the service restarts")

    async def pause(self, why: str) -> None:
        """Close everything until `resume`; the market goes on to be followed."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self._cork.finish()
        for connection in list(self._connections):
            connection.close(WSCloseCode.SERVICE_RESTART, why)
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                await self._all_closed.wait()
        for connection in list(self._connections):
            connection.drop(why)
        await self._all_closed.wait()

    def _tick(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(TICK_S, self._tick)
        self._ticks += 1
        slow = self._ticks % 10 == 0
        now = self._clock()
        for feed in self._publisher.feeds.values():
            feed.tick(self._ticks, now)
        self._services.all_markets.tick(self._ticks, now)
        if slow:
            for connection in list(self._connections):
                if isinstance(connection, ApiSession | ListenSession):
                    connection.end_revoked(self._clock())
            self._services.users.forget_old()

    def _accept(self, request: WSUpgradeRequest) -> WSUpgradeResponseWithListener | Connection | None:
        """Route an upgrade request by its path; None answers 404."""
        path, _, query = request.path.decode("ascii", "replace").partition("?")
        options = parse_qs(query)
        try:
            unit_ns = time_unit_ns(options.get("timeUnit", [None])[-1])
        except ApiError as error:
            return _refuse(400, error.msg)
        if path.rstrip("/") == "/ws-api/v3":
            shown = options.get("returnRateLimits", ["true"])[-1] != "false"
            return ApiSession(
                self._services, self._cork, self._opened, self._closed, return_rate_limits=shown, unit_ns=unit_ns
            )
        first, *rest = path.strip("/").split("/")
        if first not in ("ws", "stream"):
            return None
        # Some clients know spot sockets by `stream` in their address, and yet want raw events: /stream/ws.
        wrapped = first == "stream" and rest[:1] != ["ws"]
        named = "/".join(options.get("streams", [])).split("/") if first == "stream" else []
        # Some clients number their sockets: a path may end in /ws/0 or /0, which names no stream.
        # A time zone's plus sign in a query comes as a space.
        spelled = (unquote(name).replace(" ", "+") for name in (*rest, *named))
        names = [name for name in spelled if name and name != "ws" and not name.isdigit()]
        if len(names) == 1 and self._services.listen_keys.api_key(names[0]) is not None:
            return ListenSession(
                self._services, self._cork, self._opened, self._closed, names[0], wrapped=wrapped, unit_ns=unit_ns
            )
        if not all(stream_exists(self._services, name) for name in names) or len(names) > 1_024:
            return _refuse(400, "Invalid stream.")
        return StreamSession(
            self._services, self._cork, self._opened, self._closed, names, wrapped=wrapped, unit_ns=unit_ns
        )

    def _opened(self, connection: Connection) -> bool:
        """Whether there is room for it."""
        self._connections.add(connection)
        self._all_closed.clear()
        limits = self._limits
        return len(self._connections) <= limits.settings.connections_open and limits.connection(
            connection.ip, self._clock()
        )

    def _closed(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if not self._connections:
            self._all_closed.set()


def _refuse(status: int, text: str) -> WSUpgradeResponseWithListener:
    response: Any = WSUpgradeResponse.create_error_response(status, text.encode())
    return WSUpgradeResponseWithListener(response, None)
