"""The exact formulas, against published and independently computed tables."""

import math

import numpy as np
import pytest
from hypothesis import example, given, reject, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment  # type: ignore[import-untyped]

from acd_sim.formulas import (
    assignment,
    day,
    erlang,
    patience,
    prediction,
    priority,
    product_form,
    queue_ratio,
    reserve,
    shared_lines,
)
from acd_sim.formulas.product_form import SkillAgent
from acd_sim.formulas.two_pools import Order, Pool
from acd_sim.formulas.two_pools import solve as two_pools


def near(value: float, digits: int) -> object:
    """Equal as far as a table with so many digits behind the point can say."""
    return pytest.approx(value, abs=0.5000001 * 10**-digits)


# Erlang


@pytest.mark.parametrize("agents", [1, 5, 13])
@pytest.mark.parametrize("rate", [0.2, 1, 4])
def test_with_nobody_called_back_it_is_erlang_a_and_with_all_erlang_c(agents: int, rate: float) -> None:
    some, all_of_them = (patience.solve(0.9 * agents, 1, agents, rate, share) for share in (0.0, 1.0))
    impatient, patient = erlang.solve(0.9 * agents, 1, agents, patience=rate), erlang.solve(0.9 * agents, 1, agents)
    assert some.p_wait == pytest.approx(impatient.p_wait, rel=1e-7)
    assert some.p_abandon == pytest.approx(impatient.p_abandon, rel=1e-7)
    assert some.mean_wait == pytest.approx(impatient.mean_wait, rel=1e-7)
    assert some.p_called_back == 0
    assert all_of_them.p_abandon == all_of_them.mean_wait == 0
    assert all_of_them.p_called_back == pytest.approx(patient.p_wait, rel=1e-7)
    assert all_of_them.p_called_back * all_of_them.mean_delay == pytest.approx(patient.mean_wait, rel=1e-7)
    # An overload that abandonment bears.
    more, less = (patience.solve(1.3 * agents, 1, agents, rate, share).p_abandon for share in (0.3, 0.5))
    assert more > less > 0
    with pytest.raises(ValueError, match="more agents are needed"):
        patience.solve(1.3 * agents, 1, agents, rate, 0.8)


@pytest.mark.parametrize(
    ("arrivals", "handle_s", "agents", "within_s", "p_wait", "mean_wait", "within"),
    [
        (0.2, 240, 55, 15, 0.23870, 8.184, 0.84588),
        (120 / 3600, 300, 13, 20, 0.28527, 28.527, 0.76644),
        (120 / 3600, 300, 14, 20, 0.17413, 13.060, 0.86663),
        (600 / 3600, 300, 56, 20, 0.30935, 15.467, 0.79264),
        (200 / 1800, 180, 24, 20, 0.29807, 13.413, 0.80888),
    ],
)
def test_erlang_c(
    arrivals: float, handle_s: float, agents: int, within_s: float, p_wait: float, mean_wait: float, within: float
) -> None:
    found = erlang.solve(arrivals, 1 / handle_s, agents, within=within_s)
    assert found.p_wait == near(p_wait, 5)
    assert found.mean_wait == near(mean_wait, 3)
    assert found.within == near(within, 5)
    assert found.p_wait == pytest.approx(erlang.erlang_c(arrivals * handle_s, agents), rel=1e-12)
    assert found.occupancy == pytest.approx(arrivals * handle_s / agents)


@pytest.mark.parametrize(
    ("arrivals", "agents", "patience", "p_wait", "p_abandon", "mean_wait", "occupancy", "within", "share"),
    [
        (48, 50, 0.5, 0.46777, 0.030912, 0.0618245, 0.93032, 20 / 60, 0.94302),
        (100, 90, 1, 0.85365, 0.107900, 0.107900, 0.99122, 0.1, 0.44901),
        (100, 100, 1, 0.51330, 0.039861, 0.039861, 0.96014, 0.1, 0.81366),
        (100, 100, 0.5, 0.59670, 0.033030, 0.066060, 0.96697, 0.1, 0.70111),
        (100, 100, 2, 0.43000, 0.046683, 0.023342, 0.95332, 0.1, 0.89428),
    ],
)
def test_erlang_a(
    arrivals: float,
    agents: int,
    patience: float,
    p_wait: float,
    p_abandon: float,
    mean_wait: float,
    occupancy: float,
    within: float,
    share: float,
) -> None:
    found = erlang.solve(arrivals, 1, agents, patience=patience, within=within)
    assert found.p_wait == near(p_wait, 5)
    assert found.p_abandon == near(p_abandon, 6)
    assert found.mean_wait == near(mean_wait, 6)
    assert found.occupancy == near(occupancy, 5)
    assert found.within == pytest.approx(share, abs=1e-5)
    assert found.p_abandon == pytest.approx(patience * found.mean_wait)


