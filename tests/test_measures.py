"""What queues are measured on beside waits, and the price of occupancy: the formulas, their bounds, and what is told of them."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acd_core import Config, Engine, Machine, Outcome
from acd_core.config import Agent, CostStep, Queue, QueueRatio, Tenant, WaitingCost
from acd_core.explain import explain_contact
from acd_core.explain_offer import explain_offer
from acd_core.model import Model
from acd_core.urgency import AGEING_ONE, Costs, Ratio, Urgency, mean_handle_ns
from tests.test_scenarios import read

S = 1_000_000_000
START = 1_700_000_000 * S
SCENARIOS = Path(__file__).parent / "scenarios"
MACHINES = [pytest.param(Model, id="model"), pytest.param(Engine, id="engine")]


@given(st.lists(st.tuples(st.integers(0, 10_000_000), st.integers(1, 1000)), min_size=1, max_size=6))
def test_what_the_queues_of_a_group_are_above_their_shares_sums_up_to_nothing(rows: list[tuple[int, int]]) -> None:
    waiting, weights = sum(row[0] for row in rows), sum(row[1] for row in rows)
    ratios = [
        Ratio(waiting=mine, group_waiting=waiting, weight=weight, group_weight=weights, contact_ns=S)
        for mine, weight in rows
    ]
    for ratio in ratios:
        exact = (ratio.waiting - Fraction(ratio.weight, weights) * waiting) * S * AGEING_ONE
        assert exact - 1 < ratio.urgency <= exact
    assert -len(ratios) < sum(ratio.urgency for ratio in ratios) <= 0


def test_a_cost_holds_from_its_time_on() -> None:
    costs = Costs(steps=((0, AGEING_ONE // 2), (120 * S, 3 * AGEING_ONE)))
    found = [costs.urgency(wait * S) for wait in (-1, 0, 119, 120, 10**6)]
    assert found == [cost * S * AGEING_ONE for cost in (0, 30, 30, 180, 180)]


def test_a_cost_by_speed_counts_the_contacts_of_a_minute() -> None:
    costs = Costs(steps=((0, AGEING_ONE),), handle_ns=30 * S)
    assert costs.urgency(0) == 120 * S * AGEING_ONE


def test_the_mean_is_believed_from_ten_on() -> None:
    assert mean_handle_ns(9 * S, 9, 180 * S) == 180 * S
    assert mean_handle_ns(20 * S, 10, 180 * S) == 2 * S
    assert mean_handle_ns(10, 10, 180 * S) == S


MEASURES: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.builds(
        lambda group, weight, contact_s: {"queue_ratio": QueueRatio(group=group, weight=weight, contact_s=contact_s)},
        st.sampled_from(("a", "b")),
        st.sampled_from((1, 999, 1000)),
        st.sampled_from((0.001, 86_400.0)),
    ),
    st.builds(
        lambda costs, by_speed, handle_s: {
            "waiting_cost": WaitingCost(
                steps=tuple(CostStep(after_s=60.0 * n, cost=cost) for n, cost in enumerate(sorted(costs))),
                by_speed=by_speed,
                handle_s=handle_s,
            )
        },
        st.lists(st.sampled_from((0.0, 1e-9, 1.0, 1e6)), min_size=1, max_size=3),
        st.booleans(),
        st.sampled_from((0.001, 1.0, 2_592_000.0)),
    ),
    st.just({"wait_measure": "predicted"}),
    st.just({}),
)


@pytest.mark.parametrize("machine_type", MACHINES)
@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            MEASURES,
            st.sampled_from((None, 0, 2_592_000)),
            st.sampled_from((0, 30 * 86_400)),
            st.lists(st.integers(0, 3), min_size=1, max_size=3),
        ),
        min_size=2,
        max_size=5,
    ),
    st.integers(0, 400 * 86_400),
)
def test_an_agent_serves_the_most_urgent_first_whatever_the_numbers(
    machine_type: type[Machine],
    rows: list[tuple[dict[str, Any], int | None, int, list[int]]],
    wait: int,
) -> None:
    machine = machine_type()
    config = Config(
        tenants=(Tenant("acme"),),
        queues=tuple(
            Queue(tenant="acme", name=f"q-{n}", urgency_max_s=most, head_start_s=start, max_wait_s=0, **measure)
            for n, (measure, most, start, _) in enumerate(rows)
        ),
        agents=(Agent(agent="a-1"),),
    )
    assert machine.apply_config(START, config) == Outcome.OK
    now, number = START, 0
    for n, (*_, priorities) in enumerate(rows):
        for priority in priorities:
            number += 1
            now += S
            assert machine.enqueue_contact(now, "pbx", f"c-{number}", "acme", f"q-{n}", priority, "", {}) == Outcome.OK
    now += wait * S
    machine.advance(now)
    machine.check()
    keys = {contact.contact: contact.urgency.key(now, contact.seq) for contact in machine.contacts()}
    machine.watch_offer("o-1")
    machine.take_events()
    assert machine.login_agent(now, "pbx", "a-1", None, True) == Outcome.OK
    assert machine.witnessed is not None
    assert machine.witnessed.contact.contact == min(keys, key=keys.__getitem__)
    explained = explain_offer(machine.witnessed)
    assert explained.eligible == number


def told(machine: Machine, story: str, offer: str) -> tuple[str, str]:
    """What decided on an offer of a story, and the last sentence on it."""
    config, steps = read(SCENARIOS / f"{story}.txt")
    assert machine.apply_config(START, config) == Outcome.OK
    machine.watch_offer(offer)
    for step in steps:
        if step.command is None:
            machine.advance(START + step.now)
        else:
            step.command.apply(machine, START + step.now, step.client)
        if machine.witnessed is not None:
            break
    assert machine.witnessed is not None
    found = explain_offer(machine.witnessed)
    return found.decided_by, found.summary.split(" What decided was ")[1]


@pytest.mark.parametrize("machine_type", MACHINES)
@pytest.mark.parametrize(
    ("story", "offer", "knob", "words"),
    [
        (
            "predicted_wait",
            "o-2",
            "predicted_wait",
            (
                "urgency by predicted wait: second counts as if it had waited for 110 s, since it would wait another 100 s if "
                "it were not served now, sale counts as if it had waited for 60 s."
            ),
        ),
        (
            "queue_ratio",
            "o-1",
            "queue_ratio",
            (
                "the ratio of the queues: g-1 counts as if it had waited for 24 s, since 2 of the 8 that wait in its group wait "
                "in its queue, whose share is 20 of 100, s-1 counts as if it had waited for -24 s, since 6 of the 8 that wait in "
                "its group wait in its queue, whose share is 80 of 100."
            ),
        ),
        (
            "queue_ratio",
            "o-4",
            "place",
            "the place among contacts that are urgent alike: s-3 stands before s-4.",
        ),
        (
            "waiting_cost",
            "o-2",
            "waiting_cost",
            (
                "the cost of waiting: complaint counts as if it had waited for 180 s, since a further second of its waiting "
                "costs 3, order counts as if it had waited for 60 s, since a further second of its waiting costs 1."
            ),
        ),
        (
            "waiting_cost",
            "o-3",
            "waiting_cost",
            (
                "the cost of waiting: address counts as if it had waited for 120 s, since a further second of its waiting costs "
                "1 and an agent takes 30 s for each, order counts as if it had waited for 60 s, since a further second of its "
                "waiting costs 1."
            ),
        ),
        (
            "occupancy_price",
            "o-2",
            "occupancy",
            (
                "the price of occupancy, 8 beside strategy lowest_cost: 12 for ben, occupied for 0 % of his time, 10 for anna, "
                "occupied for 50 % of his time."
            ),
        ),
        (
            "occupancy_price",
            "o-4",
            "strategy",
            "strategy lowest_cost: 10 for anna, occupied for 24 % of his time, 12 for ben, occupied for 0 % of his time.",
        ),
    ],
)
def test_what_decided_is_told(machine_type: type[Machine], story: str, offer: str, knob: str, words: str) -> None:
    assert told(machine_type(), story, offer) == (knob, words)


@pytest.mark.parametrize("machine_type", MACHINES)
def test_a_waiting_contact_is_told_how_its_queue_is_measured(machine_type: type[Machine]) -> None:
    machine = machine_type()
    config, steps = read(SCENARIOS / "queue_ratio.txt")
    assert machine.apply_config(START, config) == Outcome.OK
    for step in steps[:8]:
        assert step.command is not None
        step.command.apply(machine, START + step.now, step.client)
    found = explain_contact(machine, "g-2", now=START + 8 * S)
    assert found is not None
    assert found.measured == ("2 of the 8 that wait in its group wait in its queue, whose share is 20 of 100")
    assert f"It counts as if it had waited for 24 s, since {found.measured}." in found.summary
    assert (found.position, found.queue_position) == (2, 2)


def test_a_group_is_of_one_tenant() -> None:
    for machine in (Model(), Engine()):
        ratio = QueueRatio(group="front")
        config = Config(
            tenants=(Tenant("acme"), Tenant("bolt")),
            queues=(
                Queue(tenant="acme", name="q", queue_ratio=ratio),
                Queue(tenant="bolt", name="q", queue_ratio=ratio),
            ),
        )
        assert machine.apply_config(START, config) == Outcome.OK
        for number, tenant in enumerate(("acme", "bolt", "bolt")):
            assert machine.enqueue_contact(START, "pbx", f"c-{number}", tenant, "q", 0, "", {}) == Outcome.OK
        found = machine.contact("c-2")
        assert found is not None
        assert found.urgency.ratio is not None
        assert (found.urgency.ratio.waiting, found.urgency.ratio.group_waiting) == (2, 2)


def test_a_limit_and_a_nudge_leave_the_place_in_a_queue_as_it_is() -> None:
    def urgency(since: int, nudge: int) -> Urgency:
        ratio = Ratio(waiting=2, group_waiting=2, weight=1, group_weight=2, contact_ns=60 * S)
        return Urgency(
            level=0, since_ns=since, head_start_ns=0, ageing=AGEING_ONE, most_ns=10 * S, nudge_ns=nudge, ratio=ratio
        )

    first, second, third = urgency(START, 0), urgency(START + S, 1), urgency(START + S, 0)
    order = [first.key(START + 9 * S, 1), second.key(START + 9 * S, 3), third.key(START + 9 * S, 2)]
    assert order == sorted(order)
    assert {key[1] for key in order} == {-10 * S * AGEING_ONE}
