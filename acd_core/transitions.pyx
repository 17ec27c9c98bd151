# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""What happens to contacts and agents: the transitions that commands and deadlines share.

The behaviour is that of model/, method by method. Here only the how differs: who waits is asked of `Lines`, who is
free of `IdleAgents`, what comes due of `Timers`; counts are kept instead of counted. Between commands no contact waits
that a free agent could serve, so an arriving contact need not look at lines, nor a freed agent at other agents.
"""

from cpython.ref cimport Py_INCREF, PyObject
from libc.stdint cimport int32_t, int64_t

from acd_core.configured cimport Configured
from acd_core.state cimport (
    CONTACT_ENDED, CONTACT_OFFERED_EVENT, CONTACT_STEPPED, CONTACT_WRAPUP_EVENT, OFFER_ENDED, Record,
)
from acd_core.timers cimport OF_AGENT, OF_STEP
from acd_core.types cimport (
    ABANDONED, ACTIVITY_COOLDOWN, ACTIVITY_NONE, ACTIVITY_OFFERED, ACTIVITY_WRAPUP, CAUSE_NONE, CAUSE_NO_ANSWER,
    CONTACT_CONNECTED, CONTACT_FREE, CONTACT_OFFERED, CONTACT_QUEUED, CONTACT_UNKNOWN, CONTACT_WRAPUP, DUPLICATE,
    HANDLE_BUCKETS, HELD_NOWHERE, LOGGED_OUT, LOST, MAX_WAIT, NONE, OFFER_GONE, OFFER_TIMED_OUT, OFFER_UNKNOWN,
    OFFER_WITHDRAWN, PAUSED, READY, ROUND_ROBIN, Agent, Contact, Queue,
)

from acd_core import views

cdef int64_t NS_PER_S = 1_000_000_000
cdef int64_t HANDLE_BOUNDS[15]
for _index, _bound in enumerate(views.HANDLE_BUCKETS_S):
    HANDLE_BOUNDS[_index] = _bound * NS_PER_S


cdef int bucket_of(int64_t duration, int64_t *bounds, int count) noexcept nogil:
    """The bucket of a histogram that a duration falls into."""
    cdef int bucket = 0
    while bucket < count - 1 and duration > bounds[bucket]:
        bucket += 1
    return bucket


cdef int64_t _offer_number(str offer) except -1:
    """The number in an offer's id, written as we write it; 0 if it is none."""
    cdef bytes text = offer.encode("utf-8", "surrogatepass")
    cdef const unsigned char *digits = text
    cdef Py_ssize_t index, length = len(text)
    cdef int64_t number = 0
    if not 3 <= length <= 20 or digits[0] != c"o" or digits[1] != c"-" or digits[2] == c"0":
        return 0
    for index in range(2, length):
        if not c"0" <= digits[index] <= c"9":
            return 0
        number = number * 10 + digits[index] - c"0"
    return number


