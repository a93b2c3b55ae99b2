// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

import {ChunkedPayout} from "./ChunkedPayout.sol";
import {ICashToken} from "./interfaces/ICashToken.sol";

/// @title  Dividends to holders of record
/// @notice One word a holder: `amountUsdcMicros << 160 | holder`. Who holds how much, and when, was decided off chain and
///         is what the hash fixes; tokens are not looked at.
contract DividendDistributor is ChunkedPayout {
    constructor(ICashToken usdc_, address owner_, uint64 changeDelay_) ChunkedPayout(usdc_, owner_, changeDelay_) {}

    function _payHolders(bytes32 id, address, uint256[] calldata words)
        internal
        override
        returns (uint256 paid, uint256 booked)
    {
        for (uint256 i = 0; i < words.length; ++i) {
            (uint256 sent, uint256 kept) = _payWord(id, words[i]);
            paid += sent;
            booked += kept;
        }
    }

    function _complete(address) internal view override {}
}
