"""A real Prometheus in a process of its own, and what is asked of it."""

import asyncio
import json
import re
import shutil
import socket
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from tests.support.wait import until

ROOT = Path(__file__).resolve().parents[2]
RULES = sorted((ROOT / "deploy" / "prometheus" / "rules").glob("*.yml"))

_DURATION = re.compile(r"(?<=\[)\d+[smh](?=\])|(?<=for: )\d+[smh]\b")
_SECONDS = {"s": 1, "m": 60, "h": 3600}


class Prometheus:
    """Scrapes one server in short intervals and evaluates our rules.

    Args:
        directory: for its data and its configuration.
        metrics_port: of the server.
        faster: divides all durations of the rules, as a faster clock of the server asks.
        interval_ms: between scrapes, and between evaluations.
    """

    def __init__(self, directory: Path, metrics_port: int, *, faster: int = 1, interval_ms: int = 250) -> None:
        self.port = 0
        self._directory = directory
        self._metrics_port = metrics_port
        self._faster = faster
        self._interval_ms = interval_ms
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        """Start it, and wait until it answers."""
        program = shutil.which("prometheus")
        assert program is not None, "there is no prometheus: `make test-monitoring` installs it"
        self.port = _free_port()
        config = self._write_config()
        with (self._directory / "prometheus.log").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                program,
                f"--config.file={config}",
                f"--storage.tsdb.path={self._directory / 'tsdb'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
                "--enable-feature=exemplar-storage",
                stdout=log,
                stderr=log,
            )
        await until(self._answers, 30)
        return self

    async def __aexit__(self, *_: object) -> None:
        """End it."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.terminate()
        await self._process.wait()

    def _write_config(self) -> Path:
        self._directory.mkdir(parents=True, exist_ok=True)
        rules = []
        for source in RULES:
            target = self._directory / source.name
            target.write_text(shortened(source.read_text(), self._faster))
            rules.append(target.name)
        interval = f"{self._interval_ms}ms"
        config = self._directory / "prometheus.yml"
        config.write_text(
            f"global: {{scrape_interval: {interval}, scrape_timeout: {interval}, evaluation_interval: {interval}}}\n"
            f"rule_files: {json.dumps(rules)}\n"
            "scrape_configs:\n"
            "  - job_name: acd\n"
            f'    static_configs: [{{targets: ["127.0.0.1:{self._metrics_port}"]}}]\n'
        )
        return config

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.returncode is None, (self._directory / "prometheus.log").read_text()[-2000:]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    async def get(self, path: str, **parameters: str) -> Any:
        """The `data` of an answer of its HTTP interface. Fails with the reason that it gives."""
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        return await asyncio.to_thread(_fetch, url)

    async def query(self, expr: str) -> list[Any]:
        """The samples of an expression now."""
        found: list[Any] = (await self.get("query", query=expr))["result"]
        return found

    async def query_range(self, expr: str, start: float, end: float, step: float) -> list[Any]:
        """The series of an expression over time."""
        answer = await self.get("query_range", query=expr, start=f"{start}", end=f"{end}", step=f"{step}")
        found: list[Any] = answer["result"]
        return found

    async def alerts(self) -> dict[str, str]:
        """The alerts that are pending or firing, by name; firing wins over pending."""
        found: dict[str, str] = {}
        for alert in (await self.get("alerts"))["alerts"]:
            assert "error expanding" not in str(alert["annotations"]), alert
            name = alert["labels"]["alertname"]
            if found.get(name) != "firing":
                found[name] = alert["state"]
        return found


def shortened(rules: str, faster: int) -> str:
    """Rules with all their durations divided."""

    def divided(found: re.Match[str]) -> str:
        milliseconds = int(found[0][:-1]) * _SECONDS[found[0][-1]] * 1000 // faster
        return f"{max(1, milliseconds)}ms"

    return _DURATION.sub(divided, rules)


def expressions(rules: str) -> Iterator[tuple[str, str]]:
    """Name and expression of each rule of a file, which is written as ours are."""
    for part in re.split(r"\n +- (?=record:|alert:)", rules)[1:]:
        name = part.split(":", 1)[1].split("\n", 1)[0].strip()
        found = re.search(r"expr: (?:\|\n((?: {10}.*\n?)+)|(.*))", part)
        assert found is not None, name
        yield name, " ".join((found[1] or found[2]).split())


def selectors(expr: str) -> set[str]:
    """The series that an expression selects, without their ranges."""
    named = re.finditer(r"\b((?:acd|process|scrape)_\w+|acd:[\w:]+|up|ALERTS)(\{[^}]*\})?", expr)
    return {found[1] + (found[2] or "") for found in named if found[1] != "acd_client"}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _fetch(url: str) -> Any:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["data"]
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{url}: {error.read().decode()}") from error
