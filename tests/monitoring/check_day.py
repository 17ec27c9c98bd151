"""A simulated day on a real server under a real Prometheus: every panel and every rule has data.

`ACD_PANELS_FILE` names a file that gets what every panel showed, for `tools/panel_pictures.py`.
"""

import asyncio
import json
import os
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
import pytest_asyncio

from acd_core import commands
from acd_core.events import Event
from acd_protocol.client import Client, ClientError
from acd_sim import centre
from acd_sim.centre import Centre, Pace
from tests.monitoring.prometheus import ROOT, RULES, Prometheus, expressions, selectors
from tests.support.server_process import ServerProcess
from tools.dashboards import DASHBOARDS
from tools.grafana import rendered

SPEED = 900
"""So fast does the day go by: seventeen hours in 68 seconds."""
INTERVAL_MS = 250
VARIABLES = {"$instance": ".*", "$tenant": ".*", "$queue": ".*", "$__rate_interval": "5s"}


class Day:
    """What is left of the day when it is over.

    Attributes:
        start, end: real time, in seconds since 1970.
    """

    def __init__(self, prometheus: Prometheus, server: ServerProcess, start: float, end: float) -> None:
        self.prometheus = prometheus
        self.server = server
        self.start = start
        self.end = end

    async def series(self, expr: str) -> list[Any]:
        """The series of an expression over the day, without values that are no number."""
        found = await self.prometheus.query_range(expr, self.start, self.end, 0.5)
        for one in found:
            one["values"] = [(at, value) for at, value in one["values"] if value != "NaN"]
        return [one for one in found if one["values"]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def day(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Day]:
    """Live a day, and keep server and Prometheus for those who look at it."""
    directory = tmp_path_factory.mktemp("day")
    options = ("--clock-speed", str(SPEED), "--metrics-agents", "--metrics-exemplars")
    async with (
        ServerProcess(directory / "data", *options) as server,
        Prometheus(directory / "prometheus", server.metrics_port, interval_ms=INTERVAL_MS) as prometheus,
    ):
        start = time.time()
        async with (
            Client(port=server.port, name="pbx-1", events_max=0) as people,
            Client(port=server.port, name="wallboard", events_max=0) as wallboard,
        ):
            await people.apply_config(centre.configuration())
            await wallboard.subscribe()
            await live(people, server)
        yield Day(prometheus, server, start, time.time())


async def live(people: Client, server: ServerProcess) -> None:
    """Let callers call and agents work from opening to closing, and an adapter of two agents go away at noon."""
    pace = Pace(SPEED, 7)

    def send(command: commands.Command) -> None:
        people.send(command).add_done_callback(lambda answer: answer.exception())

    crowd = Centre(send, pace, Random(1))
    people.on(Event, crowd.handle)
    crowd.start()
    await asyncio.sleep(5 * 3600 / SPEED)
    await lose_an_adapter(server)
    await asyncio.sleep(12 * 3600 / SPEED)
    crowd.stop()


async def lose_an_adapter(server: ServerProcess) -> None:
    """A second adapter logs two agents in who are on no shift now, and stays away."""
    async with Client(port=server.port, name="pbx-2", events_max=0) as client:
        for agent in await client.listing("agents"):
            if agent["state"] == "logged_out":
                await client.login(agent["agent"], ready=True)
                break
        try:
            await client.enqueue("c-odd", "nobody", "nothing")
        except ClientError:
            pass  # a refusal, for the panel of refusals
        await client.away()


def exprs() -> list[tuple[str, str, str]]:
    """Every query of every panel: its place, the name of its series, and itself."""
    found = []
    for dashboard in DASHBOARDS:
        for panel in json.loads(rendered(dashboard))["panels"]:
            for target in panel.get("targets", ()):
                expr = target["expr"]
                for variable, value in VARIABLES.items():
                    expr = expr.replace(variable, value)
                found.append((f"{dashboard.uid}: {panel['title']}", target["legendFormat"], expr))
    return found


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_every_panel_has_data(day: Day) -> None:
    lacking = []
    shown: dict[str, list[Any]] = {}
    for place, legend, expr in exprs():
        series = await day.series(expr)
        shown.setdefault(place, []).append({"legend": legend, "series": series})
        if not series:
            lacking.append(f"{place}: {expr}")
    path = os.environ.get("ACD_PANELS_FILE")
    if path:
        await asyncio.to_thread(Path(path).write_text, json.dumps(shown))
    assert not lacking, "\n".join(lacking)


async def test_every_recording_rule_has_data(day: Day) -> None:
    names = [name for path in RULES for name, _ in expressions(path.read_text()) if name.startswith("acd:")]
    assert names
    for name in names:
        assert await day.series(name), name


async def test_every_series_that_a_rule_reads_is_there(day: Day) -> None:
    for path in RULES:
        for name, expr in expressions(path.read_text()):
            for selector in selectors(expr):
                assert await day.series(selector), f"{name}: {selector}"


async def test_every_rule_is_evaluated_without_error(day: Day) -> None:
    groups = (await day.prometheus.get("rules"))["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) == sum(len(list(expressions(path.read_text()))) for path in RULES)
    assert {(rule["name"], rule["health"], rule.get("lastError", "")) for rule in rules} == {
        (rule["name"], "ok", "") for rule in rules
    }


async def test_every_metric_that_is_exported_is_on_the_page(day: Day) -> None:
    text = await asyncio.to_thread(scrape, day.server.metrics_port)
    exported = set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE))
    page = (ROOT / "docs" / "metrics.md").read_text()
    assert exported - set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == {
        name for name in exported if name.startswith("process_")
    }


async def test_exemplars_lead_to_contacts(day: Day) -> None:
    selector = "acd_queue_wait_seconds_bucket"
    found = await day.prometheus.get("query_exemplars", query=selector, start=f"{day.start}", end=f"{day.end}")
    contacts = {exemplar["labels"]["contact"] for series in found for exemplar in series["exemplars"]}
    assert contacts
    assert all(contact.startswith("c-") for contact in contacts)


async def test_the_sums_agree_with_what_the_server_says(day: Day) -> None:
    """What Prometheus sums up at the end of the day is what `stats` says."""
    async with Client(port=day.server.port, name="auditor", events_max=0) as client:
        queues = (await client.stats())["queues"]
    answered = sum(queue["answered"] for queue in queues)
    assert answered > 2000

    await asyncio.sleep(4 * INTERVAL_MS / 1000)  # Prometheus scrapes when it likes
    sample = (await day.prometheus.query("sum(acd_queue_answered_total)"))[0]
    assert float(sample["value"][1]) == answered


def scrape(port: int) -> str:
    """The metrics of a server."""
    from urllib.request import urlopen

    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text: str = answer.read().decode()
        return text
