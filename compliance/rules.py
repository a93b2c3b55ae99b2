"""Who may trade what, as pure rules: facts in, a permission out, with the reasons for what it withholds.

To buy one needs a linked wallet with a registered identity on chain, a valid KYC, a country that the instrument allows,
and what its regime asks for. To sell, the wallet and the KYC are enough: who lost the rest may still leave. Tokens that
the chain keeps locked up wait for their dates, whatever else their holder may do. Whoever revokes an identity on chain
must therefore first record that it is not registered any more.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum, StrEnum
from hashlib import sha256
from typing import Final

from engine.types import INT64_MAX

RULES_VERSION: Final = 3  # goes up with every change of a rule or of the encoding of the facts
# The chain must have released tokens before they can be sold here: the time of its last block is behind the clock.
RELEASE_MARGIN_NS: Final = 60 * 10**9
UNITED_STATES: Final = frozenset(
    {"US", "AS", "GU", "MP", "PR", "UM", "VI"}
)  # with its territories, as Regulation S says


class Regime(StrEnum):
    REG_D_506C = "REG_D_506C"  # accredited investors, the United States included
    REG_S = "REG_S"  # nobody of the United States
    OPEN = "OPEN"  # KYC only


class KycStatus(StrEnum):
    NONE = "NONE"
    PENDING = "PENDING"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"


class AccreditationStatus(StrEnum):
    NONE = "NONE"
    PENDING = "PENDING"
    VERIFIED = "VERIFIED"
    REJECTED = "REJECTED"


class Withheld(Enum):
    """Why a permission lacks something; the value is what its user reads."""

    WALLET_FROZEN = "This wallet is frozen for this property by its issuer or by law: contact support."
    IDENTITY_NOT_REGISTERED = "This wallet is being registered with the property's token: this takes a few minutes."
    KYC_MISSING = "Verify your identity first."
    KYC_PENDING = "Your identity is being verified: you will be told when that is done."
    KYC_REJECTED = "Your identity could not be verified: contact support."
    KYC_EXPIRED = "Your identity verification has expired: verify your identity again."
    COUNTRY_MISSING = "Tell us in which country you live."
    COUNTRY_NOT_ALLOWED = "This property is not offered in your country: you can sell what you hold, but not buy."
    US_PERSON = "This property is offered outside the United States only: you can sell what you hold, but not buy."
    ACCREDITATION_MISSING = "Only accredited investors may buy this property: have your accreditation verified."
    ACCREDITATION_PENDING = "Your accreditation is being verified: you can buy as soon as that is done."
    ACCREDITATION_REJECTED = "Your accreditation could not be verified: contact support."
    ACCREDITATION_EXPIRED = "Your accreditation has expired: have it verified again to buy."
    LOCKS_UP_BUYERS = "What the issuer sells is locked up for its buyer: sell in a first sale, not on the exchange."
    LOCKED_UP = "Some of what you hold of this property is locked up: you can sell more of it from the date shown."


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a permission follows from: of the person, of one wallet, and of one instrument. Times in ns since 1970.

    country             ISO 3166 alpha-2, "" if unknown
    allowed_countries   sorted; None: every country
    locks_up_buyers     the wallet is the issuer's, and what leaves it is locked up for who gets it
    lock_ups            lots, each rounded up, and when the chain releases them; by that time
    salt                32 bytes of the person's own: they enter the hash and nothing else
    """

    wallet: bytes
    instrument: int
    kyc: KycStatus
    kyc_expires_ns: int
    accreditation: AccreditationStatus
    accreditation_expires_ns: int
    country: str
    is_frozen: bool
    is_registered: bool
    regime: Regime
    allowed_countries: tuple[str, ...] | None
    locks_up_buyers: bool
    lock_ups: tuple[tuple[int, int], ...]
    salt: bytes


