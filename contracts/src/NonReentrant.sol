// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

/// @notice Refuses a call into a guarded function while another one runs.
abstract contract NonReentrant {
    uint256 private _entered = 1; // 1 and 2, never 0: a slot that stays non-zero is cheaper to write

    error Reentered();

    modifier nonReentrant() {
        if (_entered != 1) revert Reentered();
        _entered = 2;
        _;
        _entered = 1;
    }
}
