"""What the server counts: plain integers that the hot path adds to and a collector reads when it is scraped."""

from acd_core.commands import COMMAND_TYPES, Command

BUCKETS = 48


class Histogram:
    """Whole numbers by their number of bits: `counts[b]` counts values of `b` bits, that is, below `2**b`.

    Attributes:
        counts: not cumulative; the last bucket holds everything longer as well.
        total: sum of all values.
    """

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * BUCKETS
        self.total = 0

    def observe(self, value: int) -> None:
        """Count one value, 0 or more."""
        bits = value.bit_length()
        self.counts[bits if bits < BUCKETS else BUCKETS - 1] += 1
        self.total += value

    def copy(self) -> "Histogram":
        """The same, which no longer changes."""
        copied = Histogram()
        copied.counts = self.counts.copy()
        copied.total = self.total
        return copied

    @property
    def count(self) -> int:
        """How many values were counted."""
        return sum(self.counts)


class Counters:
    """Since this process started. Times are in nanoseconds; gauges say so.

    Attributes:
        commands: commands applied, by type.
        outcomes: commands applied, by `Outcome` number.
        apply_ns: time that commands take in the engine, matching included, by type.
        refused_lines: lines that were no message, or not allowed in their place.
        forbidden: messages that were not carried out for want of rights, or named what lies beyond a wall.
        logins_refused: connections whose `hello` was refused for what it showed.
        reload_failures: times that credentials or certificates could not be read again.
        audit_failures: entries that could not be written into the audit trail.
        requests: list, stats, explain, subscribe, ping, hello.
        ticks, batches: how often time was stamped, and how often something was appended to the journal.
        batch_commands, batch_bytes: sizes of the batches.
        flush_ns: time that an append takes until it is durable.
        lag_ns: how much later than planned the event loop came to a regular call.
        events: events that the engine gave; events_sent: copies of them handed to connections.
        bytes_in, bytes_out: on connections of clients.
        connections: open now (gauge); connections_total: ever.
        sessions_dropped: connections ended because their client did not read.
        sessions_replaced: connections ended by a newer one of the same client name.
        resumed, gaps: resumes served, and those of them that came too late for the ring.
        ahead: clients that had seen events which this journal does not hold: part of it must have been lost.
        snapshots, snapshots_failed: taken, and tried in vain.
        snapshot_ns: how long the last one took; snapshot_bytes, snapshot_seq, snapshot_taken_ns: size of the newest, the
            number of its record, and the wall time at which it was taken (gauges). 0 bytes while there is none.
        ballast_missing: whether no room is kept for the day on which the disk is full (gauge).
        internal_errors: commands that failed by a fault of ours.
    """

    def __init__(self) -> None:
        self.commands: dict[type[Command], int] = dict.fromkeys(COMMAND_TYPES, 0)
        self.outcomes = [0] * 1000
        self.apply_ns: dict[type[Command], Histogram] = {kind: Histogram() for kind in COMMAND_TYPES}
        self.refused_lines = 0
        self.forbidden = 0
        self.logins_refused = 0
        self.reload_failures = 0
        self.audit_failures = 0
        self.requests = 0
        self.ticks = 0
        self.batches = 0
        self.batch_commands = Histogram()
        self.batch_bytes = Histogram()
        self.flush_ns = Histogram()
        self.lag_ns = Histogram()
        self.events = 0
        self.events_sent = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.connections = 0
        self.connections_total = 0
        self.sessions_dropped = 0
        self.sessions_replaced = 0
        self.resumed = 0
        self.gaps = 0
        self.ahead = 0
        self.snapshots = 0
        self.snapshots_failed = 0
        self.snapshot_ns = 0
        self.snapshot_bytes = 0
        self.snapshot_seq = 0
        self.ballast_missing = False
        self.snapshot_taken_ns = 0
        self.internal_errors = 0
