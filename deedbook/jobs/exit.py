"""The end of a property, over the rooms: trading halted and settled, the sale stated, tokens burned and paid for."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from web3 import Web3

from api.amounts import usdc
from api.doors import Notify
from deedbook.jobs.payout import SOON_S, collected, pay, payout_of, plan_of
from engine import types as t
from payments.allocation import EXIT_CHUNK_HOLDERS, NobodyHolds, approval_payload, exit_chunks, heads, split_whole
from persistence.commands import Submit
from persistence.database import Pool
from persistence.jobs import Job, JobWaits
from settlement import exits, payout_rows, token_end
from settlement.chain import Chain
from settlement.exits import Exits, Liquidation
from settlement.infrastructure import Infrastructure, Platform
from settlement.payout_doors import People, Properties
from settlement.payout_events import PayoutEvents
from settlement.payout_rows import Payout
from settlement.payouts import END, PayoutContract
from settlement.record_date import RecordDates
from settlement.trades import Token, Wallet

HALTED_S: Final = 10.0  # until somebody lifts the venue's halt, so that orders can be cancelled
COMMANDS_AT_ONCE: Final = 500


class ExitJobs:
    """The handlers of "liquidate", "exit_prepare" and "exit"."""

    def __init__(
        self,
        pool: Pool,
        submit: Submit,
        chain: Chain,
        platform: Platform,
        infra: Infrastructure,
        dates: RecordDates,
        acts: Exits,
        contract: PayoutContract,
        events: PayoutEvents,
        properties: Properties,
        people: People,
        notify: Notify,
        chunk_holders: int = EXIT_CHUNK_HOLDERS,
    ) -> None:
        self._pool = pool
        self._submit = submit
        self._chain = chain
        self._platform = platform
        self._infra = infra
        self._dates = dates
        self._acts = acts
        self._contract = contract
        self._events = events
        self._properties = properties
        self._people = people
        self._notify = notify
        self._chunk_holders = chunk_holders

    async def liquidate(self, job: Job) -> None:
        """Until nothing of the property trades, rests, waits or moves."""
        going = await self._liquidation(job)
        if going.halt_seq is None:
            await self._halt(going)
            going = await self._liquidation(job)
        assert going.halt_seq is not None
        await job.show("settling", 1, 3)
        if (unsettled := await exits.open_trades(self._pool, going.instrument, going.halt_seq)) is not None:
            raise JobWaits(SOON_S, unsettled)
        if going.still_block is None:
            await job.show("stilling the token", 2, 3)
            await self._still(going)

    async def prepare(self, job: Job) -> None:
        """Count the holders and give each a share of the whole pool; the statement then waits for two people."""
        found = await payout_of(self._pool, job)
        if found.state != "PREPARING":
            return
        block = await self._chain.final_block()
        balances = await self._dates.balances_at(Token(found.token), block)
        try:
            split = split_whole(found.pool_usdc_micros, [each for each in balances.items() if each[1]])
        except NobodyHolds:
            return await self._fail(found, "Nobody holds this token.")
        supply = sum(balances.values())
        head = heads(exit_chunks(split.lines, self._chunk_holders))[0]
        async with self._pool.acquire() as connection, connection.transaction():
            locked = await payout_rows.payout(connection, found.payout_id, lock=True)
            if locked is None or locked.state != "PREPARING":
                return
            sale = await exits.sale(connection, found.payout_id)
            terms = {
                "exit_id": str(found.payout_id),
                "property_id": str(found.property_id),
                "token": f"0x{found.token.hex()}",
                "snapshot_block": block,
                "supply_base_units": str(supply),
                "unsold_base_units": str(balances.get(Wallet(found.issuer_wallet), 0)),
                "sale_price_usdc_micros": sale.sale_price_usdc_micros,
                "costs_usdc_micros": sale.costs_usdc_micros,
                "remainder_usdc_micros": sale.remainder_usdc_micros,
            }
            await exits.snapshot(connection, found.payout_id, block, supply)
            await payout_rows.prepared(
                connection,
                found.payout_id,
                [(line.wallet, line.base_units, line.usdc_micros) for line in split.lines],
                0,
                self._chunk_holders,
                head,
                approval_payload(terms, split, head),
            )

    async def redeem(self, job: Job) -> None:
        """Burn and pay what two people approved, book it once it is FINAL, and close the property.

        One that the contract's owner cancels is over, and the property is not.
        """
        found = await payout_of(self._pool, job)
        if found.state in ("APPROVED", "DECLARED"):
            if not await self._burned(job, found):
                return
            found = await collected(self._events, found)
        if found.state == "PAID":
            await self._tidy(found)
            await self._close(found)
        elif found.state == "STOPPED":  # what is left is another statement's
            await self._tidy(found)

    # -- liquidation

    async def _liquidation(self, job: Job) -> Liquidation:
        going = await exits.liquidation(self._pool, UUID(job.key))
        assert going is not None, f"no liquidation of {job.key}"
        return going

    async def _halt(self, going: Liquidation) -> None:
        """No new orders, then every resting one cancelled (a halt would forbid that), then the halt for good."""
        seq = going.cancel_only_seq
        if seq is None:
            (answer,) = await self._submit([t.SetPhase(going.instrument, t.Phase.CANCEL_ONLY)])
            await exits.reached(self._pool, going.property_id, "cancel_only_seq", answer.seq)
            seq = answer.seq
        projected = await self._pool.fetchval("SELECT seq FROM journal_cursors WHERE consumer = 'projections'")
        if (projected or 0) < seq:
            raise JobWaits(SOON_S, f"the tables have the journal up to seq {projected or 0} of {seq}")
        rows = await self._pool.fetch(
            "SELECT DISTINCT account FROM orders WHERE instrument = $1 AND open_lots > 0", going.instrument
        )
        cancels = [t.CancelAll(row["account"], going.instrument) for row in rows]
        for start in range(0, len(cancels), COMMANDS_AT_ONCE):
            for answer in await self._submit(cancels[start : start + COMMANDS_AT_ONCE]):
                if (refused := answer.rejection()) is not None:
                    raise JobWaits(HALTED_S, f"orders cannot be cancelled: {t.Reason(refused.reason).name}")
        (answer,) = await self._submit([t.SetPhase(going.instrument, t.Phase.HALT)])
        await self._tell_holders(going, answer.seq)

    async def _tell_holders(self, going: Liquidation, halt_seq: int) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await exits.reached(connection, going.property_id, "halt_seq", halt_seq)
            facts = await self._properties.facts(connection, going.property_id)
            assert facts is not None
            rows = await connection.fetch(
                "SELECT DISTINCT wallet FROM accounts JOIN balances USING (account)"
                " WHERE instrument = $1 AND (position_lots > 0 OR level > 0 OR owed_in > 0)",
                going.instrument,
            )
            users = await self._people.users_of_wallets(connection, [row["wallet"] for row in rows])
            text = f"{facts.name} is being sold: its trading has ended and open orders were cancelled."
            for user_id in sorted(set(users.values())):
                data = {"property_id": str(going.property_id)}
                await self._notify(connection, user_id, "PROPERTY_LIQUIDATING", text, data)

    async def _still(self, going: Liquidation) -> None:
        token = Web3.to_checksum_address(going.token)
        await token_end.still(self._platform, token)
        block = await self._chain.final_block()
        if not await token_end.was_still(self._platform, token, block):
            raise JobWaits(SOON_S, "waits until the token's pause is final")
        await exits.reached(self._pool, going.property_id, "still_block", block)

    # -- redemption

    async def _burned(self, job: Job, found: Payout) -> bool:
        """Whether every chunk is paid; not where the list is not what the chain says any more: it failed then."""
        plan = await plan_of(self._pool, found)
        standing = await self._contract.standing(found.payout_id)
        if standing is None:
            lines = [(line.wallet, line.base_units) for line in await payout_rows.lines(self._pool, found.payout_id)]
            differs = await token_end.difference(self._chain, Token(found.token), lines)
            if differs is not None:
                await self._fail(found, f"The statement is out of date: {differs}. State the sale again.")
                return False
        if standing is None or standing.head != END:
            contract = self._contract.address
            await token_end.set_agent(self._platform, plan.token, contract, found.payout_id, is_agent=True)
            await pay(job, self._contract, plan)
        return True

    async def _fail(self, found: Payout, failure: str) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            locked = await payout_rows.payout(connection, found.payout_id, lock=True)
            if locked is not None and locked.state in ("PREPARING", "APPROVED"):
                await self._acts.failed(connection, locked, failure)

    async def _tidy(self, found: Payout) -> None:
        if (await exits.sale(self._pool, found.payout_id)).is_tidy:
            return
        token = Web3.to_checksum_address(found.token)
        await token_end.set_agent(self._platform, token, self._contract.address, found.payout_id, is_agent=False)
        lines = await payout_rows.lines(self._pool, found.payout_id)
        wallets = [line.wallet for line in lines if line.state != "RETURNED"]
        await token_end.clear_locks(
            self._platform, self._chain, self._infra.locker, Token(found.token), wallets, found.payout_id
        )
        await exits.tidied(self._pool, found.payout_id)

    async def _close(self, found: Payout) -> None:
        left = await self._pool.fetchval(
            "SELECT count(*) FROM balances WHERE instrument = $1 AND (level <> 0 OR position_lots <> 0)",
            found.instrument,
        )
        if left:
            raise JobWaits(SOON_S, f"{left} accounts have tokens in the engine still: it has not heard of the burns")
        async with self._pool.acquire() as connection, connection.transaction():
            if await self._acts.close(connection, found):
                facts = await self._properties.facts(connection, found.property_id)
                assert facts is not None
                text = f"{facts.name} is closed: {usdc(found.pool_usdc_micros)} USDC went to its holders."
                data = {"property_id": str(found.property_id), "exit_id": str(found.payout_id)}
                await self._notify(connection, facts.manager_id, "PROPERTY_CLOSED", text, data)
