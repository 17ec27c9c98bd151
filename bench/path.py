"""The server's path in this process, from the bytes of a connection to the bytes to it, without sockets, thread and disk.

What is left of a server when its journal is durable at once: what is measured here is our own code, and nothing of the
kernel's.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import cast

from msgspec.structs import replace

from acd_core import Engine
from acd_core.commands import ConfigApply
from acd_protocol.framing import decode_from_client, encode
from acd_protocol.messages import PROTOCOL_VERSION, Hello
from acd_sim.load.floor import Shape
from bench.workload import CLIENT, Step, record
from server.access.gate import Answer, Gate, Shown
from server.access.identity import ANYONE, Identity
from server.audit import AuditTrail
from server.clock import Clock
from server.config import Limits
from server.counters import Counters
from server.door import Door
from server.hours import Hours
from server.journal.contract import Batch
from server.journal.writer import JournalWriter
from server.ring import EventRing
from server.router import Router
from server.sequencer import Sequencer
from server.session import Session

Chunk = tuple[int, bytes]
"""Engine time, and the lines that come then."""


class _Loop:
    """Calls what is to be called soon when it is told to."""

    def __init__(self) -> None:
        self.soon: list[Callable[[], object]] = []

    def call_soon(self, callback: Callable[[], object]) -> None:
        self.soon.append(callback)

    def call_later(self, *_: object) -> "_Loop":
        """A timer, which nobody waits for here: time is told by the chunks."""
        return self

    def cancel(self) -> None:
        """Of a timer."""

    def turn(self) -> None:
        waiting, self.soon = self.soon, []
        for callback in waiting:
            callback()


class _Transport:
    """Counts what is written."""

    def __init__(self) -> None:
        self.bytes = 0
        self.pause_reading = self.resume_reading = self.close = self.abort = lambda: None

    def write(self, data: bytes) -> None:
        self.bytes += len(data)

    def is_closing(self) -> bool:
        return False


class _Clock(Clock):
    """Shows what it is set to."""

    __slots__ = ("time",)

    def __init__(self) -> None:
        super().__init__(0)
        self.time = 0

    def now(self) -> int:
        return self.time


class _Journal:
    """In place of the journal's writer: keeps the batch under way."""

    batch: Batch | None = None
    at_once = False

    def submit(self, batch: Batch) -> int:
        self.batch = batch
        return -1


class _Gate(Gate):
    """Lets in whoever comes as `identity`."""

    identity = ANYONE

    def identify(self, shown: Shown, then: Answer) -> None:  # noqa: ARG002 - nothing has to be shown
        then(self.identity)


class ServerPath:
    """A server without what surrounds it, and one connection.

    Attributes:
        written: bytes that left it.
    """

    def __init__(self) -> None:
        asyncio.run(self._build())

    async def _build(self) -> None:
        counters = Counters()
        limits = Limits()
        router = Router(EventRing(limits.ring_events_max, limits.ring_bytes_max), counters)
        self._clock = _Clock()
        self._loop = _Loop()
        self._journal = _Journal()
        self._sequencer = Sequencer(Engine(), self._clock, router, counters, limits)
        self._sequencer._loop = cast("asyncio.AbstractEventLoop", self._loop)
        self._sequencer._writer = cast("JournalWriter", self._journal)
        self._sequencer.state = "serving"
        self._gate = _Gate()
        self._door = Door(self._sequencer, "bench", self._gate, cast("AuditTrail", _Silent()))
        self._door.hours = cast("Hours", _Silent())
        self._transport = _Transport()
        self._connect()

    def _connect(self) -> None:
        self._session = Session(self._door)
        self._session._transport = cast("asyncio.Transport", self._transport)
        self._session.data_received(encode(Hello(version=PROTOCOL_VERSION, client=CLIENT)))

    async def guard(self, identity: Identity) -> None:
        """The client comes anew, as somebody who may do less than everything; the connection before it is replaced."""
        self._gate.identity = identity
        self._connect()

    @property
    def written(self) -> int:
        return self._transport.bytes

    def feed(self, chunks: Iterable[Chunk]) -> None:
        """Let the chunks come, each in a turn of its own, which also makes the batch before it durable."""
        sequencer, journal, loop = self._sequencer, self._journal, self._loop
        receive = self._session.data_received
        for now, chunk in chunks:
            self._clock.time = now
            receive(chunk)
            while loop.soon:
                loop.turn()
                while journal.batch is not None:
                    journal.batch = None
                    sequencer._durable(1)


class _Silent:
    """In place of the audit trail, and of opening hours."""

    def login(self, *_: object) -> None:
        """Nobody is told."""

    def command(self, *_: object) -> None:
        """Nobody is told."""

    def tell(self) -> None:
        """Nobody is told."""

    def recovered(self) -> bool:
        return True


def chunks_of(steps: Sequence[Step], size: int) -> list[Chunk]:
    """So many lines at a time."""
    parts = [steps[start : start + size] for start in range(0, len(steps), size)]
    return [(part[-1].now, b"\n".join([*(step.line for step in part), b""])) for part in parts]


def recorded(
    shape: Shape, assignments: int, size: int, settled: int, identity: Identity = ANYONE
) -> tuple[ServerPath, list[Chunk]]:
    """A path that has settled, and the next so many assignments for it, so many lines at a time, from `identity`."""
    recording = record(shape, 1 + settled // assignments, assignments)
    path = ServerPath()
    if identity is ANYONE:
        path.feed(chunks_of(list(chain(recording.setup, *recording.segments[:-1])), size))
    else:
        path.feed(chunks_of([_of_its_own(recording.setup[0], identity), *recording.setup[1:]], size))
        asyncio.run(path.guard(identity))
        path.feed(chunks_of(list(chain(*recording.segments[:-1])), size))
    return path, chunks_of(recording.segments[-1], size)


def _of_its_own(step: Step, identity: Identity) -> Step:
    """The step that applies the configuration, with agents who serve nobody but the tenants of `identity`."""
    command = decode_from_client(step.line)
    assert isinstance(command, ConfigApply)
    agents = tuple(replace(agent, tenants=tuple(sorted(identity.tenants))) for agent in command.config.agents)
    return Step(step.now, encode(replace(command, config=replace(command.config, agents=agents))).rstrip())
