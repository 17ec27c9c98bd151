"""Agents to whom offers are made in vain: how often that happened lately."""

from acd_core.config import ns_of_seconds
from acd_core.model.rows import AgentRow
from acd_core.model.state import State


class Rests(State):
    """The state with what makes agents rest; see `Model`."""

    def _failed_offers_max(self, agent: AgentRow) -> int:
        own = agent.config.failed_offers_max
        return self._config.settings.failed_offers_max if own is None else own

    def _failed_too_often(self, agent: AgentRow) -> bool:
        """One more offer to him was rejected or timed out. Whether those within the window are too many."""
        most = self._failed_offers_max(agent)
        if not most:
            agent.failed = []
            return False
        after = self.now - ns_of_seconds(self._config.settings.failed_offers_window_s)
        agent.failed = [at for at in [*agent.failed, self.now] if at > after][-most:]
        return len(agent.failed) >= most

    def check(self) -> None:
        super().check()
        for agent in self._agents.values():
            assert agent.failed == sorted(agent.failed), f"offers to {agent.config.agent} failed in another order"
