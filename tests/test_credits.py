"""Credit for those who hung up: the fast memory agrees with the readable one, and stays as small as it should."""

from hypothesis import given
from hypothesis import strategies as st

from acd_core.credits import Credits
from acd_core.model.credits import Credits as ReadableCredits

CALLERS = st.sampled_from([("acme", "ann"), ("acme", "bea"), ("bolt", "ann"), ("bolt", "cid")])
GIVE = st.tuples(st.just("give"), st.integers(0, 5), CALLERS, st.integers(0, 9), st.integers(1, 6), st.integers(0, 4))
TAKE = st.tuples(st.just("take"), st.integers(0, 5), CALLERS)
KEEP = st.tuples(st.just("keep"), st.integers(0, 5), st.integers(0, 3))


@given(st.lists(GIVE | TAKE | KEEP, max_size=40))
def test_the_fast_memory_agrees_with_the_readable_one(steps: list[tuple]) -> None:  # type: ignore[type-arg]  # mixed
    fast, readable = Credits(), ReadableCredits()
    now = 0
    for name, pause, *rest in steps:
        now += pause
        if name == "keep":
            fast.keep(*rest)
            readable.keep(*rest)
        else:
            assert getattr(fast, name)(now, *rest) == getattr(readable, name)(now, *rest)
        assert fast.rows(now) == readable.rows(now)


def test_only_so_many_callers_are_kept_and_the_earliest_goes_first() -> None:
    credits_ = Credits()
    for number in range(1000):
        credits_.give(number, ("acme", f"c-{number}"), 5, 10**9, 10)
        assert len(credits_) <= 10
    assert [row.caller for row in credits_.rows(1000)] == [f"c-{number}" for number in range(990, 1000)]


def test_what_ran_out_is_forgotten_with_the_next_call() -> None:
    credits_ = Credits()
    for number in range(100):
        credits_.give(number, ("acme", f"c-{number}"), 5, 10 + number % 7, 1000)
    assert credits_.take(10_000, ("acme", "nobody")) == 0
    assert len(credits_) == 0
