# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""One decision, kept as it was made: who could have been chosen, and by which keys.

Whoever asks about the past feeds a journal to an engine that was told which offer to watch for. When that offer is about
to be made, everything that it was chosen from is copied out. Any other offer pays for one comparison.
"""

from libc.stdint cimport int32_t, int64_t

from acd_core.configured cimport Configured
from acd_core.fixed_point cimport ONE
from acd_core.types cimport HELD_NOWHERE, NONE, RANDOM, Agent, Contact

from acd_core import views


cdef class Decisions(Configured):
    """The state with an eye on one decision; see `Engine`."""

    def watch_offer(self, str offer):
        """See `Machine.watch_offer`."""
        self.watched = views.offer_number(offer)
        self.witnessed = None

    cdef int _witness(self, int32_t contact, int32_t agent, bint agent_looked) except -1:
        """Keep what an offer that is about to be made was chosen from."""
        self._tighten()
        cdef int32_t owner = self.lines.lines[self.tables.contacts[contact].line].owner
        cdef int32_t slot
        cdef Agent *person
        cdef Contact *row
        cdef list agents = [], contacts = []
        cdef list preferred = self.preferences[contact][0] if self.tables.contacts[contact].prefers else []
        for slot in () if agent_looked else self.agent_slots.values():
            person = &self.tables.agents[slot]
            row = &self.tables.contacts[contact]
            if (
                person.open & self.tables.classes[owner].channel
                and self.tables.eligible(slot, owner)
                and (self.tables.queues[row.queue].reserved or not self.gates.withholds(slot))
                and (not row.bound or self._agent_name(slot) in preferred)
            ):
                name = self._agent_name(slot)
                agents.append(views.AgentChoice(
                    agent=name,
                    preference=preferred.index(name) if name in preferred else len(preferred),
                    rank=self.tables.rank_of(slot, row.queue),
                    share=self.gates.above_share(slot, row.queue),
                    precedence=self._precedence(slot, owner),
                    idle_seq=person.idle_seq,
                    occupancy=self.idle.occupancy(slot) if self.tables.queues[row.queue].occupancy_price else 0,
                ))
        for slot in self.contact_slots.values() if agent_looked else ():
            row = &self.tables.contacts[slot]
            owner = self.lines.lines[row.line].owner
            if row.where == HELD_NOWHERE:
                continue
            if (
                self.tables.agents[agent].open & self.tables.classes[owner].channel
                and self.tables.eligible(agent, owner)
                and (self.tables.queues[row.queue].reserved or not self.gates.withholds(agent))
                and not self.gates.at_limit(row.queue)
                and (not row.bound or self._agent_name(agent) in self.preferences[slot][0])
            ):
                contacts.append(views.ContactChoice(
                    contact=self.contact_ids.get(slot),
                    rank=self.tables.rank_of(agent, row.queue),
                    urgency=self._urgency(slot),
                    seq=row.seq,
                ))
        self.witnessed = views.Decision(
            offer=f"o-{self.watched}",
            now_ns=self.now,
            contact=self._contact_view(contact),
            agent=self._agent_view(agent),
            agent_looked=agent_looked,
            agents=tuple(agents),
            contacts=tuple(contacts),
            others=tuple(self.agents()),
            waiting=tuple(self.contacts("", "", 0, "queued")) if agent_looked else (),
            strategy=self.queue_configs[self.tables.contacts[contact].queue].strategy,
            occupancy_price=self.tables.queues[self.tables.contacts[contact].queue].occupancy_price,
        )
        return 0

    cdef int64_t _precedence(self, int32_t agent, int32_t owner) noexcept:
        """What the strategy of the class's queue makes of the agent, and the price of his occupancy; the lowest comes first."""
        cdef int32_t queue = self.tables.classes[owner].queue
        cdef int64_t price
        if queue == NONE:
            return self.tables.agents[agent].units
        if self.tables.queues[queue].strategy >= RANDOM:
            return self.idle.drawn(agent, queue, self.offer_seq + 1)
        price = self.tables.queues[queue].occupancy_price
        if price:
            return self.idle.precedence(agent, owner) * ONE + price * self.idle.occupancy(agent)
        return self.idle.precedence(agent, owner)
