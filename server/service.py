"""A running server: its parts put together, from the lock on the data directory to the SEAL in the journal."""

import asyncio
import contextlib
import functools
import gc
import logging
import resource
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from msgspec.structs import replace

from acd_core import Config, Outcome
from acd_core.commands import ConfigApply
from acd_core.config import ConfigError, to_json
from acd_core.toml import read_toml
from acd_protocol.cli import listen_sentence
from server import answers, disk, hours
from server.access.gate import Gate
from server.access.identity import Identity
from server.audit import AuditTrail
from server.clock import NS_PER_S, Clock, monotonic_ns, wall_ns
from server.config import Settings, is_loopback
from server.contact_log import ContactLog
from server.counters import Counters
from server.door import Door
from server.entrance import OWN_CLIENT
from server.errors import Full, JournalError, StartError
from server.journal.ballast import Ballast
from server.journal.contract import Journal
from server.journal.lock import DirectoryLock
from server.journal.stores import journal_in
from server.log import note
from server.metrics import MetricsServer
from server.notify import inherited_listener, notify
from server.recovery import Progress, Recovered, recover
from server.reload import Reloader
from server.ring import EventRing
from server.router import Router
from server.sequencer import Sequencer
from server.session import REFUSED_AT_ONCE_MAX, Session
from server.snapshotter import Snapshotter
from server.tls import Doorman, TlsPort
from server.workers.handover import Reception

BACKLOG = 4096
FILES_RESERVED = 160
"""Open files that are no connections of clients: journal, metrics, those about to be refused, and what libraries open."""
LAG_PERIOD_S = 0.1
CLOCK_JUMP_NS = 2 * NS_PER_S
"""A change of the machine's clock by more than so much at once is told."""
BALLAST_PERIOD_S = 5.0
RECOVERY_NOTE_S = 5
"""The log says so often how far a recovery is."""
_START_MORE_US = 30_000_000
"""So much more time systemd is asked for each time."""


class Service:
    """A server that serves. Made by `running`.

    Attributes:
        sequencer: the heart.
        port, metrics_port: the ones that are listened on.
        reloader: reads credentials and certificates again.
    """

    def __init__(self, sequencer: Sequencer, port: int, metrics_port: int, reloader: Reloader) -> None:
        self.reloader = reloader
        self.sequencer = sequencer
        self.port = port
        self.metrics_port = metrics_port


