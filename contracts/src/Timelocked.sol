// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

/// @title  Roles that only a delay can change
/// @notice Each role has one holder. The owner fills an empty role once without delay (the first wiring); every later
///         change is queued, seen by all, and executed after `changeDelay`. Taking a role away needs no delay.
/// @dev    A deployment chooses `changeDelay` shorter than the withdrawal delay, so that a stolen operator is replaced,
///         and what it moved is moved back, before a thief can take anything out.
abstract contract Timelocked {
    struct Role {
        address holder;
        bool appointed; // stays true when the holder is dismissed: the undelayed first wiring happens once
    }

    struct Change {
        address holder;
        uint64 readyAt;
    }

    bytes32 public constant OWNER = "owner";

    /// @notice Seconds between queueing a change of a role and executing it.
    uint64 public immutable changeDelay;

    mapping(bytes32 => Role) private _roles;
    mapping(bytes32 => Change) private _changes;

    event RoleChanged(bytes32 indexed role, address indexed holder);
    event RoleChangeQueued(bytes32 indexed role, address indexed holder, uint64 readyAt);
    event RoleChangeCancelled(bytes32 indexed role, address indexed holder);

    error NotHolder(bytes32 role, address caller);
    error UnknownRole(bytes32 role);
    error AlreadyAppointed(bytes32 role);
    error NoChangeQueued(bytes32 role);
    error ChangeNotReady(bytes32 role, uint64 readyAt);
    error OwnerNeeded();
    error ZeroAddress();

    modifier only(bytes32 role) {
        if (_roles[role].holder != msg.sender) revert NotHolder(role, msg.sender);
        _;
    }

    constructor(address owner_, uint64 changeDelay_) {
        if (owner_ == address(0)) revert ZeroAddress();
        changeDelay = changeDelay_;
        _set(OWNER, owner_);
    }

    /// @notice Fill a role that was never filled. Owner only.
    function appoint(bytes32 role, address holder) external only(OWNER) {
        if (holder == address(0)) revert ZeroAddress();
        if (!_isRole(role)) revert UnknownRole(role);
        if (_roles[role].appointed) revert AlreadyAppointed(role);
        _set(role, holder);
    }

    /// @notice Announce a new holder of a role, the owner's included. Owner only; replaces an earlier announcement.
    function queueChange(bytes32 role, address holder) external only(OWNER) {
        if (holder == address(0)) revert ZeroAddress();
        if (role != OWNER && !_isRole(role)) revert UnknownRole(role);
        uint64 readyAt = uint64(block.timestamp) + changeDelay;
        _changes[role] = Change(holder, readyAt);
        emit RoleChangeQueued(role, holder, readyAt);
    }

    /// @notice Make an announced change, not before its time. Owner only.
    function executeChange(bytes32 role) external only(OWNER) {
        Change memory change = _changes[role];
        if (change.holder == address(0)) revert NoChangeQueued(role);
        if (block.timestamp < change.readyAt) revert ChangeNotReady(role, change.readyAt);
        delete _changes[role];
        _set(role, change.holder);
    }

    /// @notice Withdraw an announcement. Owner only.
    function cancelChange(bytes32 role) external only(OWNER) {
        address holder = _changes[role].holder;
        if (holder == address(0)) revert NoChangeQueued(role);
        delete _changes[role];
        emit RoleChangeCancelled(role, holder);
    }

    /// @notice Take a role away at once; filling it again takes the delay. Owner only, and not the owner's own role.
    function dismiss(bytes32 role) external only(OWNER) {
        if (role == OWNER) revert OwnerNeeded();
        _set(role, address(0));
    }

    function holderOf(bytes32 role) public view returns (address) {
        return _roles[role].holder;
    }

    function queuedChange(bytes32 role) external view returns (address holder, uint64 readyAt) {
        Change memory change = _changes[role];
        return (change.holder, change.readyAt);
    }

    function owner() external view returns (address) {
        return _roles[OWNER].holder;
    }

    function _set(bytes32 role, address holder) private {
        _roles[role] = Role(holder, true);
        emit RoleChanged(role, holder);
    }

    /// @dev True for the roles of the inheriting contract, `OWNER` left out.
    function _isRole(bytes32 role) internal pure virtual returns (bool);
}
