"""A Sumsub of our own: same endpoints, signatures and webhooks; a person plays the applicant and the reviewer.

Its page is `/`; `/sandbox/...` duplicates, reorders, delays and redelivers what it tells us.
"""

from __future__ import annotations

import asyncio
import hmac
import html
import logging
import os
import secrets
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import msgspec
from aiohttp import web

from compliance.countries import ALPHA2_OF_ALPHA3
from compliance.sumsub import signature, webhook_digest
from deedbook.sandbox.serving import HEADERS, json_answer, json_body, serve
from deedbook.sandbox.sumsub_applicants import Algorithm, Applicant, Applicants, Event, Mode, Refusal

CLOCK_SKEW_S: Final = 60
TICK_S: Final = 0.05
DELIVERY_TIMEOUT_S: Final = 5.0  # of the real one
BODY_BYTES_MAX: Final = 64 * 1024
RESEND_SCALE: Final = "0.01"  # 5 minutes are 3 seconds
_STYLE: Final = (
    "<style>body{font:16px sans-serif;max-width:70em;margin:2em auto}td,th{padding:.2em .8em;text-align:left}</style>"
)
_PLAYS: Final = ("submit", "approve", "reject", "retry", "hold", "reset", "delete")


class Delivery(msgspec.Struct, forbid_unknown_fields=True):
    mode: Mode | None = None
    delay_s: float | None = None
    algorithm: Algorithm | None = None


