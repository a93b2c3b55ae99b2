"""How a batch fares before it is FINAL: settlement tells, each gateway passes it on to the traders it concerns.

For information only: what counts is the journal. Who misses a message reads the tables.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from persistence.streams import Message, Stream, connect
from settlement.batcher import BatchProgress

STREAM = "batch-progress"
CONSUMER = "exchange"
Tell = Callable[[range, frozenset[int], str, str], None]  # trade ids, those left out, state, transaction as 0x and hex


async def publish(stream: Stream, progress: BatchProgress) -> None:
    """Raises redis' errors."""
    await stream.publish(
        {
            "state": progress.state,
            "trade_after": progress.trade_after,
            "trade_last": progress.trade_last,
            "ejected": ",".join(str(each.trade_id) for each in progress.ejected),
            "transaction": progress.transaction,
        }
    )


@asynccontextmanager
async def taken(redis_url: str | None, group: str, tell: Tell) -> AsyncIterator[None]:
    """Tell each batch's progress, beside the market's work and never on its path; each gateway has its own `group`."""
    if redis_url is None:
        yield
        return
    redis = connect(redis_url)
    telling = asyncio.create_task(take(Stream(redis, STREAM), group, tell))
    try:
        yield
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)
        await redis.aclose()


async def take(stream: Stream, group: str, tell: Tell) -> None:
    """Until cancelled."""

    async def handle(message: Message) -> None:
        fields = message.fields
        trade_ids = range(int(fields["trade_after"]) + 1, int(fields["trade_last"]) + 1)
        ejected = frozenset(int(text) for text in fields["ejected"].split(b",") if text)
        tell(trade_ids, ejected, fields["state"].decode("ascii"), f"0x{fields['transaction'].hex()}")

    await stream.consume(group, CONSUMER, handle)
