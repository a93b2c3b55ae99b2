// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

/// @param account         Wallet whose balance changes; must be registered in the vault.
/// @param amountUsdcMicros USDC micros (6 decimals); negative is a debit.
struct CashDelta {
    address account;
    int128 amountUsdcMicros;
}

interface ICashVault {
    function applyDeltas(CashDelta[] calldata deltas) external;
}
