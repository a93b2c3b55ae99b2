"""What an exit does to a token, beside paying: still it, let the redemption burn it, and clear what is left of locks.

Every function looks on chain first, so that it may be called again after a kill.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from eth_typing import ChecksumAddress
from web3 import Web3

from settlement.artifacts import Artifact, ours, trex
from settlement.infrastructure import Infrastructure, Platform, read

AT_ONCE: Final = 16


def _token_artifact() -> Artifact:
    return trex("token/Token.sol/Token")


async def still(platform: Platform, token: ChecksumAddress) -> None:
    """No holder can move it from here on; burns and an agent's forced transfers still can."""
    if not await read(platform.chain, _token_artifact(), token, "paused"):
        await platform.sender.send(token, _token_artifact().call_data("pause", []))


async def was_still(platform: Platform, token: ChecksumAddress, block: int) -> bool:
    paused: bool = await read(platform.chain, _token_artifact(), token, "paused", block=block)
    return paused


async def set_agent(
    platform: Platform, token: ChecksumAddress, contract: ChecksumAddress, payout_id: UUID, *, is_agent: bool
) -> None:
    """Give or take the right to burn. Each happens once for a payout."""
    if await read(platform.chain, _token_artifact(), token, "isAgent", contract) == is_agent:
        return
    function = "addAgent" if is_agent else "removeAgent"
    step = f"payout {payout_id} {function}"
    await platform.sender.once(step, token, _token_artifact().call_data(function, [contract]))


async def difference(platform: Platform, token: ChecksumAddress, lines: Sequence[tuple[bytes, int]]) -> str | None:
    """How the balances of now differ from a list of all holders; None: they do not."""
    supply = await read(platform.chain, _token_artifact(), token, "totalSupply")
    listed = sum(units for _, units in lines)
    if supply != listed:
        return f"the supply is {supply}, the list has {listed}"
    for start in range(0, len(lines), AT_ONCE):
        some = lines[start : start + AT_ONCE]
        wallets = [Web3.to_checksum_address(wallet) for wallet, _ in some]
        found = await asyncio.gather(
            *(read(platform.chain, _token_artifact(), token, "balanceOf", wallet) for wallet in wallets)
        )
        for wallet, (_, units), balance in zip(wallets, some, found, strict=True):
            if balance != units:
                return f"{wallet} holds {balance}, the list has {units}"
    return None


async def clear_locks(
    platform: Platform, infra: Infrastructure, token: ChecksumAddress, wallets: Sequence[bytes], payout_id: UUID
) -> None:
    """Lower to nothing what the locker keeps for holders whose tokens are burned, so that the engine hears of it."""

    async def clear(wallet: bytes) -> None:
        holder = Web3.to_checksum_address(wallet)
        locked, frozen, *_ = await read(platform.chain, ours("TokenLocker"), infra.locker, "lockOf", token, holder)
        if locked or frozen:
            step = f"payout {payout_id} sync {holder}"
            data = ours("TokenLocker").call_data("sync", [token, holder])
            await platform.owner.once(step, infra.locker, data)

    for start in range(0, len(wallets), AT_ONCE):
        await asyncio.gather(*map(clear, wallets[start : start + AT_ONCE]))
