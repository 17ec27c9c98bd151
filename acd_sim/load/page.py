"""A load as one HTML page with plots that needs nothing but itself. Takes matplotlib."""

from collections.abc import Iterable
from html import escape
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from acd_sim.load.histogram import Histogram
from acd_sim.load.liveview import notes
from acd_sim.load.result import Report
from acd_sim.planner.page import STYLE as PAGE_STYLE
from acd_sim.planner.pictures import COLOURS, SIZE, STYLE, Picture

SHARES = (0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999)


def page_of(report: Report, offers: list[Histogram]) -> str:
    """The page; `offers` has the latencies of each step."""
    with mpl.rc_context(STYLE):
        pictures = [picture for picture in (_by_share(report, offers), _by_step(report), _over_time(report)) if picture]
    body = [
        "<h1>Load on an ACD engine</h1>",
        f'<p class="faint">{escape(report.started_at)} · {escape(_what(report))}</p>',
        _tiles(report),
        "<ul>" + "".join(f"<li>{escape(note.strip())}</li>" for note in notes(report)) + "</ul>",
        "<h2>Steps</h2>",
        _steps(report),
    ]
    body += [
        f"<h2>{escape(picture.title)}</h2><figure>{picture.svg()}<figcaption>{escape(picture.reading)}</figcaption></figure>"
        for picture in pictures
    ]
    body.append("<h2>Machine</h2>" + _table(["", ""], [[name, value] for name, value in report.environment.items()]))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Load on an ACD engine</title>\n<style>{PAGE_STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(body)
        + "\n</main>\n</body>\n</html>\n"
    )


def _what(report: Report) -> str:
    plan = report.plan
    total = sum(plan.mix.values())
    mix = ", ".join(f"{weight / total:.0%} {name}" for name, weight in plan.mix.items() if weight)
    talk = f", conversations of {plan.talk_s:g} s" if plan.talk_s else ""
    return f"{plan.shape.agents:,} agents, {plan.shape.skills} skills, {plan.connections} connections; contacts: {mix}{talk}"


def _tiles(report: Report) -> str:
    best = max((result.finished_per_s for result in report.steps), default=0.0)
    mistakes = len(report.mistakes)
    tiles = [
        (f"{report.counts['finished']:,}", "contacts", ""),
        (f"{best:,.0f}", "a second in the fastest step", ""),
        (str(mistakes) if mistakes else "none", "kinds of mistake", "bad" if mistakes else "good"),
    ]
    if report.steps:
        tiles.insert(2, (f"{report.steps[-1].offer.p99:,.2f} ms", f"offer, p99, {report.steps[-1].step}", ""))
    return (
        '<div class="tiles">'
        + "".join(
            f'<div class="tile"><b class="{colour}">{value}</b>{escape(text)}</div>' for value, text, colour in tiles
        )
        + "</div>"
    )


def _steps(report: Report) -> str:
    heads = ["step", "contacts", "a second", "offer p50 ms", "p99", "p99.9", "most", "sent late p99", "CPU µs", "MB"]
    rows = []
    for result in report.steps:
        offer = result.offer
        rows.append(
            [
                str(result.step),
                f"{result.finished:,}",
                f"{result.finished_per_s:,.0f}",
                *(f"{value:,.3f}" for value in (offer.p50, offer.p99, offer.p999, offer.max)),
                f"{result.late.p99:,.3f}",
                "" if result.server_cpu_us is None else f"{result.server_cpu_us:,.1f}",
                "" if result.server_rss_mb is None else f"{result.server_rss_mb:,.0f}",
            ]
        )
    return _table(heads, rows)


def _table(heads: list[str], rows: Iterable[list[str]]) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _axes() -> tuple[Figure, Any]:
    figure = Figure(figsize=SIZE)
    return figure, figure.add_subplot()


def _by_share(report: Report, offers: list[Histogram]) -> Picture | None:
    """Latency by percentile, the tail drawn out."""
    figure, axes = _axes()
    drawn = 0
    for result, offer in zip(report.steps, offers, strict=True):
        points = (
            [(1 / (1 - share), value / 1e6) for share, value, _ in offer.curve() if share < 1] if offer.total else []
        )
        if points:
            axes.plot(*zip(*points, strict=True), label=str(result.step), color=COLOURS[drawn % len(COLOURS)])
            drawn += 1
    if not drawn:
        return None
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks([1 / (1 - share) for share in SHARES], [f"{share * 100:g} %" for share in SHARES])
    axes.minorticks_off()
    axes.set_ylabel("ms")
    axes.legend()
    reading = (
        "From the planned time of a contact to its offer. At 99 %, 99 of 100 contacts had their offer in the time shown or"
        " less. Each mark to the right is ten times rarer."
    )
    return Picture("percentiles", "Latency of the offer by percentile", reading, figure)


def _by_step(report: Report) -> Picture | None:
    """How latency grows with the load."""
    if len(report.steps) < 2:
        return None
    figure, axes = _axes()
    loads = [result.step.rate or result.step.depth for result in report.steps]
    for name, title, colour in (
        ("p50", "half", COLOURS[0]),
        ("p99", "99 of 100", COLOURS[1]),
        ("p999", "999 of 1,000", COLOURS[5]),
    ):
        axes.plot(
            loads, [getattr(result.offer, name) for result in report.steps], marker="o", label=title, color=colour
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(loads, [f"{load:,g}" for load in loads])
    axes.minorticks_off()
    axes.set_xlabel("contacts a second" if report.steps[0].step.rate else "contacts in flight")
    axes.set_ylabel("ms")
    axes.legend()
    return Picture(
        "steps", "Latency of the offer by load", "Where a line turns upward, the server's limit is near.", figure
    )


def _over_time(report: Report) -> Picture | None:
    """Throughput and tail, second by second."""
    if len(report.seconds) < 3:
        return None
    figure, axes = _axes()
    times = [second.at_s for second in report.seconds]
    axes.plot(times, [second.finished_per_s for second in report.seconds], color=COLOURS[0], label="contacts a second")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("s")
    axes.set_ylabel("contacts a second", color=COLOURS[0])
    other = axes.twinx()
    other.plot(times, [second.offer_p99 for second in report.seconds], color=COLOURS[1], label="offer p99")
    other.set_ylim(bottom=0)
    other.set_ylabel("offer p99, ms", color=COLOURS[1])
    other.grid(visible=False)
    other.spines["right"].set_visible(True)
    return Picture("time", "Second by second", "Dips and peaks at the same second belong together.", figure)
