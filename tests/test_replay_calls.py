"""Recorded calls through a real server: the plan made from a record, the replay, and sums that agree whatever happens."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from acd_core.config import Config
from acd_core.events import ContactConnected, ContactEnded, Event
from acd_core.validation import validate
from acd_core.views import QueueView
from acd_protocol.client import Client
from acd_protocol.messages import Gap
from acd_sim import recorded_calls, replay_plan, replay_report
from acd_sim.recorded_calls import RecordedCall
from acd_sim.replay import Replay
from acd_sim.replay_plan import DAY_S, Plan, make_plan
from acd_sim.server_process import ServerProcess
from tests.support.recorded import CALLS_FILE, ROOT, busy_hour, needs_month, row, text
from tests.support.wait import patient

# The plan.


def calls(tmp_path: Path, *rows: str) -> tuple[RecordedCall, ...]:
    path = tmp_path / "some.csv"
    path.write_text(text(*rows))
    record = recorded_calls.read(path)
    assert record.bad == ()
    return record.calls


def test_agents_can_do_what_they_are_often_seen_doing(tmp_path: Path) -> None:
    often = [row(server="ann", type="PS")] * 50 + [row(server="ann", type="NW")] * 10
    seldom = [row(server="bob", type="NW")] * 50 + [row(server="bob", type="PS")] * 4
    plan = make_plan(calls(tmp_path, *often, *seldom))
    assert plan.skills == {"ann": {"PS", "NW"}, "bob": {"NW"}}


def test_a_day_that_ends_after_midnight_and_the_next_are_one_shift(tmp_path: Path) -> None:
    late = row(queue_start_s="86300", queue_time_s="0", service_time_s="600", server="bob")
    early = row(date="1999-08-02", queue_start_s="60", queue_time_s="0", service_time_s="30", server="bob")
    noon = row(date="1999-08-02", queue_start_s="40000", queue_time_s="0", service_time_s="60", server="bob")
    shifts = make_plan(calls(tmp_path, late, early, noon)).shifts
    assert [(shift.start_s, shift.end_s) for shift in shifts] == [(86_000, DAY_S + 40_300)]


def test_a_type_that_only_unnamed_agents_answered_gets_somebody(tmp_path: Path) -> None:
    plan = make_plan(calls(tmp_path, row(server="ann"), row(server="", type="TT")))
    assert plan.skills == {"ann": {"PS", "TT"}}
    nobody = make_plan(calls(tmp_path, row(server="", type="TT")))
    assert list(nobody.skills.values()) == [{"TT"}]


def test_a_shift_goes_from_a_little_before_the_first_conversation_to_the_end_of_the_last(tmp_path: Path) -> None:
    plan = make_plan(
        calls(
            tmp_path,
            row(queue_start_s="30000", queue_time_s="0", server="ann"),
            row(queue_start_s="36000", queue_time_s="20", service_time_s="500", server="bob"),
            row(queue_start_s="37000", queue_time_s="5", service_time_s="70", server="bob"),
            row(queue_start_s="60000", queue_time_s="5", server="ann"),
        )
    )
    (bob,) = [shift for shift in plan.shifts if shift.agent == "bob"]
    assert (bob.start_s, bob.end_s) == (36_020 - replay_plan.EARLY_S, 37_075)


def test_somebody_is_there_for_every_call_that_was_answered(tmp_path: Path) -> None:
    plan = make_plan(
        calls(
            tmp_path,
            row(queue_start_s="20000", queue_time_s="5", server=""),
            row(queue_start_s="30000", server="ann"),
            row(queue_start_s="70000", queue_time_s="600", server=""),
        )
    )
    (ann,) = plan.shifts
    assert ann.start_s <= 20_000
    assert ann.end_s > 70_600


def test_days_follow_each_other_and_can_be_limited(tmp_path: Path) -> None:
    three = calls(tmp_path, row(date="1999-08-05"), row(date="1999-08-03"), row(date="1999-08-04"))
    assert make_plan(three).starts_s == (36_010, DAY_S + 36_010, 2 * DAY_S + 36_010)
    assert [call.row for call in replay_plan.first_days(three, 2)] == [3, 4]
    assert replay_plan.first_days(three, 0) == three


@pytest.mark.parametrize("clock_speed", [1, 3000, 1_000_000])
def test_the_configuration_is_valid_and_patient_at_any_speed(tmp_path: Path, clock_speed: float) -> None:
    plan = make_plan(calls(tmp_path, row(), row(type="NW", server="bob")))
    config = replay_plan.configuration(plan, "bank", clock_speed)
    validate(msgspec.json.decode(msgspec.json.encode(config), type=Config))
    for queue in config.queues:
        assert queue.offer_timeout_s / clock_speed >= min(2, 20 / clock_speed)
        assert queue.priority_step_s == 90


@needs_month
def test_the_real_month_is_staffed_by_its_own_servers() -> None:
    record = recorded_calls.read(CALLS_FILE)
    plan = make_plan(record.calls)
    assert len(plan.skills) == 31
    assert all(any(kind in skills for skills in plan.skills.values()) for kind in plan.types)
    for call, start in zip(plan.calls, plan.starts_s, strict=True):
        if call.outcome == "served":
            answered = start + call.wait_s
            assert any(
                shift.start_s <= answered + replay_plan.EARLY_S and shift.end_s >= answered
                for shift in plan.shifts
                if call.type in plan.skills[shift.agent]
            )


# The replay, through a server in a process of its own.


def acd(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "server", "replay-calls", *arguments],
        check=False,
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=patient(100),
    )


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("ACD_")}


def sums_agree(report: dict[str, Any], counts: dict[str, int]) -> None:
    """Every row is accounted for, and events and server say the same."""
    assert report["disagreements"] == []
    assert report["refused"] == {}
    assert report["rows"] == {
        "all": sum(counts.values()),
        "offered": counts["AGENT"] + counts["HANG"],
        "left_in_vru": counts["vru"],
        "phantom": counts["PHANTOM"],
        "bad": 0,
        "other_days": 0,
    }
    for figures in (report["replay"], report["server"]):
        assert figures["offered"] == counts["AGENT"] + counts["HANG"]
        assert figures["offered"] == figures["served"] + figures["abandoned"]
        assert figures["waiting"] == 0
        assert figures["other"] == {}
    assert report["replay"]["served"] >= counts["AGENT"], "who was served then is served now"
    assert (report["record"]["served"], report["record"]["abandoned"]) == (counts["AGENT"], counts["HANG"])


def test_an_hour_is_replayed_while_the_server_is_killed_twice(tmp_path: Path) -> None:
    path = tmp_path / "hour.csv"
    counts = busy_hour(path, calls=500)
    done = acd(str(path), "--own-server", "--speed", "900", "--kill-server", "2", "--json")
    assert done.returncode == 0, done.stderr + done.stdout
    report = json.loads(done.stdout)
    sums_agree(report, counts)
    assert report["finished"]
    assert report["server_kills"] == 2
    assert report["reconnections"] == 2


def test_the_printed_report_stands_beside_the_record_and_names_bad_rows(tmp_path: Path) -> None:
    path = tmp_path / "hour.csv"
    counts = busy_hour(path, calls=100)
    path.write_text(path.read_text() + row(outcome="LOST") + "\n")
    done = acd(str(path), "--own-server", "--speed", "2000")
    assert done.returncode == 0, done.stderr + done.stdout
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"101 rows = {counts['AGENT'] + counts['HANG']} offered + ")
    assert lines[0].endswith("+ 1 bad")
    assert lines[1] == "  line 102: outcome is 'LOST'; it must be AGENT, HANG or PHANTOM"
    table = {" ".join(line.split()[:-2]): line.split()[-2:] for line in lines}
    assert table["served"][1] == str(counts["AGENT"])
    assert table["abandoned"][1] == str(counts["HANG"])
    assert "service level, 20 s" in done.stdout
    assert lines[-1].startswith("all sums agree")
    assert done.stderr == ""


@contextlib.contextmanager
def running(data: Path, clock_speed: float) -> Iterator[ServerProcess]:
    process = ServerProcess(data=data, clock_speed=clock_speed)
    try:
        process.start()
        yield process
    finally:
        process.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with running(tmp_path / "server", clock_speed=1000) as process:
        yield process


def test_a_server_can_take_one_replay_after_the_other(tmp_path: Path, server: ServerProcess) -> None:
    path = tmp_path / "hour.csv"
    counts = busy_hour(path, calls=100)
    for _ in range(2):
        done = acd(str(path), "--port", str(server.port), "--speed", "4000", "--json")
        assert done.returncode == 0, done.stderr + done.stdout
        sums_agree(json.loads(done.stdout), counts)


def test_a_server_without_the_queues_is_told_apart_from_lost_calls(tmp_path: Path, server: ServerProcess) -> None:
    path = tmp_path / "hour.csv"
    busy_hour(path, calls=20)
    done = acd(str(path), "--port", str(server.port), "--speed", "5000", "--no-config")
    assert done.returncode == 1
    assert "the server refused what it should have accepted" in done.stdout
    assert "tenant_unknown" in done.stdout
    assert "do NOT agree" in done.stdout


@contextlib.asynccontextmanager
async def slow_replay(path: Path, server: ServerProcess) -> AsyncIterator[asyncio.subprocess.Process]:
    """A replay in the middle of its calls."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server", "replay-calls", str(path)),
        *("--port", str(server.port), "--speed", "200", "--json"),
        cwd=ROOT,
        env=environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with Client(server.host, server.port, name="observer") as client, asyncio.timeout(patient(30)):
            while sum(queue.answered for queue in await queues(client)) < 5:  # noqa: ASYNC110 - it is polled
                await asyncio.sleep(0.01)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def test_ctrl_c_reports_what_has_happened_so_far(tmp_path: Path, server: ServerProcess) -> None:
    path = tmp_path / "hour.csv"
    counts = busy_hour(path, calls=300)
    async with slow_replay(path, server) as process:
        process.send_signal(signal.SIGINT)
        out, _ = await process.communicate()
    assert process.returncode == 130
    report = json.loads(out)
    assert report["disagreements"] == []
    assert not report["finished"]
    assert 5 <= report["replay"]["offered"] < counts["AGENT"] + counts["HANG"]


