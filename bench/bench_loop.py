"""Assignments in the core from compiled code: the whole grid, dear features one by one, and memory.

The traffic is that of `bench.drive`. From the grid the report takes how cost grows: the exponent b of cost ~ size ** b, where 0
is flat, 1 is as the size. Each dear feature is one change to the plain centre, which is measured beside it.
"""

from collections.abc import Callable, Iterator
from itertools import repeat
from typing import Any

import msgspec
import pytest

from acd_core import Config
from acd_core.config import Step
from acd_sim.load.floor import Centre, Shape
from bench.drive import Traffic
from bench.figures import core
from bench.figures.samples import Figures
from bench.figures.scale import FULL, TINY
from bench.measure import measure
from bench.sizes import Size
from bench.trace import traffic_of

ROUNDS = 5


def all_queues(**changes: Any) -> Callable[[Config], Config]:
    """The same change to all queues."""

    def change(config: Config) -> Config:
        queues = tuple(msgspec.structs.replace(queue, **changes) for queue in config.queues)
        return msgspec.structs.replace(config, queues=queues)

    return change


def ranked(config: Config) -> Config:
    """Every third agent stands back in all queues."""
    paths = {f"{queue.tenant}/{queue.name}": 1 for queue in config.queues}
    agents = tuple(
        msgspec.structs.replace(agent, ranks=paths) if number % 3 == 0 else agent
        for number, agent in enumerate(config.agents)
    )
    return msgspec.structs.replace(config, agents=agents)


FEATURES: dict[str, Callable[[Config], Config]] = {
    "plain": lambda config: config,
    "most skilled first": all_queues(strategy="most_skilled"),
    "least occupied first": all_queues(strategy="least_occupied"),
    "weighted draw": all_queues(strategy="weighted_random"),
    "ranks": ranked,
    "three steps for each contact": all_queues(
        steps=tuple(Step(after_s=seconds, priority=1) for seconds in (30, 60, 90))
    ),
}


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


@pytest.mark.parametrize("feature", FEATURES)
def bench_feature(benchmark: Any, size: Size, feature_shape: Shape, feature: str) -> None:
    centre = Centre(feature_shape)
    centre.config = FEATURES[feature](centre.config)
    measure(
        benchmark,
        rounds(traffic_of(centre), size.looped),
        ROUNDS,
        group="features",
        unit="assignment",
        units=size.looped,
        feature=feature,
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
