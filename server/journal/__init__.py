"""What happened, durably and in order; see `server.journal.contract`."""
