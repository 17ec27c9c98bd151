"""What one scrape shows, copied out of the machine and the server in small steps.

A machine is read where it runs, in the event loop, so a scrape must not hold that up: `gather` is a generator that
stops after every few queues or agents, and whoever drives it lets other work have its turn. The numbers of one queue
are of one moment; two queues may be some milliseconds apart, as two servers would be.

Labels are bounded. Queues beyond the first `QUEUES_MAX` of the configuration are summed up as one with an empty
tenant and the name `other`; pause reasons beyond the most frequent `REASONS_MAX` as `other`; of the clients, those
`CLIENTS_MAX` that own most are shown. Nothing is labelled by contact. Agents are shown one by one only when asked,
and the first `AGENTS_MAX` of the configuration at most.
"""

from collections.abc import Generator, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec
from msgspec import Struct

from acd_core import Config, Machine
from acd_core.events import ContactConnected
from acd_core.views import END_REASONS, WAIT_BUCKETS_S, ClientView, DomainView, QueueView
from server.counters import Counters
from server.ring import EventRing
from server.router import Receiver

QUEUES_MAX = 1_000
"""So many queues, the first of the configuration, have samples of their own."""
AGENTS_MAX = 10_000
"""Likewise agents, when they are asked for."""
CLIENTS_MAX = 100
"""So many clients that own agents or contacts have samples of their own."""
REASONS_MAX = 20
"""So many reasons of pauses have a sample of their own."""
EXEMPLAR_EVENTS_MAX = 4_096
"""Exemplars come from so many of the latest events."""
EXEMPLAR_LABEL_MAX = 128 - len("contact")
"""OpenMetrics bounds the labels of an exemplar."""
_STEP = 16
"""Queues or agents looked at in one step."""

NS_PER_S = 1_000_000_000


class EngineClock(Protocol):
    """What tells engine time."""

    @property
    def speed(self) -> float:
        """How many times as fast as real time it runs."""
        ...

    def now(self) -> int:
        """Engine time in nanoseconds since 1970."""
        ...


class Routing(Protocol):
    """The router, as far as the metrics know it."""

    @property
    def ring(self) -> EventRing:
        """The latest events."""
        ...

    @property
    def receivers(self) -> Mapping[str, Receiver]:
        """The connections by client name."""
        ...

    @property
    def subscribers(self) -> Mapping[str, Receiver]:
        """Those with a subscription."""
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
    def router(self) -> Routing:
        """Connections by client name, and the latest events."""
        ...

    @property
    def phase(self) -> str:
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


class QueueRow(Struct, frozen=True, gc=False):
    """A queue as it is shown.

    Attributes:
        labels: its labels in the text format, with an open brace and no closing one.
        target_s, waiting_max: of its configuration; 0 for none.
    """

    labels: str
    view: QueueView
    target_s: float
    waiting_max: int


class AgentRow(Struct, frozen=True, gc=False):
    """What is shown of an agent; `labels` as in `QueueRow`.

    Only numbers are kept of his view: ten thousand views at once would set the garbage collector to work, and that
    would hold up the loop.
    """

    labels: str
    state: str
    answered: int
    missed: int
    rejected: int
    talk_ns: int


class ClientRow(NamedTuple):
    """A client that owns something, and its connection."""

    view: ClientView
    connected: bool
    unsent_bytes: int


class Exemplar(NamedTuple):
    """A contact that was answered, as an example of its bucket."""

    contact: str
    wait_s: float


class Snapshot(Struct, frozen=True, kw_only=True):
    """Everything that one scrape shows.

    Attributes:
        queues: at most `QUEUES_MAX` of them, and the sum of the others.
        queues_configured, queues_summed: how many there are, and how many of them are in the sum.
        agents: one by one; empty unless asked for.
        clients: at most `CLIENTS_MAX`; clients_left_out: how many more own something.
        exemplars: by the labels of a queue, then by the number of the bucket of its waits; empty unless asked for.
    """

    now_ns: int
    clock_speed: float
    state: str
    seq: int
    queues: Sequence[QueueRow]
    queues_configured: int
    queues_summed: int
    agents: Sequence[AgentRow]
    clients: Sequence[ClientRow]
    clients_left_out: int
    contacts_max: int
    domain: DomainView
    counters: Counters
    journal_seq: int
    journal_pending_bytes: int
    subscribers: int
    ring_events: int
    ring_bytes: int
    exemplars: Mapping[str, Mapping[int, Exemplar]]


Steps = Generator[None, None, Snapshot]


class _Names(NamedTuple):
    """Names and rendered labels of a configuration, made once for each."""

    queues: list[tuple[str, str, str, float, int]]
    agents: list[tuple[str, str]]


