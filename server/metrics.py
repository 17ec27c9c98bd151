"""The side door: `/metrics` for Prometheus, `/healthz` (alive) and `/readyz` (accepts commands) for who starts and stops.

It is open from the start on. While the journal is read, `/readyz` tells how far that is, and `/metrics` no more than
that the server is not ready: counters that begin at 0 and then jump would be taken for traffic.

A small HTTP/1.1 server inside the server's own loop, since only there the machine may be read: one request a
connection, GET and HEAD only, everything bounded. A scrape is gathered and written in slices of a fraction of a
millisecond, between which the loop deals with what came in, so that a large centre's metrics do not hold up its calls.
A thread would not do: Python lets it hold up the loop for milliseconds at a time. One scrape is dealt with at a time.

Where clients need credentials, `/metrics` needs a token of one that may ask for counts, as `Authorization: Bearer`; one
with a wall gets the metrics of its own queues. `/healthz` and `/readyz` say nothing that needs to be kept from anybody.
"""

import asyncio
from collections.abc import Generator, Iterable
from http import HTTPStatus
from typing import TypeVar

import msgspec

from acd_protocol.messages import Error, Stats
from server.access.gate import Gate, Shown
from server.clock import monotonic_ns
from server.exposition import OPENMETRICS, TEXT, early_exposition, end_text, exposition, process_text
from server.log import logger
from server.recovery import Progress
from server.snapshot import Gatherer, Source
from server.tls import Doorman, TlsPort, address_of

HEAD_BYTES_MAX = 8192
"""Longest request line with its headers."""
REQUEST_S = 5.0
"""A request must be complete by then."""
RESPONSE_S = 20.0
"""The answer must be taken by then."""
CONNECTIONS_MAX = 32
"""More at the same time are told to come again; from twice as many on they are cut."""

SLICE_NS = 200_000
"""A scrape lets other work have its turn after so long."""

PIECE_CHARACTERS = 65_536
"""An answer is written in pieces of about this size."""

_TEXT = "text/plain; charset=utf-8"
_JSON = "application/json"
_R = TypeVar("_R")


