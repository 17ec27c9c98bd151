"""The figures of a report in the terminal, and as CSV files for spreadsheets."""

import csv
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from acd_sim.planner.summary import Cell, Report, Summary
from acd_sim.planner.words import shown

BAR = 30
EIGHTHS = " ▏▎▍▌▋▊▉█"


def print_report(report: Report, console: Console) -> None:
    """Alternatives, differences, kinds, and the day as bars."""
    base = report.alternatives[0]
    console.print(f"[bold]{base.title}[/]" if base.title else "", highlight=False)
    console.print(_alternatives(report))
    if report.differences:
        console.print(_differences(report))
    if base.rows and len(base.rows[0].kinds) > 1:
        console.print(_kinds(base))
    if len(base.intervals) > 2:
        console.print(_day(base))
    console.print(_made(base), style="dim", soft_wrap=True, highlight=False)


def _alternatives(report: Report) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", no_wrap=True)
    for summary in report.alternatives:
        table.add_column(summary.label, justify="right")
    measures = list(dict.fromkeys((row.measure, row.title, row.unit) for s in report.alternatives for row in s.rows))
    for measure, title, unit in measures:
        cells = []
        for summary in report.alternatives:
            cell = next((row.total for row in summary.rows if row.measure == measure), Cell(None, None))
            cells.append(shown(cell, unit))
        money = f", {report.alternatives[0].currency}" if unit == "money" else ""
        table.add_row(title + money, *cells)
    return table


def _differences(report: Report) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", title_justify="left", title_style="")
    for head in (f"against {report.alternatives[0].label}", "", "difference", ""):
        table.add_column(head, justify="right" if head == "difference" else "left")
    before = ""
    for found in report.differences:
        word, style = {True: ("better", "green"), False: ("worse", "red"), None: ("", "")}[found.better]
        text = shown(found.difference, found.unit, signed=True)
        table.add_row(found.label if found.label != before else "", found.title, Text(text, style=style), word)
        before = found.label
    return table


def _kinds(summary: Summary) -> Table:
    rows = [row for row in summary.rows if row.kinds and row.measure in _KIND_COLUMNS]
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("kind of contact")
    for row in rows:
        table.add_column(row.title, justify="right")
    for kind in rows[0].kinds:
        table.add_row(kind, *(shown(row.kinds[kind], row.unit, interval=False) for row in rows))
    return table


_KIND_COLUMNS = ("offered", "service_level", "abandonment", "asa_s", "wait_p95_s")


def _day(summary: Summary) -> Table:
    """The service level of each interval as a bar."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head, justify in (
        ("from", "left"),
        ("offered", "right"),
        ("agents", "right"),
        ("service level", "left"),
        ("", "right"),
    ):
        table.add_column(head, justify="right" if justify == "right" else "left")
    goal = summary.goals.get("service_level")
    for interval in summary.intervals:
        level = interval.total["service_level"].mean
        style = "" if goal is None or level is None else "green" if level >= goal else "red"
        table.add_row(
            interval.label,
            shown(interval.total["offered"], "", interval=False),
            shown(interval.total["agents"], "", interval=False),
            Text(bar(level or 0.0), style=style or "cyan"),
            shown(interval.total["service_level"], "%", interval=False),
        )
    return table


def bar(share: float, width: int = BAR) -> str:
    """A bar of eighths of characters for a share from 0 to 1."""
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    whole, rest = divmod(eighths, 8)
    return "█" * whole + (EIGHTHS[rest] if rest else "")


def _made(summary: Summary) -> str:
    rate = summary.contacts / summary.seconds if summary.seconds else 0
    cut = f" of {summary.asked} (stopped early)" if summary.interrupted else ""
    warmup = f", warm-up {summary.warmup_s:g} s" if summary.warmup_s else ""
    return (
        f"{summary.replications} replications{cut}, seed {summary.seed}{warmup}; {summary.contacts:,} contacts,"
        f" {rate:,.0f} a second and processor; ± is a 95 % interval"
    )


def write_csv(report: Report, folder: Path) -> list[Path]:
    """Write `summary.csv`, `intervals.csv`, `waits.csv`, `agents.csv` and `differences.csv`. Raises `OSError`."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = {
        "summary": (("alternative", "kind", "measure", "unit", "mean", "half_width_95"), _summary_rows(report)),
        "intervals": (
            ("alternative", "from_s", "from", "kind", "measure", "mean", "half_width_95"),
            _interval_rows(report),
        ),
        "waits": (("alternative", "kind", "seconds", "share_answered_within"), _wait_rows(report)),
        "agents": (
            ("alternative", "agent", "team", "hours", "occupancy", "occupancy_half_width_95", "answered"),
            _agent_rows(report),
        ),
        "differences": (
            ("alternative", "measure", "unit", "difference", "half_width_95", "better"),
            _difference_rows(report),
        ),
    }
    written = []
    for name, (heads, rows) in tables.items():
        path = folder / f"{name}.csv"
        with path.open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(heads)
            writer.writerows(rows)
        written.append(path)
    return written


CsvRow = tuple[object, ...]


def _summary_rows(report: Report) -> Iterator[CsvRow]:
    for summary in report.alternatives:
        for row in summary.rows:
            yield summary.label, "", row.measure, row.unit, row.total.mean, row.total.half_width
            for kind, cell in row.kinds.items():
                yield summary.label, kind, row.measure, row.unit, cell.mean, cell.half_width


def _interval_rows(report: Report) -> Iterator[CsvRow]:
    for summary in report.alternatives:
        for interval in summary.intervals:
            for kind, cells in {"": interval.total, **interval.kinds}.items():
                for measure, cell in cells.items():
                    yield summary.label, interval.from_s, interval.label, kind, measure, cell.mean, cell.half_width


def _wait_rows(report: Report) -> Iterator[CsvRow]:
    for summary in report.alternatives:
        for waits in summary.waits:
            for seconds, share in zip(waits.seconds, waits.share, strict=True):
                yield summary.label, waits.kind, seconds, share


def _agent_rows(report: Report) -> Iterator[CsvRow]:
    for summary in report.alternatives:
        for agent in summary.agents:
            yield (
                summary.label, agent.agent, agent.team, agent.hours, agent.occupancy.mean, agent.occupancy.half_width,
                agent.answered.mean,
            )  # fmt: skip


def _difference_rows(report: Report) -> Iterator[CsvRow]:
    for found in report.differences:
        cell = found.difference
        yield found.label, found.measure, found.unit, cell.mean, cell.half_width, found.better
