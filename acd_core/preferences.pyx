# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""Agents whom a contact prefers, by name, for a time.

A contact that takes anybody else meanwhile stands in its line as any other does. One that is bound to those whom it
prefers stands in no line: an agent who becomes free looks at those bound to him one by one.
"""

from libc.stdint cimport int32_t, int64_t

from acd_core.decisions cimport Decisions
from acd_core.state cimport CONTACT_RELAXED
from acd_core.timers cimport OF_PREFERENCE
from acd_core.types cimport HELD_BOUND, NONE, READY, Agent, Contact


cdef class Preferences(Decisions):
    """The state with whom the contacts prefer; see `Engine`."""

    cdef int32_t _agent_for(self, int32_t contact) except -2:
        """The agent who gets a contact, or NONE: one of those whom it prefers, else anybody, unless it is bound."""
        cdef Contact *row = &self.tables.contacts[contact]
        cdef int32_t owner = self.lines.lines[row.line].owner, agent
        if not row.prefers:
            return self._best_agent(row.queue, owner)
        if self.gates.active and self.gates.at_limit(row.queue):
            return NONE
        if self.gates.reserve_count:
            self._tighten()
        for name in self.preferences[contact][0]:
            agent = self.agent_slots.find(name)
            if agent == NONE:
                continue
            if (
                self.tables.agents[agent].open & self.tables.classes[owner].channel
                and self.tables.eligible(agent, owner)
                and (self.tables.queues[row.queue].reserved or not self.gates.withholds(agent))
            ):
                return agent
        return NONE if row.bound else self._best_agent(row.queue, owner)

    cdef int32_t _best_bound(self, int32_t agent, int32_t best) except -2:
        """The contact that a free agent serves first, of `best`, who may be NONE, and those bound to him."""
        cdef int32_t contact, owner
        cdef Agent *person = &self.tables.agents[agent]
        cdef Contact *row
        cdef tuple key, best_key = None
        cdef bint withheld = self.gates.withholds(agent)
        for contact in self.bound_to.get(self._agent_name(agent), ()):
            row = &self.tables.contacts[contact]
            owner = self.lines.lines[row.line].owner
            if (
                row.where != HELD_BOUND
                or not person.open & self.tables.classes[owner].channel
                or not self.tables.eligible(agent, owner)
                or (withheld and not self.tables.queues[row.queue].reserved)
                or (self.gates.active and self.gates.at_limit(row.queue))
            ):
                continue
            if best_key is None and best != NONE:
                best_key = (self.tables.rank_of(agent, self.tables.contacts[best].queue), self._order_key(best))
            key = (self.tables.rank_of(agent, row.queue), self._order_key(contact))
            if best_key is None or key < best_key:
                best = contact
                best_key = key
        return best

    cdef bint _is_deserted(self, int32_t contact) except -1:
        """Whether a contact waits in vain for the agents that it is bound to: none of them is there and not paused."""
        cdef Contact *row = &self.tables.contacts[contact]
        cdef int32_t owner = self.lines.lines[row.line].owner
        if not row.bound:
            return False
        for name in self.preferences[contact][0]:
            found = self.agent_slots.get(name)
            if (
                found is not None
                and self.tables.agents[<int32_t>found].presence == READY
                and self.watches.fits(found, owner)
            ):
                return False
        return True

    cdef int _begin_preference(self, int32_t contact, object preference) except -1:
        """From now on the contact prefers some agents; unless it would wait for them in vain."""
        cdef Contact *row = &self.tables.contacts[contact]
        self.preferences[contact] = (list(preference.agents), self.now + preference.ns)
        row.bound = <bint>preference.wait
        if self._is_deserted(contact):
            del self.preferences[contact]
            row.bound = False
            return 0
        row.prefers = True
        if row.bound:
            for name in preference.agents:
                self.bound_to.setdefault(name, set()).add(contact)
        self.tables.contact_detail_of(contact).prefer_timer = self.timers.arm(
            self.now + preference.ns, preference.ns, contact, OF_PREFERENCE
        )
        return 0

    cdef int _judge_preference(self, int32_t contact) except -1:
        """Let a contact that is deserted take anybody at once, and one that is so no longer, wait on."""
        cdef Contact *row = &self.tables.contacts[contact]
        cdef bint deserted = self._is_deserted(contact)
        cdef int64_t until
        if deserted == row.deserted:
            return 0
        row.deserted = deserted
        self.timers.cancel(self.tables.contact_detail_of(contact).prefer_timer)
        until = self.preferences[contact][1]
        self.tables.contact_detail_of(contact).prefer_timer = self.timers.arm(
            self.now if deserted or until < self.now else until, 0, contact, OF_PREFERENCE
        )
        return 0

    cdef int _unbind(self, int32_t contact, str name) except -1:
        cdef set bound = self.bound_to[name]
        bound.remove(contact)
        if not bound:
            del self.bound_to[name]
        return 0

    cdef int _forget_preference(self, int32_t contact) except -1:
        """The contact, which stands nowhere, prefers nobody any more."""
        cdef Contact *row = &self.tables.contacts[contact]
        if not row.prefers:
            return 0
        names, _ = self.preferences.pop(contact)
        if row.bound:
            for name in names:
                self._unbind(contact, name)
        row.prefers = False
        row.bound = False
        row.deserted = False
        self.timers.disarm(&self.tables.contact_detail_of(contact).prefer_timer)
        return 0

    cdef int _end_preference(self, int32_t contact) except -1:
        """Anybody will do. The contact stands in line again when it is served."""
        cdef int32_t leg = self.legs.foremost_of_contact(contact)
        self._leave_line(contact)
        self._forget_preference(contact)
        self._record(
            CONTACT_RELAXED, contact, self.legs.legs[leg].agent if leg != NONE else NONE,
            self.tables.contacts[contact].queue,
        )
        return 0

    cdef int _note_last_agent(self, int32_t contact, int32_t agent) except -1:
        """The agent talks with the contact's caller, if that is known."""
        cdef object caller
        if not self.contact_wishes:
            return 0
        caller = self._wishes(contact).caller
        if caller:
            key = (self.queue_configs[self.tables.contacts[contact].queue].tenant, caller)
            self.last_agents[key] = self._agent_name(agent)
            self.last_agents.move_to_end(key)
            self._forget()
        return 0

    def check(self):
        """See `Machine.check`."""
        cdef int32_t slot
        cdef Contact *row
        Decisions.check(self)
        bound = {}
        for name, slot in self.contact_slots.items():
            row = &self.tables.contacts[slot]
            if row.prefers != (self.tables.contact_detail(slot).prefer_timer != NONE) or row.prefers != (slot in self.preferences):
                raise AssertionError(f"the preference of {name}")
            if row.deserted != self._is_deserted(slot):
                raise AssertionError(f"those whom {name} prefers are judged wrongly")
            for agent in self.preferences[slot][0] if row.bound else ():
                bound.setdefault(agent, set()).add(slot)
        if bound != self.bound_to:
            raise AssertionError("contacts are bound to agents by one account only")
