"""Feeds recorded calls through a running server, as an adapter would: over TCP, by the public protocol.

Callers and agents live here, the routing lives in the server. A caller arrives when the record says so. He who was
served then waits until he is served; he who gave up then gives up after the same time, unless he is answered before.
Every conversation lasts as long as recorded; who gave up then but is served now talks as long as the latest served
caller of his type did. Agents accept at once, and stay after their shift while somebody waits whom nobody else on
duty can serve.

Time is counted in recorded seconds, `speed` of them to a real one. A heap of timers and one call of the event loop
drive everything: there is no task per call. Timers go on while the server is away, and the client sends again what
was not answered, so a server that dies and comes back costs its callers nothing but waiting.
"""

import asyncio
import heapq
import time
from array import array
from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import NamedTuple

import msgspec
from msgspec import Struct

from acd_core import commands
from acd_core.events import ContactConnected, ContactEnded, ContactOffered, ContactQueued, OfferEnded
from acd_core.views import ContactView
from acd_protocol.client import Client, ClientError, Refused
from acd_protocol.messages import Gap, Ok
from acd_sim.replay_plan import Plan

LEAD_S = 1.0
"""The replay begins so many recorded seconds before the first login."""
IDLE_GAP_S = 60.0
"""A shorter time without calls is not skipped."""
OVERTIME_S = 60.0
"""How often an agent whose shift is over looks whether he is still needed."""
UNANSWERED_MAX = 20_000
"""With so many commands unanswered, arrivals are put off: the server cannot keep up, or is away."""
DELAY_MADE_GOOD_S = 0.25
"""Real seconds of delay between server and agent that are not charged to the agent; see `Replay._talk`."""
HELD_UP_S = 0.02
"""Real seconds until arrivals that were put off are tried again."""
STALLED_S = 60.0
"""Real seconds without any event while calls are waiting, and nothing that would end them, after which we give up."""
TALK_UNKNOWN_S = 180
"""Length of a conversation of a type of call that was never served in the record."""
LIST_MAX = 100_000
EXPECTED_REFUSALS = frozenset({"offer_gone", "contact_not_waiting", "contact_not_connected", "agent_logged_out"})
"""What happens when two sides act at once: an offer ends while its acceptance is on its way, and the like."""
ANSWERED_REASONS = frozenset({"completed_agent", "completed_caller", "transferred", "lost"})
"""End reasons that only a contact in conversation has."""


class _Call(Struct):
    """A contact that is not over.

    `counted` once the server has taken it; `accepting` while our answer to an offer is on its way; `impatient` when
    the caller's patience has ended; `leaving` when the abandon is on its way.
    """

    place: int
    counted: bool = False
    accepting: bool = False
    talking: bool = False
    impatient: bool = False
    leaving: bool = False
    offered_at: float = 0.0


class _Timer(NamedTuple):
    """Something that is due at a recorded second; `order` decides between equal ones."""

    due: float
    order: int
    action: Callable[[str], None]
    subject: str


class Tally:
    """What happened, counted from events alone.

    Attributes:
        offered: contacts that asked for an agent.
        served: contacts that were answered.
        unanswered: contacts that ended without an answer, by end reason.
        served_waits, abandoned_waits: in seconds of engine time.
        refused: refusals that a replay should not meet, by code.
        round_trips: from an offer that came in to its contact being connected, in real seconds.
        delays: how late arrivals were sent, in real seconds.
    """

    def __init__(self) -> None:
        self.offered = 0
        self.served = 0
        self.unanswered: Counter[str] = Counter()
        self.served_waits = array("d")
        self.abandoned_waits = array("d")
        self.refused: Counter[str] = Counter()
        self.round_trips = array("d")
        self.delays = array("d")

    @property
    def ended_unanswered(self) -> int:
        """Contacts that ended without an answer, for whatever reason."""
        return self.unanswered.total()


