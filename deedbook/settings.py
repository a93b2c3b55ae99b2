"""What can be set, from the command line and the environment: read once, at the start, and never changed."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from engine.engines import NAMES

# Field, environment variable, and the schemes a URL may have (none: not a URL).
VARIABLES: dict[str, tuple[str, tuple[str, ...]]] = {
    "data_dir": ("DEEDBOOK_DATA", ()),
    "port": ("DEEDBOOK_PORT", ()),
    "websocket_port": ("DEEDBOOK_WEBSOCKET_PORT", ()),
    "rest_port": ("DEEDBOOK_REST_PORT", ()),
    "demo_market": ("DEEDBOOK_DEMO", ()),
    "chain_is_local": ("DEEDBOOK_CHAIN_IS_LOCAL", ()),
    "log_level": ("DEEDBOOK_LOG_LEVEL", ()),
    "engine": ("DEEDBOOK_ENGINE", ()),
    "gateways": ("DEEDBOOK_GATEWAYS", ()),
    "block_time_ms": ("DEEDBOOK_BLOCK_TIME_MS", ()),
    "database_url": ("DATABASE_URL", ("postgresql", "postgres")),
    "redis_url": ("REDIS_URL", ("redis", "rediss", "unix")),
    "chain_rpc_url": ("CHAIN_RPC_URL", ("http", "https")),
    "documents_url": ("DOCUMENTS_URL", ("s3", "http", "https", "file")),
    "sumsub_url": ("SUMSUB_URL", ("http", "https")),
    "stripe_url": ("STRIPE_URL", ("http", "https")),
    "circle_url": ("CIRCLE_URL", ("http", "https")),
    "smtp_url": ("SMTP_URL", ("smtp", "smtps")),
    "public_url": ("PUBLIC_URL", ("http", "https")),
    "circle_webhook_certificate": ("CIRCLE_WEBHOOK_CERTIFICATE", ()),
    "kyc_levels": ("DEEDBOOK_KYC_LEVELS", ()),
}
LOG_LEVELS = ("debug", "info", "warning", "error")
WORDS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
BLOCK_TIME_MS_MAX = 60_000
GATEWAYS_MAX = 64


class SettingsError(ValueError):
    """A setting is wrong; the text is one sentence that names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting. A URL that is None means: start the embedded one.

    port            the pages; websocket_port and rest_port: the trading API. 0 means any free port.
    chain_is_local  the chain is our own anvil: mock USDC, gas money for nothing, FINAL by confirmations.
    engine          core or python; None: the core where it is built.
    gateways        processes that serve the trading API; 0: the exchange itself does.
    block_time_ms   of the embedded chain; 0 mines a block for each transaction.
    public_url      how people reach the pages: in mails, and in what a wallet signs. None: this machine.
    kyc_levels      names of the identity provider's levels that count, with commas; new applicants get the first.
    circle_webhook_certificate  a PEM file that signs Circle's webhooks instead of the certificate that they name.
    """

    data_dir: Path = dataclasses.field(default_factory=lambda: Path("data").absolute())
    port: int = 8080
    websocket_port: int = 8081
    rest_port: int = 8082
    demo_market: bool = True
    chain_is_local: bool = False
    log_level: str = "info"
    engine: str | None = None
    gateways: int = 0
    block_time_ms: int = 1_000
    database_url: str | None = None
    redis_url: str | None = None
    chain_rpc_url: str | None = None
    documents_url: str | None = None
    sumsub_url: str | None = None
    stripe_url: str | None = None
    circle_url: str | None = None
    smtp_url: str | None = None
    public_url: str | None = None
    circle_webhook_certificate: str | None = None
    kyc_levels: tuple[str, ...] = ("investor",)

    @classmethod
    def read(cls, environment: Mapping[str, str], arguments: Mapping[str, object] | None = None) -> "Settings":
        """Settings from `environment`; what `arguments` (by field name; None is not given) says wins.

        An empty variable counts as not set. Raises SettingsError with one sentence.
        """
        given: dict[str, tuple[str, object]] = {}
        for field, (variable, _) in VARIABLES.items():
            if environment.get(variable):
                given[field] = (variable, environment[variable])
        for field, value in (arguments or {}).items():
            assert field in VARIABLES, field
            if value is not None:
                given[field] = ("--" + field.removesuffix("_dir").replace("_", "-"), value)
        values: dict[str, Any] = {field: _parsed(field, name, value) for field, (name, value) in given.items()}
        settings = cls(**values)
        ports = [port for port in (settings.port, settings.websocket_port, settings.rest_port) if port != 0]
        for port in sorted(set(ports)):
            if ports.count(port) > 1:
                raise SettingsError(f"Port {port} is given twice: pages, trading sockets and REST API need one each.")
        return settings

    def to_environment(self) -> dict[str, str]:
        """The variables that make `read` give the same settings in a child process."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {VARIABLES[name][0]: _written(value) for name, value in values.items() if value is not None}


def _parsed(field: str, name: str, value: object) -> object:
    """`value` as the field's type, or SettingsError; `name` is what the user called it."""
    text = str(value).strip()
    match field:
        case "data_dir":
            return _data_dir(name, text)
        case "port" | "websocket_port" | "rest_port":
            return _whole_number(name, text, 65_535)
        case "gateways":
            return _whole_number(name, text, GATEWAYS_MAX)
        case "block_time_ms":
            return _whole_number(name, text, BLOCK_TIME_MS_MAX)
        case "demo_market" | "chain_is_local":
            if text.lower() not in WORDS:
                raise SettingsError(f"{name} must be yes or no, not {text!r}.")
            return WORDS[text.lower()]
        case "engine":
            if text not in NAMES:
                raise SettingsError(f"{name} must be {' or '.join(NAMES)}, not {text!r}.")
            return text
        case "circle_webhook_certificate":
            return text
        case "kyc_levels":
            return _names(name, text)
        case "log_level":
            if text.lower() not in LOG_LEVELS:
                raise SettingsError(f"{name} must be one of {', '.join(LOG_LEVELS)}, not {text!r}.")
            return text.lower()
        case _:
            return _url(name, text, VARIABLES[field][1])


def _data_dir(name: str, text: str) -> Path:
    path = Path(text).expanduser().absolute()
    if path.exists() and not path.is_dir():
        raise SettingsError(f"{name} must be a directory, and {path} is a file.")
    return path


def _whole_number(name: str, text: str, most: int) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) > most:
        raise SettingsError(f"{name} must be a whole number from 0 to {most}, not {text!r}.")
    return int(text)


def _names(name: str, text: str) -> tuple[str, ...]:
    names = tuple(each.strip() for each in text.split(","))
    if not all(names) or len(set(names)) < len(names):
        raise SettingsError(f"{name} must be different names with commas between them, not {text!r}.")
    return names


def _url(name: str, text: str, schemes: tuple[str, ...]) -> str:
    """The URL as it is. The error names the scheme only: a URL may hold a password."""
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        raise SettingsError(f"{name} is not a URL.") from None
    if parts.scheme not in schemes:
        raise SettingsError(f"{name} must be a URL that starts with {' or '.join(f'{word}://' for word in schemes)}.")
    if not parts.hostname and parts.scheme not in ("file", "unix", "postgresql", "postgres"):
        raise SettingsError(f"{name} names no host.")
    return text


def _written(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value)
