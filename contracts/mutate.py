"""Take each check of the contracts away, one at a time, and see that the forge suite fails.

Usage: python contracts/mutate.py [NAME...]    without names: all of them, about ten seconds each
Exits 1 and names the checks that no test would miss.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

CONTRACTS = Path(__file__).resolve().parent
NODE_MODULES = CONTRACTS.parent / "node_modules"

LOCKER = "src/TokenLocker.sol"
VAULT = "src/CashVault.sol"
BRIDGE = "src/SettlementBridge.sol"
TIMELOCK = "src/Timelocked.sol"
GUARD = "src/NonReentrant.sol"
SUITES = {  # the tests that must notice, and the only ones compiled
    LOCKER: ("SettleLegs.t.sol", "TokenLocker.t.sol"),
    VAULT: ("CashVault.t.sol",),
    BRIDGE: ("SettlementBridge.t.sol",),
    TIMELOCK: ("Timelocked.t.sol",),
    GUARD: ("SettleLegs.t.sol",),
}


@dataclass(frozen=True, slots=True)
class Mutation:
    """Replace the only occurrence of `before` in `file` by `after`; without `before` nothing is changed: a control."""

    name: str
    file: str
    before: str
    after: str = ""


class NotAppliedError(Exception):
    """The sources changed under a mutation: its text is gone, or is there more than once."""


MUTATIONS = (
    # TokenLocker.settleLegs
    Mutation("settle-by-bridge", LOCKER, "legs) external only(BRIDGE) nonReentrant", "legs) external nonReentrant"),
    Mutation("not-reentered", GUARD, "if (_entered != 1) revert Reentered();"),
    Mutation("token-known", LOCKER, "if (tokenIndex >= tokens.length) revert LegTokenUnknown(first, tokenIndex);"),
    Mutation("token-listed", LOCKER, "if (!isListed[token]) revert LegTokenNotListed(first, token);"),
    Mutation("token-not-paused", LOCKER, "if (IPropertyToken(token).paused()) revert LegTokenPaused(first, token);"),
    Mutation(
        "seller-not-frozen",
        LOCKER,
        "if (IPropertyToken(token).isFrozen(seller)) revert LegWalletFrozen(first, seller);",
    ),
    Mutation(
        "seller-verified",
        LOCKER,
        "if (!IPropertyToken(token).identityRegistry().isVerified(seller)) revert LegSellerNotVerified(first, seller);",
    ),
    Mutation("unfrozen-exactly", LOCKER, "IPropertyToken(token).unfreezePartialTokens(seller, sold);"),
    Mutation("lock-backed", LOCKER, "if (frozen < needed) revert LegFrozenTooSmall(first, seller, frozen, needed);"),
    Mutation(
        "issuers-part-backed",
        LOCKER,
        "needed = uint256(slot.locked) + slot.issuerFrozen;\n        if (frozen < needed) revert LegF",
        "needed = uint256(slot.locked);\n        if (frozen < needed) revert LegF",
    ),
    Mutation("qty-not-zero", LOCKER, "if (qty == 0) revert LegZeroQty(leg);"),
    Mutation(
        "lock-enough",
        LOCKER,
        "if (sold + qty > slot.locked) revert LegLockTooSmall(leg, seller, slot.locked - sold, qty);",
    ),
    Mutation("lock-lowered", LOCKER, "_lowerLock(token, seller, slot, sold);"),
    Mutation("lock-written", LOCKER, "_locks[token][seller] = slot;"),
    Mutation("not-with-itself", LOCKER, "if (buyer == leg.seller) revert LegWithItself(index, buyer);"),
    Mutation(
        "buyer-not-frozen",
        LOCKER,
        "if (IPropertyToken(token).isFrozen(buyer)) revert LegWalletFrozen(index, buyer);",
    ),
    Mutation(
        "compliance-asked",
        LOCKER,
        """        if (!compliance.canTransfer(leg.seller, leg.buyer, leg.qty)) {
            revert LegNotCompliant(index, leg.seller, leg.buyer, leg.qty);
        }
