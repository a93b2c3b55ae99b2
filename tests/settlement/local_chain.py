"""An anvil of a test's own, and the platform's keys on it."""

import asyncio
import platform as machine
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_typing import ChecksumAddress
from web3 import AsyncWeb3

from settlement.artifacts import ROOT
from settlement.infrastructure import Platform, Roles
from settlement.node import node
from settlement.steps import FileSteps, Sender, StepStore

READY_DEADLINE_S = 20.0
WEALTH_WEI = 10**24


def anvil_binary() -> Path:
    system = machine.system().lower()
    kind = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}[machine.machine()]
    return ROOT / "node_modules" / "@foundry-rs" / f"anvil-{system}-{kind}" / "bin" / "anvil"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def anvil() -> AsyncIterator[AsyncWeb3[Any]]:
    """A fresh chain; every transaction is mined at once."""
    port = free_port()
    command = [str(anvil_binary()), "--hardfork", "osaka", "--enable-tx-gas-limit", "--port", str(port), "--silent"]
    process = await asyncio.create_subprocess_exec(*command, "--accounts", "0")
    chain = node(f"http://127.0.0.1:{port}")
    try:
        deadline = time.monotonic() + READY_DEADLINE_S
        while not await chain.is_connected():
            assert process.returncode is None, "anvil died"
            assert time.monotonic() < deadline, "anvil does not answer"
            await asyncio.sleep(0.02)
        yield chain
    finally:
        await chain.provider.disconnect()
        process.terminate()
        await process.wait()


def key(name: str) -> LocalAccount:
    """A key that only tests use, made from a name."""
    account: LocalAccount = Account.from_key(AsyncWeb3.keccak(text=f"deedbook test {name}"))
    return account


async def rich(chain: AsyncWeb3[Any], *addresses: ChecksumAddress) -> None:
    for address in addresses:
        await chain.provider.make_request("anvil_setBalance", [address, hex(WEALTH_WEI)])


@dataclass(frozen=True, slots=True)
class Keys:
    operator: LocalAccount
    releaser: LocalAccount
    guardian: LocalAccount
    issuer: LocalAccount
    fee_account: LocalAccount
    treasury: LocalAccount

    def roles(self) -> Roles:
        return Roles(
            operator=self.operator.address,
            releaser=self.releaser.address,
            guardian=self.guardian.address,
            issuer=self.issuer.address,
            fee_account=self.fee_account.address,
            treasury=self.treasury.address,
        )


def keys() -> Keys:
    return Keys(key("operator"), key("releaser"), key("guardian"), key("issuer"), key("fees"), key("treasury"))


async def platform_on(chain: AsyncWeb3[Any], steps: StepStore) -> Platform:
    deployer, owner = key("deployer"), key("owner")
    await rich(chain, deployer.address, owner.address)
    return Platform(Sender(chain, deployer, steps), Sender(chain, owner, steps), key("claims"))


def file_steps(directory: Path) -> FileSteps:
    return FileSteps(directory / "steps.json")
