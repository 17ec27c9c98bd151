"""The lists of `acd top`: what their columns show, and how they are sorted and filtered. Plain values, no I/O."""

from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from acd_core.service_level import service_level
from acd_core.views import AgentView, QueueView, in_seconds
from acd_protocol.messages import ListedContact
from server.cli.table import duration, forecast, percent, printable

Row = TypeVar("Row")

STATE_STYLES = {
    "ready": "green",
    "offered": "bold cyan",
    "busy": "bold blue",
    "wrapup": "magenta",
    "cooldown": "red",
    "paused": "yellow",
    "logged_out": "bright_black",
    "queued": "yellow",
    "connected": "bold blue",
    "parked": "bright_black",
}
"""Of agents and contacts alike."""


class Column(NamedTuple, Generic[Row]):
    """A column.

    Attributes:
        text: what a cell shows, given the row and engine time.
        key: what rows are sorted by; descending: whether the largest stands first.
        width: in characters; 0 shares what is left.
        style: of a cell.
        wide: whether it is left out of a narrow terminal.
    """

    title: str
    text: Callable[[Row, int], str]
    key: Callable[[Row, int], Any]
    width: int = 0
    right: bool = True
    descending: bool = True
    style: Callable[[Row, int], str] = lambda _row, _now: ""
    wide: bool = False


class Table(NamedTuple, Generic[Row]):
    """A list of rows of one kind. `name` gives the identity of a row, `searched` what a filter looks into."""

    title: str
    columns: Sequence[Column[Row]]
    name: Callable[[Row], str]
    searched: Callable[[Row], str]


def arranged(table: Table[Row], rows: Sequence[Row], now_ns: int, sort: int, reverse: bool, sought: str) -> list[Row]:
    """The rows that contain all words of `sought`, in the order of the column `sort`."""
    words = sought.lower().split()
    found = [row for row in rows if all(word in table.searched(row).lower() for word in words)] if words else list(rows)
    column = table.columns[sort]
    found.sort(key=table.name)
    found.sort(key=lambda row: column.key(row, now_ns), reverse=column.descending != reverse)
    return found


def _number(title: str, read: Callable[[Any], int], width: int = 8, wide: bool = False) -> Column[Any]:
    return Column(title, lambda row, _: f"{read(row):,}", lambda row, _: read(row), width, wide=wide)


def _oldest(view: QueueView, now_ns: int) -> int:
    return now_ns - view.oldest_ns if view.oldest_ns else 0


def _level(view: QueueView) -> float:
    met, counted = service_level([view])
    return met / counted if counted else 2.0


def _level_style(view: QueueView, _: int) -> str:
    level = _level(view)
    return "bright_black" if level > 1 else "green" if level >= 0.8 else "yellow" if level >= 0.6 else "bold red"


def _mean(total_ns: int, count: int) -> int:
    return total_ns // count if count else 0


QUEUES: Table[QueueView] = Table(
    "Queues",
    (
        Column(
            "Queue",
            lambda q, _: f"{q.tenant}/{q.queue} {q.closed_words}".rstrip(),
            lambda q, _: (q.tenant, q.queue),
            right=False,
            descending=False,
            style=lambda q, _: "yellow" if q.closed else "",
        ),
        Column(
            "Waiting",
            lambda q, _: f"{q.waiting + q.offered:,}",
            lambda q, _: q.waiting + q.offered,
            8,
            style=lambda q, _: "bold" if q.waiting else "",
        ),
        Column(
            "Oldest",
            lambda q, now: duration(_oldest(q, now)) if q.oldest_ns else "",
            _oldest,
            8,
            style=lambda q, now: "bold red" if _oldest(q, now) > 60_000_000_000 else "",
        ),
        _number("Talking", lambda q: q.connected),
        _number("Wrap-up", lambda q: q.wrapup, wide=True),
        _number("Arrived", lambda q: q.entered, 9, wide=True),
        _number("Answered", lambda q: q.answered, 9),
        _number("Gave up", lambda q: q.ended.get("abandoned", 0)),
        Column(
            "Level",
            lambda q, _: percent(*service_level([q])),
            lambda q, _: _level(q),
            7,
            descending=False,
            style=_level_style,
        ),
        Column(
            "Answer",
            lambda q, _: duration(_mean(q.wait_ns, q.answered)) if q.answered else "",
            lambda q, _: _mean(q.wait_ns, q.answered),
            7,
            wide=True,
        ),
        Column(
            "Handle",
            lambda q, _: duration(_mean(q.handle_ns, sum(q.handle_histogram))) if any(q.handle_histogram) else "",
            lambda q, _: _mean(q.handle_ns, sum(q.handle_histogram)),
            7,
            wide=True,
        ),
        _number("Missed", lambda q: q.offers_timed_out, wide=True),
        Column(
            "Would wait",
            lambda q, _: forecast(in_seconds(q.estimate)) if q.estimate else "",
            lambda q, _: q.estimate.p50_ms if q.estimate else -1,
            12,
            wide=True,
        ),
        Column(
            "Off by",
            lambda q, _: f"{_off_ms(q) / 1000:.1f} s" if q.forecasts else "",
            lambda q, _: _off_ms(q),
            8,
            wide=True,
        ),
        Column(
            "In p90",
            lambda q, _: percent(q.forecast_in_p90, q.forecasts) if q.forecasts else "",
            lambda q, _: q.forecast_in_p90 / max(1, q.forecasts),
            7,
            descending=False,
            wide=True,
        ),
    ),
    lambda q: f"{q.tenant}/{q.queue}",
    lambda q: f"{q.tenant}/{q.queue}",
)


