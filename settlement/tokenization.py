"""A property becomes a token: the T-REX suite of one property, its investors, and the acts of its issuer.

Every function may be called again after a kill at any point: it looks on chain first and does what is missing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from eth_abi.abi import encode
from eth_account.messages import encode_defunct
from eth_typing import ChecksumAddress
from web3 import Web3

from settlement.artifacts import Artifact, onchainid, ours, trex
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
    "identity_of",
    "is_verified",
    "mint",
    "register_investor",
    "renew_claim",
    "revoke_claim",
    "set_wallet_frozen",
    "unpause",
]

TOPIC_KYC = 1
CLAIM_SCHEME_ECDSA = 1


def _token_artifact() -> Artifact:
    return trex("token/Token.sol/Token")


def _registry_artifact() -> Artifact:
    return trex("registry/implementation/IdentityRegistry.sol/IdentityRegistry")


def _identity_artifact() -> Artifact:
    return onchainid("Identity.sol/Identity")


def _id_factory_artifact() -> Artifact:
    return onchainid("factory/IdFactory.sol/IdFactory")


def _claim_issuer_artifact() -> Artifact:
    return onchainid("ClaimIssuer.sol/ClaimIssuer")


@dataclass(frozen=True, slots=True)
class PropertyTerms:
    """What a property token is made with.

    salt       unique for ever; it decides the token's address
    decimals   of the token, 0..18
    countries  ISO 3166-1 numeric codes whose residents may receive it; empty means all
    holder_cap how many people may hold it; None means any number
    lock_up_s  seconds from a mint until that position may be sold; 0 means at once
    """

    salt: str
    name: str
    symbol: str
    decimals: int = 0
    countries: tuple[int, ...] = ()
    holder_cap: int | None = None
    lock_up_s: int = 0


@dataclass(frozen=True, slots=True)
class TokenSuite:
    """Addresses of one property's contracts."""

    salt: str
    token: ChecksumAddress
    registry: ChecksumAddress
    compliance: ChecksumAddress


@dataclass(frozen=True, slots=True)
class InvestorTerms:
    """One investor's registration.

    country  ISO 3166-1 numeric, of residence
    grant    1, then one more for each time KYC was lost and given again: a revoked claim stays revoked
    """

    wallet: ChecksumAddress
    country: int
    grant: int = 1


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


async def register_investor(
    platform: Platform, infra: Infrastructure, suite: TokenSuite, terms: InvestorTerms
) -> ChecksumAddress:
    """Give a wallet an identity of ours with a KYC claim, and register it. All suites share one identity storage, so
    an investor that is registered with one is registered with all. Calls for different wallets may run at once.

    Returns the identity's address.
    """
    identity = await identity_of(platform, infra, terms.wallet)
    if identity is None:
        manager = Web3.keccak(encode(["address"], [platform.sender.address]))
        arguments = (terms.wallet, terms.wallet, [manager])  # the wallet's text is the salt
        function = "createIdentityWithManagementKeys"
        step = f"identity {terms.wallet}"
        factory = _id_factory_artifact()
        await call_once(platform.sender, step, factory, infra.identity_factory, function, *arguments)
        identity = await identity_of(platform, infra, terms.wallet)
        assert identity is not None
    await _add_claim(platform, infra, identity, terms.grant)
    if not await read(platform.chain, _registry_artifact(), suite.registry, "contains", terms.wallet):
        arguments_register = (terms.wallet, identity, terms.country)
        step = f"register {terms.wallet}"
        registry = _registry_artifact()
        await call_once(platform.sender, step, registry, suite.registry, "registerIdentity", *arguments_register)
    return identity


async def identity_of(platform: Platform, infra: Infrastructure, wallet: ChecksumAddress) -> ChecksumAddress | None:
    """The identity that we deployed for a wallet."""
    found: ChecksumAddress = await read(
        platform.chain, _id_factory_artifact(), infra.identity_factory, "getIdentity", wallet
    )
    return None if found == ZERO_ADDRESS else found


async def is_verified(platform: Platform, suite: TokenSuite, wallet: ChecksumAddress) -> bool:
    """Whether the chain lets this wallet receive the token."""
    return bool(await read(platform.chain, _registry_artifact(), suite.registry, "isVerified", wallet))


async def revoke_claim(platform: Platform, infra: Infrastructure, wallet: ChecksumAddress) -> None:
    """Make the wallet's present KYC claim invalid, for all properties at once."""
    identity = await identity_of(platform, infra, wallet)
    assert identity is not None, "only a registered investor has a claim"
    claim = await read(platform.chain, _identity_artifact(), identity, "getClaim", _claim_id(infra))
    issuer = _claim_issuer_artifact()
    if await read(platform.chain, issuer, infra.claim_issuer, "isClaimRevoked", claim[3]):
        return
    data = issuer.call_data("revokeClaim", [_claim_id(infra), identity])
    await platform.sender.send(infra.claim_issuer, data)


async def renew_claim(platform: Platform, infra: Infrastructure, wallet: ChecksumAddress, grant: int) -> None:
    """Give a wallet whose claim was revoked a new one; `grant` as in InvestorTerms."""
    identity = await identity_of(platform, infra, wallet)
    assert identity is not None, "only a registered investor has a claim"
    await _add_claim(platform, infra, identity, grant)


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
    return modules


def _claim_details(infra: Infrastructure) -> tuple[object, ...]:
    return ([TOPIC_KYC], [infra.claim_issuer], [[TOPIC_KYC]])


def _claim_id(infra: Infrastructure) -> bytes:
    return bytes(Web3.keccak(encode(["address", "uint256"], [infra.claim_issuer, TOPIC_KYC])))


async def _add_claim(platform: Platform, infra: Infrastructure, identity: ChecksumAddress, grant: int) -> None:
    """The claim's data is the grant's number only: nothing about the person is on chain, and each grant has a
    signature of its own, because a revoked signature is revoked for ever."""
    data = encode(["uint64"], [grant])
    digest = Web3.keccak(encode(["address", "uint256", "bytes"], [identity, TOPIC_KYC, data]))
    signature = bytes(platform.claim_signer.sign_message(encode_defunct(digest)).signature)
    current = await read(platform.chain, _identity_artifact(), identity, "getClaim", _claim_id(infra))
    if bytes(current[3]) == signature:
        return
    arguments = (TOPIC_KYC, CLAIM_SCHEME_ECDSA, infra.claim_issuer, signature, data, "")
    step = f"claim {identity} {grant}"
    await call_once(platform.sender, step, _identity_artifact(), identity, "addClaim", *arguments)
