"""Goals, peers and the page on performance: everything runs in a small size, cores agree, verdicts and tables are right."""

import json
import os
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from acd_core import Engine
from acd_sim.load.floor import Centre, Shape
from bench import instructions, page
from bench.drive import Traffic
from bench.figures import core, cpp, peers
from bench.figures.samples import Figures, Spread
from bench.figures.scale import FULL, TINY
from bench.goals import GOALS, PARTS, Goal, lines_of
from bench.peers import __main__ as beside
from bench.peers import postgres_server
from bench.peers.agreement import check_decisions, check_whole, ended_of
from bench.peers.python_core import PythonCore, digest
from bench.server_process import started
from bench.site import Site
from bench.trace import ABANDON, ENQUEUE, FREE, Trace, step_ns_of, traffic_of
from tests.support.wait import patient

ROOT = Path(__file__).resolve().parent.parent
NO_REDIS = pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed")
NO_POSTGRES = pytest.mark.skipif(
    not list(Path("/usr/lib/postgresql").glob("*/bin/pgbench")) or (os.geteuid() == 0 and not shutil.which("runuser")),
    reason="PostgreSQL is not installed",
)
NO_CXX = pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler")
SHAPES = (Shape(30, 4), Shape(30, 4, 25), Shape(200, 16, 60), Shape(60, 64))

# The price of safety


def test_safety_is_priced_beside_a_bare_server() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.safety", "--scale", "tiny", "--json"], cwd=ROOT, capture_output=True, check=True
    )
    told = json.loads(done.stdout)
    kinds = {"guarded", "enciphered", "durable", "chained"}
    assert told["cpu_ns"].keys() == kinds | {"bare"}
    assert all(min(values) > 0 for values in told["cpu_ns"].values())
    bare = min(told["cpu_ns"]["bare"])
    assert told["prices"].keys() == kinds
    assert told["prices"]["guarded"] == pytest.approx(min(told["cpu_ns"]["guarded"]) / bare)
    assert told["prices"]["chained"] == pytest.approx(1 + min(told["cpu_ns"]["chained"]) / bare)


# The same behaviour, by others


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_plain_core_in_python_gives_the_same_contacts_to_the_same_agents(shape: Shape) -> None:
    trace = Trace(Centre(shape), 2, 150, seed=7)
    plain = PythonCore(trace.people(), trace.asked())
    now = 0
    for operation, contact, value, priority in trace.rows():
        now += step_ns_of(shape)
        if operation == ENQUEUE:
            plain.enqueue(now, contact, value, priority)
        elif operation == FREE:
            plain.free(value)
        elif operation == ABANDON:
            plain.abandon(contact)
    assert digest(plain.assigned) == trace.digest


def played(whoever: cpp.CppCore, trace: Trace) -> dict[str, Any]:
    """What a core in C++ says that has played a trace."""
    with whoever:
        assert all(whoever.segment() > 0 for _ in range(trace.segments))
        return whoever.told()


@NO_CXX
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_so_does_the_plain_core_in_c(shape: Shape) -> None:
    trace = Trace(Centre(shape), 2, 150, seed=7)
    told = played(cpp.plain_core(trace), trace)
    check_decisions(told, trace)
    told["digest"] += 1
    with pytest.raises(RuntimeError, match="gave other contacts"):
        check_decisions(told, trace)


@NO_CXX
def test_a_core_in_c_that_goes_astray_is_a_figure_that_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = Trace(Centre(Shape(30, 4)), 2, 150, seed=7)
    with cpp.plain_core(trace) as plain:
        assert all(plain.segment() > 0 for _ in range(trace.segments))
        with pytest.raises(RuntimeError, match="where it should have told"):
            plain.segment()
    dead = tmp_path / "dead"
    dead.write_text("#!/bin/sh\necho 0; read go; echo 5; exit 3\n")
    dead.chmod(0o755)
    monkeypatch.setattr(cpp, "built", lambda _: dead)
    with cpp.plain_core(trace) as plain:
        assert plain.segment() == 5
        with pytest.raises(RuntimeError, match="ended with status 3"):
            plain.told()
    with cpp.plain_core(trace) as plain:
        plain.segment()
        with pytest.raises(RuntimeError, match="where it should have told"):
            plain.segment()


@NO_CXX
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_whole_core_in_c_decides_tells_and_shows_the_same(shape: Shape) -> None:
    trace = Trace(Centre(shape), 2, 150, seed=7)
    check_whole(played(cpp.whole_core(trace), trace), trace)