async def test_an_outage_is_told_and_a_second_ctrl_c_ends_even_that(tmp_path: Path, server: ServerProcess) -> None:
    path = tmp_path / "hour.csv"
    busy_hour(path, calls=300)
    async with slow_replay(path, server) as process:
        server.kill()
        assert process.stderr is not None
        assert b"the server is away; trying for 120 s" in await process.stderr.readline()
        process.send_signal(signal.SIGINT)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(process.wait(), 0.3)
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
    assert process.returncode == 130
    assert err.decode() == "acd: interrupted; without the server's answers there is no report\n"


async def test_a_sum_that_does_not_agree_is_told(tmp_path: Path, server: ServerProcess) -> None:
    plan = make_plan(calls(tmp_path, row(server="ann"), row(queue_start_s="36020", server="ann")))
    rows = replay_report.Rows(all=2, offered=2, left_in_vru=0, phantom=0, bad=0, other_days=0)
    async with Client(server.host, server.port, name="replay", events_max=0) as client:
        replay = await replayed(client, plan)
        after = await queues(client)
        events = replay_report.replayed_figures(replay, 1.0)
        counted = replay_report.server_figures([], after)
        assert replay_report.disagreements(rows, replay, events, counted, finished=True) == []
        replay.tally.served -= 1
        lost = replay_report.replayed_figures(replay, 1.0)
    found = replay_report.disagreements(rows, replay, lost, counted, finished=True)
    assert found == [
        "offered against served + abandoned + otherwise ended + still waiting, by the events: 2 against 1",
        "served by the events against the server's own count: 1 against 2",
    ]


