# cython: auto_pickle=False, autotestdict=False
"""The line of a plain `ok`, byte for byte as msgspec encodes `acd_protocol.messages.Ok`."""

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.long cimport PyLong_AsLongLongAndOverflow
from cpython.unicode cimport PyUnicode_1BYTE_DATA, PyUnicode_GET_LENGTH
from libc.stdint cimport int64_t
from libc.string cimport memcpy

from acd_core.json_text cimport digits_of

cdef extern from "Python.h":
    bint PyUnicode_IS_COMPACT_ASCII(object text)

cdef enum:
    ID_MAX = 64  # characters of a request's id that is text
    LINE_MAX = 256  # more than the longest line has


cdef inline char *put(char *at, const char *text, Py_ssize_t length) noexcept nogil:
    memcpy(at, text, length)
    return at + length


cdef char *put_number(char *at, int64_t number) noexcept nogil:
    """Write a number that is 0 or more."""
    cdef char digits[20]
    cdef int64_t count = digits_of(digits + 20, number)
    return put(at, digits + 20 - count, count)


cpdef bytes ok_line(int64_t seq, object request_id, bint duplicate, int64_t position, object estimate=None):
    """The line that says that a request is carried out; None where its id is of an unusual kind.

    A forecast is given as the machine has it, in milliseconds.
    """
    cdef char line[LINE_MAX]
    cdef char *at = put(line, b'{"type":"ok","seq":', 19)
    cdef const unsigned char *text
    cdef Py_ssize_t length, place
    cdef int overflow = 0
    cdef int64_t number
    at = put_number(at, seq)
    if type(request_id) is int:
        number = PyLong_AsLongLongAndOverflow(request_id, &overflow)
        if overflow or number < 0:
            return None
        at = put(at, b',"id":', 6)
        at = put_number(at, number)
    elif type(request_id) is str:
        length = PyUnicode_GET_LENGTH(request_id)
        if length > ID_MAX or not PyUnicode_IS_COMPACT_ASCII(request_id):
            return None
        text = PyUnicode_1BYTE_DATA(request_id)
        for place in range(length):
            if text[place] < 32 or text[place] == 34 or text[place] == 92 or text[place] == 127:
                return None
        at = put(at, b',"id":"', 7)
        at = put(at, <const char *>text, length)
        at = put(at, b'"', 1)
    elif request_id is not None:
        return None
    if duplicate:
        at = put(at, b',"duplicate":true', 17)
    if position:
        at = put(at, b',"position":', 12)
        at = put_number(at, position)
    if estimate is not None:
        at = put(at, b',"wait_estimate":{"p50":', 24)
        at = put_number(at, (<int64_t>estimate.p50_ms + 500) // 1000)
        at = put(at, b',"p90":', 7)
        at = put_number(at, (<int64_t>estimate.p90_ms + 500) // 1000)
        at = put(at, b"}", 1)
    at = put(at, b"}\n", 2)
    return PyBytes_FromStringAndSize(line, at - line)
