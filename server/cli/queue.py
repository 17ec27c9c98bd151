"""`acd queue`: close a queue at once, whatever its hours, and open it again."""

import argparse
import sys
from typing import TYPE_CHECKING

import msgspec

from acd_core.commands import QueueClose, QueueOpen
from acd_core.views import QueueView
from acd_protocol.cli import EXIT_USAGE, Command, add_connection_options, fail, print_json, run_with_client
from acd_protocol.messages import List
from server.cli.table import printable

if TYPE_CHECKING:
    from acd_protocol.client import Client


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=["close", "open"], help="open ends what close began; the hours hold again")
    parser.add_argument("queue", metavar="TENANT/QUEUE")
    parser.add_argument("--reason", default="", help="for close: why, shown wherever the queue is shown")
    add_connection_options(parser)


def _run(args: argparse.Namespace) -> int:
    tenant, slash, name = args.queue.partition("/")
    if not slash or not tenant or not name:
        return fail(f"{args.queue}: write the queue as tenant/queue, such as acme/support", EXIT_USAGE)
    if args.reason and args.what == "open":
        return fail("--reason is for close", EXIT_USAGE)

    async def change(client: "Client") -> int:
        command = (
            QueueClose(tenant=tenant, queue=name, reason=args.reason)
            if args.what == "close"
            else QueueOpen(tenant=tenant, queue=name)
        )
        answer = await client.call(command)
        rows = (await client.call(List(what="queues", tenant=tenant, queue=name))).result
        (view,) = msgspec.convert(rows, list[QueueView])
        if args.json:
            print_json({"queue": args.queue, "changed": not answer.duplicate, "closed": view.closed})
            return 0
        unchanged = " already" if answer.duplicate else ""
        sys.stdout.write(printable(f"{args.queue} is{unchanged} {view.closed_words or 'open'}") + "\n")
        return 0

    return run_with_client(args, change)


COMMAND = Command(
    name="queue",
    summary="close a queue at once, or open it again",
    example='acd queue close acme/support --reason "fire alarm"\nacd queue open acme/support',
    add_arguments=_add_arguments,
    run=_run,
)
