"""What was: a machine as it stood at an instant, or a decision as it was made, by feeding the journal to a fresh engine.

The journal is read from a copy, so a server that works in the directory is neither read nor held up. It takes as long as
applying all commands up to there, a second for a few hundred thousand, from the last snapshot before on if there is one.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from acd_core import Engine, Machine
from acd_core.views import Decision
from acd_protocol import snapshot_file
from acd_protocol.journal_file import UnreadableJournal, begin_of_copy, read_copy
from acd_protocol.journal_records import DamagedRecord, Kind, Record, Tail, Tick, ticks_of
from acd_protocol.snapshot_file import DamagedSnapshot
from server.errors import Corrupt, StartError
from server.recovery import Replica, replay

Progress = Callable[[int, int], None]
"""Told how many commands were applied, and the engine time that was reached."""


def state_at(directory: Path, at_ns: int, progress: Progress) -> Machine:
    """The machine at engine time `at_ns`, with everything that had happened by then.

    Raises:
        StartError: there is no journal, or it ends or begins on the wrong side of that time.
        Corrupt: a record cannot be trusted.
    """
    start = _start(directory, at_ns)
    machine, away, applied = start.machine, start.away, 0
    last_ns = start.after.time_ns
    for record, tick in _ticks(directory, start.after):
        if tick[0] > at_ns:
            break
        replay(machine, away, tick, record.seq)
        machine.discard_events()
        applied += len(tick[1])
        last_ns = tick[0]
        progress(applied, last_ns)
    if not last_ns:
        raise StartError(f"nothing had happened by then in the journal of {directory}: give a later --at")
    machine.advance(at_ns)
    machine.discard_events()
    return machine


def decision_of(directory: Path, offer: str, progress: Progress) -> Decision:
    """How an offer came about.

    Raises:
        StartError: there is no journal, or that is no id of an offer, or the journal ends before it was made.
        Corrupt: a record cannot be trusted.
    """
    start = _start(directory)
    machine, away, applied = start.machine, start.away, 0
    try:
        machine.watch_offer(offer)
    except ValueError as error:
        raise StartError(str(error)) from error
    for record, tick in _ticks(directory, start.after):
        replay(machine, away, tick, record.seq)
        machine.discard_events()
        applied += len(tick[1])
        progress(applied, tick[0])
        if machine.witnessed is not None:
            return machine.witnessed
    if start.after.seq:
        raise StartError(
            f"the journal of {directory} knows no offer {offer} after record {start.after.seq}, where it begins now: it was "
            "made before, or never"
        )
    raise StartError(f"the journal of {directory} knows no offer {offer}: it was never made, or only after its end")


class _Start(NamedTuple):
    """Where a look back begins: the state after a record."""

    machine: Engine
    away: set[str]
    after: Tail


def _start(directory: Path, at_ns: int = 0) -> _Start:
    """The newest snapshot from before a time; with 0, or without such a one, the beginning of the journal.

    Raises:
        StartError: there is no journal, or it was trimmed of what was before that time.
        Corrupt: what is there cannot be trusted.
    """
    try:
        begin = begin_of_copy(directory)
    except UnreadableJournal as error:
        raise StartError(str(error)) from error
    except DamagedRecord as error:
        raise Corrupt(str(error)) from error
    damaged = ""
    usable = []
    for found in snapshot_file.found_in(directory):
        try:
            header = snapshot_file.read_header(found.path)
        except DamagedSnapshot:
            continue
        if header.uuid == begin.uuid and header.seq >= begin.seq:
            usable.append((found.path, header.tail))
    if at_ns:
        usable = [one for one in usable if one[1].time_ns <= at_ns]
    elif begin.seq:
        usable.reverse()
    else:
        usable = []
    for path, tail in usable:
        try:
            replica = Replica.of_snapshot(path, 0)
        except DamagedSnapshot as damage:
            damaged = f"; {damage}"
            continue
        return _Start(replica.machine, replica.away, tail)
    if begin.seq:
        raise StartError(
            f"the journal of {directory} was trimmed of what was before that time{damaged}: journal_hours tells how much is kept"
        )
    return _Start(Engine(), set(), begin)


def _ticks(directory: Path, after: Tail) -> Iterator[tuple[Record, Tick]]:
    try:
        for record in read_copy(directory, beside_server=True):
            if record.kind is Kind.BATCH and record.seq > after.seq:
                for tick in ticks_of(record):
                    yield record, tick
    except UnreadableJournal as error:
        raise StartError(str(error)) from error
    except DamagedRecord as error:
        raise Corrupt(str(error)) from error
