# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""Legs: who holds which contact, and who has room for one more.

A leg joins a contact and an agent from the offer to the end of the wrap-up. Each contact and each agent has a list of
its legs, oldest first; both are short. What a leg takes of its agent's capacity follows from the channel of its queue.
"""

cimport cython
from libc.stdint cimport int32_t, int64_t, uint32_t

from acd_core.containers cimport reserve
from acd_core.memory cimport release
from acd_core.tables cimport Tables
from acd_core.types cimport LEG_CONNECTED, LEG_FREE, LEG_OFFERED, LEG_WRAPUP, NONE, Agent, Contact, Leg

cdef enum:
    CHAINS_MIN = 16


@cython.final
cdef class Legs:
    """All legs of one engine, over the rows of its tables. A slot is used again once its leg is dropped."""

    def __cinit__(self, Tables tables):
        self.tables = tables
        self.free_leg = NONE
        self._chain()

    def __dealloc__(self):
        release(self.legs)
        release(self.chains)
        release(self.most)
        release(self.outside)

    cdef int reset(self, list channels, int32_t agents) except -1:
        """Know these channels, `(units, most_at_once, interruptible)` each; capacities are to be set anew."""
        cdef int32_t index
        for index in range(<int32_t>len(channels)):
            self.channels[index].units, self.channels[index].most, self.channels[index].interruptible = channels[index]
        self.channel_count = <int32_t>len(channels)
        self.several = False
        release(self.most)
        self.most = NULL
        self.most_capacity = 0
        return self.make_outside(agents) if self.outside != NULL else 0

    cdef int make_outside(self, int32_t agents) except -1:
        """Room for the contacts from elsewhere of so many agents."""
        return reserve(
            <void **>&self.outside, &self.outside_capacity, <int64_t>agents * self.channel_count, sizeof(int32_t)
        )

    cdef int set_capacity(self, int32_t agent, int64_t capacity, list most=None) except -1:
        """Give an agent his capacity in units, and the most contacts at once of each channel, where that is not the channel's."""
        cdef Agent *row = &self.tables.agents[agent]
        cdef int32_t index, leg, bound
        row.capacity = <int32_t>capacity
        for index in range(self.channel_count):
            bound = self.channels[index].most
            if most is not None:
                bound = most[index]
                if bound != self.most_of(agent, index):
                    self._own_most(agent, index, bound)
            if self.channel_count > 1 or (bound > 1 and 2 * self.channels[index].units <= capacity):
                self.several = True
            if bound == 0 or self.channels[index].units > capacity:
                self.several = True  # not a question of one or none
        row.units = 0
        leg = row.legs
        while leg != NONE:
            row.units += <int32_t>self.channels[self.tables.queues[self.legs[leg].queue].channel].units
            leg = self.legs[leg].next_of_agent
        return 0

    cdef int _own_most(self, int32_t agent, int32_t channel, int32_t most) except -1:
        """An agent has another limit than his channel."""
        cdef int32_t place
        if self.most == NULL:
            reserve(
                <void **>&self.most, &self.most_capacity, <int64_t>self.tables.agent_count * self.channel_count, sizeof(int32_t)
            )
            for place in range(self.tables.agent_count * self.channel_count):
                self.most[place] = self.channels[place % self.channel_count].most
        self.most[agent * self.channel_count + channel] = most
        return 0

    cdef int32_t most_of(self, int32_t agent, int32_t channel) noexcept nogil:
        """How many contacts of a channel the agent may have at once."""
        return self.channels[channel].most if self.most == NULL else self.most[agent * self.channel_count + channel]

    cdef int32_t add(self, int64_t number, int32_t contact, int32_t agent, int32_t queue, int64_t now) except -1:
        """A new leg, offered, at the end of both lists."""
        cdef int32_t slot = self.free_leg
        cdef Agent *person = &self.tables.agents[agent]
        cdef Leg *leg
        cdef int32_t *chain
        if slot == NONE:
            slot = self.created
            reserve(<void **>&self.legs, &self.capacity, slot + 1, sizeof(Leg))
            self.created += 1
            if slot > self.chain_mask:
                self._chain()
        else:
            self.free_leg = self.legs[slot].next_of_agent
        leg = &self.legs[slot]
        chain = &self.chains[number & self.chain_mask]
        leg.next_of_number = chain[0]
        chain[0] = slot
        leg.state = LEG_OFFERED
        leg.contact = contact
        leg.agent = agent
        leg.queue = queue
        leg.timer = NONE
        leg.number = number
        leg.since = now
        leg.connected = 0
        leg.latest = 0
        self._append(slot)
        person.units += <int32_t>self.channels[self.tables.queues[queue].channel].units
        return slot

    cdef int _chain(self) except -1:
        """Chain all legs anew by the numbers of their offers, with chains for as many legs again."""
        cdef int64_t count = CHAINS_MIN, place
        cdef int32_t slot
        while count < 2 * <int64_t>self.created:
            count *= 2
        reserve(<void **>&self.chains, &self.chain_capacity, count, sizeof(int32_t))
        self.chain_mask = count - 1
        for place in range(count):
            self.chains[place] = NONE
        for slot in range(self.created):
            if self.legs[slot].state != LEG_FREE:
                self.legs[slot].next_of_number = self.chains[self.legs[slot].number & self.chain_mask]
                self.chains[self.legs[slot].number & self.chain_mask] = slot
        return 0

    cdef void _append(self, int32_t slot) noexcept nogil:
        """Put a leg at the end of the lists of its agent and, if it has one, its contact."""
        cdef Leg *leg = &self.legs[slot]
        cdef Agent *person = &self.tables.agents[leg.agent]
        leg.previous_of_agent = person.last_leg
        leg.next_of_agent = NONE
        if person.last_leg == NONE:
            person.legs = slot
        else:
            self.legs[person.last_leg].next_of_agent = slot
        person.last_leg = slot
        leg.previous_of_contact = NONE
        leg.next_of_contact = NONE
        if leg.contact != NONE:
            self._attach(slot)

    cdef void _attach(self, int32_t slot) noexcept nogil:
        """Put a leg at the end of the list of its contact, which has few."""
        cdef Leg *leg = &self.legs[slot]
        cdef Contact *held = &self.tables.contacts[leg.contact]
        cdef int32_t last = held.legs
        leg.next_of_contact = NONE
        if last == NONE:
            leg.previous_of_contact = NONE
            held.legs = slot
            return
        while self.legs[last].next_of_contact != NONE:
            last = self.legs[last].next_of_contact
        leg.previous_of_contact = last
        self.legs[last].next_of_contact = slot

    cdef int make(self, int32_t count) except -1:
        """So many rows at once, zeroed, where there are none; to be filled, oldest first, and then linked."""
        reserve(<void **>&self.legs, &self.capacity, count, sizeof(Leg))
        self.created = count
        return 0

    cdef int link(self) except -1:
        """Enter the rows that `make` made into the lists of their agents and contacts."""
        cdef int32_t slot
        for slot in range(self.created):
            self.legs[slot].timer = NONE
            self._append(slot)
        return self._chain()

    cdef void detach(self, int32_t slot) noexcept nogil:
        """The contact goes on without the agent, who keeps his leg."""
        cdef Leg *leg = &self.legs[slot]
        cdef Contact *held = &self.tables.contacts[leg.contact]
        if leg.previous_of_contact == NONE:
            held.legs = leg.next_of_contact
        else:
            self.legs[leg.previous_of_contact].next_of_contact = leg.next_of_contact
        if leg.next_of_contact != NONE:
            self.legs[leg.next_of_contact].previous_of_contact = leg.previous_of_contact
        leg.contact = NONE

    cdef void pass_on(self, int32_t slot, int32_t contact) noexcept nogil:
        """The agent goes on with another contact, where he comes last."""
        cdef Leg *leg = &self.legs[slot]
        self.detach(slot)
        leg.contact = contact
        self._attach(slot)

    cdef int drop(self, int32_t slot) except -1:
        """Take a leg out of both lists; its timer is not armed any more."""
        cdef Leg *leg = &self.legs[slot]
        cdef Agent *person = &self.tables.agents[leg.agent]
        cdef int32_t *chain = &self.chains[leg.number & self.chain_mask]
        while chain[0] != slot:
            chain = &self.legs[chain[0]].next_of_number
        chain[0] = leg.next_of_number
        person.units -= <int32_t>self.channels[self.tables.queues[leg.queue].channel].units
        if leg.previous_of_agent == NONE:
            person.legs = leg.next_of_agent
        else:
            self.legs[leg.previous_of_agent].next_of_agent = leg.next_of_agent
        if leg.next_of_agent == NONE:
            person.last_leg = leg.previous_of_agent
        else:
            self.legs[leg.next_of_agent].previous_of_agent = leg.previous_of_agent
        if leg.contact != NONE:
            self.detach(slot)
        leg.state = LEG_FREE
        leg.next_of_agent = self.free_leg
        self.free_leg = slot
        return 0

    cdef uint32_t takes(self, int32_t agent) noexcept nogil:
        """The channels, a bit each, that the agent can take a contact of when he holds nothing."""
        cdef uint32_t found = 0
        cdef int32_t index
        for index in range(self.channel_count):
            if (
                self.channels[index].units <= self.tables.agents[agent].capacity
                and self.most_of(agent, index)
            ):
                found |= (<uint32_t>1) << index
        return found

    cdef uint32_t room_beside(self, int32_t agent, int32_t but) noexcept nogil:
        """The same beside all that he holds but one leg."""
        cdef Agent *person = &self.tables.agents[agent]
        cdef int32_t held[31]
        cdef int64_t all_units = 0, firm_units = 0, taken
        cdef int32_t leg, index
        cdef uint32_t found = 0
        for index in range(self.channel_count):
            held[index] = 0
            if person.outside:
                held[index] = self.outside[agent * self.channel_count + index]
                all_units += held[index] * self.channels[index].units
                if not self.channels[index].interruptible:
                    firm_units += held[index] * self.channels[index].units
        leg = person.legs
        while leg != NONE:
            if leg == but:
                leg = self.legs[leg].next_of_agent
                continue
            index = self.tables.queues[self.legs[leg].queue].channel
            held[index] += 1
            all_units += self.channels[index].units
            if not self.channels[index].interruptible:
                firm_units += self.channels[index].units
            leg = self.legs[leg].next_of_agent
        for index in range(self.channel_count):
            taken = all_units if self.channels[index].interruptible else firm_units
            if (
                taken + self.channels[index].units <= person.capacity
                and held[index] < self.most_of(agent, index)
            ):
                found |= (<uint32_t>1) << index
        return found

    cdef int32_t foremost_of_several(self, int32_t agent) noexcept nogil:
        """`foremost` of an agent who holds more than one contact."""
        cdef int32_t leg = self.tables.agents[agent].legs, best = leg
        while leg != NONE:
            if _tells_more(self.legs[leg].state, self.legs[best].state):
                best = leg
            leg = self.legs[leg].next_of_agent
        return best

    cdef int32_t foremost_of_contact(self, int32_t contact) noexcept nogil:
        """The same of a contact."""
        cdef int32_t leg = self.tables.contacts[contact].legs, best = leg
        while leg != NONE:
            if _tells_more(self.legs[leg].state, self.legs[best].state):
                best = leg
            leg = self.legs[leg].next_of_contact
        return best


cdef bint _tells_more(int state, int than) noexcept nogil:
    if state == than or than == LEG_CONNECTED:
        return False
    return state == LEG_CONNECTED or than == LEG_WRAPUP
