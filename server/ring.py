"""The latest events, encoded once, for clients that missed some."""

from msgspec import Struct


class Entry(Struct, frozen=True, gc=False):
    """An event as it was sent, and what decides who gets it.

    Attributes:
        line: the encoded event, with its newline.
        contact_client, agent_client: names of the clients that own the contact and the agent; empty for none.
        topic: first word of its type.
        tenant: whose contact it concerns; empty for none.
        agent: whom it concerns; empty for none.
    """

    line: bytes
    contact_client: str
    agent_client: str
    topic: str
    tenant: str
    agent: str


class EventRing:
    """Holds the entries of `first_seq` .. `last_seq`; empty when `first_seq` is `last_seq + 1`.

    Args:
        events_max: most events kept.
        bytes_max: most bytes of encoded events kept.
        last_seq: number of the latest event so far, which is not in the ring.
    """

    __slots__ = ("_entries", "bytes", "bytes_max", "events_max", "first_seq", "last_seq")

    def __init__(self, events_max: int, bytes_max: int, last_seq: int = 0) -> None:
        self.events_max = events_max
        self.bytes_max = bytes_max
        self.first_seq = last_seq + 1
        self.last_seq = last_seq
        self.bytes = 0
        self._entries: list[Entry | None] = [None] * events_max

    def __len__(self) -> int:
        return self.last_seq - self.first_seq + 1

    def append(self, seq: int, entry: Entry) -> None:
        """Keep event `seq`, which must be the next; the oldest go when a limit is passed."""
        assert seq == self.last_seq + 1
        index = seq % self.events_max
        oldest = self._entries[index]
        if oldest is not None:
            self.bytes -= len(oldest.line)
            self.first_seq += 1
        self._entries[index] = entry
        self.last_seq = seq
        self.bytes += len(entry.line)
        while self.bytes > self.bytes_max:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        index = self.first_seq % self.events_max
        self.bytes -= len(self[self.first_seq].line)
        self._entries[index] = None
        self.first_seq += 1

    def __getitem__(self, seq: int) -> Entry:
        """The entry of event `seq`, which must be kept."""
        assert self.first_seq <= seq <= self.last_seq
        entry = self._entries[seq % self.events_max]
        assert entry is not None
        return entry
