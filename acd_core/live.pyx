# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""The live contacts by their ids: a dict of ids to slots that keeps neither, since rows and ids are in columns anyway.

They are found by a hash of the id, from which nothing follows that can be seen: who asks for all gets them in the order of
their arrival. That is seldom, so they are sorted then and not kept in it.
"""

cimport cython
from libc.stdint cimport int32_t, int64_t, uint32_t
from libc.stdlib cimport free, malloc, qsort

from acd_core.containers cimport Search, TagTable
from acd_core.ids cimport Id, Ids
from acd_core.names cimport tag_of
from acd_core.tables cimport Tables
from acd_core.types cimport CONTACT_FREE, NONE, Contact


cdef enum:
    SORTED_LEAST = 8192       # room for as many is made, so that a few who are asked for are not sorted again and again


# When a contact came, by its number, and its slot.
cdef struct Arrival:
    int64_t seq
    int32_t slot


cdef int _by_arrival(const void *a, const void *b) noexcept nogil:
    return 1 if (<const Arrival *>a).seq > (<const Arrival *>b).seq else -1


@cython.final
cdef class Live:
    """The live contacts of one engine, over the rows of its tables and the column of their ids."""

    def __cinit__(self, Tables tables, Ids ids):
        self.tables = tables
        self.ids = ids
        self.slots = TagTable()

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
        self.slots.enter(self.ids.rows[slot].tag, slot, &self.ids.rows[0].tag, sizeof(Id))
        return 0

    cdef int remove(self, int32_t slot) except -1:
        """A contact that is here lives no longer; its id is still in its column."""
        self.slots.leave(self.ids.rows[slot].tag, slot)
        return 0

    cdef list first(self, int64_t most, const char *queues, int state):
        """The slots of those who came first, in the order of their arrival: `most` of them, or all for 0 and less.

        All rows are looked at that there ever were until all live ones were seen, some nanoseconds each.

        Args:
            queues: for each queue, whether its contacts count; NULL for all queues.
            state: which they are in; NONE for any.
        """
        cdef const Contact *rows = self.tables.contacts
        cdef const Contact *row
        cdef int64_t count = 0, seen = 0, live = self.slots.used, room = live, last = -1
        cdef int32_t slot
        cdef Arrival *found
        if not 0 < most < live:
            most = live
        room = min(live, max(2 * most, <int64_t>SORTED_LEAST))
        found = <Arrival *>malloc(<size_t>(room + 1) * sizeof(Arrival))
        if found == NULL:
            raise MemoryError(f"cannot hold {room} contacts")
        try:
            for slot in range(self.tables.contact_count):
                if seen == live:
                    break
                row = &rows[slot]
                if row.state == CONTACT_FREE:
                    continue
                seen += 1
                if state != NONE and row.state != state:
                    continue
                if (queues != NULL and not queues[row.queue]) or (last >= 0 and row.seq > last):
                    continue
                if count == room:  # who came later than so many others is not looked at any more
                    qsort(found, <size_t>count, sizeof(Arrival), _by_arrival)
                    count = most
                    last = found[most - 1].seq
                    if row.seq > last:
                        continue
                found[count].seq = row.seq
                found[count].slot = slot
                count += 1
            qsort(found, <size_t>count, sizeof(Arrival), _by_arrival)
            return [found[place].slot for place in range(min(count, most))]
        finally:
            free(found)

    cpdef list values(self):
        """The slots of all, in the order of their arrival."""
        return self.first(0, NULL, NONE)

    cpdef list items(self):
        """The ids and slots of all, in the order of their arrival."""
        return [(self.ids.get(slot), slot) for slot in self.values()]
