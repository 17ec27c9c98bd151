# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""Who announced the contacts: a number for each client, so that a contact's row names him.

There are few clients, and most contacts come from the same as the one before. Numbers of clients without contacts are kept
for a while, since they mostly come back.
"""

cimport cython
from libc.stdint cimport int32_t, int64_t

from acd_core.containers cimport reserve
from acd_core.memory cimport release

cdef enum:
    UNUSED_KEPT = 256


@cython.final
cdef class Clients:
    """The clients of one engine's contacts."""

    def __cinit__(self):
        self.names = []
        self.numbers = {}
        self.free = []

    def __dealloc__(self):
        release(self.contacts)

    cdef int32_t _number(self, str client) except -1:
        """The number of a client; a new one for somebody new."""
        cdef int32_t number
        if client is None:
            raise TypeError("a contact is announced by a client, not by None")
        found = self.numbers.get(client)
        if found is not None:
            return found
        if self.unused > UNUSED_KEPT:
            self._forget_unused()
        if self.free:
            number = self.free.pop()
        else:
            number = <int32_t>len(self.names)
            reserve(<void **>&self.contacts, &self.capacity, number + 1, sizeof(int64_t))
            self.names.append(None)
        self.names[number] = client
        self.numbers[client] = number
        self.contacts[number] = 0
        self.unused += 1
        return number

    cdef int _forget_unused(self) except -1:
        """Give the numbers of those who have no contacts to others."""
        cdef int32_t number
        for number in range(<int32_t>len(self.names)):
            if self.names[number] is not None and self.contacts[number] == 0:
                del self.numbers[self.names[number]]
                self.names[number] = None
                self.free.append(number)
        self.unused = 0
        self.last = None
        return 0
