# The attributes of contacts: a row has a reference to a dict, or NULL where there are none.

from cpython.ref cimport Py_INCREF, Py_XDECREF, PyObject
from acd_core.types cimport Contact


cdef inline dict attributes_of(const Contact *row):
    """The attributes of a contact; a new dict where it has none."""
    return <dict>row.attributes if row.attributes != NULL else {}


cdef inline void replace_attributes(Contact *row, dict attributes) noexcept:
    """Let a contact have these, or none, and no longer those that it had."""
    cdef PyObject *former = row.attributes
    row.attributes = NULL
    if attributes:
        Py_INCREF(attributes)
        row.attributes = <PyObject *>attributes
    Py_XDECREF(former)
