# cython: cdivision=True, auto_pickle=False, autotestdict=False
"""The hot part of `server.sequencer`: what each command, tick and batch goes through.

Methods that others replace, as the simulation does to see whether it notices, are found by name (`cpdef`); so they are
the same for who looks at the server from Python.
"""

from libc.stdint cimport int64_t

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.ref cimport PyObject

from acd_core.engine cimport Engine
from acd_core.json_text cimport JsonText
from acd_protocol.plain_line cimport ACCEPT, COMPLETE, ENQUEUE, PLAIN_KINDS, READY, WRAPUP_DONE, PlainLine
from server.batch_text cimport BatchText
from server.clock cimport Clock, machine_ns
from server.counters cimport Counters, Histogram
from server.outlet cimport Outlet
from server.router_core cimport RouterCore
from server.stopwatch cimport is_replaced, stopwatch_ns
from server.writer_core cimport WriterCore

from collections import deque

from acd_core import Outcome
from acd_core import commands as core_commands
from acd_core.commands import ClientAway, ClientBack
from acd_protocol import framing
from acd_protocol.plain_line import plain_commands
from server.errors import Fatal
from server.journal.contract import Batch
from server.log import about, logger

cdef extern from "Python.h":
    PyObject *_PyType_Lookup(object kind, object name)  # what has an attribute, without a reference to it
    PyObject *item "PyTuple_GET_ITEM"(PyObject *items, Py_ssize_t place)  # without a reference to the tuple
    object new_batch "PyTuple_Type.tp_new"(PyObject *kind, tuple arguments, PyObject *keywords)  # as a NamedTuple's own

cdef extern from *:
    """
    #define acd_version_of(kind) (((PyTypeObject *)(kind))->tp_version_tag)
    """
    unsigned int version_of "acd_version_of"(PyObject *kind) noexcept

cdef enum:
    COST_OF_LINE_NS = 20_000
    TEXTS_MAX = 64  # buffers that are kept for what is due next
    ENOUGH = 256    # so many commands share a flush and its writes well enough
    GATHERS_NS = 1_000_000  # and so long is long enough to wait for them
    NO_MEMORY = -2  # in place of an outcome

LINE_NS = COST_OF_LINE_NS
"""What takes longer counts for more than one line."""

cdef int64_t INTERNAL_ERROR = Outcome.INTERNAL_ERROR
cdef int64_t UNAVAILABLE = Outcome.UNAVAILABLE
cdef int64_t JOURNAL_FULL = Outcome.JOURNAL_FULL
# By `acd_protocol.plain_line.Plain`.
cdef tuple KINDS = plain_commands()
cdef tuple APPLIES = tuple(kind and vars(kind)["apply"] for kind in KINDS)


cpdef int64_t apply_command(object machine, object command, int64_t now, str client) except -1:
    """Apply one command; a fault of ours becomes an outcome.

    Live traffic and recovery both go through here: a command that fails must fail alike when it is replayed. A lack
    of memory would not, so it is passed on.
    """
    try:
        return command.apply(machine, now, client)
    except MemoryError:
        raise
    except Exception:  # one bad command must not end the server
        return _failed(command, client)


# What `kinds_in_use` found last, and as which versions of the types; the interpreter gives a type that is changed another.
cdef int kinds_found = 0
cdef unsigned int versions[PLAIN_KINDS]


cdef int kinds_in_use() except -1:
    """Bits of the kinds of plain lines of which the engine can be told without making a command of them.

    Whoever replaces what such a command does, as tests do, is obeyed: then it is a command like any other.
    """
    global kinds_found
    cdef int kind
    for kind in range(ENQUEUE, PLAIN_KINDS):
        if version_of(item(<PyObject *>KINDS, kind)) != versions[kind] or not versions[kind]:
            break
    else:
        return kinds_found
    kinds_found = 0
    for kind in range(ENQUEUE, PLAIN_KINDS):
        if _PyType_Lookup(KINDS[kind], "apply") == <PyObject *>APPLIES[kind]:
            kinds_found |= 1 << kind
        versions[kind] = version_of(item(<PyObject *>KINDS, kind))
    return kinds_found


