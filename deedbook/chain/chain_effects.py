"""What follows from what the chain says: facts, halts, and messages to those whom it concerns.

Each effect looks at the newest event of its kind, not at its own alone: after one that failed they may come late.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from api.actor import Role
from api.addresses import unhex
from api.amounts import text as units_text
from api.amounts import usdc
from api.doors import Notify
from compliance.appointments import people_with
from compliance.identities import lapse_claim
from compliance.lost_wallets import replace_wallet
from compliance.registry import lock_facts, put_identity_registered, put_wallet_frozen, queue
from deedbook.chain.chain_processor import Effects
from deedbook.phase_lock import lock_phase
from engine import types as t
from persistence.commands import Submit
from persistence.database import Connection
from settlement.watched import ChainEvent

ACTOR: Final = "chain"
NOBODY: Final = "0x" + "00" * 20
# Transfers in one transaction with these are told of by those who made them.
TOLD_ELSEWHERE: Final = (
    *("Bridge.BatchSettled", "Sale.Sold", "Token.RecoverySuccess", "Locker.LockChanged"),
    *("Dividends.ChunkPaid", "Exit.ChunkPaid"),
)


@dataclass(frozen=True, slots=True)
class _Token:
    instrument: int
    symbol: str
    decimals: int
    is_listed: bool


class ChainEffects:
    def __init__(self, submit: Submit, notify: Notify) -> None:
        self._submit = submit
        self._notify = notify

    def register(self, effects: Effects) -> None:
        for name, effect in (
            ("Token.AddressFrozen", self._address_frozen),
            ("Token.Paused", self._paused),
            ("Token.Unpaused", self._unpaused),
            ("Token.Transfer", self._transferred),
            ("Token.RecoverySuccess", self._recovered),
            ("Identities.IdentityUnstored", self._identity_removed),
            ("Claims.ClaimRevoked", self._claim_revoked),
            ("Vault.CashChanged", self._cash_changed),
            ("Vault.MigrationQueued", self._migration_queued),
            ("Vault.CashMigrated", self._cash_migrated),
            ("Locker.LockChanged", self._lock_changed),
        ):
            effects.on_event(name, effect)

    async def _address_frozen(self, connection: Connection, event: ChainEvent) -> None:
        token = await _token(connection, event.contract)
        if token is None or not await _is_newest(connection, event, (event.name,), "wallet"):
            return
        wallet, is_frozen = unhex(event.data["wallet"]), event.data["is_frozen"]
        await lock_facts(connection)
        await put_wallet_frozen(
            connection, wallet, token.instrument, is_frozen=is_frozen, block=event.block, actor=ACTOR
        )
        if (user_id := await _user_of(connection, wallet)) is not None:
            text = (
                f"Your wallet was frozen for {token.symbol}: it cannot trade, and your orders in it are gone."
                if is_frozen
                else f"Your wallet is no longer frozen for {token.symbol}."
            )
            data = {"wallet": event.data["wallet"], "instrument": token.instrument}
            await self._notify(connection, user_id, "WALLET_FROZEN" if is_frozen else "WALLET_UNFROZEN", text, data)

    async def _paused(self, connection: Connection, event: ChainEvent) -> None:
        token = await _token(connection, event.contract)
        if token is None or not token.is_listed or not await is_paused(connection, event.contract):
            return
        await lock_phase(connection, token.instrument)
        (answer,) = await self._submit([t.SetPhase(token.instrument, t.Phase.HALT)])
        if (rejected := answer.rejection()) is not None:
            raise RuntimeError(f"the exchange did not halt {token.symbol}: {t.Reason(rejected.reason).name}")
        text = f"Trading of {token.symbol} is halted: its token was paused on chain. Your open orders wait."
        await tell_order_holders(connection, self._notify, token.instrument, "TRADING_HALTED", text)

    async def _unpaused(self, connection: Connection, event: ChainEvent) -> None:
        """Nobody's trading begins by itself: two operators lift the halt."""
        token = await _token(connection, event.contract)
        if token is None or not token.is_listed or await is_paused(connection, event.contract):
            return
        if not await _was_paused(connection, event):
            return  # every token begins paused, without a word
        text = f"The token of {token.symbol} is no longer paused: trading stays halted until two people lift the halt."
        for user_id in await people_with(connection, Role.SETTLEMENT_OPERATOR, Role.ADMIN):
            await self._notify(connection, user_id, "TOKEN_UNPAUSED", text, {"instrument": token.instrument})

    async def _recovered(self, connection: Connection, event: ChainEvent) -> None:
        """The person's new wallet is linked at once; the account in the exchange follows when its lock is migrated."""
        token = await _token(connection, event.contract)
        symbol = event.contract.hex() if token is None else token.symbol
        data = {"lost": event.data["lost"], "new": event.data["new"]}
        lost, fresh = unhex(data["lost"]), unhex(data["new"])
        await replace_wallet(connection, lost, fresh, block=event.block, actor=ACTOR)
        if (user_id := await _user_of(connection, fresh)) is not None:
            text = f"Your tokens of {symbol} were moved from your lost wallet to the new one, which takes its place."
            await self._notify(connection, user_id, "WALLET_RECOVERED", text, data)
        text = (
            f"A wallet was recovered in {symbol}: its lock and its cash have to be migrated, and its identity to be"
            " taken off."
        )
        for user_id in await people_with(connection, Role.SETTLEMENT_OPERATOR, Role.ADMIN):
            await self._notify(connection, user_id, "WALLET_TO_MIGRATE", text, data)

    async def _identity_removed(self, connection: Connection, event: ChainEvent) -> None:
        names = ("Identities.IdentityStored", "Identities.IdentityUnstored")
        if not await _is_newest(connection, event, names, "wallet"):
            return
        wallet = unhex(event.data["wallet"])
        if await _is_recovery(connection, event):
            return
        await lock_facts(connection)
        if not await connection.fetchval("SELECT 1 FROM identity_registrations WHERE address = $1", wallet):
            return  # we took it off ourselves, facts first
        await put_identity_registered(connection, wallet, is_registered=False, block=event.block, actor=ACTOR)
        if (user_id := await _user_of(connection, wallet)) is not None:
            text = "Your wallet's identity was removed on chain: you cannot trade with it until it is registered again."
            await self._notify(connection, user_id, "IDENTITY_REMOVED", text, {"wallet": event.data["wallet"]})

    async def _claim_revoked(self, connection: Connection, event: ChainEvent) -> None:
        """By whoever holds the claim issuer; what we revoke ourselves has lapsed in the facts before."""
        await lock_facts(connection)
        for user_id in await lapse_claim(connection, unhex(event.data["signature"]), actor=ACTOR):
            await queue(connection, user_id=user_id)
            text = "Your identity's claim was revoked on chain: you cannot trade until your identity is granted again."
            await self._notify(connection, user_id, "IDENTITY_REVOKED", text)
            text = "A claim was revoked on chain, and not by the platform: look at what is known of this person."
            for officer in await people_with(connection, Role.COMPLIANCE_OFFICER, Role.ADMIN):
                await self._notify(connection, officer, "CLAIM_REVOKED", text, {"user_id": str(user_id)})

    async def _cash_changed(self, connection: Connection, event: ChainEvent) -> None:
        micros = int(event.data["deltaUsdcMicros"])
        user_id = await _user_of(connection, unhex(event.data["account"]))
        if micros == 0 or user_id is None:
            return
        kind, text = (
            ("DEPOSITED", f"Your deposit of {usdc(micros)} USDC is final: you can trade with it.")
            if micros > 0
            else ("WITHDRAWN", f"{usdc(-micros)} USDC were paid out to your wallet.")
        )
        data = {"usdc": usdc(abs(micros)), "transaction": "0x" + event.transaction.hex()}
        await self._notify(connection, user_id, kind, text, data)

    async def _migration_queued(self, connection: Connection, event: ChainEvent) -> None:
        """Told to whom either wallet is linked: the lost one is not, once its tokens were recovered."""
        lost, fresh = event.data["lost"], event.data["fresh"]
        text = (
            f"The cash of wallet {lost} is about to be moved to {fresh}, as that wallet was reported lost. If it is not"
            " lost, refuse with it (refuseMigration of the vault) or withdraw, and tell us."
        )
        data = {"lost": lost, "new": fresh, "ready_at": int(event.data["readyAt"])}
        for wallet in (lost, fresh):
            if (user_id := await _user_of(connection, unhex(wallet))) is not None:
                await self._notify(connection, user_id, "CASH_MIGRATION_QUEUED", text, data)

    async def _cash_migrated(self, connection: Connection, event: ChainEvent) -> None:
        if (user_id := await _user_of(connection, unhex(event.data["fresh"]))) is None:
            return
        amount = usdc(int(event.data["movedUsdcMicros"]))
        data = {"usdc": amount, "transaction": "0x" + event.transaction.hex()}
        text = f"{amount} USDC of your lost wallet are your new wallet's: you can withdraw them."
        await self._notify(connection, user_id, "CASH_MIGRATED", text, data)

    async def _lock_changed(self, connection: Connection, event: ChainEvent) -> None:
        delta = int(event.data["delta"])
        token = await _token(connection, unhex(event.data["token"]))
        user_id = await _user_of(connection, unhex(event.data["holder"]))
        if delta == 0 or token is None or user_id is None:
            return
        amount = units_text(abs(delta), token.decimals)
        kind, text = (
            ("LOCKED", f"{amount} of {token.symbol} are locked for trading: you can sell them.")
            if delta > 0
            else ("UNLOCKED", f"{amount} of {token.symbol} are no longer locked for trading.")
        )
        await self._notify(connection, user_id, kind, text, _moved(event, token, amount))

    async def _transferred(self, connection: Connection, event: ChainEvent) -> None:
        """Between wallets, outside of what the platform itself does."""
        token = await _token(connection, event.contract)
        sender, receiver = event.data["from"], event.data["to"]
        if token is None or NOBODY in (sender, receiver) or await _is_told_elsewhere(connection, event):
            return
        amount = units_text(int(event.data["value"]), token.decimals)
        for wallet, kind, verb in ((receiver, "TOKENS_RECEIVED", "came to"), (sender, "TOKENS_SENT", "left")):
            if (user_id := await _user_of(connection, unhex(wallet))) is not None:
                text = f"{amount} of {token.symbol} {verb} your wallet."
                await self._notify(connection, user_id, kind, text, _moved(event, token, amount))


