"""A market to try: properties deployed, investors registered, funds deposited and locked, by the real doors."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from eth_account.signers.local import LocalAccount

from compliance.countries import COUNTRY_NUMERIC
from compliance.identities import GrantState, live_grant
from compliance.instruments import Instrument, list_instrument, set_instrument
from compliance.registry import (
    FactError,
    create_user,
    link_wallet,
    set_accreditation,
    set_country,
    set_kyc,
    user_by_email,
)
from compliance.rules import AccreditationStatus, KycStatus, Regime
from deedbook.chain_keys import chain_key
from deedbook.demo.waiting import until
from deedbook.deployment import Deployment, give_gas_money
from deedbook.layout import Layout
from engine import types as t
from persistence.commands import Submit
from persistence.database import Pool
from settlement.artifacts import ours
from settlement.infrastructure import call_once
from settlement.steps import PostgresSteps, Sender
from settlement.tokenization import (
    PropertyTerms,
    TokenSuite,
    deploy_property_token,
    mint,
    unpause,
)

ACTOR: Final = "demo"
TOKEN_DECIMALS: Final = 18
LOT_DECIMALS: Final = 2
LOTS_A_TOKEN: Final = 10**LOT_DECIMALS
LOT_BASE_UNITS: Final = 10 ** (TOKEN_DECIMALS - LOT_DECIMALS)
TICK_VALUE_USDC_MICROS: Final = 100  # a tick of 0.01 USDC a token, on a lot of 0.01 token
USDC_MICROS: Final = 10**6
WAIT_S: Final = 90.0
VALID_FOR: Final = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Property:
    """What is tokenized; prices in ticks of 0.01 USDC a token."""

    number: int
    symbol: str
    name: str
    regime: Regime
    price_ticks: int
    allowed_countries: tuple[str, ...] | None = None
    holder_cap: int = 0

    @property
    def token_symbol(self) -> str:
        return self.symbol.removesuffix("USDC")


@dataclass(frozen=True, slots=True)
class Person:
    """An investor to be: what is true of them, and what they bring. Tokens in lots by instrument number."""

    name: str
    country: str
    usdc_micros: int
    lots: dict[int, int]
    kyc: KycStatus = KycStatus.APPROVED
    is_accredited: bool = True


@dataclass(frozen=True, slots=True)
class Investor:
    person: Person
    user_id: UUID
    key: LocalAccount
    account: int

    @property
    def wallet(self) -> bytes:
        return bytes.fromhex(self.key.address[2:])


PROPERTIES: Final = (
    Property(1, "OAK12USDC", "12 Oak Street", Regime.OPEN, 10_000),
    Property(2, "ELM7USDC", "7 Elm Court", Regime.REG_D_506C, 25_000, holder_cap=99),
)


class MarketBuilder:
    """Sets a market up on a running machine. Each step may be done again after a kill."""

    def __init__(
        self, layout: Layout, deployment: Deployment, pool: Pool, submit: Submit, say: Callable[[str], None]
    ) -> None:
        self._layout = layout
        self._deployment = deployment
        self._steps = PostgresSteps(pool)
        self._pool = pool
        self._submit = submit
        self._say = say

    async def open_properties(self, properties: Sequence[Property]) -> dict[int, TokenSuite]:
        """Deploy and list; an instrument is known to the engine before its first token moves."""
        fee_account = await self._fee_account()
        return {each.number: await self._open_property(each, fee_account) for each in properties}

    async def add_investors(
        self, people: Sequence[Person], keys: Sequence[LocalAccount], suites: dict[int, TokenSuite]
    ) -> list[Investor]:
        """Register, fund, deposit and lock; returns when everything is credited and every permission compiled."""
        users = [await self._register(person, key) for person, key in zip(people, keys, strict=True)]
        for number, (person, key) in enumerate(zip(people, keys, strict=True), 1):
            await self._fund(person, key, suites)
            self._say(f"Investor {number} of {len(people)} has deposited.")
        accounts = [await self._account_of(key) for key in keys]
        investors = [Investor(*each) for each in zip(people, users, keys, accounts, strict=True)]
        await self._until_credited(investors)
        return investors

    async def _fee_account(self) -> int:
        wallet = bytes.fromhex(chain_key(self._layout.signer_keys, "fees").address[2:])
        (answer,) = await self._submit([t.OpenAccount(owner=0, wallet=wallet)])
        event = answer.events[0]
        assert isinstance(event, t.AccountOpened | t.Rejected)
        return event.account

    async def _open_property(self, each: Property, fee_account: int) -> TokenSuite:
        self._say(f"Tokenizing {each.name}.")
        suite = await self.contracts(each)
        instrument = Instrument(
            instrument=each.number,
            symbol=each.symbol,
            name=each.name,
            token_decimals=TOKEN_DECIMALS,
            lot_decimals=LOT_DECIMALS,
            regime=each.regime,
            fee_account=fee_account,
            tick_value_usdc_micros=TICK_VALUE_USDC_MICROS,
            price_ticks_max=10**7,
            qty_lots_max=10**8,
            notional_usdc_micros_min=0,
            open_orders_max=5_000,
            token=bytes.fromhex(suite.token[2:]),
            allowed_countries=each.allowed_countries,
            holder_cap=each.holder_cap,
            maker_fee_bps=5,
            taker_fee_bps=10,
        )
        await set_instrument(self._pool, instrument, actor=ACTOR)
        await list_instrument(self._pool, self._submit, each.number, actor=ACTOR)
        await unpause(self._deployment.platform, suite)
        return suite

    async def contracts(self, each: Property) -> TokenSuite:
        """A property's contracts, deployed if they are not."""
        platform, infrastructure = self._deployment.platform, self._deployment.infrastructure
        countries = tuple(COUNTRY_NUMERIC[code] for code in each.allowed_countries or ())
        terms = PropertyTerms(each.symbol, each.name, each.token_symbol, TOKEN_DECIMALS, countries)
        return await deploy_property_token(platform, infrastructure, terms)

    async def _register(self, person: Person, key: LocalAccount) -> UUID:
        """The person's facts; those without KYC get no identity on chain."""
        expires_at = datetime.now(UTC) + VALID_FOR
        email = f"{person.name}.{key.address[2:10].lower()}@demo.invalid"
        try:
            return await user_by_email(self._pool, email)
        except FactError:
            user_id = await create_user(self._pool, email, actor=ACTOR)
        await set_country(self._pool, user_id, person.country, actor=ACTOR)
        await link_wallet(self._pool, user_id, bytes.fromhex(key.address[2:]), actor=ACTOR)
        if person.is_accredited:
            await set_accreditation(self._pool, user_id, AccreditationStatus.VERIFIED, expires_at, actor=ACTOR)
        if person.kyc is not KycStatus.NONE:
            good_until = expires_at if person.kyc is KycStatus.APPROVED else None
            await set_kyc(self._pool, user_id, person.kyc, good_until, actor=ACTOR)
        return user_id

    async def _fund(self, person: Person, key: LocalAccount, suites: dict[int, TokenSuite]) -> None:
        """Everything through the chain's own doors: identity, mint, approve, deposit, lock."""
        platform, infrastructure = self._deployment.platform, self._deployment.infrastructure
        await give_gas_money(platform.chain, key.address)
        if person.kyc is KycStatus.APPROVED:
            await self._until_registered(key)
        sender = Sender(platform.chain, key, self._steps)
        if person.usdc_micros:
            await self._deposit(sender, person.usdc_micros)
        for number, lots in person.lots.items():
            token, base_units = suites[number].token, lots * LOT_BASE_UNITS
            await mint(platform, suites[number], key.address, base_units, step=key.address)
            await call_once(
                sender, f"lock {number}", ours("TokenLocker"), infrastructure.locker, "lock", token, base_units
            )

    async def _until_registered(self, key: LocalAccount) -> None:
        """The back office brings every grant to the chain; a second one who did so would only be in its way."""

        async def granted() -> bool:
            grant = await live_grant(self._pool, bytes.fromhex(key.address[2:]))
            assert grant is not None, "who has KYC and a country has a grant"
            return grant.state is GrantState.GRANTED

        await until(granted, "the wallet is registered on chain", WAIT_S)

    async def _deposit(self, sender: Sender, usdc_micros: int) -> None:
        platform, infrastructure = self._deployment.platform, self._deployment.infrastructure
        usdc, vault = ours("MockUSDC"), infrastructure.vault
        step = f"usdc {sender.address}"
        await call_once(platform.sender, step, usdc, infrastructure.usdc, "mint", sender.address, usdc_micros)
        await call_once(sender, "approve", usdc, infrastructure.usdc, "approve", vault, usdc_micros)
        await call_once(sender, "deposit", ours("CashVault"), vault, "deposit", usdc_micros)

    async def _account_of(self, key: LocalAccount) -> int:
        """The engine's number of a wallet; the back office opens it soon after the wallet was linked."""
        address = bytes.fromhex(key.address[2:])

        async def opened() -> Any:
            return await self._pool.fetchval("SELECT account FROM wallets WHERE address = $1", address)

        account: int = await until(opened, "the wallet's account is open", WAIT_S)
        return account

    async def _until_credited(self, investors: Sequence[Investor]) -> None:
        """Until the journal's projections show every deposit and lock, and no permission waits."""
        expected = {
            (investor.account, asset): amount
            for investor in investors
            for asset, amount in ((t.USDC, investor.person.usdc_micros), *investor.person.lots.items())
            if amount
        }

        async def credited() -> bool:
            rows = await self._pool.fetch("SELECT account, instrument, level FROM balances")
            levels = {(row["account"], row["instrument"]): row["level"] for row in rows}
            waiting = await self._pool.fetchval("SELECT count(*) FROM permission_queue")
            return not waiting and all(levels.get(key, 0) >= amount for key, amount in expected.items())

        await until(credited, "deposits and locks are credited", WAIT_S)
