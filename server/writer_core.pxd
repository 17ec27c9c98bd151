from libc.stdint cimport int64_t

from server.append_lane cimport AppendLane
from server.segment_core cimport SegmentCore


cdef class WriterCore:
    cdef public int64_t _epoch
    cdef public int64_t _seq
    cdef public int64_t _errands
    cdef public list _put_off
    cdef public object _inbox
    cdef public object _batch
    cdef public bytes _staged
    cdef public SegmentCore _segments
    cdef public object _on_durable
    cdef public bint at_once
    cdef object lane
    cdef AppendLane real_lane  # the same, where it is one

    cpdef int64_t submit(self, object batch) except? -2
    cpdef int64_t _store(self, int descriptor, bytes record, int64_t place) except? -2
    cpdef object _settle(self)
