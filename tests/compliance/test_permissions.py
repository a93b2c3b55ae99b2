"""From facts to the real engine: what changes is sent, and nothing is lost or wrong after a kill anywhere."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from compliance.instruments import list_instrument, set_instrument
from compliance.lock_ups import LockUpMissingError, lock_up, locked_up, take
from compliance.permissions import compile_permissions, facts_of, permission_of, queue_length
from compliance.registry import (
    FactError,
    facts,
    set_accreditation,
    set_country,
    set_identity_registered,
    set_kyc,
    set_wallet_frozen,
)
from compliance.rules import RELEASE_MARGIN_NS, AccreditationStatus, KycStatus, Withheld, facts_hash
from engine import types as t
from persistence.commands import Answer
from persistence.database import Pool
from persistence.projections import Projector
from tests.fixtures.answers import Door, KilledError
from tests.fixtures.market import START_NS, Market
from tests.fixtures.registered import (
    ACCREDITATION_ENDS,
    ACTOR,
    DAY,
    KYC_ENDS,
    NOW,
    add_investor,
    add_person,
    address_of,
    instrument,
    open_market,
)

NS_PER_DAY = 24 * 3600 * 10**9
KYC_ENDS_NS = int(KYC_ENDS.timestamp()) * 10**9
ACCREDITATION_ENDS_NS = int(ACCREDITATION_ENDS.timestamp()) * 10**9


@pytest.fixture
async def door(pool: Pool) -> Door:
    door = Door(Market())
    await open_market(pool, door)
    return door


async def run(pool: Pool, door: Door, now_ns: int = START_NS) -> list[t.Command]:
    """What one compilation submits."""
    before = len(door.submitted)
    await compile_permissions(pool, door.submit, now_ns)
    return door.submitted[before:]


async def account_of(pool: Pool, name: str) -> int:
    account: int = await pool.fetchval("SELECT account FROM wallets WHERE address = $1", address_of(name))
    return account


async def require_agreement(pool: Pool, door: Door) -> None:
    """What was recorded as sent is what the engine has, and both follow from the facts."""
    rows = await pool.fetch(
        "SELECT account, instrument, may_buy, may_sell, valid_until_ns, locked_lots, rules_version, facts_hash"
        " FROM permissions"
    )
    assert {(row["account"], row["instrument"]): t.SetPermission(*row) for row in rows} == door.permissions()
    for (account, number), sent in door.permissions().items():
        address = await pool.fetchval("SELECT address FROM wallets WHERE account = $1", account)
        compiled = await permission_of(pool, address, number, START_NS)
        assert (sent.may_buy, sent.may_sell, sent.valid_until_ns) == (
            compiled.may_buy,
            compiled.may_sell,
            compiled.valid_until_ns,
        )
        assert sent.facts_hash == facts_hash(await facts_of(pool, address, number))


async def test_an_investor_is_opened_and_permitted(pool: Pool, door: Door) -> None:
    await add_investor(pool, "ann")
    done = await compile_permissions(pool, door.submit, START_NS)
    assert (done.accounts_opened, done.permissions_set, done.refused) == (1, 2, [])
    ann = await account_of(pool, "ann")
    sent = door.permissions()
    assert (sent[ann, 1].may_buy, sent[ann, 1].may_sell, sent[ann, 1].valid_until_ns) == (1, 1, ACCREDITATION_ENDS_NS)
    assert (sent[ann, 2].may_buy, sent[ann, 2].may_sell, sent[ann, 2].valid_until_ns) == (1, 1, KYC_ENDS_NS)
    assert await queue_length(pool) == 0
    await require_agreement(pool, door)


async def test_nothing_new_sends_nothing(pool: Pool, door: Door) -> None:
    user_id = await add_investor(pool, "ann")
    await run(pool, door)
    assert await run(pool, door) == []
    await set_country(pool, user_id, "US", actor=ACTOR)
    assert await run(pool, door) == []


async def test_who_has_no_facts_is_opened_and_not_talked_about(pool: Pool, door: Door) -> None:
    await add_person(pool, "ann")
    assert [type(command) for command in await run(pool, door)] == [t.OpenAccount]
    assert await queue_length(pool) == 0


async def test_a_lost_kyc_takes_the_resting_orders_along(pool: Pool, door: Door) -> None:
    user_id = await add_investor(pool, "ann")
    await run(pool, door)
    ann = await account_of(pool, "ann")
    block, log_index = door.market.chain_position()
    wallet = address_of("ann")
    door.market.send(
        t.LevelChanged(t.USDC, 10**9, 10**9, 0, block, log_index, t.LevelCause.DEPOSIT, wallet),
        t.Place(ann, 1, t.Side.BUY, t.OrderType.LIMIT, t.TimeInForce.GTC, 100, 1),
    )
    assert len(door.market.exchange.state().orders) == 1
    await set_kyc(pool, user_id, KycStatus.REJECTED, actor=ACTOR)
    assert len(await run(pool, door)) == 2
    assert door.market.exchange.state().orders == ()
    await require_agreement(pool, door)


async def test_what_is_lost_goes_before_what_is_granted(pool: Pool, door: Door) -> None:
    ann_id = await add_investor(pool, "ann")
    await run(pool, door)
    await add_investor(pool, "bob")
    await set_kyc(pool, ann_id, KycStatus.REJECTED, actor=ACTOR)
    sent = [command for command in await run(pool, door) if isinstance(command, t.SetPermission)]
    assert [command.may_sell for command in sent] == [0, 0, 1, 1]


async def test_a_lapsed_accreditation_leaves_the_right_to_sell(pool: Pool, door: Door) -> None:
    user_id = await add_investor(pool, "ann")
    await run(pool, door)
    await set_accreditation(pool, user_id, AccreditationStatus.REJECTED, actor=ACTOR)
    await run(pool, door)
    mine = door.permissions()[await account_of(pool, "ann"), 1]
    assert (mine.may_buy, mine.may_sell, mine.valid_until_ns) == (0, 1, KYC_ENDS_NS)
    reasons = await pool.fetchval("SELECT reasons FROM permissions WHERE instrument = 1")
    assert reasons == [Withheld.ACCREDITATION_REJECTED.name]


async def test_an_end_that_has_come_is_compiled_anew(pool: Pool, door: Door) -> None:
    await add_investor(pool, "ann")
    await run(pool, door)
    assert await run(pool, door, ACCREDITATION_ENDS_NS - 1) == []
    (sent,) = await run(pool, door, ACCREDITATION_ENDS_NS)
    assert isinstance(sent, t.SetPermission)
    assert (sent.instrument, sent.may_buy, sent.may_sell, sent.valid_until_ns) == (1, 0, 1, KYC_ENDS_NS)
    assert len(await run(pool, door, KYC_ENDS_NS)) == 2
    assert all((each.may_sell, each.valid_until_ns) == (0, 0) for each in door.permissions().values())
    assert await run(pool, door, KYC_ENDS_NS + NS_PER_DAY) == []


async def test_a_frozen_wallet_may_do_nothing_in_that_instrument(pool: Pool, door: Door) -> None:
    await add_investor(pool, "ann")
    await run(pool, door)
    ann = await account_of(pool, "ann")
    await set_wallet_frozen(pool, address_of("ann"), 2, is_frozen=True, block=9, actor=ACTOR)
    await run(pool, door)
    assert (door.permissions()[ann, 2].may_sell, door.permissions()[ann, 1].may_sell) == (0, 1)
    await set_wallet_frozen(pool, address_of("ann"), 2, is_frozen=False, block=12, actor=ACTOR)
    await run(pool, door)
    assert door.permissions()[ann, 2].may_sell == 1
    await require_agreement(pool, door)


async def test_what_the_chain_said_before_the_wallet_was_linked_counts(pool: Pool, door: Door) -> None:
    for number in (1, 2):
        await set_wallet_frozen(pool, address_of("ann"), number, is_frozen=True, block=9, actor=ACTOR)
    await add_investor(pool, "ann")
    assert [type(command) for command in await run(pool, door)] == [t.OpenAccount]


async def test_the_chain_comes_first_in_a_grant(pool: Pool, door: Door) -> None:
    await add_investor(pool, "ann", is_registered=False)
    await run(pool, door)
    assert door.permissions() == {}
    await set_identity_registered(pool, address_of("ann"), is_registered=True, block=7, actor=ACTOR)
    await run(pool, door)
    ann = await account_of(pool, "ann")
    assert {seat: sent.may_buy for seat, sent in door.permissions().items()} == {(ann, 1): 1, (ann, 2): 1}


LOT_BASE_UNITS = instrument(2).lot_base_units


async def locked(pool: Pool, name: str, lots: int, days: int) -> None:
    async with facts(pool) as connection:
        base_units = lots * LOT_BASE_UNITS - 1  # rounded up
        await lock_up(connection, address_of(name), 2, base_units, NOW + days * DAY, actor=ACTOR)


async def test_each_release_frees_some_of_what_is_locked_up(pool: Pool, door: Door) -> None:
    await locked(pool, "ann", 7, 1)  # before it is anybody's wallet
    await add_investor(pool, "ann")
    await run(pool, door)
    ann = await account_of(pool, "ann")
    assert (door.permissions()[ann, 2].locked_lots, door.permissions()[ann, 1].locked_lots) == (7, 0)
    await locked(pool, "ann", 20, 2)
    assert await queue_length(pool) == 1
    await run(pool, door)
    assert door.permissions()[ann, 2].locked_lots == 27
    await require_agreement(pool, door)
    first_ns = START_NS + NS_PER_DAY + RELEASE_MARGIN_NS
    assert await run(pool, door, first_ns - 1) == []
    (sent,) = await run(pool, door, first_ns)  # the time alone makes it compile again
    assert isinstance(sent, t.SetPermission)
    assert (sent.account, sent.instrument, sent.locked_lots) == (ann, 2, 20)
    assert await run(pool, door, first_ns) == []
    await run(pool, door, first_ns + NS_PER_DAY)
    assert door.permissions()[ann, 2].locked_lots == 0
    assert await run(pool, door, first_ns + 9 * NS_PER_DAY) == []


async def test_what_is_taken_is_locked_up_no_more(pool: Pool, door: Door) -> None:
    await add_investor(pool, "ann")
    await locked(pool, "ann", 7, 1)
    await run(pool, door)
    until = NOW + DAY
    async with facts(pool) as connection:
        await take(connection, address_of("ann"), 2, 3 * LOT_BASE_UNITS, until, actor=ACTOR)
    await run(pool, door)
    ann = await account_of(pool, "ann")
    assert door.permissions()[ann, 2].locked_lots == 4
    assert [each.base_units for each in await locked_up(pool, [address_of("ann")], NOW)] == [4 * LOT_BASE_UNITS - 1]
    assert await locked_up(pool, [address_of("ann")], until) == []
    async with facts(pool) as connection:
        await take(connection, address_of("ann"), 2, 4 * LOT_BASE_UNITS - 1, until, actor=ACTOR)
    await run(pool, door)
    assert door.permissions()[ann, 2].locked_lots == 0
    assert await pool.fetchval("SELECT count(*) FROM lock_ups") == 0
    with pytest.raises(LockUpMissingError):  # what locks it up has not come yet: it is tried again after that
        async with facts(pool) as connection:
            await take(connection, address_of("ann"), 2, 1, until, actor=ACTOR)


async def test_more_locked_up_goes_before_what_is_granted(pool: Pool, door: Door) -> None:
    for name in ("ann", "ben"):
        await add_investor(pool, name, is_registered=name == "ben")
    await run(pool, door)
    await set_identity_registered(pool, address_of("ann"), is_registered=True, block=7, actor=ACTOR)
    await locked(pool, "ben", 7, 1)
    first = (await run(pool, door))[0]
    assert isinstance(first, t.SetPermission)
    assert (first.account, first.locked_lots) == (await account_of(pool, "ben"), 7)


async def test_the_issuer_of_what_is_locked_up_buys_only(pool: Pool, door: Door) -> None:
    await add_investor(pool, "ann")
    mine = replace(instrument(2), issuer_wallet=address_of("ann"))
    await set_instrument(pool, replace(mine, lock_up_days=40), actor=ACTOR)
    await run(pool, door)
    ann = await account_of(pool, "ann")
    sent = door.permissions()[ann, 2]
    assert (sent.may_buy, sent.may_sell) == (1, 0)
    await set_instrument(pool, mine, actor=ACTOR)
    await run(pool, door)
    assert door.permissions()[ann, 2].may_sell == 1


async def test_an_instrument_waits_until_it_is_listed(pool: Pool, door: Door) -> None:
    await set_instrument(pool, replace(instrument(3), token=None), actor=ACTOR)
    await add_investor(pool, "ann")
    await run(pool, door)
    assert await queue_length(pool) == 2  # the platform's and ann's
    assert (await account_of(pool, "ann"), 3) not in door.permissions()
    with pytest.raises(FactError, match="has no token yet"):
        await list_instrument(pool, door.submit, 3, actor=ACTOR)
    await set_instrument(pool, instrument(3), actor=ACTOR)
    await list_instrument(pool, door.submit, 3, actor=ACTOR)
    await run(pool, door)
    assert (await account_of(pool, "ann"), 3) in door.permissions()
    assert await queue_length(pool) == 0


async def test_what_the_engine_refuses_stays_queued_and_is_told(pool: Pool, door: Door) -> None:
    await set_instrument(pool, instrument(3), actor=ACTOR)
    await pool.execute("UPDATE instruments SET listed_seq = 1 WHERE instrument = 3")  # the engine does not know it
    await add_investor(pool, "ann")
    done = await compile_permissions(pool, door.submit, START_NS)
    ann = await account_of(pool, "ann")
    assert (done.permissions_set, done.refused) == (2, [(ann, 3, t.Reason.UNKNOWN_INSTRUMENT)])
    assert await queue_length(pool) == 1


async def test_a_fact_that_changes_while_its_permission_is_sent_is_compiled_next(pool: Pool, door: Door) -> None:
    user_id = await add_investor(pool, "ann")

    async def submit(commands: Sequence[t.Command]) -> list[Answer]:
        answers = await door.submit(commands)
        if isinstance(commands[0], t.SetPermission):
            await set_kyc(pool, user_id, KycStatus.REJECTED, actor=ACTOR)
        return answers

    await compile_permissions(pool, submit, START_NS)
    assert await queue_length(pool) == 2
    await run(pool, door)
    await require_agreement(pool, door)
    assert door.permissions()[await account_of(pool, "ann"), 2].may_sell == 0


@pytest.mark.parametrize("is_after", [False, True], ids=["before the engine took it", "before it was recorded"])
@pytest.mark.parametrize("step", range(3))
async def test_a_kill_at_any_step_is_made_good_by_the_next_run(
    pool: Pool, door: Door, step: int, is_after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("compliance.permissions.BATCH_MAX", 2)  # accounts of two people, then permissions two by two
    await add_investor(pool, "ann")
    await add_investor(pool, "bob")
    if is_after:
        door.dies_after = step
    else:
        door.dies_before = step
    with pytest.raises(KilledError):
        await compile_permissions(pool, door.submit, START_NS)
    door.dies_after = door.dies_before = -1
    await run(pool, door)
    assert len(door.permissions()) == 4
    assert len(door.market.exchange.state().accounts) == 3
    assert await queue_length(pool) == 0
    await require_agreement(pool, door)


async def test_a_new_version_of_the_rules_compiles_everything_anew(pool: Pool, door: Door) -> None:
    await add_investor(pool, "ann")
    await run(pool, door)
    await pool.execute("UPDATE permissions SET rules_version = 0")
    assert len(await run(pool, door)) == 2
    await require_agreement(pool, door)


async def test_wallets_have_the_account_numbers_that_the_journal_gives_them(pool: Pool, door: Door) -> None:
    for name in ("ann", "bob"):
        await add_investor(pool, name)
    await run(pool, door)
    await (await Projector.open(pool)).apply(door.market.frames)
    differing = await pool.fetch(
        "SELECT * FROM accounts AS a FULL JOIN (wallets JOIN users USING (user_id)) AS w ON a.wallet = w.address"
        " WHERE (a.account, a.owner) IS DISTINCT FROM (w.account, w.owner)"
    )
    assert differing == []


async def test_nothing_of_a_person_reaches_the_journal(pool: Pool, door: Door) -> None:
    await add_investor(pool, "ann", country="DE")
    await run(pool, door)
    journal = b"".join(frame.commands + frame.events for frame in door.market.frames)
    user_id = await pool.fetchval("SELECT user_id FROM users WHERE email = 'ann@example.com'")
    salt = await pool.fetchval("SELECT facts_salt FROM users WHERE user_id = $1", user_id)
    for secret in (b"ann", b"APPROVED", user_id.bytes, salt):
        assert secret not in journal
