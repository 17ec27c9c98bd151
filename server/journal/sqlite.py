"""The default journal: one SQLite file, one row a record.

SQLite is used in the one way that its own history recommends for a log: a single connection that holds the file
exclusively, write-ahead log, a flush at every commit, checkpoints made by us between commits. Its checksums cover
neither rows nor, in a way that is told, the end of its log; so our records carry their own.
"""

import sqlite3
import uuid
from collections.abc import Iterator
from pathlib import Path

from server.errors import Corrupt, Fatal, Fenced, Full, JournalError
from server.journal import records
from server.journal.contract import Batch, Kind, Record, Tail

FILE_NAME = "journal.sqlite"
APPLICATION_ID = 0x41434431
SCHEMA_VERSION = 1
CHECKPOINT_BYTES = 4 * 1024 * 1024
"""Size of SQLite's log from which on it is folded into the file when no append waits."""
CHECKPOINT_FORCED_BYTES = 16 * 1024 * 1024
"""Size from which on it is folded in even when an append waits."""
_PAGE_BYTES = 4096


class SqliteJournal:
    """See `server.journal.contract.Journal`. The directory must be locked by the caller."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE_NAME
        self._connection: sqlite3.Connection | None = None
        self._tail = Tail(bytes(16))
        self._log_bytes = 0

    def open(self) -> Tail:
        """See the contract."""
        try:
            connection = self._connection = sqlite3.connect(
                self.path, isolation_level=None, check_same_thread=False, timeout=0
            )
            # EXCLUSIVE before WAL: no shared-memory file, and no other process can checkpoint under our feet.
            connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            application = connection.execute("PRAGMA application_id").fetchone()[0]
            (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            if tables and application != APPLICATION_ID:
                raise Corrupt(f"{self.path} is not a journal of this program: choose another directory with --data")
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA wal_autocheckpoint=0")
            if not tables:
                self._create(connection)
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > SCHEMA_VERSION:
                raise Corrupt(
                    f"{self.path} has format version {version}, this server reads up to {SCHEMA_VERSION}: "
                    "start the newer release that wrote it"
                )
            row = connection.execute("SELECT value FROM meta WHERE key='uuid'").fetchone()
            if row is None or len(row[0]) != 16:
                raise Corrupt(f"{self.path} has lost its identity: restore the data directory from a backup")
            self._start = Tail(row[0])
            self._tail = self._verify()
        except sqlite3.Error as error:
            self.close()
            raise self._translated(error) from error
        except JournalError:
            self.close()
            raise
        return self._tail

    def _create(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        connection.execute("CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID")
        connection.execute("CREATE TABLE record (seq INTEGER PRIMARY KEY, data BLOB NOT NULL)")
        connection.execute("INSERT INTO meta VALUES ('uuid', ?)", (uuid.uuid4().bytes,))
        connection.execute("COMMIT")

    def _verify(self) -> Tail:
        verified = self._start
        for _, tail in self._rows():
            verified = tail
        return verified

    def _rows(self) -> Iterator[tuple[Record, Tail]]:
        assert self._connection is not None
        tail = self._start
        for (data,) in self._connection.execute("SELECT data FROM record ORDER BY seq"):
            if not isinstance(data, bytes):
                raise Corrupt(f"the journal is damaged at record {tail.seq + 1}: restore it from a backup")
            record, tail = records.unpack(tail, data)
            yield record, tail

    def read(self, from_seq: int = 1) -> Iterator[Record]:
        """See the contract."""
        try:
            for record, _ in self._rows():
                if record.seq >= from_seq:
                    yield record
        except sqlite3.Error as error:
            raise self._translated(error) from error

    def fence(self, owner: str, seen: Tail, time_ns: int) -> int:
        """See the contract."""
        if seen != self._tail:
            raise Fenced(f"the journal goes on to record {self._tail.seq}, but only {seen.seq} were seen")
        self._store(Kind.FENCE, seen.epoch + 1, time_ns, 0, owner.encode())
        return self._tail.epoch

    def append(self, epoch: int, seq: int, batch: Batch) -> None:
        """See the contract."""
        self._check(epoch, seq)
        self._store(Kind.BATCH, epoch, batch.time_ns, batch.commands, batch.payload)

    def seal(self, epoch: int, seq: int, time_ns: int) -> None:
        """See the contract."""
        self._check(epoch, seq)
        self._store(Kind.SEAL, epoch, time_ns, 0, b"")

    def _check(self, epoch: int, seq: int) -> None:
        if epoch != self._tail.epoch or seq != self._tail.seq + 1:
            raise Fenced(
                f"append of record {seq} in epoch {epoch} refused: "
                f"the journal ends at record {self._tail.seq} in epoch {self._tail.epoch}"
            )

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

    def close(self) -> None:
        """See the contract."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except sqlite3.Error as error:
                raise self._translated(error) from error

    def _translated(self, error: sqlite3.Error) -> JournalError:
        """Our error for one of SQLite's."""
        name = getattr(error, "sqlite_errorname", type(error).__name__)
        if name == "SQLITE_FULL":
            return Full(f"the disk of {self.path.parent} is full: make room, then start the server again")
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_SCHEMA", "SQLITE_ERROR")):
            return Corrupt(
                f"the journal {self.path} is damaged ({error}). Nothing was changed; keep a copy of the data "
                "directory, then restore it from a backup"
            )
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return Fatal(f"another program has the journal {self.path} open: close it, then start the server again")
        return Fatal(f"the journal {self.path} cannot be read or written ({name}: {error}): check the disk")
