"""The core by itself: ours from compiled code and by calls from Python, beside plain ones in C++ and Python.

Everything is CPU time for an assignment, which is about 4.1 commands. Plain cores play a trace of ours and must give the same
contacts to the same agents.
"""

import contextlib
import gc
import multiprocessing
import os
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import NamedTuple, Self

from acd_core import Engine
from acd_core.model import Model
from acd_sim.load import usage
from acd_sim.load.floor import Centre, Shape
from bench.figures.samples import Figures
from bench.figures.scale import Scale
from bench.peers.python_core import PythonCore, digest
from bench.trace import ABANDON, ENQUEUE, FREE, Trace, step_ns_of, traffic_of
from bench.workload import Call

ROOT = Path(__file__).resolve().parents[2]
CALLS_PER_TICK = 16
MODEL_PARTS = 8
ABANDONED = 10
PYTHON_IN_TURN = 4  # of shorter segments
ABANDON_TURNS = 50
WARMING = 5
SETTLING = 16  # rounds of assignments until as many ended contacts are remembered as ever are
FEW_OF_WAITING = 10  # one of so many waits already when the memory of those who wait begins to be measured
MODEL_AGENTS_MAX = 1_000
"""The model looks through everything at every decision, so it is measured up to here."""


def built(source: str) -> Path:
    """A program of ours in C or C++, compiled when its source is newer, or a header. Raises `FileNotFoundError`
    without a compiler.
    """
    path = ROOT / "bench/peers" / source
    program = ROOT / "build/peers" / path.stem
    newest = max(part.stat().st_mtime for part in (path, *(ROOT / "bench/peers").rglob("*.hpp")))
    if not program.exists() or program.stat().st_mtime < newest:
        program.parent.mkdir(parents=True, exist_ok=True)
        compiler = os.environ.get("CXX", "g++") if path.suffix == ".cpp" else os.environ.get("CC", "gcc")
        flags = ["-std=c++17"] if path.suffix == ".cpp" else []
        command = [*shlex.split(compiler), "-O3", *flags, "-Wall", "-Wextra", "-o", str(program), str(path)]
        subprocess.run(command, check=True)
    return program


def name_of(core: str, shape: Shape) -> str:
    """The name of a figure."""
    return f"core.{core} {shape.agents}/{shape.skills}/{shape.waiting}"


class Steady(NamedTuple):
    """A centre whose steady state is measured; with so many kinds of contact, if that is said."""

    shape: Shape
    kinds: int | None = None

    def centre(self) -> Centre:
        """Made when it is asked for."""
        return Centre(self.shape) if self.kinds is None else Centre(self.shape, kinds=self.kinds)


class InLoop:
    """Our engine, from compiled code, in the steady states of centres, by the names of their figures.

    They take turns, since what slows a machine down comes and goes: it is to slow all of them. Each has a process of its own,
    as an engine has, and in each turn more assignments than are measured come before those, while the caches still hold what
    belongs to another centre. Raises `RuntimeError` if one of them fails.

    Args:
        centres: by name.
        assignments: of a turn.
    """

    def __init__(self, centres: dict[str, Steady], assignments: int) -> None:
        self._centres = centres
        self._assignments = assignments
        self._pipes: dict[str, Connection] = {}
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        context = multiprocessing.get_context("fork")
        with contextlib.ExitStack() as stack:
            for name, steady in self._centres.items():
                ours, theirs = context.Pipe()
                process = context.Process(
                    target=_take_turns, args=(steady, self._assignments, ours, theirs), daemon=True
                )
                process.start()
                theirs.close()
                stack.callback(process.join)
                self._pipes[name] = stack.enter_context(ours)
                _told(name, ours)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def turn(self, name: str) -> float:
        """Nanoseconds of an assignment in a centre."""
        with contextlib.suppress(BrokenPipeError):  # then nothing is heard of it either
            self._pipes[name].send(True)
        return _told(name, self._pipes[name])


def in_loop(figures: Figures, centres: dict[str, Steady], assignments: int, turns: int) -> None:
    """So many turns of each centre."""
    with InLoop(centres, assignments) as looped:
        for _ in range(turns):
            for name in centres:
                figures.add(name, [looped.turn(name)])


def _told(name: str, pipe: Connection) -> float:
    try:
        return float(pipe.recv())
    except EOFError:
        raise RuntimeError(f"the process that measured {name} has failed") from None


