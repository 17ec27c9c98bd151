"""The process of one routing domain: `python -m server.workers.process FD`, started by the supervisor only."""

import asyncio
import signal
import socket
import sys

import msgspec

from acd_protocol.cli import EXIT_USAGE, fail
from server import log
from server.cli.serve import loop_factory, serve
from server.errors import ServerError
from server.workers.handover import START_BYTES_MAX, Reception, Serving, Start
from server.workers.site import decode


def main(arguments: list[str]) -> int:
    """Serve the domain that the other end of the socket names."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the supervisor asks its processes to stop
    try:
        channel = socket.socket(fileno=int(arguments[0]))
        start = msgspec.json.decode(channel.recv(START_BYTES_MAX), type=Start)
    except (IndexError, ValueError, OSError):
        return fail("this is started by 'acd serve --workers'", EXIT_USAGE)
    log.configure(json=start.json, domain=start.domain)
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            return runner.run(_serve(start, channel))
    except ServerError as error:
        return fail(f"{start.domain}: {error}", error.exit_status)


async def _serve(start: Start, channel: socket.socket) -> int:
    reception = Reception(channel)

    def tell(metrics_port: int) -> None:
        reception.tell(msgspec.json.encode(Serving(metrics_port)))

    return await serve(decode(start.settings), reception, tell, guarded=start.guarded)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
