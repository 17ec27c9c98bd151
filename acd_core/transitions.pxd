cimport cython
from libc.stdint cimport int32_t, int64_t
from acd_core.trails cimport Trails
from acd_core.state cimport Record
from acd_core.types cimport INBOUND, NONE, OFFER_GONE, OFFER_UNKNOWN, OK, READY, Agent

cdef int64_t offer_number(str offer) except -1
cdef int64_t offer_number_at(const char *offer, Py_ssize_t length) noexcept nogil
cdef int bucket_of(int64_t duration, int64_t *bounds, int count) noexcept nogil

cdef class Transitions(Trails):
    cdef int _fire(self, int64_t now, int64_t limit) except -1
    cdef int _contact_deadline(self, int32_t contact) except -1
    cdef int _take_step(self, int32_t contact) except -1
    cdef int _leg_deadline(self, int32_t leg) except -1
    cdef int _stay_over(self, int32_t contact) except -1
    cdef int _look_again(self, int32_t contact) except -1
    cdef int64_t _join(self, int32_t contact, object preference) except -1
    cdef int64_t _enter(self, int32_t contact, int32_t agent, object preference) except -1
    cdef int _count_answered(self, int32_t slot, int64_t wait) except -1
    cdef int64_t _leave_by(self, int32_t contact, object rule) except -1
    cdef bint _overflow(self, int32_t contact) except -1
    cdef int _place(self, int32_t contact, bint keep_age) except -1
    cdef int64_t _move(self, int32_t contact, int32_t target, bint keep_age, str cause) except -1
    cdef int _serve_agent(self, int32_t agent) except -1
    cdef int _serve_contact(self, int32_t contact) except -1
    cdef int _serve_by(self, int32_t contact, int32_t agent) except -1
    cdef int _settle(self) except -1
    cdef int32_t _first_served(self) except -2
    cdef bint _tenant_full(self, str tenant) except -1
    cdef int _watch_reserve(self, int32_t slot, int64_t wait, bint in_target) except -1
    cdef int _offer(self, int32_t contact, int32_t agent) except -1
    cdef int32_t _end_offer(self, int32_t leg, int outcome, object cause) except -1
    cdef list _end_offers(self, int32_t contact, int32_t but, object cause)
    cdef int _drop_leg(self, int32_t leg) except -1
    cdef int _outside_due(self, int32_t agent) except -1
    cdef int _requeue(self, int32_t contact) except -1
    cdef int _recall(self, int32_t agent) except -1
    cdef int _offer_missed(self, int32_t leg) except -1
    cdef int _pause_by_itself(self, int32_t agent, int32_t contact, str reason) except -1
    cdef int _cool_down(self, int32_t agent, int32_t contact, int cause, int64_t duration) except -1
    cdef int _end_cooldown(self, int32_t agent) except -1
    cdef int _lighten(self, int32_t agent) except -1
    cdef int _idle(self, int32_t agent) except -1
    cdef void _stand_last(self, int32_t agent) noexcept
    cdef int _log_out(self, int32_t agent) except -1
    cdef int32_t _line_pace(self, int32_t contact) except -2
    cdef int _score(self, int32_t contact, int64_t wait, int64_t rung) except -1
    cdef int _wait(self, int32_t contact) except -1
    cdef int _leave_queue(self, int32_t contact, int reason) except -1
    cdef int _transfer(self, int32_t contact, int32_t target, bint keep_age, str only_agent) except -1
    cdef void _leave_pace(self, int32_t contact, bint lost) noexcept
    cdef int _record_transferred(self, int32_t contact, str to, str outside, str only_agent) except -1
    cdef int _complete(self, int32_t contact, int reason) except -1
    cdef int _wrap_up(self, int32_t leg, int reason) except -1
    cdef int _finish_leg(self, int32_t leg) except -1
    cdef Record *_record_of_leg(self, int kind, int32_t leg) except NULL
    cdef list _wrapups(self, int32_t agent, object contact)
    cdef int _dispose(self, int32_t leg, object disposition) except -1
    cdef int _end(self, int32_t contact, int reason, int32_t agent) except -1
    cdef int _gone(self, str contact) except -1
    cdef int _make_ready(self, int32_t agent) except -1
    cdef int32_t _stop_offering(self, int32_t agent, object cause) except -2

    @cython.final
    cdef inline int _advance(self, int64_t now) except -1:
        """Let time come to `now`: fire what is due, each at its own instant."""
        if self.timers.due(now):
            return self._fire(now, 0)
        if now > self.now:
            self.now = now
        return 0

    @cython.final
    cdef inline bint _can_be_idle(self, int32_t agent) noexcept:
        cdef Agent *row = &self.tables.agents[agent]
        return row.presence == READY and not row.logging_out and row.timer == NONE and not row.resting and self.legs.room(agent) != 0

    @cython.final
    cdef inline void _had_inbound(self, int32_t agent, int direction) noexcept:
        """The agent's time since his last inbound contact begins anew, if this was one."""
        if direction == INBOUND:
            self.tables.agents[agent].inbound_seq = 0

    @cython.final
    cdef inline int _settled(self) except -1:
        """What a command that was carried out gives; those are served first for whom a gate has opened."""
        if self.gates.opened:
            self._settle()
        return OK

    @cython.final
    cdef inline int32_t _leg_of(self, int64_t number) noexcept:
        """The leg that began with an offer; or -2 and below: the negated outcome, less one."""
        cdef int32_t leg
        if not 0 < number <= self.offer_seq:
            return -1 - <int32_t>OFFER_UNKNOWN
        leg = self.legs.numbered(number)
        return leg if leg != NONE else -1 - <int32_t>OFFER_GONE
