"""A caller who would rather be called back: what he asked for, and the attempt to reach him.

He keeps his place in the engine while nobody is on the phone. When his turn comes, an agent is rung, and only after he
has answered the customer is dialled; so at most one attempt is under way, and no customer hears silence. A bridge that
nobody enters is created before he is dialled, and that of the conversation only when he has answered: whoever looks at
Asterisk later knows from the two alone whether a number was dialled, and whether somebody was reached.
"""

from collections.abc import Mapping
from typing import Any

from acd_pbx.asterisk import names
from acd_pbx.asterisk.effects import Effect
from acd_pbx.asterisk.hearing import filled
from acd_pbx.asterisk.leg import Leg, caller_id
from acd_pbx.asterisk.operations import ask
from acd_pbx.asterisk.settings import AdapterSettings
from acd_pbx.asterisk.settings import Callback as Rules
from acd_pbx.asterisk.standing import Standing
from acd_protocol.words import AttemptCause

RINGING = "tone:ring"
"""What the agent hears meanwhile: played as sound, since a signal would be lost on a phone that is in conversation."""


class Callback:
    """See the module. What is to be asked of Asterisk goes to `effects`.

    Attributes:
        asked: the number for which a callback was asked, until the engine has answered.
        on: whether the contact is to be called back.
        number: to dial.
        customer: the channel of this attempt.
        reached: whether the customer has answered in this attempt.
    """

    def __init__(self, contact: str, settings: AdapterSettings, effects: list[Effect]) -> None:
        self.asked = ""
        self.on = False
        self.number = ""
        self.customer: Leg | None = None
        self.reached = False
        self._contact = contact
        self._ringing = f"{names.PLAYBACK}/ringing/0/{contact}"
        self._settings = settings
        self._effects = effects
        self._dialled = False
        self._agent_waits = False

    @property
    def absent(self) -> bool:
        """Whether nobody is on the phone, and that is as it should be."""
        return self.on and not self.reached

    @property
    def at_rest(self) -> bool:
        """Whether it has left nothing in Asterisk."""
        return not self._dialled and (self.customer is None or not self.customer.live)

    def begin(self) -> None:
        """The engine has taken the request."""
        self.on = True
        self.number = self.asked or self.number
        self.asked = ""

    def next_attempt(self) -> None:
        """The last one is over."""
        self.drop()
        self.customer = None
        self.reached = self._agent_waits = False

    def dial(self, offer: str, agent: str, rules: Rules, values: Mapping[str, Any]) -> bool:
        """Ring the customer, while the agent at the channel `agent` hears it ring; False when his number is none."""
        endpoint = rules.dialled(self.number)
        if not endpoint:
            return False
        self.customer = Leg(names.customer_of(offer, self._contact), offer, "")
        self._dialled = self._agent_waits = True
        name, number = (filled(text, values, "") or "" for text in (rules.caller_name, rules.caller_number))
        self._effects += [
            ask("create_bridge", bridge=names.dial_of(self._contact), type="mixing", name=self._contact),
            ask("play", channel=agent, playback=self._ringing, media=RINGING),
            ask(
                "originate",
                {"variables": {"ACD_CONTACT": self._contact}},
                channel=self.customer.channel,
                endpoint=endpoint,
                app=self._settings.ari.app,
                appArgs=f"{names.CUSTOMER_WORD},{offer}",
                callerId=caller_id(name, number),
                timeout=str(int(rules.ring_s)),
            ),
        ]
        return True

    def answered(self, channel: str) -> bool:
        """A customer has answered; tells whether it is for this attempt. If not he is hung up."""
        customer = self.customer
        if customer is None or not customer.live or customer.channel != channel or customer.unwanted:
            self._effects.append(ask("hang_up", channel=channel, reason="normal"))
            return False
        news = customer.state != "up"
        customer.state = "up"
        self.reached = True
        return news

    def gone(self, channel: str, cause: str) -> None:
        """A customer's channel is gone."""
        customer = self.customer
        if customer is not None and customer.channel == channel and customer.live:
            customer.state = "gone"
            customer.cause = cause

    def failure(self) -> AttemptCause | None:
        """Why the customer was not reached, as the engine calls it; None while that is not so."""
        customer = self.customer
        if customer is None or customer.live:
            return None
        match customer.cause:
            case "busy" | "declined":
                return "busy"
            case "invalid_address":
                return "invalid"
            case "no_answer" | "normal" if customer.rang:
                return "no_answer"
        return "unreachable"

    def joined(self) -> None:
        """The agent is about to be joined with who is on the phone: he hears it ring no more."""
        self.reached = self.on
        if self._agent_waits:
            self._agent_waits = False
            self._effects.append(ask("stop_play", playback=self._ringing))

    def drop(self) -> None:
        """Stop the customer's phone, if it rings."""
        customer = self.customer
        if customer is not None and customer.state in ("asked", "ringing") and not customer.unwanted:
            customer.unwanted = True
            self._effects.append(ask("hang_up", channel=customer.channel, reason="normal"))

    def drop_unless(self, wanted: set[str]) -> None:
        """Stop it, unless it rings for one of these offers."""
        if self.customer is not None and self.customer.offer not in wanted:
            self.drop()

    def take_down(self) -> None:
        """Forget that he was dialled."""
        if self._dialled:
            self._dialled = False
            self._effects.append(ask("destroy_bridge", bridge=names.dial_of(self._contact)))

    def sync(self, now: Standing) -> str:
        """Take over a fresh picture; gives the channel by which the customer is on the phone, if he is."""
        self.on = bool(now.number)
        self.number = now.number or self.number
        self._dialled = self._agent_waits = now.dialled or (self._dialled and not now.restarted)
        on_the_phone = self._sync_attempt(now)
        mine = self.customer.channel if self.customer is not None else on_the_phone
        for channel in now.customers.keys() - {mine}:
            self._effects.append(ask("hang_up", channel=channel, reason="normal"))
        return on_the_phone

    def _sync_attempt(self, now: Standing) -> str:
        self.customer = None
        self.reached = False
        if not self.on:
            return next((channel for channel, state in now.customers.items() if state == "Up"), "")
        if now.state != "connected" or now.caller:
            return ""
        channel = names.customer_of(now.offer, self._contact)
        if channel in now.customers:
            self.customer = Leg(channel, now.offer, "")
            self.customer.see(now.customers[channel])
            self.reached = self.customer.state == "up"
        elif now.bridged:
            self.reached = True
        elif now.dialled:
            self.customer = Leg(channel, now.offer, "", "gone", True, cause="no_answer")
        return channel if channel in now.customers and self.reached else ""
