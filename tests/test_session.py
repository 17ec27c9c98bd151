"""Sessions over TCP: answers in order, and events once."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from server import answers
from server.session import REFUSED_AT_ONCE_MAX, Session
from tests.support import centre
from tests.support.journals import MemoryJournal
from tests.support.line_client import LineClient
from tests.support.serving import serving, sessions_of
from tests.support.wait import until

HELLO = {"type": "hello", "version": 1, "client": "x"}


@pytest.fixture(autouse=True)
async def connections_closed() -> AsyncIterator[None]:
    yield
    await LineClient.close_all()


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
        (session,) = sessions_of(service)
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
