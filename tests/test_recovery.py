"""Recovery: after a crash the same state comes back, every acknowledged command is in it, and no event is lost or doubled."""

import asyncio
import os
import random
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from acd_protocol import segments
from server import service as service_module
from server.cli.serve import serve
from server.clock import Clock, wall_ns
from server.config import Settings
from server.errors import Corrupt
from server.journal.contract import Batch, Kind, Record, Tail
from server.journal.records import encode_ticks, ticks_of
from server.journal.segments import SegmentJournal
from server.journal.stores import journal_in
from server.recovery import recover
from server.service import running
from tests.support import centre
from tests.support.damage import damage, place_of
from tests.support.journals import MemoryJournal
from tests.support.line_client import LineClient
from tests.support.server_process import ServerProcess
from tests.support.wait import patient, until

START = 1_800_000_000 * 10**9


@pytest.fixture(autouse=True)
async def connections_closed() -> AsyncIterator[None]:
    yield
    await LineClient.close_all()


def settings(tmp_path: Path, **others: Any) -> Settings:
    return Settings(port=0, metrics_port=0, data=tmp_path, **others)


async def digest(client: LineClient) -> str:
    stats = (await client.ask("stats", digest=True))["result"]
    assert stats["digest"]
    return str(stats["digest"])


class Traffic:
    """A client that keeps enqueueing, accepting and completing, and remembers what it was told.

    Attributes:
        acknowledged: contacts whose enqueueing was answered with ok.
        seqs: numbers of the events received, in order, over all its connections.
    """

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.acknowledged: list[str] = []
        self.seqs: list[int] = []
        self.unanswered: set[str] = set()
        self.sent = 0

    async def run(self, port: int) -> None:
        """One connection, until it breaks."""
        client = await LineClient.connect(port)
        client.send(
            {"type": "hello", "version": 1, "client": "traffic"},
            {"type": "subscribe", "id": "s", "from_seq": self.seqs[-1] if self.seqs else 0},
        )
        try:
            while True:
                burst = self.rng.randrange(1, 20)
                client.send(*[self._enqueue() for _ in range(burst)])
                while burst:
                    message = await client.read()
                    if message["type"] == "ok" and message.get("id") in self.unanswered:
                        self.unanswered.remove(message["id"])
                        self.acknowledged.append(message["id"])
                        burst -= 1
                    elif message["type"] == "contact.offered" and self.rng.random() < 0.7:
                        client.send({"type": "offer.accept", "offer": message["offer"]})
                        client.send({"type": "contact.complete", "contact": message["contact"]})
                    if "at" in message:
                        self.seqs.append(message["seq"])
        except (AssertionError, OSError):
            await client.close()

    def _enqueue(self) -> dict[str, Any]:
        self.sent += 1
        self.unanswered.add(f"c-{self.sent}")
        return centre.enqueue(f"c-{self.sent}", priority=self.rng.randrange(5))


