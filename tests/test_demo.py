"""The simulated centre, and the whole demo as a user meets it: started, watched, interrupted."""

import asyncio
import contextlib
import json
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from fcntl import ioctl
from pathlib import Path
from random import Random
from statistics import fmean, median
from typing import Any

import pytest

from acd_core import commands, requirement
from acd_core.config import Agent, Config, Queue, Settings, Tenant
from acd_core.events import AgentChanged, ContactConnected, ContactEnded, ContactOffered, ContactQueued, ContactWrapup
from acd_core.toml import read_toml
from acd_core.validation import validate
from acd_protocol.client import Client
from acd_protocol.config_text import to_toml
from acd_sim import centre, profile
from acd_sim.centre import SERVICES, SHIFTS, Centre, Pace
from tests.support.wait import patient

ROOT = Path(__file__).resolve().parent.parent

# What callers do.


def test_patience_follows_the_survival_of_the_real_callers() -> None:
    random = Random(7)
    drawn = [profile.draw_patience(random) for _ in range(20_000)]
    for seconds, share in profile.PATIENCE_SURVIVAL[1:]:
        assert sum(patience > seconds for patience in drawn) / len(drawn) == pytest.approx(share, abs=0.012)
    assert median(drawn) == pytest.approx(376, rel=0.05)
    assert max(drawn) > 2000, "a few would wait very long"


def test_conversations_have_the_recorded_mean_and_median() -> None:
    random = Random(7)
    drawn = [profile.STOCKS.draw(random) for _ in range(50_000)]
    assert fmean(drawn) == pytest.approx(238, rel=0.03)
    assert median(drawn) == pytest.approx(163, rel=0.03)
    assert min(drawn) >= 1


def test_the_centre_is_closed_at_night_and_busiest_from_ten_to_eleven() -> None:
    rates = [profile.calls_per_hour(hour * 3600) for hour in range(24)]
    assert rates[:7] == [0] * 7
    assert max(rates) == rates[10] == 145


# Who works there.


def qualified(config: Config, queue: Queue) -> list[Agent]:
    asked = requirement.parse(queue.require)
    return [
        agent
        for agent in config.agents
        if queue.tenant in agent.tenants
        and all(requirement.meets(node, agent.skills, agent.attributes) for node in asked)
    ]


def test_there_are_six_queues_in_three_tiers_and_sixty_agents_with_mixed_skills() -> None:
    config = centre.configuration()
    validate(config)
    assert (len(config.tenants), len(config.queues), len(config.agents)) == (2, 6, 60)
    assert len({tuple(sorted(agent.skills)) for agent in config.agents}) >= 8
    tiers = {service.next_tier for service in SERVICES}
    assert {service.queue for service in SERVICES if service.queue not in tiers} == {"service", "helpdesk"}
    assert sum(len(agent.tenants) == 2 for agent in config.agents) == 9


def test_every_queue_has_somebody_on_every_shift() -> None:
    config = centre.configuration()
    shift_of = {agent.agent: SHIFTS[number % len(SHIFTS)] for number, agent in enumerate(config.agents)}
    for queue in config.queues:
        assert {shift_of[agent.agent] for agent in qualified(config, queue)} >= {centre.EARLY, centre.LATE}, queue.name


def test_the_printed_configuration_is_what_the_demo_applies() -> None:
    assert read_toml(to_toml(centre.configuration()), "demo") == centre.configuration()


def test_any_configuration_survives_being_printed() -> None:
    config = Config(
        settings=Settings(missed_offers_max=0),
        skills=("español", "b2.c"),
        tenants=(Tenant(name="acme"),),
        queues=(Queue(tenant="acme", name="q", require="español>=3", max_wait_s=0.5),),
        agents=(
            Agent(agent='a "quoted" \\ \t \x7f', address="", skills={"español": 3, "b2.c": 1}, missed_offers_max=0),
        ),
    )
    assert read_toml(to_toml(config), "printed") == config


# How it behaves, with time and server played by the test.


class StillPace(Pace):
    """Time stands still; what is planned is kept, to be run by the test."""

    def __init__(self, start_hour: float = 12) -> None:
        super().__init__(1.0, start_hour)
        self.planned: list[tuple[float, Callable[..., None], tuple[object, ...]]] = []

    @property
    def elapsed_s(self) -> float:
        return 0.0

    def after(self, seconds: float, action: Callable[..., None], *args: object) -> asyncio.TimerHandle:
        self.planned.append((seconds, action, args))
        return asyncio.get_running_loop().call_later(3600, lambda: None)

    def run_planned(self) -> None:
        planned, self.planned = self.planned, []
        for _, action, args in planned:
            action(*args)


