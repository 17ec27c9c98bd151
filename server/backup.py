"""Snapshots and backups of a data directory, beside a server or without one.

A server holds its journal for itself; whoever works beside it only reads.
"""

import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from acd_protocol import journal_file, snapshot_file
from acd_protocol.journal_file import UnreadableJournal, read_stored
from acd_protocol.journal_records import DamagedRecord, Stored, Tail, tail_of
from acd_protocol.snapshot_file import DamagedSnapshot, Header
from server.errors import Corrupt, DirectoryLocked, StartError
from server.journal import archive
from server.journal.archive import ArchiveWriter, Sums
from server.journal.lock import DirectoryLock
from server.journal.records import unpack
from server.journal.stores import journal_in
from server.recovery import EVENTS_KEPT, Recovered, Replica, recover

_LENGTH = struct.Struct("<I")
ROOM_KEPT_BYTES = 64 << 20
"""So much room a snapshot leaves on the disk for the journal, which needs it more."""
Told = Callable[[int], None]
"""Called with the number of each record that was dealt with."""


def stored_in(directory: Path) -> Iterator[Stored]:
    """The records of a journal, all of them durable, beside a server or not.

    Raises:
        StartError: there is none, or it cannot be read now.
        Corrupt: a record cannot be trusted.
    """
    try:
        yield from read_stored(directory, beside_server=_is_served(directory))
    except UnreadableJournal as error:
        raise StartError(str(error)) from error
    except DamagedRecord as damage:
        raise Corrupt(str(damage)) from damage


def _is_served(directory: Path) -> bool:
    """Whether a server works in a directory."""
    if not journal_file.is_in(directory):
        raise StartError(f"there is no journal in {directory}: give its directory with --data or ACD_DATA")
    try:
        DirectoryLock(directory).release()
    except DirectoryLocked:
        return True
    return False


def take_snapshot(directory: Path, told: Told) -> tuple[Path, Header]:
    """Take a snapshot of what is durable.

    Raises:
        StartError: as `stored_in`; or it cannot be written.
        Corrupt: as `stored_in`; or nothing can be made of what is there.
    """
    replica, tail = _newest_usable(directory)
    for stored in stored_in(directory):
        if tail is None:
            if stored.before.seq:
                raise Corrupt(
                    f"the journal begins after record {stored.before.seq}, and no snapshot of that can be read: "
                    "restore the data directory from a backup"
                )
            tail = stored.before
        if stored.record.seq > tail.seq:
            if stored.before != tail:
                raise Corrupt(f"the newest snapshot does not fit to record {stored.record.seq} of the journal")
            replica.apply(stored.record)
            tail = stored.tail
        told(stored.record.seq)
    if tail is None:
        raise StartError(f"the journal in {directory} is empty: there is nothing to take a snapshot of")
    return _store(directory, replica, tail)


def take_fed_snapshot(directory: Path, base: int, records: BinaryIO) -> tuple[Path, Header]:
    """Take a snapshot of the state after record `base`, which has one or is 0, and the records that are sent.

    Raises:
        Corrupt: a record, or the snapshot, cannot be trusted.
        StartError: it cannot be written.
    """
    tail: Tail | None = None
    replica = Replica(EVENTS_KEPT)
    if base:
        path = directory / snapshot_file.name_of(base)
        try:
            tail = snapshot_file.read_header(path).tail
            replica = Replica.of_snapshot(path, EVENTS_KEPT)
        except DamagedSnapshot as damage:
            raise Corrupt(str(damage)) from damage
    while head := records.read(_LENGTH.size):
        (length,) = _LENGTH.unpack(head)
        data = records.read(length)
        if tail is None:
            tail = Tail(tail_of(data).uuid)
        record, tail = unpack(tail, data)
        replica.apply(record)
    if tail is None:
        raise StartError("no records were sent: there is nothing to take a snapshot of")
    return _store(directory, replica, tail)


def _newest_usable(directory: Path) -> tuple[Replica, Tail | None]:
    for found in snapshot_file.found_in(directory) if directory.is_dir() else ():
        try:
            return Replica.of_snapshot(found.path, EVENTS_KEPT), snapshot_file.read_header(found.path).tail
        except DamagedSnapshot:
            continue  # the one before it will do
    return Replica(EVENTS_KEPT), None


