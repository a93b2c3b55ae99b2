"""Keys for the trading API: made and shown once, listed without their secrets, revoked. None can withdraw anything."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from ipaddress import ip_address
from typing import Annotated, Final, Literal
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from api.actor import Actor
from api.clock import Clock, utc_now
from api.doors import Audit
from api.problem import Problem, not_found
from api.route import Call, Route
from compliance import throttles
from compliance.passwords import Passwords
from compliance.throttles import Throttle
from deedbook.trading.seats import Seats
from gateway.keys import ED25519, HMAC, Key, KeyStore
from persistence.database import Pool

KEYS_MAX: Final = 30  # of one person
IPS_MAX: Final = 30
PROOF: Final = Throttle("api key proof", 5, timedelta(minutes=15))
NAME_CHARS: Final = 8  # of a key in the audit log: enough to tell it by
_HEX_KEY: Final = re.compile(r"[0-9a-fA-F]{64}").fullmatch


class NewApiKey(msgspec.Struct, forbid_unknown_fields=True):
    """`public_key` (ED25519 only): PEM, or 64 hex digits. `password` where the session has no second factor.

    permissions  READ, TRADE; there is none to withdraw
    ips          from where alone it may be used; empty: from anywhere
    """

    kind: Literal["HMAC", "ED25519"]
    permissions: Annotated[list[Literal["READ", "TRADE"]], msgspec.Meta(min_length=1, max_length=2)]
    public_key: Annotated[str, msgspec.Meta(max_length=400)] | None = None
    ips: Annotated[list[Annotated[str, msgspec.Meta(max_length=45)]], msgspec.Meta(max_length=IPS_MAX)] = []
    wallet: Annotated[str, msgspec.Meta(max_length=42)] | None = None
    password: Annotated[str, msgspec.Meta(max_length=1_024)] | None = None


class ApiKeyAnswer(msgspec.Struct):
    key: str
    kind: str
    permissions: list[str]
    ips: list[str]
    wallet: str


class MadeApiKeyAnswer(ApiKeyAnswer):
    """`secret` is shown this once; None for a key whose private half never was here."""

    secret: str | None


def routes(
    pool: Pool,
    seats: Seats,
    keys: KeyStore,
    passwords: Passwords,
    audit: Audit,
    clock: Clock = utc_now,
) -> list[Route]:
    """`keys` is on the file that the gateway reads."""
    desk = ApiKeys(pool, seats, keys, passwords, audit, clock)

    async def made(call: Call[NewApiKey]) -> MadeApiKeyAnswer:
        return await desk.make(call.signed_in, call.body)

    async def listed(call: Call[None]) -> list[ApiKeyAnswer]:
        return [_answer(key, wallet) for key, wallet in await desk.of(call.signed_in.user_id)]

    async def revoked(call: Call[None]) -> None:
        await desk.revoke(call.signed_in, call.path["key_id"])

    # fmt: off
    return [
        Route(method="POST", path="/api-keys", handler=made, body=NewApiKey, answer=MadeApiKeyAnswer, status=201,
              summary="Make a key for the trading API; its secret is shown this once."),
        Route(method="GET", path="/api-keys", handler=listed, answer=list[ApiKeyAnswer],
              summary="Your keys, without their secrets."),
        Route(method="DELETE", path="/api-keys/{key_id}", handler=revoked,
              summary="Revoke one of your keys; it stops working within a second, in open sessions too."),
    ]
    # fmt: on


class ApiKeys:
    """On the key file, which is read and written in a thread."""

    def __init__(
        self,
        pool: Pool,
        seats: Seats,
        keys: KeyStore,
        passwords: Passwords,
        audit: Audit,
        clock: Clock,
    ) -> None:
        self._pool = pool
        self._seats = seats
        self._keys = keys
        self._passwords = passwords
        self._audit = audit
        self._clock = clock

    async def make(self, actor: Actor, wish: NewApiKey) -> MadeApiKeyAnswer:
        """Raises Problem."""
        public_key, ips = _public_key(wish), _ips(wish.ips)
        account, wallet = await self._seats.chosen(actor.user_id, wish.wallet)
        await self._require_proof(actor, wish.password)
        if len(await self.of(actor.user_id)) >= KEYS_MAX:
            raise Problem(409, "TOO_MANY_KEYS", f"You have {KEYS_MAX} keys: revoke one first.")
        if public_key is None:
            key = await asyncio.to_thread(self._keys.create_hmac, account, wish.permissions, ips)
        else:
            key = await asyncio.to_thread(self._keys.create_ed25519, account, public_key, wish.permissions, ips)
        try:
            await self._write_down(actor, "API key made", key, wallet)
        except BaseException:
            await asyncio.to_thread(self._keys.revoke, key.key)  # none without its audit row
            raise
        shown = _answer(key, wallet)
        secret = key.secret.decode() if key.kind == HMAC else None
        return MadeApiKeyAnswer(shown.key, shown.kind, shown.permissions, shown.ips, shown.wallet, secret)

    async def of(self, user_id: UUID) -> list[tuple[Key, bytes]]:
        """The user's keys, and the wallet of each."""
        accounts = await self._seats.accounts(user_id)
        keys = await asyncio.to_thread(self._keys.all)
        return [(key, accounts[key.account]) for key in keys if key.account in accounts]

    async def revoke(self, actor: Actor, name: str) -> None:
        """Raises Problem 404 also for somebody else's."""
        for key, wallet in await self.of(actor.user_id):
            if key.key == name and await asyncio.to_thread(self._keys.revoke, name):
                return await self._write_down(actor, "API key revoked", key, wallet)
        raise not_found("API key of yours")

    async def _require_proof(self, actor: Actor, password: str | None) -> None:
        """A session alone makes no key that outlives it: a second factor, or the password again."""
        if actor.has_second_factor:
            return
        if password is None:
            raise Problem(403, "PROOF_NEEDED", "Send your password again, or sign in with a second factor.")
        await throttles.require(self._pool, PROOF, str(actor.user_id), self._clock())
        password_hash = await self._pool.fetchval(
            "SELECT password_hash FROM credentials WHERE user_id = $1", actor.user_id
        )
        if not await self._passwords.matches(password_hash, password):
            raise Problem(401, "PASSWORD_WRONG", "This is not your password.")
        await throttles.give_back(self._pool, PROOF, str(actor.user_id))

    async def _write_down(self, actor: Actor, action: str, key: Key, wallet: bytes) -> None:
        details = {"key": key.key[:NAME_CHARS], "kind": key.kind, "permissions": sorted(key.permissions)}
        async with self._pool.acquire() as connection, connection.transaction():
            await self._audit(connection, actor.name, action, user_id=actor.user_id, address=wallet, details=details)


