"""What the journal says may be released: the releaser's own reading of it, which nobody else can write to."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from engine import types as t
from engine.types import CommandKind, EventKind
from engine.wire import COMMAND_DTYPE, EVENT_DTYPE, decode_commands, decode_events
from persistence.frame import DurableFrame
from settlement.calls import Payment, payment_of
from settlement.journal_fold import chain_commands
from settlement.signing import Reference, SigningRefused, SignRequest
from settlement.trades import ANY_ASSET, Token, Wallet, Wallets

_KINDS: Final = np.array(
    [EventKind.WITHDRAWAL_READY, EventKind.BALANCE, EventKind.ACCOUNT_OPENED, EventKind.WALLET_MIGRATED]
)


@dataclass(frozen=True, slots=True)
class _Ready:
    seq: int
    amount: int
    known_block: int


class ReleaseBook:
    """Accounts' wallets, instruments' tokens, what stands set aside for whom, and the last block that the engine knows
    of, as of the last frame read."""

    def __init__(self) -> None:
        self._wallets: defaultdict[int, list[tuple[int, int, int, Wallet]]] = defaultdict(list)  # rows of Wallets
        self._tokens: dict[int, Token] = {}
        self._ready: dict[tuple[int, int], _Ready] = {}
        self._known_block = 0

    def apply(self, frame: DurableFrame) -> None:
        commands = np.frombuffer(frame.commands, COMMAND_DTYPE)
        events = np.frombuffer(frame.events, EVENT_DTYPE)
        refused = events["seq"][events["kind"] == EventKind.REJECTED]
        chain = chain_commands(frame)
        for seq, _, command in decode_commands(commands[commands["kind"] == CommandKind.SET_INSTRUMENT].tobytes()):
            if seq not in refused and isinstance(command, t.SetInstrument):
                self._tokens[command.instrument] = Token(command.token)
        for seq, event in decode_events(events[np.isin(events["kind"], _KINDS)].tobytes()):
            match event:
                case t.AccountOpened():
                    wallet = bytes(commands["text"][seq - frame.first_seq])[:20]
                    self._wallets[event.account].append((event.account, ANY_ASSET, seq, Wallet(wallet)))
                case t.WalletMigrated():
                    fresh = Wallet(bytes(commands["text2"][seq - frame.first_seq])[:20])
                    self._migrated(seq, event, fresh)
                case t.WithdrawalReady():
                    known_block = self._block_after(chain[: np.searchsorted(chain["seq"], seq, side="right")])
                    self._ready[event.account, event.instrument] = _Ready(seq, event.amount, known_block)
                case t.Balance():  # what was set aside is no longer so: paid out, cancelled, or lost
                    ready = self._ready.get((event.account, event.instrument))
                    if ready is not None and event.requested < ready.amount:
                        del self._ready[event.account, event.instrument]
        self._known_block = self._block_after(chain)

    def _block_after(self, chain_commands: np.ndarray[Any, Any]) -> int:
        return int(chain_commands["d"][-1]) if len(chain_commands) else self._known_block

    def _migrated(self, seq: int, event: t.WalletMigrated, fresh: Wallet) -> None:
        account, asset = event.account, event.instrument
        rows = self._wallets[account]
        if event.stays:
            before = Wallets(row for row in rows if row[2] < seq)
            rows.append((account, asset, seq, before.of(account, asset)))
        else:
            rows.append((account, ANY_ASSET, seq, fresh))
            self._ready.pop((account, asset), None)  # the lost wallet's request is gone

    def require(self, request: SignRequest, vault: bytes, locker: bytes, lots: dict[Token, int]) -> Reference:
        """Check that a call pays exactly what the engine set aside, to the account's own wallet.

        lots    base units of one lot, by token
        Raises  SigningRefused.
        """
        reference = request.reference
        if reference is None:
            raise SigningRefused("a release needs its WithdrawalReady event")
        ready = self._ready.get((reference.account, reference.instrument))
        said = _Ready(reference.seq, reference.amount, reference.known_block)
        if ready != said:
            raise SigningRefused(f"the journal has nothing ready for {reference}")
        if request.to != (vault if reference.instrument == t.USDC else locker):
            raise SigningRefused("the wrong contract for this asset")
        try:
            payment = payment_of(request.data)
        except ValueError as error:
            raise SigningRefused(f"the call cannot be read: {error}") from None
        if payment != self._due(reference, lots):
            raise SigningRefused(f"the call does not pay what is ready for {reference}")
        return reference

    def _due(self, reference: Reference, lots: dict[Token, int]) -> Payment:
        wallet = Wallets(self._wallets[reference.account]).of(reference.account, reference.instrument)
        if reference.instrument == t.USDC:
            return Payment(None, wallet, reference.amount, reference.known_block)
        token = self._tokens[reference.instrument]
        if token not in lots:
            raise SigningRefused(f"the lot size of token 0x{token.hex()} is not known")
        return Payment(token, wallet, reference.amount * lots[token], reference.known_block)
