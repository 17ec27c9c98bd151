# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""Is anybody there who could serve a class of contacts, whatever he does now?

Only rules on joining and staying, and steps that are skipped, ask that. A class is watched from the first question on:
who is eligible is counted then, and afterwards kept up to date by whoever logs in or out, pauses, comes back or
changes skills. Cost: a look at every agent for the first question, then one look at each watched class for
each such change, and nothing for a class that nobody asks about.
"""

cimport cython
from libc.stdint cimport int32_t

from acd_core.containers cimport reserve
from acd_core.legs cimport Legs
from acd_core.memory cimport release
from acd_core.tables cimport Tables
from acd_core.types cimport LOGGED_OUT, NONE, READY


@cython.final
cdef class Watches:
    """The watched classes of one engine, over the rows of its tables and what the agents can take."""

    def __cinit__(self, Tables tables, Legs legs):
        self.tables = tables
        self.legs = legs

    def __dealloc__(self):
        release(self.items)

    cdef bint fits(self, int32_t agent, int32_t owner) noexcept nogil:
        """Whether the agent could ever be offered contacts of a class, as he is configured now."""
        return self.legs.takes(agent) & self.tables.classes[owner].channel and self.tables.eligible(agent, owner)

    cdef void reset(self) noexcept nogil:
        """Forget all, as the classes were forgotten."""
        self.count = 0

    cdef Watch *of(self, int32_t owner) except NULL:
        """The counts of a class, which is watched from now on. The pointer holds until another class is."""
        cdef Watch *watch
        cdef int32_t agent
        if self.tables.classes[owner].watch != NONE:
            return &self.items[self.tables.classes[owner].watch]
        reserve(<void **>&self.items, &self.capacity, self.count + 1, sizeof(Watch))
        watch = &self.items[self.count]
        self.tables.classes[owner].watch = self.count
        self.count += 1
        watch.owner = owner
        watch.present = 0
        watch.able = 0
        watch.flipped = False
        for agent in range(self.tables.agent_count):
            if self.tables.agents[agent].presence != LOGGED_OUT and self.fits(agent, owner):
                watch.present += 1
                watch.able += self.tables.agents[agent].presence == READY
        return watch

    cdef bint presence_changed(self, int32_t agent, int32_t present_by, int32_t able_by) noexcept nogil:
        """An agent logged in or out (by 1 or -1), can be rung again or not. Whether some class flipped."""
        cdef int32_t index
        cdef bint flipped = False
        for index in range(self.count):
            if self.fits(agent, self.items[index].owner):
                flipped |= self._count(&self.items[index], present_by, able_by)
        return flipped

    cdef void note_fit(self, int32_t agent) noexcept nogil:
        """Before the skills of an agent change: note what he is eligible for."""
        cdef int32_t index
        for index in range(self.count):
            self.items[index].eligible = self.fits(agent, self.items[index].owner)

    cdef bint fit_changed(self, int32_t agent) noexcept nogil:
        """After `note_fit` and the change. Whether some class flipped."""
        cdef int32_t index, by
        cdef bint flipped = False
        cdef int presence = self.tables.agents[agent].presence
        if presence == LOGGED_OUT:
            return False
        for index in range(self.count):
            by = <int32_t>self.fits(agent, self.items[index].owner) - self.items[index].eligible
            if by:
                flipped |= self._count(&self.items[index], by, by if presence == READY else 0)
        return flipped

    cdef bint _count(self, Watch *watch, int32_t present_by, int32_t able_by) noexcept nogil:
        cdef bint anybody = watch.present != 0, anybody_able = watch.able != 0
        watch.present += present_by
        watch.able += able_by
        if anybody != (watch.present != 0) or anybody_able != (watch.able != 0):
            watch.flipped = True
            return True
        return False

    cdef bint flipped(self, int32_t owner) noexcept nogil:
        """Whether a class flipped since `settle`."""
        cdef int32_t watch = self.tables.classes[owner].watch
        return watch != NONE and self.items[watch].flipped

    cdef void settle(self) noexcept nogil:
        """What flipped has been seen."""
        cdef int32_t index
        for index in range(self.count):
            self.items[index].flipped = False
