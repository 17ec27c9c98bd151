"""What is read again while the server runs: credentials and certificates, when their files change or SIGHUP comes."""

import asyncio
import logging
import os
from collections.abc import Sequence

from server.access.gate import Gate
from server.audit import AuditTrail
from server.door import Door
from server.errors import StartError
from server.log import note
from server.tls import TlsPort

LOOK_S = 2.0
"""The files are looked at so often."""


class Reloader:
    """Reads the files again. What cannot be used leaves everything as it was, and the log says why.

    Connections whose credential does not hold any more, because it was changed, taken away or has expired, are ended.
    """

    def __init__(self, gate: Gate, ports: Sequence[TlsPort], audit: AuditTrail, door: Door) -> None:
        self._gate = gate
        self._ports = ports
        self._audit = audit
        self._door = door
        self._paths = [] if gate.path is None else [gate.path]
        for port in ports:
            self._paths += port.paths
        self._stamps = self._stamps_now()

    def _stamps_now(self) -> list[tuple[int, int, int]]:
        """What tells whether a file has changed."""
        stamps = []
        for path in self._paths:
            try:
                found = os.stat(path)
                stamps.append((found.st_mtime_ns, found.st_ino, found.st_size))
            except OSError:
                stamps.append((0, 0, 0))
        return stamps

    async def watch(self) -> None:
        """Look at the files for ever."""
        while True:
            await asyncio.sleep(LOOK_S)
            stamps = await asyncio.to_thread(self._stamps_now)
            if stamps != self._stamps:
                self._stamps = stamps
                self.reload()
            elif self._gate.path is not None:
                self._door.revoke_gone()  # some expire by themselves
            self._count()

    def reload(self) -> None:
        """Read everything again, now."""
        self._audit.reopen()
        fine = self._gate.reload()
        for port in self._ports:
            try:
                port.reload()
            except StartError as problem:
                fine = False
                self._gate.reload_failures += 1
                note(logging.ERROR, f"{problem}; the certificates that were read before are used on")
        ended = self._door.revoke_gone()
        self._count()
        self._audit.server("reload", "ok" if fine else "failed", connections_ended=ended)
        if fine:
            note(logging.INFO, "credentials and certificates were read again", connections_ended=ended)

    def _count(self) -> None:
        counters = self._door.sequencer.counters
        counters.reload_failures = self._gate.reload_failures
        counters.audit_failures = self._audit.failures
