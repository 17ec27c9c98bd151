from libc.stdint cimport int64_t

cdef enum Plain:
    UNUSUAL
    ENQUEUE
    ACCEPT
    COMPLETE
    READY

cdef class PlainLine:
    cdef Plain kind
    cdef const signed char *request_id  # as it stands in the line, NULL for none; there as long as the line is
    cdef Py_ssize_t request_id_length
    cdef str contact
    cdef str tenant
    cdef str queue
    cdef str require
    cdef str offer
    cdef str agent
    cdef str reason
    cdef int priority
    cdef dict attributes
    cdef int given
    cdef const signed char *at  # bytes beyond ASCII are below 0
    cdef const signed char *stop

    cdef bint read(self, bytes line) except -1
    cdef bint read_at(self, const char *line, Py_ssize_t length) except -1
    cdef str _known(self, Py_ssize_t least, Py_ssize_t most)
    cdef bint _id(self) noexcept
    cdef object command(self)
    cdef bint _complete(self)
    cdef bint _field(self, const signed char *key, Py_ssize_t length) except -1
    cdef bint _again(self, int field) noexcept
    cdef void _blanks(self) noexcept
    cdef bint _word(self, const signed char **begin, Py_ssize_t *length) noexcept
    cdef str _text(self, Py_ssize_t least, Py_ssize_t most)
    cdef str _name(self)
    cdef bint _digits(self, int64_t *number) noexcept
    cdef object _integer(self)
    cdef dict _pairs(self)
