"""Do journal, database and chain say the same? Each check reads its sources anew and names what differs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deedbook.deployment import addresses_of
from deedbook.eligibility import Eligibility
from deedbook.replaying import journal_of
from engine import types as t
from engine.exchange import Exchange
from engine.wire import decode_commands
from persistence import comparison
from persistence.database import Pool
from persistence.frame import Frame, JournalError
from persistence.journal_reader import JournalReader
from persistence.projections import CONSUMER
from persistence.recovery import ReplayDiffers, replay
from settlement import reconcile
from settlement.calls import balance_of_data, lock_of_data, selector, solvency_data, words
from settlement.chain import Chain, Header, Log
from settlement.chain_events import BATCH_SETTLED, CASH_CHANGED, TRANSFER
from settlement.infrastructure import Infrastructure
from settlement.simulation import Addresses
from settlement.trades import Instrument, Token, Wallet

FINDINGS_MAX = 20
BLOCKS_AT_ONCE = 256
CATCH_UP_POLLS = 200
POLL_S = 0.05
CURSOR_SEQ = "SELECT coalesce((SELECT seq FROM journal_cursors WHERE consumer = $1), 0)"
TOTAL_SUPPLY = selector("totalSupply()")
DECIMALS = selector("decimals()")


@dataclass(slots=True)
class Check:
    """One promise: kept if nothing was found that breaks it."""

    name: str
    findings: list[str] = field(default_factory=list)

    @property
    def is_kept(self) -> bool:
        return not self.findings


@dataclass(frozen=True, slots=True)
class JournalFacts:
    """What a whole journal says, told by replaying it."""

    state: t.MarketState
    composed: dict[bytes, t.ComposeBatch]
    finals: dict[bytes, t.BatchFinal]


def check_journal(directory: Path) -> tuple[list[Check], JournalFacts | None]:
    """`journal_replays` and `no_ineligible_resting`; no facts where the journal cannot be trusted."""
    replays, eligible = Check("journal_replays"), Check("no_ineligible_resting")
    exchange, eligibility = Exchange(), Eligibility()
    composed: dict[bytes, t.ComposeBatch] = {}
    finals: dict[bytes, t.BatchFinal] = {}
    try:
        for frame in frames_of(directory):
            replay(exchange, frame)
            eligibility.frame(frame)
            for _, _, command in decode_commands(frame.commands):
                if isinstance(command, t.ComposeBatch):
                    composed[command.payload_hash] = command
                elif isinstance(command, t.BatchFinal):
                    finals[command.payload_hash] = command
    except (JournalError, ReplayDiffers) as error:
        replays.findings.append(str(error))
        eligible.findings.append("the journal does not replay")
        return [replays, eligible], None
    eligible.findings += eligibility.violations[:FINDINGS_MAX]
    return [replays, eligible], JournalFacts(exchange.state(), composed, finals)


async def check_database(directory: Path, pool: Pool, seq: int) -> Check:
    """Every projected row against a fold of the whole journal; the projections get a while to reach `seq`."""
    check = Check("database_matches_journal")
    for _ in range(CATCH_UP_POLLS):
        if await pool.fetchval(CURSOR_SEQ, CONSUMER) >= seq:
            break
        await asyncio.sleep(POLL_S)
    try:
        compared = await comparison.compare(pool, frames_of(directory))
    except JournalError as error:
        check.findings.append(str(error))
        return check
    check.findings += [str(difference) for difference in compared.differences[:FINDINGS_MAX]]
    if compared.seq < seq:
        check.findings.append(f"the database is at seq {compared.seq}, the journal at {compared.journal_seq}")
    return check


async def check_chain(
    chain: Chain, infrastructure: Infrastructure, directory: Path, facts: JournalFacts
) -> list[Check]:
    """`cash_conserved`, `tokens_conserved` and `chain_matches_journal`, at the chain's head."""
    addresses = addresses_of(infrastructure)
    instruments = [await _instrument(chain, listed.terms) for listed in facts.state.instruments]
    head = await chain.head()
    watched = [addresses.vault, addresses.bridge, *(each.token for each in instruments)]
    logs = [log async for log in _logs(chain, watched, head)]
    return [
        await _cash(chain, addresses, logs, head),
        await _tokens_conserved(chain, addresses, instruments, logs, head),
        await _chain_matches(chain, addresses, instruments, logs, directory, facts),
    ]


def frames_of(directory: Path) -> Iterator[Frame]:
    with JournalReader(journal_of(directory)) as reader:
        yield from reader.read()


