cimport cython
from cpython.ref cimport PyObject
from acd_core.event_lines cimport EventLine, LineTaker, Told
from acd_core.json_text cimport JsonText
from server.counters cimport Counters
from server.outlet cimport Outlet
from server.ring cimport EventRing


@cython.final
cdef class Way:
    cdef str client
    cdef object receiver
    cdef Outlet outlet

cdef class RouterCore(LineTaker):
    cdef readonly EventRing ring
    cdef public dict receivers
    cdef public dict subscribers
    cdef Counters _counters
    cdef JsonText _line
    cdef Way _of_contact
    cdef Way _of_agent

    cpdef object hand_out(self, object machine)
    cdef int _begin(self) except -1
    cdef int _hand(self, Told *told) except -1
    cdef int _hand_all(self, Told *told, Py_ssize_t count, PyObject *client) except -1
    cdef int _turn(self, Way way, str client) except -1
    cdef EventLine _deliver(self, Way way, Told *told, EventLine event)
