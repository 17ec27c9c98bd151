"""Several routing domains behind one address: real processes, killed, renewed and stopped."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from acd_protocol.client import Client, Refused
from server.config import Limits, Settings
from server.errors import StartError
from server.workers import worker as worker_module
from server.workers.front import server_name
from server.workers.handover import EARLY_BYTES_MAX
from server.workers.metrics import merged
from server.workers.site import decode, encode, read_site
from tests.support.keys import Authority, Keyring
from tests.support.line_client import LineClient
from tests.support.server_process import ServerProcess
from tests.support.wait import patient, until

CENTRE = """
[[tenants]]
name = "{name}"
[[queues]]
tenant = "{name}"
name = "sales"
[[agents]]
agent = "{name}-ann"
tenants = ["{name}"]
"""


@pytest.fixture
async def connections_closed() -> AsyncIterator[None]:
    yield
    await LineClient.close_all()


def site(directory: Path, *names: str, more: str = "") -> Path:
    """A file of domains, each with a small centre."""
    text = ""
    for name in names:
        centre = directory / f"{name}.toml"
        centre.write_text(CENTRE.format(name=name), "utf-8")
        text += f"[domains.{name}]\nconfig = '{centre}'\n{more}"
    path = directory / "domains.toml"
    path.write_text(text, "utf-8")
    return path


def process(directory: Path, *options: str) -> ServerProcess:
    return ServerProcess(directory / "data", "--workers", str(site(directory, "acme", "bolt")), *options)


def workers_of(server: ServerProcess) -> dict[str, int]:
    """Process ids of the domains' processes, by the settings that they keep open: the lock of their directory."""
    found = {}
    for domain in ("acme", "bolt"):
        lock = next((server.data / domain).glob("*lock*"))
        wanted = lock.stat().st_ino
        for entry in Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split():
            for link in Path(f"/proc/{entry}/fd").iterdir():
                try:
                    if os.stat(link).st_ino == wanted:
                        found[domain] = int(entry)
                except OSError:
                    continue
    return found


