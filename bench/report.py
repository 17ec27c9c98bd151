"""What the benchmarks found, as tables for people: values, and above all ratios, with what they were measured on."""

import functools
import importlib.metadata
import json
import math
import os
import platform
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator
from operator import itemgetter
from pathlib import Path
from statistics import linear_regression, median
from typing import Any, NamedTuple

from bench.workload import MIX

Result = dict[str, Any]
Key = tuple[Any, ...]
ROOT = Path(__file__).resolve().parent.parent
METHOD = (
    "Medians of equal rounds. CPU time is that of what is measured (for the server: all its threads) and compares well "
    "on a busy machine; wall-clock rates are lower bounds there. Ratios are between values of this run."
)


@functools.cache
def environment() -> dict[str, str]:
    """What the numbers were measured on, and with."""
    packages = ("Cython", "msgspec", "uvloop")
    return {
        "cpu": _cpu(),
        "cores": str(os.cpu_count()),
        "load average": " ".join(f"{load:.2f}" for load in os.getloadavg()),
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        **{name: _version(name) for name in packages},
        "SQLite": sqlite3.sqlite_version,
        "build": _build_mode(),
    }


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _build_mode() -> str:
    try:
        return str(json.loads((ROOT / "build" / "extensions.json").read_text())["mode"])
    except (OSError, ValueError, KeyError):
        return os.environ.get("ACD_BUILD") or "release"


# Ratios


class Ratio(NamedTuple):
    """How one result compares with another: `name` says in what they differ, `where` in what they are alike."""

    name: str
    where: str
    value: float


def ratios(results: Iterable[Result]) -> list[Ratio]:
    """What the results say when they are compared with each other: CPU times, and latency with a flush of the disk."""
    by = {_key(result): result for result in results}
    found: list[Ratio] = []
    for key, result in by.items():
        for name, where, other in _compared(key, by):
            if other in by and by[other]["cpu_ns"]:
                found.append(Ratio(name, where, round(result["cpu_ns"] / by[other]["cpu_ns"], 2)))
        if key[0] == "latency" and ("flush",) in by:
            unit = by["flush",]["flush_ns"]["p50"]
            for part in ("p50", "p99"):
                value = round(result["offer_ns"][part] / unit, 2)
                found.append(
                    Ratio(f"offer latency {part} / flush of the disk p50", f"{key[1]:,} contacts a second", value)
                )
    return found


def _key(result: Result) -> Key:
    names = {
        "core": ("machine", "events", "agents", "skills", "waiting"),
        "wire": ("server", "depth"),
        "latency": ("rate",),
        "journal": ("commands_per_append",),
        "simulation": ("part",),
        "loop": ("agents", "skills", "waiting"),
        "features": ("feature", "waiting"),
        "config": ("agents", "skills", "waiting"),
    }
    group = result["group"]
    return (group, *(result[name] for name in names.get(group, ())))


def _compared(key: Key, by: Iterable[Key]) -> Iterator[tuple[str, str, Key]]:
    """What a result is to be compared with, if that was measured too: name, where, and the other's key."""
    if key[:2] == ("wire", "acd"):
        yield "server / echo of the same requests", f"{key[2]} in flight", ("wire", "echo", key[2])
    if key[0] == "simulation" and key[1] != "whole run":
        yield f"simulation: {key[1]} / whole run", "one queue", ("simulation", "whole run")
    if key[0] == "features" and key[1] != "plain":
        yield f"{key[1]} / plain", f"{key[2]:,} waiting", ("features", "plain", key[2])
    if key[:2] == ("core", "model"):
        yield "model / engine, events taken", _shape(*key[3:]), ("core", "engine", "taken", *key[3:])
    if key[:2] == ("core", "engine"):
        if key[2] == "taken":
            yield "events taken / discarded", _shape(*key[3:]), (*key[:2], "discarded", *key[3:])
        for place, name in ((3, "agents"), (4, "skills"), (5, "waiting")):
            smaller = [other for other in by if _differs_in(place, other, key) and other[place] < key[place]]
            if smaller:
                nearest = max(smaller, key=itemgetter(place))
                yield f"{name} {nearest[place]:,} -> {key[place]:,}", f"{_shape(*key[3:])}, events {key[2]}", nearest


