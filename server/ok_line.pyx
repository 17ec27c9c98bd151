# cython: cdivision=True, auto_pickle=False, autotestdict=False
"""The line of a plain `ok`, byte for byte as msgspec encodes `acd_protocol.messages.Ok`."""

from cpython.long cimport PyLong_AsLongLongAndOverflow
from cpython.unicode cimport PyUnicode_1BYTE_DATA, PyUnicode_GET_LENGTH
from libc.stdint cimport int64_t

from acd_core.json_text cimport JsonText

cdef extern from "Python.h":
    bint PyUnicode_IS_COMPACT_ASCII(object text)

cdef enum:
    ID_MAX = 64  # characters of a request's id that is text


cdef bint put_ok(
    JsonText out, int64_t seq, object request_id, bint duplicate, int64_t position, bint estimated, int64_t p50_ms,
    int64_t p90_ms,
) except -1:
    """Write the line that says that a request is carried out; False where its id is of an unusual kind.

    A forecast is given as the machine has it, in milliseconds.
    """
    cdef const unsigned char *text
    cdef Py_ssize_t length, place, before = out.length
    cdef int overflow = 0
    cdef int64_t number
    out.say(b'{"type":"ok","seq":')
    out.number(seq)
    if type(request_id) is int:
        number = PyLong_AsLongLongAndOverflow(request_id, &overflow)
        if overflow or number < 0:
            out.length = before
            return False
        out.say(b',"id":')
        out.number(number)
    elif type(request_id) is str:
        length = PyUnicode_GET_LENGTH(request_id)
        if length > ID_MAX or not PyUnicode_IS_COMPACT_ASCII(request_id):
            out.length = before
            return False
        text = PyUnicode_1BYTE_DATA(request_id)
        for place in range(length):
            if text[place] < 32 or text[place] == 34 or text[place] == 92 or text[place] == 127:
                out.length = before
                return False
        out.say(b',"id":"')
        out.add(<const char *>text, length)
        out.say(b'"')
    elif request_id is not None:
        out.length = before
        return False
    if duplicate:
        out.say(b',"duplicate":true')
    if position:
        out.say(b',"position":')
        out.number(position)
    if estimated:
        out.say(b',"wait_estimate":{"p50":')
        out.number((p50_ms + 500) // 1000)
        out.say(b',"p90":')
        out.number((p90_ms + 500) // 1000)
        out.say(b"}")
    out.say(b"}\n")
    return True


def ok_line(int64_t seq, object request_id, bint duplicate, int64_t position, object estimate=None):
    """The line that `put_ok` writes; None where it does not."""
    cdef JsonText out = JsonText()
    cdef bint written
    if estimate is None:
        written = put_ok(out, seq, request_id, duplicate, position, False, 0, 0)
    else:
        written = put_ok(out, seq, request_id, duplicate, position, True, estimate.p50_ms, estimate.p90_ms)
    return out.taken() if written else None