@contextlib.asynccontextmanager
async def running(
    settings: Settings,
    make_journal: Callable[[Path], Journal] | None = None,
    *,
    reception: Reception | None = None,
    guarded: bool = False,
) -> AsyncIterator[Service]:
    """Serve, from here to the end of the block: then stop cleanly.

    Connections come to the port of the settings, or from a `reception`; `guarded` metrics ask for a token in any case.

    Raises:
        StartError: an option or the environment is not as needed.
        ServerError: the journal cannot be used, now or, at the end of the block, any more.
    """
    inherited = inherited_listener()
    if inherited is not None:
        settings = replace(settings, host=str(inherited.getsockname()[0]))
    settings.check()
    settings = within_files(settings, raise_file_limit())
    config = read_config(settings.config_file) if settings.config_file is not None else None
    async with contextlib.AsyncExitStack() as stack:
        # Everything that may be taken is taken before the journal is read, which may last.
        listener = None
        if reception is None:
            listener = inherited or bind(settings.host, settings.port)
            stack.callback(listener.close)
        lock = DirectoryLock(settings.data)
        stack.callback(lock.release)
        tls = None
        if settings.tls_cert is not None:
            tls = TlsPort(settings.tls_cert, settings.tls_key, settings.tls_client_ca)
        gate = Gate(settings.token, settings.credentials)
        stack.callback(gate.close)
        audit = AuditTrail(settings.data)
        stack.callback(audit.close)
        progress = Progress()
        metrics = MetricsServer(
            progress,
            settings.metrics_host,
            settings.metrics_port,
            agents=settings.metrics_agents,
            exemplars=settings.metrics_exemplars,
            gate=gate if settings.metrics_guarded or guarded else None,
            tls=None if is_loopback(settings.metrics_host) else tls,
        )
        try:
            await metrics.start()
        except OSError as error:
            raise StartError(
                listen_sentence(settings.metrics_host, settings.metrics_port, error, "--metrics-port")
            ) from error
        stack.push_async_callback(metrics.stop)
        journal = make_journal(settings.data) if make_journal else journal_in(settings.data, settings.journal)
        stack.callback(journal.close)
        recovered = await recover_beside(journal, settings.limits.ring_events_max, progress, settings.data)
        ballast = Ballast(settings.data, settings.limits.ballast_bytes)
        stack.callback(ballast.remove)  # a server that does not serve needs none
        sequencer = build(settings, recovered)
        stack.callback(note_end, sequencer)
        begin = functools.partial(begin_to_write, settings, recovered, journal, ballast, sequencer, config, audit)
        if not await begin():
            sequencer.start_without_room(recovered.tail.seq)
        stack.push_async_callback(sequencer.stop)
        snapshotter = Snapshotter(sequencer, settings.data, recovered.commands)
        snapshotter.start()
        stack.push_async_callback(snapshotter.stop)
        door = Door(sequencer, settings.node, gate, audit)
        factory = protocol_factory(door, tls)
        if listener is not None:
            stop_taking = await listen(listener, factory, settings)
        elif reception is not None:
            reception.open(factory)
            stop_taking = reception.close
        stack.push_async_callback(close_connections, stop_taking, door, settings.limits.drain_s)
        if settings.log_contacts:
            ContactLog(settings.log_attributes, sequencer.machine.seq).attach(sequencer.router)
        metrics.show(sequencer)
        door.hours.tell()
        stack.callback(door.hours.stop)
        door.presence.start()
        stack.callback(door.presence.stop)
        reloader = Reloader(gate, [] if tls is None else [tls], audit, door)
        watching = asyncio.ensure_future(reloader.watch())
        stack.callback(watching.cancel)
        lag = asyncio.ensure_future(watch_lag(sequencer.counters))
        stack.callback(lag.cancel)
        disk.count(settings.data, sequencer.counters)
        watching_disk = asyncio.ensure_future(disk.watch(settings.data, sequencer.counters))
        stack.callback(watching_disk.cancel)
        if settings.limits.ballast_bytes:
            keeping = asyncio.ensure_future(keep_room(ballast, door, begin))
            stack.callback(keeping.cancel)
        gc.collect()
        gc.freeze()  # what was recovered stays: the collector need not look at it again and again
        port = listener.getsockname()[1] if listener is not None else 0
        note(
            logging.INFO,
            f"serving on {settings.host} port {port}" if port else "serving what the front hands over",
            port=port,
            metrics_port=metrics.port,
            data=str(settings.data),
            clock_speed=settings.clock_speed,
        )
        audit.server("start", node=settings.node, port=port)
        stack.callback(audit.server, "stop")
        yield Service(sequencer, port, metrics.port, reloader)


def bind(host: str, port: int) -> socket.socket:
    """A socket bound to the port, but not listening: until then, connections are refused."""
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise StartError(listen_sentence(host, port, error)) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise StartError(listen_sentence(host, port, error)) from error
    listener.setblocking(False)
    return listener


async def listen(
    listener: socket.socket, factory: Callable[[], asyncio.Protocol], settings: Settings
) -> Callable[[], None]:
    """Take connections at the bound socket; gives what ends that. Raises `StartError` if it cannot be listened on."""
    try:
        listener.listen(BACKLOG)  # two servers may bind to one port, until the first one listens; uvloop hides this
    except OSError as error:
        raise StartError(listen_sentence(settings.host, settings.port, error)) from error
    server = await asyncio.get_running_loop().create_server(factory, sock=listener, backlog=BACKLOG)
    return server.close


def protocol_factory(door: Door, tls: TlsPort | None) -> Callable[[], asyncio.Protocol]:
    """What makes the protocol of a new connection: a session, or first the handshake."""
    if tls is None:
        return lambda: Session(door)
    limits, counters = door.sequencer.limits, door.sequencer.counters

    def room() -> int:
        return max(0, limits.connections_max + REFUSED_AT_ONCE_MAX - counters.connections)

    return lambda: Doorman(tls, lambda: Session(door), limits.hello_s, room)


