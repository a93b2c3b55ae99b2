// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

/// @notice What an ERC-3643 modular compliance calls on its modules.
interface IComplianceModule {
    function bindCompliance(address compliance) external;

    function unbindCompliance(address compliance) external;

    /// @notice Told after a transfer, forced ones included. Called by a bound compliance.
    function moduleTransferAction(address from, address to, uint256 amount) external;

    /// @notice Told after a mint. Called by a bound compliance.
    function moduleMintAction(address to, uint256 amount) external;

    /// @notice Told after a burn. Called by a bound compliance.
    function moduleBurnAction(address from, uint256 amount) external;

    /// @notice Whether a transfer, or a mint when `from` is zero, may happen. Forced transfers do not ask.
    function moduleCheck(address from, address to, uint256 amount, address compliance) external view returns (bool);

    function isComplianceBound(address compliance) external view returns (bool);

    function canComplianceBind(address compliance) external view returns (bool);

    function isPlugAndPlay() external pure returns (bool);

    function name() external pure returns (string memory);
}
