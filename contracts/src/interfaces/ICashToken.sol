// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

/// @notice The part of ERC-20 and EIP-2612 that the vault calls.
/// @dev    `transfer` and `transferFrom` are called through `SafeCash`, which also takes tokens that return nothing.
interface ICashToken {
    function balanceOf(address account) external view returns (uint256);

    function transfer(address to, uint256 amount) external returns (bool);

    function transferFrom(address from, address to, uint256 amount) external returns (bool);

    function permit(address owner, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external;
}
