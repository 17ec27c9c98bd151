"""The asyncio client: commands out, answers and events in, over connections that may break at any time.

    ClientError
    ├── ConnectionLost   no connection within the deadline, or the client was closed, before the answer came
    ├── Refused          the server answered with an error
    └── Replaced         a newer connection of the same client name has taken over

What it promises:

- Every message that is sent gets exactly one result: the server's answer, or one of these exceptions. Whatever was
  unanswered when a connection broke is sent again on the next, in the order in which it was first sent. The server
  knows repeats by the ids in them, and answers `ok` with `duplicate`.
- Every event reaches the program at most once, in the order of `seq`. What was missed while there was no connection
  is asked for again; what the server no longer keeps is reported as a `Gap`, never skipped in silence.
- No more messages are on their way than the server gives credit for. Others wait here, in their order.
- Answers are matched by their order, which the protocol guarantees, and checked by their `id`. So ids that the program
  chooses may repeat, and those that the client chooses just count on over all connections.

Messages that are sent in one tick of the loop leave in one write.
"""

import asyncio
import enum
import random
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

import msgspec

from acd_core.commands import ConfigApply, RequestId
from acd_core.events import Event
from acd_core.refusals import Outcome
from acd_protocol import messages
from acd_protocol.connection import Connection
from acd_protocol.event_stream import EventStream, Item, guard
from acd_protocol.framing import decode_from_server, encode, error
from acd_protocol.messages import (
    CONFIG_LINE_BYTES_MAX,
    DEFAULT_PORT,
    LINE_BYTES_MAX,
    PROTOCOL_VERSION,
    Command,
    Draining,
    FromServer,
    Gap,
    Hello,
    Ok,
    Ping,
    Request,
    Subscribe,
    Welcome,
)
from acd_protocol.verbs import ALL_TOPICS, Verbs

BACKOFF_FIRST_S = 0.02
BACKOFF_MAX_S = 1.0
HANDSHAKE_S = 5.0
"""A server that has not said `welcome` by then is taken for dead."""
DRAIN_S = 1.0
"""So long a server that drains may still answer what it was sent."""
CLOSE_S = 1.0
"""So long the end of a connection may take before it is cut."""
STEADY_S = 1.0
"""A connection that lasts so long, or brings an answer or event, ends an outage. Others are attempts that failed."""

_UNREADABLE = (Outcome.MALFORMED, Outcome.TYPE_UNKNOWN, Outcome.LINE_TOO_LONG)
"""Refusals of a line whose id the server could not read."""

_NOT_NOW = 6
"""The family of refusals that may be otherwise soon."""

E = TypeVar("E", bound=Event | Gap)
M = TypeVar("M", bound=Command | Request)


class ClientError(Exception):
    """Why a message got no `ok`, or the client stopped."""


class ConnectionLost(ClientError):  # noqa: N818 - says what happened, as the tree above
    """No connection could be had. Whether the server carried the message out is not known."""


class Refused(ClientError):  # noqa: N818 - as above
    """The server refused the message, and changed nothing.

    Attributes:
        code: a stable word, such as `queue_unknown`; number: its number, such as 102.
        message: what is wrong and what to do.
        at: the character of a requirement that cannot be read, from 0; None otherwise.
    """

    def __init__(self, answer: messages.Error) -> None:
        self.code = answer.code
        self.number = answer.number
        self.message = answer.message
        self.at = None if answer.at is msgspec.UNSET else answer.at
        super().__init__(answer)

    def __str__(self) -> str:
        return f"{self.message} ({self.code})"


class Replaced(ClientError):  # noqa: N818 - as above
    """Another connection of the same client name has taken over. Give each program a name of its own."""


