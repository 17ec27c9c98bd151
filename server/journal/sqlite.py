"""A journal in one SQLite file, one row a record, for those who want its tools; and that of older data directories.

SQLite is used in the one way that its own history recommends for a log: a single connection that holds the file
exclusively, write-ahead log, a flush at every commit, checkpoints made by us between commits. Its checksums cover
neither rows nor, in a way that is told, the end of its log; so our records carry their own.
"""

import os
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from acd_protocol.journal_file import (
    APPLICATION_ID,
    BEGIN,
    FILE_NAME,
    SCHEMA_VERSION,
    begin_as_stored,
    begin_of,
)
from acd_protocol.journal_records import DamagedRecord, tail_of
from server.errors import Corrupt, Fatal, Full, JournalError, StartError
from server.journal import files, records
from server.journal.chained import ChainedJournal
from server.journal.contract import Kind, Record, Tail

__all__ = ["FILE_NAME", "SqliteJournal"]

CHECKPOINT_BYTES = 4 * 1024 * 1024
"""Size of SQLite's log from which on it is folded into the file when no append waits."""
CHECKPOINT_FORCED_BYTES = 16 * 1024 * 1024
"""Size from which on it is folded in even when an append waits."""
_PAGE_BYTES = 4096
_TABLES = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE record (seq INTEGER PRIMARY KEY, data BLOB NOT NULL)",
)
"""As SQLite keeps them, by their names."""
_SQLITE_ERRORS = (sqlite3.Error, ValueError)
"""A damaged file can also make the module fail to decode the text of its own error."""


