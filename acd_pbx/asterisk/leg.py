"""An agent's side of a call: the offer, the channel that rings him, and why it ended."""

import re
from dataclasses import dataclass
from typing import NamedTuple

from acd_pbx.asterisk.settings import AdapterSettings

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
