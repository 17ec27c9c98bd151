"""Long random streams through model and engine: `python -m tests.lockstep --seed 1 --steps 1000000`."""

import argparse
import sys
import time
from random import Random

from tests.support.lockstep import Lockstep
from tests.support.streams import Stream


def run(seed: int, steps: int, agents: int, compare_every: int, progress: bool = False) -> Lockstep:
    """Drive both machines for so many steps; raises AssertionError at the first difference."""
    stream = Stream(Random(seed), agents)
    both = Lockstep()
    started = time.monotonic()
    for number, (now, client, command) in enumerate(stream, start=1):
        stream.note(both.step(now, client, command))
        if number % compare_every == 0 or number >= steps:
            both.compare()
        if progress and number % 10_000 == 0:
            rate = number / (time.monotonic() - started)
            print(f"\rseed {seed}: {number:,} steps, {rate:,.0f} a second", end="", file=sys.stderr, flush=True)
        if number >= steps:
            break
    if progress:
        print(file=sys.stderr)
    return both


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="first seed (default 1)")
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds, one after the other (default 1)")
    parser.add_argument("--steps", type=int, default=100_000, help="steps for each seed (default 100000)")
    parser.add_argument("--agents", type=int, default=8, help="agents (default 8)")
    parser.add_argument("--compare-every", type=int, default=100, help="steps between whole-state comparisons")
    options = parser.parse_args()
    for seed in range(options.seed, options.seed + options.seeds):
        try:
            run(seed, options.steps, options.agents, options.compare_every, progress=sys.stderr.isatty())
        except AssertionError as difference:
            print(f"seed {seed}: model and engine differ\n{difference}", file=sys.stderr)
            return 1
    total = options.steps * options.seeds
    print(f"model and engine agree: {options.seeds} seeds, {total:,} steps")
    return 0


if __name__ == "__main__":
    sys.exit(main())
