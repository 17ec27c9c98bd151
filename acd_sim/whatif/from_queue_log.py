"""A past from Asterisk's queue_log: what app_queue did with whom.

A line is `epoch|callid|queue|agent|EVENT|data...`. Asterisk writes whole seconds, so waits and talks are known to the
second. A queue becomes a queue, an agent has the skill of every queue that he was a member of or answered for. Who
was at work is told by ADDMEMBER and REMOVEMEMBER, by AGENTLOGIN and the like; of members that the log never adds, the
day's first and last call tells it. What the log does not say, such as ring times, strategies and wrap-up, is set to
what `configuration` says: write the configuration out, and correct it.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from acd_core.commands import (
    AgentLogin,
    AgentLogout,
    AgentPause,
    AgentReady,
    Command,
    ConfigApply,
    ContactAbandon,
    ContactComplete,
    ContactEnqueue,
    ContactWithdraw,
    OfferAccept,
)
from acd_core.config import Agent, Config, Queue, Settings, Tenant
from acd_sim.whatif.past import NS_PER_S, TALKING, WAITING, Answer, Contact, Deed, Past, PastError, Stage

CLIENT = "asterisk"
TENANT = "asterisk"
OFFER_TIMEOUT_S = 15
EARLY_NS = 300 * NS_PER_S
DAY_NS = 86_400 * NS_PER_S
_LEAVES_BY_SWITCH = frozenset(("EXITWITHTIMEOUT", "EXITEMPTY", "AGENTDUMP", "SYSCOMPAT"))
_LEAVES_BY_CALLER = frozenset(("EXITWITHKEY", "WITHDRAW"))
_ENDS_TALK = {
    "COMPLETEAGENT": "completed_agent",
    "COMPLETECALLER": "completed_caller",
    "BLINDTRANSFER": "transferred",
    "ATTENDEDTRANSFER": "transferred",
    "TRANSFER": "transferred",
}
_COMES = frozenset(("AGENTLOGIN", "AGENTCALLBACKLOGIN"))
_GOES = frozenset(("AGENTLOGOFF", "AGENTCALLBACKLOGOFF"))


class Line(NamedTuple):
    """One line that can be used. `at` is engine time."""

    row: int
    at: int
    call: str
    queue: str
    agent: str
    event: str
    data: tuple[str, ...]


class _Call:
    """A stay of a call in a queue."""

    def __init__(self, line: Line) -> None:
        self.entered = line
        self.connected: Line | None = None
        self.left: Line | None = None
        self.rings: list[tuple[str, int, bool]] = []  # agent, nanoseconds, whether he was still ringing


class _Member:
    """Who is at work when, from what the log says of one agent."""

    def __init__(self) -> None:
        self.queues: set[str] = set()
        self.spoken_of = False
        self.member_of: set[str] = set()
        self.logged_in = False
        self.paused: set[str] = set()
        self.changes: list[tuple[int, str, str]] = []
        self.seen: dict[int, list[int]] = {}  # by day the first and last instant of work

    def note(self, line: Line) -> None:
        """Take a line about his presence."""
        match line.event:
            case "ADDMEMBER":
                self.queues.add(line.queue)
                self.member_of.add(line.queue)
                self.spoken_of = True
                if line.data[:1] == ("PAUSED",):
                    self.paused.add(line.queue)
            case "REMOVEMEMBER":
                self.member_of.discard(line.queue)
                self.paused.discard(line.queue)
                self.spoken_of = True
            case "PAUSEALL":
                self.paused.add("")
            case "UNPAUSEALL":
                self.paused.clear()
            case "PAUSE":
                self.paused.add(line.queue)
            case "UNPAUSE":
                self.paused.discard(line.queue)
            case event if event in _COMES:
                self.logged_in = self.spoken_of = True
            case event if event in _GOES:
                self.logged_in, self.spoken_of = False, True
            case _:
                return
        self.changes.append((line.at, self.state, line.data[0] if line.data else ""))

    def work(self, at: int, until: int) -> None:
        """He was seen at work."""
        span = self.seen.setdefault(at // DAY_NS, [at, until])
        span[0], span[1] = min(span[0], at), max(span[1], until)

    @property
    def state(self) -> str:
        """Away, paused or ready."""
        if self.spoken_of and not self.member_of and not self.logged_in:
            return "away"
        everywhere = "" in self.paused or (bool(self.member_of) and self.member_of <= self.paused)
        return "paused" if everywhere else "ready"

    def deeds(self, agent: str, start: int) -> Iterator[tuple[int, Command]]:
        """What he does, in order."""
        if not self.spoken_of:
            for first, last in self.seen.values():
                yield max(start, first - EARLY_NS), AgentLogin(agent=agent, ready=True)
                yield last, AgentLogout(agent=agent)
        now = "away" if self.spoken_of else "ready"
        for at, state, reason in self.changes:
            if state == now or not (self.spoken_of or self._at_work(at)):
                continue
            if state == "away":
                yield at, AgentLogout(agent=agent)
            elif now == "away":
                yield at, AgentLogin(agent=agent, ready=state == "ready")
            elif state == "ready":
                yield at, AgentReady(agent=agent)
            else:
                yield at, AgentPause(agent=agent, reason=reason[:64])
            now = state

    def _at_work(self, at: int) -> bool:
        span = self.seen.get(at // DAY_NS)
        return span is not None and span[0] <= at <= span[1]


def read(path: Path) -> Past:
    """The past of a queue_log.

    Raises:
        PastError: it cannot be read, or no call entered a queue.
    """
    try:
        text = path.read_text("utf-8", errors="replace")
    except OSError as error:
        raise PastError(f"{path} cannot be read: {error.strerror or error}") from error
    bad: list[str] = []
    calls, members = _follow(_lines(text.splitlines(), bad))
    if not calls:
        raise PastError(f"{path}: no call enters a queue; is it a queue_log of Asterisk?")
    return _past(str(path), calls, members, bad)


def configuration(calls: Iterable[_Call], members: dict[str, _Member]) -> Config:
    """Queues and agents as far as the log tells of them."""
    queues = sorted({call.entered.queue for call in calls} | {name for m in members.values() for name in m.queues})
    return Config(
        settings=Settings(missed_offers_max=0),
        tenants=(Tenant(name=TENANT),),
        queues=tuple(
            Queue(
                tenant=TENANT,
                name=queue_name(name),
                require=_skill(name),
                offer_timeout_s=OFFER_TIMEOUT_S,
                max_wait_s=0,
                reject_cooldown_s=0,
                no_answer_cooldown_s=0,
            )
            for name in queues
        ),
        agents=tuple(
            Agent(agent=agent, address=agent, skills={_skill(name): 50 for name in sorted(member.queues)})
            for agent, member in sorted(members.items())
        ),
    )


def queue_name(name: str) -> str:
    """A name that a queue can have here."""
    return re.sub(r"[^\w.@+-]", "_", name)[:64]


def _skill(name: str) -> str:
    return "q_" + re.sub(r"\W", "_", name, flags=re.ASCII)[:60]


def _lines(lines: Iterable[str], bad: list[str]) -> Iterator[Line]:
    latest = 0
    for row, text in enumerate(lines, 1):
        if not text.strip():
            continue
        fields = text.split("|")
        try:
            seconds, _, fraction = fields[0].partition(".")
            at = int(seconds) * NS_PER_S + int(fraction[:9].ljust(9, "0") or 0)
            call, queue, agent, event = (field.strip() for field in fields[1:5])
        except ValueError:
            bad.append(f"line {row}: not a line of queue_log")
            continue
        if at < latest:
            bad.append(f"line {row}: its time is before that of the line before it")
            continue
        latest = at
        yield Line(row, at, call, queue, agent[:64], event, tuple(fields[5:]))


def _follow(lines: Iterable[Line]) -> tuple[list[_Call], dict[str, _Member]]:
    calls: list[_Call] = []
    live: dict[tuple[str, str], _Call] = {}
    members: dict[str, _Member] = defaultdict(_Member)
    for line in lines:
        key = (line.call, line.queue)
        call = live.get(key)
        if line.event == "ENTERQUEUE":
            live[key] = call = _Call(line)
            calls.append(call)
        elif call is None:
            if line.agent not in ("", "NONE"):
                members[line.agent].note(line)
        elif line.event in ("RINGNOANSWER", "RINGCANCELED"):
            members[line.agent].queues.add(line.queue)
            members[line.agent].work(line.at, line.at)
            call.rings.append((line.agent, _number(line.data, 0) * 1_000_000, line.event == "RINGCANCELED"))
        elif line.event == "CONNECT":
            call.connected = line
            members[line.agent].queues.add(line.queue)
            members[line.agent].work(line.at, line.at)
        elif line.event in _ENDS_TALK and call.connected is not None:
            call.left = line
            members[call.connected.agent].work(call.connected.at, line.at)
            del live[key]
        elif call.connected is None and (
            line.event == "ABANDON" or line.event in _LEAVES_BY_SWITCH or line.event in _LEAVES_BY_CALLER
        ):
            call.left = line
            del live[key]
    return calls, dict(members)


def _number(data: tuple[str, ...], place: int) -> int:
    return int(data[place]) if place < len(data) and data[place].isascii() and data[place].isdigit() else 0


def _past(source: str, calls: list[_Call], members: dict[str, _Member], bad: list[str]) -> Past:
    config = configuration(calls, members)
    start = calls[0].entered.at
    for member in members.values():
        start = min([start, *(at for at, _, _ in member.changes)])
    start -= EARLY_NS
    rows: list[tuple[int, int, Command, _Call | None]] = [(start, 0, ConfigApply(config=config), None)]
    for agent, member in sorted(members.items()):
        rows += [(at, 1, command, None) for at, command in member.deeds(agent, start)]
    for call in calls:
        line = call.entered
        enqueue = ContactEnqueue(
            contact=f"{line.call[:100]}-{line.row}",
            tenant=TENANT,
            queue=queue_name(line.queue),
            attributes={"ani": line.data[1]} if len(line.data) > 1 and line.data[1] else {},
        )
        rows.append((line.at, 2, enqueue, call))
    rows.sort(key=lambda row: row[:2])
    deeds: list[Deed] = []
    contacts: dict[int, Contact] = {}
    order = 0
    end = max(row[0] for row in rows)
    for at, _, command, its in rows:
        order += 1
        deeds.append(Deed(at, order, CLIENT, command))
        if its is not None and isinstance(command, ContactEnqueue):
            end = max(end, (its.left or its.connected or its.entered).at)
            contacts[order] = _contact(len(contacts), its, command, order)
            order += 3
    for contact in contacts.values():
        for stage in contact.stages.values():
            if not stage.closed and not stage.lasted:
                stage.lasted = end - stage.began
    notes = ["strategies, ring times and wrap-up are not in a queue_log: they are set, see --write-config"]
    if bad:
        notes.append(f"{len(bad):,} lines could not be used, the first: {bad[0]}")
    return Past(source, deeds, contacts, start, end, config, notes=tuple(notes))


def _contact(number: int, call: _Call, enqueue: ContactEnqueue, order: int) -> Contact:
    entered, connected, left = call.entered, call.connected, call.left
    path = f"{TENANT}/{enqueue.queue}"
    waiting = Stage(entered.at, 0, closed=False, deeds=[])
    contact = Contact(number, path, CLIENT, {(WAITING, 1): waiting}, {}, "")
    for agent, rang, cut in call.rings:
        again = 1 + sum(who == agent for who, _ in contact.answers)
        contact.answers[agent, again] = Answer(rang, None, cut)
    if connected is not None:
        waiting.lasted = connected.at - entered.at
        contact.agent = connected.agent
        again = 1 + sum(who == connected.agent for who, _ in contact.answers)
        rang = _number(connected.data, 2) * NS_PER_S
        accept = Deed(rang, order + 1, CLIENT, OfferAccept(offer="o-0"))
        contact.answers[connected.agent, again] = Answer(rang, accept, cut=False)
        talking = Stage(connected.at, 0, closed=False, deeds=[])
        contact.stages[TALKING, 1] = talking
        if left is not None:
            talking.lasted = left.at - connected.at
            talking.closed = True
            complete = ContactComplete(contact=enqueue.contact, reason=_ENDS_TALK[left.event])  # type: ignore[arg-type]
            talking.deeds.append(Deed(talking.lasted, order + 2, CLIENT, complete))
    elif left is not None:
        waiting.lasted = left.at - entered.at
        leave: Command = ContactAbandon(contact=enqueue.contact)
        if left.event in _LEAVES_BY_CALLER:
            leave = ContactWithdraw(contact=enqueue.contact)
        if left.event not in _LEAVES_BY_SWITCH:
            waiting.closed = True
            waiting.deeds.append(Deed(waiting.lasted, order + 3, CLIENT, leave))
    return contact
