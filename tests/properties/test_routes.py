"""The routes of a property, by HTTP, on the real four eyes."""

import asyncio
import hashlib
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from api.openapi import document
from api.problem import Problem
from persistence.jobs import JobState, job
from properties.issuer import Issuer
from properties.routes import routes
from tests.properties.office import PDF, TERMS, WALLET, Office


async def test_from_draft_to_mint(office: Office) -> None:
    property_id = await office.draft()
    path = f"/properties/{property_id}"
    assert (await office.call("manager", "GET", path))["state"] == "DRAFT"
    kept = await office.call("manager", "POST", f"{path}/documents?name=deed%20of%20sale.pdf", data=PDF, status=201)
    assert kept["sha256"] == hashlib.sha256(PDF).hexdigest()
    assert kept["content_type"] == "application/pdf"
    assert (await office.call("manager", "POST", f"{path}/submit"))["state"] == "PENDING_APPROVAL"
    assert {who for who, kind in office.told if kind == "PROPERTY_SUBMITTED"} == {
        office.user_id("admin"),
        office.user_id("other admin"),
    }
    first = await office.call("admin", "POST", f"{path}/approve")
    assert first["state"] == "PROPOSED"
    assert await office.call("admin", "POST", f"{path}/approve") == first  # the same person again: still one
    assert await office.state(property_id) == "PENDING_APPROVAL"
    second = await office.call("other admin", "POST", f"{path}/approve")
    assert (second["state"], second["payload_hash"]) == ("APPROVED", first["payload_hash"])
    assert await office.state(property_id) == "APPROVED"
    assert (office.user_id("manager"), "PROPERTY_APPROVED") in office.told
    assert await office.refusal("manager", "GET", f"{path}/progress") == "MINT_NOT_DECIDED"
    for name, state in (("other admin", "PROPOSED"), ("admin", "APPROVED")):
        assert (await office.call(name, "POST", f"/tokens/mint/{property_id}"))["state"] == state
    asked = await job(office.pool, "tokenize", property_id)
    assert asked is not None
    assert asked.state is JobState.QUEUED
    assert (await office.call("manager", "GET", f"{path}/progress"))["state"] == "QUEUED"
    assert await office.refusal("admin", "POST", f"/tokens/mint/{property_id}") == "MINT_UNDER_WAY"


async def test_a_draft_needs_a_document_and_an_issuer(office: Office) -> None:
    property_id = await office.draft()
    path = f"/properties/{property_id}"
    assert await office.refusal("manager", "POST", f"{path}/submit") == "DOCUMENT_MISSING"
    await office.call("manager", "POST", f"{path}/documents?name=a.pdf", data=PDF, status=201)
    key = (office.user_id("manager"), WALLET)
    for known, reason in (
        (None, "ISSUER_WALLET_NOT_LINKED"),
        (Issuer(has_identity=False, country="DE"), "ISSUER_WALLET_UNVERIFIED"),
        (Issuer(has_identity=True, country="XX"), "ISSUER_COUNTRY"),
        (Issuer(has_identity=True, country=None), "ISSUER_COUNTRY"),
    ):
        office.issuers.pop(key, None)
        if known is not None:
            office.issuers[key] = known
        assert await office.refusal("manager", "POST", f"{path}/submit") == reason
    await office.call("manager", "PATCH", path, {"issuer_wallet": None})
    assert await office.refusal("manager", "POST", f"{path}/submit") == "ISSUER_WALLET_MISSING"
    assert await office.refusal("manager", "PATCH", path, {"issuer_wallet": "0x12"}) == "ISSUER_WALLET_MALFORMED"


async def test_the_issuer_is_looked_at_again_before_the_mint(office: Office) -> None:
    property_id = await office.approved()
    await office.call("admin", "POST", f"/tokens/mint/{property_id}")
    office.issuers.clear()
    reason = await office.refusal("other admin", "POST", f"/tokens/mint/{property_id}")
    assert reason == "ISSUER_WALLET_NOT_LINKED"
    assert await job(office.pool, "tokenize", property_id) is None


