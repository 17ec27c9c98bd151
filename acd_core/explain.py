"""Why does this contact wait, and what keeps this agent free? The true answer, from what a machine shows of itself.

An agent gets a contact when every one of these conditions holds; they are asked in this order, and the first
that fails is the answer:

1. state of the agent: logged in, not paused, not logging out, not rung, not resting after a missed or rejected
   offer or from too much work, and with room for the contact beside what he has in hand;
2. fit: he serves the contact's tenant, takes its channel at all, has each skill that nobody can do without, at the
   level asked, meets what else is required, his rank in the queue counts yet, he is logged in to that queue, and he is
   among those for whom the contact waits by name, if it does;
3. gates: neither the queue nor its tenant has as many in conversation as it may, and he is not kept free for another.

State comes first, because it is what a supervisor can change at once. Whether an absent agent would fit is told
beside it (`qualified`), so that nobody calls an agent back from lunch for a contact that he cannot answer.

Explanations read only the views of the `Machine` contract, so they are the same for model and engine. They cost
time in proportion to the agents and to the live contacts, of which at most `CONTACTS_SCANNED_MAX`, the first to
arrive, are looked at; `exact` tells when that was not all of them. Durations are whole seconds of engine time.
"""

from collections import Counter
from collections.abc import Iterable

from msgspec import Struct

from acd_core import requirement
from acd_core.events import WaitEstimate
from acd_core.explain_offer import measured
from acd_core.machine import Machine
from acd_core.obstacles import (
    CONDITION_WORDS,
    CONDITIONS,
    Asked,
    Condition,
    contacts_of,
    fit_obstacle,
    gate_obstacle,
    has_joined,
    is_waited_for,
    rank_counts,
    seconds,
    state_obstacle,
)
from acd_core.urgency import AGEING_ONE
from acd_core.views import AgentView, ContactView, Passage, in_seconds

CONTACTS_SCANNED_MAX = 10_000
"""Most live contacts that one explanation looks at, so that a question never holds up the decisions for long."""
AGENTS_LISTED_MAX = 1_000
"""Most agents that an explanation lists one by one; the counts are always of all."""
OBSTACLES_LISTED_MAX = 10
"""Most different reasons that the explanation of an agent lists for each queue."""

NS_PER_S = 1_000_000_000


class AgentVerdict(Struct, frozen=True, kw_only=True):
    """What keeps one agent from one contact.

    Attributes:
        condition: the first condition that fails; `text`: the same in words, with its numbers.
        qualified: whether he fits tenant and skills, whatever he does now.
    """

    agent: str
    condition: Condition
    text: str
    qualified: bool


class ConditionCount(Struct, frozen=True, kw_only=True):
    """So many logged-in agents fail first at this condition; so many of them would fit."""

    condition: Condition
    agents: int
    qualified: int


