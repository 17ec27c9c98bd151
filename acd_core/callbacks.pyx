# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""Callers who are called back: contacts that keep their place while nobody is on the phone.

The behaviour is that of model/callbacks.py. What is kept of a callback is a Python object in a dictionary, and its row has
a mark; contacts whose callers wait on the phone pay for nothing but a look at that mark.
"""

from cpython.ref cimport Py_INCREF, PyObject
from libc.stdint cimport int32_t, int64_t

from acd_core.outside cimport OutsideContacts
from acd_core.state cimport CONTACT_CALLBACK, Record
from acd_core.tables cimport connected_of
from acd_core.totals cimport add_to
from acd_core.types cimport (
    CALLBACK_DONE, COMPLETED_AGENT, COMPLETED_CALLER, CONTACT_CONNECTED, CONTACT_OFFERED, CONTACT_PARKED,
    CONTACT_QUEUED, FAILED, LEG_CONNECTED, MAX_WAIT, NONE, Contact,
)

from msgspec.structs import replace

from acd_core import config
from acd_core.config import ns_of_seconds
from acd_core.plan import passed
from acd_core.views import CallbackView

# The rules of a queue that calls no more, and has callbacks left.
cdef object UNCONFIGURED = config.Callback()


cdef class Callbacks(OutsideContacts):
    """The state with callbacks; see `Engine`."""

    cdef int _call_back(self, int32_t contact, str number) except -1:
        """The caller hangs up, and is called back when his turn comes."""
        cdef Contact *row = &self.tables.contacts[contact]
        cdef list rung
        cdef int32_t agent
        configured = self.queue_configs[row.queue]
        rules = configured.callback or UNCONFIGURED
        self.callbacks[contact] = CallbackView(
            number=number, asked_ns=self.now, joined_ns=row.enqueued, due_ns=self.now,
            expires_ns=self.now + ns_of_seconds(rules.expires_s), attempts=0,
        )
        self.callback_numbers[configured.tenant, number] = contact
        row.callback = True
        self.tables.queues[row.queue].callbacks += 1
        row.foreseen = False
        row.wait_expired = False
        rung = self._end_offers(contact, NONE, "callback")
        self._record_callback(contact, "", False)
        if self._calls(row.queue):
            self._arm_contact(contact, self.callbacks[contact].expires_ns, 0)
            self._judge(contact)
            self._serve_contact(contact)
        else:
            self._park(contact)
        for agent in rung:
            if not self.tables.agents[agent].rung:
                self._recall(agent)
        return 0

    cdef int _attempt_failed(self, int32_t contact, str cause) except -1:
        """An agent has the contact, and its caller could not be reached: the agent is free at once."""
        cdef Contact *row = &self.tables.contacts[contact]
        cdef int32_t leg = row.legs, following, agent
        cdef list talking = []
        cdef bint over
        rules = self.queue_configs[row.queue].callback or UNCONFIGURED
        callback = self.callbacks[contact]
        due = self.now + ns_of_seconds(rules.retry_s)
        callback = replace(callback, attempts=callback.attempts + 1, due_ns=due)
        self.callbacks[contact] = callback
        self.tables.queues[row.queue].callbacks_failed += 1
        over = cause == "invalid" or callback.attempts >= rules.attempts_max or due >= callback.expires_ns
        self._record_callback(contact, cause, over)
        while leg != NONE:
            following = self.legs.legs[leg].next_of_contact
            if self.legs.legs[leg].state == LEG_CONNECTED:
                agent = self.legs.legs[leg].agent
                talking.append(agent)
                self._drop_leg(leg)
                if not self.tables.agents[agent].rung:
                    self._not_idle(agent)  # he comes to be free when the contact has its place again
            leg = following
        row.held = False
        if over:
            self._leave_pace(contact, False)
            self._set_state(contact, CONTACT_PARKED)
            self._end(contact, FAILED, talking[0])
        else:
            self._park(contact)
            self._unpark(contact)
        for agent in talking:
            self._lighten(agent)
        return 0

    cdef int _record_callback(self, int32_t contact, str cause, bint over) except -1:
        cdef Contact *row = &self.tables.contacts[contact]
        cdef int32_t leg = self.legs.foremost_of_contact(contact)
        cdef Record *record = self._record(
            CONTACT_CALLBACK, contact, self.legs.legs[leg].agent if leg != NONE else NONE, row.queue
        )
        callback = self.callbacks[contact]
        record.code = callback.attempts
        record.a = callback.due_ns - self.now if self._calls(row.queue) and not over else NONE
        Py_INCREF(cause)
        record.text = <PyObject *>cause
        return 0

    # -- parking ------------------------------------------------------------------------------------------------

    cdef int64_t _enter(self, int32_t contact, int32_t agent, object preference) except -1:
        if self.tables.contacts[contact].callback and not self._calls(self.tables.contacts[contact].queue):
            self._park(contact)  # it came from another queue, whose customers may be called now
            return 0
        return OutsideContacts._enter(self, contact, agent, preference)

    cdef bint _calls(self, int32_t queue) except -1:
        """Whether customers of the queue may be called now."""
        rules = self.queue_configs[queue].callback
        return rules is None or rules.hours is None or self.calendar_open[self.calendar_slots[rules.hours]]

    cdef int _park(self, int32_t contact) except -1:
        """It stands in no line until its time has come."""
        cdef Contact *row = &self.tables.contacts[contact]
        cdef int64_t due = self.callbacks[contact].due_ns, expires = self.callbacks[contact].expires_ns, until
        if row.state == CONTACT_QUEUED:
            self._leave_line(contact)
            self._delist(contact)
        self._leave_pace(contact, False)
        self._set_state(contact, CONTACT_PARKED)
        row.wait_expired = False
        self._stay_no_longer(contact)
        self._forget_preference(contact)
        until = expires
        if due > self.now:
            until = due if due < expires else expires
        elif until < self.now:
            until = self.now
        return self._arm_contact(contact, until, 0)

    cdef int _unpark(self, int32_t contact) except -1:
        """Put it in line again, if its time has come."""
        cdef Contact *row = &self.tables.contacts[contact]
        cdef int64_t expires
        callback = self.callbacks[contact]
        if <int64_t>callback.due_ns > self.now or not self._calls(row.queue):
            return 0
        self.callbacks[contact] = replace(callback, joined_ns=self.now)
        expires = callback.expires_ns
        self._set_state(contact, CONTACT_QUEUED)
        row.step = passed(self.plans[self.tables.plan_of(contact)], self.now - row.enqueued)
        self._arm_contact(contact, expires if expires > self.now else self.now, 0)
        self._assign(contact)
        self._enlist(contact)
        self._enter(contact, self._best_agent(row.queue, self.lines.lines[row.line].owner), None)
        return 0

    cdef list _callbacks_of(self, list queues):
        """The callbacks of these queues, in the order of their arrival."""
        cdef int32_t contact
        cdef set wanted = set(queues)
        return [
            contact
            for _, contact in sorted([
                (self.tables.contacts[contact].seq, contact)
                for contact in self.callbacks
                if self.tables.contacts[contact].queue in wanted
            ])
        ]

    cdef int _park_callbacks(self, list queues) except -1:
        """Park those of queues whose customers may not be called now."""
        cdef int32_t contact, agent, queue
        for contact in self._callbacks_of([queue for queue in queues if not self._calls(queue)]):
            if self.tables.contacts[contact].state not in (CONTACT_QUEUED, CONTACT_OFFERED):
                continue
            rung = self._end_offers(contact, NONE, "quiet_hours")
            self._park(contact)
            for agent in rung:
                self._recall(agent)
        return 0

    cdef int _unpark_callbacks(self, list queues) except -1:
        """Put those in line whose time has come."""
        cdef int32_t contact
        for contact in self._callbacks_of(queues):
            if self.tables.contacts[contact].state == CONTACT_PARKED:
                self._unpark(contact)
        return 0

    cdef int _calendar_turned(self, int32_t calendar) except -1:
        cdef int32_t slot
        cdef list queues = []
        OutsideContacts._calendar_turned(self, calendar)
        for slot in self.queue_slots.values():
            rules = self.queue_configs[slot].callback
            if rules is not None and rules.hours is not None and self.calendar_slots[rules.hours] == calendar:
                queues.append(slot)
        if queues and self.callbacks:
            self._park_callbacks(queues)
            self._unpark_callbacks(queues)
        return 0

    cdef int _contact_deadline(self, int32_t contact) except -1:
        if self.tables.contacts[contact].state != CONTACT_PARKED:
            return OutsideContacts._contact_deadline(self, contact)
        if <int64_t>self.callbacks[contact].expires_ns <= self.now:
            return self._end(contact, MAX_WAIT, NONE)
        self._arm_contact(contact, self.callbacks[contact].expires_ns, 0)
        return self._unpark(contact)

    # -- the end ------------------------------------------------------------------------------------------------

    cdef int _forget_callback(self, int32_t contact) except -1:
        cdef Contact *row = &self.tables.contacts[contact]
        del self.callback_numbers[self.queue_configs[row.queue].tenant, self.callbacks.pop(contact).number]
        row.callback = False
        return 0

    cdef int _transfer(self, int32_t contact, int32_t target, bint keep_age, str only_agent) except -1:
        cdef Contact *row = &self.tables.contacts[contact]
        if row.callback and row.state == CONTACT_CONNECTED:
            self._forget_callback(contact)  # its caller is on the phone
        return OutsideContacts._transfer(self, contact, target, keep_age, only_agent)

    cdef int _complete(self, int32_t contact, int reason) except -1:
        if self.tables.contacts[contact].callback and reason in (COMPLETED_AGENT, COMPLETED_CALLER):
            reason = CALLBACK_DONE
        return OutsideContacts._complete(self, contact, reason)

    cdef int _end(self, int32_t contact, int reason, int32_t agent) except -1:
        cdef Contact *row = &self.tables.contacts[contact]
        if not row.callback:
            return OutsideContacts._end(self, contact, reason, agent)
        if reason == CALLBACK_DONE:
            # What he waited is what he waited on the phone.
            callback = self.callbacks[contact]
            self._count_answered(row.queue, callback.asked_ns - row.enqueued)
            add_to(&self.tables.queues[row.queue].callback_delay_ns, connected_of(row) - <int64_t>callback.asked_ns)
        OutsideContacts._end(self, contact, reason, agent)
        self._forget_callback(contact)
        return 0
