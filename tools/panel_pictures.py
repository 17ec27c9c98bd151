"""Pictures of what the panels showed: `python -m tools.panel_pictures panels.json docs/pictures`.

`ACD_PANELS_FILE=panels.json make test-monitoring` writes the answers of Prometheus that are drawn here, for a
simulated day. It takes matplotlib, which nothing else here needs. Grafana draws them in its own way.
"""

import importlib
import io
import json
import re
import sys
from pathlib import Path
from typing import Any

from tools.dashboards import DASHBOARDS
from tools.grafana import COLOURS, Dashboard, Panel

OPENING_HOUR = 7
CLOSING_HOUR = 24
NUMBERS_MAX = 12
"""Rows of a table that are drawn."""
PICTURE_COLOURS = 48


def main(answers: Path, directory: Path) -> None:
    """Draw one picture for each dashboard."""
    matplotlib: Any = importlib.import_module("matplotlib")
    matplotlib.use("Agg")
    matplotlib.rcParams.update({"font.size": 7, "axes.titlesize": 8, "axes.grid": True, "grid.alpha": 0.3})
    shown = json.loads(answers.read_text())
    directory.mkdir(parents=True, exist_ok=True)
    for dashboard in DASHBOARDS:
        draw(dashboard, shown, directory / f"{dashboard.uid}.png")


def draw(dashboard: Dashboard, shown: dict[str, Any], path: Path) -> None:
    """One picture: rows of panels as on the dashboard."""
    pyplot: Any = importlib.import_module("matplotlib.pyplot")
    heights = [0.7 if all(panel.type == "stat" for panel in row) else 2.0 for _, row in dashboard.rows]
    figure = pyplot.figure(figsize=(12, sum(heights) + 0.6 * len(heights)), layout="constrained")
    figure.suptitle(dashboard.title, fontsize=10)
    for rows, (_, row) in zip(
        figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False), dashboard.rows, strict=True
    ):
        shares = [panel.share for panel in row]
        for axes, panel in zip(rows[0].subplots(1, len(row), width_ratios=shares, squeeze=False)[0], row, strict=True):
            axes.set_title(panel.title)
            answers = shown[f"{dashboard.uid}: {panel.title}"]
            match panel.type:
                case "stat":
                    _number(axes, panel, answers)
                case "table":
                    _table(axes, panel, answers)
                case "heatmap":
                    _heatmap(axes, answers)
                case "state-timeline":
                    _states(axes, panel, answers)
                case _:
                    _lines(axes, panel, answers)
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=80)
    pyplot.close(figure)
    image: Any = importlib.import_module("PIL.Image")
    image.open(drawn).convert("RGB").quantize(PICTURE_COLOURS).save(path, optimize=True)


def _points(series: Any, start: float, end: float) -> tuple[list[float], list[float]]:
    """Hours of the simulated day, and values."""
    hours = [
        OPENING_HOUR + (at - start) / max(1e-9, end - start) * (CLOSING_HOUR - OPENING_HOUR)
        for at, _ in series["values"]
    ]
    return hours, [float(value) for _, value in series["values"]]


def _span(answers: Any) -> tuple[float, float]:
    times = [at for answer in answers for series in answer["series"] for at, _ in series["values"]]
    return min(times), max(times)


def _legend(answer: Any, series: Any) -> str:
    if answer["legend"] == "__auto":
        return ""
    return re.sub(r"\{\{(\w+)\}\}", lambda found: series["metric"].get(found[1], ""), answer["legend"])


