// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

/// @notice One movement of locked tokens.
/// @param tokenIndex Index into the batch's `tokens`. Legs of one token stand together, and so do legs of one seller:
///                   nothing breaks otherwise, but checks are then made again and the gas is paid again.
/// @param qty        Token base units, at least 1.
struct Leg {
    uint16 tokenIndex;
    address seller;
    address buyer;
    uint128 qty;
}

interface ITokenLocker {
    function settleLegs(address[] calldata tokens, Leg[] calldata legs) external;
}