class Gatherer:
    """Makes snapshots of one source.

    Args:
        source: what is scraped.
        agents: whether to show agents one by one.
        exemplars: whether to give contacts as examples of waits.
    """

    def __init__(self, source: Source, *, agents: bool = False, exemplars: bool = False) -> None:
        self.exemplars = exemplars
        self._source = source
        self._with_agents = agents
        self._config: Config | None = None
        self._names = _Names([], [])

    def gather(self) -> Steps:
        """Copy what is needed, in steps; gives the snapshot. To be driven where the machine runs."""
        source, machine = self._source, self._source.machine
        config = machine.config()
        if config is not self._config:
            self._names = yield from self._read_names(config)
            self._config = config
        names = self._names
        queues, summed = yield from _queue_rows(machine, names)
        agents = []
        for number, (agent, labels) in enumerate(names.agents):
            view = machine.agent(agent)
            if view is not None:
                agents.append(
                    AgentRow(labels, view.state, view.answered, view.missed_total, view.rejected_total, view.talk_ns)
                )
            if number % _STEP == 0:
                yield
        owners = machine.clients()
        yield
        clients = [self._client_row(view) for view in _largest(owners)]
        exemplars: dict[str, dict[int, Exemplar]] = {}
        if self.exemplars:
            exemplars = yield from _exemplars(source.router.ring)
        return Snapshot(
            now_ns=max(source.clock.now(), machine.now),
            clock_speed=source.clock.speed,
            state=source.phase,
            seq=machine.seq,
            queues=queues,
            queues_configured=len(config.queues),
            queues_summed=summed,
            agents=agents,
            clients=clients,
            clients_left_out=len(owners) - len(clients),
            contacts_max=config.settings.max_contacts,
            domain=machine.domain(),
            counters=source.counters.copy(),
            journal_seq=source.journal_seq,
            journal_pending_bytes=source.journal_pending_bytes,
            subscribers=len(source.router.subscribers),
            ring_events=len(source.router.ring),
            ring_bytes=source.router.ring.bytes,
            exemplars=exemplars,
        )

    def _read_names(self, config: Config) -> Generator[None, None, _Names]:
        """The labels of a new configuration."""
        names = _Names([], [])
        for queue in config.queues:
            labels = label_text(tenant=queue.tenant, queue=queue.name)
            names.queues.append((queue.tenant, queue.name, labels, queue.service_level_s, queue.max_waiting))
            if len(names.queues) % _STEP == 0:
                yield
        for agent in config.agents[: AGENTS_MAX if self._with_agents else 0]:
            names.agents.append((agent.agent, label_text(agent=agent.agent)))
            if len(names.agents) % _STEP == 0:
                yield
        return names

    def _client_row(self, view: ClientView) -> ClientRow:
        receiver = self._source.router.receivers.get(view.client)
        return ClientRow(view, receiver is not None, receiver.unsent if receiver is not None else 0)


def label_text(**labels: str) -> str:
    """Labels in the text format, without the closing brace: more may follow."""
    return "{" + ",".join(f'{name}="{escaped(value)}"' for name, value in labels.items())


def escaped(value: str) -> str:
    """A label's value as the text format writes it."""
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _queue_rows(machine: Machine, names: _Names) -> Generator[None, None, tuple[list[QueueRow], int]]:
    """The rows of the queues, and how many queues the last row sums up."""
    rows: list[QueueRow] = []
    rest: list[QueueView] = []
    summed = 0
    for number, (tenant, queue, labels, target_s, waiting_max) in enumerate(names.queues):
        view = machine.queue(tenant, queue)
        if view is None:
            continue  # a new configuration came in the middle of it
        if len(rows) < QUEUES_MAX:
            rows.append(QueueRow(labels, view, target_s, waiting_max))
        else:
            rest.append(view)
            summed += 1
        if number % _STEP == 0:
            rest = [_sum(rest)] if rest else []
            yield
    if rest:
        rows.append(QueueRow(label_text(tenant="", queue="other"), _sum(rest), 0, 0))
    return rows, summed


def _sum(views: Sequence[QueueView]) -> QueueView:
    """All of `views` as one queue, which cannot be taken for a configured one."""
    changed: dict[str, object] = {}
    for field in QueueView.__struct_fields__:
        value = getattr(views[0], field)
        if isinstance(value, int):
            changed[field] = sum(getattr(view, field) for view in views)
        elif isinstance(value, tuple):
            changed[field] = tuple(map(sum, zip(*(getattr(view, field) for view in views), strict=True)))
    changed["oldest_ns"] = min((view.oldest_ns for view in views if view.oldest_ns), default=0)
    changed["ended"] = {reason: sum(view.ended.get(reason, 0) for view in views) for reason in END_REASONS}
    return msgspec.structs.replace(views[0], tenant="", queue="other", estimate=None, **changed)


def _largest(owners: Sequence[ClientView]) -> Sequence[ClientView]:
    """Those that own most, when there are too many to show."""
    if len(owners) <= CLIENTS_MAX:
        return owners
    return sorted(owners, key=lambda owner: -(owner.agents + owner.contacts))[:CLIENTS_MAX]


def _exemplars(ring: EventRing) -> Generator[None, None, dict[str, dict[int, Exemplar]]]:
    """For each queue and bucket the contact that was answered last, of the latest events."""
    found: dict[str, dict[int, Exemplar]] = {}
    decoder = msgspec.json.Decoder(ContactConnected)
    for seq in range(ring.last_seq, max(ring.first_seq, ring.last_seq - EXEMPLAR_EVENTS_MAX + 1) - 1, -1):
        if seq < ring.first_seq:
            break  # newer events pushed it out meanwhile
        line = ring[seq].line
        if line.startswith(b'{"type":"contact.connected"'):
            event = decoder.decode(line)
            if len(event.contact) <= EXEMPLAR_LABEL_MAX:
                bucket = sum(event.wait > bound for bound in WAIT_BUCKETS_S)
                of_queue = found.setdefault(label_text(tenant=event.tenant, queue=event.queue), {})
                of_queue.setdefault(bucket, Exemplar(event.contact, event.wait))
        if seq % (4 * _STEP) == 0:
            yield
    return found
