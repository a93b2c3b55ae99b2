"""Who takes part in the demo: people of many countries and every status, and the properties they trade."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from compliance.rules import KycStatus, Regime
from deedbook.demo.flow_cast import Cast, Needs
from deedbook.demo.market import LOTS_A_TOKEN, PROPERTIES, USDC_MICROS, Person, Property

FLOW_CAST: Final = Cast(makers=4, takers=2)
FLOW_PROPERTY: Final = Property(3, "MAPLE3USDC", "3 Maple Row", Regime.REG_S, 58_500)
ALL_PROPERTIES: Final = (*PROPERTIES, FLOW_PROPERTY)
MAKERS: Final = 4
COUNTRIES: Final = ("DE", "FR", "GB", "SG", "JP", "CA", "AU", "NL", "CH", "BR", "US", "US")
RICH_USDC: Final = 5_000_000
RICH_TOKENS: Final = 20_000
USDC: Final = 200_000
TOKENS: Final = 500


@dataclass(frozen=True, slots=True)
class Roles:
    """Everybody, and who plays what: indexes into `people`."""

    people: tuple[Person, ...]
    makers: range
    takers: range
    flow: range  # makers of the recorded flow, then its takers
    unverified: int  # has cash, and no KYC
    revoked: int  # rests orders while its KYC is taken away
    frozen: int  # an issuer freezes its wallet between match and settlement
    leaving: int  # takes cash and tokens out


def roles(flow_needs: Sequence[Needs]) -> Roles:
    """US investors who are not accredited may buy the open property only; others may buy all but the US-only one."""
    both = {each.number: RICH_TOKENS * LOTS_A_TOKEN for each in PROPERTIES}
    some = {each.number: TOKENS * LOTS_A_TOKEN for each in PROPERTIES}
    makers = [Person(f"maker{n}", "US", RICH_USDC * USDC_MICROS, both) for n in range(MAKERS)]
    takers = [
        Person(f"taker{n}", country, USDC * USDC_MICROS, some, is_accredited=n % 3 != 2)
        for n, country in enumerate(COUNTRIES)
    ]
    flow = [
        Person(f"flow{n}", COUNTRIES[n], need.cash_usdc_micros, {FLOW_PROPERTY.number: need.tokens_lots})
        for n, need in enumerate(flow_needs)
    ]
    special = [
        Person("unverified", "US", USDC * USDC_MICROS, {}, kyc=KycStatus.PENDING),
        Person("revoked", "US", USDC * USDC_MICROS, {}),
        Person("frozen", "US", USDC * USDC_MICROS, some),
        Person("leaving", "CA", USDC * USDC_MICROS, some),
    ]
    people = (*makers, *takers, *flow, *special)
    first_special = len(people) - len(special)
    return Roles(
        people=people,
        makers=range(MAKERS),
        takers=range(MAKERS, MAKERS + len(takers)),
        flow=range(MAKERS + len(takers), first_special),
        unverified=first_special,
        revoked=first_special + 1,
        frozen=first_special + 2,
        leaving=first_special + 3,
    )
