"""What a contact may bring beside its requirement and its priority."""

from collections.abc import Container, Sequence

from msgspec import Struct

from acd_core.config import Step, StepsMode, queues_of_steps, skills_of_steps
from acd_core.refusals import Outcome
from acd_core.requirement import RequirementError


class Wishes(Struct, frozen=True, kw_only=True):
    """Rules of a contact's own; see `contact.enqueue` for what they mean.

    Attributes:
        steps: its steps, in the order of `after_s`.
        steps_mode: whether they are added to those of its queue, or replace them.
    """

    steps: tuple[Step, ...] = ()
    steps_mode: StepsMode = "add"


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
