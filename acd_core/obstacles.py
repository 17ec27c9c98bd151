"""What keeps an agent from a contact: each reason with its word and its sentence, in one place.

An agent can be offered a contact when nothing here keeps him from it. The reasons are asked in the order of
`CONDITIONS`; the first that holds is the one that is told, so every agent falls into exactly one.
"""

from typing import Literal, NamedTuple

from acd_core import requirement
from acd_core.views import AgentView, ContactView, Limit

NS_PER_S = 1_000_000_000
QUEUES_TOLD_MAX = 5
"""So many of the queues that an agent is logged in to are named."""

Condition = Literal[
    "logged_out",
    "paused",
    "logging_out",
    "busy",
    "offered",
    "wrapup",
    "cooldown",
    "rest",
    "capacity",
    "tenant",
    "channel",
    "skill_missing",
    "level_too_low",
    "requirement",
    "rank",
    "not_joined",
    "preferred",
    "limit",
    "reserve",
    "none",
]
"""What keeps an agent from a contact: the first that fails in this order; `none` when all hold."""
CONDITIONS: tuple[Condition, ...] = Condition.__args__  # type: ignore[attr-defined]

CONDITION_WORDS: dict[Condition, str] = {
    "logged_out": "logged out",
    "paused": "paused",
    "logging_out": "logging out",
    "busy": "busy",
    "offered": "being rung",
    "wrapup": "in wrap-up",
    "cooldown": "in cooldown",
    "rest": "resting from work",
    "capacity": "without room for it",
    "tenant": "not serving the tenant",
    "channel": "not taking its channel",
    "skill_missing": "lacking a skill",
    "level_too_low": "below a required level",
    "requirement": "not meeting what else is required",
    "rank": "of a rank that does not count yet",
    "not_joined": "not logged in to its queue",
    "preferred": "not among the agents that it waits for",
    "limit": "free, and held back by a limit",
    "reserve": "kept free for another queue",
    "none": "free",
}


class Asked(NamedTuple):
    """What a contact asks of an agent, apart from his state. Contacts that ask the same are judged once."""

    tenant: str
    queue: str
    channel: str
    require: str
    further: tuple[str, ...]
    rank_max: int
    waits_for: tuple[str, ...]
    limit: Limit
    reserved: bool

    @classmethod
    def by(cls, contact: ContactView) -> "Asked":
        return cls(
            contact.tenant,
            contact.queue,
            contact.channel,
            contact.require,
            contact.further,
            contact.rank_max,
            contact.preferred if contact.prefer_wait else (),
            contact.limit,
            contact.reserved,
        )

    @property
    def path(self) -> str:
        return f"{self.tenant}/{self.queue}"

    @property
    def requirement(self) -> requirement.Requirement:
        return requirement.parse_canonical(self.require)


def contacts_of(agent: AgentView) -> str:
    count = len(agent.legs) + sum(agent.outside.values())
    return "1 contact" if count == 1 else f"{count} contacts"


def state_obstacle(agent: AgentView, now: int, channel: str = "") -> tuple[Condition, str]:
    """The first condition of his own state that keeps the agent from every contact of a channel, in words.

    `none` if he is open to it. The channel is left out for an agent who has no room at all.
    """
    left = seconds(agent.deadline_ns - now)
    since = seconds(now - agent.since_ns)
    if agent.presence == "logged_out":
        return "logged_out", "logged out"
    activity: tuple[Condition, str] = ("none", "free")
    more = f" and {len(agent.legs) - 1} more" if len(agent.legs) > 1 else ""
    match agent.activity:
        case "busy" if not any(leg.state == "connected" for leg in agent.legs):
            activity = "busy", f"busy with what did not come from here ({_outside(agent)}) for {since} s"
        case "busy":
            activity = "busy", f"busy with contact {agent.contact}{more} for {since} s"
        case "offered":
            activity = "offered", f"rung for contact {agent.contact}, for another {left} s"
        case "wrapup":
            waits = any(leg.contact == agent.contact and leg.disposition_required for leg in agent.legs)
            how_long = f"until he says how it went, at most {left} s" if waits else f"for another {left} s"
            activity = "wrapup", f"in wrap-up of contact {agent.contact}, {how_long}"
        case "cooldown" if not agent.rest_until_ns:
            activity = "rest", f"resting from too much work, for another {left} s"
        case "cooldown":
            activity = "cooldown", f"in cooldown ({agent.cooldown_cause}), for another {left} s"
    still = "" if agent.activity == "none" else f", still {activity[1]}"
    if agent.presence == "paused":
        paused = "paused: " + agent.pause_reason if agent.pause_reason else "paused"
        return "paused", paused + _of_allowance(agent, now) + still
    if agent.logging_out:
        return "logging_out", "logging out" + still
    rung = next((leg for leg in agent.legs if leg.state == "offered"), None)
    if rung is not None:
        return "offered", f"rung for contact {rung.contact}, for another {seconds(rung.deadline_ns - now)} s"
    if agent.rest_until_ns:
        rest = seconds(agent.rest_until_ns - now)
        return "cooldown", f"in cooldown ({agent.cooldown_cause}), for another {rest} s{still if agent.legs else ''}"
    if agent.resting:
        in_hand = f", with {contacts_of(agent)} in hand" if agent.legs else ""
        return "rest", activity[1] if activity[0] == "rest" else f"resting from too much work{in_hand}"
    if channel in agent.room:
        if not agent.idle_seq:  # seen only when a decision is made at the instant at which he gives an offer back
            return "cooldown", "giving back an offer at this moment"
        return "none", "free"
    if activity[0] == "none" or (channel in agent.channels and agent.room):
        return "capacity", f"no room for {channel or 'anything'} with {contacts_of(agent)} in hand"
    return activity


