"""The job that makes a property a token: contracts, a number in the engine, the supply at its issuer.

The engine knows the instrument before its first token moves. Killed anywhere it runs again from the top: each
transaction has a name and is sent once, and the number is stored in the database transaction that chose it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from web3 import Web3
from web3.exceptions import ContractLogicError

from api.doors import Audit, Notify
from compliance import instruments
from compliance.countries import COUNTRY_NUMERIC
from compliance.registry import FactError, facts
from compliance.rules import Regime
from deedbook.office.issuance import COUNTRIES
from engine.types import Reason
from persistence.commands import Submit
from persistence.database import Connection, Pool
from persistence.jobs import Job, JobFailed, JobWaits
from properties.answers import market_symbol
from properties.property import (
    Property,
    PropertyMissingError,
    PropertyState,
    find,
    move,
    store_contracts,
    store_instrument,
)
from properties.terms import Terms
from settlement.artifacts import trex
from settlement.infrastructure import Infrastructure, Platform, read
from settlement.tokenization import PropertyTerms, TokenSuite, deploy_property_token, mint, unpause

ACTOR: Final = "tokenize job"
POLL_S: Final = 1.0
SECONDS_A_DAY: Final = 24 * 3600
STEPS: Final = (
    "deploying the contracts",
    "listing the instrument",
    "minting the supply",
    "opening the token",
    "waiting until it is final",
)


@dataclass(frozen=True, slots=True)
class Tokenizer:
    """The handler of `properties.decisions.TOKENIZE`; a job's key is the property's id.

    submit       commands to the engine
    fee_account  the engine's account that fees go to, opened if it is not
    final_block  the highest block that counts as FINAL
    """

    pool: Pool
    platform: Platform
    infra: Infrastructure
    submit: Submit
    fee_account: Callable[[], Awaitable[int]]
    final_block: Callable[[], Awaitable[int]]
    audit: Audit
    notify: Notify

    async def __call__(self, job: Job) -> None:
        try:
            await self._tokenize(job)
        except ContractLogicError as error:
            raise JobFailed(f"the chain refuses it: {error}") from error

    async def _tokenize(self, job: Job) -> None:
        try:
            found = await find(self.pool, UUID(job.key))
        except PropertyMissingError as error:
            raise JobFailed(str(error)) from error
        if found.state is not PropertyState.APPROVED:  # it was killed when all was done
            return await job.show("tokenized", len(STEPS), len(STEPS))
        assert found.issuer_wallet is not None
        issuer = Web3.to_checksum_address(found.issuer_wallet)
        await self._show(job, 0)
        suite = await deploy_property_token(self.platform, self.infra, _on_chain(found))
        await self._show(job, 1)
        number = await self._listed(found, suite)
        await self._show(job, 2)
        await mint(self.platform, suite, issuer, found.terms.supply_base_units, "supply")
        await self._show(job, 3)
        await unpause(self.platform, suite)
        await self._show(job, 4)
        await self._require_final(found.terms, suite)
        await self._finish(found, number)
        await job.show("tokenized", len(STEPS), len(STEPS))

    async def _show(self, job: Job, done: int) -> None:
        await job.show(STEPS[done], done, len(STEPS))

    async def _listed(self, found: Property, suite: TokenSuite) -> int:
        """The property's number, known to the engine with its token, and to us as what it is."""
        number = await self._number(found, suite)
        try:
            await instruments.list_instrument(self.pool, self.submit, number, actor=ACTOR)
        except instruments.EngineRefusedError as refused:
            if refused.reason is Reason.UNKNOWN_INSTRUMENT:
                raise JobWaits(
                    POLL_S, f"instrument {number} is listed after those below it, and one is not yet"
                ) from None
            if refused.reason is Reason.INSTRUMENT_CHANGED:
                await self._give_up(found, number)
                raise JobWaits(0, f"the engine has another instrument {number}: it gets the next number") from None
            raise JobFailed(str(refused)) from refused
        return number

    async def _number(self, found: Property, suite: TokenSuite) -> int:
        """Chosen once, in the transaction that gives it its terms."""
        fee_account = await self.fee_account()
        addresses = [bytes.fromhex(each[2:]) for each in (suite.token, suite.registry, suite.compliance)]
        async with facts(self.pool) as connection:
            chosen = (await find(connection, found.property_id)).instrument
            if chosen is not None:
                return chosen
            await store_contracts(connection, found.property_id, *addresses)
            return await self._choose(connection, found.property_id, _instrument(found, suite, fee_account))

    async def _give_up(self, found: Property, number: int) -> None:
        """The engine has another instrument under this number, whatever the database says: take a higher one."""
        async with facts(self.pool) as connection:
            known = await instruments.instrument_by_number(connection, number)
            await instruments.withdraw_instrument(connection, number, actor=ACTOR)
            await self._choose(connection, found.property_id, known)

    async def _choose(self, connection: Connection, property_id: UUID, instrument: instruments.Instrument) -> int:
        """The next number above the one it has had."""
        try:
            number = await instruments.add_instrument(connection, instrument, actor=ACTOR, above=instrument.instrument)
        except FactError as error:
            raise JobFailed(str(error)) from error
        await store_instrument(connection, property_id, number)
        return number

    async def _require_final(self, terms: Terms, suite: TokenSuite) -> None:
        """The supply is there and can move, at a block that no reorganisation takes away."""
        token, block = trex("token/Token.sol/Token"), await self.final_block()
        if not await self.platform.chain.eth.get_code(suite.token, block):
            raise JobWaits(POLL_S, "the contracts are not final yet")
        supply = await read(self.platform.chain, token, suite.token, "totalSupply", block=block)
        is_paused = await read(self.platform.chain, token, suite.token, "paused", block=block)
        if supply < terms.supply_base_units or is_paused:
            raise JobWaits(POLL_S, "the mint is not final yet")

    async def _finish(self, found: Property, number: int) -> None:
        data = {"property_id": str(found.property_id), "instrument": number}
        async with self.pool.acquire() as connection, connection.transaction():
            await move(connection, found.property_id, PropertyState.TOKENIZED)
            await self.audit(connection, ACTOR, "property tokenized", instrument=number, details=data)
            text = (
                f"{found.terms.name} is tokenized: {found.terms.supply_tokens} {found.terms.symbol} are in your wallet."
            )
            await self.notify(connection, found.manager_id, "PROPERTY_TOKENIZED", text, data)


