// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

import {CashDelta, ICashVault} from "./interfaces/ICashVault.sol";
import {ITokenLocker, Leg} from "./interfaces/ITokenLocker.sol";
import {Timelocked} from "./Timelocked.sol";

/// @notice What one transaction settles, netted.
struct Batch {
    address[] tokens;
    Leg[] legs;
    CashDelta[] cash;
}

/// @title  From durable trades to the chain
/// @notice Applies batches of trades once and in order. It holds no funds and no agent role: the vault and the locker
///         obey it, and each checks for itself.
contract SettlementBridge is Timelocked {
    bytes32 public constant OPERATOR = "operator";
    bytes32 public constant GUARDIAN = "guardian";

    ICashVault public immutable vault;
    ITokenLocker public immutable locker;

    /// @notice Seconds that a pause lasts; the guardian can stop the exchange, not keep it.
    uint64 public immutable pauseDuration;

    /// @notice Last trade that is settled. The next batch starts right after it.
    uint64 public lastTrade;

    /// @notice Time in seconds from which batches are taken again.
    uint64 public pausedUntil;

    /// @param batchHash keccak256 of the ABI-encoded batch, the same that settlement journals before it sends.
    event BatchSettled(
        uint64 indexed tradeAfter,
        uint64 indexed tradeLast,
        uint64 journalSeq,
        bytes32 journalHash,
        bytes32 batchHash
    );
    event Paused(uint64 until);
    event Unpaused();

    error TradesOutOfOrder(uint64 lastTrade, uint64 tradeAfter, uint64 tradeLast);
    error BridgePaused(uint64 until);
    error NotPaused();

    modifier whenNotPaused() {
        if (block.timestamp < pausedUntil) revert BridgePaused(pausedUntil);
        _;
    }

    constructor(ICashVault vault_, ITokenLocker locker_, address owner_, uint64 changeDelay_, uint64 pauseDuration_)
        Timelocked(owner_, changeDelay_)
    {
        if (address(vault_) == address(0) || address(locker_) == address(0)) revert ZeroAddress();
        vault = vault_;
        locker = locker_;
        pauseDuration = pauseDuration_;
    }

    /// @notice Apply one netted batch, all of it or nothing. Replaying one, or skipping one, reverts. A batch may be
    ///         empty: its trades netted to nothing, or all of them were ejected.
    /// @param tradeAfter  Last trade already settled; must equal `lastTrade`.
    /// @param tradeLast   Last trade of this batch.
    /// @param journalSeq  Last command of the journal frame that holds `tradeLast`.
    /// @param journalHash Hash of that frame.
    /// @param batch       Token legs (base units) and cash deltas (USDC micros, sum zero).
    function settle(
        uint64 tradeAfter,
        uint64 tradeLast,
        uint64 journalSeq,
        bytes32 journalHash,
        Batch calldata batch
    ) external only(OPERATOR) whenNotPaused {
        if (tradeAfter != lastTrade || tradeLast <= tradeAfter) {
            revert TradesOutOfOrder(lastTrade, tradeAfter, tradeLast);
        }
        lastTrade = tradeLast;
        locker.settleLegs(batch.tokens, batch.legs); // reverts with the leg's own reason
        vault.applyDeltas(batch.cash); // reverts NotZeroSum(sum), NotRegistered(account), Overdrawn(account)
        emit BatchSettled(tradeAfter, tradeLast, journalSeq, journalHash, keccak256(abi.encode(batch)));
    }

    /// @notice Stop settlement for `pauseDuration`. Guardian only.
    function pause() external only(GUARDIAN) {
        pausedUntil = uint64(block.timestamp) + pauseDuration;
        emit Paused(pausedUntil);
    }

    /// @notice End a pause early. Guardian only.
    function unpause() external only(GUARDIAN) {
        if (block.timestamp >= pausedUntil) revert NotPaused();
        pausedUntil = 0;
        emit Unpaused();
    }

    function _isRole(bytes32 role) internal pure override returns (bool) {
        return role == OPERATOR || role == GUARDIAN;
    }
}
