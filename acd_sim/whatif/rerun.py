"""A past through the engine once more: under its own rules, to the event, or under others.

Deeds of their own time happen at that time. Deeds about a contact happen as long after its stage began as they did.
Where the rerun comes to a stage or an offer that the record does not have, or that would have gone on, `unknown` says
how it goes. Under the rules of the record none of that is reached: offers fall as they fell, and so does all else.
"""

import heapq
from collections.abc import Callable
from typing import NamedTuple

from msgspec import Struct, structs

from acd_core import Engine, Outcome
from acd_core.commands import (
    AgentLogin,
    AgentQueues,
    AgentWrapupDone,
    AgentWrapupExtend,
    Command,
    ConfigApply,
    ContactAbandon,
    ContactComplete,
    ContactConsult,
    ContactEnqueue,
    OfferAccept,
)
from acd_core.config import Config
from acd_core.events import (
    AgentChanged,
    ContactConnected,
    ContactEnded,
    ContactLeft,
    ContactOffered,
    ContactQueued,
    ContactWrapup,
    OfferEnded,
)
from acd_core.joined import still_there
from acd_sim.whatif.from_journal import REFUSED_FROM, TrailKeeper, apply
from acd_sim.whatif.past import AFTERWARDS, NS_PER_S, TALKING, WAITING, Contact, Deed, Past, PastError, StageKey, Trail
from acd_sim.whatif.unknown import Unknown

_AVAILABLE = frozenset(("ready", "offered", "busy", "wrapup", "cooldown"))
_WORKING = frozenset(("offered", "busy", "wrapup"))
DRAIN_NS = 3600 * NS_PER_S
"""So long after the end of the record those who are still there are followed."""


class Rules(Struct, frozen=True, kw_only=True):
    """What is different from the record.

    Attributes:
        name: for people.
        config: holds instead of every configuration of the record; None for those of the record.
        added: agents who work when another did, by that other's id.
        removed: agents who do not come.
    """

    name: str
    config: Config | None = None
    added: dict[str, str] = {}
    removed: frozenset[str] = frozenset()

    @property
    def as_recorded(self) -> bool:
        """Whether nothing differs."""
        return self.config is None and not self.added and not self.removed


class Fate(NamedTuple):
    """What became of a contact in a rerun.

    Attributes:
        number: of the contact.
        path: its queue.
        arrived: engine time.
        reason: how it ended; empty when it had not by the end.
        agent: who answered it; empty when nobody did.
        wait, talk: nanoseconds.
    """

    number: int
    path: str
    arrived: int
    reason: str
    agent: str
    wait: int
    talk: int


class Told(Struct):
    """What a rerun gave.

    Attributes:
        fates: by number of the contact.
        available_ns, working_ns: of all agents together, until the record ends.
        available_by_day, working_by_day: the same, by day since 1970.
        refused: deeds that made no sense here, by type of command.
        planned, drawn: deeds of contacts that came to pass (leaving, hanging up, after-work done), and how many of them
            are not in the record.
        trail: at the end of the record.
    """

    fates: list[Fate]
    available_by_day: dict[int, int]
    working_by_day: dict[int, int]
    refused: dict[str, int]
    trail: Trail
    planned: int = 0
    drawn: int = 0

    @property
    def available_ns(self) -> int:
        """Time for which agents were available, until the record ends."""
        return sum(self.available_by_day.values())

    @property
    def working_ns(self) -> int:
        """Time for which they were offered a contact, talked, or did after-work."""
        return sum(self.working_by_day.values())


DAY_NS = 86_400 * NS_PER_S


def rerun(
    past: Past, unknown: Unknown, rules: Rules, draw: int = 0, watch: Callable[[float], bool] | None = None
) -> Told:
    """Let it happen again.

    Args:
        past: what happened.
        unknown: what the record does not tell.
        rules: what is different.
        draw: number of the draw from what is unknown.
        watch: told the share that is done from time to time; when it answers False, the rerun stops with `PastError`.

    Raises:
        PastError: the engine refused the configuration, or it was stopped.
    """
    return _Rerun(past, unknown, rules, draw).run(watch)


class _Live:
    """A contact on its way through a rerun."""

    __slots__ = ("agent", "answers", "arrived", "connected", "contact", "counts", "stage")

    def __init__(self, contact: Contact, arrived: int) -> None:
        self.contact = contact
        self.arrived = arrived
        self.stage: StageKey | None = None
        self.counts: dict[str, int] = {}
        self.answers: dict[str, int] = {}
        self.agent = ""
        self.connected = 0


_Due = tuple[int, int, str, Command, str, "_Live | None", StageKey | None]
"""When and in which order, by whom, what; of an offer its id; of a contact's stage the contact, and which."""