async def test_only_what_is_given_changes(office: Office) -> None:
    property_id = await office.draft(lock_up_days=30)
    changes = {"terms": {"name": "14 Oak Street", "allowed_countries": ["FR", "DE"]}}
    made = await office.call("manager", "PATCH", f"/properties/{property_id}", changes)
    assert (made["terms"]["name"], made["terms"]["lock_up_days"]) == ("14 Oak Street", 30)
    assert made["terms"]["allowed_countries"] == ["DE", "FR"]
    assert made["issuer_wallet"] == f"0x{WALLET.hex()}"
    made = await office.call("manager", "PATCH", f"/properties/{property_id}", {"terms": {"allowed_countries": None}})
    assert made["terms"]["allowed_countries"] is None
    assert await office.call("manager", "GET", f"/properties/{property_id}") == made


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "BODY_MALFORMED"),
        ({"terms": dict(TERMS), "state": "APPROVED"}, "BODY_MALFORMED"),
        ({"terms": dict(TERMS) | {"manager_id": str(uuid4())}}, "BODY_MALFORMED"),
        ({"terms": dict(TERMS) | {"regime": "NONE"}}, "BODY_MALFORMED"),
        ({"terms": dict(TERMS) | {"supply_tokens": 10_000}}, "BODY_MALFORMED"),
        ({"terms": dict(TERMS) | {"supply_tokens": "-1"}}, "TERMS_INVALID"),
        ({"terms": dict(TERMS), "issuer_wallet": "me"}, "ISSUER_WALLET_MALFORMED"),
    ],
)
async def test_a_draft_that_cannot_be_is_refused(office: Office, body: object, reason: str) -> None:
    assert await office.refusal("manager", "POST", "/properties", body) == reason


async def test_a_symbol_is_taken_once(office: Office) -> None:
    await office.draft()
    assert await office.refusal("other manager", "POST", "/properties", {"terms": dict(TERMS)}) == "SYMBOL_TAKEN"
    other = await office.draft(symbol="ELM7")
    changes = {"terms": {"symbol": "OAK12"}}
    assert await office.refusal("manager", "PATCH", f"/properties/{other}", changes) == "SYMBOL_TAKEN"


async def test_a_rejected_property_goes_back_and_comes_again(office: Office) -> None:
    property_id = await office.submitted()
    path = f"/properties/{property_id}"
    await office.call("admin", "POST", f"{path}/approve")
    assert await office.refusal("admin", "POST", f"{path}/reject", {"reason": " "}) == "REASON_MISSING"
    made = await office.call("admin", "POST", f"{path}/reject", {"reason": "The deed is not signed."})
    assert (made["state"], made["reject_reason"]) == ("REJECTED", "The deed is not signed.")
    assert office.told[-1] == (office.user_id("manager"), "PROPERTY_REJECTED")
    assert await office.refusal("admin", "POST", f"{path}/reject", {"reason": "again"}) == "PROPERTY_STATE"
    await office.call("manager", "PATCH", path, {"terms": {"valuation_usdc": "1300000"}})
    made = await office.call("manager", "POST", f"{path}/submit")
    assert (made["state"], made["reject_reason"]) == ("PENDING_APPROVAL", None)
    # What was proposed for the first version is not approved for the second one.
    assert await office.refusal("other admin", "POST", f"{path}/approve") == "OTHER_PROPOSAL"
    assert await office.state(property_id) == "PENDING_APPROVAL"


async def test_what_was_approved_goes_back_until_its_mint_is_decided(office: Office) -> None:
    property_id = await office.approved()
    reject = ("POST", f"/properties/{property_id}/reject", {"reason": "The issuer's wallet is lost."})
    assert (await office.call("admin", *reject))["state"] == "REJECTED"
    await office.call("manager", "POST", f"/properties/{property_id}/submit")
    for name in ("admin", "other admin"):
        await office.call(name, "POST", f"/properties/{property_id}/approve")
    await office.call("admin", "POST", f"/tokens/mint/{property_id}")
    await office.call("other admin", "POST", f"/tokens/mint/{property_id}")
    assert await office.refusal("admin", *reject) == "MINT_UNDER_WAY"
    assert await office.state(property_id) == "APPROVED"


