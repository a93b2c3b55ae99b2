"""What of ours or of the world may be away for a while: a caller is told so, and a job waits until it is back."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

import aiohttp
import stripe
from redis.exceptions import RedisError
from web3.exceptions import BadResponseFormat, TooManyRequests, Web3RPCError

from api.problem import Problem
from payments.circle import CircleAway
from persistence.document_store import STORE_AWAY
from persistence.feed import CommandsRefused, FeedLost
from persistence.jobs import Handler, Job, JobFailed, JobWaits
from persistence.projections import DATABASE_AWAY
from settlement.chain import ChainMoved, ChainRefused, ChainUnavailable
from settlement.steps import StepNotMinedError

AWAY_S: Final = 5.0
_OUTAGES: Final[Mapping[str, tuple[type[BaseException], ...]]] = {  # the first that fits: some are an OSError, too
    "the exchange": (FeedLost, CommandsRefused),
    "the chain": (
        *(ChainUnavailable, ChainRefused, ChainMoved, StepNotMinedError),
        *(Web3RPCError, BadResponseFormat, TooManyRequests, aiohttp.ClientError),
    ),
    "Circle": (CircleAway,),
    "Stripe": (stripe.APIConnectionError, stripe.RateLimitError, stripe.APIError),
    "Redis": (RedisError,),
    "a server": DATABASE_AWAY,
    "the document store": STORE_AWAY,
}
AWAY: Final = tuple(kind for kinds in _OUTAGES.values() for kind in kinds)
_log: Final = logging.getLogger(__name__)


def waiting_out(handler: Handler) -> Handler:
    """The handler, but what is away is no failure of its job; and what a person would be refused ends it."""

    async def handle(job: Job) -> None:
        try:
            await handler(job)
        except Problem as problem:
            raise JobFailed(problem.detail) from problem
        except AWAY as error:
            if not _is_outage(error):
                raise
            _log.warning("job %s %s waits: %s: %s", job.kind, job.key, type(error).__name__, error)
            who = next(who for who, kinds in _OUTAGES.items() if isinstance(error, kinds))
            raise JobWaits(AWAY_S, f"{who} is away ({type(error).__name__})") from error

    return handle


def _is_outage(error: BaseException) -> bool:
    """A value that a client does not take is our mistake, and a revert is an answer."""
    return not isinstance(error, ValueError) and not (isinstance(error, ChainRefused) and error.data)
