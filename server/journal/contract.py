"""What a journal promises, whatever stores it.

A journal is one chain of records, numbered from 1 without a gap. There are three kinds: a batch of what the engine
was fed, the FENCE by which a server takes the right to append, and the SEAL of a clean stop. An append is a
compare-and-append: it succeeds only if the writer's epoch is the current one and the number is the next. So of two
servers that both believe to be the writer, only one can be.

All methods block; the server calls them from one thread at a time, with one append in flight.
"""

from collections.abc import Iterator, Sequence
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

    @property
    def begin(self) -> Tail:
        """What comes before its first record: nothing, or the last record that was trimmed."""
        ...

    @property
    def torn(self) -> bool:
        """Whether `open` found something behind the last record that is no sound one: an append that did not get through."""
        ...

    @property
    def stored_bytes(self) -> int:
        """Bytes of the disk that it takes."""
        ...

    def open(self, trusted: Sequence[Tail] = ()) -> Tail:
        """Open or create it, and verify the chain.

        Args:
            trusted: tails that snapshots tell of, the newest first. From the first that is found in the journal on the
                chain is verified; else from its beginning.

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

    def read(self, after: Tail | None = None) -> Iterator[Record]:
        """The records after a tail that it holds; None for all. Each is verified. Raises like `open`."""
        ...

    def holds(self, tail: Tail) -> bool:
        """Whether `tail` is that of one of its records, or of the last that was trimmed."""
        ...

    def slice(self, from_seq: int, bytes_max: int) -> list[bytes]:
        """Records as they are stored, from a number on, of about so many bytes together, at least one if there is one."""
        ...

    def trim(self, upto_seq: int, before_ns: int, records_max: int) -> bool:
        """Forget the oldest records up to a number and to a time, at most so many at once where they can be counted.

        Gives whether there may be more of them. Raises like `append`.
        """
        ...

    def maintain(self, idle: bool) -> None:
        """Housekeeping between appends; `idle` tells that none waits. Raises `Full` or `Fatal`."""
        ...

    def close(self) -> None:
        """Let go of the storage."""
        ...
