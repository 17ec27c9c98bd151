"""A machine as it looks from behind a wall: what belongs to others is not there.

`Walled` shows the reading part of a machine, as far as lists, counts and explanations use it, so those need not know
of walls. Agents who serve others too are seen, since they answer one's own contacts; what they do for others is not.
"""

from collections import Counter
from collections.abc import Callable
from typing import ClassVar

from msgspec.structs import replace

from acd_core import Config, Machine
from acd_core.views import AGENT_STATES, AgentView, ContactView, DomainView, QueueView, Standing
from server.access.identity import Identity

HIDDEN = "(hidden)"
"""Stands for the contact or offer of somebody else that an agent is busy with."""


class Reach:
    """Which tenants, agents and contacts an identity may see, and which are wholly its own.

    The tenants of each agent are copied from the configuration, anew when another one holds, and once for all connections.
    """

    _latest: ClassVar[tuple[Config | None, dict[str, tuple[str, ...]]]] = (None, {})

    def __init__(self, machine: Machine, identity: Identity) -> None:
        self.identity = identity
        self._machine = machine

    def _serving(self, agent: str) -> tuple[str, ...] | None:
        """The tenants that an agent serves, empty for all; None if there is no such agent."""
        config = self._machine.config()
        known, tenants_of = Reach._latest
        if config is not known:
            tenants_of = {row.agent: row.tenants for row in config.agents}
            Reach._latest = (config, tenants_of)
        return tenants_of.get(agent)

    @property
    def tenants(self) -> frozenset[str]:
        """The tenants behind the wall; of the role `agent` those that its agents serve."""
        identity = self.identity
        if identity.role != "agent":
            return identity.tenants
        found: set[str] = set()
        for agent in identity.agents:
            tenants = self._serving(agent)
            if tenants is not None:
                found.update(tenants or (tenant.name for tenant in self._machine.config().tenants))
        return frozenset(found)

    @property
    def tenants_of_events(self) -> frozenset[str]:
        """The tenants whose every event is behind the wall; none where it is made of agents."""
        return frozenset() if self.identity.role == "agent" else self.identity.tenants

    def sees_tenant(self, tenant: str) -> bool:
        """Whether this tenant is there for it."""
        return tenant in self.identity.tenants

    def sees_agent(self, agent: str) -> bool:
        """Whether the agent may answer contacts from behind the wall, or is one's own."""
        if self.identity.role == "agent":
            return agent in self.identity.agents
        tenants = self._serving(agent)
        return tenants is not None and (not tenants or not self.identity.tenants.isdisjoint(tenants))

    def owns_agent(self, agent: str) -> bool:
        """Whether the agent serves nobody else."""
        if self.identity.role == "agent":
            return agent in self.identity.agents
        tenants = self._serving(agent)
        return bool(tenants) and self.identity.tenants.issuperset(tenants or ())

    def sees_contact(self, contact: str, client: str) -> bool:
        """Whether a live contact is behind the wall; of one that ended, whether `client` brought it."""
        owner = self._machine.contact_owner(contact)
        if owner is None:
            return False
        brought_by, tenant, agents = owner
        if not tenant:
            return brought_by == client and self.identity.role != "agent"
        if self.identity.role == "agent":
            return not self.identity.agents.isdisjoint(agents)
        return tenant in self.identity.tenants

    def sees_offer(self, offer: str) -> bool:
        """Whether an offer is of a contact behind the wall, or held out to one's own agent; or is over."""
        owner = self._machine.offer_owner(offer)
        if owner is None:
            return True  # the machine says no more of it than that
        tenant, agent = owner
        return agent in self.identity.agents if self.identity.role == "agent" else tenant in self.identity.tenants

    def sees_event(self, tenant: str, agent: str) -> bool:
        """Whether an event is about what is behind the wall: about a contact of `tenant`, or about `agent`, or both."""
        if self.identity.role == "agent":
            return agent in self.identity.agents
        return tenant in self.identity.tenants if tenant else bool(agent) and self.sees_agent(agent)


