"""What a load shall be: steps one after the other, on a centre of some size, with contacts of some fates."""

from typing import Any

from msgspec import Struct, field

from acd_sim.load.floor import Shape
from acd_sim.load.sender import FATE_NAMES

CAPACITY_LEAST = 1 << 12
CAPACITY_MOST = 1 << 22
BACKLOG_S = 30
"""An open loop goes on as planned until so many seconds' worth of contacts are under way."""


class Step(Struct, frozen=True, omit_defaults=True):
    """A stretch of the load. Either `rate` or `depth` is above 0.

    Attributes:
        seconds: how long.
        rate: contacts a second, begun at planned times whatever the server does.
        depth: contacts in flight, each followed by the next.
    """

    seconds: float
    rate: float = 0
    depth: int = 0

    def __str__(self) -> str:
        return f"{self.rate:,g} a second" if self.rate else f"{self.depth:,} in flight"


class Plan(Struct, frozen=True, kw_only=True):
    """A whole load.

    Attributes:
        steps: in their order.
        shape: how many agents and skills the centre has.
        connections: each is a client with a tenant and agents of its own.
        mix: how often each of `FATE_NAMES` comes, in any unit.
        talk_s: mean length of a conversation; 0 ends it as soon as it begins.
        vary_talk, poisson: whether conversations and the gaps of an open loop are exponential, or all alike.
        awake: whether the sender never sleeps, see `Sender`.
        contacts_max: the load ends when so many were begun; 0 for no such end.
        drain_s: how long the last contacts may take to end.
        seed: of all that is drawn.
    """

    steps: tuple[Step, ...]
    shape: Shape = Shape(4_000, 64)
    connections: int = 16
    mix: dict[str, float] = field(default_factory=lambda: {"served": 1.0})
    talk_s: float = 0
    vary_talk: bool = False
    poisson: bool = False
    awake: bool = False
    contacts_max: int = 0
    drain_s: float = 30
    seed: int = 1

    @property
    def weights(self) -> tuple[float, ...]:
        """The mix, for `Sender`."""
        return tuple(self.mix.get(name, 0.0) for name in FATE_NAMES)

    @property
    def capacity(self) -> int:
        """Most contacts alive at a time, a power of two."""
        wanted = CAPACITY_LEAST
        for step in self.steps:
            needed = step.depth * 4 if step.depth else step.rate * (BACKLOG_S + 4 * self.talk_s)
            while wanted < needed and wanted < CAPACITY_MOST:
                wanted *= 2
        return wanted

    @property
    def most_busy(self) -> float:
        """How many agents the busiest open step keeps in conversation, on average."""
        return max((step.rate * self.talk_s for step in self.steps), default=0.0)


def mix_of(text: str) -> dict[str, float]:
    """A mix as written on the command line, such as `served=90,abandoned=5,rejected=5`.

    Raises:
        ValueError: with a sentence.
    """
    mix: dict[str, float] = {}
    for part in text.split(","):
        name, _, weight = part.strip().partition("=")
        if name not in FATE_NAMES:
            raise ValueError(f"{name!r} is no fate of a contact; use {', '.join(FATE_NAMES)}")
        try:
            mix[name] = float(weight or "1")
        except ValueError:
            raise ValueError(f"{weight!r} is no number; write {name}=5") from None
        if not 0 <= mix[name] < 1e9:
            raise ValueError(f"{name}={weight} is out of range; it must be 0..1e9")
    if sum(mix.values()) <= 0:
        raise ValueError("all weights are 0; give at least one above")
    return mix


def steps_of(rates: list[float], depths: list[int], seconds: float) -> tuple[Step, ...]:
    """A step for each rate, or for each depth."""
    shapes: list[dict[str, Any]] = [{"rate": rate} for rate in rates] or [{"depth": depth} for depth in depths]
    return tuple(Step(seconds=seconds, **shape) for shape in shapes)
