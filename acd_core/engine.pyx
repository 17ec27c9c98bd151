# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""The compiled machine: one method a command, as the contract in machine.py has them.

Read model/ for what happens and why; transitions.pyx for what commands and deadlines have in common.
"""

cimport cython
from cpython.ref cimport Py_INCREF, PyObject
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t

from acd_core.brought cimport asked_of, attributes_of, replace_asked, replace_attributes
from acd_core.containers cimport prefetch
from acd_core.dump cimport Dumped
from acd_core.event_lines cimport EventLine
from acd_core.names cimport tag_of
from acd_core.route cimport Route, Taken, line_of, remember_line
from acd_core.state cimport (
    AGENT_UPDATED, CONTACT_CONNECTED_EVENT, CONTACT_HELD, CONTACT_RESUMED, CONTACT_UPDATED, CONTACT_WRAPUP_EXTENDED,
    HOURS_UPDATED, Record,
)
from acd_core.totals cimport add_to
from acd_core.transitions cimport bucket_of, offer_number
from acd_core.types cimport (
    ABANDONED, ACCEPT_BUCKETS, AGENT_ALONE, AGENT_LOGGED_OUT, AGENT_NOT_IN_WRAPUP, AGENT_NOT_JOINED, AGENT_NOT_TALKING,
    AGENT_UNKNOWN, CALENDAR_UNKNOWN, CALLBACK_EXISTS, CALLBACK_INVALID, CALLBACK_NOT_OFFERED, CAUSE_BUSY, CAUSE_NO_ANSWER,
    CAUSE_REJECTED, CAUSE_UNREACHABLE, CHANNEL_UNKNOWN, COMPLETED_AGENT, COMPLETED_CALLER, CONSULT_EXISTS,
    CONSULT_INVALID, CONTACT_CONNECTED, CONTACT_EXISTS, CONTACT_FREE, CONTACT_IS_CALLBACK, CONTACT_IS_CONSULT,
    CONTACT_NOT_CONNECTED, CONTACT_NOT_WAITING, CONTACT_NO_CONSULT, CONTACT_OFFERED, CONTACT_PARKED, CONTACT_QUEUED,
    CONTACT_UNKNOWN, CONTACT_WRAPUP, DISPOSITION_MISSING, DIVERTED, DUPLICATE, HELD_NOWHERE, HOURS_INVALID, INBOUND,
    LEG_CONNECTED, LEG_OFFERED, LEG_WRAPUP, LOGGED_OUT, LOST, NONE, OFFER_GONE, OFFER_REJECTED, OK, PAUSED,
    PAUSE_REASON_UNKNOWN, PLACE_INVALID, PRIORITIES, QUEUE_UNKNOWN, READY, REQUIREMENT_INVALID, SKILL_UNKNOWN,
    TENANT_FULL, TENANT_UNKNOWN, TOO_MANY_CONTACTS, TRANSFERRED, TRANSFER_INVALID, WITHDRAWN, WRAPUP_LONGEST, Agent,
    Contact, Leg, Queue,
)

import itertools

import msgspec

from acd_core import requirement, views
from acd_core.config import ns_of_seconds, rest_of
from acd_core.dump_form import DumpError
from acd_core.joined import choice
from acd_core.plan import passed
from acd_core.wishes import NO_WISHES, Wishes, preference_of, refusal_of

cdef enum:
    ROUTES_SPARE = 1024       # requirements, as they were put, that are known beyond what queues and classes account for
    ROUTES_OF_A_QUEUE = 16

cdef int64_t NS_PER_S = 1_000_000_000
cdef int64_t ACCEPT_BOUNDS[12]
for _index, _bound in enumerate(views.ACCEPT_BUCKETS_S):
    ACCEPT_BOUNDS[_index] = _bound * NS_PER_S
cdef dict DIRECTIONS = {name: index for index, name in enumerate(views.DIRECTIONS)}
cdef dict PLACES = {None: 0, **{name: index for index, name in enumerate(views.PLACES, start=1)}}
cdef dict CAUSES = {"busy": CAUSE_BUSY, "no_answer": CAUSE_NO_ANSWER, "unreachable": CAUSE_UNREACHABLE}
cdef dict REASONS = {name: index for index, name in enumerate(views.END_REASONS)}
cdef str AGENT_IS_DONE = views.END_REASONS[COMPLETED_AGENT]  # nearly always one of these two
cdef str CALLER_IS_DONE = views.END_REASONS[COMPLETED_CALLER]


@cython.final
cdef class Engine(Dumped):
    """The machine that serves live calls; see `acd_core.machine.Machine` for the contract."""

    @staticmethod
    def load(bytes dump):
        """The engine that `dump` was called of. Raises `DumpError`."""
        cdef Engine engine = Engine()
        try:
            engine._load(dump)
        except (LookupError, TypeError, ValueError, OverflowError) as error:
            raise DumpError(f"it does not hold together ({error!r})") from error
        return engine

    # -- time ---------------------------------------------------------------------------------------------------

    def advance(self, int64_t now, int64_t limit=0):
        """See `Machine.advance`."""
        self._fire(now, limit)

    # -- events -------------------------------------------------------------------------------------------------

    def take_lines(self):
        """See `Machine.take_lines`."""
        return EventLine.of_records(self)

    cdef int32_t _agent_at(self, int64_t now, str agent) except -2:
        """The agent's slot, NONE for an unknown one, once time has come to `now`."""
        self._advance(now)
        return self.agent_slots.find(agent)

    cdef int32_t _contact_at(self, int64_t now, str contact) except -2:
        """The live contact's slot, NONE for another, once time has come to `now`."""
        cdef int32_t slot
        self._advance(now)
        slot = self.contact_slots.find(contact)
        if slot != NONE:
            self._prefetch_around(slot)
        return slot

    # -- contacts -----------------------------------------------------------------------------------------------

    cpdef int enqueue_contact(
        self, int64_t now, str client, str contact, str tenant, str queue, int priority, str require,
        dict attributes, str direction="inbound", object wishes=NO_WISHES,
    ) except -1:
        """See `Machine.enqueue_contact`."""
        cdef int32_t slot, place, target, owner, plan, announcer
        cdef uint32_t tag
        cdef Contact *row
        cdef object found
        cdef Taken *taken
        cdef Route route = None
        cdef tuple own_terms = ()
        cdef bint own_plan
        cdef int direction_code = INBOUND if direction == "inbound" else DIRECTIONS[direction]
        tag = tag_of(contact)
        self.contact_slots.slots.prefetch_home(tag)
        self.ended.places.prefetch_home(tag)
        self.routes_taken.bring(tenant, queue, require)
        self._advance(now)
        self._prefetch_new()
        self.last_position = 0
        self.last_mean_ms = NONE
        if not 0 <= priority < PRIORITIES:
            raise ValueError(f"priority is 0..{PRIORITIES - 1}, not {priority}")
        taken = self.routes_taken.find(tenant, queue, require)
        if taken != NULL:
            target = taken.target
            prefetch(taken.terms)
            prefetch(&self.tables.classes[taken.owner])
            prefetch(&self.lines.lines[line_of(taken, priority)])
        else:
            found = self.queues_of.get(tenant)
            if found is not None:
                found = (<dict>found).get(queue)
            target = NONE if found is None else <int32_t>found
            if target != NONE and require:
                route = (<dict>self.route_of[target]).get(require)
        slot = self.contact_slots.find_tagged(contact, tag)
        if slot != NONE:
            config = self.queue_configs[self.tables.contacts[slot].queue]
            asked_for = self.moved_from.get(slot, config.name)
            if self._client(slot) == client and config.tenant == tenant and asked_for == queue:
                return DUPLICATE
            return CONTACT_EXISTS
        place = self.ended.find_tagged(contact, tag)
        if place != NONE:
            return DUPLICATE if self.ended.client_of(place) == client else CONTACT_EXISTS
        if target == NONE:
            return QUEUE_UNKNOWN if tenant in self.tenant_ids else TENANT_UNKNOWN
        if taken != NULL:
            own_terms = <tuple>taken.terms
        elif route is not None:
            own_terms = route.terms
        elif require:
            try:
                own_terms = requirement.parse(require)
            except requirement.RequirementError:
                return REQUIREMENT_INVALID
            for skill in requirement.skills_of(own_terms):
                if skill not in self.skill_names:
                    return SKILL_UNKNOWN
        own_plan = wishes is not NO_WISHES and (wishes.steps or wishes.steps_mode != "add")
        if own_plan:
            outcome = refusal_of(wishes.steps, tenant, self.skill_names, self.queue_slots)
            if outcome:
                return outcome
        if self.live_contacts >= self.max_contacts:
            return TOO_MANY_CONTACTS
        if self.tenants_limited and self._tenant_full(tenant):
            return TENANT_FULL
        if own_plan:
            self._sweep()
            plan = self._plan(target, wishes)
            owner = self._class(target, own_terms, self.tables.plans[plan].first)
            taken = NULL
        else:
            if taken == NULL:
                if route is not None:
                    owner = route.owner
                elif not require:
                    owner = self.tables.queues[target].base_class
                else:
                    self._sweep()
                    owner = self._class(target, own_terms, self.tables.plans[self.tables.queues[target].plan].first)
                    self._new_route(target, require, owner, own_terms)
                taken = self.routes_taken.remember(
                    tenant, queue, require, target, owner, own_terms, self.routes + self.tables.queue_count
                )
            owner = taken.owner
            plan = self.tables.queues[target].plan
        self.idle.bring_array(owner)
        announcer = self.announcers.take(client)
        self.contact_seq += 1
        slot = self._new_contact_slot()
        self.contact_ids.put(slot, contact, tag)
        self.tables.clear_contact(slot)
        row = &self.tables.contacts[slot]
        replace_attributes(row, attributes)
        replace_asked(row, own_terms)
        row.priority = <uint8_t>priority
        row.direction = <uint8_t>direction_code
        row.client = announcer
        row.queue = target
        self.tables.set_plan(slot, plan)
        row.seq = self.contact_seq
        row.enqueued = self.now
        if wishes is not NO_WISHES:
            self._set_wishes(slot, wishes)
            self.tables.set_since(slot, self.now - <int64_t>wishes.age_ns)
            if wishes.caller:
                self._take_credit(slot, wishes.caller)
            if wishes.consults:
                self._begin_consult(slot, wishes)
        self.live_contacts += 1
        self.idle.bring_first(owner)
        self.contact_slots.add(slot)
        self._set_state(slot, CONTACT_QUEUED)
        row.line = line_of(taken, priority) if taken != NULL else NONE
        if row.line == NONE:
            self._enter_line(slot, owner)
            if taken != NULL:
                remember_line(taken, priority, row.line)
        preference = None
        if wishes is not NO_WISHES:
            last_agent = self.last_agents.get((tenant, wishes.caller), "")
            preference = preference_of(wishes, self.queue_configs[target], last_agent)
        self.arriving = slot
        self.arriving_pace = taken.pace if taken != NULL else NONE
        self.last_position = self._join(slot, preference)
        self.arriving = NONE
        if row.state == CONTACT_FREE or not row.foreseen:
            self.last_mean_ms = NONE
        if taken != NULL and row.pace != NONE and row.queue == target:
            taken.pace = row.pace
        return self._settled()

    cdef int _new_route(self, int32_t queue, str require, int32_t owner, tuple terms) except -1:
        """What a requirement means in a queue, which is known from now on. Clients may put one thing in any number of ways, so
        all are forgotten when there are very many more of them than things.
        """
        if self.routes >= ROUTES_SPARE + ROUTES_OF_A_QUEUE * self.tables.queue_count + 2 * self.tables.class_count:
            for routes in self.route_of:
                (<dict>routes).clear()
            self.routes_taken.forget()
            self.routes = 0
        self.routes += 1
        (<dict>self.route_of[queue])[require] = Route(owner, terms)
        return 0

    def update_contact(
        self, int64_t now, str contact, object priority, object attributes, object steps=None, str steps_mode="add",
        object place=None, object other=None,
    ):
        """See `Machine.update_contact`."""
        cdef int32_t slot, leg, plan, beside = NONE
        cdef Contact *row
        cdef Record *record
        cdef bint was_in_line, other_steps = False, changed, placed_alike
        cdef int new_priority
        cdef tuple by_hand
        cdef dict new_attributes
        cdef object named = "" if other is None else other
        slot = self._contact_at(now, contact)
        if slot == NONE:
            return CONTACT_NOT_WAITING if contact in self.ended else CONTACT_UNKNOWN
        row = &self.tables.contacts[slot]
        new_priority = row.priority if priority is None else priority
        if not 0 <= new_priority < PRIORITIES:
            raise ValueError(f"priority is 0..{PRIORITIES - 1}, not {priority}")
        new_attributes = attributes_of(row) if attributes is None else attributes
        wishes = self._wishes(slot)
        if steps is not None and (steps, steps_mode) != (wishes.steps, wishes.steps_mode):
            other_steps = True
        changed = new_priority != row.priority or other_steps or place is not None or other is not None
        if changed and row.state not in (CONTACT_QUEUED, CONTACT_OFFERED):
            return CONTACT_NOT_WAITING
        if other_steps:
            outcome = refusal_of(steps, self.queue_configs[row.queue].tenant, self.skill_names, self.queue_slots)
            if outcome:
                return outcome
        by_hand = self.by_hand[slot] if row.by_hand else None
        if place is not None or other is not None:
            if place == "first":
                beside = self._foremost(slot) if other is None else NONE
            elif place is not None:
                beside = self._rival(slot, other)
            if beside == NONE or priority is not None:
                return PLACE_INVALID
            if beside != slot:
                by_hand = self._beside(slot, beside, -1 if place == "after" else 1)
        elif new_priority != row.priority:
            by_hand = None
        placed_alike = new_priority == row.priority and by_hand == (self.by_hand[slot] if row.by_hand else None)
        if placed_alike and new_attributes == attributes_of(row) and not other_steps:
            return DUPLICATE
        leg = self.legs.foremost_of_contact(slot)
        record = self._record(CONTACT_UPDATED, slot, self.legs.legs[leg].agent if leg != NONE else NONE, row.queue)
        record.code = new_priority
        record.flag = PLACES[place]
        Py_INCREF(named)
        record.text = <PyObject *>named
        replace_attributes(row, new_attributes)
        if placed_alike and not other_steps:
            return self._settled()
        was_in_line = row.where != HELD_NOWHERE
        self._leave_line(slot)
        row.priority = new_priority
        self._put(slot, by_hand)
        if other_steps:
            self._set_wishes(slot, msgspec.structs.replace(wishes, steps=steps, steps_mode=steps_mode))
            self._sweep()
            plan = self._plan(row.queue, self._wishes(slot))
            self.tables.set_plan(slot, plan)
            row.step = passed(self.plans[plan], self.now - row.enqueued)
        self._assign(slot)
        if other_steps:
            self.tables.contact_detail_of(slot).useless = self._is_useless(slot)
            self._arm_step(slot)
            self._judge(slot)
            self._serve_contact(slot)
        elif was_in_line:
            self._stand_in_line(slot)
        return self._settled()

    cpdef int abandon_contact(self, int64_t now, str contact) except -1:
        """See `Machine.abandon_contact`."""
        cdef int32_t slot
        slot = self._contact_at(now, contact)
        if slot == NONE:
            return self._gone(contact)
        if self.tables.contacts[slot].state == CONTACT_WRAPUP:
            return DUPLICATE
        if self.tables.contacts[slot].callback and self.tables.contacts[slot].state != CONTACT_CONNECTED:
            return CONTACT_IS_CALLBACK
        if self.tables.contacts[slot].state == CONTACT_CONNECTED:
            self._complete(slot, COMPLETED_CALLER)
        else:
            self._leave_queue(slot, ABANDONED)
        return self._settled()

    def withdraw_contact(self, int64_t now, str contact):
        """See `Machine.withdraw_contact`."""
        cdef int32_t slot
        slot = self._contact_at(now, contact)
        if slot == NONE:
            return self._gone(contact)
        if self.tables.contacts[slot].state not in (CONTACT_QUEUED, CONTACT_OFFERED, CONTACT_PARKED):
            return CONTACT_NOT_WAITING
        self._leave_queue(slot, WITHDRAWN)
        return self._settled()

    cpdef int complete_contact(self, int64_t now, str contact, str reason) except -1:
        """See `Machine.complete_contact`."""
        cdef int32_t slot
        cdef int code
        if reason is AGENT_IS_DONE:
            code = COMPLETED_AGENT
        elif reason is CALLER_IS_DONE:
            code = COMPLETED_CALLER
        else:
            code = REASONS[reason]
        slot = self._contact_at(now, contact)
        if slot == NONE:
            return self._gone(contact)
        if self.tables.contacts[slot].state == CONTACT_WRAPUP:
            return DUPLICATE
        if self.tables.contacts[slot].state != CONTACT_CONNECTED:
            return CONTACT_NOT_CONNECTED
        self._complete(slot, code)
        return self._settled()

    def transfer_contact(
        self, int64_t now, str contact, object queue, object agent, object outside, bint keep_age, object require,
        object priority,
    ):
        """See `Machine.transfer_contact`."""
        cdef int32_t slot, target
        cdef Contact *row
        cdef tuple own_terms
        cdef int new_priority
        slot = self._contact_at(now, contact)
        if slot == NONE:
            return CONTACT_NOT_CONNECTED if contact in self.ended else CONTACT_UNKNOWN
        row = &self.tables.contacts[slot]
        if row.state == CONTACT_WRAPUP:
            return CONTACT_NOT_CONNECTED
        if row.state == CONTACT_PARKED:
            return CONTACT_NOT_WAITING
        if row.consults:
            return CONTACT_IS_CONSULT
        if (outside is not None) == (queue is not None or agent is not None):
            return TRANSFER_INVALID
        if outside is not None:
            self._record_transferred(slot, "", outside, "")
            if row.state == CONTACT_CONNECTED:
                self._complete(slot, TRANSFERRED)
            else:
                self._leave_queue(slot, DIVERTED)
            return self._settled()
        target = row.queue
        if queue is not None:
            found = self.queue_slots.get((self.queue_configs[row.queue].tenant, queue))
            if found is None:
                return QUEUE_UNKNOWN
            target = found
        if agent is not None:
            found = self.agent_slots.get(agent)
            if found is None or not self.tables.serves(found, self.tables.queues[row.queue].tenant):
                return AGENT_UNKNOWN
            if self.tables.agents[<int32_t>found].presence == LOGGED_OUT:
                return AGENT_LOGGED_OUT
            if self.tables.agents[<int32_t>found].choosy and not self.tables.joined(found, target):
                return AGENT_NOT_JOINED
        own_terms = asked_of(row)
        try:
            if require is not None:
                own_terms = requirement.parse(require)
            own_terms = requirement.for_agent(own_terms, agent)
        except requirement.RequirementError:
            return REQUIREMENT_INVALID
        for skill in requirement.skills_of(own_terms):
            if skill not in self.skill_names:
                return SKILL_UNKNOWN
        new_priority = row.priority if priority is None else priority
        if not 0 <= new_priority < PRIORITIES:
            raise ValueError(f"priority is 0..{PRIORITIES - 1}, not {priority}")
        if row.state != CONTACT_CONNECTED and target == row.queue and (
            new_priority == row.priority and own_terms == asked_of(row)
        ):
            return DUPLICATE
        self._sweep()
        row.priority = new_priority
        replace_asked(row, own_terms)
        self._transfer(slot, target, keep_age, agent or "")
        return self._settled()

    def consult_contact(
        self, int64_t now, str client, str contact, str consult, object queue, object agent, object asked_by,
        int priority, str require, dict attributes,
    ):
        """See `Machine.consult_contact`."""
        cdef int32_t slot, leg
        cdef list talking = []
        slot = self._contact_at(now, contact)
        found = self.contact_slots.get(consult)
        if found is not None:
            same = self._client(found) == client and self._wishes(found).consults == contact
            return DUPLICATE if same else CONTACT_EXISTS
        found = self.ended.get(consult)
        if found is not None:
            return DUPLICATE if found[1] == client else CONTACT_EXISTS
        if slot == NONE:
            return CONTACT_NOT_CONNECTED if contact in self.ended else CONTACT_UNKNOWN
        if self.tables.contacts[slot].state != CONTACT_CONNECTED:
            return CONTACT_NOT_CONNECTED
        if self.tables.contacts[slot].consults:
            return CONTACT_IS_CONSULT
        if slot in self.consulting:
            return CONSULT_EXISTS
        leg = self.tables.contacts[slot].legs
        while leg != NONE:
            talking.append(self._agent_name(self.legs.legs[leg].agent))
            leg = self.legs.legs[leg].next_of_contact
        asker = talking[0] if asked_by is None else asked_by
        if asker not in talking:
            return AGENT_NOT_TALKING
        if agent in talking or (queue is None and agent is None):
            return CONSULT_INVALID
        config = self.queue_configs[self.tables.contacts[slot].queue]
        if agent is not None:
            found = self.agent_slots.get(agent)
            if found is None or not self.tables.serves(found, self.tables.queues[self.tables.contacts[slot].queue].tenant):
                return AGENT_UNKNOWN
            if self.tables.agents[<int32_t>found].presence == LOGGED_OUT:
                return AGENT_LOGGED_OUT
            target = self.queue_slots.get((config.tenant, config.name if queue is None else queue))
            if (
                target is not None and self.tables.agents[<int32_t>found].choosy
                and not self.tables.joined(found, target)
            ):
                return AGENT_NOT_JOINED
        try:
            asked = requirement.parse(require)
            if agent is not None:
                asked = requirement.for_agent(asked, agent)
            else:
                asked = requirement.for_others(asked, talking)
        except requirement.RequirementError:
            return REQUIREMENT_INVALID
        return self.enqueue_contact(
            now, client, consult, config.tenant, config.name if queue is None else queue, priority,
            requirement.describe(asked), attributes, "internal", Wishes(consults=contact, asked_by=asker),
        )

    def merge_contact(self, int64_t now, str contact, bint transfer):
        """See `Machine.merge_contact`."""
        cdef int32_t slot, about
        slot = self._contact_at(now, contact)
        if slot == NONE:
            return CONTACT_NOT_CONNECTED if contact in self.ended else CONTACT_UNKNOWN
        if not self.tables.contacts[slot].consults:
            return CONTACT_NO_CONSULT
        about = self._about(slot)
        if self.tables.contacts[slot].state != CONTACT_CONNECTED or about == NONE:
            return CONTACT_NOT_CONNECTED
        self._merge(slot, about, transfer)
        return self._settled()

    def drop_contact(self, int64_t now, str contact, str agent):
        """See `Machine.drop_contact`."""
        cdef int32_t slot, leg
        slot = self._contact_at(now, contact)
        if slot == NONE:
            return CONTACT_NOT_CONNECTED if contact in self.ended else CONTACT_UNKNOWN
        if self.tables.contacts[slot].state != CONTACT_CONNECTED:
            return CONTACT_NOT_CONNECTED
        leg = self._connected_leg(slot, agent)
        if leg == NONE:
            return AGENT_NOT_TALKING
        if self._talking(slot) == 1:
            return AGENT_ALONE
        self._leave(slot, leg)
        return self._settled()

    def callback_contact(self, int64_t now, str contact, str number, object failed):
        """See `Machine.callback_contact`."""
        cdef int32_t slot
        cdef Contact *row
        slot = self._contact_at(now, contact)
        if slot == NONE:
            return CONTACT_NOT_WAITING if contact in self.ended else CONTACT_UNKNOWN
        row = &self.tables.contacts[slot]
        if (number == "") == (failed is None):
            return CALLBACK_INVALID
        if failed is not None:
            if not row.callback or row.state != CONTACT_CONNECTED:
                return CONTACT_NOT_CONNECTED
            self._attempt_failed(slot, failed)
            return self._settled()
        if row.callback:
            return DUPLICATE if self.callbacks[slot].number == number else CALLBACK_EXISTS
        if row.state not in (CONTACT_QUEUED, CONTACT_OFFERED):
            return CONTACT_NOT_WAITING
        if row.consults:
            return CONTACT_IS_CONSULT
        config = self.queue_configs[row.queue]
        if config.callback is None:
            return CALLBACK_NOT_OFFERED
        if (config.tenant, number) in self.callback_numbers:
            return CALLBACK_EXISTS
        self._call_back(slot, number)
        return self._settled()

    def hold_contact(self, int64_t now, str contact, bint held):
        """See `Machine.hold_contact`."""
        cdef int32_t slot
        cdef Contact *row
        slot = self._contact_at(now, contact)
        if slot == NONE:
            return CONTACT_NOT_CONNECTED if contact in self.ended else CONTACT_UNKNOWN
        row = &self.tables.contacts[slot]
        if row.state != CONTACT_CONNECTED:
            return CONTACT_NOT_CONNECTED
        if row.held == held:
            return DUPLICATE
        row.held = held
        self._record(
            CONTACT_HELD if held else CONTACT_RESUMED, slot, self.legs.legs[self.legs.foremost_of_contact(slot)].agent,
            row.queue,
        )
        return self._settled()

    # -- offers -------------------------------------------------------------------------------------------------

    def offer_owner(self, str offer):
        """See `Machine.offer_owner`."""
        cdef int32_t leg = self._leg_of(offer_number(offer))
        if leg < 0:
            return None
        return self.queue_configs[self.legs.legs[leg].queue].tenant, self._agent_name(self.legs.legs[leg].agent)

    cdef str tenant_of_offer(self, str offer):
        """Whose contact an offer is of that is not over; None of any other."""
        cdef int32_t leg = self._leg_of(offer_number(offer))
        return None if leg < 0 else self.queue_tenants[self.legs.legs[leg].queue]

    def accept_offer(self, int64_t now, str offer):
        """See `Machine.accept_offer`."""
        return self.accept(now, offer_number(offer))

    cdef int accept(self, int64_t now, int64_t offer) except -1:
        """The same of an offer by its number."""
        cdef int32_t leg, agent, contact
        cdef Leg *held
        cdef Agent *person
        cdef Contact *row
        cdef Queue *queue
        cdef Record *record
        cdef int64_t wait, rung
        cdef list losers = None
        self._advance(now)
        leg = self._leg_of(offer)
        if leg < 0:
            return -1 - leg
        held = &self.legs.legs[leg]
        if held.state != LEG_OFFERED:
            return DUPLICATE
        agent = held.agent
        contact = held.contact
        person = &self.tables.agents[agent]
        row = &self.tables.contacts[contact]
        queue = &self.tables.queues[held.queue]
        if row.offers > 1:
            losers = self._end_offers(contact, leg, "answered_elsewhere")
        wait = self.now - row.enqueued
        rung = self.now - held.since
        self._disarm_leg(leg)
        held.state = LEG_CONNECTED
        held.since = self.now
        held.connected = self.now
        row.offers = 0
        person.rung = False
        self._leave_line(contact)
        self._set_state(contact, CONTACT_CONNECTED)
        row.connected = self.now
        row.wait_expired = False
        self._stay_no_longer(contact)
        if row.prefers:
            self._forget_preference(contact)
        self._delist(contact)
        self._arm_contact(contact, self.now + queue.max_talk, queue.max_talk)
        self._note_last_agent(contact, agent)
        self._not_idle(agent)
        person.missed = 0
        person.answered += 1
        self._had_inbound(agent, held.direction)
        person.answered_since_login += 1
        if self.half_life_us:
            self._refresh(agent)  # which may arm a timer, before others are
        if not row.callback:
            self._count_answered(held.queue, wait)
        add_to(&queue.accept_ns, rung)
        queue.accept_histogram[bucket_of(rung, ACCEPT_BOUNDS, ACCEPT_BUCKETS)] += 1
        if row.pace != NONE:
            self._score(contact, self.now - self.callbacks[contact].joined_ns if row.callback else wait, rung)
        record = self._record(CONTACT_CONNECTED_EVENT, contact, agent, held.queue)
        record.offer = held.number
        record.a = wait
        self._lighten(agent)
        if losers is not None:
            for other in losers:
                self._recall(other)
        return self._settled()

    def reject_offer(self, int64_t now, str offer, str cause):
        """See `Machine.reject_offer`."""
        cdef int32_t leg, agent, contact, queue
        cdef int64_t number = offer_number(offer)
        self._advance(now)
        leg = self._leg_of(number)
        if leg < 0:
            return -1 - leg
        if self.legs.legs[leg].state != LEG_OFFERED:
            return OFFER_GONE
        agent = self.legs.legs[leg].agent
        queue = self.legs.legs[leg].queue
        self.tables.agents[agent].rejected_total += 1
        self._had_inbound(agent, self.legs.legs[leg].direction)
        contact = self._end_offer(leg, OFFER_REJECTED, cause)
        self._note(contact, "rejected", "", agent, 0)
        self._disappoint(contact, agent)
        self._not_idle(agent)
        if self._failed_too_often(agent):
            self._pause_by_itself(agent, contact, "failed_offers")
        elif cause in CAUSES:
            _, seconds = rest_of(self.queue_configs[queue], cause)
            self._cool_down(agent, contact, CAUSES[cause], ns_of_seconds(seconds))
        else:
            self._cool_down(agent, contact, CAUSE_REJECTED, self.tables.queues[queue].reject_cooldown)
        return self._settled()

    # -- agents -------------------------------------------------------------------------------------------------

    def login_agent(self, int64_t now, str client, str agent, object address, bint ready, object queues=None):
        """See `Machine.login_agent`."""
        cdef int32_t slot
        cdef tuple chosen
        cdef Agent *row
        cdef bint was_logging_out
        slot = self._agent_at(now, agent)
        if slot == NONE:
            return AGENT_UNKNOWN
        row = &self.tables.agents[slot]
        new_address = self.agent_addresses[slot] if address is None else address
        chosen = self.agent_queues.get(slot, ())
        if queues is not None:
            outcome, chosen = choice(chosen, queues, (), (), self._agent_config(slot).tenants, self.queue_slots)
            if outcome:
                return outcome
        if row.presence != LOGGED_OUT:
            if (
                self.agent_clients[slot] == client and self.agent_addresses[slot] == new_address
                and not row.logging_out and chosen == self.agent_queues.get(slot, ())
            ):
                return DUPLICATE
            was_logging_out = row.logging_out
            self._set_client(slot, client)
            self.agent_addresses[slot] = new_address
            row.logging_out = False
            self._choose(slot, chosen)
            if was_logging_out and self._can_be_idle(slot):
                self._idle(slot)
            else:
                self._agent_changed(slot)
                self._serve_agent(slot)
            return self._settled()
        self._set_client(slot, client)
        self.agent_addresses[slot] = new_address
        row.answered_since_login = 0
        row.inbound_seq = 0
        self._choose(slot, chosen)
        if ready:
            self._make_ready(slot)
        else:
            self._set_presence(slot, PAUSED, "login")
            self._agent_changed(slot)
        return self._settled()

    def choose_queues(self, int64_t now, str agent, object queues, tuple join, tuple leave):
        """See `Machine.choose_queues`."""
        cdef int32_t slot = self._agent_at(now, agent)
        cdef tuple chosen
        if slot == NONE:
            return AGENT_UNKNOWN
        if self.tables.agents[slot].presence == LOGGED_OUT:
            return AGENT_LOGGED_OUT
        outcome, chosen = choice(
            self.agent_queues.get(slot, ()), queues, join, leave, self._agent_config(slot).tenants, self.queue_slots
        )
        if outcome:
            return outcome
        if chosen == self.agent_queues.get(slot, ()):
            return DUPLICATE
        self._choose(slot, chosen)
        self._serve_agent(slot)
        return self._settled()

    cdef int _choose(self, int32_t agent, tuple queues) except -1:
        """From now on an agent serves these of his queues; all when there are none."""
        cdef Agent *row = &self.tables.agents[agent]
        if queues == self.agent_queues.get(agent, ()):
            return 0
        if not self.choosy:
            self.choosy = True
            self._rebuild()
        self.watches.note_fit(agent)
        if queues:
            self.agent_queues[agent] = queues
        else:
            del self.agent_queues[agent]
        self._enter_queues(agent)
        if row.idle_seq:
            self.idle.restore(agent)
        self._record_choice(agent)
        self.gates.opened = self.gates.active
        if self.watches.fit_changed(agent) or self.bound_to:
            self._judge_flipped(agent)
        return 0

    cpdef int ready_agent(self, int64_t now, str agent) except -1:
        """See `Machine.ready_agent`."""
        cdef int32_t slot
        cdef Agent *row
        slot = self._agent_at(now, agent)
        if slot == NONE:
            return AGENT_UNKNOWN
        row = &self.tables.agents[slot]
        if row.presence == LOGGED_OUT:
            return AGENT_LOGGED_OUT
        if row.presence == PAUSED:
            self._make_ready(slot)
            return self._settled()
        if row.timer != NONE:
            self._end_cooldown(slot)
            return self._settled()
        return DUPLICATE

    def pause_agent(self, int64_t now, str agent, str reason):
        """See `Machine.pause_agent`."""
        cdef int32_t slot, contact
        cdef Agent *row
        slot = self._agent_at(now, agent)
        if slot == NONE:
            return AGENT_UNKNOWN
        row = &self.tables.agents[slot]
        if row.presence == LOGGED_OUT:
            return AGENT_LOGGED_OUT
        if self.pause_codes and reason not in self.pause_codes:
            return PAUSE_REASON_UNKNOWN
        if row.presence == PAUSED and self.agent_pause_reasons.get(slot, "") == reason:
            return DUPLICATE
        contact = self._stop_offering(slot, "agent_paused")
        self._set_presence(slot, PAUSED, reason)
        self._agent_changed(slot)
        if contact != NONE:
            self._requeue(contact)
        return self._settled()

    def logout_agent(self, int64_t now, str agent):
        """See `Machine.logout_agent`."""
        cdef int32_t slot, contact, leg
        cdef Agent *row
        slot = self._agent_at(now, agent)
        if slot == NONE:
            return AGENT_UNKNOWN
        row = &self.tables.agents[slot]
        if row.presence == LOGGED_OUT or row.logging_out:
            return DUPLICATE
        contact = self._stop_offering(slot, "agent_logged_out")
        leg = self.legs.foremost(slot)
        if leg != NONE and self.legs.legs[leg].state == LEG_CONNECTED:
            row.logging_out = True
            self._agent_changed(slot)
        elif leg != NONE:
            row.logging_out = True
            free = [wrapup for wrapup in self._wrapups(slot, None) if not self._disposes(wrapup)]
            for leg in free:
                self._finish_leg(leg)
            if not free:
                self._agent_changed(slot)
        else:
            self._log_out(slot)
        if contact != NONE:
            self._requeue(contact)
        return self._settled()

    def update_agent(self, int64_t now, str agent, object address, object skills, object attributes):
        """See `Machine.update_agent`."""
        cdef int32_t slot
        cdef Agent *row
        slot = self._agent_at(now, agent)
        if slot == NONE:
            return AGENT_UNKNOWN
        row = &self.tables.agents[slot]
        if skills is not None:
            for skill in skills:
                if skill not in self.skill_names:
                    return SKILL_UNKNOWN
        new_address = self.agent_addresses[slot] if address is None else address
        new_skills = self._skills_of(slot) if skills is None else skills
        new_attributes = self._attributes_of(slot) if attributes is None else attributes
        alike = new_skills == self._skills_of(slot) and new_attributes == self._attributes_of(slot)
        if alike and new_address == self.agent_addresses[slot]:
            return DUPLICATE
        self.agent_addresses[slot] = new_address
        if not alike:
            self._sweep()
            self.watches.note_fit(slot)
            self._keep_own(slot, new_skills, new_attributes)
            if row.idle_seq:
                self.idle.drop(slot)
            self.tables.set_skills(slot, new_skills, self.skill_ids)
            self._enter_attributes(slot)
            if row.idle_seq:
                self.idle.add_again(slot)
        self._record(AGENT_UPDATED, NONE, slot, NONE)
        self.gates.opened = self.gates.active
        if not alike and (self.watches.fit_changed(slot) or self.bound_to):
            self._judge_flipped(slot)
        self._serve_agent(slot)
        return self._settled()

    def report_outside(self, int64_t now, str agent, str channel, int64_t contacts, int64_t for_ns):
        """See `Machine.report_outside`."""
        cdef int32_t slot = self._agent_at(now, agent)
        cdef int64_t until
        if slot == NONE:
            return AGENT_UNKNOWN
        if channel not in self.channel_ids:
            return CHANNEL_UNKNOWN
        until = self.now + for_ns
        before = self.agent_outside.get(slot, {}).get(channel)
        if (before is None and not contacts) or (before is not None and before == [contacts, until]):
            return DUPLICATE
        self._report_outside(slot, channel, contacts, until)
        return self._settled()

    cdef bint _disposes(self, int32_t leg) noexcept:
        return self.tables.queues[self.legs.legs[leg].queue].disposes

    cpdef int end_wrapup(self, int64_t now, str agent, str disposition="", object contact=None) except -1:
        """See `Machine.end_wrapup`."""
        cdef int32_t slot, leg
        cdef list wrapups
        slot = self._agent_at(now, agent)
        if slot == NONE:
            return AGENT_UNKNOWN
        if self.tables.agents[slot].presence == LOGGED_OUT:
            return AGENT_LOGGED_OUT
        leg = self.tables.agents[slot].legs
        if contact is None and leg != NONE and leg == self.tables.agents[slot].last_leg:
            # As it mostly is: he has one contact in hand, and need not be asked which.
            if self.legs.legs[leg].state == LEG_WRAPUP and not disposition and not self._disposes(leg):
                self._finish_leg(leg)
                return self._settled()
        wrapups = self._wrapups(slot, contact)
        if not wrapups:
            return AGENT_NOT_IN_WRAPUP
        for leg in wrapups:
            if not disposition and self._disposes(leg):
                return DISPOSITION_MISSING
        for leg in wrapups:
            if disposition:
                self._dispose(leg, disposition)
            self._finish_leg(leg)
        return self._settled()

    def extend_wrapup(self, int64_t now, str agent, int64_t by_ns, object contact=None):
        """See `Machine.extend_wrapup`."""
        cdef int32_t slot, leg
        cdef int64_t before, deadline
        cdef list wrapups
        cdef Record *record
        cdef bint longer = False
        slot = self._agent_at(now, agent)
        if slot == NONE:
            return AGENT_UNKNOWN
        if self.tables.agents[slot].presence == LOGGED_OUT:
            return AGENT_LOGGED_OUT
        wrapups = self._wrapups(slot, contact)
        if not wrapups:
            return AGENT_NOT_IN_WRAPUP
        for leg in wrapups:
            before = self.timers.deadline(self.legs.legs[leg].timer)
            deadline = min(before + by_ns, self.legs.legs[leg].latest)
            if deadline > before:
                longer = True
                self._arm_leg(leg, deadline - self.now)
                record = self._record_of_leg(CONTACT_WRAPUP_EXTENDED, leg)
                record.a = deadline - self.now
        if not longer:
            return WRAPUP_LONGEST
        self._agent_changed(slot)
        return self._settled()

    # -- clients ------------------------------------------------------------------------------------------------

    def leave_client(self, int64_t now, str client):
        """See `Machine.leave_client`."""
        cdef int32_t agent, contact
        cdef int64_t seq_before
        cdef list orphans = [], left = [], own
        cdef bint end
        self._advance(now)
        seq_before = self.seq
        for agent in self.agent_slots.values():
            if self.agent_clients[agent] == client and self.tables.agents[agent].presence == READY:
                contact = self._stop_offering(agent, "agent_unreachable")
                self._set_presence(agent, PAUSED, "unreachable")
                self._agent_changed(agent)
                if contact != NONE:
                    if contact not in orphans:
                        orphans.append(contact)
        end = self.configuration.settings.absent_client_contacts == "end"
        orphans = sorted([(self._order_key(contact), contact) for contact in orphans])
        for _, contact in orphans:
            if self.tables.contacts[contact].where == HELD_NOWHERE and self._in_line(contact):
                self._stand_in_line(contact)
        for _, contact in orphans:
            if end and self._client(contact) == client and not self.tables.contacts[contact].callback:
                self._leave_queue(contact, LOST)
            else:
                left.append(contact)
        for contact in left:
            if self.tables.contacts[contact].state == CONTACT_QUEUED and self.tables.contacts[contact].pace != NONE:
                self._wait(contact)
        for contact in left:
            if self.tables.contacts[contact].state == CONTACT_QUEUED:
                self._wait(contact)
        for contact in left:
            self._requeue(contact)
        if end:
            own = [
                contact
                for contact in self.contact_slots.values()
                if self._client(contact) == client
                and not self.tables.contacts[contact].callback
                and self.tables.contacts[contact].state in (CONTACT_QUEUED, CONTACT_OFFERED)
            ]
            for contact in own:
                self._leave_queue(contact, LOST)
        self._settled()
        return OK if self.seq > seq_before else DUPLICATE

    def return_client(self, int64_t now, str client):
        """See `Machine.return_client`."""
        cdef int32_t agent
        cdef int64_t seq_before
        self._advance(now)
        seq_before = self.seq
        for agent in self.agent_slots.values():
            if (
                self.agent_clients[agent] == client
                and self.tables.agents[agent].presence == PAUSED
                and self.agent_pause_reasons.get(agent) == "unreachable"
            ):
                self._make_ready(agent)
        self._settled()
        return OK if self.seq > seq_before else DUPLICATE

    # -- closing ------------------------------------------------------------------------------------------------

    def close_queue(self, int64_t now, str tenant, str queue, str reason):
        """See `Machine.close_queue`."""
        return self._set_emergency(now, tenant, queue, reason)

    def open_queue(self, int64_t now, str tenant, str queue):
        """See `Machine.open_queue`."""
        return self._set_emergency(now, tenant, queue, None)

    cdef int _set_emergency(self, int64_t now, str tenant, str queue, object reason) except -1:
        self._advance(now)
        found = self.queue_slots.get((tenant, queue))
        if found is None:
            return QUEUE_UNKNOWN if tenant in self.tenant_ids else TENANT_UNKNOWN
        if self.queue_emergencies[found] == reason:
            return DUPLICATE
        self.queue_emergencies[found] = reason
        self._closing_changed(found)
        return self._settled()

    def set_hours(self, int64_t now, str calendar, bint is_open, list changes_ns):
        """See `Machine.set_hours`."""
        cdef int32_t slot
        cdef Record *record
        self._advance(now)
        found = self.calendar_slots.get(calendar)
        if found is None:
            return CALENDAR_UNKNOWN
        if any([later <= earlier for earlier, later in itertools.pairwise(changes_ns)]):
            return HOURS_INVALID
        slot = found
        ahead = [instant for instant in changes_ns if <int64_t>instant > self.now]
        open_now = bool(is_open) != ((len(changes_ns) - len(ahead)) % 2 == 1)
        if open_now == self.calendar_open[slot] and ahead == self.calendar_changes[slot]:
            return DUPLICATE
        self.calendar_open[slot] = open_now
        self.calendar_changes[slot] = ahead
        self._arm_calendar(slot)
        record = self._record(HOURS_UPDATED, NONE, NONE, NONE)
        record.flag = open_now
        record.a = len(ahead)
        Py_INCREF(calendar)
        record.text = <PyObject *>calendar
        self._calendar_turned(slot)
        return self._settled()
