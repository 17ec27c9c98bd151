"""`make cost`: what dear features of the routing cost, by agents and by waiting contacts, for docs/routing.md.

CPU time of the core for an assignment, that is to enqueue, accept, complete and end the wrap-up, least of several rounds, with
the harness's own share of about a tenth of a microsecond. Each feature of `bench.dear` is measured beside the plain centre
of the same size. Questions to colleagues, and conferences, are measured apart, in calls from Python.
"""

import argparse
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from acd_core import Engine, Outcome
from acd_core.events import ContactOffered
from acd_sim.load.floor import Centre, Shape
from acd_sim.planner.pictures import COLOURS, STYLE
from bench.dear import FEATURES, GROUPS_SHOWN, PLAIN, Feature, traffic_with
from bench.figures.samples import Figures

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "docs" / "performance" / "cost.json"
PAGE = ROOT / "docs" / "routing.md"
PICTURE = ROOT / "docs" / "pictures" / "routing-cost.png"
BEGIN, END = "<!-- measured by `make cost`: begin -->", "<!-- measured by `make cost`: end -->"
SKILLS = 64
CONSULT = "question to a colleague"
CONFERENCE = "conference of three"


class Scale(NamedTuple):
    """How much is measured.

    Attributes:
        agents: with nobody waiting, and half of them free.
        waiting: beside so many agents as `busy` says, all of whom talk.
        rounds: of so many `assignments`.
    """

    agents: tuple[int, ...]
    busy: int
    waiting: tuple[int, ...]
    rounds: int
    assignments: int

    @property
    def shapes(self) -> list[Shape]:
        """All centres that are measured."""
        free = [Shape(agents, SKILLS) for agents in self.agents]
        return free + [Shape(self.busy, SKILLS, waiting) for waiting in self.waiting]


FULL = Scale((100, 300, 1_000, 3_000, 10_000), 1_000, (10, 100, 1_000, 10_000), 5, 2_000)
TINY = Scale((20, 40), 20, (5, 10), 1, 30)


def name_of(what: str, shape: Shape) -> str:
    """The name of a figure."""
    return f"{what} {shape.agents}/{shape.waiting}"


def measure(figures: Figures, scale: Scale, said: Callable[[str], None], only: str = "") -> None:
    """Measure all features whose name has `only` in it."""
    chosen = [feature for feature in FEATURES if only in feature.name or feature is PLAIN]
    for shape in scale.shapes:
        for feature in chosen:
            said(f"{shape}: {feature.name}")
            figures.add(name_of(feature.name, shape), in_loop(feature, shape, scale))
        for name, joined in ((CONSULT, False), (CONFERENCE, True)):
            if not shape.waiting and only in name:
                said(f"{shape}: {name}")
                figures.add(name_of(name, shape), questions(shape, scale, joined=joined))


def in_loop(feature: Feature, shape: Shape, scale: Scale) -> list[float]:
    """Nanoseconds of an assignment in a centre with the feature, for each round."""
    traffic = traffic_with(feature, shape)
    traffic.open()
    traffic.settle(scale.assignments)
    return [traffic.run(scale.assignments)[0] / scale.assignments for _ in range(scale.rounds)]


