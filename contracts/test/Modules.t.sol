// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

import {ComplianceModule} from "../src/modules/ComplianceModule.sol";
import {HolderCapModule} from "../src/modules/HolderCapModule.sol";
import {LockUpModule} from "../src/modules/LockUpModule.sol";
import {Leg} from "../src/interfaces/ITokenLocker.sol";
import {Batch} from "../src/SettlementBridge.sol";
import {TokenLocker} from "../src/TokenLocker.sol";
import {ISuiteCompliance, ISuiteToken, World} from "./World.sol";

/// @notice Our modules in the real modular compliance. The token here is new: nobody holds it.
contract ModulesTest is World {
    HolderCapModule private cap;
    LockUpModule private lockUp;
    ISuiteToken private oak;
    ISuiteCompliance private oakCompliance;

    function setUp() public {
        buildWorld();
        (oak, oakCompliance) = (token, compliance);
        cap = new HolderCapModule();
        lockUp = new LockUpModule();
        renew("CAPPED", address(cap), abi.encodeCall(HolderCapModule.setCap, (2)));
    }

    function testTheCapCountsHoldersWhoComeAndGo() public {
        mintLocked(alice, 10);
        mintLocked(bob, 10);
        _holders(2);
        vm.expectRevert("Compliance not followed");
        token.mint(carol, 1);
        bytes memory refusal = abi.encodeWithSelector(TokenLocker.LegNotCompliant.selector, 0, alice, carol, 9);
        settleFails(trade(alice, carol, 9, 0), refusal);
        settle(trade(alice, carol, 10, 0)); // alice leaves as carol comes
        _holders(2);
        token.burn(carol, 10);
        _holders(1);
        mintLocked(alice, 1);
        _holders(2);
    }

    function testASellersLastLegMayGoToANewcomer() public {
        mintLocked(alice, 10);
        mintLocked(bob, 10);
        Batch memory batch = trade(alice, bob, 1, 0);
        batch.legs = new Leg[](2);
        (batch.legs[0], batch.legs[1]) = (Leg(0, alice, carol, 6), Leg(0, alice, bob, 4));
        settleFails(batch, abi.encodeWithSelector(TokenLocker.LegNotCompliant.selector, 0, alice, carol, 6));
        (batch.legs[0], batch.legs[1]) = (batch.legs[1], batch.legs[0]); // exits are counted when they happen
        settle(batch);
        _holders(2);
    }

    function testWalletsOfOneIdentityAreOneHolder() public {
        address second = vm.addr(0xB9);
        registry.registerIdentity(second, identityOf[alice], 276);
        token.mint(alice, 10);
        token.mint(bob, 10);
        token.mint(second, 10);
        _holders(2);
        token.burn(alice, 10);
        _holders(2);
        token.burn(second, 10);
        _holders(1);
    }

    function testAWalletLeavesAsWhatItCame() public {
        token.mint(alice, 10);
        registry.deleteIdentity(alice);
        token.burn(alice, 10);
        _holders(0);
    }

    function testWhatIsForcedIsCounted() public {
        token.mint(alice, 10);
        token.mint(bob, 10);
        token.forcedTransfer(alice, carol, 5);
        _holders(3);
        token.forcedTransfer(carol, carol, 5);
        _holders(3);
        token.forcedTransfer(alice, bob, 5);
        _holders(2);
    }

    function testTheCapBindsOnlyToATokenWithoutHolders() public {
        vm.expectRevert("compliance is not suitable for binding to the module");
        oakCompliance.addModule(address(cap));
    }

    function testFuzzTheCountIsTheNumberOfHolders(uint256 seed) public {
        compliance.callModuleFunction(abi.encodeCall(HolderCapModule.setCap, (3)), address(cap));
        address[3] memory wallets = [alice, bob, carol];
        for (uint256 i = 0; i < 24; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            (address from, address to) = (wallets[seed % 3], wallets[(seed >> 8) % 3]);
            uint256 balance = token.balanceOf(from);
            uint256 amount = (seed >> 16) % 2 == 0 ? balance : balance / 2;
            if (amount == 0) token.mint(to, 1 + (seed >> 24) % 5);
            else if ((seed >> 32) % 4 == 0) token.burn(from, amount);
            else token.forcedTransfer(from, to, amount);
            uint256 expected = 0;
            for (uint256 j = 0; j < wallets.length; ++j) if (token.balanceOf(wallets[j]) > 0) ++expected;
            _holders(expected);
        }
    }

    function testOnlyABoundComplianceTellsAModuleAnything() public {
        bytes memory refusal = abi.encodeWithSelector(ComplianceModule.NotCompliance.selector, address(this));
        vm.expectRevert(refusal);
        cap.bindCompliance(address(compliance));
        vm.expectRevert(refusal);
        cap.unbindCompliance(address(compliance));
        vm.expectRevert(refusal);
        cap.setCap(9);
        vm.expectRevert(refusal);
        cap.moduleTransferAction(alice, bob, 1);
        vm.expectRevert(refusal);
        cap.moduleMintAction(alice, 1);
        vm.expectRevert(refusal);
        cap.moduleBurnAction(alice, 1);
        vm.expectRevert(refusal);
        lockUp.setLockUp(1);
        vm.expectRevert(refusal);
        lockUp.setIssuer(alice);
        vm.expectRevert(refusal);
        lockUp.moduleTransferAction(alice, bob, 1);
        vm.expectRevert(refusal);
        lockUp.moduleMintAction(alice, 1);
        vm.expectRevert(refusal);
        lockUp.moduleBurnAction(alice, 1);
    }

    function _holders(uint256 expected) private view {
        (uint32 count,) = cap.holdersOf(address(compliance));
        assertEq(count, expected, "holders");
    }
}
