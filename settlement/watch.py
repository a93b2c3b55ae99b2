"""What must hold while settlement works: the chain still has what we saw, and trades do not wait too long."""

from __future__ import annotations

from typing import Final

from settlement.calls import LAST_TRADE, selector, words
from settlement.chain import Chain, ChainMoved
from settlement.listener import ChainLostBlocks
from settlement.records import Records
from settlement.simulation import Addresses

_WITHDRAW_DELAY: Final = selector("withdrawDelay()")
_UNLOCK_DELAY: Final = selector("unlockDelay()")


async def require_same_chain(chain: Chain, records: Records, addresses: Addresses) -> None:
    """Compare head, block hash and `lastTrade` with what the journal and the tables say.

    Raises ChainLostBlocks with one sentence; ChainUnavailable, ChainRefused where the node cannot be asked.
    """
    head, seen = await chain.head(), await records.seen()
    if seen is not None and head.number < seen.number:
        raise ChainLostBlocks(f"the chain ends at block {head.number}, and block {seen.number} was FINAL here")
    if seen is not None:
        try:
            found = await chain.header(seen.number)
        except ChainMoved as moved:
            raise ChainLostBlocks(f"block {seen.number} was FINAL here, and is gone") from moved
        if found.hash != seen.hash:
            raise ChainLostBlocks(f"block {seen.number} is another one than the one that was FINAL here")
    engine_block, _ = await records.engine_position()
    if head.number < engine_block:
        raise ChainLostBlocks(f"the chain ends at block {head.number}, and the journal has events of {engine_block}")
    last_final = await records.last_final_trade_id()
    (last_trade,) = words(await chain.call(addresses.bridge, LAST_TRADE, head.number))
    if last_trade < last_final:
        raise ChainLostBlocks(f"the bridge is at trade {last_trade}, and trade {last_final} was FINAL here")
    last_batch = await records.last_batch()
    last_known = 0 if last_batch is None else last_batch.trade_last
    if last_trade > last_known:
        raise ChainLostBlocks(f"the bridge is at trade {last_trade}, and no batch here goes beyond {last_known}")


async def exit_delay_s(chain: Chain, addresses: Addresses) -> int:
    """Seconds after which an owner takes cash or tokens out alone; the shorter of the two."""
    delays = [
        words(await chain.call(addresses.vault, _WITHDRAW_DELAY))[0],
        words(await chain.call(addresses.locker, _UNLOCK_DELAY))[0],
    ]
    return min(delays)


async def lag_sentence(records: Records, exit_delay_s: int, now_ns: int) -> str:
    """Why entry must stop, '' while it need not: an unsettled trade must not be overtaken by its seller's exit."""
    oldest_ns = await records.oldest_open_trade_time_ns()
    if oldest_ns is None:
        return ""
    lag_s = (now_ns - oldest_ns) // 10**9
    if 2 * lag_s < exit_delay_s:
        return ""
    return f"The oldest unsettled trade is {lag_s} s old, half the {exit_delay_s} s after which owners can leave alone."