def _take_turns(steady: Steady, assignments: int, asker: Connection, pipe: Connection) -> None:
    """Measure a round whenever that is asked for, until nobody is there to ask: but for us nobody holds the other end then."""
    asker.close()
    traffic = traffic_of(steady.centre())
    traffic.open()
    traffic.settle(SETTLING * assignments)
    pipe.send(0)
    with contextlib.suppress(EOFError):
        while pipe.recv():
            traffic.run(WARMING * assignments)
            pipe.send(traffic.run(assignments)[0] / assignments)


def against_python(figures: Figures, scale: Scale) -> None:
    """Goals 4 and 5: single calls from Python, the compiled loop, the plain core in Python, by turns; and the readable model.

    Of the segments in a turn the last counts, as the others have to bring its caches back.
    """
    for agents, share in ((scale.agents[-2], 4), (scale.agents[-1], 8), (scale.large[0], 16)):
        shape = Shape(agents, 64)
        assignments = max(10, scale.assignments // share)
        trace = Trace(Centre(shape), PYTHON_IN_TURN * scale.turns, assignments)
        setup, segments = trace.calls()
        engine = Engine()
        players = {
            name_of("calls", shape): _by_calls(engine, engine.discard_events, setup, segments),
            name_of("python", shape): _plain_python(trace),
        }
        looped = name_of("loop.beside", shape)
        with InLoop({looped: Steady(shape)}, scale.assignments) as loop:
            for _ in range(scale.turns):
                for name, player in players.items():
                    spent_ns = [next(player) for _ in range(PYTHON_IN_TURN)]
                    figures.add(name, [spent_ns[-1] / assignments])
                figures.add(looped, [loop.turn(looped)])
        for player in players.values():
            for _ in player:
                raise RuntimeError("there is more than was to be measured")
        if agents <= MODEL_AGENTS_MAX:
            model = Model()
            size = max(1, len(segments[0]) // MODEL_PARTS)
            few = [segments[0][start : start + size] for start in range(0, size * scale.rounds, size)]
            units = assignments * size / len(segments[0])
            spent_ns = list(_by_calls(model, model.take_events, setup, few))
            figures.add(name_of("model", shape), [spent / units for spent in spent_ns])


def _by_calls(
    machine: Engine | Model,
    after_tick: Callable[[], object],
    setup: list[Call],
    segments: list[list[Call]],
) -> Iterator[float]:
    """CPU nanoseconds of each segment."""
    _play(machine, after_tick, setup)
    gc.collect()
    gc.freeze()
    refused = 0
    try:
        for segment in segments:
            bound = [(getattr(machine, method), args) for method, args in segment]
            began = time.thread_time_ns()
            for number, (call, args) in enumerate(bound):
                refused += call(*args)
                if not number % CALLS_PER_TICK:
                    after_tick()
            yield time.thread_time_ns() - began
    finally:
        gc.unfreeze()
    if refused:
        raise RuntimeError("the machine refused what it had not when the trace was made")


def _play(machine: Engine | Model, after_tick: Callable[[], object], calls: list[Call]) -> None:
    for method, args in calls:
        getattr(machine, method)(*args)
        after_tick()


def _plain_python(trace: Trace) -> Iterator[float]:
    """CPU nanoseconds of each segment."""
    core = PythonCore(trace.people(), trace.asked())
    step = step_ns_of(trace.centre.shape)
    now, goal, began = 0, 0, 0
    for number, (operation, contact, value, priority) in enumerate(trace.rows()):
        now += step
        if number == trace.setup:
            goal, began = len(core.assigned) + trace.assignments, time.thread_time_ns()
        if operation == ENQUEUE:
            core.enqueue(now, contact, value, priority)
        elif operation == FREE:
            core.free(value)
        elif operation == ABANDON:
            core.abandon(contact)
        if number >= trace.setup and len(core.assigned) == goal:
            yield time.thread_time_ns() - began
            goal, began = goal + trace.assignments, time.thread_time_ns()
    if digest(core.assigned) != trace.digest:
        raise RuntimeError("the plain core in Python gave other contacts to other agents")


def growth(figures: Figures, scale: Scale) -> None:
    """The grid, and its edges."""
    first, last = scale.waiting[0], scale.waiting[-1]
    shapes = {
        Shape(agents, skills, waiting) for agents in scale.agents for skills in scale.skills for waiting in (0, first)
    }
    shapes |= {Shape(scale.large[0], skills, waiting) for skills in scale.skills[:2] for waiting in (0, first)}
    shapes |= {Shape(agents, 64, waiting) for agents in scale.agents[-2:] for waiting in scale.waiting}
    shapes |= {Shape(agents, 64, 0) for agents in (scale.agents[-1], scale.large[0])}
    shapes.add(Shape(scale.agents[-2], 64, scale.large[1]))
    in_loop(
        figures, {name_of("loop", shape): Steady(shape) for shape in sorted(shapes)}, scale.assignments, scale.turns
    )
    busy = Shape(scale.agents[-1], 64, last)
    kinds = {"few": Steady(busy, 64 * 10), "many": Steady(busy, scale.classes)}
    in_loop(
        figures,
        {f"core.classes {name}": steady for name, steady in kinds.items()},
        scale.assignments // 4,
        scale.turns,
    )
    for name, steady in kinds.items():
        figures.notes[f"classes {name}"] = f"{sum(map(len, steady.centre().kinds.values())):,}"


def tails(figures: Figures, scale: Scale) -> None:
    """Single commands: those who give up, few and many waiting, and the slowest of all at many agents."""
    traffics = {
        name: traffic_of(Centre(Shape(scale.agents[-2], 64, waiting)))
        for name, waiting in (("few", scale.waiting[0]), ("many", scale.large[1]))
    }
    for traffic in traffics.values():
        traffic.open()
        traffic.settle(scale.assignments)
    for _ in range(scale.turns):
        for name, traffic in traffics.items():
            traffic.run(scale.assignments)
            spent = 0
            for _ in range(ABANDON_TURNS):
                spent += traffic.abandon_some(ABANDONED)
                traffic.run(ABANDONED)
            figures.add(f"core.abandon {name}", [spent / (ABANDON_TURNS * ABANDONED)])
    traffic = traffic_of(Centre(Shape(scale.agents[-1], 64)))
    traffic.open()
    traffic.settle(scale.assignments)
    for _ in range(scale.turns):
        counts = traffic.run_timing_each(scale.assignments * 4)
        for name, share in (("p50", 0.5), ("p999", 0.999), ("p9999", 0.9999)):
            figures.add(f"core.event {name}", [float(counts.at(share))])


def memory(figures: Figures, scale: Scale) -> None:
    """Of a process that holds an engine: for each agent, for each waiting contact, and all in all."""
    agents, waiting = scale.large
    few = waiting // FEW_OF_WAITING
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        bare, staffed, busy, full = pool.apply(_resident, (agents, few, waiting))
    figures.add("memory.agent", [(staffed - bare) / agents], "bytes")
    figures.add("memory.waiting", [(full - busy) / (waiting - few)], "bytes")
    figures.add("memory.all", [full / 1e6], "MB")


def _resident(agents: int, few: int, waiting: int) -> tuple[int, int, int, int]:
    """Memory of this process without anything, with agents logged in, with all of them talking and few contacts waiting, and
    with many waiting: what agents talk with is no contact that waits.

    What the traffic keeps to drive the engine, above all the names of all contacts to come, is made before and not counted.
    """
    people = Centre(Shape(agents, 64, waiting))
    gc.collect()
    bare = usage.rss_bytes(os.getpid())
    traffic = traffic_of(people)
    gc.collect()
    staffed = usage.rss_bytes(os.getpid())
    traffic.prepare(waiting + 16 * agents)  # for opening it twice
    ours = usage.rss_bytes(os.getpid()) - staffed
    traffic.open(few)
    gc.collect()
    busy = usage.rss_bytes(os.getpid()) - ours
    traffic.open()
    gc.collect()
    return bare, staffed, busy, usage.rss_bytes(os.getpid()) - ours


def two_processes(figures: Figures, scale: Scale) -> None:
    """Goal 14: an engine alone, and two in two processes at once; assignments a second of wall time."""
    context = multiprocessing.get_context("spawn")
    assignments = scale.assignments * 15
    with context.Pool(1) as alone, context.Pool(2) as both:
        for _ in range(scale.rounds):
            (one,) = alone.map(_assigned_per_s, [assignments])
            two = sum(both.map(_assigned_per_s, [assignments] * 2, chunksize=1))
            figures.add("two.alone", [one], "per s")
            figures.add("two.both", [two], "per s")


def _assigned_per_s(assignments: int) -> float:
    traffic = traffic_of(Centre(Shape(1_000, 64)))
    traffic.open()
    traffic.settle(assignments // 4)
    return assignments * 1e9 / traffic.run(assignments)[1]


def median_of(figures: Figures, core: str, shape: Shape) -> float | None:
    """In nanoseconds; None where it was not measured."""
    values = figures.values.get(name_of(core, shape))
    return median(values) if values else None