def test_the_centre_of_garnett_mandelbaum_and_reiman_by_erlang_c() -> None:
    found = erlang.solve(48, 1, 50)
    assert 60 * found.mean_wait == near(20.83, 2)
    assert found.mean_queue == near(16.67, 2)
    assert found.occupancy == near(0.96, 2)


@pytest.mark.parametrize(
    ("load", "agents", "pooled"),
    [
        (2, 4, {5: 14, 6: 16, 10: 25, 20: 46}),
        (5, 8, {5: 30, 6: 36, 10: 57, 20: 108}),
        (10, 14, {5: 57, 6: 67, 10: 108, 20: 210}),
        (14, 18, {5: 77, 6: 92, 10: 149, 20: 291}),
        (20, 25, {5: 108, 6: 129, 10: 210, 20: 412}),
        (50, 57, {5: 261, 6: 312, 10: 513, 20: 1015}),
    ],
)
def test_agents_needed_apart_and_pooled(load: float, agents: int, pooled: dict[int, int]) -> None:
    def needed(queues: int) -> int:
        return erlang.agents_needed(queues * load / 300, 1 / 300, target=0.8, within=20)

    assert needed(1) == agents
    assert {queues: needed(queues) for queues in pooled} == pooled


@given(load=st.floats(0.01, 300), agents=st.integers(0, 400))
def test_erlang_b_agrees_with_its_sum(load: float, agents: int) -> None:
    log_terms = [n * math.log(load) - math.lgamma(n + 1) for n in range(agents + 1)]
    most = max(log_terms)
    total = math.fsum(math.exp(term - most) for term in log_terms)
    assert erlang.erlang_b(load, agents) == pytest.approx(math.exp(log_terms[-1] - most) / total, rel=1e-9, abs=1e-300)


@settings(deadline=None)
@given(
    arrivals=st.floats(0.1, 60),
    service=st.floats(0.1, 5),
    agents=st.integers(1, 30),
    patience=st.one_of(st.just(0.0), st.floats(0.01, 5)),
    extra=st.one_of(st.none(), st.integers(0, 40)),
    within=st.floats(0, 3),
)
@example(arrivals=1.0, service=0.5, agents=1, patience=0.0, extra=1, within=5e-324)
def test_flow_is_balanced_in_every_single_queue(
    arrivals: float, service: float, agents: int, patience: float, extra: int | None, within: float
) -> None:
    lines = None if extra is None else agents + extra
    if lines is None and not patience and arrivals >= 0.99 * agents * service:
        return
    found = erlang.solve(arrivals, service, agents, patience=patience, lines=lines, within=within)
    entered = arrivals * (1 - found.blocked)
    assert entered * (1 - found.p_abandon) == pytest.approx(found.occupancy * agents * service, rel=1e-9)
    assert found.mean_queue == pytest.approx(entered * found.mean_wait, rel=1e-9)
    assert 1 - found.p_wait - 1e-9 <= found.within <= 1 - found.p_abandon + 1e-9


def test_extremes_neither_overflow_nor_divide_by_nothing() -> None:
    assert erlang.solve(1, 1, 1000, within=1).within == 1
    overloaded = erlang.solve(2, 0.001, 1000, patience=1e-4, within=1)
    assert overloaded.p_abandon == pytest.approx(0.5)
    assert overloaded.mean_queue == pytest.approx(10_000)
    assert erlang.solve(2, 0.001, 1000, lines=1010).blocked == pytest.approx(0.5, abs=1e-5)


