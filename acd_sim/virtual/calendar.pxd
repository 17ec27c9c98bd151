from libc.stdint cimport int32_t, int64_t

# Something that will happen. `subject` and `stamp` are the owner's: a stamp that is no longer the subject's tells
# that the entry was called off.
cdef struct Entry:
    int64_t at
    int64_t seq
    int32_t kind
    int32_t subject
    int64_t stamp

cdef class Calendar:
    cdef Entry *entries
    cdef int64_t capacity
    cdef int64_t count
    cdef int64_t seq

    cdef int add(self, int64_t at, int kind, int32_t subject, int64_t stamp) except -1
    cdef int64_t next_at(self) noexcept nogil
    cdef Entry take(self) noexcept nogil
