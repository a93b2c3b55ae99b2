"""The outside world on one machine: a sandbox process for each provider whose URL is not set."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from deedbook.chain_keys import CIRCLE_KEY, chain_key
from deedbook.credentials import Credentials
from deedbook.deployment import recorded
from deedbook.embedded.child import free_port
from deedbook.layout import Layout
from deedbook.settings import Settings
from persistence.whole_file import write_whole

SUFFIX: Final = "-sandbox"  # of the process's name


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A process to start. Its environment is asked for when it starts: some of it exists only then."""

    name: str
    module: str
    page_url: str
    environment: Callable[[], dict[str, str]]


def with_sandboxes(settings: Settings, credentials: Credentials) -> tuple[Settings, list[Sandbox]]:
    """The settings with every provider's URL, and the sandboxes that stand behind those that were not set."""
    pages = f"http://127.0.0.1:{settings.port}"
    sandboxes = []
    if settings.sumsub_url is None:
        settings = replace(settings, sumsub_url=_url())
        sandboxes.append(_sumsub(settings, credentials, f"{pages}/webhooks/sumsub"))
    if settings.stripe_url is None:
        settings = replace(settings, stripe_url=_url())
        sandboxes.append(_stripe(settings, credentials, f"{pages}/webhooks/stripe"))
    if settings.circle_url is None:
        certificate = str(settings.data_dir / "circle-webhook.pem")
        settings = replace(settings, circle_url=_url(), circle_webhook_certificate=certificate)
        sandboxes.append(_circle(settings, credentials, f"{pages}/webhooks/circle"))
    if settings.smtp_url is None:
        login = f"deedbook:{secrets.token_hex(16)}"
        settings = replace(settings, smtp_url=f"smtp://{login}@127.0.0.1:{free_port()}")
        sandboxes.append(_mail(settings))
    if settings.chain_is_local:
        sandboxes.append(_wallet(settings))
    return settings, sandboxes


def write_pages(settings: Settings, sandboxes: list[Sandbox]) -> None:
    """Where a person plays the outside world, for the pages and the demo."""
    urls = {sandbox.name: sandbox.page_url for sandbox in sandboxes}
    write_whole(Layout(settings.data_dir).sandboxes, msgspec.json.encode(urls))


def sandbox_pages(layout: Layout) -> dict[str, str]:
    """What `write_pages` wrote, by the provider's name; empty where no machine with sandboxes runs on the directory."""
    if not layout.sandboxes.exists():
        return {}
    urls = msgspec.json.decode(layout.sandboxes.read_bytes(), type=dict[str, str])
    return {name.removesuffix(SUFFIX): url for name, url in urls.items()}


def _sumsub(settings: Settings, credentials: Credentials, target: str) -> Sandbox:
    names = ("sumsub_app_token", "sumsub_secret_key", "sumsub_webhook_secret")
    assert settings.sumsub_url is not None
    environment = {"SUMSUB_URL": settings.sumsub_url, "SUMSUB_WEBHOOK_TARGET": target}
    whole = environment | credentials.to_environment(*names)
    return _sandbox("sumsub", settings.sumsub_url, settings, lambda: whole)


def _stripe(settings: Settings, credentials: Credentials, target: str) -> Sandbox:
    assert settings.stripe_url is not None
    environment = {"STRIPE_URL": settings.stripe_url, "STRIPE_WEBHOOK_TARGET": target}
    secrets = credentials.to_environment("stripe_secret_key", "stripe_webhook_secret")
    return _sandbox("stripe", settings.stripe_url, settings, lambda: environment | secrets)


def _circle(settings: Settings, credentials: Credentials, target: str) -> Sandbox:
    assert settings.circle_url is not None
    assert settings.chain_rpc_url is not None
    fixed = {
        "CIRCLE_URL": settings.circle_url,
        "CIRCLE_WEBHOOK_TARGET": target,
        "CHAIN_RPC_URL": settings.chain_rpc_url,
        **credentials.to_environment("circle_api_key"),
    }
    layout = Layout(settings.data_dir)

    def environment() -> dict[str, str]:
        key = chain_key(layout.signer_keys, CIRCLE_KEY).key.hex()
        return fixed | {"CIRCLE_SANDBOX_KEY": key, "CIRCLE_USDC_ADDRESS": recorded(layout).usdc}

    return _sandbox("circle", settings.circle_url, settings, environment)


def _mail(settings: Settings) -> Sandbox:
    assert settings.smtp_url is not None
    port = free_port()
    environment = {"SMTP_URL": settings.smtp_url, "MAIL_PAGE_PORT": str(port)}
    return _sandbox("mail", f"http://127.0.0.1:{port}", settings, lambda: environment)


def _wallet(settings: Settings) -> Sandbox:
    """For a browser that has none; it acts on our own chain only."""
    assert settings.chain_rpc_url is not None
    url = _url()
    origins = {f"http://{host}:{settings.port}" for host in ("127.0.0.1", "localhost")}
    origins |= {settings.public_url.rstrip("/")} if settings.public_url else set()
    fixed = {"WALLET_URL": url, "WALLET_ORIGINS": " ".join(sorted(origins)), "CHAIN_RPC_URL": settings.chain_rpc_url}
    layout = Layout(settings.data_dir)

    def environment() -> dict[str, str]:
        minter = chain_key(layout.signer_keys, CIRCLE_KEY).address
        return fixed | {"WALLET_MINTER_ADDRESS": minter, "WALLET_USDC_ADDRESS": recorded(layout).usdc}

    return _sandbox("wallet", url, settings, environment)


def _sandbox(name: str, page_url: str, settings: Settings, environment: Callable[[], dict[str, str]]) -> Sandbox:
    data = {"DEEDBOOK_DATA": str(settings.data_dir)}
    return Sandbox(f"{name}{SUFFIX}", f"deedbook.sandbox.{name}", page_url, lambda: data | environment())


def _url() -> str:
    return f"http://127.0.0.1:{free_port()}"
