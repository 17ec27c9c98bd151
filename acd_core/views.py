"""What a machine shows of itself: frozen values for lists, explanations, metrics and the digest.

Model and engine give equal views of equal states, field by field. Times are engine nanoseconds. Views of agents and
queues are many, are often made all at once, and hold nothing that leads back to them: the garbage collector need not
know them.
"""

import hashlib
from typing import Any, Literal, get_args

import msgspec
from msgspec import Struct

from acd_core.config import Step, StepsMode
from acd_core.events import AgentState, EndReason, WaitEstimate
from acd_core.urgency import Urgency

AGENT_STATES: tuple[str, ...] = get_args(AgentState)
END_REASONS: tuple[str, ...] = get_args(EndReason)

ContactState = Literal["queued", "offered", "connected", "wrapup", "parked"]
CONTACT_STATES: tuple[str, ...] = get_args(ContactState)
Direction = Literal["inbound", "outbound", "internal"]
DIRECTIONS: tuple[str, ...] = get_args(Direction)
Place = Literal["first", "before", "after"]
PLACES: tuple[str, ...] = get_args(Place)
Presence = Literal["logged_out", "paused", "ready"]
Activity = Literal["none", "offered", "busy", "wrapup", "cooldown"]
LegState = Literal["offered", "connected", "wrapup"]


class LegView(Struct, frozen=True, kw_only=True, gc=False):
    """What joins a contact and an agent, from the offer to the end of the wrap-up.

    Attributes:
        offer: id of the offer that it began with.
        contact: id of the contact, which may have gone on to somebody else while the agent wraps up.
        path: `tenant/queue` that it came from.
        since_ns: when its state began; connected_ns: when the conversation began, 0 before.
        deadline_ns: when offer or wrap-up end; 0 in conversation. timer: as in `ContactView`.
        latest_ns: when the wrap-up ends however often it is extended; 0 before.
        disposition_required: whether the queue asks how the contact went before a wrap-up ends.
    """

    offer: str
    contact: str
    path: str
    state: LegState
    since_ns: int
    connected_ns: int
    deadline_ns: int
    timer: int
    latest_ns: int
    disposition_required: bool


class Estimate(Struct, frozen=True, kw_only=True, gc=False):
    """A forecast of how long a contact waits: the mean, and what half, or nine tenths, of such waits do not exceed."""

    mean_ms: int
    p50_ms: int
    p90_ms: int


