"""What of the routing may cost something: each feature as one change to the plain centre, for all of its queues or agents.

A feature is set up so that it is always at work and decides nothing else: limits that nobody reaches, rests that nobody
needs. So what is dearer than the plain centre is the price of the feature, and not of another outcome.
"""

from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

from msgspec.structs import replace

from acd_core import Engine, Outcome, requirement
from acd_core.config import (
    Agent,
    Callback,
    Config,
    CostStep,
    JoinRule,
    Queue,
    QueueRatio,
    Reserve,
    StayRule,
    Step,
    WaitingCost,
)
from acd_core.wishes import Preferred, Wishes
from acd_sim.load.floor import Centre, Shape
from bench.drive import Traffic
from bench.trace import kinds_of, step_ns_of

Change = Callable[[Config], Config]
DAY_S = 86_400
GROUPS = ("lisbon", "porto", "faro")


class Feature(NamedTuple):
    """One of them.

    Attributes:
        name: for tables and legends.
        group: of features that are shown together.
        change: to the configuration.
        asks: what a kind of contact asks instead of its requirement.
        wishes: what a contact brings beside, by the number of its kind and an agent who could serve it.
        chooses: whether agents log in to a part of their queues.
        called_back: whether those who have to wait ask to be called back.
    """

    name: str
    group: str
    change: Change = lambda config: config
    asks: Callable[[str], str] = lambda require: require
    wishes: Callable[[int, str], Wishes] | None = None
    chooses: bool = False
    called_back: bool = False

    def centre(self, centre: Centre) -> Centre:
        """The plain centre with this feature."""
        centre.config = self.change(centre.config)
        centre.kinds = {
            tenant: [kind._replace(require=self.asks(kind.require)) for kind in kinds]
            for tenant, kinds in centre.kinds.items()
        }
        return centre

    def kinds(self, centre: Centre) -> list[tuple[Any, ...]]:
        """The kinds of contact of a centre, as `drive.Traffic` takes them."""
        plain = kinds_of(centre)
        if self.wishes is None:
            return list(plain)
        people = list(centre.config.agents)
        Random(1).shuffle(people)
        rules = {queue.name: requirement.parse(queue.require) for queue in centre.config.queues}
        found: list[tuple[Any, ...]] = []
        for number, (tenant, queue, require) in enumerate(plain):
            asked = requirement.merge(rules[queue], requirement.parse(require))
            candidates = (people[(number + turn) % len(people)] for turn in range(len(people)))
            able = next(one for one in candidates if _meets(one, asked))
            found.append((tenant, queue, require, self.wishes(number, able.agent)))
        return found


def _meets(agent: Agent, asked: requirement.Requirement) -> bool:
    facts = {**agent.attributes, "id": agent.agent}
    return all(requirement.meets(node, agent.skills, facts) for node in asked)


def queues(**changes: Any) -> Change:
    """The same change to all queues."""
    return each_queue(lambda _, queue: replace(queue, **changes))


def each_queue(change: Callable[[int, Queue], Queue]) -> Change:
    """A change to each queue, which may depend on its number."""
    return lambda config: replace(config, queues=tuple(change(*numbered) for numbered in enumerate(config.queues)))


def each_agent(change: Callable[[int, Agent], Agent]) -> Change:
    """A change to each agent, which may depend on his number."""
    return lambda config: replace(config, agents=tuple(change(*numbered) for numbered in enumerate(config.agents)))


def settings(**changes: Any) -> Change:
    """A change to the settings of all."""
    return lambda config: replace(config, settings=replace(config.settings, **changes))


def one_after_the_other(*changes: Change) -> Change:
    """All of them."""

    def change(config: Config) -> Config:
        for each in changes:
            config = each(config)
        return config

    return change


def ranked(config: Config) -> Config:
    """Every third agent stands back in all queues."""
    paths = {f"{queue.tenant}/{queue.name}": 1 for queue in config.queues}
    return each_agent(lambda number, agent: agent if number % 3 else replace(agent, ranks=paths))(config)


def of_a_group(number: int, agent: Agent) -> Agent:
    """Agents of three sites, the largest of which has half of them."""
    return replace(agent, group=GROUPS[(0, 1, 0, 2)[number % 4]])


def with_a_site(number: int, agent: Agent) -> Agent:
    """Most agents sit in Madrid."""
    return replace(agent, attributes={"site": "madrid" if number % 4 else "porto"})


