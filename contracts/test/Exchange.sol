// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

import {CashVault} from "../src/CashVault.sol";
import {CashDelta} from "../src/interfaces/ICashVault.sol";
import {Leg} from "../src/interfaces/ITokenLocker.sol";
import {MockUSDC} from "../src/MockUSDC.sol";
import {Batch, SettlementBridge} from "../src/SettlementBridge.sol";
import {TokenLocker} from "../src/TokenLocker.sol";
import {SwitchModule} from "./SwitchModule.sol";
import {ISuiteToken, World} from "./World.sol";

/// @notice The acts of traders, of the exchange and of the issuer, with inputs bounded to what is allowed, so that none
///         of them may revert; and acts that must be refused, counted when they are not.
contract Exchange is World {
    uint256 private constant TRADERS = 5;
    address[] public traders;

    /// @notice Batches that settled, and USDC that was sent without a deposit.
    uint64 public settled;
    uint256 public surplus;

    /// @notice Times that something went through which must not; the invariants want zero.
    uint256 public breaches;

    SwitchModule private immutable _module;
    uint256 private _recoveries;

    constructor() {
        buildWorld();
        _module = new SwitchModule();
        compliance.addModule(address(_module));
        traders.push(alice);
        traders.push(bob);
        traders.push(carol);
        traders.push(newInvestor(0xB4));
        traders.push(newInvestor(0xB5));
        traders.push(FEES);
    }

    // ---- cash ----

    function deposit(uint256 who, uint256 amount) external {
        fund(_trader(who), bound(amount, 1, 1e12));
    }

    function giveSurplus(uint256 amount) external {
        amount = bound(amount, 1, 1e6);
        usdc.mint(address(vault), amount);
        surplus += amount;
    }

    function requestWithdraw(uint256 who, uint256 amount) external {
        address trader = _trader(who);
        if (cashOf(trader) == 0) return;
        amount = bound(amount, 1, cashOf(trader)); // before the prank, which is for the next call only
        vm.prank(trader);
        vault.requestWithdraw(amount);
    }

    function cancelWithdraw(uint256 who) external {
        address trader = _trader(who);
        if (withdrawRequestOf(trader) == 0) return;
        vm.prank(trader);
        vault.cancelWithdraw();
    }

    function releaseWithdraw(uint256 who, uint256 amount) external {
        address trader = _trader(who);
        uint256 requested = withdrawRequestOf(trader);
        if (requested == 0) return;
        vm.prank(RELEASER);
        vault.releaseWithdraw(trader, bound(amount, 1, requested), block.number);
    }

    function takeWithdraw(uint256 who) external {
        address trader = _trader(who);
        if (withdrawRequestOf(trader) == 0) return;
        vm.warp(block.timestamp + EXIT_DELAY);
        vm.prank(trader);
        vault.takeWithdraw();
    }

    // ---- tokens ----

    function mintAndLock(uint256 who, uint256 amount) external {
        address trader = _synced(who);
        amount = bound(amount, 1, 1e6);
        if (_module.isBlocked(trader)) return;
        token.mint(trader, amount);
        lockTokens(trader, amount);
    }

    function mintOnly(uint256 who, uint256 amount) external {
        if (_module.isBlocked(_trader(who))) return;
        token.mint(_trader(who), bound(amount, 1, 1e6));
    }

    function requestUnlock(uint256 who, uint256 amount) external {
        address trader = _trader(who);
        if (lockedOf(trader) == 0) return;
        amount = bound(amount, 1, lockedOf(trader));
        vm.prank(trader);
        locker.requestUnlock(address(token), amount);
    }

    function releaseUnlock(uint256 who, uint256 amount) external {
        address trader = _synced(who);
        uint256 requested = unlockRequestOf(trader);
        if (requested == 0) return;
        vm.prank(RELEASER);
        locker.releaseUnlock(address(token), trader, bound(amount, 1, requested), block.number);
    }

    function takeUnlock(uint256 who) external {
        address trader = _synced(who);
        if (unlockRequestOf(trader) == 0) return;
        vm.warp(block.timestamp + EXIT_DELAY);
        vm.prank(trader);
        locker.takeUnlock(address(token));
    }

    // ---- settlement ----

    function settleTrade(uint256 from, uint256 to, uint256 qty, uint256 notional, uint256 fee) external {
        (address seller, address buyer) = (_synced(from), _trader(to));
        if (seller == buyer || lockedOf(seller) == 0) return;
        notional = bound(notional, 0, cashOf(buyer));
        fee = bound(fee, 0, notional);
        Batch memory batch = trade(seller, buyer, bound(qty, 1, lockedOf(seller)), notional);
        batch.cash = new CashDelta[](3);
        batch.cash[0] = CashDelta(buyer, -int128(int256(notional)));
        batch.cash[1] = CashDelta(seller, int128(int256(notional - fee)));
        batch.cash[2] = CashDelta(FEES, int128(int256(fee)));
        _settleIf(_mayTrade(seller, buyer), batch);
    }

    function settleTwoLegs(uint256 from, uint256 first, uint256 second, uint256 qty) external {
        address seller = _synced(from);
        (address one, address two) = (_trader(first), _trader(second));
        if (seller == one || seller == two || lockedOf(seller) < 2) return;
        qty = bound(qty, 1, lockedOf(seller) - 1);
        Batch memory batch = trade(seller, one, qty, 0);
        batch.legs = new Leg[](2);
        batch.legs[0] = Leg(0, seller, one, uint128(qty));
        batch.legs[1] = Leg(0, seller, two, uint128(lockedOf(seller) - qty));
        _settleIf(_mayTrade(seller, one) && _mayTrade(seller, two), batch);
    }

    function settleMoreThanIsLocked(uint256 from, uint256 to, uint256 qty) external {
        (address seller, address buyer) = (_synced(from), _trader(to));
        if (seller == buyer) return;
        _settleIf(false, trade(seller, buyer, lockedOf(seller) + bound(qty, 1, 1e6), 0));
    }

    function settleMoreThanIsThere(uint256 from, uint256 to, uint256 amount) external {
        (address payer, address payee) = (_trader(from), _trader(to));
        if (payer == payee) return;
        Batch memory batch = trade(payee, payer, 1, cashOf(payer) + bound(amount, 1, 1e12));
        delete batch.legs;
        _settleIf(false, batch);
    }

    function settleCashFromNowhere(uint256 who, uint256 amount) external {
        Batch memory batch = trade(STRANGER, _trader(who), 1, 0);
        delete batch.legs;
        batch.cash = new CashDelta[](1);
        batch.cash[0] = CashDelta(_trader(who), int128(int256(bound(amount, 1, 1e12))));
        _settleIf(false, batch);
    }

    function settleARangeAgain(uint64 tradeAfter, uint64 tradeLast) external {
        if (tradeAfter == settled && tradeLast > settled) return;
        Batch memory batch;
        vm.prank(OPERATOR);
        try bridge.settle(tradeAfter, tradeLast, 0, 0, batch) {
            ++breaches;
        } catch {}
    }

    function settleWithoutTheKey(uint256 who) external {
        Batch memory batch;
        vm.prank(_trader(who));
        try bridge.settle(settled, settled + 1, 0, 0, batch) {
            ++breaches;
        } catch {}
    }

    // ---- who may trade ----

    // Mostly allowed, or nothing would ever settle.

    function setWalletFrozen(uint256 who, uint256 eighth) external {
        token.setAddressFrozen(_trader(who), eighth % 8 == 0);
    }

    function setPaused(uint256 eighth) external {
        bool paused = eighth % 8 == 0;
        if (token.paused() == paused) return;
        if (paused) token.pause();
        else token.unpause();
    }

    function setCompliant(uint256 who, uint256 eighth) external {
        _module.set(_trader(who), eighth % 8 == 0);
    }

    // ---- the issuer, through the locker and past it ----

    function issuerFreeze(uint256 who, uint256 amount) external {
        address trader = _synced(who);
        uint256 most = token.balanceOf(trader) - token.getFrozenTokens(trader) + lockedOf(trader);
        if (most == 0) return;
        vm.prank(ISSUER);
        locker.issuerFreeze(address(token), trader, bound(amount, 1, most));
    }

    function issuerUnfreeze(uint256 who, uint256 amount) external {
        address trader = _synced(who);
        if (issuerFrozenOf(trader) == 0) return;
        amount = bound(amount, 1, issuerFrozenOf(trader));
        vm.prank(ISSUER);
        locker.issuerUnfreeze(address(token), trader, amount);
    }

    function freezePast(uint256 who, uint256 amount) external {
        address trader = _trader(who);
        uint256 unfrozen = token.balanceOf(trader) - token.getFrozenTokens(trader);
        if (unfrozen == 0) return;
        token.freezePartialTokens(trader, bound(amount, 1, unfrozen));
    }

    function unfreezePast(uint256 who, uint256 amount) external {
        address trader = _trader(who);
        if (token.getFrozenTokens(trader) == 0) return;
        token.unfreezePartialTokens(trader, bound(amount, 1, token.getFrozenTokens(trader)));
    }

    function forceTransfer(uint256 from, uint256 to, uint256 amount) external {
        (address loser, address winner) = (_trader(from), _trader(to));
        if (token.balanceOf(loser) == 0) return;
        token.forcedTransfer(loser, winner, bound(amount, 1, token.balanceOf(loser)));
    }

    function burn(uint256 who, uint256 amount) external {
        address trader = _trader(who);
        if (token.balanceOf(trader) == 0) return;
        token.burn(trader, bound(amount, 1, token.balanceOf(trader)));
    }

    /// @dev Recovery to a fresh wallet, which takes the old one's place.
    function recover(uint256 who) external {
        uint256 index = bound(who, 0, TRADERS - 1);
        address lost = _synced(index);
        if (token.balanceOf(lost) == 0) return;
        address fresh = vm.addr(0xF000 + ++_recoveries);
        addManagementKey(lost, fresh);
        token.recoveryAddress(lost, fresh, identityOf[lost]);
        vm.prank(OWNER);
        locker.migrate(address(token), lost, fresh);
        identityOf[fresh] = identityOf[lost];
        traders[index] = fresh;
        traders.push(lost); // still watched: a part of the time its cash stays there
        fund(fresh, 1);
        if (who % 3 != 0 && cashOf(lost) != 0) _carryCashOver(lost, fresh);
    }

    function sync(uint256 who) external {
        _synced(who);
    }

    // ---- what the invariants read ----

    /// @notice Those that trade, wallets they lost, and the fee account.

    function watched() external view returns (address[] memory) {
        return traders;
    }

    function issuer() external pure returns (address) {
        return ISSUER;
    }

    function _carryCashOver(address lost, address fresh) private {
        vm.startPrank(OWNER);
        vault.queueMigration(lost, fresh);
        vm.warp(block.timestamp + CHANGE_DELAY);
        vault.migrate(lost);
        vm.stopPrank();
    }

    function _trader(uint256 who) private view returns (address) {
        return traders[bound(who, 0, TRADERS - 1)];
    }

    function _synced(uint256 who) private returns (address trader) {
        trader = _trader(who);
        (uint256 locked, uint256 issuerFrozen,,) = locker.lockOf(address(token), trader);
        if (token.getFrozenTokens(trader) < locked + issuerFrozen) {
            vm.prank(token.balanceOf(trader) == 0 ? ISSUER : STRANGER);
            locker.sync(address(token), trader);
        }
    }

    function _mayTrade(address seller, address buyer) private view returns (bool) {
        return !token.paused() && !token.isFrozen(seller) && !token.isFrozen(buyer) && !_module.isBlocked(seller)
            && !_module.isBlocked(buyer);
    }

    /// @dev What may settle must; what may not must not.
    function _settleIf(bool allowed, Batch memory batch) private {
        vm.prank(OPERATOR);
        try bridge.settle(settled, settled + 1, settled, 0, batch) {
            if (!allowed) ++breaches;
            ++settled;
        } catch {
            if (allowed) ++breaches;
        }
    }

    function parts() external view returns (MockUSDC, CashVault, TokenLocker, SettlementBridge, ISuiteToken) {
        return (usdc, vault, locker, bridge, token);
    }
}
