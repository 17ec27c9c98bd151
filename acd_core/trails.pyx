# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""What a contact went through: the record of its way from tier to tier, for those that did not just wait and talk."""

from libc.stdint cimport int32_t

from acd_core.places cimport Places

from acd_core import views

cdef Py_ssize_t TRAIL_MAX = views.TRAIL_MAX


cdef class Trails(Places):
    """The state in which contacts leave a trail; see `Engine`."""

    cdef int _note(self, int32_t contact, str why, str to, int32_t agent, int32_t step) except -1:
        """Remember what happens to a contact now."""
        cdef list trail = self.trails.get(contact)
        config = self.queue_configs[self.tables.contacts[contact].queue]
        if trail is None:
            trail = self.trails[contact] = []
        trail.append(views.Passage(
            at_ns=self.now, why=why, queue=config.name, to=to, agent=self._agent_name(agent), step=step,
        ))
        if len(trail) > TRAIL_MAX:
            del trail[0]
        return 0
