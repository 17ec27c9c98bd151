from libc.stdint cimport int32_t, int64_t

# A number in a row, or the slot of a row of another table.
cdef struct Field:
    int32_t offset
    int32_t size
    int32_t refers            # index of that table in the list that callers give; NONE for a plain number
    int64_t absent            # what rows have that were dumped before there was this field

cdef object pack(const int64_t *values, int64_t count)
cdef int unpack(object column, int64_t *values, int64_t count) except -1

cdef class Rows:
    cdef readonly int64_t count
    cdef int32_t *slots       # by place
    cdef int32_t *places      # by slot; NONE where the slot is not in use
    cdef int64_t slot_capacity
    cdef int64_t place_capacity

cdef class Layout:
    cdef const char *sample
    cdef int64_t stride
    cdef readonly list names
    cdef Field *fields
    cdef int64_t capacity

    @staticmethod
    cdef Layout of(const void *sample, size_t stride)
    cdef int _add(self, str name, const void *field, size_t size, int32_t refers, int64_t absent) except -1
    cdef int number(self, str name, const void *field, size_t size, int64_t absent=*) except -1
    cdef int numbers(self, str name, const void *first, size_t size, int count) except -1
    cdef int reference(self, str name, const void *field, int32_t table) except -1
    cdef int64_t offset(self, const void *field) noexcept
    cdef dict dump(self, const char *base, Rows rows, list tables)
    cdef dict alike(self, const char *row, int64_t count)
    cdef bint all_like(self, const char *row, dict columns) except -1
    cdef int load(self, dict columns, char *base, int64_t count, list tables) except -1
