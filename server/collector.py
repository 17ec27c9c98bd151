"""What `/metrics` shows: one declaration a metric, and a collector that reads the machine when it is scraped.

Nothing counts for Prometheus on the way of a command: the machine and the server keep plain integers, which
`Snapshot.of` copies in the event loop and `Collector` turns into samples, in any thread.

Labels are bounded. Queues beyond the first `QUEUES_MAX` of the configuration are summed up as one with an empty
tenant and the name `other`, and `acd_queues_summed` tells how many they are. Nothing is labelled by contact or agent.
"""

import copy
import platform
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import metadata
from typing import Literal, NamedTuple, Protocol

import msgspec
from msgspec import Struct
from prometheus_client import ProcessCollector
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector as PrometheusCollector

from acd_core import Machine, Outcome
from acd_core.service_level import service_level
from acd_core.views import END_REASONS, WAIT_BUCKETS_S, DomainView, QueueView
from server.counters import Counters, Histogram

QUEUES_MAX = 1_000
"""So many queues, the first of the configuration, have samples of their own."""

NS_PER_S = 1_000_000_000


class EngineClock(Protocol):
    """What tells engine time."""

    speed: float

    def now(self) -> int:
        """Engine time in nanoseconds since 1970."""
        ...


class Source(Protocol):
    """What is scraped: the sequencer, as far as the metrics know it."""

    @property
    def machine(self) -> Machine:
        """The machine that serves."""
        ...

    @property
    def clock(self) -> EngineClock:
        """Engine time."""
        ...

    @property
    def counters(self) -> Counters:
        """What the server counts."""
        ...

    @property
    def state(self) -> str:
        """`serving` when commands are accepted."""
        ...

    @property
    def journal_seq(self) -> int:
        """Number of the last durable record."""
        ...

    @property
    def journal_pending_bytes(self) -> int:
        """Bytes of commands that wait for the append under way to end."""
        ...


class Snapshot(Struct, frozen=True):
    """Everything that one scrape shows, copied at one moment.

    Attributes:
        queues: at most `QUEUES_MAX` of them, and the sum of the others.
        queues_configured, queues_summed: how many there are, and how many of them are in the sum.
    """

    now_ns: int
    clock_speed: float
    state: str
    seq: int
    queues: Sequence[QueueView]
    queues_configured: int
    queues_summed: int
    domain: DomainView
    counters: Counters
    journal_seq: int
    journal_pending_bytes: int

    @classmethod
    def of(cls, source: Source) -> "Snapshot":
        """Copy what is needed; to be called where the machine runs."""
        machine = source.machine
        queues = machine.queues()
        shown: list[QueueView] = queues[:QUEUES_MAX]
        if len(queues) > QUEUES_MAX:
            shown.append(_sum(queues[QUEUES_MAX:]))
        return cls(
            now_ns=max(source.clock.now(), machine.now),
            clock_speed=source.clock.speed,
            state=source.state,
            seq=machine.seq,
            queues=shown,
            queues_configured=len(queues),
            queues_summed=max(0, len(queues) - QUEUES_MAX),
            domain=machine.domain(),
            counters=_copy(source.counters),
            journal_seq=source.journal_seq,
            journal_pending_bytes=source.journal_pending_bytes,
        )


def _copy(counters: Counters) -> Counters:
    """A copy that no longer changes, so that what is read from it fits together."""
    copied = copy.copy(counters)
    for name, value in vars(copied).items():
        if isinstance(value, Histogram):
            histogram = copy.copy(value)
            histogram.counts = list(value.counts)
            setattr(copied, name, histogram)
        elif isinstance(value, dict | list):
            setattr(copied, name, copy.copy(value))
    return copied


def _sum(views: Sequence[QueueView]) -> QueueView:
    """All of `views` as one queue, which cannot be taken for a configured one."""
    numbers = {
        field: sum(getattr(view, field) for view in views)
        for field in QueueView.__struct_fields__
        if isinstance(getattr(views[0], field), int)
    }
    numbers["oldest_ns"] = min((view.oldest_ns for view in views if view.oldest_ns), default=0)
    return msgspec.structs.replace(
        views[0],
        tenant="",
        queue="other",
        ended={reason: sum(view.ended.get(reason, 0) for view in views) for reason in END_REASONS},
        wait_histogram=tuple(map(sum, zip(*(view.wait_histogram for view in views), strict=True))),
        **numbers,
    )


