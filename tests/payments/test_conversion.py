from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from payments import conversion_tables as tables
from payments.circle import CircleAway, Transfer
from payments.conversion import STEPS, Failed, MatchError, Show, Waits, WrongTransferError, wire_trouble
from persistence.database import Pool
from tests.payments.circle_world import DEADLINE_S, TREASURY, CircleWorld, circle_world, shown


@pytest.fixture
async def world(pool: Pool, tmp_path: Path) -> AsyncIterator[CircleWorld]:
    async with circle_world(pool, tmp_path) as made:
        yield made


class KilledError(Exception):
    """The process died here."""


async def run_to_end(world: CircleWorld, reference: str, show: Show = shown) -> Failed | None:
    """As the worker does: again while it waits."""
    conversion = world.conversion()
    async with asyncio.timeout(DEADLINE_S):
        while True:
            outcome = await conversion.run(reference, show)
            if not isinstance(outcome, Waits):
                return outcome
            await asyncio.sleep(0.01)


async def test_dollars_that_a_payout_wired_become_usdc_at_the_treasury(world: CircleWorld) -> None:
    world.books.pay_out("EXT0000000000000000P1", 700_000_000, 271_000_000)
    await world.wire("971.00", "EXT0000000000000000P1")
    assert await run_to_end(world, "EXT0000000000000000P1") is None
    assert world.mint.to_treasury() == 971_000_000
    async with world.pool.acquire() as connection:
        row = await tables.conversion(connection, "EXT0000000000000000P1")
    assert row is not None
    assert (row.state, row.amount_cents, row.block) == ("RECEIVED", 97_100, 7)
    assert world.books.credits == [("EXT0000000000000000P1", row.deposit_id)]
    assert [(reference, sent) for reference, _, sent in world.books.receipts] == [
        ("EXT0000000000000000P1", row.transaction_hash)
    ]
    balance = await world.circle.balance()
    assert (balance.available_cents, balance.unsettled_cents) == (0, 0)


async def test_run_again_after_its_end_it_does_nothing(world: CircleWorld) -> None:
    world.books.pay_out("po_1", 10_000)
    await world.wire("0.01", "po_1")
    assert await run_to_end(world, "po_1") is None
    assert await run_to_end(world, "po_1") is None
    assert len(world.mint.minted) == len(world.books.credits) == len(world.books.receipts) == 1


@pytest.mark.parametrize("step", STEPS[1:])
async def test_killed_after_a_step_it_goes_on_and_sends_once(world: CircleWorld, step: str) -> None:
    world.books.pay_out("po_1", 50_000_000)
    await world.wire("50.00", "po_1")
    await world.told()

    async def dies(shown_step: str, _done: int, _of: int) -> None:
        if shown_step == step:
            raise KilledError

    with pytest.raises(KilledError):
        await run_to_end(world, "po_1", dies)
    assert await run_to_end(world, "po_1") is None
    _sent_once(world, 50_000_000)