cdef int64_t apply_plain(Engine engine, PlainLine plain, int64_t now, str client) except -1:
    """As `apply_command`, for a line that was read into `plain`; gives NO_MEMORY for want of it."""
    cdef int64_t outcome = tell_quietly(engine, plain, now, client)
    return failed_by_error(plain, client) if outcome == -1 else outcome


cdef int64_t tell(Engine engine, PlainLine plain, int64_t now, str client) except -1:
    """Tell the engine what was read; gives its outcome."""
    if plain.kind == ENQUEUE:
        return engine.enqueue_contact(
            now, client, plain.contact, plain.tenant, plain.queue, plain.priority, plain.require, plain.attributes
        )
    if plain.kind == ACCEPT:
        return engine.accept(now, plain.offer)
    if plain.kind == COMPLETE:
        return engine.complete_contact(now, plain.contact, plain.reason)
    if plain.kind == WRAPUP_DONE:
        return engine.end_wrapup(now, plain.agent, plain.disposition, plain.contact)
    if plain.kind == READY:
        return engine.ready_agent(now, plain.agent)
    return engine.abandon_contact(now, plain.contact)


# The same, with an error only set and not raised: to make ready for one costs as much as a tenth of such a command.
ctypedef int64_t (*Telling)(Engine engine, PlainLine plain, int64_t now, str client) noexcept
cdef Telling tell_quietly = <Telling>tell


cdef int raise_pending() except -1:
    """Raise the error that is set."""
    return -1


cdef int64_t failed_by_error(PlainLine plain, str client) except -1:
    """See `apply_plain`: the outcome of the error that is set."""
    try:
        raise_pending()
    except MemoryError:
        return NO_MEMORY
    except Exception:
        return _failed(plain.command(), client)
    return INTERNAL_ERROR


cdef int64_t _failed(object command, str client) except -1:
    """Say in the log that a command failed inside the engine; gives its outcome."""
    fields = {"type": type(command).__name__, "client": client, **about(command)}
    logger.exception("a command failed inside the engine", extra={"fields": fields})
    return INTERNAL_ERROR


def replay_lines(machine, set away, int64_t now, list lines):
    """Apply the lines of a journaled tick as they were applied; gives how many, fewer than all if one is no command."""
    cdef PlainLine plain = PlainLine()
    cdef Py_ssize_t done = 0
    cdef int kinds = kinds_in_use() if isinstance(machine, Engine) else 0
    for client, line in lines:
        if kinds and plain.read(line) and kinds >> <int>plain.kind & 1:
            if apply_plain(machine, plain, now, client) == NO_MEMORY:
                raise MemoryError
        else:
            command = framing.decode_from_client(line)
            if not isinstance(command, core_commands.Command):
                break
            apply_command(machine, command, now, client)
            note_presence(away, command, client)
        done += 1
    return done


def note_presence(set away, command, client):
    """Keep `away`, the names of clients, up to date with a command that was applied."""
    if type(command) is ClientAway:
        away.add(client)
    elif type(command) is ClientBack:
        away.discard(client)


cdef inline void count(
    SequencerCore sequencer, Histogram apply_ns, Py_ssize_t place, int64_t outcome, int64_t took_ns
) noexcept:
    """Note that a command was applied."""
    cdef Counters counters = sequencer.counters
    apply_ns.add(took_ns)
    if took_ns >= COST_OF_LINE_NS:
        sequencer.budget -= took_ns // COST_OF_LINE_NS
    counters.commands.numbers[place] += 1
    counters.outcomes.numbers[outcome] += 1
    if outcome == INTERNAL_ERROR:
        counters.internal_errors += 1


