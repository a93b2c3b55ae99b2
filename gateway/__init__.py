"""The trading API: decode, authenticate, limit, submit, encode. No `if` about trading."""
