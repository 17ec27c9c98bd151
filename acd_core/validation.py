"""What a configuration may not contradict itself in: what its types cannot say."""

import itertools
from collections.abc import Iterable
from typing import NamedTuple

from acd_core import requirement
from acd_core.config import (
    PRICED_STRATEGIES,
    Agent,
    Config,
    ConfigError,
    Queue,
    channels_of,
    requirements_of,
)


class _Known(NamedTuple):
    """What may be named. `limited` are the tenants with a limit; `skills` are empty where they are not declared."""

    tenants: set[str]
    limited: set[str]
    skills: set[str]
    channels: set[str]
    calendars: set[str]
    queues: set[str]


def validate(config: Config, held: Config | None = None) -> None:
    """Check what the types cannot say: unique ids, known tenants and skills, requirements that can be read.

    Args:
        config: to be checked.
        held: one without a contradiction. Agents that are the same objects in both are not looked at again, unless
            something that they might name is gone.

    Raises:
        ConfigError: for the first contradiction found.
    """
    resume, most = config.settings.occupancy_resume, config.settings.occupancy_max
    if resume is not None and (most is None or resume > most):
        raise ConfigError("settings: occupancy_resume is where a rest ends: give an occupancy_max that is not below it")
    _unique("tenant", (tenant.name for tenant in config.tenants))
    _unique("skill", config.skills)
    for skill in config.skills:
        _allowed("skills", skill)
    _unique("channel", (channel.name for channel in config.channels))
    _unique("pause reason", (reason.name for reason in config.pause_reasons))
    _unique("queue", (f"{queue.tenant}/{queue.name}" for queue in config.queues))
    if held is None or config.agents is not held.agents:
        _unique("agent", (agent.agent for agent in config.agents))
    _unique("calendar", (calendar.name for calendar in config.calendars))
    known = _Known(
        tenants={tenant.name for tenant in config.tenants},
        limited={tenant.name for tenant in config.tenants if tenant.max_in_conversation},
        skills=set(config.skills),
        channels={channel.name for channel in channels_of(config)},
        calendars={calendar.name for calendar in config.calendars},
        queues={f"{queue.tenant}/{queue.name}" for queue in config.queues},
    )
    for queue in config.queues:
        _queue_fits(queue, known)
    fine: set[str] = set()  # skills that agents were found to have rightly, which are few beside the agents
    for agent in config.agents if held is None else _not_looked_at(config, held):
        if (
            not fine.issuperset(agent.skills)
            or not known.queues.issuperset(agent.ranks)
            or not known.channels.issuperset(agent.channels)
            or not known.tenants.issuperset(agent.tenants)
        ):
            _agent_fits(agent, known)
            fine.update(agent.skills)


def _not_looked_at(config: Config, held: Config) -> Iterable[Agent]:
    """The agents of whom it does not follow from another configuration that what they name is there."""
    if (
        config.skills != held.skills
        or not {tenant.name for tenant in config.tenants}.issuperset(tenant.name for tenant in held.tenants)
        or not {channel.name for channel in channels_of(config)}.issuperset(one.name for one in channels_of(held))
        or not {(queue.tenant, queue.name) for queue in config.queues}.issuperset(
            (queue.tenant, queue.name) for queue in held.queues
        )
    ):
        return config.agents
    if config.agents is held.agents:
        return ()
    known = set(map(id, held.agents))
    return [agent for agent in config.agents if id(agent) not in known]


def _agent_fits(agent: Agent, known: _Known) -> None:
    """What an agent says of other things, name by name."""
    place = f"agent {agent.agent}"
    for tenant in agent.tenants:
        if tenant not in known.tenants:
            raise ConfigError(f"{place}: there is no tenant {tenant!r}; add it under [[tenants]]")
    for channel in agent.channels:
        if channel not in known.channels:
            raise ConfigError(f"{place}: channels: there is no channel {channel!r}; add it under [[channels]]")
    for path in agent.ranks:
        if path not in known.queues:
            raise ConfigError(f"{place}: ranks: there is no queue {path!r}; write it as tenant/queue")
    for skill in agent.skills:
        _allowed(place, skill)
        _declared(place, skill, known)


def _queue_fits(queue: Queue, known: _Known) -> None:
    """What a queue says of other things and of itself."""
    place = f"queue {queue.tenant}/{queue.name}"
    _gates_go_together(place, queue, known)
    if queue.channel not in known.channels:
        raise ConfigError(f"{place}: there is no channel {queue.channel!r}; add it under [[channels]]")
    if queue.tenant not in known.tenants:
        raise ConfigError(f"{place}: there is no tenant {queue.tenant!r}; add it under [[tenants]]")
    _requirements_are_read(place, queue, known)
    if queue.service_objective_s is not None and queue.ageing != 1:
        raise ConfigError(f"{place}: ageing and service_objective_s say the same thing twice; keep one of them")
    _measures_go_together(place, queue)
    if queue.occupancy_price and queue.strategy not in PRICED_STRATEGIES:
        raise ConfigError(
            f"{place}: occupancy_price: strategy {queue.strategy} compares nothing that could have a price; choose "
            f"one of {', '.join(PRICED_STRATEGIES)}, or leave the price out"
        )
    _rules_fit(place, queue, known)
    if queue.hours is not None and queue.hours not in known.calendars:
        raise ConfigError(f"{place}: hours: there is no calendar {queue.hours!r}; add it under [[calendars]]")
    if queue.callback is not None and queue.callback.hours not in {None, *known.calendars}:
        raise ConfigError(
            f"{place}: callback: hours: there is no calendar {queue.callback.hours!r}; add it under [[calendars]]"
        )
    _steps_fit(place, queue, known)


