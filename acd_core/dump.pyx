# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""The whole state as bytes, and an engine made of them that goes on as if nothing had been.

Only what cannot be told from the rest is dumped; lines, classes, idle arrays, watches and counts are made anew by the same
code that makes them anew when the configuration changes. A field of a row is one line in its layout below. What is
derived, and so not dumped, is listed in tests/test_dump.py, which fails for a field that is in neither; and lockstep goes on
with reloaded engines, so that a field which is dumped but not loaded rightly is found by the first difference.
"""

from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport qsort

from acd_core.brought cimport asked_of, attributes_of, replace_asked, replace_attributes
from acd_core.columns cimport Layout, Rows, pack, unpack
from acd_core.containers cimport reserve
from acd_core.memory cimport release
from acd_core.names cimport tag_of
from acd_core.reconfigured cimport Reconfigured
from acd_core.tables cimport completed_of, connected_of
from acd_core.timers cimport OF_AGENT, OF_CONTACT, OF_LEG, OF_LOOK, OF_OUTSIDE, OF_PAUSE, OF_PREFERENCE, OF_QUEUE, OF_REST, OF_STAY, OF_STEP
from acd_core.types cimport (
    ACTIVITY_COOLDOWN, CAUSE_OCCUPANCY, CONTACT_CONNECTED, CONTACT_OFFERED, CONTACT_QUEUED, CONTACT_WRAPUP, HELD_BOUND, HELD_FIFO,
    HELD_NOWHERE, LEG_FREE, NONE, Agent, Contact, ContactDetails, Details, Leg, Pace, Queue,
)
from acd_core.windows cimport Forecast, find_forecast, foresee, foreseen_of

from msgspec.structs import astuple

from acd_core import requirement, views
from acd_core.config import from_json
from acd_core.dump_form import VERSION, Dump, DumpError, Shared, as_written, decode, encode
from acd_core.wishes import NO_WISHES

cdef enum:
    AGENTS = 0
    CONTACTS = 1
    LEGS = 2
    QUEUES = 3
    PACES = 4

cdef tuple TABLE_NAMES = ("agent", "contact", "leg", "queue", "pace")
cdef list KINDS_OF_OWNER = [CONTACTS, AGENTS, CONTACTS, LEGS, CONTACTS, NONE, QUEUES, CONTACTS, AGENTS, AGENTS, AGENTS, CONTACTS]  # by TimerKind; NONE: calendars
cdef tuple KINDS_IN_DETAILS = (OF_PAUSE, OF_OUTSIDE, OF_REST)
cdef tuple KINDS_IN_CONTACT_DETAILS = (OF_STEP, OF_STAY, OF_LOOK, OF_PREFERENCE)
cdef dict WORDS = {
    "end_reason": list(views.END_REASONS),
    "agent_state": list(views.AGENT_STATES),
    "contact_state": list(views.CONTACT_STATES),
    "direction": list(views.DIRECTIONS),
}

# -- layouts ----------------------------------------------------------------------------------------------------

cdef Agent any_agent
cdef Layout AGENT = Layout.of(&any_agent, sizeof(Agent))
AGENT.number("presence", &any_agent.presence, sizeof(any_agent.presence))
AGENT.number("activity", &any_agent.activity, sizeof(any_agent.activity))
AGENT.number("cooldown_cause", &any_agent.cooldown_cause, sizeof(any_agent.cooldown_cause))
AGENT.number("resting", &any_agent.resting, sizeof(any_agent.resting))
AGENT.number("logging_out", &any_agent.logging_out, sizeof(any_agent.logging_out))
AGENT.number("rung", &any_agent.rung, sizeof(any_agent.rung))
AGENT.number("answered_since_login", &any_agent.answered_since_login, sizeof(any_agent.answered_since_login))
AGENT.number("missed", &any_agent.missed, sizeof(any_agent.missed))
AGENT.number("idle_seq", &any_agent.idle_seq, sizeof(any_agent.idle_seq))
AGENT.number("inbound_seq", &any_agent.inbound_seq, sizeof(any_agent.inbound_seq))
AGENT.number("since", &any_agent.since, sizeof(any_agent.since))
AGENT.number("answered", &any_agent.answered, sizeof(any_agent.answered))
AGENT.number("missed_total", &any_agent.missed_total, sizeof(any_agent.missed_total))
AGENT.number("rejected_total", &any_agent.rejected_total, sizeof(any_agent.rejected_total))
AGENT.number("talk_ns", &any_agent.talk_ns, sizeof(any_agent.talk_ns))

cdef Details any_details
cdef Layout DETAILS = Layout.of(&any_details, sizeof(Details))
DETAILS.number("kept_seq", &any_details.kept_seq, sizeof(any_details.kept_seq))
DETAILS.number("use", &any_details.use, sizeof(any_details.use))
DETAILS.number("pause_code", &any_details.pause_code, sizeof(any_details.pause_code), NONE)
DETAILS.number("pause_began", &any_details.pause_began, sizeof(any_details.pause_began))
DETAILS.number("paid_ns", &any_details.paid_ns, sizeof(any_details.paid_ns))
DETAILS.number("unpaid_ns", &any_details.unpaid_ns, sizeof(any_details.unpaid_ns))
DETAILS.number("occupancy", &any_details.occupancy, sizeof(any_details.occupancy))
DETAILS.number("occupancy_us", &any_details.occupancy_us, sizeof(any_details.occupancy_us))
DETAILS.number("occupancy_key", &any_details.occupancy_key, sizeof(any_details.occupancy_key))

cdef Contact any_contact
cdef Layout CONTACT = Layout.of(&any_contact, sizeof(Contact))
CONTACT.reference("queue", &any_contact.queue, QUEUES)
CONTACT.reference("pace", &any_contact.pace, PACES)
CONTACT.number("place", &any_contact.place, sizeof(any_contact.place), NONE)
CONTACT.number("enqueued", &any_contact.enqueued, sizeof(any_contact.enqueued))

cdef ContactNumbers any_numbers
cdef Layout CONTACT_NUMBERS = Layout.of(&any_numbers, sizeof(ContactNumbers))
CONTACT_NUMBERS.number("state", &any_numbers.state, sizeof(any_numbers.state))
CONTACT_NUMBERS.number("held", &any_numbers.held, sizeof(any_numbers.held))
CONTACT_NUMBERS.number("wait_expired", &any_numbers.wait_expired, sizeof(any_numbers.wait_expired))
CONTACT_NUMBERS.number("priority", &any_numbers.priority, sizeof(any_numbers.priority))
CONTACT_NUMBERS.number("end_reason", &any_numbers.end_reason, sizeof(any_numbers.end_reason))
CONTACT_NUMBERS.number("direction", &any_numbers.direction, sizeof(any_numbers.direction))
CONTACT_NUMBERS.number("prefers", &any_numbers.prefers, sizeof(any_numbers.prefers))
CONTACT_NUMBERS.number("bound", &any_numbers.bound, sizeof(any_numbers.bound))
CONTACT_NUMBERS.number("deserted", &any_numbers.deserted, sizeof(any_numbers.deserted))
CONTACT_NUMBERS.number("callback", &any_numbers.callback, sizeof(any_numbers.callback))
CONTACT_NUMBERS.number("by_hand", &any_numbers.by_hand, sizeof(any_numbers.by_hand))
CONTACT_NUMBERS.number("consults", &any_numbers.consults, sizeof(any_numbers.consults))
CONTACT_NUMBERS.number("offers", &any_numbers.offers, sizeof(any_numbers.offers))
CONTACT_NUMBERS.number("step", &any_numbers.step, sizeof(any_numbers.step))
CONTACT_NUMBERS.number("mean_ms", &any_numbers.mean_ms, sizeof(any_numbers.mean_ms), NONE)
CONTACT_NUMBERS.number("p50_ms", &any_numbers.p50_ms, sizeof(any_numbers.p50_ms))
CONTACT_NUMBERS.number("p90_ms", &any_numbers.p90_ms, sizeof(any_numbers.p90_ms))
CONTACT_NUMBERS.number("seq", &any_numbers.seq, sizeof(any_numbers.seq))
CONTACT_NUMBERS.number("connected", &any_numbers.connected, sizeof(any_numbers.connected))
CONTACT_NUMBERS.number("completed", &any_numbers.completed, sizeof(any_numbers.completed))
CONTACT_NUMBERS.number("since", &any_numbers.since, sizeof(any_numbers.since))

cdef ContactDetails any_contact_details
cdef Layout CONTACT_DETAILS = Layout.of(&any_contact_details, sizeof(ContactDetails))
CONTACT_DETAILS.number("useless", &any_contact_details.useless, sizeof(any_contact_details.useless))
CONTACT_DETAILS.number("stay", &any_contact_details.stay, sizeof(any_contact_details.stay), NONE)
CONTACT_DETAILS.number("seen_ms", &any_contact_details.seen_ms, sizeof(any_contact_details.seen_ms), NONE)
CONTACT_DETAILS.number("overflows", &any_contact_details.overflows, sizeof(any_contact_details.overflows))

cdef Leg any_leg
cdef Layout LEG = Layout.of(&any_leg, sizeof(Leg))
LEG.number("state", &any_leg.state, sizeof(any_leg.state))
LEG.number("direction", &any_leg.direction, sizeof(any_leg.direction))
LEG.reference("contact", &any_leg.contact, CONTACTS)
LEG.reference("agent", &any_leg.agent, AGENTS)
LEG.reference("queue", &any_leg.queue, QUEUES)
LEG.number("number", &any_leg.number, sizeof(any_leg.number))
LEG.number("since", &any_leg.since, sizeof(any_leg.since))
LEG.number("connected", &any_leg.connected, sizeof(any_leg.connected))
LEG.number("latest", &any_leg.latest, sizeof(any_leg.latest))

cdef Queue any_queue
cdef Layout QUEUE = Layout.of(&any_queue, sizeof(Queue))
QUEUE.number("turn", &any_queue.turn, sizeof(any_queue.turn))
QUEUE.number("reserving", &any_queue.reserving, sizeof(any_queue.reserving))
QUEUE.number("recent_in_target", &any_queue.recent_in_target, sizeof(any_queue.recent_in_target))
QUEUE.number("forecasts", &any_queue.forecasts, sizeof(any_queue.forecasts))
QUEUE.number("forecast_error_ms", &any_queue.forecast_error_ms, sizeof(any_queue.forecast_error_ms))
QUEUE.number("forecast_off_ms", &any_queue.forecast_off_ms, sizeof(any_queue.forecast_off_ms))
QUEUE.number("forecast_in_p50", &any_queue.forecast_in_p50, sizeof(any_queue.forecast_in_p50))
QUEUE.number("forecast_in_p90", &any_queue.forecast_in_p90, sizeof(any_queue.forecast_in_p90))
QUEUE.number("overflowed", &any_queue.overflowed, sizeof(any_queue.overflowed))
QUEUE.number("waiting", &any_queue.waiting, sizeof(any_queue.waiting))
QUEUE.number("offered", &any_queue.offered, sizeof(any_queue.offered))
QUEUE.number("connected", &any_queue.connected, sizeof(any_queue.connected))
QUEUE.number("wrapping_up", &any_queue.wrapping_up, sizeof(any_queue.wrapping_up))
QUEUE.number("parked", &any_queue.parked, sizeof(any_queue.parked))
QUEUE.number("consults", &any_queue.consults, sizeof(any_queue.consults))
QUEUE.number("conferences", &any_queue.conferences, sizeof(any_queue.conferences))
QUEUE.number("callbacks", &any_queue.callbacks, sizeof(any_queue.callbacks))
QUEUE.number("callbacks_failed", &any_queue.callbacks_failed, sizeof(any_queue.callbacks_failed))
QUEUE.number("callback_delay_ns", &any_queue.callback_delay_ns.low, sizeof(any_queue.callback_delay_ns.low))
QUEUE.number("callback_delay_high", &any_queue.callback_delay_ns.high, sizeof(any_queue.callback_delay_ns.high))
QUEUE.number("entered", &any_queue.entered, sizeof(any_queue.entered))
QUEUE.number("answered", &any_queue.answered, sizeof(any_queue.answered))
QUEUE.number("answered_in_target", &any_queue.answered_in_target, sizeof(any_queue.answered_in_target))
QUEUE.number("abandoned_in_target", &any_queue.abandoned_in_target, sizeof(any_queue.abandoned_in_target))
QUEUE.number("offers", &any_queue.offers, sizeof(any_queue.offers))
QUEUE.numbers("failed", any_queue.failed, sizeof(any_queue.failed), 3)
QUEUE.numbers("ended", any_queue.ended, sizeof(any_queue.ended), 12)
QUEUE.number("wait_ns", &any_queue.wait_ns.low, sizeof(any_queue.wait_ns.low))
QUEUE.number("wait_high", &any_queue.wait_ns.high, sizeof(any_queue.wait_ns.high))
QUEUE.number("talk_ns", &any_queue.talk_ns.low, sizeof(any_queue.talk_ns.low))
QUEUE.number("talk_high", &any_queue.talk_ns.high, sizeof(any_queue.talk_ns.high))
QUEUE.numbers("histogram", any_queue.histogram, sizeof(any_queue.histogram), 18)
QUEUE.number("accept_ns", &any_queue.accept_ns.low, sizeof(any_queue.accept_ns.low))
QUEUE.number("accept_high", &any_queue.accept_ns.high, sizeof(any_queue.accept_ns.high))
QUEUE.numbers("accept_histogram", any_queue.accept_histogram, sizeof(any_queue.accept_histogram), 13)
QUEUE.number("handle_ns", &any_queue.handle_ns.low, sizeof(any_queue.handle_ns.low))
QUEUE.number("handle_high", &any_queue.handle_ns.high, sizeof(any_queue.handle_ns.high))
QUEUE.numbers("handle_histogram", any_queue.handle_histogram, sizeof(any_queue.handle_histogram), 16)

cdef Pace any_pace
cdef Layout PACE = Layout.of(&any_pace, sizeof(Pace))
PACE.number("now_us", &any_pace.now_us, sizeof(any_pace.now_us))
PACE.number("waiting", &any_pace.waiting, sizeof(any_pace.waiting))
PACE.number("served", &any_pace.served, sizeof(any_pace.served))
PACE.number("left", &any_pace.left, sizeof(any_pace.left))
PACE.number("backlog_us", &any_pace.backlog_us, sizeof(any_pace.backlog_us))
PACE.number("waited_us", &any_pace.waited_us, sizeof(any_pace.waited_us))
PACE.number("ring_ms", &any_pace.ring_ms, sizeof(any_pace.ring_ms))
PACE.number("ring_square", &any_pace.ring_square, sizeof(any_pace.ring_square))
PACE.number("last_wait_us", &any_pace.last_wait_us, sizeof(any_pace.last_wait_us))
PACE.number("last_at_us", &any_pace.last_at_us, sizeof(any_pace.last_at_us))

cdef Armed any_timer
cdef Layout ARMED = Layout.of(&any_timer, sizeof(Armed))
ARMED.number("seq", &any_timer.seq, sizeof(any_timer.seq))
ARMED.number("deadline", &any_timer.deadline, sizeof(any_timer.deadline))
ARMED.number("duration", &any_timer.duration, sizeof(any_timer.duration))
ARMED.number("place", &any_timer.place, sizeof(any_timer.place))
ARMED.number("kind", &any_timer.kind, sizeof(any_timer.kind))


cdef int _earlier(const void *one, const void *other) noexcept nogil:
    return (1 if (<const Armed *>one).seq > (<const Armed *>other).seq else -1)


cdef object _column(list values):
    """A column of Python integers."""
    cdef int64_t *numbers = NULL
    cdef int64_t room = 0, index, count = len(values)
    reserve(<void **>&numbers, &room, count + 1, sizeof(int64_t))
    try:
        for index in range(count):
            numbers[index] = values[index]
        return pack(numbers, count)
    finally:
        release(numbers)


cdef list _numbers(object column, int64_t count):
    """The integers of a column."""
    cdef int64_t *numbers = NULL
    cdef int64_t room = 0, index
    reserve(<void **>&numbers, &room, count + 1, sizeof(int64_t))
    try:
        unpack(column, numbers, count)
        return [numbers[index] for index in range(count)]
    finally:
        release(numbers)


cdef tuple _share(list values):
    """The different values, and the place of each value among them."""
    cdef dict places = {}
    cdef object column = _column([places.setdefault(value, len(places)) for value in values])
    return [*places], column


cdef list _unshare(list values, object places, int64_t count):
    try:
        return [values[place] for place in _numbers(places, count)]
    except IndexError:
        raise DumpError("a place names a value that is not there") from None


cdef class Dumped(Reconfigured):
    """The state with its way into bytes and back; see `Engine`."""

    # -- what there is ------------------------------------------------------------------------------------------

    cdef list _tables(self):
        """The rows in use, by table."""
        cdef int32_t slot, pace
        cdef list legs = [], paces = [], queues = list(self.queue_slots.values())
        for slot in range(self.legs.created):
            if self.legs.legs[slot].state != LEG_FREE:
                legs.append((self.legs.legs[slot].number, slot))
        legs.sort()
        for slot in queues:
            pace = self.tables.queues[slot].first_pace
            while pace != NONE:
                paces.append(pace)
                pace = self.paces_of_lines.rows[pace].next_in_queue
        return [
            Rows(list(self.agent_slots.values())), Rows(self.contact_slots.values()), Rows([slot for _, slot in legs]),
            Rows(queues), Rows(paces),
        ]

    cdef list _queues_of_paces(self, Rows queues):
        """The place of the queue of each pace."""
        cdef int64_t place
        cdef int32_t pace
        cdef list found = []
        for place in range(queues.count):
            pace = self.tables.queues[queues.slots[place]].first_pace
            while pace != NONE:
                found.append(place)
                pace = self.paces_of_lines.rows[pace].next_in_queue
        return found

    cdef dict _lists_of_agents(self, list slots):
        """What these agents have that is no number."""
        return {
            "agent.address": [self.agent_addresses[slot] for slot in slots],
            "agent.client": [self.agent_clients[slot] for slot in slots],
            "agent.pause_reason": [self.agent_pause_reasons.get(slot, "") for slot in slots],
            "agent.pauses": [self.agent_pauses.get(slot, {}) for slot in slots],
            "agent.failures": [self.agent_failures.get(slot, []) for slot in slots],
            "agent.outside": [self.agent_outside.get(slot, {}) for slot in slots],
            "agent.queues": [self.agent_queues.get(slot, ()) for slot in slots],
            "agent.skills": [self.agent_skills.get(slot, self._agent_config(slot).skills) for slot in slots],
            "agent.attributes": [
                self.agent_attributes.get(slot, self._agent_config(slot).attributes) for slot in slots
            ],
        }

    cdef int32_t *_timer_of(self, int kind, int32_t slot) except? NULL:
        """Where the owner of a timer keeps its handle. Calendars have theirs in a list."""
        if kind == OF_CONTACT:
            return &self.tables.contacts[slot].timer
        if kind == OF_STEP:
            return &self.tables.contact_detail_of(slot).step_timer
        if kind == OF_STAY:
            return &self.tables.contact_detail_of(slot).stay_timer
        if kind == OF_LOOK:
            return &self.tables.contact_detail_of(slot).look_timer
        if kind == OF_PREFERENCE:
            return &self.tables.contact_detail_of(slot).prefer_timer
        if kind == OF_AGENT:
            return &self.tables.agents[slot].timer
        if kind == OF_PAUSE:
            return &self.tables.detail_of(slot).pause_timer
        if kind == OF_OUTSIDE:
            return &self.tables.detail_of(slot).outside_timer
        if kind == OF_REST:
            return &self.tables.detail_of(slot).rest_timer
        if kind == OF_LEG:
            return &self.legs.legs[slot].timer
        if kind == OF_QUEUE:
            return &self.tables.queues[slot].timer
        raise DumpError(f"there is no timer of kind {kind}")

    # -- to bytes -----------------------------------------------------------------------------------------------

    def dump(self):
        """The whole state, see dump_form.py. Events must have been taken."""
        cdef list tables = self._tables()
        cdef Rows agents = tables[AGENTS], contacts = tables[CONTACTS], legs = tables[LEGS], queues = tables[QUEUES]
        cdef Rows paces = tables[PACES]
        cdef int32_t slot, place
        cdef dict lists = self._lists_of_agents([agents.slots[place] for place in range(agents.count)])
        cdef list rows = [contacts.slots[place] for place in range(contacts.count)], ended = self.ended.items()
        if self.record_count or self.materialised:
            raise ValueError("take the events first: they are not part of the state")
        lists["contact.attributes"] = [attributes_of(&self.tables.contacts[slot]) for slot in rows]
        lists["contact.id"] = [self.contact_ids.get(slot) for slot in rows]
        clients, client_places = _share([self._client(slot) for slot in rows])
        terms, term_places = _share([asked_of(&self.tables.contacts[slot]) for slot in rows])
        wishes, wish_places = _share([self._wishes(slot) for slot in rows])
        timers = self._dump_timers(tables)
        columns = {
            "agent": AGENT.dump(<const char *>self.tables.agents, agents, tables) | self._dump_details(agents, tables),
            "contact": (
                CONTACT.dump(<const char *>self.tables.contacts, contacts, tables)
                | self._dump_contact_numbers(contacts, tables) | self._dump_contact_details(contacts, tables)
            ),
            "leg": LEG.dump(<const char *>self.legs.legs, legs, tables),
            "queue": QUEUE.dump(<const char *>self.tables.queues, queues, tables),
            "pace": PACE.dump(<const char *>self.paces_of_lines.rows, paces, tables),
            "timer": timers["columns"],
        }
        columns["pace"]["queue"] = _column(self._queues_of_paces(queues))
        return encode(Dump(
            version=VERSION,
            words=WORDS,
            config=as_written(self.configuration),
            counters={
                "seq": self.seq,
                "now": self.now,
                "contact_seq": self.contact_seq,
                "offer_seq": self.offer_seq,
                "idle_seq": self.idle_seq,
                "timer_seq": self.timers.seq,
                "counted_us": self.now // 1000,
                **{f"agent_us.{index}": self._time_in(index) for index in range(7)},
            },
            rows={
                **{name: (<Rows>table).count for name, table in zip(TABLE_NAMES, tables, strict=True)},
                "timer": timers["count"],
            },
            columns=columns,
            lists=lists,
            clients=Shared(clients, client_places),
            requirements=Shared([requirement.describe(own) for own in terms], term_places),
            wishes=wishes,
            wish_places=wish_places,
            places={
                "history": {contacts.places[slot]: history for slot, history in self.histories.items()},
                "trail": {
                    contacts.places[slot]: [astuple(passage) for passage in trail] for slot, trail in self.trails.items()
                },
                "disposition": {contacts.places[slot]: text for slot, text in self.dispositions.items()},
                "moved_from": {contacts.places[slot]: name for slot, name in self.moved_from.items()},
                "preference": {contacts.places[slot]: preferred for slot, preferred in self.preferences.items()},
                "callback": {contacts.places[slot]: astuple(callback) for slot, callback in self.callbacks.items()},
                "by_hand": {contacts.places[slot]: by_hand for slot, by_hand in self.by_hand.items()},
                "waited_in_vain": {contacts.places[slot]: waited for slot, waited in self.waited_in_vain.items()},
                "consult": {
                    contacts.places[slot]: contacts.places[consult] for slot, consult in self.consulting.items()
                },
                "left_contact": {legs.places[slot]: contact for slot, contact in self.left_contacts.items()},
            },
            pace_terms=[requirement.describe(self.pace_terms[paces.slots[place]]) for place in range(paces.count)],
            shares=[self.gates.shares[place].count for place in range(self.gates.share_total)],
            turns=[
                (queues.places[slot], place, self.idle.turn(slot, agents.slots[place]))
                for _, slot in self.going_round
                for place in range(agents.count)
                if self.idle.turn(slot, agents.slots[place])
            ],
            queues=[
                (self.queue_emergencies[queues.slots[place]], self.queue_told[queues.slots[place]])
                for place in range(queues.count)
            ],
            calendars=[(self.calendar_open[slot], self.calendar_changes[slot]) for slot in self.calendar_slots.values()],
            ended=(
                [contact for contact, _ in ended], [reason for _, (reason, _) in ended],
                [client for _, (_, client) in ended],
            ),
            last_agents=[(tenant, caller, agent) for (tenant, caller), agent in self.last_agents.items()],
            credits=self.credits_given.kept(),
            last_position=self.last_position,
            last_estimate=(
                None if self.last_mean_ms == NONE else (self.last_mean_ms, self.last_p50_ms, self.last_p90_ms)
            ),
        ))

    cdef dict _dump_details(self, Rows agents, list tables):
        """The columns of what is known of agents beside their rows."""
        if self.tables.details == NULL:
            return DETAILS.alike(<const char *>&self.tables.plain, agents.count)
        return DETAILS.dump(<const char *>self.tables.details, agents, tables)

    cdef dict _dump_contact_details(self, Rows contacts, list tables):
        """The same of contacts."""
        if self.tables.contact_details == NULL:
            return CONTACT_DETAILS.alike(<const char *>&self.tables.plain_contact, contacts.count)
        return CONTACT_DETAILS.dump(<const char *>self.tables.contact_details, contacts, tables)

    cdef dict _dump_contact_numbers(self, Rows contacts, list tables):
        """The columns of what rows of contacts have in bits, or in places that they use for several things."""
        cdef ContactNumbers *found = NULL
        cdef int64_t room = 0, place
        reserve(<void **>&found, &room, contacts.count + 1, sizeof(ContactNumbers))
        try:
            for place in range(contacts.count):
                self._take_numbers(contacts.slots[place], &found[place])
            return CONTACT_NUMBERS.dump(<const char *>found, Rows(range(contacts.count)), tables)
        finally:
            release(found)

    cdef void _take_numbers(self, int32_t contact, ContactNumbers *found) noexcept:
        cdef const Contact *row = &self.tables.contacts[contact]
        cdef Forecast foreseen = foreseen_of(row)
        found.state = row.state
        found.held = row.held
        found.wait_expired = row.wait_expired
        found.priority = row.priority
        found.end_reason = row.end_reason
        found.direction = row.direction
        found.prefers = row.prefers
        found.bound = row.bound
        found.deserted = row.deserted
        found.callback = row.callback
        found.by_hand = row.by_hand
        found.consults = row.consults
        found.offers = row.offers
        found.step = row.step
        found.mean_ms = <int32_t>foreseen.mean_ms if foreseen.known else NONE
        found.p50_ms = <int32_t>foreseen.p50_ms
        found.p90_ms = <int32_t>foreseen.p90_ms
        found.seq = row.seq
        found.connected = connected_of(row)
        found.completed = completed_of(row)
        found.since = self.tables.since(contact)

    cdef dict _dump_timers(self, list tables):
        """All armed timers in the order in which they were armed."""
        cdef Armed *found = NULL
        cdef int64_t room = 0, count = 0, index
        cdef int32_t timer, kind
        cdef Rows rows
        try:
            for kind in range(len(KINDS_OF_OWNER)):
                table = KINDS_OF_OWNER[kind]
                if kind in KINDS_IN_DETAILS and self.tables.details == NULL:
                    continue
                if kind in KINDS_IN_CONTACT_DETAILS and self.tables.contact_details == NULL:
                    continue
                rows = tables[table] if table != NONE else Rows(list(self.calendar_slots.values()))
                for index in range(rows.count):
                    if table == NONE:
                        timer = self.calendar_timers[rows.slots[index]]
                    else:
                        timer = self._timer_of(kind, rows.slots[index])[0]
                    if timer == NONE:
                        continue
                    reserve(<void **>&found, &room, count + 1, sizeof(Armed))
                    found[count].seq = self.timers.number(timer)
                    found[count].deadline = self.timers.deadline(timer)
                    found[count].duration = self.timers.duration(timer)
                    found[count].place = <int32_t>index
                    found[count].kind = kind
                    count += 1
            if count:
                qsort(found, <size_t>count, sizeof(Armed), &_earlier)
            rows = Rows(range(count))
            return {"count": count, "columns": ARMED.dump(<const char *>found, rows, tables)}
        finally:
            release(found)

    # -- from bytes ---------------------------------------------------------------------------------------------

    cdef int _load(self, bytes data) except -1:
        """Become, from a new engine, the one that was dumped."""
        cdef list tables
        cdef int32_t slot
        dump = decode(data)
        for kind, names in dump.words.items():
            if names != WORDS[kind][:len(names)]:
                raise DumpError(f"it has other words for {kind} than this release")
        try:
            config = from_json(dump.config)
        except ValueError as error:
            raise DumpError(f"its configuration cannot be read ({error})") from error
        self._know(config)
        self._enter_rows(config, config)
        self.now = dump.counters["now"]
        tables = [Rows(range(dump.rows[name])) for name in TABLE_NAMES]
        if dump.rows["agent"] != len(self.agent_slots) or dump.rows["queue"] != len(self.queue_slots):
            raise DumpError("its rows are not those of its configuration")
        self._load_agents(dump, tables)
        self._load_queues(dump, tables)
        self._load_paces(dump, tables)
        self._load_contacts(dump, tables)
        self._load_calendars(dump)
        self._load_timers(dump.columns["timer"], dump.rows["timer"], tables)
        for slot, counted in enumerate(dump.shares):
            self.gates.shares[slot].count = counted
        self._enter_gates()
        self._enter_capacities()
        self.choosy = len(self.agent_queues) != 0
        self._rebuild()
        for slot in self.contact_slots.values():
            if self.tables.contacts[slot].stands:
                self.paces_of_lines.restore(self.tables.contacts[slot].pace, slot)
        self.paces_of_lines.put_in_order()
        for queue, slot, turn in dump.turns:
            self.idle.set_turn(queue, slot, turn)
        self.seq = dump.counters["seq"]
        self.contact_seq = dump.counters["contact_seq"]
        self.offer_seq = dump.counters["offer_seq"]
        self.idle_seq = dump.counters["idle_seq"]
        self.timers.seq = dump.counters["timer_seq"]
        for slot in range(7):
            self._set_time_in(slot, dump.counters[f"agent_us.{slot}"], dump.counters["counted_us"])
        self.last_position = dump.last_position
        if dump.last_estimate is not None:
            self.last_mean_ms, self.last_p50_ms, self.last_p90_ms = dump.last_estimate
        self.gates.opened = False
        return 0

    cdef int _load_agents(self, object dump, list tables) except -1:
        cdef int32_t slot, state
        AGENT.load(dump.columns["agent"], <char *>self.tables.agents, dump.rows["agent"], tables)
        if self.agent_slots and not DETAILS.all_like(<const char *>&self.tables.plain, dump.columns["agent"]):
            self.tables.detail_of(0)
            DETAILS.load(dump.columns["agent"], <char *>self.tables.details, dump.rows["agent"], tables)
        self._load_lists(dump.lists, dump.rows["agent"])
        self.agents_pausing.clear()
        for state in range(7):
            self.agents_by_state[state] = 0
        for slot in self.agent_slots.values():
            self.tables.agents[slot].outside = slot in self.agent_outside
            if self.tables.agents[slot].activity == ACTIVITY_COOLDOWN:
                self.tables.agents[slot].cooling = self.tables.agents[slot].cooldown_cause or <int>CAUSE_OCCUPANCY
            self._count_agent(slot, 1)
        return 0

    cdef int _load_lists(self, dict lists, int64_t count) except -1:
        """Take back what `_lists_of_agents` gave; an earlier release may not have given all."""
        cdef dict clients = {}
        cdef list agents = list(range(count))
        for name, values in self._lists_of_agents([]).items():
            values = lists.get(name)
            if values is not None and len(values) != count:
                raise DumpError(f"it has {len(values)} rows of {name}, and {count} agents")
        self.agent_addresses[:] = lists.get("agent.address", self.agent_addresses)
        self.agent_clients[:] = [
            clients.setdefault(client, client) for client in lists.get("agent.client", self.agent_clients)
        ]
        for name, kept in (
            ("agent.pause_reason", self.agent_pause_reasons), ("agent.pauses", self.agent_pauses),
            ("agent.failures", self.agent_failures), ("agent.outside", self.agent_outside),
        ):
            kept.update({agent: value for agent, value in zip(agents, lists.get(name, ())) if value})
        self.agent_queues.update(
            {agent: tuple(chosen) for agent, chosen in zip(agents, lists.get("agent.queues", ())) if chosen}
        )
        skills, attributes = lists.get("agent.skills"), lists.get("agent.attributes")
        for agent in agents:
            self._keep_own(
                agent, self._skills_of(agent) if skills is None else skills[agent],
                self._attributes_of(agent) if attributes is None else attributes[agent],
            )
        return 0

    cdef int _load_queues(self, object dump, list tables) except -1:
        cdef int32_t slot
        QUEUE.load(dump.columns["queue"], <char *>self.tables.queues, dump.rows["queue"], tables)
        for slot, (emergency, told) in enumerate(dump.queues):
            self.queue_emergencies[slot] = emergency
            self.queue_told[slot] = told
            self.tables.queues[slot].closed = told is not None
        return 0

    cdef int _load_paces(self, object dump, list tables) except -1:
        cdef int32_t count = dump.rows["pace"], pace, queue
        cdef Queue *row
        for _ in range(count):
            self.paces_of_lines.new(0)
        PACE.load(dump.columns["pace"], <char *>self.paces_of_lines.rows, count, tables)
        self.pace_terms.extend([requirement.parse_canonical(text) for text in dump.pace_terms])
        for pace, queue in enumerate(_numbers(dump.columns["pace"]["queue"], count)):
            row = &self.tables.queues[queue]
            if self.pace_terms[pace]:
                self.own_lines[(queue, self.pace_terms[pace])] = pace
                row.own_lines += 1
            else:
                row.main_pace = pace
            if row.last_pace == NONE:
                row.first_pace = pace
            else:
                self.paces_of_lines.rows[row.last_pace].next_in_queue = pace
            row.last_pace = pace
        return 0

    cdef int _load_contact_numbers(self, dict columns, int64_t count, list tables) except -1:
        """Take back what `_dump_contact_numbers` gave."""
        cdef ContactNumbers *found = NULL
        cdef int64_t room = 0
        cdef int32_t slot
        for name in ("completed", "since"):
            if name not in columns:
                raise DumpError(f"its contacts have no column {name}")
        reserve(<void **>&found, &room, count + 1, sizeof(ContactNumbers))
        try:
            CONTACT_NUMBERS.load(columns, <char *>found, count, tables)
            for slot in range(<int32_t>count):
                self._put_numbers(slot, &found[slot])
        finally:
            release(found)
        return 0

    cdef int _put_numbers(self, int32_t contact, const ContactNumbers *found) except -1:
        cdef Contact *row = &self.tables.contacts[contact]
        cdef Forecast foreseen
        row.state = found.state
        row.held = found.held
        row.wait_expired = found.wait_expired
        row.priority = found.priority
        row.end_reason = found.end_reason
        row.direction = found.direction
        row.prefers = found.prefers
        row.bound = found.bound
        row.deserted = found.deserted
        row.callback = found.callback
        row.by_hand = found.by_hand
        row.consults = found.consults
        row.offers = found.offers
        row.step = found.step
        row.seq = found.seq
        if found.mean_ms != NONE and find_forecast(found.mean_ms, found.p50_ms, found.p90_ms, &foreseen):
            foresee(row, &foreseen)  # a release that forecasts in another way goes on without it
        if row.state == CONTACT_CONNECTED or row.state == CONTACT_WRAPUP:
            row.connected = found.connected
        if row.state == CONTACT_WRAPUP:
            row.completed = found.completed
        return self.tables.set_since(contact, found.since)

    cdef int _load_contacts(self, object dump, list tables) except -1:
        cdef int64_t count = dump.rows["contact"]
        cdef int32_t slot
        cdef Contact *row
        cdef list terms = [requirement.parse_canonical(text) for text in dump.requirements.values]
        cdef list brought = [NO_WISHES if wishes == NO_WISHES else wishes for wishes in dump.wishes]
        self.tables.make_contacts(count)
        CONTACT.load(dump.columns["contact"], <char *>self.tables.contacts, count, tables)
        if count and not CONTACT_DETAILS.all_like(<const char *>&self.tables.plain_contact, dump.columns["contact"]):
            self.tables.contact_detail_of(0)
            CONTACT_DETAILS.load(dump.columns["contact"], <char *>self.tables.contact_details, count, tables)
        self._load_contact_numbers(dump.columns["contact"], count, tables)
        attributes = dump.lists["contact.attributes"]
        if len(attributes) != count:
            raise DumpError(f"it has {len(attributes)} contacts with attributes, and {count} in all")
        if len(dump.lists["contact.id"]) != count:
            raise DumpError(f"it has {len(dump.lists['contact.id'])} ids of contacts, and {count} contacts")
        for slot, name in enumerate(dump.lists["contact.id"]):
            if type(name) is not str:
                raise DumpError(f"the id of a contact is {name!r}, which is no text")
            self.contact_ids.put(slot, name, tag_of(name))
        for slot, name in enumerate(_unshare(dump.clients.values, dump.clients.places, count)):
            self.tables.contacts[slot].client = self.announcers.take(name)
        for slot, asked in enumerate(_unshare(terms, dump.requirements.places, count)):
            replace_asked(&self.tables.contacts[slot], asked)
        for slot, values in enumerate(attributes):
            if type(values) is not dict:
                raise DumpError(f"the attributes of a contact are {values!r}, which is no table")
            replace_attributes(&self.tables.contacts[slot], values)
        for slot, wishes in enumerate(_unshare(brought, dump.wish_places, count)):
            if wishes is not NO_WISHES:
                self._set_wishes(slot, wishes)
        for slot in range(<int32_t>count):
            self.contact_slots.add(slot)
            row = &self.tables.contacts[slot]
            row.legs = NONE
            row.timer = NONE
            if row.state == CONTACT_QUEUED or row.state == CONTACT_OFFERED:
                self._enlist(slot)
            row.stands = row.state == CONTACT_QUEUED
            row.where = HELD_NOWHERE
            if self._in_line(slot):
                row.where = HELD_BOUND if row.bound else HELD_FIFO
            self.live_waiting += row.stands
            self.live_in_line += row.where != HELD_NOWHERE
        self.live_contacts = count
        count = dump.rows["leg"]
        self.legs.make(<int32_t>count)
        LEG.load(dump.columns["leg"], <char *>self.legs.legs, count, tables)
        self.legs.link()
        self.histories.update({slot: tuple(had) for slot, had in dump.places["history"].items()})
        for slot, trail in dump.places.get("trail", {}).items():
            self.trails[slot] = [
                views.Passage(**dict(zip(views.Passage.__struct_fields__, fields))) for fields in trail
            ]
        self.moved_from.update(dump.places["moved_from"])
        self.dispositions.update(dump.places.get("disposition", {}))
        self.left_contacts.update(dump.places["left_contact"])
        self.consulting.update(dump.places.get("consult", {}))
        for slot, fields in dump.places.get("callback", {}).items():
            self.callbacks[slot] = views.CallbackView(**dict(zip(views.CallbackView.__struct_fields__, fields)))
            tenant = self.queue_configs[self.tables.contacts[slot].queue].tenant
            self.callback_numbers[tenant, self.callbacks[slot].number] = slot
        for slot, (names, until) in dump.places.get("preference", {}).items():
            self.preferences[slot] = (names, until)
            if self.tables.contacts[slot].bound:
                for name in names:
                    self.bound_to.setdefault(name, set()).add(slot)
        self.by_hand.update({slot: tuple(by_hand) for slot, by_hand in dump.places.get("by_hand", {}).items()})
        self.waited_in_vain.update(
            {slot: tuple(waited) for slot, waited in dump.places.get("waited_in_vain", {}).items()}
        )
        self.last_agents.update({(tenant, caller): agent for tenant, caller, agent in dump.last_agents})
        self.credits_given.load(dump.credits)
        ids, reasons, clients = dump.ended
        for contact, reason, of_client in zip(ids, reasons, clients, strict=True):
            self.ended.add(contact, reason, of_client, len(ids))
        return 0

    cdef int _load_calendars(self, object dump) except -1:
        cdef int32_t slot
        for slot, (is_open, changes) in enumerate(dump.calendars):
            self.calendar_open[slot] = is_open
            self.calendar_changes[slot] = changes
        return 0

    cdef int _load_timers(self, dict columns, int64_t count, list tables) except -1:
        """Arm all timers again, in the order in which they were armed."""
        cdef Armed *found = NULL
        cdef int64_t room = 0, index, most
        cdef int32_t timer, kind
        try:
            reserve(<void **>&found, &room, count + 1, sizeof(Armed))
            ARMED.load(columns, <char *>found, count, tables)
            for index in range(count):
                kind = found[index].kind
                if not 0 <= kind < len(KINDS_OF_OWNER):
                    raise DumpError(f"there is no timer of kind {kind}")
                table = KINDS_OF_OWNER[kind]
                most = (<Rows>tables[table]).count if table != NONE else len(self.calendar_slots)
                if not 0 <= found[index].place < most:
                    raise DumpError(f"a timer belongs to row {found[index].place} of {most}")
                self.timers.seq = found[index].seq - 1
                timer = self.timers.arm(found[index].deadline, found[index].duration, found[index].place, kind)
                if table == NONE:
                    self.calendar_timers[found[index].place] = timer
                else:
                    self._timer_of(kind, found[index].place)[0] = timer
        finally:
            release(found)
        return 0
