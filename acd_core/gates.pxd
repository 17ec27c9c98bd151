from libc.stdint cimport int32_t, int64_t
from acd_core.tables cimport Tables
from acd_core.types cimport Queue

# A group's share of a queue's contacts.
cdef struct Share:
    int32_t group
    int32_t percent
    int64_t count

cdef class Gates:
    cdef Tables tables
    cdef bint active          # a limit, a reserve or a share is configured somewhere
    cdef bint opened          # since they were last looked at, some contact may have come to be served
    cdef int32_t *reserves    # the queues that have one
    cdef int64_t reserve_capacity
    cdef int32_t reserve_count
    cdef int32_t *tight       # the base classes of those with nobody to spare
    cdef int64_t tight_capacity
    cdef int32_t tight_count
    cdef int64_t *tenant_limits  # most in conversation by tenant; 0 for no limit
    cdef int64_t *tenant_busy    # contacts in conversation, or being rung for, by tenant
    cdef int64_t tenant_limit_capacity
    cdef int64_t tenant_busy_capacity
    cdef Share *shares
    cdef int64_t share_capacity
    cdef int32_t share_total

    cdef int reset(self, list tenant_limits) except -1
    cdef int add_reserve(self, int32_t queue) except -1
    cdef int add_share(self, int32_t queue, int32_t group, int32_t percent, int64_t count) except -1
    cdef int tighten(self, int32_t owner) except -1
    cdef int at_limit(self, int32_t queue) noexcept nogil
    cdef bint was_at_limit(self, Queue *queue) noexcept nogil
    cdef bint withholds(self, int32_t agent) noexcept nogil
    cdef int64_t above_share(self, int32_t agent, int32_t queue) noexcept nogil
    cdef void allocate(self, int32_t queue, int32_t agent, int by) noexcept nogil