@dataclass(frozen=True, slots=True)
class Permission:
    """What an account may do in an instrument; valid_until_ns (since 1970) is 0 where nothing is permitted.

    locked_lots      so many of its tokens may not be sold
    next_release_ns  when there are fewer of them (since 1970), and it must be compiled again; 0: all are free
    """

    may_buy: bool
    may_sell: bool
    valid_until_ns: int
    locked_lots: int
    next_release_ns: int
    withheld: tuple[Withheld, ...]


def permission(facts: Facts, now_ns: int) -> Permission:
    """Compile a permission as of `now_ns`. It ends with the first of the facts it rests on."""
    base = _withheld_wallet(facts) + _withheld_kyc(facts, now_ns)
    to_buy = _withheld_country(facts) + _withheld_accreditation(facts, now_ns)
    to_sell = [Withheld.LOCKS_UP_BUYERS] if facts.locks_up_buyers else []
    may_buy, may_sell = not base + to_buy, not base + to_sell
    ends_ns = [facts.kyc_expires_ns] if may_buy or may_sell else []
    if may_buy and facts.regime == Regime.REG_D_506C:
        ends_ns.append(facts.accreditation_expires_ns)
    locked = [
        (lots, released_ns + RELEASE_MARGIN_NS)
        for lots, released_ns in facts.lock_ups
        if now_ns < released_ns + RELEASE_MARGIN_NS
    ]
    locked_up = [Withheld.LOCKED_UP] if may_sell and locked else []
    return Permission(
        may_buy,
        may_sell,
        valid_until_ns=min(ends_ns, default=0),
        locked_lots=min(sum(lots for lots, _ in locked), INT64_MAX),
        next_release_ns=min((released_ns for _, released_ns in locked), default=0),
        withheld=(*base, *to_buy, *to_sell, *locked_up),
    )


def facts_hash(facts: Facts) -> bytes:
    """SHA-256 of the facts in canonical form: JSON, keys sorted, no spaces, bytes as lower-case hex, version first.

    An auditor who is given the facts, the salt among them, computes the same 32 bytes.
    """
    named = {name: getattr(facts, name) for name in Facts.__slots__}
    named |= {"wallet": facts.wallet.hex(), "salt": facts.salt.hex()}
    text = json.dumps([RULES_VERSION, named], sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return sha256(text.encode()).digest()


def _withheld_wallet(facts: Facts) -> list[Withheld]:
    frozen = [Withheld.WALLET_FROZEN] if facts.is_frozen else []
    return frozen + ([] if facts.is_registered else [Withheld.IDENTITY_NOT_REGISTERED])


def _withheld_kyc(facts: Facts, now_ns: int) -> list[Withheld]:
    match facts.kyc:
        case KycStatus.NONE:
            return [Withheld.KYC_MISSING]
        case KycStatus.PENDING:
            return [Withheld.KYC_PENDING]
        case KycStatus.REJECTED:
            return [Withheld.KYC_REJECTED]
        case KycStatus.APPROVED:
            return [Withheld.KYC_EXPIRED] if facts.kyc_expires_ns <= now_ns else []


def _withheld_country(facts: Facts) -> list[Withheld]:
    if not facts.country:
        return [Withheld.COUNTRY_MISSING]
    if facts.regime == Regime.REG_S and facts.country in UNITED_STATES:
        return [Withheld.US_PERSON]
    if facts.allowed_countries is not None and facts.country not in facts.allowed_countries:
        return [Withheld.COUNTRY_NOT_ALLOWED]
    return []


def _withheld_accreditation(facts: Facts, now_ns: int) -> list[Withheld]:
    if facts.regime != Regime.REG_D_506C:
        return []
    match facts.accreditation:
        case AccreditationStatus.NONE:
            return [Withheld.ACCREDITATION_MISSING]
        case AccreditationStatus.PENDING:
            return [Withheld.ACCREDITATION_PENDING]
        case AccreditationStatus.REJECTED:
            return [Withheld.ACCREDITATION_REJECTED]
        case AccreditationStatus.VERIFIED:
            return [Withheld.ACCREDITATION_EXPIRED] if facts.accreditation_expires_ns <= now_ns else []
