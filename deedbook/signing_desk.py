"""What a signer process does with one request: check, write down, sign. What it wrote survives a kill."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address

from persistence.journal_reader import JournalReader
from settlement.calls import payment_of
from settlement.release_book import ReleaseBook
from settlement.signing import Cost, Policy, SigningRefused, SignRequest
from settlement.trades import Token

Reference = tuple[int, int, int, int]  # a release's seq, account, instrument, amount


class LedgerEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One signature: what it added to the day, and what it paid if it was a release."""

    time_s: int
    nonce: int
    transactions: int
    gas_wei: str  # decimal: it exceeds 64 bits
    usdc_micros: int
    release: Reference | None = None
    token: str = ""  # of an unlock, in hex, and the lot that it was counted with
    lot_base_units: str = ""


class Ledger:
    """Lines of JSON, appended and synced. A torn last line was never answered for: it is cut off."""

    def __init__(self, path: Path) -> None:
        """Raises OSError, msgspec.DecodeError where a line before the last is damaged."""
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        data = path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        self.entries = [msgspec.json.decode(line, type=LedgerEntry) for line in whole.splitlines()]
        os.ftruncate(self._fd, len(whole))
        os.lseek(self._fd, 0, os.SEEK_END)

    def append(self, entry: LedgerEntry) -> None:
        """Durable when it returns. OSError is fatal."""
        line = msgspec.json.encode(entry) + b"\n"
        written = os.write(self._fd, line)
        assert written == len(line)
        os.fsync(self._fd)

    def close(self) -> None:
        os.close(self._fd)


class ReleaseDesk:
    """The releaser's own reading of the journal.

    lot_of  base units of one lot of a token, None if unknown; asked once a token, then kept in the ledger
    """

    def __init__(
        self, journal: Path, vault: bytes, locker: bytes, lot_of: Callable[[Token], Awaitable[int | None]]
    ) -> None:
        self._journal = journal
        self._vault = vault
        self._locker = locker
        self._lot_of = lot_of
        self._reader: JournalReader | None = None
        self._book = ReleaseBook()
        self.lots: dict[Token, int] = {}

    async def require(self, request: SignRequest) -> LedgerEntry:
        """What the ledger will say of this release. Raises SigningRefused, JournalError."""
        await asyncio.to_thread(self._read_on)
        token = await self._token_with_lot(request)
        reference = self._book.require(request, self._vault, self._locker, self.lots)
        return LedgerEntry(
            *(0, request.nonce, 0, "0", 0),
            release=(reference.seq, reference.account, reference.instrument, reference.amount),
            token="" if token is None else token.hex(),
            lot_base_units="" if token is None else str(self.lots[token]),
        )

    def _read_on(self) -> None:
        if self._reader is None or self._reader.segment is None:  # no journal yet: look again from its beginning
            self._reader, self._book = JournalReader(self._journal), ReleaseBook()
        for frame in self._reader.read():
            self._book.apply(frame)

    async def _token_with_lot(self, request: SignRequest) -> Token | None:
        try:
            token = payment_of(request.data).token
        except ValueError as error:
            raise SigningRefused(f"the call cannot be read: {error}") from None
        if token is not None and token not in self.lots and (lot := await self._lot_of(token)) is not None:
            self.lots[token] = lot
        return token


class SigningDesk:
    """
    releases  for the key that signs releases and nothing else; None for the operator's
    """

    def __init__(
        self,
        account: LocalAccount,
        policy: Policy,
        ledger: Ledger,
        releases: ReleaseDesk | None,
        now_s: Callable[[], int],
    ) -> None:
        self._account = account
        self._policy = policy
        self._ledger = ledger
        self._releases = releases
        self._now_s = now_s
        self._nonces: dict[Reference, int] = {}
        for entry in ledger.entries:
            policy.signed(entry.nonce, Cost(entry.transactions, int(entry.gas_wei), entry.usdc_micros), entry.time_s)
            if entry.release is not None:
                self._nonces[entry.release] = entry.nonce
            if releases is not None and entry.token:
                releases.lots[Token(bytes.fromhex(entry.token))] = int(entry.lot_base_units)

    async def sign(self, request: SignRequest) -> bytes:
        """The raw transaction. Raises SigningRefused with the rule that forbids it; JournalError, OSError are fatal."""
        now_s = self._now_s()
        extra = self._policy.charge(request, now_s)
        entry = LedgerEntry(0, request.nonce, 0, "0", 0)
        if self._releases is not None:
            entry = await self._releases.require(request)
            assert entry.release is not None
            if self._nonces.get(entry.release, request.nonce) != request.nonce:
                raise SigningRefused("this release was signed already, under another nonce")
            self._nonces[entry.release] = request.nonce
        cost = {"transactions": extra.transactions, "gas_wei": str(extra.gas_wei), "usdc_micros": extra.usdc_micros}
        self._ledger.append(msgspec.structs.replace(entry, time_s=now_s, **cost))
        self._policy.signed(request.nonce, extra, now_s)
        return self._signed(request)

    def _signed(self, request: SignRequest) -> bytes:
        fields: dict[str, Any] = {
            "type": 2,
            "chainId": request.chain_id,
            "nonce": request.nonce,
            "to": to_checksum_address(request.to),
            "data": request.data,
            "value": 0,
            "gas": request.gas,
            "maxFeePerGas": int(request.max_fee_wei),
            "maxPriorityFeePerGas": int(request.priority_fee_wei),
        }
        return bytes(self._account.sign_transaction(fields).raw_transaction)
