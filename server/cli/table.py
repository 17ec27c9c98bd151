"""Tables and sentences for people: drawn by rich on a terminal, plain aligned text elsewhere.

Ids come from clients and may hold anything, so characters that would steer a terminal are shown escaped.
"""

import sys
from collections.abc import Iterable, Sequence

from acd_core.events import WaitEstimate

NS_PER_S = 1_000_000_000


def printable(text: str) -> str:
    """`text` with everything escaped that is not a visible character or a space."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def duration(ns: int) -> str:
    """A duration as `m:ss` or `h:mm:ss`; a negative one as 0:00."""
    minutes, seconds = divmod(max(0, ns) // NS_PER_S, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def forecast(estimate: WaitEstimate | None) -> str:
    """A forecast of a wait as `p50..p90`; a dash where there is none."""
    if estimate is None:
        return "-"
    return f"{duration(estimate.p50 * NS_PER_S)}..{duration(estimate.p90 * NS_PER_S)}"


def percent(part: int, whole: int) -> str:
    """A share, rounded to the nearest whole percent; a dash of nothing."""
    return f"{(200 * part + whole) // (2 * whole)} %" if whole else "-"


def print_text(text: str) -> None:
    """Print a paragraph, broken between words on a terminal."""
    if sys.stdout.isatty():
        from rich.console import Console

        Console(highlight=False).print(printable(text), markup=False, soft_wrap=False)
    else:
        sys.stdout.write(printable(text) + "\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], numbers: Iterable[str] = ()) -> None:
    """Print rows under the titles `columns`, of which `numbers` are set right."""
    cells = [[printable(str(value)) for value in row] for row in rows]
    right = set(numbers)
    if not sys.stdout.isatty():
        widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
        for row in [list(columns), *cells]:
            padded = (
                cell.rjust(width) if title in right else cell.ljust(width)
                for title, cell, width in zip(columns, row, widths, strict=True)
            )
            sys.stdout.write("  ".join(padded).rstrip() + "\n")
        return
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold", show_edge=False)
    for title in columns:
        table.add_column(title, justify="right" if title in right else "left", no_wrap=title in right, overflow="fold")
    for row in cells:
        table.add_row(*map(Text, row))
    Console(highlight=False).print(table)
