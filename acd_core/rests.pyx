# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""What makes agents rest beside a cooldown, and how often offers to them were in vain; see model/rests.py.

Where nobody rests from work, only failed offers cost anything here.
"""

from libc.stdint cimport int32_t, int64_t

from acd_core.fixed_point cimport ONE
from acd_core.occupancy cimport USE_FREE, USE_OCCUPIED, time_until
from acd_core.shown cimport Shown
from acd_core.timers cimport OF_REST
from acd_core.types cimport ACTIVITY_COOLDOWN, NONE, Agent, Details

from acd_core import config as configuration


cdef class Rests(Shown):
    """The state with what makes agents rest; see `Engine`."""

    cdef int _set_presence(self, int32_t agent, int presence, object reason) except -1:
        cdef bint before = self.tables.agents[agent].resting
        Shown._set_presence(self, agent, presence, reason)
        if before or self.tables.agents[agent].resting or self.tables.agents[agent].outside:
            self._refresh_plain(agent)
        return 0

    cdef int _take_occupancy(self, int32_t agent) except -1:
        Shown._take_occupancy(self, agent)
        return self._mind_rest(agent)

    cdef int _begin_occupancy(self, int32_t agent) except -1:
        Shown._begin_occupancy(self, agent)
        self.tables.agents[agent].resting = False
        return self._mind_rest(agent)

    cdef int _mind_rest(self, int32_t agent) except -1:
        """His occupancy is known as of now: he may have to rest. Set the time at which that ends, or begins."""
        cdef Agent *row = &self.tables.agents[agent]
        cdef Details *more
        cdef int64_t due_us
        self._stop_rest_timer(agent)
        if not self.rest_most:
            row.resting = False
            return 0
        more = self.tables.detail_of(agent)
        if more.occupancy > self.rest_most:
            row.resting = True
        if row.resting and not row.rung:
            self._not_idle(agent)
        if more.use == (<int>USE_FREE if row.resting else <int>USE_OCCUPIED):
            due_us = time_until(
                more.occupancy, more.use, self.rest_least if row.resting else self.rest_most, self.half_life_us
            )
            more.rest_timer = self.timers.arm(self.now + 1000 * due_us, 0, agent, OF_REST)
        return 0

    cdef int _stop_rest_timer(self, int32_t agent) except -1:
        if self.tables.details != NULL:
            self.timers.disarm(&self.tables.details[agent].rest_timer)
        return 0

    cdef bint _rest_due(self, int32_t agent) except -1:
        """His occupancy has fallen as far as it must, or has risen too far. Whether he may be free now."""
        cdef Agent *row = &self.tables.agents[agent]
        self._stop_rest_timer(agent)
        row.resting = not row.resting
        if row.resting and not row.rung:
            self._not_idle(agent)
        return not row.resting and row.activity == ACTIVITY_COOLDOWN and row.timer == NONE

    cdef bint _change_levels(self, object settings) except -1:
        """Let the levels of occupancy hold that are configured. Whether they are others."""
        cdef int64_t most = 0, least = 0
        levels = configuration.rest_levels(settings)
        if levels is not None:
            most = ONE * <int64_t>levels[0] // 100
            least = ONE * <int64_t>levels[1] // 100
        if most == self.rest_most and least == self.rest_least:
            return False
        self.rest_most = most
        self.rest_least = least
        return True

    cdef int _judge_rests(self) except -1:
        """Another half-life, or other levels, hold: find out anew who rests."""
        cdef int32_t agent
        for agent in self.agent_slots.values():
            if self.rest_most and self.tables.detail(agent).occupancy <= self.rest_least:
                self.tables.agents[agent].resting = False
            self._mind_rest(agent)
        return 0

    cdef bint _failed_too_often(self, int32_t agent) except -1:
        """One more offer to him was rejected or timed out. Whether those within the window are too many."""
        cdef list failed
        cdef int32_t most = self.tables.agents[agent].failed_max
        cdef int64_t after = self.now - self.failed_window
        if not most:
            self.agent_failures.pop(agent, None)
            return False
        failed = self.agent_failures.setdefault(agent, [])
        failed.append(self.now)
        failed[:] = [at for at in failed if at > after]
        del failed[:len(failed) - min(most, len(failed))]
        return len(failed) >= most

    def check(self):
        """See `Machine.check`."""
        cdef int32_t slot
        cdef Agent *row
        cdef const Details *more
        Shown.check(self)
        for name, slot in self.agent_slots.items():
            row = &self.tables.agents[slot]
            more = self.tables.detail(slot)
            if self.half_life_us and more.use != self._use_of(slot):
                raise AssertionError(f"the occupancy of {name} goes another way than he does")
            if (more.rest_timer != NONE) != (
                self.rest_most != 0 and more.use == (<int>USE_FREE if row.resting else <int>USE_OCCUPIED)
            ):
                raise AssertionError(f"the rest of {name}")
            if row.resting and not self.rest_most:
                raise AssertionError(f"{name} rests for nothing")
            failed = self.agent_failures.get(slot, [])
            if failed != sorted(failed):
                raise AssertionError(f"offers to {name} failed in another order")
