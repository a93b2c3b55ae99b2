// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

import {ChunkedPayout} from "../src/ChunkedPayout.sol";
import {DividendDistributor} from "../src/DividendDistributor.sol";
import {ICashToken} from "../src/interfaces/ICashToken.sol";
import {MockUSDC} from "../src/MockUSDC.sol";
import {Timelocked} from "../src/Timelocked.sol";
import {Chunks} from "./Chunks.sol";
import {MoodyCash} from "./MoodyCash.sol";
import {Test} from "./Test.sol";

contract PayoutsTest is Test {
    event PayoutDeclared(bytes32 indexed id, address indexed token, uint256 totalUsdcMicros, bytes32 head);
    event Paid(bytes32 indexed id, address indexed holder, uint256 amountUsdcMicros);
    event Owed(bytes32 indexed id, address indexed holder, uint256 amountUsdcMicros);
    event ChunkPaid(bytes32 indexed id, bytes32 indexed next, uint256 paidUsdcMicros, uint256 owedUsdcMicros);
    event PayoutComplete(bytes32 indexed id, uint256 totalUsdcMicros, uint256 owedUsdcMicros);
    event PayoutCancelled(bytes32 indexed id, uint256 returnedUsdcMicros);
    event Claimed(bytes32 indexed id, address indexed holder, uint256 amountUsdcMicros);
    event RedirectQueued(bytes32 indexed id, address indexed holder, address indexed to, uint64 readyAt);
    event Redirected(bytes32 indexed id, address indexed holder, address indexed to, uint256 amountUsdcMicros);

    uint64 private constant DELAY = 12 hours;
    bytes32 private constant ID = "first";
    address private constant OWNER = address(0xA1);
    address private constant PAYER = address(0xA2);
    address private constant ALICE = address(0xB1);
    address private constant BOB = address(0xB2);
    address private constant CAROL = address(0xB3);
    MockUSDC private usdc;
    DividendDistributor private payouts;
    bytes32[] private heads;
    uint256[][] private chunks;

    function setUp() public {
        vm.warp(1_800_000_000);
        usdc = new MockUSDC(address(this));
        usdc.mint(PAYER, 1_000_000);
        payouts = _payouts(address(usdc));
        vm.prank(PAYER);
        usdc.approve(address(payouts), type(uint256).max);
        chunks.push(Chunks.two(Chunks.word(ALICE, 100), Chunks.word(BOB, 20)));
        chunks.push(Chunks.one(Chunks.word(CAROL, 3)));
        heads = Chunks.chain(chunks);
    }

    function testEveryHolderIsPaidAndTheSumIsTheTotal() public {
        vm.expectEmit(true, true, true, true, address(payouts));
        emit PayoutDeclared(ID, address(this), 123, heads[0]);
        _declare(123);
        assertEq(usdc.balanceOf(address(payouts)), 123, "brought in");
        vm.expectEmit(true, true, true, true, address(payouts));
        emit Paid(ID, ALICE, 100);
        emit Paid(ID, BOB, 20);
        emit ChunkPaid(ID, heads[1], 120, 0);
        _pay(0);
        vm.expectEmit(true, true, true, true, address(payouts));
        emit ChunkPaid(ID, 0, 123, 0);
        emit PayoutComplete(ID, 123, 0);
        _pay(1);
        assertEq(usdc.balanceOf(ALICE), 100, "alice");
        assertEq(usdc.balanceOf(BOB), 20, "bob");
        assertEq(usdc.balanceOf(CAROL), 3, "carol");
        ChunkedPayout.Payout memory payout = payouts.payoutOf(ID);
        assertTrue(payout.head == 0 && payout.token == address(this), "done");
        assertEq(payout.paidUsdcMicros, 123, "paid");
        assertEq(payouts.liabilitiesUsdcMicros(), 0, "nothing left");
    }

    function testOnlyThePayerDeclaresAndPays() public {
        bytes memory reason = abi.encodeWithSelector(Timelocked.NotHolder.selector, bytes32("payer"), address(this));
        vm.expectRevert(reason);
        payouts.declare(ID, address(this), 123, heads[0]);
        _declare(123);
        vm.expectRevert(reason);
        payouts.pay(ID, chunks[0], heads[1]);
    }

    function testADeclarationIsNewAndWhole() public {
        vm.startPrank(PAYER);
        vm.expectRevert(abi.encodeWithSelector(ChunkedPayout.NotAToken.selector, ALICE));
        payouts.declare(ID, ALICE, 123, heads[0]);
        vm.expectRevert(abi.encodeWithSelector(ChunkedPayout.NoChunks.selector, ID));
        payouts.declare(ID, address(this), 123, 0);
        vm.expectRevert(abi.encodeWithSelector(ChunkedPayout.AmountTooLarge.selector, uint256(1) << 96));
        payouts.declare(ID, address(this), uint256(1) << 96, heads[0]);
        payouts.declare(ID, address(this), 123, heads[0]);
        vm.expectRevert(abi.encodeWithSelector(ChunkedPayout.AlreadyDeclared.selector, ID));
        payouts.declare(ID, address(this), 123, heads[0]);
        vm.expectRevert();
        payouts.declare("second", address(this), 1_000_000, heads[0]); // more than the payer has left
        vm.stopPrank();
        _pay(0);
        _pay(1);
        vm.prank(PAYER);
        vm.expectRevert(abi.encodeWithSelector(ChunkedPayout.AlreadyDeclared.selector, ID));
        payouts.declare(ID, address(this), 123, heads[0]);
    }

    function testOnlyTheNextChunkIsPaidAndOnce() public {
        _payFails(0, bytes32(0)); // never declared
        _declare(123);
        _payFails(1, heads[0]);
        _pay(0);
        _payFails(0, heads[1]);
        _pay(1);
        _payFails(1, bytes32(0));
        assertEq(usdc.balanceOf(ALICE), 100, "alice once");
        assertEq(usdc.balanceOf(CAROL), 3, "carol once");
    }

    function testFuzzAChunkIsPaidAsItWasHashed(uint256 seed) public {
        _declare(123);
        uint256[] memory words = chunks[0];
        bytes32 next = heads[1];
        uint256 kind = seed % 4;
        if (kind == 0) words[(seed >> 8) % 2] ^= uint256(1) << ((seed >> 16) & 0xff);
        if (kind == 1) next ^= bytes32(uint256(1) << ((seed >> 16) & 0xff));
        if (kind == 2) (words[0], words[1]) = (words[1], words[0]);
        if (kind == 3) words = Chunks.one(words[0]);
        bytes32 given = keccak256(abi.encode(words, next));
        vm.prank(PAYER);
        vm.expectRevert(abi.encodeWithSelector(ChunkedPayout.WrongChunk.selector, ID, heads[0], given));
        payouts.pay(ID, words, next);
    }

    function testAChunkThatSaysMoreThanTheTotalIsRefusedThoughMoneyIsThere() public {
        vm.prank(PAYER);
        payouts.declare("other", address(this), 500, heads[0]);
        _declare(119);
        vm.prank(PAYER);
        vm.expectRevert(abi.encodeWithSelector(ChunkedPayout.MoreThanTotal.selector, 120, 119));
        payouts.pay(ID, chunks[0], heads[1]);
    }

    function testTheLastChunkLeavesNothing() public {
        _declare(124);
        _pay(0);
        vm.prank(PAYER);
        vm.expectRevert(abi.encodeWithSelector(ChunkedPayout.LessThanTotal.selector, 123, 124));
        payouts.pay(ID, chunks[1], 0);
    }

    function testAnAmountOfZeroIsSkipped() public {
        MoodyCash cash = new MoodyCash();
        DividendDistributor moody = _payouts(address(cash));
        cash.mint(PAYER, 7);
        cash.setMood(ALICE, MoodyCash.Mood.CallsBack); // and so remembers that it was called
        delete chunks;
        chunks.push(Chunks.two(Chunks.word(ALICE, 0), Chunks.word(BOB, 7)));
        heads = Chunks.chain(chunks);
        vm.startPrank(PAYER);
        moody.declare(ID, address(this), 7, heads[0]);
        moody.pay(ID, chunks[0], 0);
        vm.stopPrank();
        assertTrue(!cash.refused(), "never called");
        assertEq(moody.owed(ID, ALICE), 0, "nothing owed");
        assertEq(cash.balanceOf(BOB), 7, "bob");
    }

    function testABlacklistedHolderStopsNobodyAndClaimsLater() public {
        usdc.setBlacklisted(ALICE, true);
        _declare(123);
        vm.expectEmit(true, true, true, true, address(payouts));
        emit Owed(ID, ALICE, 100);
        emit Paid(ID, BOB, 20);
        emit ChunkPaid(ID, heads[1], 20, 100);
        _pay(0);
        _pay(1);
        assertEq(usdc.balanceOf(BOB), 20, "bob");
        assertEq(payouts.owed(ID, ALICE), 100, "owed");
        assertEq(payouts.liabilitiesUsdcMicros(), 100, "kept");
        vm.expectRevert(); // still blacklisted
        payouts.claim(ID, ALICE);
        assertEq(payouts.owed(ID, ALICE), 100, "still owed");
        usdc.setBlacklisted(ALICE, false);
        vm.expectEmit(true, true, true, true, address(payouts));
        emit Claimed(ID, ALICE, 100);
        payouts.claim(ID, ALICE); // anybody asks, alice gets it
        assertEq(usdc.balanceOf(ALICE), 100, "alice");
        assertEq(payouts.liabilitiesUsdcMicros(), 0, "nothing left");
        assertEq(payouts.payoutOf(ID).paidUsdcMicros, 123, "paid");
        assertEq(payouts.payoutOf(ID).owedUsdcMicros, 0, "owed at the end");
        vm.expectRevert(abi.encodeWithSelector(ChunkedPayout.NothingOwed.selector, ID, ALICE));
        payouts.claim(ID, ALICE);
    }

    function testFuzzWhateverATransferDoesTheOthersArePaid(uint8 first, uint8 second) public {
        MoodyCash cash = new MoodyCash();
        DividendDistributor moody = _payouts(address(cash));
        cash.mint(PAYER, 123);
        cash.setCallback(abi.encodeCall(ChunkedPayout.claim, (ID, BOB)));
        MoodyCash.Mood[2] memory moods = [MoodyCash.Mood(first % 10), MoodyCash.Mood(second % 10)];
        cash.setMood(ALICE, moods[0]);
        cash.setMood(BOB, moods[1]);
        vm.startPrank(PAYER);
        moody.declare(ID, address(this), 123, heads[0]);
        moody.pay(ID, chunks[0], heads[1]);
        moody.pay(ID, chunks[1], 0);
        vm.stopPrank();
        assertEq(cash.balanceOf(CAROL), 3, "carol");
        _paidOrOwed(moody, cash, ALICE, 100, moods[0]);
        _paidOrOwed(moody, cash, BOB, 20, moods[1]);
        assertEq(cash.balanceOf(address(moody)), moody.liabilitiesUsdcMicros(), "reserves");
    }

    function testAReceiverThatCallsBackIsRefused() public {
        MoodyCash cash = new MoodyCash();
        DividendDistributor moody = _payouts(address(cash));
        cash.mint(PAYER, 120);
        cash.setMood(ALICE, MoodyCash.Mood.Reverts); // so that there is something to claim
        cash.setMood(BOB, MoodyCash.Mood.CallsBack);
        cash.setCallback(abi.encodeCall(ChunkedPayout.claim, (ID, ALICE)));
        delete chunks;
        chunks.push(Chunks.one(Chunks.word(ALICE, 100)));
        chunks.push(Chunks.one(Chunks.word(BOB, 20)));
        heads = Chunks.chain(chunks);
        vm.startPrank(PAYER);
        moody.declare(ID, address(this), 120, heads[0]);
        moody.pay(ID, chunks[0], heads[1]);
        cash.setMood(ALICE, MoodyCash.Mood.Good);
        moody.pay(ID, chunks[1], 0);
        vm.stopPrank();
        assertTrue(cash.refused(), "refused");
        assertEq(moody.owed(ID, ALICE), 100, "still owed");
    }

    function testAFeeOnTheWayInIsRefused() public {
        MoodyCash cash = new MoodyCash();
        cash.setTakesFee();
        cash.mint(PAYER, 123);
        DividendDistributor moody = _payouts(address(cash));
        vm.prank(PAYER);
        vm.expectRevert(abi.encodeWithSelector(ChunkedPayout.WrongAmountReceived.selector, 123, 122));
        moody.declare(ID, address(this), 123, heads[0]);
    }

    /// @dev However little gas a payer gives, nobody is owed what could have been paid.
    function testFuzzWantOfGasBooksNothing(uint256 gas) public {
        _declare(123);
        vm.prank(PAYER);
        try payouts.pay{gas: bound(gas, 30_000, 400_000)}(ID, chunks[0], heads[1]) {
            assertEq(usdc.balanceOf(ALICE), 100, "alice");
            assertEq(usdc.balanceOf(BOB), 20, "bob");
        } catch {
            assertEq(payouts.payoutOf(ID).paidUsdcMicros, 0, "nothing paid");
        }
        assertEq(payouts.payoutOf(ID).owedUsdcMicros, 0, "nothing owed");
    }

    /// @dev A receiver that burns what it is given takes no more than one transfer's part of the chunk's gas.
    function testAReceiverGetsNoMoreGasThanATransferNeeds() public {
        MoodyCash cash = new MoodyCash();
        DividendDistributor moody = _payouts(address(cash));
        cash.mint(PAYER, 123);
        cash.setMood(ALICE, MoodyCash.Mood.EatsGas);
        vm.startPrank(PAYER);
        moody.declare(ID, address(this), 123, heads[0]);
        moody.pay{gas: 600_000}(ID, chunks[0], heads[1]);
        vm.stopPrank();
        assertEq(moody.owed(ID, ALICE), 100, "alice");
        assertEq(cash.balanceOf(BOB), 20, "bob");
    }

    function testWantOfGasIsNamed() public {
        _declare(123);
        vm.prank(PAYER);
        try payouts.pay{gas: 120_000}(ID, chunks[0], heads[1]) {
            revert NotTrue("paid");
        } catch (bytes memory reason) {
            assertTrue(bytes4(reason) == ChunkedPayout.GasTooLow.selector, "named");
        }
    }

    function testWhatIsOwedFollowsARecoveredHolderAfterTheDelay() public {
        usdc.setBlacklisted(ALICE, true);
        _declare(123);
        _pay(0);
        uint64 readyAt = uint64(block.timestamp) + DELAY;
        vm.startPrank(OWNER);
        vm.expectEmit(true, true, true, true, address(payouts));
        emit RedirectQueued(ID, ALICE, CAROL, readyAt);
        payouts.queueRedirect(ID, ALICE, CAROL);
        (address to, uint64 ready) = payouts.redirectOf(ID, ALICE);
        assertTrue(to == CAROL && ready == readyAt, "announced");
        vm.warp(readyAt - 1);
        vm.expectRevert(abi.encodeWithSelector(ChunkedPayout.DelayNotOver.selector, readyAt));
        payouts.executeRedirect(ID, ALICE);
        vm.warp(readyAt);
        vm.expectEmit(true, true, true, true, address(payouts));
        emit Redirected(ID, ALICE, CAROL, 100);
        payouts.executeRedirect(ID, ALICE);
        vm.expectRevert(abi.encodeWithSelector(ChunkedPayout.NoRedirectQueued.selector, ID, ALICE));
        payouts.executeRedirect(ID, ALICE);
        vm.stopPrank();
        payouts.claim(ID, CAROL);
        assertEq(usdc.balanceOf(CAROL), 100, "carol");
        vm.expectRevert(abi.encodeWithSelector(ChunkedPayout.NothingOwed.selector, ID, ALICE));
        payouts.claim(ID, ALICE);
    }

    function testARedirectNeedsAnOwnerAHolderAndSomethingOwed() public {
        usdc.setBlacklisted(ALICE, true);
        _declare(123);
        _pay(0);
        bytes memory reason = abi.encodeWithSelector(Timelocked.NotHolder.selector, bytes32("owner"), address(this));
        vm.expectRevert(reason);
        payouts.queueRedirect(ID, ALICE, CAROL);
        vm.expectRevert(reason);
        payouts.executeRedirect(ID, ALICE);
        vm.startPrank(OWNER);
        vm.expectRevert(abi.encodeWithSelector(Timelocked.ZeroAddress.selector));
        payouts.queueRedirect(ID, ALICE, address(0));
        vm.expectRevert(abi.encodeWithSelector(ChunkedPayout.NothingOwed.selector, ID, BOB));
        payouts.queueRedirect(ID, BOB, CAROL);
        vm.expectRevert(abi.encodeWithSelector(ChunkedPayout.NoRedirectQueued.selector, ID, ALICE));
        payouts.executeRedirect(ID, ALICE);
        payouts.queueRedirect(ID, ALICE, CAROL);
        vm.stopPrank();
        usdc.setBlacklisted(ALICE, false);
        payouts.claim(ID, ALICE); // the holder was there all the time
        vm.warp(block.timestamp + DELAY);
        vm.prank(OWNER);
        vm.expectRevert(abi.encodeWithSelector(ChunkedPayout.NothingOwed.selector, ID, ALICE));
        payouts.executeRedirect(ID, ALICE);
    }

    function testACancelledPayoutReturnsTheRestAndKeepsWhatIsOwed() public {
        usdc.setBlacklisted(ALICE, true);
        _declare(500);
        _pay(0);
        vm.expectRevert(abi.encodeWithSelector(Timelocked.NotHolder.selector, bytes32("owner"), address(this)));
        payouts.cancel(ID);
        vm.expectEmit(true, true, true, true, address(payouts));
        emit PayoutCancelled(ID, 380);
        vm.prank(OWNER);
        payouts.cancel(ID);
        assertEq(usdc.balanceOf(PAYER), 1_000_000 - 120, "returned");
        assertEq(usdc.balanceOf(address(payouts)), 100, "kept");
        assertEq(payouts.liabilitiesUsdcMicros(), 100, "liabilities");
        assertEq(payouts.payoutOf(ID).totalUsdcMicros, 120, "total");
        _payFails(1, bytes32(0));
        vm.prank(OWNER);
        vm.expectRevert(abi.encodeWithSelector(ChunkedPayout.NotOpen.selector, ID));
        payouts.cancel(ID);
        usdc.setBlacklisted(ALICE, false);
        payouts.claim(ID, ALICE);
        assertEq(usdc.balanceOf(ALICE), 100, "alice");
    }

    function testAClaimOfAnotherPayoutIsAnother() public {
        usdc.setBlacklisted(ALICE, true);
        _declare(123);
        _pay(0);
        vm.prank(PAYER);
        payouts.declare("second", address(this), 123, heads[0]);
        usdc.setBlacklisted(ALICE, false);
        vm.expectRevert(abi.encodeWithSelector(ChunkedPayout.NothingOwed.selector, bytes32("second"), ALICE));
        payouts.claim("second", ALICE);
    }

    function testTheCashTokenMustBeOne() public {
        vm.expectRevert(abi.encodeWithSelector(ChunkedPayout.NotAToken.selector, ALICE));
        new DividendDistributor(ICashToken(ALICE), OWNER, DELAY);
    }

    function _payouts(address cash) private returns (DividendDistributor made) {
        made = new DividendDistributor(ICashToken(cash), OWNER, DELAY);
        vm.prank(OWNER);
        made.appoint("payer", PAYER);
    }

    function _declare(uint256 total) private {
        vm.prank(PAYER);
        payouts.declare(ID, address(this), total, heads[0]);
    }

    function _pay(uint256 chunk) private {
        vm.prank(PAYER);
        payouts.pay(ID, chunks[chunk], heads[chunk + 1]);
    }

    function _payFails(uint256 chunk, bytes32 expected) private {
        vm.prank(PAYER);
        vm.expectRevert(abi.encodeWithSelector(ChunkedPayout.WrongChunk.selector, ID, expected, heads[chunk]));
        payouts.pay(ID, chunks[chunk], heads[chunk + 1]);
    }

    function _paidOrOwed(
        DividendDistributor moody,
        MoodyCash cash,
        address holder,
        uint256 amount,
        MoodyCash.Mood mood
    ) private view {
        bool reached = mood == MoodyCash.Mood.Good || mood == MoodyCash.Mood.ReturnsNothing
            || mood == MoodyCash.Mood.CallsBack;
        assertEq(cash.balanceOf(holder), reached ? amount : 0, "paid");
        assertEq(moody.owed(ID, holder), reached ? 0 : amount, "owed");
    }
}
