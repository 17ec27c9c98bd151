from libc.stdint cimport int32_t, int64_t
from acd_core.pauses cimport Pauses
from acd_core.roster cimport Roster

cdef class Configured(Pauses):
    cdef int32_t _class(self, int32_t queue, tuple own_terms, int32_t stage) except -1
    cdef int _assign(self, int32_t contact) except -1
    cdef int32_t _plan(self, int32_t queue, object wishes) except -1
    cdef void _start_in(self, int32_t slot, int64_t points, int64_t *level, int64_t *head_start) noexcept
    cdef void _own_start(self, int32_t contact, int64_t *level, int64_t *head_start) noexcept
    cdef int _enter_line(self, int32_t contact, int32_t owner) except -1
    cdef int _know(self, object config) except -1
    cdef int _enter_rows(self, object config, object former) except -1
    cdef int _rebuild(self) except -1
    cdef int _sweep(self) except -1
    cdef int32_t _configured_queue(self, object config) except -1
    cdef Roster _configured_agents(self, object config, object former)
    cdef int32_t _configured_agent(self, object config, int32_t slot, object former) except -1
    cdef int _keep_own(self, int32_t agent, dict skills, dict attributes) except -1
    cdef int _change_half_life(self, object config) except -1
    cdef int32_t _condition(self, tuple node) except -1
    cdef int64_t _value(self, object value) except? -1
    cdef list _entered_ranks(self, dict ranks)
    cdef int _enter_attributes(self, int32_t agent) except -1
    cdef int _enter_queues(self, int32_t agent) except -1
    cdef int _configured_reserve(self, int32_t slot, object reserve, object before) except -1
    cdef int _enter_measures(self) except -1
    cdef int _enter_gates(self) except -1
    cdef int _enter_capacities(self) except -1
    cdef int _configure_calendars(self, object configured) except -1
    cdef int _stop_turns(self, int32_t queue) except -1
    cdef int _forget_turns(self, int32_t agent) except -1
    cdef int _forget_lines(self, int32_t queue) except -1
