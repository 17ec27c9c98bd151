from libc.stdint cimport int32_t, int64_t
from acd_core.consults cimport Consults

cdef class Reconfigured(Consults):
    cdef int _apply_config(self, int64_t now, object config) except -1
    cdef object _with_agents_of(self, object former, object config)
    cdef list _agents_without(self, object config)
    cdef int _in_use(self, list gone, list live, list leavers) except -1
    cdef tuple _rules_of(self, int32_t slot)
    cdef int _let_go(self, list gone, list leavers) except -1
    cdef set _plan_anew(self, list live, dict wanted, set moved)
    cdef int _time_anew(self, list live, set timed) except -1
    cdef int _judge_anew(self, list live, set judged, set replanned) except -1
    cdef int _tell_of_config(self, dict chosen_before) except -1
    cdef int _record_choice(self, int32_t agent) except -1
    cdef int _serve_anew(self, list live) except -1
    cdef list _who_may_move(self, list contacts)
