// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

import {CashDelta} from "../src/interfaces/ICashVault.sol";
import {Batch} from "../src/SettlementBridge.sol";
import {World} from "./World.sol";

/// @notice Someone who stole the operator's key and has an accomplice, bob. Bob asked for everything of his own a delay
///         ago and then spent it, so that his requests are ripe and nothing is left that is his. They try what they can
///         for less than another delay. Whether a try goes through is not the question; what has left in the end is.
contract Thief is World {
    uint256 public immutable startedAt;

    constructor() {
        buildWorld();
        vm.startPrank(bob);
        vault.requestWithdraw(CASH);
        locker.requestUnlock(address(token), TOKENS);
        vm.stopPrank();
        settle(trade(alice, bob, 1, CASH));
        settle(trade(bob, carol, TOKENS + 1, 0));
        vm.warp(block.timestamp + EXIT_DELAY);
        startedAt = block.timestamp;
    }

    function moveCash(uint256 from, uint256 to, uint256 amount) external {
        Batch memory batch = trade(_wallet(to), _wallet(from), 1, _loot(amount, cashOf(_wallet(from))));
        delete batch.legs;
        _settle(batch);
    }

    function moveTokens(uint256 from, uint256 to, uint256 qty) external {
        Batch memory batch = trade(_wallet(from), _wallet(to), _loot(qty, lockedOf(_wallet(from))), 0);
        batch.cash = new CashDelta[](0);
        _settle(batch);
    }

    function request(uint256 who, uint256 amount) external {
        address wallet = _wallet(who);
        (uint256 cash, uint256 qty) = (bound(amount, 0, cashOf(wallet)), bound(amount, 0, lockedOf(wallet)));
        vm.prank(wallet);
        try vault.requestWithdraw(cash) {} catch {}
        vm.prank(wallet);
        try locker.requestUnlock(address(token), qty) {} catch {}
    }

    function cancel(uint256 who) external {
        address wallet = _wallet(who);
        vm.prank(wallet);
        try vault.cancelWithdraw() {} catch {}
        vm.prank(wallet);
        try locker.cancelUnlock(address(token)) {} catch {}
    }

    function take(uint256 who) external {
        address wallet = _wallet(who);
        vm.prank(wallet);
        try vault.takeWithdraw() {} catch {}
        vm.prank(wallet);
        try locker.takeUnlock(address(token)) {} catch {}
    }

    function release(uint256 who, uint256 amount) external {
        vm.prank(OPERATOR);
        try vault.releaseWithdraw(_wallet(who), amount, block.number) {} catch {}
        vm.prank(OPERATOR);
        try locker.releaseUnlock(address(token), _wallet(who), amount, block.number) {} catch {}
    }

    function sync(uint256 who) external {
        try locker.sync(address(token), _wallet(who)) {} catch {}
    }

    function wait(uint256 time) external {
        uint256 end = startedAt + EXIT_DELAY - 1;
        vm.warp(bound(time, block.timestamp, end));
    }

    /// @notice USDC of the vault that has left, and tokens that their holders could move by themselves.
    function left() external view returns (uint256 cash, uint256 tokens) {
        cash = 3 * CASH - usdc.balanceOf(address(vault));
        address[3] memory wallets = [alice, bob, carol];
        for (uint256 i = 0; i < wallets.length; ++i) {
            tokens += token.balanceOf(wallets[i]) - token.getFrozenTokens(wallets[i]);
        }
    }

    /// @dev All of it half of the time, as a thief would.
    function _loot(uint256 seed, uint256 all) private pure returns (uint256) {
        return seed % 2 == 0 ? all : bound(seed, 0, all);
    }

    function _settle(Batch memory batch) private {
        uint64 last = bridge.lastTrade();
        vm.prank(OPERATOR);
        try bridge.settle(last, last + 1, 0, 0, batch) {} catch {}
    }

    function _wallet(uint256 who) private view returns (address) {
        return [alice, bob, carol, bob][who % 4];
    }
}
