"""Traces of contacts: spans as the contact lived, found by its id, and taken by a collector over OTLP."""

import asyncio
import json
import os
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import urlopen

import msgspec
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from acd_core import Config, Engine, Machine
from acd_core.config import Agent, Queue, Tenant
from acd_core.events import ContactOffered
from acd_protocol.client import Client
from server import tracing
from server.tracing import ContactIds, ContactTraces, trace_id
from tests.support import centre
from tests.support.server_process import ROOT, ServerProcess
from tests.support.wait import patient, until

S = 1_000_000_000
START = 1_800_000_000 * S


class Recorder:
    """A machine whose events become spans that are kept."""

    def __init__(self) -> None:
        self.machine: Machine = Engine()
        self.machine.apply_config(
            START,
            Config(
                tenants=(Tenant(name="acme"),),
                queues=(
                    Queue(
                        tenant="acme",
                        name="support",
                        wrapup_s=10,
                        offer_timeout_s=15,
                        no_answer_cooldown_s=300,
                        max_wait_s=600,
                    ),
                ),
                agents=(Agent(agent="a-1"), Agent(agent="a-2")),
            ),
        )
        self.exporter = InMemorySpanExporter()
        ids = ContactIds()
        provider = TracerProvider(id_generator=ids, shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.traces = ContactTraces(provider, ids)

    def enqueue(self, contact: str, at: float) -> None:
        self.machine.enqueue_contact(at_ns(at), "pbx", contact, "acme", "support", 3, "", {"ani": "+34600123456"})

    def accept(self, agent: str, at: float) -> None:
        view = self.machine.agent(agent)
        assert view is not None
        self.machine.accept_offer(at_ns(at), view.offer)

    def spans(self) -> list[ReadableSpan]:
        """All spans that have ended, first the one that began first."""
        for addressed in self.machine.take_events():
            self.traces.apply(addressed.event)
        return sorted(
            self.exporter.get_finished_spans(), key=lambda span: (span.start_time or 0, -(span.end_time or 0))
        )


def at_ns(seconds: float) -> int:
    return START + int(seconds * S)


def outline(spans: list[ReadableSpan]) -> list[tuple[str, float, float]]:
    return [(span.name, ((span.start_time or 0) - START) / S, ((span.end_time or 0) - START) / S) for span in spans]


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def test_spans_tell_the_life_of_a_contact(recorder: Recorder) -> None:
    machine = recorder.machine
    machine.login_agent(START, "pbx", "a-1", None, True)
    recorder.enqueue("c-1", 10)
    machine.advance(at_ns(25))
    machine.login_agent(at_ns(30), "pbx", "a-2", None, True)
    recorder.accept("a-2", 33)
    machine.hold_contact(at_ns(40), "c-1", True)
    machine.complete_contact(at_ns(93), "c-1", "completed_caller")
    machine.advance(at_ns(103))
    spans = recorder.spans()
    assert outline(spans) == [
        ("contact", 10, 103),
        ("wait", 10, 33),
        ("offer", 10, 25),
        ("offer", 30, 33),
        ("conversation", 33, 93),
        ("wrapup", 93, 103),
    ]
    root, wait, missed, accepted, conversation, _ = spans
    assert root.parent is None
    assert root.attributes is not None
    assert dict(root.attributes) == {
        "acd.contact": "c-1",
        "acd.tenant": "acme",
        "acd.queue": "support",
        "acd.priority": 3,
        "acd.reason": "completed_caller",
        "acd.wait_s": 23,
        "acd.talk_s": 60,
    }
    assert wait.parent is not None
    assert root.context is not None
    assert wait.parent.span_id == root.context.span_id
    assert (missed.attributes or {})["acd.outcome"] == "timed_out"
    assert (accepted.attributes or {})["acd.outcome"] == "accepted"
    assert [event.name for event in conversation.events] == ["contact.held"]
    assert "+34600" not in "".join(span.to_json() for span in spans)


def test_who_is_handed_on_has_one_trace(recorder: Recorder) -> None:
    machine = recorder.machine
    machine.login_agent(START, "pbx", "a-1", None, True)
    recorder.enqueue("c-1", 10)
    recorder.accept("a-1", 12)
    machine.advance(at_ns(20))
    assert machine.transfer_contact(at_ns(20), "c-1", None, "a-1", None, True, None, None) == 0
    machine.abandon_contact(at_ns(25), "c-1")
    assert sorted(outline(recorder.spans())) == [
        ("contact", 10, 25),
        ("conversation", 12, 20),
        ("offer", 10, 12),
        ("wait", 10, 12),
        ("wait", 20, 25),
    ]


def test_a_trace_is_found_by_the_id_of_its_contact(recorder: Recorder) -> None:
    recorder.enqueue("c-1", 0)
    recorder.enqueue("c-2", 1)
    recorder.machine.abandon_contact(at_ns(5), "c-1")
    recorder.machine.abandon_contact(at_ns(6), "c-2")
    ids = {span.context.trace_id for span in recorder.spans() if span.context is not None}
    assert ids == {trace_id("c-1"), trace_id("c-2")}
    assert f"{trace_id('c-77'):032x}" == "fbf1bd7bc5c5de5b68af5361aa417730"  # adapters compute it too: it must stay


@pytest.mark.parametrize(("end", "status"), [("abandon", StatusCode.UNSET), ("max_wait", StatusCode.ERROR)])
def test_only_ends_that_are_faults_are_marked(recorder: Recorder, end: str, status: StatusCode) -> None:
    recorder.enqueue("c-1", 0)
    if end == "abandon":
        recorder.machine.abandon_contact(at_ns(5), "c-1")
    else:
        recorder.machine.advance(at_ns(600))
    (root,) = [span for span in recorder.spans() if span.name == "contact"]
    assert root.status.status_code == status


def test_what_is_open_is_bounded_and_let_go_at_a_gap(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "OPEN_MAX", 2)
    for number in range(3):
        recorder.enqueue(f"c-{number}", number)
    spans = recorder.spans()
    assert recorder.traces.unfinished == 1
    assert all((span.attributes or {})["acd.unfinished"] for span in spans)
    recorder.traces.let_go()
    assert recorder.traces.unfinished == 3
    recorder.machine.abandon_contact(at_ns(9), "c-2")
    recorder.spans()
    assert recorder.traces.finished == 0


class Collector(ThreadingHTTPServer):
    """Takes what an OpenTelemetry collector takes."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Taker)
        self.requests: list[ExportTraceServiceRequest] = []

    def names(self) -> list[str]:
        """Of all spans that came."""
        return sorted(
            span.name
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        )


class Taker(BaseHTTPRequestHandler):
    """Takes one request."""

    def do_POST(self) -> None:
        """Keep what was sent."""
        assert isinstance(self.server, Collector)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.path == "/v1/traces"
        self.server.requests.append(ExportTraceServiceRequest.FromString(body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


async def test_a_collector_gets_the_spans_of_a_real_contact(tmp_path: Path, collector: Collector) -> None:
    async with ServerProcess(tmp_path / "data") as server:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "server", "trace", "--port", str(server.port)),
            *("--endpoint", f"http://127.0.0.1:{collector.server_address[1]}", "--json"),
            cwd=ROOT,
            env={**os.environ, "OTEL_BSP_SCHEDULE_DELAY": "50"},
            stdout=asyncio.subprocess.PIPE,
        )
        async with Client(port=server.port, name="pbx", events_max=0) as client:
            offered = asyncio.get_running_loop().create_future()
            client.on(ContactOffered, lambda event: offered.set_result(event.offer))
            await client.apply_config(msgspec.convert(centre.config(wrapup_s=0), Config))
            await subscribed(server)
            await client.login("a-1", ready=True)
            await client.enqueue("c-1", "acme", "support")
            async with asyncio.timeout(patient(10)):
                await client.accept(await offered)
            await client.complete("c-1")
        await until(
            lambda: "contact" in collector.names(), timeout_s=20
        )  # not only sent by the server, but seen by the tracer
        process.terminate()
        async with asyncio.timeout(patient(20)):
            output, _ = await process.communicate()
        assert process.returncode == 0
        assert json.loads(output) == {"finished": 1, "unfinished": 0}
        assert collector.names() == ["contact", "conversation", "offer", "wait"]


async def subscribed(server: ServerProcess) -> None:
    """Wait until somebody has subscribed."""

    def scrape() -> bytes:
        with urlopen(f"http://127.0.0.1:{server.metrics_port}/metrics", timeout=patient(10)) as answer:
            text: bytes = answer.read()
            return text

    found = False
    async with asyncio.timeout(patient(20)):
        while not found:
            found = b"acd_subscribers 1" in await asyncio.to_thread(scrape)
