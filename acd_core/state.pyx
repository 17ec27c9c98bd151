# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""The engine's state: its tables and names, and the record of what happened.

Nothing here decides anything. Events are kept as plain records while commands run and become Python objects only
when they are taken, so a caller who wants none pays for none.
"""

from cpython.ref cimport Py_INCREF, Py_XDECREF, PyObject
from libc.stdint cimport int32_t, int64_t, uint8_t

from acd_core.brought cimport forget_brought
from acd_core.clients cimport Clients
from acd_core.containers cimport heap_insert, heap_remove, put_item, reserve
from acd_core.ended cimport Ended
from acd_core.gates cimport Gates
from acd_core.idle cimport IdleAgents
from acd_core.ids cimport Ids
from acd_core.legs cimport Legs
from acd_core.lines cimport Lines
from acd_core.live cimport Live
from acd_core.measures cimport Measures
from acd_core.memory cimport give_back, release
from acd_core.occupancy cimport USE_FREE, USE_OCCUPIED, USE_PAUSED, later, order_key
from acd_core.pace cimport Paces
from acd_core.roster cimport Roster
from acd_core.route cimport RoutesTaken
from acd_core.tables cimport Tables
from acd_core.timers cimport OF_AGENT, OF_STEP, Timers
from acd_core.types cimport (
    ACCEPT_BUCKETS, ACTIVITY_BUSY, ACTIVITY_COOLDOWN, ACTIVITY_NONE, CAUSE_NONE, CAUSE_OCCUPANCY,
    END_REASONS, HANDLE_BUCKETS, HELD_BOUND, HELD_NOWHERE, LEG_CONNECTED, LEG_OFFERED, LOGGED_OUT, NONE, PAUSED, READY,
    WAIT_BUCKETS, Agent, Contact, ContactDetails, Details, Node, Queue,
)
from acd_core.watches cimport Watches

from collections import OrderedDict

import msgspec

from acd_core import events, views
from acd_core.config import Config
from acd_core.credits import Credits
from acd_core.events import Addressed
from acd_core.wishes import NO_WISHES

cdef tuple REASON_NAMES = views.END_REASONS
cdef tuple OUTCOME_NAMES = events.OFFER_OUTCOMES
cdef tuple CAUSE_NAMES = ("", "rejected", "no_answer", "busy", "unreachable", "occupancy")
cdef tuple PLACE_NAMES = ("", *views.PLACES)
cdef tuple STATE_NAMES = views.AGENT_STATES

if (
    len(REASON_NAMES) != END_REASONS or len(views.WAIT_BUCKETS_S) + 1 != WAIT_BUCKETS
    or len(views.ACCEPT_BUCKETS_S) + 1 != ACCEPT_BUCKETS or len(views.HANDLE_BUCKETS_S) + 1 != HANDLE_BUCKETS
):
    raise ImportError("types.pxd and views.py disagree; build the extension modules anew")


cdef enum:
    RECORDS_KEPT = 16_384     # room for more than so many is given back once they are told


cdef object new_tuple = tuple.__new__


cdef object _seconds(int64_t ns):
    """See `config.seconds_of_ns`; `ns` is not negative."""
    cdef int64_t ms = (ns + 500_000) // 1_000_000
    return ms // 1000 if ms % 1000 == 0 else ms / 1000.0


cdef str offer_id(int64_t number):
    """An offer's id, as clients know it."""
    return f"o-{number}"


