"""Why did this agent get this contact? The answer from a decision as the machine kept it.

An offer is made in one of two ways. A contact that has none looks at the agents who are free for it, and takes the first
by whom it prefers, then by rank, then by what the queue's strategy makes of each, then by who has been idle for longest. An agent who becomes
free looks at those who wait, and takes the first by his rank in their queue, then by level where priority is strict,
then by urgency, as their queues are measured, then by the place in a queue whose contacts are urgent alike, then by who has
waited for longest. The first of these keys in which the chosen one differs from the next
has decided. Agents and contacts that were no candidates are counted by what kept them out, as for one that waits.
"""

from collections import Counter
from typing import Literal, NamedTuple

from msgspec import Struct

from acd_core.obstacles import CONDITIONS, Asked, Condition, fit_obstacle, gate_obstacle, state_obstacle
from acd_core.urgency import AGEING_ONE, Urgency
from acd_core.views import AgentChoice, ContactChoice, Decision

CANDIDATES_LISTED_MAX = 10
"""So many of the candidates are listed, the first of them."""

NS_PER_S = 1_000_000_000
ONE = 1 << 30
"""Of occupancies, see model/fixed_point.py."""

Knob = Literal[
    "only_one",
    "preference",
    "rank",
    "share",
    "strategy",
    "occupancy",
    "idle_order",
    "level",
    "urgency",
    "predicted_wait",
    "queue_ratio",
    "waiting_cost",
    "place",
    "waited",
    "arrival",
]
"""What decided; `only_one` when there was nobody else. `occupancy` is its price, without which another agent had come
first; `predicted_wait`, `queue_ratio` and `waiting_cost` are how the queue of the chosen contact is measured, or that of the
next if it is measured by waits alone; `place` is that among contacts of a queue that are urgent alike.
"""


_KNOBS_OF_AGENTS: tuple[Knob, ...] = ("preference", "rank", "share", "strategy", "idle_order")
_KNOBS_OF_CONTACTS: tuple[Knob, ...] = ("rank", "level", "urgency", "place", "waited", "arrival")
_PLACE = _KNOBS_OF_CONTACTS.index("place")


