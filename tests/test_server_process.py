"""The server as a process: options, signals, ports, locks, disks; one clear sentence for each thing that is wrong."""

import asyncio
import os
import random
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from importlib import metadata
from pathlib import Path

import pytest

from acd_core.commands import ContactEnqueue
from acd_core.events import ContactQueued
from acd_protocol.client import Client
from acd_protocol.messages import Ok
from server import cli
from server.__main__ import main
from server.journal.stores import journal_in, kind_in
from server.recovery import recover
from server.service import FILES_RESERVED
from tests.support import centre
from tests.support.line_client import LineClient
from tests.support.server_process import ROOT, ServerProcess
from tests.support.wait import patient, until

TOML = """
tenants = [{name = "acme"}]
queues = [{tenant = "acme", name = "support"}]
agents = [{agent = "a-1"}]
"""


@pytest.fixture(autouse=True)
async def connections_closed() -> AsyncIterator[None]:
    yield
    await LineClient.close_all()


async def refused(data: Path, *options: str, environment: dict[str, str] | None = None) -> tuple[int, str]:
    """Exit status and standard error of a server that does not start."""
    server = await ServerProcess(data, *options, environment=environment).launch()
    status = await server.exit_status()
    assert "Traceback" not in server.stderr
    return status, server.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signal_ends_the_server_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    async with ServerProcess(tmp_path) as server:
        client = await LineClient.connect(server.port, "pbx")
        await client.ask("config.apply", config=centre.config())
        await client.ask("contact.enqueue", contact="c-1", tenant="acme", queue="support")
        server.send_signal(number)
        assert await server.exit_status() == 0
        assert b'"draining"' in await client.ended()
        assert server.said("stopped cleanly")
    journal = journal_in(tmp_path)
    assert journal.open().sealed
    journal.close()


async def test_stop_does_not_wait_for_a_client_that_does_not_read(tmp_path: Path) -> None:
    async with ServerProcess(tmp_path) as server:
        client = await LineClient.connect(server.port, "stuck")
        await client.ask("config.apply", config=centre.config(agents=2000))
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        client.send(*[{"type": "list", "what": "agents"}] * 100)
        other = await LineClient.connect(server.port, "other")
        await other.ask("ping")
        assert await server.stop() == 0


async def test_idle_clients_do_not_hold_up_the_stop(tmp_path: Path) -> None:
    async with ServerProcess(tmp_path) as server:
        silent = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(100)]
        assert await server.stop() == 0
        for _, writer in silent:
            writer.transport.abort()


async def test_many_silent_connections_are_taken(tmp_path: Path) -> None:
    async with ServerProcess(tmp_path) as server:
        client = await LineClient.connect(server.port, "pbx")
        silent = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(1000)]
        assert (await client.ask("ping"))["type"] == "ok"
        async with asyncio.timeout(patient(20)):
            while (await client.ask("stats"))["result"]["server"]["connections"] < 1001:
                pass
        for _, writer in silent:
            writer.transport.abort()
        async with asyncio.timeout(patient(20)):
            while (await client.ask("stats"))["result"]["server"]["connections"] > 1:
                pass


async def http_status(port: int, path: str) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\n\r\n".encode())
    async with asyncio.timeout(patient(10)):
        status = int((await reader.readline()).split()[1])
    writer.transport.abort()
    return status


async def test_few_open_files_are_few_connections_and_no_harm(tmp_path: Path) -> None:
    def few_files() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (FILES_RESERVED + 20, FILES_RESERVED + 20))

    server = await ServerProcess(tmp_path).start(prepare=few_files)
    assert server.said("at most 20 connections")
    client = await LineClient.connect(server.port, "pbx")
    flood = [await LineClient.connect(server.port) for _ in range(300)]
    assert b"unavailable" in await flood[25].ended()
    assert (await client.ask("config.apply", config=centre.config()))["type"] == "ok"
    assert await http_status(server.metrics_port, "/metrics") == 200
    for one in flood:
        await one.close()
    async with asyncio.timeout(patient(20)):
        while (await client.ask("stats"))["result"]["server"]["connections"] > 1:
            pass
    assert (await (await LineClient.connect(server.port, "other")).ask("ping"))["type"] == "ok"
    assert await server.stop() == 0


async def test_lack_of_files_at_any_moment_refuses_connections_and_harms_no_others(tmp_path: Path) -> None:
    async with ServerProcess(tmp_path) as server:
        client = await LineClient.connect(server.port, "pbx")
        await client.ask("config.apply", config=centre.config())
        open_now = len(os.listdir(f"/proc/{server.pid}/fd"))
        _, hard = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (open_now + 3, hard))
        flood = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(50)]
        for number in range(20):
            answer = await client.ask("contact.enqueue", contact=f"c-{number}", tenant="acme", queue="support")
            assert answer["type"] == "ok"
        assert (await client.ask("stats"))["result"]["server"]["connections"] < 10
        for _, writer in flood:
            writer.transport.abort()
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (hard, hard))
        assert (await (await LineClient.connect(server.port, "other")).ask("ping"))["type"] == "ok"
        assert len(server.log) < 20
        assert await server.stop() == 0


