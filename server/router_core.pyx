# cython: auto_pickle=False, autotestdict=False
"""The hot part of `server.router`: what happens to each event."""

cimport cython
from cpython.ref cimport PyObject
from cpython.unicode cimport PyUnicode_GET_LENGTH

from acd_core.event_lines cimport EventLine, LineTaker, Told, event_line, hand_over, told_of
from acd_core.json_text cimport JsonText
from acd_core.state cimport State
from server.counters cimport Counters
from server.outlet cimport Outlet
from server.ring cimport EventRing


cdef inline PyObject *sole_client(Told *told) noexcept:
    """The name of the one client that owns contact and agent, empty for none; NULL if that takes a closer look."""
    if told.contact_client == told.agent_client or not PyUnicode_GET_LENGTH(<str>told.agent_client):
        return told.contact_client
    return NULL if PyUnicode_GET_LENGTH(<str>told.contact_client) else told.agent_client


@cython.final
cdef class Way:
    """The connection that speaks for a client, which is looked up once for events in a row.

    Attributes:
        client: whose it is; None before any was looked up.
        receiver: None for none.
        outlet: the same, where it takes lines.
    """


cdef class RouterCore(LineTaker):
    """See `server.router.Router`."""

    def __init__(self, EventRing ring not None, Counters counters not None):
        self.ring = ring
        self.receivers = {}
        self.subscribers = {}
        self._counters = counters
        self._line = JsonText()
        self._of_contact = Way()
        self._of_agent = Way()

    def remember(self, EventLine event):
        """Put an event into the ring."""
        self.ring.append(event)

    cpdef object hand_out(self, object machine):
        """Take the events that a machine gave, remember them, and hand them out, in their order."""
        if isinstance(machine, State):
            self._begin()
            self._counters.events += hand_over(<State>machine, self._line, self)
        else:
            self.route(machine.take_lines())

    def route(self, list events):
        """Remember events, and hand them out, in their order."""
        cdef EventLine event
        cdef Told told
        self._begin()
        self._counters.events += len(events)
        for taken in events:
            event = taken
            told = told_of(event)
            self.take_lines(&told, 1)

    cdef int _begin(self) except -1:
        """Connections may have come and gone."""
        self._of_contact.client = None
        self._of_agent.client = None
        return 0

    cdef int take_lines(self, Told *told, Py_ssize_t count) except -1:
        """Events happened. Those in a row that concern the same client alone are handed to it together."""
        cdef Py_ssize_t place = 0, first
        cdef PyObject *client
        self.ring.keep(told, count)
        while place < count:
            first = place
            place += 1
            client = sole_client(&told[first])
            if client == NULL or self.subscribers:
                self._hand(&told[first])
                continue
            while place < count and sole_client(&told[place]) == client:
                place += 1
            if PyUnicode_GET_LENGTH(<str>client):
                self._hand_all(&told[first], place - first, client)
        return 0

    cdef int _hand_all(self, Told *told, Py_ssize_t count, PyObject *client) except -1:
        """Hand out events that concern this client alone."""
        cdef Py_ssize_t place
        if client != <PyObject *>self._of_contact.client:
            self._turn(self._of_contact, <str>client)
        if self._of_contact.outlet is None or not self._of_contact.outlet.deliver_lines(told, count):
            for place in range(count):
                self._hand(&told[place])
        return 0

    cdef int _hand(self, Told *told) except -1:
        """Hand out an event."""
        cdef EventLine event = None
        cdef PyObject *contact = told.contact_client
        cdef PyObject *agent = told.agent_client
        if PyUnicode_GET_LENGTH(<str>contact):
            if contact != <PyObject *>self._of_contact.client:
                self._turn(self._of_contact, <str>contact)
            if self._of_contact.outlet is None or not self._of_contact.outlet.deliver_lines(told, 1):
                event = self._deliver(self._of_contact, told, event)
        if agent != contact and PyUnicode_GET_LENGTH(<str>agent):
            if not PyUnicode_GET_LENGTH(<str>contact) or <str>agent != <str>contact:
                if agent != <PyObject *>self._of_agent.client:
                    self._turn(self._of_agent, <str>agent)
                if self._of_agent.outlet is None or not self._of_agent.outlet.deliver_lines(told, 1):
                    event = self._deliver(self._of_agent, told, event)
        if self.subscribers:
            self._tell_subscribers(event_line(told) if event is None else event)
        return 0

    cdef int _turn(self, Way way, str client) except -1:
        """A way leads to this client from here on."""
        way.client = client
        way.receiver = self.receivers.get(client)
        way.outlet = way.receiver if isinstance(way.receiver, Outlet) else None
        return 0

    cdef EventLine _deliver(self, Way way, Told *told, EventLine event):
        """Deliver an event that could not be handed out as a line, if anybody is there; gives it if it was made."""
        if way.receiver is not None:
            if event is None:
                event = event_line(told)
            way.receiver.deliver(event)
        return event

    def _tell_subscribers(self, EventLine event):
        for name, receiver in self.subscribers.items():
            if name != event.contact_client and name != event.agent_client:
                if receiver.subscription is not None and receiver.subscription.wants(event):
                    receiver.deliver(event)
