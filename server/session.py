"""One connection of a client: lines in, answers and events out, and nothing that one client does hurts another.

A connection says `hello` first. From then on each line is dealt with in its turn and answered in its turn. A
connection whose answers and events pile up is read no further, and its events stay in the ring until it can take
them; if it falls behind the ring it is cut, and may come back with `resume`.
"""

import asyncio
import logging
from typing import cast

from acd_core import Outcome
from acd_core.commands import Command
from acd_protocol.framing import LineReader, decode_from_client, encode, error
from acd_protocol.messages import (
    PROTOCOL_VERSION,
    Draining,
    Error,
    Gap,
    Hello,
    Ok,
    Ping,
    Replaced,
    Request,
    Subscribe,
    Welcome,
)
from server import answers
from server.clock import monotonic_ns
from server.door import Door, notice_silence
from server.ring import Entry
from server.router import Subscription
from server.sequencer import LINE_NS

_EVENTS_LOOKED_AT_MAX = 2048
"""A client that catches up looks at so many events of the ring before other work has its turn."""

REFUSED_AT_ONCE_MAX = 32
"""So many connections more than are taken are told so; others are cut without a word."""


class Session(asyncio.Protocol):
    """See the module.

    Attributes:
        name: of the client; empty before `hello`.
        subscription: what it wants beyond its own events.
        gathered: what `Sequencer.send` has gathered for the next batch.
    """

    __slots__ = (
        "_closing",
        "_cursor",
        "_door",
        "_ended",
        "_errors_in_a_row",
        "_index",
        "_lines",
        "_linger",
        "_own_since",
        "_past",
        "_past_end",
        "_patience",
        "_paused",
        "_put_off",
        "_read_timer",
        "_reader",
        "_sequencer",
        "_stalled",
        "_timer",
        "_transport",
        "_unsent",
        "gathered",
        "name",
        "subscription",
    )

    def __init__(self, door: Door) -> None:
        self.name = ""
        self.subscription: Subscription | None = None
        self.gathered: list[bytes] = []
        self._door = door
        self._sequencer = door.sequencer
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)
        self._reader = LineReader(door.sequencer.limits.hello_bytes_max)
        self._timer: asyncio.TimerHandle | None = None
        self._lines: list[bytes] = []
        self._index = 0
        self._unsent = 0
        self._errors_in_a_row = 0
        self._put_off = False
        self._stalled = False
        self._paused = False
        self._ended = False
        self._closing = False
        self._linger = False
        self._cursor = 0
        self._own_since = 0
        self._past_end = 0
        self._past: Subscription | None = None
        self._read_timer: asyncio.TimerHandle | None = None
        self._patience: asyncio.TimerHandle | None = None

    # -- what the transport calls -------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected."""
        sequencer = self._sequencer
        limits = sequencer.limits
        self._transport = cast("asyncio.Transport", transport)
        notice_silence(transport.get_extra_info("socket"), limits.silence_s)
        self._transport.set_write_buffer_limits(high=limits.unsent_bytes_max)
        self._door.entered(self)
        sequencer.counters.connections += 1
        sequencer.counters.connections_total += 1
        if sequencer.counters.connections > limits.connections_max + REFUSED_AT_ONCE_MAX:
            self._closing = True
            self._transport.abort()
        elif sequencer.counters.connections > limits.connections_max:
            self._refuse(error(Outcome.UNAVAILABLE, "the server has as many connections as it accepts; try later"))
        else:
            self._timer = asyncio.get_running_loop().call_later(limits.hello_s, self._hello_overdue)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """The connection is gone, for whatever reason. What its client owns stays; see `server.presence`."""
        self._closing = True
        self._stop_timer()
        self._stop_patience()
        self._detach()
        self._lines = []
        self._index = 0
        self._door.left(self)
        self._sequencer.counters.connections -= 1

    def data_received(self, data: bytes) -> None:
        """Bytes arrived."""
        self._sequencer.counters.bytes_in += len(data)
        if self._closing:
            return
        while not self.name and self._sequencer.state == "serving":
            # One line at a time: what comes after `hello` is read by other limits.
            if not self._reader.pending:
                data = data.lstrip(b"\r\n")
            end = data.find(b"\n") + 1
            if not end:
                break
            self._take(self._reader.feed(data[:end]))
            if self._closing:
                return
            data = data[end:]
        self._take(self._reader.feed(data))
        if self._reader.pending > self._sequencer.limits.line_bytes_max:
            self._send_long_line()

    def _send_long_line(self) -> None:
        """Let the client send a line that takes much memory, if few others do so."""
        long_lines = self._door.long_lines
        if self in long_lines or self._closing:
            return
        if len(long_lines) < self._sequencer.limits.long_lines_max:
            long_lines.add(self)
        else:
            self._refuse(error(Outcome.UNAVAILABLE, "others are sending configurations just now; try later"))

    def eof_received(self) -> bool:
        """The client sends nothing more. It still gets its answers; then the connection is closed."""
        self._ended = True
        self._close_if_done()
        return True

    def pause_writing(self) -> None:
        """The client does not take what is sent."""
        self._paused = True
        self._patience = asyncio.get_running_loop().call_later(self._sequencer.limits.silence_s, self._drop)

    def resume_writing(self) -> None:
        """The client takes what is sent again."""
        self._paused = False
        self._stop_patience()
        self._go_on()

    # -- lines --------------------------------------------------------------------------------------------------

    def _take(self, lines: list[bytes]) -> None:
        """Deal with lines in their turn."""
        if self._index < len(self._lines):
            self._lines += lines
        else:
            self._lines = lines
            self._index = 0
            self.run()

    def run(self) -> None:
        """Deal with the lines at hand until none is left or a limit is reached; see `Sequencer.defer`."""
        self._put_off = False
        sequencer = self._sequencer
        if sequencer.state != "serving":
            self._refuse_rest()
            return
        if self._cursor and not self._paused:
            self._catch_up()
        unsent_max = sequencer.limits.unsent_bytes_max
        lines = self._lines
        while self._index < len(lines) and not self._closing:
            if self.name:
                if sequencer.budget <= 0 or sequencer.congested:
                    self._put_off_rest()
                    return
                if self._unsent > unsent_max or self._paused or self._cursor:
                    self._stop_reading()
                    return
            line = lines[self._index]
            message = decode_from_client(line)
            if isinstance(message, Command) and self.name:
                outcome = sequencer.execute(self.name, line, message)
                self._errors_in_a_row = 0
                self._send(answers.to_command(message, outcome, sequencer.machine))
            elif not self._request(message):
                self._stop_reading()
                return
            self._index += 1
            sequencer.budget -= 1
        if self._closing:
            return
        if self._reader.error is not None:
            sequencer.counters.refused_lines += 1
            self._refuse(self._reader.error)
            return
        if self in self._door.long_lines and self._reader.pending <= sequencer.limits.line_bytes_max:
            self._door.long_lines.remove(self)
        self._read_on()
        self._close_if_done()

    def _put_off_rest(self) -> None:
        """Go on in a later turn of the loop."""
        self._stop_reading()
        self._defer()

    def _defer(self) -> None:
        if not self._put_off:
            self._put_off = True
            self._sequencer.defer(self)

    def _stop_reading(self) -> None:
        """Until `run` has dealt with the lines at hand."""
        if not self._stalled and not self._transport.is_closing():
            self._stalled = True
            self._transport.pause_reading()

    def _read_on(self) -> None:
        if self._stalled and not self._transport.is_closing():
            self._stalled = False
            self._transport.resume_reading()

    def _go_on(self) -> None:
        """After the client took something: in a later turn more of the events that it missed, and the lines that wait."""
        if self._closing or self._paused:
            return
        if self._cursor or (self._stalled and self._unsent <= self._sequencer.limits.unsent_bytes_max):
            self._defer()

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
                self._hello(message)
            return True
        if not self.name:
            self._misspoken(error(Outcome.HELLO_MISSING, request_id=message.id))
            return True
        if isinstance(message, Subscribe):
            if self._cursor:
                return False
            self._subscribe(message)
        elif isinstance(message, Ping):
            self._send(encode(Ok(seq=sequencer.machine.seq, id=message.id)))
        elif not self._read(message):
            return False
        self._errors_in_a_row = 0
        sequencer.counters.requests += 1
        return True

    def _read(self, message: Command | Request) -> bool:
        """Answer a request that may take long; False to be asked again later, when others have had their turn."""
        sequencer = self._sequencer
        if self._read_timer is not None:
            return False
        delay_s = sequencer.read_delay_s
        if delay_s:
            self._read_timer = asyncio.get_running_loop().call_later(delay_s, self._may_read)
            return False
        started_ns = monotonic_ns()
        self._send(answers.to_request(message, sequencer))
        sequencer.charge(monotonic_ns() - started_ns)
        return True

    def _may_read(self) -> None:
        self._read_timer = None
        self._defer()

    def _misspoken(self, problem: Error) -> None:
        """Answer a line that is no message, or not allowed here; too many of them end the connection."""
        self._sequencer.counters.refused_lines += 1
        self._errors_in_a_row += 1
        if self._errors_in_a_row >= self._sequencer.limits.errors_in_a_row_max:
            self._refuse(problem)
        else:
            self._send(encode(problem))

    # -- hello, resume, subscribe -------------------------------------------------------------------------------

    def _hello(self, message: Hello) -> None:
        sequencer = self._sequencer
        if message.version != PROTOCOL_VERSION:
            self._refuse(
                error(
                    Outcome.VERSION_UNSUPPORTED,
                    f"this server speaks version {PROTOCOL_VERSION} of the protocol, not {message.version}",
                    message.id,
                )
            )
            return
        if not self._door.admits(message.token):
            self._door.seldom.note(
                logging.WARNING, "a connection was refused: wrong or missing token", client=message.client
            )
            self._refuse(error(Outcome.UNAUTHORISED, "the token is missing or wrong", message.id))
            return
        self._stop_timer()
        self._errors_in_a_row = 0
        self._door.presence.arrived(message.client)
        sequencer.hand_out_events()
        receivers = sequencer.router.receivers
        older = receivers.get(message.client)
        self.name = message.client
        receivers[self.name] = self
        if isinstance(older, Session):
            older.replace()
        self._reader.max_line = sequencer.limits.line_bytes_max
        self._reader.config_max_line = sequencer.limits.config_line_bytes_max
        seq = sequencer.machine.seq
        sequencer.counters.requests += 1
        self._send(
            encode(
                Welcome(
                    version=PROTOCOL_VERSION,
                    seq=seq,
                    node=self._door.node,
                    time=sequencer.clock.now(),
                    clock_speed=sequencer.clock.speed,
                    oldest_seq=sequencer.router.ring.first_seq,
                    id=message.id,
                )
            )
        )
        self._own_since = seq
        if message.resume is not None:
            self._own_since = message.resume
            sequencer.counters.resumed += 1
            self._follow_from(message.resume)

    def replace(self) -> None:
        """A newer connection speaks for this client from now on."""
        self._sequencer.counters.sessions_replaced += 1
        self._send(encode(Replaced()))
        self._finish()

    def _subscribe(self, message: Subscribe) -> None:
        sequencer = self._sequencer
        subscribers = sequencer.router.subscribers
        if message.topics and self.name not in subscribers and len(subscribers) >= sequencer.limits.subscribers_max:
            problem = "as many clients have subscribed as the server serves; try later, or list what you need"
            self._send(encode(error(Outcome.UNAVAILABLE, problem, message.id)))
            return
        sequencer.hand_out_events()
        seq = sequencer.machine.seq
        self._send(encode(Ok(seq=seq, id=message.id)))
        if not message.topics:
            self.subscription = None
            subscribers.pop(self.name, None)
            return
        since = seq if message.from_seq is None else message.from_seq
        self._past = self.subscription
        self.subscription = Subscription(frozenset(message.topics), message.tenant or "", since)
        subscribers[self.name] = self
        if since != seq:
            self._follow_from(since)

    def _follow_from(self, seq: int) -> None:
        """Take the events after `seq` out of the ring, before later ones."""
        ring = self._sequencer.router.ring
        if seq + 1 < ring.first_seq or seq > ring.last_seq:
            self._sequencer.counters.gaps += 1
            if seq > ring.last_seq:
                self._send(encode(Gap(first_seq=ring.last_seq + 1)))
                self._sequencer.counters.ahead += 1
                self._door.seldom.note(
                    logging.ERROR,
                    "a client has seen events that this journal does not hold: the journal was replaced, or lost its end",
                    client=self.name,
                    client_seq=seq,
                    journal_seq=ring.last_seq,
                )
                return
            self._send(encode(Gap(first_seq=ring.first_seq)))
            seq = ring.first_seq - 1
        self._past_end = ring.last_seq
        self._cursor = seq + 1
        self._catch_up()

    def _catch_up(self) -> None:
        """Send the next page of missed events, which counts like lines dealt with: many may catch up together."""
        started_ns = monotonic_ns()
        self._send_page()
        self._sequencer.budget -= (monotonic_ns() - started_ns) // LINE_NS

    def _send_page(self) -> None:
        """Send some of the missed events; when there are no more, events come as they happen."""
        ring = self._sequencer.router.ring
        if self._cursor < ring.first_seq:
            self._drop()
            return
        page_bytes = self._sequencer.limits.page_bytes
        turn_end = self._cursor + _EVENTS_LOOKED_AT_MAX
        while self._cursor <= ring.last_seq:
            if self._unsent > page_bytes:
                return
            if self._cursor == turn_end:
                self._defer()
                return
            entry = ring[self._cursor]
            if self._misses(self._cursor, entry):
                self._sequencer.counters.events_sent += 1
                self._send(entry.line)
            self._cursor += 1
        self._cursor = 0
        self._past = None

    def _misses(self, seq: int, entry: Entry) -> bool:
        """Whether event `seq` is for this client and was not sent on this connection."""
        own = self.name in {entry.contact_client, entry.agent_client}
        wanted = self.subscription is not None and self.subscription.since < seq and self.subscription.wants(entry)
        if seq > self._past_end:
            return own or wanted
        if self.subscription is None:
            return own
        had = (own and seq > self._own_since) or (
            self._past is not None and seq > self._past.since and self._past.wants(entry)
        )
        return wanted and not had

    # -- out ----------------------------------------------------------------------------------------------------

    def deliver(self, seq: int, line: bytes) -> None:
        """Take event `seq`; see `server.router.Receiver`."""
        if self._cursor:
            if self._cursor < self._sequencer.router.ring.first_seq:
                self._drop()
            return
        if self._paused or self._unsent > self._sequencer.limits.unsent_bytes_max:
            # The ring keeps it for now, so that this connection needs no more memory.
            self._past_end = seq - 1
            self._cursor = seq
            return
        self._sequencer.counters.events_sent += 1
        self._send(line)

    @property
    def unsent(self) -> int:
        """Bytes that wait for the journal, and those that the client does not take."""
        return self._unsent + (0 if self._transport.is_closing() else self._transport.get_write_buffer_size())

    def _send(self, data: bytes) -> None:
        self._unsent += len(data)
        self._sequencer.send(self, data)

    def write(self, data: bytes) -> None:
        """Send what is durable; see `server.sequencer.Output`."""
        self._unsent -= len(data)
        if self._transport.is_closing():
            return
        self._transport.write(data)
        if self._closing or self._ended:
            self._close_if_done()
        if self._cursor or self._stalled:
            self._go_on()

    # -- the end ------------------------------------------------------------------------------------------------

    def _refuse(self, answer: Error) -> None:
        """Send a last answer and close."""
        self._send(encode(answer))
        self._linger = True
        self._finish()

    def _finish(self) -> None:
        """Deal with nothing more; close when all that is due was sent."""
        self._closing = True
        self._stop_timer()
        self._detach()
        self._lines = []
        self._index = 0
        self._read_on()
        self._timer = asyncio.get_running_loop().call_later(self._sequencer.limits.linger_s, self._transport.abort)

    def _close_if_done(self) -> None:
        """Close, if nothing is to come in and nothing to go out."""
        if self._unsent or self._transport.is_closing():
            return
        if self._closing and self._linger and not self._ended:
            # Closing at once would make the kernel throw away our answer along with what the client still sends.
            self._linger = False
            if self._transport.can_write_eof():
                self._transport.write_eof()
        elif self._closing or (self._ended and self._index >= len(self._lines) and not self._cursor):
            self._transport.close()

    def _drop(self) -> None:
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
        self._refuse(error(Outcome.HELLO_MISSING, "no 'hello' came in time; the connection is closed"))

    def _refuse_rest(self) -> None:
        """Answer what came too late, when the server stops."""
        lines, self._lines, self._index = self._lines[self._index :], [], 0
        if self._sequencer.state == "draining":
            for line in lines:
                message = decode_from_client(line)
                self._send(encode(error(Outcome.DRAINING, request_id=message.id)))

    def drain(self) -> None:
        """Read nothing more; say that the server is about to stop."""
        self._stop_reading()
        if not self._closing:
            self.run()
            self._send(encode(Draining()))

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
        self._door.long_lines.discard(self)

    def _stop_patience(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