class Walled:
    """The part of `Machine` that only reads, as seen by `identity` on a connection of `client`."""

    def __init__(self, machine: Machine, reach: Reach, client: str) -> None:
        self._machine = machine
        self._reach = reach
        self._client = client
        self._tenants = reach.tenants

    @property
    def seq(self) -> int:
        """See `Machine`."""
        return self._machine.seq

    @property
    def now(self) -> int:
        """See `Machine`."""
        return self._machine.now

    def config(self) -> Config:
        """What of the configuration is behind the wall: settings, skills, own tenants, their queues, and the agents
        that serve nobody else.
        """
        return own_part(self._machine.config(), self._reach)

    def domain(self) -> DomainView:
        """Counts of what is seen. Those over time are of everybody, and so left out."""
        views = self.agents()
        queues = self.queues()
        waiting = sum(queue.waiting + queue.offered for queue in queues)
        paused: Counter[str] = Counter(view.pause_reason for view in views if view.state == "paused")
        cooling: Counter[str] = Counter(view.cooldown_cause for view in views if view.state == "cooldown")
        states: Counter[str] = Counter(view.state for view in views)
        return DomainView(
            now_ns=self._machine.now,
            seq=self._machine.seq,
            contacts=waiting + sum(queue.connected + queue.wrapup for queue in queues),
            waiting=waiting,
            agents={state: states[state] for state in AGENT_STATES},
            pause_reasons=dict(sorted(paused.items())),
            cooldown_causes=dict(sorted(cooling.items())),
            agent_us={},
        )

    def queues(self) -> list[QueueView]:
        """See `Machine`."""
        return [view for view in self._machine.queues() if view.tenant in self._tenants]

    def agent(self, agent: str) -> AgentView | None:
        """See `Machine`."""
        view = self._machine.agent(agent) if self._reach.sees_agent(agent) else None
        return None if view is None else self._redacted(view)

    def agents(self, tenant: str = "", state: str = "", limit: int = 0) -> list[AgentView]:
        """See `Machine`."""
        if self._reach.identity.role == "agent":
            own = (self.agent(agent) for agent in sorted(self._reach.identity.agents))
            chosen: Callable[[AgentView], bool] = lambda view: not state or view.state == state  # noqa: E731
            return [view for view in own if view is not None and chosen(view)][: limit or None]
        if tenant and tenant not in self._tenants:
            return []
        if tenant or len(self._tenants) == 1:
            found = self._machine.agents(tenant or next(iter(self._tenants)), state, limit)
        else:
            seen = (view for view in self._machine.agents("", state) if self._reach.sees_agent(view.agent))
            found = list(seen)[: limit or None]
        return [self._redacted(view) for view in found]

    def contact(self, contact: str) -> ContactView | None:
        """See `Machine`."""
        return self._machine.contact(contact) if self._reach.sees_contact(contact, self._client) else None

    def contacts(self, tenant: str = "", queue: str = "", limit: int = 0, state: str = "") -> list[ContactView]:
        """See `Machine`."""
        tenants = self._tenants & {tenant} if tenant else self._tenants
        if len(tenants) == 1:
            return self._machine.contacts(next(iter(tenants)), queue, limit, state)
        found = [view for name in tenants for view in self._machine.contacts(name, queue, limit, state)]
        found.sort(key=lambda view: view.seq)
        return found[: limit or None]

    def standing(self, contact: str) -> Standing | None:
        """See `Machine`."""
        return self._machine.standing(contact) if self._reach.sees_contact(contact, self._client) else None

    def ended_reason(self, contact: str) -> str:
        """See `Machine`."""
        return self._machine.ended_reason(contact) if self._reach.sees_contact(contact, self._client) else ""

    def _redacted(self, view: AgentView) -> AgentView:
        """An agent without what he has to do with others."""
        tenants = self._tenants
        hidden = bool(view.offer) and not self._reach.sees_offer(view.offer)
        return replace(
            view,
            legs=tuple(leg for leg in view.legs if self._reach.sees_offer(leg.offer)),
            tenants=tuple(name for name in view.tenants if name in tenants),
            queues=_within(view.queues, tenants),
            ranks={path: rank for path, rank in view.ranks.items() if path.partition("/")[0] in tenants},
            turns={path: turn for path, turn in view.turns.items() if path.partition("/")[0] in tenants},
            client=view.client if self._reach.owns_agent(view.agent) else "",
            contact=HIDDEN if hidden else view.contact,
            offer=HIDDEN if hidden else view.offer,
        )


def _within(queues: tuple[str, ...], tenants: frozenset[str]) -> tuple[str, ...]:
    """What may be seen of the queues that an agent chose; that he chose at all is no secret."""
    seen = tuple(path for path in queues if path.partition("/")[0] in tenants)
    return seen if len(seen) == len(queues) else (*seen, HIDDEN)


def own_part(config: Config, reach: Reach) -> Config:
    """What of a configuration belongs to those behind the wall."""
    tenants = reach.tenants
    return replace(
        config,
        tenants=tuple(row for row in config.tenants if row.name in tenants),
        queues=tuple(row for row in config.queues if row.tenant in tenants),
        agents=tuple(row for row in config.agents if _is_of(row.tenants, tenants)),
    )


def _is_of(serving: tuple[str, ...], tenants: frozenset[str]) -> bool:
    """Whether who serves these tenants serves nobody else."""
    return bool(serving) and tenants.issuperset(serving)
