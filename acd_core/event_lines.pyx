# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""Events as they go out: one line of JSON each, with what decides who gets it.

The events of a plain call are written straight from the engine's records, without a Python object for the event; all
others are made into events, which msgspec encodes. Both give the same bytes: tests/test_event_lines.py compares them over
everything that happens in random traffic.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int64_t

from acd_core.json_text cimport JsonText
from acd_core.state cimport (
    AGENT_CHANGED, CONTACT_CONNECTED_EVENT, CONTACT_ENDED, CONTACT_OFFERED_EVENT, CONTACT_QUEUED_EVENT,
    CONTACT_WRAPUP_EVENT, OFFER_ENDED, Record, State,
)
from acd_core.types cimport NONE

import msgspec

from acd_core import events, views

cdef object encode = msgspec.json.Encoder().encode
cdef dict TOPICS = {kind: str(kind.__struct_config__.tag).partition(".")[0] for kind in events.EVENT_TYPES}
cdef frozenset WITH_TENANT = frozenset(kind for kind in events.EVENT_TYPES if "tenant" in kind.__struct_fields__)
cdef frozenset WITH_AGENT = frozenset(kind for kind in events.EVENT_TYPES if "agent" in kind.__struct_fields__)

cdef list STATES = [encode(name) for name in views.AGENT_STATES]
cdef list REASONS = [encode(name) for name in views.END_REASONS]
cdef list OUTCOMES = [encode(name) for name in events.OFFER_OUTCOMES]


@cython.final
@cython.freelist(1024)
cdef class EventLine:
    """An event as it is sent, and what decides who gets it; it never changes.

    Attributes:
        seq: its number.
        line: the encoded event, with its newline.
        contact_client, agent_client: names of the clients that own the contact and the agent; empty for none.
        topic: first word of its type.
        tenant: whose contact it concerns; empty for none.
        agent: whom it concerns; empty for none.
    """

    def __init__(
        self, int64_t seq, bytes line not None, str contact_client not None, str agent_client not None,
        str topic not None, str tenant not None, str agent not None,
    ):
        self.seq = seq
        self.line = line
        self.contact_client = contact_client
        self.agent_client = agent_client
        self.topic = topic
        self.tenant = tenant
        self.agent = agent

    @staticmethod
    cdef list of_records(State state):
        """The lines of the events since they were last taken; the records are not needed any more."""
        cdef _EventLines taker = _EventLines()
        cdef JsonText out = JsonText()
        taker.lines = []
        hand_over(state, out, taker)
        return taker.lines


cdef class LineTaker:
    """Takes events as they are written, one by one, without an object for each."""

    cdef int take_line(
        self, int64_t seq, const char *line, Py_ssize_t length, str contact_client, str agent_client, str topic,
        str tenant, str agent,
    ) except -1:
        """Take an event, as `EventLine` has it; `line` is there only until this returns."""
        raise NotImplementedError


@cython.final
cdef class _EventLines(LineTaker):
    """Makes an object for each all the same."""

    cdef list lines

    cdef int take_line(
        self, int64_t seq, const char *line, Py_ssize_t length, str contact_client, str agent_client, str topic,
        str tenant, str agent,
    ) except -1:
        self.lines.append(event_line(seq, line, length, contact_client, agent_client, topic, tenant, agent))
        return 0


cdef EventLine event_line(
    int64_t seq, const char *line, Py_ssize_t length, str contact_client, str agent_client, str topic, str tenant,
    str agent,
):
    """The object of an event that was written."""
    cdef EventLine made = EventLine.__new__(EventLine)
    made.seq = seq
    made.line = PyBytes_FromStringAndSize(line, length)
    made.contact_client = contact_client
    made.agent_client = agent_client
    made.topic = topic
    made.tenant = tenant
    made.agent = agent
    return made


