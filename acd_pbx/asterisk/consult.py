"""An agent asks a colleague about the contact that he talks with, while the caller waits, or talks on with others.

The question is a contact of its own in the engine, asked by a command (contact.consult) of whoever it may be. Its phones are
legs of the call that it is about, so that a colleague who is brought in (contact.merge) only changes the bridge. As long as
the two talk they are in a bridge of their own; the agent who asked comes back from it by himself, when the question
ends.
"""

from typing import Any

from acd_pbx.asterisk import names
from acd_pbx.asterisk.effects import Effect
from acd_pbx.asterisk.leg import Leg, Offer
from acd_pbx.asterisk.legs import Legs
from acd_pbx.asterisk.report import Report
from acd_pbx.asterisk.ringing import Ringing
from acd_pbx.asterisk.room import Room
from acd_pbx.asterisk.settings import AdapterSettings
from acd_pbx.asterisk.standing import Question, Standing
from acd_protocol.words import (
    ContactConnected,
    ContactEnded,
    ContactOffered,
    ContactQueued,
    ContactWrapup,
    Event,
    OfferEnded,
)


class Consult:
    """The question that is asked about one contact, one at a time. What is to be asked of Asterisk goes to `effects`.

    Attributes:
        id: of the question, empty when none is asked.
        asked_by: the agent who asks.
        queue: `tenant/queue` where he asks.
        ringing: its open offers.
        offer, agent: of the colleague who has accepted; empty before.
        attributes: what was given with the question.
        room: the bridge of the two.
    """

    def __init__(
        self, contact: str, settings: AdapterSettings, legs: Legs, report: Report, effects: list[Effect]
    ) -> None:
        self.id = ""
        self.asked_by = ""
        self.queue = ""
        self.offer = ""
        self.agent = ""
        self.attributes: dict[str, Any] = {}
        self.ringing = Ringing(contact, settings, legs, report, effects)
        self.room = Room(names.aside_of(contact), contact, effects)
        self._legs = legs
        self._report = report

    @property
    def wanted(self) -> set[str]:
        """The offers whose phones are to ring or to be up."""
        return {*self.ringing.offers, self.offer} - {""}

    def begin(self, question: str, asked_by: str, queue: str) -> None:
        """It is asked."""
        self.end()
        self.id, self.asked_by, self.queue = question, asked_by, queue

    def end(self) -> None:
        """It is over, one way or another."""
        self.id = self.asked_by = self.queue = self.offer = self.agent = ""
        self.attributes = {}
        self.ringing.offers.clear()

    def hear(self, event: Event) -> None:
        """An event of the question itself."""
        match event:
            case ContactQueued():
                self.queue = f"{event.tenant}/{event.queue}"
                self.ringing.offers.clear()
            case ContactOffered():
                self.attributes = dict(event.attributes)
                self.ringing.offers[event.offer] = Offer(event.agent, event.address, float(event.expires_in))
            case OfferEnded():
                self.ringing.offers.pop(event.offer, None)
            case ContactConnected():
                self.ringing.offers.clear()
                self.offer, self.agent = event.offer, event.agent
            case ContactWrapup() | ContactEnded():
                self.end()

    def colleague(self) -> Leg | None:
        """The phone of the colleague who talks with the agent who asked; tells the engine when he has hung up."""
        leg = self._legs.of_offer(self.offer) if self.offer else None
        if self.offer and (leg is None or not leg.live):
            self._report.question_over(self.id)
        return leg if leg is not None and leg.state == "up" else None

    def sync(self, now: Standing) -> None:
        """Take over a fresh picture."""
        self.room.there = now.aside or (self.room.there and not now.restarted)
        self.room.members = list(now.asking)
        question = now.question or Question()
        self.id, self.asked_by, self.queue = question.id, question.asked_by, question.queue
        self.offer, self.agent = question.offer, question.agent
        self.attributes = dict(question.attributes)
        self.ringing.offers = dict(question.offers)
