// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

import {PayoutActs} from "./PayoutActs.sol";
import {Test} from "./Test.sol";

contract PayoutInvariants is Test {
    PayoutActs private acts;

    function setUp() public {
        acts = new PayoutActs();
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(acts);
    }

    /// @dev Every chunk's amounts are with their holders or owed to them, to the micro, whoever was blacklisted when.
    function invariantEveryAmountIsPaidOrOwedOnce() public view {
        (uint256 paid, uint256 owed, uint256 paidBooked, uint256 owedBooked,) = acts.sums();
        assertEq(paid + owed, acts.distributed(), "distributed");
        assertEq(paid, paidBooked, "paid");
        assertEq(owed, owedBooked, "owed");
    }

    function invariantWhatIsDueIsThere() public view {
        (,,,, uint256 due) = acts.sums();
        assertEq(acts.payouts().liabilitiesUsdcMicros(), due, "liabilities");
        assertEq(acts.usdc().balanceOf(address(acts.payouts())), due + acts.surplus(), "reserves");
    }

    function invariantNoChunkOutOfTurn() public view {
        assertEq(acts.breaches(), 0, "breaches");
    }
}
