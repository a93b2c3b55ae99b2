"""Who may trade what: facts about people and wallets, compiled by pure rules into engine permissions."""
