# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""The agents of a configuration by their ids, in its order: a dict of ids to slots that keeps neither, as in live.pyx.

Each configuration makes its own, so that its size is known and nobody ever leaves: a third of the places stays empty.
"""

cimport cython
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from acd_core.containers cimport Tagged, reserve
from acd_core.memory cimport release
from acd_core.names cimport same_name, tag_of
from acd_core.types cimport NONE


@cython.final
cdef class Roster:
    """So many agents, to be added, over the column of their names."""

    def __cinit__(self, list names, int64_t room):
        cdef int64_t place
        self.names = names
        self.room = room
        self.size = room + room // 2 + 1
        reserve(<void **>&self.places, &self.place_capacity, self.size, sizeof(Tagged))
        for place in range(self.size):
            self.places[place].value = NONE

    def __dealloc__(self):
        release(self.places)
        release(self.order)

    def __len__(self):
        return self.count

    def __contains__(self, str agent):
        return self.find(agent) != NONE

    def __getitem__(self, str agent):
        cdef int32_t slot = self.find(agent)
        if slot == NONE:
            raise KeyError(agent)
        return slot

    @cython.overflowcheck(False)
    cdef int64_t _home(self, uint32_t tag) noexcept nogil:
        """The first place that is looked at for a hash."""
        return <int64_t>(<uint64_t>tag * <uint64_t>self.size >> 32)

    cdef int32_t find(self, str agent) noexcept:
        """The slot of an agent, or NONE."""
        cdef uint32_t tag = tag_of(agent)
        cdef int64_t place = self._home(tag)
        if agent is None:
            return NONE
        while self.places[place].value != NONE:
            if self.places[place].tag == tag and same_name(<str>self.names[self.places[place].value], agent):
                return self.places[place].value
            place = place + 1 if place + 1 < self.size else 0
        return NONE

    def get(self, str agent):
        """The slot of an agent, or None."""
        cdef int32_t slot = self.find(agent)
        return None if slot == NONE else slot

    cdef int add(self, int32_t slot) except -1:
        """The next in the order of the configuration, whose name is in its column."""
        cdef uint32_t tag = tag_of(<str>self.names[slot])
        cdef int64_t place = self._home(tag)
        while self.places[place].value != NONE:
            place = place + 1 if place + 1 < self.size else 0
        self.places[place].tag = tag
        self.places[place].value = slot
        if slot != self.count and self.order == NULL:
            reserve(<void **>&self.order, &self.order_capacity, self.room, sizeof(int32_t))
            for place in range(self.count):
                self.order[place] = <int32_t>place
        if self.order != NULL:
            self.order[self.count] = slot
        self.count += 1
        return 0

    cpdef list values(self):
        """The slots of all."""
        cdef int64_t place
        return [self.order[place] if self.order != NULL else <int32_t>place for place in range(self.count)]

    cpdef list items(self):
        """The ids and slots of all."""
        return [(self.names[slot], slot) for slot in self.values()]
