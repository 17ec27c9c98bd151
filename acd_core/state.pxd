cimport cython
from cpython.ref cimport PyObject
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from acd_core.clients cimport Clients
from acd_core.containers cimport item_of, prefetch, reserve
from acd_core.ended cimport Ended
from acd_core.gates cimport Gates
from acd_core.idle cimport IdleAgents
from acd_core.ids cimport Ids
from acd_core.legs cimport Legs
from acd_core.lines cimport Lines
from acd_core.live cimport Live
from acd_core.measures cimport Measures
from acd_core.pace cimport Paces
from acd_core.roster cimport Roster
from acd_core.route cimport RoutesTaken
from acd_core.tables cimport Tables
from acd_core.timers cimport OF_CONTACT, OF_LEG, Timers
from acd_core.watches cimport Watches
from acd_core.types cimport (
    ACTIVITY_COOLDOWN, ACTIVITY_NONE, CONTACT_CONNECTED, CONTACT_OFFERED, CONTACT_PARKED, CONTACT_QUEUED, CONTACT_WRAPUP, HELD_FIFO, HELD_NOWHERE, NONE,
    PAUSED, Agent, Contact, Plan, Queue,
)

cdef enum Kind:
    CONTACT_QUEUED_EVENT
    CONTACT_OFFERED_EVENT
    OFFER_ENDED
    CONTACT_CONNECTED_EVENT
    CONTACT_TRANSFERRED
    CONTACT_CONSULTED
    CONTACT_MERGED
    CONTACT_LEFT
    CONTACT_CALLBACK
    CONTACT_HELD
    CONTACT_RESUMED
    CONTACT_STEPPED
    CONTACT_OVERFLOWED
    CONTACT_RELAXED
    CONTACT_UPDATED
    CONTACT_WRAPUP_EVENT
    CONTACT_WRAPUP_EXTENDED
    CONTACT_DISPOSED
    CONTACT_ENDED
    AGENT_CHANGED
    AGENT_PAUSE_USED_UP
    AGENT_UPDATED
    AGENT_QUEUES_CHANGED
    QUEUE_CLOSED
    QUEUE_OPENED
    HOURS_UPDATED
    CONFIG_APPLIED

# What happened, before it becomes a Python object. The names are looked up when it does; objects that may change
# meanwhile are owned by the record, but for the client, see `State.former_clients`.
cdef struct Record:
    uint8_t kind
    uint8_t flag
    int32_t code
    int32_t contact
    int32_t agent
    int32_t queue
    int64_t seq
    int64_t at
    int64_t offer
    int64_t a
    int64_t b
    int64_t c
    int64_t d
    PyObject *text
    PyObject *data
    PyObject *history
    PyObject *agent_client

# As views and events have them.
cdef tuple REASON_NAMES
cdef tuple CAUSE_NAMES
cdef tuple STATE_NAMES
cdef str offer_id(int64_t number)


