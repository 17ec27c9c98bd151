"""What `acd top` draws: lines that fit a terminal, from plain values. It reads no clock and does no I/O."""

import textwrap
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from rich.text import Text

from acd_core.explain import AgentExplanation, ContactExplanation
from acd_core.obstacles import CONDITION_WORDS
from acd_core.service_level import service_level
from acd_core.views import DomainView, QueueView
from server.cli.table import NS_PER_S, duration, forecast, percent, printable
from server.top.tables import STATE_STYLES, Column, Row, Table

WIDE = 110
"""From this width on all columns are there."""

HELP = (
    ("1 2 3 or Tab", "queues, agents, contacts"),
    ("arrows, j k", "move; also PgUp, PgDn, Home, End"),
    ("Enter or right", "look into a queue, an agent, a contact: why does it wait?"),
    ("Esc or left", "back"),
    ("s S", "sort by the next, the previous column"),
    ("r", "turn the order round"),
    ("/", "show only rows with these words; Esc drops them"),
    ("p", "stop the display, to read; again to go on"),
    ("q", "end"),
)


class Status(Struct):
    """What the head of every screen shows.

    Attributes:
        notice: what is wrong with the connection; empty when nothing is.
        held: whether the display stands still on purpose.
    """

    title: str
    now_ns: int = 0
    notice: str = ""
    held: bool = False
    domain: DomainView | None = None
    queues: Sequence[QueueView] = ()


def span(seconds: float) -> str:
    """A duration of so many seconds."""
    return duration(int(seconds * NS_PER_S))


def head(status: Status, width: int) -> list[Text]:
    """Two lines: where we are and how the whole stands, and what the agents do."""
    first = Text(" ")
    first.append(status.title, "bold")
    if status.now_ns:
        first.append(f"  {datetime.fromtimestamp(status.now_ns // NS_PER_S).astimezone():%H:%M:%S}", "bold cyan")
    waiting = sum(view.waiting + view.offered for view in status.queues)
    oldest = min((view.oldest_ns for view in status.queues if view.oldest_ns), default=0)
    level = percent(*service_level(status.queues)) if status.queues else "-"
    first.append(f"  {waiting:,} waiting", "bold" if waiting else "")
    if oldest:
        first.append(f", oldest {duration(status.now_ns - oldest)}")
    first.append(f"  level {level}")
    first.append(f"  {sum(view.connected for view in status.queues):,} talking")
    note, style = (status.notice, "bold red") if status.notice else ("held", "bold yellow") if status.held else ("", "")
    if note:
        first.append(f"  {note}", style)
    second = Text(" ")
    for state, count in (status.domain.agents if status.domain else {}).items():
        word = state.replace("_", " ")
        second.append(f"{word} ", STATE_STYLES[state])
        second.append(f"{count:,}  ")
    return [_fitted(first, width), _fitted(second, width)]


