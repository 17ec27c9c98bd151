"""`acd explain`: why a contact waits, or what keeps an agent free, in words."""

import argparse
import sys
from typing import TYPE_CHECKING, Any

import msgspec

from acd_core.explain import CONDITION_WORDS, AgentExplanation, ContactExplanation
from acd_protocol.cli import Command, add_connection_options, print_json, run_with_client
from server.cli.table import print_table, print_text

if TYPE_CHECKING:
    from acd_protocol.client import Client


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=["contact", "agent"])
    parser.add_argument("id", metavar="ID")
    add_connection_options(parser)


def _run(args: argparse.Namespace) -> int:
    async def show(client: "Client") -> int:
        found = await client.explain(**{args.what: args.id})
        if args.json:
            print_json(found)
        elif args.what == "contact":
            _show_contact(found)
        else:
            _show_agent(found)
        return 0

    return run_with_client(args, show)


def _show_contact(found: Any) -> None:
    explanation = msgspec.convert(found, ContactExplanation)
    print_text(explanation.summary)
    if explanation.conditions:
        print_text("")
        print_table(
            ["agents logged in", "all", "who qualify"],
            [(CONDITION_WORDS[row.condition], row.agents, row.qualified) for row in explanation.conditions],
            numbers=["all", "who qualify"],
        )
    if explanation.agents:
        print_text("")
        print_table(
            ["agent", "qualifies", "what keeps him from it"],
            [
                (row.agent, "yes" if row.qualified else "no", row.text)
                for row in sorted(explanation.agents, key=lambda row: not row.qualified)
            ],
        )
    if explanation.agents_left_out:
        sys.stdout.write(f"… and {explanation.agents_left_out} more agents\n")


def _show_agent(found: Any) -> None:
    explanation = msgspec.convert(found, AgentExplanation)
    print_text(explanation.summary)
    if explanation.queues:
        print_text("")
        print_table(
            ["queue", "waiting", "could serve", "what keeps him from the others"],
            [
                (
                    f"{row.tenant}/{row.queue}",
                    row.waiting,
                    row.could_serve,
                    "; ".join(f"{obstacle.text} ({obstacle.contacts})" for obstacle in row.obstacles) or "-",
                )
                for row in explanation.queues
            ],
            numbers=["waiting", "could serve"],
        )
    if not explanation.exact:
        sys.stdout.write("more contacts are live than were looked at; the counts are of the first to arrive\n")


COMMAND = Command(
    name="explain",
    summary="tell why a contact waits, or what keeps an agent free",
    example="acd explain contact c-77\nacd explain agent a-12 --json",
    add_arguments=_add_arguments,
    run=_run,
)
