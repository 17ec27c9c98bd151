"""A contact centre that does not exist: its companies, queues and staff, and how callers and agents behave.

Two companies share sixty agents. Each company has three tiers: a first line that most callers reach, a second
line, and specialists. What a tier cannot solve it hands to the next one, with what is known about the case. The first
lines call back who would have to wait for long.
Callers behave as those in `acd_sim.profile` did, `LOAD_SCALE` times as many; the same seed gives the same crowd.

`Centre` speaks the public protocol and nothing else: commands go out through `send`, events come in through
`handle`. Time is simulated seconds since the start, kept by `Pace`.
"""

import asyncio
from collections.abc import Callable
from random import Random
from typing import NamedTuple

from msgspec import Struct

from acd_core import commands
from acd_core.config import Agent, Callback, Config, Queue, Settings, Strategy, Tenant
from acd_core.events import (
    AgentChanged,
    ContactCallbackChanged,
    ContactConnected,
    ContactEnded,
    ContactOffered,
    ContactQueued,
    ContactWrapup,
    Event,
)
from acd_core.views import ContactView
from acd_sim import profile
from acd_sim.profile import FOREIGN, INTERNET, NEW_CUSTOMER, REGULAR, STOCKS, HandleTime

LOAD_SCALE = 3.2
"""Callers per recorded caller: in the busiest hour, from ten o'clock, 464 calls for 38 agents on duty."""
DAY_S = (profile.CLOSING_HOUR - profile.OPENING_HOUR) * 3600
OPENING_S = profile.OPENING_HOUR * 3600

RING_S = (2.0, 6.0)
MISSED_SHARE = 0.03
REJECTED_SHARE = 0.02
SCREEN_BREAK_EVERY_S = 100 * 60
CALLBACK_OFFERED_S = 60
"""First lines offer a callback to callers of whom half would wait for longer."""
CALLBACK_SHARE = 0.4
"""Of those who are offered one, so many take it; Hathaway, Emadi and Deshpande found 37 %."""
CALLBACK_MISSED_SHARE = 0.2
DIALLING_S = 15.0


COMPANIES = (("banking", "northbank"), ("telecom", "homenet"))
"""The skill that every agent of a company has, and the company."""


class Service(NamedTuple):
    """A queue of the centre: what it asks, its share of new callers, and how its cases go.

    `escalated` is the share that goes on to `next_tier`; the others are solved here.
    """

    tenant: str
    queue: str
    require: str
    strategy: Strategy
    share: float
    handle: HandleTime
    wrapup_s: int
    next_tier: str = ""
    escalated: float = 0.0


SERVICES = (
    Service("northbank", "service", "banking & service>=20", "longest_idle", 0.47, REGULAR, 20, "accounts", 0.08),
    Service("northbank", "accounts", "banking & accounts>=50", "most_skilled", 0.07, STOCKS, 30, "fraud", 0.10),
    Service("northbank", "fraud", "banking & fraud>=70", "most_skilled", 0.02, FOREIGN, 45),
    Service("homenet", "helpdesk", "telecom & service>=20", "longest_idle", 0.37, NEW_CUSTOMER, 15, "technical", 0.08),
    Service("homenet", "technical", "telecom & technical>=50", "most_skilled", 0.05, INTERNET, 30, "network", 0.10),
    Service("homenet", "network", "telecom & network>=70", "most_skilled", 0.02, FOREIGN, 45),
)


class Shift(NamedTuple):
    """Working hours, in hours of the day."""

    start: float
    end: float


EARLY, DAY, LATE = Shift(7, 15.5), Shift(9, 17.5), Shift(15.5, 24)
SHIFTS = (EARLY, DAY, LATE, EARLY, LATE, DAY, EARLY, LATE, EARLY, LATE, DAY)
"""The agents' shifts, in turn."""


def configuration() -> Config:
    """The centre as `acd apply` would take it; the same on every call."""
    return Config(
        settings=Settings(missed_offers_max=3),
        skills=("banking", "telecom", "service", "accounts", "fraud", "technical", "network"),
        tenants=(Tenant(name="northbank"), Tenant(name="homenet")),
        queues=tuple(
            Queue(
                tenant=service.tenant,
                name=service.queue,
                require=service.require,
                strategy=service.strategy,
                priority_step_s=profile.HIGH_PRIORITY_HEAD_START_S,
                offer_timeout_s=15,
                wrapup_s=service.wrapup_s,
                reject_cooldown_s=20,
                no_answer_cooldown_s=30,
                max_wait_s=3600,
                max_waiting=200,
                callback=Callback(offer_when_wait_s=CALLBACK_OFFERED_S)
                if service.next_tier and service.share > 0.1
                else None,
            )
            for service in SERVICES
        ),
        agents=tuple(
            Agent(
                agent=f"a-{number:02d}",
                address=f"PJSIP/1{number:03d}",
                tenants=tuple(tenant for skill, tenant in COMPANIES if skill in skills),
                skills=skills,
            )
            for number, skills in enumerate(_skills(), start=1)
        ),
    )


