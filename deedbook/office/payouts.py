"""Dividends and exits put together: acts, executors of what two people decide, jobs, routes, and the chain's events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from eth_utils.address import to_canonical_address, to_checksum_address

from api.doors import Audit, Decide, Declined, Enqueue, Executor, Notify
from api.route import Route
from deedbook.chain.chain_processor import Effects
from deedbook.jobs.dividend import DividendJobs
from deedbook.jobs.exit import ExitJobs
from deedbook.office.payout_neighbours import DividendLedger, ExitLedger, PropertyBook, WalletBook, actor_of
from persistence.commands import Submit
from persistence.database import Pool
from persistence.jobs import Handler
from settlement import dividend_routes, dividends, exit_routes, exits
from settlement.artifacts import ours
from settlement.chain import Chain
from settlement.dividends import Dividends
from settlement.exits import Exits
from settlement.infrastructure import Infrastructure, Platform, read
from settlement.payout_events import PayoutEvents
from settlement.payout_rows import DIVIDEND, EXIT
from settlement.payouts import PayoutContract
from settlement.record_date import FramesFrom, RecordDates
from settlement.steps import Sender


@dataclass(frozen=True, slots=True)
class PayoutParts:
    """What payouts are made of.

    treasury     sends with the treasury's key
    frames_from  durable frames of the journal from a seq on
    """

    pool: Pool
    chain: Chain
    platform: Platform
    infra: Infrastructure
    treasury: Sender
    submit: Submit
    frames_from: FramesFrom
    audit: Audit
    notify: Notify
    enqueue: Enqueue


class Payouts:
    """Make it first; its executors go into the approvals, and their `decide` into its jobs and routes."""

    def __init__(self, parts: PayoutParts) -> None:
        self._parts = parts
        infra, treasury = parts.infra, parts.treasury
        self._properties, self._people = PropertyBook(), WalletBook()
        dividend_books, exit_books = DividendLedger(), ExitLedger(self.treasury_micros)
        self.dividends = Dividends(parts.pool, self._properties, dividend_books, parts.audit, parts.enqueue)
        self.exits = Exits(parts.pool, self._properties, exit_books, parts.audit, parts.enqueue)
        self._contracts = {
            DIVIDEND: PayoutContract(treasury, "DividendDistributor", infra.dividends, infra.usdc),
            EXIT: PayoutContract(treasury, "ExitRedemption", infra.redemption, infra.usdc),
        }
        self.events = PayoutEvents(
            parts.pool,
            parts.chain,
            {kind: to_canonical_address(contract.address) for kind, contract in self._contracts.items()},
            {DIVIDEND: dividend_books, EXIT: exit_books},
            self._people,
            parts.notify,
            parts.infra.first_block,
        )

    @property
    def executors(self) -> Mapping[str, Executor]:
        return {"DIVIDEND": self.dividends.approved, exit_routes.BURN: self.exits.approved}

    @property
    def declined(self) -> Mapping[str, Declined]:
        """An exit's statement stands until another one takes its place, whoever declined to burn by it."""
        return {"DIVIDEND": self.dividends.declined}

    def handlers(self, decide: Decide) -> Mapping[str, Handler]:
        """The jobs, by kind."""
        parts = self._parts
        dates = RecordDates(parts.pool, parts.chain, parts.frames_from, parts.infra.first_block)
        paying = DividendJobs(
            parts.pool,
            parts.submit,
            dates,
            self.dividends,
            decide,
            actor_of,
            self._contracts[DIVIDEND],
            self.events,
        )
        ending = ExitJobs(
            parts.pool,
            parts.submit,
            parts.chain,
            parts.platform,
            parts.infra,
            dates,
            self.exits,
            self._contracts[EXIT],
            self.events,
            self._properties,
            self._people,
            parts.notify,
        )
        return {
            dividends.PREPARE: paying.prepare,
            dividends.PAY: paying.pay,
            exits.LIQUIDATE: ending.liquidate,
            exits.PREPARE: ending.prepare,
            exits.REDEEM: ending.redeem,
        }

    def routes(self, decide: Decide) -> list[Route]:
        pool, properties, people = self._parts.pool, self._properties, self._people
        return [
            *dividend_routes.routes(pool, self.dividends, properties, people, self.claim_data),
            *exit_routes.routes(pool, self.exits, properties, people, decide, self.claim_data),
        ]

    def register(self, effects: Effects) -> None:
        """Hear of what holders do after the jobs are done."""
        for contract in ("Dividends", "Exit"):
            for event in ("Claimed", "Redirected", "PayoutCancelled"):
                effects.on_event(f"{contract}.{event}", self.events.on_event)

    def claim_data(self, kind: str, payout_id: UUID, wallet: bytes) -> tuple[str, bytes]:
        """The contract, and the call that sends a wallet what is owed to it."""
        contract = self._contracts[kind]
        return contract.address, contract.claim_data(payout_id, to_checksum_address(wallet))

    async def treasury_micros(self) -> int:
        """USDC at the treasury's address, now."""
        treasury, cash = self._parts.treasury, ours("MockUSDC")
        micros: int = await read(treasury.chain, cash, self._parts.infra.usdc, "balanceOf", treasury.address)
        return micros
