from libc.stdint cimport int32_t, int64_t
from acd_core.engine cimport Engine
from acd_core.state cimport Record

cdef class Driver:
    cdef readonly Engine engine
    cdef list names           # the engine's contact id by our caller
    cdef list agents          # its agent id by our agent
    cdef int32_t *agent_of    # our agent by the engine's slot; -1 for none
    cdef int64_t slots

    cdef int32_t agent_at(self, int32_t slot) noexcept nogil
    cdef int64_t count(self) noexcept nogil
    cdef Record *record(self, int64_t index) noexcept nogil
    cdef int forget(self) except -1
    cdef int64_t next_deadline(self) noexcept nogil
    cdef int advance(self, int64_t now) except -1
    cdef int enqueue(
        self, int64_t now, int32_t caller, str name, str tenant, str queue, int priority, str require, dict attributes
    ) except -1
    cdef int enqueue_wishing(
        self, int64_t now, int32_t caller, str name, str tenant, str queue, int priority, str require, dict attributes,
        object wishes
    ) except -1
    cdef int abandon(self, int64_t now, int32_t caller) except -1
    cdef int withdraw(self, int64_t now, int32_t caller) except -1
    cdef int call_back(self, int64_t now, int32_t caller) except -1
    cdef int move(self, int64_t now, int32_t caller, str queue) except -1
    cdef int not_reached(self, int64_t now, int32_t caller) except -1
    cdef int complete(self, int64_t now, int32_t caller, bint transferred) except -1
    cdef int accept(self, int64_t now, int64_t offer) except -1
    cdef int reject(self, int64_t now, int64_t offer) except -1
    cdef int end_wrapup(self, int64_t now, int32_t agent) except -1
    cdef int login(self, int64_t now, int32_t agent, str client) except -1
    cdef int logout(self, int64_t now, int32_t agent) except -1
    cdef int pause(self, int64_t now, int32_t agent, str reason) except -1
    cdef int ready(self, int64_t now, int32_t agent) except -1
    cdef int away(self, int64_t now, str client) except -1
    cdef int back(self, int64_t now, str client) except -1
