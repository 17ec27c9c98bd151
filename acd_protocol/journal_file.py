"""A journal, for those who only read it, in whichever of two forms a data directory holds it.

The form that servers begin with is a row of files, see `acd_protocol.segments`. The other is one SQLite database: table
`meta` with the journal's uuid, table `record` with one row a record; of that a reader makes a copy first, so that it can
neither hold up a server nor change a byte of what is being looked at.
"""

import fcntl
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path

import msgspec

from acd_protocol import journal_records, segments
from acd_protocol.journal_records import DamagedRecord, Record, Stored, Tail

FILE_NAME = "journal.sqlite"
LOCK_NAME = "lock"
APPLICATION_ID = 0x41434431
SCHEMA_VERSION = 2
"""Of a journal that was trimmed; one that was not has 1, so that earlier releases read it."""
BEGIN = "begin"
"""Where `meta` keeps the tail of the last record that was trimmed."""
COPY_ATTEMPTS = 5
"""So many times a copy beside a running server is tried; between two checkpoints it is some seconds at least."""


class UnreadableJournal(Exception):  # noqa: N818 - the name says what was found
    """There is no journal, or it cannot be read now; the message says what to do."""


def begin_of(uuid: bytes, stored: bytes | None) -> Tail:
    """The tail before the first record, of what `meta` keeps of it. Raises `DamagedRecord`."""
    if stored is None:
        return Tail(uuid)
    try:
        return Tail(uuid, *msgspec.msgpack.decode(stored, type=tuple[int, int, bytes, int, bool]))
    except msgspec.DecodeError as error:
        raise DamagedRecord("the journal has lost its beginning: restore it from a backup") from error


def begin_as_stored(tail: Tail) -> bytes:
    """What `begin_of` reads."""
    return msgspec.msgpack.encode(tail[1:])


def read_copy(directory: Path, *, beside_server: bool = False) -> Iterator[Record]:
    """Every record of the journal in `directory`; see `read_stored`. A journal that was trimmed begins later than 1."""
    for stored in read_stored(directory, beside_server=beside_server):
        yield stored.record


def begin_of_copy(directory: Path) -> Tail:
    """What comes before the first record, beside a server or not. Raises like `read_stored`."""
    for stored in read_stored(directory, beside_server=True):
        return stored.before
    return Tail(bytes(16))


def is_in(directory: Path) -> bool:
    """Whether a directory holds a journal."""
    return directory.is_dir() and ((directory / FILE_NAME).is_file() or bool(segments.found_in(directory)))


def is_file_of_one(path: Path) -> bool:
    """Whether a path is named like the file, or one of the files, of a journal."""
    return path.name == FILE_NAME or (path.name.startswith(segments.PREFIX) and path.name.endswith(segments.SUFFIX))


def read_stored(directory: Path, *, beside_server: bool = False) -> Iterator[Stored]:
    """Every record of the journal in `directory`, verified.

    Args:
        directory: where the journal is.
        beside_server: whether a server may work in it meanwhile. Then the latest records may be missing.

    Raises:
        UnreadableJournal: there is none, a server works in it that must not, or it is no journal of this release.
        DamagedRecord: a record cannot be trusted.
    """
    if not is_in(directory):
        raise UnreadableJournal(f"there is no journal in {directory}: name the data directory of a server")
    with nullcontext() if beside_server else _without_server(directory):
        if (directory / FILE_NAME).is_file():
            yield from _read_database(directory / FILE_NAME, beside_server=beside_server)
            return
        try:
            yield from segments.read(directory)
        except OSError as error:
            raise UnreadableJournal(
                f"the journal in {directory} cannot be read ({error.strerror or error}): try again, or name a copy of the directory"
            ) from error


def _read_database(path: Path, *, beside_server: bool) -> Iterator[Stored]:
    """The records of a database, from a copy that is made first and removed at the end; made of some moment meanwhile."""
    with tempfile.TemporaryDirectory(prefix="acd-journal-") as copies:
        copy = Path(copies) / FILE_NAME
        try:
            if beside_server:
                _copy_beside_server(path, copy)
            else:
                _copy(path, copy)
        except OSError as error:
            raise UnreadableJournal(f"{path} cannot be copied to {copies}: {error.strerror or error}") from error
        yield from _records(path, copy)


@contextmanager
def _without_server(directory: Path) -> Iterator[None]:
    """Keep servers from beginning to work in a directory. Raises `UnreadableJournal` if one does."""
    lock = directory / LOCK_NAME
    descriptor = os.open(lock, os.O_RDONLY | os.O_CLOEXEC) if lock.exists() else -1
    try:
        if descriptor >= 0:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UnreadableJournal(
                    f"a server works in {directory}: stop it, or name a copy of the directory"
                ) from None
        yield
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _copy(path: Path, copy: Path) -> None:
    """Copy the database and its log while no server can write to them."""
    for suffix in ("", "-wal"):
        source = path.with_name(path.name + suffix)
        if source.exists():
            shutil.copyfile(source, copy.with_name(copy.name + suffix))


def _copy_beside_server(path: Path, copy: Path) -> None:
    """Copy the database and its log while a server may write to them.

    Between two checkpoints only the log grows, and SQLite passes over what is torn at its end. So a copy is whole when
    the database was not changed while both were copied. What was copied is flushed, so that no power loss takes from the
    server what a reader knows. The chain of the records tells if that was not so after all.
    """
    log = path.with_name(f"{path.name}-wal")
    for _ in range(COPY_ATTEMPTS):
        before = path.stat()
        shutil.copyfile(path, copy)
        copied_log = copy.with_name(f"{copy.name}-wal")
        copied_log.unlink(missing_ok=True)
        if log.exists():
            shutil.copyfile(log, copied_log)
            segments.flush(log)
        after = path.stat()
        if (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, after.st_size):
            return
    raise UnreadableJournal(
        f"a server writes to {path.parent} faster than it can be copied: name a copy of the directory"
    )


def _records(path: Path, copy: Path) -> Iterator[Stored]:
    try:
        with closing(sqlite3.connect(copy)) as connection:
            connection.text_factory = bytes  # a damaged row may claim to be text
            (application,) = connection.execute("PRAGMA application_id").fetchone()
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if application != APPLICATION_ID or version > SCHEMA_VERSION:
                raise UnreadableJournal(f"{path} is no journal of this release: start the release that wrote it")
            row = connection.execute("SELECT value FROM meta WHERE key='uuid'").fetchone()
            if row is None:
                raise UnreadableJournal(f"{path} has lost its identity: restore the data directory from a backup")
            begin = connection.execute("SELECT value FROM meta WHERE key=?", (BEGIN,)).fetchone()
            tail = begin_of(row[0], None if begin is None else begin[0])
            for (data,) in connection.execute("SELECT data FROM record ORDER BY seq"):
                if not isinstance(data, bytes):
                    raise DamagedRecord(f"the journal is damaged at record {tail.seq + 1}: restore it from a backup")
                before = tail
                record, tail = journal_records.unpack(before, data)
                yield Stored(before, record, tail, data)
    except (sqlite3.Error, ValueError) as error:
        raise UnreadableJournal(f"{path} cannot be read ({error}): look at it with 'acd journal verify'") from error
