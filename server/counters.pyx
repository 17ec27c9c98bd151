# cython: auto_pickle=False, autotestdict=False
"""What the server counts: integers that the hot path adds to and a collector reads when it is scraped."""

from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from acd_core import commands as core_commands


cdef class Histogram:
    """Whole numbers by their number of bits: `counts[b]` counts values of `b` bits, that is, below `2**b`.

    Attributes:
        counts: not cumulative; the last bucket holds everything longer as well.
        total: sum of all values.
    """

    def observe(self, int64_t value):
        """Count one value, 0 or more."""
        self.add(value)

    def copy(self):
        """The same, which no longer changes."""
        cdef Histogram copied = Histogram()
        copied.buckets = self.buckets
        copied.total = self.total
        return copied

    @property
    def counts(self):
        return [self.buckets[place] for place in range(BUCKETS)]

    @property
    def count(self):
        """How many values were counted."""
        return sum(self.counts)


cdef class Counts:
    """A number for each of some keys, like a dict whose keys are fixed."""

    def __cinit__(self, object keys, /):
        self.places = keys if isinstance(keys, dict) else {key: place for place, key in enumerate(keys)}
        self.numbers = <int64_t *>calloc(len(self.places), sizeof(int64_t))
        if self.numbers == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.numbers)

    def __len__(self):
        return len(self.places)

    def __getitem__(self, key):
        return self.numbers[<Py_ssize_t>self.places[key]]

    def __setitem__(self, key, int64_t number):
        self.numbers[<Py_ssize_t>self.places[key]] = number

    def __iter__(self):
        return iter(self.places)

    def items(self):
        """Keys with their numbers."""
        return [(key, self.numbers[<Py_ssize_t>place]) for key, place in self.places.items()]

    def values(self):
        """The numbers, in the order of the keys."""
        return [self.numbers[place] for place in range(len(self.places))]

    cdef Counts copy(self):
        cdef Counts copied = Counts(self.places)
        memcpy(copied.numbers, self.numbers, len(self.places) * sizeof(int64_t))
        return copied


cdef class Counters:
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
        disk_bytes, disk_free_bytes: of the disk that the data directory is on (gauges).
        internal_errors: commands that failed by a fault of ours.
    """

    def __cinit__(self):
        self.commands = Counts(core_commands.COMMAND_TYPES)
        self.outcomes = Counts(range(1000))
        self.apply_ns = {kind: Histogram() for kind in core_commands.COMMAND_TYPES}
        self.batch_commands = Histogram()
        self.batch_bytes = Histogram()
        self.flush_ns = Histogram()
        self.lag_ns = Histogram()

    def copy(self):
        """The same, which no longer changes, so that what is read from it fits together."""
        cdef Counters copied = Counters()
        copied.commands = self.commands.copy()
        copied.outcomes = self.outcomes.copy()
        copied.apply_ns = {kind: held.copy() for kind, held in self.apply_ns.items()}
        copied.batch_commands = self.batch_commands.copy()
        copied.batch_bytes = self.batch_bytes.copy()
        copied.flush_ns = self.flush_ns.copy()
        copied.lag_ns = self.lag_ns.copy()
        for name in dir(self):
            if isinstance(getattr(self, name), int):
                setattr(copied, name, getattr(self, name))
        return copied
