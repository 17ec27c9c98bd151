"""The only writer of the engine: stamp, apply, journal, and only then let the answers out.

What arrives in one turn of the event loop is one tick: it gets one engine time and is applied at once, while
answers and events gather. Ticks form a batch, which a thread appends to the journal; one append is under way at a
time, and what arrives meanwhile forms the next batch. When a batch is durable, what it gathered is written, once for
each connection; and the next waits for what is said to that, as long as something comes. So nothing leaves the server
that a crash could take back.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol, TypeVar

from acd_core import Machine, Outcome
from acd_core.commands import Command
from acd_protocol.framing import encode
from server.clock import NS_PER_S, Clock, monotonic_ns
from server.config import Limits
from server.counters import Counters
from server.errors import Fatal, JournalError
from server.journal.ballast import Ballast
from server.journal.contract import Journal
from server.journal.writer import JournalWriter
from server.log import logger, note
from server.router import Router
from server.sequencer_core import LINE_NS, SequencerCore, apply_command, note_presence

__all__ = ["LINE_NS", "Output", "Sequencer", "apply_command", "note_presence"]

_T = TypeVar("_T")

READ_LONG_NS = 1_000_000
READ_REST = 4
"""After a request that took so long nothing is read for so many times as long: explaining and listing for whoever asks
all the time must leave four fifths of the loop's time to the calls."""


class Output(Protocol):
    """What the sequencer knows of a connection. What is no `server.outlet.Outlet` has a list `gathered` as well."""

    def write(self, data: bytes) -> None:
        """Send `data`, which may now be seen by anyone."""
        ...

    def run(self) -> None:
        """Go on with lines that were put off."""
        ...

    def abort(self) -> None:
        """Cut the connection without sending anything more."""
        ...


