# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""What happens to contacts and agents: the transitions that commands and deadlines share.

The behaviour is that of model/, method by method. Here only the how differs: who waits is asked of `Lines`, who is
free of `IdleAgents`, what comes due of `Timers`; counts are kept instead of counted. Between commands no contact waits
that a free agent could serve, so an arriving contact need not look at lines, nor a freed agent at other agents. What comes
with each contact is final where nobody overrides it, so that it is called directly, or in place where it is called from once.
"""

cimport cython
from cpython.ref cimport Py_DECREF, Py_INCREF, PyObject
from cpython.unicode cimport PyUnicode_1BYTE_DATA, PyUnicode_GET_LENGTH
from libc.stdint cimport int32_t, int64_t

from acd_core.brought cimport asked_of, attributes_of
from acd_core.lines cimport Bucket
from acd_core.standing cimport Claim, Standing, claims_before
from acd_core.state cimport (
    CONTACT_DISPOSED, CONTACT_ENDED, CONTACT_OFFERED_EVENT, CONTACT_OVERFLOWED, CONTACT_QUEUED_EVENT, CONTACT_STEPPED, CONTACT_TRANSFERRED,
    CONTACT_WRAPUP_EVENT, OFFER_ENDED, Record,
)
from acd_core.tables cimport connected_of
from acd_core.timers cimport OF_AGENT, OF_CALENDAR, OF_LEG, OF_LOOK, OF_OUTSIDE, OF_PAUSE, OF_PREFERENCE, OF_QUEUE, OF_REST, OF_STAY, OF_STEP
from acd_core.totals cimport add_to
from acd_core.trails cimport Trails
from acd_core.types cimport (
    ABANDONED, CAUSE_NONE, CAUSE_NO_ANSWER, CONTACT_CONNECTED, CONTACT_FREE, CONTACT_OFFERED, CONTACT_PARKED, CONTACT_QUEUED,
    CONTACT_UNKNOWN, CONTACT_WRAPUP, DUPLICATE, HANDLE_BUCKETS, HELD_BOUND, HELD_NOWHERE, LEG_CONNECTED,
    LEG_OFFERED, LEG_WRAPUP, LOGGED_OUT, LOST, MAX_WAIT, NONE, OFFER_TIMED_OUT, OFFER_WITHDRAWN, PAUSED,
    READY, ROUND_ROBIN, TRANSFERRED, WAIT_BUCKETS, Agent, Contact, ContactDetails, Leg, Queue,
)
from acd_core.windows cimport Forecast, foresee, foreseen_of

from acd_core import config, forecast, requirement, views
from acd_core.config import WAY_OUT_REASONS
from acd_core.plan import passed

cdef extern from "Python.h":
    bint PyUnicode_IS_ASCII(str text)

cdef Py_ssize_t HISTORY_MAX = views.HISTORY_MAX
cdef int32_t OVERFLOWS_MAX = config.OVERFLOWS_MAX
cdef dict REASONS = {name: index for index, name in enumerate(views.END_REASONS)}
cdef int64_t NS_PER_S = 1_000_000_000
cdef int32_t LINES_OWN_MAX = forecast.LINES_OWN_MAX
cdef int64_t SERVICE_LEVEL_ONE = config.SERVICE_LEVEL_ONE
if config.SERVICE_LEVEL_MEMORY != 1 << 6:
    raise ImportError("transitions.pyx and config.py disagree; build the extension modules anew")
cdef int64_t WAIT_BOUNDS[17]
for _index, _bound in enumerate(views.WAIT_BUCKETS_S):
    WAIT_BOUNDS[_index] = _bound * NS_PER_S
cdef int64_t HANDLE_BOUNDS[15]
for _index, _bound in enumerate(views.HANDLE_BUCKETS_S):
    HANDLE_BOUNDS[_index] = _bound * NS_PER_S


cdef int bucket_of(int64_t duration, int64_t *bounds, int count) noexcept nogil:
    """The bucket of a histogram that a duration falls into."""
    cdef int bucket = 0
    while bucket < count - 1 and duration > bounds[bucket]:
        bucket += 1
    return bucket


cdef int64_t offer_number(str offer) except -1:
    """The number in an offer's id, written as we write it; 0 if it is none."""
    if not PyUnicode_IS_ASCII(offer):
        return 0
    return offer_number_at(<const char *>PyUnicode_1BYTE_DATA(offer), PyUnicode_GET_LENGTH(offer))


cdef int64_t offer_number_at(const char *offer, Py_ssize_t length) noexcept nogil:
    """The same of a text of so many bytes."""
    cdef Py_ssize_t place
    cdef int64_t number = 0
    if not 3 <= length <= 20 or offer[0] != c"o" or offer[1] != c"-" or offer[2] == c"0":
        return 0
    for place in range(2, length):
        if not c"0" <= offer[place] <= c"9":
            return 0
        number = number * 10 + offer[place] - c"0"
    return number