def test_questions_without_an_answer_are_refused() -> None:
    with pytest.raises(ValueError, match="grows for ever"):
        erlang.solve(10, 1, 10)
    with pytest.raises(ValueError, match="more than 10 agents"):
        erlang.erlang_c(10, 10)
    with pytest.raises(ValueError, match="arrivals is 0"):
        erlang.solve(0, 1, 10)
    with pytest.raises(ValueError, match="at least the number of agents"):
        erlang.solve(1, 1, 10, lines=9)
    with pytest.raises(ValueError, match="target is 1"):
        erlang.agents_needed(1, 1, target=1, within=1)
    with pytest.raises(ValueError, match="not even"):
        erlang.agents_needed(50, 1, target=0.99, within=0.1, agents_max=50)


# Six queues that share their lines, and one queue of them all


@pytest.mark.parametrize(
    ("load", "apart", "together"),
    [
        (76.5, (0.00523, 1.77262, 0.43126, 0.61685), (0.000102, 0.063238, 0.088431, 0.955309)),
        (81, (0.02209, 2.59972, 0.52931, 0.51869), (0.001020, 0.222290, 0.230698, 0.856601)),
        (84, (0.04166, 3.05432, 0.57356, 0.47343), (0.003643, 0.450023, 0.379706, 0.732922)),
        (90, (0.09138, 3.62405, 0.62032, 0.42479), (0.023492, 1.242963, 0.721721, 0.386538)),
    ],
)
def test_the_ends_of_wallace_and_whitt(load: float, apart: tuple[float, ...], together: tuple[float, ...]) -> None:
    one = shared_lines.solve(6, load / 60, 0.1, 15, 120, 0.5)
    assert [one.blocked, one.mean_wait, one.p_wait, one.within] == [near(value, 5) for value in apart]
    all_ = erlang.solve(load / 10, 0.1, 90, lines=120, within=0.5)
    assert [all_.blocked, all_.mean_wait, all_.p_wait, all_.within] == [near(value, 6) for value in together]


def test_one_queue_that_shares_with_nobody_is_a_queue_with_lines() -> None:
    assert shared_lines.solve(1, 8, 1, 10, 30, 0.2) == pytest.approx(erlang.solve(8, 1, 10, lines=30, within=0.2))


# Skill graphs


def test_product_form_of_the_w_model() -> None:
    found = product_form.solve(
        {"a": 1, "b": 1.2}, [SkillAgent(0.8, {"a"}), SkillAgent(1, {"a", "b"}), SkillAgent(1.3, {"b"})]
    )
    assert found.mean_wait == {"a": near(1.006883, 6), "b": near(0.726863, 6)}
    assert found.occupancy == [near(0.709031, 6), near(0.804104, 6), near(0.637439, 6)]
    assert found.p_wait == {"a": near(0.621733, 6), "b": near(0.566809, 6)}


def test_product_form_of_the_n_model() -> None:
    found = product_form.solve({"a": 1.1, "b": 0.6}, [SkillAgent(1, {"a"}), SkillAgent(1, {"a", "b"})])
    assert found.mean_wait == {"a": near(2.523874, 6), "b": near(4.244698, 6)}
    assert found.occupancy == [near(0.795339, 6), near(0.904661, 6)]
    assert found.p_wait["b"] == near(0.904661, 6)


def test_product_form_of_a_ring() -> None:
    ring = [SkillAgent(1, {str(k), str((k + 1) % 6)}) for k in range(6)]
    found = product_form.solve({str(k): 0.8 for k in range(6)}, ring)
    assert list(found.mean_wait.values()) == [near(0.986, 6)] * 6
    assert list(found.p_wait.values()) == [near(0.674183, 6)] * 6
    assert erlang.solve(0.8, 1, 1).mean_wait == pytest.approx(4)
    assert erlang.solve(4.8, 1, 6).mean_wait == near(0.431477, 6)


@given(load=st.floats(0.05, 0.95), agents=st.integers(1, 6))
def test_product_form_of_one_type_is_erlang_c(load: float, agents: int) -> None:
    found = product_form.solve({"a": load * agents}, [SkillAgent(1, {"a"})] * agents)
    assert found.p_wait["a"] == pytest.approx(erlang.erlang_c(load * agents, agents))
    assert found.occupancy == pytest.approx([load] * agents)


