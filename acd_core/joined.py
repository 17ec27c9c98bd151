"""Which of his queues an agent serves: all, or those that he logged in to.

His are the queues of the tenants that he serves. Those that he named are kept as sorted paths, `tenant/queue`; an empty
tuple stands for all that are his, also for those that come later.
"""

from collections.abc import Collection, Iterable

from acd_core.refusals import Outcome

Queues = Collection[tuple[str, str]]
"""The configured queues, by tenant and name."""


def choice(
    before: tuple[str, ...],
    queues: tuple[str, ...] | None,
    join: tuple[str, ...],
    leave: tuple[str, ...],
    tenants: tuple[str, ...],
    known: Queues,
) -> tuple[Outcome, tuple[str, ...]]:
    """What an agent serves from now on, as paths, if the outcome is `OK`.

    Args:
        before: what he serves.
        queues: those and no others; with None, `join` and `leave`, or all when these are empty too.
        join: what is added.
        leave: what is taken away.
        tenants: that he serves; empty for all.
        known: the configured queues.
    """
    named = queues or ()
    if (queues is not None and (join or leave or not named)) or set(join) & set(leave):
        return Outcome.QUEUES_INVALID, before
    for path in (*named, *join, *leave):
        outcome = _his(path, tenants, known)
        if outcome is not Outcome.OK:
            return outcome, before
    if not join and not leave:
        return Outcome.OK, tuple(sorted(set(named)))
    if not before and not leave:
        return Outcome.OK, before
    serves = set(before or _all_his(tenants, known)).union(join).difference(leave)
    if not serves:
        return Outcome.QUEUES_INVALID, before
    return Outcome.OK, tuple(sorted(serves)) if serves != set(before) else before


def still_there(chosen: tuple[str, ...], tenants: tuple[str, ...], known: Queues) -> tuple[str, ...]:
    """What is left of the queues that an agent named under another configuration. With nothing left he serves all his."""
    return tuple(path for path in chosen if _his(path, tenants, known) is Outcome.OK)


def _his(path: str, tenants: tuple[str, ...], known: Queues) -> Outcome:
    tenant, _, queue = path.partition("/")
    if tenants and tenant not in tenants:
        return Outcome.QUEUE_NOT_SERVED  # whether there is such a queue is no business of those who ask for him
    return Outcome.OK if (tenant, queue) in known else Outcome.QUEUE_UNKNOWN


def _all_his(tenants: tuple[str, ...], known: Iterable[tuple[str, str]]) -> list[str]:
    return [f"{tenant}/{queue}" for tenant, queue in known if not tenants or tenant in tenants]
