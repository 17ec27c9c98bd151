# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""What the state looks like to who asks: views of queues, agents, contacts and forecasts; and the proof that it holds together.

Nothing here decides or changes anything.
"""

from libc.stdint cimport int32_t, int64_t, uint32_t

from acd_core.brought cimport asked_of, attributes_of
from acd_core.measures cimport PREDICTED_WAIT, QUEUE_RATIO, Measure, RatioGroup
from acd_core.state cimport CAUSE_NAMES, REASON_NAMES, STATE_NAMES, State, offer_id
from acd_core.tables cimport completed_of, connected_of
from acd_core.totals cimport sum_of
from acd_core.types cimport (
    ACCEPT_BUCKETS, ACTIVITY_COOLDOWN, CAUSES, CAUSE_OCCUPANCY, CONTACT_CONNECTED, CONTACT_FREE, CONTACT_OFFERED,
    CONTACT_PARKED, CONTACT_QUEUED, CONTACT_WRAPUP, END_REASONS, HANDLE_BUCKETS, HELD_BOUND, HELD_NOWHERE, LEG_CONNECTED,
    LEG_OFFERED, LOGGED_OUT, NONE, OFFER_REJECTED, OFFER_TIMED_OUT, OFFER_WITHDRAWN, PAUSED, READY, WAIT_BUCKETS, Agent,
    Contact, ContactDetails, Details, Leg, Line, Pace, Queue,
)
from acd_core.watches cimport Watch
from acd_core.windows cimport Forecast, foreseen_of

from acd_core import requirement, views
from acd_core.config import cost_steps_of, ns_of_seconds, to_json
from acd_core.urgency import Costs, Ratio, Urgency

cdef tuple DIRECTION_NAMES = views.DIRECTIONS
cdef tuple PRESENCE_NAMES = ("logged_out", "paused", "ready")
cdef tuple ACTIVITY_NAMES = ("none", "offered", "busy", "wrapup", "cooldown")
cdef tuple LEG_STATE_NAMES = ("", "offered", "connected", "wrapup")
cdef tuple CONTACT_STATE_NAMES = ("", "queued", "offered", "connected", "wrapup", "parked")


cdef object _estimate(Forecast forecast):
    """A forecast as views have it."""
    if not forecast.known:
        return None
    return views.Estimate(mean_ms=forecast.mean_ms, p50_ms=forecast.p50_ms, p90_ms=forecast.p90_ms)


cdef class Shown(State):
    """The state with its views."""

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
            callback_delay_ns=sum_of(&row.callback_delay_ns),
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
            wait_ns=sum_of(&row.wait_ns),
            talk_ns=sum_of(&row.talk_ns),
            wait_histogram=tuple([row.histogram[index] for index in range(<int>WAIT_BUCKETS)]),
            accept_ns=sum_of(&row.accept_ns),
            accept_histogram=tuple([row.accept_histogram[index] for index in range(<int>ACCEPT_BUCKETS)]),
            handle_ns=sum_of(&row.handle_ns),
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
            offer=offer_id(leg.number),
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
            offer=offer_id(self.legs.legs[first].number) if first != NONE else "",
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
            require=requirement.describe(self.stages[self._stage(slot)].asked(asked_of(row))),
            attributes=attributes_of(row),
            direction=DIRECTION_NAMES[row.direction],
            age_ns=row.enqueued - own_since,
            credit_ns=credit,
            waited_before_ns=waited_before,
            by_hand=bool(row.by_hand),
            enqueued_ns=row.enqueued,
            urgency=self._urgency(slot),
            connected_ns=connected_of(row),
            completed_ns=completed_of(row),
            held=bool(row.held),
            channel=config.channel,
            agent=self._agent_name(self.legs.legs[first].agent) if first != NONE else "",
            offer=offer_id(self.legs.legs[first].number) if first != NONE else "",
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
            estimate=_estimate(foreseen_of(row)),
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
