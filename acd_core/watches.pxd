from libc.stdint cimport int32_t, int64_t, uint8_t
from acd_core.legs cimport Legs
from acd_core.tables cimport Tables

cdef struct Watch:
    int32_t owner             # the class
    int32_t present           # agents logged in who are eligible
    int32_t able              # those of them who are not paused
    uint8_t eligible          # scratch: whether the agent in hand was, before his skills changed
    uint8_t flipped           # one of the two counts went to 0, or came from there

cdef class Watches:
    cdef Tables tables
    cdef Legs legs
    cdef Watch *items
    cdef int64_t capacity
    cdef int32_t count

    cdef bint fits(self, int32_t agent, int32_t owner) noexcept nogil
    cdef void reset(self) noexcept nogil
    cdef Watch *of(self, int32_t owner) except NULL
    cdef bint presence_changed(self, int32_t agent, int32_t present_by, int32_t able_by) noexcept nogil
    cdef void note_fit(self, int32_t agent) noexcept nogil
    cdef bint fit_changed(self, int32_t agent) noexcept nogil
    cdef bint _count(self, Watch *watch, int32_t present_by, int32_t able_by) noexcept nogil
    cdef bint flipped(self, int32_t owner) noexcept nogil
    cdef void settle(self) noexcept nogil