async def test_taken_port_is_told_with_the_way_out(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        status, err = await refused(tmp_path, "--port", str(port))
        assert status == 2
        assert f"port {port} of 127.0.0.1 is taken" in err
        assert "--port or ACD_PORT" in err
        status, err = await refused(tmp_path, "--metrics-port", str(port))
        assert status == 2
        assert "--metrics-port or ACD_METRICS_PORT" in err
    status, err = await refused(tmp_path, "--port", str(port), "--metrics-port", str(port))
    assert status == 2
    assert f"port {port} of 127.0.0.1 is taken" in err


async def test_second_server_on_one_directory_is_refused(tmp_path: Path) -> None:
    async with ServerProcess(tmp_path) as server:
        status, err = await refused(tmp_path)
        assert status == 2
        assert "another server (process " in err
        assert "--data or ACD_DATA" in err
        client = await LineClient.connect(server.port, "pbx")
        assert (await client.ask("ping"))["type"] == "ok"
        assert await server.stop() == 0
    async with ServerProcess(tmp_path):
        pass


@pytest.mark.parametrize(
    ("options", "environment", "said"),
    [
        (["--host", "0.0.0.0"], {}, "--insecure-without-tls"),
        (["--metrics-host", "0.0.0.0"], {}, "--insecure-without-tls"),
        (["--insecure-without-tls"], {"ACD_HOST": "::"}, "--insecure-without-tokens"),
        (["--insecure-without-tls", "--host", "0.0.0.0", "--token", "short"], {}, "'acd token'"),
        (["--insecure-without-tls", "--host", "no.such.host.invalid", "--token", "t" * 20], {}, "--host"),
        (["--tls-key", "key.pem"], {}, "--tls-cert"),
        (["--tls-cert", "/no/such.pem"], {}, "/no/such.pem"),
        (["--credentials", "/no/such.toml"], {}, "/no/such.toml"),
        (["--settings", "/no/such.toml"], {}, "/no/such.toml"),
        (["--limit", "hello_s"], {}, "NAME=VALUE"),
        (["--limit", "helo_s=3"], {}, "'hello_s'"),
        ([], {"ACD_LIMIT_HELLO_S": "-1"}, "ACD_LIMIT_HELLO_S"),
        (["--clock-speed", "0"], {}, "--clock-speed"),
        (["--clock-speed", "nan"], {}, "--clock-speed"),
        (["--port", "70000"], {}, "--port"),
        ([], {"ACD_CLOCK_SPEED": "fast"}, "ACD_CLOCK_SPEED"),
        (["--data", "/proc/nowhere"], {}, "--data or ACD_DATA"),
        (["--config", "/no/such/file.toml"], {}, "/no/such/file.toml"),
    ],
)
async def test_wrong_options_are_told_in_one_sentence(
    tmp_path: Path, options: list[str], environment: dict[str, str], said: str
) -> None:
    status, err = await refused(tmp_path, *options, environment=environment)
    assert status == 2
    assert said in err
    assert kind_in(tmp_path) is None


async def test_token_opens_the_door_and_is_not_logged(tmp_path: Path) -> None:
    options = ("--host", "0.0.0.0", "--insecure-without-tls")
    async with ServerProcess(tmp_path, *options, environment={"ACD_TOKEN": "hush-hush-hush-hush"}) as server:
        await LineClient.connect(server.port, "pbx", token="hush-hush-hush-hush")
        client = await LineClient.connect(server.port)
        client.send({"type": "hello", "version": 1, "client": "pbx", "token": "guess-1"})
        assert (await client.read())["code"] == "unauthorised"
        assert await server.stop() == 0
        assert "hush" not in server.stderr
        assert "guess" not in server.stderr


async def test_configuration_is_applied_once_and_refused_when_it_cannot_hold(tmp_path: Path) -> None:
    file = tmp_path / "centre.toml"
    file.write_text(TOML)
    data = tmp_path / "data"
    async with ServerProcess(data, "--config", str(file)) as server:
        client = await LineClient.connect(server.port, "pbx")
        assert (await client.ask("agent.login", agent="a-1"))["type"] == "ok"
        assert await server.stop() == 0
    async with ServerProcess(data, "--config", str(file)) as server:
        assert server.said("holds already")
        assert await server.stop() == 0
    file.write_text(TOML.replace("a-1", "a-2"))
    status, err = await refused(data, "--config", str(file))
    assert status == 2
    assert "refused" in err
    assert "log him out" in err
    file.write_text(TOML.replace("acme", "ac me", 1))
    status, err = await refused(data, "--config", str(file))
    assert status == 2
    assert str(file) in err


async def test_disk_that_takes_no_more_ends_the_server_without_an_acknowledgement_too_many(tmp_path: Path) -> None:
    def small_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))

    # A journal of several files would go on in smaller ones.
    server = await ServerProcess(tmp_path, "--journal", "sqlite").start(prepare=small_disk)
    client = await LineClient.connect(server.port, "pbx")
    await client.ask("config.apply", config=centre.config())
    acknowledged = []
    try:
        for number in range(1000):
            answer = await client.ask(
                "contact.enqueue",
                contact=f"c-{number}",
                tenant="acme",
                queue="support",
                attributes={"note": "x" * 5000},
            )
            assert answer["type"] == "ok"
            acknowledged.append(f"c-{number}")
    except (AssertionError, OSError):
        pass
    assert await server.exit_status() == 1
    assert 10 < len(acknowledged) < 1000
    assert "acd: " in server.stderr
    assert "the disk" in server.stderr
    journal = journal_in(tmp_path)
    recovered = recover(journal, 0)
    journal.close()
    assert [view.contact for view in recovered.machine.contacts()][: len(acknowledged)] == acknowledged
    assert not recovered.tail.sealed


