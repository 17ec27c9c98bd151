"""The centre that load is put on, by seed: agents, queues, and the kinds of contact that come.

An agent has 1..8 skills, the common ones more often than the rare ones, at levels 1..10. There are ten kinds of contact
for each skill; each asks what some real agent can do: one of his skills (60 %), two (30 %) or three (10 %), at no more
than his levels. Contacts come with four priorities.
"""

from itertools import accumulate
from random import Random
from typing import NamedTuple

import msgspec

from acd_core.commands import ContactEnqueue
from acd_core.config import Agent, Config, Queue, Settings, Tenant

CLASSES_PER_SKILL = 10
PRIORITIES = 4
_MONTH_S = 2_592_000


class Shape(NamedTuple):
    """How large a centre is, and how many contacts wait in it."""

    agents: int
    skills: int
    waiting: int = 0

    def __str__(self) -> str:
        return f"{self.agents}-agents-{self.skills}-skills-{self.waiting}-waiting"


class Kind(NamedTuple):
    """One kind of contact: the queue it comes to, and what it asks beyond that queue."""

    queue: str
    require: str


class Centre:
    """A configuration, and the kinds of contact that come to it.

    Attributes:
        shape: what was asked for.
        kinds: the kinds of contact, by tenant.
        config: the whole configuration. With several tenants, each agent serves one of them.

    Args:
        kinds: how many there are for each tenant; 0 for ten for each skill, shared among the tenants.
    """

    def __init__(
        self, shape: Shape, seed: int = 1, tenants: tuple[str, ...] = ("acme",), wrapup_s: float = 30, kinds: int = 0
    ) -> None:
        self.shape = shape
        rng = Random(seed)
        skills = [f"skill-{number}" for number in range(shape.skills)]
        weights = list(accumulate((number + 1) ** -0.5 for number in range(shape.skills)))
        people = [_levels(rng, skills, weights) for _ in range(shape.agents)]
        kinds = kinds or max(1, CLASSES_PER_SKILL * shape.skills // len(tenants))
        self.kinds = {
            tenant: _kinds(rng, people[number :: len(tenants)], kinds) for number, tenant in enumerate(tenants)
        }
        self.config = Config(
            settings=Settings(missed_offers_max=0),
            skills=tuple(skills),
            tenants=tuple(Tenant(name) for name in tenants),
            queues=tuple(
                Queue(
                    tenant=tenant,
                    name=skill,
                    require=skill,
                    offer_timeout_s=3600,
                    wrapup_s=wrapup_s,
                    max_wait_s=_MONTH_S,
                    max_talk_s=_MONTH_S,
                    reject_cooldown_s=0,
                )
                for tenant in tenants
                for skill in skills
            ),
            agents=tuple(
                Agent(
                    agent=f"a-{number}",
                    address=f"PJSIP/{number}",
                    tenants=(tenants[number % len(tenants)],) if len(tenants) > 1 else (),
                    skills=levels,
                )
                for number, levels in enumerate(people)
            ),
        )

    def enqueue(self, rng: Random, contact: str, tenant: str = "acme", *, plain: bool = False) -> ContactEnqueue:
        """A contact of some kind; a `plain` one asks no more than its queue does."""
        kind = rng.choice(self.kinds[tenant])
        return ContactEnqueue(
            contact=contact,
            tenant=tenant,
            queue=kind.queue,
            priority=rng.randrange(PRIORITIES),
            require="" if plain else kind.require,
            attributes={"ani": f"+34{rng.randrange(10**9):09d}"},
        )

    def tails(self, tenant: str, seed: int = 1, *, plain: bool = False) -> list[bytes]:
        """What stands in a contact's line behind its id, for a `Sender`: one for each kind of a tenant.

        Plain ones instead come as people are there: one for each agent, asking for one of his skills at any level. So no
        skill is asked for more often than its agents can answer.
        """
        rng = Random(seed)
        kinds = self.kinds[tenant]
        if plain:
            agents = [agent for agent in self.config.agents if agent.tenants in ((tenant,), ())]
            kinds = [Kind(rng.choice(sorted(agent.skills)), "") for agent in agents]
        tails = []
        for kind in kinds:
            said = {
                "tenant": tenant,
                "queue": kind.queue,
                "priority": rng.randrange(PRIORITIES),
                "require": kind.require,
                "attributes": {"ani": f"+34{rng.randrange(10**9):09d}"},
            }
            tails.append(msgspec.json.encode(said)[1:] + b"\n")
        return tails


def _levels(rng: Random, skills: list[str], weights: list[float]) -> dict[str, int]:
    """What one agent can do."""
    count = min(rng.randint(1, 8), len(skills))
    chosen: dict[str, int] = {}
    while len(chosen) < count:
        chosen[rng.choices(skills, cum_weights=weights)[0]] = rng.randint(1, 10)
    return chosen


def _kinds(rng: Random, people: list[dict[str, int]], count: int) -> list[Kind]:
    """So many different kinds of contact, or as many as a small centre gives rise to."""
    kinds: dict[Kind, None] = {}
    for _ in range(20 * count):
        levels = rng.choice(people)
        terms = min(rng.choices((1, 2, 3), (60, 30, 10))[0], len(levels))
        asked = [(skill, rng.randint(1, levels[skill])) for skill in rng.sample(sorted(levels), terms)]
        kinds[Kind(asked[0][0], " & ".join(f"{skill}>={level}" for skill, level in sorted(asked)))] = None
        if len(kinds) == count:
            break
    return list(kinds)
