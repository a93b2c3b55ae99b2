"""The demo's story: all trade; one is refused, one loses KYC, one is frozen by an issuer, one takes funds out."""

import asyncio
import time
from array import array
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from time import monotonic_ns
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from eth_account import Account

from compliance.registry import set_kyc
from compliance.rules import KycStatus
from deedbook.demo.cast import ALL_PROPERTIES, FLOW_CAST, FLOW_PROPERTY, Roles
from deedbook.demo.client import TradingSession
from deedbook.demo.client_messages import Credentials, Ed25519Key, HmacKey
from deedbook.demo.flow import FlowOrder
from deedbook.demo.flow_replay import FlowReplay
from deedbook.demo.instrument import Instrument
from deedbook.demo.market import ACTOR, LOT_BASE_UNITS, PROPERTIES, Investor, MarketBuilder
from deedbook.demo.pacer import Pacer
from deedbook.demo.seen import Seen, total
from deedbook.demo.trader import NS, FairPrice, Plan, Trader, run_traders
from deedbook.demo.traders import MarketMaker, Refused, Taker, Waiter
from deedbook.demo.waiting import until
from deedbook.deployment import Deployment
from deedbook.running import Running
from settlement.artifacts import ours
from settlement.steps import PostgresSteps, Sender
from settlement.tokenization import TokenSuite, revoke_claim, set_wallet_frozen

MAKER_ACTIONS_PER_S: Final = 25.0
TAKER_ACTIONS_PER_S: Final = 4.0
SPECIAL_ACTIONS_PER_S: Final = 3.0
REVOKE_AT: Final = 0.4  # of the trading time
FREEZE_AT: Final = 0.6
LEAVE_AT: Final = 0.5
TRADES_UNDER_FREEZE: Final = 3
EVENT_WITHIN_S: Final = 30.0
OPEN_TRADES: Final = "SELECT count(*) FROM trades LEFT JOIN trade_settlements USING (trade_id) WHERE batch_id IS NULL"
OPEN_BATCHES: Final = "SELECT count(*) FROM settlement_batches WHERE state <> 'FINAL' OR gas_used IS NULL"


