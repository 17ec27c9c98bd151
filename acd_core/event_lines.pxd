from libc.stdint cimport int64_t
from acd_core.json_text cimport JsonText
from acd_core.state cimport State

cdef class EventLine:
    cdef readonly int64_t seq
    cdef readonly bytes line
    cdef readonly str contact_client
    cdef readonly str agent_client
    cdef readonly str topic
    cdef readonly str tenant
    cdef readonly str agent

    @staticmethod
    cdef list of_records(State state)

cdef class LineTaker:
    cdef int take_line(
        self, int64_t seq, const char *line, Py_ssize_t length, str contact_client, str agent_client, str topic,
        str tenant, str agent,
    ) except -1

cdef EventLine event_line(
    int64_t seq, const char *line, Py_ssize_t length, str contact_client, str agent_client, str topic, str tenant,
    str agent,
)
cdef int64_t hand_over(State state, JsonText out, LineTaker taker) except -1
