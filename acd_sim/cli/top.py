"""`acd top`: a running server, live in the terminal."""

import argparse
import asyncio
import os
import signal
from datetime import datetime

import uvloop
from rich.console import Console

from acd_protocol.cli import (
    EXIT_USAGE,
    Command,
    add_connection_options,
    connect_sentence,
    fail,
    print_json,
)
from acd_protocol.client import Client, ClientError, ConnectionLost
from acd_sim.liveview import NS_PER_S, LiveView
from acd_sim.screen import watch


def run(args: argparse.Namespace) -> int:
    """Carry `acd top` out; gives the exit status."""
    try:
        return uvloop.run(_session(args))
    except ConnectionLost as lost:
        return fail(connect_sentence(args.host, args.port, lost.__cause__ or lost), EXIT_USAGE)
    except ClientError as error:
        return fail(str(error))


COMMAND = Command(
    name="top",
    summary="Watch a running server: queues, agents, service level, last decisions.",
    example="acd top\nacd top --host 10.0.0.5 --port 7410\nacd top --json",
    add_arguments=add_connection_options,
    run=run,
)


async def _session(args: argparse.Namespace) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    client = Client(
        args.host,
        args.port,
        name=f"top-{os.getpid()}",
        token=args.token,
        connect_deadline_s=0,
        reconnect_deadline_s=None,
        events_max=0,
    )
    async with client:
        if args.json:
            print_json(await client.stats())
            return 0
        console = Console()
        if not console.is_terminal:
            return fail("there is no terminal to draw on; --json prints the figures once", EXIT_USAGE)
        await watch(client, LiveView(f"ACD {args.host}:{args.port}", _clock, "Ctrl-C ends"), console, stop)
    return 0


def _clock(ns: int) -> str:
    """Engine time as the local time of day; nothing before the first answer."""
    return f"{datetime.fromtimestamp(ns // NS_PER_S).astimezone():%H:%M:%S}" if ns else ""
