"""The Stripe sandbox's pages: where a tenant pays, and where a person plays the banks."""

from __future__ import annotations

import html
from typing import Final
from urllib.parse import urlsplit

from deedbook.sandbox.stripe_account import Object, StripeAccount

ROWS_MAX: Final = 100
_HEAD: Final = (
    "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
    "<style>body{font:16px sans-serif;max-width:62em;margin:2em auto;padding:0 1em}"
    "td,th{padding:.2em .8em .2em 0;text-align:left}form{display:inline}</style>"
)


def payment_page(session: Object) -> str:
    """One session: pay it by card or bank, have the card refused, or go away."""
    dollars = _dollars(session["amount_total"])
    state = f"{session['status']}, {session['payment_status']}"
    path = f"/sandbox/sessions/{session['id']}"
    if session["status"] == "open":
        acts = (
            _button(f"{path}/pay", "Pay by card")
            + _button(f"{path}/decline", "Pay with a card that is refused")
            + _button(f"{path}/bank", "Pay from a bank account (takes days)")
            + _button(f"{path}/expire", "Let it expire")
            + _link(session["cancel_url"], "Go away without paying")
        )
    elif session["status"] == "complete" and session["payment_status"] == "unpaid":
        acts = _button(f"{path}/settle", "The bank pays") + _button(f"{path}/fail", "The bank does not pay")
    else:
        acts = _link(session["success_url"].replace("{CHECKOUT_SESSION_ID}", session["id"]), "Back")
    return (
        f"{_HEAD}<title>Pay</title><h1>{dollars} USD</h1><p>State: {html.escape(state)}.</p><p>{acts}</p>"
        "<p><a href=/>All sessions, charges and payouts</a>. No real money moves here.</p>"
    )


def overview_page(account: StripeAccount, waiting: int) -> str:
    """Everything, with what a bank may do to it."""
    sessions = [
        [
            _inner(f"/pay/{each['id']}", each["id"]),
            _dollars(each["amount_total"]),
            each["status"],
            each["payment_status"],
        ]
        for each in account.listed("checkout.session")
    ]
    charges = [
        [
            html.escape(each["id"]),
            _dollars(each["amount"]),
            _dollars(each["amount_refunded"]),
            each["status"],
            _acts(each),
        ]
        for each in account.listed("charge")
    ]
    refunds = [
        [
            html.escape(each["id"]),
            _dollars(each["amount"]),
            each["status"],
            _button(f"/sandbox/refunds/{each['id']}/fail", "Fail"),
        ]
        for each in account.listed("refund")
    ]
    disputes = [
        [html.escape(each["id"]), _dollars(each["amount"]), each["status"], _closing(each)]
        for each in account.listed("dispute")
    ]
    payouts = [
        [html.escape(each["id"]), _dollars(each["amount"]), each["status"], html.escape(each["trace_id"]["value"])]
        for each in account.listed("payout")
    ]
    return (
        f"{_HEAD}<title>Stripe sandbox</title><h1>Stripe sandbox</h1>"
        f"<p>Balance: {_dollars(account.balance_cents())} USD. Events on their way: {waiting}. "
        f"{_button('/sandbox/payout', 'Pay the balance out')}</p>"
        + _table("Sessions", ("Session", "USD", "Status", "Payment"), sessions)
        + _table("Charges", ("Charge", "USD", "Refunded", "Status", ""), charges)
        + _table("Refunds", ("Refund", "USD", "Status", ""), refunds)
        + _table("Disputes", ("Dispute", "USD", "Status", ""), disputes)
        + _table("Payouts", ("Payout", "USD", "Status", "Reference on the wire"), payouts)
    )


def _acts(charge: Object) -> str:
    if charge["status"] != "succeeded":
        return ""
    path = f"/sandbox/charges/{charge['id']}"
    return _button(f"{path}/refund", "Refund the rest") + _button(f"{path}/dispute", "Dispute")


def _closing(dispute: Object) -> str:
    path = f"/sandbox/disputes/{dispute['id']}"
    return _button(f"{path}/won", "Won") + _button(f"{path}/lost", "Lost")


def _dollars(cents: int) -> str:
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100:,}.{abs(cents) % 100:02}"


def _button(path: str, text: str) -> str:
    return f"<form method=post action='{html.escape(path)}'><button>{html.escape(text)}</button></form> "


def _inner(path: str, text: str) -> str:
    return f"<a href='{html.escape(path)}'>{html.escape(text)}</a>"


def _link(url: str | None, text: str) -> str:
    """Only to a web page: the URL is the caller's."""
    if url is None or urlsplit(url).scheme not in ("http", "https"):
        return ""
    return _inner(url, text)


def _table(title: str, heads: tuple[str, ...], rows: list[list[str]]) -> str:
    if not rows:
        return ""
    head = "".join(f"<th>{html.escape(each)}" for each in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}" for cell in row) for row in rows[:ROWS_MAX])
    return f"<h2>{html.escape(title)}</h2><table><tr>{head}{body}</table>"
