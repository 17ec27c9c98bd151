from libc.stdint cimport int64_t
from acd_core.json_text cimport JsonText

cdef int put_ok(
    JsonText out, int64_t seq, const char *request_id, Py_ssize_t id_length, bint duplicate, int64_t position,
    bint estimated, int64_t p50_ms, int64_t p90_ms,
) except -1

cdef int put_plain_ok(JsonText out, int64_t seq, const char *request_id, Py_ssize_t id_length) except -1
