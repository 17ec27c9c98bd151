"""A watcher who knows the rules of routing, the commands and the events, and complains about what is against the rules.

He works out by himself who could serve whom, and looks at a machine through its views only, so he can watch the model
and the engine alike. Each rule is a method that raises AssertionError.
"""

from collections import Counter
from typing import Any

from acd_core import Machine, requirement
from acd_core.config import Channel, Config, Queue, channels_of, rest_levels
from acd_core.events import (
    AgentChanged,
    ContactConnected,
    ContactEnded,
    ContactOffered,
    ContactOverflowed,
    ContactQueued,
    ContactStepped,
    ContactTransferred,
    Event,
    OfferEnded,
)
from acd_core.explain import explain_contact
from acd_core.obstacles import Condition
from acd_core.plan import plan_of
from acd_core.requirement import Requirement
from acd_core.views import AgentView, ContactView

NS_PER_S = 1_000_000_000
UNABLE = {"logged_out", "paused", "cooldown", "offered"}
"""States in which nobody is offered a contact."""
UNFIT: set[Condition] = {"skill_missing", "level_too_low", "requirement"}
"""What explanations say of those who do not meet a requirement."""
OCCUPANCY_DOUBT = 0.01
"""So much the watcher's reckoning in floats may be off."""
EXPLAINED_AT_ONCE = 2
"""So many of those who wait are explained at each look."""


class Snapshot:
    """What the views show at one moment."""

    def __init__(self, machine: Machine) -> None:
        self.now = machine.now
        self.contacts = {contact.contact: contact for contact in machine.contacts()}
        self.agents = {agent.agent: agent for agent in machine.agents()}
        self.queues = {f"{queue.tenant}/{queue.queue}": queue for queue in machine.queues()}


