"""Real servers from packages, for one machine: PostgreSQL, Valkey and anvil. Each is replaced by a URL in the settings."""
