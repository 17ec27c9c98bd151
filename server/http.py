"""A small HTTP/1.1 server inside the event loop: one request a connection, GET and HEAD only, everything bounded."""

import asyncio
from http import HTTPStatus

from server.log import logger
from server.tls import Doorman, TlsPort, address_of

HEAD_BYTES_MAX = 8192
"""Longest request line with its headers."""
REQUEST_S = 5.0
"""A request must be complete by then."""
RESPONSE_S = 20.0
"""The answer must be taken by then."""
CONNECTIONS_MAX = 32
"""More at the same time are told to come again; from twice as many on they are cut."""
PLAIN = "text/plain; charset=utf-8"
JSON = "application/json"


class RequestError(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        self.status = status
        self.sentence = sentence
        super().__init__(sentence)


class HttpServer:
    """Listens and answers; a class of its own gives the `content`.

    Args:
        host, port: where to listen; port 0 takes any free one.
        tls: None for plain HTTP.

    Attributes:
        port: the one that is listened on, once started.
    """

    def __init__(self, host: str, port: int, tls: TlsPort | None = None) -> None:
        self.port = port
        self._host = host
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def content(self, path: str, headers: dict[str, str], address: str) -> tuple[HTTPStatus, str, list[bytes]]:
        """Status, content type and body of what `path` names. May raise `RequestError`."""
        raise NotImplementedError

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
                raise RequestError(HTTPStatus.SERVICE_UNAVAILABLE, "too many requests at once; ask again")
            status, kind, body = await self.content(path, headers, address)
        except RequestError as refused:
            status, kind, body = refused.status, PLAIN, [f"{refused.sentence}\n".encode()]
        except (OSError, TimeoutError):
            raise
        except Exception:  # noqa: BLE001 - a fault in the metrics is logged, and must not reach the calls
            logger.exception("a request for metrics failed")
            status, kind, body = HTTPStatus.INTERNAL_SERVER_ERROR, PLAIN, [b"this failed; the log has the details\n"]
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\n"
            f"Content-Type: {kind}\r\n"
            f"Content-Length: {sum(map(len, body))}\r\n"
            + ("Allow: GET, HEAD\r\n" if status is HTTPStatus.METHOD_NOT_ALLOWED else "")
            + ("WWW-Authenticate: Bearer\r\n" if status is HTTPStatus.UNAUTHORIZED else "")
            + "Connection: close\r\n\r\n"
        )
        return [head.encode(), *(body if with_body else ())]


async def _read_head(reader: asyncio.StreamReader) -> bytes:
    try:
        async with asyncio.timeout(REQUEST_S):
            return await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError as error:
        raise RequestError(HTTPStatus.BAD_REQUEST, f"the request is longer than {HEAD_BYTES_MAX} bytes") from error
    except asyncio.IncompleteReadError as error:
        raise RequestError(HTTPStatus.BAD_REQUEST, "the request ended early") from error
    except TimeoutError as error:
        raise RequestError(HTTPStatus.REQUEST_TIMEOUT, f"no request came within {REQUEST_S:g} seconds") from error


def _parse(head: bytes) -> tuple[str, str, dict[str, str]]:
    """Method, path and headers of a request; those that come several times are joined by commas."""
    request_line, *lines = head[:-4].decode("latin-1").split("\r\n")
    words = request_line.split(" ")
    if not head[:-4].replace(b"\r\n", b"").replace(b"\t", b" ").decode("latin-1").isprintable() or len(words) != 3:
        raise RequestError(HTTPStatus.BAD_REQUEST, "this is no HTTP request")
    method, target, version = words
    if version not in {"HTTP/1.1", "HTTP/1.0"} or not target.startswith("/"):
        raise RequestError(HTTPStatus.BAD_REQUEST, "this is no HTTP/1.1 request")
    if method not in {"GET", "HEAD"}:
        raise RequestError(HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD are served")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise RequestError(HTTPStatus.BAD_REQUEST, "a header has no colon")
        name = name.lower()
        headers[name] = f"{headers[name]},{value.strip()}" if name in headers else value.strip()
    return method, target.partition("?")[0], headers
