"""Random configurations and command streams for the core, by seed.

The numbers are small on purpose: few names, few levels, short times, tight limits, so that every edge is met all
the time.
"""

from collections.abc import Iterator
from random import Random
from typing import Any, get_args

from acd_core.commands import (
    AgentLogin,
    AgentLogout,
    AgentOutside,
    AgentPause,
    AgentQueues,
    AgentReady,
    AgentUpdate,
    AgentWrapupDone,
    AgentWrapupExtend,
    AttributeValue,
    ClientAway,
    ClientBack,
    Command,
    ConfigApply,
    ContactAbandon,
    ContactCallback,
    ContactComplete,
    ContactConsult,
    ContactDrop,
    ContactEnqueue,
    ContactHold,
    ContactMerge,
    ContactTransfer,
    ContactUnhold,
    ContactUpdate,
    ContactWithdraw,
    HoursSet,
    OfferAccept,
    OfferReject,
    QueueClose,
    QueueOpen,
)
from acd_core.config import (
    PRICED_STRATEGIES,
    Agent,
    Calendar,
    Callback,
    Channel,
    Config,
    CostStep,
    JoinRule,
    PauseReason,
    Queue,
    QueueRatio,
    Reserve,
    Settings,
    StayRule,
    Step,
    Strategy,
    Tenant,
    WaitingCost,
)
from acd_core.events import (
    Addressed,
    ContactConnected,
    ContactConsulted,
    ContactEnded,
    ContactMerged,
    ContactOffered,
    ContactQueued,
    OfferEnded,
)
from acd_core.wishes import Preferred

NS_PER_MS = 1_000_000
SKILLS = ("billing", "english", "spanish", "sales")
QUEUES = ("support", "sales", "info")
CALENDARS = ("day", "night")
TENANTS = ("acme", "bolt", "corp")
GROUPS = ("lisbon", "porto", "faro")
CLIENTS = ("pbx-1", "pbx-2")
ATTRIBUTES: tuple[dict[str, AttributeValue], ...] = (
    {},
    {},
    {"ani": "+34", "vip": True},
    {"score": 0.25, "case": None},
)


def random_requirement(rng: Random, names: tuple[str, ...] = SKILLS) -> str:
    if rng.random() < 0.3:
        return random_expression(rng, names, 3)
    terms = [
        rng.choice((skill, f"{skill}>={rng.choice((1, 2, 3, 50))}"))
        for skill in rng.sample(names, rng.choice((0, 0, 1, 1, 2, 3)))
    ]
    return rng.choice((" & ", " and ")).join(terms)


def random_expression(rng: Random, names: tuple[str, ...], depth: int) -> str:
    """A requirement with everything that the language has."""
    kind = rng.choice(("level", "level", "attribute", "not", "any", "all")) if depth else "level"
    match kind:
        case "level":
            skill = rng.choice(names)
            comparison = f"{rng.choice(('>=', '<=', '>', '<', '==', '!='))} {rng.choice((1, 2, 3, 50, 100))}"
            return f"{skill} {rng.choice(('', comparison, comparison, 'in (1, 3)'))}"
        case "attribute":
            return rng.choice(
                (
                    'agent.site == "madrid"',
                    "agent.site != 'lisbon'",
                    'agent.site in ("madrid", "porto", 3)',
                    f"agent.grade {rng.choice(('>=', '<', '==', '>'))} {rng.randint(-1, 3)}",
                )
            )
        case "not":
            return f"not ({random_expression(rng, names, depth - 1)})"
    joint = " | " if kind == "any" else " & "
    return "(" + joint.join(random_expression(rng, names, depth - 1) for _ in range(rng.randint(1, 3))) + ")"


def random_agent_attributes(rng: Random) -> dict[str, str | int]:
    """Some sites and grades; a grade may be a text, which is no number."""
    found: dict[str, str | int] = {}
    if rng.random() < 0.6:
        found["site"] = rng.choice(("madrid", "lisbon", "porto", "3"))
    if rng.random() < 0.6:
        found["grade"] = rng.choice((-1, 0, 1, 2, 3, "2"))
    return found


