"""`make goals`: what the engine shall reach, what it reaches now, and by how much; exit status 1 when a must is missed.

Goals are ratios of things that were measured in the same run on the same machine, so they mean the same on any. A goal is
`reached` where its ambitious value is, `met` where its must is, `MISSED` otherwise, and `not measured` with a reason.
"""

import argparse
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from acd_sim.load.floor import Shape
from bench.figures import core, cpp, path, peers, profile
from bench.figures.samples import Figures, Spread
from bench.figures.scale import SCALES, Scale

ROOT = Path(__file__).resolve().parent.parent
REPORT = ROOT / "build" / "goals.json"

PARTS: tuple[tuple[str, Callable[[Figures, Scale], None]], ...] = (
    ("core beside C++", cpp.beside_cpp),
    ("core beside Python", core.against_python),
    ("growth of the core", core.growth),
    ("single commands", core.tails),
    ("memory", core.memory),
    ("two processes", core.two_processes),
    ("requests", path.requests),
    ("lifecycles", path.lifecycles),
    ("all features", path.features),
    ("latency", path.latency),
    ("latency by rate", path.by_rate),
    ("profile", profile.profile),
    ("costs of a contact", profile.costs),
    ("Redis", peers.redis),
    ("PostgreSQL", peers.postgres),
)


LEFT_OUT = "left out by --only"


class Goal(NamedTuple):
    """One line of the table.

    Attributes:
        number: as the goals are counted; growth targets from g1 on, those of memory from m1.
        what: what is compared.
        must, ambitious: limits of the ratio.
        at_least: whether more is better.
        unit: behind the numbers.
        parts: names of the parts of the run that it needs.
        measured: from the figures; None when one is missing.
    """

    number: str
    what: str
    must: float
    ambitious: float
    at_least: bool
    unit: str
    parts: tuple[str, ...]
    measured: Callable[[Figures, Scale], Spread | None]

    def verdict(self, found: Spread | None) -> str:
        """In a word."""
        if found is None:
            return "not measured"
        sign = 1 if self.at_least else -1
        if sign * found.median >= sign * self.ambitious:
            return "reached"
        return "met" if sign * found.median >= sign * self.must else "MISSED"


def _ratio(above: str, below: str) -> Callable[[Figures, Scale], Spread | None]:
    return lambda figures, _: figures.ratio(above, below) if figures.has(above, below) else None


def _core(above: str, below: str, agents: Callable[[Scale], int]) -> Callable[[Figures, Scale], Spread | None]:
    def measured(figures: Figures, scale: Scale) -> Spread | None:
        names = [core.name_of(name, Shape(agents(scale), 64)) for name in (above, below)]
        return figures.ratio(names[0], names[1]) if figures.has(*names) else None

    return measured


def _beside_cpp(theirs: str) -> Callable[[Figures, Scale], Spread | None]:
    """The worst of the centres that were tried."""

    def measured(figures: Figures, _: Scale) -> Spread | None:
        names = [name for name in figures.values if name.startswith(f"core.{theirs} ")]
        found = [figures.ratio(name.replace(theirs, "loop.again"), name) for name in names]
        return max(found, default=None)

    return measured


def _scaled(name: str, factor: float) -> Callable[[Figures, Scale], Spread | None]:
    return lambda figures, _: figures.spread(name, factor) if figures.has(name) else None


def _grown(pairs: Callable[[Scale], list[tuple[Shape, Shape]]]) -> Callable[[Figures, Scale], Spread | None]:
    """The worst growth of all pairs of centres that were measured."""

    def measured(figures: Figures, scale: Scale) -> Spread | None:
        names = [(core.name_of("loop", large), core.name_of("loop", small)) for small, large in pairs(scale)]
        found = [figures.ratio(large, small) for large, small in names if figures.has(large, small)]
        return max(found, default=None)

    return measured


def _agents(scale: Scale) -> list[tuple[Shape, Shape]]:
    return [
        (Shape(few, skills, waiting), Shape(many, skills, waiting))
        for few, many in pairwise(scale.agents)
        for skills in scale.skills
        for waiting in (0, scale.waiting[0])
    ]


def _most_agents(waiting: bool) -> Callable[[Scale], list[tuple[Shape, Shape]]]:
    return lambda scale: [
        (Shape(scale.agents[-1], skills, held), Shape(scale.large[0], skills, held))
        for skills in ((scale.skills[:2]) if waiting else (64,))
        for held in ((0, scale.waiting[0]) if waiting else (0,))
    ]


def _waiting(scale: Scale) -> list[tuple[Shape, Shape]]:
    steps = [
        (Shape(agents, 64, few), Shape(agents, 64, many))
        for few, many in pairwise(scale.waiting)
        for agents in scale.agents[-2:]
    ]
    return [*steps, (Shape(scale.agents[-2], 64, scale.waiting[-1]), Shape(scale.agents[-2], 64, scale.large[1]))]


