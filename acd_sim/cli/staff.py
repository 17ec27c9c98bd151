"""`acd staff`: how many agents a scenario needs, by team and interval."""

import argparse
import csv
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console
from rich.table import Table

from acd_protocol.cli import EXIT_INTERRUPTED, EXIT_USAGE, Command, add_json_option, fail, print_json
from acd_sim.cli.simulate import add_run_options, missing_extra

if TYPE_CHECKING:
    from acd_sim.planner.staffing import Staffing
    from acd_sim.planner.summary import Summary

REPLICATIONS = 40


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `acd staff`."""
    parser.add_argument(
        "scenario",
        type=Path,
        metavar="SCENARIO.toml",
        help="who calls and which teams there are; the counts and shifts of teams with a count are not read",
    )
    parser.add_argument(
        "--service-level", type=_share, metavar="S", help="share to be answered in time (else the scenario's goal)"
    )
    parser.add_argument("--abandonment", type=_share, metavar="S", help="at most this share may give up")
    parser.add_argument("--occupancy", type=_share, metavar="S", help="agents may be no busier than this")
    add_run_options(parser)
    parser.add_argument("--report", type=Path, metavar="OUT.html", help="write a report of the plan, one page")
    parser.add_argument("--csv", type=Path, metavar="FILE.csv", help="write the plan as a CSV file")
    add_json_option(parser)


def _share(text: str) -> float:
    share = float(text)
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"{text} is no share; write 0.8 for 80 %")
    return share


_share.__name__ = "share"  # argparse says "invalid share value"


def run(args: argparse.Namespace) -> int:
    """Carry `acd staff` out; gives the exit status."""
    if (sentence := missing_extra()) is not None:
        return fail(sentence, EXIT_USAGE)
    from acd_sim.planner.staffing import find_staff
    from acd_sim.planner.summary import report_of
    from acd_sim.scenario.build import build, read
    from acd_sim.scenario.document import ScenarioError
    from acd_sim.virtual import SimulationError

    console = Console(stderr=True)
    try:
        document = read(args.scenario)
        goals = build(document).scenario.goals
        given = {name: getattr(args, name) for name in goals.__struct_fields__ if getattr(args, name) is not None}
        goals = msgspec.structs.replace(goals, **given)
        with console.status("") as status:

            def told(what: str, hours: int) -> None:
                status.update(f"{what}: {hours} agent hours")

            found = find_staff(
                document,
                goals,
                seed=args.seed if args.seed is not None else 1,
                replications=args.replications or REPLICATIONS,
                processes=args.processes,
                told=told if console.is_terminal else None,
            )
    except ScenarioError as error:
        return fail(str(error), EXIT_USAGE)
    except SimulationError as error:
        return fail(str(error))
    except KeyboardInterrupt:
        return fail("stopped before a plan was found", EXIT_INTERRUPTED)
    report = report_of([found.played])
    try:
        if args.csv is not None:
            _write_csv(found, report.alternatives[0], args.csv)
        if args.report is not None:
            from acd_sim.planner.page import page_of

            args.report.write_text(page_of(report), "utf-8")
    except OSError as error:
        return fail(f"the plan cannot be written: {error}")
    if args.json:
        plan = {name: getattr(found, name) for name in found.__struct_fields__ if name != "played"}
        print_json({**plan, "goals": goals, "checked": report.alternatives[0]})
    else:
        _print(found, report.alternatives[0])
    return 0 if found.reached else 1


def _print(found: "Staffing", checked: "Summary") -> None:
    from acd_sim.planner.words import shown

    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("from")
    table.add_column("offered", justify="right")
    for name in found.plan:
        table.add_column(name, justify="right")
    table.add_column("formula", justify="right")
    table.add_column("service level", justify="right")
    table.add_column("abandoned", justify="right")
    table.add_column("occupancy", justify="right")
    for interval in checked.intervals:
        places = [number for number, start in enumerate(found.starts_s) if start % 86_400 == interval.from_s % 86_400]
        if len(places) > 1 and not any(found.plan[name][place] for name in found.plan for place in places):
            continue
        table.add_row(
            interval.label,
            shown(interval.total["offered"], "", interval=False),
            *(_range([found.plan[name][place] for place in places]) for name in found.plan),
            _range([sum(guess[place] for guess in found.guess.values()) for place in places]),
            shown(interval.total["service_level"], "%"),
            shown(interval.total["abandonment"], "%", interval=False),
            shown(interval.total["occupancy"], "%", interval=False),
        )
    console.print(table)
    console.print(
        f"{found.plan_hours:g} agent hours; the formula alone says {found.guess_hours:g}. {found.plays} plans tried; the"
        f" figures are those of the last one with {checked.replications} days of other callers.",
        soft_wrap=True,
    )
    if not found.reached:
        console.print(
            "The goals could not be reached: see which contacts no team can serve, and max_wait_s.", style="red"
        )


def _range(numbers: list[int]) -> str:
    low, high = min(numbers, default=0), max(numbers, default=0)
    return str(low) if low == high else f"{low}–{high}"


def _write_csv(found: "Staffing", checked: "Summary", path: Path) -> None:
    levels = {interval.from_s: interval.total["service_level"].mean for interval in checked.intervals}
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(("from_s", "team", "agents", "formula", "service_level_of_all"))
        for name, staff in found.plan.items():
            for number, start in enumerate(found.starts_s):
                writer.writerow((start, name, staff[number], found.guess[name][number], levels.get(start % 86_400)))


COMMAND = Command(
    name="staff",
    summary="Find how many agents each team needs in each interval for a goal.",
    example="acd staff examples/scenarios/first.toml --service-level 0.8\n"
    "acd staff examples/scenarios/outsourcer.toml --abandonment 0.03 --csv plan.csv --report plan.html",
    add_arguments=add_arguments,
    run=run,
)
