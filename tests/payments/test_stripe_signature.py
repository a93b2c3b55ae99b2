"""Stripe's signature: as the SDK makes and checks it, and stricter about the future."""

from __future__ import annotations

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from payments.stripe_signature import TOLERANCE_S, is_signed, signature

SECRET, BODY, NOW_S = "whsec_secret", b'{"id":"evt_1"}', 1_790_000_000
V1 = signature(SECRET, BODY, NOW_S)


def test_it_is_the_sdks_signature() -> None:
    header = stripe.WebhookSignature.generate_signature_header(BODY.decode(), SECRET, NOW_S)
    assert header == f"t={NOW_S},v1={V1}"
    assert is_signed(SECRET, BODY, header, NOW_S)


@pytest.mark.parametrize(("age_s", "counts"), [(0, True), (300, True), (301, False), (-300, True), (-301, False)])
def test_five_minutes_both_ways(age_s: int, counts: bool) -> None:
    assert TOLERANCE_S == 300
    assert is_signed(SECRET, BODY, f"t={NOW_S},v1={V1}", NOW_S + age_s) is counts


@pytest.mark.parametrize(
    ("header", "counts"),
    [
        (f"t={NOW_S},v1={'0' * 64},v1={V1}", True),  # while a secret is being changed there are two
        (f"t={NOW_S}, v0=00, v1={V1}", True),
        (f"v1={V1},t={NOW_S}", True),
        (f"t={NOW_S},v0={V1}", False),
        (f"t={NOW_S},v1={V1.upper()}", False),
        (f"t={NOW_S},v1={V1[:-1]}", False),
        (f"t={NOW_S},t={NOW_S},v1={V1}", False),
        (f"t=0{NOW_S},v1={V1}", True),  # the same second
        (f"t=-{NOW_S},v1={V1}", False),
        (f"t={NOW_S}.0,v1={V1}", False),
        (f"v1={V1}", False),
        (f"t={NOW_S}", False),
        ("", False),
        (f"t={NOW_S},v1={V1}" + ",v1=0" * 1_000, False),
        (f"t={NOW_S},v1=\udcff", False),
        (f"t=\u0661,v1={V1}", False),
    ],
)
def test_what_counts_as_signed(header: str, counts: bool) -> None:
    assert is_signed(SECRET, BODY, header, NOW_S) is counts


@given(st.text(max_size=100), st.binary(max_size=100))
def test_nothing_else_does(header: str, body: bytes) -> None:
    assert not is_signed(SECRET, body, header, NOW_S)
    assert body == BODY or not is_signed(SECRET, body, f"t={NOW_S},v1={V1}", NOW_S)