async def recover_beside(journal: Journal, events_kept: int, progress: Progress, snapshots: Path) -> Recovered:
    """Recover in a thread, so that the loop can say meanwhile how far it is. Raises what `recover` does."""
    work = asyncio.get_running_loop().run_in_executor(None, recover, journal, events_kept, progress, snapshots)
    try:
        while True:
            done, _ = await asyncio.wait([work], timeout=RECOVERY_NOTE_S)
            if done:
                return work.result()
            note(logging.INFO, "recovering from the journal", records=progress.records, of=progress.of)
            notify(
                f"STATUS=recovering: record {progress.records} of {progress.of}",
                f"EXTEND_TIMEOUT_USEC={_START_MORE_US}",
            )
    except asyncio.CancelledError:
        progress.stopped = True
        await asyncio.wait([work])  # nobody may close the journal before
        work.exception()
        raise


def build(settings: Settings, recovered: Recovered) -> Sequencer:
    """The sequencer over what was recovered."""
    machine = recovered.machine
    note_recovery(recovered)
    clock = Clock.after(max(recovered.tail.time_ns, machine.now), settings.clock_speed)
    limits = settings.limits
    first = recovered.events[0].seq if recovered.events else machine.seq + 1
    counters = Counters()
    router = Router(EventRing(limits.ring_events_max, limits.ring_bytes_max, first - 1), counters)
    for event in recovered.events:
        router.remember(event)
    return Sequencer(machine, clock, router, counters, limits, recovered.away)


async def begin_to_write(
    settings: Settings,
    recovered: Recovered,
    journal: Journal,
    ballast: Ballast,
    sequencer: Sequencer,
    config: Config | None,
    audit: AuditTrail,
) -> bool:
    """Take the right to append, and serve; False if the disk has no room for that, and some should be kept.

    Raises:
        StartError: the engine refuses the configuration.
        JournalError: the journal cannot be written.
    """
    tail = recovered.tail
    fence = functools.partial(
        journal.fence, settings.node, tail, max(sequencer.clock.now(), tail.time_ns, sequencer.machine.now)
    )
    try:
        epoch = ballast.insist(fence)
    except Full:
        if not settings.limits.ballast_bytes:
            raise
        return False
    sequencer.start(journal, epoch, tail.seq + 1, ballast)
    if config is not None:
        await apply_config(sequencer, config, str(settings.config_file), audit)
    return True


def note_recovery(recovered: Recovered) -> None:
    """Say in the log what was found."""
    tail = recovered.tail
    for damage in recovered.damaged:
        note(logging.WARNING, f"{damage}. The state was recovered without it")
    if recovered.torn:
        note(
            logging.WARNING,
            "something that is no sound record was found at the end of the journal: an append that a crash cut off, or damage. "
            "It is left out",
            journal_seq=tail.seq,
        )
    if tail.seq == 0:
        note(logging.INFO, "a new journal was begun", journal=tail.uuid.hex())
        return
    how = (
        "the last stop was clean" if tail.sealed else "the last server did not stop cleanly: recovered from its journal"
    )
    note(
        logging.INFO,
        how,
        journal=tail.uuid.hex(),
        journal_seq=tail.seq,
        commands=recovered.commands,
        snapshot_seq=recovered.snapshot,
        events=recovered.machine.seq,
        took_ms=recovered.took_ns // 1_000_000,
    )


def note_end(sequencer: Sequencer) -> None:
    """Say in the log that everything is safe."""
    if sequencer.state == "stopped" and sequencer.writes:
        note(logging.INFO, "stopped cleanly", journal_seq=sequencer.journal_seq + 1)


def read_config(path: Path) -> Config:
    """The configuration in a TOML file. Raises `StartError` with the place that is wrong."""
    try:
        config = read_toml(path.read_text(encoding="utf-8"), str(path))
        hours.check(config)
    except OSError as error:
        raise StartError(f"the configuration {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise StartError(
            f"the configuration {path} is not UTF-8 at byte {error.start}; TOML files are UTF-8"
        ) from error
    except ConfigError as error:
        raise StartError(str(error)) from error
    return config


