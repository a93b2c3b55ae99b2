// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

import {IPropertyToken} from "../interfaces/IPropertyToken.sol";
import {ComplianceModule} from "./ComplianceModule.sol";

/// @title  A cap on the number of holders
/// @notice Holders are identities: wallets of one person count once. A transfer that empties its sender may bring a new
///         holder at the cap. What an agent forces is counted and not refused.
/// @dev    Binds only to a token without supply, so that every holder was seen coming. A wallet counts for the identity
///         that it had when it came, whatever the registry says later.
contract HolderCapModule is ComplianceModule {
    struct Holders {
        uint32 cap; // zero: no cap was set, nobody new may come
        uint32 count;
        mapping(address => address) identityOf; // wallets with a balance
        mapping(address => uint256) walletsOf; // identities, by the number of those wallets
    }

    mapping(address => Holders) private _holders;

    event CapSet(address indexed compliance, uint32 cap);

    /// @notice Set the cap. Called by the compliance, for its owner; one below the present count stops newcomers only.
    function setCap(uint32 cap) external onlyBound {
        _holders[msg.sender].cap = cap;
        emit CapSet(msg.sender, cap);
    }

    function moduleTransferAction(address from, address to, uint256 amount) external override onlyBound {
        IPropertyToken token = _tokenOf(msg.sender);
        if (token.balanceOf(from) == 0) _leave(from);
        if (from != to && token.balanceOf(to) == amount) _come(token, to);
    }

    function moduleMintAction(address to, uint256 amount) external override onlyBound {
        IPropertyToken token = _tokenOf(msg.sender);
        if (token.balanceOf(to) == amount) _come(token, to);
    }

    function moduleBurnAction(address from, uint256) external override onlyBound {
        if (_tokenOf(msg.sender).balanceOf(from) == 0) _leave(from);
    }

    function moduleCheck(address from, address to, uint256 amount, address compliance)
        external
        view
        override
        returns (bool)
    {
        Holders storage holders = _holders[compliance];
        IPropertyToken token = _tokenOf(compliance);
        if (holders.walletsOf[token.identityRegistry().identity(to)] > 0) return true;
        bool leaves = from != address(0) && token.balanceOf(from) == amount
            && holders.walletsOf[holders.identityOf[from]] == 1;
        return holders.count + (leaves ? 0 : 1) <= holders.cap;
    }

    function holdersOf(address compliance) external view returns (uint32 count, uint32 cap) {
        return (_holders[compliance].count, _holders[compliance].cap);
    }

    function canComplianceBind(address compliance) external view override returns (bool) {
        return _tokenOf(compliance).totalSupply() == 0;
    }

    function isPlugAndPlay() external pure override returns (bool) {
        return false;
    }

    function name() external pure override returns (string memory) {
        return "HolderCapModule";
    }

    function _come(IPropertyToken token, address wallet) private {
        Holders storage holders = _holders[msg.sender];
        address identity = token.identityRegistry().identity(wallet);
        holders.identityOf[wallet] = identity;
        if (++holders.walletsOf[identity] == 1) ++holders.count;
    }

    function _leave(address wallet) private {
        Holders storage holders = _holders[msg.sender];
        address identity = holders.identityOf[wallet];
        delete holders.identityOf[wallet];
        if (--holders.walletsOf[identity] == 0) --holders.count;
    }
}
