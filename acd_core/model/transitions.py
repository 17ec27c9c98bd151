"""What happens to contacts and agents: the transitions that commands and deadlines share."""

from acd_core.config import ns_of_seconds, seconds_of_ns
from acd_core.events import (
    ContactEnded,
    ContactOffered,
    ContactStepped,
    ContactWrapup,
    EndReason,
    OfferEnded,
    OfferOutcome,
)
from acd_core.model.rows import AgentRow, ContactRow, bucket, offer_id
from acd_core.model.state import State
from acd_core.refusals import Outcome
from acd_core.views import (
    HANDLE_BUCKETS_S,
)


class Transitions(State):
    """The state with everything that can happen to it; see `Model`."""

    # -- time ---------------------------------------------------------------------------------------------------

    def _contact_deadline(self, contact: ContactRow) -> None:
        match contact.state:
            case "queued":
                self._end(contact, "max_wait")
            case "offered":
                contact.wait_expired = True
            case "connected":
                self._complete(contact, "lost")

    def _take_step(self, contact: ContactRow) -> None:
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

    def _agent_deadline(self, agent: AgentRow) -> None:
        match agent.activity:
            case "offered":
                self._offer_missed(agent)
            case "wrapup":
                self._finish_wrapup(agent)
            case "cooldown":
                self._free(agent)

    # -- matching -----------------------------------------------------------------------------------------------

    def _serve_agent(self, agent: AgentRow) -> None:
        contact = self._best_contact(agent)
        if contact is not None:
            self._offer(contact, agent)

    def _serve_contact(self, contact: ContactRow) -> None:
        agent = self._best_agent(contact)
        if agent is not None:
            self._offer(contact, agent)

    def _offer(self, contact: ContactRow, agent: AgentRow) -> None:
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
            offer=offer_id(agent.offer),
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

    def _end_offer(self, agent: AgentRow, outcome: OfferOutcome, cause: str) -> ContactRow:
        """Undo an offer: the agent holds nothing, the contact waits where it stood."""
        contact = agent.contact
        assert contact is not None
        contact.state = "queued"
        contact.agent = None
        contact.queue.failed[outcome] = contact.queue.failed.get(outcome, 0) + 1
        offer = offer_id(agent.offer)
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

    def _requeue(self, contact: ContactRow) -> None:
        """After a failed offer: another agent at once, if one is free; or the end, if its longest wait is over."""
        if contact.wait_expired:
            self._end(contact, "max_wait")
        else:
            self._serve_contact(contact)

    def _offer_missed(self, agent: AgentRow) -> None:
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

    def _cool_down(self, agent: AgentRow, contact: ContactRow, cause: str, seconds: float) -> None:
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

    def _free(self, agent: AgentRow) -> None:
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

    def _idle(self, agent: AgentRow) -> None:
        self._idle_seq += 1
        agent.idle_seq = self._idle_seq
        self._agent_changed(agent)
        self._serve_agent(agent)

    def _log_out(self, agent: AgentRow) -> None:
        agent.logging_out = False
        self._set_presence(agent, "logged_out")
        agent.missed = 0
        agent.address = agent.config.address
        self._agent_changed(agent)
        agent.client = ""

    # -- contacts -----------------------------------------------------------------------------------------------

    def _gone(self, contact: str) -> int:
        return Outcome.DUPLICATE if contact in self._ended else Outcome.CONTACT_UNKNOWN

    def _leave_queue(self, contact: ContactRow, reason: EndReason) -> None:
        """The contact ends while it waits or is offered; an agent being rung keeps his idle time."""
        agent = contact.agent
        if agent is not None:
            self._end_offer(agent, "withdrawn", reason)
        self._end(contact, reason)
        if agent is not None:
            self._set_activity(agent, "none")
            self._agent_changed(agent)
            self._serve_agent(agent)

    def _complete(self, contact: ContactRow, reason: EndReason) -> None:
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

    def _finish_wrapup(self, agent: AgentRow) -> None:
        contact = agent.contact
        assert contact is not None
        assert contact.end_reason is not None
        self._end(contact, contact.end_reason)
        self._free(agent)

    def _end(self, contact: ContactRow, reason: EndReason) -> None:
        """The contact is over and only remembered."""
        queue = contact.queue
        answered = contact.connected != 0
        wait = (contact.connected if answered else self.now) - contact.enqueued
        if answered:
            handle = self.now - contact.connected
            queue.handle_ns += handle
            queue.handle_histogram[bucket(handle, HANDLE_BUCKETS_S)] += 1
        queue.ended[reason] = queue.ended.get(reason, 0) + 1
        if reason == "abandoned" and wait <= ns_of_seconds(queue.config.service_level_s):
            queue.abandoned_in_target += 1
        contact.timer = None
        contact.step_timer = None
        self._contacts.pop(contact.id, None)
        self._remember(contact, reason)
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

    # -- offers -------------------------------------------------------------------------------------------------

    def _offered_to(self, offer: str) -> AgentRow | int:
        """The agent who holds `offer`, or why there is none."""
        number = int(offer[2:]) if offer.startswith("o-") and offer[2:].isdecimal() and offer.isascii() else 0
        if not 0 < number <= self._offer_seq or offer != offer_id(number):
            return Outcome.OFFER_UNKNOWN
        for agent in self._agents.values():
            if agent.offer == number:
                return agent
        return Outcome.OFFER_GONE

    # -- agents -------------------------------------------------------------------------------------------------

    def _make_ready(self, agent: AgentRow) -> None:
        """End a pause."""
        agent.missed = 0
        self._set_presence(agent, "ready")
        if agent.activity == "none":
            self._idle(agent)
        else:
            self._agent_changed(agent)

    def _stop_offering(self, agent: AgentRow, cause: str) -> ContactRow | None:
        """Take offer and cooldown from an agent who leaves; gives the contact that needs another agent."""
        contact = self._end_offer(agent, "withdrawn", cause) if agent.activity == "offered" else None
        if agent.activity in {"none", "offered", "cooldown"}:
            agent.timer = None
            agent.idle_seq = 0
            agent.cooldown_cause = ""
            self._set_activity(agent, "none")
        return contact