cdef class State:
    """What `Engine` works on; see there."""

    def __cinit__(self):
        self.tables = Tables()
        self.gates = Gates(self.tables)
        self.measures = Measures(self.tables)
        self.lines = Lines(self.tables, self.measures, self.gates)
        self.idle = IdleAgents(self.tables, self.gates)
        self.idle.clock = &self.now
        self.timers = Timers()
        self.legs = Legs(self.tables)
        self.paces_of_lines = Paces(self.lines)
        self.watches = Watches(self.tables, self.legs)
        self.materialised = []
        self.former_clients = []
        self.skill_names = frozenset()
        self.skills_of_agents = frozenset()
        self.skill_ids = {}
        self.tenant_ids = {}
        self.channel_names = []
        self.channel_ids = {}
        self.group_ids = {}
        self.share_groups = []
        self.going_round = []
        self.attribute_ids = {}
        self.text_ids = {}
        self.class_of = {}
        self.route_of = []
        self.routes_taken = RoutesTaken()
        self.arriving = NONE
        self.queues_of = {}
        self.own_lines = {}
        self.pace_terms = []
        self.queue_slots = {}
        self.credits_given = Credits()
        self.waited_in_vain = {}
        self.by_hand = {}
        self.ended = Ended()
        self.agents_pausing = {}
        self.queue_configs = []
        self.queue_tenants = []
        self.queue_json = []
        self.queue_calendars = []
        self.queue_emergencies = []
        self.queue_told = []
        self.judging_queues = []
        self.queues_by_name = {}
        self.plans = []
        self.stages = []
        self.plan_ids = {}
        self.calendar_slots = {}
        self.calendar_open = []
        self.calendar_changes = []
        self.calendar_timers = []
        self.free_calendars = []
        self.moved_from = {}
        self.agent_names = []
        self.agent_slots = Roster(self.agent_names, 0)
        self.agent_addresses = []
        self.agent_clients = []
        self.agent_skills = {}
        self.agent_attributes = {}
        self.agent_pause_reasons = {}
        self.agent_queues = {}
        self.agent_outside = {}
        self.agent_failures = {}
        self.agent_pauses = {}
        self.pause_reasons = ()
        self.pause_codes = {}
        self.free_agents = []
        self.free_queues = []
        self.contact_ids = Ids()
        self.contact_slots = Live(self.tables, self.contact_ids)
        self.announcers = Clients()
        self.trails = {}
        self.histories = {}
        self.callbacks = {}
        self.consulting = {}
        self.callback_numbers = {}
        self.left_contacts = {}
        self.contact_wishes = []
        self.dispositions = {}
        self.preferences = {}
        self.bound_to = {}
        self.last_agents = OrderedDict()
        self.free_contact = NONE
        self.ended_contact = NONE
        self.last_mean_ms = NONE
        self.configuration = Config()
        self.missed_offers_max = self.configuration.settings.missed_offers_max
        self.max_contacts = self.configuration.settings.max_contacts
        self.ended_contacts_kept = self.configuration.settings.ended_contacts_kept
        self.callers_kept = self.configuration.settings.callers_kept

    def __dealloc__(self):
        cdef int64_t index
        for index in range(self.record_count):
            Py_XDECREF(self.records[index].text)
            Py_XDECREF(self.records[index].data)
            Py_XDECREF(self.records[index].history)
        release(self.records)

    # -- events -------------------------------------------------------------------------------------------------

    cdef int _set_client(self, int32_t agent, object client) except -1:
        """The agent is this client's from now on; records of what happened before still name the former one."""
        if self.record_count:
            self.former_clients.append(self.agent_clients[agent])
        self.agent_clients[agent] = client
        return 0

    cdef int _agent_changed(self, int32_t agent) except -1:
        """Record the state that an agent is in now."""
        cdef Agent *row = &self.tables.agents[agent]
        cdef Record *record = self._record(AGENT_CHANGED, NONE, agent, NONE)
        cdef int32_t leg = self.legs.foremost(agent)
        cdef int32_t timer = row.timer if leg == NONE else self.legs.legs[leg].timer
        record.code = self._state(agent)
        record.flag = row.logging_out
        record.a = self._left(timer)
        if row.outside or row.presence == PAUSED or row.activity == ACTIVITY_COOLDOWN:
            return self._add_reason(agent, record)
        return 0

    cdef int _add_reason(self, int32_t agent, Record *record) except -1:
        """Complete the record of a state which has a reason, or an end that does not follow from what the agent holds."""
        cdef Agent *row = &self.tables.agents[agent]
        cdef str reason = ""
        if row.cooling == CAUSE_OCCUPANCY:
            record.a = self._left(self.tables.detail(agent).rest_timer)
        if row.outside and self._on_outside(agent):
            record.a = self._left(self.tables.detail(agent).outside_timer)
            reason = "outside"
        if row.presence == PAUSED:
            reason = self.agent_pause_reasons.get(agent, "")
        elif row.activity == ACTIVITY_COOLDOWN:
            reason = CAUSE_NAMES[row.cooling]
        if reason:
            Py_INCREF(reason)
            record.text = <PyObject *>reason
        return 0

    @property
    def last_estimate(self):
        """See `Machine`."""
        if self.last_mean_ms == NONE:
            return None
        return views.Estimate(mean_ms=self.last_mean_ms, p50_ms=self.last_p50_ms, p90_ms=self.last_p90_ms)

    def take_events(self):
        """See `Machine.take_events`."""
        cdef list taken
        self._materialise()
        taken = self.materialised
        self.materialised = []
        self._forget_records()
        return taken

    def discard_events(self):
        """Forget the events since the last call, unseen. Returns how many there were."""
        cdef int64_t count = self.record_count + len(self.materialised)
        self.forget_events()
        return count

    cdef int forget_events(self) except -1:
        """The same for compiled callers."""
        self._forget_records()
        if self.materialised:
            self.materialised.clear()
        return 0

    cdef int _clear_records(self) except -1:
        cdef Record *record = self.records
        cdef Record *end = record + self.record_count
        while record != end:
            if <size_t>record.text | <size_t>record.data | <size_t>record.history:
                Py_XDECREF(record.text)
                Py_XDECREF(record.data)
                Py_XDECREF(record.history)
            record += 1
        self.record_count = 0
        if self.record_capacity > RECORDS_KEPT:
            release(self.records)
            self.records = NULL
            self.record_capacity = 0
            give_back()
        if self.former_clients:
            self.former_clients.clear()
        return 0

    cdef int _free_slots(self) except -1:
        """Rows of ended contacts can be used again, now that no record names them."""
        cdef int32_t slot
        while self.ended_contact != NONE:
            slot = self.ended_contact
            self.ended_contact = self.tables.contacts[slot].queue_next
            self.tables.contacts[slot].queue_next = self.free_contact
            self.free_contact = slot
            self.contact_ids.clear(slot)
            self.announcers.drop(self.tables.contacts[slot].client)
            forget_brought(&self.tables.contacts[slot])
            if self.contact_wishes:
                put_item(self.contact_wishes, slot, NO_WISHES)
        return 0

    cdef int _materialise(self) except -1:
        """Turn the records into events."""
        cdef int64_t index
        cdef Record *record
        cdef object contact_client, agent_client
        for index in range(self.record_count):
            record = &self.records[index]
            contact_client = self._client(record.contact) if record.contact != NONE else ""
            agent_client = <object>record.agent_client if record.agent_client != NULL else ""
            self.materialised.append(new_tuple(Addressed, (self._event(record), contact_client, agent_client)))
        return self._clear_records()

    cdef str _agent_name(self, int32_t agent):
        return self.agent_names[agent] if agent != NONE else ""

    cdef object _agent_config(self, int32_t agent):
        return self.configuration.agents[self.tables.agents[agent].position]

    cdef dict _skills_of(self, int32_t agent):
        found = self.agent_skills.get(agent)
        return self._agent_config(agent).skills if found is None else found

    cdef dict _attributes_of(self, int32_t agent):
        found = self.agent_attributes.get(agent)
        return self._agent_config(agent).attributes if found is None else found

    cdef object _event(self, Record *record):
        cdef int kind = record.kind
        cdef str contact = self.contact_ids.get(record.contact) if record.contact != NONE else ""
        cdef str agent = self._agent_name(record.agent)
        cdef object queue = self.queue_configs[record.queue] if record.queue != NONE else None
        if kind == AGENT_CHANGED:
            reason = <object>record.text if record.text != NULL else ""
            if record.a == NONE:
                return events.AgentChanged(
                    seq=record.seq, at=record.at, agent=agent, state=STATE_NAMES[record.code],
                    reason=reason, logging_out=bool(record.flag),
                )
            return events.AgentChanged(
                seq=record.seq, at=record.at, agent=agent, state=STATE_NAMES[record.code],
                reason=reason, expires_in=_seconds(record.a), logging_out=bool(record.flag),
            )
        if kind == CONTACT_QUEUED_EVENT:
            return events.ContactQueued(
                seq=record.seq, at=record.at, contact=contact, tenant=queue.tenant, queue=queue.name,
                priority=record.code, position=record.a, credit=_seconds(record.d),
                wait_estimate=(
                    events.WaitEstimate((record.b + 500) // 1000, (record.c + 500) // 1000) if record.flag else None
                ),
                callback_offered=record.offer != 0,
            )
        if kind == CONTACT_OFFERED_EVENT:
            attributes, number, consults = <tuple>record.data if record.flag else (<object>record.data, "", "")
            return events.ContactOffered(
                seq=record.seq, at=record.at, offer=offer_id(record.offer), contact=contact, tenant=queue.tenant,
                queue=queue.name, agent=agent, address=<object>record.text, expires_in=_seconds(record.a),
                wait=_seconds(record.b), attributes=attributes,
                history=(<object>record.history if record.history != NULL else ()), callback=number,
                consults=consults,
            )
        if kind == OFFER_ENDED:
            return events.OfferEnded(
                seq=record.seq, at=record.at, offer=offer_id(record.offer), contact=contact, tenant=queue.tenant,
                queue=queue.name, agent=agent, outcome=OUTCOME_NAMES[record.code],
                cause=<object>record.text,
            )
        if kind == CONTACT_CONNECTED_EVENT:
            return events.ContactConnected(
                seq=record.seq, at=record.at, contact=contact, tenant=queue.tenant, queue=queue.name, agent=agent,
                offer=offer_id(record.offer), wait=_seconds(record.a),
            )
        if kind == CONTACT_TRANSFERRED:
            to, outside, only_agent = <tuple>record.data
            return events.ContactTransferred(
                seq=record.seq, at=record.at, contact=contact, tenant=queue.tenant, queue=queue.name, to=to,
                outside=outside, agent=agent, only_agent=only_agent,
            )
        if kind == CONTACT_CONSULTED:
            return events.ContactConsulted(
                seq=record.seq, at=record.at, contact=contact, tenant=queue.tenant, queue=queue.name, agent=agent,
                consult=<object>record.text,
            )
        if kind == CONTACT_MERGED:
            return events.ContactMerged(
                seq=record.seq, at=record.at, contact=contact, tenant=queue.tenant, queue=queue.name, agent=agent,
                consult=<object>record.text, talking=record.code,
            )
        if kind == CONTACT_LEFT:
            return events.ContactLeft(
                seq=record.seq, at=record.at, contact=contact, tenant=queue.tenant, queue=queue.name, agent=agent,
                talking=record.code,
            )
        if kind == CONTACT_CALLBACK:
            return events.ContactCallbackChanged(
                seq=record.seq, at=record.at, contact=contact, tenant=queue.tenant, queue=queue.name, agent=agent,
                cause=<object>record.text, attempts=record.code,
                next_in=_seconds(record.a) if record.a != NONE else msgspec.UNSET,
            )
        if kind == CONTACT_HELD:
            return events.ContactHeld(
                seq=record.seq, at=record.at, contact=contact, tenant=queue.tenant, queue=queue.name, agent=agent
            )
        if kind == CONTACT_RESUMED:
            return events.ContactResumed(
                seq=record.seq, at=record.at, contact=contact, tenant=queue.tenant, queue=queue.name, agent=agent
            )
        if kind == CONTACT_STEPPED:
            return events.ContactStepped(
                seq=record.seq, at=record.at, contact=contact, tenant=queue.tenant, queue=queue.name, step=record.code
            )
        if kind == CONTACT_OVERFLOWED:
            return events.ContactOverflowed(
                seq=record.seq, at=record.at, contact=contact, tenant=queue.tenant, queue=queue.name,
                to=self.queue_configs[record.b].name, cause=<object>record.text, wait=_seconds(record.a),
            )
        if kind == CONTACT_RELAXED:
            return events.ContactRelaxed(
                seq=record.seq, at=record.at, contact=contact, tenant=queue.tenant, queue=queue.name
            )
        if kind == CONTACT_UPDATED:
            return events.ContactUpdated(
                seq=record.seq, at=record.at, contact=contact, tenant=queue.tenant, queue=queue.name,
                priority=record.code, place=PLACE_NAMES[record.flag], other=<object>record.text,
            )
        if kind == CONTACT_WRAPUP_EVENT:
            return events.ContactWrapup(
                seq=record.seq, at=record.at, contact=contact or <object>record.text, tenant=queue.tenant, queue=queue.name, agent=agent,
                reason=REASON_NAMES[record.code], talk=_seconds(record.a), expires_in=_seconds(record.b),
                disposition_required=bool(record.flag),
            )
        if kind == CONTACT_WRAPUP_EXTENDED:
            return events.ContactWrapupExtended(
                seq=record.seq, at=record.at, contact=contact or <object>record.text, tenant=queue.tenant,
                queue=queue.name, agent=agent, expires_in=_seconds(record.a),
            )
        if kind == CONTACT_DISPOSED:
            return events.ContactDisposed(
                seq=record.seq, at=record.at, contact=contact or <object>record.text, tenant=queue.tenant,
                queue=queue.name, agent=agent, disposition=<object>record.data,
            )
        if kind == CONTACT_ENDED:
            return events.ContactEnded(
                seq=record.seq, at=record.at, contact=contact, tenant=queue.tenant, queue=queue.name, agent=agent,
                reason=REASON_NAMES[record.code], wait=_seconds(record.a), talk=_seconds(record.b),
                disposition=<object>record.data if record.data != NULL else "",
            )
        if kind == AGENT_PAUSE_USED_UP:
            return events.AgentPauseUsedUp(
                seq=record.seq, at=record.at, agent=agent, reason=<object>record.text, used=_seconds(record.a),
                allowance=_seconds(record.b),
            )
        if kind == AGENT_UPDATED:
            return events.AgentUpdated(seq=record.seq, at=record.at, agent=agent)
        if kind == AGENT_QUEUES_CHANGED:
            return events.AgentQueuesChanged(seq=record.seq, at=record.at, agent=agent, queues=record.a)
        if kind == QUEUE_CLOSED:
            return events.QueueClosed(
                seq=record.seq, at=record.at, tenant=queue.tenant, queue=queue.name,
                cause="emergency" if record.flag else "hours", reason=<object>record.text,
            )
        if kind == QUEUE_OPENED:
            return events.QueueOpened(seq=record.seq, at=record.at, tenant=queue.tenant, queue=queue.name)
        if kind == HOURS_UPDATED:
            return events.HoursUpdated(
                seq=record.seq, at=record.at, calendar=<object>record.text, open=bool(record.flag), changes=record.a
            )
        return events.ConfigApplied(
            seq=record.seq, at=record.at, tenants=record.a, queues=record.b, agents=record.code
        )

    # -- rows ---------------------------------------------------------------------------------------------------

    cdef int _arm_agent(self, int32_t agent, int64_t duration) except -1:
        self._disarm_agent(agent)
        self.tables.agents[agent].timer = self.timers.arm(self.now + duration, duration, agent, OF_AGENT)
        return 0

    cdef void _disarm_queue(self, int32_t queue) noexcept:
        self.timers.disarm(&self.tables.queues[queue].timer)

    cdef void _disarm_agent(self, int32_t agent) noexcept:
        self.timers.disarm(&self.tables.agents[agent].timer)

    cdef int _arm_next_step(self, int32_t contact) except -1:
        """Set the time of the contact's next step, which its plan has."""
        cdef Contact *row = &self.tables.contacts[contact]
        cdef int64_t after = self.tables.stages[self.tables.plans[self.tables.plan_of(contact)].first + row.step + 1].after
        cdef ContactDetails *more = self.tables.contact_detail_of(contact)
        cdef int64_t due = self.now if more.useless else row.enqueued + after
        more.step_timer = self.timers.arm(due if due > self.now else self.now, after, contact, OF_STEP)
        return 0

    cdef object _closed(self, int32_t queue):
        """Why a queue is closed, with the supervisor's reason; None while it is open."""
        cdef int32_t calendar = self.queue_calendars[queue]
        if self.queue_emergencies[queue] is not None:
            return ("emergency", self.queue_emergencies[queue])
        return None if calendar == NONE or self.calendar_open[calendar] else ("hours", "")

    cdef int _count_absent(self, int32_t agent, int state, int by) except -1:
        """Count an agent who is paused, or rests, by the reason for it."""
        cdef object reason, count
        if state == <int>PAUSED:
            reason = self.agent_pause_reasons.get(agent, "")
            count = self.agents_pausing.get(reason, 0) + by
            if count:
                self.agents_pausing[reason] = count
            else:
                del self.agents_pausing[reason]
        else:
            self.agents_cooling[self.tables.agents[agent].cooling] += by
        return 0

    cdef int _refresh_plain(self, int32_t agent) except -1:
        """Bring the agent's activity, and what he is open to, up to date with what he holds."""
        cdef Agent *row = &self.tables.agents[agent]
        cdef int32_t leg = self.legs.foremost(agent)
        cdef int activity = ACTIVITY_NONE if leg == NONE else self.legs.legs[leg].state  # LegState and Activity agree
        cdef int64_t now_us
        self._set_open(agent)
        if (
            row.presence != READY or row.resting or row.outside or row.timer != NONE
            or row.activity == ACTIVITY_COOLDOWN or self.half_life_us
        ):
            return self._refresh_in_full(agent)
        if activity != row.activity:
            now_us = self.now // 1000
            self._count_in_state(2 + row.activity, -1, now_us)
            self._count_in_state(2 + activity, 1, now_us)
            row.activity = <uint8_t>activity
            row.since = self.now
        return 0

    cdef int _refresh_in_full(self, int32_t agent) except -1:
        """The same of the activity of any agent: he may not be ready, or have more to do than what he holds."""
        cdef Agent *row = &self.tables.agents[agent]
        cdef int32_t leg = self.legs.foremost(agent)
        cdef int activity, cooling = CAUSE_NONE
        cdef bint resting = row.resting
        if leg != NONE:
            activity = self.legs.legs[leg].state
        else:
            activity = ACTIVITY_NONE
            if row.timer != NONE:
                activity = ACTIVITY_COOLDOWN
                cooling = row.cooldown_cause
            elif resting and row.presence == READY:
                activity = ACTIVITY_COOLDOWN
                cooling = CAUSE_OCCUPANCY
        if row.outside and row.presence != LOGGED_OUT:
            activity = ACTIVITY_BUSY
            cooling = CAUSE_NONE
        if activity == row.activity and cooling == row.cooling:
            if self.half_life_us:
                self._count_occupancy(agent)  # what keeps him busy may be another thing
            return self._refresh_plain(agent) if row.resting != resting else 0
        self._count_agent(agent, -1)
        row.cooling = <uint8_t>cooling
        if activity != row.activity:
            row.activity = <uint8_t>activity
            row.since = self.now
            if self.half_life_us:
                self._count_occupancy(agent)
        self._count_agent(agent, 1)
        return self._refresh_plain(agent) if row.resting != resting else 0

    cdef int _mind_pause(self, int32_t agent) except -1:
        """See pauses.pyx."""
        raise NotImplementedError

    cdef int _stand_in_line(self, int32_t contact) except -1:
        if self.tables.contacts[contact].bound:
            self.tables.contacts[contact].where = HELD_BOUND
        else:
            self.lines.add(contact)
        self.live_in_line += 1
        return 0

    cdef int _take_out_of_line(self, int32_t contact) except -1:
        cdef Contact *row = &self.tables.contacts[contact]
        if row.where == HELD_BOUND:
            row.where = HELD_NOWHERE
        else:
            self.lines.remove(contact)
        self.live_in_line -= 1
        return 0

    cdef int _set_presence(self, int32_t agent, int presence, object reason) except -1:
        cdef Agent *row = &self.tables.agents[agent]
        self._count_agent(agent, -1)
        if row.activity == ACTIVITY_NONE:
            row.since = self.now
        row.presence = presence
        if reason:
            self.agent_pause_reasons[agent] = reason
        elif self.agent_pause_reasons:
            self.agent_pause_reasons.pop(agent, None)
        if self.half_life_us:
            self._count_occupancy(agent)
        return self._count_agent(agent, 1)

    cdef int _mind_outside(self, int32_t agent) except -1:
        """See outside.pyx, as for the next."""
        raise NotImplementedError

    cdef int _keep_reports(self, int32_t agent, dict reports) except -1:
        raise NotImplementedError

    cdef int _enter_outside(self, int32_t agent) except -1:
        raise NotImplementedError

    cdef bint _on_outside(self, int32_t agent) noexcept:
        """Whether the agent is busy with what did not come from here, and with nothing else."""
        cdef Agent *row = &self.tables.agents[agent]
        cdef int32_t leg
        if not row.outside or row.activity != ACTIVITY_BUSY:
            return False
        leg = self.legs.foremost(agent)
        return leg == NONE or self.legs.legs[leg].state != LEG_CONNECTED

    cdef int _use_of(self, int32_t agent) noexcept:
        """What the present does to an agent's occupancy."""
        cdef Agent *row = &self.tables.agents[agent]
        cdef int32_t leg = row.legs
        while leg != NONE:
            if self.legs.legs[leg].state != LEG_OFFERED:
                return USE_OCCUPIED
            leg = self.legs.legs[leg].next_of_agent
        if row.outside and self.outside_counts and row.presence != LOGGED_OUT:
            return USE_OCCUPIED
        return USE_PAUSED if row.presence == PAUSED else USE_FREE

    cdef int _count_occupancy(self, int32_t agent) except -1:
        """Bring an agent's occupancy up to date when what he does begins to change it in another way."""
        if self.tables.detail(agent).use == self._use_of(agent):
            return 0
        self._take_occupancy(agent)
        return self.idle.reorder(agent)

    cdef int _take_occupancy(self, int32_t agent) except -1:
        cdef Details *more = self.tables.detail_of(agent)
        cdef int64_t now_us = self.now // 1000
        more.occupancy = later(more.occupancy, more.use, now_us - more.occupancy_us, self.half_life_us)
        more.occupancy_us = now_us
        more.use = self._use_of(agent)
        more.occupancy_key = order_key(more.occupancy, more.use, now_us, self.half_life_us)
        return 0

    cdef int _begin_occupancy(self, int32_t agent) except -1:
        """Count from nothing: he is new, or nobody asked for occupancy until now."""
        cdef Details *more
        if not self.half_life_us and self.tables.details == NULL:
            return 0
        more = self.tables.detail_of(agent)
        more.occupancy = 0
        more.occupancy_us = 0
        more.occupancy_key = 0
        more.use = USE_FREE
        if self.half_life_us:
            more.occupancy_us = self.now // 1000
            more.use = self._use_of(agent)
            more.occupancy_key = order_key(0, more.use, more.occupancy_us, self.half_life_us)
        return 0

    cdef int _enlist(self, int32_t contact) except -1:
        """Put a contact at the end of its queue's list of those that wait or are offered; one that came from another
        queue with its age into a heap beside it, when others there are younger.
        """
        cdef Contact *row = &self.tables.contacts[contact]
        cdef Queue *queue = &self.tables.queues[row.queue]
        row.moved = queue.tail != NONE and self.tables.contacts[queue.tail].enqueued > row.enqueued
        if row.moved:
            reserve(<void **>&self.tables.moved, &self.tables.moved_capacity, contact + 1, sizeof(Node))
            self.tables.moved[contact].key = row.enqueued
            self.tables.moved[contact].seq = row.seq
            queue.moved = heap_insert(self.tables.moved, queue.moved, contact)
            return 0
        row.queue_prev = queue.tail
        row.queue_next = NONE
        if queue.tail == NONE:
            queue.head = contact
        else:
            self.tables.contacts[queue.tail].queue_next = contact
        queue.tail = contact
        return 0

    cdef void _delist(self, int32_t contact) noexcept:
        cdef Contact *row = &self.tables.contacts[contact]
        cdef Queue *queue = &self.tables.queues[row.queue]
        if row.moved:
            queue.moved = heap_remove(self.tables.moved, queue.moved, contact)
            return
        if row.queue_prev == NONE:
            queue.head = row.queue_next
        else:
            self.tables.contacts[row.queue_prev].queue_next = row.queue_next
        if row.queue_next == NONE:
            queue.tail = row.queue_prev
        else:
            self.tables.contacts[row.queue_next].queue_prev = row.queue_prev

    cdef int32_t _new_contact_slot(self) except -1:
        cdef int32_t slot = self.free_contact
        if slot != NONE:
            self.free_contact = self.tables.contacts[slot].queue_next
            return slot
        if self.contact_wishes:
            self.contact_wishes.append(NO_WISHES)
        return self.tables.new_contact()

    cdef object _wishes(self, int32_t contact):
        """What a contact brought beside what it asks; NO_WISHES for most."""
        return self.contact_wishes[contact] if self.contact_wishes else NO_WISHES

    cdef int _set_wishes(self, int32_t contact, object wishes) except -1:
        if not self.contact_wishes:
            self.contact_wishes.extend([NO_WISHES] * self.tables.contact_count)
        self.contact_wishes[contact] = wishes
        return 0

    cdef int _forget(self) except -1:
        self.ended.keep(self.ended_contacts_kept)
        while len(self.last_agents) > self.callers_kept:
            self.last_agents.popitem(last=False)
        return 0

    cdef int32_t _best_agent(self, int32_t queue, int32_t owner) except -2:
        """The free agent whom a contact of a queue and class gets, or NONE."""
        cdef Queue *row = &self.tables.queues[queue]
        if not self.gates.active:
            return self.idle.best_agent(owner, self.offer_seq + 1)
        if self.gates.at_limit(queue):
            return NONE
        if self.gates.reserve_count and not row.reserved:
            self._tighten()
            if self.gates.tight_count:
                return self.idle.look_through(owner, self.offer_seq + 1, False)
        if row.share_count:
            return self.idle.look_through(owner, self.offer_seq + 1, True)
        return self.idle.best_agent(owner, self.offer_seq + 1)

    cdef int _tighten(self) except -1:
        """Find out which reserves have nobody to spare."""
        cdef Queue *queue
        cdef int32_t index
        self.gates.tight_count = 0
        for index in range(self.gates.reserve_count):
            queue = &self.tables.queues[self.gates.reserves[index]]
            if queue.reserving and self.idle.count_free(queue.base_class, queue.reserve_agents + 1) <= queue.reserve_agents:
                self.gates.tighten(queue.base_class)
        return 0