def _answer(key: Key, wallet: bytes) -> ApiKeyAnswer:
    return ApiKeyAnswer(key.key, key.kind, sorted(key.permissions), sorted(key.ips), f"0x{wallet.hex()}")


def _public_key(wish: NewApiKey) -> bytes | None:
    """32 bytes for ED25519, None for HMAC. Raises Problem."""
    if wish.kind == HMAC:
        if wish.public_key is not None:
            raise Problem(422, "PUBLIC_KEY_NEEDLESS", "An HMAC key has no public half: leave public_key out.")
        return None
    assert wish.kind == ED25519
    text = (wish.public_key or "").strip()
    try:
        if _HEX_KEY(text):
            key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(text))
        else:
            loaded = load_pem_public_key(text.encode())
            if not isinstance(loaded, Ed25519PublicKey):
                raise ValueError("another kind of key")
            key = loaded
    except (ValueError, TypeError):
        detail = "public_key must be an Ed25519 public key: PEM, or 64 hex digits."
        raise Problem(422, "PUBLIC_KEY_NEEDED", detail) from None
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def _ips(texts: list[str]) -> list[str]:
    """Each in its one canonical form, as the gateway compares them. Raises Problem."""
    try:
        return sorted({str(ip_address(text)) for text in texts})
    except ValueError:
        raise Problem(422, "NOT_AN_ADDRESS", "ips are addresses such as 203.0.113.7 or 2001:db8::1.") from None
