"""The metrics of all domains behind one address: each process's own, with the label `domain`, and what the address saw."""

import asyncio
import http.client
import re
from collections.abc import Sequence
from http import HTTPStatus

import msgspec

from server.exposition import OPENMETRICS, TEXT
from server.http import JSON, PLAIN, HttpServer, RequestError
from server.tls import TlsPort
from server.workers.front import Front
from server.workers.worker import Worker

SCRAPE_S = 10.0
"""A process that does not give its metrics by then is left out."""
_HEAD = re.compile(r"# (?:HELP|TYPE|UNIT) (\S+)")

_OWN = (
    ("acd_worker_up", "gauge", "1 while the process of the routing domain serves."),
    ("acd_worker_restarts_total", "counter", "How often the process of the routing domain was started again."),
    ("acd_front_connections_total", "counter", "Connections that were handed to the process of the routing domain."),
)


class AllMetrics(HttpServer):
    """`/metrics`, `/healthz` and `/readyz` of the address. A scrape asks every process, at the same time."""

    def __init__(self, host: str, port: int, workers: Sequence[Worker], tls: TlsPort | None) -> None:
        super().__init__(host, port, tls)
        self._workers = workers
        self._front: Front | None = None

    def show(self, front: Front) -> None:
        """From here on what `front` saw is told too."""
        self._front = front

    async def content(self, path: str, headers: dict[str, str], address: str) -> tuple[HTTPStatus, str, list[bytes]]:  # noqa: ARG002
        """See `HttpServer.content`."""
        match path:
            case "/metrics":
                openmetrics = "application/openmetrics-text" in headers.get("accept", "")
                texts = await asyncio.gather(*(self._scrape(worker, headers) for worker in self._workers))
                named = [(worker.domain.name, text) for worker, text in zip(self._workers, texts, strict=True)]
                body = merged(named) + self._own(openmetrics=openmetrics) + ("# EOF\n" if openmetrics else "")
                return HTTPStatus.OK, OPENMETRICS if openmetrics else TEXT, [body.encode()]
            case "/healthz":
                return HTTPStatus.OK, PLAIN, [b"alive\n"]
            case "/readyz":
                states = {worker.domain.name: worker.state for worker in self._workers}
                serves = all(state == "serving" for state in states.values())
                said = {"state": "serving" if serves else "starting", "domains": states}
                status = HTTPStatus.OK if serves else HTTPStatus.SERVICE_UNAVAILABLE
                return status, JSON, [msgspec.json.encode(said) + b"\n"]
            case _:
                raise RequestError(HTTPStatus.NOT_FOUND, "there are /metrics, /healthz and /readyz")

    async def _scrape(self, worker: Worker, headers: dict[str, str]) -> str:
        """The text of one process, empty for one that does not answer. Raises `RequestError` if it asks for a token."""
        if not worker.metrics_port:
            return ""
        passed: dict[str, str] = {name: headers[name] for name in ("accept", "authorization") if name in headers}
        try:
            status, text = await asyncio.to_thread(_get, worker.metrics_port, passed)
        except (OSError, http.client.HTTPException):
            return ""
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise RequestError(HTTPStatus(status), text.strip())
        return text if status == HTTPStatus.OK else ""

    def _own(self, *, openmetrics: bool) -> str:
        lines = []
        for name, kind, meaning in _OWN:
            family = name.removesuffix("_total") if openmetrics else name
            lines.append(f"# HELP {family} {meaning}\n# TYPE {family} {kind}\n")
            for worker in self._workers:
                values = {
                    "acd_worker_up": int(worker.state == "serving"),
                    "acd_worker_restarts_total": worker.restarts,
                    "acd_front_connections_total": self._front.taken[worker.domain.name] if self._front else 0,
                }
                lines.append(f'{name}{{domain="{worker.domain.name}"}} {values[name]}\n')
        refused = "acd_front_refused" if openmetrics else "acd_front_refused_total"
        lines.append(f"# HELP {refused} Connections that were refused before a domain was found for them.\n")
        lines.append(f"# TYPE {refused} counter\n")
        lines.append(f"acd_front_refused_total {self._front.refused if self._front else 0}\n")
        return "".join(lines)


def _get(port: int, headers: dict[str, str]) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SCRAPE_S)
    try:
        connection.request("GET", "/metrics", headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def merged(texts: Sequence[tuple[str, str]]) -> str:
    """Expositions of several processes as one: their samples get the label `domain`, and each family stands once."""
    heads: dict[str, list[str]] = {}
    samples: dict[str, list[str]] = {}
    for domain, text in texts:
        family = ""
        for line in text.splitlines():
            head = _HEAD.match(line)
            if head is not None:
                family = head[1]
                said = heads.setdefault(family, [])
                if line not in said:
                    said.append(line)
                samples.setdefault(family, [])
            elif line and not line.startswith("#"):
                samples.setdefault(family, []).append(_labelled(line, domain))
    return "".join(f"{line}\n" for family, lines in samples.items() for line in (*heads.get(family, ()), *lines))


def _labelled(sample: str, domain: str) -> str:
    name, brace, rest = sample.partition("{")
    if " " in name or not brace:
        name, _, rest = sample.partition(" ")
        return f'{name}{{domain="{domain}"}} {rest}'
    return f'{name}{{domain="{domain}"{"" if rest.startswith("}") else ","}{rest}'