async def scraped(server: ServerProcess, path: str = "/metrics", **headers: str) -> tuple[int, str]:
    def get() -> tuple[int, str]:
        request = urllib.request.Request(f"http://127.0.0.1:{server.metrics_port}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=patient(20)) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()

    return await asyncio.to_thread(get)


async def test_each_domain_has_its_own_engine_behind_one_address(tmp_path: Path, connections_closed: None) -> None:
    async with process(tmp_path) as server:
        async with (
            Client(port=server.port, name="pbx", domain="acme") as acme,
            Client(port=server.port, name="pbx", domain="bolt") as bolt,
        ):
            await acme.login("acme-ann", ready=True)
            await acme.enqueue("c-1", tenant="acme", queue="sales")
            with pytest.raises(Refused, match="there is no such tenant"):
                await bolt.enqueue("c-1", tenant="acme", queue="sales")
            await bolt.enqueue("c-1", tenant="bolt", queue="sales")  # the same id: they share nothing
            assert [row["agent"] for row in await acme.listing("agents")] == ["acme-ann"]

        status, text = await scraped(server)
        assert status == 200
        values = {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }
        assert values["acd_worker_up", (("domain", "acme"),)] == values["acd_worker_up", (("domain", "bolt"),)] == 1
        assert values["acd_front_connections_total", (("domain", "acme"),)] == 1
        assert values["acd_queue_entered_total", (("domain", "bolt"), ("queue", "sales"), ("tenant", "bolt"))] == 1
        status, text = await scraped(server, "/readyz")
        assert (status, json.loads(text)["domains"]) == (200, {"acme": "serving", "bolt": "serving"})
        assert await server.stop() == 0
    assert server.said("stopped cleanly")


async def test_what_follows_hello_in_one_piece_is_not_lost(tmp_path: Path, connections_closed: None) -> None:
    async with process(tmp_path) as server:
        client = await LineClient.connect(server.port)
        client.send(
            {"type": "hello", "version": 1, "client": "pbx", "domain": "bolt", "id": 1},
            *({"type": "ping", "id": number} for number in range(2, 400)),
        )
        assert [(await client.read()).get("id") for _ in range(399)] == list(range(1, 400))


async def test_who_names_no_domain_is_told_which_there_are(tmp_path: Path, connections_closed: None) -> None:
    async with process(tmp_path, "--limit", "hello_s=0.5") as server:
        hello = {"type": "hello", "version": 1, "client": "pbx", "id": 7}
        for said, word in (
            ({**hello, "domain": "zeta"}, "domain_unknown"),
            (hello, "domain_unknown"),
            ({"type": "ping", "id": 7}, "hello_missing"),
            ({"type": "nothing", "id": 7}, "type_unknown"),
        ):
            client = await LineClient.connect(server.port)
            client.send(said)
            refused = await client.read()
            assert (refused["code"], refused["id"]) == (word, 7)
            assert "acme, bolt" in refused["message"] or word != "domain_unknown"
            assert await client.reader.read() == b""
        silent = await LineClient.connect(server.port)
        endless = await LineClient.connect(server.port)
        endless.send_bytes(b"x" * (EARLY_BYTES_MAX + 1))
        assert await silent.reader.read() == b""  # it has said nothing in time
        with contextlib.suppress(ConnectionError):
            assert await endless.reader.read() == b""
        async with Client(port=server.port, name="pbx", domain="acme") as client_of_acme:
            await client_of_acme.ping()


async def test_a_process_that_is_killed_is_started_again_and_nobody_else_notices(tmp_path: Path) -> None:
    async with process(tmp_path) as server:
        async with (
            Client(port=server.port, name="pbx", domain="acme") as acme,
            Client(port=server.port, name="pbx", domain="bolt") as bolt,
        ):
            await bolt.enqueue("c-1", tenant="bolt", queue="sales")
            await acme.enqueue("c-1", tenant="acme", queue="sales")
            states: list[Any] = []
            acme.on_state(states.append)
            before = workers_of(server)
            os.kill(before["bolt"], signal.SIGKILL)
            assert (await bolt.enqueue("c-1", tenant="bolt", queue="sales")).duplicate  # of what was acknowledged
            await acme.ping()
            assert states == []
            after = workers_of(server)
            assert after["acme"] == before["acme"]
            assert after["bolt"] != before["bolt"]

            server.send_signal(signal.SIGUSR1)  # both by new ones
            await until(lambda: server.said("the domain bolt is served by a new process"), 30)
            await until(lambda: server.said("the domain acme is served by a new process"), 30)
            assert (await acme.enqueue("c-1", tenant="acme", queue="sales")).duplicate
            assert not {*workers_of(server).values()} & {*after.values()}
        assert await server.stop() == 0


async def test_a_domain_that_waits_to_be_started_again_does_not_hold_up_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "BACKOFF_FIRST_S", 600.0)
    (domain,) = read_site(site(tmp_path, "acme"), Settings(data=tmp_path))
    worker = worker_module.Worker(domain, guarded=False, json=True)

    async def live() -> tuple[int, float | None]:
        return 1, None

    monkeypatch.setattr(worker, "_live", live)
    life = asyncio.create_task(worker.run())
    await until(lambda: worker.state == "waiting")
    worker.stop()
    await asyncio.wait_for(life, 10)
    assert worker.state == "stopped"


async def test_processes_stop_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    async with process(tmp_path) as server:
        pids = workers_of(server)
        await server.kill()
        await until(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in pids.values()))


