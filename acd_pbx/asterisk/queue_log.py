"""The engine's events as lines of Asterisk's queue_log, which QueueMetrics, Asternic and their like read.

A line is `epoch|callid|queue|agent|EVENT|data1|data2...`. What holds for each file that is written here:

- a stint in a queue begins with ENTERQUEUE and has exactly one end: COMPLETEAGENT, COMPLETECALLER, BLINDTRANSFER,
  ATTENDEDTRANSFER, ABANDON, EXITWITHTIMEOUT, EXITWITHKEY, EXITEMPTY or WITHDRAW; a contact that goes on to another
  queue begins another stint under the same callid;
- CONNECT comes between the two, and only before COMPLETE* and *TRANSFER;
- an agent who leaves a conversation to the colleague whom he has asked has ended it by ATTENDEDTRANSFER; what a colleague
  does in a conference is not told;
- a caller who is going to be called back has left with EXITWITHKEY, or with WITHDRAW if he pressed no key; each attempt to
  reach him is a stint of its own, from the first offer on, with CONNECT when the agent answers, and with COMPLETECALLER
  when the customer cannot be reached or hangs up;
- time never goes back;
- whoever was not let in has a line too, where Asterisk itself writes nothing: FULL, JOINEMPTY, CLOSED, DIVERTED (he would have
  waited for too long, or the queue says so), in each queue that refused him.

The translation is a function of the events and of what is known of callers; it reads no clock. What it has to remember
of live contacts is plain data, so that a restart goes on where it stopped.
"""

from collections.abc import Callable, Collection
from typing import NamedTuple

from msgspec import Struct, field

from acd_pbx.asterisk.names import bridge_of
from acd_protocol.words import (
    AgentChanged,
    ContactCallbackChanged,
    ContactConnected,
    ContactEnded,
    ContactLeft,
    ContactOffered,
    ContactOverflowed,
    ContactQueued,
    ContactWrapup,
    Event,
    OfferEnded,
)

NS_PER_S = 1_000_000_000
INFO_MAX = 40
"""Asterisk cuts the text of WITHDRAW there."""


REFUSALS = {
    "full": "FULL",
    "nobody": "JOINEMPTY",
    "all_paused": "JOINEMPTY",
    "closed": "CLOSED",
    "wait_estimate": "DIVERTED",
}
"""How a contact is refused that goes on to another queue, by the cause."""
REFUSED = {"queue_full": "FULL", "no_agents": "JOINEMPTY", "diverted": "DIVERTED"}
"""And one that ends thereby."""
MOVED = {"nobody": "no_agents", "all_paused": "no_agents", "closed": "diverted"}
"""How a stint ends that goes on in another queue, by the cause; by any other for having lasted too long."""


class Known(NamedTuple):
    """What the adapter knows of a contact, and no event tells."""

    callid: str
    number: str = ""
    key: str = ""
    transfer: tuple[str, ...] = ()
    """Empty, or `("blind", exten, context)`, or `("attended", channel, channel)`."""
    lost: bool = False


class Stint(Struct):
    """A contact in a queue.

    Attributes:
        position: at its entry; entered, connected: when, in nanoseconds; connected is 0 before.
        offers: when each open offer began, by its id.
    """

    queue: str
    position: int
    entered: int
    connected: int = 0
    agent: str = ""
    offers: dict[str, int] = field(default_factory=dict)


class Session(Struct):
    """An agent who is logged in: since when, and whether he is paused."""

    since: int
    paused: bool = False


class Memory(Struct):
    """What a restart has to know.

    Attributes:
        seq: of the last event that was dealt with; at: when it was.
        stints: by contact; sessions: by agent; waiting: contacts by queue, the first to be served first.
        callbacks: contacts that are to be called back.
    """

    seq: int = 0
    at: int = 0
    stints: dict[str, Stint] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    waiting: dict[str, list[str]] = field(default_factory=dict)
    callbacks: set[str] = field(default_factory=set)


