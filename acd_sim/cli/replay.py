"""`acd replay`: what really happened, once more under other rules or with other staff."""

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acd_core.config import Config, ConfigError
from acd_core.toml import read_toml
from acd_protocol.cli import EXIT_INTERRUPTED, EXIT_USAGE, Command, add_json_option, fail, print_json
from acd_protocol.config_text import to_toml
from acd_protocol.journal_file import UnreadableJournal
from acd_protocol.journal_records import DamagedRecord
from acd_sim.recorded_calls import RecordError

if TYPE_CHECKING:
    from acd_sim.whatif.comparison import Column
    from acd_sim.whatif.past import Past
    from acd_sim.whatif.rerun import Rules, Told

DRAWS_MAX = 10_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `acd replay`."""
    parser.add_argument(
        "record",
        type=Path,
        metavar="RECORD",
        help="a server's data directory (stopped, or a copy), recorded calls as CSV, or Asterisk's queue_log",
    )
    parser.add_argument(
        "--from",
        dest="source",
        choices=("journal", "calls", "queue_log"),
        help="what the record is, should it not be recognised",
    )
    parser.add_argument(
        "--config",
        type=Path,
        action="append",
        default=[],
        metavar="FILE.toml",
        help="other rules, as for 'acd apply'; give it again for more of them. Without it the rules are the record's",
    )
    parser.add_argument(
        "--add-agent",
        type=_pair,
        action="append",
        default=[],
        metavar="NEW=OLD",
        help="an agent of the other configuration who works when OLD did",
    )
    parser.add_argument("--without", action="append", default=[], metavar="AGENT", help="an agent who does not come")
    parser.add_argument(
        "--draws",
        type=_count,
        default=20,
        metavar="N",
        help="how often to draw what the record does not tell, such as the patience of those who were answered"
        " (%(default)s)",
    )
    parser.add_argument("--seed", type=int, default=1, help="of the draws (%(default)s)")
    parser.add_argument(
        "--limit-days", type=_count, default=0, metavar="N", help="of recorded calls only the first N days"
    )
    parser.add_argument("--by-queue", action="store_true", help="a table for each queue, too")
    parser.add_argument(
        "--write-config", type=Path, metavar="FILE.toml", help="write the rules of the record, to change them; then end"
    )
    parser.add_argument("--html", type=Path, metavar="OUT.html", help="write it as one page, too")
    parser.add_argument("--jobs", type=_count, default=0, metavar="N", help="processes (one for each processor)")
    add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    """Carry `acd replay` out; gives the exit status."""
    try:
        from acd_sim.whatif import record_file
        from acd_sim.whatif.past import PastError
    except ImportError as error:
        return fail(f"{error.name} is not installed: pip install 'acd-engine[simulate]'", EXIT_USAGE)
    try:
        past = record_file.read(args.record, args.source, args.limit_days)
        if args.write_config is not None:
            args.write_config.write_text(to_toml(past.config), "utf-8")
            print(f"the rules of {args.record} are in {args.write_config}")
            return 0
        rules = _rules(args, past)
        return _replay(args, past, rules)
    except (PastError, UnreadableJournal, RecordError, ConfigError) as error:
        return fail(str(error), EXIT_USAGE)
    except DamagedRecord as error:
        return fail(str(error))
    except OSError as error:
        return fail(f"{error.filename} cannot be read or written: {error.strerror}", EXIT_USAGE)
    except KeyboardInterrupt:
        return fail("interrupted before all draws were done", EXIT_INTERRUPTED)


COMMAND = Command(
    name="replay",
    summary="Ask what would have been: a record again, under other rules or with other staff.",
    example="acd replay acd-data\n"
    "acd replay acd-data --config other.toml\n"
    "acd replay acd-data --config two-more.toml --add-agent a-61=a-12 --add-agent a-62=a-13 --json\n"
    "acd replay acd-data --config other.toml --html what-if.html\n"
    "acd replay calls.csv.gz --write-config rules.toml\n"
    "acd replay /var/log/asterisk/queue_log --config rules.toml",
    add_arguments=add_arguments,
    run=run,
)


def _rules(args: argparse.Namespace, past: "Past") -> "list[Rules]":
    """The rules of the record first, then the others."""
    from acd_sim.whatif.past import PastError
    from acd_sim.whatif.rerun import Rules

    known = {agent.agent for agent in past.config.agents}
    added, removed = dict(args.add_agent), frozenset(args.without)
    configs: list[tuple[str, Config | None]] = [
        (path.stem, read_toml(path.read_text("utf-8"), str(path))) for path in args.config
    ]
    if not configs and (added or removed):
        configs.append(("other staff", None))
    for agent in (*added.values(), *removed):
        if agent not in known:
            raise PastError(f"there is no agent {agent!r} in the record")
    for name, config in configs:
        agents = {agent.agent for agent in (config or past.config).agents}
        for agent in added:
            if agent not in agents:
                raise PastError(f"{name}: there is no agent {agent!r} to add; write him into the configuration")
    if past.configs > 1 and args.config:
        past.notes = (
            *past.notes,
            f"the record applies {past.configs} configurations; the other one holds from the first on",
        )
    return [
        Rules(name="same rules"),
        *(Rules(name=name, config=config, added=added, removed=removed) for name, config in configs),
    ]


def _replay(args: argparse.Namespace, past: "Past", rules: "Sequence[Rules]") -> int:
    from acd_sim.whatif.comparison import Comparison
    from acd_sim.whatif.draws import rerun_all

    # The rules of a journal alone need no draws: nothing is left to chance until the record ends.
    draws = 1 if len(rules) == 1 and past.trail is not None else args.draws
    processes = args.jobs or len(os.sched_getaffinity(0))
    told = _watched(
        lambda progress: rerun_all(past, rules, draws=draws, seed=args.seed, processes=processes, progress=progress)
    )
    comparison = Comparison(past, rules[-1].config or past.config)
    columns = [] if past.trail is not None else [comparison.record()]
    columns.append(comparison.column("same rules", told[0]))
    for other, runs in zip(rules[1:], told[1:], strict=True):
        columns.append(comparison.column(other.name, runs, told[0]))
    repeated = None if past.trail is None else all(run.trail == past.trail for run in told[0])
    if args.html is not None:
        from acd_sim.whatif.page import page_of

        args.html.write_text(page_of(past, columns, draws, repeated), "utf-8")
    if args.json:
        print_json(
            {
                "record": past.source,
                "contacts": len(past.contacts),
                "repeated": repeated,
                "trail": past.trail,
                "draws": draws,
                "seed": args.seed,
                "columns": columns,
                "notes": past.notes,
            }
        )
    else:
        _print(past, columns, told[0], draws, repeated, args.by_queue)
        if args.html is not None:
            print(f"the page is {args.html}")
    return 1 if repeated is False else 0


def _watched(work: "Callable[[Callable[[float], None] | None], list[list[Told]]]") -> "list[list[Told]]":
    """Do it with a bar in the terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        return work(None)
    columns = (TextColumn("it happens again"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("", total=1.0)
        return work(lambda share: progress.update(bar, completed=share))


def _print(
    past: "Past", columns: "Sequence[Column]", base: "Sequence[Told]", draws: int, repeated: bool | None, by_queue: bool
) -> None:
    from rich.console import Console

    from acd_sim.whatif import wording

    console = Console(highlight=False)
    console.print(f"{past.source}: {len(past.contacts):,} contacts", markup=False, soft_wrap=True)
    if repeated is not None and past.trail is not None:
        trail = past.trail
        verdict = (
            f"the same rules give back what happened: {trail.events:,} events and the state {trail.digest[:16]}, equal"
            if repeated
            else f"the same rules do NOT give back what happened: {trail.events:,} events before, "
            f"{base[0].trail.events:,} now; report this"
        )
        console.print(verdict, soft_wrap=True)
    console.print()
    plain = [column for column in columns if not column.differences]
    for path in columns[0].figures if by_queue else [""]:
        console.print(_as_it_was(path, plain))
        for column in columns:
            if column.differences:
                console.print(_difference(path, plain[-1], column))
    for line in wording.notes(past, columns, draws):
        console.print(line, markup=False, soft_wrap=True)


def _as_it_was(path: str, columns: "Sequence[Column]") -> Any:
    """The record, and the rerun under its rules."""
    from acd_sim.whatif import wording
    from acd_sim.whatif.comparison import MEASURES

    table = _table(path or "all queues", [column.name for column in columns])
    for measure in MEASURES:
        table.add_row(
            measure.title, *(wording.written(column.figures[path][measure.name], measure.unit) for column in columns)
        )
    return table


def _difference(path: str, base: "Column", column: "Column") -> Any:
    """Other rules beside those of the record."""
    from acd_sim.whatif import wording
    from acd_sim.whatif.comparison import MEASURES

    doubts = column.by_day if not path else {}
    heads = [base.name, column.name, "difference", "in 95 of 100 draws", *(["a day ±"] if doubts else [])]
    table = _table(f"{path or 'all queues'}: {column.name}", heads)
    for measure in MEASURES:
        difference = column.differences[path][measure.name]
        row = [wording.mean(figures[path][measure.name], measure.unit) for figures in (base.figures, column.figures)]
        sign = "+" if difference.mean > 0 else ""
        row += [sign + wording.mean(difference, measure.unit), wording.spread(difference, measure.unit)]
        if doubts:
            doubt = doubts.get(measure.name)
            row.append("–" if doubt is None else f"± {wording.number(doubt.half_width, measure.unit)}")
        table.add_row(measure.title, *row)
    return table


def _table(title: str, heads: "Sequence[str]") -> Any:
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("")
    for head in heads:
        table.add_column(head, justify="right")
    return table


def _pair(text: str) -> tuple[str, str]:
    new, equals, old = text.partition("=")
    if not equals or not new or not old:
        raise argparse.ArgumentTypeError(f"{text!r} is not NEW=OLD")
    return new, old


def _count(text: str) -> int:
    number = int(text)
    if not 1 <= number <= DRAWS_MAX:
        raise argparse.ArgumentTypeError(f"{text} is out of range; it must be 1..{DRAWS_MAX}")
    return number


_pair.__name__ = "pair"
_count.__name__ = "number"
