# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""Events as they go out: one line of JSON each, with what decides who gets it.

The events of a plain call are written straight from the engine's records, without a Python object for the event; all
others are made into events, which msgspec encodes. Both give the same bytes: tests/test_event_lines.py compares them over
everything that happens in random traffic.
"""

cimport cython
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

cdef bytes AGENT_CHANGED_AT = b'{"type":"agent.changed","seq":'
cdef bytes QUEUED_AT = b'{"type":"contact.queued","seq":'
cdef bytes OFFERED_AT = b'{"type":"contact.offered","seq":'
cdef bytes OFFER_ENDED_AT = b'{"type":"offer.ended","seq":'
cdef bytes CONNECTED_AT = b'{"type":"contact.connected","seq":'
cdef bytes WRAPUP_AT = b'{"type":"contact.wrapup","seq":'
cdef bytes ENDED_AT = b'{"type":"contact.ended","seq":'
cdef bytes AT = b',"at":'
cdef bytes OFFER = b',"offer":"o-'
cdef bytes CONTACT = b',"contact":'
cdef bytes QUOTED_CONTACT = b'","contact":'
cdef bytes COMMA = b","
cdef bytes NO_AGENT = b',"agent":""'
cdef bytes STATE = b',"state":'
cdef bytes REASON = b',"reason":'
cdef bytes EXPIRES_IN = b',"expires_in":'
cdef bytes LOGGING_OUT = b',"logging_out":true'
cdef bytes PRIORITY = b',"priority":'
cdef bytes POSITION = b',"position":'
cdef bytes P50 = b',"wait_estimate":{"p50":'
cdef bytes P90 = b',"p90":'
cdef bytes CLOSED = b"}"
cdef bytes CALLBACK_OFFERED = b',"callback_offered":true'
cdef bytes CREDIT = b',"credit":'
cdef bytes ADDRESS = b',"address":'
cdef bytes WAIT = b',"wait":'
cdef bytes TALK = b',"talk":'
cdef bytes ATTRIBUTES = b',"attributes":'
cdef bytes NO_ATTRIBUTES = b',"attributes":{}'
cdef bytes HISTORY = b',"history":'
cdef bytes CALLBACK = b',"callback":'
cdef bytes CONSULTS = b',"consults":'
cdef bytes OUTCOME = b',"outcome":'
cdef bytes CAUSE = b',"cause":'
cdef bytes QUOTE = b'"'
cdef bytes DISPOSITION = b',"disposition":'
cdef bytes DISPOSITION_REQUIRED = b',"disposition_required":true'
cdef bytes END = b"}\n"


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
        cdef list lines = [line_of(addressed) for addressed in state.materialised]
        cdef JsonText out = JsonText()
        cdef Record *record
        cdef int64_t index
        cdef str contact_client, agent_client
        state.materialised = []
        for index in range(state.record_count):
            record = &state.records[index]
            contact_client = state.contact_clients[record.contact] if record.contact != NONE else ""
            agent_client = <str>record.agent_client if record.agent_client != NULL else ""
            lines.append(_line(out, state, record, contact_client, agent_client))
        state._forget_records()
        return lines


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
    out.add_bytes(COMMA)
    return out.add_bytes(state.queue_json[record.queue])


cdef int _agent(JsonText out, State state, Record *record) except -1:
    if record.agent == NONE:
        return out.add_bytes(NO_AGENT)
    out.add_bytes(COMMA)
    return out.add_bytes(state.agent_json[record.agent])


cdef int _begin(JsonText out, bytes head, Record *record) except -1:
    out.add_bytes(head)
    out.number(record.seq)
    out.add_bytes(AT)
    return out.number(record.at)


cdef int _time(JsonText out, bytes name, int64_t ns) except -1:
    out.add_bytes(name)
    return out.seconds(ns)


cdef int _begin_of_both(JsonText out, bytes head, State state, Record *record) except -1:
    """What an event on a contact and its agent begins with."""
    _begin(out, head, record)
    out.add_bytes(CONTACT)
    _contact_at(out, state, record)
    return _agent(out, state, record)


cdef int _offer_and_contact(JsonText out, State state, Record *record) except -1:
    out.add_bytes(OFFER)
    out.number(record.offer)
    out.add_bytes(QUOTED_CONTACT)
    _contact_at(out, state, record)
    return _agent(out, state, record)


cdef int _queued(JsonText out, State state, Record *record) except -1:
    _begin(out, QUEUED_AT, record)
    out.add_bytes(CONTACT)
    _contact_at(out, state, record)
    out.add_bytes(PRIORITY)
    out.number(record.code)
    out.add_bytes(POSITION)
    out.number(record.a)
    if record.flag:
        out.add_bytes(P50)
        out.number((record.b + 500) // 1000)
        out.add_bytes(P90)
        out.number((record.c + 500) // 1000)
        out.add_bytes(CLOSED)
    if record.offer:
        out.add_bytes(CALLBACK_OFFERED)
    if record.d >= 500_000:
        _time(out, CREDIT, record.d)
    return 0


cdef int _offered(JsonText out, State state, Record *record) except -1:
    cdef object attributes = <object>record.data, number = "", consults = ""
    if record.flag:
        attributes, number, consults = <tuple>record.data
    _begin(out, OFFERED_AT, record)
    _offer_and_contact(out, state, record)
    out.add_bytes(ADDRESS)
    out.string(<str>record.text)
    _time(out, EXPIRES_IN, record.a)
    _time(out, WAIT, record.b)
    if attributes:
        out.add_bytes(ATTRIBUTES)
        out.add_bytes(encode(attributes))
    else:
        out.add_bytes(NO_ATTRIBUTES)
    if record.history != NULL and <object>record.history:
        out.add_bytes(HISTORY)
        out.add_bytes(encode(<object>record.history))
    if number:
        out.add_bytes(CALLBACK)
        out.string(number)
    if consults:
        out.add_bytes(CONSULTS)
        out.string(consults)
    return 0


cdef int _offer_ended(JsonText out, State state, Record *record) except -1:
    _begin(out, OFFER_ENDED_AT, record)
    _offer_and_contact(out, state, record)
    out.add_bytes(OUTCOME)
    out.add_bytes(OUTCOMES[record.code])
    out.add_bytes(CAUSE)
    return out.string(<str>record.text)


cdef int _connected(JsonText out, State state, Record *record) except -1:
    _begin_of_both(out, CONNECTED_AT, state, record)
    out.add_bytes(OFFER)
    out.number(record.offer)
    out.add_bytes(QUOTE)
    return _time(out, WAIT, record.a)


cdef int _wrapup(JsonText out, State state, Record *record) except -1:
    _begin_of_both(out, WRAPUP_AT, state, record)
    out.add_bytes(REASON)
    out.add_bytes(REASONS[record.code])
    _time(out, TALK, record.a)
    _time(out, EXPIRES_IN, record.b)
    if record.flag:
        out.add_bytes(DISPOSITION_REQUIRED)
    return 0


cdef int _ended(JsonText out, State state, Record *record) except -1:
    _begin_of_both(out, ENDED_AT, state, record)
    out.add_bytes(REASON)
    out.add_bytes(REASONS[record.code])
    _time(out, WAIT, record.a)
    _time(out, TALK, record.b)
    if record.data != NULL and <object>record.data:
        out.add_bytes(DISPOSITION)
        out.string(<str>record.data)
    return 0


cdef int _agent_changed(JsonText out, State state, Record *record) except -1:
    _begin(out, AGENT_CHANGED_AT, record)
    _agent(out, state, record)
    out.add_bytes(STATE)
    out.add_bytes(STATES[record.code])
    if <str>record.text:
        out.add_bytes(REASON)
        out.string(<str>record.text)
    if record.a != NONE:
        _time(out, EXPIRES_IN, record.a)
    if record.flag:
        out.add_bytes(LOGGING_OUT)
    return 0


cdef EventLine _line(JsonText out, State state, Record *record, str contact_client, str agent_client):
    cdef EventLine line
    cdef int kind = record.kind
    if kind == AGENT_CHANGED:
        _agent_changed(out, state, record)
    elif record.contact == NONE:
        return line_of((state._event(record), contact_client, agent_client))
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
        return line_of((state._event(record), contact_client, agent_client))
    out.add_bytes(END)
    line = EventLine.__new__(EventLine)
    line.seq = record.seq
    line.line = out.taken()
    line.contact_client = contact_client
    line.agent_client = agent_client
    line.topic = "agent" if kind == AGENT_CHANGED else "offer" if kind == OFFER_ENDED else "contact"
    line.tenant = state.queue_tenants[record.queue] if record.queue != NONE else ""
    line.agent = state._agent_name(record.agent) if kind != CONTACT_QUEUED_EVENT else ""
    return line
