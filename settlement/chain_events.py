"""What the logs of the vault, the locker, the bridge and the tokens mean to the engine. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Final

from engine import types as t
from engine.types import USDC, LevelCause
from settlement.calls import topic
from settlement.chain import Log
from settlement.simulation import Addresses
from settlement.trades import Instrument, Token, Wallet

CASH_CHANGED: Final = topic("CashChanged(address,int256,uint256,uint256)")
CASH_MIGRATED: Final = topic("CashMigrated(address,address,uint256,uint256,uint256)")
LOCK_CHANGED: Final = topic("LockChanged(address,address,int256,uint256,uint256)")
BATCH_SETTLED: Final = topic("BatchSettled(uint64,uint64,uint64,bytes32,bytes32)")
TRANSFER: Final = topic("Transfer(address,address,uint256)")
TOKEN_LISTED: Final = topic("TokenListed(address,bool)")
NOBODY: Final = Wallet(bytes(20))

# Two commands can come from one Transfer and need positions of their own: the sender's, then the receiver's.
POSITIONS_A_LOG: Final = 2


def engine_log_index(log_index: int, part: int = 0) -> int:
    """The engine's log index of a chain's: each log has POSITIONS_A_LOG of them, as one log can be two commands."""
    assert 0 <= part < POSITIONS_A_LOG
    return log_index * POSITIONS_A_LOG + part


def chain_log_index(engine_index: int) -> int:
    return engine_index // POSITIONS_A_LOG


@dataclass(frozen=True, slots=True)
class Settled:
    """A batch was mined and is FINAL; the composition with this hash is the one that counts."""

    trade_after: int
    trade_last: int
    journal_seq: int
    journal_hash: bytes
    payload_hash: bytes
    block: int
    log_index: int  # the engine's
    transaction: bytes


Meaning = t.LevelChanged | t.PositionChanged | t.MigrateWallet | Settled


class Reader:
    """Turns logs into their meanings."""

    def __init__(self, addresses: Addresses, instruments: Mapping[int, Instrument]) -> None:
        self._addresses = addresses
        self._by_token = {each.token: each for each in instruments.values()}

    @property
    def watched(self) -> list[bytes]:
        return [self._addresses.vault, self._addresses.locker, self._addresses.bridge, *self._by_token]

    def parties(self, logs: Sequence[Log]) -> set[tuple[Token, Wallet]]:
        """Whose balances `read` needs: the parties of the Transfers that were not settlements, and lost wallets."""
        lost = {(Token(_wallet(one.topics[1])), _wallet(one.topics[2])) for one in self._carried_over(logs)}
        return lost | {
            (Token(log.address), wallet)
            for log in self._outside_settlements(logs)
            if log.topics[0] == TRANSFER and log.address in self._by_token
            for wallet in (_wallet(log.topics[1]), _wallet(log.topics[2]))
            if wallet != NOBODY
        }

    def read(self, logs: Sequence[Log], balances: Mapping[tuple[Token, Wallet], int]) -> Iterator[Meaning]:
        """Meanings in the chain's order.

        balances  base units of each of `parties` after the last log: a Transfer does not say what it leaves.
        """
        balances = self._before(logs, balances)
        carried_over = self._carried_over(logs)
        for _, group in groupby(logs, key=lambda log: log.transaction):
            transaction = list(group)
            arrived: Log | None = None
            settled = next((log for log in transaction if self._is_settlement(log)), None)
            for log in transaction:
                if log.topics[0] == TRANSFER and log.address in self._by_token:
                    moved = list(self._moved(log, balances))
                    yield from moved if settled is None else ()
                elif (fresh := carried_over.get(log)) is not None and self._is_empty(log, balances):
                    arrived = fresh
                    yield self._migrated(log, fresh)
                elif settled is None and log != arrived:
                    yield from self._single(log)
            if settled is not None:  # stands for all the others, which the engine works out itself
                yield _settled(settled)

    def _before(
        self, logs: Sequence[Log], after: Mapping[tuple[Token, Wallet], int]
    ) -> dict[tuple[Token, Wallet], int]:
        balances = dict(after)
        for log in logs:
            if log.topics[0] == TRANSFER and log.address in self._by_token:
                (qty,) = _words(log.data, (False,))
                for word, sign in ((log.topics[1], 1), (log.topics[2], -1)):
                    if (party := (Token(log.address), _wallet(word))) in balances:
                        balances[party] += sign * qty
        return balances

    def _is_settlement(self, log: Log) -> bool:
        return log.address == self._addresses.bridge and log.topics[0] == BATCH_SETTLED

    def _outside_settlements(self, logs: Sequence[Log]) -> list[Log]:
        settlements = {log.transaction for log in logs if self._is_settlement(log)}
        return [log for log in logs if log.transaction not in settlements]

    def _carried_over(self, logs: Sequence[Log]) -> dict[Log, Log]:
        """The two words of the locker's `migrate`, one right after the other: a lock is gone, and is somewhere else.

        Nobody else can make a wallet that is empty say the first of them.
        """
        pairs = {}
        for one, other in pairwise(logs):
            if (one.address, other.address) != (self._addresses.locker,) * 2 or one.transaction != other.transaction:
                continue
            if (one.topics[0], other.topics[0]) != (LOCK_CHANGED,) * 2 or other.log_index != one.log_index + 1:
                continue
            lost, (gained, _, _) = _words(one.data, (True, False, False)), _words(other.data, (True, False, False))
            same_token, same_holder = one.topics[1] == other.topics[1], one.topics[2] == other.topics[2]
            if (
                lost == [-gained, 0, 0]
                and same_token
                and not same_holder
                and Token(_wallet(one.topics[1])) in self._by_token
            ):
                pairs[one] = other
        return pairs

    def _is_empty(self, log: Log, balances: Mapping[tuple[Token, Wallet], int]) -> bool:
        return balances[Token(_wallet(log.topics[1])), _wallet(log.topics[2])] == 0

    def _migrated(self, lost: Log, fresh: Log) -> t.MigrateWallet:
        instrument = self._by_token[Token(_wallet(lost.topics[1]))]
        lot = instrument.lot_base_units
        gained, locked, requested = _words(fresh.data, (True, False, False))
        return t.MigrateWallet(
            instrument=instrument.instrument,
            moved_lots=gained // lot,
            gained_lots=locked // lot - (locked - gained) // lot,
            level=locked // lot,
            requested=requested // lot,
            block=fresh.block,
            log_index=engine_log_index(fresh.log_index),
            lost=_wallet(lost.topics[2]),
            fresh=_wallet(fresh.topics[2]),
        )

    def _single(self, log: Log) -> Iterator[Meaning]:
        kind = log.topics[0]
        if log.address == self._addresses.vault and kind == CASH_CHANGED:
            yield _cash_changed(log)
        elif log.address == self._addresses.vault and kind == CASH_MIGRATED:
            yield _cash_migrated(log)
        elif log.address == self._addresses.locker and kind == LOCK_CHANGED:
            yield from self._lock_changed(log)

    def _lock_changed(self, log: Log) -> Iterator[Meaning]:
        instrument = self._by_token.get(Token(_wallet(log.topics[1])))
        if instrument is None:
            return
        delta, locked, requested = _words(log.data, (True, False, False))
        lot = instrument.lot_base_units
        level = locked // lot
        yield t.LevelChanged(
            instrument=instrument.instrument,
            delta=level - (locked - delta) // lot,
            level=level,
            requested=requested // lot,
            block=log.block,
            log_index=engine_log_index(log.log_index),
            cause=_lock_cause(delta, requested),
            wallet=_wallet(log.topics[2]),
            transaction=log.transaction,
        )

    def _moved(self, log: Log, balances: dict[tuple[Token, Wallet], int]) -> Iterator[t.PositionChanged]:
        """The two ends of a Transfer; `part` keeps their positions apart."""
        token = Token(log.address)
        instrument = self._by_token[token]
        (qty,) = _words(log.data, (False,))
        for part, (word, sign) in enumerate(((log.topics[1], -1), (log.topics[2], 1))):
            wallet = _wallet(word)
            if wallet == NOBODY or (token, wallet) not in balances:
                continue
            before = balances[token, wallet]
            after = balances[token, wallet] = before + sign * qty
            assert after >= 0, "a balance below zero: the logs are not what the balances follow"
            lot = instrument.lot_base_units
            if after // lot != before // lot:
                yield t.PositionChanged(
                    instrument=instrument.instrument,
                    delta_lots=after // lot - before // lot,
                    level_lots=after // lot,
                    block=log.block,
                    log_index=engine_log_index(log.log_index, part),
                    wallet=wallet,
                )


def _cash_changed(log: Log) -> t.LevelChanged:
    delta, balance, requested = _words(log.data, (True, False, False))
    causes = (LevelCause.WITHDRAWN, LevelCause.WITHDRAW_REQUESTED, LevelCause.DEPOSIT)
    cause = causes[(delta > 0) - (delta < 0) + 1]
    if delta == 0 and requested == 0:
        cause = LevelCause.WITHDRAW_CANCELLED
    return t.LevelChanged(
        instrument=USDC,
        delta=delta,
        level=balance,
        requested=requested,
        block=log.block,
        log_index=engine_log_index(log.log_index),
        cause=cause,
        wallet=_wallet(log.topics[1]),
        transaction=log.transaction,
    )


def _cash_migrated(log: Log) -> t.MigrateWallet:
    moved, balance, requested = _words(log.data, (False, False, False))
    return t.MigrateWallet(
        instrument=USDC,
        moved_lots=moved,
        gained_lots=moved,
        level=balance,
        requested=requested,
        block=log.block,
        log_index=engine_log_index(log.log_index),
        lost=_wallet(log.topics[1]),
        fresh=_wallet(log.topics[2]),
    )


def _lock_cause(delta: int, requested: int) -> LevelCause:
    """The log does not tell the holder's unlock from the issuer's act; both lower the lock."""
    if delta == 0:
        return LevelCause.WITHDRAW_REQUESTED if requested else LevelCause.WITHDRAW_CANCELLED
    return LevelCause.DEPOSIT if delta > 0 else LevelCause.WITHDRAWN


def _settled(log: Log) -> Settled:
    journal_seq = int.from_bytes(log.data[:32], "big")
    return Settled(
        trade_after=int.from_bytes(log.topics[1], "big"),
        trade_last=int.from_bytes(log.topics[2], "big"),
        journal_seq=journal_seq,
        journal_hash=log.data[32:64],
        payload_hash=log.data[64:96],
        block=log.block,
        log_index=engine_log_index(log.log_index),
        transaction=log.transaction,
    )


def _wallet(word: bytes) -> Wallet:
    return Wallet(word[12:32])


def _words(data: bytes, signed: Sequence[bool]) -> list[int]:
    return [
        int.from_bytes(data[32 * at : 32 * at + 32], "big", signed=is_signed) for at, is_signed in enumerate(signed)
    ]
