"""What a tenant's administrator applies, put into the whole configuration: his part is replaced, the rest stays."""

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import msgspec
from msgspec.structs import fields, replace

from acd_core import Config
from server.access.walls import Reach, own_part

_OF_TENANTS = ("tenants", "queues", "agents")
T = TypeVar("T")


class NotYours(Exception):  # noqa: N818 - says what is the matter
    """The configuration holds what is not behind the wall. `str()` names it."""


def merged(current: Config, proposed: Config, reach: Reach) -> Config:
    """`current` with the own part as `proposed`. Raises `NotYours`."""
    _check(current, proposed, reach)
    own = own_part(current, reach)
    return replace(
        current,
        tenants=_in_place(current.tenants, own.tenants, proposed.tenants),
        queues=_in_place(current.queues, own.queues, proposed.queues),
        agents=_in_place(current.agents, own.agents, proposed.agents),
    )


def _check(current: Config, proposed: Config, reach: Reach) -> None:
    tenants = reach.identity.tenants
    for field in fields(Config):
        if field.name not in _OF_TENANTS:
            value = getattr(proposed, field.name)
            if value not in (getattr(current, field.name), getattr(Config(), field.name)):
                raise NotYours(f"'{field.name}' is the operator's: leave it out")
    for tenant in proposed.tenants:
        if tenant.name not in tenants:
            raise NotYours(f"tenant {tenant.name} is not yours")
    for queue in proposed.queues:
        if queue.tenant not in tenants:
            raise NotYours(f"queue {queue.tenant}/{queue.name} is not yours")
    others = {row.agent for row in current.agents} - {row.agent for row in own_part(current, reach).agents}
    for agent in proposed.agents:
        if agent.agent in others:
            raise NotYours(f"agent {agent.agent} is not yours, or serves others too")
        if not agent.tenants or not tenants.issuperset(agent.tenants):
            raise NotYours(f"agent {agent.agent} must serve tenants of yours and no others: name them in 'tenants'")
    foreign = {f"{row.tenant}/{row.name}" for row in current.queues if row.tenant not in tenants}
    named = [(f"queue {row.tenant}/{row.name}", msgspec.to_builtins(row)) for row in proposed.queues]
    named += [(f"agent {row.agent}", msgspec.to_builtins(row)) for row in proposed.agents]
    for what, fields_of_it in named:
        for text in _texts(fields_of_it):
            if text in foreign:
                raise NotYours(f"{what} names the queue {text}, which is not yours")


def _in_place(rows: tuple[T, ...], own: tuple[T, ...], new: tuple[T, ...]) -> tuple[T, ...]:
    """`rows` with `new` where the first of `own` stands, and without `own`."""
    mine = {id(row) for row in own}
    first = next((index for index, row in enumerate(rows) if id(row) in mine), len(rows))
    kept = [[row for row in part if id(row) not in mine] for part in (rows[:first], rows[first:])]
    return (*kept[0], *new, *kept[1])


def _texts(value: Any) -> Iterator[str]:
    """Every text in a value, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _texts_of(value.keys())
        yield from _texts_of(value.values())
    elif isinstance(value, Iterable):
        yield from _texts_of(value)


def _texts_of(values: Iterable[Any]) -> Iterator[str]:
    for value in values:
        yield from _texts(value)
