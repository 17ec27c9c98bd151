"""How much is measured: what the goals ask for, or next to nothing, to see that all of it still runs."""

from typing import NamedTuple

from acd_sim.load.floor import Shape


class Scale(NamedTuple):
    """The dimensions of one run.

    Attributes:
        rounds: of what takes seconds.
        turns: rounds of what takes less: as many as it takes for those that something else disturbed to be few.
        assignments: of a round in the core; of slow ones the share that their cost allows.
        agents, skills, waiting: the grid over which growth is looked at.
        large: largest numbers of agents and of waiting contacts, which are looked at apart.
        classes: most kinds of contact.
        centre: behind the servers.
        lifecycles: of a round through TCP, with many in flight.
        rate, rate_s: of the open loop.
        flushes: of the disk.
        peer_s: seconds of a round of PostgreSQL.
    """

    rounds: int
    turns: int
    assignments: int
    agents: tuple[int, ...]
    skills: tuple[int, ...]
    waiting: tuple[int, ...]
    large: tuple[int, int]
    classes: int
    centre: Shape
    lifecycles: int
    rate: int
    rate_s: float
    flushes: int
    peer_s: float


FULL = Scale(
    rounds=5,
    turns=15,
    assignments=4_000,
    agents=(100, 1_000, 10_000),
    skills=(4, 64, 1_000),
    waiting=(1_000, 10_000, 100_000),
    large=(100_000, 1_000_000),
    classes=100_000,
    centre=Shape(4_000, 64),
    lifecycles=4_000,
    rate=10_000,
    rate_s=2,
    flushes=400,
    peer_s=3,
)
TINY = Scale(
    rounds=2,
    turns=2,
    assignments=40,
    agents=(20, 60),
    skills=(4, 8),
    waiting=(20, 60),
    large=(120, 200),
    classes=300,
    centre=Shape(80, 4),
    lifecycles=60,
    rate=300,
    rate_s=0.2,
    flushes=5,
    peer_s=1,
)
SCALES = {"full": FULL, "tiny": TINY}
