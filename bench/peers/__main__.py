"""`make peers`: the engine beside what people would build or have, and beside the limits of the machine.

Each peer is written by us, with its best settings, for the same work: the same agents, skills, kinds of contact and
priorities. Plain cores and Redis play the very commands of our engine and must give the same contacts to the same agents, or
are not compared. A peer that is not installed is told as missing. Ratios say how many times more the peer needs than ours, so
above 1 ours is better; for the limits it says how much more ours needs than the limit.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from acd_sim.load.floor import Shape
from bench.figures import core, cpp, path, peers
from bench.figures.samples import Figures, Spread
from bench.figures.scale import SCALES, Scale

ROOT = Path(__file__).resolve().parents[2]
REPORT = ROOT / "build" / "peers.json"


def asterisk(figures: Figures, scale: Scale) -> None:
    """From the end of an agent's call to his phone's next ring, behind Asterisk with our adapter and with app_queue."""
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "gap.json"
        command = [
            sys.executable,
            "-m",
            "tests.asterisk.gap",
            "--waiting",
            "100",
            "500",
            "--seconds",
            f"{3 * scale.peer_s:g}",
        ]
        done = subprocess.run([*command, "--report", report], cwd=ROOT, capture_output=True, text=True, check=False)
        if not report.exists():
            last = (done.stderr.strip() or "it said nothing").splitlines()[-1]
            raise RuntimeError(f"the lab's Asterisk did not run ({last}); 'make bench-asterisk' installs it")
        told = json.loads(report.read_text())
    figures.notes["Asterisk"] = told["asterisk"]
    for row in told["rows"]:
        for ours, name in (("acd", "ours"), ("app_queue", "app_queue")):
            gaps = row[ours]["gaps"]
            if "p50_ms" in gaps:
                figures.add(f"asterisk.{name} {row['waiting']}", [gaps["p50_ms"] * 1e6])
                figures.add(f"asterisk.{name} {row['waiting']} p95", [gaps["p95_ms"] * 1e6])


PARTS: tuple[tuple[str, Callable[[Figures, Scale], None]], ...] = (
    ("core beside C++", cpp.beside_cpp),
    ("core beside Python", core.against_python),
    ("requests", path.requests),
    ("lifecycles", path.lifecycles),
    ("Redis", peers.redis),
    ("Redis at other sizes", peers.redis_more),
    ("PostgreSQL", peers.postgres),
    ("PostgreSQL without waiting for its disk", peers.postgres_more),
    ("Asterisk's app_queue", asterisk),
)


class Row(NamedTuple):
    """A comparison: two figures, and the ratio between them. `limit` is a bound for ours, not somebody to beat."""

    peer: str
    what: str
    theirs: str
    ours: str
    limit: bool = False
    rate: bool = False


def rows_of(scale: Scale) -> list[Row]:
    """All comparisons, whether measured or not."""
    thousand, most, huge = (Shape(agents, 64) for agents in (scale.agents[-2], scale.agents[-1], scale.large[0]))
    rows = [
        Row("C epoll echo", "request and answer, 50 x 1", "wire.echo 50x1", "wire.acd 50x1", limit=True),
        Row("C epoll echo", "request and answer, 50 x 16", "wire.echo 50x16", "wire.acd 50x16", limit=True),
    ]
    rows += [
        Row("C epoll echo", f"lifecycle, {depth} in flight", f"path.echo {depth}", f"path.memory {depth}", limit=True)
        for depth in path.DEPTHS
    ]
    rows += [
        Row(
            peer,
            f"assignment, {_size(shape)}",
            core.name_of(theirs, shape),
            core.name_of("loop.again", shape),
            limit=True,
        )
        for peer, theirs in (
            ("plain C++ core, same semantics", "whole_cpp"),
            ("plain C++ core, decisions alone", "cpp"),
        )
        for shape in cpp.shapes_of(scale)
    ]
    rows.append(
        Row(
            "readable model",
            f"assignment, {_size(thousand)}",
            core.name_of("model", thousand),
            core.name_of("calls", thousand),
        )
    )
    rows += [
        Row(
            "plain Python core",
            f"assignment, {_size(shape)}",
            core.name_of("python", shape),
            core.name_of("calls", shape),
        )
        for shape in (thousand, most, huge)
    ]
    rows += [
        Row(
            "asyncio server",
            f"lifecycle, {depth} in flight, not durable",
            f"path.python {depth}",
            f"path.memory {depth}",
        )
        for depth in path.DEPTHS
    ]
    rows += [
        Row(
            "Redis 7 + Lua", "lifecycle: theirs in memory, ours durable, 64 in flight", "peer.redis", "path.durable 64"
        ),
        Row("Redis 7 + Lua", "lifecycle: both in memory, 64 in flight", "peer.redis", "path.memory 64"),
        Row(
            "Redis 7 + Lua",
            "lifecycle: theirs with AOF everysec, ours durable",
            "peer.redis aof everysec",
            "path.durable 64",
        ),
        Row(
            "Redis 7 + Lua",
            "lifecycle: theirs with AOF always, ours durable",
            "peer.redis aof always",
            "path.durable 64",
        ),
        Row(
            "PostgreSQL",
            "durable lifecycles a second, 8 clients and 64 in flight",
            "peer.postgres",
            "path.durable 64 rate",
            rate=True,
        ),
        Row(
            "PostgreSQL",
            "lifecycles a second, neither durable",
            "peer.postgres async",
            "path.memory 64 rate",
            rate=True,
        ),
    ]
    rows += [
        Row(
            "Asterisk app_queue",
            f"agent free to next ring, {waiting} waiting",
            f"asterisk.app_queue {waiting}",
            f"asterisk.ours {waiting}",
        )
        for waiting in (100, 500)
    ]
    return rows


def _size(shape: Shape) -> str:
    waiting = f", {shape.waiting:,} waiting" if shape.waiting else ""
    return f"{shape.agents:,} agents, {shape.skills} skills{waiting}"


def ratio_of(figures: Figures, row: Row) -> Spread | None:
    """How many times better ours is; for a limit, how many times more ours needs."""
    above, below = (row.ours, row.theirs) if row.limit or row.rate else (row.theirs, row.ours)
    return figures.ratio(above, below) if figures.has(above, below) else None


def as_data(figures: Figures, scale: Scale) -> list[dict[str, Any]]:
    """For programs, and for the page."""
    found = []
    for row in rows_of(scale):
        ratio = ratio_of(figures, row)
        found.append(
            {
                **row._asdict(),
                "unit": figures.units.get(row.ours, ""),
                "their_value": figures.spread(row.theirs).median if figures.has(row.theirs) else None,
                "our_value": figures.spread(row.ours).median if figures.has(row.ours) else None,
                "ratio": None if ratio is None else ratio._asdict(),
            }
        )
    return found


def shown(value: float | None, unit: str) -> str:
    """A value in a unit that reads well."""
    if value is None:
        return ""
    if unit == "per s":
        return f"{value:,.0f}/s"
    return f"{value / 1e6:,.1f} ms" if value >= 1e6 else f"{value / 1e3:,.2f} µs"


def table(figures: Figures, scale: Scale) -> str:
    """For people."""
    lines = [("peer", "what", "theirs", "ours", "ratio", "least .. most")]
    for row in as_data(figures, scale):
        ratio = row["ratio"]
        lines.append(
            (
                row["peer"],
                row["what"],
                shown(row["their_value"], row["unit"]),
                shown(row["our_value"], row["unit"]),
                "" if ratio is None else f"{ratio['median']:,.2f}{' x the limit' if row['limit'] else ''}",
                "not measured" if ratio is None else f"{ratio['low']:,.2f} .. {ratio['high']:,.2f}",
            )
        )
    widths = [max(len(line[place]) for line in lines) for place in range(6)]
    text = [
        "  ".join(
            cell.ljust(width) if place < 2 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    text += [
        "",
        "CPU time of the server for each unit where not said otherwise; medians of rounds made by turns in one run.",
    ]
    text += [
        f"{name}: {version}" for name, version in figures.notes.items() if name in {"Redis", "PostgreSQL", "Asterisk"}
    ]
    text += [f"missing: {name}: {why}" for name, why in figures.missing.items()]
    return "\n".join(text)


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0 when all that is installed was measured, 1 when a peer failed."""
    parser = argparse.ArgumentParser(
        prog="make peers",
        description="The engine beside its peers and its limits. About five minutes.",
        epilog="example:\n  make peers\n  make peers ARGS='--only redis'",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", default="", metavar="WORD", help="only those parts whose name has this word")
    parser.add_argument("--scale", choices=list(SCALES), default="full", help="how much is measured (%(default)s)")
    parser.add_argument(
        "--report",
        type=Path,
        metavar="FILE.json",
        help="where all figures go (build/peers.json, of parts peers-part.json)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    args = parser.parse_args(arguments)
    scale = SCALES[args.scale]
    figures, began = Figures(), time.monotonic()
    for name, part in PARTS:
        if args.only.lower() in name.lower():
            figures.part(
                name,
                lambda figures, part=part: part(figures, scale),  # type: ignore[misc]
                lambda name: print(f"{time.monotonic() - began:5.0f} s  {name}", file=sys.stderr, flush=True),
            )
    whole = args.scale == "full" and not args.only
    figures.write(args.report or (REPORT if whole else REPORT.with_name("peers-part.json")))
    if args.json:
        print(json.dumps({"notes": figures.notes, "missing": figures.missing, "rows": as_data(figures, scale)}))
    else:
        print(table(figures, scale))
    return 1 if any("install" not in why for why in figures.missing.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
