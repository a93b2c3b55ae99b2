"""The rules: what each fact gives and takes, and laws that hold for all facts."""

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.countries import COUNTRY_NUMERIC
from compliance.rules import (
    RELEASE_MARGIN_NS,
    AccreditationStatus,
    Facts,
    KycStatus,
    Regime,
    Withheld,
    facts_hash,
    permission,
)
from engine.types import INT64_MAX

NOW_NS = 1_750_000_000 * 10**9
NS_PER_DAY = 24 * 3600 * 10**9
KYC_ENDS_NS, ACCREDITATION_ENDS_NS = NOW_NS + 400 * NS_PER_DAY, NOW_NS + 90 * NS_PER_DAY
GOOD = Facts(
    wallet=bytes(range(20)),
    instrument=1,
    kyc=KycStatus.APPROVED,
    kyc_expires_ns=KYC_ENDS_NS,
    accreditation=AccreditationStatus.VERIFIED,
    accreditation_expires_ns=ACCREDITATION_ENDS_NS,
    country="US",
    is_frozen=False,
    is_registered=True,
    regime=Regime.REG_D_506C,
    allowed_countries=None,
    locks_up_buyers=False,
    lock_ups=(),
    salt=bytes(32),
)

TIMES_NS = st.integers(0, 2 * 10**18) | st.integers(NOW_NS - 5, NOW_NS + 5)
FACTS = st.builds(
    Facts,
    wallet=st.binary(min_size=20, max_size=20),
    instrument=st.integers(1, 65535),
    kyc=st.sampled_from(KycStatus),
    kyc_expires_ns=TIMES_NS,
    accreditation=st.sampled_from(AccreditationStatus),
    accreditation_expires_ns=TIMES_NS,
    country=st.sampled_from(["", "US", "PR", "DE", "KP"]),
    is_frozen=st.booleans(),
    is_registered=st.booleans(),
    regime=st.sampled_from(Regime),
    allowed_countries=st.none() | st.sampled_from([("DE",), ("DE", "US"), ("US",)]),
    locks_up_buyers=st.booleans(),
    lock_ups=st.lists(st.tuples(st.integers(1, 2**40), TIMES_NS), max_size=4).map(tuple),
    salt=st.binary(min_size=32, max_size=32),
)
LIKELY = st.builds(
    lambda facts, keep: replace(GOOD, **{name: getattr(facts, name) for name in keep}),
    FACTS,
    st.sets(st.sampled_from([field.name for field in fields(Facts)]), max_size=4),
)
LOSSES: tuple[dict[str, Any], ...] = (
    {"kyc": KycStatus.NONE},
    {"kyc": KycStatus.PENDING},
    {"kyc": KycStatus.REJECTED},
    {"kyc_expires_ns": 0},
    {"accreditation": AccreditationStatus.NONE},
    {"accreditation": AccreditationStatus.PENDING},
    {"accreditation": AccreditationStatus.REJECTED},
    {"accreditation_expires_ns": 0},
    {"country": ""},
    {"is_frozen": True},
    {"is_registered": False},
    {"allowed_countries": ()},
    {"locks_up_buyers": True},
)


def test_all_facts_in_order_permit_both_sides_until_the_first_ends() -> None:
    compiled = permission(GOOD, NOW_NS)
    assert (compiled.may_buy, compiled.may_sell, compiled.withheld) == (True, True, ())
    assert (compiled.valid_until_ns, compiled.locked_lots) == (ACCREDITATION_ENDS_NS, 0)


