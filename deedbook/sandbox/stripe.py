"""A Stripe of our own: Checkout, charges, refunds, disputes, payouts and webhooks as the real API has them.

Anybody who can reach it plays the tenant on its pages and the banks by `/sandbox/...`: it is for one's own machine.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import os
import re
import sys
from collections.abc import Awaitable, Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import msgspec
from aiohttp import web

from deedbook.sandbox.serving import HEADERS, json_answer, serve
from deedbook.sandbox.stripe_account import Object, StripeAccount, StripeError
from deedbook.sandbox.stripe_delivery import Deliveries, Mode, Waiting
from deedbook.sandbox.stripe_pages import overview_page, payment_page
from persistence.whole_file import write_whole

BODY_BYTES_MAX: Final = 64 * 1024
PAGE_MAX: Final = 100
KEYS_MAX: Final = 10_000  # idempotency keys; then the oldest are forgotten
_RESOURCES: Final = {
    "checkout/sessions": "checkout.session",
    "payment_intents": "payment_intent",
    "charges": "charge",
    "refunds": "refund",
    "disputes": "dispute",
    "payouts": "payout",
    "balance_transactions": "balance_transaction",
    "events": "event",
}
_FILTERS: Final = ("payment_intent", "charge", "payout", "status", "type", "source")
_log: Final = logging.getLogger(__name__)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Answered(msgspec.Struct):
    """What was asked with an idempotency key, and the answer."""

    question: str
    status: int
    body: Any


class State(msgspec.Struct):
    """All that is kept."""

    objects: dict[str, Object] = {}
    answered: dict[str, Answered] = {}
    waiting: list[str] = []


class Sandbox:
    """Handlers over one account, kept in one file."""

    def __init__(self, path: Path, *, url: str, key: str, secret: str, target: str) -> None:
        self._path = path
        self._key = key.encode()
        state = msgspec.json.decode(path.read_bytes(), type=State) if path.exists() else State()
        self._answered = state.answered
        self.account = StripeAccount(
            f"{url.rstrip('/')}/pay/",
            on_event=lambda event: self.deliveries.add(event["id"]),
            objects=state.objects,
        )
        self.deliveries = Deliveries(self.account.objects.__getitem__, target, secret, self._save)
        self.deliveries.waiting = [Waiting(event_id) for event_id in state.waiting]

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._guard], client_max_size=BODY_BYTES_MAX)
        app.router.add_post("/v1/checkout/sessions", self._create_session)
        app.router.add_post("/v1/checkout/sessions/{id}/expire", self._expire)
        app.router.add_post("/v1/refunds", self._refund)
        app.router.add_get("/v1/balance", self._balance)
        for path, kind in _RESOURCES.items():
            app.router.add_get(f"/v1/{path}", self._list(path, kind))
            app.router.add_get(f"/v1/{path}/{{id}}", self._one(kind))
        app.router.add_get("/", self._overview)
        app.router.add_get("/pay/{id}", self._pay_page)
        app.router.add_get("/sandbox/state", self._shown_state)
        app.router.add_post("/sandbox/payout", self._act)
        app.router.add_post("/sandbox/delivery", self._set_delivery)
        app.router.add_post("/sandbox/redeliver", self._redeliver)
        app.router.add_post("/sandbox/{kind}/{id}/{act}", self._act)
        return app

    def _save(self) -> None:
        waiting = [each.event_id for each in self.deliveries.waiting]
        self._answered = dict(list(self._answered.items())[-KEYS_MAX:])
        write_whole(self._path, msgspec.json.encode(State(self.account.objects, self._answered, waiting)))

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The key on Stripe's own paths; no page of another site on ours; and errors as Stripe words them."""
        try:
            if not request.path.startswith("/v1/"):
                if "Origin" in request.headers and urlsplit(request.headers["Origin"]).netloc != request.host:
                    raise StripeError(403, "Another site's page cannot call this.")
                return await handler(request)
            given = request.headers.get("Authorization", "").removeprefix("Bearer ").encode(errors="replace")
            if not hmac.compare_digest(given, self._key):
                raise StripeError(401, "Invalid API Key provided.")
            return await (self._once(request, handler) if request.method == "POST" else handler(request))
        except StripeError as error:
            return _error(error)
        except web.HTTPNotFound:
            return _error(StripeError(404, f"Unrecognized request URL ({request.method}: {request.path})."))

    async def _once(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The same key with the same question has the same answer; a key of another question is an error."""
        key = request.headers.get("Idempotency-Key")
        if key is None:
            return await handler(request)
        question = sha256(f"{request.path}\n".encode() + await request.read()).hexdigest()
        before = self._answered.get(key)
        if before is None:
            try:
                response = await handler(request)
            except StripeError as error:
                response = _error(error)
            assert isinstance(response, web.Response)
            assert isinstance(response.body, bytes)
            self._answered[key] = Answered(question, response.status, msgspec.json.decode(response.body))
            self._save()
            return response
        if before.question != question:
            message = (
                "Keys for idempotent requests can only be used with the same parameters they were first used with."
            )
            raise StripeError(400, message, "idempotency_error")
        answer = json_answer(before.body, before.status)
        answer.headers["Idempotent-Replayed"] = "true"
        return answer

    # As Stripe has it.

    async def _create_session(self, request: web.Request) -> web.Response:
        given = await _form(request)
        made = self.account.create_session(given)
        return self._saved(made, _expansions(given))

    async def _expire(self, request: web.Request) -> web.Response:
        given = await _form(request)
        return self._saved(self.account.expire(request.match_info["id"]), _expansions(given))

    async def _refund(self, request: web.Request) -> web.Response:
        given = await _form(request)
        charge_id = given.get("charge")
        if charge_id is None:
            intent = self.account.get(str(given.get("payment_intent")), "payment_intent")
            charge_id = intent["latest_charge"]
        amount = given.get("amount")
        return self._saved(self.account.refund(str(charge_id), _cents(amount)), _expansions(given))

    async def _balance(self, _request: web.Request) -> web.Response:
        amounts = [{"amount": self.account.balance_cents(), "currency": "usd"}]
        return json_answer({"object": "balance", "livemode": False, "available": amounts, "pending": []})

    def _one(self, kind: str) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def one(request: web.Request) -> web.Response:
            found = self.account.get(request.match_info["id"], kind)
            return json_answer(self.account.expanded(found, _expansions(_nested(request.query_string))))

        return one

    def _list(self, path: str, kind: str) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def listed(request: web.Request) -> web.Response:
            given = _nested(request.query_string)
            found = self.account.listed(kind, **{name: given[name] for name in _FILTERS if name in given})
            ids = [each["id"] for each in found]
            if (after := given.get("starting_after")) in ids:
                found = found[ids.index(after) + 1 :]
            limit = min(int(given.get("limit", "10")), PAGE_MAX)
            paths = [each.removeprefix("data.") for each in _expansions(given)]
            data = [self.account.expanded(each, paths) for each in found[:limit]]
            return json_answer({"object": "list", "url": f"/v1/{path}", "has_more": len(found) > limit, "data": data})

        return listed

    def _saved(self, made: Object, expansions: list[str]) -> web.Response:
        self._save()
        return json_answer(self.account.expanded(made, expansions))

    # As a person or a test has it.

    async def _overview(self, _request: web.Request) -> web.Response:
        page = overview_page(self.account, len(self.deliveries.waiting))
        return web.Response(text=page, content_type="text/html", headers=HEADERS)

    async def _pay_page(self, request: web.Request) -> web.Response:
        session = self.account.get(request.match_info["id"], "checkout.session")
        return web.Response(text=payment_page(session), content_type="text/html", headers=HEADERS)

    async def _act(self, request: web.Request) -> web.Response:
        """What a tenant or a bank does. From a page it leads back to it; otherwise the answer is what was made."""
        kind, act = request.match_info.get("kind", "payout"), request.match_info.get("act", "")
        object_id = request.match_info.get("id", "")
        is_form = request.content_type == "application/x-www-form-urlencoded"
        amount = (
            None if is_form else msgspec.json.decode(await request.read() or b"{}", type=dict[str, Any]).get("amount")
        )
        made = self._done(kind, object_id, act, _cents(amount))
        self._save()
        if is_form:
            raise web.HTTPSeeOther(f"/pay/{object_id}" if kind == "sessions" else "/")
        return json_answer(made)

    def _done(self, kind: str, object_id: str, act: str, amount_cents: int | None) -> Object:
        account = self.account
        match kind, act:
            case "sessions", "pay":
                return account.pay(object_id)
            case "sessions", "decline":
                return account.decline(object_id)
            case "sessions", "bank":
                return account.pay_by_bank(object_id)
            case "sessions", ("settle" | "fail"):
                return account.settle_bank(object_id, succeeds=act == "settle")
            case "sessions", "expire":
                return account.expire(object_id)
            case "charges", "refund":
                return account.refund(object_id, amount_cents)
            case "charges", "dispute":
                return account.dispute(object_id, amount_cents)
            case "disputes", ("won" | "lost"):
                return account.close_dispute(object_id, won=act == "won")
            case "refunds", "fail":
                return account.fail_refund(object_id)
            case "payouts", "fail":
                return account.fail_payout(object_id)
            case "payout", "":
                return account.payout()
            case _:
                raise StripeError(404, f"There is nothing like {kind}/{act}.")

    async def _shown_state(self, _request: web.Request) -> web.Response:
        shown = {"waiting": len(self.deliveries.waiting), "posted": self.deliveries.posted}
        return json_answer(shown | {"mode": self.deliveries.mode, "balance_cents": self.account.balance_cents()})

    async def _set_delivery(self, request: web.Request) -> web.Response:
        """`mode`: normal, duplicate, reorder (newest first) or hold; `delay_s` before each event's first post."""
        given = msgspec.json.decode(await request.read(), type=dict[str, Any])
        try:
            mode = msgspec.convert(given.get("mode", "normal"), Mode)
        except msgspec.ValidationError as error:
            raise StripeError(400, str(error)) from None
        self.deliveries.set_mode(mode, float(given.get("delay_s", 0)))
        return json_answer({"mode": mode, "delay_s": self.deliveries.delay_s})

    async def _redeliver(self, request: web.Request) -> web.Response:
        """One event again (`event_id`), or all of them."""
        given = msgspec.json.decode(await request.read() or b"{}", type=dict[str, Any])
        wanted = given.get("event_id")
        found = [each["id"] for each in self.account.listed("event") if wanted in (None, each["id"])][::-1]
        for event_id in found:
            self.deliveries.add(event_id)
        self._save()
        return json_answer({"events": len(found)})


def _nested(encoded: str) -> dict[str, Any]:
    """Form fields such as `line_items[0][quantity]=1` as dictionaries in dictionaries."""
    found: dict[str, Any] = {}
    for name, value in parse_qsl(encoded, keep_blank_values=True):
        first, *others = re.findall(r"[^\[\]]+", name) or [name]
        place = found
        for step, following in zip([first, *others], others, strict=False):
            place = place.setdefault(step, {})
            if not isinstance(place, dict):
                raise StripeError(400, f"Invalid parameter {name}, at {following}.")
        place[others[-1] if others else first] = value
    return found


async def _form(request: web.Request) -> dict[str, Any]:
    return _nested((await request.read()).decode(errors="replace"))


def _expansions(given: Mapping[str, Any]) -> list[str]:
    expand = given.get("expand", {})
    return [str(each) for each in expand.values()] if isinstance(expand, dict) else [str(expand)]


def _cents(given: Any) -> int | None:
    if given is None:
        return None
    if not re.fullmatch(r"[0-9]{1,12}", str(given)):
        raise StripeError(400, f"Invalid integer: {given}")
    return int(given)


def _error(error: StripeError) -> web.Response:
    return json_answer({"error": {"type": error.kind, "message": str(error)}}, error.status)


def main() -> int:
    """Run until SIGTERM or SIGINT; the environment says everything."""
    logging.basicConfig(level="INFO", format="%(message)s")
    asyncio.run(_serve(dict(os.environ)))
    return 0


async def _serve(environment: Mapping[str, str]) -> None:
    url = environment["STRIPE_URL"]
    directory = Path(environment["DEEDBOOK_DATA"]) / "sandbox"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    sandbox = Sandbox(
        directory / "stripe.json",
        url=url,
        key=environment["STRIPE_SECRET_KEY"],
        secret=environment["STRIPE_WEBHOOK_SECRET"],
        target=environment["STRIPE_WEBHOOK_TARGET"],
    )
    await serve(sandbox.app(), url, sandbox.deliveries.run())


if __name__ == "__main__":
    sys.exit(main())
