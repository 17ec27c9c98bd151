"""The pictures of docs/performance.md."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from acd_sim.planner.pictures import COLOURS, GOAL, STYLE
from bench.figures.path import DEPTHS
from bench.figures.samples import Figures

SIZE = (9.0, 3.8)


def draw_all(figures: Figures, rows: list[dict[str, Any]], directory: Path) -> list[tuple[str, str]]:
    """Write all pictures that the figures give; gives (file name, what it shows)."""
    directory.mkdir(parents=True, exist_ok=True)
    made = []
    with mpl.rc_context(STYLE):
        for name, title, figure in _pictures(figures, rows):
            path = directory / f"performance-{name}.png"
            figure.savefig(path, dpi=110, bbox_inches="tight", metadata={"Software": None})
            made.append((path.name, title))
    return made


def _pictures(figures: Figures, rows: list[dict[str, Any]]) -> Iterator[tuple[str, str, Figure]]:
    grid = {
        tuple(map(int, found.groups())): figures.spread(name)
        for name in figures.values
        if (found := re.fullmatch(r"core\.loop (\d+)/(\d+)/(\d+)", name))
    }
    if grid:
        yield "agents", "An assignment in the core, by agents, skills and waiting contacts", _by_agents(grid)
        yield "waiting", "An assignment in the core, by waiting contacts", _by_waiting(grid)
    if any(name.startswith("rates.") for name in figures.values):
        yield "latency", "From the planned time of a contact to its offer, by contacts a second", _by_rate(figures)
    if any(name.startswith("path.") for name in figures.values):
        yield "depth", "CPU time of a lifecycle, by contacts in flight", _by_depth(figures)
    shown = [row for row in rows if row["ratio"] and not row["limit"]]
    if shown:
        yield "peers", "How many times more a peer needs", _peers(shown)
    profile = {
        name.removeprefix("profile."): values[0]
        for name, values in figures.values.items()
        if name.startswith("profile.")
    }
    if profile:
        yield "profile", "Where the server's CPU time goes, 64 contacts in flight", _profile(profile)


def _axes() -> tuple[Figure, Any]:
    figure = Figure(figsize=SIZE)
    return figure, figure.add_subplot()


def _logarithmic(axes: Any, x: str, y: str) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:,g}")
        axis.set_minor_formatter(NullFormatter())
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=8)


def _line(axes: Any, points: dict[int, Any], label: str, colour: str, style: str = "-", scale: float = 1e-3) -> None:
    """A median with its spread."""
    at = sorted(points)
    axes.plot(at, [points[x].median * scale for x in at], style, marker="o", markersize=4, color=colour, label=label)
    axes.fill_between(
        at, [points[x].low * scale for x in at], [points[x].high * scale for x in at], color=colour, alpha=0.12, lw=0
    )


def _by_agents(grid: dict[tuple[int, ...], Any]) -> Figure:
    figure, axes = _axes()
    skills = sorted({key[1] for key in grid})
    least = min((key[2] for key in grid if key[2]), default=0)
    for colour, count in zip(COLOURS, skills, strict=False):
        for waiting, style in ((0, "-"), (least, "--")):
            points = {key[0]: spread for key, spread in grid.items() if key[1:] == (count, waiting)}
            if len(points) > 1:
                _line(axes, points, f"{count:,} skills, {waiting:,} waiting", colour, style)
    _logarithmic(axes, "agents", "CPU µs an assignment")
    return figure


def _by_waiting(grid: dict[tuple[int, ...], Any]) -> Figure:
    figure, axes = _axes()
    for colour, agents in zip(COLOURS, sorted({key[0] for key in grid}), strict=False):
        points = {key[2]: spread for key, spread in grid.items() if key[0] == agents and key[1] == 64 and key[2]}
        if len(points) > 1:
            _line(axes, points, f"{agents:,} agents, 64 skills", colour)
    _logarithmic(axes, "contacts that wait", "CPU µs an assignment")
    return figure


def _by_rate(figures: Figures) -> Figure:
    figure, axes = _axes()
    for server, title, colour in (("memory", "journal in memory", COLOURS[0]), ("durable", "durable", COLOURS[1])):
        for percentile, style in (("p50", "-"), ("p99", "--")):
            points = {
                int(found[1]): figures.spread(name)
                for name in figures.values
                if (found := re.fullmatch(rf"rates\.{server} (\d+) {percentile}", name))
            }
            if points:
                _line(axes, points, f"{title}, {percentile}", colour, style, 1e-6)
    _logarithmic(axes, "contacts a second", "ms")
    return figure


def _by_depth(figures: Figures) -> Figure:
    figure, axes = _axes()
    titles = {
        "echo": "three requests to an echo in C",
        "memory": "ours, journal in memory",
        "durable": "ours, durable",
        "python": "asyncio server in Python",
    }
    for colour, (server, title) in zip((GOAL, *COLOURS), titles.items(), strict=False):
        points = {
            int(found[1]): figures.spread(name)
            for name in figures.values
            if (found := re.fullmatch(rf"path\.{server} (\d+)", name))
        }
        if points:
            _line(axes, points, title, colour)
    _logarithmic(axes, "contacts in flight", "CPU µs of the server")
    axes.set_xticks(DEPTHS)
    return figure


def _peers(rows: list[dict[str, Any]]) -> Figure:
    figure = Figure(figsize=(SIZE[0], 0.9 + 0.32 * len(rows)))
    axes = figure.add_subplot()
    places = list(range(len(rows)))[::-1]
    values = [row["ratio"]["median"] for row in rows]
    axes.barh(places, values, color=[COLOURS[2] if value >= 1 else COLOURS[5] for value in values], height=0.6)
    for place, value in zip(places, values, strict=True):
        axes.text(value * 1.06, place, f"{value:,.2f} x" if value < 100 else f"{value:,.0f} x", va="center", fontsize=8)
    axes.set_yticks(places, [f"{row['peer']}: {row['what']}" for row in rows], fontsize=8)
    axes.set_xscale("log")
    axes.axvline(1, color=GOAL)
    axes.set_xlabel("times ours (CPU time, or throughput for PostgreSQL)")
    axes.xaxis.set_major_formatter("{x:,g}")
    axes.grid(visible=False, axis="y")
    return figure


def _profile(profile: dict[str, float]) -> Figure:
    figure = Figure(figsize=(SIZE[0], 0.8 + 0.32 * len(profile)))
    axes = figure.add_subplot()
    ordered = sorted(profile.items(), key=lambda item: item[1])
    axes.barh(range(len(ordered)), [share for _, share in ordered], color=COLOURS[0], height=0.6)
    for place, (_, share) in enumerate(ordered):
        axes.text(share + 0.5, place, f"{share:.0f} %", va="center", fontsize=8)
    axes.set_yticks(range(len(ordered)), [name for name, _ in ordered], fontsize=8)
    axes.set_xlabel("% of CPU samples")
    axes.grid(visible=False, axis="y")
    return figure