class Watcher:
    """Watches one machine that works by `config`."""

    def __init__(self, machine: Machine, config: Config) -> None:
        self.machine = machine
        self.config = config
        self.queues: dict[tuple[str, str], Queue] = {(queue.tenant, queue.name): queue for queue in config.queues}
        self.channels: dict[str, Channel] = {channel.name: channel for channel in channels_of(config)}
        self.skills = {agent.agent: dict(agent.skills) for agent in config.agents}
        self.asked: dict[str, Requirement] = {}
        self.open: dict[str, ContactOffered] = {}
        self.states = dict.fromkeys(self.skills, "logged_out")
        self.arrived: dict[str, tuple[int, int, int]] = {}
        self.chosen: dict[str, set[str]] = {}
        self.occupancy = dict.fromkeys(self.skills, 0.0)
        self.counted: Counter[tuple[str, str]] = Counter()
        self.complained = False
        self.before = Snapshot(machine)
        machine.take_events()

    def look(self) -> list[Event]:
        """Take the events since the last look and judge them, and what the machine shows now. Gives the events."""
        self.complained = True
        events = [event for event, _, _ in self.machine.take_events()]
        now = Snapshot(self.machine)
        for agent in now.agents.values():
            if agent.presence == "logged_out":
                self.chosen.pop(agent.agent, None)
        self.follow(events, now)
        self.capacity_is_never_exceeded(now)
        self.limits_are_kept(now)
        self.agents_rest_when_they_must(now)
        self.nobody_is_idle_while_somebody_waits(now)
        self.explanations_are_true(now)
        self.places_are_kept(events, now)
        self.sums_close(now)
        if not any(queue.reserve for queue in self.config.queues) and not self.limited:
            self.agents_serve_in_one_total_order(events, now)
            self.contacts_get_the_best_agent(events, now)
        self.before = now
        self.complained = False
        return events

    # -- what follows from the rules ----------------------------------------------------------------------------

    @property
    def limited(self) -> bool:
        tenants = any(tenant.max_in_conversation for tenant in self.config.tenants)
        return tenants or any(queue.max_in_conversation for queue in self.config.queues)

    def queue_of(self, contact: ContactView) -> Queue:
        return self.queues[contact.tenant, contact.queue]

    def fits(self, agent: AgentView, contact: ContactView, step: int | None = None) -> bool:
        """Whether the agent meets what the contact asks at a step, the present one if it is left out."""
        plan = plan_of(self.queue_of(contact), contact.own_steps, contact.own_steps_mode, self.queues)
        stage = plan[min(contact.step if step is None else step, len(plan) - 1)]
        asked = stage.asked(self.asked[contact.contact])
        if not self.serves(agent, contact.tenant, (contact.queue, *stage.further)):
            return False
        return self.meets(agent, contact.tenant, contact.queue, asked, stage.rank_max)

    def serves(self, agent: AgentView, tenant: str, queues: tuple[str, ...]) -> bool:
        """Whether he is logged in to one of these queues, as he was told to be."""
        chosen = self.chosen.get(agent.agent)
        return not chosen or any(f"{tenant}/{queue}" in chosen for queue in queues)

    def meets(self, agent: AgentView, tenant: str, queue: str, asked: Requirement, rank_max: int | None) -> bool:
        if agent.tenants and tenant not in agent.tenants:
            return False
        if rank_max is not None and agent.ranks.get(f"{tenant}/{queue}", 0) > rank_max:
            return False
        return all(requirement.meets(node, self.skills[agent.agent], agent.facts) for node in asked)

    def units(
        self, agent: AgentView, channel: Channel, numbers_below: int = 2**60, *, outside: bool = True
    ) -> tuple[int, int]:
        """Units that count against one more contact of a channel, and contacts of that channel, among older legs and what
        he has from elsewhere.
        """
        held = [
            self.channels[self.queues[tuple(leg.path.split("/"))].channel]  # type: ignore[index]
            for leg in agent.legs
            if int(leg.offer[2:]) < numbers_below
        ]
        if outside:
            held += [self.channels[name] for name, count in agent.outside.items() for _ in range(count)]
        return sum(c.units for c in held if channel.interruptible or not c.interruptible), held.count(channel)

    def is_free(self, agent: AgentView, channel_name: str) -> bool:
        """Whether he can be offered a contact of the channel now."""
        at_work = agent.presence == "ready" and not agent.logging_out and not agent.rest_until_ns
        rung = any(leg.state == "offered" for leg in agent.legs)
        return at_work and not rung and not agent.resting and self.has_room(agent, channel_name)

    def has_room(self, agent: AgentView, channel_name: str) -> bool:
        channel = self.channels[channel_name]
        units, count = self.units(agent, channel)
        return units + channel.units <= agent.capacity and count < channel.most_at_once

    def in_line(self, contact: ContactView) -> bool:
        if contact.state == "offered":
            rung = sum(offer.contact == contact.contact for offer in self.open.values())
            return not contact.wait_expired and rung < self.queue_of(contact).offers_at_once
        return contact.state == "queued"

    def in_conversation(self, now: Snapshot, tenant: str, queue: str = "") -> int:
        return sum(
            contact.state in {"offered", "connected"} and contact.tenant == tenant and queue in ("", contact.queue)
            for contact in now.contacts.values()
        )

    def at_limit(self, contact: ContactView, now: Snapshot) -> bool:
        of_queue = self.queue_of(contact).max_in_conversation
        of_tenant = next(t.max_in_conversation for t in self.config.tenants if t.name == contact.tenant)
        return contact.state == "queued" and (
            0 < of_queue <= self.in_conversation(now, contact.tenant, contact.queue)
            or 0 < of_tenant <= self.in_conversation(now, contact.tenant)
        )

    def reserved_for(self, queue: Queue, now: Snapshot) -> list[str]:
        """The free agents whom a queue with a reserve could use."""
        stage = plan_of(queue, (), "add", self.queues)[0]
        return [
            agent.agent
            for agent in now.agents.values()
            if self.is_free(agent, queue.channel)
            and self.serves(agent, queue.tenant, (queue.name,))
            and self.meets(agent, queue.tenant, queue.name, stage.terms, stage.rank_max)
        ]

    def withheld(self, now: Snapshot) -> set[str]:
        kept: set[str] = set()
        for (tenant, name), queue in self.queues.items():
            if queue.reserve and now.queues[f"{tenant}/{name}"].reserving:
                free = self.reserved_for(queue, now)
                if len(free) <= queue.reserve.agents:
                    kept.update(free)
        return kept

    # -- the rules ----------------------------------------------------------------------------------------------

    def follow(self, events: list[Event], now: Snapshot) -> None:
        """No contact is offered twice at once, and none to somebody who must not have it."""
        for index, event in enumerate(events):
            match event:
                case ContactOffered():
                    self.offer_is_right(event, events[index + 1 :], now)
                    self.open[event.offer] = event
                    self.count(event, "offers")
                case OfferEnded():
                    del self.open[event.offer]
                    self.states[event.agent] = "given back"  # what he does now is told next, unless he is rung again
                    self.count(event, event.outcome)
                case ContactConnected():
                    del self.open[event.offer]
                    rung = [offer for offer in self.open.values() if offer.contact == event.contact]
                    assert not rung, f"{event.contact} talks and is offered to {rung[0].agent}"
                case ContactEnded():
                    assert all(offer.contact != event.contact for offer in self.open.values())
                    self.count(event, f"ended {event.reason}")
                case ContactTransferred() if not event.outside:
                    self.count(event, "ended transferred")
                case AgentChanged():
                    self.states[event.agent] = "logging_out" if event.logging_out else event.state

    def count(self, event: Any, what: str) -> None:
        self.counted[f"{event.tenant}/{event.queue}", what] += 1

    def offer_is_right(self, event: ContactOffered, later: list[Event], now: Snapshot) -> None:
        queue = self.queues[event.tenant, event.queue]
        others = [offer for offer in self.open.values() if offer.contact == event.contact]
        assert len(others) < queue.offers_at_once, f"{event.contact} is offered to {len(others) + 1} agents at once"
        assert all(offer.agent != event.agent for offer in self.open.values()), f"{event.agent} is rung twice"
        state = self.states[event.agent]
        assert state not in UNABLE | {"logging_out"}, f"{event.agent} is {state} and is offered {event.contact}"
        contact, agent = now.contacts.get(event.contact), now.agents[event.agent]
        if contact is None:
            return  # it ended at the same instant, and what it asked is not to be seen any more
        after = [other for other in later if getattr(other, "contact", "") == event.contact]
        if any(isinstance(other, ContactQueued | ContactTransferred | ContactOverflowed) for other in after):
            return  # it moved on at the same instant
        step = contact.step - sum(isinstance(other, ContactStepped) for other in after)
        assert self.fits(agent, contact, step), (
            f"{event.agent} is offered {event.contact}, which asks {contact.require}"
        )

    def capacity_is_never_exceeded(self, now: Snapshot) -> None:
        for agent in now.agents.values():
            for leg in agent.legs:
                channel = self.channels[self.queues[tuple(leg.path.split("/"))].channel]  # type: ignore[index]
                units, count = self.units(agent, channel, int(leg.offer[2:]), outside=False)
                assert units + channel.units <= agent.capacity, f"{agent.agent} has no room for {leg.contact}"
                assert count < channel.most_at_once, f"{agent.agent} has too many contacts of {channel.name}"

    def limits_are_kept(self, now: Snapshot) -> None:
        for queue in self.config.queues:
            there = self.in_conversation(now, queue.tenant, queue.name)
            assert not queue.max_in_conversation or there <= queue.max_in_conversation, (
                f"{queue.name} is over its limit"
            )
        for tenant in self.config.tenants:
            there = self.in_conversation(now, tenant.name)
            assert not tenant.max_in_conversation or there <= tenant.max_in_conversation, (
                f"{tenant.name}: over its limit"
            )

    def nobody_is_idle_while_somebody_waits(self, now: Snapshot) -> None:
        """Each agent who is free and does not get a contact in line is kept from it by something."""
        withheld = self.withheld(now)
        for contact in now.contacts.values():
            if self.in_line(contact):
                for agent in now.agents.values():
                    if agent.presence != "logged_out":
                        reasons = self.what_keeps(agent, contact, withheld, now)
                        assert reasons, f"{agent.agent} is idle while {contact.contact} waits"

    def what_keeps(self, agent: AgentView, contact: ContactView, withheld: set[str], now: Snapshot) -> set[Condition]:
        """What an explanation may say of why a logged-in agent does not get a contact; nothing if he should get it."""
        queue, asked = self.queue_of(contact), self.asked[contact.contact]
        if agent.presence == "paused":
            return {"paused"}
        if agent.logging_out:
            return {"logging_out"}
        if any(leg.state == "offered" for leg in agent.legs):
            return {"offered"}
        if agent.rest_until_ns:
            return {"cooldown"}
        if agent.resting:
            return {"rest"}
        plan = plan_of(queue, contact.own_steps, contact.own_steps_mode, self.queues)
        stage = plan[min(contact.step, len(plan) - 1)]
        unfit: set[Condition] = set()
        if agent.tenants and contact.tenant not in agent.tenants:
            unfit = {"tenant"}
        elif queue.channel not in agent.channels:
            unfit = {"channel"}
        elif not self.meets(agent, contact.tenant, contact.queue, stage.asked(asked), None):
            unfit = UNFIT
        elif not self.meets(agent, contact.tenant, contact.queue, (), stage.rank_max):
            unfit = {"rank"}
        elif not self.serves(agent, contact.tenant, (contact.queue, *stage.further)):
            unfit = {"not_joined"}
        elif contact.prefer_wait and agent.agent not in contact.preferred:
            unfit = {"preferred"}
        if not self.has_room(agent, queue.channel):
            return unfit | {"capacity", "busy", "wrapup"}
        if unfit:
            return unfit
        if self.at_limit(contact, now):
            return {"limit"}
        return {"reserve"} if agent.agent in withheld and not queue.reserve else set()

    def explanations_are_true(self, now: Snapshot) -> None:
        """What is told of each agent is what keeps him from the contact."""
        withheld = self.withheld(now)
        waiting = [contact for contact in now.contacts.values() if contact.state == "queued"]
        for contact in waiting[:EXPLAINED_AT_ONCE]:
            found = explain_contact(self.machine, contact.contact)
            assert found is not None
            told = {verdict.agent: verdict.condition for verdict in found.agents}
            there = {agent.agent for agent in now.agents.values() if agent.presence != "logged_out"}
            assert told.keys() == there, f"{contact.contact} is not explained by all who are there"
            for name, condition in told.items():
                reasons = self.what_keeps(now.agents[name], contact, withheld, now)
                assert condition in reasons, f"{name} does not get {contact.contact}: {condition}, not {reasons}"

    def agents_rest_when_they_must(self, now: Snapshot) -> None:
        """Nobody is free whose occupancy is above the cap, nor rests with one that is below where rests end."""
        most = self.config.settings.occupancy_max
        levels = None if most is None else rest_levels(self.config.settings)
        elapsed_s = (now.now - self.before.now) / NS_PER_S
        kept = 0.5 ** (elapsed_s / self.config.settings.occupancy_half_life_s)
        for name, agent in now.agents.items():
            before = self.before.agents[name]
            # Who is rung in the wrap-up of another contact shows as offered one, and works all the same.
            occupied = before.activity in {"busy", "wrapup"} or any(leg.state != "offered" for leg in before.legs)
            if before.presence != "paused" or occupied:
                self.occupancy[name] = self.occupancy[name] * kept + occupied * (1 - kept)
            if levels is None:
                assert not agent.resting, f"{name} rests, and nobody must"
                continue
            highest, lowest = (level / 100 for level in levels)
            share = self.occupancy[name]
            assert not agent.resting or share >= lowest - OCCUPANCY_DOUBT, f"{name} rests at {share:.0%}"
            free = agent.activity == "none" and agent.presence == "ready" and not agent.resting
            assert not free or share <= highest + OCCUPANCY_DOUBT, f"{name} works at {share:.0%}"

    def places_are_kept(self, events: list[Event], now: Snapshot) -> None:
        """A contact keeps its number and its arrival, whatever fails, until it is moved."""
        for event in events:
            if isinstance(event, ContactTransferred | ContactOverflowed | ContactEnded):
                self.arrived.pop(event.contact, None)
        for contact in now.contacts.values():
            arrived = contact.seq, contact.enqueued_ns, contact.urgency.since_ns
            assert self.arrived.setdefault(contact.contact, arrived) == arrived, f"{contact.contact} lost its place"

    def sums_close(self, now: Snapshot) -> None:
        for path, queue in now.queues.items():
            there = [c.state for c in now.contacts.values() if f"{c.tenant}/{c.queue}" == path]
            shown = (queue.waiting, queue.offered, queue.connected, queue.wrapup, queue.parked)
            counted = tuple(there.count(state) for state in ("queued", "offered", "connected", "wrapup", "parked"))
            assert shown == counted, f"{path} shows {shown}, there are {counted}"
            assert queue.entered == len(there) + sum(queue.ended.values()) + queue.overflowed, f"{path}: entered"
            seen = {what: number for (where, what), number in self.counted.items() if where == path}
            ended = {reason: seen.get(f"ended {reason}", 0) for reason in queue.ended}
            assert queue.ended == ended, f"{path} shows {queue.ended}, {ended} were told"
            offers = (queue.offers, queue.offers_rejected, queue.offers_timed_out, queue.offers_withdrawn)
            told = tuple(seen.get(what, 0) for what in ("offers", "rejected", "timed_out", "withdrawn"))
            assert offers == told, f"{path} shows offers {offers}, told were {told}"
            assert sum(queue.wait_histogram) == queue.answered, f"{path}: histogram of waits"
        domain = self.machine.domain()
        states = Counter(agent.state for agent in now.agents.values())
        assert {state: count for state, count in domain.agents.items() if count} == dict(states), "agents by state"
        assert domain.contacts == len(now.contacts)

    def agents_serve_in_one_total_order(self, events: list[Event], now: Snapshot) -> None:
        """Of those who wait and whom he could serve an agent gets the first, by rank and then by urgency."""
        moved = {getattr(event, "contact", "") for event in events}
        waiting = [
            contact
            for contact in self.before.contacts.values()
            if contact.state == "queued" and contact.contact in now.contacts and contact.contact not in moved
        ]
        keys = [contact.urgency.key(now.now, contact.seq) for contact in self.before.contacts.values()]
        assert len(set(keys)) == len(keys), "two contacts have one place"
        for event in events:
            if isinstance(event, ContactOffered):
                self.offer_is_the_first(event, events, waiting, now)

    def offer_is_the_first(
        self, event: ContactOffered, events: list[Event], waiting: list[ContactView], now: Snapshot
    ) -> None:
        chosen = self.before.contacts.get(event.contact)
        if chosen is None or chosen.state != "queued" or (chosen.tenant, chosen.queue) != (event.tenant, event.queue):
            return
        if any(isinstance(other, ContactStepped) and other.contact == event.contact for other in events):
            return  # the contact looked for an agent, and not he for a contact
        agent = now.agents[event.agent]

        def place(contact: ContactView) -> tuple[int, Any]:
            return agent.ranks.get(f"{contact.tenant}/{contact.queue}", 0), contact.urgency.key(event.at, contact.seq)

        for other in waiting:
            by_name = other.prefer_wait and agent.agent not in other.preferred
            could = self.fits(agent, other) and not by_name and self.is_free_but_for(agent, event, other)
            assert not could or place(chosen) < place(other), (
                f"{agent.agent} gets {chosen.contact} before {other.contact}"
            )

    def is_free_but_for(self, agent: AgentView, event: ContactOffered, other: ContactView) -> bool:
        """Whether the agent, when he was given a contact, had room for the other one."""
        channel = self.channels[self.queue_of(other).channel]
        units, count = self.units(agent, channel, int(event.offer[2:]))
        return units + channel.units <= agent.capacity and count < channel.most_at_once

    def contacts_get_the_best_agent(self, events: list[Event], now: Snapshot) -> None:
        """Of those who stay free a new contact gets nobody of a higher rank, nor one whom its strategy puts behind."""
        offered = [event for event in events if isinstance(event, ContactOffered)]
        if len(offered) != 1 or offered[0].contact in self.before.contacts:
            return
        event, contact = offered[0], now.contacts.get(offered[0].contact)
        if contact is None or contact.preferred or self.queue_of(contact).allocation:
            return
        queue = self.queue_of(contact)
        configured = [agent.agent for agent in self.config.agents]
        costs = {agent.agent: agent.cost for agent in self.config.agents}

        def precedence(agent: AgentView) -> tuple[int, int]:
            rank = agent.ranks.get(f"{contact.tenant}/{contact.queue}", 0)
            match queue.strategy:
                case "linear":
                    return rank, configured.index(agent.agent)
                case "lowest_cost":
                    return rank, costs[agent.agent]
                case "least_skilled":
                    return rank, len(self.skills[agent.agent])
                case "fewest_contacts":
                    return rank, agent.answered_since_login
            return rank, 0

        chosen = self.before.agents[event.agent]
        for agent in self.before.agents.values():
            stays = agent == now.agents[agent.agent] and self.is_free(agent, queue.channel)
            better = precedence(agent) < precedence(chosen)
            assert not (stays and better and self.fits(agent, contact)), (
                f"{contact.contact} goes to {chosen.agent} before {agent.agent}"
            )
