"""From facts to the engine: what changed or expired is compiled by the rules and sent as commands.

Safe to kill anywhere: a fact and its place in the queue are one transaction, and an entry leaves the queue in the
transaction that records the engine's durable answer. A command that is sent twice changes nothing the second time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from compliance.registry import FactError
from compliance.rules import (
    RULES_VERSION,
    AccreditationStatus,
    Facts,
    KycStatus,
    Permission,
    Regime,
    facts_hash,
    permission,
)
from engine import types as t
from persistence.commands import Answer, Submit
from persistence.database import Connection, Pool

BATCH_MAX: Final = 500  # commands in one submission
_COMPILER_LOCK: Final = 0x6465_6564_7065_726D  # one compiler at a time: a later permission must not overtake an earlier
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FACTS: Final = """
    SELECT w.address, w.account, i.instrument, u.facts_salt, i.regime, i.allowed_countries, i.lot_base_units,
        coalesce(k.status, 'NONE') AS kyc, k.expires_at AS kyc_expires_at,
        coalesce(a.status, 'NONE') AS accreditation, a.expires_at AS accreditation_expires_at,
        coalesce(r.country_alpha2, '') AS country,
        coalesce(i.lock_up_days > 0 AND i.issuer_wallet = w.address, false) AS locks_up_buyers,
        ARRAY(SELECT base_units FROM lock_ups AS l WHERE (l.address, l.instrument) = (w.address, i.instrument)
            ORDER BY released_at) AS locked_base_units,
        ARRAY(SELECT released_at FROM lock_ups AS l WHERE (l.address, l.instrument) = (w.address, i.instrument)
            ORDER BY released_at) AS released_at,
        EXISTS (SELECT FROM wallet_freezes WHERE (address, instrument) = (w.address, i.instrument)) AS is_frozen,
        EXISTS (SELECT FROM identity_registrations WHERE address = w.address) AS is_registered
"""
_FROM: Final = """
    JOIN users AS u ON u.user_id = w.user_id
    LEFT JOIN kyc AS k ON k.user_id = w.user_id
    LEFT JOIN accreditation AS a ON a.user_id = w.user_id
    LEFT JOIN residence AS r ON r.user_id = w.user_id
