# cython: boundscheck=False, wraparound=False, auto_pickle=False, autotestdict=False
"""Ways that contacts take into a queue: what follows from the text of a requirement, found out once for all that bring it.

Those that were taken lately are found by the texts themselves, as objects: whoever reads messages keeps one object for a text
that comes again and again. Others are looked up by what the texts say.
"""

cimport cython
from cpython.ref cimport Py_INCREF, Py_XDECREF, PyObject
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset

from acd_core.memory cimport release, zeroed
from acd_core.types cimport NONE

cdef enum:
    PLACES_FIRST = 256
    PLACES_MAX = 131072
    SPARE = 4                 # with so many places for each route that is known, there are enough


@cython.final
cdef class Route:
    """What a requirement means in a queue, until the next change of the configuration."""

    def __cinit__(self, int32_t owner, tuple terms):
        self.owner = owner
        self.terms = terms


@cython.final
cdef class RoutesTaken:
    """Routes by the objects that called them. To be forgotten when what texts mean changes.

    A text that is made anew for each contact takes the place of another, so their number grows with the routes that are known,
    and not with the texts that come.
    """

    def __cinit__(self):
        self.mask = PLACES_FIRST - 1
        self.rows = <Taken *>zeroed(PLACES_FIRST * sizeof(Taken))
        if self.rows == NULL:
            raise MemoryError

    def __dealloc__(self):
        if self.rows != NULL:
            self.forget()
            release(self.rows)

    cdef Taken *remember(
        self, str tenant, str queue, str require, int32_t target, int32_t owner, tuple terms, int64_t known
    ) except NULL:
        """These call a queue and, in it, a class and what is asked. They are kept, so that no other object takes their place.

        What is given stays where it is until the next call, also when it is forgotten meanwhile. `known`: how many routes there are, so that others have room beside them.
        """
        cdef Taken *row
        cdef Taken former
        cdef int place
        if 3 * self.count > self.mask and self.mask < min(SPARE * known, <int64_t>PLACES_MAX - 1):
            self._grow()
        row = self._room(self.place(<PyObject *>tenant, <PyObject *>queue, <PyObject *>require))
        former = row[0]
        self.count += former.tenant == NULL
        Py_INCREF(tenant)
        Py_INCREF(queue)
        Py_INCREF(require)
        Py_INCREF(terms)
        row.tenant = <PyObject *>tenant
        row.queue = <PyObject *>queue
        row.require = <PyObject *>require
        row.terms = <PyObject *>terms
        row.target = target
        row.owner = owner
        row.pace = NONE
        for place in range(REMEMBERED):
            row.lines[place] = NONE
            row.priorities[place] = 0
        _let_go(&former)
        return row

    cdef void forget(self) noexcept:
        """Know none any more."""
        cdef Taken former
        cdef int64_t place
        for place in range(self.mask + 1):
            former = self.rows[place]
            memset(&self.rows[place], 0, sizeof(Taken))
            _let_go(&former)
        self.count = 0

    cdef Taken *_room(self, int64_t place) noexcept:
        """The row at a place or beside it that is free; if none is, the one at that place."""
        if self.rows[place].tenant != NULL and self.rows[place ^ 1].tenant == NULL:
            return &self.rows[place ^ 1]
        return &self.rows[place]

    cdef int _grow(self) except -1:
        """Twice as many places."""
        cdef int64_t places = self.mask + 1, place
        cdef Taken *old = self.rows
        cdef Taken *row
        cdef Taken *more = <Taken *>zeroed(2 * places * sizeof(Taken))
        if more == NULL:
            raise MemoryError
        self.rows = more
        self.mask = 2 * places - 1
        self.count = 0
        for place in range(places):
            if old[place].tenant == NULL:
                continue
            row = self._room(self.place(old[place].tenant, old[place].queue, old[place].require))
            if row.tenant == NULL:
                row[0] = old[place]
                self.count += 1
            else:
                _let_go(&old[place])
        release(old)
        return 0


cdef void _let_go(Taken *row) noexcept:
    """Nothing is kept any more of what a row named."""
    Py_XDECREF(row.tenant)
    Py_XDECREF(row.queue)
    Py_XDECREF(row.require)
    Py_XDECREF(row.terms)
