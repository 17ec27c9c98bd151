"""A what-if replay as one HTML page that needs nothing but itself."""

from collections.abc import Sequence
from html import escape

from acd_sim.planner.page import STYLE
from acd_sim.whatif import wording
from acd_sim.whatif.comparison import MEASURES, Column, Measure
from acd_sim.whatif.past import Past

QUEUES_MAX = 100
BARS = ("service_level", "abandoned")
BETTER = {"answered": 1, "abandoned": -1, "service_level": 1, "asa_s": -1, "p90_s": -1}
"""Whether more of a measure is better (1) or worse (-1)."""
BAR_STYLE = """
.bars { display: grid; grid-template-columns: minmax(8rem, max-content) 1fr 4.5rem; gap: .35rem .8rem; align-items: center; }
.bars div { background: #e8edf3; border-radius: .25rem; height: 1.1rem; }
.bars div i { display: block; height: 100%; border-radius: .25rem; background: #3b6ea5; }
.bars b { font-weight: 600; text-align: right; font-variant-numeric: tabular-nums; }
"""


def page_of(past: Past, columns: Sequence[Column], draws: int, repeated: bool | None) -> str:
    """The page.

    Args:
        past: what was rerun.
        columns: the record where it is no journal, the same rules, then the others.
        draws: how many.
        repeated: whether the same rules gave back a journal; None for other records.
    """
    title = f"What if: {past.source}"
    plain = [column for column in columns if not column.differences]
    others = [column for column in columns if column.differences]
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{len(past.contacts):,} contacts that really came, once more"
        + (f" under {len(others)} other set{'s' if len(others) > 1 else ''} of rules" if others else "")
        + ".</p>",
        _words(plain, others, repeated),
        *(_bars(columns, measure) for measure in MEASURES if measure.name in BARS),
        "<h2>As it was</h2>",
        _as_it_was(plain, ""),
        *(f"<h2>{escape(column.name)}</h2>{_differences(plain[-1], column, '')}" for column in others),
        _queues(plain, others),
        "<h2>How to read it</h2><ul>",
        *(f"<li>{escape(line)}</li>" for line in wording.notes(past, columns, draws)),
        "</ul>",
    ]
    body = "\n".join(part for part in parts if part)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}{BAR_STYLE}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n"
        "</body>\n</html>\n"
    )


def _words(plain: Sequence[Column], others: Sequence[Column], repeated: bool | None) -> str:
    said = []
    if repeated is not None:
        said.append(
            "The same rules give back what happened, decision by decision."
            if repeated
            else "The same rules do NOT give back what happened: do not trust this page, and report it."
        )
    elif len(plain) > 1:
        record, again = (column.figures[""]["answered"].mean for column in plain[:2])
        said.append(
            f"In the record {100 * record:.1f} of 100 were answered, in its rerun under the same rules {100 * again:.1f}: "
            "by so much the model of this centre is off. Other rules are compared with the rerun."
        )
    for column in others:
        changes = []
        for measure in MEASURES:
            figure = column.differences[""][measure.name]
            # Only what all draws agree on.
            if measure.name in BETTER and (figure.low > 0 or figure.high < 0):
                sign = "+" if figure.mean > 0 else ""
                changes.append(f"{measure.title} {sign}{_change(figure.mean, measure)}")
        said.append(f"{column.name}: " + ("; ".join(changes) if changes else "no difference that is sure") + ".")
    return "<ul>" + "".join(f"<li>{escape(sentence)}</li>" for sentence in said) + "</ul>" if said else ""


def _change(value: float, measure: Measure) -> str:
    unit = " points" if measure.unit == "%" else f" {measure.unit}" if measure.unit else ""
    return wording.number(value, measure.unit) + unit


def _bars(columns: Sequence[Column], measure: Measure) -> str:
    cells = []
    for column in columns:
        mean = column.figures[""][measure.name].mean
        if mean == mean:
            width = f"{100 * min(1.0, max(0.0, mean)):.1f}%"
            cells.append(
                f'<span>{escape(column.name)}</span><div><i style="width:{width}"></i></div><b>{100 * mean:.1f} %</b>'
            )
    return f'<h2>{escape(measure.title).capitalize()}</h2><figure><div class="bars">{"".join(cells)}</div></figure>'


def _as_it_was(plain: Sequence[Column], path: str) -> str:
    rows = [
        [escape(m.title), *(escape(wording.written(column.figures[path][m.name], m.unit)) for column in plain)]
        for m in MEASURES
    ]
    return _table(["", *(escape(column.name) for column in plain)], rows)


def _differences(base: Column, column: Column, path: str) -> str:
    doubts = column.by_day if not path else {}
    rows = []
    for measure in MEASURES:
        difference = column.differences[path][measure.name]
        better = BETTER.get(measure.name, 0) * difference.mean
        sure = difference.low > 0 or difference.high < 0
        colour = "good" if sure and better > 0 else "bad" if sure and better < 0 else ""
        sign = "+" if difference.mean > 0 else ""
        row = [
            escape(measure.title),
            wording.mean(base.figures[path][measure.name], measure.unit),
            wording.mean(column.figures[path][measure.name], measure.unit),
            f'<span class="{colour}">{sign}{wording.mean(difference, measure.unit)}</span>',
            wording.spread(difference, measure.unit),
        ]
        if doubts:
            doubt = doubts.get(measure.name)
            row.append("–" if doubt is None else f"± {wording.number(doubt.half_width, measure.unit)}")
        rows.append(row)
    heads = ["", escape(base.name), escape(column.name), "difference", "in 95 of 100 draws"]
    return _table([*heads, *(["a day ±"] if doubts else [])], rows)


def _queues(plain: Sequence[Column], others: Sequence[Column]) -> str:
    paths = [path for path in plain[0].figures if path]
    if len(paths) < 2:
        return ""
    parts = []
    for path in paths[:QUEUES_MAX]:
        parts.append(f"<h3>{escape(path)}</h3>{_as_it_was(plain, path)}")
        parts += [_differences(plain[-1], column, path) for column in others]
    if len(paths) > QUEUES_MAX:
        parts.append(f"<p>The first {QUEUES_MAX} of {len(paths)} queues.</p>")
    return f"<details><summary>Queue by queue</summary>{''.join(parts)}</details>"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{cell}</th>" for cell in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
