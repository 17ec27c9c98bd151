"""The specification: the whole behaviour of the engine in plain Python, looked up and sorted at every decision.

Nothing here is fast and everything can be read. A change of behaviour starts in this file; the compiled engine
must then give the same outcomes, events and digest for every stream of commands.

The rules in short:

* **Order of contacts.** A contact's key is its arrival time less its head start, which is its priority (with
  that of its queue) times the queue's `priority_step_s`. The lowest key is served first, ties by arrival. The key
  never changes while the contact waits, so a failed offer cannot cost it its place.
* **Order of agents.** Of the free agents who meet the requirement, those of the lowest rank in the queue come first;
  among them the queue's strategy decides, and then who has been idle for longest. A freed agent in turn serves the
  queues in which his rank is lowest first.
* **Steps.** A contact that has waited so long may be served by other agents, or earlier: a step replaces what the queue
  asks, widens the ranks that count, or adds priority. It takes effect at once, or when the agent being rung fails.
* **No polling.** An arriving contact looks at free agents, a freed agent at waiting contacts. In between, no
  contact waits that a free agent could serve.
* **Everything transient has a deadline**: offer, wrap-up, cooldown, waiting, talking. Deadlines fire at their own
  instant, in the order (deadline, when it was set).
* An agent whose offer is withdrawn keeps his place among the idle; one who rejects or misses an offer does not.
"""

import heapq
from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from acd_core import requirement, views
from acd_core.config import Agent, Config, ConfigError, Queue, known_skills, ns_of_seconds, seconds_of_ns, to_json
from acd_core.config import validate as validate_config
from acd_core.events import (
    Addressed,
    AgentChanged,
    AgentUpdated,
    ConfigApplied,
    ContactConnected,
    ContactEnded,
    ContactHeld,
    ContactOffered,
    ContactQueued,
    ContactResumed,
    ContactStepped,
    ContactUpdated,
    ContactWrapup,
    EndReason,
    Event,
    OfferEnded,
    OfferOutcome,
)
from acd_core.refusals import Outcome
from acd_core.views import (
    ACCEPT_BUCKETS_S,
    AGENT_STATES,
    END_REASONS,
    HANDLE_BUCKETS_S,
    WAIT_BUCKETS_S,
    Activity,
    AgentView,
    ClientView,
    ContactState,
    ContactView,
    DomainView,
    Presence,
    QueueView,
)

NS_PER_S = 1_000_000_000


@dataclass
class _Queue:
    config: Queue
    turn: int = 0
    entered: int = 0
    answered: int = 0
    answered_in_target: int = 0
    abandoned_in_target: int = 0
    ended: dict[str, int] = field(default_factory=dict)
    offers: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    wait_ns: int = 0
    talk_ns: int = 0
    histogram: list[int] = field(default_factory=lambda: [0] * (len(WAIT_BUCKETS_S) + 1))
    accept_ns: int = 0
    accept_histogram: list[int] = field(default_factory=lambda: [0] * (len(ACCEPT_BUCKETS_S) + 1))
    handle_ns: int = 0
    handle_histogram: list[int] = field(default_factory=lambda: [0] * (len(HANDLE_BUCKETS_S) + 1))

    @property
    def path(self) -> str:
        return f"{self.config.tenant}/{self.config.name}"

    def terms_at(self, step: int) -> requirement.Requirement:
        given = [self.config.require, *(passed.require for passed in self.config.steps[:step])]
        return requirement.parse(next(text for text in reversed(given) if text is not None))


@dataclass
class _Timer:
    deadline: int
    seq: int


@dataclass(eq=False)
class _Contact:
    id: str
    client: str
    queue: _Queue
    seq: int
    priority: int
    own_terms: requirement.Requirement
    attributes: dict[str, Any]
    enqueued: int
    state: ContactState = "queued"
    connected: int = 0
    completed: int = 0
    held: bool = False
    agent: "_Agent | None" = None
    end_reason: EndReason | None = None
    wait_expired: bool = False
    timer: _Timer | None = None
    step: int = 0
    step_timer: _Timer | None = None

    @property
    def terms(self) -> requirement.Requirement:
        return requirement.merge(self.queue.terms_at(self.step), self.own_terms)

    @property
    def key(self) -> int:
        config = self.queue.config
        points = config.priority + self.priority + sum(step.priority for step in config.steps[: self.step])
        return self.enqueued - points * ns_of_seconds(config.priority_step_s)

    @property
    def rank_max(self) -> int | None:
        config = self.queue.config
        given = [config.rank_max, *(step.rank_max for step in config.steps[: self.step])]
        return next((rank for rank in reversed(given) if rank is not None), None)


@dataclass(eq=False)
class _Agent:
    config: Agent
    address: str
    skills: dict[str, int]
    attributes: dict[str, str | int]
    client: str = ""
    presence: Presence = "logged_out"
    activity: Activity = "none"
    pause_reason: str = ""
    cooldown_cause: str = ""
    logging_out: bool = False
    contact: _Contact | None = None
    offer: int = 0
    idle_seq: int = 0
    missed: int = 0
    since: int = 0
    timer: _Timer | None = None
    answered: int = 0
    answered_since_login: int = 0
    turns: dict[str, int] = field(default_factory=dict)
    missed_total: int = 0
    rejected_total: int = 0
    talk_ns: int = 0
    counted_us: int = 0

    @property
    def state(self) -> str:
        return self.presence if self.activity == "none" else self.activity

    @property
    def free(self) -> bool:
        return self.presence == "ready" and self.activity == "none"

    def rank(self, path: str) -> int:
        return self.config.ranks.get(path, 0)


