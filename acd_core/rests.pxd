cimport cython
from libc.stdint cimport int32_t
from acd_core.shown cimport Shown
from acd_core.types cimport Agent

cdef class Rests(Shown):
    cdef int _mind_rest(self, int32_t agent) except -1
    cdef int _stop_rest_timer(self, int32_t agent) except -1
    cdef bint _rest_due(self, int32_t agent) except -1
    cdef bint _change_levels(self, object settings) except -1
    cdef int _judge_rests(self) except -1
    cdef bint _failed_too_often(self, int32_t agent) except -1

    @cython.final
    cdef inline int _not_idle(self, int32_t agent) except -1:
        """The agent is idle no more."""
        cdef Agent *row = &self.tables.agents[agent]
        if row.idle_seq:
            self.idle.drop(agent)
            row.idle_seq = 0
        self._shut(agent)
        return 0
