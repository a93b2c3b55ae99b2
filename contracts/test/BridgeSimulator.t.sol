// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

import {CashVault} from "../src/CashVault.sol";
import {CashDelta} from "../src/interfaces/ICashVault.sol";
import {BridgeSimulator, Fill, FillResult} from "../src/simulation/BridgeSimulator.sol";
import {TokenLocker} from "../src/TokenLocker.sol";
import {World} from "./World.sol";

contract BridgeSimulatorTest is World {
    BridgeSimulator private simulator;

    function setUp() public {
        buildWorld();
        vm.etch(address(bridge), type(BridgeSimulator).runtimeCode); // what an eth_call's code override does
        simulator = BridgeSimulator(address(bridge));
    }

    function testEachFillIsTriedOnWhatTheOnesBeforeItLeft() public {
        vm.prank(carol);
        locker.requestUnlock(address(token), TOKENS);
        vm.prank(RELEASER);
        locker.releaseUnlock(address(token), carol, TOKENS, block.number);
        Fill[] memory fills = new Fill[](3);
        fills[0] = _fill(alice, carol, 10, 100);
        fills[1] = _fill(carol, bob, 10, 100); // rests on the first
        fills[2] = _fill(carol, bob, 1, 100);
        FillResult[] memory results = simulator.simulate(vault, locker, fills);
        assertTrue(results[0].ok, "first");
        assertTrue(results[1].ok, "second");
        assertTrue(!results[2].ok, "third");
        _reason(results[2], abi.encodeWithSelector(TokenLocker.LegLockTooSmall.selector, 0, carol, 0, 1));
    }

    function testAFailedFillLeavesNothingAndSaysWhy() public {
        Fill[] memory fills = new Fill[](4);
        fills[0] = _fill(alice, bob, 10, CASH + 1); // its tokens could move, its cash could not
        fills[1] = _fill(alice, bob, uint128(TOKENS), 1);
        fills[2] = _fill(alice, bob, 1, 1);
        fills[3] = _fill(bob, alice, 1, 1);
        FillResult[] memory results = simulator.simulate(vault, locker, fills);
        _reason(results[0], abi.encodeWithSelector(CashVault.Overdrawn.selector, bob));
        assertTrue(results[1].ok, "all of alice's tokens are still there");
        _reason(results[2], abi.encodeWithSelector(TokenLocker.LegLockTooSmall.selector, 0, alice, 0, 1));
        assertTrue(results[3].ok, "last");
    }

    function testAFrozenWalletFailsItsOwnFillsOnly() public {
        token.setAddressFrozen(bob, true);
        Fill[] memory fills = new Fill[](3);
        fills[0] = _fill(alice, bob, 1, 1);
        fills[1] = _fill(alice, carol, 1, 1);
        fills[2] = _fill(bob, carol, 1, 1);
        FillResult[] memory results = simulator.simulate(vault, locker, fills);
        _reason(results[0], abi.encodeWithSelector(TokenLocker.LegWalletFrozen.selector, 0, bob));
        assertTrue(results[1].ok, "between others");
        _reason(results[2], abi.encodeWithSelector(TokenLocker.LegWalletFrozen.selector, 0, bob));
    }

    function testATradeWithItselfMovesItsFeesOnly() public {
        Fill[] memory fills = new Fill[](1);
        fills[0] = _fill(alice, alice, 1, 0);
        fills[0].cash[0] = CashDelta(alice, -3);
        fills[0].cash[1] = CashDelta(FEES, 3);
        assertTrue(simulator.simulate(vault, locker, fills)[0].ok, "settles");
        assertEq(cashOf(FEES), 3, "fees");
    }

    function testOnlyItselfCallsTheInnerStep() public {
        Fill memory fill = _fill(alice, bob, 1, 1);
        vm.expectRevert(abi.encodeWithSelector(BridgeSimulator.OnlySelf.selector));
        simulator.settleOne(vault, locker, fill);
    }

    function _fill(address seller, address buyer, uint128 qty, uint256 notional)
        private
        view
        returns (Fill memory fill)
    {
        CashDelta[] memory cash = trade(seller, buyer, qty, notional).cash;
        return Fill(address(token), seller, buyer, qty, cash);
    }

    function _reason(FillResult memory result, bytes memory expected) private pure {
        assertTrue(!result.ok, "fails");
        assertTrue(keccak256(result.reason) == keccak256(expected), "the reason");
    }
}
