// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

import {CashDelta, ICashVault} from "./interfaces/ICashVault.sol";
import {ICashToken} from "./interfaces/ICashToken.sol";
import {NonReentrant} from "./NonReentrant.sol";
import {SafeCash} from "./SafeCash.sol";
import {Timelocked} from "./Timelocked.sol";

/// @title  Traders' USDC
/// @notice Cash of a trader is here before an order of theirs is accepted, and leaves in two steps: a request, then a
///         release by the releaser's key, or, after `withdrawDelay`, by the owner of the account alone.
///         All amounts are USDC micros (6 decimals). USDC sent without a deposit belongs to nobody: it is surplus.
/// @dev    `requested <= balance` holds in every slot: a debit lowers the request with the balance and a credit never
///         raises it, so a request made in advance is no claim on cash that comes later.
contract CashVault is ICashVault, Timelocked, NonReentrant {
    using SafeCash for ICashToken;

    /// @dev One storage slot.
    struct Account {
        uint88 balance;
        uint88 requested;
        uint40 requestedAt; // seconds; zero while nothing is requested
        uint32 requestedIn; // the block
        bool registered;
    }

    struct Migration {
        address fresh;
        uint64 readyAt; // seconds
    }

    bytes32 public constant BRIDGE = "bridge";
    bytes32 public constant RELEASER = "releaser";
    bytes32 public constant REGISTRAR = "registrar";

    ICashToken public immutable usdc;

    /// @notice Seconds after a request when the owner of the account can take it without anybody.
    uint64 public immutable withdrawDelay;

    /// @notice Sum of all balances. Settlement does not change it, because its deltas sum to zero.
    uint128 public totalBalances;

    mapping(address => Account) private _accounts;
    mapping(address => Migration) private _migrations;

    /// @notice Every change of an account but a settlement's and a migration's, with what the slot holds afterwards.
    event CashChanged(address indexed account, int256 deltaUsdcMicros, uint256 balance, uint256 requested);
    event AccountRegistered(address indexed account);
    event MigrationQueued(address indexed lost, address indexed fresh, uint64 readyAt);
    event MigrationRefused(address indexed lost);

    /// @notice All cash of `lost` is that of `fresh`, with what the slot of `fresh` holds afterwards.
    event CashMigrated(
        address indexed lost, address indexed fresh, uint256 movedUsdcMicros, uint256 balance, uint256 requested
    );

    error ZeroAmount();
    error AmountTooLarge(uint256 amount);
    error NotRegistered(address account);
    error Overdrawn(address account);
    error NotZeroSum(int256 sum);
    error MoreThanBalance(uint256 amount, uint256 balance);
    error MoreThanRequested(uint256 amount, uint256 requested);
    error NothingRequested(address account);
    error RequestIsNewer(uint256 requestedIn, uint256 asOf);
    error DelayNotOver(uint256 readyAt);
    error WrongAmountReceived(uint256 expected, uint256 received);
    error SameWallet(address wallet);
    error NoMigrationQueued(address lost);

    constructor(ICashToken usdc_, address owner_, uint64 changeDelay_, uint64 withdrawDelay_)
        Timelocked(owner_, changeDelay_)
    {
        if (address(usdc_) == address(0)) revert ZeroAddress();
        usdc = usdc_;
        withdrawDelay = withdrawDelay_;
    }

    /// @notice Bring in `amount`; the caller must have approved it. The first deposit registers the account.
    function deposit(uint256 amount) external nonReentrant {
        _deposit(amount);
    }

    /// @notice `deposit` with an EIP-2612 signature in place of the approval.
    function depositWithPermit(uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
        nonReentrant
    {
        // Anybody can use the signature first; then the allowance is there already, and the transfer decides.
        try usdc.permit(msg.sender, address(this), amount, deadline, v, r, s) {} catch {}
        _deposit(amount);
    }

    /// @notice Ask for `amount` back. It replaces an earlier request and starts its delay anew.
    function requestWithdraw(uint256 amount) external {
        if (amount == 0) revert ZeroAmount();
        Account storage account = _accounts[msg.sender];
        if (amount > account.balance) revert MoreThanBalance(amount, account.balance);
        account.requested = uint88(amount);
        account.requestedAt = uint40(block.timestamp);
        account.requestedIn = uint32(block.number);
        emit CashChanged(msg.sender, 0, account.balance, amount);
    }

    function cancelWithdraw() external {
        Account storage account = _accounts[msg.sender];
        if (account.requested == 0) revert NothingRequested(msg.sender);
        account.requested = 0;
        account.requestedAt = 0;
        emit CashChanged(msg.sender, 0, account.balance, 0);
    }

    /// @notice Pay out all or a part of what the account's owner requested, to that owner.
    /// @param asOf The last block of which the releaser knew: what was requested later is another request, for which
    ///             nothing may be set aside yet.
    function releaseWithdraw(address account, uint256 amount, uint256 asOf) external only(RELEASER) nonReentrant {
        uint256 requestedIn = _accounts[account].requestedIn;
        if (requestedIn > asOf) revert RequestIsNewer(requestedIn, asOf);
        _payOut(account, amount);
    }

    /// @notice Take what was requested, after the delay; needs nobody else.
    function takeWithdraw() external nonReentrant {
        Account memory account = _accounts[msg.sender];
        if (account.requested == 0) revert NothingRequested(msg.sender);
        uint256 readyAt = uint256(account.requestedAt) + withdrawDelay;
        if (block.timestamp < readyAt) revert DelayNotOver(readyAt);
        _payOut(msg.sender, account.requested);
    }

    /// @notice Let an account that never deposits take part, such as the fee account.
    function register(address account) external {
        if (msg.sender != holderOf(REGISTRAR) && msg.sender != holderOf(OWNER)) revert NotHolder(REGISTRAR, msg.sender);
        if (account == address(0)) revert ZeroAddress();
        _accounts[account].registered = true;
        emit AccountRegistered(account);
    }

    /// @notice Announce that the cash of `lost` will be that of `fresh`, as its holder lost that wallet and was recovered
    ///         to the other. Owner only; it replaces an earlier announcement. Until `migrate` the holder of `lost` can
    ///         refuse it, or take the cash out.
    function queueMigration(address lost, address fresh) external only(OWNER) {
        if (fresh == address(0)) revert ZeroAddress();
        if (lost == fresh) revert SameWallet(lost);
        uint64 readyAt = uint64(block.timestamp) + changeDelay;
        _migrations[lost] = Migration(fresh, readyAt);
        emit MigrationQueued(lost, fresh, readyAt);
    }

    /// @notice A wallet that still signs is not lost.
    function refuseMigration() external {
        if (_migrations[msg.sender].fresh == address(0)) revert NoMigrationQueued(msg.sender);
        delete _migrations[msg.sender];
        emit MigrationRefused(msg.sender);
    }

    /// @notice Carry over what was announced, not before its time. Owner only. A request is not carried over.
    function migrate(address lost) external only(OWNER) {
        Migration memory migration = _migrations[lost];
        address fresh = migration.fresh;
        if (fresh == address(0)) revert NoMigrationQueued(lost);
        if (block.timestamp < migration.readyAt) revert DelayNotOver(migration.readyAt);
        uint256 moved = _accounts[lost].balance;
        if (moved == 0) revert ZeroAmount();
        delete _migrations[lost];
        _accounts[lost] = Account(0, 0, 0, 0, true); // a batch on its way may still credit it
        Account storage account = _accounts[fresh];
        uint256 balance = account.balance + moved;
        if (balance > type(uint88).max) revert AmountTooLarge(balance);
        account.balance = uint88(balance);
        account.registered = true;
        emit CashMigrated(lost, fresh, moved, balance, account.requested);
    }

    /// @notice Move cash between registered accounts. Bridge only.
    /// @param deltas Any order, an account may come twice; they sum to zero.
    /// @dev   No event for an account: the batch's event and hash carry them, and 1,800 gas each are saved.
    function applyDeltas(CashDelta[] calldata deltas) external only(BRIDGE) {
        int256 sum = 0;
        for (uint256 i = 0; i < deltas.length; ++i) {
            CashDelta calldata delta = deltas[i];
            _applyDelta(delta.account, delta.amountUsdcMicros);
            sum += delta.amountUsdcMicros;
        }
        if (sum != 0) revert NotZeroSum(sum);
    }

    function accountOf(address account)
        external
        view
        returns (uint256 balance, uint256 requested, uint256 requestedAt, bool registered)
    {
        Account memory slot = _accounts[account];
        return (slot.balance, slot.requested, slot.requestedAt, slot.registered);
    }

    function queuedMigration(address lost) external view returns (address fresh, uint64 readyAt) {
        Migration memory migration = _migrations[lost];
        return (migration.fresh, migration.readyAt);
    }

    /// @notice USDC held, and what is owed to accounts; the first is never less than the second.
    function solvency() external view returns (uint256 reserves, uint256 liabilities) {
        return (usdc.balanceOf(address(this)), totalBalances);
    }

    function _applyDelta(address who, int256 delta) private {
        Account memory account = _accounts[who];
        if (!account.registered) revert NotRegistered(who);
        int256 balance = int256(uint256(account.balance)) + delta;
        if (balance < 0) revert Overdrawn(who);
        if (balance > int256(uint256(type(uint88).max))) revert AmountTooLarge(uint256(balance));
        account.balance = uint88(uint256(balance));
        if (account.requested > account.balance) account.requested = account.balance;
        _accounts[who] = account;
    }

    function _deposit(uint256 amount) private {
        if (amount == 0) revert ZeroAmount();
        uint256 most = _accounts[msg.sender].balance + amount;
        if (most > type(uint88).max) revert AmountTooLarge(amount);

        uint256 before = usdc.balanceOf(address(this));
        usdc.safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = usdc.balanceOf(address(this)) - before;
        if (received != amount) revert WrongAmountReceived(amount, received); // a fee on transfer would make us insolvent

        Account storage account = _accounts[msg.sender]; // as it is after the transfer, whatever that called
        account.balance += uint88(amount);
        account.registered = true;
        totalBalances += uint128(amount);
        emit CashChanged(msg.sender, int256(amount), account.balance, account.requested);
    }

    function _payOut(address who, uint256 amount) private {
        if (amount == 0) revert ZeroAmount();
        Account memory account = _accounts[who];
        if (amount > account.requested) revert MoreThanRequested(amount, account.requested);
        account.balance -= uint88(amount);
        account.requested -= uint88(amount);
        if (account.requested == 0) account.requestedAt = 0;
        _accounts[who] = account;
        totalBalances -= uint128(amount);
        emit CashChanged(who, -int256(amount), account.balance, account.requested);
        usdc.safeTransfer(who, amount);
    }

    function _isRole(bytes32 role) internal pure override returns (bool) {
        return role == BRIDGE || role == RELEASER || role == REGISTRAR;
    }
}
