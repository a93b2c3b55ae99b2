// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

import {ComplianceModule} from "./ComplianceModule.sol";

/// @title  A lock-up after the first sale
/// @notice A position that was minted may be sold from a date on: the mint's time plus the token's lock-up. One date a
///         wallet; a later mint moves it. What is bought from somebody who may sell is free at once. A position that an
///         agent moves (recovery, a court's order) takes its date along.
contract LockUpModule is ComplianceModule {
    mapping(address => uint64) public lockUpOf; // seconds, by compliance
    mapping(address => mapping(address => uint64)) public sellFrom; // seconds, by compliance and wallet

    event LockUpSet(address indexed compliance, uint64 lockUp);
    event SellFromSet(address indexed compliance, address indexed wallet, uint64 time);

    /// @notice Set the lock-up in seconds for mints from now on. Called by the compliance, for its owner.
    function setLockUp(uint64 lockUp) external onlyBound {
        lockUpOf[msg.sender] = lockUp;
        emit LockUpSet(msg.sender, lockUp);
    }

    function moduleTransferAction(address from, address to, uint256) external override onlyBound {
        uint64 time = sellFrom[msg.sender][from];
        if (time > block.timestamp) _postpone(to, time); // only what was forced comes here before its date
    }

    function moduleMintAction(address to, uint256) external override onlyBound {
        uint64 lockUp = lockUpOf[msg.sender];
        if (lockUp > 0) _postpone(to, uint64(block.timestamp) + lockUp);
    }

    function moduleBurnAction(address, uint256) external override onlyBound {}

    function moduleCheck(address from, address, uint256, address compliance) external view override returns (bool) {
        return block.timestamp >= sellFrom[compliance][from];
    }

    function canComplianceBind(address) external pure override returns (bool) {
        return true;
    }

    function isPlugAndPlay() external pure override returns (bool) {
        return true;
    }

    function name() external pure override returns (string memory) {
        return "LockUpModule";
    }

    function _postpone(address wallet, uint64 time) private {
        if (time <= sellFrom[msg.sender][wallet]) return;
        sellFrom[msg.sender][wallet] = time;
        emit SellFromSet(msg.sender, wallet, time);
    }
}