async def test_killed_in_the_middle_of_traffic_everything_acknowledged_comes_back(tmp_path: Path) -> None:
    traffic = Traffic(seed=1)
    waiting: list[str] = []
    for round_ in range(4):
        async with ServerProcess(tmp_path) as server:
            admin = await LineClient.connect(server.port, "admin")
            if round_ == 0:
                config = centre.config(offer_timeout_s=0.05, no_answer_cooldown_s=0.02)
                await admin.ask("config.apply", config={**config, "settings": {"missed_offers_max": 0}})
                for number in (1, 2, 3):
                    await admin.ask("agent.login", agent=f"a-{number}", ready=True)
            else:
                assert server.said("did not stop cleanly")
                rows = (await admin.ask("list", what="contacts", limit=10_000))["result"]
                now_waiting = [row["contact"] for row in rows if row["state"] in {"queued", "offered"}]
                still = [contact for contact in now_waiting if contact in set(waiting)]
                assert still == [contact for contact in waiting if contact in set(now_waiting)]
            before = len(traffic.acknowledged)
            working = asyncio.create_task(traffic.run(server.port))
            await until(lambda before=before: len(traffic.acknowledged) >= before + 150)  # type: ignore[misc]
            rows = (await admin.ask("list", what="contacts", limit=10_000))["result"]
            waiting = [row["contact"] for row in rows if row["state"] in {"queued", "offered"}]
            await server.kill()
            await working
        journal = journal_in(tmp_path)
        machine = recover(journal, 0).machine
        journaled = {
            contact
            for record in journal.read()
            if record.kind is Kind.BATCH
            for _, lines in ticks_of(record)
            for _, line in lines
            if (contact := msgspec.json.decode(line).get("contact"))
        }
        journal.close()
        machine.check()
        assert set(traffic.acknowledged) <= journaled
        for contact in traffic.acknowledged:
            assert machine.contact(contact) is not None or machine.ended_reason(contact)
        assert traffic.seqs == list(range(1, traffic.seqs[-1] + 1))
        assert machine.seq >= traffic.seqs[-1]


async def test_state_after_a_crash_is_that_of_a_replay(tmp_path: Path) -> None:
    async with ServerProcess(tmp_path) as server:
        client = await LineClient.connect(server.port, "pbx")
        await client.ask("config.apply", config=centre.config(max_wait_s=86_400))
        for number in range(50):
            await client.ask(
                "contact.enqueue", contact=f"c-{number}", tenant="acme", queue="support", priority=number % 3
            )
        before = await digest(client)
        order = [row["contact"] for row in (await client.ask("list", what="contacts"))["result"]]
        await server.kill()
    journal = journal_in(tmp_path)
    assert recover(journal, 0).machine.digest() == before
    journal.close()
    async with ServerProcess(tmp_path) as server:
        client = await LineClient.connect(server.port, "pbx")
        assert await digest(client) == before
        assert [row["contact"] for row in (await client.ask("list", what="contacts"))["result"]] == order
        recovered = next(entry for entry in server.log if "did not stop cleanly" in entry["message"])
        assert recovered["commands"] == 51


async def test_contacts_and_agents_stay_with_their_client_over_a_restart(tmp_path: Path) -> None:
    async with running(settings(tmp_path)) as service:
        pbx = await LineClient.connect(service.port, "pbx")
        await pbx.ask("config.apply", config=centre.config())
        await pbx.ask("contact.enqueue", contact="c-1", tenant="acme", queue="support")
        last = await pbx.event("contact.queued")
        desk = await LineClient.connect(service.port, "desk")
        await desk.ask("agent.login", agent="a-1", ready=True)
    async with running(settings(tmp_path)) as service:
        back = await LineClient.connect(service.port, "pbx", resume=last["seq"])
        offer = await back.event("contact.offered")
        assert (offer["contact"], offer["agent"]) == ("c-1", "a-1")
        desk = await LineClient.connect(service.port, "desk", resume=offer["seq"])
        assert (await desk.ask("offer.accept", offer=offer["offer"]))["type"] == "ok"
        assert (await back.event("contact.connected"))["agent"] == "a-1"


async def test_repeat_after_a_restart_is_known_as_one(tmp_path: Path) -> None:
    for duplicate in (None, True):
        async with running(settings(tmp_path)) as service:
            pbx = await LineClient.connect(service.port, "pbx")
            if not duplicate:
                await pbx.ask("config.apply", config=centre.config())
            answer = await pbx.ask("contact.enqueue", contact="c-1", tenant="acme", queue="support")
            assert answer.get("duplicate") is duplicate


class GatedJournal(MemoryJournal):
    """A journal that is read only as far as the gate lets it.

    Attributes:
        reading: set while a record is waited for.
    """

    def __init__(self) -> None:
        super().__init__()
        self.read_gate = threading.Semaphore(0)
        self.reading = threading.Event()

    def read(self, after: Tail | None = None) -> Iterator[Record]:
        for record in super().read(after):
            self.reading.set()
            assert self.read_gate.acquire(timeout=patient(30))
            yield record


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


