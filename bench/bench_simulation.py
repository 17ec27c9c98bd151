"""Simulated contacts: what one costs in a plain model of one queue, and where that goes.

The whole is a replication of M/M/n at 90 % load, without and with impatient callers. Two of its parts are measured
alone: the drawing of its random numbers, and the engine, which gets the three commands of a contact in the same
numbers from Python, one contact after the other. What is left is the run loop: its calendar, its counts, its waiting line's
bookkeeping.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from acd_core import Engine
from acd_core.config import Agent, Config, Queue, Settings, Tenant
from acd_sim.virtual import Exponential, Kind, Model, Poisson, Streams, replicate
from acd_sim.virtual.replication import draw_all
from bench.measure import measure
from bench.sizes import Size

AGENTS = 50
TALK_S = 300.0
LOAD = 0.9


def model(contacts: int, *, impatient: bool) -> Model:
    """One queue with about so many contacts."""
    config = Config(
        settings=Settings(ended_contacts_kept=0),
        tenants=(Tenant("t"),),
        queues=(Queue(tenant="t", name="q", max_wait_s=0, max_talk_s=2_592_000),),
        agents=tuple(Agent(agent=f"a{number}") for number in range(AGENTS)),
    )
    per_s = AGENTS * LOAD / TALK_S
    kind = Kind(
        name="calls",
        tenant="t",
        queue="q",
        arrivals=Poisson(per_hour=per_s * 3600),
        talk=Exponential(TALK_S),
        patience=Exponential(TALK_S) if impatient else None,
    )
    horizon = contacts / per_s
    return Model(config=config, kinds=(kind,), horizon_s=horizon, interval_s=horizon / 10)


def engine_alone(contacts: int) -> None:
    """The commands of so many contacts, one after the other."""
    engine = Engine()
    engine.apply_config(1, model(contacts, impatient=False).config)
    for number in range(AGENTS):
        engine.login_agent(1, "sim", f"a{number}", None, True)
    engine.discard_events()
    for number in range(1, contacts + 1):
        name = str(number)
        engine.enqueue_contact(number, "sim", name, "t", "q", 0, "", {})
        engine.accept_offer(number, f"o-{number}")
        engine.complete_contact(number, name, "completed_caller")
        engine.discard_events()


PARTS: dict[str, Callable[[int], object]] = {
    "whole run": lambda contacts: replicate(model(contacts, impatient=False)),
    "whole run, impatient callers": lambda contacts: replicate(model(contacts, impatient=True)),
    "random numbers alone": lambda contacts: draw_all(model(contacts, impatient=True), Streams(1)),
    "engine alone, from Python": engine_alone,
}


@pytest.mark.parametrize("part", PARTS)
def bench_simulation(benchmark: Any, size: Size, part: str) -> None:
    def rounds() -> Iterator[Callable[[], object]]:
        while True:
            yield partial(PARTS[part], size.simulated)

    measure(benchmark, rounds(), 3, group="simulation", unit="contact", units=size.simulated, part=part)
