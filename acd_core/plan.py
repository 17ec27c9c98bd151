"""The plan of a contact: what holds for it before all steps, and after each.

A plan follows from the queue that the contact waits in and from the steps that the contact brought itself. Contacts
that bring none share the plan of their queue.
"""

from collections.abc import Mapping
from typing import NamedTuple

from acd_core import requirement
from acd_core.config import Queue, Step, StepsMode, ns_of_seconds
from acd_core.requirement import Requirement


class Stage(NamedTuple):
    """What holds from one step to the next.

    Attributes:
        after_ns: waiting time from which on it holds.
        points: of priority, beside the contact's own.
        rank_max: agents of up to this rank count; None for all.
        terms: what the queue asks.
        dropped: skills that the contact's own requirement asks no more.
        skip: the next step is taken at once while nobody logged in could match.
        overflow: name of the queue, of the same tenant, that the contact moves to; empty to stay.
        keep_age: whether it takes its waiting time along.
        further: names of the queues, of the same tenant, whose agents count too.
    """

    after_ns: int
    points: int
    rank_max: int | None
    terms: Requirement
    dropped: frozenset[str]
    skip: bool
    overflow: str
    keep_age: bool
    further: tuple[str, ...]

    def asked(self, own_terms: Requirement) -> Requirement:
        """All that a contact asks at this stage that asks `own_terms` itself."""
        own = requirement.without(own_terms, self.dropped) if self.dropped else own_terms
        return requirement.merge(self.terms, own)


Plan = tuple[Stage, ...]
"""The stages in the order of time; the first holds from the start."""


def plan_of(queue: Queue, own: tuple[Step, ...], mode: StepsMode, queues: Mapping[tuple[str, str], Queue]) -> Plan:
    """The plan of a contact.

    Args:
        queue: where it waits.
        own: the steps that it brought.
        mode: whether these are added to the queue's, in the order of time and after them where the times are the
            same, or replace them.
        queues: all queues by tenant and name. A step that speaks of one that is not there does so in vain.
    """
    steps = sorted(own if mode == "replace" else (*queue.steps, *own), key=lambda step: step.after_s)
    asked = requirement.parse(queue.require)
    further: list[Requirement] = []
    stage = Stage(0, queue.priority, queue.rank_max, asked, frozenset(), queue.skip_if_nobody, "", False, ())
    plan = [stage]
    for step in steps:
        if step.require is not None:
            asked = requirement.parse(step.require)
        helping = [name for name in step.further if (queue.tenant, name) in queues]
        further += [requirement.parse(queues[queue.tenant, name].require) for name in helping]
        if step.drop:
            asked = requirement.without(asked, step.drop)
            further = [requirement.without(other, step.drop) for other in further]
        moves = step.overflow is not None and step.overflow != queue.name and (queue.tenant, step.overflow) in queues
        stage = Stage(
            after_ns=ns_of_seconds(step.after_s),
            points=stage.points + step.priority,
            rank_max=stage.rank_max if step.rank_max is None else step.rank_max,
            terms=requirement.either(asked, *further),
            dropped=stage.dropped.union(step.drop),
            skip=step.skip_if_nobody,
            overflow=(step.overflow or "") if moves else stage.overflow,
            keep_age=step.keep_age if moves else stage.keep_age,
            further=(*stage.further, *helping),
        )
        plan.append(stage)
    return tuple(plan)


def passed(plan: Plan, waited_ns: int) -> int:
    """How many steps of a plan hold for a contact that has waited so long."""
    return sum(stage.after_ns <= waited_ns for stage in plan[1:])
