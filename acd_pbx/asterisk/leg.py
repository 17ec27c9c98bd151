"""An agent's side of a call: the offer, the channel that rings him, and why it ended."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from acd_pbx.asterisk.hearing import filled
from acd_pbx.asterisk.names import LEG_WORD
from acd_pbx.asterisk.operations import Ask, ask
from acd_pbx.asterisk.settings import AdapterSettings, Queue

LEG_SPARE_S = 3
"""A phone rings so much longer than its offer lasts, so that the engine is the one who says that time is up."""
OFFER_S = 30
"""How long a phone rings at most for an offer of which only the listing is known."""


class Offer(NamedTuple):
    """An agent to whom the engine holds the contact out, and where he is."""

    agent: str
    address: str
    expires_s: float = OFFER_S


@dataclass
class Leg:
    """A channel towards an agent, or what a transfer has put in its place.

    `state` is `asked`, `ringing`, `up` or `gone`; `name` is the channel's once it is up, and after a transfer that of
    the agent who transferred.
    """

    channel: str
    offer: str
    agent: str
    state: str = "asked"
    rang: bool = False
    cause: str = ""
    unwanted: bool = False
    announced: bool = False
    name: str = ""

    @property
    def live(self) -> bool:
        """Whether the channel may be there."""
        return self.state != "gone"

    def ringing(self) -> None:
        """The phone rings."""
        if self.state == "asked":
            self.state = "ringing"
            self.rang = True

    def see(self, state: str) -> None:
        """The channel's state in a fresh picture. What is known to be gone stays so."""
        if self.live:
            self.state = {"Up": "up", "Ringing": "ringing"}.get(state, "asked")
        self.rang = self.state != "asked"


def dialled(address: str, settings: AdapterSettings) -> str:
    """What Asterisk dials for an agent's address; empty when it cannot be reached from here.

    An address may name the adapter at whose Asterisk the phone is: `pbx-2:PJSIP/1012`. `settings.phones.trunks` then
    says how to get there.
    """
    home, colon, device = address.partition(":")
    if not colon or "/" in home:
        return address if "/" in address else ""
    if home == settings.name:
        return device
    template = settings.phones.trunks.get(home, "")
    return template.replace("{user}", device.partition("/")[2]).replace("{address}", device)


def ring_agent(
    leg: Leg,
    endpoint: str,
    expires_s: float,
    rules: Queue,
    values: Mapping[str, Any],
    settings: AdapterSettings,
    originator: str,
) -> Ask:
    """The request that rings an agent.

    Args:
        leg: his channel.
        endpoint: where he is dialled.
        expires_s: how long his offer lasts.
        rules: of the queue.
        values: what the phone shows is filled in from these.
        settings: of the adapter.
        originator: the caller's channel, empty when he is not on the phone.
    """
    variables = {
        f"PJSIP_HEADER(add,{header})": filled(text, values, "")
        for header, text in rules.headers.items()
        if endpoint.startswith("PJSIP/")
    }
    variables["ACD_CONTACT"] = values["contact"]
    return ask(
        "originate",
        {"variables": variables},
        channel=leg.channel,
        endpoint=endpoint,
        app=settings.ari.app,
        appArgs=f"{LEG_WORD},{leg.offer}",
        callerId=caller_id(filled(rules.caller_name, values, "") or "", filled(rules.caller_number, values, "") or ""),
        timeout=str(int(expires_s) + LEG_SPARE_S),
        **({"originator": originator} if originator else {}),
    )


def caller_id(name: str, number: str) -> str:
    """Name and number as Asterisk reads them."""
    return '"{}" <{}>'.format(name.replace('"', "'"), number.replace(">", ""))


def transfer_to(name: str) -> tuple[str, ...]:
    """Where a transfer leads, from the name of the Local channel that carries it, as the queue_log says it."""
    exten, _, rest = name.removeprefix("Local/").partition("@")
    if exten.startswith("_attended"):
        half = name.rpartition(";")[0]
        return ("attended", f"{half};1", f"{half};2")
    return ("blind", exten, re.sub(r"-[0-9a-f]{8};[12]$", "", rest)) if rest else ()


def cause_of(code: int, tech_code: int = 0) -> str:
    """Our word for why a leg ended: Q.850 cause, and SIP status where the channel has one."""
    if tech_code == 603:
        return "declined"
    if tech_code == 404:
        return "invalid_address"
    return _CAUSES.get(code, "failed")


_CAUSES = {
    1: "invalid_address",
    3: "unreachable",
    16: "normal",
    17: "busy",
    18: "unreachable",
    19: "no_answer",
    20: "not_registered",
    21: "declined",
    26: "normal",
    27: "unreachable",
    28: "invalid_address",
    34: "congestion",
    38: "unreachable",
    41: "congestion",
    42: "congestion",
    44: "congestion",
}