def _skills(scale: Scale) -> list[tuple[Shape, Shape]]:
    return [
        (Shape(agents, few, waiting), Shape(agents, many, waiting))
        for few, many in pairwise(scale.skills)
        for agents in scale.agents
        for waiting in (0, scale.waiting[0])
    ]


GOALS: tuple[Goal, ...] = (
    Goal("1", "request and answer, 50 connections x 16: server CPU / C echo", 6, 3.5, False, "x", ("requests",), _ratio("wire.acd 50x16", "wire.echo 50x16")),
    Goal("2", "the same, 50 connections x 1", 1.8, 1.4, False, "x", ("requests",), _ratio("wire.acd 50x1", "wire.echo 50x1")),
    Goal("3a", "core in a compiled loop / plain C++ core of the same semantics", 1.3, 1.1, False, "x", ("core beside C++",), _beside_cpp("whole_cpp")),
    Goal("3b", "the same / plain C++ core of the decisions alone", 1.3, 1.1, False, "x", ("core beside C++",), _beside_cpp("cpp")),
    Goal("4a", "pure Python core / single calls from Python, 1,000 agents", 6, 8, True, "x", ("core beside Python",), _core("python", "calls", lambda scale: scale.agents[-2])),
    Goal("4b", "the same, 10,000 agents", 10, 13, True, "x", ("core beside Python",), _core("python", "calls", lambda scale: scale.agents[-1])),
    Goal("4c", "the same, 100,000 agents", 50, 80, True, "x", ("core beside Python",), _core("python", "calls", lambda scale: scale.large[0])),
    Goal("5a", "pure Python core / compiled loop, 1,000 agents", 12, 18, True, "x", ("core beside Python",), _core("python", "loop.beside", lambda scale: scale.agents[-2])),
    Goal("5b", "the same, 10,000 agents", 25, 35, True, "x", ("core beside Python",), _core("python", "loop.beside", lambda scale: scale.agents[-1])),
    Goal("5c", "the same, 100,000 agents", 120, 180, True, "x", ("core beside Python",), _core("python", "loop.beside", lambda scale: scale.large[0])),
    Goal("6", "Redis Lua without AOF / durable lifecycle, 64 in flight (CPU)", 6, 10, True, "x", ("Redis", "lifecycles"), _ratio("peer.redis", "path.durable 64")),
    Goal("7", "pure Python server / lifecycle not durable, 64 in flight (CPU)", 8, 13, True, "x", ("lifecycles",), _ratio("path.python 64", "path.memory 64")),
    Goal("8", "durable lifecycles a second, 64 in flight / PostgreSQL", 20, 40, True, "x", ("PostgreSQL", "lifecycles"), _ratio("path.durable 64 rate", "peer.postgres")),
    Goal("9", "lifecycle, 256 in flight: server CPU / three requests to C echo", 8, 4, False, "x", ("lifecycles",), _ratio("path.memory 256", "path.echo 256")),
    Goal("10", "all features on / bare path (CPU)", 2, 1.4, False, "x", ("all features",), _ratio("features.all", "features.bare")),
    Goal("11a", "durable offer at 10,000 a second, p50 / one flush", 5, 3.5, False, "x", ("latency",), _ratio("latency.durable offer p50", "latency.flush")),
    Goal("11b", "the same, p99 / one flush", 12, 8, False, "x", ("latency",), _ratio("latency.durable offer p99", "latency.flush")),
    Goal("12a", "offer not durable at 10,000 a second, p50 / echo round trip", 2, 1.3, False, "x", ("latency",), _ratio("latency.memory offer p50", "latency.echo")),
    Goal("12b", "the same, p99 / echo round trip", 4, 2.5, False, "x", ("latency",), _ratio("latency.memory offer p99", "latency.echo")),
    Goal("13", "throughput kept when durable, 256 in flight (CPU)", 0.5, 0.65, True, "x", ("lifecycles",), _ratio("path.memory 256", "path.durable 256")),
    Goal("14", "two engines in two processes / one", 1.8, 1.95, True, "x", ("two processes",), _ratio("two.both", "two.alone")),
    Goal("g1", "agents x10, to 10,000 (worst of the grid)", 2, 1.7, False, "x", ("growth of the core",), _grown(_agents)),
    Goal("g2", "agents 10,000 to 100,000 (worst)", 3.5, 2.5, False, "x", ("growth of the core",), _grown(_most_agents(waiting=True))),
    Goal("g3", "waiting x10 (worst)", 1.4, 1.25, False, "x", ("growth of the core",), _grown(_waiting)),
    Goal("g4", "skills x16 (worst)", 2.5, 2, False, "x", ("growth of the core",), _grown(_skills)),
    Goal("g5", "classes 640 to 100,000, 64 skills, 100,000 waiting", 8, 5, False, "x", ("growth of the core",), _ratio("core.classes many", "core.classes few")),
    Goal("g6", "idle agents who cannot serve x10, 64 skills", 2.5, 2, False, "x", ("growth of the core",), _grown(_most_agents(waiting=False))),
    Goal("g7", "one gives up out of 1,000,000 waiting / out of 1,000", 3, 2, False, "x", ("single commands",), _ratio("core.abandon many", "core.abandon few")),
    Goal("g8a", "slowest command at 10,000 agents, p99.9", 50, 20, False, "µs", ("single commands",), _scaled("core.event p999", 1e-3)),
    Goal("g8b", "the same, p99.99", 500, 50, False, "µs", ("single commands",), _scaled("core.event p9999", 1e-3)),
    Goal("m1", "memory of a contact that waits when all agents talk", 200, 200, False, "bytes", ("memory",), _scaled("memory.waiting", 1)),
    Goal("m2", "memory of an agent", 300, 300, False, "bytes", ("memory",), _scaled("memory.agent", 1)),
    Goal("m3", "100,000 agents and 1,000,000 waiting", 250, 250, False, "MB", ("memory",), _scaled("memory.all", 1)),
)  # fmt: skip


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A goal with what was found."""

    number: str
    what: str
    must: float
    ambitious: float
    at_least: bool
    unit: str
    median: float | None
    low: float | None
    high: float | None
    verdict: str
    why: str


def lines_of(figures: Figures, scale: Scale) -> list[Line]:
    """All goals."""
    lines = []
    for goal in GOALS:
        found = goal.measured(figures, scale)
        why = (
            "; ".join(figures.missing[part] for part in goal.parts if part in figures.missing) if found is None else ""
        )
        lines.append(
            Line(
                number=goal.number,
                what=goal.what,
                must=goal.must,
                ambitious=goal.ambitious,
                at_least=goal.at_least,
                unit=goal.unit,
                median=None if found is None else round(found.median, 3),
                low=None if found is None else round(found.low, 3),
                high=None if found is None else round(found.high, 3),
                verdict=goal.verdict(found),
                why=why or (LEFT_OUT if found is None else ""),
            )
        )
    return lines


def measure(scale: Scale, only: str, said: Callable[[str], None]) -> Figures:
    """All parts, or those whose name has one of these words in it."""
    figures = Figures()
    for name, part in PARTS:
        if any(word.strip().lower() in name.lower() for word in only.split(",")):
            figures.part(name, lambda figures, part=part: part(figures, scale), said)  # type: ignore[misc]
    return figures


def table(lines: list[Line]) -> str:
    """For people."""
    rows = [("", "goal", "must", "ambitious", "measured", "least .. most", "")]
    for line in lines:
        sign = ">=" if line.at_least else "<="
        measured = "" if line.median is None else f"{line.median:,.2f} {line.unit}"
        between = "" if line.low is None else f"{line.low:,.2f} .. {line.high:,.2f}"
        word = line.verdict if not line.why else f"{line.verdict}: {line.why}"
        rows.append(
            (line.number, line.what, f"{sign} {line.must:g}", f"{sign} {line.ambitious:g}", measured, between, word)
        )
    widths = [max(len(row[place]) for row in rows) for place in range(6)]
    return "\n".join(
        f"{row[0]:>{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]:>{widths[3]}}  {row[4]:>{widths[4]}}"
        f"  {row[5]:>{widths[5]}}  {row[6]}".rstrip()
        for row in rows
    )


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0 when every must is met, 1 when one is missed or was not measured, 2 for wrong usage."""
    parser = argparse.ArgumentParser(
        prog="make goals",
        description="Measure the goals of the engine and compare. About five minutes.",
        epilog="example:\n  make goals\n  make goals ARGS='--only latency --json'",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only", default="", metavar="WORD[,WORD]", help="only those parts whose name has one of these words"
    )
    parser.add_argument("--scale", choices=list(SCALES), default="full", help="how much is measured (%(default)s)")
    parser.add_argument(
        "--report",
        type=Path,
        metavar="FILE.json",
        help="where all figures go (build/goals.json, of parts goals-part.json)",
    )
    parser.add_argument("--from", dest="stored", type=Path, metavar="FILE.json", help="compare these, measure nothing")
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    args = parser.parse_args(arguments)
    scale = SCALES[args.scale]
    began = time.monotonic()

    def said(name: str) -> None:
        print(f"{time.monotonic() - began:5.0f} s  {name}", file=sys.stderr, flush=True)

    figures = Figures.read(args.stored) if args.stored else measure(scale, args.only, said)
    if not args.stored:
        whole = args.scale == "full" and not args.only
        figures.write(args.report or (REPORT if whole else REPORT.with_name("goals-part.json")))
    lines = lines_of(figures, scale)
    told: dict[str, Any] = {"environment": figures.environment or figures.as_json()["environment"], "goals": lines}
    asked = [line for line in lines if not (args.only and line.why == LEFT_OUT)]
    if args.json:
        print(msgspec.json.encode(told).decode())
    else:
        print(table(asked))
        if args.scale != "full":
            print("so small that the numbers mean nothing: this only shows that everything runs")
    return 0 if all(line.verdict in {"reached", "met"} for line in asked) else 1


if __name__ == "__main__":
    sys.exit(main())