Labelled = Iterable[tuple[tuple[str, ...], float]]
"""Values by their labels."""
Buckets = tuple[list[tuple[str, float]], float]
"""Cumulative counts by upper bound, and the sum of what was observed."""


class Gauge(NamedTuple):
    """A value that goes up and down. `read` gives a sample for each combination of labels."""

    name: str
    help: str
    read: Callable[[Snapshot], Labelled]
    labels: tuple[str, ...] = ()
    kind: Literal["gauge"] = "gauge"


class Count(NamedTuple):
    """A value that only grows, and begins again at 0. The name ends with `_total`."""

    name: str
    help: str
    read: Callable[[Snapshot], Labelled]
    labels: tuple[str, ...] = ()
    kind: Literal["counter"] = "counter"


class Distribution(NamedTuple):
    """A histogram for each combination of labels."""

    name: str
    help: str
    read: Callable[[Snapshot], Iterable[tuple[tuple[str, ...], Buckets]]]
    labels: tuple[str, ...] = ()
    kind: Literal["histogram"] = "histogram"


def _one(read: Callable[[Snapshot], float]) -> Callable[[Snapshot], Labelled]:
    return lambda snapshot: [((), read(snapshot))]


def _each_queue(read: Callable[[QueueView], float]) -> Callable[[Snapshot], Labelled]:
    return lambda snapshot: (((view.tenant, view.queue), read(view)) for view in snapshot.queues)


def _counter(read: Callable[[Counters], float]) -> Callable[[Snapshot], Labelled]:
    return lambda snapshot: [((), read(snapshot.counters))]


def _oldest_wait(snapshot: Snapshot) -> Labelled:
    for view in snapshot.queues:
        wait_ns = max(0, snapshot.now_ns - view.oldest_ns) if view.oldest_ns else 0
        yield (view.tenant, view.queue), wait_ns / NS_PER_S


def _ended(snapshot: Snapshot) -> Labelled:
    for view in snapshot.queues:
        for reason in END_REASONS:
            yield (view.tenant, view.queue, reason), view.ended.get(reason, 0)


def _offers_ended(snapshot: Snapshot) -> Labelled:
    for view in snapshot.queues:
        yield (view.tenant, view.queue, "accepted"), view.answered
        yield (view.tenant, view.queue, "rejected"), view.offers_rejected
        yield (view.tenant, view.queue, "timed_out"), view.offers_timed_out
        yield (view.tenant, view.queue, "withdrawn"), view.offers_withdrawn


def _contacts(snapshot: Snapshot) -> Labelled:
    queues = snapshot.queues
    yield ("queued",), sum(view.waiting for view in queues)
    yield ("offered",), sum(view.offered for view in queues)
    yield ("connected",), sum(view.connected for view in queues)
    yield ("wrapup",), sum(view.wrapup for view in queues)


def _waits(snapshot: Snapshot) -> Iterator[tuple[tuple[str, ...], Buckets]]:
    for view in snapshot.queues:
        buckets = []
        total = 0
        bounds = [*map(_bound, WAIT_BUCKETS_S), "+Inf"]
        for bound, count in zip(bounds, view.wait_histogram, strict=True):
            total += count
            buckets.append((bound, float(total)))
        yield (view.tenant, view.queue), (buckets, view.wait_ns / NS_PER_S)


def _powers(
    read: Callable[[Counters], Histogram], bits: range, unit: float
) -> Callable[[Snapshot], Iterable[tuple[tuple[str, ...], Buckets]]]:
    """The buckets of a `Histogram`, of which those outside of `bits` are merged into their neighbours."""

    def buckets(snapshot: Snapshot) -> Iterable[tuple[tuple[str, ...], Buckets]]:
        histogram = read(snapshot.counters)
        rows = [(_bound((2**bit - 1) / unit), float(sum(histogram.counts[: bit + 1]))) for bit in bits]
        rows.append(("+Inf", float(histogram.count)))
        return [((), (rows, histogram.total / unit))]

    return buckets


def _bound(value: float) -> str:
    return str(float(value))


_LATENCY_BITS = range(8, 36)
"""256 ns to 34 s."""
_QUEUE = ("tenant", "queue")

