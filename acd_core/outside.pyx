# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""Contacts that agents have from elsewhere, as somebody reports who sees their telephones; see model/outside.py.

Who has none pays for nothing but a look at a mark in his row.
"""

from libc.stdint cimport int32_t, int64_t

from acd_core.timers cimport OF_OUTSIDE
from acd_core.transitions cimport Transitions
from acd_core.types cimport (
    ACTIVITY_BUSY, LEG_OFFERED, LOGGED_OUT, NONE, OFFER_WITHDRAWN, Agent, Details,
)


cdef class OutsideContacts(Transitions):
    """The state with what agents have in hand that did not come from here; see `Engine`."""

    cdef int _report_outside(self, int32_t agent, str channel, int64_t contacts, int64_t until) except -1:
        cdef dict reports = self.agent_outside.setdefault(agent, {})
        cdef object before = reports.pop(channel, None)
        if contacts:
            reports[channel] = [contacts, until]
        if not reports:
            del self.agent_outside[agent]
        self._mind_outside(agent)
        if contacts == (before[0] if before is not None else 0):
            return 0
        return self._outside_changed(agent)

    cdef int _mind_outside(self, int32_t agent) except -1:
        """Enter what is reported of an agent, and set the time at which the first of the reports is too old."""
        cdef Agent *row = &self.tables.agents[agent]
        if row.outside:
            self.timers.disarm(&self.tables.detail_of(agent).outside_timer)
        row.outside = agent in self.agent_outside
        if not row.outside:
            return 0
        self._enter_outside(agent)
        self.tables.detail_of(agent).outside_timer = self.timers.arm(
            min([found[1] for found in self.agent_outside[agent].values()]), 0, agent, OF_OUTSIDE
        )
        return 0

    cdef int _keep_reports(self, int32_t agent, dict reports) except -1:
        """Of what is reported of an agent only this counts from now on."""
        if reports:
            self.agent_outside[agent] = reports
        else:
            self.agent_outside.pop(agent, None)
        return self._mind_outside(agent)

    cdef int _enter_outside(self, int32_t agent) except -1:
        """Enter how many contacts from elsewhere the agent has of each channel."""
        cdef int32_t index, first = agent * self.legs.channel_count
        self.legs.make_outside(self.tables.agent_count)
        for index in range(first, first + self.legs.channel_count):
            self.legs.outside[index] = 0
        for channel, found in self.agent_outside[agent].items():
            self.legs.outside[first + <int32_t>self.channel_ids[channel]] = found[0]
        return 0

    cdef int _outside_due(self, int32_t agent) except -1:
        """Nothing was reported for too long."""
        self._keep_reports(agent, {
            name: found for name, found in self.agent_outside[agent].items() if found[1] > self.now
        })
        return self._outside_changed(agent)

    cdef int _outside_changed(self, int32_t agent) except -1:
        """The agent has more room now, or less: take an offer from him that does not fit any more, or serve him."""
        cdef Agent *row = &self.tables.agents[agent]
        cdef int32_t contact
        cdef int64_t place = 0
        if row.presence == LOGGED_OUT:
            return 0
        contact = self._withdraw_unfit(agent)
        if row.rung:
            self._refresh(agent)
            if self.outside_counts:
                self._stand_last(agent)
            return self._agent_changed(agent)
        if not self.outside_counts:
            place = row.idle_seq if row.idle_seq else self.tables.detail(agent).kept_seq
        self._not_idle(agent)
        self.tables.no_longer_kept(agent)
        self._refresh(agent)
        if contact != NONE:
            self._requeue(contact)
        if place and self._can_be_idle(agent):
            row.idle_seq = place
            self._set_open(agent)
            self.idle.add_again(agent)
            self._agent_changed(agent)
            return self._serve_agent(agent)
        self._lighten(agent)
        if place and not row.idle_seq:
            self.tables.detail_of(agent).kept_seq = place
        return 0

    cdef int32_t _withdraw_unfit(self, int32_t agent) except -2:
        """Take back an offer for which the agent has no room any more; gives its contact, or NONE."""
        cdef int32_t leg = self.tables.agents[agent].legs
        while leg != NONE and self.legs.legs[leg].state != LEG_OFFERED:
            leg = self.legs.legs[leg].next_of_agent
        if leg == NONE or self.legs.room_beside(agent, leg) >> self.tables.queues[self.legs.legs[leg].queue].channel & 1:
            return NONE
        return self._end_offer(leg, OFFER_WITHDRAWN, "agent_outside")

    def check(self):
        """See `Machine.check`."""
        cdef int32_t slot
        cdef Agent *row
        cdef const Details *more
        Transitions.check(self)
        for name, slot in self.agent_slots.items():
            row = &self.tables.agents[slot]
            more = self.tables.detail(slot)
            if row.outside != (slot in self.agent_outside) or row.outside != (more.outside_timer != NONE):
                raise AssertionError(f"reports on {name}")
            if more.kept_seq and row.idle_seq:
                raise AssertionError(f"{name} has two places among the idle")
            if row.outside and row.presence != LOGGED_OUT and row.activity != ACTIVITY_BUSY:
                raise AssertionError(f"{name} is not seen busy")
