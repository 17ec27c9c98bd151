"""`acd staff` and `acd calibrate`: plans that reach their goal, and scenarios that are like their record."""

import csv
import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from acd_sim.formulas.erlang import agents_needed
from acd_sim.planner.staffing import find_staff
from acd_sim.recorded_calls import Record, RecordedCall
from acd_sim.scenario import shape
from acd_sim.scenario.build import build
from acd_sim.scenario.calibrate import CalibrationError, calibrate
from acd_sim.scenario.document import Document, ScenarioError
from acd_sim.virtual import simulate
from server.__main__ import main

FIRST = Path(__file__).parent.parent / "examples" / "scenarios" / "first.toml"

TWO_SKILLS = """
[run]
hours = 4
interval_minutes = 60
[[tenants]]
name = "t"
[[queues]]
tenant = "t"
name = "a"
require = "a"
[[queues]]
tenant = "t"
name = "b"
require = "b"
[[contacts]]
name = "a"
queue = "t/a"
arrivals = { counts = [60, 120, 120, 60], slot_minutes = 60 }
talk = { law = "exponential", mean_s = 120 }
patience = { law = "exponential", mean_s = 300 }
[[contacts]]
name = "b"
queue = "t/b"
arrivals = { counts = [60, 60, 120, 120], slot_minutes = 60 }
talk = { law = "exponential", mean_s = 120 }
patience = { law = "exponential", mean_s = 300 }
[[teams]]
name = "only-a"
count = 1
skills = { a = 1 }
[[teams]]
name = "only-b"
count = 1
skills = { b = 1 }
[[teams]]
name = "both"
count = 1
skills = { a = 1, b = 1 }
"""


def document(text: str) -> Document:
    return Document(text, "s.toml", Path())


def test_one_queue_needs_what_the_formula_says() -> None:
    """Long intervals of one rate are nearly in their steady state, so the search ends near Erlang A."""
    text = FIRST.read_text().replace('title = "', "[run]\ninterval_minutes = 240\n#")
    found = find_staff(document(text), shape.Goals(service_level=0.8), replications=30, processes=1)
    needed = agents_needed(120 / 3600, 1 / 300, target=0.8, within=20, patience=1 / 180)
    assert found.reached
    assert found.guess["front"][3] == needed  # from 12:00 to 16:00
    assert abs(found.plan["front"][3] - needed) <= 1
    assert found.plan_hours == sum(found.plan["front"]) * 4


def test_a_plan_reaches_its_goal_for_every_kind_and_interval() -> None:
    goals = shape.Goals(service_level=0.8)
    found = find_staff(document(TWO_SKILLS), goals, replications=30, processes=1)
    assert found.reached
    study = found.played.study
    levels = [study.estimate("service_level", [kind], [hour]) for kind in "ab" for hour in range(4)]
    assert all(level.mean + level.half_width > 0.8 for level in levels)  # other callers than the plan was made for
    assert np.mean([level.mean for level in levels]) < 0.95  # and no more agents than that takes
    assert found.plan_hours <= found.guess_hours + 2
    assert sum(found.plan["only-a"]) + sum(found.plan["both"]) > 0


def test_a_stricter_goal_needs_more() -> None:
    hours = [
        find_staff(document(TWO_SKILLS), goals, replications=8, processes=1).plan_hours
        for goals in (
            shape.Goals(service_level=0.7),
            shape.Goals(service_level=0.9),
            shape.Goals(service_level=0.9, occupancy=0.5),
        )
    ]
    assert hours == sorted(hours)
    assert hours[0] < hours[1] < hours[2]


def test_what_nobody_can_serve_is_told() -> None:
    with pytest.raises(ScenarioError, match="no team with a count can serve"):
        find_staff(
            document(
                TWO_SKILLS.replace("{ a = 1", "{ x = 1").replace("b = 1 }", "x = 1 }").replace("x = 1, x = 1", "x = 1")
            ),
            shape.Goals(service_level=0.8),
        )
    with pytest.raises(ScenarioError, match="there is no goal"):
        find_staff(document(TWO_SKILLS), shape.Goals())


