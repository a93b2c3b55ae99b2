"""The house behind an instrument of the demo: its row among the properties, as the back office keeps those."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Final
from uuid import UUID

import msgspec

from api.amounts import usdc
from compliance.audit import record
from compliance.instruments import Instrument, instrument_by_number
from deedbook.demo.market import ACTOR, Property
from deedbook.demo.papers import papers
from deedbook.office.issuance import COUNTRIES, issuer_of
from persistence.database import Connection, Pool
from persistence.documents import Documents, received
from properties.attachments import PURPOSE, attach
from properties.issuer import require_issuer
from properties.property import (
    PropertyState,
    draft,
    move,
    store_contracts,
    store_instrument,
    store_mint_decision,
)
from properties.terms import TermsWords, terms_of
from settlement.tokenization import TokenSuite

TOWN: Final = "Exampleton"


async def houseless(pool: Pool, properties: Sequence[Property]) -> list[Property]:
    """Those whose symbol no property has yet."""
    taken = {row["symbol"] for row in await pool.fetch("SELECT symbol FROM properties")}
    return [each for each in properties if each.token_symbol not in taken]


async def add_house(
    pool: Pool, documents: Documents, each: Property, suite: TokenSuite, supply_base_units: int, issuer: bytes
) -> None:
    """A TOKENIZED property with its papers, wholly or not at all, worth what its tokens cost at the demo's first price.

    issuer  a linked wallet with an identity on chain; its owner manages the property
    """
    words = _words(each, await instrument_by_number(pool, each.number), supply_base_units)
    addresses = [bytes.fromhex(address[2:]) for address in (suite.token, suite.registry, suite.compliance)]
    async with pool.acquire() as connection, connection.transaction():
        manager_id = await connection.fetchval("SELECT user_id FROM wallets WHERE address = $1", issuer)
        drafted = await draft(connection, manager_id, issuer, terms_of(words, COUNTRIES))
        await _document(connection, documents, drafted.property_id, manager_id, words)
        await require_issuer(connection, drafted, issuer_of, COUNTRIES)
        await move(connection, drafted.property_id, PropertyState.PENDING_APPROVAL)
        await move(connection, drafted.property_id, PropertyState.APPROVED)
        await store_mint_decision(connection, drafted.property_id)
        await store_contracts(connection, drafted.property_id, *addresses)
        await store_instrument(connection, drafted.property_id, each.number)
        await move(connection, drafted.property_id, PropertyState.TOKENIZED)
        details = {"property_id": str(drafted.property_id)}
        await record(connection, ACTOR, "property tokenized", instrument=each.number, details=details)


async def _document(
    connection: Connection, documents: Documents, property_id: UUID, manager_id: UUID, words: TermsWords
) -> None:
    """The papers, kept as an upload of the manager's is."""
    for name, content in papers(words).items():
        async with received(_whole(content)) as whole:
            document = await documents.keep(connection, whole, name=name, owner_user_id=manager_id, purpose=PURPOSE)
        await attach(connection, property_id, document)


async def _whole(content: bytes) -> AsyncIterator[bytes]:
    yield content


def _words(each: Property, instrument: Instrument, supply_base_units: int) -> TermsWords:
    """What the instrument is listed with, in the words of a manager."""
    supply_tokens, rest = divmod(supply_base_units, 10**instrument.token_decimals)
    assert rest == 0, "the demo mints whole tokens"
    tick_usdc_micros = instrument.tick_value_usdc_micros * 10**instrument.lot_decimals
    words = {
        "name": instrument.name,
        "symbol": each.token_symbol,
        "address": f"{instrument.name}, {TOWN}",
        "valuation_usdc": usdc(supply_tokens * each.price_ticks * tick_usdc_micros),
        "supply_tokens": str(supply_tokens),
        "token_decimals": instrument.token_decimals,
        "lot_decimals": instrument.lot_decimals,
        "regime": instrument.regime.value,
        "allowed_countries": instrument.allowed_countries,
        "holder_cap": instrument.holder_cap,
        "tick_usdc": usdc(tick_usdc_micros),
        "price_max_usdc": usdc(instrument.price_ticks_max * tick_usdc_micros),
        "order_min_usdc": usdc(instrument.notional_usdc_micros_min),
        "maker_fee_bps": instrument.maker_fee_bps,
        "taker_fee_bps": instrument.taker_fee_bps,
    }
    return msgspec.convert(words, TermsWords)