class Replay:
    """One run of a plan.

    Args:
        client: connected.
        plan: what to feed.
        tenant: whose queues, named by type of call, take the calls.
        prefix: begins every contact id; a second run on the same server needs another.
        speed: recorded seconds to a real one.
        skip_idle: whether times in which no call is under way are jumped over.

    Attributes:
        tally: what has happened so far.
        live: contacts that are not over.
        skipped_s: recorded seconds jumped over.
        stalled: set when the replay gave up because the server did nothing more.
    """

    def __init__(
        self, client: Client, plan: Plan, *, tenant: str, prefix: str, speed: float, skip_idle: bool = True
    ) -> None:
        self.tally = Tally()
        self.skipped_s = 0.0
        self.stalled = False
        self._client = client
        self._plan = plan
        self._tenant = tenant
        self._prefix = prefix
        self._speed = speed
        self._skip_idle = skip_idle
        self._talks = _talks(plan)
        self._next_call = 0
        self._next_shift = 0
        self._calls: dict[str, _Call] = {}
        self._waiting: Counter[str] = Counter()
        self._on_duty: Counter[str] = Counter()
        self._free_since: dict[str, float] = {}
        self._order = count()
        self._call_timers: list[_Timer] = []
        self._agent_timers: list[_Timer] = []
        self._loop = asyncio.get_running_loop()
        self._origin = 0.0
        self._handle: asyncio.TimerHandle | None = None
        self._pump_due = 0.0
        self._heard = 0.0
        self._done = self._loop.create_future()
        self._tasks: set[asyncio.Task[None]] = set()
        client.on(ContactQueued, self._on_queued)
        client.on(ContactOffered, self._on_offered)
        client.on(ContactConnected, self._on_connected)
        client.on(OfferEnded, self._on_offer_ended)
        client.on(ContactEnded, self._on_ended)
        client.on(Gap, self._on_gap)

    @property
    def live(self) -> int:
        """Contacts that are not over."""
        return len(self._calls)

    @property
    def talking(self) -> int:
        """Contacts in conversation."""
        return sum(1 for call in self._calls.values() if call.talking)

    @property
    def sent(self) -> int:
        """Calls of the record that have arrived."""
        return self._next_call

    @property
    def second(self) -> float:
        """Recorded seconds since the midnight with which the replay begins."""
        return (time.perf_counter() - self._origin) * self._speed

    async def run(self) -> None:
        """Feed all calls; returns when the last is over and all agents have logged out.

        Raises:
            ClientError: when the server stays away for longer than the client waits.
        """
        first = min(self._plan.starts_s[:1] + tuple(shift.start_s for shift in self._plan.shifts[:1]), default=0)
        self._heard = time.perf_counter()
        self._origin = self._heard - (first - LEAD_S) / self._speed
        self._pump()
        try:
            await self._done
        finally:
            if self._handle is not None:
                self._handle.cancel()
        for agent, shifts in self._on_duty.items():
            if shifts:
                self._send(commands.AgentLogout(agent=agent))
        # Answers come in order, so this one tells that everything before it is answered, and its events are here.
        await self._client.ping()

    def stop(self) -> None:
        """End the replay early: no more calls arrive, and `run` returns."""
        if not self._done.done():
            self._done.set_result(None)

    def hang_up(self) -> None:
        """Let everyone who is still there hang up, so that an interrupted replay leaves nobody behind."""
        for contact in list(self._calls):
            self._send(commands.ContactAbandon(contact=contact))

    # The pump: does what is due, and comes back when the next thing is.

    def _pump(self) -> None:
        self._handle = None
        if self._done.done():
            return
        now = self.second
        self._start_shifts(now)
        held_up = self._start_calls(now)
        # Shifts end last, so that an agent sees everyone who waits by then.
        for timers in (self._call_timers, self._agent_timers):
            while timers and timers[0].due <= now:
                timer = heapq.heappop(timers)
                timer.action(timer.subject)
        if self._next_call == len(self._plan.calls) and self._is_over():
            return
        if self._skip_idle and not self._calls:
            self._skip(now)
        due = self._next_due()
        delay_s = HELD_UP_S if held_up else max(0.0, (due - self.second) / self._speed)
        self._arm(due, min(delay_s, STALLED_S))

    def _start_shifts(self, now: float) -> None:
        shifts = self._plan.shifts
        while self._next_shift < len(shifts) and shifts[self._next_shift].start_s <= now:
            shift = shifts[self._next_shift]
            self._next_shift += 1
            self._on_duty[shift.agent] += 1
            self._free_since.setdefault(shift.agent, shift.start_s)
            self._send(commands.AgentLogin(agent=shift.agent, ready=True))
            self._agent_timer(shift.end_s, self._end_shift, shift.agent)

    def _start_calls(self, now: float) -> bool:
        """Send the arrivals that are due; tells whether some have to be put off."""
        starts, calls = self._plan.starts_s, self._plan.calls
        while self._next_call < len(starts) and starts[self._next_call] <= now:
            if self._client.unanswered >= UNANSWERED_MAX:
                return True
            place = self._next_call
            self._next_call += 1
            call = calls[place]
            contact = f"{self._prefix}{call.row}"
            self._calls[contact] = _Call(place)
            self._waiting[call.type] += 1
            self._send(self._enqueue(contact, place), partial(self._on_enqueued, contact))
            self.tally.delays.append((now - starts[place]) / self._speed)
        return False

    def _enqueue(self, contact: str, place: int) -> commands.ContactEnqueue:
        call = self._plan.calls[place]
        return commands.ContactEnqueue(
            contact=contact,
            tenant=self._tenant,
            queue=call.type,
            priority=1 if call.high_priority else 0,
        )

    def _next_due(self) -> float:
        due = [timers[0].due for timers in (self._call_timers, self._agent_timers) if timers]
        if self._next_call < len(self._plan.starts_s):
            due.append(self._plan.starts_s[self._next_call])
        if self._next_shift < len(self._plan.shifts):
            due.append(self._plan.shifts[self._next_shift].start_s)
        return min(due, default=self.second + STALLED_S * self._speed)

    def _skip(self, now: float) -> None:
        """No call is under way: make it one second to whatever comes next."""
        self._call_timers.clear()
        gap = self._next_due() - now
        if gap > IDLE_GAP_S:
            self._origin -= (gap - LEAD_S) / self._speed
            self.skipped_s += gap - LEAD_S

    def _is_over(self) -> bool:
        """Whether the last call is over; also when nothing more will happen by itself."""
        quiet_s = time.perf_counter() - self._heard
        if self._calls and not self._call_timers and quiet_s > STALLED_S:
            self.stalled = True
        if self._calls and not self.stalled:
            return False
        self._done.set_result(None)
        return True

    def _agent_timer(self, due: float, action: Callable[[str], None], agent: str) -> None:
        heapq.heappush(self._agent_timers, _Timer(due, next(self._order), action, agent))

    def _call_timer(self, due: float, action: Callable[[str], None], contact: str) -> None:
        heapq.heappush(self._call_timers, _Timer(due, next(self._order), action, contact))
        self._wake(due)

    def _wake(self, due: float) -> None:
        """Have the pump come when `due`, if it would come later."""
        if self._handle is not None and due < self._pump_due:
            self._handle.cancel()
            self._arm(due, max(0.0, (due - self.second) / self._speed))

    def _arm(self, due: float, delay_s: float) -> None:
        self._pump_due = due
        self._handle = self._loop.call_later(delay_s, self._pump)

    # Agents.

    def _end_shift(self, agent: str) -> None:
        if self._on_duty[agent] > 1:
            self._on_duty[agent] -= 1
        elif self._is_needed(agent):
            self._agent_timer(self.second + OVERTIME_S, self._end_shift, agent)
        else:
            del self._on_duty[agent]
            self._send(commands.AgentLogout(agent=agent))

    def _is_needed(self, agent: str) -> bool:
        """Whether somebody waits whom of all agents on duty only this one can serve."""
        skills = self._plan.skills
        return any(
            self._waiting[kind] and not any(kind in skills[other] for other in self._on_duty if other != agent)
            for kind in skills[agent]
        )

    # Callers.

    def _lose_patience(self, contact: str) -> None:
        call = self._calls.get(contact)
        if call is None or call.talking:
            return
        call.impatient = True
        if not call.accepting and not call.leaving:
            self._leave(contact, call)

    def _leave(self, contact: str, call: _Call) -> None:
        call.leaving = True
        self._send(commands.ContactAbandon(contact=contact))

    def _finish_talk(self, contact: str) -> None:
        if contact in self._calls:
            self._send(commands.ContactComplete(contact=contact, reason="completed_caller"))

    def _on_queued(self, event: ContactQueued) -> None:
        self._heard = time.perf_counter()
        call = self._calls.get(event.contact)
        if call is not None and not call.counted:
            self._arrive(event.contact, call)

    def _arrive(self, contact: str, call: _Call) -> None:
        """The server has taken the call. Only now does patience begin, so that nobody is less patient than he was."""
        call.counted = True
        self.tally.offered += 1
        recorded = self._plan.calls[call.place]
        if recorded.outcome == "abandoned":
            self._call_timer(self.second + recorded.wait_s, self._lose_patience, contact)

    def _on_offered(self, event: ContactOffered) -> None:
        self._heard = time.perf_counter()
        call = self._calls.get(event.contact)
        if call is not None and not call.leaving:
            self._accept(call, event.offer)

    def _accept(self, call: _Call, offer: str) -> None:
        call.accepting = True
        call.offered_at = time.perf_counter()
        self._send(commands.OfferAccept(offer=offer))

    def _on_offer_ended(self, event: OfferEnded) -> None:
        """The offer came to nothing; the caller waits on, unless his patience ended while he was being rung for."""
        call = self._calls.get(event.contact)
        if call is not None:
            call.accepting = False
            if call.impatient and not call.leaving:
                self._leave(event.contact, call)

    def _on_connected(self, event: ContactConnected) -> None:
        call = self._calls.get(event.contact)
        if call is not None and not call.talking:
            self._heard = time.perf_counter()
            self.tally.served_waits.append(event.wait)
            self.tally.round_trips.append(self._heard - call.offered_at)
            self._talk(event.contact, call, event.agent)

    def _talk(self, contact: str, call: _Call, agent: str) -> None:
        """Begin a conversation, and plan its end.

        The milliseconds that messages take are minutes of a fast replay. If agents were charged for them, the centre
        would be understaffed as it never was. So the conversation counts from when the caller was there and the agent
        was free, as it would without any delay; but no more is made good than a slow message takes.
        """
        call.talking = True
        self.tally.served += 1
        self._waiting[self._plan.calls[call.place].type] -= 1
        together = max(self._plan.starts_s[call.place], self._free_since.get(agent, 0.0))
        start = max(together, self.second - DELAY_MADE_GOOD_S * self._speed)
        end = start + self._talks[call.place]
        self._free_since[agent] = end
        self._call_timer(end, self._finish_talk, contact)

    def _on_ended(self, event: ContactEnded) -> None:
        self._heard = time.perf_counter()
        if event.reason == "abandoned" and event.contact in self._calls:
            self.tally.abandoned_waits.append(event.wait)
        self._end(event.contact, event.reason)

    def _end(self, contact: str, reason: str) -> None:
        call = self._calls.pop(contact, None)
        if call is None:
            return
        if not call.counted:
            self.tally.offered += 1
        if not call.talking:
            self._waiting[self._plan.calls[call.place].type] -= 1
            if reason in ANSWERED_REASONS:
                self.tally.served += 1
            else:
                self.tally.unanswered[reason] += 1
        if not self._calls:
            self._wake(self.second)

    # The server.

    def _send(self, command: commands.Command, then: "Callable[[asyncio.Future[Ok]], None] | None" = None) -> None:
        try:
            self._client.send(command).add_done_callback(then or self._on_answer)
        except ClientError as problem:
            self._fail(problem)

    def _on_enqueued(self, contact: str, answer: "asyncio.Future[Ok]") -> None:
        """A call that the server does not want is over at once; the report tells of it."""
        self._on_answer(answer)
        if not answer.cancelled() and isinstance(answer.exception(), Refused):
            call = self._calls.pop(contact, None)
            if call is not None:
                self._waiting[self._plan.calls[call.place].type] -= 1
                self._wake(self.second)

    def _on_answer(self, answer: "asyncio.Future[Ok]") -> None:
        if answer.cancelled():
            return
        problem = answer.exception()
        if isinstance(problem, Refused):
            if problem.code not in EXPECTED_REFUSALS:
                self.tally.refused[problem.code] += 1
        elif problem is not None:
            self._fail(problem)

    def _fail(self, problem: BaseException) -> None:
        if not self._done.done():
            self._done.set_exception(problem)

    def _on_gap(self, _gap: Gap) -> None:
        """Events are lost for good: look at every contact."""
        task = self._loop.create_task(self._look_at_all())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _look_at_all(self) -> None:
        """Bring what we believe of each contact up to date.

        A contact that the server no longer lists is asked for by enqueueing it again: the answer to the repeat is how
        it ended.
        """
        before = dict(self._calls)
        try:
            listed = await self._client.listing("contacts", tenant=self._tenant, limit=LIST_MAX)
            found = {view.contact: view for view in msgspec.convert(listed, list[ContactView])}
            for contact, call in before.items():
                view = found.get(contact)
                if contact not in self._calls:
                    continue
                if view is None:
                    answer = await self._client.call(self._enqueue(contact, call.place))
                    if answer.ended:
                        self._end(contact, answer.ended)
                    continue
                if not call.counted:
                    self._arrive(contact, call)
                if view.state in {"connected", "wrapup"} and not call.talking:
                    self._talk(contact, call, view.agent)
                elif view.state == "offered" and not call.leaving:
                    self._accept(call, view.offer)
                elif view.state == "queued":
                    call.accepting = False
        except ClientError as problem:
            self._fail(problem)


def _talks(plan: Plan) -> list[int]:
    """How long each caller talks if he is served: as recorded, else as the latest served caller of his type did."""
    latest: dict[str, int] = {}
    for call in plan.calls:
        if call.outcome == "served":
            latest.setdefault(call.type, call.service_s)
    talks = []
    for call in plan.calls:
        if call.outcome == "served":
            latest[call.type] = call.service_s
        talks.append(latest.get(call.type, TALK_UNKNOWN_S))
    return talks
