"""Whose wallets trade, and in what: a user's accounts on the exchange, and the listed instruments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from api.addresses import address_bytes
from api.problem import Problem, not_found
from compliance.instruments import COLUMNS, Instrument, terms
from compliance.rules import Regime
from deedbook.trading.funds import TokenOf
from gateway.markets import Market, Markets
from persistence.database import Pool


@dataclass(frozen=True, slots=True)
class Seat:
    """One linked wallet, and its account; `account` is None until the engine has opened it."""

    wallet: bytes
    account: int | None


@dataclass(frozen=True, slots=True)
class Listing:
    """An instrument on the exchange: how its numbers read, its rates, and its token."""

    market: Market
    instrument: Instrument
    token: TokenOf

    @property
    def fee_bps(self) -> int:
        """The rate by which cash is held."""
        return max(self.instrument.maker_fee_bps, self.instrument.taker_fee_bps)


class Seats:
    """Raises Problem for wallets and symbols that are not the caller's to use."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._markets = Markets()

    async def of(self, user_id: UUID) -> list[Seat]:
        """All linked wallets, the first linked first."""
        rows = await self._pool.fetch(
            "SELECT address, account FROM wallets WHERE user_id = $1 ORDER BY linked_at, address", user_id
        )
        return [Seat(*row) for row in rows]

    async def accounts(self, user_id: UUID) -> dict[int, bytes]:
        """The user's accounts, and the wallet of each."""
        return {seat.account: seat.wallet for seat in await self.of(user_id) if seat.account is not None}

    async def chosen(self, user_id: UUID, wallet: str | None) -> tuple[int, bytes]:
        """The account that acts, and its wallet: the one named, or the only one. Raises Problem."""
        seats = await self.of(user_id)
        if not seats:
            raise Problem(
                409, "WALLET_MISSING", "Link a wallet first: POST /wallets/challenge, sign it, POST /wallets."
            )
        if wallet is None and len(seats) > 1:
            wallets = [f"0x{seat.wallet.hex()}" for seat in seats]
            raise Problem(409, "WALLET_NEEDED", "You have several wallets: say which one as `wallet`.", wallets=wallets)
        if wallet is not None:
            seats = [seat for seat in seats if seat.wallet == address_bytes(wallet)]
            if not seats:
                raise not_found("wallet of yours")
        seat = seats[0]
        if seat.account is None:
            raise Problem(409, "ACCOUNT_OPENING", "The exchange is opening this wallet's account: try again soon.")
        return seat.account, seat.wallet

    async def listing(self, symbol: str) -> Listing:
        """Raises Problem 404."""
        found = await self._listings("symbol = $1", symbol)
        if not found:
            raise not_found("symbol on the exchange")
        return found[0]

    async def listings(self) -> dict[int, Listing]:
        """All, by number."""
        return {listing.market.number: listing for listing in await self._listings("true")}

    async def _listings(self, condition: str, *arguments: object) -> list[Listing]:
        rows = await self._pool.fetch(
            f"SELECT {', '.join(COLUMNS)} FROM instruments WHERE listed_seq IS NOT NULL AND {condition}",  # noqa: S608
            *arguments,
        )
        return [self._listing(dict(row)) for row in rows]

    def _listing(self, values: dict[str, Any]) -> Listing:
        countries = values["allowed_countries"]
        values |= {"regime": Regime(values["regime"])}
        values |= {"allowed_countries": None if countries is None else tuple(countries)}
        instrument = Instrument(**values)
        assert instrument.token is not None, "only what has a token is listed"
        token = TokenOf(instrument.token, instrument.symbol, instrument.token_decimals, instrument.lot_base_units)
        return Listing(self._markets.list(terms(instrument)[0]), instrument, token)