def questions(shape: Shape, scale: Scale, *, joined: bool) -> list[float]:
    """Nanoseconds of a question: it is asked, offered, accepted and completed, while half of the agents talk; or, where the
    colleague is `joined` to the conversation, of a conference: asked, offered, accepted, merged, and left by the colleague.
    """
    engine = Engine()
    centre = Centre(shape, wrapup_s=0)
    now = 1_700_000_000_000_000_000
    engine.apply_config(now, centre.config)
    for agent in centre.config.agents:
        engine.login_agent(now, "bench", agent.agent, None, True)
    talking = []
    for number, kind in zip(range(shape.agents // 2), centre.kinds["acme"] * shape.agents, strict=False):
        now += 1
        engine.enqueue_contact(now, "bench", f"c-{number}", "acme", kind.queue, 0, "", {})
        offered = [event for event, _, _ in engine.take_events() if isinstance(event, ContactOffered)]
        if offered:
            engine.accept_offer(now, offered[0].offer)
            talking.append(f"c-{number}")
    numbers = count()
    found = []
    for _ in range(scale.rounds):
        asked = scale.assignments // 4
        began = time.thread_time_ns()
        for _ in range(asked):
            number = next(numbers)
            now += 1_000_000
            question = f"q-{number}"
            queue = centre.config.queues[number % 4].name
            about = talking[number % len(talking)]
            engine.consult_contact(now, "bench", about, question, queue, None, None, 0, "", {})
            for event, _, _ in engine.take_events():
                if isinstance(event, ContactOffered):
                    engine.accept_offer(now, event.offer)
                    if joined:
                        merged = engine.merge_contact(now, question, False)
                        if merged != Outcome.OK or engine.drop_contact(now, about, event.agent) != Outcome.OK:
                            raise RuntimeError(f"{event.agent} could not join {about}, or leave it")
                    else:
                        engine.complete_contact(now, question, "completed_agent")
            engine.abandon_contact(now, question)
        found.append((time.thread_time_ns() - began) / asked)
    return found


# -- the page -------------------------------------------------------------------------------------------------------


def table(figures: Figures) -> list[str]:
    """Microseconds by feature and size."""
    shapes = shapes_of(figures)
    free = [shape for shape in shapes if not shape.waiting]
    busy = [shape for shape in shapes if shape.waiting]
    heads = [f"{shape.agents:,} agents" for shape in free] + [f"{shape.waiting:,} wait" for shape in busy]
    rows = ["| | " + " | ".join(heads) + " |", "|---|" + "---|" * len(heads)]
    for name in [*(feature.name for feature in FEATURES), CONSULT, CONFERENCE]:
        cells = [least(figures, name, shape) for shape in shapes]
        if all(cell is None for cell in cells):
            continue
        shown = ["" if cell is None else f"{cell:.1f}" if cell < 20 else f"{cell:,.0f}" for cell in cells]
        rows.append(f"| {name} | " + " | ".join(shown) + " |")
    return rows


def shapes_of(figures: Figures) -> list[Shape]:
    """The sizes that were measured."""
    sizes = (name.removeprefix(f"{PLAIN.name} ").split("/") for name in figures.values if name.startswith(PLAIN.name))
    return sorted((Shape(int(agents), SKILLS, int(waiting)) for agents, waiting in sizes), key=lambda s: (s[2], s[0]))


def least(figures: Figures, name: str, shape: Shape) -> float | None:
    """Microseconds in the least of the rounds; None where it was not measured."""
    values = figures.values.get(name_of(name, shape))
    return min(values) / 1000 if values else None


def picture(figures: Figures) -> Figure:
    """By agents above, by waiting contacts below; the plain centre is in each plot."""
    shapes = shapes_of(figures)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(15, 8), layout="constrained")
        plots = figure.subplots(2, len(GROUPS_SHOWN), sharey="row")
        for row, along in enumerate(("agents", "waiting")):
            chosen = [shape for shape in shapes if bool(shape.waiting) == (along == "waiting")]
            for axes, group in zip(plots[row], GROUPS_SHOWN, strict=True):
                names = [feature.name for feature in FEATURES if feature.group == group and feature is not PLAIN]
                for name, colour in zip((PLAIN.name, *names), ("black", *COLOURS), strict=False):
                    _curve(axes, figures, name, chosen, along, colour)
                _dress(axes, group if row == 0 else "", along)
        for axes in plots[:, 0]:
            axes.set_ylabel("CPU µs an assignment")
    return figure


def _curve(axes: Any, figures: Figures, name: str, shapes: list[Shape], along: str, colour: str) -> None:
    points = [(getattr(shape, along), least(figures, name, shape)) for shape in shapes]
    at = [(x, y) for x, y in points if y is not None]
    width = 2.2 if name == PLAIN.name else 1.3
    axes.plot(*zip(*at, strict=True), marker="o", markersize=3, linewidth=width, color=colour, label=name)


def _dress(axes: Any, title: str, along: str) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_title(title)
    axes.set_xlabel("agents, half of them free" if along == "agents" else "contacts that wait, agents all busy")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:,g}")
        axis.set_minor_formatter(NullFormatter())
    if along == "waiting":
        axes.legend(fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2)


def written(page: str, figures: Figures) -> str:
    """The page with what was measured. Raises `ValueError` when it has no place for it."""
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page has no lines {BEGIN} and {END}")
    measured = ["", *table(figures), "", f"![Cost of features](pictures/{PICTURE.name})", ""]
    return "\n".join((head + BEGIN, *measured, END)) + tail


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0 when all was measured, 2 when there is nothing to write."""
    parser = argparse.ArgumentParser(prog="make cost", description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", metavar="WORD", help="features with this word; printed, and not written")
    parser.add_argument("--again", action="store_true", help="write the page from what was measured last")
    parser.add_argument("--tiny", action="store_true", help="next to nothing, to see that it runs; printed only")
    args = parser.parse_args(arguments)
    figures = Figures()
    if args.again:
        if not KEPT.exists():
            print("nothing was measured yet: run 'make cost' first", file=sys.stderr)
            return 2
        figures = Figures.read(KEPT)
    else:
        said: Callable[[str], None] = lambda what: print(what, file=sys.stderr, flush=True)  # noqa: E731
        measure(figures, TINY if args.tiny else FULL, said, args.only)
    print("\n".join(table(figures)))
    if args.only or args.tiny:
        return 0
    figures.write(KEPT)
    PICTURE.parent.mkdir(exist_ok=True)
    picture(figures).savefig(PICTURE, dpi=110, metadata={"Software": None})
    PAGE.write_text(written(PAGE.read_text("utf-8"), figures), "utf-8")
    print(f"written: {PAGE.relative_to(ROOT)}, {PICTURE.relative_to(ROOT)}, {KEPT.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
