"""Contacts that agents have from elsewhere, as somebody reports who sees their telephones."""

from acd_core.model.rows import AgentRow, ContactRow, Outside, OutsideClock
from acd_core.model.transitions import Transitions


class OutsideContacts(Transitions):
    """The state with what agents have in hand that did not come from here; see `Model`.

    It takes room as legs do, until it is reported to be over, or nothing was reported for too long.
    """

    def _report_outside(self, agent: AgentRow, channel: str, contacts: int, until: int) -> None:
        before = agent.outside.pop(channel, None)
        if contacts:
            agent.outside[channel] = Outside(contacts, until)
        self._mind_outside(agent)
        if contacts != (before.contacts if before else 0):
            self._outside_changed(agent)

    def _mind_outside(self, agent: AgentRow) -> None:
        """Set the time at which the first of the reports is too old."""
        if agent.outside_clock is not None:
            agent.outside_clock.timer = None
        agent.outside_clock = None
        if agent.outside:
            agent.outside_clock = OutsideClock(agent)
            self._arm(agent.outside_clock, min(found.until for found in agent.outside.values()))

    def _outside_due(self, clock: OutsideClock) -> None:
        """Nothing was reported for too long."""
        agent = clock.agent
        agent.outside = {name: found for name, found in agent.outside.items() if found.until > self.now}
        self._mind_outside(agent)
        self._outside_changed(agent)

    def _change_outside(self) -> None:
        """Forget contacts of channels that are configured no more."""
        for agent in self._agents.values():
            known = {name: found for name, found in agent.outside.items() if name in self._channels}
            if known != agent.outside:
                agent.outside = known
                self._mind_outside(agent)

    def _outside_changed(self, agent: AgentRow) -> None:
        """The agent has more room now, or less: take an offer from him that does not fit any more, or serve him."""
        if agent.presence == "logged_out":
            return
        contact = self._withdraw_unfit(agent)
        keeps = not self._config.settings.outside_counts
        if agent.rung:
            self._refresh(agent)
            if not keeps:
                self._stand_last(agent)
            self._agent_changed(agent)
            return
        place = (agent.idle_seq or agent.kept_seq) if keeps else 0
        agent.idle_seq = agent.kept_seq = 0
        self._refresh(agent)
        if contact is not None:
            self._requeue(contact)
        if place and self._can_be_idle(agent):
            agent.idle_seq = place
            self._agent_changed(agent)
            self._serve_agent(agent)
        else:
            self._lighten(agent)
            if not agent.idle_seq:
                agent.kept_seq = place

    def _withdraw_unfit(self, agent: AgentRow) -> ContactRow | None:
        """Take back an offer for which the agent has no room any more; gives its contact."""
        for leg in [leg for leg in agent.legs if leg.state == "offered"]:
            channel = leg.queue.config.channel
            held = self._in_hand(agent)
            held.remove(channel)
            if not self._has_room(agent, self._channels[channel], held):
                return self._end_offer(leg, "withdrawn", "agent_outside")
        return None

    def _idle(self, agent: AgentRow) -> None:
        agent.kept_seq = 0
        super()._idle(agent)

    def _stop_offering(self, agent: AgentRow, cause: str) -> ContactRow | None:
        agent.kept_seq = 0
        return super()._stop_offering(agent, cause)

    def check(self) -> None:
        super().check()
        for agent in self._agents.values():
            name, clock = agent.config.agent, agent.outside_clock
            assert (clock is not None and clock.timer is not None) == bool(agent.outside), f"reports on {name}"
            assert all(channel in self._channels for channel in agent.outside), f"{name} has what nobody knows"
            assert not (agent.kept_seq and agent.idle_seq), f"{name} has two places among the idle"
            on_the_phone = bool(agent.outside) and agent.presence != "logged_out"
            assert not on_the_phone or agent.activity == "busy", f"{name} is not seen busy"
