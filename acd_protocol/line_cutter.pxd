cdef class LineCutter:
    cdef public Py_ssize_t max_line
    cdef public Py_ssize_t config_max_line
    cdef public object error
    cdef bytearray _pending

    cdef list cut(self, bytes data)
