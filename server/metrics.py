"""The side door: `/metrics` for Prometheus, `/healthz` (alive) and `/readyz` (accepts commands) for who starts and stops.

It is open from the start on. While the journal is read, `/readyz` tells how far that is, and `/metrics` no more than
that the server is not ready: counters that begin at 0 and then jump would be taken for traffic.

A scrape is gathered and written in slices of a fraction of a millisecond, between which the loop deals with what came in,
so that a large centre's metrics do not hold up its calls. A thread would not do: Python lets it hold up the loop for
milliseconds at a time. One scrape is dealt with at a time.

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
from server.http import JSON, PLAIN, HttpServer, RequestError
from server.recovery import Progress
from server.snapshot import Gatherer, Source
from server.tls import TlsPort

SLICE_NS = 200_000
"""A scrape lets other work have its turn after so long."""

PIECE_CHARACTERS = 65_536
"""An answer is written in pieces of about this size."""

_R = TypeVar("_R")


class MetricsServer(HttpServer):
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
        super().__init__(host, port, tls)
        self._gate = gate
        self._agents = agents
        self._exemplars = exemplars
        self._source = source
        self._gatherer: Gatherer | None = None
        if not isinstance(source, Progress):
            self.show(source)
        self._rendering = asyncio.Lock()

    def show(self, source: Source) -> None:
        """From here on `source` is what is scraped."""
        self._source = source
        self._gatherer = Gatherer(source, agents=self._agents, exemplars=self._exemplars)

    async def content(self, path: str, headers: dict[str, str], address: str) -> tuple[HTTPStatus, str, list[bytes]]:
        """Status, content type and body of what `path` names."""
        match path:
            case "/metrics":
                tenants = await self._admit(headers.get("authorization", ""), address)
                openmetrics = "application/openmetrics-text" in headers.get("accept", "")
                async with self._rendering:
                    body = await self._scrape(openmetrics, tenants)
                return HTTPStatus.OK, OPENMETRICS if openmetrics else TEXT, body
            case "/healthz":
                return HTTPStatus.OK, PLAIN, [b"alive\n"]
            case "/readyz":
                said = readiness(self._source)
                status = HTTPStatus.OK if said["state"] == "serving" else HTTPStatus.SERVICE_UNAVAILABLE
                return status, JSON, [msgspec.json.encode(said) + b"\n"]
            case _:
                raise RequestError(HTTPStatus.NOT_FOUND, "there are /metrics, /healthz and /readyz")

    async def _admit(self, authorization: str, address: str) -> frozenset[str]:
        """The wall of who scrapes, empty for none. Raises `RequestError` if he may not."""
        if self._gate is None:
            return frozenset()
        kind, _, token = authorization.partition(" ")
        shown = Shown(None, token.strip() if kind.lower() == "bearer" else "", address, ())
        found = await self._gate.identify_soon(shown)
        if isinstance(found, Error):
            raise RequestError(HTTPStatus.UNAUTHORIZED, found.message)
        if not found.may(Stats):
            raise RequestError(HTTPStatus.FORBIDDEN, f"the role {found.role!r} may not read metrics")
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
    return {"state": source.phase}


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
