"""Other people's services, played on this machine: each a server of its own that a person can operate by hand."""
