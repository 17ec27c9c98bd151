"""Ways to break the server, each of which the simulation must find: a check that cannot fail is worth nothing.

Each is a context within which the server, or its client, or the disk, is wrong in one way that somebody could bring about
by a change that looks harmless.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest import mock

import server.journal.sqlite
import server.recovery
import server.session
from acd_core import Outcome
from acd_core.commands import AgentPause, Command, ContactEnqueue
from acd_core.event_lines import EventLine
from acd_protocol.client import Client
from acd_protocol.journal_records import Tail, Tick
from server.errors import JournalError
from server.following import Following
from server.journal.segments import SegmentJournal
from server.journal.sqlite import SqliteJournal
from server.journal.writer import JournalWriter
from server.presence import Presence
from server.router import Router
from server.sequencer import Sequencer
from tests.simulation.disk import SimDisk
from tests.simulation.files import SimFiles

Sabotage = Callable[[], AbstractContextManager[Any]]


@contextmanager
def _both(one: AbstractContextManager[Any], other: AbstractContextManager[Any]) -> Iterator[None]:
    """Two at once: something of each kind of journal."""
    with one, other:
        yield


def answer_before_durable() -> AbstractContextManager[Any]:
    """Answers leave when the command is applied."""
    end_turn = Sequencer._end_turn

    def hasty(self: Sequencer) -> None:
        self._let_out()
        end_turn(self)

    return mock.patch.object(Sequencer, "_end_turn", hasty)


def failed_append_taken_for_done() -> AbstractContextManager[Any]:
    """An append that fails is answered all the same."""

    def fail(self: Sequencer, error: JournalError) -> None:
        self._durable(0)

    return mock.patch.object(Sequencer, "_fail", fail)


def no_flush() -> AbstractContextManager[Any]:
    """An append is not flushed."""
    connect = server.journal.sqlite._connect

    def unsafe(*args: Any, **kwargs: Any) -> Any:
        connection = connect(*args, **kwargs)
        connection.execute("PRAGMA synchronous=NORMAL")
        return connection

    return _both(
        mock.patch.object(server.journal.sqlite, "_connect", unsafe),
        mock.patch.object(SimFiles, "sync"),
    )


def disk_that_lies() -> AbstractContextManager[Any]:
    """The disk says that it has flushed, and has not."""
    make = SimDisk.__init__

    def liar(self: SimDisk, *args: Any) -> None:
        make(self, *args)
        self.lies = True

    return mock.patch.object(SimDisk, "__init__", liar)


def failed_flush_read_from_the_cache() -> AbstractContextManager[Any]:
    """What a start reads is not written again before something is built on it."""
    return _both(mock.patch.object(SqliteJournal, "_write_again"), mock.patch.object(SegmentJournal, "_write_again"))


def event_lost_on_resume() -> AbstractContextManager[Any]:
    """A client that resumes gets the events after the one that it misses first."""
    follow = Following._follow_from
    return mock.patch.object(Following, "_follow_from", lambda self, seq: follow(self, seq + 1))


def events_overtake() -> AbstractContextManager[Any]:
    """A new event does not wait for those that the client still has to catch up with."""
    take = Following.take

    def hasty(self: Following, event: EventLine) -> None:
        if self.cursor:
            self._follower.send(event.line)
        else:
            take(self, event)

    return mock.patch.object(Following, "take", hasty)


def event_to_the_wrong_client() -> AbstractContextManager[Any]:
    """The owner of the agent is not told of contacts that are not his."""

    def forgetful(self: Router, machine: Any) -> None:
        events = []
        for event in machine.take_lines():
            owner = event.contact_client
            events.append(EventLine(event.seq, event.line, owner, owner, event.topic, event.tenant, event.agent))
        self.route(events)

    return mock.patch.object(Router, "hand_out", forgetful)


def repeat_carried_out_again() -> AbstractContextManager[Any]:
    """A contact that is enqueued again after a reconnection is enqueued as another."""
    apply = ContactEnqueue.apply

    def twice(self: ContactEnqueue, machine: Any, now: int, client: str) -> int:
        outcome = apply(self, machine, now, client)
        return Outcome.OK if outcome == Outcome.DUPLICATE else outcome

    return mock.patch.object(ContactEnqueue, "apply", twice)


def grace_timer_lost() -> AbstractContextManager[Any]:
    """Nobody looks when a client's grace time is over."""
    return mock.patch.object(Presence, "_arm")


def deadline_timer_lost() -> AbstractContextManager[Any]:
    """Deadlines are noticed only when somebody says something."""
    return mock.patch.object(Sequencer, "_arm")


def silence_not_noticed() -> AbstractContextManager[Any]:
    """The kernel is not asked whether the other end of a connection is there."""
    return mock.patch.object(server.session, "notice_silence")


def time_lost_in_recovery() -> AbstractContextManager[Any]:
    """What the journal says about time is left out when it is read: a command happens when the one before it did."""
    replay = server.recovery.replay

    def careless(machine: Any, away: set[str], tick: Tick, record_seq: int) -> None:
        replay(machine, away, (max(machine.now, 1), tick[1]), record_seq)

    return mock.patch.object(server.recovery, "replay", careless)


def command_not_journaled() -> AbstractContextManager[Any]:
    """A kind of command is applied and answered, and not written down."""
    execute = Sequencer.execute

    def forgetful(self: Sequencer, client: str, line: bytes, command: Command) -> int:
        if isinstance(command, AgentPause) and not self.read_only:
            self._open_tick()
            return command.apply(self.machine, self._now, client)
        return execute(self, client, line, command)

    return mock.patch.object(Sequencer, "execute", forgetful)


def unanswered_not_sent_again() -> AbstractContextManager[Any]:
    """The client forgets what was unanswered when a connection breaks."""
    welcome = Client._on_welcome

    def forgetful(self: Client, connection: Any, message: Any) -> None:
        self._unanswered.clear()
        welcome(self, connection, message)

    return mock.patch.object(Client, "_on_welcome", forgetful)


def seal_left_out() -> AbstractContextManager[Any]:
    """A clean stop is not written down."""
    work = JournalWriter._work

    def forgetful(self: JournalWriter, batch: Any, idle: Callable[[], bool]) -> bool:
        if batch is None:
            self._tell(self._ended.set)
            return False
        return work(self, batch, idle)

    return mock.patch.object(JournalWriter, "_work", forgetful)


def fence_left_out() -> AbstractContextManager[Any]:
    """A server appends without having taken the right to."""

    def careless(self: object, owner: str, seen: Tail, time_ns: int) -> int:
        return seen.epoch + 1

    return _both(
        mock.patch.object(SqliteJournal, "fence", careless), mock.patch.object(SegmentJournal, "fence", careless)
    )


def read_only_for_good() -> AbstractContextManager[Any]:
    """A server that was held by a full disk takes no commands any more."""
    return mock.patch.object(Sequencer, "go_on")


SABOTAGES: tuple[Sabotage, ...] = (
    answer_before_durable,
    failed_append_taken_for_done,
    no_flush,
    disk_that_lies,
    event_lost_on_resume,
    events_overtake,
    event_to_the_wrong_client,
    repeat_carried_out_again,
    grace_timer_lost,
    deadline_timer_lost,
    silence_not_noticed,
    time_lost_in_recovery,
    command_not_journaled,
    unanswered_not_sent_again,
    seal_left_out,
    fence_left_out,
    read_only_for_good,
)
"""Those that a few seeds find. `failed_flush_read_from_the_cache` takes a failed flush, a start and a power failure in a
row, which one seed in thousands has."""
