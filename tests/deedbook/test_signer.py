"""The signer's desk and socket: what it wrote down holds after a kill, and nobody else gets a signature."""

from __future__ import annotations

import stat
from pathlib import Path

import msgspec
import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from msgspec.structs import replace

from deedbook.signer import serve
from deedbook.signing_desk import Ledger, ReleaseDesk, SigningDesk
from engine import types as t
from engine.wire import decode_events
from persistence.journal import JournalWriter
from settlement.calls import RELEASE_UNLOCK, RELEASE_WITHDRAW, SETTLE, Payment, release_data, settle_data
from settlement.signer_client import SignerClient, SignerUnavailable
from settlement.signing import Caps, Policy, Reference, SigningRefused, SignRequest
from settlement.trades import Batch, Token, Wallet
from tests.fixtures.market import Market, wallet_of

BRIDGE, VAULT, LOCKER = b"\x01" * 20, b"\x02" * 20, b"\x03" * 20
NOON_S = 20_000 * 86_400 + 43_200
KEY: LocalAccount = Account.from_key(b"\x07" * 32)


def settle(nonce: int = 0) -> SignRequest:
    data = settle_data(0, 1, 1, bytes(32), Batch((), (), ()))
    return SignRequest(1, nonce, BRIDGE, data, 1_000_000, "100", "1")


def operator_desk(directory: Path, transactions: int = 2) -> SigningDesk:
    policy = Policy(1, frozenset({(BRIDGE, SETTLE)}), Caps(transactions, 10**18, 10**18), 1_000)
    return SigningDesk(KEY, policy, Ledger(directory / "ledger"), None, lambda: NOON_S)


async def test_a_signature_is_of_the_key_and_of_the_call(tmp_path: Path) -> None:
    raw = await operator_desk(tmp_path).sign(settle())
    assert Account.recover_transaction(raw) == KEY.address


async def test_the_day_is_counted_over_a_kill_and_a_torn_last_line(tmp_path: Path) -> None:
    await operator_desk(tmp_path).sign(settle(0))
    with (tmp_path / "ledger").open("ab") as ledger:
        ledger.write(b'{"time_s":12')
    await operator_desk(tmp_path).sign(settle(1))
    with pytest.raises(SigningRefused, match="transactions"):
        await operator_desk(tmp_path).sign(settle(2))


async def test_a_damaged_ledger_stops_the_start(tmp_path: Path) -> None:
    await operator_desk(tmp_path).sign(settle(0))
    path = tmp_path / "ledger"
    path.write_bytes(b"x" + path.read_bytes())
    with pytest.raises(msgspec.DecodeError):
        operator_desk(tmp_path)


async def test_the_socket_is_ours_alone_and_answers_with_signatures_or_reasons(tmp_path: Path) -> None:
    path = tmp_path / "signer.sock"
    client = SignerClient(path)
    with pytest.raises(SignerUnavailable):
        await client.sign(settle())
    server = await serve(operator_desk(tmp_path), path)
    try:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert Account.recover_transaction(await client.sign(settle())) == KEY.address
        with pytest.raises(SigningRefused, match="chain 2"):
            await client.sign(replace(settle(), chain_id=2))
    finally:
        server.close()


class Releaser:
    """A market whose journal is on disk, and the releaser's desk that reads it there."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.market = Market().open()
        self.writer = JournalWriter.open(directory / "journal")
        self._written = 0

    def ready(self, amount: int) -> Reference:
        """Account 2 asks for cash; returns what the engine has ready."""
        block, log_index = self.market.chain_position()
        cause = t.LevelCause.WITHDRAW_REQUESTED
        self.market.send(t.LevelChanged(0, 0, 10**12, amount, block, log_index, cause, wallet_of(2)))
        events = [each for _, each in decode_events(self.market.frames[-1].events)]
        assert any(isinstance(each, t.WithdrawalReady) for each in events)
        for frame in self.market.frames[self._written :]:
            self.writer.append(frame.first_seq, frame.commands, frame.events)
        self._written = len(self.market.frames)
        return Reference(self.market.exchange.seq, 2, 0, amount, block)

    def desk(self) -> SigningDesk:
        allowed = frozenset({(VAULT, RELEASE_WITHDRAW), (LOCKER, RELEASE_UNLOCK)})
        policy = Policy(1, allowed, Caps(100, 10**18, 10**18), 1_000)
        releases = ReleaseDesk(self.directory / "journal", VAULT, LOCKER, no_lot)
        return SigningDesk(KEY, policy, Ledger(self.directory / "ledger"), releases, lambda: NOON_S)


async def no_lot(_: Token) -> int | None:
    return None


def release(reference: Reference, nonce: int = 0, amount: int | None = None) -> SignRequest:
    paid = reference.amount if amount is None else amount
    data = release_data(Payment(None, Wallet(wallet_of(2)), paid, reference.known_block))
    return SignRequest(1, nonce, VAULT, data, 100_000, "100", "1", reference)


async def test_a_release_is_signed_once_for_one_nonce_also_after_a_kill(tmp_path: Path) -> None:
    releaser = Releaser(tmp_path)
    ready = releaser.ready(500)
    desk = releaser.desk()
    await desk.sign(release(ready))
    await desk.sign(replace(release(ready), max_fee_wei="200"))  # a replacement: one of the two is mined
    for again in (desk, releaser.desk()):
        with pytest.raises(SigningRefused, match="already"):
            await again.sign(release(ready, nonce=1))
    releaser.writer.close()


async def test_the_releaser_believes_the_journal_and_not_who_asks(tmp_path: Path) -> None:
    releaser = Releaser(tmp_path)
    ready = releaser.ready(500)
    desk = releaser.desk()
    for wrong in (
        release(ready, amount=501),
        release(Reference(ready.seq, 2, 0, 501, ready.known_block)),
        replace(release(ready), reference=None),
    ):
        with pytest.raises(SigningRefused):
            await desk.sign(wrong)
    later = releaser.ready(700)  # written after the desk began to read
    with pytest.raises(SigningRefused):
        await desk.sign(release(ready))
    await desk.sign(release(later))
    releaser.writer.close()
