"""Mails: written down in the transaction that wants them, sent later at least once, with one Message-ID each."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any, Final
from urllib.parse import unquote, urlsplit
from uuid import UUID

import aiosmtplib

from persistence.database import Connection, Pool
from persistence.projections import DATABASE_AWAY

POLL_S: Final = 0.5
TIMEOUT_S: Final = 20.0
AT_ONCE: Final = 20
ATTEMPTS_MAX: Final = 12  # with the back-off below about six hours
BACK_OFF_S: Final = 10.0
BACK_OFF_S_MAX: Final = 4 * 3600.0
LEASE_S: Final = 120.0  # after which a mail whose sender died is taken again
_log: Final = logging.getLogger(__name__)

# Subject and text of each kind; {link} carries the one-time token behind #, so that no server's log ever has it.
TEMPLATES: Final[Mapping[str, tuple[str, str]]] = {
    "verify_email": (
        "Confirm your e-mail address",
        "Welcome to Deedbook.\n\nOpen this link to confirm your e-mail address:\n\n{link}\n\n"
        "If you did not register, ignore this mail: nothing happens then.\n",
    ),
    "reset_password": (
        "Choose a new password",
        "Open this link to choose a new password:\n\n{link}\n\n"
        "If you did not ask for it, ignore this mail: your password stays as it is.\n",
    ),
    "invitation": (
        "Your tenancy on Deedbook",
        "Your property manager entered you as a tenant on Deedbook. Register with this address to see your lease and"
        " to pay your rent:\n\n{link}\n",
    ),
    "notice": ("Deedbook: a message for you", "{text}\n\nAll messages to you: {link}\n"),
}
PAGES: Final[Mapping[str, str]] = {
    "verify_email": "/verify",
    "reset_password": "/reset-password",
    "invitation": "/register",
    "notice": "/account/messages",
}


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where mails go, from SMTP_URL: smtp://user:password@host:port, or smtps:// for TLS from the first byte."""

    host: str
    port: int
    user: str | None
    password: str | None
    is_tls: bool

    @classmethod
    def of(cls, url: str) -> SmtpServer:
        parts = urlsplit(url)
        assert parts.scheme in ("smtp", "smtps")
        assert parts.hostname is not None
        is_tls = parts.scheme == "smtps"
        user, password = (None if each is None else unquote(each) for each in (parts.username, parts.password))
        return cls(parts.hostname, parts.port or (465 if is_tls else 587), user, password, is_tls)


async def send_mail(connection: Connection, user_id: UUID, kind: str, data: Mapping[str, Any]) -> None:
    """Have a mail sent once the caller's transaction stands; `data["token"]` is gone when it was sent or given up."""
    assert kind in TEMPLATES, kind
    await connection.execute(
        "INSERT INTO mails (user_id, kind, data) VALUES ($1, $2, $3)", *(user_id, kind, json.dumps(dict(data)))
    )


