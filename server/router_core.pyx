# cython: auto_pickle=False, autotestdict=False
"""The hot part of `server.router`: what happens to each event."""

from acd_core.event_lines cimport EventLine
from server.counters cimport Counters
from server.outlet cimport Outlet
from server.ring cimport EventRing


cdef class RouterCore:
    """See `server.router.Router`."""

    def __init__(self, EventRing ring not None, Counters counters not None):
        self.ring = ring
        self.receivers = {}
        self.subscribers = {}
        self._counters = counters

    cpdef EventLine remember(self, EventLine event):
        """Put an event into the ring; gives it."""
        self.ring.keep(event)
        return event

    cpdef object route(self, list events):
        """Hand events out, in their order."""
        cdef EventLine event
        self._counters.events += len(events)
        for taken in events:
            event = self.remember(taken)
            _hand(self.receivers.get(event.contact_client), event)
            if event.agent_client != event.contact_client:
                _hand(self.receivers.get(event.agent_client), event)
            if self.subscribers:
                self._tell_subscribers(event)

    def _tell_subscribers(self, EventLine event):
        for name, receiver in self.subscribers.items():
            if name != event.contact_client and name != event.agent_client:
                if receiver.subscription is not None and receiver.subscription.wants(event):
                    receiver.deliver(event)


cdef inline int _hand(object receiver, EventLine event) except -1:
    if receiver is None:
        return 0
    if isinstance(receiver, Outlet):
        (<Outlet>receiver).deliver(event)
    else:
        receiver.deliver(event)
    return 0
