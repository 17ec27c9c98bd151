"""What Asterisk and engine say at one moment, joined by ids: where a start, or a line that was cut, begins anew."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from acd_pbx.asterisk import names
from acd_pbx.asterisk.ari import Ari
from acd_pbx.asterisk.leg import Offer
from acd_pbx.asterisk.names import Channel, read_channel
from acd_pbx.asterisk.standing import Question, Standing


@dataclass
class Picture:
    """Asterisk at one moment.

    Attributes:
        started: when this Asterisk was started, in its own words.
        callers: channels in the application that are callers, by id.
        legs: state of each agent's leg, by id, whether it rings or is up.
        customers: likewise, of each channel by which somebody is called back.
        attendants: channels of agents and supervisors who dialled a feature code.
        strangers: channels in the application that a transfer has put there.
        bridges: channels by id of our bridge.
        asides: channels by contact, of the bridges in which agents ask colleagues.
        dials: contacts whose customers were dialled.
    """

    started: str = ""
    callers: dict[str, Channel] = field(default_factory=dict)
    legs: dict[str, str] = field(default_factory=dict)
    customers: dict[str, str] = field(default_factory=dict)
    attendants: dict[str, Channel] = field(default_factory=dict)
    strangers: dict[str, Channel] = field(default_factory=dict)
    bridges: dict[str, list[str]] = field(default_factory=dict)
    asides: dict[str, list[str]] = field(default_factory=dict)
    dials: set[str] = field(default_factory=set)


async def look(ari: Ari) -> Picture:
    """Ask Asterisk for everything that may be ours."""
    info, channels, bridges = await ari.gather("/asterisk/info", "/channels", "/bridges")
    return read_picture(ari.settings.app, info, channels, bridges)


def read_picture(
    app: str, info: dict[str, Any], channels: Iterable[dict[str, Any]], bridges: Iterable[dict[str, Any]]
) -> Picture:
    """A picture from what ARI answers to `/asterisk/info`, `/channels` and `/bridges`."""
    picture = Picture(started=str(info.get("status", {}).get("startup_time", "")))
    for value in channels:
        channel = read_channel(value)
        if names.leg_parts(channel.id):
            picture.legs[channel.id] = channel.state
        elif names.customer_parts(channel.id):
            picture.customers[channel.id] = channel.state
        elif channel.application != app:
            continue
        elif not channel.arguments or not channel.arguments[0]:
            if channel.name.startswith("Local/"):
                picture.strangers[channel.id] = channel
            else:
                picture.callers[channel.id] = channel
        elif channel.arguments[0] in (
            names.AGENT_WORD,
            names.SUPERVISE_WORD,
            names.SNOOP_WORD,
            names.RECORDER_WORD,
        ):
            picture.attendants[channel.id] = channel
        else:
            picture.callers[channel.id] = channel
    for bridge in bridges:
        if names.bridge_contact(bridge["id"]) is not None:
            picture.bridges[bridge["id"]] = list(bridge.get("channels", []))
        asked_about = names.aside_contact(bridge["id"])
        if asked_about is not None:
            picture.asides[asked_about] = list(bridge.get("channels", []))
        dialled = names.dial_contact(bridge["id"])
        if dialled is not None:
            picture.dials.add(dialled)
    return picture


class Held(NamedTuple):
    """What agents hold of one contact, by offer: what they are offered, and who talks."""

    offers: dict[str, Offer]
    talking: dict[str, str]


NOTHING_HELD = Held({}, {})


def held_by_agents(agents: Iterable[dict[str, Any]]) -> dict[str, Held]:
    """By contact, from the engine's listing of agents."""
    held: dict[str, Held] = {}
    for agent in agents:
        for leg in agent["legs"]:
            if leg["state"] in ("offered", "connected"):
                of_contact = held.setdefault(leg["contact"], Held({}, {}))
                if leg["state"] == "offered":
                    of_contact.offers[leg["offer"]] = Offer(agent["agent"], agent["address"])
                else:
                    of_contact.talking[leg["offer"]] = agent["agent"]
    return held


def question_of(view: dict[str, Any], held: Held) -> Question:
    """A question among agents, from the engine's listing of contacts and what agents hold of it."""
    talking = view["state"] == "connected"
    return Question(
        id=view["contact"],
        asked_by=view["asked_by"],
        queue=f"{view['tenant']}/{view['queue']}",
        offer=view["offer"] if talking else "",
        agent=view["agent"] if talking else "",
        offers={} if talking else held.offers,
        attributes=view["attributes"],
    )


def standing(
    picture: Picture,
    contact: str,
    channel: str,
    view: dict[str, Any] | None,
    held: Held = NOTHING_HELD,
    question: Question | None = None,
) -> Standing:
    """How one contact stands.

    Args:
        picture: Asterisk at that moment.
        contact: its id.
        channel: the caller's.
        view: the contact in the engine's listing, or None when it is not among the live ones.
        held: what agents hold of it.
        question: what is asked about it.
    """
    bridge = names.bridge_of(contact)
    joined = picture.bridges.get(bridge, [])
    legs = {leg: state for leg, state in picture.legs.items() if (names.leg_parts(leg) or ("", ""))[1] == contact}
    customers = {
        customer: state
        for customer, state in picture.customers.items()
        if (names.customer_parts(customer) or ("", ""))[1] == contact
    }
    caller = picture.callers.get(channel) or picture.strangers.get(channel) or picture.attendants.get(channel)
    now = Standing(
        caller=caller.state if caller is not None else "",
        legs=legs,
        customers=customers,
        others=[each for each in joined if each not in (channel, *legs, *customers, *picture.attendants)],
        joined=[each for each in joined if each not in picture.attendants],
        bridged=bridge in picture.bridges,
        dialled=contact in picture.dials,
        asking=picture.asides.get(contact, []),
        aside=contact in picture.asides,
    )
    if view is not None:
        now.known = True
        now.state, now.offer, now.agent = view["state"], view["offer"], view["agent"]
        now.queue = f"{view['tenant']}/{view['queue']}"
        now.offers = held.offers
        now.held, now.question = view["held"], question
        if now.state == "connected":
            now.talking = held.talking or {now.offer: now.agent}
        now.number = (view["callback"] or {}).get("number", "")
    return now