class Model:
    """The readable machine; see `acd_core.machine.Machine` for the contract."""

    def __init__(self) -> None:
        self.seq = 0
        self.now = 0
        self.last_position = 0
        self._config = Config()
        self._skills: frozenset[str] = frozenset()
        self._queues: dict[tuple[str, str], _Queue] = {}
        self._agents: dict[str, _Agent] = {}
        self._contacts: dict[str, _Contact] = {}
        self._ended: OrderedDict[str, str] = OrderedDict()
        self._contact_seq = 0
        self._offer_seq = 0
        self._idle_seq = 0
        self._timer_seq = 0
        self._calendar: list[tuple[int, int, _Contact | _Agent, _Timer]] = []
        self._events: list[Addressed] = []
        self._agent_us = dict.fromkeys(AGENT_STATES, 0)

    # -- time ---------------------------------------------------------------------------------------------------

    def advance(self, now: int, limit: int = 0) -> None:
        now = max(now, self.now)
        fired = 0
        while True:
            self._drop_stale_timers()
            if not self._calendar or self._calendar[0][0] > now:
                break
            if 0 < limit <= fired and self._calendar[0][0] > self.now:
                return
            fired += 1
            deadline, _, owner, timer = heapq.heappop(self._calendar)
            self.now = max(self.now, deadline)
            if timer is not owner.timer:
                assert isinstance(owner, _Contact)
                self._take_step(owner)
                continue
            owner.timer = None
            if isinstance(owner, _Contact):
                self._contact_deadline(owner)
            else:
                self._agent_deadline(owner)
        self.now = now

    def next_deadline(self) -> int:
        self._drop_stale_timers()
        return self._calendar[0][0] if self._calendar else 0

    def _drop_stale_timers(self) -> None:
        while self._calendar:
            _, _, owner, timer = self._calendar[0]
            if timer is owner.timer or (isinstance(owner, _Contact) and timer is owner.step_timer):
                break
            heapq.heappop(self._calendar)

    def _arm(self, owner: _Contact | _Agent, deadline: int) -> None:
        owner.timer = self._timer(owner, deadline)

    def _arm_step(self, contact: _Contact) -> None:
        """Set the time of the contact's next step, if its queue has one more."""
        steps = contact.queue.config.steps[contact.step :]
        contact.step_timer = None
        if steps:
            due = contact.enqueued + ns_of_seconds(steps[0].after_s)
            contact.step_timer = self._timer(contact, max(self.now, due))

    def _timer(self, owner: _Contact | _Agent, deadline: int) -> _Timer:
        self._timer_seq += 1
        timer = _Timer(deadline, self._timer_seq)
        heapq.heappush(self._calendar, (deadline, self._timer_seq, owner, timer))
        return timer

    def _contact_deadline(self, contact: _Contact) -> None:
        match contact.state:
            case "queued":
                self._end(contact, "max_wait")
            case "offered":
                contact.wait_expired = True
            case "connected":
                self._complete(contact, "lost")

    def _take_step(self, contact: _Contact) -> None:
        """The contact has waited so long that the next step of its queue holds for it."""
        contact.step += 1
        self._arm_step(contact)
        config = contact.queue.config
        self._emit(
            ContactStepped,
            contact,
            contact.agent,
            contact=contact.id,
            tenant=config.tenant,
            queue=config.name,
            step=contact.step,
        )
        if contact.state == "queued":
            self._serve_contact(contact)

    def _agent_deadline(self, agent: _Agent) -> None:
        match agent.activity:
            case "offered":
                self._offer_missed(agent)
            case "wrapup":
                self._finish_wrapup(agent)
            case "cooldown":
                self._free(agent)

    # -- events -------------------------------------------------------------------------------------------------

    def take_events(self) -> list[Addressed]:
        events, self._events = self._events, []
        return events

    def _emit(
        self,
        kind: type[Event],
        contact: _Contact | None,
        agent: _Agent | None,
        /,
        **fields: Any,
    ) -> None:
        self.seq += 1
        event = kind(seq=self.seq, at=self.now, **fields)
        self._events.append(Addressed(event, contact.client if contact else "", agent.client if agent else ""))

    def _agent_changed(self, agent: _Agent) -> None:
        fields: dict[str, Any] = {"agent": agent.config.agent, "state": agent.state}
        if agent.presence == "paused":
            fields["reason"] = agent.pause_reason
        elif agent.activity == "cooldown":
            fields["reason"] = agent.cooldown_cause
        if agent.timer is not None:
            fields["expires_in"] = seconds_of_ns(agent.timer.deadline - self.now)
        self._emit(AgentChanged, None, agent, logging_out=agent.logging_out, **fields)

    def _count_time(self, agent: _Agent) -> None:
        """Add the time since the last call to the state that the agent was in."""
        now_us = self.now // 1000
        self._agent_us[agent.state] += now_us - agent.counted_us
        agent.counted_us = now_us

    def _set_activity(self, agent: _Agent, activity: Activity) -> None:
        self._count_time(agent)
        agent.activity = activity
        agent.since = self.now

    def _set_presence(self, agent: _Agent, presence: Presence, reason: str = "") -> None:
        self._count_time(agent)
        if agent.activity == "none":
            agent.since = self.now
        agent.presence = presence
        agent.pause_reason = reason

    # -- matching -----------------------------------------------------------------------------------------------

    def _eligible(self, agent: _Agent, contact: _Contact) -> bool:
        tenants = agent.config.tenants
        if tenants and contact.queue.config.tenant not in tenants:
            return False
        if contact.rank_max is not None and agent.rank(contact.queue.path) > contact.rank_max:
            return False
        return all(requirement.meets(node, agent.skills, agent.attributes) for node in contact.terms)

    def _best_agent(self, contact: _Contact) -> _Agent | None:
        """The free agent who gets `contact`."""
        free = [agent for agent in self._agents.values() if agent.free and self._eligible(agent, contact)]
        path = contact.queue.path
        return min(
            free,
            key=lambda agent: (agent.rank(path), self._precedence(agent, contact), agent.idle_seq),
            default=None,
        )

    def _precedence(self, agent: _Agent, contact: _Contact) -> int:
        """What the strategy of the contact's queue makes of the agent; the lowest comes first."""
        match contact.queue.config.strategy:
            case "most_skilled":
                return -sum(agent.skills.get(skill, 0) for skill in requirement.wanted_skills(contact.terms))
            case "least_skilled":
                return len(agent.skills)
            case "fewest_contacts":
                return agent.answered_since_login
            case "round_robin":
                return agent.turns.get(contact.queue.path, 0)
            case "linear":
                return list(self._agents).index(agent.config.agent)
            case "lowest_cost":
                return agent.config.cost
        return 0

    def _best_contact(self, agent: _Agent) -> _Contact | None:
        """The waiting contact that `agent` gets."""
        waiting = [c for c in self._contacts.values() if c.state == "queued" and self._eligible(agent, c)]
        return min(
            waiting,
            key=lambda contact: (agent.rank(contact.queue.path), contact.key, contact.seq),
            default=None,
        )

    def _serve_agent(self, agent: _Agent) -> None:
        contact = self._best_contact(agent)
        if contact is not None:
            self._offer(contact, agent)

    def _serve_contact(self, contact: _Contact) -> None:
        agent = self._best_agent(contact)
        if agent is not None:
            self._offer(contact, agent)

    def _offer(self, contact: _Contact, agent: _Agent) -> None:
        queue = contact.queue
        timeout = ns_of_seconds(queue.config.offer_timeout_s)
        self._offer_seq += 1
        contact.state = "offered"
        contact.agent = agent
        agent.contact = contact
        agent.offer = self._offer_seq
        self._set_activity(agent, "offered")
        self._arm(agent, self.now + timeout)
        queue.offers += 1
        if queue.config.strategy == "round_robin":
            queue.turn += 1
            agent.turns[queue.path] = queue.turn
        self._emit(
            ContactOffered,
            contact,
            agent,
            offer=_offer_id(agent.offer),
            contact=contact.id,
            tenant=queue.config.tenant,
            queue=queue.config.name,
            agent=agent.config.agent,
            address=agent.address,
            expires_in=seconds_of_ns(timeout),
            wait=seconds_of_ns(self.now - contact.enqueued),
            attributes=contact.attributes,
        )
        self._agent_changed(agent)

    def _end_offer(self, agent: _Agent, outcome: OfferOutcome, cause: str) -> _Contact:
        """Undo an offer: the agent holds nothing, the contact waits where it stood."""
        contact = agent.contact
        assert contact is not None
        contact.state = "queued"
        contact.agent = None
        contact.queue.failed[outcome] = contact.queue.failed.get(outcome, 0) + 1
        offer = _offer_id(agent.offer)
        agent.contact = None
        agent.offer = 0
        agent.timer = None
        self._emit(
            OfferEnded,
            contact,
            agent,
            offer=offer,
            contact=contact.id,
            tenant=contact.queue.config.tenant,
            queue=contact.queue.config.name,
            agent=agent.config.agent,
            outcome=outcome,
            cause=cause,
        )
        return contact

    def _requeue(self, contact: _Contact) -> None:
        """After a failed offer: another agent at once, if one is free; or the end, if its longest wait is over."""
        if contact.wait_expired:
            self._end(contact, "max_wait")
        else:
            self._serve_contact(contact)

    def _offer_missed(self, agent: _Agent) -> None:
        agent.missed += 1
        agent.missed_total += 1
        contact = self._end_offer(agent, "timed_out", "")
        limit = agent.config.missed_offers_max
        if limit is None:
            limit = self._config.settings.missed_offers_max
        agent.idle_seq = 0
        if limit and agent.missed >= limit:
            agent.missed = 0
            self._set_activity(agent, "none")
            self._set_presence(agent, "paused", "missed_offers")
            self._agent_changed(agent)
            self._requeue(contact)
        else:
            self._cool_down(agent, contact, "no_answer", contact.queue.config.no_answer_cooldown_s)

    def _cool_down(self, agent: _Agent, contact: _Contact, cause: str, seconds: float) -> None:
        """Rest `agent`, and find another for `contact` before he can be free again."""
        duration = ns_of_seconds(seconds)
        if duration:
            self._set_activity(agent, "cooldown")
            agent.cooldown_cause = cause
            self._arm(agent, self.now + duration)
            self._agent_changed(agent)
        self._requeue(contact)
        if not duration:
            self._free(agent)

    def _free(self, agent: _Agent) -> None:
        """The agent holds nothing any more: log out, stay paused, or be idle from now on and serve who waits."""
        agent.timer = None
        agent.contact = None
        agent.offer = 0
        agent.idle_seq = 0
        agent.cooldown_cause = ""
        self._set_activity(agent, "none")
        if agent.logging_out:
            self._log_out(agent)
        elif agent.presence == "paused":
            self._agent_changed(agent)
        else:
            self._idle(agent)

    def _idle(self, agent: _Agent) -> None:
        self._idle_seq += 1
        agent.idle_seq = self._idle_seq
        self._agent_changed(agent)
        self._serve_agent(agent)

    def _log_out(self, agent: _Agent) -> None:
        agent.logging_out = False
        self._set_presence(agent, "logged_out")
        agent.missed = 0
        agent.address = agent.config.address
        self._agent_changed(agent)
        agent.client = ""

    # -- contacts -----------------------------------------------------------------------------------------------

    def enqueue_contact(
        self,
        now: int,
        client: str,
        contact: str,
        tenant: str,
        queue: str,
        priority: int,
        require: str,
        attributes: dict[str, Any],
    ) -> int:
        self.advance(now)
        self.last_position = 0
        live = self._contacts.get(contact)
        if live is not None:
            same = (live.queue.config.tenant, live.queue.config.name) == (tenant, queue)
            return Outcome.DUPLICATE if same else Outcome.CONTACT_EXISTS
        if contact in self._ended:
            return Outcome.DUPLICATE
        target = self._queues.get((tenant, queue))
        if target is None:
            known = any(tenant == known.name for known in self._config.tenants)
            return Outcome.QUEUE_UNKNOWN if known else Outcome.TENANT_UNKNOWN
        try:
            own_terms = requirement.parse(require)
        except requirement.RequirementError:
            return Outcome.REQUIREMENT_INVALID
        if any(skill not in self._skills for skill in requirement.skills_of(own_terms)):
            return Outcome.SKILL_UNKNOWN
        if len(self._contacts) >= self._config.settings.max_contacts:
            return Outcome.TOO_MANY_CONTACTS
        target.entered += 1
        self._contact_seq += 1
        arrived = _Contact(
            contact, client, target, self._contact_seq, priority, own_terms, attributes, enqueued=self.now
        )
        waiting = [c for c in self._contacts.values() if c.queue is target and c.state == "queued"]
        agent = self._best_agent(arrived)
        if agent is None and 0 < target.config.max_waiting <= len(waiting):
            self._end(arrived, "queue_full")
            return Outcome.OK
        self._contacts[contact] = arrived
        if target.config.max_wait_s:
            self._arm(arrived, self.now + ns_of_seconds(target.config.max_wait_s))
        self._arm_step(arrived)
        self.last_position = 1 + sum(c.priority >= priority for c in waiting)
        self._emit(
            ContactQueued,
            arrived,
            None,
            contact=contact,
            tenant=tenant,
            queue=queue,
            priority=priority,
            position=self.last_position,
        )
        if agent is not None:
            self._offer(arrived, agent)
        return Outcome.OK

    def update_contact(self, now: int, contact: str, priority: int | None, attributes: dict[str, Any] | None) -> int:
        self.advance(now)
        live = self._contacts.get(contact)
        if live is None:
            return Outcome.CONTACT_NOT_WAITING if contact in self._ended else Outcome.CONTACT_UNKNOWN
        new_priority = live.priority if priority is None else priority
        new_attributes = live.attributes if attributes is None else attributes
        if new_priority != live.priority and live.state not in {"queued", "offered"}:
            return Outcome.CONTACT_NOT_WAITING
        if new_priority == live.priority and new_attributes == live.attributes:
            return Outcome.DUPLICATE
        live.priority = new_priority
        live.attributes = new_attributes
        config = live.queue.config
        self._emit(
            ContactUpdated,
            live,
            live.agent,
            contact=contact,
            tenant=config.tenant,
            queue=config.name,
            priority=new_priority,
        )
        return Outcome.OK

    def abandon_contact(self, now: int, contact: str) -> int:
        self.advance(now)
        live = self._contacts.get(contact)
        if live is None:
            return self._gone(contact)
        if live.state == "wrapup":
            return Outcome.DUPLICATE
        if live.state == "connected":
            self._complete(live, "completed_caller")
        else:
            self._leave_queue(live, "abandoned")
        return Outcome.OK

    def withdraw_contact(self, now: int, contact: str) -> int:
        self.advance(now)
        live = self._contacts.get(contact)
        if live is None:
            return self._gone(contact)
        if live.state not in {"queued", "offered"}:
            return Outcome.CONTACT_NOT_WAITING
        self._leave_queue(live, "withdrawn")
        return Outcome.OK

    def complete_contact(self, now: int, contact: str, reason: str) -> int:
        self.advance(now)
        live = self._contacts.get(contact)
        if live is None:
            return self._gone(contact)
        if live.state == "wrapup":
            return Outcome.DUPLICATE
        if live.state != "connected":
            return Outcome.CONTACT_NOT_CONNECTED
        self._complete(live, reason)  # type: ignore[arg-type]  # the command's own type bounds it
        return Outcome.OK

    def hold_contact(self, now: int, contact: str, held: bool) -> int:
        self.advance(now)
        live = self._contacts.get(contact)
        if live is None:
            return Outcome.CONTACT_NOT_CONNECTED if contact in self._ended else Outcome.CONTACT_UNKNOWN
        if live.state != "connected":
            return Outcome.CONTACT_NOT_CONNECTED
        if live.held == held:
            return Outcome.DUPLICATE
        live.held = held
        assert live.agent is not None
        kind = ContactHeld if held else ContactResumed
        config = live.queue.config
        self._emit(
            kind,
            live,
            live.agent,
            contact=contact,
            tenant=config.tenant,
            queue=config.name,
            agent=live.agent.config.agent,
        )
        return Outcome.OK

    def _gone(self, contact: str) -> int:
        return Outcome.DUPLICATE if contact in self._ended else Outcome.CONTACT_UNKNOWN

    def _leave_queue(self, contact: _Contact, reason: EndReason) -> None:
        """The contact ends while it waits or is offered; an agent being rung keeps his idle time."""
        agent = contact.agent
        if agent is not None:
            self._end_offer(agent, "withdrawn", reason)
        self._end(contact, reason)
        if agent is not None:
            self._set_activity(agent, "none")
            self._agent_changed(agent)
            self._serve_agent(agent)

    def _complete(self, contact: _Contact, reason: EndReason) -> None:
        """The conversation is over: wrap-up, or the end at once when the queue has none."""
        agent = contact.agent
        assert agent is not None
        queue = contact.queue
        talk = self.now - contact.connected
        contact.completed = self.now
        contact.held = False
        contact.end_reason = reason
        contact.timer = None
        queue.talk_ns += talk
        agent.talk_ns += talk
        wrapup = ns_of_seconds(queue.config.wrapup_s)
        if not wrapup:
            self._finish_wrapup(agent)
            return
        contact.state = "wrapup"
        self._set_activity(agent, "wrapup")
        self._arm(agent, self.now + wrapup)
        self._emit(
            ContactWrapup,
            contact,
            agent,
            contact=contact.id,
            tenant=queue.config.tenant,
            queue=queue.config.name,
            agent=agent.config.agent,
            reason=reason,
            talk=seconds_of_ns(talk),
            expires_in=seconds_of_ns(wrapup),
        )
        self._agent_changed(agent)

    def _finish_wrapup(self, agent: _Agent) -> None:
        contact = agent.contact
        assert contact is not None
        assert contact.end_reason is not None
        self._end(contact, contact.end_reason)
        self._free(agent)

    def _end(self, contact: _Contact, reason: EndReason) -> None:
        """The contact is over and only remembered."""
        queue = contact.queue
        answered = contact.connected != 0
        wait = (contact.connected if answered else self.now) - contact.enqueued
        if answered:
            handle = self.now - contact.connected
            queue.handle_ns += handle
            queue.handle_histogram[_bucket(handle, HANDLE_BUCKETS_S)] += 1
        queue.ended[reason] = queue.ended.get(reason, 0) + 1
        if reason == "abandoned" and wait <= ns_of_seconds(queue.config.service_level_s):
            queue.abandoned_in_target += 1
        contact.timer = None
        contact.step_timer = None
        self._contacts.pop(contact.id, None)
        self._remember(contact.id, reason)
        self._emit(
            ContactEnded,
            contact,
            contact.agent,
            contact=contact.id,
            tenant=queue.config.tenant,
            queue=queue.config.name,
            agent=contact.agent.config.agent if contact.agent else "",
            reason=reason,
            wait=seconds_of_ns(wait),
            talk=seconds_of_ns(contact.completed - contact.connected) if answered else 0,
        )

    def _remember(self, contact: str, reason: str) -> None:
        self._ended[contact] = reason
        self._forget()

    def _forget(self) -> None:
        while len(self._ended) > self._config.settings.ended_contacts_kept:
            self._ended.popitem(last=False)

    # -- offers -------------------------------------------------------------------------------------------------

    def _offered_to(self, offer: str) -> _Agent | int:
        """The agent who holds `offer`, or why there is none."""
        number = int(offer[2:]) if offer.startswith("o-") and offer[2:].isdecimal() and offer.isascii() else 0
        if not 0 < number <= self._offer_seq or offer != _offer_id(number):
            return Outcome.OFFER_UNKNOWN
        for agent in self._agents.values():
            if agent.offer == number:
                return agent
        return Outcome.OFFER_GONE

    def accept_offer(self, now: int, offer: str) -> int:
        self.advance(now)
        agent = self._offered_to(offer)
        if not isinstance(agent, _Agent):
            return agent
        if agent.activity != "offered":
            return Outcome.DUPLICATE
        contact = agent.contact
        assert contact is not None
        queue = contact.queue
        wait = self.now - contact.enqueued
        rung = self.now - agent.since
        contact.state = "connected"
        contact.connected = self.now
        contact.wait_expired = False
        contact.step_timer = None
        self._arm(contact, self.now + ns_of_seconds(queue.config.max_talk_s))
        agent.timer = None
        agent.idle_seq = 0
        agent.missed = 0
        agent.answered += 1
        agent.answered_since_login += 1
        self._set_activity(agent, "busy")
        queue.answered += 1
        queue.wait_ns += wait
        queue.answered_in_target += wait <= ns_of_seconds(queue.config.service_level_s)
        queue.histogram[_bucket(wait, WAIT_BUCKETS_S)] += 1
        queue.accept_ns += rung
        queue.accept_histogram[_bucket(rung, ACCEPT_BUCKETS_S)] += 1
        self._emit(
            ContactConnected,
            contact,
            agent,
            contact=contact.id,
            tenant=queue.config.tenant,
            queue=queue.config.name,
            agent=agent.config.agent,
            offer=offer,
            wait=seconds_of_ns(wait),
        )
        self._agent_changed(agent)
        return Outcome.OK

    def reject_offer(self, now: int, offer: str, cause: str) -> int:
        self.advance(now)
        agent = self._offered_to(offer)
        if not isinstance(agent, _Agent):
            return agent
        if agent.activity != "offered":
            return Outcome.OFFER_GONE
        agent.rejected_total += 1
        contact = self._end_offer(agent, "rejected", cause)
        agent.idle_seq = 0
        self._cool_down(agent, contact, "rejected", contact.queue.config.reject_cooldown_s)
        return Outcome.OK

    # -- agents -------------------------------------------------------------------------------------------------

    def login_agent(self, now: int, client: str, agent: str, address: str | None, ready: bool) -> int:
        self.advance(now)
        person = self._agents.get(agent)
        if person is None:
            return Outcome.AGENT_UNKNOWN
        new_address = person.address if address is None else address
        if person.presence != "logged_out":
            if person.client == client and person.address == new_address and not person.logging_out:
                return Outcome.DUPLICATE
            person.client = client
            person.address = new_address
            person.logging_out = False
            self._agent_changed(person)
            return Outcome.OK
        person.client = client
        person.address = new_address
        person.answered_since_login = 0
        if ready:
            self._set_presence(person, "ready")
            self._idle(person)
        else:
            self._set_presence(person, "paused", "login")
            self._agent_changed(person)
        return Outcome.OK

    def ready_agent(self, now: int, agent: str) -> int:
        self.advance(now)
        person = self._agents.get(agent)
        if person is None:
            return Outcome.AGENT_UNKNOWN
        if person.presence == "logged_out":
            return Outcome.AGENT_LOGGED_OUT
        if person.presence == "paused":
            self._make_ready(person)
            return Outcome.OK
        if person.activity == "cooldown":
            self._free(person)
            return Outcome.OK
        return Outcome.DUPLICATE

    def _make_ready(self, agent: _Agent) -> None:
        """End a pause."""
        agent.missed = 0
        self._set_presence(agent, "ready")
        if agent.activity == "none":
            self._idle(agent)
        else:
            self._agent_changed(agent)

    def pause_agent(self, now: int, agent: str, reason: str) -> int:
        self.advance(now)
        person = self._agents.get(agent)
        if person is None:
            return Outcome.AGENT_UNKNOWN
        if person.presence == "logged_out":
            return Outcome.AGENT_LOGGED_OUT
        if person.presence == "paused" and person.pause_reason == reason:
            return Outcome.DUPLICATE
        contact = self._stop_offering(person, "agent_paused")
        self._set_presence(person, "paused", reason)
        self._agent_changed(person)
        if contact is not None:
            self._requeue(contact)
        return Outcome.OK

    def logout_agent(self, now: int, agent: str) -> int:
        self.advance(now)
        person = self._agents.get(agent)
        if person is None:
            return Outcome.AGENT_UNKNOWN
        if person.presence == "logged_out" or person.logging_out:
            return Outcome.DUPLICATE
        if person.activity == "busy":
            person.logging_out = True
            self._agent_changed(person)
            return Outcome.OK
        if person.activity == "wrapup":
            person.logging_out = True
            self._finish_wrapup(person)
            return Outcome.OK
        contact = self._stop_offering(person, "agent_logged_out")
        self._log_out(person)
        if contact is not None:
            self._requeue(contact)
        return Outcome.OK

    def _stop_offering(self, agent: _Agent, cause: str) -> _Contact | None:
        """Take offer and cooldown from an agent who leaves; gives the contact that needs another agent."""
        contact = self._end_offer(agent, "withdrawn", cause) if agent.activity == "offered" else None
        if agent.activity in {"none", "offered", "cooldown"}:
            agent.timer = None
            agent.idle_seq = 0
            agent.cooldown_cause = ""
            self._set_activity(agent, "none")
        return contact

    def update_agent(
        self,
        now: int,
        agent: str,
        address: str | None,
        skills: dict[str, int] | None,
        attributes: dict[str, str | int] | None,
    ) -> int:
        self.advance(now)
        person = self._agents.get(agent)
        if person is None:
            return Outcome.AGENT_UNKNOWN
        if skills is not None and any(skill not in self._skills for skill in skills):
            return Outcome.SKILL_UNKNOWN
        new_address = person.address if address is None else address
        new_skills = person.skills if skills is None else skills
        new_attributes = person.attributes if attributes is None else attributes
        if (new_address, new_skills, new_attributes) == (person.address, person.skills, person.attributes):
            return Outcome.DUPLICATE
        person.address = new_address
        person.skills = dict(new_skills)
        person.attributes = dict(new_attributes)
        self._emit(AgentUpdated, None, person, agent=agent)
        if person.free:
            self._serve_agent(person)
        return Outcome.OK

    def end_wrapup(self, now: int, agent: str) -> int:
        self.advance(now)
        person = self._agents.get(agent)
        if person is None:
            return Outcome.AGENT_UNKNOWN
        if person.presence == "logged_out":
            return Outcome.AGENT_LOGGED_OUT
        if person.activity != "wrapup":
            return Outcome.AGENT_NOT_IN_WRAPUP
        self._finish_wrapup(person)
        return Outcome.OK

    # -- clients ------------------------------------------------------------------------------------------------

    def leave_client(self, now: int, client: str) -> int:
        self.advance(now)
        seq_before = self.seq
        orphans = []
        for agent in self._agents.values():
            if agent.client == client and agent.presence == "ready":
                contact = self._stop_offering(agent, "agent_unreachable")
                self._set_presence(agent, "paused", "unreachable")
                self._agent_changed(agent)
                if contact is not None:
                    orphans.append(contact)
        end = self._config.settings.absent_client_contacts == "end"
        for contact in sorted(orphans, key=lambda contact: (contact.key, contact.seq)):
            if end and contact.client == client:
                self._end(contact, "lost")
            else:
                self._requeue(contact)
        if end:
            for contact in sorted(self._contacts.values(), key=lambda contact: contact.seq):
                if contact.client == client and contact.state in {"queued", "offered"}:
                    self._leave_queue(contact, "lost")
        return Outcome.OK if self.seq > seq_before else Outcome.DUPLICATE

    def return_client(self, now: int, client: str) -> int:
        self.advance(now)
        seq_before = self.seq
        for agent in self._agents.values():
            if agent.client == client and agent.presence == "paused" and agent.pause_reason == "unreachable":
                self._make_ready(agent)
        return Outcome.OK if self.seq > seq_before else Outcome.DUPLICATE

    # -- configuration ------------------------------------------------------------------------------------------

    def apply_config(self, now: int, config: Config) -> int:
        self.advance(now)
        try:
            validate_config(config)
        except ConfigError:
            return Outcome.CONFIG_INVALID
        if config == self._config:
            return Outcome.DUPLICATE
        queue_ids = {(queue.tenant, queue.name) for queue in config.queues}
        if any((c.queue.config.tenant, c.queue.config.name) not in queue_ids for c in self._contacts.values()):
            return Outcome.QUEUE_IN_USE
        agent_ids = {agent.agent for agent in config.agents}
        if any(a.presence != "logged_out" and a.config.agent not in agent_ids for a in self._agents.values()):
            return Outcome.AGENT_IN_USE
        self._config = config
        self._skills = known_skills(config)
        before = {id(queue): queue.config for queue in self._queues.values()}
        self._queues = {(q.tenant, q.name): self._configured_queue(q) for q in config.queues}
        for agent in self._agents.values():
            self._count_time(agent)
        self._agents = {configured.agent: self._configured_agent(configured) for configured in config.agents}
        going_round = {queue.path for queue in self._queues.values() if queue.config.strategy == "round_robin"}
        for agent in self._agents.values():
            agent.turns = {path: turn for path, turn in agent.turns.items() if path in going_round}
        self._forget()
        overdue = 0
        for contact in sorted(self._contacts.values(), key=lambda contact: contact.seq):
            max_wait = contact.queue.config.max_wait_s
            if contact.state not in {"queued", "offered"} or max_wait == before[id(contact.queue)].max_wait_s:
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
            steps = contact.queue.config.steps
            if contact.state in {"queued", "offered"} and steps != before[id(contact.queue)].steps:
                waited = self.now - contact.enqueued
                contact.step = sum(ns_of_seconds(step.after_s) <= waited for step in steps)
                self._arm_step(contact)
        self._emit(
            ConfigApplied, None, None, tenants=len(config.tenants), queues=len(config.queues), agents=len(config.agents)
        )
        waiting = [contact for contact in self._contacts.values() if contact.state == "queued"]
        for contact in sorted(waiting, key=lambda contact: (contact.key, contact.seq)):
            self._serve_contact(contact)
        return Outcome.OK

    def _configured_queue(self, config: Queue) -> _Queue:
        queue = self._queues.get((config.tenant, config.name)) or _Queue(config)
        queue.config = config
        if config.strategy != "round_robin":
            queue.turn = 0
        return queue

    def _configured_agent(self, config: Agent) -> _Agent:
        agent = self._agents.get(config.agent)
        if agent is None:
            return _Agent(
                config,
                config.address,
                dict(config.skills),
                dict(config.attributes),
                since=self.now,
                counted_us=self.now // 1000,
            )
        if agent.presence == "logged_out" or agent.config.address != config.address:
            agent.address = config.address
        agent.config = config
        agent.skills = dict(config.skills)
        agent.attributes = dict(config.attributes)
        return agent

    # -- views --------------------------------------------------------------------------------------------------

    def config(self) -> Config:
        return self._config

    def domain(self) -> DomainView:
        for agent in self._agents.values():
            self._count_time(agent)
        states = [agent.state for agent in self._agents.values()]
        return DomainView(
            now_ns=self.now,
            seq=self.seq,
            contacts=len(self._contacts),
            waiting=sum(contact.state == "queued" for contact in self._contacts.values()),
            agents={state: states.count(state) for state in AGENT_STATES},
            pause_reasons=_counted(agent.pause_reason for agent in self._agents.values() if agent.state == "paused"),
            cooldown_causes=_counted(
                agent.cooldown_cause for agent in self._agents.values() if agent.state == "cooldown"
            ),
            agent_us=dict(self._agent_us),
        )

    def clients(self) -> list[ClientView]:
        agents = _counted(agent.client for agent in self._agents.values() if agent.client)
        contacts = _counted(contact.client for contact in self._contacts.values())
        return [
            ClientView(client=client, agents=agents.get(client, 0), contacts=contacts.get(client, 0))
            for client in sorted(agents.keys() | contacts.keys())
        ]

    def queue(self, tenant: str, queue: str) -> QueueView | None:
        found = self._queues.get((tenant, queue))
        return None if found is None else self._queue_view(found)

    def queues(self) -> list[QueueView]:
        return [self._queue_view(queue) for queue in self._queues.values()]

    def agent(self, agent: str) -> AgentView | None:
        found = self._agents.get(agent)
        return None if found is None else self._agent_view(found)

    def agents(self) -> list[AgentView]:
        return [self._agent_view(agent) for agent in self._agents.values()]

    def contact(self, contact: str) -> ContactView | None:
        found = self._contacts.get(contact)
        return None if found is None else self._contact_view(found)

    def contacts(self, tenant: str = "", queue: str = "", limit: int = 0) -> list[ContactView]:
        found = [
            contact
            for contact in sorted(self._contacts.values(), key=lambda contact: contact.seq)
            if (not tenant or contact.queue.config.tenant == tenant)
            and (not queue or contact.queue.config.name == queue)
        ]
        return [self._contact_view(contact) for contact in (found[:limit] if limit else found)]

    def ended_reason(self, contact: str) -> str:
        return self._ended.get(contact, "")

    def _queue_view(self, queue: _Queue) -> QueueView:
        contacts = [contact for contact in self._contacts.values() if contact.queue is queue]
        states = [contact.state for contact in contacts]
        return QueueView(
            tenant=queue.config.tenant,
            queue=queue.config.name,
            waiting=states.count("queued"),
            offered=states.count("offered"),
            connected=states.count("connected"),
            wrapup=states.count("wrapup"),
            oldest_ns=min((c.enqueued for c in contacts if c.state in {"queued", "offered"}), default=0),
            entered=queue.entered,
            answered=queue.answered,
            answered_in_target=queue.answered_in_target,
            abandoned_in_target=queue.abandoned_in_target,
            ended={reason: queue.ended[reason] for reason in END_REASONS if reason in queue.ended},
            offers=queue.offers,
            offers_rejected=queue.failed.get("rejected", 0),
            offers_timed_out=queue.failed.get("timed_out", 0),
            offers_withdrawn=queue.failed.get("withdrawn", 0),
            wait_ns=queue.wait_ns,
            talk_ns=queue.talk_ns,
            wait_histogram=tuple(queue.histogram),
            accept_ns=queue.accept_ns,
            accept_histogram=tuple(queue.accept_histogram),
            handle_ns=queue.handle_ns,
            handle_histogram=tuple(queue.handle_histogram),
        )

    def _agent_view(self, agent: _Agent) -> AgentView:
        return AgentView(
            agent=agent.config.agent,
            address=agent.address,
            tenants=agent.config.tenants,
            skills=dict(sorted(agent.skills.items())),
            attributes=dict(sorted(agent.attributes.items())),
            client=agent.client,
            presence=agent.presence,
            activity=agent.activity,
            pause_reason=agent.pause_reason,
            cooldown_cause=agent.cooldown_cause,
            logging_out=agent.logging_out,
            contact=agent.contact.id if agent.contact else "",
            offer=_offer_id(agent.offer) if agent.offer else "",
            idle_seq=agent.idle_seq,
            missed=agent.missed,
            since_ns=agent.since,
            deadline_ns=agent.timer.deadline if agent.timer else 0,
            timer=agent.timer.seq if agent.timer else 0,
            answered=agent.answered,
            answered_since_login=agent.answered_since_login,
            turns=dict(sorted(agent.turns.items())),
            missed_total=agent.missed_total,
            rejected_total=agent.rejected_total,
            talk_ns=agent.talk_ns,
        )

    def _contact_view(self, contact: _Contact) -> ContactView:
        agent = contact.agent
        return ContactView(
            contact=contact.id,
            tenant=contact.queue.config.tenant,
            queue=contact.queue.config.name,
            client=contact.client,
            state=contact.state,
            seq=contact.seq,
            priority=contact.priority,
            require=requirement.describe(contact.terms),
            attributes=contact.attributes,
            enqueued_ns=contact.enqueued,
            key_ns=contact.key,
            connected_ns=contact.connected,
            completed_ns=contact.completed,
            held=contact.held,
            agent=agent.config.agent if agent else "",
            offer=_offer_id(agent.offer) if agent else "",
            end_reason=contact.end_reason or "",
            deadline_ns=contact.timer.deadline if contact.timer else 0,
            timer=contact.timer.seq if contact.timer else 0,
            wait_expired=contact.wait_expired,
            step=contact.step,
            rank_max=-1 if contact.rank_max is None else contact.rank_max,
            step_deadline_ns=contact.step_timer.deadline if contact.step_timer else 0,
            step_timer=contact.step_timer.seq if contact.step_timer else 0,
        )

    # -- proof --------------------------------------------------------------------------------------------------

    def digest(self) -> str:
        counters = [self.seq, self._contact_seq, self._offer_seq, self._idle_seq, self._timer_seq]
        ended = list(self._ended.items())
        return views.digest([counters, to_json(self._config), self.queues(), self.agents(), self.contacts(), ended])

    def check(self) -> None:
        for contact in self._contacts.values():
            if contact.state == "queued":
                assert contact.agent is None, f"{contact.id} waits and has an agent"
                assert self._best_agent(contact) is None, f"{contact.id} waits while a free agent could serve it"
            else:
                assert contact.agent is not None, f"{contact.id} is {contact.state} without an agent"
                assert contact.agent.contact is contact, f"{contact.id} and its agent disagree"
        for agent in self._agents.values():
            busy = agent.activity in {"offered", "busy", "wrapup"}
            assert (agent.contact is not None) == busy, f"{agent.config.agent} holds a contact in {agent.activity}"
            assert (agent.idle_seq != 0) == (agent.free or agent.activity == "offered"), agent.config.agent
            transient = agent.activity in {"offered", "wrapup", "cooldown"}
            assert (agent.timer is not None) == transient, f"{agent.config.agent} has no deadline in {agent.activity}"
        for queue in self._queues.values():
            live = sum(contact.queue is queue for contact in self._contacts.values())
            assert queue.entered == live + sum(queue.ended.values()), f"sums of {queue.config.name} do not close"


def _offer_id(number: int) -> str:
    return f"o-{number}"


def _bucket(duration_ns: int, bounds_s: tuple[int, ...]) -> int:
    """The bucket of a histogram that a duration falls into."""
    return sum(duration_ns > bound * NS_PER_S for bound in bounds_s)


def _counted(words: Iterable[str]) -> dict[str, int]:
    """How often each word occurs, in alphabetical order."""
    return dict(sorted(Counter(words).items()))
