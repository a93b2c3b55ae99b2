"""Routes of the market's controls: halts and phases, bands and periods, kill switches and limits."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec

from api.doors import Decide, Decision
from api.route import Call, Route
from deedbook.market_controls.guards import Guards
from deedbook.market_controls.phases import Phases
from deedbook.market_controls.standing import Controls, ControlsView, OpenOrdersView
from engine import types as t
from engine.bands import BAND_BPS_MAX

DAY_S: Final = 24 * 3600
InstrumentNumber = Annotated[int, msgspec.Meta(ge=1, le=65_535)]
AccountNumber = Annotated[int, msgspec.Meta(ge=1, le=2**32 - 1)]
Bps = Annotated[int, msgspec.Meta(ge=0, le=BAND_BPS_MAX)]
CallS = Annotated[int, msgspec.Meta(ge=1, le=DAY_S)]
Decimal = Annotated[str, msgspec.Meta(max_length=40)]
Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
Following = Literal["CONTINUOUS", "LIMIT_ONLY", "CANCEL_ONLY", "PRE_OPEN", "PERIODIC_CALL"]


class HaltBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Without an instrument: the whole venue."""

    reason: Reason
    instrument: InstrumentNumber | None = None


class LiftBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Without an instrument: the whole venue. `call_s`: with an opening call of so many seconds before."""

    instrument: InstrumentNumber | None = None
    call_s: CallS | None = None


class PhaseBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`call_s`: an opening, volatility or closing call ends after so many seconds, and `then` follows (CONTINUOUS)."""

    instrument: InstrumentNumber
    phase: Following | Literal["OPENING_CALL", "VOLATILITY_CALL", "CLOSING_CALL"]
    call_s: CallS | None = None
    then: Following | None = None


class PeriodBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """0: not by itself."""

    instrument: InstrumentNumber
    period_s: Annotated[int, msgspec.Meta(ge=0, le=DAY_S)]


class BandsBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Basis points around the reference and around the last trade; 0: no band. `reference_usdc` null: as it stands."""

    instrument: InstrumentNumber
    static_bps: Bps
    dynamic_bps: Bps
    call_s: Annotated[int, msgspec.Meta(ge=0, le=DAY_S)]
    reference_usdc: Decimal | None = None


class ScopeBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Without an account: of all; without an instrument: in all."""

    account: AccountNumber | None = None
    instrument: InstrumentNumber | None = None


class KillBody(ScopeBody, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whose new orders are refused, and why."""

    reason: Reason


class LimitsBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is null has no limit. Without an account: of every account that has none of its own."""

    instrument: InstrumentNumber
    account: AccountNumber | None = None
    order_usdc: Decimal | None = None
    position_tokens: Decimal | None = None
    open_orders: Annotated[int, msgspec.Meta(ge=1, le=2**31)] | None = None


class KillAnswer(msgspec.Struct, frozen=True):
    closed_orders: int


def routes(phases: Phases, guards: Guards, controls: Controls, decide: Decide) -> list[Route]:
    handlers = _Handlers(phases, guards, controls, decide)

    def post(path: str, handler: Any, body: Any, answer: Any, summary: str) -> Route:
        return Route(method="POST", path=path, handler=handler, body=body, answer=answer, summary=summary)

    # fmt: off
    return [
        Route(method="GET", path="/operations/controls", handler=handlers.standing, answer=ControlsView,
              summary="Phases, bands, periods, kill switches and limits, as they stand."),
        Route(method="GET", path="/operations/open-orders", handler=handlers.open_orders, query=ScopeBody,
              answer=OpenOrdersView, summary="How many orders a kill switch would close."),
        post("/operations/halts", handlers.halt, HaltBody, None,
             "Halt an instrument, or the whole venue, at once."),
        post("/operations/halts/lift", handlers.lift, LiftBody, Decision,
             "Lift a halt, with a call before trading or without; two people decide."),
        post("/operations/phases", handlers.phase, PhaseBody, None,
             "Bring an instrument that is not stopped into a phase."),
        post("/operations/periods", handlers.period, PeriodBody, None,
             "Set how often an instrument's periodic call is uncrossed."),
        post("/operations/bands", handlers.bands, BandsBody, Decision,
             "Set an instrument's price bands; two people decide."),
        post("/operations/kill-switches", handlers.kill, KillBody, KillAnswer,
             "Close the open orders of a scope and refuse new ones, at once."),
        post("/operations/kill-switches/release", handlers.release, ScopeBody, Decision,
             "Take new orders of a scope again; two people decide."),
        post("/operations/limits", handlers.limits, LimitsBody, Decision,
             "Set the limits of an instrument, or of an account in it; two people decide."),
    ]
    # fmt: on


class _Handlers:
    def __init__(self, phases: Phases, guards: Guards, controls: Controls, decide: Decide) -> None:
        self._phases = phases
        self._guards = guards
        self._controls = controls
        self._decide = decide

    async def standing(self, _: Call[None]) -> ControlsView:
        return await self._controls.standing()

    async def open_orders(self, call: Call[None]) -> OpenOrdersView:
        return await self._controls.open_orders(call.query.account, call.query.instrument)

    async def halt(self, call: Call[HaltBody]) -> None:
        await self._phases.halt(call.body.instrument, call.body.reason, call.signed_in)

    async def lift(self, call: Call[LiftBody]) -> Decision:
        return await self._phases.lift(self._decide, call.body.instrument, call.body.call_s, call.signed_in)

    async def phase(self, call: Call[PhaseBody]) -> None:
        body = call.body
        then = None if body.then is None else t.Phase[body.then]
        await self._phases.set_phase(body.instrument, t.Phase[body.phase], body.call_s, then, call.signed_in)

    async def period(self, call: Call[PeriodBody]) -> None:
        await self._phases.set_period(call.body.instrument, call.body.period_s, call.signed_in)

    async def bands(self, call: Call[BandsBody]) -> Decision:
        return await self._guards.set_bands(self._decide, msgspec.structs.asdict(call.body), call.signed_in)

    async def kill(self, call: Call[KillBody]) -> KillAnswer:
        body = call.body
        return KillAnswer(await self._guards.kill(body.account, body.instrument, body.reason, call.signed_in))

    async def release(self, call: Call[ScopeBody]) -> Decision:
        return await self._guards.release(self._decide, call.body.account, call.body.instrument, call.signed_in)

    async def limits(self, call: Call[LimitsBody]) -> Decision:
        return await self._guards.set_limits(self._decide, msgspec.structs.asdict(call.body), call.signed_in)
