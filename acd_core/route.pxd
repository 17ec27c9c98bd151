from libc.stdint cimport int32_t

cdef class Route:
    cdef int32_t owner        # the class of a contact that comes this way
    cdef tuple terms          # what it asks itself
    cdef int32_t pace         # of its line; NONE until one had to wait