@NO_CXX
def test_it_does_so_where_queues_are_full_and_ended_contacts_are_forgotten() -> None:
    centre = Centre(Shape(60, 64))
    centre.config = replace(
        centre.config,
        settings=replace(centre.config.settings, ended_contacts_kept=40),
        queues=tuple(replace(queue, max_waiting=1) for queue in centre.config.queues),
    )
    trace = Trace(centre, 2, 150, seed=7)
    assert sum(queue.ended.get("queue_full", 0) for queue in trace.engine.queues()) > 10
    assert ended_of(trace).count(".") > 1000
    check_whole(played(cpp.whole_core(trace), trace), trace)


@NO_CXX
def test_the_whole_core_is_not_compared_when_it_decides_tells_or_shows_anything_else() -> None:
    trace = Trace(Centre(Shape(30, 4)), 2, 150, seed=7)
    told = played(cpp.whole_core(trace), trace)

    def unlike(why: str) -> None:
        with pytest.raises(RuntimeError, match=why):
            check_whole(told, trace)

    told["shown"]["queues"][1]["handle_histogram"][2] += 1
    unlike("shows something else: queues 1 handle_histogram 2 is")
    del told["shown"]["queues"][1]["handle_histogram"]
    unlike("shows something else: queues 1 handle_histogram is None")
    told["ended"] = told["ended"].replace("d", "b", 1)
    unlike("remembers others")
    first, *others = trace.centre.config.agents
    trace.centre.config = replace(trace.centre.config, agents=(replace(first, address="PJSIP/elsewhere"), *others))
    told = played(cpp.whole_core(trace), trace)
    unlike("told other events")
    trace.data = trace.data[:-16] + struct.pack("4i", ENQUEUE, trace.contacts(), 0, 0)
    told = played(cpp.whole_core(trace), trace)
    unlike("gave other contacts")


@NO_REDIS
def test_so_does_redis() -> None:
    figures = Figures()
    peers.redis(figures, TINY)
    assert len(figures.values["peer.redis"]) == TINY.rounds


@NO_POSTGRES
def test_postgresql_takes_contacts_through_their_lives(tmp_path: Path) -> None:
    trace = Trace(Centre(Shape(40, 4)), 1, 1)
    (rate,) = postgres_server.measure(trace, tmp_path, 1, 1, durable=False)
    assert rate > 1


def test_a_trace_drives_an_engine_by_single_calls_to_the_same_state() -> None:
    centre = Centre(Shape(60, 8, 20))
    trace = Trace(centre, 3, 50)
    setup, segments = trace.calls()
    engine = Engine()
    for calls in (setup, *segments):
        for method, args in calls:
            assert not getattr(engine, method)(*args)
            engine.discard_events()
    traffic = traffic_of(centre)
    traffic.open()
    traffic.settle(50)
    for _ in range(3):
        traffic.run(50)
    assert len(segments) == 3
    assert engine.digest() == traffic.engine.digest()


def test_the_peer_in_python_answers_the_load_without_a_mistake() -> None:
    with started([sys.executable, "-m", "bench.peers.asyncio_server"]) as process:
        site = Site(process, Shape(80, 4), 4)
        site.log_in()
        sender = site.sender(4)
        site.closed_loop(sender, 8, 200)
        site.close()
    counts = sender.counts
    assert counts["finished"] == counts["connected"] == 200
    wrong = ("refused", "answered_twice", "unknown", "told_twice", "out_of_order", "agent_twice")
    assert {name: counts[name] for name in wrong} == dict.fromkeys(wrong, 0)


# The traffic from compiled code


def traffic(shape: Shape, seed: int = 1) -> Traffic:
    made = traffic_of(Centre(shape), traced=True, seed=seed)
    made.open()
    return made


def test_traffic_keeps_as_many_waiting_as_it_says_and_abandons_some() -> None:
    made = traffic(Shape(40, 4, 30))
    made.settle(200)
    for _ in range(5):
        cpu, wall = made.run(100)
        assert cpu > 0
        assert wall > 0
        assert 29 <= made.waiting_now <= 31
    operations = [row[0] for row in Trace(Centre(Shape(40, 4, 30)), 2, 200).rows()]
    assert operations.count(ABANDON) > 5
    assert made.abandon_some(10) > 0
    assert made.waiting_now <= 21


