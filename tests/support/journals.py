"""Journals for tests: one in memory that can be held up and made to fail."""

import threading
from collections.abc import Iterator, Sequence

from server.errors import Fenced, JournalError
from server.journal.contract import Batch, Kind, Record, Tail


class MemoryJournal:
    """Keeps the journal's contract, but for durability.

    Attributes:
        stored: the records, as `read` gives them.
        gate: while it is not set, appends wait.
        under_way: set while an append waits at the gate.
        fault: raised by the next append instead of storing.
    """

    torn = False

    def __init__(self) -> None:
        self.stored: list[Record] = []
        self.gate = threading.Event()
        self.gate.set()
        self.under_way = threading.Event()
        self.fault: JournalError | None = None
        self.open_tail = Tail(bytes(16))

    @property
    def begin(self) -> Tail:
        return Tail(self.open_tail.uuid)

    @property
    def stored_bytes(self) -> int:
        return sum(len(record.payload) for record in self.stored)

    def open(self, trusted: Sequence[Tail] = ()) -> Tail:
        return self.open_tail

    def holds(self, tail: Tail) -> bool:
        return False

    def slice(self, from_seq: int, bytes_max: int) -> list[bytes]:
        return []

    def trim(self, upto_seq: int, before_ns: int, records_max: int) -> bool:
        return False

    def fence(self, owner: str, seen: Tail, time_ns: int) -> int:
        if seen != self.open_tail:
            raise Fenced("not the tail")
        self._store(Kind.FENCE, seen.epoch + 1, time_ns, 0, owner.encode())
        return seen.epoch + 1

    def append(self, epoch: int, seq: int, batch: Batch) -> None:
        self.under_way.set()
        assert self.gate.wait(30)
        self.under_way.clear()
        if self.fault is not None:
            raise self.fault
        assert (epoch, seq) == (self.open_tail.epoch, self.open_tail.seq + 1)
        self._store(Kind.BATCH, epoch, batch.time_ns, batch.commands, batch.payload)

    def seal(self, epoch: int, seq: int, time_ns: int) -> None:
        assert (epoch, seq) == (self.open_tail.epoch, self.open_tail.seq + 1)
        self._store(Kind.SEAL, epoch, time_ns, 0, b"")

    def _store(self, kind: Kind, epoch: int, time_ns: int, commands: int, payload: bytes) -> None:
        seq = self.open_tail.seq + 1
        self.stored.append(Record(kind, seq, epoch, time_ns, commands, payload))
        self.open_tail = self.open_tail._replace(seq=seq, epoch=epoch, time_ns=time_ns, sealed=kind is Kind.SEAL)

    def read(self, after: Tail | None = None) -> Iterator[Record]:
        yield from self.stored[0 if after is None else after.seq :]

    def maintain(self, idle: bool) -> None:
        pass

    def close(self) -> None:
        pass

    @property
    def batches(self) -> list[Record]:
        """The records that hold commands or deadlines."""
        return [record for record in self.stored if record.kind is Kind.BATCH]
