"""`acd top`: a running server, live in the terminal, driven by keys. A client like any other."""
