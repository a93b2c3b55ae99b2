// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

import {CashVault} from "../src/CashVault.sol";
import {MockUSDC} from "../src/MockUSDC.sol";
import {SettlementBridge} from "../src/SettlementBridge.sol";
import {TokenLocker} from "../src/TokenLocker.sol";
import {Exchange} from "./Exchange.sol";
import {Test} from "./Test.sol";
import {Thief} from "./Thief.sol";
import {ISuiteToken} from "./World.sol";

contract ExchangeInvariants is Test {
    Exchange private exchange;
    MockUSDC private usdc;
    CashVault private vault;
    TokenLocker private locker;
    SettlementBridge private bridge;
    ISuiteToken private token;

    function setUp() public {
        exchange = new Exchange();
        (usdc, vault, locker, bridge, token) = exchange.parts();
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(exchange);
    }

    /// @dev Slots sum to the liabilities, and the reserves are those and the surplus, to the micro.
    function invariantCashIsAllThereAndNothingElse() public view {
        address[] memory accounts = exchange.watched();
        uint256 sum = 0;
        for (uint256 i = 0; i < accounts.length; ++i) {
            (uint256 balance, uint256 requested,,) = vault.accountOf(accounts[i]);
            assertTrue(requested <= balance, "request within the balance");
            sum += balance;
        }
        assertEq(sum, vault.totalBalances(), "liabilities");
        assertEq(usdc.balanceOf(address(vault)), sum + exchange.surplus(), "reserves");
    }

    /// @dev Whatever the issuer did past the locker, every lock can be brought back within what the token backs:
    ///      by anybody, or by the issuer for a wallet that is empty.
    function invariantASyncLeavesEveryLockBacked() public {
        address[] memory holders = exchange.watched();
        for (uint256 i = 0; i < holders.length; ++i) {
            (uint256 locked, uint256 issuerFrozen,,) = locker.lockOf(address(token), holders[i]);
            if (token.getFrozenTokens(holders[i]) < locked + issuerFrozen) {
                if (token.balanceOf(holders[i]) == 0) vm.prank(exchange.issuer());
                locker.sync(address(token), holders[i]);
            }
            uint256 requested;
            (locked, issuerFrozen, requested,) = locker.lockOf(address(token), holders[i]);
            assertTrue(locked + issuerFrozen <= token.getFrozenTokens(holders[i]), "L + I <= F");
            assertTrue(requested <= locked, "request within the lock");
        }
    }

    function invariantARangeSettlesOnce() public view {
        assertEq(bridge.lastTrade(), exchange.settled(), "last trade");
    }

    /// @dev Nobody moved what was not locked or not theirs, no compliance was bypassed, and nothing allowed was refused.
    function invariantNothingWentThroughThatMustNot() public view {
        assertEq(exchange.breaches(), 0, "breaches");
    }
}

contract ThiefInvariants is Test {
    Thief private thief;

    function setUp() public {
        thief = new Thief();
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(thief);
    }

    /// @dev With the operator's key alone nothing leaves before the delay, and a request made in advance does not
    ///      outlive its balance.
    function invariantNothingLeavesBeforeTheDelay() public view {
        (uint256 cash, uint256 tokens) = thief.left();
        assertEq(cash, 0, "cash");
        assertEq(tokens, 0, "tokens");
    }
}
