// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

import {CashVault} from "../src/CashVault.sol";
import {ICashToken} from "../src/interfaces/ICashToken.sol";
import {CashDelta} from "../src/interfaces/ICashVault.sol";
import {MockUSDC} from "../src/MockUSDC.sol";
import {NonReentrant} from "../src/NonReentrant.sol";
import {SafeCash} from "../src/SafeCash.sol";
import {Timelocked} from "../src/Timelocked.sol";
import {OddCash} from "./OddCash.sol";
import {Test} from "./Test.sol";

contract CashVaultTest is Test {
    event CashChanged(address indexed account, int256 deltaUsdcMicros, uint256 balance, uint256 requested);
    event MigrationQueued(address indexed lost, address indexed fresh, uint64 readyAt);
    event CashMigrated(
        address indexed lost, address indexed fresh, uint256 movedUsdcMicros, uint256 balance, uint256 requested
    );

    uint64 private constant DELAY = 1 days;
    address private constant OWNER = address(0xA1);
    address private constant RELEASER = address(0xA3);
    address private constant BRIDGE = address(0xA8);
    uint256 private constant ALICE_KEY = 0xB1;
    address private constant BOB = address(0xB2);
    address private alice;
    MockUSDC private usdc;
    CashVault private vault;

    function setUp() public {
        vm.warp(1_800_000_000);
        alice = vm.addr(ALICE_KEY);
        usdc = new MockUSDC(address(this));
        vault = _vault(address(usdc));
        _fund(alice, 1_000);
        _fund(BOB, 1_000);
    }

    function testEachStepSaysWhatTheSlotHolds() public {
        usdc.mint(alice, 500);
        vm.startPrank(alice);
        usdc.approve(address(vault), 500);
        _expect(alice, 500, 1_500, 0);
        vault.deposit(500);
        _expect(alice, 0, 1_500, 700);
        vault.requestWithdraw(700);
        _expect(alice, 0, 1_500, 0);
        vault.cancelWithdraw();
        _expect(alice, 0, 1_500, 800);
        vault.requestWithdraw(800);
        vm.stopPrank();
        _expect(alice, -300, 1_200, 500);
        vm.prank(RELEASER);
        vault.releaseWithdraw(alice, 300, block.number);
        vm.warp(block.timestamp + DELAY);
        _expect(alice, -500, 700, 0);
        vm.prank(alice);
        vault.takeWithdraw();
        assertEq(usdc.balanceOf(alice), 800, "paid to alice");
        (uint256 reserves, uint256 liabilities) = vault.solvency();
        assertEq(reserves, 1_700, "reserves");
        assertEq(liabilities, 1_700, "liabilities");
        (,, uint256 requestedAt,) = vault.accountOf(alice);
        assertEq(requestedAt, 0, "requested at");
    }

    function testPermitDepositsWithoutApproval() public {
        usdc.mint(alice, 70);
        (uint8 v, bytes32 r, bytes32 s) = _permit(70, block.timestamp);
        vm.prank(alice);
        vault.depositWithPermit(70, block.timestamp, v, r, s);
        assertEq(_balance(alice), 1_070, "balance");
    }

    function testAPermitUsedByAnotherDoesNotStopTheDeposit() public {
        usdc.mint(alice, 70);
        (uint8 v, bytes32 r, bytes32 s) = _permit(70, block.timestamp);
        usdc.permit(alice, address(vault), 70, block.timestamp, v, r, s);
        vm.prank(alice);
        vault.depositWithPermit(70, block.timestamp, v, r, s);
        assertEq(_balance(alice), 1_070, "balance");
    }

    function testABadPermitDepositsNothing() public {
        usdc.mint(alice, 70);
        (uint8 v, bytes32 r, bytes32 s) = _permit(69, block.timestamp);
        vm.prank(alice);
        vm.expectRevert();
        vault.depositWithPermit(70, block.timestamp, v, r, s);
    }

    function testNothingIsTakenBeforeTheDelay() public {
        vm.startPrank(alice);
        vault.requestWithdraw(10);
        uint256 readyAt = block.timestamp + DELAY;
        vm.warp(readyAt - 1);
        vm.expectRevert(abi.encodeWithSelector(CashVault.DelayNotOver.selector, readyAt));
        vault.takeWithdraw();
        vm.warp(readyAt);
        vault.takeWithdraw();
        vm.expectRevert(abi.encodeWithSelector(CashVault.NothingRequested.selector, alice));
        vault.takeWithdraw();
        vm.stopPrank();
        assertEq(usdc.balanceOf(alice), 10, "taken");
    }

    function testANewRequestStartsItsDelayAnew() public {
        vm.startPrank(alice);
        vault.requestWithdraw(10);
        vm.warp(block.timestamp + DELAY - 1);
        vault.requestWithdraw(11);
        vm.warp(block.timestamp + 1);
        vm.expectRevert(abi.encodeWithSelector(CashVault.DelayNotOver.selector, block.timestamp + DELAY - 1));
        vault.takeWithdraw();
        vm.stopPrank();
    }

    function testRequestsAreWithinTheBalance() public {
        vm.startPrank(alice);
        vm.expectRevert(abi.encodeWithSelector(CashVault.MoreThanBalance.selector, 1_001, 1_000));
        vault.requestWithdraw(1_001);
        vm.expectRevert(abi.encodeWithSelector(CashVault.ZeroAmount.selector));
        vault.requestWithdraw(0);
        vm.expectRevert(abi.encodeWithSelector(CashVault.NothingRequested.selector, alice));
        vault.cancelWithdraw();
        vm.stopPrank();
    }

    function testReleasesAreWithinTheRequest() public {
        vm.prank(alice);
        vault.requestWithdraw(100);
        vm.startPrank(RELEASER);
        vm.expectRevert(abi.encodeWithSelector(CashVault.MoreThanRequested.selector, 101, 100));
        vault.releaseWithdraw(alice, 101, block.number);
        vm.expectRevert(abi.encodeWithSelector(CashVault.MoreThanRequested.selector, 1, 0));
        vault.releaseWithdraw(BOB, 1, block.number);
        vm.expectRevert(abi.encodeWithSelector(CashVault.ZeroAmount.selector));
        vault.releaseWithdraw(alice, 0, block.number);
        vm.stopPrank();
    }

    function testAReleaseOfAnEarlierRequestPaysNoLaterOne() public {
        uint256 known = block.number;
        vm.startPrank(alice);
        vault.requestWithdraw(100);
        vault.cancelWithdraw();
        vm.roll(known + 1);
        vault.requestWithdraw(100);
        vm.stopPrank();
        vm.startPrank(RELEASER);
        vm.expectRevert(abi.encodeWithSelector(CashVault.RequestIsNewer.selector, known + 1, known));
        vault.releaseWithdraw(alice, 100, known);
        vault.releaseWithdraw(alice, 40, known + 1);
        vm.roll(known + 2);
        vault.releaseWithdraw(alice, 60, known + 1);
        vm.stopPrank();
        assertEq(usdc.balanceOf(alice), 100, "in two parts");
    }

    function testOnlyTheReleaserReleases() public {
        vm.prank(alice);
        vault.requestWithdraw(100);
        address[4] memory others = [OWNER, BRIDGE, alice, address(this)];
        for (uint256 i = 0; i < others.length; ++i) {
            vm.prank(others[i]);
            vm.expectRevert(abi.encodeWithSelector(Timelocked.NotHolder.selector, bytes32("releaser"), others[i]));
            vault.releaseWithdraw(alice, 1, block.number);
        }
    }

    function testOnlyTheBridgeAppliesDeltas() public {
        CashDelta[] memory deltas = _pay(alice, BOB, 1);
        address[4] memory others = [OWNER, RELEASER, alice, address(this)];
        for (uint256 i = 0; i < others.length; ++i) {
            vm.prank(others[i]);
            vm.expectRevert(abi.encodeWithSelector(Timelocked.NotHolder.selector, bytes32("bridge"), others[i]));
            vault.applyDeltas(deltas);
        }
    }

    function testDeltasSumToZero() public {
        CashDelta[] memory deltas = _pay(alice, BOB, 5);
        deltas[1].amountUsdcMicros = 6;
        _deltasFail(deltas, abi.encodeWithSelector(CashVault.NotZeroSum.selector, int256(1)));
        deltas[1].amountUsdcMicros = 4;
        _deltasFail(deltas, abi.encodeWithSelector(CashVault.NotZeroSum.selector, int256(-1)));
    }

    function testDeltasNeedRegisteredAccounts() public {
        CashDelta[] memory deltas = _pay(alice, address(0xFEE), 5);
        _deltasFail(deltas, abi.encodeWithSelector(CashVault.NotRegistered.selector, address(0xFEE)));
        vm.prank(OWNER);
        vault.register(address(0xFEE));
        vm.prank(BRIDGE);
        vault.applyDeltas(deltas);
        assertEq(_balance(address(0xFEE)), 5, "fees");
    }

    function testOnlyOwnerAndRegistrarRegister() public {
        vm.expectRevert(abi.encodeWithSelector(Timelocked.NotHolder.selector, bytes32("registrar"), address(this)));
        vault.register(address(0xFEE));
        vm.startPrank(OWNER);
        vm.expectRevert(abi.encodeWithSelector(Timelocked.ZeroAddress.selector));
        vault.register(address(0));
        vault.appoint("registrar", address(this));
        vm.stopPrank();
        vault.register(address(0xFEE));
    }

    function testNobodyIsOverdrawn() public {
        _deltasFail(_pay(alice, BOB, 1_001), abi.encodeWithSelector(CashVault.Overdrawn.selector, alice));
        CashDelta[] memory deltas = _pay(alice, BOB, type(int128).max);
        _deltasFail(deltas, abi.encodeWithSelector(CashVault.Overdrawn.selector, alice));
        deltas[0].amountUsdcMicros = type(int128).min;
        _deltasFail(deltas, abi.encodeWithSelector(CashVault.Overdrawn.selector, alice));
        deltas = _pay(BOB, alice, type(int128).max);
        (deltas[0], deltas[1]) = (deltas[1], deltas[0]);
        uint256 tooMuch = uint256(int256(type(int128).max)) + 1_000;
        _deltasFail(deltas, abi.encodeWithSelector(CashVault.AmountTooLarge.selector, tooMuch));
    }

    function testARequestMadeInAdvanceDoesNotOutliveItsBalance() public {
        vm.prank(alice);
        vault.requestWithdraw(900);
        _applyPay(alice, BOB, 600);
        assertEq(_requested(alice), 400, "lowered with the balance");
        _applyPay(BOB, alice, 1_500);
        assertEq(_requested(alice), 400, "not raised again");
        vm.warp(block.timestamp + DELAY);
        vm.prank(alice);
        vault.takeWithdraw();
        assertEq(usdc.balanceOf(alice), 400, "taken");
        assertEq(_balance(alice), 1_500, "left");
    }

    function testABlacklistStopsOnlyItsOwnWithdrawal() public {
        vm.prank(alice);
        vault.requestWithdraw(100);
        usdc.setBlacklisted(alice, true);
        usdc.setBlacklisted(BOB, true);
        _applyPay(alice, BOB, 10);
        vm.prank(RELEASER);
        vm.expectRevert();
        vault.releaseWithdraw(alice, 100, block.number);
        usdc.setBlacklisted(alice, false);
        vm.prank(RELEASER);
        vault.releaseWithdraw(alice, 100, block.number);
    }

    function testUsdcSentWithoutADepositIsSurplus() public {
        usdc.mint(address(vault), 33);
        (uint256 reserves, uint256 liabilities) = vault.solvency();
        assertEq(reserves - liabilities, 33, "surplus");
    }

    function testAFeeOnTransferIsRefused() public {
        OddCash odd = new OddCash(OddCash.Kind.TakesFee);
        CashVault other = _vault(address(odd));
        vm.expectRevert(abi.encodeWithSelector(CashVault.WrongAmountReceived.selector, 100, 99));
        other.deposit(100);
    }

    function testAnAnswerThatIsNotTrueIsRefused() public {
        OddCash.Kind[3] memory kinds = [OddCash.Kind.ReturnsFalse, OddCash.Kind.ReturnsTwo, OddCash.Kind.ReturnsShort];
        for (uint256 i = 0; i < kinds.length; ++i) {
            CashVault other = _vault(address(new OddCash(kinds[i])));
            vm.expectRevert();
            other.deposit(100);
        }
    }

    function testATokenThatReturnsNothingWorks() public {
        CashVault other = _vault(address(new OddCash(OddCash.Kind.ReturnsNothing)));
        other.deposit(100);
        (uint256 balance,,,) = other.accountOf(address(this));
        assertEq(balance, 100, "balance");
    }

    function testAnAddressWithoutCodeIsNoToken() public {
        CashVault other = _vault(address(0xDEAD));
        vm.expectRevert();
        other.deposit(100);
    }

    function testATokenThatCallsBackGetsNothing() public {
        OddCash odd = new OddCash(OddCash.Kind.CallsBack);
        CashVault other = _vault(address(odd));
        vm.expectRevert(
            abi.encodeWithSelector(
                SafeCash.CashCallFailed.selector, abi.encodeWithSelector(NonReentrant.Reentered.selector)
            )
        );
        other.deposit(100);
    }

    function testDepositsOfNothingOrTooMuchAreRefused() public {
        vm.startPrank(alice);
        vm.expectRevert(abi.encodeWithSelector(CashVault.ZeroAmount.selector));
        vault.deposit(0);
        uint256 amount = uint256(type(uint88).max);
        vm.expectRevert(abi.encodeWithSelector(CashVault.AmountTooLarge.selector, amount));
        vault.deposit(amount);
        vm.stopPrank();
    }

    function testAVaultNeedsAnOwnerAndAUsdc() public {
        vm.expectRevert(abi.encodeWithSelector(Timelocked.ZeroAddress.selector));
        new CashVault(ICashToken(address(0)), OWNER, 1, 2);
        vm.expectRevert(abi.encodeWithSelector(Timelocked.ZeroAddress.selector));
        new CashVault(ICashToken(address(usdc)), address(0), 1, 2);
    }

    function testCashOfALostWalletMovesAfterTheDelay() public {
        vm.prank(alice);
        vault.requestWithdraw(700);
        vm.prank(BOB);
        vault.requestWithdraw(10);
        uint64 readyAt = uint64(block.timestamp) + 12 hours;
        vm.startPrank(OWNER);
        vm.expectRevert(abi.encodeWithSelector(CashVault.NoMigrationQueued.selector, alice));
        vault.migrate(alice);
        vm.expectEmit(true, true, false, true, address(vault));
        emit MigrationQueued(alice, BOB, readyAt);
        vault.queueMigration(alice, BOB);
        vm.warp(readyAt - 1);
        vm.expectRevert(abi.encodeWithSelector(CashVault.DelayNotOver.selector, readyAt));
        vault.migrate(alice);
        vm.warp(readyAt);
        vm.expectEmit(true, true, false, true, address(vault));
        emit CashMigrated(alice, BOB, 1_000, 2_000, 10);
        vault.migrate(alice);
        vm.expectRevert(abi.encodeWithSelector(CashVault.NoMigrationQueued.selector, alice));
        vault.migrate(alice);
        vm.stopPrank();
        assertEq(_balance(alice) + _requested(alice), 0, "nothing is left, and nothing asked for");
        assertEq(_balance(BOB), 2_000, "all of it");
        assertEq(_requested(BOB), 10, "the request of the new wallet stands");
        assertEq(vault.totalBalances(), 2_000, "liabilities");
        _applyPay(BOB, alice, 5);
        assertEq(_balance(alice), 5, "a batch on its way still credits it");
    }

    function testANewWalletThatNeverDepositedIsRegistered() public {
        _migrate(alice, address(0xF5));
        _applyPay(address(0xF5), BOB, 1_000);
        (address fresh, uint64 readyAt) = vault.queuedMigration(alice);
        assertTrue(fresh == address(0), "nothing is queued");
        assertEq(readyAt, 0, "at no time");
    }

    function testAWalletThatSignsRefusesOrTakesItsCashOut() public {
        vm.expectRevert(abi.encodeWithSelector(CashVault.NoMigrationQueued.selector, address(this)));
        vault.refuseMigration();
        vm.prank(OWNER);
        vault.queueMigration(alice, BOB);
        vm.prank(alice);
        vault.refuseMigration();
        vm.warp(block.timestamp + 12 hours);
        vm.startPrank(OWNER);
        vm.expectRevert(abi.encodeWithSelector(CashVault.NoMigrationQueued.selector, alice));
        vault.migrate(alice);
        vault.queueMigration(alice, BOB);
        vm.stopPrank();
        vm.prank(alice);
        vault.requestWithdraw(1_000);
        vm.prank(RELEASER);
        vault.releaseWithdraw(alice, 1_000, block.number);
        vm.warp(block.timestamp + 12 hours);
        vm.prank(OWNER);
        vm.expectRevert(abi.encodeWithSelector(CashVault.ZeroAmount.selector));
        vault.migrate(alice);
    }

    function testOnlyTheOwnerMigratesAndToAnother() public {
        address[4] memory others = [RELEASER, BRIDGE, alice, address(this)];
        for (uint256 i = 0; i < others.length; ++i) {
            bytes memory refusal = abi.encodeWithSelector(Timelocked.NotHolder.selector, bytes32("owner"), others[i]);
            vm.startPrank(others[i]);
            vm.expectRevert(refusal);
            vault.queueMigration(alice, BOB);
            vm.expectRevert(refusal);
            vault.migrate(alice);
            vm.stopPrank();
        }
        vm.startPrank(OWNER);
        vm.expectRevert(abi.encodeWithSelector(CashVault.SameWallet.selector, alice));
        vault.queueMigration(alice, alice);
        vm.expectRevert(abi.encodeWithSelector(Timelocked.ZeroAddress.selector));
        vault.queueMigration(alice, address(0));
        vm.stopPrank();
    }

    function testFuzzTransfersKeepTheSum(uint256 amount, uint256 requested, uint256 back) public {
        amount = bound(amount, 1, 1_000);
        requested = bound(requested, 1, 1_000);
        back = bound(back, 0, 1_000 + amount);
        vm.prank(alice);
        vault.requestWithdraw(requested);
        _applyPay(alice, BOB, int128(int256(amount)));
        uint256 left = 1_000 - amount;
        uint256 clamped = requested < left ? requested : left;
        assertEq(_requested(alice), clamped, "request after the debit");
        _applyPay(BOB, alice, int128(int256(back)));
        assertEq(_requested(alice), clamped, "request after the credit");
        assertEq(_balance(alice) + _balance(BOB), 2_000, "sum");
        assertEq(vault.totalBalances(), 2_000, "liabilities");
    }

    function _vault(address cash) private returns (CashVault made) {
        made = new CashVault(ICashToken(cash), OWNER, 12 hours, DELAY);
        vm.startPrank(OWNER);
        made.appoint("bridge", BRIDGE);
        made.appoint("releaser", RELEASER);
        vm.stopPrank();
    }

    function _migrate(address lost, address fresh) private {
        vm.startPrank(OWNER);
        vault.queueMigration(lost, fresh);
        vm.warp(block.timestamp + 12 hours);
        vault.migrate(lost);
        vm.stopPrank();
    }

    function _fund(address account, uint256 amount) private {
        usdc.mint(account, amount);
        vm.startPrank(account);
        usdc.approve(address(vault), amount);
        vault.deposit(amount);
        vm.stopPrank();
    }

    function _pay(address from, address to, int128 amount) private pure returns (CashDelta[] memory deltas) {
        deltas = new CashDelta[](2);
        (deltas[0], deltas[1]) = (CashDelta(from, -amount), CashDelta(to, amount));
    }

    function _applyPay(address from, address to, int128 amount) private {
        vm.prank(BRIDGE);
        vault.applyDeltas(_pay(from, to, amount));
    }

    function _deltasFail(CashDelta[] memory deltas, bytes memory reason) private {
        vm.prank(BRIDGE);
        vm.expectRevert(reason);
        vault.applyDeltas(deltas);
    }

    function _expect(address account, int256 delta, uint256 balance, uint256 requested) private {
        vm.expectEmit(true, true, true, true, address(vault));
        emit CashChanged(account, delta, balance, requested);
    }

    function _permit(uint256 amount, uint256 deadline) private view returns (uint8 v, bytes32 r, bytes32 s) {
        uint256 nonce = usdc.nonces(alice);
        bytes32 hash = keccak256(abi.encode(usdc.PERMIT_TYPEHASH(), alice, address(vault), amount, nonce, deadline));
        return vm.sign(ALICE_KEY, keccak256(abi.encodePacked("\x19\x01", usdc.DOMAIN_SEPARATOR(), hash)));
    }

    function _balance(address account) private view returns (uint256 balance) {
        (balance,,,) = vault.accountOf(account);
    }

    function _requested(address account) private view returns (uint256 requested) {
        (, requested,,) = vault.accountOf(account);
    }
}
