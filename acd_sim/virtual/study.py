"""Many replications of a model, over processes, and what they say together.

Replication i of a study depends on seed and i alone: not on how many processes there were, nor on their order.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from contextlib import contextmanager
from itertools import islice
from multiprocessing import get_context
from typing import Any

import numpy as np
from msgspec import Struct, structs

from acd_core.views import AGENT_STATES
from acd_sim.virtual.confidence import Estimate, estimate, paired_difference
from acd_sim.virtual.loop import TALLIES
from acd_sim.virtual.measures import MEASURES, Figures, value_of
from acd_sim.virtual.model import Model, check
from acd_sim.virtual.replication import Replication, replicate
from acd_sim.virtual.warmup import warmup_intervals

POLL_S = 0.1
BATCHES = 20
Progress = Callable[[float, int], None]
"""Told the share of all work that is done, and how many replications are."""


class Study(Struct, frozen=True):
    """What replications of one model gave.

    Attributes:
        model: what was played.
        seed: of the study.
        replications: by number. Those that were cut short are here only when no other was finished.
        asked: how many replications were wanted.
        interrupted: whether somebody stopped it early.
    """

    model: Model
    seed: int
    replications: tuple[Replication, ...]
    asked: int
    interrupted: bool

    def values(
        self, measure: str, kinds: Sequence[str] | None = None, intervals: Sequence[int] | None = None
    ) -> list[float]:
        """A measure of each replication; see `measures.MEASURES`.

        Args:
            measure: its name.
            kinds: names of kinds of contacts; all when None.
            intervals: numbers of intervals; all when None.
        """
        names = [kind.name for kind in self.model.kinds]
        chosen = None if kinds is None else [names.index(kind) for kind in kinds]
        return [value_of(measure, self.model, replication, chosen, intervals) for replication in self.replications]

    def estimates(
        self, measures: Sequence[str], kinds: Sequence[str] | None = None, intervals: Sequence[int] | None = None
    ) -> dict[str, Estimate]:
        """Several measures at once, which is quicker; otherwise as `estimate`."""
        if len(self.replications) == 1 and intervals is None:
            return {name: self.estimate(name, kinds) for name in measures}
        names = [kind.name for kind in self.model.kinds]
        chosen = None if kinds is None else [names.index(kind) for kind in kinds]
        figures = [Figures(self.model, replication, chosen, intervals) for replication in self.replications]
        return {name: estimate([MEASURES[name].compute(figure) for figure in figures]) for name in measures}

    def estimate(
        self,
        measure: str,
        kinds: Sequence[str] | None = None,
        intervals: Sequence[int] | None = None,
        confidence: float = 0.95,
    ) -> Estimate:
        """A measure with its interval: over the replications, or over batches of intervals when there is only one."""
        values = self.values(measure, kinds, intervals)
        if len(values) == 1 and intervals is None:
            batches = self._batches()
            if len(batches) >= 4:
                parts = [self.values(measure, kinds, batch)[0] for batch in batches]
                return structs.replace(estimate(parts, confidence), mean=values[0])
        return estimate(values, confidence)

    def difference(self, measure: str, base: "Study", kinds: Sequence[str] | None = None) -> Estimate:
        """The measure here less that in `base`, replication by replication. Sharp when both have the same seed."""
        mine = {r.number: value for r, value in zip(self.replications, self.values(measure, kinds), strict=True)}
        other = {r.number: value for r, value in zip(base.replications, base.values(measure, kinds), strict=True)}
        both = sorted(mine.keys() & other.keys())
        return paired_difference([mine[number] for number in both], [other[number] for number in both])

    def _batches(self) -> list[list[int]]:
        """The intervals after the warm-up in up to `BATCHES` stretches."""
        first = int(np.ceil(self.model.warmup_s / self.model.interval_s - 1e-9))
        until = min(self.model.horizon_s, self.replications[0].until_s)
        last = int(np.floor(until / self.model.interval_s + 1e-9))
        parts = np.array_split(np.arange(first, last), min(BATCHES, max(1, last - first)))
        return [part.tolist() for part in parts if len(part)]


def simulate(
    model: Model,
    *,
    seed: int = 1,
    replications: int = 10,
    processes: int | None = None,
    progress: Progress | None = None,
) -> Study:
    """Play a model some times. Ctrl-C ends it early, with what is done so far.

    Args:
        model: what to play.
        seed: equal seeds give equal contacts to models that differ.
        replications: how many.
        processes: over how many to spread them; one for each processor when None.
        progress: told how far it is.

    Raises:
        ModelError: the model contradicts itself.
        SimulationError: the engine refused its configuration, or all together wait for longer than can be counted.
    """
    check(model)
    workers = min(replications, processes or len(os.sched_getaffinity(0)))
    run = _alone if workers == 1 else _together
    with _stoppable() as stopped:
        done = run(model, seed, replications, workers, progress, stopped)
        interrupted = stopped.is_set()
    done.sort(key=lambda replication: replication.number)
    finished = [replication for replication in done if replication.finished]
    return Study(model, seed, tuple(finished or done), replications, interrupted)


def find_warmup(model: Model, *, seed: int = 1, replications: int = 5, processes: int | None = None) -> float:
    """Seconds that the model needs to forget its empty start, from a pilot study of the number waiting and busy."""
    pilot = simulate(
        structs.replace(model, warmup_s=0.0, traced=0), seed=seed, replications=replications, processes=processes
    )
    if not pilot.replications:
        return 0.0
    queue = sum(replication.tallies[TALLIES.index("queue_ns")].sum(axis=0) for replication in pilot.replications)
    busy = sum(replication.state_by_interval[AGENT_STATES.index("busy")] for replication in pilot.replications)
    whole = int(np.floor(model.horizon_s / model.interval_s + 1e-9))
    return warmup_intervals((queue + busy)[:whole]) * model.interval_s


@contextmanager
def _stoppable() -> Iterator[threading.Event]:
    """An event that Ctrl-C sets, where signals can be caught at all."""
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return
    before = signal.signal(signal.SIGINT, lambda *_: stopped.set())
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGINT, before)


def _alone(
    model: Model, seed: int, count: int, _workers: int, progress: Progress | None, stopped: threading.Event
) -> list[Replication]:
    done: list[Replication] = []

    def watch(share: float) -> bool:
        if progress is not None:
            progress((len(done) + share) / count, len(done))
        return not stopped.is_set()

    for number in range(count):
        if stopped.is_set():
            break
        done.append(replicate(model, seed, number, watch))
        watch(0.0)
    return done


def _together(
    model: Model, seed: int, count: int, workers: int, progress: Progress | None, stopped: threading.Event
) -> list[Replication]:
    # Forking a process that shows a progress bar in a thread could leave a lock taken for ever.
    context = get_context("forkserver")
    shares = context.Array("d", count, lock=False)
    stop = context.Value("b", 0, lock=False)
    done: list[Replication] = []
    with ProcessPoolExecutor(workers, context, _begin, (model, seed, shares, stop)) as pool:
        waiting = iter(range(count))
        running = {pool.submit(_replicate, number) for number in islice(waiting, 2 * workers)}
        while running:
            ended, running = wait(running, timeout=POLL_S, return_when=FIRST_COMPLETED)
            done += [future.result() for future in ended]
            if stopped.is_set():
                stop.value = 1
            else:
                running |= {pool.submit(_replicate, number) for number in islice(waiting, len(ended))}
            if progress is not None:
                progress(sum(shares) / count, len(done))
    return done


_worker: dict[str, Any] = {}


def _begin(model: Model, seed: int, shares: Any, stop: Any) -> None:
    """Make a process ready to play replications. Ctrl-C is for the one that started it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _worker.update(model=model, seed=seed, shares=shares, stop=stop)


def _replicate(number: int) -> Replication:
    def watch(share: float) -> bool:
        _worker["shares"][number] = share
        return not _worker["stop"].value

    replication = replicate(_worker["model"], _worker["seed"], number, watch)
    _worker["shares"][number] = 1.0
    return replication
