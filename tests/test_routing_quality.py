"""What routing is worth: the experiment in small, and that its figures and words follow from it."""

import re

import numpy as np
import pytest
from msgspec import structs

from acd_sim import callback_day
from acd_sim.routing_quality import (
    BASE,
    BEST,
    BLENDED,
    LINES,
    POOLED_AGENTS,
    VARIANTS,
    Size,
    draw_people,
    estimated,
    inbound,
    model,
    page,
    play,
    relative,
)

PEOPLE = draw_people()


def test_people_are_as_different_as_the_page_says_and_the_same_in_all_variants() -> None:
    assert np.std(PEOPLE.value) == pytest.approx(0.1, abs=0.01)
    assert np.std(PEOPLE.handle) == pytest.approx(0.1, abs=0.01)
    assert np.mean(PEOPLE.handle) == pytest.approx(1, abs=0.02)
    few, many = (model(structs.replace(BEST, agents=count), PEOPLE) for count in (POOLED_AGENTS, 108))
    assert few.speeds.items() <= many.speeds.items()


def test_agents_have_as_many_skills_as_the_variant_says_and_every_line_has_its_own() -> None:
    for variant in (BASE, *VARIANTS):
        agents = model(variant, PEOPLE).config.agents
        assert len(agents) == variant.agents
        assert {len(agent.skills) for agent in agents} == {variant.skills}
        own = [next(iter(agent.skills)) for agent in agents]
        assert all(
            own.count(f"line{k}") in {variant.agents // LINES, -(-variant.agents // LINES)} for k in range(LINES)
        )


def test_what_is_learned_lies_between_nothing_and_all() -> None:
    known, learned = estimated(PEOPLE, "known"), estimated(PEOPLE, "learned")
    assert 0.5 < np.corrcoef(known.ravel(), learned.ravel())[0, 1] < 0.98


def test_levers_move_what_they_should() -> None:
    fewer, two_skills, pairing = VARIANTS[:3]
    rows = play((BASE, fewer, two_skills, pairing), PEOPLE, Size(hours=4, replications=6, processes=1))
    base, alone, pooled, paired = (row.study for row in rows)
    assert alone.difference("service_level", base).high < 0
    assert pooled.difference("service_level", alone).low > 0
    assert relative(pooled, base, "cost_per_answered").high < -0.1
    assert relative(paired, pooled, "value_per_offered").low > 0


def test_a_reserve_protects_callers_from_outbound_work_that_pays() -> None:
    rows = play(
        (BEST, BLENDED, structs.replace(BLENDED, reserve=0)), PEOPLE, Size(hours=3, replications=4, processes=1)
    )
    alone, blended, greedy = (row.study for row in rows)
    assert relative(blended, alone, "cost_per_answered").high < 0
    assert np.mean(inbound(blended, "outbound")) > 10
    assert np.mean(inbound(greedy, "outbound")) > np.mean(inbound(blended, "outbound"))
    assert np.mean(inbound(greedy, "service_level")) < np.mean(inbound(blended, "service_level")) - 0.2


def test_callbacks_keep_callers_of_a_peak_from_giving_up() -> None:
    rows = callback_day.play(30, processes=1)[:3]
    nobody, some, many = (row.study for row in rows)
    assert some.difference("abandonment", nobody).high < 0
    assert many.difference("abandonment", some).high < 0
    assert sum(nobody.values("called_back")) == 0
    assert 0 < many.estimate("callback_delay_s").mean < 1800


def test_the_page_says_what_the_figures_say() -> None:
    text = page(Size(hours=0.5, replications=2, processes=1))
    assert len(re.findall(r"^\|", text, re.MULTILINE)) == 2 + 1 + len(VARIANTS) + 1 + 2 + 9
    assert re.search(r"\*\*Value\*\*: .*\*\*(not )?reached\*\*", text)
    assert "nan" not in text
    assert "{" not in text