def random_steps(rng: Random, others: tuple[str, ...] = QUEUES) -> tuple[Step, ...]:
    """None, or a few after short times, that speak of other queues of the tenant."""
    times = sorted(rng.sample((0.25, 0.5, 1, 2, 4, 8), rng.choice((0, 0, 1, 2, 3))))
    return tuple(
        Step(
            after_s=after_s,
            require=rng.choice((None, "", random_requirement(rng))),
            priority=rng.choice((0, 0, 1, 5)),
            rank_max=rng.choice((None, None, 0, 1, 2)),
            drop=tuple(rng.sample(SKILLS, rng.choice((0, 0, 1, 2)))),
            further=tuple(rng.sample(others, 1)) if others and rng.random() < 0.2 else (),
            overflow=rng.choice(others) if others and rng.random() < 0.2 else None,
            keep_age=rng.random() < 0.5,
            skip_if_nobody=rng.random() < 0.3,
        )
        for after_s in times
    )


def random_growth(rng: Random) -> dict[str, Any]:
    """How the urgency of a queue's contacts grows: mostly plainly."""
    found: dict[str, Any] = {"strict_priority": rng.choice((None, None, None, False, True))}
    if rng.random() < 0.3:
        found["head_start_s"] = rng.choice((0.25, 1, 30))
    match rng.choice(("plain", "plain", "slope", "objective", "measure")):
        case "slope":
            found["ageing"] = rng.choice((0, 0.1, 0.5, 2, 3, 1000))
        case "objective":
            found["service_objective_s"] = rng.choice((0.001, 0.7, 1, 20, 60, 120))
        case "measure":
            found |= random_measure(rng)
    if rng.random() < 0.3:
        found["credit_window_s"] = rng.choice((0.5, 3, 3, 60))
        found["credit_max_s"] = rng.choice((0, 1, 3600))
    if rng.random() < 0.25:
        found["urgency_max_s"] = rng.choice((0, 0.5, 2, 5, 100))
    return found


def random_measure(rng: Random) -> dict[str, Any]:
    """What makes a queue urgent beside its waits."""
    match rng.choice(("predicted", "ratio", "ratio", "cost")):
        case "predicted":
            ageing = rng.choice(({}, {"ageing": 0.5}, {"service_objective_s": 20}))
            return {"wait_measure": "predicted"} | ageing
        case "ratio":
            group = rng.choice(("front", "front", "back"))
            ratio = QueueRatio(
                group=group, weight=rng.choice((1, 2, 7, 1000)), contact_s=rng.choice((0.001, 2, 86_400))
            )
            return {"queue_ratio": ratio}
    times = sorted(rng.sample((0, 0.25, 1, 2, 5, 60), rng.randint(1, 4)))
    costs = sorted(rng.choice((0, 0.001, 0.5, 1, 3, 1_000_000)) for _ in times)
    steps = tuple(CostStep(after_s=after_s, cost=cost) for after_s, cost in zip(times, costs, strict=True))
    return {"waiting_cost": WaitingCost(steps=steps, by_speed=rng.random() < 0.5, handle_s=rng.choice((0.001, 3, 180)))}


def random_gates(rng: Random, gated: bool, limited: bool) -> dict[str, Any]:
    """Limits, reserves and shares of a queue: mostly none. No limits where several agents are rung at once."""
    found: dict[str, Any] = {}
    if limited:
        found["max_in_conversation"] = rng.choice((0, 0, 1, 2))
    else:
        found["offers_at_once"] = rng.choice((1, 1, 1, 2, 3, 1000))
    if gated and rng.random() < 0.3:
        wait_s = rng.choice((None, 0, 1, 5))
        level = rng.choice((None, 50, 90, 100))
        found["reserve"] = Reserve(
            agents=rng.choice((1, 1, 2, 3)),
            when_wait_s=wait_s if wait_s is None else wait_s + 1,
            until_wait_s=wait_s or 0,
            when_service_level=level,
            until_service_level=rng.choice((level or 0, 100)),
            lasts_s=rng.choice((1, 30, 900)),
        )
    if gated and rng.random() < 0.3:
        found["allocation"] = {group: rng.choice((0, 1, 30, 70)) for group in rng.sample(GROUPS, 2)}
    return found


def random_strategy(rng: Random) -> dict[str, Any]:
    """Which of several free agents is chosen; at times at a price of occupancy."""
    strategy = rng.choice(get_args(Strategy))
    priced = strategy in PRICED_STRATEGIES and rng.random() < 0.4
    return {"strategy": strategy, "occupancy_price": rng.choice((1, 3, 20, 1_000_000_000)) if priced else 0}


