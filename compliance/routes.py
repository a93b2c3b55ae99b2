"""The routes of accounts and authority, put together."""

from __future__ import annotations

from api.clock import Clock, utc_now
from api.route import Route
from compliance.account_routes import account_routes
from compliance.accounts import Accounts
from compliance.appointments import Appointments
from compliance.approvals import Approvals
from compliance.authority_routes import authority_routes
from compliance.mail_tokens import Mail
from compliance.passwords import Passwords
from compliance.sessions import Sessions
from compliance.totp import SecondFactor
from compliance.wallets import Wallets
from persistence.database import Pool


def routes(
    pool: Pool,
    sessions: Sessions,
    approvals: Approvals,
    appointments: Appointments,
    mail: Mail,
    *,
    public_url: str,
    chain_id: int,
    totp_key: bytes,
    passwords: Passwords | None = None,
    clock: Clock = utc_now,
) -> list[Route]:
    """`sessions` is also what the mount authenticates by; `totp_key`: 32 bytes that the database does not have."""
    accounts = Accounts(pool, passwords or Passwords(), sessions, SecondFactor(totp_key), mail, clock)
    wallets = Wallets(pool, public_url, chain_id, clock)
    return [
        *account_routes(pool, accounts, sessions, is_https=public_url.startswith("https://")),
        *authority_routes(pool, approvals, appointments, wallets),
    ]
