cimport cython
from acd_core.containers cimport prefetch
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t
from acd_core.names cimport PyUnicode_DATA, PyUnicode_GET_LENGTH, PyUnicode_KIND, same_letters

cdef enum:
    NEAR = 16                 # bytes of letters that a row has room for; of more it has the address
    LARGEST = 268435455       # bytes of letters that the size of an id can tell

cdef extern from *:
    """
    #include <stdint.h>

    struct acd_id {
        uint32_t tag;
        uint32_t size : 28;
        uint32_t width : 3;
        uint32_t plain : 1;
        char letters[16];
    };
    """
    # An id, letter by letter as Python has it.
    ctypedef struct Id "struct acd_id":
        uint32_t tag              # of its hash
        uint32_t size             # bytes of all letters
        uint8_t width             # bytes of each; 0: there is no id
        uint8_t plain             # it stands in JSON as it is
        char letters[16]          # or where they are


@cython.final
cdef class Ids:
    cdef Id *rows
    cdef int64_t capacity

    cdef inline const char *letters(self, int32_t slot) noexcept nogil:
        """Where the letters of an id are."""
        cdef Id *row = &self.rows[slot]
        if row.size > NEAR:
            return (<char **>&row.letters[0])[0]
        return &row.letters[0]

    cdef inline bint tells(self, int32_t slot, str text) noexcept:
        """Whether this is the id."""
        cdef int width = PyUnicode_KIND(text)
        cdef Py_ssize_t size = PyUnicode_GET_LENGTH(text) * width
        cdef Id *row = &self.rows[slot]
        if row.size != size or row.width != width:
            return False
        return same_letters(self.letters(slot), <const char *>PyUnicode_DATA(text), <size_t>size)

    cdef inline void prefetch_id(self, int32_t slot) noexcept nogil:
        """Bring near what tells the id of a slot, if there is room for it."""
        if slot < self.capacity:
            prefetch(&self.rows[slot])

    cdef int put(self, int32_t slot, str text, uint32_t tag) except -1
    cdef void clear(self, int32_t slot) noexcept nogil
    cdef str get(self, int32_t slot)
