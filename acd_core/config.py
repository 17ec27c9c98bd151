"""The configuration: tenants, skills, queues and agents, as one frozen value; `acd_core.validation` looks at it once.

Times are seconds with at most millisecond resolution, and become whole nanoseconds (`ns_of_seconds`) before
the engine sees them: the engine itself knows integers only.
"""

import itertools
from collections.abc import Iterable, Iterator
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from acd_core import requirement
from acd_core.urgency import ageing_units, cost_units

NAME_PATTERN = r"^[^\s\x00-\x1f\x7f\"\\/]{1,64}\Z"
Name = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        pattern=NAME_PATTERN,
        description="1..64 characters, no white space, quotes, slashes",
    ),
]
AttributeName = Annotated[str, Meta(min_length=1, max_length=64, pattern=requirement.SKILL_PATTERN)]
AgentAttribute = (
    Annotated[str, Meta(max_length=64)] | Annotated[int, Meta(ge=-requirement.NUMBER_MAX, le=requirement.NUMBER_MAX)]
)
AgentAttributes = Annotated[dict[AttributeName, AgentAttribute], Meta(max_length=64)]
SkillName = Annotated[str, Meta(min_length=1, max_length=64, pattern=requirement.SKILL_PATTERN)]
Level = Annotated[int, Meta(ge=requirement.LEVEL_MIN, le=requirement.LEVEL_MAX)]
Address = Annotated[str, Meta(max_length=256, description="where the PBX reaches the agent, such as PJSIP/1012")]
AgentId = Annotated[str, Meta(min_length=1, max_length=64)]
Seconds = Annotated[float, Meta(ge=0, le=2_592_000, description="seconds, at most 30 days")]
PositiveSeconds = Annotated[float, Meta(ge=0.001, le=2_592_000, description="seconds, at most 30 days")]
Priority = Annotated[int, Meta(ge=0, le=100)]
Strategy = Literal[
    "longest_idle",
    "most_skilled",
    "least_skilled",
    "fewest_contacts",
    "round_robin",
    "linear",
    "lowest_cost",
    "longest_idle_inbound",
    "least_occupied",
    "random",
    "weighted_random",
]
QueuePath = Annotated[str, Meta(pattern=r"^[^\s/]+/[^\s/]+\Z", description="tenant/queue")]
Percent = Annotated[int, Meta(ge=0, le=100)]
Rank = Annotated[int, Meta(ge=0, le=1000)]
RequirementText = Annotated[str, Meta(max_length=1024)]
WaitMeasure = Literal["current", "predicted"]
WayOutReason = Literal["no_agents", "queue_full", "diverted"]
StepsMode = Literal["add", "replace"]

