"""A live view of a routing domain in the terminal: queues, agents, service level, last decisions.

`LiveView` is a plain value that any client can feed: `set_queues` and `set_agents` with what `stats` and `list`
answer, `apply` with every event. `render` gives lines that fit a terminal of the given size, from 80x24 up; it
reads no clock and does no I/O, so it can be tested as text. Memory is bounded by queues and agents.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from msgspec import Struct
from rich.text import Text

from acd_core.config import Config
from acd_core.events import (
    AgentChanged,
    ContactConnected,
    ContactEnded,
    ContactOffered,
    ContactWrapup,
    Event,
    OfferEnded,
)
from acd_core.service_level import service_level
from acd_core.views import AgentView, QueueView

NS_PER_S = 1_000_000_000
HISTORY_MAX = 120
DECISIONS_MAX = 200
PENDING_MAX = 64

STATES: Mapping[str, tuple[str, str, str, str]] = {
    "ready": ("R", "Ready", "Ready", "green"),
    "offered": ("O", "Offered", "Offer", "bold cyan"),
    "busy": ("T", "Talking", "Talk", "bold blue"),
    "wrapup": ("W", "Wrap-up", "Wrapup", "magenta"),
    "cooldown": ("C", "Cooldown", "Cool", "red"),
    "paused": ("P", "Paused", "Pause", "yellow"),
    "logged_out": ("·", "logged out", "out", "bright_black"),
}
"""Letter, word, short word and style by state of an agent, in the order in which they are counted."""

_BARS = "▁▂▃▄▅▆▇█"
_ASCII_BARS = ".:-=+*#@"
_FOR_ASCII = str.maketrans({"·": ".", "→": ">", "█": "#", "░": "-", "─": "-", "×": "x"})

Importance = Literal[0, 1, 2]


class Decision(Struct, frozen=True):
    """One line about a routing decision: when, what, and how much it deserves to be seen."""

    at: int
    queue: str
    text: str
    style: str
    importance: Importance


class _Agent(Struct):
    """What the view knows of one agent. `ready_ns` is when he last became ready; 0 if that was not seen."""

    state: str
    reason: str = ""
    since_ns: int = 0
    ready_ns: int = 0
    contact: str = ""


class LiveView:
    """What a supervisor sees.

    Args:
        title: the first words on the screen.
        clock: turns engine time in nanoseconds into what the clock on the screen shows.
        footer: shown at the right of the first line, such as where the metrics are.
    """

    def __init__(self, title: str, clock: Callable[[int], str], footer: str = "") -> None:
        self.title = title
        self.footer = footer
        self.notice = ""
        self.now_ns = 0
        self.decisions: deque[Decision] = deque(maxlen=DECISIONS_MAX)
        self._clock = clock
        self._queues: list[QueueView] = []
        self._agents: dict[str, _Agent] = {}
        self._history: dict[tuple[str, str], deque[int]] = {}
        self._targets: dict[tuple[str, str], float] = {}
        self._pending: deque[Decision] = deque(maxlen=PENDING_MAX)
        self._skipped = 0

    def set_config(self, config: Config) -> None:
        """Take the service level targets from the configuration that holds."""
        self._targets = {(queue.tenant, queue.name): queue.service_level_s for queue in config.queues}

    def set_queues(self, queues: Iterable[QueueView], now_ns: int) -> None:
        """Take the counters of all queues as of `now_ns`; each call adds a point to the lines of waiting contacts."""
        self.now_ns = max(self.now_ns, now_ns)
        self._queues = list(queues)
        for queue in self._queues:
            key = (queue.tenant, queue.queue)
            self._history.setdefault(key, deque(maxlen=HISTORY_MAX)).append(queue.waiting + queue.offered)

    def set_agents(self, agents: Iterable[AgentView]) -> None:
        """Take the state of all agents; events keep it up to date from then on."""
        self._agents = {
            agent.agent: _Agent(
                state=agent.state,
                reason=agent.pause_reason or agent.cooldown_cause,
                since_ns=agent.since_ns,
                ready_ns=agent.since_ns if agent.state == "ready" else 0,
                contact=agent.contact,
            )
            for agent in agents
        }

    def apply(self, event: Event) -> None:
        """Take one event into account."""
        self.now_ns = max(self.now_ns, event.at)
        if isinstance(event, AgentChanged):
            agent = self._agents.setdefault(event.agent, _Agent("logged_out"))
            agent.state, agent.reason, agent.since_ns = event.state, event.reason, event.at
            if event.state == "ready":
                agent.ready_ns = event.at
            if event.state not in {"offered", "busy", "wrapup"}:
                agent.contact = ""
            if event.state == "paused" and event.reason == "missed_offers":
                self._decide(event.at, "", f"{event.agent} is paused: missed too many offers", "red", 2)
        elif isinstance(event, ContactOffered):
            agent = self._agents.setdefault(event.agent, _Agent("offered"))
            agent.contact = event.contact
            ready = f", ready for {_span(_seconds(event.at - agent.ready_ns))}" if agent.ready_ns else ""
            waited = f"waited {_span(event.wait)}" if event.wait >= 1 else "at once"
            self._decide(event.at, event.queue, f"{event.contact} {waited} → {event.agent}{ready}", "", 0)
        elif isinstance(event, ContactConnected):
            self._agents.setdefault(event.agent, _Agent("busy")).contact = event.contact
        elif isinstance(event, ContactWrapup):
            self._agents.setdefault(event.agent, _Agent("wrapup")).contact = event.contact
        elif isinstance(event, OfferEnded):
            self._offer_ended(event)
        elif isinstance(event, ContactEnded) and not event.agent:
            what = {
                "abandoned": "gave up",
                "max_wait": "waited too long and was let go",
                "queue_full": "was turned away: the queue is full",
            }.get(event.reason, f"ended as {event.reason}")
            after = f" after {_span(event.wait)}" if event.wait >= 1 else ""
            self._decide(event.at, event.queue, f"{event.contact} {what}{after}", "yellow", 1)

    def _offer_ended(self, event: OfferEnded) -> None:
        if event.outcome == "timed_out":
            text = f"{event.agent} did not answer {event.contact}: it keeps its place"
            self._decide(event.at, event.queue, text, "red", 2)
        elif event.outcome == "rejected":
            cause = f" ({event.cause})" if event.cause else ""
            text = f"{event.agent} rejected {event.contact}{cause}: it keeps its place"
            self._decide(event.at, event.queue, text, "red", 2)

    def _decide(self, at: int, queue: str, text: str, style: str, importance: Importance) -> None:
        self._pending.append(Decision(at, queue, text, style, importance))

    def sample(self, most: int) -> None:
        """Move at most `most` of the decisions since the last call onto the screen: those that matter most, in order.

        A busy centre decides faster than anyone can read; call this once for each redraw.
        """
        chosen = sorted(self._pending, key=lambda decision: (-decision.importance, -decision.at))[:most]
        self._skipped += len(self._pending) - len(chosen)
        self._pending.clear()
        self.decisions.extend(sorted(chosen, key=lambda decision: decision.at))

    # What is drawn, from top to bottom.

    def render(self, width: int, height: int, *, ascii_only: bool = False) -> Text:
        """At most `height` lines of at most `width` characters.

        Args:
            width: of the terminal.
            height: of the terminal; from 80x24 on, six queues and sixty agents are there in full.
            ascii_only: for terminals that show no other characters.
        """
        lines = [*self._head(width), Text(), *self._queue_lines(width, max(3, height - 15), ascii_only), Text()]
        room = height - len(lines)
        wide = -(-len(self._agents) // max(1, width // 30))
        if width >= 110 and room >= wide + 9:
            lines += [self._agent_counts(width), *self._agent_table(width), Text()]
        else:
            lines += [self._agent_counts(width), *self._agent_grid(width, max(1, room - 5)), Text()]
        lines += self._decision_lines(height - len(lines))
        whole = Text(no_wrap=True, overflow="crop", end="")
        for number, line in enumerate(lines[:height]):
            line.truncate(width)
            if number:
                whole.append("\n")
            whole.append_text(line)
        if ascii_only:
            whole.plain = whole.plain.translate(_FOR_ASCII)
        return whole

    def _head(self, width: int) -> list[Text]:
        first = Text(" ")
        first.append(self.title, "bold")
        first.append(f"   {self._clock(self.now_ns)}", "bold cyan")
        note, style = (self.notice, "bold red") if self.notice else (self.footer, "bright_black")
        first.append(" " * max(3, width - first.cell_len - len(note) - 1))
        first.append(note, style)

        answered = sum(queue.answered for queue in self._queues)
        abandoned = sum(queue.ended.get("abandoned", 0) for queue in self._queues)
        entered = sum(queue.entered for queue in self._queues)
        waiting = sum(queue.waiting + queue.offered for queue in self._queues)
        talking = sum(queue.connected for queue in self._queues)
        oldest = min((queue.oldest_ns for queue in self._queues if queue.oldest_ns), default=0)
        level = _ratio(*service_level(self._queues))

        second = Text(" Service level ")
        second.append(_percent(level, 5), _level_style(level))
        filled = 0 if level is None else round(level * 20)
        second.append("  ")
        second.append("█" * filled, _level_style(level))
        second.append("░" * (20 - filled), "bright_black")
        second.append(f"  {waiting:,} waiting")
        if oldest:
            second.append(f", the longest for {_span(_seconds(self.now_ns - oldest))}")

        third = Text(f" {entered:,} offered   {answered:,} answered   ")
        third.append(f"{abandoned:,} gave up ({_percent(_ratio(abandoned, entered))})")
        third.append(f"   {talking:,} talking   ")
        wait = _ratio(sum(queue.wait_ns for queue in self._queues), answered)
        third.append("" if wait is None else f"{_span(_seconds(round(wait)))} to answer")
        return [first, second, third]

    def _queue_lines(self, width: int, room: int, ascii_only: bool) -> list[Text]:
        names = {(queue.tenant, queue.queue): f"{queue.tenant}/{queue.queue}" for queue in self._queues}
        name_width = min(max((len(name) for name in names.values()), default=5), 18 if width < 110 else 40)
        spark_width = max(8, min(HISTORY_MAX, width - name_width - 51))
        head = Text(
            f" {'Queue':<{name_width}}{'Waiting':>8}{'':<{spark_width - 1}}{'Oldest':>8}{'Talking':>8}{'Answered':>9}"
            f"{'Gave up':>12}{'Level':>6}",
            "bold",
        )
        shown = self._queues
        if len(shown) > room - 1:
            shown = sorted(shown, key=lambda queue: -(queue.waiting + queue.offered))[: max(0, room - 2)]
        lines = [head]
        for queue in shown:
            key = (queue.tenant, queue.queue)
            waiting = queue.waiting + queue.offered
            line = Text(f" {names[key][:name_width]:<{name_width}}")
            line.append(f"{waiting:>6,} ", "bold" if waiting else "bright_black")
            line.append(sparkline(self._history[key], spark_width, ascii_only), "cyan")
            age = _seconds(self.now_ns - queue.oldest_ns) if queue.oldest_ns else 0
            target = self._targets.get(key, 20)
            urgency = "" if age <= target else "yellow" if age <= 3 * target else "red"
            line.append(f"{_span(age) if queue.oldest_ns else '':>8}", urgency)
            line.append(f"{queue.connected:>8,}{queue.answered:>9,}")
            abandoned = queue.ended.get("abandoned", 0)
            line.append(f"{abandoned:>7,}{_percent(_ratio(abandoned, queue.entered), 5)}")
            level = _ratio(*service_level([queue]))
            line.append(_percent(level, 6), _level_style(level))
            lines.append(line)
        if len(shown) < len(self._queues):
            lines.append(Text(f" and {len(self._queues) - len(shown):,} more with fewer waiting", "bright_black"))
        return lines

    def _agent_counts(self, width: int) -> Text:
        """How many agents are in each state; the first letters are those of the grid."""
        counts = Counter(agent.state for agent in self._agents.values())
        for column in (1, 2):
            line = Text(" ")
            line.append("Agents", "bold")
            for state, names in STATES.items():
                line.append(f"  {names[column][0]}", names[3])
                line.append(f"{names[column][1:]} {counts[state]:,}")
            if line.cell_len <= width:
                break
        return line

    def _agent_grid(self, width: int, room: int) -> list[Text]:
        names = list(self._agents)
        label = max((len(name) for name in names), default=0)
        row_length = max(10, (width - label - 3) // 20 * 10) if width >= label + 23 else 10
        lines = []
        for start in range(0, len(names), row_length):
            line = Text(f" {names[start]:<{label}} ", "bright_black")
            for place, name in enumerate(names[start : start + row_length]):
                letter, _, _, style = STATES[self._agents[name].state]
                line.append("  " if place and place % 10 == 0 and row_length * 2 + label + 8 <= width else " ")
                line.append(letter, style)
            lines.append(line)
        if len(lines) > room:
            hidden = len(names) - (room - 1) * row_length
            lines = [*lines[: room - 1], Text(f" and {hidden:,} more", "bright_black")]
        return lines

    def _agent_table(self, width: int) -> list[Text]:
        """Every agent with his contact or reason, and for how long: for large terminals."""
        columns = max(1, width // 30)
        cell = width // columns
        names = list(self._agents)
        label = min(max((len(name) for name in names), default=0), 9)
        rows = -(-len(names) // columns)
        lines = [Text() for _ in range(rows)]
        for place, name in enumerate(names):
            agent = self._agents[name]
            letter, word, _, style = STATES[agent.state]
            text = Text(f" {name[:label]:<{label}} ")
            text.append(letter, style)
            out = agent.state == "logged_out"
            span = "" if out or not agent.since_ns else _span(_seconds(self.now_ns - agent.since_ns))
            text.append(f"{span:>8} ")
            text.append(agent.contact or agent.reason or word.lower(), "bright_black" if out else "")
            text.truncate(cell - 1)
            text.pad_right(cell - text.cell_len)
            lines[place % rows].append_text(text)
        return lines

    def _decision_lines(self, room: int) -> list[Text]:
        head = Text(" ")
        head.append("Decisions", "bold")
        if self._skipped:
            head.append("  more happen than fit: those that went wrong first", "bright_black")
        lines = [head]
        for decision in list(self.decisions)[-max(0, room - 1) :] if room > 1 else []:
            line = Text(f" {self._clock(decision.at)[-8:]}  ", "bright_black")
            line.append(f"{decision.queue[:12]:<13}")
            line.append(decision.text, decision.style)
            lines.append(line)
        return lines


def sparkline(points: Iterable[int], width: int, ascii_only: bool = False) -> str:
    """The latest `width` points as bars; the highest point, or 4 if all are lower, fills the line."""
    bars = _ASCII_BARS if ascii_only else _BARS
    latest = list(points)[-width:]
    top = max([4, *latest])
    return "".join(bars[-(-point * 7 // top)] for point in latest).rjust(width)


def _seconds(ns: int) -> float:
    return max(0, ns) / NS_PER_S


def _span(seconds: float) -> str:
    """`14 s` below a minute, then `1:04`, then `1:02:03`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d}"
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _percent(share: float | None, width: int = 0) -> str:
    text = "-" if share is None else f"{share:.0%}".replace("%", " %")
    return f"{text:>{width}}"


def _level_style(level: float | None) -> str:
    if level is None:
        return "bright_black"
    return "bold green" if level >= 0.8 else "bold yellow" if level >= 0.6 else "bold red"