async def apply_config(sequencer: Sequencer, config: Config, source: str, audit: AuditTrail) -> None:
    """Make `config` hold, durably, if another one does. Raises `StartError` if the engine refuses it."""
    if to_json(config) == to_json(sequencer.machine.config()):
        note(logging.INFO, f"the configuration {source} holds already")
        return
    command = ConfigApply(config=config)
    before = sequencer.machine.config()
    outcome = sequencer.perform(OWN_CLIENT, command)
    audit.command(Identity(), OWN_CLIENT, "", command, outcome, sequencer.machine.seq, before)
    await sequencer.flushed()
    if sequencer.failed.done():
        sequencer.failed.result()
    if not Outcome(outcome).accepted:
        raise StartError(
            f"the configuration {source} was refused: {answers.refusal(command, outcome, sequencer.machine).message}"
        )
    note(logging.INFO, f"the configuration {source} was applied", queues=len(config.queues), agents=len(config.agents))


async def close_connections(stop_taking: Callable[[], None], door: Door, drain_s: float) -> None:
    """Take no more connections and commands; let each client have what is due, but not for ever."""
    stop_taking()
    sequencer = door.sequencer
    if sequencer.state == "failed":
        for session in list(door.sessions):
            session.abort()
        return
    sequencer.state = "draining"
    for session in list(door.sessions):
        session.drain()
    await sequencer.flushed()
    for session in list(door.sessions):
        session.close()
    try:
        async with asyncio.timeout(drain_s):
            await door.empty.wait()
    except TimeoutError:
        for session in list(door.sessions):
            session.abort()


async def watch_lag(counters: Counters) -> None:
    """Count how late the event loop is, for ever; and tell when the machine's clock jumps, which engine time does not."""
    period_ns = int(LAG_PERIOD_S * NS_PER_S)
    due_ns = monotonic_ns() + period_ns
    offset_ns = wall_ns() - monotonic_ns()
    while True:
        await asyncio.sleep(max(0, due_ns - monotonic_ns()) / NS_PER_S)
        now_ns = monotonic_ns()
        jump_ns = wall_ns() - now_ns - offset_ns
        if abs(jump_ns) > CLOCK_JUMP_NS:
            note(
                logging.WARNING,
                f"the machine's clock jumped by {jump_ns / NS_PER_S:+.1f} s; engine time goes on steadily",
            )
        offset_ns += jump_ns
        counters.lag_ns.observe(max(0, now_ns - due_ns))
        due_ns = now_ns + period_ns


async def keep_room(ballast: Ballast, door: Door, begin: Callable[[], Awaitable[bool]]) -> None:
    """Keep room for the day on which the disk is full, whenever there is enough, for ever.

    A server that was held for want of room goes on then, or begins to write if it could not do so before.
    """
    sequencer = door.sequencer
    while True:
        if ballast.missing:
            await asyncio.to_thread(ballast.take)
        sequencer.counters.ballast_missing = ballast.missing
        if sequencer.read_only and ballast.keeps:
            try:
                if sequencer.writes or await begin():
                    sequencer.go_on()
                    door.presence.go_on()
                    door.hours.tell()
            except StartError as error:
                note(logging.ERROR, str(error))
            except JournalError as error:
                sequencer.give_up(error)
        await asyncio.sleep(BALLAST_PERIOD_S)


def raise_file_limit() -> int:
    """Allow as many open files, and so connections, as the system lets us; gives how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (ValueError, OSError):
            return soft
    return hard


def within_files(settings: Settings, files: int) -> Settings:
    """The settings with no more connections than so many open files leave room for."""
    limits = settings.limits
    room = max(1, files - FILES_RESERVED)
    if files == resource.RLIM_INFINITY or limits.connections_max <= room:
        return settings
    note(logging.INFO, f"the system allows {files} open files, so at most {room} connections are taken")
    return replace(settings, limits=replace(limits, connections_max=room))
