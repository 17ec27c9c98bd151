"""Urgency: the formula, its bounds, and the one order that an agent of many queues sees."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acd_core import Config, Engine, Machine, Outcome
from acd_core.config import Agent, Queue, Settings, Tenant, ageing_of, strict_queues
from acd_core.model import Model
from acd_core.urgency import AGEING_ONE, HEAD_START_MAX_NS, NO_LIMIT, Urgency, bounded

S = 1_000_000_000
START = 1_700_000_000 * S
MACHINES = [pytest.param(Model, id="model"), pytest.param(Engine, id="engine")]

URGENCIES = st.builds(
    Urgency,
    level=st.integers(-3, 3),
    since_ns=st.integers(START - 9 * S, START),
    head_start_ns=st.integers(0, 9 * S),
    ageing=st.integers(0, 3 * AGEING_ONE),
    most_ns=st.just(NO_LIMIT) | st.integers(0, 9 * S),
    nudge_ns=st.integers(-2, 2),
)


def queue(**given: object) -> Queue:
    return Queue(tenant="acme", name="q", **given)  # type: ignore[arg-type]  # each field has its own type


def test_a_plain_contact_is_as_urgent_as_it_has_waited() -> None:
    plain = Urgency(level=0, since_ns=START, head_start_ns=2 * S, ageing=AGEING_ONE, most_ns=NO_LIMIT, nudge_ns=0)
    assert plain.at(START + 5 * S) == 7 * S * AGEING_ONE


@given(URGENCIES, st.integers(0, 20 * S))
def test_the_formula_is_exact(urgency: Urgency, wait: int) -> None:
    now = urgency.since_ns + wait
    exact = urgency.head_start_ns + Fraction(urgency.ageing, AGEING_ONE) * wait
    if urgency.most_ns != NO_LIMIT:
        exact = min(exact, Fraction(urgency.most_ns))
    assert Fraction(urgency.at(now), AGEING_ONE) == exact + urgency.nudge_ns


@pytest.mark.parametrize(("seconds", "slope"), [(60, 1), (20, 3), (120, Fraction(1, 2)), (0.001, 60_000)])
def test_an_objective_is_a_slope(seconds: float, slope: Fraction) -> None:
    assert ageing_of(queue(service_objective_s=seconds)) == slope * AGEING_ONE


def test_a_slope_keeps_nine_digits() -> None:
    assert ageing_of(queue(ageing=0.1)) == AGEING_ONE // 10
    assert ageing_of(queue(ageing=1000)) == 1000 * AGEING_ONE
    assert ageing_of(queue(service_objective_s=90)) == 666_666_667


@given(st.integers(), st.integers(0, 100))
def test_bounded_gives_the_nearest(value: int, most: int) -> None:
    nearest = bounded(value, most)
    assert abs(nearest) <= most
    assert abs(value - nearest) == max(0, abs(value) - most)


def test_the_narrowest_choice_of_strict_priority_holds() -> None:
    config = Config(
        settings=Settings(strict_priority=True),
        tenants=(Tenant("a"), Tenant("b", strict_priority=False)),
        queues=tuple(
            Queue(tenant=tenant, name=str(strict), strict_priority=strict)
            for tenant in ("a", "b")
            for strict in (None, True, False)
        ),
    )
    assert strict_queues(config) == {("a", "None"), ("a", "True"), ("b", "True")}


@pytest.mark.parametrize("machine_type", MACHINES)
@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from((0, 30 * 86_400)),
            st.sampled_from((0.0, 0.3, 1.0, 1000.0)),
            st.sampled_from((None, 0, 2_592_000)),
            st.integers(0, 100),
            st.booleans(),
            st.integers(0, 3),
        ),
        min_size=2,
        max_size=5,
    ),
    st.integers(0, 400 * 86_400),
)
def test_an_agent_serves_the_most_urgent_first_whatever_the_numbers(
    machine_type: type[Machine], rows: list[tuple[int, float, int | None, int, bool, int]], wait: int
) -> None:
    machine = machine_type()
    config = Config(
        tenants=(Tenant("acme"),),
        queues=tuple(
            Queue(
                tenant="acme",
                name=f"q-{number}",
                head_start_s=head_start,
                ageing=ageing,
                urgency_max_s=most,
                priority_step_s=2_592_000,
                strict_priority=strict,
                max_wait_s=0,
            )
            for number, (head_start, ageing, most, _, strict, _) in enumerate(rows)
        ),
        agents=(Agent(agent="a-1"),),
    )
    assert machine.apply_config(START, config) == Outcome.OK
    now = START
    for number, (*_, priority, _, pause) in enumerate(rows):
        now += pause * S
        outcome = machine.enqueue_contact(now, "pbx", f"c-{number}", "acme", f"q-{number}", priority, "", {})
        assert outcome == Outcome.OK
    now += wait * S
    order = sorted(machine.contacts(), key=lambda contact: contact.urgency.key(now, contact.seq))
    assert machine.login_agent(now, "pbx", "a-1", None, True) == Outcome.OK
    served = []
    while (view := machine.agent("a-1")) is not None and view.contact:
        served.append(view.contact)
        assert machine.abandon_contact(now, view.contact) == Outcome.OK
    assert served == [contact.contact for contact in order]
    assert all(abs(contact.urgency.head_start_ns) <= HEAD_START_MAX_NS for contact in order)
