cimport cython
from acd_core.containers cimport prefetch
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t
from acd_core.types cimport CONTACT_CONNECTED, CONTACT_WRAPUP, NONE, Agent, Attribute, Class, Condition, Contact, ContactDetails, Details, Node, Plan, Queue, QueueRank, Stage, Term

cdef enum:
    LEVEL_BITS = 8


cdef inline int32_t held_skill(uint32_t held) noexcept nogil:
    """Which skill an agent has: it stands above his level."""
    return <int32_t>(held >> LEVEL_BITS)


cdef inline int32_t held_level(uint32_t held) noexcept nogil:
    """At what level."""
    return <int32_t>(held & ((1 << LEVEL_BITS) - 1))


cdef inline int64_t completed_of(const Contact *row) noexcept nogil:
    """When the conversation ended that a contact in wrap-up had; 0 for any other contact."""
    return row.completed if row.state == CONTACT_WRAPUP else 0


cdef inline int64_t connected_of(const Contact *row) noexcept nogil:
    """When the conversation began that a contact has, or had; 0 for one that is not connected."""
    return row.connected if row.state == CONTACT_CONNECTED or row.state == CONTACT_WRAPUP else 0


cdef inline uint32_t signature_of(int32_t skill) noexcept nogil:
    """The Bloom bit of a skill; none for the skill that everybody has."""
    return (<uint32_t>1) << (skill & 31) if skill else 0