METRICS: tuple[Gauge | Count | Distribution, ...] = (
    Gauge(
        "acd_queue_waiting", "Contacts that wait and are not being offered.", _each_queue(lambda q: q.waiting), _QUEUE
    ),
    Gauge(
        "acd_queue_offered", "Contacts that are being offered to an agent.", _each_queue(lambda q: q.offered), _QUEUE
    ),
    Gauge("acd_queue_connected", "Contacts in conversation.", _each_queue(lambda q: q.connected), _QUEUE),
    Gauge("acd_queue_wrapup", "Contacts in wrap-up.", _each_queue(lambda q: q.wrapup), _QUEUE),
    Gauge(
        "acd_queue_oldest_wait_seconds",
        "How long the contact that has waited longest has waited, being offered or not; 0 when none waits.",
        _oldest_wait,
        _QUEUE,
    ),
    Count(
        "acd_queue_entered_total", "Contacts that ever asked for the queue.", _each_queue(lambda q: q.entered), _QUEUE
    ),
    Count("acd_queue_answered_total", "Contacts that reached an agent.", _each_queue(lambda q: q.answered), _QUEUE),
    Count(
        "acd_queue_abandoned_total",
        "Contacts whose caller gave up before an agent answered.",
        _each_queue(lambda q: q.ended.get("abandoned", 0)),
        _QUEUE,
    ),
    Count("acd_queue_ended_total", "Contacts that ended, by reason.", _ended, (*_QUEUE, "reason")),
    Count("acd_queue_offers_total", "Offers made.", _each_queue(lambda q: q.offers), _QUEUE),
    Count("acd_queue_offers_ended_total", "Offers that ended, by outcome.", _offers_ended, (*_QUEUE, "outcome")),
    Count(
        "acd_queue_service_level_met_total",
        "Numerator of the service level: contacts answered within the target.",
        _each_queue(lambda q: q.answered_in_target),
        _QUEUE,
    ),
    Count(
        "acd_queue_service_level_counted_total",
        "Denominator of the service level: contacts answered or given up, without those who gave up within the target.",
        _each_queue(lambda q: service_level([q])[1]),
        _QUEUE,
    ),
    Distribution("acd_queue_wait_seconds", "Waits of the contacts that reached an agent.", _waits, _QUEUE),
    Count("acd_queue_talk_seconds_total", "Talk time, ended.", _each_queue(lambda q: q.talk_ns / NS_PER_S), _QUEUE),
    Gauge("acd_queues", "Queues configured.", _one(lambda s: s.queues_configured)),
    Gauge(
        "acd_queues_summed",
        f"Queues beyond the first {QUEUES_MAX}, which are summed up under tenant='' and queue='other'.",
        _one(lambda s: s.queues_summed),
    ),
    Gauge("acd_contacts", "Live contacts by state.", _contacts, ("state",)),
    Gauge(
        "acd_agents",
        "Configured agents by state.",
        lambda s: [((state,), count) for state, count in s.domain.agents.items()],
        ("state",),
    ),
    Gauge("acd_ready", "1 when commands are accepted, else 0.", _one(lambda s: s.state == "serving")),
    Gauge("acd_engine_time_seconds", "Engine time, in seconds since 1970.", _one(lambda s: s.now_ns / NS_PER_S)),
    Gauge("acd_clock_speed", "How fast engine time runs; 1 but for simulations.", _one(lambda s: s.clock_speed)),
    Count("acd_events_total", "Events of the engine since its first start, restarts included.", _one(lambda s: s.seq)),
    Count(
        "acd_commands_total",
        "Commands applied, by type.",
        lambda s: [((str(kind.__struct_config__.tag),), count) for kind, count in s.counters.commands.items()],
        ("type",),
    ),
    Count(
        "acd_command_outcomes_total",
        "Commands applied, by what they were answered.",
        lambda s: [((outcome.code,), s.counters.outcomes[outcome]) for outcome in Outcome],
        ("outcome",),
    ),
    Distribution(
        "acd_apply_seconds",
        "Time that a command takes in the engine, matching included.",
        _powers(lambda c: c.apply_ns, _LATENCY_BITS, NS_PER_S),
    ),
    Distribution(
        "acd_loop_lag_seconds",
        "How much later than planned the event loop came to a regular call.",
        _powers(lambda c: c.lag_ns, _LATENCY_BITS, NS_PER_S),
    ),
    Distribution(
        "acd_journal_flush_seconds",
        "Time that an append to the journal takes until it is durable.",
        _powers(lambda c: c.flush_ns, _LATENCY_BITS, NS_PER_S),
    ),
    Distribution(
        "acd_journal_batch_commands",
        "Commands in an append to the journal.",
        _powers(lambda c: c.batch_commands, range(16), 1),
    ),
    Distribution(
        "acd_journal_batch_bytes",
        "Size of an append to the journal.",
        _powers(lambda c: c.batch_bytes, range(6, 28), 1),
    ),
    Count("acd_journal_batches_total", "Appends to the journal.", _counter(lambda c: c.batches)),
    Count("acd_ticks_total", "Instants of engine time at which something happened.", _counter(lambda c: c.ticks)),
    Gauge("acd_journal_record", "Number of the last durable record of the journal.", _one(lambda s: s.journal_seq)),
    Gauge(
        "acd_journal_pending_bytes",
        "Commands that wait for the append under way to end.",
        _one(lambda s: s.journal_pending_bytes),
    ),
    Count(
        "acd_requests_total", "Requests: list, stats, explain, subscribe, ping, hello.", _counter(lambda c: c.requests)
    ),
    Count(
        "acd_refused_lines_total",
        "Lines that were no message, or not allowed in their place.",
        _counter(lambda c: c.refused_lines),
    ),
    Count("acd_events_sent_total", "Copies of events handed to connections.", _counter(lambda c: c.events_sent)),
    Count("acd_received_bytes_total", "Read from clients.", _counter(lambda c: c.bytes_in)),
    Count("acd_sent_bytes_total", "Written to clients.", _counter(lambda c: c.bytes_out)),
    Gauge("acd_connections", "Connections of clients that are open.", _counter(lambda c: c.connections)),
    Count("acd_connections_opened_total", "Connections of clients, ever.", _counter(lambda c: c.connections_total)),
    Count(
        "acd_connections_dropped_total",
        "Connections ended because their client did not read.",
        _counter(lambda c: c.sessions_dropped),
    ),
    Count(
        "acd_connections_replaced_total",
        "Connections ended by a newer one of the same client name.",
        _counter(lambda c: c.sessions_replaced),
    ),
    Count("acd_resumes_total", "Clients that came back and got what they had missed.", _counter(lambda c: c.resumed)),
    Count(
        "acd_resume_gaps_total",
        "Clients that came back too late for all events to be sent again.",
        _counter(lambda c: c.gaps),
    ),
    Count(
        "acd_clients_ahead_total",
        "Clients that had seen events which this journal lacks: part of it must have been lost.",
        _counter(lambda c: c.ahead),
    ),
    Count(
        "acd_internal_errors_total",
        "Commands that failed by a fault of the server itself.",
        _counter(lambda c: c.internal_errors),
    ),
)