class ConnectionState(enum.Enum):
    """What a client is doing about its connection."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    DRAINING = "draining"
    """The server is about to stop: it still answers, and what is sent now waits for the next connection."""
    WAITING = "waiting"
    """Between two attempts to connect."""
    CLOSED = "closed"
    FAILED = "failed"


class _Sent(NamedTuple):
    """A message without an answer yet. Those without a waiter are the client's own, and are not sent again.

    `releases` tells that its answer ends a hold of the event stream.
    """

    id: RequestId
    line: bytes
    message: Command | Request
    waiter: "asyncio.Future[Ok] | None"
    releases: bool = False


class Client(Verbs):
    """A client of an ACD server; see the module for what it promises.

    ::

        async with Client(name="pbx-1") as client:
            await client.login("a-12", ready=True)
            async for event in client.events():
                ...

    Args:
        host, port: where the server is.
        name: the client's name: contacts and agents belong to it. A second client of the same name takes over.
        token: if the server wants one.
        domain: which routing domain is meant, where the address serves several.
        tls: context of the connection; None for plain TCP.
        tls_name: name that the server's certificate must have, if it is not `host`.
        resume: `seq` of the last event that an earlier life of this program has dealt with; what concerns it
            since then comes first. Without it, events begin with the connection.
        connect_deadline_s: how long the first connection may take. 0 for one attempt, None for ever.
        reconnect_deadline_s: how long a later outage may last, likewise.
        heartbeat_s: after so long a silence the server is asked for a sign of life, and after three such times the
            connection is given up. 0 for never.
        events_max: when so many events wait to be taken from `events()`, the client stops reading the socket, and
            so in the end the server stops sending. While messages are unanswered it reads on, since otherwise a
            consumer that waits for an answer would wait for ever; at four times the limit, and at least 10,000 more,
            the waiting events are dropped for a `Gap`. 0 for a program that uses handlers only: other events are dropped.
        rng: draws the jitter of the waits between attempts.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = DEFAULT_PORT,
        *,
        name: str,
        token: str = "",
        domain: str = "",
        tls: ssl.SSLContext | None = None,
        tls_name: str | None = None,
        resume: int | None = None,
        connect_deadline_s: float | None = 10.0,
        reconnect_deadline_s: float | None = 60.0,
        heartbeat_s: float = 10.0,
        events_max: int = 10_000,
        rng: random.Random | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.name = name
        self._token = token
        self._domain = domain
        self._tls = tls
        self._tls_name = (tls_name or host) if tls is not None else None
        self._connect_deadline_s = connect_deadline_s
        self._reconnect_deadline_s = reconnect_deadline_s
        self._heartbeat_s = heartbeat_s
        self._rng = rng or random.Random()
        self._state = ConnectionState.CLOSED
        self._state_handlers: list[Callable[[ConnectionState], object]] = []
        self._task: asyncio.Task[None] | None = None
        self._connected_once: asyncio.Future[None] | None = None
        self._connection: Connection | None = None
        self._welcome: Welcome | None = None
        self._welcomed: asyncio.Future[None] | None = None
        self._proven = False
        self._final: ClientError | None = None
        self._error: ClientError | None = None
        self._ids = 0
        self._unanswered: deque[_Sent] = deque()
        self._held: deque[_Sent] = deque()
        self._put_off: list[_Sent] = []
        self._drain_left = 0
        self._stream = EventStream(events_max, resume)
        self._subscription: Subscribe | None = None

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close(0.0 if kind else 5.0)

    async def connect(self) -> None:
        """Connect for the first time.

        Raises:
            ConnectionLost: if that does not succeed by the deadline; its `__cause__` is the last problem.
            Refused: if the server does not want this client: wrong token, wrong version.
        """
        if self._task is not None:
            raise RuntimeError("a client connects once; make a new one")
        loop = asyncio.get_running_loop()
        self._connected_once = loop.create_future()
        self._task = loop.create_task(self._run(), name=f"acd client {self.name}")
        try:
            await self._connected_once
        except BaseException:
            await self.close(0.0)
            raise

    async def close(self, wait_s: float = 5.0) -> None:
        """Wait at most `wait_s` for what is unanswered, then end the connection.

        What has no answer even then fails with `ConnectionLost`; `events()` ends.
        """
        waiters = [sent.waiter for sent in (*self._unanswered, *self._held) if sent.waiter is not None]
        if waiters and wait_s and self._state is ConnectionState.CONNECTED:
            await asyncio.wait(waiters, timeout=wait_s)
        connection = self._connection
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._error is None:
            self._stop(ConnectionLost("the client was closed before the answer came"), ConnectionState.CLOSED)
        if connection is not None:
            connection.close()
            await asyncio.wait([connection.lost], timeout=CLOSE_S)
            connection.abort()

    @property
    def state(self) -> ConnectionState:
        """What the client is doing about its connection."""
        return self._state

    def on_state(self, handler: Callable[[ConnectionState], object]) -> None:
        """Call `handler` with each new state."""
        self._state_handlers.append(handler)

    @property
    def welcome(self) -> Welcome | None:
        """What the server said at the latest connection: its name, time and clock speed. None before the first."""
        return self._welcome

    @property
    def unanswered(self) -> int:
        """How many messages have no answer yet. A program that sends without waiting bounds itself by this."""
        return len(self._unanswered) + len(self._put_off) + len(self._held)

    @property
    def events_waiting(self) -> int:
        """How many events wait to be taken from `events()`."""
        return len(self._stream)

    @property
    def seq(self) -> int:
        """The event from which a reconnection goes on: what to give as `resume` to a later life of the program."""
        return self._stream.position or 0

    def send(self, message: Command | Request) -> "asyncio.Future[Ok]":
        """Send a message without waiting: gives a future of the answer, so that callers can pipeline.

        A message without `id` gets a number. Answers come in the order of sending. Cancelling the future means that
        the message is not sent again, but not that the server did not carry it out.

        Raises:
            ClientError: if the client is not connected yet, is closed, or has failed for good.
            TypeError: if the message holds a value that JSON does not have.
        """
        if self._error is not None:
            raise _copy(self._error)
        if self._task is None:
            raise ConnectionLost("the client is not connected; use 'async with' or connect()")
        if message.id is None:
            message = self._numbered(message)
        line = encode(message)
        waiter: asyncio.Future[Ok] = asyncio.get_running_loop().create_future()
        limit = CONFIG_LINE_BYTES_MAX if isinstance(message, ConfigApply) else LINE_BYTES_MAX
        if len(line) > limit + 1:
            # The server would end the connection at this line, each time that it is sent again.
            sentence = f"the message has {len(line)} bytes; at most {limit} are accepted"
            waiter.set_exception(Refused(error(Outcome.LINE_TOO_LONG, sentence)))
            return waiter
        sent = _Sent(message.id, line, message, waiter)
        self._held.append(sent)
        if self._state is ConnectionState.CONNECTED and self._connection is not None:
            self._write_held(self._connection)
        return waiter

    async def call(self, message: Command | Request) -> Ok:
        """Send a message and wait for its answer.

        Raises:
            Refused: if the answer is an error.
            ConnectionLost, Replaced: if there will be no answer.
        """
        return await self.send(message)

    def on(self, kind: type[E], handler: Callable[[E], object]) -> None:
        """Call `handler` with each event of this type, as it arrives; such events no longer come from `events()`.

        `kind` is an event's class, `Gap`, or `Event` for all events that have no handler of their own. A handler must
        not wait; it may `send`.
        """
        self._stream.on(kind, handler)

    async def events(self) -> AsyncIterator[Item]:
        """The events that have no handler, in order of `seq`, from the first connection on; for one consumer.

        A `Gap` among them means that events were missed for good: list what you need, then go on. Ends when the
        client is closed; raises a `ClientError` when it has failed.
        """
        while (item := await self._stream.get()) is not None:
            if self._connection is not None and self._stream.roomy:
                self._connection.read(True)
            yield item

    # The life of connections: one task.

    async def _run(self) -> None:
        """Connect, and connect again, until the client is closed or has to give up."""
        loop = asyncio.get_running_loop()
        deadline_s = self._connect_deadline_s
        outage_since = loop.time()
        attempt = 0
        try:
            while True:
                position = self._stream.position
                problem = await self._live_once()
                if self._proven or self._stream.position != position:
                    attempt, outage_since = 0, loop.time()
                if self._welcome is not None:
                    deadline_s = self._reconnect_deadline_s
                wait_s = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2**attempt) * self._rng.uniform(0.5, 1.0)
                attempt = min(attempt + 1, 10)
                if deadline_s is not None and loop.time() + wait_s - outage_since > deadline_s:
                    reason = problem or "the server ended the connection"
                    raise ConnectionLost(f"no connection to {self.host}:{self.port}: {reason}") from problem
                self._set_state(ConnectionState.WAITING)
                await asyncio.sleep(wait_s)
        except ClientError as final:
            self._stop(final, ConnectionState.FAILED)
        except Exception as fault:
            self._stop(ConnectionLost(f"the client failed by a fault of its own: {fault!r}"), ConnectionState.FAILED)
            raise

    async def _live_once(self) -> Exception | None:
        """One connection from its beginning to its end; gives why it ended, None for an orderly end.

        Raises:
            ClientError: if there must be no other connection.
        """
        loop = asyncio.get_running_loop()
        self._set_state(ConnectionState.CONNECTING)
        self._welcomed = loop.create_future()
        self._proven = False
        self._final = None
        connection = Connection(self._on_lines)
        try:
            async with asyncio.timeout(HANDSHAKE_S):
                await loop.create_connection(
                    lambda: connection, self.host, self.port, ssl=self._tls, server_hostname=self._tls_name
                )
                self._connection = connection
                connection.send(encode(self._hello()))
                ends: list[asyncio.Future[Any]] = [self._welcomed, connection.lost]
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            problem = await self._watch(connection)
        except TimeoutError:
            problem = TimeoutError(f"no 'welcome' within {HANDSHAKE_S:g} s")
            connection.abort()
        except OSError as failure:
            problem = failure
        finally:
            self._connection = None
            connection.close()
        if self._final is not None:
            raise self._final
        return problem

    def _hello(self) -> Hello:
        """The first message of a connection. What a subscription brings again need not be resumed as well."""
        subscribed = self._subscription
        everything = subscribed is not None and subscribed.tenant is None and {*subscribed.topics} == {*ALL_TOPICS}
        resume = None if everything else self._stream.position
        return Hello(version=PROTOCOL_VERSION, client=self.name, token=self._token, resume=resume, domain=self._domain)

    async def _watch(self, connection: Connection) -> Exception | None:
        """Wait for the end of a connection, and bring it about when the server has fallen silent."""
        loop = asyncio.get_running_loop()
        steady = loop.call_later(STEADY_S, self._prove)
        silences = 0
        try:
            while not connection.lost.done():
                heard = connection.heard
                await asyncio.wait([connection.lost], timeout=self._heartbeat_s or None)
                if connection.lost.done():
                    break
                silences = 0 if connection.heard != heard or not connection.reading else silences + 1
                if silences == 1 and self._state is ConnectionState.CONNECTED:
                    self._send_own(connection, Ping())
                elif silences == 3:
                    connection.abort(TimeoutError(f"nothing was heard from the server for {3 * self._heartbeat_s:g} s"))
        finally:
            steady.cancel()
        return connection.lost.result()

    def _prove(self) -> None:
        self._proven = True

    def _on_welcome(self, connection: Connection, welcome: Welcome) -> None:
        """The server takes messages: bring back the subscription, then send again what is unanswered."""
        self._welcome = welcome
        self._stream.begin(welcome.seq)
        position = self._stream.position
        again = [
            sent
            for sent in (*self._put_off, *self._unanswered, *self._held)
            if sent.waiter is not None and not sent.waiter.done()
        ]
        self._put_off.clear()
        self._unanswered.clear()
        self._held = deque(again)
        if self._subscription is not None:
            self._send_own(connection, msgspec.structs.replace(self._subscription, id=None, from_seq=position))
        self._write_held(connection)
        if self._welcomed is not None and not self._welcomed.done():
            self._welcomed.set_result(None)
        if self._connected_once is not None and not self._connected_once.done():
            self._connected_once.set_result(None)
        self._set_state(ConnectionState.CONNECTED)

    def _drain(self, connection: Connection) -> None:
        """The server is about to stop: let it answer what it has been sent, and leave."""
        if self._state is not ConnectionState.CONNECTED:
            return
        self._set_state(ConnectionState.DRAINING)
        self._drain_left = len(self._unanswered)
        if self._drain_left == 0:
            connection.close()
        else:
            asyncio.get_running_loop().call_later(DRAIN_S, connection.close)

    def _set_state(self, state: ConnectionState) -> None:
        if state is not self._state:
            self._state = state
            for handler in self._state_handlers:
                guard(handler, state)

    def _stop(self, error: ClientError, state: ConnectionState) -> None:
        """The end: nobody waits any longer."""
        self._error = error
        left = [*self._put_off, *self._unanswered, *self._held]
        self._put_off.clear()
        self._unanswered.clear()
        self._held.clear()
        for sent in left:
            if sent.waiter is not None and not sent.waiter.done():
                sent.waiter.set_exception(_copy(error))
        if self._connected_once is not None and not self._connected_once.done():
            self._connected_once.set_exception(_copy(error))
        self._stream.close(_copy(error) if state is ConnectionState.FAILED else None)
        self._set_state(state)

    # Lines out and in.

    def _numbered(self, message: M) -> M:
        self._ids += 1
        return msgspec.structs.replace(message, id=self._ids)

    def _write(self, connection: Connection, sent: _Sent) -> None:
        """Send what has been noted as unanswered."""
        connection.send(sent.line)
        connection.read(True)
        if isinstance(sent.message, Subscribe) and sent.message.from_seq is not None:
            # Its events come from an earlier seq on, after newer ones. They have all come when the next subscription,
            # which is the same without the past, is answered: a server takes up one after the other.
            self._stream.hold()
            self._send_own(connection, msgspec.structs.replace(sent.message, from_seq=None), releases=True)

    def _write_held(self, connection: Connection) -> None:
        """Send what waits, as far as the server's credit goes."""
        credit = self._welcome.credit if self._welcome is not None else 0
        while self._held and (not credit or len(self._unanswered) < credit):
            sent = self._held.popleft()
            if sent.waiter is None or not sent.waiter.done():  # else the program has changed its mind
                self._unanswered.append(sent)
                self._write(connection, sent)

    def _send_own(self, connection: Connection, message: Request, releases: bool = False) -> None:
        """Send a message that concerns this connection only, and for which nobody waits."""
        numbered = self._numbered(message)
        sent = _Sent(numbered.id, encode(numbered), numbered, None, releases)
        self._unanswered.append(sent)
        self._write(connection, sent)

    def _on_lines(self, connection: Connection, lines: list[bytes]) -> None:
        for line in lines:
            if connection is not self._connection or self._final is not None:
                return
            try:
                message = decode_from_server(line)
            except ValueError as problem:
                connection.abort(problem)
                return
            if self._welcomed is not None and not self._welcomed.done():
                self._on_first(connection, message)
            elif isinstance(message, (Ok, messages.Error)):
                self._on_answer(connection, message)
            elif isinstance(message, Event):
                self._stream.take(message)
            elif isinstance(message, Gap):
                self._stream.take_gap(message)
            elif isinstance(message, Draining):
                self._drain(connection)
            elif isinstance(message, messages.Replaced):
                self._end(
                    connection,
                    Replaced(f"another client named {self.name!r} has connected; give each program a name of its own"),
                )
        if self._stream.full and not self._unanswered:
            connection.read(False)

    def _on_first(self, connection: Connection, message: FromServer | None) -> None:
        """The answer to `hello`."""
        if isinstance(message, Welcome):
            self._on_welcome(connection, message)
        elif isinstance(message, messages.Error):
            refused = Refused(message)
            if message.number // 100 == _NOT_NOW or message.number == Outcome.HELLO_MISSING:
                # We have said `hello`; if it is missing there, it was under way for too long.
                connection.abort(refused)
            else:
                self._end(connection, refused)
        else:
            connection.abort(ValueError("it is no ACD server: its first message is no 'welcome'"))

    def _on_answer(self, connection: Connection, answer: Ok | messages.Error) -> None:
        oldest = self._unanswered[0] if self._unanswered else None
        if answer.id is None and isinstance(answer, messages.Error):
            if oldest is None or answer.number not in _UNREADABLE:
                # It answers no message: it says why the server ends the connection.
                connection.abort(Refused(answer))
                return
        elif oldest is None or answer.id != oldest.id:
            connection.abort(ValueError(f"the server answered out of order: {answer.id!r}"))
            return
        self._unanswered.popleft()
        if self._held and self._state is ConnectionState.CONNECTED:
            self._write_held(connection)
        self._proven = True
        self._drain_left -= 1
        if isinstance(answer, Ok):
            if isinstance(oldest.message, Subscribe):
                self._subscription = oldest.message if oldest.message.topics else None
                if oldest.message.from_seq is not None:
                    self._stream.merge()
            if oldest.releases:
                self._stream.release()
            if oldest.waiter is not None and not oldest.waiter.done():
                oldest.waiter.set_result(answer)
        elif answer.number == Outcome.DRAINING:
            self._put_off.append(oldest)
            self._drain(connection)
        elif oldest.waiter is None:
            # Without its subscription the client would miss events and not know it.
            self._end(connection, Refused(answer))
        elif not oldest.waiter.done():
            oldest.waiter.set_exception(Refused(answer))
        if self._state is ConnectionState.DRAINING and self._drain_left <= 0:
            connection.close()

    def _end(self, connection: Connection, final: ClientError) -> None:
        """End this connection, and have no other."""
        self._final = final
        connection.abort()


def _copy(error: ClientError) -> ClientError:
    """An equal exception for another waiter, so that tracebacks do not mix."""
    other = type(error)(*error.args)
    other.__cause__ = error.__cause__
    return other
