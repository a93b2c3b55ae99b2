"""Who people are: accounts and authority, identity checks, accreditation, and what they are told."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from functools import partial
from typing import Final

from compliance import kyc_routes, routes
from compliance.accreditation import Accreditation
from compliance.approvals import Approvals
from compliance.kyc import Kyc
from compliance.passwords import Passwords
from compliance.reminders import Reminders, enqueue_reminders
from compliance.sessions import Sessions
from compliance.sumsub import Sumsub
from deedbook import notification_routes
from deedbook.jobs import trade_notices
from deedbook.jobs.identity import IdentityJobs
from deedbook.mail import MailSender, send_mail, sender_of
from deedbook.notify import LiveNotifications, notify
from deedbook.office.desk import Desk
from deedbook.office.resources import Resources
from persistence.database import Pool

KYC_LEVELS: Final = ("investor",)  # the provider's name of what is asked for
REMIND_EVERY_S: Final = 3_600.0


def accounts_desk(r: Resources, sessions: Sessions, approvals: Approvals, passwords: Passwords) -> Desk:
    """Sign-up, sign-in, roles, approvals, wallets, and the audit log."""
    return Desk(
        routes=routes.routes(
            r.pool,
            sessions,
            approvals,
            send_mail,
            public_url=r.public_url,
            chain_id=r.chain_id,
            totp_key=r.secret,
            passwords=passwords,
        )
    )


def identity_desk(r: Resources) -> Desk:
    """Identity and accreditation, up to the chain."""
    assert r.settings.sumsub_url is not None
    credentials = r.credentials
    sumsub = Sumsub(
        r.http, r.settings.sumsub_url, credentials.sumsub_app_token, credentials.sumsub_secret_key, time.time
    )
    kyc = Kyc(r.pool, sumsub, notify, webhook_secret=credentials.sumsub_webhook_secret, levels=KYC_LEVELS)
    accreditation = Accreditation(r.pool, r.documents, notify)
    platform, infrastructure = r.deployment.platform, r.deployment.infrastructure
    identities = IdentityJobs(r.pool, platform, infrastructure, r.chain.final_block, notify)
    reminders = Reminders(r.pool, notify)
    return Desk(
        routes=kyc_routes.kyc_routes(r.pool, kyc, accreditation),
        jobs={**kyc.handlers(), **identities.handlers(), **reminders.handlers()},
        loops=[partial(_remind, r.pool)],
    )


def notices_desk(r: Resources) -> Desk:
    """What people are told: on the pages, in a stream, by mail."""
    assert r.settings.smtp_url is not None
    live = LiveNotifications(r.pool)
    mails = MailSender(r.pool, r.settings.smtp_url, sender_of(r.public_url), r.public_url)
    return Desk(
        routes=notification_routes.routes(r.pool, live),
        loops=[live.run, mails.run, partial(trade_notices.tell, r.pool, notify, r.feed.frames)],
    )


async def _remind(pool: Pool) -> None:
    while True:
        async with pool.acquire() as connection, connection.transaction():
            await enqueue_reminders(connection, datetime.now(UTC).date())
        await asyncio.sleep(REMIND_EVERY_S)
