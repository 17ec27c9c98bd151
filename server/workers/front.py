"""The one address: reads of each connection which domain it is for, and hands it to the process of that domain.

A client names its domain in `hello`; where there is only one it need not. With TLS, which ends in the process of the domain
and not here, the domain is the first label of the server's name that the client asks for, such as `acme` of
`acme.acd.example`: it is read out of what the client sends first, which stays in the socket.
"""

import asyncio
import contextlib
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Mapping

from acd_core.refusals import Outcome
from acd_protocol.framing import decode_from_client, encode, error
from acd_protocol.messages import Error, Hello
from server.workers.handover import EARLY_BYTES_MAX

GREETINGS_MAX = 4096
"""Most connections that have not said where they want to."""
PEEK_AGAIN_S = 0.02
"""A first message of TLS that came in pieces is looked at again after so long."""
RETRY_S = 0.005
"""A process that cannot take a connection now is asked again after so long."""
ACCEPTS_AT_ONCE = 64

Take = Callable[[socket.socket, bytes], bool]
"""Hands a connection over; False when that is not possible now."""


class Front:
    """See the module.

    Args:
        listener: bound, and not blocking.
        doors: the domains; each gives how to hand a connection over, or None while its process does not serve.
        hello_s: who has not said where he wants to by then is cut.
        tls: whether connections begin with TLS.

    Attributes:
        taken: connections handed over, by domain.
        refused: connections that were refused or cut here.
    """

    def __init__(
        self, listener: socket.socket, doors: Mapping[str, Callable[[], Take | None]], hello_s: float, *, tls: bool
    ) -> None:
        self.taken: Counter[str] = Counter()
        self.refused = 0
        self._listener = listener
        self._doors = doors
        self._hello_s = hello_s
        self._tls = tls
        self._greetings: set[asyncio.Task[None]] = set()

    def open(self, backlog: int) -> None:
        """Take connections from here on. Raises `OSError` if that is not possible."""
        self._listener.listen(backlog)
        asyncio.get_running_loop().add_reader(self._listener.fileno(), self._accept)

    async def close(self) -> None:
        """Take no more, and cut those that have not said where they want to."""
        asyncio.get_running_loop().remove_reader(self._listener.fileno())
        self._listener.close()
        for greeting in self._greetings:
            greeting.cancel()
        await asyncio.gather(*self._greetings, return_exceptions=True)

    def _accept(self) -> None:
        for _ in range(ACCEPTS_AT_ONCE):
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setblocking(False)
            if len(self._greetings) >= GREETINGS_MAX:
                self.refused += 1
                connection.close()
                continue
            task = asyncio.get_running_loop().create_task(self._greet(connection), name="greeting")
            self._greetings.add(task)
            task.add_done_callback(self._greetings.discard)

    async def _greet(self, connection: socket.socket) -> None:
        """Find out where a connection is to go, and hand it over; it is not ours any more in any case."""
        try:
            async with asyncio.timeout(self._hello_s):
                if self._tls:
                    await self._pass_on(connection, await _name_asked_for(connection), b"")
                else:
                    await self._read_hello(connection)
        except (OSError, TimeoutError):
            self.refused += 1
        finally:
            connection.close()

    async def _read_hello(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        early = b""
        while b"\n" not in early:
            more = await loop.sock_recv(connection, EARLY_BYTES_MAX - len(early))
            early = (early + more).lstrip(b"\r\n")
            if not more or len(early) >= EARLY_BYTES_MAX:
                raise ConnectionError
        hello = decode_from_client(early.partition(b"\n")[0].removesuffix(b"\r"))
        if isinstance(hello, Hello):
            await self._pass_on(connection, hello.domain, early, hello)
        elif isinstance(hello, Error):
            await self._refuse(connection, hello)
        else:
            await self._refuse(connection, error(Outcome.HELLO_MISSING, request_id=hello.id))

    async def _pass_on(self, connection: socket.socket, domain: str, early: bytes, hello: Hello | None = None) -> None:
        """Hand it to the process of `domain`; what cannot be is refused, in words where they can be read."""
        names = list(self._doors)
        if not domain and len(names) == 1:
            domain = names[0]
        outcome, problem = Outcome.UNAVAILABLE, f"the domain {domain} is being started: try again soon"
        if domain not in self._doors:
            named = f"there is no routing domain {domain!r} here" if domain else "say in 'hello' which domain is meant"
            outcome, problem = Outcome.DOMAIN_UNKNOWN, f"{named}: there are {', '.join(names[:16])}"
        else:
            while (take := self._doors[domain]()) is not None:
                if take(connection, early):
                    self.taken[domain] += 1
                    return
                await asyncio.sleep(RETRY_S)
        if hello is None:
            raise ConnectionError
        await self._refuse(connection, error(outcome, problem, hello.id))

    async def _refuse(self, connection: socket.socket, problem: Error) -> None:
        self.refused += 1
        await asyncio.get_running_loop().sock_sendall(connection, encode(problem))
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
            while await asyncio.get_running_loop().sock_recv(connection, EARLY_BYTES_MAX):
                pass  # closing with something unread would make the kernel throw the answer away


async def _name_asked_for(connection: socket.socket) -> str:
    """The first label of the server's name in the first message of TLS, which stays in the socket; empty for none."""
    loop = asyncio.get_running_loop()
    seen = 0
    while True:
        try:
            begun = connection.recv(EARLY_BYTES_MAX, socket.MSG_PEEK)
        except BlockingIOError:
            begun = None
        if begun is not None and len(begun) > seen:
            name = server_name(begun)
            if name is not None:
                return name.partition(".")[0].lower() if "." in name else name.lower()
            seen = len(begun)
        elif begun == b"" or seen >= EARLY_BYTES_MAX:
            raise ConnectionError
        if seen:
            await asyncio.sleep(PEEK_AGAIN_S)
        else:
            readable = loop.create_future()
            loop.add_reader(connection.fileno(), _settle, readable)
            try:
                await readable
            finally:
                loop.remove_reader(connection.fileno())


def _settle(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


def server_name(begun: bytes) -> str | None:
    """The name that the beginning of a TLS connection asks for; empty for none; None if it is not complete yet.

    The library's own reader is asked: it calls back with the name before it looks for a certificate.

    Raises:
        ConnectionError: it is no TLS.
    """
    found: list[str] = []

    def on_name(_socket: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> int:
        found.append(name or "")
        return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR  # nothing more is wanted of it

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sni_callback = on_name
    incoming = ssl.MemoryBIO()
    incoming.write(begun)
    reader = context.wrap_bio(incoming, ssl.MemoryBIO(), server_side=True)
    try:
        reader.do_handshake()
    except ssl.SSLWantReadError:
        return None
    except ssl.SSLError:
        if not found:
            raise ConnectionError("no TLS") from None
    return found[0] if found else ""
