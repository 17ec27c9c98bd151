# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""What the configuration makes of the tables: rows of queues and agents, and classes of requirements.

Contacts of one tenant that ask the same are one class, whatever queues they wait in and however the requirement was
put. Classes are interned when first asked for. Clients can ask for anything, so when far more classes are known than
are in use, all are made anew from the contacts that live. Names of attributes, and texts that they are compared with,
are treated alike.
"""

from libc.stdint cimport int32_t, int64_t, uint32_t

from acd_core.brought cimport asked_of
from acd_core.occupancy cimport order_key
from acd_core.pauses cimport Pauses
from acd_core.roster cimport Roster
from acd_core.standing cimport AGEING_ONE
from acd_core.types cimport (
    AGENT_AMONG, ALL_OF, ANY_OF, ANY_SKILL, CONTACT_OFFERED, CONTACT_QUEUED, FEWEST_CONTACTS, LEAST_OCCUPIED, LEAST_SKILLED,
    HELD_BOUND, HELD_NOWHERE, LEVEL_IN_RANGE, LINEAR, LOGGED_OUT, LONGEST_IDLE, LONGEST_IDLE_INBOUND, LOWEST_COST,
    MOST_SKILLED, NONE, NOT, RANDOM, READY, ROUND_ROBIN, VALUE_AMONG, VALUE_IN_RANGE, WEIGHTED_RANDOM, Agent, Contact,
    Details, Queue,
)

from sys import intern

import msgspec

from acd_core import requirement, urgency
from acd_core.config import ageing_of, asks_for_occupancy, channels_of, cost_steps_of, ns_of_seconds, skills_of_agents, skills_of_queues, skills_of_steps, strict_queues
from acd_core.joined import still_there
from acd_core.plan import plan_of
from acd_core.wishes import NO_WISHES

cdef object encode = msgspec.json.Encoder().encode

if urgency.AGEING_ONE != AGEING_ONE:
    raise ImportError("standing.pxd and urgency.py disagree; build the extension modules anew")

cdef dict STRATEGIES = {
    "longest_idle": LONGEST_IDLE,
    "most_skilled": MOST_SKILLED,
    "least_skilled": LEAST_SKILLED,
    "fewest_contacts": FEWEST_CONTACTS,
    "round_robin": ROUND_ROBIN,
    "linear": LINEAR,
    "lowest_cost": LOWEST_COST,
    "longest_idle_inbound": LONGEST_IDLE_INBOUND,
    "least_occupied": LEAST_OCCUPIED,
    "random": RANDOM,
    "weighted_random": WEIGHTED_RANDOM,
}
cdef str AGENT_ID = "id"     # the attribute that every agent has, whatever else is configured under that name
cdef dict CONDITION_KINDS = {"not": NOT, "or": ANY_OF, "and": ALL_OF}

cdef int64_t HEAD_START_MAX = urgency.HEAD_START_MAX_NS
cdef int64_t LEVEL_MAX = urgency.LEVEL_MAX

cdef enum:
    CLASSES_SPARE = 1024      # classes beyond those in use that are tolerated before unused ones are swept out
    KINDS_OF_A_SKILL = 16     # and that many more for each skill and each queue
    LINES_OF_A_CLASS = 8      # likewise lines, of which a class has one for each priority that comes


cdef inline int64_t _bounded(int64_t value, int64_t most) noexcept nogil:
    """See `urgency.bounded`."""
    return most if value > most else -most if value < -most else value


cdef bint _written_alike(dict one, dict other) except -1:
    """Whether two dicts are equal in their order too, which a dump keeps."""
    return one == other and [*one] == [*other]


cdef class Configured(Pauses):
    """The state with the configuration entered; see `Engine`."""

    cdef int _know(self, object config) except -1:
        """Let a configuration hold, whose rows are still to be entered."""
        if config.agents is not self.configuration.agents:
            self.skills_of_agents = skills_of_agents(config.agents)
        self.configuration = config
        self.skill_names = self.skills_of_agents.union(config.skills, skills_of_queues(config.queues))
        self.missed_offers_max = config.settings.missed_offers_max
        self.outside_counts = config.settings.outside_counts
        self.failed_window = ns_of_seconds(config.settings.failed_offers_window_s)
        self.max_contacts = config.settings.max_contacts
        self.ended_contacts_kept = config.settings.ended_contacts_kept
        self.callers_kept = config.settings.callers_kept
        self.tenant_ids = {tenant.name: index for index, tenant in enumerate(config.tenants)}
        self.channel_names = [channel.name for channel in channels_of(config)]
        self.channel_ids = {name: index for index, name in enumerate(self.channel_names)}
        self.tenants_limited = any([tenant.max_contacts for tenant in config.tenants])
        return 0

    cdef int _enter_rows(self, object config, object former) except -1:
        """Enter the rows of calendars, queues and agents, and what follows from all of them together. `former` is the
        configuration that held before.
        """
        cdef object strict = strict_queues(config)
        self._configure_calendars(config.calendars)
        self.queues_by_name = {(queue.tenant, queue.name): queue for queue in config.queues}
        self.queue_slots = {(queue.tenant, queue.name): self._configured_queue(queue) for queue in config.queues}
        self.routes_taken.forget()
        self.queues_of = {}
        for key, slot in self.queue_slots.items():
            self.tables.queues[slot].strict = key in strict
            self.queues_of.setdefault(key[0], {})[key[1]] = slot
        self.agent_slots = self._configured_agents(config, former)
        self._enter_measures()
        self._enter_gates()
        self._change_half_life(config)
        self._enter_capacities()
        self._change_pauses(config)
        self.idle.seed = config.settings.random_seed
        return 0

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
            self.queue_emergencies[slot] = None
            self.queue_told[slot] = None
        else:
            slot = self.tables.new_queue()
            self.queue_configs.append(None)
            self.queue_tenants.append("")
            self.queue_json.append(b"")
            self.route_of.append({})
            self.queue_calendars.append(NONE)
            self.queue_emergencies.append(None)
            self.queue_told.append(None)
        before = self.queue_configs[slot].reserve if found is not None else None
        self.queue_configs[slot] = config
        self.queue_tenants[slot] = intern(config.tenant)
        self.queue_json[slot] = b'"tenant":%b,"queue":%b' % (encode(config.tenant), encode(config.name))
        self.queue_calendars[slot] = NONE if config.hours is None else self.calendar_slots[config.hours]
        row = &self.tables.queues[slot]
        row.join_count = len(config.join)
        row.stay_count = len(config.stay)
        row.looks = any([rule.over_s is not None for rule in config.stay])
        row.tenant = self.tenant_ids[config.tenant]
        row.channel = self.channel_ids[config.channel]
        row.offers_at_once = config.offers_at_once
        row.max_in_conversation = config.max_in_conversation
        self._configured_reserve(slot, config.reserve, before)
        row.strategy = STRATEGIES[config.strategy]
        row.occupancy_price = config.occupancy_price
        row.priority_step = ns_of_seconds(config.priority_step_s)
        row.head_start = ns_of_seconds(config.head_start_s)
        row.credit_window = ns_of_seconds(config.credit_window_s)
        row.credit_max = ns_of_seconds(config.credit_max_s)
        row.ageing = ageing_of(config)
        row.most = NONE if config.urgency_max_s is None else ns_of_seconds(config.urgency_max_s)
        row.offer_timeout = ns_of_seconds(config.offer_timeout_s)
        row.wrapup = ns_of_seconds(config.wrapup_s)
        row.wrapup_most = ns_of_seconds(max(config.wrapup_s, config.wrapup_max_s))
        row.disposes = config.disposition_required
        row.reject_cooldown = ns_of_seconds(config.reject_cooldown_s)
        row.no_answer_cooldown = ns_of_seconds(config.no_answer_cooldown_s)
        row.max_waiting = config.max_waiting
        row.callback_offer_ms = NONE
        if config.callback is not None and config.callback.offer_when_wait_s is not None:
            row.callback_offer_ms = ns_of_seconds(config.callback.offer_when_wait_s) // 1_000_000
        row.max_wait = ns_of_seconds(config.max_wait_s)
        row.max_talk = ns_of_seconds(config.max_talk_s)
        row.service_level = ns_of_seconds(config.service_level_s)
        return slot

    cdef Roster _configured_agents(self, object config, object former):
        """The agents of this configuration, whose rows are entered: of those who are the same objects in the former one nothing
        has changed. Their skills are entered by `_rebuild`.
        """
        cdef Roster roster = self.agent_slots
        cdef tuple before = former.agents
        cdef list slots
        cdef int32_t slot, position
        cdef int64_t new, skills = 0
        cdef bint alike = config.settings.failed_offers_max == former.settings.failed_offers_max
        self.agent_skills.clear()
        self.agent_attributes.clear()
        if not alike or config.agents is not before or len(roster) != len(before):
            roster = Roster(self.agent_names, len(config.agents))
            slots = [self.agent_slots.find(agent.agent) for agent in config.agents]
            new = slots.count(NONE)
            self.tables.make_agents(self.tables.agent_count + max(0, new - len(self.free_agents)))
            for position, agent in enumerate(config.agents):
                slot = slots[position]
                if slot == NONE or not alike or before[self.tables.agents[slot].position] is not agent:
                    slot = self._configured_agent(agent, slot, former)
                self.tables.agents[slot].position = position
                roster.add(slot)
                skills += len(agent.skills) + 1
            self.tables.make_skills(skills)
        for slot, chosen in list(self.agent_queues.items()):
            chosen = still_there(chosen, self._agent_config(slot).tenants, self.queue_slots)
            if chosen:
                self.agent_queues[slot] = chosen
            else:
                del self.agent_queues[slot]
        return roster

    cdef int32_t _configured_agent(self, object config, int32_t slot, object former) except -1:
        """The slot of an agent, who had this one, or NONE, with this configuration."""
        cdef Agent *row
        cdef Details *more
        if slot != NONE:
            row = &self.tables.agents[slot]
            if row.presence == LOGGED_OUT or former.agents[row.position].address != config.address:
                self.agent_addresses[slot] = config.address
        else:
            if self.free_agents:
                slot = self.free_agents.pop()
                self.tables.clear_agent(slot)
            else:
                slot = self.tables.new_agent()
                self.agent_names.append(None)
                self.agent_addresses.append(None)
                self.agent_clients.append(None)
            row = &self.tables.agents[slot]
            row.since = self.now
            self._begin_occupancy(slot)
            self.agent_addresses[slot] = config.address
            self._set_client(slot, "")
            self.agent_pause_reasons.pop(slot, None)
            self.agent_pauses.pop(slot, None)
            self.agent_failures.pop(slot, None)
            self._count_in_state(LOGGED_OUT, 1, self.now // 1000)
        self.agent_names[slot] = config.agent
        if config.cost or config.weight != 1 or self.tables.details != NULL:
            more = self.tables.detail_of(slot)
            more.cost = config.cost
            more.weight = config.weight
        row.failed_max = self.configuration.settings.failed_offers_max
        if config.failed_offers_max is not None:
            row.failed_max = config.failed_offers_max
        row.missed_max = NONE if config.missed_offers_max is None else config.missed_offers_max
        return slot

    cdef int _keep_own(self, int32_t agent, dict skills, dict attributes) except -1:
        """Let an agent have these skills and attributes, of which those are kept that are not as configured."""
        config = self._agent_config(agent)
        self.agent_skills.pop(agent, None)
        self.agent_attributes.pop(agent, None)
        if not _written_alike(skills, config.skills):
            self.agent_skills[agent] = dict(skills)
        if not _written_alike(attributes, config.attributes):
            self.agent_attributes[agent] = dict(attributes)
        return 0

    cdef int _configured_reserve(self, int32_t slot, object reserve, object before) except -1:
        """Enter a queue's reserve. One that is new begins as it should."""
        cdef Queue *row = &self.tables.queues[slot]
        row.reserved = reserve is not None
        row.conditional = reserve is not None and reserve.conditional
        if reserve is not None:
            row.reserve_agents = reserve.agents
            row.reserve_when_wait = NONE if reserve.when_wait_s is None else ns_of_seconds(reserve.when_wait_s)
            row.reserve_until_wait = ns_of_seconds(reserve.until_wait_s)
            row.reserve_when_level = NONE if reserve.when_service_level is None else reserve.when_service_level
            row.reserve_until_level = reserve.until_service_level
            row.reserve_lasts = ns_of_seconds(reserve.lasts_s)
        if reserve != before:
            self._disarm_queue(slot)
            row.reserving = row.reserved and not row.conditional
        return 0

    cdef int _enter_measures(self) except -1:
        """Enter what queues are measured on beside waits."""
        cdef dict groups = {}
        cdef int32_t slot
        self.measures.forget()
        for slot in self.queue_slots.values():
            config = self.queue_configs[slot]
            ratio, cost = config.queue_ratio, config.waiting_cost
            if config.wait_measure == "predicted":
                self.measures.predict(slot)
            elif ratio is not None:
                group = groups.setdefault((config.tenant, ratio.group), len(groups))
                self.measures.add_ratio(slot, group, ratio.weight, ns_of_seconds(ratio.contact_s))
            elif cost is not None:
                self.measures.add_costs(
                    slot, list(cost_steps_of(cost)), cost.by_speed, ns_of_seconds(cost.handle_s)
                )
        self.measures.recount()
        return 0

    cdef int _enter_gates(self) except -1:
        """Enter limits, reserves and shares, and count anew who is busy."""
        cdef dict counts = {}
        cdef int32_t slot, index
        cdef Queue *row
        for slot in self.queue_slots.values():
            row = &self.tables.queues[slot]
            counts[slot] = {
                self.share_groups[index]: self.gates.shares[index].count
                for index in range(row.shares, row.shares + row.share_count)
            }
            row.share_count = 0
        self.gates.reset([tenant.max_in_conversation for tenant in self.configuration.tenants])
        self.group_ids = {"": self.tables.plain.group}
        self.share_groups.clear()
        for slot, agent in zip(self.agent_slots.values(), self.configuration.agents):
            group = self.group_ids.setdefault(agent.group, len(self.group_ids))
            if group != self.tables.detail(slot).group:
                self.tables.detail_of(slot).group = group
        for slot in self.queue_slots.values():
            row = &self.tables.queues[slot]
            config = self.queue_configs[slot]
            if row.reserved:
                self.gates.add_reserve(slot)
            for group, percent in sorted(config.allocation.items()):
                self.gates.add_share(
                    slot, self.group_ids.setdefault(group, len(self.group_ids)), percent, counts[slot].get(group, 0)
                )
                self.share_groups.append(group)
            if row.max_in_conversation:
                self.gates.active = True
            self.gates.tenant_busy[row.tenant] += row.offered + row.connected
        return 0

    cdef int _enter_capacities(self) except -1:
        """Enter what the agents can take, and put those who now have room, or have none, among the idle or not."""
        cdef int32_t slot
        cdef Agent *row
        cdef list channels = [
            (channel.units, channel.most_at_once, channel.interruptible) for channel in channels_of(self.configuration)
        ]
        cdef int64_t dearest = max([units for units, _, _ in channels])
        cdef bint can_be_idle
        self.legs.reset(channels, self.tables.agent_count)
        for slot, config in zip(self.agent_slots.values(), self.configuration.agents):
            capacity = dearest if config.capacity is None else config.capacity
            if config.channels:
                self.legs.set_capacity(slot, capacity, [
                    config.channels.get(name, most)
                    for name, (_, most, _) in zip(self.channel_names, channels, strict=True)
                ])
            else:
                self.legs.set_capacity(slot, capacity)
        for slot in self.agent_slots.values():
            if not self.tables.agents[slot].outside:
                continue
            known = {name: found for name, found in self.agent_outside[slot].items() if name in self.channel_ids}
            if len(known) == len(self.agent_outside[slot]):
                self._enter_outside(slot)
            else:
                self._keep_reports(slot, known)
        for slot in self.agent_slots.values():
            row = &self.tables.agents[slot]
            can_be_idle = (
                row.presence == READY and not row.logging_out and row.timer == NONE and not row.resting
                and self.legs.room(slot) != 0
            )
            if can_be_idle and not row.idle_seq:
                row.idle_seq = 0 if self.outside_counts else self.tables.detail(slot).kept_seq
                if not row.idle_seq:
                    self.idle_seq += 1
                    row.idle_seq = self.idle_seq
                if not row.inbound_seq:
                    row.inbound_seq = row.idle_seq
                self.tables.no_longer_kept(slot)
            elif not can_be_idle and not row.rung:
                row.idle_seq = 0
            self._set_open(slot)
        return 0

    cdef int _change_half_life(self, object config) except -1:
        """Count occupancy if somebody asks for it, by the half-life that holds from now on."""
        cdef bint other_levels = self._change_levels(config.settings)
        cdef bint asked = asks_for_occupancy(config)
        cdef int64_t half_life_us = ns_of_seconds(config.settings.occupancy_half_life_s) // 1000 if asked else 0
        cdef bint anew = not half_life_us or not self.half_life_us
        cdef int32_t agent
        cdef Details *more
        if half_life_us == self.half_life_us:
            if other_levels:
                for agent in self.agent_slots.values():
                    self._take_occupancy(agent)
                self._judge_rests()
            return 0
        if not anew:
            for agent in self.agent_slots.values():
                self._take_occupancy(agent)
                more = self.tables.detail_of(agent)
                more.occupancy_key = order_key(more.occupancy, more.use, more.occupancy_us, half_life_us)
        self.half_life_us = half_life_us
        self.idle.half_life_us = half_life_us
        if not anew:
            self._judge_rests()
        if anew:
            for agent in self.agent_slots.values():
                self._begin_occupancy(agent)
        return 0

    cdef int _configure_calendars(self, object configured) except -1:
        """Know these calendars. One whose instants nobody has given is open."""
        cdef int32_t slot
        cdef dict before = self.calendar_slots
        self.calendar_slots = {}
        for calendar in configured:
            found = before.pop(calendar.name, None)
            if found is None and self.free_calendars:
                found = self.free_calendars.pop()
                self.calendar_open[found] = True
            elif found is None:
                found = len(self.calendar_open)
                self.calendar_open.append(True)
                self.calendar_changes.append([])
                self.calendar_timers.append(NONE)
            self.calendar_slots[calendar.name] = found
        for slot in before.values():
            if self.calendar_changes[slot]:
                self.timers.cancel(self.calendar_timers[slot])
                self.calendar_timers[slot] = NONE
                self.calendar_changes[slot] = []
            self.free_calendars.append(slot)
        return 0

    cdef int _stop_turns(self, int32_t queue) except -1:
        """Offers of this queue do not go round any more."""
        cdef int32_t agent
        if self.tables.queues[queue].turn:
            self.tables.queues[queue].turn = 0
            for agent in self.agent_slots.values():
                self.idle.set_turn(queue, agent, 0)
        return 0

    cdef int _forget_turns(self, int32_t agent) except -1:
        """The agent is gone."""
        cdef int32_t queue
        for _, queue in self.going_round:
            self.idle.set_turn(queue, agent, 0)
        return 0

    cdef int _forget_lines(self, int32_t queue) except -1:
        """The queue is gone."""
        cdef int32_t pace = self.tables.queues[queue].first_pace
        while pace != NONE:
            self.own_lines.pop((queue, self.pace_terms[pace]), None)
            self.paces_of_lines.unused.append(pace)
            pace = self.paces_of_lines.rows[pace].next_in_queue
        return 0

    # -- classes ------------------------------------------------------------------------------------------------

    cdef void _own_start(self, int32_t contact, int64_t *level, int64_t *head_start) noexcept:
        """What a contact begins with, by itself: its level where priority is strict, and its head start."""
        cdef Contact *row = &self.tables.contacts[contact]
        self._start_in(row.queue, self.tables.stages[self._stage(contact)].points + row.priority, level, head_start)

    cdef void _start_in(self, int32_t slot, int64_t points, int64_t *level, int64_t *head_start) noexcept:
        """The same of one with so many points of priority in a queue."""
        cdef Queue *queue = &self.tables.queues[slot]
        level[0] = _bounded(points, LEVEL_MAX) if queue.strict else 0
        head_start[0] = queue.head_start if queue.strict else queue.head_start + points * queue.priority_step
        head_start[0] = _bounded(head_start[0], HEAD_START_MAX)

    cdef int _enter_line(self, int32_t contact, int32_t owner) except -1:
        """Give a contact that is in no line the line of a class that its head start and its level call for."""
        cdef Contact *row = &self.tables.contacts[contact]
        cdef int64_t level, head_start, nudge = 0
        cdef tuple by_hand
        self._own_start(contact, &level, &head_start)
        if row.by_hand:
            by_hand = self.by_hand[contact]
            level = _bounded(level + <int64_t>by_hand[0], LEVEL_MAX) if self.tables.queues[row.queue].strict else 0
            head_start = _bounded(head_start + <int64_t>by_hand[1], HEAD_START_MAX)
            nudge = by_hand[2]
        return self.lines.assign(contact, owner, <int32_t>level, head_start, nudge)

    cdef int _assign(self, int32_t contact) except -1:
        """Give a contact that is in no line the line that its queue, its step and it itself call for."""
        cdef Contact *row = &self.tables.contacts[contact]
        cdef int32_t owner
        self._sweep()
        owner = self._class(row.queue, asked_of(row), self._stage(contact))
        self._enter_line(contact, owner)
        if row.stands:
            self.paces_of_lines.move(row.pace, contact)
        return 0

    cdef int32_t _plan(self, int32_t queue, object wishes) except -1:
        """The plan of contacts in a queue with these wishes; made when asked for."""
        cdef tuple key = (queue, wishes.steps, wishes.steps_mode)
        cdef int32_t slot
        cdef list stages = []
        found = self.plan_ids.get(key)
        if found is not None:
            return found
        config = self.queue_configs[queue]
        plan = plan_of(config, wishes.steps, wishes.steps_mode, self.queues_by_name)
        for stage in plan:
            stages.append((
                stage.after_ns, stage.points, NONE if stage.rank_max is None else stage.rank_max,
                self.queue_slots[config.tenant, stage.overflow] if stage.overflow else NONE,
                stage.skip, stage.keep_age,
            ))
        slot = self.tables.new_plan(stages)
        self.plans.append(plan)
        self.stages.extend(plan)
        self.plan_ids[key] = slot
        if self.tables.plans[slot].skips and queue not in self.judging_queues:
            self.judging_queues.append(queue)
        return slot

    cdef int32_t _class(self, int32_t queue, tuple own_terms, int32_t stage) except -1:
        """The class of contacts of this queue, at this stage, that ask `own_terms` themselves; made when asked for."""
        cdef int32_t owner
        cdef Queue *row = &self.tables.queues[queue]
        cdef int32_t rank_max = self.tables.stages[stage].rank_max if row.ranked else NONE
        cdef tuple merged = self.stages[stage].asked(own_terms)
        cdef bint own_order = (
            row.strategy != LONGEST_IDLE or row.ranked or self.legs.several or self.gates.active or self.choosy
        )
        cdef bint mixed = row.strict or row.ageing != AGEING_ONE or row.most != NONE or row.measure != NONE
        cdef int32_t measured = queue if row.measure != NONE else NONE
        cdef tuple growth = (row.strict, row.ageing, row.most, measured) if mixed else None
        cdef tuple further = self.stages[stage].further if self.choosy else ()
        cdef tuple key = (row.tenant, row.channel, queue if own_order else NONE, rank_max, merged, growth, further)
        cdef tuple terms, wanted, beyond
        cdef int32_t condition = NONE
        found = self.class_of.get(key)
        if found is not None:
            return found
        terms = tuple([
            (self.skill_ids[skill], level) for skill, level in requirement.needed_levels(merged)
        ]) or ((ANY_SKILL, 1),)
        wanted = tuple([self.skill_ids[skill] for skill in requirement.wanted_skills(merged)])
        beyond = tuple([
            node for node in merged if node[0] != "level" or node[2] == 0 or node[3] != requirement.LEVEL_MAX
        ])
        if beyond:
            condition = self._condition(("and", beyond))
        owner = self.tables.new_class(
            row.tenant, (<uint32_t>1) << row.channel, key[2], rank_max, terms, wanted, condition
        )
        if further:
            tenant = self.queue_configs[queue].tenant
            self.tables.set_further(owner, [self.queue_slots[tenant, name] for name in further])
        self.tables.classes[owner].mixed = mixed
        self.tables.classes[owner].measured = measured
        self.tables.classes[owner].capped = row.most != NONE and not self.measures.by_queue(row.measure)
        self.tables.classes[owner].ageing = row.ageing
        self.tables.classes[owner].most = row.most
        self.idle.add_class(owner)
        self.class_of[key] = owner
        return owner

    cdef int32_t _condition(self, tuple node) except -1:
        """Enter a condition of a requirement, and those inside it, into the tables."""
        cdef str kind = node[0]
        cdef int32_t slot, child, previous = NONE
        if kind == "level":
            return self.tables.new_condition(LEVEL_IN_RANGE, self.skill_ids[node[1]], node[2], node[3], [])
        if kind == "value" and node[1] == AGENT_ID:
            named = [self.agent_slots[value] for value in node[2] if isinstance(value, str) and value in self.agent_slots]
            return self.tables.new_condition(AGENT_AMONG, NONE, 0, 0, named)
        if kind == "value" or kind == "range":
            name = self.attribute_ids.setdefault(node[1], len(self.attribute_ids))
            if kind == "range":
                return self.tables.new_condition(VALUE_IN_RANGE, name, node[2], node[3], [])
            return self.tables.new_condition(VALUE_AMONG, name, 0, 0, [self._value(value) for value in node[2]])
        if kind == "never":
            return self.tables.new_condition(ANY_OF, NONE, 0, 0, [])
        slot = self.tables.new_condition(CONDITION_KINDS[kind], NONE, 0, 0, [])
        for inner in (node[1],) if kind == "not" else node[1]:
            child = self._condition(inner)
            if previous == NONE:
                self.tables.conditions[slot].first = child
            else:
                self.tables.conditions[previous].next = child
            previous = child
        return slot

    cdef int64_t _value(self, object value) except? -1:
        """An attribute's value as a number, see types.pxd."""
        if isinstance(value, str):
            return 2 * self.text_ids.setdefault(value, len(self.text_ids)) + 1
        return 2 * value

    cdef int _enter_attributes(self, int32_t agent) except -1:
        """Bring an agent's row up to date with his attributes; for his id the row itself stands."""
        return self.tables.set_attributes(agent, [
            (self.attribute_ids.setdefault(name, len(self.attribute_ids)), self._value(value))
            for name, value in self._attributes_of(agent).items()
            if name != AGENT_ID
        ])

    cdef int _enter_queues(self, int32_t agent) except -1:
        """Bring an agent's row up to date with the queues that he chose."""
        return self.tables.set_queues(
            agent, sorted([self.queue_slots[tuple(path.split("/"))] for path in self.agent_queues.get(agent, ())])
        )

    cdef list _entered_ranks(self, dict ranks):
        """The ranks of an agent, by slots of queues, in which then ranks count."""
        cdef int32_t queue
        cdef list found = []
        for path, rank in ranks.items():
            queue = self.queue_slots[tuple(path.split("/"))]
            if rank:
                self.tables.queues[queue].ranked = True
                found.append((queue, rank))
        return found

    cdef int _sweep(self) except -1:
        """Before a class, a name or a text is added: forget those not in use, when there are very many.

        What is spared grows with what making all anew costs, so that this costs little for each class that was asked for.
        """
        cdef int64_t spare = CLASSES_SPARE + self.tables.agent_count + (self.live_contacts >> 3)
        cdef int64_t classes = spare + KINDS_OF_A_SKILL * (self.tables.queue_count + len(self.skill_ids))
        if (
            self.tables.class_count > 2 * self.classes_swept + classes
            or self.tables.plan_count > 2 * self.plans_swept + spare
            or len(self.text_ids) > 2 * self.texts_swept + spare
            or len(self.attribute_ids) > 2 * self.attributes_swept + spare
            or self.lines.line_count > 2 * self.lines_swept + spare + LINES_OF_A_CLASS * self.tables.class_count
        ):
            self._rebuild()
        return 0

    cdef int _rebuild(self) except -1:
        """Make skills, classes, lines and idle arrays anew from the rows. Nothing that can be seen changes; who waits stands in
        its order as before, unless `_plan_anew` took it out.
        """
        cdef int32_t slot, owner, stage
        cdef Contact *row
        cdef tuple terms
        cdef dict owners = {}, places = {}
        cdef list contacts = self.contact_slots.values(), nothing = []
        cdef set known = {id(())}  # equal requirements are mostly one object
        self.skill_ids = {skill: index + 1 for index, skill in enumerate(sorted(self.skill_names))}
        for slot in contacts:
            terms = asked_of(&self.tables.contacts[slot])
            if id(terms) in known and self._wishes(slot) is NO_WISHES:
                continue
            known.add(id(terms))
            skills = [*requirement.skills_of(terms), *skills_of_steps(self._wishes(slot).steps)]
            for skill in skills:
                if skill not in self.skill_ids:
                    self.skill_ids[skill] = len(self.skill_ids) + 1
        self.tables.clear_classes()
        self.watches.reset()
        self.plans.clear()
        self.stages.clear()
        self.plan_ids.clear()
        self.judging_queues.clear()
        self.attribute_ids.clear()
        self.text_ids.clear()
        self.class_of.clear()
        for routes in self.route_of:
            routes.clear()
        self.routes_taken.forget()
        self.going_round = [
            ("/".join(name), slot)
            for name, slot in sorted(self.queue_slots.items())
            if self.queue_configs[slot].strategy == "round_robin"
        ]
        for slot in self.queue_slots.values():
            self.tables.queues[slot].ranked = False
        for slot, config in zip(self.agent_slots.values(), self.configuration.agents):
            self.tables.set_ranks(slot, self._entered_ranks(config.ranks) if config.ranks else nothing)
            own = self.agent_skills.get(slot) if self.agent_skills else None
            self.tables.set_skills(slot, config.skills if own is None else own, self.skill_ids)
            served = config.tenants
            self.tables.agents[slot].all_tenants = not served
            if served and served not in places:
                places[served] = self.tables.add_tenants([self.tenant_ids[tenant] for tenant in served])
            self.tables.agents[slot].tenants = places[served] if served else 0
            if self.agent_attributes or config.attributes:
                self._enter_attributes(slot)
            else:
                self.tables.set_attributes(slot, nothing)
            if self.agent_queues:
                self._enter_queues(slot)
            else:
                self.tables.set_queues(slot, nothing)
        self.lines.reset(<int32_t>len(self.skill_ids) + 1)
        self.measures.recount()
        self.idle.reset(<int32_t>len(self.skill_ids) + 1)
        self.idle.hold()
        for slot in self.queue_slots.values():
            self.tables.queues[slot].plan = self._plan(slot, NO_WISHES)
            if self.tables.queues[slot].stay_count and slot not in self.judging_queues:
                self.judging_queues.append(slot)
        for slot in self.queue_slots.values():
            owner = self._class(slot, (), self.tables.plans[self.tables.queues[slot].plan].first)
            self.tables.queues[slot].base_class = owner
        for slot in contacts:  # which are in the order of arrival
            row = &self.tables.contacts[slot]
            row.planned = False
            if self._wishes(slot) is not NO_WISHES:
                self.tables.set_plan(slot, self._plan(row.queue, self._wishes(slot)))
            stage = self._stage(slot)
            terms = asked_of(row)
            asked = (stage, id(terms)) if terms else stage
            found = owners.get(asked)
            if found is None:
                found = owners[asked] = self._class(row.queue, terms, stage)
            owner = found
            self._enter_line(slot, owner)
            if row.where != HELD_NOWHERE and row.where != HELD_BOUND:
                self.lines.add(slot)
            if row.state == CONTACT_QUEUED or row.state == CONTACT_OFFERED:
                if self.tables.plans[self.tables.plan_of(slot)].skips or self.tables.queues[row.queue].stay_count:
                    self.watches.of(owner)
        self.idle.refill()
        self.plans_swept = self.tables.plan_count
        self.classes_swept = self.tables.class_count
        self.lines_swept = self.lines.line_count
        self.texts_swept = len(self.text_ids)
        self.attributes_swept = len(self.attribute_ids)
        return 0