cdef class Transitions(Trails):
    """The state with everything that can happen to it; see `Engine`."""

    # -- time ---------------------------------------------------------------------------------------------------

    cdef int _fire(self, int64_t now, int64_t limit) except -1:
        cdef int32_t timer, slot
        cdef int kind
        cdef int64_t fired = 0
        if now < self.now:
            now = self.now
        while True:
            timer = self.timers.first()
            if timer == NONE or self.timers.deadline(timer) > now:
                break
            if 0 < limit <= fired and self.timers.deadline(timer) > self.now:
                return 0
            fired += 1
            if self.timers.deadline(timer) > self.now:
                self.now = self.timers.deadline(timer)
            slot = self.timers.owner(timer)
            kind = self.timers.kind(timer)
            if kind == OF_LEG:
                self._disarm_leg(slot)
                self._leg_deadline(slot)
            elif kind == OF_STEP:
                self._take_step(slot)
            elif kind == OF_AGENT:
                self._end_cooldown(slot)
            elif kind == OF_PREFERENCE:
                self._end_preference(slot)
                self._serve_contact(slot)
            elif kind == OF_REST:
                if self._rest_due(slot) or (not self.tables.agents[slot].idle_seq and self._can_be_idle(slot)):
                    self._lighten(slot)
            elif kind == OF_OUTSIDE:
                self._outside_due(slot)
            elif kind == OF_PAUSE:
                self._allowance_used(slot)
            elif kind == OF_STAY:
                self._stay_over(slot)
            elif kind == OF_LOOK:
                self._look_again(slot)
            elif kind == OF_CALENDAR:
                self._calendar_deadline(slot)
            elif kind == OF_QUEUE:
                self._disarm_queue(slot)
                self.tables.queues[slot].reserving = False
                self.gates.opened = True
            else:
                self._disarm_contact(slot)
                self._contact_deadline(slot)
            if self.gates.opened:
                self._settle()
        self.now = now
        return 0

    cdef int _contact_deadline(self, int32_t contact) except -1:
        cdef Contact *row = &self.tables.contacts[contact]
        if row.state == CONTACT_QUEUED:
            self._end(contact, MAX_WAIT, NONE)
        elif row.state == CONTACT_OFFERED:
            row.wait_expired = True
            self._leave_line(contact)
        elif row.state == CONTACT_CONNECTED:
            self._complete(contact, LOST)
        return 0

    cdef int _take_step(self, int32_t contact) except -1:
        cdef Contact *row = &self.tables.contacts[contact]
        cdef int32_t leg = self.legs.foremost_of_contact(contact)
        cdef Record *record
        row.step += 1
        self._note(contact, "step", "", NONE, row.step)
        self._leave_line(contact)
        self._assign(contact)
        self.tables.contact_detail_of(contact).useless = self._is_useless(contact)
        self._arm_step(contact)
        record = self._record(CONTACT_STEPPED, contact, self.legs.legs[leg].agent if leg != NONE else NONE, row.queue)
        record.code = row.step
        self._judge(contact)
        return self._serve_contact(contact)

    cdef int _stay_over(self, int32_t contact) except -1:
        cdef Contact *row = &self.tables.contacts[contact]
        cdef int32_t index = self.tables.contact_detail(contact).stay
        cdef object rule = self.queue_configs[row.queue].stay[index]
        self._disarm_stay(contact)
        if rule.over_s is not None:
            self.tables.contact_detail_of(contact).seen_ms = NONE
            self._look(contact)
            self._judge(contact)
        if row.state == CONTACT_QUEUED and self.tables.contact_detail(contact).stay == index:
            self._leave_by(contact, rule)
        return 0

    cdef int _look_again(self, int32_t contact) except -1:
        """The estimate of a contact, for which a rule on staying asks, was looked at long enough ago."""
        self.timers.disarm(&self.tables.contact_detail_of(contact).look_timer)
        self._look(contact)
        return self._judge(contact)

    cdef int _leg_deadline(self, int32_t leg) except -1:
        if self.legs.legs[leg].state == LEG_OFFERED:
            return self._offer_missed(leg)
        return self._finish_leg(leg)

    # -- states of agents ---------------------------------------------------------------------------------------

    @cython.final
    cdef int _lighten(self, int32_t agent) except -1:
        """The agent has less in hand: log out, or be idle from now on, as far as he has room, and serve who waits."""
        cdef Agent *row = &self.tables.agents[agent]
        self._refresh(agent)
        if row.logging_out and row.legs == NONE:
            return self._log_out(agent)
        if row.rung or not self._can_be_idle(agent):
            self._stand_last(agent)
            return self._agent_changed(agent)
        return self._idle(agent)

    cdef void _stand_last(self, int32_t agent) noexcept:
        """The place that he keeps, while he is rung or has no room, is the last from now on. Who is rung is entered when he is
        recalled.
        """
        cdef Agent *row = &self.tables.agents[agent]
        if row.idle_seq:
            self.idle_seq += 1
            row.idle_seq = self.idle_seq
            if not row.inbound_seq:
                row.inbound_seq = self.idle_seq
        elif self.tables.detail(agent).kept_seq:
            self.idle_seq += 1
            self.tables.details[agent].kept_seq = self.idle_seq

    @cython.final
    cdef int _idle(self, int32_t agent) except -1:
        cdef Agent *row = &self.tables.agents[agent]
        self._not_idle(agent)
        self.idle_seq += 1
        row.idle_seq = self.idle_seq
        self.tables.no_longer_kept(agent)
        if not row.inbound_seq:
            row.inbound_seq = self.idle_seq
        self._set_open(agent)
        if self.gates.reserve_count:  # reserves count who is free
            self.idle.add(agent)
            self._agent_changed(agent)
            return self._serve_agent(agent)
        self.idle.count_in(agent)
        self._agent_changed(agent)
        self._serve_agent(agent)
        return 0 if row.rung else self.idle.enter(agent)

    cdef int _end_cooldown(self, int32_t agent) except -1:
        self._disarm_agent(agent)
        self._refresh(agent)
        self.tables.agents[agent].cooldown_cause = CAUSE_NONE
        return self._lighten(agent)

    cdef int _log_out(self, int32_t agent) except -1:
        self.tables.agents[agent].logging_out = False
        self._set_presence(agent, LOGGED_OUT, "")
        self.tables.agents[agent].missed = 0
        self.agent_failures.pop(agent, None)
        self.agent_addresses[agent] = self._agent_config(agent).address
        if self.agent_queues.pop(agent, ()):
            self._enter_queues(agent)
        self._agent_changed(agent)
        self._set_client(agent, "")
        return 0

    # -- matching -----------------------------------------------------------------------------------------------

    @cython.final
    cdef int _serve_agent(self, int32_t agent) except -1:
        cdef int32_t contact
        if not self.live_in_line or not self.tables.agents[agent].open:
            return 0
        if self.gates.reserve_count:
            self._tighten()
        contact = self.lines.best_contact(agent, self.now)
        if self.bound_to:
            contact = self._best_bound(agent, contact)
        if contact != NONE:
            self._prefetch_around(contact)
            if self.watched == self.offer_seq + 1:
                self._witness(contact, agent, True)
            self._offer(contact, agent)
        return 0

    cdef int _serve_contact(self, int32_t contact) except -1:
        """Offer a contact to free agents, to as many at once as its queue says; if there is none, move it to the
        queue that its step says, or let it wait.
        """
        return self._serve_by(contact, self._agent_for(contact) if self._in_line(contact) else NONE)

    @cython.final
    cdef int _serve_by(self, int32_t contact, int32_t agent) except -1:
        """The same where the agent who gets it first, or NONE, is known."""
        cdef Contact *row = &self.tables.contacts[contact]
        while self._in_line(contact):
            if agent == NONE:
                if (
                    row.state == CONTACT_QUEUED
                    and self.tables.stages[self._stage(contact)].overflow != NONE
                    and self._overflow(contact)
                ):
                    break
                if row.where == HELD_NOWHERE:
                    self._stand_in_line(contact)
                break
            if self.watched == self.offer_seq + 1:
                self._witness(contact, agent, False)
            self._offer(contact, agent)
            if self._in_line(contact):
                agent = self._agent_for(contact)
        if row.state == CONTACT_QUEUED:
            self._wait(contact)
        return 0

    cdef int _settle(self) except -1:
        """Some gate may have opened: serve those who wait, in their order, until nobody can be served."""
        cdef int32_t contact
        self.gates.opened = False
        if not self.gates.active:
            return 0
        while self.live_in_line and self.open_agents:
            contact = self._first_served()
            if contact == NONE:
                break
            self._serve_contact(contact)
        self.gates.opened = False
        return 0

    cdef int32_t _first_served(self) except -2:
        """Of those who wait and whom a free agent could serve, the first in order; NONE when there is nobody."""
        cdef int32_t skill, place, position, contact, best = NONE
        cdef Bucket *bucket
        cdef Claim claim, best_claim
        for skill in range(self.lines.skill_count):
            for place in range(self.lines.heads[skill].count):
                bucket = &self.lines.heads[skill].buckets[place]
                for position in range(bucket.count):
                    contact = self.lines.first_of(bucket.items[position].owner, self.now)
                    self.lines.stand_at(&claim, contact, self.now)
                    if (best == NONE or claims_before(&claim, &best_claim)) and self._agent_for(contact) != NONE:
                        best = contact
                        best_claim = claim
        for contact in self.preferences:
            if self.tables.contacts[contact].where == HELD_BOUND:
                self.lines.stand_at(&claim, contact, self.now)
                if (best == NONE or claims_before(&claim, &best_claim)) and self._agent_for(contact) != NONE:
                    best = contact
                    best_claim = claim
        return best

    cdef bint _tenant_full(self, str tenant) except -1:
        cdef int64_t limit = self.configuration.tenants[self.tenant_ids[tenant]].max_contacts, live = 0
        cdef int32_t slot, tenant_id = self.tenant_ids[tenant]
        cdef Queue *queue
        for slot in self.queue_slots.values():
            queue = &self.tables.queues[slot]
            if queue.tenant == tenant_id:
                live += queue.waiting + queue.offered + queue.connected + queue.wrapping_up + queue.parked
        return 0 < limit <= live

    @cython.final
    cdef int _watch_reserve(self, int32_t slot, int64_t wait, bint in_target) except -1:
        """A contact left the queue, answered or not, after so long a wait."""
        cdef Queue *queue = &self.tables.queues[slot]
        cdef int64_t level
        # A shift to the right rounds down, as the model does.
        queue.recent_in_target += (SERVICE_LEVEL_ONE * in_target - queue.recent_in_target) >> 6
        if not queue.conditional:
            return 0
        level = queue.recent_in_target * 100
        if (queue.reserve_when_wait != NONE and wait >= queue.reserve_when_wait) or (
            queue.reserve_when_level != NONE and level < queue.reserve_when_level * SERVICE_LEVEL_ONE
        ):
            queue.reserving = True
            self._disarm_queue(slot)
            queue.timer = self.timers.arm(self.now + queue.reserve_lasts, queue.reserve_lasts, slot, OF_QUEUE)
        elif (queue.reserve_when_wait == NONE or wait <= queue.reserve_until_wait) and (
            queue.reserve_when_level == NONE or level >= queue.reserve_until_level * SERVICE_LEVEL_ONE
        ):
            queue.reserving = False
            self._disarm_queue(slot)
            self.gates.opened = True
        return 0

    @cython.final
    cdef int _count_answered(self, int32_t slot, int64_t wait) except -1:
        """A caller who waited for so long talks with an agent."""
        cdef Queue *queue = &self.tables.queues[slot]
        cdef bint in_target = wait <= queue.service_level
        queue.answered += 1
        add_to(&queue.wait_ns, wait)
        if in_target:
            queue.answered_in_target += 1
        self._watch_reserve(slot, wait, in_target)
        queue.histogram[bucket_of(wait, WAIT_BOUNDS, WAIT_BUCKETS)] += 1
        return 0

    @cython.final
    cdef int _wait(self, int32_t contact) except -1:
        """No agent is free for a contact that nobody is rung for: it is counted in its line of the queue."""
        cdef Contact *row = &self.tables.contacts[contact]
        if row.stands:
            return 0
        row.stands = True
        if row.pace != NONE:
            return self.paces_of_lines.join(row.pace, contact, self.now // 1000)
        row.pace = self.arriving_pace if contact == self.arriving else NONE
        if row.pace == NONE:
            row.pace = self._line_pace(contact)
        self.paces_of_lines.join(row.pace, contact, self.now // 1000)
        row.place = <int32_t>self.paces_of_lines.order.rank(contact)
        return 0

    cdef int32_t _line_pace(self, int32_t contact) except -2:
        """The pace of the contact's line in its queue, by what it asks itself; made when first asked for."""
        cdef Contact *row = &self.tables.contacts[contact]
        cdef Queue *queue = &self.tables.queues[row.queue]
        cdef tuple asked = asked_of(row)
        cdef int32_t pace
        if asked:
            found = self.own_lines.get((row.queue, asked))
            if found is not None:
                return found
            if queue.own_lines >= LINES_OWN_MAX or requirement.is_for_one(asked):
                asked = ()
        if not asked and queue.main_pace != NONE:
            return queue.main_pace
        pace = self.paces_of_lines.new(self.now // 1000)
        while len(self.pace_terms) <= pace:
            self.pace_terms.append(())
        self.pace_terms[pace] = asked
        if asked:
            self.own_lines[(row.queue, asked)] = pace
            queue.own_lines += 1
        else:
            queue.main_pace = pace
        if queue.last_pace == NONE:
            queue.first_pace = pace
        else:
            self.paces_of_lines.rows[queue.last_pace].next_in_queue = pace
        queue.last_pace = pace
        return pace

    @cython.final
    cdef int _score(self, int32_t contact, int64_t wait, int64_t rung) except -1:
        """An agent answered a contact that had to wait: measure its line, and score its forecast."""
        cdef Contact *row = &self.tables.contacts[contact]
        cdef Queue *queue = &self.tables.queues[row.queue]
        cdef int64_t wait_ms = wait // 1_000_000
        cdef Forecast foreseen
        self.paces_of_lines.serve(row.pace, self.now // 1000, wait // 1000, rung // 1_000_000)
        if row.foreseen:
            foreseen = foreseen_of(row)
            queue.forecasts += 1
            queue.forecast_error_ms += foreseen.mean_ms - wait_ms
            queue.forecast_off_ms += foreseen.p50_ms - wait_ms if foreseen.p50_ms > wait_ms else wait_ms - foreseen.p50_ms
            queue.forecast_in_p50 += wait_ms <= foreseen.p50_ms
            queue.forecast_in_p90 += wait_ms <= foreseen.p90_ms
        return 0

    cdef int _offer(self, int32_t contact, int32_t agent) except -1:
        cdef Contact *row = &self.tables.contacts[contact]
        cdef Agent *person = &self.tables.agents[agent]
        cdef Queue *queue = &self.tables.queues[row.queue]
        cdef Record *record
        cdef int32_t leg
        cdef object address, attributes, history
        self.offer_seq += 1
        leg = self.legs.add(self.offer_seq, contact, agent, row.queue, self.now)
        self.legs.legs[leg].direction = row.direction
        row.offers += 1
        person.rung = True
        if row.state != CONTACT_OFFERED:
            self._set_state(contact, CONTACT_OFFERED)
        if row.where != HELD_NOWHERE and not self._in_line(contact):
            self._leave_line(contact)
        self._refresh(agent)
        self._arm_leg(leg, queue.offer_timeout)
        queue.offers += 1
        if queue.strategy == ROUND_ROBIN:
            queue.turn += 1
            self.idle.set_turn(row.queue, agent, queue.turn)
        if queue.share_count:
            self.gates.allocate(row.queue, agent, 1)
        record = self._record(CONTACT_OFFERED_EVENT, contact, agent, row.queue)
        record.offer = self.offer_seq
        record.a = queue.offer_timeout
        record.b = self.now - row.enqueued
        address = self.agent_addresses[agent]
        attributes = attributes_of(row)
        Py_INCREF(address)
        Py_INCREF(attributes)
        record.text = <PyObject *>address
        record.data = <PyObject *>attributes
        if row.callback or row.consults:
            with_number = (
                attributes, self.callbacks[contact].number if row.callback else "", self._wishes(contact).consults
            )
            Py_DECREF(attributes)
            Py_INCREF(with_number)
            record.data = <PyObject *>with_number
            record.flag = True
        if self.histories and contact in self.histories:
            history = self.histories[contact]
            Py_INCREF(history)
            record.history = <PyObject *>history
        return self._agent_changed(agent)

    cdef int32_t _end_offer(self, int32_t leg, int outcome, object cause) except -1:
        """Undo an offer; gives the contact, which stands in line again only when it is served."""
        cdef Leg *row = &self.legs.legs[leg]
        cdef int32_t contact = row.contact, agent = row.agent
        cdef int64_t number = row.number
        cdef int32_t queue = row.queue
        cdef Record *record
        self._drop_leg(leg)
        self.tables.contacts[contact].offers -= 1
        self.tables.agents[agent].rung = False
        if not self.tables.contacts[contact].offers:
            self._set_state(contact, CONTACT_QUEUED)
        if self.tables.queues[queue].share_count:
            self.gates.allocate(queue, agent, -1)
        self.tables.queues[queue].failed[outcome] += 1
        record = self._record(OFFER_ENDED, contact, agent, queue)
        record.offer = number
        record.code = outcome
        Py_INCREF(cause)
        record.text = <PyObject *>cause
        return contact

    @cython.final
    cdef int _drop_leg(self, int32_t leg) except -1:
        self._disarm_leg(leg)
        if self.legs.legs[leg].contact == NONE:
            del self.left_contacts[leg]
        return self.legs.drop(leg)

    cdef int _outside_due(self, int32_t agent) except -1:
        """See outside.pyx."""
        raise NotImplementedError

    cdef int _requeue(self, int32_t contact) except -1:
        cdef Contact *row = &self.tables.contacts[contact]
        cdef const ContactDetails *more = self.tables.contact_detail(contact)
        if row.wait_expired and row.state == CONTACT_QUEUED:
            return self._end(contact, MAX_WAIT, NONE)
        if row.state == CONTACT_QUEUED and more.stay != NONE and more.stay_timer == NONE:
            self._leave_by(contact, self.queue_configs[row.queue].stay[more.stay])
            return 0
        return self._serve_contact(contact)

    cdef int _recall(self, int32_t agent) except -1:
        """An offer was taken back from the agent by no act of his: he keeps his place among the idle."""
        if not self._can_be_idle(agent):
            self._not_idle(agent)
        self._refresh(agent)
        if self.tables.agents[agent].idle_seq:
            self.idle.restore(agent)
        self._agent_changed(agent)
        return self._serve_agent(agent)

    cdef int _offer_missed(self, int32_t leg) except -1:
        cdef int32_t agent = self.legs.legs[leg].agent, queue = self.legs.legs[leg].queue, contact
        cdef Agent *person = &self.tables.agents[agent]
        cdef int64_t limit
        cdef bint failed_too_often
        person.missed += 1
        person.missed_total += 1
        self._had_inbound(agent, self.legs.legs[leg].direction)
        contact = self._end_offer(leg, OFFER_TIMED_OUT, "")
        self._note(contact, "timed_out", "", agent, 0)
        self._disappoint(contact, agent)
        limit = person.missed_max if person.missed_max != NONE else self.missed_offers_max
        self._not_idle(agent)
        failed_too_often = self._failed_too_often(agent)
        if limit and person.missed >= limit:
            return self._pause_by_itself(agent, contact, "missed_offers")
        if failed_too_often:
            return self._pause_by_itself(agent, contact, "failed_offers")
        return self._cool_down(agent, contact, CAUSE_NO_ANSWER, self.tables.queues[queue].no_answer_cooldown)

    cdef int _pause_by_itself(self, int32_t agent, int32_t contact, str reason) except -1:
        """Offers to him are in vain: pause him, and find another for the contact."""
        self.tables.agents[agent].missed = 0
        self.agent_failures.pop(agent, None)
        self._refresh(agent)
        self._set_presence(agent, PAUSED, reason)
        self._agent_changed(agent)
        return self._requeue(contact)

    cdef int _cool_down(self, int32_t agent, int32_t contact, int cause, int64_t duration) except -1:
        if duration:
            self.tables.agents[agent].cooldown_cause = cause
            self._arm_agent(agent, duration)
            self._refresh(agent)
            self._agent_changed(agent)
        self._requeue(contact)
        if not duration:
            self._lighten(agent)
        return 0

    # -- queues -------------------------------------------------------------------------------------------------

    @cython.final
    cdef int64_t _join(self, int32_t contact, object preference) except -1:
        """Let a contact, which has its line and is counted, into its queue, unless a rule sends it elsewhere; gives its position, 0 if it
        ended.
        """
        cdef Contact *row = &self.tables.contacts[contact]
        cdef Queue *queue = &self.tables.queues[row.queue]
        cdef int32_t owner = self.lines.lines[row.line].owner, agent
        cdef int64_t deadline
        cdef Standing standing
        queue.entered += 1
        self._enlist(contact)
        agent = self._best_agent(row.queue, owner)
        if queue.closed or queue.join_count or (agent == NONE and 0 < queue.max_waiting < queue.waiting):
            self.lines.stand_for_good(&standing, contact)
            rule = self._refusal(row.queue, owner, queue.waiting - 1, contact, &standing)
            if rule is not None:
                return self._leave_by(contact, rule)
        if row.callback:
            deadline = self.callbacks[contact].expires_ns
            self._arm_contact(contact, deadline if deadline > self.now else self.now, 0)
        elif queue.max_wait:
            deadline = row.enqueued + queue.max_wait
            self._arm_contact(contact, deadline if deadline > self.now else self.now, queue.max_wait)
        return self._enter(contact, agent, preference)

    cdef int64_t _enter(self, int32_t contact, int32_t agent, object preference) except -1:
        """A contact stands in the line of its queue from now on, where this agent is free for it. Gives its position."""
        cdef Contact *row = &self.tables.contacts[contact]
        cdef Queue *queue = &self.tables.queues[row.queue]
        cdef int64_t position
        cdef Forecast expected
        cdef Record *record
        if self.tables.plans[self.tables.plan_of(contact)].skips or self.tables.contact_details != NULL:
            self.tables.contact_detail_of(contact).useless = self._is_useless(contact)
        self._arm_step(contact)
        position = self.paces_of_lines.position(contact) if queue.waiting > 1 else 1
        expected.known = False
        if preference is not None:
            self._begin_preference(contact, preference)
            agent = self._agent_for(contact)
        if agent == NONE:
            self._wait(contact)
            expected = self._forecast(contact)
        record = self._record(CONTACT_QUEUED_EVENT, contact, NONE, row.queue)
        record.code = row.priority
        record.a = position
        if self.waited_in_vain and contact in self.waited_in_vain:
            record.d = self.waited_in_vain[contact][0]
        if expected.known:
            record.flag = True
            record.b = expected.p50_ms
            record.c = expected.p90_ms
            record.offer = not row.callback and 0 <= queue.callback_offer_ms <= expected.p50_ms
            if row.enqueued == self.now:
                foresee(row, &expected)
                if contact == self.arriving:
                    self.last_mean_ms = expected.mean_ms
                    self.last_p50_ms = expected.p50_ms
                    self.last_p90_ms = expected.p90_ms
            if queue.looks:
                self.tables.contact_detail_of(contact).seen_ms = <int32_t>expected.p50_ms
        self._judge(contact)
        self._serve_by(contact, agent)
        return position

    cdef int64_t _leave_by(self, int32_t contact, object rule) except -1:
        cdef Contact *row = &self.tables.contacts[contact]
        cdef int32_t target
        if rule.to is not None and self.tables.contact_detail(contact).overflows < OVERFLOWS_MAX:
            target = self.queue_slots[self.queue_configs[row.queue].tenant, rule.to]
            return self._move(contact, target, rule.keep_age, rule.when)
        self._end(contact, REASONS[rule.ends_as or WAY_OUT_REASONS[rule.when]], NONE)
        return 0

    cdef bint _overflow(self, int32_t contact) except -1:
        """Move a contact that finds nobody to the queue that its step says, if that would take it. Whether it did."""
        cdef Contact *row = &self.tables.contacts[contact]
        cdef int32_t target, plan, owner, stage
        cdef bint keep_age
        cdef Standing standing
        if self.tables.contact_detail(contact).overflows >= OVERFLOWS_MAX:
            return False
        self._sweep()
        stage = self._stage(contact)
        target = self.tables.stages[stage].overflow
        keep_age = self.tables.stages[stage].keep_age
        plan = self._plan(target, self._wishes(contact))
        stage = self.tables.plans[plan].first
        if keep_age:
            stage += passed(self.plans[plan], self.now - row.enqueued)
        owner = self._class(target, asked_of(row), stage)
        self._would_stand(&standing, contact, target, stage, keep_age)
        if self._refusal(target, owner, self.tables.queues[target].waiting, contact, &standing) is not None:
            return False
        self._move(contact, target, keep_age, "step")
        return True

    cdef int64_t _move(self, int32_t contact, int32_t target, bint keep_age, str cause) except -1:
        """A contact that waits, or has not joined yet, goes to another queue. Gives what `_join` does."""
        cdef Contact *row = &self.tables.contacts[contact]
        cdef Record *record
        self.arriving_pace = NONE
        self._leave_line(contact)
        self._delist(contact)
        self._note(contact, cause, self.queue_configs[target].name, NONE, 0)
        self.tables.queues[row.queue].overflowed += 1
        self.tables.contact_detail_of(contact).overflows += 1
        if contact not in self.moved_from:
            self.moved_from[contact] = self.queue_configs[row.queue].name
        self._disarm_contact(contact)
        self._stay_no_longer(contact)
        self._forget_preference(contact)
        self._leave_pace(contact, True)
        record = self._record(CONTACT_OVERFLOWED, contact, NONE, row.queue)
        record.a = self.now - row.enqueued
        record.b = target
        Py_INCREF(cause)
        record.text = <PyObject *>cause
        self._count_contact(contact, -1)
        row.queue = target
        self._count_contact(contact, 1)
        self._place(contact, keep_age)
        return self._join(contact, None)

    cdef int _place(self, int32_t contact, bint keep_age) except -1:
        """Let a contact, which is in no line, stand in its queue, where its own rules and its age put it."""
        cdef Contact *row = &self.tables.contacts[contact]
        cdef int32_t plan
        self._put(contact, None)
        if not keep_age:
            self._begin_anew(contact)
        plan = self._plan(row.queue, self._wishes(contact))
        self.tables.set_plan(contact, plan)
        row.step = passed(self.plans[plan], self.now - row.enqueued)
        return self._assign(contact)

    # -- contacts -----------------------------------------------------------------------------------------------

    cdef int _gone(self, str contact) except -1:
        return DUPLICATE if contact in self.ended else CONTACT_UNKNOWN

    cdef int _leave_queue(self, int32_t contact, int reason) except -1:
        """The contact ends while it waits or is offered; agents being rung keep their idle time."""
        cdef list rung = self._end_offers(contact, NONE, views.END_REASONS[reason])
        self._end(contact, reason, NONE)
        for agent in rung:
            self._recall(agent)
        return 0

    cdef list _end_offers(self, int32_t contact, int32_t but, object cause):
        """Withdraw all offers of a contact but one. Gives the agents, who are to be recalled."""
        cdef int32_t leg = self.tables.contacts[contact].legs, following, agent
        cdef list rung = []
        while leg != NONE:
            following = self.legs.legs[leg].next_of_contact
            if self.legs.legs[leg].state == LEG_OFFERED and leg != but:
                agent = self.legs.legs[leg].agent
                rung.append(agent)
                self._end_offer(leg, OFFER_WITHDRAWN, cause)
                self._refresh(agent)
                if not self._can_be_idle(agent):
                    self._not_idle(agent)
                elif self.tables.agents[agent].idle_seq:
                    self.idle.restore(agent)
            leg = following
        return rung

    cdef int _transfer(self, int32_t contact, int32_t target, bint keep_age, str only_agent) except -1:
        """A contact is handed on to a queue, from those who talk with it or by hand while it waits."""
        cdef Contact *row = &self.tables.contacts[contact]
        cdef list rung, talking = []
        cdef int32_t leg, following, agent
        cdef object history = self.histories.get(contact, ())
        rung = self._end_offers(contact, NONE, "transferred")
        self._record_transferred(contact, self.queue_configs[target].name, "", only_agent)
        self.tables.queues[row.queue].ended[<int>TRANSFERRED] += 1
        if row.state == CONTACT_QUEUED:
            self._leave_line(contact)
            self._delist(contact)
        leg = row.legs
        while leg != NONE:
            following = self.legs.legs[leg].next_of_contact
            if self.legs.legs[leg].state == LEG_CONNECTED:
                talking.append(leg)
                source = self.queue_configs[self.legs.legs[leg].queue]
                history = (
                    *history, f"{self._agent_name(self.legs.legs[leg].agent)}@{source.tenant}/{source.name}"
                )[-HISTORY_MAX:]
                self.left_contacts[leg] = self.contact_ids.get(contact)
                self.legs.detach(leg)
            leg = following
        if talking:
            self.histories[contact] = history
        self._disarm_contact(contact)
        self._stay_no_longer(contact)
        self._forget_preference(contact)
        self._leave_pace(contact, row.state == CONTACT_QUEUED)
        row.held = False
        row.wait_expired = False
        self._count_contact(contact, -1)
        row.state = CONTACT_QUEUED
        if target != row.queue and contact not in self.moved_from:
            self.moved_from[contact] = self.queue_configs[row.queue].name
        row.queue = target
        self._count_contact(contact, 1)
        self._place(contact, keep_age)
        if talking and contact in self.waited_in_vain:
            self.waited_in_vain[contact] = (self.waited_in_vain[contact][0], 0)
        self._join(contact, None)
        for leg in talking:
            self._wrap_up(leg, TRANSFERRED)
        for agent in rung:
            if not self.tables.agents[agent].rung:
                self._recall(agent)
        return 0

    cdef void _leave_pace(self, int32_t contact, bint lost) noexcept:
        """The contact leaves the line of its queue for another, `lost` to that line if nobody had answered it."""
        cdef Contact *row = &self.tables.contacts[contact]
        if row.stands:
            row.stands = False
            self.paces_of_lines.leave(row.pace, contact, self.now // 1000)
        if lost and row.pace != NONE:
            self.paces_of_lines.lose(row.pace, self.now // 1000)
        row.pace = NONE
        row.place = NONE
        row.foreseen = False

    cdef int _record_transferred(self, int32_t contact, str to, str outside, str only_agent) except -1:
        cdef Contact *row = &self.tables.contacts[contact]
        cdef int32_t leg = self.legs.foremost_of_contact(contact) if row.state == CONTACT_CONNECTED else NONE
        cdef Record *record = self._record(
            CONTACT_TRANSFERRED, contact, self.legs.legs[leg].agent if leg != NONE else NONE, row.queue
        )
        cdef object where = (to, outside, only_agent)
        self._note(contact, "transferred", to or outside, self.legs.legs[leg].agent if leg != NONE else NONE, 0)
        Py_INCREF(where)
        record.data = <PyObject *>where
        return 0

    cdef int _complete(self, int32_t contact, int reason) except -1:
        cdef Contact *row = &self.tables.contacts[contact]
        cdef int32_t leg, following
        row.completed = self.now
        row.held = False
        row.end_reason = reason
        self._disarm_contact(contact)
        self._set_state(contact, CONTACT_WRAPUP)
        leg = row.legs
        while leg != NONE:
            following = self.legs.legs[leg].next_of_contact
            if self.legs.legs[leg].state == LEG_CONNECTED:
                self._wrap_up(leg, reason)
            leg = following
        return 0

    @cython.final
    cdef int _wrap_up(self, int32_t leg, int reason) except -1:
        """The agent's part in the conversation is over; `reason` tells how."""
        cdef Leg *row = &self.legs.legs[leg]
        cdef Queue *queue = &self.tables.queues[row.queue]
        cdef int32_t agent = row.agent
        cdef int64_t talk = self.now - row.connected, wrapup
        cdef Record *record
        add_to(&queue.talk_ns, talk)
        self.tables.agents[agent].talk_ns += talk
        wrapup = queue.wrapup_most if queue.disposes else queue.wrapup
        if not wrapup:
            return self._finish_leg(leg)
        row.state = LEG_WRAPUP
        row.since = self.now
        row.latest = self.now + queue.wrapup_most
        self._refresh(agent)
        self._arm_leg(leg, wrapup)
        record = self._record_of_leg(CONTACT_WRAPUP_EVENT, leg)
        record.code = reason
        record.flag = queue.disposes
        record.a = talk
        record.b = wrapup
        return self._agent_changed(agent)

    @cython.final
    cdef Record *_record_of_leg(self, int kind, int32_t leg) except NULL:
        """A new record on a contact and the agent who does its after-work, whether it went on without him or not."""
        cdef Leg *row = &self.legs.legs[leg]
        cdef Record *record = self._record(kind, row.contact, row.agent, row.queue)
        cdef object name
        if row.contact == NONE:
            name = self.left_contacts[leg]
            Py_INCREF(name)
            record.text = <PyObject *>name
        return record

    cdef list _wrapups(self, int32_t agent, object contact):
        """What after-work the agent does, for the contact of that id or for all, as legs."""
        cdef int32_t leg = self.tables.agents[agent].legs
        cdef list found = []
        while leg != NONE:
            if self.legs.legs[leg].state == LEG_WRAPUP and (contact is None or self._leg_contact(leg) == contact):
                found.append(leg)
            leg = self.legs.legs[leg].next_of_agent
        return found

    cdef int _dispose(self, int32_t leg, object disposition) except -1:
        """The agent says how the contact went."""
        cdef Record *record
        if self.legs.legs[leg].contact != NONE:
            self.dispositions[self.legs.legs[leg].contact] = disposition
        record = self._record_of_leg(CONTACT_DISPOSED, leg)
        Py_INCREF(disposition)
        record.data = <PyObject *>disposition
        return 0

    @cython.final
    cdef int _finish_leg(self, int32_t leg) except -1:
        """The agent is through with the contact, which ends with the last of those who had it."""
        cdef Leg *row = &self.legs.legs[leg]
        cdef Queue *queue = &self.tables.queues[row.queue]
        cdef int32_t contact = row.contact, agent = row.agent
        cdef int64_t handle = self.now - row.connected
        add_to(&queue.handle_ns, handle)
        queue.handle_histogram[bucket_of(handle, HANDLE_BOUNDS, HANDLE_BUCKETS)] += 1
        self._had_inbound(agent, row.direction)
        self._drop_leg(leg)
        if (
            contact != NONE and self.tables.contacts[contact].state == CONTACT_WRAPUP
            and self.tables.contacts[contact].legs == NONE
        ):
            self._end(contact, self.tables.contacts[contact].end_reason, agent)
        return self._lighten(agent)

    cdef int _end(self, int32_t contact, int reason, int32_t agent) except -1:
        """The contact is over and only remembered; `agent` is who had it last."""
        cdef Contact *row = &self.tables.contacts[contact]
        cdef Queue *queue = &self.tables.queues[row.queue]
        cdef int64_t connected = connected_of(row)
        cdef bint answered = connected != 0
        cdef int64_t wait = (connected if answered else self.now) - row.enqueued
        cdef Record *record
        cdef object disposition
        queue.ended[reason] += 1
        if not answered:
            self._watch_reserve(row.queue, wait, False)
        if reason == ABANDONED and wait <= queue.service_level:
            queue.abandoned_in_target += 1
        if row.pace != NONE and not answered:
            self.paces_of_lines.lose(row.pace, self.now // 1000)
        if self.waited_in_vain:
            self._give_credit(contact, reason)
        self._disarm_contact(contact)
        self._leave_line(contact)
        self._stay_no_longer(contact)
        if row.prefers:
            self._forget_preference(contact)
        if self.moved_from:
            self.moved_from.pop(contact, None)
        if row.state != CONTACT_WRAPUP and row.state != CONTACT_PARKED:
            self._delist(contact)
        self._put(contact, None)
        self._set_state(contact, CONTACT_FREE)
        if self.histories:
            self.histories.pop(contact, None)
        if self.trails:
            self.trails.pop(contact, None)
        self.contact_slots.remove(contact)
        self.live_contacts -= 1
        self.ended.add_id(
            &self.contact_ids.rows[contact], self.contact_ids.letters(contact), reason, self._client(contact),
            self.ended_contacts_kept,
        )
        if len(self.last_agents) > self.callers_kept:
            self._forget()
        record = self._record(CONTACT_ENDED, contact, agent, row.queue)
        record.code = reason
        record.a = wait
        record.b = row.completed - connected if answered else 0
        if self.dispositions and contact in self.dispositions:
            disposition = self.dispositions.pop(contact)
            Py_INCREF(disposition)
            record.data = <PyObject *>disposition
        row.queue_next = self.ended_contact
        self.ended_contact = contact
        return 0

    # -- agents -------------------------------------------------------------------------------------------------

    cdef int _make_ready(self, int32_t agent) except -1:
        self.tables.agents[agent].missed = 0
        self._set_presence(agent, READY, "")
        if self._can_be_idle(agent):
            return self._idle(agent)
        return self._agent_changed(agent)

    cdef int32_t _stop_offering(self, int32_t agent, object cause) except -2:
        cdef Agent *row = &self.tables.agents[agent]
        cdef int32_t contact = NONE, leg = row.legs, following
        while leg != NONE:
            following = self.legs.legs[leg].next_of_agent
            if self.legs.legs[leg].state == LEG_OFFERED:
                contact = self._end_offer(leg, OFFER_WITHDRAWN, cause)
            leg = following
        self._disarm_agent(agent)
        self._not_idle(agent)
        self.tables.no_longer_kept(agent)
        self._refresh(agent)
        row.cooldown_cause = CAUSE_NONE
        return contact
