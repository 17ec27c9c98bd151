# cython: auto_pickle=False, autotestdict=False
"""The payload of the journal's next batch, written command by command: MessagePack, as `encode_ticks` writes it."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.ref cimport PyObject
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from acd_core.json_text cimport JsonText, blocks, utf8_of

cdef extern from "<endian.h>" nogil:
    uint16_t htobe16(uint16_t value)
    uint32_t htobe32(uint32_t value)
    uint64_t htobe64(uint64_t value)

cdef enum:
    HEAD_MAX = 9
    BLOCK = 16  # so many bytes are copied at a time
    ARRAY_OF_2 = 0x92
    UINT_8 = 0xCC
    UINT_16 = 0xCD
    UINT_32 = 0xCE
    UINT_64 = 0xCF
    STR_SHORT = 0xA0
    STR_8 = 0xD9
    STR_16 = 0xDA
    STR_32 = 0xDB
    BIN_8 = 0xC4
    BIN_16 = 0xC5
    BIN_32 = 0xC6
    ARRAY_SHORT = 0x90
    ARRAY_16 = 0xDC
    ARRAY_32 = 0xDD


cdef inline Py_ssize_t head_8(char *at, uint8_t kind, uint64_t value) noexcept nogil:
    at[0] = <char>kind
    at[1] = <char>value
    return 2


cdef inline Py_ssize_t head_16(char *at, uint8_t kind, uint64_t value) noexcept nogil:
    cdef uint16_t big = htobe16(<uint16_t>value)
    at[0] = <char>kind
    memcpy(at + 1, &big, 2)
    return 3


cdef inline Py_ssize_t head_32(char *at, uint8_t kind, uint64_t value) noexcept nogil:
    cdef uint32_t big = htobe32(<uint32_t>value)
    at[0] = <char>kind
    memcpy(at + 1, &big, 4)
    return 5


cdef inline Py_ssize_t head_64(char *at, uint8_t kind, uint64_t value) noexcept nogil:
    cdef uint64_t big = htobe64(value)
    at[0] = <char>kind
    memcpy(at + 1, &big, 8)
    return 9


cdef inline Py_ssize_t of_text(char *at, Py_ssize_t length) noexcept nogil:
    if length < 32:
        at[0] = <char>(STR_SHORT | length)
        return 1
    if length < 1 << 8:
        return head_8(at, STR_8, length)
    return head_16(at, STR_16, length) if length < 1 << 16 else head_32(at, STR_32, length)


cdef inline Py_ssize_t of_bytes(char *at, Py_ssize_t length) noexcept nogil:
    if length < 1 << 8:
        return head_8(at, BIN_8, length)
    return head_16(at, BIN_16, length) if length < 1 << 16 else head_32(at, BIN_32, length)


cdef inline Py_ssize_t of_array(char *at, int64_t length) noexcept nogil:
    if length < 16:
        at[0] = <char>(ARRAY_SHORT | length)
        return 1
    return head_16(at, ARRAY_16, length) if length < 1 << 16 else head_32(at, ARRAY_32, length)


cdef inline Py_ssize_t of_number(char *at, uint64_t value) noexcept nogil:
    if value < 1 << 7:
        at[0] = <char>value
        return 1
    if value < 1 << 8:
        return head_8(at, UINT_8, value)
    if value < 1 << 16:
        return head_16(at, UINT_16, value)
    return head_32(at, UINT_32, value) if value >> 32 == 0 else head_64(at, UINT_64, value)


cdef class BatchText:
    """See the module.

    Attributes:
        ticks: how many are closed.
        commands: how many are in those.
        line_bytes: of the lines of all commands, those of the open tick included.
        time_ns: engine time of the tick that was closed last.
    """

    def __cinit__(self):
        self._tick = JsonText()
        self._ticks = JsonText()
        self._head = JsonText()

    cdef int add(self, str client, const char *line, Py_ssize_t length) except -1:
        """Write a command of the open tick."""
        cdef JsonText out = self._tick
        cdef char *at
        if <PyObject *>client != <PyObject *>self._client:
            self._set_client(client)
        out.room(self._head.length + BLOCK + HEAD_MAX + length)
        at = blocks(out.start + out.length, self._head.start, self._head.length)
        at += of_bytes(at, length)
        memcpy(at, line, length)
        out.length = at + length - out.start
        self._tick_commands += 1
        self.line_bytes += length
        return 0

    cdef int _set_client(self, str client) except -1:
        """The commands that follow are this client's: what stands before each of them is made once."""
        cdef Py_ssize_t name_length
        cdef const char *name
        cdef char *at
        self._client = None
        name = utf8_of(client, &name_length)
        self._head.length = 0
        self._head.room(1 + HEAD_MAX + name_length + BLOCK)
        at = self._head.start
        at[0] = <char>ARRAY_OF_2
        at += 1
        at += of_text(at, name_length)
        memcpy(at, name, name_length)
        self._head.length = at + name_length - self._head.start
        self._client = client
        return 0

    def add_line(self, str client not None, bytes line not None):
        """Write a command of the open tick."""
        self.add(client, PyBytes_AS_STRING(line), PyBytes_GET_SIZE(line))

    cpdef object close_tick(self, int64_t now):
        """The commands that were added since the last tick are those of one at `now`; gives how many they are."""
        cdef JsonText out = self._ticks
        cdef int64_t commands = self._tick_commands
        out.room(1 + 2 * HEAD_MAX + self._tick.length)
        out.start[out.length] = <char>ARRAY_OF_2
        out.length += 1
        out.length += of_number(out.start + out.length, now)
        out.length += of_array(out.start + out.length, commands)
        if commands:
            out.add(self._tick.start, self._tick.length)
            self._tick.clear()
        self._tick_commands = 0
        self.ticks += 1
        self.commands += commands
        self.time_ns = now
        return commands

    cpdef bytes take(self):
        """The payload of the closed ticks, which are forgotten."""
        cdef char head[HEAD_MAX]
        cdef Py_ssize_t head_length = of_array(head, self.ticks)
        cdef bytes payload = PyBytes_FromStringAndSize(NULL, head_length + self._ticks.length)
        memcpy(PyBytes_AS_STRING(payload), head, head_length)
        if self._ticks.length:  # else there may be no buffer yet, and memcpy must not be told of one
            memcpy(PyBytes_AS_STRING(payload) + head_length, self._ticks.start, self._ticks.length)
        self._ticks.clear()
        self.ticks = 0
        self.commands = 0
        self.line_bytes = 0
        return payload
