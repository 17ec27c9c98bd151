"""The commands of a stretch of traffic, for any core of the same behaviour: ours, the plain ones, and those of peers."""

import re
import struct
from pathlib import Path
from typing import Any, NamedTuple

from acd_core.config import ns_of_seconds
from acd_core.forecast import P50_BY_SPREAD, P90_BY_SPREAD
from acd_sim.load.floor import Centre, Shape
from bench.drive import START_NS, Traffic
from bench.workload import HANDLING_NS, Call

Terms = tuple[tuple[int, int], ...]
ENQUEUE, ACCEPT, COMPLETE, FREE, ABANDON = range(5)
CLIENT = "sim"
CALLERS = 16


class Row(NamedTuple):
    """One command. `value` is a kind of contact, an offer or an agent, as the operation has it."""

    operation: int
    contact: int
    value: int
    priority: int


def kinds_of(centre: Centre) -> list[tuple[str, str, str]]:
    """All kinds of contact of a centre with one tenant: tenant, queue, requirement."""
    (tenant,) = centre.kinds
    return [(tenant, kind.queue, kind.require) for kind in centre.kinds[tenant]]


def contact_id(contact: int) -> str:
    """What a contact is called."""
    return f"c-{contact}"


def ani_of(contact: int) -> str:
    """The number that it comes from."""
    return f"+34{contact % CALLERS:09d}"


def traffic_of(centre: Centre, *, traced: bool = False, seed: int = 1) -> Traffic:
    """The traffic of a centre, before its first contact."""
    return Traffic(
        centre.config,
        [agent.agent for agent in centre.config.agents],
        kinds_of(centre),
        waiting=centre.shape.waiting,
        step_ns=step_ns_of(centre.shape),
        traced=traced,
        seed=seed,
    )


def step_ns_of(shape: Shape) -> int:
    """Engine time between two commands, so that conversations last as long as they should.

    A little odd, so that nobody's head start makes him equal to another; plain cores need not know who is first then.
    """
    return HANDLING_NS * 2 // max(1, shape.agents) // 4 + 7


