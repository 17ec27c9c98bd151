from libc.stdint cimport int64_t


cdef class SegmentCore:
    cdef public object _tail
    cdef public int _descriptor
    cdef public int64_t _end
    cdef public int64_t _size
    cdef public int64_t _look_at  # from here on in the file, each record that was added is told of
    cdef object _foreseen

    cdef bytes stage(self, int64_t epoch, int64_t seq, object batch)
    cdef int foresee(self, bytes record) except -1
    cdef int settle(self, bytes record) except -1
    cpdef int _note(self, object tail, int64_t length) except -1
