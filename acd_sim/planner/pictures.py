"""The plots of a report, drawn with matplotlib; each tells one thing that a planner looks for."""

import io
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MultipleLocator, PercentFormatter
from msgspec import Struct

from acd_sim.planner.summary import Cell, Interval, Report, Summary

COLOURS = ("#1b6ca8", "#d1600a", "#2f8f4e", "#8a4f9e", "#b8860b", "#c0392b", "#16848a", "#6b7280", "#a3527b", "#4d5a8f")
INK, GRID = "#1f2933", "#e3e8ee"
GOAL = "#9aa5b1"
SIZE = (9.0, 3.4)
LINES_MAX = 10
BANDS_MAX = 4
STYLE: Any = {
    "font.family": ["DejaVu Sans", "sans-serif"],
    "font.size": 10,
    "axes.edgecolor": GOAL,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": GRID,
    "axes.axisbelow": True,
    "axes.titlelocation": "left",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "acd",
}


class Picture(Struct, frozen=True):
    """A plot: a word for its file, what it shows, a sentence on how to read it, and the plot itself."""

    name: str
    title: str
    reading: str
    figure: Any

    def png(self) -> bytes:
        """As a bitmap."""
        return self._saved("png", dpi=150)

    def svg(self) -> str:
        """As an element for a page."""
        text = self._saved("svg", metadata={"Date": None}).decode()
        return text[text.index("<svg") :]

    def _saved(self, form: str, **options: Any) -> bytes:
        out = io.BytesIO()
        with mpl.rc_context(STYLE):
            self.figure.savefig(out, format=form, bbox_inches="tight", **options)
        return out.getvalue()


def pictures_of(report: Report) -> list[Picture]:
    """All plots that say something about this report."""
    with mpl.rc_context(STYLE):
        drawn = [draw(report) for draw in _DRAWERS]
    return [picture for picture in drawn if picture is not None]


