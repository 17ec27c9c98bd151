cimport cython
from cpython.ref cimport PyObject
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from acd_core.containers cimport prefetch
from acd_core.types cimport NONE

cdef enum:
    REMEMBERED = 4            # lines of as many priorities


@cython.final
cdef class Route:
    cdef int32_t owner        # the class of a contact that comes this way
    cdef tuple terms          # what it asks itself


# What a contact's queue and requirement were called by, where they led, and what was found there: a line of the cache.
cdef struct Taken:
    PyObject *tenant
    PyObject *queue
    PyObject *require
    PyObject *terms           # what such a contact asks itself
    int32_t target            # its queue
    int32_t owner             # its class
    int32_t pace              # of its line; NONE until one had to wait
    int32_t lines[REMEMBERED]  # of the class, by priority; of several at one place the last that was asked for
    uint8_t priorities[REMEMBERED]


cdef inline bint called(const Taken *taken, str tenant, str queue, str require) noexcept:
    """Whether these very objects called a route."""
    return (
        taken.require == <PyObject *>require and taken.queue == <PyObject *>queue and taken.tenant == <PyObject *>tenant
    )


cdef inline int32_t line_of(const Taken *taken, int priority) noexcept nogil:
    """The line of contacts of a priority, as it was remembered; NONE when it was not."""
    cdef int place = priority % REMEMBERED
    return taken.lines[place] if taken.priorities[place] == priority else NONE


cdef inline void remember_line(Taken *taken, int priority, int32_t line) noexcept nogil:
    """Contacts that come this way with a priority begin in this line."""
    cdef int place = priority % REMEMBERED
    taken.lines[place] = line
    taken.priorities[place] = <uint8_t>priority


@cython.final
cdef class RoutesTaken:
    cdef Taken *rows
    cdef int64_t mask         # places less one; they come in pairs
    cdef int64_t count        # of rows that are in use

    @cython.overflowcheck(False)
    cdef inline int64_t place(self, PyObject *tenant, PyObject *queue, PyObject *require) noexcept nogil:
        """Where a route would be that is called by these, or beside that."""
        cdef uint64_t mixed = (<uint64_t>tenant >> 4) * <uint64_t>0x9E3779B97F4A7C15
        mixed = (mixed ^ (<uint64_t>queue >> 4)) * <uint64_t>0x9E3779B97F4A7C15
        mixed = (mixed ^ (<uint64_t>require >> 4)) * <uint64_t>0x9E3779B97F4A7C15
        return <int64_t>(mixed >> 32) & self.mask

    cdef inline void bring(self, str tenant, str queue, str require) noexcept:
        """Have at hand soon what `find` will look at."""
        prefetch(&self.rows[self.place(<PyObject *>tenant, <PyObject *>queue, <PyObject *>require)])

    cdef inline Taken *find(self, str tenant, str queue, str require) noexcept:
        """The route that these very objects called before; NULL where that is not known, or others have taken its place."""
        cdef int64_t place = self.place(<PyObject *>tenant, <PyObject *>queue, <PyObject *>require)
        if called(&self.rows[place], tenant, queue, require):
            return &self.rows[place]
        place ^= 1
        return &self.rows[place] if called(&self.rows[place], tenant, queue, require) else NULL

    cdef Taken *remember(
        self, str tenant, str queue, str require, int32_t target, int32_t owner, tuple terms, int64_t known
    ) except NULL
    cdef void forget(self) noexcept
    cdef int _grow(self) except -1
    cdef Taken *_room(self, int64_t place) noexcept
