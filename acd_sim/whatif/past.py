"""What happened in a centre, in a form that can happen again under other rules.

A contact goes through stages: it waits, talks, and leaves after-work behind. What the outside world did is kept by the
stage in which it did it, as time since the stage began: a caller gives up forty seconds after he came, and a
conversation ends three minutes after it began, whoever leads it. What is not about a contact, such as an agent who
logs in, keeps its own time. So a rerun under the same rules repeats every command at its very instant.
"""

from typing import NamedTuple

from msgspec import Struct

from acd_core.commands import Command
from acd_core.config import Config

NS_PER_S = 1_000_000_000

WAITING = "waiting"
TALKING = "talking"
AFTERWARDS = "afterwards"

StageKey = tuple[str, int]
"""Which stage of a contact, and the how manyeth of that name, from 1."""


class PastError(Exception):
    """A record that cannot be replayed; the message says why, and what to do."""


class Deed(NamedTuple):
    """A command that somebody gave.

    Attributes:
        at: engine time, or nanoseconds since the stage or offer began.
        order: its place among all commands of the record: of two at one instant the lower comes first.
        client: in whose name.
        command: what he asked.
    """

    at: int
    order: int
    client: str
    command: Command


class Stage(Struct):
    """A stage of a contact, as it was.

    Attributes:
        began: engine time; of `lasted` and of the deeds it is the zero.
        lasted: nanoseconds.
        closed: whether somebody ended it by a deed, so that its length is known. Otherwise the engine did, or the
            record ends: it would have lasted longer than `lasted`.
        deeds: what was done in it, the last of which closes it if it is `closed`.
    """

    began: int
    lasted: int
    closed: bool
    deeds: list[Deed]


class Answer(Struct):
    """How an agent answered an offer.

    Attributes:
        lasted: nanoseconds from the offer to the deed, or to its end without one.
        deed: accept or reject; None when he did not answer.
        cut: whether the offer was taken back, or the record ends: nobody knows what he would have done.
    """

    lasted: int
    deed: Deed | None
    cut: bool


class Contact(Struct):
    """A contact as it was.

    Attributes:
        number: its place in the order of arrival, from 0.
        path: its queue, as tenant/queue.
        client: who enqueued it.
        stages: by what and how manyeth.
        answers: to offers of it, by agent and the how manyeth to him, from 1.
        agent: who answered it at last; empty when nobody did.
    """

    number: int
    path: str
    client: str
    stages: dict[StageKey, Stage]
    answers: dict[tuple[str, int], Answer]
    agent: str


class Past(Struct):
    """All that a record tells.

    Attributes:
        source: what was read, for people.
        deeds: of their own time, in order: configurations, arrivals, what agents do.
        contacts: by the order of the deed that enqueued them; ids may be used again.
        start, end: engine time of the first and the last thing that happened.
        config: the first configuration of the record.
        configs: how many the record applies.
        trail: what an engine made of it, when the record holds all commands; to compare a rerun with.
        notes: what a reader should know of the record, a sentence each.
    """

    source: str
    deeds: list[Deed]
    contacts: dict[int, Contact]
    start: int
    end: int
    config: Config
    configs: int = 1
    trail: "Trail | None" = None
    notes: tuple[str, ...] = ()


class Trail(Struct, frozen=True):
    """The fingerprint of a run: as many events with the same hash, and the same state at the end.

    Attributes:
        events: how many.
        hash: of all events, in order.
        digest: of the engine's state at the end.
    """

    events: int
    hash: str
    digest: str
