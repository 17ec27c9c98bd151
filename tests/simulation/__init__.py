"""The whole server in one thread, on time, a network and a disk that a seed makes up: `python -m tests.simulation`.

What runs is what runs in production: `server.service.running` with its sequencer, sessions, presence, journal and
SQLite, and `acd_protocol.client.Client`. What is made up is everything below: the event loop and its clock (`loop`), the
machine's clock (`machine`), TCP (`network`), the disk below SQLite (`disk`, `vfs`), and what goes wrong (`faults`).
`workload` plays the PBXs, `checks` judges what they were told, `run` puts one seed together.
"""