class _RequestError(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        self.status = status
        self.sentence = sentence
        super().__init__(sentence)


class MetricsServer:
    """Serves `/metrics`, `/healthz` and `/readyz`.

    Args:
        source: what is scraped; or how far a recovery is, until there is something to scrape.
        host, port: where to listen; port 0 takes any free one.
        agents: whether to show each agent.
        exemplars: whether OpenMetrics gets the ids of contacts as examples.
        gate: who may scrape; None for anybody.
        tls: None for plain HTTP.

    Attributes:
        port: the one that is listened on, once started.
    """

    def __init__(
        self,
        source: Source | Progress,
        host: str,
        port: int,
        *,
        agents: bool = False,
        exemplars: bool = False,
        gate: Gate | None = None,
        tls: TlsPort | None = None,
    ) -> None:
        self._gate = gate
        self._tls = tls
        self.port = port
        self._agents = agents
        self._exemplars = exemplars
        self._source = source
        self._gatherer: Gatherer | None = None
        if not isinstance(source, Progress):
            self.show(source)
        self._host = host
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._rendering = asyncio.Lock()

    def show(self, source: Source) -> None:
        """From here on `source` is what is scraped."""
        self._source = source
        self._gatherer = Gatherer(source, agents=self._agents, exemplars=self._exemplars)

    async def start(self) -> None:
        """Listen. Raises `OSError` if that is not possible."""
        self._server = await asyncio.get_running_loop().create_server(self._protocol, self._host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def _protocol(self) -> asyncio.Protocol:
        """Of a new connection."""
        tls = self._tls
        if tls is None:
            return self._http()
        return Doorman(tls, self._http, REQUEST_S, lambda: 2 * CONNECTIONS_MAX)

    def _http(self) -> asyncio.Protocol:
        loop = asyncio.get_running_loop()
        return asyncio.StreamReaderProtocol(asyncio.StreamReader(HEAD_BYTES_MAX, loop), self._connected, loop)

    async def stop(self) -> None:
        """Stop listening and cut what is still open. Without effect on a server that is not started."""
        if self._server is None:
            return
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= 2 * CONNECTIONS_MAX:
            writer.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer), name="metrics request")
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request and close."""
        try:
            response = await self._respond(reader, address_of(writer.transport))
            async with asyncio.timeout(RESPONSE_S):
                for piece in response:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
                writer.close()
                await writer.wait_closed()
        except (OSError, TimeoutError):
            pass  # the client went away, or did not take the answer: it may ask again
        finally:
            writer.transport.abort()

    async def _respond(self, reader: asyncio.StreamReader, address: str) -> list[bytes]:
        """The answer to a request, in pieces that are written one in a turn."""
        with_body = True
        try:
            one_too_many = len(self._connections) > CONNECTIONS_MAX
            method, path, headers = _parse(await _read_head(reader))
            with_body = method != "HEAD"
            if one_too_many:
                raise _RequestError(HTTPStatus.SERVICE_UNAVAILABLE, "too many requests at once; ask again")
            status, kind, body = await self._content(path, headers, address)
        except _RequestError as refused:
            status, kind, body = refused.status, _TEXT, [f"{refused.sentence}\n".encode()]
        except (OSError, TimeoutError):
            raise
        except Exception:  # noqa: BLE001 - a fault in the metrics is logged, and must not reach the calls
            logger.exception("a request for metrics failed")
            status, kind, body = HTTPStatus.INTERNAL_SERVER_ERROR, _TEXT, [b"this failed; the log has the details\n"]
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\n"
            f"Content-Type: {kind}\r\n"
            f"Content-Length: {sum(map(len, body))}\r\n"
            + ("Allow: GET, HEAD\r\n" if status is HTTPStatus.METHOD_NOT_ALLOWED else "")
            + ("WWW-Authenticate: Bearer\r\n" if status is HTTPStatus.UNAUTHORIZED else "")
            + "Connection: close\r\n\r\n"
        )
        return [head.encode(), *(body if with_body else ())]

    async def _content(self, path: str, headers: dict[str, str], address: str) -> tuple[HTTPStatus, str, list[bytes]]:
        """Status, content type and body of what `path` names."""
        match path:
            case "/metrics":
                tenants = await self._admit(headers.get("authorization", ""), address)
                openmetrics = "application/openmetrics-text" in headers.get("accept", "")
                async with self._rendering:
                    body = await self._scrape(openmetrics, tenants)
                return HTTPStatus.OK, OPENMETRICS if openmetrics else TEXT, body
            case "/healthz":
                return HTTPStatus.OK, _TEXT, [b"alive\n"]
            case "/readyz":
                said = readiness(self._source)
                status = HTTPStatus.OK if said["state"] == "serving" else HTTPStatus.SERVICE_UNAVAILABLE
                return status, _JSON, [msgspec.json.encode(said) + b"\n"]
            case _:
                raise _RequestError(HTTPStatus.NOT_FOUND, "there are /metrics, /healthz and /readyz")

    async def _admit(self, authorization: str, address: str) -> frozenset[str]:
        """The wall of who scrapes, empty for none. Raises `_RequestError` if he may not."""
        if self._gate is None:
            return frozenset()
        kind, _, token = authorization.partition(" ")
        shown = Shown(None, token.strip() if kind.lower() == "bearer" else "", address, ())
        found = await self._gate.identify_soon(shown)
        if isinstance(found, Error):
            raise _RequestError(HTTPStatus.UNAUTHORIZED, found.message)
        if not found.may(Stats):
            raise _RequestError(HTTPStatus.FORBIDDEN, f"the role {found.role!r} may not read metrics")
        return found.tenants

    async def _scrape(self, openmetrics: bool, tenants: frozenset[str]) -> list[bytes]:
        if self._gatherer is None:
            pieces = [early_exposition(openmetrics=openmetrics).encode()]
        else:
            snapshot = await sliced(self._gatherer.gather())
            pieces = await sliced(_pieces(exposition(snapshot, openmetrics=openmetrics, tenants=tenants)))
        if tenants:
            return [*pieces, end_text(openmetrics=openmetrics).encode()]
        pieces.append((await asyncio.to_thread(process_text, openmetrics=openmetrics)).encode())
        return pieces


def readiness(source: Source | Progress) -> dict[str, str | int]:
    """What `/readyz` says: `state`, which is `serving` when commands are accepted, and how far a recovery is."""
    if isinstance(source, Progress):
        return {"state": source.state, "records": source.records, "of": source.of, "commands": source.commands}
    return {"state": source.state}


async def sliced(steps: Generator[None, None, _R]) -> _R:
    """Drive a generator of small steps, `SLICE_NS` at a time; gives what it returns."""
    while True:
        end_ns = monotonic_ns() + SLICE_NS
        try:
            while monotonic_ns() < end_ns:
                next(steps)
        except StopIteration as end:
            result: _R = end.value
            return result
        await asyncio.sleep(0)


def _pieces(chunks: Iterable[str]) -> Generator[None, None, list[bytes]]:
    """Chunks of text, gathered into pieces that are worth a call of the kernel."""
    pieces: list[bytes] = []
    gathered: list[str] = []
    size = 0
    for chunk in chunks:
        gathered.append(chunk)
        size += len(chunk)
        if size >= PIECE_CHARACTERS:
            pieces.append("".join(gathered).encode())
            gathered.clear()
            size = 0
        yield
    pieces.append("".join(gathered).encode())
    return pieces


async def _read_head(reader: asyncio.StreamReader) -> bytes:
    try:
        async with asyncio.timeout(REQUEST_S):
            return await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError as error:
        raise _RequestError(HTTPStatus.BAD_REQUEST, f"the request is longer than {HEAD_BYTES_MAX} bytes") from error
    except asyncio.IncompleteReadError as error:
        raise _RequestError(HTTPStatus.BAD_REQUEST, "the request ended early") from error
    except TimeoutError as error:
        raise _RequestError(HTTPStatus.REQUEST_TIMEOUT, f"no request came within {REQUEST_S:g} seconds") from error


def _parse(head: bytes) -> tuple[str, str, dict[str, str]]:
    """Method, path and headers of a request; those that come several times are joined by commas."""
    request_line, *lines = head[:-4].decode("latin-1").split("\r\n")
    words = request_line.split(" ")
    if not head[:-4].replace(b"\r\n", b"").replace(b"\t", b" ").decode("latin-1").isprintable() or len(words) != 3:
        raise _RequestError(HTTPStatus.BAD_REQUEST, "this is no HTTP request")
    method, target, version = words
    if version not in {"HTTP/1.1", "HTTP/1.0"} or not target.startswith("/"):
        raise _RequestError(HTTPStatus.BAD_REQUEST, "this is no HTTP/1.1 request")
    if method not in {"GET", "HEAD"}:
        raise _RequestError(HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD are served")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise _RequestError(HTTPStatus.BAD_REQUEST, "a header has no colon")
        name = name.lower()
        headers[name] = f"{headers[name]},{value.strip()}" if name in headers else value.strip()
    return method, target.partition("?")[0], headers
