"""Contract artifacts: ours, committed and read without node; T-REX and ONCHAINID, read from npm at deploy time only."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from hexbytes import HexBytes
from web3 import Web3

ROOT = Path(__file__).resolve().parent.parent
OURS = ROOT / "contracts" / "artifacts"
TREX = ROOT / "node_modules" / "@tokenysolutions" / "t-rex" / "artifacts" / "contracts"
ONCHAINID = ROOT / "node_modules" / "@onchain-id" / "solidity" / "artifacts" / "contracts"


class ArtifactMissingError(Exception):
    """An artifact is not on disk. The message names the file and the command that brings it."""


@dataclass(frozen=True, slots=True, eq=False)  # one object a file, compared and hashed by identity
class Artifact:
    """What is needed to create a contract, to call it and to read its events and errors.

    runtime_code  what stands on chain after creation, without immutables filled in; the simulator's goes into a code
                  override. Empty for an interface.
    """

    name: str
    abi: tuple[dict[str, Any], ...]
    creation_code: bytes
    runtime_code: bytes

    def call_data(self, function: str, arguments: Sequence[Any]) -> bytes:
        """Selector and ABI-encoded arguments of a call. Raises on a name or arguments that the ABI does not have."""
        return bytes(HexBytes(_coder(self).encode_abi(function, args=list(arguments))))

    def creation_data(self, arguments: Sequence[Any]) -> bytes:
        """Creation code followed by the ABI-encoded constructor arguments."""
        return bytes(HexBytes(_coder(self).constructor(*arguments).data_in_transaction))

    def error_selectors(self) -> dict[bytes, dict[str, Any]]:
        """The ABI entry of each custom error, by its four bytes."""
        return {bytes(Web3.keccak(text=_signature(entry))[:4]): entry for entry in self.abi if entry["type"] == "error"}


def ours(name: str) -> Artifact:
    """One of the contracts of `contracts/src`, such as "CashVault"."""
    return _load(OURS / f"{name}.json", "node contracts/compile.mjs")


def trex(path: str) -> Artifact:
    """A contract of T-REX by its path below its artifacts, without ".json": "token/Token.sol/Token"."""
    return _load(TREX / f"{path}.json", "npm ci")


def onchainid(path: str) -> Artifact:
    """A contract of ONCHAINID, named as in `trex`."""
    return _load(ONCHAINID / f"{path}.json", "npm ci")


@cache
def _load(path: Path, command: str) -> Artifact:
    try:
        fields = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise ArtifactMissingError(f"{path} is missing; `{command}` makes it") from error
    return Artifact(
        name=fields["contractName"],
        abi=tuple(fields["abi"]),
        creation_code=bytes(HexBytes(fields["bytecode"])),
        runtime_code=bytes(HexBytes(fields["deployedBytecode"])),
    )


@cache
def _coder(artifact: Artifact) -> Any:
    """A web3 contract without a chain, kept because making one parses the whole ABI."""
    return Web3().eth.contract(abi=list(artifact.abi), bytecode=HexBytes(artifact.creation_code))


def _signature(entry: dict[str, Any]) -> str:
    return f"{entry['name']}({','.join(abi_type(field) for field in entry['inputs'])})"


def abi_type(field: dict[str, Any]) -> str:
    if not field["type"].startswith("tuple"):
        return str(field["type"])
    return f"({','.join(abi_type(part) for part in field['components'])}){field['type'][len('tuple') :]}"