cdef class Tables:
    cdef Agent *agents        # each begins at a cache line
    cdef Details *details     # of the agent with the same slot; NULL as long as all are plain
    cdef Details plain        # what holds of every agent until then
    cdef Contact *contacts    # each second one begins at a cache line, and the others amid one
    cdef ContactDetails *contact_details  # of the contact with the same slot; NULL as long as all are plain
    cdef ContactDetails plain_contact  # what holds of every contact until then
    cdef Node *nodes          # of the contact with the same slot, in its line's heap; as many as have been in one
    cdef Queue *queues
    cdef Class *classes
    cdef Term *terms
    cdef uint32_t *agent_skills  # see `held_skill`
    cdef int32_t *agent_tenants
    cdef Attribute *agent_attributes
    cdef QueueRank *agent_ranks
    cdef int32_t *agent_queues  # rising
    cdef int32_t *further
    cdef int32_t *wanted
    cdef Condition *conditions
    cdef int64_t *values
    cdef Stage *stages
    cdef Plan *plans
    cdef Node *moved          # of the contact with the same slot, in its queue's heap; as many as have been in one
    cdef int64_t plan_capacity
    cdef int64_t moved_capacity
    cdef int32_t plan_count
    cdef int64_t agent_capacity
    cdef int64_t detail_capacity
    cdef int64_t contact_capacity
    cdef int64_t contact_detail_capacity
    cdef int64_t node_capacity
    cdef int64_t queue_capacity
    cdef int64_t class_capacity
    cdef int64_t term_capacity
    cdef int64_t agent_skill_capacity
    cdef int64_t agent_tenant_capacity
    cdef int64_t agent_attribute_capacity
    cdef int64_t agent_rank_capacity
    cdef int64_t agent_rank_count
    cdef int64_t agent_queue_capacity
    cdef int64_t agent_queue_count
    cdef int64_t further_capacity
    cdef int64_t further_total
    cdef int64_t wanted_capacity
    cdef int64_t condition_capacity
    cdef int64_t value_capacity
    cdef int64_t stage_capacity
    cdef int64_t stage_total
    cdef int32_t agent_count
    cdef int32_t contact_count
    cdef int32_t queue_count
    cdef int32_t class_count
    cdef int64_t term_count
    cdef int64_t agent_skill_count
    cdef int64_t agent_tenant_count
    cdef int64_t agent_attribute_count
    cdef int64_t wanted_total
    cdef int32_t condition_count
    cdef int64_t value_total

    cdef bint joined(self, int32_t agent, int32_t queue) noexcept nogil
    cdef bint counts_for(self, int32_t agent, int32_t owner) noexcept nogil
    cdef int64_t skill_sum(self, int32_t agent, int32_t owner) noexcept nogil
    cdef int make_agents(self, int64_t count) except -1
    cdef int32_t new_agent(self) except -1
    cdef Details *detail_of(self, int32_t agent) except NULL
    cdef int32_t new_contact(self) except -1
    cdef void clear_contact(self, int32_t slot) noexcept nogil

    cdef inline void prefetch_contact(self, int32_t slot) noexcept nogil:
        """Bring a contact's row near, which is far away when there are very many."""
        cdef const char *row = <const char *>&self.contacts[slot]
        prefetch(row)
        prefetch(row + 64)

    cdef ContactDetails *contact_detail_of(self, int32_t contact) except NULL
    cdef int make_contacts(self, int64_t count) except -1
    cdef int set_since(self, int32_t contact, int64_t since) except -1
    cdef int set_plan(self, int32_t contact, int32_t plan) except -1

    @cython.final
    cdef inline int32_t plan_of(self, int32_t contact) noexcept nogil:
        """The plan of a contact's steps."""
        cdef const Contact *row = &self.contacts[contact]
        return self.contact_details[contact].plan if row.planned else self.queues[row.queue].plan

    @cython.final
    cdef inline const ContactDetails *contact_detail(self, int32_t contact) noexcept nogil:
        """What is known of a contact beside its row, to be read only."""
        return &self.contact_details[contact] if self.contact_details != NULL else &self.plain_contact

    @cython.final
    cdef inline int64_t since(self, int32_t contact) noexcept nogil:
        """From when on a contact's waiting counts towards its urgency."""
        cdef Contact *row = &self.contacts[contact]
        return self.contact_details[contact].since if row.aged else row.enqueued

    cdef int32_t new_queue(self) except -1
    cdef int make_skills(self, int64_t count) except -1
    cdef int set_skills(self, int32_t agent, dict levels, dict numbers) except -1
    cdef int32_t add_tenants(self, list tenants) except -1
    cdef int set_attributes(self, int32_t agent, list attributes) except -1
    cdef int set_queues(self, int32_t agent, list queues) except -1
    cdef int set_further(self, int32_t owner, list queues) except -1
    cdef int set_ranks(self, int32_t agent, list ranks) except -1
    cdef int32_t rank_of(self, int32_t agent, int32_t queue) noexcept nogil
    cdef bint holds(self, int32_t condition, int32_t agent) noexcept nogil
    cdef int32_t new_plan(self, list stages) except -1
    cdef int32_t new_condition(self, int kind, int32_t name, int64_t lo, int64_t hi, list values) except -1
    cdef int32_t new_class(
        self, int32_t tenant, uint32_t channel, int32_t queue, int32_t rank_max, tuple terms, tuple wanted, int32_t condition
    ) except -1
    cdef void clear_agent(self, int32_t slot) noexcept nogil
    cdef void clear_queue(self, int32_t slot) noexcept nogil
    cdef void clear_classes(self) noexcept nogil

    @cython.final
    cdef inline const Details *detail(self, int32_t agent) noexcept nogil:
        """What is known of an agent beside his row, to be read only."""
        return &self.details[agent] if self.details != NULL else &self.plain

    @cython.final
    cdef inline void no_longer_kept(self, int32_t agent) noexcept nogil:
        """No place among the idle is kept for the agent."""
        if self.details != NULL:
            self.details[agent].kept_seq = 0

    @cython.final
    @cython.overflowcheck(False)
    cdef inline int32_t level_of(self, int32_t agent, int32_t skill) noexcept nogil:
        """The agent's level in a skill; 0 when he lacks it. He has few skills, so they are looked through."""
        cdef uint32_t *held = self.agent_skills + self.agents[agent].skills
        cdef uint32_t *end = held + self.agents[agent].skill_count
        cdef uint32_t without = <uint32_t>skill << LEVEL_BITS
        while held < end:
            if held[0] - without < <uint32_t>1 << LEVEL_BITS:  # what is left of that skill is its level
                return <int32_t>(held[0] - without)
            held += 1
        return 0

    @cython.final
    cdef inline bint serves(self, int32_t agent, int32_t tenant) noexcept nogil:
        """Whether the agent answers contacts of this tenant."""
        cdef int32_t *served = self.agent_tenants + self.agents[agent].tenants
        cdef int32_t index
        if self.agents[agent].all_tenants:
            return True
        for index in range(1, served[0] + 1):
            if served[index] == tenant:
                return True
        return False

    @cython.final
    cdef inline bint eligible(self, int32_t agent, int32_t owner) noexcept nogil:
        """Whether the agent meets everything that a class asks, free or not."""
        cdef Class *wanted = &self.classes[owner]
        cdef Term *terms = self.terms + wanted.terms
        cdef int32_t index
        if wanted.signature & ~self.agents[agent].signature:
            return False
        for index in range(wanted.term_count):
            if self.level_of(agent, terms[index].skill) < terms[index].level:
                return False
        if wanted.condition != NONE and not self.holds(wanted.condition, agent):
            return False
        if wanted.rank_max != NONE and self.agents[agent].ranked and self.rank_of(agent, wanted.queue) > wanted.rank_max:
            return False
        if self.agents[agent].choosy and not self.counts_for(agent, owner):
            return False
        return self.serves(agent, wanted.tenant)
