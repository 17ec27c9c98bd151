cimport cython
from libc.stdint cimport int32_t, int64_t


@cython.final
cdef class Clients:
    cdef list names           # by number; None for a number not in use
    cdef dict numbers
    cdef int64_t *contacts    # how many contacts each announced that are kept
    cdef int64_t capacity
    cdef int64_t unused       # how many have none, and keep their numbers
    cdef list free
    cdef str last             # who announced the latest
    cdef int32_t last_number

    cdef int32_t _number(self, str client) except -1
    cdef int _forget_unused(self) except -1

    cdef inline int32_t take(self, str client) except -1:
        """The number of the client of one more contact."""
        if client is not self.last or client is None:
            self.last_number = self._number(client)
            self.last = client
        self.unused -= self.contacts[self.last_number] == 0
        self.contacts[self.last_number] += 1
        return self.last_number

    cdef inline void drop(self, int32_t number) noexcept:
        """One contact of a client is gone."""
        self.contacts[number] -= 1
        self.unused += self.contacts[number] == 0
