"""What happened: one frozen Struct an event, with its wire type as the tag.

`seq` numbers all events of a routing domain without a gap and never repeats; `at` is engine time in
nanoseconds since 1970. A machine hands events out as `Addressed`: with the names of the clients that own the
contact and the agent, to whom the server sends the event even if they subscribed to nothing.
"""

from typing import Any, Literal, NamedTuple, get_args

from msgspec import UNSET, Struct, UnsetType

EndReason = Literal[
    "completed_agent",
    "completed_caller",
    "transferred",
    "abandoned",
    "max_wait",
    "no_agents",
    "queue_full",
    "diverted",
    "withdrawn",
    "callback_done",
    "lost",
    "failed",
]
AttemptCause = Literal["busy", "no_answer", "unreachable", "invalid"]
OverflowCause = Literal["step", "closed", "full", "nobody", "all_paused", "wait_estimate"]
ClosingCause = Literal["hours", "emergency"]
OfferOutcome = Literal["rejected", "timed_out", "withdrawn"]
OFFER_OUTCOMES: tuple[OfferOutcome, ...] = get_args(OfferOutcome)
AgentState = Literal["logged_out", "paused", "ready", "offered", "busy", "wrapup", "cooldown"]


class Event(Struct, frozen=True, kw_only=True, gc=False, tag_field="type", omit_defaults=True):
    """What all events have."""

    seq: int
    at: int


class WaitEstimate(Struct, frozen=True, gc=False):
    """A forecast of a wait, in answers and events.

    Attributes:
        p50: half of such waits end within so many seconds.
        p90: nine tenths end within so many seconds.
    """

    p50: int
    p90: int


class ContactQueued(Event, tag="contact.queued", frozen=True, kw_only=True):
    """A contact entered a queue.

    `position` is its place in the order of service among those who wait there, from 1. `wait_estimate` forecasts its
    wait, when no agent is free for it and enough was measured. `callback_offered` tells to offer the caller a callback.
    `credit` is what its caller waited before, in seconds, when he was not answered: it counts as waiting now.
    """

    contact: str
    tenant: str
    queue: str
    priority: int
    position: int
    wait_estimate: WaitEstimate | None = None
    callback_offered: bool = False
    credit: int | float = 0


class ContactOffered(Event, tag="contact.offered", frozen=True, kw_only=True):
    """A contact is held out to an agent: ring him at `address`, and answer with offer.accept or offer.reject.

    `expires_in` is in seconds; `wait` is how long the contact has waited, in seconds; `attributes` are those
    given with contact.enqueue. `history` tells who had it before, as `agent@queue`, latest last. Where `callback` is a
    number, nobody is on the phone: let the agent accept, then dial it and connect the two. Where `consults` is the id of a
    contact, a colleague who talks with that one asks: connect the agent with him.
    """

    offer: str
    contact: str
    tenant: str
    queue: str
    agent: str
    address: str
    expires_in: int | float
    wait: int | float
    attributes: dict[str, Any]
    history: tuple[str, ...] = ()
    callback: str = ""
    consults: str = ""


class OfferEnded(Event, tag="offer.ended", frozen=True, kw_only=True):
    """An offer ended without a conversation: stop ringing the agent. The contact keeps its place, unless it ended.

    `cause` says more: what the adapter gave with offer.reject, or for a withdrawn offer `abandoned`,
    `withdrawn`, `lost`, `agent_paused`, `agent_logged_out`, `agent_unreachable`, or `agent_outside` when he had another call.
    """

    offer: str
    contact: str
    tenant: str
    queue: str
    agent: str
    outcome: OfferOutcome
    cause: str


class ContactStepped(Event, tag="contact.stepped", frozen=True, kw_only=True):
    """A contact has waited so long that step number `step` of its queue, from 1, holds for it."""

    contact: str
    tenant: str
    queue: str
    step: int


