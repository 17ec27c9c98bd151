from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t
from acd_core.types cimport Agent, Class, Contact, Node, Queue, Term

cdef class Tables:
    cdef Agent *agents
    cdef Contact *contacts
    cdef Node *nodes          # of the contact with the same slot, in its line
    cdef Queue *queues
    cdef Class *classes
    cdef Term *terms
    cdef Term *agent_skills
    cdef int32_t *agent_tenants
    cdef int64_t agent_capacity
    cdef int64_t contact_capacity
    cdef int64_t node_capacity
    cdef int64_t queue_capacity
    cdef int64_t class_capacity
    cdef int64_t term_capacity
    cdef int64_t agent_skill_capacity
    cdef int64_t agent_tenant_capacity
    cdef int32_t agent_count
    cdef int32_t contact_count
    cdef int32_t queue_count
    cdef int32_t class_count
    cdef int64_t term_count
    cdef int64_t agent_skill_count
    cdef int64_t agent_tenant_count

    cdef int32_t level_of(self, int32_t agent, int32_t skill) noexcept nogil
    cdef bint serves(self, int32_t agent, int32_t tenant) noexcept nogil
    cdef bint eligible(self, int32_t agent, int32_t owner) noexcept nogil
    cdef int64_t skill_sum(self, int32_t agent, int32_t owner) noexcept nogil
    cdef int32_t new_agent(self) except -1
    cdef int32_t new_contact(self) except -1
    cdef int32_t new_queue(self) except -1
    cdef int set_skills(self, int32_t agent, list skills) except -1
    cdef int set_tenants(self, int32_t agent, list tenants) except -1
    cdef int32_t new_class(self, int32_t tenant, tuple terms) except -1
    cdef void clear_agent(self, int32_t slot) noexcept nogil
    cdef void clear_queue(self, int32_t slot) noexcept nogil
    cdef void clear_classes(self) noexcept nogil

cdef inline uint32_t signature_of(int32_t skill) noexcept nogil:
    """The Bloom bit of a skill; none for the skill that everybody has."""
    return (<uint32_t>1) << (skill & 31) if skill else 0