def _differs_in(place: int, one: Key, other: Key) -> bool:
    """Whether that is the one thing in which two keys of the same group differ."""
    return one[0] == other[0] and one[:place] + one[place + 1 :] == other[:place] + other[place + 1 :]


def _shape(agents: int, skills: int, waiting: int) -> str:
    return f"{agents:,} agents, {skills} skills, {waiting:,} waiting"


# Growth


class Growth(NamedTuple):
    """How cost follows one dimension while the others stay: cost ~ size ** exponent, by least squares over the logarithms."""

    dimension: str
    where: str
    exponent: float


def growth(results: Iterable[Result]) -> list[Growth]:
    """Exponents of all rows of the grid that have at least two sizes above 0."""
    places = {"agents": 0, "skills": 1, "waiting": 2}
    costs = {(row["agents"], row["skills"], row["waiting"]): row["cpu_ns"] for row in results if row["group"] == "loop"}
    found = []
    for dimension, place in places.items():
        rows: dict[tuple[int, ...], list[tuple[int, float]]] = {}
        for key, cost in costs.items():
            if key[place] and cost:
                rows.setdefault(key[:place] + key[place + 1 :], []).append((key[place], cost))
        others = [name for name in places if name != dimension]
        for rest, points in sorted(rows.items()):
            if len(points) > 1:
                where = ", ".join(f"{value:,} {name}" for name, value in zip(others, rest, strict=True))
                slope = linear_regression(
                    [math.log(size) for size, _ in points], [math.log(cost) for _, cost in points]
                )
                found.append(Growth(dimension, where, round(slope.slope, 3)))
    return found


# Tables


def text(size: str, results: list[Result]) -> str:
    """All tables, as Markdown."""
    parts = [f"# Benchmarks ({size})", ""]
    parts += [f"- {name}: {value}" for name, value in environment().items()]
    parts += ["", f"Traffic: {MIX}.", "", METHOD]
    for title, group, columns in _TABLES:
        rows = [result for result in results if result["group"] in group]
        if rows:
            parts += [
                "",
                f"## {title}",
                "",
                *_table([name for name, _ in columns], [[show(row) for _, show in columns] for row in rows]),
            ]
    found = ratios(results)
    if found:
        parts += [
            "",
            "## Ratios of CPU time, and of latency",
            "",
            *_table(["ratio", "least", "median", "most", "where"], _condensed(found)),
        ]
    exponents = growth(results)
    if exponents:
        parts += [
            "",
            "## Growth of the core: cost ~ size ** exponent",
            "",
            *_table(
                ["dimension", "exponent", "where"],
                [[row.dimension, f"{row.exponent:.3f}", row.where] for row in exponents],
            ),
        ]
    return "\n".join(parts) + "\n"


