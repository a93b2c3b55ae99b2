from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import pytest

from deedbook.sandbox.circle_signing import CERTIFICATE, Signer
from payments import conversion_tables as tables
from payments.circle import CircleRefused
from payments.circle_webhooks import KEY_FETCHES_A_MINUTE, Keys, Webhook
from payments.conversion import Waits
from payments.sns import Certificates, NotSigned
from persistence.database import Pool
from tests.payments.circle_world import CircleWorld, circle_world, shown, until

HEADERS = {"x-amz-sns-message-type": "Notification"}
RANK = {"pending": 0, "complete": 1, "failed": 1}


@pytest.fixture(scope="module")
def keys_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("circle")


@pytest.fixture(scope="module")
def signer(keys_dir: Path) -> Signer:
    return Signer.open(keys_dir)


class Fetched:
    """The URLs that were fetched."""

    def __init__(self) -> None:
        self.urls: list[str] = []

    async def __call__(self, url: str) -> bytes:
        self.urls.append(url)
        return b""


@pytest.fixture
def fetched() -> Fetched:
    return Fetched()


@pytest.fixture
def webhook(pool: Pool, signer: Signer, keys_dir: Path, fetched: Fetched) -> Webhook:
    async def public_key(key_id: UUID) -> str:
        if key_id != signer.key_id:
            raise CircleRefused(404, "-1", "Object not found")
        return signer.public_key

    certificates = Certificates(fetched, (keys_dir / CERTIFICATE).read_bytes())
    return Webhook(pool, certificates, Keys(public_key), fetched, "http://127.0.0.1:9")


def deposit(deposit_id: str, status: str, amount: str = "50.00") -> str:
    body = {
        "id": deposit_id,
        "status": status,
        "amount": {"amount": amount, "currency": "USD"},
        "createDate": "2026-01-15T18:23:44.000Z",
        "trackingRef": "po_1",
    }
    return json.dumps({"clientId": "c", "notificationType": "deposits", "version": 1, "deposit": body})


def transfer(transfer_id: str, status: str, **members: str) -> str:
    body = {
        "id": transfer_id,
        "status": status,
        "amount": {"amount": "50.00", "currency": "USD"},
        "destination": {"type": "blockchain", "address": f"0x{bytes(20).hex()}", "chain": "ETH"},
        **members,
    }
    return json.dumps({"clientId": "c", "notificationType": "transfers", "version": 1, "transfer": body})


async def deliver(webhook: Webhook, signed: tuple[bytes, dict[str, str]]) -> None:
    raw, headers = signed
    await webhook.take(headers, raw)


async def statuses(pool: Pool) -> dict[str, str]:
    return {row["deposit_id"]: row["status"] for row in await pool.fetch("SELECT * FROM circle_deposits")}


@pytest.mark.parametrize("style", ["1", "2", "newer"])
async def test_a_deposit_is_taken_once_in_either_generation(
    pool: Pool, webhook: Webhook, signer: Signer, style: Any
) -> None:
    deposit_id, event_id = str(uuid4()), str(uuid4())
    raw, headers = signer.notification(event_id, deposit(deposit_id, "complete"), style)
    for _ in range(3):
        await webhook.take(headers, raw)
    assert await statuses(pool) == {deposit_id: "complete"}
    events = [tuple(row) for row in await pool.fetch("SELECT event_id, topic, resource_id, status FROM circle_events")]
    assert events == [(event_id, "deposits", deposit_id, "complete")]


async def test_a_late_earlier_state_changes_nothing(pool: Pool, webhook: Webhook, signer: Signer) -> None:
    deposit_id = str(uuid4())
    for status in ("complete", "pending", "failed"):
        await deliver(webhook, signer.notification(str(uuid4()), deposit(deposit_id, status), "1"))
    assert await statuses(pool) == {deposit_id: "complete"}


async def test_another_amount_of_the_same_deposit_changes_nothing(pool: Pool, webhook: Webhook, signer: Signer) -> None:
    deposit_id = str(uuid4())
    for status, amount in (("pending", "50.00"), ("complete", "5000.00")):
        await deliver(webhook, signer.notification(str(uuid4()), deposit(deposit_id, status, amount), "1"))
    row = await pool.fetchrow("SELECT status, amount_cents FROM circle_deposits")
    assert tuple(row) == ("pending", 5_000)


