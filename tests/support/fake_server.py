"""A server that keeps the promises of the protocol and does nothing else, and a proxy that breaks connections.

`FakeServer` takes every command once: a repeat, known by type and id of the thing named, is answered with
`duplicate`. Each `contact.enqueue` makes one `contact.queued` event for its client, and `announce` makes events for
subscribers. Tests reach in to cut, drain, replace, or to leave things unanswered.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self, cast

from acd_core.commands import Command, ContactEnqueue
from acd_core.events import AgentUpdated, ContactQueued, Event
from acd_core.refusals import Outcome
from acd_protocol.framing import LineReader, decode_from_client, encode, error
from acd_protocol.messages import (
    CONFIG_LINE_BYTES_MAX,
    Error,
    Gap,
    Hello,
    Ok,
    Replaced,
    Request,
    Subscribe,
    Welcome,
)


class FakeServer:
    """Listens on a free port of the loopback.

    Attributes:
        token: what a client must present; empty for nothing.
        taken: commands carried out, in order, without repeats.
        hellos: every `hello` that came.
        received: every other message that came, repeats included.
        history: `(event, client that owns it or "")`, of which those from `history_first` on can be sent again.
        credit: told in `welcome`.
        mute: leave everything but `hello` unanswered.
        deny: answer each command with this refusal instead of carrying it out.
        refuse: answer each `hello` with this refusal.
    """

    def __init__(self) -> None:
        self.port = 0
        self.token = ""
        self.taken: list[Command] = []
        self.hellos: list[Hello] = []
        self.received: list[Command | Request] = []
        self.history: list[tuple[Event, str]] = []
        self.history_first = 1
        self.mute = False
        self.credit = 0
        self.deny: Outcome | None = None
        self.refuse: Outcome | None = None
        self.sessions: list[FakeSession] = []
        self.bytes_at_once: list[int] = []
        self._known: set[tuple[Any, ...]] = set()
        self._server: asyncio.Server | None = None

    @property
    def seq(self) -> int:
        return self.history[-1][0].seq if self.history else 0

    async def start(self, port: int = 0) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: FakeSession(self), "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and cut all connections."""
        assert self._server is not None
        self._server.close()
        self.cut()
        await self._server.wait_closed()

    def cut(self) -> None:
        for session in self.sessions.copy():
            session.transport.abort()

    def say(self, message: Any) -> None:
        """Send a message on all connections."""
        for session in self.sessions:
            session.transport.write(encode(message))

    def enqueue(self, command: ContactEnqueue, client: str) -> None:
        self.happen(
            ContactQueued(
                seq=self.seq + 1,
                at=0,
                contact=command.contact,
                tenant=command.tenant,
                queue=command.queue,
                priority=command.priority,
                position=1,
            ),
            client,
        )

    def announce(self, count: int = 1) -> None:
        """Events that concern subscribers only."""
        for _ in range(count):
            self.happen(AgentUpdated(seq=self.seq + 1, at=0, agent="a-12"), "")

    def happen(self, event: Event, client: str) -> None:
        self.history.append((event, client))
        for session in self.sessions:
            if session.subscribed or (client and session.name == client):
                session.transport.write(encode(event))

    def forget(self) -> None:
        """Lose all history, as a server does whose data directory was replaced."""
        self.history.clear()

    def take(self, command: Command, client: str) -> Ok | Error:
        if self.deny is not None:
            return error(self.deny, request_id=command.id)
        fields = {name: getattr(command, name) for name in command.__struct_fields__ if name != "id"}
        key = (type(command), repr(fields))
        duplicate = key in self._known
        if not duplicate:
            self._known.add(key)
            self.taken.append(command)
            if isinstance(command, ContactEnqueue):
                self.enqueue(command, client)
        return Ok(seq=self.seq, id=command.id, duplicate=duplicate)


class FakeSession(asyncio.Protocol):
    def __init__(self, server: FakeServer) -> None:
        self.server = server
        self.reader = LineReader(config_max_line=CONFIG_LINE_BYTES_MAX)
        self.name = ""
        self.subscribed = False
        self.own_since = 0
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.server.sessions.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.server.sessions.remove(self)

    def data_received(self, data: bytes) -> None:
        self.server.bytes_at_once.append(len(data))
        for line in self.reader.feed(data):
            message = decode_from_client(line)
            if isinstance(message, Error):
                self.send(message)
            elif isinstance(message, Hello):
                self.hello(message)
            else:
                self.server.received.append(message)
                if self.server.mute:
                    continue
                if isinstance(message, Command):
                    self.send(self.server.take(message, self.name))
                elif isinstance(message, Subscribe):
                    self.subscribe(message)
                else:
                    self.send(Ok(seq=self.server.seq, id=message.id))

    def send(self, message: Any) -> None:
        self.transport.write(encode(message))

    def hello(self, hello: Hello) -> None:
        server = self.server
        server.hellos.append(hello)
        refusal = server.refuse or (Outcome.UNAUTHORISED if hello.token != server.token else None)
        if refusal is not None:
            self.send(error(refusal))
            self.transport.close()
            return
        for older in server.sessions:
            if older is not self and older.name == hello.client:
                older.send(Replaced())
                older.transport.close()
                older.name = ""
        self.name = hello.client
        self.send(Welcome(version=1, seq=server.seq, node="fake", time=0, credit=server.credit))
        self.own_since = server.seq if hello.resume is None else hello.resume
        if hello.resume is not None:
            self.again(hello.resume, lambda event, client: client == self.name)

    def subscribe(self, message: Subscribe) -> None:
        self.subscribed = bool(message.topics)
        self.send(Ok(seq=self.server.seq, id=message.id))
        if message.from_seq is not None:
            self.again(message.from_seq, lambda event, client: client != self.name or event.seq <= self.own_since)

    def again(self, after: int, wanted: Any) -> None:
        server = self.server
        if after > server.seq:
            self.send(Gap(first_seq=server.seq + 1))
        elif after + 1 < server.history_first:
            self.send(Gap(first_seq=server.history_first))
        for event, client in server.history:
            if event.seq > after and event.seq >= server.history_first and wanted(event, client):
                self.send(event)


@asynccontextmanager
async def fake_server() -> AsyncIterator[FakeServer]:
    server = FakeServer()
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


class CuttingProxy:
    """Passes bytes on in small pieces, and cuts each connection after as many as the dice say.

    `cuts` are left; when they are used up, connections live.
    """

    def __init__(self, target_port: int, rng: random.Random, cuts: int, bytes_max: int) -> None:
        self.port = 0
        self.cuts = cuts
        self._target_port = target_port
        self._rng = rng
        self._bytes_max = bytes_max
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        far_writer = None
        ways: list[asyncio.Future[None]] = []
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
            ways.append(asyncio.ensure_future(self._pass_on(reader, far_writer)))
            ways.append(asyncio.ensure_future(self._pass_on(far_reader, writer)))
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            return  # the proxy is closed; the streams would report a task that ends cancelled
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            # An abort loses what is on its way, an orderly end does not; both happen.
            writer.transport.abort() if self._rng.random() < 0.5 else writer.close()
            if far_writer is not None:
                far_writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        left = self._rng.randrange(1, self._bytes_max) if self.cuts > 0 else None
        while data := await reader.read(self._rng.randrange(1, 2000)):
            if left is not None:
                data = data[:left]
                left -= len(data)
            writer.write(data)
            await writer.drain()
            if left == 0:
                self.cuts -= 1
                return