cdef class State:
    cdef readonly int64_t seq
    cdef readonly int64_t now
    cdef readonly int64_t last_position
    cdef int64_t last_mean_ms  # of `last_estimate`; NONE for none
    cdef int64_t last_p50_ms
    cdef int64_t last_p90_ms
    cdef Tables tables
    cdef Measures measures
    cdef Lines lines
    cdef IdleAgents idle
    cdef Paces paces_of_lines
    cdef Timers timers
    cdef Legs legs
    cdef Watches watches
    cdef Gates gates
    cdef int64_t contact_seq
    cdef int64_t offer_seq
    cdef int64_t idle_seq
    cdef int64_t live_contacts
    cdef int64_t live_waiting  # contacts that only wait
    cdef int64_t open_agents  # who could be offered something now
    cdef int64_t live_in_line  # and those that are being offered and may be offered to more
    cdef int64_t agents_by_state[7]
    cdef int64_t agents_cooling[6]  # agents in cooldown by CooldownCause
    cdef dict agents_pausing  # agents seen paused, by reason
    cdef uint64_t state_us[7]  # time spent by state, see `_time_in`
    cdef int64_t half_life_us  # of occupancy; 0 while nobody asks for it
    cdef int64_t rest_most    # an agent of a higher occupancy rests; 0 while nobody does
    cdef int64_t rest_least   # until it has fallen to this
    cdef int64_t missed_offers_max
    cdef int64_t max_contacts
    cdef int64_t ended_contacts_kept
    cdef bint tenants_limited  # some tenant has max_contacts
    cdef bint choosy          # some agent chose his queues, since the configuration was applied: each queue has classes of its own
    cdef int64_t classes_swept
    cdef int64_t plans_swept
    cdef int64_t lines_swept
    cdef int64_t texts_swept
    cdef int64_t attributes_swept
    cdef Record *records
    cdef int64_t record_capacity
    cdef int64_t record_count
    cdef list materialised
    cdef list former_clients  # that were agents' while records name them
    cdef object configuration
    cdef object skill_names   # frozenset of the configuration's
    cdef object skills_of_agents  # likewise of its agents'
    cdef dict skill_ids
    cdef dict tenant_ids
    cdef list channel_names
    cdef dict channel_ids
    cdef dict group_ids       # of the groups that agents belong to
    cdef list share_groups    # names, as Gates.shares has them
    cdef list going_round     # (path, slot) of the queues whose offers go round, by path
    cdef dict attribute_ids
    cdef dict text_ids        # of the texts that attributes and requirements name
    cdef dict class_of        # (tenant, requirement) to class
    cdef list route_of        # by queue slot: requirement text of a contact to Route
    cdef RoutesTaken routes_taken
    cdef int64_t routes       # how many were made, at most, of those that are known
    cdef int32_t arriving     # the contact that is coming; NONE while none is
    cdef int32_t arriving_pace  # of its line, where that is known; else NONE
    cdef dict queues_of       # tenant to name to slot
    cdef dict own_lines       # (queue slot, requirement of a contact) to the pace of its line
    cdef list pace_terms      # by pace: the requirement that its contacts have themselves
    cdef dict queue_slots     # (tenant, queue) to slot, in the order of the configuration
    cdef Roster agent_slots
    cdef Live contact_slots
    cdef dict callbacks       # contact slot to views.CallbackView, of those that are to be called back
    cdef dict consulting      # contact slot to that of the question that is being asked about it
    cdef dict callback_numbers  # (tenant, number) to contact slot
    cdef object credits_given  # credits.Credits
    cdef dict waited_in_vain  # slot to (credit, waited before) in ns, of the contacts that told their caller
    cdef dict by_hand         # slot to (level, head start beside its own, nudge, since, its own since) where it was put
    cdef Ended ended
    cdef list queue_configs   # by slot, as are the following
    cdef list queue_tenants   # each name once (`sys.intern`), so that most comparisons end before they look at letters
    cdef list queue_json      # the fields tenant and queue as events have them
    cdef list queue_calendars  # slot of its calendar, NONE for none
    cdef list queue_emergencies  # the supervisor's reason; None while none closed it
    cdef list queue_told      # what `_closed` gave when it was last told
    cdef list judging_queues  # slots of those whose contacts are judged when agents come and go
    cdef dict queues_by_name  # (tenant, queue) to its configuration
    cdef list plans           # of plan.py, by slot
    cdef list stages          # of plan.py, by slot
    cdef dict plan_ids        # (queue slot, own steps, their mode) to slot
    cdef dict calendar_slots  # name to slot, in the order of the configuration
    cdef list calendar_open   # by slot, as are the following
    cdef list calendar_changes
    cdef list calendar_timers
    cdef list free_calendars
    cdef dict moved_from      # slot of a contact that came from another queue to the name of the first one
    cdef list agent_names     # by slot, as are the following
    cdef list agent_addresses
    cdef list agent_clients
    cdef dict agent_skills    # of those who have others than are configured, by slot
    cdef dict agent_attributes  # likewise
    cdef dict agent_pause_reasons  # of those who gave one; by slot, as are the following
    cdef dict agent_queues    # paths of those that they chose; of who chose none he serves all
    cdef dict agent_outside   # channel to [contacts from elsewhere, until when that report counts]
    cdef bint outside_counts  # those count as work
    cdef dict agent_failures  # when offers failed lately, the earliest first
    cdef int64_t failed_window  # in which they count
    cdef dict agent_pauses    # name of a configured reason to [when the window began, time used in it]
    cdef tuple pause_reasons  # as configured
    cdef dict pause_codes     # name to place in them
    cdef list free_agents
    cdef list free_queues
    cdef Ids contact_ids
    cdef Clients announcers   # of contacts
    cdef dict trails          # contact to what happened to it, where anything did
    cdef dict histories       # contact to those who had it before, where there are any
    cdef dict left_contacts   # leg to the id of the contact that went on without its agent
    cdef list contact_wishes  # empty as long as no contact brought any
    cdef dict dispositions    # contact to what an agent said of how it went
    cdef dict preferences     # slot of a contact that prefers agents to (their names, until when)
    cdef dict bound_to    # name of an agent to the slots of the contacts that only he, or others named, may have
    cdef object last_agents   # OrderedDict of (tenant, caller) to the name of the agent, oldest first
    cdef int64_t callers_kept
    cdef int32_t free_contact  # slot of the first row not in use, and so on by Contact.queue_next; NONE for none
    cdef int32_t ended_contact  # likewise of those that are not in use once their events are taken

    cdef int _agent_changed(self, int32_t agent) except -1
    cdef int _add_reason(self, int32_t agent, Record *record) except -1
    cdef int _materialise(self) except -1
    cdef object _event(self, Record *record)
    cdef str _agent_name(self, int32_t agent)
    cdef object _agent_config(self, int32_t agent)
    cdef dict _skills_of(self, int32_t agent)
    cdef dict _attributes_of(self, int32_t agent)
    cdef int _free_slots(self) except -1
    cdef int forget_events(self) except -1
    cdef int _arm_agent(self, int32_t agent, int64_t duration) except -1
    cdef void _disarm_queue(self, int32_t queue) noexcept
    cdef int _arm_next_step(self, int32_t contact) except -1
    cdef object _closed(self, int32_t queue)
    cdef void _disarm_agent(self, int32_t agent) noexcept
    cdef int _count_absent(self, int32_t agent, int state, int by) except -1
    cdef int _set_client(self, int32_t agent, object client) except -1
    cdef int _clear_records(self) except -1
    cdef int _mind_pause(self, int32_t agent) except -1
    cdef int _refresh_plain(self, int32_t agent) except -1
    cdef int _refresh_in_full(self, int32_t agent) except -1
    cdef int _mind_outside(self, int32_t agent) except -1
    cdef int _keep_reports(self, int32_t agent, dict reports) except -1
    cdef int _enter_outside(self, int32_t agent) except -1
    cdef bint _on_outside(self, int32_t agent) noexcept
    cdef int _use_of(self, int32_t agent) noexcept
    cdef int _count_occupancy(self, int32_t agent) except -1
    cdef int _take_occupancy(self, int32_t agent) except -1
    cdef int _begin_occupancy(self, int32_t agent) except -1
    cdef int32_t _best_agent(self, int32_t queue, int32_t owner) except -2
    cdef int _stand_in_line(self, int32_t contact) except -1
    cdef int _take_out_of_line(self, int32_t contact) except -1
    cdef int _tighten(self) except -1
    cdef int _set_presence(self, int32_t agent, int presence, object reason) except -1
    cdef int _forget(self) except -1
    cdef int _enlist(self, int32_t contact) except -1
    cdef void _delist(self, int32_t contact) noexcept
    cdef int32_t _new_contact_slot(self) except -1
    cdef object _wishes(self, int32_t contact)
    cdef int _set_wishes(self, int32_t contact, object wishes) except -1

    # -- what is done many times for each contact ---------------------------------------------------------------

    @cython.final
    cdef inline Record *_record(self, int kind, int32_t contact, int32_t agent, int32_t queue) except NULL:
        """A new record with the next sequence number, zero but for what is given, for the caller to complete at once."""
        cdef Record *record
        reserve(<void **>&self.records, &self.record_capacity, self.record_count + 1, sizeof(Record))
        record = &self.records[self.record_count]
        self.record_count += 1
        self.seq += 1
        record.kind = <uint8_t>kind
        record.flag = 0
        record.code = 0
        record.contact = contact
        record.agent = agent
        record.queue = queue
        record.seq = self.seq
        record.at = self.now
        record.offer = 0
        record.a = 0
        record.b = 0
        record.c = 0
        record.d = 0
        record.text = NULL
        record.data = NULL
        record.history = NULL
        record.agent_client = item_of(self.agent_clients, agent) if agent != NONE else NULL
        return record

    @cython.final
    cdef inline int _state(self, int32_t agent) noexcept:
        """Index into events.AgentState of what the agent is seen to do."""
        cdef Agent *row = &self.tables.agents[agent]
        return row.presence if row.activity == ACTIVITY_NONE else 2 + row.activity

    @cython.final
    cdef inline void _disarm_leg(self, int32_t leg) noexcept:
        self.timers.disarm(&self.legs.legs[leg].timer)

    @cython.final
    cdef inline void _prefetch_around(self, int32_t contact) noexcept:
        """Bring near what a contact is joined with, as it will be needed, and is far away when there are very many."""
        cdef Contact *contacts = self.tables.contacts
        cdef Contact *row = &contacts[contact]
        self.timers.prefetch_timer(row.timer)
        if row.stands:
            self.paces_of_lines.prefetch_place(row.pace, contact)
        prefetch(&contacts[row.queue_prev].queue_next)
        prefetch(&contacts[row.queue_next].queue_prev)
        if row.where == HELD_FIFO:
            prefetch(&contacts[row.line_prev].line_next)
            prefetch(&contacts[row.line_next].line_prev)
        if row.stands:
            self.timers.prefetch_beside(row.timer)
            self.paces_of_lines.prefetch_above(row.pace, contact)

    @cython.final
    cdef inline void _prefetch_new(self) noexcept:
        """Bring near where the next contact will be kept."""
        if self.free_contact != NONE:
            self.tables.prefetch_contact(self.free_contact)
            self.contact_ids.prefetch_id(self.free_contact)

    @cython.final
    cdef inline str _client(self, int32_t contact):
        """Who announced a contact."""
        return self.announcers.names[self.tables.contacts[contact].client]

    @cython.final
    cdef inline int32_t _stage(self, int32_t contact) noexcept:
        """Slot of the stage that holds for a contact. For one in conversation its plan may have become shorter."""
        cdef Contact *row = &self.tables.contacts[contact]
        cdef Plan *plan = &self.tables.plans[self.tables.plan_of(contact)]
        return plan.first + (row.step if row.step < plan.count - 1 else plan.count - 1)

    @cython.final
    cdef inline void _disarm_step(self, int32_t contact) noexcept:
        if self.tables.contact_details != NULL:
            self.timers.disarm(&self.tables.contact_details[contact].step_timer)

    @cython.final
    cdef inline void _disarm_stay(self, int32_t contact) noexcept:
        if self.tables.contact_details != NULL:
            self.timers.disarm(&self.tables.contact_details[contact].stay_timer)

    @cython.final
    cdef inline void _disarm_look(self, int32_t contact) noexcept:
        """Nobody asks for the contact's estimate any more."""
        if self.tables.contact_details != NULL:
            self.tables.contact_details[contact].seen_ms = NONE
            self.timers.disarm(&self.tables.contact_details[contact].look_timer)

    @cython.final
    cdef inline void _stay_no_longer(self, int32_t contact) noexcept:
        """No conditions for one who does not wait any more."""
        if self.tables.contact_details == NULL:
            return
        self.tables.contact_details[contact].useless = False
        self.tables.contact_details[contact].stay = NONE
        self._disarm_stay(contact)
        self._disarm_look(contact)
        self._disarm_step(contact)

    @cython.final
    cdef inline void _disarm_contact(self, int32_t contact) noexcept:
        self.timers.disarm(&self.tables.contacts[contact].timer)

    @cython.final
    cdef inline int _arm_contact(self, int32_t contact, int64_t deadline, int64_t duration) except -1:
        self._disarm_contact(contact)
        self.tables.contacts[contact].timer = self.timers.arm(deadline, duration, contact, OF_CONTACT)
        return 0

    @cython.final
    cdef inline int _arm_leg(self, int32_t leg, int64_t duration) except -1:
        self._disarm_leg(leg)
        self.legs.legs[leg].timer = self.timers.arm(self.now + duration, duration, leg, OF_LEG)
        return 0

    @cython.final
    cdef inline void _set_open(self, int32_t agent) noexcept:
        cdef Agent *row = &self.tables.agents[agent]
        cdef uint32_t room = self.legs.room(agent) if row.idle_seq and not row.rung else 0
        if room == row.open:
            return
        if self.gates.reserve_count and room & ~row.open:
            self.gates.opened = True  # somebody else may be spared now
        self.open_agents += (room != 0) - (row.open != 0)
        row.open = room

    @cython.final
    cdef inline void _shut(self, int32_t agent) noexcept:
        """The agent is open to nothing."""
        if self.tables.agents[agent].open:
            self.tables.agents[agent].open = 0
            self.open_agents -= 1

    @cython.final
    cdef inline bint _in_line(self, int32_t contact) noexcept:
        """Whether one more agent can be offered the contact."""
        cdef Contact *row = &self.tables.contacts[contact]
        if row.state == CONTACT_OFFERED:
            return not row.wait_expired and row.offers < self.tables.queues[row.queue].offers_at_once
        return row.state == CONTACT_QUEUED

    @cython.final
    cdef inline void _set_state(self, int32_t contact, int state) noexcept:
        if self.tables.contacts[contact].stands:
            self.tables.contacts[contact].stands = False
            self.paces_of_lines.leave(self.tables.contacts[contact].pace, contact, self.now // 1000)
        self._count_contact(contact, -1)
        self.tables.contacts[contact].state = state
        self._count_contact(contact, 1)

    @cython.final
    cdef inline void _count_busy(self, Queue *queue, int by) noexcept:
        """A contact of the queue begins to be offered or to talk (by 1), or no longer is (by -1)."""
        if self.gates.active:
            self.gates.tenant_busy[queue.tenant] += by
            if by < 0 and self.gates.was_at_limit(queue):
                self.gates.opened = True

    @cython.final
    cdef inline void _count_contact(self, int32_t contact, int by) noexcept:
        """Count a contact into the state that it is in (by 1), or out of it (by -1)."""
        cdef Contact *row = &self.tables.contacts[contact]
        cdef Queue *queue = &self.tables.queues[row.queue]
        if row.state == CONTACT_QUEUED:
            queue.waiting += by
            self.live_waiting += by
            if queue.measure != NONE:
                self.measures.count(queue.measure, by)
        elif row.state == CONTACT_OFFERED:
            queue.offered += by
            self._count_busy(queue, by)
        elif row.state == CONTACT_CONNECTED:
            queue.connected += by
            self._count_busy(queue, by)
        elif row.state == CONTACT_WRAPUP:
            queue.wrapping_up += by
        elif row.state == CONTACT_PARKED:
            queue.parked += by

    @cython.final
    @cython.overflowcheck(False)
    cdef inline void _count_in_state(self, int state, int by, int64_t now_us) noexcept:
        """Count an agent into a state (by 1), or out of it (by -1)."""
        self.agents_by_state[state] += by
        self.state_us[state] -= <uint64_t>now_us * by

    @cython.final
    @cython.overflowcheck(False)
    cdef inline int64_t _time_in(self, int state) noexcept:
        """Microseconds that all agents together have spent in a state until now.

        Who leaves a state adds the present time to it, and who comes takes it away, so those who are in it add what the
        time is now. The sums may wrap around on the way. Whole microseconds add up exactly.
        """
        return <int64_t>(self.state_us[state] + <uint64_t>self.agents_by_state[state] * (self.now // 1000))

    @cython.final
    @cython.overflowcheck(False)
    cdef inline void _set_time_in(self, int state, int64_t spent_us, int64_t now_us) noexcept:
        """So much had been spent in a state at a time, by those who were in it then and are."""
        self.state_us[state] = <uint64_t>spent_us - <uint64_t>self.agents_by_state[state] * now_us

    @cython.final
    cdef inline int64_t _left(self, int32_t timer) noexcept:
        """The time until a timer is due; NONE for none."""
        return self.timers.deadline(timer) - self.now if timer != NONE else NONE

    @cython.final
    cdef inline int _count_agent(self, int32_t agent, int by) except -1:
        """Count an agent into the state that he is in (by 1), or out of it (by -1)."""
        cdef int state = self._state(agent)
        self._count_in_state(state, by, self.now // 1000)
        if state == <int>PAUSED or state == 2 + <int>ACTIVITY_COOLDOWN:
            return self._count_absent(agent, state, by)
        return 0

    @cython.final
    cdef inline int _refresh(self, int32_t agent) except -1:
        """Bring the agent's activity, what he is open to, and what is counted of his pauses up to date."""
        self._refresh_plain(agent)
        return self._mind_pause(agent) if self.pause_codes else 0

    @cython.final
    cdef inline int _forget_records(self) except -1:
        """What the records tell has been told, or is not asked for. Rows of ended contacts can be used again."""
        if self.record_count:
            self._clear_records()
        return self._free_slots() if self.ended_contact != NONE else 0

    @cython.final
    cdef inline int _leave_line(self, int32_t contact) except -1:
        """The contact stands in no line any more, if it did."""
        return self._take_out_of_line(contact) if self.tables.contacts[contact].where != HELD_NOWHERE else 0

    @cython.final
    cdef inline int _arm_step(self, int32_t contact) except -1:
        """Set the time of the contact's next step, if its plan has one more."""
        cdef Contact *row = &self.tables.contacts[contact]
        self._disarm_step(contact)
        return self._arm_next_step(contact) if row.step + 1 < self.tables.plans[self.tables.plan_of(contact)].count else 0
