# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""Events as they go out: one line of JSON each, with what decides who gets it.

The events of a plain call are written straight from the engine's records, without a Python object for the event; all
others are made into events, which msgspec encodes. Both give the same bytes: tests/test_event_lines.py compares them over
everything that happens in random traffic.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_Next
from cpython.ref cimport PyObject
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memcpy

from acd_core.ids cimport Ids
from acd_core.json_text cimport JsonText, copy, put, put_number
from acd_core.state cimport (
    AGENT_CHANGED, CONTACT_CONNECTED_EVENT, CONTACT_ENDED, CONTACT_OFFERED_EVENT, CONTACT_QUEUED_EVENT,
    CONTACT_WRAPUP_EVENT, OFFER_ENDED, Record, State,
)
from acd_core.types cimport NONE

import msgspec

from acd_core import events, views

cdef extern from "Python.h":
    PyObject *item "PyList_GET_ITEM"(PyObject *items, Py_ssize_t index)  # without a reference to the list

cdef object encode = msgspec.json.Encoder().encode
cdef dict TOPICS = {kind: str(kind.__struct_config__.tag).partition(".")[0] for kind in events.EVENT_TYPES}
cdef frozenset WITH_TENANT = frozenset(kind for kind in events.EVENT_TYPES if "tenant" in kind.__struct_fields__)
cdef frozenset WITH_AGENT = frozenset(kind for kind in events.EVENT_TYPES if "agent" in kind.__struct_fields__)

cdef enum:
    STAMP_MAX = 48

# Number and time of the event that was written last: the next one has the next number, and mostly the same time.
cdef struct Stamp:
    int64_t seq
    int64_t at
    char *last  # digit of the number
    Py_ssize_t length
    char text[STAMP_MAX]

cdef Stamp stamp
stamp.seq = -2
stamp.at = -1
stamp.last = stamp.text

cdef enum:
    FIELDS_MAX = 120

# Fields as they were written last while events are handed over: several in a row are about the same contact and agent.
cdef struct Fields:
    PyObject *state  # whose
    int32_t row  # of whom; NONE for nobody
    int32_t queue
    Py_ssize_t length
    char text[FIELDS_MAX]

cdef Fields of_agent
cdef Fields of_contact

cdef str NOBODY = ""
cdef str AGENT = "agent"
cdef str OFFER = "offer"
cdef str CONTACT = "contact"
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

    cdef int take_line(self, Told *told) except -1:
        """Take an event."""
        raise NotImplementedError


@cython.final
cdef class _EventLines(LineTaker):
    """Makes an object for each all the same."""

    cdef list lines

    cdef int take_line(self, Told *told) except -1:
        self.lines.append(event_line(told))
        return 0


cdef EventLine event_line(Told *told):
    """The object of an event that was told."""
    cdef EventLine made = EventLine.__new__(EventLine)
    made.seq = told.seq
    made.line = PyBytes_FromStringAndSize(told.line, told.length)
    made.contact_client = <str>told.contact_client
    made.agent_client = <str>told.agent_client
    made.topic = <str>told.topic
    made.tenant = <str>told.tenant
    made.agent = <str>told.agent
    return made


cdef Told told_of(EventLine event) noexcept:
    """The same, of an object that outlives it."""
    cdef Told told
    told.seq = event.seq
    told.line = PyBytes_AS_STRING(event.line)
    told.length = PyBytes_GET_SIZE(event.line)
    told.contact_client = <PyObject *>event.contact_client
    told.agent_client = <PyObject *>event.agent_client
    told.topic = <PyObject *>event.topic
    told.tenant = <PyObject *>event.tenant
    told.agent = <PyObject *>event.agent
    return told


cdef int64_t hand_over(State state, JsonText out, LineTaker taker) except -1:
    """Hand over the events since they were last taken, which the state forgets; gives how many.

    Args:
        out: a buffer, which what is in it is thrown away from.
    """
    cdef list materialised = state.materialised
    cdef int64_t index, count = state.record_count + len(materialised)
    cdef EventLine event
    cdef Told told
    if materialised:
        state.materialised = []
        for addressed in materialised:
            event = line_of(addressed)
            told = told_of(event)
            taker.take_line(&told)
    of_contact.row = NONE
    of_agent.row = NONE
    for index in range(state.record_count):
        _hand_record(state, &state.records[index], out, taker)
    state._forget_records()
    return count


cdef int _hand_record(State state, Record *record, JsonText out, LineTaker taker) except -1:
    cdef EventLine event
    cdef Told told
    cdef int kind = record.kind
    out.length = 0
    told.contact_client = told.agent_client = told.tenant = told.agent = <PyObject *>NOBODY
    if record.contact != NONE:
        told.contact_client = item(<PyObject *>state.announcers.names, state.tables.contacts[record.contact].client)
    if record.agent_client != NULL:
        told.agent_client = record.agent_client
    if _write(out, state, record):
        told.seq = record.seq
        told.line = out.start
        told.length = out.length
        told.topic = <PyObject *>CONTACT
        if kind == AGENT_CHANGED:
            told.topic = <PyObject *>AGENT
        elif kind == OFFER_ENDED:
            told.topic = <PyObject *>OFFER
        if record.queue != NONE:
            told.tenant = item(<PyObject *>state.queue_tenants, record.queue)
        if record.agent != NONE and kind != CONTACT_QUEUED_EVENT:
            told.agent = item(<PyObject *>state.agent_names, record.agent)
    else:
        event = line_of((state._event(record), <object>told.contact_client, <object>told.agent_client))
        told = told_of(event)
    return taker.take_line(&told)


