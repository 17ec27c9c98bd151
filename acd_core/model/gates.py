"""What keeps a contact from agents who could serve it: limits, reserves for other queues, shares of groups."""

from msgspec.structs import replace

from acd_core.config import ALLOCATION_MEMORY, SERVICE_LEVEL_MEMORY, SERVICE_LEVEL_ONE, ns_of_seconds
from acd_core.model.pauses import Pauses
from acd_core.model.rows import AgentRow, ContactRow, QueueRow
from acd_core.plan import plan_of
from acd_core.views import AgentView, ContactView, Limit


class Gates(Pauses):
    """The state with its gates; see `Model`."""

    # -- limits -------------------------------------------------------------------------------------------------

    def _in_conversation(self, queues: list[QueueRow]) -> int:
        return sum(c.queue in queues and c.state in {"offered", "connected"} for c in self._contacts.values())

    def _limit(self, contact: ContactRow) -> Limit:
        """Whether its queue or its tenant has as many in conversation, or being rung for, as it may."""
        if contact.state != "queued":
            return ""
        config = contact.queue.config
        if 0 < config.max_in_conversation <= self._in_conversation([contact.queue]):
            return "queue"
        tenant = self._tenants[config.tenant]
        of_tenant = [queue for queue in self._queues.values() if queue.config.tenant == config.tenant]
        return "tenant" if 0 < tenant.max_in_conversation <= self._in_conversation(of_tenant) else ""

    # -- reserves -----------------------------------------------------------------------------------------------

    def _withheld(self) -> list[AgentRow]:
        """The agents who are kept free, and so get contacts of queues with a reserve only."""
        withheld: list[AgentRow] = []
        for queue in self._queues.values():
            reserve = queue.config.reserve
            if reserve is not None and queue.reserving:
                newcomer = self._newcomer(queue)
                free = [
                    agent
                    for agent in self._agents.values()
                    if self._open(agent, newcomer) and self._eligible(agent, newcomer)
                ]
                if len(free) <= reserve.agents:
                    withheld += free
        return withheld

    def _newcomer(self, queue: QueueRow) -> ContactRow:
        """A contact of the queue that has just come and asks nothing itself."""
        plan = plan_of(queue.config, (), "add", {path: row.config for path, row in self._queues.items()})
        return ContactRow("", "", queue, 0, 0, (), {}, self.now, plan=plan, own_steps=(), own_steps_mode="add")

    def _watch_reserve(self, queue: QueueRow, wait: int, in_target: bool) -> None:
        """A contact left the queue, answered or not, after so long a wait."""
        share = queue.recent_in_target
        queue.recent_in_target += (SERVICE_LEVEL_ONE * in_target - share) // SERVICE_LEVEL_MEMORY
        reserve = queue.config.reserve
        if reserve is None or not reserve.conditional:
            return
        level = queue.recent_in_target * 100
        if (reserve.when_wait_s is not None and wait >= ns_of_seconds(reserve.when_wait_s)) or (
            reserve.when_service_level is not None and level < reserve.when_service_level * SERVICE_LEVEL_ONE
        ):
            queue.reserving = True
            self._arm_reserve(queue)
        elif (reserve.when_wait_s is None or wait <= ns_of_seconds(reserve.until_wait_s)) and (
            reserve.when_service_level is None or level >= reserve.until_service_level * SERVICE_LEVEL_ONE
        ):
            queue.reserving = False
            queue.timer = None

    def _arm_reserve(self, queue: QueueRow) -> None:
        assert queue.config.reserve is not None
        queue.timer = self._timer(queue, self.now + ns_of_seconds(queue.config.reserve.lasts_s))

    def _reserve_over(self, queue: QueueRow) -> None:
        queue.reserving = False

    def _configured_reserve(self, queue: QueueRow, before: object) -> None:
        """Another configuration holds: a reserve that is new begins as it should."""
        reserve = queue.config.reserve
        if reserve == before:
            return
        queue.timer = None
        queue.reserving = reserve is not None and not reserve.conditional

    # -- shares of groups ---------------------------------------------------------------------------------------

    def _share(self, agent: AgentRow, contact: ContactRow) -> int:
        """How far the agent's group is above its share of the contact's queue; the lowest comes first."""
        allocation = contact.queue.config.allocation
        if not allocation:
            return 0
        percent = allocation.get(agent.config.group, 0)
        if not percent:
            return ALLOCATION_MEMORY * 10_000
        return contact.queue.allocated.get(agent.config.group, 0) * 10_000 // percent

    def _allocate(self, queue: QueueRow, agent: AgentRow, by: int) -> None:
        """An offer was made to the agent, or has failed."""
        group = agent.config.group
        if group not in queue.config.allocation:
            return
        queue.allocated[group] = max(0, queue.allocated.get(group, 0) + by)
        if sum(queue.allocated.values()) >= ALLOCATION_MEMORY:
            queue.allocated = {name: count // 2 for name, count in queue.allocated.items()}
        queue.allocated = {name: count for name, count in queue.allocated.items() if count}

    # -- matching -----------------------------------------------------------------------------------------------

    def _best_agent(self, contact: ContactRow) -> AgentRow | None:
        """The free agent who gets `contact`."""
        if self._limit(contact):
            return None
        withheld = [] if contact.queue.config.reserve else self._withheld()
        path = contact.queue.path
        fitting = [
            agent
            for agent in self._agents.values()
            if self._open(agent, contact) and self._eligible(agent, contact) and agent not in withheld
        ]
        return min(
            (agent for agent in fitting if not contact.bound or agent.config.agent in contact.preferred),
            key=lambda agent: (
                contact.preference(agent),
                agent.rank(path),
                self._share(agent, contact),
                self._precedence(agent, contact),
                agent.idle_seq,
            ),
            default=None,
        )

    def _best_contact(self, agent: AgentRow) -> ContactRow | None:
        """The waiting contact that `agent` gets."""
        spared = agent not in self._withheld()
        return min(
            (
                contact
                for contact in self._contacts.values()
                if contact.in_line
                and self._open(agent, contact)
                and self._eligible(agent, contact)
                and (spared or contact.queue.config.reserve is not None)
                and not self._limit(contact)
                and (not contact.bound or agent.config.agent in contact.preferred)
            ),
            key=lambda contact: (agent.rank(contact.queue.path), self._order(contact)),
            default=None,
        )

    def _contact_view(self, contact: ContactRow) -> ContactView:
        return replace(
            super()._contact_view(contact),
            limit=self._limit(contact),
            reserved=contact.queue.config.reserve is not None,
        )

    def _agent_view(self, agent: AgentRow) -> AgentView:
        return replace(super()._agent_view(agent), kept_free=agent in self._withheld())

    @property
    def _gated(self) -> bool:
        """Whether there is any gate, without which nobody waits whom a free agent could serve."""
        limited = any(tenant.max_in_conversation for tenant in self._config.tenants)
        return limited or any(queue.max_in_conversation or queue.reserve for queue in self._config.queues)

    def check(self) -> None:
        super().check()
        for contact in self._contacts.values():
            if contact.in_line:
                assert self._best_agent(contact) is None, f"{contact.id} waits while a free agent could serve it"
        for queue in self._queues.values():
            config = queue.config
            assert queue.timer is None or queue.reserving, f"a deadline for nothing in {queue.path}"
            assert set(queue.allocated) <= set(config.allocation), f"{queue.path} counts groups that have no share"