def write_png(report: Report, folder: Path) -> list[Path]:
    """Write each plot as a file; gives their names. Raises `OSError`."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for picture in pictures_of(report):
        path = folder / f"{picture.name}.png"
        path.write_bytes(picture.png())
        written.append(path)
    return written


def _axes(height: float = SIZE[1]) -> tuple[Figure, Any]:
    figure = Figure(figsize=(SIZE[0], height))
    return figure, figure.subplots()


def _by_time(axes: Any, intervals: Sequence[Interval]) -> None:
    """Label the axis of time so that there is room for every label."""
    if not intervals:
        return
    hours = [interval.from_s / 3600 for interval in intervals]
    span = hours[-1] - hours[0]
    step = next((step for step in (1, 2, 3, 6, 12, 24, 48) if span / step <= 13), 168)
    ticks = np.arange(np.floor(hours[0] / step) * step, hours[-1] + step, step)
    labels = [f"{int(tick % 24):02d}:00" if span <= 30 else f"day {int(tick // 24) + 1}" for tick in ticks]
    axes.set_xticks(ticks, labels)
    length = hours[1] - hours[0] if len(hours) > 1 else 1
    axes.set_xlim(hours[0], hours[-1] + length)


def _line(
    axes: Any,
    summary: Summary,
    measure: str,
    colour: str,
    label: str | None,
    kind: str | None,
    banded: bool,
    most: float,
) -> None:
    """One measure over time, which is `most` at most, with its interval if it is `banded`.

    Intervals in which fewer than one contact comes on average are left out: a share of nearly nobody says nothing.
    """
    points = []
    for number, interval in enumerate(summary.intervals):
        cells = interval.total if kind is None else interval.kinds[kind]
        length = summary.intervals[number + 1].from_s - interval.from_s if number + 1 < len(summary.intervals) else 1800
        if cells[measure].mean is not None and (cells["offered"].mean or 0) >= 1:
            points.append(((interval.from_s + length / 2) / 3600, *_ends(cells[measure])))
    if not points:
        return
    at, mean, low, high = np.asarray(points).T
    axes.plot(at, mean, color=colour, label=label, linewidth=2, marker="o", markersize=3)
    if banded:
        axes.fill_between(at, np.maximum(low, 0), np.minimum(high, most), color=colour, alpha=0.15, linewidth=0)


def _ends(cell: Cell) -> tuple[float, float, float]:
    mean, width = cell.mean or 0.0, cell.half_width or 0.0
    return mean, mean - width, mean + width


def _over_time(report: Report, measure: str, *, by_kind: bool, percent: bool) -> Figure | None:
    """A measure by time of day: of each alternative, or of each kind when there is one alternative only."""
    base = report.alternatives[0]
    if len(base.intervals) < 3:
        return None
    figure, axes = _axes()
    kinds = list(base.intervals[0].kinds)
    most = 1.0 if percent else math.inf
    if len(report.alternatives) == 1 and by_kind and 1 < len(kinds) <= LINES_MAX:
        for number, kind in enumerate(kinds):
            _line(axes, base, measure, COLOURS[number % len(COLOURS)], kind, kind, len(kinds) <= BANDS_MAX, most)
    else:
        for number, summary in enumerate(report.alternatives[:LINES_MAX]):
            label = summary.label if len(report.alternatives) > 1 else None
            _line(
                axes,
                summary,
                measure,
                COLOURS[number % len(COLOURS)],
                label,
                None,
                len(report.alternatives) <= BANDS_MAX,
                most,
            )
    _by_time(axes, base.intervals)
    if percent:
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _goal(figure: Figure, summary: Summary, name: str) -> None:
    if name in summary.goals:
        figure.axes[0].axhline(summary.goals[name], color=GOAL, linestyle="--", linewidth=1.5)
        figure.axes[0].annotate(
            "goal", (0.995, summary.goals[name]), xycoords=("axes fraction", "data"), ha="right", va="bottom", color="#52606d"
        )  # fmt: skip


def _service_level(report: Report) -> Picture | None:
    figure = _over_time(report, "service_level", by_kind=True, percent=True)
    if figure is None:
        return None
    figure.axes[0].set_ylim(0, 1.02)
    _goal(figure, report.alternatives[0], "service_level")
    return Picture(
        "service-level",
        "Service level over the day",
        "Share of callers answered within their queue's target. The shaded band is the 95 % interval of the mean.",
        figure,
    )


def _abandonment(report: Report) -> Picture | None:
    if not any(row.measure == "abandonment" and row.total.mean for s in report.alternatives for row in s.rows):
        return None
    figure = _over_time(report, "abandonment", by_kind=True, percent=True)
    if figure is None:
        return None
    figure.axes[0].set_ylim(bottom=0)
    _goal(figure, report.alternatives[0], "abandonment")
    return Picture(
        "abandonment", "Callers who give up", "Share of callers who hang up before they are answered.", figure
    )


def _load(report: Report) -> Picture | None:
    base = report.alternatives[0]
    if len(base.intervals) < 3:
        return None
    figure, axes = _axes()
    hours = [interval.from_s / 3600 for interval in base.intervals]
    width = hours[1] - hours[0]
    axes.bar(
        [hour + width / 2 for hour in hours],
        [interval.total["offered"].mean or 0 for interval in base.intervals],
        width=width * 0.9,
        color="#c6dcec",
    )
    axes.set_ylabel("contacts offered")
    other = axes.twinx()
    other.grid(visible=False)
    other.spines["right"].set_visible(True)
    for number, summary in enumerate(report.alternatives[:LINES_MAX]):
        agents = [interval.total["agents"].mean or 0 for interval in summary.intervals]
        other.stairs(
            agents,
            [*(interval.from_s / 3600 for interval in summary.intervals), summary.intervals[-1].from_s / 3600 + width],
            color=COLOURS[number % len(COLOURS)],
            linewidth=2,
            label=summary.label if len(report.alternatives) > 1 else None,
        )
    other.set_ylabel("agents at work")
    other.set_ylim(bottom=0)
    if len(report.alternatives) > 1:
        other.legend(loc="upper left")
    _by_time(axes, base.intervals)
    return Picture(
        "load", "Contacts and agents", "Bars: contacts that arrive. Line: agents logged in and not on a pause.", figure
    )


def _waits(report: Report) -> Picture | None:
    base = report.alternatives[0]
    if not base.waits:
        return None
    figure, axes = _axes()
    if len(report.alternatives) == 1:
        lines = [(waits.kind, waits) for waits in base.waits[:LINES_MAX]]
    else:
        kind = base.waits[0].kind
        lines = [
            (summary.label, waits)
            for summary in report.alternatives[:LINES_MAX]
            for waits in summary.waits
            if waits.kind == kind
        ]
    longest = 1.0
    for number, (label, waits) in enumerate(lines):
        axes.plot(waits.seconds, waits.share, color=COLOURS[number % len(COLOURS)], linewidth=2, label=label)
        place = int(np.searchsorted(waits.share, 0.98))
        longest = max(longest, waits.seconds[min(place, len(waits.seconds) - 1)])
    axes.set_xlim(0, longest)
    axes.set_ylim(0, 1.02)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    step = next((step for step in (5, 10, 15, 30, 60, 120, 300, 600) if longest / step <= 9), 1800)
    axes.xaxis.set_major_locator(MultipleLocator(step))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _duration(value)))
    if len(lines) > 1:
        axes.legend(loc="lower right")
    what = "" if len(report.alternatives) == 1 else f" ({base.waits[0].kind})"
    return Picture(
        "waits",
        f"How long those wait who are answered{what}",
        "Read upwards from a wait: the share of callers who waited no longer. What the line starts with was answered at once.",
        figure,
    )  # fmt: skip


def _duration(seconds: float) -> str:
    """As people write it: `90 s`, `2:30 min`."""
    if seconds < 120:
        return f"{seconds:g} s"
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d} min"


def _occupancy(report: Report) -> Picture | None:
    base = report.alternatives[0]
    teams: dict[str, list[float]] = {}
    for agent in base.agents:
        if agent.occupancy.mean is not None:
            teams.setdefault(agent.team or "others", []).append(agent.occupancy.mean)
    if not teams:
        return None
    figure, axes = _axes(1.1 + 0.45 * len(teams))
    names = list(teams)
    for row, name in enumerate(names):
        values = np.sort(teams[name])
        offsets = np.resize(np.linspace(-0.22, 0.22, 7), len(values))
        axes.scatter(values, row + offsets, s=18, color=COLOURS[row % len(COLOURS)], alpha=0.6, linewidths=0)
        axes.plot([values.mean()] * 2, [row - 0.35, row + 0.35], color=INK, linewidth=1.5)
    axes.set_yticks(range(len(names)), [f"{name} ({len(teams[name])})" for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(0, 1.02)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    if "occupancy" in base.goals:
        axes.axvline(base.goals["occupancy"], color=GOAL, linestyle="--", linewidth=1.5)
    label = "" if len(report.alternatives) == 1 else f" ({base.label})"
    return Picture(
        "occupancy",
        f"How busy agents are{label}",
        "A dot is an agent: the share of his time at work with a contact or its after-work. The bar is the team's mean."
        " Above 85 to 90 % for long, people burn out.",
        figure,
    )


def _money(report: Report) -> Picture | None:
    cells = {
        name: [next((row.total for row in s.rows if row.measure == name), None) for s in report.alternatives]
        for name in ("cost_per_answered", "value_per_offered")
    }
    given = {name: found for name, found in cells.items() if any(cell is not None and cell.mean for cell in found)}
    if not given or len(report.alternatives) < 2:
        return None
    figure, axes = _axes(1.2 + 0.4 * len(report.alternatives) * len(given))
    titles = {"cost_per_answered": "cost per answered contact", "value_per_offered": "value per offered contact"}
    for number, (name, found) in enumerate(given.items()):
        places = np.arange(len(report.alternatives)) + (number - (len(given) - 1) / 2) * 0.38
        means = [cell.mean or 0.0 if cell else 0.0 for cell in found]
        widths = [cell.half_width or 0.0 if cell else 0.0 for cell in found]
        axes.barh(places, means, 0.34, xerr=widths, color=COLOURS[number], label=titles[name], error_kw={"ecolor": INK})
    axes.set_yticks(range(len(report.alternatives)), [summary.label for summary in report.alternatives])
    axes.invert_yaxis()
    axes.set_xlabel(report.alternatives[0].currency)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return Picture("money", "Cost and value", "With the 95 % interval of each mean.", figure)


def _sweep(report: Report) -> Picture | None:
    swept = [summary for summary in report.alternatives if len(summary.swept) == 1]
    values = [next(iter(summary.swept.values())) for summary in swept]
    keys = {next(iter(summary.swept)) for summary in swept}
    if len(swept) < 2 or len(keys) != 1 or not all(isinstance(value, int | float) for value in values):
        return None
    figure, axes = _axes()
    for number, (name, title) in enumerate(
        (("service_level", "service level"), ("abandonment", "abandoned"), ("occupancy", "occupancy"))
    ):
        cells = [next((row.total for row in summary.rows if row.measure == name), None) for summary in swept]
        found = [(float(value), *_ends(cell)) for value, cell in zip(values, cells, strict=True) if cell and cell.mean is not None]  # fmt: skip
        if found:
            at, mean, low, high = np.asarray(sorted(found)).T
            axes.plot(at, mean, color=COLOURS[number], marker="o", linewidth=2, label=title)
            axes.fill_between(at, low, high, color=COLOURS[number], alpha=0.15, linewidth=0)
    axes.set_xlabel(next(iter(keys)))
    axes.set_ylim(0, 1.02)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    _goal(figure, swept[0], "service_level")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return Picture(
        "sweep", "What the swept setting changes", "Each point is one alternative, with its 95 % interval.", figure
    )


_DRAWERS: tuple[Callable[[Report], Picture | None], ...] = (
    _sweep,
    _service_level,
    _load,
    _waits,
    _abandonment,
    _occupancy,
    _money,
)
