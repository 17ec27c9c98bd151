"""A sequencer over a journal in memory, with time that is moved by hand."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from acd_core import Engine, Machine, Outcome
from acd_core.commands import Command
from acd_protocol.framing import decode_from_client
from server.clock import Clock
from server.config import Limits
from server.counters import Counters
from server.journal.ballast import Ballast
from server.recovery import recover
from server.ring import EventRing
from server.router import Router
from server.sequencer import Sequencer
from tests.support import centre
from tests.support.journals import MemoryJournal

START = 1_800_000_000 * 10**9


class HandClock(Clock):
    """Engine time that is moved by hand."""

    __slots__ = ("time",)

    def __init__(self) -> None:
        super().__init__(START)
        self.time = START

    def now(self) -> int:
        return self.time


class Collected:
    """An output that keeps what it is sent."""

    def __init__(self) -> None:
        self.gathered: list[bytes] = []
        self.writes: list[bytes] = []
        self.runs = 0

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def run(self) -> None:
        self.runs += 1

    def abort(self) -> None:
        raise AssertionError("nobody asked for this")


class Rig:
    """A sequencer over a journal in memory."""

    def __init__(self, journal: MemoryJournal, limits: Limits, ballast: Ballast | None = None) -> None:
        self.journal = journal
        self.clock = HandClock()
        counters = Counters()
        self.machine: Machine = Engine()
        router = Router(EventRing(1000, 1_000_000), counters)
        self.sequencer = Sequencer(self.machine, self.clock, router, counters, limits)
        self.sequencer.start(journal, journal.fence("node", journal.open(), START), 1, ballast or Ballast(Path(), 0))

    def execute(self, message: dict[str, Any], client: str = "pbx-1") -> int:
        line = msgspec.json.encode(message)
        command = decode_from_client(line)
        assert isinstance(command, Command), command
        return self.sequencer.execute(client, line, command)

    def configure(self, **queue: Any) -> None:
        assert self.execute({"type": "config.apply", "config": centre.config(**queue)}) == Outcome.OK

    def assert_replays(self) -> None:
        """A new engine, fed from the journal, comes to the same state."""
        recovered = recover(self.journal, 10)
        assert recovered.machine.digest() == self.machine.digest()
        assert recovered.machine.seq == self.machine.seq
        owners = {view.client for view in self.machine.clients()}
        assert recovered.away & owners == self.sequencer.away & owners


R = TypeVar("R", bound=Rig)


@asynccontextmanager
async def stopped_after(made: R) -> AsyncIterator[R]:
    """Stop the sequencer at the end of the block, unless it failed."""
    try:
        yield made
    finally:
        if isinstance(made.journal, MemoryJournal):
            made.journal.gate.set()
        if not made.sequencer.failed.done():
            await made.sequencer.stop()


def rig(
    journal: MemoryJournal,
    limits: Limits = Limits(),  # noqa: B008 - frozen
    ballast: Ballast | None = None,
) -> AbstractAsyncContextManager[Rig]:
    """A sequencer for the length of a block."""
    return stopped_after(Rig(journal, limits, ballast))
