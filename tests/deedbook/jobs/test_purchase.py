"""The first sale from its opening to a receipt, on a real anvil and a real database; killed at every step."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from eth_utils.address import to_canonical_address

from api.actor import Role
from compliance.registry import set_kyc
from compliance.rules import KycStatus
from persistence.jobs import JobState, enqueue
from settlement.artifacts import ours
from settlement.infrastructure import read
from settlement.sale import CLOSE_JOB, close_sale
from tests.deedbook.jobs.sale_world import LOCK_UP_S, PRICE_USDC_MICROS, SUPPLY, SaleWorld, sign
from tests.fixtures.killing import Points
from tests.settlement.local_chain import key

BUY = "/marketplace/buy"


async def test_from_the_opening_to_the_receipt(selling: SaleWorld) -> None:
    asked = await selling.problem("manager", "POST", selling.sale_path, selling.terms())
    assert asked["reason"] == "ISSUER_APPROVAL_MISSING"
    await selling.send("manager", asked["transaction"])
    opening = await selling.answer("manager", "POST", selling.sale_path, selling.terms(), status=202)
    assert (opening["state"], opening["price"], opening["lot"]) == ("OPENING", "10.5", "1")
    await selling.work()
    sale = await selling.answer("ann", "GET", selling.sale_path)
    assert (sale["state"], sale["qty_sold"], sale["qty_left"]) == ("OPEN", "0", "500")

    order = selling.order("ann", "20")
    asked = await selling.problem("ann", "POST", BUY, order)
    assert (asked["reason"], asked["needed"], asked["balance"]) == ("USDC_MISSING", "210", "0")
    await selling.give_usdc("ann", 300_000_000)
    asked = await selling.problem("ann", "POST", BUY, order)
    assert asked["reason"] == "USDC_APPROVAL_MISSING"
    await selling.send("ann", asked["transaction"])
    asked = await selling.problem("ann", "POST", BUY, order)
    assert asked["reason"] == "SIGNATURE_MISSING"
    order |= {"nonce": asked["nonce"], "deadline": asked["deadline"]}
    order |= {"signature": sign(key("ann"), asked["typed_data"])}
    bought = await selling.answer("ann", "POST", BUY, order, status=202)
    assert (bought["state"], bought["usdc"], bought["transaction"]) == ("RELAYED", "210", None)
    assert await selling.answer("ann", "POST", BUY, order, status=202) == bought  # the answer was lost
    await selling.work()

    receipt = await selling.receipt("ann", bought)
    assert (receipt["state"], receipt["qty"], receipt["price"], receipt["usdc"]) == ("FINAL", "20", "10.5", "210")
    mined = await selling.web3.eth.get_transaction_receipt(receipt["transaction"])
    assert (mined["status"], mined["blockNumber"]) == (1, receipt["block"])
    assert [await selling.usdc_of(name) for name in ("ann", "manager")] == [90_000_000, 210_000_000]
    assert [await selling.tokens_of(name) for name in ("ann", "manager")] == [20, SUPPLY - 20]
    block_time = datetime.fromtimestamp((await selling.web3.eth.get_block(receipt["block"]))["timestamp"], UTC)
    lots = await read(
        selling.web3,
        ours("LockUpModule"),
        selling.infra.lock_up_module,
        "lotsOf",
        selling.suite.compliance,
        key("ann").address,
    )
    assert [tuple(lot) for lot in lots] == [(20, int(block_time.timestamp()) + LOCK_UP_S)]
    assert await selling.told("ann") == [("PURCHASED", "You bought 20 tokens of 12 Oak Street for 210 USDC.")]
    assert await selling.told("manager") == [
        ("SALE_OPENED", "The first sale of 12 Oak Street is open."),
        ("TOKENS_SOLD", "20 tokens of 12 Oak Street were sold for 210 USDC."),
    ]
    assert await selling.answer("ann", "GET", "/marketplace/purchases") == [receipt]
    assert await selling.answer("bob", "GET", "/marketplace/purchases") == []
    assert (await selling.answer("bob", "GET", selling.sale_path))["qty_left"] == "480"
    path = f"/marketplace/purchases/{bought['purchase_id']}"
    assert (await selling.problem("bob", "GET", path))["reason"] == "NOT_FOUND"


async def test_a_permit_stands_for_the_approval(selling: SaleWorld) -> None:
    await selling.open_sale()
    await selling.give_usdc("ann", 300_000_000)
    asked = await selling.problem("ann", "POST", BUY, selling.order("ann", "2"))
    assert asked["reason"] == "USDC_APPROVAL_MISSING"
    permit = sign(key("ann"), asked["permit"])
    given = {"nonce": asked["nonce"], "deadline": asked["deadline"], "permit": permit}
    bought = await selling.answer("ann", "POST", BUY, await selling.signed("ann", "2", **given), status=202)
    await selling.work()
    assert (await selling.receipt("ann", bought))["state"] == "FINAL"
    assert await selling.tokens_of("ann") == 2


async def test_the_first_thing_that_is_missing_is_named(selling: SaleWorld) -> None:
    order = selling.order("ann", "20")
    assert (await selling.problem("ann", "POST", BUY, order))["reason"] == "SALE_NOT_OPEN"
    opens_at = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    await selling.open_sale(opens_at=opens_at.isoformat())
    asked = await selling.problem("ann", "POST", BUY, order)
    assert (asked["reason"], asked["opens_at"]) == ("SALE_NOT_OPEN", opens_at.isoformat())
    await selling.pool.execute("UPDATE sales SET opens_at = now() - interval '1 h'")

    async def reason(name: str, **changes: Any) -> str:
        return str((await selling.problem(name, "POST", BUY, selling.order(name, "20") | changes))["reason"])

    assert await reason("manager") == "ROLE_MISSING"
    assert await reason("ann", property_id="00000000-0000-0000-0000-000000000001") == "NOT_FOUND"
    assert await reason("ann", wallet="0x12") == "ADDRESS_MALFORMED"
    assert await reason("ann", wallet=key("bob").address) == "WALLET_NOT_LINKED"
    assert await reason("ann", qty="1.5") == "QTY_MALFORMED"
    assert await reason("ann", qty="0") == "QTY_NOT_WHOLE_LOTS"
    await selling.add_person("eve", Role.INVESTOR, has_facts=False)
    assert await reason("eve") == "KYC_MISSING"
    await selling.pool.execute("DELETE FROM identity_registrations WHERE address = $1", wallet_of("bob"))
    assert await reason("bob") == "IDENTITY_NOT_REGISTERED"
    await set_kyc(selling.pool, selling.people["bob"].user_id, KycStatus.REJECTED, actor="test")
    assert await reason("bob") == "KYC_REJECTED"
    await selling.pool.execute("UPDATE instruments SET ownership_cap_lots = 19")
    assert await reason("ann") == "OWNERSHIP_CAP_REACHED"
    await selling.pool.execute("UPDATE instruments SET ownership_cap_lots = 20")
    assert await reason("ann", qty="501") == "OWNERSHIP_CAP_REACHED"
    await selling.pool.execute("UPDATE instruments SET ownership_cap_lots = 0")
    assert await reason("ann", qty="501") == "SALE_CAP_REACHED"
    assert await reason("ann", qty="101") == "BUYER_CAP_REACHED"
    assert await reason("ann", nonce="-1") == "NONCE_MALFORMED"
    assert await reason("ann", signature="0x12") == "SIGNATURE_INCOMPLETE"
    past, far = (datetime.now(UTC).replace(microsecond=0) + timedelta(hours=hours) for hours in (-1, 2))
    assert await reason("ann", deadline=past.isoformat()) == "DEADLINE_PASSED"
    assert await reason("ann", deadline=far.isoformat()) == "DEADLINE_TOO_FAR"
    assert await reason("ann") == "USDC_MISSING"
    await selling.pool.execute("UPDATE properties SET state = 'LIQUIDATING'")
    assert await reason("ann") == "SALE_NOT_OPEN"


async def test_a_sale_is_opened_with_terms_that_mean_something(selling: SaleWorld) -> None:
    async def reason(name: str, **changes: Any) -> str:
        return str((await selling.problem(name, "POST", selling.sale_path, selling.terms(**changes)))["reason"])

    now = datetime.now(UTC).replace(microsecond=0)
    assert await reason("ann") == "ROLE_MISSING"
    await selling.add_person("other", Role.PROPERTY_MANAGER)
    assert await reason("other") == "NOT_FOUND"
    assert await reason("manager", price="0") == "PRICE_NOT_WHOLE_MICROS"
    assert await reason("manager", price="0.0000001") == "PRICE_MALFORMED"
    assert await reason("manager", qty_max="0") == "QTY_NOT_WHOLE_LOTS"
    assert await reason("manager", closes_at=(now - timedelta(minutes=1)).isoformat()) == "WINDOW_WRONG"
    assert await reason("manager", closes_at=(now + timedelta(days=999)).isoformat()) == "WINDOW_WRONG"
    assert await reason("manager", opens_at="2030-01-01T00:00:00") == "TIME_MALFORMED"
    assert await reason("manager", qty_max=str(SUPPLY + 1)) == "ISSUER_TOKENS_MISSING"
    await selling.approve_tokens(499)
    asked = await selling.problem("manager", "POST", selling.sale_path, selling.terms())
    assert asked["reason"] == "ISSUER_APPROVAL_MISSING"
    assert "may take 499" in asked["detail"]
    assert (await selling.problem("ann", "GET", selling.sale_path))["reason"] == "NOT_FOUND"


async def test_a_wrong_signature_and_a_used_nonce_are_refused(selling: SaleWorld) -> None:
    await selling.open_sale()
    await selling.funded("ann")
    await selling.funded("bob")
    order = await selling.signed("ann", "20")
    for change in ({"qty": "21"}, {"nonce": "5"}, {"signature": "0x" + "1b" * 65}):
        assert (await selling.problem("ann", "POST", BUY, order | change))["reason"] == "SIGNATURE_WRONG"
    assert (await selling.problem("ann", "POST", BUY, order | {"signature": "0xzz"}))["reason"] == "SIGNATURE_MALFORMED"
    assert (await selling.problem("ann", "POST", BUY, order | {"permit": "0x12"}))["reason"] == "SIGNATURE_MALFORMED"
    await selling.answer("ann", "POST", BUY, order, status=202)
    again = await selling.signed("ann", "7")
    asked = await selling.problem("ann", "POST", BUY, again | {"nonce": order["nonce"]})
    assert asked["reason"] == "NONCE_USED"
    await selling.work()
    assert await selling.tokens_of("ann") == 20


async def test_what_is_on_its_way_counts_against_both_caps(selling: SaleWorld) -> None:
    await selling.open_sale(qty_max="120")
    for name in ("ann", "bob"):
        await selling.funded(name)
    await selling.buy("ann", "90")
    asked = await selling.problem("ann", "POST", BUY, selling.order("ann", "20"))
    assert (asked["reason"], asked["left"]) == ("BUYER_CAP_REACHED", "10")
    asked = await selling.problem("bob", "POST", BUY, selling.order("bob", "40"))
    assert (asked["reason"], asked["left"]) == ("SALE_CAP_REACHED", "30")
    assert (await selling.answer("bob", "GET", selling.sale_path))["qty_left"] == "30"
    await selling.work()
    await selling.buy("bob", "30")
    await selling.work()
    sale = await selling.answer("bob", "GET", selling.sale_path)
    assert (sale["qty_sold"], sale["qty_left"]) == ("120", "0")


async def test_what_the_chain_refuses_is_tried_until_the_deadline(selling: SaleWorld) -> None:
    await selling.open_sale()
    await selling.funded("ann", 10 * PRICE_USDC_MICROS)
    bought = await selling.buy("ann", "10")
    await selling.send("ann", {"to": selling.infra.usdc, "data": _transfer("bob", 1)})
    await selling.work(until="USDC cannot be taken")
    waiting = await selling.receipt("ann", bought)
    assert (waiting["state"], waiting["reason"]) == (
        "RELAYED",
        "The USDC cannot be taken from this wallet: BalanceTooSmall.",
    )
    await selling.send("bob", {"to": selling.infra.usdc, "data": _transfer("ann", 1)})
    await selling.work()
    assert (await selling.receipt("ann", bought))["state"] == "FINAL"


async def test_after_its_deadline_a_purchase_has_failed_for_good(selling: SaleWorld) -> None:
    await selling.open_sale()
    await selling.funded("ann", 10 * PRICE_USDC_MICROS)
    bought = await selling.buy("ann", "10")
    await selling.send("ann", {"to": selling.infra.usdc, "data": _transfer("bob", 1)})
    await selling.work(until="USDC cannot be taken")
    await selling.mine(1, seconds=3_600)
    await selling.work()
    failed = await selling.receipt("ann", bought)
    assert (failed["state"], failed["transaction"]) == ("FAILED", None)
    why = "The USDC cannot be taken from this wallet: BalanceTooSmall."
    assert failed["reason"] == why
    words = f"You did not buy 10 tokens of 12 Oak Street, and paid nothing. {why}"
    assert await selling.told("ann") == [("PURCHASE_FAILED", words)]
    assert (await selling.answer("bob", "GET", selling.sale_path))["qty_left"] == "500"
    assert await selling.tokens_of("ann") == 0


async def test_a_purchase_that_another_brought_is_found(selling: SaleWorld) -> None:
    await selling.open_sale()
    await selling.funded("ann")
    order = await selling.signed("ann", "10")
    bought = await selling.answer("ann", "POST", BUY, order, status=202)
    brought = await selling.bring("bob", order)
    await selling.work()
    receipt = await selling.receipt("ann", bought)
    assert receipt["state"] == "FINAL"
    assert receipt["transaction"] == f"0x{brought.transaction_hash.hex()}"
    assert await selling.sold_events() == 1


async def test_a_block_that_is_gone_takes_the_purchase_back_and_it_is_made_again(selling: SaleWorld) -> None:
    await selling.open_sale()
    await selling.funded("ann")
    bought = await selling.buy("ann", "10")
    snapshot = (await selling.web3.provider.make_request("evm_snapshot", []))["result"]
    selling.chain._confirmations = 1_000  # nothing is final for now
    await selling.work(until="not final yet")
    assert (await selling.receipt("ann", bought))["state"] == "MINED"
    assert (await selling.web3.provider.make_request("evm_revert", [snapshot]))["result"]
    await selling.mine(3)
    assert await selling.sold_events() == 0
    selling.chain._confirmations = 2
    await selling.work()
    receipt = await selling.receipt("ann", bought)
    assert receipt["state"] == "FINAL"
    assert await selling.sold_events() == 1
    assert await selling.tokens_of("ann") == 10


async def test_a_sale_gives_way_to_the_next_one(selling: SaleWorld) -> None:
    first = await selling.open_sale()
    again = selling.terms(qty_max="50")
    assert (await selling.problem("manager", "POST", selling.sale_path, again))["reason"] == "SALE_STANDS"
    closing = await selling.answer("manager", "POST", f"{selling.sale_path}/close", status=202)
    assert closing["state"] == "CLOSING"
    assert (await selling.problem("manager", "POST", f"{selling.sale_path}/close"))["reason"] == "SALE_NOT_OPEN"
    second = await selling.answer("manager", "POST", selling.sale_path, again, status=202)
    await selling.work()
    assert (await selling.answer("ann", "GET", selling.sale_path))["state"] == "OPEN"
    states = await selling.pool.fetch("SELECT sale_id::text, state, number FROM sales ORDER BY sale_id")
    assert [tuple(row) for row in states] == [(first["sale_id"], "CLOSED", 1), (second["sale_id"], "OPEN", 2)]
    # one whose time is over is closed by the way
    await selling.pool.execute("UPDATE sales SET closes_at = now() - interval '1 min' WHERE state = 'OPEN'")
    await selling.answer("manager", "POST", selling.sale_path, again, status=202)
    await selling.work()
    states = await selling.pool.fetch("SELECT state, number FROM sales ORDER BY sale_id")
    assert [tuple(row) for row in states] == [("CLOSED", 1), ("CLOSED", 2), ("OPEN", 3)]


async def test_an_exit_closes_the_sale(selling: SaleWorld) -> None:
    await selling.open_sale()
    async with selling.pool.acquire() as connection, connection.transaction():
        closing = await close_sale(connection, selling.property_id, enqueue)
        assert closing is not None
        assert await close_sale(connection, selling.property_id, enqueue) is None
    ended = await selling.work()
    assert (ended[0].kind, ended[0].state) == (CLOSE_JOB, JobState.DONE)
    assert not (await selling.contract.standing(selling.contract_token)).is_open


@pytest.mark.timeout(300)
async def test_killed_after_every_step_it_sells_and_buys_once(selling: SaleWorld) -> None:
    selling.points = Points()
    await selling.open_sale()
    await selling.funded("ann")
    first = await selling.buy("ann", "10")
    second = await selling.buy("ann", "5")
    await selling.work()
    closing = await selling.answer("manager", "POST", f"{selling.sale_path}/close", status=202)
    await selling.work()
    assert closing["sale_id"] == first["sale_id"]
    died = {name for name, _ in selling.points.died}
    assert sum(name.startswith("broadcast") for name in died) == 4  # opened, bought twice, closed
    for act in ("COMMIT", "INSERT INTO chain_steps", "UPDATE purchases", "UPDATE sales"):
        assert any(act in name for name in died), act
    assert len(died) > 20
    assert {(await selling.receipt("ann", each))["state"] for each in (first, second)} == {"FINAL"}
    assert await selling.sold_events() == 2
    assert await selling.tokens_of("ann") == 15
    assert await selling.usdc_of("manager") == 15 * PRICE_USDC_MICROS
    assert sorted(kind for kind, _ in await selling.told("ann")) == ["PURCHASED", "PURCHASED"]
    kinds = [kind for kind, _ in await selling.told("manager")]
    assert sorted(kinds) == ["SALE_CLOSED", "SALE_OPENED", "TOKENS_SOLD", "TOKENS_SOLD"]


def wallet_of(name: str) -> bytes:
    return to_canonical_address(key(name).address)


def _transfer(to: str, usdc_micros: int) -> str:
    return f"0x{ours('MockUSDC').call_data('transfer', [key(to).address, usdc_micros]).hex()}"
