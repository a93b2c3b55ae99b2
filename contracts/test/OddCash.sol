// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

import {CashVault} from "../src/CashVault.sol";

/// @notice A cash token that misbehaves in one way. Every account has what it wants.
contract OddCash {
    enum Kind {
        ReturnsNothing,
        ReturnsFalse,
        ReturnsTwo,
        ReturnsShort,
        TakesFee,
        CallsBack
    }

    Kind private immutable _kind;
    mapping(address => uint256) public balanceOf;

    constructor(Kind kind) {
        _kind = kind;
    }

    function transferFrom(address, address to, uint256 amount) external {
        if (_kind == Kind.CallsBack) CashVault(to).deposit(amount);
        balanceOf[to] += _kind == Kind.TakesFee ? amount - 1 : amount;
        if (_kind == Kind.ReturnsNothing) _answer("");
        if (_kind == Kind.ReturnsFalse) _answer(abi.encode(0));
        if (_kind == Kind.ReturnsTwo) _answer(abi.encode(2));
        if (_kind == Kind.ReturnsShort) _answer(hex"01");
        _answer(abi.encode(1));
    }

    function _answer(bytes memory data) private pure {
        // solhint-disable-next-line no-inline-assembly
        assembly {
            return(add(data, 0x20), mload(data))
        }
    }
}