Hours = Annotated[
    tuple[Annotated[str, Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d|24:00)\Z")], ...],
    Meta(max_length=24, description="such as 09:00-17:30"),
]
Date = Annotated[str, Meta(pattern=r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])\Z", description="such as 2026-12-25")]

NS_PER_MS = 1_000_000
STEPS_MAX = 20
ALLOCATION_MEMORY = 10_000
"""The counts behind a queue's shares are halved when they reach so many contacts, so that the past fades."""
SERVICE_LEVEL_MEMORY = 64
"""The recent service level weighs each contact that leaves with one in so many."""
SERVICE_LEVEL_ONE = 1 << 30
"""What it is counted in: so many are the whole."""
CHANNELS_MAX = 31
VOICE = "voice"
PRICED_STRATEGIES: tuple[Strategy, ...] = ("most_skilled", "least_skilled", "fewest_contacts", "lowest_cost")
"""Those that compare numbers against which a price can be set; the others know an order only, or chance."""
RULES_MAX = 10
"""Most rules on joining a queue, and most on staying."""
FAILED_OFFERS_MAX = 100
"""So many failed offers of an agent are remembered at most."""
ESTIMATE_LOOK_S = 10
"""Where a rule on staying asks for the estimate, that of each contact in line is looked at as often."""
OVERFLOWS_MAX = 8
"""A contact moves to another queue so many times at most."""
WAY_OUT_REASONS: dict[str, "WayOutReason"] = {
    "closed": "diverted",
    "full": "queue_full",
    "nobody": "no_agents",
    "all_paused": "no_agents",
    "wait_estimate": "diverted",
}
"""How a contact ends that may not join or stay, where its queue does not say."""


class ConfigError(ValueError):
    """A configuration that contradicts itself; the message names the place and what to do."""


class Tenant(Struct, frozen=True, forbid_unknown_fields=True):
    """A client company. It owns queues, contacts and reports.

    Attributes:
        strict_priority: overrides `settings.strict_priority` for its queues.
        max_contacts: most live contacts of its; one more is refused. 0 for no limit.
        max_in_conversation: most of its contacts that may talk with agents, or be offered to them, at once; the others
            wait. 0 for no limit.
    """

    name: Name
    strict_priority: bool | None = None
    max_contacts: Annotated[int, Meta(ge=0, le=10_000_000)] = 0
    max_in_conversation: Annotated[int, Meta(ge=0, le=1_000_000)] = 0


class Channel(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A kind of contact, and what one of it takes of an agent.

    Attributes:
        name: such as `voice`, `chat`, `mail`; queues say which one their contacts are.
        units: what one contact takes of the agent's capacity.
        most_at_once: contacts of this channel that an agent may have at once, whatever his capacity.
        interruptible: work of this channel can be laid aside. It takes no capacity from contacts of channels that
            are not interruptible: somebody with a mail in hand is still called.
    """

    name: Name
    units: Annotated[int, Meta(ge=1, le=1000)] = 1
    most_at_once: Annotated[int, Meta(ge=0, le=1000)] = 1000
    interruptible: bool = False


class Reserve(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Agents that are kept free for a queue, at times.

    Contacts of queues without a reserve do not get an agent who serves this queue, while no more than `agents` of those
    are free. Without a condition that holds always; with conditions it begins when one of them is met, and ends
    when none of those that are given holds any more, or when none was met for `lasts_s`.

    Attributes:
        agents: how many are kept free.
        when_wait_s: a contact that left the queue, answered or not, had waited so long.
        until_wait_s: one had waited no longer than this.
        when_service_level: of the contacts that left the queue lately, fewer than so many per cent were answered within
            the service level's target. The latest count most: each for a 64th.
        until_service_level: at least so many per cent were.
        lasts_s: it ends when no condition was met for so long.
    """

    agents: Annotated[int, Meta(ge=1, le=100_000)]
    when_wait_s: Seconds | None = None
    until_wait_s: Seconds = 0
    when_service_level: Percent | None = None
    until_service_level: Percent = 100
    lasts_s: PositiveSeconds = 900

    @property
    def conditional(self) -> bool:
        """Whether it holds at times only."""
        return self.when_wait_s is not None or self.when_service_level is not None


class Callback(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How callers of a queue are called back who would rather not wait on the phone. They keep their place.

    Attributes:
        offer_when_wait_s: adapters are told to offer it when half of such waits take longer than this; left out, they
            are never told, and callers may be called back all the same.
        retry_s: so long after an attempt that failed the next one is made.
        attempts_max: after so many failed attempts the contact ends as `failed`.
        expires_s: so long after the request it ends as `max_wait`, if nobody could be reached by then.
        hours: the calendar of the times at which customers are called; at any time when left out.
    """

    offer_when_wait_s: Seconds | None = None
    retry_s: Seconds = 900
    attempts_max: Annotated[int, Meta(ge=1, le=100)] = 3
    expires_s: PositiveSeconds = 86_400
    hours: Name | None = None


class QueueRatio(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long a queue may be beside others: the one that is furthest above its share of all who wait is served first.

    Attributes:
        group: the queues of the tenant that name the same group are compared.
        weight: its share of those who wait in the group is its part of the sum of their weights.
        contact_s: what one contact above the share is worth beside queues that are not of the group: so many seconds of
            waiting. Give it alike in the whole group.
    """

    group: Name
    weight: Annotated[int, Meta(ge=1, le=1000)] = 1
    contact_s: Annotated[float, Meta(ge=0.001, le=86_400, description="seconds, at most a day")] = 60


class CostStep(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What waiting costs from some time on.

    Attributes:
        after_s: seconds of waiting from which on it holds.
        cost: of each further second, in whatever unit all queues share. A cost of 1 is as urgent as a plain contact
            after 60 s.
    """

    after_s: Seconds
    cost: Annotated[float, Meta(ge=0, le=1_000_000)]


class WaitingCost(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a second of waiting costs, by how long a contact has waited: dearer contacts are served first.

    Attributes:
        steps: in the order of their `after_s`; no cost falls. Before the first of them waiting costs nothing.
        by_speed: the cost is multiplied by the contacts of the queue that an agent handles in a minute, as measured:
            what one minute of an agent saves.
        handle_s: time from the answer to the end of the wrap-up that is taken for the mean until ten were handled.
    """

    steps: Annotated[tuple[CostStep, ...], Meta(min_length=1, max_length=STEPS_MAX)]
    by_speed: bool = False
    handle_s: PositiveSeconds = 180


class Step(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A change of the rules for a contact that has waited so long. What is left out stays as it was.

    Attributes:
        after_s: seconds of waiting from which on it holds.
        require: asked of the agent instead of what the queue, or the step before, asks.
        priority: points added to the contact's priority, 0..100.
        rank_max: agents of up to this rank count.
        drop: skills that are asked no more, by the queue or by the contact: conditions on them count as met.
        further: queues of the same tenant; agents who meet what one of them asks at first count too.
        overflow: the queue of the same tenant that the contact moves to, unless that one would not take it.
        keep_age: whether the contact takes its waiting time, and so its place, along to that queue.
        skip_if_nobody: take the next step at once while nobody who is logged in could match at this one.
    """

    after_s: PositiveSeconds
    require: RequirementText | None = None
    priority: Priority = 0
    rank_max: Rank | None = None
    drop: Annotated[tuple[SkillName, ...], Meta(max_length=256)] = ()
    further: Annotated[tuple[Name, ...], Meta(max_length=20)] = ()
    overflow: Name | None = None
    keep_age: bool = False
    skip_if_nobody: bool = False


class JoinRule(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who may not join a queue, and where he goes instead.

    Attributes:
        when: `closed` (by its hours, or a supervisor); `full` (`max_waiting` wait and nobody is free); `nobody` (no
            agent who could serve the contact is logged in); `all_paused` (none who could is logged in and not
            paused); `wait_estimate` (nobody is free, and half of such waits take longer than `over_s`).
        over_s: how long an estimate must be, for `wait_estimate`.
        to: the queue of the same tenant that takes the contact instead; it ends when left out.
        keep_age: whether it takes its waiting time along.
        ends_as: the reason with which it ends otherwise: `diverted` for `closed` and `wait_estimate`, `queue_full` for
            `full`, else `no_agents`, when left out.
    """

    when: Literal["closed", "full", "nobody", "all_paused", "wait_estimate"]
    over_s: Seconds | None = None
    to: Name | None = None
    keep_age: bool = False
    ends_as: WayOutReason | None = None


class StayRule(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who may not stay in a queue, and where he goes instead.

    Attributes:
        when: `closed`, `nobody` or `all_paused`, as in `JoinRule`; `wait_estimate` (half of such waits take longer than
            another `over_s`), which is looked at when it comes and every ten seconds from then on.
        over_s: how long the estimate of what is left to wait must be, for `wait_estimate`.
        after_s: the condition must hold for so long, without a break.
        to, keep_age, ends_as: as in `JoinRule`.
    """

    when: Literal["closed", "nobody", "all_paused", "wait_estimate"]
    over_s: Seconds | None = None
    after_s: Seconds = 0
    to: Name | None = None
    keep_age: bool = False
    ends_as: WayOutReason | None = None


class Queue(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where contacts of one kind wait.

    Attributes:
        tenant: the company that owns it.
        name: unique within the tenant.
        channel: what its contacts are; `voice` is there without being configured.
        require: what every contact of this queue asks of an agent, such as `billing>=30 & spanish`.
        strategy: which of several free agents of the same rank gets the contact: `longest_idle`;
            `longest_idle_inbound` (whose last inbound contact is longest ago, whatever else he did since);
            `least_occupied` (lowest share of his time on contacts and wrap-up, the latest counting most); `most_skilled`
            (highest sum of his levels in the skills asked for); `least_skilled` (fewest skills, which spares the
            generalists); `fewest_contacts` (answered since he logged in); `round_robin` (whose last offer from this
            queue is longest ago); `linear` (order of the configuration); `lowest_cost`; `random` (any with the same
            chance); `weighted_random` (by the share of his `weight`). Ties go to the longest idle.
        occupancy_price: what being occupied all the time takes from an agent, in what `strategy` compares: levels for
            `most_skilled`, skills for `least_skilled`, contacts for `fewest_contacts`, cost for `lowest_cost`; no other
            strategy goes together with it. Who was occupied half of his time, the latest counting most, pays half of it.
        priority: added to the priority of each contact, 0..100.
        strict_priority: contacts of a higher priority always go first, however long others have waited; overrides
            that of the tenant. Contacts of queues without it have the lowest priority then.
        priority_step_s: what one point of priority is worth where it is not strict: so many seconds of head start in
            waiting.
        head_start_s: seconds of waiting that every contact begins with.
        ageing: what a second of waiting adds to the urgency, in seconds, 0..1000. 1 is ordinary waiting; with 0 only
            the head start counts.
        service_objective_s: instead of `ageing`, the wait that the queue aims at: contacts of such queues go by the
            share of it that they have waited. One that has waited all of it is as urgent as one of a plain queue
            after 60 s.
        credit_window_s: a caller who was not answered, and comes back within this time, has what he waited then counted as
            waiting now; 0 for never. Contacts tell their caller when they are enqueued.
        credit_max_s: no more than this is counted.
        wait_measure: the wait that makes contacts urgent: `current`; or `predicted`, which adds what is still to come if
            the agent serves another queue: the forecast for one who has nobody before him.
        queue_ratio: instead of by waits, the queue is urgent by how far it is above its share of those who wait.
        waiting_cost: instead of by waits, its contacts are urgent by what a further second of waiting costs.
        urgency_max_s: head start and ageing, or what takes their place, take the urgency no further than this; it has no
            limit when left out.
        offers_at_once: so many agents are offered a contact at the same time, as many as are free; the first to accept
            gets it. 1 rings one after the other, 1000 rings all.
        offer_timeout_s: how long an agent may take to answer an offer.
        wrapup_s: work after the contact; 0 for none.
        disposition_required: wrap-up lasts until the agent has said how it went, and `wrapup_s` does not end it.
        wrapup_max_s: longest wrap-up, extended or waiting for a disposition; `wrapup_s` if that is longer.
        reject_cooldown_s: rest of an agent who rejected an offer, before he gets another.
        no_answer_cooldown_s: rest of an agent who let an offer time out, or for whom one was rejected with the cause
            `no_answer`.
        busy_cooldown_s, unreachable_cooldown_s: rest of an agent for whom an offer was rejected with the cause `busy` or
            `unreachable`; as `reject_cooldown_s` when left out.
        max_waiting: most contacts that may wait; one more ends at once with `queue_full`. 0 for no limit.
        max_in_conversation: most of its contacts that may talk with agents, or be offered to them, at once; the others
            wait. 0 for no limit.
        reserve: agents that are kept free for it.
        allocation: what share of its contacts, in per cent, each group of agents gets when several have somebody free:
            the one that is furthest below its share comes first. Groups that are left out come last.
        max_wait_s: longest wait; then the contact ends with `max_wait`. 0 for no limit.
        max_talk_s: a conversation longer than this is taken for lost, so that no agent stays busy for ever.
        service_level_s: target of the service level, in seconds of waiting.
        rank_max: agents of a higher rank do not count, until a step says otherwise; all count when left out.
        steps: how the rules are relaxed for a contact that waits, in the order of their `after_s`.
        skip_if_nobody: take the first step at once while nobody who is logged in could match before it.
        join: who may not join; the first rule that holds counts. Where it is closed or full nobody joins in any case.
        stay: who may not stay on the phone; the first rule that holds counts.
        hours: the calendar by which it opens and closes; always open when left out.
        last_agent_s: for so long a contact whose `caller` is known prefers the agent whom that caller spoke to last; 0
            for not at all.
        last_agent_wait: whether it waits for him while he is busy, rather than taking anybody who is free.
        callback: how its callers are called back; not at all when left out.
    """

    tenant: Name
    name: Name
    channel: Name = VOICE
    require: RequirementText = ""
    strategy: Strategy = "longest_idle"
    occupancy_price: Annotated[int, Meta(ge=0, le=1_000_000_000)] = 0
    priority: Priority = 0
    strict_priority: bool | None = None
    priority_step_s: Seconds = 60
    head_start_s: Seconds = 0
    ageing: Annotated[float, Meta(ge=0, le=1000)] = 1
    service_objective_s: PositiveSeconds | None = None
    wait_measure: WaitMeasure = "current"
    queue_ratio: QueueRatio | None = None
    waiting_cost: WaitingCost | None = None
    urgency_max_s: Seconds | None = None
    credit_window_s: Seconds = 0
    credit_max_s: Seconds = 3600
    offers_at_once: Annotated[int, Meta(ge=1, le=1000)] = 1
    offer_timeout_s: PositiveSeconds = 20
    wrapup_s: Seconds = 0
    disposition_required: bool = False
    wrapup_max_s: PositiveSeconds = 1800
    reject_cooldown_s: Seconds = 5
    no_answer_cooldown_s: Seconds = 5
    busy_cooldown_s: Seconds | None = None
    unreachable_cooldown_s: Seconds | None = None
    max_waiting: Annotated[int, Meta(ge=0, le=10_000_000)] = 0
    max_in_conversation: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    reserve: Reserve | None = None
    allocation: Annotated[dict[Name, Percent], Meta(max_length=100)] = {}
    max_wait_s: Seconds = 3600
    max_talk_s: PositiveSeconds = 28_800
    service_level_s: Seconds = 20
    rank_max: Rank | None = None
    steps: Annotated[tuple[Step, ...], Meta(max_length=STEPS_MAX)] = ()
    skip_if_nobody: bool = False
    join: Annotated[tuple[JoinRule, ...], Meta(max_length=RULES_MAX)] = ()
    stay: Annotated[tuple[StayRule, ...], Meta(max_length=RULES_MAX)] = ()
    hours: Name | None = None
    last_agent_s: Seconds = 0
    last_agent_wait: bool = False
    callback: Callback | None = None


class Agent(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, gc=False):
    """A person who answers contacts.

    Attributes:
        agent: the id, unique in the routing domain.
        address: where the PBX reaches him; comes with every offer.
        tenants: the companies whose contacts he answers; empty means all.
        skills: level by skill, 1..100.
        capacity: units that his contacts may take together; as many as the dearest channel when left out.
        channels: most contacts at once by channel, instead of the channel's `most_at_once`; 0 for none of it.
        cost: of an hour of his, in whatever unit; for `lowest_cost`.
        group: team, site or vendor that he belongs to; for `allocation`.
        weight: his share among the free agents of a queue that works by `weighted_random`, 1..1000.
        ranks: tier by queue, such as `{ "acme/support" = 1 }`; 0 where not given. An agent of a higher rank gets a
            contact only when none of a lower rank is free, and serves the queues of his lowest rank first.
        attributes: texts and whole numbers that requirements can speak of, as `agent.site`.
        missed_offers_max, failed_offers_max: override those of `settings`.
    """

    agent: AgentId
    address: Address = ""
    tenants: Annotated[tuple[Name, ...], Meta(max_length=1000)] = ()
    skills: Annotated[dict[SkillName, Level], Meta(max_length=256)] = {}
    capacity: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    channels: Annotated[dict[Name, Annotated[int, Meta(ge=0, le=1000)]], Meta(max_length=CHANNELS_MAX)] = {}
    cost: Annotated[int, Meta(ge=0, le=1_000_000_000)] = 0
    group: Annotated[str, Meta(max_length=64)] = ""
    weight: Annotated[int, Meta(ge=1, le=1000)] = 1
    ranks: Annotated[dict[QueuePath, Rank], Meta(max_length=1000)] = {}
    attributes: AgentAttributes = {}
    missed_offers_max: Annotated[int, Meta(ge=0, le=1000)] | None = None
    failed_offers_max: Annotated[int, Meta(ge=0, le=FAILED_OFFERS_MAX)] | None = None

    def __post_init__(self) -> None:
        for name in ("skills", "channels", "ranks", "attributes"):
            if not getattr(self, name):
                msgspec.structs.force_setattr(self, name, _NOTHING)  # there may be a hundred thousand agents


_NOTHING: dict[str, int] = {}


class Holiday(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A date on which other hours hold than on its weekday.

    Attributes:
        date: such as `2026-12-25`.
        open: hours as in `Calendar`; closed all day when left out.
        name: for people.
    """

    date: Date
    open: Hours = ()
    name: Annotated[str, Meta(max_length=64)] = ""


class Calendar(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Opening hours by wall clock. The server makes instants of them; the engine knows only those.

    Attributes:
        name: by which queues name it.
        zone: of the wall clock, such as `Europe/Madrid`.
        mon, tue, wed, thu, fri, sat, sun: hours such as `["09:00-13:00", "14:00-18:00"]`. Ending not after the
            beginning they last into the next day; `00:00-24:00` is the whole day. Closed all day when left out.
        holidays: dates with other hours.
    """

    name: Name
    zone: Annotated[str, Meta(min_length=1, max_length=64)] = "UTC"
    mon: Hours = ()
    tue: Hours = ()
    wed: Hours = ()
    thu: Hours = ()
    fri: Hours = ()
    sat: Hours = ()
    sun: Hours = ()
    holidays: Annotated[tuple[Holiday, ...], Meta(max_length=1000)] = ()


class PauseReason(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A reason that agents may give for a pause.

    Attributes:
        name: as agent.pause gives it.
        paid: whether the time is paid; so it is summed up for each agent.
        allowance_s: so long in all he may pause for this reason within a window; 0 for as long as he likes. When it is
            used up an event tells; he is not called back.
        window_s: how long a window lasts. It begins with the first such pause after the last one has ended.
    """

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    paid: bool = True
    allowance_s: Seconds = 0
    window_s: PositiveSeconds = 43_200


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What holds for the whole routing domain.

    Attributes:
        missed_offers_max: an agent who lets so many offers in a row time out is paused; 0 for never.
        failed_offers_max: an agent is paused when so many offers to him were rejected or timed out within
            `failed_offers_window_s`, whatever he answered in between; 0 for never.
        strict_priority: contacts of a higher priority always go first, instead of having a head start.
        occupancy_half_life_s: for `least_occupied`, `occupancy_price` and `occupancy_max`, what an agent did so long ago counts half as much as what he does now.
        occupancy_max: an agent whose occupancy is above so many per cent rests: no contacts for him until it is down to
            `occupancy_resume`, which is five per cent less when left out. Nobody rests when this is left out.
        outside_counts: whether calls that agents have from elsewhere count as work: for their occupancy, and since who
            had one has been idle for longest no more.
        random_seed: where the draws of `random` and `weighted_random` begin; the same seed and the same commands give
            the same choices.
        max_contacts: most contacts at once, in all states.
        callers_kept: of so many callers the last agent is remembered, and of so many who were not answered how long they
            waited.
        ended_contacts_kept: so many ended contacts are remembered, so that a repeated command is known as such.
        client_grace_s: a client, such as an adapter, may be away for so long before its agents count as
            unreachable; 0 for as long as it likes.
        absent_client_contacts: what then becomes of its waiting contacts: `keep` them in line, or `end` them as
            `lost`. Those in conversation go on in any case.
    """

    missed_offers_max: Annotated[int, Meta(ge=0, le=1000)] = 3
    failed_offers_max: Annotated[int, Meta(ge=0, le=FAILED_OFFERS_MAX)] = 0
    failed_offers_window_s: PositiveSeconds = 600
    strict_priority: bool = False
    occupancy_half_life_s: Annotated[float, Meta(ge=1, le=86_400, description="seconds, at most a day")] = 1800
    occupancy_max: Annotated[int, Meta(ge=1, le=99)] | None = None
    occupancy_resume: Annotated[int, Meta(ge=1, le=99)] | None = None
    outside_counts: bool = True
    random_seed: Annotated[int, Meta(ge=0, le=9_007_199_254_740_991)] = 0
    max_contacts: Annotated[int, Meta(ge=1, le=10_000_000)] = 2_000_000
    callers_kept: Annotated[int, Meta(ge=0, le=10_000_000)] = 100_000
    ended_contacts_kept: Annotated[int, Meta(ge=0, le=10_000_000)] = 65_536
    client_grace_s: Seconds = 60
    absent_client_contacts: Literal["keep", "end"] = "keep"


class Config(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole configuration of a routing domain.

    Attributes:
        settings: what holds for all.
        skills: when given, queues and agents may name these skills only, which catches misspellings.
        channels: kinds of contacts, when there are others than calls, one at a time.
        pause_reasons: when given, agents may pause for these reasons only.
        tenants, calendars, queues, agents: the things themselves; ids must be unique.
    """

    settings: Settings = Settings()
    skills: Annotated[tuple[SkillName, ...], Meta(max_length=10_000)] = ()
    channels: Annotated[tuple[Channel, ...], Meta(max_length=CHANNELS_MAX - 1)] = ()
    pause_reasons: Annotated[tuple[PauseReason, ...], Meta(max_length=100)] = ()
    tenants: Annotated[tuple[Tenant, ...], Meta(max_length=10_000)] = ()
    calendars: Annotated[tuple[Calendar, ...], Meta(max_length=10_000)] = ()
    queues: Annotated[tuple[Queue, ...], Meta(max_length=100_000)] = ()
    agents: Annotated[tuple[Agent, ...], Meta(max_length=1_000_000)] = ()


def ns_of_seconds(seconds: float) -> int:
    """Whole nanoseconds of `seconds`, rounded to the millisecond."""
    return round(seconds * 1000) * NS_PER_MS


def seconds_of_ns(ns: int) -> int | float:
    """Seconds of `ns`, rounded to the millisecond; an `int` when they are whole."""
    ms = (ns + NS_PER_MS // 2) // NS_PER_MS
    return ms // 1000 if ms % 1000 == 0 else ms / 1000


def rest_of(queue: Queue, cause: str) -> tuple[str, float]:
    """What an agent rests for when an offer was rejected with a cause in the adapter's words, and for how many seconds."""
    rests = {
        "busy": queue.busy_cooldown_s,
        "no_answer": queue.no_answer_cooldown_s,
        "unreachable": queue.unreachable_cooldown_s,
    }
    if cause not in rests:
        return "rejected", queue.reject_cooldown_s
    seconds = rests[cause]
    return cause, queue.reject_cooldown_s if seconds is None else seconds


def rest_levels(settings: Settings) -> tuple[int, int] | None:
    """Above which per cent of occupancy an agent rests, and at which he is through with it; None if nobody rests."""
    if settings.occupancy_max is None:
        return None
    resume = settings.occupancy_resume
    return settings.occupancy_max, max(1, settings.occupancy_max - 5) if resume is None else resume


def asks_for_occupancy(config: Config) -> bool:
    """Whether anybody wants to know how occupied the agents are."""
    return config.settings.occupancy_max is not None or any(
        queue.strategy == "least_occupied" or queue.occupancy_price for queue in config.queues
    )


def ageing_of(queue: Queue) -> int:
    """What a nanosecond of waiting adds to the urgency of the queue's contacts, in units of 1/`urgency.AGEING_ONE`."""
    return ageing_units(queue.ageing, round((queue.service_objective_s or 0) * 1000))


def cost_steps_of(cost: WaitingCost) -> tuple[tuple[int, int], ...]:
    """What waiting costs, as `urgency.Costs` has it."""
    return tuple((ns_of_seconds(step.after_s), cost_units(step.cost)) for step in cost.steps)


def strict_queues(config: Config) -> frozenset[tuple[str, str]]:
    """The queues, as tenant and name, in which contacts of a higher priority always go first."""
    of_tenant = {tenant.name: tenant.strict_priority for tenant in config.tenants}
    chosen = ((queue, (queue.strict_priority, of_tenant[queue.tenant])) for queue in config.queues)
    return frozenset(
        (queue.tenant, queue.name)
        for queue, said in chosen
        if next((strict for strict in said if strict is not None), config.settings.strict_priority)
    )


def channels_of(config: Config) -> tuple[Channel, ...]:
    """All channels, with `voice` in front where it is not configured."""
    if any(channel.name == VOICE for channel in config.channels):
        return config.channels
    return (Channel(name=VOICE), *config.channels)


def requirements_of(queue: Queue) -> list[str]:
    """The requirement of a queue, and after it those of its steps that have one."""
    return [queue.require, *(step.require for step in queue.steps if step.require is not None)]


def skills_of_steps(steps: Iterable[Step]) -> Iterator[str]:
    """The skills that steps speak of, as often as they do. Raises `RequirementError` for what cannot be read."""
    for step in steps:
        yield from step.drop
        if step.require is not None:
            yield from requirement.skills_of(requirement.parse(step.require))


def queues_of_steps(steps: Iterable[Step]) -> Iterator[str]:
    """The queues that steps speak of, by name."""
    for step in steps:
        yield from step.further
        if step.overflow is not None:
            yield step.overflow


def known_skills(config: Config) -> frozenset[str]:
    """Every skill that the configuration names anywhere."""
    return skills_of_agents(config.agents).union(config.skills, skills_of_queues(config.queues))


def skills_of_agents(agents: Iterable[Agent]) -> frozenset[str]:
    """The skills that agents have."""
    return frozenset(itertools.chain.from_iterable(agent.skills for agent in agents))


def skills_of_queues(queues: Iterable[Queue]) -> Iterator[str]:
    """The skills that queues and their steps speak of, as often as they do."""
    for queue in queues:
        yield from requirement.skills_of(requirement.parse(queue.require))
        yield from skills_of_steps(queue.steps)


_decode = msgspec.json.Decoder(Config).decode
_encode = msgspec.json.Encoder(order="sorted").encode


def to_json(config: Config) -> bytes:
    """The canonical JSON of `config`: equal configurations give equal bytes."""
    # A whole number of seconds may be an int before it is read, and is a float after. Agents have none, and may be many.
    rest = _decode(_encode(msgspec.structs.replace(config, agents=())))
    return _encode(msgspec.structs.replace(rest, agents=config.agents))


def from_json(data: bytes) -> Config:
    """Read what `to_json` wrote, or any JSON of the same shape. Raises `msgspec.ValidationError`."""
    return _decode(data)