async def test_a_mint_that_was_proposed_for_other_terms_is_not_decided(office: Office) -> None:
    property_id = await office.approved()
    await office.call("admin", "POST", f"/tokens/mint/{property_id}")
    await office.call("admin", "POST", f"/properties/{property_id}/reject", {"reason": "Too much."})
    await office.call("manager", "PATCH", f"/properties/{property_id}", {"terms": {"supply_tokens": "20000"}})
    await office.call("manager", "POST", f"/properties/{property_id}/submit")
    for name in ("admin", "other admin"):
        await office.call(name, "POST", f"/properties/{property_id}/approve")
    assert await office.refusal("other admin", "POST", f"/tokens/mint/{property_id}") == "OTHER_PROPOSAL"
    approval_id, payload_hash = await office.pool.fetchrow(
        "SELECT approval_id, encode(payload_hash, 'hex') FROM approvals WHERE kind = 'MINT'"
    )
    with pytest.raises(Problem) as refused:  # by its id, as the page of approvals does it
        await office.approvals.approve(approval_id, payload_hash, office.people["other admin"])
    assert refused.value.reason == "CHANGED_SINCE_PROPOSED"
    assert await job(office.pool, "tokenize", property_id) is None


async def test_an_upload_that_breaks_off_leaves_nothing(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    property_id = await office.draft()
    head = (
        f"POST /properties/{property_id}/documents?name=a.pdf HTTP/1.1\r\nHost: 127.0.0.1\r\nPerson: manager\r\n"
        f"Content-Type: application/pdf\r\nContent-Length: {2 * len(PDF)}\r\n\r\n"
    )
    ended = asyncio.Event()
    office.ended = ended.set
    _, writer = await asyncio.open_connection("127.0.0.1", office.client.port)
    writer.write(head.encode() + PDF)
    await writer.drain()
    writer.close()
    await asyncio.wait_for(ended.wait(), 10)
    assert await office.pool.fetchval("SELECT count(*) FROM documents") == 0
    assert [each for each in caplog.records if each.levelname == "ERROR"] == []
    await office.call("manager", "POST", f"/properties/{property_id}/documents?name=a.pdf", data=PDF, status=201)
    assert await office.pool.fetchval("SELECT count(*) FROM documents") == 1


async def test_a_document_that_was_changed_is_never_handed_out_whole(office: Office) -> None:
    property_id = await office.submitted()
    (shown,) = await office.call("admin", "GET", f"/properties/{property_id}/documents")
    (path,) = [each for each in office.folder.rglob("*") if each.is_file()]
    path.write_bytes(PDF[:-1] + b"!")
    assert await office.refusal("admin", "GET", shown["link"]) == "DOCUMENT_AWAY"
    path.unlink()
    assert await office.refusal("admin", "GET", shown["link"]) == "DOCUMENT_AWAY"


async def test_nothing_changes_while_others_decide(office: Office) -> None:
    for property_id in (await office.submitted(), await office.approved(symbol="ELM7")):
        path = f"/properties/{property_id}"
        assert await office.refusal("manager", "PATCH", path, {"terms": {"name": "x"}}) == "PROPERTY_STATE"
        assert await office.refusal("manager", "POST", f"{path}/submit") == "PROPERTY_STATE"
        reason = await office.refusal("manager", "POST", f"{path}/documents?name=b.pdf", data=PDF)
        assert reason == "PROPERTY_STATE"
    assert await office.refusal("admin", "POST", f"{path}/approve") == "PROPERTY_STATE"


async def test_what_is_not_approved_is_not_minted(office: Office) -> None:
    for property_id in (await office.draft(), await office.submitted(symbol="ELM7")):
        assert await office.refusal("admin", "POST", f"/tokens/mint/{property_id}") == "PROPERTY_STATE"


async def test_nobody_decides_about_their_own(office: Office) -> None:
    property_id = await office.submitted()
    office.people["admin"] = office.people["manager"]  # who is both
    for act, body in (("approve", None), ("reject", {"reason": "mine"})):
        assert await office.refusal("admin", "POST", f"/properties/{property_id}/{act}", body) == "OWN_PROPERTY"


async def test_a_draft_is_its_managers_and_the_admins(office: Office) -> None:
    property_id = await office.submitted()
    path = f"/properties/{property_id}"
    for name in ("", "investor", "other manager"):
        for method, what in (("GET", ""), ("GET", "/documents"), ("GET", "/progress")):
            assert await office.refusal(name, method, path + what) == "NOT_FOUND"
        assert (await office.call(name, "GET", "/properties"))["properties"] == []
    for name in ("manager", "admin"):
        assert (await office.call(name, "GET", path))["property_id"] == property_id
        assert len((await office.call(name, "GET", "/properties"))["properties"]) == 1
    for method, what, body in (
        ("PATCH", "", {"terms": {"name": "mine"}}),
        ("POST", "/submit", None),
    ):
        assert await office.refusal("other manager", method, path + what, body) == "NOT_FOUND"
    assert await office.refusal("other manager", "POST", f"{path}/documents?name=a.pdf", data=PDF) == "NOT_FOUND"
    await office.approved(symbol="ELM7")


async def test_a_tokenized_property_is_public(office: Office) -> None:
    property_id = await office.approved()
    await office.tokenized(property_id)
    for name in ("", "investor"):
        (found,) = (await office.call(name, "GET", "/properties"))["properties"]
        assert (found["state"], found["market"], found["instrument"]) == ("TOKENIZED", "OAK12USDC", 1)
        assert found == await office.call(name, "GET", f"/properties/{property_id}")


async def test_properties_come_in_pages(office: Office) -> None:
    ids = [await office.draft(symbol=f"OAK{number}") for number in range(5)]
    seen, query = [], "?limit=2"
    for _ in range(3):
        page = await office.call("manager", "GET", f"/properties{query}")
        seen += [each["property_id"] for each in page["properties"]]
        query = f"?limit=2&before={page['next']}"
    assert page["next"] is None
    assert seen == ids[::-1]
    assert await office.refusal("manager", "GET", "/properties?limit=101") == "LIMIT_OUT_OF_RANGE"
    assert await office.refusal("manager", "GET", "/properties?before=x") == "QUERY_MALFORMED"


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.pdf", b"", "DOCUMENT_EMPTY"),
        ("a.pdf", b"<html>", "DOCUMENT_TYPE"),
        ("a.pdf", b"%PDF-" + bytes(26 * 1024 * 1024), "DOCUMENT_TOO_LARGE"),
        ("%07", PDF, "DOCUMENT_NAME"),
        ("%00", PDF, "QUERY_MALFORMED"),  # at the door: the database has no such text
    ],
)
async def test_what_is_no_document_is_refused(office: Office, name: str, data: bytes, reason: str) -> None:
    property_id = await office.draft()
    path = f"/properties/{property_id}/documents?name={name}"
    assert await office.refusal("manager", "POST", path, data=data) == reason
    assert await office.pool.fetchval("SELECT count(*) FROM documents") == 0


