cimport cython
from libc.stdint cimport int32_t, int64_t, uint32_t
from acd_core.tables cimport Tables
from acd_core.types cimport NONE, Agent, ChannelRow, Leg


@cython.final
cdef class Legs:
    cdef Tables tables
    cdef Leg *legs
    cdef int64_t capacity
    cdef int32_t created
    cdef int32_t free_leg
    cdef int32_t *chains      # by the last bits of an offer's number: the first of the legs that began with such offers
    cdef int64_t chain_capacity
    cdef int64_t chain_mask
    cdef ChannelRow channels[31]
    cdef int32_t channel_count
    cdef bint several         # somebody can hold more than one contact
    cdef int32_t *most        # contacts at once by agent and channel; NULL while nobody has limits of his own
    cdef int64_t most_capacity
    cdef int32_t *outside     # contacts from elsewhere by agent and channel, of those who have any; NULL until somebody has
    cdef int64_t outside_capacity

    cdef int reset(self, list channels, int32_t agents) except -1
    cdef int make_outside(self, int32_t agents) except -1
    cdef int set_capacity(self, int32_t agent, int64_t capacity, list most=*) except -1
    cdef int _own_most(self, int32_t agent, int32_t channel, int32_t most) except -1
    cdef int32_t most_of(self, int32_t agent, int32_t channel) noexcept nogil
    cdef int32_t add(self, int64_t number, int32_t contact, int32_t agent, int32_t queue, int64_t now) except -1
    cdef int make(self, int32_t count) except -1
    cdef int link(self) except -1
    cdef int _chain(self) except -1
    cdef void _append(self, int32_t leg) noexcept nogil
    cdef void _attach(self, int32_t leg) noexcept nogil
    cdef void pass_on(self, int32_t slot, int32_t contact) noexcept nogil
    cdef void detach(self, int32_t leg) noexcept nogil
    cdef int drop(self, int32_t leg) except -1
    cdef uint32_t takes(self, int32_t agent) noexcept nogil
    cdef uint32_t room_beside(self, int32_t agent, int32_t but) noexcept nogil
    cdef int32_t foremost_of_several(self, int32_t agent) noexcept nogil
    cdef int32_t foremost_of_contact(self, int32_t contact) noexcept nogil

    cdef inline int32_t numbered(self, int64_t number) noexcept nogil:
        """The leg that began with the offer of that number, or NONE.

        Numbers rise by one, so their last bits divide them evenly, and there are no fewer chains than legs.
        """
        cdef int32_t leg = self.chains[number & self.chain_mask]
        while leg != NONE and self.legs[leg].number != number:
            leg = self.legs[leg].next_of_number
        return leg

    cdef inline uint32_t room(self, int32_t agent) noexcept nogil:
        """The channels, a bit each, that the agent could have one more contact of beside those that he holds."""
        cdef Agent *person = &self.tables.agents[agent]
        if not self.several and not person.outside:
            return 1 if person.legs == NONE else 0
        return self.room_beside(agent, NONE)

    cdef inline int32_t foremost(self, int32_t agent) noexcept nogil:
        """The agent's oldest conversation, else the offer to him, else his oldest wrap-up; NONE if he holds nothing."""
        cdef Agent *person = &self.tables.agents[agent]
        return person.legs if person.legs == person.last_leg else self.foremost_of_several(agent)
