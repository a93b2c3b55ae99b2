// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

/// @notice A contract that can say that a signature is its own (EIP-1271).
interface IContractSigner {
    /// @return This function's selector, if the signature is valid.
    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4);
}