def _number(axes: Any, panel: Panel, answers: Any) -> None:
    """The value in the middle of the afternoon."""
    values = [series["values"] for answer in answers for series in answer["series"]]
    value = float(values[0][len(values[0]) // 2][1]) if values else float("nan")
    axes.axis("off")
    axes.text(0.5, 0.4, _worded(value, panel.unit), ha="center", va="center", fontsize=14, transform=axes.transAxes)


def _worded(value: float, unit: str) -> str:
    if unit == "percentunit":
        return f"{value:.0%}"
    if unit == "s":
        return f"{value:.0f} s" if value >= 1 else f"{value * 1e3:.1f} ms" if value >= 1e-3 else f"{value * 1e6:.0f} µs"
    return f"{value:,.0f}"


def _lines(axes: Any, panel: Panel, answers: Any) -> None:
    start, end = _span(answers)
    drawn = [
        (_legend(answer, series), *_points(series, start, end)) for answer in answers for series in answer["series"]
    ]
    if panel.stacked:
        grid = sorted({hour for _, hours, _ in drawn for hour in hours})
        layers = [[dict(zip(hours, values, strict=True)).get(hour, 0.0) for hour in grid] for _, hours, values in drawn]
        colours = [COLOURS.get(label) for label, _, _ in drawn]
        known = [colour.replace("light-blue", "skyblue") for colour in colours if colour]
        axes.stackplot(
            grid, layers, labels=[label for label, _, _ in drawn], colors=known if len(known) == len(drawn) else None
        )
    else:
        for label, hours, values in drawn:
            axes.plot(hours, values, label=label, linewidth=0.8)
    axes.set_xlim(OPENING_HOUR, CLOSING_HOUR)
    axes.set_ylim(bottom=0)
    if 1 < len(drawn) <= NUMBERS_MAX:
        axes.legend(fontsize=5, loc="upper right", ncols=2)
    axes.set_ylabel({"percentunit": "share", "s": "seconds", "bytes": "bytes", "Bps": "bytes/s"}.get(panel.unit, ""))


def _states(axes: Any, panel: Panel, answers: Any) -> None:
    """A bar for each of the first few series, in the colour of what it is in."""
    start, end = _span(answers)
    drawn = sorted(
        (_legend(answer, series), *_points(series, start, end)) for answer in answers for series in answer["series"]
    )
    for place, (_, hours, values) in enumerate(drawn[:NUMBERS_MAX]):
        colours = [COLOURS.get(panel.mappings[str(int(value))], "green" if value else "red") for value in values]
        known = [colour.replace("light-blue", "skyblue") for colour in colours]
        axes.broken_barh([(hour, 0.14) for hour in hours], (place + 0.1, 0.8), color=known)
    axes.set_yticks(
        [place + 0.5 for place in range(len(drawn[:NUMBERS_MAX]))], [name for name, _, _ in drawn[:NUMBERS_MAX]]
    )
    axes.set_xlim(OPENING_HOUR, CLOSING_HOUR)


def _heatmap(axes: Any, answers: Any) -> None:
    start, end = _span(answers)
    buckets = sorted(answers[0]["series"], key=lambda series: float(series["metric"]["le"].replace("+Inf", "inf")))
    below: dict[float, float] = {}
    rows = []
    for series in buckets:
        hours, values = _points(series, start, end)
        cumulative = dict(zip(hours, values, strict=True))
        rows.append([max(0.0, cumulative[hour] - below.get(hour, 0.0)) for hour in hours])
        below = cumulative
    width = min(map(len, rows))
    axes.imshow(
        [row[:width] for row in rows],
        aspect="auto",
        origin="lower",
        cmap="Blues",
        extent=(OPENING_HOUR, CLOSING_HOUR, 0, len(rows)),
    )
    axes.set_yticks(
        [number + 0.5 for number in range(len(rows))], [series["metric"]["le"] for series in buckets], fontsize=4
    )
    axes.grid(visible=False)


def _table(axes: Any, panel: Panel, answers: Any) -> None:
    """One line for each set of labels, at the middle of the day."""
    rows: dict[str, dict[str, str]] = {}
    for answer in answers:
        for series in answer["series"]:
            name = "/".join(
                value
                for label, value in sorted(series["metric"].items(), reverse=True)
                if label in {"tenant", "queue", "agent", "client", "instance"}
            )
            value = float(series["values"][len(series["values"]) // 2][1])
            rows.setdefault(name, {})[answer["legend"]] = f"{value:.2f}".rstrip("0").rstrip(".")
    axes.axis("off")
    columns = [query.legend for query in panel.queries]
    names = sorted(rows)[:NUMBERS_MAX]
    table = axes.table(
        [[rows[name].get(column, "") for column in columns] for name in names],
        rowLabels=names,
        colLabels=columns,
        loc="center",
    )
    table.set_fontsize(6)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
