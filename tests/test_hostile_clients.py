"""What one client does wrong, or too slowly, or too much of, harms no other."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from acd_core import Outcome
from acd_core.commands import Command
from acd_protocol.messages import Request
from server import answers
from server import session as session_module
from server.access.guard import Guard
from server.sequencer import Sequencer
from server.service import Service
from server.session import Session
from tests.support import centre
from tests.support.line_client import LineClient
from tests.support.serving import serving, sessions_of
from tests.support.wait import patient, until

LARGE_CONFIG = {
    **centre.config(),
    "agents": [{"agent": f"a-{number}", "address": f"SIP/{number}"} for number in range(5000)],
}
HELLO = {"type": "hello", "version": 1, "client": "x"}


@pytest.fixture(autouse=True)
async def connections_closed() -> AsyncIterator[None]:
    yield
    await LineClient.close_all()


@asynccontextmanager
async def unharmed(service: Service) -> AsyncIterator[None]:
    """Another client works normally before, during and after the block, and gets every one of its events."""
    other = await LineClient.connect(service.port, "bystander")
    stop = asyncio.Event()
    count = 0

    async def work() -> None:
        nonlocal count
        while not stop.is_set() or count < 5:
            count += 1
            answer = await other.ask("contact.enqueue", contact=f"by-{count}", tenant="zeta", queue="support")
            assert (answer["type"], answer.get("duplicate")) == ("ok", None)
            assert (await other.event("contact.queued"))["contact"] == f"by-{count}"
            assert (await other.ask("contact.abandon", contact=f"by-{count}"))["type"] == "ok"
            assert (await other.event("contact.ended"))["contact"] == f"by-{count}"
            await asyncio.sleep(0.005)

    working = asyncio.create_task(work())
    await until(lambda: count >= 2 or working.done())
    try:
        yield
    finally:
        stop.set()
        await working
        await other.close()


@pytest.mark.parametrize(
    "line",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\n",
        b"\x00" * 100 + b"\n",
        b"[" * 5000 + b"\n",
        b'{"type":"hello","version":1,"client":""}\n',
        b'{"type":"hello","version":1e400,"client":"x"}\n',
        b'{"type":"hello"}\n',
        b'{"a":' * 500 + b"\n",
        "{“type”:“hello”}\n".encode(),
        b"\xff\xfe\n",
    ],
)
async def test_hostile_first_line_is_answered_and_harms_nobody(tmp_path: Path, line: bytes) -> None:
    async with serving(tmp_path) as service, unharmed(service):
        hostile = await LineClient.connect(service.port)
        hostile.send_bytes(line)
        assert (await hostile.read())["type"] == "error"
        hostile.send(HELLO)
        await until(lambda: "x" in service.sequencer.router.receivers)


async def test_connection_that_sends_nothing_but_errors_is_closed(tmp_path: Path) -> None:
    async with serving(tmp_path, errors_in_a_row_max=10) as service:
        for name in ("", "known"):
            client = await LineClient.connect(service.port, name)
            client.send_bytes(b"nonsense\n" * 9)
            if name:
                client.send({"type": "ping"})
                client.send_bytes(b"nonsense\n" * 9)
            client.send_bytes(b"nonsense\n" * 1000)
            assert (await client.ended()).count(b"malformed") == (19 if name else 10)


async def test_empty_lines_before_hello_are_passed_over_at_once(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        client = await LineClient.connect(service.port)
        client.send_bytes(b"\n" * 500_000 + b"\r\n" * 250_000)
        client.send(HELLO, {"type": "ping", "id": 1})
        assert (await client.read())["type"] == "welcome"
        assert (await client.answer())["id"] == 1
        hostile = await LineClient.connect(service.port)
        hostile.send_bytes((b"x" + b"\n" * 2000) * 1000)
        assert (await hostile.ended()).count(b"malformed") == 100


async def test_few_may_send_configurations_at_the_same_time(tmp_path: Path) -> None:
    line = json.dumps({"type": "config.apply", "id": "c", "config": LARGE_CONFIG}).encode() + b"\n"
    assert len(line) > 100_000
    async with serving(tmp_path, long_lines_max=2) as service:
        senders = [await LineClient.connect(service.port, name) for name in ("one", "two", "three")]
        for number, sender in enumerate(senders[:2]):
            sender.send_bytes(line[:80_000])
            await until(lambda: any(session._reader.pending == 80_000 for session in sessions_of(service)))
            await until(lambda expected=number + 1: _long_lines(service) == expected)  # type: ignore[misc]
        senders[2].send_bytes(line[:80_000])
        assert b"others are sending configurations" in await senders[2].ended()
        senders[0].send_bytes(line[80_000:])
        assert (await senders[0].answer())["type"] == "ok"
        await senders[1].close()
        await until(lambda: not _long_lines(service))
        again = await LineClient.connect(service.port, "three")
        again.send_bytes(line)
        assert (await again.answer())["duplicate"] is True


def _long_lines(service: Service) -> int:
    (door,) = {session._door for session in sessions_of(service)}
    return len(door.long_lines)


async def test_line_of_ten_megabytes_is_refused_without_being_kept(tmp_path: Path) -> None:
    async with serving(tmp_path) as service, unharmed(service):
        for name, limit in (("", 8192), ("big", 65_536)):
            hostile = await LineClient.connect(service.port, name)
            sending = asyncio.create_task(_flood(hostile, b'{"type":"contact.enqueue","contact":"' + b"x" * 10_000_000))
            most = 0

            def kept() -> int:
                return max((session._reader.pending for session in sessions_of(service)), default=0)

            async with asyncio.timeout(patient(20)):
                while not (line := hostile.reader._buffer):  # type: ignore[attr-defined]
                    most = max(most, kept())
                    await asyncio.sleep(0)
            assert b"line_too_long" in bytes(line)
            assert b"line_too_long" in await hostile.ended()
            assert most <= limit
            await hostile.close()
            await sending


async def _flood(client: LineClient, data: bytes) -> None:
    try:
        for start in range(0, len(data), 65_536):
            client.send_bytes(data[start : start + 65_536])
            await client.writer.drain()
    except (OSError, RuntimeError):  # uvloop says the latter of a closed connection
        pass


async def test_half_a_line_and_silence_costs_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path) as service, unharmed(service):
        half = await LineClient.connect(service.port, "half")
        half.send_bytes(b'{"type":"pi')
        for _ in range(20):
            await asyncio.sleep(0.005)
        half.send_bytes(b'ng","id":7}\n')
        assert (await half.answer())["id"] == 7


async def test_thousand_silent_connections_are_not_noticed(tmp_path: Path) -> None:
    async with serving(tmp_path) as service, unharmed(service):
        silent = [await asyncio.open_connection("127.0.0.1", service.port) for _ in range(1000)]
        await until(lambda: service.sequencer.counters.connections >= 1000)
        late = await LineClient.connect(service.port, "late")
        assert (await late.ask("ping"))["type"] == "ok"
        for _, writer in silent:
            writer.transport.abort()
        await until(lambda: service.sequencer.counters.connections < 10)


async def test_subscriber_that_never_reads_is_dropped_at_a_bound_and_may_resume(tmp_path: Path) -> None:
    async with serving(tmp_path, ring_events_max=2000, unsent_bytes_max=20_000, silence_s=3600) as service:
        pbx = await LineClient.connect(service.port, "pbx")
        async with unharmed(service):
            stuck = await LineClient.connect(service.port, "stuck")
            await stuck.ask("subscribe")
            stuck.writer.transport.pause_reading()  # type: ignore[attr-defined]
            session = service.sequencer.router.receivers["stuck"]
            assert isinstance(session, Session)
            most = sent = 0
            note = {"note": "x" * 2000}
            while not service.sequencer.counters.sessions_dropped:
                for _ in range(100):
                    sent += 1
                    pbx.send(
                        centre.enqueue(f"c-{sent}", attributes=note),
                        {"type": "contact.abandon", "contact": f"c-{sent}"},
                    )
                for _ in range(200):
                    await pbx.answer()
                pbx.events.clear()
                most = max(most, session._unsent + session._transport.get_write_buffer_size())
                assert sent < 100_000
            assert most < 100_000
            await until(lambda: "stuck" not in service.sequencer.router.receivers)
        back = await LineClient.connect(service.port, "stuck", resume=5)
        assert (await back.read())["type"] == "gap"


async def test_client_that_asks_and_never_reads_is_read_no_further(tmp_path: Path) -> None:
    async with serving(tmp_path, unsent_bytes_max=50_000) as service, unharmed(service):
        greedy = await LineClient.connect(service.port, "greedy")
        greedy.writer.transport.pause_reading()  # type: ignore[attr-defined]
        session = service.sequencer.router.receivers["greedy"]
        assert isinstance(session, Session)
        for _ in range(200):
            greedy.send(*[{"type": "list", "what": "config"}] * 100)
            await asyncio.sleep(0)
        await until(lambda: session._stalled)
        assert session._unsent + session._transport.get_write_buffer_size() < 500_000
        greedy.writer.transport.resume_reading()  # type: ignore[attr-defined]
        for _ in range(20_000):
            assert (await greedy.answer())["type"] == "ok"


async def test_slow_reader_gets_every_event_in_order(tmp_path: Path) -> None:
    async with serving(tmp_path, unsent_bytes_max=5_000, page_bytes=2_000) as service:
        pbx = await LineClient.connect(service.port, "pbx")
        slow = await LineClient.connect(service.port, "slow")
        await slow.ask("subscribe")
        slow.writer.transport.pause_reading()  # type: ignore[attr-defined]
        note = {"note": "x" * 4000}
        await pbx.ask("agent.login", agent="a-1", ready=True)
        for number in range(1500):
            pbx.send(centre.enqueue(f"c-{number}", attributes=note))
            await pbx.answer()
            offer = await pbx.event("contact.offered")
            pbx.send(
                {"type": "offer.accept", "offer": offer["offer"]},
                {"type": "contact.complete", "contact": f"c-{number}"},
            )
            await pbx.answer()
            await pbx.answer()
            pbx.events.clear()
            session = service.sequencer.router.receivers["slow"]
            assert isinstance(session, Session)
            if session._following.cursor:
                break
        else:
            pytest.fail("the slow reader never fell behind")
        slow.writer.transport.resume_reading()  # type: ignore[attr-defined]
        await until(lambda: not session._following.cursor)
        await slow.ask("ping")
        seqs = [event["seq"] for event in slow.events]
        assert seqs == list(range(seqs[0], service.sequencer.machine.seq + 1))


async def test_client_that_reads_is_not_cut_off_however_fast_it_makes_events(tmp_path: Path) -> None:
    async with serving(tmp_path, ring_events_max=200, unsent_bytes_max=5_000, page_bytes=2_000) as service:
        pbx = await LineClient.connect(service.port, "pbx")
        pbx.send(*[centre.enqueue(f"c-{number}") for number in range(3000)])
        for number in range(3000):
            assert (await pbx.answer())["id"] == f"c-{number}"
        assert (await pbx.ask("ping"))["type"] == "ok"
        assert [event["contact"] for event in pbx.events] == [f"c-{number}" for number in range(3000)]


async def test_storm_of_deadlines_reaches_a_client_that_reads(tmp_path: Path) -> None:
    async with serving(
        tmp_path,
        ring_events_max=200,
        unsent_bytes_max=20_000,
        page_bytes=10_000,
        tick_lines_max=50,
        tick_deadlines_max=20,
    ) as service:
        pbx = await LineClient.connect(service.port, "pbx")
        pbx.send(*[centre.enqueue(f"c-{number}") for number in range(1000)])
        for _ in range(1000):
            await pbx.answer()
        admin = await LineClient.connect(service.port, "admin")
        assert (await admin.ask("config.apply", config=centre.config(max_wait_s=0.001)))["type"] == "ok"
        for number in range(1000):
            ended = await pbx.event("contact.ended")
            assert (ended["contact"], ended["reason"]) == (f"c-{number}", "max_wait")
        assert service.sequencer.counters.sessions_dropped == 0


async def test_flood_of_one_client_does_not_hold_up_another(tmp_path: Path) -> None:
    async with serving(tmp_path, tick_lines_max=50) as service:
        loud = await LineClient.connect(service.port, "loud")
        quiet = await LineClient.connect(service.port, "quiet")
        loud.send(*[{"type": "contact.abandon", "contact": "nobody", "id": number} for number in range(5000)])
        await until(lambda: service.sequencer.counters.outcomes[Outcome.CONTACT_UNKNOWN])
        await quiet.ask("ping")
        assert service.sequencer.counters.outcomes[Outcome.CONTACT_UNKNOWN] < 5000
        for number in range(5000):
            assert (await loud.answer())["id"] == number


async def test_questions_that_take_long_leave_their_turn_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = answers.to_request
    asked: list[int] = []

    def slowly(request: Command | Request, guard: Guard, sequencer: Sequencer) -> bytes:
        asked.append(sequencer.counters.outcomes[Outcome.CONTACT_UNKNOWN])
        time.sleep(0.005)
        return whole(request, guard, sequencer)

    monkeypatch.setattr(answers, "to_request", slowly)
    async with serving(tmp_path) as service:
        curious, other, quick = [await LineClient.connect(service.port, name) for name in ("c-1", "c-2", "quick")]
        for client in (curious, other):
            client.send(*[{"type": "explain", "id": number, "agent": "a-1"} for number in range(20)])
        curious.send({"type": "ping", "id": "p"})
        await until(lambda: asked)
        commands = 0
        while len(asked) < 40:
            await quick.ask("contact.abandon", contact="nobody")
            commands += 1
        for client in (curious, other):
            assert [(await client.answer())["id"] for _ in range(20)] == list(range(20))
        assert (await curious.answer())["id"] == "p"
        assert commands > 39
        assert all(later > earlier for earlier, later in pairwise(asked))


async def test_half_closed_connection_gets_its_answers_and_is_closed(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        client = await LineClient.connect(service.port)
        client.send(HELLO, centre.enqueue("c-1"), {"type": "stats", "id": "s"})
        client.writer.write_eof()
        lines = (await client.ended()).splitlines()
        assert [json.loads(line).get("id") for line in lines if b'"contact.queued"' not in line] == [None, "c-1", "s"]
        await until(lambda: not service.sequencer.counters.connections)


@pytest.mark.parametrize("half_closed", [False, True])
async def test_client_that_takes_nothing_for_long_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, half_closed: bool
) -> None:
    monkeypatch.setattr(session_module, "notice_silence", lambda connection, silence_s: None)  # some kernels do it too
    async with serving(tmp_path, silence_s=0.2) as service, unharmed(service):
        greedy, slow = [await LineClient.connect(service.port, name) for name in ("greedy", "slow")]
        assert (await greedy.ask("config.apply", config=LARGE_CONFIG))["type"] == "ok"
        for client in (greedy, slow):
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
            client.send(*[{"type": "list", "what": "config"}] * 30)
            session = service.sequencer.router.receivers[(client is greedy and "greedy") or "slow"]
            assert isinstance(session, Session)
            await until(lambda session=session: session._paused)  # type: ignore[misc]
            if client is slow:
                client.writer.transport.resume_reading()  # type: ignore[attr-defined]
        if half_closed:
            greedy.writer.write_eof()
        await until(lambda: "greedy" not in service.sequencer.router.receivers)
        assert service.sequencer.counters.sessions_dropped == 1
        for _ in range(30):
            assert (await slow.answer())["type"] == "ok"
        assert (await slow.ask("ping"))["type"] == "ok"