def test_each_command_of_a_round_is_counted_in_the_tail() -> None:
    made = traffic(Shape(40, 4))
    made.settle(50)
    before = made.commands
    tail = made.run_timing_each(100)
    assert tail.total == made.commands - before
    assert 0 < tail.at(0.5) <= tail.most


def test_traffic_goes_by_its_seed() -> None:
    first, again, other = (traffic(Shape(40, 4), seed) for seed in (1, 1, 2))
    for made in (first, again, other):
        made.run(50)
    assert first.trace() == again.trace() != other.trace()
    assert first.digest == again.digest != other.digest


# Verdicts


def goal(at_least: bool) -> Goal:
    must, ambitious = (2.0, 4.0) if at_least else (4.0, 2.0)
    return Goal("1", "this / that", must, ambitious, at_least, "x", ("part",), lambda figures, scale: None)


@pytest.mark.parametrize(
    ("at_least", "median", "verdict"),
    [
        (True, 4.0, "reached"),
        (True, 3.9, "met"),
        (True, 2.0, "met"),
        (True, 1.9, "MISSED"),
        (False, 2.0, "reached"),
        (False, 2.1, "met"),
        (False, 4.0, "met"),
        (False, 4.1, "MISSED"),
    ],
)
def test_a_verdict_follows_from_must_and_ambition(at_least: bool, median: float, verdict: str) -> None:
    assert goal(at_least).verdict(Spread(median, 0, 9)) == verdict
    assert goal(at_least).verdict(None) == "not measured"


def test_all_goals_and_growth_targets_of_the_plan_are_there() -> None:
    numbers = {re.sub(r"(?<=\d)[a-c]$", "", line.number) for line in GOALS}
    assert numbers == {*map(str, range(1, 15)), *(f"g{number}" for number in range(1, 9)), "m1", "m2", "m3"}
    parts = {name for name, _ in PARTS}
    for line in GOALS:
        assert set(line.parts) <= parts, line.number
        assert (line.ambitious >= line.must) if line.at_least else (line.ambitious <= line.must)


def test_ratios_are_taken_round_by_round() -> None:
    figures = Figures()
    figures.add("one", [10, 20, 40])
    figures.add("two", [5, 5, 10])
    assert figures.ratio("one", "two") == Spread(4.0, 2.0, 4.0)
    figures.add("three", [5.0])
    assert figures.ratio("one", "three") == Spread(4.0, 2.0, 8.0)


def test_a_part_that_cannot_be_measured_says_why() -> None:
    figures = Figures()

    def missing(_: Figures) -> None:
        raise FileNotFoundError(2, "no", "redis-server")

    figures.part("Redis", missing, lambda name: None)
    (line,) = (line for line in lines_of(figures, TINY) if line.number == "6")
    assert (line.verdict, line.why) == ("not measured", "redis-server is not installed; 'make peers' installs it")


def test_figures_come_back_from_their_file(tmp_path: Path) -> None:
    figures = Figures()
    figures.add("wire.acd 50x1", [1.5, 2.5])
    figures.missing["Redis"] = "why"
    figures.write(tmp_path / "new" / "figures.json")
    again = Figures.read(tmp_path / "new" / "figures.json")
    assert again.as_json() == figures.as_json()


def run_goals(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench.goals", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=patient(110),
    )


def test_the_goals_run_in_a_small_size_and_tell_by_their_status(tmp_path: Path) -> None:
    report = tmp_path / "goals.json"
    parts = "core,growth,single,memory,two,requests,lifecycles,features,latency,costs"
    done = run_goals("--scale", "tiny", "--only", parts, "--report", str(report), "--json")
    told = {line["number"]: line for line in json.loads(done.stdout)["goals"]}
    if shutil.which("g++") is None:
        del told["3a"], told["3b"]
    left_out = {number for number, line in told.items() if line["median"] is None}
    assert left_out == {"6", "8"}, {number: told[number]["why"] for number in left_out}
    assert done.returncode in (0, 1)
    assert (done.returncode == 1) == any(line["verdict"] == "MISSED" for line in told.values())
    for line in told.values():
        if line["median"] is not None:
            assert line["low"] <= line["median"] <= line["high"]
    again = run_goals("--scale", "tiny", "--from", str(report))
    assert again.returncode == 1, "what was left out counts as missed where all was asked for"
    assert "request and answer, 50 connections x 16" in again.stdout


