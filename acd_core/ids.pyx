# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""Ids by slot, without a Python object for each.

There may be very many, most of them short, and each is looked at whenever its contact is: a row holds the letters of a short
one, and the address of a long one's, beside the hash by which it is found.
"""

cimport cython
from libc.stdint cimport int32_t, uint8_t, uint32_t
from libc.stdlib cimport free, malloc

from acd_core.containers cimport reserve
from acd_core.json_text cimport copy, is_plain_text
from acd_core.memory cimport release

cdef extern from "Python.h":
    bint PyUnicode_IS_ASCII(str text) noexcept
    str PyUnicode_FromKindAndData(int kind, const void *letters, Py_ssize_t length)


@cython.final
cdef class Ids:
    """The ids of one table."""

    def __dealloc__(self):
        cdef int32_t slot
        for slot in range(<int32_t>self.capacity):
            self.clear(slot)
        release(self.rows)

    cdef int put(self, int32_t slot, str text, uint32_t tag) except -1:
        """Give a slot, which has no id, this one, of which this is `tag_of`."""
        cdef int width = PyUnicode_KIND(text)
        cdef Py_ssize_t size = PyUnicode_GET_LENGTH(text) * width
        cdef const char *letters = <const char *>PyUnicode_DATA(text)
        cdef char *place
        cdef Id *row
        cdef bint plain = PyUnicode_IS_ASCII(text) and is_plain_text(letters, size)
        if size > LARGEST:
            raise MemoryError(f"cannot hold an id of {size} bytes")
        reserve(<void **>&self.rows, &self.capacity, slot + 1, sizeof(Id))
        row = &self.rows[slot]
        place = &row.letters[0]
        if size > NEAR:
            place = <char *>malloc(<size_t>size)
            if place == NULL:
                raise MemoryError(f"cannot hold an id of {size} bytes")
            (<char **>&row.letters[0])[0] = place
        copy(place, letters, <size_t>size)
        row.tag = tag
        row.size = <uint32_t>size
        row.width = <uint8_t>width
        row.plain = plain
        return 0

    cdef void clear(self, int32_t slot) noexcept nogil:
        """The slot has no id any more."""
        cdef Id *row = &self.rows[slot]
        if row.size > NEAR:
            free((<char **>&row.letters[0])[0])
        row.size = 0
        row.width = 0

    cdef str get(self, int32_t slot):
        """The id of a slot; None if it has none."""
        cdef Id *row = &self.rows[slot]
        if not row.width:
            return None
        return PyUnicode_FromKindAndData(row.width, self.letters(slot), row.size // row.width)