class MailSender:
    """
    url         as SMTP_URL
    sender      the address that mails come from
    public_url  where our pages are, for links
    """

    def __init__(self, pool: Pool, url: str, sender: str, public_url: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self._pool = pool
        self._server = SmtpServer.of(url)
        self._sender = sender
        self._public_url = public_url.rstrip("/")
        self._timeout_s = timeout_s

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                sent = await self.step()
            except DATABASE_AWAY as error:
                _log.warning("mails wait for the database: %s", type(error).__name__)
                sent = 0
            if sent < AT_ONCE:
                await asyncio.sleep(POLL_S)

    async def step(self) -> int:
        """Try what is due, up to AT_ONCE, on one connection; how many were tried."""
        due = await self._claim()
        if not due:
            return 0
        client = self._client()
        try:
            try:
                await client.connect()
                if self._server.user is not None:
                    await client.login(self._server.user, self._server.password or "")
            except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
                for row in due:
                    await self._postpone(row, _named(error))
                return len(due)
            for row in due:
                await self._send(client, row)
        finally:
            client.close()
        return len(due)

    def _client(self) -> aiosmtplib.SMTP:
        server = self._server
        return aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            timeout=self._timeout_s,
            use_tls=server.is_tls,
            start_tls=False if server.is_tls else None,  # None: where the server offers it
        )

    async def _claim(self) -> list[Any]:
        """Take what is due for LEASE_S: whoever dies with it leaves it to the next."""
        rows: list[Any] = await self._pool.fetch(
            "WITH due AS (SELECT mail_id FROM mails WHERE state = 'QUEUED' AND send_after <= now()"
            " ORDER BY send_after LIMIT $1 FOR UPDATE SKIP LOCKED)"
            " UPDATE mails m SET attempts = attempts + 1, send_after = now() + make_interval(secs => $2)"
            " FROM due, users u WHERE m.mail_id = due.mail_id AND u.user_id = m.user_id"
            " RETURNING m.mail_id, m.kind, m.data, m.attempts, m.created_at, u.email,"
            " (SELECT n.text FROM notifications n WHERE n.notification_id = (m.data ->> 'notification_id')::uuid)",
            *(AT_ONCE, LEASE_S),
        )
        return rows

    async def _send(self, client: aiosmtplib.SMTP, row: Any) -> None:
        try:
            await client.send_message(self._message(row))
        except aiosmtplib.SMTPRecipientsRefused as error:
            is_lasting = all(500 <= each.code < 600 for each in error.recipients)
            await (self._give_up(row, _named(error)) if is_lasting else self._postpone(row, _named(error)))
        except aiosmtplib.SMTPResponseException as error:
            await (self._give_up if 500 <= error.code < 600 else self._postpone)(row, _named(error))
        except (aiosmtplib.SMTPException, OSError, TimeoutError, ValueError) as error:
            await self._postpone(row, _named(error))
        else:
            await self._pool.execute(
                "UPDATE mails SET state = 'SENT', sent_at = now(), failure = '', data = data - 'token'"
                " WHERE mail_id = $1 AND state = 'QUEUED'",
                row["mail_id"],
            )

    def _message(self, row: Any) -> EmailMessage:
        """Raises ValueError for an address that no header can hold."""
        data = json.loads(row["data"])
        subject, text = TEMPLATES[row["kind"]]
        link = self._public_url + PAGES[row["kind"]] + (f"#{data['token']}" if "token" in data else "")
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = self._sender, row["email"], subject
        message["Date"] = format_datetime(row["created_at"].astimezone(UTC))
        message["Message-ID"] = f"<{row['mail_id']}@{self._sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(text.format(link=link, text=row["text"]))
        return message

    async def _postpone(self, row: Any, failure: str) -> None:
        if row["attempts"] >= ATTEMPTS_MAX:
            return await self._give_up(row, failure)
        wait_s = min(BACK_OFF_S * 2 ** (row["attempts"] - 1), BACK_OFF_S_MAX)
        _log.warning("mail %s waits %.0f s: %s", row["mail_id"], wait_s, failure)
        await self._pool.execute(
            "UPDATE mails SET send_after = now() + make_interval(secs => $2), failure = $3 WHERE mail_id = $1",
            *(row["mail_id"], wait_s, failure),
        )

    async def _give_up(self, row: Any, failure: str) -> None:
        _log.error("mail %s is given up: %s", row["mail_id"], failure)
        await self._pool.execute(
            "UPDATE mails SET state = 'FAILED', failure = $2, data = data - 'token'"
            " WHERE mail_id = $1 AND state = 'QUEUED'",
            *(row["mail_id"], failure),
        )


async def undelivered(pool: Pool) -> tuple[int, datetime | None]:
    """How many mails wait, and since when the oldest does: for whoever looks after the machine."""
    row = await pool.fetchrow("SELECT count(*), min(created_at) FROM mails WHERE state = 'QUEUED'")
    return row[0], row[1]


def sender_of(public_url: str) -> str:
    """An address of our own at the host of our pages."""
    host = urlsplit(public_url).hostname or "localhost"
    is_name = any(letter.isalpha() for letter in host) and ":" not in host
    return f"no-reply@{host if is_name else 'localhost'}"


def _named(error: BaseException) -> str:
    """The kind of error and its status: what a server says may hold the address."""
    code = getattr(error, "code", None)
    return type(error).__name__ if code is None else f"{type(error).__name__} {code}"
