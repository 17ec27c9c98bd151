"""What makes agents rest beside a cooldown: too much work lately; and how often offers to them were in vain."""

from acd_core.config import ns_of_seconds, rest_levels
from acd_core.model.fixed_point import ONE
from acd_core.model.measures import Measures
from acd_core.model.occupancy import time_until
from acd_core.model.rows import AgentRow, RestClock
from acd_core.views import Presence


class Rests(Measures):
    """The state with what makes agents rest; see `Model`.

    An agent whose occupancy is above the one that is configured rests until it has fallen to a lower one. While he is
    occupied it can rise above it too, if he has room for more beside what he has in hand; then he gets no more.
    """

    def _refresh(self, agent: AgentRow) -> None:
        before = agent.resting
        super()._refresh(agent)
        if agent.resting != before:
            super()._refresh(agent)

    def _set_presence(self, agent: AgentRow, presence: Presence, reason: str = "") -> None:
        before = agent.resting
        super()._set_presence(agent, presence, reason)
        if agent.resting or before or agent.outside:
            super()._refresh(agent)

    def _take_occupancy(self, agent: AgentRow) -> None:
        super()._take_occupancy(agent)
        self._mind_rest(agent)

    def _begin_occupancy(self, agent: AgentRow) -> None:
        super()._begin_occupancy(agent)
        agent.resting = False
        self._mind_rest(agent)

    def _mind_rest(self, agent: AgentRow) -> None:
        """His occupancy is known as of now: he may have to rest. Set the time at which that ends, or begins."""
        levels = rest_levels(self._config.settings)
        if agent.rest_clock is not None:
            agent.rest_clock.timer = None
        agent.rest_clock = None
        if levels is None:
            agent.resting = False
            return
        most, least = (ONE * percent // 100 for percent in levels)
        if agent.occupancy > most:
            agent.resting = True
        if agent.resting and not agent.rung:
            agent.idle_seq = 0
        if agent.use == ("free" if agent.resting else "occupied"):
            agent.rest_clock = RestClock(agent)
            due_us = time_until(agent.occupancy, agent.use, least if agent.resting else most, self._half_life_us)
            self._arm(agent.rest_clock, self.now + 1000 * due_us)

    def _rest_due(self, clock: RestClock) -> bool:
        """His occupancy has fallen as far as it must, or has risen too far. Whether he may be free now."""
        agent = clock.agent
        agent.rest_clock = None
        agent.resting = not agent.resting
        if agent.resting and not agent.rung:
            agent.idle_seq = 0
        return not agent.resting and agent.activity == "cooldown" and agent.timer is None

    def _judge_rests(self) -> None:
        """Another half-life, or other levels, hold: find out anew who rests."""
        levels = rest_levels(self._config.settings)
        for agent in self._agents.values():
            if levels is not None and agent.occupancy <= ONE * levels[1] // 100:
                agent.resting = False
            self._mind_rest(agent)

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
            clock = agent.rest_clock
            levels = rest_levels(self._config.settings)
            counted = not self._half_life_us or agent.use == self._present_use(agent)
            assert counted, f"the occupancy of {agent.config.agent} goes another way than he does"
            moving = levels is not None and agent.use == ("free" if agent.resting else "occupied")
            assert (clock is not None and clock.timer is not None) == moving, f"the rest of {agent.config.agent}"
            assert levels is not None or not agent.resting, f"{agent.config.agent} rests for nothing"
            assert agent.failed == sorted(agent.failed), f"offers to {agent.config.agent} failed in another order"