class Candidate(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One who could have been chosen, with the keys that were compared.

    Attributes:
        name: an agent's, when a contact looked; else a contact's.
        preference: how far down an agent is on the list of those whom the contact prefers; the lowest comes first.
        rank: of the agent in the queue.
        share: how far an agent's group is above its share of the queue's contacts; the lowest comes first.
        precedence: what the strategy makes of an agent; the lowest comes first, a price of occupancy apart.
        occupied_percent: of an agent, where occupancy has a price.
        idle_order: among the agents, 1 for who has been idle for longest.
        level, urgency_s, waited_s: of a contact; the highest come first, one after the other.
        measured: of a contact, how its queue is measured beside waits, in words with the numbers.
    """

    name: str
    rank: int
    preference: int = 0
    share: int = 0
    precedence: int = 0
    occupied_percent: int = 0
    idle_order: int = 0
    level: int = 0
    urgency_s: int = 0
    waited_s: int = 0
    measured: str = ""


class Count(Struct, frozen=True, kw_only=True):
    """So many were no candidates for this reason."""

    condition: Condition
    count: int


class OfferExplanation(Struct, frozen=True, kw_only=True):
    """How an offer came about.

    Attributes:
        at_ns: engine time of the decision.
        looked: who looked for whom: `contact` or `agent`.
        strategy: of the contact's queue.
        decided_by: the key by which the chosen one came before the next, or before the next that was urgent otherwise where
            those of its queue are urgent alike.
        summary: the answer in a few sentences.
        eligible: how many could have been chosen.
        candidates: the first of them, the chosen one first.
        kept_out: logged-in agents, or waiting contacts, that were no candidates, by the reason.
    """

    offer: str
    at_ns: int
    contact: str
    tenant: str
    queue: str
    agent: str
    looked: Literal["contact", "agent"]
    strategy: str
    decided_by: Knob
    summary: str
    eligible: int
    candidates: tuple[Candidate, ...]
    kept_out: tuple[Count, ...]


class _Compared(NamedTuple):
    """A candidate and its keys, of which the lowest comes first, and of a contact the measure that its urgency is of."""

    keys: tuple[int, ...]
    shown: Candidate
    measure: Knob = "urgency"


def explain_offer(decision: Decision) -> OfferExplanation:
    """Say why the contact was offered to this agent, and not to another or another one to him."""
    if decision.agent_looked:
        compared = [_contact_keys(choice, decision.now_ns) for choice in decision.contacts]
        kept_out = _contacts_kept_out(decision)
    else:
        by_idleness = sorted(decision.agents, key=lambda choice: choice.idle_seq)
        price = decision.occupancy_price
        compared = [_agent_keys(choice, 1 + by_idleness.index(choice), price) for choice in decision.agents]
        kept_out = _agents_kept_out(decision)
    compared.sort(key=lambda candidate: candidate.keys)
    knob: Knob = "only_one"
    rival = compared[0]
    if len(compared) > 1:
        rival = _rival(compared) if decision.agent_looked else compared[1]
        first, second = compared[0].keys, rival.keys
        knobs = _KNOBS_OF_CONTACTS if decision.agent_looked else _KNOBS_OF_AGENTS
        knob = next(knob for knob, mine, other in zip(knobs, first, second, strict=True) if mine != other)
        if knob == "urgency":
            knob = compared[0].measure if compared[0].measure != "urgency" else rival.measure
        elif knob == "strategy" and compared[0].shown.precedence > rival.shown.precedence:
            knob = "occupancy"
    contact = decision.contact
    chosen = decision.contact.contact if decision.agent_looked else decision.agent.agent
    assert compared[0].shown.name == chosen, f"{chosen} was chosen, and {compared[0].shown.name} comes first"
    return OfferExplanation(
        offer=decision.offer,
        at_ns=decision.now_ns,
        contact=contact.contact,
        tenant=contact.tenant,
        queue=contact.queue,
        agent=decision.agent.agent,
        looked="agent" if decision.agent_looked else "contact",
        strategy=decision.strategy,
        decided_by=knob,
        summary=f"{_looked(decision, len(compared))} {_decided(decision, knob, compared[0].shown, rival.shown)}",
        eligible=len(compared),
        candidates=tuple(candidate.shown for candidate in compared[:CANDIDATES_LISTED_MAX]),
        kept_out=kept_out,
    )


def _rival(compared: list[_Compared]) -> _Compared:
    """The candidate beside whom a chosen contact is explained: the next. Where all contacts of a queue are urgent alike the
    next is mostly of the same queue, which tells nothing; then the first that is urgent otherwise, if there is one.
    """
    first = compared[0]
    if first.measure not in {"queue_ratio", "waiting_cost"}:
        return compared[1]
    return next((other for other in compared[1:] if other.keys[:_PLACE] != first.keys[:_PLACE]), compared[1])


def _agent_keys(choice: AgentChoice, idle_order: int, price: int) -> _Compared:
    return _Compared(
        (choice.preference, choice.rank, choice.share, choice.precedence, choice.idle_seq),
        Candidate(
            name=choice.agent,
            preference=choice.preference,
            rank=choice.rank,
            share=choice.share,
            precedence=(choice.precedence - price * choice.occupancy) // ONE if price else choice.precedence,
            occupied_percent=choice.occupancy * 100 // ONE,
            idle_order=idle_order,
        ),
    )


def _contact_keys(choice: ContactChoice, now: int) -> _Compared:
    measure, words = measured(choice.urgency, now)
    return _Compared(
        (choice.rank, *choice.urgency.key(now, choice.seq)),
        Candidate(
            name=choice.contact,
            rank=choice.rank,
            level=choice.urgency.level,
            urgency_s=choice.urgency.at(now) // (AGEING_ONE * NS_PER_S),
            waited_s=(now - choice.urgency.since_ns) // NS_PER_S,
            measured=words,
        ),
        measure,
    )


def _agents_kept_out(decision: Decision) -> tuple[Count, ...]:
    """The logged-in agents whom the contact could not get."""
    asked = Asked.by(decision.contact)
    required = asked.requirement
    candidates = {choice.agent for choice in decision.agents}
    found: Counter[Condition] = Counter()
    for agent in decision.others:
        if agent.presence != "logged_out" and agent.agent not in candidates:
            condition, _ = state_obstacle(agent, decision.now_ns, asked.channel)
            if condition == "none":
                condition, _ = fit_obstacle(agent, asked, required)
            found[condition if condition != "none" else gate_obstacle(agent, asked)[0]] += 1
    return _counted(found)


def _contacts_kept_out(decision: Decision) -> tuple[Count, ...]:
    """The waiting contacts that the agent could not get."""
    candidates = {choice.contact for choice in decision.contacts}
    found: Counter[Condition] = Counter()
    judged: dict[Asked, Condition] = {}
    for contact in decision.waiting:
        if contact.contact not in candidates:
            asked = Asked.by(contact)
            if asked not in judged:
                fit, _ = fit_obstacle(decision.agent, asked, asked.requirement)
                if fit == "none":
                    fit, _ = state_obstacle(decision.agent, decision.now_ns, asked.channel)
                judged[asked] = fit if fit != "none" else gate_obstacle(decision.agent, asked)[0]
            found[judged[asked]] += 1
    return _counted(found)


def _counted(found: Counter[Condition]) -> tuple[Count, ...]:
    return tuple(Count(condition=condition, count=found[condition]) for condition in CONDITIONS if found[condition])


def _looked(decision: Decision, eligible: int) -> str:
    contact, agent = decision.contact, decision.agent.agent
    place = f"{contact.tenant}/{contact.queue}"
    if decision.agent_looked:
        noun = "1 waiting contact" if eligible == 1 else f"{eligible} waiting contacts"
        return f"Agent {agent} became free and could serve {noun}; he was offered {contact.contact} of {place}."
    waited_s = (decision.now_ns - contact.enqueued_ns) // NS_PER_S
    noun = "1 agent was" if eligible == 1 else f"{eligible} agents were"
    after = f", after {waited_s} s of waiting" if waited_s else ""
    return f"{contact.contact} of {place} looked for an agent{after}; {noun} free for it, and {agent} was rung."


def _decided(decision: Decision, knob: Knob, first: Candidate, second: Candidate) -> str:
    if knob == "only_one":
        return "There was no other."
    words = {
        "preference": f"preference: the contact prefers {first.name} to {second.name}",
        "rank": f"rank: {first.rank} for {first.name}, {second.rank} for {second.name}",
        "share": f"the share of the group: that of {first.name} is further below what it is allotted than that of {second.name}",
        "strategy": f"strategy {decision.strategy}: {_priced(decision, first)}, {_priced(decision, second)}",
        "occupancy": f"the price of occupancy, {decision.occupancy_price} beside strategy {decision.strategy}: "
        f"{_priced(decision, first)}, {_priced(decision, second)}",
        "idle_order": f"idle time: {first.name} has been idle for longer than {second.name}",
        "level": f"strict priority: {first.level} for {first.name}, {second.level} for {second.name}",
        "urgency": f"urgency: {first.name} counts as if it had waited for {first.urgency_s} s, "
        f"{second.name} for {second.urgency_s} s",
        "predicted_wait": f"urgency by predicted wait: {_urgent(first)}, {_urgent(second)}",
        "queue_ratio": f"the ratio of the queues: {_urgent(first)}, {_urgent(second)}",
        "waiting_cost": f"the cost of waiting: {_urgent(first)}, {_urgent(second)}",
        "place": f"the place among contacts that are urgent alike: {first.name} stands before {second.name}",
        "waited": f"waiting: {first.waited_s} s for {first.name}, {second.waited_s} s for {second.name}",
        "arrival": f"arrival: {first.name} came before {second.name}",
    }
    return f"What decided was {words[knob]}."


def _priced(decision: Decision, agent: Candidate) -> str:
    """What the strategy makes of an agent, in words."""
    occupied = f", occupied for {agent.occupied_percent} % of his time" if decision.occupancy_price else ""
    return f"{agent.precedence} for {agent.name}{occupied}"


def _urgent(contact: Candidate) -> str:
    """How urgent a contact is, in words."""
    because = f", since {contact.measured}" if contact.measured else ""
    return f"{contact.name} counts as if it had waited for {contact.urgency_s} s{because}"


def measured(urgency: Urgency, now: int) -> tuple[Knob, str]:
    """How a contact's queue is measured beside waits, and in words what that comes to; `urgency` and nothing if it is not."""
    if urgency.ratio is not None:
        found = urgency.ratio
        return "queue_ratio", (
            f"{found.waiting} of the {found.group_waiting} that wait in its group wait in its queue, whose share is "
            f"{found.weight} of {found.group_weight}"
        )
    if urgency.costs is not None:
        cost = urgency.costs.cost(urgency.cost_wait_ns(now)) / AGEING_ONE
        each = (
            f" and an agent takes {urgency.costs.handle_ns // NS_PER_S} s for each" if urgency.costs.handle_ns else ""
        )
        return "waiting_cost", f"a further second of its waiting costs {cost:g}{each}"
    if urgency.left_ns:
        return "predicted_wait", f"it would wait another {urgency.left_ns // NS_PER_S} s if it were not served now"
    return "urgency", ""
