"""Agents whom a contact prefers, by name, for a time."""

from acd_core.events import ContactRelaxed
from acd_core.model.decisions import Decisions
from acd_core.model.rows import AgentRow, ContactRow
from acd_core.wishes import Preference


class Preferences(Decisions):
    """The state with whom the contacts prefer; see `Model`."""

    def _staff(self, contact: ContactRow) -> list[AgentRow]:
        """The agents logged in who could serve a contact, whatever they do now."""
        channel = self._channels[contact.queue.config.channel]
        return [
            agent
            for agent in self._agents.values()
            if agent.presence != "logged_out" and self._eligible(agent, contact) and self._has_room(agent, channel, [])
        ]

    def _is_deserted(self, contact: ContactRow) -> bool:
        """Whether a contact waits in vain for the agents that it is bound to: none of them is there and not paused."""
        if not contact.bound:
            return False
        return not any(a.config.agent in contact.preferred and a.presence == "ready" for a in self._staff(contact))

    def _begin_preference(self, contact: ContactRow, preference: Preference) -> None:
        """From now on the contact prefers some agents; unless it would wait for them in vain."""
        contact.preferred = list(preference.agents)
        contact.prefer_wait = preference.wait
        if self._is_deserted(contact):
            contact.preferred = []
            return
        contact.prefer_until = self.now + preference.ns
        contact.prefer_timer = self._timer(contact, contact.prefer_until)

    def _judge_preference(self, contact: ContactRow) -> None:
        """Let a contact that is deserted take anybody at once, and one that is so no longer, wait on."""
        deserted = self._is_deserted(contact)
        if deserted != contact.deserted:
            contact.deserted = deserted
            contact.prefer_timer = self._timer(contact, self.now if deserted else max(self.now, contact.prefer_until))

    def _forget_preference(self, contact: ContactRow) -> None:
        contact.preferred = []
        contact.deserted = False
        contact.prefer_timer = None

    def _end_preference(self, contact: ContactRow) -> None:
        """Anybody will do."""
        self._forget_preference(contact)
        config = contact.queue.config
        self._emit(ContactRelaxed, contact, contact.agent, contact=contact.id, tenant=config.tenant, queue=config.name)

    def _note_last_agent(self, contact: ContactRow, agent: AgentRow) -> None:
        """The agent talks with the contact's caller, if that is known."""
        if contact.caller:
            key = contact.queue.config.tenant, contact.caller
            self._last_agents[key] = agent.config.agent
            self._last_agents.move_to_end(key)
            self._forget()

    def check(self) -> None:
        super().check()
        for contact in self._contacts.values():
            assert (contact.prefer_timer is not None) == bool(contact.preferred), f"the preference of {contact.id}"
            assert contact.deserted == self._is_deserted(contact), f"those preferred by {contact.id} are judged wrongly"