"""


@dataclass(slots=True)
class Compilation:
    """What one run did; `refused` are permissions that the engine did not take, with its reason: they stay queued."""

    accounts_opened: int = 0
    permissions_set: int = 0
    unchanged: int = 0
    refused: list[tuple[int, int, t.Reason]] = field(default_factory=list)  # account, instrument


@dataclass(frozen=True, slots=True)
class _Entry:
    """One place in the queue with the permission compiled for it, and the one that was sent last, if any."""

    address: bytes
    change: int
    command: t.SetPermission
    compiled: Permission
    sent: t.SetPermission | None

    @property
    def is_new(self) -> bool:
        """Nothing has to be said of an account that never had a permission and gets none."""
        permits = self.command.may_buy or self.command.may_sell
        return self.command != self.sent and (self.sent is not None or bool(permits))

    @property
    def takes(self) -> bool:
        return self.sent is not None and (
            self.command.may_buy < self.sent.may_buy
            or self.command.may_sell < self.sent.may_sell
            or self.command.locked_lots > self.sent.locked_lots
        )


async def compile_permissions(pool: Pool, submit: Submit, now_ns: int) -> Compilation:
    """Open the accounts of newly linked wallets, then send every permission that changed; what is lost goes first.

    now_ns   the time as of which is compiled; permissions whose end or next release has come are compiled anew too.
    Raises   what `submit` or the database raise; run it again then.
    """
    done = Compilation()
    async with pool.acquire() as connection:
        await connection.execute("SELECT pg_advisory_lock($1)", _COMPILER_LOCK)  # the pool gives it back on release
        await _open_accounts(connection, submit, done)
        await _queue_outdated(connection, now_ns)
        entries = await _entries(connection, now_ns)
        to_send = sorted((entry for entry in entries if entry.is_new), key=lambda entry: not entry.takes)
        same = [entry for entry in entries if not entry.is_new]
        await _leave_queue(connection, same)
        done.unchanged = len(same)
        for start in range(0, len(to_send), BATCH_MAX):
            await _send(connection, submit, to_send[start : start + BATCH_MAX], done)
    return done


async def facts_of(pool: Pool, address: bytes, instrument: int) -> Facts:
    """The facts of a wallet and an instrument as they stand. Raises FactError if one of them is unknown."""
    row = await pool.fetchrow(
        f"{_FACTS} FROM wallets AS w CROSS JOIN instruments AS i {_FROM} WHERE w.address = $1 AND i.instrument = $2",
        address,
        instrument,
    )
    if row is None:
        raise FactError(f"wallet 0x{address.hex()} or instrument {instrument} is unknown")
    return _facts(row)


async def permission_of(pool: Pool, address: bytes, instrument: int, now_ns: int) -> Permission:
    """What the facts as they stand give, with what they withhold and why. Raises FactError as `facts_of`."""
    return permission(await facts_of(pool, address, instrument), now_ns)


async def queue_length(pool: Pool) -> int:
    """Entries that wait, those of unlisted instruments and unopened accounts among them."""
    length: int = await pool.fetchval("SELECT count(*) FROM permission_queue")
    return length


async def _open_accounts(connection: Connection, submit: Submit, done: Compilation) -> None:
    rows = await connection.fetch(
        "SELECT address, owner FROM wallets JOIN users USING (user_id) WHERE account IS NULL"
        " ORDER BY linked_at, address"
    )
    for start in range(0, len(rows), BATCH_MAX):
        batch = rows[start : start + BATCH_MAX]
        answers = await submit([t.OpenAccount(row["owner"], row["address"]) for row in batch])
        numbers = [(row["address"], _account_number(answer)) for row, answer in zip(batch, answers, strict=True)]
        await connection.executemany("UPDATE wallets SET account = $2 WHERE address = $1", numbers)
        done.accounts_opened += len(numbers)


def _account_number(answer: Answer) -> int:
    """Of an account just opened, or opened by a run that was killed before it could record the answer."""
    for event in answer.events:
        if isinstance(event, t.AccountOpened) or (
            isinstance(event, t.Rejected) and event.reason == t.Reason.ACCOUNT_EXISTS
        ):
            return event.account
    raise AssertionError(f"seq {answer.seq} opened no account: {answer.events}")


async def _queue_outdated(connection: Connection, now_ns: int) -> None:
    await connection.execute(
        "INSERT INTO permission_queue (address, instrument) SELECT address, instrument FROM permissions"
        " JOIN wallets USING (account) WHERE valid_until_ns BETWEEN 1 AND $1 OR next_release_ns BETWEEN 1 AND $1"
        " OR rules_version <> $2"
        " ON CONFLICT DO NOTHING",
        now_ns,
        RULES_VERSION,
    )


async def _entries(connection: Connection, now_ns: int) -> list[_Entry]:
    """All that can be sent now: entries of opened accounts and listed instruments."""
    rows = await connection.fetch(
        f"{_FACTS}, q.change, p.may_buy, p.may_sell, p.valid_until_ns, p.locked_lots, p.rules_version, p.facts_hash"
        " FROM permission_queue AS q JOIN wallets AS w ON w.address = q.address"
        f" JOIN instruments AS i ON i.instrument = q.instrument {_FROM}"
        " LEFT JOIN permissions AS p ON (p.account, p.instrument) = (w.account, i.instrument)"
        " WHERE w.account IS NOT NULL AND i.listed_seq IS NOT NULL ORDER BY q.change"
    )
    return [_entry(row, now_ns) for row in rows]


def _entry(row: Any, now_ns: int) -> _Entry:
    facts = _facts(row)
    compiled = permission(facts, now_ns)
    sent = None
    if row["may_buy"] is not None:
        sent = t.SetPermission(
            row["account"],
            row["instrument"],
            int(row["may_buy"]),
            int(row["may_sell"]),
            *(row["valid_until_ns"], row["locked_lots"], row["rules_version"], row["facts_hash"]),
        )
    return _Entry(row["address"], row["change"], command_of(row["account"], facts, compiled), compiled, sent)


def command_of(account: int, facts: Facts, compiled: Permission) -> t.SetPermission:
    return t.SetPermission(
        account=account,
        instrument=facts.instrument,
        may_buy=int(compiled.may_buy),
        may_sell=int(compiled.may_sell),
        valid_until_ns=compiled.valid_until_ns,
        locked_lots=compiled.locked_lots,
        rules_version=RULES_VERSION,
        facts_hash=facts_hash(facts),
    )


async def _send(connection: Connection, submit: Submit, entries: Sequence[_Entry], done: Compilation) -> None:
    answers = await submit([entry.command for entry in entries])
    taken: list[tuple[_Entry, int]] = []
    for entry, answer in zip(entries, answers, strict=True):
        if (rejected := answer.rejection()) is not None:
            done.refused.append((entry.command.account, entry.command.instrument, t.Reason(rejected.reason)))
        else:
            taken.append((entry, answer.seq))
    async with connection.transaction():
        await connection.executemany(
            "INSERT INTO permissions (account, instrument, may_buy, may_sell, valid_until_ns, locked_lots,"
            " next_release_ns, rules_version, facts_hash, reasons, sent_seq)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
            " ON CONFLICT (account, instrument) DO UPDATE SET may_buy = excluded.may_buy, may_sell = excluded.may_sell,"
            " valid_until_ns = excluded.valid_until_ns, locked_lots = excluded.locked_lots,"
            " next_release_ns = excluded.next_release_ns,"
            " rules_version = excluded.rules_version, facts_hash = excluded.facts_hash, reasons = excluded.reasons,"
            " sent_seq = excluded.sent_seq, sent_at = now()",
            [_record(entry, seq) for entry, seq in taken],
        )
        await _leave_queue(connection, [entry for entry, _ in taken])
    done.permissions_set += len(taken)


def _record(entry: _Entry, seq: int) -> tuple[object, ...]:
    command = entry.command
    return (
        command.account,
        command.instrument,
        bool(command.may_buy),
        bool(command.may_sell),
        command.valid_until_ns,
        command.locked_lots,
        entry.compiled.next_release_ns,
        command.rules_version,
        command.facts_hash,
        [reason.name for reason in entry.compiled.withheld],
        seq,
    )


async def _leave_queue(connection: Connection, entries: Sequence[_Entry]) -> None:
    """Unless a fact has changed since: then the entry has another number and stays."""
    await connection.executemany(
        "DELETE FROM permission_queue WHERE address = $1 AND instrument = $2 AND change = $3",
        [(entry.address, entry.command.instrument, entry.change) for entry in entries],
    )


def _facts(row: Any) -> Facts:
    countries = row["allowed_countries"]
    return Facts(
        wallet=row["address"],
        instrument=row["instrument"],
        kyc=KycStatus(row["kyc"]),
        kyc_expires_ns=_ns(row["kyc_expires_at"]),
        accreditation=AccreditationStatus(row["accreditation"]),
        accreditation_expires_ns=_ns(row["accreditation_expires_at"]),
        country=row["country"],
        is_frozen=row["is_frozen"],
        is_registered=row["is_registered"],
        regime=Regime(row["regime"]),
        allowed_countries=None if countries is None else tuple(sorted(countries)),
        locks_up_buyers=row["locks_up_buyers"],
        lock_ups=tuple(
            (-(-int(base_units) // int(row["lot_base_units"])), _ns(released_at))
            for base_units, released_at in zip(row["locked_base_units"], row["released_at"], strict=True)
        ),
        salt=row["facts_salt"],
    )


def _ns(time: datetime | None) -> int:
    """Exact: the database keeps microseconds."""
    return 0 if time is None else (time - _EPOCH) // timedelta(microseconds=1) * 1_000
