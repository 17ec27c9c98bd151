from libc.stdint cimport int64_t

cdef enum Plain:
    UNUSUAL
    ENQUEUE
    ACCEPT
    COMPLETE
    READY
    WRAPUP_DONE
    ABANDON
    PLAIN_KINDS  # how many, with that of all others

cdef class PlainLine:
    cdef Plain kind
    cdef const char *request_id  # as it stands in the line, NULL for none; there as long as the line is
    cdef Py_ssize_t request_id_length
    # The following are those of the kind; what others have may be left over from a line before.
    cdef str contact  # None where it may be left out
    cdef str tenant
    cdef str queue
    cdef str require
    cdef str agent
    cdef str reason
    cdef str disposition
    cdef int64_t offer  # its number; 0 for an id that no offer has
    cdef const char *offer_id  # as request_id
    cdef Py_ssize_t offer_length
    cdef int priority
    cdef dict attributes

    cdef bint read(self, bytes line) except -1
    cdef bint read_at(self, const char *line, Py_ssize_t length) except -1
    cdef const char *read_first(self, const char *line, const char *stop) except? NULL
    cdef object command(self)
    cdef str offer_text(self)

cdef int plain_kinds(object types) except -1
