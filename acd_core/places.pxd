from libc.stdint cimport int32_t, int64_t
from acd_core.conditions cimport Conditions

cdef class Places(Conditions):
    cdef int32_t _rival(self, int32_t contact, object other) except -2
    cdef int32_t _foremost(self, int32_t contact) except -2
    cdef tuple _beside(self, int32_t contact, int32_t other, int nudge)
    cdef int _put(self, int32_t contact, tuple by_hand) except -1
    cdef int64_t _waited(self, int32_t contact) except -1
    cdef int _begin_anew(self, int32_t contact) except -1
    cdef int _take_credit(self, int32_t contact, str caller) except -1
    cdef int _give_credit(self, int32_t contact, int reason) except -1
