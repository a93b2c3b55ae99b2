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
MUTANT_S = 240

LOCKER = "src/TokenLocker.sol"
VAULT = "src/CashVault.sol"
BRIDGE = "src/SettlementBridge.sol"
TIMELOCK = "src/Timelocked.sol"
GUARD = "src/NonReentrant.sol"
PAYOUT = "src/ChunkedPayout.sol"
EXIT = "src/ExitRedemption.sol"
SALE = "src/PrimarySale.sol"
LOCK_UP = "src/modules/LockUpModule.sol"
SUITES = {  # the tests that must notice, and the only ones compiled
    LOCKER: ("SettleLegs.t.sol", "TokenLocker.t.sol"),
    VAULT: ("CashVault.t.sol",),
    BRIDGE: ("SettlementBridge.t.sol",),
    TIMELOCK: ("Timelocked.t.sol",),
    GUARD: ("SettleLegs.t.sol",),
    PAYOUT: ("Payouts.t.sol",),
    EXIT: ("ExitRedemption.t.sol",),
    SALE: ("PrimarySale.t.sol",),
    LOCK_UP: ("LockUpModule.t.sol", "Modules.t.sol"),
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
    Mutation("release-by-releaser", LOCKER, "        only(RELEASER)\n"),
    Mutation("release-of-what-was-known", LOCKER, "if (requestedIn > asOf) revert RequestIsNewer(requestedIn, asOf);"),
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
        "if (balance > int256(uint256(type(uint88).max))) revert AmountTooLarge(uint256(balance));",
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
    Mutation("payment-by-releaser", VAULT, "asOf) external only(RELEASER) nonReentrant", "asOf) external nonReentrant"),
    Mutation("payment-of-what-was-known", VAULT, "if (requestedIn > asOf) revert RequestIsNewer(requestedIn, asOf);"),
    Mutation("migration-by-owner", VAULT, "lost) external only(OWNER)", "lost) external"),
    Mutation("migration-queued-by-owner", VAULT, "fresh) external only(OWNER)", "fresh) external"),
    Mutation(
        "migration-waits", VAULT, "if (block.timestamp < migration.readyAt) revert DelayNotOver(migration.readyAt);"
    ),
    Mutation("migration-announced", VAULT, "if (fresh == address(0)) revert NoMigrationQueued(lost);"),
    Mutation("migration-to-somebody", VAULT, "if (fresh == address(0)) revert ZeroAddress();"),
    Mutation("migration-to-another", VAULT, "if (lost == fresh) revert SameWallet(lost);"),
    Mutation("migration-of-something", VAULT, "if (moved == 0) revert ZeroAmount();"),
    Mutation("migration-once", VAULT, "delete _migrations[lost];\n        _accounts", "_accounts"),
    Mutation("migration-leaves-nothing", VAULT, "_accounts[lost] = Account(0, 0, 0, 0, true);"),
    Mutation(
        "migration-registers", VAULT, "account.registered = true;\n        emit CashMigrated", "emit CashMigrated"
    ),
    Mutation(
        "migration-refused",
        VAULT,
        "delete _migrations[msg.sender];\n        emit MigrationRefused",
        "emit MigrationRefused",
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
    # ChunkedPayout
    Mutation("declared-once", PAYOUT, "if (_payouts[id].token != address(0)) revert AlreadyDeclared(id);"),
    Mutation("declared-for-a-token", PAYOUT, "if (token.code.length == 0) revert NotAToken(token);"),
    Mutation("declared-with-chunks", PAYOUT, "if (head == 0) revert NoChunks(id);"),
    Mutation(
        "declared-small-enough",
        PAYOUT,
        "if (totalUsdcMicros > type(uint96).max) revert AmountTooLarge(totalUsdcMicros);",
    ),
    Mutation(
        "declared-by-payer",
        PAYOUT,
        "external\n        only(PAYER)\n        nonReentrant",
        "external\n        nonReentrant",
    ),
    Mutation(
        "declared-and-brought",
        PAYOUT,
        "if (received != totalUsdcMicros) revert WrongAmountReceived(totalUsdcMicros, received);",
    ),
    Mutation("paid-by-payer", PAYOUT, "bytes32 next) external only(PAYER) nonReentrant", "bytes32 next) external"),
    Mutation("paid-as-hashed", PAYOUT, "if (given != payout.head) revert WrongChunk(id, payout.head, given);"),
    Mutation("paid-once", PAYOUT, "_payouts[id].head = next;\n\n", "\n"),
    Mutation(
        "paid-within-total",
        PAYOUT,
        "if (distributed > payout.totalUsdcMicros) revert MoreThanTotal(distributed, payout.totalUsdcMicros);",
    ),
    Mutation(
        "paid-whole",
        PAYOUT,
        "if (distributed < payout.totalUsdcMicros) revert LessThanTotal(distributed, payout.totalUsdcMicros);",
    ),
    Mutation("zero-skipped", PAYOUT, "if (amount == 0) return (0, 0);"),
    Mutation("owed-booked", PAYOUT, "owed[id][holder] += amount;"),
    Mutation("gas-enough", PAYOUT, "if (gasleft() < _GAS_NEEDED) revert GasTooLow(gasleft(), _GAS_NEEDED);"),
    Mutation("gas-bounded", PAYOUT, "call(limit,", "call(gas(),"),
    Mutation("transfer-true", PAYOUT, "ok := and(ok, eq(mload(0), 1))", "ok := ok"),
    Mutation("transfer-reverted", PAYOUT, "ok := and(ok, eq(mload(0), 1))", "ok := eq(mload(0), 1)"),
    Mutation("transfer-one-word", PAYOUT, "default { ok := 0 }", "default {}"),
    Mutation("holder-clean", PAYOUT, "shr(0x60, shl(0x60, holder))", "holder"),
    Mutation("claim-not-reentered", PAYOUT, "address holder) external nonReentrant {", "address holder) external {"),
    Mutation("claimed-once", PAYOUT, "delete owed[id][holder];\n        _payouts", "_payouts"),
    Mutation(
        "redirect-waits", PAYOUT, "if (block.timestamp < redirect.readyAt) revert DelayNotOver(redirect.readyAt);"
    ),
    Mutation("redirect-announced", PAYOUT, "if (redirect.to == address(0)) revert NoRedirectQueued(id, holder);"),
    Mutation("redirect-to-somebody", PAYOUT, "if (to == address(0)) revert ZeroAddress();"),
    Mutation("redirect-once", PAYOUT, "delete owed[id][holder];\n        owed", "owed"),
    Mutation("redirect-adds", PAYOUT, "owed[id][redirect.to] += amount;"),
    Mutation("cancelled-by-owner", PAYOUT, "bytes32 id) external only(OWNER) nonReentrant", "bytes32 id) external"),
    Mutation("cancelled-open", PAYOUT, "if (payout.head == 0) revert NotOpen(id);"),
    Mutation("cancelled-for-good", PAYOUT, "_payouts[id].head = 0;"),
    # ExitRedemption
    Mutation("balance-as-snapshot", EXIT, "if (balance != qty) revert BalanceMoved(holder, balance, qty);"),
    Mutation("burned", EXIT, "if (qty > 0) token.burn(holder, qty);"),
    Mutation("nothing-left", EXIT, "if (supply != 0) revert TokensLeft(token, supply);"),
    # PrimarySale
    Mutation("opened-by-operator", SALE, "terms) external only(OPERATOR)", "terms) external"),
    Mutation("opened-once", SALE, "if (sale.open) revert AlreadyOpen(token);"),
    Mutation("opened-for-an-issuer", SALE, "if (terms.issuer == address(0)) revert ZeroAddress();"),
    Mutation("opened-with-a-price", SALE, "terms.priceUsdcMicros == 0 || ", ""),
    Mutation("opened-with-a-lot", SALE, " || terms.lotBaseUnits == 0", ""),
    Mutation(
        "opened-with-a-window",
        SALE,
        "if (terms.opensAt >= terms.closesAt) revert WindowEmpty(terms.opensAt, terms.closesAt);",
    ),
    Mutation("counted-anew", SALE, "sale.number + 1", "sale.number"),
    Mutation(
        "closed-by-operator", SALE, "close(address token) external only(OPERATOR)", "close(address token) external"
    ),
    Mutation("closed-once", SALE, "if (!sale.open) revert SaleNotOpen(token);"),
    Mutation(
        "purchase-in-time", SALE, "if (block.timestamp > purchase.deadline) revert PurchaseExpired(purchase.deadline);"
    ),
    Mutation(
        "purchase-once",
        SALE,
        "if (isNonceUsed[purchase.buyer][purchase.nonce]) revert NonceUsed(purchase.buyer, purchase.nonce);",
    ),
    Mutation(
        "purchase-signed",
        SALE,
        "if (!_isSigned(purchase.buyer, digestOf(purchase), signature)) revert PurchaseNotSigned(purchase.buyer);",
    ),
    Mutation("signer-is-buyer", SALE, "signer != address(0) && signer == buyer", "signer != address(0)"),
    Mutation("signer-is-somebody", SALE, "signer != address(0) && signer == buyer", "signer == buyer"),
    Mutation("signature-not-mirrored", SALE, "uint256(s) > _HALF_ORDER ? address(0) : ", ""),
    Mutation("signature-for-this-contract", SALE, "block.chainid, address(this)", "block.chainid, address(0)"),
    *(
        Mutation(f"signs-{field}", SALE, f"                purchase.{field}{end}", f"                uint256(0){end}")
        for field, end in (
            ("buyer", ",\n"),
            ("token", ",\n"),
            ("qty", ",\n"),
            ("usdcMax", ",\n"),
            ("nonce", ",\n"),
            ("deadline", "\n"),
        )
    ),
    Mutation(
        "contract-accepts",
        SALE,
        ".isValidSignature(digest, signature) == accepted",
        ".isValidSignature(digest, signature) != 0",
    ),
    Mutation("sale-open", SALE, "if (!sale.open) revert SaleNotOpen(purchase.token);"),
    Mutation("sale-begun", SALE, "if (block.timestamp < terms.opensAt) revert BeforeOpening(terms.opensAt);"),
    Mutation("sale-not-over", SALE, "if (block.timestamp >= terms.closesAt) revert AfterClosing(terms.closesAt);"),
    Mutation("issuer-not-buyer", SALE, "if (purchase.buyer == terms.issuer) revert BuyerIsIssuer(purchase.buyer);"),
    Mutation("qty-some", SALE, "if (purchase.qty == 0) revert ZeroAmount();"),
    Mutation(
        "qty-whole-lots",
        SALE,
        "if (purchase.qty % terms.lotBaseUnits != 0) revert NotWholeLots(purchase.qty, terms.lotBaseUnits);",
    ),
    Mutation("within-sale", SALE, "if (purchase.qty > left) revert MoreThanLeft(purchase.qty, left);"),
    Mutation("within-buyers-part", SALE, "if (purchase.qty > left) revert MoreThanAllowed(purchase.qty, left);"),
    Mutation("within-usdc-max", SALE, "if (cost > purchase.usdcMax) revert CostsMore(cost, purchase.usdcMax);"),
    Mutation("sold-counted", SALE, "sale.sold += uint128(purchase.qty);"),
    Mutation("bought-counted", SALE, "boughtBy_[purchase.buyer] += purchase.qty;"),
    Mutation(
        "issuer-verified",
        SALE,
        "if (!token.identityRegistry().isVerified(issuer)) revert SellerNotVerified(issuer);",
    ),
    Mutation("cash-whole", SALE, "if (received != cost) revert WrongAmountReceived(cost, received);"),
    Mutation(
        "token-said-yes",
        SALE,
        "if (!token.transferFrom(issuer, purchase.buyer, purchase.qty)) revert TokenTransferFailed(purchase.token);",
        "token.transferFrom(issuer, purchase.buyer, purchase.qty);",
    ),
    Mutation(
        "buy-not-reentered",
        SALE,
        "buy(Purchase calldata purchase, bytes calldata signature) external nonReentrant",
        "buy(Purchase calldata purchase, bytes calldata signature) external",
    ),
    # LockUpModule
    Mutation("issuer-not-locked-up", LOCK_UP, "if (wallet == issuerOf[msg.sender]) return;"),
    Mutation("new-issuer-released", LOCK_UP, "_take(issuer, address(0), type(uint256).max);"),
    Mutation("nothing-told-of-release", LOCK_UP, "_dropReleased(_queues[msg.sender][issuer]);"),
    Mutation(
        "issuers-buyer-locked-up", LOCK_UP, "if (from == issuerOf[msg.sender]) _lockUp(to, amount);\n        else "
    ),
    Mutation("locked-up-not-sold", LOCK_UP, "locked + amount <= _tokenOf", "amount <= _tokenOf"),
    Mutation("mint-free-of-lots", LOCK_UP, "return locked == 0 || locked", "return locked"),
    Mutation("burn-takes-lots", LOCK_UP, "_takeUncovered(from, address(0), amount);"),
    Mutation("move-takes-lots", LOCK_UP, "else _takeUncovered(from, to, amount);"),
    Mutation("free-tokens-first", LOCK_UP, "locked - balance < amount ? locked - balance : amount", "amount"),
    Mutation(
        "no-more-than-moved", LOCK_UP, "locked - balance < amount ? locked - balance : amount", "locked - balance"
    ),
    Mutation("covered-lots-stay", LOCK_UP, "if (locked <= balance) return;"),
    Mutation("lot-split", LOCK_UP, "if (taken > amount) taken = uint128(amount);"),
    Mutation("taken-lot-lowered", LOCK_UP, "else oldest.amount -= taken;"),
    Mutation("lots-go-along", LOCK_UP, "if (to != address(0)) _add(to, taken, releasedAt);"),
    Mutation(
        "lots-by-date", LOCK_UP, "while (place > first && queue.lots[place - 1].releasedAt >= releasedAt) --place;"
    ),
    Mutation(
        "one-lot-a-date", LOCK_UP, "queue.lots[place - 1].releasedAt >= rel", "queue.lots[place - 1].releasedAt > rel"
    ),
    Mutation("lots-at-most", LOCK_UP, "if (isNew && end - first == LOTS_MAX)", "if (false)"),
    Mutation("full-adds-to-its-date", LOCK_UP, "if (isNew && end - first == LOTS_MAX)", "if (end - first == LOTS_MAX)"),
    Mutation("youngest-kept", LOCK_UP, "amount += youngest.amount;"),
    Mutation(
        "youngest-not-earlier", LOCK_UP, "if (youngest.releasedAt > releasedAt) releasedAt = youngest.releasedAt;"
    ),
    Mutation("lot-fits", LOCK_UP, "if (amount > type(uint128).max) revert LotTooLarge(amount);"),
    Mutation(
        "younger-lots-move-up", LOCK_UP, "for (uint256 i = end; i > place; --i) queue.lots[i] = queue.lots[i - 1];"
    ),
    Mutation("released-make-room", LOCK_UP, "if (first != queue.first) queue.first = uint128(first);"),
    Mutation("released-at-its-date", LOCK_UP, ".releasedAt <= block.timestamp;", ".releasedAt < block.timestamp;"),
    Mutation(
        "issuer-set-by-compliance",
        LOCK_UP,
        "setIssuer(address issuer) external onlyBound",
        "setIssuer(address issuer) external",
    ),
)


def forge_binary() -> Path:
    kind = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}[platform.machine()]
    return NODE_MODULES / "@foundry-rs" / f"forge-{platform.system().lower()}-{kind}" / "bin" / "forge"


