"""What is away lets a job wait; what was answered, or is our mistake, does not."""

from __future__ import annotations

from typing import Any

import aiohttp
import asyncpg
import pytest
import stripe
from redis.exceptions import ConnectionError as RedisAway
from web3.exceptions import ContractLogicError, Web3RPCError

from api.problem import Problem
from deedbook.outages import waiting_out
from payments.circle import CircleAway
from persistence.feed import CommandsRefused, FeedLost
from persistence.jobs import Job, JobFailed, JobWaits
from persistence.sequencer import Refusal
from settlement.chain import ChainMoved, ChainRefused, ChainUnavailable
from settlement.steps import StepFailedError, StepNotMinedError

NO_STRIPE: Any = stripe.APIConnectionError


async def ran(error: BaseException | None) -> None:
    """A job whose handler raises this."""

    async def handler(_: Job) -> None:
        if error is not None:
            raise error

    async def no_show(_step: str, _done: int, _of: int) -> None: ...

    await waiting_out(handler)(Job("dividend", "one", {}, 1, no_show))


@pytest.mark.parametrize(
    ("error", "who"),
    [
        (FeedLost(), "the exchange"),
        (CommandsRefused(next(iter(Refusal))), "the exchange"),
        (ChainUnavailable("eth_call: no answer"), "the chain"),
        (ChainRefused(-32000, "header not found"), "the chain"),
        (ChainMoved(), "the chain"),
        (StepNotMinedError("declare: not mined"), "the chain"),
        (Web3RPCError("insufficient funds for gas"), "the chain"),
        (aiohttp.ServerDisconnectedError(), "the chain"),
        (CircleAway("GET /v1/wires"), "Circle"),
        (NO_STRIPE("no answer"), "Stripe"),
        (RedisAway("no answer"), "Redis"),
        (asyncpg.CannotConnectNowError("starting"), "a server"),
        (ConnectionRefusedError(), "a server"),
        (TimeoutError(), "a server"),
    ],
)
async def test_a_job_waits_for_what_is_away_and_says_for_whom(error: BaseException, who: str) -> None:
    with pytest.raises(JobWaits, match=f"^{who} is away"):
        await ran(error)


@pytest.mark.parametrize(
    "error",
    [
        ChainRefused(3, "execution reverted", b"\x08\xc3\x79\xa0"),
        ContractLogicError("execution reverted"),
        StepFailedError("declare: reverted"),
        asyncpg.exceptions._base.DataError("invalid input for query argument $1"),
        AssertionError("ours"),
        JobWaits(1, "not final yet"),
        JobFailed("for an operator"),
    ],
)
async def test_an_answer_and_a_mistake_of_ours_are_no_outage(error: Any) -> None:
    with pytest.raises(type(error)) as raised:
        await ran(error)
    assert raised.value is error


async def test_what_a_person_would_be_refused_ends_the_job_with_its_words() -> None:
    with pytest.raises(JobFailed, match="not traded any more"):
        await ran(Problem(409, "STAYS_HALTED", "It is not traded any more."))


async def test_a_job_that_is_done_is_done() -> None:
    await ran(None)
