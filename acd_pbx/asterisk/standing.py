"""What both sides show of one contact at a moment, for a new beginning of its call."""

from dataclasses import dataclass, field
from typing import Any

from acd_pbx.asterisk.leg import Offer


@dataclass
class Question:
    """What an agent asks a colleague, as the engine has it: see `Consult`, whose attributes have the same names."""

    id: str = ""
    asked_by: str = ""
    queue: str = ""
    offer: str = ""
    agent: str = ""
    offers: dict[str, Offer] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass
class Standing:
    """See the module.

    Attributes:
        caller: his channel's state, or empty when it is gone.
        legs: state by channel, of the agents' that are there.
        customers: state by channel, of those by which he is called back.
        others: channels in the contact's bridge that are none of these.
        joined: channels in the contact's bridge.
        bridged: whether that bridge is there; dialled: whether that is which is made before a customer is dialled.
        asking: channels in the bridge of an agent and the colleague whom he asks; aside: whether that bridge is there.
        known: whether the engine has the contact as live; the rest as it says.
        offers: the open ones, by id; offer and agent are those of a conversation.
        talking: all who talk with him, agents by offer. held: whether he was put on hold.
        question: what is asked about him, if anything is.
        number: to be called back, empty for a caller on the phone.
        restarted: Asterisk was started again since, so what is not there was lost.
    """

    caller: str = ""
    legs: dict[str, str] = field(default_factory=dict)
    customers: dict[str, str] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    joined: list[str] = field(default_factory=list)
    bridged: bool = False
    dialled: bool = False
    asking: list[str] = field(default_factory=list)
    aside: bool = False
    known: bool = False
    state: str = ""
    offers: dict[str, Offer] = field(default_factory=dict)
    offer: str = ""
    agent: str = ""
    talking: dict[str, str] = field(default_factory=dict)
    held: bool = False
    question: Question | None = None
    queue: str = ""
    number: str = ""
    restarted: bool = False