class Stage:
    """A centre whose commands are collected."""

    def __init__(self, seed: int = 1) -> None:
        self.pace = StillPace()
        self.sent: list[Any] = []
        self.centre = Centre(self.sent.append, self.pace, Random(seed))

    def take(self, kind: type[commands.Command]) -> list[Any]:
        taken = [command for command in self.sent if isinstance(command, kind)]
        self.sent.clear()
        return taken

    def call(self) -> commands.ContactEnqueue:
        """Let callers come until one does; gives him."""
        for _ in range(100):
            self.pace.planned.clear()
            self.centre._await_next_caller()
            self.pace.run_planned()
            if called := self.take(commands.ContactEnqueue):
                found: commands.ContactEnqueue = called[0]
                return found
        raise AssertionError("nobody called")

    def connect(self, contact: commands.ContactEnqueue) -> None:
        self.pace.planned.clear()
        self.centre.handle(
            ContactConnected(
                seq=1,
                at=1,
                contact=contact.contact,
                tenant=contact.tenant,
                queue=contact.queue,
                agent="a-01",
                offer="o-1",
                wait=1,
            )
        )


def offer(contact: str = "c-1") -> ContactOffered:
    return ContactOffered(
        seq=1,
        at=1,
        offer="o-1",
        contact=contact,
        tenant="northbank",
        queue="service",
        agent="a-01",
        address="",
        expires_in=15,
        wait=0,
        attributes={},
    )


async def test_those_whose_shift_it_is_log_in_at_once_and_the_others_later() -> None:
    stage = Stage()
    stage.centre.start()
    # Those who come now are planned for no later than now.
    for seconds, action, args in list(stage.pace.planned):
        if seconds <= 0:
            action(*args)
    on_duty = {command.agent for command in stage.take(commands.AgentLogin)}
    at_noon = [number for number in range(60) if SHIFTS[number % len(SHIFTS)] in {centre.EARLY, centre.DAY}]
    assert len(on_duty) == len(at_noon)


async def test_what_the_first_line_cannot_solve_goes_up_a_tier_with_its_context() -> None:
    stage = Stage()
    for _ in range(500):
        contact = stage.call()
        stage.connect(contact)
        stage.pace.run_planned()
        completed = [command for command in stage.sent if isinstance(command, commands.ContactComplete)]
        followed = [command for command in stage.sent if isinstance(command, commands.ContactEnqueue)]
        stage.sent.clear()
        if followed:
            break
    service = next(service for service in SERVICES if service.queue == contact.queue)
    (again,) = followed
    assert completed[0].reason == "transferred"
    assert (again.tenant, again.queue) == (service.tenant, service.next_tier)
    assert again.contact != contact.contact
    assert again.attributes == {
        **contact.attributes,
        "escalated_from": contact.queue,
        "escalated_by": "a-01",
        "first_contact": contact.contact,
    }


async def test_agents_answer_reject_and_miss_offers() -> None:
    stage = Stage()
    answers = {"accepted": 0, "rejected": 0, "missed": 0}
    for _ in range(3000):
        stage.pace.planned.clear()
        stage.centre.handle(offer())
        stage.pace.run_planned()
        kinds = {type(command) for command in stage.sent}
        stage.sent.clear()
        if commands.OfferAccept in kinds:
            answers["accepted"] += 1
        elif commands.OfferReject in kinds:
            answers["rejected"] += 1
        else:
            answers["missed"] += 1
    assert answers["rejected"] == pytest.approx(3000 * centre.REJECTED_SHARE, rel=0.4)
    assert answers["missed"] == pytest.approx(3000 * centre.MISSED_SHARE, rel=0.4)


async def test_a_caller_gives_up_unless_he_is_answered() -> None:
    stage = Stage()
    contact = stage.call()
    stage.centre._give_up(contact.contact)
    assert [command.contact for command in stage.take(commands.ContactAbandon)] == [contact.contact]
    answered = stage.call()
    patience = stage.centre._callers[answered.contact].patience
    assert patience is not None
    stage.connect(answered)
    assert patience.cancelled()


async def test_who_asks_to_be_called_back_does_not_give_up_as_well() -> None:
    stage = Stage()
    contact = stage.call()
    patience = stage.centre._callers[contact.contact].patience
    assert patience is not None
    asked: list[commands.ContactCallback] = []
    while not asked:  # only some of those who are offered it take it
        stage.pace.planned.clear()
        stage.centre.handle(
            ContactQueued(
                seq=1,
                at=1,
                contact=contact.contact,
                tenant=contact.tenant,
                queue=contact.queue,
                priority=0,
                position=1,
                callback_offered=True,
            )
        )
        stage.pace.run_planned()
        asked = stage.take(commands.ContactCallback)
    assert [command.number for command in asked] == [contact.attributes["ani"]]
    assert patience.cancelled()


