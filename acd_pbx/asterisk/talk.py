"""Who talks with the caller of one call, in which bridges, and which of them asks a colleague aside."""

from acd_pbx.asterisk.consult import Consult
from acd_pbx.asterisk.conversation import Conversation
from acd_pbx.asterisk.effects import Effect
from acd_pbx.asterisk.leg import Leg
from acd_pbx.asterisk.legs import Legs
from acd_pbx.asterisk.report import Report
from acd_pbx.asterisk.settings import AdapterSettings, RecordBy
from acd_pbx.asterisk.standing import Standing
from acd_protocol.words import (
    ContactConnected,
    ContactConsulted,
    ContactHeld,
    ContactLeft,
    ContactMerged,
    ContactResumed,
    Event,
)


class Talk:
    """See the module. What is to be asked of Asterisk goes to `effects`.

    Attributes:
        agents: those who talk with the caller as the engine has it, by the offer by which each of them came, the one who
            has talked for longest first.
        consult: what one of them asks a colleague.
        conversation: the bridge with the caller.
    """

    def __init__(
        self, contact: str, settings: AdapterSettings, legs: Legs, report: Report, effects: list[Effect]
    ) -> None:
        self.agents: dict[str, str] = {}
        self.consult = Consult(contact, settings, legs, report, effects)
        self.conversation = Conversation(contact, settings, effects)
        self._legs = legs
        self._report = report
        self._held = False
        self._phones_hold: set[str] = set()

    @property
    def offer(self) -> str:
        """The offer by which the first of the agents came; empty while nobody talks."""
        return next(iter(self.agents), "")

    @property
    def asker(self) -> str:
        """The offer by which the agent came who asks a colleague; empty when none does."""
        who = self.consult.asked_by
        return next((offer for offer, agent in self.agents.items() if who and agent == who), "")

    @property
    def caller_waits(self) -> bool:
        """Whether he was put on hold by a command. What a phone does is heard without us."""
        return self._held and not self._phones_hold

    @property
    def joined(self) -> list[str]:
        """The channels with which the caller is joined, none while he talks with nobody."""
        return self.conversation.partners

    @property
    def joined_legs(self) -> list[Leg]:
        """Those of them that may be there."""
        legs = (self._legs.get(channel) for channel in self.joined)
        return [leg for leg in legs if leg is not None and leg.live]

    @property
    def goes_on(self) -> bool:
        """Whether anybody is in a bridge: caller and agents, or agents among themselves."""
        return bool(self.conversation.room.members or self.consult.room.members)

    @property
    def at_rest(self) -> bool:
        """Whether it has left nothing in Asterisk."""
        return not self.conversation.room.there and not self.consult.room.there

    def phone_of(self, agent: str) -> str:
        """The channel of an agent who talks with the caller; empty when he does not."""
        legs = (self._legs.of_offer(offer) for offer, talker in self.agents.items() if talker == agent)
        return next((leg.channel for leg in legs if leg is not None and leg.state == "up"), "")

    # What both sides say

    def hear(self, event: Event) -> None:
        """An event of the engine."""
        match event:
            case ContactConnected():
                self.agents = {event.offer: event.agent}
                self._held = False
            case ContactConsulted():
                self.consult.begin(event.consult, event.agent, f"{event.tenant}/{event.queue}")
            case ContactMerged():
                self._bring_in(self.consult.offer, event.agent)
            case ContactLeft():
                self.agents = {offer: agent for offer, agent in self.agents.items() if agent != event.agent}
            case ContactHeld():
                self._held = True
            case ContactResumed():
                self._held = False

    def _bring_in(self, offer: str, agent: str) -> None:
        """The colleague who was asked talks with the caller now, and knows what about."""
        self.agents[offer] = agent
        leg = self._legs.of_offer(offer)
        if leg is not None:
            leg.announced = True
        self.consult.end()

    def forget(self) -> None:
        """Nobody talks with him any more."""
        self.agents.clear()
        self._phones_hold.clear()
        self._held = False
        self.consult.end()

    def phone_held(self, channel: str, held: bool) -> None:
        """An agent's phone holds the caller, or takes him back. To hold one of several means nothing to the others."""
        if held and self.joined == [channel]:
            self._phones_hold.add(channel)
            self._report.hold(True)
        elif not held and channel in self._phones_hold:
            self._phones_hold.discard(channel)
            self._report.hold(False)

    def left(self, channel: str) -> None:
        """A channel is in no bridge any more, without our doing."""
        self._phones_hold.discard(channel)
        self.conversation.left(channel)
        self.consult.room.left(channel)

    def sync(self, now: Standing, caller: str, record: RecordBy) -> None:
        """Take over a fresh picture."""
        self.conversation.sync(now, caller, record)
        self.consult.sync(now)
        self._phones_hold.clear()
        self._held = now.held
        self.agents = {}
        if now.state == "connected":
            self.agents = dict(now.talking) or {now.offer: now.agent}

    # What should be

    def here(self) -> dict[str, Leg]:
        """The agents whose phones may be there, by offer."""
        legs = {offer: self._legs.of_offer(offer) for offer in self.agents}
        return {offer: leg for offer, leg in legs.items() if leg is not None and leg.live}

    def tell_gone(self, here: dict[str, Leg], heir: bool) -> None:
        """Tell the engine which of several agents have left; with `heir` the colleague takes over from who asked him."""
        for offer, agent in self.agents.items():
            if offer in here:
                continue
            if heir and offer == self.asker:
                self._report.taken_over(self.consult.id)
            else:
                self._report.left(agent, offer)

    def take_down(self) -> None:
        """Leave nothing in Asterisk but channels."""
        self.conversation.destroy()
        self.consult.room.destroy()
