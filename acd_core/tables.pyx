# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""The rows of agents, contacts, queues and requirement classes, and who is eligible for what.

Rows are plain structs in growing arrays, addressed by slot. A slot is used again, so whoever keeps one beyond a
command must know that its row still lives. Names, attributes and other Python objects are the engine's matter.
"""

cimport cython
from libc.stdint cimport int32_t, int64_t, uint16_t, uint32_t
from libc.string cimport memset

from acd_core.brought cimport forget_brought
from acd_core.containers cimport reserve, reserve_lines
from acd_core.memory cimport release
from acd_core.standing cimport AGEING_ONE
from acd_core.types cimport (
    AGENT_AMONG, ALL_OF, ANY_OF, ANY_SKILL, LEVEL_IN_RANGE, NONE, NOT, VALUE_AMONG, VALUE_IN_RANGE, Agent, Attribute, Class,
    Condition, Contact, ContactDetails, Details, Plan, Queue, QueueRank, Stage, Term,
)

from acd_core import config

cdef int64_t SERVICE_LEVEL_ONE = config.SERVICE_LEVEL_ONE

cdef enum:
    STAGES_MOST = 256         # as many as `Contact.step` can tell apart

cdef int64_t SKILLS_MOST = 0xFFFFFFFF >> LEVEL_BITS  # the last number that fits in front of a level

cdef Contact BLANK
memset(&BLANK, 0, sizeof(Contact))
BLANK.legs = NONE
BLANK.timer = NONE
BLANK.pace = NONE
BLANK.place = NONE


@cython.final
cdef class Tables:
    """All rows of one engine."""

    def __cinit__(self):
        memset(&self.plain, 0, sizeof(Details))
        self.plain.rest_timer = NONE
        self.plain.outside_timer = NONE
        self.plain.pause_timer = NONE
        self.plain.pause_code = NONE
        self.plain.weight = 1
        memset(&self.plain_contact, 0, sizeof(ContactDetails))
        self.plain_contact.step_timer = NONE
        self.plain_contact.stay = NONE
        self.plain_contact.stay_timer = NONE
        self.plain_contact.seen_ms = NONE
        self.plain_contact.look_timer = NONE
        self.plain_contact.prefer_timer = NONE

    def __dealloc__(self):
        cdef int32_t slot
        release(self.agents)
        release(self.details)
        for slot in range(self.contact_count):
            forget_brought(&self.contacts[slot])
        release(self.contacts)
        release(self.contact_details)
        release(self.nodes)
        release(self.queues)
        release(self.classes)
        release(self.terms)
        release(self.agent_skills)
        release(self.agent_tenants)
        release(self.agent_attributes)
        release(self.agent_ranks)
        release(self.agent_queues)
        release(self.further)
        release(self.wanted)
        release(self.conditions)
        release(self.values)
        release(self.stages)
        release(self.plans)
        release(self.moved)

    cdef bint joined(self, int32_t agent, int32_t queue) noexcept nogil:
        """Whether an agent who chose is logged in to a queue."""
        cdef const Details *row = self.detail(agent)
        cdef int32_t *chosen = self.agent_queues + row.queues
        cdef int32_t low = 0, high = row.queue_count, middle
        while low < high:
            middle = (low + high) >> 1
            if chosen[middle] < queue:
                low = middle + 1
            else:
                high = middle
        return low < row.queue_count and chosen[low] == queue

    cdef bint counts_for(self, int32_t agent, int32_t owner) noexcept nogil:
        """Whether an agent who chose is logged in to the queue of a class, or to another one whose agents count for it."""
        cdef Class *wanted = &self.classes[owner]
        cdef int32_t index
        if self.joined(agent, wanted.queue):
            return True
        for index in range(wanted.further, wanted.further + wanted.further_count):
            if self.joined(agent, self.further[index]):
                return True
        return False

    cdef bint holds(self, int32_t condition, int32_t agent) noexcept nogil:
        """Whether the agent meets one condition."""
        cdef Condition *node = &self.conditions[condition]
        cdef int32_t kind = node.kind, child, index
        cdef int64_t value
        cdef const Details *row
        cdef Attribute *held
        if kind == LEVEL_IN_RANGE:
            return node.lo <= self.level_of(agent, node.name) <= node.hi
        if kind == VALUE_AMONG or kind == VALUE_IN_RANGE:
            row = self.detail(agent)
            held = self.agent_attributes + row.attributes
            for index in range(row.attribute_count):
                if held[index].name != node.name:
                    continue
                value = held[index].value
                if kind == VALUE_IN_RANGE:
                    return not (value & 1) and node.lo <= (value >> 1) <= node.hi
                for child in range(node.value_count):
                    if self.values[node.values + child] == value:
                        return True
                return False
            return False
        if kind == AGENT_AMONG:
            for child in range(node.values, node.values + node.value_count):
                if self.values[child] == agent:
                    return True
            return False
        child = node.first
        if kind == NOT:
            return not self.holds(child, agent)
        while child != NONE:
            if self.holds(child, agent) == (kind == ANY_OF):
                return kind == ANY_OF
            child = self.conditions[child].next
        return kind == ALL_OF

    cdef int64_t skill_sum(self, int32_t agent, int32_t owner) noexcept nogil:
        """Sum of the agent's levels in the skills by which a class can be met."""
        cdef Class *row = &self.classes[owner]
        cdef int64_t total = 0
        cdef int32_t index
        for index in range(row.wanted_count):
            total += self.level_of(agent, self.wanted[row.wanted + index])
        return total

    cdef int make_agents(self, int64_t count) except -1:
        """Room for so many agents in all."""
        return reserve_lines(<void **>&self.agents, &self.agent_capacity, count, sizeof(Agent))

    cdef int32_t new_agent(self) except -1:
        """A row for one more agent."""
        cdef int32_t slot = self.agent_count
        if slot == self.agent_capacity:
            self.make_agents(2 * slot + 16)
        if self.details != NULL:
            reserve(<void **>&self.details, &self.detail_capacity, slot + 1, sizeof(Details))
        self.agent_count += 1
        self.clear_agent(slot)
        return slot

    cdef Details *detail_of(self, int32_t agent) except NULL:
        """What is known of an agent beside his row, to be written."""
        cdef int32_t slot
        if self.details == NULL:
            reserve(<void **>&self.details, &self.detail_capacity, self.agent_count, sizeof(Details))
            for slot in range(self.agent_count):
                self.details[slot] = self.plain
        return &self.details[agent]

    cdef int32_t new_contact(self) except -1:
        """A row at the end of the contacts' table. The engine hands used rows out again before it asks for this."""
        cdef int32_t slot = self.contact_count
        reserve(<void **>&self.contacts, &self.contact_capacity, slot + 1, sizeof(Contact))
        if self.contact_details != NULL:
            reserve(<void **>&self.contact_details, &self.contact_detail_capacity, slot + 1, sizeof(ContactDetails))
        self.contact_count += 1
        return slot

    cdef void clear_contact(self, int32_t slot) noexcept nogil:
        """Make a row that of a contact of which nothing is known yet."""
        self.contacts[slot] = BLANK
        if self.contact_details != NULL:
            self.contact_details[slot] = self.plain_contact

    cdef ContactDetails *contact_detail_of(self, int32_t contact) except NULL:
        """What is known of a contact beside its row, to be written."""
        cdef int32_t slot
        if self.contact_details == NULL:
            reserve(
                <void **>&self.contact_details, &self.contact_detail_capacity, self.contact_count, sizeof(ContactDetails)
            )
            for slot in range(self.contact_count):
                self.contact_details[slot] = self.plain_contact
        return &self.contact_details[contact]

    cdef int set_since(self, int32_t contact, int64_t since) except -1:
        """Let a contact's waiting count from then on. To be said again when `enqueued` changes."""
        cdef Contact *row = &self.contacts[contact]
        row.aged = since != row.enqueued
        if row.aged:
            self.contact_detail_of(contact).since = since
        return 0

    cdef int set_plan(self, int32_t contact, int32_t plan) except -1:
        """Let a contact have these steps. To be said again when its queue changes, or that queue's plan."""
        cdef Contact *row = &self.contacts[contact]
        row.planned = plan != self.queues[row.queue].plan
        if row.planned:
            self.contact_detail_of(contact).plan = plan
        return 0

    cdef int make_contacts(self, int64_t count) except -1:
        """So many rows at once, zeroed, in a table that has none."""
        reserve(<void **>&self.contacts, &self.contact_capacity, count, sizeof(Contact))
        self.contact_count = <int32_t>count
        return 0

    cdef int32_t new_queue(self) except -1:
        """A row for one more queue."""
        cdef int32_t slot = self.queue_count
        reserve(<void **>&self.queues, &self.queue_capacity, slot + 1, sizeof(Queue))
        self.queue_count += 1
        self.clear_queue(slot)
        return slot

    cdef int make_skills(self, int64_t count) except -1:
        """Room for so many skills of all agents together, ANY_SKILL of each among them."""
        return reserve(<void **>&self.agent_skills, &self.agent_skill_capacity, count, sizeof(uint32_t))

    cdef int set_skills(self, int32_t agent, dict levels, dict numbers) except -1:
        """Give an agent these levels by skill; ANY_SKILL is added. `numbers` has the number of each skill; raises `OverflowError`
        for one that does not fit, after some sixteen million. If they need more room than he has, the
        old ones leave a gap until the next configuration, which starts the table afresh.
        """
        cdef Agent *row = &self.agents[agent]
        cdef uint32_t *held
        cdef int64_t number
        cdef int32_t count = <int32_t>len(levels) + 1
        if count > row.skill_room:
            reserve(<void **>&self.agent_skills, &self.agent_skill_capacity, self.agent_skill_count + count,
                    sizeof(uint32_t))
            row.skills = <int32_t>self.agent_skill_count
            row.skill_room = <uint16_t>count
            self.agent_skill_count += count
        held = self.agent_skills + row.skills
        row.skill_count = <uint16_t>count
        row.signature = 0
        held[0] = (<uint32_t>ANY_SKILL << LEVEL_BITS) + 1
        for skill, level in levels.items():
            held += 1
            number = numbers[skill]
            if number > SKILLS_MOST:
                raise OverflowError(f"there are more than {SKILLS_MOST} skills")
            held[0] = (<uint32_t>number << LEVEL_BITS) + <uint32_t>level
            row.signature |= signature_of(<int32_t>number)
        return 0

    cdef int32_t add_tenants(self, list tenants) except -1:
        """Enter tenants that agents serve; gives their place."""
        cdef int32_t place = <int32_t>self.agent_tenant_count, index, count = <int32_t>len(tenants)
        reserve(<void **>&self.agent_tenants, &self.agent_tenant_capacity, place + count + 1, sizeof(int32_t))
        self.agent_tenants[place] = count
        for index in range(count):
            self.agent_tenants[place + 1 + index] = tenants[index]
        self.agent_tenant_count += count + 1
        return place

    cdef int set_attributes(self, int32_t agent, list attributes) except -1:
        """Give an agent these `(name, value)` pairs; room is managed as in `set_skills`."""
        cdef Details *row
        cdef int32_t index, count = <int32_t>len(attributes)
        if not count and self.details == NULL:
            return 0
        row = self.detail_of(agent)
        if count > row.attribute_room:
            reserve(<void **>&self.agent_attributes, &self.agent_attribute_capacity,
                    self.agent_attribute_count + count, sizeof(Attribute))
            row.attributes = <int32_t>self.agent_attribute_count
            row.attribute_room = count
            self.agent_attribute_count += count
        row.attribute_count = count
        for index in range(count):
            self.agent_attributes[row.attributes + index].name = attributes[index][0]
            self.agent_attributes[row.attributes + index].value = attributes[index][1]
        return 0

    cdef int set_queues(self, int32_t agent, list queues) except -1:
        """Let an agent serve these queues, in rising order, and no others; all when there are none. Room is managed as in
        `set_skills`, and doubled, since he may choose again and again.
        """
        cdef Details *row
        cdef int32_t index, count = <int32_t>len(queues), room
        self.agents[agent].choosy = count != 0
        if not count and self.details == NULL:
            return 0
        row = self.detail_of(agent)
        if count > row.queue_room:
            room = max(count, 2 * row.queue_room)
            reserve(<void **>&self.agent_queues, &self.agent_queue_capacity, self.agent_queue_count + room,
                    sizeof(int32_t))
            row.queues = <int32_t>self.agent_queue_count
            row.queue_room = room
            self.agent_queue_count += room
        row.queue_count = count
        for index in range(count):
            self.agent_queues[row.queues + index] = queues[index]
        return 0

    cdef int set_further(self, int32_t owner, list queues) except -1:
        """Let the agents of these queues count for a new class, beside those of its own."""
        cdef int32_t index, count = <int32_t>len(queues)
        reserve(<void **>&self.further, &self.further_capacity, self.further_total + count, sizeof(int32_t))
        self.classes[owner].further = <int32_t>self.further_total
        self.classes[owner].further_count = count
        for index in range(count):
            self.further[self.further_total + index] = queues[index]
        self.further_total += count
        return 0

    cdef int set_ranks(self, int32_t agent, list ranks) except -1:
        """Give an agent these `(queue, rank)` pairs; only while all are entered anew."""
        cdef Details *row
        cdef int32_t index, count = <int32_t>len(ranks)
        self.agents[agent].ranked = count != 0
        if not count and self.details == NULL:
            return 0
        row = self.detail_of(agent)
        reserve(<void **>&self.agent_ranks, &self.agent_rank_capacity, self.agent_rank_count + count,
                sizeof(QueueRank))
        row.ranks = <int32_t>self.agent_rank_count
        row.rank_count = count
        for index in range(count):
            self.agent_ranks[row.ranks + index].queue = ranks[index][0]
            self.agent_ranks[row.ranks + index].rank = ranks[index][1]
        self.agent_rank_count += count
        return 0

    cdef int32_t rank_of(self, int32_t agent, int32_t queue) noexcept nogil:
        """The agent's rank in a queue."""
        cdef const Details *row = self.detail(agent)
        cdef QueueRank *ranks = self.agent_ranks + row.ranks
        cdef int32_t index
        for index in range(row.rank_count):
            if ranks[index].queue == queue:
                return ranks[index].rank
        return 0

    cdef int32_t new_plan(self, list stages) except -1:
        """A plan of these `(after, points, rank_max, overflow, skip, keep_age)` stages; raises `OverflowError` for too many."""
        cdef int32_t slot = self.plan_count, index, count
        cdef Stage *stage
        if len(stages) > STAGES_MOST:
            raise OverflowError(f"{len(stages)} stages are more than the {STAGES_MOST} that a contact can go through")
        count = <int32_t>len(stages)
        reserve(<void **>&self.plans, &self.plan_capacity, slot + 1, sizeof(Plan))
        reserve(<void **>&self.stages, &self.stage_capacity, self.stage_total + count, sizeof(Stage))
        self.plan_count += 1
        self.plans[slot].first = <int32_t>self.stage_total
        self.plans[slot].count = count
        self.plans[slot].skips = False
        for index in range(count):
            stage = &self.stages[self.stage_total + index]
            stage.after, stage.points, stage.rank_max, stage.overflow, stage.skip, stage.keep_age = stages[index]
            self.plans[slot].skips |= stage.skip
        self.stage_total += count
        return slot

    cdef int32_t new_condition(self, int kind, int32_t name, int64_t lo, int64_t hi, list values) except -1:
        """A condition without conditions of its own."""
        cdef int32_t slot = self.condition_count, index, count = <int32_t>len(values)
        cdef Condition *node
        reserve(<void **>&self.conditions, &self.condition_capacity, slot + 1, sizeof(Condition))
        reserve(<void **>&self.values, &self.value_capacity, self.value_total + count, sizeof(int64_t))
        node = &self.conditions[slot]
        node.kind = kind
        node.name = name
        node.lo = lo
        node.hi = hi
        node.first = NONE
        node.next = NONE
        node.values = <int32_t>self.value_total
        node.value_count = count
        for index in range(count):
            self.values[self.value_total + index] = values[index]
        self.value_total += count
        self.condition_count += 1
        return slot

    cdef int32_t new_class(
        self, int32_t tenant, uint32_t channel, int32_t queue, int32_t rank_max, tuple terms, tuple wanted, int32_t condition
    ) except -1:
        """A class that asks `terms`, pairs of `(skill, level)`, and a condition, of agents who serve `tenant` and have
        room for a contact of `channel`, a bit.
        """
        cdef int32_t slot = self.class_count, index, count = <int32_t>len(terms)
        cdef Class *row
        cdef Term *term
        reserve(<void **>&self.classes, &self.class_capacity, slot + 1, sizeof(Class))
        reserve(<void **>&self.terms, &self.term_capacity, self.term_count + count, sizeof(Term))
        row = &self.classes[slot]
        row.tenant = tenant
        row.channel = channel
        row.queue = queue
        row.rank_max = rank_max
        row.terms = <int32_t>self.term_count
        row.term_count = count
        row.mixed = False
        row.capped = False
        row.measured = NONE
        row.ageing = AGEING_ONE
        row.most = NONE
        row.index_skill = ANY_SKILL
        row.second_skill = ANY_SKILL
        row.bucket = NONE
        row.next_in_skill = NONE
        row.further = 0
        row.further_count = 0
        row.signature = 0
        row.lines = NONE
        row.watch = NONE
        row.head_line = NONE
        row.head_position = NONE
        row.cursor = 0
        row.ranking = NONE
        for index in range(count):
            term = &self.terms[self.term_count + index]
            term.skill = terms[index][0]
            term.level = terms[index][1]
            row.signature |= signature_of(term.skill)
        self.term_count += count
        count = <int32_t>len(wanted)
        reserve(<void **>&self.wanted, &self.wanted_capacity, self.wanted_total + count, sizeof(int32_t))
        row.wanted = <int32_t>self.wanted_total
        row.wanted_count = count
        for index in range(count):
            self.wanted[self.wanted_total + index] = wanted[index]
        self.wanted_total += count
        row.condition = condition
        self.class_count += 1
        return slot

    cdef void clear_agent(self, int32_t slot) noexcept nogil:
        """Make a used row like a new one."""
        memset(&self.agents[slot], 0, sizeof(Agent))
        self.agents[slot].legs = NONE
        self.agents[slot].last_leg = NONE
        self.agents[slot].timer = NONE
        if self.details != NULL:
            self.details[slot] = self.plain

    cdef void clear_queue(self, int32_t slot) noexcept nogil:
        """Make a used row like a new one."""
        memset(&self.queues[slot], 0, sizeof(Queue))
        self.queues[slot].head = NONE
        self.queues[slot].tail = NONE
        self.queues[slot].main_pace = NONE
        self.queues[slot].first_pace = NONE
        self.queues[slot].others = NONE
        self.queues[slot].last_pace = NONE
        self.queues[slot].moved = NONE
        self.queues[slot].timer = NONE
        self.queues[slot].measure = NONE
        self.queues[slot].recent_in_target = SERVICE_LEVEL_ONE

    cdef void clear_classes(self) noexcept nogil:
        """Forget all classes, and what the agents can do, for both to be entered anew."""
        cdef int32_t agent
        self.class_count = 0
        self.term_count = 0
        self.wanted_total = 0
        self.condition_count = 0
        self.value_total = 0
        self.stage_total = 0
        self.plan_count = 0
        self.agent_skill_count = 0
        self.agent_tenant_count = 0
        self.agent_attribute_count = 0
        self.agent_rank_count = 0
        self.agent_queue_count = 0
        self.further_total = 0
        for agent in range(self.agent_count):
            self.agents[agent].skill_count = 0
            self.agents[agent].skill_room = 0
            if self.details != NULL:
                self.details[agent].attribute_count = 0
                self.details[agent].attribute_room = 0
                self.details[agent].rank_count = 0
                self.details[agent].queue_count = 0
                self.details[agent].queue_room = 0