def by_orders(arrivals: dict[str, float], agents: list[SkillAgent]) -> dict[str, float]:
    """The same mean waits by summing over every order of the agents, as the paper writes it."""
    import itertools

    total = 0.0
    queue = dict.fromkeys(arrivals, 0.0)
    for order in itertools.permutations(range(len(agents))):
        for busy in range(len(agents) + 1):
            weight, gaps = 1.0, []
            for j in range(1, busy + 1):
                speed = sum(agents[m].service for m in order[:j])
                others = set().union(*(agents[m].skills for m in order[j:]))
                only = {kind: rate for kind, rate in arrivals.items() if kind not in others}
                ratio = sum(only.values()) / speed
                weight *= 1 / speed / (1 - ratio)
                gaps.append((only, ratio / (1 - ratio)))
            for j in range(busy, len(agents)):
                able = set().union(*(agents[m].skills for m in order[j:]))
                weight /= sum(rate for kind, rate in arrivals.items() if kind in able)
            total += weight
            for only, mean in gaps:
                for kind, rate in only.items():
                    queue[kind] += weight * mean * rate / sum(only.values())
    return {kind: queue[kind] / total / rate for kind, rate in arrivals.items()}


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_product_form_over_sets_is_that_over_orders(data: st.DataObject) -> None:
    kinds = "abc"
    skills = data.draw(st.lists(st.sets(st.sampled_from(kinds), min_size=1), min_size=1, max_size=5))
    known = sorted(set().union(*skills))
    agents = [SkillAgent(data.draw(st.floats(0.5, 2)), chosen) for chosen in skills]
    arrivals = {kind: data.draw(st.floats(0.01, 0.4)) for kind in known}
    try:
        found = product_form.solve(arrivals, agents)
    except ValueError:
        reject()
    assert found.mean_wait == pytest.approx(by_orders(arrivals, agents), rel=1e-9)
    ended = sum(agent.service * share for agent, share in zip(agents, found.occupancy, strict=True))
    assert ended == pytest.approx(sum(arrivals.values()))


def test_skill_graphs_without_an_answer_are_refused() -> None:
    with pytest.raises(ValueError, match="alone serve 2 calls"):
        product_form.solve({"a": 2}, [SkillAgent(1, {"a"})])
    with pytest.raises(ValueError, match="type 'b' must have an agent"):
        product_form.solve({"a": 0.5, "b": 0.1}, [SkillAgent(1, {"a"})])
    with pytest.raises(ValueError, match="serves no type"):
        product_form.solve({"a": 0.5}, [SkillAgent(1, {"a"}), SkillAgent(1, {"b"})])
    with pytest.raises(ValueError, match="17 agents"):
        product_form.solve({"a": 0.5}, [SkillAgent(1, {"a"})] * 17)


# Orders of agents and of calls


@pytest.mark.parametrize(
    ("order", "p_wait", "mean_wait", "fast", "slow"),
    [
        ("fastest", 0.27037, 0.033796, 0.97381, 0.83032),
        ("idleness", 0.32317, 0.040397, 0.90775, 0.94042),
        ("slowest", 0.35283, 0.044104, 0.87734, 0.99110),
    ],
)
def test_fast_and_slow_agents(order: Order, p_wait: float, mean_wait: float, fast: float, slow: float) -> None:
    found = two_pools(92, Pool(50, 1.25), Pool(50, 0.75), order)
    assert found.p_wait == near(p_wait, 5)
    assert found.mean_wait == near(mean_wait, 6)
    assert found.fast_occupancy == near(fast, 5)
    assert found.slow_occupancy == near(slow, 5)


@pytest.mark.parametrize(("order", "percent"), [("fastest", 1.39), ("idleness", 1.58), ("slowest", 1.66)])
def test_fast_and_slow_agents_with_abandonment(order: Order, percent: float) -> None:
    # The table's figures are simulated.
    found = two_pools(95, Pool(50, 1.25), Pool(50, 0.75), order, patience=0.5)
    assert 100 * found.p_abandon == pytest.approx(percent, abs=0.04)
    served = 50 * (1.25 * found.fast_occupancy + 0.75 * found.slow_occupancy)
    assert served == pytest.approx(95 * (1 - found.p_abandon))