def _off_ms(view: QueueView) -> float:
    """By how much forecasts of the wait were off."""
    return view.forecast_off_ms / max(1, view.forecasts)


def agent_words(view: AgentView) -> str:
    """What an agent does, and why."""
    words = view.state.replace("_", " ")
    reason = view.pause_reason if view.state == "paused" else view.cooldown_cause if view.state == "cooldown" else ""
    after = " (then out)" if view.logging_out else ""
    if view.presence == "paused" and view.activity != "none":
        after = f" (then {view.pause_reason})"
    return printable(f"{words}: {reason}" if reason else words + after)


_AGENT_ORDER = {"busy": 0, "offered": 1, "wrapup": 2, "ready": 3, "cooldown": 4, "paused": 5, "logged_out": 6}

AGENTS: Table[AgentView] = Table(
    "Agents",
    (
        Column("Agent", lambda a, _: printable(a.agent), lambda a, _: a.agent, 14, right=False, descending=False),
        Column(
            "State",
            lambda a, _: agent_words(a),
            lambda a, _: (_AGENT_ORDER[a.state], a.pause_reason),
            20,
            right=False,
            descending=False,
            style=lambda a, _: STATE_STYLES[a.state],
        ),
        Column(
            "For",
            lambda a, now: duration(now - a.since_ns) if a.presence != "logged_out" else "",
            lambda a, now: now - a.since_ns if a.presence != "logged_out" else 0,
            8,
        ),
        Column("Contact", lambda a, _: printable(a.contact), lambda a, _: a.contact, 12, right=False, descending=False),
        _number("Answered", lambda a: a.answered, 9),
        _number("Missed", lambda a: a.missed_total, 7),
        _number("Rejected", lambda a: a.rejected_total, 9, wide=True),
        Column("Talk", lambda a, _: duration(a.talk_ns), lambda a, _: a.talk_ns, 9, wide=True),
        Column("Client", lambda a, _: printable(a.client), lambda a, _: a.client, 12, False, False, wide=True),
        Column(
            "Skills",
            lambda a, _: printable(" ".join(f"{skill}:{level}" for skill, level in a.skills.items())),
            lambda a, _: len(a.skills),
            right=False,
            wide=True,
        ),
    ),
    lambda a: a.agent,
    lambda a: f"{a.agent} {agent_words(a)} {a.contact} {a.client} {' '.join(a.skills)} {' '.join(a.tenants)}",
)


def _contact_state(view: ListedContact) -> str:
    if view.held:
        return "on hold"
    return "call back" if view.callback is not None and view.state == "queued" else view.state


def _contact_wait(view: ListedContact, now_ns: int) -> int:
    return (view.connected_ns or now_ns) - view.enqueued_ns


CONTACT_ORDER = {"queued": 0, "offered": 1, "connected": 2, "parked": 3, "wrapup": 4}

CONTACTS: Table[ListedContact] = Table(
    "Contacts",
    (
        Column("Contact", lambda c, _: printable(c.contact), lambda c, _: c.contact, 14, right=False, descending=False),
        Column(
            "State",
            lambda c, _: _contact_state(c),
            lambda c, now: (CONTACT_ORDER[c.state], c.urgency.key(now, c.seq)),
            10,
            right=False,
            descending=False,
            style=lambda c, _: STATE_STYLES[c.state],
        ),
        Column("Waited", lambda c, now: duration(_contact_wait(c, now)), _contact_wait, 8),
        Column(
            "Place",
            lambda c, _: f"{c.position:,}" if c.position else "",
            lambda c, _: c.position,
            6,
            descending=False,
        ),
        Column(
            "Still",
            lambda c, _: forecast(c.wait_estimate) if c.wait_estimate else "",
            lambda c, _: c.wait_estimate.p50 if c.wait_estimate else -1,
            12,
            wide=True,
        ),
        Column("Prio", lambda c, _: str(c.priority), lambda c, _: c.priority, 5),
        Column("Agent", lambda c, _: printable(c.agent), lambda c, _: c.agent, 12, right=False, descending=False),
        Column(
            "Queue",
            lambda c, _: printable(f"{c.tenant}/{c.queue}"),
            lambda c, _: (c.tenant, c.queue),
            15,
            right=False,
            descending=False,
        ),
        Column(
            "Asks for",
            lambda c, _: printable(c.require),
            lambda c, _: c.require,
            right=False,
            descending=False,
            wide=True,
        ),
    ),
    lambda c: c.contact,
    lambda c: f"{c.contact} {c.state} {c.tenant}/{c.queue} {c.agent} {c.require}",
)
