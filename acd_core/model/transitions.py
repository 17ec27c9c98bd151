"""What happens to contacts and agents: the transitions that commands and deadlines share."""

import dataclasses

from acd_core.config import OVERFLOWS_MAX, WAY_OUT_REASONS, JoinRule, StayRule, ns_of_seconds, seconds_of_ns
from acd_core.events import (
    ContactDisposed,
    ContactEnded,
    ContactOffered,
    ContactOverflowed,
    ContactQueued,
    ContactStepped,
    ContactTransferred,
    ContactWrapup,
    ContactWrapupExtended,
    EndReason,
    OfferEnded,
    OfferOutcome,
    OverflowCause,
)
from acd_core.model.conditions import Conditions
from acd_core.model.rows import AgentRow, CalendarRow, ContactRow, LegRow, QueueRow, bucket, offer_id
from acd_core.plan import Plan, passed, plan_of
from acd_core.refusals import Outcome
from acd_core.views import (
    HANDLE_BUCKETS_S,
    HISTORY_MAX,
    TRAIL_MAX,
    WAIT_BUCKETS_S,
    Estimate,
    Passage,
    in_seconds,
)
from acd_core.wishes import Preference

UNANSWERED = ("abandoned", "max_wait", "no_agents", "queue_full", "lost")
"""How contacts end that wanted an agent to the last."""