def random_channels(rng: Random) -> tuple[Channel, ...]:
    """None but calls, or a few that share the agents' capacity."""
    names = rng.choice(((), (), ("voice", "chat"), ("chat",), ("mail", "voice", "chat")))
    return tuple(
        Channel(
            name=name,
            units=rng.choice((1, 1, 2, 3)),
            most_at_once=rng.choice((1, 2, 1000)),
            interruptible=rng.random() < 0.3,
        )
        for name in names
    )


def random_pause_reasons(rng: Random) -> tuple[PauseReason, ...]:
    """None, so that any will do, or a few, among them one that the engine gives itself."""
    names = rng.choice(
        ((), (), ("lunch",), ("lunch", "training", "login"), ("training", "missed_offers", "failed_offers"))
    )
    return tuple(
        PauseReason(
            name=name,
            paid=rng.random() < 0.5,
            allowance_s=rng.choice((0, 0.5, 3, 20)),
            window_s=rng.choice((1, 10, 43_200)),
        )
        for name in names
    )


def random_join_rules(rng: Random, others: tuple[str, ...]) -> tuple[JoinRule, ...]:
    whens = get_args(JoinRule.__annotations__["when"])
    return tuple(
        JoinRule(
            when=when,
            over_s=rng.choice((0, 0.5, 2, 10)) if when == "wait_estimate" else None,
            to=rng.choice((None, *others)),
            keep_age=rng.random() < 0.5,
            ends_as=rng.choice((None, None, "diverted", "no_agents")),
        )
        for when in rng.sample(whens, rng.choice((0, 0, 0, 1, 2)))
    )


def random_stay_rules(rng: Random, others: tuple[str, ...]) -> tuple[StayRule, ...]:
    whens = get_args(StayRule.__annotations__["when"])
    return tuple(
        StayRule(
            when=when,
            over_s=rng.choice((0, 0.5, 2, 10)) if when == "wait_estimate" else None,
            after_s=rng.choice((0, 0.25, 1, 5)),
            to=rng.choice((None, *others)),
            keep_age=rng.random() < 0.5,
            ends_as=rng.choice((None, None, "queue_full")),
        )
        for when in rng.sample(whens, rng.choice((0, 0, 1, 2)))
    )


