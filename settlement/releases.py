"""Withdrawals and unlocks that the engine finished, released on chain: each once, in order."""

from __future__ import annotations

import logging
from typing import Final

from engine import types as t
from settlement.calls import Payment, release_data
from settlement.chain import Chain
from settlement.composition import gas_limit
from settlement.outbox import Call, Outbox, Standing
from settlement.records import Records, Release
from settlement.signing import Reference, SigningRefused
from settlement.simulation import Addresses, revert_of_call

_log: Final = logging.getLogger(__name__)
REPLACE_AFTER_S: Final = 45.0
# Cancelled, taken by its owner, lowered by a settlement, or asked for anew.
OVERTAKEN: Final = frozenset({"MoreThanRequested", "RequestIsNewer"})


class Releases:
    """Every WithdrawalReady event becomes at most one mined release."""

    def __init__(self, chain: Chain, records: Records, outbox: Outbox, addresses: Addresses) -> None:
        self._chain = chain
        self._records = records
        self._outbox = outbox
        self._addresses = addresses

    async def step(self) -> None:
        """Bring every open release as far as it goes.

        Raises ChainUnavailable, ChainRefused, SignerUnavailable; the next step goes on from there.
        """
        final_block = await self._chain.final_block()
        for release in await self._records.open_releases():
            await self._advance(release, final_block)

    async def _advance(self, release: Release, final_block: int) -> None:
        progress = await self._outbox.look(_purpose(release))
        match progress.standing:
            case Standing.NONE:
                await self._send(release)
            case Standing.WAITING:
                newest = progress.signed[-1]
                if newest.age_s > REPLACE_AFTER_S:
                    await self._outbox.send(await self._call(release, newest.gas_limit), newest)
                else:
                    await self._outbox.again(newest)
            case Standing.MINED:
                assert progress.receipt is not None
                is_final = progress.receipt.block <= final_block
                await self._records.mark_release(
                    release.release_id, "FINAL" if is_final else "MINED", progress.receipt.block
                )
                if is_final:
                    await self._records.transactions_done(_purpose(release))
            case (
                Standing.REVERTED
            ):  # the request changed under it; the engine hears of that and says what is ready then
                await self._drop(release, "it was mined and reverted")
            case (
                Standing.LOST
            ):  # only after a reorg: its nonce is gone, so it can never be mined, and may be signed anew
                await self._drop(release, "its nonce went to another transaction")

    async def _send(self, release: Release) -> None:
        call = await self._call(release, 0)
        gas, revert = await revert_of_call(self._chain, self._outbox.sender, call.to, call.data)
        if revert is not None and revert.name in OVERTAKEN:
            await self._drop(release, f"the request is not there any more: {revert}")
            return
        if revert is not None:  # USDC is paused, or the wallet is on its blacklist: the request stands, and so do we
            detail = f"the chain refuses it for now: {revert}"
            await self._records.mark_release(release.release_id, "READY", detail=detail)
            return
        call = await self._call(release, gas_limit(gas))
        try:
            await self._outbox.send(call)
        except SigningRefused as refused:  # one account's release must not hold up the others
            _log.warning("release %d is not signed: %s", release.release_id, refused)
            return
        await self._records.mark_release(release.release_id, "SUBMITTED")

    async def _drop(self, release: Release, why: str) -> None:
        _log.warning("release %d of account %d is dropped: %s", release.release_id, release.account, why)
        await self._records.mark_release(release.release_id, "DROPPED", detail=why)
        await self._records.transactions_done(_purpose(release))

    async def _call(self, release: Release, gas: int) -> Call:
        wallet = (await self._records.wallets([release.account])).of(release.account, release.instrument)
        if release.instrument == t.USDC:
            to, payment = self._addresses.vault, Payment(None, wallet, release.amount, release.known_block)
        else:
            instrument = (await self._records.instruments())[release.instrument]
            amount_base_units = release.amount * instrument.lot_base_units
            to = self._addresses.locker
            payment = Payment(instrument.token, wallet, amount_base_units, release.known_block)
        reference = Reference(release.seq, release.account, release.instrument, release.amount, release.known_block)
        return Call(_purpose(release), 0, to, release_data(payment), gas, reference)


def _purpose(release: Release) -> str:
    return f"release/{release.release_id}"
