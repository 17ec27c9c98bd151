"""`acd top`: a running server, live in the terminal."""

import argparse
import asyncio
import os
import signal
import sys

from acd_protocol.cli import (
    EXIT_USAGE,
    Command,
    add_connection_options,
    client_for,
    connect_sentence,
    fail,
    print_json,
)


def _run(args: argparse.Namespace) -> int:
    from acd_protocol.client import ClientError, ConnectionLost

    try:
        return asyncio.run(_session(args))
    except ConnectionLost as lost:
        return fail(connect_sentence(args.host, args.port, lost.__cause__ or lost), EXIT_USAGE)
    except ClientError as error:
        return fail(str(error))


async def _session(args: argparse.Namespace) -> int:
    from rich.console import Console

    from server.top.app import Top, watch

    console = Console(highlight=False)
    if not args.json and not (console.is_terminal and sys.stdin.isatty()):
        return fail("there is no terminal to draw on; --json prints the figures once", EXIT_USAGE)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    name = f"acd-top-{os.getpid()}"
    client = client_for(args, name, connect_deadline_s=0, reconnect_deadline_s=None, events_max=0)
    async with client:
        if args.json:
            print_json(await client.stats())
        else:
            await watch(client, Top(f"acd {args.host}:{args.port}"), console, sys.stdin.fileno(), stop)
    return 0


COMMAND = Command(
    name="top",
    summary="watch a running server live: queues, agents, and why a contact waits",
    example="acd top\nacd top --host 10.0.0.5 --port 7410\nacd top --json",
    add_arguments=add_connection_options,
    run=_run,
)
