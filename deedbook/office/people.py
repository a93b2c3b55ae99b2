"""Who people are: accounts and authority, identity checks, accreditation, and what they are told."""

from __future__ import annotations

import time
from functools import partial

from api.clock import utc_now
from compliance import kyc_routes, routes
from compliance.accreditation import Accreditation
from compliance.appointments import ROLES, Appointments
from compliance.approvals import Approvals
from compliance.audit_heads import AuditHeads
from compliance.daily import Daily, enqueue_daily
from compliance.kyc import Kyc
from compliance.passwords import Passwords
from compliance.reminders import Reminders
from compliance.sessions import Sessions
from compliance.sumsub import Sumsub
from deedbook.jobs import trade_notices
from deedbook.jobs.identity import IdentityJobs
from deedbook.notices import notification_routes
from deedbook.notices.mail import MailSender, send_mail, sender_of
from deedbook.notices.notify import LiveNotifications, notify
from deedbook.office.desk import Desk, in_rounds
from deedbook.office.resources import Resources
from persistence.database import Pool


def accounts_desk(r: Resources, sessions: Sessions, approvals: Approvals, passwords: Passwords) -> Desk:
    """Sign-up, sign-in, roles, approvals, wallets, and the audit log."""
    appointments = Appointments(r.pool, approvals)
    return Desk(
        executors={ROLES: appointments.decided},
        jobs=Daily(r.pool, AuditHeads(r.layout.audit_heads), notify).handlers(),
        loops=[
            partial(in_rounds, "the day's jobs are not begun", partial(_begin_day, r.pool)),
            partial(in_rounds, "approvals do not expire", approvals.expire),
        ],
        routes=routes.routes(
            r.pool,
            sessions,
            approvals,
            appointments,
            send_mail,
            public_url=r.public_url,
            chain_id=r.chain_id,
            totp_key=r.secret,
            passwords=passwords,
        ),
    )


def identity_desk(r: Resources) -> Desk:
    """Identity and accreditation, up to the chain."""
    assert r.settings.sumsub_url is not None
    credentials = r.credentials
    sumsub = Sumsub(
        r.http, r.settings.sumsub_url, credentials.sumsub_app_token, credentials.sumsub_secret_key, time.time
    )
    kyc = Kyc(r.pool, sumsub, notify, webhook_secret=credentials.sumsub_webhook_secret, levels=r.settings.kyc_levels)
    accreditation = Accreditation(r.pool, r.documents, notify)
    platform, infrastructure = r.deployment.platform, r.deployment.infrastructure
    identities = IdentityJobs(r.pool, platform, infrastructure, r.chain.final_block, notify)
    reminders = Reminders(r.pool, notify)
    return Desk(
        routes=kyc_routes.kyc_routes(r.pool, kyc, accreditation),
        jobs={**kyc.handlers(), **identities.handlers(), **reminders.handlers()},
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


async def _begin_day(pool: Pool) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await enqueue_daily(connection, utc_now().date())
