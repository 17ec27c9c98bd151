# cython: auto_pickle=False, autotestdict=False
"""Ways that contacts take into a queue: what follows from the text of a requirement, found out once for all that bring it."""

cimport cython
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