class Collector(PrometheusCollector):
    """Turns one snapshot into samples, and adds those of the process."""

    _process = ProcessCollector(registry=None)

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        """All metrics, in the order of their declaration."""
        for metric in METRICS:
            yield _family(metric, self._snapshot)
        yield InfoMetricFamily("acd_build", "The program that runs.", value=build_info())
        yield from self._process.collect()


def _family(metric: Gauge | Count | Distribution, snapshot: Snapshot) -> Metric:
    unit = next((unit for unit in ("seconds", "bytes") if metric.name.removesuffix("_total").endswith(f"_{unit}")), "")
    if isinstance(metric, Distribution):
        histogram = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels, unit=unit)
        for labels, (buckets, total) in metric.read(snapshot):
            histogram.add_metric(labels, buckets, total)
        return histogram
    kind = GaugeMetricFamily if isinstance(metric, Gauge) else CounterMetricFamily
    family = kind(metric.name, metric.help, labels=metric.labels, unit=unit)
    for labels, value in metric.read(snapshot):
        family.add_metric(labels, value)
    return family


def build_info() -> dict[str, str]:
    """Version of the program and of the Python that runs it."""
    try:
        version = metadata.version("acd-engine")
    except metadata.PackageNotFoundError:
        version = "unknown"
    return {"version": version, "python": platform.python_version(), "implementation": sys.implementation.name}
