// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

/// @notice A compliance module that allows no wallet more than `cap`, told of balances that came before it.
contract CapModule {
    uint256 private immutable _cap;
    mapping(address => uint256) private _balances;

    constructor(uint256 cap) {
        _cap = cap;
    }

    function learn(address account, uint256 balance) external {
        _balances[account] = balance;
    }

    function bindCompliance(address) external {}

    function unbindCompliance(address) external {}

    function moduleTransferAction(address from, address to, uint256 value) external {
        _balances[from] -= value;
        _balances[to] += value;
    }

    function moduleMintAction(address to, uint256 value) external {
        _balances[to] += value;
    }

    function moduleBurnAction(address from, uint256 value) external {
        _balances[from] -= value;
    }

    function moduleCheck(address, address to, uint256 value, address) external view returns (bool) {
        return _balances[to] + value <= _cap;
    }

    function canComplianceBind(address) external pure returns (bool) {
        return true;
    }

    function isPlugAndPlay() external pure returns (bool) {
        return true;
    }

    function name() external pure returns (string memory) {
        return "CapModule";
    }
}