async def test_engine_time_runs_at_the_speed_that_was_asked_for(tmp_path: Path) -> None:
    async with ServerProcess(tmp_path, environment={"ACD_CLOCK_SPEED": "3600"}) as server:
        client = await LineClient.connect(server.port, "pbx")
        assert client.welcome["clock_speed"] == 3600
        await client.ask("config.apply", config=centre.config(max_wait_s=600))
        await client.ask("contact.enqueue", contact="c-1", tenant="acme", queue="support")
        ended = await client.event("contact.ended")
        assert ended["wait"] == 600


async def test_metrics_and_readiness_are_served(tmp_path: Path) -> None:
    async with ServerProcess(tmp_path) as server:
        assert await http_status(server.metrics_port, "/metrics") == 200
        assert await http_status(server.metrics_port, "/readyz") == 200


# The command line


def acd(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "server", *arguments],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=patient(60),
    )


def test_help_lists_the_commands_and_each_explains_itself() -> None:
    shown = acd("--help")
    assert shown.returncode == 0
    for name in cli.BUILT_IN:
        assert f"\n    {name} " in shown.stdout
        own = acd(name, "--help")
        assert own.returncode == 0
        assert "example:" in own.stdout
        assert "--json" in own.stdout
    assert acd("--version").stdout.startswith("acd ")
    assert acd().stdout == shown.stdout


def test_unknown_command_is_told_with_the_nearest() -> None:
    shown = acd("serv")
    assert shown.returncode == 2
    assert shown.stderr == "acd: there is no command 'serv'; did you mean 'serve'?\n"


def test_broken_plug_in_breaks_nothing_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    points = [
        metadata.EntryPoint("broken", "no_such_module:COMMAND", cli.ENTRY_POINTS),
        metadata.EntryPoint("odd", "os:sep", cli.ENTRY_POINTS),
        metadata.EntryPoint("copy", "server.cli.journal:COMMAND", cli.ENTRY_POINTS),
    ]

    def entry_points(group: str, **chosen: str) -> list[metadata.EntryPoint]:
        return [point for point in points if point.group == group and chosen.get("name", point.name) == point.name]

    monkeypatch.setattr("server.cli.metadata.entry_points", entry_points)
    assert main([]) == 0
    shown = capsys.readouterr().out
    assert "broken" in shown
    assert "no_such_module" in shown
    assert "run the server" in shown
    assert main(["broken"]) == 2
    assert "'broken' cannot be loaded" in capsys.readouterr().err
    assert main(["odd"]) == 2
    assert main(["copy", "stats", "--data", "/no/such"]) == 2


async def test_restarts_one_after_the_other_are_a_pause_for_a_client_and_nothing_more(tmp_path: Path) -> None:
    file = tmp_path / "centre.toml"
    file.write_text(TOML)
    data = tmp_path / "data"
    server = await ServerProcess(data, "--config", str(file)).start()
    port = server.port
    try:
        async with Client(port=port, name="pbx", rng=random.Random(1)) as client:
            queued: list[str] = []
            client.on(ContactQueued, lambda event: queued.append(event.contact))
            sent: list[asyncio.Future[Ok]] = []

            async def work() -> None:
                while True:
                    number = len(sent)
                    sent.append(client.send(ContactEnqueue(contact=f"c-{number}", tenant="acme", queue="support")))
                    await asyncio.sleep(0.002)

            working = asyncio.create_task(work())
            for _ in range(3):
                before = len(queued)
                await until(lambda before=before: len(queued) > before + 20)  # type: ignore[misc]
                assert await server.stop() == 0
                server = await ServerProcess(data, "--port", str(port)).start()
            working.cancel()
            answers = await asyncio.gather(*sent)
            assert len(answers) > 60
            await until(lambda: len(queued) == len(sent))
            assert queued == [f"c-{number}" for number in range(len(sent))]
        assert await server.stop() == 0
    finally:
        await server.kill()