def test_the_command_prints_writes_and_refuses(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    scenario = tmp_path / "two.toml"
    scenario.write_text(TWO_SKILLS)
    plan, page = tmp_path / "plan.csv", tmp_path / "plan.html"
    options = ["--replications", "10", "--processes", "1", "--service-level", "0.8"]
    assert main(["staff", str(scenario), *options, "--csv", str(plan), "--report", str(page)]) == 0
    out = capsys.readouterr().out
    assert "agent hours; the formula alone says" in out
    with plan.open() as opened:
        rows = list(csv.DictReader(opened))
    assert len(rows) == 12
    assert "<svg" in page.read_text()
    assert main(["staff", str(scenario), *options, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["reached"] is True
    assert sum(int(row["agents"]) for row in rows) == answer["plan_hours"]
    assert main(["staff", str(scenario)]) == 2
    assert "there is no goal" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["staff", str(scenario), "--service-level", "80"])


# Calibration


def recorded(days: int = 10, per_day: int = 300, agents: int = 6) -> Record:
    """Calls as a queue of that many agents would have had them; every fifth of a second type."""
    stream = np.random.default_rng(5)
    calls = []
    for day in range(days):
        free = np.zeros(agents)
        starts = np.sort(stream.uniform(9 * 3600, 17 * 3600, stream.poisson(per_day)))
        for number, start in enumerate(starts):
            agent = int(free.argmin())
            begin, patience = max(start, free[agent]), stream.exponential(200)
            served = begin - start <= patience
            talk = round(stream.exponential(540)) + 1 if served else 0
            if served:
                free[agent] = begin + talk
            calls.append(
                RecordedCall(
                    row=number + 2, day=date(2026, 3, 2).toordinal() + day // 5 * 7 + day % 5, start_s=int(start),
                    type="special" if number % 5 == 0 else "usual", high_priority=number % 7 == 0,
                    outcome="served" if served else "abandoned", queued=begin > start,
                    wait_s=round(begin - start if served else patience), service_s=talk,
                    server=f"s{agent}" if served else "",
                )
            )  # fmt: skip
    return Record(tuple(calls), 0, 0, ())


def test_a_calibrated_scenario_is_like_its_record() -> None:
    record = recorded()
    text = calibrate(record, "calls.csv")
    planned = build(document(text))
    assert {kind.name for kind in planned.model.kinds} == {"usual", "usual high", "special", "special high"}
    study = simulate(planned.model, replications=30, processes=1)
    gave_up = np.mean([call.outcome == "abandoned" for call in record.calls])
    assert study.estimate("offered").mean == pytest.approx(len(record.calls) / 10, rel=0.05)
    assert study.estimate("abandonment").mean == pytest.approx(gave_up, abs=0.04)
    waits = [call.wait_s for call in record.calls if call.outcome == "served"]
    assert study.estimate("asa_s").mean == pytest.approx(np.mean(waits), rel=0.4)
    talks = [call.service_s for call in record.calls if call.service_s]
    assert study.estimate("handle_s").mean == pytest.approx(np.mean(talks), rel=0.05)


def test_too_small_a_record_is_refused() -> None:
    with pytest.raises(CalibrationError, match="500 on 2 are needed"):
        calibrate(recorded(days=1), "calls.csv")


def test_calibrate_writes_a_scenario(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    heads = "line,call_id,priority,type,date,vru_entry_s,vru_time_s,queue_start_s,queue_time_s,outcome,service_start_s,service_time_s,server"
    rows = [heads]
    for call in recorded(days=3).calls:
        day = date.fromordinal(call.day)
        served = call.outcome == "served"
        begin = call.start_s + call.wait_s if served else ""
        rows.append(
            f"L,{call.row},0,{call.type},{day},{call.start_s},0,{call.start_s},{call.wait_s},"
            f"{'AGENT' if served else 'HANG'},{begin},{call.service_s},{call.server}"
        )
    source, target = tmp_path / "calls.csv", tmp_path / "out.toml"
    source.write_text("\n".join(rows) + "\n")
    assert main(["calibrate", str(source), "--output", str(target)]) == 0
    assert build(document(target.read_text())).model.kinds
    assert main(["calibrate", str(source), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["scenario"] == target.read_text()
    assert main(["calibrate", str(tmp_path / "no.csv")]) == 2
    assert "no.csv" in capsys.readouterr().err