cdef int64_t hand_over(State state, JsonText out, LineTaker taker) except -1:
    """Hand over the events since they were last taken, which the state forgets; gives how many.

    Args:
        out: a buffer, which what is in it is thrown away from.
    """
    cdef list materialised = state.materialised
    cdef int64_t index, count = state.record_count + len(materialised)
    cdef EventLine event
    if materialised:
        state.materialised = []
        for addressed in materialised:
            event = line_of(addressed)
            _hand_object(taker, event)
    for index in range(state.record_count):
        _hand_record(state, &state.records[index], out, taker)
    state._forget_records()
    return count


cdef int _hand_object(LineTaker taker, EventLine event) except -1:
    return taker.take_line(
        event.seq, PyBytes_AS_STRING(event.line), PyBytes_GET_SIZE(event.line), event.contact_client,
        event.agent_client, event.topic, event.tenant, event.agent,
    )


cdef int _hand_record(State state, Record *record, JsonText out, LineTaker taker) except -1:
    cdef str contact_client = state.contact_clients[record.contact] if record.contact != NONE else ""
    cdef str agent_client = <str>record.agent_client if record.agent_client != NULL else ""
    cdef int kind = record.kind
    out.length = 0
    if not _write(out, state, record):
        return _hand_object(taker, line_of((state._event(record), contact_client, agent_client)))
    return taker.take_line(
        record.seq, out.start, out.length, contact_client, agent_client,
        "agent" if kind == AGENT_CHANGED else "offer" if kind == OFFER_ENDED else "contact",
        state.queue_tenants[record.queue] if record.queue != NONE else "",
        state._agent_name(record.agent) if kind != CONTACT_QUEUED_EVENT else "",
    )


def line_of(addressed):
    """The line of an event that is a Python object."""
    event, contact_client, agent_client = addressed
    kind = type(event)
    return EventLine(
        event.seq, encode(event) + b"\n", contact_client, agent_client, TOPICS[kind],
        event.tenant if kind in WITH_TENANT else "", event.agent if kind in WITH_AGENT else "",
    )


cdef int _contact_at(JsonText out, State state, Record *record) except -1:
    """The fields contact, tenant and queue, from `contact` on."""
    out.string(state.contact_ids[record.contact])
    out.say(b",")
    return out.add_bytes(state.queue_json[record.queue])


cdef int _agent(JsonText out, State state, Record *record) except -1:
    if record.agent == NONE:
        return out.say(b',"agent":""')
    out.say(b",")
    return out.add_bytes(state.agent_json[record.agent])


cdef inline int _begin(JsonText out, const char *head, Record *record) except -1:
    out.say(head)
    out.number(record.seq)
    out.say(b',"at":')
    return out.again(record.at)


cdef inline int _time(JsonText out, const char *name, int64_t ns) except -1:
    out.say(name)
    return out.seconds(ns)


cdef inline int _begin_of_both(JsonText out, const char *head, State state, Record *record) except -1:
    """What an event on a contact and its agent begins with."""
    _begin(out, head, record)
    out.say(b',"contact":')
    _contact_at(out, state, record)
    return _agent(out, state, record)


cdef int _offer_and_contact(JsonText out, State state, Record *record) except -1:
    out.say(b',"offer":"o-')
    out.number(record.offer)
    out.say(b'","contact":')
    _contact_at(out, state, record)
    return _agent(out, state, record)


