from cpython.ref cimport PyObject
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t
from acd_core.containers cimport TagTable
from acd_core.ids cimport Id

# A contact that is remembered.
cdef struct Memory:
    uint32_t tag              # of its id's hash
    uint32_t size             # of its id in bytes
    int64_t start             # of its id in Ended.letters, were that without end
    uint8_t width             # of a character of its id
    uint8_t reason            # index into views.END_REASONS
    PyObject *client          # owned

cdef class Ended:
    cdef Memory *memories     # a ring
    cdef int64_t room         # a power of two, as is letter_room
    cdef int64_t first        # the oldest, were the ring without end
    cdef int64_t count
    cdef TagTable places      # by hash, in `memories`
    cdef char *letters        # ids, one after the other, in a ring
    cdef int64_t letter_room
    cdef int64_t letters_end

    cdef tuple get(self, str contact)
    cdef object client_of(self, int32_t place)
    cdef int add(self, str contact, int reason, object client, int64_t most) except -1
    cdef int add_id(self, const Id *found, const char *letters, int reason, object client, int64_t most) except -1
    cdef void keep(self, int64_t most)
    cdef list items(self)
    cdef int32_t find_tagged(self, str contact, uint32_t tag) noexcept
    cdef bint _is(self, Memory *memory, str contact) noexcept
    cdef str _id(self, Memory *memory)
    cdef int _grow(self) except -1
    cdef int _grow_letters(self, int64_t needed) except -1
