"""One decision, kept as it was made: who could have been chosen, and by which keys."""

from acd_core.model.gates import Gates
from acd_core.model.rows import AgentRow, ContactRow, offer_id
from acd_core.views import AgentChoice, ContactChoice, Decision, offer_number


class Decisions(Gates):
    """The state with an eye on one decision; see `Model`."""

    def __init__(self) -> None:
        super().__init__()
        self.witnessed: Decision | None = None
        self._watched = 0

    def watch_offer(self, offer: str) -> None:
        self._watched = offer_number(offer)
        self.witnessed = None

    def _witness(self, contact: ContactRow, agent: AgentRow, *, agent_looked: bool) -> None:
        """Keep what the offer that is about to be made was chosen from, if it is the one that is watched for."""
        if self._watched != self._offer_seq + 1:
            return
        path = contact.queue.path
        withheld = self._withheld()
        agents = [
            AgentChoice(
                agent=other.config.agent,
                preference=contact.preference(other),
                rank=other.rank(path),
                share=self._share(other, contact),
                precedence=self._precedence(other, contact),
                idle_seq=other.idle_seq,
                occupancy=self._occupancy(other) if contact.queue.config.occupancy_price else 0,
            )
            for other in self._agents.values()
            if not agent_looked
            and self._open(other, contact)
            and self._eligible(other, contact)
            and (contact.queue.config.reserve is not None or other not in withheld)
            and (not contact.bound or other.config.agent in contact.preferred)
        ]
        contacts = [
            ContactChoice(
                contact=other.id, rank=agent.rank(other.queue.path), urgency=self._measured(other), seq=other.seq
            )
            for other in sorted(self._contacts.values(), key=lambda other: other.seq)
            if agent_looked
            and other.in_line
            and self._open(agent, other)
            and self._eligible(agent, other)
            and (other.queue.config.reserve is not None or agent not in withheld)
            and not self._limit(other)
            and (not other.bound or agent.config.agent in other.preferred)
        ]
        self.witnessed = Decision(
            offer=offer_id(self._watched),
            now_ns=self.now,
            contact=self._contact_view(contact),
            agent=self._agent_view(agent),
            agent_looked=agent_looked,
            agents=tuple(agents),
            contacts=tuple(contacts),
            others=tuple(self.agents()),
            waiting=tuple(self.contacts(state="queued")) if agent_looked else (),
            strategy=contact.queue.config.strategy,
            occupancy_price=contact.queue.config.occupancy_price,
        )
