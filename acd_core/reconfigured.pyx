# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""A new configuration for a centre that is at work: what it refuses, and what becomes of whom it concerns.

Read model/ for what happens and why; configured.pyx for what is made of a configuration.
"""

from libc.stdint cimport int32_t, int64_t

from acd_core.consults cimport Consults
from acd_core.memory cimport give_back
from acd_core.state cimport AGENT_QUEUES_CHANGED, CONFIG_APPLIED, Record
from acd_core.types cimport (
    AGENT_IN_USE, CONFIG_INVALID, CONTACT_OFFERED, CONTACT_QUEUED, DUPLICATE, HELD_NOWHERE, LEG_FREE, LOGGED_OUT, NONE, OK,
    QUEUE_IN_USE, Contact, Queue,
)

import msgspec

from acd_core.config import ConfigError
from acd_core.plan import passed, plan_of
from acd_core.validation import validate

cdef object UNKNOWN = object()


cdef class Reconfigured(Consults):
    """The state of a centre to which a configuration can be applied."""

    def apply_config(self, int64_t now, object config):
        """See `Machine.apply_config`."""
        outcome = self._apply_config(now, config)
        give_back()
        return outcome

    cdef int _apply_config(self, int64_t now, object config) except -1:
        cdef list live, gone, leavers
        cdef dict chosen_before, rules_before
        cdef set replanned, timed = set(), judged = set(), moved = set()
        cdef int32_t slot
        cdef int outcome
        self._advance(now)
        former = self.configuration
        config = self._with_agents_of(former, config)
        try:
            validate(config, former)
        except ConfigError:
            return CONFIG_INVALID
        if config == former:
            return DUPLICATE
        wanted = {(queue.tenant, queue.name): queue for queue in config.queues}
        gone = [slot for key, slot in self.queue_slots.items() if key not in wanted]
        live = self.contact_slots.values()
        leavers = self._agents_without(config)
        outcome = self._in_use(gone, live, leavers)
        if outcome != OK:
            return outcome
        self._materialise()
        chosen_before = dict(self.agent_queues)
        self._know(config)
        rules_before = {slot: self._rules_of(slot) for slot in self.queue_slots.values()}
        for key, slot in self.queue_slots.items():
            if key not in wanted or wanted[key].strategy != "round_robin":
                self._stop_turns(slot)
        self._let_go(gone, leavers)
        self._enter_rows(config, former)
        self.credits_given.keep(self.callers_kept)
        self._forget()
        for slot in self.queue_slots.values():
            before = rules_before.get(slot)
            if before is None:
                continue  # nobody waits yet in a new queue
            after = self._rules_of(slot)
            for changed, number in ((timed, 0), (judged, 1), (moved, 2)):
                if before[number] != after[number]:
                    changed.add(slot)
        replanned = self._plan_anew(live, wanted, moved)
        self._time_anew(live, timed)
        self._judge_anew(live, judged, replanned)
        self._tell_of_config(chosen_before)
        self._serve_anew(live)
        return self._settled()

    # -- what it is compared with -------------------------------------------------------------------------------

    cdef object _with_agents_of(self, object former, object config):
        """A configuration with the objects of the one that holds for the agents who are as they were. So they need not be
        compared, nor kept, twice.
        """
        cdef int32_t slot, position
        cdef list agents = []
        cdef tuple before = former.agents
        cdef int64_t count = len(before)
        if config.agents is before:
            return config
        if config.agents == before:
            return msgspec.structs.replace(config, agents=before)
        for position, agent in enumerate(config.agents):
            known = before[position] if position < count else None
            if known != agent:  # others may have come before him, or gone
                slot = self.agent_slots.find(agent.agent)
                known = before[self.tables.agents[slot].position] if slot != NONE else None
            agents.append(known if known == agent else agent)
        return msgspec.structs.replace(config, agents=tuple(agents))

    cdef list _agents_without(self, object config):
        """The slots of the agents whom another configuration does not have."""
        if config.agents is self.configuration.agents:
            return []
        wanted = {agent.agent for agent in config.agents}
        return [slot for slot in self.agent_slots.values() if self.agent_names[slot] not in wanted]

    cdef int _in_use(self, list gone, list live, list leavers) except -1:
        """Why these queues and agents cannot go; OK if they can."""
        cdef int32_t slot
        if gone:
            for slot in live:
                if self.tables.contacts[slot].queue in gone:
                    return QUEUE_IN_USE
            for slot in range(self.legs.created):
                # Somebody may do after-work for a contact that went on.
                if self.legs.legs[slot].state != LEG_FREE and self.legs.legs[slot].queue in gone:
                    return QUEUE_IN_USE
        for slot in leavers:
            if self.tables.agents[slot].presence != LOGGED_OUT:
                return AGENT_IN_USE
        return OK

    cdef tuple _rules_of(self, int32_t slot):
        """What calls for something to be done with those who wait in a queue when it changes: how long they may, the rules on
        staying, and what their urgency grows by.
        """
        cdef Queue *queue = &self.tables.queues[slot]
        grows = (queue.strict, queue.ageing, queue.priority_step, queue.head_start)
        return queue.max_wait, self.queue_configs[slot].stay, grows

    # -- what becomes of whom it concerns -----------------------------------------------------------------------

    cdef int _let_go(self, list gone, list leavers) except -1:
        """Forget queues and agents; their rows are free."""
        cdef int32_t slot
        for slot in gone:
            self._forget_lines(slot)
            self._disarm_queue(slot)
            self.free_queues.append(slot)
        for slot in leavers:
            self._count_in_state(LOGGED_OUT, -1, self.now // 1000)
            self.tables.agents[slot].skill_count = 0
            self._forget_turns(slot)
            self._stop_rest_timer(slot)
            self._keep_reports(slot, {})
            self.free_agents.append(slot)
        return 0

    cdef set _plan_anew(self, list live, dict wanted, set moved):
        """Make classes and lines anew, and give those who wait their places in them. Gives those whose steps are others now.

        Args:
            live: all contacts, in the order of arrival.
            wanted: the configurations of all queues, by tenant and name.
            moved: the queues in which urgency grows in another way than before.
        """
        cdef set replanned = set()
        cdef dict plan_now = {}
        cdef list out_of_order = []
        cdef int32_t slot, former
        cdef Contact *row
        for slot in live:
            row = &self.tables.contacts[slot]
            if row.state not in (CONTACT_QUEUED, CONTACT_OFFERED):
                continue
            former = self.tables.plan_of(slot)
            plan = plan_now.get(former, UNKNOWN)
            if plan is UNKNOWN:
                wishes = self._wishes(slot)
                plan = plan_of(self.queue_configs[row.queue], wishes.steps, wishes.steps_mode, wanted)
                if plan == self.plans[former]:
                    plan = None
                plan_now[former] = plan
            if plan is not None:
                replanned.add(slot)
                row.step = passed(plan, self.now - row.enqueued)
            elif not moved or row.queue not in moved:
                continue
            if row.stands:
                self.paces_of_lines.take_out(row.pace, slot)
                out_of_order.append(slot)
        self.choosy = len(self.agent_queues) != 0
        self._rebuild()
        for slot in out_of_order:
            self.paces_of_lines.restore(self.tables.contacts[slot].pace, slot)
        self.paces_of_lines.put_in_order()
        return replanned

    cdef int _time_anew(self, list live, set timed) except -1:
        """Set the longest waits of the contacts of queues in which they are others now. Those that are over end one by one."""
        cdef int32_t slot
        cdef int64_t max_wait, deadline, overdue = 0
        cdef Contact *row
        for slot in live if timed else ():
            row = &self.tables.contacts[slot]
            if row.callback or row.state not in (CONTACT_QUEUED, CONTACT_OFFERED) or row.queue not in timed:
                continue
            max_wait = self.tables.queues[row.queue].max_wait
            self._disarm_contact(slot)
            row.wait_expired = False
            if max_wait:
                deadline = row.enqueued + max_wait
                if deadline <= self.now:
                    deadline = self.now + overdue
                    overdue += 1
                self._arm_contact(slot, deadline, max_wait)
        return 0

    cdef int _judge_anew(self, list live, set judged, set replanned) except -1:
        """Forget what was found of rules on staying that are others now, and set the time of the next step of other steps."""
        cdef int32_t slot
        cdef Contact *row
        for slot in live if judged or replanned else ():
            row = &self.tables.contacts[slot]
            if row.state not in (CONTACT_QUEUED, CONTACT_OFFERED):
                continue
            if row.queue in judged:
                if self.tables.contact_details != NULL:
                    self.tables.contact_details[slot].stay = NONE
                self._disarm_stay(slot)
                self._disarm_look(slot)
            if slot in replanned:
                self.tables.contact_detail_of(slot).useless = self._is_useless(slot)
                self._arm_step(slot)
        return 0

    cdef int _tell_of_config(self, dict chosen_before) except -1:
        """Tell of the configuration, and of the agents whose choice of queues or whose state is another now."""
        cdef Record *record = self._record(CONFIG_APPLIED, NONE, NONE, NONE)
        cdef int32_t slot
        record.a = len(self.configuration.tenants)
        record.b = len(self.configuration.queues)
        record.code = len(self.configuration.agents)
        for slot in self.agent_slots.values() if chosen_before else ():
            if self.agent_queues.get(slot, ()) != chosen_before.get(slot, ()):
                self._record_choice(slot)
        for slot in self.agent_slots.values():
            state = self._state(slot)
            self._refresh(slot)
            if self._state(slot) != state:
                self._agent_changed(slot)
        return 0

    cdef int _record_choice(self, int32_t agent) except -1:
        """Tell of the queues that an agent serves by his choice."""
        cdef Record *record = self._record(AGENT_QUEUES_CHANGED, NONE, agent, NONE)
        record.a = self.tables.detail(agent).queue_count
        return 0

    cdef int _serve_anew(self, list live) except -1:
        """Open and close queues, judge those who wait by the rules, and serve whom somebody suits who is free."""
        cdef int32_t slot
        cdef list waiting
        cdef Contact *row
        for slot in self.queue_slots.values():
            if self._tell_closing(slot):
                self._judge_those(self._waiting_in(slot))  # whatever else has changed for them
        for slot in live:
            row = &self.tables.contacts[slot]
            if row.state == CONTACT_QUEUED or row.state == CONTACT_OFFERED:
                self._judge(slot)
        if self.callbacks:
            self._park_callbacks(list(self.queue_slots.values()))
        waiting = self._who_may_move(live)
        for slot in live:
            if self.tables.contacts[slot].where != HELD_NOWHERE and not self._in_line(slot):
                self._leave_line(slot)
        for slot in waiting:
            self._serve_contact(slot)
        if self.callbacks:
            self._unpark_callbacks(list(self.queue_slots.values()))
        return 0

    cdef list _who_may_move(self, list contacts):
        """Of these contacts, those in line who may get an agent, or go elsewhere, in the order of service.

        Whom nobody suits who is free waits on, whatever becomes of the others: while they are served nobody becomes free, nor
        open to more. Gates only keep agents from contacts, so they need not be asked.
        """
        cdef bytearray suited = bytearray(self.tables.class_count)
        cdef int32_t slot, owner
        cdef list found = []
        cdef Contact *row
        for slot in contacts:
            if not self._in_line(slot):
                continue
            row = &self.tables.contacts[slot]
            owner = self.lines.lines[row.line].owner
            if self.open_agents and not suited[owner]:
                suited[owner] = 1 + (self.idle.best_agent(owner, self.offer_seq + 1) != NONE)
            if (
                suited[owner] == 2 or row.prefers or row.where == HELD_NOWHERE
                or self.tables.stages[self._stage(slot)].overflow != NONE
            ):
                found.append(slot)
        return self.lines.in_order(found, self.now)
