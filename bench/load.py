"""A lean load generator on raw sockets: whole lifecycles, so many in flight, or so many a second.

It reads no more of a message than it needs: the type by its place in the line, and ids of three kinds of events. One
write answers all that one read brought, as a good client does.
"""

import ctypes
import select
import socket
import time
from collections import deque
from collections.abc import Sequence
from typing import Protocol

import msgspec

from acd_protocol.messages import PROTOCOL_VERSION

TIMEOUT_S = 30.0
_TYPE_AT = len(b'{"type":"')
_PR_SET_TIMERSLACK = 29


class Ids(msgspec.Struct):
    """What an event names."""

    contact: str = ""
    offer: str = ""


_ids = msgspec.json.Decoder(Ids).decode


class Talk(Protocol):
    """What one connection says.

    Attributes:
        finished: lifecycles that ended.
    """

    finished: int

    def begin(self, count: int) -> bytes:
        """The first lines of so many lifecycles, or of as many as are left."""
        ...

    def react(self, lines: list[bytes]) -> bytes:
        """What is to be sent after these lines came."""
        ...


class AcdTalk:
    """Enqueue; when offered, accept; when connected, complete; when ended, the next."""

    def __init__(self, enqueue_lines: Sequence[bytes]) -> None:
        self.finished = 0
        self._left = deque(enqueue_lines)

    def begin(self, count: int) -> bytes:
        """See `Talk`."""
        return b"".join(self._left.popleft() for _ in range(min(count, len(self._left))))

    def react(self, lines: list[bytes]) -> bytes:
        """See `Talk`."""
        out = []
        for line in lines:
            kind = line[_TYPE_AT : line.index(b'"', _TYPE_AT)]
            if kind == b"contact.offered":
                self.offered(ids := _ids(line))
                out.append(b'{"type":"offer.accept","id":1,"offer":"%b"}\n' % ids.offer.encode())
            elif kind == b"contact.connected":
                out.append(b'{"type":"contact.complete","id":2,"contact":"%b"}\n' % _ids(line).contact.encode())
            elif kind == b"contact.ended":
                self.finished += 1
                if self._left:
                    out.append(self._left.popleft())
            elif kind == b"error":
                raise RuntimeError(f"the server refused: {line.decode()}")
        return b"".join(out)

    def offered(self, ids: Ids) -> None:
        """A contact was offered."""


class TimedTalk(AcdTalk):
    """Notes when contacts are offered; begins nothing by itself.

    Attributes:
        offered_ns: when, by contact.
    """

    def __init__(self) -> None:
        super().__init__(())
        self.offered_ns: dict[str, int] = {}

    def offered(self, ids: Ids) -> None:
        """Note the time."""
        self.offered_ns[ids.contact] = time.perf_counter_ns()


class EchoTalk:
    """The same three requests of each lifecycle to a server that sends back what it gets."""

    def __init__(self, enqueue_lines: Sequence[bytes]) -> None:
        self.finished = 0
        self._left = deque(enqueue_lines)

    def begin(self, count: int) -> bytes:
        """See `Talk`."""
        return b"".join(self._left.popleft() for _ in range(min(count, len(self._left))))

    def react(self, lines: list[bytes]) -> bytes:
        """See `Talk`."""
        out = []
        for line in lines:
            kind = line[_TYPE_AT : line.index(b'"', _TYPE_AT)]
            if kind == b"contact.enqueue":
                out.append(b'{"type":"offer.accept","id":1,"offer":"o-1234567"}\n')
            elif kind == b"offer.accept":
                out.append(b'{"type":"contact.complete","id":2,"contact":"c-1234567"}\n')
            else:
                self.finished += 1
                if self._left:
                    out.append(self._left.popleft())
        return b"".join(out)


class Connection:
    """One TCP connection, blocking, with the lines of an incomplete read kept."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""

    def fileno(self) -> int:
        """For `select`."""
        return self.socket.fileno()

    def send(self, data: bytes) -> None:
        """Send all of it."""
        self.socket.sendall(data)

    def receive(self) -> list[bytes]:
        """The lines that one read completes."""
        data = self.socket.recv(262_144)
        if not data:
            raise RuntimeError("the server closed the connection")
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        return lines

    def ask(self, *lines: bytes) -> None:
        """Send requests and wait for their answers, each of which must be accepted."""
        self.send(b"".join(lines))
        answers = 0
        while answers < len(lines):
            for line in self.receive():
                if line.startswith(b'{"type":"error"'):
                    raise RuntimeError(f"the server refused: {line.decode()}")
                answers += line.startswith((b'{"type":"ok"', b'{"type":"welcome"'))

    def hello(self, client: str) -> None:
        """Say hello by this name."""
        self.ask(b'{"type":"hello","version":%d,"client":"%b"}\n' % (PROTOCOL_VERSION, client.encode()))

    def close(self) -> None:
        """Close."""
        self.socket.close()


def closed_loop(connections: Sequence[Connection], talks: Sequence[Talk], depth: int, lifecycles: int) -> None:
    """Run so many lifecycles with `depth` of them in flight, spread over the connections."""
    for number, (connection, talk) in enumerate(zip(connections, talks, strict=True)):
        connection.send(talk.begin((depth + len(connections) - 1 - number) // len(connections)))
    talk_of = dict(zip(connections, talks, strict=True))
    while sum(talk.finished for talk in talks) < lifecycles:
        ready, _, _ = select.select(connections, [], [], TIMEOUT_S)
        if not ready:
            raise RuntimeError(f"nothing came for {TIMEOUT_S} s")
        for connection in ready:
            answer = talk_of[connection].react(connection.receive())
            if answer:
                connection.send(answer)


class OpenLoop:
    """What an open loop saw, in nanoseconds, by contact.

    Attributes:
        latency_ns: from the planned time of an enqueue to its offer.
        late_ns: from the planned time to the time at which it was really sent.
    """

    def __init__(self, latency_ns: list[int], late_ns: list[int]) -> None:
        self.latency_ns = latency_ns
        self.late_ns = late_ns


def open_loop(connection: Connection, lines: dict[str, bytes], rate: int) -> OpenLoop:
    """Enqueue one contact after the other at a steady rate, whatever the server does, and see each to its end."""
    ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)  # else each wait ends some 50 µs late
    talk = TimedTalk()
    contacts = list(lines)
    step_ns = 1_000_000_000 // rate
    start_ns = time.perf_counter_ns() + step_ns
    late_ns: list[int] = []
    while talk.finished < len(contacts):
        now_ns = time.perf_counter_ns()
        due = b""
        while len(late_ns) < len(contacts) and start_ns + len(late_ns) * step_ns <= now_ns:
            due += lines[contacts[len(late_ns)]]
            late_ns.append(now_ns - start_ns - len(late_ns) * step_ns)
        if due:
            connection.send(due)
        wait_ns = start_ns + len(late_ns) * step_ns - time.perf_counter_ns()
        wait_s = TIMEOUT_S if len(late_ns) == len(contacts) else max(0, wait_ns) / 1e9
        ready, _, _ = select.select([connection], [], [], wait_s)
        if ready:
            answer = talk.react(connection.receive())
            if answer:
                connection.send(answer)
        elif wait_s == TIMEOUT_S:
            raise RuntimeError(f"nothing came for {TIMEOUT_S} s")
    planned = {contact: start_ns + number * step_ns for number, contact in enumerate(contacts)}
    return OpenLoop([talk.offered_ns[contact] - planned[contact] for contact in contacts], late_ns)
