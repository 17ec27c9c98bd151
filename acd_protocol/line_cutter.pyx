# cython: auto_pickle=False, autotestdict=False
"""Cuts a stream of bytes into lines; `framing.LineReader` adds what is to be said of lines that are too long."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memchr

HEAD_BYTES = 128
"""So much of a line is looked at to tell whether it is a configuration."""


cdef class LineCutter:
    """See `framing.LineReader`, which is what others use."""

    def __init__(self, Py_ssize_t max_line, Py_ssize_t config_max_line=0):
        self.max_line = max_line
        self.config_max_line = config_max_line
        self.error = None
        self._pending = bytearray()

    @property
    def pending(self):
        """Bytes of the incomplete line that are kept; at most the limit of that line."""
        return len(self._pending)

    def drop_pending(self):
        """Forget the incomplete line."""
        self._pending = bytearray()

    def feed(self, bytes data):
        """Take what arrived; gives the lines that it completes, without their ends. Empty lines are left out.

        Lines before one that is too long are still given; look at `error` after they are dealt with.
        """
        return self.cut(data)

    cdef list cut(self, bytes data):
        """See `feed`."""
        cdef list lines = []
        cdef const char *begin = PyBytes_AS_STRING(data)
        cdef const char *stop = begin + PyBytes_GET_SIZE(data)
        cdef const char *end
        cdef bytes line, head
        cdef Py_ssize_t held = len(self._pending), length
        if self.error is not None:
            return lines
        while begin < stop:
            end = <const char *>memchr(begin, b"\n", stop - begin)
            length = (end if end != NULL else stop) - begin
            if held + length > self.max_line:
                head = bytes(self._pending[:HEAD_BYTES]) + begin[:min(length, HEAD_BYTES)]
                if self._too_long(head[:HEAD_BYTES], held + length):
                    return lines
            if end == NULL:
                self._pending += begin[:length]
                return lines
            if held:
                self._pending += begin[:length]
                line = bytes(self._pending)
                self._pending.clear()
                held = 0
                if line[len(line) - 1] == 13:
                    line = line[:len(line) - 1]
            else:
                if length and begin[length - 1] == 13:
                    length -= 1
                line = PyBytes_FromStringAndSize(begin, length)
            if line:
                lines.append(line)
            begin = end + 1
        return lines

    def _too_long(self, bytes head, Py_ssize_t length):
        """Whether a line of so many bytes, more than `max_line`, is too long by its first bytes; then sets `error`."""
        raise NotImplementedError
