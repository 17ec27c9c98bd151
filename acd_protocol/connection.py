"""One TCP connection of a client: lines in, one write a loop tick out. It knows no messages."""

import asyncio
from collections.abc import Callable
from typing import cast

from acd_protocol.framing import LineReader

SERVER_LINE_BYTES_MAX = 1 << 28
"""Longest line that a client accepts from a server: the listing of a very large centre fits."""


class Connection(asyncio.Protocol):
    """Calls `on_lines(self, lines)` for what arrives, until it is lost.

    Attributes:
        lost: done when the connection is over, with why: None for an orderly end.
        heard: counts arrivals, so that silence can be told.
        reading: whether the socket is being read. A socket that nobody reads fills up, and stops the sender.
    """

    def __init__(self, on_lines: Callable[["Connection", list[bytes]], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_lines = on_lines
        self._reader = LineReader(SERVER_LINE_BYTES_MAX)
        self._transport: asyncio.Transport | None = None
        self._out: list[bytes] = []
        self._flush_planned = False
        self._writable = True
        self._fault: Exception | None = None
        self.lost: asyncio.Future[Exception | None] = self._loop.create_future()
        self.heard = 0
        self.reading = True

    def send(self, line: bytes) -> None:
        """Write `line` with everything else that is sent in this tick of the loop."""
        self._out.append(line)
        if not self._flush_planned and self._writable:
            self._flush_planned = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_planned = False
        if self._out and self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(self._out))
            self._out.clear()

    def read(self, wanted: bool) -> None:
        """Start or stop reading the socket."""
        if wanted is self.reading or self._transport is None or self._transport.is_closing():
            return
        self.reading = wanted
        if wanted:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def close(self) -> None:
        """End the connection after what was sent is written."""
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def abort(self, fault: Exception | None = None) -> None:
        """End the connection at once, because of `fault`."""
        self._fault = self._fault or fault
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # those of uvloop are no instances of it

    def data_received(self, data: bytes) -> None:
        self.heard += 1
        lines = self._reader.feed(data)
        if lines:
            self._on_lines(self, lines)
        if self._reader.error is not None:
            self.abort(ValueError(self._reader.error.message))

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(self._fault or exc)