def line_of(addressed):
    """The line of an event that is a Python object."""
    event, contact_client, agent_client = addressed
    kind = type(event)
    return EventLine(
        event.seq, encode(event) + b"\n", contact_client, agent_client, TOPICS[kind],
        event.tenant if kind in WITH_TENANT else "", event.agent if kind in WITH_AGENT else "",
    )


# What follows writes at a place of `out` and gives the place behind; see `JsonText`.


cdef inline char *_begin(char *at, Record *record) noexcept:
    """Number and time, which follow the type in each event."""
    cdef char *end
    if record.seq == stamp.seq + 1 and stamp.last[0] != c"9" and record.at == stamp.at:
        stamp.last[0] += 1
    else:
        end = put_number(stamp.text, record.seq)
        if record.at != stamp.at or end != stamp.last + 1:
            stamp.length = put_number(put(end, b',"at":'), record.at) - stamp.text
            stamp.at = record.at
            stamp.last = end - 1
    stamp.seq = record.seq
    return copy(at, stamp.text, stamp.length)


cdef inline void _note(Fields *fields, State state, int32_t row, int32_t queue, const char *text, Py_ssize_t length) noexcept:
    """Keep fields that were written, if they are as short as most."""
    if length <= FIELDS_MAX:
        memcpy(fields.text, text, length)
        fields.length = length
        fields.state = <PyObject *>state
        fields.row = row
        fields.queue = queue


cdef inline char *_contact(JsonText out, char *at, State state, Record *record) except NULL:
    """The fields contact, tenant and queue."""
    if record.contact == of_contact.row and record.queue == of_contact.queue and <PyObject *>state == of_contact.state:
        return copy(out.on(at, of_contact.length), of_contact.text, of_contact.length)
    return _other_contact(out, at, state, record)


cdef char *_other_contact(JsonText out, char *at, State state, Record *record) except NULL:
    """The same for another contact than the last."""
    cdef Py_ssize_t before = at - out.start
    cdef Ids ids = state.contact_ids
    at = put(at, b',"contact":')
    if ids.rows[record.contact].plain:
        at = out.plain(at, ids.letters(record.contact), ids.rows[record.contact].size)
    else:
        at = out.string(at, ids.get(record.contact))
    at = out.piece(put(at, b","), <bytes>item(<PyObject *>state.queue_json, record.queue))
    _note(&of_contact, state, record.contact, record.queue, out.start + before, at - out.start - before)
    return at


cdef inline char *_agent(JsonText out, char *at, State state, Record *record) except NULL:
    """The field agent."""
    if record.agent == NONE:
        return put(at, b',"agent":""')
    if record.agent == of_agent.row and <PyObject *>state == of_agent.state:
        return copy(out.on(at, of_agent.length), of_agent.text, of_agent.length)
    return _other_agent(out, at, state, record)


cdef char *_other_agent(JsonText out, char *at, State state, Record *record) except NULL:
    """The same for another agent than the last."""
    cdef Py_ssize_t before = at - out.start
    at = out.string(put(at, b',"agent":'), <str>item(<PyObject *>state.agent_names, record.agent))
    _note(&of_agent, state, record.agent, NONE, out.start + before, at - out.start - before)
    return at


cdef inline char *_begin_of_both(JsonText out, char *at, State state, Record *record) except NULL:
    """What follows the type in an event on a contact and its agent."""
    return _agent(out, _contact(out, _begin(at, record), state, record), state, record)


cdef inline char *_offer(char *at, Record *record) noexcept:
    at = put_number(put(at, b',"offer":"o-'), record.offer)
    return put(at, b'"')


cdef inline char *_offer_and_contact(JsonText out, char *at, State state, Record *record) except NULL:
    at = _offer(_begin(at, record), record)
    return _agent(out, _contact(out, at, state, record), state, record)


cdef char *_attributes(JsonText out, char *at, dict attributes) except NULL:
    """Attributes: those of texts without a detour."""
    cdef PyObject *name
    cdef PyObject *value
    cdef Py_ssize_t place = 0
    cdef Py_ssize_t before = at - out.start
    at = put(at, b"{")
    while PyDict_Next(attributes, &place, &name, &value):
        if type(<object>name) is not str or type(<object>value) is not str:
            return out.escaped(out.start + before, attributes)
        at = put(out.string(at, <str>name), b":")
        at = put(out.string(at, <str>value), b",")
    at -= 1  # the last comma
    return put(at, b"}")


