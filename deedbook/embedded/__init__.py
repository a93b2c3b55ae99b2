"""Real servers from packages, for one machine: PostgreSQL, Valkey and anvil. A URL in the settings replaces each."""
