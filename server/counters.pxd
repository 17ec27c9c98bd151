cimport cython
from libc.stdint cimport int64_t, uint64_t

cdef enum:
    BUCKETS = 48

cdef extern from *:
    """
    #define acd_bits(value) (64 - __builtin_clzll(value))
    """
    int acd_bits(uint64_t value) noexcept nogil

cdef class Histogram:
    cdef int64_t buckets[BUCKETS]
    cdef readonly int64_t total

    @cython.final
    cdef inline void add(self, int64_t value) noexcept nogil:
        cdef int bits = acd_bits(value) if value > 0 else 0
        self.buckets[bits if bits < BUCKETS else BUCKETS - 1] += 1
        self.total += value

cdef class Counts:
    cdef dict places  # key to its place; never changed, so copies share it
    cdef int64_t *numbers

    cdef Counts copy(self)

cdef class Counters:
    cdef readonly Counts commands
    cdef readonly Counts outcomes
    cdef readonly dict apply_ns
    cdef public int64_t refused_lines
    cdef public int64_t forbidden
    cdef public int64_t logins_refused
    cdef public int64_t reload_failures
    cdef public int64_t audit_failures
    cdef public int64_t requests
    cdef public int64_t ticks
    cdef public int64_t batches
    cdef readonly Histogram batch_commands
    cdef readonly Histogram batch_bytes
    cdef readonly Histogram flush_ns
    cdef readonly Histogram lag_ns
    cdef public int64_t events
    cdef public int64_t events_sent
    cdef public int64_t bytes_in
    cdef public int64_t bytes_out
    cdef public int64_t connections
    cdef public int64_t connections_total
    cdef public int64_t sessions_dropped
    cdef public int64_t sessions_replaced
    cdef public int64_t resumed
    cdef public int64_t gaps
    cdef public int64_t ahead
    cdef public int64_t snapshots
    cdef public int64_t snapshots_failed
    cdef public int64_t snapshot_ns
    cdef public int64_t snapshot_bytes
    cdef public int64_t snapshot_seq
    cdef public int64_t snapshot_taken_ns
    cdef public bint ballast_missing
    cdef public int64_t disk_bytes
    cdef public int64_t disk_free_bytes
    cdef public int64_t internal_errors
