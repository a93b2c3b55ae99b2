// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

import {ComplianceModule} from "./ComplianceModule.sol";

/// @title  A lock-up after the first sale
/// @notice What anybody gets from the issuer, by a sale or a mint, may be sold from a date on: that moment plus the
///         token's lock-up. One date a wallet; a later acquisition moves it. The issuer is not locked up, whatever it
///         holds. What is bought from somebody else who may sell is free at once. A position that an agent moves
///         (recovery, a court's order) takes its date along.
/// @dev    Where the issuer itself is recovered to another wallet, `setIssuer` comes before the move, or the fresh
///         wallet is locked up as a buyer's would be.
contract LockUpModule is ComplianceModule {
    mapping(address => uint64) public lockUpOf; // seconds, by compliance
    mapping(address => address) public issuerOf; // by compliance; zero: every mint is locked up
    mapping(address => mapping(address => uint64)) public sellFrom; // seconds, by compliance and wallet

    event LockUpSet(address indexed compliance, uint64 lockUp);
    event IssuerSet(address indexed compliance, address indexed issuer);
    event SellFromSet(address indexed compliance, address indexed wallet, uint64 time);

    /// @notice Set the lock-up in seconds for acquisitions from now on. Called by the compliance, for its owner.
    function setLockUp(uint64 lockUp) external onlyBound {
        lockUpOf[msg.sender] = lockUp;
        emit LockUpSet(msg.sender, lockUp);
    }

    /// @notice Set the wallet that sells first. Called by the compliance, for its owner.
    function setIssuer(address issuer) external onlyBound {
        issuerOf[msg.sender] = issuer;
        emit IssuerSet(msg.sender, issuer);
    }

    function moduleTransferAction(address from, address to, uint256) external override onlyBound {
        if (from == issuerOf[msg.sender]) return _lockUp(to);
        uint64 time = sellFrom[msg.sender][from];
        if (time > block.timestamp) _postpone(to, time); // only what was forced comes here before its date
    }

    function moduleMintAction(address to, uint256) external override onlyBound {
        _lockUp(to);
    }

    function moduleBurnAction(address, uint256) external override onlyBound {}

    function moduleCheck(address from, address, uint256, address compliance) external view override returns (bool) {
        return from == issuerOf[compliance] || block.timestamp >= sellFrom[compliance][from];
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

    function _lockUp(address wallet) private {
        uint64 lockUp = lockUpOf[msg.sender];
        if (lockUp > 0 && wallet != issuerOf[msg.sender]) _postpone(wallet, uint64(block.timestamp) + lockUp);
    }

    function _postpone(address wallet, uint64 time) private {
        if (time <= sellFrom[msg.sender][wallet]) return;
        sellFrom[msg.sender][wallet] = time;
        emit SellFromSet(msg.sender, wallet, time);
    }
}
