# cython: auto_pickle=False, autotestdict=False
"""One write and its flush at a time, by a thread that never holds the interpreter's lock.

The event loop hands a record over and looks after its connections; a descriptor becomes readable when the record is
durable. On a file system in memory the loop's own thread does both at once, since a flush costs nothing there.
"""

from libc.errno cimport EINTR, errno
from libc.stdint cimport int64_t, uint64_t
from posix.types cimport off_t
from posix.unistd cimport close, read, write

from server.stopwatch cimport stopwatch_ns

import os
import threading

cdef extern from "<sys/eventfd.h>" nogil:
    int eventfd(unsigned int initval, int flags)
    int EFD_CLOEXEC
    int EFD_NONBLOCK

cdef extern from "<unistd.h>" nogil:
    ssize_t pwrite(int fd, const void *data, size_t size, off_t place)
    int fdatasync(int fd)

cdef extern from "<sys/vfs.h>" nogil:
    ctypedef struct statfs_t "struct statfs":
        long f_type
    int fstatfs(int fd, statfs_t *found)

cdef enum:
    TMPFS_MAGIC = 0x01021994
    RAMFS_MAGIC = 0x858458F6


cdef int store(int descriptor, const char *data, size_t size, off_t place) noexcept nogil:
    """Write and flush; gives 0, or what went wrong, negative if that was the flush."""
    cdef ssize_t written
    while size:
        written = pwrite(descriptor, data, size, place)
        if written < 0:
            if errno == EINTR:
                continue
            return errno
        data += written
        place += written
        size -= written
    return -errno if fdatasync(descriptor) else 0


cdef void signal(int event) noexcept nogil:
    cdef uint64_t one = 1
    while write(event, &one, sizeof(one)) < 0 and errno == EINTR:
        pass


cdef void await_signal(int event) noexcept nogil:
    cdef uint64_t count = 0
    while read(event, &count, sizeof(count)) < 0 and errno == EINTR:
        pass


class LaneFailed(Exception):  # noqa: N818
    """A record was not stored. `errno` tells why; `flush`: whether it was written, and the flush failed."""

    def __init__(self, int error):
        super().__init__(os.strerror(abs(error)))
        self.errno = abs(error)
        self.flush = error < 0


cdef int64_t store_at_once(int descriptor, bytes record, int64_t place) except? -2:
    """See `AppendLane.at_once`."""
    cdef int64_t started_ns = stopwatch_ns()
    cdef int outcome = store(descriptor, record, len(record), place)
    if outcome:
        raise LaneFailed(outcome)
    return stopwatch_ns() - started_ns


cdef class AppendLane:
    """See the module."""

    def __cinit__(self):
        self._order = eventfd(0, EFD_CLOEXEC)
        self._done = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)
        if self._order < 0 or self._done < 0:
            raise OSError(errno, os.strerror(errno))
        self._thread = threading.Thread(target=self._serve, name="append", daemon=True)
        self._thread.start()

    def __dealloc__(self):
        # Not before the thread has ended: it holds a reference.
        if self._order >= 0:
            close(self._order)
        if self._done >= 0:
            close(self._done)

    def _serve(self):
        with nogil:
            self._work()

    cdef void _work(self) noexcept nogil:
        while True:
            await_signal(self._order)
            if self._data is NULL:
                return
            self._outcome = store(self._descriptor, self._data, self._size, self._place)
            signal(self._done)

    def fileno(self):
        """Readable when what was ordered is done."""
        return self._done

    cpdef int start(self, int descriptor, bytes record, int64_t place) except -1:
        """Write `record` at a place of a file, and flush it; nothing else may be under way."""
        self._record = record
        self._descriptor = descriptor
        self._place = place
        self._data = record
        self._size = len(record)
        self._started_ns = stopwatch_ns()
        signal(self._order)
        return 0

    cpdef int64_t finish(self) except -1:
        """It is done: gives the nanoseconds that it took. Raises `LaneFailed`."""
        await_signal(self._done)
        self._record = None
        if self._outcome:
            raise LaneFailed(self._outcome)
        return stopwatch_ns() - self._started_ns

    def stop(self):
        """End the thread. Nothing may be under way."""
        self._data = NULL
        signal(self._order)
        self._thread.join()

    @staticmethod
    def at_once(int descriptor, bytes record not None, int64_t place):
        """Write and flush in this thread; gives the nanoseconds that it took. Raises `LaneFailed`."""
        return store_at_once(descriptor, record, place)

    @staticmethod
    def in_memory(int descriptor):
        """Whether a file is on a file system that has no disk."""
        cdef statfs_t found
        return fstatfs(descriptor, &found) == 0 and (found.f_type == TMPFS_MAGIC or found.f_type == RAMFS_MAGIC)
