"""Mails go out at least once under one Message-ID, keep no token, and reach the local catcher as they are."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiosmtpd.smtp import SMTP

from deedbook.embedded.child import free_port
from deedbook.notices.mail import ATTEMPTS_MAX, MailSender, SmtpServer, send_mail, sender_of, undelivered
from deedbook.notices.notify import notify
from deedbook.sandbox.mail import KEPT_MAX, Mailbox, page, serve_smtp
from persistence.database import Pool
from tests.fixtures.postgres import pool, postgres
from tests.fixtures.registered import add_person

__all__ = ["pool", "postgres"]
PAGES = "http://127.0.0.1:8080"
TOKEN = "one-time-secret"


@asynccontextmanager
async def caught(directory: Path, url: str) -> AsyncIterator[Mailbox]:
    mailbox = Mailbox(directory / "sandbox" / "mails.jsonl")
    server = await serve_smtp(mailbox, SmtpServer.of(url))
    try:
        yield mailbox
    finally:
        server.close()


def url() -> str:
    return f"smtp://deedbook:pass%40word@127.0.0.1:{free_port()}"


def sender(pool: Pool, url: str) -> MailSender:
    return MailSender(pool, url, sender_of(PAGES), PAGES, timeout_s=5)


async def ask(pool: Pool, user_id: UUID, kind: str, **data: str) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await send_mail(connection, user_id, kind, data)


async def due_now(pool: Pool) -> None:
    await pool.execute("UPDATE mails SET send_after = now()")


async def test_a_mail_arrives_with_its_link_and_its_token_is_forgotten(pool: Pool, tmp_path: Path) -> None:
    alice, where = await add_person(pool, "alice"), url()
    await ask(pool, alice, "verify_email", token=TOKEN)
    async with caught(tmp_path, where) as mailbox:
        assert await sender(pool, where).step() == 1
        assert await sender(pool, where).step() == 0
    (mail,) = mailbox.to("Alice@Example.com")
    row = await pool.fetchrow("SELECT * FROM mails")
    assert f"{PAGES}/verify#{TOKEN}\n" in mail.text
    assert mail.message_id == f"<{row['mail_id']}@localhost>"
    assert mail.sender == "no-reply@localhost"
    assert (row["state"], row["data"], row["attempts"]) == ("SENT", "{}", 1)
    assert (await undelivered(pool))[0] == 0


async def test_an_important_notice_is_mailed_with_its_text_as_it_is(pool: Pool, tmp_path: Path) -> None:
    alice, where = await add_person(pool, "alice"), url()
    async with pool.acquire() as connection, connection.transaction():
        await notify(connection, alice, "KYC_APPROVED", "You may trade {now}; früh und spät.")
        await notify(connection, alice, "TOLD", "Only on the pages.")
    async with caught(tmp_path, where) as mailbox:
        assert await sender(pool, where).step() == 1
    (mail,) = mailbox.mails
    assert mail.text.startswith("You may trade {now}; früh und spät.\n\nAll messages to you: ")


async def test_a_sender_killed_after_sending_sends_again_under_the_same_id(pool: Pool, tmp_path: Path) -> None:
    alice, where = await add_person(pool, "alice"), url()
    await ask(pool, alice, "reset_password", token=TOKEN)
    async with caught(tmp_path, where) as mailbox:
        killed = sender(pool, where)
        (row,) = await killed._claim()
        client = killed._client()
        await client.connect()
        await client.login("deedbook", "pass@word")
        await client.send_message(killed._message(row))
        client.close()
        assert await sender(pool, where).step() == 0  # it is leased
        await due_now(pool)
        assert await sender(pool, where).step() == 1
    first, second = mailbox.mails
    assert first.message_id == second.message_id
    assert first.text == second.text


async def test_a_server_that_is_away_or_refuses_us_is_tried_again_later_and_given_up_at_last(
    pool: Pool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    alice, where = await add_person(pool, "alice"), url()
    await ask(pool, alice, "verify_email", token=TOKEN)
    assert await sender(pool, where).step() == 1
    row = await pool.fetchrow("SELECT state, attempts, failure, send_after > now() AS waits FROM mails")
    assert tuple(row) == ("QUEUED", 1, "SMTPConnectError", True)
    async with caught(tmp_path, where) as mailbox:
        await due_now(pool)
        assert await sender(pool, where.replace("pass%40word", "wrong")).step() == 1
        assert mailbox.mails == []
        assert await pool.fetchval("SELECT failure FROM mails") == "SMTPAuthenticationError 535"
        await pool.execute("UPDATE mails SET attempts = $1, send_after = now()", ATTEMPTS_MAX - 1)
        await sender(pool, where.replace("pass%40word", "wrong")).step()
    assert tuple(await pool.fetchrow("SELECT state, data FROM mails")) == ("FAILED", "{}")
    assert TOKEN not in caplog.text
    assert "alice" not in caplog.text


async def test_an_address_that_the_server_refuses_for_good_is_given_up_and_the_others_go_on(
    pool: Pool, caplog: pytest.LogCaptureFixture
) -> None:
    class Refusing:
        async def handle_RCPT(self, _server: SMTP, _s: object, envelope: object, address: str, _o: object) -> str:  # noqa: N802
            if address.startswith("alice"):
                return f"550 no such person {address}"
            envelope.rcpt_tos.append(address)  # type: ignore[attr-defined]
            return "250 OK"

    port = free_port()
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(Refusing(), loop=asyncio.get_running_loop()), "127.0.0.1", port
    )
    try:
        for name in ("alice", "bob"):
            await ask(pool, await add_person(pool, name), "verify_email", token=TOKEN)
        assert await sender(pool, f"smtp://127.0.0.1:{port}").step() == 2
    finally:
        server.close()
    rows = await pool.fetch("SELECT state, failure, data FROM mails ORDER BY mail_id")
    assert [tuple(row) for row in rows] == [("FAILED", "SMTPRecipientsRefused", "{}"), ("SENT", "", "{}")]
    assert "alice" not in caplog.text


async def test_the_catcher_shows_its_mails_and_keeps_them_over_a_restart(pool: Pool, tmp_path: Path) -> None:
    where = url()
    for name in ("alice", "bob"):
        await ask(pool, await add_person(pool, name), "verify_email", token=f"<{name}>")
    async with caught(tmp_path, where):
        await sender(pool, where).step()
    again = Mailbox(tmp_path / "sandbox" / "mails.jsonl")
    async with TestClient(TestServer(page(again))) as client:
        (mail,) = await (await client.get("/sandbox/mails", params={"to": "bob@example.com"})).json()
        assert "#<bob>" in mail["text"]
        shown = await (await client.get("/")).text()
    assert f'<a href="{PAGES}/verify#&lt;alice&gt;">' in shown
    assert "<bob>" not in shown


def test_the_mailbox_is_bounded(tmp_path: Path) -> None:
    mailbox = Mailbox(tmp_path / "mails.jsonl")
    for number in range(2 * KEPT_MAX + 5):
        mailbox.add(["a@example.com"], b"Subject: %d\r\n\r\ntext\r\n" % number)
    assert len(mailbox.mails) < 2 * KEPT_MAX
    assert len(Mailbox(tmp_path / "mails.jsonl").mails) == KEPT_MAX
    assert mailbox.mails[-1].subject == f"{2 * KEPT_MAX + 4}"


def test_the_url_says_who_we_are() -> None:
    assert SmtpServer.of("smtps://a:b%3Ac@mail.example.com") == SmtpServer("mail.example.com", 465, "a", "b:c", True)
    assert sender_of("https://deedbook.example.com:8443/x") == "no-reply@deedbook.example.com"
