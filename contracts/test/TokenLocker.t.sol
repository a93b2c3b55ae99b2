// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

import {Timelocked} from "../src/Timelocked.sol";
import {TokenLocker} from "../src/TokenLocker.sol";
import {World} from "./World.sol";

/// @notice Locks, requests, the issuer's freezes, and repair. Settlement is in SettleLegs.t.sol.
contract TokenLockerTest is World {
    event LockChanged(address indexed token, address indexed holder, int256 delta, uint256 locked, uint256 requested);
    event IssuerFreezeChanged(address indexed token, address indexed holder, int256 delta, uint256 issuerFrozen);

    address private oak;

    function setUp() public {
        buildWorld();
        oak = address(token);
    }

    function testEachStepSaysWhatTheSlotsHold() public {
        token.mint(alice, 50);
        _expect(alice, 50, TOKENS + 50, 0);
        lockTokens(alice, 50);
        vm.startPrank(alice);
        _expect(alice, 0, TOKENS + 50, 70);
        locker.requestUnlock(oak, 70);
        _expect(alice, 0, TOKENS + 50, 0);
        locker.cancelUnlock(oak);
        _expect(alice, 0, TOKENS + 50, 80);
        locker.requestUnlock(oak, 80);
        vm.stopPrank();
        _expect(alice, -30, TOKENS + 20, 50);
        vm.prank(RELEASER);
        locker.releaseUnlock(oak, alice, 30, block.number);
        vm.warp(block.timestamp + EXIT_DELAY);
        _expect(alice, -50, TOKENS - 30, 0);
        vm.prank(alice);
        locker.takeUnlock(oak);
        assertEq(token.getFrozenTokens(alice), TOKENS - 30, "frozen");
        (,,, uint256 requestedAt) = locker.lockOf(oak, alice);
        assertEq(requestedAt, 0, "requested at");
    }

    function testLockedTokensDoNotMove() public {
        vm.prank(alice);
        vm.expectRevert("Insufficient Balance");
        token.transfer(bob, 1);
    }

    function testNothingIsTakenBeforeTheDelay() public {
        vm.startPrank(alice);
        locker.requestUnlock(oak, 10);
        uint256 readyAt = block.timestamp + EXIT_DELAY;
        vm.warp(readyAt - 1);
        vm.expectRevert(abi.encodeWithSelector(TokenLocker.DelayNotOver.selector, readyAt));
        locker.takeUnlock(oak);
        vm.warp(readyAt);
        locker.takeUnlock(oak);
        vm.expectRevert(abi.encodeWithSelector(TokenLocker.NothingRequested.selector, oak, alice));
        locker.takeUnlock(oak);
        vm.expectRevert(abi.encodeWithSelector(TokenLocker.NothingRequested.selector, oak, alice));
        locker.cancelUnlock(oak);
        vm.stopPrank();
    }

    function testANewRequestStartsItsDelayAnew() public {
        vm.startPrank(alice);
        locker.requestUnlock(oak, 10);
        vm.warp(block.timestamp + EXIT_DELAY - 1);
        locker.requestUnlock(oak, 11);
        vm.warp(block.timestamp + 1);
        vm.expectRevert(
            abi.encodeWithSelector(TokenLocker.DelayNotOver.selector, block.timestamp + EXIT_DELAY - 1)
        );
        locker.takeUnlock(oak);
        vm.stopPrank();
    }

    function testAmountsAreWithinLockAndRequest() public {
        vm.startPrank(alice);
        vm.expectRevert(abi.encodeWithSelector(TokenLocker.MoreThanLocked.selector, TOKENS + 1, TOKENS));
        locker.requestUnlock(oak, TOKENS + 1);
        vm.expectRevert(abi.encodeWithSelector(TokenLocker.ZeroAmount.selector));
        locker.requestUnlock(oak, 0);
        vm.expectRevert(abi.encodeWithSelector(TokenLocker.ZeroAmount.selector));
        locker.lock(oak, 0);
        vm.expectRevert("Amount exceeds available balance");
        locker.lock(oak, 1);
        vm.expectRevert(abi.encodeWithSelector(TokenLocker.AmountTooLarge.selector, TOKENS + (1 << 120)));
        locker.lock(oak, 1 << 120);
        locker.requestUnlock(oak, 5);
        vm.stopPrank();
        vm.startPrank(RELEASER);
        vm.expectRevert(abi.encodeWithSelector(TokenLocker.MoreThanRequested.selector, 6, 5));
        locker.releaseUnlock(oak, alice, 6, block.number);
        vm.expectRevert(abi.encodeWithSelector(TokenLocker.MoreThanRequested.selector, 1, 0));
        locker.releaseUnlock(oak, bob, 1, block.number);
        vm.expectRevert(abi.encodeWithSelector(TokenLocker.ZeroAmount.selector));
        locker.releaseUnlock(oak, alice, 0, block.number);
        vm.stopPrank();
    }

    function testAReleaseOfAnEarlierRequestUnlocksNoLaterOne() public {
        uint256 known = block.number;
        vm.startPrank(alice);
        locker.requestUnlock(oak, 5);
        locker.cancelUnlock(oak);
        vm.roll(known + 1);
        locker.requestUnlock(oak, 5);
        vm.stopPrank();
        vm.startPrank(RELEASER);
        vm.expectRevert(abi.encodeWithSelector(TokenLocker.RequestIsNewer.selector, known + 1, known));
        locker.releaseUnlock(oak, alice, 5, known);
        locker.releaseUnlock(oak, alice, 5, known + 1);
        vm.stopPrank();
    }

    function testOnlyTheReleaserReleasesAndOnlyTheIssuerFreezes() public {
        vm.prank(alice);
        locker.requestUnlock(oak, 5);
        address[4] memory others = [OWNER, OPERATOR, alice, address(bridge)];
        for (uint256 i = 0; i < others.length; ++i) {
            vm.startPrank(others[i]);
            vm.expectRevert(abi.encodeWithSelector(Timelocked.NotHolder.selector, bytes32("releaser"), others[i]));
            locker.releaseUnlock(oak, alice, 1, block.number);
            vm.expectRevert(abi.encodeWithSelector(Timelocked.NotHolder.selector, bytes32("issuer"), others[i]));
            locker.issuerFreeze(oak, alice, 1);
            vm.expectRevert(abi.encodeWithSelector(Timelocked.NotHolder.selector, bytes32("issuer"), others[i]));
            locker.issuerUnfreeze(oak, alice, 1);
            vm.stopPrank();
        }
    }

    function testOnlyTheOwnerListsAndMigrates() public {
        vm.startPrank(OPERATOR);
        vm.expectRevert(abi.encodeWithSelector(Timelocked.NotHolder.selector, bytes32("owner"), OPERATOR));
        locker.setListed(oak, false);
        vm.expectRevert(abi.encodeWithSelector(Timelocked.NotHolder.selector, bytes32("owner"), OPERATOR));
        locker.migrate(oak, alice, bob);
        vm.stopPrank();
    }

    function testAnUnlistedTokenIsNotLockedButIsUnlocked() public {
        vm.prank(alice);
        locker.requestUnlock(oak, TOKENS);
        vm.startPrank(OWNER);
        locker.setListed(oak, false);
        vm.expectRevert(abi.encodeWithSelector(TokenLocker.NotAToken.selector, address(0xDEAD)));
        locker.setListed(address(0xDEAD), true);
        vm.stopPrank();
        vm.prank(RELEASER);
        locker.releaseUnlock(oak, alice, TOKENS, block.number);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(TokenLocker.TokenNotListed.selector, oak));
        locker.lock(oak, 1);
    }

    function testTheIssuerFreezesUnfrozenTokensFirst() public {
        token.mint(alice, 40);
        vm.expectEmit(true, true, true, true, address(locker));
        emit IssuerFreezeChanged(oak, alice, 30, 30);
        vm.prank(ISSUER);
        locker.issuerFreeze(oak, alice, 30);
        assertEq(lockedOf(alice), TOKENS, "lock");
        assertEq(token.getFrozenTokens(alice), TOKENS + 30, "frozen");
    }

    function testTheIssuerReachesLockedTokens() public {
        token.mint(alice, 40);
        vm.prank(alice);
        locker.requestUnlock(oak, TOKENS);
        _expect(alice, -60, TOKENS - 60, TOKENS - 60);
        vm.prank(ISSUER);
        locker.issuerFreeze(oak, alice, 100);
        assertEq(issuerFrozenOf(alice), 100, "issuer's part");
        assertEq(token.getFrozenTokens(alice), TOKENS + 40, "frozen");
        vm.prank(ISSUER);
        vm.expectRevert(abi.encodeWithSelector(TokenLocker.MoreThanLocked.selector, TOKENS + 1, TOKENS - 60));
        locker.issuerFreeze(oak, alice, TOKENS + 1);
    }

    function testTheIssuerGivesBackItsOwnPartOnly() public {
        vm.startPrank(ISSUER);
        vm.expectRevert(abi.encodeWithSelector(TokenLocker.ZeroAmount.selector));
        locker.issuerFreeze(oak, alice, 0);
        locker.issuerFreeze(oak, alice, 100);
        vm.expectRevert(abi.encodeWithSelector(TokenLocker.MoreThanIssuerFrozen.selector, 101, 100));
        locker.issuerUnfreeze(oak, alice, 101);
        vm.expectRevert(abi.encodeWithSelector(TokenLocker.ZeroAmount.selector));
        locker.issuerUnfreeze(oak, alice, 0);
        locker.issuerUnfreeze(oak, alice, 100);
        vm.stopPrank();
        assertEq(token.getFrozenTokens(alice), TOKENS - 100, "frozen");
        assertEq(lockedOf(alice), TOKENS - 100, "not locked again");
        lockTokens(alice, 100);
    }

    function testNothingIsReleasedThatTheTokenDoesNotBack() public {
        vm.prank(alice);
        locker.requestUnlock(oak, 10);
        token.mint(alice, 100);
        token.unfreezePartialTokens(alice, 5);
        bytes memory reason =
            abi.encodeWithSelector(TokenLocker.FrozenTooSmall.selector, oak, alice, TOKENS - 5, TOKENS);
        vm.prank(RELEASER);
        vm.expectRevert(reason);
        locker.releaseUnlock(oak, alice, 10, block.number);
        vm.prank(alice);
        vm.expectRevert(reason);
        locker.lock(oak, 1);
        vm.startPrank(ISSUER);
        vm.expectRevert(reason);
        locker.issuerFreeze(oak, alice, 1);
        vm.expectRevert(reason);
        locker.issuerUnfreeze(oak, alice, 1);
        vm.stopPrank();
        vm.warp(block.timestamp + EXIT_DELAY);
        vm.prank(alice);
        vm.expectRevert(reason);
        locker.takeUnlock(oak);
        vm.prank(STRANGER);
        locker.sync(oak, alice);
        vm.prank(RELEASER);
        locker.releaseUnlock(oak, alice, 10, block.number);
        assertEq(lockedOf(alice), TOKENS - 15, "lock");
    }

    function testSyncLowersTheLockToWhatIsLeft() public {
        vm.prank(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(TokenLocker.InSync.selector, oak, alice));
        locker.sync(oak, alice);
        vm.prank(alice);
        locker.requestUnlock(oak, TOKENS);
        token.burn(alice, 100);
        token.forcedTransfer(alice, bob, 200);
        _expect(alice, -300, TOKENS - 300, TOKENS - 300);
        vm.prank(STRANGER);
        locker.sync(oak, alice);
    }

    function testSyncKeepsTheIssuersPartFirst() public {
        vm.prank(ISSUER);
        locker.issuerFreeze(oak, alice, 400);
        token.burn(alice, TOKENS - 300);
        vm.expectEmit(true, true, true, true, address(locker));
        emit IssuerFreezeChanged(oak, alice, -100, 300);
        _expect(alice, -int256(TOKENS - 400), 0, 0);
        locker.sync(oak, alice);
        assertEq(issuerFrozenOf(alice), 300, "issuer's part");
    }

    function testARecoveredWalletTakesItsLockAlong() public {
        address fresh = _recover(alice, 0xF1);
        vm.prank(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(TokenLocker.WalletEmpty.selector, oak, alice));
        locker.sync(oak, alice); // would have erased the lock
        vm.prank(OWNER);
        locker.migrate(oak, alice, fresh);
        assertEq(lockedOf(alice), 0, "old lock");
        assertEq(lockedOf(fresh), TOKENS - 50, "new lock");
        assertEq(issuerFrozenOf(fresh), 50, "issuer's part");
        assertEq(unlockRequestOf(alice), 0, "old request");
        assertEq(unlockRequestOf(fresh), 0, "no request");
        assertEq(token.getFrozenTokens(fresh), TOKENS, "frozen");
    }

    function testOnlyAnEmptiedWalletIsMigratedAndOnlyToWhereItsTokensWent() public {
        vm.prank(OWNER);
        vm.expectRevert(abi.encodeWithSelector(TokenLocker.WalletNotRecovered.selector, oak, alice));
        locker.migrate(oak, alice, bob);
        _recover(alice, 0xF1);
        vm.prank(OWNER);
        vm.expectRevert(
            abi.encodeWithSelector(TokenLocker.FrozenTooSmall.selector, oak, bob, TOKENS, 2 * TOKENS)
        );
        locker.migrate(oak, alice, bob);
    }

    function testAWalletRecoveredByHandKeepsItsLockUntilItIsMigrated() public {
        // With one identity storage for all properties `recoveryAddress` works for the first only; this is the rest.
        address fresh = vm.addr(0xF2);
        registry.registerIdentity(fresh, identityOf[alice], 276);
        token.forcedTransfer(alice, fresh, TOKENS);
        token.freezePartialTokens(fresh, TOKENS);
        vm.prank(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(TokenLocker.WalletEmpty.selector, oak, alice));
        locker.sync(oak, alice);
        vm.prank(OWNER);
        locker.migrate(oak, alice, fresh);
        assertEq(lockedOf(fresh), TOKENS, "lock");
    }

    function testOwnerAndIssuerSyncAnEmptyWallet() public {
        token.burn(alice, TOKENS);
        vm.prank(ISSUER);
        locker.sync(oak, alice);
        assertEq(lockedOf(alice), 0, "alice's lock");
        token.burn(bob, TOKENS);
        vm.prank(OWNER);
        locker.sync(oak, bob);
        assertEq(lockedOf(bob), 0, "bob's lock");
    }

    function testAnEmptiedWalletThatBuysAgainIsSyncedByAnybody() public {
        token.burn(alice, TOKENS);
        settle(trade(bob, alice, 7, 0));
        bytes memory reason =
            abi.encodeWithSelector(TokenLocker.LegFrozenTooSmall.selector, 0, alice, 7, TOKENS + 7);
        settleFails(trade(alice, bob, 1, 0), reason);
        vm.prank(STRANGER);
        locker.sync(oak, alice);
        assertEq(lockedOf(alice), 7, "lock");
        settle(trade(alice, bob, 7, 0));
    }

    function testOnlyTheBridgeSettles() public {
        address[5] memory others = [OWNER, OPERATOR, RELEASER, ISSUER, alice];
        for (uint256 i = 0; i < others.length; ++i) {
            vm.prank(others[i]);
            vm.expectRevert(abi.encodeWithSelector(Timelocked.NotHolder.selector, bytes32("bridge"), others[i]));
            locker.settleLegs(trade(alice, bob, 1, 1).tokens, trade(alice, bob, 1, 1).legs);
        }
    }

    /// @dev Alice has a request and a part that the issuer froze; both wallets' fate is told by the test.
    function _recover(address lost, uint256 key) private returns (address fresh) {
        fresh = vm.addr(key);
        vm.prank(ISSUER);
        locker.issuerFreeze(oak, lost, 50);
        vm.prank(lost);
        locker.requestUnlock(oak, 9);
        addManagementKey(lost, fresh);
        token.recoveryAddress(lost, fresh, identityOf[lost]);
    }

    function _expect(address holder, int256 delta, uint256 locked, uint256 requested) private {
        vm.expectEmit(true, true, true, true, address(locker));
        emit LockChanged(oak, holder, delta, locked, requested);
    }
}