def steps(*after_s: float) -> tuple[Step, ...]:
    """Steps that only add a point of priority."""
    return tuple(Step(after_s=seconds, priority=1) for seconds in after_s)


def traffic_with(feature: Feature, shape: Shape) -> Traffic:
    """The traffic of a centre with a feature, before its first contact."""
    centre = feature.centre(Centre(shape))
    traffic = Traffic(
        centre.config,
        [agent.agent for agent in centre.config.agents],
        feature.kinds(centre),
        waiting=shape.waiting,
        step_ns=step_ns_of(shape),
        eventful=True,
        called_back=feature.called_back,
    )
    if feature.chooses:
        choose(traffic.engine, centre)
    return traffic


def choose(engine: Engine, centre: Centre) -> None:
    """Let every other agent log in to the queues that he has the skills for."""
    names = {queue.name for queue in centre.config.queues}
    for agent in centre.config.agents[::2]:
        queues = tuple(f"acme/{skill}" for skill in sorted(agent.skills) if skill in names)
        if engine.choose_queues(engine.now, agent.agent, queues, (), ()) != Outcome.OK:
            raise RuntimeError(f"{agent.agent} cannot log in to {queues}")
    engine.discard_events()


PLAIN = Feature("plain", "order of agents")
FEATURES: tuple[Feature, ...] = (
    PLAIN,
    Feature("most_skilled", "order of agents", queues(strategy="most_skilled")),
    Feature("least_occupied", "order of agents", queues(strategy="least_occupied")),
    Feature("weighted_random", "order of agents", queues(strategy="weighted_random")),
    Feature("price of occupancy", "order of agents", queues(strategy="lowest_cost", occupancy_price=100)),
    Feature("ranks", "order of agents", ranked),
    Feature("three rung at once", "order of agents", queues(offers_at_once=3)),
    Feature(
        "prefers an agent",
        "order of agents",
        wishes=lambda _, agent: Wishes(prefer=(Preferred(agent),), prefer_s=60),
    ),
    Feature(
        "limits",
        "gates",
        queues(max_in_conversation=1_000_000),
    ),
    Feature(
        "a reserve",
        "gates",
        each_queue(lambda number, queue: queue if number else replace(queue, reserve=Reserve(agents=1))),
    ),
    Feature(
        "shares of groups",
        "gates",
        one_after_the_other(each_agent(of_a_group), queues(allocation={"lisbon": 50, "porto": 30, "faro": 20})),
    ),
    Feature("rest from work", "gates", settings(occupancy_max=99)),
    Feature("some of one's queues", "gates", chooses=True),
    Feature(
        "not and or", "gates", each_agent(with_a_site), asks=lambda require: f'({require}) & !(agent.site == "faro")'
    ),
    Feature(
        "service objectives",
        "urgency",
        each_queue(lambda number, queue: replace(queue, service_objective_s=20 + 10 * (number % 7))),
    ),
    Feature("predicted waits", "urgency", queues(wait_measure="predicted")),
    Feature("queue ratios", "urgency", queues(queue_ratio=QueueRatio(group="all"))),
    Feature(
        "costs by speed",
        "urgency",
        queues(
            waiting_cost=WaitingCost(steps=tuple(CostStep(after_s=60 * n, cost=n) for n in range(20)), by_speed=True)
        ),
    ),
    Feature("limit of urgency", "urgency", queues(urgency_max_s=3600)),
    Feature("three steps", "waiting", queues(steps=steps(30, 60, 90))),
    Feature(
        "steps of its own",
        "waiting",
        wishes=lambda number, _: Wishes(steps=steps(20 + number % 20, 60)),
    ),
    Feature(
        "waits for an agent",
        "waiting",
        wishes=lambda _, agent: Wishes(prefer=(Preferred(agent),), prefer_s=5, prefer_wait=True),
    ),
    Feature("estimate on joining", "waiting", queues(join=(JoinRule(when="wait_estimate", over_s=30 * DAY_S),))),
    Feature("estimate on staying", "waiting", queues(stay=(StayRule(when="wait_estimate", over_s=30 * DAY_S),))),
    Feature("callbacks", "waiting", queues(callback=Callback(expires_s=30 * DAY_S)), called_back=True),
)
GROUPS_SHOWN = tuple(dict.fromkeys(feature.group for feature in FEATURES))
