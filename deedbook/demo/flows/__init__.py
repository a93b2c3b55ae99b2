"""The flows of the platform, played through public HTTP and websockets, and what chain, database and ledger say."""
