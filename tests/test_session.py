"""Sessions over TCP: answers in order, events once, and what one client does wrong harms no other."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from acd_core import Outcome
from acd_core.commands import Command
from acd_protocol.messages import Request
from server import answers
from server import session as session_module
from server.access.guard import Guard
from server.config import Limits, Settings
from server.sequencer import Sequencer
from server.service import Service, running
from server.session import REFUSED_AT_ONCE_MAX, Session
from tests.support import centre
from tests.support.journals import MemoryJournal
from tests.support.line_client import LineClient
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
async def serving(
    tmp_path: Path, token: str = "", journal: MemoryJournal | None = None, **limits: Any
) -> AsyncIterator[Service]:
    """A server with a small contact centre."""
    settings = Settings(port=0, metrics_port=0, data=tmp_path / "data", token=token, limits=Limits(**limits))
    kept = journal or MemoryJournal()
    async with running(settings, lambda _: kept) as service:
        admin = await LineClient.connect(service.port, "admin", token=token)
        assert (await admin.ask("config.apply", config=centre.config()))["type"] == "ok"
        await admin.close()
        yield service


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


async def test_life_of_a_contact_from_arrival_to_the_end(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        pbx = await LineClient.connect(service.port, "pbx-1")
        assert pbx.welcome["version"] == 1
        assert pbx.welcome["clock_speed"] == 1
        assert (await pbx.ask("agent.login", agent="a-1", address="PJSIP/1", ready=True))["type"] == "ok"
        answer = await pbx.ask(
            "contact.enqueue", contact="c", tenant="acme", queue="support", attributes={"ani": "+34"}
        )
        assert answer["position"] == 1
        offer = await pbx.event("contact.offered")
        assert (offer["contact"], offer["agent"], offer["address"]) == ("c", "a-1", "PJSIP/1")
        assert offer["attributes"] == {"ani": "+34"}
        assert (await pbx.ask("offer.accept", offer=offer["offer"]))["type"] == "ok"
        assert (await pbx.ask("offer.accept", offer=offer["offer"]))["duplicate"] is True
        assert (await pbx.event("contact.connected"))["agent"] == "a-1"
        assert (await pbx.ask("contact.complete", contact="c"))["type"] == "ok"
        assert (await pbx.event("contact.ended"))["reason"] == "completed_agent"
        again = await pbx.ask("contact.enqueue", contact="c", tenant="acme", queue="support")
        assert (again["duplicate"], again["ended"]) == (True, "completed_agent")


async def test_answers_come_in_the_order_of_the_requests(tmp_path: Path) -> None:
    async with serving(tmp_path, tick_lines_max=7) as service:
        client = await LineClient.connect(service.port, "pbx-1")
        kinds: list[dict[str, Any]] = [
            {"type": "ping"},
            {"type": "stats"},
            {"type": "list", "what": "contacts"},
            {"type": "contact.abandon", "contact": "nobody"},
            {"type": "subscribe", "topics": ["agent"]},
            {"type": "explain", "contact": "c-0"},
            {"type": "no.such.type"},
        ]
        sent = []
        for number in range(200):
            sent.append(centre.enqueue(f"c-{number}"))
            sent.append({**kinds[number % len(kinds)], "id": f"other-{number}"})
        client.send(*sent)
        for message in sent:
            answer = await client.answer()
            assert answer["id"] == message["id"]
        assert [event["contact"] for event in client.events] == [f"c-{number}" for number in range(len(client.events))]


async def test_reading_sees_what_was_sent_before_it_on_the_same_connection(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        client = await LineClient.connect(service.port, "pbx-1")
        client.send(centre.enqueue("c-1"), {"type": "list", "what": "contacts", "id": 2}, centre.enqueue("c-2"))
        answers_ = [await client.answer() for _ in range(3)]
        assert [row["contact"] for row in answers_[1]["result"]] == ["c-1"]


async def test_lists_stats_and_explanations(tmp_path: Path) -> None:
    async with serving(tmp_path, list_rows_max=2) as service:
        client = await LineClient.connect(service.port, "pbx-1")
        for number in range(3):
            await client.ask("contact.enqueue", contact=f"c-{number}", tenant="acme", queue="support")
        rows = (await client.ask("list", what="contacts"))["result"]
        assert [row["contact"] for row in rows] == ["c-0", "c-1"]
        assert (await client.ask("list", what="contacts", tenant="zeta"))["result"] == []
        rows = (await client.ask("list", what="agents"))["result"]
        assert [(row["agent"], row["state"]) for row in rows] == [("a-1", "logged_out"), ("a-2", "logged_out")]
        rows = (await client.ask("list", what="queues", tenant="zeta"))["result"]
        assert [(row["tenant"], row["queue"]) for row in rows] == [("zeta", "support")]
        tenants = (await client.ask("list", what="config"))["result"]["tenants"]
        assert [tenant["name"] for tenant in tenants] == ["acme", "zeta"]
        stats = (await client.ask("stats", tenant="acme"))["result"]
        assert stats["domain"]["waiting"] == 3
        assert [row["waiting"] for row in stats["queues"]] == [3]
        assert "digest" not in stats
        stats = (await client.ask("stats", digest=True))["result"]
        assert stats["digest"] == service.sequencer.machine.digest()
        why = (await client.ask("explain", contact="c-0"))["result"]
        assert why["state"] == "queued"
        assert (await client.ask("explain", agent="a-1"))["result"]["state"] == "logged_out"
        assert (await client.ask("explain", agent="a-9"))["code"] == "agent_unknown"
        assert (await client.ask("explain", contact="c-9"))["code"] == "contact_unknown"
        assert (await client.ask("explain"))["code"] == "value_invalid"


async def test_who_waits_is_told_where_he_stands_and_for_how_long(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        client = await LineClient.connect(service.port, "pbx-1")
        await client.ask("agent.login", agent="a-1", ready=True)
        first = await client.ask("contact.enqueue", contact="c-0", tenant="acme", queue="support")
        assert (first["position"], "wait_estimate" in first) == (1, False)
        offer = (await client.event("contact.offered"))["offer"]
        second = await client.ask("contact.enqueue", contact="c-1", tenant="acme", queue="support")
        assert (second["position"], "wait_estimate" in second) == (1, False), "nobody has waited yet"
        await client.ask("offer.accept", offer=offer)
        await client.ask("contact.complete", contact="c-0")
        await client.ask("agent.wrapup_done", agent="a-1")
        offer = (await client.event("contact.offered"))["offer"]
        await client.ask("offer.accept", offer=offer)
        answers_ = [
            await client.ask("contact.enqueue", contact=f"d-{number}", tenant="acme", queue="support", priority=number)
            for number in range(2)
        ]
        assert [answer["position"] for answer in answers_] == [1, 1]
        assert all(set(answer["wait_estimate"]) == {"p50", "p90"} for answer in answers_)
        now = await client.ask("estimate", contact="d-0")
        assert (now["position"], set(now["wait_estimate"])) == (2, {"p50", "p90"})
        rows = (await client.ask("list", what="contacts", state="queued"))["result"]
        assert [(row["contact"], row["position"]) for row in rows] == [("d-0", 2), ("d-1", 1)]
        assert rows[0]["wait_estimate"] == now["wait_estimate"]
        why = (await client.ask("explain", contact="d-0"))["result"]
        assert (why["queue_position"], why["wait_estimate"]) == (2, now["wait_estimate"])
        for contact, state in (("c-1", "connected"), ("c-0", "over")):
            refused = await client.ask("estimate", contact=contact)
            assert (refused["code"], state in refused["message"]) == ("contact_not_waiting", True)
        assert (await client.ask("estimate", contact="c-9"))["code"] == "contact_unknown"


async def test_lists_choose_by_state_and_say_when_there_is_more(tmp_path: Path) -> None:
    async with serving(tmp_path, list_rows_max=4) as service:
        client = await LineClient.connect(service.port, "pbx-1")
        await client.ask("agent.login", agent="a-2", ready=True)
        await client.ask("agent.login", agent="a-3")
        for number in range(6):
            await client.ask(
                "contact.enqueue", contact=f"c-{number}", tenant="acme", queue="support", priority=number % 3
            )

        async def names(what: str, **fields: Any) -> tuple[list[str], bool]:
            answer = await client.ask("list", what=what, **fields)
            return [row[what[:-1]] for row in answer["result"]], answer.get("more", False)

        assert await names("contacts", state="offered") == (["c-0"], False)
        assert await names("contacts", state="queued", limit=3) == (["c-1", "c-2", "c-3"], True)
        assert await names("contacts", state="queued") == (["c-1", "c-2", "c-3", "c-4"], True)
        assert await names("contacts", state="queued", tenant="zeta") == ([], False)
        assert await names("agents", state="logged_out") == (["a-1"], False)
        assert await names("agents", state="offered") == (["a-2"], False)
        assert await names("agents", state="paused") == (["a-3"], False)
        assert await names("agents", limit=2) == (["a-1", "a-2"], True)
        assert await names("agents", limit=3) == (["a-1", "a-2", "a-3"], False)
        assert await names("queues", limit=1) == (["support"], True)
        for what, state, words in (
            ("agents", "queued", "paused"),
            ("contacts", "ready", "connected"),
            ("queues", "ready", "none"),
        ):
            refused = await client.ask("list", what=what, state=state)
            assert refused["code"] == "value_invalid"
            assert words in refused["message"]
        assert (await client.ask("list", what="agents", state="asleep"))["code"] == "value_invalid"


async def test_list_of_large_contacts_ends_at_a_bound(tmp_path: Path) -> None:
    async with serving(tmp_path, list_bytes_max=50_000) as service:
        client = await LineClient.connect(service.port, "pbx-1")
        for number in range(10):
            client.send(centre.enqueue(f"c-{number}", attributes={"note": "x" * 8_500}))
            await client.answer()
        answer = await client.ask("list", what="contacts")
        assert [row["contact"] for row in answer["result"]] == [f"c-{number}" for number in range(5)]
        assert answer["more"] is True


async def test_digest_of_a_state_that_is_too_large_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path, digest_rows_max=5) as service:
        client = await LineClient.connect(service.port, "pbx-1")
        for number in range(3):
            assert (await client.ask("stats", digest=True))["result"]["digest"]
            await client.ask("contact.enqueue", contact=f"c-{number}", tenant="acme", queue="support")
        refused = await client.ask("stats", digest=True)
        assert refused["code"] == "unavailable"
        assert "6 agents and contacts, and at most 5" in refused["message"]
        assert (await client.ask("stats"))["result"]["domain"]["waiting"] == 3


async def test_refusals_say_where(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        client = await LineClient.connect(service.port, "pbx-1")
        answer = await client.ask("contact.enqueue", contact="c", tenant="acme", queue="support", require="a & & b")
        assert (answer["code"], answer["at"]) == ("requirement_invalid", 4)
        broken = centre.config()
        broken["queues"][0]["tenant"] = "nobody"
        answer = await client.ask("config.apply", config=broken)
        assert answer["code"] == "config_invalid"
        assert "queue nobody/support" in answer["message"]


async def test_fault_in_a_read_answers_internal_error_and_the_connection_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    async with serving(tmp_path) as service:
        client = await LineClient.connect(service.port, "pbx-1")
        monkeypatch.setattr(answers, "counts", fail)
        assert (await client.ask("stats"))["code"] == "internal_error"
        assert (await client.ask("ping"))["type"] == "ok"


# hello


async def test_first_message_must_be_hello_and_only_the_first(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        client = await LineClient.connect(service.port)
        assert (await client.ask("ping"))["code"] == "hello_missing"
        assert (await client.ask("contact.enqueue", contact="c", tenant="acme", queue="support"))[
            "code"
        ] == "hello_missing"
        client.send(HELLO)
        assert (await client.read())["type"] == "welcome"
        assert (await client.ask("hello", version=1, client="y"))["code"] == "hello_repeated"
        assert service.sequencer.machine.contact("c") is None


async def test_hello_and_all_that_follows_may_come_in_one_piece_or_byte_by_byte(tmp_path: Path) -> None:
    long = centre.enqueue("long", attributes={"note": "x" * 20_000})
    async with serving(tmp_path) as service:
        client = await LineClient.connect(service.port)
        client.send(HELLO, long, {"type": "config.apply", "id": "c", "config": centre.config(agents=3000)})
        assert (await client.read())["type"] == "welcome"
        assert [(await client.answer())["id"] for _ in range(2)] == ["long", "c"]
        slow = await LineClient.connect(service.port)
        for byte in json.dumps({**HELLO, "client": "slow"}).encode() + b"\r\n":
            slow.send_bytes(bytes([byte]))
            await slow.writer.drain()
            await asyncio.sleep(0)
        assert (await slow.read())["type"] == "welcome"


async def test_other_version_is_refused_and_closed(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        client = await LineClient.connect(service.port)
        client.send({**HELLO, "version": 2}, {"type": "ping"})
        assert (await client.read())["code"] == "version_unsupported"
        assert await client.ended() == b""


@pytest.mark.parametrize("token", ["", "guess-1", "hush-hush ", "húsh-hush"])
async def test_wrong_token_is_refused_and_not_logged(
    tmp_path: Path, token: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tmp_path, token="hush-hush") as service:
        client = await LineClient.connect(service.port)
        client.send({**HELLO, "token": token})
        assert (await client.read())["code"] == "unauthorised"
        assert await client.ended() == b""
        for record in caplog.records:
            assert "hush" not in repr(record.__dict__)
            assert "guess" not in repr(record.__dict__)


async def test_connection_without_hello_is_closed_after_its_time(tmp_path: Path) -> None:
    async with serving(tmp_path, hello_s=0.05) as service:
        silent = await LineClient.connect(service.port)
        half = await LineClient.connect(service.port)
        half.send_bytes(b'{"type":"hel')
        welcome = await LineClient.connect(service.port, "pbx-1")
        for client in (silent, half):
            assert b"hello_missing" in await client.ended()
        await asyncio.sleep(0.1)
        assert (await welcome.ask("ping"))["type"] == "ok"


async def test_newer_connection_of_a_name_takes_over(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        older = await LineClient.connect(service.port, "pbx-1")
        await older.ask("contact.enqueue", contact="c", tenant="acme", queue="support")
        newer = await LineClient.connect(service.port, "pbx-1")
        assert b'"replaced"' in await older.ended()
        await newer.ask("contact.abandon", contact="c")
        assert (await newer.event("contact.ended"))["contact"] == "c"
        assert service.sequencer.counters.sessions_replaced == 1
        await until(lambda: service.sequencer.counters.connections == 1)
        assert list(service.sequencer.router.receivers) == ["pbx-1"]


async def test_too_many_connections_are_refused(tmp_path: Path) -> None:
    async with serving(tmp_path, connections_max=2) as service:
        await until(lambda: not service.sequencer.counters.connections)
        first = await LineClient.connect(service.port, "one")
        await LineClient.connect(service.port, "two")
        third = await LineClient.connect(service.port)
        assert b"unavailable" in await third.ended()
        assert (await first.ask("ping"))["type"] == "ok"


async def test_flood_of_connections_is_refused_and_most_of_it_without_a_word(tmp_path: Path) -> None:
    async with serving(tmp_path, connections_max=1) as service:
        await until(lambda: not service.sequencer.counters.connections)
        first = await LineClient.connect(service.port, "one")
        others = [await LineClient.connect(service.port) for _ in range(REFUSED_AT_ONCE_MAX + 20)]
        said = [await other.ended() for other in others]
        assert sum(b"unavailable" in answer for answer in said) == REFUSED_AT_ONCE_MAX
        assert said.count(b"") == 20
        assert (await first.ask("ping"))["type"] == "ok"
        await LineClient.close_all()
        await until(lambda: not service.sequencer.counters.connections)
        await LineClient.connect(service.port, "later")


async def test_kernel_is_told_to_notice_machines_that_are_gone(tmp_path: Path) -> None:
    async with serving(tmp_path, silence_s=60) as service:
        await LineClient.connect(service.port, "pbx")
        (session,) = _sessions(service)
        connection = session._transport.get_extra_info("socket")
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        options = {
            name: connection.getsockopt(socket.IPPROTO_TCP, getattr(socket, name))
            for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")
            if hasattr(socket, name)
        }
        asked_s = options["TCP_KEEPIDLE"] + options["TCP_KEEPINTVL"] * options["TCP_KEEPCNT"]
        assert asked_s == 60
        assert options.get("TCP_USER_TIMEOUT", 60_000) == 60_000


# events


async def test_events_go_to_the_owners_of_contact_and_agent(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        pbx, desk, third = [await LineClient.connect(service.port, name) for name in ("pbx", "desk", "third")]
        await desk.ask("agent.login", agent="a-1", ready=True)
        await pbx.ask("contact.enqueue", contact="c", tenant="acme", queue="support")
        offer = await desk.event("contact.offered")
        assert await pbx.event("contact.offered") == offer
        assert (await desk.event("agent.changed"))["state"] == "offered"
        assert (await desk.ask("offer.accept", offer=offer["offer"]))["type"] == "ok"
        assert (await pbx.event("contact.connected"))["contact"] == "c"
        await third.ask("ping")
        assert third.events == []


async def test_subscription_chooses_topics_and_tenant(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        pbx = await LineClient.connect(service.port, "pbx")
        everything, acme, agents = [await LineClient.connect(service.port, name) for name in ("all", "acme", "agents")]
        await everything.ask("subscribe")
        await acme.ask("subscribe", topics=["contact", "offer"], tenant="acme")
        await agents.ask("subscribe", topics=["agent"])
        await pbx.ask("agent.login", agent="a-1", ready=True)
        for tenant in ("acme", "zeta"):
            await pbx.ask("contact.enqueue", contact=tenant, tenant=tenant, queue="support")
        offer = await pbx.event("contact.offered")
        await pbx.ask("offer.reject", offer=offer["offer"])
        await pbx.ask("contact.abandon", contact="acme")
        await pbx.ask("contact.abandon", contact="zeta")
        await acme.ask("subscribe", topics=[])
        await pbx.ask("contact.enqueue", contact="later", tenant="acme", queue="support")
        for client in (everything, acme, agents):
            await client.ask("ping")
        kinds = [event["type"] for event in acme.events]
        assert kinds == ["contact.queued", "contact.offered", "offer.ended", "contact.ended"]
        assert {event["type"] for event in agents.events} == {"agent.changed"}
        seqs = [event["seq"] for event in everything.events]
        assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
        assert everything.events[-1]["contact"] == "later"


async def test_subscriptions_are_bounded(tmp_path: Path) -> None:
    async with serving(tmp_path, subscribers_max=2) as service:
        first, second, third = [await LineClient.connect(service.port, name) for name in ("one", "two", "three")]
        for client in (first, second, first):
            assert (await client.ask("subscribe"))["type"] == "ok"
        assert (await third.ask("subscribe"))["code"] == "unavailable"
        assert (await third.ask("subscribe", topics=[]))["type"] == "ok"
        await second.ask("subscribe", topics=[])
        assert (await third.ask("subscribe"))["type"] == "ok"
        await first.close()
        await until(lambda: len(service.sequencer.router.subscribers) == 1)
        assert (await second.ask("subscribe"))["type"] == "ok"


async def test_resume_gives_what_was_missed_and_nothing_twice(tmp_path: Path) -> None:
    async with serving(tmp_path, page_bytes=300, unsent_bytes_max=1000) as service:
        pbx = await LineClient.connect(service.port, "pbx")
        other = await LineClient.connect(service.port, "other")
        await pbx.ask("contact.enqueue", contact="mine-0", tenant="acme", queue="support")
        last = await pbx.event("contact.queued")
        await pbx.close()
        for number in range(1, 50):
            other.send(
                centre.enqueue(f"theirs-{number}"), {"type": "contact.update", "contact": "mine-0", "priority": number}
            )
        for _ in range(98):
            await other.answer()
        back = await LineClient.connect(service.port, "pbx", resume=last["seq"])
        back.send({"type": "subscribe", "id": "s", "from_seq": last["seq"]}, {"type": "ping", "id": "p"})
        assert (await back.answer())["id"] == "s"
        own = [event["contact"] for event in back.events]
        assert own == ["mine-0"] * 49
        assert (await back.answer())["id"] == "p"
        seqs = sorted(event["seq"] for event in back.events)
        assert seqs == list(range(last["seq"] + 1, service.sequencer.machine.seq + 1))


@pytest.mark.parametrize("again", [{}, {"from_seq": 0}])
async def test_events_that_wait_while_a_client_subscribes_anew_are_sent(tmp_path: Path, again: dict[str, Any]) -> None:
    """More is due to the client than it may have unsent, just when its next subscription comes."""
    async with serving(tmp_path, unsent_bytes_max=400) as service:
        watcher = await LineClient.connect(service.port, "watcher")
        await watcher.ask("subscribe")
        pbx = await LineClient.connect(service.port, "pbx")
        first = service.sequencer.machine.seq
        sessions = service.sequencer.router.receivers
        for name, messages in (
            ("pbx", [centre.enqueue(f"c-{number}") for number in range(20)]),
            ("watcher", [{"type": "subscribe", "id": "anew", **again}]),
        ):
            session = sessions[name]
            assert isinstance(session, Session)
            session.data_received(b"".join(json.dumps(message).encode() + b"\n" for message in messages))
        assert (await watcher.answer())["id"] == "anew"
        assert (await watcher.ask("ping"))["type"] == "ok"
        seqs = [event["seq"] for event in watcher.events]
        assert sorted(set(seqs) - set(range(first + 1))) == list(range(first + 1, first + 21))
        await pbx.close()


async def test_resume_beyond_the_ring_is_told_as_a_gap(tmp_path: Path) -> None:
    async with serving(tmp_path, ring_events_max=5) as service:
        pbx = await LineClient.connect(service.port, "pbx")
        for number in range(10):
            await pbx.ask("contact.enqueue", contact=f"c-{number}", tenant="acme", queue="support")
        await pbx.close()
        back = await LineClient.connect(service.port, "pbx", resume=1)
        gap = await back.read()
        assert (gap["type"], gap["first_seq"]) == ("gap", back.welcome["oldest_seq"])
        assert [(await back.read())["seq"] for _ in range(5)] == list(range(gap["first_seq"], gap["first_seq"] + 5))
        ahead = await LineClient.connect(service.port, "from-the-future", resume=1_000_000)
        assert (await ahead.read()) == {"type": "gap", "first_seq": service.sequencer.machine.seq + 1}
        assert service.sequencer.counters.ahead == 1
        assert (await ahead.ask("ping"))["type"] == "ok"


# hostile clients


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
            await until(lambda: any(session._reader.pending == 80_000 for session in _sessions(service)))
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
    (door,) = {session._door for session in _sessions(service)}
    return len(door.long_lines)


async def test_line_of_ten_megabytes_is_refused_without_being_kept(tmp_path: Path) -> None:
    async with serving(tmp_path) as service, unharmed(service):
        for name, limit in (("", 8192), ("big", 65_536)):
            hostile = await LineClient.connect(service.port, name)
            sending = asyncio.create_task(_flood(hostile, b'{"type":"contact.enqueue","contact":"' + b"x" * 10_000_000))
            most = 0

            def kept() -> int:
                return max((session._reader.pending for session in _sessions(service)), default=0)

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


def _sessions(service: Service) -> list[Session]:
    return [session for session in service.sequencer.router.receivers.values() if isinstance(session, Session)]


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


async def test_stop_tells_clients_and_answers_what_it_took(tmp_path: Path) -> None:
    journal = MemoryJournal()
    async with serving(tmp_path, journal=journal, tick_lines_max=10) as service:
        client = await LineClient.connect(service.port, "pbx-1")
        journal.gate.clear()
        client.send(*[centre.enqueue(f"c-{number}") for number in range(100)])
        await until(journal.under_way.is_set)
        asyncio.get_running_loop().call_later(0.05, journal.gate.set)
    received = [json.loads(line) for line in (await client.ended()).splitlines()]
    assert any(message["type"] == "draining" for message in received)
    taken = [message["id"] for message in received if message["type"] == "ok"]
    refused = [message["id"] for message in received if message["type"] == "error"]
    assert taken + refused == [f"c-{number}" for number in range(100)]
    assert all(message["code"] == "draining" for message in received if message["type"] == "error")
    assert service.sequencer.machine.domain().waiting == len(taken)
    assert journal.open_tail.sealed


async def test_a_configuration_that_lacks_what_is_in_use_is_told_which(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        client = await LineClient.connect(service.port, "admin")
        config = centre.config()
        many = {**config, "agents": [{"agent": f"b-{number}"} for number in range(5)]}
        assert (await client.ask("config.apply", config=many))["type"] == "ok"
        for number in range(5):
            assert (await client.ask("agent.login", agent=f"b-{number}"))["type"] == "ok"
        answer = await client.ask("config.apply", config=config)
        assert answer["code"] == "agent_in_use"
        assert answer["message"].endswith(": b-0 (paused), b-1 (paused), b-2 (paused) and 2 more")
        queue = config["queues"][0]
        assert (await client.ask("contact.enqueue", contact="c-1", tenant=queue["tenant"], queue=queue["name"]))[
            "position"
        ]
        answer = await client.ask("config.apply", config={**many, "queues": config["queues"][1:]})
        assert answer["code"] == "queue_in_use"
        assert answer["message"].endswith(f": {queue['tenant']}/{queue['name']} (1)")
