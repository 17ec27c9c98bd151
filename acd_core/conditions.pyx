# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""Conditions on joining a queue and on staying in it, steps that are useless, and closing.

The behaviour is that of model/conditions.py. There all contacts are judged whenever something may have changed; here
only those of queues with such rules, of the classes for which the first agent came or the last one left.
"""

from cpython.ref cimport Py_INCREF, PyObject
from libc.stdint cimport int32_t, int64_t

from acd_core.brought cimport asked_of
from acd_core.preferences cimport Preferences
from acd_core.standing cimport Standing, stand, stands_before
from acd_core.state cimport QUEUE_CLOSED, QUEUE_OPENED, Record
from acd_core.timers cimport OF_CALENDAR, OF_LOOK, OF_STAY
from acd_core.types cimport (
    CONTACT_OFFERED, CONTACT_QUEUED, LOGGED_OUT, NONE, READY, Contact, ContactDetails, Queue,
)
from acd_core.watches cimport Watch
from acd_core.windows cimport Forecast

from acd_core import forecast, requirement
from acd_core.config import ESTIMATE_LOOK_S, JoinRule, ns_of_seconds

cdef object CLOSED_RULE = JoinRule(when="closed")
cdef object FULL_RULE = JoinRule(when="full")
cdef int32_t LINES_OWN_MAX = forecast.LINES_OWN_MAX
cdef int64_t LOOK_NS = ns_of_seconds(ESTIMATE_LOOK_S)
cdef int64_t LOOKS_APART = 1000  # nanoseconds, so that of ten thousand few are looked at in one step


cdef class Conditions(Preferences):
    """The state with what is judged about it; see `Engine`."""

    cdef bint _holds(self, str when, int32_t queue, int32_t owner, int64_t others) except -1:
        """Whether a condition holds for a contact of a class in a queue where so many others wait."""
        cdef Queue *row = &self.tables.queues[queue]
        cdef Watch *watch
        if when == "closed":
            return row.closed
        if when == "full":
            return 0 < row.max_waiting <= others and self._best_agent(queue, owner) == NONE
        watch = self.watches.of(owner)
        return watch.present == 0 if when == "nobody" else watch.able == 0

    cdef object _refusal(self, int32_t queue, int32_t owner, int64_t others, int32_t contact, Standing *standing):
        """The first rule by which a contact, which would be of this class and stand there, may not join a queue, or None."""
        for rule in self.queue_configs[queue].join:
            if rule.over_s is not None:
                if self._best_agent(queue, owner) == NONE and self._waits_longer(
                    queue, contact, standing, ns_of_seconds(rule.over_s) // 1_000_000
                ):
                    return rule
            elif self._holds(rule.when, queue, owner, others):
                return rule
        if self._holds("closed", queue, owner, others):
            return CLOSED_RULE
        return FULL_RULE if self._holds("full", queue, owner, others) else None

    cdef bint _waits_longer(self, int32_t queue, int32_t contact, Standing *standing, int64_t over_ms) except -1:
        """Whether half of such waits take longer, were a contact to join a queue and stand there."""
        cdef tuple asked = asked_of(&self.tables.contacts[contact])
        cdef int32_t pace = self.own_lines.get((queue, asked), NONE) if asked else NONE
        cdef int64_t ahead
        cdef Standing own
        cdef Forecast expected
        if pace == NONE:
            if asked and self.tables.queues[queue].own_lines < LINES_OWN_MAX and not requirement.is_for_one(asked):
                return False  # it would have a line of its own, of which nothing is known
            pace = self.tables.queues[queue].main_pace
        if pace == NONE:
            return False
        ahead = self.paces_of_lines.ahead_of(pace, standing)
        if self.tables.contacts[contact].stands and self.tables.contacts[contact].pace == pace:
            self.lines.stand_for_good(&own, contact)
            ahead -= stands_before(&own, standing)
        expected = self.paces_of_lines.estimate(pace, ahead, ahead, self.now // 1000)
        return expected.known and expected.p50_ms > over_ms

    cdef void _would_stand(self, Standing *standing, int32_t contact, int32_t queue, int32_t stage, bint keep_age) noexcept:
        """Where a contact would stand for good in another queue, at a stage, with its age or without."""
        cdef Contact *row = &self.tables.contacts[contact]
        cdef int64_t level, head_start, since = self.now
        if keep_age:
            since = self.by_hand[contact][4] if row.by_hand else self.tables.since(contact)
        self._start_in(queue, self.tables.stages[stage].points + row.priority, &level, &head_start)
        stand(standing, <int32_t>level, since, row.seq, head_start, 0, self.tables.queues[queue].ageing, NONE, 0)

    cdef bint _is_useless(self, int32_t contact) except -1:
        """Whether the contact should take its next step at once, since nobody could match at this one."""
        cdef Contact *row = &self.tables.contacts[contact]
        if not self.tables.stages[self._stage(contact)].skip or row.step + 1 >= self.tables.plans[self.tables.plan_of(contact)].count:
            return False
        return self.watches.of(self.lines.lines[row.line].owner).present == 0

    cdef int _judge_now(self, int32_t contact) except -1:
        """`_judge` of a contact for which some condition counts."""
        cdef Contact *row = &self.tables.contacts[contact]
        cdef ContactDetails *more
        cdef int32_t stay
        cdef bint useless
        cdef int64_t after
        if row.bound:
            self._judge_preference(contact)
        if self.tables.plans[self.tables.plan_of(contact)].skips:
            useless = self._is_useless(contact)
            if useless != self.tables.contact_detail(contact).useless:
                self.tables.contact_detail_of(contact).useless = useless
                self._arm_step(contact)
        if not self.tables.queues[row.queue].stay_count:
            return 0
        if row.callback or not self.tables.queues[row.queue].looks:
            self._disarm_look(contact)
        elif self.tables.contact_detail(contact).look_timer == NONE:
            self.tables.contact_detail_of(contact).look_timer = self.timers.arm(
                self.now + LOOK_NS + row.seq % LOOKS_APART, LOOK_NS, contact, OF_LOOK
            )
        stay = self._held_against(contact)
        if stay != self.tables.contact_detail(contact).stay:
            self._disarm_stay(contact)
            more = self.tables.contact_detail_of(contact)
            more.stay = stay
            if stay != NONE:
                after = ns_of_seconds(self.queue_configs[row.queue].stay[stay].after_s)
                more.stay_timer = self.timers.arm(self.now + after, after, contact, OF_STAY)
        return 0

    cdef int32_t _held_against(self, int32_t contact) except -2:
        """The first rule by which a contact may not stay in its queue, or NONE. Of callbacks nobody is on the phone."""
        cdef Contact *row = &self.tables.contacts[contact]
        cdef int32_t owner = self.lines.lines[row.line].owner, index = 0
        if row.callback:
            return NONE
        for rule in self.queue_configs[row.queue].stay:
            if rule.over_s is not None:
                if self.tables.contact_detail(contact).seen_ms > ns_of_seconds(rule.over_s) // 1_000_000:
                    return index
            elif self._holds(rule.when, row.queue, owner, 0):
                return index
            index += 1
        return NONE

    cdef int _look(self, int32_t contact) except -1:
        """See how long a contact still has to wait, unless somebody is rung for it."""
        cdef Forecast expected
        if self.tables.contacts[contact].state == CONTACT_QUEUED:
            expected = self._forecast(contact)
            self.tables.contact_detail_of(contact).seen_ms = <int32_t>expected.p50_ms if expected.known else NONE
        return 0

    cdef int _judge_those(self, list contacts) except -1:
        """Judge contacts in the order of their arrival."""
        cdef int32_t contact
        for _, contact in sorted([(self.tables.contacts[contact].seq, contact) for contact in contacts]):
            self._judge(contact)
        return 0

    cdef int _disappoint(self, int32_t contact, int32_t agent) except -1:
        """An agent rejected or missed the contact, which prefers him no more."""
        cdef Contact *row = &self.tables.contacts[contact]
        cdef str name = self._agent_name(agent)
        if not row.prefers or name not in self.preferences[contact][0]:
            return 0
        if len(self.preferences[contact][0]) == 1:
            return self._end_preference(contact)
        self.preferences[contact][0].remove(name)
        if row.bound:
            self._unbind(contact, name)
        return self._judge(contact)

    cdef int _judge_flipped(self, int32_t agent) except -1:
        """Judge whoever may be concerned by an agent who came or left: as the first of a class, or the last one; or
        as one whom contacts wait for.
        """
        cdef int32_t queue, contact
        cdef list found = list(self.bound_to.get(self._agent_name(agent), ()))
        for queue in self.judging_queues:
            for contact in self._waiting_in(queue):
                if self.watches.flipped(self.lines.lines[self.tables.contacts[contact].line].owner):
                    found.append(contact)
        self.watches.settle()
        return self._judge_those(found)

    cdef list _waiting_in(self, int32_t queue):
        """The contacts of a queue that wait or are offered."""
        cdef list found = [], branches = []
        cdef int32_t contact = self.tables.queues[queue].head
        while contact != NONE:
            found.append(contact)
            contact = self.tables.contacts[contact].queue_next
        contact = self.tables.queues[queue].moved
        while contact != NONE or branches:
            if contact == NONE:
                contact = branches.pop()
            found.append(contact)
            if self.tables.moved[contact].next != NONE:
                branches.append(self.tables.moved[contact].next)
            contact = self.tables.moved[contact].child
        return found

    cdef int _set_presence(self, int32_t agent, int presence, object reason) except -1:
        cdef int before = self.tables.agents[agent].presence
        Preferences._set_presence(self, agent, presence, reason)
        if before == presence:
            return 0
        if (self.watches.count and self.watches.presence_changed(
            agent,
            <int32_t>(presence != LOGGED_OUT) - <int32_t>(before != LOGGED_OUT),
            <int32_t>(presence == READY) - <int32_t>(before == READY),
        )) or self.bound_to:
            self._judge_flipped(agent)
        return 0

    def check(self):
        """See `Machine.check`."""
        cdef int32_t slot
        cdef Contact *row
        cdef const ContactDetails *more
        cdef bint looked_at
        Preferences.check(self)
        for name, slot in self.contact_slots.items():
            row = &self.tables.contacts[slot]
            if row.state != CONTACT_QUEUED and row.state != CONTACT_OFFERED:
                continue
            looked_at = self.tables.queues[row.queue].looks and not row.callback
            more = self.tables.contact_detail(slot)
            if looked_at != (more.look_timer != NONE) or (not looked_at and more.seen_ms != NONE):
                raise AssertionError(f"nobody looks at {name}, or in vain")
            if more.stay != self._held_against(slot):
                raise AssertionError(f"{name} is judged wrongly")
            if more.useless != self._is_useless(slot):
                raise AssertionError(f"the step of {name} is judged wrongly")

    # -- closing ------------------------------------------------------------------------------------------------

    cdef int _closing_changed(self, int32_t queue) except -1:
        """Tell when a queue is closed or open in another way than it was last told, and judge those in it whom that concerns."""
        if self._tell_closing(queue) and self.tables.queues[queue].stay_count:
            return self._judge_those(self._waiting_in(queue))
        return 0

    cdef bint _tell_closing(self, int32_t queue) except -1:
        """Tell when a queue is closed or open in another way than it was last told. Whether it is."""
        cdef object closed = self._closed(queue), reason
        cdef Record *record
        if closed == self.queue_told[queue]:
            return False
        self.queue_told[queue] = closed
        self.tables.queues[queue].closed = closed is not None
        if closed is None:
            self._record(QUEUE_OPENED, NONE, NONE, queue)
        else:
            record = self._record(QUEUE_CLOSED, NONE, NONE, queue)
            record.flag = closed[0] == "emergency"
            reason = closed[1]
            Py_INCREF(reason)
            record.text = <PyObject *>reason
        return True

    cdef int _arm_calendar(self, int32_t calendar) except -1:
        """Set the instant of a calendar's next change, if one is known."""
        cdef int32_t timer = self.calendar_timers[calendar]
        if timer != NONE:
            self.calendar_timers[calendar] = NONE
            self.timers.cancel(timer)
        if self.calendar_changes[calendar]:
            self.calendar_timers[calendar] = self.timers.arm(self.calendar_changes[calendar][0], 0, calendar, OF_CALENDAR)
        return 0

    cdef int _calendar_deadline(self, int32_t calendar) except -1:
        """The calendar opens, or closes."""
        self.calendar_open[calendar] = not self.calendar_open[calendar]
        self.calendar_changes[calendar].pop(0)
        self._arm_calendar(calendar)
        return self._calendar_turned(calendar)

    cdef int _calendar_turned(self, int32_t calendar) except -1:
        cdef int32_t queue
        for queue in self.queue_slots.values():
            if self.queue_calendars[queue] == calendar:
                self._closing_changed(queue)
        return 0
