"""A whole market in a test's hands: the real engine behind a feed in memory, a real anvil, a real database."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount
from web3 import AsyncWeb3

from engine import types as t
from engine.exchange import Exchange
from engine.wire import COMMAND_SIZE, EVENT, EVENT_SIZE, decode_events, encode_command, stamped
from persistence.database import Pool
from settlement.artifacts import ours
from settlement.batcher import Batcher, BatcherTerms, BatchProgress
from settlement.chain import Chain, Header
from settlement.infrastructure import Delays, Infrastructure, Platform, deploy_infrastructure
from settlement.intake import Intake
from settlement.listener import Listener
from settlement.node import node
from settlement.outbox import Outbox
from settlement.reconcile import Mismatch, chain_levels, compare, wallets_of
from settlement.records import Records
from settlement.relay import Relay
from settlement.signing import SignRequest
from settlement.simulation import Addresses
from settlement.steps import Sender
from settlement.tokenization import (
    InvestorTerms,
    PropertyTerms,
    TokenSuite,
    deploy_property_token,
    mint,
    register_investor,
    unpause,
)
from tests.settlement.local_chain import anvil_binary, file_steps, free_port, key, keys, platform_on, rich

INVESTORS = 5
CASH_USDC_MICROS = 1_000_000_000
TOKENS = 1_000
OAK = 1
FEE_ACCOUNT = 1
TICK_VALUE_USDC_MICROS = 10_000
START_NS = 1_750_000_000 * 10**9
DEADLINE_S = 30.0
GERMANY = 276
TERMS = PropertyTerms("OAK12", "12 Oak Street", "OAK12")


async def until(condition: Callable[[], Any], what: str = "") -> None:
    """Poll until the condition (or the awaitable it makes) is true."""
    deadline_s = time.monotonic() + DEADLINE_S
    while True:
        found = condition()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return
        assert time.monotonic() < deadline_s, f"not within {DEADLINE_S:.0f} s: {what}"
        await asyncio.sleep(0.02)


@dataclass(frozen=True, slots=True)
class Frame:
    first_seq: int
    commands: bytes
    events: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    seq: int
    time_ns: int
    events: list[tuple[Any, ...]]


class MemoryFeed:
    """The exchange and its durable journal in memory; survives every kill of the settlement side."""

    def __init__(self) -> None:
        self.exchange = Exchange()
        self.frame_list: list[Frame] = []
        self._time_ns = START_NS
        self._grown = asyncio.Condition()

    async def submit(self, commands: Sequence[bytes]) -> list[Answer]:
        return await self._apply(list(commands))

    async def send(self, *commands: t.Command) -> list[t.Event]:
        answers = await self._apply([encode_command(command) for command in commands])
        rows = b"".join(EVENT.pack(*row) for answer in answers for row in answer.events)
        return [event for _, event in decode_events(rows)]

    async def _apply(self, commands: list[bytes]) -> list[Answer]:
        self._time_ns += 1_000_000
        first_seq = self.exchange.seq + 1
        records = bytes(stamped(commands, first_seq, self._time_ns))
        events = self.exchange.apply(records)
        previous = self.frame_list[-1].hash if self.frame_list else bytes(32)
        self.frame_list.append(Frame(first_seq, records, events, sha256(previous + records + events).digest()))
        async with self._grown:
            self._grown.notify_all()
        answers = [Answer(first_seq + at, self._time_ns, []) for at in range(len(commands))]
        for at in range(0, len(events), EVENT_SIZE):
            row = EVENT.unpack_from(events, at)
            answers[row[0] - first_seq].events.append(row)
        return answers

    async def frames(self, from_seq: int) -> AsyncIterator[Frame]:
        at = 0
        while True:
            async with self._grown:
                await self._grown.wait_for(lambda: len(self.frame_list) > at)  # noqa: B023 - awaited at once
            frame = self.frame_list[at]
            at += 1
            if frame.first_seq + len(frame.commands) // COMMAND_SIZE > from_seq:
                yield frame


class MemoryStream:
    """What Redis would hold; `lose` is a flush."""

    def __init__(self) -> None:
        self._entries: asyncio.Queue[bytes] = asyncio.Queue()
        self.pushed = 0

    async def clear(self) -> None:
        self._entries = asyncio.Queue()

    async def push(self, entries: Sequence[bytes]) -> None:
        for entry in entries:
            self._entries.put_nowait(entry)
            self.pushed += 1

    async def pull(self, count_max: int, timeout_s: float) -> Sequence[bytes]:
        try:
            first = await asyncio.wait_for(self._entries.get(), min(timeout_s, 0.2))
        except TimeoutError:
            return []
        rest = [self._entries.get_nowait() for _ in range(min(count_max - 1, self._entries.qsize()))]
        return [first, *rest]

    def lose(self) -> None:
        self._entries = asyncio.Queue()


class KeySigner:
    """Signs whatever it is asked to, with a key in this process."""

    def __init__(self, account: LocalAccount) -> None:
        self._account = account
        self.signed: list[SignRequest] = []

    async def sign(self, request: SignRequest) -> bytes:
        self.signed.append(request)
        fields: dict[str, Any] = {
            "type": 2,
            "chainId": request.chain_id,
            "nonce": request.nonce,
            "to": AsyncWeb3.to_checksum_address(request.to),
            "data": request.data,
            "value": 0,
            "gas": request.gas,
            "maxFeePerGas": int(request.max_fee_wei),
            "maxPriorityFeePerGas": int(request.priority_fee_wei),
        }
        return bytes(self._account.sign_transaction(fields).raw_transaction)


class Anvil:
    """An anvil that can be killed and started again on the same port and state file."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self, *options: str) -> None:
        command = [str(anvil_binary()), "--hardfork", "osaka", "--enable-tx-gas-limit", "--accounts", "0", "--silent"]
        command += ["--port", str(self.port), *options]
        self.process = subprocess.Popen(command, cwd=self._directory)
        chain = Chain(self.url, timeout_s=2)
        deadline_s = time.monotonic() + DEADLINE_S
        while True:
            try:
                await chain.chain_id()
                break
            except Exception:
                assert self.process.poll() is None, "anvil died"
                assert time.monotonic() < deadline_s, "anvil does not answer"
                await asyncio.sleep(0.02)
        await chain.close()

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.process = None

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
            self.process = None


