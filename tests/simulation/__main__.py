"""Many seeds on all cores, or one seed with its text: `make sim SEEDS=2000`, `make sim SEED=7`."""

import argparse
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import islice

import msgspec

from tests.simulation.kept import kept_seeds
from tests.simulation.run import Result, simulate, simulate_all

CHUNK = 25
GENERATION = 2000
SHOWN_MAX = 10


def all_results(seeds: list[int], jobs: int) -> Iterator[list[Result]]:
    """Results as they come. Workers are not forked, to begin clean, and not kept for long: what the killed leave adds up."""
    left = iter(seeds)
    while some := list(islice(left, GENERATION)):
        pieces = [some[at : at + CHUNK] for at in range(0, len(some), CHUNK)]
        with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
            try:
                for done in as_completed([pool.submit(simulate_all, piece) for piece in pieces]):
                    yield done.result()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)


def one(seed: int, show: bool) -> int:
    """Run one seed twice; tells whether it replays exactly. Its text is shown when it fails, or is asked for."""
    lines: list[str] = []
    result = simulate(seed, lines)
    again = simulate(seed)
    if show or result.violation:
        print("\n".join(lines))
    print(f"seed {seed}: {result.virtual_s:.1f} s, {result.acknowledged} acknowledged, {result.events} events heard")
    print(f"faults: {faults_of(Counter(result.faults)) or 'none'}")
    print(f"trace {result.trace}")
    if again.trace != result.trace:
        print(f"seed {seed} does not replay: the second trace is {again.trace}", file=sys.stderr)
        return 1
    if result.violation:
        print(f"seed {seed} fails: {result.violation}", file=sys.stderr)
        return 1
    return 0


def faults_of(counts: Counter[str]) -> str:
    """Faults and how often each happened."""
    return ", ".join(f"{name} {count:,}" for name, count in counts.most_common() if count)


def many(seeds: list[int], jobs: int, limit_s: float, as_json: bool) -> int:
    """Run seeds, at most for so long."""
    started = time.monotonic()
    faults: Counter[str] = Counter()
    sums: Counter[str] = Counter()
    failed: list[Result] = []
    for results in all_results(seeds, jobs):
        for result in results:
            faults.update(result.faults)
            sums.update(
                seeds=1,
                acknowledged=result.acknowledged,
                events=result.events,
                kills=result.kills,
                restarts=result.restarts,
                virtual_ms=int(1000 * result.virtual_s),
            )
            if result.violation:
                failed.append(result)
                print(f"seed {result.seed} fails: {result.violation[:600]}", file=sys.stderr, flush=True)
        passed = time.monotonic() - started
        if sys.stderr.isatty():
            so_far = f"\r{sums['seeds']:,} of {len(seeds):,} seeds, {sums['seeds'] / passed:.0f} a second"
            print(so_far, end="", file=sys.stderr, flush=True)
        if passed > limit_s or len(failed) >= SHOWN_MAX:
            break
    passed = time.monotonic() - started
    if sys.stderr.isatty():
        print(file=sys.stderr)
    if as_json:
        answer = {**sums, "took_s": round(passed, 1), "faults": faults, "failed": {r.seed: r.violation for r in failed}}
        print(msgspec.json.encode(answer).decode())
    else:
        print(
            f"{sums['seeds']:,} seeds in {passed:.0f} s ({sums['seeds'] / passed:.0f} a second), "
            f"{sums['virtual_ms'] / 3_600_000:.1f} virtual hours: {sums['acknowledged']:,} commands acknowledged, "
            f"{sums['events']:,} events heard, {sums['kills']:,} kills and {sums['restarts']:,} restarts of the server"
        )
        print(f"faults: {faults_of(faults)}")
        print(
            f"{len(failed)} seeds failed" if failed else "acknowledged and lost: 0; everything that was checked holds"
        )
    if failed:
        print(f"replay one with: make sim SEED={failed[0].seed}", file=sys.stderr)
    return 1 if failed else 0


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulation",
        description=__doc__,
        epilog="example: python -m tests.simulation --seeds 2000",
    )
    parser.add_argument("--seed", type=int, help="run this one, twice, and compare; with --seeds the first of many")
    parser.add_argument("--seeds", type=int, help="how many; those kept from earlier failures come first")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin nothing new after so long")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)")
    parser.add_argument("--show", action="store_true", help="with one seed: show its text also when it does not fail")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    if options.seeds is None and options.seed is not None:
        return one(options.seed, options.show)
    first = 1 if options.seed is None else options.seed
    seeds = [*kept_seeds(), *range(first, first + (options.seeds or 2000))]
    return many(seeds, options.jobs, options.seconds, options.json)


if __name__ == "__main__":
    sys.exit(main())
