"""Deadlines come due in the order (deadline, when armed), in whatever way they were armed and cancelled."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acd_core._probe import Deadlines

LANES_MAX = 512


class Sorted:
    """What `Timers` should do, in the plainest way."""

    def __init__(self) -> None:
        self.armed: dict[int, tuple[int, int, int, bool]] = {}
        self.seq = 0

    def arm(self, timer: int, deadline: int, slot: int, is_agent: bool) -> None:
        assert timer not in self.armed
        self.seq += 1
        self.armed[timer] = (deadline, self.seq, slot, is_agent)

    def first(self) -> tuple[int, int, int, bool] | None:
        if not self.armed:
            return None
        timer = min(self.armed, key=self.armed.__getitem__)
        deadline, _, slot, is_agent = self.armed[timer]
        return timer, deadline, slot, is_agent


class Both:
    """The timers and the plain ones, side by side."""

    def __init__(self) -> None:
        self.timers = Deadlines()
        self.plain = Sorted()
        self.slot = 0

    def arm(self, deadline: int, duration: int) -> int:
        self.slot += 1
        is_agent = bool(self.slot & 1)
        timer = self.timers.arm(deadline, duration, self.slot, is_agent)
        self.plain.arm(timer, deadline, self.slot, is_agent)
        return timer

    def cancel(self, timer: int) -> None:
        self.timers.cancel(timer)
        del self.plain.armed[timer]

    def look(self, now: int) -> None:
        """See what may be due without asking which it is: nothing may be missed."""
        first = self.plain.first()
        assert self.timers.due(now) or first is None or first[1] > now
        self.timers.check()

    def agree(self) -> None:
        first = self.plain.first()
        assert self.timers.first() == first
        assert self.timers.next_deadline() == (first[1] if first else 0)
        self.timers.check()

    def fire_all(self) -> list[int]:
        """Fire everything; gives the deadlines in their order."""
        fired = []
        while (first := self.plain.first()) is not None:
            assert self.timers.first() == first
            fired.append(first[1])
            self.cancel(first[0])
        assert self.timers.first() is None
        return fired


def test_nothing_is_armed_at_first() -> None:
    timers = Deadlines()
    assert timers.first() is None
    assert timers.next_deadline() == 0
    timers.check()


def test_timers_of_one_duration_share_a_lane() -> None:
    both = Both()
    for now in range(100):
        both.arm(now + 20, 20)
    assert both.timers.lanes == 1
    assert both.fire_all() == list(range(20, 120))


def test_equal_deadlines_fire_in_the_order_in_which_they_were_armed() -> None:
    timers = Deadlines()
    for slot, duration in enumerate([5, 3, 9, 3, 5, 7]):
        assert timers.is_regular(timers.arm(1000, duration, slot))
    order = []
    while (first := timers.first()) is not None:
        order.append(first[2])
        timers.cancel(first[0])
    assert order == [0, 1, 2, 3, 4, 5]


def test_what_was_cancelled_is_seen_to_be_gone_when_it_is_asked_for() -> None:
    both = Both()
    later = both.arm(200, 50)
    for now in range(10):
        both.cancel(both.arm(now + 20, 20))
        both.look(now)
    assert both.timers.due(20)
    both.agree()
    assert not both.timers.due(199)
    both.cancel(later)
    both.agree()
    assert not both.timers.due(10_000)


def test_a_lane_that_became_empty_takes_an_earlier_deadline() -> None:
    both = Both()
    both.arm(150, 50)
    both.cancel(both.arm(200, 20))
    early = both.arm(100, 20)
    assert both.timers.is_regular(early)
    both.look(100)
    both.agree()
    assert both.fire_all() == [100, 150]


def test_a_deadline_that_breaks_the_order_of_its_lane_fires_in_its_turn() -> None:
    both = Both()
    regular = [both.arm(deadline, 10) for deadline in (100, 200, 300)]
    early = both.arm(150, 10)
    assert [both.timers.is_regular(timer) for timer in (*regular, early)] == [True, True, True, False]
    assert both.fire_all() == [100, 150, 200, 300]


def test_an_irregular_deadline_equal_to_a_regular_one_fires_after_it() -> None:
    both = Both()
    first = both.arm(100, 10)
    both.arm(200, 10)
    second = both.arm(100, 10)
    assert not both.timers.is_regular(second)
    assert both.timers.first() == (first, 100, 1, True)
    both.cancel(first)
    assert both.timers.first() == (second, 100, 3, True)


@pytest.mark.parametrize("place", range(5))
def test_a_timer_can_be_cancelled_in_any_place_of_its_lane(place: int) -> None:
    both = Both()
    armed = [both.arm(100 + index, 10) for index in range(5)]
    both.arm(101, 7)
    both.cancel(armed[place])
    both.agree()
    deadlines = [100 + index for index in range(5) if index != place]
    assert both.fire_all() == sorted([*deadlines, 101])


def test_a_handle_is_used_again() -> None:
    both = Both()
    for now in range(1000):
        both.cancel(both.arm(now + 5, 5))
    assert both.timers.created == 1
    assert both.timers.lanes == 1


def test_lanes_that_are_empty_are_forgotten_when_there_are_many() -> None:
    both = Both()
    kept = [both.arm(10_000 + duration, duration) for duration in range(0, 3 * LANES_MAX, 7)]
    for duration in range(20 * LANES_MAX):
        timer = both.arm(20_000 + 2 * duration, duration)
        if duration % 97:
            both.cancel(timer)
        if duration % 500 == 0:
            both.agree()
        assert both.timers.lanes <= max(LANES_MAX, 2 * len(both.plain.armed)) + 1
    assert both.timers.lanes < 2 * LANES_MAX
    both.agree()
    assert set(kept) <= set(both.plain.armed)
    fired = both.fire_all()
    assert fired == sorted(fired)


def test_a_lane_that_was_forgotten_can_be_opened_again() -> None:
    both = Both()
    both.cancel(both.arm(50, 1_000_000))
    for duration in range(100):
        both.arm(100 + duration, duration)
    for duration in range(1, 2 * LANES_MAX):
        both.cancel(both.arm(60, 2_000_000 + duration))
    both.agree()
    both.arm(70, 1_000_000)
    both.arm(71, 1_000_000)
    both.agree()
    assert both.fire_all()[:2] == [70, 71]


def test_many_durations_in_use_at_once_all_keep_their_lanes() -> None:
    both = Both()
    for duration in range(3000):
        both.arm(5000 - duration, duration)
    assert both.timers.lanes == 3000
    both.agree()
    assert both.fire_all() == list(range(2001, 5001))


DURATIONS = st.sampled_from((0, 1, 5, 5, 20, 20, 20, 300))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("arm"), DURATIONS, st.integers(-30, 0) | st.just(0)),
        st.tuples(st.just("cancel"), st.integers(0, 50), st.just(0)),
        st.tuples(st.just("wait"), st.integers(0, 10), st.just(0)),
        st.tuples(st.just("agree"), st.just(0), st.just(0)),
    ),
    max_size=100,
)


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_any_short_life_fires_in_order(steps: list[tuple[str, int, int]]) -> None:
    both = Both()
    now = 1
    for verb, number, earlier in steps:
        if verb == "arm":
            both.arm(max(now, now + number + earlier), number)
        elif verb == "cancel" and both.plain.armed:
            both.cancel(list(both.plain.armed)[number % len(both.plain.armed)])
        elif verb == "wait":
            now += number
            while (first := both.plain.first()) is not None and first[1] <= now:
                assert both.timers.first() == first
                both.cancel(first[0])
        elif verb == "agree":
            both.agree()
        both.look(now)
    both.agree()
    fired = both.fire_all()
    assert fired == sorted(fired)


@pytest.mark.parametrize("seed", range(4))
def test_a_long_life_fires_in_order(seed: int) -> None:
    rng = Random(seed)
    both = Both()
    now = 0
    durations = [rng.randint(1, 10_000) for _ in range(rng.choice((3, 30, 800)))]
    for step in range(6000):
        choice = rng.random()
        if choice < 0.5 and len(both.plain.armed) < 300:
            duration = rng.choice(durations)
            both.arm(now + (duration if rng.random() < 0.9 else rng.randint(0, duration)), duration)
        elif choice < 0.7 and both.plain.armed:
            both.cancel(rng.choice(list(both.plain.armed)))
        else:
            now += rng.randint(0, 200)
            while (first := both.plain.first()) is not None and first[1] <= now:
                assert both.timers.first() == first
                both.cancel(first[0])
        if step % 50 == 0:
            both.look(now)
        if step % 500 == 0:
            both.agree()
    both.fire_all()