@dataclass(frozen=True, slots=True)
class Deployed:
    """A chain's state after the contracts and the investors' identities are there, to start other chains from."""

    state: str
    steps: bytes
    infra: Infrastructure
    suite: TokenSuite


def investor(number: int) -> LocalAccount:
    return key(f"investor {number}")


async def deploy(directory: Path, terms: PropertyTerms = TERMS) -> Deployed:
    anvil = Anvil(directory)
    await anvil.start()
    web3 = node(anvil.url)
    try:
        steps = file_steps(directory)
        platform = await platform_on(web3, steps)
        infra = await deploy_infrastructure(platform, keys().roles(), Delays())
        suite = await deploy_property_token(platform, infra, terms)
        await unpause(platform, suite)
        for number in range(INVESTORS):
            await register_investor(platform, infra, InvestorTerms(investor(number).address, GERMANY))
        everyone = [investor(number).address for number in range(INVESTORS)]
        await rich(web3, *everyone, *(each.address for each in (keys().operator, keys().releaser, keys().issuer)))
        state = (await web3.provider.make_request("anvil_dumpState", []))["result"]
        return Deployed(state, (directory / "steps.json").read_bytes(), infra, suite)
    finally:
        await web3.provider.disconnect()
        anvil.stop()


def raw_address(address: str) -> bytes:
    return bytes.fromhex(address.removeprefix("0x"))


