// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

/// @notice How a payout's chunks are written and hashed, once more and apart from the contract.
library Chunks {
    function word(address holder, uint256 amount) internal pure returns (uint256) {
        return (amount << 160) | uint160(holder);
    }

    /// @return heads One more than there are chunks; the last is zero.
    function chain(uint256[][] memory chunks) internal pure returns (bytes32[] memory heads) {
        heads = new bytes32[](chunks.length + 1);
        for (uint256 i = chunks.length; i > 0; --i) {
            bytes memory body = abi.encodePacked(uint256(0x40), heads[i], chunks[i - 1].length, chunks[i - 1]);
            heads[i - 1] = keccak256(body);
        }
    }

    function one(uint256 a) internal pure returns (uint256[] memory words) {
        words = new uint256[](1);
        words[0] = a;
    }

    function two(uint256 a, uint256 b) internal pure returns (uint256[] memory words) {
        words = new uint256[](2);
        (words[0], words[1]) = (a, b);
    }
}
