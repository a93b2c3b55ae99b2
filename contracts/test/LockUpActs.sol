// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

import {Lot} from "../src/modules/LockUpModule.sol";
import {LockedUp} from "./LockedUp.sol";

/// @notice An issuer, three holders who lose wallets, and an agent who moves and burns. Beside it a ledger of what is due
///         when, without a limit of lots: `due` by wallet and date. What a holder may send must go, one more must not.
contract LockUpActs is LockedUp {
    uint256 private constant SUPPLY = 1e12;
    address[] public holders;
    uint64[] public dates; // those of `due`, each once, in order
    mapping(address => mapping(uint64 => uint256)) public due;

    /// @notice Base units that the acts brought in and out: what all have.
    uint256 public supply = SUPPLY;
    uint256 public breaches;

    /// @notice Whether lots became one: from then on some are due before they are released.
    bool public wasFull;

    address private immutable _issuer;
    uint256 private _recoveries;

    constructor() {
        buildLockedUp();
        _issuer = newVerified(0xC1);
        setIssuer(_issuer);
        token.mint(_issuer, SUPPLY);
        holders.push(alice);
        holders.push(bob);
        holders.push(carol);
    }

    // ---- how lots come ----

    function buy(uint256 who, uint256 amount) external {
        _buy(holders[who % 3], bound(amount, 1, 1e6));
    }

    /// @dev More lots than a wallet may have.
    function buyOften(uint256 who, uint256 seed) external {
        if (seed % 16 > 0) return;
        for (uint256 i = 0; i < 40; ++i) {
            vm.warp(block.timestamp + 1);
            _buy(holders[who % 3], bound(seed >> i, 1, 1e6));
        }
    }

    function mint(uint256 who, uint256 amount) external {
        amount = bound(amount, 1, 1e6);
        token.mint(holders[who % 3], amount);
        supply += amount;
        _owe(holders[who % 3], amount);
    }

    function changeLockUp(uint256 seconds_) external {
        setLockUp(uint64(bound(seconds_, 0, 400 days)));
    }

    function passTime(uint256 seconds_) external {
        vm.warp(block.timestamp + bound(seconds_, 1, 90 days));
    }

    // ---- how they go ----

    function sendFree(uint256 from, uint256 to, uint256 amount) external {
        address holder = holders[from % 3];
        uint256 free = token.balanceOf(holder) - lockedUpOf(holder);
        if (free > 0) send(holder, holders[to % 3], bound(amount, 1, free));
    }

    function sendMore(uint256 from, uint256 to, uint256 more) external {
        address holder = holders[from % 3];
        uint256 locked = lockedUpOf(holder);
        if (locked == 0) return;
        uint256 amount = token.balanceOf(holder) - locked + bound(more, 1, locked);
        vm.prank(holder);
        try token.transfer(holders[to % 3], amount) {
            ++breaches;
        } catch {}
    }

    /// @param to One of the holders, or the issuer.
    function force(uint256 from, uint256 to, uint256 amount) external {
        (address holder, address receiver) = (holders[from % 3], to % 4 == 3 ? _issuer : holders[to % 4]);
        uint256 balance = token.balanceOf(holder);
        if (balance == 0) return;
        amount = bound(amount, 1, balance);
        token.forcedTransfer(holder, receiver, amount);
        if (holder != receiver) _carry(holder, receiver);
    }

    function burn(uint256 from, uint256 amount) external {
        address holder = holders[from % 3];
        uint256 balance = token.balanceOf(holder);
        if (balance == 0) return;
        amount = bound(amount, 1, balance);
        token.burn(holder, amount);
        supply -= amount;
        _carry(holder, address(0));
    }

    function recover(uint256 who) external {
        address lost = holders[who % 3];
        if (token.balanceOf(lost) == 0) return;
        address fresh = vm.addr(0xF000 + ++_recoveries);
        addManagementKey(lost, fresh);
        token.recoveryAddress(lost, fresh, identityOf[lost]);
        identityOf[fresh] = identityOf[lost];
        holders[who % 3] = fresh;
        _carry(lost, fresh);
    }

    // ---- what the invariants read ----

    function dateCount() external view returns (uint256) {
        return dates.length;
    }

    /// @return balance What a holder has, and their lots.
    function standing(uint256 who) external view returns (uint256 balance, uint256 locked, Lot[] memory lots) {
        address holder = holders[who];
        return (token.balanceOf(holder), lockedUpOf(holder), lotsOf(holder));
    }

    function ofIssuer() external view returns (uint256 balance, uint256 locked) {
        return (token.balanceOf(_issuer), lockedUpOf(_issuer));
    }

    // ---- the ledger ----

    function _buy(address holder, uint256 amount) private {
        send(_issuer, holder, amount);
        _owe(holder, amount);
    }

    function _owe(address holder, uint256 amount) private {
        uint64 lockUp_ = lockUp.lockUpOf(address(compliance));
        if (lockUp_ == 0) return;
        uint64 date = uint64(block.timestamp) + lockUp_;
        due[holder][date] += amount;
        uint256 place = dates.length;
        while (place > 0 && dates[place - 1] >= date) --place;
        if (place == dates.length || dates[place] > date) {
            dates.push(date);
            for (uint256 i = dates.length - 1; i > place; --i) dates[i] = dates[i - 1];
            dates[place] = date;
        }
        if (lotsOf(holder).length == lockUp.LOTS_MAX()) wasFull = true;
    }

    /// @dev What the balance of `from` does not cover any more is due at `to`, the earliest dates first.
    function _carry(address from, address to) private {
        uint256 sum = 0;
        for (uint256 i = dates.length; i > 0 && dates[i - 1] > block.timestamp; --i) sum += due[from][dates[i - 1]];
        uint256 balance = token.balanceOf(from);
        for (uint256 i = 0; i < dates.length && sum > balance; ++i) {
            if (dates[i] <= block.timestamp) continue;
            uint256 amount = due[from][dates[i]];
            if (amount > sum - balance) amount = sum - balance;
            due[from][dates[i]] -= amount;
            if (to != _issuer) due[to][dates[i]] += amount;
            sum -= amount;
        }
        if (lotsOf(to).length == lockUp.LOTS_MAX()) wasFull = true;
    }
}