@pytest.mark.parametrize(
    "call", ["deposits", "deposit", "recipients", "register_recipient", "send", "transfer", "final_transfer"]
)
async def test_killed_between_an_answer_and_its_record_it_sends_once(
    world: CircleWorld, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.books.pay_out("po_1", 50_000_000)
    await world.wire("50.00", "po_1")
    owner: Any = world if call == "final_transfer" else world.circle
    real: Callable[..., Any] = getattr(owner, call)
    deaths = 0

    async def dies_once(*arguments: Any) -> Any:
        nonlocal deaths
        answer = await real(*arguments)
        deaths += 1
        if deaths == 1:
            raise KilledError
        return answer

    monkeypatch.setattr(owner, call, dies_once)
    with pytest.raises(KilledError):
        await run_to_end(world, "po_1")
    assert await run_to_end(world, "po_1") is None
    _sent_once(world, 50_000_000)


async def test_a_timeout_after_success_is_asked_again_with_the_same_key(world: CircleWorld) -> None:
    world.books.pay_out("po_1", 50_000_000)
    await world.wire("50.00", "po_1")
    await world.control("next", transfer="timeout")
    assert await run_to_end(world, "po_1") is None
    assert world.sandbox.state.next_transfer == ""
    _sent_once(world, 50_000_000)


async def test_circle_that_is_away_for_good_is_told_and_nothing_is_lost(world: CircleWorld) -> None:
    world.books.pay_out("po_1", 50_000_000)
    away = world.conversion()
    away._circle._url = "http://127.0.0.1:1"
    with pytest.raises(CircleAway):
        await away.run("po_1", shown)
    away._circle._url = world.url
    await world.wire("50.00", "po_1")
    assert await run_to_end(world, "po_1") is None


async def test_two_at_once_on_one_payout_send_once(world: CircleWorld) -> None:
    """Jobs run one at a time by key; should that ever fail, SQL and the stored key hold."""
    world.books.pay_out("po_1", 50_000_000)
    await world.wire("50.00", "po_1")
    outcomes = await asyncio.gather(*(run_to_end(world, "po_1") for _ in range(4)), return_exceptions=True)
    assert all(outcome is None or isinstance(outcome, asyncpg.UniqueViolationError) for outcome in outcomes), outcomes
    assert await run_to_end(world, "po_1") is None
    _sent_once(world, 50_000_000)


async def test_a_failed_transfer_is_for_an_operator_and_a_retry_is_another_transfer(world: CircleWorld) -> None:
    world.books.pay_out("po_1", 50_000_000)
    await world.wire("50.00", "po_1")
    await world.control("next", transfer="fail", error_code="transfer_denied")
    failed = await run_to_end(world, "po_1")
    assert isinstance(failed, Failed)
    assert failed.reason.endswith("failed: transfer_denied")
    assert world.books.receipts == []
    assert await run_to_end(world, "po_1") is None
    _sent_once(world, 50_000_000)
    async with world.pool.acquire() as connection:
        sent = await tables.transfers_of(connection, "po_1")
    assert [(each.attempt, each.status) for each in sent] == [(1, "failed"), (2, "complete")]
    assert sent[0].idempotency_key != sent[1].idempotency_key
    assert all(each.idempotency_key.version == 4 for each in sent)


async def test_it_waits_until_the_chain_calls_the_usdc_final(world: CircleWorld) -> None:
    world.books.pay_out("po_1", 50_000_000)
    await world.wire("50.00", "po_1")
    world.everything_is_final = False
    conversion = world.conversion()
    while (outcome := await conversion.run("po_1", shown)) != Waits(2.0, "the USDC is not final on the chain yet"):
        assert isinstance(outcome, Waits)
        await asyncio.sleep(0.01)
    assert world.books.receipts == []
    world.everything_is_final = True
    assert await run_to_end(world, "po_1") is None


async def test_a_transaction_that_brings_something_else_fails(
    world: CircleWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.books.pay_out("po_1", 50_000_000)
    await world.wire("50.00", "po_1")

    async def other(_hash: bytes, _to: bytes, _amount: int) -> int | None:
        raise WrongTransferError("it brings nothing")

    monkeypatch.setattr(world, "final_transfer", other)
    failed = await run_to_end(world, "po_1")
    assert isinstance(failed, Failed)
    assert "it brings nothing" in failed.reason


async def test_an_answer_for_another_amount_is_not_taken(world: CircleWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    world.books.pay_out("po_1", 50_000_000)
    await world.wire("50.00", "po_1")

    async def other(*_: object) -> Transfer:
        return Transfer("7c9f2d4e-8a0b-4c3d-9e1f-0a1b2c3d4e5f", "complete", 5_001, TREASURY, bytes(32), "")

    monkeypatch.setattr(world.circle, "send", other)
    failed = await run_to_end(world, "po_1")
    assert isinstance(failed, Failed)
    assert "not what we asked" in failed.reason


@pytest.mark.parametrize(
    ("amount", "fee", "words"),
    [
        ("49.99", "0", "an operator must look"),
        ("50.01", "0", "an operator must look"),
        ("50.00", "0.50", "an operator must look"),
    ],
)
async def test_a_wire_that_is_not_to_the_cent_is_never_guessed(
    world: CircleWorld, amount: str, fee: str, words: str
) -> None:
    world.books.pay_out("po_1", 50_000_000)
    await world.wire(amount, "po_1", fee=fee)
    outcome = await world.conversion().run("po_1", shown)
    assert isinstance(outcome, Waits)
    assert words in outcome.why
    assert world.books.credits == []
    async with world.pool.acquire() as connection:
        wires = await tables.free_deposits(connection)
        rows = {row.reference: row for row in await tables.conversions(connection)}
    assert wire_trouble(wires[0], rows).startswith("Payout po_1 is 50.00, and the wire ")


async def test_a_wire_of_the_right_amount_without_the_reference_is_never_guessed(world: CircleWorld) -> None:
    world.books.pay_out("po_1", 50_000_000)
    await world.wire("50.00", "po_2")
    outcome = await world.conversion().run("po_1", shown)
    assert outcome == Waits(2.0, "no wire of 50.00 with this reference yet")
    async with world.pool.acquire() as connection:
        (wire,) = await tables.free_deposits(connection)
        assert wire_trouble(wire, {}) == "No payout has a reference of this wire."
        with pytest.raises(MatchError, match=r"no such payout"):
            await world.conversion().match(connection, wire.deposit_id, "po_3")
        async with connection.transaction():
            await world.conversion().match(connection, wire.deposit_id, "po_1")
    assert await run_to_end(world, "po_1") is None
    _sent_once(world, 50_000_000)


async def test_of_two_wires_for_one_payout_the_second_is_shown(world: CircleWorld) -> None:
    world.books.pay_out("po_1", 50_000_000)
    await world.wire("50.00", "po_1")
    await world.wire("50.00", "po_1")
    assert await run_to_end(world, "po_1") is None
    _sent_once(world, 50_000_000)
    await world.told()
    async with world.pool.acquire() as connection:
        (wire,) = await tables.free_deposits(connection)
        rows = {row.reference: row for row in await tables.conversions(connection)}
    assert wire_trouble(wire, rows) == "Payout po_1 has its wire already: this is a second one."


async def test_a_pending_wire_is_waited_for(world: CircleWorld) -> None:
    world.books.pay_out("po_1", 50_000_000)
    await world.wire("50.00", "po_1", status="pending")
    outcome = await world.conversion().run("po_1", shown)
    assert outcome == Waits(2.0, "the wire is at Circle and not complete yet")
    (deposit_id,) = world.sandbox.state.deposits
    await world.control(f"deposits/{deposit_id}/complete")
    assert await run_to_end(world, "po_1") is None


async def test_a_payout_that_the_ledger_does_not_know_fails(world: CircleWorld) -> None:
    assert await run_to_end(world, "po_9") == Failed("the ledger knows no payout po_9")


def _sent_once(world: CircleWorld, amount_micros: int) -> None:
    assert world.mint.to_treasury() == amount_micros
    sent = [each for each in world.sandbox.state.transfers.values() if each["status"] != "failed"]
    assert len(sent) == len(world.books.credits) == len(world.books.receipts) == 1
