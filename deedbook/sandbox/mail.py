"""A mail server for a machine without one: takes every mail, delivers none, and shows them on a page."""

from __future__ import annotations

import asyncio
import hmac
import html
import os
import sys
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.utils import getaddresses
from pathlib import Path
from typing import Any, Final

import msgspec
from aiohttp import web
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from deedbook.notices.mail import SmtpServer
from deedbook.process import announce_ready, stop_signals

KEPT_MAX: Final = 1_000  # mails; then the oldest go
MAIL_BYTES_MAX: Final = 256 * 1024
PAGE_MAIL_MAX: Final = 100


class Mail(msgspec.Struct, frozen=True):
    """One mail as it came."""

    number: int
    received_at: datetime
    to: tuple[str, ...]
    sender: str
    subject: str
    message_id: str
    text: str


class Mailbox:
    """The newest KEPT_MAX mails, in one file of JSON lines."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.mails: list[Mail] = []
        if path.exists():
            lines = path.read_bytes().splitlines()
            self.mails = [msgspec.json.decode(line, type=Mail) for line in lines if line.endswith(b"}")][-KEPT_MAX:]
        self._write_all()

    def add(self, recipients: list[str], content: bytes) -> Mail:
        message = message_from_bytes(content, policy=policy.default)
        body = message.get_body(("plain",))
        mail = Mail(
            number=self.mails[-1].number + 1 if self.mails else 1,
            received_at=datetime.now(UTC),
            to=tuple(recipients),
            sender=", ".join(address for _, address in getaddresses([str(message["From"])])),
            subject=str(message["Subject"]),
            message_id=str(message["Message-ID"]),
            text="" if body is None else str(body.get_content()).replace("\r\n", "\n"),
        )
        self.mails.append(mail)
        if len(self.mails) >= 2 * KEPT_MAX:
            self.mails = self.mails[-KEPT_MAX:]
            self._write_all()
        else:
            with self._path.open("ab") as file:
                file.write(msgspec.json.encode(mail) + b"\n")
        return mail

    def to(self, address: str | None) -> list[Mail]:
        """Those to an address, or all, the newest last."""
        wanted = None if address is None else address.casefold()
        return [mail for mail in self.mails if wanted is None or wanted in (each.casefold() for each in mail.to)]

    def _write_all(self) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path.touch(mode=0o600)
        self._path.write_bytes(b"".join(msgspec.json.encode(mail) + b"\n" for mail in self.mails))


class Catcher:
    """aiosmtpd's handler and authenticator: only with our user and password is a mail taken."""

    def __init__(self, mailbox: Mailbox, user: str, password: str) -> None:
        self._mailbox = mailbox
        self._login = (user.encode(), password.encode())

    async def handle_MAIL(  # noqa: N802
        self, _server: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if not session.authenticated:
            return "530 5.7.0 Authentication required"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content
        assert isinstance(content, bytes)
        self._mailbox.add([str(each) for each in envelope.rcpt_tos], content)
        return "250 taken"

    def authenticate(
        self, _server: Any, _session: Session, _envelope: Envelope, _mechanism: str, data: Any
    ) -> AuthResult:
        if not isinstance(data, LoginPassword):
            return AuthResult(success=False)
        is_user = hmac.compare_digest(self._login[0], data.login)
        is_password = hmac.compare_digest(self._login[1], data.password)
        return AuthResult(success=is_user and is_password, handled=False)


async def serve_smtp(mailbox: Mailbox, server: SmtpServer) -> asyncio.Server:
    """Listen on the URL's host and port, for who knows its user and password."""
    catcher = Catcher(mailbox, server.user or "", server.password or "")

    def protocol() -> SMTP:
        return SMTP(
            catcher,
            data_size_limit=MAIL_BYTES_MAX,
            hostname="deedbook",
            auth_require_tls=False,  # it listens on this machine only
            authenticator=catcher.authenticate,
            loop=asyncio.get_running_loop(),
        )

    return await asyncio.get_running_loop().create_server(protocol, server.host, server.port)


def page(mailbox: Mailbox) -> web.Application:
    """`/` for people, `/sandbox/mails?to=` for programs."""

    async def shown(_request: web.Request) -> web.Response:
        mails = "".join(_html(mail) for mail in reversed(mailbox.mails[-PAGE_MAIL_MAX:])) or "<p>No mail yet.</p>"
        text = f"<!doctype html><meta charset=utf-8><title>Mails</title>{_STYLE}<h1>Mails on this machine</h1>{mails}"
        return web.Response(text=text, content_type="text/html", headers=_HEADERS)

    async def listed(request: web.Request) -> web.Response:
        found = mailbox.to(request.query.get("to"))
        return web.Response(body=msgspec.json.encode(found), content_type="application/json", headers=_HEADERS)

    app = web.Application()
    app.router.add_get("/", shown)
    app.router.add_get("/sandbox/mails", listed)
    return app


_STYLE: Final = "<style>body{font:16px sans-serif;max-width:48em;margin:2em auto}pre{white-space:pre-wrap}</style>"
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "Referrer-Policy": "no-referrer",
}


def _html(mail: Mail) -> str:
    """The text with its links as links; everything of the mail is escaped."""
    lines = [
        f'<a href="{html.escape(line)}">{html.escape(line)}</a>'
        if line.startswith(("http://", "https://"))
        else html.escape(line)
        for line in mail.text.splitlines()
    ]
    head = f"{mail.received_at:%Y-%m-%d %H:%M:%S} to {', '.join(mail.to)}"
    return f"<h2>{html.escape(mail.subject)}</h2><p>{html.escape(head)}</p><pre>{chr(10).join(lines)}</pre><hr>"


def main() -> int:
    """Run until SIGTERM or SIGINT; SMTP_URL, MAIL_PAGE_PORT and DEEDBOOK_DATA say where."""
    asyncio.run(_serve(os.environ["SMTP_URL"], int(os.environ["MAIL_PAGE_PORT"]), Path(os.environ["DEEDBOOK_DATA"])))
    return 0


async def _serve(smtp_url: str, page_port: int, data_dir: Path) -> None:
    mailbox = Mailbox(data_dir / "sandbox" / "mails.jsonl")
    runner = web.AppRunner(page(mailbox), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", page_port).start()
    smtp = await serve_smtp(mailbox, SmtpServer.of(smtp_url))
    stopping = stop_signals()
    announce_ready(f"http://127.0.0.1:{page_port}")
    await stopping.wait()
    smtp.close()
    await runner.cleanup()


if __name__ == "__main__":
    sys.exit(main())
