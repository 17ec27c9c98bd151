"""The service level of a queue: which share of its contacts was answered within the target.

Counted are the contacts whose wait was decided in the queue: those who reached an agent, those who gave up, and
those whom the queue gave up (`max_wait`, `no_agents`). Left out are callers who gave up within the target, since
the centre had no chance to serve them in time, and contacts that ended for other reasons than waiting
(`queue_full`, `diverted`, `withdrawn`).
"""

from collections.abc import Iterable

from acd_core.views import QueueView

_GIVEN_UP = ("abandoned", "max_wait", "no_agents")


def service_level(queues: Iterable[QueueView]) -> tuple[int, int]:
    """The contacts of `queues` answered within the target, and those counted; the level is their quotient."""
    met = counted = 0
    for view in queues:
        met += view.answered_in_target
        given_up = sum(view.ended.get(reason, 0) for reason in _GIVEN_UP)
        counted += view.answered + given_up - view.abandoned_in_target
    return met, counted
