// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

import {LockUpModule, Lot} from "../src/modules/LockUpModule.sol";
import {World} from "./World.sol";

/// @notice A new token with a lock-up in the real modular compliance; nobody holds it.
abstract contract LockedUp is World {
    uint64 internal constant LOCK_UP = 365 days;
    LockUpModule internal lockUp;

    function buildLockedUp() internal {
        buildWorld();
        lockUp = new LockUpModule();
        renew("LOCKEDUP", address(lockUp), abi.encodeCall(LockUpModule.setLockUp, (LOCK_UP)));
    }

    function setLockUp(uint64 lockUp_) internal {
        compliance.callModuleFunction(abi.encodeCall(LockUpModule.setLockUp, (lockUp_)), address(lockUp));
    }

    function setIssuer(address issuer) internal {
        compliance.callModuleFunction(abi.encodeCall(LockUpModule.setIssuer, (issuer)), address(lockUp));
    }

    function send(address from, address to, uint256 amount) internal {
        vm.prank(from);
        token.transfer(to, amount);
    }

    function lotsOf(address wallet) internal view returns (Lot[] memory) {
        return lockUp.lotsOf(address(compliance), wallet);
    }

    function lockedUpOf(address wallet) internal view returns (uint256) {
        return lockUp.lockedOf(address(compliance), wallet);
    }
}
