"""Pauses for reasons that are configured: how long they take, and what of an allowance is left."""

from acd_core.config import PauseReason, ns_of_seconds, seconds_of_ns
from acd_core.events import AgentPauseUsedUp
from acd_core.model.rests import Rests
from acd_core.model.rows import AgentRow, PauseClock, PauseSum
from acd_core.views import Presence


class Pauses(Rests):
    """The state with its pauses; see `Model`.

    A pause is counted while the agent is seen paused, not while he still talks or does after-work. All of it belongs to the
    window in which it began.
    """

    def _refresh(self, agent: AgentRow) -> None:
        super()._refresh(agent)
        self._mind_pause(agent)

    def _set_presence(self, agent: AgentRow, presence: Presence, reason: str = "") -> None:
        super()._set_presence(agent, presence, reason)
        self._mind_pause(agent)

    def _mind_pause(self, agent: AgentRow) -> None:
        """Begin or end counting, by what the agent does now."""
        counted = next((r for r in self._config.pause_reasons if r.name == agent.pause_reason), None)
        if agent.state != "paused":
            counted = None
        if counted != (agent.pause_clock.reason if agent.pause_clock else None):
            self._stop_pause(agent)
            if counted is not None:
                self._start_pause(agent, counted)

    def _start_pause(self, agent: AgentRow, reason: PauseReason) -> None:
        found = agent.pauses.get(reason.name)
        if found is None or self.now >= found.began + ns_of_seconds(reason.window_s):
            found = agent.pauses[reason.name] = PauseSum(self.now)
        agent.pause_clock = PauseClock(agent, reason, self.now)
        if reason.allowance_s:
            left = ns_of_seconds(reason.allowance_s) - found.used
            self._arm(agent.pause_clock, self.now + max(0, left))

    def _stop_pause(self, agent: AgentRow) -> None:
        clock = agent.pause_clock
        if clock is None:
            return
        clock.timer = None
        agent.pause_clock = None
        took = self.now - clock.began
        agent.pauses[clock.reason.name].used += took
        if clock.reason.paid:
            agent.paid_ns += took
        else:
            agent.unpaid_ns += took

    def _allowance_used(self, clock: PauseClock) -> None:
        agent, reason = clock.agent, clock.reason
        used = agent.pauses[reason.name].used + self.now - clock.began
        self._emit(
            AgentPauseUsedUp,
            None,
            agent,
            agent=agent.config.agent,
            reason=reason.name,
            used=seconds_of_ns(used),
            allowance=seconds_of_ns(ns_of_seconds(reason.allowance_s)),
        )

    def _change_pauses(self, before: tuple[PauseReason, ...]) -> None:
        """Other reasons may be configured: what was begun under the earlier ones ends now."""
        if self._config.pause_reasons == before:
            return
        names = {reason.name for reason in self._config.pause_reasons}
        for agent in self._agents.values():
            self._stop_pause(agent)
            agent.pauses = {name: found for name, found in agent.pauses.items() if name in names}
            self._mind_pause(agent)

    def check(self) -> None:
        super().check()
        for agent in self._agents.values():
            clock = agent.pause_clock
            if clock is not None:
                assert agent.state == "paused", f"a pause of {agent.config.agent} is counted, and he is {agent.state}"
                assert clock.reason in self._config.pause_reasons, f"{clock.reason} is none that is configured"
