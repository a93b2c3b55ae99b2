// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

import {CashVault} from "../src/CashVault.sol";
import {CashDelta} from "../src/interfaces/ICashVault.sol";
import {Leg} from "../src/interfaces/ITokenLocker.sol";
import {Batch} from "../src/SettlementBridge.sol";
import {TokenLocker} from "../src/TokenLocker.sol";
import {NonReentrant} from "../src/NonReentrant.sol";
import {CapModule} from "./CapModule.sol";
import {OddToken} from "./OddToken.sol";
import {ISuiteToken, World} from "./World.sol";

/// @notice Every check of a leg, each with its reason, on the real token. `contracts/mutate.py` takes the checks away
///         one by one and sees that this suite fails.
contract SettleLegsTest is World {
    function setUp() public {
        buildWorld();
    }

    function testTheSellerMustBeVerified() public {
        revokeClaimOf(alice);
        settleFails(trade(alice, bob, 1, 1), abi.encodeWithSelector(TokenLocker.LegSellerNotVerified.selector, 0, alice));
    }

    function testTheBuyerMustBeVerified() public {
        revokeClaimOf(bob);
        settleFails(trade(alice, bob, 1, 1), abi.encodeWithSelector(TokenLocker.LegBuyerNotVerified.selector, 0, bob));
    }

    function testTheSellersWalletMustNotBeFrozen() public {
        token.setAddressFrozen(alice, true);
        settleFails(trade(alice, bob, 1, 1), abi.encodeWithSelector(TokenLocker.LegWalletFrozen.selector, 0, alice));
    }

    function testTheBuyersWalletMustNotBeFrozen() public {
        token.setAddressFrozen(bob, true);
        settleFails(trade(alice, bob, 1, 1), abi.encodeWithSelector(TokenLocker.LegWalletFrozen.selector, 0, bob));
    }

    function testTheTokenMustNotBePaused() public {
        token.pause();
        bytes memory reason = abi.encodeWithSelector(TokenLocker.LegTokenPaused.selector, 0, address(token));
        settleFails(trade(alice, bob, 1, 1), reason);
    }

    function testTheTokenMustBeListed() public {
        vm.prank(OWNER);
        locker.setListed(address(token), false);
        bytes memory reason = abi.encodeWithSelector(TokenLocker.LegTokenNotListed.selector, 0, address(token));
        settleFails(trade(alice, bob, 1, 1), reason);
    }

    function testTheTokenIndexMustExist() public {
        Batch memory batch = trade(alice, bob, 1, 1);
        batch.legs[0].tokenIndex = 1;
        settleFails(batch, abi.encodeWithSelector(TokenLocker.LegTokenUnknown.selector, 0, 1));
    }

    function testTheQtyMustNotBeZero() public {
        settleFails(trade(alice, bob, 0, 1), abi.encodeWithSelector(TokenLocker.LegZeroQty.selector, 0));
    }

    function testNobodySellsToThemselves() public {
        settleFails(trade(alice, alice, 1, 1), abi.encodeWithSelector(TokenLocker.LegWithItself.selector, 0, alice));
    }

    function testNobodyMovesWhatWasNotLocked() public {
        token.mint(alice, 500); // in the wallet, not in the locker
        bytes memory reason =
            abi.encodeWithSelector(TokenLocker.LegLockTooSmall.selector, 0, alice, TOKENS, TOKENS + 1);
        settleFails(trade(alice, bob, TOKENS + 1, 1), reason);
        settle(trade(alice, bob, TOKENS, 1));
    }

    function testTwoLegsOfOneSellerNeedTheSumLocked() public {
        Batch memory batch = trade(alice, bob, TOKENS - 1, 1);
        batch.legs = new Leg[](2);
        batch.legs[0] = Leg(0, alice, bob, uint128(TOKENS - 1));
        batch.legs[1] = Leg(0, alice, carol, 2);
        settleFails(batch, abi.encodeWithSelector(TokenLocker.LegLockTooSmall.selector, 1, alice, 1, 2));
        batch.legs[1].qty = 1;
        settle(batch);
        assertEq(lockedOf(alice), 0, "alice's lock");
        assertEq(lockedOf(bob), 2 * TOKENS - 1, "bob's lock");
        assertEq(lockedOf(carol), TOKENS + 1, "carol's lock");
    }

    function testLegsOfOneSellerNeedNotStandTogether() public {
        Batch memory batch = trade(alice, bob, 1, 1);
        batch.legs = new Leg[](3);
        batch.legs[0] = Leg(0, alice, carol, uint128(TOKENS - 1));
        batch.legs[1] = Leg(0, bob, carol, 5);
        batch.legs[2] = Leg(0, alice, carol, 2);
        settleFails(batch, abi.encodeWithSelector(TokenLocker.LegLockTooSmall.selector, 2, alice, 1, 2));
        batch.legs[2].qty = 1;
        settle(batch);
        assertEq(lockedOf(carol), 2 * TOKENS + 5, "carol's lock");
        assertEq(token.getFrozenTokens(carol), 2 * TOKENS + 5, "carol's frozen");
    }

    function testTheTokenMustBackTheLock() public {
        vm.prank(ISSUER);
        locker.issuerFreeze(address(token), alice, 30);
        token.unfreezePartialTokens(alice, 1); // past the locker: whose was it?
        bytes memory reason =
            abi.encodeWithSelector(TokenLocker.LegFrozenTooSmall.selector, 0, alice, TOKENS - 1, TOKENS);
        settleFails(trade(alice, bob, 1, 1), reason);
        locker.sync(address(token), alice);
        settle(trade(alice, bob, 1, 1));
        assertEq(issuerFrozenOf(alice), 30, "the issuer's part is whole");
    }

    function testWhatTheIssuerFrozeIsNotSold() public {
        vm.prank(ISSUER);
        locker.issuerFreeze(address(token), alice, TOKENS - 10);
        bytes memory reason = abi.encodeWithSelector(TokenLocker.LegLockTooSmall.selector, 0, alice, 10, 11);
        settleFails(trade(alice, bob, 11, 1), reason);
        settle(trade(alice, bob, 10, 1));
        assertEq(token.getFrozenTokens(alice), TOKENS - 10, "still frozen");
    }

    function testExactlyTheQtyIsUnfrozen() public {
        token.mint(alice, 100); // unfrozen: forcedTransfer alone would take these and leave the lock's in the counter
        settle(trade(alice, bob, 60, 1));
        assertEq(token.getFrozenTokens(alice), TOKENS - 60, "frozen");
        assertEq(token.balanceOf(alice) - token.getFrozenTokens(alice), 100, "unfrozen");
    }

    function testComplianceIsAskedBeforeEachLeg() public {
        CapModule cap = new CapModule(2 * TOKENS);
        compliance.addModule(address(cap));
        cap.learn(alice, TOKENS);
        cap.learn(bob, TOKENS);
        cap.learn(carol, TOKENS);
        Batch memory batch = trade(alice, bob, 1, 1);
        batch.legs = new Leg[](2);
        batch.legs[0] = Leg(0, alice, bob, uint128(TOKENS - 1));
        batch.legs[1] = Leg(0, carol, bob, 2); // each by itself is within the cap
        settleFails(batch, abi.encodeWithSelector(TokenLocker.LegNotCompliant.selector, 1, carol, bob, 2));
        batch.legs[1].qty = 1;
        settle(batch);
        assertEq(token.balanceOf(bob), 2 * TOKENS, "at the cap");
    }

    function testABuyersTokensAreLockedOnceAndOutOfReach() public {
        Batch memory batch = trade(alice, bob, 5, 1);
        batch.legs = new Leg[](2);
        batch.legs[0] = Leg(0, alice, bob, 5);
        batch.legs[1] = Leg(0, carol, bob, 6);
        settle(batch);
        assertEq(lockedOf(bob), TOKENS + 11, "lock");
        assertEq(token.getFrozenTokens(bob), TOKENS + 11, "frozen");
        vm.prank(bob);
        vm.expectRevert("Insufficient Balance");
        token.transfer(carol, 1);
    }

    function testWhatIsBoughtCanBeSoldInTheNextBatch() public {
        settle(trade(alice, bob, TOKENS, 1));
        settle(trade(bob, carol, 2 * TOKENS, 1));
        assertEq(lockedOf(carol), 3 * TOKENS, "carol's lock");
    }

    function testAnUnlockRequestDoesNotOutliveItsLock() public {
        vm.prank(alice);
        locker.requestUnlock(address(token), TOKENS - 100);
        settle(trade(alice, bob, TOKENS - 40, 1));
        assertEq(unlockRequestOf(alice), 40, "lowered with the lock");
        settle(trade(bob, alice, 500, 1));
        assertEq(unlockRequestOf(alice), 40, "not raised again");
        settle(trade(alice, bob, 540, 1));
        (,, uint256 requested, uint256 requestedAt) = locker.lockOf(address(token), alice);
        assertEq(requested + requestedAt, 0, "gone with the lock");
    }

    function testAnUnlockRequestWithinWhatStaysIsKept() public {
        vm.prank(alice);
        locker.requestUnlock(address(token), 100);
        settle(trade(alice, bob, TOKENS - 100, 1));
        assertEq(unlockRequestOf(alice), 100, "requested");
    }

    function testTwoPropertiesInOneBatch() public {
        (ISuiteToken elm,,) = newToken("ELM7", new address[](0), new bytes[](0));
        ISuiteToken oak = token;
        // Alice sells oak to bob and buys elm from him.
        (token, registry) = (elm, registryOf(elm));
        registry.registerIdentity(alice, identityOf[alice], 276);
        registry.registerIdentity(bob, identityOf[bob], 276);
        elm.mint(bob, 80);
        lockTokens(bob, 80);
        Batch memory batch = trade(alice, bob, 1, 1);
        batch.tokens = new address[](2);
        (batch.tokens[0], batch.tokens[1]) = (address(oak), address(elm));
        batch.legs = new Leg[](2);
        batch.legs[0] = Leg(0, alice, bob, 7);
        batch.legs[1] = Leg(1, bob, alice, 8);
        settle(batch);
        assertEq(lockedOf(alice), 8, "alice's elm lock");
        assertEq(lockedOf(bob), 72, "bob's elm lock");
        elm.pause();
        settleFails(batch, abi.encodeWithSelector(TokenLocker.LegTokenPaused.selector, 1, address(elm)));
    }

    function testCashAndTokensMoveTogetherOrNotAtAll() public {
        Batch memory batch = trade(alice, bob, 10, CASH + 1);
        settleFails(batch, abi.encodeWithSelector(CashVault.Overdrawn.selector, bob));
        assertEq(lockedOf(bob), TOKENS, "no token moved");
        batch.cash = new CashDelta[](0);
        settle(batch);
    }

    function testUsdcBlacklistingStopsNoSettlement() public {
        usdc.setBlacklisted(alice, true);
        usdc.setBlacklisted(bob, true);
        usdc.setPaused(true);
        settle(trade(alice, bob, 10, 10));
    }

    function testATokenThatSaysNoIsNotBelieved() public {
        OddToken odd = new OddToken(locker);
        vm.prank(OWNER);
        locker.setListed(address(odd), true);
        vm.prank(alice);
        locker.lock(address(odd), 5);
        Batch memory batch = trade(alice, bob, 5, 0);
        batch.tokens[0] = address(odd);
        settleFails(batch, abi.encodeWithSelector(TokenLocker.LegTransferFailed.selector, 0, ""));
    }

    function testATokenThatCallsBackIsStopped() public {
        OddToken odd = new OddToken(locker);
        odd.callBack();
        vm.prank(OWNER);
        locker.setListed(address(odd), true);
        vm.prank(alice);
        locker.lock(address(odd), 5);
        Batch memory batch = trade(alice, bob, 5, 0);
        batch.tokens[0] = address(odd);
        bytes memory reason = abi.encodeWithSelector(NonReentrant.Reentered.selector);
        settleFails(batch, abi.encodeWithSelector(TokenLocker.LegTransferFailed.selector, 0, reason));
    }

    function testFuzzOneTrade(uint256 qty, uint256 notional, uint256 requested) public {
        qty = bound(qty, 1, TOKENS);
        notional = bound(notional, 0, CASH);
        requested = bound(requested, 1, TOKENS);
        vm.prank(alice);
        locker.requestUnlock(address(token), requested);
        settle(trade(alice, bob, qty, notional));
        uint256 left = TOKENS - qty;
        assertEq(lockedOf(alice), left, "alice's lock");
        assertEq(token.getFrozenTokens(alice), left, "alice's frozen");
        assertEq(token.balanceOf(alice), left, "alice's balance");
        assertEq(unlockRequestOf(alice), requested < left ? requested : left, "alice's request");
        assertEq(lockedOf(bob), TOKENS + qty, "bob's lock");
        assertEq(token.getFrozenTokens(bob), TOKENS + qty, "bob's frozen");
        assertEq(cashOf(alice) + cashOf(bob), 2 * CASH, "cash");
    }
}
