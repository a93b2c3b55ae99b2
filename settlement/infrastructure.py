"""What is deployed once a chain: T-REX and ONCHAINID, the vault, locker and bridge, the sale and the payouts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import encode
from eth_account.signers.local import LocalAccount
from eth_typing import ChecksumAddress
from web3 import AsyncWeb3, Web3

from settlement.artifacts import Artifact, onchainid, ours, trex
from settlement.steps import Receipt, Sender

ZERO_ADDRESS = Web3.to_checksum_address("0x" + "00" * 20)
KEY_PURPOSE_CLAIM = 3  # ERC-734
KEY_TYPE_ECDSA = 1
TREX_VERSION = (4, 1, 6)
MODULE_PROXY = "compliance/modular/modules/ModuleProxy.sol/ModuleProxy"
COUNTRY_MODULE = "compliance/modular/modules/CountryAllowModule.sol/CountryAllowModule"


class ChainLostError(Exception):
    """The chain does not have what the steps say was deployed: it lost blocks, or it is another chain."""


class OtherVersionError(Exception):
    """What is deployed is not what this version would deploy, and cannot be used."""


@dataclass(frozen=True, slots=True)
class Roles:
    """Who may do what on our contracts. Different keys, see DESIGN "Funds and settlement"; fee_account is a wallet, and
    treasury is the wallet that dividends and exits are paid from."""

    operator: ChecksumAddress
    releaser: ChecksumAddress
    guardian: ChecksumAddress
    issuer: ChecksumAddress
    fee_account: ChecksumAddress
    treasury: ChecksumAddress


@dataclass(frozen=True, slots=True)
class Delays:
    """Seconds. change_s is how long a queued change of a role waits, exit_s how long a request until its owner can take
    it alone, pause_s how long the guardian's pause lasts."""

    change_s: int = 12 * 3600
    exit_s: int = 24 * 3600
    pause_s: int = 6 * 3600


@dataclass(frozen=True, slots=True)
class Platform:
    """The platform's keys at work.

    sender        owner and agent of the T-REX contracts, operator of the sale, minter of the mock USDC
    owner         owner of our own contracts; may be the same sender
    claim_signer  signs KYC claims
    """

    sender: Sender
    owner: Sender
    claim_signer: LocalAccount

    @property
    def chain(self) -> AsyncWeb3[Any]:
        return self.sender.chain


@dataclass(frozen=True, slots=True)
class Infrastructure:
    """Addresses of what all properties share; none of it is older than `first_block` (0: not recorded then)."""

    usdc: ChecksumAddress
    vault: ChecksumAddress
    locker: ChecksumAddress
    bridge: ChecksumAddress
    identity_factory: ChecksumAddress
    identity_storage: ChecksumAddress
    claim_issuer: ChecksumAddress
    trex_authority: ChecksumAddress
    trex_factory: ChecksumAddress
    country_module: ChecksumAddress
    holder_cap_module: ChecksumAddress
    lock_up_module: ChecksumAddress
    dividends: ChecksumAddress
    redemption: ChecksumAddress
    sale: ChecksumAddress
    first_block: int = 0


async def deploy_infrastructure(
    platform: Platform, roles: Roles, delays: Delays, usdc: ChecksumAddress | None = None
) -> Infrastructure:
    """Deploy and wire everything shared; again after a kill at any step, and with the same result.

    usdc  the cash token; None deploys a MockUSDC, for a local chain only
    Raises ChainLostError, steps.StepFailedError.
    """
    # Shorter, so that a stolen operator key is replaced and its theft moved back before the thief can take it out.
    assert delays.change_s < delays.exit_s
    if usdc is None:
        usdc = await _create(platform.sender, ours("MockUSDC"), [platform.sender.address])
    first_block, vault, locker, bridge = await _deploy_ours(platform, delays, usdc)
    await _wire(platform, roles, vault, locker, bridge)
    identity_factory, claim_issuer = await _deploy_identities(platform)
    trex_authority, trex_factory = await _deploy_trex(platform.sender, identity_factory)
    identity_storage = await _deploy_identity_storage(platform.sender, trex_authority, trex_factory)
    country_module = await _deploy_country_module(platform.sender)
    holder_cap_module = await _create(platform.sender, ours("HolderCapModule"), [])
    lock_up_module = await _create(platform.sender, ours("LockUpModule"), [])
    dividends, redemption, sale = await _deploy_money_flows(platform, roles, delays, usdc)
    return Infrastructure(
        usdc=usdc,
        vault=vault,
        locker=locker,
        bridge=bridge,
        identity_factory=identity_factory,
        identity_storage=identity_storage,
        claim_issuer=claim_issuer,
        trex_authority=trex_authority,
        trex_factory=trex_factory,
        country_module=country_module,
        holder_cap_module=holder_cap_module,
        lock_up_module=lock_up_module,
        dividends=dividends,
        redemption=redemption,
        sale=sale,
        first_block=first_block,
    )


