from libc.stdint cimport int32_t, int64_t
from acd_core.state cimport State

cdef class Engine(State):
    cdef int _advance(self, int64_t now) except -1
    cdef int _contact_deadline(self, int32_t contact) except -1
    cdef int _agent_deadline(self, int32_t agent) except -1
    cdef int _arm_agent(self, int32_t agent, int64_t duration) except -1
    cdef int _arm_contact(self, int32_t contact, int64_t deadline, int64_t duration) except -1
    cdef void _disarm_agent(self, int32_t agent) noexcept
    cdef void _disarm_contact(self, int32_t contact) noexcept
    cdef int _set_activity(self, int32_t agent, int activity) except -1
    cdef int _set_presence(self, int32_t agent, int presence, object reason) except -1
    cdef int _serve_agent(self, int32_t agent) except -1
    cdef int _serve_contact(self, int32_t contact) except -1
    cdef int _offer(self, int32_t contact, int32_t agent) except -1
    cdef int32_t _end_offer(self, int32_t agent, int outcome, object cause) except -1
    cdef int _requeue(self, int32_t contact) except -1
    cdef int _offer_missed(self, int32_t agent) except -1
    cdef int _cool_down(self, int32_t agent, int32_t contact, int cause, int64_t duration) except -1
    cdef int _free(self, int32_t agent) except -1
    cdef int _idle(self, int32_t agent) except -1
    cdef int _not_idle(self, int32_t agent) except -1
    cdef int _log_out(self, int32_t agent) except -1
    cdef int _wait(self, int32_t contact) except -1
    cdef int _leave_line(self, int32_t contact) except -1
    cdef int _leave_queue(self, int32_t contact, int reason) except -1
    cdef int _complete(self, int32_t contact, int reason) except -1
    cdef int _finish_wrapup(self, int32_t agent) except -1
    cdef int _end(self, int32_t contact, int reason) except -1
    cdef int _forget(self) except -1
    cdef int _gone(self, str contact) except -1
    cdef int32_t _offered_to(self, str offer) except -1
    cdef int32_t _stop_offering(self, int32_t agent, object cause) except -2
    cdef void _enlist(self, int32_t contact) noexcept
    cdef void _delist(self, int32_t contact) noexcept
    cdef int32_t _class(self, int32_t queue, tuple own_terms) except -1
    cdef int64_t _head_start(self, int32_t contact) noexcept
    cdef int _rebuild(self) except -1
    cdef int _sweep_classes(self) except -1
    cdef int32_t _new_contact_slot(self) except -1
    cdef int32_t _configured_queue(self, object config) except -1
    cdef int32_t _configured_agent(self, object config) except -1