@dataclass
class World:
    deployed: Deployed
    anvil: Anvil
    platform: Platform
    chain: Chain
    pool: Pool
    feed: MemoryFeed
    stream: MemoryStream = field(default_factory=MemoryStream)
    progress: list[BatchProgress] = field(default_factory=list)
    terms: BatcherTerms = field(
        default_factory=lambda: BatcherTerms(replace_after_s=1e9, simulation_gas_max=500_000_000)
    )

    def __post_init__(self) -> None:
        infra = self.deployed.infra
        self.addresses = Addresses(*map(raw_address, (infra.bridge, infra.vault, infra.locker)))
        self.token = raw_address(self.deployed.suite.token)
        self.signer = KeySigner(keys().operator)
        self.renew()

    def renew(self) -> None:
        """New objects on the old database, journal and chain, as after a kill."""
        self.records = Records(self.pool)
        self.intake = Intake(self.pool, self.feed.frames, self._lot_of)
        self.outbox = Outbox(self.chain, self.records, self.signer, raw_address(keys().operator.address), 31337)
        self.batcher = Batcher(
            self.chain,
            self.records,
            self.outbox,
            self.addresses,
            self.feed.submit,
            self.caught_up,
            self._on_progress,
            self.terms,
        )
        self.listener = Listener(
            self.chain,
            self.addresses,
            self.records.instruments,
            self.caught_up,
            self.records.batch_of,
        )
        self.relay = Relay(
            self.listener, self.stream, self.feed.submit, self.records.engine_position, self._seen, self._set_seen, 0.05
        )

    async def caught_up(self, seq: int | None = None) -> None:
        """Read everything durable into the tables, as the intake's loop would."""
        if self.intake.seq == 0:
            await self.intake.open()
        await self.intake.apply([frame for frame in self.feed.frame_list if frame.first_seq > self.intake.seq])

    async def _on_progress(self, progress: BatchProgress) -> None:
        self.progress.append(progress)

    async def _lot_of(self, token: bytes) -> int | None:
        return 1 if token == self.token else None

    async def _seen(self) -> Header | None:
        return await self.records.seen()

    async def _set_seen(self, header: Header) -> None:
        await self.records.set_seen(header)

    # -- acts

    async def rpc(self, method: str, *parameters: Any) -> Any:
        return await self.chain.request(method, parameters)

    async def mine(self, blocks: int = 1) -> None:
        await self.rpc("anvil_mine", hex(blocks))

    async def act(self, account: LocalAccount, contract: str, function: str, *arguments: Any) -> None:
        """One transaction to the vault, the locker or the USDC."""
        infra = self.deployed.infra
        to = {"CashVault": infra.vault, "TokenLocker": infra.locker, "MockUSDC": infra.usdc}[contract]
        sender = Sender(self.platform.chain, account, self.platform.sender._steps)
        await sender.send(to, ours(contract).call_data(function, list(arguments)))

    async def fund(self, number: int, usdc_micros: int, tokens: int) -> None:
        account, infra = investor(number), self.deployed.infra
        if usdc_micros:
            mint_call = ours("MockUSDC").call_data("mint", [account.address, usdc_micros])
            await self.platform.sender.send(infra.usdc, mint_call)
            await self.act(account, "MockUSDC", "approve", infra.vault, usdc_micros)
            await self.act(account, "CashVault", "deposit", usdc_micros)
        if tokens:
            await mint(self.platform, self.deployed.suite, account.address, tokens, f"{number} {time.monotonic_ns()}")
            await self.act(account, "TokenLocker", "lock", self.deployed.suite.token, tokens)

    async def open(self) -> None:
        """List the property, open the accounts, and bring in everybody's cash and tokens from the chain."""
        await self.list_all()
        await self.caught_up()
        for number in range(INVESTORS):
            await self.fund(number, CASH_USDC_MICROS, TOKENS)
        await self.listen()

    async def list_all(self) -> None:
        """Accounts, the property and permissions, in the exchange only."""
        fees = raw_address(keys().fee_account.address)
        await self.feed.send(t.OpenAccount(FEE_ACCOUNT, fees))
        for number in range(INVESTORS):
            await self.feed.send(t.OpenAccount(number + 2, raw_address(investor(number).address)))
        await self.feed.send(
            listing(self.token),
            t.SetFees(OAK, 5, 10),
            *(t.SetPermission(account_of(number), OAK, 1, 1, 2**62) for number in range(INVESTORS)),
        )

    async def listen(self) -> None:
        """One session of the relay up to the present head."""
        head = await self.chain.head()
        session = asyncio.create_task(self.relay.session())
        try:
            await until(lambda: session.done() or self.relay.has_told(head.number), "the relay")
            if session.done():
                session.result()
        finally:
            session.cancel()
            await asyncio.gather(session, return_exceptions=True)
        await self.caught_up()

    async def trade(self, buyer: int, seller: int, qty_lots: int, price_ticks: int = 100) -> int:
        """One trade between two investors; returns its id."""
        limit, gtc = t.OrderType.LIMIT, t.TimeInForce.GTC
        await self.feed.send(t.Place(account_of(seller), OAK, t.Side.SELL, limit, gtc, price_ticks, qty_lots))
        events = await self.feed.send(t.Place(account_of(buyer), OAK, t.Side.BUY, limit, gtc, price_ticks, qty_lots))
        (trade,) = [event for event in events if isinstance(event, t.Trade)]
        await self.caught_up()
        return trade.trade_id

    async def mine_batches(self) -> None:
        """Step the batcher until there is nothing more for it to do: a node mines soon, not at once."""
        await until(self._is_idle, "the batches")

    async def _is_idle(self) -> bool:
        return not await self.batcher.step()

    def settled(self) -> dict[int, int]:
        """How the engine heard that each trade ended, by trade id."""
        found = {}
        for frame in self.feed.frame_list:
            for _, event in decode_events(frame.events):
                if isinstance(event, t.TradeSettled):
                    assert event.trade_id not in found, "settled twice"
                    found[event.trade_id] = event.reason
        return found

    def engine_balance(self, number: int, asset: int) -> t.Balance:
        balances = self.feed.exchange.state().balances
        nothing = t.Balance(account_of(number), asset, 0, 0, 0, 0, 0, 0, 0, 0)
        return next(
            (each for each in balances if (each.account, each.instrument) == (account_of(number), asset)), nothing
        )

    async def mismatches(self) -> list[Mismatch]:
        """Where the engine's levels are not the chain's."""
        state = self.feed.exchange.state()
        accounts = [each.account for each in state.accounts]
        instruments = (await self.records.instruments()).values()
        levels = await chain_levels(self.chain, self.addresses, accounts, wallets_of(state), instruments)
        return compare(state.balances, levels)

    async def states(self) -> list[str]:
        return [row["state"] for row in await self.pool.fetch("SELECT state FROM settlement_batches ORDER BY batch_id")]


