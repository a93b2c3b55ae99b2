"""Where a data directory keeps what."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths under one data directory; nothing here creates them."""

    root: Path

    @property
    def journal(self) -> Path:
        return self.root / "journal"

    @property
    def snapshots(self) -> Path:
        return self.root / "snapshots"

    @property
    def poison(self) -> Path:
        """Commands that made the engine raise, unjournalled."""
        return self.root / "poison"

    @property
    def api_keys(self) -> Path:
        return self.root / "api-keys.jsonl"

    @property
    def feed_socket(self) -> Path:
        """Commands in, durable events out; only our own user may connect."""
        return self.root / "exchange.sock"

    @property
    def signer_keys(self) -> Path:
        return self.root / "signers"

    @property
    def documents(self) -> Path:
        return self.root / "documents"

    @property
    def audit_heads(self) -> Path:
        """What shows that the audit log in the database was not laid anew."""
        return self.root / "audit-heads.log"

    @property
    def credentials(self) -> Path:
        """Secrets made for the sandboxes; readable by our user only."""
        return self.root / "credentials.json"

    @property
    def sandboxes(self) -> Path:
        """Where a person plays the outside world."""
        return self.root / "sandboxes.json"

    @property
    def postgres(self) -> Path:
        return self.root / "postgres"

    @property
    def valkey(self) -> Path:
        return self.root / "valkey"

    @property
    def chain(self) -> Path:
        return self.root / "chain"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    def signer_socket(self, role: str) -> Path:
        return self.root / f"signer-{role}.sock"
