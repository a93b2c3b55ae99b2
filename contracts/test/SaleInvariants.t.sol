// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

import {SaleActs} from "./SaleActs.sol";
import {Test} from "./Test.sol";

contract SaleInvariants is Test {
    SaleActs private acts;

    function setUp() public {
        acts = new SaleActs();
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(acts);
    }

    /// @dev Tokens and cash changed hands at the price of each sale, to the unit, and nothing stayed on the way.
    function invariantWhatWasSoldWasPaidFor() public view {
        (uint256 tokens, uint256 cash) = acts.moved();
        assertEq(tokens, acts.soldInAll(), "tokens");
        assertEq(cash, acts.paidInAll(), "cash");
        assertEq(acts.unsold() + tokens, acts.supply(), "supply");
        assertEq(acts.held(), 0, "held");
    }

    function invariantTheSaleCountsWhatItSold() public view {
        assertEq(acts.counted(), acts.soldNow(), "counted");
    }

    function invariantNothingWasBoughtThatMustNot() public view {
        assertEq(acts.breaches(), 0, "breaches");
    }
}
