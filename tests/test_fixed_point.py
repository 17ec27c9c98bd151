"""Powers, logarithms, draws and occupancy in whole numbers: near the truth, and the same in model and engine."""

from collections import Counter
from math import exp2, isclose
from math import log2 as real_log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acd_core import _probe
from acd_core.model import draws, fixed_point, occupancy
from acd_core.model.fixed_point import LOG_BITS, ONE

S_US = 1_000_000
DAY_US = 86_400 * S_US
TIMES = st.integers(0, 400 * DAY_US)
HALF_LIVES = st.integers(S_US, DAY_US)
OCCUPANCIES = st.integers(0, ONE)
USES: tuple[occupancy.Use, ...] = ("free", "occupied", "paused")


@given(TIMES, HALF_LIVES)
def test_what_is_left_is_halved_each_half_life(time: int, half_life: int) -> None:
    left = fixed_point.halved(time, half_life)
    assert left == _probe.halved(time, half_life)
    assert isclose(left / ONE, exp2(-time / half_life), abs_tol=1e-7)


@given(st.integers(1, 2 * ONE - 1))
def test_a_logarithm_is_true_to_its_last_digit(value: int) -> None:
    assert fixed_point.log2(value) == _probe.log2(value)
    assert isclose(fixed_point.log2(value) / 2**LOG_BITS, real_log2(value), abs_tol=2 / 2**LOG_BITS)


@pytest.mark.parametrize("bits", range(31))
def test_powers_of_two_are_exact(bits: int) -> None:
    assert fixed_point.log2(1 << bits) == bits << LOG_BITS
    assert fixed_point.halved(bits * 7, 7) == ONE >> bits


@given(st.integers(0, 2**53), st.integers(1, 2**40), st.integers(0, 10**6), st.integers(1, 1000))
def test_draws_are_those_of_the_engine(seed: int, offer: int, place: int, weight: int) -> None:
    drawn = draws.draw(seed, offer, place)
    assert 0 <= drawn < 2**63
    assert drawn == _probe.draw(seed, offer, place)
    assert draws.weighted(drawn, weight) == _probe.weighted(drawn, weight)


@given(st.integers(0, 2**63 - 1), st.integers(1, 1000))
def test_the_cheap_bound_of_a_weighted_draw_is_one(drawn: int, weight: int) -> None:
    bound = _probe.weighted_at_least(drawn, weight)
    assert 0 <= bound <= draws.weighted(drawn, weight)


def chosen(weights: list[int], offers: int) -> list[float]:
    """The share of offers that each agent wins who draws by his weight."""
    wins: Counter[int] = Counter()
    for offer in range(1, offers + 1):
        wins[min(range(len(weights)), key=lambda a: draws.weighted(draws.draw(5, offer, a), weights[a]))] += 1
    return [wins[agent] / offers for agent in range(len(weights))]


def test_agents_win_by_the_share_of_their_weight() -> None:
    shares = chosen([1, 2, 7], offers=20_000)
    assert all(abs(share - wanted) < 0.015 for share, wanted in zip(shares, (0.1, 0.2, 0.7), strict=True))


def test_another_seed_draws_otherwise() -> None:
    assert len({draws.draw(seed, 1, 1) for seed in range(100)}) == 100


@given(OCCUPANCIES, st.sampled_from(USES), TIMES, HALF_LIVES)
def test_an_occupancy_moves_halfway_in_a_half_life(before: int, use: occupancy.Use, time: int, half_life: int) -> None:
    after = occupancy.later(before, use, time, half_life)
    assert after == _probe.occupancy_later(before, USES.index(use), time, half_life)
    goal = {"free": 0, "occupied": ONE, "paused": before}[use]
    assert isclose(after - goal, (before - goal) * exp2(-time / half_life), abs_tol=200)


@given(st.integers(1, ONE), st.integers(0, 10**16), HALF_LIVES)
def test_the_key_of_one_who_is_free_tells_since_when(value: int, now: int, half_life: int) -> None:
    key = occupancy.free_key(value, now, half_life)
    assert key == _probe.occupancy_free_key(value, now, half_life)
    assert isclose(occupancy.later(ONE, "free", now - key, half_life), value, rel_tol=1e-5, abs_tol=200)


@given(OCCUPANCIES, OCCUPANCIES, st.integers(0, 10**12), HALF_LIVES)
def test_the_less_occupied_has_the_lower_key(one: int, other: int, time: int, half_life: int) -> None:
    keys = [occupancy.free_key(value, time, half_life) for value in sorted((one, other))]
    assert keys == sorted(keys)
