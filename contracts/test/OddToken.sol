// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

import {TokenLocker} from "../src/TokenLocker.sol";

/// @notice A listed token that misbehaves: its forced transfer answers false, or calls the locker back. It is its own
///         registry and compliance, and allows everybody everything.
contract OddToken {
    TokenLocker private immutable _locker;
    bool private _callsBack;

    constructor(TokenLocker locker) {
        _locker = locker;
    }

    function callBack() external {
        _callsBack = true;
    }

    function forcedTransfer(address from, address, uint256) external returns (bool) {
        if (_callsBack) _locker.sync(address(this), from);
        return _callsBack;
    }

    function freezePartialTokens(address, uint256) external {}

    function unfreezePartialTokens(address, uint256) external {}

    function identityRegistry() external view returns (address) {
        return address(this);
    }

    function compliance() external view returns (address) {
        return address(this);
    }

    function getFrozenTokens(address) external pure returns (uint256) {
        return 5;
    }

    function paused() external pure returns (bool) {
        return false;
    }

    function isFrozen(address) external pure returns (bool) {
        return false;
    }

    function isVerified(address) external pure returns (bool) {
        return true;
    }

    function balanceOf(address) external pure returns (uint256) {
        return 5;
    }

    function canTransfer(address, address, uint256) external pure returns (bool) {
        return true;
    }
}
