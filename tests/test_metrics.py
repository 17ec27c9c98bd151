"""Metrics: what is shown is what the machine holds, in a form that Prometheus reads, through a door that takes any blow."""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from acd_core import Config, Engine, Machine, Outcome
from acd_core.commands import ContactEnqueue
from acd_core.config import Agent, Queue, Tenant
from acd_core.event_lines import EventLine
from acd_core.service_level import service_level
from acd_core.views import WAIT_BUCKETS_S
from server import http, metrics
from server import snapshot as snapshot_module
from server.collector import METRICS, AgentValue, Distribution, Value
from server.counters import Counters
from server.exposition import exposition, process_text
from server.metrics import MetricsServer
from server.metrics_page import page
from server.recovery import Progress
from server.ring import EventRing
from server.router import Router
from server.snapshot import Gatherer, Snapshot, Steps
from tests.support.wait import patient

S = 1_000_000_000
START = 1_800_000_000 * S
PAGE = Path(__file__).parent.parent / "docs" / "metrics.md"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class FakeClock:
    """Engine time that stands still until told."""

    speed = 1.0

    def __init__(self) -> None:
        self.time = START

    def now(self) -> int:
        return self.time


class FakeSequencer:
    """As much of a sequencer as is scraped, around a real machine."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.clock = FakeClock()
        self.counters = Counters()
        self.phase = "serving"
        self.journal_seq = 7
        self.journal_pending_bytes = 0
        self.router = Router(EventRing(100, 100_000), self.counters)

    def route(self) -> None:
        """Hand out the events of what was done so far."""
        self.router.route(cast("list[EventLine]", self.machine.take_lines()))


def snapshot_of(sequencer: FakeSequencer, *, agents: bool = False, exemplars: bool = False) -> Snapshot:
    return finish(Gatherer(sequencer, agents=agents, exemplars=exemplars).gather())


def finish(steps: Steps) -> Snapshot:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            snapshot: Snapshot = end.value
            return snapshot


def text_of(snapshot: Snapshot, openmetrics: bool = False) -> str:
    return "".join(exposition(snapshot, openmetrics=openmetrics)) + process_text(openmetrics=openmetrics)


def centre(queues: int = 2) -> Machine:
    machine: Machine = Engine()
    config = Config(
        tenants=(Tenant(name="acme"),),
        queues=tuple(Queue(tenant="acme", name=f"q-{number}", wrapup_s=10) for number in range(queues)),
        agents=(Agent(agent="a-1"), Agent(agent="a-2")),
    )
    assert machine.apply_config(START, config) == Outcome.OK
    return machine


def enqueue(machine: Machine, contact: str, at: float, queue: str = "q-0") -> None:
    assert machine.enqueue_contact(START + int(at * S), "pbx", contact, "acme", queue, 0, "", {}) == Outcome.OK


@pytest.fixture
def sequencer() -> FakeSequencer:
    """A short day: one answered after 3 s and talking, one given up after 30 s, two that wait."""
    machine = centre()
    enqueue(machine, "c-1", 0)
    machine.login_agent(START + 3 * S, "pbx", "a-1", None, True)
    view = machine.agent("a-1")
    assert view is not None
    machine.accept_offer(START + 3 * S, view.offer)
    enqueue(machine, "c-2", 4)
    machine.abandon_contact(START + 34 * S, "c-2")
    enqueue(machine, "c-3", 40)
    enqueue(machine, "c-4", 45, queue="q-1")
    made = FakeSequencer(machine)
    made.clock.time = START + 100 * S
    return made


Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def families(text: str) -> list[Metric]:
    return list(text_string_to_metric_families(text))


def samples(text: str) -> Samples:
    found = {}
    for family in families(text):
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found, f"{key} is there twice"
            found[key] = sample.value
    return found


def scrape(sequencer: FakeSequencer) -> Samples:
    return samples(text_of(snapshot_of(sequencer)))


def of_queue(found: Samples, name: str, queue: str = "q-0", tenant: str = "acme", **labels: str) -> float:
    return found[name, tuple(sorted({"tenant": tenant, "queue": queue, **labels}.items()))]


def test_queues_are_shown_as_they_are(sequencer: FakeSequencer) -> None:
    found = scrape(sequencer)
    assert of_queue(found, "acd_queue_waiting") == 1
    assert of_queue(found, "acd_queue_connected") == 1
    assert of_queue(found, "acd_queue_oldest_wait_seconds") == 60
    assert of_queue(found, "acd_queue_oldest_wait_seconds", "q-1") == 55
    assert of_queue(found, "acd_queue_entered_total") == 3
    assert of_queue(found, "acd_queue_answered_total") == 1
    assert of_queue(found, "acd_queue_abandoned_total") == 1
    assert of_queue(found, "acd_queue_ended_total", reason="abandoned") == 1
    assert of_queue(found, "acd_queue_ended_total", reason="max_wait") == 0
    assert of_queue(found, "acd_queue_offers_total") == 1
    assert of_queue(found, "acd_queue_offers_ended_total", outcome="accepted") == 1
    assert of_queue(found, "acd_queue_service_level_met_total") == 1
    assert of_queue(found, "acd_queue_service_level_counted_total") == 2


def test_the_histogram_of_waits_is_cumulative_with_sum_and_count(sequencer: FakeSequencer) -> None:
    found = scrape(sequencer)
    buckets = [of_queue(found, "acd_queue_wait_seconds_bucket", le=str(float(bound))) for bound in WAIT_BUCKETS_S]
    assert buckets == [0.0 if bound < 3 else 1.0 for bound in WAIT_BUCKETS_S]
    assert of_queue(found, "acd_queue_wait_seconds_bucket", le="+Inf") == 1
    assert of_queue(found, "acd_queue_wait_seconds_count") == 1
    assert of_queue(found, "acd_queue_wait_seconds_sum") == 3


def test_domain_and_server_are_shown(sequencer: FakeSequencer) -> None:
    counters = sequencer.counters
    counters.commands[ContactEnqueue] = 4
    counters.outcomes[Outcome.QUEUE_UNKNOWN] = 2
    counters.connections = 3
    for nanoseconds in (100, 1_000, 1_023, 1_024, 60 * S):
        counters.apply_ns[ContactEnqueue].observe(nanoseconds)
    for size in (0, 1, 5):
        counters.batch_commands.observe(size)
    found = scrape(sequencer)
    enqueue = ("type", "contact.enqueue")
    assert found["acd_agents", (("reason", ""), ("state", "busy"))] == 1
    assert found["acd_agents", (("reason", ""), ("state", "logged_out"))] == 1
    assert found["acd_agent_seconds_total", (("state", "logged_out"),)] == 48
    assert found["acd_agent_seconds_total", (("state", "busy"),)] == 42
    assert found["acd_contacts", (("state", "queued"),)] == 2
    assert found["acd_contacts", (("state", "connected"),)] == 1
    assert found["acd_ready", ()] == 1
    assert found["acd_queues", ()] == 2
    assert found["acd_queues_summed", ()] == 0
    assert found["acd_commands_total", (("type", "contact.enqueue"),)] == 4
    assert found["acd_command_outcomes_total", (("outcome", "queue_unknown"),)] == 2
    assert found["acd_connections", ()] == 3
    assert found["acd_journal_record", ()] == 7
    assert found["acd_events_total", ()] == sequencer.machine.seq
    assert found["acd_apply_seconds_bucket", (("le", "2.55e-07"), enqueue)] == 1
    assert found["acd_apply_seconds_bucket", (("le", "1.023e-06"), enqueue)] == 3
    assert found["acd_apply_seconds_bucket", (("le", "2.047e-06"), enqueue)] == 4
    assert (
        found["acd_apply_seconds_bucket", (("le", "+Inf"), enqueue)]
        == found["acd_apply_seconds_count", (enqueue,)]
        == 5
    )
    assert found["acd_apply_seconds_sum", (enqueue,)] == pytest.approx(60.000003147)
    assert [found["acd_journal_batch_commands_bucket", (("le", bound),)] for bound in ("0.0", "1.0", "3.0", "7.0")] == [
        1,
        2,
        2,
        3,
    ]
    build = [labels for name, labels in found if name == "acd_build_info"]
    assert [sorted(dict(labels)) for labels in build] == [["implementation", "python", "version"]]
    assert found["process_start_time_seconds", ()] > 0


def test_a_snapshot_does_not_change_with_its_source(sequencer: FakeSequencer) -> None:
    snapshot = snapshot_of(sequencer)
    before = samples(text_of(snapshot))
    sequencer.counters.apply_ns[ContactEnqueue].observe(5)
    sequencer.counters.outcomes[0] += 1
    sequencer.counters.commands[ContactEnqueue] += 1
    sequencer.counters.connections += 1
    enqueue(sequencer.machine, "c-9", 101)
    after = samples(text_of(snapshot))
    assert {key: value for key, value in after.items() if key[0].startswith("acd")} == {
        key: value for key, value in before.items() if key[0].startswith("acd")
    }


def test_queues_beyond_the_cap_are_summed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot_module, "QUEUES_MAX", 2)
    machine = centre(queues=5)
    for number, queue in enumerate(["q-0", "q-3", "q-2", "q-3"]):
        enqueue(machine, f"c-{number}", at=number, queue=queue)
    machine.abandon_contact(START + 30 * S, "c-1")
    sequencer = FakeSequencer(machine)
    sequencer.clock.time = START + 32 * S
    found = scrape(sequencer)
    assert found["acd_queues", ()] == 5
    assert found["acd_queues_summed", ()] == 3
    shown = {dict(labels)["queue"] for name, labels in found if name == "acd_queue_waiting"}
    assert shown == {"q-0", "q-1", "other"}
    assert of_queue(found, "acd_queue_waiting", "other", tenant="") == 2
    assert of_queue(found, "acd_queue_entered_total", "other", tenant="") == 3
    assert of_queue(found, "acd_queue_ended_total", "other", tenant="", reason="abandoned") == 1
    assert of_queue(found, "acd_queue_oldest_wait_seconds", "other", tenant="") == 30
    assert found["acd_contacts", (("state", "queued"),)] == 3


def test_forecasts_are_shown_with_how_far_they_were_off(
    sequencer: FakeSequencer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """c-3 came when the last one had waited for 3 s, so it was told 3 s on average; it waited for 50."""
    machine = sequencer.machine
    machine.login_agent(START + 90 * S, "pbx", "a-2", None, True)
    view = machine.agent("a-2")
    assert view is not None
    machine.accept_offer(START + 90 * S, view.offer)
    found = scrape(sequencer)
    assert of_queue(found, "acd_queue_forecasts_total") == 1
    assert of_queue(found, "acd_queue_forecast_bias_seconds") == -47
    assert of_queue(found, "acd_queue_forecast_off_seconds_total") == pytest.approx(50 - 3 * math.log(2), abs=0.001)
    assert of_queue(found, "acd_queue_forecasts_within_total", share="p90") == 0
    told = [of_queue(found, "acd_queue_wait_estimate_seconds", share=share) for share in ("p50", "p90")]
    assert told == [pytest.approx(50 * math.log(2), abs=0.01), pytest.approx(50 * math.log(10), abs=0.01)]
    assert not [name for name, labels in found if "estimate" in name and ("queue", "q-1") in labels]
    monkeypatch.setattr(snapshot_module, "QUEUES_MAX", 0)
    found = scrape(sequencer)
    assert of_queue(found, "acd_queue_forecasts_total", "other", tenant="") == 1
    assert not [name for name, _ in found if "estimate" in name], "several queues have no forecast together"


def test_an_empty_server_can_be_scraped() -> None:
    found = scrape(FakeSequencer(Engine()))
    assert found["acd_queues", ()] == 0
    assert not [name for name, _ in found if name.startswith("acd_queue_")]


def test_openmetrics_is_well_formed(sequencer: FakeSequencer) -> None:
    text = text_of(snapshot_of(sequencer, agents=True), openmetrics=True)
    found = list(openmetrics.text_string_to_metric_families(text))  # type: ignore[no-untyped-call]
    by_name = {family.name: family for family in found}
    assert by_name["acd_queue_oldest_wait_seconds"].unit == "seconds"
    assert by_name["acd_queue_answered"].type == "counter"
    assert len(by_name) == len(found)


def test_every_declared_metric_is_exported_and_named_by_convention(sequencer: FakeSequencer) -> None:
    kinds = {family.name: family.type for family in families(text_of(snapshot_of(sequencer, agents=True)))}
    for metric in METRICS:
        assert kinds[metric.name.removesuffix("_total")] == metric.kind, metric.name
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric.name
        assert metric.help.endswith("."), metric.name
    assert len({metric.name for metric in METRICS}) == len(METRICS)


def test_labels_are_those_declared(sequencer: FakeSequencer) -> None:
    declared = {metric.name: set(metric.labels) for metric in METRICS}
    for name, labels in samples(text_of(snapshot_of(sequencer, agents=True))):
        base = name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count")
        if name in declared or base in declared:
            assert {label for label, _ in labels} - {"le"} == declared.get(name, declared.get(base)), name


def test_every_counter_of_the_server_is_exported(sequencer: FakeSequencer) -> None:
    read = set()

    class Watched(Counters):
        def __getattribute__(self, name: str) -> object:
            read.add(name)
            return super().__getattribute__(name)

    watched = msgspec.structs.replace(snapshot_of(sequencer), counters=Watched())
    for metric in METRICS:
        if isinstance(metric, Value):
            list(metric.read(watched))
        elif isinstance(metric, Distribution):
            metric.read(watched.counters)
    counted = {name for name in dir(Counters) if not name.startswith("_")} - {"copy"}
    assert counted - read - {"events"} == set()  # the engine's own count of events goes over restarts


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == page(), "run `make docs`"


@pytest.mark.parametrize(
    ("ended", "answered", "in_target", "short", "level"),
    [
        ({}, 0, 0, 0, (0, 0)),
        ({"abandoned": 3}, 10, 8, 1, (8, 12)),
        ({"max_wait": 1, "no_agents": 1, "queue_full": 5, "withdrawn": 5, "diverted": 5}, 10, 8, 0, (8, 12)),
        ({"completed_agent": 10}, 10, 10, 0, (10, 10)),
    ],
)
def test_the_service_level_counts_who_waited(
    ended: dict[str, int], answered: int, in_target: int, short: int, level: tuple[int, int]
) -> None:
    view = msgspec.structs.replace(
        centre().queues()[0], ended=ended, answered=answered, answered_in_target=in_target, abandoned_in_target=short
    )
    assert service_level([view]) == level
    assert service_level([view, view]) == (2 * level[0], 2 * level[1])


def test_agents_are_shown_one_by_one_only_when_asked_for(sequencer: FakeSequencer) -> None:
    names = {metric.name for metric in METRICS if isinstance(metric, AgentValue)}
    assert not names & {name for name, _ in scrape(sequencer)}
    found = samples(text_of(snapshot_of(sequencer, agents=True)))
    assert found["acd_agent_state", (("agent", "a-1"),)] == 4
    assert found["acd_agent_state", (("agent", "a-2"),)] == 0
    assert found["acd_agent_answered_total", (("agent", "a-1"),)] == 1


def test_exemplars_name_the_latest_contact_of_each_bucket(sequencer: FakeSequencer) -> None:
    sequencer.route()
    text = text_of(snapshot_of(sequencer, exemplars=True), openmetrics=True)
    assert '_bucket{tenant="acme",queue="q-0",le="5.0"} 1 # {contact="c-1"} 3' in text
    assert text.count("contact=") == 1
    families = openmetrics.text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
    waits = next(family for family in families if family.name == "acd_queue_wait_seconds")
    assert [sample.exemplar.labels for sample in waits.samples if sample.exemplar] == [{"contact": "c-1"}]


def test_contacts_are_named_only_when_asked_for(sequencer: FakeSequencer) -> None:
    sequencer.route()
    assert "contact=" not in text_of(snapshot_of(sequencer), openmetrics=True)
    assert "contact=" not in text_of(snapshot_of(sequencer, exemplars=True))


def test_pauses_are_shown_by_reason_and_rare_reasons_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.collector.REASONS_MAX", 2)
    machine: Machine = Engine()
    machine.apply_config(START, Config(agents=tuple(Agent(agent=f"a-{number}") for number in range(7))))
    reasons = ["lunch", "lunch", "break", "break", "training", 'odd "one"\n']
    for number, reason in enumerate(reasons):
        machine.login_agent(START, "pbx", f"a-{number}", None, True)
        machine.pause_agent(START, f"a-{number}", reason)
    found = scrape(FakeSequencer(machine))
    assert found["acd_agents", (("reason", "lunch"), ("state", "paused"))] == 2
    assert found["acd_agents", (("reason", "break"), ("state", "paused"))] == 2
    assert found["acd_agents", (("reason", "other"), ("state", "paused"))] == 2
    assert found["acd_agents", (("reason", ""), ("state", "logged_out"))] == 1


def test_clients_that_own_something_are_shown_with_their_connection(
    sequencer: FakeSequencer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot_module, "CLIENTS_MAX", 1)
    sequencer.machine.enqueue_contact(START + 90 * S, "chat", "c-8", "acme", "q-1", 0, "", {})
    receiver = SimpleNamespace(name="pbx", subscription=None, unsent=70, deliver=lambda seq, entry: None)
    found = scrape(sequencer)
    assert found["acd_client_connected", (("client", "pbx"),)] == 0
    assert found["acd_client_agents", (("client", "pbx"),)] == 1
    assert found["acd_client_contacts", (("client", "pbx"),)] == 3
    assert found["acd_clients_left_out", ()] == 1
    sequencer.router.receivers["pbx"] = receiver
    found = scrape(sequencer)
    assert found["acd_client_connected", (("client", "pbx"),)] == 1
    assert found["acd_client_unsent_bytes", (("client", "pbx"),)] == 70


def test_names_with_odd_characters_come_through() -> None:
    machine: Machine = Engine()
    odd = 'say "hi" \\ {x="y"}'
    config = Config(tenants=(Tenant(name="acme"),), queues=(Queue(tenant="acme", name=odd),))
    assert machine.apply_config(START, config) == Outcome.OK
    assert of_queue(scrape(FakeSequencer(machine)), "acd_queue_waiting", odd) == 0


def test_a_configuration_that_changes_during_a_scrape_does_no_harm(sequencer: FakeSequencer) -> None:
    gatherer = Gatherer(sequencer, agents=True)
    steps = gatherer.gather()
    next(steps)
    for contact in ("c-1", "c-3", "c-4"):
        sequencer.machine.abandon_contact(START + 110 * S, contact)
    sequencer.machine.advance(START + 200 * S)
    sequencer.machine.logout_agent(START + 200 * S, "a-1")
    config = Config(tenants=(Tenant(name="acme"),), queues=(Queue(tenant="acme", name="new"),))
    assert sequencer.machine.apply_config(START + 200 * S, config) == Outcome.OK
    samples(text_of(finish(steps)))
    assert [row.view.queue for row in finish(gatherer.gather()).queues] == ["new"]


@pytest.fixture
async def server(sequencer: FakeSequencer) -> AsyncIterator[MetricsServer]:
    made = MetricsServer(sequencer, "127.0.0.1", 0)
    await made.start()
    yield made
    await made.stop()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(patient(10)):
        while not condition():  # noqa: ASYNC110 - the server announces its connections to nobody
            await asyncio.sleep(0.01)


class Answer(SimpleNamespace):
    """An HTTP answer: status, headers, body."""

    status: int
    headers: dict[str, str]
    body: bytes


async def ask(server: MetricsServer, request: bytes, end: bool = False) -> Answer:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        writer.write(request)
        if end:
            writer.write_eof()
        async with asyncio.timeout(patient(10)):
            raw = await reader.read()
    finally:
        writer.close()
    head, _, body = raw.partition(b"\r\n\r\n")
    status, *headers = head.decode().split("\r\n")
    return Answer(
        status=int(status.split(" ")[1]),
        headers={name.lower(): value for name, _, value in (header.partition(": ") for header in headers)},
        body=body,
    )


async def get(server: MetricsServer, path: str, **headers: str) -> Answer:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return await ask(server, f"GET {path} HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode())


async def test_metrics_are_served_as_text_and_as_openmetrics(server: MetricsServer) -> None:
    answer = await get(server, "/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert int(answer.headers["content-length"]) == len(answer.body)
    assert of_queue(samples(answer.body.decode()), "acd_queue_waiting") == 1
    answer = await get(server, "/metrics?name=x", Accept=OPENMETRICS)
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert answer.body.endswith(b"# EOF\n")


async def test_ready_only_while_serving_and_healthy_always(server: MetricsServer, sequencer: FakeSequencer) -> None:
    for state in ("starting", "serving", "read_only", "draining", "failed"):
        sequencer.phase = state
        healthy, ready = await get(server, "/healthz"), await get(server, "/readyz")
        assert (healthy.status, healthy.body) == (200, b"alive\n")
        assert ready.status == (200 if state == "serving" else 503)
        assert ready.headers["content-type"] == "application/json"
        assert msgspec.json.decode(ready.body) == {"state": state}


async def test_before_there_is_anything_to_show_it_is_told_how_far_the_recovery_is(sequencer: FakeSequencer) -> None:
    progress = Progress()
    progress.of, progress.records, progress.commands = 10, 4, 123
    made = MetricsServer(progress, "127.0.0.1", 0)
    await made.start()
    try:
        assert (await get(made, "/healthz")).status == 200
        ready = await get(made, "/readyz")
        assert (ready.status, msgspec.json.decode(ready.body)) == (
            503,
            {"state": "recovering", "records": 4, "of": 10, "commands": 123},
        )
        found = samples((await get(made, "/metrics")).body.decode())
        assert {name for name, _ in found if name.startswith("acd_")} == {"acd_ready", "acd_build_info"}
        assert found["acd_ready", ()] == 0
        answer = await get(made, "/metrics", Accept=OPENMETRICS)
        assert list(openmetrics.text_string_to_metric_families(answer.body.decode()))  # type: ignore[no-untyped-call]
        made.show(sequencer)
        assert (await get(made, "/readyz")).status == 200
        assert of_queue(samples((await get(made, "/metrics")).body.decode()), "acd_queue_waiting") == 1
    finally:
        await made.stop()


async def test_head_has_no_body(server: MetricsServer) -> None:
    answer = await ask(server, b"HEAD /healthz HTTP/1.1\r\n\r\n")
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", "6")


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /nothing HTTP/1.1\r\n\r\n", 404),
        (b"POST /metrics HTTP/1.1\r\n\r\n", 405),
        (b"GET /metrics HTTP/2\r\n\r\n", 400),
        (b"GET metrics HTTP/1.1\r\n\r\n", 400),
        (b"GET /metrics\r\n\r\n", 400),
        (b"\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nAccept: a\nb\r\n\r\n", 400),
        (b"GET /metr\x00ics HTTP/1.1\r\n\r\n", 400),
        (b"\xff\xfe\x00\r\n\r\n", 400),
        (b"x" * 20_000, 400),
        (b"GET /metrics HTTP/1.1\r\nCookie: " + b"x" * 20_000 + b"\r\n\r\n", 400),
    ],
)
async def test_bad_requests_are_refused(server: MetricsServer, request_bytes: bytes, status: int) -> None:
    answer = await ask(server, request_bytes)
    assert answer.status == status
    assert answer.body.endswith(b"\n")
    assert (await get(server, "/healthz")).status == 200


async def test_a_request_that_ends_early_is_refused(server: MetricsServer) -> None:
    assert (await ask(server, b"GET /metrics HT", end=True)).status == 400
    assert (await ask(server, b"", end=True)).status == 400


async def test_silence_is_ended(server: MetricsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "REQUEST_S", 0.05)
    assert (await ask(server, b"GET /met")).status == 408


async def test_one_connection_too_many_is_told_to_come_again(
    server: MetricsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "CONNECTIONS_MAX", 2)
    silent = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(2)]
    assert (await get(server, "/healthz")).status == 503
    more = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(2)]
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    with contextlib.suppress(ConnectionResetError):
        assert await reader.read() == b""
    for _, open_writer in [*silent, *more]:
        open_writer.close()
    writer.close()
    await until(lambda: not server._connections)
    assert (await get(server, "/healthz")).status == 200


async def test_who_does_not_take_the_answer_is_cut(
    server: MetricsServer, sequencer: FakeSequencer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "RESPONSE_S", 0.05)
    monkeypatch.setattr(metrics, "process_text", lambda *, openmetrics: "x" * 50_000_000)
    _, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
    writer.write(b"GET /metrics HTTP/1.1\r\n\r\n")
    await until(lambda: bool(server._connections))
    await until(lambda: not server._connections)
    writer.close()
    assert (await get(server, "/healthz")).status == 200


async def test_a_fault_in_a_metric_is_an_answer_and_a_log_entry(
    server: MetricsServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(snapshot: Snapshot, accept: str) -> tuple[str, bytes]:
        raise ZeroDivisionError

    monkeypatch.setattr(metrics, "process_text", broken)
    assert (await get(server, "/metrics")).status == 500
    assert "a request for metrics failed" in caplog.text
    assert (await get(server, "/healthz")).status == 200


async def test_stopping_cuts_open_connections(sequencer: FakeSequencer) -> None:
    server = MetricsServer(sequencer, "127.0.0.1", 0)
    await server.stop()
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    await until(lambda: bool(server._connections))
    async with asyncio.timeout(patient(10)):
        await server.stop()
        assert await reader.read() == b""
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", server.port)


async def test_a_taken_port_is_an_error(server: MetricsServer, sequencer: FakeSequencer) -> None:
    with pytest.raises(OSError, match="in use"):
        await MetricsServer(sequencer, "127.0.0.1", server.port).start()


@pytest.fixture(scope="module")
def shared_loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@settings(max_examples=60, deadline=None)
@given(
    request_bytes=st.binary(max_size=200)
    | st.tuples(
        st.sampled_from(["GET", "HEAD", "get", "", "É"]),
        st.sampled_from(["/metrics", "/healthz", "/", "//", "*", "http://x/metrics", "/metrics?\x7f"]),
        st.sampled_from(["HTTP/1.1", "HTTP/1.0", "HTTP/9", ""]),
        st.text(max_size=60),
    ).map(lambda parts: f"{parts[0]} {parts[1]} {parts[2]}\r\nAccept: {parts[3]}\r\n\r\n".encode())
)
def test_any_bytes_get_an_http_answer(shared_loop: asyncio.Runner, request_bytes: bytes) -> None:
    async def once() -> int:
        server = MetricsServer(FakeSequencer(Engine()), "127.0.0.1", 0)
        await server.start()
        try:
            return (await ask(server, request_bytes, end=True)).status
        finally:
            await server.stop()

    assert shared_loop.run(once()) in {200, 400, 404, 405}