async def require_this_version(chain: AsyncWeb3[Any], infrastructure: Infrastructure) -> None:
    """Raises OtherVersionError where one of our contracts has another code on the chain than we would deploy."""
    ours_at = {
        "CashVault": infrastructure.vault,
        "TokenLocker": infrastructure.locker,
        "SettlementBridge": infrastructure.bridge,
        "DividendDistributor": infrastructure.dividends,
        "ExitRedemption": infrastructure.redemption,
        "PrimarySale": infrastructure.sale,
        "HolderCapModule": infrastructure.holder_cap_module,
        "LockUpModule": infrastructure.lock_up_module,
    }
    codes = {name: bytes(await chain.eth.get_code(address)) for name, address in ours_at.items()}
    others = [name for name, code in codes.items() if not _is_code_of(ours(name), code)]
    if others:
        raise OtherVersionError(f"The contracts on the chain are another version's: {', '.join(others)}.")


def _is_code_of(artifact: Artifact, code: bytes) -> bool:
    """The artifact has zeros where the chain has immutables."""
    expected = artifact.runtime_code
    return len(code) == len(expected) and all(
        byte in (0, on_chain) for byte, on_chain in zip(expected, code, strict=True)
    )


async def read(
    chain: AsyncWeb3[Any],
    artifact: Artifact,
    address: ChecksumAddress,
    function: str,
    *arguments: Any,
    block: int | None = None,
) -> Any:
    """Call a view of a contract at a block; None: the latest."""
    contract = chain.eth.contract(address=address, abi=list(artifact.abi))
    return await contract.functions[function](*arguments).call(block_identifier="latest" if block is None else block)


def identity_storage_artifact() -> Artifact:
    return trex("registry/implementation/IdentityRegistryStorage.sol/IdentityRegistryStorage")


async def call_once(
    sender: Sender, step: str, artifact: Artifact, address: ChecksumAddress, function: str, *arguments: Any
) -> Receipt:
    """Send a call as a step (see steps.Sender.once)."""
    return await sender.once(step, address, artifact.call_data(function, arguments))


async def _create(sender: Sender, artifact: Artifact, arguments: Sequence[Any]) -> ChecksumAddress:
    created, _ = await _created(sender, artifact, arguments)
    return created


async def _created(sender: Sender, artifact: Artifact, arguments: Sequence[Any]) -> tuple[ChecksumAddress, int]:
    """Its address, and the block that it has been there since."""
    receipt = await sender.once(f"create {artifact.name}", None, artifact.creation_data(arguments))
    assert receipt.created is not None
    if not await sender.chain.eth.get_code(receipt.created):
        raise ChainLostError(f"{artifact.name} is not at {receipt.created} any more")
    return receipt.created, receipt.block_number


async def _deploy_ours(
    platform: Platform, delays: Delays, usdc: ChecksumAddress
) -> tuple[int, ChecksumAddress, ChecksumAddress, ChecksumAddress]:
    owner = platform.owner.address
    vault, first_block = await _created(
        platform.sender, ours("CashVault"), [usdc, owner, delays.change_s, delays.exit_s]
    )
    locker = await _create(platform.sender, ours("TokenLocker"), [owner, delays.change_s, delays.exit_s])
    arguments = [vault, locker, owner, delays.change_s, delays.pause_s]
    bridge = await _create(platform.sender, ours("SettlementBridge"), arguments)
    return first_block, vault, locker, bridge


async def _wire(
    platform: Platform, roles: Roles, vault: ChecksumAddress, locker: ChecksumAddress, bridge: ChecksumAddress
) -> None:
    owner = platform.owner
    await _appoint(
        owner,
        ("CashVault", vault, "bridge", bridge),
        ("CashVault", vault, "registrar", platform.sender.address),
        ("CashVault", vault, "releaser", roles.releaser),
        ("TokenLocker", locker, "bridge", bridge),
        ("TokenLocker", locker, "releaser", roles.releaser),
        ("TokenLocker", locker, "issuer", roles.issuer),
        ("SettlementBridge", bridge, "operator", roles.operator),
        ("SettlementBridge", bridge, "guardian", roles.guardian),
    )
    if not (await read(owner.chain, ours("CashVault"), vault, "accountOf", roles.fee_account))[3]:
        await call_once(owner, "register fee account", ours("CashVault"), vault, "register", roles.fee_account)


async def _deploy_money_flows(
    platform: Platform, roles: Roles, delays: Delays, usdc: ChecksumAddress
) -> tuple[ChecksumAddress, ChecksumAddress, ChecksumAddress]:
    arguments = [usdc, platform.owner.address, delays.change_s]
    dividends = await _create(platform.sender, ours("DividendDistributor"), arguments)
    redemption = await _create(platform.sender, ours("ExitRedemption"), arguments)
    sale = await _create(platform.sender, ours("PrimarySale"), arguments)
    await _appoint(
        platform.owner,
        ("DividendDistributor", dividends, "payer", roles.treasury),
        ("ExitRedemption", redemption, "payer", roles.treasury),
        ("PrimarySale", sale, "operator", platform.sender.address),
    )
    return dividends, redemption, sale


