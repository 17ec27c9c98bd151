"""What `/metrics` shows: one declaration a metric. `server/snapshot.py` copies what they read, `server/exposition.py`
writes them as text.

Nothing counts for Prometheus on the way of a command: the machine and the server keep plain integers, which are
read when they are scraped.
"""

import platform
import sys
from collections.abc import Callable, Iterable
from importlib import metadata
from typing import Literal, NamedTuple

from acd_core import Outcome
from acd_core.commands import Command
from acd_core.service_level import service_level
from acd_core.views import ACCEPT_BUCKETS_S, AGENT_STATES, END_REASONS, HANDLE_BUCKETS_S, WAIT_BUCKETS_S
from server.counters import Counters, Histogram
from server.snapshot import NS_PER_S, QUEUES_MAX, REASONS_MAX, AgentRow, QueueRow, Snapshot

Kind = Literal["gauge", "counter"]
Labelled = Iterable[tuple[tuple[str, ...], float]]
"""Values by their labels."""


class Value(NamedTuple):
    """A number of the domain or the server. `read` gives a sample for each combination of labels."""

    name: str
    kind: Kind
    help: str
    read: Callable[[Snapshot], Labelled]
    labels: tuple[str, ...] = ()


class Distribution(NamedTuple):
    """A histogram of the server for each combination of labels, by powers of two.

    Attributes:
        bits: buckets outside of it are merged into their neighbours.
        unit: what the observed numbers are divided by.
    """

    name: str
    help: str
    read: Callable[[Counters], Iterable[tuple[tuple[str, ...], Histogram]]]
    bits: range
    unit: int
    labels: tuple[str, ...] = ()
    kind: Literal["histogram"] = "histogram"


class QueueValue(NamedTuple):
    """A number of each queue. `read` is given the row and engine time."""

    name: str
    kind: Kind
    help: str
    read: Callable[[QueueRow, int], float]
    labels: tuple[str, ...] = ("tenant", "queue")


class QueueValues(NamedTuple):
    """Several numbers of each queue, told apart by the label `by`.

    `read` gives them in the order of `words`, or none at all where there are none.
    """

    name: str
    kind: Kind
    help: str
    by: str
    words: tuple[str, ...]
    read: Callable[[QueueRow], Iterable[float]]

    @property
    def labels(self) -> tuple[str, ...]:
        """All labels of its samples."""
        return ("tenant", "queue", self.by)


class QueueDistribution(NamedTuple):
    """A histogram of each queue, in seconds.

    Attributes:
        bounds: upper ones, in seconds, of all buckets but the last.
        read: gives the counts of the buckets, not cumulative, and the sum in nanoseconds.
        exemplars: whether contacts can be given as examples.
    """

    name: str
    help: str
    bounds: tuple[int, ...]
    read: Callable[[QueueRow], tuple[tuple[int, ...], int]]
    exemplars: bool = False
    labels: tuple[str, ...] = ("tenant", "queue")
    kind: Literal["histogram"] = "histogram"


class AgentValue(NamedTuple):
    """A number of each agent, shown only when asked for."""

    name: str
    kind: Kind
    help: str
    read: Callable[[AgentRow], float]
    labels: tuple[str, ...] = ("agent",)


Declaration = Value | Distribution | QueueValue | QueueValues | QueueDistribution | AgentValue


def _one(read: Callable[[Snapshot], float]) -> Callable[[Snapshot], Labelled]:
    return lambda snapshot: [((), read(snapshot))]


def _counter(read: Callable[[Counters], float]) -> Callable[[Snapshot], Labelled]:
    return lambda snapshot: [((), read(snapshot.counters))]


def _histogram(read: Callable[[Counters], Histogram]) -> Callable[[Counters], list[tuple[tuple[str, ...], Histogram]]]:
    return lambda counters: [((), read(counters))]


def _tag(kind: type[Command]) -> str:
    return str(kind.__struct_config__.tag)


def _oldest_wait(row: QueueRow, now_ns: int) -> float:
    return max(0, now_ns - row.view.oldest_ns) / NS_PER_S if row.view.oldest_ns else 0


def _contacts(snapshot: Snapshot) -> Labelled:
    views = [row.view for row in snapshot.queues]
    yield ("queued",), sum(view.waiting for view in views)
    yield ("offered",), sum(view.offered for view in views)
    yield ("connected",), sum(view.connected for view in views)
    yield ("wrapup",), sum(view.wrapup for view in views)
    yield ("parked",), sum(view.parked for view in views)


