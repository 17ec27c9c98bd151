from libc.stdint cimport int64_t
from posix.types cimport off_t

cdef int64_t store_at_once(int descriptor, bytes record, int64_t place) except? -2

cdef class AppendLane:
    cdef int _order, _done, _descriptor, _outcome
    cdef const char *_data
    cdef size_t _size
    cdef off_t _place
    cdef int64_t _started_ns
    cdef bytes _record
    cdef object _thread

    cdef void _work(self) noexcept nogil
    cpdef int start(self, int descriptor, bytes record, int64_t place) except -1
    cpdef int64_t finish(self) except -1
