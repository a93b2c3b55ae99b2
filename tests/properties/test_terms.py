"""Terms: what cannot be is refused by name, and what is given is shown again."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from properties.terms import Terms, TermsError, TermsWords, terms_of, words_of
from tests.properties.office import COUNTRIES, TERMS


def terms(**changes: Any) -> Terms:
    return terms_of(msgspec.convert(dict(TERMS) | changes, TermsWords), COUNTRIES)


def test_words_become_integers() -> None:
    made = terms(tick_usdc="0.05", price_max_usdc="5000", order_min_usdc="10", order_max_tokens="250.5")
    assert made.tick_value_usdc_micros == 500  # 0.05 USDC a token, on a lot of 0.01 token
    assert made.price_ticks_max == 100_000
    assert made.qty_lots_max == 25_050
    assert made.notional_usdc_micros_min == 10_000_000
    assert made.supply_base_units == 10_000 * 10**18
    assert made.supply_lots == 1_000_000
    assert made.valuation_usdc_micros == 1_250_000_000_000


def test_an_order_may_take_the_supply_if_nothing_else_is_said() -> None:
    assert terms().qty_lots_max == 1_000_000


@pytest.mark.parametrize(
    ("term", "changes"),
    [
        ("name", {"name": " "}),
        ("name", {"name": "a\nb"}),
        ("name", {"name": "n" * 101}),
        ("address", {"address": ""}),
        ("symbol", {"symbol": "oak"}),
        ("symbol", {"symbol": "O"}),
        ("symbol", {"symbol": "OAKUSDC"}),
        ("symbol", {"symbol": "O" * 13}),
        ("symbol", {"symbol": "OAK\u0661"}),
        ("valuation_usdc", {"valuation_usdc": "0"}),
        ("valuation_usdc", {"valuation_usdc": "1e6"}),
        ("valuation_usdc", {"valuation_usdc": "99999999999999"}),
        ("supply_tokens", {"supply_tokens": "0"}),
        ("supply_tokens", {"supply_tokens": "1.5"}),
        ("supply_tokens", {"supply_tokens": "1000000000001"}),
        ("supply_tokens", {"supply_tokens": "10000000", "lot_decimals": 12, "tick_usdc": "1000000"}),
        ("token_decimals", {"token_decimals": 19}),
        ("token_decimals", {"token_decimals": -1}),
        ("lot_decimals", {"lot_decimals": 13}),
        ("lot_decimals", {"token_decimals": 1, "lot_decimals": 2}),
        ("allowed_countries", {"allowed_countries": []}),
        ("allowed_countries", {"allowed_countries": ["XX"]}),
        ("allowed_countries", {"allowed_countries": ["US"], "regime": "REG_S"}),
        ("holder_cap", {"holder_cap": 1}),
        ("holder_cap", {"holder_cap": -1}),
        ("ownership_cap_bps", {"ownership_cap_bps": 10_001}),
        ("lock_up_days", {"lock_up_days": -1}),
        ("tick_usdc", {"tick_usdc": "0"}),
        ("tick_usdc", {"tick_usdc": "0.00001"}),
        ("tick_usdc", {"tick_usdc": "0.00015"}),
        ("price_max_usdc", {"price_max_usdc": "0.015"}),
        ("price_max_usdc", {"price_max_usdc": "0"}),
        ("price_max_usdc", {"price_max_usdc": "1000000000", "supply_tokens": "1000000"}),
        ("order_max_tokens", {"order_max_tokens": "10000.01"}),
        ("order_max_tokens", {"order_max_tokens": "0"}),
        ("order_max_tokens", {"order_max_tokens": "0.001"}),
        ("order_min_usdc", {"order_min_usdc": "-1"}),
        ("maker_fee_bps", {"maker_fee_bps": 1_001}),
        ("taker_fee_bps", {"taker_fee_bps": -1}),
    ],
)
def test_what_cannot_be_is_refused_by_name(term: str, changes: dict[str, Any]) -> None:
    with pytest.raises(TermsError) as refused:
        terms(**changes)
    assert refused.value.term == term


@given(
    decimals=st.integers(0, 18).flatmap(lambda token: st.tuples(st.just(token), st.integers(0, min(6, token)))),
    supply=st.integers(1, 10**6),
    tick_value=st.integers(1, 10**6),
    price_ticks=st.integers(1, 10**6),
    countries=st.none() | st.lists(st.sampled_from(["DE", "FR"]), min_size=1, max_size=2),
)
def test_what_is_shown_means_the_same(
    decimals: tuple[int, int], supply: int, tick_value: int, price_ticks: int, countries: list[str] | None
) -> None:
    token_decimals, lot_decimals = decimals
    tick = tick_value * 10**lot_decimals
    words = msgspec.convert(
        dict(TERMS)
        | {
            "supply_tokens": str(supply),
            "token_decimals": token_decimals,
            "lot_decimals": lot_decimals,
            "tick_usdc": f"{tick // 10**6}.{tick % 10**6:06}",
            "price_max_usdc": f"{tick * price_ticks // 10**6}.{tick * price_ticks % 10**6:06}",
            "order_max_tokens": "1",
            "allowed_countries": countries,
        },
        TermsWords,
    )
    try:
        made = terms_of(words, COUNTRIES)
    except TermsError:
        reject()  # the largest order cannot be counted any more
    assert terms_of(words_of(made), COUNTRIES) == made
    assert made.tick_value_usdc_micros == tick_value
    assert made.price_ticks_max == price_ticks
