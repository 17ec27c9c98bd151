"""The process of one routing domain, as the supervisor sees it: started, watched, started again, stopped."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys

import msgspec

from server.clock import monotonic_ns
from server.errors import StartError
from server.log import note
from server.workers.front import Take
from server.workers.handover import Serving, Start, hand_over, pair
from server.workers.site import Domain, encode

BACKOFF_FIRST_S = 0.5
BACKOFF_MAX_S = 30.0
STEADY_S = 60.0
"""A process that served for so long begins anew with short waits when it ends."""
NEEDED_OTHERWISE = 2
"""Exit status of a process that cannot work with its settings."""
_OF_THE_SUPERVISOR = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


class Worker:
    """See the module.

    Args:
        domain: what it serves.
        guarded: whether its metrics ask for a token.
        json: whether it logs JSON even on a terminal.

    Attributes:
        state: `starting`, `serving`, `waiting` (to be started again) or `stopped`.
        metrics_port: of the process that serves; 0 while none does.
        restarts: how often it was started again.
    """

    def __init__(self, domain: Domain, *, guarded: bool, json: bool) -> None:
        self.domain = domain
        self.state = "starting"
        self.metrics_port = 0
        self.restarts = 0
        self.changed = asyncio.Event()
        self._guarded = guarded
        self._json = json
        self._process: asyncio.subprocess.Process | None = None
        self._channel: socket.socket | None = None
        self._stopping = asyncio.Event()
        self._backoff_s = BACKOFF_FIRST_S

    def door(self) -> Take | None:
        """How to hand a connection to the process; None while it does not serve."""
        channel = self._channel
        if self.state != "serving" or channel is None:
            return None
        return lambda connection, early: hand_over(channel, connection, early)

    async def run(self) -> None:
        """Keep the domain served until `stop`.

        Raises:
            StartError: the process cannot work with its settings, and never could; its log says why.
        """
        ever_served = False
        while True:
            status, served_s = await self._live()
            ever_served = ever_served or served_s is not None
            if self._stopping.is_set():
                self._set("stopped")
                if status:
                    raise ChildProcessError(f"the process of the domain {self.domain.name} ended with status {status}")
                return
            if status == NEEDED_OTHERWISE and not ever_served:
                self._set("stopped")
                raise StartError(f"the domain {self.domain.name} cannot be served; the log above says why")
            if served_s is not None and (served_s >= STEADY_S or status == 0):
                self._backoff_s = BACKOFF_FIRST_S
            wait_s = 0.0 if status == 0 else self._backoff_s
            note(
                logging.INFO if status == 0 else logging.ERROR,
                f"the process of the domain {self.domain.name} ended and is started again",
                domain=self.domain.name,
                status=status,
                in_s=wait_s,
            )
            self._set("waiting")
            self._backoff_s = min(BACKOFF_MAX_S, 2 * self._backoff_s)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), wait_s)
            if self._stopping.is_set():
                self._set("stopped")
                return
            self.restarts += 1

    def stop(self) -> None:
        """Let the process stop cleanly, and start no other."""
        self._stopping.set()
        self.send_signal(signal.SIGTERM)

    def send_signal(self, number: signal.Signals) -> None:
        """To the process, if there is one."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def renew(self) -> None:
        """Let the process stop cleanly, and wait until the next one serves. Without effect on one that is stopping."""
        before = self.restarts
        self.send_signal(signal.SIGTERM)
        while not self._stopping.is_set() and (self.restarts == before or self.state != "serving"):
            self.changed.clear()
            await self.changed.wait()

    def kill(self) -> None:
        """End it as a crash would."""
        self.send_signal(signal.SIGKILL)

    async def _live(self) -> tuple[int, float | None]:
        """One life of the process; gives its exit status, and for how long it served, None if it never did."""
        loop = asyncio.get_running_loop()
        ours, theirs = pair()
        self._set("starting")
        start = Start(self.domain.name, encode(self.domain.settings), self._guarded, self._json)
        served_at: list[int] = []
        environment = {name: value for name, value in os.environ.items() if name not in _OF_THE_SUPERVISOR}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "server.workers.process", str(theirs.fileno())),
            pass_fds=[theirs.fileno()],
            env=environment,
        )
        theirs.close()
        ours.setblocking(False)
        self._process, self._channel = process, ours
        ours.send(msgspec.json.encode(start))

        def on_readable() -> None:
            try:
                said = ours.recv(4096)
            except BlockingIOError:
                return
            except OSError:
                said = b""
            if not said:
                loop.remove_reader(ours.fileno())
                return
            self.metrics_port = msgspec.json.decode(said, type=Serving).metrics_port
            served_at.append(monotonic_ns())
            self._set("serving")

        loop.add_reader(ours.fileno(), on_readable)
        if self._stopping.is_set():
            self.send_signal(signal.SIGTERM)
        try:
            status = await process.wait()
        finally:
            loop.remove_reader(ours.fileno())
            self.metrics_port = 0
            self._channel = None
            ours.close()
        return status, (monotonic_ns() - served_at[0]) / 1e9 if served_at else None

    def _set(self, state: str) -> None:
        self.state = state
        self.changed.set()
