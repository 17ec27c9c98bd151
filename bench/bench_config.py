"""A changed configuration: for how long does the engine do nothing else?

A centre in its steady state is given configurations that differ from the one before in the priority of one queue. Each was
read from its JSON anew, as the server would have it, so that no agent is the same object as before.
"""

import gc
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from msgspec.structs import replace

from acd_core.config import from_json, to_json
from acd_sim.load.floor import Centre, Shape
from bench.measure import measure
from bench.sizes import Size
from bench.trace import traffic_of

ROUNDS = 5
SETTLED = 2_000
"""Assignments from the first call to the steady state."""


def bench_config(benchmark: Any, size: Size, config_shape: Shape) -> None:
    centre = Centre(config_shape)
    traffic = traffic_of(centre)
    traffic.open()
    traffic.settle(min(size.looped, SETTLED))
    engine = traffic.engine

    def rounds() -> Iterator[Callable[[], object]]:
        first, *others = centre.config.queues
        for number in range(ROUNDS):
            queues = (replace(first, priority=1 + number), *others)
            config = from_json(to_json(replace(centre.config, queues=queues)))
            engine.discard_events()
            gc.collect()
            gc.freeze()
            yield partial(engine.apply_config, engine.now + 1, config)
            gc.unfreeze()

    measure(
        benchmark,
        rounds(),
        ROUNDS,
        group="config",
        unit="configuration",
        units=1,
        **config_shape._asdict(),
    )