def _requirements_are_read(place: str, queue: Queue, known: _Known) -> None:
    """What it asks of agents, at once and in its steps."""
    for number, text in enumerate(requirements_of(queue)):
        where = place if number == 0 else f"{place}: a step"
        try:
            required = requirement.parse(text)
        except requirement.RequirementError as error:
            raise ConfigError(f"{where}: require: {error}") from error
        for skill in requirement.skills_of(required):
            _declared(where, skill, known)


def _rules_fit(place: str, queue: Queue, known: _Known) -> None:
    """Its rules on joining and staying."""
    for noun, rules in (("join", queue.join), ("stay", queue.stay)):
        for rule in rules:
            if (rule.over_s is not None) != (rule.when == "wait_estimate"):
                raise ConfigError(
                    f"{place}: {noun}: {rule.when}: over_s is there for wait_estimate, and for nothing else: "
                    "say how long an estimate must be"
                )
            if rule.to is not None:
                _other_queue(f"{place}: {noun}: {rule.when}", queue, rule.to, known)


def _steps_fit(place: str, queue: Queue, known: _Known) -> None:
    """Its steps: their order, and what each names."""
    for earlier, later in itertools.pairwise(queue.steps):
        if later.after_s <= earlier.after_s:
            raise ConfigError(
                f"{place}: steps: after_s {later.after_s:g} follows {earlier.after_s:g}; order them by after_s"
            )
    for step in queue.steps:
        where = f"{place}: the step after {step.after_s:g} s"
        for skill in step.drop:
            _declared(f"{where}: drop", skill, known)
        for name in step.further:
            _other_queue(f"{where}: further", queue, name, known)
        if step.overflow is not None:
            _other_queue(f"{where}: overflow", queue, step.overflow, known)


def _other_queue(place: str, queue: Queue, name: str, known: _Known) -> None:
    """What a queue says of another one of its tenant."""
    if f"{queue.tenant}/{name}" not in known.queues:
        raise ConfigError(f"{place}: tenant {queue.tenant} has no queue {name!r}; correct the name, or add the queue")
    if name == queue.name:
        raise ConfigError(f"{place}: {name!r} is the queue itself; name another one")


def _measures_go_together(place: str, queue: Queue) -> None:
    """A queue's urgency is measured in one way."""
    said = [
        name
        for name, given in (
            ("ageing", queue.ageing != 1),
            ("service_objective_s", queue.service_objective_s is not None),
            ("wait_measure", queue.wait_measure != "current"),
            ("queue_ratio", queue.queue_ratio is not None),
            ("waiting_cost", queue.waiting_cost is not None),
        )
        if given
    ]
    for name in ("queue_ratio", "waiting_cost"):
        if name in said and len(said) > 1:
            other = next(found for found in said if found != name)
            raise ConfigError(f"{place}: {name} takes the place of {other}; keep one of them")
    if queue.waiting_cost is None:
        return
    for earlier, later in itertools.pairwise(queue.waiting_cost.steps):
        if later.after_s <= earlier.after_s:
            raise ConfigError(
                f"{place}: waiting_cost: after_s {later.after_s:g} follows {earlier.after_s:g}; order the steps by after_s"
            )
        if later.cost < earlier.cost:
            raise ConfigError(
                f"{place}: waiting_cost: the cost falls from {earlier.cost:g} to {later.cost:g} after {later.after_s:g} s, "
                "and those who came first would not be served first any more; let no step cost less than the one before"
            )


def _gates_go_together(place: str, queue: Queue, known: _Known) -> None:
    if queue.offers_at_once > 1 and (queue.max_in_conversation or queue.tenant in known.limited):
        raise ConfigError(
            f"{place}: offers_at_once {queue.offers_at_once} does not go together with max_in_conversation, "
            "its own or its tenant's; leave one of them out"
        )
    reserve = queue.reserve
    if reserve is None:
        return
    if reserve.when_wait_s is not None and reserve.until_wait_s >= reserve.when_wait_s:
        raise ConfigError(f"{place}: reserve: until_wait_s must be less than when_wait_s, which is when it begins")
    if reserve.when_service_level is not None and reserve.until_service_level < reserve.when_service_level:
        raise ConfigError(f"{place}: reserve: until_service_level is less than when_service_level; raise it")


def _unique(noun: str, names: Iterable[str]) -> None:
    given = list(names)
    if len(set(given)) == len(given):
        return
    seen: set[str] = set()
    for name in given:
        if name in seen:
            raise ConfigError(f"{noun} {name!r} is there twice; keep one")
        seen.add(name)


def _allowed(place: str, skill: str) -> None:
    if requirement.reserved(skill):
        raise ConfigError(
            f"{place}: no skill can be called {skill!r}, which means something in a requirement; rename it"
        )


def _declared(place: str, skill: str, known: _Known) -> None:
    if known.skills and skill not in known.skills:
        raise ConfigError(f"{place}: skill {skill!r} is not in the list 'skills'; correct it, or add it there")
