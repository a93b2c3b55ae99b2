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
from settlement.calls import balance_of_data, lock_of_data, selector, words
from settlement.chain import Chain
from settlement.infrastructure import Platform, read
from settlement.trades import Token, Wallet

AT_ONCE: Final = 16
TOTAL_SUPPLY: Final = selector("totalSupply()")


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


async def difference(chain: Chain, token: Token, lines: Sequence[tuple[bytes, int]]) -> str | None:
    """How the balances of now differ from a list of all holders; None: they do not.

    Raises ChainUnavailable, ChainRefused.
    """
    (supply,) = words(await chain.call(token, TOTAL_SUPPLY))
    listed = sum(units for _, units in lines)
    if supply != listed:
        return f"the supply is {supply}, the list has {listed}"
    for start in range(0, len(lines), AT_ONCE):
        some = lines[start : start + AT_ONCE]
        answers = await asyncio.gather(*(chain.call(token, balance_of_data(Wallet(wallet))) for wallet, _ in some))
        for (wallet, units), answer in zip(some, answers, strict=True):
            if (balance := words(answer)[0]) != units:
                return f"0x{wallet.hex()} holds {balance}, the list has {units}"
    return None


async def clear_locks(
    platform: Platform, chain: Chain, locker: ChecksumAddress, token: Token, wallets: Sequence[bytes], payout_id: UUID
) -> None:
    """Lower to nothing what the locker keeps for holders whose tokens are burned, so that the engine hears of it."""

    async def clear(wallet: bytes) -> None:
        locked, frozen, *_ = words(await chain.call(bytes.fromhex(locker[2:]), lock_of_data(token, Wallet(wallet))))
        if locked or frozen:
            holder = Web3.to_checksum_address(wallet)
            data = ours("TokenLocker").call_data("sync", [Web3.to_checksum_address(token), holder])
            await platform.owner.once(f"payout {payout_id} sync {holder}", locker, data)

    for start in range(0, len(wallets), AT_ONCE):
        await asyncio.gather(*map(clear, wallets[start : start + AT_ONCE]))
