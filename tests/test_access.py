"""Who gets in, what he may do there, and what is told of it: over TCP and TLS, with the real server."""

import asyncio
import contextlib
import json
import logging
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop

from acd_core.commands import ConfigApply
from acd_protocol.client import Client, ConnectionLost, Refused
from acd_protocol.framing import encode
from acd_protocol.permissions import PERMISSIONS, ROLES, verb
from server import audit
from server.access import gate as gate_module
from server.access import tokens
from server.access.identity import ANYONE
from server.audit import AuditTrail, entries, verify
from server.config import Limits, Settings
from server.errors import StartError, Tampered
from server.pace import Pace
from server.service import Service, running
from tests.support import two_tenants
from tests.support.journals import MemoryJournal
from tests.support.keys import Authority, Keyring
from tests.support.line_client import LineClient
from tests.support.wait import patient, until
from tests.test_permissions import message_about


@pytest.fixture(autouse=True)
async def connections_closed(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    monkeypatch.setattr(gate_module, "WAIT_FIRST_S", 0.001)
    yield
    await LineClient.close_all()


@pytest.fixture
def keys(tmp_path: Path) -> Keyring:
    ring = Keyring(tmp_path)
    ring.add("root", "operator")
    return ring


@asynccontextmanager
async def serving(tmp_path: Path, limits: Limits = Limits(), **settings: Any) -> AsyncIterator[Service]:  # noqa: B008 - frozen
    """A server with two companies."""
    path = tmp_path / "credentials.toml"
    given = {"credentials": path if path.exists() else None, **settings}
    made = Settings(port=0, metrics_port=0, data=tmp_path / "data", limits=limits, **given)
    async with running(made, lambda _: MemoryJournal()) as service:
        yield service


async def as_(service: Service, keys: Keyring, name: str, client: str = "") -> LineClient:
    """Connect with a credential."""
    return await LineClient.connect(service.port, client or name, token=keys.tokens[name])


async def configured(service: Service, keys: Keyring) -> LineClient:
    """Connect as the operator and apply the configuration of two companies."""
    root = await as_(service, keys, "root")
    config = json.loads(encode(ConfigApply(config=two_tenants.config())))["config"]
    assert (await root.ask("config.apply", config=config))["type"] == "ok"
    return root


async def refused(service: Service, **hello: Any) -> dict[str, Any]:
    """The error that a `hello` gets; then the connection ends."""
    client = await LineClient.connect(service.port)
    client.send({"type": "hello", "version": 1, "client": "x", **hello})
    answer = await client.read()
    assert answer["type"] == "error"
    assert await client.ended() == b""
    return answer


async def test_only_the_right_token_opens_the_door(tmp_path: Path, keys: Keyring) -> None:
    keys.add("pbx", "adapter")
    async with serving(tmp_path) as service:
        await as_(service, keys, "pbx")
        for token in ("", "wrong", "pbx.wrong", "nobody.wrong", keys.tokens["pbx"] + "x", keys.tokens["root"][:-1]):
            assert (await refused(service, token=token))["code"] == "unauthorised"
        assert (await refused(service, client="root", token=keys.tokens["pbx"]))["code"] == "unauthorised"
        assert service.sequencer.counters.logins_refused == 7
        await as_(service, keys, "pbx", "pbx-2")


async def test_lines_that_come_with_hello_wait_for_the_gate(tmp_path: Path, keys: Keyring) -> None:
    async with serving(tmp_path) as service:
        client = await LineClient.connect(service.port)
        hello = {"type": "hello", "version": 1, "client": "root", "token": keys.tokens["root"]}
        client.send(hello, *({"type": "ping", "id": number} for number in range(50)))
        client.writer.write_eof()
        lines = (await client.ended()).splitlines()
        assert [json.loads(line).get("id") for line in lines] == [None, *range(50)]
        assert json.loads(lines[0])["type"] == "welcome"


async def test_a_slow_gate_is_not_taken_for_a_missing_hello(
    tmp_path: Path, keys: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    matches = tokens.matches

    def slowly(token: str, stored: str) -> bool:
        time.sleep(0.6)
        return matches(token, stored)

    monkeypatch.setattr(tokens, "matches", slowly)
    async with serving(tmp_path, Limits(hello_s=0.3)) as service:
        assert (await (await as_(service, keys, "root")).ask("ping"))["type"] == "ok"


async def test_wrong_tokens_wait_longer_each_time_and_right_ones_do_not(
    tmp_path: Path, keys: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    note_failure = gate_module.Gate._note_failure

    def noted(gate: gate_module.Gate, shown: gate_module.Shown) -> float:
        waits.append(note_failure(gate, shown))
        return 0

    monkeypatch.setattr(gate_module.Gate, "_note_failure", noted)
    monkeypatch.setattr(gate_module, "WAIT_FIRST_S", 0.5)
    async with serving(tmp_path) as service:
        for _ in range(6):
            await refused(service, client="root", token="root.guess")
        await refused(service, client="other", token="other.guess")
        assert waits == [0.5, 1, 2, 4, 4, 4, 0.5]
        await as_(service, keys, "root")
        await refused(service, client="root", token="root.guess")
        assert waits[-1] == 0.5  # a success forgives


async def test_one_address_cannot_hold_many_connections_with_wrong_tokens(
    tmp_path: Path, keys: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate_module, "WAIT_FIRST_S", 60.0)
    monkeypatch.setattr(gate_module, "WAIT_MAX_S", 60.0)
    async with serving(tmp_path) as service:
        known = await as_(service, keys, "root")
        held = [await LineClient.connect(service.port) for _ in range(gate_module.WAITING_PER_ADDRESS_MAX)]
        for client in held:
            client.send({"type": "hello", "version": 1, "client": "x", "token": "x.guess"})
        gate = service.reloader._gate
        await until(lambda: gate._waiting["127.0.0.1"] == len(held))
        assert (await refused(service, token="y.guess"))["code"] == "unavailable"
        await as_(service, keys, "root", "root-2")  # a token that was right before is known without a look
        assert (await known.ask("ping"))["type"] == "ok"


async def test_a_token_is_hashed_once_and_known_from_then_on(
    tmp_path: Path, keys: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []
    matches = tokens.matches

    def counted(token: str, stored: str) -> bool:
        hashed.append(token)
        return matches(token, stored)

    monkeypatch.setattr(tokens, "matches", counted)
    async with serving(tmp_path) as service:
        await asyncio.gather(*(as_(service, keys, "root", f"root-{number}") for number in range(20)))
        await as_(service, keys, "root")
        assert len(hashed) == 1


async def test_each_role_is_held_to_its_verbs_on_the_wire(tmp_path: Path, keys: Keyring) -> None:
    world = two_tenants.TwoTenants()
    for role in ROLES:
        keys.add(role, role, **({"agents": ["acme-2"]} if role == "agent" else {"tenants": ["acme"]}))
    async with serving(tmp_path, Limits(errors_in_a_row_max=1000)) as service:
        await configured(service, keys)
        digest = service.sequencer.machine.digest()
        for role in ROLES:
            client = await as_(service, keys, role)
            for kind in PERMISSIONS:
                if verb(kind) == "hello":
                    continue
                message = json.loads(encode(message_about(kind, world, "zeta")))
                message.pop("id", None)
                answer = await client.ask(message.pop("type"), **message)
                if role not in PERMISSIONS[kind].roles:
                    assert answer["code"] == "unauthorised", (role, message)
                elif PERMISSIONS[kind].wall != "none":
                    assert answer["type"] == "error", (role, verb(kind))
                    assert answer["number"] // 100 in {1, 5}, (role, verb(kind), answer)
                else:
                    digest = service.sequencer.machine.digest()  # what has no wall was rightly done
            await client.close()
        assert service.sequencer.machine.digest() == digest
        assert service.sequencer.counters.forbidden > 50


async def test_nothing_of_another_company_comes_over_the_wall(tmp_path: Path, keys: Keyring) -> None:
    """One company works while clients of the other listen, list and resume; what they get is searched for its name."""
    keys.add("zeta-pbx", "adapter", tenants=["zeta"])
    for role in ("adapter", "supervisor", "tenant_admin", "read_only"):
        keys.add(f"w-{role}", role, tenants=["acme"])
    keys.add("w-agent", "agent", agents=["acme-0"])
    async with serving(tmp_path) as service:
        root = await configured(service, keys)
        root.send({"type": "subscribe", "id": 1})
        assert (await root.answer())["type"] == "ok"
        listeners = {name: await as_(service, keys, name) for name in keys.tokens if name.startswith("w-")}
        for name, listener in listeners.items():
            if name != "w-agent":
                assert (await listener.ask("subscribe"))["type"] == "ok"
        for tenant in ("zeta", "acme"):
            pbx = await as_(service, keys, "zeta-pbx" if tenant == "zeta" else "root", "")
            agent = f"{tenant}-0"
            for message in (
                {"type": "agent.login", "agent": agent, "ready": True},
                {"type": "contact.enqueue", "contact": f"{tenant}-c", "tenant": tenant, "queue": f"{tenant}-queue"},
            ):
                assert (await pbx.ask(message.pop("type"), **message))["type"] == "ok"  # type: ignore[arg-type]
            offer = (await pbx.event("contact.offered"))["offer"]
            assert (await pbx.ask("offer.accept", offer=offer))["type"] == "ok"
            for act in ("hold", "unhold", "complete"):
                assert (await pbx.ask(f"contact.{act}", contact=f"{tenant}-c"))["type"] == "ok"
            assert (await pbx.ask("agent.pause", agent=agent, reason=f"{tenant}-lunch"))["type"] == "ok"
        for name, listener in listeners.items():
            for what in ("queues", "agents", "contacts", "config"):
                await listener.ask("list", what=what)
            await listener.ask("stats")
            await listener.ask("explain", agent="acme-0")
            again = await LineClient.connect(service.port, name, token=keys.tokens[name], resume=0)
            if name != "w-agent":
                await again.ask("subscribe", from_seq=0)
            await again.ask("ping")
            for got in (listener, again):
                text = json.dumps(got.events)
                assert "zeta" not in text, (name, text)
            assert name == "w-agent" or "acme-c" in json.dumps(listener.events), name


async def test_the_usual_commands_stop_at_the_wall_and_what_is_behind_it_follows_the_configuration(
    tmp_path: Path, keys: Keyring
) -> None:
    """Lines that the engine is told without a detour are looked at no less."""
    keys.add("acme-pbx", "adapter", tenants=["acme"])
    async with serving(tmp_path) as service:
        root = await configured(service, keys)
        pbx = await as_(service, keys, "acme-pbx")
        assert (await root.ask("agent.login", agent="zeta-0", ready=True))["type"] == "ok"
        theirs = {"contact": "zeta-c", "tenant": "zeta", "queue": "zeta-queue"}
        assert (await root.ask("contact.enqueue", **theirs))["type"] == "ok"
        offer = (await root.event("contact.offered"))["offer"]
        before = service.sequencer.machine.digest()
        for code, type_, fields in (
            ("tenant_unknown", "contact.enqueue", {**theirs, "contact": "x"}),
            ("offer_unknown", "offer.accept", {"offer": offer}),
            ("contact_unknown", "contact.complete", {"contact": "zeta-c"}),
            ("agent_unknown", "agent.ready", {"agent": "zeta-0"}),
        ):
            assert (await pbx.ask(type_, **fields))["code"] == code
        assert service.sequencer.machine.digest() == before
        assert (await pbx.ask("agent.login", agent="acme-0"))["type"] == "ok"
        assert (await pbx.ask("agent.ready", agent="acme-0"))["type"] == "ok"
        assert (await pbx.event("agent.changed"))["agent"] == "acme-0"
        config = json.loads(encode(ConfigApply(config=two_tenants.config())))["config"]
        for row in config["agents"]:
            row["tenants"] = ["zeta"] if row["agent"] == "acme-0" else row.get("tenants", [])
        assert (await root.ask("config.apply", config=config))["type"] == "ok"
        await pbx.ask("ping")
        pbx.events.clear()
        assert (await root.ask("agent.pause", agent="acme-0", reason="moved"))["type"] == "ok"
        assert (await pbx.ask("agent.ready", agent="acme-0"))["code"] == "agent_unknown"
        assert "acme-0" not in json.dumps(pbx.events)


async def test_lists_of_a_walled_client_are_searched_for_the_other_companys_name(tmp_path: Path, keys: Keyring) -> None:
    keys.add("eye", "read_only", tenants=["acme"])
    async with serving(tmp_path) as service:
        await configured(service, keys)
        client = await as_(service, keys, "eye")
        for what in ("queues", "agents", "config", "contacts"):
            answer = await client.ask("list", what=what)
            assert answer["type"] == "ok"
            assert "zeta" not in json.dumps(answer)
        answer = await client.ask("stats")
        assert "zeta" not in json.dumps(answer)
        assert "server" not in answer["result"]
        assert sum(answer["result"]["domain"]["agents"].values()) == 5


async def scrape(service: Service, path: str = "/metrics", token: str = "") -> tuple[int, str]:
    """Status and body of a request to the side door."""
    reader, writer = await asyncio.open_connection("127.0.0.1", service.metrics_port)
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n{authorization}\r\n".encode())
    answer = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    return int(answer.split(" ")[1]), answer.partition("\r\n\r\n")[2]


async def test_metrics_stop_at_the_wall_too(tmp_path: Path, keys: Keyring) -> None:
    keys.add("prometheus", "read_only")
    keys.add("wall-board", "read_only", tenants=["acme"])
    keys.add("desk", "agent", agents=["acme-0"])
    async with serving(tmp_path, metrics_agents=True) as service:
        await configured(service, keys)
        assert (await scrape(service))[0] == 401
        assert (await scrape(service, token="prometheus.guess"))[0] == 401
        assert (await scrape(service, token=keys.tokens["desk"]))[0] == 403
        assert (await scrape(service, "/readyz"))[0] == 200
        assert (await scrape(service, "/healthz"))[0] == 200
        status, everything = await scrape(service, token=keys.tokens["prometheus"])
        assert status == 200
        assert 'tenant="zeta"' in everything
        assert "acd_commands_total" in everything
        status, own = await scrape(service, token=keys.tokens["wall-board"])
        assert status == 200
        assert 'acd_queue_waiting{tenant="acme",queue="acme-queue"} 0' in own
        assert "zeta" not in own
        assert not {line.split("{")[0] for line in own.splitlines() if not line.startswith(("#", "acd_queue_"))}


async def test_a_credential_that_is_taken_away_ends_its_connections(tmp_path: Path, keys: Keyring) -> None:
    keys.add("pbx", "adapter")
    keys.add("boss", "supervisor")
    async with serving(tmp_path) as service:
        pbx, boss, root = [await as_(service, keys, name) for name in ("pbx", "boss", "root")]
        keys.remove("pbx")
        keys.change("boss", role="read_only")
        service.reloader.reload()
        for client in (pbx, boss):
            assert (await client.read())["code"] == "unauthorised"
            assert await client.ended() == b""
        assert (await root.ask("ping"))["type"] == "ok"
        assert (await refused(service, client="pbx", token=keys.tokens["pbx"]))["code"] == "unauthorised"
        await as_(service, keys, "boss")


async def test_a_token_is_replaced_without_anybody_being_cut_off(tmp_path: Path, keys: Keyring) -> None:
    old = keys.add("pbx", "adapter")
    async with serving(tmp_path) as service:
        first = await as_(service, keys, "pbx")
        new = tokens.make("pbx")
        row = keys._rows["pbx"]
        keys.change("pbx", tokens=[*row["tokens"], tokens.hash_of(new)])
        service.reloader.reload()
        assert (await first.ask("ping"))["type"] == "ok"
        second = await LineClient.connect(service.port, "pbx-2", token=new)
        keys.change("pbx", tokens=row["tokens"][1:])
        service.reloader.reload()
        assert (await first.read())["code"] == "unauthorised"
        assert (await second.ask("ping"))["type"] == "ok"
        assert (await refused(service, client="pbx", token=old))["code"] == "unauthorised"


async def test_a_changed_file_is_noticed_and_a_broken_one_changes_nothing(
    tmp_path: Path, keys: Keyring, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("server.reload.LOOK_S", 0.01)
    async with serving(tmp_path) as service:
        root = await as_(service, keys, "root")
        good = keys.path.read_bytes()
        keys.path.write_text('[[credential]]\nname = "root"\nrole = "king"\n')
        await until(lambda: service.sequencer.counters.reload_failures == 1)
        assert "still hold" in caplog.text
        assert (await root.ask("ping"))["type"] == "ok"
        keys.path.write_bytes(good)
        keys.add("late", "adapter")

        gate = service.reloader._gate
        await until(lambda: gate.credentials is not None and "late" in gate.credentials.by_name)
        await as_(service, keys, "late")


async def test_a_credential_expires(tmp_path: Path, keys: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    import datetime as dt

    keys.add("temp", "adapter", expires=dt.date(2030, 1, 2))
    today = dt.date(2030, 1, 1)
    monkeypatch.setattr("server.access.credentials.today", lambda: today)
    monkeypatch.setattr("server.reload.LOOK_S", 0.01)
    async with serving(tmp_path) as service:
        client = await as_(service, keys, "temp")
        today = dt.date(2030, 1, 2)
        assert (await client.read())["code"] == "unauthorised"
        assert (await refused(service, client="temp", token=keys.tokens["temp"]))["code"] == "unauthorised"


async def test_nobody_takes_over_the_name_of_another_credential(tmp_path: Path, keys: Keyring) -> None:
    keys.add("a", "adapter", clients=["desk"])
    keys.add("b", "adapter", clients=["desk"])
    async with serving(tmp_path) as service:
        first = await as_(service, keys, "a", "desk")
        assert "another credential" in (await refused(service, client="desk", token=keys.tokens["b"]))["message"]
        second = await as_(service, keys, "a", "desk")
        assert (await first.read())["type"] == "replaced"
        assert (await second.ask("ping"))["type"] == "ok"
        assert (await refused(service, client="acd-serve", token=keys.tokens["root"]))["type"] == "error"


async def test_connections_of_a_credential_are_bounded_but_a_newer_one_takes_over(
    tmp_path: Path, keys: Keyring
) -> None:
    keys.add("pbx", "adapter", connections_max=2)
    async with serving(tmp_path) as service:
        clients = [await as_(service, keys, "pbx", f"pbx-{number}") for number in range(2)]
        assert (await refused(service, client="pbx-2", token=keys.tokens["pbx"]))["code"] == "unavailable"
        newer = await as_(service, keys, "pbx", "pbx-1")
        assert (await clients[1].read())["type"] == "replaced"
        await clients[0].close()
        await until(lambda: service.sequencer.counters.connections == 1)
        await as_(service, keys, "pbx", "pbx-3")
        assert (await newer.ask("ping"))["type"] == "ok"


@pytest.mark.parametrize("of", ["credential", "tenant"])
async def test_lines_that_come_too_fast_wait_and_none_is_lost(tmp_path: Path, keys: Keyring, of: str) -> None:
    if of == "credential":
        keys.add("fast", "adapter", lines_per_s=200, burst=5)
    else:
        keys.add("fast", "adapter", tenants=["acme"])
        keys.limit("acme", lines_per_s=200, burst=5)
    async with serving(tmp_path) as service:
        client, root = [await as_(service, keys, name) for name in ("fast", "root")]
        loop = asyncio.get_running_loop()
        started = loop.time()
        client.send(*({"type": "ping", "id": number} for number in range(45)))
        assert (await root.ask("ping"))["type"] == "ok"
        assert [(await client.answer())["id"] for _ in range(45)] == list(range(45))
        assert loop.time() - started >= 0.19  # 40 lines beyond the burst, which cannot have gone faster


def test_a_pace_lets_a_burst_through_and_then_its_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 10**9
    monkeypatch.setattr("server.stopwatch.monotonic_ns", lambda: now)
    pace = Pace(10, 3)
    taken = 0
    for _ in range(1000):
        if not pace.wait_s():
            pace.take()
            taken += 1
        now += 10_000_000
    assert 101 <= taken <= 104  # 3 at once, then 10 a second for 10 seconds


async def test_a_line_longer_than_a_credential_may_send_is_refused(tmp_path: Path, keys: Keyring) -> None:
    keys.add("short", "adapter", line_bytes_max=300)
    async with serving(tmp_path) as service:
        client = await as_(service, keys, "short")
        client.send({"type": "ping", "id": "x" * 290})
        assert (await client.read())["code"] in {"line_too_long", "value_invalid"}
        client = await as_(service, keys, "short", "short-2")
        client.send_bytes(b'{"type":"config.apply","config":' + b" " * 400)
        assert (await client.read())["code"] == "line_too_long"  # who may not configure gets no room for it


# -- TLS ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_handshake_that_begins_before_the_server_looks_is_not_lost(
    tmp_path: Path, keys: Keyring, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """As when the loop was busy while the client connected and said hello."""
    authority = Authority(tmp_path)

    async def shake_hands() -> None:
        async with serving(tmp_path, tls_cert=authority.server()) as service:
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            speaker = authority.context().wrap_bio(incoming, outgoing, server_hostname="localhost")
            with pytest.raises(ssl.SSLWantReadError):
                speaker.do_handshake()
            with socket.create_connection(("127.0.0.1", service.port)) as connection:
                connection.sendall(outgoing.read())  # the loop has not had a turn since
                connection.setblocking(False)
                async with asyncio.timeout(patient(10)):
                    incoming.write(await asyncio.get_running_loop().sock_recv(connection, 65_536))
            speaker.do_handshake()
            assert speaker.version() == "TLSv1.3"

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(shake_hands())


async def test_tls_1_3_and_nothing_else(tmp_path: Path, keys: Keyring) -> None:
    authority = Authority(tmp_path)
    async with serving(tmp_path, tls_cert=authority.server()) as service:
        async with Client(port=service.port, name="root", token=keys.tokens["root"], tls=authority.context()) as client:
            await asyncio.gather(*(client.ping() for _ in range(100)))
        old = authority.context()
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection("127.0.0.1", service.port, ssl=old)
        plain = await LineClient.connect(service.port)
        plain.send({"type": "hello", "version": 1, "client": "root", "token": keys.tokens["root"]})
        assert b"welcome" not in await plain.ended()
        assert service.sequencer.counters.connections_total == 1
        unbelieving = ssl.create_default_context()
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.open_connection("127.0.0.1", service.port, ssl=unbelieving)


async def test_lines_sent_in_one_piece_with_the_end_of_the_handshake_are_not_lost(
    tmp_path: Path, keys: Keyring
) -> None:
    authority = Authority(tmp_path)
    async with serving(tmp_path, tls_cert=authority.server()) as service:

        async def talk(number: int) -> list[Any]:
            reader, writer = await asyncio.open_connection("127.0.0.1", service.port, ssl=authority.context())
            hello = {"type": "hello", "version": 1, "client": f"root-{number}", "token": keys.tokens["root"]}
            writer.write(b"".join(json.dumps(line).encode() + b"\n" for line in (hello, {"type": "ping", "id": 1})))
            answers = [json.loads(await reader.readline())["type"] for _ in range(2)]
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            return answers

        assert await asyncio.gather(*map(talk, range(30))) == [["welcome", "ok"]] * 30


async def test_a_client_certificate_says_who_somebody_is(tmp_path: Path, keys: Keyring) -> None:
    authority = Authority(tmp_path)
    (tmp_path / "stranger").mkdir()
    stranger = Authority(tmp_path / "stranger")
    pbx, both = authority.client("pbx"), authority.client("both")
    keys.add("by-name", "adapter", certificate="pbx.example.org", clients=["pbx"])
    keys.add("by-both", "adapter", certificate="both", clients=["both*"])
    token = tokens.make("by-both")
    keys.change("by-both", tokens=[tokens.hash_of(token)])
    async with serving(tmp_path, tls_cert=authority.server(), tls_client_ca=authority.ca) as service:
        port = service.port
        async with Client(port=port, name="pbx", tls=authority.context(pbx)) as client:
            await client.ping()
            with pytest.raises(Refused, match="may not send"):
                await client.apply_config(two_tenants.config())
        async with Client(port=port, name="both", token=token, tls=authority.context(both)) as client:
            await client.ping()
        for name, shown, context in (
            ("both", "", authority.context(both)),
            ("both", token, authority.context(pbx)),
            ("both", token, authority.context()),
            ("pbx", "", authority.context()),
        ):
            with pytest.raises(Refused, match="missing or wrong"):
                await Client(port=port, name=name, token=shown, tls=context).connect()
        foreign = authority.context(stranger.client("pbx-of-another"))
        client = Client(port=port, name="pbx", tls=foreign, connect_deadline_s=0)
        with pytest.raises(ConnectionLost):
            await client.connect()


async def test_a_new_certificate_is_taken_without_a_restart(tmp_path: Path, keys: Keyring) -> None:
    (tmp_path / "other").mkdir()
    authority, other = Authority(tmp_path), Authority(tmp_path / "other")
    certificate = authority.server()
    async with serving(tmp_path, tls_cert=certificate) as service:
        client = Client(port=service.port, name="root", token=keys.tokens["root"], tls=authority.context())
        async with client:
            certificate.write_bytes(other.server().read_bytes())
            service.reloader.reload()
            await client.ping()
            with pytest.raises(ssl.SSLCertVerificationError):
                await asyncio.open_connection("127.0.0.1", service.port, ssl=authority.context())
            async with Client(
                port=service.port, name="root-2", token=keys.tokens["root"], tls=other.context()
            ) as second:
                await second.ping()
            certificate.write_text("no certificate")
            service.reloader.reload()
            assert service.sequencer.counters.reload_failures == 1
            async with Client(
                port=service.port, name="root-3", token=keys.tokens["root"], tls=other.context()
            ) as third:
                await third.ping()


async def test_connections_that_never_shake_hands_are_bounded(tmp_path: Path, keys: Keyring) -> None:
    authority = Authority(tmp_path)
    limits = Limits(connections_max=2, hello_s=1)
    async with serving(tmp_path, limits, tls_cert=authority.server()) as service:
        silent = [await LineClient.connect(service.port) for _ in range(60)]
        async with asyncio.timeout(patient(20)):
            await asyncio.gather(*(client.reader.read() for client in silent), return_exceptions=True)
        async with Client(port=service.port, name="root", token=keys.tokens["root"], tls=authority.context()) as client:
            await client.ping()


# -- the audit trail ------------------------------------------------------------------------------------------------


async def test_every_act_of_those_who_lead_is_told_and_nothing_secret(
    tmp_path: Path, keys: Keyring, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    keys.add("maria", "supervisor", tenants=["acme"])
    keys.add("pbx", "adapter")
    async with serving(tmp_path) as service:
        root = await configured(service, keys)
        await root.ask("config.apply", config={"tenants": [{"name": "a"}, {"name": "a"}]})
        maria = await as_(service, keys, "maria", "maria-desk")
        await maria.ask("agent.update", agent="acme-0", skills={"billing": 30})
        await maria.ask("agent.pause", agent="acme-0", reason="meeting")
        await maria.ask("config.apply", config={})
        pbx = await as_(service, keys, "pbx")
        enqueue = {"contact": "c", "tenant": "acme", "queue": "acme-queue", "attributes": {"ani": "+34600123456"}}
        await pbx.ask("contact.enqueue", **enqueue)
        await maria.ask("contact.update", contact="c", priority=9, attributes={"card": "4111111111111111"})
        await refused(service, token="pbx.hush-hush-hush")
    told = [(e.who, e.client, e.act, e.result) for e, _ in entries(tmp_path / "data" / audit.FILE_NAME)]
    assert told == [
        ("", "", "start", "ok"),
        ("root", "root", "login", "ok"),
        ("root", "root", "config.apply", "ok"),
        ("root", "root", "config.apply", "config_invalid"),
        ("maria", "maria-desk", "login", "ok"),
        ("maria", "maria-desk", "agent.update", "skill_unknown"),
        ("maria", "maria-desk", "agent.pause", "agent_logged_out"),
        ("maria", "maria-desk", "config.apply", "unauthorised"),
        ("maria", "maria-desk", "contact.update", "ok"),
        ("", "x", "login", "unauthorised"),
        ("", "", "stop", "ok"),
    ]
    found = {e.act: e for e, _ in entries(tmp_path / "data" / audit.FILE_NAME) if e.result == "ok"}
    assert "+ tenant acme" in found["config.apply"].what["changes"]
    assert found["contact.update"].what["priority"] == 9
    assert found["contact.update"].address == "127.0.0.1"
    assert verify(tmp_path / "data" / audit.FILE_NAME) == 11
    everything = caplog.text + (tmp_path / "data" / audit.FILE_NAME).read_text()
    for secret in (*keys.tokens.values(), "hush-hush", "4111111111111111", "scrypt$"):
        assert secret not in everything


async def test_without_a_trail_there_is_no_act(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(tmp_path) as service:
        client = await LineClient.connect(service.port, "any")
        await client.ask("contact.enqueue", contact="c", tenant="t", queue="q")
        write_all = audit._write_all

        def full(file: int, data: bytes) -> None:
            raise OSError(28, os.strerror(28))

        monkeypatch.setattr(audit, "_write_all", full)
        config = {"tenants": [{"name": "acme"}]}
        assert (await client.ask("config.apply", config=config))["type"] == "ok"  # known to be missing from now on
        refusal = await client.ask("config.apply", config={})
        assert refusal["code"] == "unavailable"
        assert len(service.sequencer.machine.config().tenants) == 1
        assert (await client.ask("ping"))["type"] == "ok"
        monkeypatch.setattr(audit, "_write_all", write_all)
        assert (await client.ask("config.apply", config={}))["type"] == "ok"


def test_a_changed_trail_is_found_out(tmp_path: Path) -> None:
    trail = AuditTrail(tmp_path)
    for number in range(5):
        trail.server("reload", number=number)
    trail.close()
    lines = trail.path.read_bytes().splitlines(keepends=True)
    assert verify(trail.path) == 5
    spoilt: list[Callable[[], list[bytes]]] = [
        lambda: [*lines[:2], lines[2].replace(b'"number":2', b'"number":7'), *lines[3:]],
        lambda: lines[:2] + lines[3:],
        lambda: [lines[0], lines[2], lines[1], *lines[3:]],
        lambda: lines[1:2] + lines,
    ]
    for spoil in spoilt:
        trail.path.write_bytes(b"".join(spoil()))
        with pytest.raises(Tampered):
            verify(trail.path)
    trail.path.write_bytes(b"".join(lines)[:-9])  # power was lost while the last line was written
    again = AuditTrail(tmp_path)
    again.server("start")
    again.close()
    assert verify(trail.path) == 5
    trail.path.rename(tmp_path / "audit.1")
    moved = AuditTrail(tmp_path)
    moved.close()
    trail.path.write_text("rubbish\n")
    with pytest.raises(StartError):
        AuditTrail(tmp_path)


def test_a_trail_that_is_moved_away_goes_on_in_a_new_file(tmp_path: Path) -> None:
    trail = AuditTrail(tmp_path)
    trail.server("start")
    trail.path.rename(tmp_path / "old")
    trail.reopen()
    trail.server("stop")
    trail.close()
    (first, line), (second, _) = next(entries(tmp_path / "old")), next(entries(trail.path))
    assert (first.n, second.n) == (1, 2)
    assert second.prev == audit._hash(line)
    assert verify(trail.path) == 1


def test_refusals_cannot_fill_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trail = AuditTrail(tmp_path)
    for _ in range(10_000):
        trail.refused(ANYONE, "x", "10.0.0.1", "login", "unauthorised")
    trail.server("stop")
    trail.close()
    found = [entry for entry, _ in entries(trail.path)]
    assert len(found) < 200
    assert sum(entry.left_out for entry in found) + len(found) - 1 == 10_000


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x =", "cannot be read"),
        ('[[credential]]\nname = "a b"\nrole = "adapter"\n', "credential[0].name"),
        ('[[credential]]\nname = "a"\nrole = "king"\n', "role"),
        ('[[credential]]\nname = "a"\nrole = "adapter"\n', "neither tokens nor"),
        ('[[credential]]\nname = "a"\nrole = "adapter"\ntokens = ["hunter2"]\n', "no hash"),
        ('[[credential]]\nname = "a"\nrole = "agent"\ncertificate = "a"\n', "'agents'"),
        ('[[credential]]\nname = "a"\nrole = "adapter"\nagents = ["x"]\ncertificate = "a"\n', "'agents'"),
        ('[[credential]]\nname = "a"\nrole = "agent"\nagents = ["x"]\ntenants = ["t"]\ncertificate = "a"\n', "tenants"),
        ('[[credential]]\nname = "a"\nrole = "adapter"\ncertificate = "sha256:xyz"\n', "fingerprint"),
        (2 * '[[credential]]\nname = "a"\nrole = "adapter"\ncertificate = "a"\n', "2 times"),
        ('[[credential]]\nname = "a"\nrole = "adapter"\ncertificate = "a"\nlines_per_s = 0\n', "lines_per_s"),
        ('[[credential]]\nname = "a"\nrole = "adapter"\ncertificate = "a"\nrole_ = "x"\n', "role_"),
    ],
)
def test_a_wrong_file_of_credentials_is_told_with_its_place(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "c.toml"
    path.write_text(text)
    with pytest.raises(StartError) as told:
        gate_module.Gate("", path)
    assert words in str(told.value)
    assert "hunter2" not in str(told.value)


def test_a_file_that_others_may_change_is_not_believed(tmp_path: Path, keys: Keyring) -> None:
    keys.path.chmod(0o666)
    with pytest.raises(StartError, match="chmod"):
        gate_module.Gate("", keys.path)


def test_hashes_fit_their_token_only() -> None:
    token = tokens.make("pbx-1.eu")
    assert tokens.name_in(token) == "pbx-1.eu"
    stored = tokens.hash_of(token)
    assert token.rpartition(".")[2] not in stored
    assert tokens.readable(stored)
    assert tokens.matches(token, stored)
    assert not tokens.matches(token + "x", stored)
    assert tokens.hash_of(token) != stored
    for wrong in ("", "scrypt$1$2", stored + "$", stored.replace("$4096$", "$9999999$"), stored.replace("$8$", "$99$")):
        assert not tokens.readable(wrong)
