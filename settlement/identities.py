"""Who an investor is on chain: an identity of ours with a KYC claim, stored once for all properties.

Every function may be called again after a kill at any point: it looks on chain first and does what is missing.
"""

from dataclasses import dataclass
from typing import Any

from eth_abi.abi import encode
from eth_account.messages import encode_defunct
from eth_typing import ChecksumAddress
from web3 import Web3
from web3.exceptions import ContractLogicError

from settlement.artifacts import Artifact, onchainid, ours
from settlement.infrastructure import ZERO_ADDRESS, Infrastructure, Platform, call_once, identity_storage_artifact, read

TOPIC_KYC = 1
CLAIM_SCHEME_ECDSA = 1


@dataclass(frozen=True, slots=True)
class InvestorTerms:
    """One investor's registration.

    country  ISO 3166-1 numeric, of residence
    grant    1, then one more for each time KYC was lost and given again: a revoked claim stays revoked
    """

    wallet: ChecksumAddress
    country: int
    grant: int = 1


async def register_investor(platform: Platform, infra: Infrastructure, terms: InvestorTerms) -> ChecksumAddress:
    """Give a wallet a cash account and an identity of ours with the claim of this grant, and store it with its country
    for all properties. Calls for different wallets may run at once.

    Returns the identity's address.
    """
    await open_cash_account(platform, infra, terms.wallet)
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
    await _store(platform, infra, identity, terms)
    return identity


async def open_cash_account(platform: Platform, infra: Infrastructure, wallet: ChecksumAddress) -> None:
    """Who sells before any deposit gets cash: the vault moves it between accounts that it knows only."""
    vault = ours("CashVault")
    *_, is_registered = await read(platform.chain, vault, infra.vault, "accountOf", wallet)
    if not is_registered:
        await call_once(platform.sender, f"cash account {wallet}", vault, infra.vault, "register", wallet)


async def identity_of(platform: Platform, infra: Infrastructure, wallet: ChecksumAddress) -> ChecksumAddress | None:
    """The identity that is stored for a wallet (a recovered one has that of the lost wallet), else the one that we
    deployed for it."""
    stored: ChecksumAddress = await _stored(platform, infra, "storedIdentity", wallet)
    if stored != ZERO_ADDRESS:
        return stored
    made: ChecksumAddress = await read(
        platform.chain, _id_factory_artifact(), infra.identity_factory, "getIdentity", wallet
    )
    return None if made == ZERO_ADDRESS else made


async def grant_stands(platform: Platform, infra: Infrastructure, terms: InvestorTerms, block: int) -> bool:
    """Whether at `block` the wallet was stored with its country, and the claim of this grant was there and valid."""
    identity: ChecksumAddress = await _stored(platform, infra, "storedIdentity", terms.wallet, block=block)
    if identity == ZERO_ADDRESS:
        return False
    country = await _stored(platform, infra, "storedInvestorCountry", terms.wallet, block=block)
    signature = _signature(platform, identity, terms.grant)
    held = await _claim_signature(platform, infra, identity, block=block)
    return country == terms.country and held == signature and not await _is_revoked(platform, infra, signature, block)


async def claim_hash(platform: Platform, infra: Infrastructure, wallet: ChecksumAddress, grant: int) -> bytes:
    """What the claim issuer's ClaimRevoked names a grant's claim by, for a wallet that has an identity."""
    identity = await identity_of(platform, infra, wallet)
    assert identity is not None, "only a registered investor has a claim"
    return bytes(Web3.keccak(_signature(platform, identity, grant)))


async def revoke_grant(platform: Platform, infra: Infrastructure, wallet: ChecksumAddress, grant: int) -> None:
    """Make the claim of one grant invalid for ever, whether it was added yet or not. A wallet without an identity has
    nothing to revoke."""
    identity = await identity_of(platform, infra, wallet)
    if identity is not None:
        await _revoke(platform, infra, identity, _signature(platform, identity, grant))


async def grant_is_revoked(
    platform: Platform, infra: Infrastructure, wallet: ChecksumAddress, grant: int, block: int
) -> bool:
    """Whether the claim of a grant was invalid at `block`, or there is no identity that could have one."""
    identity = await identity_of(platform, infra, wallet)
    return identity is None or await _is_revoked(platform, infra, _signature(platform, identity, grant), block)