def _agents(snapshot: Snapshot) -> Labelled:
    domain = snapshot.domain
    reasons = {"paused": domain.pause_reasons, "cooldown": domain.cooldown_causes}
    for state, count in domain.agents.items():
        rest = count
        frequent = sorted(reasons.get(state, {}).items(), key=lambda item: (-item[1], item[0]))
        for reason, agents in frequent[:REASONS_MAX]:
            yield (state, reason), agents
            rest -= agents
        if len(frequent) > REASONS_MAX:
            yield (state, "other"), rest
        elif not frequent:
            yield (state, ""), rest


_SHARES = ("p50", "p90")

_LATENCY_BITS = range(8, 36)
"""256 ns to 34 s."""

METRICS: tuple[Declaration, ...] = (
    QueueValue(
        "acd_queue_waiting", "gauge", "Contacts that wait and are not being offered.", lambda q, _: q.view.waiting
    ),
    QueueValue(
        "acd_queue_offered", "gauge", "Contacts that are being offered to an agent.", lambda q, _: q.view.offered
    ),
    QueueValue("acd_queue_connected", "gauge", "Contacts in conversation.", lambda q, _: q.view.connected),
    QueueValue("acd_queue_wrapup", "gauge", "Contacts in wrap-up.", lambda q, _: q.view.wrapup),
    QueueValue(
        "acd_queue_parked",
        "gauge",
        "Callbacks that stand in no line until their time comes.",
        lambda q, _: q.view.parked,
    ),
    QueueValue(
        "acd_queue_callbacks_total", "counter", "Callers who asked to be called back.", lambda q, _: q.view.callbacks
    ),
    QueueValue(
        "acd_queue_callback_failures_total",
        "counter",
        "Attempts to call somebody back that reached nobody.",
        lambda q, _: q.view.callbacks_failed,
    ),
    QueueValue(
        "acd_queue_callback_delay_seconds_total",
        "counter",
        "Time from request to conversation, of those who were called back and reached, added up.",
        lambda q, _: q.view.callback_delay_ns / 1e9,
    ),
    QueueValue(
        "acd_queue_consults_total",
        "counter",
        "Questions of agents to colleagues about contacts of the queue.",
        lambda q, _: q.view.consults,
    ),
    QueueValue(
        "acd_queue_conferences_total",
        "counter",
        "Colleagues who were brought into conversations of the queue.",
        lambda q, _: q.view.conferences,
    ),
    QueueValue(
        "acd_queue_oldest_wait_seconds",
        "gauge",
        "How long the contact that has waited longest has waited, being offered or not; 0 when none waits.",
        _oldest_wait,
    ),
    QueueValue(
        "acd_queue_target_seconds", "gauge", "Target of the service level, as configured.", lambda q, _: q.target_s
    ),
    QueueValue(
        "acd_queue_waiting_max",
        "gauge",
        "Most contacts that may wait, as configured; 0 for any.",
        lambda q, _: q.waiting_max,
    ),
    QueueValue(
        "acd_queue_entered_total",
        "counter",
        "Contacts that ever asked for the queue, or came from another one.",
        lambda q, _: q.view.entered,
    ),
    QueueValue(
        "acd_queue_overflowed_total",
        "counter",
        "Contacts that left the queue for another one.",
        lambda q, _: q.view.overflowed,
    ),
    QueueValue(
        "acd_queue_closed",
        "gauge",
        "1 while the queue is closed, by its hours or by a supervisor.",
        lambda q, _: int(bool(q.view.closed)),
    ),
    QueueValue("acd_queue_answered_total", "counter", "Contacts that reached an agent.", lambda q, _: q.view.answered),
    QueueValue(
        "acd_queue_abandoned_total",
        "counter",
        "Contacts whose caller gave up before an agent answered.",
        lambda q, _: q.view.ended.get("abandoned", 0),
    ),
    QueueValues(
        "acd_queue_ended_total",
        "counter",
        "Contacts that ended, by reason.",
        "reason",
        END_REASONS,
        lambda q: [q.view.ended.get(reason, 0) for reason in END_REASONS],
    ),
    QueueValue("acd_queue_offers_total", "counter", "Offers made.", lambda q, _: q.view.offers),
    QueueValues(
        "acd_queue_offers_ended_total",
        "counter",
        "Offers that ended, by outcome.",
        "outcome",
        ("accepted", "rejected", "timed_out", "withdrawn"),
        lambda q: (q.view.answered, q.view.offers_rejected, q.view.offers_timed_out, q.view.offers_withdrawn),
    ),
    QueueValue(
        "acd_queue_service_level_met_total",
        "counter",
        "Numerator of the service level: contacts answered within the target.",
        lambda q, _: q.view.answered_in_target,
    ),
    QueueValue(
        "acd_queue_service_level_counted_total",
        "counter",
        "Denominator of the service level: contacts answered or given up, without those who gave up within the target.",
        lambda q, _: service_level([q.view])[1],
    ),
    QueueDistribution(
        "acd_queue_wait_seconds",
        "Waits of the contacts that reached an agent.",
        WAIT_BUCKETS_S,
        lambda q: (q.view.wait_histogram, q.view.wait_ns),
        exemplars=True,
    ),
    QueueDistribution(
        "acd_queue_accept_seconds",
        "From an offer to its acceptance: how long agents were rung.",
        ACCEPT_BUCKETS_S,
        lambda q: (q.view.accept_histogram, q.view.accept_ns),
    ),
    QueueDistribution(
        "acd_queue_handle_seconds",
        "Talk and wrap-up of the contacts that have ended.",
        HANDLE_BUCKETS_S,
        lambda q: (q.view.handle_histogram, q.view.handle_ns),
    ),
    QueueValues(
        "acd_queue_wait_estimate_seconds",
        "gauge",
        "What a contact would be told that had to wait now: half of such waits end within p50, nine tenths within p90. "
        "Not there when too little was measured.",
        "share",
        _SHARES,
        lambda q: (q.view.estimate.p50_ms / 1000, q.view.estimate.p90_ms / 1000) if q.view.estimate else (),
    ),
    QueueValue(
        "acd_queue_forecasts_total",
        "counter",
        "Contacts that were answered after a forecast of their wait.",
        lambda q, _: q.view.forecasts,
    ),
    QueueValues(
        "acd_queue_forecasts_within_total",
        "counter",
        "Those that waited no longer than the p50, and the p90, of their forecast.",
        "share",
        _SHARES,
        lambda q: (q.view.forecast_in_p50, q.view.forecast_in_p90),
    ),
    QueueValue(
        "acd_queue_forecast_off_seconds_total",
        "counter",
        "By how much the p50 of the forecasts was off, either way, summed up.",
        lambda q, _: q.view.forecast_off_ms / 1000,
    ),
    QueueValue(
        "acd_queue_forecast_bias_seconds",
        "gauge",
        "Mean of the forecast less the wait, summed up since the first start: it rises while callers are told too much, "
        "and falls while they are told too little.",
        lambda q, _: q.view.forecast_error_ms / 1000,
    ),
    QueueValue("acd_queue_talk_seconds_total", "counter", "Talk time, ended.", lambda q, _: q.view.talk_ns / NS_PER_S),
    Value("acd_queues", "gauge", "Queues configured.", _one(lambda s: s.queues_configured)),
    Value(
        "acd_queues_summed",
        "gauge",
        f"Queues beyond the first {QUEUES_MAX}, which are summed up under tenant='' and queue='other'.",
        _one(lambda s: s.queues_summed),
    ),
    Value("acd_contacts", "gauge", "Live contacts by state.", _contacts, ("state",)),
    Value(
        "acd_contacts_max",
        "gauge",
        "Most live contacts that are accepted, as configured.",
        _one(lambda s: s.contacts_max),
    ),
    Value(
        "acd_agents",
        "gauge",
        "Configured agents by state; those paused by the reason of the pause, those in cooldown by its cause.",
        _agents,
        ("state", "reason"),
    ),
    Value(
        "acd_agent_seconds_total",
        "counter",
        "Engine time that all agents together have spent in each state.",
        lambda s: [((state,), us / 1e6) for state, us in s.domain.agent_us.items()],
        ("state",),
    ),
    AgentValue(
        "acd_agent_state",
        "gauge",
        "State of an agent: " + ", ".join(f"{number} {state}" for number, state in enumerate(AGENT_STATES)) + ".",
        lambda a: AGENT_STATES.index(a.state),
    ),
    AgentValue("acd_agent_answered_total", "counter", "Contacts that an agent answered.", lambda a: a.answered),
    AgentValue("acd_agent_missed_total", "counter", "Offers that an agent did not answer.", lambda a: a.missed),
    AgentValue("acd_agent_rejected_total", "counter", "Offers that an agent rejected.", lambda a: a.rejected),
    AgentValue(
        "acd_agent_talk_seconds_total", "counter", "Talk time of an agent, ended.", lambda a: a.talk_ns / NS_PER_S
    ),
    Value(
        "acd_client_connected",
        "gauge",
        "1 while a client that owns agents logged in or live contacts is connected, else 0.",
        lambda s: [((row.view.client,), row.connected) for row in s.clients],
        ("client",),
    ),
    Value(
        "acd_client_agents",
        "gauge",
        "Agents logged in by a client.",
        lambda s: [((row.view.client,), row.view.agents) for row in s.clients],
        ("client",),
    ),
    Value(
        "acd_client_contacts",
        "gauge",
        "Live contacts of a client.",
        lambda s: [((row.view.client,), row.view.contacts) for row in s.clients],
        ("client",),
    ),
    Value(
        "acd_client_unsent_bytes",
        "gauge",
        "Answers and events due to a client that owns something.",
        lambda s: [((row.view.client,), row.unsent_bytes) for row in s.clients],
        ("client",),
    ),
    Value(
        "acd_clients_left_out",
        "gauge",
        "Clients that own something and are not shown.",
        _one(lambda s: s.clients_left_out),
    ),
    Value("acd_ready", "gauge", "1 when commands are accepted, else 0.", _one(lambda s: s.state == "serving")),
    Value(
        "acd_read_only",
        "gauge",
        "1 while commands are refused because the disk is full, and questions are answered; else 0.",
        _one(lambda s: s.state == "read_only"),
    ),
    Value(
        "acd_engine_time_seconds", "gauge", "Engine time, in seconds since 1970.", _one(lambda s: s.now_ns / NS_PER_S)
    ),
    Value(
        "acd_clock_speed", "gauge", "How fast engine time runs; 1 but for simulations.", _one(lambda s: s.clock_speed)
    ),
    Value(
        "acd_events_total",
        "counter",
        "Events of the engine since its first start, restarts included.",
        _one(lambda s: s.seq),
    ),
    Value(
        "acd_commands_total",
        "counter",
        "Commands applied, by type.",
        lambda s: [((_tag(kind),), count) for kind, count in s.counters.commands.items()],
        ("type",),
    ),
    Value(
        "acd_command_outcomes_total",
        "counter",
        "Commands applied, by what they were answered.",
        lambda s: [((outcome.code,), s.counters.outcomes[outcome]) for outcome in Outcome],
        ("outcome",),
    ),
    Distribution(
        "acd_apply_seconds",
        "Time that a command takes in the engine, matching included, by type: in contact.enqueue an arriving contact "
        "looks for an agent, in agent.ready, agent.wrapup_done, contact.complete and offer.reject a freed agent or "
        "contact looks for its match.",
        lambda c: [((_tag(kind),), histogram) for kind, histogram in c.apply_ns.items()],
        _LATENCY_BITS,
        NS_PER_S,
        ("type",),
    ),
    Distribution(
        "acd_loop_lag_seconds",
        "How much later than planned the event loop came to a regular call.",
        _histogram(lambda c: c.lag_ns),
        _LATENCY_BITS,
        NS_PER_S,
    ),
    Distribution(
        "acd_journal_flush_seconds",
        "Time that an append to the journal takes until it is durable.",
        _histogram(lambda c: c.flush_ns),
        _LATENCY_BITS,
        NS_PER_S,
    ),
    Distribution(
        "acd_journal_batch_commands",
        "Commands in an append to the journal.",
        _histogram(lambda c: c.batch_commands),
        range(16),
        1,
    ),
    Distribution(
        "acd_journal_batch_bytes",
        "Size of an append to the journal.",
        _histogram(lambda c: c.batch_bytes),
        range(6, 28),
        1,
    ),
    Value("acd_journal_batches_total", "counter", "Appends to the journal.", _counter(lambda c: c.batches)),
    Value(
        "acd_ticks_total",
        "counter",
        "Instants of engine time at which something happened.",
        _counter(lambda c: c.ticks),
    ),
    Value(
        "acd_journal_record",
        "gauge",
        "Number of the last durable record of the journal.",
        _one(lambda s: s.journal_seq),
    ),
    Value(
        "acd_journal_pending_bytes",
        "gauge",
        "Commands that wait for the append under way to end.",
        _one(lambda s: s.journal_pending_bytes),
    ),
    Value(
        "acd_snapshot_taken_timestamp_seconds",
        "gauge",
        "When the newest snapshot of the journal was taken, in seconds since 1970; without any, when the server started.",
        _counter(lambda c: c.snapshot_taken_ns / NS_PER_S),
    ),
    Value(
        "acd_snapshot_bytes",
        "gauge",
        "Size of the newest snapshot; 0 while there is none.",
        _counter(lambda c: c.snapshot_bytes),
    ),
    Value(
        "acd_snapshot_record",
        "gauge",
        "Number of the last record in the newest snapshot.",
        _counter(lambda c: c.snapshot_seq),
    ),
    Value(
        "acd_snapshot_duration_seconds",
        "gauge",
        "How long the last snapshot took, in a process of its own.",
        _counter(lambda c: c.snapshot_ns / NS_PER_S),
    ),
    Value(
        "acd_ballast_missing",
        "gauge",
        "1 while no room is kept for the day on which the disk is full, since it is full, or nearly; else 0.",
        _counter(lambda c: c.ballast_missing),
    ),
    Value(
        "acd_disk_bytes",
        "gauge",
        "Size of the disk that the data directory is on, but for what is kept for root.",
        _counter(lambda c: c.disk_bytes),
    ),
    Value(
        "acd_disk_free_bytes",
        "gauge",
        "How much of it is free.",
        _counter(lambda c: c.disk_free_bytes),
    ),
    Value("acd_snapshots_total", "counter", "Snapshots taken.", _counter(lambda c: c.snapshots)),
    Value(
        "acd_snapshots_failed_total",
        "counter",
        "Snapshots that could not be taken; the log says why.",
        _counter(lambda c: c.snapshots_failed),
    ),
    Value(
        "acd_requests_total",
        "counter",
        "Requests: list, stats, explain, subscribe, ping, hello.",
        _counter(lambda c: c.requests),
    ),
    Value(
        "acd_refused_lines_total",
        "counter",
        "Lines that were no message, or not allowed in their place.",
        _counter(lambda c: c.refused_lines),
    ),
    Value(
        "acd_forbidden_total",
        "counter",
        "Messages that were not carried out for want of rights, or because they named what lies beyond a wall.",
        _counter(lambda c: c.forbidden),
    ),
    Value(
        "acd_logins_refused_total",
        "counter",
        "Connections that were refused for what they showed: wrong tokens, names of others.",
        _counter(lambda c: c.logins_refused),
    ),
    Value(
        "acd_credentials_unreadable_total",
        "counter",
        "Times that the credentials or certificates could not be read again, so that the earlier ones hold on.",
        _counter(lambda c: c.reload_failures),
    ),
    Value(
        "acd_audit_failures_total",
        "counter",
        "Entries that could not be written into the audit trail; what it should tell of is refused meanwhile.",
        _counter(lambda c: c.audit_failures),
    ),
    Value(
        "acd_events_sent_total", "counter", "Copies of events handed to connections.", _counter(lambda c: c.events_sent)
    ),
    Value("acd_received_bytes_total", "counter", "Read from clients.", _counter(lambda c: c.bytes_in)),
    Value("acd_sent_bytes_total", "counter", "Written to clients.", _counter(lambda c: c.bytes_out)),
    Value("acd_connections", "gauge", "Connections of clients that are open.", _counter(lambda c: c.connections)),
    Value(
        "acd_connections_opened_total",
        "counter",
        "Connections of clients, ever.",
        _counter(lambda c: c.connections_total),
    ),
    Value(
        "acd_connections_dropped_total",
        "counter",
        "Connections ended because their client did not read.",
        _counter(lambda c: c.sessions_dropped),
    ),
    Value(
        "acd_connections_replaced_total",
        "counter",
        "Connections ended by a newer one of the same client name.",
        _counter(lambda c: c.sessions_replaced),
    ),
    Value("acd_subscribers", "gauge", "Connections that have subscribed to events.", _one(lambda s: s.subscribers)),
    Value(
        "acd_ring_events", "gauge", "Latest events kept for clients that missed some.", _one(lambda s: s.ring_events)
    ),
    Value("acd_ring_bytes", "gauge", "Size of those events.", _one(lambda s: s.ring_bytes)),
    Value(
        "acd_resumes_total",
        "counter",
        "Clients that came back and got what they had missed.",
        _counter(lambda c: c.resumed),
    ),
    Value(
        "acd_resume_gaps_total",
        "counter",
        "Clients that came back too late for all events to be sent again.",
        _counter(lambda c: c.gaps),
    ),
    Value(
        "acd_clients_ahead_total",
        "counter",
        "Clients that had seen events which this journal lacks: part of it must have been lost.",
        _counter(lambda c: c.ahead),
    ),
    Value(
        "acd_internal_errors_total",
        "counter",
        "Commands that failed by a fault of the server itself.",
        _counter(lambda c: c.internal_errors),
    ),
    Value(
        "acd_build_info",
        "gauge",
        "The program that runs; always 1.",
        lambda _: [(build_info(), 1)],
        ("version", "python", "implementation"),
    ),
)


def build_info() -> tuple[str, str, str]:
    """Version of the program, of the Python that runs it, and that Python's name."""
    try:
        version = metadata.version("acd-engine")
    except metadata.PackageNotFoundError:
        version = "unknown"
    return version, platform.python_version(), sys.implementation.name
