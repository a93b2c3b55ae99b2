// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

import {ChunkedPayout} from "../src/ChunkedPayout.sol";
import {ExitRedemption} from "../src/ExitRedemption.sol";
import {ICashToken} from "../src/interfaces/ICashToken.sol";
import {Chunks} from "./Chunks.sol";
import {World} from "./World.sol";

/// @notice The exit on the real token: holders whose tokens are locked, frozen, or free.
contract ExitRedemptionTest is World {
    bytes32 private constant ID = "exit";
    address private constant PAYER = address(0xA8);
    ExitRedemption private redemption;
    bytes32[] private heads;
    uint256[][] private chunks;

    function setUp() public {
        buildWorld();
        redemption = new ExitRedemption(ICashToken(address(usdc)), OWNER, CHANGE_DELAY);
        vm.prank(OWNER);
        redemption.appoint("payer", PAYER);
        usdc.mint(PAYER, 1e12);
        vm.prank(PAYER);
        usdc.approve(address(redemption), type(uint256).max);
        token.addAgent(address(redemption));
        uint256[] memory first = new uint256[](4);
        (first[0], first[1]) = (Chunks.word(alice, 700), TOKENS);
        (first[2], first[3]) = (Chunks.word(bob, 300), TOKENS);
        chunks.push(first);
        chunks.push(Chunks.two(Chunks.word(carol, 5), TOKENS));
        heads = Chunks.chain(chunks);
    }

    function testEverythingIsBurnedAndPaidFor() public {
        vm.prank(ISSUER);
        locker.issuerFreeze(address(token), alice, 10); // out of her lock
        token.setAddressFrozen(bob, true);
        token.pause();
        _declare(1_005);
        _pay(0);
        assertEq(token.balanceOf(alice), 0, "alice's tokens");
        assertEq(usdc.balanceOf(alice), 700, "alice's cash");
        assertEq(token.balanceOf(bob), 0, "bob's tokens");
        assertEq(usdc.balanceOf(bob), 300, "bob's cash");
        assertEq(token.balanceOf(carol), TOKENS, "carol waits");
        _pay(1);
        assertEq(token.totalSupply(), 0, "supply");
        assertEq(usdc.balanceOf(carol), 5, "carol's cash");
        assertEq(redemption.liabilitiesUsdcMicros(), 0, "nothing left");
    }

    function testABlacklistedHolderIsBurnedAndOwed() public {
        usdc.setBlacklisted(alice, true);
        _declare(1_005);
        _pay(0);
        _pay(1);
        assertEq(token.totalSupply(), 0, "supply");
        assertEq(redemption.owed(ID, alice), 700, "owed");
        usdc.setBlacklisted(alice, false);
        redemption.claim(ID, alice);
        assertEq(usdc.balanceOf(alice), 700, "claimed");
    }

    function testABalanceThatMovedStopsTheChunkAndNamesTheHolder() public {
        _declare(1_005);
        token.forcedTransfer(bob, carol, 1);
        vm.prank(PAYER);
        vm.expectRevert(abi.encodeWithSelector(ExitRedemption.BalanceMoved.selector, bob, TOKENS - 1, TOKENS));
        redemption.pay(ID, chunks[0], heads[1]);
        token.forcedTransfer(carol, bob, 1);
        token.mint(bob, 1);
        vm.prank(PAYER);
        vm.expectRevert(abi.encodeWithSelector(ExitRedemption.BalanceMoved.selector, bob, TOKENS + 1, TOKENS));
        redemption.pay(ID, chunks[0], heads[1]);
        assertEq(token.balanceOf(alice), TOKENS, "alice as before");
        vm.prank(OWNER);
        redemption.cancel(ID);
        assertEq(usdc.balanceOf(PAYER), 1e12, "returned");
    }

    function testItIsNotOverWhileATokenIsLeft() public {
        token.mint(carol, 1); // after the snapshot, to somebody who is not in it as such
        token.forcedTransfer(carol, newVerified(0xB7), 1);
        _declare(1_005);
        _pay(0);
        vm.prank(PAYER);
        vm.expectRevert(abi.encodeWithSelector(ExitRedemption.TokensLeft.selector, address(token), 1));
        redemption.pay(ID, chunks[1], 0);
    }

    function testSomebodyWithoutTokensMayBePaid() public {
        delete chunks;
        uint256[] memory all = new uint256[](8);
        (all[0], all[1]) = (Chunks.word(alice, 700), TOKENS);
        (all[2], all[3]) = (Chunks.word(bob, 0), TOKENS);
        (all[4], all[5]) = (Chunks.word(carol, 5), TOKENS);
        (all[6], all[7]) = (Chunks.word(STRANGER, 1), 0);
        chunks.push(all);
        heads = Chunks.chain(chunks);
        _declare(706);
        _pay(0);
        assertEq(usdc.balanceOf(STRANGER), 1, "paid");
        assertEq(token.totalSupply(), 0, "supply");
    }

    function testWithoutBeingAnAgentNothingIsPaid() public {
        redemption = new ExitRedemption(ICashToken(address(usdc)), OWNER, CHANGE_DELAY);
        vm.prank(OWNER);
        redemption.appoint("payer", PAYER);
        vm.prank(PAYER);
        usdc.approve(address(redemption), type(uint256).max);
        _declare(1_005);
        vm.prank(PAYER);
        vm.expectRevert("AgentRole: caller does not have the Agent role");
        redemption.pay(ID, chunks[0], heads[1]);
    }

    function testAHalfEntryIsRefused() public {
        delete chunks;
        chunks.push(Chunks.one(Chunks.word(alice, 700)));
        heads = Chunks.chain(chunks);
        _declare(700);
        vm.prank(PAYER);
        vm.expectRevert();
        redemption.pay(ID, chunks[0], 0);
    }

    function testFuzzWhatIsPaidAndOwedIsTheTotal(uint64 first, uint64 second, uint64 third, uint8 blacklisted) public {
        delete chunks;
        (uint256 a, uint256 b, uint256 c) = (bound(first, 0, 1e9), bound(second, 0, 1e9), bound(third, 0, 1e9));
        chunks.push(Chunks.two(Chunks.word(alice, a), TOKENS));
        chunks.push(Chunks.two(Chunks.word(bob, b), TOKENS));
        chunks.push(Chunks.two(Chunks.word(carol, c), TOKENS));
        heads = Chunks.chain(chunks);
        address[3] memory holders = [alice, bob, carol];
        for (uint256 i = 0; i < 3; ++i) usdc.setBlacklisted(holders[i], (blacklisted >> i) & 1 == 1);
        _declare(a + b + c);
        for (uint256 i = 0; i < 3; ++i) _pay(i);
        ChunkedPayout.Payout memory payout = redemption.payoutOf(ID);
        assertEq(uint256(payout.paidUsdcMicros) + payout.owedUsdcMicros, a + b + c, "sum");
        assertEq(usdc.balanceOf(address(redemption)), payout.owedUsdcMicros, "reserves");
        assertEq(redemption.owed(ID, bob), (blacklisted >> 1) & 1 == 1 ? b : 0, "bob");
    }

    function _declare(uint256 total) private {
        vm.prank(PAYER);
        redemption.declare(ID, address(token), total, heads[0]);
    }

    function _pay(uint256 chunk) private {
        vm.prank(PAYER);
        redemption.pay(ID, chunks[chunk], heads[chunk + 1]);
    }
}
