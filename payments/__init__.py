"""Rent in, dollars to USDC, the double-entry ledger, and what is due to whom."""
