// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

/// @title  A stand-in for USDC on a local chain
/// @notice 6 decimals, EIP-2612 permit, pause, blacklist and mint, so that what the real token can refuse can be
///         tried. Local use only: the owner mints at will.
contract MockUSDC {
    string public constant name = "USD Coin (local)";
    string public constant symbol = "USDC";
    string public constant version = "1";
    uint8 public constant decimals = 6;

    bytes32 public constant PERMIT_TYPEHASH =
        keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
    bytes32 private constant _DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    uint256 private constant _HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    address public immutable owner;
    bool public paused;
    uint256 public totalSupply;
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;
    mapping(address => uint256) public nonces;
    mapping(address => bool) public isBlacklisted;
    mapping(address => bool) public isMinter;

    event Transfer(address indexed from, address indexed to, uint256 value);
    event Approval(address indexed owner, address indexed spender, uint256 value);
    event Blacklisted(address indexed account, bool blacklisted);
    event PauseChanged(bool paused);

    error NotOwner(address caller);
    error NotMinter(address caller);
    error TokenPaused();
    error AccountBlacklisted(address account);
    error ZeroAddress();
    error BalanceTooSmall(address account, uint256 balance, uint256 needed);
    error AllowanceTooSmall(address owner, address spender, uint256 allowance, uint256 needed);
    error PermitExpired(uint256 deadline);
    error PermitNotSigned(address owner);

    modifier onlyOwner() {
        if (msg.sender != owner) revert NotOwner(msg.sender);
        _;
    }

    constructor(address owner_) {
        owner = owner_;
        isMinter[owner_] = true;
    }

    function setMinter(address account, bool minter) external onlyOwner {
        isMinter[account] = minter;
    }

    function setPaused(bool paused_) external onlyOwner {
        paused = paused_;
        emit PauseChanged(paused_);
    }

    function setBlacklisted(address account, bool blacklisted) external onlyOwner {
        isBlacklisted[account] = blacklisted;
        emit Blacklisted(account, blacklisted);
    }

    function mint(address to, uint256 amount) external {
        if (!isMinter[msg.sender]) revert NotMinter(msg.sender);
        _requireUsable(to);
        totalSupply += amount;
        balanceOf[to] += amount;
        emit Transfer(address(0), to, amount);
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        _requireUsable(msg.sender);
        _approve(msg.sender, spender, amount);
        return true;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        _transfer(msg.sender, to, amount);
        return true;
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        _requireUsable(msg.sender);
        uint256 allowed = allowance[from][msg.sender];
        if (allowed < amount) revert AllowanceTooSmall(from, msg.sender, allowed, amount);
        if (allowed != type(uint256).max) allowance[from][msg.sender] = allowed - amount;
        _transfer(from, to, amount);
        return true;
    }

    function permit(address owner_, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
    {
        if (block.timestamp > deadline) revert PermitExpired(deadline);
        bytes32 hash = keccak256(abi.encode(PERMIT_TYPEHASH, owner_, spender, value, nonces[owner_]++, deadline));
        address signer = ecrecover(keccak256(abi.encodePacked("\x19\x01", DOMAIN_SEPARATOR(), hash)), v, r, s);
        if (signer == address(0) || signer != owner_ || uint256(s) > _HALF_ORDER) revert PermitNotSigned(owner_);
        _approve(owner_, spender, value);
    }

    // solhint-disable-next-line func-name-mixedcase
    function DOMAIN_SEPARATOR() public view returns (bytes32) {
        bytes32 nameHash = keccak256(bytes(name));
        return keccak256(abi.encode(_DOMAIN_TYPEHASH, nameHash, keccak256(bytes(version)), block.chainid, address(this)));
    }

    function _transfer(address from, address to, uint256 amount) private {
        if (to == address(0)) revert ZeroAddress();
        _requireUsable(from);
        _requireUsable(to);
        uint256 balance = balanceOf[from];
        if (balance < amount) revert BalanceTooSmall(from, balance, amount);
        balanceOf[from] = balance - amount;
        balanceOf[to] += amount;
        emit Transfer(from, to, amount);
    }

    function _approve(address owner_, address spender, uint256 amount) private {
        allowance[owner_][spender] = amount;
        emit Approval(owner_, spender, amount);
    }

    function _requireUsable(address account) private view {
        if (paused) revert TokenPaused();
        if (isBlacklisted[account]) revert AccountBlacklisted(account);
    }
}
