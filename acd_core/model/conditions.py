"""Conditions on joining a queue and on staying in it, and steps that are useless."""

from acd_core.config import ESTIMATE_LOOK_S, OVERFLOWS_MAX, JoinRule, StayRule, ns_of_seconds
from acd_core.events import QueueClosed, QueueOpened
from acd_core.model.preferences import Preferences
from acd_core.model.rows import AgentRow, ContactRow, QueueRow
from acd_core.views import Presence

ALWAYS_JOIN_RULES = (JoinRule(when="closed"), JoinRule(when="full"))
"""What holds beside the rules of a queue: nobody joins where it is closed or full."""
LOOK_NS = ns_of_seconds(ESTIMATE_LOOK_S)
LOOKS_APART = 1000


class Conditions(Preferences):
    """The state with what is judged about it; see `Model`.

    A rule on staying, and whether a step is useless, are judged when they may have changed: the contact joined or took
    a step, an agent logged in or out, paused or came back, his skills or queues changed, the queue opened or closed.
    Estimates change all the time, so those that a rule asks for are looked at again and again. What then is
    to happen is only armed, never done at once, so that an agent who leaves a thousand contacts behind does not
    hold up the others.
    """

    def _holds(self, rule: JoinRule | StayRule, contact: ContactRow) -> bool:
        """Whether a rule holds for a contact in the queue that it stands in, or is about to join."""
        queue = contact.queue
        match rule.when:
            case "closed":
                return queue.closed is not None
            case "full":
                waiting = [c for c in self._contacts.values() if c.queue is queue and c.state == "queued"]
                others = sum(c.id != contact.id for c in waiting)
                return 0 < queue.config.max_waiting <= others and self._best_agent(contact) is None
            case "nobody":
                return not self._staff(contact)
            case "wait_estimate":
                over_ms = ns_of_seconds(rule.over_s or 0) // 1_000_000
                if isinstance(rule, StayRule):
                    return contact.seen_ms > over_ms
                estimate = self._prospect(contact) if self._best_agent(contact) is None else None
                return estimate is not None and estimate.p50_ms > over_ms
        return all(agent.presence == "paused" for agent in self._staff(contact))

    def _refusal(self, contact: ContactRow) -> JoinRule | None:
        """The first rule by which a contact may not join the queue that it is about to join."""
        rules = (*contact.queue.config.join, *ALWAYS_JOIN_RULES)
        return next((rule for rule in rules if self._holds(rule, contact)), None)

    def _is_useless(self, contact: ContactRow) -> bool:
        """Whether the contact should take its next step at once, since nobody could match at this one."""
        return contact.stage.skip and contact.step + 1 < len(contact.plan) and not self._staff(contact)

    def _disappoint(self, contact: ContactRow, agent: AgentRow) -> None:
        """An agent rejected or missed the contact, which prefers him no more."""
        if agent.config.agent in contact.preferred:
            contact.preferred.remove(agent.config.agent)
            if contact.preferred:
                self._judge(contact)
            else:
                self._end_preference(contact)

    def _judge(self, contact: ContactRow) -> None:
        """Arm or disarm what follows from the conditions that now hold for a contact that waits or is offered."""
        self._judge_preference(contact)
        useless = self._is_useless(contact)
        if useless != contact.useless:
            contact.useless = useless
            self._arm_step(contact)
        rules = self._stay_rules(contact)
        if not _ask_for_estimate(rules):
            contact.seen_ms, contact.look_timer = -1, None
        elif contact.look_timer is None:
            # Nanoseconds apart, so that of ten thousand few are looked at in one step.
            contact.look_timer = self._timer(contact, self.now + LOOK_NS + contact.seq % LOOKS_APART)
        stay = next((index for index, rule in enumerate(rules) if self._holds(rule, contact)), None)
        if stay != contact.stay:
            contact.stay = stay
            contact.stay_timer = None
            if stay is not None:
                contact.stay_timer = self._timer(contact, self.now + ns_of_seconds(rules[stay].after_s))

    def _stay_rules(self, contact: ContactRow) -> tuple[StayRule, ...]:
        """The rules by which a contact may not stay; none when nobody is on the phone."""
        return contact.queue.config.stay if contact.callback is None else ()

    def _look(self, contact: ContactRow) -> None:
        """See how long a contact still has to wait, unless somebody is rung for it."""
        if contact.state == "queued":
            estimate = self._estimate(contact)
            contact.seen_ms = -1 if estimate is None else estimate.p50_ms

    def _judge_all(self, queue: QueueRow | None = None) -> None:
        """Judge all who wait or are offered, or those of one queue."""
        for contact in sorted(self._contacts.values(), key=lambda contact: contact.seq):
            if contact.state in {"queued", "offered"} and (queue is None or contact.queue is queue):
                self._judge(contact)

    def _stay_no_longer(self, contact: ContactRow) -> None:
        """No conditions for one who does not wait any more."""
        contact.useless = False
        contact.stay = None
        contact.stay_timer = None
        contact.seen_ms = -1
        contact.look_timer = None
        contact.step_timer = None
        self._forget_preference(contact)

    def _set_presence(self, agent: AgentRow, presence: Presence, reason: str = "") -> None:
        super()._set_presence(agent, presence, reason)
        self._judge_all()

    def check(self) -> None:
        super().check()
        for contact in self._contacts.values():
            assert contact.overflows <= OVERFLOWS_MAX, f"{contact.id} moved too often"
            if contact.state in {"queued", "offered"}:
                rules = self._stay_rules(contact)
                looked_at = _ask_for_estimate(rules)
                assert (contact.look_timer is not None) == looked_at, f"nobody looks at {contact.id}, or in vain"
                assert looked_at or contact.seen_ms == -1, f"something was seen of {contact.id}"
                holding = [index for index, rule in enumerate(rules) if self._holds(rule, contact)]
                assert contact.stay == min(holding, default=None), f"{contact.id} is judged wrongly"
                assert contact.useless == self._is_useless(contact), f"the step of {contact.id} is judged wrongly"

    def _closing_changed(self, queue: QueueRow) -> None:
        """Tell when a queue is closed or open in another way than it was last told, and judge those in it."""
        if queue.closed == queue.closed_told:
            return
        queue.closed_told = queue.closed
        config = queue.config
        if queue.closed is None:
            self._emit(QueueOpened, None, None, tenant=config.tenant, queue=config.name)
        else:
            cause, reason = queue.closed
            self._emit(QueueClosed, None, None, tenant=config.tenant, queue=config.name, cause=cause, reason=reason)
        self._judge_all(queue)


def _ask_for_estimate(rules: tuple[StayRule, ...]) -> bool:
    return any(rule.when == "wait_estimate" for rule in rules)
