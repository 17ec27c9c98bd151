"""One connection of a client: lines in, answers and events out, and nothing that one client does hurts another.

A connection says `hello` first, and is told apart by what it shows there; see `server.access`. From then on each line
is dealt with in its turn and answered in its turn. A connection whose answers and events pile up is read no further,
and its events stay in the ring until it can take them; see `server.following`.
"""

import asyncio
import logging
from typing import cast

from acd_core import Outcome
from acd_core.commands import Command, ConfigApply
from acd_core.config import ConfigError
from acd_protocol.framing import LineReader, decode_from_client, encode, error
from acd_protocol.messages import (
    PROTOCOL_VERSION,
    Draining,
    Error,
    Hello,
    Ok,
    Ping,
    Replaced,
    Request,
    Subscribe,
    Welcome,
)
from acd_protocol.permissions import verb
from server import answers, hours
from server.access.guard import Guard
from server.access.identity import ANYONE, Identity
from server.clock import monotonic_ns
from server.door import Door, descriptor_of, notice_silence
from server.entrance import Entrance
from server.following import Following
from server.router import Subscription
from server.sequencer import Sequencer
from server.session_core import SessionCore
from server.tls import address_of, certificates_of

REFUSED_AT_ONCE_MAX = 32
"""So many connections more than are taken are told so; others are cut without a word."""