async def replayed(client: Client, plan: Plan, speed: float = 1000) -> Replay:
    await client.apply_config(replay_plan.configuration(plan, "bank", speed))
    replay = Replay(client, plan, tenant="bank", prefix="t-", speed=speed)
    await replay.run()
    return replay


async def queues(client: Client) -> list[QueueView]:
    stats = await client.stats("bank")
    return msgspec.convert(stats["queues"], list[QueueView])


async def test_conversations_last_as_recorded_and_high_priority_gets_its_head_start(tmp_path: Path) -> None:
    # While ann talks to the first caller, an ordinary one arrives, and ten seconds later one of high priority.
    plan = make_plan(
        calls(
            tmp_path,
            row(queue_start_s="36000", service_time_s="200", server="ann"),
            row(queue_start_s="36150", service_time_s="100", server="ann"),
            row(queue_start_s="36160", service_time_s="100", priority="2", server="ann"),
        )
    )
    connected: list[str] = []
    with running(tmp_path / "server", clock_speed=200) as server:
        async with (
            Client(server.host, server.port, name="replay", events_max=0) as client,
            Client(server.host, server.port, name="observer", events_max=0) as observer,
        ):
            observer.on(ContactConnected, lambda event: connected.append(event.contact))
            await observer.subscribe()
            replay = await replayed(client, plan, speed=200)
            await observer.ping()
    assert connected == ["t-2", "t-4", "t-3"]
    assert replay.second >= 36_000 + 200 + 100 + 100


async def test_a_caller_who_gave_up_is_at_least_as_patient_as_he_was(tmp_path: Path, server: ServerProcess) -> None:
    gone = {"outcome": "HANG", "queue_time_s": "120", "service_start_s": "", "service_time_s": "0", "server": ""}
    plan = make_plan(
        calls(
            tmp_path,
            row(queue_start_s="36000", service_time_s="5000", server="ann"),
            row(queue_start_s="36100", **gone),
        )
    )
    async with Client(server.host, server.port, name="replay", events_max=0) as client:
        replay = await replayed(client, plan)
    (wait,) = replay.tally.abandoned_waits
    assert wait >= 120
    assert replay.tally.unanswered == {"abandoned": 1}


