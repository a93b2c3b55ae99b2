"""Accounts: from an address and a password to a session. No answer tells whether an address is known."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from api.actor import Actor, Role
from api.clock import Clock, utc_now
from api.problem import Problem
from compliance import mail_tokens, throttles
from compliance.audit import record
from compliance.mail_tokens import Mail, MailToken
from compliance.passwords import Passwords, require_password
from compliance.registry import EMAIL_LENGTH_MAX, facts, insert_user
from compliance.sessions import Opened, Sessions
from compliance.throttles import Throttle
from compliance.totp import SecondFactor
from persistence.database import Connection, Pool

# As browsers read <input type=email>, with a dot in the domain: what can be mailed to without extensions.
_EMAIL: Final = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}"
)
SIGN_IN_BY_ACCOUNT: Final = Throttle("sign in by account", 10, timedelta(minutes=15))
SIGN_IN_BY_NETWORK: Final = Throttle("sign in by network", 50, timedelta(minutes=15))
REGISTER_BY_NETWORK: Final = Throttle("register by network", 50, timedelta(hours=1))
MAIL_BY_ACCOUNT: Final = Throttle("mail by account", 5, timedelta(hours=1))
PROOF_BY_ACCOUNT: Final = Throttle("proof by account", 10, timedelta(minutes=15))
REGISTRATION: Final = "registration"  # the audit log's name for somebody who is nobody yet


@dataclass(frozen=True, slots=True)
class SignedIn:
    user_id: UUID
    roles: frozenset[Role]
    has_second_factor: bool
    session: Opened


class Accounts:
    """`mail` queues a mail in the transaction it is given."""

    def __init__(
        self,
        pool: Pool,
        passwords: Passwords,
        sessions: Sessions,
        second_factor: SecondFactor,
        mail: Mail,
        clock: Clock = utc_now,
    ) -> None:
        self._pool = pool
        self._passwords = passwords
        self._sessions = sessions
        self._second_factor = second_factor
        self._mail = mail
        self._clock = clock

    async def register(self, email: str, password: str, ip: str) -> None:
        """Mail a token that verifies the address and sets this password; one that resets it if the address is known.

        Raises Problem 400 for what is no address or no password, 429 for too many from one network.
        """
        if len(email) > EMAIL_LENGTH_MAX or _EMAIL.fullmatch(email) is None:
            raise Problem(400, "EMAIL_MALFORMED", "This is not an e-mail address.")
        require_password(password)
        now = self._clock()
        await throttles.require(self._pool, REGISTER_BY_NETWORK, throttles.network_of(ip), now)
        password_hash = await self._passwords.hash(password)
        async with facts(self._pool) as connection:
            known = await _person(connection, email)
            user_id = known["user_id"] if known else await insert_user(connection, email, actor=REGISTRATION)
            if await throttles.take(connection, MAIL_BY_ACCOUNT, str(user_id), now) > 0:
                return
            if known and known["password_hash"]:
                await mail_tokens.send(connection, self._mail, MailToken.RESET_PASSWORD, user_id, now)
                return
            await mail_tokens.send(
                connection, self._mail, MailToken.VERIFY_EMAIL, user_id, now, password_hash=password_hash
            )

    async def verify(self, token: str) -> None:
        """Raises Problem 400 for a token that is spent, too old or none."""
        async with self._pool.acquire() as connection, connection.transaction():
            spent = await mail_tokens.spend(connection, MailToken.VERIFY_EMAIL, token, self._clock())
            assert spent.password_hash is not None
            await self._set_password(connection, spent.user_id, spent.password_hash)
            await record(connection, f"user:{spent.user_id}", "e-mail verified", user_id=spent.user_id)

    async def login(self, email: str, password: str, code: str | None, ip: str) -> SignedIn:
        """`code` of the second factor, or a recovery code, for who has enrolled one.

        Raises Problem 401 for a wrong one of the three, the same for an unknown or unverified address; 429.
        """
        now, account, network = self._clock(), email.lower(), throttles.network_of(ip)
        await throttles.require(self._pool, SIGN_IN_BY_NETWORK, network, now)
        await throttles.require(self._pool, SIGN_IN_BY_ACCOUNT, account, now)
        person = await _person(self._pool, email)
        password_hash = person["password_hash"] if person else None
        try:
            is_right = await self._passwords.matches(password_hash, password)
        except Problem:  # too busy to look: that was no attempt
            await throttles.give_back(self._pool, SIGN_IN_BY_NETWORK, network)
            await throttles.give_back(self._pool, SIGN_IN_BY_ACCOUNT, account)
            raise
        if not is_right:
            raise _sign_in_refused()
        assert person is not None
        async with self._pool.acquire() as connection, connection.transaction():
            signed_in = await self._signed_in(connection, person, code)
        await throttles.give_back(self._pool, SIGN_IN_BY_NETWORK, network)
        if signed_in is None:
            await throttles.give_back(self._pool, SIGN_IN_BY_ACCOUNT, account)
            raise Problem(401, "TOTP_REQUIRED", "Send the code of your second factor as well.")
        await throttles.forget(self._pool, SIGN_IN_BY_ACCOUNT, account)
        return signed_in

    async def logout(self, actor: Actor) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await self._sessions.revoke(connection, actor.session_id)
            await record(connection, actor.name, "signed out", user_id=actor.user_id)

    async def forgot(self, email: str, ip: str) -> None:
        """Mail a token that sets a new password, if somebody has this address. Raises Problem 429."""
        now = self._clock()
        await throttles.require(self._pool, REGISTER_BY_NETWORK, throttles.network_of(ip), now)
        async with self._pool.acquire() as connection, connection.transaction():
            person = await _person(connection, email)
            if person is None or await throttles.take(connection, MAIL_BY_ACCOUNT, str(person["user_id"]), now) > 0:
                return
            await mail_tokens.send(connection, self._mail, MailToken.RESET_PASSWORD, person["user_id"], now)

    async def reset(self, token: str, password: str) -> None:
        """Set a new password, end all sessions. Raises Problem 400 for a token that is spent or old, or no password."""
        require_password(password)
        await mail_tokens.require_good(self._pool, MailToken.RESET_PASSWORD, token, self._clock())
        password_hash = await self._passwords.hash(password)
        async with self._pool.acquire() as connection, connection.transaction():
            spent = await mail_tokens.spend(connection, MailToken.RESET_PASSWORD, token, self._clock())
            await self._set_password(connection, spent.user_id, password_hash)
            await self._sessions.revoke_all(connection, spent.user_id)
            await record(connection, f"user:{spent.user_id}", "password reset", user_id=spent.user_id)

    async def begin_second_factor(self, actor: Actor, password: str) -> str:
        """The otpauth URI of a new second factor, shown once.

        Raises Problem 401 for a wrong password, 403 if one is enrolled and was not shown in this session, 429.
        """
        now = self._clock()
        await throttles.require(self._pool, PROOF_BY_ACCOUNT, str(actor.user_id), now)
        row = await self._pool.fetchrow(
            "SELECT email, password_hash FROM users JOIN credentials USING (user_id) WHERE user_id = $1", actor.user_id
        )
        if not await self._passwords.matches(row["password_hash"], password):
            raise Problem(401, "PASSWORD_WRONG", "This is not your password.")
        async with self._pool.acquire() as connection, connection.transaction():
            if not actor.has_second_factor and await self._second_factor.is_enrolled(connection, actor.user_id):
                detail = "Sign in with your second factor, or a recovery code, before you replace it."
                raise Problem(403, "SECOND_FACTOR_REQUIRED", detail)
            uri = await self._second_factor.begin(connection, actor.user_id, row["email"])
            await record(connection, actor.name, "second factor begun", user_id=actor.user_id)
        await throttles.give_back(self._pool, PROOF_BY_ACCOUNT, str(actor.user_id))
        return uri

    async def confirm_second_factor(self, actor: Actor, code: str) -> list[str]:
        """Recovery codes, shown once; this session has the second factor now, and the person's others end.

        Raises Problem 400 for a wrong code or if nothing was begun, 429.
        """
        now = self._clock()
        await throttles.require(self._pool, PROOF_BY_ACCOUNT, str(actor.user_id), now)
        async with self._pool.acquire() as connection, connection.transaction():
            codes = await self._second_factor.confirm(connection, actor.user_id, code, now)
            if codes is None:
                raise Problem(400, "TOTP_WRONG", "The code is not right: send the one that is shown now.")
            await self._sessions.prove_second_factor(connection, actor.session_id)
            await self._sessions.revoke_all(connection, actor.user_id, but=actor.session_id)
            await record(connection, actor.name, "second factor confirmed", user_id=actor.user_id)
        await throttles.forget(self._pool, PROOF_BY_ACCOUNT, str(actor.user_id))
        return codes

    async def _signed_in(self, connection: Connection, person: Any, code: str | None) -> SignedIn | None:
        """None when the code of the second factor is missing. A password changed meanwhile is a wrong one."""
        user_id = person["user_id"]
        stands = await connection.fetchval(
            "SELECT password_hash FROM credentials WHERE user_id = $1 FOR SHARE", user_id
        )
        if stands != person["password_hash"]:
            raise _sign_in_refused()
        is_enrolled = await self._second_factor.is_enrolled(connection, user_id)
        if is_enrolled and code is None:
            return None
        if is_enrolled and not await self._second_factor.take(connection, user_id, code or "", self._clock()):
            raise Problem(401, "TOTP_WRONG", "The code is not right, or was used already: send the one shown next.")
        session = await self._sessions.open(connection, user_id, has_second_factor=is_enrolled)
        await record(connection, f"user:{user_id}", "signed in", user_id=user_id)
        roles = await connection.fetch("SELECT role FROM user_roles WHERE user_id = $1", user_id)
        return SignedIn(user_id, frozenset(Role(row["role"]) for row in roles), is_enrolled, session)

    async def _set_password(self, connection: Connection, user_id: UUID, password_hash: str) -> None:
        """Of somebody who has just shown to read their mail; they are an investor from then on."""
        email = await connection.fetchval(
            "WITH changed AS (INSERT INTO credentials (user_id, password_hash, email_verified_at, changed_at)"
            " VALUES ($1, $2, $3, $3) ON CONFLICT (user_id) DO UPDATE SET"
            " password_hash = excluded.password_hash, changed_at = excluded.changed_at)"
            " SELECT email FROM users WHERE user_id = $1",
            user_id,
            password_hash,
            self._clock(),
        )
        await connection.execute(
            "INSERT INTO user_roles (user_id, role) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            user_id,
            str(Role.INVESTOR),
        )
        await connection.execute(
            "WITH given AS (DELETE FROM waiting_roles WHERE user_id = $1 RETURNING user_id, role)"
            " INSERT INTO user_roles (user_id, role) SELECT user_id, role FROM given ON CONFLICT DO NOTHING",
            user_id,
        )
        await throttles.forget(connection, SIGN_IN_BY_ACCOUNT, email.lower())


async def _person(connection: Connection | Pool, email: str) -> Any:
    """Their user_id, and the hash of their password once the address is verified."""
    return await connection.fetchrow(
        "SELECT user_id, password_hash FROM users LEFT JOIN credentials USING (user_id) WHERE lower(email) = lower($1)",
        email,
    )


def _sign_in_refused() -> Problem:
    detail = "The address or the password is wrong, or the address is not verified: open the link in our mail first."
    return Problem(401, "SIGN_IN_REFUSED", detail)
