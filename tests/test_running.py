"""A server under systemd and in a container, and the look at the host before."""

import asyncio
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec
import pytest

from acd_protocol.journal_file import FILE_NAME
from server import doctor, notify
from server.__main__ import main
from server.config import Limits, Settings
from server.options import LIMITS, OPTIONS
from server.settings_page import page
from server.tls import server_context
from tests.support.keys import Authority, Keyring
from tests.support.line_client import LineClient
from tests.support.server_process import ROOT, ServerProcess
from tests.support.wait import until
from tools import supply

IN_MEMORY = doctor.mount_of(Path("/dev/shm"), Path("/proc/self/mountinfo").read_text("utf-8"))[0] == "tmpfs"

UNIT = ROOT / "deploy" / "systemd" / "acd.service"
CONTAINER = ROOT / "deploy" / "container" / "Containerfile"
EXPOSURE_MAX = 2.0


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    """The socket that systemd would read."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.setblocking(False)
        yield listener


def told(listener: socket.socket) -> list[str]:
    """What has arrived."""
    lines = []
    while True:
        try:
            lines += listener.recv(4096).decode().splitlines()
        except BlockingIOError:
            return lines


async def test_systemd_is_told_when_the_server_is_ready_lives_and_stops(tmp_path: Path, systemd: socket.socket) -> None:
    environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "40000"}
    async with ServerProcess(tmp_path / "data", environment=environment) as server:
        heard: list[str] = []

        def beats() -> bool:
            heard.extend(told(systemd))
            return heard.count("WATCHDOG=1") > 3

        await until(beats)
        assert "READY=1" in heard
        assert "STOPPING=1" not in heard
        assert await server.stop() == 0
        heard.extend(told(systemd))
        assert "STOPPING=1" in heard


def test_without_systemd_nothing_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify.notify("READY=1")
    for nowhere in (str(tmp_path / "nobody"), "@nobody-listens-here", "vsock:1"):
        monkeypatch.setenv("NOTIFY_SOCKET", nowhere)
        notify.notify("READY=1")
    monkeypatch.setenv("LISTEN_PID", "1")
    monkeypatch.setenv("LISTEN_FDS", "1")
    assert notify.inherited_listener() is None


SERVE_INHERITED = """
import os, runpy, sys
os.dup2(int(sys.argv.pop(1)), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
runpy.run_module("server", run_name="__main__")
"""


class Activated(ServerProcess):
    """`acd serve` on a socket that somebody else has opened and keeps open."""

    def __init__(self, data: Path, listener: socket.socket) -> None:
        super().__init__(data)
        self._listener = listener

    async def restart(self) -> "Activated":
        """Start it, on the socket."""
        os.set_inheritable(self._listener.fileno(), True)
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", SERVE_INHERITED, str(self._listener.fileno())),
            *("serve", "--data", str(self.data), "--metrics-port", "0", "--json"),
            cwd=ROOT,
            stderr=asyncio.subprocess.PIPE,
            pass_fds=[self._listener.fileno()],
            env={name: value for name, value in os.environ.items() if not name.startswith("ACD_")},
        )
        self._serving.clear()
        self._reading = asyncio.create_task(self._read_log())
        return self


async def test_who_connects_while_the_server_restarts_waits_and_is_served(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        server = await Activated(tmp_path / "data", listener).restart()
        try:
            first = await LineClient.connect(port, "pbx")
            assert await server.stop() == 0
            assert (await first.read())["type"] == "draining"
            waiting = [await LineClient.connect(port) for _ in range(5)]  # nobody refuses them
            for number, client in enumerate(waiting):
                client.send({"type": "hello", "version": 1, "client": f"pbx-{number}"}, {"type": "ping", "id": 1})
            await server.restart()
            for client in waiting:
                assert (await client.read())["type"] == "welcome"
                assert (await client.read())["type"] == "ok"
            assert await server.stop() == 0
        finally:
            await server.kill()
            await LineClient.close_all()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_the_unit_leaves_little_open(tmp_path: Path) -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={EXPOSURE_MAX * 10:.0f}"]
    analysed = subprocess.run([*command, str(UNIT)], capture_output=True, text=True, check=False)
    if "Unknown" in analysed.stderr or "unrecognized" in analysed.stderr:
        pytest.skip("this systemd cannot analyse a file")
    assert analysed.returncode == 0, analysed.stdout[-300:] + analysed.stderr
    exposure = re.search(r"exposure level for .*: ([\d.]+)", analysed.stdout)
    assert exposure is not None
    assert float(exposure[1]) <= EXPOSURE_MAX


def test_unit_and_container_start_commands_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    start = re.search(r"^ExecStart=\S+/acd (.*)$", UNIT.read_text(), re.MULTILINE)
    command = re.search(r"^CMD (\[.*\])$", CONTAINER.read_text(), re.MULTILINE)
    assert start is not None
    assert command is not None
    for words in (start[1].split(), json.loads(command[1])):
        with pytest.raises(SystemExit) as end:
            main([*words, "--help"])
        assert end.value.code == 0
    capsys.readouterr()
    text = CONTAINER.read_text()
    assert re.findall(r"^USER (\S+)$", text, re.MULTILINE) == ["7410:7410"]
    installs = [line for line in re.findall(r"pip .*install .*", text) if "-r " in line]
    assert len(installs) == 2
    assert all("--require-hashes" in line for line in installs)


@pytest.mark.parametrize(
    ("path", "requirements"),
    [(supply.RUNTIME, supply.runtime_requirements()), (supply.BUILD, supply.build_requirements())],
    ids=["runtime", "build"],
)
def test_the_lock_file_fits_the_declared_dependencies_and_has_a_hash_for_each(
    path: Path, requirements: list[str]
) -> None:
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    rows = re.findall(
        r"^([\w.-]+)==(\S+)(?: ; [^\\\n]+)?((?: \\\n    --hash=sha256:[0-9a-f]{64})+)$", path.read_text(), re.MULTILINE
    )
    locked = {canonicalize_name(name): version for name, version, _ in rows}
    assert len(locked) == len(re.findall(r"^[\w.-]+==", path.read_text(), re.MULTILINE))
    for requirement in map(Requirement, requirements):
        assert requirement.specifier.contains(locked[canonicalize_name(requirement.name)]), "run 'make lock'"
    assert "://" not in path.read_text()


@pytest.mark.parametrize(
    ("report", "strict", "status"),
    [
        ('{"dependencies": [{"name": "a", "version": "1", "vulns": []}]}', True, 0),
        (
            '{"dependencies": [{"name": "a", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]}]}',
            False,
            1,
        ),
        ('{"dependencies": [{"name": "a", "skip_reason": "not found"}]}', False, 0),
        ('{"dependencies": [{"name": "a", "skip_reason": "not found"}]}', True, 1),
        ("", False, 0),
        ("no JSON", True, 1),
        ("[]", False, 0),
    ],
)
def test_a_known_hole_fails_and_an_unreachable_database_does_not(report: str, strict: bool, status: int) -> None:
    assert supply.judge(report, strict) == status


# -- acd doctor -----------------------------------------------------------------------------------------------------


def levels(settings: Settings) -> dict[str, str]:
    """What the doctor finds."""
    return {finding.check: finding.level for finding in doctor.examine(settings)}


def test_the_doctor_looks_at_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["doctor", "--data", str(tmp_path / "data"), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert {row["check"] for row in found["findings"]} >= {"settings", "file system", "disk flush", "clock", "SQLite"}
    assert status == (0 if found["fit"] else 1)
    assert found["fit"] == all(row["level"] != "bad" for row in found["findings"])
    assert not (tmp_path / "data").exists()
    assert main(["doctor", "--data", str(tmp_path), "--host", "0.0.0.0"]) == 1
    assert "BAD  settings" in capsys.readouterr().out
    assert main(["doctor", "--port", "x"]) == 2


def test_the_doctor_tells_disks_that_lie_and_disks_that_are_slow() -> None:
    assert doctor.judge_flush(3, 10).level == "bad"
    assert doctor.judge_flush(150, 900).level == "fine"
    assert doctor.judge_flush(50_000, 90_000).level == "warning"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/acd", "ext4"),
        ("/mnt/share/acd", "nfs4"),
        ("/mnt/sharex", "overlay"),
        ("/dev/shm/x", "tmpfs"),
        ("/", "overlay"),
    ],
)
def test_the_doctor_knows_which_file_system_a_path_is_on(path: str, kind: str) -> None:
    mountinfo = (
        "21 1 0:20 / / rw - overlay overlay rw\n"
        "22 21 8:1 / /var/lib rw shared:1 - ext4 /dev/sda1 rw\n"
        "23 21 0:30 / /mnt/share rw - nfs4 host:/share rw\n"
        "24 21 0:31 / /dev/shm rw - tmpfs tmpfs rw\n"
    )
    assert doctor.mount_of(Path(path), mountinfo)[0] == kind


@pytest.mark.parametrize(
    ("version", "faulty"),
    [
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 54, 0), False),
        ((3, 6, 23), False),
    ],
)
def test_the_doctor_knows_the_versions_of_sqlite_that_lose_pages(version: tuple[int, int, int], faulty: bool) -> None:
    assert doctor.sqlite_may_lose_pages(version) == faulty


def test_the_doctor_looks_at_sqlite_only_where_the_journal_is_in_it(tmp_path: Path) -> None:
    def found(kind: Literal["segments", "sqlite"]) -> str:
        return next(
            one.text for one in doctor.check_versions(Settings(data=tmp_path, journal=kind)) if one.check == "SQLite"
        )

    assert "does without" in found("segments")
    assert "does without" not in found("sqlite")
    (tmp_path / FILE_NAME).touch()
    assert "does without" not in found("segments")


@pytest.mark.skipif(not IN_MEMORY, reason="there is no file system in memory here")
async def test_a_server_tells_at_its_start_what_voids_its_promises() -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        async with ServerProcess(Path(directory)) as server:
            assert server.said("it is gone with the next restart; use a disk")
            assert await server.stop() == 0


def test_the_doctor_looks_at_certificates_and_secrets(tmp_path: Path) -> None:
    keys, authority = Keyring(tmp_path), Authority(tmp_path)
    keys.add("root", "operator")
    certificate = authority.server()
    settings = Settings(host="0.0.0.0", credentials=keys.path, tls_cert=certificate, data=tmp_path)
    keys.path.chmod(0o644)
    found = levels(settings)
    assert found["settings"] == "fine"
    assert found["secrets"] == "warning"
    keys.path.chmod(0o600)
    assert "secrets" not in levels(settings)
    context = server_context(certificate, None, None)
    ends = ssl.cert_time_to_seconds(doctor._not_after(context, certificate))
    assert doctor.judge_certificate(certificate, context, ends - 40 * 86_400).level == "fine"
    assert doctor.judge_certificate(certificate, context, ends - 9 * 86_400).level == "warning"
    few = msgspec.structs.replace(settings, limits=Limits(connections_max=10**9))
    assert levels(few)["open files"] == "warning"


# -- settings -------------------------------------------------------------------------------------------------------


def test_the_page_of_settings_is_what_the_declarations_say() -> None:
    assert (ROOT / "docs" / "settings.md").read_text(encoding="utf-8") == page(), "run 'make docs'"
    for option in (*OPTIONS, *LIMITS):
        assert option.help, option.name


async def test_options_count_more_than_environment_and_that_more_than_the_file(tmp_path: Path) -> None:
    file = tmp_path / "server.toml"
    file.write_text('node = "of-file"\nlog_contacts = true\nclock_speed = 2\n[limits]\nhello_s = 3\nlinger_s = 1\n')
    parsed = settings_of(["--settings", str(file), "--limit", "linger_s=0.5"], {"ACD_NODE": "of-environment"})
    assert (parsed.node, parsed.log_contacts, parsed.clock_speed) == ("of-environment", True, 2)
    assert (parsed.limits.hello_s, parsed.limits.linger_s) == (3, 0.5)
    parsed = settings_of(["--node", "of-option"], {"ACD_SETTINGS": str(file), "ACD_NODE": "x", "ACD_LOG_CONTACTS": "0"})
    assert (parsed.node, parsed.log_contacts) == ("of-option", False)
    token = tmp_path / "token"
    token.write_text("  hush \n")
    assert settings_of(["--token-file", str(token)], {}).token == "hush"


def settings_of(arguments: list[str], environment: dict[str, str]) -> Settings:
    """What options and environment give."""
    import argparse

    from server.options import add_options, settings_from

    parser = argparse.ArgumentParser()
    add_options(parser)
    return settings_from(parser.parse_args(arguments), environment)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("port = 70000", "port"),
        ("prot = 7410", "did you mean 'port'"),
        ("[limits]\nhello = 1", "did you mean 'hello_s'"),
        ("limits = 1", "[limits]"),
        ("port = ", "cannot be read"),
        ("data = 5", "data"),
        ("token = 5\n", "token"),
        ("metrics_agents = 3", "metrics_agents"),
    ],
)
def test_a_wrong_settings_file_is_told_with_its_place(tmp_path: Path, text: str, words: str) -> None:
    from server.errors import StartError

    file = tmp_path / "server.toml"
    file.write_text(text)
    with pytest.raises(StartError) as said:
        settings_of(["--settings", str(file)], {})
    assert words in str(said.value)
    assert str(file) in str(said.value)
