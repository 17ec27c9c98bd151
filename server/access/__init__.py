"""Who may do what: credentials, how a connection proves that it has one, and what it may then see and do."""
