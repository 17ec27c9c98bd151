"""The specification: the whole behaviour of the engine in plain Python, looked up and sorted at every decision.

Nothing here is fast and everything can be read. A change of behaviour starts in this file; the compiled engine
must then give the same outcomes, events and digest for every stream of commands.

The rules in short:

* **Order of contacts.** A contact's urgency is its head start, which is its priority (with that of its queue) times the
  queue's `priority_step_s`, and what its waiting adds, by the queue's slope. The most urgent is served first, ties by
  arrival. It follows from its arrival alone, so a failed offer cannot cost it its place. Where priority is strict, it
  goes before urgency.
* **Order of agents.** Of the free agents who meet the requirement, those of the lowest rank in the queue come first;
  among them the queue's strategy decides, and then who has been idle for longest. A freed agent in turn serves the
  queues in which his rank is lowest first.
* **Steps.** A contact that has waited so long may be served by other agents, or earlier: a step replaces what the queue
  asks, widens the ranks that count, or adds priority. It takes effect at once, or when the agent being rung fails.
* **Capacity.** An agent may hold several contacts, as far as his capacity in units reaches; he is rung for one at a
  time. Each is joined to him by a leg: offered, connected, wrap-up. A change of what he holds puts him at the end of
  the idle order. `longest_idle` prefers those with less in hand.
* **Ringing several.** A queue may offer a contact to several agents at once. The first to accept gets it; the
  others are told at once and keep their places.
* **Questions.** An agent who talks with a contact asks a colleague by a contact of its own, which waits like any
  other. Who accepts it can be brought in, so that several agents talk with one contact, and one of them leaves.
* **No polling.** An arriving contact looks at free agents, a freed agent at waiting contacts. In between, no
  contact waits that a free agent could serve.
* **Forecasts.** How fast each line moves is measured while somebody waits in it, and a contact that has to wait is
  told for how long; see `acd_core.forecast`.
* **Everything transient has a deadline**: offer, wrap-up, cooldown, waiting, talking. Deadlines fire at their own
  instant, in the order (deadline, when it was set).
* An agent whose offer is withdrawn keeps his place among the idle; one who rejects or misses an offer does not.
"""

import functools
import heapq
import itertools
from collections.abc import Callable
from typing import Any

from acd_core import requirement
from acd_core.config import Config, Step, StepsMode, ns_of_seconds, rest_of, seconds_of_ns
from acd_core.events import (
    AgentQueuesChanged,
    AgentUpdated,
    AttemptCause,
    ContactConnected,
    ContactHeld,
    ContactResumed,
    ContactUpdated,
    HoursUpdated,
)
from acd_core.joined import choice
from acd_core.model.reconfigured import Reconfigured
from acd_core.model.rows import (
    AgentRow,
    CalendarRow,
    ContactRow,
    LegRow,
    OutsideClock,
    PauseClock,
    QueueRow,
    RestClock,
    bucket,
)
from acd_core.model.state import Owner
from acd_core.refusals import Outcome
from acd_core.views import ACCEPT_BUCKETS_S, Direction, Place
from acd_core.wishes import NO_WISHES, Wishes, preference_of, refusal_of


def settled(command: Callable[..., int]) -> Callable[..., int]:
    """A command after which those are served for whom a gate has opened."""

    @functools.wraps(command)
    def settling(self: "Model", *args: Any, **kwargs: Any) -> int:
        outcome = command(self, *args, **kwargs)
        self._settle()
        return outcome

    return settling