cdef char *_queued(JsonText out, char *at, State state, Record *record) except NULL:
    at = _begin(put(at, b'{"type":"contact.queued","seq":'), record)
    at = _contact(out, at, state, record)
    at = put_number(put(at, b',"priority":'), record.code)
    at = put_number(put(at, b',"position":'), record.a)
    if record.flag:
        at = put_number(put(at, b',"wait_estimate":{"p50":'), (record.b + 500) // 1000)
        at = put_number(put(at, b',"p90":'), (record.c + 500) // 1000)
        at = put(at, b"}")
    if record.offer:
        at = put(at, b',"callback_offered":true')
    if record.d >= 500_000:
        at = out.seconds(put(at, b',"credit":'), record.d)
    return at


cdef char *_offered(JsonText out, char *at, State state, Record *record) except NULL:
    cdef object attributes = <object>record.data, number = None, consults = None
    if record.flag:
        attributes, number, consults = <tuple>record.data
    at = _offer_and_contact(out, put(at, b'{"type":"contact.offered","seq":'), state, record)
    at = out.string(put(at, b',"address":'), <str>record.text)
    at = out.seconds(put(at, b',"expires_in":'), record.a)
    at = out.seconds(put(at, b',"wait":'), record.b)
    if <dict>attributes:
        at = _attributes(out, put(at, b',"attributes":'), <dict>attributes)
    else:
        at = put(at, b',"attributes":{}')
    if record.history != NULL and <object>record.history:
        at = out.piece(put(at, b',"history":'), encode(<object>record.history))
    if number:
        at = out.string(put(at, b',"callback":'), number)
    if consults:
        at = out.string(put(at, b',"consults":'), consults)
    return at


cdef char *_offer_ended(JsonText out, char *at, State state, Record *record) except NULL:
    at = _offer_and_contact(out, put(at, b'{"type":"offer.ended","seq":'), state, record)
    at = out.piece(put(at, b',"outcome":'), <bytes>item(<PyObject *>OUTCOMES, record.code))
    return out.string(put(at, b',"cause":'), <str>record.text)


cdef char *_connected(JsonText out, char *at, State state, Record *record) except NULL:
    at = _begin_of_both(out, put(at, b'{"type":"contact.connected","seq":'), state, record)
    return out.seconds(put(_offer(at, record), b',"wait":'), record.a)


cdef char *_wrapup(JsonText out, char *at, State state, Record *record) except NULL:
    at = _begin_of_both(out, put(at, b'{"type":"contact.wrapup","seq":'), state, record)
    at = out.piece(put(at, b',"reason":'), <bytes>item(<PyObject *>REASONS, record.code))
    at = out.seconds(put(at, b',"talk":'), record.a)
    at = out.seconds(put(at, b',"expires_in":'), record.b)
    return put(at, b',"disposition_required":true') if record.flag else at


cdef char *_ended(JsonText out, char *at, State state, Record *record) except NULL:
    at = _begin_of_both(out, put(at, b'{"type":"contact.ended","seq":'), state, record)
    at = out.piece(put(at, b',"reason":'), <bytes>item(<PyObject *>REASONS, record.code))
    at = out.seconds(put(at, b',"wait":'), record.a)
    at = out.seconds(put(at, b',"talk":'), record.b)
    if record.data != NULL and <object>record.data:
        at = out.string(put(at, b',"disposition":'), <str>record.data)
    return at


cdef char *_agent_changed(JsonText out, char *at, State state, Record *record) except NULL:
    at = _begin(put(at, b'{"type":"agent.changed","seq":'), record)
    at = _agent(out, at, state, record)
    at = out.piece(put(at, b',"state":'), <bytes>item(<PyObject *>STATES, record.code))
    if record.text != NULL:
        at = out.string(put(at, b',"reason":'), <str>record.text)
    if record.a != NONE:
        at = out.seconds(put(at, b',"expires_in":'), record.a)
    return put(at, b',"logging_out":true') if record.flag else at


cdef bint _write(JsonText out, State state, Record *record) except -1:
    """Write an event, with its newline; False for one that is made into an object first."""
    cdef int kind = record.kind
    cdef char *at = out.begin()
    if kind == AGENT_CHANGED:
        at = _agent_changed(out, at, state, record)
    elif record.contact == NONE:
        return False
    elif kind == CONTACT_QUEUED_EVENT:
        at = _queued(out, at, state, record)
    elif kind == CONTACT_OFFERED_EVENT:
        at = _offered(out, at, state, record)
    elif kind == CONTACT_CONNECTED_EVENT:
        at = _connected(out, at, state, record)
    elif kind == CONTACT_WRAPUP_EVENT:
        at = _wrapup(out, at, state, record)
    elif kind == CONTACT_ENDED:
        at = _ended(out, at, state, record)
    elif kind == OFFER_ENDED:
        at = _offer_ended(out, at, state, record)
    else:
        return False
    out.finish(put(at, b"}\n"))
    return True
