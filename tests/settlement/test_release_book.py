"""The releaser signs exactly what the engine set aside, and nothing that is not so any more."""

from __future__ import annotations

import pytest

from engine import types as t
from engine.wire import decode_events
from settlement.calls import Payment, release_data
from settlement.release_book import ReleaseBook
from settlement.signing import Reference, SigningRefused, SignRequest
from settlement.trades import Token, Wallet
from tests.fixtures.market import Market, wallet_of

VAULT, LOCKER = b"\x01" * 20, b"\x02" * 20
ALICE, CASH_MICROS, LOTS, LOT = 2, 10**12, 10_000, 1_000
TOKEN = Token(bytes([1]) * 20)
BLOCK = 100  # in which all of the market's chain is


class Desk:
    """A market, and the book that has read all of its frames."""

    def __init__(self) -> None:
        self.market = Market().open(CASH_MICROS, LOTS)
        self.book = ReleaseBook()
        self._read = 0
        self.level = {t.USDC: CASH_MICROS, 1: LOTS, 2: LOTS}

    def ask(self, asset: int, amount: int) -> Reference | None:
        """The account asks for an amount on chain; returns what the journal has ready then."""
        return self.change(asset, 0, amount)

    def change(self, asset: int, delta: int, requested: int) -> Reference | None:
        self.level[asset] += delta
        block, log_index = self.market.chain_position()
        wallet = wallet_of(ALICE)
        cause = t.LevelCause.WITHDRAW_REQUESTED
        self.market.send(t.LevelChanged(asset, delta, self.level[asset], requested, block, log_index, cause, wallet))
        found = None
        for frame in self.market.frames[self._read :]:
            self.book.apply(frame)
        self._read = len(self.market.frames)
        for seq, event in decode_events(self.market.frames[-1].events):
            if isinstance(event, t.WithdrawalReady):
                found = Reference(seq, event.account, event.instrument, event.amount, block)
        return found

    def require(self, reference: Reference | None, to: bytes, data: bytes) -> Reference:
        request = SignRequest(1, 0, to, data, 100_000, "1", "1", reference)
        return self.book.require(request, VAULT, LOCKER, {TOKEN: LOT})


def cash(amount: int, account: int = ALICE, known_block: int = BLOCK) -> bytes:
    return release_data(Payment(None, Wallet(wallet_of(account)), amount, known_block))


def tokens(amount: int, token: Token = TOKEN, wallet: bytes = wallet_of(ALICE)) -> bytes:
    return release_data(Payment(token, Wallet(wallet), amount, BLOCK))


def test_cash_and_tokens_that_are_ready_are_signed_for() -> None:
    desk = Desk()
    ready = desk.ask(t.USDC, 500)
    assert desk.require(ready, VAULT, cash(500)) == ready
    lots = desk.ask(1, 7)
    assert desk.require(lots, LOCKER, tokens(7 * LOT)) == lots


@pytest.mark.parametrize(
    ("to", "data"),
    [
        (VAULT, cash(501)),
        (VAULT, cash(499)),
        (VAULT, cash(500, account=3)),
        (LOCKER, cash(500)),
        (VAULT, cash(500) + b"\0"),
        (VAULT, cash(500, known_block=BLOCK + 1)),
        (VAULT, tokens(500)),
    ],
)
def test_any_other_amount_wallet_or_contract_is_refused(to: bytes, data: bytes) -> None:
    desk = Desk()
    ready = desk.ask(t.USDC, 500)
    with pytest.raises(SigningRefused):
        desk.require(ready, to, data)


def test_a_release_without_an_event_or_with_a_made_one_is_refused() -> None:
    desk = Desk()
    ready = desk.ask(t.USDC, 500)
    assert ready is not None
    numbers = (0, 500, BLOCK)
    for made in (
        None,
        Reference(ready.seq + 1, ALICE, *numbers),
        Reference(ready.seq, 3, *numbers),
        Reference(ready.seq, ALICE, 0, 500, BLOCK - 1),
    ):
        with pytest.raises(SigningRefused):
            desk.require(made, VAULT, cash(500))
    with pytest.raises(SigningRefused):
        desk.require(Reference(ready.seq, ALICE, 0, 600, BLOCK), VAULT, cash(600))


def test_what_was_cancelled_or_paid_out_is_not_ready_any_more() -> None:
    desk = Desk()
    cancelled = desk.ask(t.USDC, 500)
    desk.ask(t.USDC, 0)
    with pytest.raises(SigningRefused, match="nothing ready"):
        desk.require(cancelled, VAULT, cash(500))
    paid = desk.ask(t.USDC, 500)
    desk.change(t.USDC, -500, 0)
    with pytest.raises(SigningRefused, match="nothing ready"):
        desk.require(paid, VAULT, cash(500))


def test_a_later_request_takes_the_place_of_an_earlier_one() -> None:
    desk = Desk()
    first, second = desk.ask(t.USDC, 500), desk.ask(t.USDC, 800)
    with pytest.raises(SigningRefused):
        desk.require(first, VAULT, cash(500))
    assert desk.require(second, VAULT, cash(800)) == second


def test_a_token_without_a_known_lot_is_not_released() -> None:
    desk = Desk()
    ready = desk.ask(2, 7)
    with pytest.raises(SigningRefused, match="lot size"):
        desk.require(ready, LOCKER, tokens(7, Token(bytes([2]) * 20)))


def test_a_recovered_account_s_tokens_are_released_to_its_new_wallet_and_its_cash_to_the_lost_one() -> None:
    desk = Desk()
    ready = desk.ask(t.USDC, 500)
    block, log_index = desk.market.chain_position()
    fresh = bytes([77]) * 20
    numbers = (LOTS, LOTS, LOTS, 7)
    desk.market.send(t.MigrateWallet(1, *numbers, block, log_index, wallet_of(ALICE), fresh))
    desk.book.apply(desk.market.frames[-1])
    seq = desk.market.frames[-1].first_seq
    lots = Reference(seq, ALICE, 1, 7, BLOCK)
    assert desk.require(lots, LOCKER, tokens(7 * LOT, wallet=fresh)) == lots
    with pytest.raises(SigningRefused):
        desk.require(lots, LOCKER, tokens(7 * LOT))
    assert desk.require(ready, VAULT, cash(500)) == ready
