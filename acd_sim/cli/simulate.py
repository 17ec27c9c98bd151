"""`acd simulate`: a scenario through the engine in virtual time."""

import argparse
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from acd_protocol.cli import EXIT_INTERRUPTED, EXIT_USAGE, Command, add_json_option, fail, print_json

if TYPE_CHECKING:
    from acd_sim.planner.alternatives import Told

NEEDED = ("numpy", "scipy", "matplotlib")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `acd simulate`."""
    parser.add_argument("scenario", type=Path, metavar="SCENARIO.toml", help="what to simulate: see docs/simulation.md")
    parser.add_argument(
        "--compare",
        type=Path,
        action="extend",
        nargs="+",
        default=[],
        metavar="OTHER.toml",
        help="other scenarios, played with the same callers and reported by their differences",
    )
    parser.add_argument(
        "--sweep",
        action="append",
        default=[],
        metavar="KEY=A,B,C",
        help="play the scenario with each of these values of a key, such as teams.front.count=10,12,14; repeated, all"
        " combinations",
    )
    add_run_options(parser)
    parser.add_argument("--report", type=Path, metavar="OUT.html", help="write a report with plots, one page")
    parser.add_argument("--csv", type=Path, metavar="DIR", help="write the figures as CSV files")
    parser.add_argument("--png", type=Path, metavar="DIR", help="write the plots as PNG files")
    add_json_option(parser)


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """`--replications`, `--seed` and `--processes`."""
    parser.add_argument(
        "--replications", type=positive, metavar="N", help="how many times it is played (else the scenario says)"
    )
    parser.add_argument(
        "--seed", type=natural, metavar="N", help="equal seeds give equal callers (else the scenario's)"
    )
    parser.add_argument(
        "--processes", type=positive, metavar="N", help="over how many to spread the work (one for each processor)"
    )


def positive(text: str) -> int:
    """A whole number from 1, for argparse."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is too small; it must be 1 or more")
    return number


def natural(text: str) -> int:
    """A whole number from 0, for argparse."""
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is too small; it must be 0 or more")
    return number


positive.__name__ = natural.__name__ = "whole number"


def missing_extra() -> str | None:
    """A sentence when packages of the extra are not installed."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if not missing:
        return None
    return f"simulating needs {', '.join(missing)}: pip install 'acd-engine[simulate]'"


@contextmanager
def progress_told(console: Console) -> Iterator["Told | None"]:
    """A progress bar on a terminal; elsewhere nothing."""
    if not console.is_terminal:
        yield None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[done]} done"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("", total=1.0, done=0)

        def told(label: str, share: float, done: int) -> None:
            progress.update(bar, description=label, completed=share, done=done)

        yield told


def run(args: argparse.Namespace) -> int:
    """Carry `acd simulate` out; gives the exit status."""
    if (sentence := missing_extra()) is not None:
        return fail(sentence, EXIT_USAGE)
    from acd_sim.planner.alternatives import alternatives_of, play
    from acd_sim.planner.summary import report_of
    from acd_sim.planner.tables import print_report, write_csv
    from acd_sim.scenario.document import ScenarioError
    from acd_sim.virtual import SimulationError

    try:
        alternatives = alternatives_of(args.scenario, args.compare, args.sweep)
    except ScenarioError as error:
        return fail(str(error), EXIT_USAGE)
    try:
        with progress_told(Console(stderr=True)) as told:
            played = play(
                alternatives, seed=args.seed, replications=args.replications, processes=args.processes, told=told
            )
    except SimulationError as error:
        return fail(str(error))
    if not played:
        return fail("stopped before anything was finished; there is no report", EXIT_INTERRUPTED)
    report = report_of(played)
    console = Console(highlight=False)
    try:
        if args.csv is not None:
            write_csv(report, args.csv)
        if args.png is not None:
            from acd_sim.planner.pictures import write_png

            write_png(report, args.png)
        if args.report is not None:
            from acd_sim.planner.page import page_of

            args.report.write_text(page_of(report), "utf-8")
    except OSError as error:
        return fail(f"the report cannot be written: {error}")
    if args.json:
        print_json(report)
    else:
        print_report(report, console)
        for path in (args.report, args.csv, args.png):
            if path is not None:
                console.print(f"written: {path}", soft_wrap=True)
    return EXIT_INTERRUPTED if played[-1].study.interrupted else 0


COMMAND = Command(
    name="simulate",
    summary="Play a scenario through the engine in virtual time, and report what it costs and gives.",
    example="acd simulate examples/scenarios/first.toml\n"
    "acd simulate examples/scenarios/first.toml --sweep teams.front.count=10,11,12 --report report.html\n"
    "acd simulate examples/scenarios/hotline.toml --compare examples/scenarios/first.toml --json",
    add_arguments=add_arguments,
    run=run,
)