async def is_paused(connection: Connection, token: bytes) -> bool:
    """Whether the last FINAL word of a token is that it is paused."""
    name = await connection.fetchval(
        "SELECT name FROM chain_events WHERE contract = $1 AND name IN ('Token.Paused', 'Token.Unpaused')"
        " AND state = 'FINAL' ORDER BY block DESC, log_index DESC LIMIT 1",
        token,
    )
    return bool(name == "Token.Paused")


async def tell_order_holders(connection: Connection, notify: Notify, number: int | None, kind: str, text: str) -> None:
    """Everybody with an open order in an instrument (None: in any), once each."""
    rows = await connection.fetch(
        "SELECT DISTINCT user_id FROM orders JOIN wallets USING (account)"
        " WHERE open_lots > 0 AND ($1::int IS NULL OR instrument = $1)",
        number,
    )
    for row in rows:
        await notify(connection, row["user_id"], kind, text, {} if number is None else {"instrument": number})


async def _token(connection: Connection, address: bytes) -> _Token | None:
    row = await connection.fetchrow(
        "SELECT instrument, symbol, token_decimals, listed_seq IS NOT NULL FROM instruments WHERE token = $1", address
    )
    return None if row is None else _Token(*row)


async def _user_of(connection: Connection, wallet: bytes) -> UUID | None:
    user_id: UUID | None = await connection.fetchval("SELECT user_id FROM wallets WHERE address = $1", wallet)
    return user_id


