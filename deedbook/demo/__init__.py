"""A market of real clients on a real local chain: how it is set up, who trades in it, what is checked at the end."""