class Trace:
    """What happened in a centre from its opening on.

    Attributes:
        rows: as four 32-bit integers each.
        setup: so many rows lead to the steady state.
        assignments: of a segment.
        digest: over who got whom.
        events: over all fields of all events.
        engine: that it was made with, as it stands at the end.
    """

    def __init__(self, centre: Centre, segments: int, assignments: int, seed: int = 1) -> None:
        self.centre = centre
        self.assignments = assignments
        self.segments = segments
        traffic = traffic_of(centre, traced=True, seed=seed)
        traffic.open()
        traffic.settle(assignments)
        self.setup = len(traffic.trace()) // 16
        for _ in range(segments):
            traffic.run(assignments)
        self.data = traffic.trace()
        self.digest = traffic.digest
        self.events = traffic.events
        self.engine = traffic.engine

    def rows(self) -> list[Row]:
        """All commands."""
        return [Row(*row) for row in struct.iter_unpack("4i", self.data)]

    def people(self) -> list[Terms]:
        """Skills of each agent, by number, with levels."""
        numbers = {skill: number for number, skill in enumerate(self.centre.config.skills)}
        return [
            tuple((numbers[name], level) for name, level in agent.skills.items()) for agent in self.centre.config.agents
        ]

    def asked(self) -> list[Terms]:
        """What each kind of contact asks."""
        numbers = {skill: number for number, skill in enumerate(self.centre.config.skills)}
        return [
            tuple((numbers[name], int(level)) for name, level in re.findall(r"([\w-]+)>=(\d+)", require))
            for _, _, require in kinds_of(self.centre)
        ]

    def write(self, path: Path) -> None:
        """As the plain core in C++ reads it."""
        people, asked = self.people(), self.asked()
        head = [len(people), len(self.centre.config.skills), len(asked), self.contacts()]
        head += [len(self.data) // 16, self.setup, self.assignments, *divmod(step_ns_of(self.centre.shape), 10**9)]
        for terms in people + asked:
            head.append(len(terms))
            head += [number for term in terms for number in term]
        path.write_bytes(struct.pack(f"{len(head)}i", *head) + self.data)

    def write_whole(self, path: Path) -> None:
        """As the plain core in C++ reads it that has names and does all that ours does."""
        config, most = self.centre.config, self.centre.config.settings
        values: list[int | str] = [START_NS, step_ns_of(self.centre.shape), most.max_contacts, most.ended_contacts_kept]
        values += [self.setup, self.assignments, CLIENT]
        for table in (P50_BY_SPREAD, P90_BY_SPREAD):
            values += [len(table), *table]
        for names in (config.skills, [tenant.name for tenant in config.tenants]):
            values += [len(names), *names]
        values.append(len(config.queues))
        for queue in config.queues:
            wrapup_most = max(queue.wrapup_s, queue.wrapup_max_s)
            times = (queue.offer_timeout_s, queue.wrapup_s, wrapup_most, queue.max_wait_s, queue.max_talk_s)
            values += [queue.tenant, queue.name, queue.require, *map(ns_of_seconds, times)]
            values += [ns_of_seconds(queue.service_level_s), ns_of_seconds(queue.priority_step_s), queue.max_waiting]
        values.append(len(config.agents))
        for agent in config.agents:
            values += [agent.agent, agent.address, len(agent.skills)]
            values += [value for term in agent.skills.items() for value in term]
        kinds = kinds_of(self.centre)
        values += [len(kinds), *(text for kind in kinds for text in kind)]
        values += [CALLERS, *map(ani_of, range(CALLERS))]
        values += [self.contacts(), *map(contact_id, range(self.contacts()))]
        values.append(len(self.data) // 16)
        path.write_bytes(b"".join(map(_packed, values)) + self.data)

    def contacts(self) -> int:
        """How many contacts come."""
        return 1 + max(row.contact for row in self.rows())

    def calls(self) -> tuple[list[Call], list[list[Call]]]:
        """The same as calls of a machine's methods: what leads to the steady state, and each segment."""
        now, step = START_NS, step_ns_of(self.centre.shape)
        agents = [agent.agent for agent in self.centre.config.agents]
        kinds = kinds_of(self.centre)
        setup = [Call("apply_config", (now, self.centre.config))]
        for agent in agents:
            now += step
            setup.append(Call("login_agent", (now, CLIENT, agent, None, True)))
        segments: list[list[Call]] = []
        calls, assigned = setup, 0
        for number, (operation, contact, value, priority) in enumerate(self.rows()):
            if (
                number >= self.setup
                and len(segments) < self.segments  # what follows the last offer of all is of the last
                and assigned % self.assignments == 0
                and operation != ACCEPT
                and (not segments or assigned == len(segments) * self.assignments)
            ):
                calls = []
                segments.append(calls)
            now += step
            args: tuple[Any, ...]
            if operation == ENQUEUE:
                tenant, queue, require = kinds[value]
                ani = {"ani": ani_of(contact)}
                calls.append(
                    Call("enqueue_contact", (now, CLIENT, contact_id(contact), tenant, queue, priority, require, ani))
                )
                continue
            if operation == ACCEPT:
                method, args = "accept_offer", (now, f"o-{value}")
                assigned += number >= self.setup
            elif operation == COMPLETE:
                method, args = "complete_contact", (now, contact_id(contact), "completed_caller")
            elif operation == FREE:
                method, args = "end_wrapup", (now, agents[value])
            else:
                method, args = "abandon_contact", (now, contact_id(contact))
            calls.append(Call(method, args))
        return setup, segments


def _packed(value: int | str) -> bytes:
    """A number, or a text behind the number of its bytes."""
    if isinstance(value, int):
        return struct.pack("<q", value)
    letters = value.encode()
    return struct.pack("<q", len(letters)) + letters
