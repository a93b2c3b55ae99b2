// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

/// @notice A cash token whose `transfer` behaves for each receiver as a test says.
contract MoodyCash {
    enum Mood {
        Good,
        ReturnsNothing,
        ReturnsFalse,
        ReturnsTwo,
        ReturnsShort,
        ReturnsBomb,
        Reverts,
        RevertsWithTrue,
        EatsGas,
        CallsBack
    }

    bool public takesFee;
    mapping(address => Mood) public moodOf;
    mapping(address => uint256) public balanceOf;
    bytes public callback;

    /// @notice Whether a call back was refused.
    bool public refused;

    function setMood(address receiver, Mood mood) external {
        moodOf[receiver] = mood;
    }

    function setTakesFee() external {
        takesFee = true;
    }

    function setCallback(bytes calldata data) external {
        callback = data;
    }

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        balanceOf[from] -= amount;
        balanceOf[to] += takesFee ? amount - 1 : amount;
        return true;
    }

    function transfer(address to, uint256 amount) external {
        Mood mood = moodOf[to];
        // solhint-disable-next-line no-inline-assembly
        if (mood == Mood.EatsGas) assembly { invalid() }
        if (mood == Mood.Reverts) revert();
        if (mood == Mood.RevertsWithTrue) _revert(abi.encode(1));
        if (mood == Mood.ReturnsFalse) _return(abi.encode(0));
        if (mood == Mood.ReturnsTwo) _return(abi.encode(2));
        if (mood == Mood.ReturnsShort) _return(hex"01");
        if (mood == Mood.ReturnsBomb) _return(new bytes(100_000));
        if (mood == Mood.CallsBack) {
            (bool ok,) = msg.sender.call(callback);
            refused = !ok;
        }
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
        if (mood == Mood.ReturnsNothing) _return("");
        _return(abi.encode(1));
    }

    function _return(bytes memory data) private pure {
        // solhint-disable-next-line no-inline-assembly
        assembly {
            return(add(data, 0x20), mload(data))
        }
    }

    function _revert(bytes memory data) private pure {
        // solhint-disable-next-line no-inline-assembly
        assembly {
            revert(add(data, 0x20), mload(data))
        }
    }
}