class Model(Reconfigured):
    """The readable machine; see `acd_core.machine.Machine` for the contract."""

    # -- time ---------------------------------------------------------------------------------------------------

    def advance(self, now: int, limit: int = 0) -> None:
        now = max(now, self.now)
        fired = 0
        while True:
            self._drop_stale_timers()
            if not self._deadlines or self._deadlines[0][0] > now:
                break
            if 0 < limit <= fired and self._deadlines[0][0] > self.now:
                return
            fired += 1
            deadline, _, owner, timer = heapq.heappop(self._deadlines)
            self._pass_time(max(self.now, deadline))
            if timer is not owner.timer:
                assert isinstance(owner, ContactRow)
                if timer is owner.stay_timer:
                    self._stay_over(owner)
                elif timer is owner.look_timer:
                    self._look_again(owner)
                elif timer is owner.prefer_timer:
                    self._prefer_over(owner)
                else:
                    self._take_step(owner)
            else:
                self._due(owner)
            self._settle()
        self._pass_time(now)

    def _due(self, owner: Owner) -> None:
        """The deadline of an owner's own has come."""
        owner.timer = None
        match owner:
            case ContactRow():
                self._contact_deadline(owner)
            case LegRow():
                self._leg_deadline(owner)
            case AgentRow():
                self._end_cooldown(owner)
            case CalendarRow():
                self._calendar_deadline(owner)
            case QueueRow():
                self._reserve_over(owner)
            case PauseClock():
                self._allowance_used(owner)
            case OutsideClock():
                self._outside_due(owner)
            case RestClock():
                rested = self._rest_due(owner)
                if rested or (not owner.agent.idle_seq and self._can_be_idle(owner.agent)):
                    self._lighten(owner.agent)

    # -- contacts -----------------------------------------------------------------------------------------------

    @settled
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
        direction: Direction = "inbound",
        wishes: Wishes = NO_WISHES,
    ) -> int:
        self.advance(now)
        self.last_position = 0
        self.last_estimate = None
        live = self._contacts.get(contact)
        if live is not None:
            asked_for = live.arrived_in or live.queue.config.name
            same = (live.client, live.queue.config.tenant, asked_for) == (client, tenant, queue)
            return Outcome.DUPLICATE if same else Outcome.CONTACT_EXISTS
        if contact in self._ended:
            _, owner = self._ended[contact]
            return Outcome.DUPLICATE if owner == client else Outcome.CONTACT_EXISTS
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
        refusal = refusal_of(wishes.steps, tenant, self._skills, self._queues)
        if refusal is not Outcome.OK:
            return refusal
        if len(self._contacts) >= self._config.settings.max_contacts:
            return Outcome.TOO_MANY_CONTACTS
        of_tenant = sum(contact.queue.config.tenant == tenant for contact in self._contacts.values())
        if 0 < self._tenants[tenant].max_contacts <= of_tenant:
            return Outcome.TENANT_FULL
        self._contact_seq += 1
        arrived = ContactRow(
            contact,
            client,
            target,
            self._contact_seq,
            priority,
            own_terms,
            attributes,
            enqueued=self.now,
            direction=direction,
            plan=(),
            own_steps=wishes.steps,
            own_steps_mode=wishes.steps_mode,
            age=wishes.age_ns,
            caller=wishes.caller,
            consults=wishes.consults,
            asked_by=wishes.asked_by,
        )
        self._take_credit(arrived)
        arrived.plan = self._plan(target, arrived)
        if arrived.consults:
            self._begin_consult(arrived)
        last_agent = self._last_agents.get((tenant, wishes.caller), "")
        self.last_position = self._join(arrived, preference_of(wishes, target.config, last_agent))
        self.last_estimate = arrived.estimate
        return Outcome.OK

    @settled
    def update_contact(
        self,
        now: int,
        contact: str,
        priority: int | None,
        attributes: dict[str, Any] | None,
        steps: tuple[Step, ...] | None = None,
        steps_mode: StepsMode = "add",
        place: Place | None = None,
        other: str | None = None,
    ) -> int:
        self.advance(now)
        live = self._contacts.get(contact)
        if live is None:
            return Outcome.CONTACT_NOT_WAITING if contact in self._ended else Outcome.CONTACT_UNKNOWN
        new_priority = live.priority if priority is None else priority
        new_attributes = live.attributes if attributes is None else attributes
        new_steps = (live.own_steps, live.own_steps_mode) if steps is None else (steps, steps_mode)
        other_steps = new_steps != (live.own_steps, live.own_steps_mode)
        config = live.queue.config
        changed = new_priority != live.priority or other_steps or place is not None or other is not None
        if changed and live.state not in {"queued", "offered"}:
            return Outcome.CONTACT_NOT_WAITING
        refusal = refusal_of(new_steps[0], config.tenant, self._skills, self._queues) if other_steps else Outcome.OK
        if refusal is not Outcome.OK:
            return refusal
        by_hand = live.by_hand if new_priority == live.priority else None
        if place is not None or other is not None:
            beside = self._beside(live, place, other)
            if beside is None or priority is not None:
                return Outcome.PLACE_INVALID
            if beside is not live:
                by_hand = live.beside(beside, -1 if place == "after" else 1)
        if (new_priority, new_attributes, by_hand) == (
            live.priority,
            live.attributes,
            live.by_hand,
        ) and not other_steps:
            return Outcome.DUPLICATE
        live.priority = new_priority
        live.by_hand = by_hand
        live.attributes = new_attributes
        live.own_steps, live.own_steps_mode = new_steps
        self._emit(
            ContactUpdated,
            live,
            live.agent,
            contact=contact,
            tenant=config.tenant,
            queue=config.name,
            priority=new_priority,
            place=place or "",
            other=other or "",
        )
        if other_steps:
            self._replan(live)
            self._judge(live)
            self._serve_contact(live)
        return Outcome.OK

    def _beside(self, contact: ContactRow, place: Place | None, other: str | None) -> ContactRow | None:
        """The contact of the same queue that another is to be put beside: itself if it is first already; None if there is no
        such place.
        """
        rivals = [
            rival
            for rival in self._contacts.values()
            if rival.queue is contact.queue and rival is not contact and rival.state in {"queued", "offered"}
        ]
        if place in {"before", "after"}:
            return next((rival for rival in rivals if rival.id == other), None)
        if place is None or other is not None:
            return None
        return min([contact, *rivals], key=self._order)

    @settled
    def abandon_contact(self, now: int, contact: str) -> int:
        self.advance(now)
        live = self._contacts.get(contact)
        if live is None:
            return self._gone(contact)
        if live.state == "wrapup":
            return Outcome.DUPLICATE
        if live.callback is not None and live.state != "connected":
            return Outcome.CONTACT_IS_CALLBACK
        if live.state == "connected":
            self._complete(live, "completed_caller")
        else:
            self._leave_queue(live, "abandoned")
        return Outcome.OK

    @settled
    def withdraw_contact(self, now: int, contact: str) -> int:
        self.advance(now)
        live = self._contacts.get(contact)
        if live is None:
            return self._gone(contact)
        if live.state not in {"queued", "offered", "parked"}:
            return Outcome.CONTACT_NOT_WAITING
        self._leave_queue(live, "withdrawn")
        return Outcome.OK

    @settled
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

    @settled
    def transfer_contact(
        self,
        now: int,
        contact: str,
        queue: str | None,
        agent: str | None,
        outside: str | None,
        keep_age: bool,
        require: str | None,
        priority: int | None,
    ) -> int:
        self.advance(now)
        live = self._contacts.get(contact)
        if live is None:
            return Outcome.CONTACT_NOT_CONNECTED if contact in self._ended else Outcome.CONTACT_UNKNOWN
        if live.state == "wrapup":
            return Outcome.CONTACT_NOT_CONNECTED
        if live.state == "parked":
            return Outcome.CONTACT_NOT_WAITING
        if live.consults:
            return Outcome.CONTACT_IS_CONSULT
        if (outside is not None) == (queue is not None or agent is not None):
            return Outcome.TRANSFER_INVALID
        if outside is not None:
            self._transfer_outside(live, outside)
            return Outcome.OK
        tenant = live.queue.config.tenant
        target = live.queue if queue is None else self._queues.get((tenant, queue))
        if target is None:
            return Outcome.QUEUE_UNKNOWN
        if agent is not None:
            person = self._agents.get(agent)
            if person is None or (person.config.tenants and tenant not in person.config.tenants):
                return Outcome.AGENT_UNKNOWN
            if person.presence == "logged_out":
                return Outcome.AGENT_LOGGED_OUT
            if not person.serves([target.path]):
                return Outcome.AGENT_NOT_JOINED
        own_terms = live.own_terms
        try:
            if require is not None:
                own_terms = requirement.parse(require)
            own_terms = requirement.for_agent(own_terms, agent)
        except requirement.RequirementError:
            return Outcome.REQUIREMENT_INVALID
        if any(skill not in self._skills for skill in requirement.skills_of(own_terms)):
            return Outcome.SKILL_UNKNOWN
        new_priority = live.priority if priority is None else priority
        there = live.state != "connected" and target is live.queue
        if there and (own_terms, new_priority) == (live.own_terms, live.priority):
            return Outcome.DUPLICATE
        live.own_terms = own_terms
        live.priority = new_priority
        self._transfer(live, target, keep_age, agent or "")
        return Outcome.OK

    @settled
    def consult_contact(
        self,
        now: int,
        client: str,
        contact: str,
        consult: str,
        queue: str | None,
        agent: str | None,
        asked_by: str | None,
        priority: int,
        require: str,
        attributes: dict[str, Any],
    ) -> int:
        self.advance(now)
        known = self._contacts.get(consult)
        if known is not None:
            same = (known.client, known.consults) == (client, contact)
            return Outcome.DUPLICATE if same else Outcome.CONTACT_EXISTS
        if consult in self._ended:
            return Outcome.DUPLICATE if self._ended[consult][1] == client else Outcome.CONTACT_EXISTS
        live = self._contacts.get(contact)
        if live is None:
            return Outcome.CONTACT_NOT_CONNECTED if contact in self._ended else Outcome.CONTACT_UNKNOWN
        if live.state != "connected":
            return Outcome.CONTACT_NOT_CONNECTED
        if live.consults:
            return Outcome.CONTACT_IS_CONSULT
        if live.consult is not None:
            return Outcome.CONSULT_EXISTS
        assert live.agent is not None
        talking = [leg.agent.config.agent for leg in live.legs]
        asker = live.agent.config.agent if asked_by is None else asked_by
        if asker not in talking:
            return Outcome.AGENT_NOT_TALKING
        if agent in talking or (queue is None and agent is None):
            return Outcome.CONSULT_INVALID
        tenant = live.queue.config.tenant
        if agent is not None:
            person = self._agents.get(agent)
            if person is None or (person.config.tenants and tenant not in person.config.tenants):
                return Outcome.AGENT_UNKNOWN
            if person.presence == "logged_out":
                return Outcome.AGENT_LOGGED_OUT
            target = live.queue if queue is None else self._queues.get((tenant, queue))
            if target is not None and not person.serves([target.path]):
                return Outcome.AGENT_NOT_JOINED
        try:
            asked = requirement.parse(require)
            if agent is not None:
                asked = requirement.for_agent(asked, agent)
            else:
                asked = requirement.for_others(asked, talking)
        except requirement.RequirementError:
            return Outcome.REQUIREMENT_INVALID
        return self.enqueue_contact(
            now,
            client,
            consult,
            tenant,
            live.queue.config.name if queue is None else queue,
            priority,
            requirement.describe(asked),
            attributes,
            "internal",
            Wishes(consults=contact, asked_by=asker),
        )

    @settled
    def merge_contact(self, now: int, contact: str, transfer: bool) -> int:
        self.advance(now)
        live = self._contacts.get(contact)
        if live is None:
            return Outcome.CONTACT_NOT_CONNECTED if contact in self._ended else Outcome.CONTACT_UNKNOWN
        if not live.consults:
            return Outcome.CONTACT_NO_CONSULT
        about = self._about(live)
        if live.state != "connected" or about is None:
            return Outcome.CONTACT_NOT_CONNECTED
        self._merge(live, about, transfer)
        return Outcome.OK

    @settled
    def drop_contact(self, now: int, contact: str, agent: str) -> int:
        self.advance(now)
        live = self._contacts.get(contact)
        if live is None:
            return Outcome.CONTACT_NOT_CONNECTED if contact in self._ended else Outcome.CONTACT_UNKNOWN
        if live.state != "connected":
            return Outcome.CONTACT_NOT_CONNECTED
        legs = [leg for leg in live.legs if leg.agent.config.agent == agent]
        if not legs:
            return Outcome.AGENT_NOT_TALKING
        if len(live.legs) == 1:
            return Outcome.AGENT_ALONE
        self._drop(live, legs[0])
        return Outcome.OK

    @settled
    def callback_contact(self, now: int, contact: str, number: str, failed: AttemptCause | None) -> int:
        self.advance(now)
        live = self._contacts.get(contact)
        if live is None:
            return Outcome.CONTACT_NOT_WAITING if contact in self._ended else Outcome.CONTACT_UNKNOWN
        if (number == "") == (failed is None):
            return Outcome.CALLBACK_INVALID
        if failed is not None:
            if live.callback is None or live.state != "connected":
                return Outcome.CONTACT_NOT_CONNECTED
            self._attempt_failed(live, failed)
            return Outcome.OK
        if live.callback is not None:
            return Outcome.DUPLICATE if live.callback.number == number else Outcome.CALLBACK_EXISTS
        if live.state not in {"queued", "offered"}:
            return Outcome.CONTACT_NOT_WAITING
        if live.consults:
            return Outcome.CONTACT_IS_CONSULT
        if live.queue.config.callback is None:
            return Outcome.CALLBACK_NOT_OFFERED
        tenant = live.queue.config.tenant
        for other in self._contacts.values():
            if other.callback is not None and (other.queue.config.tenant, other.callback.number) == (tenant, number):
                return Outcome.CALLBACK_EXISTS
        self._call_back(live, number)
        return Outcome.OK

    @settled
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

    # -- offers -------------------------------------------------------------------------------------------------

    @settled
    def accept_offer(self, now: int, offer: str) -> int:
        self.advance(now)
        leg = self._leg_of(offer)
        if not isinstance(leg, LegRow):
            return leg
        if leg.state != "offered":
            return Outcome.DUPLICATE
        contact, agent, queue = leg.contact, leg.agent, leg.queue
        assert contact is not None
        losers = self._end_offers(contact, leg, "answered_elsewhere")
        wait = self.now - contact.enqueued
        rung = self.now - leg.since
        leg.state = "connected"
        leg.since = self.now
        leg.connected = self.now
        leg.timer = None
        contact.state = "connected"
        contact.connected = self.now
        contact.wait_expired = False
        self._stay_no_longer(contact)
        self._arm(contact, self.now + ns_of_seconds(queue.config.max_talk_s))
        self._note_last_agent(contact, agent)
        agent.idle_seq = 0
        agent.missed = 0
        agent.answered += 1
        self._had_inbound(leg)
        agent.answered_since_login += 1
        self._refresh(agent)
        if contact.callback is None:
            self._count_answered(queue, wait)
        queue.accept_ns += rung
        queue.accept_histogram[bucket(rung, ACCEPT_BUCKETS_S)] += 1
        stands_since = contact.callback.joined_ns if contact.callback is not None else contact.enqueued
        self._score(contact, self.now - stands_since, rung)
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
        self._lighten(agent)
        for other in losers:
            self._recall(other)
        return Outcome.OK

    @settled
    def reject_offer(self, now: int, offer: str, cause: str) -> int:
        self.advance(now)
        leg = self._leg_of(offer)
        if not isinstance(leg, LegRow):
            return leg
        if leg.state != "offered":
            return Outcome.OFFER_GONE
        leg.agent.rejected_total += 1
        self._had_inbound(leg)
        contact = self._end_offer(leg, "rejected", cause)
        self._note(contact, "rejected", agent=leg.agent)
        self._disappoint(contact, leg.agent)
        leg.agent.idle_seq = 0
        if self._failed_too_often(leg.agent):
            self._pause_by_itself(leg.agent, contact, "failed_offers")
        else:
            self._cool_down(leg.agent, contact, *rest_of(leg.queue.config, cause))
        return Outcome.OK

    # -- agents -------------------------------------------------------------------------------------------------

    @settled
    def login_agent(
        self,
        now: int,
        client: str,
        agent: str,
        address: str | None,
        ready: bool,
        queues: tuple[str, ...] | None = None,
    ) -> int:
        self.advance(now)
        person = self._agents.get(agent)
        if person is None:
            return Outcome.AGENT_UNKNOWN
        new_address = person.address if address is None else address
        chosen = person.queues
        if queues is not None:
            outcome, chosen = choice(chosen, queues, (), (), person.config.tenants, self._queues.keys())
            if outcome is not Outcome.OK:
                return outcome
        if person.presence != "logged_out":
            same = (person.client, person.address, person.queues) == (client, new_address, chosen)
            if same and not person.logging_out:
                return Outcome.DUPLICATE
            was_logging_out = person.logging_out
            person.client = client
            person.address = new_address
            person.logging_out = False
            self._choose(person, chosen)
            if was_logging_out and self._can_be_idle(person):
                self._idle(person)
            else:
                self._agent_changed(person)
                self._serve_agent(person)
            return Outcome.OK
        person.client = client
        person.address = new_address
        person.answered_since_login = 0
        person.inbound_seq = 0
        self._choose(person, chosen)
        if ready:
            self._make_ready(person)
        else:
            self._set_presence(person, "paused", "login")
            self._agent_changed(person)
        return Outcome.OK

    @settled
    def choose_queues(
        self, now: int, agent: str, queues: tuple[str, ...] | None, join: tuple[str, ...], leave: tuple[str, ...]
    ) -> int:
        self.advance(now)
        person = self._agents.get(agent)
        if person is None:
            return Outcome.AGENT_UNKNOWN
        if person.presence == "logged_out":
            return Outcome.AGENT_LOGGED_OUT
        outcome, chosen = choice(person.queues, queues, join, leave, person.config.tenants, self._queues.keys())
        if outcome is not Outcome.OK:
            return outcome
        if chosen == person.queues:
            return Outcome.DUPLICATE
        self._choose(person, chosen)
        self._serve_agent(person)
        return Outcome.OK

    def _choose(self, agent: AgentRow, queues: tuple[str, ...]) -> None:
        """From now on an agent serves these of his queues; all when there are none."""
        if queues != agent.queues:
            agent.queues = queues
            self._emit(AgentQueuesChanged, None, agent, agent=agent.config.agent, queues=len(queues))
            self._judge_all()

    @settled
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
        if person.timer is not None:
            self._end_cooldown(person)
            return Outcome.OK
        return Outcome.DUPLICATE

    @settled
    def pause_agent(self, now: int, agent: str, reason: str) -> int:
        self.advance(now)
        person = self._agents.get(agent)
        if person is None:
            return Outcome.AGENT_UNKNOWN
        if person.presence == "logged_out":
            return Outcome.AGENT_LOGGED_OUT
        names = [configured.name for configured in self._config.pause_reasons]
        if names and reason not in names:
            return Outcome.PAUSE_REASON_UNKNOWN
        if person.presence == "paused" and person.pause_reason == reason:
            return Outcome.DUPLICATE
        contact = self._stop_offering(person, "agent_paused")
        self._set_presence(person, "paused", reason)
        self._agent_changed(person)
        if contact is not None:
            self._requeue(contact)
        return Outcome.OK

    @settled
    def logout_agent(self, now: int, agent: str) -> int:
        self.advance(now)
        person = self._agents.get(agent)
        if person is None:
            return Outcome.AGENT_UNKNOWN
        if person.presence == "logged_out" or person.logging_out:
            return Outcome.DUPLICATE
        contact = self._stop_offering(person, "agent_logged_out")
        if person.leg is not None and person.leg.state == "connected":
            person.logging_out = True
            self._agent_changed(person)
        elif person.leg is not None:
            person.logging_out = True
            free = [leg for leg in self._wrapups(person) if not leg.queue.config.disposition_required]
            for leg in free:
                self._finish_leg(leg)
            if not free:
                self._agent_changed(person)
        else:
            self._log_out(person)
        if contact is not None:
            self._requeue(contact)
        return Outcome.OK

    @settled
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
        self._judge_all()
        self._serve_agent(person)
        return Outcome.OK

    @settled
    def report_outside(self, now: int, agent: str, channel: str, contacts: int, for_ns: int) -> int:
        self.advance(now)
        person = self._agents.get(agent)
        if person is None:
            return Outcome.AGENT_UNKNOWN
        if channel not in self._channels:
            return Outcome.CHANNEL_UNKNOWN
        before, until = person.outside.get(channel), self.now + for_ns
        if before is None and not contacts:
            return Outcome.DUPLICATE
        if before is not None and (before.contacts, before.until) == (contacts, until):
            return Outcome.DUPLICATE
        self._report_outside(person, channel, contacts, until)
        return Outcome.OK

    @settled
    def end_wrapup(self, now: int, agent: str, disposition: str = "", contact: str | None = None) -> int:
        self.advance(now)
        person = self._agents.get(agent)
        if person is None:
            return Outcome.AGENT_UNKNOWN
        if person.presence == "logged_out":
            return Outcome.AGENT_LOGGED_OUT
        wrapups = self._wrapups(person, contact)
        if not wrapups:
            return Outcome.AGENT_NOT_IN_WRAPUP
        if not disposition and any(leg.queue.config.disposition_required for leg in wrapups):
            return Outcome.DISPOSITION_MISSING
        for leg in wrapups:
            if disposition:
                self._dispose(leg, disposition)
            self._finish_leg(leg)
        return Outcome.OK

    @settled
    def extend_wrapup(self, now: int, agent: str, by_ns: int, contact: str | None = None) -> int:
        self.advance(now)
        person = self._agents.get(agent)
        if person is None:
            return Outcome.AGENT_UNKNOWN
        if person.presence == "logged_out":
            return Outcome.AGENT_LOGGED_OUT
        wrapups = self._wrapups(person, contact)
        if not wrapups:
            return Outcome.AGENT_NOT_IN_WRAPUP
        later = [(leg, min(leg.timer.deadline + by_ns, leg.latest)) for leg in wrapups if leg.timer]
        longer = [(leg, deadline) for leg, deadline in later if leg.timer and deadline > leg.timer.deadline]
        if not longer:
            return Outcome.WRAPUP_LONGEST
        for leg, deadline in longer:
            self._extend(leg, deadline)
        self._agent_changed(person)
        return Outcome.OK

    # -- clients ------------------------------------------------------------------------------------------------

    @settled
    def leave_client(self, now: int, client: str) -> int:
        self.advance(now)
        seq_before = self.seq
        orphans = []
        for agent in self._agents.values():
            if agent.client == client and agent.presence == "ready":
                contact = self._stop_offering(agent, "agent_unreachable")
                self._set_presence(agent, "paused", "unreachable")
                self._agent_changed(agent)
                if contact is not None and contact not in orphans:
                    orphans.append(contact)
        end = self._config.settings.absent_client_contacts == "end"
        orphans.sort(key=self._order)
        ended = [contact for contact in orphans if end and contact.client == client and contact.callback is None]
        for contact in ended:
            self._leave_queue(contact, "lost")
        orphans = [contact for contact in orphans if contact not in ended]
        for contact in orphans:  # all of them wait before the first of them can go elsewhere, and is told its position
            if contact.state == "queued":
                self._wait(contact)
        for contact in orphans:
            self._requeue(contact)
        if end:
            for contact in sorted(self._contacts.values(), key=lambda contact: contact.seq):
                mine = contact.client == client and contact.callback is None
                if mine and contact.state in {"queued", "offered"}:
                    self._leave_queue(contact, "lost")
        return Outcome.OK if self.seq > seq_before else Outcome.DUPLICATE

    @settled
    def return_client(self, now: int, client: str) -> int:
        self.advance(now)
        seq_before = self.seq
        for agent in self._agents.values():
            if agent.client == client and agent.presence == "paused" and agent.pause_reason == "unreachable":
                self._make_ready(agent)
        return Outcome.OK if self.seq > seq_before else Outcome.DUPLICATE

    # -- closing ------------------------------------------------------------------------------------------------

    @settled
    def close_queue(self, now: int, tenant: str, queue: str, reason: str) -> int:
        return self._set_emergency(now, tenant, queue, reason)

    @settled
    def open_queue(self, now: int, tenant: str, queue: str) -> int:
        return self._set_emergency(now, tenant, queue, None)

    def _set_emergency(self, now: int, tenant: str, queue: str, reason: str | None) -> int:
        self.advance(now)
        found = self._queues.get((tenant, queue))
        if found is None:
            known = any(tenant == known.name for known in self._config.tenants)
            return Outcome.QUEUE_UNKNOWN if known else Outcome.TENANT_UNKNOWN
        if found.emergency == reason:
            return Outcome.DUPLICATE
        found.emergency = reason
        self._closing_changed(found)
        return Outcome.OK

    @settled
    def set_hours(self, now: int, calendar: str, is_open: bool, changes_ns: list[int]) -> int:
        self.advance(now)
        found = self._calendars.get(calendar)
        if found is None:
            return Outcome.CALENDAR_UNKNOWN
        if any(later <= earlier for earlier, later in itertools.pairwise(changes_ns)):
            return Outcome.HOURS_INVALID
        ahead = [instant for instant in changes_ns if instant > self.now]
        open_now = is_open != ((len(changes_ns) - len(ahead)) % 2 == 1)
        if (open_now, ahead) == (found.open, found.changes):
            return Outcome.DUPLICATE
        found.open, found.changes = open_now, ahead
        found.timer = None
        if ahead:
            self._arm(found, ahead[0])
        self._emit(HoursUpdated, None, None, calendar=calendar, open=open_now, changes=len(ahead))
        self._calendar_turned(found)
        return Outcome.OK

    # -- configuration ------------------------------------------------------------------------------------------

    @settled
    def apply_config(self, now: int, config: Config) -> int:
        self.advance(now)
        return self._apply_config(config)
