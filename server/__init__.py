"""The service around the core: everything that waits, fails or is configured."""