class Sandbox:
    def __init__(
        self, applicants: Applicants, *, app_token: str, secret_key: str, webhook_secret: str, target: str
    ) -> None:
        self._applicants = applicants
        self._app_token = app_token.encode()
        self._secret_key = secret_key.encode()
        self._webhook_secret = webhook_secret.encode()
        self._target = target

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._guard], client_max_size=BODY_BYTES_MAX)
        one = "/resources/applicants/{id}"
        app.router.add_post("/resources/applicants", self._create)
        app.router.add_get(f"{one}/one", self._one)
        app.router.add_get(f"{one}/status", self._status)
        app.router.add_post(f"{one}/status/testCompleted", self._test_completed)
        app.router.add_post("/resources/accessTokens/sdk", self._access_token)
        app.router.add_get("/", self._page)
        app.router.add_get("/sandbox/state", self._state)
        app.router.add_post("/sandbox/applicants/{id}/{play}", self._play)
        app.router.add_post("/sandbox/delivery", self._set_delivery)
        app.router.add_post("/sandbox/redeliver", self._redeliver)
        return app

    async def deliver(self) -> None:
        """Until cancelled: what is due goes out, and again by the schedule until it arrives."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=DELIVERY_TIMEOUT_S)) as session:
            while True:
                due = self._applicants.due(time.time())
                for event in due:
                    for _ in range(2 if self._applicants.state.mode == "duplicate" else 1):
                        arrived = await self._post(session, event)
                        self._applicants.sent(event, arrived, time.time())
                if due:
                    self._applicants.save()
                await asyncio.sleep(TICK_S)

    async def _post(self, session: aiohttp.ClientSession, event: Event) -> bool:
        raw = event.payload.encode()
        headers = {
            "Content-Type": "application/json",
            "x-payload-digest": webhook_digest(raw, event.algorithm, self._webhook_secret),
            "x-payload-digest-alg": event.algorithm,
        }
        try:
            async with session.post(self._target, data=raw, headers=headers, allow_redirects=False) as response:
                return response.status < 300
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False

    # -- as the real one has it

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Signatures on the real one's paths; no page of another site on ours; errors in the real one's words."""
        try:
            if request.path.startswith("/resources/"):
                await self._require_signature(request)
            elif "Origin" in request.headers and urlsplit(request.headers["Origin"]).netloc != request.host:
                raise Refusal(403, "Another site's page cannot call this")
            return await handler(request)
        except Refusal as refusal:
            body = {"code": refusal.status, "description": str(refusal), "correlationId": secrets.token_hex(16)}
            return json_answer(body, refusal.status)
        except (msgspec.MsgspecError, UnicodeDecodeError, KeyError, TypeError):
            return json_answer({"code": 400, "description": "The body is not what this takes"}, 400)

    async def _require_signature(self, request: web.Request) -> None:
        raw, headers = await request.read(), request.headers
        time_s, given = headers.get("X-App-Access-Ts", ""), headers.get("X-App-Access-Sig", "")
        expected = signature(self._secret_key, time_s, request.method, request.raw_path, raw)
        known = hmac.compare_digest(headers.get("X-App-Token", "").encode(), self._app_token)
        signed = hmac.compare_digest(given.encode(errors="replace"), expected.encode())
        if not (known and signed):
            raise Refusal(401, "Request signature mismatch")
        if not time_s.isdecimal() or abs(time.time() - int(time_s)) > CLOCK_SKEW_S:
            raise Refusal(401, "Request timestamp is too old or too far ahead")

    async def _create(self, request: web.Request) -> web.Response:
        body = await json_body(request)
        made = self._applicants.create(str(body.get("externalUserId", "")), request.query.get("levelName", ""))
        return json_answer(_shown(made), 201)

    async def _one(self, request: web.Request) -> web.Response:
        return json_answer(_shown(self._found(request)))

    async def _status(self, request: web.Request) -> web.Response:
        return json_answer(_review(self._found(request)))

    async def _test_completed(self, request: web.Request) -> web.Response:
        self._applicants.review(self._found(request), await json_body(request))
        return json_answer({"ok": 1})

    async def _access_token(self, request: web.Request) -> web.Response:
        body = await json_body(request)
        if not body["userId"] or not body["levelName"] or int(body["ttlInSecs"]) < 1:
            raise Refusal(400, "userId, levelName and ttlInSecs are needed")
        return json_answer({"token": f"_act-sbx-{secrets.token_urlsafe(24)}", "userId": body["userId"]})

    # -- as a person or a test has it

    async def _play(self, request: web.Request) -> web.StreamResponse:
        """`play`: one of _PLAYS; the form's or body's `country` (alpha-3) is where the applicant lives."""
        applicant, play = self._found(request), request.match_info["play"]
        is_form = request.content_type != "application/json"
        given = dict(await request.post()) if is_form else await json_body(request)
        country = str(given.get("country", ""))
        if country and country not in ALPHA2_OF_ALPHA3:
            raise Refusal(400, "country is no alpha-3 code")
        applicant.country = country or applicant.country
        self._do(applicant, play)
        if is_form:
            raise web.HTTPSeeOther("/")
        return json_answer(_shown(applicant))

    def _do(self, applicant: Applicant, play: str) -> None:
        comment = "The reviewer's note about the applicant, which the applicant must never read."
        rejected = {"reviewAnswer": "RED", "clientComment": comment}
        match play:
            case "submit":
                self._applicants.move(applicant, "pending", "applicantPending")
            case "approve":
                self._applicants.review(applicant, {"reviewAnswer": "GREEN"})
            case "reject":
                words = {"moderationComment": "We could not verify you.", "rejectLabels": ["FORGERY"]}
                self._applicants.review(applicant, {**rejected, **words, "reviewRejectType": "FINAL"})
            case "retry":
                words = {"moderationComment": "The photo is blurred.", "rejectLabels": ["BAD_PROOF_OF_IDENTITY"]}
                self._applicants.review(applicant, {**rejected, **words, "reviewRejectType": "RETRY"})
            case "hold":
                self._applicants.move(applicant, "onHold", "applicantOnHold")
            case "reset":
                self._applicants.move(applicant, "init", "applicantReset")
            case "delete":
                self._applicants.delete(applicant)
            case _:
                raise Refusal(404, f"One of {', '.join(_PLAYS)}")

    async def _state(self, _request: web.Request) -> web.Response:
        state = self._applicants.state
        waiting = sum(not event.arrived for event in state.events)
        attempts = sum(event.attempts for event in state.events)
        shown = [_shown(each) for each in state.applicants.values()]
        return json_answer({"applicants": shown, "events": len(state.events), "waiting": waiting, "attempts": attempts})

    async def _set_delivery(self, request: web.Request) -> web.Response:
        """`mode`: normal, duplicate, reorder (newest first) or hold; `delay_s` of what is told from now on."""
        wanted = msgspec.json.decode(await request.read(), type=Delivery)
        state = self._applicants.state
        state.mode = wanted.mode or state.mode
        state.algorithm = wanted.algorithm or state.algorithm
        state.delay_s = state.delay_s if wanted.delay_s is None else max(0, wanted.delay_s)
        self._applicants.save()
        return json_answer({"mode": state.mode, "delay_s": state.delay_s, "algorithm": state.algorithm})

    async def _redeliver(self, _request: web.Request) -> web.Response:
        return json_answer({"events": self._applicants.redeliver()})

    async def _page(self, _request: web.Request) -> web.Response:
        text = _html(list(self._applicants.state.applicants.values()))
        return web.Response(text=text, content_type="text/html", headers=HEADERS)

    def _found(self, request: web.Request) -> Applicant:
        return self._applicants.find(request.match_info["id"])


