"""Routes by which people sign up, sign in and prove who they are."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from aiohttp import web

from api.route import Call, Route
from compliance import messages as m
from compliance.accounts import Accounts
from compliance.sessions import ABSOLUTE, COOKIE, Sessions
from persistence.database import Pool


def account_routes(pool: Pool, accounts: Accounts, sessions: Sessions, *, is_https: bool) -> list[Route]:
    """`is_https`: the cookie travels by https only."""
    handlers = _Handlers(pool, accounts, sessions, is_https)
    return [
        Route(
            method="POST",
            path="/auth/register",
            handler=handlers.register,
            body=m.Registration,
            status=202,
            summary="Ask for an account: a mail brings the token that verifies it.",
        ),
        Route(
            method="POST",
            path="/auth/verify",
            handler=handlers.verify,
            body=m.Verification,
            summary="Verify the address, with the token from the mail.",
        ),
        Route(
            method="POST",
            path="/auth/login",
            handler=handlers.login,
            body=m.Login,
            answer=m.LoggedIn,
            summary="Sign in: answers a token, which is set as a cookie too.",
        ),
        Route(method="POST", path="/auth/logout", handler=handlers.logout, summary="End this session."),
        Route(
            method="POST",
            path="/auth/password/forgot",
            handler=handlers.forgot,
            body=m.Forgotten,
            status=202,
            summary="Ask for a mail with a token that sets a new password.",
        ),
        Route(
            method="POST",
            path="/auth/password/reset",
            handler=handlers.reset,
            body=m.Reset,
            summary="Set a new password, with the token from the mail; all sessions end.",
        ),
        Route(
            method="GET",
            path="/auth/session",
            handler=handlers.session,
            answer=m.SessionNow,
            summary="Who is signed in.",
        ),
        Route(
            method="POST",
            path="/auth/totp",
            handler=handlers.begin_second_factor,
            body=m.SecondFactorBegin,
            answer=m.SecondFactorSecret,
            summary="Begin a second factor: its secret is shown once.",
        ),
        Route(
            method="POST",
            path="/auth/totp/confirm",
            handler=handlers.confirm_second_factor,
            body=m.SecondFactorConfirm,
            answer=m.RecoveryCodes,
            summary="Confirm the second factor with its code; recovery codes are shown once.",
        ),
    ]


class _Handlers:
    def __init__(self, pool: Pool, accounts: Accounts, sessions: Sessions, is_https: bool) -> None:
        self._pool = pool
        self._accounts = accounts
        self._sessions = sessions
        self._is_https: Final = is_https

    async def register(self, call: Call[m.Registration]) -> None:
        await self._accounts.register(call.body.email, call.body.password, call.ip)

    async def verify(self, call: Call[m.Verification]) -> None:
        await self._accounts.verify(call.body.token)

    async def login(self, call: Call[m.Login]) -> web.Response:
        body = call.body
        signed_in = await self._accounts.login(body.email, body.password, body.totp, call.ip)
        session = signed_in.session
        answer = m.LoggedIn(
            session.token,
            signed_in.user_id,
            sorted(signed_in.roles),
            signed_in.has_second_factor,
            session.expires_at,
        )
        response = web.Response(body=msgspec.json.encode(answer), content_type="application/json")
        response.headers["Cache-Control"] = "no-store"
        response.set_cookie(COOKIE, session.token, max_age=int(ABSOLUTE.total_seconds()), **self._cookie())
        return response

    async def logout(self, call: Call[None]) -> web.Response:
        await self._accounts.logout(call.signed_in)
        response = web.Response(status=204)
        response.del_cookie(COOKIE, **self._cookie())
        return response

    async def forgot(self, call: Call[m.Forgotten]) -> None:
        await self._accounts.forgot(call.body.email, call.ip)

    async def reset(self, call: Call[m.Reset]) -> None:
        await self._accounts.reset(call.body.token, call.body.password)

    async def session(self, call: Call[None]) -> m.SessionNow:
        actor = call.signed_in
        email = await self._pool.fetchval("SELECT email FROM users WHERE user_id = $1", actor.user_id)
        expires_at = await self._sessions.expires_at(actor.session_id)
        return m.SessionNow(actor.user_id, email, sorted(actor.roles), actor.has_second_factor, expires_at)

    async def begin_second_factor(self, call: Call[m.SecondFactorBegin]) -> m.SecondFactorSecret:
        return m.SecondFactorSecret(await self._accounts.begin_second_factor(call.signed_in, call.body.password))

    async def confirm_second_factor(self, call: Call[m.SecondFactorConfirm]) -> m.RecoveryCodes:
        return m.RecoveryCodes(await self._accounts.confirm_second_factor(call.signed_in, call.body.code))

    def _cookie(self) -> dict[str, Any]:
        return {"path": "/", "httponly": True, "samesite": "Strict", "secure": self._is_https}
