"""A property becomes a token: the T-REX suite of one property, and the acts of its issuer.

Every function may be called again after a kill at any point: it looks on chain first and does what is missing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from eth_typing import ChecksumAddress

from settlement.artifacts import Artifact, ours, trex
from settlement.identities import (
    TOPIC_KYC,
    InvestorTerms,
    grant_is_revoked,
    grant_stands,
    identity_of,
    register_investor,
    revoke_claim,
    revoke_grant,
)
from settlement.infrastructure import (
    ZERO_ADDRESS,
    ChainLostError,
    Delays,
    Infrastructure,
    Platform,
    Roles,
    call_once,
    deploy_infrastructure,
    read,
)

__all__ = [
    "ChainLostError",
    "Delays",
    "Infrastructure",
    "InvestorTerms",
    "Platform",
    "PropertyTerms",
    "Roles",
    "TokenSuite",
    "allow_countries",
    "deploy_infrastructure",
    "deploy_property_token",
    "grant_is_revoked",
    "grant_stands",
    "identity_of",
    "is_verified",
    "mint",
    "register_investor",
    "revoke_claim",
    "revoke_grant",
    "set_wallet_frozen",
    "unpause",
]


def _token_artifact() -> Artifact:
    return trex("token/Token.sol/Token")


def _registry_artifact() -> Artifact:
    return trex("registry/implementation/IdentityRegistry.sol/IdentityRegistry")


@dataclass(frozen=True, slots=True)
class PropertyTerms:
    """What a property token is made with.

    salt       unique for ever; it decides the token's address
    decimals   of the token, 0..18
    countries  ISO 3166-1 numeric codes whose residents may receive it; empty means all
    holder_cap how many people may hold it; None means any number
    lock_up_s  seconds from an acquisition from the issuer until that position may be sold; 0 means at once
    issuer     the wallet that gets the supply and sells first; it is not locked up. None: every mint is
    """

    salt: str
    name: str
    symbol: str
    decimals: int = 0
    countries: tuple[int, ...] = ()
    holder_cap: int | None = None
    lock_up_s: int = 0
    issuer: ChecksumAddress | None = None


@dataclass(frozen=True, slots=True)
class TokenSuite:
    """Addresses of one property's contracts."""

    salt: str
    token: ChecksumAddress
    registry: ChecksumAddress
    compliance: ChecksumAddress


async def deploy_property_token(platform: Platform, infra: Infrastructure, terms: PropertyTerms) -> TokenSuite:
    """Deploy the suite, make the platform and the locker its agents, and list it in the locker. It starts paused.

    Raises steps.StepFailedError; web3's ContractLogicError if the chain refuses the terms.
    """
    factory = trex("factory/TREXFactory.sol/TREXFactory")
    token = await read(platform.chain, factory, infra.trex_factory, "getToken", terms.salt)
    if token == ZERO_ADDRESS:
        arguments = (terms.salt, _token_details(platform, infra, terms), _claim_details(infra))
        step = f"suite {terms.salt}"
        await call_once(platform.sender, step, factory, infra.trex_factory, "deployTREXSuite", *arguments)
        token = await read(platform.chain, factory, infra.trex_factory, "getToken", terms.salt)
    suite = TokenSuite(
        salt=terms.salt,
        token=token,
        registry=await read(platform.chain, _token_artifact(), token, "identityRegistry"),
        compliance=await read(platform.chain, _token_artifact(), token, "compliance"),
    )
    if not await read(platform.chain, ours("TokenLocker"), infra.locker, "isListed", token):
        step = f"list {terms.salt}"
        await call_once(platform.owner, step, ours("TokenLocker"), infra.locker, "setListed", token, True)
    return suite


async def allow_countries(
    platform: Platform, infra: Infrastructure, suite: TokenSuite, countries: Sequence[int]
) -> None:
    """Let residents of more countries receive a token that was deployed with a list of countries."""
    module = _country_artifact()
    missing = [
        country
        for country in countries
        if not await read(platform.chain, module, infra.country_module, "isCountryAllowed", suite.compliance, country)
    ]
    if not missing:
        return
    compliance = trex("compliance/modular/ModularCompliance.sol/ModularCompliance")
    call = module.call_data("batchAllowCountries", [missing])
    data = compliance.call_data("callModuleFunction", [call, infra.country_module])
    await platform.sender.send(suite.compliance, data)


async def is_verified(platform: Platform, suite: TokenSuite, wallet: ChecksumAddress) -> bool:
    """Whether the chain lets this wallet receive the token."""
    return bool(await read(platform.chain, _registry_artifact(), suite.registry, "isVerified", wallet))


async def mint(platform: Platform, suite: TokenSuite, wallet: ChecksumAddress, qty_base_units: int, step: str) -> None:
    """Mint once under this step's name, whatever happens; a second mint needs a second name."""
    name = f"mint {suite.salt} {step}"
    await call_once(platform.sender, name, _token_artifact(), suite.token, "mint", wallet, qty_base_units)


async def unpause(platform: Platform, suite: TokenSuite) -> None:
    """Let the token move. It starts paused."""
    if await read(platform.chain, _token_artifact(), suite.token, "paused"):
        await platform.sender.send(suite.token, _token_artifact().call_data("unpause", []))


async def set_wallet_frozen(platform: Platform, suite: TokenSuite, wallet: ChecksumAddress, frozen: bool) -> None:
    """Freeze or free a whole wallet in one token: the act of an issuer or a court."""
    if await read(platform.chain, _token_artifact(), suite.token, "isFrozen", wallet) != frozen:
        await platform.sender.send(suite.token, _token_artifact().call_data("setAddressFrozen", [wallet, frozen]))


def _country_artifact() -> Artifact:
    return trex("compliance/modular/modules/CountryAllowModule.sol/CountryAllowModule")


def _token_details(platform: Platform, infra: Infrastructure, terms: PropertyTerms) -> tuple[object, ...]:
    """TREXFactory's TokenDetails. The locker is an agent of the token and of nothing else."""
    modules = _modules(infra, terms)
    agent = platform.sender.address
    return (
        agent,
        terms.name,
        terms.symbol,
        terms.decimals,
        infra.identity_storage,
        ZERO_ADDRESS,  # the factory makes the token's own identity
        [agent],
        [agent, infra.locker],
        [module for module, _ in modules],
        [setting for _, setting in modules],
    )


def _modules(infra: Infrastructure, terms: PropertyTerms) -> list[tuple[ChecksumAddress, bytes]]:
    """The compliance modules that the terms need, each with the call that sets it up."""
    modules = []
    if terms.countries:
        setting = _country_artifact().call_data("batchAllowCountries", [list(terms.countries)])
        modules.append((infra.country_module, setting))
    if terms.holder_cap is not None:
        modules.append((infra.holder_cap_module, ours("HolderCapModule").call_data("setCap", [terms.holder_cap])))
    if terms.lock_up_s:
        modules.append((infra.lock_up_module, ours("LockUpModule").call_data("setLockUp", [terms.lock_up_s])))
        if terms.issuer is not None:  # the factory adds a module once and makes every call that stands beside it
            modules.append((infra.lock_up_module, ours("LockUpModule").call_data("setIssuer", [terms.issuer])))
    return modules


def _claim_details(infra: Infrastructure) -> tuple[object, ...]:
    return ([TOPIC_KYC], [infra.claim_issuer], [[TOPIC_KYC]])
