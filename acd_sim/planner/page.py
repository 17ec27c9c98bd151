"""The report as one HTML page that needs nothing but itself."""

from html import escape

from acd_sim.planner.pictures import pictures_of
from acd_sim.planner.summary import Cell, Report, Row, Summary
from acd_sim.planner.words import shown

AGENTS_MAX = 500
COLUMNS_MAX = 6
TILES = ("service_level", "abandonment", "asa_s", "occupancy", "cost_per_answered", "value_per_offered")
STYLE = """
:root { --ink: #1f2933; --faint: #52606d; --line: #e3e8ee; --good: #1d7a43; --bad: #b3261e; --paper: #f7f9fb; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, "DejaVu Sans", sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .3rem; }
h2 { font-size: 1.25rem; margin: 2.2rem 0 .4rem; }
p { margin: .4rem 0; max-width: 48rem; }
.faint, figcaption { color: var(--faint); font-size: .92rem; }
.tiles { display: flex; flex-wrap: wrap; gap: .8rem; margin: 1.4rem 0; }
.tile { background: #fff; border: 1px solid var(--line); border-radius: .6rem; padding: .8rem .9rem; min-width: 9rem; flex: 1; }
.tile b { display: block; font-size: 1.55rem; font-weight: 650; line-height: 1.25; white-space: nowrap; }
.good { color: var(--good); } .bad { color: var(--bad); }
figure { background: #fff; border: 1px solid var(--line); border-radius: .6rem; margin: .6rem 0 0; padding: 1rem; }
figure svg { width: 100%; height: auto; display: block; }
.scroll { overflow-x: auto; background: #fff; border: 1px solid var(--line); border-radius: .6rem; }
table { border-collapse: collapse; width: 100%; font-size: .94rem; font-variant-numeric: tabular-nums; }
th, td { padding: .42rem .8rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
.wide { font-size: .84rem; } .wide th, .wide td { padding: .4rem .45rem; }
th:first-child, td:first-child { text-align: left; }
thead th { background: #eef2f6; font-weight: 600; white-space: normal; vertical-align: bottom; }
tbody tr:last-child td { border-bottom: 0; }
details { margin-top: 1rem; } summary { cursor: pointer; font-weight: 600; padding: .3rem 0; }
ul { margin: .4rem 0 .4rem 1.2rem; padding: 0; }
@media print { body { background: #fff; } figure, .scroll, .tile { break-inside: avoid; } details { display: none; } }
"""


