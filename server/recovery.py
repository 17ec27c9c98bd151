"""From snapshot and journal back to the state: one path for the first start and for every restart."""

import contextlib
import gc
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from acd_core import Engine, Machine
from acd_core.dump_form import DumpError, decode
from acd_core.event_lines import EventLine, line_of
from acd_core.events import Addressed, AnyEvent
from acd_protocol import snapshot_file
from acd_protocol.journal_records import Record, Tail
from acd_protocol.snapshot_file import Body, DamagedSnapshot, Header
from server.clock import monotonic_ns, wall_ns
from server.errors import Corrupt, StartError
from server.journal.contract import Journal, Kind
from server.journal.records import Tick, ticks_of
from server.sequencer_core import replay_lines

EVENTS_KEPT = 65_536
"""So many of the latest events go into a snapshot, for clients that missed some while the server was restarted."""
DIGEST_ROWS_MAX = 100_000
"""Of more agents and contacts than this a snapshot holds no digest, which would take seconds; what was loaded is compared
with what was dumped all the same."""
_decode_event = msgspec.json.Decoder(AnyEvent).decode


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
        snapshot: number of the record after which they were applied; 0 for none.
        damaged: what is wrong with snapshots that could not be used.
        torn: whether something that is no sound record was behind the last one.
    """

    machine: Engine
    tail: Tail
    events: deque[EventLine]
    away: set[str]
    commands: int
    took_ns: int
    snapshot: int = 0
    damaged: tuple[str, ...] = ()
    torn: bool = False


class Replica:
    """The state that follows from records, from the beginning or from a snapshot on.

    Attributes:
        machine, events, away, commands: as in `Recovered`.
    """

    def __init__(self, events_kept: int) -> None:
        self.machine = Engine()
        self.events: deque[EventLine] = deque(maxlen=events_kept)
        self.away: set[str] = set()
        self.commands = 0

    @classmethod
    def of_snapshot(cls, path: Path, events_kept: int) -> "Replica":
        """The state that a snapshot holds. Raises `DamagedSnapshot`."""
        _, body = snapshot_file.read(path)
        replica = cls(events_kept)
        try:
            replica.machine = Engine.load(body.engine)
        except DumpError as error:
            raise DamagedSnapshot(f"the snapshot {path} cannot be used: {error}") from error
        replica.away = set(body.away)
        latest = body.events[-events_kept:] if events_kept else []
        replica.events.extend(
            line_of(Addressed(_decode_event(line), contact, agent)) for line, contact, agent in latest
        )
        return replica

    def apply(self, record: Record) -> None:
        """What follows from one more record. Raises `Corrupt` for one with something else than commands."""
        if record.kind is not Kind.BATCH:
            return
        for tick in ticks_of(record):
            replay(self.machine, self.away, tick, record.seq)
            self.events.extend(self.machine.take_lines())
        self.commands += record.commands

    def snapshot(self, tail: Tail) -> tuple[Header, bytes]:
        """The state as a snapshot, `tail` being the end of the journal that it follows from.

        What is written is loaded again first, and compared: a state that could not be restored is no snapshot.
        Raises `DamagedSnapshot` then.
        """
        machine = self.machine
        dump = machine.dump()
        loaded = Engine.load(dump)
        counts = machine.domain()
        digest = ""
        agents = sum(counts.agents.values())
        if agents + counts.contacts <= DIGEST_ROWS_MAX:
            digest = machine.digest()
        if decode(loaded.dump()) != decode(dump) or (digest and loaded.digest() != digest):
            raise DamagedSnapshot(
                "the state cannot be restored from its own snapshot, which was thrown away: report it; the journal "
                "is not concerned"
            )
        header = Header(
            uuid=tail.uuid,
            seq=tail.seq,
            epoch=tail.epoch,
            hash=tail.hash,
            time_ns=tail.time_ns,
            sealed=tail.sealed,
            taken_ns=wall_ns(),
            events=machine.seq,
            contacts=counts.contacts,
            agents=agents,
            digest=digest,
        )
        events = [(event.line.rstrip(), event.contact_client, event.agent_client) for event in self.events]
        return header, snapshot_file.encode(header, Body(engine=dump, away=sorted(self.away), events=events))


def recover(
    journal: Journal, events_kept: int, progress: Progress | None = None, snapshots: Path | None = None
) -> Recovered:
    """Open `journal` and apply what it holds, from the newest snapshot on that can be read; keeps the latest events.

    Snapshots are looked for in the directory `snapshots`; without it the first record is the beginning.

    Raises:
        Corrupt: journal or snapshots cannot be trusted, or hold what this version cannot read. Nothing was changed.
        StartError: `progress.stopped` was set.
    """
    started_ns = monotonic_ns()
    progress = progress or Progress()
    damaged: list[str] = []
    headers: list[tuple[Path, Header]] = []
    for found in snapshot_file.found_in(snapshots) if snapshots is not None else ():
        try:
            headers.append((found.path, snapshot_file.read_header(found.path)))
        except DamagedSnapshot as damage:
            damaged.append(str(damage))
    tail = journal.open([header.tail for _, header in headers])
    progress.of = tail.seq
    _refuse_strangers(journal, tail, headers)
    with _no_garbage():
        replica, after = _first_usable(journal, headers, events_kept, damaged)
        for record in journal.read(after):
            if progress.stopped:
                raise StartError("the start was stopped while the journal was read")
            replica.apply(record)
            progress.commands = replica.commands
            progress.records = record.seq
    return Recovered(
        replica.machine,
        tail,
        replica.events,
        replica.away,
        replica.commands,
        monotonic_ns() - started_ns,
        0 if after is None else after.seq,
        tuple(damaged),
        journal.torn,
    )


@contextlib.contextmanager
def _no_garbage() -> Iterator[None]:
    """Nearly all that is made here stays, and leaves no cycles behind: the collector would look through it in vain, again
    and again as it grows.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _refuse_strangers(journal: Journal, tail: Tail, headers: Sequence[tuple[Path, Header]]) -> None:
    """A snapshot of a record that the journal does not hold means that the journal is not what it was."""
    for path, header in headers:
        if header.uuid != tail.uuid:
            raise Corrupt(f"the snapshot {path} belongs to another journal: remove what does not belong together")
        if header.seq > tail.seq:
            raise Corrupt(
                f"the journal ends at record {tail.seq}, and the snapshot {path} holds record {header.seq}: the journal "
                "has lost its end. Keep a copy of the data directory, then restore it from a backup"
            )
        if header.seq >= journal.begin.seq and not journal.holds(header.tail):
            raise Corrupt(f"the snapshot {path} is of another record {header.seq} than that of the journal")