def is_noticed(mutation: Mutation) -> bool:
    """Run the suite on a mutated copy. True if a test fails. Raises NotAppliedError; a mutant must compile."""
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory) / "contracts"
        actors = ("Exchange.sol", "Thief.sol", "*Acts.sol")  # of invariants, which are not run
        skipped = shutil.ignore_patterns("out", "cache", "artifacts", "*.t.sol", *actors)
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
            [str(forge_binary()), "test"],
            cwd=copy,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=MUTANT_S,  # one that runs for ever is a mistake of the test that meets it
        )
        assert "Ran " in run.stdout, f"{mutation.name} does not compile:\n{run.stdout}{run.stderr}"
        return "[FAIL" in run.stdout


def main() -> int:
    parser = argparse.ArgumentParser(description="Take each check away and see that the tests notice.")
    parser.add_argument("names", nargs="*", help="mutations to try; all without")
    names = set(parser.parse_args().names)
    chosen = [mutation for mutation in MUTATIONS if not names or mutation.name in names]
    files = {mutation.file for mutation in chosen}
    missed = [f"control {file}" for file in SUITES if file in files and is_noticed(Mutation("control", file, ""))]
    for mutation in chosen:
        noticed = is_noticed(mutation)
        print(f"{'noticed' if noticed else 'MISSED '}  {mutation.name}", flush=True)
        if not noticed:
            missed.append(mutation.name)
    print(f"{len(chosen)} checks taken away, {len(missed)} not noticed {' '.join(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