@pytest.mark.parametrize(
    "message",
    [
        "",
        "{",
        "hello",
        '{"notificationType": "wire", "wire": {"billingDetails": {"name": "A Person"}}}',
        '{"notificationType": "deposits"}',
        '{"notificationType": "deposits", "deposit": {"id": "x"}}',
        '{"notificationType": "transfers", "transfer": 5}',
        deposit("no-uuid", "complete"),
        deposit("7c9f2d4e-8a0b-4c3d-9e1f-0a1b2c3d4e5f", "complete", "-1"),
        deposit("7c9f2d4e-8a0b-4c3d-9e1f-0a1b2c3d4e5f", "complete", "0.001"),
        deposit("7c9f2d4e-8a0b-4c3d-9e1f-0a1b2c3d4e5f", "complete", "9" * 40),
        deposit("7c9f2d4e-8a0b-4c3d-9e1f-0a1b2c3d4e5f", "complete").replace("USD", "EUR"),
        deposit("7c9f2d4e-8a0b-4c3d-9e1f-0a1b2c3d4e5f", "complete").replace("po_1", "po\\u0000"),
        transfer("7c9f2d4e-8a0b-4c3d-9e1f-0a1b2c3d4e5f", "complete", transactionHash="0xzz"),
    ],
)
async def test_what_is_signed_and_cannot_be_followed_is_kept_by_its_hash_and_changes_nothing(
    pool: Pool, webhook: Webhook, signer: Signer, message: str
) -> None:
    await deliver(webhook, signer.notification(str(uuid4()), message, "1"))
    assert await statuses(pool) == {}
    (row,) = await pool.fetch("SELECT * FROM circle_events")
    assert row["resource_id"] == ""
    assert "Person" not in str(dict(row))


async def test_a_transfer_that_we_do_not_know_changes_nothing(pool: Pool, webhook: Webhook, signer: Signer) -> None:
    await deliver(webhook, signer.notification(str(uuid4()), transfer(str(uuid4()), "complete"), "1"))
    assert await pool.fetchval("SELECT count(*) FROM circle_transfers") == 0
    assert await pool.fetchval("SELECT count(*) FROM circle_events") == 1


async def test_a_subscription_is_confirmed_at_sns_and_at_circle_and_nowhere_else(
    webhook: Webhook, signer: Signer, fetched: Fetched
) -> None:
    good = ["https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription", "http://127.0.0.1:9/sandbox/confirm"]
    for url in good:
        await deliver(webhook, signer.subscription(url, "token"))
    assert fetched.urls == good
    for url in (
        "http://sns.us-east-1.amazonaws.com/",
        "http://127.0.0.1:10/",
        "http://127.0.0.1/",
        "http://127.0.0.1:9@evil.example/",
        "https://127.0.0.1:9/",
        "http://localhost:9/",
        "file:///etc/passwd",
        "",
    ):
        with pytest.raises(NotSigned):
            await deliver(webhook, signer.subscription(url, "token"))
    assert fetched.urls == good


async def test_key_ids_that_a_forger_makes_up_are_asked_for_a_few_times_only(pool: Pool, signer: Signer) -> None:
    asked = []

    async def public_key(key_id: UUID) -> str:
        asked.append(key_id)
        raise CircleRefused(404, "-1", "Object not found")

    webhook = Webhook(pool, Certificates(Fetched()), Keys(public_key), Fetched(), "http://127.0.0.1:9")
    raw, headers = signer.notification(str(uuid4()), deposit(str(uuid4()), "complete"), "newer")
    for _ in range(50):
        with pytest.raises(NotSigned):
            await webhook.take(headers | {"X-Circle-Key-Id": str(uuid4())}, raw)
    assert len(asked) == KEY_FETCHES_A_MINUTE