class ContactOverflowed(Event, tag="contact.overflowed", frozen=True, kw_only=True):
    """A contact leaves `queue` for the queue `to` of the same tenant, which it enters, or leaves again, at once.

    `cause` is `step`, or the condition on joining or staying that sent it on. `wait` is in seconds.
    """

    contact: str
    tenant: str
    queue: str
    to: str
    cause: OverflowCause
    wait: int | float


class ContactRelaxed(Event, tag="contact.relaxed", frozen=True, kw_only=True):
    """Any agent will do now: the time for those whom the contact preferred is over, or none of them will come."""

    contact: str
    tenant: str
    queue: str


class ContactConnected(Event, tag="contact.connected", frozen=True, kw_only=True):
    """The agent accepted: contact and agent talk. `wait` is the whole time in the queue, in seconds."""

    contact: str
    tenant: str
    queue: str
    agent: str
    offer: str
    wait: int | float


class ContactCallbackChanged(Event, tag="contact.callback_changed", frozen=True, kw_only=True):
    """A caller asked to be called back, or an attempt to reach him failed, for which `cause` tells why.

    `attempts` counts those that failed. `next_in` is after how many seconds the contact stands in line again, 0 when it
    does now; it is left out when that is not known: outside the hours at which customers are called, and after the
    last attempt.
    """

    contact: str
    tenant: str
    queue: str
    agent: str
    cause: AttemptCause | Literal[""] = ""
    attempts: int = 0
    next_in: int | float | UnsetType = UNSET


class ContactTransferred(Event, tag="contact.transferred", frozen=True, kw_only=True):
    """A contact leaves `queue` by contact.transfer: for the queue `to` of the same tenant, which it enters at once, or
    for the address `outside`.

    `agent` is who handed it on, empty when it had only waited; `only_agent` the one who alone may get it now.
    """

    contact: str
    tenant: str
    queue: str
    to: str
    outside: str
    agent: str
    only_agent: str


class ContactConsulted(Event, tag="contact.consulted", frozen=True, kw_only=True):
    """An agent who talks with a contact asks a colleague, by the contact `consult`, which enters its queue at once."""

    contact: str
    tenant: str
    queue: str
    agent: str
    consult: str


class ContactMerged(Event, tag="contact.merged", frozen=True, kw_only=True):
    """The agent who was asked talks with the caller from now on. The question `consult` ends with it.

    `talking` counts the agents who talk with the caller, the one who asked among them.
    """

    contact: str
    tenant: str
    queue: str
    agent: str
    consult: str
    talking: int


class ContactLeft(Event, tag="contact.left", frozen=True, kw_only=True):
    """An agent left a conference; `talking` others go on."""

    contact: str
    tenant: str
    queue: str
    agent: str
    talking: int


class ContactHeld(Event, tag="contact.held", frozen=True, kw_only=True):
    """The agent put the contact on hold."""

    contact: str
    tenant: str
    queue: str
    agent: str


class ContactResumed(Event, tag="contact.resumed", frozen=True, kw_only=True):
    """The agent took the contact off hold."""

    contact: str
    tenant: str
    queue: str
    agent: str


class ContactUpdated(Event, tag="contact.updated", frozen=True, kw_only=True):
    """Priority, attributes or place of a contact were changed.

    `place` is there when it was moved: `first`, or `before` or `after` the contact `other`.
    """

    contact: str
    tenant: str
    queue: str
    priority: int
    place: str = ""
    other: str = ""


class ContactWrapup(Event, tag="contact.wrapup", frozen=True, kw_only=True):
    """The conversation is over and the agent does its after-work, for at most `expires_in` seconds.

    `disposition_required` is set when it lasts until agent.wrapup_done says how the contact went.
    """

    contact: str
    tenant: str
    queue: str
    agent: str
    reason: EndReason
    talk: int | float
    expires_in: int | float
    disposition_required: bool = False


class ContactWrapupExtended(Event, tag="contact.wrapup_extended", frozen=True, kw_only=True):
    """The agent took more time for the after-work: it ends in `expires_in` seconds."""

    contact: str
    tenant: str
    queue: str
    agent: str
    expires_in: int | float


