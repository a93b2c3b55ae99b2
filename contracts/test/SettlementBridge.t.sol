// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

import {Batch, SettlementBridge} from "../src/SettlementBridge.sol";
import {Timelocked} from "../src/Timelocked.sol";
import {World} from "./World.sol";

contract SettlementBridgeTest is World {
    event BatchSettled(
        uint64 indexed tradeAfter,
        uint64 indexed tradeLast,
        uint64 journalSeq,
        bytes32 journalHash,
        bytes32 batchHash
    );

    function setUp() public {
        buildWorld();
    }

    function testSettlesTokensAndCashAndSaysWhat() public {
        Batch memory batch = trade(alice, bob, 100, 5_000e6);
        vm.expectEmit(true, true, true, true, address(bridge));
        emit BatchSettled(0, 7, 99, bytes32("frame"), keccak256(abi.encode(batch)));
        vm.prank(OPERATOR);
        bridge.settle(0, 7, 99, bytes32("frame"), batch);
        assertEq(token.balanceOf(bob), TOKENS + 100, "bob's tokens");
        assertEq(lockedOf(bob), TOKENS + 100, "bob's lock");
        assertEq(lockedOf(alice), TOKENS - 100, "alice's lock");
        assertEq(token.getFrozenTokens(alice), TOKENS - 100, "alice's frozen");
        assertEq(cashOf(alice), CASH + 5_000e6, "alice's cash");
        assertEq(cashOf(bob), CASH - 5_000e6, "bob's cash");
        assertEq(bridge.lastTrade(), 7, "last trade");
    }

    function testEmptyBatchMovesTheRangeOnly() public {
        Batch memory batch;
        vm.prank(OPERATOR);
        bridge.settle(0, 3, 3, 0, batch);
        assertEq(bridge.lastTrade(), 3, "last trade");
    }

    function testARangeSettlesOnceAndInOrder() public {
        Batch memory batch = trade(alice, bob, 1, 1);
        vm.startPrank(OPERATOR);
        bridge.settle(0, 5, 5, 0, batch);
        vm.expectRevert(abi.encodeWithSelector(SettlementBridge.TradesOutOfOrder.selector, 5, 0, 5));
        bridge.settle(0, 5, 5, 0, batch);
        vm.expectRevert(abi.encodeWithSelector(SettlementBridge.TradesOutOfOrder.selector, 5, 6, 7));
        bridge.settle(6, 7, 7, 0, batch);
        vm.expectRevert(abi.encodeWithSelector(SettlementBridge.TradesOutOfOrder.selector, 5, 5, 5));
        bridge.settle(5, 5, 5, 0, batch);
        vm.expectRevert(abi.encodeWithSelector(SettlementBridge.TradesOutOfOrder.selector, 5, 5, 4));
        bridge.settle(5, 4, 5, 0, batch);
        vm.stopPrank();
    }

    function testOnlyTheOperatorSettles() public {
        Batch memory batch;
        address[6] memory others = [OWNER, RELEASER, GUARDIAN, ISSUER, alice, address(this)];
        for (uint256 i = 0; i < others.length; ++i) {
            vm.prank(others[i]);
            vm.expectRevert(abi.encodeWithSelector(Timelocked.NotHolder.selector, bytes32("operator"), others[i]));
            bridge.settle(0, 1, 1, 0, batch);
        }
    }

    function testAPauseStopsAndExpires() public {
        Batch memory batch;
        vm.prank(GUARDIAN);
        bridge.pause();
        settleFails(batch, abi.encodeWithSelector(SettlementBridge.BridgePaused.selector, block.timestamp + PAUSE));
        vm.warp(block.timestamp + PAUSE - 1);
        settleFails(batch, abi.encodeWithSelector(SettlementBridge.BridgePaused.selector, block.timestamp + 1));
        vm.warp(block.timestamp + 1);
        settle(batch);
    }

    function testOnlyTheGuardianPausesAndUnpauses() public {
        vm.startPrank(OPERATOR);
        vm.expectRevert(abi.encodeWithSelector(Timelocked.NotHolder.selector, bytes32("guardian"), OPERATOR));
        bridge.pause();
        vm.expectRevert(abi.encodeWithSelector(Timelocked.NotHolder.selector, bytes32("guardian"), OPERATOR));
        bridge.unpause();
        vm.stopPrank();
        vm.startPrank(GUARDIAN);
        vm.expectRevert(abi.encodeWithSelector(SettlementBridge.NotPaused.selector));
        bridge.unpause();
        bridge.pause();
        bridge.unpause();
        vm.stopPrank();
        Batch memory batch;
        settle(batch);
    }

    function testAFailingLegLeavesNothing() public {
        Batch memory batch = trade(alice, bob, TOKENS + 1, 5);
        vm.prank(OPERATOR);
        vm.expectRevert();
        bridge.settle(0, 1, 1, 0, batch);
        assertEq(bridge.lastTrade(), 0, "last trade");
        assertEq(cashOf(bob), CASH, "bob's cash");
    }
}
