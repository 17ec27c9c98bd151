"""One way of measuring for all benchmarks: rounds of equal work, wall clock and CPU time of each, their medians.

CPU time is what compares well on a machine that does other things too; wall clock tells what a user sees.
"""

import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any


def measure(
    benchmark: Any,
    rounds: Iterator[Callable[[], object]],
    count: int,
    *,
    group: str,
    unit: str,
    units: int,
    cpu_ns: Callable[[], int] = time.thread_time_ns,
    **info: object,
) -> None:
    """Run `count` rounds of `units` units of work, and note the medians.

    Args:
        benchmark: the fixture of pytest-benchmark.
        rounds: gives the work of each round; what it does before it gives it is not measured.
        count: of the rounds.
        group: names the table that the result goes into.
        unit: what is counted.
        units: so many of them are in a round.
        cpu_ns: CPU time used so far by what is measured.
        info: what else is known of the work.
    """
    walls: list[int] = []
    cpus: list[int] = []

    def run(work: Callable[[], object]) -> None:
        cpu, wall = cpu_ns(), time.perf_counter_ns()
        work()
        walls.append(time.perf_counter_ns() - wall)
        cpus.append(cpu_ns() - cpu)

    benchmark.group = group
    benchmark.pedantic(run, setup=lambda: ((next(rounds),), {}), rounds=count)
    benchmark.extra_info.update(
        unit=unit,
        units=units,
        rounds=len(walls),
        wall_ns=round(median(walls) / units, 1),
        cpu_ns=round(median(cpus) / units, 1),
        per_s=round(units * 1e9 / median(walls)),
        **info,
    )


def quantiles(values: list[int]) -> dict[str, int]:
    """Median and tails."""
    ordered = sorted(values)
    return {
        name: ordered[min(len(ordered) - 1, int(share * len(ordered)))]
        for name, share in (("p50", 0.5), ("p99", 0.99), ("p999", 0.999))
    }
