"""What keeps the market in order: phases, bands, kill switches, limits."""

from __future__ import annotations

from typing import Final

import aiohttp

from api.doors import Decide
from api.problem import Problem
from compliance.audit import record
from deedbook.market_controls.controls_routes import routes
from deedbook.market_controls.guards import Guards
from deedbook.market_controls.phases import Phases
from deedbook.market_controls.schedule_routes import schedule_routes
from deedbook.market_controls.schedules import Schedules
from deedbook.market_controls.standing import Controls
from deedbook.notices.notify import notify
from deedbook.office.desk import Desk
from deedbook.office.resources import Resources
from engine.types import Phase
from persistence.jobs import enqueue

EXCHANGE_TIMEOUT: Final = aiohttp.ClientTimeout(total=5)


def controls_desk(r: Resources, decide: Decide) -> Desk:
    async def phase_of(symbol: str) -> Phase:
        url = f"http://127.0.0.1:{r.settings.rest_port}/api/v3/auction"
        try:
            async with r.http.get(url, params={"symbol": symbol}, timeout=EXCHANGE_TIMEOUT) as response:
                response.raise_for_status()
                return Phase[(await response.json())["phase"]]
        except (TimeoutError, aiohttp.ClientError):
            raise Problem(503, "AWAY", "The exchange does not answer; try again in a moment.") from None

    phases = Phases(r.pool, r.submit, phase_of, record, notify, enqueue)
    guards = Guards(r.pool, r.submit, record, enqueue)
    schedules = Schedules(r.pool, r.submit, phase_of, record)
    return Desk(
        routes=[*routes(phases, guards, Controls(r.pool), decide), *schedule_routes(schedules)],
        jobs={**phases.handlers(), **guards.handlers()},
        executors={**phases.executors, **guards.executors},
        loops=[schedules.run],
    )
