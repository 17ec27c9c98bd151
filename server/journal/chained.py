"""What the kinds of journal have in common: who may append, and that each record follows the one before it."""

from abc import ABC, abstractmethod

from server.errors import Fenced
from server.journal.contract import Batch, Kind, Tail


class ChainedJournal(ABC):
    """The part of `server.journal.contract.Journal` that does not depend on where the records are."""

    def __init__(self) -> None:
        self._start = self._tail = Tail(bytes(16))

    @property
    def begin(self) -> Tail:
        """See the contract."""
        return self._start

    def fence(self, owner: str, seen: Tail, time_ns: int) -> int:
        """See the contract."""
        if seen != self._tail:
            raise Fenced(f"the journal goes on to record {self._tail.seq}, but only {seen.seq} were seen")
        self._write_again()
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

    @abstractmethod
    def _write_again(self) -> None:
        """Make durable what was read, before anything is built on it. Raises `Full`, `Fatal`.

        After a flush that failed, the system may show pages which it will never write again. A start right after that
        reads them like any others, and everything that was appended would be lost with them when the power fails.
        """

    @abstractmethod
    def _store(self, kind: Kind, epoch: int, time_ns: int, commands: int, payload: bytes) -> None:
        """Append a record, durably. Raises `Full`, `Fatal`."""