async def revoke_claim(platform: Platform, infra: Infrastructure, wallet: ChecksumAddress) -> None:
    """Make the wallet's present KYC claim invalid, for all properties at once."""
    identity = await identity_of(platform, infra, wallet)
    assert identity is not None, "only a registered investor has a claim"
    await _revoke(platform, infra, identity, await _claim_signature(platform, infra, identity))


def _identity_artifact() -> Artifact:
    return onchainid("Identity.sol/Identity")


def _id_factory_artifact() -> Artifact:
    return onchainid("factory/IdFactory.sol/IdFactory")


def _claim_issuer_artifact() -> Artifact:
    return onchainid("ClaimIssuer.sol/ClaimIssuer")


def _claim_id(infra: Infrastructure) -> bytes:
    return bytes(Web3.keccak(encode(["address", "uint256"], [infra.claim_issuer, TOPIC_KYC])))


def _claim_data(grant: int) -> bytes:
    """The grant's number only: nothing about the person is on chain, and each grant has a signature of its own, because
    a revoked signature is revoked for ever."""
    return encode(["uint64"], [grant])


def _signature(platform: Platform, identity: ChecksumAddress, grant: int) -> bytes:
    """Always the same for an identity and a grant (RFC 6979)."""
    digest = Web3.keccak(encode(["address", "uint256", "bytes"], [identity, TOPIC_KYC, _claim_data(grant)]))
    return bytes(platform.claim_signer.sign_message(encode_defunct(digest)).signature)


async def _stored(
    platform: Platform, infra: Infrastructure, function: str, wallet: ChecksumAddress, block: int | None = None
) -> Any:
    storage = identity_storage_artifact()
    return await read(platform.chain, storage, infra.identity_storage, function, wallet, block=block)


async def _claim_signature(
    platform: Platform, infra: Infrastructure, identity: ChecksumAddress, block: int | None = None
) -> bytes:
    """Of the claim that the identity holds; empty for none."""
    claim = await read(platform.chain, _identity_artifact(), identity, "getClaim", _claim_id(infra), block=block)
    return bytes(claim[3])


async def _is_revoked(platform: Platform, infra: Infrastructure, signature: bytes, block: int | None = None) -> bool:
    issuer = _claim_issuer_artifact()
    return bool(await read(platform.chain, issuer, infra.claim_issuer, "isClaimRevoked", signature, block=block))


async def _add_claim(platform: Platform, infra: Infrastructure, identity: ChecksumAddress, grant: int) -> None:
    signature = _signature(platform, identity, grant)
    if await _claim_signature(platform, infra, identity) == signature:
        return
    arguments = (TOPIC_KYC, CLAIM_SCHEME_ECDSA, infra.claim_issuer, signature, _claim_data(grant), "")
    step = f"claim {identity} {grant}"
    await call_once(platform.sender, step, _identity_artifact(), identity, "addClaim", *arguments)


async def _store(platform: Platform, infra: Infrastructure, identity: ChecksumAddress, terms: InvestorTerms) -> None:
    storage, wallet = identity_storage_artifact(), terms.wallet
    if await _stored(platform, infra, "storedIdentity", wallet) == ZERO_ADDRESS:
        arguments = (wallet, identity, terms.country)
        step = f"register {wallet}"
        await call_once(platform.sender, step, storage, infra.identity_storage, "addIdentityToStorage", *arguments)
    elif await _stored(platform, infra, "storedInvestorCountry", wallet) != terms.country:
        step = f"country {wallet} {terms.grant}"
        function = "modifyStoredInvestorCountry"
        await call_once(platform.sender, step, storage, infra.identity_storage, function, wallet, terms.country)


async def _revoke(platform: Platform, infra: Infrastructure, identity: ChecksumAddress, signature: bytes) -> None:
    if await _is_revoked(platform, infra, signature):
        return
    step = f"revoke {identity} {signature[:8].hex()}"
    issuer = _claim_issuer_artifact()
    try:
        await call_once(platform.sender, step, issuer, infra.claim_issuer, "revokeClaimBySignature", signature)
    except ContractLogicError:
        if not await _is_revoked(platform, infra, signature):
            raise
        # another process was quicker, and it is done