cdef class Transitions(Configured):
    """The state with everything that can happen to it; see `Engine`."""

    # -- time ---------------------------------------------------------------------------------------------------

    cdef int _advance(self, int64_t now) except -1:
        return self._fire(now, 0)

    cdef int _fire(self, int64_t now, int64_t limit) except -1:
        cdef int32_t timer, slot
        cdef int kind
        cdef int64_t fired = 0
        if now < self.now:
            now = self.now
        while True:
            timer = self.timers.first()
            if timer == NONE or self.timers.nodes[timer].key > now:
                break
            if 0 < limit <= fired and self.timers.nodes[timer].key > self.now:
                return 0
            fired += 1
            if self.timers.nodes[timer].key > self.now:
                self.now = self.timers.nodes[timer].key
            slot = self.timers.owners[timer].slot
            kind = self.timers.owners[timer].kind
            if kind == OF_AGENT:
                self._disarm_agent(slot)
                self._agent_deadline(slot)
            elif kind == OF_STEP:
                self._take_step(slot)
            else:
                self._disarm_contact(slot)
                self._contact_deadline(slot)
        self.now = now
        return 0

    cdef int _contact_deadline(self, int32_t contact) except -1:
        cdef Contact *row = &self.tables.contacts[contact]
        if row.state == CONTACT_QUEUED:
            self._end(contact, MAX_WAIT)
        elif row.state == CONTACT_OFFERED:
            row.wait_expired = True
        elif row.state == CONTACT_CONNECTED:
            self._complete(contact, LOST)
        return 0

    cdef int _take_step(self, int32_t contact) except -1:
        cdef Contact *row = &self.tables.contacts[contact]
        cdef Record *record
        row.step += 1
        self._arm_step(contact)
        record = self._record(CONTACT_STEPPED, contact, row.agent, row.queue)
        record.code = row.step
        self._leave_line(contact)
        self._assign(contact)
        if row.state == CONTACT_QUEUED:
            self._serve_contact(contact)
        return 0

    cdef int _agent_deadline(self, int32_t agent) except -1:
        cdef int activity = self.tables.agents[agent].activity
        if activity == ACTIVITY_OFFERED:
            self._offer_missed(agent)
        elif activity == ACTIVITY_WRAPUP:
            self._finish_wrapup(agent)
        elif activity == ACTIVITY_COOLDOWN:
            self._free(agent)
        return 0

    # -- states of agents ---------------------------------------------------------------------------------------

    cdef int _free(self, int32_t agent) except -1:
        cdef Agent *row = &self.tables.agents[agent]
        self._disarm_agent(agent)
        if row.offer:
            self.offers.remove(row.offer)
        row.contact = NONE
        row.offer = 0
        self._not_idle(agent)
        self._set_activity(agent, ACTIVITY_NONE)
        row.cooldown_cause = CAUSE_NONE
        if row.logging_out:
            return self._log_out(agent)
        if row.presence == PAUSED:
            return self._agent_changed(agent)
        return self._idle(agent)

    cdef int _idle(self, int32_t agent) except -1:
        self.idle_seq += 1
        self.tables.agents[agent].idle_seq = self.idle_seq
        self.idle.add(agent)
        self._agent_changed(agent)
        return self._serve_agent(agent)

    cdef int _not_idle(self, int32_t agent) except -1:
        if self.tables.agents[agent].idle_seq:
            self.idle.drop(agent)
            self.tables.agents[agent].idle_seq = 0
        return 0

    cdef int _log_out(self, int32_t agent) except -1:
        self.tables.agents[agent].logging_out = False
        self._set_presence(agent, LOGGED_OUT, "")
        self.tables.agents[agent].missed = 0
        self.agent_addresses[agent] = self.agent_configs[agent].address
        self._agent_changed(agent)
        self.agent_clients[agent] = ""
        return 0

    # -- matching -----------------------------------------------------------------------------------------------

    cdef int _serve_agent(self, int32_t agent) except -1:
        cdef int32_t contact = self.lines.best_contact(agent, self.now) if self.live_waiting else NONE
        if contact != NONE:
            self._offer(contact, agent)
        return 0

    cdef int _serve_contact(self, int32_t contact) except -1:
        """Offer a contact to a free agent, or let it wait."""
        cdef Contact *row = &self.tables.contacts[contact]
        cdef int32_t agent = self.idle.best_agent(self.lines.lines[row.line].owner)
        if agent != NONE:
            return self._offer(contact, agent)
        if row.where == HELD_NOWHERE:
            self._wait(contact)
        return 0

    cdef int _wait(self, int32_t contact) except -1:
        cdef Contact *row = &self.tables.contacts[contact]
        self.lines.add(contact)
        self.tables.queues[row.queue].waiting += 1
        self.tables.queues[row.queue].by_priority[row.priority] += 1
        self.live_waiting += 1
        return 0

    cdef int _leave_line(self, int32_t contact) except -1:
        cdef Contact *row = &self.tables.contacts[contact]
        if row.where == HELD_NOWHERE:
            return 0
        self.lines.remove(contact)
        self.tables.queues[row.queue].waiting -= 1
        self.tables.queues[row.queue].by_priority[row.priority] -= 1
        self.live_waiting -= 1
        return 0

    cdef int _offer(self, int32_t contact, int32_t agent) except -1:
        cdef Contact *row = &self.tables.contacts[contact]
        cdef Agent *person = &self.tables.agents[agent]
        cdef Queue *queue = &self.tables.queues[row.queue]
        cdef Record *record
        cdef object address, attributes
        self._leave_line(contact)
        self.offer_seq += 1
        row.state = CONTACT_OFFERED
        row.agent = agent
        person.contact = contact
        person.offer = self.offer_seq
        self.offers.put(self.offer_seq, agent)
        self._set_activity(agent, ACTIVITY_OFFERED)
        self._arm_agent(agent, queue.offer_timeout)
        queue.offers += 1
        if queue.strategy == ROUND_ROBIN:
            queue.turn += 1
            self.idle.set_turn(row.queue, agent, queue.turn)
        queue.offered += 1
        record = self._record(CONTACT_OFFERED_EVENT, contact, agent, row.queue)
        record.offer = person.offer
        record.a = queue.offer_timeout
        record.b = self.now - row.enqueued
        address = self.agent_addresses[agent]
        attributes = self.contact_attributes[contact]
        Py_INCREF(address)
        Py_INCREF(attributes)
        record.text = <PyObject *>address
        record.data = <PyObject *>attributes
        return self._agent_changed(agent)

    cdef int32_t _end_offer(self, int32_t agent, int outcome, object cause) except -1:
        """Undo an offer; gives the contact, which is in no line until it is served or ended."""
        cdef Agent *person = &self.tables.agents[agent]
        cdef int32_t contact = person.contact
        cdef Contact *row = &self.tables.contacts[contact]
        cdef Queue *queue = &self.tables.queues[row.queue]
        cdef Record *record
        row.state = CONTACT_QUEUED
        row.agent = NONE
        queue.offered -= 1
        queue.failed[outcome] += 1
        record = self._record(OFFER_ENDED, contact, agent, row.queue)
        record.offer = person.offer
        record.code = outcome
        Py_INCREF(cause)
        record.text = <PyObject *>cause
        self.offers.remove(person.offer)
        person.contact = NONE
        person.offer = 0
        self._disarm_agent(agent)
        return contact

    cdef int _requeue(self, int32_t contact) except -1:
        if self.tables.contacts[contact].wait_expired:
            return self._end(contact, MAX_WAIT)
        return self._serve_contact(contact)

    cdef int _offer_missed(self, int32_t agent) except -1:
        cdef Agent *person = &self.tables.agents[agent]
        cdef int64_t limit
        cdef int32_t contact
        person.missed += 1
        person.missed_total += 1
        contact = self._end_offer(agent, OFFER_TIMED_OUT, "")
        limit = person.missed_max if person.missed_max != NONE else self.missed_offers_max
        self._not_idle(agent)
        if limit and person.missed >= limit:
            person.missed = 0
            self._set_activity(agent, ACTIVITY_NONE)
            self._set_presence(agent, PAUSED, "missed_offers")
            self._agent_changed(agent)
            return self._requeue(contact)
        return self._cool_down(
            agent, contact, CAUSE_NO_ANSWER,
            self.tables.queues[self.tables.contacts[contact].queue].no_answer_cooldown,
        )

    cdef int _cool_down(self, int32_t agent, int32_t contact, int cause, int64_t duration) except -1:
        if duration:
            self.tables.agents[agent].cooldown_cause = cause
            self._set_activity(agent, ACTIVITY_COOLDOWN)
            self._arm_agent(agent, duration)
            self._agent_changed(agent)
        self._requeue(contact)
        if not duration:
            self._free(agent)
        return 0

    # -- contacts -----------------------------------------------------------------------------------------------

    cdef int _gone(self, str contact) except -1:
        return DUPLICATE if contact in self.ended else CONTACT_UNKNOWN

    cdef int _leave_queue(self, int32_t contact, int reason) except -1:
        cdef int32_t agent = self.tables.contacts[contact].agent
        if agent != NONE:
            self._end_offer(agent, OFFER_WITHDRAWN, views.END_REASONS[reason])
        self._end(contact, reason)
        if agent != NONE:
            self._set_activity(agent, ACTIVITY_NONE)
            self.idle.restore(agent)
            self._agent_changed(agent)
            self._serve_agent(agent)
        return 0

    cdef int _complete(self, int32_t contact, int reason) except -1:
        cdef Contact *row = &self.tables.contacts[contact]
        cdef Queue *queue = &self.tables.queues[row.queue]
        cdef int32_t agent = row.agent
        cdef int64_t talk = self.now - row.connected
        cdef Record *record
        row.completed = self.now
        row.held = False
        row.end_reason = reason
        self._disarm_contact(contact)
        queue.talk_ns += talk
        queue.connected -= 1
        queue.wrapping_up += 1
        self.tables.agents[agent].talk_ns += talk
        row.state = CONTACT_WRAPUP
        if not queue.wrapup:
            return self._finish_wrapup(agent)
        self._set_activity(agent, ACTIVITY_WRAPUP)
        self._arm_agent(agent, queue.wrapup)
        record = self._record(CONTACT_WRAPUP_EVENT, contact, agent, row.queue)
        record.code = reason
        record.a = talk
        record.b = queue.wrapup
        return self._agent_changed(agent)

    cdef int _finish_wrapup(self, int32_t agent) except -1:
        cdef int32_t contact = self.tables.agents[agent].contact
        self._end(contact, self.tables.contacts[contact].end_reason)
        return self._free(agent)

    cdef int _end(self, int32_t contact, int reason) except -1:
        cdef Contact *row = &self.tables.contacts[contact]
        cdef Queue *queue = &self.tables.queues[row.queue]
        cdef bint answered = row.connected != 0
        cdef int64_t wait = (row.connected if answered else self.now) - row.enqueued
        cdef Record *record
        cdef str name = self.contact_ids[contact]
        cdef int64_t handle
        if answered:
            handle = self.now - row.connected
            queue.handle_ns += handle
            queue.handle_histogram[bucket_of(handle, HANDLE_BOUNDS, HANDLE_BUCKETS)] += 1
        queue.ended[reason] += 1
        if reason == ABANDONED and wait <= queue.service_level:
            queue.abandoned_in_target += 1
        self._disarm_contact(contact)
        self._disarm_step(contact)
        if row.state == CONTACT_WRAPUP:
            queue.wrapping_up -= 1
        else:
            self._leave_line(contact)
            self._delist(contact)
        del self.contact_slots[name]
        self.live_contacts -= 1
        self.ended[name] = (reason, self.contact_clients[contact])
        self.ended_order.append(name)
        self._forget()
        record = self._record(CONTACT_ENDED, contact, row.agent, row.queue)
        record.code = reason
        record.a = wait
        record.b = row.completed - row.connected if answered else 0
        row.state = CONTACT_FREE
        self.ended_slots.append(contact)
        return 0

    # -- offers -------------------------------------------------------------------------------------------------

    cdef int32_t _offered_to(self, str offer) except -1:
        """The agent who holds an offer; or -2 and below: the negated outcome, less one."""
        cdef int64_t number = _offer_number(offer)
        cdef int32_t agent
        if not 0 < number <= self.offer_seq:
            return -1 - <int32_t>OFFER_UNKNOWN
        agent = self.offers.get(number)
        return agent if agent != NONE else -1 - <int32_t>OFFER_GONE

    # -- agents -------------------------------------------------------------------------------------------------

    cdef int _make_ready(self, int32_t agent) except -1:
        self.tables.agents[agent].missed = 0
        self._set_presence(agent, READY, "")
        if self.tables.agents[agent].activity == ACTIVITY_NONE:
            return self._idle(agent)
        return self._agent_changed(agent)

    cdef int32_t _stop_offering(self, int32_t agent, object cause) except -2:
        cdef Agent *row = &self.tables.agents[agent]
        cdef int32_t contact = NONE
        if row.activity == ACTIVITY_OFFERED:
            contact = self._end_offer(agent, OFFER_WITHDRAWN, cause)
        if row.activity in (ACTIVITY_NONE, ACTIVITY_OFFERED, ACTIVITY_COOLDOWN):
            self._disarm_agent(agent)
            self._not_idle(agent)
            self._set_activity(agent, ACTIVITY_NONE)
            row.cooldown_cause = CAUSE_NONE
        return contact
