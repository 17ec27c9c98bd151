"""The only writer of the engine: stamp, apply, journal, and only then let the answers out.

What arrives in one turn of the event loop is one tick: it gets one engine time and is applied at once, while
answers and events gather. Ticks form a batch, which a thread appends to the journal; one append is under way at a
time, and what arrives meanwhile forms the next batch. When a batch is durable, what it gathered is written, once for
each connection. So nothing leaves the server that a crash could take back.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Protocol, TypeVar

from acd_core import Machine, Outcome
from acd_core.commands import ClientAway, ClientBack, Command
from acd_protocol.framing import encode
from server.clock import NS_PER_S, Clock, monotonic_ns
from server.config import Limits
from server.counters import Counters
from server.errors import Fatal, JournalError
from server.journal.ballast import Ballast
from server.journal.contract import Batch, Journal
from server.journal.records import Tick, encode_ticks
from server.journal.writer import JournalWriter
from server.log import about, logger, note
from server.router import Router

_T = TypeVar("_T")

LINE_NS = 20_000
"""What takes longer counts for more than one line."""
READ_LONG_NS = 1_000_000
READ_REST = 4
"""After a request that took so long nothing is read for so many times as long: explaining and listing for whoever asks
all the time must leave four fifths of the loop's time to the calls."""


class Output(Protocol):
    """What the sequencer knows of a connection."""

    gathered: list[bytes]

    def write(self, data: bytes) -> None:
        """Send `data`, which may now be seen by anyone."""
        ...

    def run(self) -> None:
        """Go on with lines that were put off."""
        ...

    def abort(self) -> None:
        """Cut the connection without sending anything more."""
        ...


def apply_command(machine: Machine, command: Command, now: int, client: str) -> int:
    """Apply one command; a fault of ours becomes an outcome.

    Live traffic and recovery both go through here: a command that fails must fail alike when it is replayed. A lack
    of memory would not, so it is passed on.
    """
    try:
        return command.apply(machine, now, client)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - logged; one bad command must not end the server
        fields = {"type": type(command).__name__, "client": client, **about(command)}
        logger.exception("a command failed inside the engine", extra={"fields": fields})
        return Outcome.INTERNAL_ERROR


_OF_PRESENCE = frozenset((ClientAway, ClientBack))


def note_presence(away: set[str], command: Command, client: str) -> None:
    """Keep `away`, the names of clients, up to date with a command that was applied."""
    if type(command) is ClientAway:
        away.add(client)
    elif type(command) is ClientBack:
        away.discard(client)


