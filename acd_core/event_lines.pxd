from cpython.ref cimport PyObject
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

# An event as LineTaker is told of it, see EventLine. Texts and line are there only until it has taken the event. The
# lines of several that it is told of at once lie one behind the other.
cdef struct Told:
    int64_t seq
    const char *line
    Py_ssize_t length
    PyObject *contact_client
    PyObject *agent_client
    PyObject *topic
    PyObject *tenant
    PyObject *agent

cdef class LineTaker:
    cdef int take_lines(self, Told *told, Py_ssize_t count) except -1

cdef EventLine event_line(Told *told)
cdef Told told_of(EventLine event) noexcept
cdef int64_t hand_over(State state, JsonText out, LineTaker taker) except -1