cdef class SequencerCore:
    """See `server.sequencer.Sequencer`."""

    def __init__(self, machine, clock, RouterCore router, Counters counters, limits):
        self.machine = machine
        self.clock = clock
        self.router = router
        self.counters = counters
        self.limits = limits
        self.state = "starting"
        self._lines_max = self.budget = limits.tick_lines_max
        self._deadlines_max = limits.tick_deadlines_max
        self._batch_bytes_max = limits.batch_bytes_max
        self._next = BatchText()
        self._outputs = []
        self._texts = []
        self._deferred = deque()
        self._turn = self._end_turn
        self._plain_kinds = -1
        self._plain_ns = [None, *(counters.apply_ns[kind] for kind in KINDS[1:])]
        for place in range(1, len(KINDS)):
            self._plain_places[place] = counters.commands.places[KINDS[place]]
            self._plain_histograms[place] = <void *>self._plain_ns[place]

    @property
    def machine(self):
        return self._machine

    @machine.setter
    def machine(self, machine):
        self._machine = machine
        self.engine = machine if isinstance(machine, Engine) else None
        self._plain_kinds = -1

    cdef int64_t seq(self) except -1:
        """Number of the latest event."""
        return self.engine.seq if self.engine is not None else self._machine.seq

    # -- commands -----------------------------------------------------------------------------------------------

    cpdef int64_t execute(self, str client, bytes line, object command) except -1:
        """Apply a command, now; gives its outcome. The answer must go through `send`.

        It is written for the journal first: were that to fail afterwards, memory would hold what the journal does not.
        """
        cdef int64_t now, began_ns, outcome
        if self.read_only:
            return self._no_room()
        now = self._now or self._opened()
        if not now:
            return UNAVAILABLE
        self._next.add(client, PyBytes_AS_STRING(line), PyBytes_GET_SIZE(line))
        began_ns = stopwatch_ns()
        try:
            outcome = apply_command(self._machine, command, now, client)
        except Exception as error:
            return self._stopped_by(error)
        count(
            self, <Histogram>self.counters.apply_ns[type(command)], self.counters.commands.places[type(command)], outcome,
            stopwatch_ns() - began_ns,
        )
        if type(command) is ClientAway or type(command) is ClientBack:
            note_presence(self.away, command, client)
        return outcome

    cdef int _look_at_kinds(self) except -1:
        """Which kinds of plain lines are carried out as such in this turn, and what tells how long they take."""
        self._plain_kinds = kinds_in_use() if self.engine is not None else 0
        self._machine_time = not is_replaced()
        return 0

    cdef int64_t execute_plain(self, str client, const char *line, Py_ssize_t length, PlainLine plain) except -1:
        """As `execute`, for a line that was read into `plain`."""
        cdef int64_t now = self._now, began_ns, took_ns, outcome
        if self.read_only:
            return self._no_room()
        if not now:
            now = self._opened()
            if not now:
                return UNAVAILABLE
        self._next.add(client, line, length)
        began_ns = machine_ns() if self._machine_time else stopwatch_ns()
        outcome = apply_plain(self.engine, plain, now, client)
        if outcome == NO_MEMORY:
            return self._stopped_by(MemoryError())
        took_ns = (machine_ns() if self._machine_time else stopwatch_ns()) - began_ns
        count(
            self, <Histogram>self._plain_histograms[<int>plain.kind], self._plain_places[<int>plain.kind], outcome, took_ns
        )
        return outcome

    cdef int64_t _no_room(self) except -1:
        """A command that is not carried out, since the disk is full; its outcome."""
        self.counters.outcomes.numbers[JOURNAL_FULL] += 1
        return JOURNAL_FULL

    def _stopped_by(self, error):
        """The server ends: it lacks memory, or a deadline failed and memory may differ from the journal; an outcome."""
        if isinstance(error, MemoryError):
            self._fail(Fatal("the engine ran out of memory: give the machine more, then start the server again"))
        else:
            self._broken(error)
        return UNAVAILABLE

    cpdef object send(self, object output, bytes data):
        """Send `data` as soon as everything applied so far is durable."""
        cdef Outlet outlet
        if isinstance(output, Outlet):
            outlet = <Outlet>output
            self.text_of(outlet).add_bytes(data)
            return
        if not output.gathered:
            self._outputs.append(output)
            self._schedule_turn()
        output.gathered.append(data)

    cdef JsonText text_of(self, Outlet outlet):
        """Where `send` gathers what is due to a connection."""
        if outlet.gathered is None:
            outlet.gathered = <JsonText>self._texts.pop() if self._texts else JsonText()
            self._outputs.append(outlet)
            self._schedule_turn()
        return outlet.gathered

    def hand_out_events(self):
        """Route the events of what was applied so far, so that who comes next sees later ones only."""
        self._hand_out()

    cdef int _hand_out(self) except -1:
        if self.engine is None or self.engine.record_count or self.engine.materialised:
            self.router.hand_out(self._machine)
        return 0

    # -- ticks --------------------------------------------------------------------------------------------------

    def _need_turn(self):
        """Have what is gathered dealt with at the end of this turn of the loop."""
        self._schedule_turn()

    cdef int _schedule_turn(self) except -1:
        if not self._turn_scheduled:
            self._turn_scheduled = True
            self._loop.call_soon(self._turn)
        return 0

    cdef int64_t _open(self) except -1:
        """Stamp a tick and fire the deadlines that are due; gives its time.

        When very many are due, as after a day without a server, a tick fires some and is stamped with the instant of
        the last: engine time stays behind until later ticks have fired the others, and replay does the same.
        """
        cdef int64_t now = self._time()
        cdef int64_t reached = self.engine.now if self.engine is not None else self._machine.now
        cdef int64_t deadline = self._next_deadline()
        machine = self._machine
        now = max(now, reached)
        self._behind = False
        if 0 < deadline <= now:
            machine.advance(now, self._deadlines_max)
            self._behind = machine.now < now
            now = machine.now
        self._now = now
        self._schedule_turn()
        return now

    cdef int64_t _opened(self) except -1:
        """As `_open`; gives 0 if that failed, and the server ends."""
        try:
            return self._open()
        except Exception as error:
            self._stopped_by(error)
            return 0

    cdef int64_t _time(self) except -1:
        """What the clock shows."""
        return (<Clock>self.clock).now() if isinstance(self.clock, Clock) else self.clock.now()

    cdef int64_t _next_deadline(self) except -1:
        return self.engine.timers.next_deadline() if self.engine is not None else self._machine.next_deadline()

    cdef int _close(self) except -1:
        """Make the open tick part of the next batch."""
        if not self._now:
            return 0
        self._hand_out()
        self.commands_journaled += self._next.close_tick(self._now)
        self._now = 0
        self.counters.ticks += 1
        if self._next.line_bytes > self._batch_bytes_max:
            self.congested = True
        return 0

    def _open_tick(self):
        """Begin a tick for deadlines alone."""
        self._open()

    def _close_tick(self):
        """End the tick that is open, if one is."""
        self._close()

    def _end_turn(self):
        """What every turn of the loop in which something happened ends with."""
        self._turn_scheduled = False
        self._plain_kinds = -1
        if self.state == "failed":
            return
        try:
            self._close()
            if self._in_flight is None:
                if self._gathers():
                    self._schedule_turn()
                else:
                    self._begin()
            self._arm()
        except Exception as error:  # as in `execute`
            self._broken(error)
            return
        self.budget = self._lines_max
        if self._deferred:
            self._run_deferred()

    cpdef object _arm(self):
        """Have the loop call when the engine's next deadline is due. A timer that comes too early does no harm."""
        cdef int64_t deadline = self._next_deadline()
        if not deadline or self.read_only or self.state != "serving":
            return
        if self._behind and self._held_up():
            return  # until `_durable` calls
        if self._timer is not None:
            if self._timer_deadline <= deadline:
                return
            self._timer.cancel()
        self._timer_deadline = deadline
        self._timer = self._loop.call_later(self.clock.seconds_until(deadline), self._deadline)

    cpdef bint _held_up(self) except -1:
        """Whether more deadlines have to wait for an append: who gets their events must be able to follow."""
        return self._behind and (self._in_flight is not None or self._next.ticks != 0)

    # -- batches ------------------------------------------------------------------------------------------------

    cdef bint _gathers(self) except -1:
        """Whether the next batch waits for one more turn of the loop, though it could be appended now.

        Each batch costs a flush, and a write to each connection that is answered. So as long as somebody says something
        in each turn, it waits until there are as many commands as there were at the end of the one before: of that one,
        whose clients were answered and may go on now, and of those who had to wait for it. One who is alone with what
        they say, as the last time, waits for nobody; and nobody waits much longer than a flush takes, however slow turns are.
        """
        cdef int64_t commands = self._next.commands
        cdef bint more = self._answered or commands > self._looked_at
        self._looked_at = commands
        self._answered = False
        if not more or commands >= self._expected:
            return False
        if not self._gathers_since:
            self._gathers_since = self._time()
        return self._time() - self._gathers_since < GATHERS_NS

    cdef int _begin(self) except -1:
        """Append what has gathered. With nothing to append, what was only read can leave at once."""
        cdef list outputs
        cdef int64_t took_ns, commands
        cdef Counters counters = self.counters
        cdef bytes payload
        if not self._next.ticks:
            self._let_out()
            return 0
        outputs = self._gathered()
        commands = self._next.commands
        payload = self._next.take()
        self._looked_at = 0
        self._gathers_since = 0
        self._expected = commands
        batch = new_batch(<PyObject *>Batch, ((self._next.time_ns, commands, payload),), NULL)
        counters.batches += 1
        counters.batch_commands.add(commands)
        counters.batch_bytes.add(len(payload))
        self.congested = False
        self._in_flight = outputs
        if isinstance(self._writer, WriterCore):
            took_ns = (<WriterCore>self._writer).submit(batch)
        else:
            took_ns = self._writer.submit(batch)
        if took_ns >= 0:
            self._durable(took_ns)
        return 0

    cdef list _gathered(self):
        """What is due, each output before what is due to it; what comes from now on gathers anew."""
        cdef list outputs = []
        for output in self._outputs:
            outputs.append(output)
            if isinstance(output, Outlet):
                outputs.append((<Outlet>output).gathered)
                (<Outlet>output).gathered = None
            else:
                outputs.append(b"".join(output.gathered))
                output.gathered = []
        self._outputs = []
        return outputs

    def _let_out(self):
        """Send what has gathered."""
        self._release(self._gathered())

    def _durable(self, int64_t flush_ns):
        """The batch under way is durable: let its answers out. The next begins at the end of a turn, see `_gathers`."""
        cdef list outputs = self._in_flight
        if outputs is None or self.state == "failed":
            return
        self._in_flight = None
        self.counters.flush_ns.add(flush_ns)
        try:
            self._close()
            self._expected = min(<int64_t>ENOUGH, self._expected + self._next.commands)
            self._release(outputs)
            if self._next.ticks or self._outputs:
                self._answered = True
                self._schedule_turn()
            if self._awaited:
                self._awaited = False
                self._idle.set()
            self._arm()
        except Exception as error:  # as in `execute`
            self._broken(error)
        if self._deferred:
            self._schedule_turn()

    cdef int _release(self, list outputs) except -1:
        cdef Py_ssize_t place
        cdef JsonText text
        for place in range(0, len(outputs), 2):
            output, due = outputs[place], outputs[place + 1]
            try:
                if isinstance(output, Outlet):
                    text = <JsonText>due
                    self.counters.bytes_out += text.length
                    (<Outlet>output).write_text(text)
                    if len(self._texts) < TEXTS_MAX:
                        text.clear()
                        self._texts.append(text)
                else:
                    self.counters.bytes_out += len(<bytes>due)
                    output.write(due)
            except Exception:  # it concerns this connection only
                logger.exception("a connection could not be written to and was cut")
                output.abort()
        return 0
