# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""The calendar of a simulation: what is to happen next, as a binary heap over one C array.

Order is by time, then by when it was entered, so equal seeds give equal runs. Entries are called off by their owner,
who changes the stamp that it compares: nothing is searched. A dead entry stays until its time comes.
"""

from libc.stdint cimport INT64_MAX, int32_t, int64_t

from acd_core.containers cimport reserve
from acd_core.memory cimport release


cdef inline bint _before(Entry *a, Entry *b) noexcept nogil:
    return a.at < b.at or (a.at == b.at and a.seq < b.seq)


cdef class Calendar:
    """A priority queue of `Entry`; `take` gives the earliest."""

    def __dealloc__(self):
        release(self.entries)

    cdef int add(self, int64_t at, int kind, int32_t subject, int64_t stamp) except -1:
        cdef int64_t hole, parent
        cdef Entry entry
        reserve(<void **>&self.entries, &self.capacity, self.count + 1, sizeof(Entry))
        self.seq += 1
        entry.at = at
        entry.seq = self.seq
        entry.kind = kind
        entry.subject = subject
        entry.stamp = stamp
        hole = self.count
        self.count += 1
        while hole:
            parent = (hole - 1) >> 1
            if not _before(&entry, &self.entries[parent]):
                break
            self.entries[hole] = self.entries[parent]
            hole = parent
        self.entries[hole] = entry
        return 0

    cdef int64_t next_at(self) noexcept nogil:
        """When the earliest entry is due; INT64_MAX when there is none."""
        return self.entries[0].at if self.count else INT64_MAX

    cdef Entry take(self) noexcept nogil:
        """The earliest entry, which leaves the calendar. There must be one."""
        cdef Entry first = self.entries[0]
        cdef Entry *last
        cdef int64_t hole = 0, child
        self.count -= 1
        last = &self.entries[self.count]
        while True:
            child = 2 * hole + 1
            if child >= self.count:
                break
            if child + 1 < self.count and _before(&self.entries[child + 1], &self.entries[child]):
                child += 1
            if not _before(&self.entries[child], last):
                break
            self.entries[hole] = self.entries[child]
            hole = child
        self.entries[hole] = last[0]
        return first
