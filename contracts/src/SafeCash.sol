// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

import {ICashToken} from "./interfaces/ICashToken.sol";

/// @notice Token calls that fail loudly: a call that reverts, or that returns anything but true or nothing, reverts.
library SafeCash {
    error CashCallFailed(bytes result);

    function safeTransfer(ICashToken token, address to, uint256 amount) internal {
        _call(token, abi.encodeCall(ICashToken.transfer, (to, amount)));
    }

    function safeTransferFrom(ICashToken token, address from, address to, uint256 amount) internal {
        _call(token, abi.encodeCall(ICashToken.transferFrom, (from, to, amount)));
    }

    function _call(ICashToken token, bytes memory data) private {
        (bool ok, bytes memory result) = address(token).call(data);
        // One word that is 1 and nothing else: `abi.decode` to bool would revert without a reason on a 2.
        bool said = result.length == 0
            ? address(token).code.length > 0
            : result.length == 32 && abi.decode(result, (uint256)) == 1;
        if (!ok || !said) revert CashCallFailed(result);
    }
}
