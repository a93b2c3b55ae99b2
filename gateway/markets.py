"""The listed instruments as clients see them: symbols, decimal prices per token, decimal quantities in tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Protocol

from engine import types as t
from gateway import errors
from gateway.decimals import Texts, Units
from gateway.errors import ApiError

QUOTE: Final = "USDC"
USDC_DECIMALS: Final = 6
PHASE_STATUS: Final = {
    t.Phase.CONTINUOUS: "TRADING",
    t.Phase.LIMIT_ONLY: "TRADING",
    t.Phase.CANCEL_ONLY: "HALT",
    t.Phase.HALT: "BREAK",
    t.Phase.PRE_OPEN: "PRE_TRADING",
    t.Phase.OPENING_CALL: "AUCTION_MATCH",
    t.Phase.VOLATILITY_CALL: "AUCTION_MATCH",
    t.Phase.CLOSING_CALL: "AUCTION_MATCH",
    t.Phase.PERIODIC_CALL: "AUCTION_MATCH",
}


class Market:
    """One instrument. A price is USDC for one token, so one tick is tick_value * 10**lot_decimals micros of it."""

    def __init__(self, terms: t.SetInstrument) -> None:
        self.number: Final = terms.instrument
        self.symbol: Final = terms.symbol.decode("ascii")
        self.base: Final = self.symbol.removesuffix(QUOTE) or self.symbol
        self.terms = terms
        self.tick_value_usdc_micros: Final = terms.tick_value_usdc_micros
        self.lot_decimals: Final = terms.lot_decimals
        self.maker_fee_bps = 0
        self.taker_fee_bps = 0
        self.phase = int(t.Phase.CONTINUOUS)
        self.last_price_ticks = 0
        self.reference_ticks = 0  # of the static band; 0: none
        self.static_bps = 0
        self.limits: Final[dict[int, t.SetLimits]] = {}  # by account; 0: of all that have none of their own
        step_micros, decimals = terms.tick_value_usdc_micros * 10**terms.lot_decimals, USDC_DECIMALS
        while decimals > 0 and step_micros % 10 == 0:
            step_micros, decimals = step_micros // 10, decimals - 1
        self.price_decimals: Final = decimals
        self.price: Final = Texts(decimals, step_micros)
        self.price_ticks: Final = Units(decimals, step_micros)
        self.qty: Final = Texts(terms.lot_decimals)
        self.qty_lots: Final = Units(terms.lot_decimals)

    def set(self, command: t.SetFees | t.SetBands | t.SetLimits) -> None:
        """What an operator's command sets of it."""
        if isinstance(command, t.SetFees):
            self.maker_fee_bps, self.taker_fee_bps = command.maker_fee_bps, command.taker_fee_bps
        elif isinstance(command, t.SetBands):
            self.reference_ticks = command.reference_ticks or self.reference_ticks
            self.static_bps = command.static_bps
        else:
            self.limits[command.account] = command


class PlainCodec(Protocol):
    """The core's, of plain requests and their answers (see engine/_core.pyi)."""

    def list(
        self, symbol: str, instrument: int, price_decimals: int, price_step: int, lot_decimals: int, /
    ) -> None: ...
    def refuse_with(self, kind: int, reason: int, error: str, /) -> None: ...
    def read(self, message: bytes, account: int, /) -> tuple[int, bytes, str, int, int] | None: ...
    def answers(
        self, commands: bytes, events: bytes, origins: Sequence[object | None], kind: type, /
    ) -> Sequence[bytes | None]: ...


class Markets:
    """All of them, by symbol and by number; `usdc` turns micros into a decimal string and `usdc_micros` back."""

    def __init__(self, codec: PlainCodec | None = None) -> None:
        self.by_symbol: Final[dict[str, Market]] = {}
        self.by_number: Final[dict[int, Market]] = {}
        self.usdc: Final = Texts(USDC_DECIMALS)
        self.usdc_micros: Final = Units(USDC_DECIMALS)
        self.assets: Final = {t.USDC: (QUOTE, self.usdc)}  # by number: the name, and what writes its amounts
        self.venue_phase = int(t.Phase.CONTINUOUS)
        self.codec: Final[PlainCodec | None] = codec  # None where the core is not built

    def of(self, symbol: str) -> Market:
        """ApiError where no instrument has the symbol."""
        market = self.by_symbol.get(symbol)
        if market is None:
            raise ApiError(errors.BAD_SYMBOL, "Invalid symbol.")
        return market

    def __iter__(self) -> Iterator[Market]:
        return iter(self.by_number.values())

    def list(self, terms: t.SetInstrument) -> Market:
        """List an instrument, or take the new limits of a listed one."""
        market = self.by_number.get(terms.instrument)
        if market is not None:
            market.terms = terms
            return market
        market = Market(terms)
        self.by_number[market.number] = self.by_symbol[market.symbol] = market
        self.assets[market.number] = (market.base, market.qty)
        if self.codec is not None:
            price = market.price_ticks
            self.codec.list(market.symbol, market.number, price.decimals, price.step_units, market.lot_decimals)
        return market

    def status(self, market: Market) -> str:
        """The stricter of the venue's and the instrument's phase."""
        return PHASE_STATUS[t.Phase(t.phase_in_force(self.venue_phase, market.phase))]