def random_config(rng: Random, size: int) -> Config:
    """A valid configuration with about `size` agents and a handful of queues."""
    tenants = TENANTS[: rng.randint(1, 3)]
    channels = random_channels(rng)
    names_of = {tenant: QUEUES[: rng.randint(1, 3)] for tenant in tenants}
    others_of = {
        (tenant, name): tuple(other for other in names if other != name)
        for tenant, names in names_of.items()
        for name in names
    }
    calendars = CALENDARS[: rng.randint(0, 2)]
    gated = rng.random() < 0.5
    limited = {tenant: gated and rng.random() < 0.3 for tenant in tenants}
    queues = tuple(
        Queue(
            tenant=tenant,
            name=name,
            channel=rng.choice(("voice", *(channel.name for channel in channels))),
            require=random_requirement(rng),
            **random_strategy(rng),
            priority=rng.choice((0, 0, 1, 5)),
            priority_step_s=rng.choice((0, 0.001, 1, 5, 60)),
            **random_growth(rng),
            **random_gates(rng, gated, limited[tenant] or (gated and rng.random() < 0.5)),
            offer_timeout_s=rng.choice((0.5, 1, 2, 20, 20)),
            wrapup_s=rng.choice((0, 0, 0.5, 3)),
            disposition_required=rng.random() < 0.2,
            wrapup_max_s=rng.choice((0.25, 2, 10)),
            reject_cooldown_s=rng.choice((0, 1, 5)),
            no_answer_cooldown_s=rng.choice((0, 1, 5)),
            busy_cooldown_s=rng.choice((None, 0, 2)),
            unreachable_cooldown_s=rng.choice((None, 0.5, 10)),
            max_waiting=rng.choice((0, 0, 1, 3, 10)),
            max_wait_s=rng.choice((0, 2, 5, 30)),
            max_talk_s=rng.choice((3, 30, 3600)),
            service_level_s=rng.choice((0, 1, 20)),
            rank_max=rng.choice((None, None, 0, 1)),
            steps=random_steps(rng, others_of[tenant, name]),
            skip_if_nobody=rng.random() < 0.2,
            join=random_join_rules(rng, others_of[tenant, name]),
            stay=random_stay_rules(rng, others_of[tenant, name]),
            hours=rng.choice((None, None, *calendars)),
            last_agent_s=rng.choice((0, 0, 1, 10)),
            last_agent_wait=rng.random() < 0.5,
            callback=random_callback(rng, calendars),
        )
        for tenant, name in others_of
    )
    paths = [f"{queue.tenant}/{queue.name}" for queue in queues]
    ranked = rng.random() < 0.5
    agents = tuple(
        Agent(
            agent=f"a-{number}",
            address=rng.choice(("", f"PJSIP/{number}")),
            tenants=tuple(rng.sample(tenants, rng.randint(0, len(tenants)))),
            skills={skill: rng.choice((1, 2, 3, 50, 100)) for skill in rng.sample(SKILLS, rng.randint(0, len(SKILLS)))},
            capacity=rng.choice((None, None, 1, 2, 3, 6)) if channels else rng.choice((None, None, None, 2)),
            channels={channel.name: rng.choice((0, 1, 2, 5)) for channel in channels if rng.random() < 0.2},
            cost=rng.choice((0, 10, 20)),
            weight=rng.choice((1, 1, 3, 1000)),
            group=rng.choice(("", *GROUPS)),
            ranks={path: rng.choice((0, 1, 2)) for path in paths if ranked and rng.random() < 0.3},
            attributes=random_agent_attributes(rng),
            missed_offers_max=rng.choice((None, None, 0, 1, 2)),
            failed_offers_max=rng.choice((None, None, 0, 1, 3)),
        )
        for number in range(size)
    )
    return Config(
        settings=Settings(
            missed_offers_max=rng.choice((0, 1, 3)),
            failed_offers_max=rng.choice((0, 0, 2, 4)),
            failed_offers_window_s=rng.choice((0.5, 5, 600)),
            strict_priority=rng.random() < 0.15,
            occupancy_half_life_s=rng.choice((1, 5, 5, 1800, 86_400)),
            **random_rest(rng),
            outside_counts=rng.random() < 0.5,
            random_seed=rng.choice((0, 1, 2**53 - 1)),
            max_contacts=rng.choice((5, 30, 1000)),
            callers_kept=rng.choice((0, 1, 2, 100)),
            ended_contacts_kept=rng.choice((0, 3, 50)),
            absent_client_contacts=rng.choice(("keep", "end")),
        ),
        skills=SKILLS,
        channels=channels,
        pause_reasons=random_pause_reasons(rng),
        tenants=tuple(
            Tenant(
                name,
                rng.choice((None, None, False, True)),
                max_contacts=rng.choice((0, 0, 0, 10)),
                max_in_conversation=rng.choice((1, 2, 5)) if limited[name] else 0,
            )
            for name in tenants
        ),
        calendars=tuple(Calendar(name=name) for name in calendars),
        queues=queues,
        agents=agents,
    )


def random_rest(rng: Random) -> dict[str, Any]:
    """Mostly nobody has to rest from work."""
    most = rng.choice((None, None, 1, 10, 40, 80, 99))
    resume = rng.choice((None, 1, most))
    return {"occupancy_max": most, "occupancy_resume": resume if most else None}


def random_callback(rng: Random, calendars: tuple[str, ...]) -> Callback | None:
    """How a queue calls back, if it does."""
    if rng.random() < 0.4:
        return None
    return Callback(
        offer_when_wait_s=rng.choice((None, 0, 0.5, 3)),
        retry_s=rng.choice((0, 0.5, 2, 20)),
        attempts_max=rng.choice((1, 2, 3)),
        expires_s=rng.choice((1, 10, 60)),
        hours=rng.choice((None, *calendars)),
    )


