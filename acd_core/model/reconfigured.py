"""A new configuration for a centre that is at work: what it refuses, and what becomes of whom it concerns."""

from acd_core.config import (
    Agent,
    Config,
    ConfigError,
    Queue,
    asks_for_occupancy,
    channels_of,
    known_skills,
    ns_of_seconds,
    rest_levels,
    strict_queues,
)
from acd_core.events import AgentQueuesChanged, ConfigApplied
from acd_core.joined import still_there
from acd_core.model import occupancy
from acd_core.model.consults import Consults
from acd_core.model.rows import AgentRow, CalendarRow, ContactRow, QueueRow
from acd_core.plan import passed
from acd_core.refusals import Outcome
from acd_core.validation import validate


class Reconfigured(Consults):
    """A machine to which a configuration can be applied."""

    def _apply_config(self, config: Config) -> int:
        """See `acd_core.machine.Machine.apply_config`."""
        try:
            validate(config)
        except ConfigError:
            return Outcome.CONFIG_INVALID
        if config == self._config:
            return Outcome.DUPLICATE
        queue_ids = {(queue.tenant, queue.name) for queue in config.queues}
        in_use = [contact.queue for contact in self._contacts.values()]
        in_use += [leg.queue for agent in self._agents.values() for leg in agent.legs]  # with after-work too
        if any((queue.config.tenant, queue.config.name) not in queue_ids for queue in in_use):
            return Outcome.QUEUE_IN_USE
        agent_ids = {agent.agent for agent in config.agents}
        if any(a.presence != "logged_out" and a.config.agent not in agent_ids for a in self._agents.values()):
            return Outcome.AGENT_IN_USE
        pauses_before = self._config.pause_reasons
        levels_before = rest_levels(self._config.settings)
        self._config = config
        self._skills = known_skills(config)
        self._channels = {channel.name: channel for channel in channels_of(config)}
        self._tenants = {tenant.name: tenant for tenant in config.tenants}
        before = {id(queue): queue.config for queue in self._queues.values()}
        for name in self._calendars.keys() - {calendar.name for calendar in config.calendars}:
            self._calendars[name].timer = None
        self._calendars = {c.name: self._calendars.get(c.name) or CalendarRow(c.name) for c in config.calendars}
        for queue in self._queues.values():
            if (queue.config.tenant, queue.config.name) not in queue_ids:
                queue.timer = None
        self._queues = {(q.tenant, q.name): self._configured_queue(q) for q in config.queues}
        strict = strict_queues(config)
        for path, queue in self._queues.items():
            queue.strict = path in strict
        for agent in self._agents.values():
            self._count_time(agent)
        for agent in self._agents.values():
            if agent.config.agent not in agent_ids and agent.rest_clock is not None:
                agent.rest_clock.timer = None
            if agent.config.agent not in agent_ids and agent.outside_clock is not None:
                agent.outside_clock.timer = None
        chosen_before = {id(agent): agent.queues for agent in self._agents.values()}
        self._agents = {configured.agent: self._configured_agent(configured) for configured in config.agents}
        for position, agent in enumerate(self._agents.values()):
            agent.position = position
        self._change_half_life(config, levels_before)
        self._change_outside()
        self._change_pauses(pauses_before)
        going_round = {queue.path for queue in self._queues.values() if queue.config.strategy == "round_robin"}
        for agent in self._agents.values():
            agent.turns = {path: turn for path, turn in agent.turns.items() if path in going_round}
        self._forget()
        self._credits.keep(config.settings.callers_kept)
        overdue = 0
        for contact in sorted(self._contacts.values(), key=lambda contact: contact.seq):
            max_wait = contact.queue.config.max_wait_s
            if contact.callback is not None or contact.state not in {"queued", "offered"}:
                continue
            if max_wait == before[id(contact.queue)].max_wait_s:
                continue
            contact.timer = None
            contact.wait_expired = False
            if max_wait:
                deadline = contact.enqueued + ns_of_seconds(max_wait)
                if deadline <= self.now:
                    # Nanoseconds apart, so that a thousand who are overdue need not end in one step.
                    deadline = self.now + overdue
                    overdue += 1
                self._arm(contact, deadline)
        for contact in sorted(self._contacts.values(), key=lambda contact: contact.seq):
            plan = self._plan(contact.queue, contact)
            if contact.state in {"queued", "offered"}:
                if contact.queue.config.stay != before[id(contact.queue)].stay:
                    contact.stay = contact.stay_timer = contact.look_timer = None
                    contact.seen_ms = -1
                if plan != contact.plan:
                    self._replan(contact)
            contact.plan = plan
        self._emit(
            ConfigApplied, None, None, tenants=len(config.tenants), queues=len(config.queues), agents=len(config.agents)
        )
        for agent in self._agents.values():
            if agent.queues != chosen_before.get(id(agent), ()):
                self._emit(AgentQueuesChanged, None, agent, agent=agent.config.agent, queues=len(agent.queues))
        for agent in self._agents.values():
            state = agent.state
            self._refresh(agent)
            if agent.state != state:
                self._agent_changed(agent)
        for agent in self._agents.values():
            can_be_idle = self._can_be_idle(agent)
            if can_be_idle and not agent.idle_seq:
                if not agent.kept_seq or config.settings.outside_counts:
                    self._idle_seq += 1
                    agent.kept_seq = self._idle_seq
                agent.idle_seq = agent.kept_seq
                agent.inbound_seq = agent.inbound_seq or agent.idle_seq
                agent.kept_seq = 0
            elif not can_be_idle and not agent.rung:
                agent.idle_seq = 0
        for queue in self._queues.values():
            self._closing_changed(queue)
        self._judge_all()
        self._park_callbacks(self._queues.values())
        waiting = [contact for contact in self._contacts.values() if contact.in_line]
        for contact in sorted(waiting, key=self._order):
            self._serve_contact(contact)
        self._unpark_callbacks(self._queues.values())
        return Outcome.OK

    def _change_half_life(self, config: Config, levels_before: tuple[int, int] | None) -> None:
        """Count occupancy if somebody asks for it, by the half-life that holds from now on, and see who rests."""
        levels = rest_levels(config.settings)
        asked = asks_for_occupancy(config)
        half_life_us = ns_of_seconds(config.settings.occupancy_half_life_s) // 1000 if asked else 0
        if half_life_us == self._half_life_us:
            if levels != levels_before:
                for agent in self._agents.values():
                    self._take_occupancy(agent)
                self._judge_rests()
            return
        if half_life_us and self._half_life_us:
            for agent in self._agents.values():
                self._take_occupancy(agent)
                agent.occupancy_key = occupancy.order_key(agent.occupancy, agent.use, agent.occupancy_us, half_life_us)
            self._half_life_us = half_life_us
            self._judge_rests()
        else:
            self._half_life_us = half_life_us
            for agent in self._agents.values():
                self._begin_occupancy(agent)

    def _configured_queue(self, config: Queue) -> QueueRow:
        queue = self._queues.get((config.tenant, config.name))
        before = queue.config.reserve if queue else None
        queue = queue or QueueRow(config)
        queue.config = config
        queue.calendar = self._calendars[config.hours] if config.hours is not None else None
        self._configured_reserve(queue, before)
        if config.strategy != "round_robin":
            queue.turn = 0
        queue.allocated = {group: count for group, count in queue.allocated.items() if group in config.allocation}
        return queue

    def _configured_agent(self, config: Agent) -> AgentRow:
        agent = self._agents.get(config.agent)
        if agent is None:
            agent = AgentRow(
                config,
                config.address,
                dict(config.skills),
                dict(config.attributes),
                since=self.now,
                counted_us=self.now // 1000,
            )
            self._begin_occupancy(agent)
            return agent
        if agent.presence == "logged_out" or agent.config.address != config.address:
            agent.address = config.address
        agent.config = config
        agent.skills = dict(config.skills)
        agent.attributes = dict(config.attributes)
        agent.queues = still_there(agent.queues, config.tenants, self._queues.keys())
        return agent

    def _replan(self, contact: ContactRow) -> None:
        """Other steps hold for a contact that waits or is offered: those whose time has passed at once."""
        contact.plan = self._plan(contact.queue, contact)
        contact.step = passed(contact.plan, self.now - contact.enqueued)
        contact.useless = self._is_useless(contact)
        self._arm_step(contact)