class Session(SessionCore, asyncio.Protocol):
    """See the module.

    Attributes:
        name: of the client; empty before `hello`.
        identity: who it is; that of anyone before `hello`.
    """

    __slots__ = (
        "_admitted",
        "_door",
        "_entrance",
        "_guard",
        "_half_open",
        "_linger",
        "_patience",
        "_rest_timer",
        "_timer",
        "address",
        "certificates",
    )
    _sequencer: Sequencer
    _following: Following

    def __init__(self, door: Door) -> None:
        sequencer = door.sequencer
        super().__init__(
            sequencer,
            LineReader(sequencer.limits.hello_bytes_max),
            Following(self, sequencer, door.seldom),
            door.long_lines,
        )
        self.identity: Identity = ANYONE
        self.address = ""
        self._door = door
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)
        self._timer: asyncio.TimerHandle | None = None
        self._linger = False
        self.certificates: tuple[str, ...] = ()
        self._entrance = Entrance(self, door)
        self._admitted = False
        self._half_open = True
        self._guard: Guard = cast("Guard", None)
        self._rest_timer: asyncio.TimerHandle | None = None
        self._patience: asyncio.TimerHandle | None = None

    # -- what the transport calls -------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected."""
        sequencer = self._sequencer
        limits = sequencer.limits
        self._transport = cast("asyncio.Transport", transport)
        self.address = address_of(transport)
        self.certificates = certificates_of(transport)
        self._half_open = self._transport.can_write_eof()  # TLS ends both directions at once
        notice_silence(transport.get_extra_info("socket"), limits.silence_s)
        self._descriptor = descriptor_of(transport)
        self._transport.set_write_buffer_limits(high=limits.unsent_bytes_max)
        self._door.entered(self)
        sequencer.counters.connections += 1
        sequencer.counters.connections_total += 1
        if sequencer.counters.connections > limits.connections_max + REFUSED_AT_ONCE_MAX:
            self._closing = True
            self._transport.abort()
        elif sequencer.counters.connections > limits.connections_max:
            self.refuse(error(Outcome.UNAVAILABLE, "the server has as many connections as it accepts; try later"))
        else:
            self._timer = asyncio.get_running_loop().call_later(limits.hello_s, self._hello_overdue)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """The connection is gone, for whatever reason. What its client owns stays; see `server.presence`."""
        self._closing = True
        self._descriptor = -1
        self._entrance.close()
        self._stop_timer()
        self._stop_patience()
        self._detach()
        self._lines = []
        self._index = 0
        self._door.left(self)
        self._sequencer.counters.connections -= 1

    def _received(self, data: bytes) -> None:
        """Bytes arrived while the client has not said `hello`, or the connection ends."""
        if self._closing:
            return
        while not self.name and self._sequencer.state == "serving":
            if self._entrance.busy:
                self._entrance.early += data
                return
            # One line at a time: what comes after `hello` is read by other limits.
            if not self._reader.pending:
                data = data.lstrip(b"\r\n")
            end = data.find(b"\n") + 1
            if not end:
                break
            self._read_lines(data[:end])
            if self._closing:
                return
            data = data[end:]
        self._read_lines(data)

    def _send_long_line(self) -> None:
        """Let the client send a line that takes much memory, if few others do so."""
        long_lines = self._door.long_lines
        if self in long_lines or self._closing:
            return
        if len(long_lines) < self._sequencer.limits.long_lines_max:
            long_lines.add(self)
        else:
            self.refuse(error(Outcome.UNAVAILABLE, "others are sending configurations just now; try later"))

    def eof_received(self) -> bool:
        """The client sends nothing more. It still gets its answers; then the connection is closed."""
        self._ended = True
        self._close_if_done()
        return self._half_open

    def pause_writing(self) -> None:
        """The client does not take what is sent."""
        self._paused = True
        self._patience = asyncio.get_running_loop().call_later(self._sequencer.limits.silence_s, self.drop)

    def resume_writing(self) -> None:
        """The client takes what is sent again."""
        self._paused = False
        self._stop_patience()
        self._go_on()

    # -- lines --------------------------------------------------------------------------------------------------

    def _guarded(self, line: bytes, command: Command) -> None:
        """Carry out a command if it is allowed, and tell the audit trail of it if that should know."""
        sequencer, audit = self._sequencer, self._door.audit
        problem = self._guard.judge(command)
        audited = self.identity.audited(type(command))
        if problem is None and audited and not audit.recovered():
            problem = error(Outcome.UNAVAILABLE, "the audit trail cannot be written, so this is refused", command.id)
        whole = problem or self._guard.whole(line, command)
        if isinstance(whole, Error):
            self._forbid(command, whole)
            return
        line, command = whole
        if isinstance(command, ConfigApply):
            try:
                hours.check(command.config)
            except ConfigError as wrong:
                self.send(encode(error(Outcome.CONFIG_INVALID, str(wrong), command.id)))
                return
        before = sequencer.machine.config()
        outcome = sequencer.execute(self.name, line, command)
        self._errors_in_a_row = 0
        self.send(answers.to_command(command, outcome, sequencer.machine))
        if audited:
            audit.command(self.identity, self.name, self.address, command, outcome, sequencer.machine.seq, before)
        if isinstance(command, ConfigApply) and outcome == Outcome.OK:
            self._door.hours.tell()

    def _forbid(self, message: Command | Request, problem: Error) -> None:
        """Answer what is not carried out for want of rights, or because it names what lies beyond the wall."""
        self._sequencer.counters.forbidden += 1
        if problem.number == Outcome.UNAUTHORISED:
            self._door.audit.refused(self.identity, self.name, self.address, verb(type(message)), problem.code)
            self._misspoken(problem)
        else:
            self._errors_in_a_row = 0
            self.send(encode(problem))

    def _put_off_rest(self) -> None:
        """Go on in a later turn of the loop."""
        self._stop_reading()
        self.defer()

    def defer(self) -> None:
        """Go on in a later turn of the loop."""
        if not self._put_off:
            self._put_off = True
            self._sequencer.defer(self)

    def _stop_reading(self) -> None:
        """Until `run` has dealt with the lines at hand."""
        if not self._stalled and not self._transport.is_closing():
            self._stalled = True
            self._transport.pause_reading()

    def _read_on(self) -> None:
        if self._stalled and not self._entrance.busy and not self._transport.is_closing():
            self._stalled = False
            self._transport.resume_reading()

    def _go_on(self) -> None:
        """After the client took something: in a later turn more of the events that it missed, and the lines that wait."""
        if self._closing or self._paused:
            return
        if self._following.cursor or (self._stalled and self._unsent <= self._sequencer.limits.unsent_bytes_max):
            self.defer()

    def _request(self, message: Command | Request | Error) -> bool:
        """Answer what is no command of a client that has said `hello`; False to be asked again later."""
        sequencer = self._sequencer
        if isinstance(message, Error):
            self._misspoken(message)
            return True
        if isinstance(message, Hello):
            if self.name:
                self._misspoken(error(Outcome.HELLO_REPEATED, request_id=message.id))
            else:
                self._stop_timer()  # it came in time; how long the gate takes is not the client's fault
                self._entrance.enter(message)
                if self._entrance.busy:
                    self._stop_reading()
            return True
        if not self.name:
            self._misspoken(error(Outcome.HELLO_MISSING, request_id=message.id))
            return True
        problem = self._guard.judge(message)
        if problem is not None:
            self._forbid(message, problem)
            return True
        if isinstance(message, Subscribe):
            sequencer.hand_out_events()  # what happened so far is sent by the rules so far, or first of all waits
            if self._following.cursor:
                return False
            self._subscribe(message)
        elif isinstance(message, Ping):
            self.send(encode(Ok(seq=sequencer.machine.seq, id=message.id)))
        elif not self._read(message):
            return False
        self._errors_in_a_row = 0
        sequencer.counters.requests += 1
        return True

    def _read(self, message: Command | Request) -> bool:
        """Answer a request that may take long; False to be asked again later, when others have had their turn."""
        sequencer = self._sequencer
        delay_s = sequencer.read_delay_s
        if delay_s:
            self._rest(delay_s)
            return False
        started_ns = monotonic_ns()
        self.send(answers.to_request(message, self._guard, sequencer))
        sequencer.charge(monotonic_ns() - started_ns)
        return True

    def _rest(self, wait_s: float) -> None:
        """Go on with the lines at hand after so long."""
        if self._rest_timer is None:
            self._rest_timer = asyncio.get_running_loop().call_later(wait_s, self._rested)

    def _rested(self) -> None:
        self._rest_timer = None
        if not self._closing:
            self.defer()

    def _misspoken(self, problem: Error) -> None:
        """Answer a line that is no message, or not allowed here; too many of them end the connection."""
        self._sequencer.counters.refused_lines += 1
        self._errors_in_a_row += 1
        if self._errors_in_a_row >= self._sequencer.limits.errors_in_a_row_max:
            self.refuse(problem)
        else:
            self.send(encode(problem))

    # -- hello, resume, subscribe -------------------------------------------------------------------------------

    def welcome(self, message: Hello, identity: Identity) -> None:
        """The client is in; see `server.entrance`."""
        sequencer = self._sequencer
        self._admitted = True
        self.identity = identity
        self._guard = Guard(sequencer.machine, identity, message.client)
        self.set_free(self._guard.free)
        if identity.walled:
            self.set_wall(self._guard.wall)
        self._paces = identity.paces
        self._stop_timer()
        self._errors_in_a_row = 0
        self._door.presence.arrived(message.client)
        sequencer.hand_out_events()
        older = sequencer.router.receivers.get(message.client)
        self.name = message.client
        sequencer.router.receivers[self.name] = self
        if isinstance(older, Session):
            older.replace()
        limits = sequencer.limits
        self._reader.max_line = min(limits.line_bytes_max, identity.line_bytes_max or limits.line_bytes_max)
        self._reader.config_max_line = limits.config_line_bytes_max if identity.may(ConfigApply) else 0
        seq = sequencer.machine.seq
        sequencer.counters.requests += 1
        self.send(
            encode(
                Welcome(
                    version=PROTOCOL_VERSION,
                    seq=seq,
                    node=self._door.node,
                    time=sequencer.clock.now(),
                    clock_speed=sequencer.clock.speed,
                    oldest_seq=sequencer.router.ring.first_seq,
                    credit=limits.credit,
                    id=message.id,
                )
            )
        )
        if self._walled:
            self._following.sees = self._guard.sees
        self._following.begin(self.name, message.resume)

    def go_on(self, early: bytes) -> None:
        """Read on after `welcome`, beginning with what came `early`."""
        self._read_on()
        if early:
            self._received(early)
        else:
            self._close_if_done()

    def revoke(self) -> None:
        """End the connection, because its credential does not hold any more."""
        if self._closing:
            return
        problem = f"the credential {self.identity.name} was changed or taken away: connect again with one that holds"
        self.refuse(error(Outcome.UNAUTHORISED, problem))

    def replace(self) -> None:
        """A newer connection speaks for this client from now on."""
        self._sequencer.counters.sessions_replaced += 1
        self.send(encode(Replaced()))
        self._finish()

    def _subscribe(self, message: Subscribe) -> None:
        sequencer = self._sequencer
        subscribers = sequencer.router.subscribers
        if message.topics and self.name not in subscribers and len(subscribers) >= sequencer.limits.subscribers_max:
            problem = "as many clients have subscribed as the server serves; try later, or list what you need"
            self.send(encode(error(Outcome.UNAVAILABLE, problem, message.id)))
            return
        seq = sequencer.machine.seq
        self.send(encode(Ok(seq=seq, id=message.id)))
        if not message.topics:
            self._following.subscription = None
            subscribers.pop(self.name, None)
            return
        since = seq if message.from_seq is None else message.from_seq
        subscribers[self.name] = self
        self._following.subscribe(Subscription(frozenset(message.topics), message.tenant or "", since))

    @property
    def subscription(self) -> Subscription | None:
        """What the client wants beyond its own events."""
        return self._following.subscription

    # -- out ----------------------------------------------------------------------------------------------------

    @property
    def due_bytes(self) -> int:
        """Bytes of answers and events that wait for the journal."""
        return self._unsent

    @property
    def slow(self) -> bool:
        """Whether the client does not take what is sent."""
        return self._paused

    @property
    def unsent(self) -> int:
        """Bytes that wait for the journal, and those that the client does not take."""
        return self._unsent + (0 if self._transport.is_closing() else self._transport.get_write_buffer_size())

    # -- the end ------------------------------------------------------------------------------------------------

    def refuse(self, answer: Error) -> None:
        """Send a last answer and close."""
        self.send(encode(answer))
        self._linger = True
        self._finish()

    def _finish(self) -> None:
        """Deal with nothing more; close when all that is due was sent."""
        self._closing = True
        self._stop_timer()
        self._detach()
        self._entrance.close()
        self._lines = []
        self._index = 0
        self._read_on()
        self._timer = asyncio.get_running_loop().call_later(self._sequencer.limits.linger_s, self._transport.abort)

    def _close_if_done(self) -> None:
        """Close, if nothing is to come in and nothing to go out."""
        if self._unsent or self._entrance.busy or self._transport.is_closing():
            return
        if self._closing and self._linger and not self._ended:
            # Closing at once would make the kernel throw away our answer along with what the client still sends.
            self._linger = False
            if self._transport.can_write_eof():
                self._transport.write_eof()
        elif self._closing or (self._ended and self._index >= len(self._lines) and not self._following.cursor):
            self._transport.close()

    def drop(self) -> None:
        """The client reads too slowly for what it wants to know."""
        if self._closing:
            return
        self._closing = True
        self._sequencer.counters.sessions_dropped += 1
        self._door.seldom.note(
            logging.WARNING, "a client that does not read was cut off; it may resume", client=self.name
        )
        self._transport.abort()

    def _hello_overdue(self) -> None:
        self.refuse(error(Outcome.HELLO_MISSING, "no 'hello' came in time; the connection is closed"))

    def _refuse_rest(self) -> None:
        """Answer what came too late, when the server stops."""
        lines, self._lines, self._index = self._lines[self._index :], [], 0
        if self._sequencer.state == "draining":
            for line in lines:
                message = decode_from_client(line)
                self.send(encode(error(Outcome.DRAINING, request_id=message.id)))

    def drain(self) -> None:
        """Read nothing more; say that the server is about to stop."""
        self._stop_reading()
        if not self._closing:
            self.run()
            self.send(encode(Draining()))

    def close(self) -> None:
        """Close when all that was written has left."""
        if not self._transport.is_closing():
            self._transport.close()

    def abort(self) -> None:
        """Cut the connection without sending anything more."""
        self._transport.abort()

    def _detach(self) -> None:
        router = self._sequencer.router
        if router.receivers.get(self.name) is self:
            del router.receivers[self.name]
            self._door.presence.left(self.name)
        if router.subscribers.get(self.name) is self:
            del router.subscribers[self.name]
        if self._admitted:
            self._admitted = False
            self._door.release(self.identity)
        self._door.long_lines.discard(self)

    def _stop_patience(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