class Stream:
    """An endless stream of `(time, client, command)`; a command of None stands for time passing only."""

    def __init__(self, rng: Random, agents: int = 8) -> None:
        self.rng = rng
        self.agents = agents
        self.now = 1_700_000_000_000_000_000
        self.contact_number = 0
        self.latest_offer = 0
        self.open_offers: list[str] = []
        self.talking: list[str] = []
        self.asked: set[str] = set()
        self.questions: list[str] = []
        self.conferences: list[tuple[str, str]] = []
        self.waiting: dict[str, tuple[str, str]] = {}
        self.load = self.rng.choice((0.5, 1.0, 2.0))

    def __iter__(self) -> Iterator[tuple[int, str, Command | None]]:
        yield self.now, "operator", ConfigApply(config=random_config(self.rng, self.agents))
        for number in range(self.agents):
            yield self.now, self._client(), AgentLogin(agent=f"a-{number}", ready=self.rng.random() < 0.7)
        while True:
            self.now += self._pause()
            yield self.now, self._client(), self._command()

    def note(self, events: list[Addressed]) -> None:
        """Learn from the machine's events what can sensibly be answered."""
        for event, _, _ in events:
            if isinstance(event, ContactOffered):
                self.latest_offer += 1
                self.open_offers.append(event.offer)
            elif isinstance(event, OfferEnded):
                self.open_offers.remove(event.offer)
            elif isinstance(event, ContactConnected):
                self.open_offers.remove(event.offer)
                self.talking.append(event.contact)
                del self.waiting[event.contact]
                if event.contact in self.asked:
                    self.questions.append(event.contact)
            elif isinstance(event, ContactConsulted):
                self.asked.add(event.consult)
            elif isinstance(event, ContactMerged):
                self.conferences = [*self.conferences, (event.contact, event.agent)][-4:]
            elif isinstance(event, ContactQueued):
                self.waiting[event.contact] = event.tenant, event.queue
            elif isinstance(event, ContactEnded):
                self.waiting.pop(event.contact, None)
                if event.contact in self.talking:
                    self.talking.remove(event.contact)
                if event.contact in self.questions:
                    self.questions.remove(event.contact)

    def _pause(self) -> int:
        rng = self.rng
        if rng.random() < 0.3:
            return 0
        if rng.random() < 0.003:
            return rng.randint(1, 100_000) * NS_PER_MS
        pause = rng.choice((1, 500_000, *(ms * NS_PER_MS for ms in (1, 10, 50, 100, 250, 1000))))
        return pause * 8 // max(8, self.agents)  # a larger centre is as busy

    def _client(self) -> str:
        return self.rng.choice(CLIENTS)

    def _ago(self) -> int:
        return self.rng.choice((0, 0, 0, 1, 1, 2, 3, 5, 8, 20))

    def _preferred(self) -> tuple[Preferred, ...]:
        return tuple(
            Preferred(f"a-{self.rng.randint(0, self.agents)}", self.rng.choice((0, 0, 1, 50)))
            for _ in range(self.rng.randint(1, 3))
        )

    def _contact(self) -> str:
        return f"c-{max(0, self.contact_number - self._ago())}"

    def _offer(self) -> str:
        if self.rng.random() < 0.02:
            return self.rng.choice(("o-0", "o-01", "x", "o-", "o-99999999999999999999", "o-\u0661", "o--1"))
        if self.open_offers and self.rng.random() < 0.8:
            return self.rng.choice(self.open_offers)
        return f"o-{max(0, self.latest_offer - self._ago())}"

    def _talking(self) -> str:
        if self.talking and self.rng.random() < 0.8:
            return self.rng.choice(self.talking)
        return self._contact()

    def _waiting(self) -> str:
        if self.waiting and self.rng.random() < 0.5:
            return self.rng.choice(list(self.waiting))
        return self._contact()

    def _command(self) -> Command | None:
        rng = self.rng
        agent = f"a-{rng.randint(0, self.agents)}"
        kinds = {
            "enqueue": 22 * self.load,
            "accept": 16,
            "complete": 14,
            "reject": 4,
            "abandon": 3,
            "withdraw": 1,
            "update": 5,
            "transfer": 3,
            "callback": 6,
            "consult": 12 if self.talking else 0.5,
            "merge": 20 if self.questions else 0.5,
            "drop": 6 if self.conferences else 0.5,
            "hold": 1,
            "unhold": 1,
            "login": 4,
            "ready": 6,
            "pause": 2,
            "logout": 1.5,
            "queues": 2,
            "outside": 3,
            "skills": 2,
            "wrapup_done": 3,
            "wrapup_extend": 2,
            "config": 0.3,
            "away": 0.4,
            "back": 2,
            "close": 0.3,
            "open": 2,
            "hours": 0.8,
            "nothing": 4,
        }
        match rng.choices(list(kinds), list(kinds.values()))[0]:
            case "enqueue":
                if rng.random() < 0.97:
                    self.contact_number += 1
                return ContactEnqueue(
                    contact=f"c-{self.contact_number}",
                    tenant=rng.choice(TENANTS),
                    queue=rng.choice(QUEUES),
                    priority=rng.choice((0, 0, 0, 1, 2, 100)),
                    require=self._own_requirement(),
                    attributes=rng.choice(ATTRIBUTES),
                    direction=rng.choice(("inbound", "inbound", "outbound", "internal")),
                    steps=random_steps(rng) if rng.random() < 0.15 else (),
                    steps_mode=rng.choice(("add", "add", "replace")),
                    prefer=self._preferred() if rng.random() < 0.15 else (),
                    prefer_s=rng.choice((0, 0.5, 2, 20)),
                    prefer_wait=rng.random() < 0.6,
                    caller=rng.choice(("", "", "", "ana", "luis", "eva")),
                    age_s=rng.choice((0, 0, 0, 0.5, 3, -0.25, 2_592_000)),
                )
            case "accept":
                return OfferAccept(offer=self._offer())
            case "complete":
                return ContactComplete(
                    contact=self._talking(), reason=rng.choice(("completed_agent", "completed_caller", "failed"))
                )
            case "reject":
                return OfferReject(offer=self._offer(), cause=rng.choice(("", "", "busy", "no_answer", "unreachable")))
            case "abandon":
                return ContactAbandon(contact=self._waiting())
            case "withdraw":
                return ContactWithdraw(contact=self._contact())
            case "update":
                contact = self._waiting()
                place = self._place(contact)
                return ContactUpdate(
                    contact=contact,
                    priority=rng.choice((None, 0, 1, 7)) if not place or rng.random() < 0.1 else None,
                    attributes=rng.choice((None, *ATTRIBUTES)),
                    steps=random_steps(rng) if rng.random() < 0.3 else None,
                    steps_mode=rng.choice(("add", "replace")),
                    **place,
                )
            case "transfer":
                where: dict[str, Any] = rng.choice(
                    (
                        {"queue": rng.choice((*QUEUES, "nowhere"))},
                        {"queue": rng.choice(QUEUES)},
                        {"queue": rng.choice(QUEUES), "agent": agent},
                        {"agent": agent},
                        {"outside": "+34"},
                        {"outside": "+34", "queue": "sales"},
                    )
                )
                return ContactTransfer(
                    contact=rng.choice((self._talking, self._contact))(),
                    keep_age=rng.random() < 0.5,
                    require=rng.choice((None, None, self._own_requirement())),
                    priority=rng.choice((None, None, 0, 7)),
                    **where,
                )
            case "callback":
                if rng.random() < 0.5:
                    return ContactCallback(
                        contact=self._talking(),
                        failed=rng.choice(("busy", "no_answer", "unreachable", "no_answer", "invalid")),
                    )
                return ContactCallback(
                    contact=self._contact(),
                    number=rng.choice(("", f"+{rng.randint(1, 9)}", f"+{rng.randint(1, 900)}")),
                    failed=rng.choice((None, None, None, None, "busy")),
                )
            case "consult":
                if rng.random() < 0.95:
                    self.contact_number += 1
                return ContactConsult(
                    contact=rng.choice(self.talking[-3:] or [self._talking()]),
                    consult=f"c-{self.contact_number}",
                    queue=rng.choice((None, *QUEUES)),
                    agent=rng.choice((None, None, None, agent)),
                    asked_by=rng.choice((None, None, None, None, agent)),
                    priority=rng.choice((0, 0, 1)),
                    require=self._own_requirement() if rng.random() < 0.3 else "",
                    attributes=rng.choice(ATTRIBUTES),
                )
            case "merge":
                question = rng.choice(self.questions) if self.questions and rng.random() < 0.9 else self._talking()
                return ContactMerge(contact=question, transfer=rng.random() < 0.3)
            case "drop":
                if self.conferences and rng.random() < 0.8:
                    conference, joined = rng.choice(self.conferences)
                    return ContactDrop(contact=conference, agent=rng.choice((joined, agent)))
                return ContactDrop(contact=self._talking(), agent=agent)
            case "hold":
                return ContactHold(contact=self._talking())
            case "unhold":
                return ContactUnhold(contact=self._talking())
            case "login":
                return AgentLogin(
                    agent=agent,
                    address=rng.choice((None, "SIP/9")),
                    ready=rng.random() < 0.7,
                    queues=rng.choice((None, None, self._paths())),
                )
            case "queues":
                named: dict[str, Any] = rng.choice(
                    ({}, {"queues": self._paths()}, {"join": self._paths()}, {"leave": self._paths()})
                )
                if rng.random() < 0.1:
                    named = {"queues": (), "join": self._paths(), "leave": self._paths()}
                return AgentQueues(agent=agent, **named)
            case "ready":
                return AgentReady(agent=agent)
            case "pause":
                return AgentPause(agent=agent, reason=rng.choice(("", "lunch", "lunch", "training")))
            case "outside":
                return AgentOutside(
                    agent=agent,
                    channel=rng.choice(("voice", "voice", "chat", "mail")),
                    contacts=rng.choice((0, 0, 1, 1, 2)),
                    for_s=rng.choice((0.5, 3, 20, 14_400)),
                )
            case "logout":
                return AgentLogout(agent=agent)
            case "skills":
                skills = {skill: rng.choice((1, 2, 3, 50)) for skill in rng.sample(SKILLS, rng.randint(0, 4))}
                if rng.random() < 0.05:
                    skills["unknown"] = 1
                return AgentUpdate(
                    agent=agent,
                    address=rng.choice((None, None, "SIP/1")),
                    skills=rng.choice((None, skills, skills)),
                    attributes=rng.choice((None, None, random_agent_attributes(rng))),
                )
            case "wrapup_done":
                return AgentWrapupDone(
                    agent=agent,
                    disposition=rng.choice(("", "sold", "called back")),
                    contact=rng.choice((None, None, self._contact())),
                )
            case "wrapup_extend":
                return AgentWrapupExtend(
                    agent=agent, by_s=rng.choice((0.25, 2, 100)), contact=rng.choice((None, None, self._contact()))
                )
            case "away":
                return ClientAway()
            case "back":
                return ClientBack()
            case "close":
                return QueueClose(
                    tenant=rng.choice(TENANTS), queue=rng.choice(QUEUES), reason=rng.choice(("", "fire", "flood"))
                )
            case "open":
                return QueueOpen(tenant=rng.choice(TENANTS), queue=rng.choice(QUEUES))
            case "hours":
                changes = sorted(self.now // NS_PER_MS + rng.randint(-3000, 20_000) for _ in range(rng.randint(0, 4)))
                return HoursSet(calendar=rng.choice(CALENDARS), open=rng.random() < 0.8, changes=tuple(changes))
            case "config":
                return ConfigApply(config=random_config(rng, rng.choice((self.agents, self.agents, self.agents - 1))))
        return None

    def _place(self, contact: str) -> dict[str, Any]:
        """Mostly none, else one that makes sense, or not quite."""
        match self.rng.choice(("none", "none", "first", "beside", "beside", "odd")):
            case "first":
                return {"place": "first"}
            case "beside":
                queue = self.waiting.get(contact)
                rivals = [other for other, where in self.waiting.items() if where == queue and other != contact]
                other = self.rng.choice(rivals) if rivals else self._contact()
                return {"place": self.rng.choice(("before", "after")), "other": other}
            case "odd":
                return {"place": self.rng.choice((None, "first", "before")), "other": self.rng.choice((None, "c-1"))}
        return {}

    def _paths(self) -> tuple[str, ...]:
        """Some queues, of which not all need be there."""
        names = (*QUEUES, *QUEUES, *QUEUES, "nowhere")
        return tuple(
            f"{self.rng.choice(TENANTS)}/{self.rng.choice(names)}"
            for _ in range(self.rng.choice((1, 1, 2, 2, 3, 5, 0)))
        )

    def _own_requirement(self) -> str:
        if self.rng.random() < 0.6:
            return ""
        if self.rng.random() < 0.03:
            return self.rng.choice(("billing >", "unknown>=3", "billing>=0", "a b", "or"))
        return random_requirement(self.rng)
