"""Agents who ask a colleague about the contact that they talk with, and conferences."""

from acd_core.events import AttemptCause, ContactConsulted, ContactLeft, ContactMerged, ContactResumed, EndReason
from acd_core.model.callbacks import Callbacks
from acd_core.model.rows import AgentRow, ContactRow, LegRow, QueueRow
from acd_core.views import HISTORY_MAX


class Consults(Callbacks):
    """The state with questions among agents; see `Model`.

    A question is a contact of its own, joined to the contact that it is about from the beginning until its conversation
    ends. When the other contact is no longer in conversation, or the agent who asked leaves it, the question ends.
    """

    def _begin_consult(self, consult: ContactRow) -> None:
        contact = self._contacts[consult.consults]
        contact.consult = consult
        contact.queue.consults += 1
        config = contact.queue.config
        asker = self._agents[consult.asked_by]
        self._emit(
            ContactConsulted,
            contact,
            asker,
            contact=contact.id,
            tenant=config.tenant,
            queue=config.name,
            agent=asker.config.agent,
            consult=consult.id,
        )

    def _about(self, consult: ContactRow) -> ContactRow | None:
        """The contact that a question is about, while they are joined."""
        contact = self._contacts.get(consult.consults)
        return contact if contact is not None and contact.consult is consult else None

    def _end_consult(self, contact: ContactRow) -> None:
        """Whoever was asked about the contact is asked no more."""
        consult, contact.consult = contact.consult, None
        if consult is None:
            return
        if consult.state == "connected":
            self._complete(consult, "completed_caller")
        else:
            self._leave_queue(consult, "withdrawn")

    def _forget_consult(self, consult: ContactRow) -> None:
        contact = self._about(consult)
        if contact is not None:
            contact.consult = None

    def _merge(self, consult: ContactRow, contact: ContactRow, transfer: bool) -> None:
        """Who was asked talks with the caller."""
        [leg] = consult.legs
        consult.legs.remove(leg)
        leg.contact, leg.contact_id = contact, contact.id
        contact.legs.append(leg)
        contact.queue.conferences += 1
        self._note(contact, "joined", agent=leg.agent)
        config = contact.queue.config
        self._emit(
            ContactMerged,
            contact,
            leg.agent,
            contact=contact.id,
            tenant=config.tenant,
            queue=config.name,
            agent=leg.agent.config.agent,
            consult=consult.id,
            talking=len(contact.legs),
        )
        if contact.held:
            contact.held = False
            self._emit(
                ContactResumed,
                contact,
                leg.agent,
                contact=contact.id,
                tenant=config.tenant,
                queue=config.name,
                agent=leg.agent.config.agent,
            )
        self._note_last_agent(contact, leg.agent)
        contact.consult = None
        consult.completed = self.now
        consult.held = False
        consult.state = "wrapup"
        self._end(consult, "transferred", leg.agent)
        if transfer:
            [asker] = [leg for leg in contact.legs if leg.agent.config.agent == consult.asked_by]
            self._drop(contact, asker)

    def _drop(self, contact: ContactRow, leg: LegRow) -> None:
        """One of several agents leaves the conversation."""
        leg.contact = None
        contact.legs.remove(leg)
        contact.history = [*contact.history, f"{leg.agent.config.agent}@{leg.queue.path}"][-HISTORY_MAX:]
        self._note(contact, "left", agent=leg.agent)
        self._emit(
            ContactLeft,
            contact,
            leg.agent,
            contact=contact.id,
            tenant=contact.queue.config.tenant,
            queue=contact.queue.config.name,
            agent=leg.agent.config.agent,
            talking=len(contact.legs),
        )
        if contact.consult is not None and contact.consult.asked_by == leg.agent.config.agent:
            self._end_consult(contact)
        self._wrap_up(leg, "transferred")

    # -- the end ------------------------------------------------------------------------------------------------

    def _complete(self, contact: ContactRow, reason: EndReason) -> None:
        self._end_consult(contact)
        self._forget_consult(contact)
        super()._complete(contact, reason)

    def _transfer(self, contact: ContactRow, queue: QueueRow, keep_age: bool, only_agent: str) -> None:
        self._end_consult(contact)
        super()._transfer(contact, queue, keep_age, only_agent)

    def _attempt_failed(self, contact: ContactRow, cause: AttemptCause) -> None:
        self._end_consult(contact)
        super()._attempt_failed(contact, cause)

    def _end(self, contact: ContactRow, reason: EndReason, agent: AgentRow | None = None) -> None:
        self._forget_consult(contact)
        super()._end(contact, reason, agent)

    def check(self) -> None:
        super().check()
        for contact in self._contacts.values():
            talking = [leg.agent.config.agent for leg in contact.legs if leg.state == "connected"]
            assert len(set(talking)) == len(talking), f"{contact.id} talks twice with one agent"
            consult = contact.consult
            if consult is not None:
                assert contact.state == "connected", f"{consult.id} asks about {contact.id}, which talks with nobody"
                assert consult.asked_by in talking, f"{consult.asked_by} asks about {contact.id}, and is not there"
                assert self._contacts.get(consult.id) is consult, f"{consult.id} ended, and {contact.id} has it still"
                assert consult.state in {"queued", "offered", "connected"}, f"{consult.id} is {consult.state}"
