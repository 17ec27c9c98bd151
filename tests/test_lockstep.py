"""The readable model and the compiled engine are one machine."""

from itertools import islice
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.lockstep import run
from tests.support.lockstep import Lockstep
from tests.support.streams import Stream


@pytest.mark.parametrize("seed", range(12))
def test_small_centres_agree_after_every_step(seed: int) -> None:
    both = run(seed, steps=1200, agents=5, compare_every=1)
    assert both.model.seq > 100


@pytest.mark.parametrize("seed", [100, 101, 102, 104])
def test_a_large_centre_agrees_over_a_long_stream(seed: int) -> None:
    both = run(seed, steps=4000, agents=100, compare_every=400)
    assert both.model.seq > 1500


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.randoms(use_true_random=False), st.integers(1, 4), st.integers(10, 80))
def test_any_short_stream_agrees(rng: Random, agents: int, steps: int) -> None:
    stream = Stream(rng, agents)
    both = Lockstep()
    for now, client, command in islice(iter(stream), steps):
        stream.note(both.step(now, client, command))
        both.compare()


def test_lockstep_notices_a_difference() -> None:
    both = Lockstep()
    stream = iter(Stream(Random(3), 5))
    for _ in range(50):
        both.step(*next(stream))
    both.model._idle_seq += 1
    with pytest.raises(AssertionError):
        both.compare()


def test_those_in_a_queue_that_a_configuration_closes_are_judged_before_the_others() -> None:
    """In this stream one of them is deserted by the same configuration, so his deadline is the earlier one to be set."""
    run(121_045, steps=16_400, agents=8, compare_every=4_100, reload_every=500)
