// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

import {IPropertyToken, ITokenCompliance} from "./interfaces/IPropertyToken.sol";
import {ITokenLocker, Leg} from "./interfaces/ITokenLocker.sol";
import {NonReentrant} from "./NonReentrant.sol";
import {Timelocked} from "./Timelocked.sol";

/// @title  Locks of property tokens
/// @notice A holder's tokens stay in the holder's wallet, frozen by this contract for the exchange. Locking is the
///         holder's consent to sell through the exchange; getting out takes two steps, as in the vault. All amounts are
///         base units of the token.
/// @dev    The token has one frozen counter F for everybody. Here a slot keeps our lock L and the issuer's part I, and
///         nothing is unfrozen unless F >= L + I. An issuer's agent can still unfreeze, force a transfer, burn or
///         recover on the token itself: then F falls, everything of that holder stops, and `sync` lowers L to what is
///         left. This contract is an agent of the token and of nothing else, and has no general call.
contract TokenLocker is ITokenLocker, Timelocked, NonReentrant {
    /// @dev One storage slot, the only one that a settlement reads for a holder without a request.
    struct Lock {
        uint120 locked; // L
        uint120 issuerFrozen; // I
        bool requesting; // whether `_requests` holds something
    }

    /// @dev One storage slot. `amount <= locked` always.
    struct Request {
        uint128 amount;
        uint64 requestedAt; // seconds
        uint64 requestedIn; // the block
    }

    /// @dev What one buyer got in the token that is being settled; locked for them when its last leg is done.
    struct Receipt {
        address buyer;
        uint256 qty;
    }

    bytes32 public constant BRIDGE = "bridge";
    bytes32 public constant RELEASER = "releaser";
    bytes32 public constant ISSUER = "issuer";

    /// @notice Seconds after a request when the holder can take the tokens without anybody.
    uint64 public immutable unlockDelay;

    mapping(address => bool) public isListed;
    mapping(address => mapping(address => Lock)) private _locks;
    mapping(address => mapping(address => Request)) private _requests;

    /// @notice Every change of a lock but a settlement's, with what the slots hold afterwards.
    event LockChanged(address indexed token, address indexed holder, int256 delta, uint256 locked, uint256 requested);
    event IssuerFreezeChanged(address indexed token, address indexed holder, int256 delta, uint256 issuerFrozen);
    event TokenListed(address indexed token, bool listed);

    error ZeroAmount();
    error AmountTooLarge(uint256 amount);
    error TokenNotListed(address token);
    error NotAToken(address token);
    error FrozenTooSmall(address token, address holder, uint256 frozen, uint256 needed);
    error MoreThanLocked(uint256 amount, uint256 locked);
    error MoreThanRequested(uint256 amount, uint256 requested);
    error MoreThanIssuerFrozen(uint256 amount, uint256 issuerFrozen);
    error NothingRequested(address token, address holder);
    error RequestIsNewer(uint256 requestedIn, uint256 asOf);
    error DelayNotOver(uint256 readyAt);
    error InSync(address token, address holder);
    error WalletEmpty(address token, address holder);
    error WalletNotRecovered(address token, address lost);

    // A leg that cannot settle, by its index in the batch.
    error LegTokenUnknown(uint256 leg, uint256 tokenIndex);
    error LegTokenNotListed(uint256 leg, address token);
    error LegTokenPaused(uint256 leg, address token);
    error LegZeroQty(uint256 leg);
    error LegWithItself(uint256 leg, address account);
    error LegWalletFrozen(uint256 leg, address wallet);
    error LegSellerNotVerified(uint256 leg, address seller);
    error LegBuyerNotVerified(uint256 leg, address buyer);
    error LegLockTooSmall(uint256 leg, address seller, uint256 locked, uint256 qty);
    error LegFrozenTooSmall(uint256 leg, address seller, uint256 frozen, uint256 needed);
    error LegNotCompliant(uint256 leg, address seller, address buyer, uint256 qty);
    error LegTransferFailed(uint256 leg, bytes reason);

    constructor(address owner_, uint64 changeDelay_, uint64 unlockDelay_) Timelocked(owner_, changeDelay_) {
        unlockDelay = unlockDelay_;
    }

    /// @notice Let a token be locked and settled, or stop that. Owner only. Unlocking never needs a listing.
    function setListed(address token, bool listed) external only(OWNER) {
        if (token.code.length == 0) revert NotAToken(token);
        isListed[token] = listed;
        emit TokenListed(token, listed);
    }

    // ---- the holder ----

    /// @notice Lock `amount` of the caller's own unfrozen tokens for the exchange.
    function lock(address token, uint256 amount) external nonReentrant {
        if (amount == 0) revert ZeroAmount();
        if (!isListed[token]) revert TokenNotListed(token);
        Lock memory slot = _locks[token][msg.sender];
        _requireBacked(token, msg.sender, slot);
        slot.locked = _toUint120(slot.locked + amount);
        _locks[token][msg.sender] = slot;
        _emitChange(token, msg.sender, int256(amount), slot);
        IPropertyToken(token).freezePartialTokens(msg.sender, amount);
    }

    /// @notice Ask for `amount` back. It replaces an earlier request and starts its delay anew.
    function requestUnlock(address token, uint256 amount) external {
        if (amount == 0) revert ZeroAmount();
        Lock storage slot = _locks[token][msg.sender];
        if (amount > slot.locked) revert MoreThanLocked(amount, slot.locked);
        slot.requesting = true;
        _requests[token][msg.sender] = Request(uint128(amount), uint64(block.timestamp), uint64(block.number));
        emit LockChanged(token, msg.sender, 0, slot.locked, amount);
    }

    function cancelUnlock(address token) external {
        Lock storage slot = _locks[token][msg.sender];
        if (!slot.requesting) revert NothingRequested(token, msg.sender);
        slot.requesting = false;
        delete _requests[token][msg.sender];
        emit LockChanged(token, msg.sender, 0, slot.locked, 0);
    }

    /// @notice Take what was requested, after the delay; needs nobody else.
    function takeUnlock(address token) external nonReentrant {
        if (!_locks[token][msg.sender].requesting) revert NothingRequested(token, msg.sender);
        Request memory request = _requests[token][msg.sender];
        uint256 readyAt = uint256(request.requestedAt) + unlockDelay;
        if (block.timestamp < readyAt) revert DelayNotOver(readyAt);
        _unlock(token, msg.sender, request.amount);
    }

    // ---- the exchange ----

    /// @notice Unlock all or a part of what the holder requested.
    /// @param asOf The last block of which the releaser knew: what was requested later is another request, for which
    ///             nothing may be set aside yet.
    function releaseUnlock(address token, address holder, uint256 amount, uint256 asOf)
        external
        only(RELEASER)
        nonReentrant
    {
        uint256 requestedIn = _requests[token][holder].requestedIn;
        if (requestedIn > asOf) revert RequestIsNewer(requestedIn, asOf);
        _unlock(token, holder, amount);
    }

    /// @inheritdoc ITokenLocker
    /// @dev Bridge only. Legs of one token are one group; what a buyer got is locked for them when the group ends, once
    ///      a buyer, so within a group nobody can sell what they buy there: netting leaves no such legs.
    function settleLegs(address[] calldata tokens, Leg[] calldata legs) external only(BRIDGE) nonReentrant {
        uint256 next = 0;
        while (next < legs.length) next = _settleGroup(tokens, legs, next);
    }

    // ---- the issuer ----

    /// @notice Freeze `amount` of a holder's tokens for the issuer: unfrozen ones first, then locked ones, which leave
    ///         the lock (a court's freeze reaches them too; fills that rest on them fail alone).
    function issuerFreeze(address token, address holder, uint256 amount) external only(ISSUER) nonReentrant {
        if (amount == 0) revert ZeroAmount();
        Lock memory slot = _locks[token][holder];
        uint256 frozen = _requireBacked(token, holder, slot);
        uint256 unfrozen = IPropertyToken(token).balanceOf(holder) - frozen;
        uint256 fromUnfrozen = amount < unfrozen ? amount : unfrozen;
        uint256 fromLock = amount - fromUnfrozen;
        if (fromLock > slot.locked) revert MoreThanLocked(fromLock, slot.locked);
        slot.issuerFrozen = _toUint120(slot.issuerFrozen + amount);
        emit IssuerFreezeChanged(token, holder, int256(amount), slot.issuerFrozen);
        if (fromLock > 0) _lowerLock(token, holder, slot, fromLock);
        _locks[token][holder] = slot;
        if (fromLock > 0) _emitChange(token, holder, -int256(fromLock), slot);
        if (fromUnfrozen > 0) IPropertyToken(token).freezePartialTokens(holder, fromUnfrozen);
    }

    /// @notice Give back what `issuerFreeze` froze. It becomes unfrozen, not locked.
    function issuerUnfreeze(address token, address holder, uint256 amount) external only(ISSUER) nonReentrant {
        if (amount == 0) revert ZeroAmount();
        Lock memory slot = _locks[token][holder];
        _requireBacked(token, holder, slot);
        if (amount > slot.issuerFrozen) revert MoreThanIssuerFrozen(amount, slot.issuerFrozen);
        slot.issuerFrozen -= uint120(amount);
        _locks[token][holder] = slot;
        emit IssuerFreezeChanged(token, holder, -int256(amount), slot.issuerFrozen);
        IPropertyToken(token).unfreezePartialTokens(holder, amount);
    }

    // ---- repair ----

    /// @notice Lower a lock that the token no longer backs, because the issuer unfroze, moved or burned past us. Anyone;
    ///         for an empty wallet the owner or the issuer only.
    /// @dev    The issuer's part is kept first. A recovery empties the lost wallet before `migrate` carries its lock
    ///         over: nobody may erase the lock in between.
    function sync(address token, address holder) external nonReentrant {
        if (msg.sender != holderOf(OWNER) && msg.sender != holderOf(ISSUER)) {
            if (IPropertyToken(token).balanceOf(holder) == 0) revert WalletEmpty(token, holder);
        }
        Lock memory slot = _locks[token][holder];
        uint256 frozen = IPropertyToken(token).getFrozenTokens(holder);
        if (frozen >= uint256(slot.locked) + slot.issuerFrozen) revert InSync(token, holder);
        if (slot.issuerFrozen > frozen) {
            emit IssuerFreezeChanged(token, holder, int256(frozen) - int256(uint256(slot.issuerFrozen)), frozen);
            slot.issuerFrozen = uint120(frozen);
        }
        uint256 lost = uint256(slot.locked) + slot.issuerFrozen - frozen;
        _lowerLock(token, holder, slot, lost);
        _locks[token][holder] = slot;
        _emitChange(token, holder, -int256(lost), slot);
    }

    /// @notice Carry a lock over to the wallet that the token's recovery moved everything to. Owner only. A request is
    ///         not carried over.
    function migrate(address token, address lost, address fresh) external only(OWNER) nonReentrant {
        if (IPropertyToken(token).balanceOf(lost) != 0) revert WalletNotRecovered(token, lost);
        Lock memory from = _locks[token][lost];
        Lock memory to = _locks[token][fresh];
        delete _locks[token][lost];
        delete _requests[token][lost];
        to.locked = _toUint120(uint256(to.locked) + from.locked);
        to.issuerFrozen = _toUint120(uint256(to.issuerFrozen) + from.issuerFrozen);
        _requireBacked(token, fresh, to);
        _locks[token][fresh] = to;
        emit LockChanged(token, lost, -int256(uint256(from.locked)), 0, 0);
        _emitChange(token, fresh, int256(uint256(from.locked)), to);
        if (from.issuerFrozen == 0) return;
        emit IssuerFreezeChanged(token, lost, -int256(uint256(from.issuerFrozen)), 0);
        emit IssuerFreezeChanged(token, fresh, int256(uint256(from.issuerFrozen)), to.issuerFrozen);
    }

    // ---- views ----

    function lockOf(address token, address holder)
        external
        view
        returns (uint256 locked, uint256 issuerFrozen, uint256 requested, uint256 requestedAt)
    {
        Lock memory slot = _locks[token][holder];
        Request memory request = _requests[token][holder];
        return (slot.locked, slot.issuerFrozen, request.amount, request.requestedAt);
    }

    // ---- settlement of one token's legs ----

    /// @return next The first leg that is not of this group.
    function _settleGroup(address[] calldata tokens, Leg[] calldata legs, uint256 first)
        private
        returns (uint256 next)
    {
        uint256 tokenIndex = legs[first].tokenIndex;
        if (tokenIndex >= tokens.length) revert LegTokenUnknown(first, tokenIndex);
        address token = tokens[tokenIndex];
        if (!isListed[token]) revert LegTokenNotListed(first, token);
        if (IPropertyToken(token).paused()) revert LegTokenPaused(first, token);

        next = first;
        while (next < legs.length && legs[next].tokenIndex == tokenIndex) ++next;
        Receipt[] memory receipts = new Receipt[](next - first); // at most one buyer a leg
        uint256 buyers = 0;
        uint256 leg = first;
        while (leg < next) (leg, buyers) = _settleSeller(token, legs, leg, next, receipts, buyers);
        for (uint256 i = 0; i < buyers; ++i) _lockReceipt(token, receipts[i]);
    }

    /// @dev Settles the run of legs of one seller that starts at `first`.
    function _settleSeller(
        address token,
        Leg[] calldata legs,
        uint256 first,
        uint256 end,
        Receipt[] memory receipts,
        uint256 buyers
    ) private returns (uint256 leg, uint256) {
        address seller = legs[first].seller;
        if (IPropertyToken(token).isFrozen(seller)) revert LegWalletFrozen(first, seller);
        if (!IPropertyToken(token).identityRegistry().isVerified(seller)) revert LegSellerNotVerified(first, seller);
        uint256 sold = _takeFromLock(token, legs, first, end);
        IPropertyToken(token).unfreezePartialTokens(seller, sold);
        ITokenCompliance compliance = IPropertyToken(token).compliance();
        for (leg = first; leg < end && legs[leg].seller == seller; ++leg) {
            buyers = _addReceipt(token, legs[leg], leg, receipts, buyers);
            _move(token, compliance, legs[leg], leg);
        }
        return (leg, buyers);
    }

    /// @dev Lowers the seller's lock by all that this run of legs sells.
    function _takeFromLock(address token, Leg[] calldata legs, uint256 first, uint256 end)
        private
        returns (uint256 sold)
    {
        address seller = legs[first].seller;
        Lock memory slot = _locks[token][seller];
        uint256 frozen = IPropertyToken(token).getFrozenTokens(seller);
        uint256 needed = uint256(slot.locked) + slot.issuerFrozen;
        if (frozen < needed) revert LegFrozenTooSmall(first, seller, frozen, needed);
        for (uint256 leg = first; leg < end && legs[leg].seller == seller; ++leg) {
            uint256 qty = legs[leg].qty;
            if (qty == 0) revert LegZeroQty(leg);
            if (sold + qty > slot.locked) revert LegLockTooSmall(leg, seller, slot.locked - sold, qty);
            sold += qty;
        }
        _lowerLock(token, seller, slot, sold);
        _locks[token][seller] = slot;
    }

    /// @dev A buyer's first leg in the group also checks that the wallet is not frozen.
    function _addReceipt(
        address token,
        Leg calldata leg,
        uint256 index,
        Receipt[] memory receipts,
        uint256 buyers
    ) private view returns (uint256) {
        address buyer = leg.buyer;
        if (buyer == leg.seller) revert LegWithItself(index, buyer);
        for (uint256 i = 0; i < buyers; ++i) {
            if (receipts[i].buyer == buyer) {
                receipts[i].qty += leg.qty;
                return buyers;
            }
        }
        if (IPropertyToken(token).isFrozen(buyer)) revert LegWalletFrozen(index, buyer);
        receipts[buyers] = Receipt(buyer, leg.qty);
        return buyers + 1;
    }

    /// @dev `canTransfer` is asked right before each transfer: a cap must see what the legs before it brought.
    function _move(address token, ITokenCompliance compliance, Leg calldata leg, uint256 index) private {
        if (!compliance.canTransfer(leg.seller, leg.buyer, leg.qty)) {
            revert LegNotCompliant(index, leg.seller, leg.buyer, leg.qty);
        }
        try IPropertyToken(token).forcedTransfer(leg.seller, leg.buyer, leg.qty) returns (bool moved) {
            if (!moved) revert LegTransferFailed(index, "");
        } catch (bytes memory reason) {
            if (!IPropertyToken(token).identityRegistry().isVerified(leg.buyer)) {
                revert LegBuyerNotVerified(index, leg.buyer);
            }
            revert LegTransferFailed(index, reason);
        }
    }

    function _lockReceipt(address token, Receipt memory receipt) private {
        Lock storage slot = _locks[token][receipt.buyer];
        slot.locked = _toUint120(slot.locked + receipt.qty);
        IPropertyToken(token).freezePartialTokens(receipt.buyer, receipt.qty);
    }

    // ---- what several of the above share ----

    function _unlock(address token, address holder, uint256 amount) private {
        if (amount == 0) revert ZeroAmount();
        Lock memory slot = _locks[token][holder];
        Request memory request = _requests[token][holder];
        if (amount > request.amount) revert MoreThanRequested(amount, request.amount);
        _requireBacked(token, holder, slot);
        slot.locked -= uint120(amount);
        request.amount -= uint128(amount);
        if (request.amount == 0) (slot.requesting, request.requestedAt) = (false, 0);
        _locks[token][holder] = slot;
        _requests[token][holder] = request;
        emit LockChanged(token, holder, -int256(amount), slot.locked, request.amount);
        IPropertyToken(token).unfreezePartialTokens(holder, amount);
    }

    /// @dev Lowers `slot.locked` in memory and, with it, a request to at most what stays locked. A later credit does
    ///      not raise the request again, so a request made in advance is no claim on tokens that come later.
    function _lowerLock(address token, address holder, Lock memory slot, uint256 amount) private {
        slot.locked -= uint120(amount);
        if (!slot.requesting) return;
        if (slot.locked == 0) {
            slot.requesting = false;
            delete _requests[token][holder];
        } else if (_requests[token][holder].amount > slot.locked) {
            _requests[token][holder].amount = slot.locked;
        }
    }

    /// @return frozen F, which is at least L + I.
    function _requireBacked(address token, address holder, Lock memory slot) private view returns (uint256 frozen) {
        frozen = IPropertyToken(token).getFrozenTokens(holder);
        uint256 needed = uint256(slot.locked) + slot.issuerFrozen;
        if (frozen < needed) revert FrozenTooSmall(token, holder, frozen, needed);
    }

    function _emitChange(address token, address holder, int256 delta, Lock memory slot) private {
        emit LockChanged(token, holder, delta, slot.locked, slot.requesting ? _requests[token][holder].amount : 0);
    }

    function _toUint120(uint256 amount) private pure returns (uint120) {
        if (amount > type(uint120).max) revert AmountTooLarge(amount);
        return uint120(amount);
    }

    function _isRole(bytes32 role) internal pure override returns (bool) {
        return role == BRIDGE || role == RELEASER || role == ISSUER;
    }
}
