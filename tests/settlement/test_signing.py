"""A key signs only what is on its list, within its day."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from settlement.calls import RELEASE_WITHDRAW, SETTLE, Payment, release_data, settle_data
from settlement.signing import Caps, Policy, SigningRefused, SignRequest
from settlement.trades import Batch, Token, Wallet

BRIDGE, VAULT, OTHER = b"\x01" * 20, b"\x02" * 20, b"\x03" * 20
ALICE, BOB = Wallet(b"\xaa" * 20), Wallet(b"\xbb" * 20)
NOON_S = 20_000 * 86_400 + 43_200


def policy(transactions: int = 3, gas_wei: int = 10**9, usdc_micros: int = 1_000) -> Policy:
    allowed = frozenset({(BRIDGE, SETTLE), (VAULT, RELEASE_WITHDRAW)})
    return Policy(1, allowed, Caps(transactions, gas_wei, usdc_micros), fee_max_wei=1_000)


def settle(usdc_micros: int = 100, nonce: int = 0) -> SignRequest:
    cash = ((ALICE, -usdc_micros), (BOB, usdc_micros))
    data = settle_data(0, 1, 1, bytes(32), Batch((), (), cash))
    return SignRequest(1, nonce, BRIDGE, data, 1_000_000, "100", "1")


def sign(of: Policy, request: SignRequest, time_s: int = NOON_S) -> None:
    of.signed(request.nonce, of.charge(request, time_s), time_s)


@pytest.mark.parametrize(
    "wrong",
    [
        {"chain_id": 2},
        {"to": OTHER},
        {"to": b""},
        {"to": VAULT},
        {"data": release_data(Payment(Token(OTHER), ALICE, 1, 7))},
        {"data": b""},
        {"data": SETTLE},
        {"data": SETTLE + b"\xff" * 320},
        {"gas": 0},
        {"gas": 16_777_217},
        {"nonce": -1},
        {"max_fee_wei": "1001"},
        {"max_fee_wei": "-1"},
        {"max_fee_wei": "1e2"},
        {"max_fee_wei": "\u0661"},
        {"max_fee_wei": ""},
        {"priority_fee_wei": "101"},
        {"priority_fee_wei": "x"},
    ],
)
def test_anything_off_the_list_is_refused_and_costs_nothing(wrong: dict[str, object]) -> None:
    of = policy(transactions=1)
    with pytest.raises(SigningRefused):
        of.charge(replace(settle(), **wrong), NOON_S)
    sign(of, settle())


def test_a_trailing_byte_is_not_the_call_that_was_checked() -> None:
    with pytest.raises(SigningRefused, match="canonical"):
        policy().charge(replace(settle(), data=settle().data + b"\0"), NOON_S)


@pytest.mark.parametrize(
    ("caps", "name"),
    [
        ({"transactions": 2}, "transactions"),
        ({"gas_wei": 250_000_000}, "gas_wei"),
        ({"usdc_micros": 299}, "usdc_micros"),
    ],
)
def test_each_cap_holds_for_a_day_and_is_whole_again_on_the_next(caps: dict[str, int], name: str) -> None:
    of = policy(**caps)
    sign(of, settle(nonce=0))
    sign(of, settle(nonce=1))
    with pytest.raises(SigningRefused, match=name):
        of.charge(settle(nonce=2), NOON_S)
    sign(of, settle(nonce=2), NOON_S + 86_400)


def test_a_replacement_pays_only_for_what_it_adds() -> None:
    of = policy(transactions=1, gas_wei=150_000_000, usdc_micros=120)
    sign(of, settle(usdc_micros=100))
    sign(of, replace(settle(usdc_micros=100), max_fee_wei="150"))
    with pytest.raises(SigningRefused, match="gas_wei"):
        of.charge(replace(settle(usdc_micros=100), max_fee_wei="151"), NOON_S)
    sign(of, settle(usdc_micros=120))
    with pytest.raises(SigningRefused, match="usdc_micros"):
        of.charge(settle(usdc_micros=121), NOON_S)


def test_a_release_costs_what_it_pays_out() -> None:
    of = policy(usdc_micros=100)
    request = SignRequest(1, 0, VAULT, release_data(Payment(None, ALICE, 101, 7)), 100_000, "1", "1")
    with pytest.raises(SigningRefused, match="usdc_micros"):
        of.charge(request, NOON_S)