def _skills() -> list[dict[str, int]]:
    """The skills of sixty agents: 34 in the first lines (9 of them for both companies), 17 in the second, 9 specialists."""
    random = Random(1)

    def level(least: int, most: int) -> int:
        return random.randrange(least, most + 1, 5)

    first_line = [{company: level(20, 60), "service": level(20, 60)} for company in ["banking"] * 14 + ["telecom"] * 11]
    both = [{"banking": level(20, 60), "telecom": level(20, 60), "service": level(30, 70)} for _ in range(9)]
    accounts = [{"banking": level(50, 80), "accounts": level(50, 85)} for _ in range(8)]
    technical = [{"telecom": level(50, 80), "technical": level(50, 85)} for _ in range(9)]
    # Two in each second line also help the first, and specialists also stand in for the second line.
    for agent in (*accounts[:2], *technical[:2]):
        agent["service"] = level(40, 70)
    fraud = [{"banking": level(70, 95), "accounts": level(60, 80), "fraud": level(70, 100)} for _ in range(5)]
    network = [{"telecom": level(70, 95), "technical": level(60, 80), "network": level(70, 100)} for _ in range(4)]
    return [*first_line, *both, *accounts, *technical, *fraud, *network]


class Pace:
    """Simulated time: seconds since the start, `speed` to a real second, and what the clock on the wall shows.

    The centre opens at seven and closes at midnight; nights are skipped, so opening follows closing at once.
    """

    def __init__(self, speed: float, start_hour: float) -> None:
        self.speed = speed
        self._offset_s = start_hour * 3600 - OPENING_S
        self._loop = asyncio.get_running_loop()
        self._origin = self._loop.time()

    @property
    def elapsed_s(self) -> float:
        """Simulated seconds since the start."""
        return (self._loop.time() - self._origin) * self.speed

    def after(self, seconds: float, action: Callable[..., None], *args: object) -> asyncio.TimerHandle:
        """Run `action` when so many simulated seconds have passed."""
        return self._loop.call_later(max(0.0, seconds) / self.speed, action, *args)

    def second_of_day(self, elapsed_s: float) -> float:
        """What the wall clock shows, in seconds since midnight."""
        return OPENING_S + (self._offset_s + elapsed_s) % DAY_S

    def day(self, elapsed_s: float) -> int:
        """1 for the first day."""
        return 1 + int((self._offset_s + elapsed_s) // DAY_S)

    def elapsed_at(self, day: int, second_of_day: float) -> float:
        """Simulated seconds since the start at that time of that day, kept within opening hours; may be negative."""
        return (day - 1) * DAY_S + min(max(second_of_day - OPENING_S, 0), DAY_S) - self._offset_s

    def clock(self, elapsed_s: float) -> str:
        """Such as `day 1  12:04:31`."""
        second = int(self.second_of_day(elapsed_s))
        return f"day {self.day(elapsed_s)}  {second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"


class _Caller(Struct):
    """A contact that is not over yet. `hops` counts the tiers that could not help; who has `hung_up` is called back."""

    service: Service
    attributes: dict[str, str | int]
    priority: int
    hops: int
    patience: asyncio.TimerHandle | None = None
    offer: str = ""
    hung_up: bool = False


def farewell(contact: ContactView) -> commands.Command:
    """What ends a contact that an earlier run left behind, whatever has become of it."""
    if contact.callback is not None and contact.state not in {"connected", "wrapup"}:
        return commands.ContactWithdraw(contact=contact.contact)
    return commands.ContactAbandon(contact=contact.contact)


class _Worker(Struct):
    """An agent: his shift, and whether he is at work or on a break."""

    agent: str
    shift: Shift
    on_duty: bool = False
    on_break: bool = False


Send = Callable[[commands.Command], None]


class Centre:
    """The callers and agents of the centre.

    Args:
        send: sends a command; it must not wait.
        pace: the simulated time.
        random: where all chance comes from.
        first_contact: number of the first contact, so that a second run on the same journal gives other ids.
    """

    def __init__(self, send: Send, pace: Pace, random: Random, first_contact: int = 1) -> None:
        self._send = send
        self._pace = pace
        self._random = random
        self._next_contact = first_contact
        self._callers: dict[str, _Caller] = {}
        self._workers = {
            agent.agent: _Worker(agent.agent, SHIFTS[number % len(SHIFTS)])
            for number, agent in enumerate(configuration().agents)
        }
        self._services = {(service.tenant, service.queue): service for service in SERVICES}
        self._shares = [service.share for service in SERVICES]
        self._peak_rate = max(profile.CALLS_PER_HOUR) * LOAD_SCALE / 3600
        self._stopped = False

    def start(self) -> None:
        """Open the centre: whoever has a shift now logs in, and callers begin to call."""
        for worker in self._workers.values():
            self._plan_shift(worker, day=1)
        self._await_next_caller()

    def stop(self) -> None:
        """No more callers, and nobody does anything any more."""
        self._stopped = True

    def handle(self, event: Event) -> None:
        """React to an event as callers and agents would."""
        if self._stopped:
            return
        if isinstance(event, ContactQueued):
            self._offer_callback(event)
        elif isinstance(event, ContactCallbackChanged):
            caller = self._callers.get(event.contact)
            if caller is not None:
                caller.hung_up = True
                self._lose_patience_no_more(caller)
        elif isinstance(event, ContactOffered):
            self._ring(event)
        elif isinstance(event, ContactConnected):
            self._talk(event)
        elif isinstance(event, ContactWrapup):
            if self._random.random() < 0.5:
                early = self._random.uniform(0.2, 0.9) * event.expires_in
                done = commands.AgentWrapupDone(
                    agent=event.agent, disposition="done" if event.disposition_required else ""
                )
                self._later(early, done)
        elif isinstance(event, ContactEnded):
            caller = self._callers.pop(event.contact, None)
            if caller is not None:
                self._lose_patience_no_more(caller)
        elif isinstance(event, AgentChanged) and event.state == "paused" and event.reason == "missed_offers":
            self._later(120, commands.AgentReady(agent=event.agent))

    def _later(self, seconds: float, command: commands.Command) -> None:
        self._pace.after(seconds, self._unless_stopped, command)

    def _unless_stopped(self, command: commands.Command) -> None:
        if not self._stopped:
            self._send(command)

    # Callers.

    def _await_next_caller(self) -> None:
        """Poisson arrivals at the rate of the hour, by thinning those of the busiest one."""
        self._pace.after(self._random.expovariate(self._peak_rate), self._next_caller)

    def _next_caller(self) -> None:
        if self._stopped:
            return
        rate = profile.calls_per_hour(self._pace.second_of_day(self._pace.elapsed_s)) * LOAD_SCALE / 3600
        if self._random.random() * self._peak_rate < rate:
            service = self._random.choices(SERVICES, self._shares)[0]
            high = self._random.random() < profile.HIGH_PRIORITY_SHARE
            attributes: dict[str, str | int] = {
                "ani": f"+34{self._random.randrange(600_000_000, 700_000_000)}",
                "customer": f"k-{self._random.randrange(100_000):05d}",
            }
            self._call(_Caller(service, attributes, priority=1 if high else 0, hops=0))
        self._await_next_caller()

    def _call(self, caller: _Caller) -> None:
        contact = f"c-{self._next_contact}"
        self._next_contact += 1
        self._callers[contact] = caller
        self._send(
            commands.ContactEnqueue(
                contact=contact,
                tenant=caller.service.tenant,
                queue=caller.service.queue,
                priority=caller.priority,
                attributes=dict(caller.attributes),
            )
        )
        caller.patience = self._pace.after(profile.draw_patience(self._random), self._give_up, contact)

    def _give_up(self, contact: str) -> None:
        if not self._stopped and contact in self._callers:
            self._send(commands.ContactAbandon(contact=contact))

    def _talk(self, event: ContactConnected) -> None:
        caller = self._callers.get(event.contact)
        if caller is None:
            return
        self._lose_patience_no_more(caller)
        talk_s = caller.service.handle.draw(self._random)
        if not caller.hung_up:
            self._pace.after(talk_s, self._finish, event.contact, event.agent)
        elif self._random.random() < CALLBACK_MISSED_SHARE:
            self._later(2 * DIALLING_S, commands.ContactCallback(contact=event.contact, failed="no_answer"))
        else:
            self._pace.after(DIALLING_S + talk_s, self._finish, event.contact, event.agent)

    def _offer_callback(self, event: ContactQueued) -> None:
        caller = self._callers.get(event.contact)
        if caller is None or not event.callback_offered or self._random.random() >= CALLBACK_SHARE:
            return
        self._pace.after(DIALLING_S, self._ask_to_be_called_back, event.contact)

    def _ask_to_be_called_back(self, contact: str) -> None:
        """He types his number and hangs up, so he does not give up as well."""
        caller = self._callers.get(contact)
        if caller is None or self._stopped:
            return
        self._lose_patience_no_more(caller)
        self._send(commands.ContactCallback(contact=contact, number=str(caller.attributes["ani"])))

    @staticmethod
    def _lose_patience_no_more(caller: _Caller) -> None:
        if caller.patience is not None:
            caller.patience.cancel()
            caller.patience = None

    def _finish(self, contact: str, agent: str) -> None:
        """The conversation is over: the case is solved, or goes up one tier with all that is known."""
        caller = self._callers.get(contact)
        if caller is None or self._stopped:
            return
        service = caller.service
        if self._random.random() >= service.escalated:
            reason: commands.CompletionReason = "completed_caller" if self._random.random() < 0.6 else "completed_agent"
            self._send(commands.ContactComplete(contact=contact, reason=reason))
            return
        self._send(commands.ContactComplete(contact=contact, reason="transferred"))
        attributes = {
            **caller.attributes,
            "escalated_from": service.queue,
            "escalated_by": agent,
            "first_contact": caller.attributes.get("first_contact", contact),
        }
        following = self._services[service.tenant, service.next_tier]
        self._call(_Caller(following, attributes, caller.priority, caller.hops + 1))

    # Agents.

    def _ring(self, event: ContactOffered) -> None:
        chance = self._random.random()
        if chance < MISSED_SHARE:
            return
        if chance < MISSED_SHARE + REJECTED_SHARE:
            self._later(self._random.uniform(*RING_S), commands.OfferReject(offer=event.offer, cause="busy"))
        else:
            self._later(self._random.uniform(*RING_S), commands.OfferAccept(offer=event.offer))

    def _plan_shift(self, worker: _Worker, day: int) -> None:
        """Log in when the shift of that day begins, or now if it has begun; everyone comes and goes up to ten minutes off."""
        start = self._pace.elapsed_at(day, worker.shift.start * 3600 + self._random.uniform(-600, 600))
        end = self._pace.elapsed_at(day, worker.shift.end * 3600 + self._random.uniform(-600, 600))
        now = self._pace.elapsed_s
        if now > end - 600:
            self._plan_shift(worker, day + 1)
        else:
            self._pace.after(start - now, self._start_work, worker, day, end)

    def _start_work(self, worker: _Worker, day: int, end: float) -> None:
        if self._stopped:
            return
        worker.on_duty = True
        self._send(commands.AgentLogin(agent=worker.agent, ready=True))
        now = self._pace.elapsed_s
        self._pace.after(end - now, self._end_work, worker, day)
        middle = (worker.shift.start + worker.shift.end) / 2 * 3600
        lunch = self._pace.elapsed_at(day, middle + self._random.uniform(-3600, 3600))
        if now < lunch:
            self._pace.after(lunch - now, self._take_break, worker, "lunch", 1800.0)
        self._plan_break(worker)

    def _end_work(self, worker: _Worker, day: int) -> None:
        if self._stopped:
            return
        worker.on_duty = worker.on_break = False
        self._send(commands.AgentLogout(agent=worker.agent))
        self._plan_shift(worker, day + 1)

    def _plan_break(self, worker: _Worker) -> None:
        self._pace.after(self._random.expovariate(1 / SCREEN_BREAK_EVERY_S), self._screen_break, worker)

    def _screen_break(self, worker: _Worker) -> None:
        if worker.on_duty:
            reason, seconds = ("coaching", 900.0) if self._random.random() < 0.2 else ("break", 480.0)
            self._take_break(worker, reason, seconds)
            self._plan_break(worker)

    def _take_break(self, worker: _Worker, reason: str, seconds: float) -> None:
        if self._stopped or worker.on_break or not worker.on_duty:
            return
        worker.on_break = True
        self._send(commands.AgentPause(agent=worker.agent, reason=reason))
        self._pace.after(seconds, self._end_break, worker)

    def _end_break(self, worker: _Worker) -> None:
        if worker.on_break and not self._stopped:
            worker.on_break = False
            self._send(commands.AgentReady(agent=worker.agent))
