# cython: auto_pickle=False, autotestdict=False
"""The hot part of `server.router`: what happens to each event."""

from libc.stdint cimport int64_t

from acd_core.event_lines cimport EventLine, LineTaker, event_line, hand_over
from acd_core.json_text cimport JsonText
from acd_core.state cimport State
from server.counters cimport Counters
from server.outlet cimport Outlet
from server.ring cimport EventRing


cdef class RouterCore(LineTaker):
    """See `server.router.Router`."""

    def __init__(self, EventRing ring not None, Counters counters not None):
        self.ring = ring
        self.receivers = {}
        self.subscribers = {}
        self._counters = counters
        self._line = JsonText()

    def remember(self, EventLine event):
        """Put an event into the ring."""
        self.ring.append(event)

    cpdef object hand_out(self, object machine):
        """Take the events that a machine gave, remember them, and hand them out, in their order."""
        if isinstance(machine, State):
            self._client = None
            self._counters.events += hand_over(<State>machine, self._line, self)
        else:
            self.route(machine.take_lines())

    def route(self, list events):
        """Remember events, and hand them out, in their order."""
        cdef EventLine event
        self._client = None
        self._counters.events += len(events)
        for taken in events:
            event = taken
            self.take_line(
                event.seq, event.line, len(event.line), event.contact_client, event.agent_client, event.topic,
                event.tenant, event.agent,
            )

    cdef int take_line(
        self, int64_t seq, const char *line, Py_ssize_t length, str contact_client, str agent_client, str topic,
        str tenant, str agent,
    ) except -1:
        """An event happened."""
        cdef EventLine event = None
        self.ring.keep(seq, line, length, contact_client, agent_client, topic, tenant, agent)
        receiver = self._receiver_of(contact_client)
        if receiver is not None and not _hand_line(receiver, line, length, tenant, agent):
            event = event_line(seq, line, length, contact_client, agent_client, topic, tenant, agent)
            receiver.deliver(event)
        if agent_client != contact_client:
            receiver = self._receiver_of(agent_client)
            if receiver is not None and not _hand_line(receiver, line, length, tenant, agent):
                if event is None:
                    event = event_line(seq, line, length, contact_client, agent_client, topic, tenant, agent)
                receiver.deliver(event)
        if self.subscribers:
            if event is None:
                event = event_line(seq, line, length, contact_client, agent_client, topic, tenant, agent)
            self._tell_subscribers(event)
        return 0

    cdef object _receiver_of(self, str client):
        """The connection that speaks for a client; None for none."""
        if client is not self._client:
            self._receiver = self.receivers.get(client) if client else None
            self._client = client
        return self._receiver

    def _tell_subscribers(self, EventLine event):
        for name, receiver in self.subscribers.items():
            if name != event.contact_client and name != event.agent_client:
                if receiver.subscription is not None and receiver.subscription.wants(event):
                    receiver.deliver(event)


cdef inline bint _hand_line(
    object receiver, const char *line, Py_ssize_t length, str tenant, str agent
) except -1:
    return isinstance(receiver, Outlet) and (<Outlet>receiver).deliver_line(line, length, tenant, agent)
