"""One replication: a model played once, and what was counted.

Replications of one study differ in their number only; the same seed and number give the same contacts to every model
that asks for them by the same names, see `streams`.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from acd_core.config import ns_of_seconds
from acd_core.views import AGENT_STATES
from acd_sim.virtual.arrivals import Backlog, PoissonClock, Recorded, cumulated_rate
from acd_sim.virtual.driver import Driver
from acd_sim.virtual.laws import Floats, Law
from acd_sim.virtual.loop import TALLIES, TOTALS, TRACE, WAIT_BINS, Loop, Supply
from acd_sim.virtual.model import Crew, Kind, Model, check
from acd_sim.virtual.streams import NS_PER_S, Streams
from acd_sim.virtual.timetable import make_timetable

BLOCK = 8192
STEPS = 100_000
FOREVER_S = 1e9
Ints = NDArray[np.int64]
Block = tuple[Ints, Ints, Ints, Ints, Ints, Ints, Ints, Ints]
Watch = Callable[[float], bool]
"""Called now and then with the share of the run that is done; a False ends the replication early."""


class Replication(Struct, frozen=True):
    """What was counted in one replication.

    Attributes:
        number: of the replication in its study.
        finished: whether it came to its end.
        until_s: second of the run at which it ended.
        tallies: by name of `TALLIES`, kind, and interval; contacts count where they arrived.
        totals: by name of `TOTALS` and kind: the whole run, warm-up included.
        left: contacts that were still there at the end, because nobody could ever serve them.
        histograms: by kind and bin: waits of those answered.
        state_by_agent: nanoseconds by agent and state (`AGENT_STATES`), between warm-up and horizon.
        state_by_interval: nanoseconds of all agents by state and interval.
        served, handled: by kind and agent: contacts answered, and nanoseconds of talk and wrap-up.
        trace: rows of `TRACE`.
        contacts: ended in the whole run; steps of the loop; seconds that it took.
    """

    number: int
    finished: bool
    until_s: float
    tallies: Ints
    totals: Ints
    left: int
    histograms: Ints
    state_by_agent: Ints
    state_by_interval: Ints
    served: Ints
    handled: Ints
    trace: Ints
    contacts: int
    steps: int
    took_s: float


def replicate(model: Model, seed: int = 0, number: int = 0, watch: Watch | None = None) -> Replication:
    """Play a model once.

    Raises:
        ModelError: the model contradicts itself.
        SimulationError: the engine refused its configuration, or all together wait for longer than can be counted.
    """
    check(model)
    began = time.perf_counter()
    streams = Streams(seed, number)
    kinds, agents = len(model.kinds), len(model.agents)
    intervals = max(1, int(np.ceil(model.horizon_s / model.interval_s - 1e-9)))
    table = make_timetable(model, streams)
    targets = {(queue.tenant, queue.name): ns_of_seconds(queue.service_level_s) for queue in model.config.queues}
    crews = (*model.crews, Crew(agents=()))
    group = np.full(agents, len(model.crews), dtype=np.int32)
    index = {agent: place for place, agent in enumerate(model.agents)}
    speed = np.ones((kinds, agents))
    for place, crew in enumerate(model.crews):
        for agent in crew.agents:
            group[index[agent]] = place
            speed[:, index[agent]] = crew.speed
    names = [kind.name for kind in model.kinds]
    for (name, agent), factor in model.speeds.items():
        speed[names.index(name), index[agent]] *= factor
    counters: dict[str, Any] = {
        "tallies": np.zeros((len(TALLIES), kinds, intervals), dtype=np.int64),
        "totals": np.zeros((len(TOTALS), kinds), dtype=np.int64),
        "histograms": np.zeros((kinds, WAIT_BINS), dtype=np.int64),
        "state_by_agent": np.zeros((agents, len(AGENT_STATES)), dtype=np.int64),
        "state_by_interval": np.zeros((len(AGENT_STATES), intervals), dtype=np.int64),
        "served": np.zeros((kinds, agents), dtype=np.int64),
        "talked": np.zeros((kinds, agents), dtype=np.int64),
        "targets": np.array([targets[kind.tenant, kind.queue] for kind in model.kinds], dtype=np.int64),
        "topping": np.zeros(kinds, dtype=np.int64),
        "present": np.zeros(kinds, dtype=np.int64),
        "present_since": np.zeros(kinds, dtype=np.int64),
        "agent_state": np.zeros(agents, dtype=np.int32),
        "agent_since": np.zeros(agents, dtype=np.int64),
        "break_length": np.zeros(agents, dtype=np.int64),
        "agent_stamp": np.zeros(agents, dtype=np.int64),
        "away": np.zeros(len(table.clients), dtype=np.int64),
    }
    loop = Loop(
        Driver(model.config, model.start_ns, model.agents),
        start=model.start_ns,
        warmup=_ns(model.warmup_s),
        horizon=_ns(model.horizon_s),
        interval=_ns(model.interval_s),
        kinds=[(kind.tenant, kind.queue, kind.require, kind.attributes, kind.priority) for kind in model.kinds],
        arrivals=[Supply(_arriving(kind, names, streams, model.horizon_s).__next__) for kind in model.kinds],
        again=[Supply(_calling_again(kind, names, streams).__next__) for kind in model.kinds],
        backlog=np.array(
            [kind.arrivals.waiting if isinstance(kind.arrivals, Backlog) else 0 for kind in model.kinds], dtype=np.int64
        ),
        asking=np.array([_asking(kind, model) for kind in model.kinds], dtype=np.int64),
        ahead=np.array([_ahead(kind) for kind in model.kinds], dtype=np.int64),
        moved_to=[kind.callback.queue if kind.callback else "" for kind in model.kinds],
        ringing=np.array([_ns(kind.callback.rings_s if kind.callback else 0) for kind in model.kinds], dtype=np.int64),
        answering=[Supply(_answering(crew, streams, str(place)).__next__) for place, crew in enumerate(crews)],
        group=group,
        returns=np.array([_ns(crews[place].returns_s) for place in group], dtype=np.int64),
        speed=speed,
        operations=(table.at, table.what, table.subject, table.length),
        clients=table.clients,
        client_of=table.client_of,
        commands=[timed.command for timed in model.commands],
        traced=model.traced,
        counters=counters,
    )
    going = True
    while going:
        going = loop.run(STEPS)
        reached = (loop.now - model.start_ns) / NS_PER_S
        if going and watch is not None and not watch(min(1.0, reached / model.horizon_s)):
            break
    until_s = (loop.now - model.start_ns) / NS_PER_S
    left = loop.close(not going)
    trace = np.frombuffer(loop.trace(), dtype=np.int64).reshape(-1, len(TRACE))
    return Replication(
        number=number,
        finished=not going,
        until_s=until_s,
        tallies=counters["tallies"],
        totals=counters["totals"],
        left=left,
        histograms=counters["histograms"],
        state_by_agent=counters["state_by_agent"],
        state_by_interval=counters["state_by_interval"],
        served=counters["served"],
        handled=counters["talked"],
        trace=trace,
        contacts=loop.finished_contacts,
        steps=loop.steps,
        took_s=time.perf_counter() - began,
    )


def _asking(kind: Kind, model: Model) -> int:
    """Who is asked whether he wants to be called back, as `Loop` says it."""
    if kind.callback is None:
        return 0
    if kind.callback.ahead is not None:
        return 3
    for queue in model.config.queues:
        if (queue.tenant, queue.name) == (kind.tenant, kind.queue) and queue.callback is not None:
            return 2 if queue.callback.offer_when_wait_s is None else 1
    return 0


def _ahead(kind: Kind) -> int:
    """How many before him let a caller be asked, where that is what decides."""
    return kind.callback.ahead or 0 if kind.callback is not None else 0


def draw_all(model: Model, streams: Streams) -> int:
    """Draw everything for those who arrive, and play nothing; gives their number. It tells what chance alone costs."""
    names = [kind.name for kind in model.kinds]
    count = 0
    for kind in model.kinds:
        for block in _arriving(kind, names, streams, model.horizon_s):
            if block is None:
                break
            count += len(block[0])
    return count


def _ns(seconds: float) -> int:
    return round(seconds * NS_PER_S)


def _whole_ns(seconds: Floats) -> Ints:
    """Nanoseconds of drawn seconds; negative ones stay -1."""
    bounded = np.minimum(np.asarray(seconds, dtype=np.float64), FOREVER_S)
    return np.where(bounded < 0, -1, np.rint(bounded * NS_PER_S)).astype(np.int64)


class _Draws:
    """Durations of one kind for one purpose, from a stream of their own."""

    def __init__(self, law: Law | None, streams: Streams, purpose: str, name: str) -> None:
        self._law = law
        self._stream = streams.stream(purpose, name)

    def take(self, count: int) -> Ints:
        """The next ones; -1 where there is no law."""
        if self._law is None:
            return np.full(count, -1, dtype=np.int64)
        return _whole_ns(self._law.draw(self._stream, count))


class _Retries:
    """Whether and when a caller will call again, should he have to: a delay, or -1."""

    def __init__(self, kind: Kind, streams: Streams, purpose: str) -> None:
        self._share = kind.retry.share if kind.retry else 0.0
        self._delays = _Draws(kind.retry.after if kind.retry else None, streams, f"{purpose} after", kind.name)
        self._coins = streams.stream(purpose, kind.name)

    def take(self, count: int) -> Ints:
        """The next ones."""
        if not self._share:
            return np.full(count, -1, dtype=np.int64)
        return np.where(self._coins.random(count) < self._share, self._delays.take(count), -1)


class _Callbacks:
    """Whether a caller wants to be called back, should he be asked: how often he is not reached then, or -1."""

    def __init__(self, kind: Kind, streams: Streams, purpose: str) -> None:
        self._habit = kind.callback
        self._stream = streams.stream(purpose, kind.name)

    def take(self, count: int) -> Ints:
        """The next ones."""
        if self._habit is None:
            return np.full(count, -1, dtype=np.int64)
        wanted = self._stream.random(count) < self._habit.share
        failures = self._stream.geometric(1 - self._habit.not_reached, count) - 1
        return np.where(wanted, failures, -1).astype(np.int64)


class _Behaviour:
    """How contacts of one kind behave, drawn in blocks."""

    def __init__(self, kind: Kind, names: list[str], streams: Streams, suffix: str = "") -> None:
        self._draws = {
            name: _Draws(law, streams, name + suffix, kind.name)
            for name, law in (("patience", kind.patience), ("talk", kind.talk), ("wrapup", kind.wrapup))
        }
        self._retries = _Retries(kind, streams, "retry" + suffix)
        self._callbacks = _Callbacks(kind, streams, "callback" + suffix)
        self._onward = streams.stream("onward" + suffix, kind.name)
        self._edges = np.cumsum([step.share for step in kind.onward])
        self._targets = np.array([*(names.index(step.to) for step in kind.onward), -1], dtype=np.int64)

    def block(self, at: Floats, given: dict[str, Floats]) -> Block:
        """Those who come at these times; `given` holds what needs no draw, by `Recorded`'s names."""
        count = len(at)
        drawn = {f"{name}_s": draws.take(count) for name, draws in self._draws.items()}
        columns = {name: _whole_ns(given[name]) if name in given else drawn[name] for name in drawn}
        if len(self._edges):
            onward = self._targets[np.searchsorted(self._edges, self._onward.random(count), side="right")]
        else:
            onward = np.full(count, -1, dtype=np.int64)
        return (
            _whole_ns(at),
            columns["patience_s"],
            columns["talk_s"],
            columns["wrapup_s"],
            self._retries.take(count),
            given["priority"].astype(np.int64) if "priority" in given else np.zeros(count, dtype=np.int64),
            onward,
            self._callbacks.take(count),
        )