class SqliteJournal(ChainedJournal):
    """See `server.journal.contract.Journal`. The directory must be locked by the caller."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self.path = directory / FILE_NAME
        self._connection: sqlite3.Connection | None = None
        self._log_bytes = 0

    @property
    def torn(self) -> bool:
        """See the contract: SQLite does not tell what it leaves out at the end of its log."""
        return False

    @property
    def stored_bytes(self) -> int:
        """See the contract."""
        names = (FILE_NAME, f"{FILE_NAME}-wal")
        return sum(path.stat().st_size for path in map(self.path.with_name, names) if path.exists())

    def open(self, trusted: Sequence[Tail] = ()) -> Tail:
        """See the contract."""
        try:
            if not self.path.exists():
                self._create()
            connection = self._connection = _connect(self.path, new=False)
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > SCHEMA_VERSION:
                raise Corrupt(
                    f"{self.path} has format version {version}, this server reads up to {SCHEMA_VERSION}: "
                    "start the newer release that wrote it"
                )
            # A flipped bit in the words of a table can make it another table, in which no record is found.
            if sorted(connection.execute("SELECT sql FROM sqlite_master")) != [(table.encode(),) for table in _TABLES]:
                raise Corrupt(self._damaged("its tables are not those of a journal"))
            row = connection.execute("SELECT value FROM meta WHERE key='uuid'").fetchone()
            if row is None or len(row[0]) != 16:
                raise Corrupt(f"{self.path} has lost its identity: restore the data directory from a backup")
            # Our chain cannot miss records that SQLite no longer shows at its end; the layout of the pages can.
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if found != b"ok":
                raise Corrupt(self._damaged(found.decode(errors="replace").splitlines()[-1]))
            begin = connection.execute("SELECT value FROM meta WHERE key=?", (BEGIN,)).fetchone()
            self._start = begin_of(row[0], None if begin is None else begin[0])
            self._tail = self._verify(next(filter(self.holds, trusted), self._start))
        except DamagedRecord as damage:
            self._let_go()
            raise Corrupt(str(damage)) from damage
        except _SQLITE_ERRORS as error:
            self._let_go()
            raise self._translated(error) from error
        except JournalError:
            self._let_go()
            raise
        return self._tail

    def restore(self, begin: Tail, stored: Iterable[bytes]) -> None:
        """Make a journal, where there is none, of records as they are stored; each is verified. Raises like `open`."""
        if self.path.exists():
            raise StartError(f"{self.path} is there already: restore into a new directory")
        try:
            self._create(begin, stored)
        except sqlite3.Error as error:
            raise self._translated(error) from error

    def discard(self) -> None:
        """Remove a journal that could not be restored."""
        self._let_go()
        for name in (FILE_NAME, f"{FILE_NAME}.new"):
            for suffix in ("", "-wal"):
                self.path.with_name(name + suffix).unlink(missing_ok=True)

    def _create(self, begin: Tail | None = None, stored: Iterable[bytes] = ()) -> None:
        """Make a journal. It gets its name when it is complete, so a file without content is always damage."""
        log = self.path.with_name(f"{FILE_NAME}-wal")
        if log.exists():
            raise Corrupt(f"{self.path} is gone, but its log {log.name} is there: restore the directory from a backup")
        draft = self.path.with_name(f"{FILE_NAME}.new")
        for leftover in (draft, draft.with_name(f"{draft.name}-wal")):
            leftover.unlink(missing_ok=True)
        connection = _connect(draft, new=True)
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute("PRAGMA user_version=1")
        for table in _TABLES:
            connection.execute(table)
        connection.execute(
            "INSERT INTO meta VALUES ('uuid', ?)", (uuid.uuid4().bytes if begin is None else begin.uuid,)
        )
        if begin is not None and begin.seq:
            connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
            connection.execute("INSERT INTO meta VALUES (?, ?)", (BEGIN, begin_as_stored(begin)))
        try:
            tail = begin
            for data in stored:
                assert tail is not None
                _, tail = records.unpack(tail, data)
                connection.execute("INSERT INTO record VALUES (?, ?)", (tail.seq, data))
            connection.execute("COMMIT")
        finally:
            connection.close()
        draft.rename(self.path)
        directory = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def _verify(self, trusted: Tail) -> Tail:
        verified = trusted
        for _, tail in self._rows(trusted):
            verified = tail
        return verified

    def _rows(self, tail: Tail) -> Iterator[tuple[Record, Tail]]:
        assert self._connection is not None
        for (data,) in self._connection.execute("SELECT data FROM record WHERE seq > ? ORDER BY seq", (tail.seq,)):
            if not isinstance(data, bytes):
                raise Corrupt(f"the journal is damaged at record {tail.seq + 1}: restore it from a backup")
            record, tail = records.unpack(tail, data)
            yield record, tail

    def read(self, after: Tail | None = None) -> Iterator[Record]:
        """See the contract."""
        try:
            for record, _ in self._rows(self._start if after is None else after):
                yield record
        except _SQLITE_ERRORS as error:
            raise self._translated(error) from error

    def holds(self, tail: Tail) -> bool:
        """See the contract."""
        if tail.seq == self._start.seq:
            return tail == self._start
        try:
            assert self._connection is not None
            row = self._connection.execute("SELECT data FROM record WHERE seq=?", (tail.seq,)).fetchone()
            return row is not None and isinstance(row[0], bytes) and tail_of(row[0]) == tail
        except DamagedRecord:
            return False
        except _SQLITE_ERRORS as error:
            raise self._translated(error) from error

    def slice(self, from_seq: int, bytes_max: int) -> list[bytes]:
        """See the contract."""
        found: list[bytes] = []
        size = 0
        try:
            assert self._connection is not None
            rows = self._connection.execute("SELECT data FROM record WHERE seq >= ? ORDER BY seq", (from_seq,))
            with closing(rows):
                for (data,) in rows:
                    found.append(data)
                    size += len(data)
                    if size >= bytes_max:
                        break
        except _SQLITE_ERRORS as error:
            raise self._translated(error) from error
        return found

    def trim(self, upto_seq: int, before_ns: int, records_max: int) -> bool:
        """See the contract. Pages that get free are used again; the file does not become smaller."""
        try:
            assert self._connection is not None
            last = min(upto_seq, self._start.seq + records_max)
            row = self._connection.execute("SELECT data FROM record WHERE seq=?", (last,)).fetchone()
            if last <= self._start.seq or row is None:
                return False
            begin = tail_of(row[0])
            if begin.time_ns >= before_ns:
                return False
            connection = self._connection
            connection.execute("BEGIN IMMEDIATE")
            try:
                connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
                connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (BEGIN, begin_as_stored(begin)))
                connection.execute("DELETE FROM record WHERE seq <= ?", (last,))
                connection.execute("COMMIT")
            except sqlite3.Error:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        except DamagedRecord as damage:
            raise Corrupt(str(damage)) from damage
        except sqlite3.Error as error:
            raise self._translated(error) from error
        self._start = begin
        self._log_bytes += 8 * _PAGE_BYTES
        return last < upto_seq

    def _write_again(self) -> None:
        """Write SQLite's log once more, then fold it into the file: half of that, on a full disk, must not outlive the log."""
        if self._connection is None:
            raise Fatal(f"the journal {self.path} is not open")
        log = self.path.with_name(f"{FILE_NAME}-wal")
        try:
            if log.exists():
                descriptor = files.open_to_write(log)
                try:
                    for place in range(0, log.stat().st_size, CHECKPOINT_BYTES):
                        files.write(descriptor, files.read(log, place, CHECKPOINT_BYTES), place)
                    files.sync(descriptor)
                finally:
                    files.close(descriptor)
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except (OSError, sqlite3.Error) as error:
            raise self._translated(error) from error

    def _store(self, kind: Kind, epoch: int, time_ns: int, commands: int, payload: bytes) -> None:
        if self._connection is None:
            raise Fatal(f"the journal {self.path} is not open")
        data, tail = records.pack(self._tail, kind, epoch, time_ns, commands, payload)
        try:
            # Outside of a transaction each statement is one, and is flushed before it returns.
            self._connection.execute("INSERT INTO record VALUES (?, ?)", (tail.seq, data))
        except sqlite3.Error as error:
            raise self._translated(error) from error
        self._tail = tail
        self._log_bytes += len(data) + 2 * _PAGE_BYTES

    def maintain(self, idle: bool) -> None:
        """Fold SQLite's log into the file when it has grown enough; see the contract."""
        if self._log_bytes < (CHECKPOINT_BYTES if idle else CHECKPOINT_FORCED_BYTES) or self._connection is None:
            return
        try:
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error as error:
            raise self._translated(error) from error
        self._log_bytes = 0

    def _let_go(self) -> None:
        """Close what cannot be used; why that is has been found out already."""
        try:
            self.close()
        except JournalError:
            pass

    def close(self) -> None:
        """See the contract."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except sqlite3.Error as error:
                raise self._translated(error) from error

    def _translated(self, error: Exception) -> JournalError:
        """Our error for one of SQLite's."""
        if isinstance(error, ValueError):
            return Corrupt(self._damaged("it holds text that is none"))
        name = getattr(error, "sqlite_errorname", type(error).__name__)
        if name == "SQLITE_FULL":
            return Full(f"the disk of {self.path.parent} is full: make room, then start the server again")
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_SCHEMA", "SQLITE_ERROR")):
            return Corrupt(self._damaged(str(error)))
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return Fatal(f"another program has the journal {self.path} open: close it, then start the server again")
        return Fatal(f"the journal {self.path} cannot be read or written ({name}: {error}): check the disk")

    def _damaged(self, problem: str) -> str:
        return (
            f"the journal {self.path} is damaged ({problem}). Nothing was changed; keep a copy of the data directory, "
            "then restore it from a backup"
        )


def _connect(path: Path, *, new: bool) -> sqlite3.Connection:
    """The one connection that a journal's file ever has."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0)
    connection.text_factory = bytes  # a damaged row may claim to be text
    try:
        # EXCLUSIVE before all else: no shared-memory file, and no other process can checkpoint under our feet.
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        if application != APPLICATION_ID and not new:
            raise Corrupt(
                f"{path} is not a journal of this program, or has lost its beginning: choose another directory "
                "with --data, or restore it from a backup"
            )
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA wal_autocheckpoint=0")
    except (*_SQLITE_ERRORS, JournalError):
        connection.close()
        raise
    return connection