def listing(token: bytes) -> t.SetInstrument:
    return t.SetInstrument(
        instrument=OAK,
        fee_account=FEE_ACCOUNT,
        tick_value_usdc_micros=TICK_VALUE_USDC_MICROS,
        price_ticks_max=10**6,
        qty_lots_max=10**6,
        notional_usdc_micros_min=0,
        market_collar_bps=1_000,
        open_orders_max=1_000,
        resale=1,
        symbol=b"OAK12USDC",
        token=token,
    )


def account_of(number: int) -> int:
    """The engine's account of an investor: the fee account came first."""
    return number + 2


@asynccontextmanager
async def world_on(deployed: Deployed, pool: Pool, directory: Path, *anvil_options: str) -> AsyncIterator[World]:
    anvil = Anvil(directory)
    await anvil.start(*anvil_options)
    web3 = node(anvil.url)
    chain = Chain(anvil.url, confirmations=0, timeout_s=5)
    try:
        await chain.request("anvil_loadState", [deployed.state])
        (directory / "steps.json").write_bytes(deployed.steps)
        platform = Platform(
            Sender(web3, key("deployer"), file_steps(directory)),
            Sender(web3, key("owner"), file_steps(directory)),
            key("claims"),
        )
        yield World(deployed, anvil, platform, chain, pool, MemoryFeed())
    finally:
        await chain.close()
        await web3.provider.disconnect()
        anvil.stop()


__all__ = ["Account", "World", "world_on"]
