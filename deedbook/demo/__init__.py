"""A market of real clients on a real local chain: who trades in it, how it is set up, and what is checked at the end."""
