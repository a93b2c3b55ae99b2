"""The exchange as a pure function: `apply(commands) -> events`. No I/O, no clock, no randomness, no async."""
