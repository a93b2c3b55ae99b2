"""The platform's own keys on chain, one file a role, readable by our user only; never logged, never sent anywhere."""

import os
import secrets
from pathlib import Path

from eth_account import Account
from eth_account.signers.local import LocalAccount

# platform: agent of the T-REX contracts; owner: of vault, locker and bridge; claims: signs KYC claims;
# operator and releaser: live in the two signer processes; guardian: pauses; issuer: freezes; fees: the fee account;
# treasury: holds the USDC that rents became until it is paid out.
ROLES = ("platform", "owner", "claims", "operator", "releaser", "guardian", "issuer", "fees", "treasury")
CIRCLE_KEY = "circle-sandbox"
LOCAL_ROLES = (CIRCLE_KEY,)  # a local chain only: mints its USDC, as Circle does elsewhere
KEY_BYTES = 32


class KeyFileExposed(Exception):  # noqa: N818 - a state of the disk, told to the operator
    """A key file can be read by others."""


def key_path(directory: Path, role: str) -> Path:
    assert role in (*ROLES, *LOCAL_ROLES), role
    return directory / f"{role}.key"


def chain_key(directory: Path, role: str) -> LocalAccount:
    """The role's key, made on first use. Raises KeyFileExposed, OSError."""
    return _read_or_create(key_path(directory, role))


def next_key(directory: Path, role: str) -> LocalAccount:
    """The key that will follow the role's, made on first use; see `use_next_key`."""
    return _read_or_create(_next_path(directory, role))


def use_next_key(directory: Path, role: str) -> None:
    """Put the next key in the place of the role's key, once the contracts know it; the old one is kept beside it."""
    path = key_path(directory, role)
    path.rename(path.with_suffix(".old"))
    _next_path(directory, role).rename(path)


def _next_path(directory: Path, role: str) -> Path:
    return key_path(directory, role).with_suffix(".next")


def _read_or_create(path: Path) -> LocalAccount:
    if not path.exists():
        _create(path)
    if path.stat().st_mode & 0o077:
        raise KeyFileExposed(f"{path} is open to others; make it readable by its owner only (chmod 600).")
    account: LocalAccount = Account.from_key(bytes.fromhex(path.read_text().strip()))
    return account


def _create(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(KEY_BYTES) + "\n")
        file.flush()
        os.fsync(file.fileno())
