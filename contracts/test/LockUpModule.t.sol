// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

import {LockUpModule, Lot} from "../src/modules/LockUpModule.sol";
import {Leg} from "../src/interfaces/ITokenLocker.sol";
import {Batch} from "../src/SettlementBridge.sol";
import {TokenLocker} from "../src/TokenLocker.sol";
import {LockedUp} from "./LockedUp.sol";
import {Vm} from "./Test.sol";

contract LockUpModuleTest is LockedUp {
    event LotLockedUp(address indexed compliance, address indexed wallet, uint256 amount, uint64 releasedAt);
    event LotTaken(address indexed compliance, address indexed wallet, uint256 amount, uint64 releasedAt);

    uint64 private _start;

    function setUp() public {
        buildLockedUp();
        _start = uint64(block.timestamp);
    }

    // ---- when it may be sold ----

    function testALotHoldsUntilItsDate() public {
        mintLocked(alice, 10);
        vm.warp(_start + LOCK_UP - 1);
        _refuses(alice, bob, 1);
        vm.warp(_start + LOCK_UP);
        settle(trade(alice, bob, 10, 0));
        settle(trade(bob, carol, 10, 0)); // bought from one who may sell: free at once
    }

    function testEachLotIsReleasedByItsOwnDate() public {
        mintLocked(alice, 10);
        vm.warp(_start + 5);
        mintLocked(alice, 3);
        _assertLots(alice, _two(10, _start + LOCK_UP, 3, _start + LOCK_UP + 5));
        vm.warp(_start + LOCK_UP);
        _assertLots(alice, _one(3, _start + LOCK_UP + 5));
        _refuses(alice, bob, 11);
        settle(trade(alice, bob, 6, 0));
        _refuses(alice, bob, 5);
        settle(trade(alice, bob, 4, 0));
        _refuses(alice, bob, 1);
        vm.warp(_start + LOCK_UP + 5);
        settle(trade(alice, bob, 3, 0));
        _assertLots(bob, _none());
    }

    function testWhatWasBoughtBesideLotsIsFree() public {
        mintLocked(bob, 5);
        vm.warp(_start + LOCK_UP);
        mintLocked(alice, 10);
        settle(trade(bob, alice, 5, 0));
        _refuses(alice, bob, 6);
        settle(trade(alice, bob, 5, 0));
        _assertLots(alice, _one(10, _start + 2 * LOCK_UP));
    }

    function testTheLegsOfOneSellerCountTogether() public {
        mintLocked(alice, 10);
        vm.warp(_start + LOCK_UP);
        mintLocked(alice, 10);
        Batch memory batch = trade(alice, bob, 1, 0);
        batch.legs = new Leg[](2);
        (batch.legs[0], batch.legs[1]) = (Leg(0, alice, bob, 6), Leg(0, alice, carol, 5));
        settleFails(batch, abi.encodeWithSelector(TokenLocker.LegNotCompliant.selector, 1, alice, carol, 5));
        batch.legs[1].qty = 4;
        settle(batch);
        _assertLots(alice, _one(10, _start + 2 * LOCK_UP));
    }

    function testALockThatCoversTheLotsKeepsWhatIsSoldThere() public {
        setLockUp(0);
        mintLocked(alice, 10);
        setLockUp(LOCK_UP);
        token.mint(alice, 10);
        uint256 before = vm.snapshotState();
        send(alice, carol, 10); // what is free, from outside the locker
        _refuses(alice, bob, 10);
        vm.revertToState(before);
        lockTokens(alice, 10);
        vm.prank(alice);
        vm.expectRevert("Insufficient Balance");
        token.transfer(carol, 1);
        settle(trade(alice, bob, 10, 0));
    }

    function testAHoldersOwnTransferIsHeldToTheLotsToo() public {
        token.mint(alice, 10);
        vm.prank(alice);
        vm.expectRevert("Transfer not possible");
        token.transfer(bob, 1);
        vm.warp(_start + LOCK_UP);
        send(alice, bob, 10);
        _assertLots(bob, _none());
    }

    function testWithoutALockUpNothingIsLockedUp() public {
        setLockUp(0);
        token.mint(alice, 10);
        _assertLots(alice, _none());
        send(alice, bob, 10);
    }

    // ---- lots of one wallet ----

    function testLotsOfOneDateAreOne() public {
        token.mint(alice, 10);
        vm.expectEmit(true, true, true, true, address(lockUp));
        emit LotLockedUp(address(compliance), alice, 3, _start + LOCK_UP);
        token.mint(alice, 3);
        _assertLots(alice, _one(13, _start + LOCK_UP));
        setLockUp(LOCK_UP + 1);
        token.mint(alice, 4);
        setLockUp(LOCK_UP);
        token.mint(alice, 1);
        _assertLots(alice, _two(14, _start + LOCK_UP, 4, _start + LOCK_UP + 1));
    }

    function testAShorterLockUpGoesBeforeALongerOne() public {
        token.mint(alice, 10);
        setLockUp(7);
        token.mint(alice, 3);
        _assertLots(alice, _two(3, _start + 7, 10, _start + LOCK_UP));
        vm.warp(_start + 7);
        send(alice, bob, 3);
        vm.prank(alice);
        vm.expectRevert("Transfer not possible");
        token.transfer(bob, 1);
    }

    function testOneTooManyJoinsTheYoungestAtTheLaterDate() public {
        uint256 most = lockUp.LOTS_MAX();
        uint64 youngest = uint64(_fill(alice));
        vm.warp(block.timestamp + 5);
        vm.expectEmit(true, true, true, true, address(lockUp));
        emit LotTaken(address(compliance), alice, most, youngest);
        vm.expectEmit(true, true, true, true, address(lockUp));
        emit LotLockedUp(address(compliance), alice, most + 100, youngest + 5);
        token.mint(alice, 100);
        Lot[] memory lots = lotsOf(alice);
        assertEq(lots.length, most, "lots");
        assertEq(lots[most - 2].amount, most - 1, "the youngest but one is as it was");
        assertEq(lots[most - 2].releasedAt, youngest - 1, "with its date");
        _assertLot(lots[most - 1], most + 100, youngest + 5);
    }

    function testOneTooManyIsNotReleasedEarlierThanTheYoungest() public {
        uint256 most = lockUp.LOTS_MAX();
        uint64 youngest = uint64(_fill(alice));
        setLockUp(1);
        token.mint(alice, 100);
        assertEq(lotsOf(alice).length, most, "lots");
        _assertLot(lotsOf(alice)[most - 1], most + 100, youngest);
        _assertLot(lotsOf(alice)[0], 1, _start + LOCK_UP);
    }

    function testAFullWalletAddsToALotOfTheSameDate() public {
        uint256 most = lockUp.LOTS_MAX();
        uint64 youngest = uint64(_fill(alice));
        token.mint(alice, 100);
        _assertLot(lotsOf(alice)[most - 1], most + 100, youngest);
        setLockUp(uint64(_start + LOCK_UP + 3 - block.timestamp));
        token.mint(alice, 1000);
        assertEq(lotsOf(alice).length, most, "lots");
        _assertLot(lotsOf(alice)[3], 1004, _start + LOCK_UP + 3);
    }

    function testReleasedLotsMakeRoom() public {
        uint256 most = lockUp.LOTS_MAX();
        uint64 youngest = uint64(_fill(alice));
        vm.warp(_start + LOCK_UP + 1);
        token.mint(alice, 100);
        Lot[] memory lots = lotsOf(alice);
        assertEq(lots.length, most - 1, "two are released, one came");
        _assertLot(lots[0], 3, _start + LOCK_UP + 2);
        _assertLot(lots[most - 3], most, youngest);
        _assertLot(lots[most - 2], 100, _start + 2 * LOCK_UP + 1);
    }

    function testALotTooLargeIsRefused() public {
        uint256 most = type(uint128).max;
        token.mint(alice, most);
        vm.expectRevert(abi.encodeWithSelector(LockUpModule.LotTooLarge.selector, most + 1));
        token.mint(bob, most + 1);
    }

    // ---- what leaves past the lots ----

    function testFreeTokensGoFirstAndThenTheOldestLots() public {
        _fourFreeTenAndThree();
        token.forcedTransfer(alice, bob, 4);
        _assertLots(alice, _two(10, _start + LOCK_UP, 3, _start + LOCK_UP + 5));
        _assertLots(bob, _none());
        vm.expectEmit(true, true, true, true, address(lockUp));
        emit LotTaken(address(compliance), alice, 6, _start + LOCK_UP);
        vm.expectEmit(true, true, true, true, address(lockUp));
        emit LotLockedUp(address(compliance), bob, 6, _start + LOCK_UP);
        token.forcedTransfer(alice, bob, 6);
        _assertLots(alice, _two(4, _start + LOCK_UP, 3, _start + LOCK_UP + 5));
        _assertLots(bob, _one(6, _start + LOCK_UP));
        token.forcedTransfer(alice, bob, 5);
        _assertLots(alice, _one(2, _start + LOCK_UP + 5));
        _assertLots(bob, _two(10, _start + LOCK_UP, 1, _start + LOCK_UP + 5));
    }

    function testABurnTakesFreeTokensAndThenTheOldestLots() public {
        _fourFreeTenAndThree();
        token.burn(alice, 5);
        _assertLots(alice, _two(9, _start + LOCK_UP, 3, _start + LOCK_UP + 5));
        vm.expectEmit(true, true, true, true, address(lockUp));
        emit LotTaken(address(compliance), alice, 9, _start + LOCK_UP);
        token.burn(alice, 11);
        _assertLots(alice, _one(1, _start + LOCK_UP + 5));
        token.burn(alice, 1);
        _assertLots(alice, _none());
    }

    function testARecoveryTakesTheLotsAlongWithTheirDates() public {
        _fourFreeTenAndThree();
        address fresh = vm.addr(0xB9);
        addManagementKey(alice, fresh);
        token.recoveryAddress(alice, fresh, identityOf[alice]);
        _assertLots(alice, _none());
        _assertLots(fresh, _two(10, _start + LOCK_UP, 3, _start + LOCK_UP + 5));
        send(fresh, bob, 4);
        vm.prank(fresh);
        vm.expectRevert("Transfer not possible");
        token.transfer(bob, 1);
    }

    function testLotsThatComeAlongTakeTheirPlacesByDate() public {
        token.mint(alice, 1);
        vm.warp(_start + 1);
        token.mint(bob, 10);
        vm.warp(_start + 2);
        token.mint(alice, 100);
        token.forcedTransfer(alice, bob, 101);
        Lot[] memory lots = lotsOf(bob);
        assertEq(lots.length, 3, "bob's lots");
        for (uint64 i = 0; i < 3; ++i) _assertLot(lots[i], 10 ** i, _start + LOCK_UP + i);
    }

    function testTwoFullWalletsBecomeOne() public {
        uint256 most = lockUp.LOTS_MAX();
        _fill(alice);
        vm.warp(block.timestamp + 1);
        uint64 youngest = uint64(_fill(bob));
        uint256 half = token.balanceOf(alice);
        token.forcedTransfer(alice, bob, half);
        Lot[] memory lots = lotsOf(bob);
        assertEq(lots.length, most, "lots");
        _assertLot(lots[most - 1], half + most, youngest);
        assertEq(lockedUpOf(bob), 2 * half, "all of it");
    }

    function testAMoveOntoItselfChangesNothing() public {
        _fourFreeTenAndThree();
        token.forcedTransfer(alice, alice, 17);
        _assertLots(alice, _two(10, _start + LOCK_UP, 3, _start + LOCK_UP + 5));
    }

    function testWhatMovedUnseenLeavesAllLockedUpAndNobodyElse() public {
        _fourFreeTenAndThree();
        compliance.removeModule(address(lockUp));
        token.burn(alice, 12); // five are left, and lots of thirteen
        compliance.addModule(address(lockUp));
        vm.prank(alice);
        vm.expectRevert("Transfer not possible");
        token.transfer(bob, 1);
        token.forcedTransfer(alice, alice, 5);
        token.forcedTransfer(alice, bob, 2);
        _assertLots(bob, _one(2, _start + LOCK_UP));
        _assertLots(alice, _two(8, _start + LOCK_UP, 3, _start + LOCK_UP + 5));
    }

    // ---- the issuer ----

    function testWhatComesFromTheIssuerIsLockedUpAndTheIssuerIsNot() public {
        setIssuer(alice);
        token.mint(alice, 100);
        _assertLots(alice, _none());
        vm.expectEmit(true, true, true, true, address(lockUp));
        emit LotLockedUp(address(compliance), bob, 10, _start + LOCK_UP);
        send(alice, bob, 10);
        _assertLots(bob, _one(10, _start + LOCK_UP));
        vm.prank(bob);
        vm.expectRevert("Transfer not possible");
        token.transfer(carol, 1);
        vm.warp(_start + LOCK_UP);
        send(bob, carol, 1);
        _assertLots(carol, _none());
        send(alice, bob, 2);
        _assertLots(bob, _one(2, _start + 2 * LOCK_UP));
    }

    function testWhatTheExchangeBringsFromTheIssuerIsLockedUpToo() public {
        setIssuer(alice);
        mintLocked(alice, 100);
        settle(trade(alice, bob, 10, 0));
        _assertLots(bob, _one(10, _start + LOCK_UP));
    }

    function testAMintToAnybodyElseIsLockedUpToo() public {
        setIssuer(alice);
        token.mint(bob, 10);
        _assertLots(bob, _one(10, _start + LOCK_UP));
    }

    function testTokensThatComeBackDoNotLockTheIssuerUp() public {
        setIssuer(alice);
        token.mint(alice, 100);
        send(alice, bob, 10);
        token.forcedTransfer(bob, alice, 10);
        _assertLots(alice, _none());
        _assertLots(bob, _none());
        send(alice, carol, 100);
        _assertLots(carol, _one(100, _start + LOCK_UP));
    }

    function testARecoveredIssuerIsNotLockedUp() public {
        setIssuer(alice);
        token.mint(alice, 100);
        setIssuer(bob);
        token.forcedTransfer(alice, bob, 100);
        _assertLots(bob, _none());
        send(bob, carol, 1);
    }

    function testWhoBecomesTheIssuerIsReleased() public {
        _fourFreeTenAndThree();
        vm.warp(_start + LOCK_UP); // the first lot is released, and of that nothing is told
        vm.recordLogs();
        setIssuer(alice);
        Vm.Log[] memory told = vm.getRecordedLogs();
        assertEq(told.length, 3, "the issuer's name, a lot, and the call");
        assertEq(uint256(told[1].topics[0]), uint256(LotTaken.selector), "a lot");
        assertEq(uint256(keccak256(told[1].data)), uint256(keccak256(abi.encode(3, _start + LOCK_UP + 5))), "of three");
        _assertLots(alice, _none());
        send(alice, bob, 17);
        _assertLots(bob, _one(17, _start + 2 * LOCK_UP));
    }

    function testTokensDoNotShareLots() public {
        token.mint(alice, 10);
        address before = address(compliance);
        renew("ANOTHER", address(lockUp), abi.encodeCall(LockUpModule.setLockUp, (LOCK_UP)));
        _assertLots(alice, _none());
        assertEq(lockUp.lockedOf(before, alice), 10, "the first token's");
    }

    // ---- what several of these share ----

    /// @dev Alice has four free tokens, a lot of ten, and a younger one of three.
    function _fourFreeTenAndThree() private {
        setLockUp(0);
        token.mint(alice, 4);
        setLockUp(LOCK_UP);
        token.mint(alice, 10);
        vm.warp(_start + 5);
        token.mint(alice, 3);
    }

    /// @dev As many lots as a wallet may have, of 1, 2, 3 ..., a second apart.
    /// @return youngest The last one's date.
    function _fill(address wallet) private returns (uint256 youngest) {
        uint256 now_ = block.timestamp;
        for (uint256 i = 0; i < lockUp.LOTS_MAX(); ++i) {
            vm.warp(now_ + i);
            token.mint(wallet, i + 1);
        }
        return now_ + lockUp.LOTS_MAX() - 1 + LOCK_UP;
    }

    function _refuses(address seller, address buyer, uint256 qty) private {
        bytes memory reason = abi.encodeWithSelector(TokenLocker.LegNotCompliant.selector, 0, seller, buyer, qty);
        settleFails(trade(seller, buyer, qty, 0), reason);
    }

    function _none() private pure returns (Lot[] memory) {
        return new Lot[](0);
    }

    function _one(uint128 amount, uint64 releasedAt) private pure returns (Lot[] memory lots) {
        lots = new Lot[](1);
        lots[0] = Lot(amount, releasedAt);
    }

    function _two(uint128 amount, uint64 releasedAt, uint128 amountThen, uint64 releasedThen)
        private
        pure
        returns (Lot[] memory lots)
    {
        lots = new Lot[](2);
        (lots[0], lots[1]) = (Lot(amount, releasedAt), Lot(amountThen, releasedThen));
    }

    function _assertLots(address wallet, Lot[] memory expected) private view {
        Lot[] memory lots = lotsOf(wallet);
        assertEq(lots.length, expected.length, "lots");
        uint256 sum = 0;
        for (uint256 i = 0; i < lots.length; ++i) {
            _assertLot(lots[i], expected[i].amount, expected[i].releasedAt);
            sum += expected[i].amount;
        }
        assertEq(lockedUpOf(wallet), sum, "locked up");
    }

    function _assertLot(Lot memory lot, uint256 amount, uint256 releasedAt) private pure {
        assertEq(lot.amount, amount, "a lot's amount");
        assertEq(lot.releasedAt, releasedAt, "a lot's date");
    }
}
