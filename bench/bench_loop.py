"""Assignments in the core from compiled code: the whole grid, dear features one by one, and memory.

The traffic is that of `bench.drive`. From the grid the report takes how cost grows: the exponent b of cost ~ size ** b, where 0
is flat, 1 is as the size. Each dear feature is one change to the plain centre, which is measured beside it; `make cost` has
their curves.
"""

from collections.abc import Callable, Iterator
from itertools import repeat
from typing import Any

import pytest

from acd_sim.load.floor import Centre, Shape
from bench.dear import FEATURES, Feature, traffic_with
from bench.drive import Traffic
from bench.figures import core
from bench.figures.samples import Figures
from bench.figures.scale import FULL, TINY
from bench.measure import measure
from bench.sizes import Size
from bench.trace import traffic_of

ROUNDS = 5


def rounds(traffic: Traffic, assignments: int) -> Iterator[Callable[[], object]]:
    """Bring it to its steady state; then rounds without end."""
    traffic.open()
    traffic.settle(assignments)
    traffic.prepare(2 * (ROUNDS + 1) * assignments)
    yield from repeat(lambda: traffic.run(assignments))


def bench_loop(benchmark: Any, size: Size, loop_shape: Shape) -> None:
    measure(
        benchmark,
        rounds(traffic_of(Centre(loop_shape)), size.looped),
        ROUNDS,
        group="loop",
        unit="assignment",
        units=size.looped,
        **loop_shape._asdict(),
    )


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def bench_feature(benchmark: Any, size: Size, feature_shape: Shape, feature: Feature) -> None:
    measure(
        benchmark,
        rounds(traffic_with(feature, feature_shape), size.looped),
        ROUNDS,
        group="features",
        unit="assignment",
        units=size.looped,
        feature=feature.name,
        **feature_shape._asdict(),
    )


def bench_memory(benchmark: Any, size: Size) -> None:
    figures = Figures()
    scale = TINY if size.name == "tiny" else FULL
    measure(
        benchmark,
        iter([lambda: core.memory(figures, scale)]),
        1,
        group="memory",
        unit="engine",
        units=1,
        agents=scale.large[0],
        waiting=scale.large[1],
    )
    for name in ("agent", "waiting", "all"):
        benchmark.extra_info[f"{name}_{figures.units[f'memory.{name}']}"] = round(
            figures.values[f"memory.{name}"][0], 1
        )
