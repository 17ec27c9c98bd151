"""Stands before a server that speaks TLS, for a load that does not: what comes in plain goes on enciphered.

    python -m bench.tls_relay PORT CERTIFICATE

It is a process of its own, so that what the server costs is told apart from what its clients do.
"""

import asyncio
import contextlib
import json
import signal
import ssl
import sys

import uvloop

READ_BYTES = 1 << 18


async def serve(port: int, certificate: str) -> None:
    """Relay from a free port, which is told on standard error, until SIGTERM."""
    context = ssl.create_default_context(cafile=certificate)
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context, server_hostname="localhost"
        )
        await asyncio.gather(_pass_on(reader, far_writer), _pass_on(far_reader, writer))

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), file=sys.stderr, flush=True)
    await stop.wait()
    server.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(READ_BYTES):
            writer.write(data)
            await writer.drain()
    writer.close()


def main() -> None:
    """Relay."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(int(sys.argv[1]), sys.argv[2]))


if __name__ == "__main__":
    main()
