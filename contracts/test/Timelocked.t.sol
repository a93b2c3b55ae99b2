// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

import {Timelocked} from "../src/Timelocked.sol";
import {Test} from "./Test.sol";

contract OneRole is Timelocked {
    constructor(address owner_, uint64 delay) Timelocked(owner_, delay) {}

    function _isRole(bytes32 role) internal pure override returns (bool) {
        return role == "role";
    }
}

contract TimelockedTest is Test {
    event RoleChanged(bytes32 indexed role, address indexed holder);

    bytes32 private constant ROLE = "role";
    bytes32 private constant OWNER = "owner";
    address private constant FIRST = address(1);
    address private constant SECOND = address(2);
    uint64 private constant DELAY = 12 hours;
    OneRole private roles;

    function setUp() public {
        vm.warp(1_800_000_000);
        roles = new OneRole(address(this), DELAY);
    }

    function testTheFirstHolderNeedsNoDelay() public {
        vm.expectEmit(true, true, true, true, address(roles));
        emit RoleChanged(ROLE, FIRST);
        roles.appoint(ROLE, FIRST);
        assertTrue(roles.holderOf(ROLE) == FIRST, "holder");
    }

    function testEveryLaterHolderWaits() public {
        roles.appoint(ROLE, FIRST);
        vm.expectRevert(abi.encodeWithSelector(Timelocked.AlreadyAppointed.selector, ROLE));
        roles.appoint(ROLE, SECOND);
        roles.queueChange(ROLE, SECOND);
        uint64 readyAt = uint64(block.timestamp) + DELAY;
        vm.warp(readyAt - 1);
        vm.expectRevert(abi.encodeWithSelector(Timelocked.ChangeNotReady.selector, ROLE, readyAt));
        roles.executeChange(ROLE);
        assertTrue(roles.holderOf(ROLE) == FIRST, "still the first");
        vm.warp(readyAt);
        roles.executeChange(ROLE);
        assertTrue(roles.holderOf(ROLE) == SECOND, "the second");
        vm.expectRevert(abi.encodeWithSelector(Timelocked.NoChangeQueued.selector, ROLE));
        roles.executeChange(ROLE);
    }

    function testADismissalIsImmediateAndNoWayRoundTheDelay() public {
        roles.appoint(ROLE, FIRST);
        roles.dismiss(ROLE);
        assertTrue(roles.holderOf(ROLE) == address(0), "nobody");
        vm.expectRevert(abi.encodeWithSelector(Timelocked.AlreadyAppointed.selector, ROLE));
        roles.appoint(ROLE, SECOND);
        vm.expectRevert(abi.encodeWithSelector(Timelocked.OwnerNeeded.selector));
        roles.dismiss(OWNER);
    }

    function testDismissingANeverFilledRoleClosesTheUndelayedDoor() public {
        roles.dismiss(ROLE);
        vm.expectRevert(abi.encodeWithSelector(Timelocked.AlreadyAppointed.selector, ROLE));
        roles.appoint(ROLE, SECOND);
    }

    function testTheOwnerIsChangedInTheSameWay() public {
        vm.expectRevert(abi.encodeWithSelector(Timelocked.UnknownRole.selector, OWNER));
        roles.appoint(OWNER, SECOND);
        roles.queueChange(OWNER, SECOND);
        vm.warp(block.timestamp + DELAY);
        roles.executeChange(OWNER);
        assertTrue(roles.owner() == SECOND, "owner");
        vm.expectRevert(abi.encodeWithSelector(Timelocked.NotHolder.selector, OWNER, address(this)));
        roles.appoint(ROLE, FIRST);
    }

    function testACancelledChangeIsGone() public {
        vm.expectRevert(abi.encodeWithSelector(Timelocked.NoChangeQueued.selector, ROLE));
        roles.cancelChange(ROLE);
        roles.queueChange(ROLE, FIRST);
        (address holder, uint64 readyAt) = roles.queuedChange(ROLE);
        assertTrue(holder == FIRST, "queued");
        assertEq(readyAt, block.timestamp + DELAY, "ready at");
        roles.cancelChange(ROLE);
        vm.warp(block.timestamp + DELAY);
        vm.expectRevert(abi.encodeWithSelector(Timelocked.NoChangeQueued.selector, ROLE));
        roles.executeChange(ROLE);
    }

    function testQueueingAgainWaitsAgain() public {
        roles.queueChange(ROLE, FIRST);
        vm.warp(block.timestamp + DELAY - 1);
        roles.queueChange(ROLE, SECOND);
        vm.warp(block.timestamp + 1);
        vm.expectRevert(
            abi.encodeWithSelector(Timelocked.ChangeNotReady.selector, ROLE, uint64(block.timestamp) + DELAY - 1)
        );
        roles.executeChange(ROLE);
    }

    function testOnlyTheOwnerDoesAnyOfThis() public {
        bytes memory reason = abi.encodeWithSelector(Timelocked.NotHolder.selector, OWNER, FIRST);
        vm.startPrank(FIRST);
        vm.expectRevert(reason);
        roles.appoint(ROLE, FIRST);
        vm.expectRevert(reason);
        roles.queueChange(ROLE, FIRST);
        vm.expectRevert(reason);
        roles.executeChange(ROLE);
        vm.expectRevert(reason);
        roles.cancelChange(ROLE);
        vm.expectRevert(reason);
        roles.dismiss(ROLE);
        vm.stopPrank();
    }

    function testUnknownRolesAndNobodyAreRefused() public {
        vm.expectRevert(abi.encodeWithSelector(Timelocked.UnknownRole.selector, bytes32("rolle")));
        roles.appoint("rolle", FIRST);
        vm.expectRevert(abi.encodeWithSelector(Timelocked.UnknownRole.selector, bytes32("rolle")));
        roles.queueChange("rolle", FIRST);
        vm.expectRevert(abi.encodeWithSelector(Timelocked.ZeroAddress.selector));
        roles.appoint(ROLE, address(0));
        vm.expectRevert(abi.encodeWithSelector(Timelocked.ZeroAddress.selector));
        roles.queueChange(ROLE, address(0));
    }
}
