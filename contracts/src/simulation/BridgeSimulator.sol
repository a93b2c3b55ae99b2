// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

import {CashDelta, ICashVault} from "../interfaces/ICashVault.sol";
import {ITokenLocker, Leg} from "../interfaces/ITokenLocker.sol";

/// @notice One trade as it would settle by itself.
struct Fill {
    address token;
    address seller;
    address buyer;
    uint128 qty;
    CashDelta[] cash;
}

/// @param reason Empty, or the revert data of the vault, the locker or the token.
struct FillResult {
    bool ok;
    bytes reason;
}

/// @title  Which fills would settle
/// @notice Never deployed. Its runtime bytecode replaces the bridge's in an `eth_call` (a code override), so that the
///         real vault and locker take its calls for the bridge's. Fills are tried in trade order, each on what the
///         ones before it left; one that fails leaves nothing.
contract BridgeSimulator {
    error OnlySelf();

    function simulate(ICashVault vault, ITokenLocker locker, Fill[] calldata fills)
        external
        returns (FillResult[] memory results)
    {
        results = new FillResult[](fills.length);
        for (uint256 i = 0; i < fills.length; ++i) {
            try this.settleOne(vault, locker, fills[i]) {
                results[i].ok = true;
            } catch (bytes memory reason) {
                results[i].reason = reason;
            }
        }
    }

    /// @dev External because only an external call can be undone alone.
    function settleOne(ICashVault vault, ITokenLocker locker, Fill calldata fill) external {
        if (msg.sender != address(this)) revert OnlySelf();
        if (fill.seller != fill.buyer) {
            address[] memory tokens = new address[](1);
            tokens[0] = fill.token;
            Leg[] memory legs = new Leg[](1);
            legs[0] = Leg(0, fill.seller, fill.buyer, fill.qty);
            locker.settleLegs(tokens, legs);
        } // an account that trades with itself moves no token, here as in a netted batch
        vault.applyDeltas(fill.cash);
    }
}
