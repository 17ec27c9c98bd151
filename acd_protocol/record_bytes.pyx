# cython: auto_pickle=False, autotestdict=False
"""The bytes of a record, put together where they stay; see `acd_protocol.journal_records`, which tells what they mean."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.ref cimport PyObject
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

import hashlib
import zlib

cdef extern from "<endian.h>" nogil:
    uint16_t htole16(uint16_t value)
    uint32_t htole32(uint32_t value)
    uint64_t htole64(uint64_t value)
    uint64_t le64toh(uint64_t value)

cdef extern from "Python.h":
    object new_tuple "PyTuple_Type.tp_new"(PyObject *kind, tuple arguments, PyObject *keywords)  # as a NamedTuple's own

cdef enum:
    # Fields of a Tail.
    UUID = 0
    SEQ = 1
    HASH = 3
    TIME_NS = 4
    # Of a record.
    NAMES_BYTES = 28  # what it begins with, its journal's and the hash before it
    HEAD_BYTES = 64   # all before the payload
    EPOCH_AT = 24     # the place of the epoch; behind it are number and time
    CHECKSUM_BYTES = 4

cdef Py_ssize_t LENGTH_MAX = 0xFFFF_FFFF
cdef object crc32 = zlib.crc32
cdef object blake2b = hashlib.blake2b


cdef inline char *put_16(char *at, uint16_t value) noexcept nogil:
    cdef uint16_t little = htole16(value)
    memcpy(at, &little, 2)
    return at + 2


cdef inline char *put_32(char *at, uint32_t value) noexcept nogil:
    cdef uint32_t little = htole32(value)
    memcpy(at, &little, 4)
    return at + 4


cdef inline char *put_64(char *at, uint64_t value) noexcept nogil:
    cdef uint64_t little = htole64(value)
    memcpy(at, &little, 8)
    return at + 8


cdef inline char *put_bytes(char *at, bytes part) noexcept:
    memcpy(at, PyBytes_AS_STRING(part), PyBytes_GET_SIZE(part))
    return at + PyBytes_GET_SIZE(part)


cpdef bytes record_bytes(
    bytes magic, uint16_t version, object tail, uint16_t kind, uint64_t epoch, int64_t time_ns, uint32_t commands, bytes payload,
):
    """The record that follows `tail`, which is a `Tail`."""
    cdef tuple fields = fields_of(tail, TIME_NS)
    cdef bytes uuid = fields[UUID], previous = fields[HASH]
    cdef bytes head = PyBytes_FromStringAndSize(NULL, HEAD_BYTES)
    cdef bytes record
    cdef Py_ssize_t length
    cdef char *at
    if magic is None or payload is None:
        raise TypeError("a record is made of bytes")
    length = PyBytes_GET_SIZE(payload)
    if length > LENGTH_MAX:
        raise OverflowError(f"a record of {length} bytes is too long")
    if PyBytes_GET_SIZE(magic) + PyBytes_GET_SIZE(uuid) + PyBytes_GET_SIZE(previous) != NAMES_BYTES:
        raise ValueError("a record begins with 4 bytes, its journal is named by 16, and what comes before it by 8")
    at = put_bytes(PyBytes_AS_STRING(head), magic)
    at = put_bytes(put_16(put_16(at, version), kind), uuid)
    at = put_64(put_64(at, epoch), <uint64_t>fields[SEQ] + 1)
    at = put_64(at, <uint64_t>max(time_ns, <int64_t>fields[TIME_NS]))
    put_bytes(put_32(put_32(at, commands), <uint32_t>length), previous)
    record = PyBytes_FromStringAndSize(NULL, PyBytes_GET_SIZE(head) + length + CHECKSUM_BYTES)
    at = put_bytes(put_bytes(PyBytes_AS_STRING(record), head), payload)
    put_32(at, crc32(payload, crc32(head)))
    return record


cpdef object tail_after(object tail, bytes record, bint sealed):
    """The tail that such a record makes."""
    cdef const char *at
    cdef uint64_t epoch, time_ns
    cdef object kind = type(tail)
    cdef tuple fields = fields_of(tail, TIME_NS)
    if record is None or PyBytes_GET_SIZE(record) < HEAD_BYTES:
        raise ValueError("this is no record")
    at = PyBytes_AS_STRING(record) + EPOCH_AT
    memcpy(&epoch, at, 8)
    memcpy(&time_ns, at + 16, 8)
    return new_tuple(
        <PyObject *>kind,
        ((
            fields[UUID], <uint64_t>fields[SEQ] + 1, le64toh(epoch), blake2b(record, digest_size=8).digest(),
            <int64_t>le64toh(time_ns), sealed,
        ),),
        NULL,
    )