async def test_nights_are_skipped(tmp_path: Path, server: ServerProcess) -> None:
    plan = make_plan(calls(tmp_path, row(server="ann"), row(date="1999-08-20", server="ann")))
    async with Client(server.host, server.port, name="replay", events_max=0) as client:
        replay = await replayed(client, plan)
    assert replay.tally.served == 2
    assert replay.skipped_s > 18 * DAY_S


async def test_calls_that_are_turned_away_have_their_reason_in_the_report(
    tmp_path: Path, server: ServerProcess
) -> None:
    rows = [row(queue_start_s=str(36_000 + number), service_time_s="300", server="ann") for number in range(30)]
    plan = make_plan(calls(tmp_path, *rows))
    config = replay_plan.configuration(plan, "bank", 1000)
    small = tuple(msgspec.structs.replace(queue, max_waiting=2) for queue in config.queues)
    async with Client(server.host, server.port, name="replay", events_max=0) as client:
        await client.apply_config(msgspec.structs.replace(config, queues=small))
        replay = Replay(client, plan, tenant="bank", prefix="t-", speed=1000)
        await replay.run()
        events = replay_report.replayed_figures(replay, 1.0)
        counted = replay_report.server_figures([], await queues(client))
    account = replay_report.Rows(all=30, offered=30, left_in_vru=0, phantom=0, bad=0, other_days=0)
    assert replay_report.disagreements(account, replay, events, counted, finished=True) == []
    assert events.offered == 30
    assert events.other["queue_full"] == 30 - events.served > 10


async def test_lost_events_are_made_good_by_looking(tmp_path: Path, server: ServerProcess) -> None:
    rows = [row(queue_start_s=str(36_000 + 10 * number), service_time_s="20", server="ann") for number in range(50)]
    plan = make_plan(calls(tmp_path, *rows))
    lost = 0

    class Forgetful(Replay):
        """Misses every third event, and is told so."""

        def _on_connected(self, event: ContactConnected) -> None:
            self._or_miss(super()._on_connected, event)

        def _on_ended(self, event: ContactEnded) -> None:
            self._or_miss(super()._on_ended, event)

        def _or_miss(self, handler: Callable[[Any], None], event: Event) -> None:
            nonlocal lost
            if event.seq % 3:
                handler(event)
            else:
                lost += 1
                self._on_gap(Gap(first_seq=event.seq + 1))

    async with Client(server.host, server.port, name="replay", events_max=0) as client:
        await client.apply_config(replay_plan.configuration(plan, "bank", 1000))
        replay = Forgetful(client, plan, tenant="bank", prefix="t-", speed=1000)
        await replay.run()
        (view,) = await queues(client)
    assert lost > 10
    assert (replay.tally.offered, replay.tally.served, replay.live) == (50, 50, 0)
    assert (view.entered, view.answered) == (50, 50)


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        (["none.csv"], 2, "none.csv cannot be read: No such file or directory"),
        (["empty.csv"], 2, "holds no call that sought an agent"),
        (["one.csv", "--port", "1"], 2, "no server answers at 127.0.0.1:1; start one with 'acd serve'"),
        (["one.csv", "--kill-server", "1"], 2, "--kill-server is for --own-server"),
        (["one.csv", "--speed", "0"], 2, "0 is out of range"),
        (["one.csv", "--limit-days", "0"], 2, "0 is too few"),
    ],
)
def test_what_cannot_be_done_is_one_clear_sentence(tmp_path: Path, options: list[str], status: int, words: str) -> None:
    (tmp_path / "empty.csv").write_text(text(row(outcome="PHANTOM")))
    (tmp_path / "one.csv").write_text(text(row()))
    done = acd(*[str(tmp_path / options[0]), *options[1:]])
    assert done.returncode == status
    assert words in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


@needs_month
def test_a_day_of_the_real_month_loses_nobody_when_the_server_is_killed(tmp_path: Path) -> None:
    done = acd(str(CALLS_FILE), "--limit-days", "1", "--own-server", "--speed", "6000", "--kill-server", "2", "--json")
    assert done.returncode == 0, done.stderr + done.stdout
    report = json.loads(done.stdout)
    assert report["rows"]["all"] == 42_078
    assert report["disagreements"] == []
    assert report["replay"]["offered"] == report["record"]["offered"] == 2239
    assert report["server_kills"] == 2