class _Rerun:
    def __init__(self, past: Past, unknown: Unknown, rules: Rules, draw: int) -> None:
        self._past = past
        self._unknown = unknown
        self._rules = rules
        self._draw = draw
        self._engine = Engine()
        self._keeper = TrailKeeper()
        self._ended = False
        self._order = 1 + max((deed.order for deed in past.deeds), default=0)
        for contact in past.contacts.values():
            for stage in contact.stages.values():
                self._order = max([self._order, *(deed.order + 1 for deed in stage.deeds)])
            for answer in contact.answers.values():
                if answer.deed is not None:
                    self._order = max(self._order, answer.deed.order + 1)
        self._first_drawn = self._order
        self._configured = False
        self._live: dict[str, _Live] = {}
        self._offers: set[str] = set()
        self._left: set[tuple[str, str]] = set()  # contacts with agents who left their conversation with others
        self._states: dict[str, tuple[str, int]] = {}
        self._like = dict(rules.added)
        self._told = Told([], {}, {}, {}, Trail(0, "", ""))
        self._fates: list[Fate | None] = [None] * len(past.contacts)
        self._due: list[_Due] = []
        followers: dict[str, list[str]] = {}
        for new, old in rules.added.items():
            followers.setdefault(old, []).append(new)
        for deed in past.deeds:
            self._plan(deed, followers)
        heapq.heapify(self._due)

    def _plan(self, deed: Deed, followers: dict[str, list[str]]) -> None:
        """Put a deed of its own time into the calendar, and what others do like it."""
        command = deed.command
        agent: str = getattr(command, "agent", "")
        if isinstance(command, ConfigApply) and self._rules.config is not None:
            if self._configured:
                return
            self._configured = True
            deed = deed._replace(command=structs.replace(command, config=self._rules.config))
        if agent not in self._rules.removed:
            self._due.append((deed.at, deed.order, deed.client, deed.command, "", None, None))
        for new in followers.get(agent, ()):
            copied = structs.replace(command, agent=new)
            if isinstance(copied, AgentLogin):
                copied = structs.replace(copied, address=None)
            self._order += 1
            self._due.append((deed.at, self._order, deed.client, copied, "", None, None))

    def run(self, watch: Callable[[float], bool] | None) -> Told:
        past, engine, due = self._past, self._engine, self._due
        last = past.end + DRAIN_NS
        length = max(1, past.end - past.start)
        steps = 0
        while True:
            at = due[0][0] if due else last + 1
            deadline = engine.next_deadline()
            reached = min(at, deadline or at)
            if reached > past.end and not self._ended:
                self._end()
            if reached > last or (self._ended and not self._live):
                break
            if deadline and deadline <= at:
                engine.advance(deadline)
                self._follow()
                continue
            self._do(heapq.heappop(due))
            steps += 1
            if watch is not None and steps % 4096 == 0 and not watch(min(1.0, (at - past.start) / length)):
                raise PastError("the rerun was stopped")
        for contact in self._live.values():
            self._fate(contact, "", 0, 0)
        told = self._told
        told.fates = [fate for fate in self._fates if fate is not None]
        return told

    def _end(self) -> None:
        """The end of the record: what comes behind it is not compared with anything."""
        self._engine.advance(self._past.end)
        self._follow()
        self._ended = True
        for agent, (state, since) in self._states.items():
            self._count(state, since, self._past.end)
            self._states[agent] = (state, self._past.end)
        self._told.trail = self._keeper.trail(self._engine)

    def _do(self, due: _Due) -> None:
        at, order, client, command, offer, live, key = due
        if live is not None and live.stage != key:
            return
        if offer and offer not in self._offers:
            return
        if isinstance(command, AgentLogin | AgentQueues):
            command = self._among_queues_there(command)
        outcome = apply(self._engine, command, at, client)
        if outcome >= REFUSED_FROM:
            if isinstance(command, ConfigApply):
                raise PastError(
                    f"the engine refuses the configuration at this point of the record ({Outcome(outcome).code}): "
                    "check it with 'acd apply --dry-run'"
                )
            name = str(type(command).__struct_config__.tag)
            self._told.refused[name] = self._told.refused.get(name, 0) + 1
            self._follow()
            return
        if live is not None:
            self._told.planned += 1
            self._told.drawn += order > self._first_drawn
        if isinstance(command, ContactEnqueue | ContactConsult) and order in self._past.contacts:
            name = command.contact if isinstance(command, ContactEnqueue) else command.consult
            self._live[name] = _Live(self._past.contacts[order], at)
        self._follow()

    def _among_queues_there(self, command: AgentLogin | AgentQueues) -> Command:
        """What an agent chose, as far as the other configuration has those queues and they are his."""
        config = self._rules.config
        if config is None or not any(getattr(command, name, ()) for name in ("queues", "join", "leave")):
            return command
        known = {(queue.tenant, queue.name) for queue in config.queues}
        tenants = next((agent.tenants for agent in config.agents if agent.agent == command.agent), ())
        if command.queues is not None:
            return structs.replace(command, queues=still_there(command.queues, tenants, known) or None)
        if isinstance(command, AgentLogin):
            return command
        join, leave = (still_there(paths, tenants, known) for paths in (command.join, command.leave))
        return structs.replace(command, join=join, leave=leave) if join or leave else command

    def _follow(self) -> None:
        """See what happened, and plan what the outside world does about it."""
        addressed = self._engine.take_events()
        if not self._ended:
            self._keeper.add(addressed)
        for event, owner, _ in addressed:
            match event:
                case ContactQueued():
                    self._begin(event.contact, WAITING, event.at, "")
                case ContactOffered():
                    self._offer(event, owner)
                case OfferEnded():
                    self._offers.discard(event.offer)
                case ContactConnected():
                    self._offers.discard(event.offer)
                    live = self._live[event.contact]
                    live.agent, live.connected = event.agent, event.at
                    self._begin(event.contact, TALKING, event.at, event.agent)
                case ContactLeft():
                    self._left.add((event.contact, event.agent))
                case ContactWrapup() if (event.contact, event.agent) in self._left:
                    self._left.remove((event.contact, event.agent))
                case ContactWrapup():
                    talking = self._live.get(event.contact)
                    if talking is None or talking.stage is None or talking.stage[0] != TALKING:
                        continue  # it was handed on, and its agent wraps up without it
                    self._fate(talking, event.reason, talking.connected - talking.arrived, event.at - talking.connected)
                    self._begin(event.contact, AFTERWARDS, event.at, event.agent)
                case ContactEnded():
                    ended = self._live.pop(event.contact, None)
                    if ended is not None:
                        if ended.stage is None or ended.stage[0] != AFTERWARDS:
                            until = ended.connected or event.at
                            self._fate(ended, event.reason, until - ended.arrived, event.at - until)
                        ended.stage = None
                case AgentChanged():
                    before, since = self._states.get(event.agent, ("logged_out", event.at))
                    if not self._ended:
                        self._count(before, since, event.at)
                    self._states[event.agent] = (event.state, event.at)

    def _begin(self, contact: str, what: str, at: int, agent: str) -> None:
        """A stage begins: plan what is known of it, and its end if that is not known."""
        live = self._live[contact]
        number = live.counts.get(what, 0) + 1
        live.counts[what] = number
        key = live.stage = (what, number)
        stage = live.contact.stages.get(key)
        after = -1
        if stage is not None:
            for deed in stage.deeds:
                done = deed.command
                if isinstance(done, AgentWrapupDone | AgentWrapupExtend):
                    done = structs.replace(done, agent=agent)
                heapq.heappush(self._due, (at + deed.at, deed.order, deed.client, done, "", live, key))
            if stage.closed:
                return
            after = stage.lasted
        length = self._unknown.length(self._draw, live.contact, what, number, after)
        if length is None:
            return
        command: Command
        if what == WAITING:
            command = ContactAbandon(contact=contact)
        elif what == TALKING:
            command = ContactComplete(contact=contact, reason="completed_caller")
        else:
            command = AgentWrapupDone(agent=agent, disposition="unknown")
        self._order += 1
        heapq.heappush(self._due, (at + length, self._order, live.contact.client, command, "", live, key))

    def _offer(self, event: ContactOffered, owner: str) -> None:
        """An agent is asked: plan his answer."""
        self._offers.add(event.offer)
        live = self._live[event.contact]
        number = live.answers.get(event.agent, 0) + 1
        live.answers[event.agent] = number
        answer = live.contact.answers.get((event.agent, number))
        known = answer is not None and not answer.cut
        if not known:
            like = self._like.get(event.agent, event.agent)
            after = -1 if answer is None else answer.lasted
            answer = self._unknown.answer(self._draw, live.contact, like, number, after)
        self._order += 1
        deed = Deed(0, self._order, owner, OfferAccept(offer=event.offer))
        if answer is not None:
            if answer.deed is None:
                return
            command = structs.replace(answer.deed.command, offer=event.offer)
            deed = answer.deed._replace(command=command, order=answer.deed.order if known else self._order)
        elif (event.agent, number) in live.contact.answers:
            return
        heapq.heappush(self._due, (event.at + deed.at, deed.order, deed.client, deed.command, event.offer, None, None))

    def _fate(self, live: _Live, reason: str, wait: int, talk: int) -> None:
        contact = live.contact
        self._fates[contact.number] = Fate(contact.number, contact.path, live.arrived, reason, live.agent, wait, talk)

    def _count(self, state: str, since: int, until: int) -> None:
        """Add a stretch of an agent's time, day by day."""
        if state not in _AVAILABLE:
            return
        while since < until:
            day = since // DAY_NS
            edge = min(until, (day + 1) * DAY_NS)
            told = self._told
            told.available_by_day[day] = told.available_by_day.get(day, 0) + edge - since
            if state in _WORKING:
                told.working_by_day[day] = told.working_by_day.get(day, 0) + edge - since
            since = edge