class ContactExplanation(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a contact stands, and why.

    Attributes:
        state: `queued`, `offered`, `connected`, `wrapup`, `parked` or `ended`.
        summary: the answer in a few sentences.
        wait_s: how long it has waited, or waited until it was answered.
        reason: how it ended; set from wrap-up on.
        urgency_s: how urgent it is now, in seconds of ordinary waiting; measured: how its queue is measured beside waits,
            in words with the numbers; level: where its queue's priority is strict,
            the priority by which it passes those of a lower one.
        age_s: counts as waited before it came, credit included; credit_s: what its caller waited in vain before.
        by_hand: it was put at its place by hand.
        position: place in the order of service among the waiting contacts that it competes with: those for whom
            an agent qualifies who qualifies for this one too, leaving aside that an agent serves the queues of his
            lowest rank first. 0 unless queued.
        queue_position: place among the waiting contacts of its own queue.
        wait_estimate: how much longer it will wait; forecast: what it was told when it came. None when too little
            was measured.
        trail: what happened to it on its way, in words, the earliest first.
        exact: false when more contacts are live than were looked at; `position` is then a lower bound.
        agents_logged_in, agents_qualified: how many are logged in, and how many of those fit.
        conditions: logged-in agents by the first condition that fails, in the order of `Condition`.
        agents: each of those agents, at most `AGENTS_LISTED_MAX`; agents_left_out: how many more there are.
    """

    contact: str
    state: str
    summary: str
    tenant: str = ""
    queue: str = ""
    priority: int = 0
    require: str = ""
    wait_s: int = 0
    agent: str = ""
    reason: str = ""
    urgency_s: int = 0
    measured: str = ""
    level: int = 0
    age_s: int = 0
    credit_s: int = 0
    by_hand: bool = False
    position: int = 0
    queue_position: int = 0
    wait_estimate: WaitEstimate | None = None
    forecast: WaitEstimate | None = None
    trail: tuple[str, ...] = ()
    exact: bool = True
    agents_logged_in: int = 0
    agents_qualified: int = 0
    conditions: tuple[ConditionCount, ...] = ()
    agents: tuple[AgentVerdict, ...] = ()
    agents_left_out: int = 0


class Obstacle(Struct, frozen=True, kw_only=True):
    """The first thing that an agent lacks for so many waiting contacts."""

    condition: Condition
    text: str
    contacts: int


class QueueForAgent(Struct, frozen=True, kw_only=True):
    """The waiting contacts of one queue, as seen by one agent.

    Attributes:
        waiting: contacts that wait there, of those looked at; could_serve: for whom he fits.
        obstacles: why he cannot serve the others, most frequent first.
    """

    tenant: str
    queue: str
    waiting: int
    could_serve: int
    obstacles: tuple[Obstacle, ...]


class AgentExplanation(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an agent does, and what waits for him.

    Attributes:
        state: `logged_out`, `paused`, `ready`, `offered`, `busy`, `wrapup` or `cooldown`.
        summary: the answer in a few sentences.
        since_s: for how long he has been in that state; for_s: for how long it lasts at most, 0 if unknown.
        reason: of the pause or the cooldown.
        contact: the one that he holds or is rung for.
        condition: what keeps him from every contact; `none` when he is free.
        waiting, could_serve: contacts that wait anywhere, and for whom he fits.
        exact: false when more contacts are live than were looked at.
        queues: by queue, for each that has contacts waiting.
    """

    agent: str
    state: str
    summary: str
    condition: Condition
    since_s: int = 0
    for_s: int = 0
    reason: str = ""
    contact: str = ""
    waiting: int = 0
    could_serve: int = 0
    exact: bool = True
    queues: tuple[QueueForAgent, ...] = ()


def explain_contact(machine: Machine, contact_id: str, *, now: int = 0) -> ContactExplanation | None:
    """Say where a contact stands and, if it waits, what keeps each logged-in agent from it.

    Args:
        machine: whose state is asked; nothing in it changes.
        contact_id: a live contact, or one that ended and is remembered.
        now: the engine time of the question, in ns, if later than the latest that the machine has seen.

    Returns:
        The explanation; None when the machine knows no such contact.
    """
    now = max(now, machine.now)
    contact = machine.contact(contact_id)
    if contact is None:
        reason = machine.ended_reason(contact_id)
        if not reason:
            return None
        return ContactExplanation(
            contact=contact_id, state="ended", reason=reason, summary=f"{contact_id} is over: {reason}."
        )
    if contact.state == "queued":
        return _explain_waiting(machine, contact, now)
    place = f"{contact.tenant}/{contact.queue}"
    if contact.state == "parked":
        return _explain_parked(contact, now)
    if contact.state == "offered":
        wait_s = seconds(now - contact.enqueued_ns)
        rung = [agent for agent in map(machine.agent, contact.agents) if agent is not None]
        ends = [leg.deadline_ns for agent in rung for leg in agent.legs if leg.contact == contact.contact]
        who = f"agent {contact.agent}" if len(rung) == 1 else f"agents {', '.join(contact.agents)}"
        answers = "he does not answer" if len(rung) == 1 else "none of them answers"
        summary = (
            f"{contact.contact} waits in {place} for {wait_s} s and rings at {who}, "
            f"for another {seconds(max(ends) - now)} s at most. If {answers}, it goes on from where it stood."
        )
    elif contact.state == "connected":
        wait_s = seconds(contact.connected_ns - contact.enqueued_ns)
        held = ", on hold now" if contact.held else ""
        talking = ", ".join(contact.agents)
        who = f"agent {contact.agent}" if contact.talking == 1 else f"agents {talking}"
        asked = f" A colleague is being asked about it by {contact.consult}." if contact.consult else ""
        summary = (
            f"{contact.contact} of {place} talks with {who} for "
            f"{seconds(now - contact.connected_ns)} s{held}, after {wait_s} s of waiting.{_question(contact)}{asked}"
        )
    else:
        wait_s = seconds(contact.connected_ns - contact.enqueued_ns)
        summary = (
            f"The conversation of {contact.contact} ({place}) is over ({contact.end_reason}); agent {contact.agent} "
            f"does its after-work for {seconds(now - contact.completed_ns)} s."
        )
    return ContactExplanation(
        contact=contact.contact,
        state=contact.state,
        summary=summary,
        tenant=contact.tenant,
        queue=contact.queue,
        priority=contact.priority,
        require=contact.require,
        wait_s=wait_s,
        agent=contact.agent,
        reason=contact.end_reason,
        forecast=in_seconds(contact.estimate),
        trail=_trail(contact, now),
    )


def explain_agent(machine: Machine, agent_id: str, *, now: int = 0) -> AgentExplanation | None:
    """Say what an agent does and which of the waiting contacts he could serve.

    Args and result are as for `explain_contact`; None when no such agent is configured.
    """
    now = max(now, machine.now)
    agent = machine.agent(agent_id)
    if agent is None:
        return None
    contacts, exact = _live_contacts(machine)
    queues = _queues_for_agent(agent, [contact for contact in contacts if contact.state == "queued"])
    waiting = sum(queue.waiting for queue in queues)
    could_serve = sum(queue.could_serve for queue in queues)
    condition, text = state_obstacle(agent, now, *agent.room[:1])
    if condition == "none" and agent.legs:
        text = f"open to more ({', '.join(agent.room)}), with {contacts_of(agent)} in hand"
    elif condition == "none":
        text = f"free for {seconds(now - agent.since_ns)} s"
    return AgentExplanation(
        agent=agent.agent,
        state=agent.state,
        summary=f"{agent.agent} is {text}. {_work_for(condition, waiting, could_serve)}",
        condition=condition,
        since_s=seconds(now - agent.since_ns),
        for_s=seconds(agent.deadline_ns - now) if agent.deadline_ns else 0,
        reason=agent.pause_reason if agent.presence == "paused" else agent.cooldown_cause,
        contact=agent.contact,
        waiting=waiting,
        could_serve=could_serve,
        exact=exact,
        queues=queues,
    )


def _explain_parked(contact: ContactView, now: int) -> ContactExplanation:
    callback = contact.callback
    assert callback is not None, "only callbacks are parked"
    due = seconds(callback.due_ns - now)
    when = f"in {due} s" if due else "when the hours at which customers are called begin"
    failed = f" {callback.attempts} {'attempt has' if callback.attempts == 1 else 'attempts have'} failed."
    return ContactExplanation(
        contact=contact.contact,
        state=contact.state,
        summary=f"{contact.contact} of {contact.tenant}/{contact.queue} is to be called back, and stands in line again "
        f"{when}, at the place of who has waited for {seconds(now - contact.enqueued_ns)} s."
        f"{failed if callback.attempts else ''} It is given up in {seconds(callback.expires_ns - now)} s.",
        tenant=contact.tenant,
        queue=contact.queue,
        priority=contact.priority,
        require=contact.require,
        wait_s=seconds(now - contact.enqueued_ns),
        trail=_trail(contact, now),
    )


def _explain_waiting(machine: Machine, contact: ContactView, now: int) -> ContactExplanation:
    asked = Asked.by(contact)
    agents = machine.agents()
    required = asked.requirement
    fits = [fit_obstacle(agent, asked, required) for agent in agents]
    verdicts = []
    for agent, fit in zip(agents, fits, strict=True):
        if agent.presence == "logged_out":
            continue
        condition, text = state_obstacle(agent, now, asked.channel)
        if condition == "none" or (condition == "capacity" and fit[0] != "none"):
            condition, text = fit if fit[0] != "none" else gate_obstacle(agent, asked)
        verdicts.append(AgentVerdict(agent=agent.agent, condition=condition, text=text, qualified=fit[0] == "none"))
    qualified = [agent for agent, fit in zip(agents, fits, strict=True) if fit[0] == "none"]
    present = [agent for agent in qualified if agent.presence != "logged_out"]
    conditions = _count(verdicts)
    contacts, exact = _live_contacts(machine)
    ahead = [other for other in contacts if other.state == "queued" and _served_before(other, contact, now)]
    position = 1 + _competing(ahead, present or qualified)
    stands = machine.standing(contact.contact)
    assert stands is not None, "a queued contact stands somewhere"
    estimate = in_seconds(stands.estimate)
    wait_s = seconds(now - contact.enqueued_ns)
    to_call = ", to be called back" if contact.callback else ""
    sentences = [
        f"{contact.contact} waits in {contact.tenant}/{contact.queue} for {wait_s} s{to_call}.",
        _question(contact).strip(),
        _urgency(contact, now, wait_s),
        _place(contact),
        _order(position, exact) if present else "",
        _forecast(estimate) if present else "",
        f"It asks for {contact.require}." if required else "It asks for no skill.",
        _preference(contact, now),
        _next_step(contact, now),
        _not_staying(contact, now),
        _who_could(asked, agents, conditions, len(verdicts), len(present)),
    ]
    return ContactExplanation(
        contact=contact.contact,
        state=contact.state,
        summary=" ".join(filter(None, sentences)),
        tenant=contact.tenant,
        queue=contact.queue,
        priority=contact.priority,
        require=contact.require,
        wait_s=wait_s,
        urgency_s=_urgency_s(contact, now),
        measured=measured(contact.urgency, now)[1],
        level=contact.urgency.level,
        age_s=seconds(contact.age_ns),
        credit_s=seconds(contact.credit_ns),
        by_hand=contact.by_hand,
        position=position,
        queue_position=stands.position,
        wait_estimate=estimate,
        forecast=in_seconds(contact.estimate),
        trail=_trail(contact, now),
        exact=exact,
        agents_logged_in=len(verdicts),
        agents_qualified=len(present),
        conditions=conditions,
        agents=tuple(verdicts[:AGENTS_LISTED_MAX]),
        agents_left_out=max(0, len(verdicts) - AGENTS_LISTED_MAX),
    )


def _question(contact: ContactView) -> str:
    return f" By it {contact.asked_by} asks a colleague about {contact.consults}." if contact.consults else ""


def _trail(contact: ContactView, now: int) -> tuple[str, ...]:
    return tuple(f"{seconds(now - passage.at_ns)} s ago {_happened(passage)}" for passage in contact.trail)


_WHY_IT_LEFT = {
    "step": "by a step",
    "closed": "since that was closed",
    "full": "since that was full",
    "nobody": "since nobody who could serve it was logged in",
    "all_paused": "since all who could serve it were paused",
    "wait_estimate": "since it would have waited too long there",
}


def _happened(passage: Passage) -> str:
    match passage.why:
        case "step" if not passage.to:
            return f"step {passage.step} of {passage.queue} began to hold"
        case "transferred":
            who = f"by {passage.agent}" if passage.agent else "by hand"
            return f"it was sent from {passage.queue} to {passage.to} {who}"
        case "rejected":
            return f"{passage.agent} rejected it, in {passage.queue}"
        case "timed_out":
            return f"{passage.agent} let it ring out, in {passage.queue}"
        case "joined" | "left":
            return f"{passage.agent} {passage.why} the conversation"
    return f"it left {passage.queue} for {passage.to}, {_WHY_IT_LEFT[passage.why]}"


def _next_step(contact: ContactView, now: int) -> str:
    if not contact.step_deadline_ns:
        return ""
    number = contact.step + 1
    if contact.step_useless:
        return f"Nobody logged in could match yet, so step {number} is taken at once."
    of = "its steps" if contact.own_steps or contact.own_steps_mode == "replace" else "its queue"
    return f"In {seconds(contact.step_deadline_ns - now)} s step {number} of {of} holds for it."


def _preference(contact: ContactView, now: int) -> str:
    if not contact.preferred:
        return ""
    if contact.deserted:
        return "None of those whom it waits for by name can come, so anybody will do at once."
    how = "waits for" if contact.prefer_wait else "prefers"
    left = seconds(contact.prefer_deadline_ns - now)
    return f"It {how} {', '.join(contact.preferred)} for another {left} s."


_STAY_WORDS = {
    "closed": "its queue is closed",
    "nobody": "nobody who could serve it is logged in",
    "all_paused": "nobody who could serve it is logged in and not paused",
    "wait_estimate": "it would have to wait too long",
}


def _not_staying(contact: ContactView, now: int) -> str:
    if not contact.stay:
        return ""
    if contact.stay == "wait_estimate" and contact.stay_deadline_ns:
        left_s = seconds(contact.stay_deadline_ns - now)
        return f"It leaves this queue in {left_s} s, if it would still have to wait too long then."
    left = f"in {seconds(contact.stay_deadline_ns - now)} s" if contact.stay_deadline_ns else "now"
    return f"It leaves this queue {left}, since {_STAY_WORDS[contact.stay]}."


def _served_before(other: ContactView, contact: ContactView, now: int) -> bool:
    return other.urgency.key(now, other.seq) < contact.urgency.key(now, contact.seq)


def _urgency_s(contact: ContactView, now: int) -> int:
    return contact.urgency.at(now) // (AGEING_ONE * NS_PER_S)


def _place(contact: ContactView) -> str:
    """The sentences on what put it elsewhere than its arrival says."""
    brought, credit = seconds(contact.age_ns - contact.credit_ns), seconds(contact.credit_ns)
    told = []
    if contact.by_hand:
        told.append("It was put at its place by hand.")
    if brought:
        told.append(f"It came with an age of {brought} s.")
    if credit:
        told.append(f"Its caller waited {credit} s in vain before, which counts as waiting now.")
    return " ".join(told)


def _urgency(contact: ContactView, now: int, wait_s: int) -> str:
    """The sentence on its urgency, where that is another than its wait."""
    urgency_s = _urgency_s(contact, now)
    level = contact.urgency.level
    of_level = f", among those of priority {level}" if level else ""
    because = measured(contact.urgency, now)[1]
    why = f", since {because}" if because else ""
    if urgency_s == wait_s and not level and not because:
        return ""
    return f"It counts as if it had waited for {urgency_s} s{of_level}{why}."


def _competing(ahead: list[ContactView], agents: list[AgentView]) -> int:
    """How many of `ahead` want an agent out of `agents`. Contacts that ask the same are judged once."""
    asked_for = Counter(map(Asked.by, ahead))
    named = any(asked.waits_for or "agent.id" in asked.require for asked in asked_for)
    alike_agents = {
        (
            agent.tenants,
            agent.channels,
            agent.queues,
            agent.agent if named else "",
            *(tuple(sorted(given.items())) for given in (agent.skills, agent.attributes, agent.ranks)),
        ): agent
        for agent in agents
    }
    found = 0
    for asked, count in asked_for.items():
        required = asked.requirement
        if any(fit_obstacle(agent, asked, required)[0] == "none" for agent in alike_agents.values()):
            found += count
    return found


def _count(verdicts: Iterable[AgentVerdict]) -> tuple[ConditionCount, ...]:
    agents: Counter[Condition] = Counter()
    qualified: Counter[Condition] = Counter()
    for verdict in verdicts:
        agents[verdict.condition] += 1
        qualified[verdict.condition] += verdict.qualified
    return tuple(
        ConditionCount(condition=condition, agents=agents[condition], qualified=qualified[condition])
        for condition in CONDITIONS
        if agents[condition]
    )


def _who_could(
    asked: Asked,
    agents: list[AgentView],
    conditions: tuple[ConditionCount, ...],
    logged_in: int,
    present: int,
) -> str:
    """The sentence on the agents: what those who fit are doing, or why nobody fits."""
    joiners = sum(row.agents for row in conditions if row.condition == "not_joined")
    if joiners and not present:
        are = "is" if joiners == 1 else "are"
        return f"{_agents(joiners)} could serve it, but {are} not logged in to {asked.path}."
    if present:
        doing = ", ".join(f"{row.qualified} {CONDITION_WORDS[row.condition]}" for row in conditions if row.qualified)
        verb = "qualifies" if present == 1 else "qualify"
        return f"{_agents(logged_in)} logged in, {present} of them {verb}: {doing}."
    if not agents:
        return "No agent is configured."
    required = asked.requirement
    serving = [agent for agent in agents if not agent.tenants or asked.tenant in agent.tenants]
    fitting = [agent for agent in serving if fit_obstacle(agent, asked, required)[0] == "none"]
    if fitting and not logged_in:
        return f"Nobody is logged in; {_absent_who(len(fitting), 'qualify', 'qualifies')}."
    taking = [agent for agent in serving if asked.channel in agent.channels]
    candidates = [
        (serving, f"serves tenant {asked.tenant}", "serve it", "serves it"),
        (taking, f"takes {asked.channel}", "take it", "takes it"),
    ]
    plain = len(requirement.needed_levels(required)) == len(required)
    verb, plural, singular = ("has", "have", "has") if plain else ("meets", "meet", "meets")
    for node in required:
        having = [agent for agent in serving if requirement.meets(node, agent.skills, agent.facts)]
        candidates.append((having, f"{verb} {requirement.describe((node,))}", f"{plural} it", f"{singular} it"))
    counting = [agent for agent in serving if rank_counts(agent, asked)]
    candidates.append((counting, f"has a rank up to {asked.rank_max} in {asked.path}", "have one", "has one"))
    joined = [agent for agent in serving if has_joined(agent, asked)]
    candidates.append((joined, f"serves {asked.path}", "serve it", "serves it"))
    awaited = [agent for agent in serving if is_waited_for(agent, asked)]
    candidates.append((awaited, "is among those whom it waits for", "are among them", "is among them"))
    ranked = f", and a rank up to {asked.rank_max}" if asked.rank_max >= 0 else ""
    all_of = f"{verb} all of {requirement.describe(required)}{ranked}"
    candidates.append((fitting, all_of, f"{plural} all", f"{singular} all"))
    for having, what, plural, singular in candidates:
        if not having:
            return f"Nobody {what}, logged in or not."
        if all(agent.presence == "logged_out" for agent in having):
            return f"Nobody logged in {what}; {_absent_who(len(having), plural, singular)}."
    raise AssertionError("nobody who fits is logged in, and yet somebody logged in fits")


def _order(position: int, exact: bool) -> str:
    if position == 1:
        return "It is next."
    noun = "contact that it competes with goes" if position == 2 else "contacts that it competes with go"
    return f"{'' if exact else 'At least '}{position - 1} {noun} first."


def _forecast(estimate: WaitEstimate | None) -> str:
    if estimate is None:
        return ""
    return f"Half of such waits end within another {estimate.p50} s, nine of ten within {estimate.p90} s."


def _agents(count: int) -> str:
    return "1 agent" if count == 1 else f"{count} agents"


def _absent_who(count: int, plural: str, singular: str) -> str:
    return f"1 agent who {singular} is logged out" if count == 1 else f"{count} agents who {plural} are logged out"


def _queues_for_agent(agent: AgentView, waiting: list[ContactView]) -> tuple[QueueForAgent, ...]:
    verdict_of: dict[Asked, tuple[Condition, str]] = {}
    by_queue: dict[tuple[str, str], Counter[tuple[Condition, str]]] = {}
    for contact in waiting:
        asked = Asked.by(contact)
        if asked not in verdict_of:
            verdict_of[asked] = fit_obstacle(agent, asked, asked.requirement)
        by_queue.setdefault((contact.tenant, contact.queue), Counter())[verdict_of[asked]] += 1
    rows = []
    for (tenant, queue), verdicts in by_queue.items():
        obstacles = [
            Obstacle(condition=condition, text=text, contacts=count)
            for (condition, text), count in sorted(verdicts.items(), key=lambda item: (-item[1], item[0]))
            if condition != "none"
        ]
        total = verdicts.total()
        rows.append(
            QueueForAgent(
                tenant=tenant,
                queue=queue,
                waiting=total,
                could_serve=total - sum(obstacle.contacts for obstacle in obstacles),
                obstacles=tuple(obstacles[:OBSTACLES_LISTED_MAX]),
            )
        )
    return tuple(rows)


def _work_for(condition: Condition, waiting: int, could_serve: int) -> str:
    if not waiting:
        return "No contact waits."
    noun = "contact waits" if waiting == 1 else "contacts wait"
    if not could_serve:
        return f"{waiting} {noun}, and he could serve none of them."
    when = "he gets the first of them next" if condition == "none" else "once he is free"
    return f"{waiting} {noun}; {could_serve} of them he could serve: {when}."


def _live_contacts(machine: Machine) -> tuple[list[ContactView], bool]:
    """The live contacts, oldest first, and whether those are all."""
    contacts = machine.contacts(limit=CONTACTS_SCANNED_MAX)
    return contacts, len(contacts) == machine.domain().contacts