# Peers, instructions, page


def test_the_table_of_peers_has_ratios_the_right_way_round() -> None:
    figures = Figures()
    figures.add("peer.redis", [60_000.0, 62_000.0])
    figures.add("path.durable 64", [6_000.0, 6_200.0])
    figures.add("wire.echo 50x1", [4_000.0])
    figures.add("wire.acd 50x1", [5_000.0])
    figures.add("peer.postgres", [1_000.0], "per s")
    figures.add("path.durable 64 rate", [40_000.0], "per s")
    rows = {(row["peer"], row["what"]): row["ratio"] for row in beside.as_data(figures, FULL) if row["ratio"]}
    assert {key[0]: round(ratio["median"], 3) for key, ratio in rows.items()} == {
        "Redis 7 + Lua": 10.0,
        "C epoll echo": 1.25,
        "PostgreSQL": 40.0,
    }
    text = beside.table(figures, FULL)
    assert re.search(r"50 x 1 +4\.00 µs +5\.00 µs +1\.25 x the limit", text)
    assert "not measured" in text


def test_instructions_are_judged_with_a_tolerance() -> None:
    kept = {"a": 1000, "b": 1000, "c": 1000}
    found = {"a": 1019, "b": 1021, "c": 979, "d": 5}
    assert [row[3] for row in instructions.judged(found, kept)] == ["same", "MORE", "fewer", "new"]


def test_the_work_whose_instructions_are_counted_runs() -> None:
    instructions.work_all()
    assert "measured" in instructions.mark()
    kept = json.loads(instructions.KEPT.read_text())
    assert set(kept["counts"]) == set(instructions.WORKS)


@pytest.fixture
def small_figures() -> Figures:
    figures = Figures()
    core.growth(figures, TINY)
    for depth in (16, 64):
        for server in ("echo", "memory", "durable", "python"):
            figures.add(f"path.{server} {depth}", [1000.0 * depth, 1100.0 * depth])
    for rate in (100, 1_000):
        for server in ("memory", "durable"):
            for name in ("p50", "p99", "p999", "cpu"):
                figures.add(f"rates.{server} {rate} {name}", [50_000.0])
    for name, unit in (("memory.agent", "bytes"), ("memory.waiting", "bytes"), ("memory.all", "MB")):
        figures.add(name, [200.0], unit)
    for name in ("cost.journal", "cost.wire", "cost.recovery", "cost.rss"):
        figures.add(name, [300.0])
    figures.add("profile.kernel: TCP, epoll, wake-ups", [40.0], "%")
    figures.notes["symbols"] = " 40.0 %  something"
    figures.add("peer.redis", [60_000.0, 62_000.0])
    figures.missing["PostgreSQL"] = "it is not installed"
    return figures


def test_the_page_is_written_from_the_figures_with_pictures_that_are_there(
    small_figures: Figures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_figures.write(tmp_path / "figures.json")
    monkeypatch.setattr(page, "ROOT", tmp_path)
    for name in ("PAGE", "PICTURES", "KEPT"):
        monkeypatch.setattr(page, name, tmp_path / getattr(page, name).relative_to(ROOT))
    (tmp_path / "docs").mkdir()
    assert page.main(["--goals", str(tmp_path / "figures.json"), "--peers", str(tmp_path / "figures.json")]) == 0
    text = (tmp_path / "docs" / "performance.md").read_text()
    for line in GOALS:
        assert f"| {line.number} | {line.what} |" in text
    pictures = re.findall(r"\]\((pictures/[\w-]+\.png)\)", text)
    assert len(pictures) == 6
    for picture in pictures:
        assert (tmp_path / "docs" / picture).read_bytes().startswith(b"\x89PNG")
    assert "| 50,000 |" in text
    assert "Not measured: PostgreSQL: it is not installed" in text
    assert (
        json.loads((tmp_path / "docs/performance/goals.json").read_text())["figures"].keys()
        == small_figures.values.keys()
    )


def test_without_figures_the_page_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("BUILD", "KEPT"):
        monkeypatch.setattr(page, name, tmp_path / name)
    assert page.main([]) == 2
    assert "run 'make goals' first" in capsys.readouterr().err


def test_the_page_that_is_kept_has_every_goal() -> None:
    text = (ROOT / "docs" / "performance.md").read_text()
    for line in GOALS:
        assert f"| {line.number} | {line.what} |" in text
