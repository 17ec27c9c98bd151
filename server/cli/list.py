"""`acd list`: the queues, agents or live contacts of a server."""

import argparse
import sys
from typing import TYPE_CHECKING, Any

import msgspec

from acd_core.service_level import service_level
from acd_core.views import AGENT_STATES, CONTACT_STATES, AgentView, QueueView
from acd_protocol.cli import EXIT_USAGE, Command, add_connection_options, fail, print_json, run_with_client
from acd_protocol.messages import List, ListedContact
from server.cli.table import duration, forecast, percent, print_table

if TYPE_CHECKING:
    from acd_protocol.client import Client

LIMIT_MAX = 100_000


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what", choices=["queues", "agents", "contacts"], help="contacts come in the order of their arrival"
    )
    parser.add_argument("--tenant", help="only of this tenant")
    parser.add_argument("--queue", help="only of this queue; for queues and contacts")
    parser.add_argument(
        "--state",
        metavar="STATE",
        choices=sorted({*AGENT_STATES, *CONTACT_STATES}),
        help=f"only in this state; of agents: {', '.join(AGENT_STATES)}; of contacts: {', '.join(CONTACT_STATES)}",
    )
    parser.add_argument("--limit", type=_limit, default=1000, help="at most so many rows (%(default)s)")
    add_connection_options(parser)


def _limit(text: str) -> int:
    value = int(text)
    if not 1 <= value <= LIMIT_MAX:
        raise argparse.ArgumentTypeError(f"give a number in 1..{LIMIT_MAX}")
    return value


_limit.__name__ = "number"  # argparse says "invalid number value"


def _run(args: argparse.Namespace) -> int:
    if args.queue and args.what == "agents":
        return fail("--queue is for queues and contacts; agents belong to no queue", EXIT_USAGE)
    states = {"queues": (), "agents": AGENT_STATES, "contacts": CONTACT_STATES}[args.what]
    if args.state and args.state not in states:
        known = f"the states of {args.what} are {', '.join(states)}" if states else "queues have no state"
        return fail(f"--state {args.state}: {known}", EXIT_USAGE)

    async def show(client: "Client") -> int:
        asked = List(what=args.what, tenant=args.tenant, queue=args.queue, state=args.state, limit=args.limit)
        answer = await client.call(asked)
        rows: Any = answer.result
        if args.json:
            print_json(rows)
            return 0
        assert client.welcome is not None
        {"queues": _show_queues, "agents": _show_agents, "contacts": _show_contacts}[args.what](
            rows, client.welcome.time
        )
        if not rows:
            sys.stdout.write(f"no {args.what}\n")
        elif answer.more:
            how = "--limit shows more" if len(rows) == args.limit else "choose by --tenant, --queue or --state"
            sys.stdout.write(f"the first {len(rows)}; {how}\n")
        return 0

    return run_with_client(args, show)


def _show_queues(rows: Any, now_ns: int) -> None:
    if rows:
        print_table(
            ["queue", "state", "wait", "ring", "talk", "wrap", "oldest", "answered", "gave up", "level"],
            [
                (
                    f"{view.tenant}/{view.queue}",
                    view.closed_words or "open",
                    view.waiting,
                    view.offered,
                    view.connected,
                    view.wrapup,
                    duration(now_ns - view.oldest_ns) if view.oldest_ns else "-",
                    view.answered,
                    view.ended.get("abandoned", 0),
                    percent(*service_level([view])),
                )
                for view in msgspec.convert(rows, list[QueueView])
            ],
            numbers=["wait", "ring", "talk", "wrap", "oldest", "answered", "gave up", "level"],
        )


def _show_agents(rows: Any, now_ns: int) -> None:
    views = msgspec.convert(rows, list[AgentView])
    chosen = any(view.queues for view in views)
    if views:
        print_table(
            ["agent", "state", "for", "contact", "answered", "missed", *["queues"] * chosen, "skills"],
            [
                (
                    view.agent,
                    _agent_state(view),
                    duration(now_ns - view.since_ns) if view.presence != "logged_out" else "-",
                    view.contact or "-",
                    view.answered,
                    view.missed_total,
                    *[" ".join(view.queues) or "all"] * chosen,
                    " ".join(f"{skill}:{level}" for skill, level in view.skills.items()),
                )
                for view in views
            ],
            numbers=["for", "answered", "missed"],
        )


def _agent_state(view: AgentView) -> str:
    """One word, what it is for, and what comes after it."""
    words = [view.state.replace("_", " ")]
    if view.presence == "paused":
        words = (
            [words[0], f"(paused: {view.pause_reason})"] if view.activity != "none" else ["paused:", view.pause_reason]
        )
    elif view.activity == "cooldown":
        words.append(f"({view.cooldown_cause})")
    if view.logging_out:
        words.append("(logging out)")
    return " ".join(words)


def _show_contacts(rows: Any, now_ns: int) -> None:
    if rows:
        print_table(
            ["contact", "queue", "state", "waited", "place", "still", "prio", "agent", "asks for"],
            [
                (
                    view.contact,
                    f"{view.tenant}/{view.queue}",
                    "on hold" if view.held else view.state,
                    duration((view.connected_ns or now_ns) - view.enqueued_ns),
                    view.position or "-",
                    forecast(view.wait_estimate),
                    view.priority,
                    view.agent or "-",
                    view.require or "-",
                )
                for view in msgspec.convert(rows, list[ListedContact])
            ],
            numbers=["waited", "place", "still", "prio"],
        )


COMMAND = Command(
    name="list",
    summary="list the queues, agents or live contacts",
    example="acd list queues\n"
    "acd list contacts --tenant acme --queue support --state queued --limit 20\n"
    "acd list agents --state paused\n"
    "acd list agents --json",
    add_arguments=_add_arguments,
    run=_run,
)
