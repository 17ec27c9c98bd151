cimport cython
from libc.stdint cimport int32_t, int64_t
from acd_core.preferences cimport Preferences
from acd_core.standing cimport Standing
from acd_core.types cimport Contact

cdef class Conditions(Preferences):
    cdef bint _holds(self, str when, int32_t queue, int32_t owner, int64_t others) except -1
    cdef int32_t _held_against(self, int32_t contact) except -2
    cdef object _refusal(self, int32_t queue, int32_t owner, int64_t others, int32_t contact, Standing *standing)
    cdef bint _waits_longer(self, int32_t queue, int32_t contact, Standing *standing, int64_t over_ms) except -1
    cdef void _would_stand(self, Standing *standing, int32_t contact, int32_t queue, int32_t stage, bint keep_age) noexcept
    cdef bint _is_useless(self, int32_t contact) except -1
    cdef int _look(self, int32_t contact) except -1
    cdef int _judge_now(self, int32_t contact) except -1
    cdef int _judge_those(self, list contacts) except -1
    cdef int _judge_flipped(self, int32_t agent) except -1
    cdef int _disappoint(self, int32_t contact, int32_t agent) except -1
    cdef list _waiting_in(self, int32_t queue)
    cdef int _closing_changed(self, int32_t queue) except -1
    cdef bint _tell_closing(self, int32_t queue) except -1
    cdef int _calendar_deadline(self, int32_t calendar) except -1
    cdef int _calendar_turned(self, int32_t calendar) except -1
    cdef int _arm_calendar(self, int32_t calendar) except -1

    @cython.final
    cdef inline int _judge(self, int32_t contact) except -1:
        """Arm or disarm what follows from the conditions that now hold for a contact that waits or is offered."""
        cdef Contact *row = &self.tables.contacts[contact]
        if row.bound or self.tables.plans[self.tables.plan_of(contact)].skips or self.tables.queues[row.queue].stay_count:
            return self._judge_now(contact)
        return 0