async def test_an_agent_who_was_paused_for_missing_offers_comes_back() -> None:
    stage = Stage()
    stage.pace.planned.clear()
    stage.centre.handle(AgentChanged(seq=1, at=1, agent="a-01", state="paused", reason="missed_offers"))
    stage.centre.handle(AgentChanged(seq=2, at=1, agent="a-02", state="paused", reason="lunch"))
    stage.pace.run_planned()
    assert [command.agent for command in stage.take(commands.AgentReady)] == ["a-01"]


async def test_some_end_their_wrapup_early() -> None:
    stage = Stage()
    stage.pace.planned.clear()
    for number in range(100):
        stage.centre.handle(
            ContactWrapup(
                seq=number,
                at=1,
                contact="c-1",
                tenant="northbank",
                queue="service",
                agent="a-01",
                reason="completed_agent",
                talk=1,
                expires_in=20,
            )
        )
    assert 20 < len(stage.pace.planned) < 80
    assert all(0 < seconds < 20 for seconds, _, _ in stage.pace.planned)


async def test_after_the_end_nobody_does_anything() -> None:
    stage = Stage()
    contact = stage.call()
    stage.centre.stop()
    stage.centre.handle(offer(contact.contact))
    stage.centre._give_up(contact.contact)
    stage.pace.run_planned()
    assert not stage.sent


async def test_a_contact_that_is_over_is_forgotten() -> None:
    stage = Stage()
    contact = stage.call()
    stage.centre.handle(
        ContactEnded(
            seq=1,
            at=1,
            contact=contact.contact,
            tenant=contact.tenant,
            queue=contact.queue,
            agent="",
            reason="abandoned",
            wait=1,
            talk=0,
        )
    )
    assert not stage.centre._callers


async def test_the_clock_skips_the_night() -> None:
    pace = Pace(60, start_hour=23)
    assert pace.clock(0) == "day 1  23:00:00"
    assert pace.clock(3600) == "day 2  07:00:00"
    assert pace.elapsed_at(2, 8 * 3600) == 2 * 3600
    assert pace.elapsed_at(1, 99 * 3600) == 3600, "nobody works after closing"


# The whole of it.


def command(*options: str) -> list[str]:
    return [sys.executable, "-m", "server", "demo", "--port", "0", "--metrics-port", "0", *options]


