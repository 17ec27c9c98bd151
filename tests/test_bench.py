"""The benchmarks still run, in a size that takes no time, and what they are fed and what they print is right."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest

from acd_core import Engine, Machine
from acd_core.commands import ContactAbandon, ContactEnqueue, OfferAccept
from acd_core.model import Model
from acd_protocol.framing import decode_from_client
from acd_sim.load.floor import Centre, Shape
from bench import cost, dear, report, training
from bench.figures.samples import Figures
from bench.measure import quantiles
from bench.sizes import SIZES
from bench.workload import Recording, calls_of, record
from tests.support.wait import patient

ROOT = Path(__file__).resolve().parent.parent


# All of them


def test_the_training_does_what_it_says() -> None:
    plain, dear_ones = len(training.TINY.shapes) + len(training.TINY.lines), 2 * len(dear.FEATURES)
    assert training.train(training.TINY) == plain * training.TINY.assignments + dear_ones * training.TINY.dear


def test_all_benchmarks_run_and_say_what_they_found(tmp_path: Path) -> None:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("ACD_", "PYTEST_"))}
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "bench", "--size=tiny", "--benchmark-enable", "-p", "no:cacheprovider"),
            *(f"--benchmark-json={tmp_path / 'bench.json'}", f"--basetemp={tmp_path / 'work'}"),
        ],
        cwd=ROOT,
        env=inherited,
        capture_output=True,
        text=True,
        check=False,
        timeout=patient(100),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    stored = json.loads((tmp_path / "bench.json").read_text())
    groups = {entry["group"] for entry in stored["benchmarks"]}
    assert groups == {
        "loop",
        "features",
        "memory",
        "core",
        "boundary",
        "config",
        "simulation",
        "wire",
        "latency",
        "journal",
        "flush",
        "recovery",
        "restart",
        "pause",
    }
    for entry in stored["benchmarks"]:
        info = entry["extra_info"]
        assert info["wall_ns"] > 0, entry["name"]
        assert info["cpu_ns"] >= 0, entry["name"]
    assert {"cpu", "Python", "Cython", "msgspec", "load average"} <= set(stored["environment"])
    assert "server / echo of the same requests" in {ratio["name"] for ratio in stored["ratios"]}
    text = (tmp_path / "bench.md").read_text()
    assert text in done.stdout
    assert text.startswith("# Benchmarks (tiny)")


def test_the_full_size_has_the_grid_that_was_promised() -> None:
    full = SIZES["full"]
    assert {shape.agents for shape in full.shapes} == {100, 1_000, 10_000}
    assert {shape.skills for shape in full.shapes} == {4, 64}
    assert {shape.waiting for shape in full.shapes} == {0, 1_000, 100_000}
    assert full.depths == (1, 16, 64, 256)
    assert {shape.agents for shape in full.loop_shapes} == {100, 1_000, 10_000, 100_000}
    assert {shape.skills for shape in full.loop_shapes} == {4, 64, 1_000}
    assert {shape.waiting for shape in full.loop_shapes} == {0, 1_000, 100_000, 1_000_000}
    for size in SIZES.values():
        assert set(size.model_shapes) <= set(size.shapes)


# What features cost


def test_what_features_cost_is_measured_drawn_and_written(tmp_path: Path) -> None:
    figures = Figures()
    cost.measure(figures, cost.TINY, lambda _: None)
    names = [*(feature.name for feature in dear.FEATURES), cost.CONSULT, cost.CONFERENCE]
    rows = cost.table(figures)
    assert [row.split(" | ")[0].removeprefix("| ") for row in rows[2:]] == names
    plain = [float(cell) for cell in rows[2].strip("| ").split(" | ")[1:]]
    assert len(plain) == len(cost.TINY.shapes)
    assert all(cell > 0 for cell in plain)
    cost.picture(figures).savefig(tmp_path / "cost.png")
    page = f"before\n{cost.BEGIN}\nold\n{cost.END}\nafter\n"
    written = cost.written(page, figures)
    assert written.startswith(f"before\n{cost.BEGIN}\n\n{rows[0]}\n")
    assert written.endswith(f"{cost.END}\nafter\n")
    assert "old" not in written
    with pytest.raises(ValueError, match="has no lines"):
        cost.written("a page", figures)


def test_the_page_on_routing_shows_what_was_measured_last() -> None:
    page = cost.PAGE.read_text("utf-8")
    assert cost.written(page, Figures.read(cost.KEPT)) == page


@pytest.mark.parametrize("feature", dear.FEATURES, ids=lambda feature: feature.name)
def test_a_dear_feature_is_at_work_and_stops_nobody(feature: dear.Feature) -> None:
    for shape in (Shape(40, 8), Shape(40, 8, 30)):
        traffic = dear.traffic_with(feature, shape)
        traffic.open()
        traffic.settle(100)
        traffic.engine.check()
        states = traffic.engine.domain().agents
        assert states["busy"] >= (shape.agents // 2 if shape.waiting else shape.agents // 4)
        assert (
            traffic.engine.config() != Centre(shape).config
            or feature.wishes
            or feature.chooses
            or feature is dear.PLAIN
        )


# The traffic


@pytest.fixture(scope="module")
def recording() -> Recording:
    return record(Shape(60, 8, 40), segments=3, assignments=100)


def test_agents_have_one_to_eight_skills_and_the_common_ones_more_often() -> None:
    centre = Centre(Shape(2_000, 64))
    counts = Counter(len(agent.skills) for agent in centre.config.agents)
    assert set(counts) == set(range(1, 9))
    holders = Counter(skill for agent in centre.config.agents for skill in agent.skills)
    assert holders["skill-0"] > 3 * holders["skill-63"] > 0
    levels = {level for agent in centre.config.agents for level in agent.skills.values()}
    assert levels == set(range(1, 11))


def test_kinds_of_contact_ask_one_skill_most_often_and_three_seldom() -> None:
    (kinds,) = Centre(Shape(2_000, 64)).kinds.values()
    assert len(kinds) == len(set(kinds)) == 640
    terms = Counter(kind.require.count("&") + 1 for kind in kinds)
    assert terms[1] > terms[2] > terms[3] > 0
    assert set(terms) == {1, 2, 3}


def test_every_kind_of_contact_can_be_served_by_an_agent_of_its_tenant() -> None:
    centre = Centre(Shape(40, 16), tenants=("acme", "bolt"))
    for tenant, kinds in centre.kinds.items():
        people = [agent.skills for agent in centre.config.agents if agent.tenants == (tenant,)]
        for kind in kinds:
            asked = {name: int(level) for name, level in re.findall(r"([\w-]+)>=(\d+)", kind.require)}
            assert kind.queue in asked
            assert any(all(levels.get(skill, 0) >= least for skill, least in asked.items()) for levels in people)


def test_the_same_seed_gives_the_same_traffic_and_another_another(recording: Recording) -> None:
    assert record(Shape(60, 8, 40), segments=3, assignments=100) == recording
    assert record(Shape(60, 8, 40), segments=3, assignments=100, seed=2) != recording


def test_a_segment_has_as_many_assignments_as_it_says_and_keeps_as_many_waiting(recording: Recording) -> None:
    assert recording.waiting in (39, 40, 41)
    for segment in recording.segments:
        kinds = Counter(type(decode_from_client(step.line)) for step in segment)
        assert kinds[OfferAccept] in (100, 101)
        assert 0 < kinds[ContactAbandon] < 20
        assert abs(kinds[ContactEnqueue] - kinds[OfferAccept] - kinds[ContactAbandon]) <= 3
    times = [step.now for segment in (recording.setup, *recording.segments) for step in segment]
    assert all(earlier < later for earlier, later in pairwise(times))


def test_where_nobody_waits_half_of_the_agents_are_free() -> None:
    recording = record(Shape(60, 4), segments=2, assignments=100)
    engine = Engine()
    drive(engine, recording)
    states = Counter(agent.state for agent in engine.agents())
    assert 25 <= states["ready"] <= 35
    assert states["busy"] + states["ready"] == 60


def drive(machine: Machine, recording: Recording) -> str:
    for segment in (recording.setup, *recording.segments):
        for method, args in calls_of(segment):
            assert getattr(machine, method)(*args) == 0
            machine.take_events()
    return machine.digest()


def test_a_recording_drives_model_and_engine_alike(recording: Recording) -> None:
    assert drive(Model(), recording) == drive(Engine(), recording)


def test_a_plain_contact_asks_no_more_than_its_queue() -> None:
    centre = Centre(Shape(20, 4))
    rng = Random(1)
    assert centre.enqueue(rng, "c-1", plain=True).require == ""
    assert centre.enqueue(rng, "c-2").require


# The report


def result(group: str, cpu_ns: float, **info: Any) -> dict[str, Any]:
    return {"group": group, "unit": "assignment", "cpu_ns": cpu_ns, "wall_ns": 2 * cpu_ns, "per_s": 1000, **info}


def core(machine: str, events: str, shape: Shape, cpu_ns: float) -> dict[str, Any]:
    return result("core", cpu_ns, machine=machine, events=events, **shape._asdict())


def test_results_are_compared_with_those_that_differ_in_one_thing() -> None:
    results = [
        core("engine", "discarded", Shape(100, 4, 0), 1000),
        core("engine", "discarded", Shape(1_000, 4, 0), 1500),
        core("engine", "discarded", Shape(10_000, 4, 0), 3000),
        core("engine", "taken", Shape(100, 4, 0), 2500),
        core("model", "taken", Shape(100, 4, 0), 50_000),
        result("wire", 60_000, server="acd", depth=64),
        result("wire", 4_000, server="echo", depth=64),
        result("latency", 9000, rate=1000, offer_ns={"p50": 600_000, "p99": 900_000}),
        result("flush", 100, flush_ns={"p50": 200_000, "p99": 300_000}),
    ]
    found = {(ratio.name, ratio.where): ratio.value for ratio in report.ratios(results)}
    assert found == {
        ("agents 100 -> 1,000", "1,000 agents, 4 skills, 0 waiting, events discarded"): 1.5,
        ("agents 1,000 -> 10,000", "10,000 agents, 4 skills, 0 waiting, events discarded"): 2.0,
        ("events taken / discarded", "100 agents, 4 skills, 0 waiting"): 2.5,
        ("model / engine, events taken", "100 agents, 4 skills, 0 waiting"): 20.0,
        ("server / echo of the same requests", "64 in flight"): 15.0,
        ("offer latency p50 / flush of the disk p50", "1,000 contacts a second"): 3.0,
        ("offer latency p99 / flush of the disk p50", "1,000 contacts a second"): 4.5,
    }


def test_growth_is_the_exponent_of_the_size() -> None:
    results = [
        result("loop", 100.0 * agents**0.5 * waiting**0.25, agents=agents, skills=4, waiting=waiting)
        for agents in (100, 1_000, 10_000)
        for waiting in (10, 1_000)
    ]
    results.append(result("loop", 7.0, agents=100, skills=4, waiting=0))
    found = report.growth(results)
    assert {(row.dimension, row.where, row.exponent) for row in found} == {
        ("agents", "4 skills, 10 waiting", 0.5),
        ("agents", "4 skills, 1,000 waiting", 0.5),
        *(("waiting", f"{agents:,} agents, 4 skills", 0.25) for agents in (100, 1_000, 10_000)),
    }


def test_tables_have_a_row_for_each_result_and_fit_together() -> None:
    text = report.text("quick", [core("engine", "taken", Shape(1_000, 64, 0), 12_345), result("boundary", 250)])
    (row,) = [line for line in text.splitlines() if line.startswith("| engine")]
    assert [cell.strip() for cell in row.strip("|").split("|")] == [
        *("engine", "taken", "1,000", "64", "0", "12.35", "24.69", "1,000")
    ]
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert len({len(line) for line in tables[:3]}) == 1
    assert "## Wire" not in text


def test_quantiles_are_those_of_the_sorted_values() -> None:
    assert quantiles(list(range(1000, 0, -1))) == {"p50": 501, "p99": 991, "p999": 1000}
    assert quantiles([7]) == {"p50": 7, "p99": 7, "p999": 7}
