"""`make oracles`: play every case, print the table. Exit status 0 when all is within, 1 when something is not."""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence

from msgspec import json
from rich.console import Console

from acd_sim.oracles import (
    agent_choice,
    announcements,
    blending,
    call_choice,
    callback_day,
    callbacks,
    day,
    invariants,
    other_simulator,
    single_queue,
    skills,
)
from acd_sim.oracles.case import Case, Verdict, play, verdicts

MODULES = (single_queue, skills, call_choice, agent_choice, announcements, blending, callbacks, day, callback_day)
NOT_HERE = (
    "queue ratios whose queues may be equally far above their shares: who has waited longest goes first, and no formula knows",
    "dialler pacing, pairing by value, batch matching: the engine has none of them",
)
"""What is known and cannot be asked yet."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry the command out; gives the exit status."""
    args = _arguments(arguments)
    console = Console(highlight=False, stderr=args.json)
    began = time.perf_counter()
    cases = [case for case in _cases(args, console) if args.only in case.name]
    if not cases:
        print(f"no oracle has {args.only!r} in its name", file=sys.stderr)
        return 2
    count = sum(len(case.figures) + 3 for case in cases)
    found: list[Verdict] = []
    contacts = 0
    console.print(f"[bold]{_line('oracle', 'figure', 'exact', 'simulated', '±', '')}[/]", soft_wrap=True)
    for case in cases:
        study = play(case, seed=args.seed, processes=args.jobs or None, share=args.share)
        if study.interrupted:
            console.print("interrupted")
            return 130
        contacts += sum(replication.contacts for replication in study.replications)
        rows = verdicts(case, study, count) + invariants.verdicts(case, study, count)
        found += rows
        _show(console, rows)
    if args.only in "call choice":
        rows = list(call_choice.pairs(args.seed))
        found += rows
        _show(console, rows)
    off = [row for row in found if not row.within]
    took = time.perf_counter() - began
    if args.json:
        print(json.encode({"verdicts": found, "contacts": contacts, "seconds": round(took, 1)}).decode())
        return 1 if off else 0
    console.print()
    console.print(
        f"{len(found)} figures, {len(off)} of them off; {contacts:,} contacts in {took:.0f} s. ± is a 95 % interval; "
        "a figure is off when it differs by more than all of them together would in 1 of 100 tables.",
        soft_wrap=True,
    )
    for line in NOT_HERE:
        console.print(f"not asked: {line}", soft_wrap=True)
    return 1 if off else 0


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m acd_sim.oracles",
        description="The engine in virtual time against exact results.",
        epilog="example:\n  python -m acd_sim.oracles --only 'Erlang A' --share 0.2",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", default="", metavar="TEXT", help="only oracles with this in their name")
    parser.add_argument("--share", type=float, default=1.0, help="of the length of all runs (%(default)g)")
    parser.add_argument("--seed", type=int, default=1, help="of all runs (%(default)s)")
    parser.add_argument("--jobs", type=int, default=0, help="processes (one for each processor)")
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    args = parser.parse_args(arguments)
    if not 0 < args.share <= 100:
        parser.error("--share must be above 0, and 100 at most")
    return args


def _cases(args: argparse.Namespace, console: Console) -> Iterator[Case]:
    for module in MODULES:
        yield from module.cases()
    if args.only and not any(
        args.only in f"{other_simulator.SOURCE}: {small.name}" for small in other_simulator.MODELS
    ):
        return
    if other_simulator.available():
        yield from other_simulator.cases(processes=args.jobs or None)
    else:
        console.print("not asked: the other simulator; pip install ciw", soft_wrap=True)


def _show(console: Console, rows: Sequence[Verdict]) -> None:
    for row in rows:
        verdict = "within" if row.within else "[bold red]OFF[/]"
        source = f"  ({row.source})" if row.source else ""
        line = _line(
            row.oracle, row.figure, _number(row.exact), _number(row.simulated), _number(row.half_width), verdict
        )
        console.print(line + source, soft_wrap=True)


def _line(oracle: str, figure: str, exact: str, simulated: str, half_width: str, verdict: str) -> str:
    return f"{oracle[:46]:46} {figure[:40]:40} {exact:>10} {simulated:>10} {half_width:>9}  {verdict}"


def _number(value: float) -> str:
    return f"{value:.5f}" if abs(value) < 1 else f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"


if __name__ == "__main__":
    sys.exit(main())
