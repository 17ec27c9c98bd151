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
from acd_core.json_text cimport JsonText, NearNumber, blocks, put, put_near, put_number
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
    PIECE_MAX = 48
    TOLD_MAX = 64              # events that are told of at once
    TOLD_BYTES_MAX = 32_768    # or when their lines have become as long as that

# JSON that was written, or will be, many times.
cdef struct Piece:
    int64_t of  # what it says
    Py_ssize_t length
    char text[PIECE_MAX]

# Fields as they were written lately into the buffer; several events in a row are about the same contact and agent.
cdef struct Fields:
    int32_t row  # of whom; NONE for nobody
    int32_t queue
    Py_ssize_t place
    Py_ssize_t length

cdef NearNumber near_seq
cdef NearNumber near_offer
cdef Piece of_time
cdef Fields of_agent
cdef Fields of_contact

cdef str NOBODY = ""
cdef str AGENT = "agent"
cdef str OFFER = "offer"
cdef str CONTACT = "contact"
cdef Piece STATES[8]
cdef Piece REASONS[24]
cdef Piece OUTCOMES[8]
# Times until something ends are mostly settings: the same as the last time in such an event, or such a state.
cdef Piece offer_ends
cdef Piece wrapup_ends
cdef Piece state_ends[8]


cdef int _prepare(Piece *pieces, int most, bytes label, tuple names) except -1:
    """The field of that label with each of these names."""
    cdef bytes text
    if len(names) > most:
        raise AssertionError(f"more than {most} names: {names}")
    for place, name in enumerate(names):
        text = label + encode(name)
        pieces[<int>place].length = len(text)
        if pieces[<int>place].length > PIECE_MAX:
            raise AssertionError(f"a name that is too long: {name}")
        memcpy(pieces[<int>place].text, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))
    return 0


_prepare(STATES, 8, b',"state":', views.AGENT_STATES)
_prepare(REASONS, 24, b',"reason":', views.END_REASONS)
_prepare(OUTCOMES, 8, b',"outcome":', events.OFFER_OUTCOMES)


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
    """Takes events as they are written, without an object for each."""

    cdef int take_lines(self, Told *told, Py_ssize_t count) except -1:
        """Take some events, at least one, in their order."""
        raise NotImplementedError


@cython.final
cdef class _EventLines(LineTaker):
    """Makes an object for each all the same."""

    cdef list lines

    cdef int take_lines(self, Told *told, Py_ssize_t count) except -1:
        cdef Py_ssize_t place
        for place in range(count):
            self.lines.append(event_line(&told[place]))
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
    cdef Py_ssize_t waiting = 0, before
    cdef EventLine event
    cdef Record *record
    cdef Told told[TOLD_MAX]
    if materialised:
        state.materialised = []
        for addressed in materialised:
            event = line_of(addressed)
            told[0] = told_of(event)
            taker.take_lines(told, 1)
    _begin_anew(out)
    for index in range(state.record_count):
        record = &state.records[index]
        _address(state, record, &told[waiting])
        before = out.length
        if _write(out, state, record):
            told[waiting].length = out.length - before
            waiting += 1
            if waiting == TOLD_MAX or out.length >= TOLD_BYTES_MAX:
                _tell(taker, out, told, waiting)
                waiting = 0
        else:
            event = line_of((state._event(record), <object>told[waiting].contact_client, <object>told[waiting].agent_client))
            if waiting:
                _tell(taker, out, told, waiting)
                waiting = 0
            told[0] = told_of(event)
            taker.take_lines(told, 1)
    if waiting:
        _tell(taker, out, told, waiting)
    state._forget_records()
    return count


cdef void _begin_anew(JsonText out) noexcept:
    """Throw away what was written."""
    out.length = 0
    of_contact.row = NONE
    of_agent.row = NONE


cdef int _tell(LineTaker taker, JsonText out, Told *told, Py_ssize_t count) except -1:
    """Tell of events whose lines were written, which are thrown away then."""
    cdef const char *line = out.start
    cdef Py_ssize_t place
    for place in range(count):
        told[place].line = line
        line += told[place].length
    taker.take_lines(told, count)
    _begin_anew(out)
    return 0


cdef inline void _address(State state, Record *record, Told *told) noexcept:
    """What is told of an event beside its line."""
    cdef int kind = record.kind
    told.seq = record.seq
    told.contact_client = told.agent_client = told.tenant = told.agent = <PyObject *>NOBODY
    told.topic = <PyObject *>CONTACT
    if kind == AGENT_CHANGED:
        told.topic = <PyObject *>AGENT
    elif kind == OFFER_ENDED:
        told.topic = <PyObject *>OFFER
    if record.contact != NONE:
        told.contact_client = item(<PyObject *>state.announcers.names, state.tables.contacts[record.contact].client)
    if record.agent_client != NULL:
        told.agent_client = record.agent_client
    if record.queue != NONE:
        told.tenant = item(<PyObject *>state.queue_tenants, record.queue)
    if record.agent != NONE and kind != CONTACT_QUEUED_EVENT:
        told.agent = item(<PyObject *>state.agent_names, record.agent)