def _arriving(kind: Kind, names: list[str], streams: Streams, horizon_s: float) -> Iterator[Block | None]:
    """Blocks of those who come, then None for ever."""
    behaviour = _Behaviour(kind, names, streams)
    for at, given in _times(kind, streams, horizon_s):
        yield behaviour.block(at, given)
    while True:
        yield None


def _times(kind: Kind, streams: Streams, horizon_s: float) -> Iterator[tuple[Floats, dict[str, Floats]]]:
    """Blocks of arrival times, with the columns that are given and not drawn."""
    arrivals = kind.arrivals
    if isinstance(arrivals, Backlog):
        left = arrivals.total
        while left is None or left > 0:
            count = BLOCK if left is None else min(BLOCK, left)
            left = None if left is None else left - count
            yield np.zeros(count), {}
    elif isinstance(arrivals, Recorded):
        at = np.asarray(arrivals.at_s, dtype=np.float64)
        columns = {
            name: np.asarray(getattr(arrivals, name), dtype=np.float64)
            for name in ("talk_s", "patience_s", "wrapup_s", "priority")
            if getattr(arrivals, name) is not None
        }
        for start in range(0, len(at), BLOCK):
            part = slice(start, start + BLOCK)
            yield at[part], {name: column[part] for name, column in columns.items()}
    else:
        knots = cumulated_rate(arrivals, streams, kind.name, horizon_s)
        clock = PoissonClock(knots, streams.stream("arrivals", kind.name), BLOCK)
        while len(block := clock.next()):
            yield block, {}


def _calling_again(kind: Kind, names: list[str], streams: Streams) -> Iterator[Block]:
    """Those who call again or are handed on, without end."""
    behaviour = _Behaviour(kind, names, streams, " again")
    while True:
        yield behaviour.block(np.zeros(BLOCK), {})


def _answering(crew: Crew, streams: Streams, name: str) -> Iterator[Block | None]:
    """What a crew does with its offers, without end; nothing at all if it answers each at once."""
    if crew.answer is None and not crew.no_answer and not crew.reject:
        while True:
            yield None
    delays = _Draws(crew.answer, streams, "answer", name)
    coins = streams.stream("no answer", name)
    unused = np.zeros(BLOCK, dtype=np.int64)
    while True:
        delay = delays.take(BLOCK) if crew.answer is not None else np.zeros(BLOCK, dtype=np.int64)
        coin = coins.random(BLOCK)
        delay = np.where(coin < crew.no_answer, -1, np.where(coin >= 1 - crew.reject, -2, delay))
        yield delay, unused, unused, unused, unused, unused, unused, unused
