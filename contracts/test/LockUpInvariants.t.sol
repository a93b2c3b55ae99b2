// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

import {Lot} from "../src/modules/LockUpModule.sol";
import {LockUpActs} from "./LockUpActs.sol";
import {Test} from "./Test.sol";

contract LockUpInvariants is Test {
    LockUpActs private acts;

    function setUp() public {
        acts = new LockUpActs();
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(acts);
    }

    /// @dev Whatever was carried where, and however many lots became one.
    function invariantNothingIsReleasedBeforeItIsDue() public view {
        for (uint256 who = 0; who < 3; ++who) {
            (,, Lot[] memory lots) = acts.standing(who);
            (uint256 locked, uint256 due, uint256 next) = (0, 0, lots.length);
            for (uint256 i = acts.dateCount(); i > 0 && acts.dates(i - 1) > block.timestamp; --i) {
                uint64 date = acts.dates(i - 1);
                due += acts.due(acts.holders(who), date);
                for (; next > 0 && lots[next - 1].releasedAt >= date; --next) locked += lots[next - 1].amount;
                assertTrue(locked >= due, "locked up from this date on");
                if (!acts.wasFull()) assertEq(locked, due, "and no more");
            }
            assertEq(next, 0, "lots of a date that was never given");
        }
    }

    function invariantLotsAreInOrderAndCoveredAndNoTokenIsLost() public view {
        (uint256 supply, uint256 ofIssuer) = acts.ofIssuer();
        assertEq(ofIssuer, 0, "the issuer's lots");
        for (uint256 who = 0; who < 3; ++who) {
            (uint256 balance, uint256 locked, Lot[] memory lots) = acts.standing(who);
            assertTrue(locked <= balance, "covered");
            assertTrue(lots.length <= 32, "as many as a wallet may have");
            for (uint256 i = 0; i < lots.length; ++i) {
                locked -= lots[i].amount;
                assertTrue(lots[i].amount > 0, "some");
                assertTrue(i == 0 || lots[i - 1].releasedAt < lots[i].releasedAt, "in order");
            }
            assertEq(locked, 0, "the sum");
            supply += balance;
        }
        assertEq(supply, acts.supply(), "supply");
        assertEq(acts.breaches(), 0, "times that more was sent than is free");
    }
}
