cimport cython
from libc.stdint cimport int32_t, uint8_t
from acd_core.types cimport NONE

cdef enum:
    REMEMBERED = 4            # lines of as many priorities


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