def _table(heads: list[str], rows: list[list[str]]) -> list[str]:
    widths = [max(len(cell) for cell in column) for column in zip(heads, *rows, strict=True)]

    def line(cells: list[str]) -> str:
        first, *others = (
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return "| " + " | ".join([first, *others]) + " |"

    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return [line(heads), rule, *(line(row) for row in rows)]


def _condensed(found: list[Ratio]) -> list[list[str]]:
    """One row for all ratios of a name; a single one says where, of several the JSON file has them all."""
    names = dict.fromkeys(ratio.name for ratio in found)
    rows = []
    for name in names:
        alike = [ratio for ratio in found if ratio.name == name]
        values = [ratio.value for ratio in alike]
        where = alike[0].where if len(alike) == 1 else f"{len(alike)} pairs"
        rows.append([name, *(f"{value:.2f}" for value in (min(values), median(values), max(values))), where])
    return rows


def _number(name: str) -> Callable[[Result], str]:
    return lambda row: f"{row[name]:,}" if name in row else ""


def _us(name: str, part: str = "") -> Callable[[Result], str]:
    def show(row: Result) -> str:
        value = row.get(name)
        if value is None:
            return ""
        return f"{(value[part] if part else value) / 1000:,.2f}"

    return show


def _seconds(name: str) -> Callable[[Result], str]:
    """What all units of a round take together."""
    return lambda result: f"{result[name] * result['units'] / 1e9:.2f}"


def _word(name: str) -> Callable[[Result], str]:
    return lambda row: str(row.get(name, ""))


_COST = [("CPU µs", _us("cpu_ns")), ("wall µs", _us("wall_ns")), ("a second", _number("per_s"))]
_TABLES: list[tuple[str, tuple[str, ...], list[tuple[str, Callable[[Result], str]]]]] = [
    (
        "Core: one assignment by single calls from Python",
        ("core",),
        [
            ("machine", _word("machine")),
            ("events", _word("events")),
            ("agents", _number("agents")),
            ("skills", _number("skills")),
            ("waiting", _number("waiting")),
            *_COST,
        ],
    ),
    (
        "Core: one assignment from compiled code",
        ("loop",),
        [
            ("", _word("unit")),
            ("agents", _number("agents")),
            ("skills", _number("skills")),
            ("waiting", _number("waiting")),
            *_COST,
        ],
    ),
    (
        "Core: one assignment under dearer rules",
        ("features",),
        [("rules", _word("feature")), ("waiting", _number("waiting")), *_COST],
    ),
    (
        "Memory of an engine",
        ("memory",),
        [
            ("", _word("unit")),
            ("agents", _number("agents")),
            ("waiting", _number("waiting")),
            ("bytes an agent", _number("agent_bytes")),
            ("bytes a waiting contact", _number("waiting_bytes")),
            ("MB in all", _number("all_MB")),
        ],
    ),
    (
        "Core: a changed configuration",
        ("config",),
        [
            ("agents", _number("agents")),
            ("skills", _number("skills")),
            ("waiting", _number("waiting")),
            *_COST,
        ],
    ),
    ("Simulation: one contact in a plain model of one queue", ("simulation",), [("", _word("part")), *_COST]),
    ("Four calls into the engine that do nothing", ("boundary",), [("", _word("unit")), *_COST]),
    (
        "Wire: one durable lifecycle through TCP (CPU of the server)",
        ("wire",),
        [
            ("server", _word("server")),
            ("in flight", _number("depth")),
            ("connections", _number("connections")),
            *_COST,
            ("of which event loop", _us("loop_cpu_ns")),
        ],
    ),
    (
        "Latency from the planned enqueue to the offer, durable, µs",
        ("latency",),
        [
            ("contacts a second", _number("rate")),
            ("p50", _us("offer_ns", "p50")),
            ("p99", _us("offer_ns", "p99")),
            ("p99.9", _us("offer_ns", "p999")),
            ("sent late p99", _us("late_ns", "p99")),
            ("server CPU µs each", _us("cpu_ns")),
        ],
    ),
    (
        "Journal: commands made durable",
        ("journal",),
        [
            ("commands an append", _number("commands_per_append")),
            ("bytes an append", _number("bytes_per_append")),
            *_COST,
        ],
    ),
    (
        "A flush of the disk by itself: 4 KiB appended and fdatasync, µs",
        ("flush",),
        [("", _word("unit")), ("p50", _us("flush_ns", "p50")), ("p99", _us("flush_ns", "p99"))],
    ),
    (
        "Recovery: commands read from a journal, verified and applied",
        ("recovery",),
        [("commands", _number("units")), *_COST, ("wall s in all", _seconds("wall_ns"))],
    ),
    (
        "A snapshot while the server decides: how late beats of its loop come, and answers; ms",
        ("pause",),
        [
            ("contacts", _number("contacts")),
            ("snapshot", _word("snapshot")),
            ("beats", _number("beats")),
            ("late p99", _word("late_p99_ms")),
            ("late most", _word("late_most_ms")),
            ("at work itself, most", _word("own_most_ms")),
            ("answer p99", _word("answer_p99_ms")),
            ("answer most", _word("answer_most_ms")),
        ],
    ),
    (
        "Recovery from a snapshot: agents, and contacts that wait, read and ready to be served",
        ("restart",),
        [
            ("agents", _number("agents")),
            ("contacts", _number("contacts")),
            ("bytes", _number("bytes")),
            ("CPU s in all", _seconds("cpu_ns")),
            ("wall s in all", _seconds("wall_ns")),
        ],
    ),
]


if __name__ == "__main__":
    stored = json.loads(Path(sys.argv[1]).read_text())
    print(text(stored["size"], [{"group": entry["group"], **entry["extra_info"]} for entry in stored["benchmarks"]]))
