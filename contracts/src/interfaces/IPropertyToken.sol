// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

/// @notice The part of an ERC-3643 token that we call. Amounts are the token's base units.
interface IPropertyToken {
    function balanceOf(address account) external view returns (uint256);

    function totalSupply() external view returns (uint256);

    function decimals() external view returns (uint8);

    function paused() external view returns (bool);

    function isFrozen(address account) external view returns (bool);

    /// @return One counter for everybody who freezes: our lock, the issuer's part, and what was frozen past us.
    function getFrozenTokens(address account) external view returns (uint256);

    function identityRegistry() external view returns (IIdentityRegistry);

    function compliance() external view returns (ITokenCompliance);

    function freezePartialTokens(address account, uint256 amount) external;

    function unfreezePartialTokens(address account, uint256 amount) external;

    /// @dev Uses the caller's allowance; checks pause, freezes, the receiver's identity and the compliance.
    function transferFrom(address from, address to, uint256 amount) external returns (bool);

    /// @dev Agents only. Unfreezes what it needs, and works while paused.
    function burn(address account, uint256 amount) external;

    /// @dev Ignores freezes, pause and compliance; checks the receiver's identity only.
    function forcedTransfer(address from, address to, uint256 amount) external returns (bool);
}

interface IIdentityRegistry {
    function isVerified(address account) external view returns (bool);

    function identity(address account) external view returns (address);

    function investorCountry(address account) external view returns (uint16);
}

interface ITokenCompliance {
    function canTransfer(address from, address to, uint256 amount) external view returns (bool);

    function getTokenBound() external view returns (address);
}
