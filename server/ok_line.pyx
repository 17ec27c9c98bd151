# cython: cdivision=True, auto_pickle=False, autotestdict=False
"""The line of a plain `ok`, byte for byte as msgspec encodes `acd_protocol.messages.Ok`."""

from libc.stdint cimport int64_t

from acd_core.json_text cimport JsonText, NearNumber, copy, put, put_near, put_number

import msgspec

cdef object encode = msgspec.json.Encoder().encode
cdef NearNumber near_seq


cdef inline char *begun(JsonText out, int64_t seq, const char *request_id, Py_ssize_t id_length) except NULL:
    """Number and id, which may be all of it."""
    cdef char *at = put_near(&near_seq, put(out.begin(), b'{"type":"ok","seq":'), seq)
    if id_length:
        at = out.on(put(at, b',"id":'), id_length)
        at = copy(at, request_id, id_length)
    return at


cdef int put_plain_ok(JsonText out, int64_t seq, const char *request_id, Py_ssize_t id_length) except -1:
    """As `put_ok`, of no more than that."""
    out.finish(put(begun(out, seq, request_id, id_length), b"}\n"))
    return 0


cdef int put_ok(
    JsonText out, int64_t seq, const char *request_id, Py_ssize_t id_length, bint duplicate, int64_t position,
    bint estimated, int64_t p50_ms, int64_t p90_ms,
) except -1:
    """Write the line that says that a request is carried out.

    The id is JSON; of no length for none. A forecast is given as the machine has it, in milliseconds.
    """
    cdef char *at = begun(out, seq, request_id, id_length)
    if duplicate:
        at = put(at, b',"duplicate":true')
    if position:
        at = put_number(put(at, b',"position":'), position)
    if estimated:
        at = put_number(put(at, b',"wait_estimate":{"p50":'), (p50_ms + 500) // 1000)
        at = put_number(put(at, b',"p90":'), (p90_ms + 500) // 1000)
        at = put(at, b"}")
    out.finish(put(at, b"}\n"))
    return 0


def ok_line(int64_t seq, object request_id, bint duplicate, int64_t position, object estimate=None):
    """The line that `put_ok` writes."""
    cdef JsonText out = JsonText()
    cdef bytes given = b"" if request_id is None else encode(request_id)
    cdef int64_t p50_ms = 0 if estimate is None else estimate.p50_ms
    cdef int64_t p90_ms = 0 if estimate is None else estimate.p90_ms
    put_ok(out, seq, given, len(given), duplicate, position, estimate is not None, p50_ms, p90_ms)
    return out.taken()
