"""How the figures of a what-if replay are written for people, in the terminal and on the page."""

from collections.abc import Iterator, Sequence

from acd_sim.whatif.comparison import Column, Figure
from acd_sim.whatif.past import Past


def mean(figure: Figure, unit: str) -> str:
    """The mean with its unit; a dash where nothing happened."""
    if figure.mean != figure.mean:
        return "–"
    return f"{number(figure.mean, unit)}{' ' + unit if unit else ''}"


def spread(figure: Figure, unit: str) -> str:
    """The range of the draws; empty when they agree."""
    if figure.mean != figure.mean or figure.low == figure.high:
        return ""
    return f"[{number(figure.low, unit)}, {number(figure.high, unit)}]"


def written(figure: Figure, unit: str) -> str:
    """Both."""
    return f"{mean(figure, unit)} {spread(figure, unit)}".rstrip()


def number(value: float, unit: str) -> str:
    """A value in its unit."""
    if unit == "%":
        return f"{100 * value:.2f}"
    return f"{value:,.1f}" if unit else f"{value:,.0f}"


def notes(past: Past, columns: Sequence[Column], draws: int) -> Iterator[str]:
    """What one has to know to read the figures."""
    yield from past.notes
    if draws > 1:
        yield (
            f"[a, b]: the range of 95 of 100 draws; {draws} draws of what the record does not tell: how long those would have"
            " waited who were answered (Kaplan-Meier), how long those would have talked who gave up, how agents answer"
            " offers that they did not get"
        )
    for column in columns:
        if column.differences:
            yield (
                f"{column.name}: {column.drawn:.1%} of what callers did had to be drawn;"
                f" {column.other_agent:.1%} of the answered had another agent than in the record"
            )
            if column.refused:
                counts = ", ".join(f"{name} {count:,} times" for name, count in sorted(column.refused.items()))
                yield f"{column.name}: of the record this made no sense here, and was left out: {counts}"
    doubts = [doubt for column in columns for doubt in column.by_day.values()]
    if doubts:
        yield f"a day ±: would {doubts[0].days} other days of the same kind show it? 95 % interval of the mean daily difference"
    if len(columns) > 1:
        yield "callers and agents behave as they did: who is served sooner talks as long, and nobody hears of shorter waits"
