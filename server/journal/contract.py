"""What a journal promises, whatever stores it.

A journal is one chain of records, numbered from 1 without a gap. There are three kinds: a batch of what the engine
was fed, the FENCE by which a server takes the right to append, and the SEAL of a clean stop. An append is a
compare-and-append: it succeeds only if the writer's epoch is the current one and the number is the next. So of two
servers that both believe to be the writer, only one can be.

All methods block; the server calls them from one thread at a time, with one append in flight.
"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from acd_protocol.journal_records import Kind, Record, Tail

__all__ = ["Batch", "Journal", "Kind", "Record", "Tail"]


class Batch(NamedTuple):
    """What one append stores.

    Attributes:
        time_ns: engine time of its last tick.
        commands: how many are in it.
        payload: the ticks, see `acd_protocol.journal_records`.
    """

    time_ns: int
    commands: int
    payload: bytes


class Journal(Protocol):
    """See the module. Errors are those of `server.errors`."""

    def open(self) -> Tail:
        """Open or create it, and verify the whole chain.

        Raises:
            Corrupt: a record cannot be trusted; nothing was changed.
            Fatal: it cannot be read.
        """
        ...

    def fence(self, owner: str, seen: Tail, time_ns: int) -> int:
        """Take the right to append; gives the new epoch. `owner` is kept for people who read the journal.

        Raises:
            Fenced: the tail is no longer `seen`.
        """
        ...

    def append(self, epoch: int, seq: int, batch: Batch) -> None:
        """Store a batch as record `seq`. It is durable when this returns.

        Raises:
            Fenced: `epoch` is not the current one, or `seq` is not the next number. Nothing was stored.
            Full: no room. Nothing was stored.
            Fatal: whether it is stored is unknown; the caller must end.
        """
        ...

    def seal(self, epoch: int, seq: int, time_ns: int) -> None:
        """Append the SEAL of a clean stop. Raises like `append`."""
        ...

    def read(self, from_seq: int = 1) -> Iterator[Record]:
        """The records from `from_seq` on. Raises like `open`."""
        ...

    def maintain(self, idle: bool) -> None:
        """Housekeeping between appends; `idle` tells that none waits. Raises `Full` or `Fatal`."""
        ...

    def close(self) -> None:
        """Let go of the storage."""
        ...