async def test_with_tls_the_name_that_is_asked_for_tells_the_domain(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate = authority.server("server", "acme.acd.test", "bolt.acd.test", "zeta.acd.test")
    keys = Keyring(tmp_path)
    keys.add("pbx", "operator")
    options = ("--tls-cert", str(certificate), "--credentials", str(keys.path))
    async with process(tmp_path, *options) as server:
        for domain in ("acme", "bolt"):
            async with Client(
                port=server.port,
                name="pbx",
                token=keys.tokens["pbx"],
                tls=authority.context(),
                tls_name=f"{domain}.acd.test",
            ) as client:
                await client.enqueue("c-1", tenant=domain, queue="sales")
        context = authority.context()
        with pytest.raises((ssl.SSLError, OSError)):
            await asyncio.open_connection("127.0.0.1", server.port, ssl=context, server_hostname="zeta.acd.test")
        status, _ = await scraped(server)
        assert status == 401
        status, text = await scraped(server, Authorization=f"Bearer {keys.tokens['pbx']}")
        assert status == 200
        assert 'acd_queue_entered_total{domain="bolt",tenant="bolt",queue="sales"} 1' in text


async def test_a_domain_that_can_never_be_served_ends_all(tmp_path: Path) -> None:
    path = site(tmp_path, "acme", "bolt")
    (tmp_path / "bolt.toml").write_text("[[tenants]]\nnames = 3\n")
    server = ServerProcess(tmp_path / "data", "--workers", str(path))
    await server.launch()
    assert await server.exit_status() == 2
    assert "bolt.toml" in server.stderr
    assert "the domain bolt cannot be served" in server.stderr


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "names no domain"),
        ("[domains]", "names no domain"),
        ("x = 1\n[domains.a]", "no 'x'"),
        ("[domains.A]", "small letters"),
        ("domains.a = 3", "is a table"),
        ("[domains.a]\nport = 3", "'port' is of the address"),
        ("[domains.a]\ncolour = 3", "no setting 'colour'"),
        ("[domains.a.limits]\nhello_s = 'long'", "limits.hello_s"),
        ("[domains.a]\nlimits = 3", "limits is a table"),
        ("[domains", "cannot be read"),
    ],
)
def test_what_is_wrong_in_the_file_of_domains_is_named(tmp_path: Path, text: str, word: str) -> None:
    path = tmp_path / "domains.toml"
    path.write_text(text)
    with pytest.raises(StartError, match=word):
        read_site(path, Settings())


def test_a_domain_has_the_settings_of_all_but_for_its_own(tmp_path: Path) -> None:
    path = tmp_path / "domains.toml"
    path.write_text("[domains.a]\nlog_contacts = true\n[domains.a.limits]\nhello_s = 3\n[domains.b]\n")
    common = Settings(node="n" * 64, token="x" * 40, data=tmp_path, port=1, limits=Limits(credit=9))
    first, second = read_site(path, common)
    assert (first.settings.log_contacts, second.settings.log_contacts) == (True, False)
    assert (first.settings.limits, second.settings.limits) == (Limits(credit=9, hello_s=3), Limits(credit=9))
    assert (first.settings.token, first.settings.data, second.settings.data) == (
        "x" * 40,
        tmp_path / "a",
        tmp_path / "b",
    )
    assert first.settings.node.endswith("n/a")
    assert decode(encode(first.settings)) == first.settings


def test_the_metrics_of_several_processes_become_one_text() -> None:
    text = '# HELP a_total What.\n# TYPE a_total counter\na_total 1\n# TYPE b gauge\nb{{x="1 {{2}}"}} {0}\nb{{}} 3\n'
    both = merged([("one", text.format(1)), ("two", text.format(2)), ("three", "")])
    assert both.splitlines() == [
        "# HELP a_total What.",
        "# TYPE a_total counter",
        'a_total{domain="one"} 1',
        'a_total{domain="two"} 1',
        "# TYPE b gauge",
        'b{domain="one",x="1 {2}"} 1',
        'b{domain="one"} 3',
        'b{domain="two",x="1 {2}"} 2',
        'b{domain="two"} 3',
    ]


def test_the_name_in_a_hello_of_tls() -> None:
    outgoing = ssl.MemoryBIO()
    speaker = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="acme.acd.test")
    with pytest.raises(ssl.SSLWantReadError):
        speaker.do_handshake()
    begun = outgoing.read()
    assert server_name(begun) == "acme.acd.test"
    assert server_name(begun[:50]) is None
    with pytest.raises(ConnectionError):
        server_name(b'{"type":"hello"}\n' * 20)


def test_a_pair_of_sockets_keeps_the_bounds_of_messages() -> None:
    """What the handover stands on: one message, one connection, whatever else is under way."""
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with left, right:
        for number in range(3):
            socket.send_fds(left, [bytes([number + 1]) * 60_000], [left.fileno()])
        for number in range(3):
            data, descriptors, _, _ = socket.recv_fds(right, EARLY_BYTES_MAX, 1)
            assert data == bytes([number + 1]) * 60_000
            os.close(descriptors[0])
