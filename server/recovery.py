"""From the journal back to the state: one path for the first start and for every restart."""

from collections import deque
from typing import NamedTuple

from acd_core import Engine, Machine
from acd_core.commands import Command
from acd_core.events import Addressed
from acd_protocol.framing import decode_from_client
from server.clock import monotonic_ns
from server.errors import Corrupt, StartError
from server.journal.contract import Journal, Kind, Tail
from server.journal.records import Tick, ticks_of
from server.sequencer import apply_command, note_presence


class Progress:
    """How far a recovery has come. It is read while the recovery runs in another thread.

    Attributes:
        state: what the server does, for who asks whether it is ready.
        records: of the journal, applied so far; of: how many there are, 0 until that is known.
        commands: applied so far.
        stopped: set by who does not want the outcome any more.
    """

    __slots__ = ("commands", "of", "records", "state", "stopped")

    def __init__(self) -> None:
        self.state = "recovering"
        self.records = 0
        self.of = 0
        self.commands = 0
        self.stopped = False


class Recovered(NamedTuple):
    """What a journal held.

    Attributes:
        machine: in the state after the last record.
        tail: of the journal.
        events: the latest, oldest first, for those who missed them.
        away: names of the clients that are away, see `server.presence`.
        commands: how many were applied again.
        took_ns: real time that it took.
    """

    machine: Machine
    tail: Tail
    events: deque[Addressed]
    away: set[str]
    commands: int
    took_ns: int


def recover(journal: Journal, events_kept: int, progress: Progress | None = None) -> Recovered:
    """Open `journal` and apply what it holds to a new engine; keeps the latest `events_kept` events.

    Raises:
        Corrupt: it cannot be trusted, or holds commands that this version cannot read. Nothing was changed.
        StartError: `progress.stopped` was set.
    """
    started_ns = monotonic_ns()
    progress = progress or Progress()
    tail = journal.open()
    progress.of = tail.seq
    machine = Engine()
    events: deque[Addressed] = deque(maxlen=events_kept)
    away: set[str] = set()
    for record in journal.read():
        if progress.stopped:
            raise StartError("the start was stopped while the journal was read")
        if record.kind is Kind.BATCH:
            for tick in ticks_of(record):
                replay(machine, away, tick, record.seq)
                events.extend(machine.take_events())
            progress.commands += record.commands
        progress.records = record.seq
    return Recovered(machine, tail, events, away, progress.commands, monotonic_ns() - started_ns)


def replay(machine: Machine, away: set[str], tick: Tick, record_seq: int) -> None:
    """Apply one tick as the sequencer did. Raises `Corrupt` for a line that is no command."""
    now, lines = tick
    if not lines:
        machine.advance(now)
    for client, line in lines:
        command = decode_from_client(line)
        if not isinstance(command, Command):
            raise Corrupt(
                f"journal record {record_seq} holds a command that this release cannot read: "
                "start the release that wrote it"
            )
        apply_command(machine, command, now, client)
        note_presence(away, command, client)
