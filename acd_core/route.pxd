cimport cython
from cpython.ref cimport PyObject
from libc.stdint cimport int32_t, uint8_t, uint64_t
from acd_core.types cimport NONE

cdef enum:
    REMEMBERED = 4            # lines of as many priorities
    TAKEN = 2048              # places of routes that were taken lately
    TAKEN_BITS = 11           # of the number of a place


@cython.final
cdef class Route:
    cdef int32_t owner        # the class of a contact that comes this way
    cdef tuple terms          # what it asks itself
    cdef int32_t pace         # of its line; NONE until one had to wait
    cdef int32_t lines[REMEMBERED]  # of the class, by priority; of several at one place the last that was asked for
    cdef uint8_t priorities[REMEMBERED]

    cdef inline int32_t line_of(self, int priority) noexcept:
        """The line of contacts of a priority, as it was remembered; NONE when it was not."""
        cdef int place = priority % REMEMBERED
        return self.lines[place] if self.priorities[place] == priority else NONE

    cdef inline void remember(self, int priority, int32_t line) noexcept:
        """Contacts that come this way with a priority begin in this line."""
        cdef int place = priority % REMEMBERED
        self.lines[place] = line
        self.priorities[place] = <uint8_t>priority


# What a contact's queue and requirement were called by, and where they led.
cdef struct Taken:
    PyObject *tenant
    PyObject *queue
    PyObject *require
    PyObject *route           # a Route, or None where nothing is required
    int32_t target


@cython.final
cdef class RoutesTaken:
    cdef Taken rows[TAKEN]

    @cython.overflowcheck(False)
    cdef inline Taken *place(self, str tenant, str queue, str require) noexcept:
        """Where a route would be that is called by these."""
        cdef uint64_t mixed = (<uint64_t><PyObject *>tenant >> 4) * <uint64_t>0x9E3779B97F4A7C15
        mixed = (mixed ^ (<uint64_t><PyObject *>queue >> 4)) * <uint64_t>0x9E3779B97F4A7C15
        mixed = (mixed ^ (<uint64_t><PyObject *>require >> 4)) * <uint64_t>0x9E3779B97F4A7C15
        return &self.rows[mixed >> (64 - TAKEN_BITS)]

    cdef inline Taken *find(self, str tenant, str queue, str require) noexcept:
        """What these very objects called the last time; NULL where that is not known, or others may have come between."""
        cdef Taken *row = self.place(tenant, queue, require)
        if row.tenant == <PyObject *>tenant and row.queue == <PyObject *>queue and row.require == <PyObject *>require:
            return row
        return NULL

    cdef int remember(self, str tenant, str queue, str require, int32_t target, Route route) except -1
    cdef void forget(self) noexcept
    cdef void _release(self, Taken *row) noexcept