async def test_a_document_is_opened_by_its_link_only(office: Office) -> None:
    property_id = await office.submitted()
    (shown,) = await office.call("admin", "GET", f"/properties/{property_id}/documents")
    async with office.client.get(shown["link"]) as response:
        assert response.status == 200
        assert await response.read() == PDF
        assert response.headers["Content-Type"] == "application/pdf"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Content-Disposition"] == "attachment; filename*=UTF-8''deed.pdf"
    link = shown["link"]
    other = link.replace(shown["document_id"], str(uuid4()))
    for wrong in (other, link[:-1] + ("0" if link[-1] != "0" else "1")):
        assert await office.refusal("admin", "GET", wrong) == "LINK_EXPIRED"
    assert await office.refusal("admin", "GET", link.partition("?")[0]) == "QUERY_MALFORMED"


async def test_what_is_done_is_in_the_audit_log(office: Office) -> None:
    property_id = await office.approved()
    rows = await office.pool.fetch(
        "SELECT action, actor FROM audit_log WHERE details->>'property_id' = $1", property_id
    )
    assert {row["action"] for row in rows} == {
        "property drafted",
        "property document added",
        "property submitted",
        "property approved",
    }
    assert {row["actor"] for row in rows} == {
        f"user:{office.user_id('manager')}",
        f"user:{office.user_id('other admin')}",
    }


async def test_an_unknown_property_is_not_found(office: Office) -> None:
    for path in (f"/properties/{uuid4()}", "/properties/none"):
        assert await office.refusal("manager", "GET", path) == "NOT_FOUND"
        assert await office.refusal("manager", "POST", f"{path}/submit") == "NOT_FOUND"


def test_the_routes_have_a_document() -> None:
    without_doors: Any = SimpleNamespace(pool=None)
    made = document(routes(without_doors), lambda method, path: [], title="t", version="1")
    assert len(made["paths"]) == 8
    assert msgspec.json.encode(made)
