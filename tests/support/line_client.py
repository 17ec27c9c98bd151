"""A client that knows no more than lines of JSON, for tests that look at what a connection really gets."""

import asyncio
import json
from typing import Any, ClassVar, Self

from tests.support.wait import patient

Message = dict[str, Any]


class LineClient:
    """One connection.

    Attributes:
        events: everything received that is no answer, in order.
        welcome: the answer to `hello`.
        opened: all connections that `close_all` has not closed.
    """

    opened: ClassVar[list["LineClient"]] = []

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.events: list[Message] = []
        self.welcome: Message = {}
        self._id = 0
        self.opened.append(self)

    @classmethod
    async def connect(cls, port: int, name: str = "", **hello: Any) -> Self:
        """Connect, and say hello if `name` is given."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**26)
        client = cls(reader, writer)
        if name:
            client.send({"type": "hello", "version": 1, "client": name, **hello})
            welcome = await client.read()
            assert welcome["type"] == "welcome", welcome
            client.welcome = welcome
        return client

    def send(self, *messages: Message) -> None:
        """Send messages in one piece."""
        self.send_bytes(b"".join(json.dumps(message).encode() + b"\n" for message in messages))

    def send_bytes(self, data: bytes) -> None:
        """Send whatever."""
        self.writer.write(data)

    async def read(self, timeout_s: float = 20) -> Message:
        """The next message; fails when the connection ends first."""
        async with asyncio.timeout(patient(timeout_s)):
            line = await self.reader.readline()
        assert line.endswith(b"\n"), f"the connection ended with {line!r}"
        message: Message = json.loads(line)
        return message

    async def answer(self) -> Message:
        """The next answer; events before it go to `events`."""
        while True:
            message = await self.read()
            if message["type"] in {"ok", "error"}:
                return message
            self.events.append(message)

    async def ask(self, type_: str, **fields: Any) -> Message:
        """Send one message and get its answer."""
        self._id += 1
        self.send({"type": type_, "id": self._id, **fields})
        answer = await self.answer()
        assert answer.get("id") == self._id, answer
        return answer

    async def event(self, type_: str) -> Message:
        """The next event of a type; takes it and those before it out of `events`."""
        while True:
            while self.events:
                event = self.events.pop(0)
                if event["type"] == type_:
                    return event
            self.events.append(await self.read())

    async def ended(self, timeout_s: float = 20) -> bytes:
        """Read to the end of the connection; gives what came before it."""
        async with asyncio.timeout(patient(timeout_s)):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""

    async def close(self) -> None:
        """Close, whatever the state."""
        self.writer.transport.abort()
        try:
            await self.writer.wait_closed()
        except OSError:
            pass

    @classmethod
    async def close_all(cls) -> None:
        """Close what the test has left open."""
        while cls.opened:
            await cls.opened.pop().close()
