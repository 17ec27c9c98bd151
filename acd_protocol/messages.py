"""The messages of a session: everything on the wire that is neither a command nor an event of the core.

A connection begins with `hello`; after `welcome` the client sends commands and requests, pipelined as it
likes, and gets one answer to each, in the order in which it sent them: `ok` or `error`, with the request's `id`.
Events come in between, in the order of their `seq`.
"""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from acd_core.commands import AnyCommand, Command, ContactId, RequestId
from acd_core.config import AgentId, Name
from acd_core.events import AgentState, AnyEvent, WaitEstimate
from acd_core.views import ContactState, ContactView

PROTOCOL_VERSION = 1
DEFAULT_PORT = 7410
LINE_BYTES_MAX = 65_536
"""Longest line that a server accepts from a client, but for `config.apply`."""
CONFIG_LINE_BYTES_MAX = 64 * 1024 * 1024
"""Longest line that carries `config.apply`: the first bytes of the line must be `{"type":"config.apply"`."""

Seq = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Topic = Literal["contact", "offer", "agent", "queue", "hours", "config"]
Listing = Literal["queues", "agents", "contacts", "config"]
ListedState = Literal[AgentState, ContactState]


class Request(Struct, frozen=True, kw_only=True, tag_field="type", forbid_unknown_fields=True, omit_defaults=True):
    """What all requests of a session have."""

    id: RequestId = None


class Hello(Request, tag="hello", frozen=True, kw_only=True):
    """The first message of a connection.

    Args:
        version: of the protocol; this page describes 1.
        client: your name. Contacts and agents belong to the name, not to the connection: a newer connection of
            the same name takes over, and the older is told `replaced` and closed.
        token: if the server wants one.
        resume: the `seq` of the last event that you have; those that concern you since then are sent again.
        domain: which routing domain you mean, where one address serves several. Others do not look at it.
    """

    version: Annotated[int, Meta(ge=1, le=1_000_000)]
    client: Annotated[str, Meta(min_length=1, max_length=64)]
    token: Annotated[str, Meta(max_length=256)] = ""
    resume: Seq | None = None
    domain: Annotated[str, Meta(max_length=64)] = ""


class Ping(Request, tag="ping", frozen=True, kw_only=True):
    """Ask for a sign of life; answered with `ok`."""


class Subscribe(Request, tag="subscribe", frozen=True, kw_only=True):
    """Get events beyond those that concern your own contacts and agents.

    Args:
        topics: the first words of the events wanted; all when left out. An empty list ends the subscription.
        tenant: only events of this tenant's contacts, if given; events of agents come in any case.
        from_seq: also those after this `seq`, as far back as the server keeps them.
    """

    topics: Annotated[tuple[Topic, ...], Meta(max_length=6)] = (
        "contact",
        "offer",
        "agent",
        "queue",
        "hours",
        "config",
    )
    tenant: Name | None = None
    from_seq: Seq | None = None


class List(Request, tag="list", frozen=True, kw_only=True):
    """List queues, agents, live contacts, or the configuration that holds.

    Queues and agents come in the order of the configuration, contacts in the order of their arrival, so that those who
    have waited longest come first. At most 10,000 rows, or 8 MiB of them, are sent; `more` in the answer tells that
    there are others.

    Args:
        tenant, queue: only of this tenant, or queue.
        state: only agents, or contacts, that are in this state.
        limit: at most so many.
    """

    what: Listing
    tenant: Name | None = None
    queue: Name | None = None
    state: ListedState | None = None
    limit: Annotated[int, Meta(ge=1, le=100_000)] = 1000


class Stats(Request, tag="stats", frozen=True, kw_only=True):
    """Counters of all queues, or of one tenant's, and counts of the whole domain.

    Args:
        digest: also the fingerprint of the whole state, which two servers or a journal can be compared by. It walks
            over every agent and contact, so it is refused as `unavailable` when there are more than 5,000 of them.
    """

    tenant: Name | None = None
    digest: bool = False


class Estimate(Request, tag="estimate", frozen=True, kw_only=True):
    """Where a waiting contact stands now, and how much longer it will wait: what an adapter announces at intervals.

    The answer has `position`, and `wait_estimate` if enough was measured. It costs the server little, however long the
    queue is.
    """

    contact: ContactId