async def _instrument(chain: Chain, terms: t.SetInstrument) -> Instrument:
    """As settlement sees it; the token itself says how many base units it has."""
    (token_decimals,) = words(await chain.call(terms.token, DECIMALS))
    return Instrument(
        terms.instrument,
        Token(terms.token),
        terms.fee_account,
        terms.tick_value_usdc_micros,
        10 ** (token_decimals - terms.lot_decimals),
    )


async def _cash(chain: Chain, addresses: Addresses, logs: Sequence[Log], head: Header) -> Check:
    """What came in less what went out is what the slots hold, and the vault owns at least that."""
    check = Check("cash_conserved")
    deposits = sum(_signed(log.data[:32]) for log in logs if log.topics[0] == CASH_CHANGED)
    reserves, liabilities = words(await chain.call(addresses.vault, solvency_data(), head.number))
    if deposits != liabilities:
        check.findings.append(f"deposits less withdrawals are {deposits} micros, the vault owes {liabilities}")
    if reserves < liabilities:
        check.findings.append(f"the vault owns {reserves} micros and owes {liabilities}")
    return check


async def _tokens_conserved(
    chain: Chain, addresses: Addresses, instruments: Sequence[Instrument], logs: Sequence[Log], head: Header
) -> Check:
    """Every token's balances sum to its supply; no lock is larger than the balance it stands on."""
    check = Check("tokens_conserved")
    for instrument in instruments:
        holders = {
            Wallet(topic[12:])
            for log in logs
            if log.address == instrument.token and log.topics[0] == TRANSFER
            for topic in log.topics[1:3]
        } - {Wallet(bytes(20))}
        total = 0
        for holder in sorted(holders):
            (balance,) = words(await chain.call(instrument.token, balance_of_data(holder), head.number))
            locked = words(await chain.call(addresses.locker, lock_of_data(instrument.token, holder), head.number))[0]
            total += balance
            if locked > balance:
                name = f"instrument {instrument.instrument}: 0x{holder.hex()}"
                check.findings.append(f"{name} has {locked} locked of a balance of {balance}")
        (supply,) = words(await chain.call(instrument.token, TOTAL_SUPPLY, head.number))
        if total != supply:
            check.findings.append(f"instrument {instrument.instrument}: balances sum to {total}, supply is {supply}")
    return check


async def _chain_matches(
    chain: Chain,
    addresses: Addresses,
    instruments: Sequence[Instrument],
    logs: Sequence[Log],
    directory: Path,
    facts: JournalFacts,
) -> Check:
    check = Check("chain_matches_journal")
    accounts = [each.account for each in facts.state.accounts]
    wallets = reconcile.wallets_of(facts.state)
    levels = await reconcile.chain_levels(chain, addresses, accounts, wallets, instruments)
    check.findings += [str(each) for each in reconcile.compare(facts.state.balances, levels)][:FINDINGS_MAX]
    settled = [log for log in logs if log.address == addresses.bridge and log.topics[0] == BATCH_SETTLED]
    check.findings += _batch_findings(settled, directory, facts)
    return check


def _batch_findings(settled: Sequence[Log], directory: Path, facts: JournalFacts) -> Iterator[str]:
    """Each batch on chain is one that the journal composed, names a frame of it, and was heard of."""
    hashes = {frame.last_seq: frame.hash for frame in frames_of(directory)}
    for log in settled:
        trade_after, trade_last = (int.from_bytes(topic, "big") for topic in log.topics[1:3])
        journal_seq, journal_hash, payload_hash = int.from_bytes(log.data[:32], "big"), log.data[32:64], log.data[64:96]
        name = f"the batch of trades {trade_after + 1} to {trade_last}"
        composed = facts.composed.get(payload_hash)
        if composed is None or (composed.trade_after, composed.trade_last) != (trade_after, trade_last):
            yield f"{name} was settled with a payload that the journal never composed"
        if hashes.get(journal_seq) != journal_hash:
            yield f"{name} names a hash at seq {journal_seq} that is not the journal's"
        final = facts.finals.get(payload_hash)
        if final is None or final.transaction != log.transaction:
            yield f"{name} is on chain but not final in the journal"
    if len(facts.finals) != len(settled):
        yield f"{len(facts.finals)} batches are final in the journal, {len(settled)} were settled on chain"


async def _logs(chain: Chain, addresses: list[bytes], head: Header) -> AsyncIterator[Log]:
    for first in range(0, head.number + 1, BLOCKS_AT_ONCE):
        last = await chain.header(min(head.number, first + BLOCKS_AT_ONCE - 1))
        for log in await chain.logs(addresses, first, last):
            yield log


def _signed(word: bytes) -> int:
    return int.from_bytes(word, "big", signed=True)