def _outside(agent: AgentView) -> str:
    return ", ".join(f"{count} {channel}" for channel, count in agent.outside.items())


def _of_allowance(agent: AgentView, now: int) -> str:
    """How much of what he may pause for the present reason is used, if that is limited."""
    for use in agent.pauses if agent.pause_since_ns else ():
        if use.reason == agent.pause_reason and use.allowance_ns:
            used = seconds(use.used_ns + now - agent.pause_since_ns)
            return f", {used} of {seconds(use.allowance_ns)} s used up"
    return ""


def fit_obstacle(agent: AgentView, asked: Asked, required: requirement.Requirement) -> tuple[Condition, str]:
    """The first reason why the agent, if free, could not serve such a contact, in words; `none` if he could."""
    if agent.tenants and asked.tenant not in agent.tenants:
        return "tenant", f"does not serve tenant {asked.tenant}"
    if asked.channel not in agent.channels:
        return "channel", f"takes no {asked.channel}"
    needed = requirement.needed_levels(required)
    for skill, _ in needed:
        if skill not in agent.skills:
            return "skill_missing", f"lacks skill {skill}"
    for skill, level in needed:
        if agent.skills[skill] < level:
            return "level_too_low", f"skill {skill} {agent.skills[skill]}, needs {level}"
    for node in required:
        if not requirement.meets(node, agent.skills, agent.facts):
            return "requirement", f"does not meet {requirement.describe((node,))}"
    if not rank_counts(agent, asked):
        return "rank", f"rank {agent.ranks.get(asked.path, 0)} in {asked.path}, only up to {asked.rank_max} counts yet"
    if not has_joined(agent, asked):
        return "not_joined", f"not logged in to {asked.path}, only to {_first_of(agent.queues)}"
    if not is_waited_for(agent, asked):
        return "preferred", f"it waits for {', '.join(asked.waits_for)}"
    return "none", "free and qualified: gets it next"


def gate_obstacle(agent: AgentView, asked: Asked) -> tuple[Condition, str]:
    """What keeps a free agent, who could serve such a contact, from it, in words; `none` if nothing does."""
    if asked.limit:
        who = f"queue {asked.path}" if asked.limit == "queue" else f"tenant {asked.tenant}"
        return "limit", f"free, but {who} has as many in conversation as it may"
    if agent.kept_free and not asked.reserved:
        return "reserve", "free, but kept free for another queue"
    return "none", "free and qualified: gets it next"


def rank_counts(agent: AgentView, asked: Asked) -> bool:
    return asked.rank_max < 0 or agent.ranks.get(asked.path, 0) <= asked.rank_max


def has_joined(agent: AgentView, asked: Asked) -> bool:
    """Whether he is logged in to the contact's queue, or to another whose agents count for it."""
    helping = (asked.queue, *asked.further)
    return not agent.queues or any(f"{asked.tenant}/{queue}" in agent.queues for queue in helping)


def is_waited_for(agent: AgentView, asked: Asked) -> bool:
    return not asked.waits_for or agent.agent in asked.waits_for


def _first_of(queues: tuple[str, ...]) -> str:
    """Some queues by name, the first of them if there are many."""
    more = len(queues) - QUEUES_TOLD_MAX
    return ", ".join(queues[:QUEUES_TOLD_MAX]) + (f" and {more} more" if more > 0 else "")


def seconds(ns: int) -> int:
    """Whole seconds of a duration, never negative."""
    return max(0, ns) // NS_PER_S