CASES: dict[str, tuple[dict[str, Any], tuple[bool, bool], list[Withheld]]] = {
    "no KYC": ({"kyc": KycStatus.NONE}, (False, False), [Withheld.KYC_MISSING]),
    "KYC under review": ({"kyc": KycStatus.PENDING}, (False, False), [Withheld.KYC_PENDING]),
    "KYC refused": ({"kyc": KycStatus.REJECTED}, (False, False), [Withheld.KYC_REJECTED]),
    "KYC ends now": ({"kyc_expires_ns": NOW_NS}, (False, False), [Withheld.KYC_EXPIRED]),
    "wallet frozen": ({"is_frozen": True}, (False, False), [Withheld.WALLET_FROZEN]),
    "identity not on chain": ({"is_registered": False}, (False, False), [Withheld.IDENTITY_NOT_REGISTERED]),
    "country unknown": ({"country": ""}, (False, True), [Withheld.COUNTRY_MISSING]),
    "country not allowed": ({"allowed_countries": ("DE",)}, (False, True), [Withheld.COUNTRY_NOT_ALLOWED]),
    "country allowed": ({"allowed_countries": ("DE", "US")}, (True, True), []),
    "not accredited": ({"accreditation": AccreditationStatus.NONE}, (False, True), [Withheld.ACCREDITATION_MISSING]),
    "accreditation under review": (
        {"accreditation": AccreditationStatus.PENDING}, (False, True), [Withheld.ACCREDITATION_PENDING]
    ),
    "accreditation refused": (
        {"accreditation": AccreditationStatus.REJECTED}, (False, True), [Withheld.ACCREDITATION_REJECTED]
    ),
    "accreditation ended": ({"accreditation_expires_ns": NOW_NS}, (False, True), [Withheld.ACCREDITATION_EXPIRED]),
    "Reg S in the United States": ({"regime": Regime.REG_S}, (False, True), [Withheld.US_PERSON]),
    "Reg S in a territory": ({"regime": Regime.REG_S, "country": "PR"}, (False, True), [Withheld.US_PERSON]),
    "Reg S elsewhere, not accredited": (
        {"regime": Regime.REG_S, "country": "DE", "accreditation": AccreditationStatus.NONE}, (True, True), []
    ),
    "open, not accredited": (
        {"regime": Regime.OPEN, "accreditation": AccreditationStatus.NONE}, (True, True), []
    ),
    "frozen and without KYC": (
        {"is_frozen": True, "kyc": KycStatus.NONE}, (False, False), [Withheld.WALLET_FROZEN, Withheld.KYC_MISSING]
    ),
    "locked up": ({"lock_ups": ((5, NOW_NS - RELEASE_MARGIN_NS + 1),)}, (True, True), [Withheld.LOCKED_UP]),
    "lock-up over": ({"lock_ups": ((5, NOW_NS - RELEASE_MARGIN_NS),)}, (True, True), []),
    "issuer of what is locked up": ({"locks_up_buyers": True}, (True, False), [Withheld.LOCKS_UP_BUYERS]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_each_fact_withholds_what_it_should(case: str) -> None:
    changes, may, withheld = CASES[case]
    compiled = permission(replace(GOOD, **changes), NOW_NS)
    assert (compiled.may_buy, compiled.may_sell) == may
    assert list(compiled.withheld) == withheld


def test_who_may_only_sell_may_do_so_until_the_kyc_ends() -> None:
    compiled = permission(replace(GOOD, accreditation=AccreditationStatus.NONE), NOW_NS)
    assert compiled.valid_until_ns == KYC_ENDS_NS


def test_what_is_locked_up_is_released_date_by_date() -> None:
    dated = ((1, -1), (10, 1), (100, 2))
    facts = replace(GOOD, lock_ups=tuple((lots, NOW_NS + day * NS_PER_DAY) for lots, day in dated))
    found = []
    now_ns = NOW_NS
    while now_ns:
        compiled = permission(facts, now_ns)
        found.append(compiled.locked_lots)
        now_ns = compiled.next_release_ns
    assert found == [110, 100, 0]


def test_more_than_the_engine_counts_is_all_locked_up() -> None:
    assert permission(replace(GOOD, lock_ups=((2**80, NOW_NS),)), NOW_NS).locked_lots == INT64_MAX


@given(LIKELY, st.sampled_from(LOSSES))
def test_losing_a_fact_never_grants(facts: Facts, loss: dict[str, Any]) -> None:
    before, after = permission(facts, NOW_NS), permission(replace(facts, **loss), NOW_NS)
    assert after.may_buy <= before.may_buy
    assert after.may_sell <= before.may_sell
    assert after.valid_until_ns <= max(before.valid_until_ns, facts.kyc_expires_ns)
    if after.may_buy:
        assert after.valid_until_ns <= before.valid_until_ns


@given(LIKELY, st.integers(0, 10**18))
def test_time_alone_never_grants_anything_but_the_end_of_a_lock_up(facts: Facts, later_ns: int) -> None:
    before, after = permission(facts, NOW_NS), permission(facts, NOW_NS + later_ns)
    assert after.may_buy <= before.may_buy
    assert after.may_sell <= before.may_sell


@given(LIKELY)
def test_no_permission_outlives_a_fact_it_rests_on(facts: Facts) -> None:
    compiled = permission(facts, NOW_NS)
    if compiled.may_buy or compiled.may_sell:
        assert NOW_NS < compiled.valid_until_ns <= facts.kyc_expires_ns
    else:
        assert compiled.valid_until_ns == 0
    assert (compiled.locked_lots > 0) == (compiled.next_release_ns > NOW_NS)
    if compiled.may_buy:
        assert compiled.may_sell != facts.locks_up_buyers
        if facts.regime == Regime.REG_D_506C:
            assert compiled.valid_until_ns <= facts.accreditation_expires_ns


@given(LIKELY)
def test_what_is_withheld_has_a_reason_and_what_is_not_has_none(facts: Facts) -> None:
    compiled = permission(facts, NOW_NS)
    reasons = set(compiled.withheld) - {Withheld.LOCKED_UP}
    assert bool(reasons) != (compiled.may_buy and compiled.may_sell)
    assert (Withheld.LOCKED_UP in compiled.withheld) == (compiled.may_sell and compiled.locked_lots > 0)


@given(FACTS, FACTS)
def test_equal_facts_and_only_they_have_the_same_hash(one: Facts, other: Facts) -> None:
    assert facts_hash(one) == facts_hash(replace(one))
    for field in fields(Facts):
        changed = replace(one, **{field.name: getattr(other, field.name)})
        assert (facts_hash(changed) == facts_hash(one)) == (changed == one)


def test_the_hash_stays_what_an_auditor_was_told() -> None:
    """A change of the encoding needs a new RULES_VERSION; then this hash changes too."""
    assert facts_hash(GOOD).hex() == "bfc0c1b0aee82b6b1a5561c09f78d9f1cfdd93f1ac2f7d2ffb646bde6e360348"


def test_every_reason_tells_its_user_something() -> None:
    assert len({reason.value for reason in Withheld}) == len(Withheld)
    assert all(reason.value.endswith(".") for reason in Withheld)


def test_the_countries_are_those_of_the_standard() -> None:
    assert len(COUNTRY_NUMERIC) == 249
    assert len(set(COUNTRY_NUMERIC.values())) == 249
    known = {"US": 840, "DE": 276, "GB": 826, "FR": 250, "JP": 392, "ZA": 710, "AF": 4, "ZW": 716}
    assert {code: COUNTRY_NUMERIC[code] for code in known} == known