def _shown(applicant: Applicant) -> dict[str, Any]:
    """As the real one tells of an applicant, as far as anybody asks."""
    info = {"country": applicant.country, "addresses": [{"country": applicant.country}]} if applicant.country else {}
    return {
        "id": applicant.id,
        "createdAt": applicant.created_at,
        "clientId": "deedbook-sandbox",
        "externalUserId": applicant.external_user_id,
        "info": info,
        "review": _review(applicant) | {"levelName": applicant.level},
        "type": "individual",
    }


def _review(applicant: Applicant) -> dict[str, Any]:
    result = {"reviewResult": applicant.result} if applicant.result else {}
    return {"reviewStatus": applicant.review_status, "createDate": applicant.created_at} | result


def _html(applicants: list[Applicant]) -> str:
    """The reviewer's window; everything from outside is escaped."""
    rows = "".join(_row(each) for each in reversed(applicants))
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Sumsub sandbox</title>{_STYLE}<h1>Applicants</h1>"
        "<p>You play both: the applicant who sends documents, and who reviews them.</p>"
        f"<table><tr><th>User<th>Review<th>Country<th>What happens</tr>{rows}</table></html>"
    )


def _row(applicant: Applicant) -> str:
    answer = applicant.result.get("reviewAnswer", "")
    kind = applicant.result.get("reviewRejectType", "")
    country = html.escape(applicant.country or "DEU")
    options = "".join(f"<option{' selected' if code == country else ''}>{code}" for code in sorted(ALPHA2_OF_ALPHA3))
    action = f"/sandbox/applicants/{html.escape(applicant.id)}"
    buttons = "".join(f"<button formaction='{action}/{play}'>{play}</button> " for play in _PLAYS)
    return (
        f"<tr><td>{html.escape(applicant.external_user_id)}<td>"
        f"{html.escape(f'{applicant.review_status} {answer} {kind}'.strip())}<td>{html.escape(applicant.country)}"
        f"<td><form method=post><label>lives in <select name=country>{options}</select></label> {buttons}</form></tr>"
    )


def main() -> int:
    """Run until SIGTERM or SIGINT; the environment says everything."""
    logging.basicConfig(level="INFO", format="%(message)s")
    asyncio.run(_serve(dict(os.environ)))
    return 0


async def _serve(environment: dict[str, str]) -> None:
    url = environment["SUMSUB_URL"]
    scale = float(environment.get("SUMSUB_RESEND_SCALE", RESEND_SCALE))
    applicants = Applicants(Path(environment["DEEDBOOK_DATA"]) / "sandbox" / "sumsub.json", scale)
    sandbox = Sandbox(
        applicants,
        app_token=environment["SUMSUB_APP_TOKEN"],
        secret_key=environment["SUMSUB_SECRET_KEY"],
        webhook_secret=environment["SUMSUB_WEBHOOK_SECRET"],
        target=environment["SUMSUB_WEBHOOK_TARGET"],
    )
    await serve(sandbox.app(), url, sandbox.deliver())


if __name__ == "__main__":
    sys.exit(main())
