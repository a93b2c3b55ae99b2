"""How a batch fares before it is FINAL: settlement tells, the exchange passes it on to the traders it concerns.

For information only: what counts is the journal. Who misses a message reads the tables.
"""

from collections.abc import Callable

from persistence.streams import Message, Stream
from settlement.batcher import BatchProgress

STREAM = "batch-progress"
GROUP = "gateway"
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


async def take(stream: Stream, tell: Tell) -> None:
    """Until cancelled."""

    async def handle(message: Message) -> None:
        fields = message.fields
        trade_ids = range(int(fields["trade_after"]) + 1, int(fields["trade_last"]) + 1)
        ejected = frozenset(int(text) for text in fields["ejected"].split(b",") if text)
        tell(trade_ids, ejected, fields["state"].decode("ascii"), f"0x{fields['transaction'].hex()}")

    await stream.consume(GROUP, CONSUMER, handle)