class QueueLog:
    """Turns events into lines.

    Args:
        memory: of an earlier life.
        known: tells what the adapter knows of a contact.
        several_tenants: whether queues are called `tenant/queue`, rather than `queue`.
    """

    def __init__(self, memory: Memory, known: Callable[[str], Known], several_tenants: bool = False) -> None:
        self.memory = memory
        self._known = known
        self._several_tenants = several_tenants
        self._lines: list[str] = []

    def lines_of(self, event: Event) -> list[str]:
        """The lines of an event, without line ends. An event that was dealt with before gives none."""
        if event.seq <= self.memory.seq:
            return []
        self.memory.seq = event.seq
        self.memory.at = max(self.memory.at, event.at)
        match event:
            case ContactQueued():
                self._enter(event)
            case ContactOverflowed():
                self._overflow(event)
            case ContactCallbackChanged():
                self._callback(event)
            case ContactOffered():
                if event.callback and event.contact not in self.memory.stints:
                    self._begin(event, 1)
                stint = self.memory.stints.get(event.contact)
                if stint is not None:
                    stint.offers[event.offer] = event.at
            case OfferEnded():
                self._ring_end(event)
            case ContactConnected():
                self._connect(event)
            case ContactLeft():
                stint = self.memory.stints.get(event.contact)
                if stint is not None and stint.agent == event.agent:
                    self._close(event.contact, "left")
            case ContactWrapup() | ContactEnded():
                self._end(event)
            case AgentChanged():
                self._agent(event)
        lines, self._lines = self._lines, []
        return lines

    def reconcile(self, live: Collection[str]) -> list[str]:
        """The ends of contacts of which the engine knows no more, because their events were missed for good."""
        self.memory.callbacks.intersection_update(live)
        for contact in [contact for contact in self.memory.stints if contact not in live]:
            self._close(contact, "completed_caller" if self.memory.stints[contact].connected else "abandoned")
        lines, self._lines = self._lines, []
        return lines

    # Contacts

    def _enter(self, event: ContactQueued) -> None:
        memory = self.memory
        if event.contact in memory.callbacks:
            stint = memory.stints.get(event.contact)
            if stint is None or not stint.connected:
                return  # nobody is on the phone
            memory.callbacks.discard(event.contact)
        if event.contact in memory.stints:
            # It goes on from another queue, or from an agent: that stint is over.
            target = self._name(event.tenant, event.queue)
            self._close(event.contact, "transferred" if memory.stints[event.contact].connected else "max_wait", target)
        self._begin(event, event.position)

    def _begin(self, event: ContactQueued | ContactOffered, position: int) -> None:
        memory = self.memory
        queue = self._name(event.tenant, event.queue)
        memory.stints[event.contact] = Stint(queue, position, event.at)
        line = memory.waiting.setdefault(queue, [])
        line.insert(min(position - 1, len(line)), event.contact)
        known = self._known(event.contact)
        self._write(known.callid, queue, "", "ENTERQUEUE", "", known.number, position)

    def _overflow(self, event: ContactOverflowed) -> None:
        """It goes on to another queue: from the one that it waited in, or from one that did not let it in."""
        if event.contact in self.memory.callbacks:
            return
        queue, stint = self._name(event.tenant, event.queue), self.memory.stints.get(event.contact)
        if stint is not None and stint.queue == queue and not stint.connected:
            self._close(event.contact, MOVED.get(event.cause, "max_wait"))
        elif event.cause in REFUSALS:
            self._write(self._known(event.contact).callid, queue, "", REFUSALS[event.cause])

    def _callback(self, event: ContactCallbackChanged) -> None:
        """A caller has left, to be called back; or an attempt to do so is over."""
        self.memory.callbacks.add(event.contact)
        if event.contact in self.memory.stints:
            self._close(event.contact, "completed_caller" if event.cause else "callback")

    def _ring_end(self, event: OfferEnded) -> None:
        stint = self.memory.stints.get(event.contact)
        if stint is None:
            return
        rang_ms = (event.at - stint.offers.pop(event.offer, event.at)) // 1_000_000
        word = "RINGCANCELED" if event.outcome == "withdrawn" else "RINGNOANSWER"
        self._write(self._known(event.contact).callid, stint.queue, event.agent, word, rang_ms)

    def _connect(self, event: ContactConnected) -> None:
        stint = self.memory.stints.get(event.contact)
        if stint is None:
            return
        self._leave_line(event.contact, stint)
        stint.connected, stint.agent = event.at, event.agent
        rang = event.at - stint.offers.pop(event.offer, event.at)
        waited = event.at - stint.entered
        self._write(
            self._known(event.contact).callid,
            stint.queue,
            event.agent,
            "CONNECT",
            waited // NS_PER_S,
            f"{event.offer}-{event.contact}",
            rang // NS_PER_S,
        )

    def _end(self, event: ContactWrapup | ContactEnded) -> None:
        stint = self.memory.stints.get(event.contact)
        called_back = event.contact in self.memory.callbacks
        if isinstance(event, ContactEnded):
            self.memory.callbacks.discard(event.contact)
        if isinstance(event, ContactWrapup) and (stint is None or stint.agent != event.agent):
            return  # he has left it, and wraps up while it waits for another or talks on
        if stint is not None:
            self._close(event.contact, event.reason)
        elif isinstance(event, ContactEnded) and event.reason in REFUSED and not called_back:
            word, queue = REFUSED[event.reason], self._name(event.tenant, event.queue)
            self._write(self._known(event.contact).callid, queue, "", word)

    def _close(self, contact: str, reason: str, target: str = "") -> None:
        """Write how a stint ended, and forget it."""
        memory = self.memory
        stint = memory.stints.pop(contact)
        known = self._known(contact)
        if stint.connected:
            held = (stint.connected - stint.entered) // NS_PER_S
            talked = (memory.at - stint.connected) // NS_PER_S
            word, data = _end_of_talk(contact, reason, known, target)
            self._write(known.callid, stint.queue, stint.agent, word, *data, held, talked, stint.position)
            return
        position = self._leave_line(contact, stint)
        waited = (memory.at - stint.entered) // NS_PER_S
        places = (position, stint.position, waited)
        if known.key and reason in ("withdrawn", "callback"):
            self._write(known.callid, stint.queue, "", "EXITWITHKEY", known.key, *places)
        elif reason in ("withdrawn", "callback"):
            info = "callback" if reason == "callback" else "lost" if known.lost else ""
            self._write(known.callid, stint.queue, "", "WITHDRAW", *places, info)
        elif reason in ("max_wait", "diverted"):
            self._write(known.callid, stint.queue, "", "EXITWITHTIMEOUT", *places)
        elif reason == "no_agents":
            self._write(known.callid, stint.queue, "", "EXITEMPTY", *places)
        else:
            self._write(known.callid, stint.queue, "", "ABANDON", *places)

    def _leave_line(self, contact: str, stint: Stint) -> int:
        """Take a contact out of the line; gives the position that it had, or that of its entry."""
        line = self.memory.waiting.get(stint.queue, [])
        if contact not in line:
            return stint.position
        position = line.index(contact) + 1
        del line[position - 1]
        return position

    # Agents

    def _agent(self, event: AgentChanged) -> None:
        sessions = self.memory.sessions
        session = sessions.get(event.agent)
        if event.state == "logged_out":
            if session is not None:
                del sessions[event.agent]
                if session.paused:
                    self._write("", "", event.agent, "UNPAUSEALL", "")
                lasted = (event.at - session.since) // NS_PER_S
                self._write("", "", event.agent, "AGENTLOGOFF", event.agent, lasted)
            return
        if session is None:
            session = sessions[event.agent] = Session(event.at)
            self._write("", "", event.agent, "AGENTLOGIN", event.agent)
        if event.state == "paused" and not session.paused:
            session.paused = True
            self._write("", "", event.agent, "PAUSEALL", event.reason)
        elif event.state == "ready" and session.paused:
            session.paused = False
            self._write("", "", event.agent, "UNPAUSEALL", "")

    # Lines

    def _name(self, tenant: str, queue: str) -> str:
        return f"{tenant}/{queue}" if self._several_tenants else queue

    def _write(self, callid: str, queue: str, agent: str, word: str, *data: object) -> None:
        second = self.memory.at // NS_PER_S
        fields = [str(second), callid or "NONE", queue or "NONE", agent or "NONE", word, *map(str, data or ("",))]
        self._lines.append("|".join(field.translate(_UNSAFE) for field in fields))


def start_line(at: int) -> str:
    """The first line of a file."""
    return f"{at // NS_PER_S}|NONE|NONE|NONE|QUEUESTART|"


def _end_of_talk(contact: str, reason: str, known: Known, target: str) -> tuple[str, tuple[str, ...]]:
    """The word for the end of a conversation, and the fields that come before its times."""
    if reason == "left":
        return "ATTENDEDTRANSFER", ("BRIDGE", bridge_of(contact))
    if reason == "transferred" and known.transfer[:1] == ("attended",):
        return "ATTENDEDTRANSFER", ("LINK", *known.transfer[1:])
    if reason == "transferred":
        return "BLINDTRANSFER", known.transfer[1:] or (target, "acd")
    return ("COMPLETEAGENT" if reason in ("completed_agent", "callback_done") else "COMPLETECALLER"), ()


_UNSAFE = str.maketrans({"|": "_", "\n": " ", "\r": " "})
