"""Our contracts on the chain: deployed once, found again at every later start."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from web3 import AsyncWeb3
from web3.types import RPCEndpoint

from deedbook.chain_keys import CIRCLE_KEY, LOCAL_ROLES, ROLES, chain_key
from deedbook.layout import Layout
from deedbook.settings import Settings
from persistence.database import Pool
from persistence.whole_file import write_whole
from settlement.artifacts import ours
from settlement.chain import Chain
from settlement.infrastructure import (
    ChainLostError,
    Delays,
    Infrastructure,
    OtherVersionError,
    Platform,
    Roles,
    call_once,
    deploy_infrastructure,
    require_this_version,
)
from settlement.node import node
from settlement.simulation import Addresses
from settlement.steps import PostgresSteps, Sender

GAS_MONEY_WEI = 10**24  # on a local chain only
CONFIRMATIONS_LOCAL = 2  # blocks on top, on a chain of our own; elsewhere the `finalized` tag counts


@dataclass(frozen=True, slots=True)
class Deployment:
    """The platform's senders and the contracts that all properties share."""

    platform: Platform
    infrastructure: Infrastructure

    @property
    def chain(self) -> AsyncWeb3[Any]:
        return self.platform.chain

    async def close(self) -> None:
        await self.chain.provider.disconnect()


async def deployed(layout: Layout, pool: Pool, rpc_url: str, is_local: bool, say: Callable[[str], None]) -> Deployment:
    """Deploy what is missing, or find what is there. Again after a kill at any point.

    is_local  the chain is our own anvil: our keys get gas money from it, and USDC is a mock.
    Raises    ChainLostError with one sentence where the chain has forgotten what was deployed, and OtherVersionError
              where it has contracts of another version.
    """
    platform = await platform_of(layout, pool, rpc_url, is_local)
    if _path(layout).exists():
        infrastructure = recorded(layout)
        if not await platform.chain.eth.get_code(infrastructure.bridge):
            raise ChainLostError(
                f"The chain at {rpc_url} does not have our contracts any more: it lost blocks, or it is another chain. "
                f"To begin anew, delete {layout.root} and start again."
            )
        try:
            await require_this_version(platform.chain, infrastructure)
        except OtherVersionError as error:
            raise OtherVersionError(f"{error} To begin anew, delete {layout.root} and start again.") from None
        return Deployment(platform, infrastructure)
    say("Deploying the contracts on the chain.")
    addresses = {role: chain_key(layout.signer_keys, role).address for role in ROLES}
    roles = Roles(
        operator=addresses["operator"],
        releaser=addresses["releaser"],
        guardian=addresses["guardian"],
        issuer=addresses["issuer"],
        fee_account=addresses["fees"],
        treasury=addresses["treasury"],
    )
    infrastructure = await deploy_infrastructure(platform, roles, Delays())
    if is_local:
        minter = chain_key(layout.signer_keys, CIRCLE_KEY).address
        await call_once(
            platform.sender, "circle mints", ours("MockUSDC"), infrastructure.usdc, "setMinter", minter, True
        )
    write_whole(_path(layout), msgspec.json.encode(infrastructure))
    return Deployment(platform, infrastructure)


def chain_of(settings: Settings) -> Chain:
    """The chain as the processes that act on FINAL blocks read it."""
    assert settings.chain_rpc_url is not None
    return Chain(settings.chain_rpc_url, CONFIRMATIONS_LOCAL if settings.chain_is_local else None)


def addresses_of(infrastructure: Infrastructure) -> Addresses:
    """What settlement works with."""
    bridge, vault, locker = (
        bytes.fromhex(text[2:]) for text in (infrastructure.bridge, infrastructure.vault, infrastructure.locker)
    )
    return Addresses(bridge, vault, locker)


def recorded(layout: Layout) -> Infrastructure:
    """What an earlier start deployed. Raises FileNotFoundError."""
    return msgspec.json.decode(_path(layout).read_bytes(), type=Infrastructure)


async def platform_of(layout: Layout, pool: Pool, rpc_url: str, is_local: bool) -> Platform:
    chain = node(rpc_url)
    layout.chain.mkdir(mode=0o700, parents=True, exist_ok=True)
    steps = PostgresSteps(pool)
    keys = {role: chain_key(layout.signer_keys, role) for role in (*ROLES, *(LOCAL_ROLES if is_local else ()))}
    if is_local:
        for key in keys.values():
            await give_gas_money(chain, key.address)
    return Platform(Sender(chain, keys["platform"], steps), Sender(chain, keys["owner"], steps), keys["claims"])


async def give_gas_money(chain: AsyncWeb3[Any], address: str) -> None:
    """On a local chain only: set an account's ether."""
    await chain.provider.make_request(RPCEndpoint("anvil_setBalance"), [address, hex(GAS_MONEY_WEI)])


def _path(layout: Layout) -> Path:
    return layout.chain / "infrastructure.json"