def page_of(report: Report) -> str:
    """The page."""
    base = report.alternatives[0]
    parts = [
        f"<h1>{escape(base.title)}</h1>",
        f"<p>{escape(base.about)}</p>" if base.about else "",
        _tiles(base),
        _in_words(report),
    ]
    if len(report.alternatives) > 1:
        parts += [_alternatives(report), _differences(report)]
    for picture in pictures_of(report):
        parts.append(
            f"<h2>{escape(picture.title)}</h2><figure>{picture.svg()}<figcaption>{escape(picture.reading)}</figcaption></figure>"
        )
    parts += [_kinds(summary, len(report.alternatives) > 1) for summary in report.alternatives[:10]]
    parts += [_times(base), _agents(base), _made(report)]
    body = "\n".join(part for part in parts if part)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(base.title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _row(summary: Summary, measure: str) -> Row | None:
    return next((row for row in summary.rows if row.measure == measure), None)


def _verdict(measure: str, cell: Cell, goals: dict[str, float]) -> str:
    """`good` or `bad` where a goal is set and the interval leaves no doubt; else empty."""
    goal = goals.get(measure)
    if goal is None or cell.mean is None:
        return ""
    width = cell.half_width or 0.0
    reached = cell.mean - goal if measure == "service_level" else goal - cell.mean
    return "good" if reached >= width else "bad" if reached <= -width else ""


def _tiles(summary: Summary) -> str:
    tiles = []
    for measure in TILES:
        row = _row(summary, measure)
        if row is None or row.total.mean is None:
            continue
        unit = f" {escape(summary.currency)}" if row.unit == "money" else ""
        goal = summary.goals.get(measure)
        below = f"{escape(row.title)}" + (f", goal {goal:.0%}" if goal is not None else "")
        colour = _verdict(measure, row.total, summary.goals)
        tiles.append(
            f'<div class="tile"><b class="{colour}">{shown(row.total, row.unit, interval=False)}{unit}</b>{below}</div>'
        )
    return f'<div class="tiles">{"".join(tiles)}</div>'


def _in_words(report: Report) -> str:
    """What the figures mean, in sentences."""
    summary = report.alternatives[0]
    said = []
    level = _row(summary, "service_level")
    if level is not None and level.total.mean is not None:
        text = f"{level.total.mean * 100:.0f} of 100 contacts are answered within their target"
        goal = summary.goals.get("service_level")
        if goal is not None:
            verdict = _verdict("service_level", level.total, summary.goals)
            text += f"; the goal of {goal:.0%} is " + {
                "good": "reached", "bad": "missed", "": "within the uncertainty of this simulation",
            }[verdict]  # fmt: skip
        said.append(text + ".")
    known = [
        (cell.mean, interval.label, offered.mean)
        for interval in summary.intervals
        if (cell := interval.total["service_level"]).mean is not None
        and (offered := interval.total["offered"]).mean is not None
        and offered.mean >= 5
    ]
    if len(known) > 2:
        worst = min(known)
        said.append(f"The hardest time begins at {worst[1]}, when {worst[0] * 100:.0f} of 100 are answered in time.")
    kinds = [(cell.mean, kind) for kind, cell in (level.kinds.items() if level else ()) if cell.mean is not None]
    if len(kinds) > 1:
        worst_kind = min(kinds)
        said.append(f"Those who fare worst are '{worst_kind[1]}', with {worst_kind[0] * 100:.0f} of 100 in time.")
    busy = [agent.occupancy.mean for agent in summary.agents if agent.occupancy.mean is not None]
    cap = summary.goals.get("occupancy", 0.9)
    if busy and (over := sum(share > cap for share in busy)):
        said.append(f"{over} of {len(busy)} agents are busier than {cap:.0%} of their time.")
    return "<ul>" + "".join(f"<li>{escape(sentence)}</li>" for sentence in said) + "</ul>" if said else ""


WIDE = 8
"""Tables with more columns are set smaller, to fit on a page."""


def _table(heads: list[str], rows: list[list[str]]) -> str:
    head = "".join(f"<th>{cell}</th>" for cell in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    kind = ' class="wide"' if len(heads) > WIDE else ""
    return f'<div class="scroll"><table{kind}><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _money_title(row: Row, summary: Summary) -> str:
    return escape(row.title) + (f", {escape(summary.currency)}" if row.unit == "money" else "")


def _alternatives(report: Report) -> str:
    rows = []
    measures = list(dict.fromkeys(row.measure for summary in report.alternatives for row in summary.rows))
    for measure in measures:
        cells = []
        title = ""
        for summary in report.alternatives:
            row = _row(summary, measure)
            title = title or (_money_title(row, summary) if row else "")
            if row is None:
                cells.append("–")
                continue
            colour = _verdict(measure, row.total, summary.goals)
            cells.append(f'<span class="{colour}">{shown(row.total, row.unit)}</span>')
        rows.append([title, *cells])
    heads = ["", *(escape(summary.label) for summary in report.alternatives)]
    return f"<h2>The alternatives</h2>{_table(heads, rows)}"


def _differences(report: Report) -> str:
    rows = []
    for found in report.differences:
        colour = {True: "good", False: "bad", None: ""}[found.better]
        word = {True: "better", False: "worse", None: "no clear difference"}[found.better]
        if (
            found.better is None
            and found.difference.mean is not None
            and abs(found.difference.mean) > (found.difference.half_width or 1e9)
        ):
            word = "differs"
        rows.append(
            [
                escape(found.label),
                escape(found.title),
                f'<span class="{colour}">{shown(found.difference, found.unit, signed=True)}</span>',
                word,
            ]
        )
    note = (
        f'<p class="faint">Difference to “{escape(report.alternatives[0].label)}”, with its 95 % interval. All alternatives'
        " see the same callers, so differences are known better than the figures themselves.</p>"
    )
    return f"<h2>What is different</h2>{note}{_table(['alternative', 'figure', 'difference', ''], rows)}"


def _kinds(summary: Summary, labelled: bool) -> str:
    rows = [row for row in summary.rows if row.kinds]
    if not rows:
        return ""
    kinds = list(rows[0].kinds)
    if len(kinds) <= COLUMNS_MAX:
        heads = ["", *(escape(kind) for kind in kinds)]
        cells = [[_money_title(row, summary), *(shown(row.kinds[kind], row.unit) for kind in kinds)] for row in rows]
    else:
        heads = ["", *(_money_title(row, summary) for row in rows)]
        cells = [
            [escape(kind), *(shown(row.kinds[kind], row.unit, interval=row.measure == "service_level") for row in rows)]
            for kind in kinds
        ]
    label = f": {escape(summary.label)}" if labelled else ""
    return f"<h2>By kind of contact{label}</h2>{_table(heads, cells)}"


def _times(summary: Summary) -> str:
    if len(summary.intervals) < 2:
        return ""
    names = {
        "offered": "",
        "service_level": "%",
        "abandonment": "%",
        "asa_s": "s",
        "queue": "",
        "agents": "",
        "occupancy": "%",
    }
    titles = [
        "from",
        "offered",
        "service level",
        "abandoned",
        "mean wait of answered",
        "waiting",
        "agents",
        "occupancy",
    ]
    rows = [
        [escape(interval.label), *(shown(interval.total[name], unit, interval=False) for name, unit in names.items())]
        for interval in summary.intervals
    ]
    return f"<details><summary>Figures by time of day</summary>{_table(titles, rows)}</details>"


def _agents(summary: Summary) -> str:
    if not summary.agents:
        return ""
    rows = [
        [
            escape(agent.agent),
            escape(agent.team),
            f"{agent.hours:.1f}",
            shown(agent.occupancy, "%", interval=False),
            shown(agent.answered, "", interval=False),
        ]
        for agent in summary.agents[:AGENTS_MAX]
    ]
    more = len(summary.agents) - AGENTS_MAX
    note = f'<p class="faint">and {more} more; --csv has all</p>' if more > 0 else ""
    table = _table(["agent", "team", "hours at work", "occupancy", "contacts answered"], rows)
    return f"<details><summary>Agents</summary>{table}{note}</details>"


def _made(report: Report) -> str:
    summary = report.alternatives[0]
    stopped = (
        " It was stopped early: fewer replications than asked for make the intervals wider."
        if summary.interrupted
        else ""
    )
    days = summary.horizon_s / 86_400
    length = f"{days:g} days" if days > 1 else f"{summary.horizon_s / 3600:g} hours"
    warmup = f", of which the first {summary.warmup_s / 60:g} minutes do not count" if summary.warmup_s else ""
    return (
        '<h2>How this was made</h2><p class="faint">'
        f"{summary.replications} independent runs of {length}{warmup}, with seed {summary.seed}:"
        f" {summary.contacts:,} contacts through the routing engine that also serves live calls. “±” is the half-width of a"
        f" 95 % confidence interval of the mean.{stopped}</p>"
    )
