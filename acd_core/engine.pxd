from libc.stdint cimport int32_t, int64_t
from acd_core.dump cimport Dumped

# Commands that come for each contact can be called from compiled code as they are from Python, at less cost; `accept` is
# `accept_offer` by the number of the offer, as records have it.
cdef class Engine(Dumped):
    cpdef int enqueue_contact(
        self, int64_t now, str client, str contact, str tenant, str queue, int priority, str require, dict attributes,
        str direction=*, object wishes=*
    ) except -1
    cpdef int abandon_contact(self, int64_t now, str contact) except -1
    cpdef int complete_contact(self, int64_t now, str contact, str reason) except -1
    cdef int _new_route(self, int32_t queue, str require, int32_t owner, tuple terms) except -1
    cdef str tenant_of_offer(self, str offer)
    cdef int accept(self, int64_t now, int64_t offer) except -1
    cpdef int ready_agent(self, int64_t now, str agent) except -1
    cpdef int end_wrapup(self, int64_t now, str agent, str disposition=*, object contact=*) except -1
    cdef int _choose(self, int32_t agent, tuple queues) except -1
    cdef int32_t _agent_at(self, int64_t now, str agent) except -2
    cdef bint _disposes(self, int32_t leg) noexcept
    cdef int _set_emergency(self, int64_t now, str tenant, str queue, object reason) except -1
    cdef int32_t _contact_at(self, int64_t now, str contact) except -2
