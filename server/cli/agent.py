"""`acd agent`: what a supervisor does with an agent by hand: ready, paused, logged out, and which queues he serves."""

import argparse
import sys
from typing import TYPE_CHECKING

import msgspec

from acd_core.commands import AgentLogout, AgentPause, AgentQueues, AgentReady, Command
from acd_core.views import AgentView
from acd_protocol.cli import EXIT_USAGE, add_connection_options, fail, print_json, run_with_client
from acd_protocol.cli import Command as CliCommand
from acd_protocol.messages import List
from server.cli.table import printable

if TYPE_CHECKING:
    from acd_protocol.client import Client

LISTED_MAX = 10_000
CHOICES = {
    "ready": "he gets contacts again",
    "pause": "no more contacts for him",
    "logout": "he leaves, after the conversation that he has",
    "join": "he serves these of his queues as well",
    "leave": "he serves these no longer",
    "serve": "he serves these and no others, or --all that are his",
}


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=CHOICES, help="; ".join(f"{what}: {why}" for what, why in CHOICES.items()))
    parser.add_argument("agent", metavar="AGENT")
    parser.add_argument("queues", metavar="TENANT/QUEUE", nargs="*", help="for join, leave and serve")
    parser.add_argument("--reason", default="", help="for pause")
    parser.add_argument("--all", action="store_true", help="for serve: all queues that are his")
    add_connection_options(parser)


def _command(args: argparse.Namespace) -> Command | str:
    """What is to be sent, or what is wrong with what was asked for."""
    queues = tuple(args.queues)
    if any(not all(path.partition("/")) for path in queues):
        return "write queues as tenant/queue, such as acme/support"
    if args.reason and args.what != "pause":
        return "--reason is for pause"
    if args.all and args.what != "serve":
        return "--all is for serve"
    if args.what in ("ready", "pause", "logout"):
        if queues:
            return f"{args.what} is for all queues; name queues with join, leave or serve"
        by_hand = {"ready": AgentReady(agent=args.agent), "logout": AgentLogout(agent=args.agent)}
        return by_hand.get(args.what) or AgentPause(agent=args.agent, reason=args.reason)
    if args.all == bool(queues):
        return "name the queues, or give --all" if args.what == "serve" else f"name the queues to {args.what}"
    if args.what == "join":
        return AgentQueues(agent=args.agent, join=queues)
    if args.what == "leave":
        return AgentQueues(agent=args.agent, leave=queues)
    return AgentQueues(agent=args.agent, queues=queues or None)


def _run(args: argparse.Namespace) -> int:
    command = _command(args)
    if isinstance(command, str):
        return fail(command, EXIT_USAGE)

    async def change(client: "Client") -> int:
        answer = await client.call(command)
        rows = msgspec.convert((await client.call(List(what="agents", limit=LISTED_MAX))).result, list[AgentView])
        view = next((row for row in rows if row.agent == args.agent), None)
        state = view.state if view else ""
        if args.json:
            queues = list(view.queues) if view else []
            print_json({"agent": args.agent, "changed": not answer.duplicate, "state": state, "queues": queues})
            return 0
        serves = " ".join(view.queues) if view and view.queues else "all his queues"
        unchanged = "; nothing was changed" if answer.duplicate else ""
        told = f"is {state.replace('_', ' ')}, serving {serves}" if view else "is as you wish"
        sys.stdout.write(printable(f"{args.agent} {told}{unchanged}") + "\n")
        return 0

    return run_with_client(args, change)


COMMAND = CliCommand(
    name="agent",
    summary="make an agent ready, pause him, log him out, or change which queues he serves",
    example="acd agent pause a-12 --reason training\n"
    "acd agent join a-12 acme/support acme/sales\n"
    "acd agent serve a-12 --all",
    add_arguments=_add_arguments,
    run=_run,
)
