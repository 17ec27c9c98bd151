"""Who gets which event: the owners of its contact and agent by client name, and subscribers."""

from typing import Protocol

from msgspec import Struct

from acd_core.event_lines import EventLine
from server.router_core import RouterCore


class Subscription(Struct, frozen=True):
    """What a client asked for beyond its own events.

    Attributes:
        topics: first words of the types wanted.
        tenant: only events of this tenant's contacts, and those of no tenant; empty for all.
        since: events up to this number were not asked for.
    """

    topics: frozenset[str]
    tenant: str
    since: int

    def wants(self, event: EventLine) -> bool:
        """Whether an event matches."""
        return event.topic in self.topics and (not self.tenant or not event.tenant or event.tenant == self.tenant)


class Receiver(Protocol):
    """What the router knows of a connection."""

    name: str

    @property
    def subscription(self) -> Subscription | None:
        """What it wants beyond the events of its own contacts and agents."""
        ...

    @property
    def unsent(self) -> int:
        """Bytes of answers and events that are due to it and not written yet."""
        ...

    def deliver(self, event: EventLine) -> None:
        """Take an event. Delivering is in order, and never waits."""
        ...


class Router(RouterCore):
    """Hands events to connections and keeps the latest in a ring.

    Attributes:
        receivers: the connection that speaks for each client name.
        subscribers: those connections that have a subscription.
    """

    __slots__ = ()

    receivers: dict[str, Receiver]
    subscribers: dict[str, Receiver]
