"""Many reruns of one past, over processes."""

import signal
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import Any

from acd_sim.whatif.past import Past
from acd_sim.whatif.rerun import Rules, Told, rerun
from acd_sim.whatif.unknown import Unknown


def rerun_all(
    past: Past,
    rules: Sequence[Rules],
    *,
    draws: int,
    seed: int = 1,
    processes: int = 1,
    progress: Callable[[float], None] | None = None,
) -> list[list[Told]]:
    """For each of the rules the reruns of so many draws; draws of one number meet callers of the same patience.

    Args:
        past: what happened.
        rules: what differs, one after the other.
        draws: of what the record does not tell.
        seed: of all draws.
        processes: over how many to spread the work.
        progress: told the share that is done.

    Raises:
        PastError: the engine refused a configuration.
    """
    tasks = [(place, draw) for draw in range(draws) for place in range(len(rules))]
    told: list[list[Told | None]] = [[None] * draws for _ in rules]
    if processes == 1 or len(tasks) == 1:
        unknown = Unknown(past, seed)

        for done, (place, draw) in enumerate(tasks):
            told[place][draw] = rerun(past, unknown, rules[place], draw, _watch(progress, done, len(tasks)))
    else:
        context = get_context("forkserver")
        with ProcessPoolExecutor(processes, context, _begin, (past, tuple(rules), seed)) as pool:
            running: dict[Future[Told], tuple[int, int]] = {pool.submit(_rerun, *task): task for task in tasks}
            try:
                for done, future in enumerate(as_completed(running), 1):
                    place, draw = running[future]
                    told[place][draw] = future.result()
                    if progress is not None:
                        progress(done / len(tasks))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
    return [[run for run in row if run is not None] for row in told]


def _watch(progress: Callable[[float], None] | None, done: int, of: int) -> Callable[[float], bool]:
    """Tells how far all is, from how far one rerun is."""

    def watch(share: float) -> bool:
        if progress is not None:
            progress((done + share) / of)
        return True

    return watch


_worker: dict[str, Any] = {}


def _begin(past: Past, rules: tuple[Rules, ...], seed: int) -> None:
    """Make a process ready. Ctrl-C is for the one that started it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _worker.update(past=past, rules=rules, unknown=Unknown(past, seed))


def _rerun(place: int, draw: int) -> Told:
    return rerun(_worker["past"], _worker["unknown"], _worker["rules"][place], draw)
