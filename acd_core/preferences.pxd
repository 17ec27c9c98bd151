from libc.stdint cimport int32_t
from acd_core.decisions cimport Decisions

cdef class Preferences(Decisions):
    cdef int32_t _agent_for(self, int32_t contact) except -2
    cdef int32_t _best_bound(self, int32_t agent, int32_t best) except -2
    cdef bint _is_deserted(self, int32_t contact) except -1
    cdef int _begin_preference(self, int32_t contact, object preference) except -1
    cdef int _judge_preference(self, int32_t contact) except -1
    cdef int _unbind(self, int32_t contact, str name) except -1
    cdef int _forget_preference(self, int32_t contact) except -1
    cdef int _end_preference(self, int32_t contact) except -1
    cdef int _note_last_agent(self, int32_t contact, int32_t agent) except -1