def test_equal_pools_are_one_pool_in_any_order() -> None:
    one = erlang.solve(17, 1, 20)
    for order in ("fastest", "idleness", "slowest"):
        found = two_pools(17, Pool(8, 1), Pool(12, 1), order)
        assert found.p_wait == pytest.approx(one.p_wait)
        assert found.mean_wait == pytest.approx(one.mean_wait)


def test_call_selection_bench() -> None:
    pooled = erlang.solve(47.5, 0.5, 100, within=1 / 3)
    assert pooled.p_wait == near(0.506457, 6)
    assert 60 * pooled.mean_wait == near(12.15496, 5)
    assert pooled.mean_queue == near(9.62268, 5)
    assert pooled.within == near(0.779895, 6)
    assert erlang.solve(47.5, 0.5, 100, within=2).within == near(0.996588, 6)
    waits = priority.solve(15, 32.5, 0.5, 100)
    assert 60 * waits.first == near(0.868212, 6)
    assert 60 * waits.second == near(17.364235, 6)
    assert 15 * waits.first + 32.5 * waits.second == pytest.approx(pooled.mean_queue)


def test_priority_before_one_agent() -> None:
    waits = priority.before_one_agent(0.3, 0.4, 1, 1)
    same = priority.solve(0.3, 0.4, 1, 1)
    assert tuple(waits) == pytest.approx(tuple(same))
    slow = priority.before_one_agent(0.2, 0.1, 1, 4)
    pooled = (0.2 * 2 + 0.1 * 2 * 16) / 2 / (1 - 0.6)  # Pollaczek and Khinchine
    assert 0.2 * slow.first + 0.4 * slow.second == pytest.approx(0.6 * pooled)
    with pytest.raises(ValueError, match="too much for one agent"):
        priority.before_one_agent(1, 1, 1, 1)


@pytest.mark.parametrize("weights", [(201, 799), (499, 501), (900, 97)])
def test_a_queue_ratio_is_that_of_the_whole_chain(weights: tuple[int, int]) -> None:
    """Power iteration of the chain of one agent over all states of two short queues."""
    first, second, most = 0.2, 0.35, 45
    waiting = np.arange(most)
    mine, other = np.meshgrid(waiting, waiting, indexing="ij")
    above = mine * sum(weights) - weights[0] * (mine + other)
    serves_first = (mine > 0) & ((above > 0) | (other == 0))
    idle, busy = 0.5, np.zeros((most, most))
    busy[0, 0] = 0.5
    step = 1 / (first + second + 1)
    for _ in range(3000):
        flow = busy * step
        after = busy - flow * (1 + first * (mine < most - 1) + second * (other < most - 1))
        after[1:] += first * flow[:-1]
        after[:, 1:] += second * flow[:, :-1]
        served = np.where(serves_first, flow, 0)
        after[:-1] += served[1:]
        served = np.where(serves_first | (other == 0), 0, flow)
        after[:, :-1] += served[:, 1:]
        begun = idle * step * (first + second)
        idle += flow[0, 0] - begun
        after[0, 0] += begun
        busy = after
    found = queue_ratio.solve(first, second, 1, 1, weights)
    assert found.first == pytest.approx(float((busy * mine).sum()) / first, rel=1e-3)
    assert found.second == pytest.approx(float((busy * other).sum()) / second, rel=1e-3)
    assert first * found.first + second * found.second == pytest.approx(erlang.solve(0.55, 1, 1).mean_queue, rel=1e-3)


# Announcements, blending, days, pairings


@pytest.mark.parametrize(
    ("arrivals", "patience", "mean_wait", "queue_length", "markov", "nothing"),
    [
        (90, 0, 0.0992, 9.97e-4, 9.97e-4, 1.01e-2),
        (95, 0, 0.1949, 1.95e-3, 1.95e-3, 3.87e-2),
        (105, 1, 0.0976, 1.05e-3, 9.07e-4, 4.88e-3),
    ],
)
def test_announced_waits(
    arrivals: float, patience: float, mean_wait: float, queue_length: float, markov: float, nothing: float
) -> None:
    # The table's figures are simulated: a few per cent of noise.
    found = prediction.errors(arrivals, 1, 100, patience)
    assert found == pytest.approx((mean_wait, queue_length, markov, nothing), rel=0.04)
    if not patience:
        spare = 100 - arrivals
        assert found.queue_length == pytest.approx(1 / (spare * 100))
        assert found.nothing == pytest.approx(1 / spare**2)
    else:
        assert found.queue_length / found.markov == near(1.16, 1)


