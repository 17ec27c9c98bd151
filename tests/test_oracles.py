"""A small part of `make oracles`: the engine against exact results; and that the table can tell a wrong engine."""

import math
from pathlib import Path

import pytest
from msgspec import json, structs

from acd_sim.formulas.two_pools import solve
from acd_sim.oracles import (
    agent_choice,
    announcements,
    blending,
    call_choice,
    callback_day,
    callbacks,
    day,
    invariants,
    other_simulator,
    single_queue,
    skills,
)
from acd_sim.oracles.__main__ import main
from acd_sim.oracles.case import Case, Figure, Verdict, busy, judge, play, verdicts
from acd_sim.virtual import Estimate

SHARE = 0.1
FIGURES = 100
"""As many as all tests here ask together, so that they fail by chance once in 100 seeds."""

CASES = [
    next(single_queue.cases()),
    next(case for case in single_queue.cases() if case.patience),
    skills.graph("random graph", *skills.random_graph(1)),
    next(case for case in skills.cases() if case.name == "W model"),
    next(agent_choice.cases()),
    next(case for case in call_choice.cases() if "by speed" in case.name),
    list(blending.cases())[1],
    list(blending.cases())[4],
    next(callbacks.cases()),
    announcements.forecasts(95, 0),
    next(day.cases()),
    next(callback_day.cases()),
]


def found(case: Case, seed: int = 1) -> list[Verdict]:
    study = play(case, seed=seed, processes=1, share=SHARE)
    return verdicts(case, study, FIGURES) + invariants.verdicts(case, study, FIGURES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_engine_does_what_theory_says(case: Case) -> None:
    off = [verdict for verdict in found(case) if not verdict.within]
    assert not off


def test_what_must_hold_call_by_call_holds() -> None:
    assert all(verdict.within for verdict in call_choice.pairs())


@pytest.mark.skipif(not other_simulator.available(), reason="ciw is not installed")
def test_another_simulator_says_the_same_of_a_model_without_a_formula() -> None:
    strict = next(small for small in other_simulator.MODELS if small.order == "strict")
    (case,) = other_simulator.cases([strict], runs=4, customers=1500, processes=1)
    assert all(verdict.within for verdict in found(case))


# The table is no rubber stamp


def test_a_wrong_rule_is_told() -> None:
    right = next(agent_choice.cases())
    exact = solve(agent_choice.ARRIVALS, agent_choice.FAST, agent_choice.SLOW, "slowest")
    wrong = structs.replace(right, figures=(Figure("fast", exact.fast_occupancy, busy(0, 50)),))
    assert not found(wrong)[0].within


def test_a_wrong_formula_is_told() -> None:
    case = CASES[3]
    off = structs.replace(case, figures=tuple(structs.replace(f, exact=1.25 * f.exact) for f in case.figures))
    verdicts_off = found(off)[: len(case.figures)]
    assert sum(not verdict.within for verdict in verdicts_off) >= len(case.figures) - 1


def test_a_verdict_allows_more_when_there_are_more_figures_and_when_the_known_value_is_in_doubt() -> None:
    estimate = Estimate(1.0, 0.1, 20)
    few = judge("o", Figure("f", 1.2, busy(0, 1)), estimate, 1)
    many = judge("o", Figure("f", 1.2, busy(0, 1)), estimate, 1000)
    doubtful = judge("o", Figure("f", 1.2, busy(0, 1), 0.2), estimate, 1)
    assert few.allowed < many.allowed
    assert few.allowed < doubtful.allowed
    assert not few.within
    assert doubtful.within


def test_a_run_that_measures_nothing_is_not_within() -> None:
    assert not judge("o", Figure("f", 1.0, busy(0, 1)), Estimate(math.nan, math.inf, 0), 1).within


def test_an_exact_invariant_is_off_as_soon_as_it_is_broken_once() -> None:
    assert invariants.exactly("o", "f", 0).within
    assert not invariants.exactly("o", "f", 1).within


# The command


def test_the_command_prints_a_line_a_figure_and_answers_with_its_status(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["--only", "three agents", "--share", "0.02", "--jobs", "1"]) == 0
    printed = capsys.readouterr().out
    assert "P(wait a)" in printed
    assert "within" in printed
    assert main(["--only", "three agents", "--share", "0.02", "--jobs", "1", "--json"]) == 0
    answer = json.decode(capsys.readouterr().out)
    assert {row["oracle"] for row in answer["verdicts"]} == {"three agents alike"}
    assert main(["--only", "no such thing"]) == 2
