"""Secrets that we share with providers, and our own: from the environment, or made once for the sandboxes. Only the
process that needs one gets it, none is logged, and none stands in the settings that other commands read."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Final

import msgspec

from deedbook.settings import Settings, SettingsError
from persistence.whole_file import write_whole

# Field, environment variable, and the setting without which a sandbox of ours makes it up.
VARIABLES: Final[dict[str, tuple[str, str]]] = {
    "sumsub_app_token": ("SUMSUB_APP_TOKEN", "sumsub_url"),
    "sumsub_secret_key": ("SUMSUB_SECRET_KEY", "sumsub_url"),
    "sumsub_webhook_secret": ("SUMSUB_WEBHOOK_SECRET", "sumsub_url"),
    "stripe_secret_key": ("STRIPE_SECRET_KEY", "stripe_url"),
    "stripe_webhook_secret": ("STRIPE_WEBHOOK_SECRET", "stripe_url"),
    "circle_api_key": ("CIRCLE_API_KEY", "circle_url"),
    "platform_secret": ("DEEDBOOK_SECRET", ""),
}
SECRET_BYTES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """platform_secret signs links to documents and encrypts what must be read again, such as TOTP secrets; hex."""

    sumsub_app_token: str = field(default="", repr=False)
    sumsub_secret_key: str = field(default="", repr=False)
    sumsub_webhook_secret: str = field(default="", repr=False)
    stripe_secret_key: str = field(default="", repr=False)
    stripe_webhook_secret: str = field(default="", repr=False)
    circle_api_key: str = field(default="", repr=False)
    platform_secret: str = field(default="", repr=False)

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Credentials:
        return cls(**{name: environment.get(variable, "") for name, (variable, _) in VARIABLES.items()})

    def to_environment(self, *names: str) -> dict[str, str]:
        """The variables of the named fields, for the one child process that needs them."""
        return {VARIABLES[name][0]: getattr(self, name) for name in names}

    def completed(self, settings: Settings, path: Path) -> Credentials:
        """With what only sandboxes of ours must know made up, and the same at every start: kept in the file `path`.

        Raises SettingsError where a provider's URL is set and what it needs is not; `settings` are those of the user.
        """
        kept = msgspec.json.decode(path.read_bytes(), type=dict[str, str]) if path.exists() else {}
        missing = [each.name for each in fields(self) if not getattr(self, each.name)]
        for name in missing:
            variable, url = VARIABLES[name]
            if url and getattr(settings, url) is not None:
                raise SettingsError(f"{url.upper()} is set, so {variable} must be set too.")
            kept.setdefault(name, secrets.token_hex(SECRET_BYTES))
        if missing:
            write_whole(path, msgspec.json.encode(kept))
            os.chmod(path, 0o600)
        return replace(self, **{name: kept[name] for name in missing})


ALL: Final = tuple(VARIABLES)
