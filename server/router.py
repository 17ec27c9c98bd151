"""Who gets which event: the owners of its contact and agent by client name, and subscribers."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from acd_core.events import EVENT_TYPES, Addressed, Event
from acd_protocol.framing import encode
from server.counters import Counters
from server.ring import Entry, EventRing

_TOPICS: dict[type[Event], str] = {kind: str(kind.__struct_config__.tag).partition(".")[0] for kind in EVENT_TYPES}

_WITH_TENANT = frozenset(kind for kind in EVENT_TYPES if "tenant" in kind.__struct_fields__)
_WITH_AGENT = frozenset(kind for kind in EVENT_TYPES if "agent" in kind.__struct_fields__)


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

    def wants(self, entry: Entry) -> bool:
        """Whether an event matches."""
        return entry.topic in self.topics and (not self.tenant or not entry.tenant or entry.tenant == self.tenant)


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

    def deliver(self, seq: int, entry: Entry) -> None:
        """Take the event `seq`. Delivering is in order, and never waits."""
        ...


class Router:
    """Hands events to connections and keeps the latest in a ring.

    Attributes:
        receivers: the connection that speaks for each client name.
        subscribers: those connections that have a subscription.
    """

    def __init__(self, ring: EventRing, counters: Counters) -> None:
        self.ring = ring
        self.receivers: dict[str, Receiver] = {}
        self.subscribers: dict[str, Receiver] = {}
        self._counters = counters

    def remember(self, addressed: Addressed) -> Entry:
        """Put an event into the ring; gives its entry."""
        event, contact_client, agent_client = addressed
        kind = type(event)
        tenant = event.tenant if kind in _WITH_TENANT else ""  # type: ignore[attr-defined]
        agent = event.agent if kind in _WITH_AGENT else ""  # type: ignore[attr-defined]
        entry = Entry(encode(event), contact_client, agent_client, _TOPICS[kind], tenant, agent)
        self.ring.append(event.seq, entry)
        return entry

    def route(self, events: Sequence[Addressed]) -> None:
        """Hand events out, in their order."""
        self._counters.events += len(events)
        receivers = self.receivers
        for addressed in events:
            event, contact_client, agent_client = addressed
            entry = self.remember(addressed)
            seq = event.seq
            receiver = receivers.get(contact_client)
            if receiver is not None:
                receiver.deliver(seq, entry)
            if agent_client != contact_client:
                receiver = receivers.get(agent_client)
                if receiver is not None:
                    receiver.deliver(seq, entry)
            if self.subscribers:
                for name, receiver in self.subscribers.items():
                    if (
                        name not in {contact_client, agent_client}
                        and receiver.subscription is not None
                        and receiver.subscription.wants(entry)
                    ):
                        receiver.deliver(seq, entry)
