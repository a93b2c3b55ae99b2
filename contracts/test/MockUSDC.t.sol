// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

import {MockUSDC} from "../src/MockUSDC.sol";
import {Test} from "./Test.sol";

contract MockUSDCTest is Test {
    uint256 private constant KEY = 0xB1;
    uint256 private constant ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
    address private alice;
    address private constant BOB = address(2);
    MockUSDC private usdc;

    function setUp() public {
        vm.warp(1_800_000_000);
        alice = vm.addr(KEY);
        usdc = new MockUSDC(address(this));
        usdc.mint(alice, 100);
    }

    function testTransfers() public {
        vm.startPrank(alice);
        assertTrue(usdc.transfer(BOB, 30), "transfer");
        vm.expectRevert(abi.encodeWithSelector(MockUSDC.BalanceTooSmall.selector, alice, 70, 71));
        usdc.transfer(BOB, 71);
        vm.expectRevert(abi.encodeWithSelector(MockUSDC.ZeroAddress.selector));
        usdc.transfer(address(0), 1);
        usdc.approve(address(this), 20);
        vm.stopPrank();
        assertTrue(usdc.transferFrom(alice, BOB, 15), "transferFrom");
        vm.expectRevert(abi.encodeWithSelector(MockUSDC.AllowanceTooSmall.selector, alice, address(this), 5, 6));
        usdc.transferFrom(alice, BOB, 6);
        assertEq(usdc.balanceOf(BOB), 45, "bob");
        assertEq(usdc.totalSupply(), 100, "supply");
    }

    function testPauseAndBlacklistStopWhatTheyShould() public {
        usdc.setBlacklisted(BOB, true);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(MockUSDC.AccountBlacklisted.selector, BOB));
        usdc.transfer(BOB, 1);
        usdc.setBlacklisted(BOB, false);
        usdc.setPaused(true);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(MockUSDC.TokenPaused.selector));
        usdc.transfer(BOB, 1);
    }

    function testOnlyTheOwnerAndMintersMayDoMore() public {
        vm.startPrank(BOB);
        vm.expectRevert(abi.encodeWithSelector(MockUSDC.NotMinter.selector, BOB));
        usdc.mint(BOB, 1);
        vm.expectRevert(abi.encodeWithSelector(MockUSDC.NotOwner.selector, BOB));
        usdc.setPaused(true);
        vm.expectRevert(abi.encodeWithSelector(MockUSDC.NotOwner.selector, BOB));
        usdc.setBlacklisted(alice, true);
        vm.expectRevert(abi.encodeWithSelector(MockUSDC.NotOwner.selector, BOB));
        usdc.setMinter(BOB, true);
        vm.stopPrank();
        usdc.setMinter(BOB, true);
        vm.prank(BOB);
        usdc.mint(BOB, 1);
    }

    function testAPermitWorksOnceAndForWhatItSaysOnly() public {
        (uint8 v, bytes32 r, bytes32 s) = _sign(BOB, 9, block.timestamp);
        bytes memory refusal = abi.encodeWithSelector(MockUSDC.PermitNotSigned.selector, alice);
        vm.expectRevert(refusal);
        usdc.permit(alice, BOB, 10, block.timestamp, v, r, s);
        vm.expectRevert(refusal);
        usdc.permit(alice, address(this), 9, block.timestamp, v, r, s);
        vm.expectRevert(refusal);
        usdc.permit(alice, BOB, 9, block.timestamp + 1, v, r, s);
        vm.expectRevert(refusal); // the same signature, mirrored
        usdc.permit(alice, BOB, 9, block.timestamp, v == 27 ? 28 : 27, r, bytes32(ORDER - uint256(s)));
        usdc.permit(alice, BOB, 9, block.timestamp, v, r, s);
        assertEq(usdc.allowance(alice, BOB), 9, "allowance");
        vm.expectRevert(refusal);
        usdc.permit(alice, BOB, 9, block.timestamp, v, r, s);
    }

    function testAPermitExpires() public {
        (uint8 v, bytes32 r, bytes32 s) = _sign(BOB, 9, block.timestamp - 1);
        vm.expectRevert(abi.encodeWithSelector(MockUSDC.PermitExpired.selector, block.timestamp - 1));
        usdc.permit(alice, BOB, 9, block.timestamp - 1, v, r, s);
    }

    function testNobodyIsNoSigner() public {
        vm.expectRevert(abi.encodeWithSelector(MockUSDC.PermitNotSigned.selector, address(0)));
        usdc.permit(address(0), BOB, 9, block.timestamp, 0, 0, 0);
    }

    function _sign(address spender, uint256 value, uint256 deadline)
        private
        view
        returns (uint8 v, bytes32 r, bytes32 s)
    {
        bytes32 hash =
            keccak256(abi.encode(usdc.PERMIT_TYPEHASH(), alice, spender, value, usdc.nonces(alice), deadline));
        return vm.sign(KEY, keccak256(abi.encodePacked("\x19\x01", usdc.DOMAIN_SEPARATOR(), hash)));
    }
}
