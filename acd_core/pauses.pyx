# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""Pauses for reasons that are configured: how long they take, and what of an allowance is left.

The behaviour is that of model/pauses.py. Where no reasons are configured, nothing is counted.
"""

from cpython.ref cimport Py_INCREF, PyObject
from libc.stdint cimport int32_t, int64_t

from acd_core.rests cimport Rests
from acd_core.state cimport AGENT_PAUSE_USED_UP, Record
from acd_core.timers cimport OF_PAUSE
from acd_core.types cimport ACTIVITY_NONE, NONE, PAUSED, Agent, Details

from acd_core.config import ns_of_seconds


cdef class Pauses(Rests):
    """The state with its pauses; see `Engine`."""

    cdef int _set_presence(self, int32_t agent, int presence, object reason) except -1:
        Rests._set_presence(self, agent, presence, reason)
        if self.pause_codes:
            self._mind_pause(agent)
        return 0

    cdef int _mind_pause(self, int32_t agent) except -1:
        """Begin or end counting, by what the agent does now."""
        cdef Agent *row = &self.tables.agents[agent]
        cdef Details *more
        cdef int32_t code = NONE
        cdef int64_t left
        if row.presence == PAUSED and row.activity == ACTIVITY_NONE:
            code = self.pause_codes.get(self.agent_pause_reasons.get(agent, ""), NONE)
        if code == self.tables.detail(agent).pause_code:
            return 0
        self._stop_pause(agent)
        if code == NONE:
            return 0
        reason = self.pause_reasons[code]
        uses = self.agent_pauses.setdefault(agent, {})
        found = uses.get(reason.name)
        if found is None or self.now >= found[0] + ns_of_seconds(reason.window_s):
            found = uses[reason.name] = [self.now, 0]
        more = self.tables.detail_of(agent)
        more.pause_code = code
        more.pause_began = self.now
        if reason.allowance_s:
            left = ns_of_seconds(reason.allowance_s) - found[1]
            more.pause_timer = self.timers.arm(self.now + (left if left > 0 else 0), 0, agent, OF_PAUSE)
        return 0

    cdef int _stop_pause(self, int32_t agent) except -1:
        cdef Details *more
        cdef int64_t took
        if self.tables.detail(agent).pause_code == NONE:
            return 0
        more = self.tables.detail_of(agent)
        took = self.now - more.pause_began
        self.timers.disarm(&more.pause_timer)
        reason = self.pause_reasons[more.pause_code]
        self.agent_pauses[agent][reason.name][1] += took
        if reason.paid:
            more.paid_ns += took
        else:
            more.unpaid_ns += took
        more.pause_code = NONE
        more.pause_began = 0
        return 0

    cdef int _allowance_used(self, int32_t agent) except -1:
        cdef Details *more = self.tables.detail_of(agent)
        cdef Record *record
        cdef object name
        reason = self.pause_reasons[more.pause_code]
        self.timers.disarm(&more.pause_timer)
        name = reason.name
        record = self._record(AGENT_PAUSE_USED_UP, NONE, agent, NONE)
        record.a = self.agent_pauses[agent][name][1] + self.now - more.pause_began
        record.b = ns_of_seconds(reason.allowance_s)
        Py_INCREF(name)
        record.text = <PyObject *>name
        return 0

    cdef int _change_pauses(self, object config) except -1:
        """Other reasons may be configured: what was begun under the earlier ones ends now."""
        cdef int32_t agent
        if config.pause_reasons == self.pause_reasons:
            return 0
        for agent in self.agent_slots.values():
            self._stop_pause(agent)
        self.pause_reasons = config.pause_reasons
        self.pause_codes = {reason.name: place for place, reason in enumerate(config.pause_reasons)}
        for agent in self.agent_slots.values():
            known = {
                name: found for name, found in self.agent_pauses.pop(agent, {}).items() if name in self.pause_codes
            }
            if known:
                self.agent_pauses[agent] = known
            self._mind_pause(agent)
        return 0

    def check(self):
        """See `Machine.check`."""
        cdef int32_t slot
        cdef Agent *row
        cdef const Details *more
        Rests.check(self)
        for name, slot in self.agent_slots.items():
            row = &self.tables.agents[slot]
            more = self.tables.detail(slot)
            if more.pause_code != NONE and (row.presence != PAUSED or row.activity != ACTIVITY_NONE):
                raise AssertionError(f"a pause of {name} is counted, and he is not paused")
            if more.pause_timer != NONE and more.pause_code == NONE:
                raise AssertionError(f"an allowance of {name} runs, and no pause")
