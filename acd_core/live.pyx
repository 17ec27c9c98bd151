# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""The live contacts by their ids: a dict of ids to slots that keeps neither, since rows and ids are in columns anyway.

They are found by a hash of the id, from which nothing follows that can be seen: a list has them all in the order of their
arrival.
"""

cimport cython
from libc.stdint cimport int32_t, uint32_t

from acd_core.containers cimport Search, TagTable
from acd_core.ids cimport Id, Ids
from acd_core.names cimport tag_of
from acd_core.tables cimport Tables
from acd_core.types cimport NONE, Contact


@cython.final
cdef class Live:
    """The live contacts of one engine, over the rows of its tables and the column of their ids."""

    def __cinit__(self, Tables tables, Ids ids):
        self.tables = tables
        self.ids = ids
        self.slots = TagTable()
        self.first = NONE
        self.last = NONE

    def __len__(self):
        return self.slots.used

    cdef int32_t find(self, str contact) noexcept:
        """The slot of a contact, or NONE."""
        return self.find_tagged(contact, tag_of(contact))

    cdef int32_t find_tagged(self, str contact, uint32_t tag) noexcept:
        """The same where the tag is known."""
        cdef Search search = self.slots.search(tag)
        cdef int32_t slot = self.slots.found(&search) if contact is not None else NONE
        while slot != NONE:
            self.tables.prefetch_contact(slot)
            if self.ids.rows[slot].tag == tag and self.ids.tells(slot, contact):
                return slot
            slot = self.slots.found(&search)
        return NONE

    def get(self, str contact):
        """The slot of a contact, or None."""
        cdef int32_t slot = self.find(contact)
        return None if slot == NONE else slot

    cdef int add(self, int32_t slot) except -1:
        """A contact has arrived, whose id is in its column and not here."""
        cdef Contact *row = &self.tables.contacts[slot]
        self.slots.enter(self.ids.rows[slot].tag, slot, &self.ids.rows[0].tag, sizeof(Id))
        row.live_prev = self.last
        row.live_next = NONE
        if self.last == NONE:
            self.first = slot
        else:
            self.tables.contacts[self.last].live_next = slot
        self.last = slot
        return 0

    cdef int remove(self, int32_t slot) except -1:
        """A contact that is here lives no longer; its id is still in its column."""
        cdef Contact *row = &self.tables.contacts[slot]
        self.slots.leave(self.ids.rows[slot].tag, slot)
        if row.live_prev == NONE:
            self.first = row.live_next
        else:
            self.tables.contacts[row.live_prev].live_next = row.live_next
        if row.live_next == NONE:
            self.last = row.live_prev
        else:
            self.tables.contacts[row.live_next].live_prev = row.live_prev
        return 0

    cpdef list values(self):
        """The slots of all, in the order of their arrival."""
        cdef list found = []
        cdef int32_t slot = self.first
        while slot != NONE:
            found.append(slot)
            slot = self.tables.contacts[slot].live_next
        return found

    cpdef list items(self):
        """The ids and slots of all, in the order of their arrival."""
        return [(self.ids.get(slot), slot) for slot in self.values()]
