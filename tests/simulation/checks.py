"""What must hold of a simulation, whatever went wrong in it: its evidence against a replay of what the disk holds.

The journal on the disk is applied to a new engine, and each command's answer is worked out as the server does. Then:

- every answer that a client got is the replay's, so nothing that was acknowledged is lost, and nothing else was said;
- a command that happens once, such as enqueueing a contact or accepting an offer, was carried out at most once;
- a command that was sent after another was answered comes after it in the journal (real-time order), and the commands
  of one program come in the order in which it sent them;
- every event that a client got is the replay's, in order and once; none that was its due is missing, unless a gap said so;
- every contact that was enqueued is live or has ended once.

All of it takes time in proportion to the evidence.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from acd_core import Engine, Machine, Outcome
from acd_core.commands import (
    Command,
    ContactAbandon,
    ContactComplete,
    ContactEnqueue,
    ContactWithdraw,
    OfferAccept,
    OfferReject,
)
from acd_core.events import Addressed, ContactEnded, ContactQueued, Event
from acd_protocol.framing import decode_from_client, decode_from_server
from acd_protocol.journal_records import Kind, Record
from acd_protocol.messages import Error, Gap, Ok
from server import answers
from server.journal.records import ticks_of
from server.sequencer import apply_command, note_presence
from tests.simulation.history import Answer, Heard, History, Sent

HAPPENS_ONCE = (ContactEnqueue, ContactAbandon, ContactComplete, ContactWithdraw, OfferAccept, OfferReject)


class Violation(Exception):  # noqa: N818 - says what happened
    """Something that must hold does not."""


class Replay:
    """The truth: what the journal says has happened.

    Attributes:
        machine: after all of it.
        away: clients that were said to be away.
        answers: by client and id of a command, place in the journal, outcome and answer of each time it was applied.
        events: all, the one with `seq` n at n - 1.
    """

    def __init__(self, records: Iterable[Record], machine: Machine | None = None) -> None:
        self.machine: Machine = machine or Engine()
        self.away: set[str] = set()
        self.answers: dict[tuple[str, object], list[tuple[int, int, Answer]]] = {}
        self.events: list[Addressed] = []
        self.commands = 0
        for record in records:
            if record.kind is Kind.BATCH:
                for now, lines in ticks_of(record):
                    self._tick(now, lines)

    def _tick(self, now: int, lines: Sequence[tuple[str, bytes]]) -> None:
        machine = self.machine
        if not lines:
            machine.advance(now)
        for client, line in lines:
            command = decode_from_client(line)
            if not isinstance(command, Command):
                raise Violation(f"the journal holds a line that is no command: {line!r}")
            outcome = apply_command(machine, command, now, client)
            note_presence(self.away, command, client)
            self.commands += 1
            if command.id is not None:
                answer = as_answer(decode_from_server(answers.to_command(command, outcome, machine)))
                self.answers.setdefault((client, command.id), []).append((self.commands, outcome, answer))
        self.events += machine.take_events()


def as_answer(message: object) -> Answer:
    """An answer in the form in which `History` holds it."""
    if isinstance(message, Error):
        return (message.code, message.number, message.message)
    assert isinstance(message, Ok)
    return message


def check(history: History, replay: Replay) -> None:
    """Raise `Violation` for the first thing that does not hold."""
    places = check_answers(history.sent, replay)
    check_order(history.sent, places)
    check_once(history.sent, replay)
    for heard in history.heard:
        check_events(heard, replay)
    check_contacts(history.sent, replay)


def check_answers(sent: list[Sent], replay: Replay) -> dict[int, int]:
    """Every answer is the replay's; gives the place in the journal of each answered command, by its index."""
    places: dict[int, int] = {}
    for index, one in enumerate(sent):
        if one.answer is None:
            continue
        found = replay.answers.get((one.client, one.command.id), [])
        for place, _, answer in found:
            if answer == one.answer:
                places[index] = place
                break
        else:
            if isinstance(one.answer, tuple) and one.answer[1] // 100 in (5, 6):
                continue  # not carried out, and said so
            raise Violation(
                f"an acknowledged command is not in the journal as it was answered: {one}; the journal has {found}"
            )
    return places


