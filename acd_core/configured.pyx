# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""What the configuration makes of the tables: rows of queues and agents, and classes of requirements.

Contacts of one tenant that ask the same are one class, whatever queues they wait in and however the requirement was
put. Classes are interned when first asked for. Clients can ask for anything, so when far more classes are known than
are in use, all are made anew from the contacts that live.
"""

from libc.stdint cimport int32_t, int64_t

from acd_core.state cimport State
from acd_core.types cimport (
    ANY_SKILL, CONTACT_QUEUED, LOGGED_OUT, LONGEST_IDLE, MOST_SKILLED, NONE, Agent, Contact, Queue,
)

from acd_core import requirement
from acd_core.config import ns_of_seconds

cdef enum:
    CLASSES_SPARE = 1024      # classes beyond those in use that are tolerated before unused ones are swept out


cdef class Configured(State):
    """The state with the configuration entered; see `Engine`."""

    cdef int32_t _configured_queue(self, object config) except -1:
        """The slot of a queue, old or new, with this configuration."""
        cdef object found = self.queue_slots.get((config.tenant, config.name))
        cdef int32_t slot
        cdef Queue *row
        if found is not None:
            slot = found
        elif self.free_queues:
            slot = self.free_queues.pop()
            self.tables.clear_queue(slot)
        else:
            slot = self.tables.new_queue()
            self.queue_configs.append(None)
            self.queue_terms.append(())
        self.queue_configs[slot] = config
        self.queue_terms[slot] = requirement.parse(config.require)
        row = &self.tables.queues[slot]
        row.tenant = self.tenant_ids[config.tenant]
        row.strategy = MOST_SKILLED if config.strategy == "most_skilled" else LONGEST_IDLE
        row.priority = config.priority
        row.priority_step = ns_of_seconds(config.priority_step_s)
        row.offer_timeout = ns_of_seconds(config.offer_timeout_s)
        row.wrapup = ns_of_seconds(config.wrapup_s)
        row.reject_cooldown = ns_of_seconds(config.reject_cooldown_s)
        row.no_answer_cooldown = ns_of_seconds(config.no_answer_cooldown_s)
        row.max_waiting = config.max_waiting
        row.max_wait = ns_of_seconds(config.max_wait_s)
        row.max_talk = ns_of_seconds(config.max_talk_s)
        row.service_level = ns_of_seconds(config.service_level_s)
        return slot

    cdef int32_t _configured_agent(self, object config) except -1:
        """The slot of an agent, old or new, with this configuration. His skills are entered by `_rebuild`."""
        cdef object found = self.agent_slots.get(config.agent)
        cdef int32_t slot
        cdef Agent *row
        if found is not None:
            slot = found
            row = &self.tables.agents[slot]
            if row.presence == LOGGED_OUT or self.agent_configs[slot].address != config.address:
                self.agent_addresses[slot] = config.address
        else:
            if self.free_agents:
                slot = self.free_agents.pop()
                self.tables.clear_agent(slot)
            else:
                slot = self.tables.new_agent()
                for column in (self.agent_configs, self.agent_skills, self.agent_addresses, self.agent_clients,
                               self.agent_pause_reasons):
                    column.append(None)
            row = &self.tables.agents[slot]
            row.since = self.now
            self.agent_addresses[slot] = config.address
            self.agent_clients[slot] = ""
            self.agent_pause_reasons[slot] = ""
            self._count_time()
            self.agents_by_state[<int>LOGGED_OUT] += 1
        self.agent_configs[slot] = config
        self.agent_skills[slot] = dict(config.skills)
        row.missed_max = NONE if config.missed_offers_max is None else config.missed_offers_max
        return slot

    # -- classes ------------------------------------------------------------------------------------------------

    cdef int64_t _head_start(self, int32_t contact) noexcept:
        """What the priority of a contact and its queue is worth, in nanoseconds of waiting."""
        cdef Queue *queue = &self.tables.queues[self.tables.contacts[contact].queue]
        return (queue.priority + self.tables.contacts[contact].priority) * queue.priority_step

    cdef int32_t _class(self, int32_t queue, tuple own_terms) except -1:
        """The class of contacts of this queue that ask `own_terms` themselves; made when first asked for."""
        cdef int32_t owner
        cdef tuple merged = requirement.merge(self.queue_terms[queue], own_terms)
        cdef tuple terms = tuple([(self.skill_ids[skill], level) for skill, level in merged]) or ((ANY_SKILL, 1),)
        cdef tuple key = (self.tables.queues[queue].tenant, terms)
        found = self.class_of.get(key)
        if found is not None:
            return found
        owner = self.tables.new_class(key[0], terms)
        self.idle.add_class(owner)
        self.class_of[key] = owner
        return owner

    cdef int _sweep_classes(self) except -1:
        """Before another class is made: forget those that nobody waits in, when there are very many."""
        if self.tables.class_count > 2 * self.classes_swept + CLASSES_SPARE + (self.live_contacts >> 3):
            self._rebuild()
        return 0

    cdef int _rebuild(self) except -1:
        """Make skills, classes, lines and idle arrays anew from the rows. Nothing that can be seen changes."""
        cdef int32_t slot, owner
        cdef Contact *row
        self.skill_ids = {skill: index + 1 for index, skill in enumerate(sorted(self.skill_names))}
        for slot in self.contact_slots.values():
            for skill, _ in self.contact_terms[slot]:
                if skill not in self.skill_ids:
                    self.skill_ids[skill] = len(self.skill_ids) + 1
        self.tables.clear_classes()
        self.class_of.clear()
        self.route_of.clear()
        for slot in self.agent_slots.values():
            self.tables.set_skills(
                slot, [(self.skill_ids[skill], level) for skill, level in self.agent_skills[slot].items()]
            )
            self.tables.set_tenants(
                slot, [self.tenant_ids[tenant] for tenant in self.agent_configs[slot].tenants]
            )
        self.lines.reset(<int32_t>len(self.skill_ids) + 1)
        self.idle.reset(<int32_t>len(self.skill_ids) + 1)
        for slot in self.queue_slots.values():
            owner = self._class(slot, ())
            self.tables.queues[slot].base_class = owner
        for _, slot in sorted([(self.tables.contacts[slot].seq, slot) for slot in self.contact_slots.values()]):
            row = &self.tables.contacts[slot]
            owner = self._class(row.queue, self.contact_terms[slot])
            self.lines.assign(slot, owner, self._head_start(slot))
            if row.state == CONTACT_QUEUED:
                self.lines.add(slot)
        self.classes_swept = self.tables.class_count
        return 0
