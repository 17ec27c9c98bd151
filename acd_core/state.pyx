# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""The engine's state: its tables and names, the record of what happened, and the views that it shows.

Nothing here decides anything. Events are kept as plain records while commands run and become Python objects only
when they are taken, so a caller who wants none pays for none.
"""

from cpython.ref cimport Py_INCREF, Py_XDECREF, PyObject
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t

from acd_core.attributes cimport attributes_of, forget_attributes
from acd_core.clients cimport Clients
from acd_core.containers cimport heap_insert, heap_remove, put_item, reserve
from acd_core.ended cimport Ended
from acd_core.gates cimport Gates
from acd_core.idle cimport IdleAgents
from acd_core.ids cimport Ids
from acd_core.legs cimport Legs
from acd_core.lines cimport Lines
from acd_core.live cimport Live
from acd_core.memory cimport give_back, release
from acd_core.occupancy cimport USE_FREE, USE_OCCUPIED, USE_PAUSED, later, order_key
from acd_core.measures cimport QUEUE_RATIO, PREDICTED_WAIT, Measure, Measures, RatioGroup
from acd_core.pace cimport Paces
from acd_core.roster cimport Roster
from acd_core.tables cimport Tables
from acd_core.timers cimport OF_AGENT, OF_STEP, Timers
from acd_core.types cimport (
    ACTIVITY_BUSY, ACTIVITY_COOLDOWN, ACTIVITY_NONE, ACTIVITY_WRAPUP, CAUSE_NONE, CAUSE_OCCUPANCY, CAUSES, CONTACT_CONNECTED,
    ACCEPT_BUCKETS, CONTACT_FREE, CONTACT_OFFERED, CONTACT_PARKED, CONTACT_QUEUED, CONTACT_WRAPUP, END_REASONS, HANDLE_BUCKETS,
    HELD_BOUND, HELD_NOWHERE, LEG_CONNECTED, LEG_OFFERED, LEG_WRAPUP, LOGGED_OUT, NONE, OFFER_REJECTED, OFFER_TIMED_OUT, OFFER_WITHDRAWN,
    PAUSED, READY, WAIT_BUCKETS, Agent, Contact, ContactDetails, Details, Leg, Line, Node, Pace, Queue,
)
from acd_core.watches cimport Watch, Watches
from acd_core.windows cimport Forecast

from collections import OrderedDict

import msgspec

from acd_core import events, requirement, views
from acd_core.config import Config, cost_steps_of, ns_of_seconds, to_json
from acd_core.credits import Credits
from acd_core.events import Addressed
from acd_core.urgency import Costs, Ratio, Urgency
from acd_core.wishes import NO_WISHES

cdef tuple REASON_NAMES = views.END_REASONS
cdef tuple OUTCOME_NAMES = events.OFFER_OUTCOMES
cdef tuple CAUSE_NAMES = ("", "rejected", "no_answer", "busy", "unreachable", "occupancy")
cdef tuple PLACE_NAMES = ("", *views.PLACES)
cdef tuple DIRECTION_NAMES = views.DIRECTIONS
cdef tuple STATE_NAMES = views.AGENT_STATES
cdef tuple PRESENCE_NAMES = ("logged_out", "paused", "ready")
cdef tuple ACTIVITY_NAMES = ("none", "offered", "busy", "wrapup", "cooldown")
cdef tuple LEG_STATE_NAMES = ("", "offered", "connected", "wrapup")
cdef tuple CONTACT_STATE_NAMES = ("", "queued", "offered", "connected", "wrapup", "parked")

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


cdef object _estimate(Forecast forecast):
    """A forecast as views have it."""
    if not forecast.known:
        return None
    return views.Estimate(mean_ms=forecast.mean_ms, p50_ms=forecast.p50_ms, p90_ms=forecast.p90_ms)


cdef str _offer_id(int64_t number):
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
        self.contact_terms = []
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
            forget_attributes(&self.tables.contacts[slot])
            put_item(self.contact_terms, slot, None)
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
                seq=record.seq, at=record.at, offer=_offer_id(record.offer), contact=contact, tenant=queue.tenant,
                queue=queue.name, agent=agent, address=<object>record.text, expires_in=_seconds(record.a),
                wait=_seconds(record.b), attributes=attributes,
                history=(<object>record.history if record.history != NULL else ()), callback=number,
                consults=consults,
            )
        if kind == OFFER_ENDED:
            return events.OfferEnded(
                seq=record.seq, at=record.at, offer=_offer_id(record.offer), contact=contact, tenant=queue.tenant,
                queue=queue.name, agent=agent, outcome=OUTCOME_NAMES[record.code],
                cause=<object>record.text,
            )
        if kind == CONTACT_CONNECTED_EVENT:
            return events.ContactConnected(
                seq=record.seq, at=record.at, contact=contact, tenant=queue.tenant, queue=queue.name, agent=agent,
                offer=_offer_id(record.offer), wait=_seconds(record.a),
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
        cdef int64_t after = self.tables.stages[self.tables.plans[row.plan].first + row.step + 1].after
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
            return 0
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
        cdef bint occupied = row.activity == ACTIVITY_BUSY or row.activity == ACTIVITY_WRAPUP
        cdef int32_t leg
        if row.outside and not self.outside_counts and self._on_outside(agent):
            leg = self.legs.foremost(agent)
            occupied = leg != NONE and self.legs.legs[leg].state == LEG_WRAPUP
        if occupied:
            return USE_OCCUPIED
        return USE_PAUSED if row.presence == PAUSED else USE_FREE

    cdef int _count_occupancy(self, int32_t agent) except -1:
        """Bring an agent's occupancy up to date when what he does begins to change it in another way."""
        if self.tables.detail(agent).use != self._use_of(agent):
            self._take_occupancy(agent)
        return 0

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
        self.contact_terms.append(None)
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

    # -- views --------------------------------------------------------------------------------------------------

    def config(self):
        """See `Machine.config`."""
        return self.configuration

    def next_deadline(self):
        """See `Machine.next_deadline`."""
        return self.timers.next_deadline()

    def domain(self):
        """See `Machine.domain`."""
        return views.DomainView(
            now_ns=self.now,
            seq=self.seq,
            contacts=self.live_contacts,
            waiting=self.live_waiting,
            agents={name: self.agents_by_state[index] for index, name in enumerate(STATE_NAMES)},
            pause_reasons=dict(sorted(self.agents_pausing.items())),
            cooldown_causes={
                name: self.agents_cooling[index]
                for name, index in sorted([(name, index) for index, name in enumerate(CAUSE_NAMES)])
                if self.agents_cooling[index]
            },
            agent_us={name: self._time_in(index) for index, name in enumerate(STATE_NAMES)},
        )

    def clients(self):
        """See `Machine.clients`."""
        cdef dict agents = {}, contacts = {}
        cdef int32_t slot
        cdef int64_t in_a_row = 0
        cdef object last = "", client
        for slot in range(self.tables.agent_count):
            client = self.agent_clients[slot]
            if client is not last:
                if last and in_a_row:
                    agents[last] = agents.get(last, 0) + in_a_row
                last = client
                in_a_row = 0
            in_a_row += 1
        if last and in_a_row:
            agents[last] = agents.get(last, 0) + in_a_row
        in_a_row = 0
        for slot in range(self.tables.contact_count):
            if self.tables.contacts[slot].state == CONTACT_FREE:
                continue
            client = self._client(slot)
            if client is not last:
                if in_a_row:
                    contacts[last] = contacts.get(last, 0) + in_a_row
                last = client
                in_a_row = 0
            in_a_row += 1
        if in_a_row:
            contacts[last] = contacts.get(last, 0) + in_a_row
        return [
            views.ClientView(client=client, agents=agents.get(client, 0), contacts=contacts.get(client, 0))
            for client in sorted(agents.keys() | contacts.keys())
        ]

    def queue(self, str tenant, str queue):
        """See `Machine.queue`."""
        slot = self.queue_slots.get((tenant, queue))
        return None if slot is None else self._queue_view(slot)

    def calendars(self):
        """See `Machine.calendars`."""
        return [
            views.CalendarView(
                calendar=name,
                open=self.calendar_open[slot],
                changes_ns=tuple(self.calendar_changes[slot]),
                timer=self.timers.number(self.calendar_timers[slot]) if self.calendar_changes[slot] else 0,
            )
            for name, slot in self.calendar_slots.items()
        ]

    def credits(self):
        """See `Machine.credits`."""
        return self.credits_given.rows(self.now)

    def queues(self):
        """See `Machine.queues`."""
        return [self._queue_view(slot) for slot in self.queue_slots.values()]

    def agent(self, str agent):
        """See `Machine.agent`."""
        slot = self.agent_slots.get(agent)
        self._tighten()
        return None if slot is None else self._agent_view(slot)

    def agents(self, str tenant="", str state="", int64_t limit=0):
        """See `Machine.agents`."""
        cdef list found = []
        cdef int32_t slot
        cdef int wanted = STATE_NAMES.index(state) if state else NONE
        self._tighten()
        for slot in self.agent_slots.values():
            if wanted != NONE and self._state(slot) != wanted:
                continue
            if tenant:
                tenants = self._agent_config(slot).tenants
                if tenants and tenant not in tenants:
                    continue
            found.append(self._agent_view(slot))
            if len(found) == limit:
                break
        return found

    def contact(self, str contact):
        """See `Machine.contact`."""
        slot = self.contact_slots.get(contact)
        return None if slot is None else self._contact_view(slot)

    def contacts(self, str tenant="", str queue="", int64_t limit=0, str state=""):
        """See `Machine.contacts`."""
        cdef int32_t slot
        cdef int wanted = CONTACT_STATE_NAMES.index(state) if state else NONE
        cdef bytearray chosen = bytearray(len(self.queue_configs))
        for (of_tenant, name), slot in self.queue_slots.items():
            chosen[slot] = (not tenant or of_tenant == tenant) and (not queue or name == queue)
        return [self._contact_view(slot) for slot in self.contact_slots.first(limit, <const char *>chosen, wanted)]

    def contact_owner(self, str contact):
        """See `Machine.contact_owner`."""
        cdef int32_t leg
        cdef list agents = []
        slot = self.contact_slots.get(contact)
        if slot is None:
            how = self.ended.get(contact)
            return None if how is None else (how[1], "", ())
        leg = self.tables.contacts[slot].legs
        while leg != NONE:
            agents.append(self._agent_name(self.legs.legs[leg].agent))
            leg = self.legs.legs[leg].next_of_contact
        tenant = self.queue_configs[self.tables.contacts[slot].queue].tenant
        return self._client(slot), tenant, tuple(agents)

    cdef str tenant_of_contact(self, str contact):
        """Whose a live contact is; None of any other."""
        cdef int32_t slot = self.contact_slots.find(contact)
        return None if slot == NONE else self.queue_tenants[self.tables.contacts[slot].queue]

    cdef Forecast _forecast(self, int32_t contact) noexcept:
        """How much longer a contact waits that stands in a line, or is about to."""
        cdef Contact *row = &self.tables.contacts[contact]
        return self.paces_of_lines.estimate(
            row.pace, self.paces_of_lines.ahead(row.pace, contact), row.place, self.now // 1000
        )

    def standing(self, str contact):
        """See `Machine.standing`."""
        cdef int32_t slot
        found = self.contact_slots.get(contact)
        if found is None or self.tables.contacts[<int32_t>found].state != CONTACT_QUEUED:
            return None
        slot = found
        return views.Standing(
            position=self.paces_of_lines.position(slot),
            estimate=_estimate(self._forecast(slot)),
        )

    def paces(self):
        """See `Machine.paces`."""
        cdef list found = []
        cdef int32_t slot, pace
        for slot in self.queue_slots.values():
            pace = self.tables.queues[slot].first_pace
            while pace != NONE:
                found.append(self._pace_view(self.queue_configs[slot], pace))
                pace = self.paces_of_lines.rows[pace].next_in_queue
        return found

    cdef object _pace_view(self, object queue, int32_t pace):
        cdef Pace *row = &self.paces_of_lines.rows[pace]
        self.paces_of_lines.elapse(pace, self.now // 1000)
        return views.PaceView(
            tenant=queue.tenant,
            queue=queue.name,
            require=requirement.describe(self.pace_terms[pace]),
            waiting=row.waiting,
            served=row.served,
            left=row.left,
            backlog_us=row.backlog_us,
            waited_us=row.waited_us,
            ring_ms=row.ring_ms,
            ring_square=row.ring_square,
            last_wait_us=row.last_wait_us,
            last_at_us=row.last_at_us,
        )

    def ended_reason(self, str contact):
        """See `Machine.ended_reason`."""
        reason = self.ended.get(contact)
        return "" if reason is None else REASON_NAMES[reason[0]]

    cdef int64_t _oldest(self, int32_t queue) except -1:
        """When the one came who has waited longest of those on the phone; 0 if there is none."""
        cdef int32_t contact = self.tables.queues[queue].head
        cdef int64_t oldest = 0
        cdef list branches = []
        while contact != NONE and self.tables.contacts[contact].callback:
            contact = self.tables.contacts[contact].queue_next
        if contact != NONE:
            oldest = self.tables.contacts[contact].enqueued
        # Those behind one in the heap came later than it.
        contact = self.tables.queues[queue].moved
        while contact != NONE or branches:
            if contact == NONE:
                contact = branches.pop()
            if self.tables.moved[contact].next != NONE:
                branches.append(self.tables.moved[contact].next)
            if self.tables.contacts[contact].callback:
                contact = self.tables.moved[contact].child
                continue
            if not oldest or self.tables.moved[contact].key < oldest:
                oldest = self.tables.moved[contact].key
            contact = NONE
        return oldest

    cdef object _queue_view(self, int32_t slot):
        cdef Queue *row = &self.tables.queues[slot]
        cdef Forecast forecast
        cdef int64_t in_line
        cdef int64_t oldest = self._oldest(slot)
        config = self.queue_configs[slot]
        closed = self._closed(slot) or ("", "")
        forecast.known = False
        if row.main_pace != NONE:
            in_line = self.paces_of_lines.rows[row.main_pace].waiting
            forecast = self.paces_of_lines.estimate(row.main_pace, in_line, in_line, self.now // 1000)
        return views.QueueView(
            tenant=config.tenant,
            queue=config.name,
            waiting=row.waiting,
            offered=row.offered,
            connected=row.connected,
            wrapup=row.wrapping_up,
            parked=row.parked,
            consults=row.consults,
            conferences=row.conferences,
            callbacks=row.callbacks,
            callbacks_failed=row.callbacks_failed,
            callback_delay_ns=row.callback_delay_ns,
            oldest_ns=oldest,
            closed=closed[0],
            closed_reason=closed[1],
            entered=row.entered,
            overflowed=row.overflowed,
            answered=row.answered,
            answered_in_target=row.answered_in_target,
            abandoned_in_target=row.abandoned_in_target,
            ended={REASON_NAMES[index]: row.ended[index] for index in range(<int>END_REASONS) if row.ended[index]},
            offers=row.offers,
            offers_rejected=row.failed[<int>OFFER_REJECTED],
            offers_timed_out=row.failed[<int>OFFER_TIMED_OUT],
            offers_withdrawn=row.failed[<int>OFFER_WITHDRAWN],
            wait_ns=row.wait_ns,
            talk_ns=row.talk_ns,
            wait_histogram=tuple([row.histogram[index] for index in range(<int>WAIT_BUCKETS)]),
            accept_ns=row.accept_ns,
            accept_histogram=tuple([row.accept_histogram[index] for index in range(<int>ACCEPT_BUCKETS)]),
            handle_ns=row.handle_ns,
            handle_histogram=tuple([row.handle_histogram[index] for index in range(<int>HANDLE_BUCKETS)]),
            forecasts=row.forecasts,
            forecast_error_ms=row.forecast_error_ms,
            forecast_off_ms=row.forecast_off_ms,
            forecast_in_p50=row.forecast_in_p50,
            forecast_in_p90=row.forecast_in_p90,
            estimate=_estimate(forecast),
            reserving=bool(row.reserving),
            reserve_until_ns=self.timers.deadline(row.timer),
            reserve_timer=self.timers.number(row.timer),
            recent_in_target=row.recent_in_target,
            allocated={
                self.share_groups[index]: self.gates.shares[index].count
                for index in range(row.shares, row.shares + row.share_count)
                if self.gates.shares[index].count
            },
        )

    cdef tuple _channel_names(self, uint32_t channels):
        cdef int32_t index
        return tuple([self.channel_names[index] for index in range(self.legs.channel_count) if (channels >> index) & 1])

    cdef str _leg_contact(self, int32_t leg):
        """Id of the contact of a leg, gone on or not."""
        cdef int32_t contact = self.legs.legs[leg].contact
        return self.contact_ids.get(contact) if contact != NONE else self.left_contacts[leg]

    cdef object _leg_view(self, int32_t slot):
        cdef Leg *leg = &self.legs.legs[slot]
        config = self.queue_configs[leg.queue]
        return views.LegView(
            offer=_offer_id(leg.number),
            contact=self._leg_contact(slot),
            path=f"{config.tenant}/{config.name}",
            state=LEG_STATE_NAMES[leg.state],
            since_ns=leg.since,
            connected_ns=leg.connected,
            deadline_ns=self.timers.deadline(leg.timer),
            timer=self.timers.number(leg.timer),
            latest_ns=leg.latest,
            disposition_required=config.disposition_required,
        )

    cdef object _agent_view(self, int32_t slot):
        """The agent's view, once `_tighten` has told which reserves have nobody to spare."""
        cdef Agent *row = &self.tables.agents[slot]
        cdef const Details *more = self.tables.detail(slot)
        cdef int32_t leg = row.legs, first = self.legs.foremost(slot)
        cdef int32_t timer = row.timer if first == NONE else self.legs.legs[first].timer
        cdef list legs = []
        while leg != NONE:
            legs.append(self._leg_view(leg))
            leg = self.legs.legs[leg].next_of_agent
        if row.cooling == CAUSE_OCCUPANCY:
            timer = more.rest_timer
        if row.outside and self._on_outside(slot):
            timer = more.outside_timer
        config = self._agent_config(slot)
        outside = self.agent_outside.get(slot, {})
        pauses = self.agent_pauses.get(slot, {})
        return views.AgentView(
            agent=config.agent,
            address=self.agent_addresses[slot],
            tenants=config.tenants,
            skills=dict(sorted(self._skills_of(slot).items())),
            attributes=dict(sorted(self._attributes_of(slot).items())),
            ranks=config.ranks,
            client=self.agent_clients[slot],
            presence=PRESENCE_NAMES[row.presence],
            activity=ACTIVITY_NAMES[row.activity],
            pause_reason=self.agent_pause_reasons.get(slot, ""),
            cooldown_cause=CAUSE_NAMES[row.cooling or row.cooldown_cause],
            logging_out=bool(row.logging_out),
            queues=self.agent_queues.get(slot, ()),
            contact=self._leg_contact(first) if first != NONE else "",
            offer=_offer_id(self.legs.legs[first].number) if first != NONE else "",
            outside={name: outside[name][0] for name in sorted(outside)},
            outside_until_ns=self.timers.deadline(more.outside_timer),
            outside_timer=self.timers.number(more.outside_timer),
            legs=tuple(legs),
            capacity=row.capacity,
            channels=self._channel_names(self.legs.takes(slot)),
            room=self._channel_names(self.legs.room(slot)),
            idle_seq=row.idle_seq,
            kept_free=bool(row.open) and self.gates.withholds(slot),
            missed=row.missed,
            failed_ns=tuple(self.agent_failures.get(slot, ())),
            since_ns=row.since,
            deadline_ns=self.timers.deadline(timer),
            timer=self.timers.number(timer),
            rest_until_ns=self.timers.deadline(row.timer),
            rest_timer=self.timers.number(row.timer),
            answered=row.answered,
            answered_since_login=row.answered_since_login,
            inbound_seq=row.inbound_seq,
            occupancy=more.occupancy,
            occupancy_us=more.occupancy_us,
            occupancy_key=more.occupancy_key,
            resting=bool(row.resting),
            occupancy_deadline_ns=self.timers.deadline(more.rest_timer),
            occupancy_timer=self.timers.number(more.rest_timer),
            turns={path: self.idle.turn(queue, slot) for path, queue in self.going_round if self.idle.turn(queue, slot)},
            missed_total=row.missed_total,
            rejected_total=row.rejected_total,
            talk_ns=row.talk_ns,
            pauses=tuple([
                views.PauseUse(
                    reason=reason.name, paid=reason.paid, allowance_ns=ns_of_seconds(reason.allowance_s),
                    began_ns=pauses[reason.name][0], used_ns=pauses[reason.name][1],
                )
                for reason in self.pause_reasons
                if reason.name in pauses
            ]),
            pause_since_ns=more.pause_began,
            pause_deadline_ns=self.timers.deadline(more.pause_timer),
            pause_timer=self.timers.number(more.pause_timer),
            paid_ns=more.paid_ns,
            unpaid_ns=more.unpaid_ns,
        )

    cdef object _contact_view(self, int32_t slot):
        cdef Contact *row = &self.tables.contacts[slot]
        cdef const ContactDetails *more = self.tables.contact_detail(slot)
        cdef int32_t leg = row.legs, first = self.legs.foremost_of_contact(slot)
        cdef int32_t talking = 0
        cdef list agents = []
        while leg != NONE:
            agents.append(self._agent_name(self.legs.legs[leg].agent))
            talking += self.legs.legs[leg].state == LEG_CONNECTED
            leg = self.legs.legs[leg].next_of_contact
        config = self.queue_configs[row.queue]
        credit, waited_before = self.waited_in_vain.get(slot, (0, 0))
        own_since = self.by_hand[slot][4] if row.by_hand else self.tables.since(slot)
        wishes = self._wishes(slot)
        return views.ContactView(
            contact=self.contact_ids.get(slot),
            tenant=config.tenant,
            queue=config.name,
            client=self._client(slot),
            state=CONTACT_STATE_NAMES[row.state],
            seq=row.seq,
            priority=row.priority,
            require=requirement.describe(self.stages[self._stage(slot)].asked(self.contact_terms[slot])),
            attributes=attributes_of(row),
            direction=DIRECTION_NAMES[row.direction],
            age_ns=row.enqueued - own_since,
            credit_ns=credit,
            waited_before_ns=waited_before,
            by_hand=bool(row.by_hand),
            enqueued_ns=row.enqueued,
            urgency=self._urgency(slot),
            connected_ns=row.connected,
            completed_ns=row.completed,
            held=bool(row.held),
            channel=config.channel,
            agent=self._agent_name(self.legs.legs[first].agent) if first != NONE else "",
            offer=_offer_id(self.legs.legs[first].number) if first != NONE else "",
            agents=tuple(agents),
            end_reason=REASON_NAMES[row.end_reason] if row.state == CONTACT_WRAPUP else "",
            disposition=self.dispositions.get(slot, ""),
            deadline_ns=self.timers.deadline(row.timer),
            timer=self.timers.number(row.timer),
            wait_expired=bool(row.wait_expired),
            step=row.step,
            further=self.stages[self._stage(slot)].further,
            rank_max=self.tables.stages[self._stage(slot)].rank_max,
            limit=views.LIMITS[self.gates.at_limit(row.queue) if row.state == CONTACT_QUEUED else 0],
            reserved=bool(self.tables.queues[row.queue].reserved),
            callback=self.callbacks[slot] if row.callback else None,
            step_deadline_ns=self.timers.deadline(more.step_timer),
            step_timer=self.timers.number(more.step_timer),
            place=row.place,
            estimate=views.Estimate(mean_ms=row.mean_ms, p50_ms=row.p50_ms, p90_ms=row.p90_ms)
            if row.mean_ms != NONE else None,
            step_useless=bool(more.useless),
            own_steps=wishes.steps,
            own_steps_mode=wishes.steps_mode,
            history=self.histories.get(slot, ()),
            trail=tuple(self.trails.get(slot, ())),
            caller=wishes.caller,
            consults=wishes.consults,
            asked_by=wishes.asked_by,
            consult=self.contact_ids.get(self.consulting[slot]) if slot in self.consulting else "",
            talking=talking,
            preferred=tuple(self.preferences[slot][0]) if row.prefers else (),
            prefer_wait=bool(row.bound),
            deserted=bool(row.deserted),
            prefer_deadline_ns=self.timers.deadline(more.prefer_timer),
            prefer_timer=self.timers.number(more.prefer_timer),
            arrived_in=self.moved_from.get(slot, ""),
            overflows=more.overflows,
            stay=config.stay[more.stay].when if more.stay != NONE else "",
            stay_deadline_ns=self.timers.deadline(more.stay_timer),
            stay_timer=self.timers.number(more.stay_timer),
            seen_ms=more.seen_ms,
            look_deadline_ns=self.timers.deadline(more.look_timer),
            look_timer=self.timers.number(more.look_timer),
        )

    cdef object _urgency(self, int32_t slot):
        """What the contact's place follows from. It stands in its line, or would."""
        cdef Contact *row = &self.tables.contacts[slot]
        cdef Queue *queue = &self.tables.queues[row.queue]
        cdef Line *line = &self.lines.lines[row.line]
        cdef Measure *measure
        cdef RatioGroup *group
        cdef object ratio = None, costs = None
        cdef int64_t left_ns = 0
        if queue.measure != NONE:
            measure = &self.measures.rows[queue.measure]
            if measure.kind == PREDICTED_WAIT:
                left_ns = self.measures.left_us(row.queue, self.now) * 1000
            elif measure.kind == QUEUE_RATIO:
                group = &self.measures.groups[measure.group]
                ratio = Ratio(
                    waiting=queue.waiting, group_waiting=group.waiting, weight=measure.weight,
                    group_weight=group.weight, contact_ns=measure.contact_ns,
                )
            else:
                costs = Costs(
                    steps=cost_steps_of(self.queue_configs[row.queue].waiting_cost),
                    handle_ns=self.measures.handle_ns(row.queue) if measure.by_speed else 0,
                )
        return Urgency(
            level=line.level, since_ns=self.tables.since(slot), head_start_ns=line.head_start, ageing=queue.ageing,
            most_ns=queue.most, nudge_ns=line.nudge, left_ns=left_ns, ratio=ratio, costs=costs,
        )

    cdef tuple _order_key(self, int32_t slot):
        """Sorts those who wait into the order of service, as it is now."""
        return self._urgency(slot).key(self.now, self.tables.contacts[slot].seq)

    # -- proof --------------------------------------------------------------------------------------------------

    def digest(self):
        """See `Machine.digest`."""
        counters = [self.seq, self.contact_seq, self.offer_seq, self.idle_seq, self.timers.seq]
        ended = [(contact, REASON_NAMES[reason], client) for contact, (reason, client) in self.ended.items()]
        rows = [self.calendars(), self.queues(), self.agents(), self.contacts(), self.credits()]
        callers = [(*caller, agent) for caller, agent in self.last_agents.items()]
        return views.digest([counters, to_json(self.configuration), *rows, ended, self.paces(), callers])

    def check(self):
        """See `Machine.check`."""
        cdef int32_t slot, agent, leg, owner, pace
        cdef Contact *contact
        cdef Agent *row
        cdef Queue *queue
        cdef int64_t in_line = 0, offers, talking
        cdef bint idle, spared, open_to_more
        cdef Watch *watch
        waiting = 0
        by_queue = {}
        in_lines = {}
        in_groups = {}
        self._tighten()
        for name, slot in self.contact_slots.items():
            contact = &self.tables.contacts[slot]
            by_queue.setdefault(contact.queue, []).append(contact.state)
            waiting += contact.state == CONTACT_QUEUED
            if contact.stands != (contact.state == CONTACT_QUEUED):
                raise AssertionError(f"{name} is counted in a line of its queue, or is not, against the rules")
            if contact.stands:
                in_lines.setdefault((contact.queue, contact.pace), []).append((self._urgency(slot).for_good.key(0, contact.seq), slot))
            if self._in_line(slot) != (contact.where != HELD_NOWHERE):
                raise AssertionError(f"{name} stands in line, or does not, against the rules")
            if contact.where != HELD_NOWHERE:
                in_line += 1
                owner = self.lines.lines[contact.line].owner
                for agent in self.agent_slots.values():
                    row = &self.tables.agents[agent]
                    spared = self.tables.queues[contact.queue].reserved or not self.gates.withholds(agent)
                    if contact.bound and self._agent_name(agent) not in self.preferences[slot][0]:
                        continue
                    if (
                        row.open & self.tables.classes[owner].channel and self.tables.eligible(agent, owner)
                        and spared and not self.gates.at_limit(contact.queue)
                    ):
                        raise AssertionError(f"{name} waits for {self._agent_name(agent)}, who is free")
                if contact.bound != (contact.where == HELD_BOUND):
                    raise AssertionError(f"{name} waits for agents by name in a line, or for any in none")
                if not contact.bound and self.lines.lines[contact.line].first == NONE:
                    raise AssertionError(f"the line of {name} is empty")
                if not contact.bound and self.tables.classes[owner].head_position == NONE:
                    raise AssertionError(f"the class of {name} has no packed head")
            offers = talking = 0
            leg = contact.legs
            while leg != NONE:
                if self.legs.legs[leg].contact != slot:
                    raise AssertionError(f"{name} and its legs disagree")
                offers += self.legs.legs[leg].state == LEG_OFFERED
                talking += self.legs.legs[leg].state == LEG_CONNECTED
                leg = self.legs.legs[leg].next_of_contact
            if offers != contact.offers:
                raise AssertionError(f"the offers of {name} are miscounted")
            if slot in self.consulting and (
                contact.state != CONTACT_CONNECTED or not self.tables.contacts[<int32_t>self.consulting[slot]].consults
            ):
                raise AssertionError(f"somebody is asked about {name}, against the rules")
            if contact.callback != (slot in self.callbacks) or (contact.state == CONTACT_PARKED and not contact.callback):
                raise AssertionError(f"{name} is a callback, or is not, against the rules")
            if (contact.state == CONTACT_OFFERED) != (offers != 0) or (contact.state == CONTACT_CONNECTED) != (talking != 0):
                raise AssertionError(f"{name} is {CONTACT_STATE_NAMES[contact.state]} against what its legs say")
        if waiting != self.live_waiting or in_line != self.live_in_line:
            raise AssertionError(f"{waiting} wait, {self.live_waiting} are counted")
        if len(self.contact_slots) != self.live_contacts:
            raise AssertionError("live contacts are miscounted")
        states = [0] * len(STATE_NAMES)
        for name, slot in self.agent_slots.items():
            row = &self.tables.agents[slot]
            states[self._state(slot)] += 1
            offers = units = 0
            leg = row.legs
            while leg != NONE:
                if self.legs.legs[leg].agent != slot or self.legs.numbered(self.legs.legs[leg].number) != leg:
                    raise AssertionError(f"{name} and his legs disagree")
                if (self.legs.legs[leg].timer != NONE) != (self.legs.legs[leg].state != LEG_CONNECTED):
                    raise AssertionError(f"deadline of a leg of {name}")
                offers += self.legs.legs[leg].state == LEG_OFFERED
                units += self.legs.channels[self.tables.queues[self.legs.legs[leg].queue].channel].units
                leg = self.legs.legs[leg].next_of_agent
            if offers > 1 or offers != row.rung:
                raise AssertionError(f"{name} is rung {offers} times")
            if units != row.units:
                raise AssertionError(f"the units of {name} are miscounted")
            chosen = self.agent_queues.get(slot, ())
            if row.choosy != (chosen != ()) or (row.choosy and (row.presence == LOGGED_OUT or not self.choosy)):
                raise AssertionError(f"{name} is logged in to some queues, or is not, against the rules")
            if len(chosen) != self.tables.detail(slot).queue_count or not all([
                self.tables.joined(slot, self.queue_slots[tuple(path.split("/"))]) for path in chosen
            ]):
                raise AssertionError(f"{name} is logged in to other queues than he chose")
            idle = row.presence == READY and row.timer == NONE and not row.logging_out
            open_to_more = self.legs.room(slot) != 0 and not row.resting
            if (row.idle_seq != 0) != (idle and (row.rung != 0 or open_to_more)):
                raise AssertionError(f"idle_seq of {name}")
            if row.open != (self.legs.room(slot) if row.idle_seq and not row.rung else 0):
                raise AssertionError(f"what {name} is open to")
        if self.open_agents != sum([self.tables.agents[slot].open != 0 for slot in self.agent_slots.values()]):
            raise AssertionError("the open agents are miscounted")
        if states != [self.agents_by_state[index] for index in range(7)]:
            raise AssertionError("agents are miscounted by state")
        if sum(self.agents_pausing.values()) != states[<int>PAUSED]:
            raise AssertionError("agents are miscounted by the reason of their pause")
        if sum([self.agents_cooling[index] for index in range(1, <int>CAUSES)]) != states[2 + <int>ACTIVITY_COOLDOWN]:
            raise AssertionError("agents are miscounted by the cause of their cooldown")
        for slot in range(self.watches.count):
            watch = &self.watches.items[slot]
            there = [
                self.tables.agents[agent].presence == READY
                for agent in self.agent_slots.values()
                if self.tables.agents[agent].presence != LOGGED_OUT and self.watches.fits(agent, watch.owner)
            ]
            if not (len(there) == watch.present and sum(there) == watch.able and not watch.flipped):
                raise AssertionError(f"class {watch.owner} is watched wrongly")
        for name, slot in self.queue_slots.items():
            queue = &self.tables.queues[slot]
            held = by_queue.get(slot, [])
            counted = (queue.waiting, queue.offered, queue.connected, queue.wrapping_up, queue.parked)
            there = tuple([held.count(state) for state in (CONTACT_QUEUED, CONTACT_OFFERED, CONTACT_CONNECTED,
                                                           CONTACT_WRAPUP, CONTACT_PARKED)])
            if counted != there:
                raise AssertionError(f"{name}: {there} are there, {counted} counted")
            ended = sum([queue.ended[index] for index in range(<int>END_REASONS)])
            if queue.entered != len(held) + queue.overflowed + ended:
                raise AssertionError(f"the sums of {name} do not close")
            if queue.closed != (self._closed(slot) is not None) or self._closed(slot) != self.queue_told[slot]:
                raise AssertionError(f"{name} closed or opened, and nobody was told")
            if queue.measure != NONE and self.measures.rows[queue.measure].group != NONE:
                group = self.queue_configs[slot].queue_ratio.group
                in_groups.setdefault((name[0], group), []).append(slot)
            pace = queue.first_pace
            in_queue = sorted([found for line, waiting in in_lines.items() if line[0] == slot for found in waiting])
            counted = [self.paces_of_lines.position(agent) for _, agent in in_queue]
            if counted != list(range(1, len(in_queue) + 1)):
                raise AssertionError(f"{name}: {len(in_queue)} wait in all lines, placed {counted}")
            while pace != NONE:
                there = sorted(in_lines.pop((slot, pace), []))
                counted = [self.paces_of_lines.ahead(pace, agent) for _, agent in there]
                if counted != list(range(len(there))) or self.paces_of_lines.rows[pace].waiting != len(there):
                    raise AssertionError(f"{name}: {len(there)} wait in line {pace}, counted {counted}")
                pace = self.paces_of_lines.rows[pace].next_in_queue
        for name, slots in in_groups.items():
            counted = {self.measures.rows[self.tables.queues[<int32_t>found].measure].group for found in slots}
            there = sum([self.tables.queues[<int32_t>found].waiting for found in slots])
            if len(counted) != 1 or self.measures.groups[<int32_t>counted.pop()].waiting != there:
                raise AssertionError(f"{there} wait in the queues of group {name}, others are counted")
        if in_lines:
            raise AssertionError(f"contacts wait in lines {list(in_lines)} of no queue")
