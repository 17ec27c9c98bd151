# cython: auto_pickle=False, autotestdict=False
"""Ways that contacts take into a queue: what follows from the text of a requirement, found out once for all that bring it.

Those that were taken lately are found by the texts themselves, as objects: whoever reads messages keeps one object for a text
that comes again and again. Others are looked up by what the texts say.
"""

cimport cython
from cpython.ref cimport Py_INCREF, Py_XDECREF, PyObject
from libc.stdint cimport int32_t

from acd_core.types cimport NONE


@cython.final
cdef class Route:
    """What a requirement means in a queue, until the next change of the configuration."""

    def __cinit__(self, int32_t owner, tuple terms):
        cdef int place
        self.owner = owner
        self.terms = terms
        self.pace = NONE
        for place in range(REMEMBERED):
            self.lines[place] = NONE
            self.priorities[place] = 0


@cython.final
cdef class RoutesTaken:
    """Routes by the objects that called them, of several at one place the last. To be forgotten when what texts mean changes."""

    def __dealloc__(self):
        self.forget()

    cdef int remember(self, str tenant, str queue, str require, int32_t target, Route route) except -1:
        """These call a queue and a route, which may be None. They are kept, so that no other object takes their place."""
        cdef Taken *row = self.place(tenant, queue, require)
        self._release(row)
        Py_INCREF(tenant)
        Py_INCREF(queue)
        Py_INCREF(require)
        Py_INCREF(route)
        row.tenant = <PyObject *>tenant
        row.queue = <PyObject *>queue
        row.require = <PyObject *>require
        row.route = <PyObject *>route
        row.target = target
        return 0

    cdef void forget(self) noexcept:
        """Know none any more."""
        cdef int place
        for place in range(TAKEN):
            self._release(&self.rows[place])

    cdef void _release(self, Taken *row) noexcept:
        cdef Taken former = row[0]
        row.tenant = row.queue = row.require = row.route = NULL
        Py_XDECREF(former.tenant)
        Py_XDECREF(former.queue)
        Py_XDECREF(former.require)
        Py_XDECREF(former.route)
