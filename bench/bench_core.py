"""Assignments in the core, by single calls from Python.

One assignment is enqueue, accept, complete and the end of wrap-up, with its share of abandons. The traffic is recorded
first; before each round its commands are decoded anew, as the server would have them. What a round measures is the
calls and the loop that makes them. After every 16 calls the events are thrown away unseen, or taken.

`advance` to a time that has come already does nothing, so four such calls an assignment tell the price of the way from
Python into the engine and back.
"""

import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from acd_core import Engine, Machine
from acd_core.model import Model
from acd_sim.load.floor import Shape
from bench.measure import measure
from bench.sizes import Size
from bench.workload import Call, Recording, calls_of, record

CALLS_PER_TICK = 16
_recordings: dict[tuple[Shape, int, int], Recording] = {}


def recording_of(shape: Shape, segments: int, assignments: int) -> Recording:
    """The recording for a shape, made once."""
    key = (shape, segments, assignments)
    if key not in _recordings:
        _recordings.clear()  # the largest are large
        _recordings[key] = record(shape, segments, assignments)
    return _recordings[key]


def rounds_of(machine: Machine, after_tick: Callable[[], object], recording: Recording) -> Iterator[Callable[[], None]]:
    """Bring the machine to the steady state; then each round is a stretch of the recording."""
    work(machine, calls_of(recording.setup), after_tick)()
    gc.collect()
    gc.freeze()
    for segment in recording.segments:
        yield work(machine, calls_of(segment), after_tick)
    gc.unfreeze()


def work(machine: Machine, calls: list[Call], after_tick: Callable[[], object]) -> Callable[[], None]:
    """All calls, in ticks."""
    bound = [(getattr(machine, method), args) for method, args in calls]
    ticks = [bound[start : start + CALLS_PER_TICK] for start in range(0, len(bound), CALLS_PER_TICK)]

    def run() -> None:
        for tick in ticks:
            for call, args in tick:
                call(*args)
            after_tick()

    return run


@pytest.mark.parametrize("events", ["discarded", "taken"])
def bench_engine(benchmark: Any, size: Size, shape: Shape, events: str) -> None:
    recording = recording_of(shape, size.segments, size.segment)
    engine = Engine()
    measure(
        benchmark,
        rounds_of(engine, engine.discard_events if events == "discarded" else engine.take_events, recording),
        size.segments,
        group="core",
        unit="assignment",
        units=recording.assignments,
        machine="engine",
        events=events,
        **shape._asdict(),
    )


def bench_model(benchmark: Any, size: Size, model_shape: Shape) -> None:
    recording = recording_of(model_shape, size.model_segments, size.model_segment)
    model = Model()
    measure(
        benchmark,
        rounds_of(model, model.take_events, recording),
        size.model_segments,
        group="core",
        unit="assignment",
        units=recording.assignments,
        machine="model",
        events="taken",
        **model_shape._asdict(),
    )


def bench_boundary(benchmark: Any, size: Size) -> None:
    engine = Engine()
    engine.advance(1)
    calls = [Call("advance", (1,))] * 4 * size.segment
    measure(
        benchmark,
        (work(engine, calls, engine.discard_events) for _ in range(size.segments)),
        size.segments,
        group="boundary",
        unit="assignment",
        units=size.segment,
    )
