"""How far one connection has followed the events: what it was sent, and what it misses.

As long as a client takes what it is sent, events are handed on as they happen. Where it does not, or comes back with
`resume`, they stay in the ring, and a cursor moves along it as the client takes them; a client that falls behind the
ring has missed events for good, and is cut.
"""

import logging
from collections.abc import Callable
from typing import Protocol

from acd_core.event_lines import EventLine
from acd_protocol.framing import encode
from acd_protocol.messages import Gap
from server.clock import monotonic_ns
from server.router import Subscription
from server.seldom import Seldom
from server.sequencer import LINE_NS, Sequencer
from server.session_core import Cursor

_EVENTS_LOOKED_AT_MAX = 2048
"""A client that catches up looks at so many events of the ring before other work has its turn."""


class Follower(Protocol):
    """The connection."""

    @property
    def due_bytes(self) -> int:
        """Bytes of answers and events that wait for the journal, or for the client to take them."""
        ...

    @property
    def slow(self) -> bool:
        """Whether the client does not take what is sent."""
        ...

    def send(self, data: bytes) -> None:
        """Send `data` when it is durable."""
        ...

    def defer(self) -> None:
        """Go on in a later turn of the loop."""
        ...

    def drop(self) -> None:
        """Cut the connection: the client has missed events for good."""
        ...


class Following(Cursor):
    """See the module.

    Attributes:
        name: of the client; empty before its `hello`.
        subscription: what it wants beyond its own events.
        sees: whether an event may be sent to it at all; None for any.
        cursor: the event that is to be sent next, of those that the ring keeps for the client; 0 if it misses none.
    """

    __slots__ = (
        "_follower",
        "_own_since",
        "_past",
        "_past_end",
        "_seldom",
        "_sequencer",
        "name",
        "sees",
        "subscription",
    )

    def __init__(self, follower: Follower, sequencer: Sequencer, seldom: Seldom) -> None:
        self.name = ""
        self.subscription: Subscription | None = None
        self.sees: Callable[[EventLine], bool] | None = None
        self._follower = follower
        self._sequencer = sequencer
        self._seldom = seldom
        self._own_since = 0
        self._past_end = 0
        self._past: Subscription | None = None

    def begin(self, name: str, resume: int | None) -> None:
        """The client has said `hello`; with `resume`, it misses what concerns it since that event."""
        self.name = name
        self._own_since = self._sequencer.machine.seq
        if resume is not None:
            self._own_since = resume
            self._sequencer.counters.resumed += 1
            self._follow_from(resume)

    def subscribe(self, subscription: Subscription) -> None:
        """Send what `subscription` wants from here on, and what it wants of the past."""
        self._past = self.subscription
        self.subscription = subscription
        if subscription.since != self._sequencer.machine.seq:
            self._follow_from(subscription.since)

    def _follow_from(self, seq: int) -> None:
        """Take the events after `seq` out of the ring, before later ones."""
        ring = self._sequencer.router.ring
        if seq + 1 < ring.first_seq or seq > ring.last_seq:
            self._sequencer.counters.gaps += 1
            if seq > ring.last_seq:
                self._follower.send(encode(Gap(first_seq=ring.last_seq + 1)))
                self._sequencer.counters.ahead += 1
                self._seldom.note(
                    logging.ERROR,
                    "a client has seen events that this journal does not hold: the journal was replaced, or lost its end",
                    client=self.name,
                    client_seq=seq,
                    journal_seq=ring.last_seq,
                )
                return
            self._follower.send(encode(Gap(first_seq=ring.first_seq)))
            seq = ring.first_seq - 1
        self._past_end = ring.last_seq
        self.cursor = seq + 1
        self.catch_up()

    def catch_up(self) -> None:
        """Send the next page of missed events, which counts like lines dealt with: many may catch up together."""
        started_ns = monotonic_ns()
        self._send_page()
        self._sequencer.budget -= (monotonic_ns() - started_ns) // LINE_NS

    def _send_page(self) -> None:
        """Send some of the missed events; when there are no more, events come as they happen."""
        ring = self._sequencer.router.ring
        if self.cursor < ring.first_seq:
            self._follower.drop()
            return
        page_bytes = self._sequencer.limits.page_bytes
        turn_end = self.cursor + _EVENTS_LOOKED_AT_MAX
        while self.cursor <= ring.last_seq:
            if self._follower.due_bytes > page_bytes:
                return
            if self.cursor == turn_end:
                self._follower.defer()
                return
            event = ring[self.cursor]
            if self._misses(event):
                self._sequencer.counters.events_sent += 1
                self._follower.send(event.line)
            self.cursor += 1
        self.cursor = 0
        self._past = None

    def _misses(self, event: EventLine) -> bool:
        """Whether an event is for this client and was not sent on this connection."""
        if self.sees is not None and not self.sees(event):
            return False
        seq = event.seq
        own = self.name in {event.contact_client, event.agent_client}
        wanted = self.subscription is not None and self.subscription.since < seq and self.subscription.wants(event)
        if seq > self._past_end:
            return own or wanted
        if self.subscription is None:
            return own
        had = (own and seq > self._own_since) or (
            self._past is not None and seq > self._past.since and self._past.wants(event)
        )
        return wanted and not had

    def take(self, event: EventLine) -> None:
        """Hand on an event, now or when the client can take it."""
        if self.cursor:
            if self.cursor < self._sequencer.router.ring.first_seq:
                self._follower.drop()
            return
        if self.sees is not None and not self.sees(event):
            return
        if self._follower.slow or self._follower.due_bytes > self._sequencer.limits.unsent_bytes_max:
            # The ring keeps it for now, so that this connection needs no more memory.
            self._past_end = event.seq - 1
            self.cursor = event.seq
            return
        self._sequencer.counters.events_sent += 1
        self._follower.send(event.line)
