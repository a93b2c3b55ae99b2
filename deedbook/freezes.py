"""An issuer froze a wallet: settlement read it on the chain, compliance makes it a fact."""

from compliance.registry import set_wallet_frozen
from persistence.database import Pool
from persistence.streams import Message, Stream
from settlement.chain_events import Freeze

STREAM = "issuer-freezes"
GROUP = "compliance"
CONSUMER = "backoffice"
ACTOR = "chain"


async def publish(stream: Stream, freeze: Freeze) -> None:
    """Raises redis' errors: the reader of the chain then comes again."""
    await stream.publish(
        {
            "token": freeze.token,
            "wallet": freeze.wallet,
            "is_frozen": int(freeze.is_frozen),
            "base_units": "" if freeze.base_units is None else str(freeze.base_units),
            "block": freeze.block,
        }
    )


async def take(pool: Pool, stream: Stream) -> None:
    """Until cancelled. A partial freeze changes no fact here: the engine's levels follow the chain's locks."""

    async def handle(message: Message) -> None:
        fields = message.fields
        if fields["base_units"]:
            return
        instrument = await pool.fetchval("SELECT instrument FROM instruments WHERE token = $1", fields["token"])
        assert instrument is not None, "only tokens of listed instruments are watched"
        is_frozen, block = fields["is_frozen"] == b"1", int(fields["block"])
        await set_wallet_frozen(pool, fields["wallet"], instrument, is_frozen=is_frozen, block=block, actor=ACTOR)

    await stream.consume(GROUP, CONSUMER, handle)
