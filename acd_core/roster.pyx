# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""The agents of a configuration by their ids, in its order: a dict of ids to slots that keeps neither, as in live.pyx."""

cimport cython
from libc.stdint cimport int32_t, int64_t, uint32_t
from libc.stdlib cimport free

from acd_core.containers cimport TagTable, reserve
from acd_core.types cimport NONE


@cython.final
cdef class Roster:
    """The agents of one configuration, over the column of their names."""

    def __cinit__(self, list names):
        self.names = names
        self.slots = TagTable()

    def __dealloc__(self):
        free(self.order)

    def __len__(self):
        return self.count

    def __contains__(self, str agent):
        return self.find(agent) != NONE

    def __getitem__(self, str agent):
        cdef int32_t slot = self.find(agent)
        if slot == NONE:
            raise KeyError(agent)
        return slot

    cdef int32_t find(self, str agent) noexcept:
        """The slot of an agent, or NONE."""
        cdef int64_t place = self.slots.first(<uint32_t>hash(agent))
        while place != NONE:
            if <str>self.names[self.slots.places[place].value] == agent:
                return self.slots.places[place].value
            place = self.slots.following(place)
        return NONE

    def get(self, str agent):
        """The slot of an agent, or None."""
        cdef int32_t slot = self.find(agent)
        return None if slot == NONE else slot

    cdef int make(self, int64_t count) except -1:
        """Room for so many in all."""
        self.slots.make(count)
        return reserve(<void **>&self.order, &self.capacity, count, sizeof(int32_t))

    cdef int add(self, int32_t slot) except -1:
        """The next in the order of the configuration, whose name is in its column."""
        reserve(<void **>&self.order, &self.capacity, self.count + 1, sizeof(int32_t))
        self.order[self.count] = slot
        self.count += 1
        return self.slots.enter(<uint32_t>hash(<str>self.names[slot]), slot)

    cpdef list values(self):
        """The slots of all."""
        cdef int64_t place
        return [self.order[place] for place in range(self.count)]

    cpdef list items(self):
        """The ids and slots of all."""
        cdef int64_t place
        return [(self.names[self.order[place]], self.order[place]) for place in range(self.count)]
