from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t
from acd_core.columns cimport Rows
from acd_core.reconfigured cimport Reconfigured

# An armed timer, whoever owns it.
cdef struct Armed:
    int64_t seq
    int64_t deadline
    int64_t duration
    int32_t place             # of its owner
    int32_t kind              # TimerKind

# Of a contact what its row has in bits, or in places that it uses for several things.
cdef struct ContactNumbers:
    uint8_t state
    uint8_t held
    uint8_t wait_expired
    uint8_t priority
    uint8_t end_reason
    uint8_t direction
    uint8_t prefers
    uint8_t bound
    uint8_t deserted
    uint8_t callback
    uint8_t by_hand
    uint8_t consults
    int16_t offers
    int16_t step
    int32_t mean_ms           # the forecast made when it came; NONE when there was none
    int32_t p50_ms
    int32_t p90_ms
    int64_t seq
    int64_t connected
    int64_t completed
    int64_t since

cdef class Dumped(Reconfigured):
    cdef int _load(self, bytes data) except -1
    cdef list _tables(self)
    cdef list _queues_of_paces(self, Rows queues)
    cdef int32_t *_timer_of(self, int kind, int32_t slot) except? NULL
    cdef dict _dump_details(self, Rows agents, list tables)
    cdef dict _dump_contact_details(self, Rows contacts, list tables)
    cdef dict _dump_contact_numbers(self, Rows contacts, list tables)
    cdef void _take_numbers(self, int32_t contact, ContactNumbers *found) noexcept
    cdef int _load_contact_numbers(self, dict columns, int64_t count, list tables) except -1
    cdef int _put_numbers(self, int32_t contact, const ContactNumbers *found) except -1
    cdef dict _dump_timers(self, list tables)
    cdef int _load_timers(self, dict columns, int64_t count, list tables) except -1
    cdef dict _lists_of_agents(self, list slots)
    cdef int _load_lists(self, dict lists, int64_t count) except -1
    cdef int _load_contacts(self, object dump, list tables) except -1
    cdef int _load_agents(self, object dump, list tables) except -1
    cdef int _load_queues(self, object dump, list tables) except -1
    cdef int _load_paces(self, object dump, list tables) except -1
    cdef int _load_calendars(self, object dump) except -1
