"""`acd explain`: why a contact waits, what keeps an agent free, or why an offer was made, in words."""

import argparse
import os
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from acd_core.explain import AgentExplanation, ContactExplanation, explain_agent, explain_contact
from acd_core.explain_offer import OfferExplanation, explain_offer
from acd_core.obstacles import CONDITION_WORDS
from acd_protocol.cli import (
    EXIT_FAILED,
    EXIT_USAGE,
    Command,
    add_connection_options,
    fail,
    print_json,
    run_with_client,
)
from server.cli.table import NS_PER_S, duration, print_table, print_text
from server.clock import wall_ns
from server.errors import ServerError
from server.past import Progress, decision_of, state_at

if TYPE_CHECKING:
    from acd_protocol.client import Client

_PROGRESS_EVERY = 20_000
_R = TypeVar("_R")


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=["contact", "agent", "offer"])
    parser.add_argument("id", metavar="ID")
    parser.add_argument(
        "--at",
        metavar="TIME",
        type=_instant,
        help="as it was at this engine time, from the journal: 14:03:20 of today, 2026-11-22T14:03:20, "
        "either with a fraction, or nanoseconds since 1970; offers need none",
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(os.environ.get("ACD_DATA") or "acd-data"),
        help="directory of the journal, for --at and offers; a server may work in it (ACD_DATA, else ./acd-data)",
    )
    add_connection_options(parser)


def _instant(text: str) -> int:
    """Nanoseconds since 1970."""
    if text.isdecimal():
        return int(text)
    now = datetime.fromtimestamp(wall_ns() / NS_PER_S).astimezone()
    whole = text if "T" in text or " " in text else f"{now:%Y-%m-%d}T{text}"
    found = datetime.fromisoformat(whole)
    found = found if found.tzinfo else found.replace(tzinfo=now.tzinfo)
    return int(found.timestamp()) * NS_PER_S + found.microsecond * 1000


_instant.__name__ = "time"  # argparse says "invalid time value"


def _run(args: argparse.Namespace) -> int:
    if args.what == "offer" and args.at is not None:
        return fail("an offer has its own time: leave --at out", EXIT_USAGE)
    if args.what == "offer" or args.at is not None:
        try:
            return _from_journal(args)
        except ServerError as error:
            return fail(str(error), error.exit_status)

    async def show(client: "Client") -> int:
        found = await client.explain(**{args.what: args.id})
        if args.json:
            print_json(found)
        elif args.what == "contact":
            _show_contact(msgspec.convert(found, ContactExplanation))
        else:
            _show_agent(msgspec.convert(found, AgentExplanation))
        return 0

    return run_with_client(args, show)


def _from_journal(args: argparse.Namespace) -> int:
    found: Any
    if args.what == "offer":
        found = explain_offer(_with_progress(lambda progress: decision_of(args.data, args.id, progress)))
    else:
        machine = _with_progress(lambda progress: state_at(args.data, args.at, progress))
        explain = explain_contact if args.what == "contact" else explain_agent
        found = explain(machine, args.id, now=args.at)
        if found is None:
            return fail(f"there was no {args.what} {args.id} at {_clock(args.at)}", EXIT_FAILED)
    if args.json:
        print_json(found)
    elif args.what == "offer":
        _show_offer(found)
    else:
        print_text(f"At {_clock(args.at)}:")
        (_show_contact if args.what == "contact" else _show_agent)(found)
    return 0


class _Told:
    """Tells on a terminal how far a reading of the journal is."""

    def __init__(self) -> None:
        self._rounds = 0

    def __call__(self, applied: int, now_ns: int) -> None:
        if applied // _PROGRESS_EVERY > self._rounds:
            self._rounds = applied // _PROGRESS_EVERY
            sys.stderr.write(f"\r{applied:,} commands, up to {_clock(now_ns)} ")
            sys.stderr.flush()

    def over(self) -> None:
        """Leave no trace."""
        if self._rounds:
            sys.stderr.write("\r\033[K")


def _with_progress(work: Callable[[Progress], _R]) -> _R:
    """Do what may take long."""
    if not sys.stderr.isatty():
        return work(lambda _applied, _now: None)
    told = _Told()
    try:
        return work(told)
    finally:
        told.over()


def _clock(ns: int) -> str:
    """An instant of engine time, in this machine's time zone."""
    return f"{datetime.fromtimestamp(ns // NS_PER_S).astimezone():%Y-%m-%d %H:%M:%S}.{ns // 1_000_000 % 1000:03}"


def _show_contact(explanation: ContactExplanation) -> None:
    print_text(explanation.summary)
    if explanation.trail:
        print_text("")
    for line in explanation.trail:
        print_text(f"{line}.")
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


def _show_agent(explanation: AgentExplanation) -> None:
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


def _show_offer(explanation: OfferExplanation) -> None:
    print_text(f"{explanation.offer}, {_clock(explanation.at_ns)}: {explanation.summary}")
    print_text("")
    if explanation.looked == "contact":
        columns = ["agent", "rank", explanation.strategy, "idle order"]
        rows: list[tuple[object, ...]] = [
            (row.name, row.rank, row.precedence, row.idle_order) for row in explanation.candidates
        ]
        if explanation.strategy == "longest_idle":
            columns[2] = "in hand"
        if any(row.occupied_percent for row in explanation.candidates):
            columns.insert(3, "occupied")
            rows = [
                (row.name, row.rank, row.precedence, f"{row.occupied_percent} %", row.idle_order)
                for row in explanation.candidates
            ]
    else:
        columns = ["contact", "rank", "level", "urgency", "waited"]
        rows = [
            (row.name, row.rank, row.level, duration(row.urgency_s * NS_PER_S), duration(row.waited_s * NS_PER_S))
            for row in explanation.candidates
        ]
    print_table(columns, rows, numbers=columns[1:])
    if explanation.eligible > len(rows):
        sys.stdout.write(f"… and {explanation.eligible - len(rows)} more\n")
    if explanation.kept_out:
        print_text("")
        print_table(
            ["other agents" if explanation.looked == "contact" else "other contacts: the agent was", "all"],
            [(CONDITION_WORDS[row.condition], row.count) for row in explanation.kept_out],
            numbers=["all"],
        )


COMMAND = Command(
    name="explain",
    summary="tell why a contact waits, what keeps an agent free, or why an offer was made, now or in the past",
    example="acd explain contact c-77\n"
    "acd explain agent a-12 --json\n"
    "acd explain contact c-77 --at 14:03:20 --data /var/lib/acd\n"
    "acd explain offer o-512 --data /var/lib/acd",
    add_arguments=_add_arguments,
    run=_run,
)