def _store(directory: Path, replica: Replica, tail: Tail) -> tuple[Path, Header]:
    try:
        header, data = replica.snapshot(tail)
        room = snapshot_file.room_in(directory)
        if room < len(data) + ROOM_KEPT_BYTES:
            raise StartError(
                f"there is no room for a snapshot in {directory}: it has {len(data) >> 20} MiB, of the disk {room >> 20} MiB are "
                f"free, and {ROOM_KEPT_BYTES >> 20} MiB are left to the journal. Make room"
            )
        return snapshot_file.store(directory, header, data), header
    except DamagedSnapshot as damage:
        raise Corrupt(str(damage)) from damage
    except OSError as error:
        raise StartError(f"the snapshot cannot be written to {directory}: {error.strerror or error}") from error


def export(directory: Path, path: Path, told: Told) -> Sums:
    """Write everything that is durable into one file.

    Raises:
        StartError: as `stored_in`; or the file cannot be written.
        Corrupt: as `stored_in`.
    """
    if path.exists():
        raise StartError(f"{path} is there already: give another name")
    writer: ArchiveWriter | None = None
    snapshots = _sound_snapshots(directory)  # before the records, since a server may replace them by later ones
    try:
        count = last = 0
        for stored in stored_in(directory):
            if writer is None:
                begin = stored.before
                writer = ArchiveWriter(path, begin)
            writer.add(b"R", stored.data)
            count, last = count + 1, stored.record.seq
            told(last)
        if writer is None:
            raise StartError(f"the journal in {directory} is empty: there is nothing to export")
        kept = [data for seq, data in snapshots.items() if begin.seq <= seq <= last]
        if begin.seq and not kept:
            raise StartError(
                f"no snapshot in {directory} fits to record {begin.seq}, where its journal begins: try again"
            )
        for data in kept:
            writer.add(b"S", data)
        writer.finish()
    except OSError as error:
        if writer is not None:
            writer.give_up()
        raise StartError(f"{path} cannot be written: {error.strerror or error}") from error
    except BaseException:
        if writer is not None:
            writer.give_up()
        raise
    return Sums(len(kept), count, last)


def _sound_snapshots(directory: Path) -> dict[int, bytes]:
    """The snapshots that can be read, by record."""
    sound: dict[int, bytes] = {}
    for found in snapshot_file.found_in(directory) if directory.is_dir() else ():
        try:
            header, _ = snapshot_file.read(found.path)
            sound[header.seq] = found.path.read_bytes()
        except (DamagedSnapshot, FileNotFoundError):
            continue  # damaged, or removed by a server just now
    return sound


def restore(path: Path, directory: Path) -> Recovered:
    """Make a data directory of an export, and recover from it, to see that a server can. Whatever fails, nothing is left.

    Raises:
        StartError: the file cannot be read, or the directory is not empty or cannot be written.
        Corrupt: the file cannot be trusted.
    """
    begin = archive.begin_in(path)
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise StartError(f"{directory} is not empty: restore into a new directory, and then exchange the two")
    lock = DirectoryLock(directory)
    journal = journal_in(directory)
    done = False
    made: list[Path] = []
    try:
        with archive.closing_parts(path) as parts:
            journal.restore(begin, _records(parts, directory, begin, made))
        recovered = recover(journal, 0, snapshots=directory)
        journal.close()
        done = True
        return recovered
    except OSError as error:
        raise StartError(f"{directory} cannot be written: {error.strerror or error}") from error
    finally:
        if not done:
            journal.discard()
            for one in made:
                one.unlink(missing_ok=True)
        lock.release()


def _records(parts: Iterator[tuple[bytes, bytes]], directory: Path, begin: Tail, made: list[Path]) -> Iterator[bytes]:
    """The records of an archive; its snapshots are stored on the way."""
    for kind, data in parts:
        if kind == b"R":
            yield data
            continue
        try:
            header = snapshot_file.parse(data)
        except DamagedSnapshot as damage:
            raise Corrupt(f"the backup holds a snapshot that cannot be used: {damage}") from damage
        if header.uuid == begin.uuid:
            made.append(snapshot_file.store(directory, header, data))


def lower_priority() -> None:
    """Let everybody else go first."""
    os.nice(19)