cdef int _queued(JsonText out, State state, Record *record) except -1:
    _begin(out, b'{"type":"contact.queued","seq":', record)
    out.say(b',"contact":')
    _contact_at(out, state, record)
    out.say(b',"priority":')
    out.number(record.code)
    out.say(b',"position":')
    out.number(record.a)
    if record.flag:
        out.say(b',"wait_estimate":{"p50":')
        out.number((record.b + 500) // 1000)
        out.say(b',"p90":')
        out.number((record.c + 500) // 1000)
        out.say(b"}")
    if record.offer:
        out.say(b',"callback_offered":true')
    if record.d >= 500_000:
        _time(out, b',"credit":', record.d)
    return 0


cdef int _offered(JsonText out, State state, Record *record) except -1:
    cdef object attributes = <object>record.data, number = "", consults = ""
    if record.flag:
        attributes, number, consults = <tuple>record.data
    _begin(out, b'{"type":"contact.offered","seq":', record)
    _offer_and_contact(out, state, record)
    out.say(b',"address":')
    out.string(<str>record.text)
    _time(out, b',"expires_in":', record.a)
    _time(out, b',"wait":', record.b)
    if attributes:
        out.say(b',"attributes":')
        out.add_bytes(encode(attributes))
    else:
        out.say(b',"attributes":{}')
    if record.history != NULL and <object>record.history:
        out.say(b',"history":')
        out.add_bytes(encode(<object>record.history))
    if number:
        out.say(b',"callback":')
        out.string(number)
    if consults:
        out.say(b',"consults":')
        out.string(consults)
    return 0


cdef int _offer_ended(JsonText out, State state, Record *record) except -1:
    _begin(out, b'{"type":"offer.ended","seq":', record)
    _offer_and_contact(out, state, record)
    out.say(b',"outcome":')
    out.add_bytes(OUTCOMES[record.code])
    out.say(b',"cause":')
    return out.string(<str>record.text)


cdef int _connected(JsonText out, State state, Record *record) except -1:
    _begin_of_both(out, b'{"type":"contact.connected","seq":', state, record)
    out.say(b',"offer":"o-')
    out.number(record.offer)
    out.say(b'"')
    return _time(out, b',"wait":', record.a)


cdef int _wrapup(JsonText out, State state, Record *record) except -1:
    _begin_of_both(out, b'{"type":"contact.wrapup","seq":', state, record)
    out.say(b',"reason":')
    out.add_bytes(REASONS[record.code])
    _time(out, b',"talk":', record.a)
    _time(out, b',"expires_in":', record.b)
    if record.flag:
        out.say(b',"disposition_required":true')
    return 0


cdef int _ended(JsonText out, State state, Record *record) except -1:
    _begin_of_both(out, b'{"type":"contact.ended","seq":', state, record)
    out.say(b',"reason":')
    out.add_bytes(REASONS[record.code])
    _time(out, b',"wait":', record.a)
    _time(out, b',"talk":', record.b)
    if record.data != NULL and <object>record.data:
        out.say(b',"disposition":')
        out.string(<str>record.data)
    return 0


cdef int _agent_changed(JsonText out, State state, Record *record) except -1:
    _begin(out, b'{"type":"agent.changed","seq":', record)
    _agent(out, state, record)
    out.say(b',"state":')
    out.add_bytes(STATES[record.code])
    if record.text != NULL:
        out.say(b',"reason":')
        out.string(<str>record.text)
    if record.a != NONE:
        _time(out, b',"expires_in":', record.a)
    if record.flag:
        out.say(b',"logging_out":true')
    return 0


cdef bint _write(JsonText out, State state, Record *record) except -1:
    """Write an event, with its newline; False for one that is made into an object first."""
    cdef int kind = record.kind
    if kind == AGENT_CHANGED:
        _agent_changed(out, state, record)
    elif record.contact == NONE:
        return False
    elif kind == CONTACT_QUEUED_EVENT:
        _queued(out, state, record)
    elif kind == CONTACT_OFFERED_EVENT:
        _offered(out, state, record)
    elif kind == CONTACT_CONNECTED_EVENT:
        _connected(out, state, record)
    elif kind == CONTACT_WRAPUP_EVENT:
        _wrapup(out, state, record)
    elif kind == CONTACT_ENDED:
        _ended(out, state, record)
    elif kind == OFFER_ENDED:
        _offer_ended(out, state, record)
    else:
        return False
    out.say(b"}\n")
    return True