def environment(tmp_path: Path) -> dict[str, str]:
    """Ours without its ACD_ variables; temporary directories are made in `tmp_path`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ACD_")}
    return {**inherited, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@contextlib.contextmanager
def demo(tmp_path: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        command("--json", *options),
        cwd=ROOT,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def next_line(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.stderr.read() if process.stderr else ""
    found: dict[str, Any] = json.loads(line)
    return found


def test_a_short_demo_runs_by_itself_and_its_sums_agree(tmp_path: Path) -> None:
    with demo(tmp_path, "--speed", "600", "--duration", "20", "--interval", "5") as process:
        out, err = process.communicate(timeout=patient(60))
    assert process.returncode == 0, err
    started, *intervals, summary = [json.loads(line) for line in out.splitlines()]
    assert started["event"] == "started"
    assert {line["event"] for line in intervals} == {"interval"}
    assert len(intervals) >= 2
    assert summary["event"] == "summary"
    assert summary["answered"] > 20
    assert summary["refused"] == {}
    parts = ("answered", "abandoned", "otherwise_ended", "waiting")
    assert summary["offered"] == sum(summary[part] for part in parts)
    assert min(summary[part] for part in parts) >= 0
    assert sum(summary["agents"].values()) == 60
    assert summary["metrics"] == f"http://127.0.0.1:{started['metrics_port']}/metrics"
    assert not is_running(started["server_pid"])
    assert list(tmp_path.iterdir()) == [], "the temporary journal is gone"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_sums_up_and_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    with demo(tmp_path, "--speed", "100", "--interval", "1") as process:
        started = next_line(process)
        next_line(process)
        process.send_signal(number)
        out, err = process.communicate(timeout=patient(30))
    assert process.returncode == 0, err
    assert json.loads(out.splitlines()[-1])["event"] == "summary"
    assert err == ""
    assert not is_running(started["server_pid"])
    assert list(tmp_path.iterdir()) == []


def test_a_demo_says_so_when_its_server_dies(tmp_path: Path) -> None:
    with demo(tmp_path, "--interval", "1") as process:
        os.kill(next_line(process)["server_pid"], signal.SIGKILL)
        _, err = process.communicate(timeout=patient(30))
    assert process.returncode == 1
    assert err.startswith("acd: the server ended by signal 9 in the middle of the demo")
    assert len(err.splitlines()) == 1


def test_a_server_does_not_outlive_a_demo_that_is_killed(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        server = next_line(process)["server_pid"]
        process.kill()
        deadline = time.monotonic() + 20
        while is_running(server) and time.monotonic() < deadline:
            time.sleep(0.02)
    outlived = is_running(server)
    if outlived:
        os.kill(server, signal.SIGKILL)
    assert not outlived


@pytest.mark.parametrize("option", ["--port", "--metrics-port"])
def test_a_port_that_is_taken_is_one_clear_sentence(tmp_path: Path, option: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [*command(), option, port],
            check=False,
            cwd=ROOT,
            env=environment(tmp_path),
            capture_output=True,
            text=True,
            timeout=patient(60),
        )
    assert done.returncode == 2
    (sentence,) = done.stderr.splitlines()
    variable = "ACD" + option.replace("-", "_").upper().removeprefix("_")
    assert f"port {port} of 127.0.0.1 is taken" in sentence
    assert option in sentence
    assert variable in sentence


async def leave_behind(port: int) -> None:
    """One who is to be called back by an agent whom the demo does not have."""
    async with Client("127.0.0.1", port, name="test") as client:
        await client.call(
            commands.ContactEnqueue(contact="left", tenant="northbank", queue="service", require="fraud & network")
        )
        await client.call(commands.ContactCallback(contact="left", number="+34600000000"))


async def ending_of(port: int, contact: str) -> str:
    """How a contact of the first line ended."""
    async with Client("127.0.0.1", port, name="test") as client:
        answer = await client.call(commands.ContactEnqueue(contact=contact, tenant="northbank", queue="service"))
    return answer.ended or ""


def test_the_journal_can_be_kept_and_gone_on_with(tmp_path: Path) -> None:
    options = ("--speed", "300", "--duration", "10", "--data", str(tmp_path / "kept here"))
    for run in range(2):
        with demo(tmp_path, *options) as process:
            port = next_line(process)["port"]
            if run == 0:
                asyncio.run(leave_behind(port))
            else:
                assert asyncio.run(ending_of(port, "left")) == "withdrawn"
            out, err = process.communicate(timeout=patient(60))
        assert process.returncode == 0, err
        summary = json.loads(out.splitlines()[-1])
        assert summary["refused"] == {}
    assert (tmp_path / "kept here").is_dir()


def test_the_configuration_is_printed_without_starting_anything(tmp_path: Path) -> None:
    done = subprocess.run(
        [*command(), "--print-config"],
        check=False,
        cwd=ROOT,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=patient(60),
    )
    assert done.returncode == 0
    assert read_toml(done.stdout, "printed") == centre.configuration()


def test_a_terminal_shows_the_centre_and_is_restored(tmp_path: Path) -> None:
    master, slave = pty.openpty()
    ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen(
        command("--speed", "200"),
        cwd=ROOT,
        env={**environment(tmp_path), "TERM": "xterm-256color", "LANG": "C.UTF-8", "COLUMNS": "80", "LINES": "24"},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=lambda: ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - no threads here
    )
    os.close(slave)
    shown = b""
    interrupted = False
    deadline = time.monotonic() + 60
    try:
        while time.monotonic() < deadline:
            if not select.select([master], [], [], 1)[0]:
                continue
            try:
                received = os.read(master, 65_536)
            except OSError:  # the other side is closed: the demo has ended
                break
            shown += received
            if not interrupted and b"homenet/helpdesk" in shown and " → ".encode() in shown:
                interrupted = True
                os.write(master, b"\x03")  # Ctrl-C, as the terminal sends it to the whole process group
        assert process.wait(timeout=patient(30)) == 0
    finally:
        process.kill()
        process.wait()
        os.close(master)
    assert b"\x1b[?1049h" in shown, "it draws on the other screen"
    after = shown[shown.rindex(b"\x1b[?1049l") :].decode()
    assert "The demo ended on day 1" in after
    assert "service level" in after
    assert "http://127.0.0.1:" in after
    assert "\x1b[?25h" in shown[shown.rindex(b"\x1b[?25l") :].decode(), "the cursor is there again"
    assert "Traceback" not in shown.decode(errors="replace")
