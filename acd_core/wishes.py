"""What a contact may bring beside its requirement and its priority."""

from collections.abc import Container, Sequence
from typing import Annotated

from msgspec import Meta, Struct

from acd_core.config import AgentId, Queue, Step, StepsMode, ns_of_seconds, queues_of_steps, skills_of_steps
from acd_core.refusals import Outcome
from acd_core.requirement import RequirementError


class Preferred(Struct, frozen=True, forbid_unknown_fields=True):
    """An agent that a contact prefers.

    Args:
        score: those of a higher one come first, and of the same those named first.
    """

    agent: AgentId
    score: Annotated[int, Meta(ge=0, le=1000)] = 0


class Wishes(Struct, frozen=True, kw_only=True):
    """Rules of a contact's own; see `contact.enqueue` for what they mean.

    Attributes:
        steps: its steps, in the order of `after_s`.
        steps_mode: whether they are added to those of its queue, or replace them.
        prefer: the agents that it prefers, for `prefer_s` seconds.
        prefer_wait: whether it waits for them.
        caller: by which its last agent is remembered, and what he waited in vain; empty for none.
        age_ns: how long it counts as having waited already; negative to begin later.
        consults: the contact about which a colleague is asked, if this is such a question; asked_by: the agent who asks.
    """

    steps: tuple[Step, ...] = ()
    steps_mode: StepsMode = "add"
    prefer: tuple[Preferred, ...] = ()
    prefer_s: float = 0
    prefer_wait: bool = False
    caller: str = ""
    age_ns: int = 0
    consults: str = ""
    asked_by: str = ""


class Preference(Struct, frozen=True):
    """The agents that a contact prefers, the best first, for so long, and whether it waits for them."""

    agents: tuple[str, ...]
    ns: int
    wait: bool


def preference_of(wishes: Wishes, queue: Queue, last_agent: str) -> Preference | None:
    """What a contact prefers that joins `queue`, which may know its last agent; None for nothing."""
    named = [one.agent for one in sorted(wishes.prefer, key=lambda one: -one.score)]
    seconds, wait = wishes.prefer_s, wishes.prefer_wait
    if not named and last_agent:
        named, seconds, wait = [last_agent], queue.last_agent_s, queue.last_agent_wait
    if not named or not seconds:
        return None
    return Preference(tuple(dict.fromkeys(named)), ns_of_seconds(seconds), wait)


NO_WISHES = Wishes()


def refusal_of(
    steps: Sequence[Step], tenant: str, skills: frozenset[str], queues: Container[tuple[str, str]]
) -> Outcome:
    """Whether a contact of `tenant` may bring such steps: `OK`, or why not. Skills and queues are those known."""
    try:
        if not skills.issuperset(skills_of_steps(steps)):
            return Outcome.SKILL_UNKNOWN
    except RequirementError:
        return Outcome.REQUIREMENT_INVALID
    if any((tenant, name) not in queues for name in queues_of_steps(steps)):
        return Outcome.QUEUE_UNKNOWN
    return Outcome.OK
