"""What follows from what the sale contract says."""

from __future__ import annotations

from decimal import Decimal

from api.doors import Enqueue
from deedbook.chain.chain_processor import Effects
from persistence.database import Connection
from settlement.purchase import SEEN_JOB
from settlement.watched import ChainEvent


class SaleEffects:
    """A purchase that its buyer brought to the contract past us is noticed by its event."""

    def __init__(self, enqueue: Enqueue) -> None:
        self._enqueue = enqueue

    def register(self, effects: Effects) -> None:
        effects.on_event("Sale.Sold", self._sold)

    async def _sold(self, connection: Connection, event: ChainEvent) -> None:
        wallet, nonce = event.data["buyer"].removeprefix("0x"), event.data["nonce"]
        row = await connection.fetchrow(
            "SELECT user_id, EXISTS (SELECT FROM purchases WHERE wallet = address AND nonce = $2::numeric) AS is_known"
            " FROM wallets WHERE address = $1",
            *(bytes.fromhex(wallet), Decimal(nonce)),
        )
        if row is None or row["is_known"]:  # nobody's here, or its own job sees to it
            return
        said = {
            "user_id": str(row["user_id"]),
            "token": event.data["token"].removeprefix("0x"),
            "wallet": wallet,
            "nonce": nonce,
            "qty": event.data["qty"],
            "usdc_micros": event.data["usdcMicros"],
            "transaction": event.transaction.hex(),
            "block": event.block,
        }
        await self._enqueue(connection, SEEN_JOB, f"{wallet}/{nonce}", said)