async def test_ten_thousand_forged_replayed_doubled_and_reordered_make_no_bad_transition(
    pool: Pool, webhook: Webhook, signer: Signer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What each wire ends as is what a run in order, of the true messages alone, ends as or stands before."""
    random = Random(20_260_115)
    forger = Signer.open(tmp_path)
    true: list[tuple[str, tuple[bytes, dict[str, str]]]] = []
    for number in range(300):
        deposit_id = str(uuid4())
        for status in ("pending", random.choice(("complete", "failed"))):
            style: Any = ("1", "2", "newer")[number % 3]
            message = deposit(deposit_id, status, f"{number + 1}.00")
            true.append((deposit_id, signer.notification(str(uuid4()), message, style)))
    posts: list[tuple[bool, bytes, dict[str, str]]] = []
    while len(posts) < 10_000:
        _, (raw, headers) = random.choice(true)
        posts.append((True, raw, headers))
        posts.append((False, *_forged(random, forger, raw, headers)))
    posts += [(True, raw, headers) for _, (raw, headers) in true]
    random.shuffle(posts)
    log: list[tuple[str, str]] = []
    real = tables.update_deposit

    async def watched(connection: Any, given: Any) -> None:
        await real(connection, given)
        row = await connection.fetchrow("SELECT status FROM circle_deposits WHERE deposit_id = $1", given.deposit_id)
        log.append((given.deposit_id, row["status"]))

    monkeypatch.setattr("payments.circle_webhooks.update_deposit", watched)
    answers: Counter[tuple[bool, bool]] = Counter()
    for is_true, raw, headers in posts:
        try:
            await webhook.take(headers, raw)
            answers[is_true, True] += 1
        except NotSigned:
            answers[is_true, False] += 1
    assert answers[False, True] == 0, "a forged one was taken"
    assert answers[True, False] == 0, "a true one was refused"
    assert sum(answers.values()) >= 10_000
    assert len(log) == len(true), "each message had its effect once"
    last: dict[str, str] = {}
    for deposit_id, status in log:
        before = last.setdefault(deposit_id, status)
        assert status == before or RANK[status] > RANK[before], "a step back"
        last[deposit_id] = status
    ends = {name: json.loads(_message(raw))["status"] for name, (raw, _) in true}
    assert await statuses(pool) == ends, "the last true message of each, whatever came between"


def _message(raw: bytes) -> str:
    body = json.loads(raw)
    return json.dumps(json.loads(body["Message"])["deposit"] if "Message" in body else body["notification"])


def _forged(random: Random, forger: Signer, raw: bytes, headers: dict[str, str]) -> tuple[bytes, dict[str, str]]:
    body = json.loads(raw)
    if "Message" not in body:
        match random.randrange(3):
            case 0:
                return raw.replace(b'"pending"', b'"complete"').replace(b'"USD"', b'"USD" '), headers
            case 1:
                _, own = forger.notification(str(uuid4()), deposit(str(uuid4()), "complete"), "newer")
                return raw, headers | {"X-Circle-Signature": own["X-Circle-Signature"]}
            case _:
                return raw + b" ", headers
    match random.randrange(5):
        case 0:
            body["Message"] = body["Message"].replace("po_1", "po_2")
        case 1:
            body["MessageId"] = str(uuid4())
        case 2:
            return forger.notification(str(uuid4()), body["Message"], "1")
        case 3:
            body["Signature"] = body["Signature"][4:] + body["Signature"][:4]
        case _:
            body["Timestamp"] = "2030-01-01T00:00:00.000Z"
    return json.dumps(body).encode(), headers


@pytest.fixture
async def world(pool: Pool, tmp_path: Path) -> AsyncIterator[CircleWorld]:
    async with circle_world(pool, tmp_path) as made:
        yield made


@pytest.mark.parametrize("mode", ["normal", "duplicate", "reorder"])
async def test_however_circle_delivers_the_payout_arrives_once(world: CircleWorld, mode: str) -> None:
    await until(lambda: world.sandbox.state.is_subscribed)
    await world.control("delivery", mode="hold")
    for number in range(5):
        world.books.pay_out(f"po_{number}", (number + 1) * 10_000_000)
        await world.wire(f"{(number + 1) * 10}.00", f"po_{number}")
    await world.control("delivery", mode=mode)
    await world.told()
    conversion = world.conversion()
    for number in range(5):
        while isinstance(await conversion.run(f"po_{number}", shown), Waits):
            await asyncio.sleep(0.01)
    assert world.mint.to_treasury() == sum(range(10, 60, 10)) * 1_000_000
    await world.told()
    async with world.session.post(f"{world.url}/sandbox/redeliver") as response:
        assert response.status == 200
    await world.told()
    assert world.mint.to_treasury() == sum(range(10, 60, 10)) * 1_000_000
    assert set(world.answers) == {200}


async def test_a_door_that_was_closed_hears_it_later(world: CircleWorld) -> None:
    await until(lambda: world.sandbox.state.is_subscribed)
    world.is_open = False
    await world.wire("50.00", "po_1")
    await until(lambda: 503 in world.answers)
    world.is_open = True
    await world.told()
    assert list((await statuses(world.pool)).values()) == ["complete"]


async def test_the_sandbox_wants_the_key(world: CircleWorld) -> None:
    async with aiohttp.ClientSession() as session:
        for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": ""}):
            async with session.get(f"{world.url}/v1/businessAccount/balances", headers=headers) as response:
                assert response.status == 401
