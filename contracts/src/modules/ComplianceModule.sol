// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

import {IComplianceModule} from "../interfaces/IComplianceModule.sol";
import {IPropertyToken, ITokenCompliance} from "../interfaces/IPropertyToken.sol";

/// @notice What our compliance modules share: one module serves many tokens, each through its own compliance contract,
///         and only a compliance that bound itself may tell it anything.
abstract contract ComplianceModule is IComplianceModule {
    mapping(address => bool) private _bound;

    event ComplianceBound(address indexed compliance);
    event ComplianceUnbound(address indexed compliance);

    error NotCompliance(address caller);
    error AlreadyBound(address compliance);

    modifier onlyBound() {
        if (!_bound[msg.sender]) revert NotCompliance(msg.sender);
        _;
    }

    /// @inheritdoc IComplianceModule
    function bindCompliance(address compliance) external override {
        if (msg.sender != compliance) revert NotCompliance(msg.sender);
        if (_bound[compliance]) revert AlreadyBound(compliance);
        _bound[compliance] = true;
        emit ComplianceBound(compliance);
    }

    /// @inheritdoc IComplianceModule
    function unbindCompliance(address compliance) external override onlyBound {
        if (msg.sender != compliance) revert NotCompliance(msg.sender);
        _bound[compliance] = false;
        emit ComplianceUnbound(compliance);
    }

    /// @inheritdoc IComplianceModule
    function isComplianceBound(address compliance) external view override returns (bool) {
        return _bound[compliance];
    }

    function _tokenOf(address compliance) internal view returns (IPropertyToken) {
        return IPropertyToken(ITokenCompliance(compliance).getTokenBound());
    }
}