class Explain(Request, tag="explain", frozen=True, kw_only=True):
    """Why does this contact wait, or what keeps this agent free? Name one of the two."""

    contact: ContactId | None = None
    agent: AgentId | None = None


class Reply(Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=True):
    """What all answers of the server have."""


class Welcome(Reply, tag="welcome", frozen=True, kw_only=True):
    """The answer to `hello`.

    `seq` is that of the latest event; `node` names the server; `time` is engine time in nanoseconds since 1970;
    `clock_speed` is how fast that time runs: 1 but for simulations. `oldest_seq` is the oldest event that can
    be sent again. `credit` is how many messages may be on their way without an answer, 0 for any number: what a client
    sends beyond it is read late, so it does better to keep that back, where it can still change its mind.
    """

    version: int
    seq: int
    node: str
    time: int
    clock_speed: float = 1.0
    oldest_seq: int = 0
    credit: int = 0
    id: RequestId = None


class Ok(Reply, tag="ok", frozen=True, kw_only=True):
    """The request is carried out, and durable.

    `seq` is that of the latest event by then. `duplicate` tells that it was so already. `position` and `ended`
    answer contact.enqueue: the place in the queue, or the reason for which the contact ended at once, or with
    `duplicate` long ago. `wait_estimate` is there when the contact has to wait and enough was measured: half of such
    waits end within `p50` seconds, nine tenths within `p90`. `position` and `wait_estimate` answer estimate as well.
    `result` answers list, stats and explain; `more` tells that the list is not complete.
    """

    seq: int
    id: RequestId = None
    duplicate: bool = False
    position: int = 0
    wait_estimate: WaitEstimate | None = None
    ended: str = ""
    result: Any | UnsetType = UNSET
    more: bool = False


class Error(Reply, tag="error", frozen=True, kw_only=True):
    """The request was refused, and changed nothing.

    `code` is a stable word, `number` its number; `message` says what is wrong and what to do; `at` is the
    character of a requirement, from 0, that cannot be read.
    """

    code: str
    number: int
    message: str
    id: RequestId = None
    at: int | UnsetType = UNSET


class Replaced(Reply, tag="replaced", frozen=True, kw_only=True):
    """A newer connection of the same client name has taken over; this one is closed."""


class Gap(Reply, tag="gap", frozen=True, kw_only=True):
    """Events from the one asked for up to `first_seq` are no longer kept: list what you need, then go on."""

    first_seq: int


class Draining(Reply, tag="draining", frozen=True, kw_only=True):
    """The server is about to stop: connect again, with `resume`."""


AnyRequest = Hello | Ping | Subscribe | List | Stats | Estimate | Explain
REQUEST_TYPES: tuple[type[Request], ...] = AnyRequest.__args__
AnyReply = Welcome | Ok | Error | Replaced | Gap | Draining
REPLY_TYPES: tuple[type[Reply], ...] = AnyReply.__args__


class ListedContact(ContactView, frozen=True, kw_only=True):
    """A row of the list of contacts: the contact and, while it waits, where it stands, as `Estimate` tells it."""

    position: int = 0
    wait_estimate: WaitEstimate | None = None


FromClient = AnyCommand | AnyRequest
FromServer = AnyReply | AnyEvent

__all__ = [
    "CONFIG_LINE_BYTES_MAX",
    "DEFAULT_PORT",
    "LINE_BYTES_MAX",
    "PROTOCOL_VERSION",
    "REPLY_TYPES",
    "REQUEST_TYPES",
    "AnyCommand",
    "AnyEvent",
    "AnyReply",
    "AnyRequest",
    "Command",
    "Draining",
    "Error",
    "Estimate",
    "Explain",
    "FromClient",
    "FromServer",
    "Gap",
    "Hello",
    "List",
    "ListedContact",
    "ListedState",
    "Listing",
    "Ok",
    "Ping",
    "Replaced",
    "Reply",
    "Request",
    "Stats",
    "Subscribe",
    "Topic",
    "Welcome",
]
