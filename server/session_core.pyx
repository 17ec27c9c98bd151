# cython: auto_pickle=False, autotestdict=False
"""The hot part of `server.session`: from bytes to commands, and from answers and events to bytes."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int64_t
from libc.string cimport memchr

from acd_core.event_lines cimport EventLine, Told

from acd_core.engine cimport Engine
from acd_core.json_text cimport JsonText
from acd_core.types cimport NONE
from acd_protocol.line_cutter cimport LineCutter
from acd_protocol.plain_line cimport ENQUEUE, PlainLine, plain_kinds
from server.ok_line cimport put_ok, put_plain_ok
from server.pace cimport pass_all
from server.outlet cimport Outlet
from server.sequencer_core cimport SequencerCore
from server.wall cimport Wall

import msgspec

from acd_core import Outcome
from acd_core.commands import Command, ContactEnqueue
from acd_protocol import framing
from server import answers

cdef extern from "<sys/socket.h>" nogil:
    ssize_t send(int descriptor, const void *data, size_t size, int flags)
    int MSG_DONTWAIT
    int MSG_NOSIGNAL

cdef object encode_id = msgspec.json.Encoder().encode
cdef object DECODE = framing.client_decoder.decode
cdef int64_t OK = Outcome.OK
cdef int64_t DUPLICATE = Outcome.DUPLICATE


cdef class Cursor:
    """How far a connection has followed the events; see `server.following`.

    Attributes:
        cursor: the event that is to be sent next, of those that the ring keeps for the client; 0 if it misses none.
    """


cdef class SessionCore(Outlet):
    """See `server.session.Session`."""

    def __init__(self, SequencerCore sequencer not None, LineCutter reader not None, Cursor following not None,
                 set long_lines not None):
        self.name = ""
        self._sequencer = sequencer
        self._counters = sequencer.counters
        self._reader = reader
        self._following = following
        self._long_lines = long_lines
        self._lines = []
        self._unsent_max = sequencer.limits.unsent_bytes_max
        self._line_bytes_max = sequencer.limits.line_bytes_max
        self._plain = PlainLine()
        self.set_free(frozenset())
        self._paces = ()
        self._descriptor = -1

    def set_free(self, frozenset free):
        """Say which types of commands need not be judged; see `server.access.guard.Guard`."""
        self._free = free
        self._plain_free = plain_kinds(free)

    def set_wall(self, Wall behind not None):
        """Say what is behind the wall, for a connection that has one; see the same."""
        self._wall = behind
        self._walled = True

    # -- in -----------------------------------------------------------------------------------------------------

    def data_received(self, bytes data):
        """Bytes arrived."""
        self._counters.bytes_in += len(data)
        if self.name and not self._closing:
            self._read_lines(data)
        else:
            self._received(data)

    cpdef object _read_lines(self, bytes data):
        """Deal with the lines that `data` completes, in their turn."""
        cdef Py_ssize_t done = 0
        cdef list lines
        if self._index >= len(self._lines) and not len(self._reader._pending):
            done = self._deal_in_place(data)
            if done == len(data) and not (self._closing or self._stalled or self._ended or self._long_lines):
                return
            if done:
                data = data[done:]
        lines = self._reader.cut(data)
        if self._index < len(self._lines):
            self._lines += lines
        else:
            self._lines = lines
            self._index = 0
            self.run()
        if len(self._reader._pending) > self._line_bytes_max:
            self._send_long_line()

    cdef Py_ssize_t _deal_in_place(self, bytes data) except -1:
        """Deal with the first lines of what arrived where they are, if nothing is at hand; gives the bytes that are done.

        It ends where `run` would do anything else than deal with a line, or where a line is not complete.
        """
        cdef SequencerCore sequencer = self._sequencer
        cdef const char *begin = PyBytes_AS_STRING(data)
        cdef const char *at = begin
        cdef const char *stop = begin + PyBytes_GET_SIZE(data)
        cdef const char *end
        cdef Py_ssize_t length
        cdef int64_t now_ns = 0
        cdef PlainLine plain = self._plain
        cdef bint reads = self._plain_free or self._walled
        cdef bint is_plain
        if not self.name or self._reader.error is not None or sequencer.state != "serving":
            return 0
        while at < stop and not self._closing:
            if sequencer.budget <= 0 or sequencer.congested:
                break
            if self._unsent > self._unsent_max or self._paused or self._following.cursor or self._stalled:
                break
            end = plain.read_first(at, stop) if reads else NULL
            if end != NULL and end[0] == 13:
                end += 1
            is_plain = end != NULL and end[0] == 10
            if not is_plain:
                end = <const char *>memchr(at, b"\n", stop - at)
            if end == NULL or end - at > self._reader.max_line:
                break
            length = end - at
            if length and at[length - 1] == 13:
                length -= 1
            if length:
                if self._paces and pass_all(self._paces, &now_ns):
                    break
                if not (is_plain and self._deal_read(plain, at, length)) and not self._deal_other(at[:length]):
                    break
                sequencer.budget -= 1
            at = end + 1
        return at - begin

    cpdef object run(self):
        """Deal with the lines at hand until none is left or a limit is reached; see `Sequencer.defer`."""
        cdef SequencerCore sequencer = self._sequencer
        cdef list lines
        cdef bytes line
        cdef double wait_s
        cdef int64_t now_ns = 0
        self._put_off = False
        if sequencer.state != "serving":
            self._refuse_rest()
            return
        if self._following.cursor and not self._paused:
            self._following.catch_up()
        lines = self._lines
        while self._index < len(lines) and not self._closing:
            if self.name:
                if sequencer.budget <= 0 or sequencer.congested:
                    self._put_off_rest()
                    return
                if self._unsent > self._unsent_max or self._paused or self._following.cursor:
                    self._stop_reading()
                    return
                if self._paces:
                    wait_s = pass_all(self._paces, &now_ns)
                    if wait_s:
                        self._rest(wait_s)
                        self._stop_reading()
                        return
            line = lines[self._index]
            if not (
                (self._plain_free or self._walled) and self._plain.read(line)
                and self._deal_read(self._plain, PyBytes_AS_STRING(line), PyBytes_GET_SIZE(line))
            ) and not self._deal_other(line):
                self._stop_reading()
                return
            self._index += 1
            sequencer.budget -= 1
        if self._closing:
            return
        if self._reader.error is not None:
            self._counters.refused_lines += 1
            self.refuse(self._reader.error)
            return
        if self._long_lines and self in self._long_lines and len(self._reader._pending) <= self._line_bytes_max:
            self._long_lines.remove(self)
        if self._stalled:
            self._read_on()
        if self._ended:
            self._close_if_done()

    cdef bint _deal_read(self, PlainLine plain, const char *line, Py_ssize_t length) except -1:
        """Deal with a line that was read if it may be carried out as it stands; gives whether it was."""
        if not self._sequencer.takes_plain(plain):
            return False
        if not self._plain_free >> <int>plain.kind & 1:
            if not self._walled or not self._wall.passes_plain(self._sequencer.engine, plain, self.name):
                return False
        self._errors_in_a_row = 0
        self._answer_plain(plain, self._sequencer.execute_plain(self.name, line, length, plain))
        return True

    cdef bint _deal_other(self, bytes line) except -1:
        """Deal with a line that `_deal_read` left; False to be asked again later."""
        cdef int64_t outcome
        cdef Engine engine = self._sequencer.engine
        try:
            message = DECODE(line)
        except (ValueError, RecursionError) as problem:
            message = framing.explain(line, problem)
        if type(message) in self._free or (
            self._walled and engine is not None and self._wall.passes_command(engine, message, self.name)
        ):
            outcome = self._sequencer.execute(self.name, line, message)
            self._errors_in_a_row = 0
            self._answer(message, outcome)
        elif self.name and isinstance(message, Command):
            self._guarded(line, message)
        else:
            return bool(self._request(message))
        return True

    cdef bint _sees(self, str tenant, str agent) except -1:
        """Whether what concerns these is surely behind the wall; if not, `following` looks closer."""
        cdef Engine engine = self._sequencer.engine
        cdef object config = self._sequencer.machine.config() if engine is None else engine.configuration
        return self._wall.shows(config, tenant, agent)

    cdef int _answer_plain(self, PlainLine plain, int64_t outcome) except -1:
        """Answer what stood in a line, right after it was applied."""
        cdef Engine engine = self._sequencer.engine
        cdef JsonText out = self.gathered if self.gathered is not None else self._sequencer.text_of(self)
        cdef Py_ssize_t before = out.length
        cdef bint duplicate = outcome == DUPLICATE
        if plain.kind != ENQUEUE and outcome == OK:
            put_plain_ok(out, engine.seq, plain.request_id, plain.request_id_length)
        elif plain.kind == ENQUEUE:
            if outcome == OK and engine.last_position:
                put_ok(
                    out, engine.seq, plain.request_id, plain.request_id_length, False, engine.last_position,
                    engine.last_mean_ms != NONE, engine.last_p50_ms, engine.last_p90_ms,
                )
            elif duplicate and engine.ended.get(plain.contact) is None:
                put_ok(out, engine.seq, plain.request_id, plain.request_id_length, True, 0, False, 0, 0)
            else:
                out.add_bytes(answers.to_command(plain.command(), outcome, engine))
        elif duplicate:
            put_ok(out, engine.seq, plain.request_id, plain.request_id_length, True, 0, False, 0, 0)
        else:
            out.add_bytes(answers.to_command(plain.command(), outcome, engine))
        self._unsent += out.length - before
        return 0

    cdef int _answer(self, object command, int64_t outcome) except -1:
        """Answer a command, right after it was applied."""
        cdef JsonText out = self._sequencer.text_of(self)
        cdef Py_ssize_t before = out.length
        cdef bytes request_id
        if type(command) is not ContactEnqueue and (outcome == OK or outcome == DUPLICATE):
            request_id = b"" if command.id is None else encode_id(command.id)
            put_ok(
                out, self._sequencer.seq(), request_id, len(request_id), outcome == DUPLICATE, 0, False, 0, 0
            )
        else:
            out.add_bytes(answers.to_command(command, outcome, self._sequencer.machine))
        self._unsent += out.length - before
        return 0

    # -- out ----------------------------------------------------------------------------------------------------

    cpdef object deliver(self, EventLine event):
        """Take an event; see `server.router.Receiver`."""
        if (
            self._paused or self._following.cursor or self._unsent > self._unsent_max
            or (self._walled and not self._sees(event.tenant, event.agent))
        ):
            self._following.take(event)
            return
        self._counters.events_sent += 1
        self.send(event.line)

    cdef bint deliver_lines(self, Told *told, Py_ssize_t count) except -1:
        """See `Outlet`."""
        cdef Told *last = &told[count - 1]
        cdef Py_ssize_t length = last.line + last.length - told.line
        if (
            self._paused or self._following.cursor or self._unsent + length - last.length > self._unsent_max
            or (self._walled and not (count == 1 and self._sees(<str>told.tenant, <str>told.agent)))
        ):
            return False
        self._counters.events_sent += count
        self._unsent += length
        if self.gathered is None:
            self._sequencer.text_of(self)
        self.gathered.add(told.line, length)
        return True

    cpdef object send(self, bytes data):
        """Send `data` when everything applied so far is durable."""
        self._unsent += len(data)
        self._sequencer.send(self, data)

    cpdef object write(self, bytes data):
        """Send what is durable; see `server.sequencer.Output`."""
        self._unsent -= len(data)
        if not self._transport.is_closing():
            self._held_back = True
            self._transport.write(data)
            self._written()

    cdef int write_text(self, JsonText text) except -1:
        """As `write`, to the socket itself as long as that takes all of it."""
        cdef ssize_t sent = 0
        self._unsent -= text.length
        if self._transport.is_closing():
            return 0
        if self._descriptor >= 0:
            if self._held_back:
                self._held_back = self._transport.get_write_buffer_size() != 0
            if not self._held_back:
                sent = send(self._descriptor, text.start, text.length, MSG_DONTWAIT | MSG_NOSIGNAL)
        if sent < text.length:
            self._held_back = True  # what went wrong the transport finds out as well, and knows what to do
            self._transport.write(text.start[max(sent, 0):text.length])
        return self._written()

    cdef int _written(self) except -1:
        """See what can go on now that something was written."""
        if self._closing or self._ended:
            self._close_if_done()
        if self._following.cursor or self._stalled:
            self._go_on()
        return 0