""",
    ),
    Mutation("token-believed", LOCKER, 'if (!moved) revert LegTransferFailed(index, "");'),
    Mutation("failed-transfer", LOCKER, "            revert LegTransferFailed(index, reason);\n"),
    Mutation("buyer-locked", LOCKER, "slot.locked = _toUint120(slot.locked + receipt.qty);"),
    Mutation("buyer-frozen", LOCKER, "IPropertyToken(token).freezePartialTokens(receipt.buyer, receipt.qty);"),
    Mutation("buyer-summed", LOCKER, "receipts[i].qty += leg.qty;"),
    # TokenLocker, the rest
    Mutation("lock-listed", LOCKER, "if (!isListed[token]) revert TokenNotListed(token);"),
    Mutation(
        "backed",
        LOCKER,
        "if (frozen < needed) revert FrozenTooSmall(token, holder, frozen, needed);",
    ),
    Mutation("request-within-lock", LOCKER, "if (amount > slot.locked) revert MoreThanLocked(amount, slot.locked);"),
    Mutation(
        "unlock-within-request",
        LOCKER,
        "if (amount > request.amount) revert MoreThanRequested(amount, request.amount);",
    ),
    Mutation("unlock-delay", LOCKER, "if (block.timestamp < readyAt) revert DelayNotOver(readyAt);"),
    Mutation(
        "release-by-releaser", LOCKER, "amount) external only(RELEASER) nonReentrant", "amount) external nonReentrant"
    ),
    Mutation(
        "request-lowered",
        LOCKER,
        "_requests[token][holder].amount = slot.locked;",
    ),
    Mutation(
        "request-ended", LOCKER, "            slot.requesting = false;\n            delete _requests[token][holder];"
    ),
    Mutation("freeze-within-lock", LOCKER, "if (fromLock > slot.locked) revert MoreThanLocked(fromLock, slot.locked);"),
    Mutation(
        "unfreeze-own-part",
        LOCKER,
        "if (amount > slot.issuerFrozen) revert MoreThanIssuerFrozen(amount, slot.issuerFrozen);",
    ),
    Mutation(
        "sync-not-empty",
        LOCKER,
        "if (IPropertyToken(token).balanceOf(holder) == 0) revert WalletEmpty(token, holder);",
    ),
    Mutation(
        "sync-downwards",
        LOCKER,
        "if (frozen >= uint256(slot.locked) + slot.issuerFrozen) revert InSync(token, holder);",
    ),
    Mutation(
        "migrate-recovered",
        LOCKER,
        "if (IPropertyToken(token).balanceOf(lost) != 0) revert WalletNotRecovered(token, lost);",
    ),
    Mutation("migrate-backed", LOCKER, "_requireBacked(token, fresh, to);"),
    # CashVault
    Mutation("deltas-by-bridge", VAULT, "deltas) external only(BRIDGE)", "deltas) external"),
    Mutation("deltas-registered", VAULT, "if (!account.registered) revert NotRegistered(who);"),
    Mutation("deltas-overdrawn", VAULT, "if (balance < 0) revert Overdrawn(who);"),
    Mutation(
        "deltas-too-large",
        VAULT,
        "if (balance > int256(uint256(type(uint96).max))) revert AmountTooLarge(uint256(balance));",
    ),
    Mutation("deltas-sum", VAULT, "if (sum != 0) revert NotZeroSum(sum);"),
    Mutation(
        "withdrawal-lowered", VAULT, "if (account.requested > account.balance) account.requested = account.balance;"
    ),
    Mutation(
        "withdrawal-within-balance",
        VAULT,
        "if (amount > account.balance) revert MoreThanBalance(amount, account.balance);",
    ),
    Mutation(
        "payment-within-request",
        VAULT,
        "if (amount > account.requested) revert MoreThanRequested(amount, account.requested);",
    ),
    Mutation("withdrawal-delay", VAULT, "if (block.timestamp < readyAt) revert DelayNotOver(readyAt);"),
    Mutation(
        "payment-by-releaser", VAULT, "amount) external only(RELEASER) nonReentrant", "amount) external nonReentrant"
    ),
    Mutation("deposit-received", VAULT, "if (received != amount) revert WrongAmountReceived(amount, received);"),
    Mutation(
        "deposit-not-reentered",
        VAULT,
        "function deposit(uint256 amount) external nonReentrant",
        "function deposit(uint256 amount) external",
    ),
    # SettlementBridge
    Mutation("batch-by-operator", BRIDGE, "external only(OPERATOR) whenNotPaused", "external whenNotPaused"),
    Mutation("batch-not-paused", BRIDGE, "external only(OPERATOR) whenNotPaused", "external only(OPERATOR)"),
    Mutation("range-in-order", BRIDGE, "tradeAfter != lastTrade || ", ""),
    Mutation("range-not-empty", BRIDGE, " || tradeLast <= tradeAfter", ""),
    Mutation("range-once", BRIDGE, "        lastTrade = tradeLast;\n"),
    Mutation("batch-moves-tokens", BRIDGE, "locker.settleLegs(batch.tokens, batch.legs);"),
    Mutation("batch-moves-cash", BRIDGE, "vault.applyDeltas(batch.cash);"),
    # Timelocked
    Mutation("appointed-once", TIMELOCK, "if (_roles[role].appointed) revert AlreadyAppointed(role);"),
    Mutation(
        "change-waits", TIMELOCK, "if (block.timestamp < change.readyAt) revert ChangeNotReady(role, change.readyAt);"
    ),
)


def forge_binary() -> Path:
    kind = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}[platform.machine()]
    return NODE_MODULES / "@foundry-rs" / f"forge-{platform.system().lower()}-{kind}" / "bin" / "forge"


def is_noticed(mutation: Mutation) -> bool:
    """Run the suite on a mutated copy. True if a test fails. Raises NotAppliedError; a mutant must compile."""
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory) / "contracts"
        skipped = shutil.ignore_patterns("out", "cache", "artifacts", "*.t.sol", "Exchange.sol", "Thief.sol")
        shutil.copytree(CONTRACTS, copy, ignore=skipped)
        (copy / "artifacts").mkdir()
        (Path(directory) / "node_modules").symlink_to(NODE_MODULES)
        for suite in SUITES[mutation.file]:
            shutil.copy(CONTRACTS / "test" / suite, copy / "test" / suite)
        source = copy / mutation.file
        text = source.read_text()
        if mutation.before and text.count(mutation.before) != 1:
            raise NotAppliedError(f"{mutation.name}: {text.count(mutation.before)} occurrences in {mutation.file}")
        if mutation.before:
            source.write_text(text.replace(mutation.before, mutation.after))
        environment = os.environ | {"FOUNDRY_DENY": "never", "FOUNDRY_FUZZ_RUNS": "32", "FOUNDRY_OPTIMIZER": "false"}
        run = subprocess.run(
            [str(forge_binary()), "test"], cwd=copy, env=environment, capture_output=True, text=True, check=False
        )
        assert "Ran " in run.stdout, f"{mutation.name} does not compile:\n{run.stdout}{run.stderr}"
        return "[FAIL" in run.stdout


def main() -> int:
    parser = argparse.ArgumentParser(description="Take each check away and see that the tests notice.")
    parser.add_argument("names", nargs="*", help="mutations to try; all without")
    names = set(parser.parse_args().names)
    chosen = [mutation for mutation in MUTATIONS if not names or mutation.name in names]
    missed = [f"control {file}" for file in SUITES if is_noticed(Mutation("control", file, ""))]
    for mutation in chosen:
        noticed = is_noticed(mutation)
        print(f"{'noticed' if noticed else 'MISSED '}  {mutation.name}", flush=True)
        if not noticed:
            missed.append(mutation.name)
    print(f"{len(chosen)} checks taken away, {len(missed)} not noticed {' '.join(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