def _first_usable(
    journal: Journal, headers: Sequence[tuple[Path, Header]], events_kept: int, damaged: list[str]
) -> tuple[Replica, Tail | None]:
    """The state of the newest snapshot that can be read, and what it holds; None for the beginning."""
    for path, header in headers:
        if header.seq < journal.begin.seq:
            break
        try:
            return Replica.of_snapshot(path, events_kept), header.tail
        except DamagedSnapshot as damage:
            damaged.append(str(damage))
    if journal.begin.seq:
        raise Corrupt(
            f"the journal begins after record {journal.begin.seq}, and no snapshot of what was before can be read"
            f"{''.join(f'; {one}' for one in damaged)}: restore the data directory from a backup"
        )
    return Replica(events_kept), None


def check_snapshots(journal: Journal, directory: Path) -> list[int]:
    """Compare each snapshot with what follows from the one before it, or from the beginning; gives their numbers.

    Raises:
        Corrupt: a record or a snapshot cannot be trusted, or they do not agree.
    """
    paths = [found.path for found in reversed(snapshot_file.found_in(directory))]
    journal.open()
    replica: Replica | None = Replica(0) if not journal.begin.seq else None
    after = journal.begin
    checked = []
    try:
        for path in paths:
            header = snapshot_file.read_header(path)
            stored = Replica.of_snapshot(path, 0)
            if header.seq >= after.seq and replica is not None:
                for record in journal.read(after):
                    if record.seq > header.seq:
                        break
                    replica.apply(record)
                if decode(replica.machine.dump()) != decode(stored.machine.dump()) or replica.away != stored.away:
                    raise Corrupt(f"the snapshot {path} is not what the journal says: remove it, and report it")
            replica, after = stored, header.tail
            checked.append(header.seq)
    except DamagedSnapshot as damage:
        raise Corrupt(str(damage)) from damage
    return checked


def replay(machine: Machine, away: set[str], tick: Tick, record_seq: int) -> None:
    """Apply one tick as the sequencer did. Raises `Corrupt` for a line that is no command."""
    now, lines = tick
    if not lines:
        machine.advance(now)
    if replay_lines(machine, away, now, lines) < len(lines):
        raise Corrupt(
            f"journal record {record_seq} holds a command that this release cannot read: start the release that wrote it"
        )
