"""A load as it goes, in the terminal, and its result as tables there."""

from collections import deque
from typing import Self

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from acd_sim.load.plan import Plan
from acd_sim.load.result import Latency, Report, Second

LINES_MAX = 12
BAR = 12


class LiveView:
    """The last seconds of a load, redrawn each second. A context manager; nothing is drawn where no terminal is."""

    def __init__(self, plan: Plan, console: Console) -> None:
        self._plan = plan
        self._last: deque[Second] = deque(maxlen=LINES_MAX)
        self._live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def __call__(self, second: Second) -> None:
        """Show one more second."""
        self._last.append(second)
        if self._live is not None:
            self._live.update(self._drawn(), refresh=True)

    def _drawn(self) -> RenderableType:
        last = self._last[-1]
        step = self._plan.steps[last.step]
        planned = sum(step.seconds for step in self._plan.steps)
        head = Text.assemble(
            (f"step {last.step + 1} of {len(self._plan.steps)}", "bold"),
            f"  {step}  {last.at_s:,.0f} of {planned:,.0f} s   Ctrl-C ends in order",
        )
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for title in (
            "s",
            "contacts a second",
            "",
            "in flight",
            "offer p50 ms",
            "p99 ms",
            "most ms",
            "server busy",
            "MB",
        ):
            table.add_column(title, justify="left" if title == "" else "right")
        most = max(second.offer_p99 for second in self._last) or 1
        for second in self._last:
            table.add_row(
                f"{second.at_s:,.0f}",
                f"{second.finished_per_s:,.0f}",
                Text("━" * max(1, round(BAR * second.offer_p99 / most)), style="cyan"),
                f"{second.alive:,}",
                f"{second.offer_p50:,.2f}",
                f"{second.offer_p99:,.2f}",
                f"{second.offer_max:,.1f}",
                "" if second.server_busy is None else f"{second.server_busy:.0%}",
                "" if second.server_rss_mb is None else f"{second.server_rss_mb:,.0f}",
            )
        return Group(head, table, Text("the bar is p99", style="dim"))


def print_report(report: Report, console: Console) -> None:
    """Figures of each step, and the verdict. The CPU time is the server's, for each contact."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    heads = ("step", "contacts", "a second", "offer p50 ms", "p99", "p99.9", "most", "CPU µs")
    for number, title in enumerate(heads):
        table.add_column(title, justify="right" if number else "left", no_wrap=True)
    for result in report.steps:
        table.add_row(
            str(result.step),
            f"{result.finished:,}",
            f"{result.finished_per_s:,.0f}",
            *(_ms(result.offer, name) for name in ("p50", "p99", "p999", "max")),
            "" if result.server_cpu_us is None else f"{result.server_cpu_us:,.1f}",
        )
    console.print(table)
    for sentence in notes(report):
        console.print(sentence, markup=False, soft_wrap=True)


def _ms(latency: Latency, name: str) -> str:
    return f"{getattr(latency, name):,.3f}" if latency.count else ""


def notes(report: Report) -> list[str]:
    """What one has to know to read the figures, and the verdict."""
    said = []
    for result in report.steps:
        if result.step.rate and result.late.p99 > 0.2 * result.offer.p99 > 0:
            said.append(
                f"{result.step}: the sender itself was late, so this machine limits what is measured"
                f"{'' if report.plan.awake else '; --awake helps where a processor is to spare'}"
            )
        if result.sender_busy > 0.8 and not report.plan.awake:
            said.append(f"{result.step}: the sender used {result.sender_busy:.0%} of a processor; it may be the limit")
        behind = result.alive - 2 * result.step.rate * report.plan.talk_s
        if result.step.rate and behind > 0.05 * result.started:
            said.append(
                f"{result.step}: the server did not keep up, {result.alive:,} contacts were under way at the end"
            )
        if result.waited > 0.005 * max(1, result.started):
            said.append(
                f"{result.step}: {result.waited / result.started:.1%} of the contacts had to wait for an agent, which counts"
                " as latency; give more --agents or fewer --skills"
            )
    if report.interrupted:
        said.append("stopped before its time; what was under way was seen to its end")
    counts = report.counts
    if report.mistakes:
        said.append("the server did NOT do right:")
        said += [f"  {sentence}" for sentence in report.mistakes]
    else:
        said.append(
            f"all {counts['finished']:,} contacts were answered, queued, offered and ended once; "
            f"{counts['answers']:,} answers and {counts['events']:,} events were right; nothing was lost"
        )
    return said
