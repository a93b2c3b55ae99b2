"""An order that its account cannot pay for: how much is missing, and what to sign to bring it."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

from api.amounts import usdc
from api.problem import Problem
from compliance.rules import Permission
from deedbook.trading.acknowledged import Acknowledged
from deedbook.trading.funds import Funds, ToSign
from deedbook.trading.order_refusals import REFUSALS
from deedbook.trading.seats import Listing
from engine import types as t
from engine.types import BASIS_POINTS, Reason
from persistence.database import Pool
from settlement.chain import ChainRefused, ChainUnavailable


class Cover:
    """The engine's sums again, from the tables, once they hold what the account was told."""

    def __init__(self, pool: Pool, funds: Funds, acknowledged: Acknowledged) -> None:
        self._pool = pool
        self._funds = funds
        self._acknowledged = acknowledged

    async def missing_cash(self, command: t.Place, listing: Listing, wallet: bytes) -> Problem:
        """How much USDC more, and what to sign to bring it."""
        free = await self._free(command.account, t.USDC)
        missing = max(1, await self._hold_usdc_micros(command, listing) - free)
        outside = allowed = None
        with suppress(ChainUnavailable, ChainRefused):  # without it an approval that stands is given again
            outside = await self._funds.usdc_outside(wallet)
            allowed = await self._funds.usdc_allowed(wallet)
        detail = (
            f"The exchange holds {usdc(missing)} USDC too little for this order: deposit that much and place it again."
        )
        if outside is not None and outside < missing:
            detail = (
                f"This order needs {usdc(missing)} USDC more, and your wallet has {usdc(outside)}: get more USDC first."
            )
        steps = self._funds.deposit(missing, allowed or 0)
        return _refused(Reason.INSUFFICIENT_CASH, detail, usdc(missing), usdc(free), steps)

    async def missing_tokens(self, command: t.Place, listing: Listing, wallet: bytes) -> Problem:
        """How many tokens more, and what to sign to lock them."""
        free = await self._free(command.account, command.instrument)
        wanted = command.qty_lots or await self._lots_for(command, listing)
        missing = max(1, wanted - free)
        units, token = missing * listing.token.lot_base_units, listing.token
        outside = None
        with suppress(ChainUnavailable, ChainRefused):  # then the transaction itself will say so
            outside = await self._funds.tokens_outside(wallet, token.address)
        detail = f"Lock {token.text(units)} more {token.symbol} tokens for the exchange and place the order again."
        if outside is not None and outside < units:
            has = token.text(outside)
            detail = (
                f"This order needs {token.text(units)} more {token.symbol} tokens, and your wallet has {has} to lock."
            )
        steps = self._funds.lock(token, units)
        free_text = token.text(free * token.lot_base_units)
        return _refused(Reason.INSUFFICIENT_TOKENS, detail, token.text(units), free_text, steps)

    async def locked_up(self, command: t.Place, listing: Listing, wallet: bytes, permission: Permission) -> Problem:
        """How many can be sold now, when there are more, and what to sign where some are not in the locker yet."""
        token = listing.token
        free = max(0, await self._free(command.account, command.instrument) - permission.locked_lots)
        wanted = command.qty_lots or await self._lots_for(command, listing)
        missing = max(1, wanted - free) * token.lot_base_units
        free_text, locked_text = (token.text(lots * token.lot_base_units) for lots in (free, permission.locked_lots))
        release = datetime.fromtimestamp(permission.next_release_ns // 10**9, UTC)
        detail = (
            f"You can sell {free_text} {token.symbol} tokens now: {locked_text} are locked up, the first of them until"
            f" {release:%Y-%m-%d %H:%M} UTC."
        )
        steps: list[ToSign] = []
        with suppress(ChainUnavailable, ChainRefused):
            if await self._funds.tokens_outside(wallet, token.address) >= missing:
                steps = self._funds.lock(token, missing)
                detail += (
                    f" Lock {token.text(missing)} more for the exchange first: what is locked up stands there too."
                )
        problem = _refused(Reason.LOCKED_UP, detail, token.text(missing), free_text, steps)
        problem.extra |= {"locked": locked_text, "next_release_at": release}
        return problem

    async def _free(self, account: int, asset: int) -> int:
        await self._acknowledged.seen([account])
        free = await self._pool.fetchval(
            "SELECT free FROM balances WHERE account = $1 AND instrument = $2", account, asset
        )
        return max(0, free or 0)

    async def _hold_usdc_micros(self, command: t.Place, listing: Listing) -> int:
        """What the engine holds for a buy: its notional at its limit or collar, and the higher fee, rounded up."""
        notional = command.quote_usdc_micros
        if not notional:
            price_ticks = command.price_ticks or await self._collar_ticks(listing, t.Side.BUY)
            notional = price_ticks * command.qty_lots * listing.instrument.tick_value_usdc_micros
        return notional - (-notional * listing.fee_bps // BASIS_POINTS)

    async def _lots_for(self, command: t.Place, listing: Listing) -> int:
        """What a sale that is to raise an amount needs at most, at its collar."""
        price_ticks = max(1, await self._collar_ticks(listing, t.Side.SELL))
        lots = command.quote_usdc_micros // (price_ticks * listing.instrument.tick_value_usdc_micros)
        return min(lots, listing.instrument.qty_lots_max)

    async def _collar_ticks(self, listing: Listing, side: t.Side) -> int:
        """The worst price that a market order takes, from the book as the tables have it."""
        worst = "min" if side == t.Side.BUY else "max"
        best = await self._pool.fetchval(
            f"SELECT {worst}(price_ticks) FROM orders WHERE open_lots > 0 AND instrument = $1 AND side = $2",  # noqa: S608
            listing.market.number,
            int(t.Side.SELL if side == t.Side.BUY else t.Side.BUY),
        )
        collar_bps = listing.instrument.market_collar_bps
        if side == t.Side.BUY:
            return min(listing.instrument.price_ticks_max, (best or 0) * (BASIS_POINTS + collar_bps) // BASIS_POINTS)
        return -(-(best or 0) * (BASIS_POINTS - collar_bps) // BASIS_POINTS)


def _refused(reason: Reason, detail: str, missing: str, free: str, steps: list[ToSign]) -> Problem:
    """A refusal that says what is missing and what to sign."""
    transactions = [step.to_json() for step in steps]
    return Problem(REFUSALS[reason].status, reason.name, detail, missing=missing, free=free, transactions=transactions)
