from libc.stdint cimport int32_t, int64_t
from acd_core.columns cimport Rows
from acd_core.reconfigured cimport Reconfigured

# An armed timer, whoever owns it.
cdef struct Armed:
    int64_t seq
    int64_t deadline
    int64_t duration
    int32_t place             # of its owner
    int32_t kind              # TimerKind

cdef class Dumped(Reconfigured):
    cdef int _load(self, bytes data) except -1
    cdef list _tables(self)
    cdef list _queues_of_paces(self, Rows queues)
    cdef int32_t *_timer_of(self, int kind, int32_t slot) except? NULL
    cdef dict _dump_details(self, Rows agents, list tables)
    cdef dict _dump_contact_details(self, Rows contacts, list tables)
    cdef dict _dump_timers(self, list tables)
    cdef int _load_timers(self, dict columns, int64_t count, list tables) except -1
    cdef dict _lists_of_agents(self, list slots)
    cdef int _load_lists(self, dict lists, int64_t count) except -1
    cdef int _load_contacts(self, object dump, list tables) except -1
    cdef int _load_agents(self, object dump, list tables) except -1
    cdef int _load_queues(self, object dump, list tables) except -1
    cdef int _load_paces(self, object dump, list tables) except -1
    cdef int _load_calendars(self, object dump) except -1
