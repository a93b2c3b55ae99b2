"""What is somebody's own is nobody else's: not seen, not changed, and not so much as there."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import UUID

from api.actor import Role
from tests.deedbook.office.house import PDF, TODAY, a_house
from tests.deedbook.office.opened import NOBODY, Caller, Front

INSTRUMENT: Final = 9_999  # of a property that is on no exchange
WALLET: Final = secrets.token_bytes(20)
STRANGE_FIELDS: Final = {"role": "ADMIN", "kyc_status": "APPROVED", "fee": "0"}


async def missing(front: Front, caller: Caller, method: str, path: str, body: Any = None) -> None:
    """There is no such thing: in the words that are used for what never was, and with nothing of it."""
    answer = await front.call(caller, method, path, body)
    assert (answer.status, answer.reason) == (404, "NOT_FOUND"), (method, path, answer)
    assert answer.json.keys() == {"type", "title", "status", "reason", "detail"}


async def test_a_draft_is_its_managers(front: Front) -> None:
    house = await a_house(front)
    other = await front.person(Role.PROPERTY_MANAGER, has_second_factor=True)
    one = f"/properties/{house.property_id}"
    calls: list[tuple[str, str, Any]] = [
        ("GET", one, None),
        ("GET", f"{one}/documents", None),
        ("GET", f"{one}/progress", None),
        ("GET", f"{one}/leases", None),
        ("GET", f"{one}/expenses", None),
        ("GET", f"{one}/rent-terms", None),
        ("GET", f"{one}/manager-payments", None),
        ("GET", f"{one}/income-statement?from={TODAY}&to={TODAY}", None),
        ("GET", f"/rent/payments?property_id={house.property_id}", None),
        ("PATCH", one, {"terms": {"name": "Mine"}}),
        ("POST", f"{one}/submit", None),
        ("POST", f"{one}/expenses", {"usd": "1.00", "what": "nothing"}),
        ("POST", f"/leases/{house.lease_id}/end", {"ends_on": str(TODAY)}),
        (
            "POST",
            f"{one}/leases",
            {"unit": "2", "tenant_email": other.email, "rent_usd": "900.00", "due_day": 1, "starts_on": str(TODAY)},
        ),
    ]
    for method, path, body in calls:
        if method == "GET":
            assert (await front.call(house.manager, method, path)).reason != "NOT_FOUND"
        await missing(front, other, method, path, body)
    for method, path, body in calls[:2]:
        refused = await front.call(NOBODY, method, path, body)
        assert refused.status in (401, 404), refused
    answer = await front.call(other, "POST", f"{one}/documents?name=x.pdf", data=PDF)
    assert (answer.status, answer.reason) == (404, "NOT_FOUND")
    assert (await front.good(house.manager, "GET", one))["terms"]["name"] == "5 Elm Lane"
    assert house.property_id not in str((await front.good(other, "GET", "/properties"))["properties"])


async def test_a_lease_is_its_tenants(front: Front) -> None:
    house = await a_house(front)
    other = await front.person(Role.INVESTOR, Role.TENANT)
    assert [each["lease_id"] for each in await front.good(house.tenant, "GET", "/leases")] == [house.lease_id]
    assert len(await front.good(house.tenant, "GET", "/rent/payments")) == 1
    for path in ("/leases", "/rent/payments", "/notifications"):
        assert await front.good(other, "GET", path) == []
    await missing(front, other, "POST", "/rent/links", {"lease_id": house.lease_id, "period": f"{TODAY:%Y-%m}"})
    (notice,) = await front.good(house.tenant, "GET", "/notifications")
    await missing(front, other, "POST", f"/notifications/{notice['notification_id']}/read")
    assert (await front.good(house.tenant, "GET", "/notifications"))[0]["read_at"] is None


async def test_a_stream_tells_its_reader_alone(front: Front) -> None:
    """Somebody else's notice is there before the reader's own, which is the first that the stream has."""
    mine, others = await a_house(front), await a_house(front)
    end = {"ends_on": str(TODAY)}
    async with front.stream(mine.tenant) as first:
        await front.good(others.manager, "POST", f"/leases/{others.lease_id}/end", end)
        await front.good(mine.manager, "POST", f"/leases/{mine.lease_id}/end", end)
        told = await first()
    assert mine.lease_id in told
    assert others.lease_id not in told


async def test_a_link_opens_one_document(front: Front) -> None:
    house, other = await a_house(front), await a_house(front)
    path, query = house.link.split("?")
    assert (await front.call(NOBODY, "GET", f"{path}?{query}")).status == 200
    elsewhere = other.link.split("?")[0]
    assert (await front.call(NOBODY, "GET", f"{elsewhere}?{query}")).reason == "LINK_EXPIRED"
    assert (await front.call(house.manager, "GET", path)).status == 400


async def test_an_approval_is_those_peoples_who_may_decide_it(front: Front) -> None:
    house = await a_house(front)
    admin = await front.person(Role.ADMIN, has_second_factor=True)
    terms = {"management_fee_bps": 500, "reserve_bps": 500}
    made = await front.good(admin, "PUT", f"/properties/{house.property_id}/rent-terms", terms)
    one, vote = f"/approvals/{made['approval_id']}", {"payload_hash": made["payload_hash"]}
    for role in (Role.SETTLEMENT_OPERATOR, Role.COMPLIANCE_OFFICER):
        other = await front.person(role, has_second_factor=True)
        await missing(front, other, "GET", one)
        await missing(front, other, "POST", f"{one}/approve", vote)
        await missing(front, other, "POST", f"{one}/reject", {"reason": "no"})
        assert made["approval_id"] not in str(await front.good(other, "GET", "/approvals"))
    assert (await front.call(admin, "POST", f"{one}/approve", vote)).reason == "OWN_PROPOSAL"
    second = await front.person(Role.ADMIN, has_second_factor=True)
    wrong = {"payload_hash": "0" * 64}
    assert (await front.call(second, "POST", f"{one}/approve", wrong)).reason == "PAYLOAD_CHANGED"
    assert (await front.good(second, "POST", f"{one}/approve", vote))["state"] == "APPROVED"


async def test_a_session_is_one_persons(front: Front) -> None:
    one = await front.person(Role.INVESTOR)
    again, other = await front.signed_in(one), await front.person(Role.INVESTOR)
    await front.good(other, "POST", "/auth/logout")
    await front.good(one, "POST", "/auth/logout")
    assert (await front.call(one, "GET", "/auth/session")).status == 401
    assert (await front.good(again, "GET", "/auth/session"))["email"] == one.email


@asynccontextmanager
async def bought_and_paid(front: Front, buyer: Caller, manager: Caller) -> AsyncIterator[tuple[UUID, UUID]]:
    """A purchase and a dividend's line of the buyer's, as the tables have them when both are final; then no more."""
    property_id = UUID((await a_house(front)).property_id)
    await front.pool.execute(
        "UPDATE properties SET state = 'PENDING_APPROVAL', issuer_wallet = $2 WHERE property_id = $1",
        property_id,
        WALLET,
    )
    await front.pool.execute("UPDATE properties SET state = 'APPROVED' WHERE property_id = $1", property_id)
    await front.pool.execute(
        "UPDATE properties SET state = 'TOKENIZED', mint_approved_at = now(), token = $2, identity_registry = $2,"
        " compliance_contract = $2, instrument = $3, tokenized_at = now() WHERE property_id = $1",
        property_id,
        WALLET,
        INSTRUMENT,
    )
    await front.pool.execute(
        "INSERT INTO wallets (address, user_id) VALUES ($1, $2) ON CONFLICT DO NOTHING", WALLET, buyer.user_id
    )
    sale_id = await front.pool.fetchval(
        "INSERT INTO sales (property_id, state, instrument, token, token_decimals, issuer_wallet, issuer_id,"
        " price_usdc_micros, lot_base_units, qty_max_base_units, per_buyer_max_base_units, opens_at, closes_at,"
        " number, opened_block) VALUES ($1, 'CLOSED', 9999, $2, 18, $2, $3, 1, 1, 10, 10, now(),"
        " now() + interval '1 day', 1, 1) RETURNING sale_id",
        property_id,
        WALLET,
        manager.user_id,
    )
    purchase_id = await front.pool.fetchval(
        "INSERT INTO purchases (sale_id, user_id, wallet, qty_base_units, usdc_micros, nonce, deadline, signature,"
        " state, transaction, block, bought_at) VALUES ($1, $2, $3, 5, 5, 1, now(), $3, 'FINAL', $4, 1, now())"
        " RETURNING purchase_id",
        sale_id,
        buyer.user_id,
        WALLET,
        bytes(32),
    )
    payout_id = await front.pool.fetchval(
        "INSERT INTO payouts (kind, property_id, instrument, token, issuer_wallet, state, pool_usdc_micros,"
        " dust_usdc_micros, chunk_holders, head, payload, proposed_by, approval_id, declared_block, events_block)"
        " VALUES ('DIVIDEND', $1, 9999, $2, $2, 'PAID', 7, 0, 1, $3, $5, $4, $1, 1, 1)"
        " RETURNING payout_id",
        property_id,
        secrets.token_bytes(20),
        bytes(32),
        manager.user_id,
        json.dumps({"list_sha256": "00"}),
    )
    await front.pool.execute(
        "INSERT INTO dividends (payout_id, includes_unsold, record_seq, record_block, unsold_base_units)"
        " VALUES ($1, false, 1, 1, 0)",
        payout_id,
    )
    await front.pool.execute(
        "INSERT INTO payout_lines (payout_id, line, wallet, base_units, usdc_micros, state, owed_to, transaction)"
        " VALUES ($1, 0, $2, 5, 7, 'OWED', $2, $3)",
        payout_id,
        WALLET,
        bytes(32),
    )
    try:
        yield purchase_id, payout_id
    finally:
        for table in ("payout_lines", "dividends", "payouts"):
            await front.pool.execute(f"DELETE FROM {table} WHERE payout_id = $1", payout_id)
        await front.pool.execute("DELETE FROM purchases WHERE purchase_id = $1", purchase_id)
        await front.pool.execute("DELETE FROM sales WHERE sale_id = $1", sale_id)


async def test_purchases_and_dividends_are_their_holders(front: Front) -> None:
    manager = await front.person(Role.PROPERTY_MANAGER, has_second_factor=True)
    buyer, other = await front.person(Role.INVESTOR), await front.person(Role.INVESTOR)
    async with bought_and_paid(front, buyer, manager) as (purchase_id, payout_id):
        lists = ("/marketplace/purchases", "/dividends", "/dividends/owed", "/wallets", "/portfolio")
        for path in lists:
            assert len(await front.good(buyer, "GET", path)) == 1, path
            assert await front.good(other, "GET", path) == [], path
        await front.good(buyer, "GET", f"/marketplace/purchases/{purchase_id}")
        await missing(front, other, "GET", f"/marketplace/purchases/{purchase_id}")
        await front.good(buyer, "GET", f"/dividends/{payout_id}")
        await missing(front, other, "GET", f"/dividends/{payout_id}")
        await front.good(buyer, "POST", f"/dividends/{payout_id}/claim")
        await missing(front, other, "POST", f"/dividends/{payout_id}/claim")
        answer = await front.call(other, "GET", f"/funds/withdraw?usdc=1&wallet=0x{WALLET.hex()}")
        assert answer.reason in ("WALLET_MISSING", "NOT_FOUND")


async def test_a_field_too_many_is_refused(front: Front) -> None:
    """Of every route that takes a body: nobody gives themselves a role, a status or a fee."""
    everything = await front.person(*Role, has_second_factor=True)
    document = await front.good(NOBODY, "GET", "/openapi.json")
    tried = 0
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if "$ref" in str(operation.get("requestBody", "")):
                place = path.replace("{", "").replace("}", "")
                answer = await front.call(everything, method.upper(), place, STRANGE_FIELDS)
                assert (answer.status, answer.reason) == (400, "BODY_MALFORMED"), (method, path, answer)
                assert "unknown field" in answer.json["detail"], (method, path, answer)
                tried += 1
    assert tried > 20


async def test_no_address_takes_a_secret(front: Front) -> None:
    """What stands in an address is written down on its way. A document's link holds a signature that expires soon."""
    document = await front.good(NOBODY, "GET", "/openapi.json")
    names = {
        parameter["name"]
        for operations in document["paths"].values()
        for operation in operations.values()
        for parameter in operation["parameters"]
    }
    assert not {name for name in names for word in ("token", "password", "secret", "session", "code") if word in name}
    caller = await front.person(Role.INVESTOR)
    answer = await front.call(NOBODY, "GET", f"/auth/session?token={caller.token}&session={caller.token}")
    assert answer.status == 401
