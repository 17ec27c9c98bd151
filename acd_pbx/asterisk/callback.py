"""A caller who would rather be called back: what he asked for, and the attempt to reach him.

He keeps his place in the engine while nobody is on the phone. When his turn comes, an agent is rung, and only after he
has answered the customer is dialled; so at most one attempt is under way, and no customer hears silence. A bridge that
nobody enters is created before he is dialled, and that of the conversation only when he has answered: whoever looks at
Asterisk later knows from the two alone whether a number was dialled, and whether somebody was reached.
"""

from dataclasses import dataclass

from acd_pbx.asterisk import names
from acd_pbx.asterisk.leg import Leg, caller_id
from acd_pbx.asterisk.operations import Ask, ask
from acd_pbx.asterisk.settings import AdapterSettings
from acd_pbx.asterisk.standing import Standing
from acd_protocol.words import AttemptCause


@dataclass
class Callback:
    """See the module.

    Attributes:
        asked: the number for which a callback was asked, until the engine has answered.
        on: whether the contact is to be called back.
        number: to dial.
        customer: the channel of this attempt.
        reached: whether the customer has answered in this attempt.
    """

    asked: str = ""
    on: bool = False
    number: str = ""
    customer: Leg | None = None
    reached: bool = False

    @property
    def absent(self) -> bool:
        """Whether nobody is on the phone, and that is as it should be."""
        return self.on and not self.reached

    @property
    def live(self) -> Leg | None:
        """The customer's channel, if it may be there."""
        return self.customer if self.customer is not None and self.customer.live else None

    def begin(self) -> None:
        """The engine has taken the request."""
        self.on = True
        self.number = self.asked or self.number
        self.asked = ""

    def next_attempt(self) -> None:
        """The last one is over."""
        self.customer = None
        self.reached = False

    def sync(self, now: Standing, contact: str) -> str:
        """Take over a fresh picture; gives the channel by which the customer is on the phone, if he is."""
        up = [channel for channel, state in now.customers.items() if state == "Up"]
        self.on = bool(now.number)
        if not self.on:
            self.next_attempt()
            return up[0] if up else ""
        self.number = now.number
        self.next_attempt()
        if now.state != "connected" or now.caller:
            return ""
        channel = names.customer_of(now.offer, contact)
        if channel in now.customers:
            self.customer = Leg(
                channel, now.offer, "", {"Up": "up", "Ringing": "ringing"}.get(now.customers[channel], "asked")
            )
            self.customer.rang = self.customer.state != "asked"
            self.reached = channel in up
            return channel if self.reached else ""
        if now.bridged:
            self.reached = True
        elif now.dialled:
            self.customer = Leg(channel, now.offer, "", "gone", True, cause="no_answer")
        return ""


def attempt_cause(leg: Leg) -> AttemptCause:
    """Why a customer was not reached, as the engine calls it."""
    match leg.cause:
        case "busy" | "declined":
            return "busy"
        case "invalid_address":
            return "invalid"
        case "no_answer" | "normal":
            return "no_answer" if leg.rang else "unreachable"
    return "unreachable"


def dial_customer(
    customer: Leg, endpoint: str, name: str, number: str, ring_s: float, settings: AdapterSettings
) -> Ask:
    """The request that rings a customer; he shall see `name` and `number`."""
    contact = (names.customer_parts(customer.channel) or ("", ""))[1]
    return ask(
        "originate",
        {"variables": {"ACD_CONTACT": contact}},
        channel=customer.channel,
        endpoint=endpoint,
        app=settings.ari.app,
        appArgs=f"{names.CUSTOMER_WORD},{customer.offer}",
        callerId=caller_id(name, number),
        timeout=str(int(ring_s)),
    )
