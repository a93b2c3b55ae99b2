"""What the chain says, what follows from it, and what operators do by hand."""

from __future__ import annotations

from api.doors import Decide
from compliance.audit import record
from deedbook import progress
from deedbook.chain.chain_effects import ChainEffects
from deedbook.chain.chain_processor import STREAM, STREAM_LENGTH_MAX, ChainProcessor, Effects
from deedbook.chain.lock_up_effects import LockUpEffects
from deedbook.chain.sale_effects import SaleEffects
from deedbook.notices.notify import notify
from deedbook.office.desk import Desk
from deedbook.office.payouts import Payouts
from deedbook.office.resources import Resources
from deedbook.operating import operations_routes
from deedbook.operating.dead_letters import DeadLetters
from deedbook.operating.operations import Operations
from persistence.jobs import enqueue
from persistence.streams import Stream


def operations_desk(r: Resources, decide: Decide, payouts: Payouts) -> Desk:
    effects = Effects()
    ChainEffects(r.submit, notify).register(effects)
    SaleEffects(enqueue).register(effects)
    LockUpEffects().register(effects)
    payouts.register(effects)
    events = Stream(r.redis, STREAM, length_max=STREAM_LENGTH_MAX)
    operations = Operations(r.pool, r.submit, r.deployment.platform, r.chain.final_block, enqueue)
    letters = DeadLetters(r.pool, [events, Stream(r.redis, progress.STREAM)])
    return Desk(
        routes=operations_routes.routes(r.pool, operations, letters, decide, record),
        jobs=operations.handlers(),
        executors=operations.executors,
        loops=[ChainProcessor(r.pool, events, effects).run],
    )
