"""What the engine is told of one contact, each thing once, until a fresh picture shows that it has to be told again."""

from acd_pbx.asterisk.effects import Effect, Tell
from acd_protocol.messages import Command
from acd_protocol.words import (
    AttemptCause,
    CompletionReason,
    ContactAbandon,
    ContactCallback,
    ContactComplete,
    ContactDrop,
    ContactEnqueue,
    ContactHold,
    ContactMerge,
    ContactUnhold,
    ContactWithdraw,
    OfferAccept,
    OfferReject,
)


class Report:
    """See the module. Commands go to `effects`."""

    def __init__(self, contact: str, effects: list[Effect]) -> None:
        self._contact = contact
        self._effects = effects
        self._said: set[tuple[str, ...]] = set()

    def once(self, *what: str) -> bool:
        """Whether this was not yet said or asked for; from now on it was."""
        if what in self._said:
            return False
        self._said.add(what)
        return True

    def sync(self, known: bool) -> None:
        """A fresh picture: what was told and has not come about is told again. `known`: the engine has the contact."""
        self._said = {("enqueued",)} if known else set()

    def enqueue(self, command: ContactEnqueue) -> None:
        """He has come."""
        if self.once("enqueued"):
            self.tell(command)

    def accept(self, offer: str) -> None:
        """An agent has answered."""
        if self.once("accept", offer):
            self.tell(OfferAccept(offer=offer))

    def reject(self, offer: str, cause: str) -> None:
        """An agent cannot be reached, or does not want to."""
        if self.once("reject", offer):
            self.tell(OfferReject(offer=offer, cause=cause))

    def hold(self, held: bool) -> None:
        """The agent holds the caller, or takes him back."""
        self.tell(ContactHold(contact=self._contact) if held else ContactUnhold(contact=self._contact))

    def leave(self) -> None:
        """The caller wants to leave the queue."""
        self.tell(ContactWithdraw(contact=self._contact))

    def call_back(self, number: str) -> None:
        """The caller wants to be called back."""
        self.tell(ContactCallback(contact=self._contact, number=number))

    def attempt_failed(self, offer: str, cause: AttemptCause) -> None:
        """He was not reached."""
        if self.once("failed", offer):
            self.tell(ContactCallback(contact=self._contact, failed=cause))

    def has_failed(self, offer: str) -> bool:
        """Whether that was told of this attempt."""
        return ("failed", offer) in self._said

    def complete(self, reason: CompletionReason) -> None:
        """The conversation is over."""
        if self.once("end"):
            self.tell(ContactComplete(contact=self._contact, reason=reason))

    def left(self, agent: str, offer: str) -> None:
        """One of several agents has left the conversation."""
        if self.once("left", offer):
            self.tell(ContactDrop(contact=self._contact, agent=agent))

    def taken_over(self, question: str) -> None:
        """The agent who asks `question` has left, and the colleague whom he asked takes over."""
        if self.once("taken over", question):
            self.tell(ContactMerge(contact=question, transfer=True))

    def question_over(self, question: str) -> None:
        """The colleague who was asked has hung up."""
        if self.once("question over", question):
            self.tell(ContactComplete(contact=question, reason="completed_agent"))

    def abandon(self) -> None:
        """The caller has hung up."""
        if self.once("end"):
            self.tell(ContactAbandon(contact=self._contact))

    def withdraw(self) -> None:
        """The caller was lost while he waited."""
        if self.once("end"):
            self.leave()

    def goes_on(self) -> None:
        """It is not over after all."""
        self._said.discard(("end",))

    def tell(self, command: Command) -> None:
        """Anything else."""
        self._effects.append(Tell(command))
