"""What every flow plays on: the people, the world outside, and the three places that must agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from aiohttp import ClientSession
from web3 import Web3

from deedbook.chain_keys import chain_key
from deedbook.demo.client import TradingSession
from deedbook.demo.client_messages import HmacKey, signed
from deedbook.demo.flows.outside import Outside
from deedbook.demo.flows.person import Person
from deedbook.demo.waiting import until
from deedbook.deployment import Deployment
from deedbook.running import Running
from persistence.database import Pool
from settlement.artifacts import Artifact, ours, trex
from settlement.chain_events import TRANSFER
from settlement.infrastructure import read


@dataclass(slots=True)
class Told:
    """What one flow says: figures by name, and what differed. Empty `findings`: chain, database and ledger agree."""

    flow: str
    figures: dict[str, Any] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)
    checks: int = 0

    def same(self, what: str, **values: object) -> None:
        """One thing as several places say it, by place."""
        self.checks += 1
        self.figures[what] = {place: _plain(value) for place, value in values.items()}
        if len(set(values.values())) != 1:
            self.findings.append(f"{what}: {self.figures[what]}")


def _holding(tokens: list[dict[str, Any]], symbol: str) -> dict[str, Any]:
    return next(
        (each for each in tokens if f"{each['symbol']}USDC" == symbol or each["symbol"] == symbol), {"free": "0"}
    )


def _plain(value: object) -> object:
    """For JSON: a number as text, as it may be larger than a reader's."""
    return value if isinstance(value, str | bool) else str(value)


@dataclass(slots=True)
class Stage:
    """`people` by name; `property_id`, `token` and `symbol` once there are."""

    market: Running
    deployment: Deployment
    outside: Outside
    people: Mapping[str, Person]
    property_id: UUID | None = None
    token: bytes = b""
    symbol: str = ""

    @property
    def pool(self) -> Pool:
        return self.market.pool

    def __getitem__(self, name: str) -> Person:
        return self.people[name]

    # -- what people do together, and what they bring

    async def approve(self, approval: Mapping[str, Any]) -> None:
        """The second admin approves what the first one proposed, by its hash."""
        path = f"/approvals/{approval['approval_id']}/approve"
        await self["admin2"].visitor.post(path, {"payload_hash": approval["payload_hash"]})

    async def give_usdc(self, address: str, micros: int) -> None:
        """From outside of the platform, where people get their USDC."""
        platform, usdc = self.deployment.platform, self.deployment.infrastructure.usdc
        await platform.sender.send(usdc, ours("MockUSDC").call_data("mint", [address, micros]))

    async def bring_tokens(self, person: Person, qty: str) -> None:
        """Lock tokens for trading, and wait until they count."""
        await person.sign_all(await person.visitor.get("/funds/deposit", symbol=self.symbol, qty=qty))

        async def credited() -> bool:
            return await self.free_of(person, self.symbol) >= Decimal(qty)

        await until(credited, f"the tokens of {person.name} are locked")

    async def buy_by_websocket(self, key: Mapping[str, Any], price: str, qty: str) -> Mapping[str, Any]:
        """An order with an API key that was made on the web; the answer of the trading API."""
        settings = self.market.settings
        credentials = HmacKey(key["key"], key["secret"].encode())
        session = await TradingSession.open(
            f"ws://127.0.0.1:{settings.websocket_port}/ws-api/v3", credentials, "flows-"
        )
        order: dict[str, str | int] = {
            "symbol": self.symbol,
            "side": "BUY",
            "type": "LIMIT",
            "timeInForce": "GTC",
            "price": price,
        }
        try:
            answer = await session.ask("order.place", signed(credentials, order | {"quantity": qty}))
        finally:
            await session.close()
        placed: dict[str, Any] = msgspec.json.decode(answer)
        return placed

    async def trading_rules(self) -> Mapping[str, Any]:
        """The property's symbol as the trading API lists it."""
        url = f"http://127.0.0.1:{self.market.settings.rest_port}/api/v3/exchangeInfo"
        async with ClientSession() as http, http.get(url) as response:
            symbols = (await response.json())["symbols"]
        return next(each for each in symbols if each["symbol"] == self.symbol)

    async def free_of(self, person: Person, asset: str) -> Decimal:
        """What the person can use of "cash", or of a token by its market's symbol."""
        (wallet,) = await person.visitor.get("/portfolio")
        holding = wallet["cash"] if asset == "cash" else _holding(wallet["tokens"], asset)
        return Decimal(holding["free"])

    # -- the chain

    @property
    def circle_api_key(self) -> str:
        """With which the bank is played."""
        kept = msgspec.json.decode(self.market.layout.credentials.read_bytes(), type=dict[str, str])
        return kept["circle_api_key"]

    @property
    def treasury_address(self) -> str:
        return str(chain_key(self.market.layout.signer_keys, "treasury").address)

    async def vault_of(self, address: str) -> int:
        account = await self.view(ours("CashVault"), self.deployment.infrastructure.vault, "accountOf", address)
        balance: int = account[0]
        return balance

    async def view(self, artifact: Artifact, address: str, function: str, *arguments: Any) -> Any:
        return await read(self.deployment.chain, artifact, Web3.to_checksum_address(address), function, *arguments)

    async def usdc_of(self, address: str) -> int:
        micros: int = await self.view(ours("MockUSDC"), self.deployment.infrastructure.usdc, "balanceOf", address)
        return micros

    async def tokens_of(self, address: str) -> int:
        base_units: int = await self.on_token("balanceOf", address)
        return base_units

    async def transfers_until(self, block: int) -> int:
        """How many Transfer logs the token has up to a block."""
        query: Any = {
            "address": Web3.to_checksum_address(self.token),
            "topics": ["0x" + TRANSFER.hex()],
            "fromBlock": 0,
            "toBlock": block,
        }
        return len(await self.deployment.chain.eth.get_logs(query))

    async def on_token(self, function: str, *arguments: Any) -> Any:
        return await self.view(trex("token/Token.sol/Token"), "0x" + self.token.hex(), function, *arguments)

    # -- the ledger

    async def ledger(self, kind: str, currency: str = "USDC") -> int:
        """Debits less credits of one kind of account of the demo's property."""
        balance: int = await self.pool.fetchval(
            "SELECT coalesce(sum(amount), 0)::bigint FROM ledger_postings JOIN ledger_accounts USING (account_id)"
            " WHERE kind = $1 AND currency = $2 AND property_id = $3",
            *(kind, currency, self.property_id),
        )
        return balance