class Sequencer:
    """See the module. Everything here runs in the event loop's thread.

    Attributes:
        machine, clock, router, counters, limits: its parts, for those who read them.
        away: names of the clients of whom `client.away` was said last, and not `client.back`.
        state: `starting`, `serving`, `draining`, `failed` or `stopped`.
        failed: done with the error when the journal cannot be written any more.
        budget: lines that may still be dealt with in this turn; a line that takes long counts for more.
        commands_journaled: commands that were given to the journal.
        congested: whether so much waits for the journal that nothing more may be read.
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
        self.machine = machine
        self.away = set() if away is None else away
        self.clock = clock
        self.router = router
        self.counters = counters
        self.limits = limits
        self.state = "starting"
        self.budget = limits.tick_lines_max
        self.congested = False
        self.commands_journaled = 0
        self._loop = asyncio.get_running_loop()
        self.failed: asyncio.Future[None] = self._loop.create_future()
        self._writer: JournalWriter | None = None
        self._now = 0
        self._commands: list[tuple[str, bytes]] = []
        self._ticks: list[Tick] = []
        self._tick_bytes = 0
        self._tick_commands = 0
        self._outputs: list[Output] = []
        self._in_flight: list[tuple[Output, bytes]] | None = None
        self._deferred: deque[Output] = deque()
        self._turn_scheduled = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_deadline = 0
        self._behind = False
        self._read_ns = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def start(self, journal: Journal, epoch: int, seq: int, ballast: Ballast) -> None:
        """Begin to serve; `journal` is fenced with `epoch` and ends at record `seq`."""
        self._writer = JournalWriter(journal, epoch, seq, self._durable, self._fail, ballast)
        self.state = "serving"
        self._arm()

    @property
    def journal_seq(self) -> int:
        """Number of the last durable record."""
        return self._writer.seq if self._writer is not None else 0

    def ask_journal(self, work: Callable[[Journal], _T]) -> "asyncio.Future[_T]":
        """See `JournalWriter.ask`."""
        assert self._writer is not None
        return self._writer.ask(work)

    @property
    def journal_pending_bytes(self) -> int:
        """Bytes of commands that wait for the append under way to end."""
        return self._tick_bytes

    def execute(self, client: str, line: bytes, command: Command) -> int:
        """Apply a command, now; gives its outcome. The answer must go through `send`."""
        try:
            now = self._now or self._open_tick()
            started_ns = monotonic_ns()
            outcome = apply_command(self.machine, command, now, client)
        except MemoryError:
            self._fail(Fatal("the engine ran out of memory: give the machine more, then start the server again"))
            return Outcome.UNAVAILABLE
        except Exception as error:  # noqa: BLE001 - a deadline failed: memory may differ from the journal now
            self._broken(error)
            return Outcome.UNAVAILABLE
        counters = self.counters
        kind = type(command)
        took_ns = monotonic_ns() - started_ns
        counters.apply_ns[kind].observe(took_ns)
        self.budget -= took_ns // LINE_NS
        counters.commands[kind] += 1
        counters.outcomes[outcome] += 1
        if outcome == Outcome.INTERNAL_ERROR:
            counters.internal_errors += 1
        if kind in _OF_PRESENCE:
            note_presence(self.away, command, client)
        self._commands.append((client, line))
        self._tick_bytes += len(line)
        return outcome

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

    def send(self, output: Output, data: bytes) -> None:
        """Send `data` as soon as everything applied so far is durable."""
        gathered = output.gathered
        if not gathered:
            self._outputs.append(output)
            if not self._turn_scheduled:
                self._schedule_turn()
        gathered.append(data)

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
        if not self._turn_scheduled:
            self._schedule_turn()

    def hand_out_events(self) -> None:
        """Route the events of what was applied so far, so that who comes next sees later ones only."""
        events = self.machine.take_events()
        if events:
            self.router.route(events)

    async def flushed(self) -> None:
        """Wait until everything applied so far is durable and handed to its connections, or the journal failed."""
        while (self._turn_scheduled or not self._idle.is_set()) and self.state != "failed":
            if self._turn_scheduled:
                await asyncio.sleep(0)
            else:
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

    def _schedule_turn(self) -> None:
        self._turn_scheduled = True
        self._loop.call_soon(self._end_turn)

    def _open_tick(self) -> int:
        """Stamp a tick and fire the deadlines that are due; gives its time.

        When very many are due, as after a day without a server, a tick fires some and is stamped with the instant of
        the last: engine time stays behind until later ticks have fired the others, and replay does the same.
        """
        machine = self.machine
        now = max(self.clock.now(), machine.now)
        self._behind = False
        if 0 < machine.next_deadline() <= now:
            machine.advance(now, self.limits.tick_deadlines_max)
            self._behind = machine.now < now
            now = machine.now
        self._now = now
        if not self._turn_scheduled:
            self._schedule_turn()
        return now

    def _close_tick(self) -> None:
        """Make the open tick part of the next batch."""
        if not self._now:
            return
        self.hand_out_events()
        self._ticks.append((self._now, self._commands))
        self._tick_commands += len(self._commands)
        self.commands_journaled += len(self._commands)
        self._now = 0
        self._commands = []
        self.counters.ticks += 1
        if self._tick_bytes > self.limits.batch_bytes_max:
            self.congested = True

    def _end_turn(self) -> None:
        """What every turn of the loop in which something happened ends with."""
        self._turn_scheduled = False
        if self.state == "failed":
            return
        try:
            self._close_tick()
            if self._in_flight is None:
                self._begin_batch()
            self._arm()
        except Exception as error:  # noqa: BLE001 - as above
            self._broken(error)
            return
        self._run_deferred()

    def _run_deferred(self) -> None:
        """Let those go on that were put off, as far as the budget of a turn goes."""
        self.budget = self.limits.tick_lines_max
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
        if deferred and not self._turn_scheduled and not self.congested:
            self._schedule_turn()

    def _begin_batch(self) -> None:
        """Append what has gathered. With nothing to append, what was only read can leave at once."""
        outputs = []
        for output in self._outputs:
            outputs.append((output, b"".join(output.gathered)))
            output.gathered = []
        self._outputs = []
        if not self._ticks:
            self._release(outputs)
            return
        assert self._writer is not None
        batch = Batch(self._ticks[-1][0], self._tick_commands, encode_ticks(self._ticks))
        counters = self.counters
        counters.batches += 1
        counters.batch_commands.observe(batch.commands)
        counters.batch_bytes.observe(len(batch.payload))
        self._ticks = []
        self._tick_bytes = 0
        self._tick_commands = 0
        self.congested = False
        self._in_flight = outputs
        self._idle.clear()
        self._writer.submit(batch)

    def _durable(self, flush_ns: int) -> None:
        """The batch under way is durable: let its answers out, and begin the next."""
        outputs = self._in_flight
        if outputs is None or self.state == "failed":
            return
        self._in_flight = None
        self.counters.flush_ns.observe(flush_ns)
        try:
            self._close_tick()
            if self._ticks:
                self._begin_batch()  # first, so that the disk works while we write to the connections
            self._release(outputs)
            if self._in_flight is None:
                if self._outputs:
                    self._begin_batch()
                self._idle.set()
            self._arm()
        except Exception as error:  # noqa: BLE001 - as above
            self._broken(error)
        if self._deferred and not self._turn_scheduled:
            self._schedule_turn()

    def _release(self, outputs: list[tuple[Output, bytes]]) -> None:
        counters = self.counters
        for output, data in outputs:
            counters.bytes_out += len(data)
            try:
                output.write(data)
            except Exception:  # noqa: BLE001 - logged; it concerns this connection only
                logger.exception("a connection could not be written to and was cut")
                output.abort()

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

    def _held_up(self) -> bool:
        """Whether more deadlines have to wait for the append under way: who gets their events must be able to follow."""
        return self._behind and self._in_flight is not None

    def _arm(self) -> None:
        """Have the loop call when the engine's next deadline is due. A timer that comes too early does no harm."""
        deadline = self.machine.next_deadline()
        if not deadline or self.state != "serving":
            return
        if self._held_up():
            return  # until `_durable` calls
        if self._timer is not None:
            if self._timer_deadline <= deadline:
                return
            self._timer.cancel()
        self._timer_deadline = deadline
        self._timer = self._loop.call_later(self.clock.seconds_until(deadline), self._deadline)

    def _advance(self) -> None:
        try:
            self._open_tick()
        except Exception as error:  # noqa: BLE001 - as above
            self._broken(error)

    def _deadline(self) -> None:
        """Fire the deadlines that are due, as a tick of their own unless one is open."""
        self._timer = None
        deadline = self.machine.next_deadline()
        if deadline and self.state == "serving":
            if not self._now and not self._held_up() and self.clock.now() >= deadline:
                self._advance()
            self._arm()