def line_of(addressed):
    """The line of an event that is a Python object."""
    event, contact_client, agent_client = addressed
    kind = type(event)
    return EventLine(
        event.seq, encode(event) + b"\n", contact_client, agent_client, TOPICS[kind],
        event.tenant if kind in WITH_TENANT else "", event.agent if kind in WITH_AGENT else "",
    )


# What follows writes at a place of `out` and gives the place behind; see `JsonText`.


cdef inline char *_piece(char *at, Piece *piece) noexcept:
    """A piece; there is room for all of its memory."""
    return blocks(at, piece.text, piece.length)


cdef inline char *_begin(char *at, Record *record) noexcept:
    """Number and time, which follow the type in each event."""
    at = put_near(&near_seq, at, record.seq)
    if record.at != of_time.of or not of_time.length:
        of_time.length = put_number(put(of_time.text, b',"at":'), record.at) - of_time.text
        of_time.of = record.at
    return _piece(at, &of_time)


cdef inline char *_ends(JsonText out, char *at, Piece *last, int64_t ns) except NULL:
    """The field expires_in, for which there is room."""
    cdef Py_ssize_t before = at - out.start
    if ns == last.of and last.length:
        return _piece(at, last)
    at = out.seconds(put(at, b',"expires_in":'), ns)
    last.length = at - out.start - before
    if last.length > PIECE_MAX:
        last.length = 0
    memcpy(last.text, out.start + before, last.length)
    last.of = ns
    return at


cdef inline char *_contact(JsonText out, char *at, State state, Record *record) except NULL:
    """The fields contact, tenant and queue."""
    if record.contact == of_contact.row and record.queue == of_contact.queue:
        at = out.on(at, of_contact.length)
        return blocks(at, out.start + of_contact.place, of_contact.length)
    return _other_contact(out, at, state, record)


cdef char *_other_contact(JsonText out, char *at, State state, Record *record) except NULL:
    """The same for another contact than the last."""
    cdef Ids ids = state.contact_ids
    of_contact.place = at - out.start
    at = put(at, b',"contact":')
    if ids.rows[record.contact].plain:
        at = out.plain(at, ids.letters(record.contact), ids.rows[record.contact].size)
    else:
        at = out.string(at, ids.get(record.contact))
    at = out.piece(put(at, b","), <bytes>item(<PyObject *>state.queue_json, record.queue))
    of_contact.length = at - out.start - of_contact.place
    of_contact.row = record.contact
    of_contact.queue = record.queue
    return at


cdef inline char *_agent(JsonText out, char *at, State state, Record *record) except NULL:
    """The field agent."""
    if record.agent == NONE:
        return put(at, b',"agent":""')
    if record.agent == of_agent.row:
        at = out.on(at, of_agent.length)
        return blocks(at, out.start + of_agent.place, of_agent.length)
    return _other_agent(out, at, state, record)


cdef char *_other_agent(JsonText out, char *at, State state, Record *record) except NULL:
    """The same for another agent than the last."""
    of_agent.place = at - out.start
    at = out.string(put(at, b',"agent":'), <str>item(<PyObject *>state.agent_names, record.agent))
    of_agent.length = at - out.start - of_agent.place
    of_agent.row = record.agent
    return at


cdef inline char *_begin_of_both(JsonText out, char *at, State state, Record *record) except NULL:
    """What follows the type in an event on a contact and its agent."""
    return _agent(out, _contact(out, _begin(at, record), state, record), state, record)


cdef inline char *_offer(char *at, Record *record) noexcept:
    at = put_near(&near_offer, put(at, b',"offer":"o-'), record.offer)
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
    at = _ends(out, at, &offer_ends, record.a)
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
    at = _piece(at, &OUTCOMES[record.code])
    return out.string(put(at, b',"cause":'), <str>record.text)


cdef char *_connected(JsonText out, char *at, State state, Record *record) except NULL:
    at = _begin_of_both(out, put(at, b'{"type":"contact.connected","seq":'), state, record)
    return out.seconds(put(_offer(at, record), b',"wait":'), record.a)


cdef char *_wrapup(JsonText out, char *at, State state, Record *record) except NULL:
    at = _begin_of_both(out, put(at, b'{"type":"contact.wrapup","seq":'), state, record)
    at = _piece(at, &REASONS[record.code])
    at = out.seconds(put(at, b',"talk":'), record.a)
    at = _ends(out, at, &wrapup_ends, record.b)
    return put(at, b',"disposition_required":true') if record.flag else at


cdef char *_ended(JsonText out, char *at, State state, Record *record) except NULL:
    at = _begin_of_both(out, put(at, b'{"type":"contact.ended","seq":'), state, record)
    at = _piece(at, &REASONS[record.code])
    at = out.seconds(put(at, b',"wait":'), record.a)
    at = out.seconds(put(at, b',"talk":'), record.b)
    if record.data != NULL and <object>record.data:
        at = out.string(put(at, b',"disposition":'), <str>record.data)
    return at


cdef char *_agent_changed(JsonText out, char *at, State state, Record *record) except NULL:
    at = _begin(put(at, b'{"type":"agent.changed","seq":'), record)
    at = _agent(out, at, state, record)
    at = _piece(at, &STATES[record.code])
    if record.text != NULL:
        at = out.string(put(at, b',"reason":'), <str>record.text)
    if record.a != NONE:
        at = _ends(out, at, &state_ends[record.code], record.a)
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