def widths(table: Table[Row], width: int) -> list[tuple[int, Column[Row], int]]:
    """The columns that fit: their number, themselves and their width."""
    shown = [(number, column) for number, column in enumerate(table.columns) if width >= WIDE or not column.wide]
    fixed = sum(column.width + 1 for _, column in shown if column.width)
    flexible = sum(not column.width for _, column in shown)
    spare = max(12, (width - 1 - fixed) // max(1, flexible) - 1)
    return [(number, column, column.width or spare) for number, column in shown]


def body(
    table: Table[Row], rows: Sequence[Row], now_ns: int, width: int, *, sort: int, reverse: bool, selected: int
) -> list[Text]:
    """The head of a table and its rows; that of the selection is marked."""
    columns = widths(table, width)
    first = Text(" ")
    for number, column, size in columns:
        arrow = ("▼" if column.descending != reverse else "▲") if number == sort else ""
        title = f"{column.title}{arrow}"[:size]
        first.append(title.rjust(size) if column.right else title.ljust(size), "bold reverse" if arrow else "bold")
        first.append(" ")
    lines = [_fitted(first, width)]
    for place, row in enumerate(rows):
        line = Text(" ")
        for _, column, size in columns:
            text = column.text(row, now_ns)[:size]
            line.append(text.rjust(size) if column.right else text.ljust(size), column.style(row, now_ns))
            line.append(" ")
        line = _fitted(line, width)
        if place == selected:
            line.pad_right(width - line.cell_len)
            line.stylize("reverse")
        lines.append(line)
    return lines


def contact_lines(found: ContactExplanation, width: int) -> list[Text]:
    """Why a contact waits, or where it is."""
    lines = [Text(f" Contact {printable(found.contact)}", "bold"), Text()]
    lines += _wrapped(found.summary, width)
    facts = [("state", found.state)]
    if found.queue:
        facts += [("queue", f"{found.tenant}/{found.queue}"), ("waited", span(found.wait_s))]
        facts += [("priority", str(found.priority)), ("asks for", found.require or "nothing")]
    facts += [("place", f"{found.position} of all it competes with, {found.queue_position} in its queue")] * bool(
        found.position
    )
    if found.wait_estimate:
        facts += [("still", f"{forecast(found.wait_estimate)} (half of such waits, nine of ten)")]
    if found.forecast:
        facts += [("was told", forecast(found.forecast))]
    facts += [("agent", found.agent)] * bool(found.agent) + [("ended", found.reason)] * bool(found.reason)
    lines += [Text(), *_facts(facts)]
    if found.conditions:
        lines += [Text(), Text(f" {'Agents logged in':<28}{'all':>7}{'who qualify':>13}", "bold")]
        lines += [
            Text(f" {CONDITION_WORDS[row.condition]:<28}{row.agents:>7,}{row.qualified:>13,}")
            for row in found.conditions
        ]
    if found.agents:
        lines += [Text(), Text(f" {'Agent':<16}{'Qualifies':<11}What keeps him from it", "bold")]
        for verdict in sorted(found.agents, key=lambda row: not row.qualified):
            style = "green" if verdict.qualified else "bright_black"
            lines.append(Text(f" {printable(verdict.agent)[:15]:<16}{'yes' if verdict.qualified else 'no':<11}", style))
            lines[-1].append(printable(verdict.text))
    if found.agents_left_out:
        lines.append(Text(f" and {found.agents_left_out:,} more agents"))
    return [_fitted(line, width) for line in lines]


def agent_lines(found: AgentExplanation, width: int) -> list[Text]:
    """What an agent does, and what keeps him from those who wait."""
    lines = [Text(f" Agent {printable(found.agent)}", "bold"), Text(), *_wrapped(found.summary, width), Text()]
    facts = [("state", f"{found.state.replace('_', ' ')} for {span(found.since_s)}")]
    facts += [("reason", found.reason)] * bool(found.reason) + [("contact", found.contact)] * bool(found.contact)
    facts += [("waiting", f"{found.waiting:,} contacts, of which he could serve {found.could_serve:,}")]
    lines += _facts(facts)
    if found.queues:
        lines += [
            Text(),
            Text(f" {'Queue':<24}{'Waiting':>8}{'Could serve':>13}  What keeps him from the others", "bold"),
        ]
    for row in found.queues:
        obstacles = "; ".join(f"{obstacle.text} ({obstacle.contacts})" for obstacle in row.obstacles) or "-"
        name = printable(f"{row.tenant}/{row.queue}")[:23]
        lines.append(Text(f" {name:<24}{row.waiting:>8,}{row.could_serve:>13,}  {printable(obstacles)}"))
    return [_fitted(line, width) for line in lines]


def help_lines(width: int) -> list[Text]:
    """The keys."""
    lines = [Text(" Keys", "bold"), Text()]
    for keys, what in HELP:
        line = Text(f" {keys:<16}", "cyan")
        line.append(what, "default")
        lines.append(_fitted(line, width))
    return lines


def page(top: Sequence[Text], middle: Sequence[Text], bottom: Text, width: int, height: int) -> Text:
    """The whole screen: exactly `height` lines."""
    room = max(0, height - len(top) - 1)
    lines = [*top, *middle[:room]]
    lines += [Text()] * (height - 1 - len(lines))
    whole = Text(no_wrap=True, overflow="crop", end="")
    for line in [*lines[: height - 1], _fitted(bottom, width)]:
        whole.append_text(line)
        whole.append("\n")
    whole.right_crop(1)
    return whole


def _wrapped(text: str, width: int) -> list[Text]:
    return [Text(f" {line}") for line in textwrap.wrap(printable(text), max(20, width - 2))]


def _facts(facts: Sequence[tuple[str, Any]]) -> list[Text]:
    lines = []
    for name, value in facts:
        line = Text(f" {name:<10}", "cyan")
        line.append(printable(str(value)), "default")
        lines.append(line)
    return lines


def _fitted(line: Text, width: int) -> Text:
    line.truncate(width)
    return line