async def http(port: int, path: str) -> tuple[int, Any]:
    """Status and JSON body of a GET."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\n\r\n".encode())
    async with asyncio.timeout(patient(10)):
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return int(head.split()[1]), msgspec.json.decode(body) if body.startswith(b"{") else body


def filled(commands: int) -> GatedJournal:
    """A journal of a record for the configuration, and one for each contact."""
    journal = GatedJournal()
    epoch = journal.fence("node", journal.open(), START)
    lines = [{"type": "config.apply", "config": centre.config()}, *[centre.enqueue(f"c-{n}") for n in range(commands)]]
    for seq, line in enumerate(lines, start=2):
        tick = (START + seq, [("pbx", msgspec.json.encode(line))])
        journal.append(epoch, seq, Batch(START + seq, 1, encode_ticks([tick])))
    return journal


async def test_server_that_recovers_says_so_and_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(service_module, "RECOVERY_NOTE_S", 0.01)
    caplog.set_level("INFO")
    journal = filled(3)
    port, metrics_port = free_port(), free_port()
    options = Settings(port=port, metrics_port=metrics_port, data=tmp_path)
    served, stop = asyncio.Event(), asyncio.Event()

    async def serve() -> None:
        async with running(options, lambda _: journal):
            served.set()
            await stop.wait()

    serving = asyncio.create_task(serve())
    await until(journal.reading.is_set)
    for _ in range(3):
        journal.read_gate.release()
    while (said := await http(metrics_port, "/readyz"))[1]["records"] < 3:
        pass
    assert said == (503, {"state": "recovering", "records": 3, "of": 5, "commands": 2})
    assert (await http(metrics_port, "/healthz"))[0] == 200
    assert b"\nacd_ready 0\n" in (await http(metrics_port, "/metrics"))[1]
    with pytest.raises(ConnectionRefusedError):
        await LineClient.connect(port)
    await until(lambda: "recovering from the journal" in caplog.text)
    journal.read_gate.release(10)
    await served.wait()
    assert await http(metrics_port, "/readyz") == (200, {"state": "serving"})
    client = await LineClient.connect(port, "pbx")
    assert len((await client.ask("list", what="contacts"))["result"]) == 3
    stop.set()
    await serving


async def test_signal_stops_a_recovery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with running(settings(tmp_path)) as service:
        pbx = await LineClient.connect(service.port, "pbx")
        for _ in range(20):
            await pbx.ask("contact.abandon", contact="nobody")
    read = SegmentJournal.read
    records = 0

    def read_slowly(self: SegmentJournal, after: Tail | None = None) -> Iterator[Record]:
        nonlocal records
        for record in read(self, after):
            records += 1
            time.sleep(0.05)
            yield record

    monkeypatch.setattr(SegmentJournal, "read", read_slowly)
    serving = asyncio.create_task(serve(settings(tmp_path)))
    await until(lambda: records)
    os.kill(os.getpid(), signal.SIGTERM)
    assert await serving == 0
    assert "stopped on SIGTERM before it served" in caplog.text
    assert records < 20


async def test_clean_stop_and_crash_are_told_apart_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    expected = ["a new journal was begun", "the last stop was clean"]
    for words in expected:
        caplog.clear()
        async with running(settings(tmp_path)):
            assert words in caplog.text
    journal = journal_in(tmp_path)
    tail = journal.open()
    journal.fence("crashed", tail, tail.time_ns)
    journal.close()
    caplog.clear()
    async with running(settings(tmp_path)):
        assert "did not stop cleanly" in caplog.text


async def test_what_is_left_out_at_the_end_of_the_journal_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    words = "is no sound record was found at the end of the journal"
    async with running(settings(tmp_path)):
        pass
    path, begin, end = place_of(tmp_path, 2)  # the SEAL
    data = path.read_bytes()
    assert begin + 30 < end
    path.write_bytes(data[: begin + 30] + bytes(len(data) - begin - 30))
    async with running(settings(tmp_path)):
        assert words in caplog.text
    caplog.clear()
    async with running(settings(tmp_path)):
        assert words not in caplog.text


async def test_deadlines_that_passed_while_the_server_was_down_fire_at_their_own_instant(tmp_path: Path) -> None:
    past = 1_500_000_000 * 10**9
    journal = journal_in(tmp_path)
    epoch = journal.fence("long ago", journal.open(), past)
    lines = [
        {"type": "config.apply", "config": centre.config(max_wait_s=60)},
        centre.enqueue("c-1"),
    ]
    tick = (past, [("pbx", msgspec.json.encode(line)) for line in lines])
    journal.append(epoch, 2, Batch(past, 2, encode_ticks([tick])))
    journal.close()
    async with running(settings(tmp_path)) as service:
        pbx = await LineClient.connect(service.port, "pbx", resume=0)
        ended = await pbx.event("contact.ended")
        assert (ended["reason"], ended["at"]) == ("max_wait", past + 60 * 10**9)
        assert pbx.welcome["time"] > past + 10**17


async def test_engine_time_goes_on_from_the_journal_when_that_is_ahead(tmp_path: Path) -> None:
    future = 4_000_000_000 * 10**9
    journal = journal_in(tmp_path)
    journal.fence("fast clock", journal.open(), future)
    journal.close()
    async with running(settings(tmp_path)) as service:
        pbx = await LineClient.connect(service.port, "pbx")
        assert future <= pbx.welcome["time"] < future + 600 * 10**9


async def test_a_jump_of_the_machines_clock_is_told_and_does_not_reach_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(settings(tmp_path)) as service:
        await asyncio.sleep(0.15)
        before = service.sequencer.clock.now()
        monkeypatch.setattr(service_module, "wall_ns", lambda: wall_ns() + 3600 * 10**9)
        await until(lambda: "clock jumped by +3600.0 s" in caplog.text)
        monkeypatch.setattr(service_module, "wall_ns", wall_ns)
        await until(lambda: "clock jumped by -3600.0 s" in caplog.text)
        assert before <= service.sequencer.clock.now() < before + 600 * 10**9


def test_clock_runs_at_its_speed_and_never_starts_before_the_journal() -> None:
    clock = Clock.after(START * 2, speed=1000)
    first = clock.now()
    assert first >= START * 2
    assert clock.now() >= first
    assert 0 < clock.seconds_until(first + 3600 * 10**9) <= 3.6
    assert clock.seconds_until(START) == 0


@pytest.mark.parametrize("line", [b"not json", b'{"type":"ping"}', b'{"type":"contact.teleport"}'])
def test_line_that_is_no_command_of_this_release_is_refused(tmp_path: Path, line: bytes) -> None:
    journal = journal_in(tmp_path)
    epoch = journal.fence("node", journal.open(), START)
    journal.append(epoch, 2, Batch(START, 1, encode_ticks([(START, [("pbx", line)])])))
    journal.close()
    with pytest.raises(Corrupt, match="record 2 holds a command"):
        recover(journal, 0)
    journal.close()


async def test_damaged_journal_keeps_the_server_from_starting(tmp_path: Path) -> None:
    async with running(settings(tmp_path)) as service:
        pbx = await LineClient.connect(service.port, "pbx")
        await pbx.ask("config.apply", config=centre.config())
    damage(tmp_path, 2)
    before = [path.read_bytes() for path in segments.found_in(tmp_path)]
    server = await ServerProcess(tmp_path).launch()
    assert await server.exit_status() == 1
    assert "acd: the journal is damaged" in server.stderr
    assert "record 2 cannot be read" in server.stderr
    assert "Traceback" not in server.stderr
    assert [path.read_bytes() for path in segments.found_in(tmp_path)] == before