class Scenario:
    """`set_up`, `trade`, `settle`; `told` says what came of the special cases."""

    def __init__(
        self, market: Running, cast: Roles, rows: Sequence[FlowOrder], seed: int, say: Callable[[str], None]
    ) -> None:
        self.told: dict[str, Any] = {}
        self._market = market
        self._cast = cast
        self._rows = rows
        self._seed = seed
        self._say = say
        self._sessions: list[TradingSession] = []
        self._deployment: Deployment
        self._suites: dict[int, TokenSuite] = {}
        self._investors: list[Investor] = []
        self._credentials: list[Credentials] = []

    async def set_up(self) -> None:
        market = self._market
        self._deployment = await market.deployment(self._say)
        builder = MarketBuilder(market.layout, self._deployment, market.pool, market.submit, self._say)
        self._suites = await builder.open_properties(ALL_PROPERTIES)
        keys = [Account.create() for _ in self._cast.people]
        self._investors = await builder.add_investors(self._cast.people, keys, self._suites)
        self._credentials = [self._api_key(index) for index in range(len(self._investors))]

    async def trade(self, seconds: int) -> float:
        """For about `seconds`; returns how long it took until every trader had left. Raises SessionError."""
        url = f"ws://127.0.0.1:{self._market.settings.websocket_port}/ws-api/v3"
        async with AsyncExitStack() as stack:
            for index, credentials in enumerate(self._credentials):
                session = await TradingSession.open(url, credentials, f"d{index}")
                stack.push_async_callback(session.close)
                self._sessions.append(session)
            pacer = stack.enter_context(Pacer())
            begun_ns = monotonic_ns()
            end_ns = begun_ns + seconds * NS
            traders, waiter = self._traders(pacer, begun_ns, end_ns)
            flow_sessions = [self._sessions[index] for index in self._cast.flow]
            replay = FlowReplay(flow_sessions, FLOW_CAST, self._instrument(FLOW_PROPERTY.symbol), "f")
            await asyncio.gather(
                run_traders(traders),
                replay.play(self._rows, seconds, pacer),
                self._revoke(waiter, begun_ns + int(REVOKE_AT * seconds * NS)),
                self._freeze(begun_ns + int(FREEZE_AT * seconds * NS)),
                self._leave(begun_ns + int(LEAVE_AT * seconds * NS)),
            )
            await replay.leave()
            return (monotonic_ns() - begun_ns) / NS

    async def settle(self) -> None:
        """Until every trade is FINAL or FAILED, with its batch's gas known, and every withdrawal is paid."""
        pool = self._market.pool

        async def settled() -> bool:
            return not await pool.fetchval(OPEN_TRADES) and not await pool.fetchval(OPEN_BATCHES)

        await until(settled, "every trade is settled")
        await self._paid_out()

    def latencies_ns(self, *, of_flow: bool) -> list["array[int]"]:
        """By session: of those that replay order flow, or of all the others."""
        return [each.latencies_ns for at, each in enumerate(self._sessions) if (at in self._cast.flow) is of_flow]

    def seen(self) -> Seen:
        return total(session.seen for session in self._sessions)

    # -- who trades

    def _traders(self, pacer: Pacer, begun_ns: int, end_ns: int) -> tuple[list[Trader], Waiter]:
        cast = self._cast

        def fair() -> dict[Instrument, FairPrice]:
            return {
                self._instrument(each.symbol): FairPrice(self._seed + each.number, each.price_ticks, begun_ns)
                for each in PROPERTIES
            }

        def plan(index: int, rate: float) -> Plan:
            return Plan(self._seed * 1_000 + index, rate, begun_ns, end_ns)

        makers: list[Trader] = [
            MarketMaker(self._sessions[index], fair(), pacer, plan(index, MAKER_ACTIONS_PER_S)) for index in cast.makers
        ]
        takers = [
            Taker(self._sessions[index], fair(), pacer, plan(index, TAKER_ACTIONS_PER_S)) for index in cast.takers
        ]
        refused = Refused(self._sessions[cast.unverified], fair(), pacer, plan(cast.unverified, SPECIAL_ACTIONS_PER_S))
        waiter = Waiter(self._sessions[cast.revoked], fair(), pacer, plan(cast.revoked, SPECIAL_ACTIONS_PER_S))
        return [*makers, *takers, refused, waiter], waiter

    def _instrument(self, symbol: str) -> Instrument:
        return self._sessions[0].instruments[symbol]

    def _api_key(self, index: int) -> Credentials:
        """Makers log on with Ed25519, the others sign each request."""
        store, account = self._market.keys, self._investors[index].account
        if index in self._cast.makers:
            private = Ed25519PrivateKey.generate()
            return Ed25519Key(store.create_ed25519(account, private.public_key().public_bytes_raw()).key, private)
        key = store.create_hmac(account)
        return HmacKey(key.key, key.secret)

    # -- what happens to some of them

    async def _revoke(self, waiter: Waiter, due_ns: int) -> None:
        """Take the KYC of one away while its orders rest: they are gone in the same command."""
        await asyncio.wait_for(waiter.rested.wait(), EVENT_WITHIN_S)
        await _sleep_until(due_ns)
        investor = self._investors[self._cast.revoked]
        self._say("The KYC of one trader is revoked.")
        begun_s = time.monotonic()
        await set_kyc(self._market.pool, investor.user_id, KycStatus.REJECTED, actor=ACTOR)
        await asyncio.wait_for(waiter.expired.wait(), EVENT_WITHIN_S)
        self.told["kyc_revoked"] = {
            "orders_closed": waiter.session.seen.closed["PERMISSION_LOST"],
            "seconds": round(time.monotonic() - begun_s, 3),
        }
        platform, infrastructure = self._deployment.platform, self._deployment.infrastructure
        await revoke_claim(platform, infrastructure, investor.key.address)

    async def _freeze(self, due_ns: int) -> None:
        """Freeze a wallet on chain between the match of its trades and their settlement."""
        await _sleep_until(due_ns)
        session, investor = self._sessions[self._cast.frozen], self._investors[self._cast.frozen]
        instrument = self._instrument(PROPERTIES[0].symbol)
        platform, suite = self._deployment.platform, self._suites[PROPERTIES[0].number]
        self._say("An issuer freezes the wallet of one trader.")
        before = session.seen.fills
        for side in (True, False):
            session.place_market(instrument, is_buy=side, qty_lots=10)
        freezing = asyncio.create_task(set_wallet_frozen(platform, suite, investor.key.address, True))
        for number in range(TRADES_UNDER_FREEZE):
            session.place_market(instrument, is_buy=number % 2 == 0, qty_lots=5)
            await session.drain()
        await freezing
        session.place_market(instrument, is_buy=True, qty_lots=5)  # matched, unless the freeze is known by now
        await session.drain()
        self.told["wallet_frozen"] = {"account": investor.account, "fills_around_it": session.seen.fills - before}

    async def _leave(self, due_ns: int) -> None:
        """Ask for cash and tokens back, on chain; the releaser pays once the engine has set them aside."""
        await _sleep_until(due_ns)
        investor = self._investors[self._cast.leaving]
        infrastructure = self._deployment.infrastructure
        sender = Sender(self._deployment.chain, investor.key, PostgresSteps(self._market.pool))
        self._say("One trader takes cash and tokens out.")
        cash_micros = investor.person.usdc_micros // 4
        await sender.send(infrastructure.vault, ours("CashVault").call_data("requestWithdraw", [cash_micros]))
        token = self._suites[PROPERTIES[0].number].token
        base_units = investor.person.lots[PROPERTIES[0].number] // 4 * LOT_BASE_UNITS
        await sender.send(infrastructure.locker, ours("TokenLocker").call_data("requestUnlock", [token, base_units]))
        self.told["withdrawal"] = {"usdc_micros": cash_micros, "tokens_base_units": str(base_units)}

    async def _paid_out(self) -> None:
        """The chain itself says that the wallet has what was asked for."""
        investor = self._investors[self._cast.leaving]
        infrastructure = self._deployment.infrastructure
        usdc = self._deployment.chain.eth.contract(address=infrastructure.usdc, abi=list(ours("MockUSDC").abi))
        locker = self._deployment.chain.eth.contract(address=infrastructure.locker, abi=list(ours("TokenLocker").abi))
        token = self._suites[PROPERTIES[0].number].token
        asked_micros = investor.person.usdc_micros // 4

        async def paid() -> bool:
            cash = await usdc.functions.balanceOf(investor.key.address).call()
            requested = (await locker.functions.lockOf(token, investor.key.address).call())[2]
            return bool(cash == asked_micros and requested == 0)

        await until(paid, "the withdrawal is paid out")
        lots = investor.person.lots[PROPERTIES[0].number]
        row = "SELECT level FROM balances WHERE account = $1 AND instrument = $2"

        async def known() -> bool:
            levels = [await self._market.pool.fetchval(row, investor.account, asset) for asset in (0, 1)]
            return levels == [investor.person.usdc_micros - asked_micros, lots - lots // 4]

        await until(known, "the engine knows of the withdrawal")


async def _sleep_until(due_ns: int) -> None:
    await asyncio.sleep(max(0.0, (due_ns - monotonic_ns()) / NS))