async def _is_newest(connection: Connection, event: ChainEvent, names: Sequence[str], field: str) -> bool:
    """Whether no FINAL event of these names and the same value of a field is beyond this one."""
    later = await connection.fetchval(
        "SELECT 1 FROM chain_events WHERE contract = $1 AND name = ANY($2::text[]) AND state = 'FINAL'"
        " AND (block, log_index) > ($3, $4) AND data ->> $5 = $6 LIMIT 1",
        *(event.contract, list(names), event.block, event.log_index, field, event.data[field]),
    )
    return later is None


async def _was_paused(connection: Connection, event: ChainEvent) -> bool:
    found = await connection.fetchval(
        "SELECT 1 FROM chain_events WHERE contract = $1 AND name = 'Token.Paused' AND state = 'FINAL'"
        " AND (block, log_index) < ($2, $3) LIMIT 1",
        *(event.contract, event.block, event.log_index),
    )
    return found is not None


async def _is_told_elsewhere(connection: Connection, event: ChainEvent) -> bool:
    found = await connection.fetchval(
        "SELECT 1 FROM chain_events WHERE transaction = $1 AND state = 'FINAL' AND name = ANY($2::text[]) LIMIT 1",
        *(event.transaction, list(TOLD_ELSEWHERE)),
    )
    return found is not None


async def _is_recovery(connection: Connection, event: ChainEvent) -> bool:
    """Whether it is a recovery that takes a wallet's identity off: that went to the new one."""
    found = await connection.fetchval(
        "SELECT 1 FROM chain_events WHERE transaction = $1 AND state = 'FINAL' AND name = 'Token.RecoverySuccess'"
        " AND data ->> 'lost' = $2 LIMIT 1",
        *(event.transaction, event.data["wallet"]),
    )
    return found is not None


def _moved(event: ChainEvent, token: _Token, amount: str) -> dict[str, Any]:
    transaction = "0x" + event.transaction.hex()
    return {"instrument": token.instrument, "tokens": amount, "transaction": transaction}
