// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

import {ChunkedPayout} from "./ChunkedPayout.sol";
import {ICashToken} from "./interfaces/ICashToken.sol";
import {IPropertyToken} from "./interfaces/IPropertyToken.sol";

/// @title  The end of a property token: each holder's tokens are burned and paid for in the same transaction
/// @notice Two words a holder: `amountUsdcMicros << 160 | holder`, then the base units that the holder had in the
///         snapshot. All of them are burned, frozen and locked ones too. After the last chunk no token is left.
/// @dev    An agent of the token, at its exit only. A balance that is not the snapshot's stops the chunk and names the
///         holder: then the owner cancels, and the rest is declared anew.
contract ExitRedemption is ChunkedPayout {
    error BalanceMoved(address holder, uint256 balance, uint256 snapshot);
    error TokensLeft(address token, uint256 supply);

    constructor(ICashToken usdc_, address owner_, uint64 changeDelay_) ChunkedPayout(usdc_, owner_, changeDelay_) {}

    function _payHolders(bytes32 id, address token, uint256[] calldata words)
        internal
        override
        returns (uint256 paid, uint256 booked)
    {
        for (uint256 i = 0; i < words.length; i += 2) {
            _burn(IPropertyToken(token), address(uint160(words[i])), words[i + 1]);
            (uint256 sent, uint256 kept) = _payWord(id, words[i]);
            paid += sent;
            booked += kept;
        }
    }

    function _complete(address token) internal view override {
        uint256 supply = IPropertyToken(token).totalSupply();
        if (supply != 0) revert TokensLeft(token, supply);
    }

    function _burn(IPropertyToken token, address holder, uint256 qty) private {
        uint256 balance = token.balanceOf(holder);
        if (balance != qty) revert BalanceMoved(holder, balance, qty);
        if (qty > 0) token.burn(holder, qty);
    }
}