class Sequencer(SequencerCore):
    """See the module. Everything here runs in the event loop's thread.

    Attributes:
        machine, clock, router, counters, limits: its parts, for those who read them.
        away: names of the clients of whom `client.away` was said last, and not `client.back`.
        state: `starting`, `serving`, `draining`, `failed` or `stopped`.
        failed: done with the error when the journal cannot be written any more.
        budget: lines that may still be dealt with in this turn; a line that takes long counts for more.
        commands_journaled: commands that were given to the journal.
        congested: whether so much waits for the journal that nothing more may be read.
        read_only: whether commands are refused and engine time stands still, because the disk is full.
    """

    def __init__(
        self,
        machine: Machine,
        clock: Clock,
        router: Router,
        counters: Counters,
        limits: Limits,
        away: set[str] | None = None,
    ) -> None:
        super().__init__(machine, clock, router, counters, limits)
        self.away = set() if away is None else away
        self._loop = asyncio.get_running_loop()
        self.failed: asyncio.Future[None] = self._loop.create_future()
        self._read_ns = 0
        self._recovered_seq = 0
        self._idle = asyncio.Event()

    def start(self, journal: Journal, epoch: int, seq: int, ballast: Ballast) -> None:
        """Begin to serve; `journal` is fenced with `epoch` and ends at record `seq`."""
        self._writer = JournalWriter(journal, epoch, seq, self._durable, self._fail, self.hold, ballast)
        self.state = "serving"
        self.go_on()
        self._arm()

    def start_without_room(self, seq: int) -> None:
        """Begin to answer questions; `start` may follow. The journal ends at record `seq`, and may not be appended to."""
        self._recovered_seq = seq
        self.state = "serving"
        self.hold()

    @property
    def writes(self) -> bool:
        """Whether it has a journal that it may append to."""
        return self._writer is not None

    @property
    def phase(self) -> str:
        """Its `state`, or `read_only` while it serves no more than questions."""
        return "read_only" if self.read_only and self.state == "serving" else self.state

    def hold(self) -> None:
        """The disk is full: change nothing more until `go_on`. What was applied has still become durable, or will.

        Questions are answered, from a state that no crash can take back, and events sent; no deadline fires.
        """
        if self.read_only:
            return
        self.read_only = True
        note(
            logging.CRITICAL,
            "commands are refused from here on, because the disk is full",
            journal_seq=self.journal_seq,
        )

    def go_on(self) -> None:
        """There is room again: take commands. Deadlines that have passed fire now."""
        if not self.read_only:
            return
        self.read_only = False
        note(logging.WARNING, "there is room on the disk again: commands are taken", journal_seq=self.journal_seq)
        self._arm()

    @property
    def journal_seq(self) -> int:
        """Number of the last durable record."""
        return self._writer.seq if self._writer is not None else self._recovered_seq

    def ask_journal(self, work: Callable[[Journal], _T]) -> "asyncio.Future[_T]":
        """See `JournalWriter.ask`."""
        assert self._writer is not None
        return self._writer.ask(work)

    @property
    def journal_pending_bytes(self) -> int:
        """Bytes of commands that wait for the append under way to end."""
        return self._next.line_bytes

    def perform(self, client: str, command: Command) -> int:
        """Apply a command of the server's own in the name of `client`, as a tick of its own; gives its outcome."""
        try:
            self._close_tick()
            outcome = self.execute(client, encode(command).rstrip(), command)
            self._close_tick()
        except Exception as error:  # noqa: BLE001 - whatever it is, memory may differ from the journal now
            self._broken(error)
            return Outcome.UNAVAILABLE
        return outcome

    @property
    def read_delay_s(self) -> float:
        """How long requests that only read have to wait, because one has just taken long; 0 if they need not."""
        return max(0, self._read_ns - monotonic_ns()) / NS_PER_S

    def charge(self, took_ns: int) -> None:
        """Count what a request that only reads has cost, so that others have their turn before the next."""
        self.budget -= took_ns // LINE_NS
        if took_ns > READ_LONG_NS:
            self._read_ns = monotonic_ns() + READ_REST * took_ns

    def defer(self, output: Output) -> None:
        """Call `output.run` in a later turn."""
        self._deferred.append(output)
        self._need_turn()

    async def flushed(self) -> None:
        """Wait until everything applied so far is durable and handed to its connections, or the journal failed."""
        while (self._turn_scheduled or self._in_flight is not None) and self.state != "failed":
            if self._turn_scheduled:
                await asyncio.sleep(0)
            else:
                self._awaited = True
                self._idle.clear()
                await self._idle.wait()

    async def stop(self) -> None:
        """Take no more, make everything durable, and seal the journal. Raises what `failed` was done with."""
        if self.state != "failed":
            self.state = "draining"
        if self._timer is not None:
            self._timer.cancel()
        await self.flushed()
        if self._writer is not None and not self.failed.done():
            await self._writer.stop(max(self.clock.now(), self.machine.now))
        if self.failed.done():
            self.failed.result()
        self.state = "stopped"

    def _run_deferred(self) -> None:
        """Let those go on that were put off, as far as the budget of a turn goes."""
        deferred = self._deferred
        for _ in range(len(deferred)):
            if self.budget <= 0 or self.congested:
                break
            output = deferred.popleft()
            try:
                output.run()
            except Exception:  # noqa: BLE001 - logged; it concerns this connection only
                logger.exception("a connection failed by a fault of ours and was cut")
                output.abort()
        if deferred and not self.congested:
            self._need_turn()

    def give_up(self, error: JournalError) -> None:
        """The journal cannot be used any more: end."""
        self._fail(error)

    def _fail(self, error: JournalError) -> None:
        """Nothing can become durable any more: let nothing out from here on, and let the process end."""
        if self.failed.done():
            return
        self.state = "failed"
        note(logging.CRITICAL, str(error), journal_seq=self.journal_seq)
        self._in_flight = None
        self._outputs = []
        self.failed.set_exception(error)
        self._idle.set()

    def _broken(self, error: Exception) -> None:
        """A fault of ours between engine and journal: what is durable is right, what is in memory may not be."""
        logger.error("the sequencer failed by a fault of ours", exc_info=error)
        self._fail(Fatal("the server cannot go on after a fault of its own: start it again, and report the log"))

    def _advance(self) -> None:
        try:
            self._open_tick()
        except Exception as error:  # noqa: BLE001 - as above
            self._broken(error)

    def _deadline(self) -> None:
        """Fire the deadlines that are due, as a tick of their own unless one is open."""
        self._timer = None
        deadline = self.machine.next_deadline()
        if deadline and self.phase == "serving":
            if not self._now and not self._held_up() and self.clock.now() >= deadline:
                self._advance()
            self._arm()
