# What contacts brought, as objects of Python: a row has a reference to each, or NULL where there is nothing.

from cpython.dict cimport PyDict_Size
from cpython.ref cimport Py_INCREF, Py_XDECREF, PyObject
from cpython.tuple cimport PyTuple_GET_SIZE
from acd_core.types cimport Contact


cdef inline void _replace(PyObject **kept, object brought, bint empty) noexcept:
    """Refer to this, or if it is empty to nothing, and no longer to what there was."""
    cdef PyObject *former = kept[0]
    kept[0] = NULL
    if not empty:
        Py_INCREF(brought)
        kept[0] = <PyObject *>brought
    Py_XDECREF(former)


cdef inline dict attributes_of(const Contact *row):
    """The attributes of a contact; a new dict where it has none."""
    return <dict>row.attributes if row.attributes != NULL else {}


cdef inline void replace_attributes(Contact *row, dict attributes) noexcept:
    """Let a contact have these, or none, and no longer those that it had."""
    _replace(&row.attributes, attributes, attributes is None or not PyDict_Size(attributes))


cdef inline tuple asked_of(const Contact *row):
    """The terms that a contact itself asks for, see requirement.py."""
    return <tuple>row.asked if row.asked != NULL else ()


cdef inline void replace_asked(Contact *row, tuple asked) noexcept:
    """Let a contact ask for this, and no longer for what it did."""
    _replace(&row.asked, asked, asked is None or not PyTuple_GET_SIZE(asked))


cdef inline void forget_brought(Contact *row) noexcept:
    """The contact is gone."""
    _replace(&row.attributes, None, True)
    _replace(&row.asked, None, True)