def check_order(sent: list[Sent], places: dict[int, int]) -> None:
    """What was sent after an answer came is applied after what was answered."""
    answered = sorted((sent[index].answered_ns, place) for index, place in places.items())
    latest = 0
    position = 0
    for index in sorted(places, key=lambda index: sent[index].sent_ns):
        while position < len(answered) and answered[position][0] < sent[index].sent_ns:
            latest = max(latest, answered[position][1])
            position += 1
        if places[index] <= latest:
            raise Violation(f"a command overtook one that was answered before it was sent: {sent[index]}")


def check_once(sent: list[Sent], replay: Replay) -> None:
    """What happens once happened at most once; the first time of each command is in the order of sending."""
    last: dict[tuple[str, int], int] = {}
    for one in sent:
        found = replay.answers.get((one.client, one.command.id), [])
        if not found:
            continue
        if isinstance(one.command, HAPPENS_ONCE) and sum(outcome == Outcome.OK for _, outcome, _ in found) > 1:
            raise Violation(f"a command was carried out twice: {one}: {found}")
        program = (one.client, one.life)
        if found[0][0] <= last.get(program, 0):
            raise Violation(f"the commands of a program are not in the order of sending: {one}")
        last[program] = found[0][0]


def check_events(heard: Heard, replay: Replay) -> None:
    """Events are the replay's, in order, once; and all that were due, but for what a gap announced."""
    if heard.since < 0:
        if heard.items:
            raise Violation(f"{heard.client} heard events before it was welcomed: {heard.items[0]}")
        return
    due = due_events(heard, replay)
    position = 0
    skip_to = 0
    last = 0
    for item in heard.items:
        if isinstance(item, Gap):
            skip_to = max(skip_to, item.first_seq)
            continue
        if item.seq <= last:
            raise Violation(f"{heard.client}: an event came out of order, or twice: {item} after {last}")
        last = item.seq
        if item.seq > len(replay.events) or replay.events[item.seq - 1].event != item:
            raise Violation(f"{heard.client} heard of what is not in the journal: {item}")
        while position < len(due) and due[position].seq < item.seq:
            missed = due[position]
            position += 1
            if missed.seq >= skip_to:
                raise Violation(f"{heard.client} (life {heard.life}) missed an event, and no gap was told: {missed}")
        if position < len(due) and due[position].seq == item.seq:
            position += 1
    for missed in due[position:]:
        if skip_to <= missed.seq <= heard.due_until:
            raise Violation(f"{heard.client} never heard of {missed}")


def due_events(heard: Heard, replay: Replay) -> list[Event]:
    """What that life should have heard."""
    since, everything_since = heard.since, heard.everything_since
    return [
        event
        for event, contact_client, agent_client in replay.events[since:]
        if heard.client in (contact_client, agent_client) or 0 <= everything_since < event.seq
    ]


def check_contacts(sent: list[Sent], replay: Replay) -> None:
    """No contact is lost, none is there twice."""
    queued: dict[str, int] = {}
    ended: dict[str, int] = {}
    for event, _, _ in replay.events:
        if isinstance(event, ContactQueued):
            queued[event.contact] = queued.get(event.contact, 0) + 1
        elif isinstance(event, ContactEnded):
            ended[event.contact] = ended.get(event.contact, 0) + 1
    live = {view.contact for view in replay.machine.contacts()}
    for one in sent:
        if isinstance(one.command, ContactEnqueue) and isinstance(one.answer, Ok):
            contact = one.command.contact
            if (contact in live) + ended.get(contact, 0) != 1 or queued.get(contact, 0) > 1:
                raise Violation(
                    f"contact {contact} is {'live' if contact in live else 'not live'}, was queued "
                    f"{queued.get(contact, 0)} times and ended {ended.get(contact, 0)} times"
                )


def check_same_state(machine: Any, other: Any, what: str) -> None:
    """Two machines are in one state."""
    if machine.digest() != other.digest():
        raise Violation(f"{what} differ: {machine.seq} and {other.seq} events, digests differ")
