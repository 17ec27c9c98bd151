# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""Agents to whom offers are made in vain; see model/rests.py. Only failed offers cost anything here."""

from libc.stdint cimport int32_t, int64_t

from acd_core.state cimport State


cdef class Rests(State):
    """The state with what makes agents rest; see `Engine`."""

    cdef bint _failed_too_often(self, int32_t agent) except -1:
        """One more offer to him was rejected or timed out. Whether those within the window are too many."""
        cdef list failed = self.agent_failures[agent]
        cdef int32_t most = self.tables.agents[agent].failed_max
        cdef int64_t after = self.now - self.failed_window
        if not most:
            failed.clear()
            return False
        failed.append(self.now)
        failed[:] = [at for at in failed if at > after]
        del failed[:len(failed) - min(most, len(failed))]
        return len(failed) >= most

    def check(self):
        """See `Machine.check`."""
        State.check(self)
        for name, slot in self.agent_slots.items():
            if self.agent_failures[slot] != sorted(self.agent_failures[slot]):
                raise AssertionError(f"offers to {name} failed in another order")
