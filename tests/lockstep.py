"""Long random streams through model and engine: `python -m tests.lockstep --seed 1 --steps 1000000`."""

import argparse
import sys
import time
from random import Random

from tests.support.lockstep import Lockstep
from tests.support.streams import Stream


def run(
    seed: int, steps: int, agents: int, compare_every: int, progress: bool = False, reload_every: int = 100
) -> Lockstep:
    """Drive both machines for so many steps; raises AssertionError at the first difference.

    At random, once in `reload_every` steps, the engine gives way to one that is made of its dump; never if it is 0.
    """
    stream = Stream(Random(seed), agents)
    chance = Random(f"reload {seed}")
    both = Lockstep()
    started = time.monotonic()
    for number, (now, client, command) in enumerate(stream, start=1):
        stream.note(both.step(now, client, command))
        if reload_every and chance.randrange(reload_every) == 0:
            both.reload()
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
    parser.add_argument(
        "--reload-every", type=int, default=200, help="steps between engines made of a dump, on average; 0 for none"
    )
    options = parser.parse_args()
    for seed in range(options.seed, options.seed + options.seeds):
        try:
            run(
                seed,
                options.steps,
                options.agents,
                options.compare_every,
                progress=sys.stderr.isatty(),
                reload_every=options.reload_every,
            )
        except AssertionError as difference:
            print(f"seed {seed}: model and engine differ\n{difference}", file=sys.stderr)
            return 1
    total = options.steps * options.seeds
    print(f"model and engine agree: {options.seeds} seeds, {total:,} steps")
    return 0


if __name__ == "__main__":
    sys.exit(main())
