from libc.stdint cimport int32_t, int64_t
from acd_core.outside cimport OutsideContacts

cdef class Callbacks(OutsideContacts):
    cdef int _call_back(self, int32_t contact, str number) except -1
    cdef int _attempt_failed(self, int32_t contact, str cause) except -1
    cdef int _record_callback(self, int32_t contact, str cause, bint over) except -1
    cdef int64_t _enter(self, int32_t contact, int32_t agent, object preference) except -1
    cdef bint _calls(self, int32_t queue) except -1
    cdef int _park(self, int32_t contact) except -1
    cdef int _unpark(self, int32_t contact) except -1
    cdef int _forget_callback(self, int32_t contact) except -1
    cdef list _callbacks_of(self, list queues)
    cdef int _park_callbacks(self, list queues) except -1
    cdef int _unpark_callbacks(self, list queues) except -1
    cdef int _calendar_turned(self, int32_t calendar) except -1
    cdef int _contact_deadline(self, int32_t contact) except -1
    cdef int _transfer(self, int32_t contact, int32_t target, bint keep_age, str only_agent) except -1
    cdef int _complete(self, int32_t contact, int reason) except -1
    cdef int _end(self, int32_t contact, int reason, int32_t agent) except -1
