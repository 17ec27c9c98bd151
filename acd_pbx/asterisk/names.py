"""Ids that tell what they belong to, and what a channel tells of itself.

A contact is called after the adapter and the caller's channel: `pbx-1:1763776800.12`. An agent's leg carries offer and
contact in its id, `acd-leg/o-5/pbx-1:1763776800.12`, so does the channel by which a customer is called back, and a bridge
its contact. So an adapter that starts finds out from
the ids alone what is whose, and a request that is made twice creates nothing twice.
"""

from typing import Any, NamedTuple
from urllib.parse import quote

LEG = "acd-leg"
CUSTOMER = "acd-customer"
DIAL = "acd-dial"
BRIDGE = "acd-bridge"
ASIDE = "acd-aside"
PLAYBACK = "acd-play"
SNOOP = "acd-snoop"
RECORDER = "acd-recorder"

OUTSIDE_CONTEXT, RECORD_CONTEXT = "acd-outside", "acd-record"
"""Parts of the dialplan to which the adapter sends channels: callers who are handed on, and those that MixMonitor
records."""

FAR_HALF = ";2"
"""What Asterisk appends to our id for the other half of a Local channel, which is the dialplan's."""
_HALF = "%3B"
AGENT_WORD, QUEUE_WORD, SUPERVISE_WORD, LEG_WORD, SNOOP_WORD = "agent", "queue", "supervise", "leg", "snoop"
CUSTOMER_WORD, RECORDER_WORD = "customer", "recorder"
"""First arguments of `Stasis()` that say what the channel wants; any other is a queue or a number."""


def contact_of(adapter: str, channel: str) -> str:
    """The contact that a caller's channel is."""
    return f"{adapter}:{channel}"


def channel_of(adapter: str, contact: str) -> str:
    """The caller's channel of a contact of this adapter; empty for another's."""
    prefix = f"{adapter}:"
    return contact.removeprefix(prefix) if contact.startswith(prefix) else ""


def leg_of(offer: str, contact: str) -> str:
    """The channel that rings the agent of an offer."""
    return f"{LEG}/{offer}/{_whole(contact)}"


def leg_parts(channel: str) -> tuple[str, str] | None:
    """Offer and contact of a leg, or None."""
    return _parts(LEG, channel)


def customer_of(offer: str, contact: str) -> str:
    """The channel by which a contact is called back for the agent of an offer."""
    return f"{CUSTOMER}/{offer}/{_whole(contact)}"


def customer_parts(channel: str) -> tuple[str, str] | None:
    """Offer and contact of such a channel, or None."""
    return _parts(CUSTOMER, channel)


def _parts(kind: str, channel: str) -> tuple[str, str] | None:
    parts = channel.split("/", 2)
    ours = len(parts) == 3 and parts[0] == kind and not channel.endswith(FAR_HALF)
    return (parts[1], parts[2].replace(_HALF, ";")) if ours else None


def _whole(contact: str) -> str:
    """A contact within an id: where the caller is half of a Local channel himself, no id of ours may look like a half."""
    return contact.replace(";", _HALF)


def bridge_of(contact: str) -> str:
    """The bridge in which a contact talks."""
    return f"{BRIDGE}/{contact}"


def bridge_contact(bridge: str) -> str | None:
    """The contact of a bridge, or None."""
    prefix = f"{BRIDGE}/"
    return bridge.removeprefix(prefix) if bridge.startswith(prefix) else None


def aside_of(contact: str) -> str:
    """The bridge in which an agent asks a colleague about a contact."""
    return f"{ASIDE}/{contact}"


def aside_contact(bridge: str) -> str | None:
    """The contact of such a bridge, or None."""
    prefix = f"{ASIDE}/"
    return bridge.removeprefix(prefix) if bridge.startswith(prefix) else None


def dial_of(contact: str) -> str:
    """The bridge, always empty, that shows that the customer of a contact was dialled."""
    return f"{DIAL}/{contact}"


def dial_contact(bridge: str) -> str | None:
    """The contact of such a bridge, or None."""
    prefix = f"{DIAL}/"
    return bridge.removeprefix(prefix) if bridge.startswith(prefix) else None


def recorder_of(offer: str, contact: str) -> str:
    """The channel that listens to a conversation for MixMonitor."""
    return f"{RECORDER}/{offer}/{contact}"


def quoted(channel: str) -> str:
    """An id as part of a path."""
    return quote(channel, safe="")


class Channel(NamedTuple):
    """What matters of a channel in ARI's JSON."""

    id: str
    name: str
    state: str
    number: str
    caller: str
    dialled: str
    language: str
    arguments: tuple[str, ...]
    application: str
    created: str

    @property
    def address(self) -> str:
        """How the device is dialled: `PJSIP/1012` of the channel `PJSIP/1012-0000002a`."""
        return self.name.rpartition("-")[0] or self.name


def read_channel(value: dict[str, Any], arguments: list[str] | None = None) -> Channel:
    """A channel from an event or a listing. The arguments come with StasisStart, else from its `app_data`."""
    dialplan = value.get("dialplan") or {}
    caller = value.get("caller") or {}
    application, *rest = (
        str(dialplan.get("app_data") or "").split(",") if dialplan.get("app_name") == "Stasis" else [""]
    )
    return Channel(
        id=value["id"],
        name=value.get("name", ""),
        state=value.get("state", ""),
        number=caller.get("number") or "",
        caller=caller.get("name") or "",
        dialled=dialplan.get("exten") or "",
        language=value.get("language") or "",
        arguments=tuple(rest if arguments is None else arguments),
        application=application,
        created=value.get("creationtime") or "",
    )