def in_seconds(estimate: Estimate | None) -> WaitEstimate | None:
    """A forecast as clients see it."""
    if estimate is None:
        return None
    return WaitEstimate((estimate.p50_ms + 500) // 1000, (estimate.p90_ms + 500) // 1000)


class Standing(Struct, frozen=True, kw_only=True, gc=False):
    """Where a waiting contact stands now.

    Attributes:
        position: place in the order of service among those who wait in its queue, from 1.
        estimate: of how much longer it waits; None when too little was measured.
    """

    position: int
    estimate: Estimate | None


class PaceView(Struct, frozen=True, kw_only=True, gc=False):
    """What the engine has measured of one line of a queue, in the window of `acd_core.forecast`.

    Attributes:
        require: what the contacts of the line ask beyond what the queue asks; the main line has all that have no
            line of their own.
        waiting: contacts that wait in it.
        served, left: contacts answered after waiting, and gone without an agent; in units of 1/65536.
        backlog_us: time during which somebody waited; waited_us: sum of the waiting of all.
        ring_ms, ring_square: sums of the time from offer to acceptance, and of its square, in milliseconds.
        last_wait_us, last_at_us: wait of the last who was answered after waiting, and when that was; 0 for none.
    """

    tenant: str
    queue: str
    require: str
    waiting: int
    served: int
    left: int
    backlog_us: int
    waited_us: int
    ring_ms: int
    ring_square: int
    last_wait_us: int
    last_at_us: int


Limit = Literal["", "queue", "tenant"]
"""Who has as many contacts in conversation as it may."""
LIMITS: tuple[Limit, ...] = ("", "queue", "tenant")


class CallbackView(Struct, frozen=True, kw_only=True, gc=False):
    """How a contact's caller is to be called back.

    Attributes:
        number: to dial. asked_ns: when he asked for it.
        joined_ns: since when it stands in the line that it is in: when it came, or was parked for the last time.
        due_ns: not before this. expires_ns: nor after this.
        attempts: how many have failed.
    """

    number: str
    asked_ns: int
    joined_ns: int
    due_ns: int
    expires_ns: int
    attempts: int


class Passage(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """One thing that happened to a contact on its way.

    Attributes:
        why: `step` (it waited so long that step number `step` holds); `transferred` (by `agent`, or by hand where that is
            empty); `rejected` or `timed_out` (by `agent`); `joined` or `left` (a conference, `agent`); why it left for
            another queue (`step`, `closed`, `full`, `nobody`, `all_paused`, `wait_estimate`), where `to` names one.
        queue: that it was in. to: the queue that it went to, or the address outside.
    """

    at_ns: int
    why: str
    queue: str
    to: str = ""
    agent: str = ""
    step: int = 0


class ContactView(Struct, frozen=True, kw_only=True):
    """A live contact.

    Attributes:
        client: name of the client that enqueued it.
        seq: order of arrival in the routing domain, from 1.
        require: the whole requirement, that of the queue included.
        direction: who began it.
        age_ns: counts as waited before `enqueued_ns`, of which credit_ns was given because its caller was not answered
            before. waited_before_ns: what he had waited in vain by `enqueued_ns`.
        by_hand: it was put beside another contact, so its place does not follow from its own rules.
        urgency: what its place in the order of service follows from.
        channel: of its queue.
        agent, offer: of its conversation, else of its oldest offer, else of its wrap-up; empty while it only waits.
        agents: all who are being offered it, talk with it or wrap it up, in the order of the offers.
        end_reason: known from wrap-up on. disposition: what an agent last said of how it went.
        deadline_ns: when its longest wait or longest talk ends; 0 for never.
        timer: order in which that deadline was set, among equal deadlines; 0 for none.
        wait_expired: its longest wait ended while an agent was being rung.
        step: how many steps hold for it; rank_max: agents of up to this rank count, -1 for all.
        step_deadline_ns: when the next step comes; 0 for never. step_timer: as `timer`.
        place: how many stood before it in its line when it first came to wait; -1 when it never had to.
        estimate: the forecast that was made when it came; None when there was none.
        step_useless: nobody logged in could match, so the next step comes at once.
        own_steps, own_steps_mode: the steps that it brought.
        history: who had it before it was handed on, as `agent@queue`, latest last; of the latest `HISTORY_MAX`.
        trail: what happened to it on its way, the latest last; of the latest `TRAIL_MAX`.
        caller: who it is, if that was told.
        consults: the contact about which a colleague is asked, if this is such a question; asked_by: the agent who asks.
        consult: the question that is being asked about this one. talking: how many agents talk with it.
        preferred: the agents that it prefers now, the best first; prefer_wait: whether it waits for them until
            `prefer_deadline_ns`. prefer_timer: as `timer`.
        deserted: none of them can come any more, so anybody will do at once.
        arrived_in: the queue that it first asked for, if that is another one; overflows: how often it moved.
        limit: whether its queue or its tenant has as many in conversation as it may, while it waits.
        reserved: its queue keeps agents free for itself, so it may get those who are kept free.
        callback: how its caller is to be called back; None while he is on the phone.
        stay: the condition by which it may not stay, and since then waits for the end of that rule's `after_s` at
            `stay_deadline_ns`, 0 when that is over. stay_timer: as `timer`.
    """

    contact: str
    tenant: str
    queue: str
    client: str
    state: ContactState
    seq: int
    priority: int
    require: str
    attributes: dict[str, Any]
    direction: str
    age_ns: int
    credit_ns: int
    waited_before_ns: int
    by_hand: bool
    enqueued_ns: int
    urgency: Urgency
    connected_ns: int
    completed_ns: int
    held: bool
    channel: str
    agent: str
    offer: str
    agents: tuple[str, ...]
    end_reason: str
    disposition: str
    deadline_ns: int
    timer: int
    wait_expired: bool
    step: int
    further: tuple[str, ...]
    rank_max: int
    step_deadline_ns: int
    step_timer: int
    place: int
    estimate: Estimate | None
    step_useless: bool
    own_steps: tuple[Step, ...]
    own_steps_mode: StepsMode
    history: tuple[str, ...]
    trail: tuple[Passage, ...]
    caller: str
    consults: str
    asked_by: str
    consult: str
    talking: int
    preferred: tuple[str, ...]
    prefer_wait: bool
    deserted: bool
    prefer_deadline_ns: int
    prefer_timer: int
    arrived_in: str
    overflows: int
    limit: Limit
    reserved: bool
    callback: CallbackView | None
    stay: str
    stay_deadline_ns: int
    stay_timer: int
    seen_ms: int
    look_deadline_ns: int
    look_timer: int


class PauseUse(Struct, frozen=True, kw_only=True, gc=False):
    """What an agent has paused for one of the configured reasons.

    Attributes:
        allowance_ns: in a window; 0 for as long as he likes.
        began_ns: when the window began; used_ns: sum of his pauses in it, apart from the present one.
    """

    reason: str
    paid: bool
    allowance_ns: int
    began_ns: int
    used_ns: int


class AgentView(Struct, frozen=True, kw_only=True, gc=False):
    """A configured agent.

    Attributes:
        client: name of the client that logged him in.
        presence: what he said; activity: what follows from the contacts he holds: `busy` when he talks, here or elsewhere, else `offered`
            when he is rung, else `wrapup`, else `cooldown`.
        pause_reason: of the pause; cooldown_cause: of the cooldown.
        resting: his occupancy is too high for contacts. occupancy_deadline_ns: when that ends, or while he is occupied
            when it begins; 0 for no such time. occupancy_timer: as in `ContactView.timer`.
        queues: those of his queues that he is logged in to, as paths; empty for all.
        pauses: those for configured reasons, by name. pause_since_ns: since when the present one is counted, 0 for not.
        pause_deadline_ns: when its allowance is used up, 0 for never or when that was told. pause_timer: as in
            `ContactView`. paid_ns, unpaid_ns: all such pauses that ended, by what is paid.
        outside: contacts that did not come from here, by channel; outside_until_ns: when the first of these reports is too
            old to count, 0 for none. outside_timer: as in `ContactView.timer`.
        contact, offer: of the leg that makes that activity. legs: all that he holds, oldest first.
        capacity: in units. channels: those that he can take a contact of when he holds nothing. room: those that he
            could take one more contact of, were he ready and not rung.
        idle_seq: order among agents with room, lowest is longest idle; 0 unless open to contacts or rung. An agent
            whose offer is withdrawn keeps his place.
        kept_free: he is open to contacts, and kept free for queues with a reserve.
        missed: offers timed out in a row. failed_ns: when offers failed lately, the earliest first, where
            `failed_offers_max` is configured for him.
        since_ns: when the state that he is seen in began.
        deadline_ns: when the offer, wrap-up or cooldown that makes his activity ends; 0 for none. timer: as in
            `ContactView`. rest_until_ns, rest_timer: those of a cooldown, which may go on while he talks.
        inbound_seq: the `idle_seq` that he first had after his last inbound contact; 0 until then.
        occupancy: share of his time on contacts and wrap-up, the latest counting most, in 1/2**30, as of
            occupancy_us; kept while some queue works by `least_occupied`, or `occupancy_max` is configured, else 0.
        occupancy_key: order of agents by occupancy; it holds until he is occupied in another way.
        turns: by `tenant/queue`, when he was last offered a contact of a queue that works by `round_robin`:
            the number of that offer among the queue's.
    """

    agent: str
    address: str
    tenants: tuple[str, ...]
    skills: dict[str, int]
    attributes: dict[str, str | int]
    ranks: dict[str, int]
    client: str
    presence: Presence
    activity: Activity
    pause_reason: str
    cooldown_cause: str
    logging_out: bool
    queues: tuple[str, ...]
    outside: dict[str, int]
    outside_until_ns: int
    outside_timer: int
    contact: str
    offer: str
    legs: tuple[LegView, ...]
    capacity: int
    channels: tuple[str, ...]
    room: tuple[str, ...]
    idle_seq: int
    kept_free: bool
    missed: int
    failed_ns: tuple[int, ...]
    since_ns: int
    deadline_ns: int
    timer: int
    rest_until_ns: int
    rest_timer: int
    answered: int
    answered_since_login: int
    inbound_seq: int
    occupancy: int
    occupancy_us: int
    occupancy_key: int
    resting: bool
    occupancy_deadline_ns: int
    occupancy_timer: int
    turns: dict[str, int]
    missed_total: int
    rejected_total: int
    talk_ns: int
    pauses: tuple[PauseUse, ...]
    pause_since_ns: int
    pause_deadline_ns: int
    pause_timer: int
    paid_ns: int
    unpaid_ns: int

    @property
    def facts(self) -> dict[str, str | int]:
        """What requirements can speak of: his attributes, and his id as `agent.id`."""
        return self.attributes | {"id": self.agent}

    @property
    def state(self) -> str:
        """One word for what he does: the activity, else the presence."""
        return self.presence if self.activity == "none" else self.activity


class QueueView(Struct, frozen=True, kw_only=True, gc=False):
    """A queue with its counters since the engine's first start.

    Attributes:
        waiting: contacts that wait and are not being offered.
        offered: contacts that are being offered right now.
        connected, wrapup: contacts now in conversation, or in wrap-up.
        oldest_ns: arrival of the contact that has waited longest, being offered or not; 0 for none.
        closed: by its `hours`, or as an `emergency`; empty while it is open. closed_reason: of the supervisor.
        parked: callbacks whose time has not come.
        consults: questions of agents about contacts of this queue; conferences: colleagues who were brought in.
        callbacks: callers who asked to be called back; callbacks_failed: attempts that reached nobody.
        callback_delay_ns: sum of the times from request to conversation, of those who were reached.
        entered: contacts that ever asked for this queue, or came from another one.
        overflowed: those that left it for another queue.
        answered: those that reached an agent; answered_in_target: within the service level's target.
        abandoned_in_target: gave up before the target.
        ended: contacts ended, by reason.
        offers, offers_rejected, offers_timed_out, offers_withdrawn: offers made and how they failed.
        wait_ns: sum of the waits of those answered; talk_ns: sum of the talks that ended.
        wait_histogram: answered contacts by wait; bucket i counts waits of at most `WAIT_BUCKETS_S[i]`
            seconds, the last all longer ones.
        accept_ns, accept_histogram: accepted offers by the time from offer to acceptance; `ACCEPT_BUCKETS_S`.
        handle_ns, handle_histogram: contacts that were answered and have ended, by talk and wrap-up together;
            `HANDLE_BUCKETS_S`.
        forecasts: contacts that were answered after a forecast of their wait.
        forecast_error_ms: sum of what was forecast, the mean, less the wait: above 0 when callers were told too much.
        forecast_off_ms: sum of how far the p50 was from the wait, either way.
        forecast_in_p50, forecast_in_p90: those that waited no longer than the p50, and the p90.
        estimate: the forecast for a contact that would have to wait now, at the end of the main line.
        reserving: whether agents are kept free for it now; reserve_until_ns, reserve_timer: when that ends, 0 for no
            such time, and as in `ContactView.timer`.
        recent_in_target: share of the contacts that left lately who were answered within the service level's target,
            in units of 1/`config.SERVICE_LEVEL_ONE`.
        allocated: contacts by group, lately, of those groups that have a share.
    """

    tenant: str
    queue: str
    waiting: int
    offered: int
    connected: int
    wrapup: int
    parked: int
    consults: int
    conferences: int
    callbacks: int
    callbacks_failed: int
    callback_delay_ns: int
    oldest_ns: int
    closed: str
    closed_reason: str
    entered: int
    overflowed: int
    answered: int
    answered_in_target: int
    abandoned_in_target: int
    ended: dict[str, int]
    offers: int
    offers_rejected: int
    offers_timed_out: int
    offers_withdrawn: int
    wait_ns: int
    talk_ns: int
    wait_histogram: tuple[int, ...]
    accept_ns: int
    accept_histogram: tuple[int, ...]
    handle_ns: int
    handle_histogram: tuple[int, ...]
    forecasts: int
    forecast_error_ms: int
    forecast_off_ms: int
    forecast_in_p50: int
    forecast_in_p90: int
    estimate: Estimate | None
    reserving: bool
    reserve_until_ns: int
    reserve_timer: int
    recent_in_target: int
    allocated: dict[str, int]

    @property
    def closed_words(self) -> str:
        """Whether and why it is closed, for people; empty while it is open."""
        if not self.closed:
            return ""
        return f"closed: {self.closed_reason or self.closed}"


class CalendarView(Struct, frozen=True, kw_only=True, gc=False):
    """A calendar: whether it is open, and the instants at which that changes. timer: as in `ContactView`."""

    calendar: str
    open: bool
    changes_ns: tuple[int, ...]
    timer: int


TRAIL_MAX = 50
"""So many of the things that happened to a contact are remembered."""
HISTORY_MAX = 20
"""So many of those who had a contact before are remembered."""

WAIT_BUCKETS_S = (1, 2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1200, 1800, 3600)
"""Upper bounds, in seconds, of the buckets of `QueueView.wait_histogram` but the last."""
ACCEPT_BUCKETS_S = (1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 45, 60)
"""Those of `QueueView.accept_histogram`."""
HANDLE_BUCKETS_S = (15, 30, 60, 90, 120, 180, 240, 300, 420, 600, 900, 1200, 1800, 2700, 3600)
"""Those of `QueueView.handle_histogram`."""


def offer_number(offer: str) -> int:
    """The number in an offer's id. Raises `ValueError` for what is no such id."""
    digits = offer.removeprefix("o-")
    if offer == digits or not (digits.isascii() and digits.isdecimal()) or digits.startswith("0") or len(digits) > 18:
        raise ValueError(f"{offer!r} is no offer; offers are called such as o-12")
    return int(digits)


class AgentChoice(Struct, frozen=True, kw_only=True, gc=False):
    """An agent who could have been offered a contact. The lowest preference comes first, which is how far down he is on the
    list of those whom the contact prefers, then the lowest rank, then the lowest share, which tells how far his group is
    above its share of the queue, then the lowest precedence, which is what the queue's strategy makes of him, then the
    lowest `idle_seq`, who has been idle for longest. Where occupancy has a price the precedence is in units of 1/ONE
    (model/fixed_point.py), as the occupancy is, and holds the price times the occupancy.
    """

    agent: str
    preference: int
    rank: int
    share: int
    precedence: int
    idle_seq: int
    occupancy: int = 0


class ContactChoice(Struct, frozen=True, kw_only=True):
    """A contact that an agent could have been offered. The lowest rank of the agent in its queue comes first, then the
    order that its urgency makes.
    """

    contact: str
    rank: int
    urgency: Urgency
    seq: int


class Decision(Struct, frozen=True, kw_only=True):
    """An offer as it was about to be made.

    Attributes:
        contact, agent: the two that were brought together.
        agent_looked: a freed agent looked at those who waited; else the contact looked at the free agents.
        agents: who of the free could have got the contact, in the order of the configuration; empty when one looked.
        contacts: of those who waited, whom the agent could have got, in order of arrival; empty when he did not look.
        others: all configured agents; waiting: all contacts that waited, empty when no agent looked.
        strategy: of the contact's queue; occupancy_price: likewise.
    """

    offer: str
    now_ns: int
    contact: ContactView
    agent: AgentView
    agent_looked: bool
    agents: tuple[AgentChoice, ...]
    contacts: tuple[ContactChoice, ...]
    others: tuple[AgentView, ...]
    waiting: tuple[ContactView, ...]
    strategy: str
    occupancy_price: int


class DomainView(Struct, frozen=True, kw_only=True):
    """Counts over the whole routing domain: cheap, whatever its size.

    Attributes:
        agents: configured agents by the state that they are seen in.
        pause_reasons: those seen `paused`, by reason; cooldown_causes: those seen in `cooldown`, by cause.
        agent_us: microseconds that all agents together have spent in each state since the engine's first start.
    """

    now_ns: int
    seq: int
    contacts: int
    waiting: int
    agents: dict[str, int]
    pause_reasons: dict[str, int]
    cooldown_causes: dict[str, int]
    agent_us: dict[str, int]


class ClientView(Struct, frozen=True, kw_only=True):
    """What a client owns: agents logged in, and live contacts."""

    client: str
    agents: int
    contacts: int


def digest(state: object) -> str:
    """A short fingerprint of a machine's whole state, equal for equal states anywhere."""
    return hashlib.blake2b(msgspec.msgpack.encode(state), digest_size=16).hexdigest()
