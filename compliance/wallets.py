"""Wallets: a person shows by a signature (EIP-4361, EIP-191) that one is theirs, and has it linked for good."""

from __future__ import annotations

import asyncio
import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from eth_account import Account
from eth_account.messages import encode_defunct
from eth_keys.exceptions import BadSignature
from eth_utils.address import to_checksum_address
from eth_utils.exceptions import ValidationError

from api.actor import Actor
from api.addresses import unhex
from api.clock import Clock, utc_now
from api.problem import Problem
from compliance.registry import ADDRESS_BYTES, FactError, link_wallet
from persistence.database import Pool

LIFETIME: Final = timedelta(minutes=10)
NONCE_BYTES: Final = 16
WALLETS_MAX: Final = 20  # of one person


@dataclass(frozen=True, slots=True)
class Challenge:
    message: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Wallet:
    """`account`: the engine's number, None until it has opened one."""

    address: bytes
    account: int | None
    linked_at: datetime


class Wallets:
    """`public_url` is where people find us: its host is the domain that their wallet shows them."""

    def __init__(self, pool: Pool, public_url: str, chain_id: int, clock: Clock = utc_now) -> None:
        self._pool = pool
        self._uri = public_url
        self._domain = urlsplit(public_url).netloc
        assert self._domain
        self._chain_id = chain_id
        self._clock = clock

    async def challenge(self, actor: Actor, address: bytes) -> Challenge:
        """The text to sign; one that was given before and not used counts no more."""
        if len(address) != ADDRESS_BYTES or not any(address):
            raise Problem(400, "ADDRESS_MALFORMED", "Give the wallet's address as 0x and 40 hex digits.")
        now = self._clock()
        expires_at = now + LIFETIME
        message = self._message(actor.user_id, address, secrets.token_hex(NONCE_BYTES), now, expires_at)
        await self._pool.execute(
            "INSERT INTO wallet_challenges (user_id, address, message, expires_at) VALUES ($1, $2, $3, $4)"
            " ON CONFLICT (user_id) DO UPDATE SET"
            " address = excluded.address, message = excluded.message, expires_at = excluded.expires_at",
            actor.user_id,
            address,
            message,
            expires_at,
        )
        return Challenge(message, expires_at)

    async def link(self, actor: Actor, message: str, signature: bytes) -> bytes:
        """Link the wallet whose challenge this answers; returns its address. The challenge is used up, whatever comes.

        `message` is, to the byte, what was given to sign: so its domain, chain, nonce, times and address are.
        Raises Problem 400 for another message or signer, 409 without a challenge or for another person's wallet.
        """
        row = await self._pool.fetchrow("DELETE FROM wallet_challenges WHERE user_id = $1 RETURNING *", actor.user_id)
        if row is None or row["expires_at"] <= self._clock():
            detail = "There is no challenge, or it is used or too old: POST /wallets/challenge for a new one."
            raise Problem(409, "CHALLENGE_MISSING", detail)
        if not hmac.compare_digest(row["message"].encode(), message.encode()):
            raise Problem(400, "MESSAGE_CHANGED", "This is not the text that you were given to sign.")
        address: bytes = row["address"]
        if await asyncio.to_thread(_signer, message, signature) != address:
            raise Problem(400, "SIGNATURE_WRONG", "This wallet did not sign the text.")
        if await self._pool.fetchval("SELECT count(*) FROM wallets WHERE user_id = $1", actor.user_id) >= WALLETS_MAX:
            raise Problem(409, "TOO_MANY_WALLETS", f"You have {WALLETS_MAX} wallets already; nobody has more.")
        try:
            await link_wallet(self._pool, actor.user_id, address, actor=actor.name)
        except FactError:
            raise Problem(409, "WALLET_TAKEN", "This wallet is linked to another account.") from None
        return address

    async def wallets(self, user_id: UUID) -> list[Wallet]:
        rows = await self._pool.fetch(
            "SELECT address, account, linked_at FROM wallets WHERE user_id = $1 ORDER BY linked_at, address", user_id
        )
        return [Wallet(**row) for row in rows]

    def _message(self, user_id: UUID, address: bytes, nonce: str, now: datetime, expires_at: datetime) -> str:
        """The layout of EIP-4361, its optional lines in their order."""
        return (
            f"{self._domain} wants you to sign in with your Ethereum account:\n"
            f"{to_checksum_address(address)}\n"
            "\n"
            "Link this wallet to my Deedbook account. This moves nothing and costs nothing.\n"
            "\n"
            f"URI: {self._uri}\n"
            "Version: 1\n"
            f"Chain ID: {self._chain_id}\n"
            f"Nonce: {nonce}\n"
            f"Issued At: {_rfc3339(now)}\n"
            f"Expiration Time: {_rfc3339(expires_at)}\n"
            f"Request ID: {user_id}"
        )


def _signer(message: str, signature: bytes) -> bytes | None:
    try:
        address: str = Account.recover_message(encode_defunct(text=message), signature=signature)
    except (BadSignature, ValidationError, ValueError):
        return None
    return unhex(address)


def _rfc3339(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