class Transitions(Conditions):
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
        """The contact has waited so long that its next step holds, or waits in vain for the one that holds."""
        contact.step += 1
        self._note(contact, "step", step=contact.step)
        contact.useless = self._is_useless(contact)
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
        self._judge(contact)
        self._serve_contact(contact)

    def _note(
        self, contact: ContactRow, why: str, *, to: str = "", agent: AgentRow | None = None, step: int = 0
    ) -> None:
        """Remember what happens to a contact now."""
        passage = Passage(
            at_ns=self.now,
            why=why,
            queue=contact.queue.config.name,
            to=to,
            agent=agent.config.agent if agent else "",
            step=step,
        )
        contact.trail = [*contact.trail, passage][-TRAIL_MAX:]

    def _stay_over(self, contact: ContactRow) -> None:
        """A condition on staying has failed for long enough. While the phone rings the contact may still be answered."""
        contact.stay_timer = None
        assert contact.stay is not None
        index, rule = contact.stay, contact.queue.config.stay[contact.stay]
        if rule.when == "wait_estimate":
            contact.seen_ms = -1
            self._look(contact)
            self._judge(contact)
        if contact.state == "queued" and contact.stay == index:
            self._leave_by(contact, rule)

    def _look_again(self, contact: ContactRow) -> None:
        """The estimate of a contact, for which a rule on staying asks, was looked at long enough ago."""
        contact.look_timer = None
        self._look(contact)
        self._judge(contact)

    def _prefer_over(self, contact: ContactRow) -> None:
        """The time for the agents whom the contact prefers is over, or none of them can come."""
        self._end_preference(contact)
        self._serve_contact(contact)

    def _calendar_deadline(self, calendar: CalendarRow) -> None:
        """The calendar opens, or closes."""
        calendar.open = not calendar.open
        calendar.changes.pop(0)
        if calendar.changes:
            self._arm(calendar, calendar.changes[0])
        self._calendar_turned(calendar)

    def _calendar_turned(self, calendar: CalendarRow) -> None:
        for queue in self._queues.values():
            if queue.calendar is calendar:
                self._closing_changed(queue)

    def _leg_deadline(self, leg: LegRow) -> None:
        if leg.state == "offered":
            self._offer_missed(leg)
        else:
            self._finish_leg(leg)

    # -- matching -----------------------------------------------------------------------------------------------

    def _serve_agent(self, agent: AgentRow) -> None:
        contact = self._best_contact(agent)
        if contact is not None:
            self._witness(contact, agent, agent_looked=True)
            self._offer(contact, agent)

    def _serve_contact(self, contact: ContactRow) -> None:
        """Offer a contact to free agents, to as many at once as its queue says; if there is none, move it to the queue
        that its step says.
        """
        while contact.in_line:
            agent = self._best_agent(contact)
            if agent is None:
                break
            self._witness(contact, agent, agent_looked=False)
            self._offer(contact, agent)
        if contact.state == "queued" and not (contact.stage.overflow and self._overflow(contact)):
            self._wait(contact)

    def _settle(self) -> None:
        """Some gate may have opened: serve those who wait, in their order, until nobody can be served."""
        served = self._gated
        while served:
            served = False
            waiting = [contact for contact in self._contacts.values() if contact.in_line]
            for contact in sorted(waiting, key=self._order):
                if self._best_agent(contact) is not None:
                    self._serve_contact(contact)
                    served = True
                    break

    def _offer(self, contact: ContactRow, agent: AgentRow) -> None:
        queue = contact.queue
        timeout = ns_of_seconds(queue.config.offer_timeout_s)
        self._offer_seq += 1
        leg = LegRow(self._offer_seq, contact, contact.id, agent, queue, since=self.now, direction=contact.direction)
        contact.state = "offered"
        contact.legs.append(leg)
        agent.legs.append(leg)
        self._refresh(agent)
        self._arm(leg, self.now + timeout)
        queue.offers += 1
        if queue.config.strategy == "round_robin":
            queue.turn += 1
            agent.turns[queue.path] = queue.turn
        self._allocate(queue, agent, 1)
        self._emit(
            ContactOffered,
            contact,
            agent,
            offer=offer_id(leg.number),
            contact=contact.id,
            tenant=queue.config.tenant,
            queue=queue.config.name,
            agent=agent.config.agent,
            address=agent.address,
            expires_in=seconds_of_ns(timeout),
            wait=seconds_of_ns(self.now - contact.enqueued),
            attributes=contact.attributes,
            history=tuple(contact.history),
            callback=contact.callback.number if contact.callback is not None else "",
            consults=contact.consults,
        )
        self._agent_changed(agent)

    def _end_offer(self, leg: LegRow, outcome: OfferOutcome, cause: str) -> ContactRow:
        """Undo an offer: the agent does not hold the contact any more, which waits where it stood."""
        contact, agent = leg.contact, leg.agent
        assert contact is not None
        self._drop_leg(leg)
        if not contact.offers:
            contact.state = "queued"
        self._allocate(leg.queue, agent, -1)
        leg.queue.failed[outcome] = leg.queue.failed.get(outcome, 0) + 1
        self._emit(
            OfferEnded,
            contact,
            agent,
            offer=offer_id(leg.number),
            contact=contact.id,
            tenant=leg.queue.config.tenant,
            queue=leg.queue.config.name,
            agent=agent.config.agent,
            outcome=outcome,
            cause=cause,
        )
        return contact

    def _had_inbound(self, leg: LegRow) -> None:
        """The agent's time since his last inbound contact begins anew, if this was one."""
        if leg.direction == "inbound":
            leg.agent.inbound_seq = 0

    def _drop_leg(self, leg: LegRow) -> None:
        leg.timer = None
        leg.agent.legs.remove(leg)
        if leg.contact is not None:
            leg.contact.legs.remove(leg)

    def _requeue(self, contact: ContactRow) -> None:
        """After a failed offer: another agent at once, if one is free; or the end, if its time was over meanwhile."""
        if contact.wait_expired and contact.state == "queued":
            self._end(contact, "max_wait")
        elif contact.state == "queued" and contact.stay is not None and contact.stay_timer is None:
            self._leave_by(contact, contact.queue.config.stay[contact.stay])
        else:
            self._serve_contact(contact)

    def _recall(self, agent: AgentRow) -> None:
        """An offer was taken back from the agent by no act of his: he keeps his place among the idle."""
        if not self._can_be_idle(agent):
            agent.idle_seq = 0
        self._refresh(agent)
        self._agent_changed(agent)
        self._serve_agent(agent)

    def _offer_missed(self, leg: LegRow) -> None:
        agent = leg.agent
        agent.missed += 1
        agent.missed_total += 1
        self._had_inbound(leg)
        contact = self._end_offer(leg, "timed_out", "")
        self._note(contact, "timed_out", agent=agent)
        self._disappoint(contact, agent)
        limit = agent.config.missed_offers_max
        if limit is None:
            limit = self._config.settings.missed_offers_max
        agent.idle_seq = 0
        failed_too_often = self._failed_too_often(agent)
        if limit and agent.missed >= limit:
            self._pause_by_itself(agent, contact, "missed_offers")
        elif failed_too_often:
            self._pause_by_itself(agent, contact, "failed_offers")
        else:
            self._cool_down(agent, contact, "no_answer", leg.queue.config.no_answer_cooldown_s)

    def _pause_by_itself(self, agent: AgentRow, contact: ContactRow, reason: str) -> None:
        """Offers to him are in vain: pause him, and find another for the contact."""
        agent.missed = 0
        agent.failed = []
        self._refresh(agent)
        self._set_presence(agent, "paused", reason)
        self._agent_changed(agent)
        self._requeue(contact)

    def _cool_down(self, agent: AgentRow, contact: ContactRow, cause: str, seconds: float) -> None:
        """Rest `agent`, and find another for `contact` before he can be free again."""
        duration = ns_of_seconds(seconds)
        if duration:
            agent.cooldown_cause = cause
            self._arm(agent, self.now + duration)
            self._refresh(agent)
            self._agent_changed(agent)
        self._requeue(contact)
        if not duration:
            self._lighten(agent)

    def _end_cooldown(self, agent: AgentRow) -> None:
        agent.timer = None
        agent.cooldown_cause = ""
        self._lighten(agent)

    def _lighten(self, agent: AgentRow) -> None:
        """The agent has less in hand: log out, or be idle from now on, as far as he has room, and serve who waits."""
        self._refresh(agent)
        if agent.logging_out and not agent.legs:
            self._log_out(agent)
        elif agent.rung or not self._can_be_idle(agent):
            self._stand_last(agent)
            self._agent_changed(agent)
        else:
            self._idle(agent)

    def _stand_last(self, agent: AgentRow) -> None:
        """The place that he keeps, while he is rung or has no room, is the last from now on."""
        if agent.idle_seq:
            self._idle_seq += 1
            agent.idle_seq = self._idle_seq
            agent.inbound_seq = agent.inbound_seq or agent.idle_seq
        elif agent.kept_seq:
            self._idle_seq += 1
            agent.kept_seq = self._idle_seq

    def _can_be_idle(self, agent: AgentRow) -> bool:
        at_work = agent.presence == "ready" and not agent.logging_out and agent.timer is None
        return at_work and not agent.resting and bool(self._room(agent))

    def _idle(self, agent: AgentRow) -> None:
        self._idle_seq += 1
        agent.idle_seq = self._idle_seq
        agent.inbound_seq = agent.inbound_seq or agent.idle_seq
        self._agent_changed(agent)
        self._serve_agent(agent)

    def _log_out(self, agent: AgentRow) -> None:
        agent.logging_out = False
        self._set_presence(agent, "logged_out")
        agent.missed = 0
        agent.failed = []
        agent.address = agent.config.address
        agent.queues = ()
        self._agent_changed(agent)
        agent.client = ""

    # -- queues -------------------------------------------------------------------------------------------------

    def _plan(self, queue: QueueRow, contact: ContactRow) -> Plan:
        """The plan of a contact in a queue."""
        configured = {name: row.config for name, row in self._queues.items()}
        return plan_of(queue.config, contact.own_steps, contact.own_steps_mode, configured)

    def _join(self, contact: ContactRow, preference: Preference | None = None) -> int:
        """Let a contact into its queue, unless a rule sends it elsewhere; gives its position, 0 if it ended."""
        queue = contact.queue
        queue.entered += 1
        rule = self._refusal(contact)
        if rule is not None:
            return self._leave_by(contact, rule)
        self._contacts[contact.id] = contact
        if contact.callback is not None:
            self._arm(contact, max(self.now, contact.callback.expires_ns))
        elif queue.config.max_wait_s:
            self._arm(contact, max(self.now, contact.enqueued + ns_of_seconds(queue.config.max_wait_s)))
        return self._enter(contact, preference)

    def _enter(self, contact: ContactRow, preference: Preference | None = None) -> int:
        """A contact stands in the line of its queue from now on; gives its position."""
        queue = contact.queue
        contact.useless = self._is_useless(contact)
        self._arm_step(contact)
        position = self._position(contact)
        if preference is not None:
            self._begin_preference(contact, preference)
        estimate = None
        if self._best_agent(contact) is None:
            self._wait(contact)
            estimate = self._estimate(contact)
            if contact.enqueued == self.now:
                contact.estimate = estimate  # it is scored by waits that begin here
            contact.seen_ms = -1 if estimate is None else estimate.p50_ms
        self._emit(
            ContactQueued,
            contact,
            None,
            contact=contact.id,
            tenant=queue.config.tenant,
            queue=queue.config.name,
            priority=contact.priority,
            position=position,
            credit=seconds_of_ns(contact.credit),
            wait_estimate=in_seconds(estimate),
            callback_offered=self._offers_callback(contact, estimate),
        )
        self._judge(contact)
        self._serve_contact(contact)
        return position

    def _offers_callback(self, contact: ContactRow, estimate: Estimate | None) -> bool:
        """Whether its caller should be offered a callback."""
        rules = contact.queue.config.callback
        if rules is None or rules.offer_when_wait_s is None or contact.callback is not None or estimate is None:
            return False
        return estimate.p50_ms >= ns_of_seconds(rules.offer_when_wait_s) // 1_000_000

    def _leave_by(self, contact: ContactRow, rule: JoinRule | StayRule) -> int:
        """A contact may not join, or not stay: it moves to another queue, or ends. Gives what `_join` does."""
        if rule.to is not None and contact.overflows < OVERFLOWS_MAX:
            target = self._queues[contact.queue.config.tenant, rule.to]
            return self._move(contact, target, rule.keep_age, rule.when)
        self._end(contact, rule.ends_as or WAY_OUT_REASONS[rule.when])
        return 0

    def _overflow(self, contact: ContactRow) -> bool:
        """Move a waiting contact to the queue that its step says, if that would take it. Whether it did."""
        stage = contact.stage
        target = self._queues[contact.queue.config.tenant, stage.overflow]
        there = dataclasses.replace(contact)
        self._place(there, target, stage.keep_age)
        if contact.overflows >= OVERFLOWS_MAX or self._refusal(there) is not None:
            return False
        self._move(contact, target, stage.keep_age, "step")
        return True

    def _place(self, contact: ContactRow, queue: QueueRow, keep_age: bool) -> None:
        """Let a contact stand in a queue, where its own rules and its age put it."""
        if not keep_age:
            contact.begin_anew(self.now)
        contact.by_hand = None
        contact.preferred = []
        contact.queue, contact.plan = queue, self._plan(queue, contact)
        contact.step = passed(contact.plan, self.now - contact.enqueued)

    def _move(self, contact: ContactRow, queue: QueueRow, keep_age: bool, cause: OverflowCause) -> int:
        """A contact that waits, or has not joined yet, goes to another queue. Gives what `_join` does."""
        source = contact.queue
        self._note(contact, cause, to=queue.config.name)
        source.overflowed += 1
        contact.overflows += 1
        contact.arrived_in = contact.arrived_in or source.config.name
        contact.timer = None
        self._stay_no_longer(contact)
        self._leave_pace(contact, lost=True)
        self._emit(
            ContactOverflowed,
            contact,
            None,
            contact=contact.id,
            tenant=source.config.tenant,
            queue=source.config.name,
            to=queue.config.name,
            cause=cause,
            wait=seconds_of_ns(self.now - contact.enqueued),
        )
        self._place(contact, queue, keep_age)
        return self._join(contact)

    def _transfer(self, contact: ContactRow, queue: QueueRow, keep_age: bool, only_agent: str) -> None:
        """A contact is handed on to a queue, from those who talk with it or by hand while it waits."""
        source = contact.queue
        talking = [leg for leg in contact.legs if leg.state == "connected"]
        rung = self._end_offers(contact, None, "transferred")
        self._emit_transferred(contact, queue.config.name, "", only_agent)
        source.ended["transferred"] = source.ended.get("transferred", 0) + 1
        for leg in talking:
            leg.contact = None
            contact.legs.remove(leg)
            contact.history = [*contact.history, f"{leg.agent.config.agent}@{leg.queue.path}"][-HISTORY_MAX:]
        contact.timer = None
        self._stay_no_longer(contact)
        self._leave_pace(contact, lost=contact.state == "queued")
        contact.state = "queued"
        contact.held = contact.wait_expired = False
        contact.connected = contact.completed = 0
        if queue is not source:
            contact.arrived_in = contact.arrived_in or source.config.name
        self._place(contact, queue, keep_age)
        if talking:
            contact.waited_before = 0
        self._join(contact)
        for leg in talking:
            self._wrap_up(leg, "transferred")
        for agent in rung:
            if not agent.rung:
                self._recall(agent)

    def _leave_pace(self, contact: ContactRow, *, lost: bool) -> None:
        """The contact leaves the line of its queue for another, `lost` to that line if nobody had answered it."""
        if contact.pace is not None and lost:
            contact.pace.lose()
        contact.pace, contact.place, contact.estimate = None, -1, None

    def _transfer_outside(self, contact: ContactRow, address: str) -> None:
        """A contact goes to somebody beyond the centre, and ends here."""
        self._emit_transferred(contact, "", address, "")
        if contact.state == "connected":
            self._complete(contact, "transferred")
        else:
            self._leave_queue(contact, "diverted")

    def _emit_transferred(self, contact: ContactRow, to: str, outside: str, only_agent: str) -> None:
        leg = contact.leg if contact.state == "connected" else None
        self._note(contact, "transferred", to=to or outside, agent=leg.agent if leg else None)
        self._emit(
            ContactTransferred,
            contact,
            leg.agent if leg else None,
            contact=contact.id,
            tenant=contact.queue.config.tenant,
            queue=contact.queue.config.name,
            to=to,
            outside=outside,
            agent=leg.agent.config.agent if leg else "",
            only_agent=only_agent,
        )

    # -- contacts -----------------------------------------------------------------------------------------------

    def _gone(self, contact: str) -> int:
        return Outcome.DUPLICATE if contact in self._ended else Outcome.CONTACT_UNKNOWN

    def _count_answered(self, queue: QueueRow, wait: int) -> None:
        """A caller who waited for so long talks with an agent."""
        in_target = wait <= ns_of_seconds(queue.config.service_level_s)
        queue.answered += 1
        queue.wait_ns += wait
        queue.answered_in_target += in_target
        self._watch_reserve(queue, wait, in_target)
        queue.histogram[bucket(wait, WAIT_BUCKETS_S)] += 1

    def _leave_queue(self, contact: ContactRow, reason: EndReason) -> None:
        """The contact ends while it waits or is offered; agents being rung keep their idle time."""
        rung = self._end_offers(contact, None, reason)
        self._end(contact, reason)
        for agent in rung:
            self._recall(agent)

    def _end_offers(self, contact: ContactRow, but: LegRow | None, cause: str) -> list[AgentRow]:
        """Withdraw all offers of a contact but one. Gives the agents, who are to be recalled."""
        rung = []
        for leg in contact.offers:
            if leg is not but:
                self._end_offer(leg, "withdrawn", cause)
                self._refresh(leg.agent)
                if not self._can_be_idle(leg.agent):
                    leg.agent.idle_seq = 0
                rung.append(leg.agent)
        return rung

    def _complete(self, contact: ContactRow, reason: EndReason) -> None:
        """The conversation is over: wrap-up, or the end at once when the queue has none."""
        contact.completed = self.now
        contact.held = False
        contact.end_reason = reason
        contact.timer = None
        contact.state = "wrapup"
        for leg in [leg for leg in contact.legs if leg.state == "connected"]:
            self._wrap_up(leg, reason)

    def _wrap_up(self, leg: LegRow, reason: EndReason) -> None:
        """The agent's part in the conversation is over; `reason` tells how."""
        queue = leg.queue
        talk = self.now - leg.connected
        queue.talk_ns += talk
        leg.agent.talk_ns += talk
        needed = queue.config.disposition_required
        longest = ns_of_seconds(max(queue.config.wrapup_s, queue.config.wrapup_max_s))
        wrapup = longest if needed else ns_of_seconds(queue.config.wrapup_s)
        if not wrapup:
            self._finish_leg(leg)
            return
        leg.state = "wrapup"
        leg.since = self.now
        leg.latest = self.now + longest
        self._refresh(leg.agent)
        self._arm(leg, self.now + wrapup)
        self._emit(
            ContactWrapup,
            leg.contact,
            leg.agent,
            contact=leg.contact_id,
            tenant=queue.config.tenant,
            queue=queue.config.name,
            agent=leg.agent.config.agent,
            reason=reason,
            talk=seconds_of_ns(talk),
            expires_in=seconds_of_ns(wrapup),
            disposition_required=needed,
        )
        self._agent_changed(leg.agent)

    def _wrapups(self, agent: AgentRow, contact: str | None = None) -> list[LegRow]:
        """What after-work the agent does, for one contact or for all."""
        return [leg for leg in agent.legs if leg.state == "wrapup" and contact in (None, leg.contact_id)]

    def _extend(self, leg: LegRow, deadline: int) -> None:
        """A wrap-up ends later."""
        self._arm(leg, deadline)
        self._emit(
            ContactWrapupExtended,
            leg.contact,
            leg.agent,
            contact=leg.contact_id,
            tenant=leg.queue.config.tenant,
            queue=leg.queue.config.name,
            agent=leg.agent.config.agent,
            expires_in=seconds_of_ns(deadline - self.now),
        )

    def _dispose(self, leg: LegRow, disposition: str) -> None:
        """The agent says how the contact went."""
        if leg.contact is not None:
            leg.contact.disposition = disposition
        self._emit(
            ContactDisposed,
            leg.contact,
            leg.agent,
            contact=leg.contact_id,
            tenant=leg.queue.config.tenant,
            queue=leg.queue.config.name,
            agent=leg.agent.config.agent,
            disposition=disposition,
        )

    def _finish_leg(self, leg: LegRow) -> None:
        """The agent is through with the contact, which ends with the last of those who had it."""
        contact = leg.contact
        handle = self.now - leg.connected
        leg.queue.handle_ns += handle
        leg.queue.handle_histogram[bucket(handle, HANDLE_BUCKETS_S)] += 1
        self._drop_leg(leg)
        self._had_inbound(leg)
        if contact is not None and contact.state == "wrapup" and not contact.legs:
            assert contact.end_reason is not None
            self._end(contact, contact.end_reason, leg.agent)
        self._lighten(leg.agent)

    def _take_credit(self, contact: ContactRow) -> None:
        """A caller may have come back: what he waited before counts as waiting, as his queue says."""
        config = contact.queue.config
        if contact.caller and config.credit_window_s:
            waited = self._credits.take(self.now, (config.tenant, contact.caller))
            contact.credit = contact.waited_before = min(waited, ns_of_seconds(config.credit_max_s))
            contact.age += contact.credit

    def _give_credit(self, contact: ContactRow, reason: EndReason) -> None:
        """Remember how long a caller waited, this time and before, whom nobody answered."""
        window = ns_of_seconds(contact.queue.config.credit_window_s)
        waited = contact.waited(self.now) + contact.waited_before
        if contact.caller and window and waited and not contact.connected and reason in UNANSWERED:
            key = contact.queue.config.tenant, contact.caller
            self._credits.give(self.now, key, waited, window, self._config.settings.callers_kept)

    def _end(self, contact: ContactRow, reason: EndReason, agent: AgentRow | None = None) -> None:
        """The contact is over and only remembered; `agent` is who had it last."""
        queue = contact.queue
        answered = contact.connected != 0
        wait = (contact.connected if answered else self.now) - contact.enqueued
        queue.ended[reason] = queue.ended.get(reason, 0) + 1
        if not answered:
            self._watch_reserve(queue, wait, False)
        if reason == "abandoned" and wait <= ns_of_seconds(queue.config.service_level_s):
            queue.abandoned_in_target += 1
        if contact.pace is not None and not answered:
            contact.pace.lose()
        self._give_credit(contact, reason)
        contact.timer = None
        self._stay_no_longer(contact)
        self._contacts.pop(contact.id, None)
        self._remember(contact, reason)
        self._emit(
            ContactEnded,
            contact,
            agent,
            contact=contact.id,
            tenant=queue.config.tenant,
            queue=queue.config.name,
            agent=agent.config.agent if agent else "",
            reason=reason,
            wait=seconds_of_ns(wait),
            talk=seconds_of_ns(contact.completed - contact.connected) if answered else 0,
            disposition=contact.disposition,
        )

    # -- offers -------------------------------------------------------------------------------------------------

    def _leg_of(self, offer: str) -> LegRow | int:
        """The leg that began with `offer`, or why there is none."""
        number = int(offer[2:]) if offer.startswith("o-") and offer[2:].isdecimal() and offer.isascii() else 0
        if not 0 < number <= self._offer_seq or offer != offer_id(number):
            return Outcome.OFFER_UNKNOWN
        for agent in self._agents.values():
            for leg in agent.legs:
                if leg.number == number:
                    return leg
        return Outcome.OFFER_GONE

    # -- agents -------------------------------------------------------------------------------------------------

    def _make_ready(self, agent: AgentRow) -> None:
        """End a pause."""
        agent.missed = 0
        self._set_presence(agent, "ready")
        if self._can_be_idle(agent):
            self._idle(agent)
        else:
            self._agent_changed(agent)

    def _stop_offering(self, agent: AgentRow, cause: str) -> ContactRow | None:
        """Take offer and cooldown from an agent who leaves; gives the contact that needs another agent."""
        contact = None
        for leg in [leg for leg in agent.legs if leg.state == "offered"]:
            contact = self._end_offer(leg, "withdrawn", cause)
        agent.timer = None
        agent.cooldown_cause = ""
        agent.idle_seq = 0
        self._refresh(agent)
        return contact