def _on_chain(found: Property) -> PropertyTerms:
    """The regime as compliance modules. Every country but those that the regime excludes is a list of countries."""
    terms = found.terms
    assert found.issuer_wallet is not None
    codes = terms.allowed_countries or (() if terms.regime != Regime.REG_S else COUNTRIES[terms.regime])
    return PropertyTerms(
        salt=str(found.property_id),
        name=terms.name,
        symbol=terms.symbol,
        decimals=terms.token_decimals,
        countries=tuple(sorted(COUNTRY_NUMERIC[code] for code in codes)),
        holder_cap=terms.holder_cap or None,
        lock_up_s=terms.lock_up_days * SECONDS_A_DAY,
        issuer=Web3.to_checksum_address(found.issuer_wallet),
    )


def _instrument(found: Property, suite: TokenSuite, fee_account: int) -> instruments.Instrument:
    terms = found.terms
    return instruments.Instrument(
        instrument=0,  # it gets one
        symbol=market_symbol(terms.symbol),
        name=terms.name,
        token_decimals=terms.token_decimals,
        lot_decimals=terms.lot_decimals,
        regime=Regime(terms.regime),
        fee_account=fee_account,
        tick_value_usdc_micros=terms.tick_value_usdc_micros,
        price_ticks_max=terms.price_ticks_max,
        qty_lots_max=terms.qty_lots_max,
        token=bytes.fromhex(suite.token[2:]),
        allowed_countries=terms.allowed_countries,
        holder_cap=terms.holder_cap,
        ownership_cap_lots=instruments.cap_lots(terms.supply_lots, terms.ownership_cap_bps),
        lock_up_days=terms.lock_up_days,
        issuer_wallet=found.issuer_wallet,
        notional_usdc_micros_min=terms.notional_usdc_micros_min,
        maker_fee_bps=terms.maker_fee_bps,
        taker_fee_bps=terms.taker_fee_bps,
    )
