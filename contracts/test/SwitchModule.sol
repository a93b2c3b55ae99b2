// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

/// @notice A compliance module that a test switches off and on for each wallet.
contract SwitchModule {
    mapping(address => bool) public isBlocked;

    function set(address account, bool blocked) external {
        isBlocked[account] = blocked;
    }

    function moduleCheck(address from, address to, uint256, address) external view returns (bool) {
        return !isBlocked[from] && !isBlocked[to];
    }

    function bindCompliance(address) external {}

    function unbindCompliance(address) external {}

    function moduleTransferAction(address, address, uint256) external {}

    function moduleMintAction(address, uint256) external {}

    function moduleBurnAction(address, uint256) external {}

    function canComplianceBind(address) external pure returns (bool) {
        return true;
    }

    function isPlugAndPlay() external pure returns (bool) {
        return true;
    }

    function name() external pure returns (string memory) {
        return "SwitchModule";
    }
}