def test_announcements_for_one_caller() -> None:
    assert prediction.queue_length(4, 10, 0.5) == pytest.approx(1)
    assert prediction.markov(2, 10, 0.5, 0) == pytest.approx(prediction.queue_length(2, 10, 0.5))
    assert prediction.markov(1, 2, 1, 1) == pytest.approx(1 / 2 + 1 / 3)


@pytest.mark.parametrize(
    ("spared", "p_wait", "mean_wait", "within", "occupancy", "outbound"),
    [
        (None, 0.0870, 1.57, 0.9714, 0.800, 0),
        (10, 0.1642, 2.96, 0.9460, 0.893, 93.4),
        (8, 0.2134, 3.84, 0.9297, 0.918, 118.4),
        (5, 0.3506, 6.31, 0.8846, 0.957, 156.7),
        (4, 0.4245, 7.64, 0.8602, 0.969, 168.7),
        (3, 0.5198, 9.36, 0.8289, 0.980, 179.6),
        (2, 0.6426, 11.57, 0.7885, 0.989, 188.9),
        (0, 1.0000, 18.00, 0.6708, 1.000, 200.0),
    ],
)
def test_blending_with_a_reserve(
    spared: int | None, p_wait: float, mean_wait: float, within: float, occupancy: float, outbound: float
) -> None:
    found = reserve.solve(800 / 3600, 1 / 180, 50, spared, 20)
    assert found.p_wait == near(p_wait, 4)
    assert found.mean_wait == near(mean_wait, 2)
    assert found.within == near(within, 4)
    assert found.occupancy == near(occupancy, 3)
    assert 3600 * found.outbound == near(outbound, 1)


PROFILE = (0.6, 0.9, 1, 1.05, 1.5, 1.5, 1, 0.95, 0.9, 0.85, 0.9, 0.9, 0.85, 0.8, 0.7, 0.6)


@pytest.mark.parametrize(("agents", "percent"), [(12, 7.49), (13, 5.46), (14, 3.87)])
def test_a_day_with_a_peak(agents: int, percent: float) -> None:
    # The table's figures are from sixty simulated days, the same for each number of agents.
    found = day.solve([60 * share for share in PROFILE], 1800, 1 / 300, agents, 1 / 180)
    assert 100 * found.p_abandon == pytest.approx(percent, rel=0.06)


def test_a_long_day_without_a_profile_is_erlang_a() -> None:
    found = day.solve([400.0] * 40, 10.0, 1.0, 42, 0.5)
    steady = erlang.solve(40, 1, 42, patience=0.5)
    assert found.p_abandon == pytest.approx(steady.p_abandon, rel=0.01)
    assert found.occupancy == pytest.approx(steady.occupancy, rel=0.01)


@pytest.mark.parametrize(("n", "best"), [(5, 1.463611), (10, 1.549768), (50, 1.625133), (100, 1.634984)])
def test_the_best_pairing(n: int, best: float) -> None:
    assert assignment.best(n) == near(best, 6)


def test_the_best_pairing_is_what_a_solver_finds_and_first_come_is_not() -> None:
    costs = np.random.default_rng(1).exponential(size=(400, 10, 10))
    found = [cost[linear_sum_assignment(cost)].sum() for cost in costs]
    assert np.mean(found) == pytest.approx(assignment.best(10), abs=4 * float(np.std(found)) / 20)
    greedy = []
    for cost in costs:
        left, paid = list(range(10)), 0.0
        for row in cost:
            chosen = min(left, key=lambda agent: row[agent])
            left.remove(chosen)
            paid += row[chosen]
        greedy.append(paid)
    assert np.mean(greedy) == pytest.approx(assignment.first_come(10), abs=4 * float(np.std(greedy)) / 20)