async def _appoint(owner: Sender, *wiring: tuple[str, ChecksumAddress, str, ChecksumAddress]) -> None:
    """Fill each role for the first time; roles that are filled already are left, changing them takes the timelock.

    wiring  contract, its address, role, holder
    """
    for name, address, role, holder in wiring:
        role_id = role.encode().ljust(32, b"\0")
        if await read(owner.chain, ours(name), address, "holderOf", role_id) == ZERO_ADDRESS:
            await call_once(owner, f"appoint {name} {role}", ours(name), address, "appoint", role_id, holder)


async def _deploy_identities(platform: Platform) -> tuple[ChecksumAddress, ChecksumAddress]:
    sender = platform.sender
    implementation = await _create(sender, onchainid("Identity.sol/Identity"), [sender.address, True])
    path = "proxy/ImplementationAuthority.sol/ImplementationAuthority"
    authority = await _create(sender, onchainid(path), [implementation])
    factory = await _create(sender, onchainid("factory/IdFactory.sol/IdFactory"), [authority])
    issuer_artifact = onchainid("ClaimIssuer.sol/ClaimIssuer")
    issuer = await _create(sender, issuer_artifact, [sender.address])
    key = Web3.keccak(encode(["address"], [platform.claim_signer.address]))
    if not await read(sender.chain, issuer_artifact, issuer, "keyHasPurpose", key, KEY_PURPOSE_CLAIM):
        arguments = (key, KEY_PURPOSE_CLAIM, KEY_TYPE_ECDSA)
        await call_once(sender, "add claim key", issuer_artifact, issuer, "addKey", *arguments)
    return factory, issuer


async def _deploy_trex(sender: Sender, identity_factory: ChecksumAddress) -> tuple[ChecksumAddress, ChecksumAddress]:
    paths = (
        "token/Token.sol/Token",
        "registry/implementation/ClaimTopicsRegistry.sol/ClaimTopicsRegistry",
        "registry/implementation/IdentityRegistry.sol/IdentityRegistry",
        "registry/implementation/IdentityRegistryStorage.sol/IdentityRegistryStorage",
        "registry/implementation/TrustedIssuersRegistry.sol/TrustedIssuersRegistry",
        "compliance/modular/ModularCompliance.sol/ModularCompliance",
    )
    implementations = tuple([await _create(sender, trex(path), []) for path in paths])  # the order of the call's struct
    artifact = trex("proxy/authority/TREXImplementationAuthority.sol/TREXImplementationAuthority")
    authority = await _create(sender, artifact, [True, ZERO_ADDRESS, ZERO_ADDRESS])
    if await read(sender.chain, artifact, authority, "getTokenImplementation") == ZERO_ADDRESS:
        arguments = (TREX_VERSION, implementations)
        await call_once(sender, "use T-REX version", artifact, authority, "addAndUseTREXVersion", *arguments)
    factory = await _create(sender, trex("factory/TREXFactory.sol/TREXFactory"), [authority, identity_factory])
    ids = onchainid("factory/IdFactory.sol/IdFactory")
    if not await read(sender.chain, ids, identity_factory, "isTokenFactory", factory):
        await call_once(sender, "add token factory", ids, identity_factory, "addTokenFactory", factory)
    if await read(sender.chain, artifact, authority, "getTREXFactory") != factory:
        await call_once(sender, "set T-REX factory", artifact, authority, "setTREXFactory", factory)
    return authority, factory


async def _deploy_identity_storage(
    sender: Sender, authority: ChecksumAddress, factory: ChecksumAddress
) -> ChecksumAddress:
    """One storage for all registries, so that an investor is registered once, by the platform as its agent. The factory
    owns it: it binds each new registry; `TREXFactory.recoverContractOwnership` gives it back."""
    proxy = trex("proxy/IdentityRegistryStorageProxy.sol/IdentityRegistryStorageProxy")
    storage = await _create(sender, proxy, [authority])
    implementation = identity_storage_artifact()
    if not await read(sender.chain, implementation, storage, "isAgent", sender.address):
        await call_once(sender, "add storage agent", implementation, storage, "addAgent", sender.address)
    if await read(sender.chain, implementation, storage, "owner") != factory:
        await call_once(sender, "hand over storage", implementation, storage, "transferOwnership", factory)
    return storage


async def _deploy_country_module(sender: Sender) -> ChecksumAddress:
    module = trex(COUNTRY_MODULE)
    implementation = await _create(sender, module, [])
    return await _create(sender, trex(MODULE_PROXY), [implementation, module.call_data("initialize", [])])