class ContactDisposed(Event, tag="contact.disposed", frozen=True, kw_only=True):
    """The agent said how the contact went. His after-work ends with it."""

    contact: str
    tenant: str
    queue: str
    agent: str
    disposition: str


class ContactEnded(Event, tag="contact.ended", frozen=True, kw_only=True):
    """A contact is over. `wait` and `talk` are in seconds; `agent` is empty when nobody ever answered it.

    `disposition` is what an agent last said of how it went.
    """

    contact: str
    tenant: str
    queue: str
    agent: str
    reason: EndReason
    wait: int | float
    talk: int | float
    disposition: str = ""


class AgentChanged(Event, tag="agent.changed", frozen=True, kw_only=True):
    """An agent came into another state.

    `reason` is that of a pause (`login`, `missed_offers`, `failed_offers`, `unreachable`, or what the agent gave), or the
    cause of a cooldown (`rejected`, `no_answer`, `busy`, `unreachable`, or `occupancy` for a rest from work). `expires_in`, in seconds, is there when the state ends by itself.
    A `busy` agent has the reason `outside` while what he talks about did not come from here; `expires_in` then says after how
    long without a report that counts as over. `logging_out` is set when a logout waits for the end of the contact in hand.
    """

    agent: str
    state: AgentState
    reason: str = ""
    expires_in: int | float | UnsetType = UNSET
    logging_out: bool = False


class AgentPauseUsedUp(Event, tag="agent.pause_used_up", frozen=True, kw_only=True):
    """An agent has paused for as long as he may for this reason: `used` of `allowance` seconds. He is still paused."""

    agent: str
    reason: str
    used: int | float
    allowance: int | float


class AgentUpdated(Event, tag="agent.updated", frozen=True, kw_only=True):
    """Address, skills or attributes of an agent were changed."""

    agent: str


class AgentQueuesChanged(Event, tag="agent.queues_changed", frozen=True, kw_only=True):
    """An agent serves other queues than before: so many that he named, which the list of agents tells; 0 for all his."""

    agent: str
    queues: int = 0


class QueueClosed(Event, tag="queue.closed", frozen=True, kw_only=True):
    """A queue is closed: by its `hours`, or as an `emergency` by a supervisor, who gave the reason."""

    tenant: str
    queue: str
    cause: ClosingCause
    reason: str = ""


class QueueOpened(Event, tag="queue.opened", frozen=True, kw_only=True):
    """A queue is open again."""

    tenant: str
    queue: str


class HoursUpdated(Event, tag="hours.updated", frozen=True, kw_only=True):
    """The instants of a calendar were given anew. It is `open` or closed now; so many `changes` are known ahead."""

    calendar: str
    open: bool
    changes: int


class ConfigApplied(Event, tag="config.applied", frozen=True, kw_only=True):
    """Another configuration holds from here on."""

    tenants: int
    queues: int
    agents: int


AnyEvent = (
    ContactQueued
    | ContactOffered
    | OfferEnded
    | ContactStepped
    | ContactOverflowed
    | ContactRelaxed
    | ContactConnected
    | ContactCallbackChanged
    | ContactTransferred
    | ContactConsulted
    | ContactMerged
    | ContactLeft
    | ContactHeld
    | ContactResumed
    | ContactUpdated
    | ContactWrapup
    | ContactWrapupExtended
    | ContactDisposed
    | ContactEnded
    | AgentChanged
    | AgentPauseUsedUp
    | AgentUpdated
    | AgentQueuesChanged
    | QueueClosed
    | QueueOpened
    | HoursUpdated
    | ConfigApplied
)
EVENT_TYPES: tuple[type[Event], ...] = AnyEvent.__args__


class Addressed(NamedTuple):
    """An event with its addressees: the clients that own the contact and the agent (`""` where there is none)."""

    event: Event
    contact_client: str
    agent_client: str
