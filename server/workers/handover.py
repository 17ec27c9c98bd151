"""A connection goes from the front to the process of its domain: its file descriptor, and what was read of it already.

Both ends of a pair of sockets that keep the bounds of messages are held, one by the supervisor and one by the process:

- down, first: the settings as JSON; then for each connection a message with its descriptor and the bytes that were read;
- up: `Serving`, as soon as the process serves.

When the supervisor is gone the socket ends, and the process stops as if it had been asked to.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import cast

from msgspec import Struct

EARLY_BYTES_MAX = 65_536
"""Most bytes that are handed over with a connection."""
START_BYTES_MAX = 131_072
"""Most bytes of a `Start`."""


class Start(Struct, frozen=True):
    """What the process is told first.

    Attributes:
        domain: its name.
        settings: as `site.encode` has them.
        guarded: whether its metrics ask for a token.
        json: whether it logs JSON even on a terminal.
    """

    domain: str
    settings: bytes
    guarded: bool
    json: bool


class Serving(Struct, frozen=True):
    """What the process tells when it serves: the port of its metrics."""

    metrics_port: int


def pair() -> tuple[socket.socket, socket.socket]:
    """The two ends."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def hand_over(channel: socket.socket, connection: socket.socket, early: bytes) -> bool:
    """Give a connection to who holds the other end; the caller closes its own. False when that one cannot take it now."""
    try:
        socket.send_fds(channel, [early or b"\0"], [connection.fileno()], socket.MSG_DONTWAIT)
    except OSError:
        return False
    return True


class Reception:
    """The end of the process.

    Args:
        channel: its end of the pair.

    Attributes:
        closed: set when the other end is gone.
    """

    def __init__(self, channel: socket.socket) -> None:
        self.closed = asyncio.Event()
        self._channel = channel
        channel.setblocking(False)
        self._make: Callable[[], asyncio.Protocol] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def open(self, make_protocol: Callable[[], asyncio.Protocol]) -> None:
        """Take connections from here on."""
        self._make = make_protocol
        asyncio.get_running_loop().add_reader(self._channel.fileno(), self._readable)

    def tell(self, message: bytes) -> None:
        """Say something to the supervisor, who may be gone."""
        with contextlib.suppress(OSError):
            self._channel.send(message)

    def close(self) -> None:
        """Take no more."""
        asyncio.get_running_loop().remove_reader(self._channel.fileno())

    def _ended(self) -> None:
        self.close()
        self.closed.set()

    def _readable(self) -> None:
        try:
            early, descriptors, _, _ = socket.recv_fds(self._channel, EARLY_BYTES_MAX, 1)
        except BlockingIOError:
            return
        except OSError:
            self._ended()
            return
        if not early:
            self._ended()
            return
        for descriptor in descriptors:
            connection = socket.socket(fileno=descriptor)
            connection.setblocking(False)
            task = asyncio.get_running_loop().create_task(self._take(connection, early if early != b"\0" else b""))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _take(self, connection: socket.socket, early: bytes) -> None:
        assert self._make is not None
        make = self._make
        try:
            await asyncio.get_running_loop().connect_accepted_socket(lambda: Begun(make(), early), connection)
        except OSError:
            connection.close()  # it ended meanwhile


class Begun(asyncio.Protocol):
    """Gives a protocol what was read of its connection before, and goes."""

    def __init__(self, protocol: asyncio.Protocol, early: bytes) -> None:
        self._protocol = protocol
        self._early = early

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is this process's."""
        cast("asyncio.Transport", transport).set_protocol(self._protocol)
        self._protocol.connection_made(transport)
        if self._early:
            self._protocol.data_received(self._early)
