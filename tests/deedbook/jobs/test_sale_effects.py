"""What the chain says of a purchase that nobody asked us for."""

from __future__ import annotations

from dataclasses import replace

from eth_utils.address import to_canonical_address

from deedbook.chain.chain_processor import Effects
from deedbook.chain.sale_effects import SaleEffects
from persistence.jobs import enqueue
from settlement.purchase import SEEN_JOB
from settlement.watched import ChainEvent
from tests.deedbook.jobs.sale_world import PRICE_USDC_MICROS, SaleWorld
from tests.settlement.local_chain import key


async def test_a_purchase_past_us_has_a_receipt_too(selling: SaleWorld) -> None:
    await selling.open_sale()
    await selling.funded("ann")
    order = await selling.signed("ann", "10")
    brought = await selling.bring("ann", order)
    (log,) = [log for log in brought.logs if log["address"] == selling.infra.sale]
    said = {"token": selling.suite.token, "buyer": key("ann").address, "nonce": order["nonce"], "qty": "10"}
    said |= {"usdcMicros": str(10 * PRICE_USDC_MICROS), "sold": "10"}
    place = (brought.block_number, bytes(log["blockHash"]), log["logIndex"], brought.transaction_hash)
    event = ChainEvent(*place, to_canonical_address(selling.infra.sale), "Sale.Sold", said)
    effects = Effects()
    SaleEffects(enqueue).register(effects)
    for _ in range(2):
        async with selling.pool.acquire() as connection, connection.transaction():
            await effects(connection, event)
        await selling.work()
    (receipt,) = await selling.answer("ann", "GET", "/marketplace/purchases")
    assert (receipt["state"], receipt["qty"], receipt["usdc"]) == ("FINAL", "10", "105")
    assert receipt["transaction"] == f"0x{brought.transaction_hash.hex()}"
    assert [kind for kind, _ in await selling.told("ann")] == ["PURCHASED"]
    assert [kind for kind, _ in await selling.told("manager")] == ["SALE_OPENED", "TOKENS_SOLD"]


async def test_a_purchase_that_was_asked_for_is_its_own_jobs(selling: SaleWorld) -> None:
    await selling.open_sale()
    await selling.funded("ann")
    bought = await selling.buy("ann", "10")
    event = ChainEvent(
        *(9, bytes(32), 0, bytes(32), to_canonical_address(selling.infra.sale), "Sale.Sold"),
        {"token": selling.suite.token, "buyer": key("ann").address, "nonce": bought["nonce"]},
    )
    effects = Effects()
    SaleEffects(enqueue).register(effects)
    async with selling.pool.acquire() as connection, connection.transaction():
        await effects(connection, event)
        await effects(connection, replace(event, data={**event.data, "buyer": selling.infra.vault}))  # nobody here
    assert await selling.pool.fetchval("SELECT count(*) FROM jobs WHERE kind = $1", SEEN_JOB) == 0
