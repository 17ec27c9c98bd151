"""The reference for the wire: a server on the same event loop that only cuts lines and sends them back.

It does what no server can leave out, one write for each read included. What the real server costs above it is decoding,
routing, journal and events.
"""

import asyncio
import json
import signal
import sys
from typing import cast

import uvloop

from acd_protocol.framing import LineReader


class Echo(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected."""
        self._transport = cast("asyncio.Transport", transport)
        self._reader = LineReader()

    def data_received(self, data: bytes) -> None:
        """Bytes arrived."""
        lines = self._reader.feed(data)
        if lines:
            lines.append(b"")
            self._transport.write(b"\n".join(lines))


async def serve() -> None:
    """Serve on a free port, which is told on standard error, until SIGTERM."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    server = await loop.create_server(Echo, "127.0.0.1", 0)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), file=sys.stderr, flush=True)
    await stop.wait()
    server.close()


def main() -> None:
    """Serve, on the event loop of the real server."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())


if __name__ == "__main__":
    main()
