// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

import {ICashToken} from "./interfaces/ICashToken.sol";
import {NonReentrant} from "./NonReentrant.sol";
import {SafeCash} from "./SafeCash.sol";
import {Timelocked} from "./Timelocked.sol";

/// @title  A sum paid to many holders, in chunks that were fixed before the first of them
/// @notice The payer brings the whole sum and names a hash; each chunk must open that hash and names the next one, so
///         every chunk is paid once, in order, and as it was approved. A holder whose transfer fails (blacklisted, a
///         contract that refuses) stops nobody: the amount is owed, and waits here for that holder alone.
/// @dev    The chain of hashes is made from its end: h_n = 0, h_i = keccak256(abi.encode(words_i, h_{i+1})), with words_i
///         a uint256[]; `declare` takes h_0. A word is `amountUsdcMicros << 160 | holder`; a heir may add words to each.
///         All amounts are USDC micros (6 decimals). USDC sent without a declaration belongs to nobody.
abstract contract ChunkedPayout is Timelocked, NonReentrant {
    using SafeCash for ICashToken;

    /// @param head             The hash that the next chunk opens; zero once all are paid, or after `cancel`.
    /// @param paidUsdcMicros   Sent to holders, claims included.
    /// @param owedUsdcMicros   Booked and not claimed yet.
    struct Payout {
        address token;
        uint96 totalUsdcMicros;
        bytes32 head;
        uint128 paidUsdcMicros;
        uint128 owedUsdcMicros;
    }

    /// @dev One storage slot.
    struct Redirect {
        address to;
        uint64 readyAt; // seconds
    }

    bytes32 public constant PAYER = "payer";

    /// @dev What one transfer may use. USDC needs about 45,000 for a new holder; a receiver gets no more than this.
    uint256 public constant TRANSFER_GAS = 100_000;

    /// @dev A call is given at most 63/64 of what is left, so that much must be left; 5,000 for the call itself.
    uint256 private constant _GAS_NEEDED = TRANSFER_GAS + TRANSFER_GAS / 63 + 5_000;

    ICashToken public immutable usdc;

    /// @notice What is declared and has not left: `usdc.balanceOf(this)` is never less.
    uint256 public liabilitiesUsdcMicros;

    /// @notice USDC micros, by payout and holder.
    mapping(bytes32 => mapping(address => uint256)) public owed;

    mapping(bytes32 => Payout) private _payouts;
    mapping(bytes32 => mapping(address => Redirect)) private _redirects;

    event PayoutDeclared(bytes32 indexed id, address indexed token, uint256 totalUsdcMicros, bytes32 head);
    event Paid(bytes32 indexed id, address indexed holder, uint256 amountUsdcMicros);
    event Owed(bytes32 indexed id, address indexed holder, uint256 amountUsdcMicros);
    event ChunkPaid(bytes32 indexed id, bytes32 indexed next, uint256 paidUsdcMicros, uint256 owedUsdcMicros);
    event PayoutComplete(bytes32 indexed id, uint256 totalUsdcMicros, uint256 owedUsdcMicros);
    event PayoutCancelled(bytes32 indexed id, uint256 returnedUsdcMicros);
    event Claimed(bytes32 indexed id, address indexed holder, uint256 amountUsdcMicros);
    event RedirectQueued(bytes32 indexed id, address indexed holder, address indexed to, uint64 readyAt);
    event Redirected(bytes32 indexed id, address indexed holder, address indexed to, uint256 amountUsdcMicros);

    error AlreadyDeclared(bytes32 id);
    error NotAToken(address token);
    error NoChunks(bytes32 id);
    error AmountTooLarge(uint256 amount);
    error WrongAmountReceived(uint256 expected, uint256 received);
    error WrongChunk(bytes32 id, bytes32 expected, bytes32 given);
    error MoreThanTotal(uint256 distributed, uint256 total);
    error LessThanTotal(uint256 distributed, uint256 total);
    error GasTooLow(uint256 gas, uint256 needed);
    error NotOpen(bytes32 id);
    error NothingOwed(bytes32 id, address holder);
    error NoRedirectQueued(bytes32 id, address holder);
    error DelayNotOver(uint256 readyAt);

    constructor(ICashToken usdc_, address owner_, uint64 changeDelay_) Timelocked(owner_, changeDelay_) {
        if (address(usdc_).code.length == 0) revert NotAToken(address(usdc_));
        usdc = usdc_;
    }

    // ---- the payer ----

    /// @notice Bring in `totalUsdcMicros` from the payer, who must have approved it, and fix what it is for.
    /// @param id    New for ever.
    /// @param token The property token whose holders are paid.
    /// @param head  The hash of the first chunk.
    function declare(bytes32 id, address token, uint256 totalUsdcMicros, bytes32 head)
        external
        only(PAYER)
        nonReentrant
    {
        if (_payouts[id].token != address(0)) revert AlreadyDeclared(id);
        if (token.code.length == 0) revert NotAToken(token);
        if (head == 0) revert NoChunks(id);
        if (totalUsdcMicros > type(uint96).max) revert AmountTooLarge(totalUsdcMicros);
        _payouts[id] = Payout(token, uint96(totalUsdcMicros), head, 0, 0);
        liabilitiesUsdcMicros += totalUsdcMicros;
        emit PayoutDeclared(id, token, totalUsdcMicros, head);

        uint256 before = usdc.balanceOf(address(this));
        usdc.safeTransferFrom(msg.sender, address(this), totalUsdcMicros);
        uint256 received = usdc.balanceOf(address(this)) - before;
        if (received != totalUsdcMicros) revert WrongAmountReceived(totalUsdcMicros, received);
    }

    /// @notice Pay the next chunk. No holder can make it fail.
    /// @param words The chunk, as it was hashed.
    /// @param next  The hash of the chunk after it; zero for the last one.
    function pay(bytes32 id, uint256[] calldata words, bytes32 next) external only(PAYER) nonReentrant {
        Payout memory payout = _payouts[id];
        bytes32 given = keccak256(abi.encode(words, next));
        if (given != payout.head) revert WrongChunk(id, payout.head, given);
        _payouts[id].head = next;

        (uint256 paid, uint256 booked) = _payHolders(id, payout.token, words);
        uint256 distributed = paid + booked + payout.paidUsdcMicros + payout.owedUsdcMicros;
        if (distributed > payout.totalUsdcMicros) revert MoreThanTotal(distributed, payout.totalUsdcMicros);
        payout.paidUsdcMicros += uint128(paid);
        payout.owedUsdcMicros += uint128(booked);
        _payouts[id].paidUsdcMicros = payout.paidUsdcMicros;
        _payouts[id].owedUsdcMicros = payout.owedUsdcMicros;
        liabilitiesUsdcMicros -= paid;
        emit ChunkPaid(id, next, payout.paidUsdcMicros, payout.owedUsdcMicros);

        if (next != 0) return;
        if (distributed < payout.totalUsdcMicros) revert LessThanTotal(distributed, payout.totalUsdcMicros);
        _complete(payout.token);
        emit PayoutComplete(id, payout.totalUsdcMicros, payout.owedUsdcMicros);
    }

    // ---- the holder ----

    /// @notice Send a holder what is owed to them. Anybody may ask; it goes to the holder and to nobody else.
    function claim(bytes32 id, address holder) external nonReentrant {
        uint256 amount = owed[id][holder];
        if (amount == 0) revert NothingOwed(id, holder);
        delete owed[id][holder];
        _payouts[id].owedUsdcMicros -= uint128(amount);
        _payouts[id].paidUsdcMicros += uint128(amount);
        liabilitiesUsdcMicros -= amount;
        emit Claimed(id, holder, amount);
        usdc.safeTransfer(holder, amount);
    }

    // ---- the owner ----

    /// @notice Announce that what is owed to `holder` will be owed to `to`, because the holder lost that wallet and was
    ///         recovered to another. It replaces an earlier announcement. Until it is executed the holder can claim.
    function queueRedirect(bytes32 id, address holder, address to) external only(OWNER) {
        if (to == address(0)) revert ZeroAddress();
        if (owed[id][holder] == 0) revert NothingOwed(id, holder);
        uint64 readyAt = uint64(block.timestamp) + changeDelay;
        _redirects[id][holder] = Redirect(to, readyAt);
        emit RedirectQueued(id, holder, to, readyAt);
    }

    /// @notice Make an announced redirect, not before its time.
    function executeRedirect(bytes32 id, address holder) external only(OWNER) {
        Redirect memory redirect = _redirects[id][holder];
        if (redirect.to == address(0)) revert NoRedirectQueued(id, holder);
        if (block.timestamp < redirect.readyAt) revert DelayNotOver(redirect.readyAt);
        uint256 amount = owed[id][holder];
        if (amount == 0) revert NothingOwed(id, holder);
        delete _redirects[id][holder];
        delete owed[id][holder];
        owed[id][redirect.to] += amount;
        emit Redirected(id, holder, redirect.to, amount);
    }

    /// @notice End a payout whose chunks can no longer be paid as they were fixed. What was not distributed goes back to
    ///         the payer; what is owed stays.
    function cancel(bytes32 id) external only(OWNER) nonReentrant {
        Payout memory payout = _payouts[id];
        if (payout.head == 0) revert NotOpen(id);
        uint256 distributed = uint256(payout.paidUsdcMicros) + payout.owedUsdcMicros;
        uint256 rest = payout.totalUsdcMicros - distributed;
        _payouts[id].head = 0;
        _payouts[id].totalUsdcMicros = uint96(distributed);
        liabilitiesUsdcMicros -= rest;
        emit PayoutCancelled(id, rest);
        usdc.safeTransfer(holderOf(PAYER), rest);
    }

    // ---- views ----

    function payoutOf(bytes32 id) external view returns (Payout memory) {
        return _payouts[id];
    }

    function redirectOf(bytes32 id, address holder) external view returns (address to, uint64 readyAt) {
        Redirect memory redirect = _redirects[id][holder];
        return (redirect.to, redirect.readyAt);
    }

    // ---- what a heir uses and fills in ----

    /// @dev Pay every holder of a chunk.
    /// @return paid   What reached holders.
    /// @return booked What is owed instead.
    function _payHolders(bytes32 id, address token, uint256[] calldata words)
        internal
        virtual
        returns (uint256 paid, uint256 booked);

    /// @dev After the last chunk; reverts if something is left undone.
    function _complete(address token) internal view virtual;

    /// @dev Send a word's amount to its holder, or book it as owed. Zero does nothing.
    function _payWord(bytes32 id, uint256 word) internal returns (uint256 paid, uint256 booked) {
        (address holder, uint256 amount) = (address(uint160(word)), word >> 160);
        if (amount == 0) return (0, 0);
        if (_isSent(holder, amount)) {
            emit Paid(id, holder, amount);
            return (amount, 0);
        }
        owed[id][holder] += amount;
        emit Owed(id, holder, amount);
        return (0, amount);
    }

    /// @dev With less gas the transfer could fail for want of it, and a holder would be owed what could be paid; an
    ///      estimate that looks for the least gas would find just that.
    function _isSent(address holder, uint256 amount) private returns (bool ok) {
        if (gasleft() < _GAS_NEEDED) revert GasTooLow(gasleft(), _GAS_NEEDED);
        (address token, uint256 limit, bytes4 selector) = (address(usdc), TRANSFER_GAS, ICashToken.transfer.selector);
        // Not `abi.encodeCall`: one piece of free memory serves all holders, and an answer of any length costs nothing.
        // solhint-disable-next-line no-inline-assembly
        assembly {
            let data := mload(0x40)
            mstore(data, selector)
            mstore(add(data, 0x04), shr(0x60, shl(0x60, holder))) // the compiler leaves the amount above an address
            mstore(add(data, 0x24), amount)
            ok := call(limit, token, 0, data, 0x44, 0, 0x20)
            switch returndatasize()
            case 0 {}
            case 0x20 { ok := and(ok, eq(mload(0), 1)) }
            default { ok := 0 }
        }
    }

    function _isRole(bytes32 role) internal pure override returns (bool) {
        return role == PAYER;
    }
}
