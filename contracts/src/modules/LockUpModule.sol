// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

import {ComplianceModule} from "./ComplianceModule.sol";

/// @dev One storage slot.
struct Lot {
    uint128 amount;
    uint64 releasedAt; // seconds
}

/// @title  A lock-up after the first sale, by lots
/// @notice What anybody gets from the issuer, by a sale or a mint, is a lot that may be sold from a date on: that moment
///         plus the token's lock-up. The issuer is not locked up, whatever it holds. What is bought from somebody else
///         who may sell is free at once. When tokens leave a wallet, free ones go first; what an agent moves beyond them
///         (recovery, a court's order) comes out of the oldest lots, which keep their dates at the new wallet.
/// @dev    Where the issuer itself is recovered to another wallet, `setIssuer` comes before the move, or the fresh
///         wallet is locked up as a buyer's would be. What moves while the module is not bound is not seen; lots that a
///         balance does not cover any more then lock all of it up until their dates.
contract LockUpModule is ComplianceModule {
    /// @dev The lots of a wallet, [first, end), by date; the dates differ. What was before them is not read again.
    struct Queue {
        uint128 first;
        uint128 end;
        mapping(uint256 => Lot) lots;
    }

    /// @notice Lots of a wallet at a time. Where one more would come, it and the youngest become one.
    uint256 public constant LOTS_MAX = 32;

    mapping(address => uint64) public lockUpOf; // seconds, by compliance
    mapping(address => address) public issuerOf; // by compliance; zero: every mint is locked up
    mapping(address => mapping(address => Queue)) private _queues; // by compliance and wallet

    event LockUpSet(address indexed compliance, uint64 lockUp);
    event IssuerSet(address indexed compliance, address indexed issuer);

    /// @notice A wallet's lot of this date is new, or larger by `amount`.
    event LotLockedUp(address indexed compliance, address indexed wallet, uint256 amount, uint64 releasedAt);

    /// @notice A wallet's lot of this date is smaller by `amount`, or gone. Nothing is told when time releases a lot.
    event LotTaken(address indexed compliance, address indexed wallet, uint256 amount, uint64 releasedAt);

    error LotTooLarge(uint256 amount);

    /// @notice Set the lock-up in seconds for acquisitions from now on. Called by the compliance, for its owner.
    function setLockUp(uint64 lockUp) external onlyBound {
        lockUpOf[msg.sender] = lockUp;
        emit LockUpSet(msg.sender, lockUp);
    }

    /// @notice Set the wallet that sells first; lots that it has are released. Called by the compliance, for its owner.
    function setIssuer(address issuer) external onlyBound {
        issuerOf[msg.sender] = issuer;
        emit IssuerSet(msg.sender, issuer);
        _dropReleased(_queues[msg.sender][issuer]);
        _take(issuer, address(0), type(uint256).max);
    }

    function moduleTransferAction(address from, address to, uint256 amount) external override onlyBound {
        if (from == issuerOf[msg.sender]) _lockUp(to, amount);
        else _takeUncovered(from, to, amount);
    }

    function moduleMintAction(address to, uint256 amount) external override onlyBound {
        _lockUp(to, amount);
    }

    function moduleBurnAction(address from, uint256 amount) external override onlyBound {
        _takeUncovered(from, address(0), amount);
    }

    function moduleCheck(address from, address, uint256 amount, address compliance)
        external
        view
        override
        returns (bool)
    {
        uint256 locked = lockedOf(compliance, from);
        return locked == 0 || locked + amount <= _tokenOf(compliance).balanceOf(from);
    }

    /// @return lots Those that are not released, the oldest first.
    function lotsOf(address compliance, address wallet) external view returns (Lot[] memory lots) {
        Queue storage queue = _queues[compliance][wallet];
        uint256 first = _firstUnreleased(queue);
        lots = new Lot[](queue.end - first);
        for (uint256 i = 0; i < lots.length; ++i) lots[i] = queue.lots[first + i];
    }

    function canComplianceBind(address) external pure override returns (bool) {
        return true;
    }

    function isPlugAndPlay() external pure override returns (bool) {
        return true;
    }

    function name() external pure override returns (string memory) {
        return "LockUpModule";
    }

    /// @return locked The sum of the lots that are not released.
    function lockedOf(address compliance, address wallet) public view returns (uint256 locked) {
        Queue storage queue = _queues[compliance][wallet];
        uint256 end = queue.end;
        for (uint256 i = _firstUnreleased(queue); i < end; ++i) locked += queue.lots[i].amount;
    }

    function _lockUp(address wallet, uint256 amount) private {
        uint64 lockUp = lockUpOf[msg.sender];
        if (lockUp > 0) _add(wallet, amount, uint64(block.timestamp) + lockUp);
    }

    /// @dev Called when `amount` has left `from`: what its balance does not cover any more comes out of its lots.
    function _takeUncovered(address from, address to, uint256 amount) private {
        _dropReleased(_queues[msg.sender][from]);
        uint256 locked = lockedOf(msg.sender, from);
        if (locked == 0) return;
        uint256 balance = _tokenOf(msg.sender).balanceOf(from);
        if (locked <= balance) return;
        _take(from, to, locked - balance < amount ? locked - balance : amount);
    }

    /// @dev Takes `amount`, or all there is, out of the oldest lots of `from`, for `to`; for nobody where that is zero.
    function _take(address from, address to, uint256 amount) private {
        Queue storage queue = _queues[msg.sender][from];
        while (amount > 0 && queue.first < queue.end) {
            Lot storage oldest = queue.lots[queue.first];
            (uint128 taken, uint64 releasedAt) = (oldest.amount, oldest.releasedAt);
            if (taken > amount) taken = uint128(amount);
            amount -= taken;
            if (taken == oldest.amount) ++queue.first;
            else oldest.amount -= taken;
            emit LotTaken(msg.sender, from, taken, releasedAt);
            if (to != address(0)) _add(to, taken, releasedAt);
        }
    }

    /// @dev To the lot of that date, or as a lot of its own. Where that were one too many, the youngest and it become
    ///      one, with the later date of the two. An issuer gets none.
    function _add(address wallet, uint256 amount, uint64 releasedAt) private {
        if (wallet == issuerOf[msg.sender]) return;
        Queue storage queue = _queues[msg.sender][wallet];
        _dropReleased(queue);
        (uint256 first, uint256 end) = (queue.first, queue.end);
        uint256 place = end;
        while (place > first && queue.lots[place - 1].releasedAt >= releasedAt) --place;
        bool isNew = place == end || queue.lots[place].releasedAt > releasedAt;
        if (isNew && end - first == LOTS_MAX) {
            Lot memory youngest = queue.lots[--end];
            emit LotTaken(msg.sender, wallet, youngest.amount, youngest.releasedAt);
            amount += youngest.amount;
            if (youngest.releasedAt > releasedAt) releasedAt = youngest.releasedAt;
            place = end;
        }
        if (amount > type(uint128).max) revert LotTooLarge(amount);
        emit LotLockedUp(msg.sender, wallet, amount, releasedAt);
        if (!isNew) {
            queue.lots[place].amount += uint128(amount);
            return;
        }
        for (uint256 i = end; i > place; --i) queue.lots[i] = queue.lots[i - 1];
        queue.lots[place] = Lot(uint128(amount), releasedAt);
        queue.end = uint128(end + 1);
    }

    function _dropReleased(Queue storage queue) private {
        uint256 first = _firstUnreleased(queue);
        if (first != queue.first) queue.first = uint128(first);
    }

    function _firstUnreleased(Queue storage queue) private view returns (uint256 index) {
        uint256 end = queue.end;
        for (index = queue.first; index < end && queue.lots[index].releasedAt <= block.timestamp;) ++index;
    }
}
