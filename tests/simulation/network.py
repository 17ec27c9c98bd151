"""TCP, made up: streams that are cut into pieces, delayed, stalled, cut off, or lost without a word.

Within a direction of a connection bytes keep their order, as TCP promises; connections overtake each other freely. A
connection can end in an orderly way, by a reset that takes what is under way with it, or silently: then each end finds
out by itself, the server by what it asked of the kernel (`TCP_USER_TIMEOUT`), the client by its heartbeats.
"""

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any

from tests.simulation.loop import NS, PROCESS, Process, SimLoop

Address = tuple[str, int]


class SimSocket:
    """So much of a socket as a protocol asks of its transport: options."""

    def __init__(self) -> None:
        self.options: dict[tuple[int, int], int] = {}

    def setsockopt(self, level: int, option: int, value: int) -> None:
        """Remember an option."""
        self.options[level, option] = value

    @property
    def dead_after_s(self) -> float:
        """After how long the kernel tells that nobody is there any more; 0 for never."""
        if not self.options.get((socket.SOL_SOCKET, socket.SO_KEEPALIVE)):
            return 0
        return self.options.get((socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT), 0) / 1000


class SimTransport(asyncio.Transport):
    """One end of a connection."""

    def __init__(self, link: "Link", process: Process, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self.link = link
        self.process = process
        self.protocol = protocol
        self.peer: SimTransport = self
        self.socket = SimSocket()
        self.lost = False
        self.closing = False
        self._out = bytearray()
        self._fin_wanted = False
        self._begun = False
        self._fin_sent = False
        self._fin_arrived = False
        self._high = 65_536
        self._protocol_paused = False
        self._reading = True
        self._arrived: deque[bytes] = deque()
        self._arrived_bytes = 0
        self._under_way = 0
        self._last_ns = 0
        self._transit: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()

    # -- what a protocol calls ----------------------------------------------------------------------------------

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self.socket if name == "socket" else default

    def is_closing(self) -> bool:
        return self.closing

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = 65_536 if high is None else high

    def get_write_buffer_size(self) -> int:
        return len(self._out)

    def can_write_eof(self) -> bool:
        return True

    def write(self, data: Any) -> None:
        if self.lost or self._fin_wanted:
            return
        self._out += data
        self._pump()
        if len(self._out) > self._high and not self._protocol_paused:
            self._protocol_paused = True
            self.protocol.pause_writing()

    def write_eof(self) -> None:
        self._fin_wanted = True
        self._pump()

    def close(self) -> None:
        if self.closing:
            return
        self.closing = True
        self._fin_wanted = True
        self._reading = False
        self._arrived.clear()
        self._pump()

    def abort(self) -> None:
        if self.lost:
            return
        self.closing = True
        self._out.clear()
        self.link.reset(self)
        self._lose(None)

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        if not self.closing:
            self._reading = True
            self._soon(self._hand_over)

    # -- how bytes travel ---------------------------------------------------------------------------------------

    def _soon(self, callback: Callable[..., object], *args: Any) -> None:
        self.link.loop.call_soon(callback, *args, context=self.process.context)

    def _pump(self) -> None:
        """Send what the other end's window allows."""
        link = self.link
        while self._out and self._under_way < link.window:
            size = min(len(self._out), link.window - self._under_way)
            if link.cuts_pieces and size > 1 and link.rng.random() < 0.3:
                size = link.rng.randint(1, size)
            piece = bytes(self._out[:size])
            del self._out[:size]
            self._under_way += size
            self._travel(self.peer._arrive, piece)
        if self._protocol_paused and len(self._out) <= self._high // 4:
            self._protocol_paused = False
            self._soon(self._resume_protocol)
        if self._fin_wanted and not self._out and not self._fin_sent:
            self._fin_sent = True
            self._travel(self.peer._arrive_fin)
            if self.closing:
                self._lose(None)

    def _resume_protocol(self) -> None:
        if not self.lost:
            self.protocol.resume_writing()
            self._pump()

    def _travel(self, arrival: Callable[..., object], *args: Any) -> None:
        """Have something arrive at the other end after all that was sent before it."""
        link = self.link
        if link.silent:
            return
        when = max(link.loop.now_ns + link.delay_ns(), self._last_ns + 1, link.stalled_until_ns)
        self._last_ns = when
        self._transit.append((arrival, args))
        link.loop.call_at_ns(when, link.unless_silent, self._next_arrives, context=_NOBODY.context)

    def _next_arrives(self) -> None:
        arrival, args = self._transit.popleft()
        arrival(*args)

    def _arrive(self, piece: bytes) -> None:
        if self.lost or self.closing or not self.process.alive:
            self.link.reset(self)  # nobody is here any more
            return
        self._arrived.append(piece)
        self._arrived_bytes += len(piece)
        self._soon(self._hand_over)

    def begin(self) -> None:
        """Tell the protocol that it has a connection; nothing is handed to it before."""
        self.protocol.connection_made(self)
        self._begun = True
        if self._arrived or self._fin_arrived:
            self._soon(self._hand_over)

    def _hand_over(self) -> None:
        """Give the protocol what has arrived, while it wants it."""
        if not self._begun:
            return
        while self._arrived and self._reading and not self.closing:
            piece = self._arrived.popleft()
            if self.link.rng.random() < 0.5:
                while self._arrived:
                    piece += self._arrived.popleft()
            self._arrived_bytes -= len(piece)
            peer = self.peer
            peer._under_way -= len(piece)
            if peer.process.alive and not peer.lost:
                peer._soon(peer._pump)
            self.protocol.data_received(piece)
        if not self._arrived and self._fin_arrived and self._reading and not self.closing:
            self._fin_arrived = False
            if not self.protocol.eof_received():
                self.close()

    def _arrive_fin(self) -> None:
        if self.lost or self.closing:
            return
        self._fin_arrived = True
        self._soon(self._hand_over)

    def arrive_reset(self) -> None:
        """The other end is gone; what was not read yet is thrown away."""
        self.fail(ConnectionResetError("reset by peer"))

    def fail(self, error: OSError) -> None:
        """The connection is over, because of `error`."""
        if not self.lost:
            self.closing = True
            self._arrived.clear()
            self._out.clear()
            self._lose(error)

    def _lose(self, error: Exception | None) -> None:
        if not self.lost:
            self.lost = True
            self._soon(self.protocol.connection_lost, error)


_NOBODY = Process("network")


class Link:
    """A connection between two ends."""

    def __init__(self, network: "Network", client: Process, server: Process, listener: "Listener") -> None:
        self.network = network
        self.loop = network.loop
        self.rng = network.rng
        self.window = network.window
        self.cuts_pieces = network.rng.random() < network.cut_pieces
        self.silent = False
        self.stalled_until_ns = network.partitioned_until_ns(client.name)
        self.client_name = client.name
        self._base_ns = int(network.delay_s * NS * self.rng.uniform(0.5, 2))
        self.server_end = SimTransport(self, server, listener.factory())
        self.client_end = self.server_end

    def join(self, client: Process, protocol: asyncio.Protocol) -> None:
        """Both ends are there."""
        self.client_end = SimTransport(self, client, protocol)
        self.client_end.peer = self.server_end
        self.server_end.peer = self.client_end

    def delay_ns(self) -> int:
        """How long the next piece is under way."""
        rng = self.rng
        if rng.random() < self.network.spikes:
            return self._base_ns + int(rng.random() * 0.5 * NS)
        return self._base_ns + rng.randrange(self._base_ns + 1)

    def unless_silent(self, arrival: Callable[..., object], *args: Any) -> None:
        """Let something arrive, unless the wire was cut meanwhile."""
        if self.silent:
            return
        if self.stalled_until_ns > self.loop.now_ns:
            self.loop.call_at_ns(self.stalled_until_ns, self.unless_silent, arrival, *args, context=_NOBODY.context)
            return
        arrival(*args)

    def reset(self, end: SimTransport) -> None:
        """`end` is gone: tell the other."""
        other = end.peer
        if not other.lost:
            self.loop.call_at_ns(
                max(self.loop.now_ns + self.delay_ns(), self.stalled_until_ns),
                self.unless_silent,
                other.arrive_reset,
                context=_NOBODY.context,
            )

    @property
    def over(self) -> bool:
        """Whether neither end knows it any more."""
        return all(end.lost or not end.process.alive for end in (self.client_end, self.server_end))

    def cut(self) -> None:
        """Reset both ends, what is under way is lost."""
        for end in (self.client_end, self.server_end):
            if end.process.alive:
                self.loop.call_at_ns(
                    self.loop.now_ns + self.rng.randrange(int(0.3 * NS)), end.arrive_reset, context=_NOBODY.context
                )

    def vanish(self) -> None:
        """From now on nothing arrives at either end; each finds out by itself, or never."""
        self.silent = True
        for end in (self.client_end, self.server_end):
            if end.socket.dead_after_s:
                self.loop.call_later(
                    end.socket.dead_after_s, end.fail, TimeoutError("no answer"), context=_NOBODY.context
                )


class Listener:
    """A port that is listened on, or will be."""

    def __init__(self, network: "Network", address: Address) -> None:
        self._network = network
        self.address = address
        self.process = PROCESS.get()
        self.factory: Callable[[], asyncio.Protocol]

    def listen(self, backlog: int) -> None:
        """As a socket does."""

    def serve(self, factory: Callable[[], asyncio.Protocol]) -> "Listener":
        """Accept connections from now on."""
        self.factory = factory
        self._network.listeners[self.address] = self
        return self

    def getsockname(self) -> Address:
        """Where it listens."""
        return self.address

    def close(self) -> None:
        """Accept no more."""
        if self._network.listeners.get(self.address) is self:
            del self._network.listeners[self.address]


class Network:
    """All connections, and what is wrong with them.

    Attributes:
        delay_s: usual delay of a piece; spikes: share of those that take up to half a second longer.
        window: bytes that may be under way or unread in a direction.
        cut_pieces: share of the connections whose bytes come in pieces.
    """

    def __init__(self, loop: SimLoop, rng: Random) -> None:
        self.loop = loop
        self.rng = rng
        self.delay_s = 0.001
        self.spikes = 0.0
        self.window = 65_536
        self.cut_pieces = 0.0
        self.listeners: dict[Address, Listener] = {}
        self.links: list[Link] = []
        self._partitions: dict[str, int] = {}

    async def connect(self, factory: Callable[[], Any], address: Address) -> tuple[SimTransport, Any]:
        """What `create_connection` gives. Raises `ConnectionRefusedError` when nobody listens."""
        process = PROCESS.get()
        delay_s = self.delay_s * self.rng.uniform(1, 4)
        stalled = self.partitioned_until_ns(process.name) - self.loop.now_ns
        await asyncio.sleep(max(delay_s, stalled / NS))
        listener = self.listeners.get(address)
        if listener is None or not listener.process.alive:
            raise ConnectionRefusedError("nobody listens")
        link = Link(self, process, listener.process, listener)
        protocol = factory()
        link.join(process, protocol)
        self.links.append(link)
        server_end = link.server_end
        server_end._soon(server_end.begin)
        link.client_end.begin()
        return link.client_end, protocol

    def live(self) -> list[Link]:
        """Connections that are not over."""
        self.links = [link for link in self.links if not link.over]
        return [link for link in self.links if not link.silent]

    def killed(self, process: Process) -> None:
        """The kernel ends the connections of a process that is no more."""
        for listener in [listener for listener in self.listeners.values() if listener.process is process]:
            listener.close()
        for link in self.live():
            for end in (link.client_end, link.server_end):
                if end.process is process and not end.lost:
                    link.reset(end)

    def unplugged(self, process: Process) -> None:
        """The machine of a process is no more: nobody ends its connections."""
        for listener in [listener for listener in self.listeners.values() if listener.process is process]:
            listener.close()
        for link in self.live():
            if process in (link.client_end.process, link.server_end.process):
                link.vanish()

    def partition(self, client_name: str, seconds: float) -> None:
        """Nothing passes between that client and the server for so long; then everything does, late."""
        until = self.loop.now_ns + int(seconds * NS)
        self._partitions[client_name] = until
        for link in self.live():
            if link.client_name == client_name:
                link.stalled_until_ns = until
                limit_s = link.server_end.socket.dead_after_s
                if limit_s and limit_s < seconds:
                    self.loop.call_later(
                        limit_s, link.server_end.fail, TimeoutError("no answer"), context=_NOBODY.context
                    )

    def partitioned_until_ns(self, client_name: str) -> int:
        """When the client can reach the server again."""
        return self._partitions.get(client_name, 0)

    def heal(self) -> None:
        """Nothing is wrong any more; what is lost stays lost."""
        self._partitions.clear()
        self.spikes = 0.0
        for link in self.live():
            link.stalled_until_ns = 0
