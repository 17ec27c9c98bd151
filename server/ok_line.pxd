from libc.stdint cimport int64_t

cpdef bytes ok_line(int64_t seq, object request_id, bint duplicate, int64_t position, object estimate=*)
